//! A mailbox: where it is, how to log in, what becomes of its mails, whom it trusts.

use super::Privacy;
use crate::config::secret::Secret;
use crate::config::units::Span;
use crate::event::MailboxRole;
use crate::ledger::State;
use crate::schedule::Expression;
use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// One mailbox on a POP3 server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mailbox {
    /// A short name: it is part of every event's id, so keep it when the server changes.
    pub name: String,
    /// The server's host name, as its certificate has it.
    pub host: String,
    /// 995 for implicit TLS, 110 otherwise, unless given.
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub tls: Tls,
    /// The oldest TLS version to accept.
    #[serde(default)]
    pub tls_min: TlsVersion,
    /// PEM file with the certificate authorities to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    pub username: String,
    #[serde(default)]
    pub password: Option<Secret>,
    /// File that holds the password; a line end at its end is dropped.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// An OAuth 2 access token instead of a password: where it comes from.
    #[serde(default)]
    pub oauth: Option<TokenSource>,
    /// How to log in; by default the strongest way that the server announces.
    #[serde(default)]
    pub login: LoginMethod,
    #[serde(default)]
    pub role: Option<MailboxRole>,
    /// Where this mailbox's events go, of whatever kind, instead of `kafka.topics` and `kafka.topic`.
    #[serde(default)]
    pub topic: Option<String>,
    #[serde(default)]
    pub retention: Retention,
    /// Whether `retention` holds for mails that became dead letters too. By default they stay: a dead letter has only
    /// a few of a mail's headers.
    #[serde(default)]
    pub delete_dead_letters: bool,
    #[serde(default)]
    pub start: Start,
    #[serde(default)]
    pub trust: Trust,
    /// Instead of the general setting.
    #[serde(default)]
    pub privacy: Option<Privacy>,
    /// `false`: the mails of this mailbox are not archived.
    #[serde(default = "super::yes")]
    pub archive: bool,
    /// When `run` polls it, instead of `run.schedule`.
    #[serde(default)]
    pub schedule: Option<Expression>,
}

impl Mailbox {
    /// The port, by setting or by kind of connection.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Tls::Implicit => 995,
            Tls::Starttls | Tls::None => 110,
        })
    }

    /// Whether a mail of which this became may be deleted at all.
    #[must_use]
    pub fn may_delete(&self, state: State) -> bool {
        match state {
            State::Published => true,
            State::DeadLetter => self.delete_dead_letters,
            State::BeforeStart => false,
        }
    }
}

/// How the connection is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// TLS from the first octet (RFC 8314), port 995.
    #[default]
    Implicit,
    /// TLS after STLS (RFC 2595), port 110. Nothing is sent in clear but that command.
    Starttls,
    /// Clear text: password and mail can be read on the way. Warned about on every run.
    None,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    #[default]
    #[serde(rename = "1.2")]
    V12,
    #[serde(rename = "1.3")]
    V13,
}

/// A way to log in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoginMethod {
    /// The strongest that the server announces and the connection allows.
    #[default]
    Auto,
    /// USER and PASS (RFC 1939).
    UserPass,
    /// APOP (RFC 1939): the password does not travel, but its digest is MD5.
    Apop,
    /// AUTH PLAIN (RFC 4616).
    Plain,
    /// AUTH LOGIN, for servers that have nothing else.
    Login,
    /// AUTH SCRAM-SHA-256 (RFC 7677): the password does not travel, and the server proves that it knows it.
    #[serde(rename = "scram_sha_256")]
    ScramSha256,
    /// AUTH XOAUTH2, Google's and Microsoft's way to send a token.
    Xoauth2,
    /// AUTH OAUTHBEARER (RFC 7628).
    Oauthbearer,
}

/// Where an OAuth 2 access token comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenSource {
    /// A file that another program keeps up to date; read again for every login.
    File(PathBuf),
    /// A program and its arguments; it prints the token.
    Command(Vec<String>),
    /// A token endpoint (RFC 6749).
    Endpoint(TokenEndpoint),
}

/// An OAuth 2 token endpoint. With a refresh token the grant is `refresh_token` (RFC 6749 section 6),
/// without one it is `client_credentials` (section 4.4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenEndpoint {
    /// `https://login.microsoftonline.com/TENANT/oauth2/v2.0/token`, `https://oauth2.googleapis.com/token`.
    pub url: String,
    pub client_id: String,
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// File that holds the client's secret.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    #[serde(default)]
    pub refresh_token: Option<Secret>,
    /// File that holds the refresh token. A new one that the endpoint gives out is kept for this run only.
    #[serde(default)]
    pub refresh_token_file: Option<PathBuf>,
    /// What the token is to be good for, such as `https://outlook.office365.com/.default`.
    #[serde(default)]
    pub scope: Option<String>,
    /// Authorities to trust for the endpoint instead of the system's (PEM).
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// What happens to a mail after its events were acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Retention {
    /// It stays; the ledger remembers that it was published.
    #[default]
    Keep,
    /// It is deleted.
    Delete,
    /// It is deleted this long after it was published.
    DeleteAfter(Span),
}

/// Where the first pass over a mailbox starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// With everything that lies there.
    #[default]
    All,
    /// With what arrives after the first pass.
    Now,
    /// With what arrived on this day (UTC) or later.
    Since(NaiveDate),
}

/// What the authentication station may believe about a mailbox. Without settings the boundary is
/// unknown, never guessed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Host names that our own servers write behind `by` in their Received lines. `*.example.com` stands for every
    /// host below that domain.
    #[serde(default)]
    pub by: Vec<String>,
    /// Our own networks: hops from there are inside. Loopback always is: where a proxy in front of the mail server
    /// hides the client's address, no setting can be right.
    #[serde(default)]
    pub internal: Vec<Network>,
    /// Servers outside that pass mail on to us, and whose Received lines are believed: the client that counts is theirs.
    #[serde(default)]
    pub forwarders: Vec<Forwarder>,
    /// The ids that our own servers write into Authentication-Results.
    #[serde(default)]
    pub authserv_ids: Vec<String>,
    /// Whether our own servers write Authentication-Results without an id, as Microsoft 365 does.
    #[serde(default)]
    pub authserv_without_id: bool,
    /// Where our own server puts Authentication-Results: above its Received line, or just below it
    /// as some milters do.
    #[serde(default)]
    pub authserv_place: AuthresPlace,
    /// Domains whose ARC seals are believed (d= of ARC-Seal).
    #[serde(default)]
    pub arc_sealers: Vec<String>,
}

/// A server outside that passes mail on to us.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forwarder {
    /// Host names that it writes behind `by`, as in `trust.by`.
    pub by: Vec<String>,
    /// Addresses from which it connects to us.
    pub networks: Vec<Network>,
}

/// Where a server puts its Authentication-Results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthresPlace {
    #[default]
    Above,
    Below,
}

/// An IP network such as `192.0.2.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}
