//! Publishing and recording what was judged: a mail is finished when its own events were
//! acknowledged and the ledger has it on disk.

use super::access::Broken;
use super::failure::{Failure, FailureClass};
use super::pass::Pass;
use super::run::{Station, Worker};
use super::session::{Finished, Round, record};
use crate::archive::ArchiveError;
use crate::auth::dns::Recorded;
use crate::config::{Mailbox, Start};
use crate::event::{AddressMode, DeadReason, Event, Kind};
use crate::ledger::{Done, LedgerError, Seen, State};
use crate::message::{Digest, RawMail};
use crate::pop3::{Listed, Retry};
use crate::sink::{Outcome, Parcel, Record, Refusal};
use crate::telemetry::{BatchPublished, Published};
use chrono::{DateTime, Utc};
use futures_util::{FutureExt, StreamExt};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Mails published at once.
const BATCH: usize = 500;
/// How long a transaction waits for more mails: about what the brokers take for one, however many it holds.
const GATHERED: Duration = Duration::from_millis(25);
/// Mails written to the archive side by side: most of the time is spent waiting for the disk.
const ARCHIVED_AT_ONCE: usize = 16;

/// A judged mail on its way to the sink.
pub(super) struct Ready {
    pub(super) listed: Listed,
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// The beginning of its headers, where a dead letter may need them.
    pub(super) head: Vec<u8>,
    pub(super) events: Vec<Event>,
    /// The events as they are sent, or why they cannot be: made with them, side by side with those of other mails.
    pub(super) records: Result<Vec<Record>, Refusal>,
    pub(super) delivered_at: Option<DateTime<Utc>>,
    /// The mail itself, where it is to be archived.
    pub(super) raw: Option<RawMail>,
    /// The mailbox should have an archive's copy of it before it is deleted, and cannot.
    pub(super) only_copy: bool,
    /// DNS answers to be written down.
    pub(super) answers: Option<Recorded>,
    /// Its share of what may be in flight, until its events were acknowledged.
    pub(super) _room: OwnedSemaphorePermit,
}

impl Ready {
    /// A mail with these octets is through.
    pub(super) fn finished(&self, listed: Listed, seen: Seen) -> Finished {
        let unclassified = self.events.iter().any(|event| event.data.verdict.kind() == Kind::Unclassified);
        Finished { listed, published_at: seen.at, unclassified, only_copy: self.only_copy }
    }
}

/// Publishes and records what was judged.
pub(super) struct Publisher {
    pub(super) worker: Arc<Worker>,
    pub(super) mailbox: Arc<Mailbox>,
    digests: HashMap<Digest, Seen>,
    pub(super) pass: Pass,
    round: Round,
    /// Mails that came.
    taken: u64,
}

impl Publisher {
    pub(super) fn new(worker: Arc<Worker>, mailbox: Arc<Mailbox>, digests: HashMap<Digest, Seen>, pass: Pass) -> Self {
        Self { worker, mailbox, digests, pass, round: Round::default(), taken: 0 }
    }

    /// What was counted, what became of the mails, and how many there were.
    pub(super) fn finish(self) -> (Pass, Round, u64) {
        (self.pass, self.round, self.taken)
    }

    pub(super) async fn take_all(&mut self, mut judged: mpsc::Receiver<Ready>) {
        let mut batch = Vec::new();
        while judged.recv_many(&mut batch, BATCH).await > 0 {
            if self.worker.sink.is_ledger() {
                gather(&mut batch, &mut judged).await;
            }
            self.taken += batch.len() as u64;
            if let Err(broken) = self.take(std::mem::take(&mut batch)).await {
                self.round.broken = Some(broken);
                // Closing the channel tells the fetcher to stop.
                return;
            }
        }
    }

    async fn take(&mut self, batch: Vec<Ready>) -> Result<(), Broken> {
        let mut done: Vec<(Finished, Done)> = Vec::new();
        let mut publish: Vec<Ready> = Vec::new();
        let mut twins: HashMap<Digest, Vec<Listed>> = HashMap::new();
        for ready in batch {
            let now = self.worker.now();
            let earlier = self.pass.settled.get(&ready.digest);
            if let Some(seen) = earlier.map(|(seen, _)| seen).or_else(|| self.digests.get(&ready.digest).copied()) {
                // Byte-identical mails in one mailbox are one mail. One that an earlier session of this pass had is
                // counted already.
                match seen.state {
                    _ if earlier.is_some_and(|(_, in_an_earlier_session)| in_an_earlier_session) => {}
                    State::Published | State::DeadLetter => self.pass.run.known += 1,
                    State::BeforeStart => self.pass.run.before_start += 1,
                }
                self.pass.settled.add(ready.digest, seen);
                done.push((
                    ready.finished(ready.listed.clone(), seen),
                    finished(&ready.listed, ready.digest, seen, now),
                ));
            } else if self.is_before_start(&ready, now) {
                self.pass.run.before_start += 1;
                let seen = Seen { state: State::BeforeStart, at: now };
                self.pass.settled.add(ready.digest, seen);
                done.push((
                    ready.finished(ready.listed.clone(), seen),
                    finished(&ready.listed, ready.digest, seen, now),
                ));
            } else if let Some(others) = twins.get_mut(&ready.digest) {
                others.push(ready.listed);
            } else {
                twins.insert(ready.digest, Vec::new());
                publish.push(ready);
            }
        }
        // Before anybody can read of it, and so before anything can be deleted.
        self.archive(&mut publish).await?;
        let answers: Vec<_> = publish.iter_mut().filter_map(|r| Some((r.digest, r.answers.take()?))).collect();
        if !answers.is_empty() {
            self.worker.line.write_down(&self.mailbox.name, answers).await;
        }
        let now = self.worker.now();
        let seen = Seen { state: State::Published, at: now };
        let mut refused: Vec<Dead> = Vec::new();
        let mut parcels: Vec<Parcel> = Vec::with_capacity(publish.len() + 1);
        let mut sent: Vec<(Ready, Vec<u64>)> = Vec::with_capacity(publish.len());
        for mut ready in publish {
            let records = match std::mem::replace(&mut ready.records, Ok(Vec::new())) {
                Ok(records) => records,
                Err(refusal) => {
                    refused.push(Dead { ready, octets: Vec::new(), refusal });
                    continue;
                }
            };
            let twins = twins.get(&ready.digest).into_iter().flatten();
            let done = twins.chain([&ready.listed]).map(|listed| finished(listed, ready.digest, seen, now)).collect();
            sent.push((ready, records.iter().map(|record| record.value.len() as u64).collect()));
            parcels.push(Parcel { records, done });
        }
        parcels.push(Parcel { records: Vec::new(), done: done.iter().map(|(_, d)| d.clone()).collect() });
        let begun = tokio::time::Instant::now();
        let outcomes = self.worker.sink.deliver(&self.mailbox.name, parcels).await;
        // The last parcel is no mail's: what was known before and is only remembered.
        let remembered = outcomes.get(sent.len()).cloned();
        let mails = outcomes.get(..sent.len()).unwrap_or_default();
        BatchPublished { took: begun.elapsed(), outcomes: mails }.tell(&self.worker.metrics);
        if !mails.is_empty() {
            self.worker.tell(|o| o.took(Station::Publish, begun.elapsed()));
        }
        let mut failure = None;
        let tried = sent.len() + refused.len();
        for ((ready, octets), outcome) in sent.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Published => {
                    let others = twins.remove(&ready.digest).unwrap_or_default();
                    let run = &mut self.pass.run;
                    run.published += 1;
                    run.known += others.len() as u64;
                    if let Some(auth) = ready.events.first().and_then(|e| e.data.auth.as_ref()) {
                        run.auth.note(auth);
                    }
                    let Ready { ref events, delivered_at, .. } = ready;
                    Published { mailbox: &self.mailbox.name, events, delivered_at, now }.tell(&self.worker.metrics);
                    self.worker.tell(|o| o.published(events));
                    for event in events {
                        *run.events.entry(event.data.verdict.kind()).or_default() += 1;
                    }
                    self.pass.settled.add(ready.digest, seen);
                    for listed in others.into_iter().chain([ready.listed.clone()]) {
                        let record = finished(&listed, ready.digest, seen, now);
                        done.push((ready.finished(listed, seen), record));
                    }
                }
                Outcome::Refused(refusal) => refused.push(Dead { ready, octets, refusal }),
                other => failure = broken_by(other),
            }
        }
        if failure.is_none() {
            failure = remembered.and_then(broken_by);
        }
        // Where events and ledger are one step, a step that failed has recorded nothing.
        if self.worker.sink.is_ledger()
            && let Some(broken) = failure
        {
            return Err(broken);
        }
        if tried > refused.len() {
            self.pass.refused_in_a_row = 0;
        }
        if failure.is_none() && !refused.is_empty() {
            let buried = self.bury(refused, tried, &mut twins).await;
            failure = buried.broken;
            done.extend(buried.done);
        }
        let entries: Vec<Done> = done.iter().map(|(_, d)| d.clone()).collect();
        self.round.recorded.extend(entries.iter().filter_map(|d| d.uidl.clone()));
        if !self.worker.sink.is_ledger() {
            record(&self.worker, &self.mailbox, entries).await?;
        }
        let due = done.into_iter().filter(|(_, d)| self.mailbox.may_delete(d.state));
        self.round.finished.extend(due.map(|(finished, _)| finished));
        failure.map_or(Ok(()), Err)
    }

    /// Keeps the raw mails, a few side by side.
    async fn archive(&mut self, mails: &mut [Ready]) -> Result<(), ArchiveError> {
        let Some(archive) = &self.worker.archive else { return Ok(()) };
        let mailbox = &self.mailbox.name;
        let mut writing = Vec::with_capacity(mails.len());
        for mail in mails {
            if let Some(raw) = mail.raw.take() {
                writing.push(archive.keep(mailbox, raw, mail.answers.as_ref()).boxed());
            }
        }
        let mut kept = futures_util::stream::iter(writing).buffer_unordered(ARCHIVED_AT_ONCE);
        while let Some(result) = kept.next().await {
            result?;
            self.pass.run.archived += 1;
        }
        Ok(())
    }

    fn is_before_start(&self, ready: &Ready, now: DateTime<Utc>) -> bool {
        match self.mailbox.start {
            Start::Since(date) => ready.delivered_at.unwrap_or(now).date_naive() < date,
            Start::Now => self.pass.starts_now,
            Start::All => false,
        }
    }
}

/// Waits a little for the mails that are about to come.
async fn gather(batch: &mut Vec<Ready>, judged: &mut mpsc::Receiver<Ready>) {
    let until = tokio::time::Instant::now() + GATHERED;
    while batch.len() < BATCH {
        let more = judged.recv_many(batch, BATCH - batch.len());
        if !matches!(tokio::time::timeout_at(until, more).await, Ok(1..)) {
            break;
        }
    }
}

/// What an outcome that is none of a single mail means for the session.
pub(super) fn broken_by(outcome: Outcome) -> Option<Broken> {
    match outcome {
        Outcome::Published => None,
        Outcome::Refused(refusal) => Some(kafka_failed(&refusal.detail, Retry::No)),
        Outcome::Failed(reason) => Some(kafka_failed(&reason, Retry::No)),
        Outcome::Lost(reason) => Some(kafka_failed(&reason, Retry::Later)),
        Outcome::Fenced(reason) => Some(Failure::from(LedgerError::Fenced { reason }).into()),
    }
}

pub(super) fn kafka_failed(reason: &str, retry: Retry) -> Broken {
    let message = format!("Kafka does not take events ({reason}): what was not acknowledged stays in the mailbox");
    Broken { failure: Failure { class: FailureClass::Kafka, message }, retry }
}

pub(super) fn finished(listed: &Listed, digest: Digest, seen: Seen, now: DateTime<Utc>) -> Done {
    Done {
        uidl: listed.uidl.clone(),
        digest: Some(digest),
        listed_size: listed.size,
        state: seen.state,
        at: seen.at,
        seen: now,
    }
}

/// A mail whose events cannot be published.
pub(super) struct Dead {
    pub(super) ready: Ready,
    /// Octets of each event's record, as far as they were made.
    pub(super) octets: Vec<u64>,
    pub(super) refusal: Refusal,
}

impl Worker {
    /// The records of one mail's events.
    ///
    /// # Errors
    /// When one cannot be published as it is.
    pub fn records(&self, events: &[Event]) -> Result<Vec<Record>, Refusal> {
        let record = |event: &Event| {
            keeps_its_promises(event)?;
            let topic = self.topics.of_event(&event.data.mailbox.id, event.data.verdict.kind());
            Ok(self.encoder.event(topic, event))
        };
        events.iter().map(record).collect()
    }
}

/// An event that breaks a promise of its schema is better missing, and spoken of.
fn keeps_its_promises(event: &Event) -> Result<(), Refusal> {
    let data = &event.data;
    let in_clear = [&data.sender, &data.recipient].into_iter().flatten().any(|party| party.address.is_some());
    if in_clear && data.privacy.addresses != AddressMode::Clear {
        let detail = "an event holds an address that its privacy withholds".to_owned();
        return Err(Refusal { reason: DeadReason::InvalidEvent, detail });
    }
    Ok(())
}
