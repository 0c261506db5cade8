//! Known answers for rules: a text, and what it must give. Kept beside rule files, run by `rules test` and by the
//! project's own tests.
//!
//! ```toml
//! [[case]]
//! text = "550 5.2.1 The account has been put on hold"
//! domain = "example.org"            # the recipient's
//! host = "mx.example.org"           # the server that answered
//! command = "RCPT"                  # what it answered
//! gives = "mailbox_disabled"
//! type = "hard"
//! rule = "bounce_category.mailbox_disabled.on_hold"
//! ```

use super::rules::{Field, Rules, Table};
use super::{Finding, report};
use crate::event::{BounceType, Verdict};
use serde::Deserialize;

/// One known answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the server said, or what stands in the field that `in` names.
    pub text: String,
    #[serde(default = "replies")]
    pub table: Table,
    /// For tables other than `bounce_category`.
    #[serde(default, rename = "in")]
    pub field: Option<Field>,
    /// The recipient's domain.
    #[serde(default)]
    pub domain: Option<String>,
    /// The server that answered.
    #[serde(default)]
    pub host: Option<String>,
    /// CONNECT, EHLO, HELO, MAIL, RCPT or DATA.
    #[serde(default)]
    pub command: Option<String>,
    /// What must follow; `none`: nothing.
    pub gives: String,
    #[serde(default, rename = "type")]
    pub bounce_type: Option<BounceType>,
    /// The rule that must decide.
    #[serde(default)]
    pub rule: Option<String>,
}

fn replies() -> Table {
    Table::BounceCategory
}

/// A file of cases.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    #[serde(default)]
    pub case: Vec<Case>,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub gives: String,
    pub bounce_type: Option<BounceType>,
    pub rule: Option<String>,
}

impl Case {
    /// Asks the rules.
    #[must_use]
    pub fn ask(&self, rules: &Rules) -> Answer {
        if self.table != Table::BounceCategory {
            let field = self.field.unwrap_or(Field::Body);
            let hit = match (self.table, field) {
                (Table::Provider, Field::Host) => rules.provider_of_host(&self.text).map(|p| (p.to_owned(), None)),
                (Table::Provider, _) => rules.provider(&self.text).map(|p| (p.to_owned(), None)),
                _ => rules.best(self.table, field, &self.text).map(|m| (m.rule.gives.clone(), Some(m.rule.id.clone()))),
            };
            let (gives, rule) = hit.unwrap_or_else(|| ("none".to_owned(), None));
            return Answer { gives, bounce_type: None, rule };
        }
        let finding = report::of_reply(
            rules,
            &self.text,
            self.domain.as_deref().unwrap_or("example.org"),
            self.host.as_deref(),
            self.command.as_deref(),
        );
        answer(&finding)
    }

    /// How the answer differs from what is expected.
    #[must_use]
    pub fn difference(&self, answer: &Answer) -> Option<String> {
        if self.gives != answer.gives {
            return Some(format!("gives {} instead of {}", answer.gives, self.gives));
        }
        if self.bounce_type.is_some() && self.bounce_type != answer.bounce_type {
            let name = |t: Option<BounceType>| t.map_or("none", BounceType::as_str);
            return Some(format!("is {} instead of {}", name(answer.bounce_type), name(self.bounce_type)));
        }
        match (&self.rule, &answer.rule) {
            (Some(expected), decided) if decided.as_ref() != Some(expected) => {
                Some(format!("was decided by {} instead of {expected}", decided.as_deref().unwrap_or("no rule")))
            }
            _ => None,
        }
    }
}

/// What a finding says in the words of a case.
#[must_use]
pub fn answer(finding: &Finding) -> Answer {
    let Verdict::Bounce { bounce } = &finding.verdict else {
        return Answer { gives: finding.kind().as_str().to_owned(), bounce_type: None, rule: None };
    };
    Answer {
        gives: bounce.category.as_str().to_owned(),
        bounce_type: bounce.bounce_type,
        // The first hit may be the one that made the mail a report.
        rule: finding.hits.iter().map(|h| &h.rule).find(|id| !id.starts_with("report.")).cloned(),
    }
}
