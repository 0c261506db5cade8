//! The archive: the raw mails themselves, kept before their events are published.
//!
//! It takes a mail and the DNS answers that it was judged by, and gives them back by reference or digest, or one after
//! the other. It is the safe copy before a mail is deleted from its mailbox, so what it says is written is on disk.
//! Names are made of mailbox and digest alone: writing a mail again changes nothing but its age.
//!
//! ```no_run
//! # async fn example() -> Result<(), reply_ingest::archive::ArchiveError> {
//! use futures_util::TryStreamExt;
//! use reply_ingest::archive::Archive;
//!
//! let archive = Archive::open("/var/lib/reply-ingest/archive", std::iter::empty())?;
//! let mut mails = archive.mails();
//! while let Some(kept) = mails.try_next().await? {
//!     let mail = archive.mail(&kept.reference, 30_000_000).await?;
//!     println!("{} has {} octets", kept.reference, mail.size());
//! }
//! # Ok(())
//! # }
//! ```

mod name;
mod place;
mod sweep;

pub use name::{DigestPrefix, Reference};
pub use sweep::Swept;

use crate::auth::dns::Recorded;
use crate::message::{Digest, RawMail};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

/// zstd's own default: mail shrinks to a third, at some hundred megabytes a second.
const LEVEL: i32 = 3;
/// The largest record of DNS answers that is read.
const MAX_ANSWERS: u64 = 16_000_000;

/// Why a mail cannot be kept, or not be had back.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("archive.location: {location} cannot be used: {reason}")]
    Location { location: String, reason: String },
    #[error(
        "the archive does not take mails: what is not archived is neither published nor deleted; check \
         archive.location, its rights and its space"
    )]
    Write(#[source] object_store::Error),
    #[error("a mail could not be compressed for the archive")]
    Compress(#[source] std::io::Error),
    #[error("{name} cannot be read from the archive")]
    Read {
        name: String,
        #[source]
        source: object_store::Error,
    },
    #[error("the archive cannot be listed")]
    List(#[source] object_store::Error),
    #[error("{name} in the archive is damaged: {reason}")]
    Damaged { name: String, reason: String },
    #[error("{name} cannot be removed from the archive")]
    Remove {
        name: String,
        #[source]
        source: object_store::Error,
    },
}

impl ArchiveError {
    /// Whether a setting is wrong.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::Location { .. })
    }
}

/// A mail that lies in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub reference: Reference,
    /// When it was written last.
    pub at: DateTime<Utc>,
    /// Octets, compressed.
    pub octets: u64,
}

/// An archive.
#[derive(Debug, Clone)]
pub struct Archive {
    store: Arc<dyn ObjectStore>,
    /// What every name begins with.
    prefix: Path,
    /// Where it is a folder of this machine.
    folder: Option<PathBuf>,
}

impl Archive {
    /// An archive in a folder or, where the program was built for it, in a cloud; the folder is made when it is not
    /// there. Options are those of `object_store` for the cloud.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(location: &str, options: impl Iterator<Item = (String, String)>) -> Result<Self, ArchiveError> {
        place::open(location, options, true)
    }

    /// The same, to read from only: a folder that does not exist is an error.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn existing(location: &str, options: impl Iterator<Item = (String, String)>) -> Result<Self, ArchiveError> {
        place::open(location, options, false)
    }

    /// Whether this program can open such a place, as far as that can be told without opening it.
    ///
    /// # Errors
    /// When it was built without what the place needs, or knows no such place.
    pub fn is_possible(location: &str) -> Result<(), ArchiveError> {
        place::is_possible(location)
    }

    /// Writes a mail and its DNS answers. On return both are on disk.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn keep(&self, mailbox: &str, mail: RawMail, answers: Option<&Recorded>) -> Result<(), ArchiveError> {
        let reference = Reference::new(mailbox, mail.digest());
        let packed = tokio::task::spawn_blocking(move || zstd::bulk::compress(mail.bytes(), LEVEL));
        let packed = packed.await.map_err(std::io::Error::other).and_then(|packed| packed);
        // The answers first: a mail that is there has them.
        if let Some(answers) = answers {
            let answers = serde_json::to_vec(answers).unwrap_or_default();
            self.put(&reference.answers(), answers).await?;
        }
        self.put(&reference.to_string(), packed.map_err(ArchiveError::Compress)?).await
    }

    async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        // What is there is written over: its age begins anew, so a mail that is about to be deleted is not removed
        // from here a moment later; and what was damaged is whole again.
        self.store.put(&self.path(name), PutPayload::from(bytes)).await.map(drop).map_err(ArchiveError::Write)
    }

    /// A mail of at most `max` octets.
    ///
    /// # Errors
    /// When it is not there, or is not what its name says.
    pub async fn mail(&self, reference: &Reference, max: usize) -> Result<RawMail, ArchiveError> {
        let name = reference.to_string();
        let packed = self.get(&name).await?;
        let damaged = |reason: &str| ArchiveError::Damaged { name: name.clone(), reason: reason.to_owned() };
        let unpacked = tokio::task::spawn_blocking(move || {
            let mut out = Vec::new();
            let decoder = zstd::stream::read::Decoder::with_buffer(packed.as_ref())?;
            decoder.take(max as u64 + 1).read_to_end(&mut out)?;
            Ok::<_, std::io::Error>(out)
        });
        let Ok(Ok(bytes)) = unpacked.await else {
            return Err(damaged("it is no zstd file: restore it from a copy, or remove it"));
        };
        if bytes.len() > max {
            return Err(damaged("it is larger than limits.message_size: raise the limit to read it"));
        }
        let mail = RawMail::new(bytes);
        if mail.digest() == reference.digest {
            Ok(mail)
        } else {
            Err(damaged("its digest is not the one in its name: restore it from a copy, or remove it"))
        }
    }

    /// The DNS answers that a mail was judged by; `None` where there are none.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn answers(&self, reference: &Reference) -> Result<Option<Recorded>, ArchiveError> {
        let name = reference.answers();
        match self.store.head(&self.path(&name)).await {
            Ok(found) if found.size <= MAX_ANSWERS => {}
            Ok(_) => return Err(ArchiveError::Damaged { name, reason: "it is too large".to_owned() }),
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(ArchiveError::Read { name, source }),
        }
        let bytes = self.get(&name).await?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| ArchiveError::Damaged { name, reason: error.to_string() })
    }

    async fn get(&self, name: &str) -> Result<Bytes, ArchiveError> {
        let read = |source| ArchiveError::Read { name: name.to_owned(), source };
        self.store.get(&self.path(name)).await.map_err(read)?.bytes().await.map_err(read)
    }

    /// Every mail, in no order.
    #[must_use]
    pub fn mails(&self) -> BoxStream<'static, Result<Kept, ArchiveError>> {
        self.below(Some(&self.prefix).filter(|p| !p.as_ref().is_empty()))
    }

    /// The mails of one mailbox, in no order.
    #[must_use]
    pub fn mails_of(&self, mailbox: &str) -> BoxStream<'static, Result<Kept, ArchiveError>> {
        self.below(Some(&self.path(mailbox)))
    }

    /// The mails of one mailbox whose digests begin with this octet, in the order of their digests: a part of the
    /// archive that fits into memory.
    ///
    /// # Errors
    /// When the archive cannot be listed.
    pub async fn part(&self, mailbox: &str, first: u8) -> Result<Vec<Reference>, ArchiveError> {
        let kept: Vec<Kept> = self.below(Some(&self.path(&format!("{mailbox}/{first:02x}")))).try_collect().await?;
        let mut mails: Vec<Reference> = kept.into_iter().map(|kept| kept.reference).collect();
        mails.sort();
        Ok(mails)
    }

    fn below(&self, path: Option<&Path>) -> BoxStream<'static, Result<Kept, ArchiveError>> {
        let prefix = self.prefix.clone();
        self.store
            .list(path)
            .map_err(ArchiveError::List)
            .try_filter_map(move |found| {
                std::future::ready(Ok(reference_of(&prefix, &found.location).map(|reference| Kept {
                    reference,
                    at: found.last_modified,
                    octets: found.size,
                })))
            })
            .boxed()
    }

    /// The mailboxes that have mails here, in the order of their names.
    ///
    /// # Errors
    /// When the archive cannot be listed.
    pub async fn mailboxes(&self) -> Result<Vec<String>, ArchiveError> {
        let prefix = Some(&self.prefix).filter(|p| !p.as_ref().is_empty());
        let found = self.store.list_with_delimiter(prefix).await.map_err(ArchiveError::List)?;
        let mut names: Vec<String> =
            found.common_prefixes.iter().filter_map(|p| p.filename().map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    /// Where a mail with this digest lies: several mailboxes may have it.
    ///
    /// # Errors
    /// When the archive cannot be listed.
    pub async fn find(&self, digest: Digest) -> Result<Vec<Reference>, ArchiveError> {
        let mut out = Vec::new();
        for mailbox in self.mailboxes().await? {
            let reference = Reference::new(&mailbox, digest);
            match self.store.head(&self.path(&reference.to_string())).await {
                Ok(_) => out.push(reference),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => return Err(ArchiveError::Read { name: reference.to_string(), source }),
            }
        }
        Ok(out)
    }

    /// Removes a mail and its DNS answers; what is not there is no error.
    ///
    /// # Errors
    /// When they are still there.
    pub async fn remove(&self, reference: &Reference) -> Result<(), ArchiveError> {
        for name in [reference.to_string(), reference.answers()] {
            match self.store.delete(&self.path(&name)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => return Err(ArchiveError::Remove { name, source }),
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> Path {
        if self.prefix.as_ref().is_empty() { Path::from(name) } else { Path::from(format!("{}/{name}", self.prefix)) }
    }
}

/// The mail that an object is; `None` where it is something else.
fn reference_of(prefix: &Path, location: &Path) -> Option<Reference> {
    let name = location.as_ref();
    let name = if prefix.as_ref().is_empty() { name } else { name.strip_prefix(prefix.as_ref())?.strip_prefix('/')? };
    Reference::parse(name)
}

#[cfg(test)]
mod tests {
    use super::{Archive, ArchiveError, Digest, RawMail, Reference};
    use crate::auth::dns::{Answer, Code, RecordType, Recorded};
    use futures_util::TryStreamExt;
    use std::fs;
    use std::path::Path;

    fn archive(folder: &Path) -> Archive {
        Archive::open(&folder.display().to_string(), std::iter::empty()).expect("opens")
    }

    fn record() -> Recorded {
        let mut record = Recorded::at("2026-11-16T08:00:00Z".parse().expect("a time"));
        record.add("a.example", RecordType::Txt, Answer::empty(Code::NxDomain));
        record
    }

    #[tokio::test]
    async fn a_mail_comes_back_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = archive(&folder.path().join("deep/er"));
        let octets: Vec<u8> = b"Subject: \xff\0\r\n\r\n".iter().copied().cycle().take(100_000).collect();
        let mail = RawMail::new(octets.clone());
        let reference = Reference::new("replies", mail.digest());
        archive.keep("replies", mail.clone(), Some(&record())).await.expect("is kept");
        let back = archive.mail(&reference, 100_000).await.expect("comes back");
        assert_eq!(back.bytes(), octets);
        assert_eq!(archive.answers(&reference).await.expect("reads"), Some(record()));
        assert_eq!(archive.find(mail.digest()).await.expect("finds"), std::slice::from_ref(&reference));
        let small = archive.mail(&reference, 99_999).await.expect_err("is too large");
        assert!(matches!(small, ArchiveError::Damaged { .. }), "{small}");
        // The record's store reads the same folder.
        let store = crate::auth::dns::RecordStore::open(&folder.path().join("deep/er")).expect("opens");
        assert_eq!(store.read("replies", &mail.digest()).expect("reads"), Some(record()));
    }

    #[tokio::test]
    async fn writing_again_changes_nothing_and_mends_what_was_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = archive(folder.path());
        let mail = RawMail::new(b"Subject: x\r\n\r\nx\r\n".to_vec());
        let reference = Reference::new("m", mail.digest());
        let file = folder.path().join(reference.to_string());
        archive.keep("m", mail.clone(), None).await.expect("is kept");
        let first = fs::read(&file).expect("reads");
        archive.keep("m", mail.clone(), None).await.expect("is kept again");
        assert_eq!(fs::read(&file).expect("reads"), first, "the same octets");
        for damage in [&b""[..], b"no zstd", &zstd::bulk::compress(b"another mail", 1).expect("packs")] {
            fs::write(&file, damage).expect("writes");
            let error = archive.mail(&reference, 1_000).await.expect_err("is damaged");
            assert!(matches!(error, ArchiveError::Damaged { .. }), "{error}");
        }
        archive.keep("m", mail.clone(), None).await.expect("is kept a third time");
        assert_eq!(archive.mail(&reference, 1_000).await.expect("is whole"), mail);
        assert_eq!(archive.answers(&reference).await.expect("reads"), None);
    }

    #[tokio::test]
    async fn all_mails_are_listed_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = archive(folder.path());
        for (mailbox, text) in [("a", "1"), ("a", "2"), ("ab", "1")] {
            archive.keep(mailbox, RawMail::new(text.into()), Some(&record())).await.expect("is kept");
        }
        fs::write(folder.path().join("a/README"), "not a mail").expect("writes");
        let names = |mut kept: Vec<super::Kept>| {
            kept.sort_by(|a, b| a.reference.cmp(&b.reference));
            kept.into_iter().map(|k| (k.reference.mailbox, k.reference.digest)).collect::<Vec<_>>()
        };
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let all = names(archive.mails().try_collect().await.expect("lists"));
        let expected = [("a".to_owned(), one), ("a".to_owned(), two), ("ab".to_owned(), one)];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>(), expected.iter().collect());
        assert_eq!(names(archive.mails_of("a").try_collect().await.expect("lists")).len(), 2);
        assert_eq!(archive.mailboxes().await.expect("lists"), ["a", "ab"]);
        assert_eq!(archive.find(one).await.expect("finds").len(), 2, "one digest in two mailboxes");
        let reference = Reference::new("a", one);
        archive.remove(&reference).await.expect("removes");
        archive.remove(&reference).await.expect("is gone already");
        assert!(matches!(archive.mail(&reference, 10).await, Err(ArchiveError::Read { .. })));
        assert_eq!(archive.answers(&reference).await.expect("reads"), None, "the answers went with it");
    }

    #[tokio::test]
    async fn what_cannot_be_used_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("writes");
        for (location, word) in [
            (file.display().to_string(), "file"),
            ("ftp://host/x".to_owned(), "ftp"),
            (folder.path().join("nowhere").display().to_string(), "no such folder"),
        ] {
            let error = Archive::existing(&location, std::iter::empty()).expect_err("cannot be used");
            assert!(error.is_configuration() && error.to_string().contains(word), "{error}");
        }
        let archive = archive(&folder.path().join("a"));
        // A file where a folder is needed stands for a full disk: root may write anywhere.
        fs::write(folder.path().join("a/m"), "").expect("writes");
        let error = archive.keep("m", RawMail::new(b"x".to_vec()), None).await.expect_err("is not kept");
        assert!(matches!(error, ArchiveError::Write(_)) && !error.is_configuration(), "{error}");
    }
}
