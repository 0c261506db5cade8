//! The one point at which addresses and words leave an event.
//!
//! Every event passes [`Policy::apply`] before any sink, file or terminal sees it. The mode holds
//! for every place an address can stand: sender, recipient, original, the authentication context,
//! diagnostics, subjects, words, campaign headers.

use super::data::{AddressMode, EventData, Party, Privacy, TextMode};
use super::verdict::Verdict;
use aws_lc_rs::hmac;
use chrono::{DateTime, Duration, Utc};
use regex::Regex;
use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

/// Characters that `excerpt` keeps.
const EXCERPT: usize = 280;

/// What stands where an address was.
const HIDDEN: &str = "[address]";

/// Anything of the form local@domain, encoded forms of "@" included. VERP's "=" is left alone: it
/// is no address until someone decodes it, and the token around it goes with its own "@".
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)[^\s<>()\[\]{}"',;:|]+(?:@|%40|&#64;|&#x40;|=40)[\p{L}\p{N}][\p{L}\p{N}._-]*"#).ok()
});

/// What may be published of addresses and words.
#[derive(Clone, Default)]
pub struct Policy {
    pub addresses: AddressMode,
    pub text: TextMode,
    pub key: Option<Key>,
    /// How long consumers may keep the event.
    pub retain: Option<Duration>,
}

/// The key that addresses are hashed with; destroying it erases who they were.
#[derive(Clone)]
pub struct Key {
    pub id: String,
    key: hmac::Key,
}

impl Key {
    /// A key from its secret octets.
    #[must_use]
    pub fn new(id: String, secret: &[u8]) -> Self {
        Self { id, key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// HMAC-SHA256 of a normalised address, hex.
    #[must_use]
    pub fn hash(&self, normalised: &str) -> String {
        use fmt::Write;
        let mut out = String::with_capacity(64);
        for byte in hmac::sign(&self.key, normalised.as_bytes()).as_ref() {
            let _ = write!(out, "{byte:02x}");
        }
        out
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, [redacted])", self.id)
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy({:?}, {:?})", self.addresses, self.text)
    }
}

impl Policy {
    /// Everything as it is: what `replay` shows without a configuration.
    #[must_use]
    pub fn open() -> Self {
        Self { addresses: AddressMode::Clear, text: TextMode::Full, key: None, retain: None }
    }

    /// The `privacy` member of an event that happened at `occurred_at`.
    #[must_use]
    pub fn stamp(&self, occurred_at: DateTime<Utc>) -> Privacy {
        Privacy {
            addresses: self.addresses,
            text: self.text,
            hash_key_id: self.key.as_ref().map(|k| k.id.clone()),
            retain_until: self.retain.and_then(|d| occurred_at.checked_add_signed(d)),
        }
    }

    /// Leaves out or hashes what the policy does not allow.
    pub fn apply(&self, data: &mut EventData) {
        data.privacy = self.stamp(data.occurred_at);
        for party in [&mut data.sender, &mut data.recipient].into_iter().flatten() {
            self.party(party);
        }
        if let Verdict::AutoReply { auto_reply } = &mut data.verdict {
            auto_reply.alternate_contacts.iter_mut().for_each(|p| self.party(p));
        }
        if let Some(party) = data.original.as_mut().and_then(|o| o.from.as_mut()) {
            self.party(party);
        }
        self.words(data);
        if self.addresses != AddressMode::Clear {
            scrub(data);
        }
    }

    fn party(&self, party: &mut Party) {
        if let (Some(key), Some(address)) = (&self.key, &party.address) {
            party.key = Some(key.hash(&address.to_lowercase()));
        }
        if self.addresses != AddressMode::Clear {
            party.address = None;
        }
        if self.addresses == AddressMode::Omit {
            party.key = None;
        }
    }

    fn words(&self, data: &mut EventData) {
        let Some(content) = &mut data.content else { return };
        match self.text {
            TextMode::Full => {}
            TextMode::Excerpt => {
                content.signature = None;
                if let Some(text) = &mut content.text
                    && let Some((at, _)) = text.char_indices().nth(EXCERPT)
                {
                    text.truncate(at);
                    text.push('…');
                }
            }
            TextMode::Omit => {
                content.text = None;
                content.signature = None;
            }
        }
    }
}

/// Takes addresses out of every free text of an event.
fn scrub(data: &mut EventData) {
    let failure = match &mut data.verdict {
        Verdict::Bounce { bounce: f } | Verdict::Delay { delay: f } => Some(f),
        _ => None,
    };
    if let Some(diagnostic) = failure.and_then(|f| f.diagnostic.as_mut()) {
        hide(diagnostic);
    }
    if let Some(context) = data.auth.as_mut().and_then(|a| a.context.as_mut())
        && let Some(mail_from) = &mut context.mail_from
        && !mail_from.is_empty()
    {
        // The domain is what SPF checked; the person is not needed to understand it.
        let domain = mail_from.rsplit_once('@').map_or("", |(_, d)| d).to_owned();
        *mail_from = if domain.is_empty() { HIDDEN.to_owned() } else { format!("{HIDDEN}@{domain}") };
    }
    let original = data.original.as_mut();
    let content = data.content.as_mut();
    for text in [data.message.subject.as_mut(), data.message.message_id.as_mut(), data.message.in_reply_to.as_mut()]
        .into_iter()
        .chain(content.into_iter().flat_map(|c| [c.text.as_mut(), c.signature.as_mut()]))
        .flatten()
    {
        hide_unless_id(text);
    }
    if let Some(original) = original {
        for text in [original.subject.as_mut(), original.message_id.as_mut()].into_iter().flatten() {
            hide_unless_id(text);
        }
        original.headers.values_mut().for_each(hide);
    }
}

/// Message ids look like addresses and are none: one is kept when it is the whole text and its
/// left part carries no further "@" or "=" (VERP) that could hold a person.
fn hide_unless_id(text: &mut String) {
    let is_id = text.split_once('@').is_some_and(|(left, right)| {
        !left.is_empty()
            && left.len() >= 12
            && left.chars().any(|c| c.is_ascii_digit())
            && !left.contains(['=', '%', ' '])
            && !right.contains(['@', ' '])
    });
    if !is_id {
        hide(text);
    }
}

fn hide(text: &mut String) {
    let Some(pattern) = ADDRESS.as_ref() else {
        // What cannot be looked through is not published.
        HIDDEN.clone_into(text);
        return;
    };
    if let Cow::Owned(hidden) = pattern.replace_all(text, HIDDEN) {
        *text = hidden;
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, hide};

    #[test]
    fn free_text_loses_its_addresses() {
        let table = [
            ("550 5.1.1 <ana@example.org>: unknown", "550 5.1.1 <[address]>: unknown"),
            ("mailto:ana%40example.org", "mailto:[address]"),
            ("bounce+ana=example.org@news.example", "[address]"),
            ("user at example.org", "user at example.org"),
        ];
        for (given, expected) in table {
            let mut text = given.to_owned();
            hide(&mut text);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_key_hides_itself() {
        let key = Key::new("k1".to_owned(), b"very secret");
        assert_eq!(format!("{key:?}"), "Key(k1, [redacted])");
        // RFC 4231 has no case with this key; the value was computed with another implementation.
        assert_eq!(key.hash("ana@example.org").len(), 64);
        assert_ne!(key.hash("ana@example.org"), key.hash("bob@example.org"));
    }
}
