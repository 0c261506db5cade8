//! Golden mails of machines and of people who talk about them: `tests/golden/reports.toml`, `servers.toml` and
//! `providers.toml` say what each is. Every mail is read with LF, CRLF and CR line ends.

use reply_ingest::classify::{Finding, Rules, classify};
use reply_ingest::event::{Failure, Kind, Verdict};
use reply_ingest::message::{Mail, to_crlf};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    mail: Vec<Golden>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    file: String,
    kinds: Vec<String>,
    #[serde(default)]
    recipients: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    status: Vec<String>,
    #[serde(default)]
    smtp: Vec<u16>,
    #[serde(default)]
    original: Option<String>,
}

/// What a finding says, in the words of the table.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    kind: String,
    recipient: String,
    category: String,
    bounce_type: String,
    status: String,
    smtp: u16,
    original: Option<String>,
}

fn name(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).expect("a plain value").as_str().unwrap_or_default().to_owned()
}

fn told(finding: &Finding) -> Told {
    let none = Failure::default();
    let failure = match &finding.verdict {
        Verdict::Bounce { bounce } => bounce,
        Verdict::Delay { delay } => delay,
        _ => &none,
    };
    let failed = matches!(finding.kind(), Kind::Bounce | Kind::Delay);
    Told {
        kind: finding.kind().as_str().to_owned(),
        recipient: finding.recipient.as_ref().map(|a| a.as_str().to_owned()).unwrap_or_default(),
        category: if failed { name(failure.category) } else { String::new() },
        bounce_type: failure.bounce_type.map(name).unwrap_or_default(),
        status: failure.status.clone().unwrap_or_default(),
        smtp: failure.smtp_code.unwrap_or_default(),
        original: finding.original.as_ref().and_then(|o| o.message_id.clone()),
    }
}

fn read(bytes: &[u8], rules: &Rules) -> Vec<Told> {
    let bytes = to_crlf(bytes);
    classify(&Mail::parse(&bytes), rules).iter().map(told).collect()
}

/// Where a mail differs from its row.
fn differs(row: &Golden, events: &[Told]) -> Option<String> {
    const REPORTED: [&str; 4] = ["bounce", "delay", "delivered", "complaint"];
    if events.len() != row.kinds.len() {
        return Some(format!("{} events instead of {}", events.len(), row.kinds.len()));
    }
    let text = |list: &[String], at: usize| list.get(at).cloned().unwrap_or_default();
    for (at, event) in events.iter().enumerate() {
        let kind = text(&row.kinds, at);
        if kind == "*" {
            if REPORTED.contains(&event.kind.as_str()) {
                return Some(format!("is {}", event.kind));
            }
            continue;
        }
        let pairs = [
            ("kind", kind.clone(), event.kind.clone()),
            ("category", text(&row.categories, at), event.category.clone()),
            ("type", text(&row.types, at), event.bounce_type.clone()),
            ("status", text(&row.status, at), event.status.clone()),
            ("smtp", row.smtp.get(at).copied().unwrap_or_default().to_string(), event.smtp.to_string()),
        ];
        for (what, expected, found) in pairs {
            if expected != "*" && expected != found {
                return Some(format!("{what} of event {at} is {found:?} instead of {expected:?}"));
            }
        }
        let named = REPORTED.contains(&kind.as_str()) || !row.recipients.is_empty();
        let recipient = text(&row.recipients, at);
        if named && recipient != event.recipient {
            return Some(format!("recipient of event {at} is {:?} instead of {recipient:?}", event.recipient));
        }
        if let Some(original) = &row.original
            && event.original.as_ref() != Some(original)
        {
            return Some(format!("original of event {at} is {:?}", event.original));
        }
    }
    None
}

fn replace(bytes: &[u8], end: &[u8]) -> Vec<u8> {
    bytes.split(|b| *b == b'\n').collect::<Vec<_>>().join(end)
}

fn golden(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let table: Table = toml::from_str(&fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap()).unwrap();
    let rules = Rules::embedded().unwrap();
    let mut wrong = Vec::new();
    let mut named = BTreeSet::new();
    for row in &table.mail {
        let file = format!("{}.eml", row.file);
        let lf = fs::read(folder.join(name).join(&file)).unwrap();
        assert!(!lf.contains(&b'\r'), "{file} is kept with LF");
        let events = read(&lf, &rules);
        if let Some(difference) = differs(row, &events) {
            wrong.push(format!("{}: {difference}", row.file));
        }
        for (ends, end) in [("CRLF", b"\r\n".as_slice()), ("CR", b"\r"), ("CR CR LF", b"\r\r\n")] {
            if read(&replace(&lf, end), &rules) != events {
                wrong.push(format!("{}: {ends} line ends change it", row.file));
            }
        }
        assert!(named.insert(file), "{} stands twice", row.file);
    }
    for entry in fs::read_dir(folder.join(name)).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        assert!(named.contains(&file), "{file} is in no row");
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), table.mail.len(), wrong.join("\n"));
}

#[test]
fn golden_reports() {
    golden("reports");
}

/// Families of mail servers.
#[test]
fn golden_servers() {
    golden("servers");
}

/// Providers, gateways, languages, spam reports.
#[test]
fn golden_providers() {
    golden("providers");
}

/// More recipients than are published: the events say that there were more.
#[test]
fn more_recipients_than_are_published() {
    let rules = Rules::embedded().unwrap();
    let report = |count: usize| {
        let mut mail: String = "From: MAILER-DAEMON@mx.example.com\r\nReturn-Path: <>\r\nContent-Type: multipart/report; \
                        report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
                        Reporting-MTA: dns; mx.example.com\r\n"
            .to_owned();
        let group = |number| {
            format!("\r\nFinal-Recipient: rfc822; ana{number}@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n")
        };
        mail.extend((0..count).map(group));
        mail + "\r\n--b--\r\n"
    };
    for (count, published, marked) in [(5_000, 5_000, false), (5_001, 5_000, true), (6_000, 5_000, true)] {
        let found = classify(&Mail::parse(report(count).as_bytes()), &rules);
        assert_eq!(found.len(), published, "{count}");
        let is_marked = |f: &Finding| f.hits.iter().any(|h| h.rule == "report.more_recipients");
        assert_eq!(found.iter().filter(|f| is_marked(f)).count(), if marked { published } else { 0 }, "{count}");
    }
}
