//! A mail, whatever its octets: at least one finding, the same ones again, whole and bounded, and no fault on the way
//! to events.
//!
//! The first octet says how the lines end and what may be published; the rest is the mail.

use chrono::{DateTime, Utc};
use reply_ingest::auth::dns::Zone;
use reply_ingest::classify::{Finding, Rules, classify};
use reply_ingest::event::privacy::{Key, Policy};
use reply_ingest::event::{AddressMode, Event, TextMode};
use reply_ingest::message::{Mail, RawMail, to_crlf};
use reply_ingest::pipeline::{Line, LineSettings, Place};
use std::sync::{Arc, LazyLock};

static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| Arc::new(Rules::embedded().expect("embedded rules are right")));

static LINE: LazyLock<Line> = LazyLock::new(|| {
    let mut settings = LineSettings::plain("fuzz".to_owned());
    settings.auth = None;
    Line::new(settings, Arc::clone(&RULES), Arc::new(Zone::default())).expect("a line")
});

/// Findings of one mail: 5,000 recipients, and a little for several reports in one.
const MOST: usize = 20_000;

pub fn run(data: &[u8]) {
    let [choice, mail @ ..] = data else { return };
    let ends: &[u8] = match choice % 3 {
        0 => b"\n",
        1 => b"\r\n",
        _ => b"\r",
    };
    // Only mails without a CR of their own can be written with other ends.
    let mail: Vec<u8> =
        if mail.contains(&b'\r') { mail.to_vec() } else { mail.split(|b| *b == b'\n').collect::<Vec<_>>().join(ends) };
    // The line guards itself against faults of the classifier; here they must show.
    let crlf = to_crlf(&mail);
    let findings = classify(&Mail::parse(&crlf), &RULES);
    assert!(!findings.is_empty() && findings.len() <= MOST);
    assert_eq!(findings, classify(&Mail::parse(&crlf), &RULES), "the same mail gives the same findings");
    findings.iter().for_each(check);
    let events = events(&mail, choice / 3);
    assert_eq!(events.len(), findings.len());
    for event in &events {
        let text = serde_json::to_string(event).expect("an event is JSON");
        assert!(text.len() < 1 << 20, "an event of {} octets", text.len());
    }
}

fn check(finding: &Finding) {
    assert!((0.0..=1.0).contains(&finding.confidence));
    assert!(finding.hits.len() <= 64);
    for hit in &finding.hits {
        assert!(hit.text.chars().count() <= 160);
    }
    if let Some(original) = &finding.original {
        assert!(original.headers.len() <= 200 && original.to.len() <= 200);
    }
}

fn events(mail: &[u8], choice: u8) -> Vec<Event> {
    let addresses = match choice % 3 {
        0 => AddressMode::Clear,
        1 => AddressMode::Hmac,
        _ => AddressMode::Omit,
    };
    let text = match choice / 3 % 3 {
        0 => TextMode::Full,
        1 => TextMode::Excerpt,
        _ => TextMode::Omit,
    };
    let key = Some(Key::new("k1".to_owned(), b"0123456789abcdef"));
    let place = Place {
        mailbox: "fuzz".to_owned(),
        role: None,
        trust: reply_ingest::config::Trust::default(),
        privacy: Policy { addresses, text, key, ..Policy::default() },
    };
    let now = DateTime::<Utc>::UNIX_EPOCH;
    futures_util::FutureExt::now_or_never(LINE.judge(&RawMail::new(mail.to_vec()), &place, None, None, now))
        .expect("without authentication nothing is waited for")
        .events
}
