//! The guards around mail-auth's DKIM, and its results in the words of RFC 8601.
//!
//! Takes the header fields of a mail; gives mail-auth a message with only those signatures that may
//! be verified, few enough, with bounded work for each; and turns what it finds into one result a
//! signature, in the order of the headers. mail-auth by itself lets SHA-1 pass, asks for no From in
//! h=, guesses what it cannot read, and hashes the body once for each of thousands of signatures.
//!
//! - Left out, with the signal `too_many_signatures`: more than the set number. Those that may be
//!   verified go first, of them those of the From domain, its parents and subdomains, then the topmost.
//! - Not verified, but reported: what [`signature`] refuses.
//! - l= that leaves a part of the body unsigned: the result stays, but DMARC does not count it, since
//!   anyone can have added that part (RFC 6376 section 8.2).
//! - A changed body is a fail whatever became of the key: nothing in DNS could heal it.

pub mod body;
mod fields;
mod signature;
pub mod tags;

pub use fields::{Field, fields, prune};
pub use signature::Clock;

use super::lookups::{Answers, key_name};
use crate::event::{AuthResult, AuthSignal, AuthWord};
use body::BodyHash;
use mail_auth::common::crypto::{CryptoError, HashAlgorithm};
use mail_auth::common::headers::Header;
use mail_auth::dkim::{Canonicalization, DkimError};
use mail_auth::{AuthenticatedMessage, DkimOutput, DkimResult, DnsError, Error};

/// Bodies hashed so far: form, l= and the hash.
pub type Hashes = Vec<(Canonicalization, Option<u64>, BodyHash)>;

/// The signatures of a mail after the guards.
#[derive(Default)]
pub struct Signatures {
    /// One for each signature in the message that mail-auth gets, in its order.
    tried: Vec<Tried>,
    refused: Vec<AuthResult>,
    pub signals: Vec<AuthSignal>,
}

struct Tried {
    index: u32,
    domain: String,
    selector: String,
    /// What l= signs of the body, if that is not all.
    part: Option<(u64, u64)>,
}

/// Puts the signatures that may be verified into `message`, at most `max`; `from` is the author's
/// domain.
pub fn prepare<'x>(
    fields: &[Field<'x>],
    message: &mut AuthenticatedMessage<'x>,
    hashes: &mut Hashes,
    max: usize,
    from: Option<&str>,
    clock: Clock,
) -> Signatures {
    let mut out = Signatures::default();
    let mut read: Vec<_> = fields
        .iter()
        .filter(|f| f.is("DKIM-Signature"))
        .zip(0_u32..)
        .map(|(field, index)| (index, field, signature::read(field.value, clock)))
        .collect();
    if read.len() > max {
        out.signals.push(AuthSignal::TooManySignatures);
        // The sort keeps the order of equals: the topmost first.
        read.sort_by_key(|(_, _, r)| {
            let is_author = |d: &str| from.is_some_and(|from| tags::is_within(d, from) || tags::is_within(from, d));
            match &r.claim {
                Ok(claim) => u8::from(!is_author(&claim.signature.d)),
                Err(_) => 2,
            }
        });
        read.truncate(max);
        read.sort_by_key(|(index, _, _)| *index);
    }
    let body = message.raw_message.get(message.body_offset as usize..).unwrap_or_default();
    let mut of_message = Vec::new();
    for (index, field, reading) in read {
        let refuse = |word, reason: &str| {
            let (domain, selector) = (reading.domain.as_deref(), reading.selector.as_deref());
            AuthResult { header_index: Some(index), ..result(word, domain, selector, Some(reason)) }
        };
        let claim = match reading.claim {
            Ok(claim) => claim,
            Err(refusal) => {
                if refusal.sha1 {
                    out.signals.push(AuthSignal::Sha1Signature);
                }
                out.refused.push(refuse(refusal.word, refusal.reason));
                continue;
            }
        };
        let found = find_hash(hashes, body, claim.signature.cb, claim.length);
        if claim.length.is_some_and(|l| l > found.total) {
            // RFC 6376 section 3.5: l= must not be larger than the canonical body.
            out.refused.push(refuse(AuthWord::PermError, "l= is longer than the body"));
            continue;
        }
        let mut signature = claim.signature;
        // mail-auth finds a body hash by this number, in which 0 stands for no l=.
        signature.l = claim.length.map_or(0, |l| if l == 0 { u64::MAX } else { l });
        let entry = (signature.cb, HashAlgorithm::Sha256, signature.l, found.digest.clone());
        if !of_message.contains(&entry) {
            of_message.push(entry);
        }
        out.tried.push(Tried {
            index,
            domain: signature.d.clone(),
            selector: signature.s.clone(),
            part: claim.length.filter(|l| *l < found.total).map(|l| (l, found.total)),
        });
        message.dkim_headers.push(Header { name: field.name, value: field.value, header: signature });
    }
    message.body_hashes.append(&mut of_message);
    out
}

/// The hash of the body in that form, made once.
pub fn find_hash<'h>(hashes: &'h mut Hashes, body: &[u8], form: Canonicalization, length: Option<u64>) -> &'h BodyHash {
    let at = hashes.iter().position(|(f, l, _)| *f == form && *l == length).unwrap_or_else(|| {
        hashes.push((form, length, body::hash(body, form, length)));
        hashes.len() - 1
    });
    // The entry is there: it was found or has just been put there.
    hashes.get(at).map_or(&EMPTY, |(_, _, hash)| hash)
}

static EMPTY: BodyHash = BodyHash { digest: Vec::new(), total: 0 };

impl Signatures {
    /// What mail-auth found, together with what was not given to it, in the order of the headers.
    pub fn verdicts(&mut self, outputs: &[DkimOutput<'_>], answers: &Answers) -> Vec<AuthResult> {
        let mut all = std::mem::take(&mut self.refused);
        for (output, tried) in outputs.iter().zip(&self.tried) {
            let name = key_name(&tried.selector, &tried.domain);
            let (word, mut reason) = match output.result() {
                DkimResult::Pass => (AuthWord::Pass, None),
                DkimResult::None => (AuthWord::None, None),
                DkimResult::Neutral(e) | DkimResult::Fail(e) | DkimResult::PermError(e) | DkimResult::TempError(e) => {
                    let (word, reason) = explain(e, answers, &name);
                    (word, Some(reason.to_owned()))
                }
            };
            if word == AuthWord::Pass
                && let Some((signed, total)) = tried.part
            {
                self.signals.push(AuthSignal::BodyLengthLimited);
                reason = Some(format!("only {signed} of {total} octets of the body are signed"));
            }
            if answers.is_testing(&name) {
                self.signals.push(AuthSignal::TestingKey);
            }
            all.push(AuthResult {
                header_index: Some(tried.index),
                ..result(word, Some(&tried.domain), Some(&tried.selector), reason.as_deref())
            });
        }
        all.sort_by_key(|r| r.header_index);
        all
    }

    /// The outputs that DMARC may count: a signature of the whole body that passes, or may yet.
    pub fn countable<'x>(&self, outputs: &[DkimOutput<'x>]) -> Vec<DkimOutput<'x>> {
        let counts = |output: &DkimOutput<'_>| matches!(output.result(), DkimResult::Pass | DkimResult::TempError(_));
        outputs
            .iter()
            .zip(&self.tried)
            .filter(|(output, tried)| counts(output) && tried.part.is_none())
            .map(|(output, _)| output.clone())
            .collect()
    }
}

/// The words of RFC 8601 section 2.7.1.
fn explain(error: &Error, answers: &Answers, key: &str) -> (AuthWord, &'static str) {
    match error {
        Error::Dkim(DkimError::FailedBodyHashMatch) => (AuthWord::Fail, "the body has changed"),
        Error::Dkim(DkimError::FailedAuidMatch) => (AuthWord::PermError, "i= does not fit the key's t=s"),
        Error::Dns(DnsError::Resolver(_)) => (AuthWord::TempError, "the key could not be fetched"),
        Error::Crypto(CryptoError::IncompatibleAlgorithms) => {
            (AuthWord::PermError, "the key is of another kind than a=")
        }
        Error::Crypto(_) => (AuthWord::Fail, "the signature does not verify"),
        _ => answers.key_problem(key).unwrap_or((AuthWord::PermError, "the key is not valid")),
    }
}

fn result(word: AuthWord, domain: Option<&str>, selector: Option<&str>, reason: Option<&str>) -> AuthResult {
    AuthResult {
        domain: domain.map(str::to_owned),
        selector: selector.map(str::to_owned),
        reason: reason.map(str::to_owned),
        ..AuthResult::new(word)
    }
}
