//! The eleven kinds, and what only one of them has.

use super::data::Party;
use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// What a report says of one recipient whose delivery failed or is late.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Hard, soft or undetermined, by policy from category and codes. Only for a bounce.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub bounce_type: Option<BounceType>,
    /// Why it failed, in one word.
    pub category: Category,
    /// Whether the servers called it permanent: by the class (5 or 4) of the reply's own codes, else of
    /// `reported_status`; where two disagree, it is not. Absent where no code says so. A delay never is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanent: Option<bool>,
    /// Who received, such as `gmail` or `microsoft`: by the name of the server that answered, else by the recipient's
    /// domain. Absent where neither is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["gmail"]))]
    pub provider: Option<String>,
    /// The report's Action field, as written, in lower case.
    #[schemars(extend("examples" = ["failed"]))]
    pub action: Option<String>,
    /// The most specific enhanced status code that is literally there: the remote server's reply,
    /// else the report's Status field. Never invented.
    #[schemars(regex(pattern = r"^[245]\.[0-9]{1,3}\.[0-9]{1,3}$"))]
    #[schemars(extend("examples" = ["5.1.1"]))]
    pub status: Option<String>,
    /// The SMTP reply code that is literally there.
    #[schemars(range(min = 200, max = 599))]
    #[schemars(extend("examples" = [550]))]
    pub smtp_code: Option<u16>,
    /// The report's Status field, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["5.1.1"]))]
    pub reported_status: Option<String>,
    /// What the servers said, shortened.
    #[schemars(extend("examples" = ["550 5.1.1 User unknown"]))]
    pub diagnostic: Option<String>,
    /// The server that wrote the report.
    #[schemars(extend("examples" = ["mx1.example.com"]))]
    pub reporting_mta: Option<String>,
    /// The server that refused the mail.
    #[schemars(extend("examples" = ["mx.example.org"]))]
    pub remote_mta: Option<String>,
    /// The SMTP command that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["RCPT TO"]))]
    pub smtp_command: Option<String>,
    /// Until when the server goes on trying, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["2026-11-17T07:50:00Z"]))]
    pub will_retry_until: Option<DateTime<Utc>>,
    /// By policy: mail this address no more. Only for a matched hard bounce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress: Option<bool>,
    /// True where nothing ties the report to a campaign and this recipient: perhaps a report on mail that somebody else
    /// sent in our name. Do nothing to the recipient because of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backscatter: bool,
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

impl BounceType {
    /// The name as events carry it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Undetermined => "undetermined",
        }
    }
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

impl Category {
    /// Every category.
    pub const ALL: [Self; 29] = [
        Self::MailboxUnknown,
        Self::MailboxDisabled,
        Self::MailboxMoved,
        Self::MailboxFull,
        Self::RecipientFiltered,
        Self::DomainUnknown,
        Self::DomainNoMail,
        Self::NetworkError,
        Self::Expired,
        Self::MessageTooBig,
        Self::ContentRejected,
        Self::SpamContent,
        Self::Virus,
        Self::Policy,
        Self::AuthFailure,
        Self::RequiresPtr,
        Self::IpBlocked,
        Self::BadReputation,
        Self::RateLimited,
        Self::RelayDenied,
        Self::SenderRejected,
        Self::Security,
        Self::SmtpSyntax,
        Self::NotCompliant,
        Self::SystemError,
        Self::MailerError,
        Self::SystemFull,
        Self::Suppressed,
        Self::Unknown,
    ];

    /// The name as events carry it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MailboxUnknown => "mailbox_unknown",
            Self::MailboxDisabled => "mailbox_disabled",
            Self::MailboxMoved => "mailbox_moved",
            Self::MailboxFull => "mailbox_full",
            Self::RecipientFiltered => "recipient_filtered",
            Self::DomainUnknown => "domain_unknown",
            Self::DomainNoMail => "domain_no_mail",
            Self::NetworkError => "network_error",
            Self::Expired => "expired",
            Self::MessageTooBig => "message_too_big",
            Self::ContentRejected => "content_rejected",
            Self::SpamContent => "spam_content",
            Self::Virus => "virus",
            Self::Policy => "policy",
            Self::AuthFailure => "auth_failure",
            Self::RequiresPtr => "requires_ptr",
            Self::IpBlocked => "ip_blocked",
            Self::BadReputation => "bad_reputation",
            Self::RateLimited => "rate_limited",
            Self::RelayDenied => "relay_denied",
            Self::SenderRejected => "sender_rejected",
            Self::Security => "security",
            Self::SmtpSyntax => "smtp_syntax",
            Self::NotCompliant => "not_compliant",
            Self::SystemError => "system_error",
            Self::MailerError => "mailer_error",
            Self::SystemFull => "system_full",
            Self::Suppressed => "suppressed",
            Self::Unknown => "unknown",
        }
    }

    /// The category of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }
}

/// A delivery that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivered {
    /// How it was delivered, by the report's Action field.
    pub action: DeliveredAction,
    /// The report's enhanced status code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["2.1.5"]))]
    pub status: Option<String>,
    /// The server that wrote the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["mx1.example.com"]))]
    pub reporting_mta: Option<String>,
    /// The server that took the mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["mx.example.org"]))]
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
    #[schemars(extend("examples" = ["abuse"]))]
    pub feedback_type: String,
    /// How the report is written.
    pub format: ComplaintFormat,
    /// The program that wrote the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["FeedbackGenerator/1.0"]))]
    pub user_agent: Option<String>,
    /// The address from which the mail was sent, as the report has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["192.0.2.17"]))]
    pub source_ip: Option<String>,
    /// The domain that the report holds responsible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["campaigns.example.com"]))]
    pub reported_domain: Option<String>,
    /// How many complaints the report stands for.
    #[schemars(range(min = 1))]
    #[schemars(extend("examples" = [1]))]
    pub incidents: u32,
    /// Whether the complainer's address was blanked out (RFC 6590).
    pub recipient_redacted: bool,
    /// When the reported mail had arrived, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["2026-11-12T07:50:00Z"]))]
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
    /// What the machine says.
    #[serde(rename = "type")]
    pub reply_type: AutoReplyType,
    /// The day on which the person is back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["2026-12-01"]))]
    pub returns_on: Option<NaiveDate>,
    /// Whom the answer names instead.
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
    /// How the person said so.
    pub via: UnsubscribeVia,
    /// What the person does not want any more.
    pub scope: UnsubscribeScope,
    /// The earliest deadline that the configuration sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["2026-11-14T07:50:00Z"]))]
    pub honor_by: Option<DateTime<Utc>>,
    /// True where nothing ties the mail to a campaign and this person: anyone can write a From. Have somebody look
    /// before an address is taken off a list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unverified: bool,
    /// The rule whose words were found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["unsubscribe.body.en"]))]
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
    /// How sure that is: 1 is certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    #[schemars(extend("examples" = [0.9]))]
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

impl Intent {
    /// An intent by the name that events carry.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "interested" => Some(Self::Interested),
            "meeting" => Some(Self::Meeting),
            "question" => Some(Self::Question),
            "objection" => Some(Self::Objection),
            "not_now" => Some(Self::NotNow),
            "not_interested" => Some(Self::NotInterested),
            "wrong_person" => Some(Self::WrongPerson),
            "referral" => Some(Self::Referral),
            "do_not_contact" => Some(Self::DoNotContact),
            "hostile" => Some(Self::Hostile),
            "thanks" => Some(Self::Thanks),
            "unknown" => Some(Self::Unknown),
            _ => None,
        }
    }
}

/// A read receipt (RFC 8098).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// What became of the mail.
    pub disposition: Disposition,
    /// Whether the person sent the receipt or the program by itself.
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

impl Disposition {
    /// A disposition by the name that receipts (RFC 8098 section 3.2.6.2, RFC 2298 before it) and events carry.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "displayed" => Some(Self::Displayed),
            "deleted" => Some(Self::Deleted),
            "dispatched" => Some(Self::Dispatched),
            "processed" => Some(Self::Processed),
            "denied" => Some(Self::Denied),
            "failed" => Some(Self::Failed),
            _ => None,
        }
    }
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
    #[schemars(extend("examples" = ["dmarc_report"]))]
    pub subtype: String,
}

/// Nothing fitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unclassified {
    /// Why nothing fits.
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

/// Type and category, or what else a kind has, as the event spells them: `hard` and `mailbox_unknown`.
#[must_use]
pub fn details(verdict: &Verdict) -> (Option<String>, Option<String>) {
    let word = |value: serde_json::Result<serde_json::Value>| value.ok()?.as_str().map(str::to_owned);
    match verdict {
        Verdict::Bounce { bounce: f } | Verdict::Delay { delay: f } => {
            (f.bounce_type.map(|t| t.as_str().to_owned()), Some(f.category.as_str().to_owned()))
        }
        Verdict::Delivered { delivered } => (None, word(serde_json::to_value(delivered.action))),
        Verdict::Complaint { complaint } => (None, Some(complaint.feedback_type.clone())),
        Verdict::AutoReply { auto_reply } => (None, word(serde_json::to_value(auto_reply.reply_type))),
        Verdict::Unsubscribe { unsubscribe } => (None, word(serde_json::to_value(unsubscribe.scope))),
        Verdict::Reply { reply } => (None, word(serde_json::to_value(reply.intent))),
        Verdict::Receipt { receipt } => (None, word(serde_json::to_value(receipt.disposition))),
        Verdict::Other { other } => (None, Some(other.subtype.clone())),
        Verdict::Unclassified { unclassified } => (None, word(serde_json::to_value(unclassified.reason))),
        Verdict::Challenge { .. } => (None, None),
    }
}
