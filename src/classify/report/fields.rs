//! The field groups of reports: delivery status, feedback and disposition notification share the
//! syntax of mail headers (RFC 3464 section 2.1, RFC 5965 section 3, RFC 8098 section 3).

use super::text::cut;
use crate::message::Address;
use std::borrow::Cow;

/// Fields read of one report: 5,000 recipients with some ten fields each.
const MAX_FIELDS: usize = 60_000;
/// Fields of one recipient.
const MAX_GROUP: usize = 64;
/// Longest value kept; the rest of a folded field is dropped.
const MAX_VALUE: usize = 8 * 1024;

/// One field, unfolded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field<'t> {
    pub name: &'t str,
    pub value: Cow<'t, str>,
}

/// Fields without an empty line between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Group<'t>(pub Vec<Field<'t>>);

impl<'t> Group<'t> {
    /// The first field of that name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every field of that name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value.as_ref())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Adds a field. A group that grows without end would make every look into it slow.
    fn push(&mut self, field: Field<'t>) {
        if self.0.len() < MAX_GROUP {
            self.0.push(field);
        }
    }

    fn push_or_start(groups: &mut Vec<Self>, field: Field<'t>, fresh: &mut bool) {
        if std::mem::take(fresh) || groups.is_empty() {
            groups.push(Self::default());
        }
        if let Some(group) = groups.last_mut() {
            group.0.push(field);
        }
    }
}

/// Splits a text into its groups. A line that is neither field nor continuation is taken for the
/// rest of the field before it: some senders break lines without folding them.
pub(super) fn groups(text: &str) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut fresh = true;
    let mut count = 0;
    for line in text.lines() {
        if line.trim().is_empty() {
            fresh = true;
            continue;
        }
        let folded = line.starts_with([' ', '\t']) && !fresh;
        match field(line).filter(|_| !folded) {
            Some(field) => {
                count += 1;
                if count > MAX_FIELDS {
                    break;
                }
                Group::push_or_start(&mut groups, field, &mut fresh);
            }
            None if fresh => {}
            None => {
                if let Some(last) = groups.last_mut().and_then(|g| g.0.last_mut())
                    && last.value.len() < MAX_VALUE
                {
                    let value = last.value.to_mut();
                    value.push(' ');
                    let line = line.trim();
                    value.push_str(line.get(..cut(line, MAX_VALUE.saturating_sub(value.len()))).unwrap_or_default());
                }
            }
        }
    }
    groups
}

/// `Name: value`.
pub(super) fn field(line: &str) -> Option<Field<'_>> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim();
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if name.is_empty() || name.len() > 76 || !plain {
        return None;
    }
    let mut end = value.len().min(MAX_VALUE);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    Some(Field { name, value: Cow::Borrowed(value.get(..end).unwrap_or_default().trim()) })
}

/// One group for each recipient of a delivery status, behind the group of the message: groups that
/// were run together are parted, parts of one that were torn apart are joined.
pub(super) fn per_recipient<'t>(groups: Vec<Group<'t>>) -> (Group<'t>, Vec<Group<'t>>) {
    const RECIPIENT: [&str; 12] = [
        "final-recipient",
        "original-recipient",
        "action",
        "status",
        "diagnostic-code",
        "remote-mta",
        "last-attempt-date",
        "will-retry-until",
        "x-actual-recipient",
        "x-supplementary-info",
        "final-log-id",
        "x-display-name",
    ];
    let mut message = Group::default();
    let mut recipients: Vec<Group<'t>> = Vec::new();
    for group in groups {
        let mut opened = false;
        for field in group.0 {
            if !RECIPIENT.iter().any(|n| field.name.eq_ignore_ascii_case(n)) {
                match recipients.last_mut() {
                    Some(last) if opened => last.push(field),
                    _ => message.0.push(field),
                }
                continue;
            }
            // A field that may stand once only begins the next recipient; so does a group, unless
            // the one before it still lacks either its address or its fate.
            let next = match recipients.last() {
                None => true,
                Some(last) if once(field.name) && last.has(field.name) => true,
                // Only an address begins the next one: some gateways put an empty line behind every field.
                Some(last) => {
                    !opened
                        && is_address(field.name)
                        && last.has("final-recipient")
                        && (last.has("action") || last.has("status"))
                }
            };
            opened = true;
            if next {
                recipients.push(Group::default());
            }
            if let Some(last) = recipients.last_mut() {
                last.push(field);
            }
        }
    }
    (message, recipients)
}

fn is_address(name: &str) -> bool {
    ["final-recipient", "original-recipient", "x-actual-recipient"].iter().any(|n| name.eq_ignore_ascii_case(n))
}

fn once(name: &str) -> bool {
    ["final-recipient", "original-recipient", "action", "status"].iter().any(|n| name.eq_ignore_ascii_case(n))
}

/// `type; value` (RFC 3464 section 2.1.2); the type is missing where a sender forgot it.
pub(super) fn typed(value: &str) -> (Option<&str>, &str) {
    match value.split_once(';') {
        Some((kind, rest))
            if !kind.trim().is_empty()
                && kind.trim().len() <= 32
                && kind.trim().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') =>
        {
            (Some(kind.trim()), rest.trim())
        }
        _ => (None, value.trim()),
    }
}

/// The address of a Final-Recipient or Original-Recipient field.
pub(super) fn recipient(value: &str) -> Option<Address> {
    let (kind, rest) = typed(value);
    let rest = strip_comment(rest);
    // Source routes: `@relay:user@domain` (RFC 5321 appendix F.2), as Sun's servers still write.
    let rest = match rest.strip_prefix('@').and_then(|r| r.split_once(':')) {
        Some((_, address)) if address.contains('@') => address,
        _ => rest,
    };
    let smtp = rest.get(..5).is_some_and(|h| h.eq_ignore_ascii_case("smtp:"));
    let rest = if smtp { rest.get(5..).unwrap_or_default() } else { rest };
    let rest = if rest.contains("\\x{") { unescape(rest) } else { Cow::Borrowed(rest) };
    let rest = if kind.is_some() && rest.contains('+') { xtext(&rest) } else { rest };
    Address::parse(&rest)
}

fn strip_comment(text: &str) -> &str {
    match text.split_once(" (") {
        Some((address, _)) if address.contains('@') => address.trim(),
        _ => text,
    }
}

/// xtext (RFC 3461 section 4): `+3D` for `=`. A plus sign that two upper-case hex digits do not
/// follow is itself: local parts such as `ana+news@` are rarely encoded as they should be. So is
/// one whose octet would be a letter, a digit or no ASCII sign: nobody encodes those.
pub(super) fn xtext(text: &str) -> Cow<'_, str> {
    let hex = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut changed = false;
    while let Some((before, after)) = rest.split_once('+') {
        out.push_str(before);
        let mut bytes = after.bytes();
        let octet = match (bytes.next().and_then(hex), bytes.next().and_then(hex)) {
            (Some(high), Some(low)) => Some(high * 16 + low),
            _ => None,
        };
        if let Some(c) = octet.map(char::from).filter(|c| c.is_ascii_punctuation() || *c == ' ') {
            out.push(c);
            changed = true;
            rest = after.get(2..).unwrap_or_default();
        } else {
            out.push('+');
            rest = after;
        }
    }
    if !changed {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// `\x{5A}` of utf-8-addr-xtext (RFC 6533 section 3).
fn unescape(text: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x{") {
        out.push_str(before);
        let sign = after
            .split_once('}')
            .filter(|(hex, _)| (2..=6).contains(&hex.len()))
            .and_then(|(hex, tail)| Some((char::from_u32(u32::from_str_radix(hex, 16).ok()?)?, tail)));
        if let Some((sign, tail)) = sign {
            out.push(sign);
            rest = tail;
        } else {
            out.push_str("\\x{");
            rest = after;
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Whether a text begins like a delivery status, whatever its MIME type says.
pub(super) fn is_status(text: &str) -> bool {
    let head = text.trim_start();
    ["reporting-mta:", "original-envelope-id:", "final-recipient:", "original-recipient:"]
        .iter()
        .any(|n| head.get(..n.len()).is_some_and(|h| h.eq_ignore_ascii_case(n)))
}

/// Whether a text begins like a feedback report, whatever its MIME type says.
pub(super) fn is_feedback(text: &str) -> bool {
    let head = text.trim_start();
    head.get(..14).is_some_and(|h| h.eq_ignore_ascii_case("feedback-type:"))
}

/// The stretch of `text` that holds a delivery status among other words: from the first line with
/// a field that only such a status has.
pub(super) fn embedded_status(text: &str) -> Option<&str> {
    const FIRST: [&str; 4] = ["reporting-mta:", "final-recipient:", "original-recipient:", "action: "];
    if !["inal-", "INAL-"].iter().any(|n| memchr::memmem::find(text.as_bytes(), n.as_bytes()).is_some()) {
        return None;
    }
    let mut start = 0;
    let mut found = None;
    for line in text.split_inclusive('\n') {
        let begins = |n: &str| line.get(..n.len()).is_some_and(|h| h.eq_ignore_ascii_case(n));
        if found.is_none() && FIRST.iter().any(|n| begins(n)) {
            found = Some(start);
        }
        if found.is_some() && begins("final-recipient:") {
            return found.and_then(|at| text.get(at..));
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{embedded_status, groups, per_recipient, recipient, typed};
    use crate::message::Address;

    #[test]
    fn groups_are_parted_joined_and_unfolded() {
        let text = "Reporting-MTA: dns; mx.example.org\nArrival-Date: x\n\n\
                    Final-Recipient: rfc822; a@example.org\nAction: failed\nStatus: 5.1.1\n\
                    Diagnostic-Code: smtp; 550 5.1.1\n no such user\n\
                    Final-Recipient: rfc822; b@example.org\nAction: delayed\n\n\
                    Status: 4.4.1\n";
        let (message, recipients) = per_recipient(groups(text));
        assert_eq!(message.get("reporting-mta"), Some("dns; mx.example.org"));
        // The last group belongs to b: only an address begins the next one.
        assert_eq!(recipients.len(), 2);
        let (_, torn) =
            per_recipient(groups("Final-Recipient: rfc822; b@example.org\n\nAction: failed\nStatus: 5.0.0\n"));
        assert_eq!(torn.len(), 1);
        assert_eq!(torn.first().and_then(|g| g.get("Status")), Some("5.0.0"));
        let first = recipients.first().and_then(|g| g.get("diagnostic-code"));
        assert_eq!(first, Some("smtp; 550 5.1.1 no such user"));
    }

    #[test]
    fn recipients_of_every_type() {
        let table = [
            ("rfc822; ana@example.org", Some("ana@example.org")),
            ("RFC822; <ana@example.org>", Some("ana@example.org")),
            ("<ana@example.org>", Some("ana@example.org")),
            ("rfc822;@relay.example:ana@example.org", Some("ana@example.org")),
            ("rfc822; ana+2Bnews@example.org", Some("ana+news@example.org")),
            ("rfc822; ana+news@example.org", Some("ana+news@example.org")),
            ("rfc822; ana+41@example.org", Some("ana+41@example.org")),
            ("utf-8; \\x{E4}na@example.org", Some("äna@example.org")),
            ("rfc822; ana@example.org (unknown)", Some("ana@example.org")),
            ("x-local; /var/mail/ana", None),
            ("", None),
        ];
        for (given, expected) in table {
            assert_eq!(recipient(given).as_ref().map(Address::as_str), expected, "{given}");
        }
        assert_eq!(typed("smtp;550 x"), (Some("smtp"), "550 x"));
        assert_eq!(typed("550 no; really"), (None, "550 no; really"));
    }

    #[test]
    fn a_status_among_words() {
        let text = "Sorry.\n\nAction: failed\nFinal-Recipient: rfc822; a@example.org\n";
        assert!(embedded_status(text).is_some_and(|t| t.starts_with("Action")));
        assert_eq!(embedded_status("We said: Final-Recipient: no"), None);
    }
}
