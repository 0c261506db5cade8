//! ARC: what a chain with listed sealers attests. The chains are sealed here, with keys made here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use mail_auth::arc::ArcSealer;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::{AuthenticatedMessage, AuthenticationResults, MessageAuthenticator, Parameters, ResolverCache, Txt};
use reply_ingest::auth::dns::{Record, Zone};
use reply_ingest::auth::{Authenticator, Bounds};
use reply_ingest::config::Trust;
use reply_ingest::event::{ArcAuth, AuthWord};
use reply_ingest::message::Mail;
use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Instant;

const MAIL: &str = "From: Ana <ana@a.example>\r\nTo: list@l1.example\r\nSubject: Hello\r\n\
Date: Mon, 16 Nov 2026 09:12:30 +0000\r\nMessage-ID: <1@a.example>\r\n\r\nHello.\r\n";

/// One key for every sealer.
struct Key {
    pkcs8: Vec<u8>,
    record: String,
}

impl Key {
    fn make() -> Self {
        let pkcs8 = Ed25519Key::generate_pkcs8().expect("a key");
        let public = Ed25519Key::from_pkcs8_der(&pkcs8).expect("a key").public_key();
        Self { pkcs8, record: format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(public)) }
    }

    /// Puts an ARC set of `domain` on top of a mail; `said` is the payload of its ARC-Authentication-Results.
    async fn seal(&self, mail: &str, domain: &str, said: &str) -> String {
        let verifier = MessageAuthenticator::new(
            ResolverConfig::from_parts(None, Vec::new(), Vec::new()),
            ResolverOpts::default(),
        )
        .expect("a verifier");
        let message = AuthenticatedMessage::parse(mail.as_bytes()).expect("a mail");
        let chain = verifier.verify_arc(Parameters::new(&message).with_txt_cache(self)).await;
        // mail-auth writes the name as it is given; a line fold in it would break its own seal.
        let results = AuthenticationResults::new(said);
        let set = ArcSealer::from_key(Ed25519Key::from_pkcs8_der(&self.pkcs8).expect("a key"))
            .domain(domain)
            .selector("s")
            .headers(["From", "To", "Subject", "Date", "Message-ID"])
            .seal(&message, &results, &chain)
            .expect("a set");
        set.to_header() + mail
    }
}

impl ResolverCache<Box<str>, Txt> for Key {
    fn get<Q: Hash + Eq + ?Sized>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        Some(Txt::DomainKey(Arc::new(DomainKey::parse(self.record.as_bytes()).expect("a record"))))
    }

    fn remove<Q: Hash + Eq + ?Sized>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

async fn arc_of(mail: &str, key: &Key, sealers: &[&str]) -> Option<ArcAuth> {
    let mut zone = Zone::new();
    for domain in ["l1.example", "l2.example", "l3.example", "sub.l3.example", "xl3.example"] {
        zone.add(&format!("s._domainkey.{domain}"), Record::Txt(key.record.clone().into_bytes()));
    }
    let trust = Trust { arc_sealers: sealers.iter().map(|&s| s.to_owned()).collect(), ..Trust::default() };
    let authenticator = Authenticator::new(Bounds::default()).expect("an authenticator");
    authenticator.check(&Mail::parse(mail.as_bytes()), &trust, &zone, None, Utc::now()).await.arc
}

fn said(number: u32) -> String {
    format!(
        "mx{number}.example; spf=pass smtp.mailfrom=a{number}.example; dmarc=pass (p=reject) \
         header.from=a{number}.example"
    )
}

#[tokio::test]
async fn what_listed_sealers_attest() {
    let key = Key::make();
    // the sealers, oldest first; those listed; the id of what is attested, "" for nothing
    let table: [(&[&str], &[&str], &str); 15] = [
        (&["l1.example"], &["l1.example"], "mx1.example"),
        (&["l1.example"], &["L1.Example"], "mx1.example"),
        (&["l1.example"], &[], ""),
        (&["l1.example"], &["l2.example"], ""),
        (&["l1.example"], &["example"], ""),
        (&["l1.example", "l2.example"], &["l2.example"], "mx2.example"),
        (&["l1.example", "l2.example"], &["l1.example"], ""),
        (&["l1.example", "l2.example"], &["l2.example", "l1.example"], "mx1.example"),
        (&["l1.example", "l2.example", "l3.example"], &["l1.example", "l3.example"], "mx3.example"),
        (&["l1.example", "l2.example", "l3.example"], &["l2.example", "l3.example"], "mx2.example"),
        (&["l1.example", "l1.example", "l2.example", "l1.example"], &["l1.example"], "mx4.example"),
        (&["sub.l3.example"], &["*.l3.example"], "mx1.example"),
        (&["l3.example"], &["*.l3.example"], ""),
        (&["xl3.example"], &["*.l3.example", "l3.example"], ""),
        (&["sub.l3.example"], &["l3.example"], ""),
    ];
    for (sealers, listed, expected) in table {
        let mut mail = MAIL.to_owned();
        for (domain, number) in sealers.iter().zip(1..) {
            mail = key.seal(&mail, domain, &said(number)).await;
        }
        let arc = arc_of(&mail, &key, listed).await.expect("a chain");
        assert_eq!(arc.result, AuthWord::Pass, "{sealers:?}");
        assert_eq!(arc.sets as usize, sealers.len());
        assert_eq!(arc.domain.as_deref(), sealers.last().copied());
        let got = arc.attested.as_ref().map(|a| a.authserv_id.clone().unwrap_or_default());
        assert_eq!(got.unwrap_or_default(), expected, "{sealers:?} {listed:?}");
        if let Some(attested) = &arc.attested {
            let domain = expected.replace("mx", "a");
            assert_eq!(attested.spf[0].domain.as_deref(), Some(domain.as_str()));
            assert_eq!(attested.dmarc[0].result, AuthWord::Pass);
        }
    }
}

#[tokio::test]
async fn a_chain_that_does_not_pass_attests_nothing() {
    let key = Key::make();
    let listed = ["l1.example", "l2.example"];
    let one = key.seal(MAIL, "l1.example", &said(1)).await;
    let two = key.seal(&one, "l2.example", &said(2)).await;
    // a change, its result
    let table = [
        ("as it is", two.clone(), AuthWord::Pass, true),
        ("another body", two.replace("Hello.", "Hello!"), AuthWord::Fail, false),
        ("another subject", two.replace("Subject: Hello", "Subject: Bye"), AuthWord::Fail, false),
        (
            "another statement in the first set",
            two.replace("smtp.mailfrom=a1", "smtp.mailfrom=b1"),
            AuthWord::Fail,
            false,
        ),
        (
            "another statement in the last set",
            two.replace("smtp.mailfrom=a2", "smtp.mailfrom=b2"),
            AuthWord::Fail,
            false,
        ),
        ("a stranger's set", two.replace("d=l1.example", "d=l9.example"), AuthWord::Fail, false),
        (
            "one set twice",
            one.replace("\r\nFrom:", &format!("\r\n{}From:", one.replace(MAIL, ""))),
            AuthWord::Fail,
            false,
        ),
    ];
    for (about, mail, word, attests) in table {
        let arc = arc_of(&mail, &key, &listed).await.expect("a chain");
        assert_eq!((arc.result, arc.attested.is_some()), (word, attests), "{about}");
    }
    assert_eq!(arc_of(MAIL, &key, &listed).await, None);
}

#[tokio::test]
async fn a_statement_that_cannot_be_read_is_not_replaced_by_a_later_one() {
    let key = Key::make();
    let listed = ["l1.example", "l2.example"];
    for odd in ["mx1.example 2; spf=pass", "mx1.example evil.example; spf=pass", "\"mx1.example; spf=pass"] {
        let one = key.seal(MAIL, "l1.example", odd).await;
        let two = key.seal(&one, "l2.example", &said(2)).await;
        let arc = arc_of(&two, &key, &listed).await.expect("a chain");
        assert_eq!((arc.result, arc.attested), (AuthWord::Pass, None), "{odd}");
    }
}
