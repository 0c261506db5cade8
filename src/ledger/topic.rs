//! The ledger as records of a compacted topic: how what is known of a mailbox is written down, and read again.
//!
//! The key is the mailbox's owner and name, a zero octet, and `u` with a UIDL, `d` with a digest or `b` for the first pass; a
//! name has no zero octet. The value is JSON with a version; a record without a value forgets its key. Digests stand
//! apart from UIDLs because they outlive them: a session that broke is to be believed its digests alone.

use super::{Done, Entry, Known, Seen, State};
use crate::message::Digest;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How long a digest is remembered after the mail was last fetched.
const KEEP_DIGESTS: TimeDelta = TimeDelta::days(180);

/// A key and its value; none forgets it.
pub type LedgerRecord = (String, Option<Vec<u8>>);

#[derive(Debug, Serialize, Deserialize)]
struct DigestEntry {
    v: u8,
    state: State,
    at: DateTime<Utc>,
    seen: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct Begun {
    v: u8,
    at: DateTime<Utc>,
}

fn value(of: &impl Serialize) -> Option<Vec<u8>> {
    serde_json::to_vec(of).ok()
}

fn uidl_key(mailbox: &str, uidl: &str) -> String {
    format!("{mailbox}\0u{uidl}")
}

/// The records of finished mails.
#[must_use]
pub fn finished(mailbox: &str, done: &[Done]) -> Vec<LedgerRecord> {
    let mut records = Vec::with_capacity(done.len() * 2);
    for mail in done {
        if let Some(uidl) = &mail.uidl {
            records.push((uidl_key(mailbox, uidl), value(&Entry::of(mail))));
        }
        if let Some(digest) = mail.digest {
            let entry = DigestEntry { v: 1, state: mail.state, at: mail.at, seen: mail.seen };
            records.push((format!("{mailbox}\0d{digest}"), value(&entry)));
        }
    }
    records
}

/// The record of a first pass.
#[must_use]
pub fn begun(mailbox: &str, at: DateTime<Utc>) -> Vec<LedgerRecord> {
    vec![(format!("{mailbox}\0b"), value(&Begun { v: 1, at }))]
}

/// The record of a changed entry.
#[must_use]
pub fn entry(mailbox: &str, uidl: &str, entry: &Entry) -> LedgerRecord {
    (uidl_key(mailbox, uidl), value(entry))
}

/// The tombstones of UIDLs.
#[must_use]
pub fn gone(mailbox: &str, uidls: &[String]) -> Vec<LedgerRecord> {
    uidls.iter().map(|uidl| (uidl_key(mailbox, uidl), None)).collect()
}

/// What the records of a topic say of one mailbox, in their order.
#[derive(Debug)]
pub struct Reading {
    mailbox: String,
    keep: DateTime<Utc>,
    known: Known,
    old: std::collections::HashMap<String, Digest>,
}

impl Reading {
    /// Nothing was read yet. Digests that are too old at `now` do not count.
    #[must_use]
    pub fn new(mailbox: &str, now: DateTime<Utc>) -> Self {
        let old = std::collections::HashMap::new();
        Self { mailbox: mailbox.to_owned(), keep: now - KEEP_DIGESTS, known: Known::default(), old }
    }

    /// Takes one record; those of other mailboxes are passed over.
    pub fn take(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Ok(key) = std::str::from_utf8(key) else { return };
        let Some(rest) = key.strip_prefix(self.mailbox.as_str()).and_then(|rest| rest.strip_prefix('\0')) else {
            return;
        };
        if let Some(uidl) = rest.strip_prefix('u') {
            // What cannot be read is fetched again, and its digest tells.
            match value.and_then(|v| serde_json::from_slice::<Entry>(v).ok()) {
                Some(entry) => self.known.by_uidl.insert(uidl.to_owned(), entry),
                None => self.known.by_uidl.remove(uidl),
            };
        } else if let Some(digest) = rest.strip_prefix('d').and_then(Digest::parse) {
            self.old.remove(key);
            match value.and_then(|v| serde_json::from_slice::<DigestEntry>(v).ok()) {
                Some(entry) if entry.seen < self.keep => {
                    self.old.insert(key.to_owned(), digest);
                    self.known.digests.remove(&digest);
                }
                Some(entry) => {
                    self.known.digests.insert(digest, Seen { state: entry.state, at: entry.at });
                }
                None => {
                    self.known.digests.remove(&digest);
                }
            }
        } else if rest == "b" {
            self.known.begun = value.is_some();
        }
    }

    /// What is known, and the tombstones of digests that are too old.
    #[must_use]
    pub fn finish(mut self) -> (Known, Vec<LedgerRecord>) {
        // A mail that is still there is known by its digest for as long.
        for entry in self.known.by_uidl.values() {
            if let Some(digest) = entry.digest.as_deref().and_then(Digest::parse) {
                self.known.digests.entry(digest).or_insert(Seen { state: entry.state, at: entry.at });
            }
        }
        let known = &self.known.digests;
        let old = self.old.into_iter().filter(|(_, digest)| !known.contains_key(digest));
        let old = old.map(|(key, _)| (key, None)).collect();
        (self.known, old)
    }
}

#[cfg(test)]
mod tests {
    use super::{Reading, begun, finished, gone};
    use crate::ledger::{Done, State};
    use crate::message::Digest;
    use chrono::{TimeDelta, TimeZone, Utc};

    /// Records as version 1 of this program writes them: never to be changed, only added to.
    #[test]
    fn records_of_version_1_are_read() {
        let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let frozen = [
            ("i/m\0b".to_owned(), r#"{"v":1,"at":"2026-11-01T00:00:00Z"}"#.to_owned()),
            (
                "i/m\0u17".to_owned(),
                format!(
                    r#"{{"v":1,"state":"published","at":"2026-11-01T00:00:00Z","digest":"{digest}","listed_size":2048}}"#
                ),
            ),
            (
                "i/m\0uold".to_owned(),
                r#"{"v":1,"state":"before_start","at":"2026-11-01T00:00:00.123456Z","listed_size":9,"missing_since":"2026-11-02T00:00:00Z"}"#
                    .to_owned(),
            ),
            (
                format!("i/m\0d{digest}"),
                r#"{"v":1,"state":"published","at":"2026-11-01T00:00:00Z","seen":"2026-11-01T00:00:00Z"}"#.to_owned(),
            ),
            (
                "i/m\0udead".to_owned(),
                r#"{"v":1,"state":"dead_letter","at":"2026-11-01T00:00:00Z","listed_size":5}"#.to_owned(),
            ),
            // What a later version may add.
            (
                "i/m\0ulater".to_owned(),
                r#"{"v":2,"state":"published","at":"2026-11-01T00:00:00Z","events":["6f0c"]}"#.to_owned(),
            ),
        ];
        let at = Utc.with_ymd_and_hms(2026, 11, 3, 0, 0, 0).single().expect("a time");
        let mut reading = Reading::new("i/m", at);
        for (key, value) in &frozen {
            reading.take(key.as_bytes(), Some(value.as_bytes()));
        }
        let (known, old) = reading.finish();
        assert!(known.begun && old.is_empty());
        let state = |uidl: &str| known.by_uidl.get(uidl).map(|entry| (entry.state, entry.listed_size));
        assert_eq!(state("17"), Some((State::Published, Some(2048))));
        assert_eq!(state("old"), Some((State::BeforeStart, Some(9))));
        assert!(known.by_uidl.get("old").is_some_and(|entry| entry.missing_since.is_some()));
        assert_eq!(state("dead"), Some((State::DeadLetter, Some(5))));
        assert_eq!(state("later"), Some((State::Published, None)));
        let digest = Digest::parse(digest).expect("a digest");
        assert_eq!(known.digests.get(&digest).map(|seen| seen.state), Some(State::Published));
    }

    #[test]
    fn what_was_written_is_read_again() {
        let at = Utc.with_ymd_and_hms(2026, 11, 1, 0, 0, 0).single().expect("a time");
        let done = |uidl: &str, days| Done {
            uidl: Some(uidl.to_owned()),
            digest: Some(Digest::of(uidl.as_bytes())),
            listed_size: 7,
            state: State::Published,
            at,
            seen: at - TimeDelta::days(days),
        };
        let mut records = begun("a", at);
        records.extend(finished("a", &[done("kept", 0), done("gone", 0), done("old", 181), done("old-gone", 181)]));
        records.extend(finished("ab", &[done("other", 0)]));
        records.extend(gone("a", &["gone".to_owned(), "old-gone".to_owned()]));
        let mut reading = Reading::new("a", at);
        for (key, value) in &records {
            reading.take(key.as_bytes(), value.as_deref());
        }
        reading.take(b"a\0u\xff", None);
        let (known, old) = reading.finish();
        assert!(known.begun);
        let mut uidls: Vec<_> = known.by_uidl.keys().collect();
        uidls.sort();
        assert_eq!(uidls, ["kept", "old"]);
        let has = |name: &str| known.digests.contains_key(&Digest::of(name.as_bytes()));
        assert_eq!(
            [has("kept"), has("gone"), has("old"), has("old-gone"), has("other")],
            [true, true, true, false, false]
        );
        assert_eq!(old, [(format!("a\0d{}", Digest::of(b"old-gone")), None)], "what is too old is forgotten");
    }
}
