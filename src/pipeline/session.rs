//! One session with a mailbox: log in, list, fetch, publish, delete, QUIT.

use super::access::Broken;
use super::failure::{Failure, FailureClass};
use super::fetch::fetch_round;
use super::line::Place;
use super::pass::{Pace, Pass};
use super::plan::{Plan, is_due, without_doubles};
use super::run::Worker;
use crate::config::{Mailbox, Start, Tls};
use crate::event::run::MailboxRun;
use crate::ledger::{Done, Known};
use crate::pop3::{Client, Listed, Method, QuitOutcome, Window};
use chrono::{DateTime, Utc};
use std::collections::HashSet;
use std::sync::Arc;

/// Octets asked for ahead, at most.
const WINDOW_OCTETS: u64 = 4 * 1024 * 1024;

/// What happened to the mails of one round.
#[derive(Default)]
pub(super) struct Round {
    /// Mails that may be deleted, if the mailbox's retention says so.
    pub(super) finished: Vec<(Listed, DateTime<Utc>)>,
    pub(super) broken: Option<Broken>,
    /// The session was ended because it had lasted long enough.
    pub(super) overtime: bool,
}

/// Takes one session through; `true` when the mailbox holds more than it took.
pub(super) async fn session(
    worker: &Arc<Worker>,
    mailbox: &Arc<Mailbox>,
    place: &Arc<Place>,
    pass: &mut Pass,
) -> Result<bool, Broken> {
    let limits = &worker.config.limits;
    let mut client = worker.access.connect(mailbox, limits).await?;
    let method = worker.access.login(mailbox, limits, &mut client).await?;
    warn_of_clear_text(mailbox, method, pass);
    let listed = without_doubles(client.list().await?);
    let known = read_ledger(worker, &mailbox.name).await?;
    if !pass.begun {
        pass.run.listed = listed.len() as u64;
        pass.starts_now = mailbox.start == Start::Now && known.is_new();
    }
    let plan = Plan::new(mailbox, listed, &known, pass, worker.now());
    if !pass.begun {
        pass.run.known += plan.known;
        pass.begun = true;
    }
    pass.run.before_start += plan.before_start.len() as u64;
    note(worker, mailbox, &known, &plan).await?;
    // A mail without an id is known again only by fetching it, so a mailbox of those is done in one
    // session: the next one would begin with the same mails. And a server that wants a pause between two logins
    // is not to be logged in to more often than needed.
    let split = client.capabilities().login_delay().is_none() && plan.fetch.iter().all(|l| l.uidl.is_some());
    let most = if split { limits.session_mails } else { usize::MAX };
    let more = plan.fetch.len() > most;
    let fetch: Vec<Listed> = plan.fetch.into_iter().take(most).collect();
    let before = pass.progress() + pass.run.known;
    let window = match pass.pace {
        Pace::OneByOne => Window::ONE,
        Pace::Ahead | Pace::AheadAgain => Window { count: limits.pipeline, octets: WINDOW_OCTETS },
    };
    let until = split.then(|| tokio::time::Instant::now() + limits.session_time.0);

    let round = fetch_round(worker, mailbox, place, &mut client, (fetch, window, until), &known, pass).await;
    // After a failure, and in a dry run, the connection is dropped without QUIT: nothing is deleted
    // by a session that cannot be trusted, and Gmail hides what was fetched in a session that ended
    // with QUIT. The ledger knows what was published; the next session deletes it.
    if let Some(broken) = round.broken {
        return Err(broken);
    }
    if worker.dry_run {
        return Ok(false);
    }
    let now = worker.now();
    let due = round.finished.into_iter().filter(|(_, at)| is_due(mailbox.retention, *at, now)).map(|(l, _)| l);
    finish(worker, client, mailbox, due.collect(), &mut pass.run).await?;
    Ok((more || round.overtime) && pass.progress() + pass.run.known > before)
}

/// Once a pass: what the setting gives away, and whether the password was part of it.
fn warn_of_clear_text(mailbox: &Mailbox, method: Method, pass: &Pass) {
    if mailbox.tls != Tls::None || pass.begun {
        return;
    }
    tracing::warn!(
        mailbox = %mailbox.name,
        login = %method,
        "clear text: {}every mail can be read on the way; use port 995 and remove `tls: none`",
        if method.reveals() { "the password and " } else { "" }
    );
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
) -> Result<(), Broken> {
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
