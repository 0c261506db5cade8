//! Fetching and judging, side by side: mails are read from the connection, and each is judged by a
//! task of its own.

use super::access::Broken;
use super::line::{Judged, Place};
use super::pass::Pass;
use super::publish::{Publisher, Ready};
use super::run::Worker;
use super::session::Round;
use crate::config::Mailbox;
use crate::ledger::Known;
use crate::message::{Digest, RawMail};
use crate::pop3::{Body, Client, Listed, Window};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

/// Judged mails that may wait for the sink.
const JUDGED: usize = 1_000;

/// Fetches, judges and publishes side by side.
pub(super) async fn fetch_round(
    worker: &Arc<Worker>,
    mailbox: &Arc<Mailbox>,
    place: &Arc<Place>,
    client: &mut Client,
    (fetch, window, until): (Vec<Listed>, Window, Option<Instant>),
    known: &Known,
    pass: &mut Pass,
) -> Round {
    let (judged_out, judged_in) = mpsc::channel(JUDGED);
    let mut publisher =
        Publisher::new(Arc::clone(worker), Arc::clone(mailbox), known.digests.clone(), std::mem::take(pass));
    let (fetched, ()) = tokio::join!(
        fetch_all(worker, place, client, (fetch, window, until), judged_out),
        publisher.take_all(judged_in)
    );
    let mut round;
    (*pass, round) = publisher.finish();
    pass.run.fetched += fetched.mails;
    pass.run.octets += fetched.octets;
    pass.run.refused += fetched.refused;
    pass.refused.extend(fetched.refused_uidls);
    // A sink that fails is the reason why the fetching ended, not the other way round.
    round.broken = round.broken.take().or(fetched.broken);
    if let (Some(_), Some(uidl)) = (&round.broken, fetched.broke_on) {
        pass.broke_on(uidl);
    }
    round.overtime = fetched.overtime;
    round
}

#[derive(Default)]
struct FetchResult {
    mails: u64,
    octets: u64,
    /// Mails that the server would not send; they stay.
    refused: u64,
    refused_uidls: Vec<String>,
    broken: Option<Broken>,
    /// The mail that was next when the connection broke.
    broke_on: Option<String>,
    overtime: bool,
}

/// Reads mails from the connection and starts a task for each that judges it.
async fn fetch_all(
    worker: &Arc<Worker>,
    place: &Arc<Place>,
    client: &mut Client,
    (fetch, window, until): (Vec<Listed>, Window, Option<Instant>),
    judged: mpsc::Sender<Ready>,
) -> FetchResult {
    let mut by_number: HashMap<u32, Listed> = fetch.iter().map(|l| (l.number, l.clone())).collect();
    client.plan(fetch.iter().map(|l| (l.number, l.size)), window);
    let mut result = FetchResult::default();
    while let Some((number, size)) = client.upcoming() {
        let overtime = until.is_some_and(|until| Instant::now() >= until);
        if worker.is_stopping() || judged.is_closed() || overtime {
            // RETRs may be under way: QUIT would wait behind them, so what is outstanding is read.
            result.overtime |= overtime;
            client.cancel();
            if client.upcoming().is_none() {
                break;
            }
        }
        let Ok(mut room) = worker.room(size).await else { break };
        let fetched = match client.fetch().await {
            Ok(Some(fetched)) => fetched,
            Ok(None) => break,
            Err(error) => {
                result.broke_on = by_number.remove(&number).and_then(|l| l.uidl);
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
                result.refused += 1;
                result.refused_uidls.extend(listed.uidl);
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
        Body::Whole(bytes) => RawMail::new(bytes),
        Body::Cut { head, digest, size } => RawMail::cut(head, Digest(digest), size),
    };
    let judged = worker.line.judge(&raw, &place, listed.uidl.as_deref(), None, worker.now()).await;
    let (digest, size) = (raw.digest(), raw.size());
    drop(raw);
    let Judged { events, delivered_at, .. } = judged;
    // The receiver is gone only when the sink failed: the mail stays for the next run.
    let _ = out.send(Ready { listed, digest, size, events, delivered_at, _room: room }).await;
}
