//! One pass over one mailbox.
//!
//! Three stations work side by side: the connection is read, what was read is judged, what was
//! judged is published and recorded. Mail between socket and judgement is bounded in octets for
//! all mailboxes together, judged mail in number. Only mails whose own events were acknowledged
//! and recorded are deleted, and only QUIT makes that final; what then became of it, the next
//! UIDL tells.

use super::failure::{Failure, FailureClass};
use super::fetch::fetch_round;
use super::line::Place;
use super::plan::{Plan, is_due, without_doubles};
use super::run::Worker;
use crate::config::{Mailbox, Start};
use crate::event::run::MailboxRun;
use crate::ledger::{Done, Known};
use crate::pop3::{Client, Endpoint, Listed, QuitOutcome, Timeouts, tls};
use chrono::{DateTime, Utc};
use std::collections::HashSet;
use std::sync::Arc;

/// What happened to the mails of one round.
#[derive(Default)]
pub(super) struct Round {
    /// Mails that may be deleted, if the mailbox's retention says so.
    pub(super) finished: Vec<(Listed, DateTime<Utc>)>,
    pub(super) failure: Option<Failure>,
}

/// What holds for a whole pass, however many sessions it takes.
#[derive(Default)]
pub(super) struct Pass {
    pub(super) run: MailboxRun,
    /// UIDLs that the server or the sink refused: they are left for the next run.
    pub(super) refused: HashSet<String>,
    /// Whether this is the first pass over a mailbox with `start: now`.
    pub(super) starts_now: bool,
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

async fn read_ledger(worker: &Arc<Worker>, mailbox: &str) -> Result<Known, Failure> {
    let (ledger, mailbox) = (Arc::clone(&worker.ledger), mailbox.to_owned());
    blocking(move || ledger.known(&mailbox)).await
}

pub(super) async fn record(worker: &Arc<Worker>, mailbox: &Mailbox, done: Vec<Done>) -> Result<(), Failure> {
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
