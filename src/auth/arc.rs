//! The ARC chain (RFC 8617): reported, and relied on only for listed sealers.

use crate::event::{ArcAuth, AuthWord};
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

/// The ARC chain's result.
pub fn arc_verdict(output: &ArcOutput<'_>) -> ArcAuth {
    let (word, reason) = match output.result() {
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
        attested: None,
        reason: reason.map(str::to_owned),
    }
}
