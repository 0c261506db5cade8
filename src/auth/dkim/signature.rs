//! A DKIM-Signature header, read by the rules of RFC 6376 sections 3.5 and 6.1.1.
//!
//! mail-auth would skip or guess what is missing or wrong; so every rule is checked here, and only
//! a signature that keeps them all is handed to it.

use super::tags::{self, Tags};
use crate::event::AuthWord;
use mail_auth::common::crypto::Algorithm;
use mail_auth::dkim::Signature;

/// A longer header is not read. RSA keys of 4096 bits and long lists need a few thousand octets.
const MAX_FIELD: usize = 64 * 1024;
/// How far a signer's clock may be ahead of ours.
const CLOCK_SKEW: u64 = 600;
/// Octets of a SHA-256 hash.
const HASH: usize = 32;

/// A signature that can be tried.
pub struct Claim {
    pub signature: Signature,
    /// l=, the octets of the body that are signed.
    pub length: Option<u64>,
}

/// A signature that is not tried.
pub struct Refusal {
    pub word: AuthWord,
    pub reason: &'static str,
    pub sha1: bool,
}

/// What a signature is, and whose it says it is, as far as that can be read.
pub struct Reading {
    pub domain: Option<String>,
    pub selector: Option<String>,
    pub claim: Result<Claim, Refusal>,
}

/// When a signature is judged, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// When the mail was delivered.
    pub delivered: u64,
    pub now: u64,
}

/// Reads the header's value.
pub fn read(value: &[u8], clock: Clock) -> Reading {
    let invalid = |reason| Reading { domain: None, selector: None, claim: Err(error(reason)) };
    if value.len() > MAX_FIELD {
        return invalid("the signature is longer than 64 KiB");
    }
    match Tags::parse(value) {
        Err(reason) => invalid(reason),
        Ok(found) => Reading {
            domain: found.get("d").and_then(tags::domain),
            selector: found.get("s").and_then(tags::domain),
            claim: claim(&found, clock),
        },
    }
}

const fn error(reason: &'static str) -> Refusal {
    Refusal { word: AuthWord::PermError, reason, sha1: false }
}

#[allow(clippy::many_single_char_names, reason = "RFC 6376 names the tags so")]
fn claim(tags: &Tags<'_>, clock: Clock) -> Result<Claim, Refusal> {
    if tags.get("v") != Some("1") {
        return Err(error("v= is not 1"));
    }
    let need = |name: &str, reason: &'static str| tags.get(name).ok_or_else(|| error(reason));
    let a = need("a", "a= is missing")?;
    let b = need("b", "b= is missing")?;
    let bh = need("bh", "bh= is missing")?;
    let d = need("d", "d= is missing")?;
    let h = need("h", "h= is missing")?;
    let s = need("s", "s= is missing")?;

    let a = tags::algorithm(a).ok_or_else(|| error("a= names an unknown algorithm"))?;
    if a == Algorithm::RsaSha1 {
        // RFC 8301 section 3.1: never valid, whatever the key says.
        return Err(Refusal { word: AuthWord::Policy, reason: "rsa-sha1 is not accepted", sha1: true });
    }
    let d = tags::domain(d).ok_or_else(|| error("d= is no domain name"))?;
    let s = tags::domain(s).ok_or_else(|| error("s= is no selector"))?;
    let (ch, cb) =
        tags::canonicalization(tags.get("c")).ok_or_else(|| error("c= names an unknown canonicalization"))?;
    let h = tags::names(h).filter(|names| !names.is_empty()).ok_or_else(|| error("h= is not valid"))?;
    if !h.iter().any(|name| name.eq_ignore_ascii_case("From")) {
        return Err(error("From is not signed"));
    }
    let i = match tags.get("i") {
        None => String::new(),
        Some(i) => identity(i, &d).ok_or_else(|| error("i= is not within d="))?,
    };
    if tags.get("q").is_some_and(|q| !tags::words(q).any(|method| method.eq_ignore_ascii_case("dns/txt"))) {
        return Err(error("q= names no known way to the key"));
    }
    let number = |name: &str, reason: &'static str| match tags.get(name) {
        None => Ok(None),
        Some(value) => tags::number(value).map(Some).ok_or_else(|| error(reason)),
    };
    let t = number("t", "t= is no number")?;
    let x = number("x", "x= is no number")?;
    let length = number("l", "l= is no number")?;
    let b = tags::base64(b).ok_or_else(|| error("b= is not base64"))?;
    let bh = tags::base64(bh).filter(|h| h.len() == HASH).ok_or_else(|| error("bh= is no SHA-256 hash"))?;
    times(t, x, clock)?;
    Ok(Claim { signature: Signature { v: 1, a, d, s, b, bh, h, i, ch, cb, ..Signature::default() }, length })
}

/// x= is judged when the mail was delivered, so that it does not expire while it waits or is replayed.
fn times(t: Option<u64>, x: Option<u64>, clock: Clock) -> Result<(), Refusal> {
    if let (Some(t), Some(x)) = (t, x)
        && x <= t
    {
        return Err(error("x= is not later than t="));
    }
    if x.is_some_and(|x| x < clock.delivered) {
        let reason = "the signature had expired at delivery";
        return Err(Refusal { word: AuthWord::Fail, reason, sha1: false });
    }
    // RFC 6376 section 3.5 lets a verifier ignore a signature from the future. An ignored one "could not be
    // processed", which is neutral (RFC 8601 section 2.7.1): clocks go wrong, and no rule is broken. The time of delivery
    // alone is no measure, as the newest Received line may be of a host with a wrong clock, or not be ours.
    if t.is_some_and(|t| t > clock.delivered.max(clock.now).saturating_add(CLOCK_SKEW)) {
        return Err(Refusal { word: AuthWord::Neutral, reason: "t= is in the future", sha1: false });
    }
    Ok(())
}

/// The domain of i= behind its `@`, if that is d= or below it. The local part says nothing here.
fn identity(value: &str, d: &str) -> Option<String> {
    let text = unquote(value)?;
    let (_, domain) = text.rsplit_once('@')?;
    let domain = tags::domain(domain)?;
    tags::is_within(&domain, d).then(|| format!("@{domain}"))
}

/// DKIM's quoted-printable (RFC 6376 section 2.11): `=` and two digits, white space without meaning.
fn unquote(value: &str) -> Option<String> {
    let mut bytes = value.bytes().filter(|b| !b.is_ascii_whitespace());
    let mut out = Vec::with_capacity(value.len());
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    while let Some(byte) = bytes.next() {
        if byte == b'=' {
            out.push(digit(bytes.next()?)? * 16 + digit(bytes.next()?)?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}
