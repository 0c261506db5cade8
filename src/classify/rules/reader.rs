//! The rules while one mail is read.
//!
//! Many questions ask the same text (is the subject an absence's, a report's, a challenge's?), each with a table of its
//! own. The words of tables that look at the same texts are found in one walk, and what it found is kept here until
//! another text of that field is asked for.

use super::folded::Folded;
use super::table::{Field, Table};
use super::{Match, Rules, beginning, leader, most};
use std::cell::RefCell;

/// Octets of a folded text that are looked at.
const WINDOW: usize = 8 * 1024;

/// The rules, and what they found last.
pub struct Reader<'r> {
    rules: &'r Rules,
    found: RefCell<Vec<Found<'r>>>,
}

/// What stands in a text of a field, by all tables that are looked for together.
struct Found<'r> {
    leader: Table,
    field: Field,
    /// Whether the text came folded: then the places are those of another text.
    folded: bool,
    text: String,
    matches: Vec<Match<'r>>,
}

impl<'r> Reader<'r> {
    /// For one mail.
    #[must_use]
    pub const fn new(rules: &'r Rules) -> Self {
        Self { rules, found: RefCell::new(Vec::new()) }
    }

    /// The rules themselves.
    #[must_use]
    pub const fn rules(&self) -> &'r Rules {
        self.rules
    }

    /// See [`Rules::matches`].
    #[must_use]
    pub fn matches(&self, table: Table, field: Field, text: &str) -> Vec<Match<'r>> {
        let text = beginning(field, text);
        self.of(table, field, false, text, || Folded::new(text), usize::MAX)
    }

    /// See [`Rules::best`].
    #[must_use]
    pub fn best(&self, table: Table, field: Field, text: &str) -> Option<Match<'r>> {
        most(self.matches(table, field, text).into_iter())
    }

    /// The same for a text that was folded before: what stands in its first `octets` folded octets, of which there
    /// may be 8,192.
    #[must_use]
    pub fn matches_folded(&self, table: Table, field: Field, folded: &Folded, octets: usize) -> Vec<Match<'r>> {
        self.of(table, field, true, folded.head(WINDOW), || folded, octets)
    }

    /// See [`Rules::best`].
    #[must_use]
    pub fn best_folded(&self, table: Table, field: Field, folded: &Folded, octets: usize) -> Option<Match<'r>> {
        most(self.matches_folded(table, field, folded, octets).into_iter())
    }

    fn of<F: std::borrow::Borrow<Folded>>(
        &self,
        table: Table,
        field: Field,
        folded: bool,
        text: &str,
        fold: impl FnOnce() -> F,
        octets: usize,
    ) -> Vec<Match<'r>> {
        let leader = leader(table, field);
        let mut all = self.found.borrow_mut();
        let is_it = |f: &Found<'_>| f.leader == leader && f.field == field && f.folded == folded;
        let at = match all.iter().position(is_it) {
            Some(at) if all.get(at).is_some_and(|f| f.text == text) => at,
            old => {
                let matches = self.rules.walk(leader, field, fold().borrow(), WINDOW);
                let found = Found { leader, field, folded, text: text.to_owned(), matches };
                let at = old.unwrap_or(all.len());
                match all.get_mut(at) {
                    Some(old) => *old = found,
                    None => all.push(found),
                }
                at
            }
        };
        let found = all.get(at).map(|f| f.matches.as_slice()).unwrap_or_default();
        found.iter().filter(|m| m.rule.table == table && m.folded_end <= octets).copied().collect()
    }
}
