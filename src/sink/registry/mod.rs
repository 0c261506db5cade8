//! Values in the wire format of a Schema Registry: a zero octet, the schema's id in four, and the JSON.
//!
//! Each topic's id is asked for once, before anything is published ([`client`]); then [`Framed`] puts it in front of the
//! values on their way to Kafka. Events and summaries only: dead letters and the ledger are this program's own, and it
//! reads them back.

mod client;

pub use client::{Registry, RegistryError};

use super::{Parcel, Publication, Record, Sink, Topics};
use crate::config::{Config, SchemaRegistry};
use crate::event::schema::of_data;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a framed value begins with.
const MAGIC: u8 = 0;

/// The schema that a topic's values have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub topic: String,
    /// The name in the registry (`TopicNameStrategy`).
    pub subject: String,
    pub schema: Arc<str>,
    /// What `reply-ingest schema` calls it.
    pub name: &'static str,
}

/// The schemas of a configuration's topics.
#[must_use]
pub fn wanted_schemas(config: &Config) -> Vec<Wanted> {
    let topics = Topics::of(config);
    let run = topics.of_run();
    let [event, summary] = of_data().map(|published| (published.name, Arc::from(published.schema.to_string())));
    let one = |topic: &str, (name, schema): &(&'static str, Arc<str>)| Wanted {
        topic: topic.to_owned(),
        subject: format!("{topic}-value"),
        schema: Arc::clone(schema),
        name,
    };
    let events = topics.of_events().into_iter().map(|topic| one(topic, &event));
    events.chain([one(&run, &summary)]).collect()
}

/// A sink that writes the schema's id in front of each value.
pub struct Framed {
    inner: Arc<dyn Sink>,
    heads: BTreeMap<String, [u8; 5]>,
}

impl Framed {
    /// Asks the registry for the schemas of all topics, and registers those that are missing where the settings say so.
    ///
    /// # Errors
    /// When the registry does not answer, or does not take a schema.
    pub async fn open(inner: Arc<dyn Sink>, config: &Config, settings: &SchemaRegistry) -> Result<Self, RegistryError> {
        let registry = Registry::new(settings)?;
        let mut heads = BTreeMap::new();
        for wanted in wanted_schemas(config) {
            let id = registry.id(&wanted).await?;
            tracing::debug!(subject = wanted.subject, id, "a schema's id");
            heads.insert(wanted.topic, head(id));
        }
        Ok(Self { inner, heads })
    }

    fn framed(&self, mut records: Vec<Record>) -> Vec<Record> {
        for record in &mut records {
            if let Some(head) = self.heads.get(&*record.topic) {
                record.value.splice(0..0, *head);
            }
        }
        records
    }
}

fn head(id: u32) -> [u8; 5] {
    let [a, b, c, d] = id.to_be_bytes();
    [MAGIC, a, b, c, d]
}

impl Sink for Framed {
    fn publish(&self, batch: Vec<Vec<Record>>) -> Publication<'_> {
        self.inner.publish(batch.into_iter().map(|records| self.framed(records)).collect())
    }

    fn deliver(&self, mailbox: &str, batch: Vec<Parcel>) -> Publication<'_> {
        let framed = batch.into_iter().map(|Parcel { records, done }| Parcel { records: self.framed(records), done });
        self.inner.deliver(mailbox, framed.collect())
    }

    fn is_ledger(&self) -> bool {
        self.inner.is_ledger()
    }
}

#[cfg(test)]
mod tests {
    use super::{Framed, head};
    use crate::sink::{Outcome, Parcel, Publication, Record, Sink};
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    #[derive(Default)]
    struct Kept(Mutex<Vec<Record>>);

    impl Sink for Kept {
        fn publish(&self, batch: Vec<Vec<Record>>) -> Publication<'_> {
            let outcomes = vec![Outcome::Published; batch.len()];
            self.0.lock().expect("a lock").extend(batch.into_iter().flatten());
            Box::pin(async move { outcomes })
        }
    }

    #[tokio::test]
    async fn five_octets_stand_in_front_of_events_and_nothing_in_front_of_the_rest() {
        let kept = Arc::new(Kept::default());
        let heads = BTreeMap::from([("events".to_owned(), head(0x0102_0304)), ("runs".to_owned(), head(7))]);
        let framed = Framed { inner: Arc::clone(&kept) as Arc<dyn Sink>, heads };
        let record = |topic: &str| Record {
            topic: Arc::from(topic),
            key: "k".to_owned(),
            value: b"{}".to_vec(),
            headers: Vec::new(),
        };
        framed.publish(vec![vec![record("runs")]]).await;
        framed.deliver("m", vec![Parcel { records: vec![record("events"), record("dead")], done: Vec::new() }]).await;
        let values: Vec<Vec<u8>> = kept.0.lock().expect("a lock").iter().map(|r| r.value.clone()).collect();
        assert_eq!(values, [&b"\x00\x00\x00\x00\x07{}"[..], b"\x00\x01\x02\x03\x04{}", b"{}"]);
    }
}
