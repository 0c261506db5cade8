//! `replay`: judge mails from files, and say why.

use super::exit::{configuration, fail};
use super::mails::{Found, Source};
use super::setup::{resolver, rules};
use super::{Exit, run_id};
use super::{dead_letters, explain};
use crate::auth::dns::{RecordStore, Recorded};
use crate::classify::Rules;
use crate::config::{self, Config, Octets};
use crate::event::privacy::Policy;
use crate::pipeline::{Failure, FailureClass, Judged, Line, LineSettings, Place, Records};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// The mailbox name of mails that lay in none.
const NO_MAILBOX: &str = "replay";
/// Sources that one task reads and judges, one after the other: a task for each costs as much as a small mail.
const BATCH: usize = 16;
/// Tasks at once; their events still come in order.
const AT_ONCE: usize = 16;

/// Judge mails from files.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reply-ingest replay bounce.eml --explain
  reply-ingest replay --config reply-ingest.yaml --mailbox replies archive/ > events.jsonl
  reply-ingest replay --config reply-ingest.yaml --dns-record /var/lib/reply-ingest/dns archive/
  reply-ingest replay --config reply-ingest.yaml --dead-letters | jq .data.reason
  cat mail.eml | reply-ingest replay - --no-auth | jq .data.kind")]
pub struct Args {
    /// A mail, an mbox, a Maildir, a folder of those, or - for standard input.
    #[arg(required_unless_present = "dead_letters", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print the dead letters of the configuration's topic, and of the PATHs only the mails that they are about.
    #[arg(long, requires = "config", conflicts_with = "explain")]
    dead_letters: bool,
    /// Show for a person which rules fired, and on what text, instead of the events.
    #[arg(long)]
    explain: bool,
    /// Take rules, correlators, privacy and DNS from this configuration. Without it, addresses
    /// and text are shown as they are.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The mailbox whose name, trust settings and privacy hold.
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// Check no SPF, DKIM and DMARC, and so ask no DNS.
    #[arg(long)]
    no_auth: bool,
    /// Take DNS answers from this folder, which `dns.record` named when the mails were ingested, and ask nobody. What
    /// has no answers there is not checked.
    #[arg(long, value_name = "DIR", conflicts_with = "no_auth")]
    dns_record: Option<PathBuf>,
    /// The time to write as `observed_at`, such as 2026-11-22T08:00:00Z, instead of now.
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
    /// The run id to write, instead of a new one.
    #[arg(long, value_name = "ID")]
    run_id: Option<String>,
}

pub async fn main(args: Args) -> Exit {
    let config = match args.config.as_deref().map(config::load).transpose() {
        Ok(config) => config,
        Err(error) => return configuration(&error),
    };
    let place = match place(config.as_ref(), args.mailbox.as_deref()) {
        Ok(place) => Arc::new(place),
        Err(exit) => return exit,
    };
    let line = match line(config.as_ref(), &args) {
        Ok(line) => Arc::new(line),
        Err(failure) => return fail(&failure),
    };
    if let (true, Some(config)) = (args.dead_letters, &config) {
        return dead_letters::main(config, &args.paths, &line, &place).await;
    }
    let mut sources = Vec::new();
    let mut missing = None;
    for path in &args.paths {
        match Source::find(path) {
            Ok(found) => sources.extend(found),
            // The other paths are read all the same.
            Err(error) => missing = Some(fail(&Failure::new(FailureClass::Temporary, &error))),
        }
    }
    let max = config.as_ref().map_or(Octets(30_000_000), |c| c.limits.message_size).as_usize();
    match judge_all(sources, max, &line, &place, args.at, args.explain).await {
        Ok(Exit::Success) => missing.unwrap_or(Exit::Success),
        Ok(exit) => exit,
        // Who reads us has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => {
            eprintln!("error: cannot write the events: {error}");
            Exit::Temporary
        }
    }
}

async fn judge_all(
    sources: Vec<Source>,
    max: usize,
    line: &Arc<Line>,
    place: &Arc<Place>,
    at: Option<DateTime<Utc>>,
    explained: bool,
) -> io::Result<Exit> {
    let mut exit = Exit::Success;
    let batches: Vec<Vec<Source>> = {
        let mut sources = sources.into_iter().peekable();
        std::iter::from_fn(|| sources.peek().is_some().then(|| sources.by_ref().take(BATCH).collect())).collect()
    };
    let tasks = batches.into_iter().map(|batch| {
        let (line, place) = (Arc::clone(line), Arc::clone(place));
        tokio::spawn(async move {
            let mut written = Vec::with_capacity(batch.len());
            for source in batch {
                written.push(written_of(&source, max, &line, &place, at, explained).await);
            }
            written
        })
    });
    let mut results = futures_util::stream::iter(tasks).buffered(AT_ONCE);
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    while let Some(batch) = results.next().await {
        match batch {
            Ok(batch) => {
                for written in batch {
                    match written {
                        Ok(bytes) => out.write_all(&bytes)?,
                        Err(Unread::Source(error)) => exit = fail(&Failure::new(FailureClass::Temporary, &error)),
                        Err(Unread::Output(error)) => return Err(error),
                    }
                }
            }
            Err(error) => exit = fail(&Failure::new(FailureClass::Internal, &error)),
        }
    }
    out.flush()?;
    Ok(exit)
}

/// Why a source gave no lines.
enum Unread {
    Source(super::mails::ReadError),
    Output(io::Error),
}

/// What is printed of the mails of one source.
async fn written_of(
    source: &Source,
    max: usize,
    line: &Line,
    place: &Place,
    at: Option<DateTime<Utc>>,
    explained: bool,
) -> Result<Vec<u8>, Unread> {
    let mut out = Vec::with_capacity(4 * 1024);
    for Found { origin, raw } in source.read(max).map_err(Unread::Source)? {
        let judged = line.judge(&raw, place, None, Some(&origin), at.unwrap_or_else(Utc::now)).await;
        let written = if explained {
            explain::write(&mut out, &origin, raw.size(), &judged)
        } else {
            write_events(&mut out, &judged)
        };
        written.map_err(Unread::Output)?;
    }
    Ok(out)
}

fn write_events(out: &mut impl Write, judged: &Judged) -> io::Result<()> {
    for event in &judged.events {
        serde_json::to_writer(&mut *out, event)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn place(config: Option<&Config>, name: Option<&str>) -> Result<Place, Exit> {
    let Some(config) = config else {
        return Ok(Place {
            mailbox: name.unwrap_or(NO_MAILBOX).to_owned(),
            role: None,
            trust: config::Trust::default(),
            privacy: Policy::open(),
        });
    };
    let mailbox = match name {
        Some(name) => config.mailboxes.iter().find(|m| m.name == name),
        None if config.mailboxes.len() == 1 => config.mailboxes.first(),
        None => {
            eprintln!("error: the configuration has several mailboxes: say with --mailbox which one holds");
            return Err(Exit::Usage);
        }
    };
    mailbox.map(|m| Place::of(m, config)).ok_or_else(|| {
        eprintln!("error: there is no such mailbox in the configuration");
        Exit::Usage
    })
}

fn line(config: Option<&Config>, args: &Args) -> Result<Line, Failure> {
    let wrong = |e: &dyn std::error::Error| Failure::new(FailureClass::Configuration, e);
    let id = args.run_id.clone().unwrap_or_else(run_id);
    let (mut settings, rules, dns) = if let Some(config) = config {
        (LineSettings::new(config, id, true), rules(config)?, config.dns.clone())
    } else {
        let rules = Rules::embedded().map(Arc::new).map_err(|e| wrong(&e))?;
        (LineSettings::plain(id), rules, config::Dns::default())
    };
    if args.no_auth {
        settings.auth = None;
    }
    if let Some(folder) = &args.dns_record {
        settings.records = Records::Read(Arc::new(RecordStore::open(folder).map_err(|e| wrong(&e))?));
    }
    // Where nothing asks the network, a machine without name servers is fine.
    let asks = settings.auth.is_some() && args.dns_record.is_none();
    let resolver = if asks { resolver(&dns)? } else { Arc::new(Recorded::default()) };
    Line::new(settings, rules, resolver).map_err(|e| wrong(&e))
}
