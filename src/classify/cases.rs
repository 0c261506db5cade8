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
//!
//! [[case]]
//! kind = "auto_reply"               # then it is a whole mail
//! subject = "Out of office"
//! text = "I am on leave until Monday."
//! gives = "out_of_office"
//! ```

use super::entries::{self, Holds, Key, Problems, words};
use super::rules::{Field, Rules, Table};
use super::{Finding, classify, report};
use crate::event::{BounceType, Kind, Verdict, details};
use crate::message::{Mail, to_crlf};
use crate::mistake::Mistake;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// One known answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the server said; what stands in the field that `in` names; with `kind`, the mail's text.
    pub text: String,
    /// What the mail must be taken for. Without it the text is a server's answer, or stands in one field.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// With `kind`: the mail's subject.
    #[serde(default)]
    pub subject: String,
    /// With `kind`: who sent it.
    #[serde(default = "person")]
    pub from: String,
    /// With `kind`: further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
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
    /// What must follow; `none`: nothing. With `kind` the automatic answer's type, the unsubscribe's scope, the reply's
    /// intent and so on; nothing asked where it is left out.
    #[serde(default)]
    pub gives: Option<String>,
    #[serde(default, rename = "type")]
    pub bounce_type: Option<BounceType>,
    /// The rule that must decide.
    #[serde(default)]
    pub rule: Option<String>,
}

fn replies() -> Table {
    Table::BounceCategory
}

fn person() -> String {
    "Ana Example <ana@example.org>".to_owned()
}

/// What a case may say in TOML.
const KEYS: &[Key] = &[
    Key { name: "text", needed: true, holds: Holds::Text },
    Key { name: "kind", needed: false, holds: Holds::Word(words::<Kind>) },
    Key { name: "subject", needed: false, holds: Holds::Text },
    Key { name: "from", needed: false, holds: Holds::Text },
    Key { name: "headers", needed: false, holds: Holds::TextsByName },
    Key { name: "table", needed: false, holds: Holds::Word(words::<Table>) },
    Key { name: "in", needed: false, holds: Holds::Word(words::<Field>) },
    Key { name: "domain", needed: false, holds: Holds::Text },
    Key { name: "host", needed: false, holds: Holds::Text },
    Key { name: "command", needed: false, holds: Holds::Text },
    Key { name: "gives", needed: false, holds: Holds::Text },
    Key { name: "type", needed: false, holds: Holds::Word(words::<BounceType>) },
    Key { name: "rule", needed: false, holds: Holds::Text },
];

/// The cases of a file, each with the line in which it begins.
///
/// # Errors
/// With everything that is wrong with the file.
pub fn cases(text: &str) -> Result<Vec<(u32, Case)>, Vec<Mistake>> {
    let entries = entries::read::<Case>(text, "case", KEYS, |entry| entry.value.problems(|key| entry.has(key)))?;
    Ok(entries.into_iter().map(|entry| (entry.line(), entry.value)).collect())
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub kind: Option<Kind>,
    pub gives: String,
    pub bounce_type: Option<BounceType>,
    pub rule: Option<String>,
}

/// Keys of a whole mail, and keys of all others.
const OF_A_MAIL: [&str; 3] = ["subject", "from", "headers"];
const OF_A_TEXT: [&str; 5] = ["table", "in", "domain", "host", "command"];

impl Case {
    /// Keys that do not go together, given which there are.
    fn problems(&self, has: impl Fn(&str) -> bool) -> Problems {
        if self.kind.is_some() {
            let odd = OF_A_TEXT.into_iter().filter(|key| has(key));
            return odd
                .map(|key| (key, "does not go with `kind`, which makes a whole mail of it".to_owned()))
                .collect();
        }
        let mail = OF_A_MAIL.into_iter().filter(|key| has(key));
        let mut found: Vec<_> =
            mail.map(|key| (key, "says something of a mail: say with `kind` what it is".to_owned())).collect();
        if self.gives.is_none() {
            found.push(("gives", "is missing: without it only a case with `kind` asks something".to_owned()));
        }
        found
    }

    /// The case as a mail.
    fn mail(&self) -> String {
        let line = |text: &str| text.replace(['\r', '\n'], " ");
        let mut mail = format!(
            "From: {}\r\nTo: News <news@example.com>\r\nSubject: {}\r\nDate: Mon, 16 Nov 2026 10:12:33 +0100\r\n",
            line(&self.from),
            line(&self.subject)
        );
        for (name, value) in &self.headers {
            let _ = write!(mail, "{}: {}\r\n", line(name), line(value));
        }
        if !self.headers.keys().any(|name| name.eq_ignore_ascii_case("Content-Type")) {
            mail.push_str("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n");
        }
        mail + "\r\n" + &self.text
    }

    /// What the classifier makes of the mail.
    fn ask_of_a_mail(&self, rules: &Rules) -> Answer {
        let mail = self.mail();
        let octets = to_crlf(mail.as_bytes());
        let findings = classify(&Mail::parse(&octets), rules);
        let Some(finding) = findings.first() else {
            return Answer { kind: None, gives: "none".to_owned(), bounce_type: None, rule: None };
        };
        let (_, gives) = details(&finding.verdict);
        let bounce_type = match &finding.verdict {
            Verdict::Bounce { bounce: failure } | Verdict::Delay { delay: failure } => failure.bounce_type,
            _ => None,
        };
        // Several may decide together.
        let mut decided = finding.hits.iter().map(|hit| &hit.rule);
        let rule = self.rule.as_ref().filter(|rule| decided.clone().any(|hit| hit == *rule)).or_else(|| decided.next());
        Answer {
            kind: Some(finding.kind()),
            gives: gives.unwrap_or_else(|| "none".to_owned()),
            bounce_type,
            rule: rule.cloned(),
        }
    }

    /// Asks the rules.
    #[must_use]
    pub fn ask(&self, rules: &Rules) -> Answer {
        if self.kind.is_some() {
            return self.ask_of_a_mail(rules);
        }
        if self.table != Table::BounceCategory {
            let field = self.field.unwrap_or(Field::Body);
            let hit = match (self.table, field) {
                (Table::Provider, Field::Host) => rules.provider_of_host(&self.text).map(|p| (p.to_owned(), None)),
                (Table::Provider, _) => rules.provider(&self.text).map(|p| (p.to_owned(), None)),
                _ => rules.best(self.table, field, &self.text).map(|m| (m.rule.gives.clone(), Some(m.rule.id.clone()))),
            };
            let (gives, rule) = hit.unwrap_or_else(|| ("none".to_owned(), None));
            return Answer { kind: None, gives, bounce_type: None, rule };
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
        if let Some(kind) = self.kind
            && answer.kind != Some(kind)
        {
            return Some(format!("is {} instead of {}", answer.kind.map_or("nothing", Kind::as_str), kind.as_str()));
        }
        if let Some(gives) = &self.gives
            && *gives != answer.gives
        {
            return Some(format!("gives {} instead of {gives}", answer.gives));
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
        let kind = finding.kind();
        return Answer { kind: Some(kind), gives: kind.as_str().to_owned(), bounce_type: None, rule: None };
    };
    Answer {
        kind: Some(finding.kind()),
        gives: bounce.category.as_str().to_owned(),
        bounce_type: bounce.bounce_type,
        // The first hit may be the one that made the mail a report.
        rule: finding.hits.iter().map(|h| &h.rule).find(|id| !id.starts_with("report.")).cloned(),
    }
}
