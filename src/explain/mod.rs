//! Why a mail was judged as it was.
//!
//! Takes a judged mail and asks each station for its evidence once more; gives an [`Explanation`], which is data
//! ([`text`] makes it readable, `--explain=json` prints it). Nothing here runs while mails are only judged. What the
//! mailbox's privacy keeps out of events is kept out of here as well: without clear addresses, full texts and subjects as
//! they are no words of the mail are repeated.

mod evidence;
mod meaning;
mod outline;
pub mod text;

pub use meaning::meaning;

use crate::auth::boundary::{self, Passage};
use crate::auth::dns::{Code, Record, RecordType};
use crate::classify::{Rival, rivals};
use crate::event::privacy::hide;
use crate::event::{AddressMode, Auth, BoundaryWord, Correlation, Event, TimeSource, Verdict};
use crate::message::{Mail, RawMail, to_crlf};
use crate::pipeline::{Judged, Line, Place};
use chrono::{DateTime, Utc};
use evidence::Lines;
use schemars::JsonSchema;
use serde::Serialize;

/// The version of this structure: a new minor version only adds fields.
const VERSION: &str = "1.0";
/// Verdicts whose rivals are looked for: a report may name thousands of recipients.
const MOST_RIVALS: usize = 20;
/// Characters of a DNS answer that are repeated.
const MOST_DATA: usize = 300;

/// Why one mail was judged as it was.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Explanation {
    pub explain_version: String,
    /// Where the mail was found.
    pub origin: String,
    pub size_bytes: u64,
    pub digest_sha256: String,
    pub mailbox: String,
    /// Digest of the rules that judged.
    pub ruleset_version: String,
    /// Only the mail's head was kept, because it is larger than `limits.message_size`.
    pub cut: bool,
    /// The header fields that say what the mail is; empty where privacy asks for it.
    pub headers: Vec<HeaderLine>,
    /// The MIME tree, top down.
    pub outline: Vec<PartLine>,
    /// The way back over the Received lines to the client that brought the mail.
    pub walk: Walk,
    /// The verdicts on authenticity; absent where nothing was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Every question to DNS and what was answered.
    pub dns: Vec<DnsLine>,
    /// One for each event.
    pub verdicts: Vec<VerdictLine>,
}

/// A header field.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct HeaderLine {
    pub name: String,
    /// Which field of this name, from the top, 0 first.
    pub header_index: u32,
    /// The line of the mail at which it begins, 1 first.
    pub line: u32,
    pub value: String,
}

/// A part of the MIME tree.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PartLine {
    /// How deep it lies.
    pub depth: u32,
    pub mime_type: String,
    /// Octets of the decoded content.
    pub octets: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// The file name, where privacy lets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The walk over the Received lines.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Walk {
    pub end: BoundaryWord,
    /// The Received line that decided, 0 on top.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_index: Option<u32>,
    pub steps: Vec<Step>,
    /// Received lines that stand below, and are whatever the sender wrote.
    pub below: u32,
}

/// One Received line on the way.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Step {
    pub header_index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helo: Option<String>,
    pub passage: StepWord,
    /// Why it ended here, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<BoundaryWord>,
}

/// What a line was to the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepWord {
    /// The client is inside our own network.
    Inside,
    /// Handed over inside one system, without a client.
    Local,
    /// The client is a forwarder, or inside its network.
    Forwarder,
    /// The client is outside: this is the boundary.
    Boundary,
    /// A forwarder ought to have written it, and it tells no client.
    NotTheForwarder,
    /// The walk ended without a boundary.
    Ended,
}

/// A question to DNS.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DnsLine {
    pub name: String,
    /// A, AAAA, MX, PTR or TXT.
    #[serde(rename = "type")]
    pub record_type: String,
    /// `no_error`, `nx_domain`, `serv_fail`, `timed_out` or `bad_name`.
    pub result: String,
    /// Seconds for which the answer may be kept.
    pub ttl: u32,
    /// The records, shortened.
    pub answers: Vec<String>,
}

/// One event and why it says what it says.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct VerdictLine {
    /// The event's id.
    pub id: String,
    /// The recipient as privacy lets it be named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    #[serde(flatten)]
    pub verdict: Verdict,
    pub confidence: f32,
    /// What decided, the most important first. Empty: this is what is left when everything else is excluded.
    pub evidence: Vec<EvidenceLine>,
    /// The rules that fired as well, and why they did not decide. Looked for up to the twentieth event of a mail.
    pub runners_up: Vec<Rival>,
    pub occurred_at: DateTime<Utc>,
    pub occurred_at_source: TimeSource,
    /// The correlators that were asked, in order.
    pub correlators: Vec<String>,
    pub correlation: Correlation,
    /// What follows, in sentences for a person. Their wording may change.
    pub meaning: Vec<String>,
    /// The words that were judged: quotes and signature removed. Only where `privacy.text` lets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quoted_chars: Option<u32>,
}

/// A rule that decided.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EvidenceLine {
    pub rule: String,
    /// `header:NAME`, `subject`, `body`, `report:FIELD`, `structure`.
    pub field: String,
    /// Which field of that name, from the top, 0 first; for evidence in a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_index: Option<u32>,
    /// The line of the mail at which it stands, 1 first, where the words stand there as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// First and last (exclusive) octet in the field's decoded text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<(usize, usize)>,
    /// The words, where privacy lets them be repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// For a rule of the rule files: what it gives, how sure it is, and where the knowledge is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gives: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Explains a mail that `line` has judged.
#[must_use]
pub fn explain(line: &Line, place: &Place, origin: &str, raw: &RawMail, judged: &Judged) -> Explanation {
    let bytes = to_crlf(raw.bytes());
    let mail = Mail::parse(&bytes);
    let open = place.privacy.is_open();
    let lines = Lines::of(&mail);
    Explanation {
        explain_version: VERSION.to_owned(),
        origin: origin.to_owned(),
        size_bytes: raw.size(),
        digest_sha256: raw.digest().to_string(),
        mailbox: place.mailbox.clone(),
        ruleset_version: line.rules().version().to_owned(),
        cut: raw.is_cut(),
        headers: if open { lines.telling(&mail) } else { Vec::new() },
        outline: outline::of(&mail, open),
        walk: walk(&mail, place),
        auth: judged.events.first().and_then(|e| e.data.auth.clone()),
        dns: dns(judged, place.privacy.addresses == AddressMode::Clear),
        verdicts: judged
            .events
            .iter()
            .enumerate()
            .map(|(at, event)| verdict(line, &mail, &lines, event, judged, at, open))
            .collect(),
    }
}

fn verdict(
    line: &Line,
    mail: &Mail<'_>,
    lines: &Lines,
    event: &Event,
    judged: &Judged,
    at: usize,
    open: bool,
) -> VerdictLine {
    let data = &event.data;
    let finding = judged.findings.get(at);
    let mut runners_up =
        finding.filter(|_| at < MOST_RIVALS).map(|f| rivals(mail, line.rules(), f)).unwrap_or_default();
    if !open {
        for rival in &mut runners_up {
            rival.text.clear();
        }
    }
    let content = data.content.as_ref();
    VerdictLine {
        id: event.id.clone(),
        recipient: data.recipient.as_ref().and_then(|r| r.address.clone().or_else(|| r.key.clone())),
        verdict: data.verdict.clone(),
        confidence: data.classification.confidence,
        evidence: finding
            .iter()
            .flat_map(|f| &f.hits)
            .map(|hit| lines.evidence(mail, line.rules(), hit, open))
            .collect(),
        runners_up,
        occurred_at: data.occurred_at,
        occurred_at_source: data.occurred_at_source,
        correlators: line.correlator_ids().map(str::to_owned).collect(),
        correlation: data.correlation.clone(),
        meaning: meaning(data, line.correlator_ids().next().is_some(), line.rules().policy()),
        words: content.and_then(|c| c.text.clone()),
        language: content.and_then(|c| c.language.clone()),
        quoted_chars: content.map(|c| c.quoted_chars),
    }
}

fn walk(mail: &Mail<'_>, place: &Place) -> Walk {
    let walked = boundary::walk(mail, &place.trust);
    let all = mail.headers_raw("Received").count();
    let (end, header_index) = match &walked.end {
        Ok(found) => (BoundaryWord::Found, Some(found.index)),
        Err(unknown) => (unknown.why, unknown.index),
    };
    let steps: Vec<Step> = walked
        .steps
        .into_iter()
        .map(|step| {
            let (passage, why) = match step.passage {
                Passage::Inside => (StepWord::Inside, None),
                Passage::Local => (StepWord::Local, None),
                Passage::Forwarder => (StepWord::Forwarder, None),
                Passage::Boundary => (StepWord::Boundary, None),
                Passage::NotTheForwarder(why) => (StepWord::NotTheForwarder, Some(why)),
                Passage::Ended(why) => (StepWord::Ended, Some(why)),
            };
            let client_ip = step.ip.map(|ip| ip.to_string());
            // Some programs say an address for a name.
            let [by, helo] = [step.by, step.helo].map(|name| {
                name.map(|mut name| {
                    if place.privacy.addresses != AddressMode::Clear {
                        hide(&mut name);
                    }
                    name
                })
            });
            Step { header_index: step.index, by, client_ip, helo, passage, why }
        })
        .collect();
    let below = u32::try_from(all.saturating_sub(steps.len())).unwrap_or(u32::MAX);
    Walk { end, header_index, steps, below }
}

/// The questions of the mail. A sender's local part may stand in a name where its domain's SPF record asks for it:
/// without clear addresses only the names are told that a domain alone makes.
fn dns(judged: &Judged, clear: bool) -> Vec<DnsLine> {
    let Some(answers) = &judged.answers else { return Vec::new() };
    let spf = judged.events.first().and_then(|e| e.data.auth.as_ref()?.spf.as_ref()?.domain.as_deref());
    let plain = |name: &str| name.starts_with("_dmarc.") || name.contains("._domainkey.") || Some(name) == spf;
    answers
        .answers()
        .filter(|(name, ..)| clear || plain(name))
        .map(|(name, record_type, answer)| DnsLine {
            name: name.to_owned(),
            record_type: match record_type {
                RecordType::A => "A",
                RecordType::Aaaa => "AAAA",
                RecordType::Mx => "MX",
                RecordType::Ptr => "PTR",
                RecordType::Txt => "TXT",
            }
            .to_owned(),
            result: match answer.code {
                Code::NoError => "no_error",
                Code::NxDomain => "nx_domain",
                Code::ServFail => "serv_fail",
                Code::TimedOut => "timed_out",
                Code::BadName => "bad_name",
            }
            .to_owned(),
            ttl: answer.ttl,
            answers: answer.records.iter().map(|record| data_of(record, clear)).collect(),
        })
        .collect()
}

fn data_of(record: &Record, clear: bool) -> String {
    let mut data = match record {
        Record::A(ip) => ip.to_string(),
        Record::Aaaa(ip) => ip.to_string(),
        Record::Mx { preference, exchange } => format!("{preference} {exchange}"),
        Record::Ptr(name) => name.clone(),
        Record::Txt(octets) => String::from_utf8_lossy(octets).into_owned(),
    };
    if !clear {
        // Where a DMARC record wants its reports.
        hide(&mut data);
    }
    data.chars().take(MOST_DATA).collect()
}
