//! Kafka through librdkafka: idempotent, acks=all, each record's own delivery report.

use super::halves::{Lot, Lots};
use super::producer::{Renewed, Watched};
use super::topics::TopicFacts;
use super::{Outcome, Publication, Record, Refusal, Sink};
use crate::config::Kafka;
use crate::event::DeadReason;
use crate::ledger::topic::LedgerRecord;
use futures_util::future::join_all;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::util::Timeout;
use rdkafka::{ClientContext, Statistics};
use std::sync::Arc;
use std::time::Duration;

/// Why Kafka cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    #[error("kafka.properties: librdkafka refuses a setting")]
    Setting(#[source] Box<ClientError>),
    #[error("no Kafka broker answers within {seconds} s: check kafka.brokers, the network, and TLS or SASL settings")]
    Unavailable {
        seconds: u64,
        #[source]
        source: Box<ClientError>,
    },
    #[error(
        "the topic {topic} could not be read to its end within {seconds} s: a transaction of another worker is open, or the brokers are too slow; try again"
    )]
    Held { topic: String, seconds: u64 },
    #[error(
        "the topic {topic} cannot be used ({reason}): create it (`check --create-topics`), or allow this user to write to it"
    )]
    Topic { topic: String, reason: String },
    #[error("the topic {topic} cannot be used: {problem}")]
    Unfit { topic: String, problem: String },
    #[error("the topic {topic} cannot be made ({reason}): allow this user to create topics, or create it yourself")]
    NotMade { topic: String, reason: String },
}

/// How the brokers are reached.
pub(super) fn connection(settings: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", settings.brokers.join(","))
        .set("client.id", "reply-ingest")
        // A client that was just made waits half of this before it connects to the brokers that it has learnt of.
        .set("reconnect.backoff.ms", "20")
        // With the default of 10 s a broker that is back is found too late.
        .set("reconnect.backoff.max.ms", "2000");
    for (name, value) in &settings.properties {
        config.set(name, value.expose());
    }
    if let Some(password) = &settings.sasl_password {
        config.set("sasl.password", password.expose());
    }
    config
}

/// A producer's settings.
pub(super) fn client_config(settings: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        // The partition that Java's default partitioner picks for the same key.
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "5")
        .set("message.timeout.ms", settings.ack_timeout.0.as_millis().to_string())
        .set("queue.buffering.max.kbytes", "65536");
    for (name, value) in connection(settings).config_map() {
        config.set(name, value);
    }
    config
}

/// A record's headers as the client wants them.
pub(super) fn headers(record: &Record) -> OwnedHeaders {
    let headers = record.headers.iter();
    headers.fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}

/// Sends one record and waits for its own delivery report.
async fn send<C: ClientContext + 'static>(
    producer: &FutureProducer<C>,
    record: &Record,
    wait: Duration,
) -> Result<(), ClientError> {
    let message = FutureRecord::to(&record.topic).key(&record.key).payload(&record.value).headers(headers(record));
    // A deduplicated report may carry offset -1, so only its success counts.
    producer.send(message, Timeout::After(wait)).await.map(|_| ()).map_err(|(e, _)| e)
}

/// Sends records of the ledger, outside of any transaction, and waits for each one's own delivery report.
pub(super) async fn send_to_ledger(
    producer: &FutureProducer<Watched>,
    topic: &str,
    records: &[LedgerRecord],
    wait: Duration,
) -> Result<(), ClientError> {
    let sent = records.iter().map(|(key, value)| async move {
        let mut message: FutureRecord<'_, str, [u8]> = FutureRecord::to(topic).key(key);
        message.payload = value.as_deref();
        producer.send(message, Timeout::After(wait)).await.map(|_| ()).map_err(|(error, _)| error)
    });
    join_all(sent).await.into_iter().collect()
}

/// Why this record will never pass; `None` for an error that says nothing about it.
pub(super) fn refusal(error: &ClientError) -> Option<Refusal> {
    let reason = match error.rdkafka_error_code()? {
        RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize => DeadReason::TooLarge,
        RDKafkaErrorCode::InvalidMessage | RDKafkaErrorCode::InvalidRecord => DeadReason::Refused,
        _ => return None,
    };
    Some(Refusal { reason, detail: error.to_string() })
}

/// What the brokers say of themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaFacts {
    pub brokers: usize,
    pub topics: Vec<TopicFacts>,
}

/// Whoever is told librdkafka's statistics.
pub type Watch = Arc<dyn Fn(&Statistics) + Send + Sync>;

/// How often, in milliseconds: passes that take seconds are to be seen too.
const STATISTICS_MS: &str = "5000";

/// Publishes to Kafka.
pub struct KafkaSink {
    producer: Renewed,
    ack_timeout: Duration,
}

impl KafkaSink {
    /// A producer with these settings; the brokers are not asked yet.
    ///
    /// # Errors
    /// When librdkafka does not know a setting.
    pub fn new(settings: &Kafka) -> Result<Self, KafkaError> {
        Self::watched(settings, None)
    }

    /// The same, and its statistics are told.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn watched(settings: &Kafka, watch: Option<Watch>) -> Result<Self, KafkaError> {
        let mut config = client_config(settings);
        if watch.is_some() && !settings.properties.contains_key("statistics.interval.ms") {
            config.set("statistics.interval.ms", STATISTICS_MS);
        }
        Ok(Self { producer: Renewed::new(config, watch)?, ack_timeout: settings.ack_timeout.0 })
    }

    /// What the brokers say of these topics, within `wait`, and which are missing. Nothing is made: a question about one
    /// topic would have brokers that allow it create the topic, one about all does not.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn look(&self, topics: &[&str], wait: Duration) -> Result<(KafkaFacts, Vec<KafkaError>), KafkaError> {
        let metadata = self
            .producer
            .get()
            .client()
            .fetch_metadata(None, wait)
            .map_err(|e| KafkaError::Unavailable { seconds: wait.as_secs(), source: Box::new(e) })?;
        let mut facts = KafkaFacts { brokers: metadata.brokers().len(), topics: Vec::new() };
        let mut missing = Vec::new();
        for name in topics {
            let known = metadata.topics().iter().find(|t| t.name() == *name);
            let reason = match known.map(|t| (t.error(), t.partitions())) {
                Some((None, partitions)) if !partitions.is_empty() => {
                    facts.topics.push(TopicFacts {
                        name: (*name).to_owned(),
                        partitions: partitions.len(),
                        replicas: partitions.iter().map(|p| p.replicas().len()).min().unwrap_or_default(),
                        in_sync: partitions.iter().map(|p| p.isr().len()).min().unwrap_or_default(),
                    });
                    continue;
                }
                Some((Some(error), _)) => RDKafkaErrorCode::from(error).to_string(),
                Some((None, _)) => "it has no partitions".to_owned(),
                None => "it is not there, or not for this user".to_owned(),
            };
            missing.push(KafkaError::Topic { topic: (*name).to_owned(), reason });
        }
        Ok((facts, missing))
    }

    /// Writes records of the ledger that need no transaction.
    pub(super) async fn note(&self, topic: &str, records: &[LedgerRecord]) -> Result<(), ClientError> {
        send_to_ledger(&self.producer.get(), topic, records, self.ack_timeout).await
    }

    /// Sends these mails and says what became of each.
    async fn send_lot(
        &self,
        producer: &FutureProducer<Watched>,
        batch: &[Vec<Record>],
        lot: &Lot,
    ) -> Vec<(usize, Result<(), ClientError>)> {
        let mails = lot.mails.iter().filter_map(|at| Some((*at, batch.get(*at)?)));
        let sent = mails.map(|(at, mail)| async move {
            if !lot.alone {
                // All at once: awaiting each record would wait out `linger.ms` for each.
                let sent = join_all(mail.iter().map(|record| send(producer, record, self.ack_timeout))).await;
                return (at, sent.into_iter().collect());
            }
            for record in mail {
                if let Err(error) = send(producer, record, self.ack_timeout).await {
                    return (at, Err(error));
                }
            }
            (at, Ok(()))
        });
        join_all(sent).await
    }

    async fn publish_all(&self, batch: Vec<Vec<Record>>) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Published; batch.len()];
        let mut lots = Lots::of(batch.len());
        let mut renewed = false;
        while let Some(lot) = lots.next() {
            let producer = self.producer.get();
            let (mut refused, mut failed) = (Vec::new(), Vec::new());
            for (at, sent) in self.send_lot(&producer, &batch, &lot).await {
                let outcome = match sent.map_err(|error| (refusal(&error), error)) {
                    Ok(()) => Outcome::Published,
                    Err((Some(refusal), _)) => {
                        refused.push(at);
                        // Until it is refused alone, nothing is said of a mail.
                        if lot.alone { Outcome::Refused(refusal) } else { Outcome::Published }
                    }
                    Err((None, error)) => {
                        failed.push(at);
                        Outcome::Failed(error.to_string())
                    }
                };
                if let Some(old) = outcomes.get_mut(at) {
                    *old = outcome;
                }
            }
            // At most once: what is fatal again is more than an accident.
            if !failed.is_empty() && !renewed && self.producer.renew(&producer) {
                renewed = true;
                lots.again(failed);
            }
            lots.refused(&lot, refused);
        }
        outcomes
    }
}

impl Sink for KafkaSink {
    fn publish(&self, batch: Vec<Vec<Record>>) -> Publication<'_> {
        Box::pin(self.publish_all(batch))
    }
}
