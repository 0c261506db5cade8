//! One rule, as it stands in TOML, and what is wrong with one that cannot be.

use super::folded::Folded;
use super::head::{RuleHead, When, certain};
use super::pattern;
use super::recipe::{Wanted, opened};
use super::table::{Field, Table};
use crate::classify::entries::{Holds, Key, Problems, words};
use crate::event::{AutoReplyType, Category, Disposition, Intent, UnsubscribeScope};
use crate::mistake::{hint, one_of, shown_value};
use serde::{Deserialize, Serialize};

impl Table {
    const fn fields(self) -> &'static [Field] {
        match self {
            Self::AutoReply | Self::Report => &[Field::Subject, Field::Body, Field::Copy],
            Self::BounceCategory => &[Field::Diagnostic],
            Self::BounceCode => &[Field::Enhanced, Field::Reply, Field::EnhancedSubject],
            Self::Challenge | Self::Other => &[Field::Subject, Field::Body, Field::From],
            Self::Intent | Self::Receipt => &[Field::Subject, Field::Body],
            Self::Provider => &[Field::Domain, Field::Host],
            Self::Unsubscribe => &[Field::Subject, Field::Body, Field::To],
        }
    }

    /// What its rules may give; nothing where that is any name.
    fn gives(self) -> Option<Vec<&'static str>> {
        // Words of a type, words besides, and a word of the type that no rule gives.
        let (of, besides, without): (&[_], &[_], _) = match self {
            // `none`: words that count against it.
            Self::AutoReply => (words::<AutoReplyType>(), &["none"], ""),
            Self::BounceCategory | Self::BounceCode => (words::<Category>(), &[], ""),
            Self::Challenge => (&[], &["challenge"], ""),
            Self::Intent => (words::<Intent>(), &[], "unknown"),
            Self::Other | Self::Provider => return None,
            Self::Receipt => (words::<Disposition>(), &[], "unknown"),
            Self::Report => (&[], &["bounce", "delay", "delivered", "relayed", "hint", "copy", "none"], ""),
            // `none`: words that look like a wish and are none.
            Self::Unsubscribe => (words::<UnsubscribeScope>(), &["none"], ""),
        };
        Some(of.iter().chain(besides).copied().filter(|word| *word != without).collect())
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// One rule, as it stands in TOML.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Unique; dots from the general to the special.
    pub id: String,
    pub table: Table,
    /// What follows when it fires.
    pub gives: String,
    /// Where it looks.
    #[serde(rename = "in")]
    pub fields: Vec<Field>,
    #[serde(default, skip_serializing_if = "When::is_empty")]
    pub when: When,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Of these words one must stand in the same sentence; of none given, nothing is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// None of these may stand in the same sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// ISO 639-1, where the words belong to one language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(default = "certain")]
    pub confidence: f32,
    /// A text of the field that hits this rule.
    pub example: String,
    /// Where the knowledge is from.
    pub source: String,
}

/// What a rule may say in TOML.
pub(super) const KEYS: &[Key] = &[
    Key { name: "id", needed: true, holds: Holds::Text },
    Key { name: "table", needed: true, holds: Holds::Word(words::<Table>) },
    Key { name: "gives", needed: true, holds: Holds::Text },
    Key { name: "in", needed: true, holds: Holds::Words(words::<Field>) },
    Key { name: "when", needed: false, holds: Holds::Table(CONDITIONS) },
    Key { name: "any", needed: false, holds: Holds::Texts },
    Key { name: "pattern", needed: false, holds: Holds::Text },
    Key { name: "with", needed: false, holds: Holds::Texts },
    Key { name: "without", needed: false, holds: Holds::Texts },
    Key { name: "language", needed: false, holds: Holds::Text },
    Key { name: "confidence", needed: false, holds: Holds::Number },
    Key { name: "example", needed: true, holds: Holds::Text },
    Key { name: "source", needed: true, holds: Holds::Text },
];

const CONDITIONS: &[Key] = &[
    Key { name: "provider", needed: false, holds: Holds::Texts },
    Key { name: "status", needed: false, holds: Holds::Texts },
    Key { name: "smtp", needed: false, holds: Holds::Numbers },
    Key { name: "command", needed: false, holds: Holds::Words(|| &COMMANDS) },
];

impl From<&Rule> for RuleHead {
    fn from(rule: &Rule) -> Self {
        Self {
            id: rule.id.clone(),
            table: rule.table,
            gives: rule.gives.clone(),
            fields: rule.fields.clone(),
            when: rule.when.clone(),
            language: rule.language.clone(),
            confidence: rule.confidence,
            anchored: rule.wanted(0).is_anchored(),
        }
    }
}

impl Rule {
    /// Whether it looks at no text, and fires by what is known besides.
    pub(super) fn is_wordless(&self) -> bool {
        self.any.is_empty() && self.pattern.is_none()
    }

    /// What it looks for, under this number.
    pub(super) fn wanted(&self, number: usize) -> Wanted<'_> {
        let Self { any, with, without, pattern, .. } = self;
        Wanted { rule: number, any, with, without, pattern: pattern.as_deref() }
    }

    /// What its keys and their forms leave open: what is wrong, and with which key.
    pub(super) fn problems(&self) -> Problems {
        let mut found = Vec::new();
        let mut wrong = |key, is_wrong: bool, problem: &dyn Fn() -> String| {
            if is_wrong {
                found.push((key, problem()));
            }
        };
        let table = self.table.as_str();
        wrong("id", !is_name(&self.id), &|| "has letters, digits, dots, hyphens and underscores only".to_owned());
        wrong("in", self.fields.is_empty(), &|| "names no field".to_owned());
        let fields = self.table.fields();
        if let Some(field) = self.fields.iter().find(|f| !fields.contains(f)) {
            let known: Vec<&str> = fields.iter().map(|f| f.as_str()).collect();
            let problem =
                || format!("table {table} does not look at {}: it looks at {}", field.as_str(), one_of(&known));
            wrong("in", true, &problem);
        }
        let known = self.table.gives();
        let takes = known.as_ref().map_or_else(|| is_name(&self.gives), |known| known.contains(&self.gives.as_str()));
        wrong("gives", !takes, &|| {
            let shown = shown_value(&self.gives).unwrap_or("…");
            match &known {
                Some(known) => format!("table {table} knows no `{shown}`: {}", hint(&self.gives, known)),
                None => "is a name of letters, digits, dots, hyphens and underscores".to_owned(),
            }
        });
        let (wordless, bare) = (self.is_wordless(), self.when.is_empty());
        wrong("any", wordless && bare, &|| "give `any`, `pattern` or `when`".to_owned());
        let of_codes = self.table == Table::BounceCode;
        wrong("when", wordless && !bare && !of_codes && self.when.provider.is_empty(), &|| {
            "a rule without words needs a provider here: codes alone belong to bounce_code".to_owned()
        });
        let of_bounces = of_codes || self.table == Table::BounceCategory;
        wrong("when", !bare && !of_bounces, &|| format!("table {table} asks for words only"));
        let words = if self.any.is_empty() { "pattern" } else { "any" };
        wrong(words, of_codes && !wordless, &|| "table bounce_code knows no words: use bounce_category".to_owned());
        let fits = |field: &Field| match self.gives.as_str() {
            "copy" => *field == Field::Copy,
            "none" => *field == Field::Subject,
            _ => *field != Field::Copy,
        };
        wrong("gives", takes && self.table == Table::Report && !self.fields.iter().all(fits), &|| {
            format!("`{}` does not go with what `in` names", self.gives)
        });
        for (key, list) in [("any", &self.any), ("with", &self.with), ("without", &self.without)] {
            let short = list.iter().any(|p| Folded::new(opened(p).0).text.chars().count() < 2);
            wrong(key, short, &|| "a phrase needs at least two characters".to_owned());
            wrong(key, wordless && key != "any" && !list.is_empty(), &|| {
                "stands beside the words of `any` or `pattern`".to_owned()
            });
        }
        let sure = (0.0..=1.0).contains(&self.confidence);
        wrong("confidence", !sure, &|| "is a number from 0 to 1".to_owned());
        if let Some(code) = self.when.status.iter().find(|c| !is_status(c)) {
            wrong("when", true, &|| format!("`status`: `{code}` is none of 5.7.1, x.7.1, 5.7., 5.7.6??"));
        }
        if let Some(code) = self.when.smtp.iter().find(|c| !matches!(c, 2 | 4 | 5 | 200..600)) {
            wrong("when", true, &|| format!("`smtp`: {code} is neither a reply code nor 2, 4 or 5 for a class"));
        }
        if let Some(Err(error)) = self.pattern.as_deref().map(pattern::check) {
            wrong("pattern", true, &|| format!("is no regular expression that this program takes: {}", reason(&error)));
        }
        found
    }
}

/// Why a pattern is none, on one line: the last says it, those before it draw where.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// Commands that `when` may name.
const COMMANDS: [&str; 6] = ["CONNECT", "EHLO", "HELO", "MAIL", "RCPT", "DATA"];

fn is_status(pattern: &str) -> bool {
    let mut pieces = pattern.split('.');
    let number = |p: &str, last: bool| {
        (p.is_empty() && last) || (p.len() <= 3 && p.bytes().all(|b| b.is_ascii_digit() || b == b'?'))
    };
    let class = matches!(pieces.next(), Some("2" | "4" | "5" | "x"));
    let subject = pieces.next().is_some_and(|p| !p.is_empty() && number(p, false));
    class && subject && pieces.next().is_some_and(|p| number(p, true)) && pieces.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::super::head::is_code;
    use super::{CONDITIONS, KEYS, Key, Rule, Table, When, is_status};
    use std::collections::BTreeSet;

    /// What is written and what is read know the same keys.
    #[test]
    fn keys_are_those_of_the_types() {
        let words = || vec!["x".to_owned()];
        let when = When { provider: words(), status: words(), smtp: vec![5], command: words() };
        let rule = Rule {
            id: String::new(),
            table: Table::Report,
            gives: String::new(),
            fields: Vec::new(),
            when,
            any: words(),
            pattern: Some(String::new()),
            with: words(),
            without: words(),
            language: Some(String::new()),
            confidence: 1.0,
            example: String::new(),
            source: String::new(),
        };
        let names = |value: &serde_json::Value| value.as_object().expect("an object").keys().cloned().collect();
        let known = |keys: &[Key]| keys.iter().map(|key| key.name.to_owned()).collect();
        let written = serde_json::to_value(&rule).expect("JSON");
        let same: [(BTreeSet<String>, BTreeSet<String>); 2] =
            [(names(&written), known(KEYS)), (names(&written["when"]), known(CONDITIONS))];
        for (written, known) in same {
            assert_eq!(written, known);
        }
    }

    #[test]
    fn codes_of_a_condition() {
        let table = [
            ("5.7.1", "5.7.1", true),
            ("5.7.1", "5.7.10", false),
            ("x.7.1", "4.7.1", true),
            ("x.7.1", "4.7.10", false),
            ("5.7.", "5.7.606", true),
            ("5.7.", "4.7.606", false),
            ("x.6.", "5.6.9", true),
            ("5.7.6??", "5.7.606", true),
            ("5.7.6??", "5.7.60", false),
        ];
        for (pattern, status, expected) in table {
            assert!(is_status(pattern), "{pattern}");
            assert_eq!(is_code(pattern, status), expected, "{pattern} {status}");
        }
        for wrong in ["5", "5.7", "5..1", "3.1.1", "5.7.1.2", "5.a.1", ""] {
            assert!(!is_status(wrong), "{wrong}");
        }
    }
}
