//! DMARC (RFC 9989): whose mail it says it is, and mail-auth's finding in the words of the event.

use super::dkim::tags;
use super::lookups::Answers;
use crate::event::{AuthResult, AuthWord, DmarcPolicy};
use crate::message::{self as mail, Mail};
use mail_auth::dmarc::{Alignment, Policy};
use mail_auth::{DmarcOutput, DmarcResult};
use mail_parser::{Address, HeaderName, HeaderValue};

/// The one domain of From, as DNS has it, or why there is none to ask about.
///
/// Several From fields are no mail at all (RFC 5322 section 3.6), and which one a program shows is
/// anyone's guess; several domains are exempt (RFC 9989 section 4.5).
pub fn author(mail: &Mail<'_>) -> Result<String, &'static str> {
    let mut fields = mail.message().headers().iter().filter(|h| h.name == HeaderName::From);
    let addresses: Vec<&mail_parser::Addr<'_>> = match (fields.next().map(|h| &h.value), fields.next()) {
        (_, Some(_)) => return Err("there are several From fields"),
        (Some(HeaderValue::Address(Address::List(list))), None) => list.iter().collect(),
        (Some(HeaderValue::Address(Address::Group(groups))), None) => {
            groups.iter().flat_map(|g| &g.addresses).collect()
        }
        _ => Vec::new(),
    };
    let mut domains = addresses
        .into_iter()
        .filter_map(|a| a.address.as_deref())
        // What is no address is shown in one way or another, by one program or another.
        .map(|text| tags::domain(mail::Address::parse(text)?.domain()));
    let first = domains.next().flatten().ok_or("From names no domain")?;
    if domains.all(|d| d.as_ref() == Some(&first)) { Ok(first) } else { Err("From names several domains") }
}

/// The result where there is no domain to ask about.
pub fn no_author(reason: &str) -> AuthResult {
    AuthResult { reason: Some(reason.to_owned()), ..AuthResult::new(AuthWord::None) }
}

/// Whether the record that applies asks for exact alignment of DKIM and of SPF.
pub fn strictness(output: &DmarcOutput) -> (bool, bool) {
    let strict = |alignment| alignment == Alignment::Strict;
    output.dmarc_record().map_or((false, false), |r| (strict(r.adkim), strict(r.aspf)))
}

/// mail-auth's finding in one word, with the policy that applies. `None` where SPF is not known
/// and the verdict would rest on its absence.
pub fn verdict(output: &DmarcOutput, answers: &Answers, from: &str, spf_known: bool) -> Option<AuthResult> {
    let record = output.dmarc_record();
    let any = |f: fn(&DmarcResult) -> bool| f(output.spf_result()) || f(output.dkim_result());
    let (word, reason) = if any(|r| matches!(r, DmarcResult::Pass)) {
        (AuthWord::Pass, None)
    } else if any(|r| matches!(r, DmarcResult::TempError(_))) {
        (AuthWord::TempError, Some("a lookup failed for now"))
    } else if any(|r| matches!(r, DmarcResult::PermError(_))) {
        (AuthWord::PermError, None)
    } else if record.is_none() {
        (AuthWord::None, Some("no policy"))
    } else {
        (AuthWord::Fail, Some("neither SPF nor DKIM passes for the domain of From"))
    };
    // Without a boundary SPF is unknown, and with it any verdict that rests on its absence.
    if word == AuthWord::Fail && !spf_known {
        return None;
    }
    let policy = record.map(|r| answers.effective_policy(r, output.policy(), from));
    Some(AuthResult {
        domain: Some(from.to_owned()),
        policy: policy.map(|p| match p {
            Policy::Reject => DmarcPolicy::Reject,
            Policy::Quarantine => DmarcPolicy::Quarantine,
            Policy::None | Policy::Unspecified => DmarcPolicy::None,
        }),
        reason: reason.map(str::to_owned),
        ..AuthResult::new(word)
    })
}
