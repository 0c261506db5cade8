//! Whether a mail speaks of an address, anywhere in it.

use super::{Address, Mail};
use aho_corasick::AhoCorasick;

/// Looks for one address.
#[derive(Debug)]
pub struct Mentions {
    words: AhoCorasick,
}

impl Mentions {
    /// Looks for `address` in any letter case, also as VERP (`ana=example.org`) and percent-encoding write it.
    ///
    /// # Errors
    /// When the address is too long to look for.
    pub fn of(address: &Address) -> Result<Self, aho_corasick::BuildError> {
        let (local, domain) = (address.local(), address.domain());
        let words = ["@", "=", "%40", "=40"].map(|at| format!("{local}{at}{domain}"));
        Ok(Self { words: AhoCorasick::builder().ascii_case_insensitive(true).build(words)? })
    }

    /// Whether the mail has it: in its octets as they stand, or decoded.
    #[must_use]
    pub fn are_in(&self, mail: &Mail<'_>) -> bool {
        self.has(mail.raw())
            || self.has(mail.text().as_bytes())
            || mail.fields().any(|(_, value)| self.has(value.as_bytes()))
            || mail.parts().iter().any(|part| self.has(part.bytes()))
    }

    /// Whether it stands there as an address of its own, and not as a part of a longer one.
    fn has(&self, octets: &[u8]) -> bool {
        let before = |at: usize| at.checked_sub(1).and_then(|at| octets.get(at));
        self.words.find_iter(octets).any(|found| {
            let longer = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
            let starts = !before(found.start()).is_some_and(|octet| longer(octet) || *octet == b'.');
            // `+` and `=` in front belong to VERP: bounce+ana=example.org@…
            let after = octets.get(found.end()..).unwrap_or_default();
            let after = after.strip_prefix(b".").unwrap_or(after);
            starts && !after.first().is_some_and(longer)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Mail, Mentions};

    #[test]
    fn an_address_is_found_wherever_it_stands() {
        let mentions = Mentions::of(&Address::parse("Ana@Example.org").expect("an address")).expect("is short");
        let table = [
            ("From: Ana <ana@example.org>\r\n\r\n", true),
            ("To: ANA@EXAMPLE.ORG\r\n\r\n", true),
            ("Return-Path: <bounce+ana=example.org@news.example>\r\n\r\n", true),
            ("Subject: x\r\n\r\nFinal-Recipient: rfc822;ana@example.org\r\n", true),
            ("Subject: x\r\n\r\nWrite to ana@example.org.\r\n", true),
            ("Subject: x\r\n\r\nhttps://x.example/?to=ana%40example.org&a=b\r\n", true),
            ("Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\nV3JpdGUgdG8gYW5hQGV4YW1wbGUub3JnIQ==\r\n", true),
            (
                "Subject: x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nwrite to ana@exam=\r\nple.org now\r\n",
                true,
            ),
            ("Subject: x\r\nContent-Type: text/html\r\n\r\n<a href=\"mailto:ana@example.org\">me</a>\r\n", true),
            ("From: joana@example.org\r\n\r\n", false),
            ("From: j.ana@example.org\r\n\r\n", false),
            ("From: ana@example.org.evil.example\r\n\r\n", false),
            ("From: ana@example.organic\r\n\r\n", false),
            ("From: Ana <bob@example.org>\r\n\r\nana at example.org", false),
        ];
        for (mail, expected) in table {
            assert_eq!(mentions.are_in(&Mail::parse(mail.as_bytes())), expected, "{mail}");
        }
    }
}
