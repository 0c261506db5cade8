//! What one Authentication-Results header says, and what of it goes into an event.

use super::parse::policy_word;
use crate::event::{AuthResult, AuthWord, DmarcPolicy, ReceiverAuth};

/// Results of one method in an event.
const MAX_RESULTS: usize = 50;
/// No name is longer (RFC 1035 section 2.3.4).
const MAX_DOMAIN: usize = 255;

/// One header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Who speaks, in lower case; `None` where the server writes no id.
    pub authserv_id: Option<String>,
    /// Which Authentication-Results header of the mail, from the top, 0 first.
    pub header_index: Option<u32>,
    /// In the order of the header; the same method may stand there several times.
    pub methods: Vec<Method>,
}

/// One method of a header: `spf=pass smtp.mailfrom=example.org`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// In lower case.
    pub name: String,
    pub result: AuthWord,
    pub reason: Option<String>,
    /// The policy that a comment states: `(p=REJECT)`.
    pub comment_policy: Option<DmarcPolicy>,
    pub properties: Vec<Property>,
}

/// One property: `smtp.mailfrom=example.org`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// `ptype.property` in lower case; Microsoft's `action` has no ptype.
    pub name: String,
    /// With quotes taken off.
    pub value: String,
}

impl Method {
    /// A method that says nothing but its word.
    #[must_use]
    pub fn new(name: &str, result: AuthWord) -> Self {
        Self { name: name.to_ascii_lowercase(), result, reason: None, comment_policy: None, properties: Vec::new() }
    }

    /// A property's value. Several that differ are none: the sender may have put one of them there.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        let mut values = self.properties.iter().filter(|p| p.name == name).map(|p| p.value.as_str());
        let first = values.next()?;
        values.all(|other| other == first).then_some(first)
    }

    /// The domain in a property's value, which may be an address.
    #[must_use]
    pub fn domain(&self, name: &str) -> Option<String> {
        let value = self.property(name)?.trim_matches(['<', '>']);
        let domain = value.rsplit_once('@').map_or(value, |(_, domain)| domain).trim_end_matches('.');
        // Microsoft writes "header.d=none" for a mail without a signature.
        let is_none = domain.is_empty() || domain.eq_ignore_ascii_case("none");
        // Names, U-labels (RFC 6531) and address literals of a HELO.
        let is_domain = domain.chars().all(|c| {
            c.is_ascii_alphanumeric()
                || matches!(c, '.' | '-' | '_' | '[' | ']' | ':')
                || (!c.is_ascii() && c.is_alphanumeric())
        });
        (!is_none && is_domain && domain.len() <= MAX_DOMAIN).then(|| domain.to_ascii_lowercase())
    }

    /// The method's result as an event has it.
    #[must_use]
    pub fn to_result(&self, header_index: Option<u32>) -> AuthResult {
        let first = |names: &[&str]| names.iter().find_map(|name| self.domain(name));
        let domain = match self.name.as_str() {
            "spf" => first(&["smtp.mailfrom", "smtp.helo"]),
            "dkim" => first(&["header.d", "header.i"]),
            "dmarc" => first(&["header.from"]),
            _ => None,
        };
        let text = |value: &str| value.chars().take(MAX_DOMAIN).collect::<String>();
        let is_dkim = self.name == "dkim";
        let is_dmarc = self.name == "dmarc";
        let stated = || ["policy.dmarc", "header.policy"].iter().find_map(|name| policy_word(self.property(name)?));
        AuthResult {
            domain,
            selector: self.property("header.s").filter(|s| is_dkim && !s.is_empty()).map(text),
            policy: if is_dmarc { stated().or(self.comment_policy) } else { None },
            header_index,
            reason: self.reason.clone(),
            ..AuthResult::new(self.result)
        }
    }
}

/// What several headers of one server say, joined in order; the id is the first one's.
#[must_use]
pub fn joined(statements: &[Statement]) -> Option<ReceiverAuth> {
    let mut out = ReceiverAuth { authserv_id: statements.first()?.authserv_id.clone(), ..ReceiverAuth::default() };
    for statement in statements {
        for method in &statement.methods {
            let list = match method.name.as_str() {
                "spf" => &mut out.spf,
                "dkim" => &mut out.dkim,
                "dmarc" => &mut out.dmarc,
                "arc" => &mut out.arc,
                _ => continue,
            };
            if list.len() < MAX_RESULTS {
                list.push(method.to_result(statement.header_index));
            }
        }
    }
    Some(out)
}
