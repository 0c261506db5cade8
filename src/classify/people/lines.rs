//! The lines of a body: what they say, and what the markup around them says about quotes.

use super::html;
use crate::message::{Mail, text_of};
use mail_parser::{MimeHeaders, PartType};
use std::borrow::Cow;

/// Lines looked at of one body; a reply has a handful, and the rest of a longer one is quoted.
const MAX_LINES: usize = 50_000;
/// Text bodies joined; RFC 2046 lets a mail have any number.
const MAX_BODIES: usize = 20;

/// What the format around a line says of it. Plain text says nothing: all is `Own` there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Own,
    /// In an element that quotes.
    Quoted,
    /// In a `blockquote` that indents by its style, and may quote.
    Indented,
    /// In a `blockquote` without any attribute: a quote unless the mail marks its quotes better.
    Bare,
    /// In an element that holds a signature.
    Signature,
    /// Behind the border after which everything is quoted.
    Cut,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Line<'t> {
    pub text: Cow<'t, str>,
    pub mark: Mark,
}

/// The lines that a person reads: of the plain text, else of the HTML body.
pub fn of<'m>(mail: &'m Mail<'_>) -> Vec<Line<'m>> {
    let mut lines = Vec::new();
    for part in mail.message().text_bodies().take(MAX_BODIES) {
        if !lines.is_empty() {
            lines.push(Line { text: Cow::Borrowed(""), mark: Mark::Own });
        }
        match &part.body {
            PartType::Html(_) => lines.extend(html::lines(&text_of(mail.message(), part))),
            PartType::Text(_) => {
                let parameter = |name| part.content_type().and_then(|c| c.attribute(name));
                let flowed = parameter("format").is_some_and(|f| f.eq_ignore_ascii_case("flowed"));
                let delsp = parameter("delsp").is_some_and(|d| d.eq_ignore_ascii_case("yes"));
                match text_of(mail.message(), part) {
                    Cow::Borrowed(text) => plain(text, flowed.then_some(delsp), &mut lines),
                    Cow::Owned(text) => {
                        let mut read = Vec::new();
                        plain(&text, flowed.then_some(delsp), &mut read);
                        let own = |l: Line<'_>| Line { text: Cow::Owned(l.text.into_owned()), mark: l.mark };
                        lines.extend(read.into_iter().map(own));
                    }
                }
            }
            _ => {}
        }
    }
    // Some programs send an empty plain text beside the HTML that the person wrote.
    if lines.iter().all(|l| l.text.trim().is_empty())
        && let Some(html) = mail.html()
    {
        lines = html::lines(html);
    }
    lines
}

/// The lines of a plain text; `flowed` tells whether `DelSp` is on (RFC 3676).
fn plain<'t>(text: &'t str, flowed: Option<bool>, lines: &mut Vec<Line<'t>>) {
    for raw in text.split('\n').take(MAX_LINES) {
        let raw = raw.strip_suffix('\r').unwrap_or(raw);
        if raw.contains('\r') {
            // A body whose line ends are lone CR.
            lines.extend(raw.split('\r').map(|l| Line { text: Cow::Borrowed(l), mark: Mark::Own }));
            continue;
        }
        if let Some(delsp) = flowed
            && let Some(last) = lines.last_mut()
            && joins(&last.text, raw)
        {
            let more = unquoted(raw).1;
            let mut text = std::mem::take(&mut last.text).into_owned();
            if delsp {
                text.pop();
            }
            text.push_str(more);
            last.text = Cow::Owned(text);
            continue;
        }
        // Space-stuffing, RFC 3676 section 4.4.
        let raw = if flowed.is_some() && raw.starts_with(' ') { raw.get(1..).unwrap_or(raw) } else { raw };
        lines.push(Line { text: Cow::Borrowed(raw), mark: Mark::Own });
    }
}

/// Whether a flowed line goes on in the next: it ends with a space, is no signature separator,
/// and the next has the same quote depth (RFC 3676 section 4.5).
fn joins(line: &str, next: &str) -> bool {
    line.ends_with(' ')
        && line.len() < 20_000
        && !line.trim_end().ends_with("--")
        && !next.trim_end().is_empty()
        && next != "-- "
        && unquoted(line).0 == unquoted(next).0
}

/// Quote depth and the text behind the quote marks of a flowed line.
fn unquoted(line: &str) -> (usize, &str) {
    let text = line.trim_start_matches('>');
    let depth = line.len() - text.len();
    (depth, text.strip_prefix(' ').unwrap_or(text))
}
