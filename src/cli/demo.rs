//! `demo`: the whole line at work with sample mails.

use super::exit::fail;
use super::poll::{Mode, Stop, poll};
use super::reports::Reports;
use super::{Exit, table};
use crate::classify::Rules;
use crate::demo::{
    self, Broker, Consumed, DnsServer, MAILBOXES, Maildrop, PASSWORD, Pop3Server, Samples, TOPIC, category_of, compare,
    dkim_words, dmarc_word, spf_word, subtype_of,
};
use crate::event::run::kinds;
use crate::event::{Event, Kind};
use crate::message::Digest;
use crate::pipeline::{Failure, FailureClass};
use crate::telemetry::Metrics;
use comfy_table::Cell;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the broker may take to give everything back.
const CONSUME_WAIT: Duration = Duration::from_secs(20);

/// Show the whole line at work with sample mails.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Starts a POP3S server, a name server and a Kafka broker in this process, on loopback, fills three
mailboxes with sample mails, polls them, reads the events back from the broker and compares them
with what is expected of each mail. Exits with 70 when something differs.

Examples:
  reply-ingest demo
  reply-ingest demo --report html=demo.html
  reply-ingest demo --json | jq .data.kind")]
pub struct Args {
    /// Print every event as a line of JSON instead of the table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reports: Reports,
}

pub async fn main(args: Args) -> Exit {
    match demo(&args).await {
        Ok(exit) => exit,
        Err(DemoError::Failure(failure)) => fail(&failure),
        Err(DemoError::Other(error)) => fail(&Failure::new(FailureClass::Internal, &*error)),
    }
}

enum DemoError {
    Failure(Failure),
    Other(Box<dyn Error>),
}

impl From<Failure> for DemoError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl<E: Error + 'static> From<E> for DemoError {
    fn from(error: E) -> Self {
        Self::Other(Box::new(error))
    }
}

async fn demo(args: &Args) -> Result<Exit, DemoError> {
    let started = Instant::now();
    let samples = Samples::make()?;
    let folder = tempfile::tempdir()?;
    let server = Pop3Server::start(maildrops(&samples)).await?;
    let dns = DnsServer::start(samples.zone.clone()).await?;
    let broker = Broker::start(&[TOPIC, demo::RUN_TOPIC])?;
    std::fs::write(folder.path().join("ca.pem"), server.certificate())?;
    let config = demo::configuration(folder.path(), server.port(), dns.port(), &broker.bootstrap())?;
    let mailboxes = config.mailboxes.iter().map(|m| Arc::new(m.clone())).collect();
    let rules = Arc::new(Rules::embedded()?);

    let metrics = Arc::new(Metrics::new(rules.version(), chrono::Utc::now()));
    let ruleset = rules.version().to_owned();
    let collector = args.reports.collector();
    let mode = Mode::default();
    let rules = std::future::ready(Ok(rules));
    let (report, exit) = poll(config, mailboxes, rules, mode, &metrics, Stop::new()?, collector.clone()).await?;
    args.reports.write(collector.as_deref(), &ruleset, false, &report, exit);
    let count = usize::try_from(report.events().values().sum::<u64>()).unwrap_or(usize::MAX);
    let brokers = broker.bootstrap();
    let consumed = tokio::task::spawn_blocking(move || demo::consume(&brokers, TOPIC, count, CONSUME_WAIT)).await??;
    let events = consumed.iter().map(|c| serde_json::from_slice::<Event>(&c.value)).collect::<Result<Vec<_>, _>>()?;
    if args.json {
        for record in &consumed {
            say!("{}", String::from_utf8_lossy(&record.value));
        }
        return Ok(exit);
    }
    let wrong = show(&samples, &events, &consumed)?;
    let left: usize = MAILBOXES.iter().map(|m| server.count(m)).sum();
    say!("{}", table::run(&report));
    say!(
        "{} mails over POP3S, {} events through Kafka, {left} mails left in the mailboxes, {:.1} s in all.",
        samples.list.len(),
        events.len(),
        started.elapsed().as_secs_f64()
    );
    if wrong == 0 {
        say!("Every kind, campaign, SPF, DKIM and DMARC verdict is as expected.");
        Ok(exit)
    } else {
        say!("{wrong} verdicts are not as expected: see above.");
        Ok(Exit::Internal)
    }
}

fn maildrops(samples: &Samples) -> HashMap<String, Maildrop> {
    let mut drops: HashMap<String, Maildrop> = MAILBOXES
        .iter()
        .map(|name| ((*name).to_owned(), Maildrop { password: PASSWORD.to_owned(), mails: Vec::new() }))
        .collect();
    for (number, sample) in samples.list.iter().enumerate() {
        if let Some(drop) = drops.get_mut(&sample.mailbox) {
            drop.mails.push((format!("demo{number:04}"), sample.mail.clone()));
        }
    }
    drops
}

/// Prints the table, one event and the totals; gives the number of differences.
fn show(samples: &Samples, events: &[Event], consumed: &[Consumed]) -> Result<usize, serde_json::Error> {
    let mut by_mail: HashMap<&str, Vec<&Event>> = HashMap::new();
    for event in events {
        by_mail.entry(event.data.message.digest_sha256.as_str()).or_default().push(event);
    }
    let mut rows = table::new(&["mail", "kind", "what", "recipient", "campaign", "SPF", "DKIM", "DMARC"]);
    let mut differences = Vec::new();
    for sample in &samples.list {
        let digest = Digest::of(&wire(&sample.mail)).to_string();
        let mut of_mail = by_mail.remove(digest.as_str()).unwrap_or_default();
        of_mail.sort_by_key(|e| sample.recipients.iter().position(|r| Some(r.as_str()) == address(e)));
        differences.extend(compare(sample, &of_mail));
        for (n, event) in of_mail.iter().enumerate() {
            let data = &event.data;
            let category = category_of(&data.verdict);
            let what = if category.is_empty() { subtype_of(&data.verdict) } else { category };
            rows.add_row(vec![
                Cell::new(if n == 0 { sample.file.trim_end_matches(".eml") } else { "" }),
                Cell::new(data.verdict.kind().as_str()),
                Cell::new(what),
                Cell::new(address(event).unwrap_or_default()),
                Cell::new(data.correlation.campaign_id.as_deref().unwrap_or("")),
                Cell::new(spf_word(data)),
                Cell::new(dkim_words(data).join(" ")),
                Cell::new(dmarc_word(data)),
            ]);
        }
    }
    say!("{rows}\n");
    if let Some((event, record)) = events.iter().zip(consumed).find(|(e, _)| e.data.verdict.kind() == Kind::Bounce) {
        say!("One event as it lies in Kafka (partition {}, key {}):\n", record.partition, record.key);
        say!("{}\n", serde_json::to_string_pretty(event)?);
    }
    let mut totals: BTreeMap<Kind, u64> = BTreeMap::new();
    for event in events {
        *totals.entry(event.data.verdict.kind()).or_default() += 1;
    }
    say!("Events by kind: {}.", kinds(&totals));
    for d in &differences {
        say!("differs: {} {}: expected {:?}, found {:?}", d.file, d.field, d.expected, d.found);
    }
    let missing: Vec<&str> = Kind::ALL.iter().filter(|k| !totals.contains_key(k)).map(|k| k.as_str()).collect();
    if !missing.is_empty() {
        say!("kinds without an event: {}", missing.join(", "));
    }
    Ok(differences.len() + missing.len())
}

fn address(event: &Event) -> Option<&str> {
    event.data.recipient.as_ref()?.address.as_deref()
}

/// A mail as a POP3 server sends it: with a line end at its end.
fn wire(mail: &[u8]) -> Vec<u8> {
    let mut out = mail.to_vec();
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}
