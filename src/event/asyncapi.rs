//! The `AsyncAPI` 3 document: which messages go where, with which key and headers. Made from the types, as the schemas
//! are.

use super::cloud::{DATA_SCHEMA, RUN_SCHEMA};
use super::data::SCHEMA_VERSION;
use super::verdict::Kind;
use serde_json::{Map, Value, json};

/// File name under `schemas/`.
pub const FILE: &str = "asyncapi.json";

/// The dialect of the published schemas.
const DIALECT: &str = "application/schema+json;version=draft-2020-12";

/// Structured and binary mode of `CloudEvents`' Kafka binding.
const MODES: [(&str, &str); 2] =
    [("structured", "application/cloudevents+json; charset=UTF-8"), ("binary", "application/json")];

/// The document; `event` is the events' schema, which has the kinds' descriptions.
#[must_use]
pub fn document(event: &Value) -> Value {
    let mut messages = Map::new();
    for (mode, content_type) in MODES {
        for kind in Kind::ALL {
            let about = described(event, kind);
            messages.insert(name(kind.as_str(), mode), message(kind.as_str(), mode, content_type, about));
        }
        let about = "What one run did in each mailbox: a consumer sees by it that nothing came, or that nobody looked.";
        messages.insert(name("run", mode), message("run", mode, content_type, about));
    }
    let of = |wanted: &dyn Fn(&str) -> bool, at: &str| {
        let names = messages.keys().filter(|name| wanted(name));
        names.map(|name| (name.clone(), json!({"$ref": format!("{at}/{name}")}))).collect::<Map<String, Value>>()
    };
    let is_run = |name: &str| name == "run" || name == "run-binary";
    let is_event = |name: &str| !is_run(name);
    let channel = |address: &str, about: &str, wanted: &dyn Fn(&str) -> bool| {
        json!({
            "address": address,
            "description": about,
            "messages": of(wanted, "#/components/messages"),
        })
    };
    let send = |channel: &str, about: &str, wanted: &dyn Fn(&str) -> bool| {
        let refs: Vec<Value> = of(wanted, &format!("#/channels/{channel}/messages")).into_values().collect();
        json!({
            "action": "send",
            "summary": about,
            "channel": {"$ref": format!("#/channels/{channel}")},
            "messages": refs,
        })
    };
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "reply-ingest",
            "version": SCHEMA_VERSION,
            "description": "What became of campaign mails: one event for each person that a mail in a reply mailbox \
                speaks of, and a summary of each run. Read with isolation.level=read_committed, drop an id that was \
                seen, ignore fields that are not known. With kafka.schema_registry a zero octet and the schema's id in \
                four stand in front of the payload of binary messages. schemas/README.md has the rules and the SQL.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": MODES[0].1,
        "channels": {
            "events": channel(
                "campaign.mail",
                "Default of kafka.topic. kafka.topics sends a kind, and a mailbox's topic a mailbox, to another one, \
                 with the same messages and keys.",
                &is_event,
            ),
            "runs": channel(
                "campaign.runs",
                "What kafka.run_topic names; by default the summaries go to the events' topic.",
                &is_run,
            ),
        },
        "operations": {
            "publishEvents": send("events", "One event for each person that a mail speaks of.", &is_event),
            "publishRuns": send("runs", "The summary of each run.", &is_run),
        },
        "components": {"messages": messages},
    })
}

fn name(kind: &str, mode: &str) -> String {
    if mode == "binary" { format!("{kind}-binary") } else { kind.to_owned() }
}

/// What the schema says of a kind.
fn described(event: &Value, kind: Kind) -> &str {
    let branches = event.pointer("/$defs/EventData/oneOf").and_then(Value::as_array).into_iter().flatten();
    let mut of_kind = branches.filter(|b| b.pointer("/properties/kind/const") == Some(&json!(kind.as_str())));
    of_kind.next().and_then(|b| b.get("description")?.as_str()).unwrap_or_default()
}

fn message(kind: &str, mode: &str, content_type: &str, about: &str) -> Value {
    let (file, data, schema) = if kind == "run" {
        ("./run-v1.schema.json", "#/$defs/RunData", RUN_SCHEMA)
    } else {
        ("./event-v1.schema.json", "#/$defs/EventData", DATA_SCHEMA)
    };
    let payload = if mode == "binary" { format!("{file}{data}") } else { file.to_owned() };
    let key = if kind == "run" {
        "The run's id."
    } else {
        "The recipient's: its hash where a hash key is configured, else the SHA-256 of the address where addresses are \
         clear, else the event's own id. One person's events keep their order, and Java's default partitioner puts a \
         key into the same partition."
    };
    let text = |about: &str| json!({"type": "string", "description": about});
    let fixed = |value: &str, about: &str| json!({"type": "string", "const": value, "description": about});
    let mut required =
        vec!["content-type", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_dataschema"];
    required.push("ce_partitionkey");
    json!({
        "name": format!("org.reply-ingest.{kind}.v1"),
        "title": format!("{kind}, {mode} mode"),
        "summary": about,
        "contentType": content_type,
        "headers": {
            "type": "object",
            "required": required,
            "properties": {
                "content-type": fixed(content_type, "The mode."),
                "ce_specversion": fixed("1.0", "The version of CloudEvents."),
                "ce_id": text("Unique; the same when an event comes again."),
                "ce_source": text("`/mailboxes/NAME`, for a run `/runs`."),
                "ce_type": text("event.type_prefix, the kind and the version."),
                "ce_time": {"type": "string", "format": "date-time", "description": "When it happened, UTC."},
                "ce_dataschema": fixed(schema, "The schema's name."),
                "ce_partitionkey": text("The record's key."),
                "ce_subject": text("`campaign/ID`, where the campaign is known."),
            },
        },
        "payload": {"schemaFormat": DIALECT, "schema": {"$ref": payload}},
        "bindings": {"kafka": {"key": text(key), "bindingVersion": "0.5.0"}},
    })
}
