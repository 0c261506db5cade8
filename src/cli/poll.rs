//! `poll`: one pass over the mailboxes.

use super::exit::{configuration, fail};
use super::setup::{Selection, kafka, resolver, rules};
use super::{Exit, run_id, table};
use crate::auth::dns::RecordStore;
use crate::classify::Rules;
use crate::config::{self, Config, Delivery, Mailbox};
use crate::event::AuthWord;
use crate::ledger::{FileLedger, Ledger, MemoryLedger};
use crate::pipeline::{Failure, FailureClass, Line, LineSettings, Records, RunReport, Worker, run};
use crate::sink::{LineSink, Sink, TransactionalKafka};
use chrono::Utc;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;

/// One pass over the mailboxes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reply-ingest poll --config /etc/reply-ingest.yaml
  reply-ingest poll --config reply-ingest.yaml --mailbox replies --dry-run | jq .data.kind")]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Print the events instead of publishing them; record and delete nothing.
    #[arg(long)]
    dry_run: bool,
}

pub async fn main(args: Args) -> Exit {
    let config = match config::load(&args.selection.config) {
        Ok(config) => config,
        Err(error) => return configuration(&error),
    };
    let mailboxes = match args.selection.mailboxes(&config) {
        Ok(mailboxes) => mailboxes,
        Err(exit) => return exit,
    };
    let rules = match rules(&config) {
        Ok(rules) => rules,
        Err(failure) => return fail(&failure),
    };
    match poll(config, mailboxes, rules, args.dry_run).await {
        Ok((report, exit)) => {
            for (mailbox, failure) in &report.failures {
                eprintln!("error: mailbox {mailbox}: {}", failure.message);
            }
            if std::io::stderr().is_terminal() {
                eprintln!("{}\nevents: {}", table::run(&report), table::kinds(&report.events()));
            }
            exit
        }
        Err(failure) => fail(&failure),
    }
}

/// Sets everything up and takes one run through.
pub(crate) async fn poll(
    config: Config,
    mailboxes: Vec<Arc<Mailbox>>,
    rules: Arc<Rules>,
    dry_run: bool,
) -> Result<(RunReport, Exit), Failure> {
    if config.delivery == Delivery::ExactlyOnce && !dry_run {
        let (plain, _) = kafka(&config).await?;
        let both = Arc::new(TransactionalKafka::new(&config, plain, Utc::now));
        return poll_with(config, mailboxes, rules, Arc::clone(&both) as _, both, dry_run).await;
    }
    let sink = sink(&config, dry_run).await?;
    let ledger = ledger(&config, dry_run)?;
    poll_with(config, mailboxes, rules, sink, ledger, dry_run).await
}

/// Takes one run through, with this sink and ledger.
pub(crate) async fn poll_with(
    config: Config,
    mailboxes: Vec<Arc<Mailbox>>,
    rules: Arc<Rules>,
    sink: Arc<dyn Sink>,
    ledger: Arc<dyn Ledger>,
    dry_run: bool,
) -> Result<(RunReport, Exit), Failure> {
    let resolver = resolver(&config.dns)?;
    let mut settings = LineSettings::new(&config, run_id(), false);
    // A dry run writes nothing.
    if let (Some(folder), false) = (&config.dns.record, dry_run) {
        let store = RecordStore::create(folder).map_err(|e| Failure::new(FailureClass::Configuration, &e))?;
        settings.records = Records::Write(Arc::new(store));
    }
    let line = Line::new(settings, rules, resolver).map_err(|e| Failure::new(FailureClass::Configuration, &e))?;
    let worker = Arc::new(Worker::new(config, line, sink, ledger, dry_run, Utc::now));
    let signals = tokio::spawn(stop_on_signal(Arc::clone(&worker)));
    let report = run(&worker, mailboxes).await;
    signals.abort();
    log_run(&report);
    let mut exit = report.worst().map_or(Exit::Success, Exit::from);
    // With Kafka failing already, the summary would only wait for another time-out.
    if !dry_run
        && exit != Exit::Kafka
        && let Err(failure) = worker.publish_summary(&report, exit.code()).await
    {
        tracing::error!(reason = %failure.message, "the run is done, its summary is lost");
        if exit == Exit::Success {
            exit = failure.class.into();
        }
    }
    Ok((report, exit))
}

fn log_run(report: &RunReport) {
    for mailbox in &report.mailboxes {
        tracing::info!(
            mailbox = %mailbox.id,
            listed = mailbox.listed,
            fetched = mailbox.fetched,
            published = mailbox.published,
            known = mailbox.known,
            before_start = mailbox.before_start,
            refused = mailbox.refused,
            deleted = mailbox.deleted,
            octets = mailbox.octets,
            duration_ms = mailbox.duration_ms,
            events = %table::kinds(&mailbox.events),
            spf = %words(&mailbox.auth.spf),
            dkim = %words(&mailbox.auth.dkim),
            dmarc = %words(&mailbox.auth.dmarc),
            "pass ended"
        );
    }
    let dns = &report.dns;
    tracing::info!(
        questions = dns.questions,
        cache_hits = dns.cache_hits,
        retried = dns.retried,
        failed = dns.failed,
        asked = dns.latency.map(|l| l.asked),
        p95_ms = dns.latency.map(|l| l.p95_ms),
        max_ms = dns.latency.map(|l| l.max_ms),
        "name resolution"
    );
}

/// Verdicts on one line: `12 pass, 3 fail`.
fn words(counts: &BTreeMap<AuthWord, u64>) -> String {
    let parts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {}", word.as_str())).collect();
    if parts.is_empty() { "none checked".to_owned() } else { parts.join(", ") }
}

async fn sink(config: &Config, dry_run: bool) -> Result<Arc<dyn Sink>, Failure> {
    if dry_run {
        return Ok(Arc::new(LineSink::new(std::io::stdout())));
    }
    let (sink, _) = kafka(config).await?;
    Ok(Arc::new(sink))
}

fn ledger(config: &Config, dry_run: bool) -> Result<Arc<dyn Ledger>, Failure> {
    // A dry run writes nothing, so it makes no file either.
    if dry_run && (config.delivery == Delivery::ExactlyOnce || !config.ledger.file.exists()) {
        return Ok(Arc::new(MemoryLedger::default()));
    }
    Ok(Arc::new(FileLedger::open(&config.ledger.file, Utc::now())?))
}

/// SIGTERM and SIGINT end a run cleanly: what was fetched is published and committed.
async fn stop_on_signal(worker: Arc<Worker>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: what was fetched is finished, the rest stays for the next run");
    worker.stop();
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::warn!("stopping at once: what was not acknowledged stays for the next run");
    std::process::exit(i32::from(Exit::Temporary.code()));
}
