//! TLS for a connection: which authorities to trust, and what its failures mean.

use super::error::Pop3Error;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error as TlsError, RootCertStore, SupportedProtocolVersion,
};
use rustls_platform_verifier::BuilderVerifierExt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// The oldest version to speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Minimum {
    #[default]
    Tls12,
    Tls13,
}

/// A connector that trusts the system's authorities, or those of `ca_file` alone. It remembers TLS sessions: who
/// connects to the same host with it again resumes one.
///
/// # Errors
/// When the file cannot be read or holds no certificate.
pub fn connector(ca_file: Option<&Path>, minimum: Minimum) -> Result<TlsConnector, Pop3Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let setup = |e: &dyn std::fmt::Display| Pop3Error::CaFile {
        path: ca_file.map_or_else(|| "(system)".to_owned(), |p| p.display().to_string()),
        problem: e.to_string(),
    };
    let versions: &[&SupportedProtocolVersion] = match minimum {
        Minimum::Tls12 => &[&TLS13, &TLS12],
        Minimum::Tls13 => &[&TLS13],
    };
    let builder =
        ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).map_err(|e| setup(&e))?;
    let config = match ca_file {
        Some(path) => builder.with_root_certificates(roots(path)?).with_no_client_auth(),
        None => builder.with_platform_verifier().map_err(|e| setup(&e))?.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn roots(path: &Path) -> Result<RootCertStore, Pop3Error> {
    let problem = |problem: String| Pop3Error::CaFile { path: path.display().to_string(), problem };
    let pem = std::fs::read(path).map_err(|e| problem(format!("cannot be read: {e}")))?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| problem("is no PEM file with certificates".to_owned()))?;
        store.add(certificate).map_err(|e| problem(format!("holds a certificate that cannot be used: {e}")))?;
    }
    if store.is_empty() {
        return Err(problem("holds no certificate: it must be a PEM file".to_owned()));
    }
    Ok(store)
}

/// The name that the certificate must have.
///
/// # Errors
/// When `host` is neither a host name nor an address.
pub fn server_name(host: &str) -> Result<ServerName<'static>, Pop3Error> {
    ServerName::try_from(host.to_owned()).map_err(|e| Pop3Error::Resolve {
        host: host.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidInput, e),
    })
}

/// What a failed handshake means, and what to do about it.
pub(super) fn handshake_error(host: &str, port: u16, source: io::Error) -> Pop3Error {
    let host = host.to_owned();
    let Some(error) = source.get_ref().and_then(|e| e.downcast_ref::<TlsError>()) else {
        return Pop3Error::Handshake { host, port, source };
    };
    match error {
        // The greeting of a clear-text server is no TLS record.
        TlsError::InvalidMessage(_) => Pop3Error::NotTls { host, port },
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Pop3Error::WrongName { host, port, source },
        TlsError::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => Pop3Error::ExpiredCertificate { host, port, source },
        TlsError::InvalidCertificate(_) => Pop3Error::UntrustedCertificate { host, port, source },
        // RFC 8446 section 6.2 has protocol_version for this; older servers say handshake_failure.
        TlsError::PeerIncompatible(_)
        | TlsError::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure) => {
            Pop3Error::NoCommonTls { host, port, source }
        }
        _ => Pop3Error::Handshake { host, port, source },
    }
}
