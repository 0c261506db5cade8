//! Signed tokens: HMAC-SHA-256 over the ids, shortened, in base32. schemas/token.md is the specification.

use super::pattern::{Name, Pattern, Raw};
use aws_lc_rs::{constant_time, hmac};
use data_encoding::BASE32_NOPAD;
use std::fmt;

/// Octets of the HMAC in a signature, where nothing else is said.
pub const TRUNCATE: usize = 10;
/// The fewest: 80 bits cannot be tried out by mail.
pub const MIN_TRUNCATE: usize = 10;
/// The most: all of them.
pub const MAX_TRUNCATE: usize = 32;
/// The shortest key.
pub const MIN_KEY: usize = 16;
/// What is signed begins with this line: a signature by the same key for another purpose is none of ours.
const VERSION: &str = "reply-ingest-token-1";
/// Octets of a local part (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL: usize = 64;

/// Signs and verifies.
pub struct Signer {
    keys: Vec<(String, hmac::Key)>,
    truncate: usize,
    context: String,
}

impl Signer {
    /// A signer; the first of `keys` (name and secret) signs, any of them verifies.
    #[must_use]
    pub fn new<'k>(keys: impl IntoIterator<Item = (&'k str, &'k [u8])>, truncate: usize, context: &str) -> Self {
        let keys = keys.into_iter().map(|(id, key)| (id.to_owned(), hmac::Key::new(hmac::HMAC_SHA256, key))).collect();
        Self { keys, truncate: truncate.clamp(MIN_TRUNCATE, MAX_TRUNCATE), context: context.to_owned() }
    }

    /// The id of the key that made the signature, if one did. Every key is tried, and each compared in constant time.
    #[must_use]
    pub fn verify(&self, raw: &Raw<'_>, signature: &str) -> Option<&str> {
        let text = self.text(raw);
        let given = signature.to_ascii_lowercase();
        let mut by = None;
        for (id, key) in &self.keys {
            let made = self.signature(key, &text);
            if constant_time::verify_slices_are_equal(made.as_bytes(), given.as_bytes()).is_ok() {
                by = by.or(Some(id.as_str()));
            }
        }
        by
    }

    /// The signature by the first key.
    #[must_use]
    pub fn sign(&self, raw: &Raw<'_>) -> Option<String> {
        let (_, key) = self.keys.first()?;
        Some(self.signature(key, &self.text(raw)))
    }

    fn signature(&self, key: &hmac::Key, text: &str) -> String {
        let tag = hmac::sign(key, text.as_bytes());
        let short = tag.as_ref().get(..self.truncate).unwrap_or_default();
        BASE32_NOPAD.encode(short).to_ascii_lowercase()
    }

    /// What is signed: a line for each id, so that no id can run into the next one. In lower case, because mail
    /// systems change the case of local parts.
    fn text(&self, raw: &Raw<'_>) -> String {
        let mut text = format!("{VERSION}\n{}\n", self.context);
        for name in Name::SIGNED {
            if let Some(value) = raw.get(name) {
                text.push_str(name.as_str());
                text.push('=');
                text.push_str(&value.to_ascii_lowercase());
                text.push('\n');
            }
        }
        text
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} keys)", self.keys.len())
    }
}

/// Why a token cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    #[error("there is no key: name a file that holds one")]
    NoKey,
    #[error("the pattern has no {{sig}}: put it where the signature is to stand")]
    NoSignature,
    #[error("the pattern asks for {{{0}}}: give it")]
    Missing(&'static str),
    #[error("the pattern has no {{{0}}}, so it would be lost: add it to the pattern, or leave it out")]
    Unused(&'static str),
    #[error(
        "read again, the token says something else: ids are lower-case letters, digits, - and _, without the sign that separates them in the pattern (or use {{NAME:base32}})"
    )]
    Unreadable,
    #[error("the part before the @ has {0} octets, and mail systems take 64: use shorter ids, or leave one out")]
    TooLong(usize),
}

/// Makes a token in the shape of `pattern`, and reads it again before it is given out.
///
/// # Errors
/// When the ids do not fit the pattern.
pub fn make(pattern: &Pattern, signer: &Signer, ids: &super::Captured) -> Result<String, TokenError> {
    if !pattern.has(Name::Sig) {
        return Err(TokenError::NoSignature);
    }
    for name in Name::SIGNED {
        match (pattern.has(name), ids.has(name)) {
            (true, false) => return Err(TokenError::Missing(name.as_str())),
            (false, true) => return Err(TokenError::Unused(name.as_str())),
            _ => {}
        }
    }
    let encoded = pattern.encode(ids).ok_or(TokenError::Unreadable)?;
    let raw = Raw(encoded.iter().map(|(name, value)| (*name, value.as_str())).collect());
    let signature = signer.sign(&raw).ok_or(TokenError::NoKey)?;
    let token = pattern.write(&raw, &signature);
    let again = pattern.read(&token, true).ok_or(TokenError::Unreadable)?;
    if again.captured != *ids {
        return Err(TokenError::Unreadable);
    }
    match token.rsplit_once('@') {
        Some((local, _)) if local.len() > MAX_LOCAL => Err(TokenError::TooLong(local.len())),
        _ => Ok(token),
    }
}

#[cfg(test)]
mod tests {
    use super::{Signer, TokenError, make};
    use crate::correlate::{Captured, Pattern};

    fn ids(campaign: &str, send: &str) -> Captured {
        Captured { campaign: Some(campaign.to_owned()), send: Some(send.to_owned()), ..Captured::default() }
    }

    #[test]
    fn any_key_verifies_and_the_first_signs() {
        let pattern = Pattern::new("r+{campaign}.{send}.{sig}@r.example").expect("compiles");
        let old = Signer::new([("old", b"an old key of length".as_slice())], 10, "");
        let both = Signer::new(
            [("new", b"a new key of length".as_slice()), ("old", b"an old key of length".as_slice())],
            10,
            "",
        );
        let token = make(&pattern, &old, &ids("c1", "s1")).expect("fits");
        let upper = token.to_uppercase();
        let read = pattern.read(&upper, true).expect("fits");
        let signature = read.signature.as_deref().unwrap_or_default();
        assert_eq!(both.verify(&read.raw, signature), Some("old"));
        assert_ne!(make(&pattern, &both, &ids("c1", "s1")).expect("fits"), token);
        let other = Signer::new([("old", b"an old key of length".as_slice())], 10, "bounces");
        assert_eq!(other.verify(&read.raw, signature), None, "another context");
    }

    #[test]
    fn what_would_be_misread_is_not_made() {
        let pattern = Pattern::new("r+{campaign}.{send}.{sig}@r.example").expect("compiles");
        let signer = Signer::new([("k", b"sixteen octets or more".as_slice())], 10, "");
        for (ids, expected) in [
            (ids("c.1", "s1"), TokenError::Unreadable),
            (ids("C1", "s1"), TokenError::Unreadable),
            (ids("c 1", "s1"), TokenError::Unreadable),
            (Captured { campaign: Some("c1".to_owned()), ..Captured::default() }, TokenError::Missing("send")),
            (Captured { step: Some(1), ..ids("c1", "s1") }, TokenError::Unused("step")),
            (ids(&"c".repeat(60), "s1"), TokenError::TooLong(82)),
        ] {
            assert_eq!(make(&pattern, &signer, &ids), Err(expected), "{ids:?}");
        }
    }
}
