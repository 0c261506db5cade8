//! How an event lies in a record: `CloudEvents`' Kafka binding (version 1.0.2) in one of its two modes.

use super::Record;
use crate::config::Mode;
use crate::event::dead_letter::DeadLetter;
use crate::event::{Envelope, Event, RunEvent};
use chrono::SecondsFormat;
use serde::Serialize;
use std::sync::Arc;

/// Octets of an event; Kafka's default limit is 1,000,000 for a record with its headers.
const MAX_EVENT: usize = 900_000;

/// The media type of a whole event (section 3.3.1 of the binding).
const STRUCTURED: &str = "application/cloudevents+json; charset=UTF-8";

/// Makes records of events.
#[derive(Debug, Clone, Copy, Default)]
pub struct Encoder {
    mode: Mode,
}

impl Encoder {
    /// In this mode.
    #[must_use]
    pub const fn new(mode: Mode) -> Self {
        Self { mode }
    }

    /// The record of an event.
    #[must_use]
    pub fn event(self, topic: Arc<str>, event: &Event) -> Record {
        let record = self.record(topic, event);
        if record.value.len() <= MAX_EVENT {
            return record;
        }
        self.record(record.topic, &lean(event.clone()))
    }

    /// The record of a run's summary.
    #[must_use]
    pub fn run(self, topic: Arc<str>, event: &RunEvent) -> Record {
        self.record(topic, event)
    }

    /// The record of a dead letter: in structured mode always, because `replay --dead-letters` and people read it.
    #[must_use]
    pub fn dead_letter(self, topic: Arc<str>, letter: &DeadLetter) -> Record {
        Self::new(Mode::Structured).record(topic, letter)
    }

    fn record<D: Serialize>(self, topic: Arc<str>, event: &Envelope<D>) -> Record {
        let value = match self.mode {
            Mode::Structured => serde_json::to_vec(event),
            Mode::Binary => serde_json::to_vec(&event.data),
        };
        // The types have nothing that JSON cannot say.
        let value = value.unwrap_or_default();
        Record { topic, key: event.partitionkey.clone(), value, headers: headers(self.mode, event) }
    }
}

/// The attributes as headers (section 3.2.3 of the binding). Structured mode has them too, so that a consumer can
/// filter without parsing the value.
fn headers<D>(mode: Mode, event: &Envelope<D>) -> Vec<(&'static str, String)> {
    let content_type = match mode {
        Mode::Structured => STRUCTURED.to_owned(),
        Mode::Binary => event.datacontenttype.clone(),
    };
    let mut headers = vec![
        ("content-type", content_type),
        ("ce_specversion", event.specversion.clone()),
        ("ce_id", event.id.clone()),
        ("ce_source", event.source.clone()),
        ("ce_type", event.event_type.clone()),
        ("ce_time", event.time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        ("ce_dataschema", event.dataschema.clone()),
        ("ce_partitionkey", event.partitionkey.clone()),
    ];
    if let Some(subject) = &event.subject {
        headers.push(("ce_subject", subject.clone()));
    }
    headers
}

/// What a stranger can make long, left out: a mail must not stay in its mailbox for ever because
/// its event is larger than Kafka takes.
fn lean(mut event: Event) -> Event {
    event.data.auth = None;
    if let Some(original) = &mut event.data.original {
        original.headers.clear();
    }
    if let Some(content) = &mut event.data.content {
        content.text = None;
        content.signature = None;
    }
    event
}

#[cfg(test)]
mod tests {
    use super::Encoder;
    use crate::config::Mode;
    use crate::event::Event;
    use serde_json::{Map, Value, json};
    use std::sync::Arc;

    fn frozen() -> Event {
        serde_json::from_str(include_str!("../../tests/golden/events-v1/bounce.json")).expect("is an event")
    }

    #[test]
    fn both_modes_say_the_same() {
        let topic: Arc<str> = Arc::from("t");
        let event = frozen();
        let whole: Value = serde_json::from_slice(&serde_json::to_vec(&event).expect("serialises")).expect("is JSON");
        let structured = Encoder::new(Mode::Structured).event(Arc::clone(&topic), &event);
        let binary = Encoder::new(Mode::Binary).event(topic, &event);
        assert_eq!(serde_json::from_slice::<Value>(&structured.value).expect("is JSON"), whole);
        assert_eq!(structured.headers[0].1, "application/cloudevents+json; charset=UTF-8");
        // What a consumer puts together from the headers.
        let mut read = Map::new();
        for (name, value) in &binary.headers {
            let attribute = name.strip_prefix("ce_").unwrap_or("datacontenttype");
            read.insert(attribute.to_owned(), json!(value));
        }
        read.insert("data".to_owned(), serde_json::from_slice(&binary.value).expect("is JSON"));
        assert_eq!(Value::Object(read), whole);
        assert_eq!(structured.key, binary.key);
        assert_eq!(structured.headers[1..], binary.headers[1..]);
    }

    #[test]
    fn an_event_that_is_too_large_is_made_lean() {
        let mut event = frozen();
        event.data.content = Some(crate::event::Content { text: Some("x".repeat(1_000_000)), ..Default::default() });
        for mode in [Mode::Structured, Mode::Binary] {
            let record = Encoder::new(mode).event(Arc::from("t"), &event);
            assert!(record.value.len() < 900_000, "{}", record.value.len());
        }
    }
}
