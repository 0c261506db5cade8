//! What a machine reports on a mail of ours: bounces, delays, deliveries, complaints, receipts;
//! and what machines send besides (statistics, meetings, challenges, newsletters).
//!
//! Structure first: a part with fields of its own decides. Then the reports without one, which
//! `machine` tells from people who only talk about bounces. Families of servers differ in
//! words, hardly in shape, so `text` reads all of them and the words are data
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
mod recipients;
mod sections;
mod text;

use super::{Field, Finding, OriginalMail, Reader, Rules, Table};
use crate::event::UnclassifiedReason;
use crate::message::{Address, Mail};
use judge::Report;
use sections::Sections;
use std::collections::BTreeSet;

/// The findings of a machine's mail; empty where the mail is none.
#[must_use]
pub fn find(mail: &Mail<'_>, rules: &Reader<'_>) -> Vec<Finding> {
    let mut sections = Sections::of(mail, rules);
    let complaints = arf::find(mail, &sections);
    if !complaints.is_empty() {
        return complaints;
    }
    if let Some(receipt) = mdn::find(&sections) {
        return vec![receipt];
    }
    if let Some(report) = delivery_status(mail, &mut sections, rules) {
        return report.findings(mail, rules.rules());
    }
    let notifications = notification::find(mail, &sections, rules);
    if !notifications.is_empty() {
        return notifications;
    }
    if let Some(finding) = other::structured(mail, &sections, rules) {
        return vec![finding];
    }
    let daemon = sections.signs.is_some_and(|s| s.daemon);
    if !daemon && let Some(receipt) = mdn::in_words(mail, &sections, rules) {
        return vec![receipt];
    }
    // Mail servers never ask who you are.
    if !daemon && let Some(finding) = other::challenge(mail, &sections, rules) {
        return vec![finding];
    }
    if let Some(report) = written(mail, &mut sections, rules) {
        return report.findings(mail, rules.rules());
    }
    if daemon { Vec::new() } else { other::newsletter(mail).into_iter().collect() }
}

/// The finding for a bare reply of a server, to a recipient at `domain`.
#[must_use]
pub fn of_reply(rules: &Rules, reply: &str, domain: &str, host: Option<&str>, command: Option<&str>) -> Finding {
    let fate = judge::Fate {
        recipient: Address::parse(&format!("recipient@{domain}")),
        words: reply.to_owned(),
        remote_mta: host.map(str::to_owned),
        command: command.and_then(judge::command_named),
        ..judge::Fate::default()
    };
    let report = Report { confidence: 1.0, fates: vec![fate], ..Report::default() };
    report.findings(&Mail::parse(b""), rules).pop().unwrap_or_else(|| Finding::unclassified(UnclassifiedReason::NoRule))
}

/// A report with a delivery status, wherever it stands. Takes the original where it is one.
fn delivery_status(mail: &Mail<'_>, sections: &mut Sections<'_>, rules: &Reader<'_>) -> Option<Report> {
    let mut report = if sections.statuses.is_empty() {
        // In the text of a mail the fields count only when a machine wrote it: people quote them.
        sections.signs?;
        let text = fields::embedded_status(&sections.notice).or_else(|| fields::embedded_status(&sections.copy))?;
        machine::look(mail, sections, &others(mail, sections), rules)?;
        dsn::read([text])?
    } else if sections.signs.is_none() && (mail.in_reply_to().is_some() || machine::is_conversation(mail)) {
        // A person's forward that kept the parts of the report.
        return None;
    } else {
        dsn::read(sections.statuses.iter().map(AsRef::as_ref))?
    };
    let is_named = report.fates.iter().any(|f| f.recipient.is_some());
    let others = if is_named { BTreeSet::new() } else { others(mail, sections) };
    report.original = sections.original.take().or_else(|| original::described(&sections.notice));
    if !is_named {
        // The status names no address: the words, a header or the original may.
        let outcome = report.fates.first().map(|f| f.outcome).unwrap_or_default();
        let mut written = text::fates(&sections.notice, failed_recipients(mail), &others, outcome);
        if written.iter().all(|f| f.recipient.is_none())
            && let (Some(first), Some(to)) = (written.first_mut(), only_recipient(report.original.as_ref()))
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

/// A report in words only. Takes the original.
fn written(mail: &Mail<'_>, sections: &mut Sections<'_>, rules: &Reader<'_>) -> Option<Report> {
    let others = others(mail, sections);
    let gate = machine::look(mail, sections, &others, rules)?;
    // Words alone, and of nobody: an automatic answer that says it was "not delivered to a person".
    let named = |f: &judge::Fate| f.recipient.is_some() || codes::Codes::read(&f.words) != codes::Codes::default();
    let original = sections.original.take().or_else(|| original::described(&sections.notice));
    // A copied header block is as good as a part of its own.
    let copied = |o: &OriginalMail| o.message_id.is_some() || (o.subject.is_some() && !o.to.is_empty());
    let returned = sections.original_is_part || original.as_ref().is_some_and(copied);
    let mut fates = text::fates(&sections.notice, failed_recipients(mail), &others, gate.outcome);
    // A robot's words without a server's: "this address is not read, your message was not delivered, write to …".
    if gate.weak && !returned {
        let to = mail.addresses("To");
        let own: BTreeSet<&str> = to.iter().map(Address::domain).collect();
        let known = |f: &judge::Fate| !f.is_guess && f.recipient.as_ref().is_some_and(|r| !own.contains(r.domain()));
        let caused = |f: &judge::Fate| {
            codes::Codes::read(&f.words) != codes::Codes::default()
                || rules
                    .best(Table::BounceCategory, Field::Diagnostic, text::head(&f.words))
                    .is_some_and(|m| m.rule.confidence >= 0.8)
        };
        let in_subject = gate.returned_to_us && gate.hits.iter().any(|h| h.field == "header:Subject");
        if !fates.iter().any(|f| known(f) && (in_subject || caused(f))) {
            return None;
        }
    }
    if let [only] = fates.as_mut_slice()
        && only.recipient.is_none()
    {
        if !gate.sure && !returned && !named(only) {
            return None;
        }
        only.recipient = only_recipient(original.as_ref());
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
        .take(dsn::MAX_RECIPIENTS + 1)
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
fn only_recipient(original: Option<&OriginalMail>) -> Option<Address> {
    match original?.to.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// "This is the mail system at host mx.example.org.": who writes.
fn reporting_host(notice: &str) -> Option<String> {
    const MARKS: [&str; 4] = [" at host ", "program at ", "Mail Agent v", "SMTP relay on "];
    let end = memchr::memchr_iter(b'\n', notice.as_bytes()).take(12).last().unwrap_or(notice.len());
    let head = notice.get(..end)?;
    let mut found: Vec<(usize, &str)> =
        MARKS.iter().filter_map(|m| Some((memchr::memmem::find(head.as_bytes(), m.as_bytes())?, *m))).collect();
    found.sort_unstable();
    found.into_iter().find_map(|(at, mark)| {
        let tail = head.get(at + mark.len()..)?.lines().next()?;
        let tail = if mark.ends_with('v') { tail.split_once(" at ").map_or("", |(_, t)| t) } else { tail };
        let name = tail.split_whitespace().next()?.trim_end_matches(['.', ',', ':']);
        (name.contains('.') && name.len() <= 255).then(|| name.to_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::find;
    use crate::classify::{Reader, Rules};
    use crate::event::{Category, Kind, Verdict};
    use crate::message::{Mail, to_crlf};

    const DAEMON: &str = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.com\nTo: news@shop.example\n";
    const PERSON: &str = "Return-Path: <ana@example.org>\nFrom: Ana <ana@example.org>\nTo: news@shop.example\n";

    fn kinds(mail: &str) -> Vec<(Kind, Option<String>, Option<Category>)> {
        let rules = Rules::embedded().expect("embedded rules are right");
        let bytes = to_crlf(mail.as_bytes());
        find(&Mail::parse(&bytes), &Reader::new(&rules))
            .into_iter()
            .map(|f| {
                let category = match &f.verdict {
                    Verdict::Bounce { bounce } => Some(bounce.category),
                    Verdict::Delay { delay } => Some(delay.category),
                    _ => None,
                };
                (f.kind(), f.recipient.map(|a| a.as_str().to_owned()), category)
            })
            .collect()
    }

    #[test]
    fn families_in_words() {
        let table: [(&str, &str, Kind, Category); 8] = [
            (
                "failure notice",
                "Hi. This is the qmail-send program at mx.example.com.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n<ana@example.org>:\nRemote host said: 550 5.1.1 no such user\n",
                Kind::Bounce,
                Category::MailboxUnknown,
            ),
            (
                "Mail delivery failed: returning message to sender",
                "A message that you sent could not be delivered to one or more of its\nrecipients. The following address(es) failed:\n\n  ana@example.org\n    host mx.example.org [192.0.2.1]: 552 5.2.2 mailbox full\n",
                Kind::Bounce,
                Category::MailboxFull,
            ),
            (
                "Returned mail: see transcript for details",
                "   ----- The following addresses had permanent fatal errors -----\n<ana@example.org>\n\n   ----- Transcript of session follows -----\n>>> RCPT To:<ana@example.org>\n<<< 550 5.7.1 Relaying denied\n",
                Kind::Bounce,
                Category::RelayDenied,
            ),
            (
                "Undeliverable: Offer",
                "Delivery has failed to these recipients or groups:\n\nana@example.org<mailto:ana@example.org>\nIt may be misspelled.\n\nRemote Server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found'\n",
                Kind::Bounce,
                Category::MailboxUnknown,
            ),
            (
                "DELIVERY FAILURE: User Ana not listed",
                "Your message\n\n  Subject: Offer\n\nwas not delivered to:\n\n  ana@example.org\n\nbecause:\n\n  User Ana (ana@example.org) not listed in Domino Directory\n",
                Kind::Bounce,
                Category::MailboxUnknown,
            ),
            (
                "Delivery Status Notification (Delay)",
                "Delivery to the following recipient has been delayed:\n\n     ana@example.org\n\nMessage will be retried for 2 more day(s)\n",
                Kind::Delay,
                Category::Unknown,
            ),
            (
                "Undeliverable Mail",
                "Unknown user: ana@example.org\n\nOriginal message follows.\n",
                Kind::Bounce,
                Category::MailboxUnknown,
            ),
            (
                "NOTICE: mail delivery status.",
                "Your message to the following recipients cannot be delivered:\n\n<ana@example.org>:\n    mx.example.org [192.0.2.1]:\n>>> RCPT TO:<ana@example.org>\n<<< 550 5.1.1 User Unknown\n",
                Kind::Bounce,
                Category::MailboxUnknown,
            ),
        ];
        for (subject, body, kind, category) in table {
            let found = kinds(&format!("{DAEMON}Subject: {subject}\n\n{body}"));
            assert_eq!(found, [(kind, Some("ana@example.org".to_owned()), Some(category))], "{subject}");
        }
    }

    #[test]
    fn people_and_their_machines_are_no_reports() {
        let table = [
            ("Question", "I got \"550 5.1.1 User unknown\" from MAILER-DAEMON for <bob@example.net>. Why?"),
            ("Fwd: Undelivered Mail Returned to Sender", "> <bob@example.net>: host mx said: 550 5.1.1 no such user"),
            ("Re: Delivery failure", "The disk was full, delivery failed. Please send it again to bob@example.net."),
        ];
        for (subject, body) in table {
            assert_eq!(kinds(&format!("{PERSON}Subject: {subject}\n\n{body}\n")), [], "{subject}");
        }
        let away = "Return-Path: <>\nFrom: Ana <ana@example.org>\nAuto-Submitted: auto-replied\nSubject: I am away\n\nWrite to bob@example.net.\n";
        assert_eq!(kinds(away), []);
    }

    #[test]
    fn what_an_answer_quotes_is_somebody_elses() {
        let words = "我司长期有各行业余额票对外转让，先验后付，税点从优。\n";
        let mail = |above: &str, mark: &str| {
            format!("{PERSON}In-Reply-To: <1@shop.example>\nSubject: Re: Offer\n\n{above}{mark}{words}")
        };
        let kind = |mail: &str| kinds(mail).first().map(|(kind, ..)| *kind);
        assert_eq!(kind(&mail("", "")), Some(Kind::Other));
        assert_eq!(kind(&mail("Who is this?\n\nYou wrote:\n", "> ")), None);
        // Nothing else was written.
        assert_eq!(kind(&mail("\n\n", "> ")), Some(Kind::Other));
    }

    #[test]
    fn line_ends_change_nothing() {
        let mail = format!(
            "{DAEMON}Subject: failure notice\n\n<ana@example.org>:\n550 5.1.1 no such user\n\n<bob@example.net>:\n552 5.2.2 full\n"
        );
        let found = kinds(&mail);
        assert_eq!(found.len(), 2);
        assert_eq!(found, kinds(&mail.replace('\n', "\r\n")));
        assert_eq!(found, kinds(&mail.replace('\n', "\r")));
    }
}
