//! Commands out, replies in: which reply belongs to which command.
//!
//! POP3 answers in the order of the commands, so a queue of what was sent says what the next reply
//! is and in which form it comes. The session holds the octets to be written until the transport
//! takes them, and takes the octets that the transport read; it knows no socket.

use super::codec::{CodecError, Decoder, Expect, Reply};
use crate::config::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::VecDeque;

/// A list of a mailbox may be this long: 200,000 mails of 80 octets each.
const MAX_LIST: usize = 16 * 1024 * 1024;

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Capa,
    User(String),
    Pass(Secret),
    /// AUTH PLAIN with its initial response (RFC 4616, RFC 5034).
    AuthPlain {
        user: String,
        password: Secret,
    },
    /// The same, for a server that asks for it with `+` all the same.
    PlainResponse {
        user: String,
        password: Secret,
    },
    Uidl,
    List,
    /// A mail; `hint` is the size that LIST named.
    Retr {
        number: u32,
        hint: u64,
    },
    Dele(u32),
    Quit,
}

/// What a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    Greeting,
    Capa,
    User,
    Pass,
    Auth,
    Uidl,
    List,
    Retr(u32),
    Dele(u32),
    Quit,
}

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SessionError {
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Octets behind a reply while no command is outstanding: nothing of the connection can be
    /// trusted any more, least of all a QUIT that would commit deletes.
    #[error("the server sent octets that nobody asked for")]
    Unasked,
    /// The connection ended while a reply was outstanding.
    #[error("the server closed the connection before it answered")]
    Cut,
}

/// The session of one connection; begins by waiting for the greeting.
#[derive(Debug)]
pub struct Session {
    decoder: Decoder,
    sent: VecDeque<(Sent, Expect)>,
    output: Vec<u8>,
    max_body: usize,
}

impl Session {
    /// A session that keeps at most `max_body` octets of a mail.
    #[must_use]
    pub fn new(max_body: usize) -> Self {
        Self {
            decoder: Decoder::default(),
            sent: VecDeque::from([(Sent::Greeting, Expect::Status)]),
            output: Vec::new(),
            max_body,
        }
    }

    /// Queues a command.
    pub fn send(&mut self, command: &Command) {
        let (sent, expect) = match command {
            Command::Capa => (Sent::Capa, Expect::Lines { max: MAX_LIST }),
            Command::User(_) => (Sent::User, Expect::Status),
            Command::Pass(_) => (Sent::Pass, Expect::Status),
            Command::AuthPlain { .. } | Command::PlainResponse { .. } => (Sent::Auth, Expect::Status),
            Command::Uidl => (Sent::Uidl, Expect::Lines { max: MAX_LIST }),
            Command::List => (Sent::List, Expect::Lines { max: MAX_LIST }),
            Command::Retr { number, hint } => {
                let hint = usize::try_from(*hint).unwrap_or(usize::MAX).saturating_add(64);
                (Sent::Retr(*number), Expect::Body { max: self.max_body, hint })
            }
            Command::Dele(number) => (Sent::Dele(*number), Expect::Status),
            Command::Quit => (Sent::Quit, Expect::Status),
        };
        command.encode(&mut self.output);
        self.sent.push_back((sent, expect));
    }

    /// The octets to be written; the transport takes away from the front what it wrote.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// How many replies are outstanding.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.sent.len()
    }

    /// What the next reply answers.
    #[must_use]
    pub fn next(&self) -> Option<Sent> {
        self.sent.front().map(|(sent, _)| *sent)
    }

    /// Takes octets that were read; gives the next whole reply.
    ///
    /// # Errors
    /// When the octets are no reply, or nothing is outstanding.
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Option<(Sent, Reply)>, SessionError> {
        if input.is_empty() {
            return Ok(None);
        }
        let &(sent, expect) = self.sent.front().ok_or(SessionError::Unasked)?;
        let Some(reply) = self.decoder.decode(expect, input)? else { return Ok(None) };
        self.sent.pop_front();
        Ok(Some((sent, reply)))
    }

    /// The connection ended.
    ///
    /// # Errors
    /// When a reply was outstanding or half read.
    pub fn end(&self) -> Result<(), SessionError> {
        if self.sent.is_empty() && self.decoder.is_idle() { Ok(()) } else { Err(SessionError::Cut) }
    }
}

impl Command {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Capa => out.extend_from_slice(b"CAPA"),
            Self::User(user) => {
                out.extend_from_slice(b"USER ");
                out.extend_from_slice(user.as_bytes());
            }
            Self::Pass(password) => {
                out.extend_from_slice(b"PASS ");
                out.extend_from_slice(password.expose().as_bytes());
            }
            Self::AuthPlain { user, password } => {
                out.extend_from_slice(b"AUTH PLAIN ");
                out.extend_from_slice(plain(user, password).as_bytes());
            }
            Self::PlainResponse { user, password } => out.extend_from_slice(plain(user, password).as_bytes()),
            Self::Uidl => out.extend_from_slice(b"UIDL"),
            Self::List => out.extend_from_slice(b"LIST"),
            Self::Retr { number, .. } => out.extend_from_slice(format!("RETR {number}").as_bytes()),
            Self::Dele(number) => out.extend_from_slice(format!("DELE {number}").as_bytes()),
            Self::Quit => out.extend_from_slice(b"QUIT"),
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// The PLAIN message (RFC 4616) in base64.
pub(super) fn plain(user: &str, password: &Secret) -> String {
    let message = Secret::new(format!("\0{user}\0{}", password.expose()));
    STANDARD.encode(message.expose())
}

#[cfg(test)]
mod tests {
    use super::{Command, Sent, Session, SessionError};
    use crate::config::Secret;

    /// Plays a trace: `C:` lines are sent, `S:` lines are received.
    fn play(trace: &str) -> Vec<(Sent, bool, Option<u64>)> {
        let mut session = Session::new(1 << 20);
        let mut wire = Vec::new();
        for line in trace.lines().map(str::trim).filter(|l| !l.is_empty()) {
            if let Some(text) = line.strip_prefix("S: ") {
                wire.extend_from_slice(text.as_bytes());
                wire.extend_from_slice(b"\r\n");
            } else if let Some(text) = line.strip_prefix("C: ") {
                let command = match text.split_once(' ') {
                    None if text == "CAPA" => Command::Capa,
                    None if text == "UIDL" => Command::Uidl,
                    None => Command::Quit,
                    Some(("USER", user)) => Command::User(user.to_owned()),
                    Some(("PASS", word)) => Command::Pass(Secret::new(word.to_owned())),
                    Some(("RETR", n)) => Command::Retr { number: n.parse().expect("a number"), hint: 0 },
                    Some((_, n)) => Command::Dele(n.parse().expect("a number")),
                };
                session.send(&command);
                assert!(session.output().ends_with(format!("{text}\r\n").as_bytes()));
            }
        }
        let mut out = Vec::new();
        let mut input = wire.as_slice();
        while let Some((sent, reply)) = session.receive(&mut input).expect("a right trace") {
            out.push((sent, reply.status.ok, reply.body.map(|b| b.size())));
        }
        assert!(session.end().is_ok());
        out
    }

    #[test]
    fn a_pipelined_session() {
        let got = play(
            "S: +OK ready
             C: USER ana
             C: PASS secret
             C: UIDL
             S: +OK
             S: +OK logged in
             S: +OK
             S: 1 a
             S: 2 b
             S: .
             C: RETR 1
             C: RETR 2
             C: DELE 1
             C: QUIT
             S: +OK 12 octets
             S: Subject: x
             S: .
             S: -ERR no such message
             S: +OK
             S: +OK bye",
        );
        assert_eq!(
            got,
            [
                (Sent::Greeting, true, None),
                (Sent::User, true, None),
                (Sent::Pass, true, None),
                (Sent::Uidl, true, Some(10)),
                (Sent::Retr(1), true, Some(12)),
                (Sent::Retr(2), false, None),
                (Sent::Dele(1), true, None),
                (Sent::Quit, true, None),
            ]
        );
    }

    #[test]
    fn octets_that_nobody_asked_for_end_the_session() {
        let mut session = Session::new(1000);
        let mut input: &[u8] = b"+OK ready\r\n+OK injected\r\n";
        assert!(session.receive(&mut input).expect("the greeting").is_some());
        assert_eq!(session.receive(&mut input), Err(SessionError::Unasked));
    }

    #[test]
    fn an_end_in_mid_body_is_a_cut() {
        let mut session = Session::new(1000);
        let mut input: &[u8] = b"+OK ready\r\n";
        session.receive(&mut input).expect("the greeting");
        session.send(&Command::Retr { number: 1, hint: 0 });
        let mut input: &[u8] = b"+OK\r\nSubject: x\r\n";
        assert_eq!(session.receive(&mut input), Ok(None));
        assert_eq!(session.end(), Err(SessionError::Cut));
    }

    #[test]
    fn passwords_do_not_print() {
        let command = Command::AuthPlain { user: "ana".to_owned(), password: Secret::new("hunter2".to_owned()) };
        assert!(!format!("{command:?}").contains("hunter2"));
        let mut out = Vec::new();
        command.encode(&mut out);
        assert_eq!(out, b"AUTH PLAIN AGFuYQBodW50ZXIy\r\n");
    }
}
