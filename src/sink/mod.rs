//! Where events go.
//!
//! Takes a batch, a mail's records side by side, and answers for each mail: published, refused
//! (this mail will never pass) or failed (nothing passes now). The pipeline deletes a mail only
//! after its own records were acknowledged; a flush of everything is never taken for that.

mod direct;
mod encode;
mod halves;
mod kafka;
mod lines;
mod producer;
mod reader;
mod readings;
#[cfg(feature = "schema-registry")]
mod registry;
mod routing;
mod topic_ledger;
mod topics;
mod transaction;

pub use encode::Encoder;
pub use kafka::{KafkaError, KafkaFacts, KafkaSink, Watch};
pub use lines::LineSink;
pub use reader::read_to_end;
#[cfg(feature = "schema-registry")]
pub use registry::{Framed, Registry, RegistryError, Wanted, wanted_schemas};
pub use routing::Topics;
pub use topic_ledger::TopicLedger;
pub use topics::{Purpose, TopicFacts, create_topics, judge, settings_of, wanted};
pub use transaction::{Measure, TransactionalKafka};

use crate::event::DeadReason;
use crate::ledger::Done;
use std::fmt;
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

/// One mail's records, and what the ledger is to remember once they are published.
#[derive(Debug, Clone, Default)]
pub struct Parcel {
    pub records: Vec<Record>,
    pub done: Vec<Done>,
}

/// Why a record can never be published as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub reason: DeadReason,
    /// What the broker or the client said.
    pub detail: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// What became of one mail's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every record was acknowledged.
    Published,
    /// A record can never be published as it is: too large for the topic, refused by it. The sink has tried it apart
    /// from all others.
    Refused(Refusal),
    /// The sink does not work at the moment.
    Failed(String),
    /// Whether they were published is not known: the ledger tells, once it is read again.
    Lost(String),
    /// Another worker has taken over the mailbox: nothing of it may be touched.
    Fenced(String),
}

/// A publication under way.
pub type Publication<'a> = Pin<Box<dyn Future<Output = Vec<Outcome>> + Send + 'a>>;

/// Whoever takes events.
pub trait Sink: Send + Sync {
    /// Publishes a batch; the answer has one outcome for each mail, in order.
    fn publish(&self, batch: Vec<Vec<Record>>) -> Publication<'_>;

    /// Publishes mails of a mailbox. A sink that keeps the ledger remembers them in the same step.
    fn deliver(&self, _mailbox: &str, batch: Vec<Parcel>) -> Publication<'_> {
        self.publish(batch.into_iter().map(|parcel| parcel.records).collect())
    }

    /// Whether [`Self::deliver`] remembers what it publishes.
    fn is_ledger(&self) -> bool {
        false
    }
}
