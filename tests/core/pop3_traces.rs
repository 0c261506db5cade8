//! Sessions as traces: `C:` is what the client must send, `S:` what the server says. Each quirk of a server names
//! where it is known from.

use reply_ingest::pop3::command::{Command, Sent};
use reply_ingest::pop3::listing::listing;
use reply_ingest::pop3::login::{Login, Next, Offer};
use reply_ingest::pop3::session::Session;
use reply_ingest::pop3::{Body, Capabilities, Credentials, Listed, Method, Proof};
use secrecy::ExposeSecret;

#[derive(Default)]
struct Played {
    method: Option<Method>,
    logged_in: bool,
    mails: Vec<Listed>,
    /// The mails of RETR, and refusals.
    fetched: Vec<Result<Vec<u8>, String>>,
    /// What ended the session early.
    error: Option<String>,
    capabilities: Capabilities,
}

fn password() -> Credentials {
    Credentials { user: "ana".to_owned(), proof: Proof::Password("secret".to_owned().into()) }
}

fn token() -> Credentials {
    Credentials { user: "ana@example.com".to_owned(), proof: Proof::Token("tok123".to_owned().into()) }
}

/// Plays a trace inside TLS, with the method that is chosen when none is wanted.
fn play(credentials: &Credentials, wanted: Option<Method>, trace: &str) -> Played {
    let mut out = Played::default();
    let mut session = Session::new(1 << 20);
    let mut timestamp = None;
    let mut login: Option<Login> = None;
    let mut line = None;
    let (mut list, mut uidl) = (None, None);
    for step in trace.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some(text) = step.strip_prefix("C:").map(str::trim) {
            assert_eq!(out.error, None, "the client does not go on after an error");
            let command = match text.split_once(' ') {
                None if text == "CAPA" => Command::Capa,
                None if text == "UTF8" => Command::Utf8,
                None if text == "LIST" => Command::List,
                None if text == "UIDL" => Command::Uidl,
                None if text == "QUIT" => Command::Quit,
                Some(("RETR", n)) => Command::Retr { number: n.parse().expect("a number"), hint: 0 },
                Some(("TOP", n)) => Command::Top(n.trim_end_matches(" 0").parse().expect("a number and 0")),
                Some(("DELE", n)) => Command::Dele(n.parse().expect("a number")),
                _ => {
                    if login.is_none() {
                        let offer =
                            Offer { capabilities: &out.capabilities, timestamp: timestamp.as_deref(), encrypted: true };
                        let method = Method::choose(credentials, offer, wanted).expect("a method");
                        let (begun, first) =
                            Login::begin(method, credentials, timestamp.as_deref(), b"123456789012345678")
                                .expect("begins");
                        (login, line, out.method) = (Some(begun), Some(first), Some(method));
                    }
                    Command::Login(line.take().expect("a line of the login"))
                }
            };
            session.send(&command);
            assert_eq!(String::from_utf8_lossy(session.output()), format!("{text}\r\n"));
            session.wrote(session.output().len());
        } else if let Some(text) = step.strip_prefix("S:") {
            let wire = format!("{}\r\n", text.strip_prefix(' ').unwrap_or(text));
            let mut input = wire.as_bytes();
            while out.error.is_none() && !input.is_empty() {
                let (sent, reply) = match session.receive(&mut input) {
                    Ok(Some(got)) => got,
                    Ok(None) => break,
                    Err(error) => {
                        out.error = Some(error.to_string());
                        break;
                    }
                };
                match sent {
                    Sent::Greeting => timestamp = reply.status.timestamp().map(str::to_owned),
                    Sent::Capa => {
                        out.capabilities = reply.body.map(|b| Capabilities::parse(b.lines())).unwrap_or_default();
                    }
                    Sent::Login => match login.as_mut().expect("a login").answer(reply.status) {
                        Ok(Next::Send(next)) => line = Some(next),
                        Ok(Next::Done) => out.logged_in = true,
                        Err(error) => out.error = Some(error.to_string()),
                    },
                    Sent::List => list = reply.body,
                    Sent::Uidl => uidl = reply.body,
                    Sent::Retr(_) | Sent::Top(_) => out.fetched.push(match reply.body {
                        Some(Body::Whole(bytes)) => Ok(bytes),
                        Some(Body::Cut { .. }) => panic!("not cut"),
                        None => Err(reply.status.safe_text()),
                    }),
                    Sent::Stls | Sent::Utf8 | Sent::Dele(_) | Sent::Noop | Sent::Quit => {}
                }
            }
        }
    }
    assert!(line.is_none_or(|l| l.expose_secret().is_empty()), "the trace has every line of the login");
    out.mails = listing(list.as_ref(), uidl.as_ref());
    out
}

/// A greeting and the capabilities.
fn with(capabilities: &str, rest: &str) -> String {
    format!("S: +OK ready\nC: CAPA\nS: +OK\n{}\nS: .\n{rest}", capabilities.replace('|', "\nS: "))
}

#[test]
fn headers_alone() {
    let played = play(
        &password(),
        None,
        &with(
            "S: USER|UIDL|TOP",
            "C: USER ana
             S: +OK
             C: PASS secret
             S: +OK
             C: TOP 2 0
             S: +OK
             S: Subject: two
             S: ..dot
             S:
             S: .
             C: TOP 3 0
             S: -ERR no such message
             C: QUIT
             S: +OK",
        ),
    );
    assert_eq!(played.error, None);
    let head = b"Subject: two\r\n.dot\r\n\r\n".to_vec();
    assert_eq!(played.fetched, [Ok(head), Err("no such message".to_owned())]);
}

#[test]
fn a_pipelined_session() {
    let played = play(
        &password(),
        None,
        &with(
            "S: USER|UIDL|PIPELINING",
            "C: USER ana
             S: +OK
             C: PASS secret
             S: +OK logged in
             C: LIST
             C: UIDL
             S: +OK
             S: 1 14
             S: 2 20
             S: .
             S: +OK
             S: 1 a
             S: 2 b
             S: .
             C: RETR 1
             C: RETR 2
             C: DELE 1
             C: QUIT
             S: +OK 14 octets
             S: Subject: x
             S: .
             S: -ERR no such message
             S: +OK
             S: +OK bye",
        ),
    );
    assert_eq!((played.logged_in, played.method, played.error), (true, Some(Method::UserPass), None));
    assert_eq!(played.mails.len(), 2);
    assert_eq!(played.fetched, [Ok(b"Subject: x\r\n".to_vec()), Err("no such message".to_owned())]);
}

#[test]
fn each_way_to_log_in() {
    // The expected lines were made with other tools: base64(1), openssl dgst.
    let table = [
        (password(), None, "S: SASL PLAIN LOGIN", "C: AUTH PLAIN AGFuYQBzZWNyZXQ=\nS: +OK"),
        // A server that asks for the response although it has it.
        (password(), None, "S: SASL PLAIN", "C: AUTH PLAIN AGFuYQBzZWNyZXQ=\nS: +\nC: AGFuYQBzZWNyZXQ=\nS: +OK"),
        (
            password(),
            Some(Method::Login),
            "S: SASL PLAIN LOGIN",
            "C: AUTH LOGIN\nS: + VXNlcm5hbWU6\nC: YW5h\nS: + UGFzc3dvcmQ6\nC: c2VjcmV0\nS: +OK",
        ),
        (
            token(),
            None,
            "S: SASL PLAIN OAUTHBEARER XOAUTH2",
            "C: AUTH OAUTHBEARER bixhPWFuYUBleGFtcGxlLmNvbSwBYXV0aD1CZWFyZXIgdG9rMTIzAQE=\nS: +OK",
        ),
        // Exchange Online takes XOAUTH2 in two steps only (Microsoft's documentation of OAuth for POP).
        (
            token(),
            None,
            "S: SASL PLAIN XOAUTH2",
            "C: AUTH XOAUTH2\nS: + \nC: dXNlcj1hbmFAZXhhbXBsZS5jb20BYXV0aD1CZWFyZXIgdG9rMTIzAQE=\nS: +OK",
        ),
    ];
    for (credentials, wanted, capabilities, trace) in table {
        let played = play(&credentials, wanted, &with(capabilities, trace));
        assert!(played.logged_in && played.error.is_none(), "{trace}: {:?}", played.error);
    }
}

#[test]
fn apop_with_the_example_of_rfc_1939_section_7() {
    let credentials = Credentials { user: "mrose".to_owned(), proof: Proof::Password("tanstaaf".to_owned().into()) };
    let played = play(
        &credentials,
        Some(Method::Apop),
        "S: +OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>
         C: CAPA
         S: -ERR what?
         C: APOP mrose c4c9334bac560ecc979e58001b3e22fb
         S: +OK maildrop has 1 message (369 octets)",
    );
    assert!(played.logged_in);
}

#[test]
fn refused_and_senseless_logins() {
    let table = [
        (password(), None, "S: SASL PLAIN", "C: AUTH PLAIN AGFuYQBzZWNyZXQ=\nS: -ERR [AUTH] no", "refused"),
        // The password comes from somebody who never asked for it.
        (password(), None, "S: SASL LOGIN", "C: AUTH LOGIN\nS: +OK", "makes no sense"),
        (
            password(),
            None,
            "S: SASL SCRAM-SHA-256",
            "C: AUTH SCRAM-SHA-256 biwsbj1hbmEscj1NVEl6TkRVMk56ZzVNREV5TXpRMU5qYzQ=\nS: +OK",
            "did not prove",
        ),
        (
            password(),
            None,
            "S: SASL SCRAM-SHA-256",
            "C: AUTH SCRAM-SHA-256 biwsbj1hbmEscj1NVEl6TkRVMk56ZzVNREV5TXpRMU5qYzQ=\nS: + cj14LA==",
            "cannot be read",
        ),
        // A refused token: the reason, a line that only ends the exchange, then the refusal (RFC 7628 section 3.2.3).
        (
            token(),
            None,
            "S: SASL XOAUTH2",
            "C: AUTH XOAUTH2\nS: +\nC: dXNlcj1hbmFAZXhhbXBsZS5jb20BYXV0aD1CZWFyZXIgdG9rMTIzAQE=\nS: + eyJzdGF0dXMiOiI0MDAifQ==\nC:\nS: -ERR [AUTH] no",
            "refused",
        ),
    ];
    for (credentials, wanted, capabilities, trace, words) in table {
        let played = play(&credentials, wanted, &with(capabilities, trace));
        let error = played.error.expect("an error");
        assert!(!played.logged_in && error.contains(words), "{trace}: {error}");
    }
}

#[test]
fn utf8_is_switched_on_before_the_login() {
    // RFC 6856 section 2: before the login, so that the name and every mail are UTF-8.
    let played = play(
        &password(),
        None,
        &with("S: UTF8 USER|USER", "C: UTF8\nS: +OK\nC: USER ana\nS: +OK\nC: PASS secret\nS: +OK"),
    );
    assert!(played.logged_in && played.capabilities.utf8());
}

fn after_login(rest: &str) -> Played {
    play(&password(), None, &with("S: SASL PLAIN|UIDL", &format!("C: AUTH PLAIN AGFuYQBzZWNyZXQ=\nS: +OK\n{rest}")))
}

#[test]
fn courier_ids_and_mailutils_sizes() {
    // Courier's ids, and a size of GNU mailutils that is 55 octets more than the mail has: both measured with those
    // servers. A size never frames a mail.
    let played = after_login(
        "C: LIST
         S: +OK
         S: 1 67
         S: .
         C: UIDL
         S: +OK
         S: 1 UID1-1795303709
         S: .
         C: RETR 1
         S: +OK
         S: Subject: x
         S: .",
    );
    assert_eq!(played.mails, [Listed { number: 1, uidl: Some("UID1-1795303709".to_owned()), size: 67 }]);
    assert_eq!(played.fetched, [Ok(b"Subject: x\r\n".to_vec())]);
}

#[test]
fn stalwart_and_the_dot_on_the_first_line() {
    // Stalwart does not stuff a dot on the first line (its source): what follows is no reply, and the session ends
    // before a command could commit anything.
    let played = after_login(
        "C: RETR 1
         C: RETR 2
         S: +OK
         S: .
         S: the rest of the mail
         S: .",
    );
    assert!(played.error.expect("an error").contains("no POP3 reply"));
}

#[test]
fn a_login_delay_as_cyrus_announces_it() {
    // Cyrus with popminpoll announces the pause in seconds, `USER` behind it where it differs (RFC 2449 section 6.5).
    let played = play(&password(), None, &with("S: SASL PLAIN|LOGIN-DELAY 300|IMPLEMENTATION Cyrus POP3 v3", ""));
    assert_eq!(played.capabilities.login_delay(), Some(300));
}
