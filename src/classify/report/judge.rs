//! From the fate of one recipient to a finding.

use super::category::{self, Evidence};
use super::codes::{self, Codes};
use super::dsn::MAX_RECIPIENTS;
use super::original;
use crate::classify::{Finding, Hit, OriginalMail, Rules, speaks_of_the_address};
use crate::event::{Category, Delivered, DeliveredAction, Failure, Verdict};
use crate::message::{Address, Mail, received_date};
use aho_corasick::{AhoCorasick, MatchKind};
use chrono::{DateTime, Duration, Utc};
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// More recipients than this share less of the original.
const MANY: usize = 50;
/// Characters of the published diagnostic.
const MAX_DIAGNOSTIC: usize = 500;

/// What became of the mail to one recipient, as a report tells it.
#[derive(Debug, Clone, Default)]
pub(super) struct Fate {
    pub recipient: Option<Address>,
    pub outcome: Outcome,
    /// The Action field, in lower case.
    pub action: Option<String>,
    /// The Status field, as written.
    pub status: Option<String>,
    /// The server's own words.
    pub words: String,
    /// Other words about this recipient.
    pub around: String,
    pub remote_mta: Option<String>,
    /// The recipient is the only address that could be one.
    pub is_guess: bool,
    /// A program took the mail, not a server.
    pub by_program: bool,
    /// The command that was answered, where it does not stand in the words.
    pub command: Option<&'static str>,
    pub last_attempt: Option<DateTime<Utc>>,
    pub will_retry_until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Outcome {
    #[default]
    Failed,
    Delayed,
    Done(DeliveredAction),
}

/// What a report says for all of its recipients.
#[derive(Debug, Clone, Default)]
pub(super) struct Report {
    /// The rule that found the report.
    pub hits: Vec<Hit>,
    pub confidence: f32,
    pub reporting_mta: Option<String>,
    pub arrival: Option<DateTime<Utc>>,
    pub original: Option<OriginalMail>,
    pub fates: Vec<Fate>,
}

impl Report {
    /// One finding for each recipient.
    pub(super) fn findings(self, mail: &Mail<'_>, rules: &Rules) -> Vec<Finding> {
        let timed = self.arrival.is_some() || self.fates.iter().any(|f| f.last_attempt.is_some());
        let received = || mail.headers("Received").next().and_then(|r| received_date(&r)).or_else(|| mail.date());
        let newest = if timed { received() } else { None };
        let Self { mut hits, confidence, reporting_mta, arrival, original, mut fates } = self;
        if fates.len() > MAX_RECIPIENTS {
            fates.truncate(MAX_RECIPIENTS);
            hits.push(Hit::structure(
                "report.more_recipients",
                "names more than 5,000 recipients; the others have no event",
            ));
        }
        let mut original = match original {
            Some(whole) if fates.len() > MANY => Some(original::lean(&whole)),
            other => other,
        };
        let last = fates.len().saturating_sub(1);
        fates
            .into_iter()
            .enumerate()
            .map(|(at_place, fate)| {
                let at = fate.last_attempt.or(arrival).filter(|t| plausible(*t, newest));
                let recipient = fate.recipient.clone();
                let (verdict, why) = judge(fate, reporting_mta.clone(), rules);
                Finding {
                    verdict,
                    confidence,
                    hits: hits.iter().cloned().chain(why).collect(),
                    recipient,
                    reported_at: at,
                    original: if at_place == last { original.take() } else { original.clone() },
                    words: None,
                }
            })
            .collect()
    }
}

/// A report's time must fit the time at which the report itself was sent: queues hold mail for
/// days, clocks may be a day off.
fn plausible(at: DateTime<Utc>, newest: Option<DateTime<Utc>>) -> bool {
    newest.is_some_and(|n| at <= n + Duration::days(1) && at >= n - Duration::days(31))
}

fn judge(fate: Fate, reporting_mta: Option<String>, rules: &Rules) -> (Verdict, Vec<Hit>) {
    let reported = fate.status.as_deref().and_then(codes::status);
    if let Outcome::Done(action) = fate.outcome {
        let delivered = Delivered { action, status: reported, reporting_mta, remote_mta: fate.remote_mta };
        return (Verdict::Delivered { delivered }, Vec::new());
    }
    let comment = fate
        .status
        .as_deref()
        .map(|s| s.strip_prefix(reported.as_deref().unwrap_or_default()).unwrap_or(s))
        .unwrap_or_default();
    let own = Codes::read(&fate.words);
    let mut codes = own.clone();
    let mut told = None;
    if own.smtp.is_none() {
        let around = Codes::read(&fate.around);
        if around.smtp.is_some() {
            // The words around hold the reply that the status part left out.
            codes.smtp = around.smtp;
            codes.enhanced = codes.enhanced.or(around.enhanced.clone().filter(|_| paired(&fate.around, &around)));
            told = around.at.and_then(|at| fate.around.get(at..)).map(str::to_owned);
        } else if codes.enhanced.is_none() && reported.is_none() {
            codes.enhanced = around.enhanced;
        }
        if codes.smtp.is_none() && reported.is_none() {
            codes.smtp = Codes::read(comment).smtp;
        }
    }
    // A status part may hold the bare code of a reply that the notice quotes whole.
    if own.smtp.is_some() && own.enhanced.is_none() && fate.words.trim().len() <= 4 {
        let around = Codes::read(&fate.around);
        if around.smtp == own.smtp && paired(&fate.around, &around) {
            codes.enhanced = around.enhanced;
            told = around.at.and_then(|at| fate.around.get(at..)).map(str::to_owned);
        }
    }
    let permanent = permanence(fate.outcome, &codes, reported.as_deref());
    codes.enhanced = codes.enhanced.or_else(|| reported.clone());
    let command = fate.command.or_else(|| command(&fate.words)).or_else(|| command(&fate.around));
    let told_words = match &told {
        Some(text) if fate.words.trim().len() <= 4 => text.as_str(),
        _ => fate.words.as_str(),
    };
    let remote = fate.remote_mta.clone().or_else(|| host(&fate.words)).or_else(|| host(&fate.around));
    let provider = provider(rules, remote.as_deref(), fate.recipient.as_ref());
    let evidence = Evidence {
        words: told_words,
        around: &fate.around,
        comment,
        codes: &codes,
        status: reported.as_deref(),
        command,
        provider: provider.or_else(|| rules.provider_of_host(reporting_mta.as_deref()?)),
        provider_reports: provider.is_none(),
    };
    let category::Decision { mut category, hits: mut why, sure } = category::find(rules, &evidence);
    // What runs a program fails by that program's fault, unless its words are sure of another.
    if fate.by_program && !sure {
        category = Category::MailerError;
        why.push(Hit::structure("report.program", "a program took the mail"));
    }
    // An answer to CONNECT or EHLO speaks of the host that sends: a domain that is unknown there is ours.
    if matches!(command, Some("CONNECT" | "EHLO" | "HELO"))
        && (speaks_of_the_address(category) || category == Category::RecipientFiltered)
        && category != Category::DomainNoMail
    {
        let syntax = command != Some("CONNECT") && matches!(codes.smtp, Some(500..=504));
        category = if syntax { Category::SmtpSyntax } else { Category::IpBlocked };
        why.push(Hit::in_field("command.greeting", "report:Diagnostic-Code", None, command.unwrap_or_default()));
    }
    // An answer to MAIL speaks of the sender (RFC 5321 section 3.3), never of the recipient.
    if command == Some("MAIL") && (speaks_of_the_address(category) || category == Category::RecipientFiltered) {
        category = Category::SenderRejected;
        why.push(Hit::in_field("command.mail", "report:Diagnostic-Code", None, "MAIL"));
    }
    // NTT DOCOMO takes every recipient, and answers DATA with "unknown user" when the subscriber's
    // own settings refuse the sender.
    if command == Some("DATA")
        && category == Category::MailboxUnknown
        && remote.as_deref().is_some_and(|r| r.trim_end_matches('.').to_ascii_lowercase().ends_with(".docomo.ne.jp"))
    {
        category = Category::SenderRejected;
        why.push(Hit::in_field("command.data.docomo", "report:Diagnostic-Code", None, "DATA"));
    }
    let bounce_type = (fate.outcome == Outcome::Failed).then(|| rules.policy().bounce_type(category, permanent));
    let diagnostic = [&*fate.words, told.as_deref().unwrap_or_default(), &*fate.around]
        .into_iter()
        .map(one_line)
        .find(|t| !t.is_empty());
    let failure = Failure {
        bounce_type,
        category,
        permanent,
        provider: provider.map(str::to_owned),
        action: fate.action,
        status: codes.enhanced.filter(|c| !c.starts_with('2')),
        smtp_code: codes.smtp,
        reported_status: fate.status.as_deref().map(one_line).filter(|s| !s.is_empty()),
        diagnostic,
        reporting_mta,
        remote_mta: remote,
        smtp_command: command.filter(|c| *c != "CONNECT").map(str::to_owned),
        will_retry_until: fate.will_retry_until,
        suppress: None,
        backscatter: false,
    };
    let verdict = match fate.outcome {
        Outcome::Delayed => Verdict::Delay { delay: failure },
        _ => Verdict::Bounce { bounce: failure },
    };
    (verdict, why)
}

/// Who received: by the server that answered, else by the recipient's domain.
fn provider<'r>(rules: &'r Rules, remote: Option<&str>, recipient: Option<&Address>) -> Option<&'r str> {
    remote
        .and_then(|host| rules.provider_of_host(&host.to_ascii_lowercase()))
        .or_else(|| rules.provider(&recipient?.domain().to_ascii_lowercase()))
}

/// What the servers' codes say: 5 is for good, 4 may pass (RFC 3463 section 2, RFC 5321 section 4.2.1). The reply's own
/// codes count before the Status field, and of two that disagree the one that lets it pass.
fn permanence(outcome: Outcome, reply: &Codes, status: Option<&str>) -> Option<bool> {
    if outcome == Outcome::Delayed {
        return Some(false);
    }
    let enhanced = reply.enhanced.as_deref().and_then(|c| c.chars().next());
    let smtp = reply.smtp.and_then(|c| char::from_digit(u32::from(c / 100), 10));
    let mut classes: Vec<char> = [enhanced, smtp].into_iter().flatten().collect();
    if classes.is_empty() {
        classes.extend(status.and_then(|c| c.chars().next()));
    }
    if classes.contains(&'4') {
        return Some(false);
    }
    classes.contains(&'5').then_some(true)
}

/// Whether the enhanced code stands right behind the reply code.
fn paired(text: &str, codes: &Codes) -> bool {
    let (Some(at), Some(enhanced)) = (codes.at, codes.enhanced.as_deref()) else { return false };
    text.get(at..).and_then(|t| t.find(enhanced)).is_some_and(|d| d <= 8)
}

/// One line of at most 500 characters.
pub(super) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_DIAGNOSTIC * 2));
    let mut count = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
            count += 1;
        }
        for c in word.chars() {
            if count >= MAX_DIAGNOSTIC {
                out.truncate(out.trim_end().len());
                return out;
            }
            out.push(c);
            count += 1;
        }
    }
    out
}

/// How servers name the command that was refused.
const COMMANDS: [(&str, &str); 38] = [
    ("in reply to rcpt", "RCPT"),
    ("in reply to mail from", "MAIL"),
    ("in reply to end of data", "DATA"),
    ("in reply to data", "DATA"),
    ("in reply to bdat", "DATA"),
    ("in reply to ehlo", "EHLO"),
    ("in reply to helo", "HELO"),
    ("while sending rcpt to", "RCPT"),
    ("while sending mail from", "MAIL"),
    ("while sending end of data", "DATA"),
    ("while sending message body", "DATA"),
    ("while performing the ehlo", "EHLO"),
    ("while performing the helo", "HELO"),
    ("while receiving the initial server greeting", "CONNECT"),
    ("refused to talk to me", "CONNECT"),
    ("after initial connection", "CONNECT"),
    ("after rcpt", "RCPT"),
    ("after mail from", "MAIL"),
    ("after end of data", "DATA"),
    ("after data", "DATA"),
    ("after pipelined data", "DATA"),
    ("after ehlo", "EHLO"),
    ("after helo", "HELO"),
    ("for text command", "DATA"),
    ("like our rcpt to", "RCPT"),
    ("like our mail from", "MAIL"),
    ("like our final data", "DATA"),
    ("like our data", "DATA"),
    ("does not like recipient", "RCPT"),
    ("sender was rejected", "MAIL"),
    ("failed after i sent the message", "DATA"),
    ("following rcpt command", "RCPT"),
    ("[rcpt_to]", "RCPT"),
    ("my name was rejected", "EHLO"),
    ("greeting failed", "CONNECT"),
    ("failed on data command", "DATA"),
    (">>> rcpt to:", "RCPT"),
    (">>> mail from:", "MAIL"),
];

static COMMAND: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostFirst)
        .build(COMMANDS.iter().map(|(p, _)| p))
        .ok()
});

/// A command by its name.
pub(super) fn command_named(name: &str) -> Option<&'static str> {
    COMMANDS.iter().map(|(_, c)| *c).find(|c| c.eq_ignore_ascii_case(name))
}

/// The SMTP command that was answered, where the text says so.
pub(super) fn command(text: &str) -> Option<&'static str> {
    let find = |text: &str| {
        let hit = COMMAND.as_ref()?.find(text)?;
        COMMANDS.get(hit.pattern().as_usize()).map(|(_, c)| *c)
    };
    // Postfix breaks its notice within the words: "(in\n    reply to RCPT TO command)".
    let broken = || {
        let at = memchr::memmem::find(text.as_bytes(), b" command)")?;
        let line = memchr::memrchr(b'(', text.get(..at)?.as_bytes())?;
        find(&text.get(line..at)?.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    find(text).or_else(broken)
}

/// `host mx.example.org[192.0.2.1] said`, `connect to mx.example.org[192.0.2.1]`: the server that
/// answered, or did not. Its address behind it tells it from "the mail system at host".
fn host(text: &str) -> Option<String> {
    static MARKS: LazyLock<[Finder<'_>; 4]> =
        LazyLock::new(|| ["host ", "connect to ", "conversation with ", "lost connection with "].map(Finder::new));
    MARKS.iter().find_map(|mark| {
        mark.find_iter(text.as_bytes()).take(20).find_map(|at| {
            let tail = text.get(at + mark.needle().len()..)?.trim_start();
            let end =
                tail.find(|c: char| c.is_whitespace() || !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')))?;
            let (name, behind) = tail.split_at_checked(end)?;
            let named = name.contains('.') && name.len() <= 255 && behind.trim_start().starts_with('[');
            named.then(|| name.trim_end_matches('.').to_ascii_lowercase())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{command, host, one_line};

    #[test]
    fn commands_and_hosts_in_words() {
        let table = [
            (
                "host mx.example.org[192.0.2.1] said: 550 no (in reply to RCPT TO command)",
                Some("RCPT"),
                Some("mx.example.org"),
            ),
            ("554 spam (in reply to end of DATA command)", Some("DATA"), None),
            ("This is the mail system at host mx.example.com.", None, None),
            ("connect to mx.example.org[192.0.2.1]:25: Connection timed out", None, Some("mx.example.org")),
            ("refused to talk to me: 421 busy", Some("CONNECT"), None),
            ("the user is unknown", None, None),
        ];
        for (text, expected, server) in table {
            assert_eq!(command(text), expected, "{text}");
            assert_eq!(host(text).as_deref(), server, "{text}");
        }
        assert_eq!(one_line(" a\r\n  b\tc "), "a b c");
        assert_eq!(one_line(&"x".repeat(900)).len(), 500);
    }
}
