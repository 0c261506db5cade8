//! Where many words stand in a text, all found in one walk over it.
//!
//! Each word is known by four octets that it holds, those that are rarest among all words. The walk looks at every four
//! octets of the text: a small table of bits says that most are no word's, and the few others are compared with the
//! words that they may belong to. For tens of thousands of words that takes less time and memory than an automaton,
//! which has to be made first and whose states do not fit into the processor's caches.

use std::collections::HashMap;

/// Octets by which a word is known.
const GRAM: usize = 4;
/// Words of two or three octets are known by this many.
const SHORT: usize = 2;
/// Bits of a table for each word: one in sixteen octets of a text is then looked at closer for nothing.
const BITS_EACH: usize = 16;
/// The largest table, by the bits of its index: 64 KiB, which stays in the processor's second cache.
const MOST_BITS: u32 = 19;

/// A word and its place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    /// The word by its number.
    pub word: usize,
    pub start: usize,
    pub end: usize,
}

/// The words, ready to be found. Words of fewer than two octets are never found.
pub(super) struct WordFinder {
    /// All words, one behind the other.
    octets: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<u32>,
    long: Grams,
    short: Grams,
}

/// Some octets of words, and the words that are known by them.
struct Grams {
    /// A bit for each value that some gram may have.
    bits: Vec<u64>,
    /// How far a spread gram is shifted to be an index of `bits`.
    shift: u32,
    /// Where the words of a gram stand in `known`.
    places: HashMap<u32, (u32, u32), Plain>,
    known: Vec<Known>,
}

/// A word that is known by a gram.
#[derive(Debug, Clone, Copy)]
struct Known {
    word: u32,
    /// Octets of the word before the gram.
    before: u32,
}

/// The values are hashed before they get here.
#[derive(Default, Clone, Copy)]
struct Plain;

/// Hands a number on, spread over all bits.
#[derive(Default)]
struct Spread(u64);

impl std::hash::BuildHasher for Plain {
    type Hasher = Spread;
    fn build_hasher(&self) -> Spread {
        Spread(0)
    }
}

impl std::hash::Hasher for Spread {
    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.write_u32(u32::from(*octet));
        }
    }
    fn write_u32(&mut self, value: u32) {
        // The words are the program's and its user's, not a stranger's: nobody gains by finding values that collide.
        self.0 = (self.0 ^ u64::from(value)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn finish(&self) -> u64 {
        self.0.rotate_left(20)
    }
}

fn gram(octets: &[u8]) -> u32 {
    match *octets {
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
        [a, b] => u32::from_le_bytes([a, b, 0, 0]),
        _ => 0,
    }
}

/// Similar grams far from each other.
const fn spread(gram: u32) -> u32 {
    gram.wrapping_mul(0x9e37_79b1)
}

impl Grams {
    fn new(mut list: Vec<(u32, Known)>) -> Self {
        list.sort_unstable_by_key(|(gram, known)| (*gram, known.word));
        let index = (list.len() * BITS_EACH).next_power_of_two().trailing_zeros().clamp(6, MOST_BITS);
        let mut grams = Self {
            bits: vec![0; 1 << (index - 6)],
            shift: 32 - index,
            places: HashMap::with_capacity_and_hasher(list.len(), Plain),
            known: Vec::with_capacity(list.len()),
        };
        for group in list.chunk_by(|a, b| a.0 == b.0) {
            let from = number(grams.known.len());
            grams.known.extend(group.iter().map(|(_, known)| *known));
            let Some((gram, _)) = group.first() else { continue };
            grams.places.insert(*gram, (from, number(grams.known.len())));
            let slot = spread(*gram) >> grams.shift;
            if let Some(bits) = grams.bits.get_mut((slot >> 6) as usize) {
                *bits |= 1 << (slot & 63);
            }
        }
        grams
    }

    /// The words that these octets of a text may belong to.
    #[inline]
    fn of(&self, gram: u32) -> &[Known] {
        let slot = spread(gram) >> self.shift;
        if self.bits.get((slot >> 6) as usize).is_none_or(|bits| bits & (1 << (slot & 63)) == 0) {
            return &[];
        }
        let Some((from, to)) = self.places.get(&gram) else { return &[] };
        self.known.get(*from as usize..*to as usize).unwrap_or_default()
    }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl WordFinder {
    /// Words are numbered in the order in which they are given.
    pub(super) fn new<W: AsRef<[u8]>>(words: &[W]) -> Self {
        let mut counts = vec![0_u32; 1 << 16];
        // A gram's place among the counts: two that share one only seem more common.
        let place = |octets: &[u8]| (spread(gram(octets)) >> 16) as usize;
        for octets in words.iter().flat_map(|word| word.as_ref().windows(GRAM)) {
            if let Some(count) = counts.get_mut(place(octets)) {
                *count += 1;
            }
        }
        let rarity = |octets: &[u8]| counts.get(place(octets)).copied().unwrap_or(u32::MAX);
        let (mut long, mut short) = (Vec::new(), Vec::new());
        let (mut octets, mut ends) = (Vec::new(), Vec::with_capacity(words.len()));
        for (word, text) in words.iter().map(AsRef::as_ref).enumerate() {
            octets.extend_from_slice(text);
            ends.push(number(octets.len()));
            let rarest = text.windows(GRAM).enumerate().min_by_key(|(_, octets)| rarity(octets));
            if let Some((before, octets)) = rarest {
                long.push((gram(octets), Known { word: number(word), before: number(before) }));
            } else if let Some(octets) = text.get(..SHORT) {
                short.push((gram(octets), Known { word: number(word), before: 0 }));
            }
        }
        Self { octets, ends, long: Grams::new(long), short: Grams::new(short) }
    }

    fn word(&self, number: u32) -> &[u8] {
        let at = number as usize;
        let from = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let to = self.ends.get(at).copied().unwrap_or(from);
        self.octets.get(from as usize..to as usize).unwrap_or_default()
    }

    /// Every place of every word, by the place of what the word is known by.
    pub(super) fn each(&self, text: &str, mut found: impl FnMut(Hit)) {
        let text = text.as_bytes();
        let mut compare = |at: usize, known: &Known| {
            let word = self.word(known.word);
            let Some(start) = at.checked_sub(known.before as usize) else { return };
            let end = start + word.len();
            if text.get(start..end).is_some_and(|there| there == word) {
                found(Hit { word: known.word as usize, start, end });
            }
        };
        let any_short = !self.short.known.is_empty();
        // The last four octets, the latest on top.
        let mut last = 0_u32;
        for (at, octet) in text.iter().enumerate() {
            last = (last >> 8) | (u32::from(*octet) << 24);
            if at + 1 >= GRAM {
                self.long.of(last).iter().for_each(|known| compare(at + 1 - GRAM, known));
            }
            if any_short && at + 1 >= SHORT {
                self.short.of(last >> 16).iter().for_each(|known| compare(at + 1 - SHORT, known));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Hit, WordFinder};
    use proptest::prelude::*;

    fn found(words: &[&str], text: &str) -> Vec<(usize, usize)> {
        let mut hits = Vec::new();
        WordFinder::new(words).each(text, |Hit { word, start, .. }| hits.push((word, start)));
        hits.sort_unstable();
        hits
    }

    #[test]
    fn every_place_of_every_word() {
        let table: [(&[&str], &str, &[(usize, usize)]); 8] = [
            (&["out of office", "office", "of"], "out of office", &[(0, 0), (1, 7), (2, 4), (2, 7)]),
            (&["aaaa", "aa"], "aaaaa", &[(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (1, 3)]),
            (&["ooo"], "ooo", &[(0, 0)]),
            (&["ooo"], "oo", &[]),
            (&["abcd"], "abc", &[]),
            (&["休み", "休"], "お休み", &[(0, 3), (1, 3)]),
            (&["", "x"], "x", &[]),
            (&[], "words", &[]),
        ];
        for (words, text, expected) in table {
            assert_eq!(found(words, text), expected, "{words:?} {text}");
        }
    }

    proptest! {
        #[test]
        fn the_same_as_looking_for_each(
            words in prop::collection::vec("[ab ]{2,7}", 0..40),
            text in "[abc ]{0,60}",
        ) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut expected = Vec::new();
            for (number, word) in words.iter().enumerate() {
                let starts = (0..text.len()).filter(|at| text.get(*at..).is_some_and(|t| t.starts_with(word)));
                expected.extend(starts.map(|start| (number, start)));
            }
            prop_assert_eq!(found(&words, &text), expected);
        }
    }
}
