//! What must stand in a text for a pattern to match it.
//!
//! Many patterns together are slow to match, and one that cannot match costs as much as one that does. So the finder
//! of phrases looks for a literal of each pattern as well, and the pattern itself is run only where that was found.

use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Hir, HirKind};
use regex_syntax::parse;
use serde::{Deserialize, Serialize};

/// Shorter literals are in every text.
const SHORTEST: usize = 3;
/// More of them are not worth looking for.
const MOST: usize = 400;
/// More hints than these are as good as none.
const MOST_HINTS: usize = 8;
/// Pieces of a sequence that are looked at together: what begins a match may be made of some.
const TOGETHER: usize = 3;

/// What must stand in a text for a pattern to match it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Needs {
    /// One of these, long enough to be looked for with the phrases.
    Literal(Vec<String>),
    /// One of these few short ones, such as a question mark.
    Hint(Vec<String>),
    /// Nothing that is known.
    Nothing,
}

impl Needs {
    /// What `pattern` needs; one that is no regular expression is said to need nothing.
    pub(crate) fn of(pattern: &str) -> Self {
        let Ok(hir) = parse(pattern) else { return Self::Nothing };
        let texts =
            |list: Vec<Vec<u8>>| list.into_iter().map(|l| String::from_utf8(l).ok()).collect::<Option<Vec<_>>>();
        if let Some(literals) = of(&hir, SHORTEST).and_then(texts) {
            return Self::Literal(literals);
        }
        match of(&hir, 1).and_then(texts).filter(|l| l.len() <= MOST_HINTS) {
            Some(hints) => Self::Hint(hints),
            None => Self::Nothing,
        }
    }
}

fn of(hir: &Hir, shortest: usize) -> Option<Vec<Vec<u8>>> {
    let found = match hir.kind() {
        HirKind::Capture(capture) => of(&capture.sub, shortest),
        HirKind::Repetition(repetition) if repetition.min > 0 => of(&repetition.sub, shortest),
        HirKind::Alternation(branches) => {
            let all: Option<Vec<_>> = branches.iter().map(|b| of(b, shortest)).collect();
            all.map(|lists| lists.concat())
        }
        HirKind::Concat(pieces) => {
            let starts = pieces.windows(TOGETHER.min(pieces.len()));
            let starts = starts.filter_map(|few| prefixes(&Hir::concat(few.to_vec()), shortest));
            let all = starts.chain(pieces.iter().filter_map(|p| of(p, shortest)));
            all.filter(|l| l.len() <= MOST).reduce(|a, b| if worth(&b) > worth(&a) { b } else { a })
        }
        _ => prefixes(hir, shortest),
    };
    found.filter(|l| l.len() <= MOST)
}

/// The literals that a match begins with.
fn prefixes(hir: &Hir, shortest: usize) -> Option<Vec<Vec<u8>>> {
    let mut extractor = Extractor::new();
    extractor.kind(ExtractKind::Prefix);
    let list: Vec<Vec<u8>> = extractor.extract(hir).literals()?.iter().map(|l| l.as_bytes().to_vec()).collect();
    (!list.is_empty() && list.iter().all(|l| l.len() >= shortest)).then_some(list)
}

/// The longer the shortest literal, the rarer; of the same, the fewer the better.
fn worth(list: &[Vec<u8>]) -> (usize, std::cmp::Reverse<usize>) {
    (list.iter().map(Vec::len).min().unwrap_or(0).min(8), std::cmp::Reverse(list.len()))
}

#[cfg(test)]
mod tests {
    use super::Needs;

    #[test]
    fn what_patterns_need() {
        let literal = |list: &[&str]| Needs::Literal(list.iter().map(ToString::to_string).collect());
        let table = [
            (r"\bxgemail_00(?:01|02)\b", literal(&["xgemail_00"])),
            (r"^(\[[^\]]+\] )?cron <", literal(&["cron <"])),
            (r"virus (?:found|detected)|\bmalware", literal(&["virus found", "virus detected", "malware"])),
            (r"\S+ is full", literal(&[" is full"])),
            (r"(?:boîte|compte)[^.\n]{0,30}pleine", literal(&["pleine"])),
            (r"[^.!?¿]{12,}\?", Needs::Hint(vec!["?".to_owned()])),
            (r"\d{3}-\d", Needs::Hint(vec!["-".to_owned()])),
            (r"a|virus", Needs::Hint(vec!["a".to_owned(), "virus".to_owned()])),
            (r"(virus)?", Needs::Nothing),
            (r"\d+", Needs::Nothing),
            (r"(", Needs::Nothing),
        ];
        for (pattern, expected) in table {
            assert_eq!(Needs::of(pattern), expected, "{pattern}");
        }
    }
}
