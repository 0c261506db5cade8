//! Whether a mail without a machine-readable part was written by a mail server all the same.
//! People talk about bounces, forward and quote them: words alone never make a report.

use super::judge::Outcome;
use super::recipients;
use super::sections::Sections;
use crate::classify::{Field, Hit, Reader, Table};
use crate::event::DeliveredAction;
use crate::message::{Address, Mail};
use std::collections::BTreeSet;

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
    /// Nothing but that no person sent it.
    pub weak: bool,
    /// From the null sender.
    pub returned_to_us: bool,
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
        let daemon = is_daemon(mail);
        let postmaster = from_is(&["postmaster", "mailadmin", "mailerror"]) || is_certified_receipt(mail);
        let automatic = mail.header("Auto-Submitted").is_some_and(|v| !v.trim().eq_ignore_ascii_case("no"));
        let signs = Self {
            daemon,
            null_sender: match mail.return_path() {
                Some(path) => path.is_none(),
                // Mails kept in files often lost it; a daemon's was null.
                None => daemon || postmaster,
            },
            failed: mail.has_header("X-Failed-Recipients"),
            report_mime: mime == "multipart/report"
                && !matches!(report_type, "disposition-notification" | "feedback-report" | "tlsrpt"),
            postmaster,
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
pub(super) fn look(
    mail: &Mail<'_>,
    sections: &Sections<'_>,
    others: &BTreeSet<String>,
    rules: &Reader<'_>,
) -> Option<Gate> {
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
    // A server tells its own postmaster of other people's sessions in a bounce's words.
    if rules.matches(Table::Report, Field::Subject, subject).iter().any(|m| m.rule.gives == "none") {
        return None;
    }
    let mut hits = Vec::new();
    let mut outcome = None;
    let mut words = 0;
    for (place, field, text, weight) in
        [(Field::Subject, "header:Subject", subject, 2), (Field::Body, "body", sections.notice.as_str(), 2)]
    {
        let found = match place {
            Field::Body => rules.matches_folded(Table::Report, place, sections.folded(), INTRODUCTION),
            _ => rules.matches(Table::Report, place, text),
        };
        let best =
            found.iter().max_by(|a, b| a.rule.confidence.total_cmp(&b.rule.confidence).then(b.start.cmp(&a.start)));
        if let Some(best) = best {
            words += weight;
            let matched = text.get(best.start..best.end).unwrap_or_default();
            hits.push(Hit::in_field(&best.rule.id, field, Some((best.start, best.end)), matched));
            // A subject that speaks of failure outweighs a body that promises to go on.
            let says = |what: &str| found.iter().any(|m| m.rule.gives == what);
            let told = match best.rule.gives.as_str() {
                "hint" => None,
                _ if says("delay") => Some(Outcome::Delayed),
                "delivered" => Some(Outcome::Done(DeliveredAction::Delivered)),
                "relayed" => Some(Outcome::Done(DeliveredAction::Relayed)),
                _ => Some(Outcome::Failed),
            };
            outcome = outcome.or(told);
        }
    }
    // A daemon that returns a mail reports on it, in whatever language.
    let returned = daemon && (sections.original_is_part || !sections.copy.is_empty());
    // So does one that writes about an address that is not its own, or a postmaster who tells a code besides: servers
    // write no absence notes.
    let about = words == 0
        && null_sender
        && (daemon || postmaster)
        && !is_conversation(mail)
        && rules.best(Table::AutoReply, Field::Subject, subject).is_none_or(|m| m.rule.confidence < 0.8)
        && recipients::names_somebody(&sections.notice, others, !daemon);
    let score = words
        + u8::from(daemon) * 2
        + u8::from(null_sender)
        + u8::from(failed) * 3
        + u8::from(report_mime) * 2
        + u8::from(postmaster)
        + u8::from(robot)
        + u8::from(about) * 2
        + u8::from(sections.original_is_part && words > 0);
    if score + u8::from(returned) < ENOUGH || (words == 0 && !failed && !report_mime && !returned && !about) {
        return None;
    }
    if hits.is_empty() {
        hits.push(Hit::structure("report.machine", "written by a mail server"));
    }
    Some(Gate {
        outcome: outcome.unwrap_or_default(),
        hits,
        sure: daemon || failed || report_mime,
        returned_to_us: null_sender,
        weak: !(daemon || failed || report_mime || postmaster),
        confidence: f32::from(score.min(6)).mul_add(0.05, 0.65),
    })
}

/// A receipt of Italy's certified mail. People's mails come from the same address, "Per conto di" them.
fn is_certified_receipt(mail: &Mail<'_>) -> bool {
    const SUBJECTS: [&str; 4] = ["avviso di ", "anomalia messaggio", "consegna:", "accettazione:"];
    let subject = mail.subject().unwrap_or_default().trim_start();
    let begins = |s: &&str| subject.get(..s.len()).is_some_and(|h| h.eq_ignore_ascii_case(s));
    mail.from().is_some_and(|f| is_named(&f, &["postacertificata"]))
        && (mail.has_header("X-Ricevuta") || SUBJECTS.iter().any(begins))
}

/// The names under which mail servers write.
fn is_daemon(mail: &Mail<'_>) -> bool {
    const NAMES: [&str; 15] = [
        "mailer-daemon",
        "mailer daemon",
        "mailer_daemon",
        "mailerdaemon",
        "mail-daemon",
        "mail daemon",
        "maildaemon",
        "mail delivery s",
        "mail.delivery.system",
        "mail deliver system",
        "mdaemon at ",
        "<mdaemon@",
        "courier mail server at",
        "mail sieve subsystem",
        "microsoftexchange329e71ec88ae4615bbc36ab6ce41109e",
    ];
    if mail.has_header("X-MS-Exchange-Message-Is-Ndr") {
        return true;
    }
    mail.headers_raw("From").next().is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.trim() == "<>"
            || NAMES.iter().any(|n| value.contains(n))
            || ["daemon@", "<daemon@"].iter().any(|n| value.starts_with(n) || value.contains(" <daemon@"))
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
