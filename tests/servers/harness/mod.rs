//! Real servers for the tests: one Apache Kafka broker, Dovecot and Courier for POP3, and Maildirs with known mails in
//! them.
//!
//! Everything listens on loopback, on free ports, and keeps its data in a folder that the test names and removes.
//! A server ends with its value, and at the latest with the test process, even when that is killed.

#![allow(dead_code, reason = "no test uses all of it")]

pub mod consumer;
pub mod courier;
pub mod dovecot;
pub mod kafka;
pub mod mail;
pub mod maildir;
pub mod pop3_server;
pub mod ports;
mod process;
pub mod running;
pub mod shapes;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server that isn't installed here. A server that is installed and does not start is a panic instead:
/// no test may be skipped for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    line: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl std::error::Error for Missing {}

/// Whether a missing server is a failure (`REPLY_INGEST_REQUIRE_SERVERS=1`, as in CI) and not a reason to skip.
pub fn required() -> bool {
    std::env::var_os("REPLY_INGEST_REQUIRE_SERVERS").is_some_and(|value| value == "1")
}

/// The server, or `None` after a line that says why the test is skipped. Panics where servers are required.
pub fn available<T>(server: Result<T, Missing>) -> Option<T> {
    match server {
        Ok(server) => Some(server),
        Err(missing) => {
            assert!(!required(), "{missing}");
            // Past the test runner's capture, so that a person sees it.
            let _ = writeln!(std::io::stderr(), "skipped: {missing}");
            None
        }
    }
}

/// The program under test; another build by `REPLY_INGEST_TEST_PROGRAM`.
pub fn program() -> PathBuf {
    std::env::var_os("REPLY_INGEST_TEST_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_reply-ingest").into(), Into::into)
}

/// A file below `tests/servers`.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(name)
}

/// The script that runs the consumers of `tests/consumers`, where their libraries are there.
pub fn consumers() -> Result<PathBuf, Missing> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/consumers/consumers.sh");
    check(&script)?;
    Ok(script)
}

/// Creates topics of three partitions.
pub fn create_topics(kafka: &kafka::Kafka, names: &[&str]) {
    create(kafka, names, "delete");
}

/// Creates topics for ledgers.
pub fn create_compacted(kafka: &kafka::Kafka, names: &[&str]) {
    create(kafka, names, "compact");
}

fn create(kafka: &kafka::Kafka, names: &[&str], policy: &str) {
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().expect("an admin client");
    let topic = |name| NewTopic::new(name, 3, TopicReplication::Fixed(1)).set("cleanup.policy", policy);
    let topics: Vec<NewTopic<'_>> = names.iter().copied().map(topic).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for result in runtime.block_on(admin.create_topics(&topics, &AdminOptions::new())).expect("creates topics") {
        result.expect("creates the topic");
    }
}

/// Runs the script's `check`, which prints one line when something is missing.
fn check(script: &Path) -> Result<(), Missing> {
    let answer =
        Command::new(script).arg("check").output().unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    if answer.status.success() {
        return Ok(());
    }
    let line = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    // No such line: the script itself is broken.
    assert!(!line.is_empty(), "{}: {}", script.display(), String::from_utf8_lossy(&answer.stderr));
    Err(Missing { line })
}
