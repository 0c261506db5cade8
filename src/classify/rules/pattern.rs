//! The regular expression of a rule, made when a text has what it needs.
//!
//! Most patterns never run, and of those that do most never match. Crate regex compiles each for every use, backwards
//! too, and takes a millisecond for it, which is longer than all else that is done for a mail. So here only what tells
//! whether a pattern matches is made at first, and what tells where the match begins when there is one.

use super::nfa::nfa;
use super::packed::{self, Packed, Packer, with_plain_ends};
use super::reach::Reach;
use regex_automata::hybrid::dfa::{Builder, Cache, Config, DFA};
use regex_automata::nfa::thompson::NFA;
use regex_automata::util::pool::Pool;
use regex_automata::{Anchored, Input, MatchKind};
use std::ops::Range;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, OnceLock};

/// The largest pattern, in octets when compiled.
const LARGEST: usize = 1 << 20;
/// Octets of states that are kept; more are made again.
const CACHE: usize = 1 << 19;
/// Octets before the end of a match in which its start is looked for one by one.
const NEAR: usize = 512;

/// A regular expression that is made when it is run for the first time.
pub(super) struct Pattern {
    source: Source,
    made: OnceLock<Option<Engine>>,
}

/// Where it stands, packed.
#[derive(Clone)]
struct Source {
    packed: Arc<Vec<u8>>,
    at: usize,
    reach: Reach,
}

enum Engine {
    /// States are made when a text leads there.
    Lazy(Box<Lazy>),
    /// For words that end as Unicode has it, which the other does not know.
    Whole(regex::Regex),
}

struct Lazy {
    source: Source,
    forward: Automaton,
    anchored: Anchored,
    /// From the end of a match to its start.
    backward: OnceLock<Option<Automaton>>,
}

struct Automaton {
    dfa: DFA,
    caches: Pool<Cache, Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>>,
}

impl Pattern {
    /// The one that stands there.
    pub(super) const fn new(packed: Arc<Vec<u8>>, at: usize, reach: Reach) -> Self {
        Self { source: Source { packed, at, reach }, made: OnceLock::new() }
    }

    /// Whether it ran before.
    pub(super) fn is_made(&self) -> bool {
        self.made.get().is_some()
    }

    /// Whether it matches; where that cannot be told, it may.
    pub(super) fn may_match(&self, text: &str) -> bool {
        self.engine().is_none_or(|engine| engine.is_match(text))
    }

    fn engine(&self) -> Option<&Engine> {
        self.made.get_or_init(|| Engine::new(&self.source)).as_ref()
    }

    /// Its matches in parts of a text that do not overlap, from left to right; where it is no regular expression, none.
    pub(super) fn find_iter<'t>(
        &'t self,
        text: &'t str,
        parts: Vec<Range<usize>>,
    ) -> impl Iterator<Item = Range<usize>> + 't {
        let engine = self.engine();
        // It knows no end but the text's.
        let parts = if matches!(engine, Some(Engine::Whole(_))) { all_of(text.as_bytes()) } else { parts };
        parts.into_iter().flat_map(move |part| {
            // Where to look next, and where the last match ended: an empty one right behind it counts for none.
            let mut from = Some(part.start);
            let mut last = None;
            std::iter::from_fn(move || {
                loop {
                    let found = engine?.find(text, from?..part.end)?;
                    let next = if found.is_empty() { text.ceil_char_boundary(found.end + 1) } else { found.end };
                    from = (found.end < part.end && next <= part.end).then_some(next);
                    if !(found.is_empty() && last == Some(found.end)) {
                        last = Some(found.end);
                        return Some(found);
                    }
                }
            })
        })
    }
}

/// A text in one part.
pub(super) fn all_of(text: &[u8]) -> Vec<Range<usize>> {
    std::iter::once(0..text.len()).collect()
}

/// Whether a pattern is one.
///
/// # Errors
/// When it is no regular expression, or a very large one.
pub(super) fn check(pattern: &str) -> Result<(), Box<regex::Error>> {
    whole(pattern)?;
    let mut packer = Packer::default();
    let at = packer.add(pattern);
    let source = Source { packed: Arc::new(packer.octets), at, reach: Reach::default() };
    // One that could not be made when it is run would match nothing, and nobody would know.
    let is_made = match Engine::new(&source) {
        Some(Engine::Lazy(lazy)) => lazy.anchored.is_anchored() || lazy.backward().is_some(),
        engine => engine.is_some(),
    };
    if is_made { Ok(()) } else { Err(Box::new(regex::Error::CompiledTooBig(LARGEST))) }
}

fn whole(pattern: &str) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(&with_plain_ends(pattern)).size_limit(LARGEST).build()
}

impl Source {
    fn read(&self) -> Packed<'_> {
        Packed { octets: &self.packed, at: self.at }
    }
}

impl Engine {
    fn new(source: &Source) -> Option<Self> {
        let mut packed = source.read();
        if packed.number()? == packed::TEXT {
            let length = packed.number()?;
            return whole(str::from_utf8(packed.take(length)?).ok()?).ok().map(Self::Whole);
        }
        Lazy::new(source).map(|lazy| Self::Lazy(Box::new(lazy)))
    }

    fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Lazy(lazy) => lazy.end(Input::new(text).earliest(true), lazy.anchored).is_some(),
            Self::Whole(regex) => regex.is_match(text),
        }
    }

    /// The first match in a part of a text.
    fn find(&self, text: &str, part: Range<usize>) -> Option<Range<usize>> {
        match self {
            Self::Lazy(lazy) => lazy.find(text, part),
            Self::Whole(regex) => regex.find_at(text, part.start).map(|found| found.range()),
        }
    }
}

impl Lazy {
    fn new(source: &Source) -> Option<Self> {
        let nfa = nfa(source.read(), false)?;
        let anchored = if nfa.is_always_start_anchored() { Anchored::Yes } else { Anchored::No };
        let forward = Automaton::new(nfa, MatchKind::LeftmostFirst)?;
        Some(Self { source: source.clone(), forward, anchored, backward: OnceLock::new() })
    }

    fn find(&self, text: &str, part: Range<usize>) -> Option<Range<usize>> {
        if self.anchored.is_anchored() && part.start > 0 {
            return None;
        }
        let from = part.start;
        let end = self.end(Input::new(text).range(part.clone()), self.anchored)?;
        if self.anchored.is_anchored() {
            return Some(from..end);
        }
        // What finds a start backwards takes longer to make than all else, and most patterns match too seldom.
        let reach = self.source.reach;
        let near = if reach.is_known() { from.max(reach.around(text.as_bytes(), end..end).start) } else { from };
        if end - near <= NEAR {
            let starts = (near..end).filter(|at| text.is_char_boundary(*at));
            let is_start =
                |at: &usize| self.end(Input::new(text).range(*at..end).earliest(true), Anchored::Yes).is_some();
            if let Some(start) = starts.into_iter().find(is_start) {
                return Some(start..end);
            }
        }
        let backward = self.backward()?;
        let input = Input::new(text).range(from..end).anchored(Anchored::Yes);
        let start = backward.dfa.try_search_rev(&mut backward.caches.get(), &input).ok()??.offset();
        Some(start..end)
    }

    fn backward(&self) -> Option<&Automaton> {
        self.backward.get_or_init(|| Automaton::new(nfa(self.source.read(), true)?, MatchKind::All)).as_ref()
    }

    /// Where the first match ends.
    fn end(&self, input: Input<'_>, anchored: Anchored) -> Option<usize> {
        let mut cache = self.forward.caches.get();
        // It fails only where it was told to, which it was not.
        Some(self.forward.dfa.try_search_fwd(&mut cache, &input.anchored(anchored)).ok()??.offset())
    }
}

impl Automaton {
    fn new(nfa: NFA, kind: MatchKind) -> Option<Self> {
        let config = Config::new().match_kind(kind).cache_capacity(CACHE).skip_cache_capacity_check(true);
        let dfa = Builder::new().configure(config).build_from_nfa(nfa).ok()?;
        let caches = {
            let dfa = dfa.clone();
            let create: Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe> =
                Box::new(move || dfa.create_cache());
            Pool::new(create)
        };
        Some(Self { dfa, caches })
    }
}

#[cfg(test)]
mod tests {
    use super::{Packer, Pattern, Reach, all_of, check, whole};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn places(pattern: &str, text: &str) -> Vec<(usize, usize)> {
        let mut packer = Packer::default();
        let at = packer.add(pattern);
        let pattern = Pattern::new(Arc::new(packer.octets), at, Reach::of(pattern));
        pattern.find_iter(text, all_of(text.as_bytes())).map(|found| (found.start, found.end)).collect()
    }

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
            assert_eq!(!places(pattern, text).is_empty(), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn places_of_matches() {
        let table: [(&str, &str, &[(usize, usize)]); 8] = [
            ("a+", "aa b a", &[(0, 2), (5, 6)]),
            ("^a", "aa", &[(0, 1)]),
            ("a$", "aa", &[(1, 2)]),
            ("back|go back", "i go back", &[(2, 9)]),
            ("é*", "éb", &[(0, 2), (3, 3)]),
            (r"[^.]{2}", "éü.ab", &[(0, 4), (5, 7)]),
            ("x", "", &[]),
            ("(", "(", &[]),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(places(pattern, text), expected, "{pattern} {text}");
        }
        assert!(check("(").is_err());
        assert!(check(r"(\w{100}){100}").is_err());
    }

    #[test]
    fn what_is_a_pattern_can_be_run() {
        let mut refused = 0;
        for times in (1..=200).step_by(9) {
            for of in [r"\w", r"\S", r"[a-zé]", "(?:a|é)", "a?", r"(?i)\w"] {
                let pattern = format!("{of}{{{times}}}x");
                let text = format!("{}x", "a".repeat(times));
                match check(&pattern) {
                    Ok(()) => assert_eq!(places(&pattern, &text).len(), 1, "{pattern}"),
                    Err(_) => refused += 1,
                }
            }
        }
        assert!((1..100).contains(&refused), "{refused} refused");
    }

    proptest! {
        #[test]
        fn the_same_as_crate_regex(
            pattern in r"\^?(\\b|a|b|é|ж|[.] ?|\(a\|ba?\)|[ab][*+?]|\[\^a\][*]?|\\w|\\S){1,6}\$?",
            text in "[ab éж.]{0,24}",
        ) {
            if let Ok(regex) = whole(&pattern) {
                let expected: Vec<_> = regex.find_iter(&text).map(|m| (m.start(), m.end())).collect();
                prop_assert_eq!(places(&pattern, &text), expected);
            }
        }
    }
}
