//! A file of what was sent: by Message-ID, by send, by address.

use super::Captured;
use super::pattern::MAX_ID;
use crate::message::Address;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;

/// What a lookup file says.
#[derive(Default, PartialEq)]
pub struct Table {
    rows: Vec<Row>,
    by_message: HashMap<String, usize>,
    by_send: HashMap<String, Sent>,
    by_address: HashMap<String, usize>,
}

/// What is known of a send that may have gone to many.
#[derive(Debug, Clone, PartialEq)]
enum Sent {
    /// To one.
    Once(usize),
    /// To several, of one campaign: who the recipient is, the send does not say.
    Often(usize),
    /// In two campaigns: says nothing.
    Ambiguous,
}

/// What was sent to one recipient.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    pub ids: Captured,
    pub sent_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    message_id: Option<String>,
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    campaign: Option<String>,
    #[serde(default)]
    send: Option<String>,
    #[serde(default)]
    recipient: Option<String>,
    #[serde(default)]
    step: Option<u32>,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    sent_at: Option<DateTime<Utc>>,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    Jsonl,
}

impl Format {
    /// By the file's extension.
    #[must_use]
    pub fn of(path: &std::path::Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// Why a lookup file was refused. What stands in its lines is not repeated: it is about persons.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LookupError {
    #[error(
        "line {0} cannot be read: write the columns message_id, address, campaign, send, recipient, step, variant, sent_at (RFC 3339)"
    )]
    Line(u64),
    #[error("line {0} has no message_id, send or address, so nothing finds it")]
    NoKey(u64),
    #[error("line {0} names no campaign")]
    NoCampaign(u64),
    #[error("line {0} has a message_id that stands there already with other ids: each mail is sent once")]
    Twice(u64),
}

impl Table {
    /// Reads a file's text.
    ///
    /// # Errors
    /// When a line cannot be used.
    pub fn read(text: &[u8], format: Format) -> Result<Self, LookupError> {
        let mut table = Self::default();
        match format {
            Format::Csv => {
                let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(false).from_reader(text);
                for (at, line) in (2..).zip(reader.deserialize::<Line>()) {
                    let line = line.map_err(|e| LookupError::Line(e.position().map_or(at, csv::Position::line)))?;
                    table.add(line, at)?;
                }
            }
            Format::Jsonl => {
                for (at, line) in (1..).zip(text.split(|b| *b == b'\n')) {
                    if line.iter().all(u8::is_ascii_whitespace) {
                        continue;
                    }
                    table.add(serde_json::from_slice(line).map_err(|_| LookupError::Line(at))?, at)?;
                }
            }
        }
        Ok(table)
    }

    fn add(&mut self, line: Line, at: u64) -> Result<(), LookupError> {
        let tidy =
            |text: Option<String>| text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty() && t.len() <= MAX_ID);
        let ids = Captured {
            campaign: Some(tidy(line.campaign).ok_or(LookupError::NoCampaign(at))?),
            send: tidy(line.send),
            recipient: tidy(line.recipient),
            step: line.step,
            variant: tidy(line.variant),
            list: None,
        };
        let message = line.message_id.as_deref().map(message_key).filter(|m| !m.is_empty());
        let address = line.address.as_deref().and_then(Address::parse).map(|a| a.normalised());
        if message.is_none() && address.is_none() && ids.send.is_none() {
            return Err(LookupError::NoKey(at));
        }
        let row = Row { ids, sent_at: line.sent_at };
        let number = self.rows.len();
        if let Some(message) = message {
            match self.by_message.get(&message).and_then(|n| self.rows.get(*n)) {
                Some(known) if *known != row => return Err(LookupError::Twice(at)),
                _ => {
                    self.by_message.insert(message, number);
                }
            }
        }
        if let Some(send) = &row.ids.send {
            let known = match self.by_send.get(&send.to_lowercase()) {
                None => Sent::Once(number),
                Some(Sent::Once(first) | Sent::Often(first))
                    if self.rows.get(*first).is_some_and(|r| r.ids.campaign == row.ids.campaign) =>
                {
                    Sent::Often(*first)
                }
                Some(_) => Sent::Ambiguous,
            };
            self.by_send.insert(send.to_lowercase(), known);
        }
        if let Some(address) = address {
            // The last mail to a person is the likeliest to be answered.
            let newer = |known: &usize| self.rows.get(*known).is_none_or(|r| r.sent_at <= row.sent_at);
            if self.by_address.get(&address).is_none_or(newer) {
                self.by_address.insert(address, number);
            }
        }
        self.rows.push(row);
        Ok(())
    }

    /// What was sent with this Message-ID.
    #[must_use]
    pub fn message(&self, id: &str) -> Option<&Row> {
        self.rows.get(*self.by_message.get(&message_key(id))?)
    }

    /// What was sent in this send.
    #[must_use]
    pub fn send(&self, id: &str) -> Option<Row> {
        match self.by_send.get(&id.to_lowercase())? {
            Sent::Once(row) => self.rows.get(*row).cloned(),
            Sent::Often(row) => {
                let row = self.rows.get(*row)?;
                let ids =
                    Captured { campaign: row.ids.campaign.clone(), send: row.ids.send.clone(), ..Captured::default() };
                Some(Row { ids, sent_at: None })
            }
            Sent::Ambiguous => None,
        }
    }

    /// What was last sent to this address.
    #[must_use]
    pub fn address(&self, address: &Address) -> Option<&Row> {
        self.rows.get(*self.by_address.get(&address.normalised())?)
    }
}

/// The part before the @ as written, the domain in lower case.
fn message_key(id: &str) -> String {
    let id = id.trim().trim_matches(['<', '>']);
    match id.rsplit_once('@') {
        Some((left, right)) => format!("{left}@{}", right.to_ascii_lowercase()),
        None => id.to_owned(),
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({} rows)", self.rows.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, LookupError, Table};

    #[test]
    fn both_formats_say_the_same() {
        let csv = b"message_id,campaign,send,recipient,sent_at\n<m1@x.example>,c1,s1,r1,2026-11-01T08:00:00Z\nm2@x.example,c1,s1,r2,\nm3@x.example,c2,s9,,\n,c3,s9,,\n";
        let jsonl = b"{\"message_id\":\"m1@X.example\",\"campaign\":\"c1\",\"send\":\"s1\",\"recipient\":\"r1\",\"sent_at\":\"2026-11-01T08:00:00Z\"}\n\n{\"message_id\":\"m2@x.example\",\"campaign\":\"c1\",\"send\":\"s1\",\"recipient\":\"r2\"}\n{\"message_id\":\"m3@x.example\",\"campaign\":\"c2\",\"send\":\"s9\"}\n{\"campaign\":\"c3\",\"send\":\"s9\"}\n";
        let csv = Table::read(csv, Format::Csv).expect("reads");
        assert_eq!(csv, Table::read(jsonl, Format::Jsonl).expect("reads"));
        assert_eq!(csv.message("m1@x.EXAMPLE").and_then(|r| r.ids.recipient.as_deref()), Some("r1"));
        assert!(csv.message("M1@x.example").is_none());
        let send = csv.send("s1").expect("is known");
        assert_eq!((send.ids.campaign.as_deref(), send.ids.recipient), (Some("c1"), None), "two recipients");
        assert!(csv.send("s9").is_none(), "two campaigns");
    }

    #[test]
    fn wrong_lines_are_named() {
        for (text, expected) in [
            ("message_id,campaign\nm@x,\n", LookupError::NoCampaign(2)),
            ("message_id,campaign\n,c1\n", LookupError::NoKey(2)),
            ("message_id,campaign\nm@x,c1\nm@x,c2\n", LookupError::Twice(3)),
            ("message_id,campaign\nm@x,c1,more\n", LookupError::Line(2)),
            ("message_id,campaign,sent_at\nm@x,c1,yesterday\n", LookupError::Line(2)),
        ] {
            assert_eq!(Table::read(text.as_bytes(), Format::Csv).err(), Some(expected), "{text}");
        }
        assert_eq!(Table::read(b"{}\n{", Format::Jsonl).err(), Some(LookupError::NoCampaign(1)));
    }
}
