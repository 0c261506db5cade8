//! The form of an ARC chain (RFC 8617 sections 4.1 and 5.2), checked before anything is verified.
//!
//! Takes the header fields of a mail; gives mail-auth the chain, or says in a few words why there
//! can be none. mail-auth skips tags it cannot read, and hashes the body for every message
//! signature although only the newest is ever verified.
//!
//! The order of the checks: number of headers; form of every header; each instance from 1 on once
//! and complete; what each seal says of the chain before it; then the newest message signature.

use crate::auth::dkim::tags::{self, Tags};
use crate::auth::dkim::{Field, Hashes, find_hash};
use crate::event::{ArcAuth, AuthWord};
use mail_auth::arc::{ChainValidation, Results, Seal, Signature};
use mail_auth::common::crypto::{Algorithm, HashAlgorithm};
use mail_auth::common::headers::Header;
use mail_auth::dkim::Canonicalization;
use mail_auth::{ArcOutput, AuthenticatedMessage, DkimResult, DnsError, Error};

/// A chain longer than this fails (RFC 8617 section 4.2.1).
const MAX_SETS: usize = 50;
/// A longer header is not read.
const MAX_FIELD: usize = 64 * 1024;
/// Octets of a SHA-256 hash.
const HASH: usize = 32;

#[derive(Default)]
struct Chain<'x> {
    results: Vec<Header<'x, Results>>,
    signatures: Vec<Header<'x, Signature>>,
    seals: Vec<Header<'x, Seal>>,
}

/// Puts the chain into `message`, or gives the result of one that can only fail. Neither where
/// there is no ARC header. `at` is the time of delivery in seconds.
pub fn prepare<'x>(
    fields: &[Field<'x>],
    message: &mut AuthenticatedMessage<'x>,
    hashes: &mut Hashes,
    at: u64,
) -> Option<ArcAuth> {
    let count = |name: &str| fields.iter().filter(|f| f.is(name)).count();
    let counts = [count("ARC-Seal"), count("ARC-Message-Signature"), count("ARC-Authentication-Results")];
    let sets = counts.into_iter().max().unwrap_or_default();
    if sets == 0 {
        return None;
    }
    let failed = |reason: &str, newest: Option<&Seal>| {
        Some(ArcAuth {
            result: AuthWord::Fail,
            domain: newest.map(|s| s.d.clone()),
            selector: newest.map(|s| s.s.clone()),
            sets: u32::try_from(sets).unwrap_or(u32::MAX),
            attested: None,
            reason: Some(reason.to_owned()),
        })
    };
    if sets > MAX_SETS {
        return failed("the chain is longer than 50 sets", None);
    }
    let chain = match read(fields) {
        Ok(chain) => chain,
        Err(reason) => return failed(reason, None),
    };
    if let Err(reason) = sequence(&chain, at) {
        return failed(reason, chain.seals.last().map(|s| &s.header));
    }
    if let Some(newest) = chain.signatures.last().map(|h| &h.header) {
        let hash = find_hash(hashes, message.raw_body(), newest.cb, None).digest.clone();
        message.body_hashes.push((newest.cb, HashAlgorithm::Sha256, 0, hash));
    }
    message.aar_headers = chain.results;
    message.ams_headers = chain.signatures;
    message.as_headers = chain.seals;
    for signature in &mut message.ams_headers {
        // Judged already, at the time of delivery and not by today's clock.
        signature.header.x = 0;
    }
    None
}

/// Reads every header of the chain, and sorts each kind by instance.
fn read<'x>(fields: &[Field<'x>]) -> Result<Chain<'x>, &'static str> {
    fn entry<'x, T>(field: &Field<'x>, header: T) -> Header<'x, T> {
        Header { name: field.name, value: field.value, header }
    }
    let mut chain = Chain::default();
    for field in fields {
        let (seal, signature, results) =
            (field.is("ARC-Seal"), field.is("ARC-Message-Signature"), field.is("ARC-Authentication-Results"));
        if (seal || signature || results) && field.value.len() > MAX_FIELD {
            return Err("an ARC header is longer than 64 KiB");
        }
        if seal {
            let tags = Tags::parse(field.value).map_err(|_| "ARC-Seal: the tags are not valid")?;
            chain.seals.push(entry(field, read_seal(&tags)?));
        } else if signature {
            let tags = Tags::parse(field.value).map_err(|_| "ARC-Message-Signature: the tags are not valid")?;
            chain.signatures.push(entry(field, read_signature(&tags)?));
        } else if results {
            let i = leading_instance(field.value).ok_or("ARC-Authentication-Results: i= is not valid")?;
            chain.results.push(entry(field, Results { i }));
        }
    }
    chain.seals.sort_by_key(|h| h.header.i);
    chain.signatures.sort_by_key(|h| h.header.i);
    chain.results.sort_by_key(|h| h.header.i);
    Ok(chain)
}

fn read_seal(tags: &Tags<'_>) -> Result<Seal, &'static str> {
    if tags.get("h").is_some() {
        return Err("ARC-Seal: h= is not allowed");
    }
    Ok(Seal {
        i: tags.get("i").and_then(instance).ok_or("ARC-Seal: i= is not valid")?,
        a: tags.get("a").and_then(accepted).ok_or("ARC-Seal: a= is not valid")?,
        b: tags.get("b").and_then(tags::base64).ok_or("ARC-Seal: b= is not valid")?,
        d: tags.get("d").and_then(tags::domain).ok_or("ARC-Seal: d= is not valid")?,
        s: tags.get("s").and_then(tags::domain).ok_or("ARC-Seal: s= is not valid")?,
        t: time(tags, "t").ok_or("ARC-Seal: t= is not valid")?,
        cv: match tags.get("cv") {
            Some(cv) if cv.eq_ignore_ascii_case("none") => ChainValidation::None,
            Some(cv) if cv.eq_ignore_ascii_case("pass") => ChainValidation::Pass,
            Some(cv) if cv.eq_ignore_ascii_case("fail") => ChainValidation::Fail,
            _ => return Err("ARC-Seal: cv= is not valid"),
        },
    })
}

fn read_signature(tags: &Tags<'_>) -> Result<Signature, &'static str> {
    let h = tags.get("h").and_then(tags::names).ok_or("ARC-Message-Signature: h= is not valid")?;
    // RFC 8617 section 4.1.2: the seals are made after it and sign it.
    if h.iter().any(|name| name.eq_ignore_ascii_case("ARC-Seal")) {
        return Err("ARC-Message-Signature: h= has ARC-Seal");
    }
    // A part of the body that nobody signed is no ground to believe the rest.
    if tags.get("l").is_some() {
        return Err("ARC-Message-Signature: l= is not accepted");
    }
    let (ch, cb) = tags::canonicalization(tags.get("c")).ok_or("ARC-Message-Signature: c= is not valid")?;
    Ok(Signature {
        i: tags.get("i").and_then(instance).ok_or("ARC-Message-Signature: i= is not valid")?,
        a: tags.get("a").and_then(accepted).ok_or("ARC-Message-Signature: a= is not valid")?,
        b: tags.get("b").and_then(tags::base64).ok_or("ARC-Message-Signature: b= is not valid")?,
        bh: tags
            .get("bh")
            .and_then(tags::base64)
            .filter(|hash| hash.len() == HASH)
            .ok_or("ARC-Message-Signature: bh= is not valid")?,
        d: tags.get("d").and_then(tags::domain).ok_or("ARC-Message-Signature: d= is not valid")?,
        s: tags.get("s").and_then(tags::domain).ok_or("ARC-Message-Signature: s= is not valid")?,
        t: time(tags, "t").ok_or("ARC-Message-Signature: t= is not valid")?,
        x: time(tags, "x").ok_or("ARC-Message-Signature: x= is not valid")?,
        h,
        ch,
        cb,
        ..Signature::default()
    })
}

/// RFC 8617 section 5.2 up to where keys are needed.
fn sequence(chain: &Chain<'_>, at: u64) -> Result<(), &'static str> {
    let seals: Vec<u32> = chain.seals.iter().map(|h| h.header.i).collect();
    let signatures: Vec<u32> = chain.signatures.iter().map(|h| h.header.i).collect();
    let results: Vec<u32> = chain.results.iter().map(|h| h.header.i).collect();
    let sets = seals.len().max(signatures.len()).max(results.len());
    // First who has an instance twice or left one out, then who has too few.
    for least in [0, sets] {
        let is_complete = |found: &[u32]| found.len() >= least && found.iter().zip(1..).all(|(i, want)| *i == want);
        if !is_complete(&seals) {
            return Err("the ARC-Seals are not one for each instance");
        }
        if !is_complete(&signatures) {
            return Err("the ARC-Message-Signatures are not one for each instance");
        }
        if !is_complete(&results) {
            return Err("the ARC-Authentication-Results are not one for each instance");
        }
    }
    if chain.seals.last().is_some_and(|h| h.header.cv == ChainValidation::Fail) {
        return Err("the newest sealer says that the chain had failed");
    }
    for (position, seal) in chain.seals.iter().enumerate() {
        let want = if position == 0 { ChainValidation::None } else { ChainValidation::Pass };
        if seal.header.cv != want {
            return Err(if position == 0 {
                "the first seal's cv= is not none"
            } else {
                "a later seal's cv= is not pass"
            });
        }
    }
    if let Some(newest) = chain.signatures.last().map(|h| &h.header) {
        if newest.x != 0 && newest.x <= newest.t {
            return Err("ARC-Message-Signature: x= is not later than t=");
        }
        if newest.x != 0 && newest.x < at {
            return Err("ARC-Message-Signature: it had expired at delivery");
        }
    }
    Ok(())
}

/// The same message for a second try, where the newest message signature has no c= and did not
/// pass. Without c= it is simple/simple as in DKIM; but signers that leave it out, and the public
/// validation suite with them, mean relaxed/relaxed.
pub fn relaxed<'x>(
    message: &AuthenticatedMessage<'x>,
    hashes: &mut Hashes,
    output: &ArcOutput<'_>,
) -> Option<AuthenticatedMessage<'x>> {
    let newest = message.ams_headers.last()?;
    if *output.result() == DkimResult::Pass || Tags::parse(newest.value).ok()?.get("c").is_some() {
        return None;
    }
    let hash = find_hash(hashes, message.raw_body(), Canonicalization::Relaxed, None).digest.clone();
    let mut second = message.clone();
    second.body_hashes.push((Canonicalization::Relaxed, HashAlgorithm::Sha256, 0, hash));
    let newest = &mut second.ams_headers.last_mut()?.header;
    (newest.ch, newest.cb) = (Canonicalization::Relaxed, Canonicalization::Relaxed);
    Some(second)
}

/// What mail-auth's result means, closer than its word.
pub fn reason(output: &ArcOutput<'_>) -> Option<&'static str> {
    use mail_auth::arc::ArcError;
    match output.result() {
        DkimResult::Pass | DkimResult::None => None,
        DkimResult::Neutral(e) | DkimResult::Fail(e) | DkimResult::PermError(e) | DkimResult::TempError(e) => {
            Some(match e {
                Error::Arc(ArcError::FailedBodyHashMatch) => "the body has changed since the newest set",
                Error::Dns(DnsError::Resolver(_)) => "a key could not be fetched",
                Error::Dns(DnsError::RecordNotFound(_)) => "no key for a signature of the chain",
                Error::Dns(_) | Error::Dkim(_) => "a key of the chain is not valid",
                _ => "a signature of the chain does not verify",
            })
        }
    }
}

/// i=: 1 to 50 (RFC 8617 section 4.2.1).
fn instance(value: &str) -> Option<u32> {
    let number = tags::number(value).filter(|_| value.len() <= 2)?;
    u32::try_from(number).ok().filter(|i| (1..=50).contains(i))
}

/// The instance with which ARC-Authentication-Results must begin: `i=1;` (RFC 8617 section 4.1.1).
fn leading_instance(value: &[u8]) -> Option<u32> {
    let (head, _) = value.split_at_checked(memchr::memchr(b';', value)?)?;
    let tags = Tags::parse(head).ok()?;
    instance(tags.get("i")?)
}

/// An algorithm that may seal: SHA-1 never was one.
fn accepted(value: &str) -> Option<Algorithm> {
    tags::algorithm(value).filter(|a| *a != Algorithm::RsaSha1)
}

/// A time that may be left out, which is 0 then, but not be empty.
fn time(tags: &Tags<'_>, name: &str) -> Option<u64> {
    tags.get(name).map_or(Some(0), tags::number)
}
