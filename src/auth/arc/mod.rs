//! The ARC chain (RFC 8617): reported, and relied on only for listed sealers.
//!
//! A chain that passes says that nobody changed what its sealers wrote; it does not say that they
//! wrote the truth. A sealer that is not listed could have made up everything that lies before its
//! own seal. So what counts is the unbroken run of listed sealers at the newest end of the chain, and
//! of that run the oldest one: it took the mail from outside, the later ones from each other.

pub mod structure;

use super::authres;
use super::boundary::matches_host;
use crate::event::{ArcAuth, AuthWord, ReceiverAuth};
use mail_auth::{ArcOutput, DkimResult};

/// The ARC chain's result, and what the sealers of `trust.arc_sealers` attest.
pub fn arc_verdict(output: &ArcOutput<'_>, sealers: &[String]) -> ArcAuth {
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
        attested: if word == AuthWord::Pass { attested(output, sealers) } else { None },
        reason: reason.map(str::to_owned),
    }
}

/// The statement of the oldest listed sealer that no other stands behind. The sets come oldest first.
fn attested(output: &ArcOutput<'_>, sealers: &[String]) -> Option<ReceiverAuth> {
    let run = output
        .sets()
        .iter()
        .rev()
        .take_while(|set| sealers.iter().any(|sealer| matches_host(sealer, &set.seal.header.d)));
    let oldest = run.last()?;
    let value = String::from_utf8_lossy(oldest.results.value);
    let (instance, statement) = authres::parse_arc(&value)?;
    // mail-auth takes the instance wherever it stands in the header.
    (instance == oldest.seal.header.i).then(|| authres::joined(&[statement])).flatten()
}
