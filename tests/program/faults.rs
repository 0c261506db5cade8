//! Servers that misbehave: nothing lost, nothing published twice, nothing deleted that was not
//! published, and the right exit code.

use crate::scripted::{Fault, Server};
use reply_ingest::demo::{Broker, consume};
use serde_json::Value;
use std::fs;
use std::net::UdpSocket;
use std::process::{Command, Output};
use std::time::Duration;

const TOPIC: &str = "mail";

struct Bench {
    folder: tempfile::TempDir,
    broker: Broker,
    server: Server,
}

impl Bench {
    fn new(mails: &[Vec<u8>]) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            broker: Broker::start(&[TOPIC, "runs"]).expect("a broker"),
            server: Server::start(mails),
        }
    }

    fn poll(&self, settings: &str) -> Output {
        self.poll_as("right", settings)
    }

    fn poll_as(&self, password: &str, settings: &str) -> Output {
        self.run(password, "read_timeout: 2s", settings)
    }

    /// With a further limit.
    fn poll_with(&self, limit: &str, settings: &str) -> Output {
        let timeout = if limit.contains("read_timeout") { "" } else { ", read_timeout: 2s" };
        self.run("right", &format!("{limit}{timeout}"), settings)
    }

    fn run(&self, password: &str, limit: &str, settings: &str) -> Output {
        self.run_with(password, limit, "false", settings)
    }

    fn run_with(&self, password: &str, limit: &str, auth: &str, settings: &str) -> Output {
        let path = self.folder.path().join("c.yaml");
        let text = format!(
            "kafka: {{brokers: [\"{}\"], topic: {TOPIC}, run_topic: runs}}\nledger: {{file: {}/l.redb}}\nauth: {{enabled: {auth}}}\n\
             limits: {{connect_timeout: 2s, {limit}}}\n\
             mailboxes:\n  - name: box\n    host: 127.0.0.1\n    port: {}\n    tls: none\n    username: ana\n    password: {password}\n{settings}",
            self.broker.bootstrap(),
            self.folder.path().display(),
            self.server.port(),
        );
        fs::write(&path, text).expect("writes");
        Command::new(env!("CARGO_BIN_EXE_reply-ingest")).args(["poll", "--config"]).arg(&path).output().expect("starts")
    }

    /// Every event so far: waits a moment longer than it takes for `count`.
    fn events(&self, count: usize) -> Vec<Value> {
        consume(&self.broker.bootstrap(), TOPIC, count + 1, Duration::from_secs(2))
            .expect("consumes")
            .iter()
            .map(|c| serde_json::from_slice(&c.value).expect("JSON"))
            .collect()
    }
}

fn mail(number: usize) -> Vec<u8> {
    format!(
        "From: Ana <ana{number}@customer.example>\r\nTo: replies@campaigns.example\r\nSubject: Re: Offer {number}\r\nMessage-ID: <m{number}@customer.example>\r\nIn-Reply-To: <x@campaigns.example>\r\n\r\nYes please, number {number}.\r\n"
    )
    .into_bytes()
}

fn mails(count: usize) -> Vec<Vec<u8>> {
    (1..=count).map(mail).collect()
}

fn check(output: &Output, code: i32, words: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(words), "{words:?} in {stderr}");
    assert!(!stderr.contains("customer.example"), "no address in a log: {stderr}");
}

const DELETE: &str = "    retention: delete\n";
const KEEP: &str = "    retention: keep\n";

#[test]
fn clear_text_is_warned_about() {
    let bench = Bench::new(&mails(1));
    check(&bench.poll(DELETE), 0, "clear text");
    assert_eq!((bench.events(1).len(), bench.server.count()), (1, 0));
}

#[test]
fn a_wrong_password_is_credentials() {
    let bench = Bench::new(&mails(1));
    check(&bench.poll_as("hunter2", DELETE), 77, "check username and password");
    assert!(!String::from_utf8_lossy(&bench.poll_as("hunter2", DELETE).stderr).contains("hunter2"));
    assert_eq!(bench.server.count(), 1);
}

#[test]
fn a_cut_in_mid_retr_is_never_a_mail() {
    let bench = Bench::new(&mails(5));
    bench.server.set(Fault::CutInRetr(3));
    // Three sessions break on the mail, the last of them asking for one at a time; the fourth leaves it alone.
    check(&bench.poll(DELETE), 75, "closed the connection");
    assert_eq!(bench.events(4).len(), 4, "what was whole is published");
    assert_eq!(bench.server.count(), 1, "only the mail that was never whole is left");
    bench.server.set(Fault::None);
    check(&bench.poll(DELETE), 0, "pass ended");
    let events = bench.events(5);
    assert_eq!(events.len(), 5, "each mail once");
    assert_eq!(bench.server.count(), 0);
}

#[test]
fn without_uidl_the_digest_tells() {
    let bench = Bench::new(&mails(4));
    bench.server.set(Fault::NoUidl);
    for _ in 0..2 {
        check(&bench.poll(KEEP), 0, "pass ended");
        assert_eq!((bench.events(4).len(), bench.server.count()), (4, 4));
    }
    check(&bench.poll(DELETE), 0, "pass ended");
    assert_eq!((bench.events(4).len(), bench.server.count()), (4, 0));
}

#[test]
fn one_id_for_all_mails_loses_none() {
    let bench = Bench::new(&mails(4));
    bench.server.set(Fault::SameUidl);
    for _ in 0..2 {
        check(&bench.poll(KEEP), 0, "pass ended");
        assert_eq!(bench.events(4).len(), 4);
    }
}

#[test]
fn one_mail_that_cannot_be_read_leaves_the_others_alone() {
    let bench = Bench::new(&mails(5));
    bench.server.set(Fault::RefuseRetr(2));
    check(&bench.poll(DELETE), 75, "refused a mail");
    assert_eq!((bench.events(4).len(), bench.server.count()), (4, 1));
    bench.server.set(Fault::None);
    check(&bench.poll(DELETE), 0, "pass ended");
    assert_eq!((bench.events(5).len(), bench.server.count()), (5, 0));
}

#[test]
fn octets_that_nobody_asked_for_end_the_session_without_quit() {
    let bench = Bench::new(&mails(2));
    bench.server.set(Fault::GarbageAfterLast);
    check(&bench.poll_with("retries: 0", DELETE), 75, "nobody asked for");
    assert_eq!((bench.server.count(), bench.server.quits()), (2, 0), "no QUIT, no delete");
    // Tried again, the mail with the octets behind it is left alone, and the other one is done.
    check(&bench.poll(DELETE), 75, "nobody asked for");
    assert_eq!((bench.server.count(), bench.server.quits()), (1, 1));
    bench.server.set(Fault::None);
    check(&bench.poll(DELETE), 0, "pass ended");
    assert_eq!((bench.events(2).len(), bench.server.count()), (2, 0));
}

#[test]
fn a_quit_without_an_answer_is_settled_by_the_next_pass() {
    for fault in [Fault::SilentQuit, Fault::RefuseQuit] {
        let bench = Bench::new(&mails(3));
        bench.server.set(fault);
        check(&bench.poll(DELETE), 0, "the next run");
        bench.server.set(Fault::None);
        check(&bench.poll(DELETE), 0, "pass ended");
        assert_eq!((bench.events(3).len(), bench.server.count()), (3, 0), "{fault:?}");
    }
}

#[test]
fn servers_that_say_nothing_or_something_else() {
    let bench = Bench::new(&mails(1));
    bench.server.set(Fault::Mute);
    check(&bench.poll(DELETE), 78, "sends no greeting");
    bench.server.set(Fault::WrongProtocol);
    check(&bench.poll(DELETE), 78, "does not greet as a POP3 server");
    assert_eq!(bench.server.count(), 1);
}

#[test]
fn a_mailbox_is_taken_in_several_sessions_and_ends() {
    for fault in [Fault::None, Fault::NoUidl] {
        let bench = Bench::new(&mails(7));
        bench.server.set(fault);
        check(&bench.poll_with("session_mails: 3", KEEP), 0, "pass ended");
        assert_eq!((bench.events(7).len(), bench.server.count()), (7, 7));
        check(&bench.poll_with("session_mails: 3", DELETE), 0, "pass ended");
        assert_eq!((bench.events(7).len(), bench.server.count()), (7, 0));
    }
}

/// A mail that our own server took on this day.
fn delivered(number: usize, day: u32) -> Vec<u8> {
    let line = format!(
        "Return-Path: <ana{number}@customer.example>\r\nReceived: from mx.customer.example (mx.customer.example [192.0.2.10]) by mx.campaigns.example with ESMTPS id 1; Mon, {day} Nov 2026 09:12:33 +0000\r\n"
    );
    [line.as_bytes(), &mail(number)].concat()
}

#[test]
fn start_since_takes_that_day_and_later() {
    let bench = Bench::new(&[delivered(1, 9), delivered(2, 15), delivered(3, 16), delivered(4, 17)]);
    let settings = "    retention: delete\n    start: {since: 2026-11-16}\n";
    for _ in 0..2 {
        check(&bench.poll(settings), 0, "pass ended");
        assert_eq!((bench.events(2).len(), bench.server.count()), (2, 2), "what is older is left alone");
    }
}

#[test]
fn delete_after_keeps_for_that_long() {
    let bench = Bench::new(&mails(2));
    for (settings, left) in [
        ("    retention: {delete_after: 14d}\n", 2),
        ("    retention: {delete_after: 1h}\n", 2),
        ("    retention: {delete_after: 1ms}\n", 0),
    ] {
        check(&bench.poll(settings), 0, "pass ended");
        assert_eq!((bench.events(2).len(), bench.server.count()), (2, left), "{settings}");
    }
}

#[test]
fn a_name_server_that_never_answers_costs_the_verdicts_and_nothing_else() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let bench = Bench::new(&(1..=30).map(|n| delivered(n, 16)).collect::<Vec<_>>());
    let settings = "    retention: delete\n    trust: {by: [mx.campaigns.example]}\n";
    let dns = format!("dns: {{servers: [\"127.0.0.1:{port}\"], timeout: 300ms, mail_budget: 1s}}\n");
    check(&bench.run_with("right", "read_timeout: 2s", "true", &format!("{settings}{dns}")), 0, "pass ended");
    let events = bench.events(30);
    assert_eq!((events.len(), bench.server.count()), (30, 0));
    for event in events {
        assert_eq!(event.pointer("/data/auth/spf/result").and_then(Value::as_str), Some("temperror"));
        assert_eq!(event.pointer("/data/kind").and_then(Value::as_str), Some("reply"));
    }
}

#[test]
fn an_id_that_is_used_again_is_another_mail() {
    for settings in [DELETE, KEEP] {
        let bench = Bench::new(&[mail(1)]);
        check(&bench.poll(settings), 0, "pass ended");
        bench.server.replace(&[[mail(2), b"longer\r\n".to_vec()].concat()]);
        check(&bench.poll(settings), 0, "pass ended");
        assert_eq!(bench.events(2).len(), 2, "{settings}");
    }
}

#[test]
fn a_reused_id_of_the_same_size_is_not_deleted_unread() {
    // QUIT commits without an answer, so the ledger still holds the id when it comes again.
    let bench = Bench::new(&[mail(1)]);
    bench.server.set(Fault::SilentQuit);
    check(&bench.poll(DELETE), 0, "the next run");
    bench.server.set(Fault::None);
    bench.server.replace(&[mail(2)]);
    check(&bench.poll(DELETE), 0, "pass ended");
    assert_eq!((bench.events(2).len(), bench.server.count()), (2, 0));
}

#[test]
fn one_wrong_answer_is_no_reason_to_publish_again() {
    let start = "    retention: delete\n    start: now\n";
    for (fault, code) in [(Fault::RefuseUidl, 75), (Fault::EmptyList, 0)] {
        let bench = Bench::new(&mails(3));
        check(&bench.poll(start), 0, "pass ended");
        bench.server.set(fault);
        check(&bench.poll(start), code, "pass ended");
        bench.server.set(Fault::None);
        check(&bench.poll(start), 0, "pass ended");
        assert_eq!((bench.events(0).len(), bench.server.count()), (0, 3), "{fault:?}");
    }
}

#[test]
fn what_was_before_the_start_is_never_deleted() {
    for start in ["start: now", "start: {since: 2026-11-16}"] {
        let bench = Bench::new(&[delivered(1, 9), delivered(2, 9)]);
        bench.server.set(Fault::NoUidl);
        check(&bench.poll(&format!("    retention: delete\n    {start}\n")), 0, "pass ended");
        check(&bench.poll(DELETE), 0, "pass ended");
        assert_eq!((bench.events(0).len(), bench.server.count()), (0, 2), "{start}");
    }
}

#[test]
fn more_behind_a_size_is_still_a_size() {
    let bench = Bench::new(&mails(2));
    bench.server.set(Fault::ListExtra);
    check(&bench.poll(DELETE), 0, "pass ended");
    assert_eq!((bench.events(2).len(), bench.server.count()), (2, 0));
}

#[test]
fn a_dot_that_was_not_stuffed_is_never_a_short_mail() {
    let dotted = [b".\r\n".to_vec(), mail(1)].concat();
    let bench = Bench::new(&[dotted]);
    bench.server.set(Fault::UnstuffedDot);
    for _ in 0..2 {
        check(&bench.poll(DELETE), 75, "nobody asked for");
        assert_eq!((bench.events(0).len(), bench.server.count()), (0, 1));
    }
}

#[test]
fn refused_mails_do_not_starve_the_others() {
    let bench = Bench::new(&mails(5));
    bench.server.set(Fault::RefuseRetr(1));
    check(&bench.poll_with("session_mails: 1", DELETE), 75, "refused a mail");
    assert_eq!((bench.events(4).len(), bench.server.count()), (4, 1));
}

#[test]
fn a_server_that_repeats_the_password_does_not_bring_it_into_a_log() {
    let bench = Bench::new(&mails(1));
    bench.server.set(Fault::EchoPassword);
    let output = bench.poll_as("hunter2", DELETE);
    check(&output, 77, "not allowed: PASS [redacted]");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"));
}

#[test]
fn a_server_that_sends_an_octet_now_and_then_is_left() {
    let bench = Bench::new(&mails(1));
    bench.server.set(Fault::SlowLoris);
    check(
        &bench.poll_with("read_timeout: 1500ms, command_timeout: 3s, retries: 1", DELETE),
        75,
        "did not answer in time",
    );
    assert_eq!(bench.server.count(), 1);
}

#[test]
fn identical_mails_are_one_mail() {
    let bench = Bench::new(&[mail(1), mail(2), mail(1)]);
    check(&bench.poll(DELETE), 0, "pass ended");
    assert_eq!((bench.events(2).len(), bench.server.count()), (2, 0));
}

#[test]
fn start_now_leaves_what_is_there_alone() {
    let bench = Bench::new(&mails(3));
    let settings = "    retention: delete\n    start: now\n";
    for _ in 0..2 {
        check(&bench.poll(settings), 0, "pass ended");
        assert_eq!((bench.events(0).len(), bench.server.count()), (0, 3));
    }
}

#[test]
fn start_now_takes_what_comes_after_an_empty_first_pass() {
    let bench = Bench::new(&[]);
    let settings = "    retention: delete\n    start: now\n";
    check(&bench.poll(settings), 0, "pass ended");
    bench.server.deliver(mail(1));
    check(&bench.poll(settings), 0, "pass ended");
    assert_eq!((bench.events(1).len(), bench.server.count()), (1, 0));
}

#[test]
fn a_dry_run_changes_nothing() {
    let bench = Bench::new(&mails(3));
    bench.poll_as("wrong", DELETE);
    let path = bench.folder.path().join("c.yaml");
    let text = fs::read_to_string(&path).expect("reads").replace("password: wrong", "password: right");
    fs::write(&path, text).expect("writes");
    let output = Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
        .args(["poll", "--dry-run", "--config"])
        .arg(&path)
        .output()
        .expect("starts");
    check(&output, 0, "pass ended");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 3);
    assert_eq!((bench.events(0).len(), bench.server.count()), (0, 3));
    check(&bench.poll(DELETE), 0, "pass ended");
    assert_eq!(bench.events(3).len(), 3, "nothing was remembered either");
}

#[test]
fn what_is_no_mail_and_what_is_too_large_are_published_as_unclassified() {
    let huge = [mail(1), b"x".repeat(998).into_iter().chain(*b"\r\n").collect::<Vec<u8>>().repeat(40_000)].concat();
    let bench = Bench::new(&[b"\0\x01\x02 no mail\r\n".to_vec(), Vec::new(), huge.clone(), mail(4)]);
    check(&bench.poll(DELETE), 0, "pass ended");
    let mut reasons: Vec<(String, u64)> = bench
        .events(4)
        .iter()
        .map(|e| {
            let reason = e.pointer("/data/unclassified/reason").and_then(Value::as_str).unwrap_or("none");
            (reason.to_owned(), e.pointer("/data/message/size_bytes").and_then(Value::as_u64).unwrap_or(0))
        })
        .collect();
    reasons.sort();
    let sizes = huge.len() as u64;
    let expected = [("empty", 0), ("none", mail(4).len() as u64), ("parse_error", 13), ("too_large", sizes)];
    assert_eq!(reasons, expected.map(|(r, s)| (r.to_owned(), s)));
    assert_eq!(bench.server.count(), 0);
}
