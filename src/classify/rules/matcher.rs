//! The rules that look at one field, of one table or several, matched together in one go.

use super::Where;
use super::candidates::Patterns;
use super::folded::Folded;
use super::recipe::{END, Of, Recipe, Shape};
use super::words::{Hit, Word, WordFinder};
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

/// Hits of one rule that are looked at, where what stands beside them matters.
const MOST_HITS: usize = 64;
/// Words around them that are looked at, of all rules together.
const MOST_AROUND: usize = 4_000;
/// Octets between a hit and what stands beside it in its sentence.
const NEAR: usize = 160;

/// Hits of a rule that looks at what stands beside them.
#[derive(Debug, Default)]
struct Beside {
    own: Vec<(usize, usize)>,
    with: Vec<(usize, usize)>,
    without: Vec<(usize, usize)>,
}

/// A word that some rule wants, or does not want, beside its own. There are many of them, mostly for nothing: so small.
struct Around {
    word: u32,
    start: u32,
    end: u32,
}

impl Around {
    fn new(word: usize, start: usize, end: usize) -> Option<Self> {
        Some(Self { word: word.try_into().ok()?, start: start.try_into().ok()?, end: end.try_into().ok()? })
    }
}

pub(super) struct Matcher {
    /// Finds phrases, and the literals of patterns.
    finder: WordFinder,
    /// Of each word whether it is open at its start (1) and its end (2), and in the other bits where in `ofs` stands what
    /// it is of; one more for the end. What is asked of each word that is found lies together.
    places: Vec<u32>,
    /// See [`Of::decoded`].
    ofs: Vec<u32>,
    /// The rules that look at what stands beside their words, and whether they want some of it.
    beside: BTreeMap<u32, bool>,
    patterns: Patterns,
    /// See [`Recipe`].
    wordless: Vec<u32>,
    /// The last rule of each word, where whole texts are asked for.
    names: OnceLock<HashMap<Box<[u8]>, usize>>,
}

impl Matcher {
    pub(super) fn new(recipe: Recipe) -> Self {
        let shapes: Vec<Shape> = recipe.shapes().collect();
        let mut from = 0;
        // Of all texts together: a search of its own for each takes longer than they do.
        let texts = memchr::memchr_iter(END as u8, recipe.texts.as_bytes()).map(|end| {
            let text = recipe.texts.get(from..end).unwrap_or_default();
            from = end + 1;
            text
        });
        let words = texts.zip(&shapes).map(|(text, shape)| (Word { text, open: shape.open.0 }, shape.known_at));
        let finder = WordFinder::new(words);
        let mut sum = 0;
        let mut place = |(shape, count): (Option<&Shape>, u16)| {
            let (start, end) = shape.map(|shape| shape.open).unwrap_or_default();
            let place = sum << 2 | u32::from(start) | u32::from(end) << 1;
            sum += u32::from(count);
            place
        };
        let each = shapes.iter().map(Some).zip(recipe.counts.iter().copied()).chain([(None, 0)]);
        Self {
            finder,
            places: each.map(&mut place).collect(),
            ofs: recipe.ofs,
            beside: recipe.beside.into_iter().collect(),
            patterns: Patterns::new(recipe.patterns),
            wordless: recipe.wordless,
            names: OnceLock::new(),
        }
    }

    /// Rules without words.
    pub(super) fn wordless(&self) -> impl Iterator<Item = usize> {
        self.wordless.iter().map(|rule| *rule as usize)
    }

    /// What a word is of, by its number, and at which ends it is open.
    fn of(&self, word: usize) -> ((bool, bool), impl Iterator<Item = Of> + Clone) {
        let place = |at: usize| self.places.get(at).copied().unwrap_or_default();
        let (place, next) = (place(word), place(word + 1));
        let ofs = self.ofs.get(place as usize >> 2..next as usize >> 2).unwrap_or_default();
        ((place & 1 != 0, place & 2 != 0), ofs.iter().map(|code| Of::decoded(*code)))
    }

    /// The last rule one of whose phrases is this text, folded.
    pub(super) fn exactly(&self, text: &str) -> Option<usize> {
        let rule = |of: Of| match of {
            Of::Rule(rule) | Of::Beside(rule) => Some(rule as usize),
            Of::Way(_) | Of::With(_) | Of::Without(_) => None,
        };
        let last = |word: usize| self.of(word).1.filter_map(rule).max();
        let names = || (0..self.places.len()).filter_map(|word| Some((self.finder.word(word).into(), last(word)?)));
        self.names.get_or_init(|| names().collect()).get(text.as_bytes()).copied()
    }

    /// The rules whose words stand in the first `most` octets of a folded text, in the order of the rules, each with
    /// its first place in the folded text. Only of rules that are `wanted`.
    pub(super) fn find(&self, folded: &Folded, most: usize, wanted: impl Fn(u32) -> bool) -> Vec<Where> {
        let text = folded.head(most);
        let mut found: Vec<Where> = Vec::new();
        if text.is_empty() {
            return found;
        }
        let mut note = |rule: u32, start: usize, end: usize| {
            let hit = Where { rule: rule as usize, start, end };
            match found.iter_mut().find(|w| w.rule == hit.rule) {
                // Of two hits at one place the longer says more: `yahoo.com.br` rather than `yahoo.com`.
                Some(old) if hit.start < old.start || (hit.start == old.start && hit.end > old.end) => *old = hit,
                Some(_) => {}
                None => found.push(hit),
            }
        };
        let mut beside = Besides::default();
        let mut candidates = self.patterns.candidates(text, &wanted);
        // Places of words that some rule wants, or does not want, beside its own.
        let mut around: Vec<Around> = Vec::new();
        self.finder.each(text, |Hit { word, start, end }| {
            let (open, ofs) = self.of(word);
            if !folded.is_whole(start, end, open) {
                return;
            }
            let mut is_around = false;
            for of in ofs {
                match of {
                    Of::Way(way) => candidates.add(way, start..end, &wanted),
                    Of::Beside(rule) if wanted(rule) => push(&mut beside.of(rule).own, (start, end)),
                    Of::Rule(rule) if wanted(rule) => note(rule, start, end),
                    Of::Rule(_) | Of::Beside(_) => {}
                    Of::With(_) | Of::Without(_) => is_around = true,
                }
            }
            if is_around && around.len() < MOST_AROUND {
                around.extend(Around::new(word, start, end));
            }
        });
        for (pattern, rule, within) in candidates.all() {
            let mut hits = pattern.find_iter(text, within);
            if self.beside.contains_key(&rule) {
                let own = &mut beside.of(rule).own;
                own.extend(hits.take(MOST_HITS).map(|hit| (hit.start, hit.end)));
            } else if let Some(hit) = hits.next() {
                note(rule, hit.start, hit.end);
            }
        }
        if !beside.rules.is_empty() {
            for Around { word, start, end } in around {
                let place = (start as usize, end as usize);
                for of in self.of(word as usize).1 {
                    match of {
                        Of::With(rule) => beside.known(rule).into_iter().for_each(|b| push(&mut b.with, place)),
                        Of::Without(rule) => beside.known(rule).into_iter().for_each(|b| push(&mut b.without, place)),
                        Of::Rule(_) | Of::Beside(_) | Of::Way(_) => {}
                    }
                }
            }
        }
        for (rule, Beside { own, with, without }) in beside.rules {
            let wants = self.beside.get(&rule).copied().unwrap_or_default();
            let near = |hit: &(usize, usize), list: &[(usize, usize)]| {
                list.iter().any(|word| in_one_sentence(text, *hit, *word))
            };
            let fits = |hit: &&(usize, usize)| (!wants || near(hit, &with)) && !near(hit, &without);
            let longest = |hit: &&(usize, usize)| (hit.0, std::cmp::Reverse(hit.1));
            if let Some(&(start, end)) = own.iter().filter(fits).min_by_key(longest) {
                note(rule, start, end);
            }
        }
        found.sort_unstable_by_key(|w| w.rule);
        found
    }
}

/// Hits of rules that look at what stands beside them, by rule.
#[derive(Default)]
struct Besides {
    rules: BTreeMap<u32, Beside>,
    /// A bit for the rules whose numbers are the same but for a multiple of 512: mostly it says at once that a rule has
    /// no hits.
    bits: [u64; 8],
}

impl Besides {
    /// The hits of a rule, now that there are some.
    fn of(&mut self, rule: u32) -> &mut Beside {
        let (at, bit) = Self::bit(rule);
        self.bits.get_mut(at).into_iter().for_each(|bits| *bits |= bit);
        self.rules.entry(rule).or_default()
    }

    /// The hits of a rule, if it has any.
    fn known(&mut self, rule: u32) -> Option<&mut Beside> {
        let (at, bit) = Self::bit(rule);
        self.bits.get(at).filter(|bits| *bits & bit != 0)?;
        self.rules.get_mut(&rule)
    }

    const fn bit(rule: u32) -> (usize, u64) {
        (rule as usize / 64 % 8, 1 << (rule % 64))
    }
}

fn push<T>(list: &mut Vec<T>, hit: T) {
    if list.len() < MOST_HITS {
        list.push(hit);
    }
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
    use super::super::packed::with_plain_ends;
    use super::super::recipe::{Recipe, Wanted};
    use super::{Folded, Matcher, in_one_sentence};
    use proptest::prelude::*;
    use regex::Regex;

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

    proptest! {
        // Patterns are run where their literals stand, and only if the text holds what they ask for: which must not tell.
        #[test]
        fn patterns_match_as_on_the_whole_text(
            pattern in r"(\\b|abc|bcd|é|[.] ?|\(abc\|bc( cab)?\|d{2}b\)|\(bca\|\(cab\|dd\) abc\)|\[\^.!\](\{0,6\}|[*])|\[\^.\][*]|\\S[+]){1,5}",
            texts in prop::collection::vec(prop::collection::vec(
                prop::sample::select(vec!["abc", "bcd", "cab", "bca", "ddb", "é", ". ", "!", " "]), 0..24), 2..4),
        ) {
            let Ok(regex) = Regex::new(&with_plain_ends(&pattern)) else { return Ok(()) };
            let wanted = Wanted { rule: 3, any: &[], with: &[], without: &[], pattern: Some(&pattern) };
            let matcher = Matcher::new(Recipe::of([wanted].into_iter()));
            for text in texts {
                let folded = Folded::new(&text.concat());
                // Nothing is looked for in nothing.
                if folded.text.is_empty() {
                    continue;
                }
                let found = matcher.find(&folded, usize::MAX, |_| true);
                let places: Vec<_> = found.iter().map(|hit| hit.start..hit.end).collect();
                let expected: Vec<_> = regex.find(&folded.text).map(|hit| hit.range()).into_iter().collect();
                prop_assert_eq!(places, expected, "{} {:?}", pattern, folded.text);
                prop_assert!(matcher.find(&folded, usize::MAX, |rule| rule != 3).is_empty());
            }
        }
    }
}
