//! Whether a mail without a machine-readable part was written by a mail server all the same.
//! People talk about bounces, forward and quote them: words alone never make a report.

use super::judge::Outcome;
use super::sections::Sections;
use crate::classify::{Field, Hit, Rules, Table};
use crate::message::{Address, Mail};

/// Evidence needed before the text is read as a report.
const ENOUGH: u8 = 3;
/// Octets of the notice in which a report introduces itself.
const INTRODUCTION: usize = 2 * 1024;

/// Why a mail is taken for a report.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    pub outcome: Outcome,
    pub hits: Vec<Hit>,
    pub confidence: f32,
    /// A mail server by its name or its headers, not by its words.
    pub sure: bool,
}

/// The signs of a machine in a mail's headers.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "independent signs, each weighed by itself")]
pub(super) struct Signs {
    /// A mail server by its name.
    pub daemon: bool,
    null_sender: bool,
    failed: bool,
    report_mime: bool,
    postmaster: bool,
    robot: bool,
}

impl Signs {
    /// `None`: a person's mail, an answer or a forward, whatever it quotes.
    pub(super) fn of(mail: &Mail<'_>, mime: &str, report_type: &str) -> Option<Self> {
        let from = mail.from();
        let from_is = |names: &[&str]| from.as_ref().is_some_and(|a| is_named(a, names));
        let automatic = mail.header("Auto-Submitted").is_some_and(|v| !v.trim().eq_ignore_ascii_case("no"));
        let signs = Self {
            daemon: is_daemon(mail),
            null_sender: matches!(mail.return_path(), Some(None)),
            failed: mail.has_header("X-Failed-Recipients"),
            report_mime: mime == "multipart/report"
                && !matches!(report_type, "disposition-notification" | "feedback-report" | "tlsrpt"),
            postmaster: from_is(&["postmaster", "mailadmin", "mailerror"]),
            robot: automatic
                || from.is_none()
                || from_is(&["noreply", "donotreply", "ndr", "bounce", "sysadmin", "admin"]),
        };
        let sure = signs.daemon || signs.failed || signs.report_mime;
        let machine = sure || signs.null_sender || signs.postmaster || signs.robot;
        let conversation = || !signs.null_sender && !signs.postmaster && has_prefix(mail.subject().unwrap_or_default());
        (machine && (sure || !conversation())).then_some(signs)
    }
}

/// Weighs the signs of a machine.
pub(super) fn look(mail: &Mail<'_>, sections: &Sections<'_>, rules: &Rules) -> Option<Gate> {
    let signs = sections.signs?;
    let Signs { daemon, null_sender, failed, report_mime, postmaster, robot } = signs;
    let subject = mail.subject().unwrap_or_default();
    // "Out of office" with a null sender (RFC 3834 section 3.3) is no report.
    if !daemon
        && !failed
        && !report_mime
        && rules.best(Table::AutoReply, Field::Subject, subject).is_some_and(|m| m.rule.confidence >= 0.8)
    {
        return None;
    }
    let mut hits = Vec::new();
    let mut outcome = None;
    let mut words = 0;
    for (table_field, field, text, weight) in
        [(Field::Subject, "header:Subject", subject, 2), (Field::Body, "body", sections.notice.as_str(), 2)]
    {
        let found = match table_field {
            Field::Body => rules.matches_folded(Table::Report, table_field, sections.folded(), INTRODUCTION),
            _ => rules.matches(Table::Report, table_field, text),
        };
        let best =
            found.iter().max_by(|a, b| a.rule.confidence.total_cmp(&b.rule.confidence).then(b.start.cmp(&a.start)));
        if let Some(best) = best {
            words += weight;
            let matched = text.get(best.start..best.end).unwrap_or_default();
            hits.push(Hit::in_field(&best.rule.id, field, Some((best.start, best.end)), matched));
            // A subject that speaks of failure outweighs a body that promises to go on.
            let delay = found.iter().any(|m| m.rule.gives == "delay");
            outcome = outcome
                .or(Some(if delay { Outcome::Delayed } else { Outcome::Failed }).filter(|_| best.rule.gives != "hint"));
        }
    }
    let score = words
        + u8::from(daemon) * 2
        + u8::from(null_sender)
        + u8::from(failed) * 3
        + u8::from(report_mime) * 2
        + u8::from(postmaster)
        + u8::from(robot)
        + u8::from(sections.original_is_part && words > 0);
    // A daemon that returns a mail reports on it, in whatever language.
    let returned = daemon && (sections.original_is_part || !sections.copy.is_empty());
    if score + u8::from(returned) < ENOUGH || (words == 0 && !failed && !report_mime && !returned) {
        return None;
    }
    if hits.is_empty() {
        hits.push(Hit::structure("report.machine", "written by a mail server"));
    }
    Some(Gate {
        outcome: outcome.unwrap_or_default(),
        hits,
        sure: daemon || failed || report_mime,
        confidence: f32::from(score.min(6)).mul_add(0.05, 0.65),
    })
}

/// The names under which mail servers write.
fn is_daemon(mail: &Mail<'_>) -> bool {
    const NAMES: [&str; 6] = [
        "mailer-daemon",
        "mailer daemon",
        "mail delivery s",
        "mail delivery sub",
        "mail.delivery.system",
        "mail deliver system",
    ];
    mail.headers_raw("From").next().is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        NAMES.iter().any(|n| value.contains(n))
    })
}

fn is_named(address: &Address, names: &[&str]) -> bool {
    let local: String =
        address.local().chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    names.iter().any(|n| local == *n || local.strip_suffix(|c: char| c.is_ascii_digit()) == Some(n))
}

/// An answer or a forward.
pub(super) fn is_conversation(mail: &Mail<'_>) -> bool {
    has_prefix(mail.subject().unwrap_or_default())
}

/// An answer or a forward, by its subject's prefix.
fn has_prefix(subject: &str) -> bool {
    const PREFIXES: [&str; 16] = [
        "re:", "fwd:", "fw:", "aw:", "wg:", "tr:", "rv:", "sv:", "vs:", "antw:", "odp:", "enc:", "res:", "r:", "i:",
        "vb:",
    ];
    let subject = subject.trim_start();
    PREFIXES.iter().any(|p| subject.get(..p.len()).is_some_and(|s| s.eq_ignore_ascii_case(p)))
}
