//! The configuration: the files in config/ load, mistakes are named with their place.

use reply_ingest::config::{self, Retention, Start, Tls};
use std::collections::HashMap;
use std::path::Path;

fn env() -> HashMap<String, String> {
    ["REPLIES_PASSWORD", "BOUNCES_PASSWORD", "KAFKA_PASSWORD"]
        .into_iter()
        .map(|name| (name.to_owned(), "hunter2 # \"':".to_owned()))
        .collect()
}

fn parse(text: &str) -> Result<config::Config, config::ConfigError> {
    config::parse(text, Path::new("test.yaml"), &env())
}

const MINIMAL: &str =
    "kafka: {brokers: [\"k:9092\"]}\nmailboxes:\n  - name: a\n    host: h\n    username: u\n    password: p\n";

#[test]
fn the_two_files_of_the_readme_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for file in ["reply-ingest.yaml", "reply-ingest.full.yaml"] {
        let text = std::fs::read_to_string(folder.join(file)).expect("is there");
        let config = parse(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
        let mailbox = config.mailboxes.first().expect("has a mailbox");
        assert_eq!(mailbox.port(), 995);
        assert_eq!(mailbox.password.as_ref().map(config::Secret::expose), Some("hunter2 # \"':"), "taken as it is");
    }
}

/// Every setting stands in the full file: its schema's property names are all there.
#[test]
fn the_full_file_is_full() {
    let text = include_str!("../../config/reply-ingest.full.yaml");
    let schema = reply_ingest::event::schema::published().into_iter().find(|s| s.name == "config").expect("is there");
    let mut names = Vec::new();
    properties(&schema.schema, &mut names);
    assert!(names.len() > 50, "the names are found");
    for name in names {
        assert!(text.contains(&format!("{name}:")), "`{name}` is not in config/reply-ingest.full.yaml");
    }
}

/// The property names of every object schema, but not those of the schemas' own language.
fn properties(value: &serde_json::Value, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                match value.as_object().filter(|_| key == "properties") {
                    Some(named) => {
                        for (name, schema) in named {
                            out.push(name.clone());
                            properties(schema, out);
                        }
                    }
                    None => properties(value, out),
                }
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|v| properties(v, out)),
        _ => {}
    }
}

#[test]
fn defaults_are_what_the_full_file_says() {
    let small = parse(MINIMAL).expect("loads");
    let full = parse(include_str!("../../config/reply-ingest.full.yaml")).expect("loads");
    assert_eq!(small.limits, full.limits);
    assert_eq!(small.ledger, full.ledger);
    assert_eq!(small.auth, full.auth);
    assert_eq!(small.unsubscribe, full.unsubscribe);
    assert_eq!((small.dns.timeout, small.dns.mail_budget), (full.dns.timeout, full.dns.mail_budget));
    assert_eq!(small.kafka.topic, full.kafka.topic);
    assert_eq!(small.kafka.ack_timeout, full.kafka.ack_timeout);
    assert_eq!(small.event.type_prefix, full.event.type_prefix);
    let mailbox = small.mailboxes.first().expect("has one");
    assert_eq!((mailbox.tls, mailbox.retention, mailbox.start), (Tls::Implicit, Retention::Keep, Start::All));
}

#[test]
fn mistakes_are_named_with_their_place() {
    let table = [
        ("mailboxs: []\n", "line 1, column 1: unknown key `mailboxs`: did you mean `mailboxes`?"),
        (
            "kafka: {brokers: [k]}\nmailboxes:\n  - name: a\n    hots: h\n",
            "line 4, column 5: unknown key `hots`: did you mean `host`?",
        ),
        ("kafka: {brokers: [k], zzzzzzzzzzzz: 1}\nmailboxes: []\n", "known keys are brokers, topic"),
        ("kafka: {brokers: [k]}\nmailboxes: []\n", "mailboxes: the list is empty"),
        ("mailboxes: []\n", "kafka"),
        ("kafka: [\n", "test.yaml: line"),
        (&MINIMAL.replace("password: p", "password: ${NOT_SET}"), "NOT_SET"),
        (&MINIMAL.replace("    password: p\n", ""), "mailbox a: no password"),
        (
            &MINIMAL.replace("password: p", "password_file: /nowhere/x"),
            "mailbox a: password_file: cannot read the file /nowhere/x",
        ),
        (&MINIMAL.replace("name: a", "name: a b"), "1 to 64 letters"),
        (
            &format!("{MINIMAL}  - name: a\n    host: h\n    username: u\n    password: p\n"),
            "two mailboxes have this name",
        ),
        (&format!("{MINIMAL}    retention: {{delete_after: 2 fortnights}}\n"), "is no duration"),
        (&format!("{MINIMAL}    retention: sometimes\n"), "sometimes"),
        (&format!("{MINIMAL}    start: {{since: yesterday}}\n"), "line"),
        (&format!("{MINIMAL}    trust: {{internal: [300.1.2.3]}}\n"), "is no network"),
        (&format!("{MINIMAL}privacy: {{addresses: hmac}}\n"), "needs hash_key_file"),
        (&format!("{MINIMAL}privacy: {{addresses: hmac, hash_key: short}}\n"), "fewer than 16 characters"),
        (&format!("{MINIMAL}limits: {{message_size: 100MB}}\n"), "limits.in_flight"),
        (&format!("{MINIMAL}limits: {{pipeline: 0}}\n"), "at least 1"),
        (&format!("{MINIMAL}correlators: [{{id: x, in: [nowhere], pattern: '{{campaign}}'}}]\n"), "is no place"),
        (&format!("{MINIMAL}correlators: [{{id: x, in: ['header:To'], pattern: 'x'}}]\n"), "names nothing to find"),
        (&format!("{MINIMAL}kafka: {{brokers: [k]}}\n"), "line 7"),
    ];
    for (text, expected) in table {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}\ngives: {error}\nand should say: {expected}");
        assert!(!error.contains('\n'), "one line: {error}");
    }
}

#[test]
fn secrets_do_not_print() {
    let text = MINIMAL.replace("password: p", "password: ${REPLIES_PASSWORD}")
        + "privacy: {addresses: hmac, hash_key: 0123456789abcdef-topsecret}\n";
    let config = parse(&text).expect("loads");
    let shown = format!("{config:?} {}", serde_json::to_string(&config).expect("serialises"));
    assert!(!shown.contains("hunter2") && !shown.contains("topsecret"), "{shown}");
    // Nor does a mistake elsewhere in the file echo the line beside it.
    let wrong = text.replace("username: u", "username: [u]");
    let error = format!("{:?}", parse(&wrong).expect_err("is wrong"));
    assert!(!error.contains("hunter2") && !error.contains("topsecret"), "{error}");
}
