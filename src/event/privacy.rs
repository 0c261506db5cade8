//! The one point at which addresses and words leave an event.
//!
//! Every event passes [`Policy::apply`] before any sink, file or terminal sees it. The mode holds
//! for every place an address can stand: sender, recipient, original, the authentication context,
//! diagnostics, subjects, words, campaign headers.

use super::data::{AddressMode, EventData, Party, Privacy, SubjectMode, TextMode};
use super::verdict::Verdict;
use crate::message::Address;
use aws_lc_rs::hmac;
use chrono::{DateTime, Duration, Utc};
use regex::Regex;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

/// Characters that `excerpt` keeps.
const EXCERPT: usize = 280;

/// What stands where an address was.
const HIDDEN: &str = "[address]";

/// Anything that reads as an address: local@domain with encoded forms of "@", quoted local parts,
/// address literals, white space around the "@", VERP's local=domain, and a signed token whose domain was cut off.
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let local = r#"(?:"[^"\r\n]{1,128}"|[^\s<>()\[\]{}"',;:|]+)"#;
    let at = r"(?:@|%40|&#64;|&#x40;|=40)";
    let domain = r"(?:\[[^\]\s]{1,64}\]|[\p{L}\p{N}][\p{L}\p{N}._-]*)";
    let verp = r#"[^\s<>()\[\]{}"',;:|=]+=[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.\p{L}{2,24}"#;
    let spaced = r#"[^\s<>()\[\]{}"',;:|]+\s{1,3}@\s{1,3}[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+"#;
    // Whoever has it can write in a person's name. A signature has at least ten octets (`correlate::token`).
    let token = r#"[^\s<>()\[\]{}"',;:|@+]+\+[^\s<>()\[\]{}"',;:|@]*[a-z2-7]{16}"#;
    Regex::new(&format!("(?i){local}{at}{domain}|{verp}|{spaced}|{token}")).ok()
});

/// What may be published of addresses and words.
#[derive(Clone, Default)]
pub struct Policy {
    pub addresses: AddressMode,
    pub text: TextMode,
    /// By default subjects are treated as addresses are.
    pub subject: Option<SubjectMode>,
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
        Self { addresses: AddressMode::Clear, text: TextMode::Full, ..Self::default() }
    }

    /// What happens to subjects. Where addresses are withheld, so are those that stand there.
    #[must_use]
    pub fn subject(&self) -> SubjectMode {
        match (self.subject, self.addresses) {
            (Some(SubjectMode::Omit), _) => SubjectMode::Omit,
            (None | Some(SubjectMode::Keep), AddressMode::Clear) => SubjectMode::Keep,
            _ => SubjectMode::Scrub,
        }
    }

    /// Whether everything is published as it is.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.addresses == AddressMode::Clear && self.text == TextMode::Full && self.subject() == SubjectMode::Keep
    }

    /// The `privacy` member of an event that happened at `occurred_at`.
    #[must_use]
    pub fn stamp(&self, occurred_at: DateTime<Utc>) -> Privacy {
        Privacy {
            addresses: self.addresses,
            text: self.text,
            subject: Some(self.subject()),
            hash_key_id: self.key.as_ref().map(|k| k.id.clone()),
            retain_until: self.retain.and_then(|d| occurred_at.checked_add_signed(d)),
        }
    }

    /// Leaves out or hashes what the policy does not allow.
    pub fn apply(&self, data: &mut EventData) {
        // Counted from when the mail was received, where that is known: what a report says of its time is a stranger's.
        let retain_until = data.privacy.retain_until;
        data.privacy = self.stamp(data.occurred_at);
        data.privacy.retain_until = retain_until.or(data.privacy.retain_until);
        let withheld = self.addresses != AddressMode::Clear || self.subject() == SubjectMode::Scrub;
        let people = if withheld { people(data) } else { Vec::new() };
        for subject in subjects(data) {
            match (self.subject(), subject.as_mut()) {
                (SubjectMode::Omit, _) => *subject = None,
                (SubjectMode::Scrub, Some(text)) => {
                    hide_people(text, &people);
                    hide(text);
                }
                (SubjectMode::Keep, _) | (SubjectMode::Scrub, None) => {}
            }
        }
        if self.addresses != AddressMode::Clear {
            for id in ids(data) {
                self.recipient_id(id);
            }
            for text in free_texts(data) {
                hide_people(text, &people);
            }
            for id in message_ids(data) {
                if id.as_deref().is_some_and(|id| people.iter().any(|name| id.to_ascii_lowercase().contains(name))) {
                    *id = None;
                }
            }
        }
        for party in [&mut data.sender, &mut data.recipient].into_iter().flatten() {
            self.party(party);
        }
        if let Verdict::AutoReply { auto_reply } = &mut data.verdict {
            auto_reply.alternate_contacts.iter_mut().for_each(|p| self.party(p));
        }
        if let Some(party) = data.original.as_mut().and_then(|o| o.from.as_mut()) {
            self.party(party);
        }
        // Scrubbed before it is shortened: half an address is still a name.
        if self.addresses != AddressMode::Clear {
            scrub(data);
        }
        self.words(data);
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

    /// A sender's id of a recipient that is the address itself, as VERP's is.
    fn recipient_id(&self, id: &mut Option<String>) {
        if let Some(address) = id.as_deref().and_then(Address::parse) {
            let hashed = self.key.as_ref().filter(|_| self.addresses == AddressMode::Hmac);
            *id = hashed.map(|key| key.hash(&address.normalised()));
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
                // People say in a file's name what is in it.
                content.attachments.iter_mut().for_each(|a| a.name = None);
            }
        }
    }
}

/// The local parts that are a person's: servers write them alone (`ana... User unknown`), and the domain stands beside
/// them in the event. Those of functions name nobody, and short ones would be found in every text.
fn people(data: &EventData) -> Vec<String> {
    let contacts = match &data.verdict {
        Verdict::AutoReply { auto_reply } => auto_reply.alternate_contacts.as_slice(),
        _ => &[],
    };
    let parties = [&data.sender, &data.recipient].into_iter().flatten().chain(contacts);
    let persons = parties.filter(|p| p.role_account != Some(true));
    let locals = persons.filter_map(|p| p.address.as_deref()?.rsplit_once('@').map(|(local, _)| local));
    locals.map(str::to_ascii_lowercase).filter(|local| local.len() >= 3).collect()
}

fn subjects(data: &mut EventData) -> impl Iterator<Item = &mut Option<String>> {
    let original = data.original.as_mut().map(|o| &mut o.subject);
    [&mut data.message.subject].into_iter().chain(original)
}

/// What servers and senders wrote for people to read, the subjects and the words of the person aside.
fn free_texts(data: &mut EventData) -> Vec<&mut String> {
    let failure = match &mut data.verdict {
        Verdict::Bounce { bounce: failure } | Verdict::Delay { delay: failure } => Some(failure),
        _ => None,
    };
    let said = failure.into_iter().flat_map(|f| [&mut f.diagnostic, &mut f.smtp_command]);
    let headers = data.original.as_mut().into_iter().flat_map(|o| o.headers.values_mut());
    said.flatten().chain(headers).collect()
}

fn ids(data: &mut EventData) -> Vec<&mut Option<String>> {
    let correlation = &mut data.correlation;
    let evidence = correlation.evidence.iter_mut().map(|e| &mut e.recipient_id);
    [&mut correlation.recipient_id].into_iter().chain(evidence).collect()
}

fn message_ids(data: &mut EventData) -> Vec<&mut Option<String>> {
    let original = data.original.as_mut().map(|o| &mut o.message_id);
    [&mut data.message.message_id, &mut data.message.in_reply_to].into_iter().chain(original).collect()
}

/// Takes each of `people` out of a text, where it stands as a word.
fn hide_people(text: &mut String, people: &[String]) {
    for name in people {
        let folded = text.to_ascii_lowercase();
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let mut out = String::new();
        let mut from = 0;
        for (at, found) in folded.match_indices(name.as_str()) {
            let (before, after) = (folded.get(..at), folded.get(at + found.len()..));
            if is_word(before.and_then(|t| t.chars().next_back())) || is_word(after.and_then(|t| t.chars().next())) {
                continue;
            }
            // With its domain it is an address, and that is looked for as a whole.
            if after.is_some_and(|t| t.starts_with('@')) {
                continue;
            }
            out.push_str(text.get(from..at).unwrap_or_default());
            out.push_str(HIDDEN);
            from = at + found.len();
        }
        if from > 0 {
            out.push_str(text.get(from..).unwrap_or_default());
            *text = out;
        }
    }
}

/// Takes addresses out of every text of an event, whichever field it stands in: a new field is
/// safe before anybody thinks of it.
fn scrub(data: &mut EventData) {
    if let Some(mail_from) = data.auth.as_mut().and_then(|a| a.context.mail_from.as_mut())
        && !mail_from.is_empty()
    {
        // The domain is what SPF checked; the person is not needed to understand it.
        let domain = mail_from.rsplit_once('@').map_or("", |(_, d)| d).to_owned();
        *mail_from = if domain.is_empty() { HIDDEN.to_owned() } else { format!("{HIDDEN}, {domain}") };
    }
    let mut ids = [
        data.message.message_id.take(),
        data.message.in_reply_to.take(),
        data.original.as_mut().and_then(|o| o.message_id.take()),
    ];
    let scrubbed = serde_json::to_value(&*data).ok().and_then(|mut value| {
        walk(&mut value);
        serde_json::from_value(value).ok()
    });
    match scrubbed {
        Some(scrubbed) => *data = scrubbed,
        // What cannot be looked through is not published.
        None => withhold(data),
    }
    ids.iter_mut().flatten().for_each(hide_unless_id);
    let [message_id, in_reply_to, original] = ids;
    data.message.message_id = message_id;
    data.message.in_reply_to = in_reply_to;
    if let Some(found) = &mut data.original {
        found.message_id = original;
    }
}

fn walk(value: &mut Value) {
    match value {
        Value::String(text) => hide(text),
        Value::Array(list) => list.iter_mut().for_each(walk),
        Value::Object(map) => map.values_mut().for_each(walk),
        _ => {}
    }
}

fn withhold(data: &mut EventData) {
    data.content = None;
    data.original = None;
    data.auth = None;
    data.message.subject = None;
}

/// Message ids look like addresses and are none: one is kept when it is the whole text and its
/// left part is as no person's address is, nor ends as one: `20261023104428.mori@` names Mori.
fn hide_unless_id(text: &mut String) {
    let is_id = text.split_once('@').is_some_and(|(left, right)| {
        let digits = left.chars().filter(char::is_ascii_digit).count();
        let last = left.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let mut parts = left.split(|c: char| !c.is_ascii_alphanumeric());
        let hexadecimal = |part: &str| part.chars().all(|c| matches!(c, 'A'..='F'));
        let word = |part: &str| part.len() >= 3 && part.chars().all(|c| c.is_ascii_alphabetic()) && !hexadecimal(part);
        let named = parts.any(word)
            || last.chars().any(|c| !c.is_ascii_digit())
                && (last.len() < 8 || !last.chars().any(|c| c.is_ascii_digit()));
        left.len() >= 16 && digits >= 6 && !named && !left.contains(['=', '%', ' ', '"']) && !right.contains(['@', ' '])
    });
    if !is_id {
        hide(text);
    }
}

/// Takes addresses out of a header's value as it was written. What is encoded there could hold one unseen.
pub(super) fn hide_in_header(value: &mut String) {
    if value.contains("=?") || value.contains("*=") || value.contains('%') {
        "[withheld]".clone_into(value);
    } else {
        hide(value);
    }
}

/// Takes addresses out of a text.
pub(crate) fn hide(text: &mut String) {
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
    use super::{Key, hide, hide_people, hide_unless_id};

    #[test]
    fn free_text_loses_its_addresses() {
        let table = [
            ("550 5.1.1 <ana@example.org>: unknown", "550 5.1.1 <[address]>: unknown"),
            ("mailto:ana%40example.org", "mailto:[address]"),
            ("bounce+ana=example.org@news.example", "[address]"),
            ("ana=example.org", "[address]"),
            ("\"Ana B\"@example.org said", "[address] said"),
            ("ana@[192.0.2.1]", "[address]"),
            ("write to ana @ example.org", "write to [address]"),
            ("dinner @ seven", "dinner @ seven"),
            ("no such user: b+c1.p7.vtmirc3xgigjv3vx", "no such user: [address]"),
            ("1+1 is two", "1+1 is two"),
            ("user at example.org", "user at example.org"),
        ];
        for (given, expected) in table {
            let mut text = given.to_owned();
            hide(&mut text);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_local_part_without_its_domain_is_hidden_too() {
        let table = [
            ("550 5.1.1 Ana.Lopez... User unknown", "550 5.1.1 [address]... User unknown"),
            ("no such user: ana.lopez", "no such user: [address]"),
            ("no mailbox bo here", "no mailbox [address] here"),
            ("bob's mailbox, hobo", "bob's mailbox, hobo"),
            ("<ana.lopez@example.org>", "<ana.lopez@example.org>"),
        ];
        for (given, expected) in table {
            let mut text = given.to_owned();
            hide_people(&mut text, &["ana.lopez".to_owned(), "bo".to_owned()]);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn message_ids_stay_unless_they_name_somebody() {
        let table = [
            ("20261103091233.4C1A9F2E6B@mx.example.org", true),
            ("1762448529.20261106170209@mx.example.org", true),
            ("20261023104428.mori@example.org", false),
            ("20261023104428-20.mori1@example.org", false),
            ("20261023104428.mori.tanaka@example.org", false),
            ("20261023104428.mori.4C1A9F2E6B@example.org", false),
            ("20261103091233.AC.4C1A9F2E6B@mx.example.org", true),
            ("ana@example.org", false),
        ];
        for (given, stays) in table {
            let mut text = given.to_owned();
            hide_unless_id(&mut text);
            assert_eq!(text == given, stays, "{given}: {text}");
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
