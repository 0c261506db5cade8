//! `run`: the poll on a schedule until SIGTERM.
//!
//! Mailboxes with one schedule are a group, polled together; each group waits for its own ticks, so no run overlaps
//! another of its own, and a slow mailbox holds up only those that share its schedule. A configuration in force with its
//! groups is a generation (`generation`); SIGHUP puts another in its place, once what is under way has ended cleanly.

mod generation;
mod health;
mod http;

use super::Exit;
use super::exit::fail;
use super::setup::{Selection, Setup, rules};
use crate::pipeline::{Failure, FailureClass};
use crate::telemetry::{Metrics, Reloaded};
use chrono::Utc;
use generation::{Ended, Generation};
use health::Health;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

/// Poll on a schedule until SIGTERM, with /livez, /readyz and /metrics.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
SIGHUP reads the configuration again; a wrong one is spoken of and changes nothing.
SIGTERM and SIGINT end cleanly, a second one at once.

Example:
  reply-ingest run --config /etc/reply-ingest.yaml --listen 127.0.0.1:9464")]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Instead of run.listen: where /livez, /readyz and /metrics are.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    listen: Option<SocketAddr>,
    #[cfg(feature = "otlp")]
    #[command(flatten)]
    otlp: super::otlp::Otlp,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, such as 0.0.0.0:9464 or [::1]:9464".to_owned())
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

pub async fn main(args: Args) -> Exit {
    // Before anything else: a signal that comes early must not end the process.
    let signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return fail(&Failure::new(FailureClass::Internal, &error)),
    };
    let setup = match args.selection.setup() {
        Ok(setup) => setup,
        Err(exit) => return exit,
    };
    let address = args.listen.unwrap_or(setup.config.run.listen);
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            let message = format!("run.listen: cannot listen on {address}: {error}; name a free port");
            return fail(&Failure { class: FailureClass::Configuration, message });
        }
    };
    let metrics = Arc::new(Metrics::new(setup.rules.version(), Utc::now()));
    let health = Arc::new(Health::default());
    tracing::info!(address = %listener.local_addr().unwrap_or(address), "serving /livez, /readyz and /metrics");
    let server = tokio::spawn(http::serve(listener, Arc::clone(&metrics), Arc::clone(&health)));
    #[cfg(feature = "otlp")]
    let sending = args.otlp.begin(&metrics);
    let exit = generations(&args, signals, setup, &metrics, &health).await;
    #[cfg(feature = "otlp")]
    if let Some(sending) = sending {
        sending.end().await;
    }
    server.abort();
    exit
}

/// One generation after the other, until one is the last.
async fn generations(
    args: &Args,
    mut signals: Signals,
    mut setup: Setup,
    metrics: &Arc<Metrics>,
    health: &Arc<Health>,
) -> Exit {
    let listen = setup.config.run.listen;
    let mut at_once = setup.config.run.at_start;
    loop {
        taken(&setup, metrics);
        let names: Vec<String> = setup.mailboxes.iter().map(|m| m.name.clone()).collect();
        let generation = Arc::new(Generation::new(setup, Arc::clone(metrics), Arc::clone(health)));
        // A setting that is wrong is told to whoever starts the program; what may pass is tried again at each tick.
        if let Err(failure) = generation.open().await
            && matches!(failure.class, FailureClass::Configuration | FailureClass::Fenced)
        {
            return fail(&failure);
        }
        let mut groups = generation.start(at_once);
        let next = tokio::select! {
            next = reloaded(args, &mut signals, metrics) => next,
            exit = worst(&mut groups) => {
                health.stopping();
                generation.stop();
                drain(&mut groups, &mut signals, true).await;
                return exit;
            }
        };
        health.unready(if next.is_some() { "taking a new configuration" } else { "stopping" });
        let interrupted = generation.stop();
        let stop = drain(&mut groups, &mut signals, next.is_none()).await;
        let Some(next) = next.filter(|_| !stop) else {
            health.stopping();
            tracing::info!("stopped");
            return Exit::Success;
        };
        for gone in names.iter().filter(|name| next.mailboxes.iter().all(|m| m.name != **name)) {
            metrics.forget(gone);
        }
        if next.config.run.listen != listen && args.listen.is_none() {
            tracing::warn!("run.listen has changed: it holds when the program begins again");
        }
        // What was cut short is taken up at once.
        at_once = interrupted;
        setup = next;
    }
}

fn taken(setup: &Setup, metrics: &Metrics) {
    let names: Vec<&str> = setup.mailboxes.iter().map(|m| m.name.as_str()).collect();
    metrics.mailboxes(&names);
    metrics.judging_by(setup.rules.version());
    Reloaded { mailboxes: names.len(), refused: None, now: Utc::now() }.tell(metrics);
}

/// The next configuration; `None` when the program is to end.
async fn reloaded(args: &Args, signals: &mut Signals, metrics: &Metrics) -> Option<Setup> {
    loop {
        tokio::select! {
            _ = signals.hangup.recv() => {}
            _ = signals.terminate.recv() => return None,
            _ = signals.interrupt.recv() => return None,
        }
        match read(&args.selection) {
            Ok(setup) => return Some(setup),
            Err(reason) => Reloaded { mailboxes: 0, refused: Some(&reason), now: Utc::now() }.tell(metrics),
        }
    }
}

fn read(selection: &Selection) -> Result<Setup, String> {
    let wrong = |error: &dyn std::error::Error| Failure::new(FailureClass::Configuration, error).message;
    let no_shard = |_| "there is no such shard".to_owned();
    let shard = selection.shard().map_err(no_shard)?;
    let (mut config, _) = selection.read_for(shard).map_err(|error| wrong(&error))?;
    selection.own_ledger(&mut config).map_err(no_shard)?;
    let mailboxes = selection.mailboxes(&config).map_err(|_| "it lacks a mailbox named by --mailbox".to_owned())?;
    let rules = rules(&config).map_err(|failure| failure.message)?;
    Ok(Setup { config, mailboxes, rules })
}

/// Waits for a group that ends although nobody asked it to: another worker has taken over, or a fault.
async fn worst(groups: &mut JoinSet<Ended>) -> Exit {
    loop {
        match groups.join_next().await {
            Some(Ok(Ended::TakenOver)) => return Exit::Fenced,
            Some(Ok(Ended::Stopped)) => {}
            Some(Err(_)) => return Exit::Internal,
            // Schedules that never come again.
            None => std::future::pending().await,
        }
    }
}

/// Waits until every group has ended; `true` when the program is to end then. Asked a second time, it ends at once.
async fn drain(groups: &mut JoinSet<Ended>, signals: &mut Signals, mut stopping: bool) -> bool {
    loop {
        tokio::select! {
            ended = groups.join_next() => if ended.is_none() { return stopping },
            () = signals.stop() => {
                if stopping {
                    tracing::warn!("stopping at once: what was not acknowledged stays for the next run");
                    std::process::exit(i32::from(Exit::Temporary.code()));
                }
                stopping = true;
            }
        }
    }
}
