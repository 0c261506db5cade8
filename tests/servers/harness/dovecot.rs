//! A throw-away Dovecot 2.3, as `tests/servers/dovecot/dovecot.sh` runs it: POP3 with STLS, and POP3S.
//!
//! It answers at 127.0.0.1 (`localhost`) and at 127.0.0.2, with a certificate for all three from a CA of its own. Only at the latter does it refuse a password in clear:
//! it trusts a client that has its own address.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::pop3_server::{self, Pop3Server};
use super::process::Process;
use super::{Missing, ports};

pub struct Dovecot {
    script: PathBuf,
    dir: PathBuf,
    port: u16,
    process: Process,
}

impl Dovecot {
    /// Starts a server for `users`, whose mail lies in `dir`, and waits until it greets. Run by root, it opens `dir`
    /// and the folders above it, as far as they are temporary, to the user who owns the mail.
    pub fn start(dir: &Path, users: &[&str]) -> Result<Self, Missing> {
        Self::start_with(dir, users, "")
    }

    /// The same with further settings in Dovecot's own language, such as `pop3_lock_session = yes`.
    pub fn start_with(dir: &Path, users: &[&str], settings: &str) -> Result<Self, Missing> {
        let port = ports::free(2);
        let script = pop3_server::make("dovecot/dovecot.sh", dir, &[port, port + 1], users)?;
        let extra = dir.join("extra.conf");
        fs::write(&extra, format!("{settings}\n")).unwrap_or_else(|error| panic!("{}: {error}", extra.display()));
        let process = run(&script, dir, port);
        Ok(Self { script, dir: dir.to_owned(), port, process })
    }

    /// The port of POP3, with STLS.
    pub fn pop3_port(&self) -> u16 {
        self.port
    }

    /// Stops the server in good order; then sessions that are still open are cut, without their deletions.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Kills the server and every session in the middle of what they do.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts a stopped or killed server again, on the same mail and ports.
    pub fn resume(&mut self) {
        if !self.process.running() {
            self.process = run(&self.script, &self.dir, self.port);
        }
    }

    pub fn restart(&mut self) {
        self.stop();
        self.resume();
    }
}

impl Pop3Server for Dovecot {
    const NAME: &'static str = "Dovecot";

    fn dir(&self) -> &Path {
        &self.dir
    }

    fn pop3s_port(&self) -> u16 {
        self.port + 1
    }
}

fn run(script: &Path, dir: &Path, port: u16) -> Process {
    let mut command = Command::new(script);
    command.arg("start").arg(dir);
    let mut process = Process::start(Dovecot::NAME, &mut command, &dir.join("output"));
    process.wait_until(|_| greets(port));
    process
}

fn greets(port: u16) -> bool {
    let limit = Duration::from_secs(5);
    let mut line = String::new();
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), limit)
        .and_then(|server| {
            server.set_read_timeout(Some(limit))?;
            BufReader::new(server).read_line(&mut line)
        })
        .is_ok_and(|_| line.starts_with("+OK"))
}
