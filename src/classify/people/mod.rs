//! Mail by people, and by the machines that answer for them.
//!
//! Asked after every kind of report was ruled out. The order:
//!
//! 1. a mail that a List-Unsubscribe link made (before 2: Gmail and Apple mark theirs as
//!    automatic)
//! 2. an automatic answer, by its headers, subject and words
//! 3. a wish to get no more mail, in the person's own words; before 2 where nothing but words makes an automatic answer
//! 4. a human answer, and what the person wants
//!
//! The words are judged without quotes and signature: the campaign's own footer says
//! "unsubscribe" in every answer that quotes it.

mod automatic;
mod date_words;
mod dates;
pub(super) mod html;
mod intent;
mod language;
mod lines;
mod marks;
mod quote;
mod signature;
mod tongues;
mod unsubscribe;

use super::finding::{Finding, Hit, Words};
use super::rules::Reader;
use crate::event::{Intent, Reply, Verdict};
use crate::message::Mail;

/// Octets of the own words that rules look at.
const JUDGED: usize = 6_000;

/// Octets of a subject that rules look at; a longer one is an attack.
const SUBJECT: usize = 1_000;

/// What a mail that is no machine's report says, if anything.
#[must_use]
pub fn find(mail: &Mail<'_>, rules: &Reader<'_>) -> Option<Finding> {
    let words = words(mail);
    let subject = head(mail.subject().map(str::trim).unwrap_or_default(), SUBJECT);
    if words.text.is_empty() && words.signature.is_none() && subject.is_empty() && words.attachments.is_empty() {
        return None;
    }
    let found = unsubscribe::by_link(mail, rules, subject, &words).or_else(|| {
        let wish = unsubscribe::by_words(rules, subject, &words);
        automatic::find(mail, rules, subject, &words, wish.is_some())
            .or(wish)
            .or_else(|| reply(mail, rules, subject, &words))
    })?;
    Some(Finding { words: Some(words), ..found })
}

/// The person's own words.
pub(super) fn words(mail: &Mail<'_>) -> Words {
    let own = quote::own_words(&lines::of(mail), &signature::Sender::of(mail));
    Words {
        language: language::of(&own.text),
        text: own.text,
        signature: own.signature,
        quoted_chars: own.quoted_chars,
        attachments: mail.attachments().collect(),
        layout: own.layout,
    }
}

/// A human answer: what is left when there is evidence of a person.
fn reply(mail: &Mail<'_>, rules: &Reader<'_>, subject: &str, words: &Words) -> Option<Finding> {
    let thread = mail.thread_ids().next();
    let answers = answer_prefix(subject).is_some();
    let written = !words.text.is_empty();
    let from = mail.from();
    if !(written
        || thread.is_some()
        || answers
        || (from.is_some() && (!words.attachments.is_empty() || !subject.is_empty())))
    {
        return None;
    }
    let mut confidence: f32 = 0.5;
    let mut hits = Vec::new();
    if let Some(id) = thread {
        confidence += 0.3;
        hits.push(Hit::in_field("reply.thread", "header:In-Reply-To", None, id));
    }
    if let Some(prefix) = answer_prefix(subject) {
        confidence += 0.1;
        hits.push(Hit::in_field("reply.subject", "subject", Some((0, prefix.len())), prefix));
    }
    if written {
        confidence += 0.1;
        hits.push(Hit::in_field("reply.own_words", "body", None, &words.text));
    }
    if from.is_none() {
        confidence -= 0.2;
    }
    let told = intent::find(rules, words);
    let reply = Reply {
        intent: told.as_ref().map_or(Intent::Unknown, |t| t.intent),
        intent_confidence: told.as_ref().map(|t| t.confidence),
    };
    hits.extend(told.into_iter().flat_map(|t| t.hits));
    let verdict = Verdict::Reply { reply };
    let mut finding = Finding::new(verdict, confidence.clamp(0.0, 0.98));
    finding.hits = hits;
    Some(finding)
}

/// The prefix that a mail program puts before the subject of an answer, "Re:" and its kin.
fn answer_prefix(subject: &str) -> Option<&str> {
    const PREFIXES: [&str; 24] = [
        "re", "aw", "sv", "vs", "odp", "ynt", "rv", "antw", "res", "ris", "rif", "ref", "r", "бет", "отв", "vá", "bls",
        "atb", "στ", "απ", "回复", "回覆", "答复", "答覆",
    ];
    /// Octets of the longest.
    const LONGEST: usize = 6;
    let (head, _) = subject.split_once([':', '：'])?;
    let end = head.len();
    // "Re[2]", "RE (2)".
    let word = head.split(['[', '(', '^']).next().unwrap_or(head).trim();
    // A title before a colon is none of them.
    let known =
        word.len() <= LONGEST && (PREFIXES.contains(&word.to_lowercase().as_str()) || matches!(word, "返信" | "회신"));
    known.then(|| subject.get(..=end)).flatten().or_else(|| known.then_some(head))
}

/// The part of a text that rules look at.
fn judged(text: &str) -> &str {
    head(text, JUDGED)
}

fn head(text: &str, octets: usize) -> &str {
    let mut end = octets.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
