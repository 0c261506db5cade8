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
use crate::ledger::{Done, Entry, Known, State};
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

/// A judged mail on its way to the sink.
struct Ready {
    listed: Listed,
    digest: Digest,
    size: u64,
    judged: Judged,
}

/// What happened to the mails of one round.
#[derive(Default)]
struct Round {
    /// Mails that may be deleted, if the mailbox's retention says so.
    finished: Vec<(Listed, DateTime<Utc>)>,
    failure: Option<Failure>,
}

/// Takes one mailbox through the line. What went wrong is in the second value; the first says
/// what was done all the same.
pub async fn pass(worker: &Arc<Worker>, mailbox: &Arc<Mailbox>) -> (MailboxRun, Option<Failure>) {
    let started = tokio::time::Instant::now();
    let mut run = MailboxRun { id: mailbox.name.clone(), ..MailboxRun::default() };
    let failure = sessions(worker, mailbox, &mut run).await.err();
    run.failure = failure.as_ref().map(|f| f.message.clone());
    run.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    (run, failure)
}

/// Sessions until nothing is left to fetch: each one's deletes are committed before the next.
async fn sessions(worker: &Arc<Worker>, mailbox: &Arc<Mailbox>, run: &mut MailboxRun) -> Result<(), Failure> {
    let endpoint = endpoint(mailbox)?;
    let place = Arc::new(Place::of(mailbox, &worker.config));
    let mut refused = HashSet::new();
    for session in 0_u64.. {
        let more = one_session(worker, mailbox, &endpoint, &place, run, &mut refused, session == 0).await?;
        if !more || worker.is_stopping() {
            break;
        }
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
    run: &mut MailboxRun,
    refused: &mut HashSet<Digest>,
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
    let plan = Plan::new(mailbox, listed, &known, worker.now());
    if first {
        run.listed = plan.listed;
    }
    forget(worker, mailbox, plan.gone).await?;
    if !plan.before_start.is_empty() {
        run.before_start += plan.before_start.len() as u64;
        record(worker, mailbox, plan.before_start).await?;
    }
    if known.is_new() {
        begin(worker, mailbox).await?;
    }
    if first {
        run.known += plan.known;
    }
    // A mail without an id is known again only by fetching it, so a mailbox of those is done in one
    // session: the next one would begin with the same mails.
    let most = if plan.fetch.iter().all(|l| l.uidl.is_some()) { limits.session_mails } else { usize::MAX };
    let more = plan.fetch.len() > most;
    let fetch: Vec<Listed> = plan.fetch.into_iter().take(most).collect();
    let before = run.published + run.known + run.before_start;

    let round = fetch_round(worker, mailbox, place, &mut client, fetch, &known, run, refused).await;
    let mut delete: Vec<Listed> = plan.overdue;
    let now = worker.now();
    delete.extend(round.finished.into_iter().filter(|(_, at)| is_due(mailbox.retention, *at, now)).map(|(l, _)| l));
    let progress = run.published + run.known + run.before_start > before;

    // A connection on which something went wrong is dropped without QUIT: nothing is deleted by
    // a session that cannot be trusted. The ledger knows what was published.
    if let Some(failure) = round.failure {
        if failure.class != FailureClass::Temporary && !delete.is_empty() && !worker.dry_run {
            finish(client, mailbox, delete, run).await?;
        }
        return Err(failure);
    }
    if worker.dry_run {
        delete.clear();
    }
    finish(client, mailbox, delete, run).await?;
    Ok(more && progress && !worker.dry_run)
}

/// DELE and QUIT.
async fn finish(
    mut client: Client,
    mailbox: &Mailbox,
    delete: Vec<Listed>,
    run: &mut MailboxRun,
) -> Result<(), Failure> {
    let numbers: Vec<u32> = delete.iter().map(|l| l.number).collect();
    let taken = client.delete(&numbers).await?;
    match client.quit().await {
        QuitOutcome::Committed => run.deleted += taken.len() as u64,
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
struct Plan {
    listed: u64,
    known: u64,
    fetch: Vec<Listed>,
    /// Published earlier, and due for deletion now.
    overdue: Vec<Listed>,
    /// Left alone for good.
    before_start: Vec<Done>,
    /// UIDLs that the server no longer has.
    gone: Vec<String>,
}

impl Plan {
    fn new(mailbox: &Mailbox, listed: Vec<Listed>, known: &Known, now: DateTime<Utc>) -> Self {
        let mut plan = Self {
            listed: listed.len() as u64,
            known: 0,
            fetch: Vec::new(),
            overdue: Vec::new(),
            before_start: Vec::new(),
            gone: Vec::new(),
        };
        let there: HashSet<&str> = listed.iter().filter_map(|l| l.uidl.as_deref()).collect();
        plan.gone = known.by_uidl.keys().filter(|u| !there.contains(u.as_str())).cloned().collect();
        drop(there);
        let starts_now = mailbox.start == Start::Now && known.is_new();
        for mail in listed {
            match mail.uidl.as_ref().and_then(|u| known.by_uidl.get(u)) {
                Some(entry) => plan.known_mail(mailbox, mail, entry, now),
                None if starts_now && mail.uidl.is_some() => {
                    plan.before_start.push(Done { uidl: mail.uidl, digest: None, state: State::BeforeStart, at: now });
                }
                None => plan.fetch.push(mail),
            }
        }
        plan
    }

    fn known_mail(&mut self, mailbox: &Mailbox, mail: Listed, entry: &Entry, now: DateTime<Utc>) {
        self.known += 1;
        if entry.state == State::Published && is_due(mailbox.retention, entry.at, now) {
            self.overdue.push(mail);
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

async fn begin(worker: &Arc<Worker>, mailbox: &Mailbox) -> Result<(), Failure> {
    if worker.dry_run {
        return Ok(());
    }
    let (ledger, mailbox, now) = (Arc::clone(&worker.ledger), mailbox.name.clone(), worker.now());
    blocking(move || ledger.begin(&mailbox, now)).await
}

async fn forget(worker: &Arc<Worker>, mailbox: &Mailbox, gone: Vec<String>) -> Result<(), Failure> {
    if worker.dry_run || gone.is_empty() {
        return Ok(());
    }
    let (ledger, mailbox) = (Arc::clone(&worker.ledger), mailbox.name.clone());
    blocking(move || ledger.forget(&mailbox, &gone)).await
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
#[allow(clippy::too_many_arguments)]
async fn fetch_round(
    worker: &Arc<Worker>,
    mailbox: &Arc<Mailbox>,
    place: &Arc<Place>,
    client: &mut Client,
    fetch: Vec<Listed>,
    known: &Known,
    run: &mut MailboxRun,
    refused: &mut HashSet<Digest>,
) -> Round {
    let (judged_out, judged_in) = mpsc::channel(JUDGED);
    let mut publisher = Publisher {
        worker: Arc::clone(worker),
        mailbox: Arc::clone(mailbox),
        digests: known.digests.clone(),
        run: std::mem::take(run),
        refused: std::mem::take(refused),
        round: Round::default(),
    };
    let (fetched, ()) =
        tokio::join!(fetch_all(worker, place, client, fetch, judged_out), publisher.take_all(judged_in));
    *run = publisher.run;
    *refused = publisher.refused;
    let mut round = publisher.round;
    run.fetched += fetched.mails;
    run.octets += fetched.octets;
    run.refused += fetched.refused;
    round.failure = round.failure.take().or(fetched.failure);
    round
}

#[derive(Default)]
struct FetchResult {
    mails: u64,
    octets: u64,
    /// Mails that the server would not send; they stay.
    refused: u64,
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
        let Ok(room) = worker.room(size).await else { break };
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
                continue;
            }
        };
        result.mails += 1;
        result.octets += body.size();
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
    drop(room);
    // The receiver is gone only when the sink failed: the mail stays for the next run.
    let _ = out.send(Ready { listed, digest, size, judged }).await;
}

/// Publishes and records what was judged.
struct Publisher {
    worker: Arc<Worker>,
    mailbox: Arc<Mailbox>,
    digests: HashSet<Digest>,
    run: MailboxRun,
    /// Mails of this pass that the sink will never take.
    refused: HashSet<Digest>,
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
            if self.is_before_start(&ready, now) {
                self.run.before_start += 1;
                done.push((ready.listed.clone(), finished(&ready, State::BeforeStart, now)));
            } else if self.digests.contains(&ready.digest) {
                // Byte-identical mails in one mailbox are one mail.
                self.run.known += 1;
                done.push((ready.listed.clone(), finished(&ready, State::Published, now)));
            } else if self.refused.contains(&ready.digest) {
                self.run.refused += 1;
            } else if let Some(others) = twins.get_mut(&ready.digest) {
                others.push(ready.listed);
            } else {
                twins.insert(ready.digest, Vec::new());
                publish.push(ready);
            }
        }
        let records = publish.iter().map(|r| self.worker.records(&r.judged.events)).collect();
        let outcomes = self.worker.sink.publish(records).await;
        let mut failure = None;
        for (ready, outcome) in publish.iter().zip(outcomes) {
            let now = self.worker.now();
            let others = twins.remove(&ready.digest).unwrap_or_default();
            match outcome {
                Outcome::Published => {
                    self.run.published += 1;
                    self.run.known += others.len() as u64;
                    for event in &ready.judged.events {
                        *self.run.events.entry(event.data.verdict.kind()).or_default() += 1;
                    }
                    self.digests.insert(ready.digest);
                    let state = finished(ready, State::Published, now);
                    for twin in others {
                        done.push((twin.clone(), Done { uidl: twin.uidl.clone(), ..state.clone() }));
                    }
                    done.push((ready.listed.clone(), state));
                }
                Outcome::Refused(reason) => {
                    self.run.refused += 1;
                    self.refused.insert(ready.digest);
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
            Start::Since(date) => ready.judged.delivered_at.unwrap_or(now).date_naive() < date,
            Start::All | Start::Now => false,
        }
    }
}

fn finished(ready: &Ready, state: State, at: DateTime<Utc>) -> Done {
    Done { uidl: ready.listed.uidl.clone(), digest: Some(ready.digest), state, at }
}

impl Worker {
    /// The records of one mail's events.
    fn records(&self, events: &[Event]) -> Vec<Record> {
        events
            .iter()
            .map(|event| Record {
                topic: Arc::clone(&self.topic),
                key: event.partitionkey.clone(),
                value: serde_json::to_vec(event).unwrap_or_default(),
                headers: event.headers(),
            })
            .collect()
    }
}
