//! The transport: TCP, TLS and time-outs around a [`Session`].

use super::capability::Capabilities;
use super::codec::{Body, Reply};
use super::error::Pop3Error;
use super::reply::Status;
use super::session::{Command, Sent, Session, SessionError};
use super::tls;
use crate::config::Secret;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

/// What is read at once.
const BUFFER: usize = 64 * 1024;
/// A reply may take this many read time-outs …
const PATIENCE: u32 = 10;
/// … and a mail as long as it takes at this many octets a second.
const SLOWEST: u64 = 4 * 1024;
/// DELE commands sent at once.
const DELE_BATCH: usize = 200;

/// Where a mailbox is.
#[derive(Clone)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    /// `None` for clear text.
    pub tls: Option<TlsConnector>,
}

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For name resolution, TCP and TLS together.
    pub connect: Duration,
    /// For a server that should be sending.
    pub read: Duration,
}

/// How many RETR commands are sent ahead.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub count: usize,
    /// Octets that the mails asked for have by LIST.
    pub octets: u64,
}

/// One mail in the mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The number in this session.
    pub number: u32,
    /// The unique id; `None` where the server has no UIDL.
    pub uidl: Option<String>,
    /// What LIST says; a hint only, servers are wrong by up to some per cent.
    pub size: u64,
}

/// A mail that was asked for.
#[derive(Debug)]
pub struct Fetched {
    pub number: u32,
    /// The mail, or what the server said instead.
    pub outcome: Result<Body, Status>,
}

/// What is known of the deletes after QUIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuitOutcome {
    /// The server confirmed.
    Committed,
    /// The server answered `-ERR`: some mails may be left (RFC 1939 section 6).
    Partial,
    /// No answer: the deletes may or may not have happened. The next UIDL tells.
    Unknown,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection to a mailbox.
pub struct Client {
    stream: Box<dyn Stream>,
    session: Session,
    buffer: Box<[u8]>,
    /// The part of `buffer` that was read and not yet taken.
    from: usize,
    to: usize,
    timeouts: Timeouts,
    capabilities: Capabilities,
    window: Window,
    queue: VecDeque<(u32, u64)>,
    asked: VecDeque<(u32, u64)>,
    asked_octets: u64,
}

impl Client {
    /// Connects, reads the greeting and asks for the capabilities.
    ///
    /// # Errors
    /// When the server cannot be reached, its certificate is not trusted, or it speaks no POP3.
    pub async fn connect(endpoint: &Endpoint, timeouts: Timeouts, max_mail: usize) -> Result<Self, Pop3Error> {
        let (host, port) = (&endpoint.host, endpoint.port);
        let stream = timeout(timeouts.connect, open(endpoint)).await.map_err(|_| Pop3Error::ConnectTimeout {
            host: host.clone(),
            port,
            seconds: timeouts.connect.as_secs(),
        })??;
        let mut client = Self {
            stream,
            session: Session::new(max_mail),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            from: 0,
            to: 0,
            timeouts,
            capabilities: Capabilities::default(),
            window: Window { count: 1, octets: u64::MAX },
            queue: VecDeque::new(),
            asked: VecDeque::new(),
            asked_octets: 0,
        };
        client.greeting(endpoint).await?;
        client.session.send(&Command::Capa);
        let reply = client.reply("it read the capabilities").await?;
        if let Some(body) = reply.body {
            client.capabilities = Capabilities::parse(body.lines());
        }
        Ok(client)
    }

    async fn greeting(&mut self, endpoint: &Endpoint) -> Result<(), Pop3Error> {
        let (host, port) = (endpoint.host.clone(), endpoint.port);
        match timeout(self.timeouts.connect, self.receive("it waited for the greeting")).await {
            Err(_) | Ok(Err(Pop3Error::Silent { .. })) if endpoint.tls.is_none() => {
                Err(Pop3Error::NoGreeting { host, port })
            }
            Err(_) => Err(Pop3Error::Silent { doing: "with a greeting", seconds: self.timeouts.connect.as_secs() }),
            // A TLS server answers what is no handshake with an alert: record type 21.
            Ok(Err(_)) if endpoint.tls.is_none() && self.buffer.first() == Some(&21) => {
                Err(Pop3Error::IsTls { host, port })
            }
            Ok(Err(e)) => Err(e),
            Ok(Ok((_, reply))) if !reply.status.ok => Err(Pop3Error::refused("the connection", &reply.status)),
            Ok(Ok(_)) => Ok(()),
        }
    }

    /// What the server announced.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Logs in: AUTH PLAIN where it is offered, else USER and PASS.
    ///
    /// # Errors
    /// When the server refuses, or the connection breaks.
    pub async fn login(&mut self, user: &str, password: &Secret) -> Result<(), Pop3Error> {
        let status = if self.capabilities.sasl("PLAIN") {
            let (user, password) = (user.to_owned(), password.clone());
            let status = self.ask(&Command::AuthPlain { user: user.clone(), password: password.clone() }).await?;
            if status.more { self.ask(&Command::PlainResponse { user, password }).await? } else { status }
        } else if self.capabilities.user() {
            let status = self.ask(&Command::User(user.to_owned())).await?;
            if status.ok { self.ask(&Command::Pass(password.clone())).await? } else { status }
        } else {
            return Err(Pop3Error::NoMechanism);
        };
        if status.ok {
            return Ok(());
        }
        // Some servers repeat the line that they refuse.
        let plain = super::session::plain(user, password);
        let text = status.text.replace(password.expose(), "[redacted]").replace(&plain, "[redacted]");
        Err(Pop3Error::login(&Status { text, ..status }))
    }

    /// Sends one command of the login.
    async fn ask(&mut self, command: &Command) -> Result<Status, Pop3Error> {
        self.session.send(command);
        Ok(self.reply("it logged in").await?.status)
    }

    /// The mails in the mailbox, with their unique ids where the server has them.
    ///
    /// # Errors
    /// When LIST is refused, or the connection breaks.
    pub async fn list(&mut self) -> Result<Vec<Listed>, Pop3Error> {
        let doing = "it listed the mailbox";
        self.session.send(&Command::List);
        let list = self.reply(doing).await?;
        if !list.status.ok {
            return Err(Pop3Error::refused("LIST", &list.status));
        }
        let mut mails: Vec<Listed> = list
            .body
            .iter()
            .flat_map(Body::lines)
            .filter_map(pair)
            .map(|(n, size)| Listed {
                number: n,
                uidl: None,
                // More may stand behind the size (RFC 1939 section 5, LIST).
                size: size.split_whitespace().next().and_then(|s| s.parse().ok()).unwrap_or(0),
            })
            .collect();
        if !self.capabilities.uidl() {
            return Ok(mails);
        }
        self.session.send(&Command::Uidl);
        let uidl = self.reply(doing).await?;
        if !uidl.status.ok && self.capabilities.announces_uidl() {
            return Err(Pop3Error::refused("UIDL", &uidl.status));
        }
        if uidl.status.ok {
            let ids: std::collections::HashMap<u32, String> =
                uidl.body.iter().flat_map(Body::lines).filter_map(pair).collect();
            for mail in &mut mails {
                mail.uidl = ids.get(&mail.number).cloned();
            }
        }
        Ok(mails)
    }

    /// Plans to fetch these mails, in this order; [`Self::fetch`] gives them one by one.
    pub fn plan(&mut self, mails: impl Iterator<Item = (u32, u64)>, window: Window) {
        self.window = if self.capabilities.pipelining() { window } else { Window { count: 1, octets: u64::MAX } };
        self.queue = mails.collect();
    }

    /// Drops what was planned and not yet asked for; what was asked for still comes.
    pub fn cancel(&mut self) {
        self.queue.clear();
    }

    /// The size that LIST named for the mail that [`Self::fetch`] gives next.
    #[must_use]
    pub fn next_size(&self) -> Option<u64> {
        self.asked.front().or_else(|| self.queue.front()).map(|(_, size)| *size)
    }

    /// The next mail that was planned; `None` when there are no more.
    ///
    /// # Errors
    /// When the connection breaks or the server says something that is no POP3.
    pub async fn fetch(&mut self) -> Result<Option<Fetched>, Pop3Error> {
        self.refill();
        let Some((number, size)) = self.asked.front().copied() else { return Ok(None) };
        let doing = "it fetched a mail";
        let (sent, reply) = self.receive(doing).await?;
        // What follows a mail is another reply or nothing. Anything else means that the end of
        // the mail was none: a dot that the server did not stuff (Stalwart does so on the first line).
        if let Some(next) = self.buffer.get(self.from..self.to).and_then(|rest| rest.first())
            && !matches!(next, b'+' | b'-')
        {
            return Err(Pop3Error::Session { doing, source: SessionError::Unasked });
        }
        self.asked.pop_front();
        self.asked_octets = self.asked_octets.saturating_sub(size);
        if sent != Sent::Retr(number) {
            return Err(Pop3Error::Session { doing, source: SessionError::Unasked });
        }
        let outcome = match reply.body {
            Some(body) if reply.status.ok => Ok(body),
            _ => Err(reply.status),
        };
        Ok(Some(Fetched { number, outcome }))
    }

    /// Sends RETR for as many mails as the window takes, once half of it is free: many commands
    /// in one write.
    fn refill(&mut self) {
        if self.asked.len() > self.window.count / 2 {
            return;
        }
        while let Some(&(number, size)) = self.queue.front() {
            let fits = self.asked.len() < self.window.count
                && (self.asked.is_empty() || self.asked_octets.saturating_add(size) <= self.window.octets);
            if !fits {
                return;
            }
            self.queue.pop_front();
            self.asked.push_back((number, size));
            self.asked_octets += size;
            self.session.send(&Command::Retr { number, hint: size });
        }
    }

    /// Marks mails as deleted; gives the numbers that the server took. Nothing is deleted before
    /// [`Self::quit`] (RFC 1939 section 6).
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn delete(&mut self, numbers: &[u32]) -> Result<Vec<u32>, Pop3Error> {
        self.quiet("it deleted a mail").await?;
        let batch = if self.capabilities.pipelining() { DELE_BATCH } else { 1 };
        let mut taken = Vec::with_capacity(numbers.len());
        for numbers in numbers.chunks(batch) {
            for &number in numbers {
                self.session.send(&Command::Dele(number));
            }
            for &number in numbers {
                let reply = self.reply("it deleted a mail").await?;
                if reply.status.ok {
                    taken.push(number);
                }
            }
        }
        Ok(taken)
    }

    /// Makes sure that the server has said nothing that no command asked for. The octets would be
    /// taken for the answers to the commands that come now.
    async fn quiet(&mut self, doing: &'static str) -> Result<(), Pop3Error> {
        let unasked = || Pop3Error::Session { doing, source: SessionError::Unasked };
        if self.session.outstanding() > 0 || self.from < self.to {
            return Err(unasked());
        }
        let Self { stream, buffer, .. } = self;
        poll_fn(|cx| {
            let mut into = ReadBuf::new(buffer);
            Poll::Ready(match Pin::new(&mut *stream).poll_read(cx, &mut into) {
                Poll::Pending => Ok(()),
                Poll::Ready(Ok(())) if into.filled().is_empty() => {
                    Err(Pop3Error::Session { doing, source: SessionError::Cut })
                }
                Poll::Ready(Ok(())) => Err(unasked()),
                Poll::Ready(Err(source)) => Err(Pop3Error::Io { doing, source }),
            })
        })
        .await
    }

    /// Ends the session, which commits the deletes.
    pub async fn quit(mut self) -> QuitOutcome {
        self.session.send(&Command::Quit);
        match self.reply("it ended the session").await {
            Ok(reply) if reply.status.ok => QuitOutcome::Committed,
            Ok(_) => QuitOutcome::Partial,
            Err(_) => QuitOutcome::Unknown,
        }
    }

    async fn reply(&mut self, doing: &'static str) -> Result<Reply, Pop3Error> {
        self.receive(doing).await.map(|(_, reply)| reply)
    }

    /// The next whole reply; writes what is to be written while it reads.
    async fn receive(&mut self, doing: &'static str) -> Result<(Sent, Reply), Pop3Error> {
        // A server that sends an octet now and then is never silent, and never done either.
        let size = Duration::from_secs(self.asked.front().map_or(0, |(_, size)| size / SLOWEST));
        let until = Instant::now() + self.timeouts.read * PATIENCE + size;
        loop {
            let mut input = self.buffer.get(self.from..self.to).unwrap_or_default();
            let before = input.len();
            let got = self.session.receive(&mut input).map_err(|source| Pop3Error::Session { doing, source })?;
            self.from += before - input.len();
            if let Some(reply) = got {
                return Ok(reply);
            }
            self.from = 0;
            self.to = 0;
            let soon = until.min(Instant::now() + self.timeouts.read);
            let read = timeout_at(soon, poll_fn(|cx| self.exchange(cx)))
                .await
                .map_err(|_| Pop3Error::Silent { doing: "in time", seconds: self.timeouts.read.as_secs() })?
                .map_err(|source| Pop3Error::Io { doing, source })?;
            if read == 0 {
                return Err(Pop3Error::Session { doing, source: SessionError::Cut });
            }
            self.to = read;
        }
    }

    /// Writes and reads at once: a server that does not take commands because we do not take its
    /// mails would otherwise never move again.
    fn exchange(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { stream, session, buffer, .. } = self;
        let mut stream = Pin::new(stream);
        let output = session.output();
        while !output.is_empty() {
            match stream.as_mut().poll_write(cx, output)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(written) => {
                    output.drain(..written);
                }
                Poll::Pending => break,
            }
        }
        // rustls holds records back until it is flushed; whether that can happen now is no
        // reason not to read.
        if let Poll::Ready(Err(e)) = stream.as_mut().poll_flush(cx) {
            return Poll::Ready(Err(e));
        }
        let mut into = ReadBuf::new(buffer);
        match stream.poll_read(cx, &mut into)? {
            Poll::Ready(()) => Poll::Ready(Ok(into.filled().len())),
            Poll::Pending => Poll::Pending,
        }
    }
}

async fn open(endpoint: &Endpoint) -> Result<Box<dyn Stream>, Pop3Error> {
    let (host, port) = (&endpoint.host, endpoint.port);
    let addresses: Vec<_> = tokio::net::lookup_host((host.as_str(), port))
        .await
        .map_err(|source| Pop3Error::Resolve { host: host.clone(), source })?
        .collect();
    let tcp = TcpStream::connect(addresses.as_slice()).await.map_err(|source| Pop3Error::Connect {
        host: host.clone(),
        port,
        source,
    })?;
    // Commands are small and answers are waited for.
    let _ = tcp.set_nodelay(true);
    match &endpoint.tls {
        None => Ok(Box::new(tcp)),
        Some(connector) => {
            let name = tls::server_name(host)?;
            let stream = connector.connect(name, tcp).await.map_err(|e| tls::handshake_error(host, port, e))?;
            Ok(Box::new(stream))
        }
    }
}

/// `number value`, with any white space between and around them (some servers send several).
fn pair(line: &[u8]) -> Option<(u32, String)> {
    let line = String::from_utf8_lossy(line);
    let (number, value) = line.trim().split_once([' ', '\t'])?;
    let value = value.trim();
    (!value.is_empty()).then_some((number.parse().ok()?, value.to_owned()))
}
