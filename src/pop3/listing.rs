//! What a mailbox holds: LIST and UIDL, read as generously as servers write them.

use super::codec::Body;
use std::collections::BTreeMap;

/// A longer id than this is no id: it would stand in every event. RFC 1939 section 7 allows 70 octets.
const MAX_ID: usize = 512;

/// One mail in the mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The number in this session.
    pub number: u32,
    /// The unique id; `None` where the server has no UIDL, or none for this mail.
    pub uidl: Option<String>,
    /// What LIST says; a hint only, servers are wrong by some per cent, or altogether.
    pub size: u64,
}

/// The mails of both lists, by number. A mail that only one of them has is there all the same: a list that
/// leaves one out must not hide it. Of a number that comes twice the first counts.
#[must_use]
pub fn listing(list: Option<&Body>, uidl: Option<&Body>) -> Vec<Listed> {
    let mut mails: BTreeMap<u32, Listed> = BTreeMap::new();
    for (number, size) in list.into_iter().flat_map(Body::lines).filter_map(pair) {
        // More may stand behind the size (RFC 1939 section 5, LIST).
        let size = size.split_whitespace().next().and_then(|s| s.parse().ok()).unwrap_or(0);
        mails.entry(number).or_insert(Listed { number, uidl: None, size });
    }
    for (number, id) in uidl.into_iter().flat_map(Body::lines).filter_map(pair) {
        let mail = mails.entry(number).or_insert(Listed { number, uidl: None, size: 0 });
        if mail.uidl.is_none() && id.len() <= MAX_ID {
            mail.uidl = Some(id);
        }
    }
    mails.into_values().collect()
}

/// `number value`, with any white space between and around them (some servers send several spaces). Ids of more
/// than 70 octets and of any characters are taken as they are; RFC 1939 section 7 would have it otherwise.
fn pair(line: &[u8]) -> Option<(u32, String)> {
    let line = String::from_utf8_lossy(line);
    let (number, value) = line.trim().split_once([' ', '\t'])?;
    let (number, value) = (number.parse().ok()?, value.trim());
    (number > 0 && !value.is_empty()).then(|| (number, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Body, Listed, listing};

    fn body(text: &str) -> Body {
        Body::Whole(text.replace('\n', "\r\n").into_bytes())
    }

    fn mail(number: u32, uidl: Option<&str>, size: u64) -> Listed {
        Listed { number, uidl: uidl.map(str::to_owned), size }
    }

    #[test]
    fn lists_of_strict_and_of_sloppy_servers() {
        let long = "x".repeat(200);
        let table = [
            ("1 10\n2 20\n", "1 a\n2 b\n", vec![mail(1, Some("a"), 10), mail(2, Some("b"), 20)]),
            // Several spaces, a tab, white space at the end, more behind the size.
            ("1   10 new\n 2\t20 \n", "1   a\n2\tb \n", vec![mail(1, Some("a"), 10), mail(2, Some("b"), 20)]),
            // An id with a space, one that is too long, one that is no ASCII.
            ("1 1\n2 2\n", &format!("1 a b\n2 {long}\n"), vec![mail(1, Some("a b"), 1), mail(2, Some(&long), 2)]),
            ("1 1\n", "1 \u{e4}\n", vec![mail(1, Some("\u{e4}"), 1)]),
            // A mail without an id, one without a size, and both lists in another order.
            ("3 30\n1 10\n", "2 b\n1 a\n", vec![mail(1, Some("a"), 10), mail(2, Some("b"), 0), mail(3, None, 30)]),
            // A number twice, and what is no number.
            ("1 10\n1 11\n0 5\nx 7\n-1 3\n", "1 a\n1 b\n", vec![mail(1, Some("a"), 10)]),
            // An id beyond all bounds.
            ("1 1\n", &format!("1 {}\n", "x".repeat(513)), vec![mail(1, None, 1)]),
            // No sizes that can be read: a negative one, one beyond all bounds.
            ("1 -5\n2 99999999999999999999\n", "", vec![mail(1, None, 0), mail(2, None, 0)]),
        ];
        for (list, uidl, expected) in table {
            assert_eq!(listing(Some(&body(list)), Some(&body(uidl))), expected, "{list:?} {uidl:?}");
        }
        assert_eq!(listing(None, None), []);
    }
}
