//! `run` every few seconds against Dovecot and a broker of its own, while mail keeps coming: no tick without its run or
//! its count as missed, no run that overlaps another, and metrics, events and summaries that are what was seeded.
//!
//! Twelve seconds long; `REPLY_INGEST_TEST_RUN_SECONDS` sets another length, and the interval is then five seconds.

use crate::harness::dovecot::Dovecot;
use crate::harness::kafka::Kafka;
use crate::harness::mail::Size;
use crate::harness::pop3_server::{self, Pop3Server};
use crate::harness::running::{Running, value};
use crate::harness::{available, create_compacted, create_topics, maildir};
use chrono::{DateTime, Utc};
use reply_ingest::demo::consume;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

const USERS: [&str; 3] = ["a", "b", "c"];
const QUIET: Duration = Duration::from_secs(5);

/// How long it runs, and the interval, in seconds.
fn lengths() -> (u64, i64) {
    match std::env::var("REPLY_INGEST_TEST_RUN_SECONDS").ok().and_then(|n| n.parse().ok()) {
        Some(seconds) => (seconds, 5),
        None => (12, 2),
    }
}

/// Mails by mailbox and kind.
type Counts = BTreeMap<(String, String), usize>;

/// A run as its summary tells it.
#[derive(Debug)]
struct Run {
    started: DateTime<Utc>,
    ended: DateTime<Utc>,
    published: u64,
}

fn runs(kafka: &Kafka) -> Vec<Run> {
    let time = |data: &Value, name: &str| -> DateTime<Utc> {
        data.get(name).and_then(Value::as_str).and_then(|t| t.parse().ok()).expect("a time")
    };
    let records = consume(&kafka.bootstrap(), "t.runs", usize::MAX >> 40, QUIET).expect("consumes");
    let mut runs: Vec<Run> = records
        .iter()
        .map(|record| {
            let event: Value = serde_json::from_slice(&record.value).expect("is JSON");
            let data = event.get("data").expect("data");
            assert_eq!(data.get("exit_code"), Some(&0.into()), "{event}");
            let mailboxes = data.get("mailboxes").and_then(Value::as_array).expect("mailboxes");
            let published = mailboxes.iter().filter_map(|m| m.get("published")?.as_u64()).sum();
            Run { started: time(data, "started_at"), ended: time(data, "ended_at"), published }
        })
        .collect();
    runs.sort_by_key(|run| run.started);
    runs
}

#[test]
fn every_tick_has_its_run_and_the_numbers_are_those_of_the_mails() {
    let (seconds, interval) = lengths();
    let folder = tempfile::tempdir().expect("a folder");
    let Some(dovecot) = available(Dovecot::start(&folder.path().join("d"), &USERS)) else { return };
    let Some(kafka) = available(Kafka::start(&folder.path().join("k"))) else { return };
    create_topics(&kafka, &["t", "t.runs"]);
    create_compacted(&kafka, &["l"]);
    let (config, log) = (folder.path().join("c.yaml"), folder.path().join("log"));
    let mut text = format!(
        "delivery: exactly_once\nkafka:\n  brokers: [\"{}\"]\n  topic: t\n  run_topic: t.runs\nledger:\n  topic: l\n\
         auth:\n  enabled: false\nrun:\n  schedule: \"@every {interval}s\"\nmailboxes:\n",
        kafka.bootstrap(),
    );
    for user in USERS {
        // One keeps its mails: they count as known from pass to pass.
        let retention = if user == "c" { "keep" } else { "delete" };
        let _ = writeln!(
            text,
            "  - {{name: {user}, host: localhost, port: {}, ca_file: {}, username: {user}, password: {}, \
             retention: {retention}}}",
            dovecot.pop3s_port(),
            dovecot.ca_file().display(),
            pop3_server::password(user),
        );
    }
    fs::write(&config, text).expect("writes");

    let mut seeded: Counts = Counts::new();
    let mut octets: BTreeMap<&str, usize> = BTreeMap::new();
    let mut running = Running::start(&config, &log);
    running.wait_for("it gets ready", |r| matches!(r.get("/readyz"), Some((200, _))));
    let at_start = running.metrics();
    for outcome in ["success", "temporary", "credentials", "configuration", "kafka", "fenced", "internal"] {
        let series = format!("reply_ingest_mailbox_passes_total{{mailbox=\"a\",outcome=\"{outcome}\"}}");
        assert!(at_start.contains_key(&series), "an alert would not see its first increase: {series}");
    }
    assert!(at_start.contains_key("reply_ingest_mails_total{mailbox=\"a\",outcome=\"refused\"}"));
    let begun = Instant::now();
    let mut lot = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        // Some come between two runs, some during one.
        lot += 1;
        for (user, count) in USERS.into_iter().zip([7, 40, 3]) {
            for mail in maildir::seed(&dovecot.maildir(user), count, Size::Mixed, lot) {
                *seeded.entry((user.to_owned(), mail.kind.as_str().to_owned())).or_default() += 1;
                *octets.entry(user).or_default() += mail.wire_len;
            }
        }
        assert_eq!(running.get("/livez").map(|(status, _)| status), Some(200));
        assert_eq!(running.get("/readyz").map(|(status, _)| status), Some(200));
        sleep(Duration::from_millis(1_300));
    }
    let of = |user: &str| seeded.iter().filter(|((u, _), _)| u == user).map(|(_, n)| *n).sum::<usize>();
    let total: usize = seeded.values().sum();
    let published = |metrics: &HashMap<String, f64>| {
        let one = |user| value(metrics, &format!("mails_total{{mailbox=\"{user}\",outcome=\"published\"}}"));
        USERS.into_iter().map(one).sum::<f64>()
    };
    running.wait_for("all mails are published", |r| is(published(&r.metrics()), total));

    // A run under way may change numbers between two looks.
    let mut metrics = running.metrics();
    running.wait_for("a moment between two runs", |r| {
        metrics = r.metrics();
        is(value(&metrics, "runs_active"), 0)
    });
    for ((user, kind), count) in &seeded {
        let series = format!("events_total{{mailbox=\"{user}\",kind=\"{kind}\"}}");
        assert!(is(value(&metrics, &series), *count), "{series}: {count} in {metrics:?}");
    }
    for user in USERS {
        let deleted = if user == "c" { 0 } else { of(user) };
        for (series, expected) in [
            (format!("mails_total{{mailbox=\"{user}\",outcome=\"published\"}}"), of(user)),
            (format!("mails_total{{mailbox=\"{user}\",outcome=\"refused\"}}"), 0),
            (format!("mails_fetched_total{{mailbox=\"{user}\"}}"), of(user)),
            (format!("mails_deleted_total{{mailbox=\"{user}\"}}"), deleted),
            (format!("fetched_bytes_total{{mailbox=\"{user}\"}}"), octets.get(user).copied().unwrap_or_default()),
            (format!("mailbox_up{{mailbox=\"{user}\"}}"), 1),
            (format!("mail_age_seconds_count{{mailbox=\"{user}\"}}"), of(user)),
        ] {
            assert!(is(value(&metrics, &series), expected), "{series}: {expected} in {metrics:?}");
        }
    }
    assert!(is(value(&metrics, "kafka_mails_total{outcome=\"published\"}"), total), "{metrics:?}");
    assert!(is(value(&metrics, "run_last_exit_code"), 0), "{metrics:?}");

    running.signal("TERM");
    let status = running.child.wait().expect("ends");
    let log = fs::read_to_string(&log).expect("reads");
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("\"stopped\"") && !log.contains("\"ERROR\"") && !log.contains("panicked"), "{log}");
    assert_eq!((dovecot.count("a"), dovecot.count("b"), dovecot.count("c")), (0, 0, of("c")));

    // The events themselves, and the summaries.
    let mut events = Counts::new();
    for record in consume(&kafka.bootstrap(), "t", total + 1, QUIET).expect("consumes") {
        let event: Value = serde_json::from_slice(&record.value).expect("is JSON");
        let word = |at: &str| event.pointer(at).and_then(Value::as_str).expect("a word").to_owned();
        *events.entry((word("/data/mailbox/id"), word("/data/kind"))).or_default() += 1;
    }
    assert_eq!(events, seeded);
    let runs = runs(&kafka);
    assert_eq!(runs.iter().map(|run| run.published).sum::<u64>(), u64::try_from(total).expect("fits"));
    for pair in runs.windows(2) {
        assert!(pair[1].started >= pair[0].ended, "runs overlap: {pair:?}");
    }
    // The interval's ticks are counted from 1970.
    let ticks: Vec<i64> = runs.iter().map(|run| run.started.timestamp().div_euclid(interval)).collect();
    assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "two runs in one tick: {ticks:?}");
    let (first, last) = (ticks.first().expect("runs"), ticks.last().expect("runs"));
    let span = last - first + 1;
    let without = span - i64::try_from(ticks.len()).expect("fits");
    // Those that passed during the last run are counted as well, if it took that long.
    let after = runs.last().expect("runs").ended.timestamp().div_euclid(interval) + 1 - last;
    let missed = value(&metrics, "runs_missed_total");
    assert!(
        (without..=without + after).any(|n| is(missed, usize::try_from(n).expect("fits"))),
        "{without} ticks without a run and {after} after the last, {missed} counted"
    );
    let late = |run: &Run| run.started.timestamp_millis().rem_euclid(interval * 1_000);
    eprintln!(
        "{} runs in {span} ticks of {interval} s, {total} mails; the latest start was {} ms after its tick, the longest \
         run {} ms",
        runs.len(),
        runs.iter().map(late).max().unwrap_or_default(),
        runs.iter().map(|run| (run.ended - run.started).num_milliseconds()).max().unwrap_or_default(),
    );
}

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn is(value: f64, count: usize) -> bool {
    (value - count as f64).abs() < 0.5
}
