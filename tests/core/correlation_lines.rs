//! Correlation from the octets of a mail to its events: reports on several people, lookup files, and who may be
//! suppressed.

use chrono::{TimeZone, Utc};
use reply_ingest::auth::dns::Zone;
use reply_ingest::classify::Rules;
use reply_ingest::config;
use reply_ingest::correlate::token::{Signer, make};
use reply_ingest::correlate::{Captured, Pattern};
use reply_ingest::event::{AddressMode, CorrelationStatus, Event, Verdict};
use reply_ingest::message::RawMail;
use reply_ingest::pipeline::{Line, LineSettings, Place};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

const KEY: &str = "0123456789abcdef";
const PATTERN: &str = "b+{campaign}.{recipient}.{sig}@r.example";

fn token(recipient: &str) -> String {
    let ids =
        Captured { campaign: Some("c1".to_owned()), recipient: Some(recipient.to_owned()), ..Captured::default() };
    let pattern = Pattern::new(PATTERN).expect("compiles");
    make(&pattern, &Signer::new([("k", KEY.as_bytes())], 10, ""), &ids).expect("fits")
}

/// The events of a mail with these settings below `correlators:`.
fn judge(correlators: &str, addresses: &str, mail: &str) -> Vec<Event> {
    let text = format!(
        "kafka: {{brokers: [\"k:9092\"]}}\nauth: {{enabled: false}}\nprivacy: {{addresses: {addresses}, hash_key: {KEY}}}\n\
         mailboxes:\n- {{name: a, host: h, username: u, password: p}}\ncorrelators: {correlators}\n"
    );
    let config = config::parse(&text, Path::new("c.yaml"), &HashMap::new()).expect("is right");
    let settings = LineSettings::new(&config, "run".to_owned(), false);
    let line = Line::new(settings, Arc::new(Rules::embedded().expect("rules")), Arc::new(Zone::new())).expect("a line");
    let place = Place::of(&config.mailboxes[0], &config);
    let now = Utc.with_ymd_and_hms(2026, 11, 22, 8, 0, 0).single().expect("a time");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(line.judge(&RawMail::new(mail.into()), &place, None, None, now)).events
}

/// A report on these people, each with a field of their own.
fn report(to: &str, people: &[(&str, &str)]) -> String {
    let mut mail = format!(
        "From: MAILER-DAEMON@mx.example.net\nTo: {to}\nSubject: Undelivered\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\n\
         Not delivered.\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n"
    );
    for (person, field) in people {
        let _ = write!(
            mail,
            "\nFinal-Recipient: rfc822; {person}\n{field}Action: failed\nStatus: 5.1.1\n\
             Diagnostic-Code: smtp; 550 5.1.1 User unknown\n"
        );
    }
    mail + "\n--b--\n"
}

/// Recipient, whether to suppress, whether it is marked.
fn marks(events: &[Event]) -> Vec<(String, bool, bool)> {
    let of = |event: &Event| match &event.data.verdict {
        Verdict::Bounce { bounce } => (bounce.suppress == Some(true), bounce.backscatter),
        Verdict::Unsubscribe { unsubscribe } => (false, unsubscribe.unverified),
        other => panic!("{other:?}"),
    };
    let who = |event: &Event| event.data.recipient.as_ref().and_then(|r| r.address.clone()).unwrap_or_default();
    events.iter().map(|e| (who(e), of(e).0, of(e).1)).collect()
}

fn signed(place: &str) -> String {
    format!("[{{id: t, in: ['{place}'], address: '{PATTERN}', verify: {{keys: [{{id: k, key: {KEY}}}]}}}}]")
}

#[test]
fn a_token_suppresses_the_one_person_it_names() {
    let (ana, bo) = ("ana@example.org", "bo@example.org");
    let both = |suppressed: [bool; 2]| {
        [ana, bo].into_iter().zip(suppressed).map(|(who, s)| (who.to_owned(), s, !s)).collect::<Vec<_>>()
    };
    // An id that is no address: of one person it can only be that one's, of two it may be anybody's.
    let to = token("c-7");
    let one = judge(&signed("header:To"), "clear", &report(&to, &[(ana, "")]));
    assert_eq!(marks(&one), [(ana.to_owned(), true, false)]);
    let two = judge(&signed("header:To"), "clear", &report(&to, &[(ana, ""), (bo, "")]));
    assert_eq!(marks(&two), both([false, false]));
    // The same person twice is one person.
    let twice = judge(&signed("header:To"), "clear", &report(&to, &[(ana, ""), ("ANA@example.org", "")]));
    assert!(marks(&twice).iter().all(|(_, suppressed, _)| *suppressed), "{:?}", marks(&twice));
    // Each person's own field of the report names each.
    let fields = [token("c-7"), token("c-8")].map(|t| format!("X-Envelope-From: {t}\n"));
    let two =
        judge(&signed("dsn:X-Envelope-From"), "clear", &report("u@r.example", &[(ana, &fields[0]), (bo, &fields[1])]));
    assert_eq!(marks(&two), both([true, true]));
    let ids: Vec<_> = two.iter().map(|e| e.data.correlation.recipient_id.as_deref()).collect();
    assert_eq!(ids, [Some("c-7"), Some("c-8")]);
    assert_eq!(two[0].data.correlation.evidence[0].place, "dsn:x-envelope-from");
    // A field that only one of them has says nothing of the other.
    let two = judge(&signed("dsn:X-Envelope-From"), "clear", &report("u@r.example", &[(ana, &fields[0]), (bo, "")]));
    assert_eq!(marks(&two), both([true, false]));
}

#[test]
fn an_id_that_is_an_address_is_hashed_or_left_out() {
    let verp = "[{id: v, in: ['header:To'], address: 'b+{campaign}.{recipient:verp}@r.example'}]";
    let mail = report("b+c1.ana=example.org@r.example", &[("ana@example.org", "")]);
    let id = |addresses: &str| {
        let event = judge(verp, addresses, &mail).pop().expect("an event");
        assert_eq!(event.data.privacy.addresses != AddressMode::Clear, addresses != "clear");
        let key = event.data.recipient.as_ref().and_then(|r| r.key.clone());
        (event.data.correlation.recipient_id, event.data.correlation.evidence[0].recipient_id.clone(), key)
    };
    assert_eq!(id("clear").0.as_deref(), Some("ana@example.org"));
    let (found, evidence, key) = id("hmac");
    assert!(key.is_some() && found == key && evidence == key, "{found:?} {evidence:?} {key:?}");
    assert_eq!(id("omit"), (None, None, None));
}

#[test]
fn without_a_match_everything_is_marked() {
    let bounce = report("u@r.example", &[("ana@example.org", "")]);
    let unsubscribe = "From: ana@example.org\nTo: u@r.example\nSubject: unsubscribe\n\nunsubscribe\n";
    for correlators in ["[]", &signed("header:To")] {
        for mail in [bounce.as_str(), unsubscribe] {
            assert_eq!(marks(&judge(correlators, "clear", mail)), [("ana@example.org".to_owned(), false, true)]);
        }
    }
}

#[test]
fn lookup_files_know_mails_and_addresses() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sent.csv");
    std::fs::write(
        &file,
        "message_id,address,campaign,send,recipient,sent_at\n\
         m1@m.example,ana@example.org,c1,s1,c-7,2026-11-20T08:00:00Z\n",
    )
    .expect("writes");
    let both = format!(
        "[{{id: known, in: [thread], lookup: {{file: '{0}'}}}}, {{id: who, from: {{file: '{0}'}}}}]",
        file.display()
    );
    let reply = |header: &str| {
        format!(
            "From: ana@example.org\nTo: u@r.example\n{header}Subject: Re: x\nDate: Sat, 21 Nov 2026 08:00:00 +0000\n\nYes, please.\n"
        )
    };
    let event = judge(&both, "clear", &reply("In-Reply-To: <m1@m.example>\n")).pop().expect("an event");
    let found = event.data.correlation;
    assert_eq!((found.status, found.method.as_deref()), (CorrelationStatus::Matched, Some("known")));
    assert_eq!((found.campaign_id.as_deref(), found.recipient_id.as_deref()), (Some("c1"), Some("c-7")));
    assert_eq!((found.confidence, found.response_time_s), (Some(0.95), Some(24 * 3600)));
    assert_eq!(found.evidence.iter().map(|e| e.place.as_str()).collect::<Vec<_>>(), ["thread", "from"]);
    // Anyone can write a From: no campaign comes of it.
    let found = judge(&both, "clear", &reply("")).pop().expect("an event").data.correlation;
    assert_eq!((found.status, found.method.as_deref()), (CorrelationStatus::Partial, Some("who")));
    assert_eq!((found.campaign_id, found.recipient_id.as_deref()), (None, Some("c-7")));
    assert!(found.confidence.is_some_and(|c| c <= 0.4));
}
