//! The visible lines of an HTML body, with what its markup says about quotes.
//!
//! One pass over the octets, no tree: the tokenizer knows comments, raw-text elements, tags and
//! entities, and keeps a short stack of the elements that mean something. mail-parser's own text
//! form drops exactly those: `blockquote`, Outlook's `divRplyFwdMsg`, Gmail's signature class.

use super::lines::{Line, Mark};
use mail_parser::decoders::html::add_html_token;
use std::borrow::Cow;

/// Elements with a meaning that may be open at once; deeper ones mean what their parent means.
const MAX_OPEN: usize = 32;
/// Lines kept of one body.
const MAX_LINES: usize = 50_000;

/// What an open element says of the text in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sense {
    Is(Mark),
    Hidden,
    Pre,
}

struct Open<'h> {
    tag: &'h str,
    /// Elements of the same name open inside it.
    nested: usize,
    sense: Sense,
}

#[expect(clippy::struct_excessive_bools, reason = "independent states of one pass")]
struct Writer<'h> {
    /// Whether quotes and signatures are of interest.
    marks: bool,
    lines: Vec<Line<'static>>,
    line: String,
    /// White space since the last visible character.
    gap: bool,
    mark: Mark,
    open: Vec<Open<'h>>,
    /// From here on everything is quoted.
    cut: bool,
    /// A head was never closed: do not look for its end again.
    headless: bool,
}

/// The lines of an HTML body.
pub fn lines(html: &str) -> Vec<Line<'static>> {
    read(html, true)
}

/// The visible text of an HTML body, a line for each block, whatever its markup says of quotes.
pub fn text(html: &str) -> String {
    let mut out = String::new();
    for line in read(html, false) {
        out.push_str(&line.text);
        out.push('\n');
    }
    out
}

fn read(html: &str, marks: bool) -> Vec<Line<'static>> {
    let mut writer = Writer {
        marks,
        lines: Vec::new(),
        line: String::new(),
        gap: false,
        mark: Mark::Own,
        open: Vec::new(),
        cut: false,
        headless: false,
    };
    let mut rest = html;
    while !rest.is_empty() && writer.lines.len() < MAX_LINES {
        let (text, tail) = match memchr::memchr(b'<', rest.as_bytes()) {
            Some(at) => rest.split_at_checked(at).unwrap_or((rest, "")),
            None => (rest, ""),
        };
        writer.text(text);
        rest = writer.markup(tail);
    }
    writer.end_line();
    writer.lines
}

impl<'h> Writer<'h> {
    /// Reads one piece of markup at the beginning of `tail`, gives what is behind it.
    fn markup(&mut self, tail: &'h str) -> &'h str {
        let Some(inner) = tail.strip_prefix('<') else {
            return tail;
        };
        if let Some(comment) = inner.strip_prefix("!--") {
            return memchr::memmem::find(comment.as_bytes(), b"-->").and_then(|at| comment.get(at + 3..)).unwrap_or("");
        }
        let (closing, name_on) = match inner.strip_prefix('/') {
            Some(after) => (true, after),
            None => (false, inner),
        };
        if !name_on.starts_with(|c: char| c.is_ascii_alphabetic() || c == '!' || c == '?') {
            // A bare `<`, as in "a < b", is text.
            self.text("<");
            return inner;
        }
        let Some((tag, behind)) = split_tag(name_on) else {
            return "";
        };
        let name_len = tag.find(|c: char| !c.is_ascii_alphanumeric() && c != ':' && c != '-').unwrap_or(tag.len());
        let (name, attributes) = tag.split_at_checked(name_len).unwrap_or((tag, ""));
        if closing {
            self.close(name);
            return behind;
        }
        for raw in ["style", "script", "title", "head", "template", "xml"] {
            if name.eq_ignore_ascii_case(raw) && !attributes.trim_end().ends_with('/') {
                let skipped = if raw == "head" && self.headless { None } else { skip_element(behind, raw) };
                // Only a head is sometimes left open; the rest of the others is no text.
                self.headless |= raw == "head" && skipped.is_none();
                return skipped.unwrap_or(if raw == "head" { behind } else { "" });
            }
        }
        self.start(name, attributes);
        behind
    }

    fn start(&mut self, name: &'h str, attributes: &'h str) {
        let is = |n: &str| name.eq_ignore_ascii_case(n);
        if is("p") && self.open.last().is_some_and(|o| o.tag.eq_ignore_ascii_case("p")) {
            // A paragraph ends where the next begins.
            self.close(name);
        }
        for open in self.open.iter_mut().rev() {
            if open.tag.eq_ignore_ascii_case(name) {
                open.nested += 1;
                break;
            }
        }
        if is("br") {
            self.end_line();
            return;
        }
        if is("hr") {
            self.end_line();
            self.text("----------");
            self.end_line();
            if attribute(attributes, "id").is_some_and(|id| id.eq_ignore_ascii_case("stopspelling")) {
                // Hotmail's border between answer and quote.
                self.cut = true;
            }
            return;
        }
        if is("td") || is("th") {
            self.gap = true;
        }
        let block = is_block(name);
        if block {
            self.end_line();
        }
        if is("p") && self.lines.last().is_some_and(|l| !l.text.is_empty()) {
            self.blank();
        }
        let void = is("img") || is("meta") || is("input") || is("link") || is("li");
        if let Some(sense) = self.sense(name, attributes)
            && !void
        {
            self.end_line();
            if self.open.len() < MAX_OPEN {
                // The same element counts for its own sense only.
                for open in self.open.iter_mut().rev() {
                    if open.tag.eq_ignore_ascii_case(name) {
                        open.nested = open.nested.saturating_sub(1);
                        break;
                    }
                }
                self.open.push(Open { tag: name, nested: 0, sense });
                self.mark = self.current();
            }
        }
    }

    fn close(&mut self, name: &str) {
        if is_block(name) {
            self.end_line();
        }
        if name.eq_ignore_ascii_case("p") && self.lines.last().is_some_and(|l| !l.text.is_empty()) {
            self.blank();
        }
        let Some(at) = self.open.iter().rposition(|o| o.tag.eq_ignore_ascii_case(name)) else {
            return;
        };
        if let Some(open) = self.open.get_mut(at)
            && open.nested > 0
        {
            open.nested -= 1;
            return;
        }
        self.end_line();
        self.open.truncate(at);
        self.mark = self.current();
    }

    /// What an element says of its text by its name, class and id.
    fn sense(&mut self, name: &str, attributes: &str) -> Option<Sense> {
        if name.eq_ignore_ascii_case("pre") {
            return Some(Sense::Pre);
        }
        let blockquote = name.eq_ignore_ascii_case("blockquote");
        if attributes.is_empty() && !blockquote {
            return None;
        }
        if !self.marks {
            let hidden =
                attribute(attributes, "style").is_some_and(|s| has(s, "display:none") || has(s, "display: none"));
            return hidden.then_some(Sense::Hidden);
        }
        let class = attribute(attributes, "class").unwrap_or_default();
        let id = attribute(attributes, "id").unwrap_or_default();
        let style = attribute(attributes, "style").unwrap_or_default();
        if blockquote {
            let cite = attribute(attributes, "type").is_some_and(|t| t.eq_ignore_ascii_case("cite"))
                || attribute(attributes, "cite").is_some()
                || !class.is_empty()
                || has(style, "border-left");
            let open = if attributes.trim().is_empty() { Mark::Bare } else { Mark::Indented };
            return Some(Sense::Is(if cite { Mark::Quoted } else { open }));
        }
        let named = |words: &[&str]| words.iter().any(|w| has(class, w) || has(id, w));
        // Outlook for web and Outlook for phones put these before the quote, not around it.
        if named(&[
            "divrplyfwdmsg",
            "appendonsend",
            "ms-outlook-mobile-reference-message",
            "mail-editor-reference-message-container",
            "divrpl",
        ]) {
            self.end_line();
            self.cut = true;
            return None;
        }
        if named(&[
            "olk_src_body_section",
            "yahoo_quoted",
            "protonmail_quote",
            "tutanota_quote",
            "zmail_extra",
            "moz-forward-container",
            "zm_quoted",
            "front-blockquote",
            "freebirdformsource",
            "qt-outlook",
            "ms-outlook-quote",
            "quotedtext",
            "mailquote",
            "replyforward",
            "isforwardcontent",
            "crisp-quoted",
        ]) {
            return Some(Sense::Is(Mark::Quoted));
        }
        if named(&[
            "gmail_signature",
            "moz-signature",
            "protonmail_signature",
            "ms-outlook-mobile-signature",
            "outlooksignature",
            "yahoo_signature",
            "zm_signature",
            "apple-mail-signature",
            "applemailsignature",
            "x_signature",
            "mobile-signature",
        ]) || id.eq_ignore_ascii_case("signature")
            || class.eq_ignore_ascii_case("signature")
        {
            return Some(Sense::Is(Mark::Signature));
        }
        if has(style, "display:none") || has(style, "display: none") || has(style, "mso-hide:all") {
            return Some(Sense::Hidden);
        }
        None
    }

    fn current(&self) -> Mark {
        self.open
            .iter()
            .filter_map(|o| match o.sense {
                Sense::Is(mark) => Some(mark),
                _ => None,
            })
            .reduce(|outer, inner| if outer == Mark::Quoted { outer } else { inner })
            .unwrap_or(Mark::Own)
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() || self.open.iter().any(|o| o.sense == Sense::Hidden) {
            return;
        }
        let pre = self.open.iter().any(|o| o.sense == Sense::Pre);
        let mut rest = text;
        while let Some((c, len)) = rest.chars().next().map(|c| (c, c.len_utf8())) {
            if c == '&'
                && let Some(end) = rest.bytes().take(32).position(|b| b == b';')
                && let Some((entity, tail)) = rest.split_at_checked(end + 1)
                && entity.bytes().skip(1).take(end - 1).all(|b| b.is_ascii_alphanumeric() || b == b'#')
            {
                self.space();
                let before = self.line.len();
                add_html_token(&mut self.line, entity.as_bytes(), false);
                if self.line.get(before..).is_some_and(|s| s.contains(['\n', '\r'])) {
                    self.line.truncate(before);
                    self.gap = true;
                }
                rest = tail;
                continue;
            }
            // What is plain up to the next space, entity or control is copied at once.
            if c.is_ascii_graphic() && c != '&' {
                let run =
                    rest.bytes().skip(1).position(|b| !b.is_ascii_graphic() || b == b'&').map_or(rest.len(), |p| p + 1);
                self.space();
                self.line.push_str(rest.get(..run).unwrap_or_default());
                rest = rest.get(run..).unwrap_or_default();
                continue;
            }
            rest = rest.get(len..).unwrap_or_default();
            match c {
                '\n' if pre => self.end_line(),
                ' ' if pre => self.line.push(' '),
                '\r' => self.gap |= !pre,
                ' ' | '\t' | '\n' | '\u{c}' => self.gap = true,
                // Soft hyphens and the invisible padding of preheaders.
                '\u{ad}' | '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{feff}' | '\u{34f}' => {
                    if c == '\u{200d}' && !self.line.is_empty() {
                        self.line.push(c);
                    }
                }
                _ => {
                    self.space();
                    self.line.push(c);
                }
            }
        }
    }

    fn space(&mut self) {
        if std::mem::take(&mut self.gap) && !self.line.is_empty() {
            self.line.push(' ');
        }
    }

    fn end_line(&mut self) {
        self.gap = false;
        let mark = if self.cut { Mark::Cut } else { self.mark };
        if self.line.is_empty() {
            if self.lines.last().is_some_and(|l| l.mark != mark && !l.text.is_empty()) {
                self.blank();
            }
            return;
        }
        let text = std::mem::take(&mut self.line);
        // A line of only non-breaking spaces is how editors write an empty one.
        let text = if text.trim().is_empty() { String::new() } else { text };
        self.lines.push(Line { text: Cow::Owned(text), mark });
    }

    fn blank(&mut self) {
        let mark = if self.cut { Mark::Cut } else { self.mark };
        self.lines.push(Line { text: Cow::Borrowed(""), mark });
    }
}

fn is_block(name: &str) -> bool {
    const BLOCKS: [&str; 26] = [
        "div",
        "p",
        "tr",
        "table",
        "ul",
        "ol",
        "li",
        "blockquote",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "body",
        "html",
        "section",
        "article",
        "header",
        "footer",
        "pre",
        "center",
        "dl",
        "dt",
        "dd",
        "address",
    ];
    name.len() <= 10 && BLOCKS.iter().any(|b| b.eq_ignore_ascii_case(name))
}

/// Splits behind the `>` that ends a tag; quoted attribute values may hold one.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let mut value = false;
    for (at, b) in text.bytes().enumerate() {
        match (quote, b) {
            (None, b'>') => return Some((text.get(..at)?, text.get(at + 1..)?)),
            // A quote opens only behind `=`: stray ones in broken tags must not swallow the text.
            (None, b'"' | b'\'') if value => quote = Some(b),
            (Some(q), _) if q == b => quote = None,
            _ => {}
        }
        value = b == b'=' || (value && b.is_ascii_whitespace());
    }
    // Never closed: the first `>` ends it, whatever the quotes say.
    let at = memchr::memchr(b'>', text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// What is behind the end tag of an element whose content is no text.
fn skip_element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|t| memchr::memmem::find(t.as_bytes(), b"</")) {
        let start = from + at + 2;
        let end = start + name.len();
        if text.get(start..end).is_some_and(|n| n.eq_ignore_ascii_case(name)) {
            let tail = text.get(end..).unwrap_or("");
            return memchr::memchr(b'>', tail.as_bytes()).and_then(|p| tail.get(p + 1..));
        }
        from = start;
    }
    None
}

/// The value of an attribute, as written.
fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let bytes = attributes.as_bytes();
    let mut from = 0;
    while let Some(at) = bytes.get(from..).and_then(|b| memchr::memchr(b'=', b)).map(|p| from + p) {
        let key = attributes.get(from..at)?.trim_end();
        let matches = key.len() >= name.len()
            && key.get(key.len() - name.len()..).is_some_and(|k| k.eq_ignore_ascii_case(name))
            && key
                .get(..key.len() - name.len())
                .is_some_and(|b| b.is_empty() || b.ends_with(|c: char| c.is_ascii_whitespace() || c == '/'));
        let value = attributes.get(at + 1..)?;
        let skipped = value.len() - value.trim_start().len();
        let value = value.trim_start();
        let (found, used) = if let Some(q @ ('"' | '\'')) = value.chars().next() {
            let inner = value.get(1..)?;
            let end = inner.find(q).unwrap_or(inner.len());
            (inner.get(..end)?, end + 2)
        } else {
            let end = value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len());
            (value.get(..end)?, end)
        };
        if matches {
            return Some(found);
        }
        from = (at + 1 + skipped + used).min(attributes.len());
    }
    None
}

/// Whether `words` stands in `text`, letter case aside. Both are short.
fn has(text: &str, words: &str) -> bool {
    text.len() >= words.len()
        && text.len() <= 4_000
        && text.as_bytes().windows(words.len()).any(|w| w.eq_ignore_ascii_case(words.as_bytes()))
}
