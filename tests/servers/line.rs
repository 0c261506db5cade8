//! Mailboxes in Dovecot, polled over POP3S into Apache Kafka.

use crate::harness::dovecot::Dovecot;
use crate::harness::kafka::Kafka;
use crate::harness::mail::Size;
use crate::harness::pop3_server::{self, Pop3Server};
use crate::harness::{available, maildir};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use reply_ingest::demo::{Consumed, consume};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// Mails of the great pass; more by this variable.
fn mails() -> usize {
    std::env::var("REPLY_INGEST_TEST_MAILS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000)
}

const WAIT: Duration = Duration::from_mins(2);

struct Setup {
    folder: tempfile::TempDir,
    dovecot: Dovecot,
    kafka: Kafka,
}

impl Setup {
    fn new(users: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let dovecot = available(Dovecot::start(&folder.path().join("d"), users))?;
        let kafka = available(Kafka::start(&folder.path().join("k")))?;
        Some(Self { folder, dovecot, kafka })
    }

    fn create_topics(&self, names: &[&str]) {
        self.create(&names.iter().map(|n| NewTopic::new(n, 3, TopicReplication::Fixed(1))).collect::<Vec<_>>());
    }

    fn create(&self, topics: &[NewTopic<'_>]) {
        let admin: AdminClient<_> =
            ClientConfig::new().set("bootstrap.servers", self.kafka.bootstrap()).create().expect("an admin client");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for result in runtime.block_on(admin.create_topics(topics, &AdminOptions::new())).expect("creates topics") {
            result.expect("creates the topic");
        }
    }

    /// A mailbox's lines in the configuration.
    fn mailbox(&self, user: &str, settings: &str) -> String {
        format!(
            "  - name: {user}\n    host: localhost\n    port: {}\n    ca_file: {}\n    username: {user}\n    password: {}\n{settings}",
            self.dovecot.pop3s_port(),
            self.dovecot.ca_file().display(),
            pop3_server::password(user),
        )
    }

    fn write_config(&self, name: &str, topic: &str, mailboxes: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let text = format!(
            "kafka:\n  brokers: [\"{}\"]\n  topic: {topic}\n  run_topic: {topic}.runs\n  ack_timeout: 20s\n\
             ledger:\n  file: {}/{name}.redb\nauth:\n  enabled: false\nmailboxes:\n{mailboxes}",
            self.kafka.bootstrap(),
            self.folder.path().display(),
        );
        fs::write(&path, text).expect("writes");
        path
    }

    fn events(&self, topic: &str, count: usize, wait: Duration) -> Vec<Value> {
        consume(&self.kafka.bootstrap(), topic, count, wait)
            .expect("consumes")
            .iter()
            .map(|c: &Consumed| serde_json::from_slice(&c.value).expect("is JSON"))
            .collect()
    }
}

fn poll(config: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
        .args(["poll", "--config"])
        .arg(config)
        .output()
        .expect("the program starts")
}

fn assert_exit(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
}

fn validator(name: &str) -> jsonschema::Validator {
    let schema = reply_ingest::event::schema::published().into_iter().find(|s| s.name == name).expect("is published");
    jsonschema::validator_for(&schema.schema).expect("compiles")
}

fn text(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[test]
fn thousands_of_mails_arrive_once_and_whole() {
    let Some(setup) = Setup::new(&["gone", "kept"]) else { return };
    setup.create_topics(&["mail", "mail.runs"]);
    let count = mails();
    let gone = maildir::seed(&setup.dovecot.maildir("gone"), count, Size::Mixed, 1);
    let kept = maildir::seed(&setup.dovecot.maildir("kept"), count / 10, Size::Mixed, 2);
    let mailboxes = setup.mailbox("gone", "    retention: delete\n") + &setup.mailbox("kept", "    retention: keep\n");
    let config = setup.write_config("c.yaml", "mail", &mailboxes);

    assert_exit(&poll(&config), 0);
    let events = setup.events("mail", gone.len() + kept.len(), WAIT);
    let schema = validator("event");
    let mut by_message_id: HashMap<String, Value> = HashMap::new();
    for event in events {
        let errors: Vec<String> = schema.iter_errors(&event).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:?} in {event}");
        let id = text(&event, "/data/message/message_id");
        assert!(by_message_id.insert(id, event).is_none(), "no mail twice");
    }
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for seeded in gone.iter().chain(&kept) {
        let event = by_message_id
            .get(seeded.message_id.trim_matches(['<', '>']))
            .unwrap_or_else(|| panic!("mail {} is missing", seeded.message_id));
        assert_eq!(text(event, "/data/kind"), seeded.kind.as_str(), "{}", seeded.message_id);
        assert_eq!(text(event, "/data/recipient/address"), seeded.recipient, "{}", seeded.message_id);
        let size = event.pointer("/data/message/size_bytes").and_then(Value::as_u64);
        assert_eq!(size, Some(seeded.wire_len as u64), "{}", seeded.message_id);
        *kinds.entry(text(event, "/data/kind")).or_default() += 1;
    }
    assert_eq!(by_message_id.len(), gone.len() + kept.len());
    assert!(kinds.len() >= 4, "{kinds:?}");
    assert_eq!(setup.dovecot.count("gone"), 0, "published mails are deleted");
    assert_eq!(setup.dovecot.count("kept"), kept.len(), "kept mails are not");

    // A second pass publishes nothing again, and says so.
    assert_exit(&poll(&config), 0);
    let more = setup.events("mail", by_message_id.len() + 1, Duration::from_secs(3));
    assert_eq!(more.len(), by_message_id.len());
    let runs = setup.events("mail.runs", 2, WAIT);
    let schema = validator("run");
    for run in &runs {
        assert!(schema.is_valid(run), "{run}");
    }
    let published: HashSet<Option<u64>> =
        runs.iter().map(|r| r.pointer("/data/mailboxes/1/published").and_then(Value::as_u64)).collect();
    assert_eq!(published, HashSet::from([Some(kept.len() as u64), Some(0)]));
}

#[test]
fn with_kafka_down_nothing_is_lost_and_nothing_deleted() {
    let Some(mut setup) = Setup::new(&["a", "b"]) else { return };
    setup.create_topics(&["t", "t.runs"]);
    maildir::seed(&setup.dovecot.maildir("a"), 20, Size::Mixed, 3);
    let mailboxes = setup.mailbox("a", "    retention: delete\n");
    let config = setup.write_config("c.yaml", "t", &mailboxes);
    setup.kafka.kill();
    let output = poll(&config);
    assert_exit(&output, 69);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("check kafka.brokers"), "{stderr}");
    assert_eq!(setup.dovecot.count("a"), 20);
    setup.kafka.resume();
    assert_exit(&poll(&config), 0);
    assert_eq!(setup.events("t", 20, WAIT).len(), 20);
    assert_eq!(setup.dovecot.count("a"), 0);

    // A topic that is not there is said before any mailbox is touched.
    maildir::seed(&setup.dovecot.maildir("a"), 3, Size::Mixed, 4);
    let config = setup.write_config("d.yaml", "nowhere", &mailboxes);
    let output = poll(&config);
    assert_exit(&output, 69);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("the topic nowhere cannot be used"), "{stderr}");
    assert_eq!(setup.dovecot.count("a"), 3);
}

#[test]
fn a_topic_that_is_made_a_moment_later_is_waited_for() {
    let Some(setup) = Setup::new(&["a"]) else { return };
    maildir::seed(&setup.dovecot.maildir("a"), 3, Size::Mixed, 6);
    let config = setup.write_config("late.yaml", "late", &setup.mailbox("a", "    retention: delete\n"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(500));
            setup.create_topics(&["late", "late.runs"]);
        });
        assert_exit(&poll(&config), 0);
    });
    assert_eq!((setup.events("late", 3, WAIT).len(), setup.dovecot.count("a")), (3, 0));
}

#[test]
fn events_that_a_topic_refuses_leave_their_mails_where_they_are() {
    let Some(setup) = Setup::new(&["a"]) else { return };
    setup.create_topics(&["wide", "wide.runs", "narrow.runs"]);
    setup.create(&[NewTopic::new("narrow", 3, TopicReplication::Fixed(1)).set("max.message.bytes", "500")]);
    maildir::seed(&setup.dovecot.maildir("a"), 8, Size::Mixed, 5);
    let mailboxes = setup.mailbox("a", "    retention: delete\n");
    let output = poll(&setup.write_config("n.yaml", "narrow", &mailboxes));
    assert_exit(&output, 75);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("cannot be published: it stays in the mailbox"), "{stderr}");
    assert_eq!(setup.dovecot.count("a"), 8);
    assert_exit(&poll(&setup.write_config("w.yaml", "wide", &mailboxes)), 0);
    assert_eq!((setup.events("wide", 8, WAIT).len(), setup.dovecot.count("a")), (8, 0));
}

#[test]
fn one_mailbox_in_trouble_leaves_the_others_alone() {
    let Some(setup) = Setup::new(&["good", "bad"]) else { return };
    setup.create_topics(&["t", "t.runs"]);
    let good = setup.mailbox("good", "    retention: delete\n");
    let clear = setup.dovecot.pop3_port();
    let tls = setup.dovecot.pop3s_port();
    let ca = format!("    ca_file: {}\n", setup.dovecot.ca_file().display());
    let bad = |port: u16, host: &str, password: &str, more: &str| {
        format!(
            "  - name: bad\n    host: {host}\n    port: {port}\n    username: bad\n    password: {password}\n{more}"
        )
    };
    let right = pop3_server::password("bad");
    let table = [
        (bad(tls, "localhost", "wrong-hunter2", &ca), 77, "was refused"),
        (bad(tls, "localhost", &right, ""), 78, "its certificate is not trusted"),
        (bad(clear, "localhost", &right, &ca), 78, "does not speak TLS"),
        (bad(tls, "localhost", &right, "    tls: none\n"), 78, "is for TLS"),
        (bad(tls, "127.0.0.3", &right, &ca), 75, "cannot connect"),
        (bad(tls, "no-such-host.invalid", &right, &ca), 75, "cannot be resolved"),
    ];
    for (number, (mailbox, code, words)) in table.into_iter().enumerate() {
        let lot = u64::try_from(number).expect("small");
        maildir::seed(&setup.dovecot.maildir("good"), 5, Size::Mixed, 100 + lot);
        let config = setup.write_config(
            &format!("c{number}.yaml"),
            "t",
            &format!("{good}{mailbox}limits: {{connect_timeout: 2s, retry_pause: 50ms}}\n"),
        );
        let output = poll(&config);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_exit(&output, code);
        let line = stderr.lines().find(|l| l.starts_with("error: mailbox bad:")).unwrap_or_default();
        assert!(line.contains(words), "{words:?} in {stderr}");
        assert!(!stderr.contains("hunter2") && !stderr.contains(&right), "no password: {stderr}");
        assert_eq!(setup.dovecot.count("good"), 0, "the other mailbox is served: {words}");
    }
}
