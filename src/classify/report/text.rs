//! Reports without a machine-readable part: which of the words are about whom. What is said of a failed address follows
//! it until the next one.

use super::codes::Codes;
use super::judge::{Fate, Outcome};
use super::recipients::{addresses, recipients, unique};
use crate::message::Address;
use std::collections::{BTreeMap, BTreeSet};

/// Octets of words kept for one recipient.
const MAX_WORDS: usize = 8 * 1024;
/// Recipients of one line that share the words behind it.
const MAX_ON_A_LINE: usize = 8;
/// Octets of one paragraph that is taken for a server's reply.
const MAX_REPLY: usize = 2 * 1024;

/// Reads the fates out of a notice. `failed`: the addresses of X-Failed-Recipients. `others`:
/// addresses that are no recipients (the sender, the postmaster), in lower case.
pub(super) fn fates(notice: &str, failed: Vec<Address>, others: &BTreeSet<String>, outcome: Outcome) -> Vec<Fate> {
    let (recipients, is_guess) = if failed.is_empty() { recipients(notice, others) } else { (unique(failed), false) };
    let mut fates: Vec<Fate> =
        recipients.into_iter().map(|r| Fate { recipient: Some(r), outcome, is_guess, ..Fate::default() }).collect();
    if fates.is_empty() {
        fates.push(Fate { outcome, ..Fate::default() });
    }
    explain(notice, &mut fates);
    fates
}

/// Gives each fate the words about it.
pub(super) fn explain(notice: &str, fates: &mut [Fate]) {
    let (preface, texts) = attribute(notice, fates);
    let single = fates.len() == 1;
    for (fate, own) in fates.iter_mut().zip(texts) {
        let said = reply(&own);
        if fate.words.is_empty() {
            fate.words = match said {
                Some(said) => said.to_owned(),
                None if single && own.trim().is_empty() => reply(notice).map(str::to_owned).unwrap_or_default(),
                None => {
                    let from_preface = if single { reply(&preface) } else { None };
                    from_preface.map_or_else(|| bare(&own, fate.recipient.as_ref()), str::to_owned)
                }
            };
        }
        fate.by_program = by_program(if single { notice } else { &own });
        fate.around = if single { notice.get(..cut(notice, MAX_WORDS)).unwrap_or_default().to_owned() } else { own };
    }
}

/// Whether a program took the mail: Exim's and Postfix' words for it.
fn by_program(text: &str) -> bool {
    const MARKS: [&str; 5] = [
        "generated during the delivery attempt",
        "Command died with status",
        "command died with status",
        "pipe to |",
        "local delivery agent failed",
    ];
    text.len() < 64 * 1024 && MARKS.iter().any(|m| text.contains(m))
}

/// What a status part says of its recipients comes first: only what it left out is looked for.
pub(super) fn complete(notice: &str, fates: &mut [Fate]) {
    if let [only] = fates {
        only.by_program |= by_program(notice);
        notice.get(..cut(notice, MAX_WORDS)).unwrap_or_default().clone_into(&mut only.around);
        return;
    }
    let (_, texts) = attribute(notice, fates);
    for (fate, own) in fates.iter_mut().zip(texts) {
        fate.around = own;
    }
}

/// What a server answered, by the marks of a session's transcript: sendmail writes words of its own for the code below
/// it (`550 5.1.1 <a@example.org>... User unknown`), whatever the server said.
fn answered(text: &str) -> Option<&str> {
    let first = if text.starts_with("<<< ") { 0 } else { memchr::memmem::find(text.as_bytes(), b"\n<<< ")? + 1 };
    let tail = text.get(first + 4..)?;
    let code = tail.as_bytes().first().is_some_and(|b| matches!(b, b'4' | b'5'));
    let mut end = 0;
    for line in tail.split_inclusive('\n') {
        if end > 0 && !line.starts_with("<<< ") {
            break;
        }
        end += line.len();
    }
    code.then(|| tail.get(..end.min(cut(tail, MAX_REPLY)))).flatten().map(str::trim)
}

/// The paragraph that begins with a server's reply code.
fn reply(text: &str) -> Option<&str> {
    if let Some(said) = answered(text) {
        return Some(said);
    }
    let codes = Codes::read(text);
    codes.smtp.or(codes.enhanced.as_ref().map(|_| 0))?;
    let at = codes.at?;
    // A lone enhanced code stands behind the words it belongs to: "no such user (#5.1.1)".
    let from = if codes.smtp.is_none() { text.get(..at)?.rfind("\n\n").map_or(0, |p| p + 2) } else { at };
    let tail = text.get(from..)?;
    let end = tail.find("\n\n").unwrap_or(tail.len()).min(cut(tail, MAX_REPLY));
    tail.get(..end).map(str::trim)
}

/// The words without the address they are about.
fn bare(own: &str, address: Option<&Address>) -> String {
    let text = own.trim();
    let Some(address) = address else { return text.to_owned() };
    let head = text.trim_start_matches(['<', '"', '\'', '*', '-', ' ', '[']);
    match head.get(..address.as_str().len()) {
        Some(begin) if begin.eq_ignore_ascii_case(address.as_str()) => head
            .get(begin.len()..)
            .unwrap_or_default()
            .trim_start_matches(['>', '"', '\'', ':', ']', ' ', '\n'])
            .to_owned(),
        _ => text.to_owned(),
    }
}

/// Every line goes to the recipient that it, or else the last line before it, names.
fn attribute(notice: &str, fates: &[Fate]) -> (String, Vec<String>) {
    let place: BTreeMap<String, usize> =
        fates.iter().enumerate().filter_map(|(i, f)| Some((f.recipient.as_ref()?.normalised(), i))).collect();
    let mut preface = String::new();
    let mut texts = vec![String::new(); fates.len()];
    // A line that names several speaks of all of them; of a few only, or the work would grow with their square.
    let mut current: Vec<usize> = Vec::new();
    for line in notice.split_inclusive('\n') {
        if line.contains('@') {
            let mut named: Vec<usize> =
                addresses(line).filter_map(|a| place.get(&a.normalised()).copied()).take(MAX_ON_A_LINE).collect();
            if !named.is_empty() {
                named.sort_unstable();
                named.dedup();
                current = named;
            }
        }
        let push = |text: &mut String| {
            if text.len() < MAX_WORDS {
                text.push_str(line);
            }
        };
        if current.is_empty() {
            push(&mut preface);
        }
        for at in &current {
            if let Some(text) = texts.get_mut(*at) {
                push(text);
            }
        }
    }
    (preface, texts)
}

/// The begin of a text, as far as it may be a server's reply.
pub(super) fn head(text: &str) -> &str {
    text.get(..cut(text, MAX_REPLY)).unwrap_or_default()
}

/// The begin of a text, as far as words are kept for one recipient.
pub(super) fn begin(text: &str) -> &str {
    text.get(..cut(text, MAX_WORDS)).unwrap_or_default()
}

/// The most octets of a text that end with a whole sign.
pub(super) fn cut(text: &str, most: usize) -> usize {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::fates;
    use crate::classify::report::judge::Outcome;
    use std::collections::BTreeSet;

    #[test]
    fn each_recipient_has_its_own_words() {
        let text = "Hi.\n<a@example.org>:\nRemote host said: 550 5.1.1 no\nGiving up.\n\n<b@example.org>:\n552 full\n";
        let found = fates(text, Vec::new(), &BTreeSet::new(), Outcome::Failed);
        let words: Vec<&str> = found.iter().map(|f| f.words.as_str()).collect();
        assert_eq!(words, ["550 5.1.1 no\nGiving up.", "552 full"]);
    }
}
