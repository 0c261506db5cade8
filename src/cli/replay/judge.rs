//! Mails judged side by side and given on in the order in which they were found.
//!
//! One thread reads, as many as the runtime has judge, and one writes. What waits between them is bounded in mails and
//! in octets, so an archive of any size takes the memory of a few mails.

use crate::pipeline::{Judged, Line, Place};
use crate::source::{Found, Out, Source, SourceError};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// Mails that one task judges, one after the other: a task for each costs as much as a small mail.
const BATCH: usize = 16;
/// Octets of a batch, beyond which it gets no further mail.
const BATCH_OCTETS: usize = 2 << 20;
/// Batches that wait for a task.
const WAITING: usize = 4;

/// How mails are judged.
pub struct Judge {
    pub line: Line,
    /// Where mails lie whose source does not say.
    pub place: Place,
    /// By the name of a mailbox that a source knows.
    pub places: BTreeMap<String, Place>,
    pub at: Option<DateTime<Utc>>,
    /// The largest mail that is kept whole.
    pub max: usize,
    /// Batches judged at once.
    pub at_once: usize,
}

/// A mail and what became of it.
pub struct Seen {
    pub origin: String,
    pub raw: crate::message::RawMail,
    pub place: Place,
    pub judged: Judged,
}

/// How far a replay is.
#[derive(Default)]
pub struct Counts {
    /// Octets read from disk.
    pub octets: AtomicU64,
    pub mails: AtomicU64,
}

type Batch = Vec<Result<Found, SourceError>>;

impl Judge {
    /// The place that holds for a mail.
    pub fn place_of(&self, found: &Found) -> Place {
        let Some(name) = &found.mailbox else { return self.place.clone() };
        self.places.get(name).cloned().unwrap_or_else(|| Place { mailbox: name.clone(), ..self.place.clone() })
    }

    async fn judge(&self, found: Found) -> Seen {
        let place = self.place_of(&found);
        let now = self.at.unwrap_or_else(Utc::now);
        let (uidl, origin) = (found.uidl.as_deref(), Some(found.origin.as_str()));
        let judged = match found.answers {
            None => self.line.judge(&found.raw, &place, uidl, origin, now).await,
            answers => self.line.judge_recorded(&found.raw, &place, uidl, origin, now, answers).await,
        };
        Seen { origin: found.origin, raw: found.raw, place, judged }
    }
}

/// Judges every mail of the sources and turns it into a `T` on the way; `T`s come to `give` in order, errors between
/// them, until it has enough.
pub async fn each<T: Send + 'static>(
    judge: Arc<Judge>,
    sources: Vec<Box<dyn Source>>,
    counts: Arc<Counts>,
    turn: impl Fn(&Judge, Seen) -> T + Send + Sync + 'static,
    mut give: impl FnMut(Result<T, SourceError>) -> ControlFlow<()>,
) -> Result<(), tokio::task::JoinError> {
    if sources.len() > BATCH || sources.iter().map(|source| source.octets()).sum::<u64>() > BATCH_OCTETS as u64 {
        judge.line.prepare();
    }
    let (batches, waiting) = mpsc::channel(WAITING);
    let (max, read) = (judge.max, Arc::clone(&counts));
    let reader = tokio::task::spawn_blocking(move || feed(sources, max, &read, &batches));
    let turn = Arc::new(turn);
    let at_once = judge.at_once.max(1);
    let tasks = futures_util::stream::unfold(waiting, async |mut waiting| {
        let batch: Batch = waiting.recv().await?;
        Some((batch, waiting))
    })
    .map(|batch| {
        let (judge, turn, counts) = (Arc::clone(&judge), Arc::clone(&turn), Arc::clone(&counts));
        tokio::spawn(async move {
            let mut out = Vec::with_capacity(batch.len());
            for found in batch {
                out.push(match found {
                    Ok(found) => Ok(turn(&judge, judge.judge(found).await)),
                    Err(error) => Err(error),
                });
                counts.mails.fetch_add(1, Ordering::Relaxed);
            }
            out
        })
    });
    let mut results = std::pin::pin!(tasks.buffered(at_once));
    while let Some(batch) = results.next().await {
        for result in batch? {
            if give(result).is_break() {
                return Ok(());
            }
        }
    }
    reader.await
}

/// Reads the sources into batches, as fast as they are taken.
fn feed(sources: Vec<Box<dyn Source>>, max: usize, counts: &Counts, batches: &mpsc::Sender<Batch>) {
    let mut batch = Batch::new();
    let mut octets = 0;
    let mut take = |found: Result<Found, SourceError>| {
        octets += found.as_ref().map_or(0, |f| f.raw.bytes().len());
        batch.push(found);
        if batch.len() < BATCH && octets < BATCH_OCTETS {
            return ControlFlow::Continue(());
        }
        octets = 0;
        match batches.blocking_send(std::mem::take(&mut batch)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    for mut source in sources {
        if source.give(&mut Out::new(max, &counts.octets, &mut take)).is_break() {
            return;
        }
    }
    let _ = batches.blocking_send(batch);
}
