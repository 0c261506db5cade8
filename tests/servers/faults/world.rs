//! Dovecot behind a proxy, a broker, mails with known ids, and workers that may end in any way but a wrong one.

use super::proxy::Proxy;
use crate::harness::consumer::committed;
use crate::harness::dovecot::Dovecot;
use crate::harness::kafka::Kafka;
use crate::harness::mail::Size;
use crate::harness::pop3_server::{self, Pop3Server};
use crate::harness::{available, create_compacted, create_topics, maildir, program};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const USER: &str = "a";
/// A worker that takes longer hangs.
const LONGEST: Duration = Duration::from_mins(4);

/// The signal's number.
const KILL: i32 = 9;

/// What the configuration promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    ExactlyOnce,
    AtLeastOnce,
}

pub struct World {
    pub delivery: Delivery,
    pub kafka: Kafka,
    pub proxy: Proxy,
    dovecot: Dovecot,
    folder: tempfile::TempDir,
    seeded: HashSet<String>,
    lots: u64,
    workers: u64,
    /// How workers ended, counted.
    ends: BTreeMap<String, usize>,
}

/// A worker under way.
pub struct Worker {
    child: Child,
    log: PathBuf,
}

impl World {
    pub fn new(delivery: Delivery) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let dovecot = available(Dovecot::start(&folder.path().join("d"), &[USER]))?;
        let kafka = available(Kafka::start(&folder.path().join("k")))?;
        create_topics(&kafka, &["t", "t.runs"]);
        create_compacted(&kafka, &["l"]);
        let proxy = Proxy::start(dovecot.pop3s_port());
        Some(Self {
            delivery,
            kafka,
            proxy,
            dovecot,
            folder,
            seeded: HashSet::new(),
            lots: 0,
            workers: 0,
            ends: BTreeMap::new(),
        })
    }

    /// A configuration whose passes take several sessions. Two workers of the same ledger file are two on one machine, otherwise on two.
    fn config(&self, ledger: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{ledger}.yaml"));
        let delivery = match self.delivery {
            Delivery::ExactlyOnce => "delivery: exactly_once\nledger: {topic: l}\n".to_owned(),
            Delivery::AtLeastOnce => {
                format!("delivery: at_least_once\nledger: {{file: {}}}\n", self.ledger_file(ledger).display())
            }
        };
        let text = format!(
            "{delivery}kafka: {{brokers: [\"{}\"], topic: t, run_topic: t.runs, ack_timeout: 30s}}\n\
             auth: {{enabled: false}}\nlimits: {{read_timeout: 2s, retry_pause: 100ms, session_mails: 40}}\n\
             mailboxes:\n  - {{name: m, host: localhost, port: {}, ca_file: {}, username: {USER}, password: {}, \
             retention: delete}}\n",
            self.kafka.bootstrap(),
            self.proxy.port(),
            self.dovecot.ca_file().display(),
            pop3_server::password(USER),
        );
        fs::write(&path, text).expect("writes");
        path
    }

    pub fn ledger_file(&self, ledger: &str) -> PathBuf {
        self.folder.path().join(format!("{ledger}.redb"))
    }

    pub fn seed(&mut self, count: u64) {
        self.lots += 1;
        let count = usize::try_from(count).expect("fits");
        let lot = maildir::seed(&self.dovecot.maildir(USER), count, Size::About(3_000), self.lots);
        self.seeded.extend(lot.into_iter().map(|mail| bare(&mail.message_id).to_owned()));
    }

    pub fn mails(&self) -> usize {
        self.seeded.len()
    }

    pub fn start(&mut self, ledger: &str) -> Worker {
        self.start_by(Command::new(program()), ledger)
    }

    /// A worker that can write no file beyond so many octets: what it sees of a disk that is full.
    pub fn start_with_disk(&mut self, ledger: &str, octets: u64) -> Worker {
        let mut shell = Command::new("sh");
        // Without the signal, the write itself fails. The shell counts in 512 octets.
        shell.args(["-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"", &(octets / 512).to_string()]).arg(program());
        self.start_by(shell, ledger)
    }

    fn start_by(&mut self, mut command: Command, ledger: &str) -> Worker {
        self.workers += 1;
        let log = self.folder.path().join(format!("worker{}.log", self.workers));
        let mut child = command
            .args(["poll", "--config"])
            .arg(self.config(ledger))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        // Through this process: a disk that is full for the worker must not swallow what it says.
        let mut said = child.stderr.take().expect("a pipe");
        let path = log.clone();
        std::thread::spawn(move || {
            let mut file = File::create(path).expect("a log");
            let _ = std::io::copy(&mut said, &mut file);
        });
        Worker { child, log }
    }

    /// Waits for the worker's end, and looks at it: nothing may end by a fault of its own or ask for another
    /// configuration.
    pub fn ended(&mut self, mut worker: Worker) -> ExitStatus {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = worker.child.try_wait().expect("is there") {
                break status;
            }
            assert!(begun.elapsed() < LONGEST, "a worker hangs: {}", worker.said());
            sleep(Duration::from_millis(5));
        };
        let end = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        };
        *self.ends.entry(end).or_default() += 1;
        let allowed = status.signal() == Some(KILL) || matches!(status.code(), Some(0 | 69 | 75 | 76));
        let said = worker.said();
        assert!(allowed && !said.contains("panicked"), "{status}: {said}");
        let _ = fs::remove_file(&worker.log);
        status
    }

    /// Undisturbed workers until one has nothing left to say.
    pub fn settle(&mut self, ledger: &str) {
        self.proxy.plan(Vec::new());
        let mut last = None;
        for _ in 0..5 {
            let worker = self.start(ledger);
            let log = worker.log.clone();
            let status = self.ended(worker);
            if status.success() && self.left() == 0 {
                return;
            }
            last = Some((status, fs::read_to_string(log).unwrap_or_default()));
        }
        panic!("{} mails are left: {last:?}", self.left());
    }

    /// Mails in the mailbox.
    pub fn left(&self) -> usize {
        self.dovecot.count(USER)
    }

    /// What consumers of committed records see is what the delivery promises, and nothing is left in the mailbox.
    pub fn assert_promise(&self) {
        let mut seen: HashMap<String, Vec<String>> = HashMap::new();
        committed(&self.kafka.bootstrap(), "t", |value| {
            let event: Value = serde_json::from_slice(value).expect("is JSON");
            let word = |at: &str| event.pointer(at).and_then(Value::as_str).expect("a word").to_owned();
            seen.entry(bare(&word("/data/message/message_id")).to_owned()).or_default().push(word("/id"));
        });
        let lost = self.seeded.iter().filter(|id| !seen.contains_key(*id)).count();
        let strange = seen.keys().filter(|id| !self.seeded.contains(*id)).count();
        let twice = seen.values().filter(|ids| ids.len() > 1).count();
        let other_id = seen.values().filter(|ids| ids.iter().any(|id| *id != ids[0])).count();
        eprintln!(
            "{:?}: {} mails, {lost} lost, {twice} seen more than once, {other_id} of those with another id, {strange} \
             never sent; workers ended {:?}",
            self.delivery,
            self.mails(),
            self.ends
        );
        assert_eq!((lost, other_id, strange, self.left()), (0, 0, 0, 0));
        if self.delivery == Delivery::ExactlyOnce {
            assert_eq!(twice, 0);
        }
    }
}

impl Worker {
    /// Whether the signal came before its end.
    pub fn kill(&mut self) -> bool {
        let runs = self.runs();
        self.child.kill().expect("kills");
        runs
    }

    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("is there").is_none()
    }

    pub fn terminate(&self) {
        let _ = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).stderr(Stdio::null()).status();
    }

    fn said(&self) -> String {
        // The thread that writes it down may be a moment late.
        sleep(Duration::from_millis(20));
        read(&self.log)
    }
}

fn bare(message_id: &str) -> &str {
    message_id.trim_matches(['<', '>'])
}

fn read(path: &Path) -> String {
    fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
}
