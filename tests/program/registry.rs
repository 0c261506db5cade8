//! A Schema Registry: what it is asked, what becomes of the values, and what is said when it does not do its part.

use crate::scripted::{PASSWORD, Server};
use reply_ingest::config::{SchemaRegistry, Secret};
use reply_ingest::demo::{self, Broker};
use reply_ingest::message::to_crlf;
use reply_ingest::sink::{Registry, Wanted};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MAIL: &str = "From: Ana <ana@example.org>\nTo: u@r.example\nSubject: Re: Offer\n\nYes, please.\n";

/// A question to the registry.
#[derive(Debug, Clone)]
struct Asked {
    way: String,
    headers: BTreeMap<String, String>,
    body: Value,
}

type Answers = dyn Fn(&Asked) -> (u16, String) + Send + Sync;

/// A registry on a free port.
struct Fake {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    fn start(answers: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (asked, answers): (Arc<Mutex<Vec<Asked>>>, Arc<Answers>) = (Arc::default(), Arc::new(answers));
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let (kept, answers) = (Arc::clone(&kept), Arc::clone(&answers));
                std::thread::spawn(move || serve(&tcp, &kept, &*answers));
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("a lock").clone()
    }

    fn settings(&self) -> SchemaRegistry {
        SchemaRegistry {
            url: format!("http://127.0.0.1:{}/base/", self.port),
            username: Some("worker".to_owned()),
            password: Some(Secret::new("s3cret".to_owned())),
            password_file: None,
            ca_file: None,
            auto_register: true,
        }
    }
}

/// One question and one answer.
fn serve(mut tcp: &TcpStream, kept: &Mutex<Vec<Asked>>, answers: &Answers) {
    let _ = tcp.set_read_timeout(Some(Duration::from_secs(20)));
    let mut reader = BufReader::new(tcp);
    let mut first = String::new();
    reader.read_line(&mut first).expect("a line");
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length").map_or(0, |n| n.parse().expect("a number"))];
    reader.read_exact(&mut body).expect("a body");
    let way = first.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let asked = Asked { way, headers, body: serde_json::from_slice(&body).unwrap_or_default() };
    let (status, text) = answers(&asked);
    kept.lock().expect("a lock").push(asked);
    let _ = write!(
        tcp,
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
}

/// One that takes everything: 258 for events, 7 for summaries.
fn willing(asked: &Asked) -> (u16, String) {
    let id = if asked.way.contains("campaign.runs") { 7 } else { 258 };
    (200, json!({ "id": id }).to_string())
}

fn configuration(folder: &Path, broker: &Broker, pop3: &Server, registry: &Fake, more: &str) -> String {
    let file = folder.join("c.yaml");
    let text = format!(
        "kafka:\n  brokers: [\"{}\"]\n  topic: campaign.mail\n  run_topic: campaign.runs\n  mode: binary\n  schema_registry: \
         {{url: 'http://127.0.0.1:{}', username: worker, password: s3cret{more}}}\nauth: {{enabled: false}}\n\
         ledger: {{file: '{}/ledger.redb'}}\nmailboxes:\n- {{name: a, host: 127.0.0.1, port: {}, tls: none, username: r, \
         password: {PASSWORD}}}\n",
        broker.bootstrap(),
        registry.port,
        folder.display(),
        pop3.port()
    );
    fs::write(&file, text).expect("writes");
    file.display().to_string()
}

fn run(command: &str, file: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reply-ingest")).args([command, "--config", file]).output().expect("starts")
}

#[test]
fn values_begin_with_the_schemas_id() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(&["campaign.mail", "campaign.runs"]).expect("a broker");
    let pop3 = Server::start(&[to_crlf(MAIL.as_bytes()).into_owned()]);
    let registry = Fake::start(willing);
    let file = configuration(folder.path(), &broker, &pop3, &registry, "");
    let output = run("poll", &file);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let asked = registry.asked();
    let ways: Vec<&str> = asked.iter().map(|a| a.way.as_str()).collect();
    // Once for each topic.
    assert_eq!(
        ways,
        [
            "POST /subjects/campaign.mail-value/versions?normalize=true",
            "POST /subjects/campaign.runs-value/versions?normalize=true",
        ]
    );
    for ((topic, id, kind), asked) in
        [("campaign.mail", 258, "reply"), ("campaign.runs", 7, "run_id")].iter().zip(&asked)
    {
        assert_eq!(asked.headers["content-type"], "application/vnd.schemaregistry.v1+json");
        assert_eq!(asked.headers["authorization"], "Basic d29ya2VyOnMzY3JldA==");
        assert_eq!(asked.body["schemaType"], "JSON");
        let schema: Value = serde_json::from_str(asked.body["schema"].as_str().expect("a text")).expect("is JSON");
        let validator = jsonschema::validator_for(&schema).expect("is a schema, and whole");
        let records = demo::consume(&broker.bootstrap(), topic, 1, Duration::from_secs(10)).expect("reads");
        assert_eq!(records.len(), 1, "{topic}");
        let (head, data) = records[0].value.split_at(5);
        assert_eq!(head, [&[0], &u32::to_be_bytes(*id)[..]].concat());
        let data: Value = serde_json::from_slice(data).expect("is JSON");
        assert!(data["kind"] == *kind || data[*kind].is_string(), "{data}");
        let wrong: Vec<String> = validator.iter_errors(&data).map(|e| e.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        assert!(records[0].headers.contains(&("content-type".to_owned(), "application/json".to_owned())));
    }
}

#[test]
fn a_registry_that_refuses_ends_the_run_before_anything_is_fetched() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(&["campaign.mail", "campaign.runs"]).expect("a broker");
    let pop3 = Server::start(&[to_crlf(MAIL.as_bytes()).into_owned()]);
    for (status, code) in [(409, 78), (503, 69)] {
        let registry = Fake::start(move |_| (status, json!({"error_code": status, "message": "no"}).to_string()));
        let file = configuration(folder.path(), &broker, &pop3, &registry, "");
        let output = run("poll", &file);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains("error: the Schema Registry at 127.0.0.1") && !said.contains("s3cret"), "{said}");
        assert!(pop3.seen().is_empty(), "no mailbox was opened");
    }
}

#[test]
fn check_looks_and_registers_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(&["campaign.mail", "campaign.runs"]).expect("a broker");
    let pop3 = Server::start(&[]);
    let registry = Fake::start(|asked| {
        if asked.way.contains("campaign.mail") {
            return willing(asked);
        }
        (404, json!({"error_code": 40401, "message": "Subject not found"}).to_string())
    });
    let said = |more: &str| {
        let output = run("check", &configuration(folder.path(), &broker, &pop3, &registry, more));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let looked = said("");
    assert!(looked.contains("campaign.mail-value, schema 258"), "{looked}");
    assert!(looked.contains("campaign.runs-value is registered by the first run"), "{looked}");
    let strict = said(", auto_register: false");
    assert!(strict.contains("register what `reply-ingest schema run-data` prints"), "{strict}");
    assert!(registry.asked().iter().all(|a| !a.way.contains("/versions?")), "{:?}", registry.asked());
}

/// What a registry answers to a registration, to a question and to one about compatibility, and what is said of it.
#[tokio::test]
async fn what_a_registry_may_answer() {
    let wanted = Wanted { topic: "t".into(), subject: "t-value".into(), schema: Arc::from("{}"), name: "event-data" };
    let nothing = json!({"error_code": 40401, "message": "Subject 't-value' not found"}).to_string();
    let no = |code: u32| json!({"error_code": code, "message": "no:\n<b>because</b>"}).to_string();
    let long = "x".repeat(5_000_000);
    for (status, body, register, configuration, says) in [
        (200, json!({"id": 5}).to_string(), true, true, ""),
        (200, json!({"id": 5, "subject": "t-value", "version": 2, "schema": "{}"}).to_string(), false, true, ""),
        (404, nothing.clone(), false, true, "register what `reply-ingest schema event-data` prints"),
        (404, nothing.clone(), true, true, "is no Schema Registry"),
        (404, "<html>not here</html>".to_owned(), false, true, "is no Schema Registry"),
        (409, no(409), true, true, "set the compatibility of this subject to NONE"),
        (401, no(401), true, true, "refuses this user (HTTP 401: no: <b>because</b>)"),
        (403, String::new(), true, true, "refuses this user (HTTP 403)"),
        (422, no(42201), true, true, "none that knows JSON schemas"),
        (500, no(50001), true, false, "is not at work (HTTP 500: no: <b>because</b>)"),
        (429, String::new(), true, false, "is not at work (HTTP 429)"),
        (302, String::new(), true, true, "is no Schema Registry"),
        (200, "<html>".to_owned(), true, true, "is no Schema Registry"),
        (200, "{}".to_owned(), true, true, "is no Schema Registry"),
        (200, json!({"id": -1}).to_string(), true, true, "is no Schema Registry"),
        (200, json!({"id": "5"}).to_string(), true, true, "is no Schema Registry"),
        (200, long, true, true, "a very long answer"),
    ] {
        let shown: String = body.chars().take(50).collect();
        let fake = Fake::start(move |_| (status, body.clone()));
        let settings = SchemaRegistry { auto_register: register, ..fake.settings() };
        match Registry::new(&settings).expect("a client").id(&wanted).await {
            Ok(id) => assert_eq!((id, says), (5, ""), "{status} {shown}"),
            Err(error) => {
                let text = format!("{error} {error:?}");
                assert!(!says.is_empty() && text.contains(says), "{status} {shown}: {text}");
                assert!(!error.to_string().contains('\n') && !text.contains("s3cret"), "{text}");
                assert_eq!(error.is_configuration(), configuration, "{text}");
            }
        }
        let asked = fake.asked();
        assert!(asked.len() == 1 && asked[0].way.starts_with("POST /base/subjects/t-value"), "{asked:?}");
    }
    let nobody = SchemaRegistry { url: "http://127.0.0.1:1".to_owned(), ..Fake::start(willing).settings() };
    let error = Registry::new(&nobody).expect("a client").id(&wanted).await.expect_err("nobody is there");
    assert!(error.to_string().contains("cannot be reached") && !error.is_configuration(), "{error}");
}

/// What `check` is told where the schema is not known yet.
#[tokio::test]
async fn compatibility_is_asked_before_a_schema_is_there() {
    let wanted = Wanted { topic: "t".into(), subject: "t-value".into(), schema: Arc::from("{}"), name: "event-data" };
    for (status, body, expected) in [
        (200, json!({"is_compatible": true}), Ok(None)),
        (404, json!({"error_code": 40401}), Ok(None)),
        (200, json!({"is_compatible": false}), Err("set the compatibility of this subject to NONE")),
        (200, json!({"compatible": true}), Err("is no Schema Registry")),
    ] {
        let fake = Fake::start(move |asked| {
            if asked.way.contains("/compatibility/subjects/t-value/versions/latest") {
                (status, body.to_string())
            } else {
                (404, json!({"error_code": 40403, "message": "Schema not found"}).to_string())
            }
        });
        let found = Registry::new(&fake.settings()).expect("a client").look(&wanted).await.map_err(|e| e.to_string());
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            other => panic!("{other:?}"),
        }
    }
}
