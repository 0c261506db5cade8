//! Topics on a real broker: what `check` says of them and makes, and a topic as ledger without transactions.

use crate::harness::available;
use crate::harness::dovecot::Dovecot;
use crate::harness::kafka::Kafka;
use crate::harness::mail::Size;
use crate::harness::maildir;
use crate::harness::pop3_server::{self, Pop3Server};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use reply_ingest::demo::consume;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const USER: &str = "a";
const QUIET: Duration = Duration::from_secs(3);

struct Setup {
    folder: tempfile::TempDir,
    dovecot: Dovecot,
    kafka: Kafka,
}

impl Setup {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let dovecot = available(Dovecot::start(&folder.path().join("d"), &[USER]))?;
        let kafka = available(Kafka::start(&folder.path().join("k")))?;
        Some(Self { folder, dovecot, kafka })
    }

    fn config(&self, delivery: &str, retention: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{delivery}-{retention}.yaml"));
        let text = format!(
            "delivery: {delivery}\n\
             kafka: {{brokers: [\"{}\"], topic: t, run_topic: t.runs, dead_letters: t.dead, ack_timeout: 20s}}\n\
             ledger: {{topic: t.ledger, file: {}}}\nauth: {{enabled: false}}\n\
             mailboxes:\n  - {{name: m, host: localhost, port: {}, ca_file: {}, username: {USER}, password: {}, \
             retention: {retention}}}\n",
            self.kafka.bootstrap(),
            self.file().display(),
            self.dovecot.pop3s_port(),
            self.dovecot.ca_file().display(),
            pop3_server::password(USER),
        );
        std::fs::write(&path, text).expect("writes");
        path
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("no.redb")
    }

    fn set(&self, topic: &str, key: &str, value: &str) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", self.kafka.bootstrap()).create().expect("an admin client");
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(key, value);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let altered = runtime.block_on(admin.alter_configs(&[change], &AdminOptions::new())).expect("alters");
        for result in altered {
            result.expect("alters the topic");
        }
    }

    /// Published events: how many, and how many different ones.
    fn events(&self, at_most: usize) -> (usize, usize) {
        let records = consume(&self.kafka.bootstrap(), "t", at_most, QUIET).expect("consumes");
        let events: Vec<Value> = records.iter().map(|r| serde_json::from_slice(&r.value).expect("is JSON")).collect();
        let ids: BTreeSet<String> = events.iter().map(|event| event["id"].to_string()).collect();
        (events.len(), ids.len())
    }
}

fn run(arguments: &[&str], config: &Path) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
        .args(arguments)
        .arg("--config")
        .arg(config)
        .output()
        .expect("starts");
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

#[test]
fn topics_are_made_on_request_only_and_a_topic_is_a_ledger() {
    let Some(setup) = Setup::new() else { return };
    let keep = setup.config("at_least_once", "keep");
    let mails = maildir::seed(&setup.dovecot.maildir(USER), 60, Size::About(2_000), 1).len();

    // Neither a check nor a run makes a topic.
    for command in ["check", "poll"] {
        let (code, text) = run(&[command], &keep);
        assert_eq!(code, Some(69), "{text}");
        let missing =
            ["t", "t.runs", "t.dead", "t.ledger"].map(|t| text.contains(&format!("the topic {t} cannot be used")));
        assert_eq!(missing, [true, command == "check", command == "check", command == "check"], "{text}");
        assert!(text.contains("check --create-topics"), "{text}");
    }
    let (code, text) = run(&["check", "--create-topics"], &keep);
    assert_eq!(code, Some(0), "{text}");
    for made in
        ["t, 6 partitions, 1 replica", "t.dead, 1 partition, ", "t.runs, 1 partition, ", "t.ledger, 6 partitions"]
    {
        assert!(text.contains(&format!("created        {made}")), "{made}: {text}");
    }
    let (code, text) = run(&["check", "--create-topics"], &keep);
    assert_eq!((code, text.contains("created")), (Some(0), false), "{text}");

    // At least once, with the ledger in a topic: no file, and nothing comes twice.
    for _ in 0..2 {
        let (code, text) = run(&["poll"], &keep);
        assert_eq!(code, Some(0), "{text}");
    }
    assert!(!setup.file().exists(), "no volume is needed");
    assert_eq!((setup.events(mails + 1), setup.dovecot.count(USER)), ((mails, mails), mails));

    // The modes share one ledger.
    let (code, text) = run(&["poll"], &setup.config("exactly_once", "keep"));
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(setup.events(mails + 1), (mails, mails));
    let (code, text) = run(&["poll"], &setup.config("exactly_once", "delete"));
    assert_eq!((code, setup.dovecot.count(USER)), (Some(0), 0), "{text}");
    let more = maildir::seed(&setup.dovecot.maildir(USER), 20, Size::About(2_000), 2).len();
    let (code, text) = run(&["poll"], &setup.config("at_least_once", "delete"));
    assert_eq!((code, setup.dovecot.count(USER)), (Some(0), 0), "{text}");
    assert_eq!(setup.events(mails + more + 1), (mails + more, mails + more));

    // UIDLs of deleted mails are forgotten in the ledger, digests are not.
    let records = consume(&setup.kafka.bootstrap(), "t.ledger", 10_000, QUIET).expect("consumes");
    let mut last = std::collections::HashMap::new();
    for record in records.into_iter().filter(|r| r.key.contains("\0u")) {
        last.insert(record.key, record.value.is_empty());
    }
    assert_eq!(last.len(), mails + more);
    assert!(last.values().all(|forgotten| *forgotten), "a tombstone each");

    // What does not fit is said before anything is fetched.
    for (topic, key, value, words) in [
        ("t", "min.insync.replicas", "2", "min.insync.replicas is 2 and it has 1"),
        ("t.ledger", "cleanup.policy", "delete", "cleanup.policy is delete, and the ledger needs `compact`"),
    ] {
        setup.set(topic, key, value);
        for command in ["check", "poll"] {
            let (code, text) = run(&[command], &keep);
            assert_eq!((code, text.contains(words)), (Some(69), true), "{text}");
        }
        setup.set(topic, key, if value == "2" { "1" } else { "compact" });
    }
}
