//! What a mail is.
//!
//! Takes a parsed [`Mail`], gives one [`Finding`] for each recipient that it speaks of, and at
//! least one. The order of the questions decides more than any single rule: structure before
//! words, machines before people (two of three bounces in the field also carry
//! `Auto-Submitted: auto-replied`, so a report is looked for before an automatic answer).
//!
//! 1. reports: delivery status, complaint, receipt, then the reports without a structure
//! 2. what is known and no answer: calendar, DMARC and TLS reports, challenges
//! 3. automatic answers
//! 4. unsubscribes, on the person's own words
//! 5. a human reply
//! 6. `unclassified`
//!
//! Phrases, codes and providers are data (`rules/*.toml`, see [`Rules`]); the order and the
//! structure are code. No clock, no network: the same mail and rules give the same findings.

mod cases;
mod entries;
mod finding;
pub mod people;
mod policy;
pub mod report;
mod rivals;
mod rules;

pub use cases::{Answer, Case, answer, cases};
pub use finding::{Finding, Hit, OriginalMail, Words};
pub use policy::{BouncePolicy, speaks_of_the_address};
pub use rivals::{Rival, WhyNot, rivals};
pub use rules::{Facts, Field, Match, Reader, Rule, RuleError, RuleFault, RuleHead, Rules, Shadow, Table, When};

use crate::event::{Kind, Other, Unclassified, UnclassifiedReason, Verdict};
use crate::message::Mail;

/// Classifies a mail: one finding for each recipient it speaks of, never none.
#[must_use]
pub fn classify(mail: &Mail<'_>, rules: &Rules) -> Vec<Finding> {
    if mail.is_headless() {
        return vec![Finding::unclassified(UnclassifiedReason::ParseError)];
    }
    let rules = &Reader::new(rules);
    let findings = report::find(mail, rules);
    if !findings.is_empty() {
        return findings;
    }
    vec![people::find(mail, rules).unwrap_or_else(|| nothing_fits(mail))]
}

fn nothing_fits(mail: &Mail<'_>) -> Finding {
    let empty = mail.text().trim().is_empty() && mail.subject().is_none_or(|s| s.trim().is_empty());
    Finding::unclassified(if empty { UnclassifiedReason::Empty } else { UnclassifiedReason::NoRule })
}

impl Finding {
    /// What is left when nothing fits.
    #[must_use]
    pub fn unclassified(reason: UnclassifiedReason) -> Self {
        Self::new(Verdict::Unclassified { unclassified: Unclassified { reason, nearest: None } }, 0.0)
    }

    /// Known, and no answer to a campaign.
    #[must_use]
    pub fn other(subtype: &str, confidence: f32) -> Self {
        Self::new(Verdict::Other { other: Other { subtype: subtype.to_owned() } }, confidence)
    }

    /// The finding's kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.verdict.kind()
    }
}
