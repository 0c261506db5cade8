//! What rules decide about, and where they look. Of the build script too: knows nothing of the rest of the program.

use serde::{Deserialize, Serialize};

/// What a rule decides about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// Which automatic answer; gives an `AutoReplyType`.
    AutoReply,
    /// Why a delivery failed, by words; gives a `Category`.
    BounceCategory,
    /// Why a delivery failed, by codes where words say nothing; gives a `Category`.
    BounceCode,
    /// A request to prove that a person sent the mail; gives `challenge`.
    Challenge,
    /// What a person wants who answers; gives an `Intent`.
    Intent,
    /// What is known and no answer; gives a subtype of `other`.
    Other,
    /// Who receives for a domain; gives a provider's name.
    Provider,
    /// A read receipt in words only; gives a `Disposition`.
    Receipt,
    /// A delivery report without a structure; gives `bounce`, `delay`, `delivered`, `relayed`,
    /// `hint`, `copy` for the line behind which the
    /// original begins, or `none` for what only looks like a report.
    Report,
    /// A wish to get no more mail; gives a scope.
    Unsubscribe,
}

/// Where a rule looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The mail's subject.
    Subject,
    /// The words for people, up to the copy of the original.
    Body,
    /// The line behind which the original begins.
    Copy,
    /// What a server answered.
    Diagnostic,
    /// The domain of a recipient.
    Domain,
    /// The name of the server that answered.
    Host,
    /// The From header.
    From,
    /// The addresses that the mail was sent to.
    To,
    /// The whole enhanced status code.
    Enhanced,
    /// The reply code, with the command it answered.
    Reply,
    /// What only the middle number of the enhanced status code says.
    EnhancedSubject,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 11] = [
        Self::Subject,
        Self::Body,
        Self::Copy,
        Self::Diagnostic,
        Self::Domain,
        Self::Host,
        Self::From,
        Self::To,
        Self::Enhanced,
        Self::Reply,
        Self::EnhancedSubject,
    ];

    /// The name as rule files carry it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Body => "body",
            Self::Copy => "copy",
            Self::Diagnostic => "diagnostic",
            Self::Domain => "domain",
            Self::Host => "host",
            Self::From => "from",
            Self::To => "to",
            Self::Enhanced => "enhanced",
            Self::Reply => "reply",
            Self::EnhancedSubject => "enhanced_subject",
        }
    }
}

impl Table {
    /// Every table, by name.
    pub const ALL: [Self; 10] = [
        Self::AutoReply,
        Self::BounceCategory,
        Self::BounceCode,
        Self::Challenge,
        Self::Intent,
        Self::Other,
        Self::Provider,
        Self::Receipt,
        Self::Report,
        Self::Unsubscribe,
    ];

    /// The name as rule files carry it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AutoReply => "auto_reply",
            Self::BounceCategory => "bounce_category",
            Self::BounceCode => "bounce_code",
            Self::Challenge => "challenge",
            Self::Intent => "intent",
            Self::Other => "other",
            Self::Provider => "provider",
            Self::Receipt => "receipt",
            Self::Report => "report",
            Self::Unsubscribe => "unsubscribe",
        }
    }
}

/// Tables that look at the same texts are looked for together: all at a subject or a sender; at a text those that ask
/// what a machine says, and those that ask what a person says. This is the first of them.
pub(crate) const fn leader(table: Table, field: Field) -> Table {
    match (field, table) {
        (Field::Subject | Field::From, _) | (Field::Body, Table::AutoReply | Table::Unsubscribe | Table::Intent) => {
            Table::AutoReply
        }
        (Field::Body, _) => Table::Report,
        _ => table,
    }
}
