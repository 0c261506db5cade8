//! The ledger's topic, read for many mailboxes together.

use super::KafkaError;
use super::reader::TopicReader;
use super::transaction::owner;
use crate::config::{Config, Kafka};
use crate::ledger::shelf::Shelf;
use crate::ledger::topic::Reading;
use chrono::{DateTime, Utc};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::runtime::Handle;

/// Records of other mailboxes that are put by: about 40 MB.
const MOST: usize = 200_000;

/// What the ledger says of a run's mailboxes.
pub(super) struct Readings {
    kafka: Kafka,
    topic: String,
    owners: Vec<String>,
    /// How many readings have begun.
    begun: AtomicU64,
    kept: Mutex<Option<Kept>>,
    /// Who asked before. They may have written since: what was read before that is not enough for them.
    asked: Mutex<HashSet<String>>,
    handle: Handle,
}

/// The topic as far as it was read.
struct Kept {
    reader: TopicReader,
    /// The next offset of each partition.
    next: HashMap<i32, i64>,
    shelf: Shelf,
    /// The number of the last reading.
    last: u64,
}

impl Kept {
    fn read_on(&mut self, begun: &AtomicU64) -> Result<(), KafkaError> {
        let Self { reader, next, shelf, last } = self;
        *last = begun.fetch_add(1, Ordering::SeqCst) + 1;
        reader.read(next, |key, value| shelf.take(key, value))
    }
}

impl Readings {
    /// To be called within a runtime.
    pub(super) fn new(config: &Config, topic: &str) -> Self {
        Self {
            kafka: config.kafka.clone(),
            topic: topic.to_owned(),
            owners: config.mailboxes.iter().map(|mailbox| owner(&config.kafka, &mailbox.name)).collect(),
            begun: AtomicU64::default(),
            kept: Mutex::default(),
            asked: Mutex::default(),
            handle: Handle::current(),
        }
    }

    /// The end of a consumer takes 0.2 s, for which nobody has to wait.
    fn let_go(&self, kept: Option<Kept>) {
        if let Some(kept) = kept {
            drop(self.handle.spawn_blocking(move || drop(kept)));
        }
    }

    /// What the topic says of a mailbox, to its end as it is when this is asked. Whoever worked on the mailbox before
    /// must have been fenced by then. Blocks.
    pub(super) fn of(&self, owner: &str, now: DateTime<Utc>) -> Result<Reading, KafkaError> {
        self.reading(owner, true, now)
    }

    /// The same, but for who asks for the first time what came since the topic was last read may be missing. Blocks.
    pub(super) fn so_far(&self, owner: &str, now: DateTime<Utc>) -> Result<Reading, KafkaError> {
        self.reading(owner, false, now)
    }

    fn reading(&self, owner: &str, to_the_end: bool, now: DateTime<Utc>) -> Result<Reading, KafkaError> {
        let is_new = self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(owner.to_owned());
        let to_the_end = to_the_end || !is_new;
        let before = self.begun.load(Ordering::SeqCst);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.as_mut().filter(|kept| kept.shelf.has(owner)) {
            // What was read before still holds; only what came since is missing.
            // Another mailbox's reading may have begun while this one waited for it: then that one saw all of it too.
            match if !to_the_end || known.last > before { Ok(()) } else { known.read_on(&self.begun) } {
                Ok(()) => {
                    let reading = known.shelf.hand_out(owner);
                    if known.shelf.is_empty() {
                        self.let_go(kept.take());
                    }
                    if let Some(reading) = reading {
                        return Ok(reading);
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "the ledger is read from its beginning");
                    self.let_go(kept.take());
                }
            }
        }
        // A mailbox that asks again has written since: all is read again, for all.
        let mut whole = Kept {
            reader: TopicReader::open(&self.kafka, &self.topic)?,
            next: HashMap::new(),
            last: 0,
            shelf: Shelf::new(self.owners.iter().cloned(), owner, MOST, now),
        };
        whole.read_on(&self.begun)?;
        let reading = whole.shelf.hand_out(owner).unwrap_or_else(|| Reading::new(owner, now));
        let before = if whole.shelf.is_empty() { Some(whole) } else { kept.replace(whole) };
        self.let_go(before);
        Ok(reading)
    }
}
