//! A topic from its beginning to its end: the ledger, and dead letters.

use super::KafkaError;
use super::kafka::connection;
use crate::config::Kafka;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::HashSet;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(100);
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
pub fn read_to_end(
    settings: &Kafka,
    topic: &str,
    mut take: impl FnMut(&[u8], Option<&[u8]>),
) -> Result<(), KafkaError> {
    let wait = open_at_most(settings) + MARGIN;
    let until = Instant::now() + wait;
    let unavailable = |source| KafkaError::Unavailable { seconds: wait.as_secs(), source: Box::new(source) };
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
            // A follower may not have everything yet.
            .set("client.rack", "");
        config.create().map_err(|e| KafkaError::Setting(Box::new(e)))
    };
    let (all, committed) = (consumer("read_uncommitted")?, consumer("read_committed")?);
    let metadata = all.fetch_metadata(Some(topic), wait).map_err(unavailable)?;
    // A topic that cannot be read must not look like one that knows nothing.
    let found = metadata.topics().iter().find(|t| t.name() == topic);
    let error = found.and_then(MetadataTopic::error).map(|code| RDKafkaErrorCode::from(code).to_string());
    let partitions: Vec<i32> = found.iter().flat_map(|t| t.partitions().iter().map(MetadataPartition::id)).collect();
    if error.is_some() || partitions.is_empty() {
        let reason = error.unwrap_or_else(|| "it has no partitions".to_owned());
        return Err(KafkaError::Topic { topic: topic.to_owned(), reason });
    }
    let mut assigned = TopicPartitionList::new();
    let mut unread: HashSet<i32> = HashSet::new();
    for partition in partitions {
        let (low, end) = all.fetch_watermarks(topic, partition, wait).map_err(unavailable)?;
        if low == end {
            continue;
        }
        // What a transaction of another mailbox that is still open holds back may be older than records of ours.
        while committed.fetch_watermarks(topic, partition, wait).map_err(unavailable)?.1 < end {
            if Instant::now() >= until {
                return Err(KafkaError::Held { topic: topic.to_owned(), seconds: wait.as_secs() });
            }
            std::thread::sleep(PAUSE);
        }
        assigned.add_partition_offset(topic, partition, Offset::Beginning).map_err(unavailable)?;
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
                    take(key, message.payload());
                }
            }
            Some(Err(ClientError::PartitionEOF(partition))) => {
                unread.remove(&partition);
            }
            // librdkafka connects again by itself; a topic that cannot be read ends by the time.
            Some(Err(error)) if Instant::now() >= until => return Err(unavailable(error)),
            None if Instant::now() >= until => {
                return Err(KafkaError::Held { topic: topic.to_owned(), seconds: wait.as_secs() });
            }
            Some(Err(_)) | None => {}
        }
    }
    Ok(())
}
