//! Where an answer's own text ends and its signature begins.
//!
//! The separator of RFC 3676 section 4.3 (`-- `) is certain; borders, phone footers, formal
//! closes and legal text are cut only at the end of a segment, and only where what follows looks
//! like a signature. A name or "Thanks, Ana" alone stays in the text.

use super::marks;
use super::tongues::{self, DISCLAIMER, LEGAL_TALK, PRINT_LESS, SENT_FROM, SENT_FROM_END};
use crate::message::Mail;
use aho_corasick::{AhoCorasick, MatchKind, StartKind};
use std::sync::LazyLock;

/// Lines below a separator that may still be a signature.
const MOST_LINES: usize = 20;
/// Lines of one segment that are searched, from its end.
const SEARCHED: usize = 60;

static FOOTERS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).start_kind(StartKind::Anchored).build(SENT_FROM).ok()
});
static TALK: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(LEGAL_TALK.iter().copied().flatten()).ok());
static PRINT: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(PRINT_LESS).ok());
static LEGAL: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(DISCLAIMER).ok());

/// Who wrote, as the From header says: people sign with the name that their program sends.
#[derive(Debug, Clone, Default)]
pub struct Sender {
    /// The words of the display name, in lower case.
    name: Vec<String>,
    /// The address, in lower case.
    address: Option<String>,
}

impl Sender {
    /// The sender of a mail.
    pub fn of(mail: &Mail<'_>) -> Self {
        let name = mail.from_name().unwrap_or_default();
        let words = name.split(|c: char| !c.is_alphanumeric()).filter(|w| w.chars().count() > 1).take(8);
        Self { name: words.map(str::to_lowercase).collect(), address: mail.from().map(|a| a.normalised()) }
    }

    /// Whether a line names the sender: two words of the name, or all of a name of one.
    fn signs(&self, line: &str) -> bool {
        if line.len() > 120 || self.name.is_empty() {
            return false;
        }
        let lower = line.to_lowercase();
        let mut words = lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
        // The name stands in front: "Ana Example | Buyer".
        // "R. Holečková" is she who is "Radka Holečková" in From.
        let initial = |n: &String, w: &str| w.chars().count() == 1 && n.starts_with(w);
        let named = words.by_ref().take(5).filter(|w| self.name.iter().any(|n| n == w || initial(n, w))).count();
        named >= self.name.len().min(2)
    }

    /// Whether a line holds the sender's own address.
    fn is_addressed(&self, line: &str) -> bool {
        line.contains('@') && self.address.as_ref().is_some_and(|a| line.to_lowercase().contains(a.as_str()))
    }
}

/// Splits a segment into its text and its signature; `after_quote` tells whether a quote stands
/// above it.
pub fn split<'l>(lines: &[&'l str], after_quote: bool, sender: &Sender) -> (Vec<&'l str>, Vec<&'l str>) {
    let mut end = trim_end(lines, lines.len());
    let mut cut = end;
    // Footers and legal text, from the last line upwards.
    loop {
        let before = end;
        if let Some(last) = end.checked_sub(1).and_then(|l| lines.get(l))
            && is_phone_footer(last)
        {
            end -= 1;
        } else if let Some(start) = legal_paragraph(lines, end) {
            end = start;
        }
        if end == before {
            break;
        }
        cut = end;
        end = trim_end(lines, end);
    }
    if let Some(at) = separator(lines, end, after_quote) {
        cut = at;
    } else if let Some(at) = closing(lines, end, sender).or_else(|| named(lines, end, sender)) {
        cut = at;
    }
    let cut = cut.min(lines.len());
    let text_end = trim_end(lines, cut.min(end));
    let text = lines.iter().take(text_end).copied().collect();
    let mut sign: Vec<&str> = lines.iter().skip(cut).copied().collect();
    while sign.last().is_some_and(|l| l.trim().is_empty() || marks::is_border(l)) {
        sign.pop();
    }
    if sign.first().is_some_and(|l| marks::is_border(l)) {
        sign.remove(0);
    }
    (text, sign)
}

/// Whether a line shows nothing. U+1427 alone is Mailtrack's pixel in plain text.
pub fn is_empty(line: &str) -> bool {
    line.chars().all(|c| c.is_whitespace() || matches!(c, '\u{1427}' | '\u{200b}' | '\u{feff}' | '\u{2060}'))
}

/// The end without blank lines and borders.
fn trim_end(lines: &[&str], mut end: usize) -> usize {
    while end.checked_sub(1).and_then(|l| lines.get(l)).is_some_and(|l| is_empty(l) || marks::is_border(l)) {
        end -= 1;
    }
    end
}

/// "Sent from my phone" and its kin: the whole line.
pub fn is_phone_footer(line: &str) -> bool {
    let line = marks::bare(line).trim_start_matches(['[', '(', '-', '—', '_', '>']).trim_start();
    if line.len() > 200 || line.is_empty() {
        return false;
    }
    let visible = line.split(['<', '[']).next().unwrap_or(line).trim();
    let visible = visible.split("http").next().unwrap_or(visible).trim_end_matches([' ', '(', ')', ':']);
    let words = visible.split_whitespace().count();
    // A sentence goes on behind the device; a footer does not.
    if words > 12 || visible.contains([';', '?']) || (visible.contains(", ") && words > 5) {
        return false;
    }
    let lower = visible.to_lowercase();
    let begins = FOOTERS
        .as_ref()
        .is_some_and(|f| f.find(aho_corasick::Input::new(&lower).anchored(aho_corasick::Anchored::Yes)).is_some());
    if !begins {
        return words <= 6
            && lower.chars().count() <= 60
            && SENT_FROM_END.iter().any(|w| lower.trim_end_matches(['.', '。']).ends_with(w))
            && [
                "iphone", "ipad", "android", "samsung", "outlook", "huawei", "xiaomi", "スマ", "galaxy", "手机",
                "手機", "휴대", "mobil", "handy",
            ]
            .iter()
            .any(|d| lower.contains(d));
    }
    // "Sent from a train, will answer later." is the person's own.
    let sentence = visible.ends_with(['.', '!']) && words > 8;
    let loose = lower.starts_with("sent from") && !lower.starts_with("sent from my") && words > 7;
    let german = (lower.starts_with("von meine") && !lower.contains("gesendet"))
        || (lower.starts_with("outlook für") && words > 4);
    !(sentence || loose || german)
}

/// The start of a last paragraph of legal text.
fn legal_paragraph(lines: &[&str], end: usize) -> Option<usize> {
    let mut start = end;
    let mut octets = 0;
    while let Some(line) =
        start.checked_sub(1).and_then(|l| lines.get(l)).filter(|l| !l.trim().is_empty() && !marks::is_border(l))
    {
        start -= 1;
        octets += line.len();
        if end - start > 40 {
            return None;
        }
    }
    let talk = lines.get(start..end)?.iter().take(12).map(|l| l.to_lowercase()).collect::<Vec<_>>().join(" ");
    if start == 0 {
        return None;
    }
    if end - start <= 2 && PRINT.as_ref().is_some_and(|p| p.is_match(&talk)) {
        return Some(start);
    }
    if octets < 80 {
        return None;
    }
    let topics = topics(&talk);
    if topics.iter().filter(|t| **t).count() >= 3
        || (topics.first() == Some(&true) && topics.iter().skip(1).any(|t| *t))
    {
        return Some(start);
    }
    let hits = lines
        .get(start..end)?
        .iter()
        .take(6)
        .map(|l| LEGAL.as_ref().map_or(0, |a| a.find_iter(&l.to_lowercase()).count()))
        .sum::<usize>();
    // One word alone ("confidential") may be what the person writes about.
    (hits > 1 || (hits == 1 && octets > 250)).then_some(start)
}

/// Which of the topics of legal text a paragraph speaks of.
fn topics(text: &str) -> [bool; LEGAL_TALK.len()] {
    let mut found = [false; LEGAL_TALK.len()];
    for hit in TALK.iter().flat_map(|t| t.find_overlapping_iter(text)) {
        let mut number = hit.pattern().as_usize();
        for (topic, words) in found.iter_mut().zip(LEGAL_TALK) {
            if number < words.len() {
                *topic = true;
                break;
            }
            number -= words.len();
        }
    }
    found
}

/// The line at which a separator cuts a signature off.
fn separator(lines: &[&str], end: usize, after_quote: bool) -> Option<usize> {
    let mut found = None;
    // What stands in a fence of code separates nothing.
    let code = lines.iter().rposition(|l| l.trim_start().starts_with("```")).map_or(0, |at| at + 1);
    for (at, line) in lines.iter().enumerate().take(end).skip(code.max(end.saturating_sub(SEARCHED))) {
        let text = line.trim();
        let body = lines.get(at + 1..end).unwrap_or_default();
        let filled = body.iter().filter(|l| !l.trim().is_empty()).count();
        if filled == 0 {
            continue;
        }
        if matches!(text, "--" | "- -") {
            if filled <= MOST_LINES && found.is_none() {
                found = Some(at);
            }
        } else if (marks::is_border(text) || matches!(text, "—" | "–"))
            // Headings of plain text have such lines too, hardly as long.
            && (!text.starts_with(['=', '#', '*', '+']) || text.len() >= 10)
            && found.is_none()
            && filled <= MOST_LINES
            && (looks_like_signature(body) || (after_quote && at == 0))
        {
            found = Some(at);
        }
    }
    found
}

/// Short lines with a number, an address or a link among them, or a mailing list's footer.
fn looks_like_signature(lines: &[&str]) -> bool {
    let filled = lines.iter().map(|l| l.trim()).filter(|l| !l.is_empty());
    let (mut count, mut long, mut contact, mut sentences) = (0, 0, 0, 0);
    for line in filled {
        count += 1;
        long += usize::from(line.chars().count() > 76);
        contact += usize::from(is_contact(line));
        sentences += usize::from(line.ends_with(['.', '?', '!']) && line.split_whitespace().count() > 4);
    }
    long == 0 && sentences == 0 && count <= 10 && contact > 0
}

fn is_contact(line: &str) -> bool {
    let digits = line.bytes().filter(u8::is_ascii_digit).count();
    let lower = line.to_ascii_lowercase();
    (digits >= 6 && (digits * 3 >= line.trim().len() || line.contains('+')))
        || line.contains('@')
        || lower.contains("www.")
        || lower.contains("http")
        || lower.contains("mailing list")
}

/// The line of a formal close with a signature below it.
fn closing(lines: &[&str], end: usize, sender: &Sender) -> Option<usize> {
    let from = end.saturating_sub(14).max(1);
    let mut at = end;
    while at > from {
        at -= 1;
        let line = marks::bare(lines.get(at)?);
        if line.len() > 100 || line.is_empty() {
            continue;
        }
        let words = line.trim_end_matches([',', '.', '!', ' ', '，', '。', '،']).to_lowercase();
        // "С уважением, Климов О. И."
        let with_name = line.split_once(',').filter(|(head, name)| {
            tongues::is_closing(&head.trim().to_lowercase()) && (is_full_name(name.trim()) || sender.signs(name))
        });
        let formal = with_name.is_some() || tongues::is_closing(&words);
        if !formal && !tongues::is_thanks(&words) {
            continue;
        }
        let block: Vec<&str> = lines.get(at + 1..end)?.iter().map(|l| l.trim()).filter(|l| !l.is_empty()).collect();
        let whole_name = match with_name {
            Some(_) => !block.is_empty(),
            None => block.first().is_some_and(|name| is_full_name(name) || (block.len() > 1 && sender.signs(name))),
        };
        if block.is_empty() {
            continue;
        }
        let contacts = block.iter().filter(|l| is_contact(l)).count();
        let above = lines.get(..at)?.iter().any(|l| !l.trim().is_empty());
        let short = block.iter().all(|l| l.chars().count() <= 80);
        return (above && short && ((formal && whole_name) || contacts > 0)).then_some(at);
    }
    None
}

/// The line at which a block begins that the sender's own name opens, or a last line with the sender's own address.
fn named(lines: &[&str], end: usize, sender: &Sender) -> Option<usize> {
    let from = end.saturating_sub(14).max(1);
    let last = end.checked_sub(1)?;
    if last > 0
        && lines.get(last).is_some_and(|l| sender.is_addressed(l) && l.len() <= 120 && sender.signs(l))
        && lines.get(last - 1).is_some_and(|l| l.trim().is_empty())
    {
        return Some(last);
    }
    (from..last).find(|&at| {
        let apart = at.checked_sub(1).and_then(|b| lines.get(b)).is_some_and(|l| is_empty(l));
        let opens = lines.get(at).is_some_and(|l| sender.signs(marks::bare(l)) && !ends_sentence(l));
        apart && opens && {
            let block = lines.get(at..end).unwrap_or_default().iter().map(|l| l.trim()).filter(|l| !l.is_empty());
            let plain = |l: &&str| l.chars().count() <= 100 && !ends_sentence(l);
            block.clone().count() >= 2 && block.clone().all(|l| plain(&l))
        }
    })
}

/// Whether a line is a sentence, and no line of a signature.
fn ends_sentence(line: &str) -> bool {
    line.trim_end().ends_with(['.', '?', '!', '。', '？']) && line.split_whitespace().count() > 4
}

/// Two to four words, each with a capital, nothing else.
fn is_full_name(line: &str) -> bool {
    let mut words = 0;
    for word in line.split_whitespace() {
        words += 1;
        let particle = matches!(word, "de" | "van" | "von" | "der" | "den" | "da" | "di" | "la" | "el" | "bin" | "al");
        if !particle && !word.chars().next().is_some_and(char::is_uppercase) {
            return false;
        }
        if word.chars().any(|c| !(c.is_alphabetic() || matches!(c, '.' | '-' | '\'' | '’'))) {
            return false;
        }
    }
    (2..=5).contains(&words)
}
