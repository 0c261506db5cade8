//! The date of a Received line.

use chrono::{DateTime, Utc};

/// The date behind the last semicolon of a Received line (RFC 5321 section 4.4).
#[must_use]
pub fn received_date(value: &str) -> Option<DateTime<Utc>> {
    let (_, date) = value.rsplit_once(';')?;
    parse_date(date)
}

/// A date as mails write it; comments and odd white space are tolerated.
pub(crate) fn parse_date(text: &str) -> Option<DateTime<Utc>> {
    // mail-parser reads a date only as a header's value.
    let mut line = String::with_capacity(text.len().min(200) + 2);
    line.extend(text.trim().chars().take(200).map(|c| if c.is_control() { ' ' } else { c }));
    line.push('\n');
    let mut stream = mail_parser::parsers::MessageStream::new(line.as_bytes());
    let date = mail_parser::parsers::MessageStream::parse_date(&mut stream);
    // It takes no two-digit years and no times without seconds; chrono takes those, and less else.
    date.as_datetime()
        .and_then(super::mail::to_chrono)
        .or_else(|| DateTime::parse_from_rfc2822(line.trim()).ok().map(|d| d.with_timezone(&Utc)))
}

#[cfg(test)]
mod tests {
    use super::received_date;

    #[test]
    fn dates_of_received_lines() {
        let table = [
            ("from a by b with ESMTP id 1; Mon, 16 Nov 2026 10:12:33 +0100", Some("2026-11-16T09:12:33+00:00")),
            ("from a by b;\r\n\tMon, 16 Nov 2026 09:12:33 +0000 (UTC)", Some("2026-11-16T09:12:33+00:00")),
            ("from a (envelope-from <x;y@example.org>) by b; 16 Nov 26 09:12 GMT", Some("2026-11-16T09:12:00+00:00")),
            ("from a by b", None),
            ("from a by b; yesterday", None),
        ];
        for (line, expected) in table {
            assert_eq!(received_date(line).map(|d| d.to_rfc3339()).as_deref(), expected, "{line}");
        }
    }
}
