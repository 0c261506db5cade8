//! Every mail of ours in every mode of privacy: the event is what the schema says, and in the strict modes no address
//! stands anywhere, neither in events nor in logs nor in metrics.
//!
//! The mails are those of the demo and of `tests/golden`, and those of the folder that `REPLY_INGEST_MAILS` names.

mod named;

use crate::scripted::{PASSWORD, Server};
use aho_corasick::AhoCorasick;
use chrono::Utc;
use named::{Named, forms, named};
use regex::Regex;
use reply_ingest::classify::Rules;
use reply_ingest::config::Config;
use reply_ingest::demo::{self, Broker, DnsServer, Samples};
use reply_ingest::event::privacy::{Key, Policy};
use reply_ingest::event::{AddressMode, TextMode, schema::published};
use reply_ingest::message::RawMail;
use reply_ingest::message::to_crlf;
use reply_ingest::pipeline::{Line, LineSettings, Place};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// A mail, where it comes from and whom it names.
struct Subject {
    file: String,
    /// Looked at in every mode. Of the thousands under `tests/golden` the extremes tell enough.
    in_every_mode: bool,
    mail: Vec<u8>,
    named: Named,
}

impl Subject {
    fn new(file: String, mail: Vec<u8>, in_every_mode: bool) -> Self {
        Self { named: named(&mail), file, mail, in_every_mode }
    }

    /// The address of this mail that stands in `text`.
    fn named_in(&self, text: &str) -> Option<&String> {
        let forms = forms(text);
        // Nearly every text: nothing in it is like an address.
        if !forms.iter().any(|form| form.contains(['@', '='])) {
            return None;
        }
        self.named.addresses.iter().find(|address| forms.iter().any(|form| form.contains(address.as_str())))
    }
}

/// The mails below a folder.
fn mails(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            out.extend(mails(&path));
        } else if path.extension().is_some_and(|e| e == "eml") {
            out.push(path);
        }
    }
    out.sort();
    out
}

/// All mails that are ours, and those that the environment names.
fn subjects(samples: &Samples) -> Vec<Subject> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let more = std::env::var_os("REPLY_INGEST_MAILS").map(PathBuf::from);
    let read = |folder: &Path, in_every_mode: bool| {
        let read = |path: PathBuf| (path.display().to_string(), fs::read(&path).expect("is readable"), in_every_mode);
        mails(folder).into_iter().map(read).collect::<Vec<_>>()
    };
    let samples = samples.list.iter().map(|s| (s.file.clone(), s.mail.clone(), true));
    let more = more.iter().flat_map(|folder| read(folder, true));
    let all = samples.chain(read(&golden, false)).chain(more);
    all.map(|(file, mail, in_every_mode)| Subject::new(file, mail, in_every_mode)).collect()
}

fn configuration() -> Config {
    demo::configuration(Path::new("/tmp"), 1, 1, "localhost:1").expect("is right")
}

fn line(samples: &Samples, config: &Config) -> Line {
    let rules = Arc::new(Rules::embedded().expect("rules"));
    let settings = LineSettings::new(config, "run".to_owned(), false);
    Line::new(settings, rules, Arc::new(samples.zone.clone())).expect("a line")
}

/// All texts of an event with their places, but for Message-IDs.
fn texts<'v>(value: &'v Value, at: &str, out: &mut Vec<(String, &'v str)>) {
    match value {
        Value::String(text) => out.push((at.to_owned(), text)),
        Value::Array(list) => list.iter().for_each(|v| texts(v, at, out)),
        Value::Object(map) => {
            for (key, value) in map {
                out.push((at.to_owned(), key));
                texts(value, &format!("{at}/{key}"), out);
            }
        }
        _ => {}
    }
}

/// Only addresses are left out, and everything is.
const EXTREMES: [(AddressMode, TextMode); 2] =
    [(AddressMode::Hmac, TextMode::Full), (AddressMode::Omit, TextMode::Omit)];

/// What is like an address, whether the mail has it or not.
static LIKE_AN_ADDRESS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[\p{L}\p{N}]@[\p{L}\p{N}]").expect("compiles"));

const IDS: [&str; 3] = ["/data/message/message_id", "/data/message/in_reply_to", "/data/original/message_id"];

/// What an event in a strict mode says of somebody.
fn leaks(subject: &Subject, event: &Value) -> Vec<String> {
    let mut all = Vec::new();
    texts(event, "", &mut all);
    let mut out = Vec::new();
    for (at, text) in all {
        if let Some(address) = subject.named_in(text) {
            out.push(format!("{}: {at}: {text:?} has {address}", subject.file));
        }
        if LIKE_AN_ADDRESS.is_match(text)
            && !(IDS.contains(&at.as_str()) && subject.named.ids.contains(&text.to_lowercase()))
        {
            out.push(format!("{}: {at}: {text:?}", subject.file));
        }
    }
    out
}

#[test]
fn every_mail_is_valid_in_every_mode_and_names_nobody_in_the_strict_ones() {
    let samples = Samples::make().expect("samples");
    let config = configuration();
    let line = line(&samples, &config);
    let schema = published().into_iter().find(|s| s.name == "event").expect("is published").schema;
    let validator = jsonschema::validator_for(&schema).expect("compiles");
    let mailbox = config.mailboxes.first().expect("is configured");
    let subjects = subjects(&samples);
    let modes: Vec<(AddressMode, TextMode)> = [AddressMode::Clear, AddressMode::Hmac, AddressMode::Omit]
        .into_iter()
        .flat_map(|a| [TextMode::Omit, TextMode::Excerpt, TextMode::Full].map(|t| (a, t)))
        .collect();
    let check = |subjects: &[Subject]| -> (Vec<String>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (mut wrong, mut named) = (Vec::new(), 0);
        for subject in subjects {
            let raw = RawMail::new(subject.mail.clone());
            for (addresses, text) in modes.iter().copied() {
                if !subject.in_every_mode && !EXTREMES.contains(&(addresses, text)) {
                    continue;
                }
                let key = Some(Key::new("k1".to_owned(), b"a key of enough octets"));
                let privacy = Policy { addresses, text, key, retain: Some(chrono::TimeDelta::days(30)) };
                let place = Place { privacy, ..Place::of(mailbox, &config) };
                let judged = runtime.block_on(line.judge(&raw, &place, Some("u"), None, Utc::now()));
                assert!(!judged.events.is_empty(), "{}", subject.file);
                for event in judged.events {
                    let value = serde_json::to_value(&event).expect("serialises");
                    let errors = validator.iter_errors(&value).map(|e| format!("{e} at {}", e.instance_path()));
                    wrong.extend(errors.map(|e| format!("{} {addresses:?} {text:?}: {e}", subject.file)));
                    let found = leaks(subject, &value);
                    if addresses == AddressMode::Clear {
                        named += usize::from(!found.is_empty());
                    } else {
                        wrong.extend(found.into_iter().map(|leak| format!("{addresses:?} {text:?} {leak}")));
                    }
                }
            }
        }
        (wrong, named)
    };
    let half = subjects.split_at(subjects.len() / 2);
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| check(half.0));
        let two = scope.spawn(|| check(half.1));
        (one.join().expect("ends"), two.join().expect("ends"))
    });
    let wrong: Vec<String> = one.0.into_iter().chain(two.0).collect();
    assert!(wrong.is_empty(), "{} leaks or mistakes, the first: {:#?}", wrong.len(), &wrong[..wrong.len().min(60)]);
    // The test can see: in clear most events name somebody.
    let (named, clear) = (one.1 + two.1, 3 * subjects.iter().filter(|s| s.in_every_mode).count());
    assert!(named > clear * 2 / 3, "{named} of {clear}");
}

#[test]
fn nobody_is_named_in_what_leaves_the_program() {
    let samples = Samples::make().expect("samples");
    // Each mail takes a question and an answer to the mailbox: of the many under `tests/golden` some are enough here.
    let every_mail = subjects(&samples).into_iter().enumerate();
    let subjects: Vec<Subject> = every_mail.filter(|(at, s)| s.in_every_mode || at % 50 == 0).map(|(_, s)| s).collect();
    // As they come over POP3.
    let mails: Vec<Vec<u8>> = subjects.iter().map(|s| to_crlf(&s.mail).into_owned()).collect();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let dns = runtime.block_on(DnsServer::start(samples.zone.clone())).expect("a name server");
    let broker = Broker::start(&[demo::TOPIC, demo::RUN_TOPIC]).expect("a broker");
    let server = Server::start(&mails);
    let folder = tempfile::tempdir().expect("a folder");
    let head = demo::configuration_file(folder.path(), 1, dns.port(), &broker.bootstrap());
    let head = head
        .split("\nmailboxes:")
        .next()
        .unwrap_or_default()
        .replace("addresses: clear\n  text: full", "hash_key: 0123456789abcdef");
    let mailbox = |name: &str, addresses: &str| {
        format!(
            "  - {{name: {name}, host: 127.0.0.1, port: {}, tls: none, username: r, password: {PASSWORD}, \
             trust: {{by: [mx.campaigns.example]}}, privacy: {{addresses: {addresses}, hash_key: 0123456789abcdef}}}}\n",
            server.port()
        )
    };
    let file = folder.path().join("c.yaml");
    let text = format!("{head}\nmailboxes:\n{}{}", mailbox("hashed", "hmac"), mailbox("without", "omit"));
    fs::write(&file, text).expect("writes");
    let metrics = folder.path().join("metrics.prom");
    let output = Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
        .args(["--log", "trace", "--log-format", "json", "poll", "--config"])
        .arg(&file)
        .arg("--metrics-file")
        .arg(&metrics)
        .output()
        .expect("starts");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}", log.lines().last().unwrap_or_default());
    assert!(log.contains("TRACE"), "the log is not at its most talkative");
    let metrics = fs::read_to_string(&metrics).expect("metrics");
    let records = demo::consume(&broker.bootstrap(), demo::TOPIC, 100_000, Duration::from_secs(10)).expect("reads");
    assert!(records.len() > subjects.len(), "{} records", records.len());
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for record in &records {
        seen.insert(record.key.clone());
        seen.extend(record.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    }
    seen.extend(
        log.lines().chain(metrics.lines()).chain([&*String::from_utf8_lossy(&output.stdout)]).map(str::to_owned),
    );
    let everybody: BTreeSet<&String> = subjects.iter().flat_map(|s| &s.named.addresses).collect();
    let everybody = AhoCorasick::new(everybody).expect("compiles");
    let wrong: Vec<&String> =
        seen.iter().filter(|line| forms(line).iter().any(|form| everybody.is_match(form))).collect();
    assert!(wrong.is_empty(), "{} lines, the first: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}
