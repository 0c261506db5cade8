//! Reports without a machine-readable part: who failed, and which of the words are about whom.
//!
//! Servers agree on little, but on this: a failed address stands at the begin of a line or behind
//! one of a few labels, and what is said of it follows until the next one.

use super::codes::Codes;
use super::dsn::MAX_RECIPIENTS;
use super::judge::{Fate, Outcome};
use crate::message::Address;
use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Octets of words kept for one recipient.
const MAX_WORDS: usize = 8 * 1024;
/// Octets of one paragraph that is taken for a server's reply.
const MAX_REPLY: usize = 2 * 1024;

/// Reads the fates out of a notice. `failed`: the addresses of X-Failed-Recipients. `others`:
/// addresses that are no recipients (the sender, the postmaster), in lower case.
pub(super) fn fates(notice: &str, failed: Vec<Address>, others: &BTreeSet<String>, outcome: Outcome) -> Vec<Fate> {
    let recipients = if failed.is_empty() { recipients(notice, others) } else { unique(failed) };
    let mut fates: Vec<Fate> =
        recipients.into_iter().map(|r| Fate { recipient: Some(r), outcome, ..Fate::default() }).collect();
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
        fate.around = if single { notice.get(..cut(notice, MAX_WORDS)).unwrap_or_default().to_owned() } else { own };
    }
}

/// What a status part says of its recipients comes first: only what it left out is looked for.
pub(super) fn complete(notice: &str, fates: &mut [Fate]) {
    if let [only] = fates {
        notice.get(..cut(notice, MAX_WORDS)).unwrap_or_default().clone_into(&mut only.around);
        return;
    }
    let (_, texts) = attribute(notice, fates);
    for (fate, own) in fates.iter_mut().zip(texts) {
        fate.around = own;
    }
}

/// The paragraph that begins with a server's reply code.
fn reply(text: &str) -> Option<&str> {
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
    let mut current: Option<usize> = None;
    for line in notice.split_inclusive('\n') {
        if line.contains('@')
            && let Some(at) = addresses(line).find_map(|a| place.get(&a.normalised()).copied())
        {
            current = Some(at);
        }
        let text = match current.and_then(|at| texts.get_mut(at)) {
            Some(text) => text,
            None => &mut preface,
        };
        if text.len() < MAX_WORDS {
            text.push_str(line);
        }
    }
    (preface, texts)
}

/// The recipients that a notice names, by the surest way that finds any.
fn recipients(notice: &str, others: &BTreeSet<String>) -> Vec<Address> {
    let mut sure = Vec::new();
    let mut likely = Vec::new();
    for line in notice.lines() {
        if !line.contains('@') {
            continue;
        }
        match entry(line) {
            Some((address, true)) => sure.push(address),
            Some((address, false)) => likely.push(address),
            None => {}
        }
    }
    let keep = |list: Vec<Address>| -> Vec<Address> {
        unique(list.into_iter().filter(|a| !others.contains(&a.normalised())).collect())
    };
    let tidy = |list: Vec<Address>| {
        let kept = keep(list.clone());
        // A test mail to oneself: sender and recipient are one.
        if kept.is_empty() { unique(list) } else { kept }
    };
    let sure = tidy(sure);
    if !sure.is_empty() {
        return sure;
    }
    let labelled = tidy(labelled(notice));
    if !labelled.is_empty() {
        return labelled;
    }
    let likely = tidy(likely);
    if !likely.is_empty() {
        return likely;
    }
    let mut any = keep(notice.lines().flat_map(addresses).collect());
    any.truncate(1);
    any
}

fn unique(list: Vec<Address>) -> Vec<Address> {
    let mut seen = BTreeSet::new();
    list.into_iter().filter(|a| seen.insert(a.normalised())).take(MAX_RECIPIENTS).collect()
}

/// A line that begins with a failed address. `true`: the line is made for it, as in
/// `<a@example.org>: host said`, `a@example.org:`, `* a@example.org`; `false`: words follow.
fn entry(line: &str) -> Option<(Address, bool)> {
    let line = line.trim();
    let line = line.trim_start_matches("To list recipient:").trim_start();
    let text = line.trim_start_matches(['*', '-', '•', '·', '+', ' ', '\t']);
    let text = text.strip_prefix(">>> ").unwrap_or(text);
    // Sendmail's transcript: `550 5.1.1 <a@example.org>... User unknown`.
    if let Some(answered) = behind_codes(text) {
        let (address, _) = answered.split_once("...")?;
        return Some((Address::parse(address)?, true));
    }
    if text.starts_with('(') || text.starts_with('>') || text.len() > 2_000 {
        return None;
    }
    let (token, rest) = match text.chars().next()? {
        '<' => text.get(1..)?.split_once('>')?,
        '"' => text.get(1..)?.split_once('"')?,
        '[' => text.get(1..)?.split_once(']')?,
        '\'' => text.get(1..)?.split_once('\'')?,
        _ => {
            let end = text
                .find(|c: char| c.is_whitespace() || matches!(c, '<' | '(' | '[' | ',' | ';'))
                .unwrap_or(text.len());
            text.split_at_checked(end)?
        }
    };
    let closed = token.ends_with(':');
    let address = Address::parse(token.trim_end_matches([':', '.', ',', ';']))?;
    let rest = rest.trim();
    let alone = rest.is_empty() || closed || rest.starts_with(':') || rest.starts_with('[');
    let expanded = rest.starts_with("(expanded") || rest.starts_with("(reason") || rest.starts_with("(generated");
    // Exchange: `a@example.org on 4/29/26 11:34:45 PM`, `a@example.org<mailto:a@example.org>`.
    let dated = rest.strip_prefix("on ").is_some_and(|r| r.contains(':') && r.len() < 60);
    let linked = rest.rsplit('>').next().is_some_and(str::is_empty) && rest.contains(address.as_str());
    Some((address, alone || expanded || dated || linked))
}

/// What stands behind a reply code and an enhanced code at the begin of a line.
fn behind_codes(text: &str) -> Option<&str> {
    let (code, rest) = text.split_once(' ')?;
    if code.len() != 3 || !code.starts_with(['4', '5']) || !code.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match rest.split_once(' ') {
        Some((word, tail)) if super::codes::status(word).is_some() => Some(tail.trim_start()),
        _ => Some(rest.trim_start()),
    }
}

/// Labels before a failed address. The longest one counts, so that `NOT_A_RECIPIENT` hides them.
const LABELS: [&str; 42] = [
    "intended recipient:",
    "invalid recipient:",
    "recipient address:",
    "recipient:",
    "recipients:",
    "rejected recipient",
    "unknown user:",
    "unknown user",
    "user unknown:",
    "invalid user:",
    "error-for:",
    "original-rcpt-to:",
    "rcpt to:",
    "delivery failed:",
    "delivery to",
    "attempts:",
    "delivered to:",
    "delivered to",
    "deliver message to:",
    "deliver message to",
    "deliver your message to",
    "delivering your mail to",
    "delivering your message to",
    "deliver mail to",
    "addressed to",
    "addressed,",
    "address:",
    "address was:",
    "message to",
    "message for",
    "mail to",
    "sent to",
    "quota violation for",
    "local mailbox",
    "gateway for",
    "account:",
    "empfänger:",
    "destinataire :",
    "destinatario:",
    "получатель:",
    "宛先:",
    "收件人：",
];

/// Labels of other addresses.
const NOT_A_RECIPIENT: [&str; 6] =
    ["sender address:", "from address:", "return address:", "reply address:", "send mail to", "support mail to"];

static LABEL: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .build(LABELS.iter().chain(&NOT_A_RECIPIENT))
        .ok()
});

fn labelled(notice: &str) -> Vec<Address> {
    let Some(labels) = LABEL.as_ref() else { return Vec::new() };
    labels
        .find_iter(notice)
        .filter(|m| m.pattern().as_usize() < LABELS.len())
        .filter_map(|m| {
            let tail = notice.get(m.end()..)?;
            let tail = tail.get(..cut(tail, 400))?;
            let tail = tail.trim_start_matches([' ', '\t', ':', '<', '"', '\'', '\n', '[']);
            let end = tail
                .find(|c: char| c.is_whitespace() || matches!(c, '>' | '"' | '\'' | '<' | ']' | ')' | ',' | ';'))
                .unwrap_or(tail.len());
            let token = tail.get(..end)?.trim_end_matches(['.', ':']);
            // MailEnable and Exchange 5.5: `[SMTP:a@example.org]`.
            let token = token.strip_prefix("SMTP:").or_else(|| token.strip_prefix("smtp:")).unwrap_or(token);
            Address::parse(token).filter(|a| !is_helper(a))
        })
        .collect()
}

/// Addresses to which a notice sends people for help.
fn is_helper(address: &Address) -> bool {
    let local = address.local().to_ascii_lowercase();
    ["postmaster", "mailer-daemon", "abuse", "support", "help", "helpdesk", "hostmaster", "noc"]
        .contains(&local.as_str())
}

/// Every address in a line.
fn addresses(line: &str) -> impl Iterator<Item = Address> {
    line.split(|c: char| {
        c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | ',' | ';' | '"' | '\'' | '`')
    })
    .filter(|t| t.contains('@') && !t.contains("://") && t.len() < 400)
    .filter_map(|t| {
        let t = t
            .trim_start_matches("SMTP:")
            .trim_start_matches("TO:")
            .trim_start_matches("FROM:")
            .trim_end_matches(['.', ':', '!', '?']);
        Address::parse(t.trim_start_matches("mailto:")).or_else(|| Address::parse(t.split_once("...")?.0))
    })
    .filter(|a| a.domain().contains('.'))
}

fn cut(text: &str, most: usize) -> usize {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::{entry, fates, recipients};
    use crate::classify::report::judge::Outcome;
    use crate::message::Address;
    use std::collections::BTreeSet;

    #[test]
    fn lines_that_begin_with_an_address() {
        let table = [
            ("<a@example.org>: host mx.example.org said: 550", Some(true)),
            ("  a@example.org", Some(true)),
            ("  a@example.org:", Some(true)),
            ("\"a@example.org\":", Some(true)),
            ("   * a@example.org", Some(true)),
            ("a@example.org<mailto:a@example.org>", Some(true)),
            ("a@example.org on 4/29/26 11:34:45 PM", Some(true)),
            ("* [a@example.org]: 550 full", Some(true)),
            ("a@example.org [User unknown]", Some(true)),
            ("a@example.org if you need help", Some(false)),
            ("(expanded from: a@example.org)", None),
            ("> a@example.org", None),
            ("write to a@example.org", None),
        ];
        for (line, expected) in table {
            assert_eq!(entry(line).map(|(_, sure)| sure), expected, "{line}");
        }
    }

    #[test]
    fn recipients_by_the_surest_way() {
        let table: [(&str, &[&str]); 5] = [
            ("<a@example.org>:\nno such user\n<b@example.org>:\nfull\n", &["a@example.org", "b@example.org"]),
            ("Unable to deliver message to: <a@example.org>\nask postmaster@example.com", &["a@example.org"]),
            ("Your message to a@example.org couldn't be delivered.", &["a@example.org"]),
            (
                "Sorry, unable to deliver your message to b@example.org:\n 552 Quota violation for a@example.org",
                &["b@example.org", "a@example.org"],
            ),
            ("nothing", &[]),
        ];
        for (text, expected) in table {
            let found = recipients(text, &BTreeSet::new());
            assert_eq!(found.iter().map(Address::as_str).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn each_recipient_has_its_own_words() {
        let text = "Hi.\n<a@example.org>:\nRemote host said: 550 5.1.1 no\nGiving up.\n\n<b@example.org>:\n552 full\n";
        let found = fates(text, Vec::new(), &BTreeSet::new(), Outcome::Failed);
        let words: Vec<&str> = found.iter().map(|f| f.words.as_str()).collect();
        assert_eq!(words, ["550 5.1.1 no\nGiving up.", "552 full"]);
    }
}
