//! A POP3 server in clear text that misbehaves on demand.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What goes wrong. Mails are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The connection ends in the middle of this mail.
    CutInRetr(usize),
    /// No UIDL command, and no CAPA that would say so.
    NoUidl,
    /// This mail is refused.
    RefuseRetr(usize),
    /// Octets behind the end of the last mail that nobody asked for.
    GarbageAfterLast,
    /// QUIT commits and is not answered.
    SilentQuit,
    /// QUIT does not commit and answers -ERR.
    RefuseQuit,
    /// Every mail has the same unique id.
    SameUidl,
    /// UIDL is announced and refused.
    RefuseUidl,
    /// The mailbox looks empty.
    EmptyList,
    /// LIST has more behind the size.
    ListExtra,
    /// A line of one dot in the mail is sent as it is.
    UnstuffedDot,
    /// A refused login repeats the line.
    EchoPassword,
    /// One octet a second.
    SlowLoris,
    /// Nothing is ever said.
    Mute,
    /// The greeting is no POP3.
    WrongProtocol,
}

#[derive(Default)]
struct State {
    mails: Vec<(usize, Vec<u8>)>,
    fault: Option<Fault>,
    quits: usize,
}

/// A server on a free port.
#[derive(Clone)]
pub struct Server {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start(mails: &[Vec<u8>]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mails = mails.iter().cloned().enumerate().map(|(at, mail)| (at + 1, mail)).collect();
        let state = Arc::new(Mutex::new(State { mails, fault: None, quits: 0 }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let _ = serve(&stream, &shared);
                });
            }
        });
        Self { port, state }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn set(&self, fault: Fault) {
        self.state.lock().expect("a lock").fault = Some(fault);
    }

    /// Another mail arrives.
    pub fn deliver(&self, mail: Vec<u8>) {
        let mut state = self.state.lock().expect("a lock");
        let id = 1_000 + state.mails.len();
        state.mails.push((id, mail));
    }

    /// The mails are others now, under the same ids.
    pub fn replace(&self, mails: &[Vec<u8>]) {
        self.state.lock().expect("a lock").mails =
            mails.iter().cloned().enumerate().map(|(at, mail)| (at + 1, mail)).collect();
    }

    /// Mails that are left.
    pub fn count(&self) -> usize {
        self.state.lock().expect("a lock").mails.len()
    }

    /// QUIT commands that came.
    pub fn quits(&self) -> usize {
        self.state.lock().expect("a lock").quits
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let (mails, fault) = {
        let state = state.lock().expect("a lock");
        (state.mails.clone(), state.fault.unwrap_or(Fault::None))
    };
    let mut out = stream;
    match fault {
        Fault::Mute => {
            thread::sleep(std::time::Duration::from_secs(30));
            return Ok(());
        }
        Fault::WrongProtocol => return out.write_all(b"220 mail.example ESMTP\r\n"),
        _ => out.write_all(b"+OK ready\r\n")?,
    }
    let mut deleted = BTreeSet::new();
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let number = argument.parse::<usize>().unwrap_or(0);
        match command {
            "CAPA" if fault != Fault::NoUidl => out.write_all(b"+OK\r\nUSER\r\nUIDL\r\nPIPELINING\r\n.\r\n")?,
            "USER" => out.write_all(b"+OK\r\n")?,
            "PASS" if argument == "right" => out.write_all(b"+OK\r\n")?,
            "PASS" if fault == Fault::EchoPassword => {
                out.write_all(format!("-ERR not allowed: {line}\r\n").as_bytes())?;
            }
            "PASS" => out.write_all(b"-ERR [AUTH] no\r\n")?,
            "LIST" | "UIDL" if fault == Fault::EmptyList => out.write_all(b"+OK\r\n.\r\n")?,
            "UIDL" if fault == Fault::RefuseUidl => out.write_all(b"-ERR [SYS/TEMP] index broken\r\n")?,
            "LIST" => {
                out.write_all(b"+OK\r\n")?;
                for (at, (_, mail)) in mails.iter().enumerate() {
                    let extra = if fault == Fault::ListExtra { " new" } else { "" };
                    out.write_all(format!("{} {}{extra}\r\n", at + 1, mail.len()).as_bytes())?;
                }
                out.write_all(b".\r\n")?;
            }
            "UIDL" if fault != Fault::NoUidl => {
                out.write_all(b"+OK\r\n")?;
                for (at, (id, _)) in mails.iter().enumerate() {
                    let id = if fault == Fault::SameUidl { 7 } else { *id };
                    out.write_all(format!("{}   id-{id}\r\n", at + 1).as_bytes())?;
                }
                out.write_all(b".\r\n")?;
            }
            "RETR" if fault == Fault::RefuseRetr(number) => out.write_all(b"-ERR [SYS/TEMP] cannot read it\r\n")?,
            "RETR" => {
                let mail = mails.get(number - 1).map(|(_, m)| m.as_slice()).unwrap_or_default();
                out.write_all(b"+OK\r\n")?;
                if fault == Fault::CutInRetr(number) {
                    return out.write_all(mail.get(..mail.len() / 2).unwrap_or_default());
                }
                if fault == Fault::SlowLoris {
                    for octet in mail {
                        out.write_all(&[*octet])?;
                        thread::sleep(std::time::Duration::from_secs(1));
                    }
                }
                out.write_all(&stuffed(mail, fault))?;
                out.write_all(b".\r\n")?;
                if fault == Fault::GarbageAfterLast && number == mails.len() {
                    out.write_all(b"+OK injected\r\n")?;
                }
            }
            "DELE" => {
                deleted.insert(number);
                out.write_all(b"+OK\r\n")?;
            }
            "QUIT" => {
                let mut state = state.lock().expect("a lock");
                state.quits += 1;
                if fault != Fault::RefuseQuit {
                    let gone: BTreeSet<usize> =
                        deleted.iter().filter_map(|n| mails.get(n - 1)).map(|(id, _)| *id).collect();
                    state.mails.retain(|(id, _)| !gone.contains(id));
                }
                return match fault {
                    Fault::SilentQuit => Ok(()),
                    Fault::RefuseQuit => out.write_all(b"-ERR some messages were not removed\r\n"),
                    _ => out.write_all(b"+OK\r\n"),
                };
            }
            _ => out.write_all(b"-ERR unknown command\r\n")?,
        }
    }
    Ok(())
}

/// A mail with stuffed dots (RFC 1939 section 3).
fn stuffed(mail: &[u8], fault: Fault) -> Vec<u8> {
    let mut out = Vec::new();
    for line in mail.split_inclusive(|b| *b == b'\n') {
        if line.first() == Some(&b'.') && fault != Fault::UnstuffedDot {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    out
}
