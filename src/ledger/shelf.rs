//! What a topic says of many mailboxes, read in one go.
//!
//! A run that works on hundreds of mailboxes would read the whole ledger hundreds of times. Here the records of all of
//! them are put by until each mailbox asks for its own, once. It holds a bounded number of records: beyond that only
//! the one that asked first is served, and each other reads for itself.

use super::topic::Reading;
use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// The readings of mailboxes that did not ask yet.
#[derive(Debug)]
pub struct Shelf {
    readings: HashMap<String, Reading>,
    /// Who asked first.
    first: String,
    held: usize,
    most: usize,
}

impl Shelf {
    /// For these owners of records, of which `first` asks now; `most` records of all together. See [`Reading::new`].
    pub fn new(owners: impl IntoIterator<Item = String>, first: &str, most: usize, now: DateTime<Utc>) -> Self {
        let owners = owners.into_iter().chain([first.to_owned()]);
        let readings = owners.map(|owner| (owner.clone(), Reading::new(&owner, now))).collect();
        Self { readings, first: first.to_owned(), held: 0, most }
    }

    /// Takes one record.
    pub fn take(&mut self, key: &[u8], value: Option<&[u8]>) {
        let owner = key.split(|octet| *octet == 0).next().and_then(|owner| std::str::from_utf8(owner).ok());
        let Some((owner, reading)) = owner.and_then(|owner| Some((owner, self.readings.get_mut(owner)?))) else {
            return;
        };
        reading.take(key, value);
        if owner == self.first {
            return;
        }
        self.held += 1;
        if self.held > self.most {
            self.readings.retain(|owner, _| *owner == self.first);
        }
    }

    /// Whether this owner can be served.
    #[must_use]
    pub fn has(&self, owner: &str) -> bool {
        self.readings.contains_key(owner)
    }

    /// What the records say of this owner.
    pub fn hand_out(&mut self, owner: &str) -> Option<Reading> {
        self.readings.remove(owner)
    }

    /// Whether nobody is left to be served.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.readings.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Shelf;
    use crate::ledger::topic::{LedgerRecord, finished, gone};
    use crate::ledger::{Done, State};
    use chrono::{DateTime, TimeZone, Utc};

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 1, 0, 0, 0).single().expect("a time")
    }

    fn shelf(most: usize) -> Shelf {
        Shelf::new(["i/a", "i/b"].map(str::to_owned), "i/a", most, now())
    }

    fn record(owner: &str, uidl: &str) -> LedgerRecord {
        let done = Done {
            uidl: Some(uidl.to_owned()),
            digest: None,
            listed_size: 7,
            state: State::Published,
            at: now(),
            seen: now(),
        };
        finished(owner, &[done]).swap_remove(0)
    }

    fn put(shelf: &mut Shelf, (key, value): &LedgerRecord) {
        shelf.take(key.as_bytes(), value.as_deref());
    }

    fn uidls(shelf: &mut Shelf, owner: &str) -> Option<Vec<String>> {
        let (known, _) = shelf.hand_out(owner)?.finish();
        let mut uidls: Vec<String> = known.by_uidl.into_keys().collect();
        uidls.sort();
        Some(uidls)
    }

    #[test]
    fn each_owner_gets_its_own_records_once() {
        let mut shelf = shelf(100);
        for (owner, uidl) in [("i/a", "1"), ("i/b", "1"), ("i/ab", "9"), ("j/a", "9"), ("i/a", "2"), ("i/b", "3")] {
            put(&mut shelf, &record(owner, uidl));
        }
        assert_eq!(uidls(&mut shelf, "i/a").as_deref(), Some(["1", "2"].map(str::to_owned).as_slice()));
        assert!(!shelf.has("i/a") && shelf.has("i/b") && !shelf.has("i/ab"));
        assert_eq!(uidls(&mut shelf, "i/a"), None, "a second time it is to be read again");
        // What is read later counts for who did not ask yet.
        put(&mut shelf, &record("i/b", "4"));
        put(&mut shelf, &record("i/a", "5"));
        for record in gone("i/b", &["1".to_owned()]) {
            put(&mut shelf, &record);
        }
        assert_eq!(uidls(&mut shelf, "i/b").as_deref(), Some(["3", "4"].map(str::to_owned).as_slice()));
        assert!(shelf.is_empty());
    }

    #[test]
    fn too_many_records_serve_the_first_alone() {
        let mut shelf = shelf(3);
        for number in 0..10 {
            put(&mut shelf, &record("i/a", &number.to_string()));
            put(&mut shelf, &record("i/b", &number.to_string()));
        }
        assert!(!shelf.has("i/b"));
        assert_eq!(uidls(&mut shelf, "i/a").map(|list| list.len()), Some(10));
        assert!(shelf.is_empty());
    }

    #[test]
    fn an_owner_without_records_is_served_too() {
        let mut shelf = Shelf::new(Vec::new(), "i/c", 3, now());
        put(&mut shelf, &record("i/a", "1"));
        shelf.take(b"no owner", None);
        shelf.take(&[0xff, 0, b'u'], None);
        assert_eq!(uidls(&mut shelf, "i/c"), Some(Vec::new()));
    }
}
