//! A topic from its beginning to its end: the ledger, and dead letters.

use super::KafkaError;
use super::kafka::connection;
use crate::config::Kafka;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(100);
/// Between two looks whether an open transaction has ended: most take less.
const SHORT_PAUSE: Duration = Duration::from_millis(10);
/// Beyond the time after which the brokers abort a transaction whose worker died.
const MARGIN: Duration = Duration::from_secs(15);

/// How long the brokers let a transaction be open: its records are sent, and then it is committed, each within
/// the time for acknowledgements. Brokers allow a quarter of an hour unless they are told otherwise.
pub(super) fn open_at_most(settings: &Kafka) -> Duration {
    (settings.ack_timeout.0 * 3).min(Duration::from_mins(15))
}

/// Reads a topic to its end, as it was when this began: the committed records, each with its key and its value, those
/// of one key in their order. Blocks.
///
/// # Errors
/// When the topic cannot be read, or a transaction of another worker is open in it for too long.
pub fn read_to_end(settings: &Kafka, topic: &str, take: impl FnMut(&[u8], Option<&[u8]>)) -> Result<(), KafkaError> {
    TopicReader::open(settings, topic)?.read(&mut HashMap::new(), take)
}

/// Reads a topic, and later what came since.
pub(super) struct TopicReader {
    topic: String,
    wait: Duration,
    /// Sees records that are not committed.
    all: BaseConsumer,
    committed: BaseConsumer,
}

impl TopicReader {
    /// The brokers are not asked yet.
    pub(super) fn open(settings: &Kafka, topic: &str) -> Result<Self, KafkaError> {
        let consumer = |isolation: &str| -> Result<BaseConsumer, KafkaError> {
            let mut config = connection(settings);
            config
                .set("group.id", "reply-ingest-reader")
                .set("enable.auto.commit", "false")
                .set("enable.partition.eof", "true")
                // At the end a broker waits this long for more before it says that there is none.
                .set("fetch.wait.max.ms", "10")
                .set("auto.offset.reset", "error")
                .set("isolation.level", isolation)
                // Records are taken faster than they come: what waits in the client is memory for nothing.
                .set("queued.min.messages", "4000")
                .set("fetch.message.max.bytes", "262144")
                // When it is full, it would wait for a second.
                .set("fetch.queue.backoff.ms", "2")
                // A follower may not have everything yet.
                .set("client.rack", "");
            config.create().map_err(|e| KafkaError::Setting(Box::new(e)))
        };
        Ok(Self {
            topic: topic.to_owned(),
            wait: open_at_most(settings) + MARGIN,
            all: consumer("read_uncommitted")?,
            committed: consumer("read_committed")?,
        })
    }

    /// Reads from the next offset of each partition, where none is given from its beginning, to the end as it is now.
    /// After an error the offsets are those of before, though records may have been taken.
    pub(super) fn read(
        &self,
        next: &mut HashMap<i32, i64>,
        take: impl FnMut(&[u8], Option<&[u8]>),
    ) -> Result<(), KafkaError> {
        let until = Instant::now() + self.wait;
        let mut unread: HashMap<i32, i64> = HashMap::new();
        let mut assigned = TopicPartitionList::new();
        for partition in self.partitions()? {
            let unavailable = |source| self.unavailable(source);
            let (low, end) = self.all.fetch_watermarks(&self.topic, partition, self.wait).map_err(unavailable)?;
            let from = next.get(&partition).copied().unwrap_or(low);
            if from >= end {
                continue;
            }
            // What a transaction of another mailbox that is still open holds back may be older than records of ours.
            let committed = || self.committed.fetch_watermarks(&self.topic, partition, self.wait);
            while committed().map_err(unavailable)?.1 < end {
                if Instant::now() >= until {
                    return Err(self.held());
                }
                std::thread::sleep(SHORT_PAUSE);
            }
            let offset = if next.contains_key(&partition) { Offset::Offset(from) } else { Offset::Beginning };
            assigned.add_partition_offset(&self.topic, partition, offset).map_err(unavailable)?;
            unread.insert(partition, end);
        }
        if unread.is_empty() {
            return Ok(());
        }
        self.committed.assign(&assigned).map_err(|e| self.unavailable(e))?;
        let read = self.read_assigned(unread, until, take);
        // Otherwise it would fetch on.
        self.committed.unassign().map_err(|e| self.unavailable(e))?;
        next.extend(read?);
        Ok(())
    }

    fn partitions(&self) -> Result<Vec<i32>, KafkaError> {
        let metadata = self.all.fetch_metadata(Some(&self.topic), self.wait).map_err(|e| self.unavailable(e))?;
        // A topic that cannot be read must not look like one that knows nothing.
        let found = metadata.topics().iter().find(|t| t.name() == self.topic);
        let error = found.and_then(MetadataTopic::error).map(|code| RDKafkaErrorCode::from(code).to_string());
        let partitions: Vec<i32> =
            found.iter().flat_map(|t| t.partitions().iter().map(MetadataPartition::id)).collect();
        if error.is_some() || partitions.is_empty() {
            let reason = error.unwrap_or_else(|| "it has no partitions".to_owned());
            return Err(KafkaError::Topic { topic: self.topic.clone(), reason });
        }
        Ok(partitions)
    }

    /// Reads the partitions that are assigned to their ends; gives the next offset of each.
    fn read_assigned(
        &self,
        mut unread: HashMap<i32, i64>,
        until: Instant,
        mut take: impl FnMut(&[u8], Option<&[u8]>),
    ) -> Result<HashMap<i32, i64>, KafkaError> {
        let mut next = unread.clone();
        while !unread.is_empty() {
            match self.committed.poll(PAUSE) {
                Some(Ok(message)) => {
                    if let Some(key) = message.key() {
                        take(key, message.payload());
                    }
                    let behind = next.entry(message.partition()).or_default();
                    *behind = (*behind).max(message.offset() + 1);
                }
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    unread.remove(&partition);
                }
                // librdkafka connects again by itself; a topic that cannot be read ends by the time.
                Some(Err(error)) if Instant::now() >= until => return Err(self.unavailable(error)),
                None if Instant::now() >= until => return Err(self.held()),
                Some(Err(_)) | None => {}
            }
        }
        Ok(next)
    }

    fn unavailable(&self, source: ClientError) -> KafkaError {
        KafkaError::Unavailable { seconds: self.wait.as_secs(), source: Box::new(source) }
    }

    fn held(&self) -> KafkaError {
        KafkaError::Held { topic: self.topic.clone(), seconds: self.wait.as_secs() }
    }
}
