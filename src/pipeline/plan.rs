//! What to do with the mails that a mailbox holds: pure, from the listing and the ledger.

use super::pass::Pass;
use crate::config::{Mailbox, Retention};
use crate::ledger::{Done, Entry, Known, State};
use crate::pop3::Listed;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{HashMap, HashSet};

/// How long a mail may be missing from a mailbox before its id is forgotten.
const MISSING: TimeDelta = TimeDelta::days(7);

/// Whether retention says that a mail published at `at` is to be deleted.
pub(super) fn is_due(retention: Retention, at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    match retention {
        Retention::Keep => false,
        Retention::Delete => true,
        Retention::DeleteAfter(span) => TimeDelta::from_std(span.0).is_ok_and(|span| now - at >= span),
    }
}

/// An id that the server gives to two mails identifies neither: both go by their digests.
pub(super) fn without_doubles(mut listed: Vec<Listed>) -> Vec<Listed> {
    let mut count: HashMap<String, u32> = HashMap::new();
    for uidl in listed.iter().filter_map(|l| l.uidl.as_ref()) {
        *count.entry(uidl.clone()).or_default() += 1;
    }
    for mail in &mut listed {
        if mail.uidl.as_ref().is_some_and(|u| count.get(u).is_some_and(|n| *n > 1)) {
            mail.uidl = None;
        }
    }
    listed
}

/// What to do with the mails of a mailbox.
#[derive(Default)]
pub(super) struct Plan {
    /// Published earlier, and not due for deletion yet.
    pub(super) known: u64,
    /// New mails.
    pub(super) fresh: Vec<Listed>,
    /// Mails that are due: a mail is deleted only by a session that has fetched it and knows it by its digest,
    /// because a server may use an id again.
    pub(super) due: Vec<Listed>,
    /// Mails without an id: only fetching tells what they are.
    pub(super) nameless: Vec<Listed>,
    /// Left alone for good.
    pub(super) before_start: Vec<Done>,
    /// UIDLs that the server has not listed for long, those that it does not list now, and those
    /// that are back.
    pub(super) gone: Vec<String>,
    pub(super) missing: Vec<String>,
    pub(super) back: Vec<String>,
}

impl Plan {
    pub(super) fn new(mailbox: &Mailbox, listed: Vec<Listed>, known: &Known, pass: &Pass, now: DateTime<Utc>) -> Self {
        let mut plan = Self::default();
        let there: HashSet<&str> = listed.iter().filter_map(|l| l.uidl.as_deref()).collect();
        for (uidl, entry) in known.by_uidl.iter().filter(|(u, _)| !there.contains(u.as_str())) {
            match entry.missing_since {
                None => plan.missing.push(uidl.clone()),
                Some(since) if now - since >= MISSING => plan.gone.push(uidl.clone()),
                Some(_) => {}
            }
        }
        for mail in listed {
            if pass.settled.skips(&mail) {
                continue;
            }
            let Some(uidl) = &mail.uidl else {
                plan.nameless.push(mail);
                continue;
            };
            match known.by_uidl.get(uidl) {
                Some(entry) => plan.known_mail(mailbox, mail, entry, now),
                None if pass.starts_now => plan.before_start.push(Done {
                    uidl: mail.uidl,
                    digest: None,
                    listed_size: mail.size,
                    state: State::BeforeStart,
                    at: now,
                    seen: now,
                }),
                None => plan.fresh.push(mail),
            }
        }
        plan
    }

    fn known_mail(&mut self, mailbox: &Mailbox, mail: Listed, entry: &Entry, now: DateTime<Utc>) {
        if entry.missing_since.is_some() {
            self.back.extend(mail.uidl.clone());
        }
        let due = mailbox.may_delete(entry.state) && is_due(mailbox.retention, entry.at, now);
        let another = entry.listed_size.is_some_and(|size| size != mail.size);
        match (due, another) {
            (true, _) => self.due.push(mail),
            (false, true) => self.fresh.push(mail),
            (false, false) => self.known += 1,
        }
    }

    /// The mails of one session, `most` of those with an id, and whether others remain. New mails come before those
    /// that are only to be deleted. Mails without an id come last and together: the session after this one could not
    /// tell which of them were done.
    pub(super) fn session(self, most: usize) -> (Vec<Listed>, bool) {
        let mut mails = self.fresh;
        mails.extend(self.due);
        if mails.len() > most {
            mails.truncate(most);
            return (mails, true);
        }
        mails.extend(self.nameless);
        (mails, false)
    }
}

#[cfg(test)]
mod tests {
    use super::{Plan, is_due, without_doubles};
    use crate::config::{Mailbox, Retention, Span};
    use crate::ledger::{Entry, Known, State};
    use crate::pipeline::pass::Pass;
    use crate::pop3::Listed;
    use chrono::{DateTime, TimeDelta, TimeZone, Utc};

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 22, 8, 0, 0).single().expect("a time")
    }

    fn mailbox(retention: Retention) -> Mailbox {
        let mut mailbox: Mailbox =
            serde_json::from_value(serde_json::json!({"name": "m", "host": "h", "username": "u"})).expect("a mailbox");
        mailbox.retention = retention;
        mailbox
    }

    fn listed(number: u32, uidl: &str, size: u64) -> Listed {
        Listed { number, uidl: Some(uidl.to_owned()), size }
    }

    fn entry(state: State, days_ago: i64, size: u64) -> Entry {
        let at = now() - TimeDelta::days(days_ago);
        Entry { v: 1, state, at, digest: None, listed_size: Some(size), missing_since: None }
    }

    #[test]
    fn what_becomes_of_each_mail() {
        let mut known = Known { begun: true, ..Known::default() };
        for (uidl, entry) in [
            ("fresh", entry(State::Published, 1, 10)),
            ("due", entry(State::Published, 20, 10)),
            ("reused", entry(State::Published, 1, 10)),
            ("old", entry(State::BeforeStart, 100, 10)),
            ("dead", entry(State::DeadLetter, 100, 10)),
            ("missing", entry(State::Published, 1, 10)),
            ("gone", Entry { missing_since: Some(now() - TimeDelta::days(8)), ..entry(State::Published, 30, 10) }),
            ("back", Entry { missing_since: Some(now() - TimeDelta::days(2)), ..entry(State::Published, 3, 10) }),
        ] {
            known.by_uidl.insert(uidl.to_owned(), entry);
        }
        let mails =
            ["new", "fresh", "due", "old", "back", "refused", "dead"].iter().zip(1..).map(|(u, n)| listed(n, u, 10));
        let mails = mails.chain([listed(8, "reused", 11)]).collect::<Vec<_>>();
        let mut pass = Pass::default();
        pass.settled.leave(&listed(99, "refused", 10));
        let fortnight = Retention::DeleteAfter(Span::seconds(14 * 24 * 3600));
        let mut mailbox = mailbox(fortnight);
        let plan = Plan::new(&mailbox, Vec::clone(&mails), &known, &pass, now());
        let ids = |mails: &[Listed]| mails.iter().filter_map(|l| l.uidl.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&plan.fresh), ["new", "reused"]);
        assert_eq!(ids(&plan.due), ["due"], "a mail that is due is fetched before it is deleted");
        assert_eq!(plan.known, 4, "fresh, old, back, and a dead letter, which stays");
        assert_eq!(
            (plan.gone, plan.missing, plan.back),
            (vec!["gone".to_owned()], vec!["missing".to_owned()], vec!["back".to_owned()])
        );
        assert!(plan.before_start.is_empty());
        mailbox.delete_dead_letters = true;
        let plan = Plan::new(&mailbox, Vec::clone(&mails), &known, &pass, now());
        assert_eq!(ids(&plan.due), ["due", "dead"], "dead letters too, where the setting says so");
        known.forget_dead_letters();
        let plan = Plan::new(&mailbox, mails, &known, &pass, now());
        assert_eq!(ids(&plan.fresh), ["new", "dead", "reused"], "tried again");
    }

    #[test]
    fn new_mails_first_and_those_without_an_id_last() {
        let nameless = Listed { number: 9, uidl: None, size: 1 };
        let plan = || Plan {
            fresh: vec![listed(3, "new", 1), listed(4, "newer", 1)],
            due: vec![listed(1, "due", 1)],
            nameless: vec![nameless.clone()],
            ..Plan::default()
        };
        let numbers = |most| {
            let (mails, more) = plan().session(most);
            (mails.iter().map(|m| m.number).collect::<Vec<_>>(), more)
        };
        assert_eq!(numbers(1), (vec![3], true));
        assert_eq!(numbers(2), (vec![3, 4], true));
        assert_eq!(numbers(3), (vec![3, 4, 1, 9], false));
    }

    #[test]
    fn retention_by_age() {
        let day_ago = now() - TimeDelta::days(1);
        let after = |hours: u64| Retention::DeleteAfter(Span::seconds(hours * 3600));
        for (retention, due) in
            [(Retention::Keep, false), (Retention::Delete, true), (after(24), true), (after(25), false)]
        {
            assert_eq!(is_due(retention, day_ago, now()), due, "{retention:?}");
        }
    }

    #[test]
    fn one_id_for_two_mails_identifies_neither() {
        let mails = without_doubles(vec![listed(1, "a", 1), listed(2, "b", 1), listed(3, "a", 1)]);
        let ids: Vec<Option<&str>> = mails.iter().map(|l| l.uidl.as_deref()).collect();
        assert_eq!(ids, [None, Some("b"), None]);
    }
}
