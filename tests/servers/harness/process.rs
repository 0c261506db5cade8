//! A server as a child process: started by its script, watched while it comes up, ended with its value.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(20);
/// Kafka needs 3 s and Dovecot a tenth of one; a machine that compiles at the same time needs more.
const START_LIMIT: Duration = Duration::from_mins(2);
const STOP_LIMIT: Duration = Duration::from_secs(30);

pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// Where in the log this run begins: the file is kept over restarts.
    log_start: usize,
    /// Nothing of it is left, and its pid may be another's.
    gone: bool,
}

impl Process {
    /// Starts `command`, its output appended to `log`. `command` must become the server (exec), and must end when its
    /// standard input closes: that is how it learns that the test process is gone, however that came about.
    pub fn start(name: &'static str, command: &mut Command, log: &Path) -> Self {
        let fail = |error| -> ! { panic!("{name} cannot be started: {error}") };
        let file = OpenOptions::new().create(true).append(true).open(log).unwrap_or_else(|error| fail(error));
        let log_start = fs::read(log).map_or(0, |text| text.len());
        let output = file.try_clone().unwrap_or_else(|error| fail(error));
        let child = command
            .env("REPLY_INGEST_STOP_AT_EOF", "1")
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(file)
            // A group of its own, so that its children can be killed with it.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| fail(error));
        Self { name, child, log: log.to_owned(), log_start, gone: false }
    }

    /// Waits until `ready`, which is given what this run has logged. Panics with the log's last lines when the server
    /// ends before, or takes too long.
    pub fn wait_until(&mut self, mut ready: impl FnMut(&str) -> bool) {
        let begin = Instant::now();
        loop {
            if ready(&self.log()) {
                return;
            }
            let ended = self.child.try_wait().ok().flatten();
            assert!(ended.is_none(), "{} ended at its start:\n{}", self.name, self.log_end());
            assert!(begin.elapsed() < START_LIMIT, "{} does not come up:\n{}", self.name, self.log_end());
            thread::sleep(POLL);
        }
    }

    /// What this run has logged.
    pub fn log(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(text.get(self.log_start..).unwrap_or_default()).into_owned()
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }

    pub fn running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// An orderly stop: SIGTERM, and after it SIGKILL for what is left. Dovecot's open sessions would live on for 30 s.
    pub fn stop(&mut self) {
        if self.running() {
            self.signal("TERM", "");
            let begin = Instant::now();
            while self.running() && begin.elapsed() < STOP_LIMIT {
                thread::sleep(POLL);
            }
        }
        self.kill();
    }

    /// A crash: SIGKILL for the server and its children.
    pub fn kill(&mut self) {
        if !self.gone {
            self.signal("KILL", "-");
            let _ = self.child.wait();
            self.gone = true;
        }
    }

    /// The standard library can only send SIGKILL, and to one process; the shell's own `kill` is on every machine.
    fn signal(&self, name: &str, group: &str) {
        let _ = Command::new("sh")
            .args(["-c", "kill -s \"$1\" -- \"$2\"", "sh", name, &format!("{group}{}", self.child.id())])
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
