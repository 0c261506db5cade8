//! The envelope sender, MAIL FROM, of a mail whose boundary is known.
//!
//! Two places tell it: the boundary's Received line, and the Return-Path header that our side wrote at
//! final delivery (RFC 5321 section 4.4). A Return-Path counts only above the boundary line; one below
//! came with the mail. When the walk went through a forwarder, a Return-Path above the line at which
//! the mail came to us holds what the forwarder said in its own MAIL FROM, which many rewrite (SRS and
//! others) in ways that nothing in the mail shows: it does not count, and neither does it conflict.
//! One between that line and the boundary was written by the forwarder's side and counts.

use crate::event::SenderSource;
use crate::message::Mail;

/// RFC 5321 section 4.5.3.1: 64 + 1 + 255 octets.
const MAX_ADDRESS: usize = 320;

/// The envelope sender and where it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// `None` for the null sender.
    pub address: Option<String>,
    pub source: SenderSource,
    /// The boundary line and Return-Path name different senders.
    pub conflict: bool,
}

/// A path: an address, or nothing between the angle brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Path {
    Null,
    Address(String),
}

impl Path {
    /// Local parts may differ by case (RFC 5321 section 2.4), but no provider of note lets them.
    fn differs(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Address(a), Self::Address(b)) => a.to_lowercase() != b.to_lowercase(),
            (a, b) => a != b,
        }
    }

    fn address(self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }
}

/// The envelope sender of a mail that came to us at Received line `entry` and has its boundary at line
/// `index`: what that line says, else the Return-Path; `None` where neither tells.
pub(super) fn envelope_sender(mail: &Mail<'_>, entry: usize, index: usize, on_line: Option<&str>) -> Option<Sender> {
    let line = on_line.and_then(path);
    let returned = return_path(mail, entry, index);
    match (line, returned) {
        (Some(line), returned) => {
            let conflict = returned.is_some_and(|r| r.differs(&line));
            Some(Sender { address: line.address(), source: SenderSource::Received, conflict })
        }
        (None, Some(returned)) => {
            Some(Sender { address: returned.address(), source: SenderSource::ReturnPath, conflict: false })
        }
        (None, None) => None,
    }
}

/// What the Return-Path headers above the boundary line say; `None` where there is none, one that is no
/// path, or several that differ.
fn return_path(mail: &Mail<'_>, entry: usize, index: usize) -> Option<Path> {
    let mut received = 0_usize;
    let mut found: Option<Path> = None;
    for (name, value) in mail.fields() {
        if name.eq_ignore_ascii_case("Received") {
            received += 1;
            if received > index {
                break;
            }
        } else if name.eq_ignore_ascii_case("Return-Path") && (entry == index || received > entry) {
            let this = path(&value)?;
            if found.as_ref().is_some_and(|f| f.differs(&this)) {
                return None;
            }
            found = Some(this);
        }
    }
    found
}

/// Reads a path (RFC 5321 section 4.1.2), with or without its angle brackets, with comments around it
/// (RFC 5322 section 3.6.7); a source route is dropped (RFC 5321 appendix C).
fn path(text: &str) -> Option<Path> {
    let text = without_comments(text)?;
    let text = text.trim();
    let Some(rest) = text.strip_prefix('<') else {
        return address(text).map(Path::Address);
    };
    let inner = rest.strip_suffix('>')?.trim();
    if inner.is_empty() {
        return Some(Path::Null);
    }
    let inner = match inner.strip_prefix('@') {
        Some(_) => inner.split_once(':')?.1,
        None => inner,
    };
    address(inner).map(Path::Address)
}

/// The text without the comments around a path; `None` where one is left open.
fn without_comments(text: &str) -> Option<String> {
    if text.len() > 8 * MAX_ADDRESS {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for c in text.chars() {
        let was_escaped = escaped;
        escaped = c == '\\' && !was_escaped;
        match c {
            '"' if depth == 0 && !was_escaped => quoted = !quoted,
            '(' if !quoted && !was_escaped => depth += 1,
            ')' if !quoted && !was_escaped => {
                depth = depth.checked_sub(1)?;
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            out.push(c);
        }
    }
    (depth == 0 && !quoted).then_some(out)
}

/// A mailbox: the local part as written, the domain in lower case.
fn address(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let literal = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']'));
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '"');
    let quoted = local.strip_prefix('"').and_then(|l| l.strip_suffix('"'));
    let local_is_fine = match quoted {
        Some(inner) => !inner.contains(char::is_control) && is_quoted(inner),
        None => !local.is_empty() && !local.contains(|c: char| odd(c) || matches!(c, '[' | ']' | '\\' | '@')),
    };
    let bare = literal.unwrap_or(domain);
    let domain_is_fine = !bare.is_empty() && !bare.contains(|c: char| odd(c) || matches!(c, '[' | ']' | '\\' | '='));
    (local_is_fine && domain_is_fine && text.len() <= MAX_ADDRESS).then(|| format!("{local}@{}", domain.to_lowercase()))
}

/// Whether quotes inside a quoted local part are escaped.
fn is_quoted(inner: &str) -> bool {
    let mut escaped = false;
    for c in inner.chars() {
        if c == '"' && !escaped {
            return false;
        }
        escaped = c == '\\' && !escaped;
    }
    !escaped
}
