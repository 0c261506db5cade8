//! Which patterns are run on a text: those of which it holds what one of their branches asks for (see `literals`); and
//! on which parts of it: those within reach of a literal (see `reach`).

use super::pattern::{Pattern, all_of};
use super::reach::Reach;
use super::recipe::{Bare, PatternRecipe};
use super::ways::Ways;
use super::words::{PLACES, place_of};
use memchr::memmem;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

/// Octets on which a pattern runs in the time in which one word is looked for, whatever the length of the text.
const OCTETS_A_WORD: usize = 16;
/// Parts of a text in which one pattern is looked for; of more it is the whole text.
const MOST_PARTS: usize = 32;
/// Parts of a text in which words are looked for before a pattern is made.
const MOST_LOOKS: u8 = 64;

/// Patterns, and what they ask for: see [`PatternRecipe`].
pub(super) struct Patterns {
    /// Each with its rule.
    list: Vec<(Pattern, u32, Reach)>,
    ways: Ways,
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
        let PatternRecipe { list, packed, ways, hinted, bare } = recipe;
        let packed = Arc::new(packed);
        let pattern = |at: u32, reach| Pattern::new(Arc::clone(&packed), at as usize, reach);
        let of_all = Reach::default();
        Self {
            list: list.into_iter().map(|(at, rule, reach)| (pattern(at, reach), rule, reach)).collect(),
            ways,
            hinted,
            bare: bare.into_iter().map(|Bare { any, patterns }| (pattern(any, of_all), patterns)).collect(),
        }
    }

    /// Those of `wanted` rules without a literal, to begin with.
    pub(super) fn candidates<'m>(&'m self, text: &'m str, wanted: &impl Fn(u32) -> bool) -> Candidates<'m> {
        let mut all = Candidates {
            patterns: self,
            text: text.as_bytes(),
            threes: OnceCell::new(),
            list: Vec::new(),
            chosen: vec![0; self.list.len()],
            looks: 0,
            missed: (u32::MAX, 0, 0),
            tried: Numbers::up_to(self.ways.len()),
            failed: Numbers::up_to(self.ways.len()),
            asked: Numbers::up_to(self.ways.sets()),
            held: Numbers::up_to(self.ways.sets()),
        };
        let is_wanted = |pattern: u32| self.list.get(pattern as usize).is_some_and(|(_, rule, _)| wanted(*rule));
        for (pattern, hints) in &self.hinted {
            if is_wanted(*pattern) && hints.bytes().any(|octet| memchr::memchr(octet, all.text).is_some()) {
                all.choose(*pattern, None);
            }
        }
        for (any, patterns) in &self.bare {
            let is_alone = patterns.len() == 1;
            let mut patterns = patterns.iter().copied().filter(|pattern| is_wanted(*pattern)).peekable();
            if patterns.peek().is_some() && (is_alone || any.may_match(text)) {
                patterns.for_each(|pattern| all.choose(pattern, None));
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
    /// The patterns, and in which parts of the text.
    list: Vec<(u32, Parts)>,
    /// Of each pattern its place in the list, from 1.
    chosen: Vec<u16>,
    /// Parts in which words were looked for.
    looks: u8,
    /// The way and the part of the last of them that had none.
    missed: (u32, usize, usize),
    /// Ways that were looked at.
    tried: Numbers,
    /// Those of them that ask for what the text does not hold.
    failed: Numbers,
    /// Sets that were looked for, and those of which the text holds a word.
    asked: Numbers,
    held: Numbers,
}

/// Parts of a text, in any order; none: all of it.
type Parts = Option<Vec<Range<usize>>>;

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
    /// A pattern is to be run, on all of the text where no part is given.
    fn choose(&mut self, pattern: u32, part: Option<Range<usize>>) {
        let Some(place) = self.chosen.get_mut(pattern as usize) else { return };
        let Some(at) = place.checked_sub(1) else {
            let Ok(next) = u16::try_from(self.list.len() + 1) else { return };
            *place = next;
            self.list.push((pattern, part.map(|part| vec![part])));
            return;
        };
        let Some((_, parts)) = self.list.get_mut(usize::from(at)) else { return };
        match (parts.as_mut(), part) {
            (Some(list), Some(part)) if list.len() < MOST_PARTS => list.push(part),
            _ => *parts = None,
        }
    }

    /// Whether a pattern will be run on all of the text.
    fn runs_everywhere(&self, pattern: u32) -> bool {
        self.parts(pattern).is_some_and(Option::is_none)
    }

    /// Where a pattern will be run, if it will.
    fn parts(&self, pattern: u32) -> Option<&Parts> {
        let at = self.chosen.get(pattern as usize)?.checked_sub(1)?;
        self.list.get(usize::from(at)).map(|(_, parts)| parts)
    }

    /// Whether a pattern will be run on this part of the text.
    fn covers(&self, pattern: u32, part: &Range<usize>) -> bool {
        let covers = |known: &Range<usize>| known.start <= part.start && part.end <= known.end;
        self.parts(pattern).is_some_and(|parts| parts.as_ref().is_none_or(|parts| parts.iter().rev().any(covers)))
    }

    /// A literal of this way was found at this place. Only patterns of `wanted` rules are chosen.
    pub(super) fn add(&mut self, way: u32, place: Range<usize>, wanted: &impl Fn(u32) -> bool) {
        let Some((pattern, sets)) = self.patterns.ways.get(way) else { return };
        let Some((made, rule, reach)) = self.patterns.list.get(pattern as usize) else { return };
        if !wanted(*rule) || self.failed.has(way) {
            return;
        }
        // To run a pattern that is made takes no longer than to look for many words.
        let made = made.is_made();
        if self.tried.add(way) {
            let most = if made { self.text.len() / OCTETS_A_WORD } else { usize::MAX };
            let few = |set: &u32| self.patterns.ways.count(*set) <= most;
            if !sets.iter().filter(|set| few(set)).all(|set| self.has(*set)) {
                self.failed.add(way);
                return;
            }
        }
        if !reach.is_known() {
            self.choose(pattern, None);
            return;
        }
        if self.runs_everywhere(pattern) {
            return;
        }
        // What lies around a place between two stops lies around all others there.
        if reach.is_of_stops() && self.covers(pattern, &place) {
            return;
        }
        let part = reach.around(self.text, place);
        if self.covers(pattern, &part) {
            return;
        }
        // To make it takes longer than to look for any words, unless one has to look again and again.
        if !made && self.looks < MOST_LOOKS {
            if self.missed == (way, part.start, part.end) {
                return;
            }
            self.looks += 1;
            if !sets.iter().all(|set| self.stands_in(*set, part.clone())) {
                self.missed = (way, part.start, part.end);
                return;
            }
        }
        self.choose(pattern, Some(part));
    }

    /// The patterns with their rules, each with the parts of the text in which it is looked for.
    pub(super) fn all(self) -> impl Iterator<Item = (&'m Pattern, u32, Vec<Range<usize>>)> {
        let (patterns, text) = (self.patterns, self.text);
        self.list.into_iter().filter_map(move |(at, parts)| {
            let (pattern, rule, _) = patterns.list.get(at as usize)?;
            Some((pattern, *rule, parts.map_or_else(|| all_of(text), joined)))
        })
    }

    /// Whether a part of the text holds a word of a set.
    fn stands_in(&self, set: u32, part: Range<usize>) -> bool {
        let part = self.text.get(part).unwrap_or_default();
        self.patterns.ways.words(set).any(|word| memmem::find(part, word.as_bytes()).is_some())
    }

    /// Whether the text holds a word of a set.
    fn has(&mut self, set: u32) -> bool {
        if self.asked.add(set) {
            let threes = self.threes.get_or_init(|| Threes::of(self.text));
            let is_there =
                |word: &str| threes.may_have(word.as_bytes()) && memmem::find(self.text, word.as_bytes()).is_some();
            if self.patterns.ways.words(set).any(is_there) {
                self.held.add(set);
            }
        }
        self.held.has(set)
    }
}

/// Parts in their order, those that overlap in one.
fn joined(mut parts: Vec<Range<usize>>) -> Vec<Range<usize>> {
    parts.sort_unstable_by_key(|part| part.start);
    parts.dedup_by(|next, last| {
        let overlap = next.start < last.end;
        if overlap {
            last.end = last.end.max(next.end);
        }
        overlap
    });
    parts
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
            let mut rules: Vec<u32> = patterns.candidates(text, &|_| true).all().map(|(_, rule, _)| rule).collect();
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
