//! What machines send that is neither a report on a mail nor an answer to one: statistics of
//! DMARC and TLS, meetings, newsletters, and requests to prove that a person wrote.

use super::sections::Sections;
use crate::classify::people::words;
use crate::classify::{Field, Finding, Hit, Reader, Table};
use crate::event::{Challenge, Verdict};
use crate::message::Mail;

/// Octets of the text in which a challenge introduces itself.
const WINDOW: usize = 8 * 1024;

/// Statistics and meetings: known by their structure.
pub(super) fn structured(mail: &Mail<'_>, sections: &Sections<'_>, rules: &Reader<'_>) -> Option<Finding> {
    if sections.report_type == "tlsrpt"
        || sections.attachments.iter().any(|(_, mime)| mime.starts_with("application/tlsrpt"))
    {
        return Some(
            Finding::other("tls_report", 0.99).because(Hit::structure("other.tls_report", "report-type=tlsrpt")),
        );
    }
    if let Some(name) = sections.attachments.iter().map(|(name, _)| name).find(|n| is_aggregate(n)) {
        return Some(Finding::other("dmarc_report", 0.99).because(Hit::structure("other.dmarc_report", name)));
    }
    // A person's answer may bring an invitation along; an answer to an invitation is no answer to a campaign.
    let invites = |method: &str| matches!(method, "REQUEST" | "PUBLISH" | "ADD");
    let answered = || mail.thread_ids().next().is_some() && !words(mail).text.is_empty();
    if let Some(method) = sections.calendar.as_deref().and_then(method).or_else(|| {
        (sections.mime == "text/calendar").then(|| mail.mime_attribute("method").map(str::to_ascii_uppercase)).flatten()
    }) && !(invites(&method) && answered())
    {
        return Some(Finding::other("calendar", 0.97).because(Hit::structure("other.calendar", &method)));
    }
    // A mail server's words may be those of a parcel service.
    let daemon = sections.signs.is_some_and(|s| s.daemon);
    by_rules(mail, sections, rules, Table::Other, true)
        .filter(|(gives, ..)| !daemon || !matches!(gives.as_str(), "notification" | "spam" | "newsletter"))
        .map(|(gives, confidence, hit)| Finding::other(&gives, confidence).because(hit))
}

/// A request to prove that a person sent the mail.
pub(super) fn challenge(mail: &Mail<'_>, sections: &Sections<'_>, rules: &Reader<'_>) -> Option<Finding> {
    // A person may write the same words; a person's mail has none of a machine's marks.
    let (_, confidence, hit) = by_rules(mail, sections, rules, Table::Challenge, is_automatic(mail))?;
    let has_link = sections.notice.contains("http://")
        || sections.notice.contains("https://")
        || mail.html().is_some_and(|h| h.contains("href"));
    let challenge = Challenge { has_link };
    Some(Finding {
        recipient: mail.from(),
        words: Some(words(mail)),
        ..Finding::new(Verdict::Challenge { challenge }, confidence).because(hit)
    })
}

/// Local parts under which machines write.
const MACHINES: [&str; 11] = [
    "noreply",
    "no-reply",
    "no_reply",
    "donotreply",
    "geen-antwoord",
    "nepasrepondre",
    "nicht-antworten",
    "antispam",
    "confirm",
    "verif",
    "challenge",
];

/// Marks of a machine in the header: RFC 3834 section 5, the null sender, Precedence.
fn is_automatic(mail: &Mail<'_>) -> bool {
    mail.header("Auto-Submitted").is_some_and(|v| !v.trim().eq_ignore_ascii_case("no"))
        || mail.return_path() == Some(None)
        // People write by way of lists.
        || mail.header("Precedence").is_some_and(|p| !p.trim().eq_ignore_ascii_case("list"))
        || mail.has_header("X-Autoreply")
        || mail.has_header("X-Auto-Response-Suppress")
        || mail.from().is_some_and(|f| {
            let local = f.local().to_ascii_lowercase();
            MACHINES.iter().any(|w| local.contains(w))
        })
}

/// Bulk mail of somebody else: a list of its own, and no answer to anything.
pub(super) fn newsletter(mail: &Mail<'_>) -> Option<Finding> {
    let unsubscribe = mail.has_header("List-Unsubscribe");
    let list = mail.has_header("List-Id");
    let bulk = mail
        .header("Precedence")
        .is_some_and(|p| ["bulk", "list", "junk"].iter().any(|w| p.trim().eq_ignore_ascii_case(w)));
    let automatic = mail.header("Auto-Submitted").is_some_and(|v| v.to_ascii_lowercase().starts_with("auto-replied"));
    let campaign =
        mail.has_header("Feedback-ID") || mail.has_header("X-Campaign") || mail.has_header("X-CSA-Complaints");
    let own = (unsubscribe && (bulk || list || campaign)) || (list && bulk);
    if !own || automatic || mail.in_reply_to().is_some() || mail.thread_ids().next().is_some() {
        return None;
    }
    Some(Finding::other("newsletter", 0.9).because(Hit::structure("other.newsletter", "a list of its own")))
}

/// The rule of a table that counts most, by subject, sender and, where it may count, the text.
fn by_rules(
    mail: &Mail<'_>,
    sections: &Sections<'_>,
    rules: &Reader<'_>,
    table: Table,
    by_text: bool,
) -> Option<(String, f32, Hit)> {
    let from = mail.headers_raw("From").next().unwrap_or_default();
    let fields = [
        (Field::Subject, "header:Subject", mail.subject().unwrap_or_default()),
        (Field::From, "header:From", &*from),
        (Field::Body, "body", sections.notice.as_str()),
    ];
    let mut best: Option<(String, f32, Hit)> = None;
    for (field, name, text) in fields.into_iter().filter(|(field, ..)| by_text || *field != Field::Body) {
        let found = match field {
            Field::Body => rules.best_folded(table, field, sections.folded(), WINDOW),
            _ => rules.best(table, field, text),
        };
        if let Some(m) = found
            && best.as_ref().is_none_or(|(_, c, _)| m.rule.confidence > *c)
        {
            let words = text.get(m.start..m.end).unwrap_or_default();
            let hit = Hit::in_field(&m.rule.id, name, Some((m.start, m.end)), words);
            best = Some((m.rule.gives.clone(), m.rule.confidence, hit));
        }
    }
    best
}

/// `receiver!sender!begin!end.xml.gz` (RFC 7489 section 7.2.1.1).
fn is_aggregate(name: &str) -> bool {
    let stem = [".xml.gz", ".xml", ".zip", ".gz"].iter().find_map(|e| name.strip_suffix(e));
    let Some(stem) = stem else { return false };
    let mut pieces = stem.split('!');
    let domain = |p: Option<&str>| p.is_some_and(|p| p.contains('.') && !p.contains(' '));
    let time = |p: Option<&str>| p.is_some_and(|p| p.len() >= 8 && p.bytes().all(|b| b.is_ascii_digit()));
    domain(pieces.next()) && domain(pieces.next()) && time(pieces.next()) && time(pieces.next())
}

/// The METHOD of a calendar (RFC 5546 section 1.4), where it asks for or gives an answer.
fn method(text: &str) -> Option<String> {
    let line = text.lines().take(60).find(|l| l.get(..7).is_some_and(|h| h.eq_ignore_ascii_case("METHOD:")))?;
    let method = line.get(7..)?.trim().to_ascii_uppercase();
    ["REPLY", "COUNTER", "REQUEST", "CANCEL", "DECLINECOUNTER", "REFRESH", "ADD", "PUBLISH"]
        .contains(&method.as_str())
        .then_some(method)
}

#[cfg(test)]
mod tests {
    use super::{is_aggregate, method};

    #[test]
    fn names_of_aggregate_reports() {
        let table = [
            ("mx.example.net!example.org!1763251200!1763337599.xml.gz", true),
            ("example.net!example.org!1763251200!1763337599.zip", true),
            ("example.net!example.org!1763251200!1763337599!a1.xml", true),
            ("offer!.zip", false),
            ("photo.zip", false),
        ];
        for (name, expected) in table {
            assert_eq!(is_aggregate(name), expected, "{name}");
        }
    }

    #[test]
    fn methods_of_calendars() {
        assert_eq!(method("BEGIN:VCALENDAR\nMETHOD:REPLY\n").as_deref(), Some("REPLY"));
        assert_eq!(method("BEGIN:VCALENDAR\n"), None);
    }
}
