//! Metrics of a `poll` that ends, pushed or left in a file, and of a `run` that begins at once or misses ticks.

use crate::harness::dovecot::Dovecot;
use crate::harness::mail::Size;
use crate::harness::pop3_server::{self, Pop3Server};
use crate::harness::running::{Running, value};
use crate::harness::{available, maildir, program};
use reply_ingest::demo::Broker;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// What a Pushgateway does with a POST: each series of the body takes the place of the group's earlier one of the
/// same name.
#[derive(Clone)]
struct Gateway {
    port: u16,
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl Gateway {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listens");
        let port = listener.local_addr().expect("an address").port();
        let requests: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(request) = answer(stream) {
                    seen.lock().expect("no panic").push(request);
                }
            }
        });
        Self { port, requests }
    }

    /// Path and body of what came since the last look.
    fn taken(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.requests.lock().expect("no panic"))
    }
}

fn answer(mut stream: TcpStream) -> Option<(String, String)> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, number)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = number.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    Some((format!("{method} {path}"), String::from_utf8(body).ok()?))
}

fn samples(text: &str) -> HashMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    lines.map(|(series, value)| (series.to_owned(), value.parse().expect("a number"))).collect()
}

fn is(value: f64, expected: f64) -> bool {
    (value - expected).abs() < 0.5
}

fn config(dovecot: &Dovecot, broker: &Broker, folder: &Path, passwords: [&str; 2]) -> String {
    let mut text = format!(
        "kafka: {{brokers: [\"{}\"], topic: t, run_topic: t.runs}}\nledger: {{file: {}}}\nauth: {{enabled: false}}\n\
         mailboxes:\n",
        broker.bootstrap(),
        folder.join("ledger.redb").display(),
    );
    for (user, password) in ["a", "b"].into_iter().zip(passwords) {
        let _ = writeln!(
            text,
            "  - {{name: {user}, host: localhost, port: {}, ca_file: {}, username: {user}, password: {password}, \
             retention: delete}}",
            dovecot.pop3s_port(),
            dovecot.ca_file().display(),
        );
    }
    text
}

const A_SUCCESS: &str = "reply_ingest_mailbox_last_success_timestamp_seconds{mailbox=\"a\"}";
const B_SUCCESS: &str = "reply_ingest_mailbox_last_success_timestamp_seconds{mailbox=\"b\"}";
const RUN_SUCCESS: &str = "reply_ingest_run_last_success_timestamp_seconds";

#[test]
fn a_poll_leaves_its_metrics_and_a_failed_one_does_not_hide_when_it_last_went_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(dovecot) = available(Dovecot::start(&folder.path().join("d"), &["a", "b"])) else { return };
    let broker = Broker::start(&["t", "t.runs"]).expect("a broker");
    let gateway = Gateway::start();
    let (path, file) = (folder.path().join("c.yaml"), folder.path().join("metrics.prom"));
    let poll = |passwords: [&str; 2]| -> Output {
        fs::write(&path, config(&dovecot, &broker, folder.path(), passwords)).expect("writes");
        let push = format!("http://127.0.0.1:{}", gateway.port);
        let mut command = Command::new(program());
        command.args(["poll", "--metrics-push", &push, "--metrics-file"]).arg(&file).arg("--config").arg(&path);
        command.output().expect("starts")
    };
    let (right_a, right_b) = (pop3_server::password("a"), pop3_server::password("b"));

    let seeded = maildir::seed(&dovecot.maildir("a"), 12, Size::About(3_000), 1);
    let output = poll([&right_a, &right_b]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let first = samples(&fs::read_to_string(&file).expect("is there"));
    let bounces = seeded.iter().filter(|mail| mail.kind.as_str() == "bounce").count();
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    for (series, expected) in [
        ("reply_ingest_mails_total{mailbox=\"a\",outcome=\"published\"}", 12.0),
        ("reply_ingest_mails_deleted_total{mailbox=\"a\"}", 12.0),
        ("reply_ingest_events_total{mailbox=\"a\",kind=\"bounce\"}", bounces as f64),
        ("reply_ingest_mailbox_up{mailbox=\"b\"}", 1.0),
        ("reply_ingest_run_last_exit_code", 0.0),
        ("reply_ingest_runs_total{outcome=\"success\"}", 1.0),
    ] {
        assert!(first.get(series).is_some_and(|v| is(*v, expected)), "{series}: {expected} in {first:?}");
    }
    assert!(first[A_SUCCESS] > 1e9 && first[B_SUCCESS] > 1e9 && first[RUN_SUCCESS] > 1e9, "{first:?}");
    let pushed = gateway.taken();
    let paths: Vec<&str> = pushed.iter().map(|(path, _)| path.as_str()).collect();
    let group = "POST /metrics/job/reply-ingest";
    assert_eq!(paths, [group, group, &format!("{group}/mailbox/a"), &format!("{group}/mailbox/b")]);
    let state = samples(&pushed[0].1);
    assert!(is(state["reply_ingest_mails_total{mailbox=\"a\",outcome=\"published\"}"], 12.0), "{state:?}");
    assert!(!pushed[0].1.contains("last_success"), "the state would overwrite a success: {}", pushed[0].1);
    assert!(samples(&pushed[1].1)[RUN_SUCCESS] > 1e9);

    let output = poll([&right_a, "wrong"]);
    assert_eq!(output.status.code(), Some(77), "{}", String::from_utf8_lossy(&output.stderr));
    let second = samples(&fs::read_to_string(&file).expect("is there"));
    assert!(second[A_SUCCESS] > first[A_SUCCESS], "{second:?}");
    let kept = |series: &str| (second[series] - first[series]).abs() < 1e-6;
    assert!(kept(B_SUCCESS) && kept(RUN_SUCCESS), "{second:?}");
    assert!(is(second["reply_ingest_run_last_exit_code"], 77.0), "{second:?}");
    assert!(is(second["reply_ingest_mailbox_passes_total{mailbox=\"b\",outcome=\"credentials\"}"], 1.0), "{second:?}");
    let pushed = gateway.taken();
    let paths: Vec<&str> = pushed.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, [group, &format!("{group}/mailbox/a")], "neither the run nor mailbox b went well");
}

#[test]
fn metrics_that_do_not_arrive_change_no_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(dovecot) = available(Dovecot::start(&folder.path().join("d"), &["a", "b"])) else { return };
    let broker = Broker::start(&["t", "t.runs"]).expect("a broker");
    let path = folder.path().join("c.yaml");
    let passwords = [&*pop3_server::password("a"), &*pop3_server::password("b")];
    fs::write(&path, config(&dovecot, &broker, folder.path(), passwords)).expect("writes");
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr()).expect("an address");
    let output = Command::new(program())
        .args(["poll", "--metrics-push", &format!("http://user:secret@{nobody}"), "--metrics-file", "/nowhere/x.prom"])
        .arg("--config")
        .arg(&path)
        .output()
        .expect("starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(said.matches("the metrics of this run are lost").count(), 2, "{said}");
    assert!(said.contains("--metrics-file /nowhere/x.prom") && !said.contains("secret"), "{said}");
}

#[test]
fn a_run_begins_at_once_when_it_is_told_to_and_counts_the_ticks_it_misses() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(&["t", "t.runs"]).expect("a broker");
    // A server that takes connections and says nothing: the run lasts until the worker gives up.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listens");
    let (path, log) = (folder.path().join("c.yaml"), folder.path().join("log"));
    let text = |schedule: &str, at_start: bool| {
        format!(
            "kafka: {{brokers: [\"{}\"], topic: t, run_topic: t.runs}}\nledger: {{file: {}}}\nauth: {{enabled: false}}\n\
             limits: {{read_timeout: 3s, connect_timeout: 3s, retries: 0}}\n\
             run: {{schedule: \"{schedule}\", at_start: {at_start}}}\n\
             mailboxes: [{{name: m, host: localhost, port: {}, tls: none, username: u, password: p}}]\n",
            broker.bootstrap(),
            folder.path().join("ledger.redb").display(),
            silent.local_addr().expect("an address").port(),
        )
    };
    // What speaks no POP3 is a matter of settings.
    let failed = |r: &Running| value(&r.metrics(), "mailbox_passes_total{mailbox=\"m\",outcome=\"configuration\"}");

    fs::write(&path, text("@every 1s", false)).expect("writes");
    let running = Running::start(&path, &log);
    running.wait_for("a second run", |r| failed(r) >= 2.0);
    assert!(value(&running.metrics(), "runs_missed_total") >= 1.0, "{:?}", running.metrics());
    assert!(value(&running.metrics(), "runs_active") <= 1.0);
    drop(running);

    // Its next tick is months away, unless this is New Year's night.
    fs::write(&path, text("@yearly", true)).expect("writes");
    let running = Running::start(&path, &log);
    running.wait_for("the run at the start", |r| failed(r) >= 1.0);
    assert!(value(&running.metrics(), "run_next_timestamp_seconds") > 1e9);
}
