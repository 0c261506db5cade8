//! A POP3 server that behaves, except where a rule says otherwise: byte by byte, in clear, in TLS or with STLS.

mod rule;
mod wire;

pub use rule::{ANY, GREETING, Rule, Then, on};
pub use wire::{Authority, Identity};

use rustls::ServerConfig;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;
use wire::Wire;

/// The only password that is right.
pub const PASSWORD: &str = "korrekt-horse-7";

/// How a server speaks.
#[derive(Clone, Default)]
pub enum Speaks {
    #[default]
    Clear,
    Tls(Arc<ServerConfig>),
    /// In clear, until STLS.
    Stls(Arc<ServerConfig>),
}

#[derive(Default)]
struct State {
    /// Mails with their ids: `id-1`, `id-2`.
    mails: Vec<(usize, Vec<u8>)>,
    rules: Vec<Rule>,
    seen: Vec<Seen>,
}

/// A line that a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub line: String,
    pub encrypted: bool,
}

/// A server on a free port.
#[derive(Clone)]
pub struct Server {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start(mails: &[Vec<u8>]) -> Self {
        Self::start_as(Speaks::Clear, mails)
    }

    pub fn start_as(speaks: Speaks, mails: &[Vec<u8>]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = Self { port, state: Arc::default() };
        server.replace(mails);
        let shared = server.clone();
        thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let (server, speaks) = (shared.clone(), speaks.clone());
                thread::spawn(move || {
                    let _ = tcp.set_nodelay(true);
                    // Nobody is waited for for ever.
                    let _ = tcp.set_read_timeout(Some(Duration::from_mins(1)));
                    let _ = Session::serve(&server, Wire::Clear(tcp), &speaks);
                });
            }
        });
        server
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a lock")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on this goes wrong, and nothing else.
    pub fn set(&self, rules: impl IntoIterator<Item = Rule>) {
        self.state().rules = rules.into_iter().collect();
    }

    /// Another mail arrives.
    pub fn deliver(&self, mail: Vec<u8>) {
        let mut state = self.state();
        let id = 1_000 + state.mails.len();
        state.mails.push((id, mail));
    }

    /// The mails are others now, under the same ids.
    pub fn replace(&self, mails: &[Vec<u8>]) {
        self.state().mails = (1..).zip(mails.iter().cloned()).collect();
    }

    /// Mails that are left.
    pub fn count(&self) -> usize {
        self.state().mails.len()
    }

    /// Ids of the mails that are left.
    pub fn left(&self) -> Vec<usize> {
        self.state().mails.iter().map(|(id, _)| *id).collect()
    }

    /// Every line that came.
    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// How often this command came.
    pub fn times(&self, command: &str) -> usize {
        self.state().seen.iter().filter(|s| s.line.split(' ').next() == Some(command)).count()
    }

    /// QUIT commands that came.
    pub fn quits(&self) -> usize {
        self.times("QUIT")
    }

    fn rule(&self, line: &str) -> Option<Rule> {
        self.state().rules.iter().find(|r| r.applies(line)).cloned()
    }
}

struct Session<'a> {
    server: &'a Server,
    /// The mailbox as it was at the greeting.
    mails: Vec<(usize, Vec<u8>)>,
    deleted: BTreeSet<usize>,
}

impl Session<'_> {
    fn serve(server: &Server, mut wire: Wire, speaks: &Speaks) -> io::Result<()> {
        if let Speaks::Tls(config) = speaks {
            wire = wire.secure(config)?;
        }
        let mut session = Session { server, mails: server.state().mails.clone(), deleted: BTreeSet::new() };
        let mut ahead = Vec::new();
        let mut line = GREETING.to_owned();
        loop {
            let rule = server.rule(&session.by_mail(&line)).unwrap_or_else(|| on(ANY));
            let usual = session.answer(&line, rule.effect, matches!(speaks, Speaks::Stls(_)));
            wire.write_all(&(rule.edit)(&line, usual))?;
            wire.flush()?;
            server.state().mails.retain(|(id, _)| Some(*id) != rule.vanishes);
            match rule.then {
                Then::GoOn if line == "QUIT" => return wire.end(true),
                Then::GoOn => {}
                Then::LoseAhead => ahead.clear(),
                Then::End => return wire.end(true),
                Then::EndAbruptly => return wire.end(false),
                Then::Hold => return wire.hold(),
                Then::Raw(octets) => {
                    wire.raw(octets)?;
                    return wire.hold();
                }
                Then::Drip(octet, pause) => loop {
                    thread::sleep(pause);
                    wire.write_all(&[octet])?;
                    wire.flush()?;
                },
                Then::Flood(octets, times, last) => {
                    (0..times).try_for_each(|_| wire.write_all(&octets))?;
                    wire.write_all(last)?;
                }
            }
            if let (Speaks::Stls(config), "STLS", true) = (speaks, line.as_str(), rule.effect) {
                wire = wire.secure(config)?;
                ahead.clear();
            }
            match next_line(&mut wire, &mut ahead)? {
                Some(next) => line = next,
                None => return Ok(()),
            }
            server.state().seen.push(Seen { line: line.clone(), encrypted: wire.is_encrypted() });
        }
    }

    /// The command with the mail's own number, which it keeps when others are gone.
    fn by_mail(&self, line: &str) -> String {
        match line.split_once(' ') {
            Some((command @ ("RETR" | "DELE"), number)) => {
                let at = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
                match at.and_then(|at| self.mails.get(at)) {
                    Some((id, _)) => format!("{command} {id}"),
                    None => line.to_owned(),
                }
            }
            _ => line.to_owned(),
        }
    }

    /// What a server that behaves says.
    fn answer(&mut self, line: &str, effect: bool, stls: bool) -> Vec<u8> {
        let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
        let number = argument.split(' ').next().and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
        let mail = number.checked_sub(1).and_then(|at| self.mails.get(at));
        let text = match (command, mail) {
            (GREETING, _) => "+OK ready",
            ("CAPA", _) => "+OK\r\nUSER\r\nUIDL\r\nPIPELINING\r\n.",
            ("STLS", _) if stls => "+OK begin",
            ("USER", _) => "+OK",
            ("PASS", _) if argument == PASSWORD => "+OK",
            ("PASS", _) => "-ERR [AUTH] no",
            ("LIST", _) => return self.list(|_, mail| mail.len().to_string()),
            ("UIDL", _) => return self.list(|id, _| format!("  id-{id}")),
            ("RETR", Some((_, mail))) => return stuffed(mail),
            ("TOP", Some((_, mail))) => {
                let head = memchr::memmem::find(mail, b"\r\n\r\n").map_or(mail.len(), |at| at + 4);
                return stuffed(&mail[..head]);
            }
            ("DELE", Some((id, _))) => {
                if effect {
                    self.deleted.insert(*id);
                }
                "+OK"
            }
            ("QUIT", _) => {
                if effect {
                    self.server.state().mails.retain(|(id, _)| !self.deleted.contains(id));
                }
                "+OK"
            }
            ("RETR" | "TOP" | "DELE", None) => "-ERR no such message",
            _ => "-ERR unknown command",
        };
        format!("{text}\r\n").into_bytes()
    }

    fn list(&self, value: impl Fn(usize, &[u8]) -> String) -> Vec<u8> {
        let lines = (1..).zip(&self.mails).map(|(number, (id, mail))| format!("{number} {}\r\n", value(*id, mail)));
        format!("+OK\r\n{}.\r\n", lines.collect::<String>()).into_bytes()
    }
}

/// The next line; `ahead` is what was read and not yet taken.
fn next_line(wire: &mut Wire, ahead: &mut Vec<u8>) -> io::Result<Option<String>> {
    let mut into = [0; 4096];
    loop {
        if let Some(end) = ahead.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = ahead.drain(..=end).collect();
            return Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()));
        }
        match wire.read(&mut into)? {
            0 => return Ok(None),
            read => ahead.extend_from_slice(&into[..read]),
        }
    }
}

/// A mail with its status line, stuffed dots and a lone dot at its end (RFC 1939 section 3).
fn stuffed(mail: &[u8]) -> Vec<u8> {
    let mut out = b"+OK\r\n".to_vec();
    for octet in mail {
        if *octet == b'.' && out.ends_with(b"\r\n") {
            out.push(b'.');
        }
        out.push(*octet);
    }
    out.extend_from_slice(b".\r\n");
    out
}
