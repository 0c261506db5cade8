//! What a machine reports on a mail of ours: bounces, delays, deliveries, complaints, receipts;
//! and what machines send besides (statistics, meetings, challenges, newsletters).
//!
//! Structure first: a part with fields of its own decides. Then the reports without one, which
//! [`machine`] tells from people who only talk about bounces. Families of servers differ in
//! words, hardly in shape, so [`text`] reads all of them and the words are data
//! (`rules/report.toml`, `rules/bounce_category.toml`).

mod arf;
mod category;
mod codes;
mod dsn;
mod fields;
mod judge;
mod machine;
mod mdn;
mod notification;
mod original;
mod other;
mod sections;
mod text;

use super::{Finding, Rules};
use crate::message::{Address, Mail};
use judge::Report;
use sections::Sections;
use std::collections::BTreeSet;

/// The findings of a machine's mail; empty where the mail is none.
#[must_use]
pub fn find(mail: &Mail<'_>, rules: &Rules) -> Vec<Finding> {
    let sections = Sections::of(mail, rules);
    let complaints = arf::find(mail, &sections);
    if !complaints.is_empty() {
        return complaints;
    }
    if let Some(receipt) = mdn::find(&sections) {
        return vec![receipt];
    }
    if let Some(report) = delivery_status(mail, &sections, rules) {
        return report.findings(mail, rules);
    }
    let notifications = notification::find(mail, &sections, rules);
    if !notifications.is_empty() {
        return notifications;
    }
    if let Some(finding) = other::structured(mail, &sections, rules) {
        return vec![finding];
    }
    let daemon = machine::is_daemon(mail);
    // Mail servers never ask who you are.
    if !daemon && let Some(finding) = other::challenge(mail, &sections, rules) {
        return vec![finding];
    }
    if let Some(report) = written(mail, &sections, rules) {
        return report.findings(mail, rules);
    }
    if daemon { Vec::new() } else { other::newsletter(mail).into_iter().collect() }
}

/// A report with a delivery status, wherever it stands.
fn delivery_status(mail: &Mail<'_>, sections: &Sections<'_>, rules: &Rules) -> Option<Report> {
    let mut report = if sections.statuses.is_empty() {
        // In the text of a mail the fields count only when a machine wrote it: people quote them.
        if !machine::is_candidate(mail, sections) {
            return None;
        }
        let text = fields::embedded_status(&sections.notice).or_else(|| fields::embedded_status(&sections.copy))?;
        machine::look(mail, sections, rules)?;
        dsn::read([text])?
    } else {
        dsn::read(sections.statuses.iter().map(AsRef::as_ref))?
    };
    report.original = sections.original.clone().or_else(|| original::described(&sections.notice));
    if report.fates.iter().all(|f| f.recipient.is_none()) {
        // The status names no address: the words, a header or the original may.
        let outcome = report.fates.first().map(|f| f.outcome).unwrap_or_default();
        let others = others(mail, sections);
        let mut written = text::fates(&sections.notice, failed_recipients(mail), &others, outcome);
        if written.iter().all(|f| f.recipient.is_none())
            && let (Some(first), Some(to)) = (written.first_mut(), only_recipient(&report.original))
        {
            first.recipient = Some(to);
        }
        if let Some(told) = report.fates.pop() {
            for fate in &mut written {
                if !told.words.is_empty() {
                    fate.words.clone_from(&told.words);
                }
                fate.action.clone_from(&told.action);
                fate.status.clone_from(&told.status);
                fate.remote_mta.clone_from(&told.remote_mta);
                fate.last_attempt = told.last_attempt;
                fate.will_retry_until = told.will_retry_until;
            }
        }
        report.fates = written;
        return Some(report);
    }
    text::complete(&sections.notice, &mut report.fates);
    Some(report)
}

/// A report in words only.
fn written(mail: &Mail<'_>, sections: &Sections<'_>, rules: &Rules) -> Option<Report> {
    let gate = machine::look(mail, sections, rules)?;
    // Words alone, and of nobody: an automatic answer that says it was "not delivered to a person".
    let named = |f: &judge::Fate| f.recipient.is_some() || codes::Codes::read(&f.words) != codes::Codes::default();
    let others = others(mail, sections);
    let original = sections.original.clone().or_else(|| original::described(&sections.notice));
    let mut fates = text::fates(&sections.notice, failed_recipients(mail), &others, gate.outcome);
    if let [only] = fates.as_mut_slice()
        && only.recipient.is_none()
    {
        if !gate.sure && !sections.original_is_part && !named(only) {
            return None;
        }
        only.recipient = only_recipient(&original);
    }
    Some(Report {
        hits: gate.hits,
        confidence: gate.confidence,
        reporting_mta: reporting_host(&sections.notice),
        arrival: None,
        original,
        fates,
    })
}

/// X-Failed-Recipients, as Exim and Google write it.
fn failed_recipients(mail: &Mail<'_>) -> Vec<Address> {
    mail.headers("X-Failed-Recipients")
        .take(100)
        .flat_map(|v| v.split([',', ' ', '\n']).filter_map(Address::parse).collect::<Vec<_>>())
        .take(dsn::MAX_RECIPIENTS)
        .collect()
}

/// Addresses that a notice names and that are no recipients.
fn others(mail: &Mail<'_>, sections: &Sections<'_>) -> BTreeSet<String> {
    let mut out: BTreeSet<String> = mail.from().into_iter().map(|a| a.normalised()).collect();
    out.extend(mail.addresses("To").iter().map(Address::normalised));
    if let Some(original) = &sections.original {
        out.extend(original.from.iter().map(Address::normalised));
        let sender = original.headers.iter().find(|(n, _)| n == "return-path").and_then(|(_, v)| Address::parse(v));
        out.extend(sender.map(|a| a.normalised()));
    }
    out
}

/// The original's recipient, where it has one only.
fn only_recipient(original: &Option<super::OriginalMail>) -> Option<Address> {
    match original.as_ref()?.to.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// "This is the mail system at host mx.example.org.": who writes.
fn reporting_host(notice: &str) -> Option<String> {
    let head = notice.lines().take(12);
    for line in head {
        for mark in [" at host ", "program at ", "Mail Agent v", "SMTP relay on "] {
            let Some((_, tail)) = line.split_once(mark) else { continue };
            let tail = if mark.ends_with('v') { tail.split_once(" at ").map_or("", |(_, t)| t) } else { tail };
            let name = tail.split_whitespace().next().unwrap_or_default().trim_end_matches(['.', ',', ':']);
            if name.contains('.') && name.len() <= 255 {
                return Some(name.to_ascii_lowercase());
            }
        }
    }
    None
}

