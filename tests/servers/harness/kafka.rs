//! One Apache Kafka broker (`KRaft`, no authentication), as `tests/servers/kafka/kafka.sh` runs it.
//!
//! No topic is created automatically, and each has one replica. Start about 3 s, restart 2 s, after a kill 5 s;
//! about 200 MiB of memory.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::Process;
use super::{Missing, check, ports, script};

pub struct Kafka {
    dir: PathBuf,
    port: u16,
    process: Process,
}

impl Kafka {
    /// Starts a broker whose data lie in `dir`, and waits until it answers.
    pub fn start(dir: &Path) -> Result<Self, Missing> {
        check(&script("kafka/kafka.sh"))?;
        std::fs::create_dir_all(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        // Its controller takes the next port.
        let port = ports::free(2);
        Ok(Self { dir: dir.to_owned(), port, process: run(dir, port) })
    }

    /// The value of `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the broker in good order.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Kills the broker in the middle of what it does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts a stopped or killed broker again, on the same data and port.
    pub fn resume(&mut self) {
        if !self.process.running() {
            self.process = run(&self.dir, self.port);
        }
    }

    pub fn restart(&mut self) {
        self.stop();
        self.resume();
    }

    /// What the broker has logged since it was last started.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

fn run(dir: &Path, port: u16) -> Process {
    let mut command = Command::new(script("kafka/kafka.sh"));
    command.arg("start").arg(dir).arg(port.to_string());
    let mut process = Process::start("Kafka", &mut command, &dir.join("broker.log"));
    process.wait_until(|log| log.contains("Kafka Server started") && answers(port).is_ok());
    process
}

/// Asks for the broker's API versions (Kafka protocol, key 18, version 0), the first question of every client.
fn answers(port: u16) -> io::Result<()> {
    const QUESTION: [u8; 14] = [
        0, 0, 0, 10, // length of what follows
        0, 18, 0, 0, // key and version
        0, 0, 0, 77, // correlation id
        0xff, 0xff, // no client id
    ];
    let limit = Duration::from_secs(5);
    let mut broker = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), limit)?;
    broker.set_read_timeout(Some(limit))?;
    broker.write_all(&QUESTION)?;
    let mut answer = [0; 10];
    broker.read_exact(&mut answer)?;
    // Length, our correlation id, no error.
    if answer.ends_with(&[0, 0, 0, 77, 0, 0]) { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}
