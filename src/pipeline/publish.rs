//! Publishing and recording what was judged: a mail is finished when its own events were
//! acknowledged and the ledger has it on disk.

use super::access::Broken;
use super::failure::{Failure, FailureClass};
use super::pass::Pass;
use super::run::{Station, Worker};
use super::session::{Round, record};
use crate::auth::dns::Recorded;
use crate::config::{Mailbox, Start};
use crate::event::Event;
use crate::ledger::{Done, LedgerError, Seen, State};
use crate::message::Digest;
use crate::pop3::{Listed, Retry};
use crate::sink::{Outcome, Parcel, Record};
use crate::telemetry::{BatchPublished, Published};
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Mails published at once.
const BATCH: usize = 500;

/// A judged mail on its way to the sink.
pub(super) struct Ready {
    pub(super) listed: Listed,
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) events: Vec<Event>,
    pub(super) delivered_at: Option<DateTime<Utc>>,
    /// DNS answers to be written down.
    pub(super) answers: Option<Recorded>,
    /// Its share of what may be in flight, until its events were acknowledged.
    pub(super) _room: OwnedSemaphorePermit,
}

/// Publishes and records what was judged.
pub(super) struct Publisher {
    worker: Arc<Worker>,
    mailbox: Arc<Mailbox>,
    digests: HashMap<Digest, Seen>,
    pass: Pass,
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
            self.taken += batch.len() as u64;
            if let Err(broken) = self.take(std::mem::take(&mut batch)).await {
                self.round.broken = Some(broken);
                // Closing the channel tells the fetcher to stop.
                return;
            }
        }
    }

    async fn take(&mut self, batch: Vec<Ready>) -> Result<(), Broken> {
        let mut done: Vec<(Listed, Done)> = Vec::new();
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
                    State::Published => self.pass.run.known += 1,
                    State::BeforeStart => self.pass.run.before_start += 1,
                }
                self.pass.settled.add(ready.digest, seen);
                done.push((ready.listed.clone(), finished(&ready.listed, ready.digest, seen, now)));
            } else if self.is_before_start(&ready, now) {
                self.pass.run.before_start += 1;
                let seen = Seen { state: State::BeforeStart, at: now };
                self.pass.settled.add(ready.digest, seen);
                done.push((ready.listed.clone(), finished(&ready.listed, ready.digest, seen, now)));
            } else if let Some(others) = twins.get_mut(&ready.digest) {
                others.push(ready.listed);
            } else {
                twins.insert(ready.digest, Vec::new());
                publish.push(ready);
            }
        }
        let answers: Vec<_> = publish.iter_mut().filter_map(|r| Some((r.digest, r.answers.take()?))).collect();
        if !answers.is_empty() {
            self.worker.line.write_down(&self.mailbox.name, answers).await;
        }
        let now = self.worker.now();
        let seen = Seen { state: State::Published, at: now };
        let mut parcels: Vec<Parcel> = publish
            .iter()
            .map(|ready| {
                let twins = twins.get(&ready.digest).into_iter().flatten();
                let done = twins.chain([&ready.listed]).map(|listed| finished(listed, ready.digest, seen, now));
                Parcel { records: self.worker.records(&ready.events), done: done.collect() }
            })
            .collect();
        parcels.push(Parcel { records: Vec::new(), done: done.iter().map(|(_, d)| d.clone()).collect() });
        let begun = tokio::time::Instant::now();
        let outcomes = self.worker.sink.deliver(&self.mailbox.name, parcels).await;
        // The last parcel is no mail's: what was known before and is only remembered.
        let remembered = outcomes.get(publish.len()).cloned();
        let mails = outcomes.get(..publish.len()).unwrap_or_default();
        BatchPublished { took: begun.elapsed(), outcomes: mails }.tell(&self.worker.metrics);
        if !mails.is_empty() {
            self.worker.tell(|o| o.took(Station::Publish, begun.elapsed()));
        }
        let mut failure = None;
        for (ready, outcome) in publish.iter().zip(outcomes) {
            let others = twins.remove(&ready.digest).unwrap_or_default();
            match outcome {
                Outcome::Published => {
                    let run = &mut self.pass.run;
                    run.published += 1;
                    run.known += others.len() as u64;
                    if let Some(auth) = ready.events.first().and_then(|e| e.data.auth.as_ref()) {
                        run.auth.note(auth);
                    }
                    let Ready { events, delivered_at, .. } = ready;
                    Published { mailbox: &self.mailbox.name, events, delivered_at: *delivered_at, now }
                        .tell(&self.worker.metrics);
                    self.worker.tell(|o| o.published(&ready.events));
                    for event in &ready.events {
                        *run.events.entry(event.data.verdict.kind()).or_default() += 1;
                    }
                    self.pass.settled.add(ready.digest, seen);
                    for listed in others.into_iter().chain([ready.listed.clone()]) {
                        let record = finished(&listed, ready.digest, seen, now);
                        done.push((listed, record));
                    }
                }
                Outcome::Refused(reason) => {
                    self.pass.run.refused += 1 + others.len() as u64;
                    for mail in others.iter().chain([&ready.listed]) {
                        self.pass.settled.leave(mail);
                    }
                    tracing::error!(
                        mailbox = %self.mailbox.name, digest = %ready.digest, octets = ready.size, %reason,
                        "the events of a mail cannot be published: it stays in the mailbox"
                    );
                }
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
        let entries: Vec<Done> = done.iter().map(|(_, d)| d.clone()).collect();
        self.round.recorded.extend(entries.iter().filter_map(|d| d.uidl.clone()));
        if !self.worker.sink.is_ledger() {
            record(&self.worker, &self.mailbox, entries).await?;
        }
        self.round
            .finished
            .extend(done.into_iter().filter(|(_, d)| d.state == State::Published).map(|(listed, d)| (listed, d.at)));
        failure.map_or(Ok(()), Err)
    }

    fn is_before_start(&self, ready: &Ready, now: DateTime<Utc>) -> bool {
        match self.mailbox.start {
            Start::Since(date) => ready.delivered_at.unwrap_or(now).date_naive() < date,
            Start::Now => self.pass.starts_now,
            Start::All => false,
        }
    }
}

/// What an outcome that is none of a single mail means for the session.
fn broken_by(outcome: Outcome) -> Option<Broken> {
    match outcome {
        Outcome::Published => None,
        Outcome::Failed(reason) | Outcome::Refused(reason) => Some(kafka_failed(&reason, Retry::No)),
        Outcome::Lost(reason) => Some(kafka_failed(&reason, Retry::Later)),
        Outcome::Fenced(reason) => Some(Failure::from(LedgerError::Fenced { reason }).into()),
    }
}

fn kafka_failed(reason: &str, retry: Retry) -> Broken {
    let message = format!("Kafka does not take events ({reason}): what was not acknowledged stays in the mailbox");
    Broken { failure: Failure { class: FailureClass::Kafka, message }, retry }
}

fn finished(listed: &Listed, digest: Digest, seen: Seen, now: DateTime<Utc>) -> Done {
    Done {
        uidl: listed.uidl.clone(),
        digest: Some(digest),
        listed_size: listed.size,
        state: seen.state,
        at: seen.at,
        seen: now,
    }
}

impl Worker {
    /// The records of one mail's events.
    #[must_use]
    pub fn records(&self, events: &[Event]) -> Vec<Record> {
        let topic = |event: &Event| self.topics.of_event(&event.data.mailbox.id, event.data.verdict.kind());
        events.iter().map(|event| self.encoder.event(topic(event), event)).collect()
    }
}
