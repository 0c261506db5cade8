//! Mailboxes, one fault at a time, over several runs: what one run leaves behind is what the next one finds.

use super::bench::{Bench, DELETE, KEEP, Setting};
use super::{mail, mails};
use crate::scripted::{GREETING, Rule, on};
use serde_json::Value;
use std::net::UdpSocket;

/// No UIDL command, and no CAPA that would say so.
fn no_uidl() -> Vec<Rule> {
    vec![on("CAPA").refuse("unknown command"), on("UIDL").refuse("unknown command")]
}

#[test]
fn clear_text_is_warned_about() {
    let bench = Bench::new(&mails(1));
    bench.poll(DELETE).check(0, "clear text");
    assert_eq!((bench.events().len(), bench.server.count()), (1, 0));
}

#[test]
fn a_wrong_password_is_credentials() {
    let bench = Bench::new(&mails(1));
    bench.poll_as("hunter2", DELETE).check(77, "check username and password");
    assert_eq!(bench.server.count(), 1);
}

#[test]
fn a_cut_in_mid_retr_is_never_a_mail() {
    let bench = Bench::new(&mails(5));
    bench.server.set([on("RETR 3").half().end()]);
    // Three sessions break on the mail, the last of them asking for one at a time; the fourth leaves it alone.
    bench.poll(DELETE).check(75, "closed the connection");
    assert_eq!(bench.events().len(), 4, "what was whole is published");
    assert_eq!(bench.server.count(), 1, "only the mail that was never whole is left");
    bench.server.set([]);
    bench.poll(DELETE).check(0, "pass ended");
    let events = bench.events();
    assert_eq!(events.len(), 5, "each mail once");
    assert_eq!(bench.server.count(), 0);
}

#[test]
fn without_uidl_the_digest_tells() {
    let bench = Bench::new(&mails(4));
    bench.server.set(no_uidl());
    for _ in 0..2 {
        bench.poll(KEEP).check(0, "pass ended");
        assert_eq!((bench.events().len(), bench.server.count()), (4, 4));
    }
    bench.poll(DELETE).check(0, "pass ended");
    assert_eq!((bench.events().len(), bench.server.count()), (4, 0));
}

#[test]
fn one_id_for_all_mails_loses_none() {
    let bench = Bench::new(&mails(4));
    bench.server.set([on("UIDL").say("+OK\r\n1   id-7\r\n2   id-7\r\n3   id-7\r\n4   id-7\r\n.\r\n")]);
    for _ in 0..2 {
        bench.poll(KEEP).check(0, "pass ended");
        assert_eq!(bench.events().len(), 4);
    }
}

#[test]
fn one_mail_that_cannot_be_read_leaves_the_others_alone() {
    let bench = Bench::new(&mails(5));
    bench.server.set([on("RETR 2").refuse("[SYS/TEMP] cannot read it")]);
    bench.poll(DELETE).check(75, "refused a mail");
    assert_eq!((bench.events().len(), bench.server.count()), (4, 1));
    bench.server.set([]);
    bench.poll(DELETE).check(0, "pass ended");
    assert_eq!((bench.events().len(), bench.server.count()), (5, 0));
}

#[test]
fn octets_that_nobody_asked_for_end_the_session_without_quit() {
    let bench = Bench::new(&mails(2));
    bench.server.set([on("RETR 2").behind(b"+OK injected\r\n")]);
    bench.poll_with("retries: 0", DELETE).check(75, "nobody asked for");
    assert_eq!((bench.server.count(), bench.server.quits()), (2, 0), "no QUIT, no delete");
    // Tried again, the mail with the octets behind it is left alone, and the other one is done.
    bench.poll(DELETE).check(75, "nobody asked for");
    assert_eq!(bench.server.count(), 1);
    bench.server.set([]);
    bench.poll(DELETE).check(0, "pass ended");
    assert_eq!((bench.events().len(), bench.server.count()), (2, 0));
}

#[test]
fn a_quit_without_an_answer_is_settled_by_the_next_pass() {
    for quit in [on("QUIT").say("").end(), on("QUIT").refuse("some messages were not removed")] {
        let bench = Bench::new(&mails(3));
        bench.server.set([quit]);
        bench.poll(DELETE).check(0, "the next run");
        bench.server.set([]);
        bench.poll(DELETE).check(0, "pass ended");
        assert_eq!((bench.events().len(), bench.server.count()), (3, 0));
    }
}

#[test]
fn servers_that_say_nothing_or_something_else() {
    let bench = Bench::new(&mails(1));
    bench.server.set([on(GREETING).say("").hold()]);
    bench.poll(DELETE).check(78, "sends no greeting");
    bench.server.set([on(GREETING).say("220 mail.example ESMTP\r\n").end()]);
    bench.poll(DELETE).check(78, "does not greet as a POP3 server");
    assert_eq!(bench.server.count(), 1);
}

#[test]
fn a_mailbox_is_taken_in_several_sessions_and_ends() {
    for fault in [vec![], no_uidl()] {
        let bench = Bench::new(&mails(7));
        bench.server.set(fault);
        bench.poll_with("session_mails: 3", KEEP).check(0, "pass ended");
        assert_eq!((bench.events().len(), bench.server.count()), (7, 7));
        bench.poll_with("session_mails: 3", DELETE).check(0, "pass ended");
        assert_eq!((bench.events().len(), bench.server.count()), (7, 0));
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
        bench.poll(settings).check(0, "pass ended");
        assert_eq!((bench.events().len(), bench.server.count()), (2, 2), "what is older is left alone");
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
        bench.poll(settings).check(0, "pass ended");
        assert_eq!((bench.events().len(), bench.server.count()), (2, left), "{settings}");
    }
}

#[test]
fn a_name_server_that_never_answers_costs_the_verdicts_and_nothing_else() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let bench = Bench::new(&(1..=30).map(|n| delivered(n, 16)).collect::<Vec<_>>());
    let settings = "    retention: delete\n    trust: {by: [mx.campaigns.example]}\n";
    let dns = format!("dns: {{servers: [\"127.0.0.1:{port}\"], timeout: 300ms, mail_budget: 1s}}\n");
    bench.run(Setting { auth: true, ..Setting::default() }, &format!("{settings}{dns}")).check(0, "pass ended");
    let events = bench.events();
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
        bench.poll(settings).check(0, "pass ended");
        bench.server.replace(&[[mail(2), b"longer\r\n".to_vec()].concat()]);
        bench.poll(settings).check(0, "pass ended");
        assert_eq!(bench.events().len(), 2, "{settings}");
    }
}

#[test]
fn a_reused_id_of_the_same_size_is_not_deleted_unread() {
    // QUIT commits without an answer, so the ledger still holds the id when it comes again.
    let bench = Bench::new(&[mail(1)]);
    bench.server.set([on("QUIT").say("").end()]);
    bench.poll(DELETE).check(0, "the next run");
    bench.server.set([]);
    bench.server.replace(&[mail(2)]);
    bench.poll(DELETE).check(0, "pass ended");
    assert_eq!((bench.events().len(), bench.server.count()), (2, 0));
}

#[test]
fn one_wrong_answer_is_no_reason_to_publish_again() {
    let start = "    retention: delete\n    start: now\n";
    let empty = ["LIST", "UIDL"].map(|command| on(command).say("+OK\r\n.\r\n"));
    for (fault, code) in [(vec![on("UIDL").refuse("[SYS/TEMP] index broken")], 75), (empty.to_vec(), 0)] {
        let bench = Bench::new(&mails(3));
        bench.poll(start).check(0, "pass ended");
        bench.server.set(fault);
        bench.poll(start).check(code, "pass ended");
        bench.server.set([]);
        bench.poll(start).check(0, "pass ended");
        assert_eq!((bench.events().len(), bench.server.count()), (0, 3));
    }
}

#[test]
fn what_was_before_the_start_is_never_deleted() {
    for start in ["start: now", "start: {since: 2026-11-16}"] {
        let bench = Bench::new(&[delivered(1, 9), delivered(2, 9)]);
        bench.server.set(no_uidl());
        bench.poll(&format!("    retention: delete\n    {start}\n")).check(0, "pass ended");
        bench.poll(DELETE).check(0, "pass ended");
        assert_eq!((bench.events().len(), bench.server.count()), (0, 2), "{start}");
    }
}

#[test]
fn more_behind_a_size_is_still_a_size() {
    let bench = Bench::new(&mails(2));
    bench.server.set([on("LIST").edit(|_, usual| {
        String::from_utf8_lossy(&usual).replace("\r\n", " new\r\n").replace(". new", ".").into_bytes()
    })]);
    bench.poll(DELETE).check(0, "pass ended");
    assert_eq!((bench.events().len(), bench.server.count()), (2, 0));
}

#[test]
fn a_dot_that_was_not_stuffed_is_never_a_short_mail() {
    let dotted = [b".\r\n".to_vec(), mail(1)].concat();
    let bench = Bench::new(&[dotted]);
    bench
        .server
        .set([on("RETR").edit(|_, usual| String::from_utf8_lossy(&usual).replacen("..\r\n", ".\r\n", 1).into_bytes())]);
    for _ in 0..2 {
        bench.poll(DELETE).check(75, "nobody asked for");
        assert_eq!((bench.events().len(), bench.server.count()), (0, 1));
    }
}

#[test]
fn refused_mails_do_not_starve_the_others() {
    let bench = Bench::new(&mails(5));
    bench.server.set([on("RETR 1").refuse("[SYS/TEMP] cannot read it")]);
    bench.poll_with("session_mails: 1", DELETE).check(75, "refused a mail");
    assert_eq!((bench.events().len(), bench.server.count()), (4, 1));
}

#[test]
fn a_server_that_repeats_the_password_does_not_bring_it_into_a_log() {
    let bench = Bench::new(&mails(1));
    bench.server.set([on("PASS").edit(|line, _| format!("-ERR not allowed: {line}\r\n").into_bytes())]);
    bench.poll_as("hunter2", DELETE).check(77, "not allowed: PASS [redacted]");
}

#[test]
fn identical_mails_are_one_mail() {
    let bench = Bench::new(&[mail(1), mail(2), mail(1)]);
    bench.poll(DELETE).check(0, "pass ended");
    assert_eq!((bench.events().len(), bench.server.count()), (2, 0));
}

#[test]
fn start_now_leaves_what_is_there_alone() {
    let bench = Bench::new(&mails(3));
    let settings = "    retention: delete\n    start: now\n";
    for _ in 0..2 {
        bench.poll(settings).check(0, "pass ended");
        assert_eq!((bench.events().len(), bench.server.count()), (0, 3));
    }
}

#[test]
fn start_now_takes_what_comes_after_an_empty_first_pass() {
    let bench = Bench::new(&[]);
    let settings = "    retention: delete\n    start: now\n";
    bench.poll(settings).check(0, "pass ended");
    bench.server.deliver(mail(1));
    bench.poll(settings).check(0, "pass ended");
    assert_eq!((bench.events().len(), bench.server.count()), (1, 0));
}

#[test]
fn a_dry_run_changes_nothing() {
    let bench = Bench::new(&mails(3));
    let output = bench.run(Setting { dry_run: true, ..Setting::default() }, DELETE);
    output.check(0, "pass ended");
    assert_eq!(output.stdout.lines().count(), 3);
    assert_eq!((bench.events().len(), bench.server.count()), (0, 3));
    bench.poll(DELETE).check(0, "pass ended");
    assert_eq!(bench.events().len(), 3, "nothing was remembered either");
}

#[test]
fn what_is_no_mail_and_what_is_too_large_are_published_as_unclassified() {
    let huge = [mail(1), b"x".repeat(998).into_iter().chain(*b"\r\n").collect::<Vec<u8>>().repeat(40_000)].concat();
    let bench = Bench::new(&[b"\0\x01\x02 no mail\r\n".to_vec(), Vec::new(), huge.clone(), mail(4)]);
    bench.poll(DELETE).check(0, "pass ended");
    let mut reasons: Vec<(String, u64)> = bench
        .events()
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
