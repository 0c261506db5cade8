//! One session with a mailbox: log in, list, fetch, publish, delete, QUIT.

use super::access::Broken;
use super::failure::{Failure, FailureClass};
use super::fetch::{Job, fetch_round};
use super::guard::{expected, judge, numbers};
use super::line::Place;
use super::pass::Pass;
use super::plan::{Plan, is_due, without_doubles};
use super::run::{Station, Worker};
use crate::config::{Mailbox, Start, Tls};
use crate::event::run::MailboxRun;
use crate::ledger::{Done, Known};
use crate::pop3::{Client, Listed, Method, QuitOutcome, Retry, Window};
use crate::telemetry;
use chrono::{DateTime, Utc};
use std::collections::HashSet;
use std::sync::Arc;

/// Octets asked for ahead, at most.
const WINDOW_OCTETS: u64 = 4 * 1024 * 1024;

/// A mail that is through: published, in this run or an earlier one.
pub(super) struct Finished {
    pub(super) listed: Listed,
    pub(super) published_at: DateTime<Utc>,
    /// By the rules of this run, also where an earlier one published it.
    pub(super) unclassified: bool,
    /// It is too large for the archive, so it stays.
    pub(super) only_copy: bool,
}

/// What happened to the mails of one round.
#[derive(Default)]
pub(super) struct Round {
    /// Mails that may be deleted, if the mailbox's retention says so.
    pub(super) finished: Vec<Finished>,
    /// UIDLs that the ledger has from this session.
    pub(super) recorded: Vec<String>,
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
    let entered = async {
        let begun = tokio::time::Instant::now();
        let mut client = enter(worker, mailbox, pass).await?;
        worker.tell(|o| o.took(Station::Enter, begun.elapsed()));
        let listed = without_doubles(client.list().await?);
        if !listed.is_empty() {
            worker.line.prepare();
        }
        // Not before the login: reading a ledger may fence whoever holds the mailbox.
        let known = read_ledger(worker, &mailbox.name, listed.is_empty()).await?;
        Ok::<_, Broken>((client, listed, known))
    };
    let (mut client, listed, mut known) = tokio::select! {
        entered = entered => entered?,
        // Nothing is under way yet that would have to be finished.
        () = worker.stopped() => return Ok(true),
    };
    if !pass.begun {
        pass.run.listed = listed.len() as u64;
        let octets = listed.iter().map(|mail| mail.size).fold(0, u64::saturating_add);
        telemetry::Listed { mailbox: &mailbox.name, mails: pass.run.listed, octets }.tell(&worker.metrics);
        pass.starts_now = mailbox.start == Start::Now && known.is_new();
    }
    if worker.retry_dead_letters {
        known.forget_dead_letters();
    }
    let mut plan = Plan::new(mailbox, listed, &known, pass, worker.now());
    if worker.line.archives(&mailbox.name) {
        // Published, and not to be deleted without a copy: fetching it again would be in vain.
        let due = plan.due.len();
        plan.due.retain(|mail| mail.size <= limits.message_size.0);
        plan.known += (due - plan.due.len()) as u64;
    }
    if let Some(guards) = worker.guards() {
        let sure = expected(mailbox.retention, mailbox.start, plan.fresh.len(), plan.due.len());
        if pass.withheld.is_none() {
            pass.withhold(numbers(guards, pass.tally.deletes + sure, pass.run.listed));
        }
        if pass.withheld.is_some() {
            // They would only be fetched to be deleted.
            plan.known += std::mem::take(&mut plan.due).len() as u64;
        }
    }
    if !pass.begun {
        pass.run.known += plan.known;
        pass.begun = true;
    }
    pass.run.before_start += plan.before_start.len() as u64;
    note(worker, mailbox, &known, &plan).await?;
    // A server that wants a pause between two logins is not to be logged in to more often than needed, and a dry run
    // has nothing to commit.
    let split = client.capabilities().login_delay().is_none_or(|seconds| seconds == 0)
        && !pass.unsplit
        && !worker.dry_run
        && plan.nameless.len() <= limits.session_mails;
    let most = if split { limits.session_mails.min(pass.session_mails.unwrap_or(usize::MAX)) } else { usize::MAX };
    let nameless = !plan.nameless.is_empty();
    let (mails, more) = plan.session(most);
    if pass.starts_now && !nameless {
        // What lay there is noted: what comes from now on is new, even if this session breaks.
        pass.starts_now = false;
    }
    let window = if pass.pace.is_one_at_a_time() {
        Window::ONE
    } else {
        Window { count: limits.pipeline, octets: WINDOW_OCTETS }
    };
    let until = (split && (more || !nameless)).then(|| tokio::time::Instant::now() + limits.session_time.0);

    let job = Job { mails, window, until };
    let round = fetch_round(worker, mailbox, place, &mut client, job, known, pass).await;
    // After a failure, and in a dry run, the connection is dropped without QUIT: nothing is deleted
    // by a session that cannot be trusted, and Gmail hides what was fetched in a session that ended
    // with QUIT. The ledger knows what was published; the next session deletes it.
    if let Some(broken) = round.broken {
        return Err(doubt(worker, mailbox, pass, round.recorded, broken).await);
    }
    pass.doubtful = pass.doubtful.saturating_sub(round.recorded.len());
    if worker.dry_run {
        return Ok(false);
    }
    let now = worker.now();
    let mut due = round.finished;
    due.retain(|mail| !mail.only_copy && is_due(mailbox.retention, mail.published_at, now));
    if let Some(guards) = worker.guards() {
        pass.tally.deletes += due.len() as u64;
        pass.tally.unclassified += due.iter().filter(|mail| mail.unclassified).count() as u64;
        pass.withhold(judge(guards, pass.tally, pass.run.listed));
    }
    if pass.withheld.is_some() {
        due.clear();
    }
    let mut due: Vec<Listed> = due.into_iter().map(|mail| mail.listed).collect();
    due.sort_by_key(|mail| mail.number);
    if let Err(broken) = finish(worker, client, mailbox, due.clone(), &mut pass.run).await {
        return Err(doubt(worker, mailbox, pass, round.recorded, broken).await);
    }
    pass.settled.delete_tried(&due);
    Ok(more || round.overtime)
}

/// With answers under way, one too few or too many puts every mail behind it under another's id: of a session that broke
/// only the digests are to be believed. The mails are fetched again, and not published again.
async fn doubt(
    worker: &Arc<Worker>,
    mailbox: &Mailbox,
    pass: &mut Pass,
    recorded: Vec<String>,
    broken: Broken,
) -> Broken {
    if worker.dry_run || pass.pace.is_one_at_a_time() {
        return broken;
    }
    pass.doubtful += recorded.len();
    match forget(worker, mailbox, recorded).await {
        // Another worker's claim counts more than why the session broke; a Kafka that is still away does not.
        Err(failure) if failure.class == FailureClass::Fenced || broken.failure.class != FailureClass::Kafka => {
            failure.into()
        }
        _ => broken,
    }
}

/// Connects and logs in.
async fn enter(worker: &Arc<Worker>, mailbox: &Mailbox, pass: &Pass) -> Result<Client, Broken> {
    let limits = &worker.config.limits;
    let mut client = worker.access.connect(mailbox, limits).await.map_err(|e| before_fetching(e.into()))?;
    client.one_at_a_time(pass.pace.is_one_at_a_time());
    match worker.access.login(mailbox, limits, &mut client).await {
        Ok(method) => {
            warn_of_clear_text(mailbox, method, pass);
            Ok(client)
        }
        // The same credentials were good a moment ago: a lock, from a server that has no code for it.
        Err(broken) if pass.begun && broken.failure.class == FailureClass::Credentials => {
            let message = format!("{} (in this run they were good before)", broken.failure.message);
            Err(Broken { failure: Failure { class: FailureClass::Temporary, message }, retry: Retry::Later })
        }
        Err(broken) => Err(before_fetching(broken)),
    }
}

/// A connection that breaks before the mailbox is open says nothing about mails: the next one is no slower.
fn before_fetching(broken: Broken) -> Broken {
    let retry = if broken.retry == Retry::Resume { Retry::Later } else { broken.retry };
    Broken { retry, ..broken }
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
    let (before_start, is_new, start) = (plan.before_start.clone(), known.is_new(), mailbox.start);
    blocking(move || {
        ledger.forget_gone(&name, &gone)?;
        ledger.missing(&name, &missing, Some(now))?;
        ledger.missing(&name, &back, None)?;
        ledger.record(&name, &before_start)?;
        match start {
            _ if !is_new => Ok(()),
            // Even if this session breaks, what comes from now on is new.
            Start::Now => ledger.begin(&name, now),
            Start::All | Start::Since(_) => ledger.begin_later(&name, now),
        }
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
            blocking(move || ledger.forget_gone(&name, &gone)).await?;
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

async fn forget(worker: &Arc<Worker>, mailbox: &Mailbox, uidls: Vec<String>) -> Result<(), Failure> {
    let (ledger, name) = (Arc::clone(&worker.ledger), mailbox.name.clone());
    blocking(move || ledger.forget(&name, &uidls)).await
}

async fn read_ledger(worker: &Arc<Worker>, mailbox: &str, is_empty: bool) -> Result<Known, Failure> {
    let (ledger, mailbox) = (Arc::clone(&worker.ledger), mailbox.to_owned());
    blocking(move || if is_empty { ledger.known_of_empty(&mailbox) } else { ledger.known(&mailbox) }).await
}

pub(super) async fn record(worker: &Arc<Worker>, mailbox: &Mailbox, done: Vec<Done>) -> Result<(), Failure> {
    if worker.dry_run {
        return Ok(());
    }
    let (ledger, mailbox) = (Arc::clone(&worker.ledger), mailbox.name.clone());
    blocking(move || ledger.record(&mailbox, &done)).await
}

/// The pass is over.
pub(super) async fn leave(worker: &Arc<Worker>, mailbox: &str) {
    let (ledger, mailbox) = (Arc::clone(&worker.ledger), mailbox.to_owned());
    // Nothing depends on it.
    let _ = tokio::task::spawn_blocking(move || ledger.leave(&mailbox)).await;
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
