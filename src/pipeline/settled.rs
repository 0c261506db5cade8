//! What one pass is through with, however many sessions it takes.
//!
//! Servers repeat themselves: a mail comes again because a connection broke, because a delete had no effect, because
//! every session has other ids. Only a mail that the pass has not seen is progress, and only progress makes it go on:
//! so it ends, whatever a server says.

use crate::ledger::Seen;
use crate::message::Digest;
use crate::pop3::Listed;
use std::collections::{HashMap, HashSet};

/// Mails on which connections broke, one after the other without a new mail between them, before the pass gives up.
const MOST_BLAMED: u32 = 10;

/// The mails of one pass.
#[derive(Default)]
pub(super) struct Settled {
    /// Mails that were published, known or left alone, and the session that had them first.
    digests: HashMap<Digest, (Seen, u32)>,
    /// Mails that are left for the next run: refused, or the connection broke on them.
    left: HashSet<Mark>,
    /// UIDLs of mails that DELE was tried on.
    deleted: HashSet<String>,
    blamed: u32,
    session: u32,
}

/// What a mail is known by before it is fetched.
#[derive(PartialEq, Eq, Hash)]
enum Mark {
    Id(String),
    /// Number and size, which hold as long as nothing is deleted.
    Place(u32, u64),
}

impl Mark {
    fn of(mail: &Listed) -> Self {
        mail.uidl.as_ref().map_or(Self::Place(mail.number, mail.size), |uidl| Self::Id(uidl.clone()))
    }
}

impl Settled {
    /// Another session begins.
    pub(super) fn next_session(&mut self) {
        self.session += 1;
    }

    /// Mails seen so far.
    pub(super) fn count(&self) -> usize {
        self.digests.len()
    }

    /// What became of a mail in this pass, and whether it came in an earlier session.
    pub(super) fn get(&self, digest: &Digest) -> Option<(Seen, bool)> {
        self.digests.get(digest).map(|(seen, session)| (*seen, *session < self.session))
    }

    /// The pass is through with a mail.
    pub(super) fn add(&mut self, digest: Digest, seen: Seen) {
        if self.digests.insert(digest, (seen, self.session)).is_none() {
            self.blamed = 0;
        }
    }

    /// A mail is left for the next run.
    pub(super) fn leave(&mut self, mail: &Listed) {
        self.left.insert(Mark::of(mail));
    }

    /// A mail is left for the next run because the connection broke on it; `false` when that was so with many, one
    /// after the other: then it is not the mails' fault.
    pub(super) fn blame(&mut self, mail: &Listed) -> bool {
        self.leave(mail);
        self.blamed += 1;
        self.blamed <= MOST_BLAMED
    }

    /// DELE and QUIT were tried on these. Where they come again in this pass, the server did not do it.
    pub(super) fn delete_tried(&mut self, mails: &[Listed]) {
        self.deleted.extend(mails.iter().filter_map(|m| m.uidl.clone()));
        if !mails.is_empty() {
            self.left.retain(|mark| matches!(mark, Mark::Id(_)));
        }
    }

    /// Whether a mail is not to be asked for again in this pass.
    pub(super) fn skips(&self, mail: &Listed) -> bool {
        self.left.contains(&Mark::of(mail)) || mail.uidl.as_ref().is_some_and(|u| self.deleted.contains(u))
    }
}

#[cfg(test)]
mod tests {
    use super::{Listed, MOST_BLAMED, Seen, Settled};
    use crate::ledger::State;
    use crate::message::Digest;
    use chrono::Utc;

    fn mail(number: u32, uidl: Option<&str>) -> Listed {
        Listed { number, uidl: uidl.map(str::to_owned), size: 10 }
    }

    fn seen() -> Seen {
        Seen { state: State::Published, at: Utc::now() }
    }

    #[test]
    fn a_mail_counts_once() {
        let mut settled = Settled::default();
        let digest = Digest::of(b"a");
        settled.add(digest, seen());
        assert!(settled.get(&digest).is_some_and(|(_, earlier)| !earlier), "its twin in the same session");
        settled.next_session();
        settled.add(digest, seen());
        assert_eq!(settled.count(), 1);
    }

    #[test]
    fn what_was_left_or_deleted_is_not_asked_for_again() {
        let mut settled = Settled::default();
        settled.leave(&mail(1, Some("a")));
        settled.leave(&mail(2, None));
        assert!(settled.skips(&mail(7, Some("a"))) && settled.skips(&mail(2, None)));
        assert!(!settled.skips(&mail(3, None)) && !settled.skips(&mail(1, Some("b"))));
        settled.delete_tried(&[mail(3, Some("c"))]);
        assert!(settled.skips(&mail(3, Some("c"))) && settled.skips(&mail(1, Some("a"))));
        assert!(!settled.skips(&mail(2, None)), "numbers change when something is deleted");
    }

    #[test]
    fn blame_ends_unless_mails_come() {
        let mut settled = Settled::default();
        for number in 1..=MOST_BLAMED {
            assert!(settled.blame(&mail(number, None)));
        }
        assert!(!settled.blame(&mail(99, None)));
        settled.add(Digest::of(b"new"), seen());
        assert!(settled.blame(&mail(100, None)));
    }
}
