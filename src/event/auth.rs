//! What an event says of a mail's authenticity.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of the mail's authenticity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Auth {
    pub basis: AuthBasis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spf: Option<AuthResult>,
    /// One for each signature that was looked at.
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
