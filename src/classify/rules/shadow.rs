//! Rules that other rules stand in the way of: words that can be written down and never decide.

use super::head::{Facts, When};
use super::rule::Rule;
use super::{Folded, Match, Rules, Table, most};
use std::collections::BTreeMap;
use std::fmt;

/// Words of a rule that never decide, because others decide wherever they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    pub rule: String,
    pub gives: String,
    /// The phrases; of a rule without words its condition.
    pub phrases: Vec<String>,
    /// The rules that decide instead.
    pub by: Vec<String>,
    /// Nothing else is left of it: it can never decide.
    pub dead: bool,
    /// Its file was given by the user.
    pub of_a_user: bool,
}

impl fmt::Display for Shadow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = self.by.join(", ");
        if self.dead {
            write!(f, "{}: dead: wherever its words stand, {by} decides", self.rule)
        } else {
            let phrases: Vec<String> = self.phrases.iter().map(|p| format!("\"{p}\"")).collect();
            write!(f, "{}: {by} decides wherever {} stands", self.rule, phrases.join(", "))
        }
    }
}

impl Rules {
    /// The rules that are shadowed, in their order. Only tables in which one rule decides are looked at: where several
    /// add up, each counts. A rule with a pattern may fire elsewhere, so it is never dead.
    #[must_use]
    pub fn shadows(&self) -> Vec<Shadow> {
        let mut out = Vec::new();
        for (at, rule) in self.all().iter().enumerate() {
            let found = match rule.table {
                Table::BounceCategory | Table::Other | Table::Challenge if !rule.is_wordless() => self.by_words(rule),
                Table::BounceCode => self.by_codes(rule),
                _ => continue,
            };
            let mut phrases: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (phrase, by) in found {
                phrases.entry(phrase).or_default().push(by);
            }
            // In every field that the rule looks at.
            phrases.retain(|_, by| by.len() == rule.fields.len());
            if phrases.is_empty() {
                continue;
            }
            let whole = if rule.is_wordless() { 1 } else { rule.any.len() };
            let mut by: Vec<String> = phrases.values().flatten().cloned().collect();
            by.sort();
            by.dedup();
            out.push(Shadow {
                rule: rule.id.clone(),
                gives: rule.gives.clone(),
                dead: rule.pattern.is_none() && phrases.len() == whole,
                phrases: phrases.into_keys().collect(),
                by,
                of_a_user: self.users.contains_key(&at),
            });
        }
        out
    }

    /// Phrases of a rule, each with a rule that decides wherever the phrase stands.
    fn by_words(&self, rule: &Rule) -> Vec<(String, String)> {
        let mut out = Vec::new();
        let facts = facts(&rule.when);
        let asks_for_none = |id: &str| self.all().iter().any(|r| r.id == id && r.without.is_empty());
        for &field in &rule.fields {
            for phrase in &rule.any {
                let mut text = phrase.trim_matches('*').to_owned();
                if let Some(with) = rule.with.first() {
                    text = format!("{text} {}", with.trim_matches('*'));
                }
                let fires = self.firing(rule.table, field, &Folded::new(&text), usize::MAX, &facts);
                let always = |m: &&Match<'_>| {
                    m.rule.id == rule.id
                        || ((m.rule.when == rule.when || m.rule.when.is_empty()) && asks_for_none(&m.rule.id))
                };
                let best = most(fires.iter().filter(always).copied());
                if let Some(best) = best.filter(|m| m.rule.id != rule.id && m.rule.gives != rule.gives) {
                    out.push((phrase.clone(), best.rule.id.clone()));
                }
            }
        }
        out
    }

    /// The rule without words that comes before this one under all that it asks for.
    fn by_codes(&self, rule: &Rule) -> Vec<(String, String)> {
        let mut out = Vec::new();
        for &field in &rule.fields {
            let mut by = None;
            let all_taken = conditions(&rule.when).iter().all(|facts| {
                let first = self.wordless(rule.table, field, facts).filter(|m| m.rule.id != rule.id);
                by = first.map(|m| m.rule).filter(|r| r.gives != rule.gives).map(|r| r.id.clone()).or(by.take());
                first.is_some()
            });
            if let Some(by) = by.filter(|_| all_taken) {
                out.push((String::new(), by));
            }
        }
        out
    }
}

fn facts(when: &When) -> Facts<'_> {
    conditions(when).into_iter().next().unwrap_or_default()
}

/// Everything that a condition asks for, put together in all ways; codes that only begin (`5.7.`) cannot be listed and
/// stand as they are, so that only the rule itself or a wider one takes them.
fn conditions(when: &When) -> Vec<Facts<'_>> {
    fn each<'f, T>(list: &'f [T], all: &[Facts<'f>], set: impl Fn(&mut Facts<'f>, &'f T)) -> Vec<Facts<'f>> {
        if list.is_empty() {
            return all.to_vec();
        }
        let with = |facts: &Facts<'f>, value: &'f T| {
            let mut facts = *facts;
            set(&mut facts, value);
            facts
        };
        all.iter().flat_map(|facts| list.iter().map(|value| with(facts, value)).collect::<Vec<_>>()).collect()
    }
    let all = vec![Facts::default()];
    let all = each(&when.provider, &all, |f, p| f.provider = Some(p));
    let all = each(&when.status, &all, |f, s| f.status = Some(s));
    let all = each(&when.smtp, &all, |f, c| f.smtp = Some(*c));
    each(&when.command, &all, |f, c| f.command = Some(c))
}

#[cfg(test)]
mod tests {
    use super::super::Rules;
    use crate::classify::BouncePolicy;

    fn rules(file: &str) -> Rules {
        Rules::with_extra(&[("t".to_owned(), file.to_owned())], BouncePolicy::default()).expect("rules")
    }

    fn rule(id: &str, gives: &str, any: &str, confidence: f32) -> String {
        format!(
            "[[rule]]\nid = \"{id}\"\ntable = \"bounce_category\"\ngives = \"{gives}\"\nin = [\"diagnostic\"]\n\
             any = [{any}]\nconfidence = {confidence}\nexample = \"zebra\"\nsource = \"t\"\n"
        )
    }

    #[test]
    fn what_never_decides_is_named() {
        let file = [
            rule("t.wide", "policy", "\"zebra stripes\"", 0.9),
            rule("t.dead", "virus", "\"the zebra stripes hurt\"", 0.5),
            rule("t.half", "virus", "\"zebra stripes now\", \"giraffe necks\"", 0.5),
            rule("t.sure", "virus", "\"these zebra stripes\"", 0.99),
            rule("t.same", "policy", "\"more zebra stripes\"", 0.5),
        ]
        .concat();
        let found = rules(&file).shadows();
        let ours: Vec<String> = found.iter().filter(|s| s.of_a_user).map(ToString::to_string).collect();
        assert_eq!(
            ours,
            [
                "t.dead: dead: wherever its words stand, t.wide decides",
                "t.half: t.wide decides wherever \"zebra stripes now\" stands"
            ]
        );
    }

    #[test]
    fn no_embedded_rule_is_dead() {
        let dead: Vec<String> =
            Rules::embedded().expect("rules").shadows().iter().filter(|s| s.dead).map(ToString::to_string).collect();
        assert!(dead.is_empty(), "{}", dead.join("\n"));
    }
}
