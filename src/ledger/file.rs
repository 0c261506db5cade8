//! The ledger in a file: redb, an embedded store that survives a crash at any moment.

use super::{Done, Entry, Known, Ledger, LedgerError, Seen, State};
use crate::message::Digest;
use chrono::{DateTime, TimeDelta, Utc};
use redb::{
    Database, DatabaseError, Error, ReadableDatabase, ReadableTable, StorageError, TableDefinition, TableError,
};
use std::path::Path;

/// (mailbox, UIDL) → [`Entry`] as JSON.
const MAILS: TableDefinition<'_, (&str, &str), &str> = TableDefinition::new("mails.v1");
/// (mailbox, SHA-256) → (0 before the start, 1 published, 2 a dead letter; when; when it was last there),
/// times in seconds since 1970.
const DIGESTS: TableDefinition<'_, (&str, [u8; 32]), (u8, i64, i64)> = TableDefinition::new("digests.v1");

/// Mailbox → seconds since 1970 of its first pass.
const BEGUN: TableDefinition<'_, &str, i64> = TableDefinition::new("begun.v1");

/// How long a digest is remembered after the mail was last fetched, once its id is forgotten.
const KEEP_DIGESTS: TimeDelta = TimeDelta::days(180);
/// Memory for pages.
const CACHE: usize = 8 * 1024 * 1024;

/// The ledger in a file.
#[derive(Debug)]
pub struct FileLedger(Database);

impl FileLedger {
    /// Opens the file, making it and its folder when they are not there. Digests that are too old
    /// at `now` are dropped.
    ///
    /// # Errors
    /// When the file cannot be opened, or another process has it open.
    pub fn open(path: &Path, now: DateTime<Utc>) -> Result<Self, LedgerError> {
        let wrong = |e: DatabaseError| match e {
            DatabaseError::DatabaseAlreadyOpen => LedgerError::InUse { path: path.to_owned() },
            e if is_full(&e) => LedgerError::Full { path: path.to_owned(), source: Box::new(e) },
            e => LedgerError::Open { path: path.to_owned(), source: Box::new(e) },
        };
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| wrong(DatabaseError::Storage(StorageError::Io(e))))?;
        }
        let database = redb::Builder::new().set_cache_size(CACHE).create(path).map_err(wrong)?;
        let ledger = Self(database);
        ledger.drop_old(now - KEEP_DIGESTS).map_err(store)?;
        Ok(ledger)
    }

    fn drop_old(&self, before: DateTime<Utc>) -> Result<(), Error> {
        let transaction = self.0.begin_write()?;
        {
            transaction.open_table(MAILS)?;
            transaction.open_table(BEGUN)?;
            let mut digests = transaction.open_table(DIGESTS)?;
            digests.retain(|_, (_, _, seen)| seen >= before.timestamp())?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn read(&self, mailbox: &str) -> Result<Known, Error> {
        let transaction = self.0.begin_read()?;
        let begun = match transaction.open_table(BEGUN) {
            Err(TableError::TableDoesNotExist(_)) => false,
            other => other?.get(mailbox)?.is_some(),
        };
        let mut known = Known { begun, ..Known::default() };
        let mails = match transaction.open_table(MAILS) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(known),
            other => other?,
        };
        for item in mails.range((mailbox, "")..)? {
            let (key, value) = item?;
            let (name, uidl) = key.value();
            if name != mailbox {
                break;
            }
            // What cannot be read is fetched again, and its digest tells.
            if let Ok(entry) = serde_json::from_str::<Entry>(value.value()) {
                known.by_uidl.insert(uidl.to_owned(), entry);
            }
        }
        let digests = transaction.open_table(DIGESTS)?;
        for item in digests.range((mailbox, [0; 32])..)? {
            let (key, value) = item?;
            let (name, digest) = key.value();
            if name != mailbox {
                break;
            }
            let (state, at, _) = value.value();
            let state = state_of(state);
            let at = DateTime::from_timestamp(at, 0).unwrap_or_default();
            known.digests.insert(Digest(digest), Seen { state, at });
        }
        // A mail that is still there is known by its digest for as long, even if it was last fetched long ago.
        for entry in known.by_uidl.values() {
            if let Some(digest) = entry.digest.as_deref().and_then(Digest::parse) {
                known.digests.entry(digest).or_insert(Seen { state: entry.state, at: entry.at });
            }
        }
        Ok(known)
    }

    fn mark(&self, mailbox: &str, at: DateTime<Utc>) -> Result<(), Error> {
        let transaction = self.0.begin_write()?;
        transaction.open_table(BEGUN)?.insert(mailbox, at.timestamp())?;
        transaction.commit()?;
        Ok(())
    }

    fn write(&self, mailbox: &str, done: &[Done]) -> Result<(), Error> {
        let transaction = self.0.begin_write()?;
        {
            let mut mails = transaction.open_table(MAILS)?;
            let mut digests = transaction.open_table(DIGESTS)?;
            for mail in done {
                if let Some(uidl) = &mail.uidl {
                    let entry = serde_json::to_string(&Entry::of(mail)).unwrap_or_default();
                    mails.insert((mailbox, uidl.as_str()), entry.as_str())?;
                }
                if let Some(digest) = mail.digest {
                    let state = number_of(mail.state);
                    digests.insert((mailbox, digest.0), (state, mail.at.timestamp(), mail.seen.timestamp()))?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn note_missing(&self, mailbox: &str, uidls: &[String], since: Option<DateTime<Utc>>) -> Result<(), Error> {
        let transaction = self.0.begin_write()?;
        {
            let mut mails = transaction.open_table(MAILS)?;
            for uidl in uidls {
                let entry = mails.get((mailbox, uidl.as_str()))?;
                let entry = entry.and_then(|value| serde_json::from_str::<Entry>(value.value()).ok());
                if let Some(entry) = entry {
                    let entry = Entry { missing_since: since, ..entry };
                    let text = serde_json::to_string(&entry).unwrap_or_default();
                    mails.insert((mailbox, uidl.as_str()), text.as_str())?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn remove(&self, mailbox: &str, uidls: &[String]) -> Result<(), Error> {
        let transaction = self.0.begin_write()?;
        {
            let mut mails = transaction.open_table(MAILS)?;
            for uidl in uidls {
                mails.remove((mailbox, uidl.as_str()))?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Full disks pass; folders that are not there, or not for this user, do not.
fn is_full(error: &DatabaseError) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let DatabaseError::Storage(StorageError::Io(error)) = error else { return false };
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn number_of(state: State) -> u8 {
    match state {
        State::BeforeStart => 0,
        State::Published => 1,
        State::DeadLetter => 2,
    }
}

fn state_of(number: u8) -> State {
    match number {
        0 => State::BeforeStart,
        2 => State::DeadLetter,
        _ => State::Published,
    }
}

fn store(error: Error) -> LedgerError {
    LedgerError::Store(Box::new(error))
}

impl Ledger for FileLedger {
    fn known(&self, mailbox: &str) -> Result<Known, LedgerError> {
        self.read(mailbox).map_err(store)
    }

    fn begin(&self, mailbox: &str, at: DateTime<Utc>) -> Result<(), LedgerError> {
        self.mark(mailbox, at).map_err(store)
    }

    fn record(&self, mailbox: &str, done: &[Done]) -> Result<(), LedgerError> {
        if done.is_empty() { Ok(()) } else { self.write(mailbox, done).map_err(store) }
    }

    fn missing(&self, mailbox: &str, uidls: &[String], since: Option<DateTime<Utc>>) -> Result<(), LedgerError> {
        if uidls.is_empty() { Ok(()) } else { self.note_missing(mailbox, uidls, since).map_err(store) }
    }

    fn forget(&self, mailbox: &str, uidls: &[String]) -> Result<(), LedgerError> {
        if uidls.is_empty() { Ok(()) } else { self.remove(mailbox, uidls).map_err(store) }
    }
}

#[cfg(test)]
mod tests {
    use super::FileLedger;
    use crate::ledger::{Done, Ledger, LedgerError, MemoryLedger, State};
    use crate::message::Digest;
    use chrono::{TimeDelta, TimeZone, Utc};

    fn done(uidl: &str, mail: &[u8], days: i64) -> Done {
        let at = Utc.with_ymd_and_hms(2026, 11, 1, 0, 0, 0).single().expect("a time") + TimeDelta::days(days);
        Done {
            uidl: Some(uidl.to_owned()),
            digest: Some(Digest::of(mail)),
            listed_size: 7,
            state: State::Published,
            at,
            seen: at,
        }
    }

    #[test]
    fn what_was_recorded_survives() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sub/ledger.redb");
        let now = done("", b"", 0).at;
        {
            let ledger = FileLedger::open(&path, now).expect("opens");
            ledger.record("a", &[done("1", b"x", 0), done("2", b"y", 0)]).expect("records");
            ledger.record("ab", &[done("1", b"z", 0)]).expect("records");
            ledger.forget("a", &["2".to_owned()]).expect("forgets");
            assert!(matches!(FileLedger::open(&path, now), Err(LedgerError::InUse { .. })));
        }
        let ledger = FileLedger::open(&path, now).expect("opens again");
        let a = ledger.known("a").expect("reads");
        assert_eq!(a.by_uidl.keys().collect::<Vec<_>>(), ["1"]);
        assert!(a.digests.contains_key(&Digest::of(b"x")) && a.digests.contains_key(&Digest::of(b"y")));
        assert!(!a.digests.contains_key(&Digest::of(b"z")), "mailboxes are apart");
        assert!(ledger.known("b").expect("reads").is_new());
        drop(ledger);
        let later = FileLedger::open(&path, now + TimeDelta::days(200)).expect("opens");
        let a = later.known("a").expect("reads");
        assert_eq!(a.by_uidl.len(), 1, "what still lies there is not forgotten");
        let digests: Vec<_> = a.digests.keys().copied().collect();
        assert_eq!(digests, [Digest::of(b"x")], "old digests are dropped, but for what still lies there");
    }

    /// Tables as version 1 of this program writes them: never to be changed, only added to.
    #[test]
    fn a_file_of_version_1_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("l.redb");
        {
            let database = redb::Database::create(&path).expect("makes a file");
            let transaction = database.begin_write().expect("begins");
            {
                let mails = redb::TableDefinition::<(&str, &str), &str>::new("mails.v1");
                let mut mails = transaction.open_table(mails).expect("a table");
                let entry = r#"{"v":1,"state":"published","at":"2026-11-01T00:00:00Z","listed_size":2048}"#;
                mails.insert(("m", "17"), entry).expect("writes");
                let digests = redb::TableDefinition::<(&str, [u8; 32]), (u8, i64, i64)>::new("digests.v1");
                let mut digests = transaction.open_table(digests).expect("a table");
                for state in 0..=2_u8 {
                    digests.insert(("m", [state; 32]), (state, 1_793_491_200, 1_793_491_200)).expect("writes");
                }
                let begun = redb::TableDefinition::<&str, i64>::new("begun.v1");
                transaction.open_table(begun).expect("a table").insert("m", 1_793_491_200).expect("writes");
            }
            transaction.commit().expect("commits");
        }
        let known = FileLedger::open(&path, done("", b"", 0).at).expect("opens").known("m").expect("reads");
        assert!(known.begun);
        assert_eq!(known.by_uidl.get("17").map(|entry| entry.listed_size), Some(Some(2048)));
        let states = [0, 1, 2].map(|n| known.digests.get(&Digest([n; 32])).map(|seen| seen.state));
        assert_eq!(states, [State::BeforeStart, State::Published, State::DeadLetter].map(Some));
    }

    #[test]
    fn the_two_ledgers_agree() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = FileLedger::open(&folder.path().join("l.redb"), Utc::now()).expect("opens");
        let memory = MemoryLedger::default();
        for ledger in [&file as &dyn Ledger, &memory] {
            ledger.record("m", &[done("u1", b"1", 0), done("u2", b"2", 0)]).expect("records");
            ledger.forget("m", &["u1".to_owned()]).expect("forgets");
            ledger.missing("m", &["u2".to_owned()], Some(done("", b"", 3).at)).expect("notes");
        }
        let (a, b) = (file.known("m").expect("reads"), memory.known("m").expect("reads"));
        assert_eq!(a.by_uidl, b.by_uidl);
        assert_eq!(a.digests, b.digests);
        for ledger in [&file as &dyn Ledger, &memory] {
            assert!(ledger.known("empty").expect("reads").is_new());
            ledger.begin("empty", Utc::now()).expect("begins");
            assert!(!ledger.known("empty").expect("reads").is_new(), "an empty mailbox was looked at all the same");
        }
    }
}
