//! `replay --explain`: why a mail was judged as it was, for a person.

use crate::event::{
    AddressMode, Auth, AuthResult, BoundaryWord, Correlation, CorrelationStatus, Event, TextMode, Verdict,
};
use crate::pipeline::Judged;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Writes the explanation of one mail.
pub fn write(out: &mut impl Write, origin: &str, size: u64, judged: &Judged) -> io::Result<()> {
    writeln!(out, "{origin}  ({size} octets, {} event{})", judged.events.len(), plural(judged.events.len()))?;
    for (event, finding) in judged.events.iter().zip(&judged.findings) {
        let data = &event.data;
        let recipient = data.recipient.as_ref().and_then(|r| r.address.as_deref().or(r.key.as_deref()));
        writeln!(
            out,
            "  {}{}{}",
            data.verdict.kind().as_str(),
            recipient.map(|r| format!(" for {r}")).unwrap_or_default(),
            detail(&data.verdict).map(|d| format!(": {d}")).unwrap_or_default(),
        )?;
        writeln!(out, "    confidence   {:.2}", data.classification.confidence)?;
        if finding.hits.is_empty() {
            writeln!(out, "    rules        none fired: this is what is left when everything else is excluded")?;
        }
        for (n, hit) in finding.hits.iter().enumerate() {
            let label = if n == 0 { "rules" } else { "" };
            write!(out, "    {label:12} {} in {}", hit.rule, hit.field)?;
            // The words it fired on went through no privacy.
            if data.privacy.addresses == AddressMode::Clear && data.privacy.text == TextMode::Full {
                write!(out, ": {:?}", hit.text)?;
            }
            writeln!(out)?;
        }
        writeln!(out, "    happened     {} ({:?})", data.occurred_at.to_rfc3339(), data.occurred_at_source)?;
        auth(out, data.auth.as_ref())?;
        correlation(out, &data.correlation)?;
        if let Some(original) = &data.original {
            writeln!(
                out,
                "    original     {}{}",
                original.message_id.as_deref().unwrap_or("without Message-ID"),
                original.subject.as_ref().map(|s| format!(", subject {s:?}")).unwrap_or_default()
            )?;
        }
        content(out, event)?;
    }
    writeln!(out)
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// The facts of a verdict on one line.
fn detail(verdict: &Verdict) -> Option<String> {
    let failure = match verdict {
        Verdict::Bounce { bounce: f } | Verdict::Delay { delay: f } => f,
        Verdict::Complaint { complaint } => return Some(complaint.feedback_type.clone()),
        Verdict::AutoReply { auto_reply } => return Some(word(&auto_reply.reply_type)),
        Verdict::Unsubscribe { unsubscribe } => return Some(format!("via {}", word(&unsubscribe.via))),
        Verdict::Other { other } => return Some(other.subtype.clone()),
        Verdict::Unclassified { unclassified } => return Some(word(&unclassified.reason)),
        Verdict::Receipt { receipt } => return Some(word(&receipt.disposition)),
        Verdict::Delivered { delivered } => return Some(word(&delivered.action)),
        Verdict::Reply { .. } | Verdict::Challenge { .. } => return None,
    };
    let parts = [
        failure.bounce_type.map(|t| word(&t)),
        Some(word(&failure.category)),
        failure.smtp_code.map(|c| format!("SMTP {c}")),
        failure.status.as_ref().map(|s| format!("status {s}")),
        failure.diagnostic.as_ref().map(|d| format!("{d:?}")),
    ];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// A value as the event spells it.
fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn auth(out: &mut impl Write, auth: Option<&Auth>) -> io::Result<()> {
    let Some(auth) = auth else { return writeln!(out, "    auth         not checked") };
    let c = &auth.context;
    if c.boundary == BoundaryWord::Found {
        writeln!(
            out,
            "    boundary     Received {}: client {}, HELO {}, MAIL FROM {}",
            c.header_index.unwrap_or_default(),
            c.client_ip.as_deref().unwrap_or("?"),
            c.helo.as_deref().unwrap_or("?"),
            c.mail_from.as_deref().map_or("unknown".to_owned(), |m| format!("<{m}>")),
        )?;
    } else {
        writeln!(out, "    boundary     {}", word(&c.boundary))?;
    }
    let named = [("spf", &auth.spf), ("dmarc", &auth.dmarc)];
    for (name, result) in named.into_iter().filter_map(|(n, r)| Some((n, r.as_ref()?))) {
        writeln!(out, "    {name:12} {}", result_line(result))?;
    }
    if let Some(arc) = &auth.arc {
        writeln!(out, "    arc          {}, {} sets", arc.result.as_str(), arc.sets)?;
    }
    for result in &auth.dkim {
        writeln!(out, "    dkim         {}", result_line(result))?;
    }
    for signal in &auth.signals {
        writeln!(out, "    signal       {}", word(signal))?;
    }
    Ok(())
}

fn result_line(result: &AuthResult) -> String {
    let mut line = result.result.as_str().to_owned();
    if let Some(domain) = &result.domain {
        let _ = write!(line, " for {domain}");
    }
    if let Some(selector) = &result.selector {
        let _ = write!(line, " (selector {selector})");
    }
    if let Some(aligned) = result.aligned {
        line.push_str(if aligned { ", aligned with From" } else { ", not aligned with From" });
    }
    if let Some(policy) = &result.policy {
        let _ = write!(line, ", policy {}", word(policy));
    }
    if let Some(reason) = &result.reason {
        let _ = write!(line, ": {reason}");
    }
    line
}

fn correlation(out: &mut impl Write, correlation: &Correlation) -> io::Result<()> {
    let campaign = correlation.campaign_id.as_deref().unwrap_or("no campaign");
    let status = word(&correlation.status);
    if correlation.status == CorrelationStatus::Unmatched {
        return writeln!(out, "    campaign     {status}: no correlator found one");
    }
    writeln!(
        out,
        "    campaign     {status}: {campaign}{}",
        correlation.send_id.as_ref().map(|s| format!(", send {s}")).unwrap_or_default()
    )?;
    for evidence in &correlation.evidence {
        writeln!(
            out,
            "                 {} in {}{}{}",
            evidence.correlator,
            evidence.place,
            evidence.campaign_id.as_ref().map(|c| format!(": {c}")).unwrap_or_default(),
            match evidence.verified {
                Some(true) => ", signed",
                Some(false) => ", the signature is wrong",
                None => "",
            }
        )?;
    }
    Ok(())
}

fn content(out: &mut impl Write, event: &Event) -> io::Result<()> {
    let Some(content) = &event.data.content else { return Ok(()) };
    writeln!(
        out,
        "    words        {} characters, {} quoted, language {}",
        content.text_chars,
        content.quoted_chars,
        content.language.as_deref().unwrap_or("unknown")
    )?;
    for line in content.text.iter().flat_map(|t| t.lines()).take(12) {
        writeln!(out, "                 | {line}")?;
    }
    Ok(())
}
