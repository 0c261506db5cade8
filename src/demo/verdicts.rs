//! What was published of a sample, beside what was expected.

use super::samples::Sample;
use crate::event::{AuthResult, Event, EventData, Verdict};

/// One thing that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub file: String,
    pub field: &'static str,
    pub expected: String,
    pub found: String,
}

/// Compares the events of one sample, in order, with what is expected of it.
#[must_use]
pub fn compare(sample: &Sample, events: &[&Event]) -> Vec<Difference> {
    let mut out = Vec::new();
    let mut check = |field: &'static str, expected: &str, found: &str| {
        if expected != found {
            out.push(Difference {
                file: sample.file.clone(),
                field,
                expected: expected.to_owned(),
                found: found.to_owned(),
            });
        }
    };
    let join = |words: Vec<&str>| words.join(" ");
    check("kinds", &sample.kinds.join(" "), &join(events.iter().map(|e| e.data.verdict.kind().as_str()).collect()));
    check(
        "recipients",
        &sample.recipients.join(" "),
        &join(
            events
                .iter()
                .map(|e| e.data.recipient.as_ref().and_then(|r| r.address.as_deref()).unwrap_or_default())
                .collect(),
        ),
    );
    let Some(data) = events.first().map(|e| &e.data) else { return out };
    if let Some(category) = &sample.category {
        check("category", category, &category_of(&data.verdict));
    }
    if let Some(bounce_type) = &sample.bounce_type {
        check("type", bounce_type, &type_of(&data.verdict));
    }
    if let Some(subtype) = &sample.subtype {
        check("subtype", subtype, &subtype_of(&data.verdict));
    }
    if let Some(language) = &sample.language {
        let found = data.content.as_ref().and_then(|c| c.language.as_deref());
        check("language", language, found.unwrap_or_default());
    }
    check(
        "campaign",
        sample.campaign.as_deref().unwrap_or_default(),
        data.correlation.campaign_id.as_deref().unwrap_or_default(),
    );
    if let Some(spf) = &sample.spf {
        check("spf", spf, spf_word(data));
    }
    if let Some(dmarc) = &sample.dmarc {
        check("dmarc", dmarc, dmarc_word(data));
    }
    check("dkim", &sample.dkim.join(" "), &join(dkim_words(data)));
    out
}

/// SPF in one word; empty where it was not checked.
#[must_use]
pub fn spf_word(data: &EventData) -> &'static str {
    word(data.auth.as_ref().and_then(|a| a.spf.as_ref()))
}

/// DMARC in one word; empty where it was not checked.
#[must_use]
pub fn dmarc_word(data: &EventData) -> &'static str {
    word(data.auth.as_ref().and_then(|a| a.dmarc.as_ref()))
}

/// DKIM in a word for each signature.
#[must_use]
pub fn dkim_words(data: &EventData) -> Vec<&'static str> {
    data.auth.iter().flat_map(|a| &a.dkim).map(|r| r.result.as_str()).collect()
}

fn word(result: Option<&AuthResult>) -> &'static str {
    result.map_or("", |r| r.result.as_str())
}

fn spelled<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The category of a bounce or delay.
#[must_use]
pub fn category_of(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Bounce { bounce: f } | Verdict::Delay { delay: f } => spelled(&f.category),
        _ => String::new(),
    }
}

fn type_of(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Bounce { bounce } => bounce.bounce_type.as_ref().map(spelled).unwrap_or_default(),
        _ => String::new(),
    }
}

/// What a verdict is beyond its kind.
#[must_use]
pub fn subtype_of(verdict: &Verdict) -> String {
    match verdict {
        Verdict::AutoReply { auto_reply } => spelled(&auto_reply.reply_type),
        Verdict::Other { other } => other.subtype.clone(),
        Verdict::Complaint { complaint } => complaint.feedback_type.clone(),
        Verdict::Unclassified { unclassified } => spelled(&unclassified.reason),
        Verdict::Delivered { delivered } => spelled(&delivered.action),
        Verdict::Receipt { receipt } => spelled(&receipt.disposition),
        Verdict::Unsubscribe { unsubscribe } => spelled(&unsubscribe.via),
        _ => String::new(),
    }
}
