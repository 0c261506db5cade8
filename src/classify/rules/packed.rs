//! Patterns in a form of which an automaton is made at once.
//!
//! To read a regular expression, to look up its classes of characters and to make octets of them takes longer than to
//! run it on a mail, and depends on nothing but the pattern. So a recipe holds of each pattern what reading it gives: a
//! tree, each node before its parts, with literals in octets; and of each class of characters the states that are made
//! of it, forwards and backwards, once for all patterns. It takes little more room than the text: the states of all patterns
//! would take six times as much forwards alone. See `nfa` for what is made of it.
//!
//! A node is a number, in seven bits an octet, of its kind and of what it is of: how many octets or parts follow, which
//! look, where the class stands.

use regex_automata::nfa::thompson::{Compiler, Config, NFA, State, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};
use std::borrow::Cow;
use std::collections::HashMap;

/// The octets follow.
pub(crate) const LITERAL: usize = 0;
/// The states stand elsewhere: how many octets those forwards take, those forwards, those backwards. Of each state how
/// many ranges of octets it takes and where each leads: to the end (0), or to a state before it, from 1. Behind the states
/// where the class begins; where that is several, it is any of them.
pub(crate) const CLASS: usize = 1;
/// One of the looks by their order.
pub(crate) const LOOK: usize = 2;
/// [`GREEDY`] and [`MAY_BE_EMPTY`]; then the fewest times, the most and one more (0: any number), and what is repeated.
pub(crate) const REPETITION: usize = 3;
pub(crate) const CONCATENATION: usize = 4;
pub(crate) const ALTERNATION: usize = 5;
/// An alternation of literals: of each its length and its octets.
pub(crate) const WORDS: usize = 6;

pub(crate) const GREEDY: usize = 1;
pub(crate) const MAY_BE_EMPTY: usize = 2;

/// What a pattern begins with: one in words of its own, with their length; and a tree, of the beginning of a text alone
/// or of any place.
pub(crate) const TEXT: usize = 0;
pub(crate) const ANCHORED: usize = 1;
pub(crate) const TREE: usize = 2;

/// Packs patterns, and each class of characters once.
#[derive(Default)]
pub(crate) struct Packer {
    pub octets: Vec<u8>,
    classes: Vec<(Class, usize)>,
}

impl Packer {
    /// Where the pattern stands. One that needs more than an automaton's states can tell stands there as it is.
    pub(crate) fn add(&mut self, pattern: &str) -> usize {
        let plain = with_plain_ends(pattern);
        let hir = regex_syntax::parse(&plain).ok().filter(|hir| !hir.properties().look_set().contains_word_unicode());
        let mut tree = Vec::new();
        let is_packed = hir.is_some_and(|hir| {
            let anchored = hir.properties().look_set_prefix().contains(regex_syntax::hir::Look::Start);
            put(&mut tree, if anchored { ANCHORED } else { TREE });
            self.node(&hir, &mut tree).is_some()
        });
        let at = self.octets.len();
        if is_packed {
            self.octets.append(&mut tree);
        } else {
            put(&mut self.octets, TEXT);
            put(&mut self.octets, plain.len());
            self.octets.extend_from_slice(plain.as_bytes());
        }
        at
    }

    fn node(&mut self, hir: &Hir, out: &mut Vec<u8>) -> Option<()> {
        match hir.kind() {
            HirKind::Empty => put_head(out, CONCATENATION, 0),
            HirKind::Literal(literal) => {
                put_head(out, LITERAL, literal.0.len());
                out.extend_from_slice(&literal.0);
            }
            HirKind::Class(class) => {
                let at = self.class(class)?;
                put_head(out, CLASS, at);
            }
            HirKind::Look(look) => put_head(out, LOOK, look.as_repr().trailing_zeros() as usize),
            HirKind::Repetition(Repetition { min, max, greedy, sub }) => {
                let may_be_empty = sub.properties().minimum_len().is_none_or(|least| least == 0);
                put_head(out, REPETITION, usize::from(*greedy) * GREEDY + usize::from(may_be_empty) * MAY_BE_EMPTY);
                put(out, *min as usize);
                put(out, max.map_or(0, |max| max as usize + 1));
                self.node(sub, out)?;
            }
            HirKind::Capture(capture) => self.node(&capture.sub, out)?,
            HirKind::Concat(parts) => self.parts(CONCATENATION, parts, out)?,
            HirKind::Alternation(parts) => match parts.iter().map(literal).collect::<Option<Vec<_>>>() {
                Some(words) => {
                    put_head(out, WORDS, words.len());
                    for word in words {
                        put(out, word.len());
                        out.extend_from_slice(word);
                    }
                }
                None => self.parts(ALTERNATION, parts, out)?,
            },
        }
        Some(())
    }

    fn parts(&mut self, kind: usize, parts: &[Hir], out: &mut Vec<u8>) -> Option<()> {
        put_head(out, kind, parts.len());
        parts.iter().try_for_each(|part| self.node(part, out))
    }

    /// Where the class stands.
    fn class(&mut self, class: &Class) -> Option<usize> {
        if let Some((_, at)) = self.classes.iter().find(|(known, _)| known == class) {
            return Some(*at);
        }
        let (forwards, backwards) = (states_of(class, false)?, states_of(class, true)?);
        let at = self.octets.len();
        put(&mut self.octets, forwards.len());
        self.octets.extend(forwards);
        self.octets.extend(backwards);
        self.classes.push((class.clone(), at));
        Some(at)
    }
}

fn literal(hir: &Hir) -> Option<&[u8]> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(&literal.0),
        _ => None,
    }
}

/// See [`CLASS`].
fn states_of(class: &Class, reverse: bool) -> Option<Vec<u8>> {
    let config = Config::new()
        .which_captures(WhichCaptures::None)
        .reverse(reverse)
        // What it saves in states takes longer than it saves in time, and more octets than it saves.
        .shrink(false);
    let nfa = Compiler::new().configure(config).build_from_hir(&Hir::class(class.clone())).ok()?;
    let mut states = States { nfa: &nfa, numbers: HashMap::new(), octets: Vec::new() };
    let start = nfa.start_anchored();
    let starts = match nfa.state(start) {
        State::Fail => Vec::new(),
        State::Union { alternates } => alternates.to_vec(),
        State::BinaryUnion { alt1, alt2 } => vec![*alt1, *alt2],
        _ => vec![start],
    };
    let starts = starts.into_iter().map(|start| states.add(start)).collect::<Option<Vec<_>>>()?;
    let mut out = Vec::new();
    put(&mut out, states.numbers.len());
    out.append(&mut states.octets);
    put(&mut out, starts.len());
    for start in starts {
        put(&mut out, start);
    }
    Some(out)
}

/// The states of a class, those first to which others lead.
struct States<'n> {
    nfa: &'n NFA,
    numbers: HashMap<StateID, usize>,
    octets: Vec<u8>,
}

impl States<'_> {
    /// The state's number: see [`CLASS`].
    fn add(&mut self, id: StateID) -> Option<usize> {
        if let Some(number) = self.numbers.get(&id) {
            return Some(*number);
        }
        let ranges = match self.nfa.state(id) {
            State::Match { .. } => return Some(0),
            State::ByteRange { trans } => std::slice::from_ref(trans),
            State::Sparse(sparse) => &sparse.transitions,
            _ => return None,
        };
        let next = ranges.iter().map(|range| self.add(range.next)).collect::<Option<Vec<_>>>()?;
        put(&mut self.octets, ranges.len());
        for (range, next) in ranges.iter().zip(next) {
            self.octets.extend([range.start, range.end]);
            put(&mut self.octets, next);
        }
        let number = self.numbers.len() + 1;
        self.numbers.insert(id, number);
        Some(number)
    }
}

fn put_head(out: &mut Vec<u8>, kind: usize, of: usize) {
    put(out, of << 3 | kind);
}

pub(crate) fn put(out: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Reads what is packed, from some place on.
pub(crate) struct Packed<'p> {
    pub octets: &'p [u8],
    pub at: usize,
}

impl<'p> Packed<'p> {
    pub(crate) fn octet(&mut self) -> Option<u8> {
        let octet = self.octets.get(self.at)?;
        self.at += 1;
        Some(*octet)
    }

    pub(crate) fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        let mut bits = 0;
        loop {
            let octet = self.octet()?;
            number |= usize::from(octet & 0x7f).checked_shl(bits)?;
            if octet & 0x80 == 0 {
                return Some(number);
            }
            bits += 7;
        }
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'p [u8]> {
        let octets = self.octets.get(self.at..)?.get(..length)?;
        self.at += length;
        Some(octets)
    }
}

/// Unicode's word boundaries cost ten times as much, as soon as a text is not ASCII. In a pattern of Latin letters `\b`
/// asks for a neighbour that is no ASCII letter or digit; an accented letter beside it then ends a word, which does not
/// matter. Other alphabets keep Unicode's: every letter of theirs would end a word.
pub(crate) fn with_plain_ends(pattern: &str) -> Cow<'_, str> {
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
