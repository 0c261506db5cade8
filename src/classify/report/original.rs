//! The mail that came back: from an embedded mail, from its headers as a part, or from their copy
//! in the text of the report.

use crate::classify::OriginalMail;
use crate::message::{Address, addresses_of, value_of};
use chrono::{DateTime, TimeZone, Utc};
use mail_parser::{HeaderName, HeaderValue, Message, MessageParser};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Headers kept of an original.
const MAX_HEADERS: usize = 200;
/// Octets kept of one header.
const MAX_VALUE: usize = 2 * 1024;
/// Octets of a copied header block that are read.
const MAX_BLOCK: usize = 128 * 1024;

/// Only the headers that are read are parsed; the others are taken as text.
static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .header_id(HeaderName::MessageId)
        .header_date(HeaderName::Date)
        .header_address(HeaderName::From)
        .header_address(HeaderName::To)
        .header_text(HeaderName::Subject)
        .default_header_ignore()
});

/// Headers that servers wrote on the way: the longest of all, and no campaign is found by them.
fn is_of_the_route(name: &str) -> bool {
    const ROUTE: [&str; 6] =
        ["received", "x-received", "dkim-signature", "domainkey-signature", "authentication-results", "arc-"];
    ROUTE.iter().any(|r| name.get(..r.len()).is_some_and(|head| head.eq_ignore_ascii_case(r)))
}

/// The original out of an embedded mail.
pub(super) fn of_message(message: &Message<'_>) -> Option<OriginalMail> {
    let headers: Vec<(String, String)> = message
        .headers()
        .iter()
        .filter(|h| !is_of_the_route(h.name.as_str()))
        .take(MAX_HEADERS)
        .map(|h| {
            let value = match &h.value {
                // As it stands: with the brackets.
                HeaderValue::TextList(_) if h.name == HeaderName::References => message
                    .raw_message
                    .get(h.offset_start as usize..h.offset_end as usize)
                    .map(|raw| Cow::Owned(unfold(&String::from_utf8_lossy(raw)))),
                _ => value_of(message, h),
            };
            (h.name.as_str().to_ascii_lowercase(), shorten(&value.unwrap_or_default()))
        })
        .collect();
    if message.headers().is_empty() {
        return None;
    }
    Some(OriginalMail {
        message_id: message
            .message_id()
            .map(|id| id.trim_matches(['<', '>', ' ']).to_owned())
            .filter(|id| !id.is_empty() && id.len() <= 998),
        subject: message.subject().map(shorten),
        date: message.date().filter(|d| d.is_valid()).and_then(|d| utc(d.to_timestamp())),
        from: addresses_of(message, "From").into_iter().next(),
        to: addresses_of(message, "To").into_iter().take(MAX_HEADERS).collect(),
        headers,
    })
}

/// The original whose headers a sender wrote where those of its MIME part belong.
pub(super) fn of_part(part: &mail_parser::MessagePart<'_>, raw: &[u8]) -> Option<OriginalMail> {
    let has = |name: &str| part.headers.iter().any(|h| h.name.as_str().eq_ignore_ascii_case(name));
    let mail = has("received") || (has("message-id") && has("from"));
    if !mail {
        return None;
    }
    let block = raw.get(part.offset_header as usize..part.offset_body as usize)?;
    of_text(&String::from_utf8_lossy(block))
}

/// The original out of a copied header block. Leading lines that are no headers are skipped, and
/// a common indentation or quotation is taken away.
pub(super) fn of_text(text: &str) -> Option<OriginalMail> {
    let block = tidy(text)?;
    let message = PARSER.parse_headers(block.as_bytes())?;
    let known = message.headers().iter().filter(|h| is_known(h.name.as_str())).count();
    if known == 0 { None } else { of_message(&message) }
}

fn tidy(text: &str) -> Option<String> {
    let mut lines = text.lines().skip_while(|l| header_name(undecorated(l).1).is_none_or(|n| !is_known(n))).peekable();
    let prefix = undecorated(lines.peek()?).0;
    let mut out = String::new();
    for line in lines {
        let line = line.strip_prefix(prefix).or_else(|| line.strip_prefix(prefix.trim_end())).unwrap_or(line);
        if line.trim().is_empty() || out.len() > MAX_BLOCK {
            break;
        }
        // A line that is no header and no continuation: a sender cut it there, or it is the end.
        if !line.starts_with([' ', '\t']) && header_name(line).is_none() {
            if line.starts_with("--") {
                break;
            }
            out.push(' ');
        }
        out.push_str(line);
        out.push_str("\r\n");
    }
    out.push_str("\r\n");
    Some(out)
}

/// The quotation or indentation before a line, and the line.
fn undecorated(line: &str) -> (&str, &str) {
    let bare = line.trim_start_matches([' ', '\t', '>', '|', '*']);
    (line.get(..line.len() - bare.len()).unwrap_or_default(), bare)
}

fn header_name(line: &str) -> Option<&str> {
    let name = line.get(..memchr::memchr(b':', line.as_bytes())?)?.trim_end();
    let plain = !name.is_empty()
        && name.len() <= 76
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    plain.then_some(name)
}

fn is_known(name: &str) -> bool {
    STRONG.iter().chain(&WEAK).any(|n| name.eq_ignore_ascii_case(n))
}

/// Headers that only a real mail has.
const STRONG: [&str; 9] = [
    "received",
    "message-id",
    "return-path",
    "mime-version",
    "dkim-signature",
    "delivered-to",
    "x-originating-ip",
    "content-type",
    "x-received",
];
/// Headers that reports also name when they describe a mail.
const WEAK: [&str; 6] = ["from", "to", "subject", "date", "reply-to", "cc"];

/// Where a copied header block begins in a text: three header lines or more of which one is
/// strong, not indented by more than a quotation.
pub(super) fn find_block(text: &str) -> Option<usize> {
    let mut start = 0;
    // (octet of the block's first line, known headers, strong headers, lines)
    let mut run: Option<(usize, usize, usize)> = None;
    for line in text.split_inclusive('\n') {
        let at = start;
        start += line.len();
        let bare = undecorated(line.trim_end()).1;
        match header_name(bare) {
            Some(name) => {
                let known = usize::from(is_known(name));
                let strong = usize::from(STRONG.iter().any(|n| name.eq_ignore_ascii_case(n)));
                let (from, k, s) = run.unwrap_or((at, 0, 0));
                if known == 0 && k == 0 && !name.contains('-') {
                    run = None;
                    continue;
                }
                run = Some((from, k + known, s + strong));
                if k + known >= 3 && s + strong >= 1 && s + strong + known > 0 {
                    return Some(from);
                }
            }
            // Continuations keep a run alive, anything else ends it.
            None if line.starts_with([' ', '\t', '>']) && !bare.is_empty() && run.is_some() => {}
            None => {
                if let Some((from, k, s)) = run.take()
                    && k >= 2
                    && s >= 1
                {
                    return Some(from);
                }
            }
        }
    }
    run.and_then(|(from, k, s)| (k >= 2 && s >= 1).then_some(from))
}

/// The same with the headers that a campaign may have set only, for reports on very many
/// recipients: each of them carries a copy.
pub(super) fn lean(original: &OriginalMail) -> OriginalMail {
    const INNER: [&str; 2] = ["x-ms-", "x-google-"];
    let mut room: usize = 4 * 1024;
    let mut out = original.clone();
    out.to.truncate(1);
    out.headers.retain(|(name, value)| {
        let keep = name.len() + value.len() <= room && !INNER.iter().any(|r| name.starts_with(r));
        room -= if keep { name.len() + value.len() } else { 0 };
        keep
    });
    out
}

/// What a report says of the mail in a line of its own, where it copies no headers.
pub(super) fn described(notice: &str) -> Option<OriginalMail> {
    let mut out = OriginalMail::default();
    for line in notice.lines().take(400) {
        let line = line.trim_start_matches([' ', '\t', '*', '-', '|']);
        let Some((name, value)) = line.split_once(':') else { continue };
        let (name, value) = (name.trim(), value.trim().trim_matches('\''));
        if value.is_empty() || name.len() > 40 {
            continue;
        }
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "message-id" | "message id" | "internet message id" if out.message_id.is_none() => {
                let id = value.trim_matches(['<', '>', ' ']);
                if id.contains('@') && !id.contains(' ') && id.len() <= 998 {
                    out.message_id = Some(id.to_owned());
                }
            }
            "subject" | "message subject" | "the subject of the message is" if out.subject.is_none() => {
                out.subject = Some(shorten(value));
            }
            "to" if out.to.is_empty() => out.to = Address::parse(value).into_iter().collect(),
            "from" if out.from.is_none() => out.from = Address::parse(value),
            "date" | "sent" | "the date of the message is" if out.date.is_none() => {
                out.date = crate::message::received_date(&format!("; {value}"));
            }
            _ => {}
        }
    }
    (out != OriginalMail::default()).then_some(out)
}

fn unfold(raw: &str) -> String {
    raw.split(['\r', '\n']).map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" ")
}

fn shorten(text: &str) -> String {
    let mut end = text.len().min(MAX_VALUE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

fn utc(seconds: i64) -> Option<DateTime<Utc>> {
    Utc.timestamp_opt(seconds, 0).single()
}

#[cfg(test)]
mod tests {
    use super::{described, find_block, of_text};

    #[test]
    fn a_copy_in_the_text() {
        let text = "Sorry.\n\nReceived: from a.example\n\tby b.example; Mon, 16 Nov 2026 10:12:33 +0100\n\
                    Message-ID: <1@example.org>\nFrom: Shop <news@example.org>\nTo: ana@example.net\nSubject: Hi\n\nBody: no\n";
        let at = find_block(text).expect("is there");
        let original = of_text(text.get(at..).unwrap_or_default()).expect("has headers");
        assert_eq!(original.message_id.as_deref(), Some("1@example.org"));
        assert_eq!(original.subject.as_deref(), Some("Hi"));
        assert_eq!(original.headers.len(), 4);
        assert_eq!(original.from.map(|a| a.as_str().to_owned()).as_deref(), Some("news@example.org"));
    }

    #[test]
    fn quoted_and_described_mails() {
        let quoted = "> Message-ID: <2@example.org>\n> From: a@example.org\n> Subject: Hi\n>\n> text";
        let original = of_text(quoted).expect("has headers");
        assert_eq!(original.message_id.as_deref(), Some("2@example.org"));
        assert_eq!(find_block("To: a@example.org\nSubject: Hi\nSent: today\n\ndid not reach"), None);
        let told = described("Your message\n\n  To: a@example.org\n  Subject: Hi\n").expect("is described");
        assert_eq!(told.subject.as_deref(), Some("Hi"));
    }
}
