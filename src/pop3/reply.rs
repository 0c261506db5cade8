//! The first line of a reply.

use std::fmt;

/// `+OK` or `-ERR`, with the response code and the text behind it.
#[derive(Clone, PartialEq, Eq)]
pub struct Status {
    pub ok: bool,
    /// Neither: `+`, the server wants the next part of an AUTH exchange (RFC 5034 section 4).
    pub more: bool,
    pub code: Option<ResponseCode>,
    /// What a server says to a person; may hold an address, so it is not printed as it is.
    pub text: String,
}

/// Extended response codes (RFC 2449 section 8, RFC 3206).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseCode {
    /// Another session has the maildrop locked.
    InUse,
    /// The last login was too short a time ago.
    LoginDelay,
    /// The server has a problem that may pass.
    SysTemp,
    /// The server has a problem that a person must solve.
    SysPerm,
    /// The credentials are wrong.
    Auth,
    /// A code that makes no difference here.
    Other,
}

impl Status {
    /// Reads a status line without its line end. Some servers answer `+ERR`; it is no `+OK`.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let line = String::from_utf8_lossy(line);
        let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line.as_ref(), ""));
        let more = word == "+";
        let ok = word.eq_ignore_ascii_case("+OK");
        if !(ok || more || word.eq_ignore_ascii_case("-ERR") || word.eq_ignore_ascii_case("+ERR")) {
            return None;
        }
        let rest = rest.trim();
        let (code, text) = match rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            Some((code, text)) => (Some(ResponseCode::parse(code)), text.trim()),
            None => (None, rest),
        };
        Some(Self { ok, more, code, text: text.to_owned() })
    }

    /// The timestamp of a greeting that offers APOP (RFC 1939 section 7), angle brackets included.
    #[must_use]
    pub fn timestamp(&self) -> Option<&str> {
        let from = self.text.find('<')?;
        let stamp = self.text.get(from..)?;
        let stamp = stamp.get(..=stamp.find('>')?)?;
        (stamp.contains('@') && !stamp.contains(char::is_whitespace)).then_some(stamp)
    }

    /// The text in a form that may be printed: short, without control characters and without
    /// anything that could be an address, or a part of a login in base64.
    #[must_use]
    pub fn safe_text(&self) -> String {
        self.text
            .split_whitespace()
            .map(|word| match word {
                word if word.contains('@') => "[address]",
                word if word.len() > 40 || word.ends_with('=') => "[redacted]",
                word => word,
            })
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect()
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({}, {:?}, {:?})", if self.ok { "+OK" } else { "-ERR" }, self.code, self.safe_text())
    }
}

impl ResponseCode {
    /// Codes are hierarchical: more may stand behind a further slash (RFC 2449 section 8).
    fn parse(text: &str) -> Self {
        const CODES: [(&str, ResponseCode); 5] = [
            ("IN-USE", ResponseCode::InUse),
            ("LOGIN-DELAY", ResponseCode::LoginDelay),
            ("SYS/TEMP", ResponseCode::SysTemp),
            ("SYS/PERM", ResponseCode::SysPerm),
            ("AUTH", ResponseCode::Auth),
        ];
        let is = |name: &str| {
            let (head, rest) = text.split_at_checked(name.len())?;
            (head.eq_ignore_ascii_case(name) && (rest.is_empty() || rest.starts_with('/'))).then_some(())
        };
        CODES.iter().find(|(name, _)| is(name).is_some()).map_or(Self::Other, |(_, code)| *code)
    }
}

#[cfg(test)]
mod tests {
    use super::{ResponseCode, Status};

    #[test]
    fn status_lines_of_the_field() {
        let table: [(&str, Option<(bool, Option<ResponseCode>, &str)>); 12] = [
            ("+OK", Some((true, None, ""))),
            ("+OK Dovecot ready.", Some((true, None, "Dovecot ready."))),
            ("+ok lower", Some((true, None, "lower"))),
            ("-ERR [AUTH] Authentication failed.", Some((false, Some(ResponseCode::Auth), "Authentication failed."))),
            ("-ERR [IN-USE] locked", Some((false, Some(ResponseCode::InUse), "locked"))),
            ("-ERR [sys/temp] later", Some((false, Some(ResponseCode::SysTemp), "later"))),
            ("-ERR [SYS/TEMP/disk] later", Some((false, Some(ResponseCode::SysTemp), "later"))),
            ("-ERR [AUTHORITY] no", Some((false, Some(ResponseCode::Other), "no"))),
            ("+ cmVhZHk=", Some((false, None, "cmVhZHk="))),
            ("+ERR odd", Some((false, None, "odd"))),
            ("* OK IMAP4", None),
            ("", None),
        ];
        for (line, expected) in table {
            let got = Status::parse(line.as_bytes());
            assert_eq!(got.as_ref().map(|s| (s.ok, s.code, s.text.as_str())), expected, "{line}");
        }
    }

    #[test]
    fn printed_text_has_no_address() {
        let status = Status::parse(b"-ERR user ana@example.org unknown\x07").expect("parses");
        assert_eq!(status.safe_text(), "user [address] unknown");
        let status = Status::parse(b"-ERR unknown command \"AUTH PLAIN AGFuYUBleGFtcGxlLm9yZwBodW50ZXIyMzQ1Njc4OTA")
            .expect("parses");
        assert_eq!(status.safe_text(), "unknown command \"AUTH PLAIN [redacted]");
        assert!(!format!("{status:?}").contains("ana@"));
    }
}
