//! Which patterns are run on a text: those of which it holds what one of their branches asks for (see `literals`).

use super::pattern::Pattern;
use super::recipe::{Bare, PatternRecipe};
use super::words::{PLACES, place_of};
use memchr::memmem;
use std::cell::OnceCell;
use std::sync::Arc;

/// Octets on which a pattern runs in the time in which one word is looked for, whatever the length of the text.
const OCTETS_A_WORD: usize = 16;

/// Patterns, and what they ask for: see [`PatternRecipe`].
pub(super) struct Patterns {
    /// Each with its rule.
    list: Vec<(Pattern, u32)>,
    ways: Vec<(u32, Vec<u32>)>,
    sets: Vec<Vec<String>>,
    /// Patterns that ask for one of a few octets.
    hinted: Vec<(u32, String)>,
    /// Patterns that ask for nothing, with the one that stands for all of them.
    bare: Vec<(Pattern, Vec<u32>)>,
}

/// Which three octets stand in a text, one behind the other. They tell of most words that they are not there, in less
/// time than it takes to look for one.
struct Threes(Box<[u64]>);

impl Threes {
    fn of(text: &[u8]) -> Self {
        let mut bits = vec![0; PLACES / 64].into_boxed_slice();
        for three in text.array_windows() {
            let (at, bit) = Self::place(*three);
            bits.get_mut(at).into_iter().for_each(|bits: &mut u64| *bits |= bit);
        }
        Self(bits)
    }

    fn place([first, second, third]: [u8; 3]) -> (usize, u64) {
        let place = usize::from(place_of(first, second, third));
        (place / 64, 1 << (place % 64))
    }

    /// Whether a word may be there: where it may not, it is not.
    fn may_have(&self, word: &[u8]) -> bool {
        word.array_windows()
            .map(|three| Self::place(*three))
            .all(|(at, bit)| self.0.get(at).is_some_and(|b| b & bit != 0))
    }
}

impl Patterns {
    pub(super) fn new(recipe: PatternRecipe) -> Self {
        let PatternRecipe { list, packed, ways, sets, hinted, bare } = recipe;
        let packed = Arc::new(packed);
        let pattern = |at: u32| Pattern::new(Arc::clone(&packed), at as usize);
        Self {
            list: list.into_iter().map(|(at, rule)| (pattern(at), rule)).collect(),
            ways,
            sets,
            hinted,
            bare: bare.into_iter().map(|Bare { any, patterns }| (pattern(any), patterns)).collect(),
        }
    }

    /// Those without a literal, to begin with.
    pub(super) fn candidates<'m>(&'m self, text: &'m str) -> Candidates<'m> {
        let mut all = Candidates {
            patterns: self,
            text: text.as_bytes(),
            threes: OnceCell::new(),
            list: Vec::new(),
            chosen: Numbers::up_to(self.list.len()),
            tried: Numbers::up_to(self.ways.len()),
            asked: Numbers::up_to(self.sets.len()),
            held: Numbers::up_to(self.sets.len()),
        };
        for (pattern, hints) in &self.hinted {
            if hints.bytes().any(|octet| memchr::memchr(octet, all.text).is_some()) {
                all.choose(*pattern);
            }
        }
        for (any, patterns) in &self.bare {
            if patterns.len() == 1 || any.may_match(text) {
                for pattern in patterns {
                    all.choose(*pattern);
                }
            }
        }
        all
    }
}

/// The patterns to run on a text.
pub(super) struct Candidates<'m> {
    patterns: &'m Patterns,
    text: &'m [u8],
    /// Those of the text, once they are asked for.
    threes: OnceCell<Threes>,
    list: Vec<u32>,
    /// The patterns of the list.
    chosen: Numbers,
    /// Ways that were looked at.
    tried: Numbers,
    /// Sets that were looked for, and those of which the text holds a word.
    asked: Numbers,
    held: Numbers,
}

/// Numbers up to some number.
struct Numbers(Vec<u64>);

impl Numbers {
    fn up_to(most: usize) -> Self {
        Self(vec![0; most.div_ceil(64)])
    }

    fn has(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|bits| bits & (1 << (number % 64)) != 0)
    }

    /// Whether it was not among them before.
    fn add(&mut self, number: u32) -> bool {
        let bit = 1 << (number % 64);
        self.0.get_mut(number as usize / 64).is_some_and(|bits| {
            let is_new = *bits & bit == 0;
            *bits |= bit;
            is_new
        })
    }
}

impl<'m> Candidates<'m> {
    fn choose(&mut self, pattern: u32) {
        if self.chosen.add(pattern) {
            self.list.push(pattern);
        }
    }

    /// A literal of this way was found.
    pub(super) fn add(&mut self, way: u32) {
        if !self.tried.add(way) {
            return;
        }
        let Some((pattern, sets)) = self.patterns.ways.get(way as usize) else { return };
        if self.chosen.has(*pattern) {
            return;
        }
        // To run a pattern that is made takes no longer than to look for many words.
        let made = self.patterns.list.get(*pattern as usize).is_some_and(|(pattern, _)| pattern.is_made());
        let most = if made { self.text.len() / OCTETS_A_WORD } else { usize::MAX };
        let few = |set: &u32| self.patterns.sets.get(*set as usize).is_some_and(|words| words.len() <= most);
        if sets.iter().filter(|set| few(set)).all(|set| self.has(*set)) {
            self.choose(*pattern);
        }
    }

    /// The patterns, with their rules.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'m Pattern, u32)> {
        self.list.iter().filter_map(|at| self.patterns.list.get(*at as usize)).map(|(pattern, rule)| (pattern, *rule))
    }

    /// Whether the text holds a word of a set.
    fn has(&mut self, set: u32) -> bool {
        if self.asked.add(set) {
            let threes = self.threes.get_or_init(|| Threes::of(self.text));
            let is_there =
                |word: &String| threes.may_have(word.as_bytes()) && memmem::find(self.text, word.as_bytes()).is_some();
            if self.patterns.sets.get(set as usize).is_some_and(|words| words.iter().any(is_there)) {
                self.held.add(set);
            }
        }
        self.held.has(set)
    }
}

#[cfg(test)]
mod tests {
    use super::{Patterns, Threes};
    use crate::classify::rules::recipe::{Recipe, Wanted};
    use proptest::prelude::*;

    #[test]
    fn patterns_without_a_literal_run_where_one_of_them_matches() {
        let patterns = ["^.{2}$", r"^\d", r"\d\d", "[x-zα-ω]z?", "[!?]"];
        let wanted = |(pattern, rule): (&&'static str, usize)| Wanted {
            rule,
            any: &[],
            with: &[],
            without: &[],
            pattern: Some(pattern),
        };
        let recipe = Recipe::of(patterns.iter().zip(0..).map(wanted)).patterns;
        assert_eq!((recipe.bare.len(), recipe.hinted.len()), (2, 1));
        let patterns = Patterns::new(recipe);
        let table: [(&str, &[u32]); 6] =
            [("", &[]), ("abc", &[]), ("ab", &[0, 1]), ("in 10 days", &[2, 3]), ("by", &[0, 1, 2, 3]), ("what?", &[4])];
        for (text, expected) in table {
            let mut rules: Vec<u32> = patterns.candidates(text).all().map(|(_, rule)| rule).collect();
            rules.sort_unstable();
            assert_eq!(rules, expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_a_text_holds_it_may_hold(before in "\\PC{0,20}", word in "\\PC{0,8}", behind in "\\PC{0,20}") {
            let threes = Threes::of(format!("{before}{word}{behind}").as_bytes());
            prop_assert!(threes.may_have(word.as_bytes()));
        }

        #[test]
        fn what_it_does_not_hold_it_mostly_may_not(text in "[a-m ]{0,200}", word in "[n-z]{3,8}") {
            prop_assert!(!Threes::of(text.as_bytes()).may_have(word.as_bytes()));
        }
    }
}
