//! Whom a report in words is about. Servers agree on little, but on this: a failed address stands at the begin of a line
//! or behind one of a few labels.

use super::codes::{self, Codes};
use super::dsn::MAX_RECIPIENTS;
use super::text::cut;
use crate::message::Address;
use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The recipients that a notice names, by the surest way that finds any, and whether that is a guess.
pub(super) fn recipients(notice: &str, others: &BTreeSet<String>) -> (Vec<Address>, bool) {
    let mut sure = Vec::new();
    let mut likely = Vec::new();
    let mut answered = Vec::new();
    for line in notice.lines() {
        if !line.contains('@') {
            continue;
        }
        match entry(line) {
            Some((address, Entry::Sure)) => sure.push(address),
            Some((address, Entry::Likely)) => likely.push(address),
            Some((address, Entry::Answered)) => answered.push(address),
            None => {}
        }
    }
    // An alias in a transcript is no further recipient.
    if sure.is_empty() {
        sure = answered;
    }
    let senders = senders(notice);
    let keep = |list: Vec<Address>| -> Vec<Address> {
        let foreign = |a: &Address| {
            let name = a.normalised();
            !others.contains(&name) && !senders.contains(&name)
        };
        unique(list.into_iter().filter(foreign).collect())
    };
    let tidy = |list: Vec<Address>| {
        let kept = keep(list.clone());
        // A test mail to oneself: sender and recipient are one.
        if kept.is_empty() { unique(list) } else { kept }
    };
    let sure = tidy(sure);
    if !sure.is_empty() {
        return (sure, false);
    }
    let labelled = tidy(labelled(notice));
    if !labelled.is_empty() {
        return (labelled, false);
    }
    let likely = tidy(likely);
    if !likely.is_empty() {
        return (likely, false);
    }
    let any = keep(notice.lines().flat_map(addresses).collect());
    // What shares the domain of the sender's side is rather one of its own.
    let own: BTreeSet<&str> = others.iter().filter_map(|o| Some(o.rsplit_once('@')?.1)).collect();
    (any.iter().find(|a| !own.contains(a.domain())).or(any.first()).cloned().into_iter().collect(), true)
}

pub(super) fn unique(mut list: Vec<Address>) -> Vec<Address> {
    // `ana@ims-daemon` beside `ana@example.org` is a name inside the system.
    if list.iter().any(|a| a.domain().contains('.')) {
        list.retain(|a| a.domain().contains('.'));
    }
    let mut seen = BTreeSet::new();
    list.into_iter().filter(|a| seen.insert(a.normalised())).take(MAX_RECIPIENTS + 1).collect()
}

/// What a line that begins with an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// Made for it: `<a@example.org>: host said`, `a@example.org:`, `* a@example.org`.
    Sure,
    /// Words follow.
    Likely,
    /// A line of a transcript.
    Answered,
}

/// A line that begins with a failed address.
fn entry(line: &str) -> Option<(Address, Entry)> {
    let line = line.trim();
    let line = line.trim_start_matches("To list recipient:").trim_start();
    let text = line.trim_start_matches([
        '*', '-', '•', '·', '+', '=', '→', '・', '●', '○', '■', '□', '◆', '▪', '‣', '–', '—', '➤', '※', ' ', '\t',
    ]);
    let text = unnumbered(text);
    let text = if text.len() < line.len() { text.trim_start_matches(['>', ' ']) } else { text };
    let text = text.strip_prefix(">>> ").unwrap_or(text);
    // Sendmail's transcript: `550 5.1.1 <a@example.org>... User unknown`.
    if let Some(answered) = behind_codes(text) {
        let (address, _) = answered.split_once("...")?;
        return Some((Address::parse(address)?, Entry::Answered));
    }
    // Exchange: `Sales Team<mailto:sales@example.org>`, whatever the name before it.
    if let Some(linked) = text.strip_suffix('>').filter(|t| t.len() < 400)
        && let Some((name, address)) = linked.rsplit_once("<mailto:")
        && !name.contains(". ")
    {
        return Some((Address::parse(address)?, Entry::Sure));
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
            let end = text.find(|c: char| is_edge(c) && !matches!(c, '"' | '\'' | '`')).unwrap_or(text.len());
            let (token, rest) = text.split_at_checked(end)?;
            let bare = bare_of_words(token);
            // Words before the address: the line is not made for it.
            if !token.starts_with(bare) {
                return None;
            }
            (bare, if bare.len() < token.len() { token.get(bare.len()..)? } else { rest })
        }
    };
    let closed = token.ends_with(':');
    let address = Address::parse(token.trim_end_matches([':', '.', ',', ';']))?;
    let rest = rest.trim();
    let alone = rest.is_empty() || closed || rest.starts_with(':') || rest.starts_with('[');
    let expanded =
        ["(expanded", "(reason", "(generated", "(host", "(failed", "(ultimately"].iter().any(|b| rest.starts_with(b));
    // Exchange: `a@example.org on 4/29/26 11:34:45 PM`, `a@example.org<mailto:a@example.org>`.
    let dated = rest.strip_prefix("on ").is_some_and(|r| r.contains(':') && r.len() < 60);
    let linked = rest.rsplit('>').next().is_some_and(str::is_empty) && rest.contains(address.as_str());
    let sure = alone || expanded || dated || linked || rest.starts_with("...");
    Some((address, if sure { Entry::Sure } else { Entry::Likely }))
}

/// `1. a@example.org`, `2) b@example.org`, `3、c@example.org`.
fn unnumbered(text: &str) -> &str {
    let behind = text.trim_start_matches(|c: char| c.is_ascii_digit());
    if behind.len() == text.len() || text.len() - behind.len() > 3 {
        return text;
    }
    match behind.strip_prefix(['.', ')', '、', '）']) {
        Some(rest) => rest.trim_start(),
        None => text,
    }
}

/// What stands behind a reply code and an enhanced code at the begin of a line.
fn behind_codes(text: &str) -> Option<&str> {
    let (code, rest) = text.split_once(' ')?;
    if code.len() != 3 || !code.starts_with(['4', '5']) || !code.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match rest.split_once(' ') {
        Some((word, tail)) if codes::status(word).is_some() => Some(tail.trim_start()),
        _ => Some(rest.trim_start()),
    }
}

/// Labels before a failed address. The longest one counts, so that `NOT_A_RECIPIENT` hides them.
const LABELS: [&str; 49] = [
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
    "exceeds allowed size:",
    "unknown host:",
    "delivery userid:",
    "undeliverable to",
    "failed to deliver to",
    "deliver to",
    "copy of your message:",
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

/// Labels of the sender at the begin of a line.
const SENDER: [&str; 17] = [
    "from:",
    "from :",
    "sender:",
    "sender :",
    "mail from:",
    "sent by:",
    "sender address:",
    "from address:",
    "return address:",
    "absender:",
    "von:",
    "expéditeur",
    "remitente:",
    "mittente:",
    "remetente:",
    "发件人",
    "差出人",
];

/// Words behind which a sentence names the sender.
const FROM_YOU: [&str; 4] = ["presumably from you", "apparently from", "from you,", "proveniente da"];

/// The sender's addresses, as the notice names them.
fn senders(notice: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for line in notice.lines().filter(|l| l.contains('@')) {
        let bare = line.trim_start_matches([' ', '\t', '*', '-', '|']);
        let labelled = SENDER.iter().any(|s| bare.get(..s.len()).is_some_and(|h| h.eq_ignore_ascii_case(s)));
        if labelled {
            out.extend(addresses(line).next().map(|a| a.normalised()));
        }
        for words in FROM_YOU {
            let tail = line.find(words).and_then(|at| line.get(at..));
            out.extend(tail.and_then(|t| addresses(t).next()).map(|a| a.normalised()));
        }
    }
    out
}

static LABEL: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .build(LABELS.iter().chain(&NOT_A_RECIPIENT))
        .ok()
});

fn labelled(notice: &str) -> Vec<Address> {
    let Some(labels) = LABEL.as_ref() else { return Vec::new() };
    // What one label's list took is not read again for a label within it.
    let mut read = 0;
    labels
        .find_iter(notice)
        .filter(|m| m.pattern().as_usize() < LABELS.len())
        .filter_map(|m| {
            if m.start() < read {
                return None;
            }
            let tail = notice.get(m.end()..).unwrap_or_default();
            let tail = tail.get(..cut(tail, 4_000)).unwrap_or_default();
            // Without a colon the label belongs to its own line.
            let colon =
                notice.get(..m.end()).is_some_and(|h| h.ends_with([':', '：'])) || tail.starts_with([':', '：']);
            let tail = if colon { tail } else { tail.trim_start_matches([' ', '\t']) };
            let tail = if !colon && tail.starts_with('\n') && !tail.starts_with("\n\n") { "" } else { tail };
            // A list may follow, with commas or one a line.
            let tokens = tail.trim_start_matches(':').split(is_edge).filter(|t| !t.is_empty());
            let list: Vec<Address> = tokens
                .map_while(|token| {
                    // MailEnable and Exchange 5.5: `[SMTP:a@example.org]`.
                    let token = unlabelled(bare_of_words(token)).trim_end_matches(['.', ':']);
                    Address::parse(unescaped(token)).filter(|a| !is_helper(a))
                })
                .take(200)
                .collect();
            if list.len() > 1 {
                read = m.end() + list.iter().map(|a| a.as_str().len()).sum::<usize>();
            }
            Some(list)
        })
        .flatten()
        .collect()
}

/// Addresses to which a notice sends people for help.
fn is_helper(address: &Address) -> bool {
    let local = address.local().to_ascii_lowercase();
    ["postmaster", "mailer-daemon", "abuse", "support", "help", "helpdesk", "hostmaster", "noc"]
        .contains(&local.as_str())
}

/// What cannot stand in an address that is not quoted: the signs of English and of other writing systems.
fn is_edge(c: char) -> bool {
    const SIGNS: &str = "（）：；，。、「」『』【】《》〈〉“”‘’«»„＜＞";
    match c {
        '<' | '>' | '(' | ')' | '[' | ']' | ',' | ';' | '"' | '\'' | '`' => true,
        _ => c.is_whitespace() || (!c.is_ascii() && SIGNS.contains(c)),
    }
}

/// Every address in a line.
pub(super) fn addresses(line: &str) -> impl Iterator<Item = Address> {
    line.split(is_edge)
        .filter(|t| t.contains('@') && !t.contains("://") && t.len() < 400)
        .filter_map(|token| {
            let t = unescaped(unlabelled(bare_of_words(token)).trim_end_matches(['.', ':', '!', '?']));
            Address::parse(t).or_else(|| Address::parse(t.split_once("...")?.0))
        })
        .filter(|a| a.domain().contains('.'))
}

/// `&lt;ana@example.org&gt;`, of HTML that was escaped twice; direction marks of Arabic and Hebrew.
fn unescaped(token: &str) -> &str {
    let token = token.strip_suffix("&gt").or_else(|| token.strip_suffix("&quot")).unwrap_or(token);
    token.trim_matches(['\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{2066}', '\u{2067}', '\u{2069}'])
}

/// `To:ana@example.org`, `SMTP:ana@example.org`: without the label.
fn unlabelled(token: &str) -> &str {
    match token.split_once(':') {
        Some((label, rest))
            if !label.is_empty()
                && label.len() <= 30
                && label.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-') =>
        {
            rest
        }
        _ => token,
    }
}

/// Chinese and Japanese write words and addresses without a space between: `收件人ana@example.org退信`.
fn bare_of_words(token: &str) -> &str {
    if token.is_ascii() {
        return token;
    }
    let east_asian = |c: char| ('\u{2e80}'..'\u{fb00}').contains(&c) || ('\u{ff00}'..'\u{fff0}').contains(&c);
    let Some((local, domain)) = token.rsplit_once('@') else { return token };
    let from =
        local.rfind(east_asian).and_then(|at| Some(at + local.get(at..)?.chars().next()?.len_utf8())).unwrap_or(0);
    // A label that begins in ASCII and goes on in another script is no label.
    let mixed = domain
        .find(east_asian)
        .filter(|&at| domain.get(..at).is_some_and(|head| head.ends_with(|c: char| c.is_ascii_alphanumeric())));
    let to = local.len() + 1 + mixed.unwrap_or(domain.len());
    if from >= local.len() { token } else { token.get(from..to).unwrap_or(token) }
}

/// Whether a notice names a recipient or answers with a code; `both`: and.
pub(super) fn names_somebody(notice: &str, others: &BTreeSet<String>, both: bool) -> bool {
    let coded = Codes::read(notice).smtp.is_some();
    let named = !recipients(notice, others).0.is_empty();
    if both { coded && named } else { coded || named }
}

#[cfg(test)]
mod tests {
    use super::{Entry, entry, recipients};
    use crate::message::Address;
    use std::collections::BTreeSet;

    #[test]
    fn lines_that_begin_with_an_address() {
        let table = [
            ("<a@example.org>: host mx.example.org said: 550", Some(Entry::Sure)),
            ("  a@example.org", Some(Entry::Sure)),
            ("  a@example.org:", Some(Entry::Sure)),
            ("\"a@example.org\":", Some(Entry::Sure)),
            ("   * a@example.org", Some(Entry::Sure)),
            ("a@example.org<mailto:a@example.org>", Some(Entry::Sure)),
            ("a@example.org on 4/29/26 11:34:45 PM", Some(Entry::Sure)),
            ("* [a@example.org]: 550 full", Some(Entry::Sure)),
            ("a@example.org [User unknown]", Some(Entry::Sure)),
            ("a@example.org if you need help", Some(Entry::Likely)),
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
            let (found, _) = recipients(text, &BTreeSet::new());
            assert_eq!(found.iter().map(Address::as_str).collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
