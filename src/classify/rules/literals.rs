//! What must stand in a text for a pattern to match it.
//!
//! Many patterns together are slow to match, and one that cannot match costs as much as one that does. So the finder
//! of phrases looks for a literal of each pattern as well, and the pattern itself is run only where that was found.

use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Hir, HirKind};
use regex_syntax::parse;

/// Shorter literals are in every text.
const SHORTEST: usize = 3;
/// More of them are not worth looking for.
const MOST: usize = 400;
/// Pieces of a sequence that are looked at together: what begins a match may be made of some.
const TOGETHER: usize = 3;

/// Literals of which every match of `pattern` holds one; `None` where there are none to speak of.
pub(super) fn required(pattern: &str) -> Option<Vec<Vec<u8>>> {
    of(&parse(pattern).ok()?, SHORTEST)
}

/// The same for a pattern without: a few of any length, such as a question mark.
pub(super) fn hints(pattern: &str) -> Option<Vec<String>> {
    let list = of(&parse(pattern).ok()?, 1)?;
    let list: Option<Vec<String>> = list.into_iter().map(|l| String::from_utf8(l).ok()).collect();
    list.filter(|l| l.len() <= 8)
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
    use super::{hints, required};

    #[test]
    fn literals_of_patterns() {
        let table: [(&str, Option<&[&str]>); 8] = [
            (r"\bxgemail_00(?:01|02)\b", Some(&["xgemail_00"])),
            (r"^(\[[^\]]+\] )?cron <", Some(&["cron <"])),
            (r"virus (?:found|detected)|\bmalware", Some(&["virus found", "virus detected", "malware"])),
            (r"\S+ is full", Some(&[" is full"])),
            (r"(?:boîte|compte)[^.\n]{0,30}pleine", Some(&["pleine"])),
            (r"\d{3}-\d", None),
            (r"a|virus", None),
            (r"(virus)?", None),
        ];
        for (pattern, expected) in table {
            let found = required(pattern);
            let found: Option<Vec<String>> =
                found.map(|l| l.iter().map(|b| String::from_utf8_lossy(b).into_owned()).collect());
            let expected = expected.map(|l| l.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(found, expected, "{pattern}");
        }
    }

    #[test]
    fn hints_of_patterns_without_literals() {
        assert_eq!(hints(r"[^.!?¿]{12,}\?"), Some(vec!["?".to_owned()]));
        assert_eq!(hints(r"\d+"), None);
    }
}
