//! The rules of one table that look at one field, matched together in one go.

use super::folded::Folded;
use super::rule::{Field, Rule, Table};
use super::{RuleError, Where};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// More phrases than this, and a table of states for every octet would take too long to make at each start.
const MOST_FOR_DFA: usize = 200;

pub(super) struct Matcher {
    phrases: AhoCorasick,
    /// Phrase number → rule.
    phrase_rules: Vec<usize>,
    patterns: RegexSet,
    single: Vec<Regex>,
    /// Pattern number → rule.
    pattern_rules: Vec<usize>,
    /// Rules without words.
    pub wordless: Vec<usize>,
}

impl Matcher {
    pub(super) fn build(rules: &[Rule], table: Table, field: Field) -> Result<Self, RuleError> {
        let mut phrases = Vec::new();
        let mut phrase_rules = Vec::new();
        let mut patterns = Vec::new();
        let mut single = Vec::new();
        let mut pattern_rules = Vec::new();
        let mut wordless = Vec::new();
        let too_big = || RuleError::TooBig { table, field };
        for (at, rule) in rules.iter().enumerate().filter(|(_, r)| r.table == table && r.fields.contains(&field)) {
            if rule.is_wordless() {
                wordless.push(at);
            }
            for phrase in &rule.any {
                phrases.push(Folded::new(phrase.trim()).text);
                phrase_rules.push(at);
            }
            if let Some(pattern) = &rule.pattern {
                let compiled = RegexBuilder::new(pattern)
                    .size_limit(1 << 20)
                    .build()
                    .map_err(|e| RuleError::Pattern { id: rule.id.clone(), source: Box::new(e) })?;
                single.push(compiled);
                patterns.push(pattern.as_str());
                pattern_rules.push(at);
            }
        }
        let kind = (phrases.len() <= MOST_FOR_DFA).then_some(AhoCorasickKind::DFA);
        Ok(Self {
            phrases: AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .kind(kind)
                .build(&phrases)
                .map_err(|_| too_big())?,
            phrase_rules,
            patterns: RegexSetBuilder::new(patterns).size_limit(16 << 20).build().map_err(|_| too_big())?,
            single,
            pattern_rules,
            wordless,
        })
    }

    /// The rules whose words stand in the first `most` octets of a folded text, in the order of the rules, each with
    /// its first place in the folded text.
    pub(super) fn find(&self, folded: &Folded, most: usize) -> Vec<Where> {
        let text = folded.head(most);
        let mut found: Vec<Where> = Vec::new();
        if text.is_empty() {
            return found;
        }
        let mut note = |hit: Where| match found.iter_mut().find(|w| w.rule == hit.rule) {
            // Of two hits at one place the longer says more: `yahoo.com.br` rather than `yahoo.com`.
            Some(old) if hit.start < old.start || (hit.start == old.start && hit.end > old.end) => *old = hit,
            Some(_) => {}
            None => found.push(hit),
        };
        for hit in self.phrases.find_overlapping_iter(text) {
            if let Some(&rule) = self.phrase_rules.get(hit.pattern().as_usize())
                && folded.is_whole(hit.start(), hit.end())
            {
                note(Where { rule, start: hit.start(), end: hit.end() });
            }
        }
        if !self.single.is_empty() {
            for pattern in self.patterns.matches(text) {
                if let (Some(&rule), Some(hit)) =
                    (self.pattern_rules.get(pattern), self.single.get(pattern).and_then(|p| p.find(text)))
                {
                    note(Where { rule, start: hit.start(), end: hit.end() });
                }
            }
        }
        found.sort_unstable_by_key(|w| w.rule);
        found
    }
}
