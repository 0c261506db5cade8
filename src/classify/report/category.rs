//! Why a delivery failed: by the server's words first, then by its codes.

use super::codes::Codes;
use crate::classify::{Facts, Field, Hit, Rules, Table};
use crate::event::Category;

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
    /// Who received.
    pub provider: Option<&'t str>,
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

/// The category, and the rules that decided.
pub(super) fn find(rules: &Rules, evidence: &Evidence<'_>) -> (Category, Vec<Hit>) {
    let fields = [("report:Diagnostic-Code", evidence.words), ("report:Status", evidence.comment)];
    let mut doubtful: Option<(Category, Hit)> = None;
    for (field, text) in fields {
        match phrase(rules, field, text, evidence) {
            Some(told) if told.of_a_provider => return (told.category, vec![told.hit]),
            Some(told) if told.confidence >= SURE => {
                // A sentence of one provider beside a bare "user unknown" says which unknown it means.
                if by_code(rules, Field::Enhanced, evidence.codes.enhanced.as_deref()).is_none()
                    && told.category == Category::MailboxUnknown
                    && told.confidence < CERTAIN
                    && let Some(beside) = phrase(rules, "body", evidence.around, evidence)
                    && beside.confidence >= CERTAIN
                    && beside.category == Category::MailboxDisabled
                {
                    return (beside.category, vec![beside.hit, told.hit]);
                }
                return (told.category, vec![told.hit]);
            }
            Some(told) if doubtful.is_none() => doubtful = Some((told.category, told.hit)),
            _ => {}
        }
    }
    let codes = [evidence.codes.enhanced.as_deref(), evidence.status];
    if let Some((category, hit)) = codes.into_iter().find_map(|c| by_code(rules, Field::Enhanced, c)) {
        return (category, vec![hit]);
    }
    // Words around the reply are prose for people: help texts name causes that did not happen.
    if let Some(told) = phrase(rules, "body", evidence.around, evidence)
        && (told.confidence >= SURE || doubtful.is_none())
    {
        return (told.category, vec![told.hit]);
    }
    if let Some((category, hit)) = doubtful {
        return (category, vec![hit]);
    }
    if let Some(rule) = rules.wordless(Table::BounceCode, Field::Reply, &evidence.facts())
        && let (Some(category), Some(code)) = (Category::named(&rule.rule.gives), evidence.codes.smtp)
    {
        return (category, vec![Hit::in_field(&rule.rule.id, "report:Diagnostic-Code", None, &code.to_string())]);
    }
    match codes.into_iter().find_map(|c| by_code(rules, Field::EnhancedSubject, c)) {
        Some((category, hit)) => (category, vec![hit]),
        None => (Category::Unknown, Vec::new()),
    }
}

/// What words say.
struct Told {
    category: Category,
    confidence: f32,
    of_a_provider: bool,
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
    let text = text.get(..end).unwrap_or_default();
    let best = rules.best_given(Table::BounceCategory, Field::Diagnostic, text, &evidence.facts())?;
    let words = text.get(best.start..best.end).unwrap_or_default();
    Some(Told {
        category: Category::named(&best.rule.gives)?,
        confidence: best.rule.confidence,
        of_a_provider: best.is_of_a_provider(),
        hit: Hit::in_field(&best.rule.id, field, Some((best.start, best.end)).filter(|(a, b)| a < b), words),
    })
}

/// What an enhanced status code says by itself.
fn by_code(rules: &Rules, field: Field, code: Option<&str>) -> Option<(Category, Hit)> {
    let facts = Facts { status: Some(code?), ..Facts::default() };
    let found = rules.wordless(Table::BounceCode, field, &facts)?;
    Some((Category::named(&found.rule.gives)?, Hit::in_field(&found.rule.id, "report:Status", None, code?)))
}

#[cfg(test)]
mod tests {
    use super::by_code;
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
        let told = |field, code| by_code(&rules, field, Some(code)).map(|(category, _)| category);
        for (code, expected) in table {
            assert_eq!(told(Field::Enhanced, code), expected, "{code}");
        }
        assert_eq!(told(Field::EnhancedSubject, "5.7.1"), Some(Category::Policy));
        assert_eq!(told(Field::EnhancedSubject, "5.1.10"), Some(Category::DomainNoMail));
        assert_eq!(told(Field::EnhancedSubject, "5.1.30"), Some(Category::MailboxUnknown));
    }
}
