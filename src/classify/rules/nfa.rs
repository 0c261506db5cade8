//! The automaton of a packed pattern, forwards or backwards.
//!
//! It has the states that crate regex-automata compiles of the pattern's text, by the same well-known construction
//! (Thompson's), in a quarter of the time: a test holds the two against each other.

use super::packed::{
    ALTERNATION, ANCHORED, CLASS, CONCATENATION, GREEDY, LITERAL, LOOK, MAY_BE_EMPTY, Packed, REPETITION, TREE, WORDS,
};
use regex_automata::nfa::thompson::{Builder, NFA, Transition};
use regex_automata::util::look::Look;
use regex_automata::util::primitives::StateID;
use std::collections::BTreeMap;

/// The largest automaton, in octets while it is made. It is twice what a pattern may need otherwise.
const LARGEST: usize = 2 << 20;

/// Where a part begins and ends. What follows it is still to be joined to its end.
#[derive(Clone, Copy)]
struct Part {
    start: StateID,
    end: StateID,
}

struct Maker<'p> {
    packed: Packed<'p>,
    reverse: bool,
    builder: Builder,
}

/// Of the pattern that stands there; none where that is no tree, or one that is too large.
pub(super) fn nfa(packed: Packed<'_>, reverse: bool) -> Option<NFA> {
    let mut maker = Maker { packed, reverse, builder: Builder::new() };
    maker.builder.set_utf8(true);
    maker.builder.set_reverse(reverse);
    maker.builder.set_size_limit(Some(LARGEST)).ok()?;
    let anchored = match maker.packed.number()? {
        ANCHORED => true,
        TREE => false,
        _ => return None,
    };
    maker.builder.start_pattern().ok()?;
    let all = maker.part()?;
    let found = maker.builder.add_match().ok()?;
    maker.join(all.end, found)?;
    maker.builder.finish_pattern(all.start).ok()?;
    // Backwards it always begins where a match ends.
    let start = if anchored || reverse { all.start } else { maker.anywhere(all.start)? };
    maker.builder.build(all.start, start).ok()
}

impl<'p> Maker<'p> {
    /// Begins at any octet, as early as there is a match.
    fn anywhere(&mut self, start: StateID) -> Option<StateID> {
        let choice = self.choice(false)?;
        let any = self.range(0, 0xff, choice)?;
        self.join(choice, any)?;
        self.join(choice, start)?;
        Some(choice)
    }

    fn part(&mut self) -> Option<Part> {
        let head = self.packed.number()?;
        let of = head >> 3;
        match head & 7 {
            LITERAL => {
                let literal = self.packed.take(of)?;
                let end = self.empty()?;
                Some(Part { start: self.literal(literal, end)?, end })
            }
            CLASS => {
                let behind = std::mem::replace(&mut self.packed.at, of);
                let class = self.class();
                self.packed.at = behind;
                class
            }
            LOOK => {
                let look = Look::from_repr(1_u32.checked_shl(u32::try_from(of).ok()?)?)?;
                let look = if self.reverse { look.reversed() } else { look };
                let id = self.builder.add_look(StateID::ZERO, look).ok()?;
                Some(Part { start: id, end: id })
            }
            REPETITION => self.repetition(of),
            CONCATENATION => {
                let mut parts = (0..of).map(|_| self.part()).collect::<Option<Vec<_>>>()?;
                if self.reverse {
                    parts.reverse();
                }
                self.one_by_one(&parts)
            }
            ALTERNATION => {
                let (start, end) = (self.choice(true)?, self.empty()?);
                for _ in 0..of {
                    let part = self.part()?;
                    self.join(start, part.start)?;
                    self.join(part.end, end)?;
                }
                Some(Part { start, end })
            }
            WORDS => {
                let word = |_| {
                    let length = self.packed.number()?;
                    self.packed.take(length)
                };
                let words = (0..of).map(word).collect::<Option<Vec<_>>>()?;
                self.words(words)
            }
            _ => None,
        }
    }

    fn one_by_one(&mut self, parts: &[Part]) -> Option<Part> {
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            let id = self.empty()?;
            return Some(Part { start: id, end: id });
        };
        for pair in parts.array_windows::<2>() {
            self.join(pair[0].end, pair[1].start)?;
        }
        Some(Part { start: first.start, end: last.end })
    }

    /// The state with which a literal begins that leads to `end`.
    fn literal(&mut self, literal: &[u8], end: StateID) -> Option<StateID> {
        let mut octets = literal.iter();
        let mut start = end;
        while let Some(octet) = if self.reverse { octets.next() } else { octets.next_back() } {
            start = self.range(*octet, *octet, start)?;
        }
        Some(start)
    }

    fn class(&mut self) -> Option<Part> {
        let forwards = self.packed.number()?;
        if self.reverse {
            self.packed.take(forwards)?;
        }
        let end = self.empty()?;
        let mut states = vec![end];
        for _ in 0..self.packed.number()? {
            let count = self.packed.number()?;
            let mut ranges = Vec::with_capacity(count.min(256));
            for _ in 0..count {
                let (start, end) = (self.packed.octet()?, self.packed.octet()?);
                ranges.push(Transition { start, end, next: *states.get(self.packed.number()?)? });
            }
            states.push(self.builder.add_sparse(ranges).ok()?);
        }
        let starts = 0..self.packed.number()?;
        let starts = starts.map(|_| states.get(self.packed.number()?).copied()).collect::<Option<Vec<_>>>()?;
        Some(Part { start: self.builder.add_union(starts).ok()?, end })
    }

    fn repetition(&mut self, how: usize) -> Option<Part> {
        let greedy = how & GREEDY != 0;
        let least = self.packed.number()?;
        let most = self.packed.number()?.checked_sub(1);
        let at = self.packed.at;
        let copy = |maker: &mut Self| {
            maker.packed.at = at;
            maker.part()
        };
        let parts = (0..least).map(|_| copy(self)).collect::<Option<Vec<_>>>()?;
        if let Some(most) = most {
            let all = self.one_by_one(&parts)?;
            let end = self.empty()?;
            let mut end_before = all.end;
            for _ in least..most {
                let again = self.choice(greedy)?;
                let part = copy(self)?;
                self.join(end_before, again)?;
                self.join(again, part.start)?;
                self.join(again, end)?;
                end_before = part.end;
            }
            self.join(end_before, end)?;
            return Some(Part { start: all.start, end });
        }
        if let Some(last) = parts.last() {
            let all = self.one_by_one(&parts)?;
            let again = self.choice(greedy)?;
            self.join(last.end, again)?;
            self.join(again, last.start)?;
            return Some(Part { start: all.start, end: again });
        }
        let part = copy(self)?;
        let again = self.choice(greedy)?;
        self.join(part.end, again)?;
        self.join(again, part.start)?;
        if how & MAY_BE_EMPTY == 0 {
            return Some(Part { start: again, end: again });
        }
        // What may be empty is tried once before it is left out, or its own order would not count.
        let (first, end) = (self.choice(greedy)?, self.empty()?);
        self.join(first, part.start)?;
        self.join(first, end)?;
        self.join(again, end)?;
        Some(Part { start: first, end })
    }

    /// Of words that begin alike the beginning stands once. Those before a shorter one come before it, those behind it
    /// behind it.
    fn words(&mut self, words: Vec<&'p [u8]>) -> Option<Part> {
        let (start, end) = (self.empty()?, self.empty()?);
        let mut todo = vec![(start, words)];
        while let Some((from, words)) = todo.pop() {
            let mut ways = Vec::new();
            for (at, words) in words.split(|word| word.is_empty()).enumerate() {
                if at > 0 && ways.last() != Some(&end) {
                    ways.push(end);
                }
                let mut by_first: BTreeMap<u8, Vec<&[u8]>> = BTreeMap::new();
                for word in words {
                    let (first, rest) = if self.reverse { word.split_last()? } else { word.split_first()? };
                    by_first.entry(*first).or_default().push(rest);
                }
                let mut ranges = Vec::with_capacity(by_first.len());
                for (octet, rests) in by_first {
                    let next = if let [rest] = rests.as_slice() {
                        self.literal(rest, end)?
                    } else {
                        let next = self.empty()?;
                        todo.push((next, rests));
                        next
                    };
                    ranges.push(Transition { start: octet, end: octet, next });
                }
                if !ranges.is_empty() {
                    ways.push(self.builder.add_sparse(ranges).ok()?);
                }
            }
            let ways = self.builder.add_union(ways).ok()?;
            self.join(from, ways)?;
        }
        Some(Part { start, end })
    }

    fn empty(&mut self) -> Option<StateID> {
        self.builder.add_empty().ok()
    }

    fn range(&mut self, start: u8, end: u8, next: StateID) -> Option<StateID> {
        self.builder.add_range(Transition { start, end, next }).ok()
    }

    /// Between what is joined to it, the first before the others, or the last where it is not greedy.
    fn choice(&mut self, greedy: bool) -> Option<StateID> {
        let none = Vec::new();
        if greedy { self.builder.add_union(none) } else { self.builder.add_union_reverse(none) }.ok()
    }

    fn join(&mut self, from: StateID, to: StateID) -> Option<()> {
        self.builder.patch(from, to).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rules;
    use super::super::packed::{Packed, Packer, with_plain_ends};
    use super::nfa;
    use proptest::prelude::*;
    use regex_automata::nfa::thompson::{Compiler, Config, NFA, State, WhichCaptures};
    use regex_automata::util::primitives::StateID;
    use std::collections::BTreeSet;

    /// What crate regex-automata makes of the text.
    fn compiled(pattern: &str, reverse: bool) -> NFA {
        let config = Config::new().which_captures(WhichCaptures::None).reverse(reverse).shrink(false);
        Compiler::new().configure(config).build(&with_plain_ends(pattern)).expect("is a pattern")
    }

    fn packed(pattern: &str, reverse: bool) -> Option<NFA> {
        let mut packer = Packer::default();
        let at = packer.add(pattern);
        nfa(Packed { octets: &packer.octets, at }, reverse)
    }

    /// Of a state what it does, with its numbers of states apart.
    fn shape(state: &State) -> (String, Vec<StateID>) {
        match state {
            State::ByteRange { trans } => (format!("{}-{}", trans.start, trans.end), vec![trans.next]),
            State::Sparse(sparse) => {
                let ranges: Vec<_> = sparse.transitions.iter().map(|range| (range.start, range.end)).collect();
                (format!("{ranges:?}"), sparse.transitions.iter().map(|range| range.next).collect())
            }
            State::Look { look, next } => (format!("{look:?}"), vec![*next]),
            State::Union { alternates } => {
                let mut alternates = alternates.to_vec();
                // A word that stands twice.
                alternates.dedup();
                ("or".to_owned(), alternates)
            }
            State::BinaryUnion { alt1, alt2 } => ("or".to_owned(), vec![*alt1, *alt2]),
            State::Fail | State::Match { .. } => (format!("{state:?}"), Vec::new()),
            State::Dense(_) | State::Capture { .. } => panic!("{state:?} is not asked for"),
        }
    }

    /// Whether two are the same but for the order of their states, and for some that stand twice.
    fn assert_same(one: &NFA, other: &NFA, pattern: &str) {
        let flags = |nfa: &NFA| (nfa.is_utf8(), nfa.is_reverse(), nfa.has_empty(), nfa.look_set_any());
        assert_eq!(flags(one), flags(other), "{pattern}");
        assert_eq!(one.look_set_prefix_any(), other.look_set_prefix_any(), "{pattern}");
        let mut pairs = BTreeSet::new();
        let mut todo = vec![(one.start_anchored(), other.start_anchored())];
        if !one.is_reverse() {
            assert_eq!(one.is_always_start_anchored(), other.is_always_start_anchored(), "{pattern}");
            assert_eq!(format!("{:?}", one.byte_classes()), format!("{:?}", other.byte_classes()), "{pattern}");
            todo.push((one.start_unanchored(), other.start_unanchored()));
        }
        while let Some((a, b)) = todo.pop() {
            if !pairs.insert((a, b)) {
                continue;
            }
            let ((does, next), (other_does, other_next)) = (shape(one.state(a)), shape(other.state(b)));
            assert_eq!((does, next.len()), (other_does, other_next.len()), "{pattern}: state {}", a.as_usize());
            todo.extend(next.into_iter().zip(other_next));
        }
        for nfa in [one, other] {
            assert_eq!(nfa.start_pattern(0_u8.into()), Some(nfa.start_anchored()), "{pattern}");
        }
    }

    #[test]
    fn the_programs_patterns_are_as_they_would_be_compiled() {
        let rules = Rules::embedded().expect("embedded rules are right");
        let mut compared = 0;
        for pattern in rules.all().iter().filter_map(|rule| rule.pattern.as_deref()) {
            for reverse in [false, true] {
                let expected = compiled(pattern, reverse);
                let made = packed(pattern, reverse);
                assert_eq!(made.is_none(), expected.look_set_any().contains_word_unicode(), "{pattern}");
                if let Some(made) = made {
                    assert_same(&made, &expected, pattern);
                    compared += 1;
                }
            }
        }
        assert!(compared > 1_000, "{compared} compared");
    }

    proptest! {
        #[test]
        fn any_pattern_is_as_it_would_be_compiled(
            pattern in r"(\^|\(\?i\))?(\\b|a|ab|é|ж|[.] ?|\((a|\|b|ab|\|)*\)|\((ab\||abc\||cb\|)*[ab]b?\)|\((a\?)?b[*]\)|[ab][*+?]{1,2}|(a|\(a?b?\))\{[02](,[36]?)?\}\??|\[\^a\][*]?|\\w|\\S){1,6}\$?",
            reverse: bool,
        ) {
            if regex_syntax::parse(&pattern).is_ok()  {
                let expected = compiled(&pattern, reverse);
                match packed(&pattern, reverse) {
                    Some(made) => assert_same(&made, &expected, &pattern),
                    None => prop_assert!(expected.look_set_any().contains_word_unicode()),
                }
            }
        }
    }
}
