//! Fetching and judging, side by side: mails are read from the connection, and each is judged by a
//! task of its own.

use super::access::Broken;
use super::cost::Step;
use super::failure::{Failure, FailureClass};
use super::line::{Judged, Place};
use super::pass::Pass;
use super::publish::{Publisher, Ready};
use super::run::{Station, Worker};
use super::session::Round;
use crate::config::Mailbox;
use crate::event::dead_letter;
use crate::ledger::Known;
use crate::message::{Digest, RawMail};
use crate::pop3::{Body, Client, Listed, Retry, Window};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

/// Judged mails that may wait for the sink.
const JUDGED: usize = 1_000;

/// What a session is to fetch.
pub(super) struct Job {
    pub(super) mails: Vec<Listed>,
    pub(super) window: Window,
    /// When the session has lasted long enough.
    pub(super) until: Option<Instant>,
}

/// Fetches, judges and publishes side by side.
pub(super) async fn fetch_round(
    worker: &Arc<Worker>,
    mailbox: &Arc<Mailbox>,
    place: &Arc<Place>,
    client: &mut Client,
    job: Job,
    known: Known,
    pass: &mut Pass,
) -> Round {
    let Known { by_uidl, digests, .. } = known;
    let (judged_out, judged_in) = mpsc::channel(JUDGED);
    let mut publisher = Publisher::new(Arc::clone(worker), Arc::clone(mailbox), digests, std::mem::take(pass));
    let (fetched, ()) = tokio::join!(fetch_all(worker, place, client, job, judged_out), publisher.take_all(judged_in));
    let mut round;
    let judged;
    (*pass, round, judged) = publisher.finish();
    pass.run.fetched += fetched.mails;
    pass.run.octets += fetched.octets;
    pass.run.refused += fetched.refused.len() as u64;
    for mail in &fetched.refused {
        pass.settled.leave(mail);
    }
    if round.broken.is_none() && judged < fetched.mails {
        let left = fetched.mails - judged;
        let message = match left {
            1 => "1 mail could not be judged: it stays in the mailbox".to_owned(),
            _ => format!("{left} mails could not be judged: they stay in the mailbox"),
        };
        round.broken = Some(Failure { class: FailureClass::Internal, message }.into());
    }
    // A sink that fails is the reason why the fetching ended, not the other way round.
    if round.broken.is_none()
        && let Some(mut broken) = fetched.broken
    {
        if let Some(mail) = fetched.broke_on {
            let entry = mail.uidl.as_ref().and_then(|uidl| by_uidl.get(uidl));
            let is_safe = entry.is_some_and(|e| e.state.was_published());
            if !pass.broke_on(&mail, is_safe, fetched.mails) {
                broken.retry = Retry::No;
            }
        }
        round.broken = Some(broken);
    }
    round.overtime = fetched.overtime;
    round
}

#[derive(Default)]
struct FetchResult {
    mails: u64,
    octets: u64,
    /// Mails that the server would not send; they stay.
    refused: Vec<Listed>,
    broken: Option<Broken>,
    /// The mail that was next when the connection broke.
    broke_on: Option<Listed>,
    overtime: bool,
}

/// Reads mails from the connection and starts a task for each that judges it.
async fn fetch_all(
    worker: &Arc<Worker>,
    place: &Arc<Place>,
    client: &mut Client,
    Job { mails, window, until }: Job,
    judged: mpsc::Sender<Ready>,
) -> FetchResult {
    client.plan(mails.iter().map(|l| (l.number, l.size)), window);
    let mut by_number: HashMap<u32, Listed> = mails.into_iter().map(|l| (l.number, l)).collect();
    let mut result = FetchResult::default();
    while let Some((number, size)) = client.upcoming() {
        let overtime = until.is_some_and(|until| Instant::now() >= until);
        let stopping = worker.is_stopping();
        if stopping || judged.is_closed() || overtime {
            // RETRs may be under way: QUIT would wait behind them, so what is outstanding is read.
            result.overtime |= overtime || stopping;
            client.cancel();
            if client.upcoming().is_none() {
                break;
            }
        }
        let Ok(mut room) = worker.room(size).await else { break };
        let begun = Instant::now();
        let fetched = worker.line.meter().next().measure_future(Step::Fetch, client.fetch()).await;
        worker.tell(|o| o.took(Station::Fetch, begun.elapsed()));
        let fetched = match fetched {
            Ok(Some(fetched)) => fetched,
            Ok(None) => break,
            Err(error) => {
                result.broke_on = by_number.remove(&number);
                result.broken = Some(error.into());
                break;
            }
        };
        let Some(listed) = by_number.remove(&fetched.number) else { continue };
        let body = match fetched.outcome {
            Ok(body) => body,
            Err(status) => {
                // Another session deleted it, or the server cannot read it: the others go on.
                tracing::warn!(mailbox = %place.mailbox, number = listed.number, said = %status.safe_text(), "the server refused a mail: it stays in the mailbox");
                result.refused.push(listed);
                continue;
            }
        };
        result.mails += 1;
        result.octets += body.size();
        if body.size() > size {
            // LIST was wrong: the mail waits until there is room for what it really is.
            drop(room);
            room = match worker.room(body.size()).await {
                Ok(room) => room,
                Err(_) => break,
            };
        }
        tokio::spawn(judge(Arc::clone(worker), Arc::clone(place), listed, body, room, judged.clone()));
    }
    result
}

async fn judge(
    worker: Arc<Worker>,
    place: Arc<Place>,
    listed: Listed,
    body: Body,
    room: OwnedSemaphorePermit,
    out: mpsc::Sender<Ready>,
) {
    let raw = match body {
        Body::Whole(bytes) => worker.line.meter().next().measure(Step::Digest, || RawMail::new(bytes)),
        Body::Cut { head, digest, size } => RawMail::cut(head, Digest(digest), size),
    };
    let begun = Instant::now();
    let judged = worker.line.judge(&raw, &place, listed.uidl.as_deref(), None, worker.now()).await;
    worker.tell(|o| o.took(Station::Judge, begun.elapsed()));
    let (digest, size) = (raw.digest(), raw.size());
    let buries = worker.config.kafka.dead_letters.is_some();
    let head = if buries { dead_letter::head(raw.bytes()).to_vec() } else { Vec::new() };
    // Too large to be kept: where deleting waits for a safe copy, the mailbox has the only one.
    let only_copy = raw.is_cut() && worker.line.archives(&place.mailbox);
    // What is known already is not archived again; whether it is, the publisher sees.
    let raw = worker.archive.as_ref().and(worker.line.archive_ref(&place.mailbox, &raw)).map(|_| raw);
    let Judged { events, delivered_at, answers, .. } = judged;
    let records = worker.line.meter().next().measure(Step::Encode, || worker.records(&events));
    let ready =
        Ready { listed, digest, size, head, events, records, delivered_at, answers, raw, only_copy, _room: room };
    // The receiver is gone only when the sink failed: the mail stays for the next run.
    let _ = out.send(ready).await;
}
