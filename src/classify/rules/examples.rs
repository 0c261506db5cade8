//! Whether rules do what they say: each example must hit its own rule, and nothing that counts more must speak
//! against it.

use super::head::Facts;
use super::rule::Rule;
use super::{Field, Match, Rules, Table, most};
use std::fmt;

/// What is wrong with a rule that can be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleFault {
    /// Its example does not hit it.
    Misses { rule: String, field: Field },
    /// Its example is decided by another rule, which gives something else.
    Overruled { rule: String, by: String, gives: String },
    /// It names no source.
    Unsourced { rule: String },
    /// Another rule, which gives something else, holds the same phrase for the same field.
    Contradicted { rule: String, by: String, phrase: String },
}

impl fmt::Display for RuleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misses { rule, field } => write!(f, "{rule}: its example does not hit it in {field:?}"),
            Self::Overruled { rule, by, gives } => {
                write!(f, "{rule}: its example is decided by {by}, which gives {gives}")
            }
            Self::Unsourced { rule } => write!(f, "{rule}: names no source"),
            Self::Contradicted { rule, by, phrase } => {
                write!(f, "{rule}: {by} gives something else for the same phrase, \"{phrase}\"")
            }
        }
    }
}

impl Rules {
    /// Everything that is wrong with the rules, in their order.
    #[must_use]
    pub fn faults(&self) -> Vec<RuleFault> {
        let mut out = Vec::new();
        let mut phrases = std::collections::BTreeMap::new();
        for rule in self.all() {
            if rule.source.trim().is_empty() {
                out.push(RuleFault::Unsourced { rule: rule.id.clone() });
            }
            for &field in &rule.fields {
                out.extend(self.example(rule, field));
                for phrase in &rule.any {
                    let key =
                        (rule.table, field, phrase.to_lowercase(), &rule.when.provider, &rule.with, &rule.without);
                    match phrases.insert(key, rule) {
                        Some(other) if other.gives != rule.gives && other.when == rule.when => {
                            out.push(RuleFault::Contradicted {
                                rule: rule.id.clone(),
                                by: other.id.clone(),
                                phrase: phrase.clone(),
                            });
                        }
                        _ => {}
                    }
                }
            }
        }
        out
    }

    fn example(&self, rule: &Rule, field: Field) -> Option<RuleFault> {
        // The circumstances that the rule asks for, and a code rule's own example; a code that only begins is completed.
        let status = rule.when.status.first().map(|s| {
            let whole = s.replace('x', "5").replace('?', "0");
            if rule.table == Table::BounceCode {
                rule.example.clone()
            } else if whole.ends_with('.') {
                format!("{whole}1")
            } else {
                whole
            }
        });
        let facts = Facts {
            provider: rule.when.provider.first().map(String::as_str),
            status: status.as_deref(),
            smtp: if rule.table == Table::BounceCode {
                rule.example.parse().ok()
            } else {
                rule.when.smtp.first().copied()
            },
            command: rule.when.command.first().map(String::as_str),
        };
        let fires: Vec<Match<'_>> = if rule.is_wordless() {
            self.wordless(rule.table, field, &facts).into_iter().collect()
        } else {
            let mut fires = self.firing(rule.table, field, &super::Folded::new(&rule.example), usize::MAX, &facts);
            fires.retain(|m| m.rule.table == rule.table);
            fires
        };
        if !fires.iter().any(|m| m.rule.id == rule.id) {
            // An earlier rule without words that gives the same hides nothing.
            let same = rule.is_wordless() && fires.iter().any(|m| m.rule.gives == rule.gives);
            return (!same).then(|| RuleFault::Misses { rule: rule.id.clone(), field });
        }
        // Where several rules speak of one mail, as an automatic answer's do, the code weighs them.
        if !matches!(rule.table, Table::BounceCategory | Table::Other | Table::Challenge | Table::Provider) {
            return None;
        }
        let best = if rule.table == Table::Provider {
            fires.iter().max_by_key(|m| m.end - m.start).copied()
        } else {
            most(fires.into_iter())
        };
        best.filter(|m| m.rule.gives != rule.gives).map(|m| RuleFault::Overruled {
            rule: rule.id.clone(),
            by: m.rule.id.clone(),
            gives: m.rule.gives.clone(),
        })
    }
}
