//! The ledger in a topic for `at_least_once`: no transaction, and no volume either.
//!
//! Its records are those of `exactly_once`, so that one mode can follow the other. They are written after the events, as
//! to a file: a crash in between repeats events, with the same ids.

use super::KafkaError;
use super::kafka::{client_config, send_to_ledger};
use super::producer::Renewed;
use super::readings::Readings;
use super::transaction::owner;
use crate::config::{Config, Kafka};
use crate::ledger::topic::{self, LedgerRecord};
use crate::ledger::{Done, Entry, Known, Ledger, LedgerError};
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::runtime::Handle;

/// A compacted topic as ledger.
pub struct TopicLedger {
    kafka: Kafka,
    topic: String,
    producer: Renewed,
    readings: Readings,
    /// What each mailbox's records are to be changed by, for `missing`.
    entries: Mutex<HashMap<String, HashMap<String, Entry>>>,
    handle: Handle,
    clock: fn() -> DateTime<Utc>,
}

impl TopicLedger {
    /// A ledger in this topic; the brokers are not asked yet. To be called within a runtime.
    ///
    /// # Errors
    /// When librdkafka does not know a setting.
    pub fn new(config: &Config, topic: &str, clock: fn() -> DateTime<Utc>) -> Result<Self, KafkaError> {
        Ok(Self {
            kafka: config.kafka.clone(),
            topic: topic.to_owned(),
            producer: Renewed::new(client_config(&config.kafka), None)?,
            readings: Readings::new(config, topic),
            entries: Mutex::default(),
            handle: Handle::current(),
            clock,
        })
    }

    /// Writes records and waits for each one's acknowledgement.
    fn write(&self, records: &[LedgerRecord]) -> Result<(), LedgerError> {
        let producer = self.producer.get();
        let Err(error) = self.send(&producer, records) else { return Ok(()) };
        let retried =
            if self.producer.renew(&producer) { self.send(&self.producer.get(), records) } else { Err(error) };
        retried.map_err(|error| LedgerError::Unacknowledged { reason: error.to_string() })
    }

    fn send(
        &self,
        producer: &rdkafka::producer::FutureProducer<super::producer::Watched>,
        records: &[LedgerRecord],
    ) -> Result<(), rdkafka::error::KafkaError> {
        self.handle.block_on(send_to_ledger(producer, &self.topic, records, self.kafka.ack_timeout.0))
    }
}

impl Ledger for TopicLedger {
    fn known(&self, mailbox: &str) -> Result<Known, LedgerError> {
        let reading = self.readings.of(&owner(&self.kafka, mailbox), (self.clock)()).map_err(LedgerError::Kafka)?;
        let (known, old) = reading.finish();
        self.write(&old)?;
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.insert(mailbox.to_owned(), known.by_uidl.clone());
        Ok(known)
    }

    fn begin(&self, mailbox: &str, at: DateTime<Utc>) -> Result<(), LedgerError> {
        self.write(&topic::begun(&owner(&self.kafka, mailbox), at))
    }

    fn record(&self, mailbox: &str, done: &[Done]) -> Result<(), LedgerError> {
        self.write(&topic::finished(&owner(&self.kafka, mailbox), done))
    }

    fn missing(&self, mailbox: &str, uidls: &[String], since: Option<DateTime<Utc>>) -> Result<(), LedgerError> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner).get(mailbox).cloned();
        let entries = entries.unwrap_or_default();
        let owner = owner(&self.kafka, mailbox);
        let known = uidls.iter().filter_map(|uidl| Some((uidl, entries.get(uidl)?.clone())));
        let records: Vec<LedgerRecord> =
            known.map(|(uidl, entry)| topic::entry(&owner, uidl, &Entry { missing_since: since, ..entry })).collect();
        self.write(&records)
    }

    fn forget(&self, mailbox: &str, uidls: &[String]) -> Result<(), LedgerError> {
        self.write(&topic::gone(&owner(&self.kafka, mailbox), uidls))
    }

    fn leave(&self, mailbox: &str) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(mailbox);
    }
}
