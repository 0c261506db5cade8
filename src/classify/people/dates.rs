//! The day on which an absent person is back, where the words leave no doubt.
//!
//! "until" and its kin name the day of return, "through" the last day of absence. A date that two
//! countries read differently (9/8/2026) is refused, and so is a month without a day.

use super::date_words::{AGAIN, ALSO, CUES, Cue, MONTHS, UNTIL_BEHIND};
use aho_corasick::{AhoCorasick, Match};
use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use memchr::memmem;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Tokens looked at; an absence note is short.
const MAX_TOKENS: usize = 1_500;
/// Characters before and behind a date in which the words that give it a meaning stand.
const BEFORE: usize = 56;
const BEHIND: usize = 48;
/// A date without a year that would lie further ahead is an old note, not next year's absence.
const FURTHEST: i64 = 300;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number { value: u32, digits: usize },
    Word,
    Sign(char),
}

#[derive(Debug, Clone, Copy)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

/// A date in the text.
#[derive(Debug, Clone, Copy)]
struct Found {
    year: Option<i32>,
    month: u32,
    day: u32,
    start: usize,
    end: usize,
}

/// The day of return that a text names, seen from the day on which it was sent.
pub fn returns_on(text: &str, sent: Option<DateTime<Utc>>) -> Option<NaiveDate> {
    // No date is without one.
    if !text.bytes().any(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let lower =
        if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase().replace(['’', 'ʼ'], "'") };
    let tokens = tokens(&lower);
    let mut best: Option<(Cue, NaiveDate)> = None;
    let mut doubt = false;
    let mut at = 0;
    while at < tokens.len() {
        let Some((found, used)) = date(&lower, &tokens, at) else {
            at += 1;
            continue;
        };
        at += used.max(1);
        let Some(found) = found else { continue };
        let Some(cue) = cue(&lower, found.start, found.end) else { continue };
        let Some(mut day) = resolve(found, sent) else { continue };
        // Nobody comes back before the note was sent: such a day begins the absence.
        if cue == Cue::Return && sent.is_some_and(|s| day < s.date_naive() - Days::new(1)) {
            continue;
        }
        if cue == Cue::Through {
            day = day.checked_add_days(Days::new(1))?;
        }
        match best {
            Some((known, _)) if known > cue => {}
            Some((known, other)) if known == cue => doubt |= other != day,
            _ => {
                best = Some((cue, day));
                doubt = false;
            }
        }
    }
    best.filter(|_| !doubt).map(|(_, day)| day)
}

fn resolve(found: Found, sent: Option<DateTime<Utc>>) -> Option<NaiveDate> {
    if let Some(year) = found.year {
        return NaiveDate::from_ymd_opt(year, found.month, found.day);
    }
    let sent = sent?.date_naive();
    let this = NaiveDate::from_ymd_opt(sent.year(), found.month, found.day);
    let day = match this {
        Some(day) if (day - sent).num_days() >= -1 => day,
        _ => NaiveDate::from_ymd_opt(sent.year() + 1, found.month, found.day)?,
    };
    ((day - sent).num_days() <= FURTHEST).then_some(day)
}

fn tokens(text: &str) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::new();
    let mut joins = false;
    for (start, c) in text.char_indices() {
        if out.len() >= MAX_TOKENS {
            break;
        }
        let end = start + c.len_utf8();
        let dense = c >= '\u{3000}';
        if let Some(value) = c.to_digit(10) {
            if let Some(Token { kind: Kind::Number { value: known, digits }, end: last, .. }) = out.last_mut()
                && *last == start
                && *digits < 9
            {
                *known = *known * 10 + value;
                *digits += 1;
                *last = end;
            } else {
                out.push(Token { kind: Kind::Number { value, digits: 1 }, start, end });
            }
            joins = false;
        } else if c.is_alphabetic() {
            match out.last_mut() {
                Some(Token { kind: Kind::Word, end: last, .. }) if joins && !dense && *last == start => *last = end,
                _ => out.push(Token { kind: Kind::Word, start, end }),
            }
            joins = !dense;
        } else if !c.is_whitespace() {
            out.push(Token { kind: Kind::Sign(c), start, end });
            joins = false;
        } else {
            joins = false;
        }
    }
    out
}

/// The date that begins at token `at` and the tokens it takes; `None` inside for one that is
/// refused.
fn date(text: &str, tokens: &[Token], at: usize) -> Option<(Option<Found>, usize)> {
    let token = |n: usize| tokens.get(at + n);
    let number = |n: usize| match token(n)?.kind {
        Kind::Number { value, digits } => Some((value, digits)),
        _ => None,
    };
    let sign = |n: usize| match token(n)?.kind {
        Kind::Sign(c) => Some(c),
        _ => None,
    };
    let word = |n: usize| {
        let t = token(n).filter(|t| t.kind == Kind::Word)?;
        text.get(t.start..t.end)
    };
    let full_year = |n: usize| {
        number(n).filter(|(v, d)| *d == 4 && (2000..2100).contains(v)).and_then(|(v, _)| i32::try_from(v).ok())
    };
    let start = token(0)?.start;
    let found = |year: Option<i32>, month: u32, day: u32, used: usize| {
        let end = tokens.get(at + used - 1).map_or(start, |t| t.end);
        let right = (1..=12).contains(&month) && (1..=31).contains(&day);
        Some((right.then_some(Found { year, month, day, start, end }), used))
    };
    if let Some(month) = word(0).and_then(month) {
        // "October 12th, 2026"; "October 2026" has no day.
        let (day, _) = number(1).filter(|(v, d)| *d <= 2 && (1..=31).contains(v))?;
        let mut used = 2;
        if word(used).is_some_and(|w| matches!(w, "st" | "nd" | "rd" | "th")) {
            used += 1;
        }
        let comma = usize::from(sign(used) == Some(','));
        if let Some(year) = full_year(used + comma) {
            return found(Some(year), month, day, used + comma + 1);
        }
        return found(None, month, day, used);
    }
    let (first, digits) = number(0)?;
    // 2026-10-12, 2026/10/12, 2026. 10. 12.
    if let Some(year) = full_year(0)
        && let Some(c @ ('-' | '/' | '.')) = sign(1)
        && let (Some((month, 1..=2)), Some(again), Some((day, 1..=2))) = (number(2), sign(3), number(4))
        && c == again
    {
        return found(Some(year), month, day, 5);
    }
    // 2026年10月12日, 10月12日, 2026년 10월 12일
    let (year, skip) = match (full_year(0), word(1)) {
        (Some(year), Some("年" | "년")) => (Some(year), 2),
        _ => (None, 0),
    };
    if let (Some((month, 1..=2)), Some("月" | "월"), Some((day, 1..=2)), Some("日" | "일" | "号" | "號")) =
        (number(skip), word(skip + 1), number(skip + 2), word(skip + 3))
    {
        return found(year, month, day, skip + 4);
    }
    if digits > 2 {
        return None;
    }
    // 11-Nov-2026
    if let (Some('-'), Some(month), Some('-'), Some(year)) = (sign(1), word(2).and_then(month), sign(3), full_year(4)) {
        return found(Some(year), month, first, 5);
    }
    // 10. 6. 2026, with the spaces that Czech and Slovak have
    if let (Some('.'), Some((second, 1..=2)), Some('.'), Some(year)) = (sign(1), number(2), sign(3), full_year(4)) {
        return found(Some(year), second, first, 5);
    }
    if let Some(c @ ('.' | '/' | '-')) = sign(1)
        && let Some((second, 1..=2)) = number(2)
        && touches(tokens, at, 3)
    {
        let year = (sign(3) == Some(c)).then(|| full_year(4).or_else(|| short_year(number(4)))).flatten();
        if c == '.' {
            // Dots are written day first wherever they are written. Without a year the second
            // dot tells a date from a number.
            return match year {
                Some(_) => found(year, second, first, 5),
                None if sign(3) == Some('.') && number(4).is_none() => found(None, second, first, 4),
                None if full_year(4).is_none() && sign(3) == Some('.') => found(None, second, first, 4),
                None => None,
            };
        }
        let used = if year.is_some() { 5 } else { 3 };
        return match (first, second) {
            (13..=31, 1..=12) if year.is_some() => found(year, second, first, used),
            (1..=12, 13..=31) if year.is_some() => found(year, first, second, used),
            _ => Some((None, used)),
        };
    }
    // 12 October 2026, 12. Oktober, 12 de octubre de 2026, 1er octobre, 12th of October
    let mut used = 1;
    if sign(used) == Some('.') || sign(used) == Some('º') {
        used += 1;
    }
    if word(used).is_some_and(|w| matches!(w, "st" | "nd" | "rd" | "th" | "er" | "º" | "ª" | "e" | "ste" | "de"))
        && word(used).and_then(month).is_none()
    {
        used += 1;
    }
    if word(used).is_some_and(|w| matches!(w, "of" | "de" | "tháng" | "di")) {
        used += 1;
    }
    if let (Some("tháng"), Some((month, 1..=2))) = (word(used - 1), number(used)) {
        return found(None, month, first, used + 1);
    }
    let month = word(used).and_then(month)?;
    used += 1;
    let dot = usize::from(sign(used) == Some('.'));
    let comma = usize::from(sign(used + dot) == Some(','));
    let of = usize::from(word(used + dot).is_some_and(|w| matches!(w, "de" | "del")));
    match full_year(used + dot + comma + of) {
        Some(year) => found(Some(year), month, first, used + dot + comma + of + 1),
        None => found(None, month, first, used),
    }
}

/// Whether the next tokens stand without white space between them.
fn touches(tokens: &[Token], at: usize, count: usize) -> bool {
    tokens.get(at..at + count).is_some_and(|t| t.windows(2).all(|w| matches!(w, [a, b] if a.end == b.start)))
}

fn short_year(number: Option<(u32, usize)>) -> Option<i32> {
    number.filter(|(v, d)| *d == 2 && (20..60).contains(v)).and_then(|(v, _)| i32::try_from(2000 + v).ok())
}

fn month(word: &str) -> Option<u32> {
    static MAP: LazyLock<HashMap<&'static str, u32>> = LazyLock::new(|| {
        (1..).zip(MONTHS).flat_map(|(number, names)| names.iter().map(move |name| (*name, number))).collect()
    });
    MAP.get(word).copied()
}

/// What the words around a date make of it.
fn cue(text: &str, start: usize, end: usize) -> Option<Cue> {
    let before = sentence_before(text, start);
    let behind = sentence_behind(text, end);
    // Scripts that put the word behind the date.
    let near: String = behind.chars().take(24).collect();
    let near = near.trim_start_matches([' ', ',', '(', ')', '年']);
    let weekday_free = near.split_once([')', '）']).map_or(near, |(_, rest)| rest);
    let until_behind = UNTIL_BEHIND.iter().any(|w| near.starts_with(w) || weekday_free.trim_start().starts_with(w));
    let also = ALSO.iter().any(|w| near.trim_start_matches(['(', ' ']).starts_with(w));
    let again = |words: &str| AGAIN.iter().any(|w| memmem::find(words.as_bytes(), w.as_bytes()).is_some());
    let again_behind = again(behind);
    let last = last_cue(before);
    if until_behind {
        return Some(if also { Cue::Through } else { Cue::Until });
    }
    match last {
        // "from 20 July to 7 August (inclusive)": the first of the two has no such word behind it.
        Some(Cue::Until | Cue::From | Cue::Start) | None if also => Some(Cue::Through),
        Some(Cue::Until) if matches!(text.get(end..), Some(t) if t.starts_with("至") || t.starts_with("到")) => None,
        Some(cue @ (Cue::Until | Cue::Through | Cue::Return)) => Some(cue),
        // "Am Montag, 27.04., bin ich wieder da."
        Some(Cue::Start) => {
            let words: Vec<&str> = before.split_whitespace().collect();
            let on = words.iter().rev().take(2).any(|w| *w == "am");
            (on && again_behind).then_some(Cue::Return)
        }
        None if before.trim_end().ends_with(['至', '到']) => Some(Cue::Until),
        Some(Cue::From) | None => (again_behind || again(before)).then_some(Cue::Return),
    }
}

/// The cue whose words end last, of several the longest; no letter stands beside them.
fn last_cue(text: &str) -> Option<Cue> {
    static WORDS: LazyLock<Option<AhoCorasick>> =
        LazyLock::new(|| AhoCorasick::new(CUES.iter().flat_map(|(_, words)| *words)).ok());
    static CUE_OF: LazyLock<Vec<Cue>> =
        LazyLock::new(|| CUES.iter().flat_map(|(cue, words)| words.iter().map(|_| *cue)).collect());
    let is_word = |hit: &Match| {
        let before = text.get(..hit.start()).and_then(|t| t.chars().next_back());
        let after = text.get(hit.end()..).and_then(|t| t.chars().next());
        !before.is_some_and(char::is_alphabetic) && !after.is_some_and(char::is_alphabetic)
    };
    let hits = WORDS.as_ref()?.find_overlapping_iter(text).filter(is_word);
    // Of a word that stands in two lists the first counts.
    let last = hits.max_by_key(|hit| (hit.end(), hit.len(), Reverse(hit.pattern())))?;
    CUE_OF.get(last.pattern().as_usize()).copied()
}

fn sentence_before(text: &str, start: usize) -> &str {
    let all = text.get(..start).unwrap_or_default();
    let from = all.char_indices().rev().nth(BEFORE).map_or(0, |(at, c)| at + c.len_utf8());
    let window = all.get(from..).unwrap_or_default();
    let cut = window
        .char_indices()
        .rfind(|(at, c)| match c {
            '!' | '?' | '。' | '！' | '？' => true,
            // A dot behind a digit or a short word is no end of a sentence ("5. bis 12.").
            '.' => {
                let word = window.get(..*at).and_then(|w| w.split_whitespace().next_back()).unwrap_or_default();
                window.get(at + 1..).is_some_and(|t| t.starts_with(char::is_whitespace))
                    && word.chars().count() > 4
                    // "t.o.m.", "p.m."
                    && !word.contains('.')
                    && !word.ends_with(|c: char| c.is_ascii_digit())
            }
            '\n' => window.get(at + 1..).is_some_and(|t| t.starts_with('\n')),
            _ => false,
        })
        .map_or(0, |(at, c)| at + c.len_utf8());
    window.get(cut..).unwrap_or_default()
}

fn sentence_behind(text: &str, end: usize) -> &str {
    let all = text.get(end..).unwrap_or_default();
    let to = all.char_indices().nth(BEHIND).map_or(all.len(), |(at, _)| at);
    let window = all.get(..to).unwrap_or_default();
    let cut = window
        .char_indices()
        .find(|(at, c)| match c {
            '!' | '?' | '。' | '！' | '？' | ';' | '0'..='9' => true,
            '.' => *at > 1 && window.get(at + 1..).is_some_and(|t| t.is_empty() || t.starts_with(char::is_whitespace)),
            '\n' => window.get(at + 1..).is_some_and(|t| t.starts_with('\n')),
            _ => false,
        })
        .map_or((window.len(), false), |(at, c)| (at, c.is_ascii_digit()));
    let behind = window.get(..cut.0).unwrap_or_default();
    if !cut.1 {
        return behind;
    }
    // The words right before the next date are that date's own ("back on 12 October").
    let end = behind.char_indices().rev().nth(13).map_or(0, |(at, _)| at);
    behind.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::returns_on;
    use chrono::{DateTime, Utc};

    #[test]
    fn days_of_return() {
        let sent: DateTime<Utc> = "2026-10-05T09:00:00Z".parse().expect("a time");
        let table = [
            ("I am out of the office until 12 October 2026.", Some("2026-10-12")),
            ("I am out of the office until Monday, October 12th, 2026.", Some("2026-10-12")),
            ("I am away through 12 October.", Some("2026-10-13")),
            ("I am away through Friday, October 30.", Some("2026-10-31")),
            ("Out until and including 31 December 2026", Some("2027-01-01")),
            ("I will be out from October 5 through October 9, 2026.", Some("2026-10-10")),
            ("out until 9/8/2026", None),
            ("back on 25/12/2026", Some("2026-12-25")),
            ("back on 12/25/2026", Some("2026-12-25")),
            ("I will be back in October 2026.", None),
            ("back on 2026-10-12", Some("2026-10-12")),
            ("I return on 3 January.", Some("2027-01-03")),
            ("I am out from 5 October to 9 October and will be back on 12 October.", Some("2026-10-12")),
            ("On 12 October I will be back in the office.", Some("2026-10-12")),
            ("I left on 12 October 2026.", None),
            ("Our fair is on 12 October 2026.", None),
            ("Ich bin bis zum 12. Oktober nicht im Büro.", Some("2026-10-12")),
            ("Ich bin bis einschließlich 12.10.2026 nicht im Büro.", Some("2026-10-13")),
            ("vom 5. bis 12. Oktober 2026 im Urlaub", Some("2026-10-12")),
            ("Ab dem 12.10. bin ich wieder für Sie da.", Some("2026-10-12")),
            ("Ab dem 12.10. bin ich nicht erreichbar.", None),
            ("Am 12. Oktober bin ich wieder im Büro.", Some("2026-10-12")),
            ("Je suis absent jusqu'au 12 octobre inclus.", Some("2026-10-13")),
            ("De retour le 1er novembre.", Some("2026-11-01")),
            ("Estoy de vacaciones hasta el 12 de octubre de 2026.", Some("2026-10-12")),
            ("Sono in ferie fino al 12 ottobre compreso", Some("2026-10-13")),
            ("Estou de férias até 12 de outubro de 2026.", Some("2026-10-12")),
            ("Ik ben afwezig t/m 12 oktober.", Some("2026-10-13")),
            ("Jestem na urlopie do 12 października 2026 włącznie.", Some("2026-10-13")),
            ("Jag är på semester till och med den 12 oktober.", Some("2026-10-13")),
            ("Jeg er tilbage den 12. oktober.", Some("2026-10-12")),
            ("Olen lomalla 12.10. asti.", Some("2026-10-12")),
            ("Jsem na dovolené do 12. října 2026.", Some("2026-10-12")),
            ("Я в отпуске до 12 октября 2026 г.", Some("2026-10-12")),
            ("В отпуске с 5 по 12 октября", Some("2026-10-13")),
            ("12 Ekim 2026 tarihine kadar ofis dışındayım.", Some("2026-10-12")),
            ("10月12日まで不在にしております。", Some("2026-10-12")),
            ("2026年10月12日（月）まで休暇中です。", Some("2026-10-12")),
            ("我将于2026年10月12日返回办公室。", Some("2026-10-12")),
            ("10월 12일까지 휴가입니다.", Some("2026-10-12")),
            ("I am out of the office until 11-Nov-2026.", Some("2026-11-11")),
            ("do středy 14. 10. 2026 včetně čerpám dovolenou", Some("2026-10-15")),
            ("Jag har semester t.o.m. söndag den 11 oktober", Some("2026-10-12")),
            ("Revin la birou pe 2 noiembrie 2026.", Some("2026-11-02")),
            ("С 5 по 18 октября я в отпуске, на работе буду 19 октября.", Some("2026-10-19")),
            ("Retorno no dia 19/10/2026.", Some("2026-10-19")),
            ("Regreso el lunes 19 de octubre.", Some("2026-10-19")),
            ("Rientrerò in ufficio lunedì 19 ottobre.", Some("2026-10-19")),
            ("Vanaf maandag 19 oktober ben ik er weer.", Some("2026-10-19")),
            ("Am Montag, 19.10., sitze ich wieder am Schreibtisch.", Some("2026-10-19")),
            ("L'atelier est fermé du 5 au 11 octobre 2026 inclus.", Some("2026-10-12")),
            ("Cerrado del 5 al 16 de octubre. Retomaremos la actividad el lunes 19 de octubre.", Some("2026-10-19")),
            ("Riapriremo giovedì 15 ottobre 2026.", Some("2026-10-15")),
            (
                "Jag är ledig från och med den 18 maj 2026 och är åter i tjänst måndagen den 19 oktober 2026.",
                Some("2026-10-19"),
            ),
            ("10月19日（月）以降、順次ご返信申し上げます。", Some("2026-10-19")),
            ("until 31 February 2026", None),
            ("until 99999999999999999999 October", None),
            ("until 12 October or until 14 October", None),
        ];
        let wrong: Vec<_> = table
            .into_iter()
            .map(|(text, expected)| (text, expected, returns_on(text, Some(sent)).map(|d| d.to_string())))
            .filter(|(_, expected, got)| got.as_deref() != *expected)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert_eq!(returns_on("until 12 October", None), None, "no year and no day of sending");
    }
}
