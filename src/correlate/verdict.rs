//! One verdict out of all readings.

use super::{Captured, Proof, Reading};
use crate::event::{Correlation, CorrelationStatus, Evidence};

/// What a bare From address counts for: anyone can write one.
const FROM: f32 = 0.4;

impl Proof {
    /// How sure a reading of this kind is.
    fn confidence(&self) -> f32 {
        match self {
            Self::Forged => 0.0,
            Self::From => FROM,
            Self::Plain => 0.8,
            Self::Known => 0.95,
            Self::Signed(_) => 0.99,
        }
    }
}

/// Decides; `id` names a correlator.
pub(super) fn decide(readings: &[Reading], id: impl Fn(usize) -> String) -> Correlation {
    let mut result =
        Correlation { evidence: readings.iter().map(|r| evidence(r, &id)).collect(), ..Correlation::default() };
    let signed = |r: &&Reading| matches!(r.proof, Proof::Signed(_));
    let good: Vec<&Reading> = readings.iter().filter(|r| !matches!(r.proof, Proof::Forged | Proof::From)).collect();
    let forged = readings.iter().find(|r| r.proof == Proof::Forged);
    // The signed one first, else the first that finds a campaign.
    let first = good
        .iter()
        .copied()
        .filter(signed)
        .find(|r| r.ids.campaign.is_some())
        .or_else(|| good.iter().copied().find(|r| r.ids.campaign.is_some()));
    if let Some(forged) = forged
        && !first.is_some_and(|r| signed(&r))
    {
        // Whoever made one thing up may have made up the rest.
        result.status = CorrelationStatus::Forged;
        result.method = Some(id(forged.correlator));
        result.token_verified = Some(false);
        result.confidence = Some(0.0);
        return result;
    }
    if disagree(&good) {
        result.status = CorrelationStatus::Conflict;
        result.confidence = Some(0.0);
        return result;
    }
    let Some(decided) = first else { return partial(result, readings, &good, &id) };
    result.status = CorrelationStatus::Matched;
    result.method = Some(id(decided.correlator));
    result.token_verified = signed(&decided).then_some(true);
    result.confidence = Some(decided.proof.confidence());
    // Its own ids first; the others fill what it does not say, but nobody fills a signed one's who is not signed too.
    let fills = |r: &&Reading| !signed(&decided) || signed(r);
    for reading in std::iter::once(decided).chain(good.iter().copied().filter(fills)) {
        take(&mut result, &reading.ids);
    }
    result.sent_at = decided.sent_at.or_else(|| good.iter().find_map(|r| r.sent_at));
    result
}

/// Ids without a campaign. What a From says fills no field but the evidence and, alone, the recipient.
fn partial(mut result: Correlation, all: &[Reading], good: &[&Reading], id: &impl Fn(usize) -> String) -> Correlation {
    let from = all.iter().find(|r| r.proof == Proof::From);
    let Some(first) = good.first().copied().or(from) else { return result };
    result.status = CorrelationStatus::Partial;
    result.method = Some(id(first.correlator));
    result.confidence = Some(first.proof.confidence());
    result.token_verified = matches!(first.proof, Proof::Signed(_)).then_some(true);
    for reading in good {
        take(&mut result, &reading.ids);
    }
    if good.is_empty() {
        result.recipient_id.clone_from(&first.ids.recipient);
    }
    result
}

/// Two campaigns, or two sends or recipients by one and the same correlator or by two that are signed: others may name
/// them differently.
fn disagree(readings: &[&Reading]) -> bool {
    let differ = |a: &Option<String>, b: &Option<String>| matches!((a, b), (Some(a), Some(b)) if a != b);
    readings.iter().enumerate().any(|(at, a)| {
        readings.iter().skip(at + 1).any(|b| {
            differ(&a.ids.campaign, &b.ids.campaign)
                || ((a.correlator == b.correlator
                    || matches!((&a.proof, &b.proof), (Proof::Signed(_), Proof::Signed(_))))
                    && (differ(&a.ids.send, &b.ids.send) || differ(&a.ids.recipient, &b.ids.recipient)))
        })
    })
}

/// Fills what is not known yet.
fn take(result: &mut Correlation, ids: &Captured) {
    result.campaign_id = result.campaign_id.take().or_else(|| ids.campaign.clone());
    result.send_id = result.send_id.take().or_else(|| ids.send.clone());
    result.recipient_id = result.recipient_id.take().or_else(|| ids.recipient.clone());
    result.step = result.step.or(ids.step);
    result.variant = result.variant.take().or_else(|| ids.variant.clone());
    result.list_id = result.list_id.take().or_else(|| ids.list.clone());
}

fn evidence(reading: &Reading, id: &impl Fn(usize) -> String) -> Evidence {
    let (verified, key_id) = match &reading.proof {
        Proof::Signed(key) => (Some(true), Some(key.clone())),
        Proof::Forged => (Some(false), None),
        _ => (None, None),
    };
    Evidence {
        correlator: id(reading.correlator),
        place: reading.place.clone(),
        campaign_id: reading.ids.campaign.clone(),
        send_id: reading.ids.send.clone(),
        recipient_id: reading.ids.recipient.clone(),
        verified,
        key_id,
    }
}

#[cfg(test)]
mod tests {
    use super::{Captured, Correlation, CorrelationStatus, Proof, Reading, decide};

    fn reading(correlator: usize, recipient: Option<&str>, proof: Proof) -> Reading {
        let ids = Captured {
            campaign: Some("c1".to_owned()),
            recipient: recipient.map(str::to_owned),
            ..Captured::default()
        };
        Reading { correlator, place: "header:to".to_owned(), ids, sent_at: None, proof }
    }

    fn decided(readings: &[Reading]) -> Correlation {
        decide(readings, |at| at.to_string())
    }

    #[test]
    fn what_is_signed_is_not_filled_by_what_is_not() {
        let signed = || Proof::Signed("k".to_owned());
        let result = decided(&[reading(0, None, signed()), reading(1, Some("r1"), Proof::Plain)]);
        assert_eq!((result.status, result.recipient_id), (CorrelationStatus::Matched, None));
        let result = decided(&[reading(0, None, Proof::Plain), reading(1, Some("r1"), Proof::Known)]);
        assert_eq!((result.status, result.recipient_id.as_deref()), (CorrelationStatus::Matched, Some("r1")));
    }

    #[test]
    fn two_signed_persons_are_a_conflict() {
        let signed = || Proof::Signed("k".to_owned());
        let result = decided(&[reading(0, Some("r1"), signed()), reading(1, Some("r2"), signed())]);
        assert_eq!(result.status, CorrelationStatus::Conflict);
        let result = decided(&[reading(0, Some("r1"), signed()), reading(1, Some("r2"), Proof::Plain)]);
        assert_eq!((result.status, result.recipient_id.as_deref()), (CorrelationStatus::Matched, Some("r1")));
    }
}
