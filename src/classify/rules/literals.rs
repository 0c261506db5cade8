//! What must stand in a text for a pattern to match it.
//!
//! Many patterns together are slow to match, and one that cannot match costs as much as one that does; compiling one
//! costs a hundred times more. So the finder of phrases looks for a literal of each branch of a pattern as well, and the
//! pattern itself is run only where that was found, and with it what else the branch asks for.

use regex_syntax::hir::literal::{ExtractKind, Extractor, Literal};
use regex_syntax::hir::{Hir, HirKind};
use regex_syntax::parse;

/// Shorter literals are in every text.
const SHORTEST: usize = 3;
/// The same for what a branch asks for besides.
const SHORTEST_BESIDES: usize = 2;
/// More of them are not worth looking for.
const MOST: usize = 400;
/// More hints than these are as good as none.
const MOST_HINTS: usize = 8;
/// Pieces of a sequence that are looked at together: what begins a match may be made of some.
const TOGETHER: usize = 3;
/// Sets of literals that a branch asks for besides.
const MOST_BESIDES: usize = 5;
/// Literals of such a set.
const MOST_OF_A_SET: usize = 120;

/// What must stand in a text for a pattern to match it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Needs {
    /// What one of its branches asks for.
    Ways(Vec<Way>),
    /// One of these few short ones, such as a question mark.
    Hint(Vec<String>),
    /// Nothing that is known.
    Nothing,
}

/// What must stand in a text for one branch of a pattern to match it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    /// One of these, long enough to be looked for with the phrases.
    pub one_of: Vec<String>,
    /// And one of each of these sets, what says most first.
    pub besides: Vec<Vec<String>>,
}

impl Needs {
    /// What `pattern` needs; one that is no regular expression is said to need nothing.
    pub(crate) fn of(pattern: &str) -> Self {
        let Ok(hir) = parse(pattern) else { return Self::Nothing };
        if let Some(mut ways) = ways(&hir, SHORTEST) {
            ways.iter_mut().for_each(Way::tidy);
            return Self::Ways(ways);
        }
        match ways(&hir, 1).map(literals) {
            Some(hints) if hints.len() <= MOST_HINTS => Self::Hint(hints),
            _ => Self::Nothing,
        }
    }
}

impl Way {
    const fn of(one_of: Vec<String>) -> Self {
        Self { one_of, besides: Vec::new() }
    }

    /// Keeps the sets that say most.
    fn tidy(&mut self) {
        self.besides.retain(|set| set.len() <= MOST_OF_A_SET && !set.iter().all(|l| self.one_of.contains(l)));
        self.besides.sort_by_key(|set| std::cmp::Reverse(worth(set)));
        self.besides.dedup();
        self.besides.truncate(MOST_BESIDES);
    }
}

/// One way for each branch; none where a branch has no literal.
fn ways(hir: &Hir, shortest: usize) -> Option<Vec<Way>> {
    let found = match hir.kind() {
        HirKind::Capture(capture) => ways(&capture.sub, shortest),
        HirKind::Repetition(repetition) if repetition.min > 0 => ways(&repetition.sub, shortest),
        HirKind::Alternation(branches) => {
            let all: Option<Vec<_>> = branches.iter().map(|b| ways(b, shortest)).collect();
            all.map(|lists| lists.concat())
        }
        HirKind::Concat(pieces) => {
            let starts = pieces.windows(TOGETHER.min(pieces.len()));
            let starts = starts.map(|few| Some(vec![Way::of(prefixes(&Hir::concat(few.to_vec()), shortest)?)]));
            let all = starts.enumerate().chain(pieces.iter().map(|piece| ways(piece, shortest)).enumerate());
            let all = all.filter_map(|(at, ways)| Some((at, ways.filter(|ways| count(ways) <= MOST)?)));
            let best = all.reduce(|a, b| if worth_of(&b.1) > worth_of(&a.1) { b } else { a });
            best.map(|(chosen, mut ways)| {
                let others = pieces.iter().enumerate().filter(|(at, _)| *at != chosen);
                let sets: Vec<_> =
                    others.filter_map(|(_, piece)| self::ways(piece, SHORTEST_BESIDES)).map(literals).collect();
                for way in &mut ways {
                    way.besides.extend_from_slice(&sets);
                }
                ways
            })
        }
        _ => prefixes(hir, shortest).map(|one_of| vec![Way::of(one_of)]),
    };
    found.filter(|ways| count(ways) <= MOST)
}

/// What all ways begin with.
fn literals(ways: Vec<Way>) -> Vec<String> {
    let mut all: Vec<String> = ways.into_iter().flat_map(|way| way.one_of).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn count(ways: &[Way]) -> usize {
    ways.iter().map(|way| way.one_of.len()).sum()
}

/// The literals that a match begins with.
fn prefixes(hir: &Hir, shortest: usize) -> Option<Vec<String>> {
    let mut extractor = Extractor::new();
    extractor.kind(ExtractKind::Prefix);
    let text = |l: &Literal| String::from_utf8(l.as_bytes().to_vec()).ok();
    let list: Vec<String> = extractor.extract(hir).literals()?.iter().map(text).collect::<Option<_>>()?;
    (!list.is_empty() && list.iter().all(|l| l.len() >= shortest)).then_some(list)
}

/// The longer the shortest literal, the rarer; of the same, the fewer the better.
fn worth(list: &[String]) -> (usize, std::cmp::Reverse<usize>) {
    (list.iter().map(String::len).min().unwrap_or(0).min(8), std::cmp::Reverse(list.len()))
}

/// The same for all ways together.
fn worth_of(ways: &[Way]) -> (usize, std::cmp::Reverse<usize>) {
    let shortest = ways.iter().flat_map(|way| &way.one_of).map(String::len).min();
    (shortest.unwrap_or(0).min(8), std::cmp::Reverse(count(ways)))
}

#[cfg(test)]
mod tests {
    use super::{Needs, Way};
    use proptest::prelude::*;
    use regex::Regex;

    #[test]
    fn what_patterns_need() {
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let ways = |list: &[(&[&str], &[&[&str]])]| {
            let way = |(one_of, besides): &(&[&str], &[&[&str]])| Way {
                one_of: texts(one_of),
                besides: besides.iter().map(|set| texts(set)).collect(),
            };
            Needs::Ways(list.iter().map(way).collect())
        };
        let table = [
            (r"\bxgemail_00(?:01|02)\b", ways(&[(&["xgemail_00"], &[&["01", "02"]])])),
            (r"^(\[[^\]]+\] )?cron <", ways(&[(&["cron <"], &[])])),
            (
                r"virus (?:found|detected)|\bmalware",
                ways(&[(&["virus found", "virus detected"], &[&["detected", "found"]]), (&["malware"], &[])]),
            ),
            (r"\S+ is full", ways(&[(&[" is full"], &[])])),
            (r"(?:boîte|compte)[^.\n]{0,30}pleine", ways(&[(&["pleine"], &[&["boîte", "compte"]])])),
            (
                r"(?:back|return)[^.]*\b(?:monday|2nd of may)",
                ways(&[(&["monday"], &[&["back", "return"]]), (&["2nd of may"], &[&["back", "return"]])]),
            ),
            (r"[^.!?¿]{12,}\?", Needs::Hint(texts(&["?"]))),
            (r"\d{3}-\d", Needs::Hint(texts(&["-"]))),
            (r"a|virus", Needs::Hint(texts(&["a", "virus"]))),
            (r"(virus)?", Needs::Nothing),
            (r"\d+", Needs::Nothing),
            (r"(", Needs::Nothing),
        ];
        for (pattern, expected) in table {
            assert_eq!(Needs::of(pattern), expected, "{pattern}");
        }
    }

    // A pattern that matched without what it is said to need would be run, or not, by what other texts had asked before.
    proptest! {
        #[test]
        fn what_matches_has_what_it_needs(
            pattern in r"\^?(\\b|abc|bcd|cab|é|[.] ?|\(abc\|bc( cab)?\)|\(ab\)[?+*]|\(bca\|\(cab\|dd\) abc\)|\[\^a\][*]?|\\S[*]){1,6}",
            pieces in prop::collection::vec(prop::sample::select(vec!["abc", "bcd", "cab", "bca", "ab", "dd", "é", ".", " "]), 0..14),
        ) {
            let text = pieces.concat();
            if Regex::new(&pattern).is_ok_and(|regex| regex.is_match(&text)) {
                let one_of = |set: &Vec<String>| set.iter().any(|literal| text.contains(literal.as_str()));
                let has = match Needs::of(&pattern) {
                    Needs::Ways(ways) => ways.iter().any(|way| one_of(&way.one_of) && way.besides.iter().all(one_of)),
                    Needs::Hint(hints) => one_of(&hints),
                    Needs::Nothing => true,
                };
                prop_assert!(has, "{pattern} {text:?} {:?}", Needs::of(&pattern));
            }
        }
    }
}
