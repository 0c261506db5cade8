//! Why a mailbox could not be read, in one line that says what to do.

use super::login::{LoginError, Method, ScramError};
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
    #[error("{host}:{port} does not speak TLS from the first octet: use port 995, or `tls: starttls` on port 110")]
    NotTls { host: String, port: u16 },
    #[error("{host}:{port} speaks TLS from the first octet: remove the line `tls:` of the mailbox")]
    IsTls { host: String, port: u16 },
    #[error("{host}:{port} does not greet as a POP3 server: check `port`")]
    NotPop3 { host: String, port: u16 },
    #[error(
        "{host}:{port} sends no greeting: if this port is for TLS from the first octet, remove the line `tls:` of the mailbox"
    )]
    NoGreeting { host: String, port: u16 },
    #[error(
        "{host}:{port}: its certificate is not trusted: it was issued by `{issuer}`; if that is a CA of your own, \
         set `ca_file` to a PEM file with its certificate"
    )]
    UntrustedCertificate { host: String, port: u16, issuer: String },
    #[error("{host}:{port}: its certificate cannot be used: tell who runs the server")]
    BadCertificate {
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
    #[error("{host}:{port} and this program have no TLS version in common: it must speak what `tls_min` allows")]
    NoCommonTls {
        host: String,
        port: u16,
        #[source]
        source: io::Error,
    },
    #[error(
        "{host}:{port} does not change to TLS when STLS asks for it, and nothing is sent in clear: use port 995 without `tls: starttls`"
    )]
    NoStls { host: String, port: u16 },
    #[error(
        "{host}:{port} closes the connection at the TLS handshake: if it does so again, see whether that is the POP3S port"
    )]
    HungUp {
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
    #[error("the server was silent for {seconds} s while {doing}")]
    Silent { doing: &'static str, seconds: u64 },
    #[error("the server took longer than {seconds} s for one answer while {doing}")]
    TooSlow { doing: &'static str, seconds: u64 },
    #[error("the connection broke while {doing}")]
    Io {
        doing: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{source} (while {doing})")]
    Session { doing: &'static str, source: SessionError },
    #[error("the login by {method} was refused ({said}): {}", advice(*method))]
    Login { method: Method, code: Option<ResponseCode>, said: String },
    #[error(transparent)]
    LoginExchange(LoginError),
    /// The server lets nobody in at present, whatever the password: a lock, or trouble.
    #[error("the server refused the login ({said}){}", permanent(*code))]
    NoEntry { code: Option<ResponseCode>, said: String },
    #[error("this machine gives no random numbers, which a login needs")]
    NoRandom,
    #[error("the server refused {command} ({said}){}", permanent(*code))]
    Refused { command: &'static str, code: Option<ResponseCode>, said: String },
}

/// What is to be done about a failure within the same run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Nothing: a person must do something.
    No,
    /// Try again after a while.
    Later,
    /// The connection broke: replace it and go on with what is left.
    Resume,
    /// The server lost its way, or somebody is on the line: replace the connection and send one command at a time.
    OneAtATime,
}

impl Pop3Error {
    pub(super) fn refused(command: &'static str, status: &Status) -> Self {
        Self::Refused { command, code: status.code, said: said(status) }
    }

    /// A refused login. `marked` says whether a refusal without a code is the credentials' fault: a server with
    /// AUTH-RESP-CODE would mark it (RFC 3206 section 6).
    pub(super) fn login(method: Method, status: &Status, marked: bool) -> Self {
        // A lock or a server's trouble is none of the password's fault (RFC 2449 section 8, RFC 3206 section 4).
        let trouble = match status.code {
            Some(ResponseCode::InUse | ResponseCode::LoginDelay | ResponseCode::SysTemp | ResponseCode::SysPerm) => {
                true
            }
            Some(ResponseCode::Auth) => false,
            Some(ResponseCode::Other) | None => !marked,
        };
        if trouble {
            return Self::NoEntry { code: status.code, said: said(status) };
        }
        Self::Login { method, code: status.code, said: said(status) }
    }

    /// The server refuses the login for good: trying again without a change is of no use (RFC 3206: \[AUTH\], and
    /// \[SYS/PERM\], which the server's people must solve).
    #[must_use]
    pub fn is_credentials(&self) -> bool {
        match self {
            Self::Login { .. } | Self::LoginExchange(LoginError::Scram(ScramError::Refused)) => true,
            Self::NoEntry { code, .. } => *code == Some(ResponseCode::SysPerm),
            _ => false,
        }
    }

    /// The server speaks TLS, and that is where it failed.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(
            self,
            Self::UntrustedCertificate { .. }
                | Self::BadCertificate { .. }
                | Self::WrongName { .. }
                | Self::ExpiredCertificate { .. }
                | Self::NoCommonTls { .. }
        )
    }

    /// What to do within the same run.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            // A server that is overloaded greets nobody, even on the right port.
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::Handshake { .. }
            | Self::HungUp { .. }
            | Self::NoGreeting { .. } => Retry::Later,
            Self::Refused { code, .. } | Self::NoEntry { code, .. } => match code {
                Some(ResponseCode::SysPerm | ResponseCode::Auth) => Retry::No,
                _ => Retry::Later,
            },
            Self::Silent { .. }
            | Self::TooSlow { .. }
            | Self::Io { .. }
            | Self::Session { source: SessionError::Cut, .. } => Retry::Resume,
            Self::Session { source: SessionError::Unasked | SessionError::Codec(_), .. } => Retry::OneAtATime,
            _ => Retry::No,
        }
    }

    /// A setting must be changed before this can work.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::NotTls { .. }
                | Self::IsTls { .. }
                | Self::NotPop3 { .. }
                | Self::NoGreeting { .. }
                | Self::UntrustedCertificate { .. }
                | Self::BadCertificate { .. }
                | Self::WrongName { .. }
                | Self::NoCommonTls { .. }
                | Self::NoStls { .. }
                | Self::CaFile { .. }
        ) || matches!(self, Self::LoginExchange(error) if !matches!(error, LoginError::Scram(ScramError::Refused)))
    }
}

fn said(status: &Status) -> String {
    let text = status.safe_text();
    if text.is_empty() { "no reason given".to_owned() } else { text }
}

/// What to do about a refused login.
fn advice(method: Method) -> &'static str {
    match method {
        Method::Xoauth2 | Method::Oauthbearer => "check username and token",
        // Servers that keep passwords as other hashes announce SCRAM and can only refuse it.
        Method::ScramSha256 | Method::Apop => {
            "check username and password; if they are right, the server has no secret for this: set `login: plain`"
        }
        Method::UserPass | Method::Plain | Method::Login => "check username and password",
    }
}

/// What to do about a refusal that will not pass by itself.
fn permanent(code: Option<ResponseCode>) -> &'static str {
    if code == Some(ResponseCode::SysPerm) { ": it will not pass by itself, ask who runs the server" } else { "" }
}

impl From<LoginError> for Pop3Error {
    fn from(error: LoginError) -> Self {
        Self::LoginExchange(error)
    }
}
