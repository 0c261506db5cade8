//! The lines that mail programs put before a quote: "On …, somebody wrote:", Outlook's block of
//! headers, "-----Original Message-----", "Begin forwarded message:".
//!
//! Each test looks at a few lines of bounded length, so a whole body costs linear time whatever
//! is in it.

use super::lines::{Line, Mark};
use super::tongues::{self, Label, WROTE};
use aho_corasick::AhoCorasick;
use std::sync::LazyLock;

/// Longest attribution, in octets; names and addresses can be long.
const LONGEST: usize = 600;
/// Lines that one attribution may be wrapped over.
const MOST_LINES: usize = 6;
/// Lines of a block of headers that are looked at.
const BLOCK_LINES: usize = 12;

static VERBS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(WROTE).ok());

/// The line without what quotes and decorates it: white space, `*bold*`, bullets.
pub fn bare(line: &str) -> &str {
    line.trim_matches(|c: char| {
        c.is_whitespace()
            || matches!(c, '*' | '\u{200e}' | '\u{200f}' | '\u{feff}' | '\u{202a}' | '\u{202b}' | '\u{202c}')
    })
}

/// Whether the line begins with a quote mark.
pub fn is_quoted(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('>') || line.starts_with("&gt;") || has_initials(line)
}

/// The Bat! and Agent put the writer's initials before the mark: `AB> text`.
fn has_initials(line: &str) -> bool {
    let Some((initials, rest)) = line.split_once('>') else { return false };
    (1..=3).contains(&initials.chars().count())
        && initials.chars().all(char::is_uppercase)
        && (rest.is_empty() || rest.starts_with([' ', '>']))
}

/// GroupWise: `>>> Ana Example <ana@example.org> 5/10/2026 8:00 >>>`, with an unmarked quote below.
pub fn is_groupwise(line: &str) -> bool {
    let inner = line.trim().strip_prefix(">>> ").and_then(|l| l.strip_suffix(">>>"));
    inner.is_some_and(|l| l.len() < 200 && (l.contains('@') || has_year(l)) && l.bytes().any(|b| b.is_ascii_digit()))
}

/// Dashes on both sides of a few words, whatever they say: `----- Mail transféré -----`.
pub fn is_dressed(line: &str) -> bool {
    let line = line.trim();
    let words = line.trim_matches(['-', '=', '_', '—', '–']);
    let before = line.len() - line.trim_start_matches(['-', '=', '_', '—', '–']).len();
    let after = line.len() - line.trim_end_matches(['-', '=', '_', '—', '–']).len();
    before >= 3 && after >= 3 && (1..=6).contains(&words.split_whitespace().count()) && words.len() <= 80
}

/// Whether a line consists of border characters only.
pub fn is_border(line: &str) -> bool {
    let line = line.trim();
    let mut count = 0;
    for c in line.chars() {
        if !matches!(c, '-' | '_' | '=' | '*' | '#' | '~' | '+' | '—' | '–' | '―' | '─' | '━' | '•' | '·' | ' ')
        {
            return false;
        }
        count += usize::from(c != ' ');
    }
    count >= 2 || matches!(line, "—" | "–" | "―")
}

/// Whether the line is a separator such as `-----Original Message-----`. The words alone, without
/// dashes or a colon, may be the person's own.
pub fn is_separator(line: &str) -> bool {
    let line = bare(line);
    if line.len() > 120 || line.is_empty() {
        return false;
    }
    let words = line.trim_matches(|c: char| {
        c.is_whitespace()
            || matches!(c, '-' | '_' | '=' | '*' | '>' | '—' | '–' | '─' | '#' | '|' | '<' | '~' | '+' | '【' | '】')
    });
    let dressed = words.len() < line.len();
    let ends = words.ends_with([':', '：']);
    if !dressed && !ends {
        return false;
    }
    let words = words.trim_end_matches([':', '：', ' ', '.', '\u{a0}']).to_lowercase();
    // Notes: "----- Forwarded by Ana/Firm on 11/16/2026 09:12 AM -----".
    tongues::is_separator(&words) || (dressed && words.starts_with("forwarded by "))
}

/// The label and the value of a line such as `*From:* Ana <ana@example.org>`.
fn header(line: &str) -> Option<(Label, &str)> {
    // Most lines have no colon, of either kind: U+FF1A begins with this octet.
    memchr::memchr2(b':', 0xef, line.as_bytes())?;
    let line = line.trim_start_matches(|c: char| {
        c.is_whitespace() || matches!(c, '*' | '|' | '>' | '_' | '\u{feff}' | '\u{200e}' | '\u{200f}')
    });
    let at = line.char_indices().take(40).find(|(_, c)| matches!(c, ':' | '：'))?;
    let (name, value) = line.split_at_checked(at.0)?;
    let name = name.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '_' | '|'));
    if name.is_empty() {
        return None;
    }
    let value = value.trim_start_matches([':', '：', '*', ' ', '\t', '\u{a0}', '|']);
    tongues::label(&name.to_lowercase()).map(|label| (label, value))
}

/// Whether a block of mail headers begins at line `at`.
pub fn is_header_block(lines: &[Line<'_>], at: usize) -> bool {
    let Some((first, first_value)) = lines.get(at).and_then(|l| header(&l.text)) else {
        return false;
    };
    if matches!(first, Label::Other | Label::Cc) {
        return false;
    }
    let mut roles: Vec<Label> = Vec::with_capacity(8);
    let (mut address, mut time, mut foreign, mut blanks) = (false, false, 0, 0);
    for line in lines.iter().skip(at).take(BLOCK_LINES) {
        if line.text.trim().is_empty() {
            blanks += 1;
            if blanks > 1 && roles.len() > 2 {
                break;
            }
            continue;
        }
        let Some((label, value)) = header(&line.text) else {
            // A long value goes on in the next line; two lines in a row do not.
            foreign += 1;
            if foreign > 1 || (blanks > 0 && roles.len() > 1) {
                break;
            }
            continue;
        };
        foreign = 0;
        note(&mut roles, label);
        address |= matches!(label, Label::From | Label::To) && value.contains('@');
        time |= label == Label::Date && is_time(value);
        // Samsung puts two headers into one line.
        if value.len() < 400 {
            for (colon, _) in value.match_indices(':') {
                let word = value.get(..colon).unwrap_or_default().trim_end();
                let word = word.rsplit(char::is_whitespace).next().unwrap_or_default().to_lowercase();
                if let Some(label) = tongues::label(&word) {
                    note(&mut roles, label);
                }
            }
        }
    }
    let has = |l| roles.contains(&l);
    if !has(Label::From) {
        // Outlook leaves From out of answers in a few versions, never date, addressee and subject.
        return has(Label::Date) && time && has(Label::To) && has(Label::Subject);
    }
    let named = roles.iter().filter(|l| **l != Label::Other).count();
    if named >= 3 && (has(Label::Subject) || address || time) {
        return true;
    }
    if named == 2 && address && (has(Label::Date) || has(Label::Subject) || has(Label::To)) {
        return first == Label::From || time;
    }
    // A lone From with nothing but an address, apart from the text: what is left of a block.
    first == Label::From
        && is_only_address(first_value)
        && at
            .checked_sub(1)
            .is_some_and(|before| lines.get(before).is_some_and(|l| l.text.trim().is_empty() || is_border(&l.text)))
        && lines.get(at + 1).is_some_and(|l| l.text.trim().is_empty())
}

fn note(roles: &mut Vec<Label>, label: Label) {
    if !roles.contains(&label) {
        roles.push(label);
    }
}

fn is_only_address(value: &str) -> bool {
    let value = value.trim();
    value.contains('@') && (value.ends_with('>') || !value.contains(char::is_whitespace)) && value.len() < 200
}

/// Digits around a colon, or a dot between two digits pairs as in Finnish.
fn is_time(text: &str) -> bool {
    text.as_bytes().windows(3).any(|w| matches!(w, [a, b':' | b'.', c] if a.is_ascii_digit() && c.is_ascii_digit()))
        || has_year(text)
}

fn has_year(text: &str) -> bool {
    text.as_bytes()
        .windows(4)
        .any(|w| matches!(w, [b'1', b'9', a, b] | [b'2', b'0', a, b] if a.is_ascii_digit() && b.is_ascii_digit()))
}

/// The last line of the attribution that begins at line `at`, if one does.
pub fn attribution(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let first = lines.get(at)?;
    let start = bare(&first.text);
    if start.len() > LONGEST || !may_begin(start) {
        return None;
    }
    let mut joined = String::new();
    for (number, line) in lines.iter().enumerate().skip(at).take(MOST_LINES) {
        let mut text = bare(&line.text);
        let open = joined.matches(['<', '(']).count() > joined.matches(['>', ')']).count();
        if number > at {
            // An address that was wrapped in its brackets goes on over quote marks and blanks
            // ("<\nana@example.org\n>:").
            if line.mark != first.mark && !text.is_empty() {
                return None;
            }
            if text.is_empty() && !open && !follows_bracket(lines, number) {
                return None;
            }
            if is_quoted(text) && !open {
                return None;
            }
            if open && text.starts_with('>') {
                joined.push('>');
                text = text.trim_start_matches('>').trim_start();
            }
            joined.push(' ');
        }
        joined.push_str(text);
        if joined.len() > LONGEST {
            return None;
        }
        if is_attribution(&joined, lines, number) {
            // Text that runs into an attribution without a blank line begins no attribution:
            // a later line does.
            let later =
                number > at && !opens_plainly(start) && (at + 1..=number).any(|n| attribution_begins(lines, n, number));
            return (!later).then_some(number);
        }
        if ends_sentence(text) {
            return None;
        }
    }
    None
}

/// Whether a sentence ends here: an attribution does not go on behind it. A dot behind a short
/// word or a digit may be a date's.
fn ends_sentence(text: &str) -> bool {
    let Some(rest) = text.strip_suffix('.') else {
        return text.ends_with(['!', '?', ';', '。']);
    };
    let word = rest.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    word.chars().count() >= 4
        && !matches!(
            word.to_lowercase().as_str(),
            "sept"
                | "janv"
                | "févr"
                | "juil"
                | "lokak"
                | "syysk"
                | "maalisk"
                | "heinäk"
                | "tammik"
                | "helmik"
                | "toukok"
                | "marrask"
                | "jouluk"
        )
}

/// Whether lines `at` to `last` are an attribution that begins with a date or "On".
fn attribution_begins(lines: &[Line<'_>], at: usize, last: usize) -> bool {
    let Some(first) = lines.get(at).filter(|l| opens_plainly(bare(&l.text))) else {
        return false;
    };
    let mut joined = bare(&first.text).to_owned();
    for line in lines.iter().take(last + 1).skip(at + 1) {
        joined.push(' ');
        joined.push_str(bare(&line.text));
    }
    looks_written(&joined)
}

/// Where inside a line an attribution begins, behind dashes ("end of text--- On …, x wrote:").
pub fn inline_attribution(line: &str) -> Option<usize> {
    // Few lines have dashes.
    memchr::memchr(b'-', line.as_bytes())?;
    let at = line.find("--- On ").or_else(|| line.find("---On "))?;
    let (text, rest) = line.split_at_checked(at)?;
    let on = rest.trim_start_matches('-').trim();
    (!text.trim().is_empty() && on.len() <= LONGEST && looks_written(on)).then_some(text.trim_end_matches('-').len())
}

/// After a blank line, only a bracket may go on with an attribution.
fn follows_bracket(lines: &[Line<'_>], at: usize) -> bool {
    lines.get(at + 1).is_some_and(|l| l.text.trim_start().starts_with('<'))
}

fn may_begin(start: &str) -> bool {
    let start = start.trim_start_matches(['-', ' ', '_', '—', '[', '(', '"']);
    let Some(c) = start.chars().next() else {
        return false;
    };
    if c.is_ascii_digit() || matches!(c, '在' | '于' | '於') {
        return true;
    }
    let word = start.split(|c: char| c.is_whitespace() || matches!(c, ',' | '.')).next().unwrap_or_default();
    let known = word.len() <= 40 && tongues::is_opener(&word.to_lowercase());
    known || start.contains(['<', '@', '＜']) || ends_open(start) || start.starts_with("ב-")
}

fn ends_open(text: &str) -> bool {
    text.ends_with([':', '：']) && text.len() < 200
}

fn is_attribution(joined: &str, lines: &[Line<'_>], last: usize) -> bool {
    let text = joined.trim_start_matches(['-', ' ', '_', '—']).trim_end_matches(['-', ' ', '_', '—']);
    if looks_written(text) {
        return true;
    }
    // Too little to be sure by itself: "ana wrote:", "Ana Example schrieb am 5.10.2026:" (Thunderbird) and
    // "* Ana <ana@example.org> [2026-10-05 08:00]:" (mutt) count when a quote follows.
    let lower = text.to_lowercase();
    let dated = text.bytes().any(|b| b.is_ascii_digit()) && (is_time(&lower) || has_year(&lower));
    let told = match verb_end(&lower) {
        Some((_, at_end)) => at_end || dated,
        None => dated && text.contains('@'),
    };
    ends_open(text)
        && text.len() < 160
        && told
        && lines
            .iter()
            .skip(last + 1)
            .take(3)
            .find(|l| !l.text.trim().is_empty())
            .is_some_and(|l| is_quoted(&l.text) || matches!(l.mark, Mark::Quoted | Mark::Indented | Mark::Bare))
}

/// Whether the words say who wrote when.
fn looks_written(text: &str) -> bool {
    let ends = text.ends_with([':', '：']);
    let address = text.contains('@') || text.contains('＜');
    let digits = text.bytes().any(|b| b.is_ascii_digit());
    if !digits && !address {
        return false;
    }
    // Gmail of old: "2016-03-03 17:21 GMT+01:00 Ana", no verb and no colon.
    if iso_date(text) && (text.contains(" GMT") || (address && text.ends_with('>'))) && text.len() < 250 {
        return true;
    }
    let lower = text.to_lowercase();
    let date = digits && (is_time(&lower) || has_year(&lower));
    let opens = opens(&lower);
    // Horde: "Quoting Ana Example <ana@example.org>:".
    if ends && address && tongues::QUOTING.iter().any(|q| lower.strip_prefix(q).is_some_and(|r| r.starts_with(' '))) {
        return true;
    }
    match verb_end(&lower) {
        Some((_, at_end)) if ends || at_end => {
            // "On 12 May 2026 I wrote:" is the person's own sentence.
            if lower.contains(" i wrote")
                || lower.contains(" ich schrieb")
                || lower.contains(" j'ai écrit")
                || lower.contains(" you wrote") && !address
            {
                return false;
            }
            if !ends && !at_end {
                return false;
            }
            (date && opens && (ends || address))
                || (address && (date || ends) && (opens || names_first(text)))
                || (address && date && ends && at_end)
        }
        // Without a verb: a date first, an address in brackets last.
        _ => {
            ends && date
                && opens
                && address
                && lower.trim_end_matches([':', '：']).trim_end().ends_with(['>', ')', ']'])
        }
    }
}

/// Whether the words begin as an attribution does: with "On", a weekday or a date.
fn opens(lower: &str) -> bool {
    let first = lower.split(|c: char| c.is_whitespace() || matches!(c, ',' | '.')).next().unwrap_or_default();
    lower.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '在' | '于' | '於'))
        || first.starts_with("ב-")
        || tongues::is_opener(first)
}

/// Whether the first word is one that means "on"; many others that may begin an attribution are
/// words of daily use somewhere ("to" is Thursday in Finnish).
fn opens_plainly(text: &str) -> bool {
    let first = text.split(char::is_whitespace).next().unwrap_or_default();
    ["On", "Am", "Le", "El", "Il", "Em", "Op", "Den", "På", "Dnia", "W", "Dne", "Dňa", "В", "Vào", "Pada", "Στις"]
        .contains(&first)
}

/// Whether a name and an address come first: "Ana Example <ana@example.org> schrieb am …:".
fn names_first(text: &str) -> bool {
    let Some(at) = text.find(['<', '@', '＜', '(']) else {
        return false;
    };
    at <= 80 && text.get(..at).is_some_and(|name| !name.contains(". ") && name.split_whitespace().count() <= 6)
}

/// Whether a verb of writing is there as a whole word: its end, and whether it ends the text.
fn verb_end(lower: &str) -> Option<(usize, bool)> {
    let trimmed = lower.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '：' | '.' | '\u{a0}' | '-'));
    let mut last = None;
    for hit in VERBS.as_ref()?.find_overlapping_iter(lower) {
        let before = lower.get(..hit.start()).and_then(|t| t.chars().next_back());
        let after = lower.get(hit.end()..).and_then(|t| t.chars().next());
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphabetic() && c < '\u{0600}');
        let ascii_like = lower.get(hit.start()..hit.end()).is_some_and(|w| w.chars().all(|c| c < '\u{0600}'));
        if ascii_like && (joins(before) || joins(after)) {
            continue;
        }
        let end = hit.end();
        last = Some((end, end >= trimmed.len() || last.is_some_and(|l: (usize, bool)| l.1)));
    }
    last
}

fn iso_date(text: &str) -> bool {
    let mut parts = text.splitn(3, ['-', '/', '.']);
    let number = |p: Option<&str>, most: usize| {
        p.is_some_and(|p| !p.is_empty() && p.len() <= most && p.bytes().all(|b| b.is_ascii_digit()))
    };
    let year = parts.next();
    let begins = number(year, 4) && year.is_some_and(|y| y.len() == 4) && number(parts.next(), 2);
    begins && parts.next().is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}
