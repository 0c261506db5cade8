//! librdkafka's own statistics.

use super::Metrics;
use super::metrics::{Broker, BrokerError, BrokerQuantile};
use rdkafka::Statistics;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Watches one producer. Its counters begin at zero, ours go on.
pub struct KafkaWatch {
    metrics: Arc<Metrics>,
    seen: Mutex<HashMap<(&'static str, i32), u64>>,
}

impl KafkaWatch {
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, seen: Mutex::default() }
    }

    /// Takes what the producer says of itself.
    pub fn note(&self, statistics: &Statistics) {
        let metrics = &self.metrics;
        metrics.queue_messages.set(i64::try_from(statistics.msg_cnt).unwrap_or(i64::MAX));
        metrics.queue_bytes.set(i64::try_from(statistics.msg_size).unwrap_or(i64::MAX));
        let whole = |n: i64| u64::try_from(n).unwrap_or_default();
        metrics.sent_messages.inc_by(self.more("messages", 0, whole(statistics.txmsgs)));
        metrics.sent_bytes.inc_by(self.more("bytes", 0, whole(statistics.txmsg_bytes)));
        // Addresses from the configuration are only asked for the brokers' real ones, whose ids are few.
        for broker in statistics.brokers.values().filter(|b| b.nodeid >= 0) {
            let id = broker.nodeid.to_string();
            metrics.broker_up.get_or_create(&Broker { broker: id.clone() }).set(i64::from(broker.state == "UP"));
            for (error, count) in
                [("send", broker.txerrs), ("receive", broker.rxerrs), ("timeout", broker.req_timeouts)]
            {
                let more = self.more(error, broker.nodeid, count);
                let label = BrokerError { broker: id.clone(), error: error.to_owned() };
                metrics.broker_errors.get_or_create(&label).inc_by(more);
            }
            if let Some(rtt) = broker.rtt.as_ref().filter(|rtt| rtt.cnt > 0) {
                for (quantile, micros) in [("0.5", rtt.p50), ("0.99", rtt.p99)] {
                    let label = BrokerQuantile { broker: id.clone(), quantile: quantile.to_owned() };
                    let seconds = std::time::Duration::from_micros(whole(micros)).as_secs_f64();
                    metrics.broker_rtt.get_or_create(&label).set(seconds);
                }
            }
        }
    }

    /// What a counter has more than when it was last seen.
    fn more(&self, name: &'static str, broker: i32, now: u64) -> u64 {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.insert((name, broker), now).unwrap_or_default();
        now.saturating_sub(before)
    }
}
