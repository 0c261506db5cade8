//! Mails within mails, as deep as a stranger likes.
//!
//! mail-parser builds (and drops) its tree by recursion, and copies everything inside an encoded
//! embedded mail once for each level. A stack that overflows cannot be caught, so what nests too
//! much is found beforehand, and then only its header is read.

use aho_corasick::AhoCorasick;
use std::sync::LazyLock;

/// A mail below this size cannot nest deep enough to matter.
const SMALL: usize = 16 * 1024;
/// Embedded mails; forwards with more attached mails than this are not seen in the field.
const MAX_EMBEDDED: usize = 200;
/// Octets of a Content-Type that are looked at for its type, comments and folding included.
const WINDOW: usize = 400;
/// Octets around a Content-Type in which its part's header ends; a longer header is not trusted.
const BLOCK: usize = 32 * 1024;

const CONTENT_TYPE: &[u8] = b"content-type";

static EMBEDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| words(&["message", "digest", "rfc822"]));
static ENCODED: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| words(&["base64", "quoted-printable"]));

fn words(list: &[&str]) -> Option<AhoCorasick> {
    AhoCorasick::builder().ascii_case_insensitive(true).build(list).ok()
}

/// Whether a mail nests others so that parsing it is not safe: very many of them, or encoded ones,
/// whose inside cannot be looked at from here (RFC 2046 section 5.2.1 forbids to encode them).
pub fn is_unsafe(bytes: &[u8]) -> bool {
    if bytes.len() <= SMALL {
        return false;
    }
    let (Some(embeds), Some(encoded)) = (&*EMBEDS, &*ENCODED) else { return true };
    let mut count = 0;
    let lines = std::iter::once(0).chain(memchr::memchr_iter(b'\n', bytes).map(|end| end + 1));
    for (at, line) in lines.filter_map(|at| Some((at, bytes.get(at..)?))) {
        let Some(value) = content_type(line) else { continue };
        // Whoever puts so much before a type hides it.
        let Some(kind) = kind_in(value) else { return true };
        let Some(kind) = embeds.find(&kind) else { continue };
        count += 1;
        if count > MAX_EMBEDDED {
            return true;
        }
        // The parts of a digest are mails without saying so.
        let place = if kind.pattern().as_usize() == 1 { Some(bytes) } else { block(bytes, at) };
        if place.is_none_or(|p| encoded.is_match(p)) {
            return true;
        }
    }
    false
}

/// What follows the field's name, where a line begins with it. White space within the name and colons before it are nothing
/// to mail-parser, so they are nothing here.
fn content_type(line: &[u8]) -> Option<&[u8]> {
    let mut name = CONTENT_TYPE.iter();
    for (at, octet) in line.iter().enumerate() {
        match octet {
            b'\n' => return None,
            b':' if name.len() == CONTENT_TYPE.len() => {}
            b':' => return if name.len() == 0 { line.get(at + 1..) } else { None },
            octet if octet.is_ascii_whitespace() => {}
            octet if name.next().is_some_and(|known| octet.eq_ignore_ascii_case(known)) => {}
            _ => return None,
        }
    }
    None
}

/// A type, without comments: up to its parameters, or the line end that no white space follows, or as far as is looked.
/// `None` where the type is behind that.
fn kind_in(value: &[u8]) -> Option<Vec<u8>> {
    let mut kind = Vec::new();
    let mut depth = 0_usize;
    let mut octets = value.iter().take(WINDOW).enumerate();
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'\n' if !matches!(value.get(at + 1), Some(b' ' | b'\t')) => return Some(kind),
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'\\' if depth > 0 => drop(octets.next()),
            b';' if depth == 0 => return Some(kind),
            octet if depth == 0 => kind.push(*octet),
            _ => {}
        }
    }
    let seen = kind.trim_ascii();
    let is_cut = seen.is_empty() || seen.ends_with(b"/") || seen.eq_ignore_ascii_case(b"multipart");
    (value.len() <= WINDOW || (depth == 0 && !is_cut)).then_some(kind)
}

/// The header block around `at`; `None` when its ends are too far away to be looked for.
fn block(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let low = at.saturating_sub(BLOCK);
    let high = bytes.len().min(at + BLOCK);
    let start = match memchr::memmem::rfind(bytes.get(low..at)?, b"\r\n\r\n") {
        Some(found) => low + found,
        None if low == 0 => 0,
        None => return None,
    };
    let end = match memchr::memmem::find(bytes.get(at..high)?, b"\r\n\r\n") {
        Some(found) => at + found,
        None if high == bytes.len() => high,
        None => return None,
    };
    bytes.get(start..end)
}

#[cfg(test)]
mod tests {
    use super::is_unsafe;
    use base64::Engine;

    #[test]
    fn what_nests_too_much_is_found_however_it_is_written() {
        let level = |header: &str| format!("{header}\r\n\r\n").repeat(2_000);
        for header in [
            "Content-Type: message/rfc822",
            "content-type:MESSAGE / rfc822",
            "Content-Type: message(x)/rfc822; x=y",
            "Content-Type:\r\n message/rfc822",
            "Content-Type: message/global",
            " Content-Type: message/rfc822",
            "Content -Type: message/rfc822",
            ":Content-Type: message/rfc822",
            "\rContent-Type\t: message/rfc822",
            "Content-Type: (;) message/rfc822",
            "Content-Type: (\\);) message/rfc822",
        ] {
            assert!(is_unsafe(level(header).as_bytes()), "{header}");
        }
        let (comment, spaces) = ("x".repeat(1_000), " ".repeat(1_000));
        for hidden in [
            format!("({comment}) message/rfc822"),
            format!("{spaces}message/rfc822"),
            format!("multipart{spaces}/digest"),
            format!("multipart/{spaces}digest"),
        ] {
            assert!(is_unsafe(level(&format!("Content-Type: {hidden}")).as_bytes()), "{hidden}");
        }
        let inner = base64::engine::general_purpose::STANDARD.encode(level("Content-Type: message/rfc822"));
        for header in [
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64",
            "Content-Transfer-Encoding: base64\r\nX: y\r\nContent-Type: message/rfc822",
        ] {
            assert!(is_unsafe(format!("{header}\r\n\r\n{inner}").as_bytes()), "{header}");
        }
    }

    #[test]
    fn ordinary_large_mails_are_parsed() {
        let text = "x".repeat(70) + "\r\n";
        let report = format!(
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
             report\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n{}--b--\r\n",
            text.repeat(1_000)
        );
        assert!(!is_unsafe(report.as_bytes()));
        let named =
            "Content-Type: application/pdf; name=\"message.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n";
        assert!(!is_unsafe(named.repeat(1_000).as_bytes()));
        let talk = format!("Content-Type: text/plain\r\n\r\n{}", "the part message/rfc822 of it\r\n".repeat(2_000));
        assert!(!is_unsafe(talk.as_bytes()));
        let long = format!("Content-Type: text/plain\r\n\r\nContent-Type: {}\r\n", "which one is it? ".repeat(2_000));
        assert!(!is_unsafe(long.as_bytes()));
    }
}
