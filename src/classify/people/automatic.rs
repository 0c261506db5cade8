//! Automatic answers: absence notes, notes for people who left, help desks.
//!
//! Evidence joins as independent probabilities: a header that says so (RFC 3834 and what Exchange,
//! Domino, `FirstClass`, Apple and others add), the subject, the words. Half of the absence notes in
//! the field carry no such header, so words must be able to decide; what only a person writes
//! counts against them, because people speak of their holidays too.

use super::super::finding::{Finding, Hit, Words};
use super::super::rules::{Field, Match, Reader, Table};
use super::{answer_prefix, dates, judged};
use crate::event::{AutoReply, AutoReplyType, Party, Verdict};
use crate::message::{Address, Mail};
use chrono::NaiveDate;
use std::cell::LazyCell;
use std::ops::Deref;

/// What the evidence must amount to.
const ENOUGH: f32 = 0.85;
/// Words that amount to less say nothing of what kind of answer it is.
const HINTED: f32 = 0.35;
/// Contacts published of one answer.
const MOST_CONTACTS: usize = 5;
/// The share that a subject keeps behind "Re:": a person answered the automatic answer.
const ANSWERED: f32 = 0.3;

/// Whether a header's value speaks of an automatic answer.
type Test = fn(&str) -> bool;

/// An automatic answer, if the mail is one. `wish`: the words hold a wish to get no more mail; then they alone make no
/// automatic answer, as people give their retirement for a reason.
pub fn find(mail: &Mail<'_>, rules: &Reader<'_>, subject: &str, words: &Words, wish: bool) -> Option<Finding> {
    let mut hits: Vec<(f32, Hit)> = Vec::new();
    let said = said_by_headers(mail, &mut hits);
    let hinted = hinted_by_headers(mail, &mut hits);

    let in_subject = rules.matches(Table::AutoReply, Field::Subject, subject);
    let text = judged(&words.text);
    let in_text = rules.matches(Table::AutoReply, Field::Body, text);
    let answered = if answer_prefix(subject).is_some() { ANSWERED } else { 1.0 };
    let by_subject = joined(&in_subject) * answered;
    let person = person(&in_text, text);
    let day = LazyCell::new(|| dates::returns_on(text, mail.date()));
    let doubt_of_text = (1.0 - joined(&in_text)) * (1.0 - plainness(&in_text, text, &day)) * (1.0 - hinted);
    // What speaks for a person weighs twice: to take a person for a machine is worse than the contrary.
    let doubt_of_text = (doubt_of_text / (person * person).max(f32::EPSILON)).min(1.0);
    let confidence = 1.0 - (1.0 - said) * (1.0 - by_subject) * doubt_of_text;
    // What says that nobody reads it may well speak of deleting.
    let unread = in_text.iter().any(|m| m.rule.gives == "mailbox_unmonitored");
    let by_words_alone = said.max(by_subject) < HINTED && hinted < HINTED && !unread;
    if confidence < ENOUGH || (wish && by_words_alone) {
        return None;
    }
    if is_notification(mail, subject) && joined(&in_subject).max(joined(&in_text)) < HINTED {
        let mut finding = Finding::other("notification", 0.8);
        finding.hits = hits.into_iter().map(|(_, hit)| hit).collect();
        return Some(finding);
    }
    for (found, field, weight) in [(&in_subject, "subject", answered), (&in_text, "body", person)] {
        let source = if field == "subject" { subject } else { text };
        for m in found.iter().filter(|m| m.rule.gives != "none") {
            hits.push((m.rule.confidence * weight, hit(m, field, source)));
        }
    }
    hits.sort_by(|a, b| b.0.total_cmp(&a.0));
    let reply_type = reply_type(&in_subject, &in_text, said);
    let returns_on = (reply_type == AutoReplyType::OutOfOffice)
        .then(|| {
            // A subject that says nothing of absence is the campaign's, and so are its dates.
            let own = in_subject.iter().any(|m| m.rule.gives == "out_of_office");
            day.or_else(|| own.then(|| dates::returns_on(subject, mail.date())).flatten())
        })
        .flatten();
    let permanent = matches!(reply_type, AutoReplyType::LeftCompany | AutoReplyType::AddressChanged);
    let auto_reply = AutoReply { reply_type, returns_on, alternate_contacts: contacts(mail, words), permanent };
    let mut finding = Finding::new(Verdict::AutoReply { auto_reply }, confidence.min(0.99));
    finding.hits = hits.into_iter().map(|(_, hit)| hit).collect();
    Some(finding)
}

/// Mail that a machine made and that answers nothing: `auto-generated` (RFC 3834 section 5) without a thread.
fn is_notification(mail: &Mail<'_>, subject: &str) -> bool {
    let generated = mail.header("Auto-Submitted").is_some_and(|v| {
        let value = v.trim_start();
        value.get(..14).is_some_and(|head| head.eq_ignore_ascii_case("auto-generated"))
    });
    generated && mail.thread_ids().next().is_none() && answer_prefix(subject).is_none()
}

fn hit(m: &Match<'_>, field: &str, source: &str) -> Hit {
    Hit::in_field(&m.rule.id, field, Some((m.start, m.end)), source.get(m.start..m.end).unwrap_or_default())
}

/// Independent evidence joined: what is left of the doubt after each rule. Words inside a
/// stronger rule's words say nothing new.
fn joined(found: &[Match<'_>]) -> f32 {
    let inside = |m: &Match<'_>| {
        found.iter().any(|o| {
            o.rule.gives == m.rule.gives
                && o.rule.confidence > m.rule.confidence
                && o.start <= m.start
                && m.end <= o.end
        })
    };
    1.0 - found
        .iter()
        .filter(|m| m.rule.gives != "none" && !inside(m))
        .map(|m| 1.0 - m.rule.confidence)
        .product::<f32>()
}

/// What speaks for a person: 1 for nothing, less for words and questions that answer something. The doubt that the
/// other evidence leaves is divided by its square.
fn person(found: &[Match<'_>], text: &str) -> f32 {
    let words = found.iter().filter(|m| m.rule.gives == "none").map(|m| 1.0 - m.rule.confidence).product::<f32>();
    if text.contains(['?', '？']) { words * 0.7 } else { words }
}

/// A short text that speaks of absence and nothing else was written in advance more often than
/// not, more so if it names the day of return.
fn plainness(found: &[Match<'_>], text: &str, day: &impl Deref<Target = Option<NaiveDate>>) -> f32 {
    let says = found.iter().any(|m| m.rule.gives == "out_of_office" && m.rule.confidence >= 0.6);
    if !says {
        return 0.0;
    }
    let brief: f32 = if text.chars().take(170).count() < 170 { 0.55 } else { 0.0 };
    let dated: f32 = if day.is_some() { 0.3 } else { 0.0 };
    1.0 - (1.0 - brief) * (1.0 - dated)
}

/// Headers that only an automatic answer has. Gives the probability.
fn said_by_headers(mail: &Mail<'_>, hits: &mut Vec<(f32, Hit)>) -> f32 {
    let mut doubt: f32 = 1.0;
    let mut say = |rule: &str, name: &str, value: &str, probability: f32| {
        doubt *= 1.0 - probability;
        hits.push((probability, Hit::in_field(rule, &format!("header:{name}"), None, value)));
    };
    // RFC 3834 section 5: anything but "no"; parameters may follow.
    if let Some(value) = mail.header("Auto-Submitted")
        && !value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("no")
    {
        say("auto_reply.header.auto_submitted", "Auto-Submitted", &value, 0.97);
    }
    let is = |name: &str, test: Test| mail.header(name).filter(|v| test(v));
    let any = |v: &str| !matches!(v.trim().to_ascii_lowercase().as_str(), "no" | "false" | "0");
    let table: [(&str, &str, Test, f32); 16] = [
        ("auto_reply.header.x_autoreply", "X-Autoreply", any, 0.97),
        ("auto_reply.header.x_auto_reply", "X-Auto-Reply", any, 0.97),
        ("auto_reply.header.x_autorespond", "X-Autorespond", any, 0.97),
        ("auto_reply.header.x_autoresponder", "X-Autoresponder", any, 0.97),
        ("auto_reply.header.x_mail_autoreply", "X-Mail-Autoreply", any, 0.97),
        ("auto_reply.header.x_autoreply_from", "X-AutoReply-From", any, 0.97),
        ("auto_reply.header.x_autogenerated", "X-Autogenerated", |v| v.to_ascii_lowercase().contains("reply"), 0.97),
        (
            "auto_reply.header.precedence",
            "Precedence",
            |v| matches!(v.trim().to_ascii_lowercase().as_str(), "auto_reply" | "auto-reply" | "autoreply"),
            0.97,
        ),
        (
            "auto_reply.header.x_precedence",
            "X-Precedence",
            |v| matches!(v.trim().to_ascii_lowercase().as_str(), "auto_reply" | "auto-reply" | "autoreply"),
            0.97,
        ),
        ("auto_reply.header.x_apple_action", "X-Apple-Action", any, 0.95),
        ("auto_reply.header.x_fc_machinegenerated", "X-FC-MachineGenerated", any, 0.95),
        (
            "auto_reply.header.x_post_messageclass",
            "X-POST-MessageClass",
            |v| v.to_ascii_lowercase().contains("autoresponder") || v.trim_start().starts_with('9'),
            0.95,
        ),
        ("auto_reply.header.inbox_rules_loop", "X-MS-Exchange-Inbox-Rules-Loop", any, 0.93),
        (
            "auto_reply.header.generated_source",
            "X-MS-Exchange-Generated-Message-Source",
            |v| v.to_ascii_lowercase().contains("mailbox rules agent"),
            0.95,
        ),
        ("auto_reply.header.delivered_to", "Delivered-To", |v| v.eq_ignore_ascii_case("autoresponder"), 0.95),
        ("auto_reply.header.vacation", "X-Vacation", any, 0.95),
    ];
    for (rule, name, test, probability) in table {
        if let Some(value) = is(name, test) {
            say(rule, name, &value, probability);
        }
    }
    1.0 - doubt
}

/// Headers that automatic answers have, and other mail too.
fn hinted_by_headers(mail: &Mail<'_>, hits: &mut Vec<(f32, Hit)>) -> f32 {
    let mut doubt: f32 = 1.0;
    let mut say = |rule: &str, name: &str, value: &str, probability: f32| {
        doubt *= 1.0 - probability;
        hits.push((probability, Hit::in_field(rule, &format!("header:{name}"), None, value)));
    };
    if let Some(value) = mail.header("Precedence") {
        let probability = match value.trim().to_ascii_lowercase().as_str() {
            "bulk" | "junk" => 0.5,
            "list" => 0.2,
            _ => 0.0,
        };
        if probability > 0.0 {
            say("auto_reply.header.precedence_bulk", "Precedence", &value, probability);
        }
    }
    // Exchange writes it on automatic answers, help desks on everything.
    if let Some(value) = mail.header("X-Auto-Response-Suppress") {
        let all = value.to_ascii_lowercase();
        let probability =
            if all.contains("all") || all.contains("oof") || all.contains("autoreply") { 0.5 } else { 0.2 };
        say("auto_reply.header.response_suppress", "X-Auto-Response-Suppress", &value, probability);
    }
    // RFC 3834 section 3.3: the null sender. A report with it was found before.
    if mail.return_path() == Some(None) && mail.headers_raw("Return-Path").next().is_some_and(|v| v.trim() == "<>") {
        say("auto_reply.header.null_sender", "Return-Path", "<>", 0.86);
    }
    if let Some(from) = mail.from() {
        let local = from.local().to_ascii_lowercase();
        if [
            "noreply",
            "no-reply",
            "no_reply",
            "donotreply",
            "do-not-reply",
            "autoreply",
            "auto-reply",
            "autoresponder",
            "mailer-daemon",
        ]
        .iter()
        .any(|l| local.starts_with(l))
        {
            say("auto_reply.header.no_reply_sender", "From", from.local(), 0.45);
        }
    }
    1.0 - doubt
}

/// Which automatic answer: what is permanent outranks what passes, as the notes for a person who
/// left speak of absence too.
fn reply_type(in_subject: &[Match<'_>], in_text: &[Match<'_>], said: f32) -> AutoReplyType {
    let score = |gives: &str| {
        let doubt: f32 = in_subject
            .iter()
            .chain(in_text)
            .filter(|m| m.rule.gives == gives)
            .map(|m| 1.0 - m.rule.confidence)
            .product();
        1.0 - doubt
    };
    let ranked = [
        (AutoReplyType::LeftCompany, "left_company", 0.8),
        (AutoReplyType::AddressChanged, "address_changed", 0.65),
        (AutoReplyType::MailboxUnmonitored, "mailbox_unmonitored", 0.8),
    ];
    if let Some((found, ..)) = ranked.iter().find(|(_, gives, least)| score(gives) >= *least) {
        return *found;
    }
    let (away, ticket) = (score("out_of_office"), score("ticket_ack"));
    // With a header that says so, one hint tells the kind.
    let least = if said > 0.9 { 0.35 } else { 0.4 };
    if away >= least && away >= ticket {
        AutoReplyType::OutOfOffice
    } else if ticket >= least {
        AutoReplyType::TicketAck
    } else {
        AutoReplyType::Generic
    }
}

/// The addresses that the text names and that are neither the sender's nor ours.
fn contacts(mail: &Mail<'_>, words: &Words) -> Vec<Party> {
    let mut known: Vec<String> = ["From", "Reply-To", "Sender", "To", "Cc", "Delivered-To", "X-Original-To"]
        .iter()
        .flat_map(|name| mail.addresses(name))
        .map(|a| a.normalised())
        .collect();
    known.extend(mail.return_path().flatten().map(|a| a.normalised()));
    let mut found = Vec::new();
    for text in [Some(words.text.as_str()), words.signature.as_deref()].into_iter().flatten() {
        for address in addresses_in(judged(text)) {
            let normalised = address.normalised();
            let machine = normalised.starts_with("noreply")
                || normalised.starts_with("no-reply")
                || normalised.starts_with("donotreply");
            if !machine && !known.contains(&normalised) {
                known.push(normalised);
                found.push(Party { address: Some(address.as_str().to_owned()), ..Party::default() });
                if found.len() == MOST_CONTACTS {
                    return found;
                }
            }
        }
    }
    found
}

/// The addresses in a running text.
fn addresses_in(text: &str) -> impl Iterator<Item = Address> {
    let local =
        |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '%' | '\'' | '=' | '&' | '/' | '#');
    let domain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-');
    text.match_indices('@').filter_map(move |(at, _)| {
        let (before, after) = (text.get(..at)?, text.get(at + 1..)?);
        let start = before.char_indices().rev().take(65).take_while(|(_, c)| local(*c)).last()?.0;
        let end =
            after.char_indices().take(256).take_while(|(_, c)| domain(*c)).last().map(|(i, c)| i + c.len_utf8())?;
        let host = after.get(..end)?.trim_end_matches(['.', '-']);
        let name = before.get(start..)?.trim_start_matches(['\'', '.', '-', '=', '/']);
        // A picture's Content-ID is no contact.
        let picture = before.get(..start).is_some_and(|b| b.ends_with("cid:"))
            || name
                .rsplit_once('.')
                .is_some_and(|(_, end)| matches!(end.to_ascii_lowercase().as_str(), "png" | "jpg" | "jpeg" | "gif"));
        (host.contains('.') && !picture).then(|| Address::parse(&format!("{name}@{host}")))?
    })
}
