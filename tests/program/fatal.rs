//! After an error that is fatal for librdkafka's producer another takes its place, and what was not acknowledged is sent
//! again.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use reply_ingest::config::{self, Kafka};
use reply_ingest::demo::consume;
use reply_ingest::sink::{KafkaSink, Outcome, Record, Sink};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn settings(brokers: &str) -> Kafka {
    let text = format!(
        "kafka: {{brokers: ['{brokers}'], topic: t, ack_timeout: 10s, properties: {{enable.gapless.guarantee: 'true'}}}}\n\
         mailboxes: [{{name: m, host: h, username: u, password: p}}]\n"
    );
    config::parse(&text, Path::new("c.yaml"), &HashMap::new()).expect("a configuration").kafka
}

fn mail(value: &str) -> Vec<Record> {
    let value = value.as_bytes().to_vec();
    vec![Record { topic: Arc::from("t"), key: "k".to_owned(), value, headers: Vec::new() }]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_is_done_for_is_replaced() {
    let cluster: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).expect("a cluster");
    cluster.create_topic("t", 1, 1).expect("a topic");
    let sink = KafkaSink::new(&settings(&cluster.bootstrap_servers())).expect("a sink");
    assert_eq!(sink.publish(vec![mail("before")]).await, [Outcome::Published]);
    // Without the guarantee librdkafka would repair it by itself.
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER]);
    assert_eq!(sink.publish(vec![mail("during"), mail("during too")]).await, [Outcome::Published, Outcome::Published]);
    assert_eq!(sink.publish(vec![mail("after")]).await, [Outcome::Published]);
    let brokers = cluster.bootstrap_servers();
    let read = tokio::task::spawn_blocking(move || consume(&brokers, "t", 4, Duration::from_secs(10)));
    let values: Vec<String> = read
        .await
        .expect("reads")
        .expect("consumes")
        .into_iter()
        .map(|r| String::from_utf8_lossy(&r.value).into_owned())
        .collect();
    assert_eq!(values, ["before", "during", "during too", "after"]);
}
