//! Where a mail lies: a name made of its mailbox and its digest, and of nothing else.

use crate::message::Digest;
use std::fmt;

/// What the name of a mail ends with.
const MAIL: &str = ".eml.zst";

/// The name of one mail. It is what events carry as `archive_ref`: below the archive's own place, so that an archive
/// may be moved.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    pub mailbox: String,
    pub digest: Digest,
}

impl Reference {
    /// The name of a mailbox's mail.
    #[must_use]
    pub fn new(mailbox: &str, digest: Digest) -> Self {
        Self { mailbox: mailbox.to_owned(), digest }
    }

    /// Reads what `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (folder, file) = text.rsplit_once('/')?;
        let (mailbox, shard) = folder.split_once('/')?;
        let digest = Digest::parse(file.strip_suffix(MAIL)?)?;
        let own = Self::new(mailbox, digest);
        (own.to_string() == text && shard.len() == 2).then_some(own)
    }

    /// The name of the DNS answers beside it, as [`crate::auth::dns::RecordStore`] names them: `--dns-record` reads an
    /// archive's folder too.
    #[must_use]
    pub fn answers(&self) -> String {
        format!("{}/{}.json", self.folder(), self.digest)
    }

    /// Two digits of the digest make a folder: a million files in one are slow to list.
    fn folder(&self) -> String {
        let [first, ..] = self.digest.0;
        format!("{}/{first:02x}", self.mailbox)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{MAIL}", self.folder(), self.digest)
    }
}

/// The fewest digits of a digest that name a mail.
const FEWEST: usize = 8;

/// The digits that a digest begins with, or all of them: so people name a mail, as they saw it in an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestPrefix(String);

impl DigestPrefix {
    /// Eight hexadecimal digits or more.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_one = (FEWEST..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        is_one.then(|| Self(text.to_ascii_lowercase()))
    }

    /// Whether the digest begins so.
    #[must_use]
    pub fn begins(&self, digest: &Digest) -> bool {
        digest.to_string().starts_with(&self.0)
    }

    /// The digest's first octet.
    #[must_use]
    pub fn first(&self) -> u8 {
        self.0.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or_default()
    }
}

impl From<Digest> for DigestPrefix {
    fn from(digest: Digest) -> Self {
        Self(digest.to_string())
    }
}

impl fmt::Display for DigestPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, DigestPrefix, Reference};

    #[test]
    fn eight_digits_or_more_name_a_digest() {
        let digest = Digest::of(b"x");
        let whole = digest.to_string();
        for (given, begins) in [
            (whole.as_str(), Some(true)),
            ("2d711642", Some(true)),
            ("2D711642B726", Some(true)),
            ("2d711643", Some(false)),
            ("2d71164", None),
            ("d711642", None),
            ("2d71164x", None),
            (&format!("{whole}0"), None),
            ("", None),
        ] {
            let prefix = DigestPrefix::parse(given);
            assert_eq!(prefix.as_ref().map(|p| p.begins(&digest)), begins, "{given}");
            assert!(prefix.is_none_or(|p| p.first() == 0x2d));
        }
        assert!(DigestPrefix::from(digest).begins(&digest));
    }

    #[test]
    fn a_name_says_mailbox_and_digest_and_is_read_back() {
        let reference = Reference::new("replies", Digest::of(b"x"));
        let text = "replies/2d/2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881.eml.zst";
        assert_eq!(reference.to_string(), text);
        assert_eq!(Reference::parse(text), Some(reference.clone()));
        assert_eq!(reference.answers(), text.replace(".eml.zst", ".json"));
        for other in [
            &text.replace("/2d/", "/2e/"),
            &text.replace(".eml.zst", ".json"),
            &text.replace("2d711", "2D711"),
            &text.replace("replies/", ""),
            &format!("{text}#1"),
            "",
        ] {
            assert_eq!(Reference::parse(other), None, "{other}");
        }
    }
}
