//! One pass over one mailbox.
//!
//! Three stations work side by side: the connection is read, what was read is judged, what was
//! judged is published and recorded. Mail between socket and judgement is bounded in octets for
//! all mailboxes together, judged mail in number. Only mails whose own events were acknowledged
//! and recorded are deleted, and only QUIT makes that final; what then became of it, the next
//! UIDL tells.

use super::failure::{Failure, FailureClass};
use super::line::{Judged, Place};
use super::run::Worker;
use crate::config::{Mailbox, Retention, Start};
use crate::event::Event;
use crate::event::run::MailboxRun;
use crate::ledger::{Done, Entry, Known, Seen, State};
use crate::message::{Digest, RawMail};
use crate::pop3::{Body, Client, Endpoint, Listed, QuitOutcome, Timeouts, Window, tls};
use crate::sink::{Outcome, Record};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Mails published at once.
const BATCH: usize = 500;
/// Judged mails that may wait for the sink.
const JUDGED: usize = 1_000;
/// Octets per permit: semaphores count in u32.
pub(super) const UNIT: u64 = 1_024;
/// Octets asked for ahead, at most.
const WINDOW_OCTETS: u64 = 4 * 1024 * 1024;

/// Octets of an event; Kafka's default limit is 1,000,000 for a record with its headers.
const MAX_EVENT: usize = 900_000;
/// How long a mail may be missing from a mailbox before its id is forgotten.
const MISSING: TimeDelta = TimeDelta::days(7);

/// A judged mail on its way to the sink.
struct Ready {
    listed: Listed,
    digest: Digest,
    size: u64,
    events: Vec<Event>,
    delivered_at: Option<DateTime<Utc>>,
    /// Its share of what may be in flight, until its events were acknowledged.
    _room: OwnedSemaphorePermit,
}

/// What happened to the mails of one round.
#[derive(Default)]
struct Round {
    /// Mails that may be deleted, if the mailbox's retention says so.
    finished: Vec<(Listed, DateTime<Utc>)>,
    failure: Option<Failure>,
}

/// What holds for a whole pass, however many sessions it takes.
#[derive(Default)]
struct Pass {
    run: MailboxRun,
    /// UIDLs that the server or the sink refused: they are left for the next run.
    refused: HashSet<String>,
    /// Whether this is the first pass over a mailbox with `start: now`.
    starts_now: bool,
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
    let endpoint = endpoint(mailbox)?;
    let place = Arc::new(Place::of(mailbox, &worker.config));
    let mut first = true;
    while !worker.is_stopping() {
        if !one_session(worker, mailbox, &endpoint, &place, pass, first).await? {
            break;
        }
        first = false;
    }
    Ok(())
}

fn endpoint(mailbox: &Mailbox) -> Result<Endpoint, Failure> {
    let tls = match mailbox.tls {
        crate::config::Tls::Implicit => Some(tls::connector(mailbox.ca_file.as_deref())?),
        crate::config::Tls::None => {
            tracing::warn!(
                mailbox = %mailbox.name,
                "clear text: the password and every mail can be read on the way; use port 995 and remove `tls: none`"
            );
            None
        }
    };
    Ok(Endpoint { host: mailbox.host.clone(), port: mailbox.port(), tls })
}

/// One session; `true` when the mailbox holds more than one session takes.
async fn one_session(
    worker: &Arc<Worker>,
    mailbox: &Arc<Mailbox>,
    endpoint: &Endpoint,
    place: &Arc<Place>,
    pass: &mut Pass,
    first: bool,
) -> Result<bool, Failure> {
    let limits = &worker.config.limits;
    let timeouts = Timeouts { connect: limits.connect_timeout.0, read: limits.read_timeout.0 };
    let mut client = Client::connect(endpoint, timeouts, limits.message_size.as_usize()).await?;
    let Some(password) = &mailbox.password else {
        return Err(Failure { class: FailureClass::Configuration, message: "no password is set".to_owned() });
    };
    client.login(&mailbox.username, password).await?;
    let listed = without_doubles(client.list().await?);
    let known = read_ledger(worker, &mailbox.name).await?;
    if first {
        pass.run.listed = listed.len() as u64;
        pass.starts_now = mailbox.start == Start::Now && known.is_new();
    }
    let plan = Plan::new(mailbox, listed, &known, pass, worker.now());
    if first {
        pass.run.known += plan.known;
    }
    pass.run.before_start += plan.before_start.len() as u64;
    note(worker, mailbox, &known, &plan).await?;
    // A mail without an id is known again only by fetching it, so a mailbox of those is done in one
    // session: the next one would begin with the same mails.
    let most = if plan.fetch.iter().all(|l| l.uidl.is_some()) { limits.session_mails } else { usize::MAX };
    let more = plan.fetch.len() > most;
    let fetch: Vec<Listed> = plan.fetch.into_iter().take(most).collect();
    let done = |pass: &Pass| pass.run.published + pass.run.known + pass.run.before_start + pass.run.refused;
    let before = done(pass);

    let round = fetch_round(worker, mailbox, place, &mut client, fetch, &known, pass).await;
    // After a failure, and in a dry run, the connection is dropped without QUIT: nothing is deleted
    // by a session that cannot be trusted, and Gmail hides what was fetched in a session that ended
    // with QUIT. The ledger knows what was published; the next run deletes it.
    if let Some(failure) = round.failure {
        return Err(failure);
    }
    if worker.dry_run {
        return Ok(false);
    }
    let now = worker.now();
    let due = round.finished.into_iter().filter(|(_, at)| is_due(mailbox.retention, *at, now)).map(|(l, _)| l);
    finish(worker, client, mailbox, due.collect(), &mut pass.run).await?;
    Ok(more && done(pass) > before)
}

/// What the listing alone tells the ledger.
async fn note(worker: &Arc<Worker>, mailbox: &Mailbox, known: &Known, plan: &Plan) -> Result<(), Failure> {
    if worker.dry_run {
        return Ok(());
    }
    let (ledger, name, now) = (Arc::clone(&worker.ledger), mailbox.name.clone(), worker.now());
    let (gone, missing, back) = (plan.gone.clone(), plan.missing.clone(), plan.back.clone());
    let (before_start, is_new) = (plan.before_start.clone(), known.is_new());
    blocking(move || {
        ledger.forget(&name, &gone)?;
        ledger.missing(&name, &missing, Some(now))?;
        ledger.missing(&name, &back, None)?;
        ledger.record(&name, &before_start)?;
        if is_new { ledger.begin(&name, now) } else { Ok(()) }
    })
    .await
}

/// DELE and QUIT. An id whose mail is gone for certain is forgotten at once: the server may use it
/// again.
async fn finish(
    worker: &Arc<Worker>,
    mut client: Client,
    mailbox: &Mailbox,
    delete: Vec<Listed>,
    run: &mut MailboxRun,
) -> Result<(), Failure> {
    let numbers: Vec<u32> = delete.iter().map(|l| l.number).collect();
    let taken: HashSet<u32> = client.delete(&numbers).await?.into_iter().collect();
    match client.quit().await {
        QuitOutcome::Committed => {
            run.deleted += taken.len() as u64;
            let gone: Vec<String> =
                delete.into_iter().filter(|l| taken.contains(&l.number)).filter_map(|l| l.uidl).collect();
            let (ledger, name) = (Arc::clone(&worker.ledger), mailbox.name.clone());
            blocking(move || ledger.forget(&name, &gone)).await?;
        }
        _ if taken.is_empty() => {}
        QuitOutcome::Partial => tracing::warn!(
            mailbox = %mailbox.name, mails = taken.len(),
            "the server could not delete every mail: the next run deletes the rest"
        ),
        QuitOutcome::Unknown => tracing::warn!(
            mailbox = %mailbox.name, mails = taken.len(),
            "the server did not answer QUIT: the next run sees whether the mails are gone"
        ),
    }
    Ok(())
}

/// Whether retention says that a mail published at `at` is to be deleted.
fn is_due(retention: Retention, at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    match retention {
        Retention::Keep => false,
        Retention::Delete => true,
        Retention::DeleteAfter(span) => TimeDelta::from_std(span.0).is_ok_and(|span| now - at >= span),
    }
}

/// An id that the server gives to two mails identifies neither: both go by their digests.
fn without_doubles(mut listed: Vec<Listed>) -> Vec<Listed> {
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
struct Plan {
    /// Published earlier, and not due for deletion yet.
    known: u64,
    /// New mails, and those that are due: a mail is deleted only by a session that has fetched it
    /// and knows it by its digest, because a server may use an id again.
    fetch: Vec<Listed>,
    /// Left alone for good.
    before_start: Vec<Done>,
    /// UIDLs that the server has not listed for long, those that it does not list now, and those
    /// that are back.
    gone: Vec<String>,
    missing: Vec<String>,
    back: Vec<String>,
}

impl Plan {
    fn new(mailbox: &Mailbox, listed: Vec<Listed>, known: &Known, pass: &Pass, now: DateTime<Utc>) -> Self {
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
            let Some(uidl) = &mail.uidl else {
                plan.fetch.push(mail);
                continue;
            };
            if pass.refused.contains(uidl) {
                continue;
            }
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
                None => plan.fetch.push(mail),
            }
        }
        plan
    }

    fn known_mail(&mut self, mailbox: &Mailbox, mail: Listed, entry: &Entry, now: DateTime<Utc>) {
        if entry.missing_since.is_some() {
            self.back.extend(mail.uidl.clone());
        }
        let due = entry.state == State::Published && is_due(mailbox.retention, entry.at, now);
        let another = entry.listed_size.is_some_and(|size| size != mail.size);
        if due || another {
            self.fetch.push(mail);
        } else {
            self.known += 1;
        }
    }
}

async fn read_ledger(worker: &Arc<Worker>, mailbox: &str) -> Result<Known, Failure> {
    let (ledger, mailbox) = (Arc::clone(&worker.ledger), mailbox.to_owned());
    blocking(move || ledger.known(&mailbox)).await
}

async fn record(worker: &Arc<Worker>, mailbox: &Mailbox, done: Vec<Done>) -> Result<(), Failure> {
    if worker.dry_run {
        return Ok(());
    }
    let (ledger, mailbox) = (Arc::clone(&worker.ledger), mailbox.name.clone());
    blocking(move || ledger.record(&mailbox, &done)).await
}

/// Runs a call of the ledger where it may block.
async fn blocking<T, E>(call: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Failure>
where
    T: Send + 'static,
    E: Send + 'static,
    Failure: From<E>,
{
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result.map_err(Failure::from),
        Err(_) => Err(Failure { class: FailureClass::Internal, message: "the ledger's task ended".to_owned() }),
    }
}

/// Fetches, judges and publishes side by side.
async fn fetch_round(
    worker: &Arc<Worker>,
    mailbox: &Arc<Mailbox>,
    place: &Arc<Place>,
    client: &mut Client,
    fetch: Vec<Listed>,
    known: &Known,
    pass: &mut Pass,
) -> Round {
    let (judged_out, judged_in) = mpsc::channel(JUDGED);
    let mut publisher = Publisher {
        worker: Arc::clone(worker),
        mailbox: Arc::clone(mailbox),
        digests: known.digests.clone(),
        pass: std::mem::take(pass),
        round: Round::default(),
    };
    let (fetched, ()) =
        tokio::join!(fetch_all(worker, place, client, fetch, judged_out), publisher.take_all(judged_in));
    *pass = publisher.pass;
    let mut round = publisher.round;
    pass.run.fetched += fetched.mails;
    pass.run.octets += fetched.octets;
    pass.run.refused += fetched.refused;
    pass.refused.extend(fetched.refused_uidls);
    round.failure = round.failure.take().or(fetched.failure);
    round
}

#[derive(Default)]
struct FetchResult {
    mails: u64,
    octets: u64,
    /// Mails that the server would not send; they stay.
    refused: u64,
    refused_uidls: Vec<String>,
    failure: Option<Failure>,
}

/// Reads mails from the connection and starts a task for each that judges it.
async fn fetch_all(
    worker: &Arc<Worker>,
    place: &Arc<Place>,
    client: &mut Client,
    fetch: Vec<Listed>,
    judged: mpsc::Sender<Ready>,
) -> FetchResult {
    let limits = &worker.config.limits;
    let mut by_number: HashMap<u32, Listed> = fetch.iter().map(|l| (l.number, l.clone())).collect();
    client.plan(fetch.iter().map(|l| (l.number, l.size)), Window { count: limits.pipeline, octets: WINDOW_OCTETS });
    let mut result = FetchResult::default();
    while let Some(size) = client.next_size() {
        if worker.is_stopping() || judged.is_closed() {
            // RETRs may be under way: QUIT would wait behind them, so what is outstanding is read.
            client.cancel();
            if client.next_size().is_none() {
                break;
            }
        }
        let Ok(mut room) = worker.room(size).await else { break };
        let fetched = match client.fetch().await {
            Ok(Some(fetched)) => fetched,
            Ok(None) => break,
            Err(error) => {
                result.failure = Some(error.into());
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
        Body::Cut { head, digest, size } => RawMail::cut(head, digest, size),
    };
    let judged = worker.line.judge(&raw, &place, listed.uidl.as_deref(), None, worker.now()).await;
    let (digest, size) = (raw.digest(), raw.size());
    drop(raw);
    let Judged { events, delivered_at, .. } = judged;
    // The receiver is gone only when the sink failed: the mail stays for the next run.
    let _ = out.send(Ready { listed, digest, size, events, delivered_at, _room: room }).await;
}

/// Publishes and records what was judged.
struct Publisher {
    worker: Arc<Worker>,
    mailbox: Arc<Mailbox>,
    digests: HashMap<Digest, Seen>,
    pass: Pass,
    round: Round,
}

impl Publisher {
    async fn take_all(&mut self, mut judged: mpsc::Receiver<Ready>) {
        let mut batch = Vec::new();
        while judged.recv_many(&mut batch, BATCH).await > 0 {
            if let Err(failure) = self.take(std::mem::take(&mut batch)).await {
                self.round.failure = Some(failure);
                // Closing the channel tells the fetcher to stop.
                return;
            }
        }
    }

    async fn take(&mut self, batch: Vec<Ready>) -> Result<(), Failure> {
        let mut done: Vec<(Listed, Done)> = Vec::new();
        let mut publish: Vec<Ready> = Vec::new();
        let mut twins: HashMap<Digest, Vec<Listed>> = HashMap::new();
        for ready in batch {
            let now = self.worker.now();
            if let Some(seen) = self.digests.get(&ready.digest).copied() {
                // Byte-identical mails in one mailbox are one mail.
                match seen.state {
                    State::Published => self.pass.run.known += 1,
                    State::BeforeStart => self.pass.run.before_start += 1,
                }
                done.push((ready.listed.clone(), finished(&ready.listed, ready.digest, seen, now)));
            } else if self.is_before_start(&ready, now) {
                self.pass.run.before_start += 1;
                let seen = Seen { state: State::BeforeStart, at: now };
                done.push((ready.listed.clone(), finished(&ready.listed, ready.digest, seen, now)));
            } else if let Some(others) = twins.get_mut(&ready.digest) {
                others.push(ready.listed);
            } else {
                twins.insert(ready.digest, Vec::new());
                publish.push(ready);
            }
        }
        let records = publish.iter().map(|r| self.worker.records(&r.events)).collect();
        let outcomes = self.worker.sink.publish(records).await;
        let mut failure = None;
        for (ready, outcome) in publish.iter().zip(outcomes) {
            let now = self.worker.now();
            let others = twins.remove(&ready.digest).unwrap_or_default();
            match outcome {
                Outcome::Published => {
                    let run = &mut self.pass.run;
                    run.published += 1;
                    run.known += others.len() as u64;
                    for event in &ready.events {
                        *run.events.entry(event.data.verdict.kind()).or_default() += 1;
                    }
                    let seen = Seen { state: State::Published, at: now };
                    self.digests.insert(ready.digest, seen);
                    for listed in others.into_iter().chain([ready.listed.clone()]) {
                        let record = finished(&listed, ready.digest, seen, now);
                        done.push((listed, record));
                    }
                }
                Outcome::Refused(reason) => {
                    self.pass.run.refused += 1 + others.len() as u64;
                    let uidls = others.into_iter().chain([ready.listed.clone()]).filter_map(|l| l.uidl);
                    self.pass.refused.extend(uidls);
                    tracing::error!(
                        mailbox = %self.mailbox.name, digest = %ready.digest, octets = ready.size, %reason,
                        "the events of a mail cannot be published: it stays in the mailbox"
                    );
                }
                Outcome::Failed(reason) => failure = Some(reason),
            }
        }
        let entries = done.iter().map(|(_, d)| d.clone()).collect();
        record(&self.worker, &self.mailbox, entries).await?;
        self.round
            .finished
            .extend(done.into_iter().filter(|(_, d)| d.state == State::Published).map(|(listed, d)| (listed, d.at)));
        match failure {
            Some(reason) => Err(Failure {
                class: FailureClass::Kafka,
                message: format!(
                    "Kafka does not take events ({reason}): what was not acknowledged stays in the mailbox"
                ),
            }),
            None => Ok(()),
        }
    }

    fn is_before_start(&self, ready: &Ready, now: DateTime<Utc>) -> bool {
        match self.mailbox.start {
            Start::Since(date) => ready.delivered_at.unwrap_or(now).date_naive() < date,
            Start::Now => self.pass.starts_now,
            Start::All => false,
        }
    }
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
    fn records(&self, events: &[Event]) -> Vec<Record> {
        events
            .iter()
            .map(|event| {
                let mut value = serde_json::to_vec(event).unwrap_or_default();
                if value.len() > MAX_EVENT {
                    value = serde_json::to_vec(&lean(event.clone())).unwrap_or_default();
                }
                Record {
                    topic: Arc::clone(&self.topic),
                    key: event.partitionkey.clone(),
                    value,
                    headers: event.headers(),
                }
            })
            .collect()
    }
}

/// What a stranger can make long, left out: a mail must not stay in its mailbox for ever because
/// its event is larger than Kafka takes.
fn lean(mut event: Event) -> Event {
    event.data.auth = None;
    if let Some(original) = &mut event.data.original {
        original.headers.clear();
    }
    if let Some(content) = &mut event.data.content {
        content.text = None;
        content.signature = None;
    }
    event
}
