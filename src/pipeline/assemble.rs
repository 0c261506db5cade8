//! One event's data out of what the stations found.

use super::line::{Line, Place};
use crate::classify::{Finding, OriginalMail, Words};
use crate::event::{
    Attachment, Auth, Classification, Content, Correlation, CorrelationStatus, EventData, Ingest, Kind, MailboxRef,
    MessageRef, Method, Original, Party, Privacy, RuleHit, SCHEMA_VERSION, TimeSource, Verdict, dedupe_key,
};
use crate::message::{self, Address, Mail, RawMail};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// Characters of a subject that are published.
const MAX_SUBJECT: usize = 500;
/// Characters of a text that are published: with them and everything else at its bound, an event
/// stays below Kafka's default of one megabyte.
const MAX_TEXT: usize = 32_000;
/// Octets of an id.
const MAX_ID: usize = 500;
/// Octets of a header of the original.
const MAX_HEADER: usize = 2_000;

/// Local parts that belong to a function, not a person (RFC 2142, and what is usual).
const ROLES: [&str; 24] = [
    "abuse",
    "accounts",
    "admin",
    "billing",
    "contact",
    "feedback",
    "help",
    "helpdesk",
    "hello",
    "hostmaster",
    "hr",
    "info",
    "mail",
    "mailer-daemon",
    "marketing",
    "no-reply",
    "noreply",
    "office",
    "postmaster",
    "root",
    "sales",
    "support",
    "team",
    "webmaster",
];

/// What stands around a finding.
#[derive(Clone)]
pub struct Around<'a> {
    pub raw: &'a RawMail,
    pub place: &'a Place,
    pub uidl: Option<&'a str>,
    pub origin: Option<&'a str>,
    pub now: DateTime<Utc>,
    /// When the mail was ingested: now, or at the replay of a recorded mail, then.
    pub ingested_at: DateTime<Utc>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub auth: Option<Auth>,
    /// Ids of recipients that stand for several persons of this mail: for whom, nobody knows.
    pub ambiguous: BTreeSet<String>,
}

/// The ids of recipients that were found for more than one person. A token names one, and whose it is cannot be read
/// from an id that is no address; a report that adds others to it must not have all of them suppressed.
pub fn ambiguous(findings: &[Finding], correlations: &[Correlation]) -> BTreeSet<String> {
    let mut persons: BTreeMap<&str, String> = BTreeMap::new();
    let mut out = BTreeSet::new();
    for (finding, correlation) in findings.iter().zip(correlations) {
        let (Some(id), Some(recipient)) = (correlation.recipient_id.as_deref(), &finding.recipient) else { continue };
        let person = recipient.normalised();
        if Address::parse(id).is_none() && *persons.entry(id).or_insert_with(|| person.clone()) != person {
            out.insert(id.to_owned());
        }
    }
    out
}

/// The data of one event, everything in clear: privacy comes after.
pub fn data(
    line: &Line,
    mail: &Mail<'_>,
    finding: &Finding,
    mut correlation: Correlation,
    ordinal: usize,
    around: &Around<'_>,
) -> EventData {
    let (occurred_at, occurred_at_source) = occurred(mail, finding, around);
    correlation.response_time_s =
        correlation.sent_at.and_then(|sent| u64::try_from((occurred_at - sent).num_seconds()).ok());
    let party = |address: &Address| party(line, address);
    let sender = mail.from();
    let recipient = match (&finding.recipient, is_by_the_person(finding)) {
        (Some(recipient), _) => Some(recipient.clone()),
        (None, true) => sender.clone(),
        (None, false) => None,
    };
    let named = !names_another(&correlation, recipient.as_ref())
        && !correlation.recipient_id.as_ref().is_some_and(|id| around.ambiguous.contains(id));
    let matched = correlation.status == CorrelationStatus::Matched && named;
    let verdict = settle(finding.verdict.clone(), matched, occurred_at, line);
    EventData {
        schema_version: SCHEMA_VERSION.to_owned(),
        dedupe_key: dedupe_key(&around.place.mailbox, &around.raw.digest(), ordinal),
        supersedes: None,
        occurred_at,
        occurred_at_source,
        observed_at: around.now,
        ingest: Ingest {
            run_id: line.run_id().to_owned(),
            worker_version: env!("CARGO_PKG_VERSION").to_owned(),
            ruleset_version: line.rules().version().to_owned(),
            replay: line.settings().replay,
            origin: around.origin.map(str::to_owned),
            uidl: around.uidl.map(str::to_owned),
        },
        mailbox: MailboxRef { id: around.place.mailbox.clone(), role: around.place.role },
        message: MessageRef {
            digest_sha256: around.raw.digest().to_string(),
            message_id: mail.message_id().map(id),
            in_reply_to: mail.in_reply_to().map(id),
            size_bytes: around.raw.size(),
            subject: mail.subject().map(|s| cut(s.trim(), MAX_SUBJECT)),
            archive_ref: line.archive_ref(&around.place.mailbox, around.raw).map(|r| r.to_string()),
        },
        sender: sender.as_ref().map(party),
        recipient: recipient.as_ref().map(party),
        auth: around.auth.clone(),
        classification: classification(finding),
        correlation,
        privacy: Privacy {
            addresses: around.place.privacy.addresses,
            text: around.place.privacy.text,
            subject: None,
            hash_key_id: None,
            retain_until: around
                .place
                .privacy
                .retain
                .and_then(|span| around.delivered_at.unwrap_or(occurred_at).checked_add_signed(span)),
        },
        original: finding.original.as_ref().map(|o| original(line, o)),
        content: finding.words.as_ref().map(content),
        verdict,
    }
}

/// The kinds that the person (or the person's machine) wrote: the sender is who the campaign
/// wrote to.
fn is_by_the_person(finding: &Finding) -> bool {
    match finding.kind() {
        Kind::Reply | Kind::AutoReply | Kind::Unsubscribe | Kind::Receipt | Kind::Challenge => true,
        Kind::Other => matches!(&finding.verdict, Verdict::Other { other } if other.subtype == "calendar"),
        _ => false,
    }
}

/// The report's time, else the newest Received line, else Date, else the time of ingestion. A report's time counts
/// only where it is not after the report itself.
fn occurred(mail: &Mail<'_>, finding: &Finding, around: &Around<'_>) -> (DateTime<Utc>, TimeSource) {
    let latest = around.delivered_at.unwrap_or(around.ingested_at) + TimeDelta::days(1);
    let plausible = |at: &DateTime<Utc>| *at <= latest && at.timestamp() > 0;
    if let Some(at) = finding.reported_at.filter(plausible) {
        return (at, TimeSource::Report);
    }
    if let Some(at) = around.delivered_at.filter(|at| at.timestamp() > 0) {
        return (at, TimeSource::Received);
    }
    match mail.date().filter(plausible) {
        Some(at) => (at, TimeSource::DateHeader),
        None => (around.ingested_at, TimeSource::Observed),
    }
}

/// What depends on more than the mail: nobody is suppressed on the word of a report that no
/// campaign of ours asked for.
fn settle(mut verdict: Verdict, matched: bool, occurred_at: DateTime<Utc>, line: &Line) -> Verdict {
    match &mut verdict {
        Verdict::Bounce { bounce } => {
            let policy = line.rules().policy();
            bounce.suppress = Some(matched && policy.suppresses(bounce.bounce_type, bounce.category));
            bounce.backscatter = !matched;
        }
        Verdict::Delay { delay } => delay.backscatter = !matched,
        Verdict::Unsubscribe { unsubscribe } => {
            unsubscribe.unverified = !matched;
            unsubscribe.honor_by = occurred_at.checked_add_signed(line.settings().honor_within);
        }
        _ => {}
    }
    verdict
}

/// Whether a signed token names another person than the report or the sender does: it then proves nothing about that
/// one, and whoever has a token of their own could have anybody suppressed.
fn names_another(correlation: &Correlation, recipient: Option<&Address>) -> bool {
    let signed = correlation.token_verified == Some(true);
    let named = correlation.recipient_id.as_deref().filter(|_| signed).and_then(Address::parse);
    matches!((named, recipient), (Some(named), Some(recipient)) if named.normalised() != recipient.normalised())
}

fn party(line: &Line, address: &Address) -> Party {
    let local = address.local().to_ascii_lowercase();
    let local = local.split('+').next().unwrap_or_default();
    Party {
        key: None,
        domain: Some(address.domain().to_owned()),
        provider: line.rules().provider(address.domain()).map(str::to_owned),
        role_account: Some(ROLES.contains(&local)),
        address: Some(address.as_str().to_owned()),
    }
}

fn classification(finding: &Finding) -> Classification {
    let subtype = match &finding.verdict {
        Verdict::Other { other } => Some(other.subtype.clone()),
        Verdict::Complaint { complaint } => Some(complaint.feedback_type.clone()),
        _ => None,
    };
    Classification {
        subtype,
        confidence: finding.confidence,
        method: if finding.hits.is_empty() { Method::Fallback } else { Method::Rule },
        rules: finding
            .hits
            .iter()
            .take(20)
            .map(|hit| RuleHit {
                id: hit.rule.clone(),
                field: Some(hit.field.clone()),
                span: hit.span.and_then(|(a, b)| Some([u32::try_from(a).ok()?, u32::try_from(b).ok()?])),
            })
            .collect(),
        alternatives: Vec::new(),
    }
}

fn original(line: &Line, original: &OriginalMail) -> Original {
    Original {
        message_id: original.message_id.as_deref().map(id),
        subject: original.subject.as_deref().map(|s| cut(s.trim(), MAX_SUBJECT)),
        date: original.date,
        from: original.from.as_ref().map(|a| party(line, a)),
        headers: original
            .headers
            .iter()
            .filter(|(name, _)| line.publishes_header(name))
            .map(|(name, value)| (name.clone(), cut(value, MAX_HEADER)))
            .collect(),
    }
}

fn content(words: &Words) -> Content {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Content {
        text_chars: count(words.text.chars().count()),
        text: Some(cut(&words.text, MAX_TEXT)),
        signature: words.signature.as_deref().map(|s| cut(s, MAX_TEXT)),
        quoted_chars: count(words.quoted_chars),
        language: words.language.map(str::to_owned),
        has_attachments: !words.attachments.is_empty(),
        attachments: words.attachments.iter().map(attachment).collect(),
        layout: words.layout,
    }
}

fn attachment(found: &message::Attachment) -> Attachment {
    Attachment {
        name: found.name.clone(),
        mime_type: cut(&found.mime_type, MAX_ID),
        size: found.size,
        digest: found.digest.to_string(),
        inline: found.inline,
    }
}

fn id(text: &str) -> String {
    cut(text.trim().trim_matches(['<', '>']), MAX_ID)
}

/// At most `max` characters.
fn cut(text: &str, max: usize) -> String {
    // No text has more characters than octets.
    if text.len() <= max {
        return text.to_owned();
    }
    match text.char_indices().nth(max) {
        Some((at, _)) => text.get(..at).unwrap_or_default().to_owned(),
        None => text.to_owned(),
    }
}
