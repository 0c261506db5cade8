//! Reply codes (RFC 5321 section 4.2) and enhanced status codes (RFC 3463) as they stand in text.
//! Only what is literally there: nothing is derived from words.

use memchr::memchr_iter;
use std::borrow::Cow;

/// The most specific codes of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Codes {
    pub smtp: Option<u16>,
    pub enhanced: Option<String>,
    /// Where the server's own words begin: the octet of the code that was chosen.
    pub at: Option<usize>,
}

/// Text looked at: replies are short, and their codes stand in front.
const WINDOW: usize = 16 * 1024;

#[derive(Debug, Clone, Copy)]
struct Reply {
    at: usize,
    code: u16,
    weight: u8,
    enhanced: Option<(usize, usize)>,
}

impl Codes {
    /// Reads `text`. Of several replies the best placed one counts, then the first: an enhanced
    /// code right behind a reply code is surer than one at the start of a line, and that surer
    /// than a number among words.
    pub(super) fn read(text: &str) -> Self {
        let mut end = text.len().min(WINDOW);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default();
        let bytes = text.as_bytes();
        let mut replies: Vec<Reply> = Vec::new();
        let mut enhanced: Vec<(usize, usize, u8)> = Vec::new();
        // Every code begins with 2, 4 or 5, and failures with the latter two.
        let mut candidates: Vec<usize> = memchr_iter(b'4', bytes).chain(memchr_iter(b'5', bytes)).collect();
        candidates.sort_unstable();
        for at in candidates {
            let before = at.checked_sub(1).and_then(|i| bytes.get(i)).copied();
            if let Some(to) = enhanced_at(bytes, at) {
                if free_before(bytes, at, before) {
                    enhanced.push((at, to, weight_of_enhanced(bytes, at, before)));
                }
            } else if reply_at(bytes, at) && free_before(bytes, at, before) && !counts(text, at + 3) {
                let code = bytes.get(at..at + 3).map_or(0, |d| d.iter().fold(0, |n, b| n * 10 + u16::from(b - b'0')));
                let behind = skip_to_code(bytes, at + 3);
                let pair = enhanced_at(bytes, behind).map(|to| (behind, to));
                let weight = if pair.is_some() { 10 } else { weight_of_reply(bytes, at) };
                replies.push(Reply { at, code, weight, enhanced: pair });
            }
        }
        Self::choose(text, &replies, &enhanced)
    }

    fn choose(text: &str, replies: &[Reply], enhanced: &[(usize, usize, u8)]) -> Self {
        let slice = |(from, to): (usize, usize)| text.get(from..to).map(str::to_owned);
        let better = |a: Reply, b: Reply| if b.weight > a.weight { b } else { a };
        let best = replies.iter().copied().reduce(better);
        // "554 4.4.7 expired <421 4.4.2 timed out>": what the server before said is nearer to
        // the cause than that time ran out.
        let expired = |r: &Reply| r.enhanced.and_then(slice).is_some_and(|e| e.ends_with(".4.7"));
        let best = match best {
            Some(first) if expired(&first) => {
                replies.iter().copied().find(|r| r.weight >= 10 && !expired(r)).or(Some(first))
            }
            other => other,
        };
        let alone = enhanced.iter().copied().reduce(|a, b| if b.2 > a.2 { b } else { a });
        match (best, alone) {
            (Some(reply), alone) => Self {
                smtp: (reply.weight > 1 || reply.enhanced.is_some()).then_some(reply.code),
                enhanced: reply.enhanced.or(alone.map(|(from, to, _)| (from, to))).and_then(slice),
                at: Some(reply.at),
            },
            (None, Some((from, to, _))) => Self { smtp: None, enhanced: slice((from, to)), at: Some(from) },
            (None, None) => Self::default(),
        }
    }
}

/// A reply of several lines whose lines were run together (Postfix joins them with blanks): without the codes that
/// stand before each line but the first, for they tear phrases apart.
pub(super) fn without_repeats(text: &str) -> Cow<'_, str> {
    let begins = |t: &str| matches!(t.as_bytes(), [b'4' | b'5', b'0'..=b'9', b'0'..=b'9', b'-', ..]);
    let mut words = text.split_whitespace();
    let Some(lead) = words.by_ref().find(|t| begins(t)).and_then(|t| t.get(..3)) else { return Cow::Borrowed(text) };
    if !words.any(|t| t.get(..3) == Some(lead)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut seen = false;
    let mut repeated = false;
    for word in text.split_whitespace() {
        let kept = match word.strip_prefix(lead) {
            Some("" | "-") if seen => {
                repeated = true;
                continue;
            }
            Some(rest) if seen && rest.starts_with('-') => {
                let rest = rest.get(1..).unwrap_or_default();
                if is_enhanced(rest) {
                    continue;
                }
                rest
            }
            Some(_) => {
                seen = true;
                word
            }
            None if repeated && is_enhanced(word) => continue,
            None => word,
        };
        repeated = false;
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(kept);
    }
    Cow::Owned(out)
}

fn is_enhanced(word: &str) -> bool {
    enhanced_at(word.as_bytes(), 0) == Some(word.len())
}

/// A Status field's code: `5.1.1 (comment)`.
pub(super) fn status(value: &str) -> Option<String> {
    let value = value.trim();
    let to = enhanced_at(value.as_bytes(), 0)?;
    value.get(..to).map(str::to_owned)
}

/// Whether an enhanced code begins at `at`; gives its end. Subject 0 to 7 (RFC 3463 section 3).
fn enhanced_at(bytes: &[u8], at: usize) -> Option<usize> {
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let dot = |i: usize| bytes.get(i) == Some(&b'.');
    if !matches!(bytes.get(at), Some(b'2' | b'4' | b'5')) || !dot(at + 1) {
        return None;
    }
    if !matches!(bytes.get(at + 2), Some(b'0'..=b'7')) || !dot(at + 3) || !digit(at + 4) {
        return None;
    }
    let mut end = at + 5;
    while end < at + 8 && digit(end) {
        end += 1;
    }
    let tail = bytes.get(end).copied();
    let more = digit(end)
        || (tail == Some(b'.') && digit(end + 1))
        || tail.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    (!more && end - at <= 7).then_some(end)
}

/// Whether a reply code begins at `at`, with a separator behind it.
fn reply_at(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at), Some(b'2' | b'4' | b'5'))
        // 571 is no code of RFC 5321, but of many servers that refuse for reasons of policy.
        && (matches!(bytes.get(at + 1), Some(b'0'..=b'5')) || bytes.get(at..at + 3) == Some(b"571"))
        && bytes.get(at + 2).is_some_and(u8::is_ascii_digit)
        && match bytes.get(at + 3) {
            None => true,
            Some(b'.') => !bytes.get(at + 4).is_some_and(u8::is_ascii_digit),
            Some(b'-') => !bytes.get(at + 4).is_some_and(u8::is_ascii_alphabetic) || at == 0 || starts_line(bytes, at),
            Some(b) => {
                b.is_ascii_whitespace()
                    || matches!(b, b':' | b';' | b',' | b'\'' | b'"' | b')' | b']' | b'>' | b'#' | b'_')
            }
        }
}

fn starts_line(bytes: &[u8], at: usize) -> bool {
    bytes
        .get(..at)
        .is_none_or(|b| b.iter().rev().find(|b| **b != b' ' && **b != b'\t').is_none_or(|b| matches!(b, b'\n' | b';')))
}

/// Codes are no part of a longer number, an address or an identifier.
fn free_before(bytes: &[u8], at: usize, before: Option<u8>) -> bool {
    match before {
        None => true,
        Some(b'-') => at.checked_sub(4).is_some_and(|i| {
            reply_at(bytes, i) || bytes.get(at - 2) == Some(&b'-') || bytes.get(at - 2) == Some(&b' ')
        }),
        Some(b) => {
            b.is_ascii_whitespace()
                || matches!(b, b':' | b';' | b',' | b'\'' | b'"' | b'(' | b'[' | b'<' | b'>' | b'#')
                || !b.is_ascii()
        }
    }
}

/// `550-5.1.1`, `550: 5.1.1`, `550 #5.1.1`, `550 (5.1.1`, `550-'5.1.1`: the place behind the separators.
fn skip_to_code(bytes: &[u8], mut at: usize) -> usize {
    let end = at + 4;
    while at < end
        && bytes.get(at).is_some_and(|b| matches!(b, b' ' | b'-' | b':' | b'#' | b'(' | b'\n' | b'[' | b'\'' | b'"'))
    {
        at += 1;
    }
    at
}

/// Whether what follows makes the number a count: "450 minutes", "552 KB".
fn counts(text: &str, behind: usize) -> bool {
    const UNITS: [&str; 12] = [
        "minute",
        "hour",
        "day",
        "second",
        "byte",
        "kb",
        "mb",
        "octet",
        "times",
        "attempt",
        "recipients in",
        "messages",
    ];
    text.get(behind..).is_some_and(|t| {
        let t = t.trim_start();
        UNITS.iter().any(|u| t.get(..u.len()).is_some_and(|h| h.eq_ignore_ascii_case(u)))
    })
}

fn weight_of_enhanced(bytes: &[u8], at: usize, before: Option<u8>) -> u8 {
    match before {
        Some(b'#') => 6,
        None | Some(b'\n') => 5,
        Some(b'(' | b'-') => 4,
        _ if starts_line(bytes, at) => 5,
        _ => 2,
    }
}

/// Words behind which a reply is quoted.
const INTRODUCE: [&[u8]; 15] = [
    b"said",
    b"with",
    b"error",
    b"code",
    b"responsecode",
    b"returned",
    b"response",
    b"reason",
    b"->",
    b"<<<",
    b">>>",
    b"-",
    b"status",
    b"answered",
    b"responded",
];

/// Signs of other writing systems behind which a reply is quoted.
const WIDE: [&str; 6] = ["：", "（", "「", "『", "【", "；"];

fn weight_of_reply(bytes: &[u8], at: usize) -> u8 {
    if starts_line(bytes, at) {
        return 6;
    }
    let head = bytes.get(..at).unwrap_or_default().trim_ascii_end();
    let tail = head.get(head.len().saturating_sub(16)..).unwrap_or_default();
    let word = tail.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
    // Old sendmails quote the remote reply behind their own: `554 <a@example.org>... 550 Unknown`.
    if head.ends_with(b"...") {
        return 7;
    }
    // The full-width colon and brackets of Chinese and Japanese.
    if WIDE.iter().any(|w| head.ends_with(w.as_bytes())) {
        return 5;
    }
    // Exchange 5.5: `MSEXCH:IMS:Org:Site:MAIL 3554 (000B099C) 554 Relay access denied`.
    let hexadecimal = |w: &[u8]| w.len() == 10 && w.get(1..9).is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit));
    if word.starts_with(b"(") && hexadecimal(word) {
        return 5;
    }
    match head.last() {
        Some(b':' | b';' | b'\'' | b'"' | b'[' | b'<' | b'#' | b'(' | b'>') => 5,
        // IronPort: `552-'Message size exceeds ...'`.
        _ if matches!(bytes.get(at + 3..at + 5), Some(b"-'" | b"-\"")) => 5,
        _ if INTRODUCE.iter().any(|i| word.eq_ignore_ascii_case(i)) => 4,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{Codes, status, without_repeats};

    #[test]
    fn lines_that_were_run_together() {
        let table = [
            ("550-5.7.1 our policy 550-5.7.1 forbids it 550 5.7.1 ask", "550-5.7.1 our policy forbids it ask"),
            (
                "said: 452-4.2.2 The mailbox is out 452-of space 452 now",
                "said: 452-4.2.2 The mailbox is out of space now",
            ),
            ("550 5.1.1 no such user", "550 5.1.1 no such user"),
            ("550-one line of 1550 octets", "550-one line of 1550 octets"),
        ];
        for (text, expected) in table {
            assert_eq!(without_repeats(text), expected, "{text}");
        }
    }

    #[test]
    fn codes_as_servers_write_them() {
        let table: [(&str, Option<u16>, Option<&str>); 30] = [
            ("5.1.0 - Unknown address error 550-'5.1.1 no'", Some(550), Some("5.1.1")),
            ("550 5.1.1 <a@example.org>... User unknown", Some(550), Some("5.1.1")),
            ("550-5.1.1 The account does not exist. 550 5.1.1 x", Some(550), Some("5.1.1")),
            ("550: 5.1.1 gone", Some(550), Some("5.1.1")),
            ("550: : User unknown", Some(550), None),
            ("host mx.example.org[192.0.2.25] said: 550 no such user", Some(550), None),
            ("#550 5.1.1 RESOLVER.ADR.RecipNotFound", Some(550), Some("5.1.1")),
            ("550 #5.1.0 Address rejected", Some(550), Some("5.1.0")),
            ("Sorry, no mailbox here by that name. (#5.1.1)", None, Some("5.1.1")),
            ("550 sorry, no mailbox here (#5.7.17)", Some(550), Some("5.7.17")),
            ("554 4.4.7 expired: 840 minutes.<421 4.4.2 timed out>", Some(421), Some("4.4.2")),
            ("550 5.1.351 unknown recipient -> 550 Unknown user", Some(550), Some("5.1.351")),
            ("Remote Server returned '550 5.1.10 RESOLVER'", Some(550), Some("5.1.10")),
            ("552 1 Requested mail action aborted", Some(552), None),
            ("Error, ERROR_CODE :421, Host not reachable", Some(421), None),
            ("421-4.7.0 try again 421 4.7.0 later", Some(421), Some("4.7.0")),
            ("retried for 450 minutes", None, None),
            ("host 192.0.2.5 or 5.1.1.7", None, None),
            ("[550 5.1.1 User unknown]", Some(550), Some("5.1.1")),
            ("smtp;550 5.2.2 full", Some(550), Some("5.2.2")),
            ("450 450 4.2.2 full", Some(450), Some("4.2.2")),
            ("mail 500 people were told", None, None),
            ("550 - Requested action not taken", Some(550), None),
            ("550-Please turn on SMTP Authentication", Some(550), None),
            ("server mta-5.5.0-3", None, None),
            ("RCPT TO: 550\n5.1.1 no", Some(550), Some("5.1.1")),
            ("退信代码：550 User not found", Some(550), None),
            ("MSEXCH:IMS:Org:Site:MAIL 3554 (000B099C) 554 Relay access denied", Some(554), None),
            ("5.3.4 - too big 552-'Message size'", Some(552), Some("5.3.4")),
            ("", None, None),
        ];
        for (text, smtp, enhanced) in table {
            let codes = Codes::read(text);
            assert_eq!((codes.smtp, codes.enhanced.as_deref()), (smtp, enhanced), "{text}");
        }
    }

    #[test]
    fn status_fields() {
        let table = [
            ("5.1.1", Some("5.1.1")),
            ("5.0.0 (undefined status)", Some("5.0.0")),
            ("4.4.7 ", Some("4.4.7")),
            ("553 too large", None),
            ("5.1.1.1", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(status(text).as_deref(), expected, "{text}");
        }
    }
}
