//! Where in the mail a piece of evidence stands.

use super::{EvidenceLine, HeaderLine};
use crate::classify::{Hit, Rules};
use crate::message::Mail;

/// Header fields that say what a mail is, or whose it is.
const TELLING: [&str; 19] = [
    "return-path",
    "from",
    "sender",
    "reply-to",
    "to",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "auto-submitted",
    "precedence",
    "x-autoreply",
    "x-autorespond",
    "x-auto-response-suppress",
    "x-failed-recipients",
    "list-id",
    "list-unsubscribe",
    "feedback-id",
    "content-type",
];
/// Characters of a value that are shown.
const MOST_VALUE: usize = 300;
/// Octets of the words that are looked for in the raw mail.
const NEEDLE: usize = 60;

/// The lines of a mail.
pub struct Lines {
    /// Where they end.
    ends: Vec<usize>,
}

impl Lines {
    /// The lines of this mail, as it was parsed.
    pub fn of(mail: &Mail<'_>) -> Self {
        Self { ends: memchr::memchr_iter(b'\n', mail.raw()).collect() }
    }

    fn at(&self, octet: usize) -> u32 {
        u32::try_from(self.ends.partition_point(|end| *end < octet) + 1).unwrap_or(u32::MAX)
    }

    /// The header fields that say what the mail is.
    pub fn telling(&self, mail: &Mail<'_>) -> Vec<HeaderLine> {
        let mut out: Vec<HeaderLine> = Vec::new();
        for header in mail.message().headers() {
            let name = header.name.as_str().trim_end();
            if !TELLING.iter().any(|t| t.eq_ignore_ascii_case(name)) || out.len() >= 60 {
                continue;
            }
            let earlier = out.iter().filter(|h| h.name.eq_ignore_ascii_case(name)).count();
            let value = mail.headers(name).nth(earlier).unwrap_or_default();
            out.push(HeaderLine {
                name: name.to_owned(),
                header_index: u32::try_from(earlier).unwrap_or(u32::MAX),
                line: self.at(header.offset_field as usize),
                value: value.chars().take(MOST_VALUE).collect(),
            });
        }
        out
    }

    /// What is known of a rule that fired.
    pub fn evidence(&self, mail: &Mail<'_>, rules: &Rules, hit: &Hit, open: bool) -> EvidenceLine {
        let rule = rules.all().iter().find(|r| r.id == hit.rule);
        let name = hit.field.strip_prefix("header:").or(match hit.field.as_str() {
            "subject" => Some("Subject"),
            "from" => Some("From"),
            _ => None,
        });
        let header =
            name.and_then(|n| mail.message().headers().iter().find(|h| h.name.as_str().eq_ignore_ascii_case(n)));
        let line = match header {
            Some(header) => Some(self.at(header.offset_field as usize)),
            None => self.words(mail, &hit.text),
        };
        EvidenceLine {
            rule: hit.rule.clone(),
            field: hit.field.clone(),
            header_index: header.map(|_| 0),
            line,
            span: hit.span,
            text: open.then(|| hit.text.clone()),
            gives: rule.map(|r| r.gives.clone()),
            confidence: rule.map(|r| r.confidence),
            source: rule.map(|r| r.source.clone()),
        }
    }

    /// The line of the first place at which words stand as they are.
    fn words(&self, mail: &Mail<'_>, text: &str) -> Option<u32> {
        let text = text.trim();
        let text = text.get(..text.floor_char_boundary(NEEDLE))?;
        // Fewer letters stand anywhere.
        if text.len() < 3 {
            return None;
        }
        memchr::memmem::find(mail.raw(), text.as_bytes()).map(|at| self.at(at))
    }
}
