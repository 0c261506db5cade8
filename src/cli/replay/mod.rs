//! `replay`: judge mails from files, say why, and what other rules would make of them.

mod diff;
mod filter;
mod format;
mod judge;
mod progress;
mod publish;

use super::archived::FromArchive;
use super::exit::{configuration, fail};
use super::setup::{no_mailbox, resolver, rules_of, rules_with};
use super::{Exit, dead_letters, run_id};
use crate::auth::dns::{RecordStore, Recorded};
use crate::classify::Rules;
use crate::config::{self, Config, Logins, Secrets};
use crate::event::Event;
use crate::event::privacy::Policy;
use crate::explain::text::Paint;
use crate::explain::{self, explain};
use crate::pipeline::{Failure, FailureClass, Line, LineSettings, Place, Records};
use crate::source::{self, LiveMailbox, Source};
use chrono::{DateTime, Utc};
use diff::{Diff, Saved, Verdicted};
use filter::Filter;
use format::{Format, Piece, Printer, json_line};
use judge::{Counts, Judge, Seen};
use progress::Progress;
use publish::Publishing;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The mailbox name of mails that lay in none.
const NO_MAILBOX: &str = "replay";
/// Batches judged at once for each thread: some wait for DNS while others are judged.
const AT_ONCE: usize = 8;
/// The largest mail that is kept whole without a configuration.
const WITHOUT_CONFIGURATION: usize = 30_000_000;
/// What `--diff` takes instead of a file.
const BUILT_IN: &str = "built-in";

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
  reply-ingest replay archive-2026.tar.gz --kind bounce --since 2026-11-01 --format table
  reply-ingest replay --config reply-ingest.yaml --mailbox replies archive/ > events.jsonl
  reply-ingest replay --config reply-ingest.yaml --mailbox replies --uidl 0000A1 --explain
  reply-ingest replay --config reply-ingest.yaml --dns-record /var/lib/reply-ingest/dns archive/
  reply-ingest replay --config reply-ingest.yaml --archive /var/lib/reply-ingest/archive > events.jsonl
  reply-ingest replay --config reply-ingest.yaml --archive /var/lib/reply-ingest/archive --diff old.toml
  reply-ingest replay archive/ --rules ours.toml --diff built-in
  reply-ingest replay archive/ --diff events.jsonl
  reply-ingest replay --config reply-ingest.yaml --dead-letters | jq .data.reason
  cat mail.eml | reply-ingest replay - --no-auth | jq .data.kind")]
pub struct Args {
    /// A mail (.eml), an mbox, a Maildir, a folder of those, any of them packed (.gz, .tar, .tar.gz, .zip), or - for
    /// standard input.
    #[arg(required_unless_present_any = ["uidl", "archive", "dead_letters"], value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    from: FromArchive,
    /// Print the dead letters of the configuration's topic, and of the PATHs only the mails that they are about.
    #[arg(long, requires = "config", conflicts_with_all = ["publish", "diff"])]
    dead_letters: bool,
    /// The mail with this id in the mailbox itself, which stays there; may be given several times.
    #[arg(long, value_name = "ID", requires = "config")]
    uidl: Vec<String>,
    /// Say why, instead of printing the events: as text for a person, or as `json`, one object a mail (see
    /// `schema explain`).
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    explain: Option<Explain>,
    /// Colours: on a terminal and without `NO_COLOR` in the environment, or always, or never.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: clap::ColorChoice,
    /// How to print events.
    #[arg(long, value_enum, default_value_t, value_name = "FORM", conflicts_with = "explain")]
    format: Format,
    #[command(flatten)]
    filter: Filter,
    /// Take rules, correlators, privacy and DNS from this configuration. Without it, addresses
    /// and text are shown as they are.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The mailbox whose name, trust settings and privacy hold.
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// Further rules; one with a known id takes the place of the program's. May be given several times.
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Show only what differs from other rules (a .toml file, in the place of --rules and of the configuration's; or
    /// `built-in`, the program's own) or from a saved run (a .jsonl file of events).
    #[arg(long, value_name = "FILE", conflicts_with = "explain")]
    diff: Option<PathBuf>,
    /// How many mails to name for each move of --diff.
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    diff_mails: usize,
    #[command(flatten)]
    publishing: Publishing,
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
    /// Threads that judge, instead of one for each processor. The output is the same.
    #[arg(long, value_name = "COUNT")]
    jobs: Option<NonZeroUsize>,
}

impl Args {
    /// How many threads judge.
    pub fn jobs(&self) -> usize {
        self.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}

pub async fn main(args: Args) -> Exit {
    match replay(args).await {
        Ok(exit) | Err(exit) => exit,
    }
}

async fn replay(args: Args) -> Result<Exit, Exit> {
    let logins = if args.uidl.is_empty() { Logins::None } else { Logins::All };
    let secrets = Secrets::RequiredFor { mailboxes: logins, kafka: args.dead_letters || args.publishing.publish };
    let load = |path: &PathBuf| config::load_for(path, secrets);
    let config = args.config.as_ref().map(load).transpose().map_err(|error| configuration(&error))?;
    let config = config.as_ref();
    if args.explain.is_some()
        && let Some(form) =
            args.paths.iter().find(|p| ["json", "text"].iter().any(|f| p.as_os_str() == *f) && !p.exists())
    {
        let form = form.display();
        complain!("error: `{form}` is taken for a mail, and there is no such file: write --explain={form}");
        return Err(Exit::Usage);
    }
    let mut replay = Replay::new(&args, config)?;
    if let (true, Some(config)) = (args.dead_letters, config) {
        replay.only = Some(dead_letters::print(config).await?);
    }
    let exit = if args.publishing.publish {
        let config = config.ok_or(Exit::Usage)?;
        publish::main(&args, config, replay).await?
    } else if args.diff.is_some() {
        replay.compare(&args).await?
    } else {
        replay.print(&args).await?
    };
    Ok(exit)
}

/// What all ways to replay have in common.
struct Replay {
    judge: Arc<Judge>,
    sources: Vec<Box<dyn Source>>,
    /// What `--diff` compares with.
    before: Option<Before>,
    /// A path could not be read; the others are all the same.
    missing: Option<Exit>,
    counts: Arc<Counts>,
    /// The mails that count; by default all.
    only: Option<Arc<dead_letters::Digests>>,
}

/// What mails were before.
#[derive(Clone)]
enum Before {
    /// What these rules say.
    Rules(Arc<Line>),
    Saved(Arc<Saved>),
}

impl Replay {
    fn new(args: &Args, config: Option<&Config>) -> Result<Self, Exit> {
        let place = place(config, args.mailbox.as_deref(), args.from.archive.is_some())?;
        let (line, before) = lines(config, args).map_err(|failure| fail(&failure))?;
        let (sources, missing) = sources(args, config, &place)?;
        let judge = Judge {
            line,
            places: config.iter().flat_map(|c| c.mailboxes.iter().map(|m| (m.name.clone(), Place::of(m, c)))).collect(),
            place,
            at: args.at,
            max: config.map_or(WITHOUT_CONFIGURATION, |c| c.limits.message_size.as_usize()),
            at_once: AT_ONCE * args.jobs(),
        };
        Ok(Self { judge: Arc::new(judge), sources, before, missing, counts: Arc::default(), only: None })
    }

    fn octets(&self) -> u64 {
        self.sources.iter().map(|s| s.octets()).fold(0, u64::saturating_add)
    }

    /// Takes every mail through; `turn` works beside others, `give` in order. Tells whether all could be read.
    async fn each<T: Send + 'static>(
        &mut self,
        printing: bool,
        turn: impl Fn(&Judge, Seen) -> T + Send + Sync + 'static,
        mut give: impl FnMut(T) -> ControlFlow<()>,
    ) -> Exit {
        let mut progress = Progress::new(self.octets(), printing);
        let sources = std::mem::take(&mut self.sources);
        let mut exit = self.missing.unwrap_or(Exit::Success);
        let (judge, counts) = (Arc::clone(&self.judge), Arc::clone(&self.counts));
        let counted = Arc::clone(&counts);
        let done = judge::each(judge, sources, counts, turn, |result| {
            progress.tick(&counted);
            match result {
                Ok(turned) => give(turned),
                Err(error) => {
                    let failure = Failure::new(FailureClass::Temporary, &error);
                    progress.aside(|| exit = fail(&failure));
                    ControlFlow::Continue(())
                }
            }
        })
        .await;
        done.map_or_else(|error| fail(&Failure::new(FailureClass::Internal, &error)), |()| exit)
    }

    /// Prints events or explanations.
    async fn print(&mut self, args: &Args) -> Result<Exit, Exit> {
        let (explained, format, filter) = (args.explain, args.format, args.filter.clone());
        let width = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
        let paint = Paint { on: colours(args.color), width: width.map(|(w, _)| usize::from(w.0).max(60)) };
        let only = self.only.clone();
        let turn = move |judge: &Judge, seen: Seen| {
            if only.as_ref().is_some_and(|only| !only.has(&seen.raw)) {
                return None;
            }
            let events: Vec<&Event> = seen.judged.events.iter().filter(|e| filter.takes(e)).collect();
            if events.is_empty() {
                return None;
            }
            let Some(form) = explained else { return Some(format.piece(&events)) };
            let why = explain(&judge.line, &seen.place, &seen.origin, &seen.raw, &seen.judged);
            let mut written = Vec::with_capacity(4 * 1024);
            // A Vec takes everything.
            let _ = match form {
                Explain::Text => explain::text::write(&mut written, &why, paint),
                Explain::Json => json_line(&mut written, &why),
            };
            Some(Piece::Octets(written))
        };
        let out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        let mut printer = Printer::new(out, if explained.is_some() { Format::Jsonl } else { format });
        let mut failed = None;
        let printing = io::stdout().is_terminal() && format != Format::Table;
        let exit = self
            .each(printing, turn, |piece| match piece.map_or(Ok(()), |p| printer.print(p)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            })
            .await;
        match failed.map_or_else(|| printer.finish(), Err) {
            Ok(()) => Ok(exit),
            Err(error) => Err(unwritten(&error)),
        }
    }

    /// Prints what differs.
    async fn compare(&mut self, args: &Args) -> Result<Exit, Exit> {
        let before = self.before.clone().ok_or(Exit::Usage)?;
        let filter = args.filter.clone();
        let mut diff = Diff::default();
        let turn = move |judge: &Judge, seen: Seen| {
            if !seen.judged.events.iter().any(|e| filter.takes(e)) {
                return None;
            }
            let after: Vec<Verdicted> = seen.judged.events.iter().map(Verdicted::of).collect();
            Some((before.of(judge, &seen), after, seen.origin))
        };
        let exit = self
            .each(false, turn, |compared| {
                if let Some((before, after, origin)) = compared {
                    diff.note(&origin, &before, &after);
                }
                ControlFlow::Continue(())
            })
            .await;
        let mut out = BufWriter::new(io::stdout().lock());
        let written = match args.format {
            Format::Json => diff.write_json(&mut out),
            _ => diff.write(&mut out, args.diff_mails),
        };
        written.and_then(|()| out.flush()).map_err(|error| unwritten(&error))?;
        Ok(exit)
    }
}

impl Before {
    /// What a mail was before.
    fn of(&self, judge: &Judge, seen: &Seen) -> Vec<Verdicted> {
        match self {
            Self::Saved(saved) => saved.of(&seen.raw.digest().to_string()),
            Self::Rules(line) => {
                // Nothing is asked of the network, so the future is done at once.
                let now = judge.at.unwrap_or_else(Utc::now);
                let judging = line.judge(&seen.raw, &seen.place, None, Some(&seen.origin), now);
                let judged = futures_util::FutureExt::now_or_never(judging);
                judged.map(|j| j.events.iter().map(Verdicted::of).collect()).unwrap_or_default()
            }
        }
    }
}

/// Events that could not be written. Who reads them may have read enough.
fn unwritten(error: &io::Error) -> Exit {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Exit::Success;
    }
    complain!("error: cannot write the events: {error}");
    Exit::Temporary
}

/// Where the mails are, and what could not be found. A new kind of source is added here.
fn sources(args: &Args, config: Option<&Config>, place: &Place) -> Result<(Vec<Box<dyn Source>>, Option<Exit>), Exit> {
    let (mut sources, missing) = found(&args.paths);
    if let Some(location) = &args.from.archive {
        let kept = args.from.source(location, config, args.mailbox.as_deref());
        sources.push(Box::new(kept.map_err(|error| fail(&error.into()))?));
    }
    if let Some(config) = config.filter(|_| !args.uidl.is_empty()) {
        let mailbox = config.mailboxes.iter().find(|m| m.name == place.mailbox).ok_or(Exit::Usage)?;
        sources.push(Box::new(LiveMailbox {
            mailbox: mailbox.clone(),
            limits: config.limits.clone(),
            uidls: args.uidl.clone(),
            runtime: tokio::runtime::Handle::current(),
        }));
    }
    Ok((sources, missing))
}

/// What lies behind paths, and whether one of them could not be read.
fn found(paths: &[PathBuf]) -> (Vec<Box<dyn Source>>, Option<Exit>) {
    let mut sources = Vec::new();
    let mut missing = None;
    for path in paths {
        match source::find(path) {
            Ok(found) if found.is_empty() => complain!("note: {}: there is no mail in this folder", path.display()),
            Ok(found) => sources.extend(found),
            // The other paths are read all the same.
            Err(error) => {
                let mut failure = Failure::new(FailureClass::Temporary, &error);
                if matches!(error.source.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) {
                    failure.message.push_str(": check the path and its permissions");
                }
                missing = Some(fail(&failure));
            }
        }
    }
    (sources, missing)
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

/// What holds for mails whose source knows no mailbox; that each is `placed` makes it a matter of form.
fn place(config: Option<&Config>, name: Option<&str>, placed: bool) -> Result<Place, Exit> {
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
        None if placed || config.mailboxes.len() == 1 => config.mailboxes.first(),
        None => {
            complain!("error: the configuration has several mailboxes: say with --mailbox which one holds");
            return Err(Exit::Usage);
        }
    };
    mailbox.map(|m| Place::of(m, config)).ok_or_else(|| no_mailbox(name.unwrap_or_default(), config))
}

/// The line that judges, and what `--diff` compares with.
fn lines(config: Option<&Config>, args: &Args) -> Result<(Line, Option<Before>), Failure> {
    let wrong = |e: &dyn std::error::Error| Failure::new(FailureClass::Configuration, e);
    let rules = rules_with(config, &args.rules)?;
    let before = match args.diff.as_deref() {
        None => None,
        Some(path) if path == Path::new(BUILT_IN) || path.extension().is_some_and(|e| e == "toml") => {
            let file = args.diff.as_ref().filter(|path| path.as_os_str() != BUILT_IN);
            let rules = rules_of(file, config)?;
            let mut settings = settings(config, args);
            settings.auth = None;
            let line = Line::new(settings, rules, Arc::new(Recorded::default())).map_err(|e| wrong(&e))?;
            Some(Before::Rules(Arc::new(line)))
        }
        Some(path) => {
            let saved = Saved::read(path)
                .map_err(|source| wrong(&source::SourceError::new(path.display().to_string(), source)))?;
            Some(Before::Saved(Arc::new(saved)))
        }
    };
    let mut settings = settings(config, args);
    // What DNS says changes no verdict's kind.
    if args.no_auth || (before.is_some() && !args.publishing.publish) {
        settings.auth = None;
    }
    if let Some(folder) = &args.dns_record {
        settings.records = Records::Read(Arc::new(RecordStore::open(folder).map_err(|e| wrong(&e))?));
    }
    if args.from.archive.is_some() {
        settings.records = Records::Handed;
    }
    // Where nothing asks the network, a machine without name servers is fine.
    let asks = settings.auth.is_some() && args.dns_record.is_none() && args.from.archive.is_none();
    let dns = config.map(|c| c.dns.clone()).unwrap_or_default();
    let resolver = if asks { resolver(&dns)? } else { Arc::new(Recorded::default()) };
    let line = Line::new(settings, rules, resolver).map_err(|e| wrong(&e))?;
    Ok((line, before))
}

fn settings(config: Option<&Config>, args: &Args) -> LineSettings {
    let id = args.run_id.clone().unwrap_or_else(run_id);
    let settings = config.map_or_else(|| LineSettings::plain(id.clone()), |c| LineSettings::new(c, id.clone(), true));
    LineSettings { keep_answers: args.explain.is_some(), ..settings }
}

/// How often each rule decided over mails, how many mails there were, and whether all could be read.
pub async fn coverage(paths: &[PathBuf], rules: Arc<Rules>) -> Result<(BTreeMap<String, u64>, u64, Exit), Exit> {
    let settings = LineSettings { auth: None, ..LineSettings::plain(String::new()) };
    let line = Line::new(settings, rules, Arc::new(Recorded::default()))
        .map_err(|error| fail(&Failure::new(FailureClass::Configuration, &error)))?;
    let (sources, missing) = found(paths);
    let judge = Judge {
        line,
        place: place(None, None, false)?,
        places: BTreeMap::new(),
        at: None,
        max: WITHOUT_CONFIGURATION,
        at_once: AT_ONCE * std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
    };
    let mut replay =
        Replay { judge: Arc::new(judge), sources, before: None, missing, counts: Arc::default(), only: None };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut mails = 0;
    let turn = |_: &Judge, seen: Seen| -> Vec<String> {
        seen.judged.findings.into_iter().flat_map(|f| f.hits).map(|hit| hit.rule).collect()
    };
    let exit = replay
        .each(false, turn, |rules| {
            mails += 1;
            for rule in rules {
                *counts.entry(rule).or_default() += 1;
            }
            ControlFlow::Continue(())
        })
        .await;
    Ok((counts, mails, exit))
}
