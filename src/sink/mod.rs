//! Where events go.
//!
//! Takes a batch, a mail's records side by side, and answers for each mail: published, refused
//! (this mail will never pass) or failed (nothing passes now). The pipeline deletes a mail only
//! after its own records were acknowledged; a flush of everything is never taken for that.

mod kafka;
mod lines;

pub use kafka::{KafkaError, KafkaFacts, KafkaSink, Watch};
pub use lines::LineSink;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// One record on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub topic: Arc<str>,
    pub key: String,
    pub value: Vec<u8>,
    pub headers: Vec<(&'static str, String)>,
}

/// What became of one mail's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every record was acknowledged.
    Published,
    /// A record can never be published as it is: too large for the topic, refused by it.
    Refused(String),
    /// The sink does not work at the moment.
    Failed(String),
}

/// A publication under way.
pub type Publication<'a> = Pin<Box<dyn Future<Output = Vec<Outcome>> + Send + 'a>>;

/// Whoever takes events.
pub trait Sink: Send + Sync {
    /// Publishes a batch; the answer has one outcome for each mail, in order.
    fn publish(&self, batch: Vec<Vec<Record>>) -> Publication<'_>;
}
