//! Commands out, replies in: which reply belongs to which command.
//!
//! POP3 answers in the order of the commands, so a queue of what was sent says what the next reply
//! is and in which form it comes. The session holds the octets to be written until the transport
//! takes them, and takes the octets that the transport read; it knows no socket.

use super::codec::{CodecError, Decoder, Expect, Reply};
use super::command::{Command, Sent};
use secrecy::zeroize::Zeroize;
use std::collections::VecDeque;

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

/// The session of one connection.
pub struct Session {
    decoder: Decoder,
    sent: VecDeque<(Sent, Expect)>,
    output: String,
    /// Octets of `output` that were written.
    written: usize,
    max_body: usize,
}

impl Session {
    /// A session that waits for the greeting and keeps at most `max_body` octets of a mail.
    #[must_use]
    pub fn new(max_body: usize) -> Self {
        let mut session = Self::upgraded(max_body);
        session.sent.push_back((Sent::Greeting, Expect::Status));
        session
    }

    /// A session behind STLS: it is a new one in all but the greeting (RFC 2595 section 4).
    #[must_use]
    pub fn upgraded(max_body: usize) -> Self {
        Self { decoder: Decoder::default(), sent: VecDeque::new(), output: String::new(), written: 0, max_body }
    }

    /// Queues a command.
    pub fn send(&mut self, command: &Command) {
        command.encode(&mut self.output);
        self.sent.push_back(command.answer(self.max_body));
    }

    /// The octets to be written; say with [`Self::wrote`] how many were.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.as_bytes().get(self.written..).unwrap_or_default()
    }

    /// The first `count` octets of [`Self::output`] were written.
    pub fn wrote(&mut self, count: usize) {
        self.written += count;
        if self.written >= self.output.len() {
            // A line of the login may have been in it.
            self.output.zeroize();
            self.written = 0;
        }
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

    /// Whether the next reply has begun: its status line is there, its body is not whole.
    #[must_use]
    pub fn begun(&self) -> bool {
        self.decoder.begun()
    }

    /// The connection ended.
    ///
    /// # Errors
    /// When a reply was outstanding or half read.
    pub fn end(&self) -> Result<(), SessionError> {
        if self.sent.is_empty() && self.decoder.is_idle() { Ok(()) } else { Err(SessionError::Cut) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, Sent, Session, SessionError};

    #[test]
    fn octets_that_nobody_asked_for_end_the_session() {
        let mut session = Session::new(1000);
        let mut input: &[u8] = b"+OK ready\r\n+OK injected\r\n";
        assert!(session.receive(&mut input).expect("the greeting").is_some());
        assert_eq!(session.receive(&mut input), Err(SessionError::Unasked));
    }

    #[test]
    fn an_upgraded_session_has_no_greeting() {
        let mut session = Session::upgraded(1000);
        assert_eq!(session.receive(&mut b"+OK ready\r\n".as_slice()), Err(SessionError::Unasked));
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
    fn a_login_line_does_not_print() {
        let command = Command::Login("PASS hunter2".to_owned().into());
        assert!(!format!("{command:?}").contains("hunter2"));
        let mut session = Session::upgraded(1000);
        session.send(&command);
        assert_eq!((session.output(), session.next()), (b"PASS hunter2\r\n".as_slice(), Some(Sent::Login)));
        session.wrote(5);
        assert_eq!(session.output(), b"hunter2\r\n");
        session.wrote(9);
        assert_eq!(session.output(), b"");
    }
}
