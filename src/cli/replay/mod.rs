//! `replay`: judge mails from files, and say why.

mod judge;

use super::exit::{configuration, fail};
use super::setup::{resolver, rules};
use super::{Exit, run_id};
use crate::auth::dns::{RecordStore, Recorded};
use crate::classify::Rules;
use crate::config::{self, Config, Octets};
use crate::event::privacy::Policy;
use crate::explain::text::Paint;
use crate::explain::{self, explain};
use crate::pipeline::{Failure, FailureClass, Judged, Line, LineSettings, Place, Records};
use crate::source;
use chrono::{DateTime, Utc};
use judge::{Judge, Seen};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

/// The mailbox name of mails that lay in none.
const NO_MAILBOX: &str = "replay";
/// Tasks at once; their events still come in order.
const AT_ONCE: usize = 16;

/// How to say why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Explain {
    /// For a person.
    Text,
    /// One JSON object a mail.
    Json,
}

/// Judge mails from files.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reply-ingest replay bounce.eml --explain
  reply-ingest replay --config reply-ingest.yaml --mailbox replies archive/ > events.jsonl
  reply-ingest replay --config reply-ingest.yaml --dns-record /var/lib/reply-ingest/dns archive/
  cat mail.eml | reply-ingest replay - --no-auth | jq .data.kind")]
pub struct Args {
    /// A mail, an mbox, a Maildir, a folder of those, or - for standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Say why, instead of printing the events: as text for a person, or as `json`, one object a mail (see
    /// `schema explain`).
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    explain: Option<Explain>,
    /// Colours: on a terminal and without NO_COLOR in the environment, or always, or never.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: clap::ColorChoice,
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
        Ok(place) => place,
        Err(exit) => return exit,
    };
    let line = match line(config.as_ref(), &args) {
        Ok(line) => line,
        Err(failure) => return fail(&failure),
    };
    let mut sources = Vec::new();
    let mut missing = None;
    for path in &args.paths {
        match source::find(path) {
            Ok(found) => sources.extend(found),
            // The other paths are read all the same.
            Err(error) => missing = Some(fail(&Failure::new(FailureClass::Temporary, &error))),
        }
    }
    let max = config.as_ref().map_or(Octets(30_000_000), |c| c.limits.message_size).as_usize();
    let judge = Arc::new(Judge { line, place, places: BTreeMap::new(), at: args.at, max, at_once: AT_ONCE });
    let explained = args.explain;
    let paint = Paint { on: colours(args.color) };
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut exit = Exit::Success;
    let mut failed = None;
    let turn = move |judge: &Judge, seen: Seen| {
        let mut written = Vec::with_capacity(4 * 1024);
        let why = || explain(&judge.line, &seen.place, &seen.origin, &seen.raw, &seen.judged);
        // A Vec takes everything.
        let _ = match explained {
            Some(Explain::Text) => explain::text::write(&mut written, &why(), paint),
            Some(Explain::Json) => write_line(&mut written, &why()),
            None => write_events(&mut written, &seen.judged),
        };
        written
    };
    let done = judge::each(judge, sources, Arc::default(), turn, |result| match result {
        Ok(written) => match out.write_all(&written) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        },
        Err(error) => {
            exit = fail(&Failure::new(FailureClass::Temporary, &error));
            ControlFlow::Continue(())
        }
    })
    .await;
    if let Err(error) = done {
        exit = fail(&Failure::new(FailureClass::Internal, &error));
    }
    match failed.map_or_else(|| out.flush(), Err) {
        Ok(()) if exit == Exit::Success => missing.unwrap_or(Exit::Success),
        Ok(()) => exit,
        // Who reads us has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => {
            eprintln!("error: cannot write the events: {error}");
            Exit::Temporary
        }
    }
}

fn write_events(out: &mut impl Write, judged: &Judged) -> io::Result<()> {
    judged.events.iter().try_for_each(|event| write_line(out, event))
}

fn write_line(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Whether standard output gets colours (see no-color.org).
fn colours(choice: clap::ColorChoice) -> bool {
    match choice {
        clap::ColorChoice::Always => true,
        clap::ColorChoice::Never => false,
        clap::ColorChoice::Auto => {
            io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
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
    settings.keep_answers = args.explain.is_some();
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
