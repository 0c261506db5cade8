//! Delivery status notifications (RFC 3464, RFC 6533), and what senders make of them.

use super::fields::{Group, groups, per_recipient, recipient, typed};
use super::judge::{Fate, Outcome, Report};
use super::text;
use crate::classify::Hit;
use crate::event::DeliveredAction;
use crate::message::{Address, received_date};
use chrono::{DateTime, Utc};

/// Recipients reported of one mail; where there are more, the events say so.
pub(super) const MAX_RECIPIENTS: usize = 5_000;

/// Reads the delivery statuses of a mail. `None` where they name neither a recipient nor a fate.
pub(super) fn read<'t>(texts: impl IntoIterator<Item = &'t str>) -> Option<Report> {
    let mut report = Report { confidence: 0.99, ..Report::default() };
    for text in texts {
        let (message, recipients) = per_recipient(groups(text));
        let address = |name: &str| message.get(name).map(|v| typed(v).1.to_owned()).filter(|v| !v.is_empty());
        report.reporting_mta = report.reporting_mta.or_else(|| address("reporting-mta")).map(|m| host(&m));
        report.arrival = report.arrival.or_else(|| message.get("arrival-date").and_then(date));
        for group in recipients {
            if report.fates.len() > MAX_RECIPIENTS {
                break;
            }
            report.fates.push(fate(&group, &message));
        }
    }
    merge(&mut report.fates);
    let told = report.fates.iter().any(|f| f.recipient.is_some() || f.action.is_some() || f.status.is_some());
    report.hits = vec![Hit::structure("report.rfc3464", "delivery status")];
    told.then_some(report)
}

fn fate(group: &Group<'_>, message: &Group<'_>) -> Fate {
    let action = group.get("action").map(|a| a.split([' ', '(', ';']).next().unwrap_or_default().to_ascii_lowercase());
    let status = group.get("status").map(|s| text::head(s).to_owned()).filter(|s| !s.is_empty());
    // The original is the one that was mailed, the final one what became of it on the way; only
    // where the latter is no address (a local file, a program) the former says more.
    // So does it where the final one is a name inside the system: `ana@mailstore`.
    let named = || {
        ["final-recipient", "original-recipient", "x-actual-recipient"]
            .into_iter()
            .filter_map(|n| group.all(n).find_map(recipient))
    };
    let address = named()
        .find(|a| a.domain().contains('.'))
        .or_else(|| named().next())
        .or_else(|| message.get("x-failed-recipients").and_then(Address::parse));
    let mut words: Vec<&str> = group.all("diagnostic-code").map(typed_words).collect();
    words.extend(group.all("x-supplementary-info"));
    Fate {
        recipient: address,
        outcome: outcome(action.as_deref(), status.as_deref()),
        action: action.filter(|a| !a.is_empty()),
        status,
        words: text::begin(words.join(" ").trim()).to_owned(),
        around: String::new(),
        command: None,
        is_guess: false,
        by_program: group
            .get("diagnostic-code")
            .is_some_and(|d| typed(d).0.is_some_and(|t| t.eq_ignore_ascii_case("x-unix"))),
        remote_mta: group.get("remote-mta").map(|m| host(typed(m).1)).filter(|m| !m.is_empty()),
        last_attempt: group.get("last-attempt-date").and_then(date),
        will_retry_until: group.get("will-retry-until").and_then(date),
    }
}

/// A diagnostic without its type; text that only looks typed keeps its first word.
fn typed_words(value: &str) -> &str {
    match typed(value) {
        (Some(kind), rest) if !kind.chars().next().is_some_and(|c| c.is_ascii_digit()) => rest,
        _ => value.trim(),
    }
}

/// RFC 3464 section 2.3.3; where the action is none of the five, the status decides.
fn outcome(action: Option<&str>, status: Option<&str>) -> Outcome {
    match action {
        Some(a) if a.starts_with("delay") => Outcome::Delayed,
        Some(a) if a.starts_with("deliver") => Outcome::Done(DeliveredAction::Delivered),
        Some(a) if a.starts_with("relay") => Outcome::Done(DeliveredAction::Relayed),
        Some(a) if a.starts_with("expand") => Outcome::Done(DeliveredAction::Expanded),
        Some(a) if !a.is_empty() => Outcome::Failed,
        _ if status.is_some_and(|s| s.starts_with("2.")) => Outcome::Done(DeliveredAction::Delivered),
        _ => Outcome::Failed,
    }
}

/// One fate for each address: the last one counts (sendmail repeats a recipient once for each
/// attempt), with what the earlier ones knew besides.
fn merge(fates: &mut Vec<Fate>) {
    let mut place = std::collections::BTreeMap::new();
    let mut out: Vec<Fate> = Vec::with_capacity(fates.len());
    for fate in std::mem::take(fates) {
        let key = fate.recipient.as_ref().map(Address::normalised);
        let known = key.as_ref().and_then(|k| place.get(k).copied()).and_then(|at: usize| out.get_mut(at));
        match known {
            Some(old) if old.outcome == fate.outcome => {
                if old.words.is_empty() {
                    old.words = fate.words;
                    old.status = fate.status.or(old.status.take());
                }
                old.remote_mta = old.remote_mta.take().or(fate.remote_mta);
                old.last_attempt = old.last_attempt.or(fate.last_attempt);
            }
            // Failed outweighs what went before it.
            Some(old) if fate.outcome == Outcome::Failed => *old = fate,
            Some(_) => {}
            None => {
                if let Some(key) = key {
                    place.insert(key, out.len());
                }
                out.push(fate);
            }
        }
    }
    // A group without an address beside groups with one is a torn one.
    if out.iter().any(|f| f.recipient.is_some()) {
        out.retain(|f| f.recipient.is_some() || !f.words.is_empty());
    }
    *fates = out;
}

fn host(text: &str) -> String {
    let text = text.split([' ', '(', '[']).find(|t| !t.is_empty()).unwrap_or_default();
    text.trim_end_matches([']', ')', '.']).chars().take(255).collect()
}

fn date(value: &str) -> Option<DateTime<Utc>> {
    received_date(&format!("; {value}"))
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::classify::report::judge::Outcome;
    use crate::event::DeliveredAction;

    #[test]
    fn recipients_with_different_fates() {
        let text = "Reporting-MTA: dns; mx.example.org\nArrival-Date: Mon, 16 Nov 2026 10:12:33 +0100\n\n\
                    Final-Recipient: rfc822; a@example.org\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no\n\n\
                    Final-Recipient: rfc822; b@example.org\nAction: delayed\nStatus: 4.4.1\nWill-Retry-Until: Wed, 18 Nov 2026 10:12:33 +0100\n\n\
                    Final-Recipient: rfc822; c@example.org\nAction: relayed (to mx)\nStatus: 2.1.9\n";
        let report = read([text]).expect("is a report");
        let outcomes: Vec<Outcome> = report.fates.iter().map(|f| f.outcome).collect();
        assert_eq!(outcomes, [Outcome::Failed, Outcome::Delayed, Outcome::Done(DeliveredAction::Relayed)]);
        assert_eq!(report.reporting_mta.as_deref(), Some("mx.example.org"));
        assert!(report.arrival.is_some());
        assert!(report.fates.get(1).is_some_and(|f| f.will_retry_until.is_some()));
        assert_eq!(report.fates.first().map(|f| f.words.as_str()), Some("550 5.1.1 no"));
    }

    #[test]
    fn nothing_of_a_report() {
        assert!(read(["Hello,\n\nhow are you?"]).is_none());
        assert!(read([""]).is_none());
    }
}
