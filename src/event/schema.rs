//! The published JSON Schemas, derived from the types.
//!
//! `schemas/` holds them as files; a test compares the two.

use super::cloud::{DATA_SCHEMA, Event, RUN_SCHEMA, RunEvent};
use super::data::EventData;
use super::dead_letter::{DEAD_LETTER_SCHEMA, DeadLetter};
use super::run::RunData;
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde_json::{Value, json};

/// A published schema.
#[derive(Debug, Clone)]
pub struct Published {
    pub name: &'static str,
    /// File name under `schemas/`.
    pub file: &'static str,
    pub schema: Value,
}

/// Every schema that this program publishes.
#[must_use]
pub fn published() -> Vec<Published> {
    vec![
        Published {
            name: "event",
            file: "event-v1.schema.json",
            schema: schema::<Event>(DATA_SCHEMA, "reply-ingest event, version 1"),
        },
        Published {
            name: "run",
            file: "run-v1.schema.json",
            schema: schema::<RunEvent>(RUN_SCHEMA, "reply-ingest run summary, version 1"),
        },
        Published {
            name: "dead-letter",
            file: "dead-letter-v1.schema.json",
            schema: schema::<DeadLetter>(DEAD_LETTER_SCHEMA, "reply-ingest dead letter, version 1"),
        },
        Published {
            name: "explain",
            file: "explain-v1.schema.json",
            schema: schema::<crate::explain::Explanation>(
                "urn:reply-ingest:schema:explain:1",
                "reply-ingest explanation of a mail, version 1",
            ),
        },
        Published {
            name: "config",
            file: "config.schema.json",
            schema: schema::<crate::config::Config>("urn:reply-ingest:schema:config", "reply-ingest configuration"),
        },
    ]
}

/// The schema of the value where it is the data alone, as in binary mode: each whole in itself, for a registry.
#[must_use]
pub fn of_data() -> [Published; 2] {
    let alone = |name, file, mut schema: Value| {
        // The published file has that name, and the whole event in it.
        schema.as_object_mut().map(|root| root.remove("$id"));
        Published { name, file, schema }
    };
    [
        alone(
            "event-data",
            "event-v1.schema.json#/$defs/EventData",
            schema::<EventData>("", "reply-ingest event data, version 1"),
        ),
        alone(
            "run-data",
            "run-v1.schema.json#/$defs/RunData",
            schema::<RunData>("", "reply-ingest run data, version 1"),
        ),
    ]
}

fn schema<T: JsonSchema>(id: &str, title: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), json!(id));
    schema.insert("title".to_owned(), json!(title));
    schema.to_value()
}

/// An event whose addresses are hashed or left out carries none in clear.
pub(super) fn address_rule(schema: &mut Schema) {
    schema.insert(
        "if".to_owned(),
        json!({"properties": {"privacy": {"properties": {"addresses": {"enum": ["hmac", "omit"]}}}}}),
    );
    schema.insert(
        "then".to_owned(),
        json!({"properties": {
            "sender": {"not": {"required": ["address"]}},
            "recipient": {"not": {"required": ["address"]}}
        }}),
    );
}
