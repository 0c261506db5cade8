//! Signs mails for the tests by hand, so that any tag can be written, and runs the authenticator.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use reply_ingest::auth::dns::{Record, Resolver, Zone};
use reply_ingest::auth::{Authenticator, Bounds};
use reply_ingest::config::Trust;
use reply_ingest::event::{Auth, AuthResult};
use reply_ingest::message::Mail;
use std::sync::LazyLock;

pub static ED25519: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap());
pub static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

/// What every mail of the tables comes with: a hop of ours, and a sender without SPF.
pub const HOP: &str = "Return-Path: <bounce@bulk.example>\n\
    Received: from out.example.org (out.example.org [192.0.2.1])\n\
    \tby mx.example.net (Postfix) with ESMTP id 4A1; Mon, 02 Mar 2026 12:00:00 +0000\n";
/// When it was delivered, in seconds: 2026-03-02 12:00:00 UTC.
pub const DELIVERED: i64 = 1_772_452_800;

pub fn ed25519_record() -> String {
    format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(ED25519.public_key().as_ref()))
}

pub fn rsa_record() -> String {
    format!("v=DKIM1; k=rsa; p={}", STANDARD.encode(RSA.public_key().as_ref()))
}

pub fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// `mail` with a signature on top that has these tags, bh= and b=.
pub fn sign(tags: &str, mail: &str) -> String {
    let mail = crlf(mail);
    let (head, body) = mail.split_once("\r\n\r\n").unwrap();
    let tag = |name: &str| {
        tags.split(';').filter_map(|t| t.split_once('=')).find(|(n, _)| n.trim() == name).map(|(_, v)| v.trim())
    };
    let (header_form, body_form) = match tag("c") {
        None => ("simple", "simple"),
        Some(c) => c.split_once('/').unwrap_or((c, "simple")),
    };
    let mut body = canonical_body(body, body_form);
    if let Some(length) = tag("l").and_then(|l| l.parse().ok()).filter(|l| *l < body.len()) {
        body.truncate(length);
    }
    let bh = STANDARD.encode(digest(&SHA256, body.as_bytes()));
    let value = format!(" {}; bh={bh};\r\n\tb=", crlf(tags));

    let mut fields: Vec<(String, String)> = Vec::new();
    for line in head.split("\r\n") {
        match fields.last_mut() {
            Some((_, value)) if line.starts_with([' ', '\t']) => value.extend(["\r\n", line]),
            _ => {
                let (name, value) = line.split_once(':').unwrap();
                fields.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    let mut data = String::new();
    for name in tag("h").unwrap_or_default().split(':') {
        if let Some(at) = fields.iter().rposition(|(n, _)| n.trim().eq_ignore_ascii_case(name.trim())) {
            let (name, value) = fields.remove(at);
            data.push_str(&canonical_field(&name, &value, header_form));
            data.push_str("\r\n");
        }
    }
    data.push_str(&canonical_field("DKIM-Signature", &value, header_form));
    let signature = if tags.contains("ed25519") {
        ED25519.sign(digest(&SHA256, data.as_bytes()).as_ref()).as_ref().to_vec()
    } else {
        let mut out = vec![0; RSA.public_modulus_len()];
        RSA.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data.as_bytes(), &mut out).unwrap();
        out
    };
    let b: Vec<String> =
        STANDARD.encode(signature).as_bytes().chunks(60).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
    format!("DKIM-Signature:{value}{}\r\n{mail}", b.join("\r\n\t"))
}

fn canonical_field(name: &str, value: &str, form: &str) -> String {
    if form == "simple" {
        return format!("{name}:{value}");
    }
    let words: Vec<&str> = value.split([' ', '\t', '\r', '\n']).filter(|w| !w.is_empty()).collect();
    format!("{}:{}", name.trim_end().to_lowercase(), words.join(" "))
}

fn canonical_body(body: &str, form: &str) -> String {
    let mut lines: Vec<String> = body.split("\r\n").map(str::to_owned).collect();
    if form == "relaxed" {
        for line in &mut lines {
            let lead = if line.starts_with([' ', '\t']) { " " } else { "" };
            let words: Vec<&str> = line.split([' ', '\t']).filter(|w| !w.is_empty()).collect();
            *line = if words.is_empty() { String::new() } else { format!("{lead}{}", words.join(" ")) };
        }
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    match (lines.is_empty(), form) {
        (true, "relaxed") => String::new(),
        _ => lines.join("\r\n") + "\r\n",
    }
}

/// A zone out of `name TYPE data` lines.
pub fn zone(text: &str) -> Zone {
    let mut zone = Zone::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (name, rest) = line.split_once(' ').unwrap();
        let (rtype, data) = rest.split_once(' ').unwrap();
        zone.add(
            name,
            match rtype {
                "TXT" => Record::Txt(data.as_bytes().to_vec()),
                "A" => Record::A(data.parse().unwrap()),
                other => panic!("{other}"),
            },
        );
    }
    zone
}

static AUTHENTICATOR: LazyLock<Authenticator> = LazyLock::new(|| Authenticator::new(Bounds::default()).unwrap());

/// Checks a mail that was delivered then, an hour later.
pub async fn check_at(resolver: &dyn Resolver, mail: &[u8], at: DateTime<Utc>) -> Auth {
    let mail = Mail::parse(mail);
    let trust = Trust { by: vec!["mx.example.net".to_owned()], ..Trust::default() };
    AUTHENTICATOR.check(&mail, &trust, resolver, Some(at), at + chrono::Duration::hours(1)).await
}

/// Checks a mail of the tables.
pub async fn check(resolver: &dyn Resolver, mail: &[u8]) -> Auth {
    check_at(resolver, mail, DateTime::from_timestamp(DELIVERED, 0).unwrap()).await
}

/// `0 pass | 1 fail: why`.
pub fn told(results: &[AuthResult]) -> String {
    let one = |r: &AuthResult| {
        let index = r.header_index.map(|i| format!("{i} ")).unwrap_or_default();
        let reason = r.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
        format!("{index}{}{reason}", r.result.as_str())
    };
    results.iter().map(one).collect::<Vec<_>>().join(" | ")
}
