//! Why a delivery failed: by the server's words first, then by its codes.

use super::codes::Codes;
use crate::classify::{Hit, Rules, Table};
use crate::event::{BounceType, Category};

/// Phrases that are less sure than this lose against a code that names the cause.
const SURE: f32 = 0.6;
/// Phrases that only one provider has.
const CERTAIN: f32 = 0.97;
/// Octets of text that phrases are looked for in.
const WINDOW: usize = 4 * 1024;

/// What is known of one failed delivery.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence<'t> {
    /// The server's own words.
    pub words: &'t str,
    /// Other words about this recipient: the notice, a transcript.
    pub around: &'t str,
    /// What stands beside the code in the Status field.
    pub comment: &'t str,
    pub codes: &'t Codes,
    /// The Status field's code.
    pub status: Option<&'t str>,
    pub command: Option<&'t str>,
}

/// The category, and the rules that decided.
pub(super) fn find(rules: &Rules, evidence: &Evidence<'_>) -> (Category, Vec<Hit>) {
    let fields = [("report:Diagnostic-Code", evidence.words), ("report:Status", evidence.comment)];
    let mut doubtful: Option<(Category, Hit)> = None;
    for (field, text) in fields {
        match phrase(rules, field, text) {
            Some((category, confidence, hit)) if confidence >= SURE => {
                // A sentence of one provider beside a bare "user unknown" says which unknown it means.
                if evidence.codes.enhanced.as_deref().and_then(by_enhanced).is_none()
                    && category == Category::MailboxUnknown
                    && confidence < CERTAIN
                    && let Some((told, surer, note)) = phrase(rules, "body", evidence.around)
                    && surer >= CERTAIN
                    && told == Category::MailboxDisabled
                {
                    return (told, vec![note, hit]);
                }
                return (category, vec![hit]);
            }
            Some((category, _, hit)) if doubtful.is_none() => doubtful = Some((category, hit)),
            _ => {}
        }
    }
    let enhanced = evidence.codes.enhanced.as_deref();
    for code in [enhanced, evidence.status].into_iter().flatten() {
        if let Some(category) = by_enhanced(code) {
            return (category, vec![Hit::in_field(&format!("code.{code}"), "report:Status", None, code)]);
        }
    }
    // Words around the reply are prose for people: help texts name causes that did not happen.
    let around = phrase(rules, "body", evidence.around);
    if let Some((category, confidence, hit)) = around
        && (confidence >= SURE || doubtful.is_none())
    {
        return (category, vec![hit]);
    }
    if let Some((category, hit)) = doubtful {
        return (category, vec![hit]);
    }
    if let Some((category, code)) = by_reply(evidence) {
        return (
            category,
            vec![Hit::in_field(&format!("code.{code}"), "report:Diagnostic-Code", None, &code.to_string())],
        );
    }
    let rough = [enhanced, evidence.status].into_iter().flatten().find_map(|c| Some((by_subject(c)?, c)));
    match rough {
        Some((category, code)) => (category, vec![Hit::in_field(&format!("code.{code}"), "report:Status", None, code)]),
        None => (Category::Unknown, Vec::new()),
    }
}

fn phrase(rules: &Rules, field: &str, text: &str) -> Option<(Category, f32, Hit)> {
    if text.trim().is_empty() {
        return None;
    }
    let mut end = text.len().min(WINDOW);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    let best = rules.best(Table::BounceCategory, "diagnostic", text)?;
    let category = named(&best.rule.gives)?;
    let words = text.get(best.start..best.end).unwrap_or_default();
    Some((category, best.rule.confidence, Hit::in_field(&best.rule.id, field, Some((best.start, best.end)), words)))
}

/// A category by its published name.
pub(super) fn named(name: &str) -> Option<Category> {
    use Category as C;
    Some(match name {
        "mailbox_unknown" => C::MailboxUnknown,
        "mailbox_disabled" => C::MailboxDisabled,
        "mailbox_moved" => C::MailboxMoved,
        "mailbox_full" => C::MailboxFull,
        "recipient_filtered" => C::RecipientFiltered,
        "domain_unknown" => C::DomainUnknown,
        "domain_no_mail" => C::DomainNoMail,
        "network_error" => C::NetworkError,
        "expired" => C::Expired,
        "message_too_big" => C::MessageTooBig,
        "content_rejected" => C::ContentRejected,
        "spam_content" => C::SpamContent,
        "virus" => C::Virus,
        "policy" => C::Policy,
        "auth_failure" => C::AuthFailure,
        "requires_ptr" => C::RequiresPtr,
        "ip_blocked" => C::IpBlocked,
        "bad_reputation" => C::BadReputation,
        "rate_limited" => C::RateLimited,
        "relay_denied" => C::RelayDenied,
        "sender_rejected" => C::SenderRejected,
        "security" => C::Security,
        "smtp_syntax" => C::SmtpSyntax,
        "not_compliant" => C::NotCompliant,
        "system_error" => C::SystemError,
        "mailer_error" => C::MailerError,
        "system_full" => C::SystemFull,
        "suppressed" => C::Suppressed,
        "unknown" => C::Unknown,
        _ => return None,
    })
}

/// The codes that name a cause (RFC 3463 section 3, RFC 5248 and the IANA registry; those of three
/// digits are Exchange Online's).
fn by_enhanced(code: &str) -> Option<Category> {
    use Category as C;
    let (class, rest) = code.split_once('.')?;
    Some(match rest {
        "1.1" | "1.3" | "1.4" | "1.351" => C::MailboxUnknown,
        "1.2" | "4.4" | "4.310" => C::DomainUnknown,
        "1.6" => C::MailboxMoved,
        "1.7" | "1.8" | "7.27" | "7.502" | "7.503" => C::SenderRejected,
        "1.9" => C::NotCompliant,
        "2.1" | "7.13" | "7.17" => C::MailboxDisabled,
        "2.2" => C::MailboxFull,
        "2.3" | "3.4" => C::MessageTooBig,
        "3.1" => C::SystemFull,
        // A permanent "not accepting network messages" is a host without mail; a passing one is ill.
        "3.2" if class == "5" => C::DomainNoMail,
        "3.2" | "3.5" | "4.3" => C::SystemError,
        "4.1" | "4.2" | "4.6" | "4.312" => C::NetworkError,
        "4.5" | "5.3" | "7.28" | "7.508" | "7.705" | "7.708" => C::RateLimited,
        "4.7" | "4.316" | "4.317" | "4.300" => C::Expired,
        "5.1" | "5.2" | "5.4" => C::SmtpSyntax,
        "7.2" | "7.124" | "7.129" | "7.133" | "7.134" | "7.135" | "7.136" | "7.180" => C::RecipientFiltered,
        "7.4" | "7.5" | "7.6" | "7.8" | "7.10" | "7.11" | "7.14" | "7.15" | "7.30" | "7.57" => C::Security,
        "7.9" => C::Policy,
        "7.7" | "7.20" | "7.21" | "7.22" | "7.23" | "7.24" | "7.26" | "7.29" | "7.509" | "7.515" => C::AuthFailure,
        "7.25" => C::RequiresPtr,
        "7.501" | "7.512" => C::SpamContent,
        "7.511" | "7.513" => C::IpBlocked,
        _ if rest.strip_prefix("7.6").is_some_and(|n| n.len() == 2) => C::IpBlocked,
        _ if rest.starts_with("6.") => C::ContentRejected,
        _ => return None,
    })
}

/// What only the subject of an enhanced code says (RFC 3463 section 3).
fn by_subject(code: &str) -> Option<Category> {
    use Category as C;
    // RFC 7505's null MX; Exchange writes it for an unknown recipient, and says so in words.
    if code.ends_with(".1.10") {
        return Some(C::DomainNoMail);
    }
    Some(match code.split('.').nth(1)? {
        "1" => C::MailboxUnknown,
        "2" => C::RecipientFiltered,
        "3" => C::SystemError,
        "4" => C::NetworkError,
        "5" if code.starts_with('5') => return None,
        "6" => C::ContentRejected,
        "7" => C::Policy,
        _ => return None,
    })
}

/// The reply code, together with the command that it answered (RFC 5321 section 4.3.2).
fn by_reply(evidence: &Evidence<'_>) -> Option<(Category, u16)> {
    use Category as C;
    let code = evidence.codes.smtp?;
    let category = match (code, evidence.command) {
        (521 | 556, _) => C::DomainNoMail,
        (523 | 534, _) => C::MessageTooBig,
        (525, _) => C::MailboxDisabled,
        (530 | 535 | 538, _) => C::Security,
        (551, _) => C::MailboxMoved,
        (552, _) => C::MailboxFull,
        (452, _) => C::SystemFull,
        (500..=504, _) => C::SmtpSyntax,
        (500.., Some("CONNECT" | "EHLO" | "HELO")) => C::IpBlocked,
        (500.., Some("MAIL")) => C::SenderRejected,
        (550 | 553, Some("RCPT")) => C::MailboxUnknown,
        (500.., Some("RCPT")) => C::RecipientFiltered,
        (550 | 554, Some("DATA")) => C::ContentRejected,
        (421 | 450 | 451, Some("CONNECT")) => C::RateLimited,
        _ => return None,
    };
    Some((category, code))
}

/// Hard only when the address or its domain is gone for good; a block by content, reputation or
/// policy is soft whatever its code.
pub(super) fn bounce_type(category: Category, codes: &Codes, status: Option<&str>) -> BounceType {
    let class = codes
        .enhanced
        .as_deref()
        .and_then(|c| c.chars().next())
        .or_else(|| codes.smtp.and_then(|c| char::from_digit(u32::from(c / 100), 10)))
        .or_else(|| status.and_then(|c| c.chars().next()));
    match (category, class) {
        (_, Some('4')) => BounceType::Soft,
        (
            Category::MailboxUnknown
            | Category::MailboxDisabled
            | Category::MailboxMoved
            | Category::DomainUnknown
            | Category::DomainNoMail,
            _,
        ) => BounceType::Hard,
        (Category::Unknown, _) => BounceType::Undetermined,
        _ => BounceType::Soft,
    }
}

#[cfg(test)]
mod tests {
    use super::{bounce_type, by_enhanced, by_subject};
    use crate::classify::report::codes::Codes;
    use crate::event::{BounceType, Category};

    #[test]
    fn enhanced_codes() {
        let table = [
            ("5.1.1", Some(Category::MailboxUnknown)),
            ("5.2.2", Some(Category::MailboxFull)),
            ("5.3.2", Some(Category::DomainNoMail)),
            ("4.3.2", Some(Category::SystemError)),
            ("5.6.9", Some(Category::ContentRejected)),
            ("5.7.26", Some(Category::AuthFailure)),
            ("5.7.606", Some(Category::IpBlocked)),
            ("5.7.1", None),
            ("5.0.0", None),
        ];
        for (code, expected) in table {
            assert_eq!(by_enhanced(code), expected, "{code}");
        }
        assert_eq!(by_subject("5.7.1"), Some(Category::Policy));
    }

    #[test]
    fn only_a_gone_address_is_hard() {
        let codes = |c: &str| Codes { enhanced: Some(c.to_owned()), ..Codes::default() };
        let table = [
            (Category::MailboxUnknown, "5.1.1", BounceType::Hard),
            (Category::MailboxUnknown, "4.1.1", BounceType::Soft),
            (Category::IpBlocked, "5.7.1", BounceType::Soft),
            (Category::DomainNoMail, "5.1.10", BounceType::Hard),
            (Category::Unknown, "5.0.0", BounceType::Undetermined),
        ];
        for (category, code, expected) in table {
            assert_eq!(bounce_type(category, &codes(code), None), expected, "{code}");
        }
    }
}
