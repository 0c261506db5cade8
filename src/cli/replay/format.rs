//! The forms in which events are printed.

use crate::archive::Reference;
use crate::cli::table;
use crate::event::run::kinds;
use crate::event::{Event, Kind, Verdict, details};
use crate::explain::text::clean;
use crate::plural::count;
use comfy_table::{Cell, Table};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// How events are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One event a line.
    #[default]
    Jsonl,
    /// One array of all events.
    Json,
    /// A table for a person, with a count of the kinds.
    Table,
    /// Rows for a spreadsheet.
    Csv,
}

/// The columns of a table.
const COLUMNS: [&str; 6] = ["mail", "kind", "detail", "recipient", "campaign", "sure"];
/// The columns of CSV. A new one is added at the end.
const FIELDS: [&str; 14] = [
    "origin",
    "mailbox",
    "kind",
    "type",
    "category",
    "status",
    "smtp_code",
    "recipient",
    "campaign_id",
    "correlation",
    "confidence",
    "rule",
    "occurred_at",
    "id",
];

/// What is printed of one mail.
pub enum Piece {
    /// Octets that are written as they are.
    Octets(Vec<u8>),
    /// Rows of the table, with the kinds.
    Rows(Vec<(Kind, Vec<String>)>),
}

impl Format {
    /// What is printed of the events of one mail.
    pub fn piece(self, events: &[&Event]) -> Piece {
        // A Vec takes everything.
        match self {
            Self::Jsonl => {
                let mut out = Vec::with_capacity(2 * 1024);
                for event in events {
                    let _ = json_line(&mut out, event);
                }
                Piece::Octets(out)
            }
            Self::Json => {
                let mut out = Vec::with_capacity(2 * 1024);
                for event in events {
                    out.extend_from_slice(b",\n");
                    let _ = serde_json::to_writer(&mut out, event);
                }
                Piece::Octets(out)
            }
            Self::Csv => Piece::Octets(csv_rows(events)),
            Self::Table => Piece::Rows(events.iter().map(|e| (e.data.verdict.kind(), row(e))).collect()),
        }
    }
}

/// Writes pieces, and what stands before and behind them.
pub struct Printer<W> {
    out: W,
    format: Format,
    begun: bool,
    table: Table,
    kinds: BTreeMap<Kind, u64>,
    mails: u64,
}

impl<W: Write> Printer<W> {
    /// A printer of this form.
    pub fn new(out: W, format: Format) -> Self {
        Self { out, format, begun: false, table: table::new(&COLUMNS), kinds: BTreeMap::new(), mails: 0 }
    }

    /// Prints what is to be printed of one mail.
    pub fn print(&mut self, piece: Piece) -> io::Result<()> {
        self.mails += 1;
        match piece {
            Piece::Octets(octets) if octets.is_empty() => Ok(()),
            Piece::Octets(octets) => {
                let first = !std::mem::replace(&mut self.begun, true);
                let octets = match self.format {
                    Format::Json if first => {
                        self.out.write_all(b"[\n")?;
                        octets.get(2..).unwrap_or_default()
                    }
                    Format::Csv if first => {
                        writeln!(self.out, "{}", FIELDS.join(","))?;
                        &octets
                    }
                    _ => &octets,
                };
                self.out.write_all(octets)
            }
            Piece::Rows(rows) => {
                for (kind, row) in rows {
                    *self.kinds.entry(kind).or_default() += 1;
                    self.table.add_row(row.into_iter().map(Cell::new));
                }
                Ok(())
            }
        }
    }

    /// Prints the end.
    pub fn finish(mut self) -> io::Result<()> {
        match self.format {
            Format::Json if self.begun => self.out.write_all(b"\n]\n")?,
            Format::Json => self.out.write_all(b"[]\n")?,
            Format::Csv if !self.begun => writeln!(self.out, "{}", FIELDS.join(","))?,
            Format::Table => {
                writeln!(self.out, "{}\n{}, events: {}", self.table, count(self.mails, "mail"), kinds(&self.kinds))?;
            }
            _ => {}
        }
        self.out.flush()
    }
}

/// One value as a line of JSON.
pub fn json_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

fn row(event: &Event) -> Vec<String> {
    let data = &event.data;
    let (of_type, category) = details(&data.verdict);
    let origin = data.ingest.origin.as_deref().unwrap_or_default();
    // The end of a path says more than its beginning; the digest of a mail of the archive is known by its first digits.
    let origin = if let Some(kept) = Reference::parse(origin) {
        format!("{}/{:.12}…", kept.mailbox, kept.digest.to_string())
    } else if origin.chars().count() > 48 {
        let tail: Vec<char> = origin.chars().rev().take(47).collect();
        format!("…{}", tail.into_iter().rev().collect::<String>())
    } else {
        origin.to_owned()
    };
    let detail: Vec<String> = of_type.into_iter().chain(category).collect();
    let recipient = data.recipient.as_ref().and_then(|r| r.address.clone().or_else(|| r.key.clone()));
    let cells = [
        origin,
        data.verdict.kind().as_str().to_owned(),
        detail.join(" "),
        recipient.unwrap_or_default(),
        data.correlation.campaign_id.clone().unwrap_or_default(),
        format!("{:.2}", data.classification.confidence),
    ];
    cells.iter().map(|c| clean(c)).collect()
}

fn csv_rows(events: &[&Event]) -> Vec<u8> {
    let mut out = csv::Writer::from_writer(Vec::new());
    for event in events {
        let data = &event.data;
        let (of_type, category) = details(&data.verdict);
        let failure = match &data.verdict {
            Verdict::Bounce { bounce: f } | Verdict::Delay { delay: f } => Some(f),
            _ => None,
        };
        let recipient = data.recipient.as_ref().and_then(|r| r.address.clone().or_else(|| r.key.clone()));
        let fields = [
            data.ingest.origin.clone(),
            Some(data.mailbox.id.clone()),
            Some(data.verdict.kind().as_str().to_owned()),
            of_type,
            category,
            failure.and_then(|f| f.status.clone()),
            failure.and_then(|f| f.smtp_code.map(|c| c.to_string())),
            recipient,
            data.correlation.campaign_id.clone(),
            serde_json::to_value(data.correlation.status).ok().and_then(|v| v.as_str().map(str::to_owned)),
            Some(format!("{:.2}", data.classification.confidence)),
            data.classification.rules.first().map(|r| r.id.clone()),
            Some(data.occurred_at.to_rfc3339()),
            Some(event.id.clone()),
        ];
        let _ = out.write_record(fields.map(|f| harmless(f.unwrap_or_default())));
    }
    out.into_inner().unwrap_or_default()
}

/// A spreadsheet takes what begins so for a formula, and a mail may say anything.
fn harmless(field: String) -> String {
    if field.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{field}") } else { field }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_spreadsheet_runs_nothing() {
        assert_eq!(harmless("=cmd()".to_owned()), "'=cmd()");
        assert_eq!(harmless("ana@example.org".to_owned()), "ana@example.org");
    }
}
