//! Wishes to get no more mail: by the address of a List-Unsubscribe header, by subject, by words.

use super::super::finding::{Finding, Hit, Words};
use super::super::rules::{Field, Match, Reader, RuleHead, Table};
use super::{answer_prefix, judged};
use crate::event::{Unsubscribe, UnsubscribeScope, UnsubscribeVia, Verdict};
use crate::message::{Address, Mail};

/// What words must amount to.
const ENOUGH: f32 = 0.75;
/// A mail that a link made has no text, or a line by the mail program.
const MADE_BY_LINK: usize = 300;
/// Sentences looked at one by one.
const MOST_SENTENCES: usize = 200;

/// A mail to the address that a List-Unsubscribe header names (RFC 2369 section 3.2).
pub fn by_link(mail: &Mail<'_>, rules: &Reader<'_>, subject: &str, words: &Words) -> Option<Finding> {
    let (address, hit) = ["To", "Delivered-To", "X-Original-To", "Cc"]
        .iter()
        .flat_map(|name| mail.addresses(name).into_iter().take(5))
        .find_map(|address: Address| {
            let text = address.normalised();
            let hit = rules.best(Table::Unsubscribe, Field::To, &text)?;
            Some((hit.rule.confidence, Hit::in_field(&hit.rule.id, "header:To", Some((hit.start, hit.end)), &text)))
        })?;
    let asked = rules.best(Table::Unsubscribe, Field::Subject, subject);
    let short =
        words.text.len() <= MADE_BY_LINK && !mail.has_header("Auto-Submitted") && answer_prefix(subject).is_none();
    if asked.is_none() && !short {
        return None;
    }
    let mut hits = vec![hit];
    let mut confidence = address;
    if let Some(m) = &asked {
        confidence = 1.0 - (1.0 - address) * (1.0 - m.rule.confidence);
        hits.insert(0, hit_in("subject", m, subject, 0));
    }
    let rule = asked.map(|m| m.rule.id.clone());
    Some(finding(UnsubscribeVia::ListUnsubscribeMailto, UnsubscribeScope::List, rule, confidence.min(0.99), hits))
}

/// A subject or words of the person's own that ask for it.
pub fn by_words(rules: &Reader<'_>, subject: &str, words: &Words) -> Option<Finding> {
    let text = judged(&words.text);
    let (found, refused) = wishes(rules, text);
    let subject_hit = if refused || answer_prefix(subject).is_some() {
        None
    } else {
        rules.best(Table::Unsubscribe, Field::Subject, subject).filter(|m| m.rule.gives != "none")
    };
    if let Some(m) = subject_hit {
        let mut hits = vec![hit_in("subject", &m, subject, 0)];
        hits.extend(found.iter().map(|(at, m)| hit_in("body", m, text, *at)));
        let scope = scope(found.iter().map(|(_, m)| m.rule).chain([m.rule]));
        return Some(finding(UnsubscribeVia::Subject, scope, Some(m.rule.id.clone()), m.rule.confidence, hits));
    }
    let joined = 1.0 - found.iter().map(|(_, m)| 1.0 - m.rule.confidence).product::<f32>();
    // In a long text the words are more often about something else.
    let confidence = joined
        * match text.chars().take(1_201).count() {
            0..=400 => 1.0,
            401..=1_200 => 0.93,
            _ => 0.82,
        };
    if confidence < ENOUGH {
        return None;
    }
    let best = found.iter().max_by(|a, b| a.1.rule.confidence.total_cmp(&b.1.rule.confidence))?;
    let rule = best.1.rule.id.clone();
    let hits = found.iter().map(|(at, m)| hit_in("body", m, text, *at)).collect();
    Some(finding(
        UnsubscribeVia::Body,
        scope(found.iter().map(|(_, m)| m.rule)),
        Some(rule),
        confidence.min(0.99),
        hits,
    ))
}

fn finding(
    via: UnsubscribeVia,
    scope: UnsubscribeScope,
    rule: Option<String>,
    confidence: f32,
    hits: Vec<Hit>,
) -> Finding {
    let unsubscribe = Unsubscribe { via, scope, honor_by: None, unverified: false, phrase_rule: rule };
    let mut finding = Finding::new(Verdict::Unsubscribe { unsubscribe }, confidence);
    finding.hits = hits;
    finding
}

/// The rules that find a wish in the words, each with the place of its sentence, and whether a
/// sentence says the contrary.
fn wishes<'r>(rules: &Reader<'r>, text: &str) -> (Vec<(usize, Match<'r>)>, bool) {
    let all = rules.matches(Table::Unsubscribe, Field::Body, text);
    let refused = all.iter().any(|m| m.rule.gives == "none");
    if all.iter().all(|m| m.rule.gives == "none") {
        return (Vec::new(), refused);
    }
    if !refused {
        return (all.into_iter().map(|m| (0, m)).collect(), false);
    }
    let mut found: Vec<(usize, Match<'r>)> = Vec::new();
    for (at, sentence) in sentences(text).take(MOST_SENTENCES) {
        let here = rules.rules().matches(Table::Unsubscribe, Field::Body, sentence);
        if here.iter().any(|m| m.rule.gives == "none") {
            continue;
        }
        // An anchored pattern speaks of the whole text.
        for m in here.into_iter().filter(|m| !m.rule.anchored) {
            if !found.iter().any(|(_, known)| known.rule.id == m.rule.id) {
                found.push((at, m));
            }
        }
    }
    (found, refused)
}

fn sentences(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = text.get(from..).filter(|r| !r.is_empty())?;
        let mut before = ' ';
        let mut end = rest.len();
        for (at, c) in rest.char_indices() {
            let stop = matches!(before, '.' | '!' | '?') && c.is_whitespace()
                || matches!(before, '。' | '！' | '？')
                || before == '\n' && c == '\n';
            if stop && at > 0 {
                end = at;
                break;
            }
            before = c;
        }
        let sentence = (from, rest.get(..end)?);
        from += end;
        Some(sentence)
    })
}

fn scope<'r>(rules: impl Iterator<Item = &'r RuleHead>) -> UnsubscribeScope {
    let mut scope = UnsubscribeScope::Unknown;
    for rule in rules {
        match rule.gives.as_str() {
            "all" => return UnsubscribeScope::All,
            "list" => scope = UnsubscribeScope::List,
            "campaign" if scope == UnsubscribeScope::Unknown => scope = UnsubscribeScope::Campaign,
            _ => {}
        }
    }
    scope
}

fn hit_in(field: &str, m: &Match<'_>, text: &str, at: usize) -> Hit {
    let (start, end) = (m.start + at, m.end + at);
    Hit::in_field(&m.rule.id, field, Some((start, end)), text.get(start..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::wishes;
    use crate::classify::{Reader, Rules};

    #[test]
    fn a_sentence_asks_where_another_refuses() {
        let rules = Rules::embedded().expect("embedded rules are right");
        let table = [
            // The end of a sentence is the end of what is looked at: the text goes on.
            (
                "We never subscribed, remove us. In the portal I see \"unsubscribe me\" twice, is that a feature?",
                "unsubscribe.body.en.end",
                9,
            ),
            // So is the end of a paragraph, which a word that takes a wish back in the next one does not pass.
            (
                "Vores kunder får det hver uge\n\nAfmeld mig fra nyhedsbrevet. Hvor mange afmeldinger har I?",
                "unsubscribe.body.da.list",
                31,
            ),
        ];
        for (text, rule, most) in table {
            let (found, refused) = wishes(&Reader::new(&rules), text);
            let ids: Vec<_> = found.iter().map(|(at, m)| (*at, m.rule.id.as_str())).collect();
            assert!(refused && ids.iter().any(|(at, id)| *id == rule && *at <= most), "{text}: {ids:?}");
        }
    }
}
