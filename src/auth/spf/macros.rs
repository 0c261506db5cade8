//! Macros: `%{i}`, `%{d2}`, `%{lr-}` and so on (RFC 7208 section 7).
//!
//! Syntax is checked when a record is read ([`scan`]); expanding afterwards cannot fail. It does so
//! from the right and stops when a name is full, so that a record of nothing but macros costs no
//! more than any other.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::IpAddr;

/// Octets of the longest name that is asked for (section 7.3).
const MAX_NAME: usize = 253;
/// Octets of the longest label (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;

/// What is wrong with a macro.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum MacroError {
    #[error("a % must be followed by {{, %, _ or -")]
    Percent,
    #[error("a macro has no closing brace")]
    Unclosed,
    #[error("unknown macro letter")]
    Letter,
    #[error("the macros c, r and t are for explanations only")]
    ExplanationOnly,
    #[error("a macro cannot keep 0 parts")]
    ZeroParts,
    #[error("unknown character in a macro")]
    Transformer,
}

/// Where a macro string stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a term of a record.
    Term,
    /// In the text that `exp=` leads to: the letters c, r and t are allowed, and spaces.
    Explanation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    Sender,
    LocalPart,
    SenderDomain,
    Domain,
    Ip,
    ValidatedName,
    Version,
    Helo,
    ReadableIp,
    Receiver,
    Time,
}

/// `"%{" macro-letter transformers *delimiter "}"`
#[derive(Debug, Clone, Copy)]
struct Macro<'a> {
    letter: Letter,
    /// Upper-case letters: URL-escaped.
    escape: bool,
    /// How many parts are kept, from the right.
    keep: usize,
    reverse: bool,
    /// Where to split; empty for the default, a dot.
    delimiters: &'a str,
}

#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    /// `macro-literal`s.
    Literal(&'a str),
    /// `%%`, `%_` or `%-`.
    Escape(&'static str),
    Macro(Macro<'a>),
}

/// The parts of a macro string, left to right; ends after the first error.
struct Parts<'a> {
    rest: &'a str,
}

impl<'a> Parts<'a> {
    const fn of(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// What stands behind a percent sign, and what follows it.
    fn expansion(text: &'a str) -> Result<(Part<'a>, &'a str), MacroError> {
        let mut chars = text.chars();
        let part = match chars.next() {
            Some('%') => Part::Escape("%"),
            Some('_') => Part::Escape(" "),
            Some('-') => Part::Escape("%20"),
            Some('{') => {
                let (body, rest) = chars.as_str().split_once('}').ok_or(MacroError::Unclosed)?;
                return Ok((Part::Macro(Macro::parse(body)?), rest));
            }
            _ => return Err(MacroError::Percent),
        };
        Ok((part, chars.as_str()))
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, MacroError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() {
            return None;
        }
        if let Some(text) = rest.strip_prefix('%') {
            return Some(Self::expansion(text).map(|(part, rest)| {
                self.rest = rest;
                part
            }));
        }
        let end = rest.find('%').unwrap_or(rest.len());
        let (literal, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
        self.rest = rest;
        Some(Ok(Part::Literal(literal)))
    }
}

impl<'a> Macro<'a> {
    fn parse(body: &'a str) -> Result<Self, MacroError> {
        let mut chars = body.chars();
        let written = chars.next().ok_or(MacroError::Letter)?;
        let letter = match written.to_ascii_lowercase() {
            's' => Letter::Sender,
            'l' => Letter::LocalPart,
            'o' => Letter::SenderDomain,
            'd' => Letter::Domain,
            'i' => Letter::Ip,
            'p' => Letter::ValidatedName,
            'v' => Letter::Version,
            'h' => Letter::Helo,
            'c' => Letter::ReadableIp,
            'r' => Letter::Receiver,
            't' => Letter::Time,
            _ => return Err(MacroError::Letter),
        };
        let rest = chars.as_str();
        let after_digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let keep = match rest.strip_suffix(after_digits) {
            None | Some("") => usize::MAX,
            // More digits than fit are more parts than there are.
            Some(digits) => digits.parse().unwrap_or(usize::MAX),
        };
        if keep == 0 {
            return Err(MacroError::ZeroParts);
        }
        let delimiters = after_digits.strip_prefix(['r', 'R']);
        let reverse = delimiters.is_some();
        let delimiters = delimiters.unwrap_or(after_digits);
        if delimiters.contains(|c: char| !matches!(c, '.' | '-' | '+' | ',' | '/' | '_' | '=')) {
            return Err(MacroError::Transformer);
        }
        Ok(Self { letter, escape: written.is_ascii_uppercase(), keep, reverse, delimiters })
    }

    /// Splits, reverses, keeps the right-hand parts, joins with dots, escapes, in that order.
    fn expand<'v>(&self, values: &'v Values<'_>) -> Cow<'v, str> {
        let value = values.of(self.letter);
        let plain = self.keep == usize::MAX && !self.reverse && self.delimiters.is_empty();
        let value = if plain { value } else { Cow::Owned(self.transform(&value)) };
        if self.escape { Cow::Owned(url_escaped(&value)) } else { value }
    }

    fn transform(&self, value: &str) -> String {
        let splits = |c: char| if self.delimiters.is_empty() { c == '.' } else { self.delimiters.contains(c) };
        // The last parts of the reversed list are the first of the list.
        let mut parts: Vec<&str> = if self.reverse {
            value.split(splits).take(self.keep).collect()
        } else {
            value.rsplit(splits).take(self.keep).collect()
        };
        parts.reverse();
        parts.join(".")
    }
}

/// What a macro string holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scan {
    /// The last part is a macro, or one of `%%`, `%_`, `%-`.
    pub ends_in_macro: bool,
    /// `%{p}` is in it, whose value needs DNS.
    pub names_client: bool,
    /// `%{s}` or `%{l}` is in it, which may not be ASCII.
    pub names_sender: bool,
}

/// Reads a `macro-string` for its syntax.
pub(super) fn scan(text: &str, place: Place) -> Result<Scan, MacroError> {
    let mut scan = Scan { ends_in_macro: false, names_client: false, names_sender: false };
    for part in Parts::of(text) {
        let part = part?;
        scan.ends_in_macro = !matches!(part, Part::Literal(_));
        if let Part::Macro(found) = part {
            scan.names_client |= found.letter == Letter::ValidatedName;
            scan.names_sender |= matches!(found.letter, Letter::Sender | Letter::LocalPart);
            let restricted = matches!(found.letter, Letter::ReadableIp | Letter::Receiver | Letter::Time);
            if restricted && place == Place::Term {
                return Err(MacroError::ExplanationOnly);
            }
        }
    }
    Ok(scan)
}

/// What the letters stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'a> {
    pub sender: &'a str,
    pub local_part: &'a str,
    pub sender_domain: &'a str,
    /// `<domain>`: changes with `include` and `redirect`.
    pub domain: &'a str,
    pub ip: IpAddr,
    pub validated_name: &'a str,
    pub helo: &'a str,
    pub receiver: &'a str,
    pub now: i64,
}

impl Values<'_> {
    fn of(&self, letter: Letter) -> Cow<'_, str> {
        Cow::Borrowed(match letter {
            Letter::Sender => self.sender,
            Letter::LocalPart => self.local_part,
            Letter::SenderDomain => self.sender_domain,
            Letter::Domain => self.domain,
            Letter::ValidatedName => self.validated_name,
            Letter::Helo => self.helo,
            Letter::Receiver if self.receiver.is_empty() => "unknown",
            Letter::Receiver => self.receiver,
            Letter::Version if self.ip.is_ipv4() => "in-addr",
            Letter::Version => "ip6",
            Letter::Ip => return Cow::Owned(dotted(self.ip)),
            Letter::ReadableIp => return Cow::Owned(self.ip.to_string()),
            Letter::Time => return Cow::Owned(self.now.to_string()),
        })
    }
}

/// The address in parts: four numbers, or 32 hexadecimal digits (section 7.3, letter i).
fn dotted(ip: IpAddr) -> String {
    let IpAddr::V6(ip) = ip else { return ip.to_string() };
    let mut out = String::with_capacity(63);
    for octet in ip.octets() {
        let dot = if out.is_empty() { "" } else { "." };
        let _ = write!(out, "{dot}{:X}.{:X}", octet >> 4, octet & 0x0f);
    }
    out
}

/// The name under which the address's own names are listed (section 5.5).
pub(super) fn reverse_name(ip: IpAddr) -> String {
    let (parts, zone) = (dotted(ip), if ip.is_ipv4() { "in-addr" } else { "ip6" });
    let reversed: Vec<&str> = parts.rsplit('.').collect();
    format!("{}.{zone}.arpa", reversed.join("."))
}

/// Everything but unreserved characters as `%XX` (RFC 3986 section 2.3).
fn url_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Expands a `domain-spec` that was read before. `None` when no DNS question can carry the result.
pub(super) fn expand_name<'a>(spec: &'a str, values: &Values<'_>) -> Option<Cow<'a, str>> {
    let name = if spec.contains('%') { Cow::Owned(join_from_right(spec, values)) } else { Cow::Borrowed(spec) };
    match name {
        Cow::Borrowed(name) => fit(name).map(Cow::Borrowed),
        Cow::Owned(name) => fit(&name).map(|name| Cow::Owned(name.to_owned())),
    }
}

/// At least the part of the expanded name that [`fit`] will keep.
fn join_from_right(spec: &str, values: &Values<'_>) -> String {
    let parts: Vec<Part<'_>> = Parts::of(spec).map_while(Result::ok).collect();
    let mut pieces = Vec::new();
    let mut len = 0;
    for part in parts.iter().rev() {
        // A last dot and the dot before the first kept label are two more.
        if len > MAX_NAME + 2 {
            break;
        }
        let piece = match part {
            Part::Literal(text) | Part::Escape(text) => Cow::Borrowed(*text),
            Part::Macro(found) => found.expand(values),
        };
        len += piece.len();
        pieces.push(piece);
    }
    pieces.reverse();
    pieces.concat()
}

/// Cuts labels from the left until the name fits (section 7.3), and says whether it can be asked for.
fn fit(name: &str) -> Option<&str> {
    let mut name = name.strip_suffix('.').unwrap_or(name);
    while name.len() > MAX_NAME {
        (_, name) = name.split_once('.')?;
    }
    is_dns_name(name).then_some(name)
}

/// Whether `name` can be put into a DNS question as it stands. Section 7 allows every visible
/// character in a term, and a space as `%_`; anything else, and the backslash that starts an escape
/// in names written out, can only come from a forged sender or HELO.
pub(super) fn is_dns_name(name: &str) -> bool {
    let byte = |b: u8| matches!(b, b' '..=b'~') && b != b'\\';
    let label = |l: &str| (1..=MAX_LABEL).contains(&l.len());
    name.len() <= MAX_NAME && name.bytes().all(byte) && name.split('.').all(label)
}

/// Expands an explanation (section 6.2). `None` when it has an error, is not printable ASCII, or
/// comes out longer than `max` octets.
pub(super) fn expand_text(text: &str, values: &Values<'_>, max: usize) -> Option<String> {
    let mut out = String::new();
    for part in Parts::of(text) {
        match part.ok()? {
            Part::Literal(text) | Part::Escape(text) => out.push_str(text),
            Part::Macro(found) => out.push_str(&found.expand(values)),
        }
        if out.len() > max {
            return None;
        }
    }
    out.bytes().all(|b| matches!(b, b' '..=b'~')).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::{MacroError, Place, Values, expand_name, expand_text, reverse_name, scan};
    use std::net::IpAddr;

    fn values(ip: &str) -> Values<'static> {
        Values {
            sender: "strong-bad@email.example.com",
            local_part: "strong-bad",
            sender_domain: "email.example.com",
            domain: "Mail.Example.com",
            ip: ip.parse().expect("an address"),
            validated_name: "unknown",
            helo: "mx.example.org.",
            receiver: "",
            now: 1_700_000_000,
        }
    }

    #[test]
    fn macros_expand() {
        for (text, want) in [
            ("%{s}|%{l}|%{o}", "strong-bad@email.example.com|strong-bad|email.example.com"),
            ("%{S}", "strong-bad%40email.example.com"),
            ("%{d}|%{d4}|%{d3}|%{d2}|%{d1}", "Mail.Example.com|Mail.Example.com|Mail.Example.com|Example.com|com"),
            ("%{dr}|%{d2r}|%{d1r}", "com.Example.Mail|Example.Mail|Mail"),
            ("%{d99999999999999999999999}", "Mail.Example.com"),
            ("%{l-}|%{lr-}|%{l1-}|%{l1r-}", "strong.bad|bad.strong|bad|strong"),
            ("%{o+}|%{o.-}", "email.example.com|email.example.com"),
            ("%{sr-=}", "bad@email.example.com.strong"),
            ("%{IR}.%{V}|%{c}", "1.2.0.192.in-addr|192.0.2.1"),
            ("%{p}|%{r}|%{t}|%{h}", "unknown|unknown|1700000000|mx.example.org."),
            ("100%%%_free%-", "100% free%20"),
        ] {
            let got = expand_text(text, &values("192.0.2.1"), 1000);
            assert_eq!(got.as_deref(), Some(want), "{text}");
        }
        let got = expand_text("%{i} %{c} %{v}", &values("2001:db8::cb01"), 1000);
        let want = "2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.C.B.0.1 2001:db8::cb01 ip6";
        assert_eq!(got.as_deref(), Some(want));
    }

    #[test]
    fn explanations_are_short_printable_text() {
        let values = values("192.0.2.1");
        assert_eq!(expand_text("%{d}%{d}", &values, 32).map(|t| t.len()), Some(32));
        assert_eq!(expand_text("%{d}%{d}", &values, 31), None);
        assert_eq!(expand_text("caf\u{e9}", &values, 31), None);
        assert_eq!(expand_text("%{l}", &Values { local_part: "a\r\nb", ..values }, 31), None);
    }

    #[test]
    fn names_are_cut_from_the_left_at_253_octets() {
        let long = "abcdefghi.".repeat(30);
        let name = |spec: &str| expand_name(spec, &values("192.0.2.1")).map(std::borrow::Cow::into_owned);
        let cut = name(&format!("{long}example.com")).expect("fits");
        assert_eq!((cut.len(), cut.starts_with("abcdefghi.")), (251, true));
        // 240 + 13 octets stay; the same with one more lose a label.
        let whole = format!("{}%{{d1}}.example", "abcdefghi.".repeat(24));
        assert_eq!(name(&format!("{whole}.a")).map(|n| n.len()), Some(253));
        assert_eq!(name(&format!("{whole}.ab")).map(|n| n.len()), Some(244));
        assert!(name(&"%{d9}".repeat(12_000)).is_some_and(|n| n.len() <= 253 && n.ends_with("com")));
        assert_eq!(name(&"%{l9}".repeat(12_000)), None);
        assert_eq!(name(&"a".repeat(60_000)), None);
        assert_eq!(name("%{h}").as_deref(), Some("mx.example.org"));
        for bad in ["a..example.com", ".example.com", &format!("{}.example.com", "a".repeat(64)), "%{s3-}\u{e9}.a"] {
            assert_eq!(name(bad), None, "{bad}");
        }
    }

    #[test]
    fn broken_macros_are_refused() {
        for (text, error) in [
            ("%", MacroError::Percent),
            ("%(d)", MacroError::Percent),
            ("a%.b", MacroError::Percent),
            ("%{d", MacroError::Unclosed),
            ("%{}", MacroError::Letter),
            ("%{a}", MacroError::Letter),
            ("%{\u{e9}}", MacroError::Letter),
            ("%{d0}", MacroError::ZeroParts),
            ("%{d00r}", MacroError::ZeroParts),
            ("%{dr2}", MacroError::Transformer),
            ("%{d2rr}", MacroError::Transformer),
            ("%{d!}", MacroError::Transformer),
            ("%{d-2}", MacroError::Transformer),
            ("%{c}", MacroError::ExplanationOnly),
            ("%{R}", MacroError::ExplanationOnly),
            ("%{t1r-}", MacroError::ExplanationOnly),
        ] {
            assert_eq!(scan(text, Place::Term), Err(error), "{text}");
        }
        assert!(scan("%{c}%{R}%{t1r-}", Place::Explanation).is_ok());
        assert!(scan("%{p}x", Place::Term).is_ok_and(|s| s.names_client && !s.ends_in_macro));
        assert!(scan("x%%", Place::Term).is_ok_and(|s| !s.names_client && s.ends_in_macro));
    }

    #[test]
    fn addresses_have_names_in_reverse() {
        let name = |ip: &str| reverse_name(ip.parse::<IpAddr>().expect("an address"));
        assert_eq!(name("192.0.2.10"), "10.2.0.192.in-addr.arpa");
        assert_eq!(name("2001:db8::f"), "F.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6.arpa");
    }
}
