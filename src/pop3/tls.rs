//! TLS for a connection: which authorities to trust, and what its failures mean.

use super::certificate::Certificate;
use super::error::Pop3Error;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, OtherError,
    RootCertStore, SignatureScheme, SupportedProtocolVersion,
};
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
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|e| setup(&e))?;
    let inner: Arc<dyn ServerCertVerifier> = match ca_file {
        Some(path) => WebPkiServerVerifier::builder_with_provider(Arc::new(roots(path)?), provider)
            .build()
            .map_err(|e| setup(&e))?,
        None => Arc::new(rustls_platform_verifier::Verifier::new(provider).map_err(|e| setup(&e))?),
    };
    let config =
        builder.dangerous().with_custom_certificate_verifier(Arc::new(NamingTheIssuer { inner })).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Verifies as `inner` does; a certificate that is not trusted is refused with the name of who issued it, so that a
/// person can tell a private CA from a stranger.
#[derive(Debug)]
struct NamingTheIssuer {
    inner: Arc<dyn ServerCertVerifier>,
}

/// A certificate that is not trusted.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
struct Untrusted {
    issuer: String,
    source: TlsError,
}

impl ServerCertVerifier for NamingTheIssuer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now).map_err(|source| {
            if !matches!(source, TlsError::InvalidCertificate(CertificateError::UnknownIssuer)) {
                return source;
            }
            let top = intermediates.last().unwrap_or(end_entity);
            let issuer = Certificate::parse(top).map(|c| c.issuer).unwrap_or_default();
            TlsError::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Untrusted { issuer, source }))))
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
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
        return if source.kind() == io::ErrorKind::UnexpectedEof {
            Pop3Error::HungUp { host, port, source }
        } else {
            Pop3Error::Handshake { host, port, source }
        };
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
        TlsError::InvalidCertificate(CertificateError::Other(other)) if other.0.is::<Untrusted>() => {
            let issuer = other.0.downcast_ref::<Untrusted>().map(|u| u.issuer.clone()).unwrap_or_default();
            Pop3Error::UntrustedCertificate { host, port, issuer }
        }
        TlsError::InvalidCertificate(_) => Pop3Error::BadCertificate { host, port, source },
        // RFC 8446 section 6.2 has protocol_version for this; older servers say handshake_failure.
        TlsError::PeerIncompatible(_)
        | TlsError::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure) => {
            Pop3Error::NoCommonTls { host, port, source }
        }
        _ => Pop3Error::Handshake { host, port, source },
    }
}
