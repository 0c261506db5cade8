//! Guards on deleting: what a run must not delete before a person has looked.
//!
//! A wrong setting, or a flood of mail that nobody understands, must not empty a mailbox. The guards look at what a run
//! is about to delete, by nothing but the mailbox: what was withheld is withheld again by the next run, and is deleted
//! once the rules know it, the limits are raised, or a person says yes.

use crate::config::{Guards, Retention, Share, Start};
use crate::plural::count;
use std::fmt;

/// Shares say nothing about fewer mails.
const MANY: u64 = 20;

/// A guard that withholds deletes, and what it saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Withheld {
    Number { deletes: u64, listed: u64, limit: u64 },
    Share { deletes: u64, listed: u64, limit: Share },
    Unclassified { unclassified: u64, deletes: u64, limit: Share },
}

impl Withheld {
    /// Mails that the run would have deleted.
    pub(super) fn deletes(self) -> u64 {
        match self {
            Self::Number { deletes, .. } | Self::Share { deletes, .. } | Self::Unclassified { deletes, .. } => deletes,
        }
    }

    /// The setting.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Number { .. } => "max_deletes",
            Self::Share { .. } => "max_delete_share",
            Self::Unclassified { .. } => "max_unclassified_share",
        }
    }

    /// What happened, and how to say yes.
    pub(super) fn message(self, mailbox: &str) -> String {
        format!(
            "guards.{}: {self}. Nothing more is deleted from this mailbox, all events are published. Look at its mails; \
             then raise the limit, or say yes once with `poll --mailbox {mailbox} --allow-deletes`",
            self.name()
        )
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { deletes, listed, limit } => {
                write!(f, "the run would delete {deletes} of {}, more than {limit}", count(*listed, "mail"))
            }
            Self::Share { deletes, listed, limit } => {
                write!(f, "the run would delete {deletes} of {}, more than {limit}", count(*listed, "mail"))
            }
            Self::Unclassified { unclassified, deletes, limit } => {
                write!(f, "of {} to delete {unclassified} are unclassified, more than {limit}", count(*deletes, "mail"))
            }
        }
    }
}

/// What a pass has deleted, or would have, so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) deletes: u64,
    pub(super) unclassified: u64,
}

/// Whether this many deletes are too many.
pub(super) fn numbers(guards: &Guards, deletes: u64, listed: u64) -> Option<Withheld> {
    if let Some(limit) = guards.max_deletes.filter(|limit| deletes > *limit) {
        return Some(Withheld::Number { deletes, listed, limit });
    }
    let limit = guards.max_delete_share.filter(|limit| listed >= MANY && limit.is_exceeded_by(deletes, listed))?;
    Some(Withheld::Share { deletes, listed, limit })
}

/// Whether these deletes are to be withheld.
pub(super) fn judge(guards: &Guards, tally: Tally, listed: u64) -> Option<Withheld> {
    let Tally { deletes, unclassified } = tally;
    numbers(guards, deletes, listed).or_else(|| {
        let limit = guards.max_unclassified_share?;
        (deletes >= MANY && limit.is_exceeded_by(unclassified, deletes)).then_some(Withheld::Unclassified {
            unclassified,
            deletes,
            limit,
        })
    })
}

/// How many mails a session's plan will delete for certain: known before the first of them is gone.
pub(super) fn expected(retention: Retention, start: Start, fresh: usize, due: usize) -> u64 {
    // Of mails with another beginning only fetching tells whether they are left alone.
    let fresh = if retention == Retention::Delete && start == Start::All { fresh } else { 0 };
    (fresh + due) as u64
}

#[cfg(test)]
mod tests {
    use super::{Guards, Retention, Start, Tally, expected, judge};
    use crate::config::Share;

    #[test]
    fn what_is_withheld() {
        let share = |text| Share::parse(text);
        let none = Guards::default();
        let number = Guards { max_deletes: Some(100), ..none.clone() };
        let part = Guards { max_delete_share: share("50%"), ..none.clone() };
        let strange = Guards { max_unclassified_share: share("10%"), ..none.clone() };
        let table = [
            (&none, 10_000, 10_000, 10_000, None),
            (&number, 100, 100, 100, None),
            (&number, 101, 0, 5_000, Some("max_deletes")),
            (&part, 50, 0, 100, None),
            (&part, 51, 0, 100, Some("max_delete_share")),
            (&part, 19, 0, 19, None),
            (&strange, 100, 10, 100, None),
            (&strange, 100, 11, 1_000, Some("max_unclassified_share")),
            (&strange, 19, 19, 19, None),
        ];
        for (guards, deletes, unclassified, listed, expected) in table {
            let withheld = judge(guards, Tally { deletes, unclassified }, listed);
            assert_eq!(withheld.map(super::Withheld::name), expected, "{deletes} {unclassified} {listed}");
            if let Some(withheld) = withheld {
                let message = withheld.message("replies");
                assert!(message.contains("poll --mailbox replies --allow-deletes"), "{message}");
                assert_eq!(withheld.deletes(), deletes);
            }
        }
    }

    #[test]
    fn what_is_expected_to_go() {
        let since = Start::Since("2026-11-01".parse().expect("a day"));
        for (retention, start, count) in [
            (Retention::Delete, Start::All, 12),
            (Retention::Delete, since, 2),
            (Retention::DeleteAfter(crate::config::Span::seconds(60)), Start::All, 2),
        ] {
            assert_eq!(expected(retention, start, 10, 2), count, "{retention:?}");
        }
    }
}
