//! Whether the receiver's verdict and ours differ.
//!
//! A result word counts by what a reader does with it: pass; fail and softfail, which both say that
//! the sender may not; and none, neutral, policy and permerror, which say nothing of the sender
//! (RFC 7208 section 8.2 has neutral treated as none). Words of one class agree. A temperror, on
//! either side, is no opinion. Like is compared with like: the receiver may have checked HELO where
//! we checked MAIL FROM, so only statements about the same domain count, where both name one.

use crate::event::{AuthResult, AuthWord, ReceiverAuth};

/// What a word says of the sender.
#[derive(PartialEq, Eq)]
enum Says {
    Right,
    Wrong,
    Nothing,
}

/// Compares SPF and DMARC; `None` where there is nothing to compare.
pub fn disagreement(theirs: &ReceiverAuth, spf: Option<&AuthResult>, dmarc: Option<&AuthResult>) -> Option<bool> {
    match (differ(&theirs.spf, spf), differ(&theirs.dmarc, dmarc)) {
        (None, None) => None,
        (spf, dmarc) => Some(spf == Some(true) || dmarc == Some(true)),
    }
}

/// Whether none of the receiver's statements about what we checked agrees with ours. Several are usual: one of HELO
/// and one of MAIL FROM, or those of two milters.
fn differ(theirs: &[AuthResult], ours: Option<&AuthResult>) -> Option<bool> {
    let ours = ours?;
    let word = says(ours.result)?;
    let mut comparable = theirs.iter().filter(|t| same_domain(t, ours)).filter_map(|t| says(t.result)).peekable();
    comparable.peek()?;
    Some(comparable.all(|theirs| theirs != word))
}

fn same_domain(a: &AuthResult, b: &AuthResult) -> bool {
    match (&a.domain, &b.domain) {
        (Some(a), Some(b)) => a.trim_end_matches('.').eq_ignore_ascii_case(b.trim_end_matches('.')),
        _ => true,
    }
}

fn says(word: AuthWord) -> Option<Says> {
    match word {
        AuthWord::Pass => Some(Says::Right),
        AuthWord::Fail | AuthWord::SoftFail => Some(Says::Wrong),
        AuthWord::None | AuthWord::Neutral | AuthWord::Policy | AuthWord::PermError => Some(Says::Nothing),
        AuthWord::TempError => None,
    }
}

#[cfg(test)]
mod tests {
    use super::disagreement;
    use crate::event::{AuthResult, AuthWord, ReceiverAuth};

    /// `pass/a.example`, or `pass` where no domain is named; several with spaces between.
    fn results(text: &str) -> Vec<AuthResult> {
        let words = [
            AuthWord::None,
            AuthWord::Pass,
            AuthWord::Fail,
            AuthWord::SoftFail,
            AuthWord::Neutral,
            AuthWord::Policy,
            AuthWord::TempError,
            AuthWord::PermError,
        ];
        let one = |text: &str| {
            let (word, domain) = text.split_once('/').map_or((text, None), |(w, d)| (w, Some(d.to_owned())));
            let word = words.into_iter().find(|w| w.as_str() == word).expect("a word");
            AuthResult { domain, ..AuthResult::new(word) }
        };
        text.split_whitespace().map(one).collect()
    }

    #[test]
    fn verdicts_that_differ_and_words_that_do_not() {
        let (no, yes, unknown) = (Some(false), Some(true), None);
        // theirs, ours, of one method
        let table = [
            ("pass", "pass", no),
            ("fail", "fail", no),
            ("fail", "softfail", no),
            ("none", "neutral", no),
            ("permerror", "none", no),
            ("policy", "neutral", no),
            ("pass", "fail", yes),
            ("fail", "pass", yes),
            ("softfail", "pass", yes),
            ("pass", "none", yes),
            ("neutral", "pass", yes),
            ("permerror", "pass", yes),
            ("fail", "none", yes),
            ("neutral", "softfail", yes),
            ("temperror", "pass", unknown),
            ("pass", "temperror", unknown),
            ("", "pass", unknown),
            ("pass", "", unknown),
            ("", "", unknown),
            ("pass/a.example", "pass/a.example", no),
            ("pass/A.example.", "fail/a.example", yes),
            ("pass/h.example", "fail/a.example", unknown),
            ("pass", "fail/a.example", yes),
            ("pass/a.example", "fail", yes),
            ("none/h.example pass/a.example", "pass/a.example", no),
            ("pass/h.example fail/a.example", "pass/a.example", yes),
            ("none/a.example pass/a.example", "pass/a.example", no),
            ("none/a.example fail/a.example", "pass/a.example", yes),
            ("temperror/a.example fail/a.example", "pass/a.example", yes),
            ("temperror/a.example pass/h.example", "fail/a.example", unknown),
        ];
        for (theirs, ours, expected) in table {
            let ours = results(ours);
            let of_spf = ReceiverAuth { spf: results(theirs), ..ReceiverAuth::default() };
            assert_eq!(disagreement(&of_spf, ours.first(), None), expected, "spf: {theirs}, {ours:?}");
            let of_dmarc = ReceiverAuth { dmarc: results(theirs), ..ReceiverAuth::default() };
            assert_eq!(disagreement(&of_dmarc, None, ours.first()), expected, "dmarc: {theirs}, {ours:?}");
        }
    }

    #[test]
    fn one_method_that_differs_is_enough() {
        let table = [
            ("pass", "pass", "pass", "pass", Some(false)),
            ("pass", "pass", "pass", "fail", Some(true)),
            ("pass", "fail", "pass", "pass", Some(true)),
            ("temperror", "fail", "pass", "pass", Some(false)),
            ("temperror", "fail", "", "pass", None),
        ];
        for (spf, our_spf, dmarc, our_dmarc, expected) in table {
            let theirs = ReceiverAuth { spf: results(spf), dmarc: results(dmarc), ..ReceiverAuth::default() };
            let (our_spf, our_dmarc) = (results(our_spf), results(our_dmarc));
            assert_eq!(disagreement(&theirs, our_spf.first(), our_dmarc.first()), expected, "{spf} {dmarc}");
        }
    }
}
