//! The rules of one table that look at one field, matched together in one go.

use super::folded::Folded;
use super::literals;
use super::rule::{Field, Rule, Table};
use super::{RuleError, Where};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// More phrases than this, and a table of states for every octet would take too long to make at each start.
const MOST_FOR_DFA: usize = 200;

/// Hits of one rule that are looked at, where what stands beside them matters.
const MOST_HITS: usize = 64;
/// Octets between a hit and what stands beside it in its sentence.
const NEAR: usize = 160;

/// What a word is of.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// A phrase of this rule.
    Rule(usize),
    /// A literal of this pattern.
    Pattern(usize),
    /// One of the words of which this rule wants one beside its own.
    With(usize),
    /// One of the words that this rule does not want beside its own.
    Without(usize),
}

/// One word of the automaton.
#[derive(Debug, Clone, Copy)]
struct Word {
    of: Of,
    /// Whether it may begin or end within a longer word: `urlaub*`, `*wurst`.
    open: (bool, bool),
}

/// Hits of rules that look at what stands beside them, by rule.
#[derive(Debug, Default)]
struct Beside {
    own: Vec<Where>,
    with: Vec<(usize, usize)>,
    without: Vec<(usize, usize)>,
}

/// A regular expression that is made when its literal is found for the first time: most never are.
struct Pattern {
    text: String,
    made: OnceLock<Option<Regex>>,
}

impl Pattern {
    fn find_iter<'t>(&self, text: &'t str) -> impl Iterator<Item = regex::Match<'t>> {
        self.made.get_or_init(|| compiled(&self.text).ok()).iter().flat_map(move |regex| regex.find_iter(text))
    }
}

/// A pattern as every rule's is compiled.
pub(super) fn compiled(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(1 << 20).build()
}

pub(super) struct Matcher {
    /// Phrases, and the literals of patterns.
    words: AhoCorasick,
    /// Word number → what it is of.
    of: Vec<Word>,
    /// The rules that look at what stands beside their words, and whether they want some of it.
    beside: BTreeMap<usize, bool>,
    /// Patterns, and their rules.
    patterns: Vec<(Pattern, usize)>,
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
        let mut beside = BTreeMap::new();
        for (at, rule) in rules.iter().enumerate().filter(|(_, r)| r.table == table && r.fields.contains(&field)) {
            if rule.is_wordless() {
                wordless.push(at);
            }
            if !rule.with.is_empty() || !rule.without.is_empty() {
                beside.insert(at, !rule.with.is_empty());
            }
            let lists = [(&rule.any, Of::Rule(at)), (&rule.with, Of::With(at)), (&rule.without, Of::Without(at))];
            for (phrase, of_word) in lists.into_iter().flat_map(|(list, of)| list.iter().map(move |p| (p, of))) {
                let (bare, open) = opened(phrase);
                words.push(Folded::new(bare).text.into_bytes());
                of.push(Word { of: of_word, open });
            }
            if let Some(pattern) = &rule.pattern {
                if let Some(literals) = literals::required(pattern) {
                    let word = Word { of: Of::Pattern(patterns.len()), open: (true, true) };
                    of.extend(literals.iter().map(|_| word));
                    words.extend(literals);
                } else {
                    bare.0.push(pattern.as_str());
                    bare.1.push(patterns.len());
                }
                patterns.push((Pattern { text: pattern.clone(), made: OnceLock::new() }, at));
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
            beside,
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
        let mut beside: BTreeMap<usize, Beside> = BTreeMap::new();
        let mut note = |hit: Where| match found.iter_mut().find(|w| w.rule == hit.rule) {
            // Of two hits at one place the longer says more: `yahoo.com.br` rather than `yahoo.com`.
            Some(old) if hit.start < old.start || (hit.start == old.start && hit.end > old.end) => *old = hit,
            Some(_) => {}
            None => found.push(hit),
        };
        let mut candidates: Vec<usize> = Vec::new();
        for hit in self.words.find_overlapping_iter(text) {
            let Some(word) = self.of.get(hit.pattern().as_usize()) else { continue };
            let (start, end) = (hit.start(), hit.end());
            match word.of {
                Of::Pattern(number) if !candidates.contains(&number) => candidates.push(number),
                Of::Pattern(_) => {}
                _ if !folded.is_whole(start, end, word.open) => {}
                Of::Rule(rule) if self.beside.contains_key(&rule) => {
                    push(&mut beside.entry(rule).or_default().own, Where { rule, start, end });
                }
                Of::Rule(rule) => note(Where { rule, start, end }),
                Of::With(rule) => push(&mut beside.entry(rule).or_default().with, (start, end)),
                Of::Without(rule) => push(&mut beside.entry(rule).or_default().without, (start, end)),
            }
        }
        if !self.bare.1.is_empty() {
            candidates.extend(self.bare.0.matches(text).into_iter().filter_map(|at| self.bare.1.get(at)));
        }
        for (pattern, rule) in candidates.into_iter().filter_map(|at| self.patterns.get(at)) {
            if self.beside.contains_key(rule) {
                let hits = pattern.find_iter(text).take(MOST_HITS);
                let own = &mut beside.entry(*rule).or_default().own;
                own.extend(hits.map(|hit| Where { rule: *rule, start: hit.start(), end: hit.end() }));
            } else if let Some(hit) = pattern.find_iter(text).next() {
                note(Where { rule: *rule, start: hit.start(), end: hit.end() });
            }
        }
        for (rule, Beside { own, with, without }) in beside {
            let wants = self.beside.get(&rule).copied().unwrap_or_default();
            let near = |hit: &Where, list: &[(usize, usize)]| {
                list.iter().any(|word| in_one_sentence(text, (hit.start, hit.end), *word))
            };
            let fits = |hit: &&Where| (!wants || near(hit, &with)) && !near(hit, &without);
            if let Some(hit) = own.iter().filter(fits).min_by_key(|w| (w.start, std::cmp::Reverse(w.end))) {
                note(*hit);
            }
        }
        found.sort_unstable_by_key(|w| w.rule);
        found
    }
}

fn push<T>(list: &mut Vec<T>, hit: T) {
    if list.len() < MOST_HITS {
        list.push(hit);
    }
}

/// A phrase without its asterisks, and at which ends it had one.
pub(super) fn opened(phrase: &str) -> (&str, (bool, bool)) {
    let phrase = phrase.trim();
    let bare = phrase.trim_matches('*');
    (bare.trim(), (phrase.starts_with('*'), phrase.ends_with('*')))
}

/// Whether two places of a folded text are near each other, and no sentence ends between them.
fn in_one_sentence(text: &str, a: (usize, usize), b: (usize, usize)) -> bool {
    let (first, second) = if a.0 <= b.0 { (a, b) } else { (b, a) };
    if first.1 >= second.0 {
        return true;
    }
    let Some(between) = text.get(first.1..second.0).filter(|t| t.len() <= NEAR) else { return false };
    // Letters of the word before a dot; digits count for none.
    let mut letters = 2;
    let mut chars = between.chars().peekable();
    while let Some(c) = chars.next() {
        let last = chars.peek().is_none_or(|next| *next == ' ');
        match c {
            '。' | '！' | '？' => return false,
            '!' | '?' if last => return false,
            // "12. Oktober", "z. B.": behind a digit or a lone letter it ends nothing.
            '.' if last && letters > 1 => return false,
            _ if c.is_alphabetic() => letters += 1,
            _ => letters = 0,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{in_one_sentence, opened};

    #[test]
    fn phrases_that_are_open() {
        let table = [
            ("urlaub*", ("urlaub", (false, true))),
            (" *wurst ", ("wurst", (true, false))),
            ("out of office", ("out of office", (false, false))),
        ];
        for (phrase, expected) in table {
            assert_eq!(opened(phrase), expected, "{phrase}");
        }
    }

    #[test]
    fn what_stands_in_one_sentence() {
        let table = [
            ("i am away from you", "away", "you", true),
            ("i am away. write to you", "away", "you", false),
            ("bin bis 12. oktober weg", "bis", "weg", true),
            ("das ist z. b. mein haus", "das", "haus", true),
            ("wirklich weg? nein", "weg", "nein", false),
            ("休みです。連絡", "休み", "連絡", false),
        ];
        for (text, a, b, expected) in table {
            let place = |word: &str| text.find(word).map(|at| (at, at + word.len())).expect("is there");
            assert_eq!(in_one_sentence(text, place(a), place(b)), expected, "{text}");
            assert_eq!(in_one_sentence(text, place(b), place(a)), expected, "{text}");
        }
        let far = format!("away {} you", "x".repeat(400));
        assert!(!in_one_sentence(&far, (0, 4), (far.len() - 3, far.len())));
    }
}
