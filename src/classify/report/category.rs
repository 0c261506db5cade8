//! Why a delivery failed: by the server's words first, then by its codes.

use super::codes::{self, Codes};
use crate::classify::{Facts, Field, Hit, Match, Rules, Table, speaks_of_the_address};
use crate::event::Category;
use std::borrow::Cow;

/// Phrases that are less sure than this lose against a code that names the cause.
const SURE: f32 = 0.6;
/// Phrases in plain words.
const PLAIN: f32 = 0.9;
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
    /// Who received.
    pub provider: Option<&'t str>,
    /// Nobody knows who received: `provider` is who reports.
    pub provider_reports: bool,
}

impl Evidence<'_> {
    fn facts(&self) -> Facts<'_> {
        Facts {
            provider: self.provider,
            status: self.codes.enhanced.as_deref().or(self.status),
            smtp: self.codes.smtp,
            command: self.command,
        }
    }
}

/// What was decided.
#[derive(Debug)]
pub(super) struct Decision {
    pub category: Category,
    /// The rules that decided.
    pub hits: Vec<Hit>,
    /// By plain words or a code, not by a guess.
    pub sure: bool,
}

impl Decision {
    fn by(told: Told) -> Self {
        Self { category: told.category, sure: told.confidence >= PLAIN, hits: vec![told.hit] }
    }
}

/// Asks words and codes in the order of how near they are to the cause.
pub(super) fn find(rules: &Rules, evidence: &Evidence<'_>) -> Decision {
    let codes = [evidence.codes.enhanced.as_deref(), evidence.status];
    let policy = codes.into_iter().flatten().any(is_policy);
    let fields = [("report:Diagnostic-Code", evidence.words), ("report:Status", evidence.comment)];
    let mut doubtful: Option<Told> = None;
    for (field, text) in fields {
        match phrase(rules, field, text, evidence) {
            // A refusal for reasons of policy (5.7.x) says nothing of the address, unless its words do so plainly; a
            // provider that uses the code so is known for it.
            Some(told) if policy && speaks_of_the_address(told.category) && !told.plain => {}
            Some(told) if told.of_a_provider => return Decision::by(told),
            Some(told) if told.confidence >= SURE => {
                // A sentence of one provider beside a bare "user unknown" says which unknown it means.
                if by_code(rules, Field::Enhanced, evidence.codes.enhanced.as_deref(), evidence).is_none()
                    && told.category == Category::MailboxUnknown
                    && told.confidence < CERTAIN
                    && let Some(beside) = phrase(rules, "body", evidence.around, evidence)
                    && beside.confidence >= CERTAIN
                    && beside.category == Category::MailboxDisabled
                {
                    return Decision { category: beside.category, hits: vec![beside.hit, told.hit], sure: true };
                }
                return Decision::by(told);
            }
            Some(told) if doubtful.is_none() => doubtful = Some(told),
            _ => {}
        }
    }
    if let Some((category, hit)) = codes.into_iter().find_map(|c| by_code(rules, Field::Enhanced, c, evidence)) {
        return Decision { category, hits: vec![hit], sure: true };
    }
    // Words around the reply are prose for people: help texts name causes that did not happen.
    let around = phrase(rules, "body", evidence.around, evidence);
    let around = around.filter(|t| !(policy && speaks_of_the_address(t.category)));
    if let Some(told) = around.as_ref().filter(|t| t.confidence >= SURE) {
        return Decision { category: told.category, sure: told.confidence >= PLAIN, hits: vec![told.hit.clone()] };
    }
    if let Some(told) = doubtful {
        return Decision::by(told);
    }
    // System, network, content, policy: none of the address, whatever command the refusal answered.
    let elsewhere = |c: &str| matches!(c.split('.').nth(1), Some("3" | "4" | "6" | "7"));
    let elsewhere = codes.into_iter().flatten().any(elsewhere);
    if let Some(rule) = rules.wordless(Table::BounceCode, Field::Reply, &evidence.facts())
        && let (Some(category), Some(code)) = (Category::named(&rule.rule.gives), evidence.codes.smtp)
        && !(elsewhere && (speaks_of_the_address(category) || category == Category::RecipientFiltered))
    {
        let hit = Hit::in_field(&rule.rule.id, "report:Diagnostic-Code", None, &code.to_string());
        return Decision { category, hits: vec![hit], sure: false };
    }
    if let Some((category, hit)) = codes.into_iter().find_map(|c| by_code(rules, Field::EnhancedSubject, c, evidence)) {
        return Decision { category, hits: vec![hit], sure: false };
    }
    around.map_or(Decision { category: Category::Unknown, hits: Vec::new(), sure: false }, Decision::by)
}

/// Security or policy (RFC 3463 section 3.8), but for the two that say an account is closed.
fn is_policy(code: &str) -> bool {
    code.get(1..).is_some_and(|c| c.starts_with(".7.") && !matches!(c, ".7.13" | ".7.17"))
}

/// What words say.
struct Told {
    category: Category,
    confidence: f32,
    of_a_provider: bool,
    /// Whether it holds beside a code that says something else.
    plain: bool,
    hit: Hit,
}

fn phrase(rules: &Rules, field: &str, text: &str, evidence: &Evidence<'_>) -> Option<Told> {
    if text.trim().is_empty() {
        return None;
    }
    let mut end = text.len().min(WINDOW);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = codes::without_repeats(text.get(..end).unwrap_or_default());
    let fires = rules.all_given(Table::BounceCategory, Field::Diagnostic, &text, &evidence.facts());
    // Who reports is not who received: what it says of addresses are words like anybody's.
    let foreign = |m: &&Match<'_>| {
        let category = Category::named(&m.rule.gives);
        evidence.provider_reports && m.is_of_a_provider() && category.is_some_and(speaks_of_the_address)
    };
    let best = fires.iter().find(|m| !foreign(m))?;
    let words = text.get(best.start..best.end).unwrap_or_default();
    let span = Some((best.start, best.end)).filter(|(a, b)| a < b && matches!(text, Cow::Borrowed(_)));
    Some(Told {
        category: Category::named(&best.rule.gives)?,
        confidence: best.rule.confidence,
        of_a_provider: best.is_of_a_provider(),
        plain: if best.is_of_a_provider() { !best.rule.when.status.is_empty() } else { best.rule.confidence >= PLAIN },
        hit: Hit::in_field(&best.rule.id, field, span, words),
    })
}

/// What an enhanced status code says by itself.
fn by_code(rules: &Rules, field: Field, code: Option<&str>, evidence: &Evidence<'_>) -> Option<(Category, Hit)> {
    let facts = Facts { status: Some(code?), ..evidence.facts() };
    let found = rules.wordless(Table::BounceCode, field, &facts)?;
    Some((Category::named(&found.rule.gives)?, Hit::in_field(&found.rule.id, "report:Status", None, code?)))
}

#[cfg(test)]
mod tests {
    use super::{Codes, Evidence, by_code};
    use crate::classify::{Field, Rules};
    use crate::event::Category;

    #[test]
    fn enhanced_codes() {
        let rules = Rules::embedded().expect("embedded rules are right");
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
        let codes = Codes::default();
        let evidence = Evidence {
            words: "",
            around: "",
            comment: "",
            codes: &codes,
            status: None,
            command: None,
            provider: None,
            provider_reports: false,
        };
        let told = |field, code| by_code(&rules, field, Some(code), &evidence).map(|(category, _)| category);
        for (code, expected) in table {
            assert_eq!(told(Field::Enhanced, code), expected, "{code}");
        }
        assert_eq!(told(Field::EnhancedSubject, "5.7.1"), Some(Category::Policy));
        assert_eq!(told(Field::EnhancedSubject, "5.1.10"), Some(Category::DomainNoMail));
        assert_eq!(told(Field::EnhancedSubject, "5.1.30"), Some(Category::MailboxUnknown));
    }
}
