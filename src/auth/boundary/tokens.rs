//! A Received line cut into words, comments and `<addresses>`.
//!
//! A client chooses its HELO, its reverse name and its envelope sender, and not every server takes
//! parentheses, semicolons or blanks out of them. So this gives the pieces of a line only where no
//! other reading is possible; a line that leaves a parenthesis open, closes one too many, goes on
//! behind its date or hides a `by` in a comment is given back as unreadable.

/// A line is longer only when somebody made it so: three physical lines of 998 octets hold all that
/// a server has to say (RFC 5322 section 2.1.1), and lists of recipients a little more.
const MAX_LINE: usize = 16 * 1024;
const MAX_TOKENS: usize = 300;
const MAX_DEPTH: usize = 8;

/// One piece of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    /// The inside of a comment, those within it included.
    Comment(&'a str),
    /// The inside of `<…>`.
    Angle(&'a str),
}

/// The pieces of a line up to its date; `None` where they cannot be told for certain.
pub(super) fn tokens(line: &str) -> Option<Vec<Token<'_>>> {
    let line = line.trim_matches([' ', '\t', '\r', '\n']);
    if line.len() > MAX_LINE || !is_one_line(line) {
        return None;
    }
    let mut out = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches(is_blank);
        let Some(first) = rest.chars().next() else { return Some(out) };
        if out.len() >= MAX_TOKENS {
            return None;
        }
        let token = match first {
            '(' => {
                let (inside, behind) = comment(rest)?;
                rest = behind;
                Token::Comment(inside)
            }
            '<' => {
                let (inside, behind) = angle(rest)?;
                rest = behind;
                Token::Angle(inside)
            }
            ')' => return None,
            ';' => {
                out.extend(date(rest.get(1..)?)?);
                return Some(out);
            }
            _ => {
                let end = rest.find(|c| is_blank(c) || matches!(c, '(' | ')' | ';')).unwrap_or(rest.len());
                let (word, behind) = rest.split_at_checked(end)?;
                rest = behind;
                Token::Word(word)
            }
        };
        out.push(token);
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Line ends only where the line is folded (RFC 5322 section 2.2.3), and no other control characters.
fn is_one_line(line: &str) -> bool {
    let mut before = ' ';
    for c in line.chars() {
        let fine = match before {
            '\r' => c == '\n',
            '\n' => matches!(c, ' ' | '\t'),
            _ => matches!(c, '\t' | '\r' | '\n') || !c.is_control(),
        };
        if !fine {
            return false;
        }
        before = c;
    }
    true
}

/// The inside of the comment that `text` begins with, and what follows it.
fn comment(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            // RFC 5322 section 3.2.2 has quoted pairs; servers write what they were told and mean the backslash.
            '(' | ')' if before == '\\' => return None,
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return None;
        }
        if depth == 0 {
            let inside = text.get(1..at)?;
            return (!swallows(inside)).then_some((inside, text.get(at + 1..)?));
        }
        before = c;
    }
    None
}

/// Whether a comment may hold the true rest of a line: a client that opens one in its HELO and closes
/// it in its envelope sender hides what the server wrote between the two, and that has a `by` and the
/// client's address in brackets or a comment of its own.
fn swallows(inside: &str) -> bool {
    inside.contains(['(', '['])
        && inside.split(|c| is_blank(c) || matches!(c, '(' | ')')).any(|w| w.eq_ignore_ascii_case("by"))
}

/// The inside of the `<…>` that `text` begins with, and what follows it. A quoted local part may hold
/// blanks (RFC 5321 section 4.1.2), but nothing that looks like another piece of the line.
fn angle(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut before = '<';
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if before != '\\' => quoted = !quoted,
            '(' | ')' | '<' | '[' if quoted => return None,
            '(' | ')' | '<' => return None,
            '>' if !quoted => return Some((text.get(1..at)?, text.get(at + 1..)?)),
            c if is_blank(c) && !quoted => return None,
            _ => {}
        }
        before = c;
    }
    None
}

/// What stands behind the semicolon must be a date and nothing else; `PowerMTA` puts its envelope-from
/// comment there. Gives the comments.
fn date(text: &str) -> Option<Vec<Token<'_>>> {
    let mut out = Vec::new();
    let mut rest = text.trim_start_matches(is_blank);
    while let Some(first) = rest.chars().next() {
        if first == '(' {
            let (inside, behind) = comment(rest)?;
            let envelope = inside.trim_start().starts_with("envelope-from ");
            if !envelope && !inside.chars().all(|c| is_dated(c) || matches!(c, '\'' | '"')) {
                return None;
            }
            if envelope {
                out.push(Token::Comment(inside));
            }
            rest = behind;
        } else if is_dated(first) {
            rest = rest.trim_start_matches(is_dated);
        } else {
            return None;
        }
        if out.len() > 1 {
            return None;
        }
    }
    // "Mon, 16 Nov 2026 09:12:33 +0000" has none of these.
    let is_clause = |w: &str| ["by", "from", "with"].iter().any(|k| w.eq_ignore_ascii_case(k));
    (!text.split(is_blank).any(is_clause)).then_some(out)
}

fn is_dated(c: char) -> bool {
    is_blank(c) || c.is_alphanumeric() || matches!(c, ',' | ':' | '+' | '-' | '.' | '/' | '=' | '_')
}
