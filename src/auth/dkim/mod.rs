//! The guards around mail-auth's DKIM, and its results in the words of RFC 8601.

use super::lookups::Answers;
use crate::event::{AuthResult, AuthWord};
use crate::message::Mail;
use chrono::{DateTime, Utc};
use mail_auth::common::crypto::Algorithm;
use mail_auth::dkim::DkimError;
use mail_auth::{AuthenticatedMessage, DkimOutput, DkimResult, DnsError, Error};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A mail with no more signatures than will be checked.
pub struct Limited<'a> {
    pub bytes: Cow<'a, [u8]>,
    /// Whether some were left out.
    pub cut: bool,
}

/// Takes surplus DKIM-Signature fields out, before anything hashes the body once for each of them.
/// Those of the From domain are kept first, then the topmost.
pub fn limit<'a>(mail: &'a Mail<'_>, max: usize) -> Limited<'a> {
    let bytes = mail.raw();
    let fields: Vec<_> =
        mail.message().headers().iter().filter(|h| h.name.as_str().eq_ignore_ascii_case("DKIM-Signature")).collect();
    if fields.len() <= max {
        return Limited { bytes: Cow::Borrowed(bytes), cut: false };
    }
    let from = mail.from().map(|a| a.domain().to_owned()).unwrap_or_default();
    let is_author = |h: &mail_parser::Header<'_>| {
        !from.is_empty()
            && bytes
                .get(h.offset_start as usize..h.offset_end as usize)
                .is_some_and(|v| memchr::memmem::find(v, from.as_bytes()).is_some())
    };
    let mut order: Vec<usize> = (0..fields.len()).collect();
    order.sort_by_key(|&i| !fields.get(i).is_some_and(|h| is_author(h)));
    let kept: BTreeSet<usize> = order.into_iter().take(max).collect();
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for (i, field) in fields.iter().enumerate() {
        if !kept.contains(&i) {
            out.extend_from_slice(bytes.get(from..field.offset_field as usize).unwrap_or_default());
            from = field.offset_end as usize;
        }
    }
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
    Limited { bytes: Cow::Owned(out), cut: true }
}

/// A signature that is not even tried.
pub struct Refused {
    pub sha1: bool,
    pub result: AuthResult,
}

/// Takes out of `message` what must not be verified: SHA-1 (RFC 8301 section 3.1), and signatures
/// that had expired when the mail was delivered. What is left cannot expire by today's clock, nor
/// ask for more DNS than we fetched (reports, ATPS).
pub fn refuse(message: &mut AuthenticatedMessage<'_>, judged_at: DateTime<Utc>) -> Vec<Refused> {
    let at = u64::try_from(judged_at.timestamp()).unwrap_or(0);
    let mut refused = Vec::new();
    message.dkim_headers.retain_mut(|header| {
        let signature = &mut header.header;
        let problem = if signature.a == Algorithm::RsaSha1 {
            Some((AuthWord::Policy, "rsa-sha1 is not accepted"))
        } else if signature.x != 0 && signature.x <= signature.t {
            Some((AuthWord::PermError, "x= is not later than t="))
        } else if signature.x != 0 && signature.x < at {
            Some((AuthWord::Fail, "the signature had expired at delivery"))
        } else {
            None
        };
        signature.x = 0;
        signature.r = false;
        signature.atps = None;
        if let Some((word, reason)) = problem {
            refused.push(Refused {
                sha1: signature.a == Algorithm::RsaSha1,
                result: result(word, Some(&signature.d), Some(&signature.s), Some(reason)),
            });
        }
        problem.is_none()
    });
    refused
}

/// A DKIM result in the words of RFC 8601 section 2.7.1.
pub fn verdict(output: &DkimOutput<'_>, answers: &Answers) -> AuthResult {
    let signature = output.signature();
    let (word, reason) = match output.result() {
        DkimResult::Pass => (AuthWord::Pass, None),
        DkimResult::None => (AuthWord::None, None),
        DkimResult::Neutral(e) | DkimResult::Fail(e) | DkimResult::PermError(e) | DkimResult::TempError(e) => {
            let (word, reason) = explain(e, answers);
            (word, Some(reason))
        }
    };
    result(word, signature.map(|s| s.d.as_str()), signature.map(|s| s.s.as_str()), reason)
}

fn explain(error: &Error, answers: &Answers) -> (AuthWord, &'static str) {
    match error {
        Error::Dns(DnsError::Resolver(_)) => (AuthWord::TempError, "the key could not be fetched"),
        Error::Dns(DnsError::RecordNotFound(_)) => (AuthWord::PermError, "no key for the signature"),
        Error::Dns(DnsError::InvalidRecordType) => (AuthWord::PermError, "the key record is not valid"),
        Error::Dkim(DkimError::RevokedPublicKey) => (AuthWord::PermError, "the key is revoked"),
        Error::Dkim(DkimError::FailedBodyHashMatch) => (AuthWord::Fail, "the body has changed"),
        Error::Dkim(DkimError::FailedAuidMatch) => (AuthWord::PermError, "i= does not fit the key's t=s"),
        Error::Dkim(_) => (AuthWord::PermError, "the signature is not valid"),
        Error::Crypto(_) if answers.weak_key => (AuthWord::Policy, "the key has fewer than 1024 bits"),
        Error::Crypto(_) => (AuthWord::Fail, "the signature does not verify"),
        _ => (AuthWord::PermError, "the signature or its key is not valid"),
    }
}

pub(super) fn result(word: AuthWord, domain: Option<&str>, selector: Option<&str>, reason: Option<&str>) -> AuthResult {
    AuthResult {
        // No name is longer (RFC 1035 section 2.3.4); a signature may say anything.
        domain: domain.map(|d| d.chars().take(255).collect()),
        selector: selector.map(|s| s.chars().take(255).collect()),
        reason: reason.map(str::to_owned),
        ..AuthResult::new(word)
    }
}
