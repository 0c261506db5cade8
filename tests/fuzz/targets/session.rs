//! A whole session with a server that says anything: greeting, capabilities, login by any method, lists, mails,
//! QUIT. No login is taken for done that the server did not grant, none by SCRAM at all (the server cannot know the
//! password), and no secret comes back in a message.
//!
//! The first octet chooses method and credentials, the second how the rest is cut.

use super::pop3::capability::Capabilities;
use super::pop3::codec::Reply;
use super::pop3::command::{Command, Sent};
use super::pop3::listing::listing;
use super::pop3::login::{Credentials, Login, LoginError, Method, Next, Offer, Proof};
use super::pop3::session::Session;

const SECRET: &str = "k8sPq-2vZ";
const METHODS: [Method; 7] = [
    Method::UserPass,
    Method::Apop,
    Method::Plain,
    Method::Login,
    Method::ScramSha256,
    Method::Xoauth2,
    Method::Oauthbearer,
];

pub fn run(data: &[u8]) {
    let [choice, cut, wire @ ..] = data else { return };
    let server = Server { session: Session::new(4_096), wire, from: 0, piece: usize::from(*cut).max(1) };
    let _ = talk(server, usize::from(*choice));
}

/// `None` when the server breaks off, refuses or makes no sense.
fn talk(mut server: Server, choice: usize) -> Option<()> {
    let (_, greeting) = server.reply()?;
    let timestamp = greeting.status.timestamp();
    let (_, capa) = server.ask(&Command::Capa)?;
    let capabilities = capa.body.map(|b| Capabilities::parse(b.lines())).unwrap_or_default();
    let wanted = METHODS.get(choice % 16).copied();
    let token = choice / 16 % 2 == 1;
    let proof = if token { Proof::Token(SECRET.to_owned().into()) } else { Proof::Password(SECRET.to_owned().into()) };
    let credentials = Credentials { user: "ana,=".to_owned(), proof };
    let offer = Offer { capabilities: &capabilities, timestamp, encrypted: choice / 32 % 2 == 1 };
    let method = Method::choose(&credentials, offer, wanted).ok()?;
    let (mut login, mut line) = Login::begin(method, &credentials, timestamp, &[7; 24]).ok()?;
    // USER, PASS; AUTH and three lines: no exchange is longer, whatever the server says.
    let mut granted = false;
    for _ in 0..5 {
        let (_, reply) = server.ask(&Command::Login(line))?;
        let ok = reply.status.ok;
        match login.answer(reply.status) {
            Ok(Next::Send(next)) => line = next,
            Ok(Next::Done) => {
                assert!(ok && method != Method::ScramSha256);
                granted = true;
                break;
            }
            Err(LoginError::Refused { status, .. }) => {
                assert!(!status.text.contains(SECRET), "{method}");
                return None;
            }
            Err(_) => return None,
        }
    }
    assert!(granted, "an exchange ends");
    let (sent, list) = server.ask(&Command::List)?;
    assert_eq!(sent, Sent::List);
    let (_, uidl) = server.ask(&Command::Uidl)?;
    let mails = listing(list.body.as_ref(), uidl.body.as_ref());
    assert!(mails.iter().all(|m| m.number > 0) && mails.is_sorted_by_key(|m| m.number));
    if let Some(mail) = mails.first().filter(|_| choice / 64 % 2 == 1) {
        let (sent, reply) = server.ask(&Command::Top(mail.number))?;
        assert_eq!(sent, Sent::Top(mail.number));
        assert!(reply.status.ok || reply.body.is_none());
    }
    for mail in mails.iter().take(8) {
        server.session.send(&Command::Retr { number: mail.number, hint: mail.size.min(4_096) });
    }
    for mail in mails.iter().take(8) {
        let (sent, reply) = server.reply()?;
        assert_eq!(sent, Sent::Retr(mail.number), "answers come in the order of the commands");
        assert!(reply.status.ok || reply.body.is_none());
    }
    let (sent, _) = server.ask(&Command::Quit)?;
    assert_eq!(sent, Sent::Quit);
    // Whatever else comes was not asked for.
    assert!(server.from == server.wire.len() || server.reply().is_none());
    Some(())
}

struct Server<'a> {
    session: Session,
    wire: &'a [u8],
    from: usize,
    piece: usize,
}

impl Server<'_> {
    fn reply(&mut self) -> Option<(Sent, Reply)> {
        loop {
            let to = self.wire.len().min(self.from + self.piece);
            let mut piece = self.wire.get(self.from..to).filter(|p| !p.is_empty())?;
            let before = piece.len();
            let got = self.session.receive(&mut piece).ok()?;
            assert!(got.is_some() || piece.is_empty(), "everything is taken while more is needed");
            self.from += before - piece.len();
            if got.is_some() {
                return got;
            }
        }
    }

    fn ask(&mut self, command: &Command) -> Option<(Sent, Reply)> {
        self.session.send(command);
        assert!(self.session.output().ends_with(b"\r\n"));
        let count = self.session.output().len();
        self.session.wrote(count);
        self.reply()
    }
}
