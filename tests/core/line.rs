//! Raw octets in, events out: what holds for every mail.

use chrono::{DateTime, TimeZone, Utc};
use reply_ingest::auth::dns::{Code, Record, RecordType, Zone};
use reply_ingest::classify::Rules;
use reply_ingest::config::Trust;
use reply_ingest::event::privacy::{Key, Policy};
use reply_ingest::event::{AddressMode, AuthWord, Event, Kind, TextMode, TimeSource, UnclassifiedReason, Verdict};
use reply_ingest::message::{Digest, RawMail};
use reply_ingest::pipeline::{Line, LineSettings, Place};
use serde_json::Value;
use std::sync::Arc;

const REPLY: &str = "Return-Path: <ana@customer.example>\n\
Received: from mx.customer.example (mx.customer.example [192.0.2.10])\n\tby mx.campaigns.example (Postfix) with ESMTPS id 4ABC\n\tfor <replies@campaigns.example>; Mon, 16 Nov 2026 09:12:33 +0000 (UTC)\n\
From: Ana Example <ana@customer.example>\n\
To: <replies@campaigns.example>\n\
Subject: Re: Your offer\n\
Date: Mon, 16 Nov 2026 09:12:30 +0000\n\
Message-ID: <1234567890.42@customer.example>\n\
In-Reply-To: <spring26.s1042@mailer.campaigns.example>\n\
\n\
Thank you, please call me at ana@customer.example next week about the offer.\n\
\n\
On Mon, 16 Nov 2026 at 08:00, News <news@campaigns.example> wrote:\n\
> Our offer\n";

fn zone() -> Zone {
    let mut zone = Zone::new();
    zone.add("customer.example", Record::Txt(b"v=spf1 ip4:192.0.2.10 -all".to_vec()));
    zone.add("_dmarc.customer.example", Record::Txt(b"v=DMARC1; p=reject".to_vec()));
    zone
}

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 8, 0, 0).single().expect("a time")
}

fn place(privacy: Policy) -> Place {
    Place {
        mailbox: "replies".to_owned(),
        role: None,
        trust: Trust { by: vec!["mx.campaigns.example".to_owned()], ..Trust::default() },
        privacy,
    }
}

fn judge_with(raw: &RawMail, privacy: Policy, zone: Zone) -> Vec<Event> {
    let mut settings = LineSettings::plain("run".to_owned());
    settings.correlators = serde_json::from_value(serde_json::json!([
        {"id": "thread", "in": ["header:In-Reply-To"], "pattern": "<{campaign}.{send}@mailer.campaigns.example>"}
    ]))
    .expect("correlators");
    let rules = Arc::new(Rules::embedded().expect("rules"));
    let line = Line::new(settings, rules, Arc::new(zone)).expect("a line");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(line.judge(raw, &place(privacy), Some("uidl-1"), None, now())).events
}

fn judge(mail: &[u8]) -> Vec<Event> {
    judge_with(&RawMail::new(mail.to_vec()), Policy::open(), zone())
}

fn only(mut events: Vec<Event>) -> Event {
    assert_eq!(events.len(), 1, "one event");
    events.pop().expect("is there")
}

/// An event as JSON, for other tests.
pub fn an_event() -> Value {
    serde_json::to_value(only(judge(REPLY.as_bytes()))).expect("serialises")
}

#[test]
fn a_reply_becomes_one_whole_event() {
    let event = only(judge(REPLY.as_bytes()));
    let data = &event.data;
    assert_eq!(data.verdict.kind(), Kind::Reply);
    assert_eq!(event.event_type, "org.reply-ingest.reply.v1");
    assert_eq!(event.id, data.dedupe_key);
    assert_eq!(event.source, "/mailboxes/replies");
    assert_eq!(event.subject.as_deref(), Some("campaign/spring26"));
    assert_eq!(data.occurred_at.to_rfc3339(), "2026-11-16T09:12:33+00:00");
    assert_eq!(data.occurred_at_source, TimeSource::Received);
    let auth = data.auth.as_ref().expect("was checked");
    assert_eq!(auth.spf.as_ref().map(|r| (r.result, r.aligned)), Some((AuthWord::Pass, Some(true))));
    assert_eq!(auth.dmarc.as_ref().map(|r| r.result), Some(AuthWord::Pass));
    assert_eq!(data.recipient.as_ref().and_then(|r| r.address.as_deref()), Some("ana@customer.example"));
    let content = data.content.as_ref().expect("has words");
    assert_eq!(
        content.text.as_deref(),
        Some("Thank you, please call me at ana@customer.example next week about the offer.")
    );
    assert_eq!(content.language.as_deref(), Some("en"));
}

#[test]
fn line_ends_change_only_digest_size_and_id() {
    let crlf = REPLY.replace('\n', "\r\n");
    let cr = REPLY.replace('\n', "\r");
    let strip = |bytes: &[u8]| {
        let mut event = serde_json::to_value(only(judge(bytes))).expect("serialises");
        {
            let gone = "id";
            event.as_object_mut().map(|o| o.remove(gone));
        }
        event["data"].as_object_mut().map(|o| o.remove("dedupe_key"));
        event["data"]["message"].as_object_mut().map(|o| (o.remove("digest_sha256"), o.remove("size_bytes")));
        event
    };
    let expected = strip(crlf.as_bytes());
    assert_eq!(strip(REPLY.as_bytes()), expected);
    assert_eq!(strip(cr.as_bytes()), expected);
}

#[test]
fn the_same_mail_gives_the_same_event() {
    let one = serde_json::to_string(&judge(REPLY.as_bytes())).expect("serialises");
    judge(b"Subject: another\n\nmail\n");
    assert_eq!(serde_json::to_string(&judge(REPLY.as_bytes())).expect("serialises"), one);
}

#[test]
fn what_is_no_mail_is_published_as_unclassified() {
    let reason = |event: &Event| match &event.data.verdict {
        Verdict::Unclassified { unclassified } => Some(unclassified.reason),
        _ => None,
    };
    let nul = vec![0_u8; 5_000];
    let noise: Vec<u8> = (0..5_000_u32).map(|i| u8::try_from((i * 7919 + i / 3) % 256).unwrap_or(0)).collect();
    let table: [(&[u8], UnclassifiedReason); 6] = [
        (b"", UnclassifiedReason::Empty),
        (b"\r\n\r\n", UnclassifiedReason::Empty),
        (&nul, UnclassifiedReason::ParseError),
        (&noise, UnclassifiedReason::ParseError),
        (b"this is no mail\r\nat all\r\n", UnclassifiedReason::ParseError),
        (b"From: a@b.example\r\n\r\n", UnclassifiedReason::Empty),
    ];
    for (mail, expected) in table {
        let event = only(judge(mail));
        let shown = String::from_utf8_lossy(mail.get(..mail.len().min(40)).unwrap_or_default()).into_owned();
        assert_eq!(reason(&event), Some(expected), "{shown:?}");
        assert_eq!(event.data.message.size_bytes, mail.len() as u64);
    }
}

#[test]
fn a_mail_over_the_limit_is_published_with_its_headers() {
    let whole = [REPLY.as_bytes(), &vec![b'x'; 100_000]].concat();
    let head = whole.get(..2_000).expect("long enough").to_vec();
    let raw = RawMail::cut(head, Digest::of(&whole), whole.len() as u64);
    let event = only(judge_with(&raw, Policy::open(), zone()));
    assert!(matches!(
        &event.data.verdict,
        Verdict::Unclassified { unclassified } if unclassified.reason == UnclassifiedReason::TooLarge
    ));
    assert_eq!(event.data.message.size_bytes, whole.len() as u64);
    assert_eq!(event.data.message.digest_sha256, Digest::of(&whole).to_string());
    assert_eq!(event.data.message.subject.as_deref(), Some("Re: Your offer"));
    assert_eq!(event.data.sender.as_ref().and_then(|s| s.address.as_deref()), Some("ana@customer.example"));
    assert!(event.data.auth.is_none(), "a signature over half a body says nothing");
}

#[test]
fn with_dns_down_the_verdict_is_temperror_and_the_mail_goes_on() {
    let mut zone = Zone::new();
    for name in ["customer.example", "_dmarc.customer.example", "_dmarc.example"] {
        zone.add_code(name, RecordType::Txt, Code::TimedOut);
    }
    let event = only(judge_with(&RawMail::new(REPLY.into()), Policy::open(), zone));
    let auth = event.data.auth.as_ref().expect("was tried");
    assert_eq!(auth.spf.as_ref().map(|r| r.result), Some(AuthWord::TempError));
    assert_eq!(auth.dmarc.as_ref().map(|r| r.result), Some(AuthWord::TempError));
    assert_eq!(event.data.verdict.kind(), Kind::Reply);
}

#[test]
fn strict_privacy_leaves_no_address_in_the_event() {
    for (addresses, text) in [
        (AddressMode::Hmac, TextMode::Full),
        (AddressMode::Omit, TextMode::Omit),
        (AddressMode::Omit, TextMode::Excerpt),
    ] {
        let key = Some(Key::new("k1".to_owned(), b"a key of enough octets"));
        let privacy = Policy { addresses, text, key, ..Policy::default() };
        let event = only(judge_with(&RawMail::new(REPLY.into()), privacy, zone()));
        let json = serde_json::to_string(&event).expect("serialises");
        for secret in ["ana@customer.example", "ana@", "replies@campaigns.example"] {
            assert!(!json.contains(secret), "{addresses:?}: {secret} in {json}");
        }
        let key = event.data.recipient.as_ref().and_then(|r| r.key.clone());
        assert_eq!(key.is_some(), addresses == AddressMode::Hmac);
        assert_eq!(event.data.content.as_ref().is_some_and(|c| c.text.is_some()), text != TextMode::Omit);
        assert_eq!(event.data.content.as_ref().map(|c| c.text_chars), Some(76), "lengths stay");
    }
}

#[test]
fn a_long_report_is_read_as_a_short_one_where_its_charset_is_not_declared_or_wrong() {
    let table: [(&str, &str, &[u8]); 2] = [
        (
            "=?koi8-r?B?7sUgxM/T1MHXzMXOzw==?=",
            "text/plain",
            b"\xd0\xcf\xcc\xd8\xda\xcf\xd7\xc1\xd4\xc5\xcc\xd8 \xce\xc5 \xce\xc1\xca\xc4\xc5\xce",
        ),
        ("failure notice", "text/plain; charset=iso-8859-1", "пользователь не найден".as_bytes()),
    ];
    for (subject, content_type, said) in table {
        let head = format!(
            "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.ru\r\nSubject: {subject}\r\n\
             Content-Type: {content_type}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<ana@example.ru>: "
        );
        for lines in [0, 10_000] {
            let rest = b"\r\n--------------------".repeat(lines);
            let event = serde_json::to_value(only(judge(&[head.as_bytes(), said, &rest].concat()))).expect("JSON");
            let category = event.pointer("/data/bounce/category");
            assert_eq!(category, Some(&Value::from("mailbox_unknown")), "{content_type}, {lines} lines");
        }
    }
}

#[test]
fn hostile_shapes_end_in_an_event() {
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(20_000);
    let parts = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n".repeat(10_000)
    );
    let crowd = format!(
        "From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\n\r\n".repeat(100_000)
    );
    let in_vain = format!(
        "From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}{}",
        "--b\r\nContent-Type: multipart/mixed; boundary=z\r\n\r\n".repeat(15_000),
        "a line\r\n".repeat(500_000)
    );
    let headers = format!("{}\r\nbody\r\n", "X-Header: value\r\n".repeat(60_000));
    let received = format!("{}From: a@b.example\r\n\r\nx\r\n", "Received: from (((((((((((((( by\r\n".repeat(5_000));
    let signatures = format!(
        "From: a@b.example\r\n{}\r\nx\r\n",
        "DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=s; h=from; bh=AAAA; b=AAAA\r\n".repeat(5_000)
    );
    let address = format!("From: {}@b.example\r\nSubject: x\r\n\r\nx\r\n", "a".repeat(100_000));
    for mail in [nested, parts, crowd, in_vain, headers, received, signatures, address] {
        assert!(!judge(mail.as_bytes()).is_empty());
    }
}
