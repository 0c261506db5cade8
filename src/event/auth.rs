//! What an event says of a mail's authenticity.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of the mail's authenticity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Auth {
    pub basis: AuthBasis,
    /// SPF (RFC 7208): whether the sender's domain lets this client send. Absent where there was nothing to check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spf: Option<AuthResult>,
    /// One for each signature that was looked at.
    #[serde(default)]
    pub dkim: Vec<AuthResult>,
    /// DMARC (RFC 7489): whether the domain in From is proven. Absent where there was nothing to check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dmarc: Option<AuthResult>,
    /// The mail's ARC chain; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arc: Option<ArcAuth>,
    /// What the receiving server stated in a trusted Authentication-Results header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<ReceiverAuth>,
    /// The evidence: the hop at which the mail entered the campaign's own network.
    pub context: AuthContext,
    /// Whether the receiver's verdict and ours differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disagreement: Option<bool>,
    /// Oddities worth an alert.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("examples" = [["multiple_from"]]))]
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
    #[schemars(extend("examples" = ["example.org"]))]
    pub domain: Option<String>,
    /// DKIM s=.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["s1"]))]
    pub selector: Option<String>,
    /// Whether the domain is aligned with From.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aligned: Option<bool>,
    /// The DMARC policy that applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<DmarcPolicy>,
    /// Which header of its name was judged or read, from the top, 0 first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_index: Option<u32>,
    /// Why, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["no record"]))]
    pub reason: Option<String>,
}

impl AuthResult {
    /// A result that says nothing but its word.
    #[must_use]
    pub const fn new(result: AuthWord) -> Self {
        Self { result, domain: None, selector: None, aligned: None, policy: None, header_index: None, reason: None }
    }
}

/// The result of an ARC chain (RFC 8617).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArcAuth {
    /// none, pass, fail, temperror.
    pub result: AuthWord,
    /// d= of the newest seal.
    #[schemars(extend("examples" = ["lists.example.org"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// s= of the newest seal.
    #[schemars(extend("examples" = ["2026a"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// How many sets the chain has.
    pub sets: u32,
    /// What the earliest of the sealers that the mailbox's settings trust saw, counted back from the newest without a
    /// gap; only for a chain that passes. It never changes `dmarc`: whoever relies on it decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested: Option<ReceiverAuth>,
    /// Why, in a few words.
    #[schemars(extend("examples" = ["the newest seal has an invalid signature"]))]
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

/// What a server stated in Authentication-Results headers. A method may stand there several times.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiverAuth {
    /// Absent where the server writes none, as Microsoft's do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["mx.example.com"]))]
    pub authserv_id: Option<String>,
    /// What it stated of SPF.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spf: Vec<AuthResult>,
    /// What it stated of DKIM, for each signature.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dkim: Vec<AuthResult>,
    /// What it stated of DMARC.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dmarc: Vec<AuthResult>,
    /// What it stated of ARC.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arc: Vec<AuthResult>,
}

/// The hop at which the mail entered the campaign's own network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthContext {
    /// Whether that hop was found, and if not, why.
    pub boundary: BoundaryWord,
    /// Which Received header, from the top, 0 first: the hop, or the line at which the search ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_index: Option<u32>,
    /// Our host that took the mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["mx1.example.com"]))]
    pub by: Option<String>,
    /// Address of the client that handed the mail over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["192.0.2.17", "2001:db8::17"]))]
    pub client_ip: Option<String>,
    /// The name by which that client introduced itself (HELO or EHLO).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["mail.example.org"]))]
    pub helo: Option<String>,
    /// The envelope sender; empty for the null sender of bounces and automatic answers; absent where it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["ana@example.org", ""]))]
    pub mail_from: Option<String>,
    /// Where the envelope sender was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail_from_source: Option<SenderSource>,
    /// Which identity SPF checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<SpfIdentity>,
}

impl AuthContext {
    /// The context of a mail whose boundary is not known.
    #[must_use]
    pub const fn unknown(why: BoundaryWord) -> Self {
        Self {
            boundary: why,
            header_index: None,
            by: None,
            client_ip: None,
            helo: None,
            mail_from: None,
            mail_from_source: None,
            identity: None,
        }
    }
}

/// Whether the boundary was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BoundaryWord {
    Found,
    /// The mailbox has no `trust` settings.
    NoTrustSettings,
    /// No Received header is left that one of our hosts wrote, and none named a client outside.
    NoReceived,
    /// A line that ought to be ours names another host behind `by`.
    NotOurHost,
    /// A line of ours that cannot be read.
    Unreadable,
    /// A line of ours that names no client address.
    NoClientAddress,
    /// More lines of ours than any path has.
    TooManyHops,
}

/// Where the envelope sender was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SenderSource {
    /// On the boundary's Received header.
    Received,
    /// In the one Return-Path header above it.
    ReturnPath,
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
    /// The boundary was found, but nothing tells the envelope sender.
    EnvelopeSenderUnknown,
    /// The boundary's Received header and Return-Path name different senders.
    ReturnPathConflict,
    /// A signature covers only a part of the body (l=): the rest is anyone's.
    BodyLengthLimited,
    /// The signer's key is marked as a test (t=y).
    TestingKey,
}
