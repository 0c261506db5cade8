//! A report as one page: no scripts, no network, dark and light, narrow and wide.
//!
//! Everything that stems from a mail or a server passes [`escape`], and the page's own policy forbids scripts and
//! loading anything besides.

use super::{ProviderCounts, Report, Sample, TimelineStep};
use crate::event::Kind;
use std::fmt::Write as _;

const STYLE: &str = include_str!("style.css");

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut out = String::with_capacity(32 * 1024);
    out.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    out.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
    );
    let day = report.started_at.format("%Y-%m-%d %H:%M UTC");
    let _ =
        writeln!(out, "<title>reply-ingest, run of {day}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>");
    header(&mut out, report);
    tiles(&mut out, report);
    failures(&mut out, report);
    timeline(&mut out, report);
    mailboxes(&mut out, report);
    bounces(&mut out, report);
    providers(&mut out, report);
    correlation(&mut out, report);
    samples(
        &mut out,
        "Not understood",
        "No rule fits these mails. The README says how to write one.",
        &report.unclassified,
    );
    samples(
        &mut out,
        "Doubtful verdicts",
        "The rules are not sure here: replay --explain says why.",
        &report.low_confidence,
    );
    samples(&mut out, "Without a campaign", "What belongs to no campaign suppresses nobody.", &report.unmatched);
    stations(&mut out, report);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// Text as HTML, in elements and in attributes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Marks that turn the writing direction would turn the page's own words too.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('·'),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn header(out: &mut String, report: &Report) {
    let took = (report.ended_at - report.started_at).num_milliseconds();
    let went = match report.exit_code {
        0 => "<span class=\"state good\">everything was done</span>".to_owned(),
        code => format!("<span class=\"state bad\">ended with code {code}</span>"),
    };
    let dry = if report.dry_run { " <span class=\"state\">dry run: nothing was published</span>" } else { "" };
    let _ = writeln!(
        out,
        "<header>\n<h1>What came back</h1>\n<p>Run of {} to {}, {} {went}{dry}</p>\n<p class=\"dim\">run {} · version {} · rules {}</p>\n</header>",
        report.started_at.format("%Y-%m-%d %H:%M:%S"),
        report.ended_at.format("%H:%M:%S UTC"),
        span(u64::try_from(took).unwrap_or(0)),
        escape(&report.run_id),
        escape(report.worker_version),
        escape(&report.ruleset_version)
    );
}

/// Milliseconds for a person.
fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// A count with thin spaces between the thousands.
fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A share in tenths of a percent, as text.
fn share(part: u64, of: u64) -> String {
    if of == 0 {
        return "–".to_owned();
    }
    let tenths = part.saturating_mul(1_000).div_euclid(of);
    format!("{}.{}\u{a0}%", tenths / 10, tenths % 10)
}

/// A kind's name for a person.
const fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Bounce => "bounces",
        Kind::Delay => "delays",
        Kind::Delivered => "delivered",
        Kind::Complaint => "complaints",
        Kind::AutoReply => "automatic answers",
        Kind::Unsubscribe => "unsubscribes",
        Kind::Reply => "replies",
        Kind::Receipt => "receipts",
        Kind::Challenge => "challenges",
        Kind::Other => "other",
        Kind::Unclassified => "not understood",
    }
}

fn tiles(out: &mut String, report: &Report) {
    let all: u64 = report.events.values().sum();
    let mails: u64 = report.mailboxes.iter().map(|m| m.fetched).sum();
    out.push_str("<ul class=\"tiles\">\n");
    let _ = writeln!(out, "<li><b>{}</b> mails fetched</li>", number(mails));
    for kind in Kind::ALL {
        if let Some(count) = report.events.get(&kind) {
            let _ = writeln!(
                out,
                "<li class=\"k-{}\"><b>{}</b> {} <span class=\"dim\">{}</span></li>",
                kind.as_str(),
                number(*count),
                title(kind),
                share(*count, all)
            );
        }
    }
    out.push_str("</ul>\n");
}

fn failures(out: &mut String, report: &Report) {
    if report.failures.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>What went wrong</h2>\n");
    for failure in &report.failures {
        let _ = writeln!(
            out,
            "<div class=\"failure\"><b>{}</b><p>{}</p><p class=\"advice\">{}</p></div>",
            escape(&failure.mailbox),
            escape(&failure.message),
            escape(failure.advice)
        );
    }
    out.push_str("</section>\n");
}

fn timeline(out: &mut String, report: &Report) {
    let sum = |step: &TimelineStep| step.events.values().sum::<u64>();
    let most = report.timeline.iter().map(sum).max().unwrap_or(0);
    if most == 0 {
        return;
    }
    let _ = writeln!(
        out,
        "<section>\n<h2>When it happened</h2>\n<p class=\"dim\">Events by {}; the tallest column has {}.</p>\n<div class=\"line\" role=\"img\" aria-label=\"events over time\">",
        report.timeline_step,
        number(most)
    );
    for step in &report.timeline {
        let form = if report.timeline_step == "day" { "%Y-%m-%d" } else { "%Y-%m-%d %H:00" };
        let mut says = format!("{}: {}", step.from.format(form), crate::plural::count(sum(step), "event"));
        for (kind, count) in &step.events {
            let _ = write!(says, ", {count} {}", title(*kind));
        }
        let _ = write!(out, "<div class=\"step\" title=\"{}\">", escape(&says));
        for kind in Kind::ALL.iter().rev() {
            if let Some(count) = step.events.get(kind) {
                let tenths = (count * 1_000).div_ceil(most);
                let _ = write!(
                    out,
                    "<i class=\"k-{}\" style=\"height:{}.{}%\"></i>",
                    kind.as_str(),
                    tenths / 10,
                    tenths % 10
                );
            }
        }
        out.push_str("</div>");
    }
    let ends = report.timeline.first().zip(report.timeline.last());
    if let Some((first, last)) = ends {
        let form = if report.timeline_step == "day" { "%-d %b %Y" } else { "%-d %b %H:00" };
        let _ = writeln!(
            out,
            "</div>\n<div class=\"axis dim\"><span>{}</span><span>{}</span></div>",
            first.from.format(form),
            last.from.format(form)
        );
    }
    out.push_str("<p class=\"key\">");
    for kind in Kind::ALL.iter().filter(|k| report.events.contains_key(k)) {
        let _ = write!(out, "<span><i class=\"k-{}\"></i>{}</span> ", kind.as_str(), title(*kind));
    }
    out.push_str("</p>\n</section>\n");
}

/// A table with numbers from the `text` columns on.
fn table(out: &mut String, heads: &[&str], text: usize, rows: impl IntoIterator<Item = Vec<String>>) {
    out.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
    for (at, head) in heads.iter().enumerate() {
        let class = if at < text { "" } else { " class=\"n\"" };
        let _ = write!(out, "<th{class}>{}</th>", escape(head));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let class = if at < text { "" } else { " class=\"n\"" };
            let _ = write!(out, "<td{class}>{}</td>", escape(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
}

fn mailboxes(out: &mut String, report: &Report) {
    out.push_str("<section>\n<h2>Mailboxes</h2>\n");
    table(
        out,
        &["mailbox", "listed", "fetched", "published", "known", "deleted", "kept back", "time"],
        1,
        report.mailboxes.iter().map(|m| {
            let mut row = vec![m.id.clone()];
            let counts = [m.listed, m.fetched, m.published, m.known, m.deleted, m.refused + m.before_start];
            row.extend(counts.map(number));
            row.push(span(m.duration_ms));
            row
        }),
    );
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|k| report.events.contains_key(k)).collect();
    if kinds.is_empty() {
        out.push_str("</section>\n");
        return;
    }
    let mut heads = vec!["events"];
    heads.extend(kinds.iter().map(|k| title(*k)));
    table(
        out,
        &heads,
        1,
        report.mailboxes.iter().map(|m| {
            let mut row = vec![m.id.clone()];
            row.extend(kinds.iter().map(|k| m.events.get(k).map_or_else(|| "·".to_owned(), |c| number(*c))));
            row
        }),
    );
    out.push_str("</section>\n");
}

fn bounces(out: &mut String, report: &Report) {
    if report.bounces.is_empty() {
        return;
    }
    let all: u64 = report.bounces.iter().map(|b| b.count).sum();
    let most = report.bounces.iter().map(|b| b.count).max().unwrap_or(1).max(1);
    out.push_str("<section>\n<h2>Why mail bounced</h2>\n<ul class=\"bars\">\n");
    for bounce in report.bounces.iter().take(20) {
        let of_type = bounce.bounce_type.map_or("", |t| t.as_str());
        let width = bounce.count * 100 / most;
        let _ = writeln!(
            out,
            "<li><span class=\"what\">{} <span class=\"dim\">{of_type}</span></span><span class=\"bar\"><i class=\"t-{of_type}\" style=\"width:{width}%\"></i></span><span class=\"n\">{} <span class=\"dim\">{}</span></span></li>",
            escape(&bounce.category.replace('_', " ")),
            number(bounce.count),
            share(bounce.count, all)
        );
    }
    out.push_str("</ul>\n</section>\n");
}

fn providers(out: &mut String, report: &Report) {
    if report.providers.is_empty() {
        return;
    }
    out.push_str(
        "<section>\n<h2>Providers</h2>\n<p class=\"dim\">Of what came back from each: how many there are, and their \
         share.</p>\n",
    );
    let cell = |count: u64, p: &ProviderCounts| {
        if count == 0 { "·".to_owned() } else { format!("{} ({})", number(count), share(count, p.events)) }
    };
    table(
        out,
        &["provider", "events", "hard", "soft", "delays", "complaints", "unsubscribes", "automatic", "replies"],
        1,
        report.providers.iter().map(|p| {
            let mut row = vec![p.provider.clone(), number(p.events)];
            let counts =
                [p.bounces_hard, p.bounces_soft, p.delays, p.complaints, p.unsubscribes, p.auto_replies, p.replies];
            row.extend(counts.map(|c| cell(c, p)));
            row
        }),
    );
    out.push_str("</section>\n");
}

fn correlation(out: &mut String, report: &Report) {
    let all: u64 = report.correlation.values().sum();
    if all == 0 {
        return;
    }
    out.push_str("<section>\n<h2>Campaigns found</h2>\n<ul class=\"tiles\">\n");
    for (status, count) in &report.correlation {
        let _ = writeln!(
            out,
            "<li><b>{}</b> {} <span class=\"dim\">{}</span></li>",
            number(*count),
            escape(status),
            share(*count, all)
        );
    }
    out.push_str("</ul>\n</section>\n");
}

fn samples(out: &mut String, title: &str, says: &str, samples: &[Sample]) {
    if samples.is_empty() {
        return;
    }
    let _ = writeln!(out, "<section>\n<h2>{}</h2>\n<p class=\"dim\">{}</p>", escape(title), escape(says));
    let subjects = samples.iter().any(|s| s.subject.is_some());
    let mut heads = vec!["kind", "detail", "rule", "domain", "mailbox", "mail"];
    if subjects {
        heads.push("subject");
    }
    let text = heads.len();
    heads.push("sure");
    table(
        out,
        &heads,
        text,
        samples.iter().map(|s| {
            let digest: String = s.digest_sha256.chars().take(12).collect();
            let mut row = vec![
                s.kind.as_str().to_owned(),
                s.detail.clone(),
                s.rule.clone().unwrap_or_else(|| "none".to_owned()),
                s.domain.clone().unwrap_or_default(),
                s.mailbox.clone(),
                s.uidl.clone().unwrap_or(digest),
            ];
            if subjects {
                row.push(s.subject.clone().unwrap_or_default());
            }
            row.push(format!("{:.2}", s.confidence));
            row
        }),
    );
    out.push_str("</section>\n");
}

fn stations(out: &mut String, report: &Report) {
    if report.stations.is_empty() {
        return;
    }
    out.push_str(
        "<section>\n<h2>Where the time went</h2>\n<p class=\"dim\">The slowest first. Stations work side by side, so \
         their times add up to more than the run's.</p>\n",
    );
    table(
        out,
        &["station", "times", "together", "each", "slowest"],
        1,
        report.stations.iter().map(|s| {
            let each = s.total_ms.checked_div(s.count).unwrap_or(0);
            vec![s.station.to_owned(), number(s.count), span(s.total_ms), span(each), span(s.slowest_ms)]
        }),
    );
    if let Some(latency) = report.dns.latency {
        let _ = writeln!(
            out,
            "<p class=\"dim\">DNS: {} questions, {} from the cache, {} without an answer; half of the answers took at \
             most {}, 95 of 100 at most {}.</p>",
            number(report.dns.questions),
            number(report.dns.cache_hits),
            number(report.dns.failed),
            span(latency.p50_ms),
            span(latency.p95_ms)
        );
    }
    out.push_str("</section>\n");
}

#[cfg(test)]
mod tests {
    use super::{escape, number, share, span};

    #[test]
    fn nothing_of_a_mail_is_markup() {
        assert_eq!(escape("<script>'\"&\u{202e}\u{1b}"), "&lt;script&gt;&#39;&quot;&amp;· ");
    }

    #[test]
    fn numbers_for_a_person() {
        assert_eq!([number(7), number(1_234_567)], ["7", "1\u{202f}234\u{202f}567"]);
        assert_eq!([share(1, 3), share(0, 0), share(5, 5)], ["33.3\u{a0}%", "–", "100.0\u{a0}%"]);
        assert_eq!([span(12), span(61_500), span(2_340)], ["12 ms", "1 min 1 s", "2.3 s"]);
    }
}
