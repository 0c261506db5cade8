//! The ARC chain (RFC 8617): reported, and relied on only for listed sealers.
//!
//! A chain that passes says that nobody changed what its sealers wrote; it does not say that they
//! wrote the truth. A sealer that is not listed could have made up everything that lies before its
//! own seal. So what counts is the unbroken run of listed sealers at the newest end of the chain, and
//! of that run the oldest one: it took the mail from outside, the later ones from each other.

use super::authres;
use crate::event::{ArcAuth, AuthWord, ReceiverAuth};
use mail_auth::common::crypto::Algorithm;
use mail_auth::{ArcOutput, AuthenticatedMessage, DkimResult};

/// A chain longer than this fails (RFC 8617 section 5.1.1); its keys are not even asked for.
const MAX_ARC: usize = 50;

/// Takes a chain out that can only fail; gives its result then.
pub fn refuse_arc(message: &mut AuthenticatedMessage<'_>) -> Option<ArcAuth> {
    let sets = message.ams_headers.len().max(message.as_headers.len()).max(message.aar_headers.len());
    if sets <= MAX_ARC {
        return None;
    }
    message.ams_headers.clear();
    message.as_headers.clear();
    message.aar_headers.clear();
    Some(ArcAuth {
        result: AuthWord::Fail,
        domain: None,
        selector: None,
        sets: u32::try_from(sets).unwrap_or(u32::MAX),
        attested: None,
        reason: Some("the chain is longer than 50 sets".to_owned()),
    })
}

/// The ARC chain's result, and what the sealers of `trust.arc_sealers` attest.
pub fn arc_verdict(output: &ArcOutput<'_>, sealers: &[String]) -> ArcAuth {
    let (word, reason) = match output.result() {
        DkimResult::Pass if has_sha1(output) => (AuthWord::Fail, Some("the chain uses rsa-sha1")),
        DkimResult::Pass => (AuthWord::Pass, None),
        DkimResult::None => (AuthWord::None, None),
        DkimResult::TempError(_) => (AuthWord::TempError, Some("a key could not be fetched")),
        DkimResult::Neutral(_) | DkimResult::Fail(_) | DkimResult::PermError(_) => {
            (AuthWord::Fail, Some("the chain does not verify"))
        }
    };
    let newest = output.sets().last().map(|s| &s.seal.header);
    ArcAuth {
        result: word,
        domain: newest.map(|s| s.d.chars().take(255).collect()),
        selector: newest.map(|s| s.s.chars().take(255).collect()),
        sets: u32::try_from(output.sets().len()).unwrap_or(u32::MAX),
        attested: if word == AuthWord::Pass { attested(output, sealers) } else { None },
        reason: reason.map(str::to_owned),
    }
}

/// SHA-1 is never good (RFC 8301 section 3.1, which RFC 8617 section 4.1.2 takes over); mail-auth lets it pass.
fn has_sha1(output: &ArcOutput<'_>) -> bool {
    let sha1 = |a| matches!(a, Algorithm::RsaSha1);
    output.sets().iter().any(|set| sha1(set.seal.header.a) || sha1(set.signature.header.a))
}

/// The statement of the oldest listed sealer that no other stands behind. The sets come oldest first.
fn attested(output: &ArcOutput<'_>, sealers: &[String]) -> Option<ReceiverAuth> {
    let run = output.sets().iter().rev().take_while(|set| is_listed(&set.seal.header.d, sealers));
    let oldest = run.last()?;
    let value = String::from_utf8_lossy(oldest.results.value);
    let (instance, statement) = authres::parse_arc(&value)?;
    // mail-auth takes the instance wherever it stands in the header.
    (instance == oldest.seal.header.i).then(|| authres::joined(&[statement])).flatten()
}

/// Whether a domain is listed: exactly, or below one that is written `*.example.com`. Letter case does not matter.
fn is_listed(domain: &str, sealers: &[String]) -> bool {
    sealers.iter().any(|sealer| match sealer.strip_prefix("*.") {
        Some(parent) => domain
            .len()
            .checked_sub(parent.len() + 1)
            .and_then(|at| domain.split_at_checked(at))
            .and_then(|(below, rest)| Some((below, rest.strip_prefix('.')?)))
            .is_some_and(|(below, rest)| !below.is_empty() && rest.eq_ignore_ascii_case(parent)),
        None => sealer.eq_ignore_ascii_case(domain),
    })
}
