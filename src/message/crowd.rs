//! Mails of very many parts.
//!
//! mail-parser keeps about a kilobyte for each part, and five octets make one: 15 MB could become hundreds of thousands.
//! They are counted beforehand, and of a mail that has too many only the header is read.

use aho_corasick::AhoCorasick;
use memchr::memmem;
use std::collections::HashSet;
use std::sync::LazyLock;

/// More parts than any mail in the field has; they take about 20 MB.
const MAX_PARTS: usize = 20_000;
/// Different boundaries; each belongs to a multipart of its own.
const MAX_BOUNDARIES: usize = 200;
/// Octets of a boundary, at most (RFC 2046 section 5.1.1).
const LONGEST: usize = 70;

static DASHES: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("--"));
static BOUNDARY: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().ascii_case_insensitive(true).build(["boundary"]).ok());

/// Whether parsing a mail would make too many parts.
pub fn has_too_many_parts(bytes: &[u8]) -> bool {
    // Each part begins behind two hyphens; nearly every mail has fewer of them.
    if bytes.len() < 2 * MAX_PARTS || DASHES.find_iter(bytes).nth(MAX_PARTS).is_none() {
        return false;
    }
    let Some(delimiters) = delimiters(bytes) else { return true };
    if delimiters.is_empty() {
        return false;
    }
    AhoCorasick::new(delimiters).map_or(true, |any| any.find_iter(bytes).nth(MAX_PARTS).is_some())
}

/// What may stand before a part: two hyphens and a boundary, or as much of it as is certain. `None` when there are too
/// many, or one is written in a way that only a parser can read.
fn delimiters(bytes: &[u8]) -> Option<HashSet<Vec<u8>>> {
    let mut delimiters = HashSet::new();
    for found in BOUNDARY.as_ref()?.find_iter(bytes) {
        let rest = bytes.get(found.end()..)?.trim_ascii_start();
        // In pieces or encoded (RFC 2231): no program writes a boundary so.
        if rest.starts_with(b"*") {
            return None;
        }
        let Some(value) = rest.strip_prefix(b"=") else { continue };
        let value = value.trim_ascii_start();
        let value = value.strip_prefix(b"\"").unwrap_or(value);
        let end = value.iter().take(LONGEST).take_while(|octet| !b"\" \t\r\n;\\()".contains(octet)).count();
        let certain = value.get(..end)?;
        match value.get(end) {
            // Quoted pairs and comments begin here, and nothing is certain before them.
            Some(b'\\' | b'(') if certain.is_empty() => return None,
            _ if certain.is_empty() => continue,
            _ => {}
        }
        if certain.starts_with(b"=?") {
            return None;
        }
        delimiters.insert([b"--", certain].concat());
        if delimiters.len() > MAX_BOUNDARIES {
            return None;
        }
    }
    Some(delimiters)
}

#[cfg(test)]
mod tests {
    use super::has_too_many_parts;
    use mail_parser::MessageParser;

    fn mail(boundary: &str, delimiter: &str, count: usize) -> Vec<u8> {
        format!(
            "Content-Type: multipart/mixed; {boundary}\r\n\r\n{}",
            format!("{delimiter}\r\n\r\nx\r\n").repeat(count)
        )
        .into_bytes()
    }

    #[test]
    fn too_many_parts_are_found_however_the_boundary_is_written() {
        for (boundary, delimiter) in [
            ("boundary=b", "--b"),
            ("Boundary=\"b\"", "--b"),
            ("boundary =\r\n \"b c\"", "--b c"),
            ("boundary=\"b\\c\"", "--bc"),
            ("boundary=\"\\bc\"", "--bc"),
            ("boundary=----", "------"),
            ("boundary*=us-ascii''b", "--b"),
            ("boundary*0=b; boundary*1=c", "--bc"),
            ("boundary=b", "x--b"),
            ("boundary=(a comment)b", "--b"),
        ] {
            let mail = mail(boundary, delimiter, 30_000);
            assert!(has_too_many_parts(&mail), "{boundary}");
        }
        let inner: String = (0..300).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n")).collect();
        assert!(has_too_many_parts(format!("{inner}{}", "--b1 --b2\r\n".repeat(30_000)).as_bytes()));
    }

    #[test]
    fn what_has_fewer_is_parsed() {
        let parts = mail("boundary=b", "--b", 10_000);
        assert!(!has_too_many_parts(&parts));
        assert_eq!(MessageParser::default().parse(&parts).map(|m| m.parts.len()), Some(10_001));
        // Rulings, signatures and patches are no parts.
        for line in ["----------------\r\n", "-- \r\n", "--- a/src/main.rs\r\n", "<!-- -->\r\n"] {
            let text = "Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\n\r\n";
            assert!(!has_too_many_parts(format!("{text}{}--=_b--\r\n", line.repeat(50_000)).as_bytes()), "{line}");
            assert!(!has_too_many_parts(line.repeat(50_000).as_bytes()), "{line}");
        }
    }
}
