//! What the program says of itself: log lines and metrics.
//!
//! Each happening is one struct (`happenings`) whose `tell` writes its log line and counts it, so that the two
//! cannot differ. [`Metrics`] gives itself as `OpenMetrics` for `run`'s endpoint, and in Prometheus' own text for the
//! one-shot `poll` ([`export`]); a build with the feature `otlp` sends them to a collector from both. Labels are bounded: names from the configuration, words of the event's schema, providers
//! of the rules. Never an address, never a text.

pub mod export;
mod happenings;
mod kafka;
mod metrics;
#[cfg(feature = "otlp")]
pub mod otlp;
mod resolver;
mod steps;

pub use happenings::{BatchPublished, DeadLettered, Listed, PassEnded, Published, Reloaded, RunEnded, TicksMissed};
pub use kafka::KafkaWatch;
pub use metrics::Metrics;
pub use resolver::Measured;
