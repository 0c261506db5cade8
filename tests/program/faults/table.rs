//! Tables of faults: what the server does, and what must come of it.

use super::bench::{Bench, DELETE, KEEP, LIMITS, Run, Setting};
use super::mails;
use crate::scripted::{Rule, Server, Speaks};
use reply_ingest::demo::Broker;
use reply_ingest::message::Digest;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Rows of a table at once: most of their time is waiting.
const AT_ONCE: usize = 6;
/// No fault may make the program need more than this.
const MEMORY: u64 = 150_000_000;

/// What must come of a fault.
#[derive(Clone, Copy)]
pub struct Outcome {
    pub code: i32,
    /// Somewhere on stderr.
    pub words: &'static str,
    pub events: usize,
    /// Mails left on the server.
    pub left: usize,
    /// QUITs that the server saw.
    pub quits: usize,
}

type Also = Box<dyn Fn(&Server) + Send + Sync>;

/// A row.
pub struct Case {
    fault: &'static str,
    rules: Vec<Rule>,
    outcome: Outcome,
    mails: Vec<Vec<u8>>,
    /// Digest and size of each mail, as it must be published.
    whole: BTreeSet<(String, u64)>,
    speaks: Speaks,
    authority: String,
    tls: &'static str,
    mailbox: String,
    limits: String,
    runs: usize,
    heals: bool,
    also: Option<Also>,
}

/// A fault with three mails in the mailbox, and what must come of it: exit code, words on stderr, then events
/// published, mails left and QUITs seen.
pub fn case(
    fault: &'static str,
    rules: impl IntoIterator<Item = Rule>,
    code: i32,
    words: &'static str,
    (events, left, quits): (usize, usize, usize),
) -> Case {
    let case = Case {
        fault,
        rules: rules.into_iter().collect(),
        outcome: Outcome { code, words, events, left, quits },
        mails: Vec::new(),
        whole: BTreeSet::new(),
        speaks: Speaks::Clear,
        authority: String::new(),
        tls: "tls: none",
        mailbox: DELETE.to_owned(),
        limits: LIMITS.to_owned(),
        runs: 1,
        heals: true,
        also: None,
    };
    case.mails(mails(3))
}

impl Case {
    pub fn mails(mut self, mails: Vec<Vec<u8>>) -> Self {
        self.whole = mails.iter().map(|m| (Digest::of(m).to_string(), m.len() as u64)).collect();
        self.mails = mails;
        self
    }

    /// A rule sends another mail instead of this one.
    pub fn instead(mut self, number: usize, digest: String, size: u64) -> Self {
        let mail = &self.mails[number - 1];
        self.whole.remove(&(Digest::of(mail).to_string(), mail.len() as u64));
        self.whole.insert((digest, size));
        self
    }

    /// What is published is the mails in this form.
    pub fn sent_as(mut self, form: fn(&[u8]) -> Vec<u8>) -> Self {
        let mails = self.mails.clone();
        self = self.mails(mails.iter().map(|m| form(m)).collect());
        Self { mails, ..self }
    }

    /// Instead of the usual limits.
    pub fn limits(mut self, limits: &str) -> Self {
        limits.clone_into(&mut self.limits);
        self
    }

    /// Besides the usual limits.
    pub fn limit(self, limit: &str) -> Self {
        self.limits(&format!("{LIMITS}, {limit}"))
    }

    pub fn keep(mut self) -> Self {
        KEEP.clone_into(&mut self.mailbox);
        self
    }

    /// A further line for the mailbox.
    pub fn with(mut self, line: &str) -> Self {
        self.mailbox = format!("{}    {line}\n", self.mailbox);
        self
    }

    pub fn server(mut self, speaks: Speaks) -> Self {
        self.speaks = speaks;
        self
    }

    pub fn trusts(mut self, tls: &'static str, authority: &str) -> Self {
        self.tls = tls;
        authority.clone_into(&mut self.authority);
        self
    }

    /// The same again makes no difference.
    pub fn twice(mut self) -> Self {
        self.runs = 2;
        self
    }

    /// The fault is one of the setting: no next run will do better.
    pub fn lasts(mut self) -> Self {
        self.heals = false;
        self
    }

    /// What else must hold after the run.
    pub fn also(mut self, also: impl Fn(&Server) + Send + Sync + 'static) -> Self {
        self.also = Some(Box::new(also));
        self
    }

    fn poll(&self, bench: &Bench) -> Run {
        bench.run(Setting { limits: &self.limits, tls: self.tls, ..Setting::default() }, &self.mailbox)
    }

    /// What is wrong after a run.
    fn faults(&self, bench: &Bench, run: &Run, outcome: Outcome) -> Vec<String> {
        let mut faults = run.faults(outcome.code, outcome.words);
        let (events, server) = (bench.events(), &bench.server);
        let published: BTreeSet<(String, u64)> = events.iter().map(digest_and_size).collect();
        if published.len() < events.len() {
            faults.push(format!("{} events for {} mails", events.len(), published.len()));
        }
        if !published.is_subset(&self.whole) {
            faults.push("what was published is not what the mailbox held".to_owned());
        }
        let (got, expected) = ((events.len(), server.count()), (outcome.events, outcome.left));
        if got != expected {
            faults.push(format!("(events, left) are {got:?}, not {expected:?}"));
        }
        if server.times("STAT") > 0 {
            faults.push("STAT was asked for".to_owned());
        }
        if run.peak > MEMORY {
            faults.push(format!("{} octets of memory", run.peak));
        }
        faults
    }

    /// Runs with the fault, and if that did not do everything without it: then every mail must have come once, and
    /// be gone.
    fn run(&self, kafka: &str, topic: &str) -> Vec<String> {
        let server = Server::start_as(self.speaks.clone(), &self.mails);
        let bench = Bench::on(kafka, topic, server);
        bench.trust(&self.authority);
        bench.server.set(self.rules.clone());
        let mut faults = Vec::new();
        for time in 1..=self.runs {
            let run = self.poll(&bench);
            faults.extend(self.faults(&bench, &run, self.outcome));
            let (quits, expected) = (bench.server.quits(), time * self.outcome.quits);
            // How many sessions it took is the program's business; that none ended with QUIT is not.
            if (expected == 0 && quits > 0) || quits < expected {
                faults.push(format!("{quits} QUITs, not {expected} or more"));
            }
        }
        if let Some(also) = &self.also {
            also(&bench.server);
        }
        let keeps = self.mailbox.starts_with(KEEP);
        let done = self.outcome.events == self.whole.len() && self.outcome.left == 0;
        if self.heals && !done && faults.is_empty() {
            bench.server.set([]);
            let left = if keeps { bench.server.count() } else { 0 };
            let healed = Outcome { code: 0, words: "pass ended", events: self.whole.len(), left, quits: 0 };
            let run = self.poll(&bench);
            faults.extend(self.faults(&bench, &run, healed).into_iter().map(|f| format!("without the fault: {f}")));
        }
        faults
    }
}

fn digest_and_size(event: &Value) -> (String, u64) {
    let message = &event["data"]["message"];
    (
        message["digest_sha256"].as_str().unwrap_or_default().to_owned(),
        message["size_bytes"].as_u64().unwrap_or_default(),
    )
}

/// Runs every row, several at once, and says what is wrong with each.
pub fn check(cases: impl IntoIterator<Item = Case>) {
    let cases: Vec<Case> = cases.into_iter().collect();
    let topics: Vec<String> = (0..cases.len()).map(|at| format!("mail-{at}")).chain(["runs".to_owned()]).collect();
    let broker = Broker::start(&topics.iter().map(String::as_str).collect::<Vec<_>>()).expect("a broker");
    let kafka = broker.bootstrap();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((case, topic)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    cases.get(at).zip(topics.get(at))
                } {
                    let faults = case.run(&kafka, topic);
                    if !faults.is_empty() {
                        wrong.lock().expect("a lock").push(format!("{}: {}", case.fault, faults.join("\n    ")));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("a lock");
    assert!(wrong.is_empty(), "{} of {} rows:\n\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}
