//! librdkafka's mock broker, and a consumer that reads everything back.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// Partitions of each topic.
const PARTITIONS: i32 = 6;

/// One broker in this process.
pub struct Broker(MockCluster<'static, DefaultProducerContext>);

/// A record that was read back.
#[derive(Debug, Clone)]
pub struct Consumed {
    pub partition: i32,
    pub key: String,
    pub value: Vec<u8>,
    pub headers: Vec<(String, String)>,
}

impl Broker {
    /// Starts a broker with these topics.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn start(topics: &[&str]) -> Result<Self, KafkaError> {
        let cluster = MockCluster::new(1)?;
        for topic in topics {
            cluster.create_topic(topic, PARTITIONS, 1)?;
        }
        Ok(Self(cluster))
    }

    /// `host:port` of the broker.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.0.bootstrap_servers()
    }
}

/// Reads a topic from its beginning until `count` records were read or `wait` has passed. Blocks.
///
/// # Errors
/// When the broker cannot be reached.
pub fn consume(brokers: &str, topic: &str, count: usize, wait: Duration) -> Result<Vec<Consumed>, KafkaError> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reply-ingest-demo")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .create()?;
    let mut partitions = TopicPartitionList::new();
    let metadata = consumer.fetch_metadata(Some(topic), wait)?;
    for partition in metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions) {
        partitions.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&partitions)?;
    let until = Instant::now() + wait;
    let mut out = Vec::with_capacity(count);
    while out.len() < count && Instant::now() < until {
        if let Some(message) = consumer.poll(Duration::from_millis(50)).transpose()? {
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            out.push(Consumed {
                partition: message.partition(),
                key: text(message.key()),
                value: message.payload().unwrap_or_default().to_vec(),
                headers: message
                    .headers()
                    .map(|h| h.iter().map(|h| (h.key.to_owned(), text(h.value))).collect())
                    .unwrap_or_default(),
            });
        }
    }
    Ok(out)
}
