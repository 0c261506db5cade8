//! The grammar of an answer: own words, quotes and what introduces them.
//!
//! Each line gets a class; a border after which everything is quoted ends the reading. Own lines
//! between quotes are segments; each may end with a signature. When in doubt a line is own text:
//! losing a person's words is worse than keeping a line of the quote.

use super::lines::{Line, Mark};
use super::marks;
use super::signature::{self, Sender};
use crate::event::Layout;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Blank,
    Text,
    Signature,
    /// "On …, somebody wrote:" and other lines that name the quote.
    Intro,
    Quoted,
}

/// What a person wrote, apart from what the mail program put around it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    pub text: String,
    pub signature: Option<String>,
    pub quoted_chars: usize,
    pub layout: Option<Layout>,
}

/// Reads the person's own words out of the lines of a body.
pub fn own_words(lines: &[Line<'_>], sender: &Sender) -> Own {
    let (mut classes, split) = classify(lines, false);
    let quotes = classes.iter().any(|c| matches!(c, Class::Quoted | Class::Intro));
    if !quotes
        && lines.iter().any(|l| l.mark == Mark::Bare)
        && lines.iter().find(|l| !l.text.trim().is_empty()).is_some_and(|l| l.mark == Mark::Own)
    {
        classes = classify(lines, true).0;
    }
    let mut own = Own::default();
    let mut signature = String::new();
    let mut segments = 0_usize;
    let (mut quotes, mut quotes_before_first, mut quotes_after_last) = (false, false, false);
    let mut at = 0;
    while let Some(class) = classes.get(at) {
        match class {
            Class::Quoted | Class::Intro => {
                quotes = true;
                quotes_after_last = true;
                if let Some(line) = lines.get(at) {
                    own.quoted_chars += line.text.trim().chars().count();
                }
                at += 1;
                continue;
            }
            Class::Blank => {
                at += 1;
                continue;
            }
            Class::Text | Class::Signature => {}
        }
        let mut end = at;
        while classes.get(end).is_some_and(|c| matches!(c, Class::Text | Class::Signature | Class::Blank)) {
            end += 1;
        }
        let mut texts: Vec<&str> = Vec::with_capacity(end - at);
        for (number, (line, class)) in lines.iter().zip(&classes).enumerate().take(end).skip(at) {
            if *class == Class::Signature {
                push_line(&mut signature, line.text.trim_end());
                continue;
            }
            let text = match split {
                Some((place, octet)) if place == number => line.text.get(..octet).unwrap_or(&line.text),
                _ => &line.text,
            };
            texts.push(text.trim_end());
        }
        let (text, sign) = signature::split(&texts, segments > 0 || quotes, sender);
        for line in sign {
            push_line(&mut signature, line);
        }
        let text = text.join("\n");
        let text = text.trim_matches('\n').trim_end();
        if !text.trim().is_empty() {
            if segments == 0 {
                quotes_before_first = quotes;
            } else {
                own.text.push_str("\n\n");
            }
            own.text.push_str(text);
            segments += 1;
            quotes_after_last = false;
        }
        at = end;
    }
    own.text.truncate(own.text.trim_end().len());
    own.text.drain(..own.text.len() - own.text.trim_start().len());
    let signature = signature.trim();
    own.signature = (!signature.is_empty()).then(|| signature.to_owned());
    own.layout = match (segments, quotes) {
        (0, _) => None,
        (_, false) => Some(Layout::Full),
        (1, true) if !quotes_before_first => Some(Layout::Top),
        (1, true) if !quotes_after_last => Some(Layout::Bottom),
        _ => Some(Layout::Inline),
    };
    own
}

fn push_line(to: &mut String, line: &str) {
    if !to.is_empty() {
        to.push('\n');
    }
    to.push_str(line);
}

/// The class of each line, and the place inside a line where a quote begins, if one does.
fn classify(lines: &[Line<'_>], bare_quotes: bool) -> (Vec<Class>, Option<(usize, usize)>) {
    let mut classes = Vec::with_capacity(lines.len());
    let mut split = None;
    let last_fence = lines.iter().rposition(|l| l.text.trim_start().starts_with("```"));
    let mut fence = false;
    let mut own_above = false;
    // Whether the line before belongs to a quote that still goes on.
    let mut in_quote = false;
    while let Some(line) = lines.get(classes.len()) {
        let at = classes.len();
        let text = line.text.trim();
        match line.mark {
            Mark::Cut => {
                classes.resize(lines.len(), Class::Quoted);
                break;
            }
            Mark::Quoted => {
                classes.push(Class::Quoted);
                in_quote = true;
                continue;
            }
            Mark::Signature => {
                classes.push(if text.is_empty() { Class::Blank } else { Class::Signature });
                continue;
            }
            Mark::Indented | Mark::Bare if in_quote || (bare_quotes && line.mark == Mark::Bare) => {
                classes.push(Class::Quoted);
                continue;
            }
            Mark::Indented | Mark::Bare | Mark::Own => {}
        }
        if signature::is_empty(text) {
            classes.push(Class::Blank);
            continue;
        }
        if text.starts_with("```") {
            fence = !fence && last_fence.is_some_and(|l| l > at);
            classes.push(Class::Text);
            own_above = true;
            continue;
        }
        if fence {
            classes.push(Class::Text);
            continue;
        }
        if marks::is_groupwise(text) && !next_is_quoted(lines, at + 1) {
            classes.resize(lines.len(), Class::Quoted);
            break;
        }
        if marks::is_quoted(text) || (in_quote && text.starts_with('|')) {
            classes.push(Class::Quoted);
            in_quote = true;
            continue;
        }
        if in_quote && is_broken_wrap(lines, at) {
            classes.push(Class::Quoted);
            continue;
        }
        if let Some(octet) = marks::inline_attribution(&line.text) {
            classes.push(Class::Text);
            split = Some((at, octet));
            own_above = true;
            if next_is_quoted(lines, at + 1) {
                in_quote = true;
                continue;
            }
            classes.resize(lines.len(), Class::Quoted);
            break;
        }
        match border(lines, at, own_above) {
            Border::Cut => {
                classes.resize(lines.len(), Class::Quoted);
                break;
            }
            Border::Intro(last) => {
                classes.resize(last + 1, Class::Intro);
                in_quote = next_is_quoted(lines, last + 1);
                continue;
            }
            Border::No => {}
        }
        in_quote = false;
        own_above = true;
        classes.push(Class::Text);
    }
    (classes, split)
}

enum Border {
    No,
    /// Everything from here is quoted.
    Cut,
    /// Lines up to this one introduce a quote that is marked as one.
    Intro(usize),
}

fn border(lines: &[Line<'_>], at: usize, own_above: bool) -> Border {
    let Some(line) = lines.get(at) else {
        return Border::No;
    };
    if marks::is_separator(&line.text) {
        if next_is_quoted(lines, at + 1) {
            return Border::Intro(at);
        }
        return marked_behind(lines, at).map_or(Border::Cut, Border::Intro);
    }
    let opens_block = |at: usize| marks::is_header_block(lines, at);
    if opens_block(at) || (marks::is_dressed(&line.text) && (at + 1..=at + 3).any(opens_block)) {
        return marked_behind(lines, at).map_or(Border::Cut, Border::Intro);
    }
    if let Some(last) = marks::attribution(lines, at) {
        if next_is_quoted(lines, last + 1) {
            return Border::Intro(last);
        }
        // A quote without marks reaches to the end. With nothing above, the answer may stand
        // below it, and no one can tell where: the text stays.
        return if own_above { Border::Cut } else { Border::Intro(last) };
    }
    Border::No
}

/// The last line of a header block behind which the quote is marked, so that answers stand between its lines: the next
/// line has a mark, and so have most of the others.
fn marked_behind(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let is_blank = |l: &Line<'_>| l.text.trim().is_empty();
    let first = (at..lines.len()).take(4).find(|n| marks::is_header_block(lines, *n))?;
    let length = lines.iter().skip(first).take(20).position(is_blank)?;
    let last = first + length;
    if !next_is_quoted(lines, last) {
        return None;
    }
    let rest = lines.iter().skip(last).take(200).filter(|l| !is_blank(l));
    let marked = rest.clone().filter(|l| marks::is_quoted(&l.text)).count();
    (marked * 2 >= rest.count()).then_some(last)
}

fn next_is_quoted(lines: &[Line<'_>], from: usize) -> bool {
    lines.iter().skip(from).take(6).find(|l| !l.text.trim().is_empty()).is_some_and(|l| {
        matches!(l.mark, Mark::Quoted | Mark::Indented | Mark::Bare)
            || marks::is_quoted(&l.text)
            || (l.mark == Mark::Own && l.text.starts_with("| "))
    })
}

/// A piece of a quoted line that a program wrapped without a quote mark: alone between quoted
/// lines, and not the beginning of a sentence.
fn is_broken_wrap(lines: &[Line<'_>], at: usize) -> bool {
    let neighbour = |line: Option<&Line<'_>>| line.filter(|l| marks::is_quoted(&l.text)).map(|l| l.text.trim().len());
    let Some(before) = at.checked_sub(1).and_then(|b| neighbour(lines.get(b))) else {
        return false;
    };
    let Some(line) = lines.get(at).filter(|_| neighbour(lines.get(at + 1)).is_some()) else {
        return false;
    };
    let text = line.text.trim();
    match text.chars().next() {
        Some(c) if !c.is_alphanumeric() => {
            !matches!(c, '-' | '*' | '+' | ':' | ';' | '"' | '\'' | '→' | '⇒' | '➔' | '➜' | '✓')
        }
        Some(c) if c.is_lowercase() => before >= 60 && text.len() < 40,
        _ => false,
    }
}
