//! Where a correlator looks, and what stands there.

use super::sight::Sight;
use super::wrapped::unwrapped;
use crate::classify::{Finding, OriginalMail};
use crate::message::{Address, Mail, addresses_in};
use std::fmt;

/// Headers that hold addresses: each address is tried by itself.
const ADDRESS_HEADERS: [&str; 11] = [
    "to",
    "cc",
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "return-path",
    "resent-to",
    "x-delivered-to",
    "x-forwarded-to",
    "errors-to",
];
/// Fields of reports that hold an address.
const ADDRESS_FIELDS: [&str; 6] = [
    "original-recipient",
    "final-recipient",
    "original-mail-from",
    "original-rcpt-to",
    "x-postfix-sender",
    "x-display-name",
];
/// Values tried for one place of one correlator.
pub(super) const MAX_VALUES: usize = 200;
/// Octets of a mail's reports that are read.
pub(super) const MAX_REPORT: usize = 256 * 1024;
/// Octets of a text in which a quoted Message-ID is looked for.
const MAX_TEXT: usize = 128 * 1024;

/// A place in a mail, in its original or in a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Header(String),
    Original(String),
    OriginalAny,
    Dsn(String),
    Thread,
}

/// What the settings may say.
pub(super) const PLACES: &str = "write header:NAME, original:NAME, original:*, dsn:FIELD or thread";

/// One value of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub text: String,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its letter case may have been changed.
    Address,
    /// Of a list in which only the last that fits counts: a thread's ancestors may be of other campaigns.
    Ancestor,
    Text,
}

impl Place {
    pub(super) fn read(text: &str) -> Option<Self> {
        if text == "thread" {
            return Some(Self::Thread);
        }
        let (kind, name) = text.split_once(':')?;
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b':' | b'*'));
        let lower = name.to_ascii_lowercase();
        match kind {
            "original" if name == "*" => Some(Self::OriginalAny),
            "header" if plain => Some(Self::Header(lower)),
            "original" if plain => Some(Self::Original(lower)),
            "dsn" if plain => Some(Self::Dsn(lower)),
            _ => None,
        }
    }

    pub(super) fn values(&self, sight: &Sight<'_, '_>, finding: &Finding) -> Vec<Value> {
        let original = finding.original.as_ref();
        let mut out = match self {
            Self::Header(name) => sight.header(name).to_vec(),
            Self::Original(name) => original.map(|o| of_original(o, name)).unwrap_or_default(),
            Self::OriginalAny => {
                texts(original.into_iter().flat_map(|o| &o.headers).map(|(_, value)| value.trim().to_owned()))
            }
            Self::Dsn(name) => dsn(sight, finding, name),
            Self::Thread => thread(sight, original),
        };
        out.truncate(MAX_VALUES);
        out
    }
}

/// The values of a header of the mail.
pub(super) fn of_header(mail: &Mail<'_>, name: &str) -> Vec<Value> {
    if ADDRESS_HEADERS.contains(&name) {
        addresses(mail.addresses(name).iter().map(Address::as_str))
    } else if name == "references" {
        ancestors(mail.headers_raw(name).flat_map(|value| ids(&value)).collect())
    } else if is_id_header(name) {
        texts(mail.headers_raw(name).flat_map(|value| ids(&value)))
    } else {
        texts(mail.headers(name).map(|v| v.trim().to_owned()))
    }
}

fn of_original(original: &OriginalMail, name: &str) -> Vec<Value> {
    let named = original.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value);
    let mut out: Vec<Value> = if ADDRESS_HEADERS.contains(&name) {
        let found: Vec<Address> = named.flat_map(|value| addresses_in(value)).collect();
        addresses(found.iter().map(Address::as_str))
    } else if name == "references" {
        ancestors(named.flat_map(|value| ids(value)).collect())
    } else if is_id_header(name) {
        texts(named.flat_map(|value| ids(value)))
    } else {
        texts(named.map(|value| value.trim().to_owned()))
    };
    if name == "message-id" && out.is_empty() {
        out = texts(original.message_id.clone().into_iter());
    }
    out
}

/// In-Reply-To, the original's Message-ID, a quoted one, then References from the last: the mail that was answered,
/// before those that it answered.
fn thread(sight: &Sight<'_, '_>, original: Option<&OriginalMail>) -> Vec<Value> {
    let mut out: Vec<Value> = sight.header("in-reply-to").to_vec();
    if let Some(original) = original {
        out.extend(of_original(original, "message-id"));
    }
    if out.is_empty() {
        out.extend_from_slice(sight.quoted());
    }
    out.extend_from_slice(&sight.header("references"));
    out
}

/// `> Message-ID: <…>` in a text.
pub(super) fn quoted(text: &str) -> Vec<Value> {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let lines = text.get(..end).unwrap_or_default().lines().filter_map(|line| {
        let line = line.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '>' | '|' | '*'));
        let (head, rest) = line.split_at_checked("message-id:".len())?;
        head.eq_ignore_ascii_case("message-id:").then_some(rest)
    });
    texts(lines.take(20).flat_map(ids))
}

/// A field of the reports, for this finding's recipient.
fn dsn(sight: &Sight<'_, '_>, finding: &Finding, name: &str) -> Vec<Value> {
    let found = sight.report_field(name, finding.recipient.as_ref());
    if ADDRESS_FIELDS.contains(&name) {
        let found: Vec<Address> = found.iter().filter_map(|v| Address::parse(v)).collect();
        addresses(found.iter().map(Address::as_str))
    } else {
        texts(found.into_iter())
    }
}

/// Each address, and what is wrapped in it.
fn addresses<'a>(list: impl Iterator<Item = &'a str>) -> Vec<Value> {
    let both = list.take(MAX_VALUES).flat_map(|address| [Some(address.to_owned()), unwrapped(address)]);
    both.flatten().map(|text| Value { text, kind: Kind::Address }).collect()
}

fn texts(list: impl Iterator<Item = String>) -> Vec<Value> {
    list.take(MAX_VALUES).map(|text| Value { text, kind: Kind::Text }).collect()
}

fn ancestors(list: Vec<String>) -> Vec<Value> {
    list.into_iter().rev().take(MAX_VALUES).map(|text| Value { text, kind: Kind::Ancestor }).collect()
}

fn is_id_header(name: &str) -> bool {
    matches!(name, "message-id" | "in-reply-to" | "references" | "x-original-message-id")
}

/// The ids of a list, without angle brackets. Where there are brackets, only what stands in them: In-Reply-To once
/// held phrases too (RFC 5322 section 4.5.4).
fn ids(value: &str) -> Vec<String> {
    let plain = |id: &str| id.contains('@') && !id.contains(char::is_whitespace) && id.len() <= 998;
    if value.contains('<') {
        let bracketed = value.split('<').skip(1).filter_map(|part| part.split_once('>')).map(|(id, _)| id.trim());
        return bracketed.filter(|id| plain(id)).map(str::to_owned).collect();
    }
    value.split([' ', '\t', ',']).filter(|id| plain(id)).map(str::to_owned).collect()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Original(name) => write!(f, "original:{name}"),
            Self::OriginalAny => f.write_str("original:*"),
            Self::Dsn(name) => write!(f, "dsn:{name}"),
            Self::Thread => f.write_str("thread"),
        }
    }
}
