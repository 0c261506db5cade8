//! The `data` of an event: what consumers read.
//!
//! The published JSON Schema is derived from these types, so every doc comment here is read by an
//! analyst. Names are a contract: see `schemas/` for how they may change.

use super::auth::Auth;
use super::verdict::{Kind, Verdict};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the event's data that this program writes.
pub const SCHEMA_VERSION: &str = "1.0";

/// What came back for one recipient of one campaign mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "reply-ingest event data, version 1", transform = super::schema::address_rule)]
pub struct EventData {
    /// Version of this structure: a new minor version only adds fields.
    #[schemars(regex(pattern = r"^1\.[0-9]+$"))]
    #[schemars(extend("examples" = ["1.0"]))]
    pub schema_version: String,
    #[serde(flatten)]
    pub verdict: Verdict,
    /// SHA-256 over the mailbox name, the raw mail's digest and the event's ordinal in the mail:
    /// the same on every retry and replay, whatever the verdict.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub dedupe_key: String,
    /// The first id of the event that this re-classification replaces.
    #[schemars(extend("examples" = ["3601a897b18fcd15fdffe34f44e79c3f09f79602002e39c8a1c074cccbf8443f"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<String>,
    /// When it happened, UTC.
    #[schemars(extend("examples" = ["2026-11-12T07:50:00Z"]))]
    pub occurred_at: DateTime<Utc>,
    /// Where `occurred_at` was read.
    pub occurred_at_source: TimeSource,
    /// When this program looked at the mail, UTC. Differs from run to run.
    pub observed_at: DateTime<Utc>,
    /// Which run of which program wrote the event. Differs from run to run.
    pub ingest: Ingest,
    /// The mailbox that the mail lay in.
    pub mailbox: MailboxRef,
    /// The mail that came in.
    pub message: MessageRef,
    /// From of the mail that came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Party>,
    /// The person the campaign wrote to: a bounce's failed address, the complainer, the replier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<Party>,
    /// What is known of the mail's authenticity. Absent where it was not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// How the kind was found.
    pub classification: Classification,
    /// The campaign that the mail answers.
    pub correlation: Correlation,
    /// What was left out of the event, and how long it may be kept.
    pub privacy: Privacy,
    /// What the returned or quoted original says of itself. Absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Original>,
    /// The words of the person who wrote. Absent where no person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

/// Where the time of an event was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// The report's Last-Attempt-Date or Arrival-Date.
    Report,
    /// The newest Received line.
    Received,
    /// The Date header, which the sender chose.
    DateHeader,
    /// Nothing else was readable: the time of ingestion.
    Observed,
}

/// Which run of which program wrote the event. Differs from run to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ingest {
    /// One pass, or one replay.
    #[schemars(extend("examples" = ["20261127T055438Z-8c2da284"]))]
    pub run_id: String,
    /// Version of the program.
    #[schemars(extend("examples" = ["0.1.0"]))]
    pub worker_version: String,
    /// Digest of the rules that judged the mail.
    #[schemars(extend("examples" = ["4d08dd9f5b77"]))]
    pub ruleset_version: String,
    /// True when `replay` made the event.
    #[serde(default)]
    pub replay: bool,
    /// The file that a replay read; null for a mailbox.
    #[schemars(extend("examples" = ["archive/2026-11.mbox#17"]))]
    pub origin: Option<String>,
    /// The POP3 server's unique id of the mail (RFC 1939 section 7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["000001a25c3b4f"]))]
    pub uidl: Option<String>,
}

/// The mailbox that the mail lay in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailboxRef {
    /// The mailbox's name in the configuration.
    #[schemars(extend("examples" = ["replies"]))]
    pub id: String,
    /// What the configuration says that the mailbox is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<MailboxRole>,
}

/// What a mailbox is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailboxRole {
    Reply,
    Bounce,
    Fbl,
    Unsubscribe,
    Mixed,
}

/// The mail that came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MessageRef {
    /// SHA-256 of the raw mail as the server sent it.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub digest_sha256: String,
    /// Without angle brackets.
    #[schemars(extend("examples" = ["20261103091233.4C1A9F2E6B@mx.example.org"]))]
    pub message_id: Option<String>,
    /// Without angle brackets.
    #[schemars(extend("examples" = ["spring26.s1160@mailer.example.com"]))]
    pub in_reply_to: Option<String>,
    /// Octets as the server sent them.
    pub size_bytes: u64,
    /// The mail's subject, decoded: at most 500 characters. Null where it has none, and where `privacy.subject` is
    /// `omit`.
    #[schemars(extend("examples" = ["Undeliverable: Spring workshops"]))]
    pub subject: Option<String>,
    /// Where the raw mail is kept: its name below the place of the archive, made of mailbox and digest. Absent where it
    /// is not archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["archive/replies/2026/11/120efce606f3.eml.zst"]))]
    pub archive_ref: Option<String>,
}

/// A person or machine behind an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Party {
    /// HMAC-SHA256 of the normalised address, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["3fd8bb1301c930f6df27af49c5c674f4fb14a906e173d0bc6e897ba3bb86d5b4"]))]
    pub key: Option<String>,
    /// The address's domain, in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["example.org"]))]
    pub domain: Option<String>,
    /// gmail, microsoft, yahoo, apple and so on, by the address's domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["gmail"]))]
    pub provider: Option<String>,
    /// True for addresses such as postmaster, info, sales.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_account: Option<bool>,
    /// Only where `privacy.addresses` is `clear`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["ana@example.org"]))]
    pub address: Option<String>,
}

/// How the kind was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Classification {
    /// A closer word for `other` and `complaint`: that of their details.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["dmarc_report", "abuse"]))]
    pub subtype: Option<String>,
    /// How sure the rules are: 1 is certain.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[schemars(extend("examples" = [0.99]))]
    pub confidence: f32,
    /// Whether a rule fired.
    pub method: Method,
    /// The rules that decided, the most important first.
    pub rules: Vec<RuleHit>,
    /// What else it might have been.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A rule fired.
    Rule,
    /// Nothing fired: what is left when everything else is excluded.
    Fallback,
}

/// A rule that fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleHit {
    /// The rule's name: table, what it gives, and a name of its own.
    #[schemars(extend("examples" = ["bounce_category.mailbox_unknown.exchange_online"]))]
    pub id: String,
    /// Where: `header:NAME`, `body`, `report:FIELD`, `structure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["report:Diagnostic-Code"]))]
    pub field: Option<String>,
    /// First and last (exclusive) octet of the hit in the field's decoded text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [[11, 41]]))]
    pub span: Option<[u32; 2]>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    /// That other kind.
    pub kind: Kind,
    /// How much spoke for it: 0 to 1.
    #[schemars(extend("examples" = [0.4]))]
    pub score: f32,
}

/// The campaign that the mail answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Correlation {
    /// How far the campaign is known.
    pub status: CorrelationStatus,
    /// The campaign, by the sender's own name for it. Null where it is not known.
    #[schemars(extend("examples" = ["spring26"]))]
    pub campaign_id: Option<String>,
    /// The one mail, or the one batch, that was sent.
    #[schemars(extend("examples" = ["s1160"]))]
    pub send_id: Option<String>,
    /// The person, by the sender's own name. Where that is the address itself, it is hashed or left out as
    /// `privacy.addresses` says.
    #[schemars(extend("examples" = ["c-20417"]))]
    pub recipient_id: Option<String>,
    /// Which mail of a sequence, as its sender numbers them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [2]))]
    pub step: Option<u32>,
    /// Which variant of a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["b"]))]
    pub variant: Option<String>,
    /// The mailing list, where a header names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["news.example.com"]))]
    pub list_id: Option<String>,
    /// Id of the correlator that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["reply-token"]))]
    pub method: Option<String>,
    /// How sure: 0.99 for a signed token, 0.95 for what a lookup file knows, 0.8 for what is not signed, 0.4 for the
    /// From address alone, 0 for a conflict or a forgery. Absent when nothing was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: Option<f32>,
    /// True when the ids come from a token whose signature is right, false when a wrong one makes the status `forged`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_verified: Option<bool>,
    /// When the campaign mail was sent: by the lookup file, else by the original's Date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<DateTime<Utc>>,
    /// Seconds from the send to what came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [86400]))]
    pub response_time_s: Option<u64>,
    /// All that the correlators found, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CorrelationStatus {
    /// The campaign is known.
    Matched,
    /// A send, list or recipient is known, the campaign is not. Nothing may be done to the recipient because of it.
    Partial,
    #[default]
    Unmatched,
    /// Two campaigns, or two recipients of one, are named: none of them is published but as evidence.
    Conflict,
    /// A token was there and its signature is wrong, and no right one beside it.
    Forged,
}

/// What one correlator found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Id of the correlator, as the configuration names it.
    #[schemars(extend("examples" = ["reply-token"]))]
    pub correlator: String,
    /// `header:NAME`, `original:NAME`, `original:*`, `dsn:FIELD`, `thread`, `from`.
    #[serde(rename = "where")]
    #[schemars(extend("examples" = ["header:delivered-to"]))]
    pub place: String,
    /// The campaign that stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["spring26"]))]
    pub campaign_id: Option<String>,
    /// The send that stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["s1160"]))]
    pub send_id: Option<String>,
    /// The person who stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["c-20417"]))]
    pub recipient_id: Option<String>,
    /// Whether the token's signature is right; absent where there is none to check. What a wrong token says is not
    /// repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// The key that signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["2026-h2"]))]
    pub key_id: Option<String>,
}

/// What was left out of the event, and how long it may be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Privacy {
    /// What happened to addresses.
    pub addresses: AddressMode,
    /// What happened to the words of a person.
    pub text: TextMode,
    /// What happened to the subjects: the mail's and its original's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectMode>,
    /// Name of the key that made `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["k1"]))]
    pub hash_key_id: Option<String>,
    /// Delete the event by then, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["2027-11-12T07:50:00Z"]))]
    pub retain_until: Option<DateTime<Utc>>,
}

/// What happens to addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AddressMode {
    /// As they are.
    #[default]
    Clear,
    /// HMAC-SHA256 in `key`, nothing else.
    Hmac,
    /// Left out.
    Omit,
}

/// What happens to the words of a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextMode {
    /// Left out; lengths and language stay.
    #[default]
    Omit,
    /// The first 280 characters.
    Excerpt,
    Full,
}

/// What happens to the subjects, that of the mail and that of the original in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectMode {
    /// As they are.
    Keep,
    /// Without the addresses in them, and without the local parts of the persons whom the event is about.
    Scrub,
    /// Left out.
    Omit,
}

/// What the returned or quoted original says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Original {
    /// Without angle brackets.
    #[schemars(extend("examples" = ["spring26.s1160@mailer.example.com"]))]
    pub message_id: Option<String>,
    /// Its subject, decoded: at most 500 characters. Null where none is known, and where `privacy.subject` is `omit`.
    #[schemars(extend("examples" = ["Spring workshops: places and prices"]))]
    pub subject: Option<String>,
    /// Its Date, UTC.
    #[schemars(extend("examples" = ["2026-11-12T07:49:57Z"]))]
    pub date: Option<DateTime<Utc>>,
    /// Its From: the campaign's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Party>,
    /// The campaign headers that the configuration names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"x-campaign-id": "spring26"}]))]
    pub headers: BTreeMap<String, String>,
}

/// The words of a person (reply, `auto_reply`, unsubscribe, challenge).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Content {
    /// Quotes and signature removed. Null where `privacy.text` is `omit`.
    #[schemars(extend("examples" = ["Yes, Thursday at ten suits me."]))]
    pub text: Option<String>,
    /// The signature below the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["Ana Lopez\nExample Ltd"]))]
    pub signature: Option<String>,
    /// Characters of the text before it was shortened or left out.
    #[schemars(extend("examples" = [31]))]
    pub text_chars: u32,
    /// Characters of quoted text that were cut off.
    #[schemars(extend("examples" = [412]))]
    pub quoted_chars: u32,
    /// ISO 639-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["en"]))]
    pub language: Option<String>,
    /// Whether anything is attached.
    pub has_attachments: bool,
    /// What is attached, in order: the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Where the person wrote in relation to the quoted mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
}

/// What is attached to a mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attachment {
    /// The file's name, as the sender gave it. Missing where none was given, and where `privacy.text` is `omit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["offer.pdf"]))]
    pub name: Option<String>,
    /// As the sender declared it: `application/pdf`.
    #[schemars(extend("examples" = ["application/pdf"]))]
    pub mime_type: String,
    /// Octets, decoded.
    #[schemars(extend("examples" = [48213]))]
    pub size: u64,
    /// SHA-256 of these octets, in hex.
    #[schemars(extend("examples" = ["120efce606f34a3ead49ec2638feb4bd85f3c3ecc766f854cda36c89ac9f44ff"]))]
    pub digest: String,
    /// Shown within the text, as a signature's logo is.
    pub inline: bool,
}

/// Where the person wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Above the quoted mail.
    Top,
    /// Below it.
    Bottom,
    /// Between its lines.
    Inline,
    /// Nothing is quoted.
    Full,
}
