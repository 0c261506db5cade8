//! A producer that whoever sends with it polls.
//!
//! rust-rdkafka's own has a thread for each, which asks for reports ten times a second, spends a hundredth of a processor
//! on that, and is waited for at its end: for hundreds of mailboxes, each with a producer of its own, that is most of
//! what they cost. Whoever sends a transaction waits for its reports anyway.

use super::Record;
use super::kafka::headers;
use crate::ledger::topic::LedgerRecord;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Between two looks for reports: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_micros(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);
/// Events that are taken one after the other without a pause.
const MANY: usize = 10_000;

/// What is sent: a record of an event, or of the ledger.
#[derive(Clone, Copy)]
pub(super) enum Sent<'r> {
    Record(&'r Record),
    Ledger { topic: &'r str, record: &'r LedgerRecord },
}

/// The reports that have come.
#[derive(Debug, Default)]
struct Reports {
    count: usize,
    /// By the places of what was sent.
    failed: Vec<(usize, ClientError)>,
}

#[derive(Debug, Default)]
pub(super) struct Reporting(Mutex<Reports>);

impl ClientContext for Reporting {}

impl ProducerContext for Reporting {
    type DeliveryOpaque = usize;

    // A deduplicated report may carry offset -1, so only its success counts.
    fn delivery(&self, result: &DeliveryResult<'_>, at: usize) {
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reports.count += 1;
        if let Err((error, _)) = result {
            reports.failed.push((at, error.clone()));
        }
    }
}

/// A producer without a thread of its own on this side of librdkafka. One caller at a time.
pub(super) struct DirectProducer(BaseProducer<Reporting>);

impl DirectProducer {
    /// The brokers are not asked yet.
    pub(super) fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        let producer: BaseProducer<Reporting> = config.create_with_context(Reporting::default())?;
        // OAUTHBEARER's first token is made when somebody polls, and nothing can be asked before.
        producer.poll(Duration::ZERO);
        Ok(Self(producer))
    }

    pub(super) fn client(&self) -> &BaseProducer<Reporting> {
        &self.0
    }

    /// Sends, and waits for each record's own report; gives the places of those that failed. `one_by_one` sends each
    /// record after the report of the one before, until one fails. `wait` is for room in the client's queue; how long a
    /// report takes at most is `message.timeout.ms`.
    pub(super) fn send(&self, all: &[Sent<'_>], one_by_one: bool, wait: Duration) -> Vec<(usize, ClientError)> {
        // What librdkafka had to say meanwhile: errors of connections, and logs.
        for _ in (0..MANY).take_while(|_| self.0.in_flight_count() > 0) {
            self.0.poll(Duration::ZERO);
        }
        self.take_reports();
        let mut failed = Vec::new();
        let mut under_way = 0;
        for (at, sent) in all.iter().enumerate() {
            match self.enqueue(at, *sent, wait) {
                Ok(()) => under_way += 1,
                Err(error) => failed.push((at, error)),
            }
            if one_by_one {
                self.wait_for(under_way);
                if !failed.is_empty() || !self.reports().failed.is_empty() {
                    break;
                }
            }
        }
        self.wait_for(under_way);
        failed.extend(self.take_reports());
        failed.sort_by_key(|(at, _)| *at);
        failed
    }

    fn enqueue(&self, at: usize, sent: Sent<'_>, wait: Duration) -> Result<(), ClientError> {
        let mut record: BaseRecord<'_, str, [u8], usize> = match sent {
            Sent::Record(record) => BaseRecord::with_opaque_to(&record.topic, at)
                .key(record.key.as_str())
                .payload(record.value.as_slice())
                .headers(headers(record)),
            Sent::Ledger { topic, record: (key, value) } => {
                let message = BaseRecord::with_opaque_to(topic, at).key(key.as_str());
                match value {
                    Some(value) => message.payload(value.as_slice()),
                    None => message,
                }
            }
        };
        let until = Instant::now() + wait;
        loop {
            match self.0.send(record) {
                Ok(()) => return Ok(()),
                Err((ClientError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) if Instant::now() < until => {
                    record = back;
                    self.0.poll(Duration::ZERO);
                    sleep(FIRST_PAUSE);
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Waits for that many reports since [`Self::take_reports`].
    fn wait_for(&self, count: usize) {
        let mut pause = FIRST_PAUSE;
        let mut at_once = MANY;
        loop {
            let before = self.reports().count;
            if before >= count {
                return;
            }
            // Any longer and rust-rdkafka would turn in a circle for the last millisecond.
            self.0.poll(Duration::ZERO);
            let now = self.reports().count;
            // Counted are reports that are due, and whatever waits in the queue.
            let waiting = usize::try_from(self.0.in_flight_count()).unwrap_or(0) > count.saturating_sub(now);
            at_once = at_once.saturating_sub(1);
            if now == before && !(waiting && at_once > 0) {
                sleep(pause);
                pause = (pause * 5 / 4).min(LONGEST_PAUSE);
            }
        }
    }

    fn reports(&self) -> std::sync::MutexGuard<'_, Reports> {
        self.0.context().0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_reports(&self) -> Vec<(usize, ClientError)> {
        std::mem::take(&mut *self.reports()).failed
    }
}

#[cfg(test)]
mod tests {
    use super::{DirectProducer, Sent};
    use crate::sink::Record;
    use rdkafka::ClientConfig;
    use rdkafka::error::RDKafkaErrorCode;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::DefaultProducerContext;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    use std::sync::Arc;
    use std::time::Duration;

    const WAIT: Duration = Duration::from_secs(20);

    fn record(octets: usize) -> Record {
        let headers = vec![("ce_id", "1".to_owned())];
        Record { topic: Arc::from("t"), key: "k".to_owned(), value: vec![b'x'; octets], headers }
    }

    #[test]
    fn who_sends_hears_of_each_record_that_failed() {
        let cluster: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).expect("a cluster");
        cluster.create_topic("t", 1, 1).expect("a topic");
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers()).set("message.max.bytes", "2000");
        let producer = DirectProducer::new(&config).expect("a producer");
        let (small, large) = (record(100), record(10_000));
        let ledger = ("m\0u1".to_owned(), None);
        let all = [
            Sent::Record(&small),
            Sent::Record(&large),
            Sent::Ledger { topic: "t", record: &ledger },
            Sent::Record(&large),
        ];
        let places = |one_by_one| {
            let failed = producer.send(&all, one_by_one, WAIT);
            let too_large = |code| code == Some(RDKafkaErrorCode::MessageSizeTooLarge);
            assert!(failed.iter().all(|(_, error)| too_large(error.rdkafka_error_code())), "{failed:?}");
            failed.into_iter().map(|(at, _)| at).collect::<Vec<_>>()
        };
        assert_eq!(places(false), [1, 3]);
        assert_eq!(places(true), [1], "what is behind the first that failed is not sent");
        assert_eq!(producer.send(&all[..1], false, WAIT), []);
        // What a broker refuses is reported as well.
        cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD]);
        let failed = producer.send(&all[2..3], false, WAIT);
        let codes: Vec<_> = failed.iter().map(|(at, error)| (*at, error.rdkafka_error_code())).collect();
        assert_eq!(codes, [(0, Some(RDKafkaErrorCode::InvalidRecord))]);
    }
}
