//! The settings of correlators, as they stand in YAML.

use super::lookup::Table;
use crate::config::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// One way to find the campaign that a mail answers. Exactly one of `pattern`, `address`, `headers`, `preset`,
/// `lookup` and `from` says how.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Correlator {
    /// A short name, published as the event's `correlation.method`.
    pub id: String,
    /// Where to look: `header:NAME` of the mail; `original:NAME` of the returned or quoted mail, or `original:*`;
    /// `dsn:FIELD` of a report; `thread`, the ids of the mail that is answered. `address`, `headers`, `preset` and
    /// `lookup` know where to look, `from` looks at From.
    #[serde(rename = "in", default)]
    pub places: Vec<String>,
    /// What to look for: text with `{campaign}`, `{send}`, `{recipient}`, `{step}`, `{variant}`, `{list}`, `{any}`,
    /// and with `verify` `{sig}`. `{NAME:DECODER}` decodes: verp, uuid, base32, base64, exact.
    #[serde(default)]
    pub pattern: Option<String>,
    /// As `pattern`, for an address: BATV, SRS0 and SRS1 are unwrapped first, and letter case does not matter.
    #[serde(default)]
    pub address: Option<String>,
    /// Headers of the original, and what stands in each.
    #[serde(default)]
    pub headers: Vec<HeaderForm>,
    /// The headers that a well-known sender writes.
    #[serde(default)]
    pub preset: Option<Preset>,
    /// A file that knows message ids or sends.
    #[serde(default)]
    pub lookup: Option<Lookup>,
    /// A file that knows addresses: whom the campaigns wrote to. Anyone can write a From, so this never is a match.
    #[serde(default)]
    pub from: Option<Lookup>,
    /// The signature `{sig}` that the pattern or address must carry.
    #[serde(default)]
    pub verify: Option<Verify>,
}

/// A header, and what stands in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderForm {
    /// The header's name.
    pub name: String,
    /// A pattern for the whole value.
    #[serde(default)]
    pub pattern: Option<String>,
    /// Instead of a pattern: how the value is written.
    #[serde(default)]
    pub decode: Option<Decode>,
    /// With `decode`: the key of the campaign. A dot goes into an object: `metadata.campaign`.
    #[serde(default)]
    pub campaign: Option<String>,
    /// With `decode`: the key of the send.
    #[serde(default)]
    pub send: Option<String>,
    /// With `decode`: the key of the recipient.
    #[serde(default)]
    pub recipient: Option<String>,
    /// With `decode`: the key of the step.
    #[serde(default)]
    pub step: Option<String>,
    /// With `decode`: the key of the variant.
    #[serde(default)]
    pub variant: Option<String>,
}

/// How a header's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decode {
    /// A JSON object.
    Json,
    /// A JSON object in base64.
    Base64Json,
    /// A JSON object, percent-encoded.
    PercentJson,
    /// `campaign=c1&send=s1`, percent-encoded as in a URL.
    Form,
    /// `campaign=c1, send=s1`.
    Pairs,
}

/// A well-known sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// `X-Listmonk-Campaign`, `X-Listmonk-Subscriber`.
    Listmonk,
    /// `X-EMAIL-ID`.
    Mautic,
    /// `X-Mailgun-Variables`, `X-Mailgun-Tag`.
    Mailgun,
    /// The arguments in `X-SMTPAPI`.
    Sendgrid,
    /// The tags in `X-SES-MESSAGE-TAGS`.
    Ses,
    /// `X-MSYS-API`.
    Sparkpost,
    /// `X-MC-Metadata`.
    Mandrill,
    /// `X-Postal-Tag`, `X-Postal-MsgID`.
    Postal,
    /// `X-KumoRef`.
    Kumomta,
    /// `Feedback-ID`: the campaign stands before the first colon.
    FeedbackId,
    /// `List-ID` (RFC 2919): names the list, so it is evidence and no match.
    ListId,
}

/// A file of what was sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// CSV with a line of names (`.csv`), or one JSON object a line (`.jsonl`). The names are `message_id`, `address`,
    /// `campaign`, `send`, `recipient`, `step`, `variant`, `sent_at` (RFC 3339). Read once, when a run starts.
    pub file: PathBuf,
    /// What the file says.
    #[serde(skip)]
    pub table: Option<Arc<Table>>,
}

/// A signature, as schemas/token.md describes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Any of them may have signed: put the new one first, and take the old one away when its mails are answered.
    pub keys: Vec<VerifyKey>,
    /// Octets of the HMAC in the signature, 10 to 32. Default: 10, which are 16 letters.
    #[serde(default = "truncate")]
    pub truncate: usize,
    /// A text that is signed too, such as the mailbox's name: a token for one use is then not good for another.
    #[serde(default)]
    pub context: String,
}

/// One key of several.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyKey {
    /// A name, published with the evidence.
    pub id: String,
    /// At least 16 characters. Write `${NAME}` to take it from the environment.
    #[serde(default)]
    pub key: Option<Secret>,
    /// File that holds the key; a line end at its end is dropped.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
}

fn truncate() -> usize {
    super::token::TRUNCATE
}
