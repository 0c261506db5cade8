//! Exactly once: events and the ledger's records in one transaction of Kafka.
//!
//! Each mailbox has a producer of its own, with a `transactional.id` made of its name: `init_transactions` fences
//! whoever worked on the mailbox before, and comes before the ledger is read. What a fenced worker does after that is
//! refused by the brokers. A fenced mailbox stays fenced for the run: a new producer would fence the other in turn.
//!
//! Two things need no transaction. A mailbox in which nothing lies, and of which the ledger expects nothing there, is
//! only looked at: nothing will be published, so nobody is fenced. And when a pass ends, what it no longer has to remember
//! is written without one: see `leave`.

use super::direct::{DirectProducer, Reporting, Sent};
use super::halves::{Lot, Lots};
use super::kafka::{client_config, refusal};
use super::reader::open_at_most;
use super::readings::Readings;
use super::{KafkaError, KafkaSink, Outcome, Parcel, Publication, Record, Refusal, Sink};
use crate::config::{Config, Kafka};
use crate::ledger::topic::{self, LedgerRecord, Reading};
use crate::ledger::{Done, Entry, Known, Ledger, LedgerError};
use chrono::{DateTime, Utc};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How often a transaction that was aborted is tried again.
const TRIES: usize = 5;
/// How long an answer of a broker is waited for.
const SOCKET_MS: &str = "30000";
const PAUSE: Duration = Duration::from_millis(100);

/// Does what so many mails have done together, and measures it.
pub type Measure = Arc<dyn Fn(usize, &mut dyn FnMut()) + Send + Sync>;

/// Publishes and remembers in one step.
pub struct TransactionalKafka(Arc<Shared>);

struct Shared {
    /// For what belongs to no transaction: the run's summary, and what a pass leaves behind.
    plain: KafkaSink,
    kafka: Kafka,
    ledger_topic: String,
    readings: Readings,
    members: Mutex<HashMap<String, Arc<Mutex<Member>>>>,
    handle: Handle,
    clock: fn() -> DateTime<Utc>,
    measure: Measure,
}

/// A mailbox's producer.
#[derive(Default)]
struct Member {
    state: State,
    /// What its records in the ledger are to be changed by, for `missing`.
    entries: HashMap<String, Entry>,
    /// What was put off until the next transaction, or the end of the pass.
    pending: Vec<LedgerRecord>,
    /// The tombstones of digests that are too old, by the last reading, for a transaction: another worker may have renewed
    /// them.
    aged: Vec<LedgerRecord>,
}

#[derive(Default)]
enum State {
    #[default]
    None,
    /// Nobody was fenced, because the mailbox was empty.
    Looked,
    Live(Arc<DirectProducer>),
    Fenced(String),
}

impl Member {
    /// What the ledger says, and what is put off and not written yet; and the tombstones of digests that are too old.
    fn learn(&mut self, mut reading: Reading) -> (Known, Vec<LedgerRecord>) {
        for (key, value) in &self.pending {
            reading.take(key.as_bytes(), value.as_deref());
        }
        let (known, aged) = reading.finish();
        self.entries.clone_from(&known.by_uidl);
        (known, aged)
    }

    /// Records, and those that were put off; what is written anew counts.
    fn with_pending(&self, mut records: Vec<LedgerRecord>) -> Vec<LedgerRecord> {
        let written: HashSet<String> = records.iter().map(|(key, _)| key.clone()).collect();
        let put_off = self.pending.iter().chain(&self.aged);
        records.extend(put_off.filter(|(key, _)| !written.contains(key)).cloned());
        records
    }

    fn written(&mut self) {
        self.pending.clear();
        self.aged.clear();
    }
}

/// The parcels of one transaction.
#[derive(Default)]
struct Sending<'p> {
    parcels: Vec<(usize, &'p Parcel)>,
    /// Records one after the other.
    alone: bool,
}

impl<'p> Sending<'p> {
    fn of(batch: &'p [Parcel], lot: &Lot) -> Self {
        let parcels = lot.mails.iter().filter_map(|at| Some((*at, batch.get(*at)?))).collect();
        Self { parcels, alone: lot.alone }
    }

    fn records(&self) -> impl Iterator<Item = (usize, &'p Record)> {
        self.parcels.iter().flat_map(|(at, parcel)| parcel.records.iter().map(move |record| (*at, record)))
    }
}

/// Why a transaction did not come about.
enum Trouble {
    /// These parcels can never be published.
    Refused(HashMap<usize, Refusal>),
    /// It was aborted, and may be tried again.
    Aborted(String),
    /// Whether it was committed is not known, or the producer is done for.
    Lost(String),
    Fenced(String),
}

impl TransactionalKafka {
    /// A sink and ledger with these settings; the brokers are not asked yet. `measure` does each batch. To be called within
    /// a runtime.
    #[must_use]
    pub fn new(
        config: &Config,
        ledger_topic: &str,
        plain: KafkaSink,
        clock: fn() -> DateTime<Utc>,
        measure: Measure,
    ) -> Self {
        Self(Arc::new(Shared {
            plain,
            kafka: config.kafka.clone(),
            ledger_topic: ledger_topic.to_owned(),
            readings: Readings::new(config, ledger_topic),
            members: Mutex::default(),
            handle: Handle::current(),
            clock,
            measure,
        }))
    }
}

impl Sink for TransactionalKafka {
    fn publish(&self, batch: Vec<Vec<Record>>) -> Publication<'_> {
        self.0.plain.publish(batch)
    }

    fn deliver(&self, mailbox: &str, batch: Vec<Parcel>) -> Publication<'_> {
        let (shared, mailbox, count) = (Arc::clone(&self.0), mailbox.to_owned(), batch.len());
        // A commit blocks.
        let task = tokio::task::spawn_blocking(move || {
            let mails = batch.iter().filter(|parcel| !parcel.records.is_empty()).count();
            let mut outcomes = Vec::new();
            (shared.measure)(mails, &mut || outcomes = shared.deliver(&mailbox, &batch));
            outcomes
        });
        Box::pin(async move { task.await.unwrap_or_else(|error| vec![Outcome::Failed(error.to_string()); count]) })
    }

    fn is_ledger(&self) -> bool {
        true
    }
}

impl Ledger for TransactionalKafka {
    fn known(&self, mailbox: &str) -> Result<Known, LedgerError> {
        let member = self.0.member(mailbox);
        let mut member = member.lock().unwrap_or_else(PoisonError::into_inner);
        // Before anything is read.
        drop(self.0.producer(mailbox, &mut member)?);
        let reading = self.0.readings.of(&self.0.owner(mailbox), (self.0.clock)());
        let (known, aged) = member.learn(reading.map_err(LedgerError::Kafka)?);
        member.aged = aged;
        Ok(known)
    }

    fn known_of_empty(&self, mailbox: &str) -> Result<Known, LedgerError> {
        let member = self.0.member(mailbox);
        let mut member = member.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = self.0.readings.so_far(&self.0.owner(mailbox), (self.0.clock)());
        let (known, _) = member.learn(reading.map_err(LedgerError::Kafka)?);
        if known.by_uidl.values().any(|entry| entry.missing_since.is_none()) {
            // That they are missing is to be written, and of what is written another worker must not know more.
            drop(member);
            return self.known(mailbox);
        }
        if matches!(member.state, State::None) {
            member.state = State::Looked;
        }
        Ok(known)
    }

    fn begin(&self, mailbox: &str, at: DateTime<Utc>) -> Result<(), LedgerError> {
        self.0.write(mailbox, |_, owner| topic::begun(owner, at))
    }

    fn begin_later(&self, mailbox: &str, at: DateTime<Utc>) -> Result<(), LedgerError> {
        self.0.put_off(mailbox, topic::begun(&self.0.owner(mailbox), at));
        Ok(())
    }

    fn record(&self, mailbox: &str, done: &[Done]) -> Result<(), LedgerError> {
        self.0.write(mailbox, |_, owner| topic::finished(owner, done))
    }

    fn missing(&self, mailbox: &str, uidls: &[String], since: Option<DateTime<Utc>>) -> Result<(), LedgerError> {
        self.0.write(mailbox, |member, owner| {
            let known = uidls.iter().filter_map(|uidl| Some((uidl, member.entries.get(uidl)?.clone())));
            known.map(|(uidl, entry)| topic::entry(owner, uidl, &Entry { missing_since: since, ..entry })).collect()
        })
    }

    fn forget(&self, mailbox: &str, uidls: &[String]) -> Result<(), LedgerError> {
        self.0.write(mailbox, |_, owner| topic::gone(owner, uidls))
    }

    fn forget_gone(&self, mailbox: &str, uidls: &[String]) -> Result<(), LedgerError> {
        self.0.put_off(mailbox, topic::gone(&self.0.owner(mailbox), uidls));
        Ok(())
    }

    fn leave(&self, mailbox: &str) {
        let gone = self.0.members.lock().unwrap_or_else(PoisonError::into_inner).remove(mailbox);
        if let Some(member) = &gone {
            let mut member = member.lock().unwrap_or_else(PoisonError::into_inner);
            let pending = std::mem::take(&mut member.pending);
            // No transaction of its own: should another worker have the mailbox by now, and the server use such a UIDL
            // again, then that mail is known by its digest. After an error another worker has its own view of what is gone.
            if !pending.is_empty()
                && matches!(member.state, State::Looked | State::Live(_))
                && let Err(error) = self.0.handle.block_on(self.0.plain.note(&self.0.ledger_topic, &pending))
            {
                tracing::debug!(mailbox, %error, "UIDLs of deleted mails are forgotten later");
            }
        }
        // The end of a producer waits for its threads.
        drop(self.0.handle.spawn_blocking(move || drop(gone)));
    }
}

impl Shared {
    fn member(&self, mailbox: &str) -> Arc<Mutex<Member>> {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(members.entry(mailbox.to_owned()).or_default())
    }

    fn owner(&self, mailbox: &str) -> String {
        owner(&self.kafka, mailbox)
    }

    fn put_off(&self, mailbox: &str, records: Vec<LedgerRecord>) {
        let member = self.member(mailbox);
        member.lock().unwrap_or_else(PoisonError::into_inner).pending.extend(records);
    }

    /// The mailbox's producer; the first call makes it, and fences whoever worked on the mailbox before.
    fn producer(&self, mailbox: &str, member: &mut Member) -> Result<Arc<DirectProducer>, LedgerError> {
        match &member.state {
            State::Live(producer) => return Ok(Arc::clone(producer)),
            State::Fenced(reason) => return Err(LedgerError::Fenced { reason: reason.clone() }),
            State::None | State::Looked => {}
        }
        let wait = self.kafka.ack_timeout.0;
        let mut config = client_config(&self.kafka);
        config
            .set("transactional.id", self.owner(mailbox))
            .set("transaction.timeout.ms", open_at_most(&self.kafka).as_millis().to_string());
        // Nobody would take them.
        config.set("statistics.interval.ms", "0");
        // Otherwise librdkafka waits nearly as long for the answer to a commit, and never asks again.
        if config.get("socket.timeout.ms").is_none() {
            config.set("socket.timeout.ms", SOCKET_MS);
        }
        let unavailable = |source| KafkaError::Unavailable { seconds: wait.as_secs(), source: Box::new(source) };
        let direct = DirectProducer::new(&config).map_err(|e| LedgerError::Kafka(KafkaError::Setting(Box::new(e))))?;
        let producer = direct.client();
        // librdkafka asks for the coordinator at once, and where no broker is connected by then again half a second later.
        // The first answer may come from a bootstrap server, whose connection ends with it; the second comes from a broker.
        for _ in 0..2 {
            let asked = producer.client().fetch_metadata(Some(&self.ledger_topic), wait);
            asked.map_err(|e| LedgerError::Kafka(unavailable(e)))?;
        }
        let until = Instant::now() + wait;
        loop {
            match producer.init_transactions(wait) {
                Ok(()) => break,
                // An earlier worker's transaction is being ended.
                Err(ClientError::Transaction(error)) if error.is_retriable() && Instant::now() < until => {
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(LedgerError::Kafka(unavailable(error))),
            }
        }
        let direct = Arc::new(direct);
        member.state = State::Live(Arc::clone(&direct));
        Ok(direct)
    }

    /// One transaction that changes the ledger alone.
    fn write(&self, mailbox: &str, records: impl Fn(&Member, &str) -> Vec<LedgerRecord>) -> Result<(), LedgerError> {
        let member = self.member(mailbox);
        let mut member = member.lock().unwrap_or_else(PoisonError::into_inner);
        let records = records(&member, &self.owner(mailbox));
        if records.is_empty() {
            return Ok(());
        }
        let records = member.with_pending(records);
        let refused = self.commit(mailbox, &mut member, &Sending::default(), &records)?;
        match refused.into_values().next() {
            None => {
                member.written();
                Ok(())
            }
            Some(refusal) => Err(LedgerError::Unwritten { reason: refusal.detail }),
        }
    }

    /// Transactions that hold the parcels and their records in the ledger: one, unless the topic refuses something.
    fn deliver(&self, mailbox: &str, batch: &[Parcel]) -> Vec<Outcome> {
        let member = self.member(mailbox);
        let mut member = member.lock().unwrap_or_else(PoisonError::into_inner);
        // Only reading the ledger may follow on a producer that was lost: what was committed is not known before.
        if matches!(member.state, State::None | State::Looked) {
            return vec![Outcome::Lost("the ledger is to be read again".to_owned()); batch.len()];
        }
        let owner = self.owner(mailbox);
        let mut refused: HashMap<usize, Refusal> = HashMap::new();
        let mut lots = Lots::of(batch.len());
        while let Some(lot) = lots.next() {
            let sending = Sending::of(batch, &lot);
            let done: Vec<Done> = sending.parcels.iter().flat_map(|(_, parcel)| parcel.done.clone()).collect();
            let records = topic::finished(&owner, &done);
            if records.is_empty() && sending.parcels.iter().all(|(_, parcel)| parcel.records.is_empty()) {
                continue;
            }
            let records = member.with_pending(records);
            match self.commit(mailbox, &mut member, &sending, &records) {
                Ok(more) if more.is_empty() => member.written(),
                Ok(mut more) => {
                    let others = lot.mails.iter().copied().filter(|at| !more.contains_key(at)).collect();
                    if let Some(at) = lots.refused(&lot, more.keys().copied().collect()) {
                        refused.extend(more.remove(&at).map(|refusal| (at, refusal)));
                    }
                    lots.again(others);
                }
                Err(LedgerError::Fenced { reason }) => return vec![Outcome::Fenced(reason); batch.len()],
                Err(error) => return vec![Outcome::Lost(in_one_line(&error)); batch.len()],
            }
        }
        (0..batch.len()).map(|at| refused.remove(&at).map_or(Outcome::Published, Outcome::Refused)).collect()
    }

    /// Commits one transaction, tried again while it is aborted. What comes back are the parcels that the topic
    /// refuses; when there are any, nothing was committed.
    fn commit(
        &self,
        mailbox: &str,
        member: &mut Member,
        sending: &Sending<'_>,
        records: &[LedgerRecord],
    ) -> Result<HashMap<usize, Refusal>, LedgerError> {
        let mut tries = 0;
        let until = Instant::now() + self.kafka.ack_timeout.0;
        loop {
            let producer = self.producer(mailbox, member)?;
            tries += 1;
            let trouble = match self.transact(&producer, sending, records) {
                Ok(()) => return Ok(HashMap::new()),
                Err(trouble) => trouble,
            };
            let trouble = match trouble {
                Trouble::Refused(_) | Trouble::Aborted(_) => {
                    match producer.client().abort_transaction(self.kafka.ack_timeout.0) {
                        Ok(()) => trouble,
                        Err(error) => match Trouble::of(producer.client(), &error) {
                            Trouble::Fenced(reason) => Trouble::Fenced(reason),
                            _ => Trouble::Lost(error.to_string()),
                        },
                    }
                }
                other => other,
            };
            match trouble {
                Trouble::Refused(refused) => return Ok(refused),
                Trouble::Aborted(_) if tries < TRIES && Instant::now() < until => std::thread::sleep(PAUSE),
                Trouble::Fenced(reason) => {
                    member.state = State::Fenced(reason.clone());
                    return Err(LedgerError::Fenced { reason });
                }
                Trouble::Lost(reason) | Trouble::Aborted(reason) => {
                    // The next session makes a new producer and reads the ledger again, which says what was committed.
                    member.state = State::None;
                    return Err(LedgerError::Unwritten { reason });
                }
            }
        }
    }

    /// Begins, sends and commits.
    fn transact(
        &self,
        direct: &DirectProducer,
        sending: &Sending<'_>,
        records: &[LedgerRecord],
    ) -> Result<(), Trouble> {
        let wait = self.kafka.ack_timeout.0;
        let producer = direct.client();
        producer.begin_transaction().map_err(|e| Trouble::of(producer, &e))?;
        let (places, events): (Vec<usize>, Vec<Sent<'_>>) =
            sending.records().map(|(at, record)| (at, Sent::Record(record))).unzip();
        let ledger = records.iter().map(|record| Sent::Ledger { topic: &self.ledger_topic, record });
        let failed = if sending.alone {
            let failed = direct.send(&events, true, wait);
            if failed.is_empty() {
                let failed = direct.send(&ledger.collect::<Vec<_>>(), false, wait);
                failed.into_iter().map(|(at, error)| (at + events.len(), error)).collect()
            } else {
                failed
            }
        } else {
            direct.send(&events.into_iter().chain(ledger).collect::<Vec<_>>(), false, wait)
        };
        let mut refused = HashMap::new();
        let mut trouble = None;
        for (at, error) in failed {
            // What is behind the events' places is the ledger's.
            match (places.get(at), refusal(&error)) {
                (Some(mail), Some(refusal)) => drop(refused.insert(*mail, refusal)),
                _ => drop(trouble.get_or_insert(error)),
            }
        }
        // One record that is refused takes the others of its transaction with it.
        if !refused.is_empty()
            && !matches!(trouble.as_ref().map(|e| Trouble::of(producer, e)), Some(Trouble::Fenced(_)))
        {
            return Err(Trouble::Refused(refused));
        }
        if let Some(error) = trouble {
            return Err(Trouble::of(producer, &error));
        }
        let until = Instant::now() + wait;
        loop {
            match producer.commit_transaction(wait) {
                Ok(()) => return Ok(()),
                Err(ClientError::Transaction(error)) if error.is_retriable() && Instant::now() < until => {
                    std::thread::sleep(PAUSE);
                }
                Err(error) => {
                    return Err(match (&error, Trouble::of(producer, &error)) {
                        (_, Trouble::Fenced(reason)) => Trouble::Fenced(reason),
                        (ClientError::Transaction(e), _) if e.txn_requires_abort() => Trouble::Aborted(e.to_string()),
                        _ => Trouble::Lost(error.to_string()),
                    });
                }
            }
        }
    }
}

/// What a mailbox's records in the ledger and its fence go by. Two installations may have a mailbox of the same
/// name and one ledger; a name has no slash.
pub(super) fn owner(settings: &Kafka, mailbox: &str) -> String {
    format!("{}/{mailbox}", settings.transactional_id)
}

impl Trouble {
    /// What an error means. One that says that another producer took over may look abortable or fatal.
    fn of(producer: &BaseProducer<Reporting>, error: &ClientError) -> Self {
        let fences = |code: RDKafkaErrorCode| {
            matches!(
                code,
                RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch
            )
        };
        let fatal = producer.client().fatal_error();
        let code = error.rdkafka_error_code();
        if code.is_some_and(fences) || fatal.as_ref().is_some_and(|(code, _)| fences(*code)) {
            return Self::Fenced(error.to_string());
        }
        match fatal {
            Some((_, reason)) => Self::Lost(reason),
            None => Self::Aborted(error.to_string()),
        }
    }
}

fn in_one_line(error: &LedgerError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
