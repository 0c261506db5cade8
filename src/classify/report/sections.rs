//! The sections of a report: the words for people, the machine-readable parts, the original.

use super::machine::{self, Signs};
use super::{fields, original};
use crate::classify::people::html;
use crate::classify::rules::Folded;
use crate::classify::{Field, OriginalMail, Reader, Table};
use crate::message::{self, Mail, Part};
use std::borrow::Cow;
use std::cell::OnceCell;

/// Octets of the words for people that are read.
const MAX_NOTICE: usize = 64 * 1024;
/// Octets read of one machine-readable part: 5,000 recipients fit.
const MAX_STATUS: usize = 4 * 1024 * 1024;

/// Octets of a text that may be a gateway's footer.
const FOOTER: usize = 512;
/// Octets of the words for people in which rules look.
const WINDOW: usize = 8 * 1024;

/// What a mail consists of, as far as a report may be in it.
#[derive(Debug, Default)]
pub(super) struct Sections<'a> {
    /// The words for people, without the copy of the original.
    pub notice: String,
    /// The copy of the original in the text, and all that follows.
    pub copy: String,
    pub statuses: Vec<Cow<'a, str>>,
    pub feedback: Option<Cow<'a, str>>,
    pub disposition: Option<Cow<'a, str>>,
    pub original: Option<OriginalMail>,
    /// Whether the original is a part of its own, and not read out of the text.
    pub original_is_part: bool,
    /// `report-type` of the mail's Content-Type, in lower case.
    pub report_type: String,
    pub mime: String,
    pub calendar: Option<Cow<'a, str>>,
    /// The signs of a machine; `None`: a person wrote.
    pub signs: Option<Signs>,
    /// Names and types of the other parts.
    pub attachments: Vec<(String, String)>,
    /// Whether a person answers a mail; what follows the first quoted line is then somebody else's.
    is_answer: bool,
    /// The notice as the rules read it, folded once for all tables.
    folded: OnceCell<Folded>,
}

impl<'a> Sections<'a> {
    /// Divides a mail.
    pub(super) fn of(mail: &'a Mail<'_>, rules: &Reader<'_>) -> Self {
        let mut out = Self {
            mime: mail.mime_type(),
            report_type: mail.mime_attribute("report-type").unwrap_or_default().to_ascii_lowercase(),
            ..Self::default()
        };
        out.signs = Signs::of(mail, &out.mime, &out.report_type);
        out.is_answer = out.signs.is_none() && mail.thread_ids().next().is_some();
        let mut html: Option<Part<'a, '_>> = None;
        let root = mail.message().parts.first().map(std::ptr::from_ref);
        let parts = mail.parts();
        for &part in parts.iter().filter(|p| p.depth == 0) {
            let inner = part.inner();
            if out.original.is_none() && root != Some(std::ptr::from_ref(inner)) {
                out.original = original::of_part(inner, &mail.message().raw_message);
                out.original_is_part = out.original.is_some();
                if out.original_is_part {
                    continue;
                }
            }
            out.take(mail, part, &mut html);
        }
        if out.statuses.is_empty() && out.signs.is_some_and(|s| s.daemon) && !machine::is_conversation(mail) {
            out.take_wrapped(&parts);
        }
        // A multipart whose boundary nobody named has no parts.
        if out.is_bare() && html.is_none() && out.mime.starts_with("multipart/") {
            let raw = mail.raw();
            let body = memchr::memmem::find(raw, b"\r\n\r\n").and_then(|at| raw.get(at + 4..)).unwrap_or_default();
            out.notice = text_of(body.get(..body.len().min(MAX_NOTICE)).unwrap_or(body)).into_owned();
        }
        // The notice may be HTML alone, with a footer in plain text that a gateway put beside it.
        let footer = out.mime == "multipart/mixed" && out.notice.len() < FOOTER && !out.notice.contains(['<', ':']);
        if (out.notice.trim().is_empty() || footer)
            && let Some(html) = html
        {
            out.notice = html::text(&part_text(mail, html, MAX_NOTICE * 2));
        }
        out.notice.truncate(out.notice.floor_char_boundary(MAX_NOTICE));
        // In a report with parts the original is one of them; in a mail by a person a copy says
        // nothing.
        if out.statuses.is_empty() && !out.original_is_part && out.signs.is_some() {
            out.split_copy(rules);
        }
        out
    }

    /// Whether nothing was found that a report could be read from.
    fn is_bare(&self) -> bool {
        self.notice.trim().is_empty() && self.statuses.is_empty() && self.original.is_none() && self.feedback.is_none()
    }

    /// The begin of the notice as the rules read it.
    pub(super) fn folded(&self) -> &Folded {
        self.folded.get_or_init(|| {
            let head = self.notice.get(..self.notice.floor_char_boundary(WINDOW)).unwrap_or_default();
            let quote = memchr::memmem::find(head.as_bytes(), b"\n>").filter(|_| self.is_answer);
            let own = quote.and_then(|at| head.get(..at)).filter(|own| !own.trim().is_empty());
            Folded::new(own.unwrap_or(head))
        })
    }

    /// A gateway's daemon passes a report on inside a mail of its own: the status and the original are one level below.
    fn take_wrapped<'x>(&mut self, parts: &[Part<'a, 'x>])
    where
        'x: 'a,
    {
        let mut inside = parts.iter().filter(|p| p.depth == 1);
        let is_status = |mime: &str| matches!(mime, "message/delivery-status" | "message/global-delivery-status");
        let statuses: Vec<_> =
            inside.clone().filter(|p| is_status(&p.mime_type())).map(|p| text_of(p.bytes())).collect();
        if !statuses.is_empty() {
            self.statuses = statuses;
            self.original = inside.find_map(|p| original::of_message(p.message()?));
        }
    }

    fn take<'x>(&mut self, mail: &'a Mail<'x>, part: Part<'a, 'x>, html: &mut Option<Part<'a, 'x>>)
    where
        'x: 'a,
    {
        let mime = part.mime_type();
        let name = part.name().unwrap_or_default().to_ascii_lowercase();
        if let Some(message) = part.message() {
            let root = message.parts.first();
            let raw = root.and_then(|r| message.raw_message.get(r.offset_header as usize..r.offset_end as usize));
            // A delivery status that was sent as a mail of its own.
            if message.headers().iter().any(|h| h.name.as_str().eq_ignore_ascii_case("final-recipient"))
                || message.headers().first().is_some_and(|h| h.name.as_str().eq_ignore_ascii_case("reporting-mta"))
            {
                if let Some(raw) = raw {
                    self.statuses.push(text_of(raw));
                }
            } else if self.original.is_none() {
                // Some put an empty line too many before the headers.
                self.original = original::of_message(message).or_else(|| original::of_text(text_of(raw?).trim_start()));
                self.original_is_part = self.original.is_some();
            }
            return;
        }
        match mime.as_str() {
            "message/delivery-status" | "message/global-delivery-status" | "message/x-delivery-status" => {
                self.statuses.push(text_of(part.bytes()));
            }
            "message/feedback-report" => self.feedback = Some(text_of(part.bytes())),
            "message/disposition-notification" | "message/global-disposition-notification" => {
                self.disposition = Some(text_of(part.bytes()));
            }
            "text/rfc822-headers"
            | "text/rfc822-header"
            | "message/rfc822-headers"
            | "message/global-headers"
            | "text/rfc822"
            // Cut off within its headers.
            | "message/rfc822"
            | "message/global"
            | "message/partial" => self.take_headers(&text_of(part.bytes())),
            "text/calendar" => self.calendar = Some(text_of(part.bytes().get(..MAX_NOTICE).unwrap_or(part.bytes()))),
            "text/html" => drop(html.get_or_insert(part)),
            _ if mime.starts_with("text/") || mime.starts_with("multipart/") => self.take_text(mail, part, &name),
            _ => {
                let bytes = part.bytes();
                if name.contains("status")
                    || name.contains("report")
                    || bytes.first().is_some_and(u8::is_ascii_alphabetic)
                {
                    let text = text_of(bytes.get(..bytes.len().min(MAX_STATUS)).unwrap_or(bytes));
                    if fields::is_status(&text) {
                        self.statuses.push(text);
                        return;
                    }
                    if fields::is_feedback(&text) && self.feedback.is_none() {
                        self.feedback = Some(text);
                        return;
                    }
                }
                self.attachments.push((name, mime));
            }
        }
    }

    fn take_text<'x>(&mut self, mail: &'a Mail<'x>, part: Part<'a, 'x>, name: &str)
    where
        'x: 'a,
    {
        let bytes = part.bytes();
        let text = part_text(mail, part, MAX_NOTICE);
        if fields::is_status(&text) {
            self.statuses.push(text_of(bytes));
            return;
        }
        let head = text.trim_start();
        // The original's headers as a text of their own.
        let headers = !self.notice.is_empty()
            && (name.contains("header") || head.starts_with("Received:") || head.starts_with("Return-Path:"));
        if headers && self.original.is_none() {
            self.take_headers(&text);
            if self.original.is_some() {
                return;
            }
        }
        if self.original_is_part || self.notice.len() > MAX_NOTICE {
            return;
        }
        if !self.notice.is_empty() {
            self.notice.push('\n');
        }
        self.notice.push_str(&text);
    }

    fn take_headers(&mut self, text: &str) {
        if self.original.is_none() {
            self.original = original::of_text(text);
            self.original_is_part = self.original.is_some();
        }
    }

    /// Parts the words for people from the copy of the original behind them.
    fn split_copy(&mut self, rules: &Reader<'_>) {
        let block = original::find_block(&self.notice);
        // A marker behind the block is part of what it would mark.
        let head = self.notice.get(..block.unwrap_or(self.notice.len())).unwrap_or_default();
        let mut folded = Folded::new(head);
        let marker = rules
            .rules()
            .matches_folded(Table::Report, Field::Copy, &folded)
            .into_iter()
            .filter(|m| starts_line(&self.notice, m.start))
            .map(|m| self.notice.get(..m.start).and_then(|h| h.rfind('\n')).map_or(0, |at| at + 1))
            .min();
        let Some(at) = (match (block, marker) {
            (Some(block), Some(marker)) => Some(block.min(marker)),
            (one, other) => one.or(other),
        }) else {
            self.folded = OnceCell::from(folded);
            return;
        };
        folded.truncate(at);
        self.folded = OnceCell::from(folded);
        self.copy = self.notice.get(at..).unwrap_or_default().to_owned();
        self.notice.truncate(at);
        if self.original.is_none() {
            self.original = match block.filter(|b| *b >= at) {
                Some(block) => self.copy.get(block - at..).and_then(original::of_text),
                None => original::described(&self.copy),
            };
        }
    }
}

/// Whether only signs stand between the line's begin and `at`.
fn starts_line(text: &str, at: usize) -> bool {
    let head = text.get(..at).unwrap_or_default();
    let line = head.rsplit('\n').next().unwrap_or_default();
    !line.contains(|c: char| c.is_alphanumeric())
}

/// The text of a part with LF line ends: the first `most` octets of it.
fn part_text<'a, 'x: 'a>(mail: &'a Mail<'x>, part: Part<'a, 'x>, most: usize) -> Cow<'a, str> {
    match message::text_of(mail.message(), part.inner()) {
        // A multipart without its parts, for one.
        Cow::Borrowed("") => text_of(part.bytes().get(..most).unwrap_or(part.bytes())),
        Cow::Borrowed(text) => text_of(text.get(..text.floor_char_boundary(most)).unwrap_or(text).as_bytes()),
        Cow::Owned(text) => Cow::Owned(to_lf(text.get(..text.floor_char_boundary(most)).unwrap_or(&text))),
    }
}

/// A part's octets as text with LF line ends.
fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    let bytes = bytes.get(..bytes.len().min(MAX_STATUS)).unwrap_or(bytes);
    let text = message::text_of_octets(bytes);
    if memchr::memchr(b'\r', text.as_bytes()).is_some() { Cow::Owned(to_lf(&text)) } else { text }
}

/// CRLF and CR to LF, in one go.
fn to_lf(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((line, tail)) = memchr::memchr(b'\r', rest.as_bytes()).and_then(|at| rest.split_at_checked(at)) {
        out.push_str(line);
        out.push('\n');
        rest = tail.get(1..).unwrap_or_default();
        rest = rest.strip_prefix('\n').unwrap_or(rest);
    }
    out.push_str(rest);
    out
}
