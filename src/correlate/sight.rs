//! What correlators read of a mail, read once: a report may speak of thousands of recipients, and each asks.

use super::place::{MAX_REPORT, MAX_VALUES, Value, of_header, quoted};
use crate::message::{Address, Mail};
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// A mail that is looked at for all its findings.
#[derive(Debug)]
pub struct Sight<'m, 'x> {
    pub(super) mail: &'m Mail<'x>,
    headers: RefCell<HashMap<String, Rc<[Value]>>>,
    quoted: OnceCell<Vec<Value>>,
    reports: OnceCell<Reports>,
}

/// The groups of fields of a mail's reports.
#[derive(Debug, Default)]
struct Reports {
    groups: Vec<Vec<(String, String)>>,
    /// Those of the mail as a whole.
    general: Vec<usize>,
    /// Those of a recipient.
    of: HashMap<String, Vec<usize>>,
}

impl<'m, 'x> Sight<'m, 'x> {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(mail: &'m Mail<'x>) -> Self {
        Self { mail, headers: RefCell::default(), quoted: OnceCell::new(), reports: OnceCell::new() }
    }

    /// The values of a header.
    pub(super) fn header(&self, name: &str) -> Rc<[Value]> {
        if let Some(known) = self.headers.borrow().get(name) {
            return Rc::clone(known);
        }
        let values: Rc<[Value]> = of_header(self.mail, name).into();
        self.headers.borrow_mut().insert(name.to_owned(), Rc::clone(&values));
        values
    }

    /// The Message-IDs that are quoted in the text.
    pub(super) fn quoted(&self) -> &[Value] {
        self.quoted.get_or_init(|| quoted(&self.mail.text()))
    }

    /// A field of the mail's reports: those that speak of the mail as a whole, and those of this recipient.
    pub(super) fn report_field(&self, name: &str, about: Option<&Address>) -> Vec<String> {
        let reports = self.reports.get_or_init(|| Reports::of(self.mail));
        let all: Vec<usize> = match about {
            Some(about) => {
                let own = reports.of.get(&about.normalised()).into_iter().flatten();
                reports.general.iter().chain(own).copied().collect()
            }
            None => (0..reports.groups.len()).collect(),
        };
        let groups = all.into_iter().filter_map(|at| reports.groups.get(at));
        let fields = groups.flatten().filter(|(n, _)| n == name).map(|(_, value)| value.clone());
        fields.take(MAX_VALUES).collect()
    }
}

impl Reports {
    fn of(mail: &Mail<'_>) -> Self {
        let mut out = Self::default();
        let mut left = MAX_REPORT;
        for part in mail.parts() {
            let kind = part.mime_type();
            if !matches!(
                kind.as_str(),
                "message/delivery-status"
                    | "message/global-delivery-status"
                    | "message/feedback-report"
                    | "message/disposition-notification"
            ) {
                continue;
            }
            let whole = part.bytes();
            let mut bytes = whole.get(..whole.len().min(left)).unwrap_or_default();
            if bytes.len() < whole.len() {
                // Half a line may hold half an id, which is another one.
                bytes = bytes.get(..memchr::memrchr(b'\n', bytes).unwrap_or(0)).unwrap_or_default();
            }
            left -= bytes.len();
            let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
            for (at, group) in text.split("\n\n").enumerate() {
                out.take(at, fields(group));
            }
        }
        out
    }

    fn take(&mut self, at: usize, fields: Vec<(String, String)>) {
        let number = self.groups.len();
        let recipients: Vec<String> = fields
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "final-recipient" | "original-recipient"))
            .filter_map(|(_, value)| Address::parse(value))
            .map(|address| address.normalised())
            .collect();
        if at == 0 || recipients.is_empty() {
            self.general.push(number);
        } else {
            for recipient in recipients {
                let groups = self.of.entry(recipient).or_default();
                if groups.last() != Some(&number) {
                    groups.push(number);
                }
            }
        }
        self.groups.push(fields);
    }
}

/// Field names in lower case, and unfolded values.
fn fields(group: &str) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for line in group.lines().take(500) {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = out.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            out.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Sight;
    use crate::message::{Address, Mail, to_crlf};

    #[test]
    fn fields_of_a_report_are_the_mails_and_the_recipients() {
        let mail = "MIME-Version: 1.0\nContent-Type: multipart/report; boundary=b\n\n\
            --b\nContent-Type: text/plain\n\nfailed\n\
            --b\nContent-Type: message/delivery-status\n\nX-Envelope-Id: e1\n\n\
            Final-Recipient: rfc822; ana@example.org\nX-Token: a\n\n\
            Final-Recipient: rfc822; bo@example.org\nX-Token: b\n\n--b--\n";
        let octets = to_crlf(mail.as_bytes());
        let mail = Mail::parse(&octets);
        let sight = Sight::new(&mail);
        let of = |address: &str, name: &str| sight.report_field(name, Address::parse(address).as_ref());
        assert_eq!(of("ana@example.org", "x-token"), ["a"]);
        assert_eq!(of("bo@example.org", "x-token"), ["b"]);
        assert_eq!(of("cy@example.org", "x-token"), [""; 0]);
        assert_eq!(of("cy@example.org", "x-envelope-id"), ["e1"]);
        assert_eq!(sight.report_field("x-token", None), ["a", "b"]);
    }
}
