//! Every address that stands in a mail, found without the program's own parsers: the octets are read in every way that
//! a mail may have been encoded, and whatever looks like local@domain counts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use regex::{Captures, Regex};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Whom a mail names.
#[derive(Debug, Default)]
pub struct Named {
    /// In lower case, with every shorter form that may be the address: `to=ana@example.org` is `ana@example.org` too.
    pub addresses: BTreeSet<String>,
    /// Message-IDs, which look like addresses and are none.
    pub ids: BTreeSet<String>,
    /// What stands behind a `+` in an address and is as long as a signature: whoever has it can answer for a person.
    pub tokens: BTreeSet<String>,
}

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).expect("compiles"));
    };
}

pattern!(
    ADDRESS,
    r#"(?:"[^"\r\n@]+"|[\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]+)@(?:\[[0-9a-fA-F.:]+\]|[\p{L}\p{N}](?:[\p{L}\p{N}.-]*[\p{L}\p{N}])?)"#
);
pattern!(VERP, r"([\p{L}\p{N}._+-]+)=([\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+)$");
pattern!(
    ID_FIELD,
    r"(?im)^[ \t>|*]*(?:[a-z-]*message-?id|in-reply-to|references|content-id|x-google-original-message-id)[ \t*]*:[^\n]*"
);
pattern!(ID, r"[^\s<>,;:()]+@[^\s<>,;()]+");
pattern!(ENCODED_WORD, r"=\?[^?\s]+\?([bBqQ])\?([^?\s]*)\?=");
pattern!(BASE64_LINES, r"(?m)(?:^[A-Za-z0-9+/]{4,}={0,2}\n)+");

/// What is named in a mail.
pub fn named(mail: &[u8]) -> Named {
    let text = text(mail).replace("\r\n", "\n").replace('\r', "\n");
    let mut views = vec![text.replace("\n ", " ").replace("\n\t", " "), text.replace("\n ", "").replace("\n\t", "")];
    views.push(quoted_printable(&text, true));
    views.extend(BASE64_LINES.find_iter(&format!("{text}\n")).filter_map(|lines| base64(lines.as_str())));
    views.extend(views.clone().iter().map(|view| encoded_words(view)));
    views.push(text);
    let mut out = Named::default();
    // Most ways to read a mail change nothing in it.
    let views: BTreeSet<String> = views.iter().flat_map(|view| forms(view)).collect();
    for view in &views {
        out.take(view);
    }
    let ids = std::mem::take(&mut out.ids);
    // A campaign's id that names a person as well is an address all the same.
    out.addresses.retain(|address| !is_machine_made(address) || !ids.iter().any(|id| id.ends_with(address.as_str())));
    out.tokens.retain(|token| !ids.iter().any(|id| id.contains(token.as_str())));
    out.ids = ids;
    out
}

/// The text and what it says where it is percent-encoded, in xtext (RFC 3461 section 4) or in HTML.
pub fn forms(text: &str) -> Vec<String> {
    let mut out =
        vec![text.to_lowercase(), hexadecimal(text, '%').to_lowercase(), hexadecimal(text, '+').to_lowercase()];
    let at = ["&#64;", "&#x40;", "&commat;", "&#064;"];
    out.push(at.iter().fold(text.to_lowercase(), |text, form| text.replace(form, "@")));
    out.dedup();
    out
}

impl Named {
    fn take(&mut self, view: &str) {
        for field in ID_FIELD.find_iter(view) {
            let value = field.as_str().split_once(':').map_or("", |(_, value)| value);
            self.ids.extend(ID.find_iter(value).map(|id| id.as_str().to_lowercase()));
        }
        let rest = ID_FIELD.replace_all(view, "");
        for address in ADDRESS.find_iter(&rest) {
            let Some((local, domain)) = address.as_str().rsplit_once('@') else { continue };
            self.insert(local, domain);
            // VERP: the recipient stands in the local part.
            if let Some(inner) = VERP.captures(local) {
                let (local, domain) = (&inner[1], &inner[2]);
                self.insert(local, domain);
                self.addresses.insert(format!("{local}={domain}"));
                for (at, _) in local.match_indices('-') {
                    self.insert(local.split_at(at + 1).1, domain);
                }
            }
        }
    }

    fn insert(&mut self, local: &str, domain: &str) {
        let tag = local.split_once('+').map_or("", |(_, tag)| tag);
        let signature = |piece: &&str| {
            piece.len() >= 16 && piece.chars().any(char::is_numeric) && piece.chars().any(char::is_alphabetic)
        };
        self.tokens.extend(tag.split(|c: char| !c.is_alphanumeric()).filter(signature).map(str::to_owned));
        self.addresses.insert(format!("{local}@{domain}"));
        for (at, sign) in local.match_indices(['=', '+', '/', '?', '&', '\'', '`', '{', '}', '|', '!', '#', '*', '~']) {
            let rest = local.split_at(at + sign.len()).1;
            if !rest.is_empty() {
                self.addresses.insert(format!("{rest}@{domain}"));
            }
        }
    }
}

/// Digits and capitals mixed, as no person's address is.
fn is_machine_made(id: &str) -> bool {
    let left = id.split('@').next().unwrap_or_default();
    left.len() >= 16 && left.chars().filter(char::is_ascii_digit).count() >= 6
}

fn text(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        Err(_) => octets.iter().map(|b| char::from(*b)).collect(),
    }
}

fn base64(lines: &str) -> Option<String> {
    let joined: String = lines.chars().filter(|c| !c.is_whitespace() && *c != '=').collect();
    STANDARD_NO_PAD.decode(joined).ok().map(|octets| text(&octets))
}

/// `=3D` and, in bodies, line ends that are none.
fn quoted_printable(given: &str, soft: bool) -> String {
    let joined = if soft { given.replace("=\n", "") } else { given.replace('_', " ") };
    hexadecimal(&joined, '=')
}

fn encoded_words(given: &str) -> String {
    // Between two of them white space is nothing.
    let joined = given.replace("?= =?", "?==?");
    let decoded = ENCODED_WORD.replace_all(&joined, |word: &Captures<'_>| match &word[1] {
        "b" | "B" => base64(&word[2]).unwrap_or_default(),
        _ => quoted_printable(&word[2], false),
    });
    decoded.into_owned()
}

/// Octets written as `sign` and two hexadecimal digits.
fn hexadecimal(given: &str, sign: char) -> String {
    let mut out = Vec::with_capacity(given.len());
    let mut rest = given;
    while let Some((before, after)) = rest.split_once(sign) {
        out.extend_from_slice(before.as_bytes());
        let octet =
            after.split_at_checked(2).and_then(|(digits, rest)| Some((u8::from_str_radix(digits, 16).ok()?, rest)));
        if let Some((octet, left)) = octet {
            out.push(octet);
            rest = left;
        } else {
            out.push(sign as u8);
            rest = after;
        }
    }
    out.extend_from_slice(rest.as_bytes());
    text(&out)
}

#[test]
fn addresses_are_found_in_every_dress() {
    let table = [
        ("From: \"Ana\" <ana@example.org>\n\n", "ana@example.org"),
        ("To: mailto:ana%40example.org\n\n", "ana@example.org"),
        ("\nmailto:x?to=ana@example.org\n", "ana@example.org"),
        ("Return-Path: <bounce-17-ana=example.org@news.example>\n\n", "ana@example.org"),
        ("Original-Recipient: rfc822;ana+40example.org\n\n", "ana@example.org"),
        ("Subject: =?utf-8?B?QW4gYW5hQGV4YW1wbGUub3Jn?=\n\n", "ana@example.org"),
        ("Subject: =?utf-8?Q?An_ana=40example.org?=\n\n", "ana@example.org"),
        ("\nwrite to ana@exam=\nple.org now\n", "ana@example.org"),
        ("\nQW4gYW5hQGV4\nYW1wbGUub3Jn\n", "ana@example.org"),
        ("\n<a>ana&#64;example.org</a>\n", "ana@example.org"),
        ("Message-ID: <c1.ana@example.org>\nTo: c1.ana@example.org\n\n", "c1.ana@example.org"),
    ];
    for (mail, address) in table {
        assert!(named(mail.as_bytes()).addresses.contains(address), "{mail:?}: {:?}", named(mail.as_bytes()));
    }
    let with_token =
        named(b"To: <reply+c1.s1.vtmirc3xgigjv3vx@r.example>\nMessage-ID: <a+1234567890abcdefgh@m.example>\n\n");
    assert_eq!(with_token.tokens.into_iter().collect::<Vec<_>>(), ["vtmirc3xgigjv3vx"]);
    let only_an_id = named(b"Message-ID: <20261103091233.4C1A9F2E6B@mx.example>\n\n");
    assert!(only_an_id.addresses.is_empty() && only_an_id.ids.len() == 1, "{only_an_id:?}");
}
