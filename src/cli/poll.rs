//! `poll`: one pass over the mailboxes.

use super::exit::fail;
use super::reports::Reports;
use super::setup::{Selection, kafka, measured_resolver, rules_beside};
use super::{Exit, run_id, table};
use crate::archive::Archive;
use crate::auth::dns::RecordStore;
use crate::classify::Rules;
use crate::config::{Config, Delivery, Mailbox};
use crate::event::run::kinds;
use crate::ledger::{FileLedger, Ledger, MemoryLedger};
use crate::pipeline::{Failure, FailureClass, Line, LineSettings, Observer, Records, RunReport, Step, Worker, run};
use crate::report::Collector;
#[cfg(feature = "schema-registry")]
use crate::sink::Framed;
use crate::sink::{LineSink, Measure, Sink, TopicLedger, TransactionalKafka};
use crate::telemetry::export::{self, Ended};
use crate::telemetry::{KafkaWatch, Metrics, RunEnded};
use chrono::Utc;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// One pass over the mailboxes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reply-ingest poll --config /etc/reply-ingest.yaml
  reply-ingest poll --config reply-ingest.yaml --report html=run.html --report json=run.json
  reply-ingest poll --config reply-ingest.yaml --mailbox replies --dry-run | jq .data.kind")]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Print the events instead of publishing them; record and delete nothing.
    #[arg(long)]
    dry_run: bool,
    /// Delete what guards would withhold: you have looked at it. For this run only.
    #[arg(long, conflicts_with = "dry_run")]
    allow_deletes: bool,
    /// Try mails again that became dead letters, once what kept them from being published has changed.
    #[arg(long)]
    retry_dead_letters: bool,
    /// Push the run's metrics to this Pushgateway when it ends; a dry run pushes none.
    // No conflict of the two: the address mostly comes from the environment, in which a person tries things too.
    #[arg(long, value_name = "URL", env = "REPLY_INGEST_METRICS_PUSH")]
    metrics_push: Option<String>,
    /// Write the run's metrics to this file (node exporter's textfile collector) when it ends.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    metrics_file: Option<PathBuf>,
    #[cfg(feature = "otlp")]
    #[command(flatten)]
    otlp: super::otlp::Otlp,
    #[command(flatten)]
    reports: Reports,
}

impl Args {
    fn mode(&self) -> Mode {
        Mode { dry_run: self.dry_run, allow_deletes: self.allow_deletes, retry_dead_letters: self.retry_dead_letters }
    }

    /// Metrics that do not arrive are spoken of; the run's exit code says how the run went.
    async fn export(&self, metrics: &Metrics, ended: Option<&(RunReport, Exit)>) {
        let mut troubles = Vec::new();
        if let Some(path) = &self.metrics_file {
            troubles.extend(export::to_file(metrics, path).err());
        }
        if let Some(url) = self.metrics_push.as_ref().filter(|_| !self.dry_run) {
            let ended = Ended {
                mailboxes: ended.map(|(report, _)| report.mailboxes.as_slice()).unwrap_or_default(),
                all_went_well: ended.is_some_and(|(_, exit)| *exit == Exit::Success),
                now: Utc::now(),
            };
            troubles.extend(export::push(metrics, url, &ended).await.err());
        }
        for error in troubles {
            let reason = Failure::new(FailureClass::Temporary, &error).message;
            tracing::error!(%reason, "the metrics of this run are lost");
        }
        #[cfg(feature = "otlp")]
        if !self.dry_run {
            self.otlp.send(metrics).await;
        }
    }
}

pub async fn main(args: Args) -> Exit {
    // Before anything else: a signal that comes early must not end the process in its own way.
    let stop = match Stop::new() {
        Ok(stop) => stop,
        Err(error) => return fail(&Failure::new(FailureClass::Internal, &error)),
    };
    // Not by clap, which repeats what it refuses: a URL may hold a password.
    if let Some(Err(error)) = args.metrics_push.as_deref().filter(|_| !args.dry_run).map(export::check_url) {
        complain!("error: {error}");
        return Exit::Usage;
    }
    let (config, mailboxes) = match args.selection.configured() {
        Ok(configured) => configured,
        Err(exit) => return exit,
    };
    let rules = rules_beside(&config);
    let metrics = Arc::new(Metrics::new("", Utc::now()));
    let mode = args.mode();
    let collector = args.reports.collector();
    let polled = poll(config, mailboxes, rules, mode, &metrics, stop, collector.clone()).await;
    if let Err(failure) = &polled {
        RunEnded::before_it_began(failure, Exit::from(failure.class).code(), Utc::now()).tell(&metrics);
    }
    args.export(&metrics, polled.as_ref().ok()).await;
    match polled {
        Ok((report, exit)) => {
            for (mailbox, failure) in &report.failures {
                complain!("error: mailbox {mailbox}: {}", failure.message);
            }
            if io::stderr().is_terminal() {
                complain!("{}", table::run(&report));
                if let Some(events) = table::kinds(&report) {
                    complain!("\n{events}");
                }
                complain!("events: {}", kinds(&report.events()));
            }
            args.reports.write(collector.as_deref(), &metrics.ruleset(), args.dry_run, &report, exit);
            exit
        }
        Err(failure) => fail(&failure),
    }
}

/// Standard output of a dry run. Who reads it may have read enough: then nothing is left to do.
struct Printed(io::Stdout);

impl Printed {
    fn unless_closed<T>(done: io::Result<T>) -> io::Result<T> {
        if done.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            std::process::exit(i32::from(Exit::Success.code()));
        }
        done
    }
}

impl Write for Printed {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Self::unless_closed(self.0.write(octets))
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::unless_closed(self.0.flush())
    }
}

/// What a person asked of this run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mode {
    /// Events are printed; nothing is recorded or deleted.
    pub dry_run: bool,
    /// Guards on deleting do not hold.
    pub allow_deletes: bool,
    /// Mails that became dead letters are tried again.
    pub retry_dead_letters: bool,
}

/// Sets everything up and takes one run through. The rules may still be on their way while Kafka is asked.
pub(crate) async fn poll(
    config: Config,
    mailboxes: Vec<Arc<Mailbox>>,
    rules: impl Future<Output = Result<Arc<Rules>, Failure>>,
    Mode { dry_run, allow_deletes, retry_dead_letters }: Mode,
    metrics: &Arc<Metrics>,
    mut stop: Stop,
    collector: Option<Arc<Collector>>,
) -> Result<(RunReport, Exit), Failure> {
    let ((sink, its_ledger), rules): ((Arc<dyn Sink>, _), _) = if dry_run {
        ((Arc::new(LineSink::new(Printed(io::stdout()))), None), rules.await?)
    } else {
        tokio::select! {
            // The first that is wrong ends it.
            both = async { tokio::try_join!(sink(&config, metrics), rules) } => both?,
            () = stop.asked() => {
                tracing::info!("stopped before anything was begun: the next run has it all");
                // The question to the brokers that is under way cannot be called back.
                std::process::exit(i32::from(Exit::Success.code()));
            }
        }
    };
    metrics.judging_by(rules.version());
    let ledger = its_ledger.map_or_else(|| ledger(&config, dry_run), Ok)?;
    let worker = worker(config, rules, sink, ledger, dry_run, metrics)?;
    let worker = worker.allowing_deletes(allow_deletes).retrying_dead_letters(retry_dead_letters);
    let worker = Arc::new(worker.watched(collector.map(|c| c as Arc<dyn Observer>)));
    let signals = tokio::spawn(stop.on_signal(Arc::clone(&worker)));
    let ended = one_run(&worker, mailboxes).await;
    signals.abort();
    Ok(ended)
}

/// The worker of one run.
pub(super) fn worker(
    config: Config,
    rules: Arc<Rules>,
    sink: Arc<dyn Sink>,
    ledger: Arc<dyn Ledger>,
    dry_run: bool,
    metrics: &Arc<Metrics>,
) -> Result<Worker, Failure> {
    let resolver = measured_resolver(&config.dns, metrics)?;
    let mut settings = LineSettings { meter: metrics.meter(), ..LineSettings::new(&config, run_id(), false) };
    // A dry run writes nothing.
    if let (Some(folder), false) = (&config.dns.record, dry_run) {
        let store = RecordStore::create(folder).map_err(|e| Failure::new(FailureClass::Configuration, &e))?;
        settings.records = Records::Write(Arc::new(store));
    }
    let line = Line::new(settings, rules, resolver).map_err(|e| Failure::new(FailureClass::Configuration, &e))?;
    let archive = if dry_run { None } else { archive(&config)? };
    Ok(Worker::new(config, line, sink, ledger, dry_run, Utc::now).archiving(archive).counting(Arc::clone(metrics)))
}

/// A run's time: what was fetched when it is up is finished.
async fn end_in_time(worker: Arc<Worker>, time: Duration) {
    tokio::time::sleep(time).await;
    tracing::info!("limits.run_time is up: what was fetched is finished, the rest stays for the next run");
    worker.end_in_time();
}

/// The archive that a configuration asks for.
pub(super) fn archive(config: &Config) -> Result<Option<Archive>, Failure> {
    let Some(setting) = &config.archive else { return Ok(None) };
    let options = setting.options.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
    Ok(Some(Archive::open(&setting.location, options)?))
}

/// Takes one run through, its summary included.
pub(super) async fn one_run(worker: &Arc<Worker>, mailboxes: Vec<Arc<Mailbox>>) -> (RunReport, Exit) {
    let budget = worker.config.limits.run_time.map(|span| tokio::spawn(end_in_time(Arc::clone(worker), span.0)));
    let report = run(worker, mailboxes).await;
    if let Some(budget) = budget {
        budget.abort();
    }
    let mut class = report.worst();
    let code = |class: Option<FailureClass>| class.map_or(Exit::Success, Exit::from);
    // With Kafka failing already, the summary would only wait for another time-out.
    if !worker.dry_run
        && class != Some(FailureClass::Kafka)
        && let Err(failure) = worker.publish_summary(&report, code(class).code()).await
    {
        tracing::error!(reason = %failure.message, "the run is done, its summary is lost");
        class = class.or(Some(failure.class));
    }
    RunEnded {
        class,
        exit_code: code(class).code(),
        mailboxes: report.mailboxes.len(),
        took: (report.ended_at - report.started_at).to_std().unwrap_or_default(),
        dns: Some(&report.dns),
        now: worker.now(),
    }
    .tell(&worker.metrics);
    (report, code(class))
}

/// A sink to Kafka, once the brokers have answered, and the ledger where Kafka keeps it too.
pub(super) async fn sink(
    config: &Config,
    metrics: &Arc<Metrics>,
) -> Result<(Arc<dyn Sink>, Option<Arc<dyn Ledger>>), Failure> {
    let watch = KafkaWatch::new(Arc::clone(metrics));
    let plain = kafka(config, Some(Arc::new(move |statistics| watch.note(statistics)))).await?;
    let (sink, ledger): (Arc<dyn Sink>, Option<Arc<dyn Ledger>>) = match (config.delivery, config.ledger_topic()) {
        (Delivery::ExactlyOnce, Some(topic)) => {
            let meter = metrics.meter();
            let measure: Measure = Arc::new(move |mails, work| meter.share(Step::Publish, mails, work));
            let both = Arc::new(TransactionalKafka::new(config, topic, plain, Utc::now, measure));
            (Arc::clone(&both) as _, Some(both))
        }
        (_, Some(topic)) => {
            let ledger = TopicLedger::new(config, topic, Utc::now)?;
            (Arc::new(plain), Some(Arc::new(ledger)))
        }
        (_, None) => (Arc::new(plain), None),
    };
    #[cfg(feature = "schema-registry")]
    let sink = match &config.kafka.schema_registry {
        Some(settings) => Arc::new(Framed::open(sink, config, settings).await?),
        None => sink,
    };
    Ok((sink, ledger))
}

pub(super) fn ledger(config: &Config, dry_run: bool) -> Result<Arc<dyn Ledger>, Failure> {
    // A dry run writes nothing, so it makes no file either.
    if dry_run && (config.ledger_topic().is_some() || !config.ledger.file.exists()) {
        return Ok(Arc::new(MemoryLedger::default()));
    }
    Ok(Arc::new(FileLedger::open(&config.ledger.file, Utc::now())?))
}

/// SIGTERM and SIGINT end a run cleanly: what was fetched is published and committed.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// From now on the signals are waited for.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// The first ends the worker's run, a second one the process.
    async fn on_signal(mut self, worker: Arc<Worker>) {
        self.asked().await;
        tracing::info!("stopping: what was fetched is finished, the rest stays for the next run");
        worker.stop();
        self.asked().await;
        tracing::warn!("stopping at once: what was not acknowledged stays for the next run");
        std::process::exit(i32::from(Exit::Temporary.code()));
    }
}
