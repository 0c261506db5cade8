//! One pass over one mailbox: sessions until nothing is left.
//!
//! In a session three stations work side by side: the connection is read, what was read is judged, what was
//! judged is published and recorded. Mail between socket and judgement is bounded in octets for
//! all mailboxes together, judged mail in number. Only mails whose own events were acknowledged
//! and recorded are deleted, and only QUIT makes that final; what then became of it, the next
//! UIDL tells.
//!
//! A session that breaks is followed by another, which goes on with what is left. Where the server lost its way, or
//! two sessions broke in a row, the next asks for one mail at a time: only then is it certain on which mail a
//! connection breaks. That mail is left for the next run, so that it does not keep the others from coming. Failures
//! that may pass are tried again after pauses that double.

use super::access::Broken;
use super::failure::Failure;
use super::line::Place;
use super::run::Worker;
use super::session::session;
use crate::config::{Limits, Mailbox};
use crate::event::run::MailboxRun;
use crate::pop3::{Listed, Retry};
use backon::BackoffBuilder;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Pauses between two tries grow no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What holds for a whole pass, however many sessions it takes.
#[derive(Default)]
pub(super) struct Pass {
    pub(super) run: MailboxRun,
    /// UIDLs that the server or the sink refused: they are left for the next run.
    pub(super) refused: HashSet<String>,
    /// Whether this is the first pass over a mailbox with `start: now`.
    pub(super) starts_now: bool,
    /// The mailbox was listed once.
    pub(super) begun: bool,
    pub(super) pace: Pace,
    /// UIDLs of what this pass has published.
    pub(super) published: HashSet<String>,
}

/// How the next session asks for mails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Pace {
    /// Many ahead.
    #[default]
    Ahead,
    /// The same, although the session before broke: networks do.
    AheadAgain,
    /// One at a time.
    OneByOne,
}

impl Pass {
    /// Mails that no further session has to publish.
    pub(super) fn progress(&self) -> u64 {
        self.run.published + self.run.before_start + self.run.refused + self.run.deleted
    }

    /// A mail that was published earlier. One of this very pass, fetched again after a broken connection, is counted
    /// already.
    pub(super) fn count_known(&mut self, mail: &Listed) {
        if !mail.uidl.as_ref().is_some_and(|uidl| self.published.contains(uidl)) {
            self.run.known += 1;
        }
    }

    /// The connection broke while this mail was next. With others asked for ahead it may have been any of them: a
    /// reset throws away what was received and not yet read.
    pub(super) fn broke_on(&mut self, uidl: String) {
        if self.pace == Pace::OneByOne {
            tracing::warn!(
                mailbox = %self.run.id,
                "the connection broke again, on one mail: it stays in the mailbox, and the others go on"
            );
            self.refused.insert(uidl);
            self.run.refused += 1;
        }
    }
}

/// Takes one mailbox through the line. What went wrong is in the second value; the first says
/// what was done all the same.
pub async fn pass(worker: &Arc<Worker>, mailbox: &Arc<Mailbox>) -> (MailboxRun, Option<Failure>) {
    let started = tokio::time::Instant::now();
    let run = MailboxRun { id: mailbox.name.clone(), ..MailboxRun::default() };
    let mut pass = Pass { run, ..Pass::default() };
    let failure = sessions(worker, mailbox, &mut pass).await.err();
    let mut run = pass.run;
    run.failure = failure.as_ref().map(|f| f.message.clone());
    run.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    (run, failure)
}

/// Sessions until nothing is left to fetch: each one's deletes are committed before the next.
async fn sessions(worker: &Arc<Worker>, mailbox: &Arc<Mailbox>, pass: &mut Pass) -> Result<(), Failure> {
    let place = Arc::new(Place::of(mailbox, &worker.config));
    let limits = &worker.config.limits;
    let mut pauses = pauses(limits);
    while !worker.is_stopping() {
        let before = pass.progress();
        match session(worker, mailbox, &place, pass).await {
            Ok(true) => {
                if pass.pace == Pace::AheadAgain {
                    pass.pace = Pace::Ahead;
                }
                pauses = self::pauses(limits);
            }
            Ok(false) => break,
            Err(Broken { failure, retry }) => {
                pass.pace = match (retry, pass.pace) {
                    (Retry::No, _) => return Err(failure),
                    (Retry::OneAtATime, _) | (Retry::Resume, Pace::AheadAgain) | (_, Pace::OneByOne) => Pace::OneByOne,
                    (Retry::Resume, Pace::Ahead) => Pace::AheadAgain,
                    (Retry::Later, pace) => pace,
                };
                if pass.progress() > before {
                    pauses = self::pauses(limits);
                }
                let Some(pause) = pauses.next() else { return Err(failure) };
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
