//! The core takes octets and times as arguments: it imports no runtime, no Kafka and no clock.

use std::fs;
use std::path::{Path, PathBuf};

const CORE: [&str; 12] = [
    "pop3/capability.rs",
    "pop3/certificate.rs",
    "pop3/codec.rs",
    "pop3/command.rs",
    "pop3/listing.rs",
    "pop3/login",
    "pop3/reply.rs",
    "pop3/session.rs",
    "message",
    "classify",
    "correlate",
    "event",
];

const FORBIDDEN: [&str; 9] =
    ["tokio", "rdkafka", "hickory", "redb", "Utc::now", "Local::now", "SystemTime", "Instant::", "std::net::Tcp"];

#[test]
fn the_core_imports_no_runtime_no_kafka_and_no_clock() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for place in CORE {
        collect(&src.join(place), &mut files);
    }
    assert!(files.len() > 20, "the core's files are found: {files:?}");
    for file in files {
        let text = fs::read_to_string(&file).expect("reads");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in FORBIDDEN {
                assert!(!code.contains(word), "{}:{}: {word} has no place in the core", file.display(), number + 1);
            }
        }
    }
}

#[test]
fn the_pop3_client_needs_nothing_of_the_rest() {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pop3"), &mut files);
    assert!(files.len() > 10, "the client's files are found: {files:?}");
    for file in files {
        let text = fs::read_to_string(&file).expect("reads");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            assert!(!code.contains("crate::"), "{}:{}: {line}", file.display(), number + 1);
        }
    }
}

fn collect(path: &Path, out: &mut Vec<PathBuf>) {
    if path.is_file() {
        out.push(path.to_owned());
    } else {
        for entry in fs::read_dir(path).expect("a folder of the core") {
            let path = entry.expect("reads").path();
            if path.is_dir() || path.extension().is_some_and(|e| e == "rs") {
                collect(&path, out);
            }
        }
    }
}
