//! Tables for a terminal.

use crate::event::Kind;
use crate::pipeline::RunReport;
use comfy_table::{Cell, CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle};

/// A line under the header and nothing else: easy to read, and to cut and paste.
const STYLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none())
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .content_lines(ContentLineStyle::none());

/// An empty table in the program's one style.
pub fn new(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(Cell::new));
    table
}

/// A number, to the right.
pub fn number(value: u64) -> Cell {
    Cell::new(value).set_alignment(CellAlignment::Right)
}

/// What a run did, a line for each mailbox.
pub fn run(report: &RunReport) -> Table {
    let mut table = new(&["mailbox", "listed", "fetched", "published", "known", "deleted", "kept back", "seconds"]);
    for mailbox in &report.mailboxes {
        table.add_row(vec![
            Cell::new(&mailbox.id),
            number(mailbox.listed),
            number(mailbox.fetched),
            number(mailbox.published),
            number(mailbox.known),
            number(mailbox.deleted),
            number(mailbox.refused + mailbox.before_start),
            Cell::new(format!("{:.1}", std::time::Duration::from_millis(mailbox.duration_ms).as_secs_f64()))
                .set_alignment(CellAlignment::Right),
        ]);
    }
    table
}

/// Events by mailbox and kind; `None` where there were none.
pub fn kinds(report: &RunReport) -> Option<Table> {
    let all = report.events();
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|k| all.contains_key(k)).collect();
    if kinds.is_empty() {
        return None;
    }
    let mut header = vec!["mailbox"];
    header.extend(kinds.iter().map(|k| k.as_str()));
    let mut table = new(&header);
    for mailbox in report.mailboxes.iter().filter(|m| !m.events.is_empty()) {
        let counts = kinds.iter().map(|k| match mailbox.events.get(k) {
            Some(count) => number(*count),
            None => Cell::new("·").set_alignment(CellAlignment::Right),
        });
        table.add_row([Cell::new(&mailbox.id)].into_iter().chain(counts));
    }
    Some(table)
}
