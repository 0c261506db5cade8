//! The grammar of Authentication-Results (RFC 8601 section 2.2).
//!
//! The head, which says who speaks, is read to the letter: anything odd in it and there is no
//! statement. The clauses are read as servers write them: what does not fit is left out, and the
//! rest still counts. A clause is left out as a whole when its result word is unknown or its method
//! version is not 1 (section 2.6); the header then says a little less, but nothing else.

use super::scan::Scanner;
use super::statement::{Method, Property, Statement};
use crate::event::{AuthWord, DmarcPolicy};

/// Clauses read of one header, known or not.
const MAX_CLAUSES: usize = 50;
/// Properties and stray words read of one clause.
const MAX_PROPERTIES: usize = 50;
/// No name is longer (RFC 1035 section 2.3.4).
const MAX_ID: usize = 255;
/// An address has at most 64 + 1 + 255 octets (RFC 5321 section 4.5.3.1). A longer value is left out, not cut: the
/// cut could fall where another name ends.
const MAX_VALUE: usize = 400;
const MAX_NAME: usize = 64;
const MAX_REASON: usize = 200;
/// The highest instance of an ARC set (RFC 8617 section 4.2.1).
const MAX_INSTANCE: u32 = 50;
/// The registered kinds of property (RFC 8601 section 2.3 and the registry).
const PTYPES: [&str; 6] = ["smtp", "header", "body", "policy", "dns", "tls"];

/// Reads the value of an Authentication-Results header; `None` when it does not say who speaks.
#[must_use]
pub fn parse(value: &str) -> Option<Statement> {
    payload(Scanner::new(value))
}

/// Reads the value of an ARC-Authentication-Results header (RFC 8617 section 4.1.1): the instance, and the statement.
#[must_use]
pub fn parse_arc(value: &str) -> Option<(u32, Statement)> {
    let mut scan = Scanner::new(value);
    scan.gap();
    let is_instance = scan.keyword()?.eq_ignore_ascii_case("i");
    scan.gap();
    let is_instance = scan.eat('=') && is_instance;
    scan.gap();
    let instance = scan.number().filter(|i| is_instance && (1..=MAX_INSTANCE).contains(i))?;
    scan.gap();
    if !scan.eat(';') {
        return None;
    }
    Some((instance, payload(scan)?))
}

/// `authres-payload`
fn payload(mut scan: Scanner<'_>) -> Option<Statement> {
    scan.gap();
    if starts_with_method(scan) {
        // Microsoft 365 writes no id.
        let methods = clauses(scan);
        return (!methods.is_empty()).then_some(Statement { authserv_id: None, header_index: None, methods });
    }
    let authserv_id = head(&mut scan)?;
    Some(Statement { authserv_id: Some(authserv_id), header_index: None, methods: clauses(scan) })
}

/// `authserv-id [ CFWS authres-version ]` and the ";" behind it, which is not taken.
fn head(scan: &mut Scanner<'_>) -> Option<String> {
    let id = scan.value().filter(|id| !id.is_empty() && id.len() <= MAX_ID)?;
    scan.gap();
    // Another version is another grammar (section 2.6).
    let version = if scan.peek().is_some_and(|c| c.is_ascii_digit()) { scan.number()? } else { 1 };
    scan.gap();
    // "id" alone says nothing, not even "none"; "id other" is no id.
    (version == 1 && scan.peek() == Some(';')).then(|| id.to_ascii_lowercase())
}

/// Whether `method [ "/" version ] "="` comes next.
fn starts_with_method(mut scan: Scanner<'_>) -> bool {
    method(&mut scan).is_some()
}

/// `[CFWS] method [CFWS] "="`: name and version.
fn method<'a>(scan: &mut Scanner<'a>) -> Option<(&'a str, u32)> {
    let name = scan.keyword()?;
    scan.gap();
    let mut version = 1;
    if scan.eat('/') {
        scan.gap();
        version = scan.number()?;
        scan.gap();
    }
    scan.eat('=').then_some((name, version))
}

/// `no-result / 1*resinfo`; "none" is a clause without a method.
fn clauses(mut scan: Scanner<'_>) -> Vec<Method> {
    let mut out = Vec::new();
    for _ in 0..MAX_CLAUSES {
        // A ";" at the end, or two in a row, says nothing.
        scan.forget_comment();
        scan.gap();
        while scan.eat(';') {
            scan.forget_comment();
            scan.gap();
        }
        if scan.peek().is_none() {
            break;
        }
        out.extend(clause(&mut scan));
        scan.skip_clause();
    }
    out
}

/// `methodspec [ CFWS reasonspec ] [ CFWS 1*propspec ]`
fn clause(scan: &mut Scanner<'_>) -> Option<Method> {
    let (name, version) = method(scan)?;
    scan.gap();
    let result = scan.keyword().and_then(word_of).filter(|_| version == 1 && scan.at_border())?;
    let mut out = Method::new(&name.chars().take(MAX_NAME).collect::<String>(), result);
    // Whether the entry before this place was a property that a stray word takes back.
    let mut takes_back = false;
    for _ in 0..MAX_PROPERTIES {
        scan.gap();
        if scan.at_end() {
            break;
        }
        match entry(scan) {
            Entry::Reason(text) => {
                out.reason.get_or_insert(text);
                takes_back = false;
            }
            Entry::Property(property) => {
                out.properties.push(property);
                takes_back = true;
            }
            Entry::Nothing => takes_back = false,
            // "smtp.mailfrom=a.example b"@c.example": a server that does not quote leaves no way to tell where the
            // value ends, and the sender chose it. So it is not believed.
            Entry::Stray => {
                if takes_back {
                    out.properties.pop();
                }
                takes_back = false;
            }
        }
    }
    out.comment_policy = scan.policy_comment().and_then(policy_in);
    Some(out)
}

enum Entry {
    Reason(String),
    Property(Property),
    /// A property that is left out.
    Nothing,
    /// No property.
    Stray,
}

/// `reasonspec` or `propspec`; also `action=none`, Microsoft's property without a kind.
fn entry(scan: &mut Scanner<'_>) -> Entry {
    let start = *scan;
    let Some(name) = property_name(scan) else {
        *scan = start;
        scan.word();
        return Entry::Stray;
    };
    let value = if scan.gap() && starts_with_property(*scan) {
        // "smtp.mailfrom= smtp.helo=mx.a.example": the null sender, written as nothing.
        String::new()
    } else {
        match scan.word() {
            Some(value) => value,
            None => return Entry::Nothing,
        }
    };
    if name == "reason" {
        return Entry::Reason(value.chars().take(MAX_REASON).collect());
    }
    if name.len() > 2 * MAX_NAME || value.len() > MAX_VALUE {
        return Entry::Nothing;
    }
    Entry::Property(Property { name, value })
}

/// `ptype [CFWS] "." [CFWS] property [CFWS] "="`, in lower case.
fn property_name(scan: &mut Scanner<'_>) -> Option<String> {
    let mut name = scan.keyword()?.to_ascii_lowercase();
    scan.gap();
    if scan.eat('.') {
        scan.gap();
        name.push('.');
        name.push_str(&scan.keyword()?.to_ascii_lowercase());
        scan.gap();
    }
    scan.eat('=').then_some(name)
}

/// Whether a property of a registered kind comes next; any other could be a value with dots and "=" in it.
fn starts_with_property(mut scan: Scanner<'_>) -> bool {
    property_name(&mut scan).is_some_and(|name| name.split_once('.').is_some_and(|(ptype, _)| PTYPES.contains(&ptype)))
}

/// The result words of section 2.7, and some that servers write instead.
fn word_of(text: &str) -> Option<AuthWord> {
    Some(match text.to_ascii_lowercase().as_str() {
        // Microsoft's guess at what a DMARC record would have given: there is none.
        "none" | "bestguesspass" => AuthWord::None,
        "pass" => AuthWord::Pass,
        // "hardfail": RFC 8601 section 2.7.2 knows it as the old word.
        "fail" | "hardfail" => AuthWord::Fail,
        "softfail" => AuthWord::SoftFail,
        "neutral" => AuthWord::Neutral,
        "policy" => AuthWord::Policy,
        "temperror" => AuthWord::TempError,
        "permerror" => AuthWord::PermError,
        _ => return None,
    })
}

/// A policy's word.
pub(super) fn policy_word(text: &str) -> Option<DmarcPolicy> {
    [("none", DmarcPolicy::None), ("quarantine", DmarcPolicy::Quarantine), ("reject", DmarcPolicy::Reject)]
        .into_iter()
        .find_map(|(word, policy)| text.eq_ignore_ascii_case(word).then_some(policy))
}

/// The policy in a comment such as "p=REJECT sp=NONE dis=NONE" (Google, Yahoo, opendmarc). With an sp= that differs
/// nothing tells which one applied.
fn policy_in(comment: &str) -> Option<DmarcPolicy> {
    let mut words = comment.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '=' | '.' | '-'));
    let of = |word: &str, key: &str| {
        let (name, value) = word.split_once('=')?;
        name.eq_ignore_ascii_case(key).then(|| policy_word(value))
    };
    let policy = words.clone().find_map(|word| of(word, "p"))??;
    match words.find_map(|word| of(word, "sp")) {
        Some(sub) => sub.filter(|sub| *sub == policy),
        None => Some(policy),
    }
}
