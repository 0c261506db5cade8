//! Where `replay` finds mails.
//!
//! A [`Source`] gives mails one after another, in an order that stays the same, so that two replays of one archive
//! print the same lines. It works on a thread of its own and blocks there: whoever takes the mails says when to stop,
//! and slows it down by taking its time. What a source is made of may be hostile (a mail of a terabyte, an archive
//! that unpacks to one): of a mail no more than `max` octets are kept, and an archive that grows beyond reason ends.
//!
//! A new kind of source is a type with [`Source`] in a file of its own, and a line where `replay` puts them together.

mod archive;
mod collect;
mod file;
mod folder;
mod kept;
mod mailbox;
mod mbox;

pub use folder::{StandardInput, find};
pub use kept::KeptMails;
pub use mailbox::LiveMailbox;

use crate::auth::dns::Recorded;
use crate::message::RawMail;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// A mail and where it was found.
#[derive(Debug)]
pub struct Found {
    /// The place, as a person can find it again: `archive.tar.gz!old/17.eml`, `box.mbox#3`.
    pub origin: String,
    pub raw: RawMail,
    /// The mailbox it once lay in, where the source knows.
    pub mailbox: Option<String>,
    /// The server's id of it there.
    pub uidl: Option<String>,
    /// The DNS answers of its day, where the source has them.
    pub answers: Option<Recorded>,
}

impl Found {
    /// A mail of which only the place is known.
    #[must_use]
    pub fn at(origin: String, raw: RawMail) -> Self {
        Self { origin, raw, mailbox: None, uidl: None, answers: None }
    }
}

/// Why a place gave no mail.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {origin}")]
pub struct SourceError {
    pub origin: String,
    #[source]
    pub source: io::Error,
}

impl SourceError {
    /// An error of this place.
    pub fn new(origin: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { origin: origin.into(), source: source.into() }
    }
}

/// Something that gives mails.
pub trait Source: Send {
    /// How many octets it will read, as far as is known beforehand.
    fn octets(&self) -> u64 {
        0
    }

    /// Gives every mail to `out`, in order; what cannot be read as an error between them. Ends early when `out` says
    /// so.
    fn give(&mut self, out: &mut Out<'_>) -> ControlFlow<()>;
}

/// Who takes the mails of a source.
pub struct Out<'o> {
    /// The largest mail that is kept whole.
    pub max: usize,
    read: &'o AtomicU64,
    take: &'o mut dyn FnMut(Result<Found, SourceError>) -> ControlFlow<()>,
}

impl<'o> Out<'o> {
    /// Mails go to `take`; `read` counts the octets read from disk.
    pub fn new(
        max: usize,
        read: &'o AtomicU64,
        take: &'o mut dyn FnMut(Result<Found, SourceError>) -> ControlFlow<()>,
    ) -> Self {
        Self { max, read, take }
    }

    /// Gives one mail.
    pub fn mail(&mut self, found: Found) -> ControlFlow<()> {
        (self.take)(Ok(found))
    }

    /// Says that something could not be read.
    pub fn error(&mut self, error: SourceError) -> ControlFlow<()> {
        (self.take)(Err(error))
    }

    /// Opens a file whose octets are counted.
    fn open(&self, path: &Path) -> io::Result<Counted<'o>> {
        Ok(Counted { file: File::open(path)?, read: self.read })
    }
}

/// A file whose octets are counted as they are read.
struct Counted<'o> {
    file: File,
    read: &'o AtomicU64,
}

impl Read for Counted<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let octets = self.file.read(to)?;
        self.read.fetch_add(octets as u64, Ordering::Relaxed);
        Ok(octets)
    }
}

impl Seek for Counted<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
