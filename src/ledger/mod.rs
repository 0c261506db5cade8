//! What was published already.
//!
//! A mail stays in its mailbox until its deletion is committed, so every run must know what an
//! earlier one published. The ledger holds that, apart from the sink: known? record, forget. A
//! mail is known by its UIDL within its mailbox, and by its digest where a server has no UIDL,
//! gives one id twice or uses an old one again.

mod file;
mod memory;
pub mod shelf;
pub mod topic;

pub use file::FileLedger;
pub use memory::MemoryLedger;

use crate::message::Digest;
use crate::sink::KafkaError;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::PathBuf;

/// What is known of one mailbox.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub by_uidl: HashMap<String, Entry>,
    pub digests: HashMap<Digest, Seen>,
    /// Whether a pass has begun with this mailbox before, even if it was empty then.
    pub begun: bool,
}

impl Known {
    /// Whether this is the first pass over the mailbox.
    #[must_use]
    pub fn is_new(&self) -> bool {
        !self.begun && self.by_uidl.is_empty() && self.digests.is_empty()
    }

    /// Takes mails that became dead letters for new ones.
    pub fn forget_dead_letters(&mut self) {
        self.by_uidl.retain(|_, entry| entry.state != State::DeadLetter);
        self.digests.retain(|_, seen| seen.state != State::DeadLetter);
    }
}

/// What became of the mail with a digest, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub state: State,
    pub at: DateTime<Utc>,
}

/// What is known of the mail with a UIDL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Version of this record; older ones stay readable.
    pub v: u8,
    pub state: State,
    pub at: DateTime<Utc>,
    /// Missing where the mail was never fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What LIST said: another size is another mail under an id that was used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_size: Option<u64>,
    /// Since when the server no longer lists it. One wrong answer of a server is no reason to
    /// forget what was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<DateTime<Utc>>,
}

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its events were acknowledged.
    Published,
    /// It is older than the mailbox's start and left alone for good.
    BeforeStart,
    /// Its events cannot be published; a dead letter was.
    DeadLetter,
}

impl State {
    /// Whether something was published of it: an event, or a dead letter.
    #[must_use]
    pub fn was_published(self) -> bool {
        matches!(self, Self::Published | Self::DeadLetter)
    }
}

/// A mail that is finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub uidl: Option<String>,
    pub digest: Option<Digest>,
    pub listed_size: u64,
    pub state: State,
    /// When it was published first.
    pub at: DateTime<Utc>,
    /// When it was last there.
    pub seen: DateTime<Utc>,
}

impl Entry {
    /// The record of a finished mail.
    #[must_use]
    pub fn of(done: &Done) -> Self {
        Self {
            v: 1,
            state: done.state,
            at: done.at,
            digest: done.digest.map(|d| d.to_string()),
            listed_size: Some(done.listed_size),
            missing_since: None,
        }
    }
}

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("ledger.file {}: cannot be opened: check the folder and its permissions", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: Box<redb::DatabaseError>,
    },
    #[error("ledger.file {}: the disk is full: make room, and the next run goes on", path.display())]
    Full {
        path: PathBuf,
        #[source]
        source: Box<redb::DatabaseError>,
    },
    #[error("ledger.file {}: another worker is using it: wait until it has ended", path.display())]
    InUse { path: PathBuf },
    #[error("ledger.file: cannot be read or written: check that the disk is not full")]
    Store(#[source] Box<redb::Error>),
    #[error("ledger.topic: cannot be used")]
    Kafka(#[source] KafkaError),
    #[error("ledger.topic: a transaction was not committed ({reason}): what it held stays in the mailbox")]
    Unwritten { reason: String },
    #[error(
        "ledger.topic: could not be written ({reason}): mails whose events were published stay, and may be published again with the same ids"
    )]
    Unacknowledged { reason: String },
    #[error("another worker has taken over this mailbox ({reason}): this one stops and deletes nothing more")]
    Fenced { reason: String },
}

/// Whoever remembers. Calls block; they are short.
pub trait Ledger: Send + Sync {
    /// Everything known of a mailbox.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn known(&self, mailbox: &str) -> Result<Known, LedgerError>;

    /// The same, for a mailbox in which no mail lies. Nothing will be published, so whoever else works on it need not be
    /// kept from doing so, and what is known may be as old as the run.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn known_of_empty(&self, mailbox: &str) -> Result<Known, LedgerError> {
        self.known(mailbox)
    }

    /// Remembers that a first pass over the mailbox was made: what arrives after it is new.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn begin(&self, mailbox: &str, at: DateTime<Utc>) -> Result<(), LedgerError>;

    /// The same, for a mailbox whose mails count whenever they came: it may wait for the next step that is written
    /// anyway.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn begin_later(&self, mailbox: &str, at: DateTime<Utc>) -> Result<(), LedgerError> {
        self.begin(mailbox, at)
    }

    /// Remembers finished mails; on return they survive a crash.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn record(&self, mailbox: &str, done: &[Done]) -> Result<(), LedgerError>;

    /// Notes since when the server no longer lists these UIDLs; `None` when it does again.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn missing(&self, mailbox: &str, uidls: &[String], since: Option<DateTime<Utc>>) -> Result<(), LedgerError>;

    /// Forgets UIDLs that the server has no more, so that it may use them again.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn forget(&self, mailbox: &str, uidls: &[String]) -> Result<(), LedgerError>;

    /// The same, for UIDLs whose mails are gone for certain: it may wait for the next step that is written anyway, since
    /// what is still remembered after a crash is only taken for missing.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn forget_gone(&self, mailbox: &str, uidls: &[String]) -> Result<(), LedgerError> {
        self.forget(mailbox, uidls)
    }

    /// The pass over the mailbox has ended. What was put off is written, where that works.
    fn leave(&self, _mailbox: &str) {}
}
