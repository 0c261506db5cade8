//! A report on a run: what it counts, and that a hostile mail cannot write into it.

use chrono::{TimeDelta, Utc};
use reply_ingest::event::Event;
use reply_ingest::event::run::{DnsRun, MailboxRun};
use reply_ingest::pipeline::{Failure, FailureClass, Observer, RunReport, Station};
use reply_ingest::report::{Collector, Report, Run, html};
use serde_json::{Value, json};
use std::time::Duration;

const ATTACK: &str = "</td><script>alert('x')</script><img src=x onerror=alert(1)> \u{202e}\" &";

fn event(change: impl FnOnce(&mut Value)) -> Event {
    let mut event = super::line::an_event();
    change(&mut event);
    serde_json::from_value(event).expect("an event")
}

fn report(events: &[Event], failures: Vec<(String, Failure)>) -> Report {
    let collector = Collector::default();
    collector.published(events);
    collector.took(Station::Judge, Duration::from_millis(30));
    collector.took(Station::Judge, Duration::from_millis(50));
    collector.took(Station::Publish, Duration::from_millis(70));
    let started_at = Utc::now();
    let done = RunReport {
        run_id: "r1".to_owned(),
        mailboxes: vec![MailboxRun { id: ATTACK.to_owned(), fetched: 2, ..MailboxRun::default() }],
        failures,
        started_at,
        ended_at: started_at + TimeDelta::seconds(2),
        dns: DnsRun::default(),
        archive_removed: 0,
        ended_early: None,
    };
    Report::new(&collector, Run { run_id: "r1", ruleset_version: "v", exit_code: 75, dry_run: false }, &done)
}

#[test]
fn a_mail_writes_no_markup_into_the_page() {
    let hostile = event(|e| {
        e["data"]["message"]["subject"] = ATTACK.into();
        e["data"]["privacy"]["text"] = "full".into();
        e["data"]["kind"] = "other".into();
        e["data"]["other"] = json!({"subtype": ATTACK});
        e["data"]["recipient"]["domain"] = ATTACK.into();
        e["data"]["recipient"]["provider"] = ATTACK.into();
        e["data"]["classification"]["confidence"] = 0.3.into();
        e["data"]["ingest"]["uidl"] = ATTACK.into();
    });
    let failure = Failure { class: FailureClass::Credentials, message: ATTACK.to_owned() };
    let page = html::page(&report(&[hostile], vec![(ATTACK.to_owned(), failure)]));
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"), "the subject is shown, as text");
    for word in ["<script", "<img", "\u{202e}", "src=", "href=", "url(", "@import"] {
        assert!(!page.to_lowercase().replace("&lt;img src=x", "").contains(word), "{word} in the page");
    }
    assert!(page.contains("default-src 'none'"), "the page forbids itself everything else");
    assert!(page.contains("renew the password"), "a failure comes with advice");
}

#[test]
fn what_is_counted_and_what_is_shown() {
    let bounce = |provider: &str, category: &str, matched: &str| {
        event(|e| {
            e["data"]["kind"] = "bounce".into();
            let of_type = if category == "mailbox_unknown" { "hard" } else { "soft" };
            e["data"]["bounce"] = json!({"type": of_type, "category": category, "provider": provider, "action": null,
                "status": null, "smtp_code": null, "diagnostic": null, "reporting_mta": null, "remote_mta": null});
            e["data"]["correlation"]["status"] = matched.into();
            e["data"]["privacy"]["text"] = "omit".into();
            e["data"]["message"]["subject"] = "a secret".into();
        })
    };
    let events = [
        bounce("gmail", "mailbox_unknown", "matched"),
        bounce("gmail", "policy", "unmatched"),
        bounce("yahoo", "mailbox_unknown", "matched"),
        event(|e| {
            e["data"]["privacy"]["text"] = "full".into();
            e["data"]["message"]["subject"] = "for ana@example.org".into();
            e["data"]["classification"]["confidence"] = 0.3.into();
            e["data"]["correlation"]["status"] = "matched".into();
        }),
    ];
    let report = report(&events, Vec::new());
    let providers: Vec<_> =
        report.providers.iter().map(|p| (p.provider.as_str(), p.events, p.bounces_hard, p.bounces_soft)).collect();
    assert_eq!(providers[..2], [("gmail", 2, 1, 1), ("yahoo", 1, 1, 0)]);
    let bounces: Vec<_> = report.bounces.iter().map(|b| (b.category.as_str(), b.count)).collect();
    assert_eq!(bounces, [("mailbox_unknown", 2), ("policy", 1)]);
    let stations: Vec<_> = report.stations.iter().map(|s| (s.station, s.count, s.total_ms, s.slowest_ms)).collect();
    assert_eq!(stations, [("judge", 2, 80, 50), ("publish", 1, 70, 70)]);
    assert_eq!(report.unmatched.len(), 1);
    let json = serde_json::to_string(&report).expect("JSON");
    for text in [html::page(&report), json] {
        assert!(!text.contains("a secret"), "privacy.text is omit");
        assert!(text.contains("for [address]") && !text.contains("ana@"), "no address in any mode");
    }
}
