//! Commands, as they go onto the wire, and the form of the answer that each has.

use super::codec::Expect;
use secrecy::{ExposeSecret, SecretString};
use std::fmt::Write;

/// Capabilities may have so many octets.
const MAX_CAPA: usize = 64 * 1024;
/// A list of a mailbox may be this long: 200,000 mails of 80 octets each.
const MAX_LIST: usize = 16 * 1024 * 1024;
/// So much of a mail's headers is kept.
const MAX_HEAD: usize = 256 * 1024;

/// A command.
#[derive(Debug, Clone)]
pub enum Command {
    /// What can the server do (RFC 2449)?
    Capa,
    /// TLS from here on (RFC 2595).
    Stls,
    /// Mails with UTF-8 in their headers come as they are (RFC 6856).
    Utf8,
    /// One line of a login, whatever the mechanism: [`super::login`] makes them. Never printed.
    Login(SecretString),
    Uidl,
    List,
    /// A mail; `hint` is the size that LIST named.
    Retr {
        number: u32,
        hint: u64,
    },
    /// A mail's headers (TOP with no line of the body).
    Top(u32),
    Dele(u32),
    /// Nothing, but an answer.
    Noop,
    Quit,
}

/// What a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    Greeting,
    Capa,
    Stls,
    Utf8,
    Login,
    Uidl,
    List,
    Retr(u32),
    Top(u32),
    Dele(u32),
    Noop,
    Quit,
}

impl Command {
    /// What the reply will be an answer to, and its form; a mail is kept up to `max_body` octets.
    pub(super) fn answer(&self, max_body: usize) -> (Sent, Expect) {
        let list = Expect::Lines { max: MAX_LIST };
        match self {
            Self::Capa => (Sent::Capa, Expect::Lines { max: MAX_CAPA }),
            Self::Stls => (Sent::Stls, Expect::Status),
            Self::Utf8 => (Sent::Utf8, Expect::Status),
            Self::Login(_) => (Sent::Login, Expect::Status),
            Self::Uidl => (Sent::Uidl, list),
            Self::List => (Sent::List, list),
            Self::Retr { number, hint } => {
                let hint = usize::try_from(*hint).unwrap_or(usize::MAX).saturating_add(64);
                (Sent::Retr(*number), Expect::Body { max: max_body, hint })
            }
            Self::Top(number) => (Sent::Top(*number), Expect::Body { max: MAX_HEAD, hint: 0 }),
            Self::Dele(number) => (Sent::Dele(*number), Expect::Status),
            Self::Noop => (Sent::Noop, Expect::Status),
            Self::Quit => (Sent::Quit, Expect::Status),
        }
    }

    /// Appends the command and its line end.
    pub(super) fn encode(&self, out: &mut String) {
        // Writing into a String cannot fail.
        let _ = match self {
            Self::Capa => out.write_str("CAPA"),
            Self::Stls => out.write_str("STLS"),
            Self::Utf8 => out.write_str("UTF8"),
            Self::Login(line) => out.write_str(line.expose_secret()),
            Self::Uidl => out.write_str("UIDL"),
            Self::List => out.write_str("LIST"),
            Self::Retr { number, .. } => write!(out, "RETR {number}"),
            Self::Top(number) => write!(out, "TOP {number} 0"),
            Self::Dele(number) => write!(out, "DELE {number}"),
            Self::Noop => out.write_str("NOOP"),
            Self::Quit => out.write_str("QUIT"),
        };
        out.push_str("\r\n");
    }
}
