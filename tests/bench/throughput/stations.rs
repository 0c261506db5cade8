//! What each step takes for the same mails where nothing else runs: one mail after the other, on one thread, with every
//! answer of the name server at hand. Fetching is from the Dovecot of the run, the sink writes to its broker.
//!
//! The steps of judging are measured twice: each by itself for all mails, when it has the processor's caches to itself
//! and gets back the memory that it just gave away; and one after the other for each mail, as a line does it.

use super::signed::{RECEIVER, Senders};
use chrono::Utc;
use reply_ingest::auth::dns::{Cached, Retried, Retries, Zone};
use reply_ingest::auth::{Authenticator, Bounds};
use reply_ingest::classify::{Rules, classify};
use reply_ingest::config::{self, Config, Delivery, Trust};
use reply_ingest::ledger::{Done, Ledger, State};
use reply_ingest::message::{Digest, Mail, RawMail};
use reply_ingest::pipeline::{Judged, Line, LineSettings, Meter, Place, Step};
use reply_ingest::pop3::{Client, Credentials, Endpoint, Proof, Security, Settings, Window, tls};
use reply_ingest::sink::{Encoder, KafkaSink, Outcome, Parcel, Sink, TransactionalKafka};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// So many that they do not stay in a processor's caches, as those of the run do not.
const MAILS: usize = 4_000;
const PASSES: usize = 3;
/// Mails of one transaction, as the worker publishes them.
const BATCH: usize = 500;
/// Publishing, with the threads of Kafka's client.
const SINK: &str = "sink";
/// What is no step: logins, listings, deletions, the ledger, the runtime, and the start.
const REST: &str = "rest";

/// Microseconds a mail, by the name of the step: by itself, and in a line.
pub type Costs = BTreeMap<&'static str, (f64, f64)>;

/// A mailbox of the run.
pub struct Pop3<'a> {
    pub port: u16,
    pub ca_file: &'a Path,
    pub user: &'a str,
    pub password: String,
}

/// The configuration is that of the run, the mailbox is full.
pub fn alone(senders: &Senders, config: &Path, pop3: &Pop3<'_>) -> Costs {
    let config = config::load(config).expect("a configuration");
    let wires: Vec<Vec<u8>> = (0..MAILS).map(|index| senders.mail(u64::MAX, index)).collect();
    let raws: Vec<RawMail> = wires.iter().map(|wire| RawMail::new(wire.clone())).collect();
    let mails: Vec<Mail<'_>> = wires.iter().map(|wire| Mail::parse(wire)).collect();
    let rules = Arc::new(Rules::embedded().expect("rules"));
    let authenticator = Authenticator::new(Bounds::default()).expect("an authenticator");
    let trust = Trust { by: vec![RECEIVER.to_owned(), "store.campaigns.example".to_owned()], ..Trust::default() };
    let resolver = cached(&senders.zone);
    let told: Arc<Mutex<BTreeMap<&str, (f64, f64)>>> = Arc::default();
    let meter = {
        let told = Arc::clone(&told);
        let tell = move |step: Step, time: Duration| {
            let mut told = told.lock().expect("no panic");
            let (sum, count) = told.entry(step.as_str()).or_default();
            (*sum, *count) = (*sum + time.as_secs_f64() * 1e6, *count + 1.0);
        };
        Meter::new(|| Duration::from_secs_f64(ran(ClockId::ThreadCPUTime) / 1e6), Box::new(tell))
    };
    let line = LineSettings { meter, ..LineSettings::new(&config, "bench".to_owned(), false) };
    let line = Line::new(line, Arc::clone(&rules), Arc::new(cached(&senders.zone))).expect("a line");
    let place = Place::of(config.mailboxes.first().expect("a mailbox"), &config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let now = Utc::now();
    let judge = |raw: &RawMail| runtime.block_on(line.judge(raw, &place, None, None, now));
    let judged: Vec<Judged> = raws.iter().map(judge).collect();
    let (encoder, topic): (_, Arc<str>) = (Encoder::new(config.kafka.mode), Arc::from("t"));
    let records = |at: usize| {
        let events = judged.get(at % MAILS).into_iter().flat_map(|judged| &judged.events);
        events.map(|event| encoder.event(Arc::clone(&topic), event)).collect::<Vec<_>>()
    };
    let digest = least(|at| drop(black_box(wires.get(at).map(|wire| RawMail::new(wire.clone())))));
    let parse = least(|at| drop(black_box(wires.get(at).map(|wire| Mail::parse(wire)))));
    let check = least(|at| {
        let check = mails.get(at).map(|mail| authenticator.check(mail, &trust, &resolver, None, now));
        drop(black_box(check.map(|check| runtime.block_on(check))));
    });
    let kind = least(|at| drop(black_box(mails.get(at).map(|mail| classify(mail, &rules)))));
    let encode = least(|at| drop(black_box(records(at))));
    told.lock().expect("no panic").clear();
    least(|at| {
        let Some(wire) = wires.get(at).cloned() else { return };
        let raw = line.meter().next().measure(Step::Digest, || RawMail::new(wire));
        let judged = judge(&raw);
        let encode = |event| encoder.event(Arc::clone(&topic), event);
        let records = || judged.events.iter().map(encode).collect::<Vec<_>>();
        black_box(line.meter().next().measure(Step::Encode, records));
    });
    let told = told.lock().expect("no panic").clone();
    let in_line = |step: Step, itself: f64| {
        let told = told.get(step.as_str()).map_or(itself, |(sum, count)| sum / count);
        (step.as_str(), (if itself.is_nan() { told } else { itself }, told))
    };
    let sink = sink(&config, &records);
    BTreeMap::from([
        in_line(Step::Fetch, fetch(pop3)),
        in_line(Step::Digest, digest),
        in_line(Step::Parse, parse),
        in_line(Step::Classify, kind),
        in_line(Step::Authenticate, check),
        in_line(Step::Event, f64::NAN),
        in_line(Step::Encode, encode),
        (SINK, (sink, sink)),
    ])
}

fn cached(zone: &Zone) -> Cached<Retried<Zone>> {
    let retries = Retries { times: 1, timeout: Duration::from_secs(1), budget: Duration::from_mins(1) };
    Cached::new(Retried::new(zone.clone(), retries))
}

/// Microseconds by the clock of this thread or of the process.
fn ran(clock: ClockId) -> f64 {
    Duration::try_from(clock_gettime(clock)).expect("a time").as_secs_f64() * 1e6
}

/// Microseconds a mail in the quickest of some passes.
fn least(mut each: impl FnMut(usize)) -> f64 {
    let passes = (0..PASSES).map(|_| {
        let begun = ran(ClockId::ThreadCPUTime);
        (0..MAILS).for_each(&mut each);
        ran(ClockId::ThreadCPUTime) - begun
    });
    passes.fold(f64::INFINITY, f64::min) / number(MAILS)
}

/// What it takes to fetch every mail of a mailbox and to throw it away.
fn fetch(pop3: &Pop3<'_>) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let pass = async {
        let security = Security::Tls(tls::connector(Some(pop3.ca_file), tls::Minimum::Tls12).expect("TLS"));
        let endpoint = Endpoint { host: "localhost".to_owned(), port: pop3.port, security };
        let proof = Proof::Password(pop3.password.as_str().into());
        let mut client = Client::connect(&endpoint, Settings::default()).await.expect("connects");
        client.login(&Credentials { user: pop3.user.to_owned(), proof }, None).await.expect("logs in");
        let mails = client.list().await.expect("lists");
        client.plan(mails.iter().map(|mail| (mail.number, mail.size)), Window::default());
        let begun = ran(ClockId::ThreadCPUTime);
        while let Some(mail) = client.fetch().await.expect("fetches") {
            drop(black_box(mail.outcome));
        }
        (ran(ClockId::ThreadCPUTime) - begun) / number(mails.len().max(1))
    };
    runtime.block_on(pass)
}

/// What it takes to publish each mail's records and to remember the mail, with the threads of librdkafka: a pass to
/// begin with, then the same with a producer that is there.
fn sink(config: &Config, records: &dyn Fn(usize) -> Vec<reply_ingest::sink::Record>) -> f64 {
    let Some(topic) = config.ledger_topic().filter(|_| config.delivery == Delivery::ExactlyOnce) else {
        return f64::NAN;
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let entered = runtime.enter();
    let kafka = KafkaSink::new(&config.kafka).expect("a sink");
    let sink = TransactionalKafka::new(config, topic, kafka, Utc::now, Arc::new(|_, work| work()));
    drop(entered);
    sink.known("bench").expect("a ledger");
    let now = Utc::now();
    let mut next = 0_usize;
    let mut pass = || {
        let mut batch = || {
            let parcels = (0..BATCH).map(|_| {
                next += 1;
                let uidl = format!("bench{next}");
                let digest = Some(Digest::of(uidl.as_bytes()));
                let uidl = Some(uidl);
                let done = vec![Done { uidl, digest, listed_size: 8192, state: State::Published, at: now, seen: now }];
                // Not to be read as the run's.
                let mut records = records(next);
                for record in &mut records {
                    record.topic = Arc::from("t.alone");
                }
                Parcel { records, done }
            });
            parcels.collect::<Vec<_>>()
        };
        let batches: Vec<_> = (0..20).map(|_| batch()).collect();
        let begun = ran(ClockId::ProcessCPUTime);
        for batch in batches {
            let outcomes = runtime.block_on(async { sink.deliver("bench", batch).await });
            assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Published), "{:?}", outcomes.first());
        }
        (ran(ClockId::ProcessCPUTime) - begun) / number(20 * BATCH)
    };
    pass();
    let took = (0..3).map(|_| pass()).fold(f64::INFINITY, f64::min);
    sink.leave("bench");
    took
}

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn number(count: usize) -> f64 {
    count as f64
}

/// A line for each step, with what it took in the worker; `metrics` are the worker's, `all` is all that it took for a
/// mail, `client` what the threads of Kafka's client did.
pub fn beside(alone: &Costs, metrics: &str, all: f64, client: f64) -> String {
    let value = |step: &str, what: &str| {
        let name = format!("reply_ingest_step_cpu_seconds_{what}{{step=\"{step}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse::<f64>().ok())
    };
    let mut rest = all;
    let mut out = String::from(
        "    by step, in µs of a processor: in the worker; one step after the other on an idle machine, and how many \
         times as much; the step by itself, and how many times as much\n",
    );
    let mut line = |name: &str, here: f64| {
        let (itself, in_line) = alone.get(name).copied().unwrap_or((f64::NAN, f64::NAN));
        let _ = if in_line.is_nan() {
            writeln!(out, "    {here:>6.1} {:26}  {name}", "")
        } else {
            let (more, most) = (here / in_line, here / itself);
            writeln!(out, "    {here:>6.1} {in_line:>6.1} {more:>5.2} {itself:>6.1} {most:>5.2}  {name}")
        };
    };
    for step in Step::ALL {
        let (sum, count) = (value(step.as_str(), "sum"), value(step.as_str(), "count"));
        let here = sum.zip(count).map_or(f64::NAN, |(sum, count)| sum / count * 1e6);
        let (name, here) = if step == Step::Publish { (SINK, here + client) } else { (step.as_str(), here) };
        rest -= if here.is_nan() { 0.0 } else { here };
        line(name, here);
    }
    line(REST, rest);
    out
}
