//! Mails of very many parts, and those that only seem to have them.
//!
//! mail-parser keeps about a kilobyte for each part, and five octets make one: 15 MB could become hundreds of thousands.
//! And for each multipart whose delimiter never comes it reads the mail to its end. Both are counted beforehand, and of a
//! mail that has too many of either only the header is read.

use aho_corasick::AhoCorasick;
use memchr::memmem;
use std::collections::HashMap;
use std::sync::LazyLock;

/// More parts than any mail in the field has; they take about 20 MB.
const MAX_PARTS: usize = 20_000;
/// Octets that may be read in vain: a tenth of a second.
const MAX_IN_VAIN: usize = 1 << 27;
/// Different boundaries; each belongs to a multipart of its own.
const MAX_BOUNDARIES: usize = 200;
/// Octets of a boundary, at most (RFC 2046 section 5.1.1).
const LONGEST: usize = 70;

static DASHES: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("--"));
static BOUNDARY: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().ascii_case_insensitive(true).build(["boundary"]).ok());

/// Whether parsing a mail would make too many parts, or read too much in vain.
pub fn is_crowded(bytes: &[u8]) -> bool {
    if bytes.len() < 2 * MAX_PARTS {
        return false;
    }
    let Some(boundary) = &*BOUNDARY else { return true };
    // Each part begins behind two hyphens, and each multipart names its boundary; nearly every mail has few of both.
    let few_parts = DASHES.find_iter(bytes).nth(MAX_PARTS).is_none();
    if few_parts && boundary.find_iter(bytes).nth(MAX_IN_VAIN / bytes.len()).is_none() {
        return false;
    }
    Multiparts::of(bytes, boundary).is_none_or(|multiparts| multiparts.are_too_many(bytes))
}

/// What names a boundary.
struct Multiparts {
    /// What stands before each part, two hyphens and the boundary, or as much of it as is certain.
    delimiters: Vec<Vec<u8>>,
    /// Where a boundary was named, and which; none where only its beginning is certain.
    named: Vec<(usize, Option<usize>)>,
}

impl Multiparts {
    /// `None` when there are too many boundaries, or one is written in a way that only a parser can read.
    fn of(bytes: &[u8], boundary: &AhoCorasick) -> Option<Self> {
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut named = Vec::new();
        for found in boundary.find_iter(bytes) {
            let space = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\r' | b'\n');
            // What may stand between a name and its value, to mail-parser.
            let rest = bytes.get(found.end()..)?;
            let rest = rest.get(rest.iter().take_while(|o| space(o) || matches!(o, b'"' | b'\\')).count()..)?;
            // In pieces or encoded (RFC 2231): no program writes a boundary so.
            if matches!(rest, [b'*', b'=' | b'0'..=b'9', ..]) {
                return None;
            }
            let Some(value) = rest.strip_prefix(b"=") else { continue };
            let value = value.get(value.iter().take_while(|o| space(o)).count()..)?;
            let (quoted, value) = value.strip_prefix(b"\"").map_or((false, value), |value| (true, value));
            let plain = |octet: &u8| octet.is_ascii_graphic() && !b"\"\\;()".contains(octet);
            let length = value.iter().take(LONGEST).take_while(|octet| plain(octet)).count();
            let certain = value.get(..length).filter(|certain| !certain.is_empty() && !certain.starts_with(b"=?"))?;
            let ends = match value.get(length) {
                Some(b'"') => quoted,
                Some(b';' | b'\r' | b'\n' | b' ' | b'\t') => !quoted,
                _ => false,
            };
            let next = places.len();
            let place = *places.entry([b"--", certain].concat()).or_insert(next);
            named.push((found.start(), ends.then_some(place)));
            if places.len() > MAX_BOUNDARIES {
                return None;
            }
        }
        let mut delimiters = vec![Vec::new(); places.len()];
        for (delimiter, place) in places {
            *delimiters.get_mut(place)? = delimiter;
        }
        Some(Self { delimiters, named })
    }

    fn are_too_many(&self, bytes: &[u8]) -> bool {
        let Ok(any) = AhoCorasick::new(&self.delimiters) else { return true };
        // Where each stands last.
        let mut last = vec![0; self.delimiters.len()];
        let mut parts = 0;
        for found in any.find_overlapping_iter(bytes) {
            parts += 1;
            if parts > MAX_PARTS {
                return true;
            }
            if let Some(last) = last.get_mut(found.pattern().as_usize()) {
                *last = found.start();
            }
        }
        let comes = |at: usize, place: Option<usize>| place.and_then(|p| last.get(p)).is_some_and(|last| *last > at);
        let in_vain = self.named.iter().filter(|(at, place)| !comes(*at, *place));
        in_vain.map(|(at, _)| bytes.len().saturating_sub(*at)).sum::<usize>() > MAX_IN_VAIN
    }
}

#[cfg(test)]
mod tests {
    use super::is_crowded;
    use mail_parser::MessageParser;

    fn mail(boundary: &str, delimiter: &str, count: usize) -> Vec<u8> {
        let parts = format!("{delimiter}\r\n\r\nx\r\n").repeat(count);
        format!("Content-Type: multipart/mixed; {boundary}\r\n\r\n{parts}").into_bytes()
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
            ("\"boundary\"=b", "--b"),
            ("boundary\\=b", "--b"),
            ("boundary=)b", "--)b"),
            ("boundary=\")b\"", "--)b"),
            ("boundary=\";b\"", "--;b"),
            ("boundary=\" b\"", "-- b"),
            ("boundary=\"\r\n b\"", "-- b"),
            ("boundary=\u{c}b", "--\u{c}b"),
            ("boundary=é", "--é"),
        ] {
            let mail = mail(boundary, delimiter, 30_000);
            assert!(is_crowded(&mail), "{boundary}");
        }
        let inner: Vec<_> = (0..300).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n")).collect();
        assert!(is_crowded(format!("{}{}", inner.concat(), "--b1 --b2\r\n".repeat(30_000)).as_bytes()));
    }

    #[test]
    fn multiparts_without_their_parts_are_found() {
        for boundary in ["z", "\"z\"", "\"z z\"", "\"b\\c\""] {
            let part = format!("--b\r\nContent-Type: multipart/x; boundary={boundary}\r\n\r\n");
            let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
            let mail =
                |parts: usize| format!("{head}{}--b\r\n\r\n{}", part.repeat(parts), "filler\r\n".repeat(500_000));
            assert!(is_crowded(mail(2_000).as_bytes()), "{boundary}");
            assert!(!is_crowded(mail(2).as_bytes()), "{boundary}");
        }
    }

    #[test]
    fn what_has_fewer_is_parsed() {
        let parts = mail("boundary=b", "--b", 10_000);
        assert!(!is_crowded(&parts));
        assert_eq!(MessageParser::default().parse(&parts).map(|m| m.parts.len()), Some(10_001));
        // Many multiparts, each with its parts, and a long text.
        let inner: Vec<_> = (0..100)
            .map(|n| format!("--b\r\nContent-Type: multipart/x; boundary=c{n};\r\n\r\n--c{n}\r\n\r\nx\r\n--c{n}--\r\n"))
            .collect();
        let many = [mail("boundary=b", "--b", 1), inner.concat().into_bytes(), b"text\r\n".repeat(2_000_000)].concat();
        assert!(!is_crowded(&many));
        // Rulings, signatures and patches are no parts.
        for line in
            ["----------------\r\n", "-- \r\n", "--- a/src/main.rs\r\n", "<!-- -->\r\n", "int *boundary *p--\r\n"]
        {
            let text = "Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\n\r\n";
            assert!(!is_crowded(format!("{text}{}--=_b--\r\n", line.repeat(50_000)).as_bytes()), "{line}");
            assert!(!is_crowded(line.repeat(50_000).as_bytes()), "{line}");
        }
    }
}
