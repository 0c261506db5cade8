//! Tokens from an endpoint that this process serves, well and badly.

use crate::scripted::{self, Authority, Identity, Speaks, on};
use chrono::{DateTime, Utc};
use reply_ingest::config::{Secret, TokenEndpoint, TokenSource};
use reply_ingest::token::{TokenError, Tokens};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What the endpoint does with a request.
#[derive(Debug, Clone)]
enum Act {
    /// Status, further header lines, body.
    Answer(u16, &'static str, String),
    /// 200 and a body without end.
    Endless(u16),
    /// Nothing for this long, then the end.
    Silence(Duration),
    /// A body shorter than its length says.
    Cut,
}

/// A request as it came.
#[derive(Debug, Clone)]
struct Request {
    head: String,
    form: BTreeMap<String, String>,
}

#[derive(Default)]
struct State {
    acts: VecDeque<Act>,
    requests: Vec<Request>,
}

struct Server {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// Does these one after the other, and the last one again and again.
    fn start(acts: &[Act]) -> Self {
        Self::serve(acts, None)
    }

    fn serve(acts: &[Act], tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(Mutex::new(State { acts: acts.iter().cloned().collect(), requests: Vec::new() }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                thread::spawn(move || match tls {
                    None => exchange(stream, &shared),
                    Some(config) => {
                        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
                        exchange(StreamOwned::new(connection, stream), &shared)
                    }
                });
            }
        });
        Self { port, state }
    }

    fn settings(&self) -> TokenEndpoint {
        TokenEndpoint {
            url: format!("http://127.0.0.1:{}/tenant/token?v=2", self.port),
            client_id: "app-1".to_owned(),
            client_secret: Some(Secret::new("s3cret&=+ %".to_owned())),
            client_secret_file: None,
            refresh_token: None,
            refresh_token_file: None,
            scope: Some("https://outlook.office365.com/.default".to_owned()),
            ca_file: None,
        }
    }

    fn tokens(&self) -> Tokens {
        tokens(self.settings())
    }

    fn requests(&self) -> Vec<Request> {
        self.state.lock().expect("a lock").requests.clone()
    }

    fn count(&self) -> usize {
        self.requests().len()
    }
}

fn exchange(stream: impl Read + Write, state: &Mutex<State>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let length = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    let query = format!("http://localhost/?{}", String::from_utf8(body).map_err(io::Error::other)?);
    let form = reqwest::Url::parse(&query).map_err(io::Error::other)?.query_pairs().into_owned().collect();
    let act = {
        let mut state = state.lock().expect("a lock");
        state.requests.push(Request { head, form });
        if state.acts.len() > 1 { state.acts.pop_front() } else { state.acts.front().cloned() }
    };
    let out = stream.get_mut();
    match act.expect("something to do") {
        Act::Answer(status, more, body) => {
            let length = body.len();
            write!(out, "HTTP/1.1 {status} X\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")?;
        }
        Act::Endless(status) => {
            write!(out, "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")?;
            let block = vec![b' '; 64 * 1024];
            while out.write_all(&block).is_ok() {}
        }
        Act::Silence(time) => thread::sleep(time),
        Act::Cut => write!(out, "HTTP/1.1 200 X\r\nContent-Length: 500\r\n\r\n{{\"access_token\": \"cut\"")?,
    }
    out.flush()
}

fn tokens(settings: TokenEndpoint) -> Tokens {
    Tokens::new(&TokenSource::Endpoint(settings), Duration::from_secs(5)).expect("settings that fit")
}

fn granted(token: &str, seconds: i64) -> Act {
    let body = format!(r#"{{"token_type":"Bearer","access_token":"{token}","expires_in":{seconds}}}"#);
    Act::Answer(200, "Content-Type: application/json\r\n", body)
}

fn refused(status: u16, code: &str) -> Act {
    let said = "The secret s3cret&=+ % of ana@example.com is wrong.\\r\\nTrace: 1";
    Act::Answer(status, "", format!(r#"{{"error":"{code}","error_description":"{said}"}}"#))
}

fn plain(status: u16, more: &'static str) -> Act {
    Act::Answer(status, more, "<html>s3cret</html>".to_owned())
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
}

async fn error(tokens: &Tokens, second: i64) -> TokenError {
    let error = tokens.token(at(second)).await.expect_err("no token");
    // The chain of causes as it would be logged, and the debug text.
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text} {inner} {inner:?}");
        cause = inner.source();
    }
    for hidden in ["s3cret", "refresh-", "ana@", "tenant"] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
    let classes = [error.is_temporary(), error.is_credentials(), error.is_configuration()];
    assert_eq!(classes.iter().filter(|&&class| class).count(), 1, "{error:?}");
    error
}

#[tokio::test]
async fn client_credentials_are_sent_in_the_form() {
    let server = Server::start(&[granted("tok-1", 3600)]);
    let tokens = server.tokens();
    assert_eq!(tokens.token(at(0)).await.unwrap().expose(), "tok-1");
    let requests = server.requests();
    let expected = [
        ("client_id", "app-1"),
        ("client_secret", "s3cret&=+ %"),
        ("grant_type", "client_credentials"),
        ("scope", "https://outlook.office365.com/.default"),
    ];
    let form: Vec<(&str, &str)> = requests[0].form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(form, expected);
    let head = requests[0].head.to_ascii_lowercase();
    assert!(head.starts_with("post /tenant/token?v=2 http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\naccept: application/json\r\n"), "{head}");
    assert!(head.contains("\r\ncontent-type: application/x-www-form-urlencoded\r\n"), "{head}");
    assert!(!head.contains("authorization") && !head.contains("cookie") && !head.contains("s3cret"), "{head}");
}

#[tokio::test]
async fn a_token_is_kept_and_renewed_before_its_end() {
    let server = Server::start(&[granted("tok-1", 3600), granted("tok-2", 60), granted("tok-3", 3600)]);
    let tokens = server.tokens();
    for (second, token, requests) in [
        (0, "tok-1", 1),
        (3_299, "tok-1", 1),
        (3_300, "tok-2", 2),
        (3_353, "tok-2", 2),
        (3_354, "tok-3", 3),
        (3_355, "tok-3", 3),
    ] {
        assert_eq!(tokens.token(at(second)).await.unwrap().expose(), token, "after {second} s");
        assert_eq!(server.count(), requests, "after {second} s");
    }
}

#[tokio::test]
async fn callers_at_once_share_a_request() {
    let server = Server::start(&[granted("tok-1", 3600)]);
    let tokens = server.tokens();
    let all = futures_util::future::join_all((0..16).map(|_| tokens.token(at(0)))).await;
    assert!(all.into_iter().all(|token| token.unwrap().expose() == "tok-1"));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let server = Server::start(&[granted("tok-1", 3600), granted("tok-2", 3600), granted("tok-3", 3600)]);
    let tokens = server.tokens();
    let first = tokens.token(at(0)).await.unwrap();
    assert_eq!(tokens.token(at(600)).await.unwrap(), first);
    assert!(tokens.refused(&first).await);
    let second = tokens.token(at(601)).await.unwrap();
    assert_eq!((second.expose(), server.count()), ("tok-2", 2));
    assert!(!tokens.refused(&second).await);
    assert_eq!(tokens.token(at(602)).await.unwrap(), second);
    assert_eq!(server.count(), 2, "a fresh token that is refused is not replaced at once");
    assert_eq!(tokens.token(at(700)).await.unwrap().expose(), "tok-3");
}

#[tokio::test]
async fn a_refresh_token_is_rotated() {
    let rotated = |token: &str, next: &str| {
        let body =
            format!(r#"{{"token_type":"bearer","access_token":"{token}","expires_in":60,"refresh_token":"{next}"}}"#);
        Act::Answer(200, "", body)
    };
    let acts = [
        rotated("tok-1", "refresh-2"),
        granted("tok-2", 60),
        rotated("tok-3", "refresh-3"),
        refused(400, "invalid_grant"),
    ];
    let server = Server::start(&acts);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("refresh");
    std::fs::write(&file, "refresh-1\n").unwrap();
    let settings =
        TokenEndpoint { client_secret: None, refresh_token_file: Some(file), scope: None, ..server.settings() };
    let tokens = tokens(settings);
    for second in [0, 100, 200] {
        tokens.token(at(second)).await.unwrap();
    }
    let error = error(&tokens, 300).await;
    assert!(error.is_credentials() && error.to_string().contains("refresh_token"), "{error}");
    let requests = server.requests();
    let sent: Vec<&str> = requests.iter().map(|r| r.form["refresh_token"].as_str()).collect();
    assert_eq!(sent, ["refresh-1", "refresh-2", "refresh-2", "refresh-3"]);
    assert!(requests.iter().all(|r| r.form["grant_type"] == "refresh_token" && r.form.len() == 3));
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    for (act, class, says) in [
        (
            refused(400, "invalid_grant"),
            "credentials",
            "refused (invalid_grant, The secret [redacted] of [address] is wrong. Trace: 1)",
        ),
        (refused(401, "invalid_client"), "credentials", "check client_id and client_secret"),
        (refused(400, "unauthorized_client"), "credentials", "not allowed"),
        (refused(403, "access_denied"), "credentials", "not allowed"),
        (refused(400, "invalid_scope"), "configuration", "check scope"),
        (refused(400, "unsupported_grant_type"), "configuration", "another grant"),
        (refused(400, "temporarily_unavailable"), "temporary", "later"),
        (refused(200, "invalid_grant"), "credentials", "invalid_grant"),
        (plain(401, ""), "credentials", "HTTP status 401"),
        (plain(404, ""), "configuration", "check url"),
        (plain(500, "Retry-After: x\r\n"), "temporary", "HTTP status 500"),
        (plain(200, ""), "configuration", "is not the JSON"),
        (Act::Answer(200, "", String::new()), "configuration", "is not the JSON"),
        (Act::Endless(200), "configuration", "longer than 1 MiB"),
        (Act::Endless(400), "configuration", "HTTP status 400"),
        (Act::Endless(503), "temporary", "HTTP status 503"),
        (Act::Cut, "temporary", "connection broke"),
        (Act::Silence(Duration::ZERO), "temporary", "connection broke"),
    ] {
        let server = Server::start(std::slice::from_ref(&act));
        let error = error(&server.tokens(), 0).await;
        let found = if error.is_temporary() {
            "temporary"
        } else if error.is_credentials() {
            "credentials"
        } else {
            "configuration"
        };
        assert_eq!(found, class, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(server.count(), 1, "asked once: {error}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(&[granted("stolen", 3600)]);
    for status in [301, 302, 307, 308] {
        let to: &'static str =
            Box::leak(format!("Location: http://127.0.0.1:{}/token\r\n", elsewhere.port).into_boxed_str());
        let server = Server::start(&[plain(status, to)]);
        let error = error(&server.tokens(), 0).await;
        assert!(error.is_configuration() && error.to_string().contains("redirects"), "{error}");
    }
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn retry_after_is_heeded_within_bounds() {
    let server =
        Server::start(&[plain(429, "Retry-After: 30\r\n"), plain(503, "Retry-After: 86400\r\n"), granted("tok", 3600)]);
    let tokens = server.tokens();
    let wait = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(error(&tokens, 0).await.retry_after(), wait(30));
    let waiting = error(&tokens, 10).await;
    assert!(waiting.is_temporary() && waiting.to_string().contains("20 s"), "{waiting}");
    assert_eq!((waiting.retry_after(), server.count()), (wait(20), 1));
    assert_eq!(error(&tokens, 30).await.retry_after(), wait(300), "a day is not waited for");
    assert_eq!(error(&tokens, 329).await.retry_after(), wait(1));
    assert_eq!(server.count(), 2);
    assert_eq!(tokens.token(at(330)).await.unwrap().expose(), "tok");
}

#[tokio::test]
async fn the_last_token_serves_while_the_endpoint_is_down() {
    let server =
        Server::start(&[granted("tok-1", 3600), plain(500, ""), plain(500, ""), refused(401, "invalid_client")]);
    let tokens = server.tokens();
    let first = tokens.token(at(0)).await.unwrap();
    assert_eq!(tokens.token(at(3_400)).await.unwrap(), first, "it is good for 200 seconds more");
    assert!(error(&tokens, 3_600).await.is_temporary());
    assert!(error(&tokens, 3_601).await.is_credentials());

    let server = Server::start(&[granted("tok-1", 3600), refused(401, "invalid_client"), plain(500, "")]);
    let tokens = server.tokens();
    let first = tokens.token(at(0)).await.unwrap();
    assert!(error(&tokens, 3_400).await.is_credentials(), "a refusal is said at once");
    tokens.refused(&first).await;
    assert!(error(&tokens, 3_401).await.is_temporary(), "a refused token does not serve");
}

#[tokio::test]
async fn a_silent_endpoint_is_given_up() {
    let server = Server::start(&[Act::Silence(Duration::from_secs(3))]);
    let source = TokenSource::Endpoint(server.settings());
    let tokens = Tokens::new(&source, Duration::from_millis(300)).unwrap();
    let begun = Instant::now();
    let error = error(&tokens, 0).await;
    assert!(error.is_temporary() && error.to_string().contains("no access token within"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/tenant");
    let settings = TokenEndpoint { url, ..Server::start(&[Act::Cut]).settings() };
    let error = error(&tokens(settings), 0).await;
    assert!(error.is_temporary() && error.to_string().contains("cannot connect"), "{error}");
}

/// A server for `localhost` whose certificate a CA of its own signed, and that CA.
fn tls_server(expired: bool) -> (Server, String) {
    let authority = Authority::new("Token test CA");
    let config = authority.server(Identity { name: "localhost", expired, ..Identity::default() });
    (Server::serve(&[granted("tok-tls", 3600)], Some(config)), authority.pem)
}

#[tokio::test]
async fn tls_with_a_private_authority() {
    let dir = tempfile::tempdir().unwrap();
    let save = |name: &str, pem: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, pem).unwrap();
        Some(path)
    };
    let (server, ca) = tls_server(false);
    let (old, old_ca) = tls_server(true);
    let url = format!("https://localhost:{}/tenant", server.port);
    let by_address = format!("https://127.0.0.1:{}/tenant", server.port);
    let settings = TokenEndpoint { url, ca_file: save("ca.pem", &ca), ..server.settings() };
    assert_eq!(tokens(settings.clone()).token(at(0)).await.unwrap().expose(), "tok-tls");
    assert_eq!(server.count(), 1);

    let url = format!("https://localhost:{}/tenant", old.port);
    let expired = TokenEndpoint { url, ca_file: save("old.pem", &old_ca), ..settings.clone() };
    let expired = error(&tokens(expired), 0).await;
    assert!(expired.is_temporary() && expired.to_string().contains("has expired"), "{expired}");

    let clear = Server::start(&[plain(400, "")]);
    for (changed, says) in [
        (TokenEndpoint { ca_file: save("other.pem", &old_ca), ..settings.clone() }, "not trusted"),
        (TokenEndpoint { ca_file: None, ..settings.clone() }, "not trusted"),
        (TokenEndpoint { url: by_address, ..settings.clone() }, "another name"),
    ] {
        let error = error(&tokens(changed), 0).await;
        assert!(error.is_configuration() && error.to_string().contains(says), "{error}");
    }
    let url = format!("https://localhost:{}/tenant", clear.port);
    let error = tokens(TokenEndpoint { url, ..settings }).token(at(0)).await.unwrap_err();
    assert!(!error.is_credentials(), "{error}");
    assert_eq!((server.count(), clear.count()), (1, 0), "no secret goes to a server that is not trusted");
    assert_eq!(old.count(), 0);
}

/// The whole way: endpoint, program, login. The endpoint here is asked directly, another through the proxy.
#[test]
fn a_proxy_of_the_environment_is_asked_for_an_endpoint_elsewhere_only() {
    let endpoint = Server::start(&[granted("tok-1", 3600)]);
    let proxy = Server::start(&[plain(502, "")]);
    let authority = Authority::new("Mail test CA");
    let mails = scripted::Server::start_as(Speaks::Tls(authority.server(Identity::default())), &[]);
    let xoauth2 = "dXNlcj1hbmEBYXV0aD1CZWFyZXIgdG9rLTEBAQ=="; // user=ana, auth=Bearer tok-1
    mails.set([
        on("CAPA").say("+OK\r\nSASL XOAUTH2\r\nUIDL\r\n.\r\n"),
        on("AUTH XOAUTH2").say("+ \r\n"),
        on(xoauth2).say("+OK\r\n"),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let (ca, config) = (folder.path().join("ca.pem"), folder.path().join("c.yaml"));
    std::fs::write(&ca, &authority.pem).unwrap();
    let mailbox = |name: &str, url: &str| {
        format!(
            "  - {{name: {name}, host: 127.0.0.1, port: {}, ca_file: {}, username: ana, login: xoauth2, oauth: \
             {{endpoint: {{url: '{url}', client_id: app-1, client_secret: s3cret}}}}}}\n",
            mails.port(),
            ca.display(),
        )
    };
    let text = format!(
        "kafka: {{brokers: ['127.0.0.1:1'], topic: mail}}\nledger: {{file: {}}}\nauth: {{enabled: false}}\n\
         limits: {{retries: 0}}\nmailboxes:\n{}{}",
        folder.path().join("l.redb").display(),
        mailbox("here", &endpoint.settings().url),
        mailbox("elsewhere", "https://token.example/tenant"),
    );
    std::fs::write(&config, text).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_reply-ingest"));
    program.args(["poll", "--dry-run", "--config"]).arg(&config).env_remove("NO_PROXY").env_remove("no_proxy");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        program.env(name, format!("http://worker:pr0xy@127.0.0.1:{}", proxy.port));
    }
    let output = program.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "one of two mailboxes cannot be reached: {log}");
    assert!(mails.seen().iter().any(|seen| seen.line == xoauth2), "{:?} {log}", mails.seen());
    assert_eq!(endpoint.count(), 1, "{log}");
    let heads: Vec<String> = proxy.requests().into_iter().map(|r| r.head).collect();
    assert!(heads.len() == 1 && heads[0].starts_with("CONNECT token.example:443 "), "{heads:?} {log}");
    for hidden in ["s3cret", "pr0xy", "tok-1"] {
        assert!(!log.contains(hidden), "{hidden}: {log}");
    }
}
