//! A consumer that sees what was committed.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_mins(2);

/// Hands over the value of each committed record of a topic, to the end of every partition.
pub fn committed(bootstrap: &str, topic: &str, mut each: impl FnMut(&[u8])) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "reply-ingest-test")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .create()
        .expect("a consumer");
    let metadata = consumer.fetch_metadata(Some(topic), LIMIT).expect("a broker");
    let mut partitions = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions) {
        partitions.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("a partition");
    }
    let mut unread = partitions.count();
    assert!(unread > 0, "no topic {topic}");
    consumer.assign(&partitions).expect("assigns");
    let begun = Instant::now();
    while unread > 0 {
        assert!(begun.elapsed() < LIMIT, "{topic} is not read to its end");
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => each(message.payload().unwrap_or_default()),
            Some(Err(KafkaError::PartitionEOF(_))) => unread -= 1,
            Some(Err(error)) => eprintln!("{error}"),
            None => {}
        }
    }
}
