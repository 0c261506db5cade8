//! The record's grammar (RFC 7208 section 12), read as a whole before any of it counts
//! (section 4.6): an error in the last term makes a record void whose first term would match.

use super::SpfResult;
use super::macros::{self, MacroError, Place, Scan};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Why a record cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TermError {
    #[error("a character that is not printable ASCII")]
    Charset,
    #[error("unknown mechanism")]
    Mechanism,
    #[error("a modifier's name is a letter, then letters, digits, - _ or .")]
    ModifierName,
    #[error("the modifier stands there twice")]
    Twice,
    #[error("this mechanism takes no argument")]
    Argument,
    #[error("a domain is missing")]
    NoDomain,
    #[error("the domain must end in a macro, or in a dot and a top-level name")]
    TopLevel,
    #[error("this is an address: use ip4 or ip6")]
    AddressAsDomain,
    #[error("not an address of this family")]
    Address,
    #[error("not a prefix length of this family")]
    PrefixLength,
    #[error("{0}")]
    Macro(#[from] MacroError),
}

/// A term that breaks the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SyntaxError<'a> {
    pub term: &'a str,
    pub error: TermError,
}

/// `dual-cidr-length`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix {
    pub v4: u8,
    pub v6: u8,
}

impl Prefix {
    /// The address itself.
    pub const HOST: Self = Self { v4: 32, v6: 128 };
}

/// A mechanism (section 5). A domain that is left out is the domain being checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism<'a> {
    All,
    Include(&'a str),
    A(Option<&'a str>, Prefix),
    Mx(Option<&'a str>, Prefix),
    Ptr(Option<&'a str>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(&'a str),
}

/// `directive = [ qualifier ] mechanism`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Directive<'a> {
    /// The verdict when it matches.
    pub verdict: SpfResult,
    pub mechanism: Mechanism<'a>,
    /// As it stands in the record.
    pub text: &'a str,
}

/// `record = version terms *SP`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub directives: Vec<Directive<'a>>,
    pub redirect: Option<&'a str>,
    pub exp: Option<&'a str>,
}

/// What stands behind the version, when `txt` is an SPF record (section 4.5): `v=spf1` in any case,
/// then a space or the end.
pub(super) fn after_version(txt: &[u8]) -> Option<&[u8]> {
    let (version, rest) = txt.split_at_checked(b"v=spf1".len())?;
    (version.eq_ignore_ascii_case(b"v=spf1") && matches!(rest.first(), None | Some(b' '))).then_some(rest)
}

impl<'a> Record<'a> {
    /// Reads what stands behind the version.
    pub fn parse(terms: &'a [u8]) -> Result<Self, SyntaxError<'a>> {
        // Spaces alone separate terms; a tab or line end is an error (section 4.6.1).
        let printable = terms.iter().all(|b| matches!(b, b' '..=b'~'));
        let terms = std::str::from_utf8(terms).ok().filter(|_| printable);
        let terms = terms.ok_or(SyntaxError { term: "", error: TermError::Charset })?;
        let mut record = Self::default();
        for term in terms.split(' ').filter(|t| !t.is_empty()) {
            record.read(term).map_err(|error| SyntaxError { term, error })?;
        }
        Ok(record)
    }

    /// `directive / modifier`: a modifier has "=" before any ":" or "/" (section 4.6.1).
    fn read(&mut self, term: &'a str) -> Result<(), TermError> {
        let end = term.find([':', '/', '=']).unwrap_or(term.len());
        let (name, rest) = term.split_at_checked(end).unwrap_or((term, ""));
        if let Some(value) = rest.strip_prefix('=') {
            return self.modifier(name, value);
        }
        self.directives.push(directive(term, name, rest)?);
        Ok(())
    }

    /// `name "=" macro-string` (section 6). Names that are not known mean nothing, but their macros
    /// must be in order.
    fn modifier(&mut self, name: &str, value: &'a str) -> Result<(), TermError> {
        let tail = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(tail) {
            return Err(TermError::ModifierName);
        }
        let slot = if name.eq_ignore_ascii_case("redirect") {
            &mut self.redirect
        } else if name.eq_ignore_ascii_case("exp") {
            &mut self.exp
        } else {
            macros::scan(value, Place::Term)?;
            return Ok(());
        };
        let domain = domain_spec(value)?;
        if slot.replace(domain).is_some() {
            return Err(TermError::Twice);
        }
        Ok(())
    }
}

fn directive<'a>(text: &'a str, name: &'a str, rest: &'a str) -> Result<Directive<'a>, TermError> {
    let mut chars = name.chars();
    let (verdict, name) = match chars.next() {
        Some('+') => (SpfResult::Pass, chars.as_str()),
        Some('-') => (SpfResult::Fail, chars.as_str()),
        Some('~') => (SpfResult::SoftFail, chars.as_str()),
        Some('?') => (SpfResult::Neutral, chars.as_str()),
        _ => (SpfResult::Pass, name),
    };
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    let mechanism = if is("ip4") {
        let (network, prefix) = network(rest, Prefix::HOST.v4)?;
        Mechanism::Ip4(network, prefix)
    } else if is("ip6") {
        let (network, prefix) = network(rest, Prefix::HOST.v6)?;
        Mechanism::Ip6(network, prefix)
    } else if is("include") {
        Mechanism::Include(required_domain(rest)?)
    } else if is("a") {
        let (domain, prefix) = domain_and_prefix(rest)?;
        Mechanism::A(domain, prefix)
    } else if is("mx") {
        let (domain, prefix) = domain_and_prefix(rest)?;
        Mechanism::Mx(domain, prefix)
    } else if is("all") {
        if !rest.is_empty() {
            return Err(TermError::Argument);
        }
        Mechanism::All
    } else if is("exists") {
        Mechanism::Exists(required_domain(rest)?)
    } else if is("ptr") {
        Mechanism::Ptr(if rest.is_empty() { None } else { Some(required_domain(rest)?) })
    } else {
        return Err(TermError::Mechanism);
    };
    Ok(Directive { verdict, mechanism, text })
}

/// `":" domain-spec`
fn required_domain(rest: &str) -> Result<&str, TermError> {
    domain_spec(rest.strip_prefix(':').ok_or(TermError::NoDomain)?)
}

/// `[ ":" domain-spec ] [ dual-cidr-length ]`
///
/// A domain may hold slashes, but cannot end in one and digits: what looks like a prefix length at
/// the end is one.
fn domain_and_prefix(rest: &str) -> Result<(Option<&str>, Prefix), TermError> {
    let (rest, v6) = split_prefix(rest, "//", Prefix::HOST.v6)?;
    let (rest, v4) = split_prefix(rest, "/", Prefix::HOST.v4)?;
    let domain = match rest.strip_prefix(':') {
        Some(spec) => Some(domain_spec(spec)?),
        None if rest.is_empty() => None,
        None => return Err(TermError::PrefixLength),
    };
    Ok((domain, Prefix { v4, v6 }))
}

fn split_prefix<'a>(text: &'a str, slashes: &str, max: u8) -> Result<(&'a str, u8), TermError> {
    match text.rsplit_once(slashes) {
        Some((head, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Ok((head, prefix_length(digits, max)?))
        }
        _ => Ok((text, max)),
    }
}

/// `"0" / %x31-39 0*2DIGIT`, up to `max`
fn prefix_length(digits: &str, max: u8) -> Result<u8, TermError> {
    let plain = digits == "0" || (!digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()));
    let length = digits.parse().ok().filter(|&length: &u8| plain && length <= max);
    length.ok_or(TermError::PrefixLength)
}

/// `":" ip4-network [ ip4-cidr-length ]`, and the same for ip6
fn network<A: std::str::FromStr>(rest: &str, max: u8) -> Result<(A, u8), TermError> {
    let rest = rest.strip_prefix(':').ok_or(TermError::Address)?;
    let (address, prefix) = match rest.split_once('/') {
        Some((address, digits)) => (address, prefix_length(digits, max)?),
        None => (rest, max),
    };
    Ok((address.parse().map_err(|_| TermError::Address)?, prefix))
}

/// `domain-spec = macro-string domain-end`, `domain-end = ( "." toplabel [ "." ] ) / macro-expand`
fn domain_spec(text: &str) -> Result<&str, TermError> {
    if text.is_empty() {
        return Err(TermError::NoDomain);
    }
    if text.contains('%') {
        let Scan { ends_in_macro, .. } = macros::scan(text, Place::Term)?;
        if ends_in_macro {
            return Ok(text);
        }
    }
    match text.strip_suffix('.').unwrap_or(text).rsplit_once('.') {
        Some((_, top)) if is_toplabel(top) => Ok(text),
        _ if text.parse::<std::net::IpAddr>().is_ok() => Err(TermError::AddressAsDomain),
        _ => Err(TermError::TopLevel),
    }
}

/// `( *alphanum ALPHA *alphanum ) / ( 1*alphanum "-" *( alphanum / "-" ) alphanum )`: letters, digits
/// and inner hyphens, not digits alone.
fn is_toplabel(label: &str) -> bool {
    let bytes = label.as_bytes();
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
        && !bytes.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::{Directive, Mechanism, Prefix, Record, SyntaxError, TermError, after_version};
    use crate::auth::spf::SpfResult;
    use crate::auth::spf::macros::MacroError;

    fn one(term: &str) -> Result<Mechanism<'_>, TermError> {
        let record = Record::parse(term.as_bytes()).map_err(|e| e.error)?;
        assert_eq!(record.directives.len(), 1, "{term}");
        Ok(record.directives.first().expect("one term").mechanism)
    }

    #[test]
    fn the_version_ends_with_a_space_or_the_record() {
        for (txt, want) in [
            ("v=spf1", Some("")),
            ("V=sPf1 -all", Some(" -all")),
            ("v=spf10", None),
            ("v=spf1\t-all", None),
            ("v=spf1-all", None),
            (" v=spf1", None),
            ("v=spf", None),
            ("", None),
        ] {
            assert_eq!(after_version(txt.as_bytes()), want.map(str::as_bytes), "{txt:?}");
        }
    }

    #[test]
    fn terms_are_read() {
        let record = Record::parse(b"  ?A:%{d}//64 new.thing=%{d}:/ -all EXP=%{d}  redirect=b.example. ");
        let directive = |verdict, mechanism, text| Directive { verdict, mechanism, text };
        let a = Mechanism::A(Some("%{d}"), Prefix { v4: 32, v6: 64 });
        let want = Record {
            directives: vec![
                directive(SpfResult::Neutral, a, "?A:%{d}//64"),
                directive(SpfResult::Fail, Mechanism::All, "-all"),
            ],
            redirect: Some("b.example."),
            exp: Some("%{d}"),
        };
        assert_eq!(record, Ok(want));
    }

    #[test]
    fn mechanisms_are_read() {
        let prefix = |v4, v6| Prefix { v4, v6 };
        for (term, want) in [
            ("a", Mechanism::A(None, prefix(32, 128))),
            ("a/0", Mechanism::A(None, prefix(0, 128))),
            ("mx/24//0", Mechanism::Mx(None, prefix(24, 0))),
            ("a:x/y.example/8", Mechanism::A(Some("x/y.example"), prefix(8, 128))),
            ("a:x//9.example//9", Mechanism::A(Some("x//9.example"), prefix(32, 9))),
            ("a:%{d}/32//128", Mechanism::A(Some("%{d}"), prefix(32, 128))),
            ("mx:b:c.example", Mechanism::Mx(Some("b:c.example"), prefix(32, 128))),
            ("ptr", Mechanism::Ptr(None)),
            ("ptr:b.example", Mechanism::Ptr(Some("b.example"))),
            ("include:b.xn--example", Mechanism::Include("b.xn--example")),
            ("exists:%{ir}.%%", Mechanism::Exists("%{ir}.%%")),
            ("IP4:192.0.2.0/24", Mechanism::Ip4([192, 0, 2, 0].into(), 24)),
            ("ip6:2001:db8::/32", Mechanism::Ip6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0].into(), 32)),
            ("ip6:::192.0.2.1/0", Mechanism::Ip6([0, 0, 0, 0, 0, 0, 0xc000, 0x201].into(), 0)),
        ] {
            assert_eq!(one(term), Ok(want), "{term}");
        }
    }

    #[test]
    fn broken_terms_are_refused() {
        use TermError::{
            Address, AddressAsDomain, Argument, Charset, Macro, Mechanism, ModifierName, NoDomain, PrefixLength,
            TopLevel, Twice,
        };
        for (term, error) in [
            ("ip5:192.0.2.1", Mechanism),
            ("--all", Mechanism),
            ("-", Mechanism),
            (":b.example", Mechanism),
            ("all:", Argument),
            ("-all/8", Argument),
            ("a:", NoDomain),
            ("include", NoDomain),
            ("include/24", NoDomain),
            ("exists:", NoDomain),
            ("ptr/0", NoDomain),
            ("redirect=", NoDomain),
            ("exp=", NoDomain),
            ("a/", PrefixLength),
            ("a//", PrefixLength),
            ("a/33", PrefixLength),
            ("a/024", PrefixLength),
            ("a/256", PrefixLength),
            ("a//129", PrefixLength),
            ("a/24/64", PrefixLength),
            ("mx///64", PrefixLength),
            ("a:b.example/00", PrefixLength),
            ("ip4:192.0.2.0/33", PrefixLength),
            ("ip4:192.0.2.0//32", PrefixLength),
            ("ip4:192.0.2.0/", PrefixLength),
            ("ip4:192.0.2.0/+8", PrefixLength),
            ("ip6:2001:db8::/129", PrefixLength),
            ("ip4", Address),
            ("ip4:192.0.2", Address),
            ("ip4:192.0.2.01", Address),
            ("ip4:192.0.2.1:25", Address),
            ("ip4:2001:db8::1", Address),
            ("ip6:192.0.2.1", Address),
            ("ip6:2001:db8::1::", Address),
            ("a:192.0.2.1", AddressAsDomain),
            ("a:example", TopLevel),
            ("a:example.", TopLevel),
            ("a:b.123", TopLevel),
            ("a:b.-example", TopLevel),
            ("a:b.example-", TopLevel),
            ("a:b.exa_mple", TopLevel),
            ("a:b.example..", TopLevel),
            ("a:b.example:25", TopLevel),
            ("a:%{d}.", TopLevel),
            ("a:%{d.}com", TopLevel),
            ("exists:b.example/24", TopLevel),
            ("a:%{x}.example", Macro(MacroError::Letter)),
            ("new=%", Macro(MacroError::Percent)),
            ("1st=x", ModifierName),
            ("-exp=b.example", ModifierName),
            ("=x", ModifierName),
            ("exp=b.example exp=b.example", Twice),
            ("redirect=b.example Redirect=c.example", Twice),
            ("a\tmx", Charset),
            ("a:b.example\0", Charset),
            ("caf\u{e9}=x", Charset),
        ] {
            let got = Record::parse(term.as_bytes()).map_err(|e| e.error);
            assert_eq!(got.map(|_| ()), Err(error), "{term}");
        }
        let last = Record::parse(b"ip4:192.0.2.1 -all moo");
        assert_eq!(last, Err(SyntaxError { term: "moo", error: Mechanism }));
    }
}
