//! Spam reports: ARF (RFC 5965) as a part or as plain text, and Microsoft's format before it.

use super::fields::{self, Group, groups};
use super::machine;
use super::original;
use super::sections::Sections;
use crate::classify::{Finding, Hit, OriginalMail};
use crate::event::{Complaint, ComplaintFormat, Unsubscribe, UnsubscribeScope, UnsubscribeVia, Verdict};
use crate::message::{Address, Mail, received_date};
use chrono::{DateTime, Utc};

/// Recipients taken of one report.
const MAX_RECIPIENTS: usize = 5_000;

/// Reads a spam report; empty where the mail is none.
pub(super) fn find(mail: &Mail<'_>, sections: &Sections<'_>) -> Vec<Finding> {
    if let Some(text) = &sections.feedback {
        return report(text, ComplaintFormat::Arf, "report.arf", sections.original.clone());
    }
    let told_by_a_person = mail.in_reply_to().is_some() || machine::is_conversation(mail);
    if let Some(text) = plain(sections).filter(|_| !told_by_a_person) {
        let copy = original::find_block(text).and_then(|at| text.get(at..)).and_then(original::of_text);
        return report(text, ComplaintFormat::Plain, "report.arf_plain", sections.original.clone().or(copy));
    }
    legacy(mail, sections).or_else(|| to_a_desk(mail, sections)).into_iter().collect()
}

/// What people's tools report to the sender's abuse desk: `SpamCop`, and X-ARF (its YAML part, versions 0.1 and 0.2).
fn to_a_desk(mail: &Mail<'_>, sections: &Sections<'_>) -> Option<Finding> {
    let subject = mail.subject().unwrap_or_default();
    let spamcop = mail.from().is_some_and(|f| f.domain() == "reports.spamcop.net") && subject.starts_with("[SpamCop");
    let (rule, kind, source) = if spamcop {
        let address = subject.split_once('(').and_then(|(_, t)| t.split_once(')')).map(|(a, _)| ip(a));
        ("report.spamcop", "abuse".to_owned(), address)
    } else {
        if !mail.has_header("X-XARF") && !mail.has_header("X-ARF") {
            return None;
        }
        let at = line_with(&sections.notice, "report-type:")?;
        let mut all = Group::default();
        all.0.extend(groups(sections.notice.get(at..)?).into_iter().flat_map(|g| g.0));
        let kind = all.get("report-type").map(word)?;
        // Logins, scans and copyright are no business of a campaign.
        if kind != "spam" {
            return Some(Finding::other("xarf", 0.9).because(Hit::in_field("report.xarf", "body", None, &kind)));
        }
        ("report.xarf", "abuse".to_owned(), all.get("source").map(ip))
    };
    let block = || original::find_block(&sections.notice).and_then(|at| sections.notice.get(at..));
    let original = sections.original.clone().or_else(|| block().and_then(original::of_text));
    let recipients = of_original(original.as_ref());
    let complaint = Complaint {
        feedback_type: kind,
        format: ComplaintFormat::Other,
        user_agent: None,
        source_ip: source.filter(|i| i.parse::<std::net::IpAddr>().is_ok()),
        reported_domain: None,
        incidents: 1,
        recipient_redacted: recipients.is_empty(),
        arrival_date: None,
    };
    let hit = Hit::structure(rule, "a report to an abuse desk");
    each(&Verdict::Complaint { complaint }, recipients, &hit, original.as_ref(), None).into_iter().next()
}

/// The fields in the text of a mail, where a sender made no part for them.
fn plain<'t>(sections: &'t Sections<'_>) -> Option<&'t str> {
    let marked = sections.report_type == "feedback-report";
    // The field's name with its usual letter cases: most mails have none, and need no look at each line.
    let may = |text: &str| {
        ["eedback-", "EEDBACK-"].iter().any(|n| memchr::memmem::find(text.as_bytes(), n.as_bytes()).is_some())
    };
    [&sections.notice, &sections.copy].into_iter().filter(|t| may(t)).find_map(|text| {
        let at = line_with(text, "feedback-type:")?;
        let stretch = text.get(at..)?;
        // RFC 5965 section 3.1 requires three fields: a mail that talks about them has not all.
        let complete = line_with(stretch, "user-agent:").is_some() || line_with(stretch, "version:").is_some();
        (marked || complete).then_some(stretch)
    })
}

fn line_with(text: &str, name: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n').take(2_000) {
        if line.get(..name.len()).is_some_and(|h| h.eq_ignore_ascii_case(name)) {
            return Some(start);
        }
        start += line.len();
    }
    None
}

fn report(text: &str, format: ComplaintFormat, rule: &str, original: Option<OriginalMail>) -> Vec<Finding> {
    let mut all = Group::default();
    all.0.extend(groups(text).into_iter().flat_map(|g| g.0));
    let kind = all.get("feedback-type").map(word).unwrap_or_default();
    let hit = Hit::in_field(rule, "report:Feedback-Type", None, &kind);
    let named: Vec<Address> = ["original-rcpt-to", "removal-recipient", "original-recipient", "final-recipient"]
        .into_iter()
        .map(|n| all.all(n).flat_map(|v| v.split(',')).filter_map(fields::recipient).collect::<Vec<_>>())
        .find(|list| !list.is_empty())
        .unwrap_or_default();
    let whom = named.iter().find(|a| !is_redacted(a)).cloned();
    match kind.as_str() {
        "not-spam" => return vec![other("arf_not_spam", hit, whom, original)],
        "auth-failure" | "dkim" | "dmarc" => return vec![other("arf_auth_failure", hit, whom, original)],
        _ => {}
    }
    let redacted = named.iter().any(is_redacted);
    let mut recipients: Vec<Address> = named.into_iter().filter(|a| !is_redacted(a)).take(MAX_RECIPIENTS).collect();
    recipients.dedup_by(|a, b| a.normalised() == b.normalised());
    let mut blanked = redacted;
    if recipients.is_empty() {
        recipients = of_original(original.as_ref());
        blanked |= recipients.is_empty();
    }
    let arrival = ["arrival-date", "received-date"].into_iter().find_map(|n| all.get(n)).and_then(date);
    let complaint = Complaint {
        feedback_type: if kind.is_empty() { "abuse".to_owned() } else { kind.clone() },
        format,
        user_agent: all.get("user-agent").map(short).filter(|s| !s.is_empty()),
        source_ip: all.get("source-ip").map(ip).filter(|s| !s.is_empty()),
        reported_domain: all.get("reported-domain").map(|d| short(d).to_lowercase()).filter(|s| !s.is_empty()),
        incidents: all.get("incidents").and_then(|i| i.trim().parse().ok()).filter(|n| *n > 0).unwrap_or(1),
        recipient_redacted: blanked,
        arrival_date: arrival,
    };
    let verdict = if kind.starts_with("opt-out") {
        Verdict::Unsubscribe {
            unsubscribe: Unsubscribe {
                via: UnsubscribeVia::ArfOptOut,
                // RFC 5965 section 7.3 of its first drafts: `opt-out` is all mail, `-list` one list.
                scope: if kind == "opt-out-list" { UnsubscribeScope::List } else { UnsubscribeScope::Unknown },
                honor_by: None,
                unverified: false,
                phrase_rule: None,
            },
        }
    } else {
        Verdict::Complaint { complaint }
    };
    each(&verdict, recipients, &hit, original.as_ref(), arrival)
}

fn each(
    verdict: &Verdict,
    recipients: Vec<Address>,
    hit: &Hit,
    original: Option<&OriginalMail>,
    at: Option<DateTime<Utc>>,
) -> Vec<Finding> {
    let lean = original.filter(|_| recipients.len() > 50).map(original::lean);
    let original = lean.as_ref().or(original);
    let finding = |recipient: Option<Address>| Finding {
        recipient,
        original: original.cloned(),
        reported_at: at,
        ..Finding::new(verdict.clone(), 0.99).because(hit.clone())
    };
    if recipients.is_empty() { vec![finding(None)] } else { recipients.into_iter().map(|r| finding(Some(r))).collect() }
}

fn other(subtype: &str, hit: Hit, recipient: Option<Address>, original: Option<OriginalMail>) -> Finding {
    Finding { recipient, original, ..Finding::other(subtype, 0.99).because(hit) }
}

/// Whom the mail went to, by the header that Microsoft adds, else by To.
fn of_original(original: Option<&OriginalMail>) -> Vec<Address> {
    let Some(original) = original else { return Vec::new() };
    let noted = original
        .headers
        .iter()
        .filter(|(name, _)| name == "x-hmxmroriginalrecipient")
        .find_map(|(_, value)| Address::parse(value));
    noted.or_else(|| original.to.first().cloned()).filter(|a| !is_redacted(a)).into_iter().collect()
}

/// Before ARF, Microsoft's programme forwarded the mail with a header of its own.
fn legacy(mail: &Mail<'_>, sections: &Sections<'_>) -> Option<Finding> {
    let original = sections.original.as_ref().filter(|_| sections.original_is_part)?;
    let marked = original.headers.iter().any(|(name, _)| name == "x-hmxmroriginalrecipient");
    let subject = mail.subject().unwrap_or_default().trim_start().to_ascii_lowercase();
    let from = mail.from()?;
    let staff = from.local().eq_ignore_ascii_case("staff") && from.domain() == "hotmail.com";
    if !(marked || (staff && subject.starts_with("complaint about message from"))) {
        return None;
    }
    let recipients = of_original(Some(original));
    let complaint = Complaint {
        feedback_type: "abuse".to_owned(),
        format: ComplaintFormat::JmrpLegacy,
        user_agent: None,
        source_ip: subject.rsplit(' ').next().map(ip).filter(|i| i.parse::<std::net::IpAddr>().is_ok()),
        reported_domain: None,
        incidents: 1,
        recipient_redacted: recipients.is_empty(),
        arrival_date: None,
    };
    let hit = Hit::structure("report.jmrp_legacy", "X-HmXmrOriginalRecipient");
    each(&Verdict::Complaint { complaint }, recipients, &hit, sections.original.as_ref(), None).into_iter().next()
}

/// Blanked out by the reporter (RFC 6590 leaves the domain).
fn is_redacted(address: &Address) -> bool {
    let local = address.local().to_ascii_lowercase();
    local.contains("redacted") || local.chars().all(|c| matches!(c, '*' | 'x' | '?' | '.' | '-' | '[' | ']'))
}

/// The first word of a value, comments left out, in lower case.
fn word(value: &str) -> String {
    let mut out = String::new();
    let mut depth = 0_u32;
    for c in value.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out.split([' ', ';', ','])
        .find(|w| !w.is_empty())
        .unwrap_or_default()
        .to_ascii_lowercase()
        .chars()
        .take(40)
        .collect()
}

fn ip(value: &str) -> String {
    word(value).trim_matches(['[', ']', '"']).trim_start_matches("ipv6:").to_owned()
}

fn short(value: &str) -> String {
    value.trim().chars().filter(|c| !c.is_control()).take(200).collect()
}

fn date(value: &str) -> Option<DateTime<Utc>> {
    // RFC 5965 asks for a mail's date; some write RFC 3339's.
    received_date(&format!("; {value}")).or_else(|| value.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{ip, is_redacted, word};
    use crate::message::Address;

    #[test]
    fn values_with_comments_and_brackets() {
        assert_eq!(word("abuse (spam)"), "abuse");
        assert_eq!(word("(user pressed) Not-Spam"), "not-spam");
        assert_eq!(word(""), "");
        assert_eq!(ip("[192.0.2.1]"), "192.0.2.1");
        assert_eq!(ip("IPv6:2001:db8::1"), "2001:db8::1");
    }

    #[test]
    fn redacted_addresses() {
        let table = [
            ("redacted@example.org", true),
            ("xxxx@example.org", true),
            ("redacted-1a2b@example.org", true),
            ("ana@example.org", false),
        ];
        for (text, expected) in table {
            assert_eq!(Address::parse(text).is_some_and(|a| is_redacted(&a)), expected, "{text}");
        }
    }
}
