//! The rules of one table that look at one field, matched together in one go.

use super::folded::Folded;
use super::literals;
use super::rule::{Field, Rule, Table};
use super::{RuleError, Where};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// More phrases than this, and a table of states for every octet would take too long to make at each start.
const MOST_FOR_DFA: usize = 200;

/// What a word is of.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// A phrase of this rule.
    Rule(usize),
    /// A literal of this pattern.
    Pattern(usize),
}

pub(super) struct Matcher {
    /// Phrases, and the literals of patterns.
    words: AhoCorasick,
    /// Word number → what it is of.
    of: Vec<Of>,
    /// Patterns, and their rules.
    patterns: Vec<(Regex, usize)>,
    /// Patterns without a literal, by their number, matched together.
    bare: (RegexSet, Vec<usize>),
    /// Rules without words.
    pub wordless: Vec<usize>,
}

impl Matcher {
    pub(super) fn build(rules: &[Rule], table: Table, field: Field) -> Result<Self, RuleError> {
        let mut words: Vec<Vec<u8>> = Vec::new();
        let mut of = Vec::new();
        let mut patterns = Vec::new();
        let mut bare = (Vec::new(), Vec::new());
        let mut wordless = Vec::new();
        let too_big = || RuleError::TooBig { table, field };
        for (at, rule) in rules.iter().enumerate().filter(|(_, r)| r.table == table && r.fields.contains(&field)) {
            if rule.is_wordless() {
                wordless.push(at);
            }
            for phrase in &rule.any {
                words.push(Folded::new(phrase.trim()).text.into_bytes());
                of.push(Of::Rule(at));
            }
            if let Some(pattern) = &rule.pattern {
                let compiled = RegexBuilder::new(pattern)
                    .size_limit(1 << 20)
                    .build()
                    .map_err(|e| RuleError::Pattern { id: rule.id.clone(), source: Box::new(e) })?;
                if let Some(literals) = literals::required(pattern) {
                    of.extend(literals.iter().map(|_| Of::Pattern(patterns.len())));
                    words.extend(literals);
                } else {
                    bare.0.push(pattern.as_str());
                    bare.1.push(patterns.len());
                }
                patterns.push((compiled, at));
            }
        }
        let kind = (words.len() <= MOST_FOR_DFA).then_some(AhoCorasickKind::DFA);
        Ok(Self {
            words: AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .kind(kind)
                .build(&words)
                .map_err(|_| too_big())?,
            of,
            patterns,
            bare: (RegexSetBuilder::new(bare.0).size_limit(16 << 20).build().map_err(|_| too_big())?, bare.1),
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
        let mut candidates: Vec<usize> = Vec::new();
        for hit in self.words.find_overlapping_iter(text) {
            match self.of.get(hit.pattern().as_usize()) {
                Some(&Of::Rule(rule)) if folded.is_whole(hit.start(), hit.end()) => {
                    note(Where { rule, start: hit.start(), end: hit.end() });
                }
                Some(&Of::Pattern(number)) if !candidates.contains(&number) => candidates.push(number),
                _ => {}
            }
        }
        if !self.bare.1.is_empty() {
            candidates.extend(self.bare.0.matches(text).into_iter().filter_map(|at| self.bare.1.get(at)));
        }
        for (pattern, rule) in candidates.into_iter().filter_map(|at| self.patterns.get(at)) {
            if let Some(hit) = pattern.find(text) {
                note(Where { rule: *rule, start: hit.start(), end: hit.end() });
            }
        }
        found.sort_unstable_by_key(|w| w.rule);
        found
    }
}
