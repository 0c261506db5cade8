//! The key records of DKIM and ARC (RFC 6376 section 3.6.1, RFC 8301, RFC 8463).
//!
//! Takes a DNS answer; gives the key in mail-auth's form, or why there is none. mail-auth itself
//! ignores what h= and s= of a key say, and does not tell a short key from a wrong one.

use crate::auth::dkim::tags::{self, Tags};
use crate::auth::dns::{Answer, Code};
use crate::event::AuthWord;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_auth::common::crypto::{Algorithm, CryptoError, VerifyingKey};
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::dkim::Canonicalization;
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::{DnsError as MailAuthDns, Error, Txt};
use std::sync::Arc;

/// RSA keys below this size are never valid (RFC 8301 section 3.2).
const MIN_RSA_BITS: usize = 1024;
/// What the verifier takes at most.
const MAX_RSA_BITS: usize = 8192;
/// A longer record is no key: one of 8192 bits has about 1,500 octets.
const MAX_RECORD: usize = 16 * 1024;
/// Records at one name that are tried.
const MAX_RECORDS: usize = 5;

/// What a name in DNS says of a key.
#[derive(Clone)]
pub struct Key {
    pub txt: Txt,
    /// t=y: the signer is still testing.
    pub testing: bool,
    pub problem: Option<Problem>,
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    NoAnswer,
    Missing,
    Invalid(&'static str),
    Weak,
}

impl Problem {
    /// The word of RFC 8601 section 2.7.1, and the reason.
    pub const fn explain(self) -> (AuthWord, &'static str) {
        match self {
            Self::NoAnswer => (AuthWord::TempError, "the key could not be fetched"),
            Self::Missing => (AuthWord::PermError, "no key for the signature"),
            Self::Invalid(reason) => (AuthWord::PermError, reason),
            Self::Weak => (AuthWord::Policy, "the key has fewer than 1024 bits"),
        }
    }

    fn into_key(self) -> Key {
        let error = match self {
            Self::NoAnswer => MailAuthDns::Resolver(String::new()),
            Self::Missing => MailAuthDns::RecordNotFound(ResponseCode::NXDomain),
            Self::Invalid(_) | Self::Weak => MailAuthDns::InvalidRecordType,
        };
        Key { txt: Txt::Error(Error::Dns(error)), testing: false, problem: Some(self) }
    }
}

/// Reads the answer for a key's name. Several records are not allowed (RFC 6376 section 3.6.2.2), but
/// happen: while a key is changed, and where a wildcard puts other texts beside it. Section 6.1.2
/// lets each be tried, and the order in which DNS gives them must not decide.
pub fn read(answer: &Answer) -> Key {
    match answer.code {
        Code::ServFail | Code::TimedOut => return Problem::NoAnswer.into_key(),
        Code::NxDomain | Code::BadName => return Problem::Missing.into_key(),
        Code::NoError => {}
    }
    let mut keys = Vec::new();
    let mut testing = false;
    let mut first = None;
    for record in answer.txt().take(MAX_RECORDS) {
        match one(record) {
            Ok((key, is_test)) => {
                keys.push(key);
                testing |= is_test;
            }
            Err(problem) => first = first.or(Some(problem)),
        }
    }
    let f = keys.iter().fold(0, |f, key| f | key.f);
    let key = match (keys.len(), keys.pop()) {
        (0 | 1, None) => return first.unwrap_or(Problem::Missing).into_key(),
        (1, Some(key)) => key,
        (_, last) => {
            keys.extend(last);
            DomainKey { p: Box::new(OneOf(keys)), f }
        }
    };
    Key { txt: Txt::DomainKey(Arc::new(key)), testing, problem: None }
}

/// One record: the key, and whether it is a test.
fn one(record: &[u8]) -> Result<(DomainKey, bool), Problem> {
    if record.len() > MAX_RECORD {
        return Err(Problem::Invalid("the key record is longer than 16 KiB"));
    }
    let tags = Tags::parse_record(record).map_err(|_| Problem::Invalid("the key record is not valid"))?;
    // v= may be left out, but not be another or stand behind (RFC 6376 section 3.6.1).
    if tags.get("v").is_some_and(|v| v != "DKIM1" || tags.first() != Some(("v", "DKIM1"))) {
        return Err(Problem::Invalid("the key record is of an unknown version"));
    }
    let p = tags.get("p").ok_or(Problem::Invalid("the key record has no p="))?;
    if p.is_empty() {
        return Err(Problem::Invalid("the key is revoked"));
    }
    if tags.get("h").is_some_and(|h| !tags::words(h).any(|w| w.eq_ignore_ascii_case("sha256"))) {
        return Err(Problem::Invalid("the key is not for sha256"));
    }
    if tags.get("s").is_some_and(|s| !tags::words(s).any(|w| w == "*" || w.eq_ignore_ascii_case("email"))) {
        return Err(Problem::Invalid("the key is not for e-mail"));
    }
    let p = tags::base64(p).ok_or(Problem::Invalid("the key is not base64"))?;
    let (kind, p) = match tags.get("k").unwrap_or("rsa") {
        k if k.eq_ignore_ascii_case("rsa") => ("rsa", rsa(&p)?),
        k if k.eq_ignore_ascii_case("ed25519") && p.len() == 32 => ("ed25519", p.as_slice()),
        k if k.eq_ignore_ascii_case("ed25519") => return Err(Problem::Invalid("the ed25519 key has not 32 octets")),
        _ => return Err(Problem::Invalid("the key is of an unknown kind")),
    };
    let flag = |name: &str| tags.get("t").is_some_and(|t| tags::words(t).any(|w| w.eq_ignore_ascii_case(name)));
    // Written anew, so that mail-auth reads what was checked and nothing else.
    let strict = if flag("s") { " t=s;" } else { "" };
    let clean = format!("v=DKIM1; k={kind};{strict} p={}", STANDARD.encode(p));
    let key = DomainKey::parse(clean.as_bytes()).map_err(|_| Problem::Invalid("the key is not valid"))?;
    Ok((key, flag("y")))
}

/// The `RSAPublicKey` in `p`, which has it bare or in a `SubjectPublicKeyInfo` (RFC 6376 section 3.6.1,
/// erratum 3017), of a size that may be used.
fn rsa(p: &[u8]) -> Result<&[u8], Problem> {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 0x02;
    const BIT_STRING: u8 = 0x03;
    let bare = || {
        let (_, inside, _) = der(p).filter(|(tag, ..)| *tag == SEQUENCE)?;
        let (tag, _, rest) = der(inside)?;
        match tag {
            INTEGER => Some(p),
            SEQUENCE => {
                let (_, bits, _) = der(rest).filter(|(tag, ..)| *tag == BIT_STRING)?;
                bits.split_first().filter(|(unused, _)| **unused == 0).map(|(_, key)| key)
            }
            _ => None,
        }
    };
    let bits = |key: &[u8]| {
        let (_, inside, _) = der(key).filter(|(tag, ..)| *tag == SEQUENCE)?;
        let (_, modulus, _) = der(inside).filter(|(tag, ..)| *tag == INTEGER)?;
        let zeros = modulus.iter().take_while(|b| **b == 0).count();
        let top = modulus.get(zeros)?;
        Some((modulus.len() - zeros) * 8 - top.leading_zeros() as usize)
    };
    let key = bare().ok_or(Problem::Invalid("the key is no RSA key"))?;
    match bits(key) {
        None => Err(Problem::Invalid("the key is no RSA key")),
        Some(..MIN_RSA_BITS) => Err(Problem::Weak),
        Some(MIN_RSA_BITS..=MAX_RSA_BITS) => Ok(key),
        Some(_) => Err(Problem::Invalid("the key has more than 8192 bits")),
    }
}

/// One DER element: its tag, its contents, and what follows it.
fn der(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |n, b| n << 8 | usize::from(*b)), rest)
        }
        _ => return None,
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    Some((tag, inside, rest))
}

/// Several keys at one name: the signature must verify with one of them.
struct OneOf(Vec<DomainKey>);

impl VerifyingKey for OneOf {
    fn verify<'a>(
        &self,
        headers: &mut dyn Iterator<Item = (&'a [u8], &'a [u8])>,
        signature: &[u8],
        canonicalization: Canonicalization,
        algorithm: Algorithm,
    ) -> mail_auth::Result<()> {
        let mut data = Vec::new();
        canonicalization.canonicalize_headers(headers, &mut data);
        self.verify_bytes(&data, signature, algorithm)
    }

    fn verify_bytes(&self, input: &[u8], signature: &[u8], algorithm: Algorithm) -> mail_auth::Result<()> {
        let mut result = Err(Error::Crypto(CryptoError::IncompatibleAlgorithms));
        for key in &self.0 {
            match key.p.verify_bytes(input, signature, algorithm) {
                Ok(()) => return Ok(()),
                Err(Error::Crypto(CryptoError::IncompatibleAlgorithms)) => {}
                Err(error) => result = Err(error),
            }
        }
        result
    }
}
