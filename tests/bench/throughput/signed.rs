//! Mails as a large campaign gets them back: replies, bounces, automatic replies and complaints of 8 KiB, each signed
//! by its sender's domain and with the Received chain of three hops, and the zone that they pass with.

use super::harness::mail::{self, Size};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_auth::common::crypto::{RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{DkimSigner, Done};
use reply_ingest::auth::dns::{Record, Zone};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Domains of senders; each has a key of its own.
const DOMAINS: usize = 40;
/// What the receiving server is called: the mailbox's `trust.by`.
pub const RECEIVER: &str = "mx.campaigns.example";
const SIZE: usize = 8 * 1024;

/// Makes signed mails.
pub struct Senders {
    signers: Vec<DkimSigner<RsaKey<Sha256>, Done>>,
    pub zone: Zone,
}

fn domain(index: usize) -> String {
    format!("customers{}.example", index % DOMAINS)
}

impl Senders {
    pub fn new() -> Self {
        let mut zone = Zone::new();
        let signers = (0..DOMAINS)
            .map(|index| {
                let domain = domain(index);
                let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
                let der: Pkcs8V1Der<'_> = pair.as_der().expect("a key");
                let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.as_ref().to_vec()));
                let key = RsaKey::<Sha256>::from_key_der(der).expect("a key");
                let public = format!("v=DKIM1; k=rsa; p={}", STANDARD.encode(key.public_key()));
                let txt = |text: String| Record::Txt(text.into_bytes());
                zone.add(&format!("k1._domainkey.{domain}"), txt(public));
                zone.add(&domain, txt(format!("v=spf1 include:_spf.{domain} -all")));
                zone.add(&format!("_spf.{domain}"), txt("v=spf1 ip4:192.0.2.0/24 ~all".to_owned()));
                zone.add(&format!("out.{domain}"), txt("v=spf1 ip4:192.0.2.0/24 -all".to_owned()));
                zone.add(&format!("_dmarc.{domain}"), txt("v=DMARC1; p=reject".to_owned()));
                DkimSigner::from_key(key).domain(domain).selector("k1").headers([
                    "From",
                    "To",
                    "Subject",
                    "Date",
                    "Message-ID",
                    "In-Reply-To",
                    "Content-Type",
                ])
            })
            .collect();
        Self { signers, zone }
    }

    /// The mail of that number, as POP3 gives it.
    pub fn mail(&self, seed: u64, index: usize) -> Vec<u8> {
        let domain = domain(index);
        let written = mail::mail(seed, index, Size::About(SIZE));
        let text = String::from_utf8(written.wire).expect("is UTF-8").replace("customers.example", &domain);
        // What receivers wrote above it gives way to a chain of our own.
        let from = text.find("\r\nFrom:").map_or(0, |at| at + 2);
        let (above, mail) = text.split_at(from);
        let envelope = above.lines().find_map(|line| line.strip_prefix("Return-Path: ")).unwrap_or("<>");
        let signer = &self.signers[index % DOMAINS];
        let signature = signer.sign(mail.as_bytes()).expect("signs").to_header();
        let second = 10 + index % 40;
        let date = |later: usize| format!("Mon, 16 Nov 2026 09:12:{:02} +0000", second + later);
        let mut out = format!(
            "Return-Path: {envelope}\r\n\
             Received: from {RECEIVER} ({RECEIVER} [10.0.0.7])\r\n\tby store.campaigns.example (Dovecot) with LMTP id \
             q{index}\r\n\tfor <replies@campaigns.example>; {}\r\n\
             Received: from out.{domain} (out.{domain} [192.0.2.{}])\r\n\tby {RECEIVER} (Postfix) with ESMTPS id \
             4ABC{index}\r\n\tfor <replies@campaigns.example>; {} (UTC)\r\n",
            date(3),
            1 + index % 250,
            date(2),
        )
        .into_bytes();
        out.extend_from_slice(signature.as_bytes());
        out.extend_from_slice(
            format!(
                "Received: from desk{}.{domain} ([203.0.113.{}])\r\n\tby out.{domain} with ESMTPSA id s{index};\r\n\t{}\r\n",
                index % 7,
                1 + index % 250,
                date(0)
            )
            .as_bytes(),
        );
        out.extend_from_slice(mail.as_bytes());
        out
    }
}
