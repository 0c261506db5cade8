//! `delivery: exactly_once` on real servers: a consumer of committed records sees each mail once.
//! `faults` has what happens when things break.

use crate::harness::dovecot::Dovecot;
use crate::harness::kafka::Kafka;
use crate::harness::mail::Size;
use crate::harness::pop3_server::{self, Pop3Server};
use crate::harness::{available, maildir};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use reply_ingest::demo::consume;
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const USER: &str = "a";
const QUIET: Duration = Duration::from_secs(4);

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
        let setup = Self { folder, dovecot, kafka };
        let topic = |name, policy| NewTopic::new(name, 2, TopicReplication::Fixed(1)).set("cleanup.policy", policy);
        let topics = [
            topic("t", "delete"),
            topic("t.runs", "delete"),
            topic("l", "compact"),
            topic("l2", "compact"),
            topic("wrong", "delete"),
        ];
        let admin: AdminClient<_> =
            ClientConfig::new().set("bootstrap.servers", setup.kafka.bootstrap()).create().expect("an admin client");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for result in runtime.block_on(admin.create_topics(&topics, &AdminOptions::new())).expect("creates") {
            result.expect("creates the topic");
        }
        Some(setup)
    }

    fn config(&self, ledger: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{ledger}.yaml"));
        let text = format!(
            "delivery: exactly_once\n\
             kafka: {{brokers: [\"{}\"], topic: t, run_topic: t.runs, ack_timeout: 20s}}\n\
             ledger: {{topic: {ledger}}}\nauth: {{enabled: false}}\n\
             mailboxes:\n  - {{name: m, host: localhost, port: {}, ca_file: {}, username: {USER}, password: {}, \
             retention: delete}}\n",
            self.kafka.bootstrap(),
            self.dovecot.pop3s_port(),
            self.dovecot.ca_file().display(),
            pop3_server::password(USER),
        );
        std::fs::write(&path, text).expect("writes");
        path
    }

    fn seed(&self, count: usize, lot: u64) -> usize {
        maildir::seed(&self.dovecot.maildir(USER), count, Size::About(3_000), lot).len()
    }

    /// Records in a ledger that say that a first pass was made.
    fn first_passes(&self, ledger: &str) -> usize {
        let records = consume(&self.kafka.bootstrap(), ledger, 10_000, QUIET).expect("consumes");
        records.iter().filter(|record| record.key.ends_with("\0b")).count()
    }

    /// How many UIDLs a ledger ever knew, and how many it still does when all its records are taken in their order.
    fn known_uidls(&self, ledger: &str) -> (usize, usize) {
        let mut known: HashMap<String, bool> = HashMap::new();
        for record in consume(&self.kafka.bootstrap(), ledger, 10_000, QUIET).expect("consumes") {
            if record.key.contains("\0u") {
                known.insert(record.key, !record.value.is_empty());
            }
        }
        (known.len(), known.into_values().filter(|is_known| *is_known).count())
    }

    /// A worker that holds the mailbox, as another program's producer.
    fn holder(&self) -> BaseProducer {
        let holder: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.kafka.bootstrap())
            .set("transactional.id", "reply-ingest/m")
            .create()
            .expect("a producer");
        holder.init_transactions(QUIET * 3).expect("holds the mailbox");
        holder
    }

    /// How often each mail's event was seen among the committed records; none is missing and none comes twice.
    fn assert_each_once(&self, mails: usize) {
        let records = consume(&self.kafka.bootstrap(), "t", mails + 1, QUIET).expect("consumes");
        let mut seen: HashMap<String, usize> = HashMap::new();
        for record in records {
            let event: Value = serde_json::from_slice(&record.value).expect("is JSON");
            let id = event.pointer("/data/message/message_id").and_then(Value::as_str).expect("an id").to_owned();
            *seen.entry(id).or_default() += 1;
        }
        let twice = seen.values().filter(|n| **n > 1).count();
        eprintln!("{mails} mails: {} seen, {twice} of them twice", seen.len());
        assert_eq!((seen.len(), twice), (mails, 0));
    }
}

fn start(config: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
        .args(["poll", "--config"])
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts")
}

fn assert_exit(child: Child, code: i32) -> String {
    let output = child.wait_with_output().expect("ends");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    stderr
}

#[test]
fn each_mail_is_seen_once_after_passes_and_a_broker_that_stops() {
    let Some(mut setup) = Setup::new() else { return };
    let stderr = assert_exit(start(&setup.config("wrong")), 69);
    assert!(stderr.contains("cleanup.policy is delete"), "{stderr}");
    let config = setup.config("l");
    let mut mails = setup.seed(1_200, 1);
    assert_exit(start(&config), 0);
    assert_eq!(setup.dovecot.count(USER), 0, "published mails are deleted");
    assert_exit(start(&config), 0);
    assert_eq!(setup.first_passes("l"), 1, "it is remembered with the first mails");
    assert_exit(start(&setup.config("l2")), 0);
    assert_eq!(setup.first_passes("l2"), 1, "and where there was none, at the end of the pass");
    setup.assert_each_once(mails);
    mails += setup.seed(300, 2);
    setup.kafka.restart();
    assert_exit(start(&config), 0);
    assert_eq!(setup.dovecot.count(USER), 0);
    setup.assert_each_once(mails);
}

#[test]
fn only_who_has_mails_to_publish_fences_others() {
    let Some(setup) = Setup::new() else { return };
    let config = setup.config("l");
    let holder = setup.holder();
    assert_exit(start(&config), 0);
    assert_eq!(setup.first_passes("l"), 1, "what is to be remembered of an empty mailbox is");
    holder.begin_transaction().expect("the mailbox is still held");
    holder.send(BaseRecord::to("l").key("x").payload("y")).expect("sends");
    holder.commit_transaction(QUIET * 3).expect("the mailbox is still held");
    let mails = setup.seed(20, 4);
    assert_exit(start(&config), 0);
    setup.assert_each_once(mails);
    assert_eq!(setup.known_uidls("l"), (mails, 0), "ids of deleted mails are forgotten at the end of the pass");
    let fenced = holder.begin_transaction().and_then(|()| {
        holder.send(BaseRecord::to("l").key("x").payload("y")).map_err(|(error, _)| error)?;
        holder.commit_transaction(QUIET * 3)
    });
    let error = fenced.expect_err("the mailbox is no longer held");
    assert!(holder.client().fatal_error().is_some(), "{error}");
}

#[test]
fn of_two_workers_on_a_mailbox_one_is_fenced_and_nothing_is_lost() {
    let Some(setup) = Setup::new() else { return };
    let config = setup.config("l");
    let mails = setup.seed(3_000, 3);
    let first = start(&config);
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while consume(&setup.kafka.bootstrap(), "t", 1, Duration::from_secs(1)).expect("consumes").is_empty() {
        assert!(std::time::Instant::now() < until, "the first worker publishes nothing");
    }
    let second = start(&config);
    let (first, second) = (first.wait_with_output().expect("ends"), second.wait_with_output().expect("ends"));
    let codes = [first.status.code(), second.status.code()];
    eprintln!("exit codes {codes:?}");
    let stderr = String::from_utf8_lossy(&first.stderr);
    assert_eq!(first.status.code(), Some(76), "{stderr}");
    assert!(stderr.contains("another worker has taken over"), "{stderr}");
    // The other may have met mails on which the first was still at work.
    assert_exit(start(&config), 0);
    assert_eq!(setup.dovecot.count(USER), 0);
    setup.assert_each_once(mails);
}
