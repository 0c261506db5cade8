//! An explanation for a person: plain, or with a terminal's colours.
//!
//! The only place that turns the data into words. Everything that stems from the mail passes [`clean`]: a mail must
//! not write to the terminal of who looks at it.

use super::{DnsLine, EvidenceLine, Explanation, Step, StepWord, VerdictLine};
use crate::classify::{Rival, WhyNot};
use crate::event::{
    Auth, AuthResult, AuthWord, BoundaryWord, Correlation, CorrelationStatus, Evidence, Failure, TimeSource, Verdict,
};
use crate::plural::count;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Lines of the person's words that are shown.
const MOST_WORDS: usize = 12;
/// Rivals shown of one verdict.
const MOST_RIVALS: usize = 10;
/// Verdicts shown whole; the others have one line each.
const MOST_VERDICTS: usize = 5;
/// Where the second column begins.
const INDENT: &str = "               ";
/// Where the rest of a broken line begins.
const HANGING: &str = "                 ";

/// How a terminal shows it: with colours or without, and how wide it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Paint {
    pub on: bool,
    /// Columns at which lines are broken between words; `None`: nowhere.
    pub width: Option<usize>,
}

#[derive(Clone, Copy)]
enum Tone {
    Strong,
    Dim,
    Good,
    Bad,
    Odd,
    Name,
}

impl Paint {
    fn tone(self, tone: Tone, text: &str) -> String {
        if !self.on {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Strong => "1",
            Tone::Dim => "2",
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Odd => "33",
            Tone::Name => "36",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Text of a mail as a terminal may have it: control characters and those that turn the writing direction are dots.
#[must_use]
pub fn clean(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    text.chars()
        .map(|c| {
            if matches!(c, '\t' | '\n' | '\r') {
                ' '
            } else if harmful(c) {
                '·'
            } else {
                c
            }
        })
        .collect()
}

/// The value of a field as the event spells it.
fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Writes an explanation.
pub fn write(out: &mut impl Write, it: &Explanation, paint: Paint) -> io::Result<()> {
    let digest: String = it.digest_sha256.chars().take(12).collect();
    let facts = format!(
        "{}, {}, digest {digest}, rules {}",
        count(it.size_bytes, "octet"),
        count(it.verdicts.len(), "event"),
        it.ruleset_version
    );
    writeln!(out, "{}  {}", paint.tone(Tone::Strong, &clean(&it.origin)), paint.tone(Tone::Dim, &facts))?;
    if it.cut {
        writeln!(out, "  only its head was kept: it is larger than limits.message_size")?;
    }
    for (at, verdict) in it.verdicts.iter().enumerate() {
        headline(out, verdict, paint)?;
        if at < MOST_VERDICTS {
            because(out, verdict, paint)?;
        }
    }
    writeln!(out, "  {}", paint.tone(Tone::Name, "the mail"))?;
    for header in &it.headers {
        let at = format!("{:<9}", format!("line {}", header.line));
        let line = format!("{}  {}: {}", paint.tone(Tone::Dim, &at), clean(&header.name), clean(&header.value));
        wrapped(out, "    ", INDENT, &line, paint)?;
    }
    for part in &it.outline {
        let mut line = format!("{}{}", "  ".repeat(part.depth as usize), clean(&part.mime_type));
        let _ = write!(line, ", {}", count(part.octets, "octet"));
        for more in part.charset.iter().chain(&part.name) {
            let _ = write!(line, ", {}", clean(more));
        }
        writeln!(out, "    {line}")?;
    }
    walk(out, it, paint)?;
    auth(out, it.auth.as_ref(), paint)?;
    dns(out, &it.dns, paint)?;
    writeln!(out)
}

fn headline(out: &mut impl Write, it: &VerdictLine, paint: Paint) -> io::Result<()> {
    let recipient = it.recipient.as_deref().map(|r| format!(" for {}", clean(r))).unwrap_or_default();
    let detail = detail(&it.verdict).map(|d| format!(": {}", clean(&d))).unwrap_or_default();
    let kind = format!("{}{recipient}", it.verdict.kind().as_str());
    writeln!(out, "  {}{detail}", paint.tone(Tone::Strong, &kind))
}

/// The facts of a verdict on one line.
fn detail(verdict: &Verdict) -> Option<String> {
    let failure = match verdict {
        Verdict::Bounce { bounce: f } | Verdict::Delay { delay: f } => f,
        Verdict::Complaint { complaint } => return Some(complaint.feedback_type.clone()),
        Verdict::AutoReply { auto_reply } => {
            let back = auto_reply.returns_on.map(|d| format!(", back on {d}")).unwrap_or_default();
            return Some(format!("{}{back}", word(&auto_reply.reply_type)));
        }
        Verdict::Unsubscribe { unsubscribe } => {
            return Some(format!("via {}, from {}", word(&unsubscribe.via), scope(&word(&unsubscribe.scope))));
        }
        Verdict::Other { other } => return Some(other.subtype.clone()),
        Verdict::Unclassified { unclassified } => return Some(word(&unclassified.reason)),
        Verdict::Receipt { receipt } => return Some(word(&receipt.disposition)),
        Verdict::Delivered { delivered } => return Some(word(&delivered.action)),
        Verdict::Reply { reply } => return Some(format!("intent {}", word(&reply.intent))),
        Verdict::Challenge { .. } => return None,
    };
    Some(failure_line(failure))
}

fn scope(scope: &str) -> &str {
    match scope {
        "unknown" => "an unknown scope",
        "all" => "everything",
        other => other,
    }
}

fn failure_line(failure: &Failure) -> String {
    let parts = [
        failure.bounce_type.map(|t| word(&t)),
        Some(word(&failure.category)),
        failure.provider.as_ref().map(|p| format!("by {p}")),
        failure.smtp_code.map(|c| format!("SMTP {c}")),
        failure.status.as_ref().map(|s| format!("status {s}")),
        failure.smtp_command.as_ref().map(|c| format!("in answer to {c}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Everything that belongs to one verdict.
fn because(out: &mut impl Write, it: &VerdictLine, paint: Paint) -> io::Result<()> {
    label(out, "means", &it.meaning, paint)?;
    if let Verdict::Bounce { bounce: failure } | Verdict::Delay { delay: failure } = &it.verdict
        && let Some(said) = &failure.diagnostic
    {
        label(out, "they said", &[format!("\"{}\"", clean(said))], paint)?;
    }
    label(out, "confidence", &[format!("{:.2}", it.confidence)], paint)?;
    if it.evidence.is_empty() {
        let left = "none fired: this is what is left when everything else is excluded".to_owned();
        label(out, "rules", &[left], paint)?;
    }
    let lines: Vec<String> = it.evidence.iter().map(|e| evidence(e, paint)).collect();
    label(out, "rules", &lines, paint)?;
    let shown = it.runners_up.iter().take(MOST_RIVALS);
    let mut lines: Vec<String> = shown.map(|r| rival(r, paint)).collect();
    if it.runners_up.len() > MOST_RIVALS {
        lines.push(format!("and {} more, of less weight", it.runners_up.len() - MOST_RIVALS));
    }
    label(out, "and not", &lines, paint)?;
    let source = match it.occurred_at_source {
        TimeSource::Report => "by the report",
        TimeSource::Received => "by the newest Received line",
        TimeSource::DateHeader => "by the Date header",
        TimeSource::Observed => "when it was ingested: nothing in it tells",
    };
    label(out, "happened", &[format!("{}, {source}", it.occurred_at.to_rfc3339())], paint)?;
    label(out, "campaign", &campaign(&it.correlation, &it.correlators, paint), paint)?;
    if let Some(text) = &it.words {
        let mut lines = vec![format!(
            "{} characters, {} quoted and left out, language {}",
            text.chars().count(),
            it.quoted_chars.unwrap_or_default(),
            it.language.as_deref().unwrap_or("unknown")
        )];
        lines.extend(text.lines().take(MOST_WORDS).map(|l| format!("| {}", clean(l))));
        if text.lines().count() > MOST_WORDS {
            lines.push("…".to_owned());
        }
        label(out, "words", &lines, paint)?;
    }
    Ok(())
}

/// Lines with a name before the first.
fn label(out: &mut impl Write, name: &str, lines: &[String], paint: Paint) -> io::Result<()> {
    for (at, line) in lines.iter().enumerate() {
        if at == 0 {
            let line = format!("{}{line}", paint.tone(Tone::Name, &format!("{name:11}")));
            wrapped(out, "    ", HANGING, &line, paint)?;
        } else {
            wrapped(out, INDENT, HANGING, line, paint)?;
        }
    }
    Ok(())
}

/// A line that is broken between words where the terminal ends; `first` stands before it, `next` before what follows.
fn wrapped(out: &mut impl Write, first: &str, next: &str, line: &str, paint: Paint) -> io::Result<()> {
    let Some(width) = paint.width else { return writeln!(out, "{first}{line}") };
    write!(out, "{first}")?;
    let mut column = first.len();
    for (at, word) in line.split(' ').enumerate() {
        let length = visible(word);
        if at > 0 && column + 1 + length > width && column > next.len() {
            write!(out, "\n{next}")?;
            column = next.len();
        } else if at > 0 {
            write!(out, " ")?;
            column += 1;
        }
        write!(out, "{word}")?;
        column += length;
    }
    writeln!(out)
}

/// Characters that a terminal shows: colours take no room.
fn visible(word: &str) -> usize {
    let mut count = 0;
    let mut in_code = false;
    for c in word.chars() {
        match (in_code, c) {
            (true, 'm') => in_code = false,
            (true, _) => {}
            (false, '\u{1b}') => in_code = true,
            (false, _) => count += 1,
        }
    }
    count
}

fn evidence(it: &EvidenceLine, paint: Paint) -> String {
    let mut line = paint.tone(Tone::Good, &it.rule);
    if let (Some(gives), Some(confidence)) = (&it.gives, it.confidence) {
        let _ = write!(line, " gives {gives} at {confidence:.2},");
    }
    let _ = write!(line, " in {}", clean(&it.field));
    if let Some(number) = it.line {
        let _ = write!(line, ", line {number}");
    }
    if let Some(text) = it.text.as_deref().filter(|t| !t.is_empty()) {
        let _ = write!(line, ": \"{}\"", clean(text));
    }
    if let Some(says) = built_in(&it.rule) {
        let _ = write!(line, " ({says})");
    }
    line
}

/// What those rules mean that are code.
fn built_in(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "report.rfc3464" => "a delivery report with fields of its own, RFC 3464",
        "report.arf" => "a complaint with fields of its own, RFC 5965",
        "report.program" => "a program took the mail, not a server",
        "command.greeting" => "an answer to the greeting speaks of the host that sends",
        "command.mail" => "an answer to MAIL speaks of the sender",
        "command.data.docomo" => "this provider answers DATA so when the subscriber refuses the sender",
        "reply.thread" => "it answers a mail",
        "reply.subject" => "the subject begins as an answer's does",
        "reply.own_words" => "there are words besides the quoted ones",
        _ => return None,
    })
}

fn rival(it: &Rival, paint: Paint) -> String {
    let mut line = paint.tone(Tone::Dim, &it.rule);
    let _ = write!(line, " ({} {} at {:.2}, in {}", it.table, it.gives, it.confidence, clean(&it.field));
    if !it.text.is_empty() {
        let text: String = it.text.chars().take(60).collect();
        let _ = write!(line, ": \"{}\"", clean(&text));
    }
    let _ = write!(line, "): {}", why_not(&it.why_not));
    line
}

/// Why a rule that fired did not decide, in a sentence's half.
fn why_not(why: &WhyNot) -> String {
    match why {
        WhyNot::SaysTheSame => "says the same".to_owned(),
        WhyNot::LessSure { than, its_confidence } => format!("less sure than {than} with {its_confidence:.2}"),
        WhyNot::ProviderFirst { by } => format!("{by} is of this provider and comes first"),
        WhyNot::WordsFirst { by } => format!("a code only, and the words of {by} come first"),
        WhyNot::PolicyCode { status } => {
            format!("speaks of the address, while {status} is a refusal for reasons of policy")
        }
        WhyNot::FoundBefore { kind } => format!("not asked: {} was found before", kind.as_str()),
        WhyNot::Quoted => "stands in the quoted mail, not in the person's own words".to_owned(),
        WhyNot::TooLittle { needed } => {
            format!("all that speaks for an automatic answer stays below the {needed:.2} it needs")
        }
        WhyNot::WishFirst => "a wish to get no more mail counts before an automatic answer by words".to_owned(),
        WhyNot::SpeaksAgainst => "speaks against it, and was counted so".to_owned(),
        WhyNot::NotAMachine => "words like a report's, but neither sender nor shape is a machine's".to_owned(),
        WhyNot::NotDecisive => "fired, and did not decide".to_owned(),
    }
}

fn campaign(it: &Correlation, asked: &[String], paint: Paint) -> Vec<String> {
    let mut out = vec![match it.status {
        CorrelationStatus::Unmatched if asked.is_empty() => {
            "unmatched: no correlators are configured (replay takes them from --config)".to_owned()
        }
        CorrelationStatus::Unmatched => format!("unmatched: asked {}, and none found anything", asked.join(", ")),
        status => {
            let mut line = word(&status);
            for (name, value) in
                [("campaign", &it.campaign_id), ("send", &it.send_id), ("by", &it.method), ("list", &it.list_id)]
            {
                if let Some(value) = value {
                    let _ = write!(line, ", {name} {}", clean(value));
                }
            }
            if let Some(confidence) = it.confidence {
                let _ = write!(line, ", confidence {confidence:.2}");
            }
            line
        }
    }];
    out.extend(it.evidence.iter().map(|e| sighting(e, paint)));
    out
}

fn sighting(it: &Evidence, paint: Paint) -> String {
    let mut line = format!("{} in {}", clean(&it.correlator), clean(&it.place));
    for id in [&it.campaign_id, &it.send_id].into_iter().flatten() {
        let _ = write!(line, " {}", clean(id));
    }
    match it.verified {
        Some(true) => line.push_str(&paint.tone(Tone::Good, ", the signature is right")),
        Some(false) => line.push_str(&paint.tone(Tone::Bad, ", the signature is wrong")),
        None => {}
    }
    line
}

fn walk(out: &mut impl Write, it: &Explanation, paint: Paint) -> io::Result<()> {
    writeln!(out, "  {}", paint.tone(Tone::Name, "the way it came"))?;
    for step in &it.walk.steps {
        wrapped(out, "    ", "      ", &step_line(step, paint), paint)?;
    }
    let end = match it.walk.end {
        BoundaryWord::Found => "the client above is the SMTP client",
        BoundaryWord::NoTrustSettings => {
            "not walked: the mailbox has no `trust` settings, so nobody's Received lines are believed and SPF is not \
             checked"
        }
        BoundaryWord::NoReceived => "no Received line is left that one of your hosts wrote: SPF is not checked",
        BoundaryWord::NotOurHost => {
            "the line names a host that is not in trust.by: add it if it is yours; SPF is not checked"
        }
        BoundaryWord::Unreadable => "the line cannot be read with certainty: SPF is not checked",
        BoundaryWord::NoClientAddress => "the line names no client address: SPF is not checked",
        BoundaryWord::TooManyHops => "more lines of yours than any path has: SPF is not checked",
    };
    wrapped(out, "    ", "    ", end, paint)?;
    if it.walk.below > 0 {
        let below = count(it.walk.below as usize, "Received line");
        writeln!(out, "    {}", paint.tone(Tone::Dim, &format!("{below} below: whatever the sender wrote")))?;
    }
    Ok(())
}

fn step_line(step: &Step, paint: Paint) -> String {
    let mut line = format!("Received {}", step.header_index);
    for (name, value) in [("by", &step.by), ("client", &step.client_ip), ("HELO", &step.helo)] {
        if let Some(value) = value {
            let _ = write!(line, ", {name} {}", clean(value));
        }
    }
    let (tone, says) = match step.passage {
        StepWord::Inside => (Tone::Dim, "the client is inside: the next line is yours too"),
        StepWord::Local => (Tone::Dim, "handed over within one system"),
        StepWord::Forwarder => (Tone::Odd, "the client is one of trust.forwarders: its next line is believed"),
        StepWord::Boundary => (Tone::Good, "the client is outside: this is the boundary"),
        StepWord::NotTheForwarder => (Tone::Odd, "not the forwarder's own line: the forwarder is the client"),
        StepWord::Ended => (Tone::Bad, "the walk ends here"),
    };
    let _ = write!(line, ": {}", paint.tone(tone, says));
    line
}

fn auth(out: &mut impl Write, auth: Option<&Auth>, paint: Paint) -> io::Result<()> {
    writeln!(out, "  {}", paint.tone(Tone::Name, "who sent it"))?;
    let Some(auth) = auth else { return writeln!(out, "    not checked") };
    if let Some(from) = &auth.context.mail_from {
        writeln!(out, "    envelope sender <{}>", clean(from))?;
    }
    let named = [("SPF", &auth.spf), ("DMARC", &auth.dmarc)];
    for (name, result) in named.into_iter().filter_map(|(n, r)| Some((n, r.as_ref()?))) {
        writeln!(out, "    {name:6} {}", result_line(result, paint))?;
    }
    if auth.spf.is_none() {
        let why = if auth.context.boundary == BoundaryWord::Found {
            "nothing tells the envelope sender"
        } else {
            "who the SMTP client was is not known"
        };
        writeln!(out, "    SPF    not evaluated: {why}")?;
    }
    for result in &auth.dkim {
        writeln!(out, "    DKIM   {}", result_line(result, paint))?;
    }
    if auth.dkim.is_empty() {
        writeln!(out, "    DKIM   no signature")?;
    }
    if let Some(arc) = &auth.arc {
        let reason = arc.reason.as_deref().map(|r| format!(": {}", clean(r))).unwrap_or_default();
        let sets = count(arc.sets as usize, "set");
        writeln!(out, "    ARC    {}, {sets}{reason}", result_word(arc.result, paint))?;
    }
    if let Some(theirs) = &auth.receiver {
        let id = theirs.authserv_id.as_deref().unwrap_or("your server");
        let mut line = format!("{} states", clean(id));
        for (name, results) in [("spf", &theirs.spf), ("dkim", &theirs.dkim), ("dmarc", &theirs.dmarc)] {
            for result in results.iter().take(5) {
                let _ = write!(line, " {name}={}", result.result.as_str());
            }
        }
        writeln!(out, "    {line}")?;
    }
    if auth.disagreement == Some(true) {
        writeln!(out, "    {}", paint.tone(Tone::Odd, "your server and this program come to different results"))?;
    }
    for signal in &auth.signals {
        writeln!(out, "    {} {}", paint.tone(Tone::Odd, "signal"), word(signal))?;
    }
    Ok(())
}

fn result_word(result: AuthWord, paint: Paint) -> String {
    let tone = match result {
        AuthWord::Pass => Tone::Good,
        AuthWord::Fail | AuthWord::PermError => Tone::Bad,
        AuthWord::SoftFail | AuthWord::TempError | AuthWord::Policy => Tone::Odd,
        AuthWord::None | AuthWord::Neutral => Tone::Dim,
    };
    paint.tone(tone, result.as_str())
}

fn result_line(result: &AuthResult, paint: Paint) -> String {
    let mut line = result_word(result.result, paint);
    if let Some(domain) = &result.domain {
        let _ = write!(line, " for {}", clean(domain));
    }
    if let Some(selector) = &result.selector {
        let _ = write!(line, " (selector {})", clean(selector));
    }
    if let Some(index) = result.header_index {
        let _ = write!(line, ", header {index}");
    }
    if let Some(aligned) = result.aligned {
        line.push_str(if aligned { ", aligned with From" } else { ", not aligned with From" });
    }
    if let Some(policy) = &result.policy {
        let _ = write!(line, ", policy {}", word(policy));
    }
    if let Some(reason) = &result.reason {
        let _ = write!(line, ": {}", clean(reason));
    }
    line
}

fn dns(out: &mut impl Write, lines: &[DnsLine], paint: Paint) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {}", paint.tone(Tone::Name, "what DNS said"))?;
    for it in lines {
        let mut line = format!("{} {}: ", clean(&it.name), it.record_type);
        match it.result.as_str() {
            "no_error" if it.answers.is_empty() => line.push_str("no such record"),
            "no_error" => {
                let answers: Vec<String> = it.answers.iter().take(8).map(|a| clean(a)).collect();
                line.push_str(&answers.join(" | "));
            }
            "nx_domain" => line.push_str("the name does not exist"),
            "serv_fail" => line.push_str(&paint.tone(Tone::Bad, "its name servers fail")),
            "timed_out" => line.push_str(&paint.tone(Tone::Bad, "nobody answered in time")),
            other => line.push_str(other),
        }
        let line = format!("{line} {}", paint.tone(Tone::Dim, &format!("(for {} s)", it.ttl)));
        wrapped(out, "    ", "      ", &line, paint)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Paint, clean, wrapped};

    #[test]
    fn lines_end_where_the_terminal_does() {
        let broken = |line: &str, width: Option<usize>| {
            let mut out = Vec::new();
            wrapped(&mut out, "", "  ", line, Paint { on: false, width }).expect("writes");
            String::from_utf8(out).expect("text")
        };
        assert_eq!(broken("one two three", Some(8)), "one two\n  three\n");
        assert_eq!(broken("\u{1b}[32mone\u{1b}[0m two three", Some(8)), "\u{1b}[32mone\u{1b}[0m two\n  three\n");
        assert_eq!(broken("averylongword x", Some(4)), "averylongword\n  x\n");
        assert_eq!(broken("one two three", None), "one two three\n");
    }

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        assert_eq!(clean("a\u{1b}[2Jb\tc\u{202e}\u{9b}1m"), "a·[2Jb c··1m");
    }
}
