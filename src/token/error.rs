//! Why there is no token, in one line that says what to do.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// An error of a token's source. Hosts, paths and names of programs are named; tokens, secrets, arguments, whole URLs
/// and addresses are not.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("{setting}: {problem}")]
    Setting { setting: &'static str, problem: &'static str },
    #[error("{setting}: cannot read the file {}: check the path and its permissions", path.display())]
    Unreadable {
        setting: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{setting} {}: {problem}", path.display())]
    CaFile { setting: &'static str, path: PathBuf, problem: &'static str },
    #[error(
        "oauth.endpoint: the system's certificate authorities cannot be used: install the package ca-certificates, or set ca_file"
    )]
    Authorities {
        #[source]
        source: reqwest::Error,
    },
    #[error(
        "oauth.file {} {problem}: it must hold one access token and nothing else (write a new one under another name and rename it)",
        path.display()
    )]
    FileText { path: PathBuf, problem: &'static str },
    #[error("oauth.command: {program} cannot be run: give its full path, and check that it may be executed")]
    Start {
        program: String,
        #[source]
        source: io::Error,
    },
    #[error("oauth.command: {program} ended with {status}: run it by hand to see why")]
    Exit { program: String, status: ExitStatus },
    #[error("oauth.command: what {program} prints {problem}: it must print one access token and nothing else")]
    Printed { program: String, problem: &'static str },
    #[error("{origin} gave no access token within {limit:?}")]
    Slow { origin: String, limit: Duration },
    #[error("the token endpoint {host}: {advice}")]
    Network {
        host: String,
        advice: &'static str,
        class: Class,
        #[source]
        source: reqwest::Error,
    },
    #[error("the token endpoint {host} redirects ({status}): set oauth.endpoint.url to the address where it is")]
    Redirected { host: String, status: u16 },
    #[error("the token endpoint {host} gave no token (HTTP status {status}): {advice}")]
    Status { host: String, status: u16, advice: &'static str, class: Class, retry_after: Option<Duration> },
    #[error("the token endpoint {host} refused ({code}{said}): {advice}")]
    Refused { host: String, code: String, said: String, advice: &'static str, class: Class },
    #[error("the answer of the token endpoint {host} {problem}: check oauth.endpoint.url")]
    Answer { host: String, problem: &'static str },
    #[error("the token endpoint asked to wait: it is asked again in {} s", wait.as_secs().max(1))]
    AskedToWait { wait: Duration },
}

/// What a failure asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Waiting.
    Temporary,
    /// Other credentials, or permissions for them.
    Credentials,
    /// Another setting.
    Configuration,
}

impl TokenError {
    /// It may work later without a change.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.class() == Class::Temporary
    }

    /// The credentials are wrong or have no permission.
    #[must_use]
    pub fn is_credentials(&self) -> bool {
        self.class() == Class::Credentials
    }

    /// A setting must be changed.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        self.class() == Class::Configuration
    }

    /// How long the endpoint asked to wait, five minutes at most.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::AskedToWait { wait } => Some(*wait),
            _ => None,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Refused { class, .. } | Self::Status { class, .. } | Self::Network { class, .. } => *class,
            // A program ends with an error when it cannot reach its own endpoint, too.
            Self::Exit { .. } | Self::Slow { .. } | Self::AskedToWait { .. } => Class::Temporary,
            // Too many processes, too little memory.
            Self::Start { source, .. }
                if matches!(source.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory) =>
            {
                Class::Temporary
            }
            Self::Setting { .. }
            | Self::Unreadable { .. }
            | Self::CaFile { .. }
            | Self::Authorities { .. }
            | Self::FileText { .. }
            | Self::Start { .. }
            | Self::Printed { .. }
            | Self::Redirected { .. }
            | Self::Answer { .. } => Class::Configuration,
        }
    }
}
