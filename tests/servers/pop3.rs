//! The POP3 client alone against two servers that have nothing in common: what it fetches is what lies in the Maildir,
//! octet by octet, and what it deletes is gone at QUIT and not before. Where a server does otherwise, a test says so.

use crate::harness::courier::Courier;
use crate::harness::dovecot::Dovecot;
use crate::harness::pop3_server::{Pop3Server, password};
use crate::harness::shapes::{self, Shape, Shaped};
use crate::harness::{available, maildir};
use reply_ingest::pop3::{
    Body, Client, Credentials, Endpoint, Listed, Pop3Error, Proof, QuitOutcome, ResponseCode, Security, Settings,
    Status, Window, tls,
};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const MAILS: usize = 300;
/// So many of them are fetched one by one.
const SINGLY: usize = 100;

/// The client's time-outs: no server here is allowed to use them up.
const SETTINGS: Settings = Settings {
    connect_timeout: Duration::from_secs(10),
    read_timeout: Duration::from_secs(15),
    command_timeout: Duration::from_secs(15),
    max_mail: 30_000_000,
};

/// The one place that knows how a connection is made.
async fn connect_and_login(
    host: &str,
    port: u16,
    ca_file: &Path,
    user: &str,
    password: &str,
) -> Result<Client, Pop3Error> {
    let connector = tls::connector(Some(ca_file), tls::Minimum::default())?;
    let endpoint = Endpoint { host: host.to_owned(), port, security: Security::Tls(connector) };
    let mut client = Client::connect(&endpoint, SETTINGS).await?;
    let credentials = Credentials { user: user.to_owned(), proof: Proof::Password(password.into()) };
    client.login(&credentials, None).await?;
    Ok(client)
}

enum Server {
    Dovecot(Dovecot),
    Courier(Courier),
}

impl Server {
    /// Those that are installed, each in a folder of its own.
    fn all(folder: &Path, users: &[&str]) -> Vec<Self> {
        let dovecot = available(Dovecot::start(&folder.join("d"), users)).map(Self::Dovecot);
        let courier = available(Courier::start(&folder.join("c"), users)).map(Self::Courier);
        [dovecot, courier].into_iter().flatten().collect()
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Dovecot(_) => Dovecot::NAME,
            Self::Courier(_) => Courier::NAME,
        }
    }

    fn maildir(&self, user: &str) -> PathBuf {
        match self {
            Self::Dovecot(server) => server.maildir(user),
            Self::Courier(server) => server.maildir(user),
        }
    }

    /// The mailbox must hold so many mails. Courier answers QUIT before it deletes, Dovecot when it has.
    async fn assert_count(&self, user: &str, mails: usize) {
        let patience = match self {
            Self::Dovecot(_) => Duration::ZERO,
            Self::Courier(_) => Duration::from_secs(10),
        };
        let begin = Instant::now();
        loop {
            let count = maildir::count(&self.maildir(user));
            if count == mails {
                return;
            }
            assert!(begin.elapsed() < patience, "{}: {count} mails, and not {mails}", self.name());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn try_login(&self, user: &str, password: &str) -> Result<Client, Pop3Error> {
        let (port, ca_file) = match self {
            Self::Dovecot(server) => (server.pop3s_port(), server.ca_file()),
            Self::Courier(server) => (server.pop3s_port(), server.ca_file()),
        };
        connect_and_login("localhost", port, &ca_file, user, password).await
    }

    async fn login(&self, user: &str) -> Client {
        self.try_login(user, &password(user)).await.unwrap_or_else(|error| panic!("{}: {error}", self.name()))
    }
}

/// A mail, or what the server said instead.
type Outcome = Result<Vec<u8>, Status>;

async fn fetch(client: &mut Client, mails: &[Listed], count: usize) -> Result<Vec<Outcome>, (Vec<Outcome>, Pop3Error)> {
    client.plan(mails.iter().map(|m| (m.number, m.size)), Window { count, ..Window::default() });
    let mut got = Vec::with_capacity(mails.len());
    loop {
        match client.fetch().await {
            Ok(Some(mail)) => {
                assert_eq!(Some(mail.number), mails.get(got.len()).map(|m| m.number));
                got.push(mail.outcome.map(|body| match body {
                    Body::Whole(octets) => octets,
                    Body::Cut { .. } => panic!("no mail is so large"),
                }));
            }
            Ok(None) => return Ok(got),
            Err(error) => return Err((got, error)),
        }
    }
}

fn numbers(mails: &[Listed]) -> Vec<u32> {
    mails.iter().map(|m| m.number).collect()
}

fn ids(mails: &[Listed]) -> Vec<String> {
    mails.iter().map(|m| m.uidl.clone().expect("has an id")).collect()
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test);
}

/// What RETR must give. Both servers end a line that has no end: without that, the dot that ends the mail would stand
/// on it (RFC 1939 section 3). That they do the same where there is no line at all is theirs.
fn served(server: &Server, mail: &Shaped) -> Vec<u8> {
    let mut octets = match (server, mail.shape) {
        // Dovecot takes a CR that is there for the line end's; Courier puts its own behind it.
        (Server::Dovecot(_), Shape::StoredCrLf) => mail.stored.clone(),
        _ => shapes::wire(&mail.stored),
    };
    if !octets.ends_with(b"\n") {
        octets.extend(b"\r\n");
    }
    octets
}

/// What LIST must say: RFC 1939 section 11 wants the octets that come. Neither server counts the line end it adds.
fn listed_size(server: &Server, mail: &Shaped) -> u64 {
    let added = if mail.stored.ends_with(b"\n") { 0 } else { 2 };
    served(server, mail).len() as u64 - added
}

#[test]
fn each_octet_arrives_whatever_the_window() {
    let folder = tempfile::tempdir().expect("a folder");
    let servers = Server::all(folder.path(), &["a"]);
    let mails = shapes::mails(MAILS, 11);
    run(async {
        for server in &servers {
            let name = server.name();
            shapes::seed(&server.maildir("a"), &mails);
            let mut client = server.login("a").await;
            assert!(client.capabilities().pipelining(), "{name}: a window is of no use without it");
            let listed = client.list().await.expect("lists");
            assert_eq!(listed.len(), mails.len(), "{name}");
            let many = fetch(&mut client, &listed, 100).await.expect("fetches");
            for (index, (mail, (got, listed))) in mails.iter().zip(many.iter().zip(&listed)).enumerate() {
                let what = format!("{name}, mail {index}: {:?}", mail.shape);
                let got = got.as_ref().unwrap_or_else(|status| panic!("{what}: {status:?}"));
                let expected = served(server, mail);
                assert_eq!(got.len(), expected.len(), "{what}");
                assert!(*got == expected, "{what}: other octets");
                assert_eq!(listed.size, listed_size(server, mail), "{what}: LIST");
            }
            assert!(client.capabilities().top(), "{name}");
            for (mail, listed) in mails.iter().zip(&listed).take(SINGLY / 4) {
                let whole = served(server, mail);
                let end = memchr::memmem::find(&whole, b"\r\n\r\n").map_or(whole.len(), |at| at + 4);
                let head = client.head(listed.number).await.expect("gives headers").expect("has the mail");
                assert_eq!(Some(head.as_slice()), whole.get(..end), "{name}: {:?}", mail.shape);
            }
            assert_eq!(client.head(10_000).await.expect("answers"), None, "{name}: no such mail");
            assert_eq!(client.quit().await, QuitOutcome::Committed, "{name}");

            let mut client = server.login("a").await;
            let again = client.list().await.expect("lists");
            assert_eq!(again, listed, "{name}: numbers, sizes and ids stay");
            let distinct: HashSet<String> = ids(&again).into_iter().collect();
            assert_eq!(distinct.len(), mails.len(), "{name}: no id twice");
            // Every shape is among them. Courier takes some 20 ms for each: it waits for TCP's acknowledgements.
            let some = again.get(..SINGLY).expect("so many");
            let one_by_one = fetch(&mut client, some, 1).await.expect("fetches");
            assert!(Some(one_by_one.as_slice()) == many.get(..SINGLY), "{name}: the window changes nothing");
        }
    });
}

/// A dot at the start of a line is doubled (RFC 1939 section 3). Both servers do so but on a mail's first line.
#[test]
fn a_mail_that_begins_with_a_dot() {
    let folder = tempfile::tempdir().expect("a folder");
    let servers = Server::all(folder.path(), &["line", "lone"]);
    let last = b"Subject: last\n\ntext\n".as_slice();
    let begun = b".forward: x\n\n.text\n".as_slice();
    let lone = b".\nSubject: lone\n\ntext\n".as_slice();
    let mail = |stored: &[u8]| Shaped { shape: Shape::Usual, stored: stored.to_vec() };
    run(async {
        for server in &servers {
            let name = server.name();
            shapes::seed(&server.maildir("line"), &[mail(begun), mail(last)]);
            let mut client = server.login("line").await;
            let listed = client.list().await.expect("lists");
            let got: Vec<_> = fetch(&mut client, &listed, 100).await.expect("fetches").into_iter().flatten().collect();
            // The client takes the dot for the one that was added, as it must; only LIST knows of it.
            assert_eq!(got, [shapes::wire(begun).split_off(1), shapes::wire(last)], "{name}");
            assert_eq!(listed.first().map(|m| m.size), Some(shapes::wire(begun).len() as u64), "{name}");

            // The lone dot is the end of a mail, an empty one, and the rest of the mail is no reply. Nothing that comes
            // then is worth anything, and the empty mail is not given out; the mails before are good.
            shapes::seed(&server.maildir("lone"), &[mail(last), mail(lone), mail(last)]);
            for window in [1, 100] {
                let mut client = server.login("lone").await;
                let listed = client.list().await.expect("lists");
                let (got, error) = fetch(&mut client, &listed, window).await.expect_err("is no POP3");
                assert!(matches!(error, Pop3Error::Session { .. }), "{name}: {error}");
                assert_eq!(got.into_iter().flatten().collect::<Vec<_>>(), [shapes::wire(last)], "{name}");
            }
        }
    });
}

#[test]
fn deletes_count_at_quit_and_not_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let servers = Server::all(folder.path(), &["a"]);
    let mails = shapes::mails(MAILS, 12);
    run(async {
        for server in &servers {
            let name = server.name();
            shapes::seed(&server.maildir("a"), &mails);
            let mut client = server.login("a").await;
            let listed = client.list().await.expect("lists");
            let (gone, left): (Vec<Listed>, Vec<Listed>) = listed.into_iter().partition(|mail| mail.number % 2 == 0);
            assert_eq!(client.delete(&numbers(&gone)).await.expect("deletes"), numbers(&gone), "{name}");
            assert_eq!(maildir::count(&server.maildir("a")), MAILS, "{name}: nothing is gone yet");
            assert_eq!(client.quit().await, QuitOutcome::Committed, "{name}");
            server.assert_count("a", left.len()).await;

            let mut client = server.login("a").await;
            let listed = client.list().await.expect("lists");
            assert_eq!(ids(&listed), ids(&left), "{name}: the right ones are left");
            let got = fetch(&mut client, &listed, 100).await.expect("fetches");
            for (got, mail) in got.into_iter().zip(mails.iter().step_by(2)) {
                assert!(got.expect("is there") == served(server, mail), "{name}: {:?}", mail.shape);
            }
            let all = numbers(&listed);
            assert_eq!(client.delete(&all).await.expect("deletes"), all, "{name}");
            // As when this program is killed: the connection closes without QUIT.
            drop(client);
            let mut client = server.login("a").await;
            assert_eq!(ids(&client.list().await.expect("lists")), ids(&left), "{name}: nothing is gone");
            // The server may not have noticed before that the other one is gone.
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(maildir::count(&server.maildir("a")), left.len(), "{name}: nothing is gone later");
        }
    });
}

#[test]
fn a_wrong_password_is_told_from_trouble() {
    let folder = tempfile::tempdir().expect("a folder");
    let servers = Server::all(folder.path(), &["a"]);
    run(async {
        for server in &servers {
            // Courier takes 5 s to say so.
            let both = tokio::join!(server.try_login("a", "wrong-1"), server.try_login("nobody-here", "wrong-2"));
            for refused in [both.0, both.1] {
                let error = refused.err().expect("is refused");
                assert!(error.is_credentials(), "{}: {error}", server.name());
                assert!(!format!("{error} {error:?}").contains("wrong-"), "{}: {error}", server.name());
            }
            server.login("a").await;
        }
    });
}

/// Neither server locks the mailbox by default, against RFC 1939 section 4: each session has the mails it began with.
#[test]
fn a_second_session_finds_what_the_first_has_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let servers = Server::all(folder.path(), &["a"]);
    let mails = shapes::mails(20, 13);
    run(async {
        for server in &servers {
            let name = server.name();
            shapes::seed(&server.maildir("a"), &mails);
            let mut first = server.login("a").await;
            let listed = first.list().await.expect("lists");
            let mut second = server.login("a").await;
            assert_eq!(second.list().await.expect("lists"), listed, "{name}");
            let gone: Vec<u32> = numbers(&listed).into_iter().filter(|number| number % 2 == 0).collect();
            assert_eq!(first.delete(&gone).await.expect("deletes"), gone, "{name}");
            assert_eq!(first.quit().await, QuitOutcome::Committed, "{name}");
            server.assert_count("a", mails.len() - gone.len()).await;

            let got = fetch(&mut second, &listed, 100).await.expect("the session goes on");
            for (number, (got, mail)) in numbers(&listed).iter().zip(got.into_iter().zip(&mails)) {
                match got {
                    Ok(octets) => assert!(octets == served(server, mail) && !gone.contains(number), "{name}: {number}"),
                    Err(status) => assert!(!status.ok && gone.contains(number), "{name}: {number}, {status:?}"),
                }
            }
            // Mails that are gone can be deleted too.
            let all = numbers(&listed);
            assert_eq!(second.delete(&all).await.expect("deletes"), all, "{name}");
            assert_eq!(second.quit().await, QuitOutcome::Committed, "{name}");
            server.assert_count("a", 0).await;
        }
    });
}

/// With `pop3_lock_session`, Dovecot waits 10 s for the other session's end and then says `[IN-USE]`.
#[test]
fn a_locked_mailbox_is_no_fault_of_the_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(dovecot) = available(Dovecot::start_with(folder.path(), &["a"], "pop3_lock_session = yes")) else {
        return;
    };
    let server = Server::Dovecot(dovecot);
    run(async {
        let first = server.login("a").await;
        let begin = Instant::now();
        let error = server.try_login("a", &password("a")).await.err().expect("is refused");
        assert!(matches!(error, Pop3Error::NoEntry { code: Some(ResponseCode::InUse), .. }), "{error}");
        assert!(!error.is_credentials(), "{error}");
        assert!(begin.elapsed() < SETTINGS.read_timeout, "the server said so, the client did not give up");
        assert_eq!(first.quit().await, QuitOutcome::Committed);
        server.login("a").await;
    });
}
