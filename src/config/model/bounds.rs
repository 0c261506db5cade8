//! What bounds a run: guards on deleting, memory and time.

use crate::config::units::{Octets, Share, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits beyond which a run deletes nothing from a mailbox. Events are published all the same, and `poll
/// --allow-deletes` deletes what was withheld.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guards {
    /// Mails that one run may delete in one mailbox; by default any number.
    #[serde(default)]
    pub max_deletes: Option<u64>,
    /// The share of a mailbox's mails that one run may delete, where it holds 20 or more; by default all of them.
    #[serde(default)]
    pub max_delete_share: Option<Share>,
    /// Of the mails that are to be deleted, where they are 20 or more, the share that may be `unclassified`; by default
    /// all of them.
    #[serde(default)]
    pub max_unclassified_share: Option<Share>,
}

/// What bounds memory and time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// A larger mail is published as `unclassified` (`too_large`) with its headers.
    #[serde(default = "message_size")]
    pub message_size: Octets,
    /// Octets of mail between the sockets and the acknowledgements, all mailboxes together; each mail counts 8 KiB more
    /// for what is made of it. Each connection may hold up to two mails more while it reads them.
    #[serde(default = "in_flight")]
    pub in_flight: Octets,
    /// Mailboxes polled at once.
    #[serde(default = "mailboxes_at_once")]
    pub mailboxes_at_once: usize,
    /// RETR commands sent ahead where the server announces PIPELINING.
    #[serde(default = "pipeline")]
    pub pipeline: usize,
    /// Mails fetched before their deletes are committed with QUIT and a new session begins.
    #[serde(default = "session_mails")]
    pub session_mails: usize,
    /// For the connection and the TLS handshake.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: Span,
    /// How long a server may stay silent.
    #[serde(default = "read_timeout")]
    pub read_timeout: Span,
    /// How long the answer to one command may take; a mail gets the time that 4 kB/s need on top.
    #[serde(default = "command_timeout")]
    pub command_timeout: Span,
    /// After this long, and a time-out more at most, a session's deletes are committed with QUIT and a new one begins.
    #[serde(default = "session_time")]
    pub session_time: Span,
    /// How often a mailbox is tried again in one run after a failure that may pass (a lock, a broken connection).
    #[serde(default = "retries")]
    pub retries: usize,
    /// The pause before the first of them; it doubles each time, and some chance is added.
    #[serde(default = "retry_pause")]
    pub retry_pause: Span,
    /// After this long a run ends: what was fetched is published and deleted as usual, the rest is for the next run. By
    /// default it goes on until everything is done.
    #[serde(default)]
    pub run_time: Option<Span>,
}

fn message_size() -> Octets {
    Octets(30_000_000)
}

fn in_flight() -> Octets {
    Octets(32_000_000)
}

fn mailboxes_at_once() -> usize {
    16
}

fn pipeline() -> usize {
    100
}

fn session_mails() -> usize {
    5_000
}

fn connect_timeout() -> Span {
    Span::seconds(15)
}

fn read_timeout() -> Span {
    Span::seconds(60)
}

fn command_timeout() -> Span {
    Span::seconds(5 * 60)
}

fn session_time() -> Span {
    Span::seconds(10 * 60)
}

fn retries() -> usize {
    3
}

fn retry_pause() -> Span {
    Span::seconds(2)
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size: message_size(),
            in_flight: in_flight(),
            mailboxes_at_once: mailboxes_at_once(),
            pipeline: pipeline(),
            session_mails: session_mails(),
            connect_timeout: connect_timeout(),
            read_timeout: read_timeout(),
            command_timeout: command_timeout(),
            session_time: session_time(),
            retries: retries(),
            retry_pause: retry_pause(),
            run_time: None,
        }
    }
}
