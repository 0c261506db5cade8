//! E-mail addresses as they stand in headers and reports.

use std::fmt;

/// An address: the local part as written, the domain in lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    text: String,
    at: usize,
}

impl Address {
    /// Reads an address out of `text`: angle brackets, quotes around the whole, a `mailto:` or
    /// `rfc822;` prefix and white space around it are taken away. At most 320 octets
    /// (64 + 1 + 255, RFC 5321 section 4.5.3.1).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut text = text.trim();
        if let Some((_, inner)) = text.rsplit_once('<') {
            text = inner.split_once('>').map_or(inner, |(address, _)| address);
        }
        let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\'' | ',' | ';' | '<' | '>'));
        let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
        let text = strip_prefix_ignore_case(text, "mailto:").unwrap_or(text);
        let text = match text.split_once(';') {
            Some((kind, rest)) if kind.eq_ignore_ascii_case("rfc822") || kind.eq_ignore_ascii_case("utf-8") => {
                rest.trim()
            }
            _ => text,
        };
        let (local, domain) = text.rsplit_once('@')?;
        let domain = domain.trim_end_matches('.');
        let plain = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';');
        let quoted = local.starts_with('"') && local.ends_with('"') && local.len() > 1;
        if local.is_empty()
            || domain.is_empty()
            || text.len() > 320
            || (!quoted && local.contains(plain))
            || local.contains(char::is_control)
            || domain.contains(|c: char| plain(c) || matches!(c, '(' | ')' | '"' | '\'' | '='))
        {
            return None;
        }
        Some(Self { text: format!("{local}@{}", domain.to_lowercase()), at: local.len() })
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the last `@`.
    #[must_use]
    pub fn local(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// What stands behind the last `@`, in lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.text.get(self.at + 1..).unwrap_or_default()
    }

    /// The form that is compared and hashed: all in lower case. Local parts may differ by case
    /// (RFC 5321 section 2.4), but no provider of note lets them.
    #[must_use]
    pub fn normalised(&self) -> String {
        self.text.to_lowercase()
    }
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| text.get(prefix.len()..)).flatten()
}

impl fmt::Debug for Address {
    /// An address in a debug build must not reach a log either.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address(…@{})", self.domain())
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_as_they_stand_in_mails() {
        let table = [
            ("ana@Example.ORG", Some("ana@example.org")),
            (" <Ana.B@example.org> ", Some("Ana.B@example.org")),
            ("rfc822; ana@example.org", Some("ana@example.org")),
            ("RFC822;<ana@example.org>", Some("ana@example.org")),
            ("mailto:ana@example.org", Some("ana@example.org")),
            ("\"Ana\" <ana@example.org>", Some("ana@example.org")),
            ("'ana@example.org'", Some("ana@example.org")),
            ("ana@example.org.", Some("ana@example.org")),
            ("\"a b\"@example.org", Some("\"a b\"@example.org")),
            ("a b@example.org", None),
            ("ana@", None),
            ("@example.org", None),
            ("", None),
            ("<>", None),
            ("ana@exa mple.org", None),
        ];
        for (given, expected) in table {
            assert_eq!(Address::parse(given).as_ref().map(Address::as_str), expected, "{given:?}");
        }
        let long = format!("{}@example.org", "a".repeat(400));
        assert_eq!(Address::parse(&long), None);
    }
}
