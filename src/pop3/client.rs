//! A connection to a mailbox: commands, replies and time-outs around a [`Session`].

use super::capability::Capabilities;
use super::codec::{Body, Reply};
use super::command::{Command, Sent};
use super::error::Pop3Error;
use super::listing::{Listed, listing};
use super::login::{Credentials, Login, LoginError, Method, Next, Offer};
use super::reply::{ResponseCode, Status};
use super::session::{Session, SessionError};
use super::transport::{Endpoint, Security, Stream, TlsFacts};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};

/// What is read at once.
const BUFFER: usize = 64 * 1024;
/// The answer to a command may take its time-out, and a mail as long as it takes at this many octets a second more.
const SLOWEST: u64 = 4 * 1024;
/// DELE commands sent at once.
const DELE_BATCH: usize = 200;
/// How long the rest of a mail that is much shorter than listed is waited for.
const SUSPICION: Duration = Duration::from_millis(250);
/// So often in a session; after that the server's sizes are known to be wrong.
const MOST_SUSPICIONS: u32 = 20;
/// Octets of the nonce that makes one SCRAM exchange differ from every other.
const NONCE: usize = 24;

/// How long to wait, and how much to take.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// For name resolution and TCP together, for the TLS handshake, and for the greeting.
    pub connect_timeout: Duration,
    /// For a server that should be sending.
    pub read_timeout: Duration,
    /// For the whole answer to a command, from when it is next; large mails get more.
    pub command_timeout: Duration,
    /// A larger mail is cut: its beginning, digest and size are given.
    pub max_mail: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(15),
            read_timeout: Duration::from_mins(1),
            command_timeout: Duration::from_mins(5),
            max_mail: 30_000_000,
        }
    }
}

/// How many RETR commands are sent ahead, where the server announces PIPELINING.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub count: usize,
    /// Octets that the mails asked for have by LIST.
    pub octets: u64,
}

impl Window {
    /// One at a time: for servers that lose their way otherwise.
    pub const ONE: Self = Self { count: 1, octets: u64::MAX };
}

impl Default for Window {
    fn default() -> Self {
        Self { count: 100, octets: 4 * 1024 * 1024 }
    }
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

/// A connection to a mailbox.
pub struct Client {
    stream: Stream,
    session: Session,
    buffer: Box<[u8]>,
    /// The part of `buffer` that was read and not yet taken.
    from: usize,
    to: usize,
    settings: Settings,
    capabilities: Capabilities,
    /// The greeting's, for APOP; a greeting in clear before TLS is not believed.
    timestamp: Option<String>,
    window: Window,
    queue: VecDeque<(u32, u64)>,
    asked: VecDeque<(u32, u64)>,
    asked_octets: u64,
    /// The mail that was read whole and not yet given.
    held: Option<Fetched>,
    /// Mails were asked for ahead.
    asked_ahead: bool,
    /// Nothing that was written waits below.
    flushed: bool,
    /// Commands are sent ahead where the server announces PIPELINING.
    ahead: bool,
    suspicions: u32,
}

impl Client {
    /// Connects, reads the greeting, changes to TLS where STLS is set, and asks for the capabilities.
    ///
    /// # Errors
    /// When the server cannot be reached, its certificate is not trusted, or it speaks no POP3.
    pub async fn connect(endpoint: &Endpoint, settings: Settings) -> Result<Self, Pop3Error> {
        let Endpoint { host, port, security } = endpoint;
        let within = settings.connect_timeout;
        let mut stream = Stream::connect(host, *port, within).await?;
        if let Security::Tls(connector) = security {
            stream = stream.secure(connector, host, *port, within).await?;
        }
        let mut client = Self {
            stream,
            session: Session::new(settings.max_mail),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            from: 0,
            to: 0,
            settings,
            capabilities: Capabilities::default(),
            timestamp: None,
            window: Window::ONE,
            queue: VecDeque::new(),
            asked: VecDeque::new(),
            asked_octets: 0,
            held: None,
            asked_ahead: false,
            flushed: true,
            ahead: true,
            suspicions: 0,
        };
        let greeting = client.greeting(endpoint).await?;
        if let Security::Starttls(connector) = security {
            client = client.upgrade(endpoint, connector).await?;
        } else {
            client.timestamp = greeting.timestamp().map(str::to_owned);
        }
        let reply = client.ask(&Command::Capa, "it read the capabilities").await?;
        if let Some(body) = reply.body {
            client.capabilities = Capabilities::parse(body.lines());
        }
        Ok(client)
    }

    async fn greeting(&mut self, endpoint: &Endpoint) -> Result<Status, Pop3Error> {
        let (host, port) = (endpoint.host.clone(), endpoint.port);
        let within = self.settings.connect_timeout;
        let clear = !self.stream.is_encrypted();
        let doing = "it waited for the greeting";
        match timeout(within, self.receive(doing)).await {
            Err(_) | Ok(Err(Pop3Error::Silent { .. })) if clear => Err(Pop3Error::NoGreeting { host, port }),
            Err(_) => Err(Pop3Error::Silent { doing, seconds: within.as_secs() }),
            // A TLS server answers what is no handshake with an alert: record type 21.
            Ok(Err(_)) if clear && self.buffer.first() == Some(&21) => Err(Pop3Error::IsTls { host, port }),
            Ok(Err(Pop3Error::Session { source: SessionError::Codec(_), .. })) => {
                Err(Pop3Error::NotPop3 { host, port })
            }
            Ok(Err(e)) => Err(e),
            Ok(Ok((_, reply))) if !reply.status.ok => Err(Pop3Error::refused("the connection", &reply.status)),
            Ok(Ok((_, reply))) => Ok(reply.status),
        }
    }

    /// STLS. What was learnt before it is dropped, and octets that came with its answer are refused: whoever is
    /// on the line could have put them there (RFC 2595 section 4, CVE-2021-39272).
    async fn upgrade(mut self, endpoint: &Endpoint, connector: &tokio_rustls::TlsConnector) -> Result<Self, Pop3Error> {
        let doing = "it changed to TLS";
        let (host, port) = (&endpoint.host, endpoint.port);
        let reply = self.ask(&Command::Stls, doing).await?;
        match (reply.status.ok, reply.status.code) {
            (true, _) => {}
            (false, Some(ResponseCode::SysTemp | ResponseCode::InUse)) => {
                return Err(Pop3Error::refused("STLS", &reply.status));
            }
            (false, _) => return Err(Pop3Error::NoStls { host: host.clone(), port }),
        }
        self.expect_silence(doing).await?;
        let stream = self.stream.secure(connector, host, port, self.settings.connect_timeout).await;
        self.stream = stream.map_err(|error| match error {
            // It said that it would, so advice about the port would be wrong.
            Pop3Error::NotTls { host, port } => Pop3Error::NoStls { host, port },
            error => error,
        })?;
        self.session = Session::upgraded(self.settings.max_mail);
        Ok(self)
    }

    /// What the server announced.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Sends every command only when the one before it is answered, whatever the server announces.
    pub fn one_at_a_time(&mut self, so: bool) {
        self.ahead = !so;
    }

    fn pipelines(&self) -> bool {
        self.ahead && self.capabilities.pipelining()
    }

    /// What is known of the connection's TLS; `None` in clear.
    #[must_use]
    pub fn tls(&self) -> Option<TlsFacts> {
        self.stream.tls_facts()
    }

    /// Logs in, by `method` or by the strongest one that the server offers; gives the one that was taken.
    ///
    /// # Errors
    /// When there is no way to log in, the server refuses, or the connection breaks.
    pub async fn login(&mut self, credentials: &Credentials, method: Option<Method>) -> Result<Method, Pop3Error> {
        let doing = "it logged in";
        if self.capabilities.utf8() {
            // A refusal changes nothing: headers then come as the server thinks fit.
            self.ask(&Command::Utf8, doing).await?;
        }
        let timestamp = self.timestamp.as_deref();
        let offer = Offer { capabilities: &self.capabilities, timestamp, encrypted: self.stream.is_encrypted() };
        let method = Method::choose(credentials, offer, method).map_err(LoginError::from)?;
        let mut nonce = [0; NONCE];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| Pop3Error::NoRandom)?;
        let (mut login, mut line) = Login::begin(method, credentials, timestamp, &nonce)?;
        loop {
            let status = self.ask(&Command::Login(line), doing).await?.status;
            line = match login.answer(status) {
                Ok(Next::Send(line)) => line,
                Ok(Next::Done) => return Ok(method),
                Err(LoginError::Refused { status, token }) => {
                    let marked = token || !self.capabilities.auth_resp_code();
                    return Err(Pop3Error::login(method, &status, marked));
                }
                Err(error) => return Err(error.into()),
            };
        }
    }

    /// The mails in the mailbox, with their unique ids where the server has them. Reads the capabilities again:
    /// a server may announce others after the login (RFC 2449 section 5).
    ///
    /// # Errors
    /// When LIST is refused, or an announced UIDL, or the connection breaks.
    pub async fn list(&mut self) -> Result<Vec<Listed>, Pop3Error> {
        let doing = "it listed the mailbox";
        let before = self.capabilities.uidl();
        let commands = [Command::Capa, Command::List, Command::Uidl];
        let commands = commands.get(..if before { 3 } else { 2 }).unwrap_or_default();
        let mut replies = self.all(commands, doing).await?.into_iter();
        let (capa, list, mut uidl) = (replies.next(), replies.next(), replies.next());
        if let Some(body) = capa.and_then(|r| r.body) {
            self.capabilities = Capabilities::parse(body.lines());
        }
        if let Some(list) = list.as_ref().filter(|r| !r.status.ok) {
            return Err(Pop3Error::refused("LIST", &list.status));
        }
        if !before && self.capabilities.announces_uidl() {
            uidl = self.all(&[Command::Uidl], doing).await?.pop();
        }
        if let Some(uidl) = uidl.as_ref().filter(|r| !r.status.ok && self.capabilities.announces_uidl()) {
            return Err(Pop3Error::refused("UIDL", &uidl.status));
        }
        Ok(listing(list.and_then(|r| r.body).as_ref(), uidl.and_then(|r| r.body).as_ref()))
    }

    /// Sends commands, all at once where the server takes that, and gives their replies.
    async fn all(&mut self, commands: &[Command], doing: &'static str) -> Result<Vec<Reply>, Pop3Error> {
        let at_once = if self.pipelines() { commands.len() } else { 1 };
        let mut replies = Vec::with_capacity(commands.len());
        for commands in commands.chunks(at_once.max(1)) {
            self.expect_silence(doing).await?;
            for command in commands {
                self.session.send(command);
            }
            for _ in commands {
                replies.push(self.reply(doing).await?);
            }
        }
        Ok(replies)
    }

    /// The headers of a mail, at most 256 KiB of them; `None` where the server does not give them. Unlike RETR, TOP
    /// is no download to the servers that take what was downloaded out of later sessions.
    ///
    /// # Errors
    /// When the connection breaks or the server says something that is no POP3.
    pub async fn head(&mut self, number: u32) -> Result<Option<Vec<u8>>, Pop3Error> {
        let reply = self.ask(&Command::Top(number), "it read the headers of a mail").await?;
        Ok(reply.body.map(|body| match body {
            Body::Whole(head) | Body::Cut { head, .. } => head,
        }))
    }

    /// Plans to fetch these mails, in this order; [`Self::fetch`] gives them one by one.
    pub fn plan(&mut self, mails: impl Iterator<Item = (u32, u64)>, window: Window) {
        self.window = if self.pipelines() { window } else { Window::ONE };
        self.queue = mails.collect();
        self.asked_ahead |= self.window.count > 1 && !self.queue.is_empty();
    }

    /// Drops what was planned and not yet asked for; what was asked for still comes.
    pub fn cancel(&mut self) {
        self.queue.clear();
    }

    /// Number and listed size of the mail that [`Self::fetch`] gives next.
    #[must_use]
    pub fn upcoming(&self) -> Option<(u32, u64)> {
        self.asked.front().or_else(|| self.queue.front()).copied()
    }

    /// The next mail that was planned; `None` when there are no more.
    ///
    /// A mail is held back until what follows it makes sense: the next reply has begun, or nothing is outstanding and
    /// the server is quiet. Otherwise its end was none, but a dot that the server did not stuff (Stalwart does not on
    /// a first line), and the rest of the mail follows.
    ///
    /// # Errors
    /// When the connection breaks or the server says something that is no POP3.
    pub async fn fetch(&mut self) -> Result<Option<Fetched>, Pop3Error> {
        let doing = "it fetched a mail";
        if self.asked.is_empty() && !self.queue.is_empty() {
            self.expect_silence(doing).await?;
        }
        self.refill();
        let Some((number, size)) = self.asked.front().copied() else { return Ok(None) };
        let until = self.deadline(size);
        loop {
            if self.held.is_some() && self.session.outstanding() == 0 {
                self.settle(size, doing).await?;
                break;
            }
            match self.take(doing)? {
                Some((sent, reply)) => {
                    let Some(&(number, _)) = self.asked.get(usize::from(self.held.is_some())) else {
                        return Err(Pop3Error::Session { doing, source: SessionError::Unasked });
                    };
                    if sent != Sent::Retr(number) {
                        return Err(Pop3Error::Session { doing, source: SessionError::Unasked });
                    }
                    let outcome = match reply.body {
                        Some(body) if reply.status.ok => Ok(body),
                        _ => Err(reply.status),
                    };
                    let before = self.held.replace(Fetched { number, outcome });
                    // At once: the mail may be held until the server answers what is asked for now.
                    self.refill();
                    if let Some(before) = before {
                        return Ok(Some(self.give(before)));
                    }
                }
                None if self.held.is_some() && self.session.begun() => break,
                None => self.read(until, doing).await?,
            }
        }
        match self.held.take() {
            Some(mail) if mail.number == number => Ok(Some(self.give(mail))),
            _ => Err(Pop3Error::Session { doing, source: SessionError::Unasked }),
        }
    }

    fn give(&mut self, mail: Fetched) -> Fetched {
        if let Some((_, size)) = self.asked.pop_front() {
            self.asked_octets = self.asked_octets.saturating_sub(size);
        }
        mail
    }

    /// Nothing is outstanding: the server must be quiet. If the mail is much shorter than listed, its rest is
    /// given a moment to arrive.
    async fn settle(&mut self, listed: u64, doing: &'static str) -> Result<(), Pop3Error> {
        let got = self.held.as_ref().and_then(|h| h.outcome.as_ref().ok()).map_or(listed, Body::size);
        self.expect_silence(doing).await?;
        if got.saturating_add(got / 10) < listed && self.suspicions < MOST_SUSPICIONS {
            self.suspicions += 1;
            tokio::time::sleep(SUSPICION).await;
            self.expect_silence(doing).await?;
        }
        Ok(())
    }

    /// Sends RETR for as many mails as the window takes, once half of it is free: many commands
    /// in one write.
    fn refill(&mut self) {
        // The mail that is held was answered already; one at a time it is given before the next is asked for.
        let held = usize::from(self.held.is_some() && self.window.count > 1);
        if self.asked.len().saturating_sub(held) > self.window.count / 2 {
            return;
        }
        while let Some(&(number, size)) = self.queue.front() {
            let fits = self.asked.len().saturating_sub(held) < self.window.count
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
    /// [`Self::quit`] (RFC 1939 section 6). Without any it makes sure that the answers were those to the questions.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn delete(&mut self, numbers: &[u32]) -> Result<Vec<u32>, Pop3Error> {
        let doing = "it deleted a mail";
        let commands: Vec<Command> = numbers.iter().map(|number| Command::Dele(*number)).collect();
        let mut taken = Vec::with_capacity(numbers.len());
        for (commands, numbers) in commands.chunks(DELE_BATCH).zip(numbers.chunks(DELE_BATCH)) {
            let replies = self.all(commands, doing).await?;
            taken.extend(numbers.iter().zip(replies).filter(|(_, reply)| reply.status.ok).map(|(number, _)| *number));
        }
        if numbers.is_empty() && self.asked_ahead {
            // One answer too many may still be on its way, and then each mail was taken for another. It would answer the
            // first of these, and its lines the second; a refusal, which some servers have for NOOP, only the first.
            let replies = self.all(&[Command::Noop, Command::Noop], doing).await?;
            if replies.windows(2).any(|two| matches!(two, [first, second] if first.status.ok != second.status.ok)) {
                return Err(Pop3Error::Session { doing, source: SessionError::Unasked });
            }
        }
        // Behind the last of them the server has nothing to say either.
        self.expect_silence(doing).await?;
        Ok(taken)
    }

    /// Makes sure that the server has said nothing that no command asked for. The octets would be
    /// taken for the answers to the commands that come now.
    async fn expect_silence(&mut self, doing: &'static str) -> Result<(), Pop3Error> {
        let unasked = || Pop3Error::Session { doing, source: SessionError::Unasked };
        if self.session.outstanding() > 0 || self.from < self.to {
            return Err(unasked());
        }
        let Self { stream, buffer, .. } = self;
        // Out of its budget, a task would be told that there is nothing to read.
        let silence = poll_fn(|cx| {
            let mut into = ReadBuf::new(buffer);
            Poll::Ready(match Pin::new(&mut *stream).poll_read(cx, &mut into) {
                Poll::Pending => Ok(()),
                Poll::Ready(Ok(())) if into.filled().is_empty() => {
                    Err(Pop3Error::Session { doing, source: SessionError::Cut })
                }
                Poll::Ready(Ok(())) => Err(unasked()),
                Poll::Ready(Err(source)) => Err(Pop3Error::Io { doing, source }),
            })
        });
        tokio::task::coop::unconstrained(silence).await
    }

    /// Ends the session, which commits the deletes. A server that has said what nobody asked for is not sent QUIT.
    pub async fn quit(mut self) -> QuitOutcome {
        match self.ask(&Command::Quit, "it ended the session").await {
            Ok(reply) if reply.status.ok => QuitOutcome::Committed,
            Ok(_) => QuitOutcome::Partial,
            Err(_) => QuitOutcome::Unknown,
        }
    }

    /// Sends one command and gives its reply.
    async fn ask(&mut self, command: &Command, doing: &'static str) -> Result<Reply, Pop3Error> {
        self.expect_silence(doing).await?;
        self.session.send(command);
        self.reply(doing).await
    }

    async fn reply(&mut self, doing: &'static str) -> Result<Reply, Pop3Error> {
        self.receive(doing).await.map(|(_, reply)| reply)
    }

    /// The next whole reply; writes what is to be written while it reads.
    async fn receive(&mut self, doing: &'static str) -> Result<(Sent, Reply), Pop3Error> {
        let until = self.deadline(0);
        loop {
            if let Some(got) = self.take(doing)? {
                return Ok(got);
            }
            self.read(until, doing).await?;
        }
    }

    /// By when an answer must be whole: a server that sends an octet now and then is never silent, and never done.
    fn deadline(&self, size: u64) -> Instant {
        // What LIST says is no reason to wait for more than is ever taken.
        let most = u64::try_from(self.settings.max_mail).unwrap_or(u64::MAX);
        Instant::now() + self.settings.command_timeout + Duration::from_secs(size.min(most) / SLOWEST)
    }

    /// The next whole reply of what was read already.
    fn take(&mut self, doing: &'static str) -> Result<Option<(Sent, Reply)>, Pop3Error> {
        let mut input = self.buffer.get(self.from..self.to).unwrap_or_default();
        let before = input.len();
        let got = self.session.receive(&mut input).map_err(|source| Pop3Error::Session { doing, source })?;
        self.from += before - input.len();
        Ok(got)
    }

    /// Waits for more; only when all that was read is taken.
    async fn read(&mut self, until: Instant, doing: &'static str) -> Result<(), Pop3Error> {
        self.from = 0;
        self.to = 0;
        let now = Instant::now();
        let (quiet, late) = (now + self.settings.read_timeout, until <= now);
        let result = timeout_at(until.min(quiet), poll_fn(|cx| self.exchange(cx))).await;
        let read = match result {
            // A peer that always has something to say is never waited for.
            _ if late => return Err(self.too_slow(doing)),
            Ok(read) => read.map_err(|source| Pop3Error::Io { doing, source })?,
            Err(_) if until < quiet => return Err(self.too_slow(doing)),
            Err(_) => return Err(Pop3Error::Silent { doing, seconds: self.settings.read_timeout.as_secs() }),
        };
        if read == 0 {
            return Err(Pop3Error::Session { doing, source: SessionError::Cut });
        }
        self.to = read;
        Ok(())
    }

    fn too_slow(&self, doing: &'static str) -> Pop3Error {
        Pop3Error::TooSlow { doing, seconds: self.settings.command_timeout.as_secs() }
    }

    /// Writes and reads at once: a server that does not take commands because we do not take its
    /// mails would otherwise never move again.
    fn exchange(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { stream, session, buffer, flushed, .. } = self;
        let mut stream = Pin::new(stream);
        while !session.output().is_empty() {
            match stream.as_mut().poll_write(cx, session.output())? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(written) => {
                    session.wrote(written);
                    *flushed = false;
                }
                Poll::Pending => break,
            }
        }
        // rustls holds records back until it is flushed; whether that can happen now is no
        // reason not to read.
        if !*flushed {
            match stream.as_mut().poll_flush(cx) {
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Ready(Ok(())) => *flushed = true,
                Poll::Pending => {}
            }
        }
        let mut into = ReadBuf::new(buffer);
        match stream.poll_read(cx, &mut into)? {
            Poll::Ready(()) => Poll::Ready(Ok(into.filled().len())),
            Poll::Pending => Poll::Pending,
        }
    }
}
