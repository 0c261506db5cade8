//! Tag lists (RFC 6376 section 3.2): what DKIM and ARC headers, keys and DMARC records are made of.
//!
//! Stricter than mail-auth, which skips what it cannot read: a list with a doubled tag or with
//! something that is no tag is not valid as a whole, and says so.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mail_auth::common::crypto::Algorithm;
use mail_auth::common::to_a_label;
use mail_auth::dkim::Canonicalization;

/// More tags than any specification has names for.
const MAX_TAGS: usize = 64;
/// Header names in one h=; the longest lists seen in mails have about fifty.
const MAX_NAMES: usize = 250;

/// Signers differ in whether they pad, and the last bits of a value carry nothing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The tags of a list, in their order.
pub struct Tags<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Tags<'a> {
    /// Reads a whole list; the reason why it is not valid in a few words.
    pub fn parse(text: &'a [u8]) -> Result<Self, &'static str> {
        Self::read(text, false)
    }

    /// Reads a list in which semicolons may be doubled, as records typed by hand have them.
    pub fn parse_record(text: &'a [u8]) -> Result<Self, &'static str> {
        Self::read(text, true)
    }

    fn read(text: &'a [u8], gaps: bool) -> Result<Self, &'static str> {
        let text = trim(std::str::from_utf8(text).map_err(|_| "the tags are not UTF-8")?);
        let text = text.strip_suffix(';').unwrap_or(text);
        let mut tags: Vec<(&str, &str)> = Vec::new();
        for spec in text.split(';') {
            if gaps && trim(spec).is_empty() {
                continue;
            }
            let (name, value) = spec.split_once('=').ok_or("something stands there that is no tag")?;
            let name = trim(name);
            if !name.starts_with(|c: char| c.is_ascii_alphabetic())
                || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            {
                return Err("something stands there that is no tag");
            }
            if tags.iter().any(|(n, _)| *n == name) {
                return Err("a tag stands there twice");
            }
            if tags.len() == MAX_TAGS {
                return Err("there are too many tags");
            }
            tags.push((name, trim(value)));
        }
        Ok(Self(tags))
    }

    /// A tag's value without the white space around it. Names are case-sensitive.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }

    /// The first tag.
    pub fn first(&self) -> Option<(&'a str, &'a str)> {
        self.0.first().copied()
    }
}

/// What folding may put around a value.
const fn is_fold(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn trim(text: &str) -> &str {
    text.trim_matches(is_fold)
}

/// A number of at most twelve digits (RFC 6376 section 3.5, t= and x=); l= may have more, which no
/// body fills.
pub fn number(value: &str) -> Option<u64> {
    (!value.is_empty() && value.len() <= 76 && value.bytes().all(|b| b.is_ascii_digit()))
        .then(|| value.parse().unwrap_or(u64::MAX))
}

/// Base64 with any folding in it; never empty.
pub fn base64(value: &str) -> Option<Vec<u8>> {
    let packed: String = value.chars().filter(|c| !is_fold(*c)).collect();
    BASE64.decode(packed).ok().filter(|bytes| !bytes.is_empty())
}

/// A domain name as DNS has it: lower case, internationalized labels as A-labels (RFC 8616
/// section 5).
pub fn domain(value: &str) -> Option<String> {
    let name = to_a_label(value);
    let label = |l: &str| {
        !l.is_empty() && l.len() <= 63 && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    (name.len() <= 253 && name.split('.').all(label)).then(|| name.to_ascii_lowercase())
}

/// Whether `name` is `parent` or below it; both as [`domain`] gives them.
pub fn is_within(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|head| head.is_empty() || head.ends_with('.'))
}

/// a=; `None` for one that nobody has defined.
pub fn algorithm(value: &str) -> Option<Algorithm> {
    let known = [
        ("rsa-sha256", Algorithm::RsaSha256),
        ("ed25519-sha256", Algorithm::Ed25519Sha256),
        ("rsa-sha1", Algorithm::RsaSha1),
    ];
    known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(value)).map(|(_, algorithm)| algorithm)
}

/// c=: header and body; what is not said is "simple".
pub fn canonicalization(value: Option<&str>) -> Option<(Canonicalization, Canonicalization)> {
    let one = |text: &str| {
        let known = [("simple", Canonicalization::Simple), ("relaxed", Canonicalization::Relaxed)];
        known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, c)| c)
    };
    let (header, body) = match value {
        None => ("simple", "simple"),
        Some(value) => value.split_once('/').unwrap_or((value, "simple")),
    };
    Some((one(header)?, one(body)?))
}

/// h=: the header names, empty ones left out as they can name no field.
pub fn names(value: &str) -> Option<Vec<String>> {
    let names: Vec<String> =
        value.split(':').map(trim).filter(|n| !n.is_empty()).take(MAX_NAMES + 1).map(str::to_owned).collect();
    let fits = names.len() <= MAX_NAMES && names.iter().all(|n| n.bytes().all(|b| b.is_ascii_graphic()));
    fits.then_some(names)
}

/// The words of a list such as `sha1:sha256`.
pub fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split(':').map(trim)
}

#[cfg(test)]
mod tests {
    use super::{Tags, domain, is_within, number};

    #[test]
    fn lists() {
        for (text, want) in [
            ("a=b", Ok(())),
            (" a = b ;\r\n\tc=d e;\r\n", Ok(())),
            ("a=;b==", Ok(())),
            ("a=b;;c=d", Err("something stands there that is no tag")),
            ("a=b; ;", Err("something stands there that is no tag")),
            ("a=b; ==", Err("something stands there that is no tag")),
            ("a=b; 1c=d", Err("something stands there that is no tag")),
            ("", Err("something stands there that is no tag")),
            ("a=b; a=c", Err("a tag stands there twice")),
            ("a=b; A=c", Ok(())),
        ] {
            assert_eq!(Tags::parse(text.as_bytes()).map(|_| ()), want, "{text:?}");
        }
        assert!(Tags::parse_record(b"v=DKIM1;; p=").is_ok());
        assert!(Tags::parse(b"a=\xff").is_err());
    }

    #[test]
    fn values() {
        assert_eq!(number("012"), Some(12));
        assert_eq!(number(&"9".repeat(70)), Some(u64::MAX));
        for text in ["", "1 2", "-1", "icecream", "+1"] {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!(domain("Example.ORG").as_deref(), Some("example.org"));
        assert_eq!(domain("b\u{fc}cher.example").as_deref(), Some("xn--bcher-kva.example"));
        for text in ["", "example...", ".example", "***", "a b.example", "example.org."] {
            assert_eq!(domain(text), None, "{text}");
        }
        assert!(is_within("a.example.org", "example.org") && is_within("example.org", "example.org"));
        assert!(!is_within("badexample.org", "example.org"));
    }
}
