//! Authentication-Results (RFC 8601): what the receiving server itself stated.
//!
//! Anyone can write such a header. One counts only when it stands above the boundary line, or in
//! the one place just below it where some milters put it and the settings say so, and only with
//! exactly one of our own authserv-ids. Our id anywhere below is a forgery.

use super::boundary::Boundary;
use crate::config::{AuthresPlace, Trust};
use crate::event::{AuthResult, AuthWord};
use crate::message::Mail;

/// Headers and methods looked at in one mail.
const MAX: usize = 50;

/// What the receiver stated, and whether someone pretended to be it.
#[derive(Debug, Default)]
pub struct Statements {
    pub trusted: Vec<Statement>,
    pub forged: bool,
}

/// One header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub authserv_id: String,
    pub methods: Vec<Method>,
}

/// One method of a header: `spf=pass smtp.mailfrom=example.org`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    pub name: String,
    pub result: AuthResult,
}

/// Reads the headers of a mail whose boundary is known.
#[must_use]
pub fn read(mail: &Mail<'_>, trust: &Trust, boundary: Option<&Boundary>) -> Statements {
    let mut out = Statements::default();
    if trust.authserv_ids.is_empty() {
        return out;
    }
    let mut received = 0_u32;
    // Whether the field before this one is the boundary line: the one slot of `below`.
    let mut behind_boundary = false;
    for (name, value) in mail.fields() {
        let slot = std::mem::take(&mut behind_boundary);
        if name.eq_ignore_ascii_case("Received") {
            behind_boundary = boundary.is_some_and(|b| b.index == received);
            received += 1;
        } else if name.eq_ignore_ascii_case("Authentication-Results") {
            let Some(statement) = parse(&value) else { continue };
            if !trust.authserv_ids.iter().any(|id| id.eq_ignore_ascii_case(&statement.authserv_id)) {
                continue;
            }
            // Without a boundary nothing tells above from below: neither trusted nor forged.
            let Some(boundary) = boundary else { continue };
            let above = received <= boundary.index;
            if above || (slot && trust.authserv_place == AuthresPlace::Below) {
                if out.trusted.len() < MAX {
                    out.trusted.push(statement);
                }
            } else {
                out.forged = true;
            }
        }
    }
    out
}

/// Parses a header's value; `None` when it names no server.
#[must_use]
pub fn parse(value: &str) -> Option<Statement> {
    let text = without_comments(value);
    let mut clauses = split_quoted(&text, ';');
    let mut head = words(clauses.next()?);
    let id = head.next()?;
    // "id 1" names a version; any other one is not ours to read (section 2.2).
    if head.next().is_some_and(|version| version != "1") || id.contains('=') {
        return None;
    }
    let methods = clauses.take(MAX).filter_map(method).collect();
    Some(Statement { authserv_id: short(&id.to_ascii_lowercase()), methods })
}

fn method(clause: &str) -> Option<Method> {
    let mut parts = words(clause);
    let (name, word) = parts.next().and_then(|p| p.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())))?;
    let name = name.split('/').next().unwrap_or_default().trim().to_ascii_lowercase();
    let result = word_of(&word)?;
    let mut out = AuthResult::new(result);
    for property in parts {
        let Some((key, value)) = property.split_once('=') else { continue };
        let domain = || short(&value.rsplit_once('@').map_or(value, |(_, d)| d).to_ascii_lowercase());
        match key.to_ascii_lowercase().as_str() {
            "smtp.mailfrom" | "header.d" | "header.from" => out.domain = Some(domain()),
            "smtp.helo" | "header.i" if out.domain.is_none() => out.domain = Some(domain()),
            "header.s" => out.selector = Some(short(value)),
            "reason" => out.reason = Some(value.chars().take(200).collect()),
            _ => {}
        }
    }
    Some(Method { name, result: out })
}

/// No name is longer (RFC 1035 section 2.3.4).
fn short(text: &str) -> String {
    text.chars().take(255).collect()
}

fn word_of(text: &str) -> Option<AuthWord> {
    Some(match text.to_ascii_lowercase().as_str() {
        "none" => AuthWord::None,
        "pass" | "bestguesspass" => AuthWord::Pass,
        "fail" | "hardfail" => AuthWord::Fail,
        "softfail" => AuthWord::SoftFail,
        "neutral" => AuthWord::Neutral,
        "policy" => AuthWord::Policy,
        "temperror" => AuthWord::TempError,
        "permerror" => AuthWord::PermError,
        _ => return None,
    })
}

/// The value with its comments, nested ones too, as spaces; quoted strings stay.
fn without_comments(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut depth = 0_usize;
    let mut quoted = false;
    let mut escaped = false;
    for c in value.chars() {
        let was_escaped = std::mem::replace(&mut escaped, false);
        match c {
            '\\' if !was_escaped && (quoted || depth > 0) => escaped = true,
            '"' if depth == 0 && !was_escaped => quoted = !quoted,
            '(' if !quoted && !was_escaped => {
                depth += 1;
                out.push(' ');
                continue;
            }
            ')' if !quoted && !was_escaped && depth > 0 => {
                depth -= 1;
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            out.push(if c.is_whitespace() { ' ' } else { c });
        }
    }
    out
}

/// Splits at `at` outside quotes.
fn split_quoted(text: &str, at: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        if c == '"' {
            quoted = !quoted;
        }
        c == at && !quoted
    })
}

/// Words, with quotes taken off and white space around "=" closed up.
fn words(clause: &str) -> impl Iterator<Item = String> {
    let mut out: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut quoted = false;
    let mut glue = false;
    for c in clause.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !current.is_empty() && !current.ends_with('=') {
                    out.push(std::mem::take(&mut current));
                    glue = true;
                }
            }
            '=' if !quoted && current.is_empty() && glue => {
                current = out.pop().unwrap_or_default();
                current.push('=');
            }
            c => {
                glue = false;
                current.push(c);
            }
        }
    }
    if !current.is_empty() {
        out.push(current);
    }
    out.truncate(MAX);
    out.into_iter()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn values_as_servers_write_them() {
        let table = [
            (
                "mx.c.example; spf=pass smtp.mailfrom=a@B.example; dkim=fail header.d=a.example header.s=s1",
                "mx.c.example",
                "spf=pass/b.example dkim=fail/a.example",
            ),
            (
                " mx.c.example (comment (nested; spf=pass)) 1;\r\n\tdmarc=none (p=none dis=none) header.from=a.example",
                "mx.c.example",
                "dmarc=none/a.example",
            ),
            ("\"mx.c.example\"; spf = pass smtp.helo = h.example", "mx.c.example", "spf=pass/h.example"),
            ("mx.c.example; none", "mx.c.example", ""),
            (
                "mx.c.example; dkim=pass reason=\"good; signature\" header.d=a.example",
                "mx.c.example",
                "dkim=pass/a.example",
            ),
        ];
        for (value, id, methods) in table {
            let statement = parse(value).expect(value);
            assert_eq!(statement.authserv_id, id);
            let got: Vec<String> = statement
                .methods
                .iter()
                .map(|m| {
                    format!("{}={}/{}", m.name, m.result.result.as_str(), m.result.domain.clone().unwrap_or_default())
                })
                .collect();
            assert_eq!(got.join(" "), methods, "{value}");
        }
        for bad in ["", "spf=pass smtp.mailfrom=a.example", "mx.c.example 2; spf=pass", "(only a comment)"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
