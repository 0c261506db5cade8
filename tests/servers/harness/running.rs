//! `reply-ingest run` as a child process, with its endpoints.

use super::{ports, program};
use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_mins(1);

/// The program as a service.
pub struct Running {
    pub child: Child,
    port: u16,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts `run` with this configuration, its log in a file.
    pub fn start(config: &Path, log: &Path) -> Self {
        let port = ports::free(1);
        let child = Command::new(program())
            .args(["run", "--listen", &format!("127.0.0.1:{port}"), "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stderr(fs::File::create(log).expect("a log"))
            .spawn()
            .expect("starts");
        Self { child, port }
    }

    /// Status and body; `None` while nobody answers.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        stream.set_read_timeout(Some(LIMIT)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Series and values; none while nobody answers.
    pub fn metrics(&self) -> HashMap<String, f64> {
        let (_, text) = self.get("/metrics").unwrap_or_default();
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        samples.filter_map(|(series, value)| Some((series.to_owned(), value.parse().ok()?))).collect()
    }

    /// Waits until `is`, looking often.
    pub fn wait_for(&self, what: &str, mut is: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !is(self) {
            assert!(begun.elapsed() < LIMIT, "{what}: {:?}", self.get("/metrics"));
            sleep(Duration::from_millis(50));
        }
    }

    /// Sends a signal, named as the shell's `kill` does.
    pub fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &self.child.id().to_string()])
            .status()
            .expect("sh");
        assert!(status.success());
    }
}

/// The value of a series named without its prefix; 0 where there is none.
pub fn value(metrics: &HashMap<String, f64>, series: &str) -> f64 {
    metrics.get(&format!("reply_ingest_{series}")).copied().unwrap_or_default()
}
