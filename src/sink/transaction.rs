//! Exactly once: events and the ledger's records in one transaction of Kafka.
//!
//! Each mailbox has a producer of its own, with a `transactional.id` made of its name: `init_transactions` fences
//! whoever worked on the mailbox before, and comes before the ledger is read. What a fenced worker does after that is
//! refused by the brokers. A fenced mailbox stays fenced for the run: a new producer would fence the other in turn.

use super::kafka::{client_config, connection, is_refusal, send};
use super::{KafkaError, KafkaSink, Outcome, Parcel, Publication, Record, Sink};
use crate::config::{Config, Kafka};
use crate::ledger::topic::{self, LedgerRecord, Reading};
use crate::ledger::{Done, Entry, Known, Ledger, LedgerError};
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How often a transaction that was aborted is tried again.
const TRIES: usize = 5;
/// How long an answer of a broker is waited for.
const SOCKET_MS: &str = "30000";
const PAUSE: Duration = Duration::from_millis(100);
/// Beyond the time after which the brokers abort a transaction whose worker died.
const MARGIN: Duration = Duration::from_secs(15);

/// Publishes and remembers in one step.
pub struct TransactionalKafka(Arc<Shared>);

struct Shared {
    /// For the run's summary, which belongs to no mailbox.
    plain: KafkaSink,
    kafka: Kafka,
    ledger_topic: String,
    members: Mutex<HashMap<String, Arc<Mutex<Member>>>>,
    handle: Handle,
    clock: fn() -> DateTime<Utc>,
}

/// A mailbox's producer.
#[derive(Default)]
struct Member {
    state: State,
    /// What its records in the ledger are to be changed by, for `missing`.
    entries: HashMap<String, Entry>,
    /// Tombstones for the next transaction.
    pending: Vec<LedgerRecord>,
}

#[derive(Default)]
enum State {
    #[default]
    None,
    Live(FutureProducer),
    Fenced(String),
}

/// Why a transaction did not come about.
enum Trouble {
    /// These parcels can never be published.
    Refused(HashMap<usize, String>),
    /// It was aborted, and may be tried again.
    Aborted(String),
    /// Whether it was committed is not known, or the producer is done for.
    Lost(String),
    Fenced(String),
}

impl TransactionalKafka {
    /// A sink and ledger with these settings; the brokers are not asked yet. To be called within a runtime.
    #[must_use]
    pub fn new(config: &Config, plain: KafkaSink, clock: fn() -> DateTime<Utc>) -> Self {
        Self(Arc::new(Shared {
            plain,
            kafka: config.kafka.clone(),
            ledger_topic: config.ledger.topic.clone(),
            members: Mutex::default(),
            handle: Handle::current(),
            clock,
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
        let task = tokio::task::spawn_blocking(move || shared.deliver(&mailbox, &batch));
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
        let mut reading = Reading::new(&self.0.owner(mailbox), (self.0.clock)());
        self.0.read(&mut reading).map_err(LedgerError::Kafka)?;
        let (known, old) = reading.finish();
        member.entries.clone_from(&known.by_uidl);
        member.pending = old;
        Ok(known)
    }

    fn begin(&self, mailbox: &str, at: DateTime<Utc>) -> Result<(), LedgerError> {
        self.0.write(mailbox, |_, owner| topic::begun(owner, at))
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

    fn leave(&self, mailbox: &str) {
        let gone = self.0.members.lock().unwrap_or_else(PoisonError::into_inner).remove(mailbox);
        // The end of a producer waits for its threads.
        drop(self.0.handle.spawn_blocking(move || drop(gone)));
    }
}

impl Shared {
    fn member(&self, mailbox: &str) -> Arc<Mutex<Member>> {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(members.entry(mailbox.to_owned()).or_default())
    }

    /// What a mailbox's records in the ledger and its fence go by. Two installations may have a mailbox of the same
    /// name and one ledger; a name has no slash.
    fn owner(&self, mailbox: &str) -> String {
        format!("{}/{mailbox}", self.kafka.transactional_id)
    }

    /// How long the brokers let a transaction be open: its records are sent, and then it is committed, each within
    /// the time for acknowledgements. Brokers allow a quarter of an hour unless they are told otherwise.
    fn open_at_most(&self) -> Duration {
        (self.kafka.ack_timeout.0 * 3).min(Duration::from_mins(15))
    }

    /// The mailbox's producer; the first call makes it, and fences whoever worked on the mailbox before.
    fn producer(&self, mailbox: &str, member: &mut Member) -> Result<FutureProducer, LedgerError> {
        match &member.state {
            State::Live(producer) => return Ok(producer.clone()),
            State::Fenced(reason) => return Err(LedgerError::Fenced { reason: reason.clone() }),
            State::None => {}
        }
        let wait = self.kafka.ack_timeout.0;
        let mut config = client_config(&self.kafka);
        config
            .set("transactional.id", self.owner(mailbox))
            .set("transaction.timeout.ms", self.open_at_most().as_millis().to_string());
        // Otherwise librdkafka waits nearly as long for the answer to a commit, and never asks again.
        if config.get("socket.timeout.ms").is_none() {
            config.set("socket.timeout.ms", SOCKET_MS);
        }
        let unavailable = |source| KafkaError::Unavailable { seconds: wait.as_secs(), source: Box::new(source) };
        let producer: FutureProducer =
            config.create().map_err(|e| LedgerError::Kafka(KafkaError::Setting(Box::new(e))))?;
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
        member.state = State::Live(producer.clone());
        Ok(producer)
    }

    /// One transaction that changes the ledger alone.
    fn write(&self, mailbox: &str, records: impl Fn(&Member, &str) -> Vec<LedgerRecord>) -> Result<(), LedgerError> {
        let member = self.member(mailbox);
        let mut member = member.lock().unwrap_or_else(PoisonError::into_inner);
        let records = records(&member, &self.owner(mailbox));
        if records.is_empty() {
            return Ok(());
        }
        let refused = self.commit(mailbox, &mut member, &[], &records)?;
        match refused.into_values().next() {
            None => Ok(()),
            Some(reason) => Err(LedgerError::Unwritten { reason }),
        }
    }

    /// A transaction that holds the parcels and their records in the ledger. A parcel that is refused is left out.
    fn deliver(&self, mailbox: &str, batch: &[Parcel]) -> Vec<Outcome> {
        let member = self.member(mailbox);
        let mut member = member.lock().unwrap_or_else(PoisonError::into_inner);
        // Only reading the ledger may follow on a producer that was lost: what was committed is not known before.
        if matches!(member.state, State::None) {
            return vec![Outcome::Lost("the ledger is to be read again".to_owned()); batch.len()];
        }
        let owner = self.owner(mailbox);
        let mut refused: HashMap<usize, String> = HashMap::new();
        loop {
            let kept: Vec<(usize, &Parcel)> =
                batch.iter().enumerate().filter(|(at, _)| !refused.contains_key(at)).collect();
            let done: Vec<Done> = kept.iter().flat_map(|(_, parcel)| parcel.done.clone()).collect();
            let mut records = topic::finished(&owner, &done);
            if records.is_empty() && kept.iter().all(|(_, parcel)| parcel.records.is_empty()) {
                break;
            }
            let written: HashSet<String> = records.iter().map(|(key, _)| key.clone()).collect();
            records.extend(member.pending.iter().filter(|(key, _)| !written.contains(key)).cloned());
            match self.commit(mailbox, &mut member, &kept, &records) {
                Ok(more) if more.is_empty() => {
                    member.pending.clear();
                    break;
                }
                Ok(more) => refused.extend(more),
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
        parcels: &[(usize, &Parcel)],
        records: &[LedgerRecord],
    ) -> Result<HashMap<usize, String>, LedgerError> {
        let mut tries = 0;
        let until = Instant::now() + self.kafka.ack_timeout.0;
        loop {
            let producer = self.producer(mailbox, member)?;
            tries += 1;
            let trouble = match self.transact(&producer, parcels, records) {
                Ok(()) => return Ok(HashMap::new()),
                Err(trouble) => trouble,
            };
            let trouble = match trouble {
                Trouble::Refused(_) | Trouble::Aborted(_) => match producer.abort_transaction(self.kafka.ack_timeout.0)
                {
                    Ok(()) => trouble,
                    Err(error) => match Trouble::of(&producer, &error) {
                        Trouble::Fenced(reason) => Trouble::Fenced(reason),
                        _ => Trouble::Lost(error.to_string()),
                    },
                },
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
        producer: &FutureProducer,
        parcels: &[(usize, &Parcel)],
        records: &[LedgerRecord],
    ) -> Result<(), Trouble> {
        let wait = self.kafka.ack_timeout.0;
        producer.begin_transaction().map_err(|e| Trouble::of(producer, &e))?;
        let events = parcels.iter().flat_map(|(at, parcel)| parcel.records.iter().map(move |record| (*at, record)));
        let events = events.map(|(at, record)| async move { (at, send(producer, record, wait).await) });
        let ledger = records.iter().map(|(key, value)| async move {
            let mut message: FutureRecord<'_, str, [u8]> = FutureRecord::to(&self.ledger_topic).key(key);
            message.payload = value.as_deref();
            producer.send(message, Timeout::After(wait)).await.map(|_| ()).map_err(|(error, _)| error)
        });
        let (events, ledger) =
            self.handle.block_on(async { futures_util::future::join(join_all(events), join_all(ledger)).await });
        let mut refused = HashMap::new();
        let mut trouble = None;
        for (at, error) in events.into_iter().filter_map(|(at, sent)| Some((at, sent.err()?))) {
            if is_refusal(&error) {
                refused.insert(at, error.to_string());
            } else {
                trouble.get_or_insert(error);
            }
        }
        let trouble = trouble.or_else(|| ledger.into_iter().find_map(Result::err));
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

    /// Reads the ledger to its end, as it was when this began.
    fn read(&self, reading: &mut Reading) -> Result<(), KafkaError> {
        let wait = self.open_at_most() + MARGIN;
        let until = Instant::now() + wait;
        let unavailable = |source| KafkaError::Unavailable { seconds: wait.as_secs(), source: Box::new(source) };
        let consumer = |isolation: &str| -> Result<BaseConsumer, KafkaError> {
            let mut config = connection(&self.kafka);
            config
                .set("group.id", "reply-ingest-ledger")
                .set("enable.auto.commit", "false")
                .set("enable.partition.eof", "true")
                .set("auto.offset.reset", "error")
                .set("isolation.level", isolation)
                // At the end a broker waits this long for more before it says that there is none.
                .set("fetch.wait.max.ms", "10")
                // A follower may not have everything yet.
                .set("client.rack", "");
            config.create().map_err(|e| KafkaError::Setting(Box::new(e)))
        };
        let (all, committed) = (consumer("read_uncommitted")?, consumer("read_committed")?);
        let metadata = all.fetch_metadata(Some(&self.ledger_topic), wait).map_err(unavailable)?;
        // A topic that cannot be read must not look like one that knows nothing.
        let topic = metadata.topics().iter().find(|t| t.name() == self.ledger_topic);
        let error = topic
            .and_then(rdkafka::metadata::MetadataTopic::error)
            .map(|code| RDKafkaErrorCode::from(code).to_string());
        let partitions: Vec<i32> =
            topic.iter().flat_map(|t| t.partitions().iter().map(rdkafka::metadata::MetadataPartition::id)).collect();
        if error.is_some() || partitions.is_empty() {
            let reason = error.unwrap_or_else(|| "it has no partitions".to_owned());
            return Err(KafkaError::Topic { topic: self.ledger_topic.clone(), reason });
        }
        let mut assigned = TopicPartitionList::new();
        let mut unread: HashSet<i32> = HashSet::new();
        for partition in partitions {
            let (low, end) = all.fetch_watermarks(&self.ledger_topic, partition, wait).map_err(unavailable)?;
            if low == end {
                continue;
            }
            // What a transaction of another mailbox that is still open holds back may be older than records of ours.
            while committed.fetch_watermarks(&self.ledger_topic, partition, wait).map_err(unavailable)?.1 < end {
                if Instant::now() >= until {
                    return Err(KafkaError::Held { topic: self.ledger_topic.clone(), seconds: wait.as_secs() });
                }
                std::thread::sleep(PAUSE);
            }
            assigned.add_partition_offset(&self.ledger_topic, partition, Offset::Beginning).map_err(unavailable)?;
            unread.insert(partition);
        }
        if unread.is_empty() {
            return Ok(());
        }
        committed.assign(&assigned).map_err(unavailable)?;
        while !unread.is_empty() {
            match committed.poll(PAUSE) {
                Some(Ok(message)) => {
                    if let Some(key) = message.key() {
                        reading.take(key, message.payload());
                    }
                }
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    unread.remove(&partition);
                }
                // librdkafka connects again by itself; a topic that cannot be read ends by the time.
                Some(Err(error)) if Instant::now() >= until => return Err(unavailable(error)),
                None if Instant::now() >= until => {
                    return Err(KafkaError::Held { topic: self.ledger_topic.clone(), seconds: wait.as_secs() });
                }
                Some(Err(_)) | None => {}
            }
        }
        Ok(())
    }
}

impl Trouble {
    /// What an error means. One that says that another producer took over may look abortable or fatal.
    fn of(producer: &FutureProducer, error: &ClientError) -> Self {
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
