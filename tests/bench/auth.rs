//! How many mails a core checks in a second with a warm cache: parsing, SPF, DKIM, DMARC. `cargo bench --bench auth`.

#![allow(clippy::expect_used, reason = "a benchmark")]

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;
use reply_ingest::auth::dns::{Cached, Record, Retried, Retries, Zone};
use reply_ingest::auth::{Authenticator, Bounds};
use reply_ingest::config::Trust;
use reply_ingest::event::AuthWord;
use reply_ingest::message::Mail;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::hint::black_box;
use std::time::Duration;

/// The program's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const FROM: &str = "customer.example";

/// A reply of about `size` octets, without a signature.
fn mail(size: usize) -> Vec<u8> {
    let mut out = format!(
        "From: Ana <ana@{FROM}>\r\nTo: replies@campaigns.example\r\nSubject: Re: Your offer\r\n\
         Date: Mon, 16 Nov 2026 09:12:31 +0000\r\nMessage-ID: <m1@{FROM}>\r\n\
         In-Reply-To: <c1.s1@campaigns.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n"
    );
    while out.len() < size {
        out.push_str("Thank you, this is the line that is repeated until the mail is long enough.\r\n");
    }
    out.into_bytes()
}

/// What the receiving server writes above.
fn received(signed: &[u8]) -> Vec<u8> {
    let mut out = format!(
        "Return-Path: <ana@{FROM}>\r\n\
         Received: from mx.campaigns.example by store.campaigns.example with LMTP id 7; Mon, 16 Nov 2026 09:12:34 +0000\r\n\
         Received: from out.{FROM} (out.{FROM} [192.0.2.10])\r\n\tby mx.campaigns.example (Postfix) with ESMTPS id 4ABC\r\n\
         \tfor <replies@campaigns.example>; Mon, 16 Nov 2026 09:12:33 +0000 (UTC)\r\n"
    )
    .into_bytes();
    out.extend_from_slice(signed);
    out
}

fn sign<K: mail_auth::common::crypto::SigningKey>(key: K, mail: &[u8]) -> Vec<u8> {
    let signature = DkimSigner::from_key(key)
        .domain(FROM)
        .selector("k1")
        .headers(["From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "Content-Type"])
        .sign(mail)
        .expect("signs");
    [signature.to_header().as_bytes(), mail].concat()
}

fn rsa() -> (RsaKey<Sha256>, String) {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("a key");
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.as_ref().to_vec()));
    let key = RsaKey::<Sha256>::from_key_der(der).expect("a key");
    let record = format!("v=DKIM1; k=rsa; p={}", STANDARD.encode(key.public_key()));
    (key, record)
}

fn ed25519() -> (Ed25519Key, String) {
    let key = Ed25519Key::from_pkcs8_der(&Ed25519Key::generate_pkcs8().expect("a key")).expect("a key");
    let public = STANDARD.encode(key.public_key());
    (key, format!("v=DKIM1; k=ed25519; p={public}"))
}

fn check(c: &mut Criterion) {
    let mut group = c.benchmark_group("auth");
    let cases: [(&str, Vec<u8>, Option<String>); 4] = [
        ("rsa-2048, 4 kB", mail(4_000), Some("rsa".to_owned())),
        ("ed25519, 4 kB", mail(4_000), Some("ed25519".to_owned())),
        ("rsa-2048, 95 kB", mail(95_000), Some("rsa".to_owned())),
        ("not signed, 4 kB", mail(4_000), None),
    ];
    let trust =
        Trust { by: vec!["mx.campaigns.example".to_owned(), "store.campaigns.example".to_owned()], ..Trust::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (name, mail, kind) in cases {
        let (mail, record) = match kind.as_deref() {
            Some("rsa") => {
                let (key, record) = rsa();
                (sign(key, &mail), record)
            }
            Some(_) => {
                let (key, record) = ed25519();
                (sign(key, &mail), record)
            }
            None => (mail, String::new()),
        };
        let mail = received(&mail);
        let mut zone = Zone::new();
        zone.add(FROM, Record::Txt(b"v=spf1 include:_spf.customer.example -all".to_vec()));
        zone.add("_spf.customer.example", Record::Txt(b"v=spf1 ip4:192.0.2.0/24 ~all".to_vec()));
        zone.add("_dmarc.customer.example", Record::Txt(b"v=DMARC1; p=reject".to_vec()));
        zone.add("k1._domainkey.customer.example", Record::Txt(record.into_bytes()));
        let retries = Retries { times: 1, timeout: Duration::from_secs(1), budget: Duration::from_mins(1) };
        let resolver = Cached::new(Retried::new(zone, retries));
        let authenticator = Authenticator::new(Bounds::default()).expect("an authenticator");
        // The signer writes the time of today.
        let now = Utc::now();
        let once = || {
            let mail = Mail::parse(&mail);
            runtime.block_on(authenticator.check(&mail, &trust, &resolver, None, now))
        };
        let auth = once();
        let words = (auth.spf.map(|r| r.result), auth.dmarc.map(|r| r.result), auth.dkim.len());
        assert_eq!(words, (Some(AuthWord::Pass), Some(AuthWord::Pass), usize::from(kind.is_some())), "{name}");
        assert!(auth.dkim.iter().all(|r| r.result == AuthWord::Pass), "{:?}", auth.dkim);
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(name), |b| b.iter(|| black_box(once())));
    }
    group.finish();
}

criterion_group!(benches, check);
criterion_main!(benches);
