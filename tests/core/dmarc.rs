//! DMARC through the authenticator: alignment, policies and the tree walk of RFC 9989.

use super::dkim::{DELIVERED, check, crlf, ed25519_record, sign, zone};
use reply_ingest::auth::dns::{Code, RecordType, Zone};
use reply_ingest::event::Auth;
use std::fmt::Write;

/// `word policy spf dkim`: the policy where one applies, then what is aligned (`+`), passes without
/// alignment (`-`), or does not pass (`.`).
fn told(auth: &Auth) -> String {
    let Some(dmarc) = &auth.dmarc else { return "unknown".to_owned() };
    let policy = dmarc.policy.map_or_else(|| "-".to_owned(), |p| format!("{p:?}").to_lowercase());
    let mark = |aligned: Option<Option<bool>>| match aligned {
        Some(Some(true)) => '+',
        Some(Some(false)) => '-',
        _ => '.',
    };
    let spf = mark(auth.spf.as_ref().map(|s| s.aligned));
    let dkim = mark(auth.dkim.iter().map(|d| d.aligned).max());
    format!("{} {policy} {spf}{dkim}", dmarc.result.as_str())
}

/// A zone in which every domain that a row uses has SPF and a key.
fn world(records: &str) -> Zone {
    let key = ed25519_record();
    let mut text = String::new();
    for domain in [
        "example.org",
        "mail.example.org",
        "a.b.example.org",
        "lists.example",
        "out.example.net",
        "city.gov.example",
        "office.city.gov.example",
        "gov.example",
        "xn--bcher-kva.example",
        "a.b.c.d.e.f.g.h.example.org",
        "helo.example.org",
    ] {
        write!(text, "{domain} TXT v=spf1 ip4:192.0.2.1 -all\ned._domainkey.{domain} TXT {key}\n").unwrap();
    }
    let mut zone = zone(&text);
    for record in records.split('|').map(str::trim).filter(|r| !r.is_empty()) {
        let (name, data) = record.split_once(' ').unwrap();
        match data {
            "SERVFAIL" => zone.add_code(name, RecordType::Txt, Code::ServFail),
            "TIMEOUT" => zone.add_code(name, RecordType::Txt, Code::TimedOut),
            data => zone.add(name, reply_ingest::auth::dns::Record::Txt(data.as_bytes().to_vec())),
        }
    }
    zone
}

/// A mail from `from`, sent as `mail_from` (`<>` for the null sender, `-` for one that SPF rejects),
/// signed by `d` if there is one.
fn mail(from: &str, mail_from: &str, d: &str) -> String {
    let (client, sender) = match mail_from {
        "-" => ("192.0.2.99", "x@example.org"),
        "<>" => ("192.0.2.1", ""),
        sender => ("192.0.2.1", sender),
    };
    let mut mail = crlf(&format!("From: {from}\nSubject: Saturday\n\nI will come.\n"));
    if !d.is_empty() {
        mail = sign(&format!("v=1; a=ed25519-sha256; c=relaxed/relaxed; d={d}; s=ed; h=From; t={DELIVERED}"), &mail);
    }
    let hop = format!(
        "Return-Path: <{sender}>\nReceived: from helo.example.org (helo.example.org [{client}])\n\
         \tby mx.example.net (Postfix) with ESMTP id 4A1; Mon, 02 Mar 2026 12:00:00 +0000\n"
    );
    crlf(&hop) + &mail
}

const ANA: &str = "Ana <ana@example.org>";
const LIST: &str = "bounce@lists.example";
const REJECT: &str = "_dmarc.example.org v=DMARC1; p=reject";

#[tokio::test]
async fn verdicts() {
    let table: &[(&str, &str, &str, &str, &str)] = &[
        // From, MAIL FROM, d=, records, verdict
        (ANA, "ana@example.org", "example.org", REJECT, "pass reject ++"),
        (ANA, "ana@example.org", "", REJECT, "pass reject +."),
        (ANA, LIST, "example.org", REJECT, "pass reject -+"),
        (ANA, LIST, "lists.example", REJECT, "fail reject --"),
        (ANA, LIST, "", REJECT, "fail reject -."),
        (ANA, "-", "", REJECT, "fail reject .."),
        (ANA, "-", "example.org", REJECT, "pass reject .+"),
        (ANA, LIST, "lists.example", "", "none - --"),
        (ANA, "ana@example.org", "example.org", "", "none - ++"),
        // the null sender: the HELO name is what SPF checks
        (ANA, "<>", "", REJECT, "pass reject +."),
        ("a@lists.example", "<>", "", "_dmarc.lists.example v=DMARC1; p=quarantine", "fail quarantine -."),
        // relaxed and strict
        (ANA, "a@mail.example.org", "", REJECT, "pass reject +."),
        (ANA, LIST, "mail.example.org", REJECT, "pass reject -+"),
        (ANA, "a@mail.example.org", "", "_dmarc.example.org v=DMARC1; p=reject; aspf=s", "fail reject -."),
        (ANA, LIST, "mail.example.org", "_dmarc.example.org v=DMARC1; p=reject; adkim=s", "fail reject --"),
        (
            ANA,
            "a@mail.example.org",
            "mail.example.org",
            "_dmarc.example.org v=DMARC1; p=reject; aspf=s",
            "pass reject -+",
        ),
        (
            ANA,
            "a@example.org",
            "example.org",
            "_dmarc.example.org v=DMARC1; p=reject; aspf=s; adkim=s",
            "pass reject ++",
        ),
        ("a@a.b.example.org", "a@mail.example.org", "", REJECT, "pass reject +."),
        ("a@notexample.org", "a@example.org", "", "_dmarc.notexample.org v=DMARC1; p=reject", "fail reject -."),
        // policies
        ("a@mail.example.org", LIST, "", "_dmarc.example.org v=DMARC1; p=reject; sp=quarantine", "fail quarantine -."),
        ("a@mail.example.org", LIST, "", "_dmarc.example.org v=DMARC1; p=none; sp=reject; np=none", "fail reject -."),
        (
            "a@nowhere.example.org",
            LIST,
            "",
            "_dmarc.example.org v=DMARC1; p=none; sp=none; np=reject",
            "fail reject -.",
        ),
        (
            "a@nowhere.example.org",
            LIST,
            "",
            "_dmarc.example.org v=DMARC1; p=none; np=reject; t=y",
            "fail quarantine -.",
        ),
        (ANA, LIST, "", "_dmarc.example.org v=DMARC1; p=none; np=reject", "fail none -."),
        (ANA, LIST, "", "_dmarc.example.org v=DMARC1; p=reject; t=y", "fail quarantine -."),
        (ANA, LIST, "", "_dmarc.example.org v=DMARC1; p=quarantine; t=y", "fail none -."),
        (ANA, LIST, "", "_dmarc.example.org v=DMARC1; p=reject; pct=0; ri=60; xyz", "fail reject -."),
        // the tree walk
        (
            "a@a.b.example.org",
            LIST,
            "",
            "_dmarc.b.example.org v=DMARC1; p=quarantine; sp=none|_dmarc.example.org v=DMARC1; p=reject",
            "fail reject -.",
        ),
        (
            "a@a.b.example.org",
            "a@example.org",
            "",
            "_dmarc.b.example.org v=DMARC1; p=reject; psd=n|_dmarc.example.org v=DMARC1; p=none",
            "fail reject -.",
        ),
        (
            "a@office.city.gov.example",
            "a@city.gov.example",
            "",
            "_dmarc.gov.example v=DMARC1; p=reject; psd=y",
            "pass reject +.",
        ),
        (
            "a@office.city.gov.example",
            "a@gov.example",
            "",
            "_dmarc.gov.example v=DMARC1; p=reject; psd=y",
            "fail reject -.",
        ),
        ("a@gov.example", "a@city.gov.example", "", "_dmarc.gov.example v=DMARC1; p=reject; psd=y", "fail reject -."),
        ("a@a.b.c.d.e.f.g.h.example.org", LIST, "", REJECT, "fail reject -."),
        ("a@a.b.c.d.e.f.g.h.example.org", "a@example.org", "", REJECT, "pass reject +."),
        ("a@a.b.c.d.e.f.g.h.example.org", LIST, "", "_dmarc.b.c.d.e.f.g.h.example.org v=DMARC1; p=reject", "none - -."),
        // records
        (ANA, LIST, "", "_dmarc.example.org v=DMARC1; p=reject|_dmarc.example.org v=DMARC1; p=none", "none - -."),
        (ANA, LIST, "", "_dmarc.example.org v=spf1 -all|_dmarc.example.org v=DMARC1; p=reject", "fail reject -."),
        (ANA, LIST, "", "_dmarc.example.org v=DMARC10; p=reject", "none - -."),
        (ANA, LIST, "", "_dmarc.example.org p=reject; v=DMARC1", "none - -."),
        (ANA, LIST, "", "_dmarc.example.org v=DMARC1;p=Reject", "fail reject -."),
        (
            ANA,
            "a@mail.example.org",
            "",
            "_dmarc.example.org v=DMARC1; p=reject; aspf=x; adkim=; fo=9",
            "pass reject +.",
        ),
        (ANA, LIST, "", "_dmarc.example.org v=DMARC1; p=perhaps", "none - -."),
        (ANA, LIST, "", "_dmarc.example.org v=DMARC1; p=perhaps; rua=mailto:d@example.org", "fail none -."),
        (ANA, LIST, "", "_dmarc.example.org v=DMARC1; p=reject; sp=perhaps; rua=mailto:d@example.org", "fail none -."),
        (ANA, LIST, "", "_dmarc.example.org v=DMARC1; rua=mailto:d@example.org", "fail none -."),
        (ANA, LIST, "", "_dmarc.example.org v=DMARC1; rua=nobody", "none - -."),
        // name servers
        (ANA, LIST, "", "_dmarc.example.org SERVFAIL", "temperror - .."),
        (ANA, "ana@example.org", "example.org", "_dmarc.example.org TIMEOUT", "temperror - ++"),
        (
            ANA,
            LIST,
            "broken.example.org",
            "_dmarc.example.org v=DMARC1; p=reject|ed._domainkey.broken.example.org TIMEOUT",
            "temperror reject -.",
        ),
        (
            ANA,
            LIST,
            "broken.lists.example",
            "_dmarc.example.org v=DMARC1; p=reject|ed._domainkey.broken.lists.example TIMEOUT",
            "fail reject -.",
        ),
        (
            ANA,
            "ana@example.org",
            "broken.example.org",
            "_dmarc.example.org v=DMARC1; p=reject|ed._domainkey.broken.example.org TIMEOUT",
            "pass reject +.",
        ),
        // From
        ("ANA@EXAMPLE.ORG", LIST, "Example.Org", REJECT, "pass reject -+"),
        ("\"x@lists.example\" <ana@example.org>", LIST, "", REJECT, "fail reject -."),
        ("a@example.org, b@example.org", LIST, "example.org", REJECT, "pass reject -+"),
        ("a@example.org, b@lists.example", LIST, "example.org", REJECT, "none - .."),
        ("Team: a@example.org, b@example.org;", LIST, "example.org", REJECT, "pass reject -+"),
        ("Undisclosed:;", LIST, "example.org", REJECT, "none - .."),
        ("Ana", LIST, "example.org", REJECT, "none - .."),
        ("ana@localhost", LIST, "", "", "none - -."),
        ("ana@[192.0.2.1]", LIST, "", "", "none - .."),
        ("ana@example.org\nFrom: b@lists.example", LIST, "lists.example", REJECT, "none - .."),
        (
            "a@b\u{fc}cher.example",
            LIST,
            "xn--bcher-kva.example",
            "_dmarc.xn--bcher-kva.example v=DMARC1; p=reject; adkim=s",
            "pass reject -+",
        ),
        (
            "a@xn--bcher-kva.example",
            LIST,
            "b\u{fc}cher.example",
            "_dmarc.xn--bcher-kva.example v=DMARC1; p=reject; adkim=s",
            "pass reject -+",
        ),
        (
            "a@b\u{fc}cher.example",
            "a@b\u{fc}cher.example",
            "",
            "_dmarc.xn--bcher-kva.example v=DMARC1; p=reject",
            "pass reject +.",
        ),
    ];
    let mut wrong = Vec::new();
    for (from, mail_from, d, records, want) in table {
        let auth = check(&world(records), mail(from, mail_from, d).as_bytes()).await;
        let got = told(&auth);
        if got != *want {
            wrong.push(format!("{from:?} {mail_from} d={d} {records:?}: wanted {want:?}, got {got:?} {:?}", auth.spf));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), table.len(), wrong.join("\n"));
}

/// Without a boundary nothing that rests on SPF's absence is said.
#[tokio::test]
async fn without_a_boundary() {
    for (d, want) in [("example.org", "pass reject .+"), ("lists.example", "unknown")] {
        let mail = mail(ANA, LIST, d);
        let (_, mail) = mail.split_once("+0000\r\n").unwrap();
        assert_eq!(told(&check(&world(REJECT), mail.as_bytes()).await), want, "{d}");
    }
}
