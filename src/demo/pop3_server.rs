//! A small POP3S server on loopback, with maildrops in memory (RFC 1939, 2449, 5034).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A command line longer than this is refused (RFC 2449 section 4).
const MAX_LINE: usize = 4 * 1024;

/// The mails of one mailbox.
#[derive(Debug, Clone, Default)]
pub struct Maildrop {
    pub password: String,
    /// UIDL and octets of each mail, with CRLF line ends.
    pub mails: Vec<(String, Vec<u8>)>,
}

type Maildrops = Arc<Mutex<HashMap<String, Maildrop>>>;

/// A server on a free port; ends when it is dropped.
pub struct Pop3Server {
    port: u16,
    certificate: String,
    maildrops: Maildrops,
    task: JoinHandle<()>,
}

impl Pop3Server {
    /// Makes a certificate for `localhost` and serves the maildrops.
    ///
    /// # Errors
    /// When no certificate can be made or no port can be had.
    pub async fn start(maildrops: HashMap<String, Maildrop>) -> io::Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).map_err(io::Error::other)?;
        let certificate = made.cert.pem();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(made.cert.der().to_vec())], key)
            .map_err(io::Error::other)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let maildrops: Maildrops = Arc::new(Mutex::new(maildrops));
        let task = tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), Arc::clone(&maildrops)));
        Ok(Self { port, certificate, maildrops, task })
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate, PEM, to be trusted by a client.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Mails left in a maildrop.
    #[must_use]
    pub fn count(&self, user: &str) -> usize {
        let drops = self.maildrops.lock().unwrap_or_else(PoisonError::into_inner);
        drops.get(user).map_or(0, |d| d.mails.len())
    }
}

impl Drop for Pop3Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, maildrops: Maildrops) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (tls, maildrops) = (tls.clone(), Arc::clone(&maildrops));
        tokio::spawn(async move {
            let _ = tcp.set_nodelay(true);
            if let Ok(stream) = tls.accept(tcp).await {
                let _ = Connection::new(maildrops).serve(stream).await;
            }
        });
    }
}

/// One session.
struct Connection {
    maildrops: Maildrops,
    user: String,
    /// The maildrop as it was at the login: numbers hold for the whole session.
    mails: Option<Vec<(String, Vec<u8>)>>,
    deleted: BTreeSet<usize>,
}

enum Answer {
    Ok(String),
    Err(&'static str),
    Lines(Vec<u8>),
    Mail(Vec<u8>),
    Bye,
}

impl Connection {
    fn new(maildrops: Maildrops) -> Self {
        Self { maildrops, user: String::new(), mails: None, deleted: BTreeSet::new() }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut self, stream: S) -> io::Result<()> {
        let (reader, writer) = tokio::io::split(stream);
        let mut reader = BufReader::new(reader);
        let mut writer = BufWriter::new(writer);
        writer.write_all(b"+OK demo server ready\r\n").await?;
        let mut line = Vec::new();
        loop {
            // Answers to commands that were sent ahead go out together.
            if reader.buffer().is_empty() {
                writer.flush().await?;
            }
            line.clear();
            let read = reader.read_until(b'\n', &mut line).await?;
            if read == 0 || line.len() > MAX_LINE {
                return writer.shutdown().await;
            }
            let text = String::from_utf8_lossy(&line);
            let (command, argument) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), ""));
            match self.answer(&command.to_ascii_uppercase(), argument) {
                Answer::Ok(text) => writer.write_all(format!("+OK {text}\r\n").as_bytes()).await?,
                Answer::Err(text) => writer.write_all(format!("-ERR {text}\r\n").as_bytes()).await?,
                Answer::Lines(lines) => {
                    writer.write_all(b"+OK\r\n").await?;
                    writer.write_all(&lines).await?;
                    writer.write_all(b".\r\n").await?;
                }
                Answer::Mail(mail) => {
                    writer.write_all(format!("+OK {} octets\r\n", mail.len()).as_bytes()).await?;
                    writer.write_all(&stuffed(&mail)).await?;
                    writer.write_all(b".\r\n").await?;
                }
                Answer::Bye => {
                    writer.write_all(b"+OK bye\r\n").await?;
                    return writer.shutdown().await;
                }
            }
        }
    }

    fn answer(&mut self, command: &str, argument: &str) -> Answer {
        match (command, self.mails.is_some()) {
            ("CAPA", _) => {
                Answer::Lines(b"USER\r\nSASL PLAIN\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n".to_vec())
            }
            ("QUIT", _) => {
                self.update();
                Answer::Bye
            }
            ("NOOP", _) => Answer::Ok(String::new()),
            ("USER", false) => {
                argument.clone_into(&mut self.user);
                Answer::Ok(String::new())
            }
            ("PASS", false) => self.login(argument),
            ("AUTH", false) => self.auth_plain(argument),
            (_, false) => Answer::Err("log in first"),
            (command, true) => self.transaction(command, argument),
        }
    }

    fn auth_plain(&mut self, argument: &str) -> Answer {
        let plain = argument
            .strip_prefix("PLAIN ")
            .and_then(|b| STANDARD.decode(b.trim()).ok())
            .and_then(|b| String::from_utf8(b).ok());
        let mut parts = plain.iter().flat_map(|p| p.split('\0')).skip(1);
        match (parts.next(), parts.next()) {
            (Some(user), Some(password)) => {
                user.clone_into(&mut self.user);
                self.login(password)
            }
            _ => Answer::Err("only PLAIN with an initial response"),
        }
    }

    fn login(&mut self, password: &str) -> Answer {
        let drops = self.maildrops.lock().unwrap_or_else(PoisonError::into_inner);
        match drops.get(&self.user).filter(|d| d.password == password) {
            Some(drop) => {
                self.mails = Some(drop.mails.clone());
                Answer::Ok("logged in".to_owned())
            }
            None => Answer::Err("[AUTH] authentication failed"),
        }
    }

    fn transaction(&mut self, command: &str, argument: &str) -> Answer {
        let mails = self.mails.as_deref().unwrap_or_default();
        let there = || mails.iter().enumerate().filter(|(at, _)| !self.deleted.contains(at));
        let one = || {
            let at = argument.trim().parse::<usize>().ok()?.checked_sub(1)?;
            mails.get(at).filter(|_| !self.deleted.contains(&at)).map(|mail| (at, mail))
        };
        match command {
            "STAT" => Answer::Ok(format!("{} {}", there().count(), there().map(|(_, m)| m.1.len()).sum::<usize>())),
            "LIST" | "UIDL" if argument.is_empty() => {
                let mut out = Vec::new();
                for (at, (uidl, mail)) in there() {
                    let value = if command == "LIST" { mail.len().to_string() } else { uidl.clone() };
                    out.extend_from_slice(format!("{} {value}\r\n", at + 1).as_bytes());
                }
                Answer::Lines(out)
            }
            "RETR" => one().map_or(Answer::Err("no such message"), |(_, mail)| Answer::Mail(mail.1.clone())),
            "DELE" => match one().map(|(at, _)| at) {
                Some(at) => {
                    self.deleted.insert(at);
                    Answer::Ok("marked".to_owned())
                }
                None => Answer::Err("no such message"),
            },
            "RSET" => {
                self.deleted.clear();
                Answer::Ok(String::new())
            }
            _ => Answer::Err("unknown command"),
        }
    }

    /// The UPDATE state (RFC 1939 section 6).
    fn update(&mut self) {
        let Some(mails) = self.mails.take() else { return };
        let gone: BTreeSet<&str> =
            self.deleted.iter().filter_map(|at| mails.get(*at)).map(|(uidl, _)| uidl.as_str()).collect();
        let mut drops = self.maildrops.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(drop) = drops.get_mut(&self.user) {
            drop.mails.retain(|(uidl, _)| !gone.contains(uidl.as_str()));
        }
    }
}

/// A mail with stuffed dots and a line end at its end (RFC 1939 section 3).
fn stuffed(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len() + 16);
    for line in mail.split_inclusive(|b| *b == b'\n') {
        if line.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}
