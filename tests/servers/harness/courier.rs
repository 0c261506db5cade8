//! A throw-away Courier POP3 server, as `tests/servers/courier/courier.sh` runs it: POP3S alone.
//!
//! Its certificate is signed by itself. It logs in by USER and PASS, has no lock, counts and serves a Maildir's files line by line, and takes 5 s to refuse
//! a password.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::pop3_server::{self, Pop3Server};
use super::process::Process;
use super::{Missing, ports};

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
        let port = ports::free(1);
        let mut command = Command::new(pop3_server::make("courier/courier.sh", dir, &[port], users)?);
        command.arg("start").arg(dir);
        let mut process = Process::start(Self::NAME, &mut command, &dir.join("output"));
        process.wait_until(|_| listens(port));
        Ok(Self { dir: dir.to_owned(), port, _process: process })
    }
}

impl Pop3Server for Courier {
    const NAME: &'static str = "Courier";

    fn dir(&self) -> &Path {
        &self.dir
    }

    fn pop3s_port(&self) -> u16 {
        self.port
    }
}

fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(5)).is_ok()
}
