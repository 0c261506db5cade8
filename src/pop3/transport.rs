//! TCP and TLS under a session: where to connect, how, and what came of it.

use super::error::Pop3Error;
use super::tls;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What is read from the socket at once. rustls alone would ask the kernel for 4 KiB at a time.
const SOCKET_BUFFER: usize = 64 * 1024;

/// Where a mailbox is.
#[derive(Clone)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub security: Security,
}

/// How the connection is protected. Mailboxes that share a connector resume each other's TLS sessions.
#[derive(Clone)]
pub enum Security {
    /// TLS from the first octet (RFC 8314).
    Tls(TlsConnector),
    /// TLS after STLS (RFC 2595); a server that refuses it is not spoken to.
    Starttls(TlsConnector),
    /// None.
    Clear,
}

/// What is known of the TLS of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLS 1.3`.
    pub version: &'static str,
    /// The cipher suite, as rustls names it.
    pub cipher: String,
    /// An earlier session was resumed.
    pub resumed: bool,
    /// The server's certificate, DER.
    pub certificate: Option<Vec<u8>>,
}

/// A connection, with or without TLS.
pub(super) enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<BufReader<TcpStream>>>),
}

impl Stream {
    /// Resolves the name and connects; every address gets its share of the time.
    pub(super) async fn connect(host: &str, port: u16, within: Duration) -> Result<Self, Pop3Error> {
        let until = Instant::now() + within;
        let late = || Pop3Error::ConnectTimeout { host: host.to_owned(), port, seconds: within.as_secs() };
        let addresses: Vec<SocketAddr> = timeout(within, tokio::net::lookup_host((host, port)))
            .await
            .map_err(|_| late())?
            .map_err(|source| Pop3Error::Resolve { host: host.to_owned(), source })?
            .collect();
        let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let mut error = late();
        for address in addresses {
            let share = until.saturating_duration_since(Instant::now()) / left.max(1);
            left = left.saturating_sub(1);
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    // Commands are small and answers are waited for.
                    let _ = tcp.set_nodelay(true);
                    return Ok(Self::Clear(tcp));
                }
                Ok(Err(source)) => error = Pop3Error::Connect { host: host.to_owned(), port, source },
                Err(_) => error = late(),
            }
        }
        Err(error)
    }

    /// TLS on a connection that is in clear so far.
    pub(super) async fn secure(
        self,
        connector: &TlsConnector,
        host: &str,
        port: u16,
        within: Duration,
    ) -> Result<Self, Pop3Error> {
        let Self::Clear(tcp) = self else { return Ok(self) };
        let name = tls::server_name(host)?;
        let tcp = BufReader::with_capacity(SOCKET_BUFFER, tcp);
        match timeout(within, connector.connect(name, tcp)).await {
            Ok(Ok(stream)) => Ok(Self::Tls(Box::new(stream))),
            Ok(Err(error)) => Err(tls::handshake_error(host, port, error)),
            Err(_) => Err(Pop3Error::ConnectTimeout { host: host.to_owned(), port, seconds: within.as_secs() }),
        }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    pub(super) fn tls_facts(&self) -> Option<TlsFacts> {
        let Self::Tls(stream) = self else { return None };
        let (_, session) = stream.get_ref();
        Some(TlsFacts {
            version: match session.protocol_version()? {
                rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3",
                rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2",
                _ => "TLS",
            },
            cipher: session.negotiated_cipher_suite().map(|c| format!("{:?}", c.suite())).unwrap_or_default(),
            resumed: session.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
            certificate: session.peer_certificates().and_then(|c| c.first()).map(|c| c.to_vec()),
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(tcp) => Pin::new(tcp).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(tcp) => Pin::new(tcp).poll_write(cx, octets),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
