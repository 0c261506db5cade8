//! One run: a pass over every mailbox, several at once, and its summary.

use super::access::Access;
use super::failure::{Failure, FailureClass};
use super::line::Line;
use super::pass::pass;
use crate::archive::{Archive, ArchiveError, Swept};
use crate::config::{Config, Guards, Limits, Mailbox, Mode};
use crate::event::run::{DnsRun, EndedEarly, MailboxRun, RunData};
use crate::event::{Event, Kind, RunEvent};
use crate::ledger::Ledger;
use crate::message::Digest;
use crate::sink::{Encoder, Outcome, Sink, Topics};
use crate::telemetry::{Metrics, PassEnded};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{AcquireError, Notify, OwnedSemaphorePermit, Semaphore};

/// Octets per permit: semaphores count in u32.
const UNIT: u64 = 1_024;

/// Octets that a mail takes besides its own until it is acknowledged: its events, its records, its header.
const BESIDES: u64 = 8 * 1_024;

/// What runs share that may overlap: room for mails, the number of mailboxes at once, the way to the mailboxes.
#[derive(Clone)]
pub struct Shared {
    memory: Arc<Semaphore>,
    units: u32,
    mailboxes: Arc<Semaphore>,
    access: Arc<Access>,
}

impl Shared {
    /// As much as these limits allow.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let permits = |n: usize| Arc::new(Semaphore::new(n.min(Semaphore::MAX_PERMITS)));
        let units = u32::try_from(limits.in_flight.0 / UNIT).unwrap_or(u32::MAX).max(1);
        Self {
            memory: permits(usize::try_from(units).unwrap_or(usize::MAX)),
            units,
            mailboxes: permits(limits.mailboxes_at_once.max(1)),
            access: Arc::default(),
        }
    }
}

/// Where a run spends its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Station {
    /// Connection, TLS and login.
    Enter,
    /// Waiting for the server's mails.
    Fetch,
    /// Parsing, authentication with its DNS, classification, correlation.
    Judge,
    /// Until Kafka has acknowledged.
    Publish,
}

impl Station {
    /// The name for a person.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enter => "connect and log in",
            Self::Fetch => "fetch",
            Self::Judge => "judge",
            Self::Publish => "publish",
        }
    }
}

/// Who watches a run, for a report on it.
pub trait Observer: Send + Sync {
    /// A mail's events were acknowledged.
    fn published(&self, events: &[Event]);
    /// A station took so long with one session, mail or batch.
    fn took(&self, station: Station, time: Duration);
}

/// What every pass of a run shares.
pub struct Worker {
    pub config: Config,
    pub line: Line,
    pub sink: Arc<dyn Sink>,
    pub ledger: Arc<dyn Ledger>,
    /// Where the raw mails are kept, if anywhere.
    pub archive: Option<Archive>,
    pub topics: Topics,
    /// How events become records.
    pub encoder: Encoder,
    /// Events go to the sink; nothing is recorded or deleted.
    pub dry_run: bool,
    /// Mails that became dead letters are tried again.
    pub retry_dead_letters: bool,
    shared: Shared,
    /// The way to the mailboxes.
    pub access: Arc<Access>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who watches.
    observer: Option<Arc<dyn Observer>>,
    stopping: AtomicBool,
    out_of_time: AtomicBool,
    allow_deletes: bool,
    stop: Notify,
    clock: fn() -> DateTime<Utc>,
}

impl Worker {
    /// A worker for one run; `clock` says what time it is.
    #[must_use]
    pub fn new(
        config: Config,
        line: Line,
        sink: Arc<dyn Sink>,
        ledger: Arc<dyn Ledger>,
        dry_run: bool,
        clock: fn() -> DateTime<Utc>,
    ) -> Self {
        let shared = Shared::new(&config.limits);
        // A dry run writes no records but lines, and a line is a whole event.
        let encoder = Encoder::new(if dry_run { Mode::Structured } else { config.kafka.mode });
        let topics = Topics::of(&config);
        Self {
            config,
            line,
            sink,
            ledger,
            archive: None,
            topics,
            encoder,
            dry_run,
            retry_dead_letters: false,
            access: Arc::clone(&shared.access),
            shared,
            metrics: Arc::new(Metrics::new("", clock())),
            observer: None,
            stopping: AtomicBool::new(false),
            out_of_time: AtomicBool::new(false),
            allow_deletes: false,
            stop: Notify::new(),
            clock,
        }
    }

    /// The same, counting here.
    #[must_use]
    pub fn counting(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..self }
    }

    /// The same, keeping the raw mails here.
    #[must_use]
    pub fn archiving(self, archive: Option<Archive>) -> Self {
        Self { archive, ..self }
    }

    /// The same; with `true` guards do not hold: a person has looked.
    #[must_use]
    pub fn allowing_deletes(self, allow_deletes: bool) -> Self {
        Self { allow_deletes, ..self }
    }

    /// The guards that hold.
    pub(super) fn guards(&self) -> Option<&Guards> {
        (!self.allow_deletes && !self.dry_run).then_some(&self.config.guards)
    }

    /// The same, and mails that became dead letters are tried again.
    #[must_use]
    pub fn retrying_dead_letters(self, retry: bool) -> Self {
        Self { retry_dead_letters: retry, ..self }
    }

    /// The same, watched.
    #[must_use]
    pub fn watched(self, observer: Option<Arc<dyn Observer>>) -> Self {
        Self { observer, ..self }
    }

    /// Tells who watches, if anybody does.
    pub(super) fn tell(&self, what: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.observer {
            what(&**observer);
        }
    }

    /// The same, beside other runs.
    #[must_use]
    pub fn beside(self, shared: &Shared) -> Self {
        Self { access: Arc::clone(&shared.access), shared: shared.clone(), ..self }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// Asks every pass to finish what it has fetched, commit and end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.stop.notify_waiters();
    }

    /// Ends the run as [`Self::stop`] does: its time is up.
    pub fn end_in_time(&self) {
        self.out_of_time.store(true, Ordering::Relaxed);
        self.stop();
    }

    /// Waits until [`Self::stop`] is called.
    pub(super) async fn stopped(&self) {
        loop {
            let stopped = self.stop.notified();
            if self.is_stopping() {
                return;
            }
            stopped.await;
        }
    }

    /// Whether [`Self::stop`] was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Waits for room for a mail of about `octets`. What a mail has more than its server said is
    /// bounded by the largest mail for each connection.
    pub(super) async fn room(&self, octets: u64) -> Result<OwnedSemaphorePermit, AcquireError> {
        let octets = octets.min(self.config.limits.message_size.0) + BESIDES;
        let units = u32::try_from(octets.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, self.shared.units);
        Arc::clone(&self.shared.memory).acquire_many_owned(units).await
    }
}

/// What a run did.
#[derive(Debug)]
pub struct RunReport {
    pub run_id: String,
    pub mailboxes: Vec<MailboxRun>,
    /// By mailbox name; `kafka` for the summary event.
    pub failures: Vec<(String, Failure)>,
    pub started_at: DateTime<Utc>,
    pub ended_at: DateTime<Utc>,
    /// What name resolution did.
    pub dns: DnsRun,
    /// Mails that were removed from the archive because they are old.
    pub archive_removed: u64,
    /// Why not everything was done, where that was no failure.
    pub ended_early: Option<EndedEarly>,
}

impl RunReport {
    /// The failure class that decides the exit code; `None` when all went well.
    #[must_use]
    pub fn worst(&self) -> Option<FailureClass> {
        let refused = self.mailboxes.iter().any(|m| m.refused > 0).then_some(FailureClass::Temporary);
        self.failures.iter().map(|(_, f)| f.class).chain(refused).min()
    }

    /// Events published, by kind.
    #[must_use]
    pub fn events(&self) -> BTreeMap<Kind, u64> {
        let mut out = BTreeMap::new();
        for (kind, count) in self.mailboxes.iter().flat_map(|m| &m.events) {
            *out.entry(*kind).or_default() += count;
        }
        out
    }
}

/// Passes over these mailboxes, `limits.mailboxes_at_once` at a time. A mailbox that fails leaves
/// the others alone.
pub async fn run(worker: &Arc<Worker>, mailboxes: Vec<Arc<Mailbox>>) -> RunReport {
    let started_at = worker.now();
    let at_once = worker.config.limits.mailboxes_at_once;
    let mut results: Vec<(usize, MailboxRun, Option<Failure>)> =
        futures_util::stream::iter(mailboxes.into_iter().enumerate())
            .map(|(at, mailbox)| {
                let (worker, counted) = (Arc::clone(worker), Arc::clone(worker));
                async move {
                    let name = mailbox.name.clone();
                    // Closed by nobody: an error would only mean one mailbox more at once.
                    let _place = Arc::clone(&worker.shared.mailboxes).acquire_owned().await;
                    let task = tokio::spawn(async move { pass(&worker, &mailbox).await });
                    let (at, run, failure) = match task.await {
                        Ok((run, failure)) => (at, run, failure),
                        Err(error) => {
                            let message = format!("the pass ended by a fault of this program: {error}");
                            let failure = Failure { class: FailureClass::Internal, message: message.clone() };
                            (
                                at,
                                MailboxRun { id: name, failure: Some(message), ..MailboxRun::default() },
                                Some(failure),
                            )
                        }
                    };
                    let dry_run = counted.dry_run;
                    PassEnded { run: &run, failure: failure.as_ref(), dry_run, now: counted.now() }
                        .tell(&counted.metrics);
                    (at, run, failure)
                }
            })
            .buffer_unordered(at_once)
            .collect()
            .await;
    results.sort_by_key(|(at, ..)| *at);
    let mut report = RunReport {
        run_id: worker.line.run_id().to_owned(),
        mailboxes: Vec::new(),
        failures: Vec::new(),
        started_at,
        ended_at: worker.now(),
        dns: worker.line.dns_counts(),
        archive_removed: 0,
        ended_early: None,
    };
    for (_, run, failure) in results {
        if let Some(failure) = failure {
            report.failures.push((run.id.clone(), failure));
        }
        report.mailboxes.push(run);
    }
    if report.mailboxes.iter().any(|mailbox| mailbox.unfinished) {
        let in_time = worker.out_of_time.load(Ordering::Relaxed);
        report.ended_early = Some(if in_time { EndedEarly::RunTime } else { EndedEarly::Stopped });
    }
    match worker.sweep_archive(report.ended_at).await {
        Ok(swept) => report.archive_removed = swept.removed,
        // The mails were published all the same, and the next run looks again.
        Err(error) => report.failures.push(("archive".to_owned(), error.into())),
    }
    report.ended_at = worker.now();
    report
}

impl Worker {
    /// Removes from the archive what is older than its retention; a run that is to end leaves that to the next.
    async fn sweep_archive(&self, now: DateTime<Utc>) -> Result<Swept, ArchiveError> {
        let retention = self.config.archive.as_ref().and_then(|setting| setting.retention);
        let before = retention.and_then(|span| now.checked_sub_signed(TimeDelta::from_std(span.0).ok()?));
        let (Some(archive), Some(before), false) = (&self.archive, before, self.dry_run || self.is_stopping()) else {
            return Ok(Swept::default());
        };
        let digest = Digest::of(self.line.run_id().as_bytes());
        archive.sweep(before, digest.0.first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default()).await
    }

    /// Publishes the summary of a run that ends with `exit_code`.
    ///
    /// # Errors
    /// When the sink does not take it.
    pub async fn publish_summary(&self, report: &RunReport, exit_code: u8) -> Result<(), Failure> {
        let data = RunData {
            schema_version: crate::event::SCHEMA_VERSION.to_owned(),
            run_id: self.line.run_id().to_owned(),
            worker_version: env!("CARGO_PKG_VERSION").to_owned(),
            ruleset_version: self.line.rules().version().to_owned(),
            started_at: report.started_at,
            ended_at: report.ended_at,
            ended_early: report.ended_early,
            exit_code,
            mailboxes: report.mailboxes.clone(),
            events: report.events(),
            dns: report.dns,
            archive_removed: report.archive_removed,
        };
        let event = RunEvent::of_run(self.line.type_prefix(), data);
        let record = self.encoder.run(self.topics.of_run(), &event);
        let reason = match self.sink.publish(vec![vec![record]]).await.pop() {
            Some(Outcome::Published) | None => return Ok(()),
            Some(Outcome::Refused(refusal)) => refusal.detail,
            Some(Outcome::Failed(reason) | Outcome::Lost(reason) | Outcome::Fenced(reason)) => reason,
        };
        let message = format!("the run's summary could not be published: {reason}");
        Err(Failure { class: FailureClass::Kafka, message })
    }
}
