//! `${NAME}` in a value without quotes: the variable's text, never read as YAML again.
//!
//! `${NAME:-default}` and `${NAME-default}` stand in for a variable that is not set (with the
//! colon: or empty), `${NAME:+text}` and `${NAME+text}` write a text when it is, and `${NAME?}`
//! asks for it. `$$` is one dollar sign.

use std::borrow::Cow;
use std::collections::HashMap;

/// Defaults inside defaults.
const MAX_DEPTH: usize = 8;

/// What stands where a variable has no value, so that the rest of the file can be looked at.
pub(super) const PLACEHOLDER: &str = "not-set";

/// A text with its variables filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expanded<'t> {
    pub text: Cow<'t, str>,
    /// Names that have no value and no default; [`PLACEHOLDER`] stands in the text for each.
    pub unset: Vec<String>,
}

/// Why a text with `${` in it was refused.
pub(super) const MALFORMED: &str =
    "`${` is not followed by a variable and `}`: write ${NAME} or ${NAME:-default}, and $${ for the two characters";

/// Fills in the variables of `text`.
pub(super) fn expand<'t>(text: &'t str, env: &HashMap<String, String>) -> Result<Expanded<'t>, &'static str> {
    if !text.contains('$') {
        return Ok(Expanded { text: Cow::Borrowed(text), unset: Vec::new() });
    }
    let (mut out, mut unset) = (String::new(), Vec::new());
    fill(text, env, &mut out, &mut unset, 0)?;
    Ok(Expanded { text: Cow::Owned(out), unset })
}

fn fill(
    mut text: &str,
    env: &HashMap<String, String>,
    out: &mut String,
    unset: &mut Vec<String>,
    depth: usize,
) -> Result<(), &'static str> {
    if depth > MAX_DEPTH {
        return Err("defaults stand inside defaults too often: give one default");
    }
    while let Some((before, after)) = text.split_once('$') {
        out.push_str(before);
        text = after;
        if let Some(rest) = text.strip_prefix('$') {
            out.push('$');
            text = rest;
        } else if let Some(rest) = text.strip_prefix('{') {
            let (body, rest) = body(rest).ok_or(MALFORMED)?;
            text = rest;
            let end = body.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(body.len());
            let (name, operator) = body.split_at_checked(end).ok_or(MALFORMED)?;
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(MALFORMED);
            }
            let colon = operator.starts_with(':');
            let value = env.get(name).map(String::as_str).filter(|v| !(colon && v.is_empty()));
            let operator = operator.strip_prefix(':').unwrap_or(operator);
            let mut missing = || {
                unset.push(name.to_owned());
                PLACEHOLDER
            };
            match (operator.split_at_checked(1), value) {
                (None, _) if colon => return Err(MALFORMED),
                (Some(("+", _)), None) => {}
                (Some(("+", text)), Some(_)) | (Some(("-", text)), None) => fill(text, env, out, unset, depth + 1)?,
                (None | Some(("-" | "?", _)), Some(value)) => out.push_str(value),
                (None | Some(("?", _)), None) => out.push_str(missing()),
                _ => return Err(MALFORMED),
            }
        } else {
            out.push('$');
        }
    }
    out.push_str(text);
    Ok(())
}

/// What stands before the closing brace, and what after it. Braces of variables in a default are passed over.
fn body(text: &str) -> Option<(&str, &str)> {
    let mut open = 0_usize;
    let mut dollar = false;
    for (at, c) in text.char_indices() {
        match c {
            '{' if dollar => open += 1,
            '}' if open == 0 => {
                let (body, rest) = text.split_at_checked(at)?;
                return Some((body, rest.strip_prefix('}')?));
            }
            '}' => open -= 1,
            _ => {}
        }
        dollar = c == '$';
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Expanded, PLACEHOLDER, expand};

    #[test]
    fn the_forms() {
        let env = [("A", "x: #"), ("EMPTY", ""), ("D", "${A}")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        for (given, expected) in [
            ("plain", "plain"),
            ("${A}", "x: #"),
            ("<${A}${A}>", "<x: #x: #>"),
            ("${D}", "${A}"),
            ("$A $$ $${A} 5$", "$A $ ${A} 5$"),
            ("${NO:-d}${NO-e}", "de"),
            ("${EMPTY:-d}${EMPTY-e}", "d"),
            ("${NO:-${ALSO_NO:-in {braces}}}", "in {braces}"),
            ("${A:+y}${A+z}${NO+n}${EMPTY:+n}", "yz"),
            ("${A?must be there}", "x: #"),
        ] {
            let expanded = expand(given, &env).expect(given);
            assert_eq!((expanded.text.as_ref(), expanded.unset.len()), (expected, 0), "{given}");
        }
        for (given, names) in
            [("${NO}", vec!["NO"]), ("a${NO}b${ALSO:?text}", vec!["NO", "ALSO"]), ("${EMPTY:?}", vec!["EMPTY"])]
        {
            let Expanded { text, unset } = expand(given, &env).expect(given);
            assert!(text.contains(PLACEHOLDER) && unset == names, "{given}: {unset:?}");
        }
        for given in
            ["${", "${}", "${A", "${1A}", "${A B}", "${A:}", "${A:=x}", "${Ä}", &"${N:-".repeat(9), "${NO:-${A}"]
        {
            assert!(expand(given, &env).is_err(), "{given}");
        }
        let deep = format!("{}x{}", "${N:-".repeat(20), "}".repeat(20));
        assert!(expand(&deep, &env).is_err());
    }
}
