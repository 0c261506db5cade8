//! A connection as the server has it, in clear or in TLS, and the certificates for it.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

pub enum Wire {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    pub fn secure(self, config: &Arc<ServerConfig>) -> io::Result<Self> {
        let Self::Clear(tcp) = self else { return Ok(self) };
        let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, tcp))))
    }

    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Clear(tcp) => tcp,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Octets below TLS.
    pub fn raw(&self, octets: &[u8]) -> io::Result<()> {
        let mut tcp = self.tcp();
        tcp.write_all(octets)
    }

    /// Ends the connection and waits until the client has done so too: a socket that is closed with octets unread
    /// would be reset, and the client would lose what it has not read.
    pub fn end(mut self, notify: bool) -> io::Result<()> {
        if let (Self::Tls(stream), true) = (&mut self, notify) {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        self.tcp().shutdown(Shutdown::Write)?;
        self.hold()
    }

    /// Says nothing any more until the client ends the connection.
    pub fn hold(self) -> io::Result<()> {
        let mut into = [0; 4096];
        let mut tcp = self.tcp();
        while tcp.read(&mut into)? > 0 {}
        Ok(())
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(tcp) => tcp.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(tcp) => tcp.write(octets),
            Self::Tls(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Clear(tcp) => tcp.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A private certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// The certificate and the versions of TLS that a server has.
#[derive(Clone, Copy)]
pub struct Identity {
    pub name: &'static str,
    pub expired: bool,
    pub only_tls12: bool,
}

impl Default for Identity {
    fn default() -> Self {
        Self { name: "127.0.0.1", expired: false, only_tls12: false }
    }
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub fn server(&self, identity: Identity) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new(vec![identity.name.to_owned()]).expect("parameters");
        if identity.expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let versions: &[_] = if identity.only_tls12 { &[&TLS12] } else { &[&TLS13, &TLS12] };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate and its key");
        Arc::new(config)
    }
}
