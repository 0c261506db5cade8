//! The rules that fired and did not decide, for a person who wants to know why.
//!
//! Asked after the verdict, and only by who explains it: the classifier itself keeps nothing for this.

use super::finding::Finding;
use super::people;
use super::policy::speaks_of_the_address;
use super::rules::{Facts, Field, Match, Rules, Table};
use crate::event::{Category, Failure, Kind, Verdict};
use crate::message::Mail;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

/// Rivals named for one finding.
const MOST: usize = 40;
/// Octets of a text that are looked at.
const WINDOW: usize = 32 * 1024;
/// What the evidence for an automatic answer must amount to.
const ENOUGH: f32 = 0.85;

/// A rule that fired and did not decide.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Rival {
    pub rule: String,
    pub table: String,
    /// What it would have said.
    pub gives: String,
    pub confidence: f32,
    /// `subject`, `from`, `body`, `quoted`, `report:Diagnostic-Code`, `report:Status`.
    pub field: String,
    /// Where in the field's text it fired; absent for a rule without words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<(usize, usize)>,
    /// On what words.
    pub text: String,
    #[serde(flatten)]
    pub why_not: WhyNot,
}

/// Why a rule that fired did not decide.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "why_not", rename_all = "snake_case")]
pub enum WhyNot {
    /// It says what was decided anyway.
    SaysTheSame,
    /// Another rule of its table is surer.
    LessSure { than: String, its_confidence: f32 },
    /// A rule for the provider that received comes first.
    ProviderFirst { by: String },
    /// Words are nearer to the cause than codes.
    WordsFirst { by: String },
    /// It speaks of the address, and the code (5.7.x) of policy.
    PolicyCode { status: String },
    /// Another finding was made before its table is asked at all.
    FoundBefore { kind: Kind },
    /// It stands in what was quoted, not in the person's own words.
    Quoted,
    /// All that speaks for an automatic answer amounts to less than is needed.
    TooLittle { needed: f32 },
    /// A wish to get no more mail counts before an automatic answer by words alone.
    WishFirst,
    /// Its words look like the thing and speak against it.
    SpeaksAgainst,
    /// Words like a report's, but neither sender nor shape is a machine's.
    NotAMachine,
    /// It fired, and its table did not decide.
    NotDecisive,
}

/// The rivals of one finding in a mail, the surest first.
#[must_use]
pub fn rivals(mail: &Mail<'_>, rules: &Rules, finding: &Finding) -> Vec<Rival> {
    let mut out = Vec::new();
    if let Verdict::Bounce { bounce: failure } | Verdict::Delay { delay: failure } = &finding.verdict {
        of_a_failure(rules, failure, finding, &mut out);
    }
    in_words(mail, rules, finding, &mut out);
    let decided: BTreeSet<&str> = finding.hits.iter().map(|h| h.rule.as_str()).collect();
    out.retain(|r| !decided.contains(r.rule.as_str()));
    out.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let mut seen = BTreeSet::new();
    out.retain(|r| seen.insert((r.rule.clone(), r.field.clone())));
    out.truncate(MOST);
    out
}

/// Other reasons for a failure.
fn of_a_failure(rules: &Rules, failure: &Failure, finding: &Finding, out: &mut Vec<Rival>) {
    let status = failure.status.as_deref().or(failure.reported_status.as_deref());
    let facts = Facts {
        provider: failure.provider.as_deref(),
        status,
        smtp: failure.smtp_code,
        command: failure.smtp_command.as_deref(),
    };
    let all = rules.heads();
    let known = |id: &str| all.iter().find(|r| r.id == id);
    let winner = finding.hits.iter().find_map(|h| known(&h.rule).filter(|r| is_a_reason(r.table)));
    let policy = status.is_some_and(|s| s.get(1..).is_some_and(|s| s.starts_with(".7.")));
    let why = |m: &Match<'_>| {
        let category = Category::named(&m.rule.gives);
        if category == Some(failure.category) {
            WhyNot::SaysTheSame
        } else if policy && category.is_some_and(speaks_of_the_address) && m.rule.table == Table::BounceCategory {
            WhyNot::PolicyCode { status: status.unwrap_or_default().to_owned() }
        } else {
            match winner {
                Some(w) if !w.when.provider.is_empty() && !m.is_of_a_provider() => {
                    WhyNot::ProviderFirst { by: w.id.clone() }
                }
                Some(w) if w.table == Table::BounceCategory && m.rule.table == Table::BounceCode => {
                    WhyNot::WordsFirst { by: w.id.clone() }
                }
                Some(w) if w.confidence > m.rule.confidence => {
                    WhyNot::LessSure { than: w.id.clone(), its_confidence: w.confidence }
                }
                _ => WhyNot::NotDecisive,
            }
        }
    };
    let text = failure.diagnostic.as_deref().unwrap_or_default();
    for m in rules.all_given(Table::BounceCategory, Field::Diagnostic, text, &facts) {
        out.push(rival(&m, "report:Diagnostic-Code", text, why(&m)));
    }
    for field in [Field::Enhanced, Field::Reply, Field::EnhancedSubject] {
        if let Some(m) = rules.wordless(Table::BounceCode, field, &facts) {
            out.push(rival(&m, "report:Status", "", why(&m)));
        }
    }
}

fn is_a_reason(table: Table) -> bool {
    matches!(table, Table::BounceCategory | Table::BounceCode)
}

/// Other things that the words could have meant.
fn in_words(mail: &Mail<'_>, rules: &Rules, finding: &Finding, out: &mut Vec<Rival>) {
    let whole = mail.text();
    let whole = whole.get(..whole.floor_char_boundary(WINDOW)).unwrap_or_default();
    let words = people::words(mail);
    let own = words.text.get(..words.text.floor_char_boundary(WINDOW)).unwrap_or_default();
    let subject = mail.subject().unwrap_or_default().trim();
    let from = mail.headers_raw("From").next().unwrap_or_default();
    for table in [
        Table::Report,
        Table::Receipt,
        Table::Other,
        Table::Challenge,
        Table::AutoReply,
        Table::Unsubscribe,
        Table::Intent,
    ] {
        // Reports are looked for in the whole text.
        let body = if station(table) < 3 { whole } else { own };
        for (field, name, text) in
            [(Field::Subject, "subject", subject), (Field::From, "from", &from), (Field::Body, "body", body)]
        {
            for m in rules.matches(table, field, text).into_iter().filter(|m| m.rule.gives != "copy") {
                out.push(rival(&m, name, text, why(&m, finding)));
            }
        }
        if station(table) >= 3 && own.len() < whole.len() {
            let said: BTreeSet<&str> =
                rules.matches(table, Field::Body, own).iter().map(|m| m.rule.id.as_str()).collect();
            let quoted = rules.matches(table, Field::Body, whole);
            for m in quoted.into_iter().filter(|m| !said.contains(m.rule.id.as_str()) && m.rule.gives != "none") {
                out.push(rival(&m, "quoted", whole, WhyNot::Quoted));
            }
        }
    }
}

/// When a table is asked: the order of [`super::classify`].
fn station(table: Table) -> u8 {
    match table {
        Table::Report | Table::Receipt | Table::BounceCategory | Table::BounceCode | Table::Provider => 0,
        Table::Other => 1,
        Table::Challenge => 2,
        Table::AutoReply => 3,
        Table::Unsubscribe => 4,
        Table::Intent => 5,
    }
}

fn station_of(kind: Kind) -> u8 {
    match kind {
        Kind::Bounce | Kind::Delay | Kind::Delivered | Kind::Complaint | Kind::Receipt => 0,
        Kind::Other => 1,
        Kind::Challenge => 2,
        Kind::AutoReply => 3,
        Kind::Unsubscribe => 4,
        Kind::Reply => 5,
        Kind::Unclassified => 6,
    }
}

fn why(m: &Match<'_>, finding: &Finding) -> WhyNot {
    let (table, kind) = (m.rule.table, finding.kind());
    let (asked, found) = (station(table), station_of(kind));
    if m.rule.gives == "none" {
        return WhyNot::SpeaksAgainst;
    }
    if asked > found {
        return WhyNot::FoundBefore { kind };
    }
    if asked == found {
        if said(&finding.verdict).as_deref() == Some(m.rule.gives.as_str()) {
            return WhyNot::SaysTheSame;
        }
        let first = finding.hits.first();
        return match first.filter(|h| h.rule != m.rule.id) {
            Some(hit) if finding.confidence > m.rule.confidence => {
                WhyNot::LessSure { than: hit.rule.clone(), its_confidence: finding.confidence }
            }
            _ => WhyNot::NotDecisive,
        };
    }
    match table {
        Table::AutoReply if kind == Kind::Unsubscribe => WhyNot::WishFirst,
        Table::AutoReply => WhyNot::TooLittle { needed: ENOUGH },
        Table::Report | Table::Receipt => WhyNot::NotAMachine,
        _ => WhyNot::NotDecisive,
    }
}

/// What a verdict says, in the words of the rules' `gives`.
fn said(verdict: &Verdict) -> Option<String> {
    let name = |value: serde_json::Result<serde_json::Value>| value.ok()?.as_str().map(str::to_owned);
    match verdict {
        Verdict::AutoReply { auto_reply } => name(serde_json::to_value(auto_reply.reply_type)),
        Verdict::Unsubscribe { unsubscribe } => name(serde_json::to_value(unsubscribe.scope)),
        Verdict::Reply { reply } => name(serde_json::to_value(reply.intent)),
        Verdict::Other { other } => Some(other.subtype.clone()),
        other => Some(other.kind().as_str().to_owned()),
    }
}

fn rival(m: &Match<'_>, field: &str, source: &str, why_not: WhyNot) -> Rival {
    let words = source.get(m.start..m.end).unwrap_or_default();
    Rival {
        rule: m.rule.id.clone(),
        table: m.rule.table.as_str().to_owned(),
        gives: m.rule.gives.clone(),
        confidence: m.rule.confidence,
        field: field.to_owned(),
        span: (m.start < m.end).then_some((m.start, m.end)),
        text: words.chars().take(160).map(|c| if c.is_control() { ' ' } else { c }).collect(),
        why_not,
    }
}
