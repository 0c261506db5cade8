//! Read receipts (RFC 8098).

use super::fields::{groups, recipient};
use super::sections::Sections;
use crate::classify::{Field, Finding, Hit, Match, Reader, Table};
use crate::event::{Disposition, Receipt, ReceiptMode, Verdict};
use crate::message::Mail;

/// Reads a receipt.
pub(super) fn find(sections: &Sections<'_>) -> Option<Finding> {
    let text = match &sections.disposition {
        Some(text) => text.as_ref(),
        // The part may have lost its type on the way.
        None if sections.report_type == "disposition-notification" => sections.notice.as_str(),
        None => return None,
    };
    let all: Vec<_> = groups(text).into_iter().flat_map(|g| g.0).collect();
    let get = |name: &str| all.iter().find(|f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value.as_ref());
    let value = get("disposition").unwrap_or_default();
    let receipt = read(value);
    let person = ["final-recipient", "original-recipient"].into_iter().find_map(|n| get(n).and_then(recipient));
    let mut original = sections.original.clone();
    if original.is_none()
        && let Some(id) = get("original-message-id")
    {
        let id = id.trim_matches(['<', '>', ' ']).to_owned();
        original = Some(crate::classify::OriginalMail {
            message_id: Some(id).filter(|i| !i.is_empty()),
            ..Default::default()
        });
    }
    let hit = Hit::in_field("report.mdn", "report:Disposition", None, value);
    Some(Finding { recipient: person, original, ..Finding::new(Verdict::Receipt { receipt }, 0.99).because(hit) })
}

/// Octets of the notice in which a receipt says what it is.
const INTRODUCTION: usize = 1_000;

/// Reads a receipt that only has words: Exchange's own, which lost their form on the way through the Internet, and those
/// of old mail programs. Subject and text must both say it.
pub(super) fn in_words(mail: &Mail<'_>, sections: &Sections<'_>, rules: &Reader<'_>) -> Option<Finding> {
    let subject = mail.subject().unwrap_or_default();
    let by_subject = rules.best(Table::Receipt, Field::Subject, subject)?;
    let by_text = rules.best_folded(Table::Receipt, Field::Body, sections.folded(), INTRODUCTION)?;
    let hit = |m: &Match<'_>, field: &str, text: &str| {
        Hit::in_field(&m.rule.id, field, Some((m.start, m.end)), text.get(m.start..m.end).unwrap_or_default())
    };
    let disposition = Disposition::named(&by_text.rule.gives)?;
    let receipt = Receipt { disposition, mode: ReceiptMode::Unknown };
    let confidence = 1.0 - (1.0 - by_subject.rule.confidence) * (1.0 - by_text.rule.confidence);
    let finding = Finding::new(Verdict::Receipt { receipt }, confidence.min(0.97))
        .because(hit(&by_text, "body", &sections.notice))
        .because(hit(&by_subject, "header:Subject", subject));
    Some(Finding { recipient: mail.from(), ..finding })
}

/// `manual-action/MDN-sent-manually; displayed/error` (RFC 8098 section 3.2.6).
fn read(value: &str) -> Receipt {
    let value = value.to_ascii_lowercase();
    let (mode, kind) = value.split_once(';').unwrap_or(("", &value));
    let kind = kind.trim().split(['/', ',', ' ', '(']).next().unwrap_or_default();
    Receipt {
        disposition: Disposition::named(kind).unwrap_or(Disposition::Unknown),
        mode: if mode.contains("sent-manually") || (mode.contains("manual-action") && !mode.contains("sent-auto")) {
            ReceiptMode::Manual
        } else if mode.contains("automatic") {
            ReceiptMode::Automatic
        } else {
            ReceiptMode::Unknown
        },
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::event::{Disposition, ReceiptMode};

    #[test]
    fn dispositions() {
        let table = [
            ("manual-action/MDN-sent-manually; displayed", Disposition::Displayed, ReceiptMode::Manual),
            ("automatic-action/MDN-sent-automatically; deleted/error", Disposition::Deleted, ReceiptMode::Automatic),
            ("manual-action/MDN-sent-automatically; dispatched", Disposition::Dispatched, ReceiptMode::Automatic),
            ("displayed", Disposition::Displayed, ReceiptMode::Unknown),
            ("", Disposition::Unknown, ReceiptMode::Unknown),
        ];
        for (value, disposition, mode) in table {
            let receipt = read(value);
            assert_eq!((receipt.disposition, receipt.mode), (disposition, mode), "{value}");
        }
    }
}
