//! The `AsyncAPI` document says what the program does: its channels, messages, headers and keys are those of the code.

use reply_ingest::config::{self, Mode};
use reply_ingest::event::{Event, Kind, RunEvent, asyncapi, schema::published};
use reply_ingest::sink::{Encoder, Record};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema(name: &str) -> Value {
    published().into_iter().find(|s| s.name == name).expect("is published").schema
}

fn document() -> Value {
    asyncapi::document(&schema("event"))
}

/// `REPLY_INGEST_WRITE_SCHEMAS=1 cargo test` writes it anew.
#[test]
fn the_file_is_that_of_the_types() {
    let text = serde_json::to_string_pretty(&document()).expect("serialises") + "\n";
    let path = folder().join("schemas").join(asyncapi::FILE);
    if std::env::var_os("REPLY_INGEST_WRITE_SCHEMAS").is_some() {
        fs::write(&path, &text).expect("writes");
    }
    assert!(fs::read_to_string(&path).unwrap_or_default() == text, "run REPLY_INGEST_WRITE_SCHEMAS=1 cargo test");
}

#[test]
fn channels_are_the_default_topics() {
    let text = "kafka: {brokers: [\"k:9092\"]}\nmailboxes: [{name: a, host: h, username: u, password: p}]\n";
    let config = config::parse(text, Path::new("c.yaml"), &HashMap::new()).expect("is right");
    assert_eq!(document()["channels"]["events"]["address"], json!(config.kafka.topic));
    assert!(document()["channels"]["events"]["messages"].as_object().is_some_and(|m| m.len() == 2 * Kind::ALL.len()));
}

/// Every reference leads somewhere, in the document or in the schemas beside it.
#[test]
fn references_resolve() {
    fn references(value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                out.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|v| references(v, out));
            }
            Value::Array(list) => list.iter().for_each(|v| references(v, out)),
            _ => {}
        }
    }
    let document = document();
    let mut all = Vec::new();
    references(&document, &mut all);
    assert!(all.len() > 50, "{}", all.len());
    for reference in all {
        let (file, pointer) = reference.split_once('#').unwrap_or((&reference, ""));
        let root = if file.is_empty() {
            document.clone()
        } else {
            let text = fs::read_to_string(folder().join("schemas").join(file)).expect("is beside it");
            serde_json::from_str(&text).expect("is JSON")
        };
        assert!(root.pointer(pointer).is_some(), "{reference}");
    }
}

/// A validator of what a message's headers may be.
fn headers_of(message: &Value) -> jsonschema::Validator {
    jsonschema::validator_for(&message["headers"]).expect("compiles")
}

fn check(message: &Value, record: &Record, event: &Value) {
    let headers: Map<String, Value> = record.headers.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
    let described: BTreeSet<&String> = message["headers"]["properties"].as_object().expect("headers").keys().collect();
    assert!(headers.keys().all(|name| described.contains(name)), "{headers:?}");
    assert_eq!(described.len() - usize::from(event.get("subject").is_none()), headers.len(), "{headers:?}");
    let wrong: Vec<String> =
        headers_of(message).iter_errors(&Value::Object(headers.clone())).map(|e| e.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(message["contentType"], headers["content-type"]);
    assert_eq!(message["name"], headers["ce_type"]);
    assert_eq!(record.key, event["partitionkey"].as_str().expect("a key"));
    // The payload is what the schema says that the message names.
    let reference = message["payload"]["schema"]["$ref"].as_str().expect("a schema");
    let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
    let mut root = schema(if file.contains("run") { "run" } else { "event" });
    if !pointer.is_empty() {
        let defs = root["$defs"].clone();
        root = json!({"$ref": format!("#{pointer}"), "$defs": defs});
    }
    let payload: Value = serde_json::from_slice(&record.value).expect("is JSON");
    let validator = jsonschema::validator_for(&root).expect("compiles");
    let wrong: Vec<String> = validator.iter_errors(&payload).map(|e| format!("{e} at {}", e.instance_path())).collect();
    assert!(wrong.is_empty(), "{reference}: {wrong:?}");
}

#[test]
fn messages_are_what_is_written() {
    let document = document();
    let messages = &document["components"]["messages"];
    for (mode, suffix) in [(Mode::Structured, ""), (Mode::Binary, "-binary")] {
        let encoder = Encoder::new(mode);
        for kind in Kind::ALL {
            let text = fs::read_to_string(folder().join(format!("tests/golden/events-v1/{}.json", kind.as_str())));
            let event: Event = serde_json::from_str(&text.expect("is frozen")).expect("is an event");
            let message = &messages[format!("{}{suffix}", kind.as_str())];
            assert!(message["summary"].as_str().is_some_and(|s| !s.is_empty()), "{}", kind.as_str());
            check(message, &encoder.event(Arc::from("t"), &event), &serde_json::to_value(&event).expect("serialises"));
        }
        let run: RunEvent = serde_json::from_value(json!({
            "specversion": "1.0", "id": "r1", "source": "/runs", "type": "org.reply-ingest.run.v1",
            "time": "2026-11-27T05:54:51Z", "datacontenttype": "application/json",
            "dataschema": "urn:reply-ingest:schema:run:1", "partitionkey": "r1",
            "data": {
                "schema_version": "1.0", "run_id": "r1", "worker_version": "0.1.0", "ruleset_version": "x",
                "started_at": "2026-11-27T05:54:38Z", "ended_at": "2026-11-27T05:54:51Z", "exit_code": 0,
                "mailboxes": [], "events": {"bounce": 1}
            }
        }))
        .expect("is a run");
        let message = &messages[format!("run{suffix}")];
        check(message, &encoder.run(Arc::from("t"), &run), &serde_json::to_value(&run).expect("serialises"));
    }
}
