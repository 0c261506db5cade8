//! How far a match of a pattern may reach from a place in it.
//!
//! Most patterns speak of words in one sentence, and that its literals stand somewhere in a long text says little. So
//! they are run on no more of it than a match with such a literal may cover.

use memchr::{memchr3, memrchr3};
use regex_syntax::hir::{Class, Hir, HirKind};
use regex_syntax::parse;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What ends a sentence, and what most patterns never have in a match.
const STOPS: [u8; 3] = *b".!?";

/// How far a match may reach. By default nothing is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reach {
    /// The most octets of a match; none where there is no end.
    most: Option<u32>,
    /// A bit for each of [`STOPS`] that no match has.
    stops: u8,
}

impl Reach {
    /// Of a pattern.
    pub(crate) fn of(pattern: &str) -> Self {
        let Ok(hir) = parse(pattern) else { return Self::default() };
        let most = hir.properties().maximum_len().and_then(|most| u32::try_from(most).ok());
        let stops = STOPS.iter().zip(0..).filter(|(stop, _)| !has(&hir, **stop)).map(|(_, at)| 1 << at).sum();
        Self { most, stops }
    }

    /// Whether anything is known.
    pub(crate) const fn is_known(self) -> bool {
        self.most.is_some() || self.stops != 0
    }

    /// Whether it ends at stops alone.
    pub(crate) const fn is_of_stops(self) -> bool {
        self.most.is_none() && self.stops != 0
    }

    /// The part of a text within which a match lies that has this place of it.
    pub(crate) fn around(self, text: &[u8], place: Range<usize>) -> Range<usize> {
        let most = self.most.map_or(usize::MAX, |most| most as usize);
        let from = place.end.saturating_sub(most).min(place.start);
        let to = place.start.saturating_add(most).min(text.len()).max(place.end);
        let stop = |at: usize| STOPS.get(at).copied().filter(|_| self.stops & (1 << at) != 0);
        let Some(any) = (0..STOPS.len()).find_map(stop) else { return from..to };
        let [a, b, c] = [0, 1, 2].map(|at| stop(at).unwrap_or(any));
        let before = text.get(from..place.start).unwrap_or_default();
        let behind = text.get(place.end..to).unwrap_or_default();
        let from = memrchr3(a, b, c, before).map_or(from, |at| from + at + 1);
        let to = memchr3(a, b, c, behind).map_or(to, |at| place.end + at);
        from..to
    }
}

/// Whether a match may have this octet of ASCII.
fn has(hir: &Hir, octet: u8) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => literal.0.contains(&octet),
        HirKind::Class(Class::Unicode(class)) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&char::from(octet)))
        }
        HirKind::Class(Class::Bytes(class)) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&octet))
        }
        HirKind::Repetition(repetition) => has(&repetition.sub, octet),
        HirKind::Capture(capture) => has(&capture.sub, octet),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(|part| has(part, octet)),
    }
}

#[cfg(test)]
mod tests {
    use super::Reach;
    use proptest::prelude::*;
    use regex::Regex;

    #[test]
    fn what_lies_around() {
        let text = "we met. i am away until monday! bye.";
        let table = [
            ("away[^.!?]*monday", " i am away until monday"),
            ("away[^.]*monday", " i am away until monday! bye"),
            ("away[a-z .!?]{0,3}monday", "et. i am away until mo"),
            ("away[a-z .]{0,3}monday", "et. i am away until mo"),
            ("away[a-z !]{0,3}monday", " i am away until mo"),
            ("away.*monday", text),
            ("(", text),
        ];
        let place = text.find("away").map(|at| at..at + 4).expect("is there");
        for (pattern, expected) in table {
            let around = Reach::of(pattern).around(text.as_bytes(), place.clone());
            assert_eq!(text.get(around), Some(expected), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn a_match_lies_around_any_place_of_it(
            pattern in r"(a|b|[.] ?|\(a\|ba?\)|[ab][*+?]|\[\^.\](\{0,3\}|[*])|\\w|\\S|[!?]{2}){1,6}",
            text in "[ab .!?]{0,40}",
        ) {
            if let Ok(regex) = Regex::new(&pattern) {
                let reach = Reach::of(&pattern);
                for found in regex.find_iter(&text).filter(|found| !found.is_empty()) {
                    for at in found.range() {
                        let around = reach.around(text.as_bytes(), at..at + 1);
                        prop_assert!(around.start <= found.start() && found.end() <= around.end, "{pattern} {text:?}");
                    }
                }
            }
        }
    }
}
