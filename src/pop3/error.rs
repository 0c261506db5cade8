//! Why a mailbox could not be read, in one line that says what to do.

use super::reply::{ResponseCode, Status};
use super::session::SessionError;
use std::io;

/// An error of the POP3 client. Texts of servers are shortened and freed of addresses.
#[derive(Debug, thiserror::Error)]
pub enum Pop3Error {
    #[error("{host}: the name cannot be resolved: check `host`, and DNS")]
    Resolve {
        host: String,
        #[source]
        source: io::Error,
    },
    #[error("{host}:{port}: cannot connect: check host, port and firewall")]
    Connect {
        host: String,
        port: u16,
        #[source]
        source: io::Error,
    },
    #[error("{host}:{port}: no answer within {seconds} s: check host, port and firewall")]
    ConnectTimeout { host: String, port: u16, seconds: u64 },
    #[error("{host}:{port} does not speak TLS: use port 995, or `tls: none` if clear text is acceptable")]
    NotTls { host: String, port: u16 },
    #[error("{host}:{port} speaks TLS and the mailbox says `tls: none`: remove that line")]
    IsTls { host: String, port: u16 },
    #[error("{host}:{port} sends no greeting: if this port is for TLS, remove `tls: none`")]
    NoGreeting { host: String, port: u16 },
    #[error("{host}:{port}: its certificate is not trusted: if a private CA signed it, set `ca_file`")]
    UntrustedCertificate {
        host: String,
        port: u16,
        #[source]
        source: io::Error,
    },
    #[error("{host}:{port}: its certificate is for another name: set `host` to a name that it has")]
    WrongName {
        host: String,
        port: u16,
        #[source]
        source: io::Error,
    },
    #[error("{host}:{port}: its certificate has expired or is not valid yet: tell who runs the server")]
    ExpiredCertificate {
        host: String,
        port: u16,
        #[source]
        source: io::Error,
    },
    #[error("{host}:{port}: the TLS handshake failed")]
    Handshake {
        host: String,
        port: u16,
        #[source]
        source: io::Error,
    },
    #[error("ca_file {path}: {problem}")]
    CaFile { path: String, problem: String },
    #[error("the server did not answer {doing} within {seconds} s")]
    Silent { doing: &'static str, seconds: u64 },
    #[error("the connection broke while {doing}")]
    Io {
        doing: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{source} (while {doing})")]
    Session { doing: &'static str, source: SessionError },
    #[error("the login was refused ({said}): check username and password")]
    Login { code: Option<ResponseCode>, said: String },
    #[error("the server offers no login that this program has: it must take USER and PASS, or AUTH PLAIN")]
    NoMechanism,
    #[error("the server refused {command} ({said})")]
    Refused { command: &'static str, code: Option<ResponseCode>, said: String },
}

impl Pop3Error {
    pub(super) fn refused(command: &'static str, status: &Status) -> Self {
        Self::Refused { command, code: status.code, said: said(status) }
    }

    pub(super) fn login(status: &Status) -> Self {
        // A lock or a server problem is none of the password's fault (RFC 2449 section 8, RFC 3206).
        match status.code {
            Some(ResponseCode::InUse | ResponseCode::LoginDelay | ResponseCode::SysTemp | ResponseCode::SysPerm) => {
                Self::refused("the login", status)
            }
            code => Self::Login { code, said: said(status) },
        }
    }

    /// The credentials are wrong: trying again without a change is of no use.
    #[must_use]
    pub fn is_credentials(&self) -> bool {
        matches!(self, Self::Login { .. })
    }

    /// A setting must be changed before this can work.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::NotTls { .. }
                | Self::IsTls { .. }
                | Self::NoGreeting { .. }
                | Self::UntrustedCertificate { .. }
                | Self::WrongName { .. }
                | Self::CaFile { .. }
                | Self::NoMechanism
        )
    }
}

fn said(status: &Status) -> String {
    let text = status.safe_text();
    if text.is_empty() { "no reason given".to_owned() } else { text }
}
