//! One pass over one mailbox: sessions until nothing is left.
//!
//! In a session three stations work side by side: the connection is read, what was read is judged, what was
//! judged is published and recorded. Mail between socket and judgement is bounded in octets for
//! all mailboxes together, judged mail in number. Only mails whose own events were acknowledged
//! and recorded are deleted, and only QUIT makes that final; what then became of it, the next
//! UIDL tells.
//!
//! A session that breaks is followed by another, which goes on with what is left. Where the server lost its way, or
//! two sessions broke in a row, the next sends one command at a time: only then is it certain on which mail a
//! connection breaks. That mail is left for the next run, so that it does not keep the others from coming. It also
//! takes fewer mails, so that it reaches DELE and QUIT. Failures that may pass are tried again after pauses that
//! double, and only mails that the pass had not seen before make the count of tries start anew.

use super::access::Broken;
use super::failure::{Failure, FailureClass};
use super::guard::{Tally, Withheld};
use super::line::Place;
use super::run::Worker;
use super::session::{leave, session};
use super::settled::Settled;
use crate::config::{Limits, Mailbox};
use crate::event::run::MailboxRun;
use crate::pop3::{Listed, Retry};
use backon::BackoffBuilder;
use std::sync::Arc;
use std::time::Duration;

/// Pauses between two tries grow no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What holds for a whole pass, however many sessions it takes.
#[derive(Default)]
pub(super) struct Pass {
    pub(super) run: MailboxRun,
    pub(super) settled: Settled,
    /// Whether this is the first pass over a mailbox with `start: now`.
    pub(super) starts_now: bool,
    /// The mailbox was logged in to and listed once.
    pub(super) begun: bool,
    pub(super) pace: Pace,
    /// Fewer mails a session than the limit, so that one reaches its QUIT although connections break.
    pub(super) session_mails: Option<usize>,
    /// Mails of broken sessions that are known by their digests only until they are fetched again.
    pub(super) doubtful: usize,
    /// What it deleted, or would have.
    pub(super) tally: Tally,
    /// The guard because of which nothing more is deleted.
    pub(super) withheld: Option<Withheld>,
    /// Mails that their topic refused since one was published.
    pub(super) refused_in_a_row: usize,
    /// Ids seem to change from session to session: the rest is taken in one.
    pub(super) unsplit: bool,
}

/// How the next session talks to the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Pace {
    /// Many commands ahead.
    #[default]
    Ahead,
    /// The same, although the session before broke: networks do.
    AheadAgain,
    /// One command at a time, until a session ends well.
    OneAtATime,
    /// One command at a time: the server loses its way otherwise.
    OneAtATimeForGood,
}

impl Pace {
    pub(super) fn is_one_at_a_time(self) -> bool {
        matches!(self, Self::OneAtATime | Self::OneAtATimeForGood)
    }

    /// The pace after a session that ended well.
    fn after_success(self) -> Self {
        if self == Self::OneAtATimeForGood { self } else { Self::Ahead }
    }

    /// The pace after a session that broke.
    fn after(self, retry: Retry) -> Self {
        match (retry, self) {
            (Retry::OneAtATime, _) => Self::OneAtATimeForGood,
            (Retry::Resume, Self::Ahead) => Self::AheadAgain,
            (Retry::Resume, Self::AheadAgain) => Self::OneAtATime,
            (_, pace) => pace,
        }
    }
}

impl Pass {
    /// From now on nothing is deleted, if a guard says so.
    pub(super) fn withhold(&mut self, guard: Option<Withheld>) {
        let Some(guard) = guard else { return };
        if self.withheld.is_none() {
            tracing::error!(mailbox = %self.run.id, guard = guard.name(), "deletes are withheld: {guard}");
        }
        self.run.guard = Some(guard.name().to_owned());
        self.run.deletes_withheld = guard.deletes().saturating_sub(self.run.deleted);
        self.withheld = Some(guard);
    }

    /// The connection broke while this mail was next, after `fetched` others of the session. With many asked for
    /// ahead it may have been any of them: a reset throws away what was received and not yet read. Says whether
    /// another session may do better.
    pub(super) fn broke_on(&mut self, mail: &Listed, published: bool, fetched: u64) -> bool {
        self.session_mails = Some(usize::try_from(fetched / 2).unwrap_or(usize::MAX).max(1));
        if !self.pace.is_one_at_a_time() {
            return true;
        }
        if published {
            // Nothing is lost: it is only not deleted in this run.
            self.settled.leave(mail);
            return true;
        }
        tracing::warn!(
            mailbox = %self.run.id,
            "the connection broke again, on one mail: it stays in the mailbox, and the others go on"
        );
        self.run.refused += 1;
        self.settled.blame(mail)
    }
}

/// Takes one mailbox through the line. What went wrong is in the second value; the first says
/// what was done all the same.
pub async fn pass(worker: &Arc<Worker>, mailbox: &Arc<Mailbox>) -> (MailboxRun, Option<Failure>) {
    let started = tokio::time::Instant::now();
    let run = MailboxRun { id: mailbox.name.clone(), ..MailboxRun::default() };
    let mut pass = Pass { run, ..Pass::default() };
    let failure = sessions(worker, mailbox, &mut pass).await.err();
    // Everything that was to be done was done, but for what a person has to look at.
    let withheld = pass.withheld.filter(|_| failure.is_none());
    let withheld =
        withheld.map(|guard| Failure { class: FailureClass::Withheld, message: guard.message(&mailbox.name) });
    leave(worker, &mailbox.name).await;
    let mut run = pass.run;
    run.failure = failure.as_ref().map(|f| f.message.clone());
    run.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    (run, failure.or(withheld))
}

/// Sessions until nothing is left to fetch: each one's deletes are committed before the next.
async fn sessions(worker: &Arc<Worker>, mailbox: &Arc<Mailbox>, pass: &mut Pass) -> Result<(), Failure> {
    let place = Arc::new(Place::of(mailbox, &worker.config));
    let limits = &worker.config.limits;
    let mut pauses = pauses(limits);
    // Until a session says otherwise.
    pass.run.unfinished = true;
    while !worker.is_stopping() {
        let before = (pass.settled.count(), pass.run.refused);
        let doubtful = pass.doubtful;
        pass.settled.next_session();
        let ended = session(worker, mailbox, &place, pass).await;
        let progress = pass.settled.count() > before.0;
        match ended {
            Ok(more) => {
                pass.pace = pass.pace.after_success();
                pass.session_mails = pass.session_mails.map(|mails| mails.saturating_mul(2));
                // Mails that are fetched again after a broken session are no progress and no reason to stop.
                let stuck = !progress && doubtful == 0;
                pass.run.unfinished = more;
                if !more || (stuck && pass.unsplit) {
                    pass.run.unfinished = false;
                    break;
                }
                pass.unsplit |= stuck;
                pauses = self::pauses(limits);
            }
            Err(Broken { failure, retry }) => {
                pass.pace = pass.pace.after(retry);
                if progress || pass.run.refused > before.1 {
                    pauses = self::pauses(limits);
                }
                let pause = if retry == Retry::No { None } else { pauses.next() };
                let Some(pause) = pause else {
                    pass.run.unfinished = false;
                    return Err(failure);
                };
                tracing::warn!(
                    mailbox = %mailbox.name,
                    reason = %failure.message,
                    pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                    "trying again"
                );
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = worker.stopped() => return Err(failure),
                }
            }
        }
    }
    Ok(())
}

/// The pauses between tries: each twice the one before, with chance so that many workers do not come together.
fn pauses(limits: &Limits) -> impl Iterator<Item = Duration> + use<> {
    backon::ExponentialBuilder::new()
        .with_min_delay(limits.retry_pause.0)
        .with_max_delay(LONGEST_PAUSE)
        .with_max_times(limits.retries)
        .with_jitter()
        .build()
}

#[cfg(test)]
mod tests {
    use super::{Pace, Pass, Retry};
    use crate::pop3::Listed;

    #[test]
    fn the_pace_of_a_server_that_breaks() {
        let mut pace = Pace::Ahead;
        for (retry, next) in [
            (Retry::Later, Pace::Ahead),
            (Retry::Resume, Pace::AheadAgain),
            (Retry::Later, Pace::AheadAgain),
            (Retry::Resume, Pace::OneAtATime),
            (Retry::Resume, Pace::OneAtATime),
            (Retry::OneAtATime, Pace::OneAtATimeForGood),
            (Retry::Resume, Pace::OneAtATimeForGood),
        ] {
            pace = pace.after(retry);
            assert_eq!(pace, next);
        }
        assert_eq!(Pace::OneAtATimeForGood.after_success(), Pace::OneAtATimeForGood);
        assert_eq!(Pace::OneAtATime.after_success(), Pace::Ahead);
    }

    #[test]
    fn a_mail_is_blamed_only_when_it_was_asked_for_alone() {
        let mail = |number| Listed { number, uidl: None, size: 1 };
        let mut pass = Pass::default();
        assert!(pass.broke_on(&mail(1), false, 40));
        assert_eq!((pass.run.refused, pass.session_mails, pass.settled.skips(&mail(1))), (0, Some(20), false));
        pass.pace = Pace::OneAtATime;
        assert!(pass.broke_on(&mail(2), true, 0));
        assert_eq!((pass.run.refused, pass.session_mails, pass.settled.skips(&mail(2))), (0, Some(1), true));
        assert!(pass.broke_on(&mail(3), false, 0));
        assert_eq!((pass.run.refused, pass.settled.skips(&mail(3))), (1, true));
    }
}
