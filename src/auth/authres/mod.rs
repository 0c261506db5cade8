//! Authentication-Results (RFC 8601): what the receiving server itself stated.
//!
//! Anyone can write such a header. [`read`] takes the mail, the trust settings of its mailbox and
//! the boundary, and gives the statements that only our own servers can have written:
//!
//! * above the boundary line (behind a forwarder: above the line at which we took the mail) nothing but our own servers has written, so a header there counts when
//!   its id is exactly one of ours (section 5; letter case aside). A header without an id counts
//!   there when the settings say that our servers write such ones, as Microsoft 365 does.
//! * `authserv_place: below` is for milters that insert at index 1, which is behind the server's own
//!   Received line. They do so one after the other, each just below that line, so ours stand on
//!   top of whatever came with the mail, and where ours end nothing tells: the sender can put a
//!   header with our id first in the mail. So only the first Authentication-Results below the
//!   boundary line counts, with nothing in between but lines that receivers put there.
//!   Even that holds only where the milter writes its header for every mail, or takes foreign ones
//!   with its id away (section 5); index 0 is the better setting of every milter.
//!
//! Our id anywhere below is a forgery. The headers with our id that directly follow the one of the
//! slot are the exception: other milters of ours may have written them. They are not believed, and
//! called forged when they say "pass" where the believed one does not, or the reverse.
//! Without a boundary nothing tells above from below: nothing is trusted and nothing forged.

mod parse;
mod scan;
mod statement;

pub use parse::{parse, parse_arc};
pub use statement::{Method, Property, Statement, joined};

use super::boundary::Boundary;
use crate::config::{AuthresPlace, Trust};
use crate::event::{AuthWord, ReceiverAuth};
use crate::message::Mail;

/// Trusted headers of one mail.
const MAX_TRUSTED: usize = 50;
/// What receivers put between their Received line and Authentication-Results: opendkim, opendmarc and openarc; Google;
/// Amazon SES. Whoever could write one of these there could write Authentication-Results in its place.
const RECEIVERS_LINES: [&str; 6] =
    ["DKIM-Filter", "DMARC-Filter", "ARC-Filter", "Received-SPF", "X-SES-Spam-Verdict", "X-SES-Virus-Verdict"];

/// What the receiver stated, and whether someone pretended to be it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Statements {
    pub trusted: Vec<Statement>,
    pub forged: bool,
}

impl Statements {
    /// The receiver's own statements, joined from top to bottom.
    #[must_use]
    pub fn receiver(&self) -> Option<ReceiverAuth> {
        joined(&self.trusted)
    }

    fn believe(&mut self, statement: Statement) {
        if self.trusted.len() < MAX_TRUSTED {
            self.trusted.push(statement);
        }
    }
}

/// Where a header stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Above the boundary line.
    Ours,
    /// For the setting `below`: behind the boundary line, with nothing but the receiver's own lines in between.
    Slot,
    /// Behind the header that counted there.
    Run,
    /// Where a stranger writes.
    Theirs,
}

/// Reads the headers of a mail whose boundary is known.
#[must_use]
pub fn read(mail: &Mail<'_>, trust: &Trust, boundary: Option<&Boundary>) -> Statements {
    let mut out = Statements::default();
    let Some(boundary) = boundary else { return out };
    let is_id = |id: &str| trust.authserv_ids.iter().any(|ours| ours.eq_ignore_ascii_case(id));
    let is_ours = |statement: &Statement| match &statement.authserv_id {
        Some(id) => is_id(id),
        None => trust.authserv_without_id,
    };
    let mut place = Place::Ours;
    let mut received = 0_u32;
    let mut index = 0_u32;
    for (name, value) in mail.fields() {
        if name.eq_ignore_ascii_case("Received") {
            place = match (received.cmp(&boundary.entry), trust.authserv_place) {
                (std::cmp::Ordering::Less, _) => Place::Ours,
                (std::cmp::Ordering::Equal, AuthresPlace::Below) => Place::Slot,
                _ => Place::Theirs,
            };
            received += 1;
        } else if name.eq_ignore_ascii_case("Authentication-Results") {
            let statement = parse(&value).filter(is_ours).map(|s| Statement { header_index: Some(index), ..s });
            index += 1;
            place = match (place, statement) {
                (Place::Ours, None) => Place::Ours,
                (Place::Slot | Place::Run | Place::Theirs, None) => Place::Theirs,
                (Place::Ours, Some(statement)) => {
                    out.believe(statement);
                    Place::Ours
                }
                (Place::Slot, Some(statement)) => {
                    out.believe(statement);
                    Place::Run
                }
                (Place::Run, Some(statement)) => {
                    out.forged |= out.trusted.last().is_some_and(|believed| contradicts(believed, &statement));
                    Place::Run
                }
                (Place::Theirs, Some(statement)) => {
                    // A header without an id pretends to be nobody: every mail out of Microsoft 365 may carry one.
                    out.forged |= statement.authserv_id.is_some();
                    Place::Theirs
                }
            };
        } else if place != Place::Ours && !is_receivers_line(name) {
            place = Place::Theirs;
        }
    }
    out
}

/// Whether receivers put such a header between their Received line and Authentication-Results.
pub(super) fn is_receivers_line(name: &str) -> bool {
    RECEIVERS_LINES.iter().any(|line| line.eq_ignore_ascii_case(name))
}

/// Whether `other` says "pass" where `believed` does not, or the reverse, of the same sender.
fn contradicts(believed: &Statement, other: &Statement) -> bool {
    let of = |statement: &'_ Statement, method: &str, property: &str| -> Vec<(String, bool)> {
        let said = statement.methods.iter().filter(|m| m.name == method && m.result != AuthWord::TempError);
        said.filter_map(|m| Some((m.domain(property)?, m.result == AuthWord::Pass))).collect()
    };
    [("spf", "smtp.mailfrom"), ("dmarc", "header.from")].into_iter().any(|(method, property)| {
        let ours = of(believed, method, property);
        let theirs = of(other, method, property);
        theirs.iter().any(|(domain, pass)| ours.iter().any(|(d, p)| d == domain && p != pass))
    })
}
