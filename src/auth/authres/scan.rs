//! The tokens of RFC 8601 section 2.2.
//!
//! The grammar cannot be cut into tokens beforehand: "/", "." and "=" divide in one place and stand
//! inside a value in the next. So the parser asks for the token it expects, and this takes it off
//! the front of the text. A quoted string or comment without an end takes the rest of the text with
//! it: what stands behind it may be anyone's.

/// What is left of a header's value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'a> {
    rest: &'a str,
    /// The first comment since [`Scanner::forget_comment`] that states a policy, as [`policy_comment`] knows it.
    comment: Option<&'a str>,
}

/// No comment that is looked into is longer.
const MAX_COMMENT: usize = 1_000;

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { rest: text, comment: None }
    }

    pub fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Whether a clause ends here.
    pub fn at_end(&self) -> bool {
        matches!(self.peek(), None | Some(';'))
    }

    /// Whether a word ends here.
    pub fn at_border(&self) -> bool {
        self.peek().is_none_or(|c| is_space(c) || matches!(c, ';' | '('))
    }

    /// Takes one character, when it is the next.
    pub fn eat(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes `CFWS`: white space, line folds and comments. Tells whether there was any.
    pub fn gap(&mut self) -> bool {
        let before = self.rest.len();
        loop {
            self.rest = self.rest.trim_start_matches(is_space);
            match self.rest.strip_prefix('(') {
                Some(inner) => self.comment(inner),
                None => return self.rest.len() != before,
            }
        }
    }

    /// A comment behind its opening parenthesis (RFC 5322 section 3.2.2): nested, with quoted pairs.
    fn comment(&mut self, inner: &'a str) {
        let mut depth = 1_usize;
        let mut escaped = false;
        let end = inner.char_indices().find_map(|(at, c)| {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            (depth == 0).then_some(at)
        });
        let (text, rest) = end.and_then(|at| inner.split_at_checked(at)).unwrap_or((inner, ""));
        self.rest = rest.strip_prefix(')').unwrap_or_default();
        if end.is_some() && self.comment.is_none() && text.len() <= MAX_COMMENT && text.contains("p=") {
            self.comment = Some(text);
        }
    }

    pub fn forget_comment(&mut self) {
        self.comment = None;
    }

    /// The first comment with "p=" in it.
    pub fn policy_comment(&self) -> Option<&'a str> {
        self.comment
    }

    /// `Keyword`: letters, digits and hyphens (RFC 5321 section 4.1.2); underscores as they occur in names of
    /// methods that nobody registered.
    pub fn keyword(&mut self) -> Option<&'a str> {
        self.take(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    }

    /// `1*DIGIT`
    pub fn number(&mut self) -> Option<u32> {
        self.take(|c| c.is_ascii_digit())?.parse().ok()
    }

    /// `value`: a token (RFC 2045 section 5.1, with UTF-8 as of RFC 6532) or a quoted string, and nothing glued to it.
    pub fn value(&mut self) -> Option<String> {
        let value = if self.eat('"') {
            self.quoted()?
        } else {
            const TSPECIALS: &str = "()<>@,;:\\\"/[]?=";
            self.take(|c| !is_space(c) && !c.is_control() && !TSPECIALS.contains(c))?.to_owned()
        };
        self.at_border().then_some(value)
    }

    /// What is written for a value in the field: up to a space, ";" or comment, quoted strings in it opened. Takes in
    /// `pvalue` (`"john doe"@a.example`), base64, angle brackets and VERP addresses. `None` when a quote has no end.
    pub fn word(&mut self) -> Option<String> {
        let mut out = String::new();
        while !self.at_border() {
            if self.eat('"') {
                out.push_str(&self.quoted()?);
            } else if let Some(text) = self.take(|c| !is_space(c) && !matches!(c, ';' | '(' | '"')) {
                out.push_str(text);
            }
        }
        Some(out)
    }

    /// A quoted string behind its opening quote: quoted pairs and line folds opened (RFC 5322 section 3.2.4).
    fn quoted(&mut self) -> Option<String> {
        let mut out = String::new();
        let mut chars = self.rest.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => {
                    self.rest = chars.as_str();
                    return Some(out);
                }
                '\\' => out.extend(chars.next()),
                '\r' | '\n' => {}
                _ => out.push(c),
            }
        }
        self.rest = "";
        None
    }

    /// Goes to the ";" that ends a clause, or to the end.
    pub fn skip_clause(&mut self) {
        while !self.at_end() {
            if !self.gap() && self.word().is_none() {
                return;
            }
        }
    }

    /// The longest non-empty beginning of such characters.
    fn take(&mut self, of: impl Fn(char) -> bool) -> Option<&'a str> {
        let end = self.rest.find(|c| !of(c)).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at_checked(end).filter(|(text, _)| !text.is_empty())?;
        self.rest = rest;
        Some(text)
    }
}

/// White space of a header. Unicode's other spaces are part of a token: `id<NBSP>x` is not `id`.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}
