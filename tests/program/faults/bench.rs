//! The program with a server, a broker and a ledger of its own.

use crate::scripted::{PASSWORD, Server};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use reply_ingest::demo::{Broker, consume};
use serde_json::Value;
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub const DELETE: &str = "    retention: delete\n";
pub const KEEP: &str = "    retention: keep\n";
pub const LIMITS: &str = "connect_timeout: 1s, read_timeout: 1s, retry_pause: 20ms";

/// Who is not done after this long hangs.
const HANGS: Duration = Duration::from_secs(40);
/// Partitions of the broker's topics.
const PARTITIONS: i32 = 6;

/// How the program is run.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    pub password: &'a str,
    pub limits: &'a str,
    pub auth: bool,
    /// The mailbox's line on TLS.
    pub tls: &'a str,
    pub dry_run: bool,
}

impl Default for Setting<'_> {
    fn default() -> Self {
        Self { password: PASSWORD, limits: LIMITS, auth: false, tls: "tls: none", dry_run: false }
    }
}

/// What became of a run.
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// The most memory that it had.
    pub peak: u64,
}

impl Run {
    /// What is wrong with it.
    pub fn faults(&self, code: i32, words: &str) -> Vec<String> {
        let mut faults = Vec::new();
        if self.code != Some(code) {
            faults.push(format!("exit code {:?}, not {code}", self.code));
        }
        if !self.stderr.contains(words) {
            faults.push(format!("{words:?} is not said"));
        }
        for (word, what) in [
            ("customer.example", "an address"),
            (PASSWORD, "the password"),
            ("hunter2", "a password"),
            ("panicked", "a panic"),
        ] {
            if self.stderr.contains(word) {
                faults.push(format!("{what} in the log"));
            }
        }
        if !faults.is_empty() {
            faults.push(self.stderr.clone());
        }
        faults
    }

    pub fn check(&self, code: i32, words: &str) {
        assert_eq!(self.faults(code, words).join("\n"), "");
    }
}

pub struct Bench {
    folder: tempfile::TempDir,
    /// Kept where it is this bench's own.
    _broker: Option<Broker>,
    kafka: String,
    topic: String,
    pub server: Server,
}

impl Bench {
    pub fn new(mails: &[Vec<u8>]) -> Self {
        let broker = Broker::start(&["mail", "runs"]).expect("a broker");
        let bench = Self::on(&broker.bootstrap(), "mail", Server::start(mails));
        Self { _broker: Some(broker), ..bench }
    }

    /// On a broker that others share, with a topic for this bench alone.
    pub fn on(kafka: &str, topic: &str, server: Server) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, _broker: None, kafka: kafka.to_owned(), topic: topic.to_owned(), server }
    }

    pub fn poll(&self, mailbox: &str) -> Run {
        self.run(Setting::default(), mailbox)
    }

    pub fn poll_as(&self, password: &str, mailbox: &str) -> Run {
        self.run(Setting { password, ..Setting::default() }, mailbox)
    }

    /// With a further limit.
    pub fn poll_with(&self, limit: &str, mailbox: &str) -> Run {
        let limits = format!("{LIMITS}, {limit}");
        self.run(Setting { limits: &limits, ..Setting::default() }, mailbox)
    }

    pub fn run(&self, setting: Setting, mailbox: &str) -> Run {
        let path = |name: &str| self.folder.path().join(name);
        let text = format!(
            "kafka: {{brokers: [\"{}\"], topic: {}, run_topic: runs}}\nledger: {{file: {}}}\nauth: {{enabled: {}}}\n\
             limits: {{{}}}\n\
             mailboxes:\n  - name: box\n    host: 127.0.0.1\n    port: {}\n    {}\n    username: ana\n    \
             password: {}\n{mailbox}",
            self.kafka,
            self.topic,
            path("l.redb").display(),
            setting.auth,
            setting.limits,
            self.server.port(),
            setting.tls.replace("@CA@", &path("ca.pem").display().to_string()),
            setting.password,
        );
        fs::write(path("c.yaml"), text).expect("writes");
        let mut command = Command::new(env!("CARGO_BIN_EXE_reply-ingest"));
        command.args(["poll", "--config"]).arg(path("c.yaml"));
        if setting.dry_run {
            command.arg("--dry-run");
        }
        // Files, because a pipe that nobody reads would stop the program.
        let file = |name: &str| Stdio::from(File::create(path(name)).expect("a file"));
        let mut child = command.stdout(file("out")).stderr(file("err")).spawn().expect("starts");
        let (started, mut peak) = (Instant::now(), 0);
        let code = loop {
            peak = peak_of(child.id()).unwrap_or(peak);
            if let Some(status) = child.try_wait().expect("waits") {
                break status.code();
            }
            if started.elapsed() > HANGS {
                child.kill().expect("ends");
                child.wait().expect("waits");
                break None;
            }
            thread::sleep(Duration::from_millis(5));
        };
        let read = |name: &str| String::from_utf8_lossy(&fs::read(path(name)).expect("reads")).into_owned();
        Run { code, stdout: read("out"), stderr: read("err"), peak }
    }

    /// The authority that `ca_file: @CA@` names.
    pub fn trust(&self, pem: &str) {
        fs::write(self.folder.path().join("ca.pem"), pem).expect("writes");
    }

    /// Every event that was published.
    pub fn events(&self) -> Vec<Value> {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.kafka).create().expect("a consumer");
        let count: i64 = (0..PARTITIONS)
            .map(|p| consumer.fetch_watermarks(&self.topic, p, HANGS).expect("watermarks"))
            .map(|(low, high)| high - low)
            .sum();
        let count = usize::try_from(count).expect("a count");
        let records = consume(&self.kafka, &self.topic, count, HANGS).expect("consumes");
        assert_eq!(records.len(), count, "every record is read");
        records.iter().map(|c| serde_json::from_slice(&c.value).expect("JSON")).collect()
    }
}

/// The peak of a running process's memory in octets (Linux).
fn peak_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
