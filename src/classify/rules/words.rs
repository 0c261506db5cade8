//! Where many words stand in a text, all found in one walk over it.
//!
//! Most words of rules begin where a word of the text begins, and most phrases hold further such places. So each word
//! is known by the octets behind one of them, those that are rarest among all words, and the walk looks at the starts of
//! the text's words alone: a small table of bits says that most are none of ours, and the few others are compared with
//! the words that they may belong to. What may stand within a word of the text is known by any four of its octets, which
//! are looked for at every octet. For tens of thousands of words that takes less time and memory than an automaton,
//! which has to be made first and whose states do not fit into the processor's caches.

use super::folded::is_letter;
use std::ops::Range;

/// Octets by which a word is known where a word of the text begins: the first of these that fits.
const AT_STARTS: [usize; 5] = [8, 6, 4, 3, 2];
/// The same for words that may stand anywhere.
const ANYWHERE: [usize; 2] = [4, 2];
/// All of them.
const KINDS: usize = AT_STARTS.len() + ANYWHERE.len();
/// Bits of a table for each word, of which it sets two: one in sixty places of a text is then looked at closer for
/// nothing.
const BITS_EACH: usize = 16;
/// A gram further behind in its word is none by which it is found.
const MOST_BEFORE: u16 = 1 << 14;
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
    /// In the order of [`AT_STARTS`] and [`ANYWHERE`].
    grams: [Grams; KINDS],
    /// By the first three octets of grams, a bit for each kind of them that begins so.
    begins: Box<[u8]>,
}

/// Places of a text that are looked at together: as many as a number has bits.
const AT_ONCE: usize = 64;
/// The kinds that are looked for within a word of the text too.
const WITHIN: u8 = u8::MAX << AT_STARTS.len();

/// Some octets of words, and the words that are known by them.
struct Grams {
    /// Which of eight octets count.
    mask: u64,
    /// Two bits for each gram, in one number.
    bits: Vec<u64>,
    /// How far a spread gram is shifted to be an index of `bits`.
    shift: u32,
    /// Where the words begin whose spread grams begin alike, in `known`; one more for the end.
    starts: Vec<u32>,
    /// The same for an index of `starts`.
    start_shift: u32,
    known: Vec<Known>,
}

/// A word that is known by a gram.
#[derive(Debug, Clone, Copy)]
struct Known {
    word: u32,
    /// Octets of the word before the gram.
    before: u16,
    /// By which grams that share their place here mostly differ.
    check: u16,
    /// The word's octets.
    length: u32,
    /// The last four of them, by which words that share a gram mostly differ: those themselves lie elsewhere, and to
    /// fetch them takes longer than all else. Zeros for a shorter word.
    last: [u8; 4],
}

impl Known {
    /// For a gram of this word.
    fn new(number: usize, word: &[u8], before: usize, gram: u64) -> Self {
        Self {
            word: self::number(number),
            before: u16::try_from(before).unwrap_or(MOST_BEFORE),
            check: check(gram),
            length: self::number(word.len()),
            last: word.last_chunk().copied().unwrap_or_default(),
        }
    }

    /// Where the word would stand that has this gram at `at`; none where something else stands.
    #[inline]
    fn place(&self, text: &[u8], at: usize) -> Option<Range<usize>> {
        let start = at.checked_sub(usize::from(self.before))?;
        let end = start + self.length as usize;
        let last = text.get(..end)?.last_chunk::<4>();
        (self.length < 4 || last == Some(&self.last)).then_some(start..end)
    }
}

/// Similar grams far from each other.
#[inline]
const fn spread(gram: u64) -> u64 {
    gram.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// See [`Known`].
// The other bits tell the places.
#[allow(clippy::cast_possible_truncation)]
const fn check(gram: u64) -> u16 {
    (spread(gram) >> 24) as u16
}

/// The eight octets from `at` on; zeros behind the end.
fn eight(text: &[u8], at: usize) -> u64 {
    let rest = text.get(at..).unwrap_or_default();
    rest.first_chunk()
        .map_or_else(|| rest.iter().rev().fold(0, |all, o| (all << 8) | u64::from(*o)), |all| u64::from_le_bytes(*all))
}

const fn is_first(octet: u8) -> bool {
    octet & 0xc0 != 0x80 && octet != b' '
}

impl Grams {
    /// For grams of so many octets.
    fn new(octets: usize, list: &[(u64, Known)]) -> Self {
        let index = (list.len() * BITS_EACH).next_power_of_two().trailing_zeros().clamp(7, MOST_BITS);
        let start_index = list.len().next_power_of_two().trailing_zeros().max(1);
        let mut grams = Self {
            mask: mask(octets),
            bits: vec![0; 1 << (index - 6)],
            shift: 70 - index,
            starts: vec![0; (1 << start_index) + 1],
            start_shift: 64 - start_index,
            known: vec![Known::new(0, &[], 0, 0); list.len()],
        };
        for (gram, _) in list {
            let (at, two) = grams.slot(*gram);
            grams.bits.get_mut(at).into_iter().for_each(|bits| *bits |= two);
            let start = grams.start(*gram) + 1;
            grams.starts.get_mut(start).into_iter().for_each(|count| *count += 1);
        }
        let mut sum = 0;
        for start in &mut grams.starts {
            sum += *start;
            *start = sum;
        }
        let mut next = grams.starts.clone();
        for (gram, known) in list {
            let start = grams.start(*gram);
            let Some(next) = next.get_mut(start) else { continue };
            grams.known.get_mut(*next as usize).into_iter().for_each(|place| *place = *known);
            *next += 1;
        }
        grams
    }

    /// Where the bits of a gram stand.
    #[inline]
    // Of the 64 bits as many are left as `bits` has places for.
    #[allow(clippy::cast_possible_truncation)]
    const fn slot(&self, gram: u64) -> (usize, u64) {
        let spread = spread(gram);
        ((spread >> self.shift) as usize, (1 << ((spread >> 32) & 63)) | (1 << ((spread >> 38) & 63)))
    }

    /// Whether words may be known by these octets of a text.
    #[inline]
    fn may_have(&self, eight: u64) -> bool {
        let (at, two) = self.slot(eight & self.mask);
        self.bits.get(at).is_some_and(|bits| bits & two == two)
    }

    /// Where in `starts` the words of a gram are.
    // Of the 64 bits as many are left as `starts` has places for.
    #[allow(clippy::cast_possible_truncation)]
    const fn start(&self, gram: u64) -> usize {
        (spread(gram) >> self.start_shift) as usize
    }

    /// The words that are known by a gram, and few others.
    fn known(&self, gram: u64) -> impl Iterator<Item = &Known> {
        let start = self.start(gram);
        let (from, to) = (self.starts.get(start), self.starts.get(start + 1));
        let range = from.copied().unwrap_or_default() as usize..to.copied().unwrap_or_default() as usize;
        let check = check(gram);
        self.known.get(range).unwrap_or_default().iter().filter(move |known| known.check == check)
    }
}

/// The first so many of eight octets.
const fn mask(octets: usize) -> u64 {
    u64::MAX >> (64 - 8 * octets)
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A word that is to be found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word<'w> {
    pub text: &'w str,
    /// Whether it may begin within a word of the text.
    pub open: bool,
}

impl Word<'_> {
    /// Places within it that begin a word wherever the word stands in a text.
    fn starts(&self) -> impl Iterator<Item = usize> {
        let whole = !self.open && self.text.starts_with(is_letter);
        let inner = self.text.as_bytes().array_windows().enumerate();
        let inner = inner.filter(|(_, [before, octet])| !before.is_ascii_alphanumeric() && is_first(*octet));
        whole.then_some(0).into_iter().chain(inner.map(|(at, _)| at + 1))
    }

    /// By what it may be known: the number of the grams, in the order of [`AT_STARTS`] and [`ANYWHERE`], their octets.
    fn kind(&self) -> Option<(usize, usize)> {
        let fits = |sizes: &[usize], octets: usize| sizes.iter().position(|size| *size <= octets);
        let behind = self.starts().next().map_or(0, |at| self.text.len() - at);
        let kind = fits(&AT_STARTS, behind)
            .or_else(|| fits(&ANYWHERE, self.text.len()).map(|number| AT_STARTS.len() + number))?;
        AT_STARTS.iter().chain(&ANYWHERE).nth(kind).map(|size| (kind, *size))
    }

    /// Calls `each` with the place and the octets of each gram by which it may be known.
    fn grams(&self, (kind, size): (usize, usize), mut each: impl FnMut(usize, u64)) {
        let mut give = |at: usize| {
            if at + size <= self.text.len() {
                each(at, eight(self.text.as_bytes(), at) & mask(size));
            }
        };
        if kind < AT_STARTS.len() {
            self.starts().for_each(give);
        } else {
            (0..self.text.len()).for_each(&mut give);
        }
    }
}

/// By what each word is best known: the place of the gram that is rarest among all of them. Depends on the words alone,
/// and takes longer than all else that a finder needs.
pub(crate) fn rarest(words: &[Word<'_>]) -> Vec<u16> {
    // How common the grams are. Two that share a place only seem more common.
    let mut counts = vec![0_u32; 1 << 16];
    let place = |kind: usize, gram: u64| (spread(gram ^ ((kind as u64) << 60)) >> 48) as usize;
    let kinds: Vec<_> = words.iter().map(Word::kind).collect();
    for (word, kind) in words.iter().zip(&kinds) {
        if let Some(kind) = *kind {
            word.grams(kind, |_, gram| {
                counts.get_mut(place(kind.0, gram)).into_iter().for_each(|count| *count += 1);
            });
        }
    }
    let rarest = |(word, kind): (&Word<'_>, Option<(usize, usize)>)| {
        let kind = kind?;
        let mut rarest: Option<(u32, u16)> = None;
        word.grams(kind, |at, gram| {
            let count = counts.get(place(kind.0, gram)).copied().unwrap_or_default();
            if let Ok(at) = u16::try_from(at)
                && at < MOST_BEFORE
                && rarest.is_none_or(|(least, _)| count < least)
            {
                rarest = Some((count, at));
            }
        });
        rarest.map(|(_, at)| at)
    };
    words.iter().zip(kinds).map(rarest).map(Option::unwrap_or_default).collect()
}

impl WordFinder {
    /// Words are numbered in the order in which they are given; each comes with the place of the gram by which it is
    /// found (see [`rarest`]).
    pub(super) fn new<'w>(words: impl Iterator<Item = (Word<'w>, usize)>) -> Self {
        let (mut octets, mut ends) = (Vec::new(), Vec::new());
        let mut lists = [const { Vec::new() }; KINDS];
        let mut begins = vec![0_u8; PLACES].into_boxed_slice();
        for (number, (word, at)) in words.enumerate() {
            octets.extend_from_slice(word.text.as_bytes());
            ends.push(self::number(octets.len()));
            let Some((kind, size)) = word.kind() else { continue };
            let gram = eight(word.text.as_bytes(), at) & mask(size);
            let known = Known::new(number, word.text.as_bytes(), at, gram);
            lists.get_mut(kind).into_iter().for_each(|list| list.push((gram, known)));
            // Of a gram of two octets any may be the third.
            let [first, second, third, ..] = gram.to_le_bytes();
            for third in if size > 2 { third..=third } else { 0..=31 } {
                begins
                    .get_mut(usize::from(place_of(first, second, third)))
                    .into_iter()
                    .for_each(|kinds| *kinds |= 1 << kind);
            }
        }
        let mut sizes = AT_STARTS.iter().chain(&ANYWHERE);
        let grams = lists.map(|list| Grams::new(sizes.next().copied().unwrap_or(1), &list));
        Self { octets, ends, grams, begins }
    }

    /// A word by its number.
    pub(super) fn word(&self, at: usize) -> &[u8] {
        let from = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let to = self.ends.get(at).copied().unwrap_or(from);
        self.octets.get(from as usize..to as usize).unwrap_or_default()
    }

    /// Every place of every word, by the place of what the word is known by. A word that is not open and begins within
    /// a word of the text may be left out.
    pub(super) fn each(&self, text: &str, mut found: impl FnMut(Hit)) {
        let text = text.as_bytes();
        let mut places = Vec::with_capacity(text.len() / 4);
        let within = self.look(text, 0, false, &mut places);
        // Behind the last octets stand zeros.
        let from = text.len().saturating_sub(7);
        let last = text.get(from..).unwrap_or_default();
        let mut tail = [0; 14];
        tail.iter_mut().zip(last).for_each(|(to, octet)| *to = *octet);
        self.look(tail.get(..last.len() + 7).unwrap_or_default(), from, within, &mut places);
        for (at, kind) in places {
            let Some(grams) = self.grams.get(usize::from(kind)) else { continue };
            for known in grams.known(eight(text, at as usize) & grams.mask) {
                let Some(Range { start, end }) = known.place(text, at as usize) else { continue };
                if text.get(start..end).is_some_and(|there| there == self.word(known.word as usize)) {
                    found(Hit { word: known.word as usize, start, end });
                }
            }
        }
    }

    /// Collects the places behind which seven octets follow and at which some gram may stand, each with the number of
    /// the grams. `within`: whether the octet before is a letter or digit of ASCII; given back for the last one.
    fn look(&self, octets: &[u8], from: usize, within: bool, places: &mut Vec<(u32, u8)>) -> bool {
        let last = octets.len().saturating_sub(7);
        for at in (0..last).step_by(AT_ONCE) {
            let mut found = self.may_begin(octets, at, within);
            if last - at < AT_ONCE {
                found &= (1 << (last - at)) - 1;
            }
            while found != 0 {
                let at = at + found.trailing_zeros() as usize;
                found &= found - 1;
                let Some(eight) = octets.get(at..).and_then(<[u8]>::first_chunk::<8>) else { break };
                let within = at.checked_sub(1).map_or(within, |before| octets.get(before).copied().is_some_and(joins));
                let [first, second, third, ..] = *eight;
                let eight = u64::from_le_bytes(*eight);
                let mut kinds = self.begins(place_of(first, second, third)) & kinds_behind(within);
                while kinds != 0 {
                    // At most seven.
                    #[allow(clippy::cast_possible_truncation)]
                    let kind = kinds.trailing_zeros() as u8;
                    kinds &= kinds - 1;
                    if self.grams.get(usize::from(kind)).is_some_and(|grams| grams.may_have(eight)) {
                        places.push((number(from + at), kind));
                    }
                }
            }
        }
        last.checked_sub(1).map_or(within, |before| octets.get(before).copied().is_some_and(joins))
    }

    /// A bit for each of the places from `at` on at which some gram may begin. Which these are no processor can foresee:
    /// so they are found without a branch, and what all places have in common is done for many at once.
    fn may_begin(&self, octets: &[u8], at: usize, within: bool) -> u64 {
        // With the octet before, and two behind.
        let mut near = [0; AT_ONCE + 3];
        let octet =
            at.checked_sub(1).map_or(Some(if within { b'a' } else { b' ' }), |before| octets.get(before).copied());
        let [before, from @ ..] = &mut near;
        *before = octet.unwrap_or_default();
        match octets.get(at..).and_then(<[u8]>::first_chunk) {
            Some(all) => *from = *all,
            None => from.iter_mut().zip(octets.get(at..).unwrap_or_default()).for_each(|(to, octet)| *to = *octet),
        }
        let mut places = [0; AT_ONCE];
        for (place, [_, first, second, third]) in places.iter_mut().zip(near.array_windows()) {
            *place = place_of(*first, *second, *third);
        }
        let mut kinds = [0; AT_ONCE];
        for (kinds, before) in kinds.iter_mut().zip(&near) {
            *kinds = kinds_behind(joins(*before));
        }
        let mut found = 0;
        for (bit, (place, kinds)) in places.iter().zip(&kinds).enumerate() {
            found |= u64::from(self.begins(*place) & kinds != 0) << bit;
        }
        found
    }

    /// A bit for each kind of which some gram may begin with the octets of this place.
    #[inline]
    fn begins(&self, place: u16) -> u8 {
        self.begins.get(usize::from(place)).copied().unwrap_or_default()
    }
}

/// Places that three octets may have.
pub(super) const PLACES: usize = 1 << 15;

/// The place of three octets among those by which grams begin. Letters in lower case have each their own; of what else
/// shares one, some is looked at for nothing.
#[inline]
pub(super) const fn place_of(first: u8, second: u8, third: u8) -> u16 {
    (first as u16 & 31) << 10 | (second as u16 & 31) << 5 | third as u16 & 31
}

/// The kinds that are looked for behind an octet.
#[inline]
const fn kinds_behind(joins: bool) -> u8 {
    if joins { WITHIN } else { u8::MAX }
}

/// A letter or digit of ASCII: what follows it begins no word.
#[inline]
const fn joins(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::{Hit, Word, WordFinder, rarest};
    use proptest::prelude::*;

    fn found(words: &[&str], open: bool, text: &str) -> Vec<(usize, usize)> {
        let words: Vec<_> = words.iter().map(|word| Word { text: word, open }).collect();
        let mut hits = Vec::new();
        let known_at = rarest(&words);
        let words = words.iter().copied().zip(known_at.into_iter().map(usize::from));
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
            assert_eq!(found(words, true, text), expected, "{words:?} {text}");
        }
    }

    #[test]
    fn a_word_that_is_not_open_is_found_where_words_begin() {
        let table: [(&str, &str, &[usize]); 9] = [
            ("out of office", "(out of office)", &[1]),
            ("office", "office, myoffice «office» —office", &[0, 19, 31]),
            ("öffnung", "wiederöffnung öffnung", &[15]),
            ("öffnung", "„öffnung", &[3]),
            ("休み", "a休み", &[1]),
            ("!now", "act!now", &[3]),
            ("на", "на, вина", &[0]),
            ("no-reply", "a no-reply", &[2]),
            ("it", "it", &[0]),
        ];
        for (word, text, expected) in table {
            let expected: Vec<_> = expected.iter().map(|at| (0, *at)).collect();
            let letter = |c: char| c.is_alphanumeric() && c < '\u{600}';
            let mut found = found(&[word], false, text);
            let joins = |at: usize| {
                let before = text.get(..at).and_then(|t| t.chars().next_back());
                before.is_some_and(letter) && word.starts_with(letter)
            };
            found.retain(|(_, at)| !joins(*at));
            assert_eq!(found, expected, "{word} {text}");
        }
    }

    proptest! {
        #[test]
        fn the_same_as_looking_for_each(
            words in prop::collection::vec("[ab -é休]{1,12}", 0..40),
            text in "[abc -é休]{0,200}",
            open in any::<bool>(),
        ) {
            let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| word.len() > 1).collect();
            let letter = |c: char| c.is_alphanumeric() && c < '\u{600}';
            let mut expected = Vec::new();
            for (number, word) in words.iter().enumerate() {
                let starts = (0..text.len()).filter(|at| text.get(*at..).is_some_and(|t| t.starts_with(word)));
                expected.extend(starts.map(|start| (number, start)));
            }
            let wanted = |hit: &(usize, usize)| {
                let before = text.get(..hit.1).and_then(|t| t.chars().next_back());
                open || !(before.is_some_and(letter) && words[hit.0].starts_with(letter))
            };
            let mut found = found(&words, open, &text);
            found.retain(wanted);
            expected.retain(wanted);
            prop_assert_eq!(found, expected);
        }
    }
}
