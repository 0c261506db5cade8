//! What must stand in a text for a pattern to match it.
//!
//! Many patterns together are slow to match, and one that cannot match costs as much as one that does. So the phrases'
//! automaton looks for a literal of each pattern as well, and the pattern itself is run only where that was found.

use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Hir, HirKind};
use regex_syntax::parse;

/// Shorter literals are in every text.
const SHORTEST: usize = 3;
/// More of them are not worth looking for.
const MOST: usize = 250;

/// Literals of which every match of `pattern` holds one; `None` where there are none to speak of.
pub(super) fn required(pattern: &str) -> Option<Vec<Vec<u8>>> {
    let hir = parse(pattern).ok()?;
    of(&hir).filter(|list| list.len() <= MOST)
}

fn of(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => of(&repetition.sub),
        HirKind::Alternation(branches) => {
            let all: Option<Vec<_>> = branches.iter().map(of).collect();
            all.map(|lists| lists.concat())
        }
        HirKind::Concat(pieces) => {
            let tails = (0..pieces.len()).filter_map(|at| prefixes(&Hir::concat(pieces.get(at..)?.to_vec())));
            tails.chain(pieces.iter().filter_map(of)).reduce(|a, b| if worth(&b) > worth(&a) { b } else { a })
        }
        _ => prefixes(hir),
    }
}

/// The literals that a match begins with.
fn prefixes(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let mut extractor = Extractor::new();
    extractor.kind(ExtractKind::Prefix);
    let list: Vec<Vec<u8>> = extractor.extract(hir).literals()?.iter().map(|l| l.as_bytes().to_vec()).collect();
    (!list.is_empty() && list.iter().all(|l| l.len() >= SHORTEST)).then_some(list)
}

/// The longer the shortest literal, the rarer; of the same, the fewer the better.
fn worth(list: &[Vec<u8>]) -> (usize, std::cmp::Reverse<usize>) {
    (list.iter().map(Vec::len).min().unwrap_or(0).min(8), std::cmp::Reverse(list.len()))
}

#[cfg(test)]
mod tests {
    use super::required;

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
}
