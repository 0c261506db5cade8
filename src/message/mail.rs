//! A parsed mail, and what the later stations ask of it.

use super::address::Address;
use super::{crowd, nesting};
use chrono::{DateTime, TimeZone, Utc};
use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, Header, HeaderName, HeaderValue, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Embedded mails are looked into down to this depth: a report, the original in it, and what that
/// one carried.
const MAX_DEPTH: usize = 4;
/// Parts looked at, of the mail and of everything embedded in it.
const MAX_PARTS: usize = 1_000;
/// Only the headers with a structure that is asked for are taken apart; the others are read when somebody asks.
static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .with_mime_headers()
        .with_date_headers()
        .with_address_headers()
        .with_message_ids()
        .header_text(HeaderName::Subject)
        .default_header_ignore()
});

/// A parsed mail.
#[derive(Debug)]
pub struct Mail<'x> {
    message: Message<'x>,
    flat: bool,
    /// The subject, where the plain reading of it lost signs.
    subject: Option<String>,
    /// The first address of From: every station asks for it.
    from: Option<Address>,
}

/// One leaf of the MIME tree, embedded mails included.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a, 'x> {
    /// 0 for the mail itself, 1 for a mail embedded in it, and so on.
    pub depth: usize,
    part: &'a MessagePart<'x>,
}

impl<'x> Mail<'x> {
    /// Parses a mail with CRLF line ends (see [`super::to_crlf`]). Never fails.
    #[must_use]
    pub fn parse(bytes: &'x [u8]) -> Self {
        let bytes = from_the_header(bytes);
        let flat = nesting::is_unsafe(bytes) || crowd::is_crowded(bytes);
        let message = if flat { PARSER.parse_headers(bytes) } else { PARSER.parse(bytes) };
        let message = message.unwrap_or_else(|| no_mail(bytes));
        let lost = message.subject().is_some_and(|s| s.contains('\u{fffd}'));
        let subject = if lost { super::charset::subject_of(&message) } else { None };
        let from = addresses_of(&message, "From").into_iter().next();
        Self { message, flat, subject, from }
    }

    /// The tree of mail-parser.
    #[must_use]
    pub fn message(&self) -> &Message<'x> {
        &self.message
    }

    /// The octets that were parsed.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        self.message.raw_message()
    }

    /// Whether the mail nests so many others, or has so many parts, that only its headers were read.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.flat
    }

    /// Whether there is not a single header: a name of printable ASCII (RFC 5322 section 3.6.8).
    #[must_use]
    pub fn is_headless(&self) -> bool {
        let is_name = |name: &str| !name.is_empty() && name.trim_end().bytes().all(|b| b.is_ascii_graphic());
        !self.message.parts.first().is_some_and(|root| root.headers.iter().any(|h| is_name(h.name.as_str())))
    }

    /// The first header of that name: decoded, unfolded, trimmed. Letter case does not matter.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers(name).next()
    }

    /// Every header of that name, top to bottom.
    pub fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
        headers_of(&self.message, name)
    }

    /// Every header field, top to bottom, as it stands between colon and line end. What is not UTF-8 in it is
    /// replaced: mail-parser's own list leaves such fields out, so that the lines around them would be miscounted.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let headers = self.message.headers().iter();
        headers.map(|h| (h.name.as_str().trim_end(), String::from_utf8_lossy(self.raw_value(h))))
    }

    fn raw_value(&self, header: &Header<'_>) -> &[u8] {
        self.message.raw_message.get(header.offset_start as usize..header.offset_end as usize).unwrap_or_default()
    }

    /// Every header of that name as [`Self::fields`] has it. Letter case does not matter.
    pub fn headers_raw<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        let named =
            self.message.headers().iter().filter(move |h| h.name.as_str().trim_end().eq_ignore_ascii_case(name));
        named.map(|h| trimmed(String::from_utf8_lossy(self.raw_value(h))))
    }

    /// Whether there is a header of that name.
    #[must_use]
    pub fn has_header(&self, name: &str) -> bool {
        self.message.headers().iter().any(|h| h.name.as_str().eq_ignore_ascii_case(name))
    }

    /// The decoded subject.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref().or_else(|| self.message.subject())
    }

    /// Message-ID without angle brackets.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.message.message_id()
    }

    /// The first In-Reply-To id, without angle brackets.
    #[must_use]
    pub fn in_reply_to(&self) -> Option<&str> {
        ids(self.message.in_reply_to()).next()
    }

    /// The ids of In-Reply-To and References, without angle brackets.
    pub fn thread_ids(&self) -> impl Iterator<Item = &str> {
        ids(self.message.in_reply_to()).chain(ids(self.message.references()))
    }

    /// The Date header.
    #[must_use]
    pub fn date(&self) -> Option<DateTime<Utc>> {
        self.message.date().and_then(to_chrono)
    }

    /// The first address of From.
    #[must_use]
    pub fn from(&self) -> Option<Address> {
        self.from.clone()
    }

    /// The display name of the first address of From.
    #[must_use]
    pub fn from_name(&self) -> Option<&str> {
        self.message.from()?.first()?.name.as_deref()
    }

    /// The addresses of a header, groups opened.
    #[must_use]
    pub fn addresses(&self, name: &str) -> Vec<Address> {
        addresses_of(&self.message, name)
    }

    /// The envelope sender that the last server noted: `None` without a Return-Path,
    /// `Some(None)` for the null sender `<>`.
    #[must_use]
    pub fn return_path(&self) -> Option<Option<Address>> {
        self.headers_raw("Return-Path").next().map(|value| Address::parse(&value))
    }

    /// `type/subtype` of the whole mail, in lower case; `text/plain` where nothing is said.
    #[must_use]
    pub fn mime_type(&self) -> String {
        self.message.parts.first().map_or_else(|| "text/plain".to_owned(), mime_type)
    }

    /// A parameter of the mail's Content-Type.
    #[must_use]
    pub fn mime_attribute(&self, name: &str) -> Option<&str> {
        self.message.content_type()?.attribute(name)
    }

    /// The leaves of the MIME tree, depth first, those of embedded mails included.
    #[must_use]
    pub fn parts(&self) -> Vec<Part<'_, 'x>> {
        let mut out = Vec::new();
        collect(&self.message, 0, &mut out);
        out
    }

    /// The text a person reads: the text/plain body, else the visible text of the HTML one, with
    /// LF line ends.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        let own = |part: &'_ MessagePart<'x>| matches!(part.body, PartType::Text(_));
        let read = |at: u32| match self.message.parts.get(at as usize) {
            Some(part) if own(part) => super::charset::text_of(&self.message, part),
            _ => Cow::Borrowed(""),
        };
        let bodies = self.message.text_body_count();
        let text = match bodies {
            0 => Cow::Borrowed(""),
            1 => match self.message.text_body.first() {
                Some(at) if !read(*at).is_empty() => read(*at),
                _ => self.message.body_text(0).unwrap_or_default(),
            },
            _ => {
                Cow::Owned((0..bodies.min(20)).filter_map(|i| self.message.body_text(i)).collect::<Vec<_>>().join("\n"))
            }
        };
        to_lf(text)
    }

    /// The HTML body, where there is one.
    #[must_use]
    pub fn html(&self) -> Option<&str> {
        self.message.html_bodies().find_map(|p| match &p.body {
            PartType::Html(html) => Some(html.as_ref()),
            _ => None,
        })
    }
}

impl<'a, 'x> Part<'a, 'x> {
    /// `type/subtype` in lower case.
    #[must_use]
    pub fn mime_type(&self) -> String {
        mime_type(self.part)
    }

    /// A parameter of Content-Type.
    #[must_use]
    pub fn mime_attribute(&self, name: &str) -> Option<&'a str> {
        self.part.content_type()?.attribute(name)
    }

    /// The file name, where one is given.
    #[must_use]
    pub fn name(&self) -> Option<&'a str> {
        self.part.attachment_name()
    }

    /// The embedded mail, when this part is one.
    #[must_use]
    pub fn message(&self) -> Option<&'a Message<'x>> {
        self.part.message()
    }

    /// The decoded content; empty for an embedded mail.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        match &self.part.body {
            PartType::Text(t) | PartType::Html(t) => t.as_bytes(),
            PartType::Binary(b) | PartType::InlineBinary(b) => b,
            PartType::Message(_) | PartType::Multipart(_) => &[],
        }
    }

    /// The part as mail-parser has it.
    #[must_use]
    pub fn inner(&self) -> &'a MessagePart<'x> {
        self.part
    }
}

/// Some mails begin with an empty line, one of white space, or the "From " line of an mbox
/// (RFC 4155): the header follows it.
fn from_the_header(mut bytes: &[u8]) -> &[u8] {
    while let Some(end) = memchr::memchr(b'\n', bytes) {
        match bytes.split_at_checked(end + 1) {
            Some((line, rest))
                if !rest.is_empty()
                    && (line.iter().all(u8::is_ascii_whitespace)
                        || line.starts_with(b"From ")
                        || line.starts_with(b">From ")) =>
            {
                bytes = rest;
            }
            _ => break,
        }
    }
    bytes
}

/// What has no header at all, as a mail with one empty part: mail-parser's accessors rely on there
/// being one.
fn no_mail(bytes: &[u8]) -> Message<'_> {
    Message { parts: vec![MessagePart::default()], raw_message: Cow::Borrowed(bytes), ..Message::default() }
}

/// Every header of that name in any (embedded) mail: decoded, unfolded, trimmed.
pub fn headers_of<'a>(message: &'a Message<'_>, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
    let named = message.headers().iter().filter(move |h| h.name.as_str().eq_ignore_ascii_case(name));
    named.filter_map(|h| value_of(message, h))
}

/// A header's value: decoded, unfolded, trimmed.
#[must_use]
pub fn value_of<'a>(message: &'a Message<'_>, header: &'a Header<'_>) -> Option<Cow<'a, str>> {
    let raw = || message.raw_message.get(header.offset_start as usize..header.offset_end as usize);
    match &header.value {
        HeaderValue::Text(text) => Some(Cow::Borrowed(text.trim())),
        HeaderValue::TextList(list) => Some(Cow::Owned(list.join(", "))),
        // Nobody took it apart.
        HeaderValue::Empty => Some(match MessageStream::new(raw()?).parse_unstructured() {
            HeaderValue::Text(text) => trimmed(text),
            _ => Cow::Borrowed(""),
        }),
        _ => raw().map(|raw| unfold(&String::from_utf8_lossy(raw))),
    }
}

/// The addresses of a header of any (embedded) mail.
#[must_use]
pub fn addresses_of(message: &Message<'_>, name: &str) -> Vec<Address> {
    let parsed = |a: &Addr<'_>| a.address.as_deref().and_then(Address::parse);
    let mut out = Vec::new();
    for header in message.headers().iter().filter(|h| h.name.as_str().eq_ignore_ascii_case(name)) {
        match &header.value {
            HeaderValue::Address(list) => out.extend(list.iter().filter_map(parsed)),
            HeaderValue::Text(text) => out.extend(text.split(',').filter_map(Address::parse)),
            HeaderValue::TextList(list) => out.extend(list.iter().filter_map(|t| Address::parse(t))),
            HeaderValue::Empty => {
                let text = value_of(message, header).unwrap_or_default();
                out.extend(text.split(',').filter_map(Address::parse));
            }
            _ => {}
        }
    }
    out.truncate(MAX_PARTS);
    out
}

/// The addresses of a header's value, groups opened; display names are none.
#[must_use]
pub fn addresses_in(value: &str) -> Vec<Address> {
    let line = format!("{value}\r\n");
    let HeaderValue::Address(list) = MessageStream::new(line.as_bytes()).parse_address() else { return Vec::new() };
    list.iter().filter_map(|a| a.address.as_deref().and_then(Address::parse)).take(MAX_PARTS).collect()
}

fn unfold(raw: &str) -> Cow<'static, str> {
    Cow::Owned(raw.split(['\r', '\n']).map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" "))
}

fn ids<'a>(value: &'a HeaderValue<'_>) -> impl Iterator<Item = &'a str> {
    let (one, many): (Option<&str>, &[Cow<'_, str>]) = match value {
        HeaderValue::Text(id) => (Some(id.as_ref()), &[]),
        HeaderValue::TextList(list) => (None, list),
        _ => (None, &[]),
    };
    one.into_iter().chain(many.iter().map(AsRef::as_ref))
}

pub(super) fn mime_type(part: &MessagePart<'_>) -> String {
    match part.content_type() {
        Some(t) => format!("{}/{}", t.ctype(), t.subtype().unwrap_or("plain")).to_ascii_lowercase(),
        None => "text/plain".to_owned(),
    }
}

fn collect<'a, 'x>(message: &'a Message<'x>, depth: usize, out: &mut Vec<Part<'a, 'x>>) {
    for part in &message.parts {
        if out.len() >= MAX_PARTS {
            return;
        }
        if matches!(part.body, PartType::Multipart(_)) {
            continue;
        }
        out.push(Part { depth, part });
        if let PartType::Message(inner) = &part.body
            && depth < MAX_DEPTH
        {
            collect(inner, depth + 1, out);
        }
    }
}

fn to_lf(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { text }
}

/// mail-parser's date as a UTC time; `None` for the impossible ones it lets pass.
pub(crate) fn to_chrono(date: &mail_parser::DateTime) -> Option<DateTime<Utc>> {
    if !date.is_valid() {
        return None;
    }
    Utc.timestamp_opt(date.to_timestamp(), 0).single()
}

fn trimmed(value: Cow<'_, str>) -> Cow<'_, str> {
    match value {
        Cow::Borrowed(value) => Cow::Borrowed(value.trim()),
        Cow::Owned(value) => Cow::Owned(value.trim().to_owned()),
    }
}
