//! What the classifier says of one recipient of one mail.

use crate::event::{Layout, Verdict};
use crate::message::{Address, Attachment};
use chrono::{DateTime, Utc};

/// One event in the making: everything the mail itself says, nothing of where it lay, whom it
/// belongs to or what may be published of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub verdict: Verdict,
    /// How sure, 0 to 1.
    pub confidence: f32,
    /// The rules that decided, the most important first. Empty: nothing fired.
    pub hits: Vec<Hit>,
    /// The person the campaign wrote to, where the mail names one: a bounce's failed recipient,
    /// the complainer. `None` for mail by the person: the sender then.
    pub recipient: Option<Address>,
    /// Last-Attempt-Date or Arrival-Date of a report.
    pub reported_at: Option<DateTime<Utc>>,
    /// The mail that came back, or that is quoted.
    pub original: Option<OriginalMail>,
    /// The words of a person.
    pub words: Option<Words>,
}

/// A rule that fired, with the text it fired on (for `--explain`; never published).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub rule: String,
    /// `header:NAME`, `body`, `report:FIELD`, `structure`.
    pub field: String,
    /// First and last (exclusive) octet in the field's decoded text.
    pub span: Option<(usize, usize)>,
    /// The words it fired on, shortened.
    pub text: String,
}

/// What the returned or quoted original says of itself. Header names are in lower case.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OriginalMail {
    /// Without angle brackets.
    pub message_id: Option<String>,
    pub subject: Option<String>,
    pub date: Option<DateTime<Utc>>,
    pub from: Option<Address>,
    pub to: Vec<Address>,
    /// Every header found but those of the mail's route, in order: (lower-case name, decoded and unfolded value).
    /// Bounded.
    pub headers: Vec<(String, String)>,
}

/// The words of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Quotes and signature removed.
    pub text: String,
    pub signature: Option<String>,
    /// Characters that were quoted, and so left out.
    pub quoted_chars: usize,
    /// ISO 639-1.
    pub language: Option<&'static str>,
    /// What is attached besides.
    pub attachments: Vec<Attachment>,
    pub layout: Option<Layout>,
}

impl Finding {
    /// A finding that only has a verdict so far.
    #[must_use]
    pub fn new(verdict: Verdict, confidence: f32) -> Self {
        Self { verdict, confidence, hits: Vec::new(), recipient: None, reported_at: None, original: None, words: None }
    }

    /// Adds a rule that fired.
    #[must_use]
    pub fn because(mut self, hit: Hit) -> Self {
        self.hits.push(hit);
        self
    }
}

impl Hit {
    /// A hit by the shape of the mail rather than by words.
    #[must_use]
    pub fn structure(rule: &str, text: &str) -> Self {
        Self { rule: rule.to_owned(), field: "structure".to_owned(), span: None, text: shorten(text) }
    }

    /// A hit in a field.
    #[must_use]
    pub fn in_field(rule: &str, field: &str, span: Option<(usize, usize)>, text: &str) -> Self {
        Self { rule: rule.to_owned(), field: field.to_owned(), span, text: shorten(text) }
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(160).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
