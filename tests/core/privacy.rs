//! What the settings of privacy make of subjects and of tokens.

use chrono::{TimeZone, Utc};
use reply_ingest::auth::dns::Zone;
use reply_ingest::classify::Rules;
use reply_ingest::config;
use reply_ingest::event::Event;
use reply_ingest::explain::explain;
use reply_ingest::message::RawMail;
use reply_ingest::pipeline::{Line, LineSettings, Place};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

const KEY: &str = "0123456789abcdef";

fn judge(privacy: &str, mail: &str) -> Vec<Event> {
    look(privacy, mail).0
}

/// The events of a mail with these settings of privacy, and what `--explain=json` says.
fn look(privacy: &str, mail: &str) -> (Vec<Event>, String) {
    let token = "b+{campaign}.{recipient}.{sig}";
    let text = format!(
        "kafka: {{brokers: [\"k:9092\"]}}\nauth: {{enabled: false}}\nprivacy: {{{privacy}, hash_key: {KEY}}}\n\
         event: {{original_headers: [X-Send, Return-Path]}}\n\
         mailboxes:\n- {{name: a, host: h, username: u, password: p, trust: {{by: [mx.r.example]}}}}\ncorrelators:\n\
         - {{id: t, address: '{token}@r.example', verify: {{keys: [{{id: k, key: {KEY}}}]}}}}\n\
         - {{id: m, in: [thread], pattern: '<{token}@m.example>', verify: {{keys: [{{id: k, key: {KEY}}}]}}}}\n\
         - {{id: h, in: ['original:X-Token'], pattern: '{token}', verify: {{keys: [{{id: k, key: {KEY}}}]}}}}\n"
    );
    let config = config::parse(&text, Path::new("c.yaml"), &HashMap::new()).expect("is right");
    let settings = LineSettings::new(&config, "run".to_owned(), false);
    let line = Line::new(settings, Arc::new(Rules::embedded().expect("rules")), Arc::new(Zone::new())).expect("a line");
    let place = Place::of(&config.mailboxes[0], &config);
    let now = Utc.with_ymd_and_hms(2026, 11, 22, 8, 0, 0).single().expect("a time");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let raw = RawMail::new(mail.into());
    let judged = runtime.block_on(line.judge(&raw, &place, None, None, now));
    let explanation = serde_json::to_string(&explain(&line, &place, "a file", &raw, &judged)).expect("serialises");
    (judged.events, explanation)
}

/// A bounce for Ana, whose subjects name her.
fn bounce(of: &str, diagnostic: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example.net\nTo: u@r.example\nSubject: Undelivered: ana.lopez@example.org\n\
         MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\nContent-Type: text/plain\n\nNot delivered.\n\n\
         --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n\
         Final-Recipient: rfc822; ana.lopez@example.org\nAction: failed\nStatus: 5.1.1\n\
         Diagnostic-Code: smtp; 550 5.1.1 {diagnostic}\n\n\
         --b\nContent-Type: message/rfc822\n\n{of}\
         From: news@m.example\nTo: ana.lopez@example.org\nSubject: Ana.Lopez, your offer\n\nHello.\n\n--b--\n"
    )
}

#[test]
fn subjects() {
    let mail = bounce("", "User unknown");
    let shown = |privacy: &str| {
        let mut events = judge(privacy, &mail);
        assert_eq!(events.len(), 1);
        let event = serde_json::to_value(events.remove(0)).expect("serialises");
        let text = |pointer: &str| event.pointer(pointer).and_then(|v| v.as_str()).map(str::to_owned);
        let mode = text("/data/privacy/subject").expect("is said");
        [text("/data/message/subject"), text("/data/original/subject"), Some(mode)]
    };
    let clear = [Some("Undelivered: ana.lopez@example.org"), Some("Ana.Lopez, your offer")];
    let scrubbed = [Some("Undelivered: [address]"), Some("[address], your offer")];
    for (privacy, [subject, original], mode) in [
        ("addresses: clear", clear, "keep"),
        ("addresses: clear, text: full", clear, "keep"),
        ("addresses: clear, subject: keep", clear, "keep"),
        ("addresses: clear, subject: scrub", scrubbed, "scrub"),
        ("addresses: clear, text: full, subject: omit", [None, None], "omit"),
        ("addresses: hmac", scrubbed, "scrub"),
        ("addresses: hmac, text: full", scrubbed, "scrub"),
        ("addresses: hmac, subject: scrub", scrubbed, "scrub"),
        ("addresses: hmac, subject: omit", [None, None], "omit"),
        ("addresses: omit", scrubbed, "scrub"),
        ("addresses: omit, subject: omit", [None, None], "omit"),
    ] {
        assert_eq!(shown(privacy), [subject, original, Some(mode)].map(|t| t.map(str::to_owned)), "{privacy}");
    }
    // What is withheld of the subject is withheld there alone.
    let event = judge("addresses: clear, subject: scrub", &mail).remove(0);
    let recipient = event.data.recipient.and_then(|r| r.address);
    assert_eq!(recipient.as_deref(), Some("ana.lopez@example.org"));
}

/// Whoever has a token can write in a person's name: it is no less than an address.
#[test]
fn no_token_in_the_strict_modes() {
    const SIGNATURE: &str = "vtmirc3xgigjv3vx";
    let token = format!("b+c1.p7.{SIGNATURE}");
    let in_address = format!("Return-Path: <{token}@r.example>\n");
    let in_id = format!("Message-ID: <{token}@m.example>\n");
    let in_header = format!("X-Token: {token}\n");
    let in_another = format!("X-Send: {token}\n");
    let reply = |header: &str| {
        format!(
            "From: ana@example.org\nTo: u@r.example\n{header}Subject: Re: x\n\nYes, please. Write to {token}@r.example\n"
        )
    };
    let mails = [
        ("return path", bounce(&in_address, "User unknown")),
        ("Message-ID", bounce(&in_id, "User unknown")),
        ("header", bounce(&in_header, "User unknown")),
        ("another header", bounce(&in_another, "User unknown")),
        ("diagnostic", bounce("", &format!("<{token}@r.example>: refused"))),
        ("diagnostic, without its domain", bounce("", &format!("{token}... User unknown"))),
        ("Delivered-To", reply(&format!("Delivered-To: {token}@r.example\n"))),
        ("In-Reply-To", reply(&format!("In-Reply-To: <{token}@m.example>\n"))),
        ("References", reply(&format!("References: <{token}@m.example>\n"))),
        ("subject", reply(&format!("Delivered-To: {token}@r.example\n")).replace("Re: x", &format!("Re: {token}"))),
    ];
    for (place, mail) in &mails {
        for privacy in ["addresses: hmac, text: full", "addresses: omit, text: full"] {
            for event in judge(privacy, mail) {
                let json = serde_json::to_string(&event).expect("serialises");
                assert!(!json.contains(SIGNATURE), "{place}, {privacy}: {json}");
            }
        }
    }
}

#[test]
fn an_explanation_says_what_may_be_published() {
    let received = "Received: from ana@example.org (unknown [192.0.2.7])\n by mx.r.example with SMTP; Sat, 21 Nov 2026 08:00:00 +0000\n";
    let mail = format!(
        "{received}From: Ana <ana@example.org>\nTo: u@r.example\nSubject: Out of office: ana\n\nI am out of the office.\n"
    );
    for (privacy, address, words) in [
        ("addresses: clear, text: full", true, true),
        ("addresses: clear, text: full, subject: scrub", true, false),
        ("addresses: clear, text: full, subject: omit", true, false),
        ("addresses: clear, text: omit", true, false),
        ("addresses: hmac, text: full", false, false),
        ("addresses: omit, text: omit", false, false),
    ] {
        let (_, told) = look(privacy, &mail);
        assert_eq!(told.contains("ana@example.org"), address, "{privacy}: {told}");
        assert_eq!(told.contains("Out of office: ana"), words, "{privacy}: {told}");
        assert!(told.contains("192.0.2.7"), "the way back is told: {told}");
    }
}
