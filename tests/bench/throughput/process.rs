//! What a process takes, looked up in Linux's /proc while it runs.

#![allow(clippy::cast_precision_loss, reason = "small numbers")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Linux counts a process's time in hundredths of a second, whatever the machine.
const TICK_MS: f64 = 10.0;

pub struct Used {
    pub status: ExitStatus,
    wall: Duration,
    /// The largest resident set, in KiB.
    peak: u64,
    /// CPU in ticks, by thread.
    threads: BTreeMap<u32, (String, u64)>,
    of_process: u64,
}

impl Used {
    /// Runs a command to its end.
    pub fn by(mut command: Command) -> Self {
        let begun = Instant::now();
        let mut child = command.spawn().expect("starts");
        let folder = format!("/proc/{}", child.id());
        let (mut peak, mut of_process) = (0, 0);
        let mut threads = BTreeMap::new();
        loop {
            let ended = child.try_wait().expect("is there");
            peak = high_water(&folder).unwrap_or(0).max(peak);
            of_process = ticks(Path::new(&folder)).map_or(0, |(_, n)| n).max(of_process);
            for thread in fs::read_dir(format!("{folder}/task")).into_iter().flatten().flatten() {
                let id = thread.file_name().to_str().and_then(|n| n.parse().ok());
                if let (Some(id), Some(used)) = (id, ticks(&thread.path())) {
                    threads.insert(id, used);
                }
            }
            if let Some(status) = ended {
                return Self { status, wall: begun.elapsed(), peak, threads, of_process };
            }
            // Looking takes time that the process would have.
            sleep(Duration::from_millis(50));
        }
    }

    /// CPU in microseconds for each mail.
    pub fn of_a_mail(&self, mails: usize) -> f64 {
        micros(self.of_process) / mails as f64
    }

    /// The same of the threads whose names begin so, as far as they were seen.
    pub fn of_threads(&self, prefix: &str, mails: usize) -> f64 {
        let threads = self.threads.values().filter(|(name, _)| name.starts_with(prefix));
        threads.map(|(_, ticks)| micros(*ticks)).sum::<f64>() / mails as f64
    }

    /// One line in all, and one for each sort of thread; `run` is how long the run itself took, in seconds.
    pub fn told(&self, mails: usize, run: f64) -> String {
        let each = |ticks: u64| micros(ticks) / mails as f64;
        let mut out = format!(
            "  {:.0} mails/s in the run's {run:.2} s, {:.2} s from start to end; CPU {:.0} µs a mail; peak {} MiB\n",
            mails as f64 / run,
            self.wall.as_secs_f64(),
            each(self.of_process),
            self.peak / 1024
        );
        let mut sorts: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, ticks) in self.threads.values() {
            *sorts.entry(name.trim_end_matches(|c: char| c.is_ascii_digit())).or_default() += ticks;
        }
        for (name, ticks) in sorts.into_iter().filter(|(_, ticks)| *ticks > 0) {
            let _ = writeln!(out, "    {:>4.0} µs  {name}", each(ticks));
        }
        out
    }
}

fn micros(ticks: u64) -> f64 {
    ticks as f64 * TICK_MS * 1_000.0
}

fn high_water(folder: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("{folder}/status")).ok()?;
    status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

/// A name and the time used, out of proc(5)'s `stat`.
fn ticks(folder: &Path) -> Option<(String, u64)> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // A name may hold anything but the last parenthesis.
    let (head, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let used = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some((head.split_once('(')?.1.to_owned(), used))
}
