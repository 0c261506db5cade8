//! `check` against a real server: what it says of a mailbox that is right, and of each way to be wrong.

use crate::harness::available;
use crate::harness::dovecot::Dovecot;
use crate::harness::mail::Size;
use crate::harness::maildir;
use crate::harness::pop3_server::{self, Pop3Server};
use crate::harness::shapes::{self, Shape, Shaped};
use reply_ingest::demo::Broker;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const USER: &str = "ana";

/// Runs `check` over one mailbox with these settings.
fn check(folder: &Path, broker: &Broker, mailbox: &str) -> (Option<i32>, String) {
    check_block(folder, broker, &format!("  - {{name: box, username: {USER}, {mailbox}}}\n"))
}

/// The same with the mailbox in lines of its own.
fn check_block(folder: &Path, broker: &Broker, mailbox: &str) -> (Option<i32>, String) {
    let path = folder.join("c.yaml");
    let text = format!(
        "kafka: {{brokers: [\"{}\"], topic: mail}}\nledger: {{file: {}/l.redb}}\nauth: {{enabled: false}}\n\
         limits: {{connect_timeout: 2s}}\nmailboxes:\n{mailbox}",
        broker.bootstrap(),
        folder.display(),
    );
    fs::write(&path, text).expect("writes");
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
        .args(["check", "--config"])
        .arg(&path)
        .output()
        .expect("starts");
    assert!(!folder.join("l.redb").exists(), "no ledger is made");
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(!stderr.contains("error"), "{stderr}");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned())
}

#[test]
fn a_mailbox_that_is_right_and_every_way_to_be_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(dovecot) = available(Dovecot::start(&folder.path().join("d"), &[USER])) else { return };
    maildir::seed(&dovecot.maildir(USER), 7, Size::About(3_000), 1);
    let broker = Broker::start(&["mail"]).expect("a broker");
    let (tls, clear) = (dovecot.pop3s_port(), dovecot.pop3_port());
    let ca = format!("ca_file: {}", dovecot.ca_file().display());
    let password = format!("password: {}", pop3_server::password(USER));
    let table: [(String, i32, &[&str]); 12] = [
        (
            format!("host: localhost, port: {tls}, {ca}, {password}"),
            0,
            &[
                "TLS 1.3",
                "valid until",
                "SCRAM-SHA-256",
                "PIPELINING",
                "mails          7",
                "topic          mail, ",
                "everything",
            ],
        ),
        (
            format!("host: localhost, port: {clear}, tls: starttls, {ca}, {password}"),
            0,
            &["after STLS", "mails          7"],
        ),
        (
            format!("host: localhost, port: {tls}, tls_min: \"1.3\", login: plain, {ca}, {password}"),
            0,
            &["TLS 1.3", "PLAIN"],
        ),
        (
            format!("host: 127.0.0.1, port: {clear}, tls: none, {ca}, {password}"),
            0,
            &["everything can be read on the way", "set `tls: starttls`"],
        ),
        (format!("host: localhost, port: {tls}, tls: none, {password}"), 78, &["remove the line `tls:`"]),
        (format!("host: localhost, port: {clear}, {ca}, {password}"), 78, &["`tls: starttls` on port 110"]),
        (format!("host: localhost, port: {tls}, {password}"), 78, &["it was issued by `CN=", "set `ca_file`"]),
        (
            format!("host: localhost, port: {tls}, {ca}, password: wrong"),
            77,
            &["SCRAM-SHA-256 was refused", "login: plain"],
        ),
        (
            format!("host: localhost, port: {tls}, {ca}, login: plain, password: wrong"),
            77,
            &["check username and password"],
        ),
        (
            format!("host: localhost, port: {tls}, {ca}, oauth: {{command: [echo, t]}}"),
            78,
            &["announces no login that takes"],
        ),
        (
            format!("host: localhost, port: {tls}, ca_file: /nowhere.pem, {password}"),
            78,
            &["/nowhere.pem", "cannot be read"],
        ),
        ("host: localhost, port: 1, password: x".to_owned(), 75, &["cannot connect", "firewall"]),
    ];
    for (mailbox, code, words) in table {
        let (status, out) = check(folder.path(), &broker, &mailbox);
        assert_eq!(status, Some(code), "{mailbox}: {out}");
        for word in words {
            assert!(out.contains(word), "{word:?} for {mailbox}: {out}");
        }
        assert_eq!(code == 0, !out.contains("problem"), "{out}");
    }
    assert_eq!(dovecot.count(USER), 7, "nothing is deleted");
}

#[test]
fn a_topic_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(dovecot) = available(Dovecot::start(&folder.path().join("d"), &[USER])) else { return };
    let broker = Broker::start(&["another"]).expect("a broker");
    let mailbox = format!(
        "host: localhost, port: {}, ca_file: {}, password: {}",
        dovecot.pop3s_port(),
        dovecot.ca_file().display(),
        pop3_server::password(USER)
    );
    for _ in 0..2 {
        let (status, out) = check(folder.path(), &broker, &mailbox);
        assert_eq!(status, Some(69), "{out}");
        assert!(out.contains("the topic mail cannot be used"), "{out}");
    }
}

/// Mails of unrelated senders, as the mail server in front of this one handed them on.
fn handed_on(number: usize) -> Vec<u8> {
    let domain = format!("customer-{number}.example");
    format!(
        "Return-Path: <ana@{domain}>\n\
         Received: from mx.campaigns.example (mx.campaigns.example [10.1.0.5])\n\tby store.campaigns.example (Postfix) with ESMTP id {number}A;\n\t\
         Mon, 16 Nov 2026 09:12:34 +0000 (UTC)\n\
         Received: from out.{domain} (out.{domain} [203.0.{number}.7])\n\tby mx.campaigns.example (Postfix) with ESMTPS id {number}B;\n\t\
         Mon, 16 Nov 2026 09:12:33 +0000 (UTC)\n\
         From: Ana <ana@{domain}>\nTo: replies@campaigns.example\nSubject: Re: Offer\n\nYes.\n"
    )
    .into_bytes()
}

#[test]
fn trust_settings_are_proposed_and_then_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(dovecot) = available(Dovecot::start(&folder.path().join("d"), &[USER])) else { return };
    let mails: Vec<Shaped> = (1..=9).map(|number| Shaped { shape: Shape::Usual, stored: handed_on(number) }).collect();
    shapes::seed(&dovecot.maildir(USER), &mails);
    let broker = Broker::start(&["mail"]).expect("a broker");
    let mailbox = format!(
        "host: localhost, port: {}, ca_file: {}, password: {}",
        dovecot.pop3s_port(),
        dovecot.ca_file().display(),
        pop3_server::password(USER)
    );
    let (code, text) = check(folder.path(), &broker, &mailbox);
    assert_eq!(code, Some(0), "{text}");
    let proposed: Vec<&str> = text.lines().skip_while(|l| l.trim() != "trust:").take_while(|l| !l.is_empty()).collect();
    assert!(text.contains("SPF is not checked") && proposed.len() > 4, "{text}");

    // As it stands there, pasted into the configuration.
    let lines = format!("name: box, username: {USER}, {mailbox}").replace(", ", "\n    ");
    let (code, text) = check_block(folder.path(), &broker, &format!("  - {lines}\n{}\n", proposed.join("\n")));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("the SMTP client of 9 of the newest 9 mails is known"), "{text}");
    assert!(!text.contains("trust:"), "{text}");

    let (code, text) = check(folder.path(), &broker, &format!("{mailbox}, trust: {{by: [mx.other.example]}}"));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("of 0 of the newest 9 mails is known; 9: a line that ought to be ours"), "{text}");
    assert!(text.contains("trust:"), "what fits is proposed: {text}");
    assert_eq!(dovecot.count(USER), 9);
}
