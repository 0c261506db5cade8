//! What is deleted from Dovecot is in the archive, whatever is killed; and mailboxes that move between shards are
//! published once.

use crate::harness::dovecot::Dovecot;
use crate::harness::kafka::Kafka;
use crate::harness::mail::Size;
use crate::harness::pop3_server::{self, Pop3Server};
use crate::harness::{available, maildir};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use reply_ingest::archive::{Archive, Reference};
use reply_ingest::demo::consume;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// With two shards, `replies` is the first one's and `bounces` the second one's.
const USERS: [&str; 2] = ["replies", "bounces"];
const EACH: usize = 250;

fn start(config: &Path, shard: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
        .args(["poll", "--shard", shard, "--config"])
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts")
}

fn assert_success(child: Child) {
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_deleted_is_in_the_archive_and_a_mailbox_that_moves_is_published_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(dovecot) = available(Dovecot::start(&folder.path().join("d"), &USERS)) else { return };
    let Some(kafka) = available(Kafka::start(&folder.path().join("k"))) else { return };
    let topic = |name, policy| NewTopic::new(name, 2, TopicReplication::Fixed(1)).set("cleanup.policy", policy);
    let topics = [topic("t", "delete"), topic("t.runs", "delete"), topic("l", "compact")];
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().expect("an admin client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for result in runtime.block_on(admin.create_topics(&topics, &AdminOptions::new())).expect("creates") {
        result.expect("creates the topic");
    }
    let kept = folder.path().join("kept");
    let config = folder.path().join("c.yaml");
    let mailbox = |user: &&str| {
        format!(
            "  - {{name: {user}, host: localhost, port: {}, ca_file: {}, username: {user}, password: {}, retention: delete}}\n",
            dovecot.pop3s_port(),
            dovecot.ca_file().display(),
            pop3_server::password(user)
        )
    };
    let text = format!(
        "delivery: exactly_once\nkafka: {{brokers: [\"{}\"], topic: t, run_topic: t.runs, ack_timeout: 20s}}\n\
         ledger: {{topic: l}}\nauth: {{enabled: false}}\narchive: {{location: {}}}\nmailboxes:\n{}",
        kafka.bootstrap(),
        kept.display(),
        USERS.iter().map(mailbox).collect::<String>()
    );
    std::fs::write(&config, text).expect("writes");

    let mut mails = 0;
    // One shard has both mailboxes, and is killed at some moment or other.
    for round in 0..3 {
        for user in USERS {
            mails += maildir::seed(&dovecot.maildir(user), EACH, Size::About(3_000), 1 + round).len();
        }
        let mut worker = start(&config, "0/1");
        std::thread::sleep(Duration::from_millis(900 + round * 370));
        worker.kill().expect("kills");
        worker.wait().expect("ends");
    }
    // Then each mailbox has a shard of its own.
    let both = ["0/2", "1/2"].map(|shard| start(&config, shard));
    both.into_iter().for_each(assert_success);
    for user in USERS {
        assert_eq!(dovecot.count(user), 0, "{user}");
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for record in consume(&kafka.bootstrap(), "t", mails + 1, Duration::from_secs(4)).expect("consumes") {
        let event: Value = serde_json::from_slice(&record.value).expect("is JSON");
        let name = event.pointer("/data/message/archive_ref").and_then(Value::as_str).expect("a reference");
        *seen.entry(name.to_owned()).or_default() += 1;
    }
    assert_eq!((seen.len(), seen.values().filter(|n| **n > 1).count()), (mails, 0), "each once");
    let archive = Archive::existing(&kept.display().to_string(), std::iter::empty()).expect("opens");
    for name in seen.keys() {
        let reference = Reference::parse(name).expect("a reference");
        // Reading compares the digest.
        let mail = runtime.block_on(archive.mail(&reference, 1 << 20)).expect("is whole");
        assert!(mail.size() > 1_000);
    }
}
