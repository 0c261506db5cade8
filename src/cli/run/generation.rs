//! A configuration in force: its groups of mailboxes, and what their runs share.

use super::health::Health;
use crate::classify::Rules;
use crate::cli::Exit;
use crate::cli::poll::{ledger, one_run, sink, worker};
use crate::cli::setup::Setup;
use crate::config::{Config, Mailbox};
use crate::ledger::Ledger;
use crate::pipeline::{Failure, FailureClass, Shared, Worker};
use crate::schedule::Timing;
use crate::sink::Sink;
use crate::telemetry::{Metrics, RunEnded, TicksMissed};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The wall's clock is looked at so often while waiting: it may be set, and a machine may sleep.
const LOOK: Duration = Duration::from_secs(20);

/// How a group ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nobody needs it any more.
    Stopped,
    /// Another worker has taken over.
    TakenOver,
}

/// Mailboxes that are polled together.
struct Group {
    timing: Timing,
    mailboxes: Vec<Arc<Mailbox>>,
}

/// A configuration in force.
pub(super) struct Generation {
    config: Config,
    rules: Arc<Rules>,
    groups: Vec<Group>,
    shared: Shared,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    /// Opened when first needed; closed when Kafka failed, so that the next run has a fresh producer. With it the
    /// ledger, where Kafka keeps it too.
    sink: tokio::sync::Mutex<Option<(Arc<dyn Sink>, Option<Arc<dyn Ledger>>)>>,
    ledger: tokio::sync::Mutex<Option<Arc<dyn Ledger>>>,
    under_way: Mutex<Vec<Arc<Worker>>>,
    ticks: Mutex<BTreeMap<usize, DateTime<Utc>>>,
    stop: watch::Sender<bool>,
}

impl Generation {
    pub(super) fn new(setup: Setup, metrics: Arc<Metrics>, health: Arc<Health>) -> Self {
        let Setup { config, mailboxes, rules } = setup;
        let mut groups: Vec<Group> = Vec::new();
        for mailbox in mailboxes {
            let timing = config.timing(&mailbox);
            match groups.iter_mut().find(|g| g.timing == timing) {
                Some(group) => group.mailboxes.push(mailbox),
                None => groups.push(Group { timing, mailboxes: vec![mailbox] }),
            }
        }
        Self {
            shared: Shared::new(&config.limits),
            config,
            rules,
            groups,
            metrics,
            health,
            sink: tokio::sync::Mutex::default(),
            ledger: tokio::sync::Mutex::default(),
            under_way: Mutex::default(),
            ticks: Mutex::default(),
            stop: watch::Sender::new(false),
        }
    }

    /// Opens Kafka and the ledger where they are not open yet.
    pub(super) async fn open(&self) -> Result<(Arc<dyn Sink>, Arc<dyn Ledger>), Failure> {
        let opened = self.open_both().await;
        match &opened {
            Ok(_) => self.health.ready(),
            Err(failure) => self.health.unready(&failure.message),
        }
        opened
    }

    async fn open_both(&self) -> Result<(Arc<dyn Sink>, Arc<dyn Ledger>), Failure> {
        let mut kept = self.sink.lock().await;
        let (to, its_ledger) = match &*kept {
            Some(both) => both.clone(),
            None => kept.insert(sink(&self.config, &self.metrics).await?).clone(),
        };
        drop(kept);
        if let Some(ledger) = its_ledger {
            return Ok((to, ledger));
        }
        let mut kept = self.ledger.lock().await;
        let by = match &*kept {
            Some(ledger) => Arc::clone(ledger),
            None => Arc::clone(kept.insert(ledger(&self.config, false)?)),
        };
        Ok((to, by))
    }

    /// Starts every group; `at_once`: with a run before its first tick.
    pub(super) fn start(self: &Arc<Self>, at_once: bool) -> JoinSet<Ended> {
        let mut tasks = JoinSet::new();
        for number in 0..self.groups.len() {
            let generation = Arc::clone(self);
            tasks.spawn(async move { generation.group(number, at_once).await });
        }
        tasks
    }

    /// Ends every group, and the runs under way cleanly; `true` when there were any.
    pub(super) fn stop(&self) -> bool {
        self.stop.send_replace(true);
        let under_way = lock(&self.under_way);
        if !under_way.is_empty() {
            tracing::info!("stopping: what was fetched is finished, the rest stays for the next run");
        }
        under_way.iter().for_each(|worker| worker.stop());
        !under_way.is_empty()
    }

    /// One group: from tick to tick.
    async fn group(&self, number: usize, at_once: bool) -> Ended {
        let Some(group) = self.groups.get(number) else { return Ended::Stopped };
        let mut stopped = self.stop.subscribe();
        let now = Utc::now();
        let (mut tick, mut start) = if at_once {
            (Some(now), now)
        } else {
            let tick = group.timing.next_after(now);
            (tick, tick.map_or(now, |tick| group.timing.start(tick, chance())))
        };
        while let Some(due) = tick {
            self.note_tick(number, Some(due));
            tokio::select! {
                () = until(start) => {}
                _ = stopped.wait_for(|stop| *stop) => return Ended::Stopped,
            }
            if self.run(group).await == Exit::Fenced {
                return Ended::TakenOver;
            }
            if *stopped.borrow() {
                return Ended::Stopped;
            }
            let step = group.timing.follow(due, Utc::now());
            if let Some(missed) = step.map(|s| s.missed).filter(|missed| *missed > 0) {
                TicksMissed { schedule: group.timing.schedule.as_str(), ticks: missed }.tell(&self.metrics);
            }
            tick = step.map(|s| s.tick);
            start = tick.map_or(start, |tick| group.timing.start(tick, chance()));
        }
        self.note_tick(number, None);
        tracing::warn!(schedule = group.timing.schedule.as_str(), "this schedule does not come again");
        let _ = stopped.wait_for(|stop| *stop).await;
        Ended::Stopped
    }

    /// One run over a group's mailboxes.
    async fn run(&self, group: &Group) -> Exit {
        self.metrics.run_begins();
        let exit = match self.worker().await {
            Ok(worker) => {
                let exit = self.watched_run(worker, group).await;
                if exit == Exit::Kafka {
                    self.health.unready("the last run could not publish to Kafka");
                    *self.sink.lock().await = None;
                }
                exit
            }
            Err(failure) => {
                let exit = Exit::from(failure.class);
                tracing::error!(reason = %failure.message, "the run cannot begin: the next tick tries again");
                RunEnded::before_it_began(&failure, exit.code(), Utc::now()).tell(&self.metrics);
                exit
            }
        };
        self.metrics.run_is_over();
        exit
    }

    async fn worker(&self) -> Result<Arc<Worker>, Failure> {
        let (sink, ledger) = self.open().await?;
        let worker = worker(self.config.clone(), Arc::clone(&self.rules), sink, ledger, false, &self.metrics)?;
        Ok(Arc::new(worker.beside(&self.shared)))
    }

    async fn watched_run(&self, worker: Arc<Worker>, group: &Group) -> Exit {
        {
            let mut under_way = lock(&self.under_way);
            // Asked to stop while it was set up.
            if *self.stop.borrow() {
                return Exit::Success;
            }
            under_way.push(Arc::clone(&worker));
        }
        let (report, exit) = one_run(&worker, group.mailboxes.clone()).await;
        lock(&self.under_way).retain(|other| !Arc::ptr_eq(other, &worker));
        for (mailbox, failure) in &report.failures {
            let class = failure.class;
            let needs_a_person = class != FailureClass::Temporary;
            tracing::error!(%mailbox, reason = %failure.message, needs_a_person, "a pass failed");
        }
        // Whatever else failed: two workers that went on would take the mailbox from each other for ever.
        let taken_over = report.failures.iter().any(|(_, failure)| failure.class == FailureClass::Fenced);
        if taken_over { Exit::Fenced } else { exit }
    }

    fn note_tick(&self, group: usize, tick: Option<DateTime<Utc>>) {
        let mut ticks = lock(&self.ticks);
        match tick {
            Some(tick) => ticks.insert(group, tick),
            None => ticks.remove(&group),
        };
        self.metrics.next_tick(ticks.values().min().copied());
    }
}

/// Waits until the wall's clock says `at`.
async fn until(at: DateTime<Utc>) {
    while let Ok(left) = (at - Utc::now()).to_std() {
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK)).await;
    }
}

/// Any number: the keys of std's hash maps come from the system.
fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
