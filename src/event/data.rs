//! The `data` of an event: what consumers read.
//!
//! The published JSON Schema is derived from these types, so every doc comment here is read by an
//! analyst. Names are a contract: see `schemas/` for how they may change.

use chrono::{DateTime, NaiveDate, Utc};
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
    pub schema_version: String,
    #[serde(flatten)]
    pub verdict: Verdict,
    /// SHA-256 over the mailbox name, the raw mail's digest and the event's ordinal in the mail:
    /// the same on every retry and replay, whatever the verdict.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub dedupe_key: String,
    /// The first id of the event that this re-classification replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<String>,
    /// When it happened, UTC.
    pub occurred_at: DateTime<Utc>,
    /// Where `occurred_at` was read.
    pub occurred_at_source: TimeSource,
    /// When this program looked at the mail, UTC. Differs from run to run.
    pub observed_at: DateTime<Utc>,
    pub ingest: Ingest,
    pub mailbox: MailboxRef,
    pub message: MessageRef,
    /// From of the mail that came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Party>,
    /// The person the campaign wrote to: a bounce's failed address, the complainer, the replier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<Party>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    pub classification: Classification,
    pub correlation: Correlation,
    pub privacy: Privacy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Original>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

/// What the mail is, and the details that only this kind has.
///
/// A consumer must treat an unknown kind as `unclassified`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Verdict {
    /// A delivery failed for good.
    Bounce { bounce: Failure },
    /// A delivery is late and still being tried.
    Delay { delay: Failure },
    /// A delivery succeeded, and the sender asked to be told.
    Delivered { delivered: Delivered },
    /// The recipient reported the mail as spam.
    Complaint { complaint: Complaint },
    /// A machine answered for the person.
    AutoReply { auto_reply: AutoReply },
    /// The person wants no more mail.
    Unsubscribe { unsubscribe: Unsubscribe },
    /// A human answer.
    Reply { reply: Reply },
    /// A read receipt.
    Receipt { receipt: Receipt },
    /// The recipient's system wants a proof that a person sent the mail.
    Challenge { challenge: Challenge },
    /// Known, and no answer to a campaign.
    Other { other: Other },
    /// Nothing fitted, or the mail could not be read.
    Unclassified { unclassified: Unclassified },
}

/// The eleven kinds, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Bounce,
    Delay,
    Delivered,
    Complaint,
    AutoReply,
    Unsubscribe,
    Reply,
    Receipt,
    Challenge,
    Other,
    Unclassified,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::Bounce,
        Self::Delay,
        Self::Delivered,
        Self::Complaint,
        Self::AutoReply,
        Self::Unsubscribe,
        Self::Reply,
        Self::Receipt,
        Self::Challenge,
        Self::Other,
        Self::Unclassified,
    ];

    /// The name as events carry it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bounce => "bounce",
            Self::Delay => "delay",
            Self::Delivered => "delivered",
            Self::Complaint => "complaint",
            Self::AutoReply => "auto_reply",
            Self::Unsubscribe => "unsubscribe",
            Self::Reply => "reply",
            Self::Receipt => "receipt",
            Self::Challenge => "challenge",
            Self::Other => "other",
            Self::Unclassified => "unclassified",
        }
    }
}

impl Verdict {
    /// The kind's name.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Bounce { .. } => Kind::Bounce,
            Self::Delay { .. } => Kind::Delay,
            Self::Delivered { .. } => Kind::Delivered,
            Self::Complaint { .. } => Kind::Complaint,
            Self::AutoReply { .. } => Kind::AutoReply,
            Self::Unsubscribe { .. } => Kind::Unsubscribe,
            Self::Reply { .. } => Kind::Reply,
            Self::Receipt { .. } => Kind::Receipt,
            Self::Challenge { .. } => Kind::Challenge,
            Self::Other { .. } => Kind::Other,
            Self::Unclassified { .. } => Kind::Unclassified,
        }
    }
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
    pub run_id: String,
    pub worker_version: String,
    /// Digest of the rules that judged the mail.
    pub ruleset_version: String,
    /// True when `replay` made the event.
    #[serde(default)]
    pub replay: bool,
    /// The file that a replay read; null for a mailbox.
    pub origin: Option<String>,
}

/// The mailbox that the mail lay in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailboxRef {
    /// The mailbox's name in the configuration.
    pub id: String,
    /// The server's unique id of the mail (RFC 1939 section 7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uidl: Option<String>,
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
    pub message_id: Option<String>,
    /// Without angle brackets.
    pub in_reply_to: Option<String>,
    /// Octets as the server sent them.
    pub size_bytes: u64,
    pub subject: Option<String>,
    /// Where a raw copy is kept, never the body itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_ref: Option<String>,
}

/// A person or machine behind an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Party {
    /// HMAC-SHA256 of the normalised address, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// gmail, microsoft, yahoo, apple and so on, by the address's domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// True for addresses such as postmaster, info, sales.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_account: Option<bool>,
    /// Only where `privacy.addresses` is `clear`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// What is known of the mail's authenticity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Auth {
    pub basis: AuthBasis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spf: Option<AuthResult>,
    /// One for each signature, top to bottom.
    #[serde(default)]
    pub dkim: Vec<AuthResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dmarc: Option<AuthResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arc: Option<AuthResult>,
    /// What the receiving server stated in a trusted Authentication-Results header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<ReceiverAuth>,
    /// The evidence: the hop at which the mail entered the campaign's own network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<AuthContext>,
    /// Whether the receiver's verdict and ours differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disagreement: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<AuthSignal>,
}

/// What the verdicts rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthBasis {
    /// Computed by this program.
    Evaluated,
    /// Read from the receiver's header.
    TrustedHeader,
    Both,
    /// Authentication was off, or the mail has nothing to evaluate.
    NotEvaluable,
}

/// One method's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthResult {
    pub result: AuthWord,
    /// The domain checked: SPF identity, DKIM d=, DMARC From domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// DKIM s=.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Whether the domain is aligned with From.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aligned: Option<bool>,
    /// The DMARC policy that applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<DmarcPolicy>,
    /// Why, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The result words of RFC 8601 section 2.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthWord {
    None,
    Pass,
    Fail,
    SoftFail,
    Neutral,
    Policy,
    TempError,
    PermError,
}

impl AuthWord {
    /// The word as RFC 8601 writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// A DMARC policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DmarcPolicy {
    None,
    Quarantine,
    Reject,
}

/// The verdicts of a trusted Authentication-Results header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiverAuth {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authserv_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spf: Option<AuthResult>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dkim: Vec<AuthResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dmarc: Option<AuthResult>,
}

/// The hop at which the mail entered the campaign's own network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthContext {
    /// Which Received header, from the top, 0 first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_index: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helo: Option<String>,
    /// The envelope sender; empty for the null sender of bounces and automatic answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail_from: Option<String>,
    /// Which identity SPF checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<SpfIdentity>,
}

/// The identity that SPF checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SpfIdentity {
    MailFrom,
    Helo,
}

/// Oddities worth an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthSignal {
    /// A header that claims to be the receiver's stands where a stranger can write.
    ForgedAuthenticationResults,
    MultipleFrom,
    Sha1Signature,
    WeakKey,
    TooManySignatures,
    /// The boundary hop could not be found with the mailbox's trust settings.
    BoundaryUnknown,
    ReturnPathConflict,
}

/// How the kind was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Classification {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtype: Option<String>,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: f32,
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
    pub id: String,
    /// Where: `header:NAME`, `body`, `report:FIELD`, `structure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// First and last (exclusive) octet of the hit in the field's decoded text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<[u32; 2]>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    pub kind: Kind,
    pub score: f32,
}

/// The campaign that the mail answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Correlation {
    pub status: CorrelationStatus,
    pub campaign_id: Option<String>,
    pub send_id: Option<String>,
    pub recipient_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Id of the correlator that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_verified: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<DateTime<Utc>>,
    /// Seconds from the send to what came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time_s: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CorrelationStatus {
    /// The campaign is known.
    Matched,
    /// A send, list or recipient is known, the campaign is not.
    Partial,
    #[default]
    Unmatched,
    /// Correlators disagree.
    Conflict,
    /// A token was there and its signature is wrong.
    Forged,
}

/// What one correlator found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    pub correlator: String,
    /// `header:NAME`, `original:NAME`.
    #[serde(rename = "where")]
    pub place: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<String>,
}

/// What was left out of the event, and how long it may be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Privacy {
    pub addresses: AddressMode,
    pub text: TextMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_key_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
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

/// What a report says of one recipient whose delivery failed or is late.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Hard, soft or undetermined, by policy from category and codes. Only for a bounce.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub bounce_type: Option<BounceType>,
    pub category: Category,
    /// The report's Action field, as written, in lower case.
    pub action: Option<String>,
    /// The most specific enhanced status code that is literally there: the remote server's reply,
    /// else the report's Status field. Never invented.
    #[schemars(regex(pattern = r"^[245]\.[0-9]{1,3}\.[0-9]{1,3}$"))]
    pub status: Option<String>,
    /// The SMTP reply code that is literally there.
    #[schemars(range(min = 200, max = 599))]
    pub smtp_code: Option<u16>,
    /// The report's Status field, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_status: Option<String>,
    /// What the servers said, shortened.
    pub diagnostic: Option<String>,
    pub reporting_mta: Option<String>,
    pub remote_mta: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp_command: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub will_retry_until: Option<DateTime<Utc>>,
    /// By policy: mail this address no more. Only for a matched hard bounce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress: Option<bool>,
}

/// Whether an address is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BounceType {
    /// The address or its domain is gone for good.
    Hard,
    /// It may pass.
    Soft,
    /// The report does not say.
    Undetermined,
}

/// Why a delivery failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    MailboxUnknown,
    MailboxDisabled,
    MailboxMoved,
    MailboxFull,
    RecipientFiltered,
    DomainUnknown,
    DomainNoMail,
    NetworkError,
    Expired,
    MessageTooBig,
    ContentRejected,
    SpamContent,
    Virus,
    Policy,
    AuthFailure,
    RequiresPtr,
    IpBlocked,
    BadReputation,
    RateLimited,
    RelayDenied,
    SenderRejected,
    Security,
    SmtpSyntax,
    NotCompliant,
    SystemError,
    MailerError,
    SystemFull,
    Suppressed,
    #[default]
    Unknown,
}

/// A delivery that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivered {
    pub action: DeliveredAction,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporting_mta: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_mta: Option<String>,
}

/// RFC 3464 section 2.3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveredAction {
    Delivered,
    /// Handed to a system that sends no reports.
    Relayed,
    /// Handed to several addresses behind an alias.
    Expanded,
}

/// A spam report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Complaint {
    /// RFC 5965 section 3.1: abuse, fraud, virus, other and so on.
    pub feedback_type: String,
    pub format: ComplaintFormat,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_domain: Option<String>,
    /// How many complaints the report stands for.
    #[schemars(range(min = 1))]
    pub incidents: u32,
    /// Whether the complainer's address was blanked out (RFC 6590).
    pub recipient_redacted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival_date: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComplaintFormat {
    /// RFC 5965.
    Arf,
    /// Microsoft's format before ARF.
    JmrpLegacy,
    Plain,
    Other,
}

/// An answer by a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AutoReply {
    #[serde(rename = "type")]
    pub reply_type: AutoReplyType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns_on: Option<NaiveDate>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternate_contacts: Vec<Party>,
    /// True when the person will not come back to this address.
    pub permanent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AutoReplyType {
    OutOfOffice,
    LeftCompany,
    AddressChanged,
    TicketAck,
    MailboxUnmonitored,
    Generic,
}

/// A wish to get no more mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unsubscribe {
    pub via: UnsubscribeVia,
    pub scope: UnsubscribeScope,
    /// The earliest deadline that the configuration sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub honor_by: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phrase_rule: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnsubscribeVia {
    /// A mail to the address of the List-Unsubscribe header.
    ListUnsubscribeMailto,
    Subject,
    Body,
    ArfOptOut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnsubscribeScope {
    Campaign,
    List,
    All,
    Unknown,
}

/// A human answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// `unknown` unless a rule is sure.
    pub intent: Intent,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub intent_confidence: Option<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    Interested,
    Meeting,
    Question,
    Objection,
    NotNow,
    NotInterested,
    WrongPerson,
    Referral,
    DoNotContact,
    Hostile,
    Thanks,
    Unknown,
}

/// A read receipt (RFC 8098).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    pub disposition: Disposition,
    pub mode: ReceiptMode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    Displayed,
    Deleted,
    Dispatched,
    Processed,
    Denied,
    Failed,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptMode {
    Manual,
    Automatic,
    Unknown,
}

/// A request to prove that a person sent the mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Challenge {
    /// Whether the mail holds a link to follow.
    pub has_link: bool,
}

/// Known, and no answer to a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Other {
    /// `arf_not_spam`, `arf_auth_failure`, `dmarc_report`, `tls_report`, `calendar`,
    /// `newsletter`, `spam`, `backscatter` and others to come.
    pub subtype: String,
}

/// Nothing fitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unclassified {
    pub reason: UnclassifiedReason,
    /// The kind that came closest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnclassifiedReason {
    /// No rule fits.
    NoRule,
    LowConfidence,
    /// Not a mail at all.
    ParseError,
    /// Larger than the configured limit: only its headers were kept.
    TooLarge,
    /// Empty, not a single header nor text.
    Empty,
}

/// What the returned or quoted original says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Original {
    /// Without angle brackets.
    pub message_id: Option<String>,
    pub subject: Option<String>,
    pub date: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Party>,
    /// The campaign headers that the configuration names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// The words of a person (reply, auto_reply, unsubscribe, challenge).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Content {
    /// Quotes and signature removed. Null where `privacy.text` is `omit`.
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Characters of the text before it was shortened or left out.
    pub text_chars: u32,
    pub quoted_chars: u32,
    /// ISO 639-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    pub has_attachments: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
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
