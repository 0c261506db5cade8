//! The rules that look at one field, of one table or several, matched together in one go.

use super::Where;
use super::folded::Folded;
use super::literals::Needs;
use super::rule::Rule;
use super::words::{self, Hit, WordFinder};
use regex::{Regex, RegexBuilder};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Hits of one rule that are looked at, where what stands beside them matters.
const MOST_HITS: usize = 64;
/// Words around them that are looked at, of all rules together.
const MOST_AROUND: usize = 4_000;
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

/// One word that is looked for, for everything that it is of.
#[derive(Debug)]
struct Word {
    of: Vec<Of>,
    /// Whether it may begin or end within a longer word: `urlaub*`, `*wurst`.
    open: (bool, bool),
}

/// The words to look for.
#[derive(Default)]
struct Words(Vec<(String, (bool, bool), Of)>);

impl Words {
    fn add(&mut self, text: String, open: (bool, bool), of: Of) {
        self.0.push((text, open, of));
    }

    /// Each once, with what it is of.
    fn finish(mut self) -> (WordFinder, Vec<Word>) {
        // The sort is stable: what a word is of stays in the order of the rules.
        self.0.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let groups = || self.0.chunk_by(|a, b| a.0 == b.0 && a.1 == b.1);
        let texts: Vec<_> =
            groups().filter_map(|g| g.first()).map(|(text, (open, _), _)| words::Word { text, open: *open }).collect();
        let word = |g: &[(String, (bool, bool), Of)]| {
            Some(Word { of: g.iter().map(|(.., of)| *of).collect(), open: g.first()?.1 })
        };
        (WordFinder::new(&texts), groups().filter_map(word).collect())
    }
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
    RegexBuilder::new(&with_plain_ends(pattern)).size_limit(1 << 20).build()
}

/// Unicode's word boundaries cost ten times as much, as soon as a text is not ASCII. In a pattern of Latin letters `\b`
/// asks for a neighbour that is no ASCII letter or digit; an accented letter beside it then ends a word, which does not
/// matter. Other alphabets keep Unicode's: every letter of theirs would end a word.
fn with_plain_ends(pattern: &str) -> Cow<'_, str> {
    const PLAIN: &str = r"(?-u:\b{start-half}|\b{end-half})";
    if !pattern.contains(r"\b") || pattern.contains(|c: char| ('\u{370}'..'\u{1e00}').contains(&c)) {
        return Cow::Borrowed(pattern);
    }
    let mut out = String::with_capacity(pattern.len() * 2);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('\\', Some('b')) => {
                chars.next();
                // `\b{start}` says itself what it means.
                out.push_str(if chars.peek() == Some(&'{') { r"\b" } else { PLAIN });
            }
            ('\\', Some(next)) => {
                chars.next();
                out.extend([c, next]);
            }
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

pub(super) struct Matcher {
    /// Finds phrases, and the literals of patterns.
    finder: WordFinder,
    /// What each of its words is of.
    words: Vec<Word>,
    /// The rules that look at what stands beside their words, and whether they want some of it.
    beside: BTreeMap<usize, bool>,
    /// Patterns, and their rules.
    patterns: Vec<(Pattern, usize)>,
    /// Patterns without a literal, by their number: each is tried on every text that holds one of its hints of one octet.
    bare: Vec<(usize, Option<Vec<u8>>)>,
    /// Rules without words.
    pub wordless: Vec<usize>,
}

impl Matcher {
    pub(super) fn build(rules: &[Rule], needs: &[Option<Needs>], is_of_it: impl Fn(&Rule) -> bool) -> Self {
        let mut words = Words::default();
        let mut patterns = Vec::new();
        let mut bare = Vec::new();
        let mut wordless = Vec::new();
        let mut beside = BTreeMap::new();
        for (at, rule) in rules.iter().enumerate().filter(|(_, r)| is_of_it(r)) {
            if rule.is_wordless() {
                wordless.push(at);
            }
            if !rule.with.is_empty() || !rule.without.is_empty() {
                beside.insert(at, !rule.with.is_empty());
            }
            let lists = [(&rule.any, Of::Rule(at)), (&rule.with, Of::With(at)), (&rule.without, Of::Without(at))];
            for (phrase, of_word) in lists.into_iter().flat_map(|(list, of)| list.iter().map(move |p| (p, of))) {
                let (bare, open) = opened(phrase);
                words.add(Folded::new(bare).text, open, of_word);
            }
            if let Some(pattern) = &rule.pattern {
                match needs.get(at).and_then(Option::as_ref) {
                    Some(Needs::Literal(literals)) => {
                        for literal in literals {
                            words.add(literal.clone(), (true, true), Of::Pattern(patterns.len()));
                        }
                    }
                    Some(Needs::Hint(hints)) => {
                        // The finder knows no single octets.
                        let (single, longer): (Vec<_>, Vec<_>) = hints.iter().partition(|hint| hint.len() == 1);
                        for hint in longer {
                            words.add(hint.clone(), (true, true), Of::Pattern(patterns.len()));
                        }
                        if !single.is_empty() {
                            let octets = single.iter().flat_map(|hint| hint.bytes()).collect();
                            bare.push((patterns.len(), Some(octets)));
                        }
                    }
                    Some(Needs::Nothing) | None => bare.push((patterns.len(), None)),
                }
                patterns.push((Pattern { text: pattern.clone(), made: OnceLock::new() }, at));
            }
        }
        let (finder, words) = words.finish();
        Self { finder, words, beside, patterns, bare, wordless }
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
        let has = |octet: u8| memchr::memchr(octet, text.as_bytes()).is_some();
        let hinted = |hints: &Option<Vec<u8>>| hints.as_ref().is_none_or(|hints| hints.iter().copied().any(has));
        let mut candidates: Vec<usize> =
            self.bare.iter().filter(|(_, h)| hinted(h)).map(|(number, _)| *number).collect();
        // Places of words that some rule wants, or does not want, beside its own.
        let mut around: Vec<(&Word, (usize, usize))> = Vec::new();
        self.finder.each(text, |Hit { word, start, end }| {
            let Some(word) = self.words.get(word).filter(|w| folded.is_whole(start, end, w.open)) else { return };
            let mut is_around = false;
            for of in &word.of {
                match *of {
                    Of::Pattern(number) if !candidates.contains(&number) => candidates.push(number),
                    Of::Pattern(_) => {}
                    Of::Rule(rule) if self.beside.contains_key(&rule) => {
                        push(&mut beside.entry(rule).or_default().own, Where { rule, start, end });
                    }
                    Of::Rule(rule) => note(Where { rule, start, end }),
                    Of::With(_) | Of::Without(_) => is_around = true,
                }
            }
            if is_around && around.len() < MOST_AROUND {
                around.push((word, (start, end)));
            }
        });
        for (pattern, rule) in candidates.into_iter().filter_map(|at| self.patterns.get(at)) {
            if self.beside.contains_key(rule) {
                let hits = pattern.find_iter(text).take(MOST_HITS);
                let own = &mut beside.entry(*rule).or_default().own;
                own.extend(hits.map(|hit| Where { rule: *rule, start: hit.start(), end: hit.end() }));
            } else if let Some(hit) = pattern.find_iter(text).next() {
                note(Where { rule: *rule, start: hit.start(), end: hit.end() });
            }
        }
        if !beside.is_empty() {
            for (word, place) in around {
                for of in &word.of {
                    match of {
                        Of::With(rule) => beside.get_mut(rule).into_iter().for_each(|b| push(&mut b.with, place)),
                        Of::Without(rule) => beside.get_mut(rule).into_iter().for_each(|b| push(&mut b.without, place)),
                        Of::Rule(_) | Of::Pattern(_) => {}
                    }
                }
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
    use super::{compiled, in_one_sentence, opened};

    #[test]
    fn ends_of_words() {
        let table = [
            (r"\bété\b", "un été ici", true),
            (r"\bpost\b", "meine post.", true),
            (r"\bpost\b", "posten", false),
            (r"\bpost\b", "die mailpost", false),
            (r"\\bpost", r"\bpost", true),
            (r"\bне\b", "мне", false),
            (r"\bне\b", "я не там", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(compiled(pattern).expect("is a pattern").is_match(text), expected, "{pattern} {text}");
        }
    }

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
