//! A folder of recorded answers: one file for each mail, named by its mailbox and digest.
//!
//! Keys rotate, policies change, signatures are withdrawn: years later only the answers of the day show why a mail was
//! judged as it was. Files older than one likes may be removed at any time; a replay then leaves those mails unchecked.

use super::Recorded;
use crate::message::Digest;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The largest file that is read as a record: ten signatures, a chain of fifty, a tree walk.
const MAX_RECORD: u64 = 16_000_000;

/// Numbers files that are being written.
static PARTS: AtomicU64 = AtomicU64::new(0);

/// Why answers cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot write DNS answers to {}: check dns.record and the folder's rights", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read the DNS answers in {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} holds no DNS answers of this program: remove it", path.display())]
    Unreadable { path: PathBuf, source: serde_json::Error },
    #[error("{} is no folder: name the one that dns.record names", path.display())]
    NoFolder { path: PathBuf },
}

/// The folder.
#[derive(Debug, Clone)]
pub struct RecordStore {
    folder: PathBuf,
}

impl RecordStore {
    /// A folder to write to, made when it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(folder: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(folder).map_err(|source| StoreError::Write { path: folder.to_owned(), source })?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// A folder to read from.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        if folder.is_dir() {
            Ok(Self { folder: folder.to_owned() })
        } else {
            Err(StoreError::NoFolder { path: folder.to_owned() })
        }
    }

    /// Writes the answers of a mail; later ones replace earlier ones. A crash leaves the old file or the new one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, mailbox: &str, digest: &Digest, record: &Recorded) -> Result<(), StoreError> {
        let path = self.path(mailbox, digest);
        // Byte-identical mails are judged side by side.
        let part = path.with_extension(format!("part{}", PARTS.fetch_add(1, Ordering::Relaxed)));
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(&self.folder))?;
            fs::write(&part, serde_json::to_vec(record)?)?;
            fs::rename(&part, &path)
        };
        write().map_err(|source| StoreError::Write { path: path.clone(), source })
    }

    /// The answers of a mail; `None` where none were written.
    ///
    /// # Errors
    /// When the file cannot be read, or is none of ours.
    pub fn read(&self, mailbox: &str, digest: &Digest) -> Result<Option<Recorded>, StoreError> {
        let path = self.path(mailbox, digest);
        let read = || {
            if fs::metadata(&path)?.len() > MAX_RECORD {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            fs::read(&path)
        };
        let bytes = match read() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Read { path, source }),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|source| StoreError::Unreadable { path, source })
    }

    /// Removes the answers of a mail, where there are any.
    ///
    /// # Errors
    /// When they are still there.
    pub fn remove(&self, mailbox: &str, digest: &Digest) -> Result<(), StoreError> {
        let path = self.path(mailbox, digest);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StoreError::Write { path, source }),
            _ => Ok(()),
        }
    }

    /// One mail in two mailboxes is judged by two settings. Two letters of the digest make a folder: a million files
    /// in one are slow to list.
    fn path(&self, mailbox: &str, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.folder.join(mailbox).join(name.get(..2).unwrap_or("00")).join(format!("{name}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::{RecordStore, StoreError};
    use crate::auth::dns::{Answer, Code, RecordType, Recorded};
    use crate::message::RawMail;
    use std::fs;

    #[test]
    fn answers_are_found_by_the_mail_and_later_ones_win() {
        let folder = tempfile::tempdir().expect("a folder");
        let digest = RawMail::new(b"Subject: x\r\n\r\n".to_vec()).digest();
        let place = folder.path().join("dns");
        assert!(matches!(RecordStore::open(&place), Err(StoreError::NoFolder { .. })));
        let store = RecordStore::create(&place).expect("is made");
        assert_eq!(store.read("box", &digest).expect("reads"), None);
        let mut record = Recorded::at("2026-11-16T08:00:00Z".parse().expect("a time"));
        store.write("box", &digest, &record).expect("writes");
        record.add("a.example", RecordType::Txt, Answer::empty(Code::NxDomain));
        store.write("box", &digest, &record).expect("writes");
        assert_eq!(RecordStore::open(&place).expect("opens").read("box", &digest).expect("reads"), Some(record));
        fs::write(store.path("box", &digest), "{").expect("writes");
        assert!(matches!(store.read("box", &digest), Err(StoreError::Unreadable { .. })));
        assert_eq!(store.read("other", &digest).expect("reads"), None);
    }
}
