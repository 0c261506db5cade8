//! Branches of patterns, and the sets of words of which each asks for one word besides its own literals.
//!
//! There are thousands, read at every start, so they stand in a few long lists and are packed as such.

use super::packed::{Packed, put};
use super::recipe::END;

/// See the module.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ways {
    /// Of each branch the pattern by its number, and where its sets end in `asks`.
    list: Vec<(u32, u32)>,
    /// Sets by their number, those of one branch behind those of the branch before it.
    asks: Vec<u32>,
    /// Of each set how many words it has, and where they end in `words`.
    sets: Vec<(u32, u32)>,
    /// The words, with [`END`] behind each.
    words: String,
}

impl Ways {
    /// How many branches there are.
    pub(crate) const fn len(&self) -> usize {
        self.list.len()
    }

    /// How many sets there are.
    pub(crate) const fn sets(&self) -> usize {
        self.sets.len()
    }

    /// Adds a branch of a pattern that asks for these sets, and gives its number.
    pub(crate) fn add(&mut self, pattern: u32, asks: impl IntoIterator<Item = u32>) -> u32 {
        self.asks.extend(asks);
        self.list.push((pattern, number(self.asks.len())));
        number(self.list.len() - 1)
    }

    /// Adds a set, and gives its number.
    pub(crate) fn add_set(&mut self, words: &[String]) -> u32 {
        for word in words {
            self.words.push_str(word);
            self.words.push(END);
        }
        self.sets.push((number(words.len()), number(self.words.len())));
        number(self.sets.len() - 1)
    }

    /// The pattern of a branch and the sets for which it asks.
    pub(crate) fn get(&self, way: u32) -> Option<(u32, &[u32])> {
        let before = (way as usize).checked_sub(1).and_then(|before| self.list.get(before));
        let (pattern, end) = self.list.get(way as usize)?;
        Some((*pattern, self.asks.get(before.map_or(0, |(_, end)| *end as usize)..*end as usize)?))
    }

    /// How many words a set has.
    pub(crate) fn count(&self, set: u32) -> usize {
        self.sets.get(set as usize).map_or(0, |(count, _)| *count as usize)
    }

    /// The words of a set.
    pub(crate) fn words(&self, set: u32) -> impl Iterator<Item = &str> {
        let before = (set as usize).checked_sub(1).and_then(|before| self.sets.get(before));
        let from = before.map_or(0, |(_, end)| *end as usize);
        let to = self.sets.get(set as usize).map_or(from, |(_, end)| *end as usize);
        let mut rest = self.words.get(from..to).unwrap_or_default();
        // What std splits by is looked for in a slower way.
        std::iter::from_fn(move || {
            let (word, behind) = memchr::memchr(END as u8, rest.as_bytes()).and_then(|at| rest.split_at_checked(at))?;
            rest = behind.get(END.len_utf8()..)?;
            Some(word)
        })
    }

    /// In numbers of seven bits an octet, and the words.
    // The build script's.
    #[allow(dead_code)]
    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        let mut put_all = |all: &mut dyn Iterator<Item = u32>, count: usize| {
            put(out, count);
            all.for_each(|one| put(out, one as usize));
        };
        put_all(&mut self.list.iter().flat_map(|(pattern, end)| [*pattern, *end]), self.list.len());
        put_all(&mut self.asks.iter().copied(), self.asks.len());
        put_all(&mut self.sets.iter().flat_map(|(count, end)| [*count, *end]), self.sets.len());
        put(out, self.words.len());
        out.extend_from_slice(self.words.as_bytes());
    }

    /// What was packed; none where that is cut off.
    pub(crate) fn read(from: &mut Packed<'_>) -> Option<Self> {
        let one = |from: &mut Packed<'_>| u32::try_from(from.number()?).ok();
        let pair = |from: &mut Packed<'_>| Some((one(from)?, one(from)?));
        let count = from.number()?;
        let list = (0..count).map(|_| pair(from)).collect::<Option<_>>()?;
        let count = from.number()?;
        let asks = (0..count).map(|_| one(from)).collect::<Option<_>>()?;
        let count = from.number()?;
        let sets = (0..count).map(|_| pair(from)).collect::<Option<_>>()?;
        let length = from.number()?;
        let words = str::from_utf8(from.take(length)?).ok()?.to_owned();
        Some(Self { list, asks, sets, words })
    }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::Ways;
    use crate::classify::rules::packed::Packed;

    #[test]
    fn what_is_packed_is_read() {
        let list = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut ways = Ways::default();
        let back = ways.add_set(&list(&["back", "zurück"]));
        let away = ways.add_set(&list(&["away"]));
        assert_eq!([ways.add(3, [back, away]), ways.add(3, []), ways.add(4, [away])], [0, 1, 2]);
        let mut octets = Vec::new();
        ways.pack(&mut octets);
        let read = Ways::read(&mut Packed { octets: &octets, at: 0 }).expect("is whole");
        assert_eq!(read, ways);
        assert_eq!((read.len(), read.sets(), read.count(back), read.count(away)), (3, 2, 2, 1));
        assert_eq!(read.get(0), Some((3, [back, away].as_slice())));
        assert_eq!(read.get(1), Some((3, [].as_slice())));
        assert_eq!(read.get(2), Some((4, [away].as_slice())));
        assert_eq!(read.get(3), None);
        assert_eq!(read.words(back).collect::<Vec<_>>(), ["back", "zurück"]);
        for cut in 0..octets.len() {
            let octets = octets.get(..cut).unwrap_or_default();
            assert_eq!(Ways::read(&mut Packed { octets, at: 0 }), None, "{cut}");
        }
    }
}
