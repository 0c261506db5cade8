//! `replay --publish`: events of an archive to Kafka, with a guard before and a note of how far it is.

use super::diff::Verdicted;
use super::judge::{Judge, Seen};
use super::{Args, Replay};
use crate::cli::Exit;
use crate::cli::exit::fail;
use crate::cli::poll::{sink, worker};
use crate::config::Config;
use crate::event::Event;
use crate::ledger::MemoryLedger;
use crate::message::{Digest, Digester};
use crate::pipeline::{Failure, FailureClass, Worker};
use crate::plural::count;
use crate::sink::Outcome;
use crate::telemetry::Metrics;
use chrono::Utc;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Mails published at once.
const BATCH: usize = 500;
/// Mails that wait to be published.
const WAITING: usize = 1_000;

/// Whether and how events are published.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Publishing")]
pub struct Publishing {
    /// Publish the events to the configuration's topic instead of printing them. Without --yes it only says what
    /// would go where, publishes nothing and ends with exit code 64.
    #[arg(long, requires = "config", conflicts_with = "explain")]
    pub publish: bool,
    /// Yes, publish.
    #[arg(long, requires = "publish")]
    pub yes: bool,
    /// With --diff: publish only events whose verdict is another one now.
    #[arg(long, requires = "publish", requires = "diff")]
    pub changed_only: bool,
    /// Note here how far the publishing is, and go on from there when the file exists already.
    #[arg(long, value_name = "FILE", requires = "publish")]
    pub resume: Option<PathBuf>,
}

/// How far a publishing is: so many mails are acknowledged, and the last of them was this one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    mails: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_digest: Option<String>,
}

/// One mail on its way.
struct Ready {
    digest: Digest,
    events: Vec<Event>,
}

/// Publishes, or says what would go where.
pub async fn main(args: &Args, config: &Config, mut replay: Replay) -> Result<Exit, Exit> {
    let mark = args.publishing.resume.as_deref().map(read).transpose()?.unwrap_or_default();
    if !args.publishing.yes {
        say(args, config, &replay, &mark);
        return Ok(Exit::Usage);
    }
    let rules = crate::cli::setup::rules_with(Some(config), &args.rules).map_err(|f| fail(&f))?;
    let metrics = Arc::new(Metrics::new(rules.version(), Utc::now()));
    let (sink, _) = sink(config, &metrics).await.map_err(|f| fail(&f))?;
    // Only for its sink and its way to make records: it polls nothing.
    let ledger = Arc::new(MemoryLedger::default());
    let worker = worker(config.clone(), rules, sink, ledger, true, &metrics).map_err(|f| fail(&f))?;
    let (ready, waiting) = mpsc::channel(WAITING);
    let publisher = tokio::spawn(publish(worker, waiting, mark.clone(), args.publishing.resume.clone()));
    let before = replay.before.clone();
    let (filter, changed_only) = (args.filter.clone(), args.publishing.changed_only);
    let turn = move |judge: &Judge, seen: Seen| {
        let before = before.as_ref().map(|b| b.of(judge, &seen));
        let digest = seen.raw.digest();
        let mut events = seen.judged.events;
        if let Some(before) = &before {
            for (at, event) in events.iter_mut().enumerate() {
                revise(event, before.get(at));
            }
        }
        events.retain(|e| filter.takes(e) && !(changed_only && e.data.supersedes.is_none()));
        Ready { digest, events }
    };
    let mut number = 0;
    let mut strayed = false;
    // The channel is bounded: whoever judges waits for Kafka. `give` runs outside of the runtime's tasks.
    let exit = replay
        .each(false, turn, |mail| {
            number += 1;
            if number == mark.mails {
                strayed = mark.last_digest.as_deref().is_some_and(|d| d != mail.digest.to_string());
            }
            if strayed {
                return ControlFlow::Break(());
            }
            if number <= mark.mails {
                return ControlFlow::Continue(());
            }
            match tokio::task::block_in_place(|| ready.blocking_send(mail)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })
        .await;
    drop(ready);
    let done = publisher.await.map_err(|e| fail(&Failure::new(FailureClass::Internal, &e)))?;
    if strayed || number < mark.mails {
        complain!(
            "error: the mails are not those of which the file of --resume speaks: nothing more was published. \
             Give the same paths, or remove the file to begin anew"
        );
        return Err(Exit::Usage);
    }
    let (mails, events) = done.map_err(|failure| fail(&failure))?;
    complain!("published {} of {} to {}", count(events, "event"), count(mails, "mail"), config.kafka.topic);
    Ok(exit)
}

/// What would go where.
fn say(args: &Args, config: &Config, replay: &Replay, mark: &Mark) {
    let ids = match (&args.diff, args.publishing.changed_only) {
        (None, _) => {
            "every event keeps its id, so consumers that have seen it drop it; with --diff OLD an event whose verdict \
             changed gets an id of its own"
        }
        (Some(_), true) => "only events whose verdict changed, with an id of their own and `supersedes`",
        (Some(_), false) => {
            "events whose verdict changed get an id of their own and `supersedes`; the others keep theirs, and \
             consumers that have seen them drop them"
        }
    };
    complain!("This would publish the events of these mails:");
    complain!("  from      {}", origin(args, replay));
    complain!("  to        topic {} at {}", config.kafka.topic, config.kafka.brokers.join(", "));
    let mailbox = &replay.judge.place.mailbox;
    let mailbox = args.from.archive.as_ref().map_or(format!("mailbox {mailbox}"), |_| "the mailbox of each".to_owned());
    complain!("  as        {mailbox}, with data.ingest.replay: true");
    complain!("  ids       {ids}");
    if mark.mails > 0 {
        complain!("  goes on   behind {} that --resume knows as published", count(mark.mails, "mail"));
    }
    complain!(
        "error: nothing was published, because --yes is missing: look at the events without --publish, then add it"
    );
}

/// Where the mails are.
fn origin(args: &Args, replay: &Replay) -> String {
    if let Some(location) = &args.from.archive {
        return match args.from.digest.len() {
            0 => format!("the archive {location}"),
            mails => format!("the archive {location}, {}", count(mails, "mail")),
        };
    }
    match (args.paths.len(), args.uidl.len()) {
        (0, mails) => format!("the mailbox itself, {}", count(mails, "mail")),
        (_, 0) => format!("{}, {}", count(replay.sources.len(), "file"), count(replay.octets(), "octet")),
        (_, mails) => {
            format!("{} and {} of the mailbox itself", count(replay.sources.len() - 1, "file"), count(mails, "mail"))
        }
    }
}

/// An event whose verdict is another one now gets an id of its own, the same on every replay, and names the first.
fn revise(event: &mut Event, before: Option<&Verdicted>) {
    let now = Verdicted::of(event);
    if before.is_none_or(|b| b.label == now.label) {
        return;
    }
    let mut digester = Digester::default();
    digester.update(event.data.dedupe_key.as_bytes());
    digester.update(now.label.as_str().as_bytes());
    event.id = digester.finish().to_string();
    event.data.supersedes = Some(event.data.dedupe_key.clone());
}

/// Publishes mails in order; tells how many mails and events. Ends at the first batch that Kafka does not take.
async fn publish(
    worker: Worker,
    mut waiting: mpsc::Receiver<Ready>,
    mut mark: Mark,
    file: Option<PathBuf>,
) -> Result<(u64, u64), Failure> {
    let (mut mails, mut events) = (0, 0);
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let records = batch.iter().map(|ready| {
            worker.records(&ready.events).unwrap_or_else(|reason| {
                tracing::error!(digest = %ready.digest, %reason, "a mail's events break a promise: it is passed over");
                Vec::new()
            })
        });
        let records = records.collect();
        let outcomes = worker.sink.publish(records).await;
        for (ready, outcome) in batch.drain(..).zip(outcomes) {
            match outcome {
                Outcome::Published => events += ready.events.len() as u64,
                Outcome::Refused(reason) => {
                    tracing::error!(digest = %ready.digest, %reason, "the events of a mail are refused: it is passed over");
                }
                Outcome::Failed(reason) | Outcome::Lost(reason) | Outcome::Fenced(reason) => {
                    let advice = if file.is_some() { "start again with the same --resume" } else { "start again" };
                    let message = format!(
                        "Kafka does not take events ({reason}): published in this run: {}; {advice}",
                        count(mails, "mail")
                    );
                    return Err(Failure { class: FailureClass::Kafka, message });
                }
            }
            mails += 1;
            mark.mails += 1;
            mark.last_digest = Some(ready.digest.to_string());
        }
        if let Some(file) = &file {
            write(file, &mark).map_err(|error| Failure {
                class: FailureClass::Temporary,
                message: format!(
                    "{} cannot be written ({error}): published are {}",
                    file.display(),
                    count(mark.mails, "mail")
                ),
            })?;
        }
    }
    Ok((mails, events))
}

fn read(path: &Path) -> Result<Mark, Exit> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Mark::default()),
        Err(error) => {
            complain!("error: {}: {error}: name a file that can be read and written", path.display());
            return Err(Exit::Usage);
        }
    };
    serde_json::from_str(&text).map_err(|error| {
        complain!("error: {} is no file of --resume ({error}): name another, or remove it", path.display());
        Exit::Usage
    })
}

/// Writes the mark in one step: a crash leaves the old one or the new one.
fn write(path: &Path, mark: &Mark) -> std::io::Result<()> {
    let beside = path.with_extension("part");
    let mut file = std::fs::File::create(&beside)?;
    serde_json::to_writer(&mut file, mark)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::{Mark, read, write};

    #[test]
    fn a_mark_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mark.json");
        assert_eq!(read(&path).expect("none yet"), Mark::default());
        let mark = Mark { mails: 7, last_digest: Some("ab".to_owned()) };
        write(&path, &mark).expect("writes");
        assert_eq!(read(&path).expect("is there"), mark);
        std::fs::write(&path, "no").expect("writes");
        assert!(read(&path).is_err());
    }
}
