//! A throw-away Courier POP3 server, as `tests/servers/courier/courier.sh` runs it: POP3S alone.
//!
//! It logs in by USER and PASS, has no lock, counts and serves a Maildir's files line by line, and takes 5 s to refuse
//! a password.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::Process;
use super::{Missing, check, maildir, ports, script};

pub struct Courier {
    dir: PathBuf,
    port: u16,
    /// Ends with its value.
    _process: Process,
}

impl Courier {
    /// Starts a server for `users`, whose mail lies in `dir`, and waits until it listens. Run by root, it opens `dir`
    /// and the folders above it, as far as they are temporary, to the user who owns the mail.
    pub fn start(dir: &Path, users: &[&str]) -> Result<Self, Missing> {
        let courier = script("courier/courier.sh");
        check(&courier)?;
        let port = ports::free(1);
        let made = Command::new(&courier)
            .arg("make")
            .arg(dir)
            .arg(port.to_string())
            .args(users)
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", courier.display()));
        assert!(made.status.success(), "Courier: {}", String::from_utf8_lossy(&made.stderr));
        let mut command = Command::new(courier);
        command.arg("start").arg(dir);
        let mut process = Process::start("Courier", &mut command, &dir.join("output"));
        process.wait_until(|_| listens(port));
        Ok(Self { dir: dir.to_owned(), port, _process: process })
    }

    /// The port of POP3 over TLS.
    pub fn pop3s_port(&self) -> u16 {
        self.port
    }

    /// The server's own certificate, in PEM. It is for `localhost` and 127.0.0.1, and nobody else has signed it.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("tls/ca.crt")
    }

    pub fn password(user: &str) -> String {
        format!("pw-{user}")
    }

    pub fn maildir(&self, user: &str) -> PathBuf {
        self.dir.join("home").join(user).join("Maildir")
    }

    /// How many messages the user's mailbox holds.
    pub fn count(&self, user: &str) -> usize {
        maildir::count(&self.maildir(user))
    }

    /// What Courier has logged: a line for each connection, login and session's end.
    pub fn log(&self) -> String {
        fs::read(self.dir.join("log")).map_or_else(|_| String::new(), |log| String::from_utf8_lossy(&log).into_owned())
    }
}

fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(5)).is_ok()
}
