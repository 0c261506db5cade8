//! Mails whose events a topic refuses, on a real broker: each leaves a dead letter once, stays in the mailbox, and keeps
//! no other mail from being published.

use crate::harness::available;
use crate::harness::dovecot::Dovecot;
use crate::harness::kafka::Kafka;
use crate::harness::mail::Size;
use crate::harness::maildir;
use crate::harness::pop3_server::{self, Pop3Server};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use reply_ingest::demo::consume;
use reply_ingest::event::{DeadLetter, schema::published};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

const USER: &str = "a";
const QUIET: Duration = Duration::from_secs(3);
/// Small mails' events fit, not two of them together: every batch is refused as a whole at first.
const TOPIC_LIMIT: &str = "7000";

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

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", self.kafka.bootstrap()).create().expect("an admin client")
    }

    fn create(&self, topic: &str, settings: &[(&str, &str)]) {
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
        let new = settings.iter().fold(new, |new, (key, value)| new.set(key, value));
        let created = wait(self.admin().create_topics(&[new], &AdminOptions::new())).expect("creates");
        for result in created {
            result.expect("creates the topic");
        }
    }

    fn enlarge(&self, topic: &str) {
        let larger = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("max.message.bytes", "1000000");
        let altered = wait(self.admin().alter_configs(&[larger], &AdminOptions::new())).expect("alters");
        for result in altered {
            result.expect("alters the topic");
        }
    }

    /// A configuration for one mode, with topics of its own.
    fn config(&self, mode: &str, further: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{mode}.yaml"));
        let text = format!(
            "delivery: {mode}\n\
             kafka: {{brokers: [\"{}\"], topic: {mode}, run_topic: {mode}.runs, ack_timeout: 20s{further}}}\n\
             ledger: {{{}: {}}}\nauth: {{enabled: false}}\nprivacy: {{text: full}}\n\
             mailboxes:\n  - {{name: m, host: localhost, port: {}, ca_file: {}, username: {USER}, password: {}, \
             retention: delete}}\n",
            self.kafka.bootstrap(),
            if mode == "exactly_once" { "topic" } else { "file" },
            if mode == "exactly_once" {
                "ledger".to_owned()
            } else {
                self.folder.path().join("l.redb").display().to_string()
            },
            self.dovecot.pop3s_port(),
            self.dovecot.ca_file().display(),
            pop3_server::password(USER),
        );
        std::fs::write(&path, text).expect("writes");
        path
    }

    fn values(&self, topic: &str, at_most: usize) -> Vec<Value> {
        let records = consume(&self.kafka.bootstrap(), topic, at_most, QUIET).expect("consumes");
        records.iter().map(|record| serde_json::from_slice(&record.value).expect("is JSON")).collect()
    }

    fn published(&self, topic: &str, at_most: usize) -> Vec<String> {
        let id = |event: &Value| event.pointer("/data/message/message_id").and_then(Value::as_str).map(str::to_owned);
        self.values(topic, at_most).iter().filter_map(id).collect()
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

fn run(arguments: &[&str], config: &std::path::Path) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
        .args(arguments)
        .arg("--config")
        .arg(config)
        .output()
        .expect("starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

/// A reply of so many words, whose event holds them all.
fn long_reply(number: usize) -> String {
    let mut mail = format!(
        "Return-Path: <ana@customers.example>\r\nFrom: Ana <ana@customers.example>\r\nTo: replies@example.com\r\n\
         Subject: Re: News {number}\r\nDate: Mon, 16 Nov 2026 09:12:33 +0000\r\nMessage-ID: <long-{number}@customers.example>\r\n\
         In-Reply-To: <x@example.com>\r\n\r\n"
    );
    for word in 0..3_000 {
        let _ = write!(mail, "word{word}{}", if word % 10 == 9 { "\r\n" } else { " " });
    }
    mail
}

fn each_mode_once(mode: &str) {
    let Some(setup) = Setup::new() else { return };
    setup.create(mode, &[("max.message.bytes", TOPIC_LIMIT)]);
    setup.create(&format!("{mode}.runs"), &[]);
    setup.create("ledger", &[("cleanup.policy", "compact")]);
    let box_folder = setup.dovecot.maildir(USER);
    let small = maildir::seed(&box_folder, 40, Size::About(2_000), 1).len();
    for number in 0..2 {
        maildir::deliver(&box_folder, &format!("17000000{number}.long"), long_reply(number).as_bytes());
    }

    // Without a topic for them: nothing is lost, nothing is deleted, each run says so and what to do.
    let plain = setup.config(mode, "");
    for round in 0..2 {
        let (code, _, stderr) = run(&["poll"], &plain);
        assert_eq!(code, Some(75), "{round}: {stderr}");
        assert!(stderr.contains("set kafka.dead_letters"), "{stderr}");
        assert_eq!(setup.dovecot.count(USER), 2);
    }
    let ids = setup.published(mode, small + 1);
    assert_eq!(ids.len(), small, "every small mail once, although its batch was refused");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), small);

    // With one that is not there: the run does not begin.
    let config = setup.config(mode, ", dead_letters: dead");
    let (code, _, stderr) = run(&["poll"], &config);
    assert_eq!((code, stderr.contains("the topic dead cannot be used")), (Some(69), true), "{stderr}");

    setup.create("dead", &[]);
    for _ in 0..2 {
        let (code, _, stderr) = run(&["poll"], &config);
        assert_eq!(code, Some(0), "{stderr}");
        assert_eq!(setup.dovecot.count(USER), 2, "what exists nowhere else is not deleted");
    }
    let letters = setup.values("dead", 3);
    assert_eq!(letters.len(), 2, "a dead letter each, and only once");
    let schema = published().into_iter().find(|s| s.name == "dead-letter").expect("is published").schema;
    let schema = jsonschema::validator_for(&schema).expect("compiles");
    for letter in &letters {
        let errors: Vec<String> = schema.iter_errors(letter).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let letter: DeadLetter = serde_json::from_value(letter.clone()).expect("is a dead letter");
        let text = serde_json::to_string(&letter.data).expect("serialises");
        assert!(text.contains("\"reason\":\"too_large\"") && text.contains("Re: News"), "{text}");
        assert!(letter.data.events[0].octets > 7_000 && letter.data.size_bytes > 7_000, "{text}");
        assert!(letter.data.uidl.is_some() && letter.data.headers.iter().any(|h| h.name == "from"), "{text}");
        assert!(!text.contains("word1"), "no text of the mail");
    }
    let runs = setup.values(&format!("{mode}.runs"), 9);
    let count = |run: &Value| run.pointer("/data/mailboxes/0/dead_lettered").and_then(Value::as_u64);
    assert_eq!(runs.iter().filter_map(count).collect::<Vec<_>>(), [0, 0, 2, 0]);

    // What they are, and what became of the mails.
    let (code, out, stderr) = run(&["replay", "--dead-letters"], &config);
    assert_eq!((code, out.lines().count()), (Some(0), 2), "{stderr}");
    let folder = box_folder.display().to_string();
    let (_, out, stderr) = run(&["replay", "--dead-letters", &folder], &config);
    assert_eq!(
        out.lines().filter(|line| line.contains("\"kind\":\"reply\"") && line.contains("word1")).count(),
        2,
        "{stderr}"
    );

    // Tried again while nothing has changed: another dead letter with the same id, and the mail stays.
    // Where mails are archived, it says where to find this one.
    let archive = setup.folder.path().join("archive");
    std::fs::create_dir(&archive).expect("creates");
    let archiving = setup.folder.path().join("archiving.yaml");
    let text = std::fs::read_to_string(&config).expect("reads");
    std::fs::write(&archiving, format!("{text}archive: {{location: {}}}\n", archive.display())).expect("writes");
    let (code, _, stderr) = run(&["poll", "--retry-dead-letters"], &archiving);
    assert_eq!((code, setup.dovecot.count(USER)), (Some(0), 2), "{stderr}");
    let letters = setup.values("dead", 5);
    let places: Vec<&str> = letters.iter().filter_map(|l| l.pointer("/data/archive_ref")?.as_str()).collect();
    assert_eq!(places.len(), 2, "{letters:?}");
    assert!(places.iter().all(|place| archive.join(place).is_file()), "{places:?}");
    let ids: BTreeSet<String> = setup.values("dead", 5).iter().map(|l| l["id"].to_string()).collect();
    assert_eq!((setup.values("dead", 5).len(), ids.len()), (4, 2));

    // The topic takes them now.
    setup.enlarge(mode);
    let (code, _, stderr) = run(&["poll"], &config);
    assert_eq!((code, setup.dovecot.count(USER)), (Some(0), 2), "only when it is asked for: {stderr}");
    let (code, _, stderr) = run(&["poll", "--retry-dead-letters"], &config);
    assert_eq!((code, setup.dovecot.count(USER)), (Some(0), 0), "{stderr}");
    assert_eq!(setup.published(mode, small + 3).len(), small + 2);
}

#[test]
fn a_mail_that_its_topic_refuses_leaves_a_dead_letter_at_least_once() {
    each_mode_once("at_least_once");
}

#[test]
fn a_mail_that_its_topic_refuses_leaves_a_dead_letter_exactly_once() {
    each_mode_once("exactly_once");
}

#[test]
fn a_topic_that_refuses_everything_is_not_the_mails_fault() {
    let Some(setup) = Setup::new() else { return };
    setup.create("exactly_once", &[("max.message.bytes", "300")]);
    for (topic, policy) in [("exactly_once.runs", "delete"), ("ledger", "compact"), ("dead", "delete")] {
        setup.create(topic, &[("cleanup.policy", policy)]);
    }
    let mails = maildir::seed(&setup.dovecot.maildir(USER), 25, Size::About(2_000), 1).len();
    let config = setup.config("exactly_once", ", dead_letters: dead");
    let (code, _, stderr) = run(&["poll"], &config);
    assert_eq!(code, Some(69), "{stderr}");
    assert!(stderr.contains("mails in a row are refused ("), "{stderr}");
    assert_eq!(setup.dovecot.count(USER), mails);
    assert!(setup.values("dead", 25).len() < 20, "it stops before long");
    setup.enlarge("exactly_once");
    let (code, _, stderr) = run(&["poll", "--retry-dead-letters"], &config);
    assert_eq!((code, setup.dovecot.count(USER)), (Some(0), 0), "{stderr}");
    assert_eq!(setup.published("exactly_once", mails + 1).len(), mails);
}
