//! Every mail of ours in every mode of privacy: the event is what the schema says, and in the strict modes no address
//! and no token stands anywhere, neither in events nor in what `replay --explain` says nor in logs nor in metrics.
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
use reply_ingest::event::{AddressMode, Event, SubjectMode, TextMode, schema::published};
use reply_ingest::explain::text::Paint;
use reply_ingest::explain::{self, Explanation};
use reply_ingest::message::RawMail;
use reply_ingest::message::to_crlf;
use reply_ingest::pipeline::{Line, LineSettings, Place};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// A mail, where it comes from and whom it names.
struct Subject {
    file: String,
    /// Of the demo, or of the folder that was named: taken through a mailbox as well.
    over_pop3: bool,
    mail: Vec<u8>,
    named: Named,
}

impl Subject {
    fn new(file: String, mail: Vec<u8>, over_pop3: bool) -> Self {
        Self { named: named(&mail), file, mail, over_pop3 }
    }

    /// The address or token of this mail that stands in `text`.
    fn named_in(&self, text: &str) -> Option<&String> {
        let forms = forms(text);
        if let Some(token) = self.named.tokens.iter().find(|token| forms.iter().any(|f| f.contains(token.as_str()))) {
            return Some(token);
        }
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
    let read = |folder: &Path, over_pop3: bool| {
        let read = |path: PathBuf| (path.display().to_string(), fs::read(&path).expect("is readable"), over_pop3);
        mails(folder).into_iter().map(read).collect::<Vec<_>>()
    };
    let samples = samples.list.iter().map(|s| (s.file.clone(), s.mail.clone(), true));
    let more = more.iter().flat_map(|folder| read(folder, true));
    let all = samples.chain(read(&golden, false)).chain(more);
    all.map(|(file, mail, over_pop3)| Subject::new(file, mail, over_pop3)).collect()
}

fn configuration() -> Config {
    demo::configuration(Path::new("/tmp"), 1, 1, "localhost:1").expect("is right")
}

fn line(samples: &Samples, config: &Config) -> Line {
    let rules = Arc::new(Rules::embedded().expect("rules"));
    // As for explanations.
    let settings = LineSettings { keep_answers: true, ..LineSettings::new(config, "run".to_owned(), false) };
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

/// Every setting of addresses and texts, and those of subjects where they make a difference.
fn policies() -> Vec<Policy> {
    use AddressMode::{Clear, Hmac, Omit};
    let modes = [Clear, Hmac, Omit].into_iter().flat_map(|a| {
        let subjects = match a {
            Clear => vec![None, Some(SubjectMode::Scrub), Some(SubjectMode::Omit)],
            Hmac | Omit => vec![None, Some(SubjectMode::Omit)],
        };
        let texts = [TextMode::Omit, TextMode::Excerpt, TextMode::Full];
        texts.into_iter().flat_map(move |t| {
            // Texts and subjects know nothing of each other.
            let subjects = if t == TextMode::Full { subjects.clone() } else { vec![None] };
            subjects.into_iter().map(move |s| (a, t, s))
        })
    });
    let key = || Some(Key::new("k1".to_owned(), b"a key of enough octets"));
    let retain = Some(chrono::TimeDelta::days(30));
    modes.map(|(addresses, text, subject)| Policy { addresses, text, subject, key: key(), retain }).collect()
}

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

/// What the mails of one thread showed.
#[derive(Default)]
struct Shown {
    wrong: Vec<String>,
    events: usize,
    /// Of the events in clear.
    in_clear: usize,
    naming: usize,
}

/// What an explanation in a strict mode says of somebody, for programs and for people.
fn told(subject: &Subject, explanation: &Explanation) -> Vec<String> {
    let mut out = leaks(subject, &serde_json::to_value(explanation).expect("serialises"));
    let mut text = Vec::new();
    explain::text::write(&mut text, explanation, Paint { on: false, width: None }).expect("writes");
    let text = String::from_utf8(text).expect("is text");
    let tells = |line: &&str| subject.named_in(line).is_some() || LIKE_AN_ADDRESS.is_match(line);
    out.extend(text.lines().filter(tells).map(|line| format!("{}: {line:?}", subject.file)));
    out
}

/// One mail in every mode.
fn show(subject: &Subject, line: &Line, place: &Place, validator: &jsonschema::Validator, shown: &mut Shown) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (raw, now) = (RawMail::new(subject.mail.clone()), Utc::now());
    let judge = |privacy: &Policy| {
        let place = Place { privacy: privacy.clone(), ..place.clone() };
        (runtime.block_on(line.judge(&raw, &place, Some("u"), None, now)), place)
    };
    let (judged, _) = judge(&Policy::open());
    assert!(!judged.events.is_empty(), "{}", subject.file);
    for policy in policies() {
        let mode = format!("{policy:?}");
        let events: Vec<Event> = judged.events.iter().map(|e| line.event(e.data.clone(), &policy)).collect();
        for event in &events {
            let value = serde_json::to_value(event).expect("serialises");
            let errors = validator.iter_errors(&value).map(|e| format!("{e} at {}", e.instance_path()));
            shown.wrong.extend(errors.map(|e| format!("{} {mode}: {e}", subject.file)));
            let subjects = [&event.data.message.subject, &event.data.original.clone().unwrap_or_default().subject]
                .map(|s| s.clone().unwrap_or_default());
            let subject_names =
                || subjects.iter().any(|s| subject.named_in(s).is_some() || LIKE_AN_ADDRESS.is_match(s));
            let found = leaks(subject, &value);
            match (policy.addresses, policy.subject()) {
                (_, SubjectMode::Omit) if subjects.iter().any(|s| !s.is_empty()) => {
                    shown.wrong.push(format!("{} {mode}: {subjects:?}", subject.file));
                }
                (_, SubjectMode::Scrub) if subject_names() => {
                    shown.wrong.push(format!("{} {mode}: {subjects:?}", subject.file));
                }
                _ => {}
            }
            shown.events += 1;
            if policy.addresses == AddressMode::Clear {
                shown.in_clear += 1;
                shown.naming += usize::from(!found.is_empty());
            } else {
                shown.wrong.extend(found.into_iter().map(|leak| format!("{mode} {leak}")));
            }
        }
        let default = policy.subject.is_none();
        // Judging in a mode gives the same event; the demo's mails are enough to see that.
        if subject.over_pop3 && default {
            let (mut direct, place) = judge(&policy);
            let without_time = |events: &mut Vec<Event>| {
                // Counted from when the mail came, which an event in clear does not tell any more.
                for event in &mut *events {
                    event.data.privacy.retain_until = None;
                }
                serde_json::to_value(&*events).expect("serialises")
            };
            if policy.addresses != AddressMode::Clear {
                let explanation = explain::explain(line, &place, "u", &raw, &direct);
                shown
                    .wrong
                    .extend(told(subject, &explanation).into_iter().map(|leak| format!("explain {mode} {leak}")));
            }
            assert_eq!(without_time(&mut direct.events), without_time(&mut events.clone()), "{} {mode}", subject.file);
        }
    }
}

#[test]
fn every_mail_is_valid_in_every_mode_and_names_nobody_in_the_strict_ones() {
    let samples = Samples::make().expect("samples");
    let config = configuration();
    let line = line(&samples, &config);
    let schema = published().into_iter().find(|s| s.name == "event").expect("is published").schema;
    let validator = jsonschema::validator_for(&schema).expect("compiles");
    let place = Place::of(config.mailboxes.first().expect("is configured"), &config);
    let subjects = subjects(&samples);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut shown = Shown::default();
        while let Some(subject) = subjects.get(next.fetch_add(1, Ordering::Relaxed)) {
            show(subject, &line, &place, &validator, &mut shown);
        }
        shown
    };
    let all: Vec<Shown> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("ends")).collect()
    });
    let count = |of: fn(&Shown) -> usize| all.iter().map(of).sum::<usize>();
    let (events, in_clear, naming) = (count(|s| s.events), count(|s| s.in_clear), count(|s| s.naming));
    println!(
        "{} mails, {} settings, {events} events; {naming} of {in_clear} in clear name somebody",
        subjects.len(),
        policies().len()
    );
    let wrong: Vec<&String> = all.iter().flat_map(|s| &s.wrong).collect();
    assert!(wrong.is_empty(), "{} leaks or mistakes, the first: {:#?}", wrong.len(), &wrong[..wrong.len().min(60)]);
    // The test can see: in clear most events name somebody.
    assert!(naming > in_clear * 2 / 3, "{naming} of {in_clear}");
}

#[test]
fn nobody_is_named_in_what_leaves_the_program() {
    let samples = Samples::make().expect("samples");
    // Each mail takes a question and an answer to the mailbox: of the many under `tests/golden` some are enough here.
    let every_mail = subjects(&samples).into_iter().enumerate();
    let subjects: Vec<Subject> = every_mail.filter(|(at, s)| s.over_pop3 || at % 50 == 0).map(|(_, s)| s).collect();
    // As they come over POP3: a mail in a file may end within a line.
    let over_pop3 = |subject: &Subject| {
        let mut mail = to_crlf(&subject.mail).into_owned();
        if !mail.ends_with(b"\r\n") {
            mail.extend_from_slice(b"\r\n");
        }
        mail
    };
    let mails: Vec<Vec<u8>> = subjects.iter().map(over_pop3).collect();
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
        .args(["--log", "trace,librdkafka=trace,rdkafka=trace", "--log-format", "json", "poll", "--config"])
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
