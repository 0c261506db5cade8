//! What a person wants who answers.
//!
//! Rules of high precision over the person's own words; evidence of several joins. `unknown` is the right answer for
//! most mail: an intent is given only where it stands clearly before every other. Where two are clear, the one that a
//! marketer must act on more carefully counts (see [`ORDER`]), as "not interested, thanks" is no thanks; two that
//! exclude each other give `unknown`.

use super::super::finding::{Hit, Words};
use super::super::rules::{Field, Match, Reader, Table};
use super::judged;
use crate::event::Intent;

/// What the evidence must amount to.
const ENOUGH: f32 = 0.8;
/// The share that a long text leaves of it: the more is said, the more else is meant.
const LONG: f32 = 0.9;
/// Characters of a long text.
const LONG_CHARS: usize = 1_200;

/// Intents from the one that hides all others to the one that any other hides.
const ORDER: [Intent; 11] = [
    Intent::DoNotContact,
    Intent::Hostile,
    Intent::Referral,
    Intent::WrongPerson,
    Intent::NotInterested,
    Intent::NotNow,
    Intent::Objection,
    Intent::Meeting,
    Intent::Interested,
    Intent::Question,
    Intent::Thanks,
];

/// An intent, how sure, and the rules that told it.
pub struct Told {
    pub intent: Intent,
    pub confidence: f32,
    pub hits: Vec<Hit>,
}

/// The intent of a person's words, where rules are sure of one.
pub fn find(rules: &Reader<'_>, words: &Words) -> Option<Told> {
    let text = judged(&words.text);
    let mut found = rules.matches(Table::Intent, Field::Body, text);
    // Where the language is known, words of another only look alike.
    if let Some(language) = words.language {
        found.retain(|m| m.rule.language.as_deref().is_none_or(|l| l == language));
    }
    if found.is_empty() {
        return None;
    }
    let length = if text.chars().nth(LONG_CHARS).is_some() { LONG } else { 1.0 };
    let told: Vec<(Intent, f32)> = ORDER
        .into_iter()
        .map(|intent| (intent, joined(&found, intent) * length))
        .filter(|(_, confidence)| *confidence >= ENOUGH)
        .collect();
    let (intent, confidence) = *told.first()?;
    if told.iter().any(|(other, _)| excludes(intent, *other)) {
        return None;
    }
    let of_it = found.iter().filter(|m| gives(m) == Some(intent));
    let hits = of_it.map(|m| {
        let words = text.get(m.start..m.end).unwrap_or_default();
        Hit::in_field(&m.rule.id, "body", Some((m.start, m.end)), words)
    });
    Some(Told { intent, confidence: confidence.min(0.99), hits: hits.collect() })
}

fn gives(m: &Match<'_>) -> Option<Intent> {
    Intent::named(&m.rule.gives)
}

/// What is left of the doubt after each rule for an intent.
fn joined(found: &[Match<'_>], intent: Intent) -> f32 {
    1.0 - found.iter().filter(|m| gives(m) == Some(intent)).map(|m| 1.0 - m.rule.confidence).product::<f32>()
}

/// Whether nobody can mean both: then the words were read wrongly.
fn excludes(a: Intent, b: Intent) -> bool {
    let refuses = |i| matches!(i, Intent::NotInterested | Intent::DoNotContact | Intent::Hostile);
    let wants = |i| matches!(i, Intent::Meeting | Intent::Interested);
    (refuses(a) && wants(b)) || (wants(a) && refuses(b))
}

#[cfg(test)]
mod tests {
    use super::{ORDER, excludes};
    use crate::event::Intent;

    #[test]
    fn every_intent_has_its_place() {
        assert!(!ORDER.contains(&Intent::Unknown));
        assert!(excludes(Intent::NotInterested, Intent::Meeting));
        assert!(!excludes(Intent::NotInterested, Intent::Thanks));
    }
}
