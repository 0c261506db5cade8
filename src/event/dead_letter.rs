//! What is published of a mail whose events cannot be.
//!
//! A record of its own in a topic of its own: enough to find the mail again and to see what it was, small enough for
//! any topic, and nothing of it that the mailbox's privacy withholds.

use super::cloud::Envelope;
use super::data::{AddressMode, MailboxRef, Privacy};
use super::verdict::Kind;
use crate::message::Mail;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A mail whose events cannot be published.
pub type DeadLetter = Envelope<DeadLetterData>;

/// The schema that a dead letter's `dataschema` names.
pub const DEAD_LETTER_SCHEMA: &str = "urn:reply-ingest:schema:dead-letter:1";

/// Headers that are published, at most.
pub const MAX_HEADERS: usize = 30;
/// Characters of a header's value.
pub const MAX_VALUE: usize = 500;
/// Octets at the beginning of a mail in which headers are looked for.
pub const MAX_HEAD: usize = 8 * 1024;
/// Characters of what the broker said.
const MAX_DETAIL: usize = 500;
/// Events that are named.
const MAX_EVENTS: usize = 50;

/// Headers that hold no addresses and tell what a mail is.
const PLAIN: [&str; 9] = [
    "auto-submitted",
    "content-transfer-encoding",
    "content-type",
    "date",
    "list-id",
    "mime-version",
    "precedence",
    "user-agent",
    "x-mailer",
];
/// Headers that are published where addresses are.
const WITH_ADDRESSES: [&str; 10] = [
    "cc",
    "delivered-to",
    "from",
    "received",
    "reply-to",
    "return-path",
    "sender",
    "to",
    "x-failed-recipients",
    "x-original-to",
];

/// Why the events of a mail cannot be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    /// A record is larger than the topic or the client's `message.max.bytes` allows.
    TooLarge,
    /// The broker refuses a record for another reason, for good.
    Refused,
    /// An event does not keep what its schema promises: a fault of this program.
    InvalidEvent,
}

/// What is left of a mail whose events cannot be published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "reply-ingest dead letter data, version 1")]
pub struct DeadLetterData {
    #[schemars(regex(pattern = r"^1\.[0-9]+$"))]
    pub schema_version: String,
    pub reason: DeadReason,
    /// What the broker or the client said.
    #[schemars(length(max = 500))]
    pub detail: String,
    /// The topic that the events were meant for.
    pub topic: String,
    pub mailbox: MailboxRef,
    /// The server's id of the mail, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uidl: Option<String>,
    /// SHA-256 of the raw mail: by it the mail is found in an archive, or in the mailbox.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub digest_sha256: String,
    /// Octets of the raw mail.
    pub size_bytes: u64,
    /// Where the raw mail is kept, as the events' `message.archive_ref` has it. Absent where it is not archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_ref: Option<String>,
    /// When this program looked at the mail, UTC.
    pub observed_at: DateTime<Utc>,
    /// When the mail reached the mailbox, by its newest Received line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<DateTime<Utc>>,
    pub run_id: String,
    pub worker_version: String,
    pub ruleset_version: String,
    /// The events that are missing: at most 50 of them …
    #[schemars(length(max = 50))]
    pub events: Vec<MissingEvent>,
    /// … of so many.
    pub event_count: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The first headers of the mail, at most 30 and each at most 500 characters: those that say what it is, and in
    /// the mode `clear` those that hold addresses.
    #[schemars(length(max = 30))]
    pub headers: Vec<DeadHeader>,
    pub privacy: Privacy,
}

/// An event that could not be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissingEvent {
    pub id: String,
    pub kind: Kind,
    /// Octets of its record.
    pub octets: u64,
}

/// A header of the mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadHeader {
    /// In lower case.
    pub name: String,
    #[schemars(length(max = 500))]
    pub value: String,
}

impl DeadLetter {
    /// Puts `data` into its envelope; `id` is the same however often the mail is tried.
    #[must_use]
    pub fn of_mail(type_prefix: &str, id: String, data: DeadLetterData) -> Self {
        Self {
            specversion: "1.0".to_owned(),
            source: format!("/mailboxes/{}", data.mailbox.id),
            event_type: format!("{type_prefix}.dead_letter.v1"),
            subject: None,
            time: data.observed_at,
            datacontenttype: "application/json".to_owned(),
            dataschema: DEAD_LETTER_SCHEMA.to_owned(),
            partitionkey: id.clone(),
            id,
            data,
        }
    }
}

/// The octets of a mail that its headers are looked for in.
#[must_use]
pub fn head(raw: &[u8]) -> &[u8] {
    raw.get(..raw.len().min(MAX_HEAD)).unwrap_or_default()
}

/// The headers that may be published of a mail that begins with `head`.
#[must_use]
pub fn headers(head: &[u8], mode: AddressMode) -> Vec<DeadHeader> {
    let mail = Mail::parse(head);
    let clear = mode == AddressMode::Clear;
    let mut out = Vec::new();
    let mut fields: Vec<_> = mail.fields().collect();
    if head.len() >= MAX_HEAD {
        // Where the head ends, a header may have been cut.
        fields.pop();
    }
    for (name, value) in fields {
        let name = name.to_ascii_lowercase();
        let plain = PLAIN.contains(&name.as_str());
        if out.len() < MAX_HEADERS && (plain || (clear && WITH_ADDRESSES.contains(&name.as_str()))) {
            let mut value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            // Before it is shortened: half an address is still a name.
            if !clear {
                super::privacy::hide_in_header(&mut value);
            }
            out.push(DeadHeader { name, value: cut(&value, MAX_VALUE) });
        }
    }
    out
}

/// What the broker said, on one line and bounded.
#[must_use]
pub fn detail(text: &str) -> String {
    cut(&text.replace(['\r', '\n'], " "), MAX_DETAIL)
}

/// As many events as are named.
#[must_use]
pub fn named(events: impl Iterator<Item = MissingEvent>) -> Vec<MissingEvent> {
    events.take(MAX_EVENTS).collect()
}

fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

#[cfg(test)]
mod tests {
    use super::{MAX_HEAD, MAX_HEADERS, MAX_VALUE, detail, head, headers};
    use crate::event::AddressMode;

    const MAIL: &str = "Return-Path: <ana@example.org>\r\n\
        Received: from mx.example.org by mail.example.com for <replies@example.com>;\r\n Tue, 3 Nov 2026 09:12:33 +0000\r\n\
        From: Ana <ana@example.org>\r\nX-Secret: s3cret\r\nDate: Tue, 3 Nov 2026 09:12:30 +0000\r\n\
        Content-Type: application/pdf; name=\"for ana@example.org.pdf\"\r\n\
        X-Mailer: =?utf-8?B?YW5hQGV4YW1wbGUub3Jn?=\r\n\r\nbody: not a header\r\n";

    fn shown(mode: AddressMode) -> Vec<(String, String)> {
        headers(MAIL.as_bytes(), mode).into_iter().map(|h| (h.name, h.value)).collect()
    }

    #[test]
    fn headers_that_say_what_a_mail_is() {
        let clear: Vec<String> = shown(AddressMode::Clear).into_iter().map(|(name, _)| name).collect();
        assert_eq!(clear, ["return-path", "received", "from", "date", "content-type", "x-mailer"]);
    }

    #[test]
    fn no_address_in_the_strict_modes() {
        for mode in [AddressMode::Hmac, AddressMode::Omit] {
            let strict = shown(mode);
            let names: Vec<&str> = strict.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["date", "content-type", "x-mailer"]);
            let text = format!("{strict:?}");
            assert!(!text.contains("ana") && !text.contains('@') && !text.contains("YW5h"), "{text}");
        }
    }

    #[test]
    fn however_long_a_mail_is_the_headers_are_bounded() {
        let long = format!("Date: {}\r\n", "x".repeat(3 * MAX_VALUE));
        let many = "List-Id: <a>\r\n".repeat(1_000);
        let mail = format!("{long}{many}\r\n{}", "y".repeat(100_000));
        let found = headers(head(mail.as_bytes()), AddressMode::Clear);
        assert_eq!(found.len(), MAX_HEADERS);
        assert!(found.iter().all(|h| h.value.chars().count() <= MAX_VALUE));
        assert_eq!(head(mail.as_bytes()).len(), MAX_HEAD);
        assert_eq!(head(b"short"), b"short");
        let before = "X-Long: y\r\n";
        // The head ends within the address.
        let cut = format!("{}X-Mailer: ana@example.org\r\n\r\n", before.repeat((MAX_HEAD - 11) / before.len()));
        let found = headers(head(cut.as_bytes()), AddressMode::Omit);
        assert!(found.is_empty(), "half an address is still a name: {found:?}");
        assert_eq!(detail("one\r\ntwo"), "one  two");
    }
}
