//! `run` over Dovecot's mailboxes into a broker in this process: ticks, metrics, SIGHUP and SIGTERM.

use crate::harness::dovecot::Dovecot;
use crate::harness::mail::Size;
use crate::harness::pop3_server::{self, Pop3Server};
use crate::harness::running::{Running, value};
use crate::harness::{available, maildir};
use reply_ingest::demo::Broker;
use std::collections::BTreeMap;
use std::fs;

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn number(count: usize) -> f64 {
    count as f64
}

fn is(value: f64, count: usize) -> bool {
    (value - number(count)).abs() < 0.5
}

#[test]
fn the_schedule_runs_and_the_metrics_are_what_was_seeded() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(dovecot) = available(Dovecot::start(&folder.path().join("d"), &["a", "b"])) else { return };
    let broker = Broker::start(&["t", "t.runs"]).expect("a broker");
    let (config, log) = (folder.path().join("c.yaml"), folder.path().join("log"));
    let mailbox = |user: &str, more: &str| {
        format!(
            "  - name: {user}\n    host: localhost\n    port: {}\n    ca_file: {}\n    username: {user}\n    \
             password: {}\n{more}",
            dovecot.pop3s_port(),
            dovecot.ca_file().display(),
            pop3_server::password(user),
        )
    };
    let text = format!(
        "kafka:\n  brokers: [\"{}\"]\n  topic: t\n  run_topic: t.runs\nledger:\n  file: {}\nauth:\n  enabled: false\n\
         run:\n  schedule: \"@every 1s\"\n  jitter: 300ms\nmailboxes:\n{}{}",
        broker.bootstrap(),
        folder.path().join("ledger.redb").display(),
        mailbox("a", "    retention: delete\n"),
        mailbox("b", "    schedule: \"@every 2s\"\n"),
    );
    fs::write(&config, &text).expect("writes");
    let mut seeded = vec![("a", maildir::seed(&dovecot.maildir("a"), 30, Size::Mixed, 1))];
    seeded.push(("b", maildir::seed(&dovecot.maildir("b"), 20, Size::Mixed, 2)));

    let mut running = Running::start(&config, &log);
    running.wait_for("it gets ready", |r| matches!(r.get("/readyz"), Some((200, _))));
    assert_eq!(running.get("/livez").map(|(status, _)| status), Some(200));
    let published = |mailbox: &str| format!("mails_total{{mailbox=\"{mailbox}\",outcome=\"published\"}}");
    let all_of = |r: &Running, mailbox: &str, count: usize| is(value(&r.metrics(), &published(mailbox)), count);
    running.wait_for("the first mails", |r| all_of(r, "a", 30) && all_of(r, "b", 20));
    // More come while it runs.
    seeded.push(("a", maildir::seed(&dovecot.maildir("a"), 10, Size::Mixed, 3)));
    running.wait_for("the later mails", |r| all_of(r, "a", 40));

    let metrics = running.metrics();
    let mut kinds: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (mailbox, mails) in &seeded {
        for mail in mails {
            *kinds.entry((*mailbox, mail.kind.as_str())).or_default() += 1;
        }
    }
    for ((mailbox, kind), count) in kinds {
        let series = format!("events_total{{mailbox=\"{mailbox}\",kind=\"{kind}\"}}");
        assert!(is(value(&metrics, &series), count), "{series}: {count} in {metrics:?}");
    }
    let octets: usize = seeded.iter().filter(|(m, _)| *m == "a").flat_map(|(_, s)| s).map(|m| m.wire_len).sum();
    for (series, expected) in [
        ("mails_deleted_total{mailbox=\"a\"}", 40),
        ("mails_deleted_total{mailbox=\"b\"}", 0),
        ("mails_fetched_total{mailbox=\"b\"}", 20),
        ("fetched_bytes_total{mailbox=\"a\"}", octets),
        ("mailbox_mails{mailbox=\"b\"}", 20),
        ("mailbox_up{mailbox=\"a\"}", 1),
        ("kafka_mails_total{outcome=\"published\"}", 60),
        ("run_last_exit_code", 0),
        ("runs_total{outcome=\"temporary\"}", 0),
    ] {
        assert!(is(value(&metrics, series), expected), "{series}: {expected} in {metrics:?}");
    }
    assert!(value(&metrics, "mailbox_last_success_timestamp_seconds{mailbox=\"b\"}") > 1e9);
    let (_, exposition) = running.get("/metrics").expect("answers");
    assert!(exposition.ends_with("# EOF\n"), "{exposition}");
    assert!(!exposition.contains('@'), "no address: {exposition}");

    // A wrong file changes nothing, …
    fs::write(&config, text.replace("@every 1s", "61 * * * *")).expect("writes");
    running.signal("HUP");
    running.wait_for("the wrong file is spoken of", |_| {
        fs::read_to_string(&log).unwrap_or_default().contains("the one before stays in force")
    });
    assert!(is(value(&running.metrics(), "config_last_reload_successful"), 0));
    let runs = |r: &Running| value(&r.metrics(), "runs_total{outcome=\"success\"}");
    let before = runs(&running);
    running.wait_for("it goes on", |r| runs(r) >= before + 2.0);
    // … a right one is taken: mailbox b is gone.
    fs::write(&config, text.replace(&mailbox("b", "    schedule: \"@every 2s\"\n"), "")).expect("writes");
    running.signal("HUP");
    running.wait_for("the right file is taken", |r| {
        let metrics = r.metrics();
        !metrics.is_empty() && !metrics.contains_key("reply_ingest_mailbox_up{mailbox=\"b\"}")
    });
    seeded.push(("a", maildir::seed(&dovecot.maildir("a"), 5, Size::Mixed, 4)));
    running.wait_for("mails under the new file", |r| all_of(r, "a", 45));

    running.signal("TERM");
    let status = running.child.wait().expect("ends");
    assert_eq!(status.code(), Some(0), "{}", fs::read_to_string(&log).unwrap_or_default());
    assert_eq!(dovecot.count("a"), 0, "what was published is deleted");
    let log = fs::read_to_string(&log).expect("reads");
    assert!(log.contains("\"run ended\"") && log.contains("\"stopped\""), "{log}");
    assert!(!log.contains(&pop3_server::password("a")), "no password: {log}");
}
