//! `--otlp`: what a collector gets from `poll` and `run`, and that one that does not answer changes nothing.

use crate::scripted::{self, Server};
use reply_ingest::demo::{Broker, RUN_TOPIC, TOPIC};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A request: its first line and headers, and the body.
type Request = (Vec<String>, Value);

/// A collector that takes everything and keeps it.
struct Collector {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listens");
        let port = listener.local_addr().expect("an address").port();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                // The client keeps its connection, so one may bring several requests.
                std::thread::spawn(move || {
                    while let Some(request) = request(&stream) {
                        // Kept first: who has the answer may look at once.
                        seen.lock().expect("no panic").push(request);
                        if answer(&stream).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { port, requests }
    }

    fn seen(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic").clone()
    }
}

fn answer(mut stream: &TcpStream) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}")
}

fn request(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_ascii_lowercase());
    }
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).and_then(|n| n.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, serde_json::from_slice(&body).ok()?))
}

/// The points of a metric, as labels joined by commas and the value.
fn points(body: &Value, name: &str, kind: &str) -> Vec<(String, Value)> {
    let metrics = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().expect("metrics");
    let points = metrics.iter().find(|m| m["name"] == name).map(|m| m[kind]["dataPoints"].as_array().expect("points"));
    let labels = |point: &Value| {
        let all = point["attributes"].as_array().expect("attributes").iter();
        all.map(|a| a["value"]["stringValue"].as_str().expect("a text").to_owned()).collect::<Vec<_>>().join(",")
    };
    points.into_iter().flatten().map(|p| (labels(p), p.get("asDouble").unwrap_or(&p["count"]).clone())).collect()
}

fn mail(number: usize) -> Vec<u8> {
    format!(
        "From: Ana <ana{number}@customer.example>\r\nTo: replies@campaigns.example\r\nSubject: Re: Offer\r\n\r\nYes.\r\n"
    )
    .into_bytes()
}

fn config(folder: &Path, server: &Server, broker: &Broker, more: &str) {
    let text = format!(
        "kafka: {{brokers: [\"{}\"], topic: {TOPIC}, run_topic: {RUN_TOPIC}}}\nledger: {{file: l.redb}}\n\
         auth: {{enabled: false}}\n{more}\nmailboxes:\n  - {{name: r, host: 127.0.0.1, port: {}, tls: none, username: r, \
         password: {}, retention: delete}}\n",
        broker.bootstrap(),
        server.port(),
        scripted::PASSWORD
    );
    fs::write(folder.join("c.yaml"), text).expect("writes");
}

fn program(folder: &Path, command: &str, url: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_reply-ingest"));
    program.args([command, "--config", "c.yaml", "--otlp", url]).current_dir(folder);
    program.env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20c2VjcmV0");
    program.env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test");
    program
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_poll_sends_what_it_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(&[TOPIC, RUN_TOPIC]).expect("a broker");
    let server = Server::start(&[mail(1), mail(2), mail(3)]);
    let collector = Collector::start();
    config(folder.path(), &server, &broker, "");
    let url = format!("http://127.0.0.1:{}", collector.port);
    let polled = program(folder.path(), "poll", &url).output().expect("starts");
    assert!(polled.status.success(), "{}", said(&polled.stderr));
    let seen = collector.seen();
    assert_eq!(seen.len(), 1);
    let (head, body) = &seen[0];
    assert_eq!(head[0], "post /v1/metrics http/1.1");
    for header in ["content-type: application/json", "authorization: basic c2vjcmv0"] {
        assert!(head.iter().any(|line| line == header), "{head:?}");
    }
    let resource = body["resourceMetrics"][0]["resource"]["attributes"].to_string();
    for word in ["service.name", "reply-ingest", "service.version", "deployment.environment.name", "test"] {
        assert!(resource.contains(word), "{resource}");
    }
    let published = points(body, "reply_ingest_mails", "sum");
    assert!(published.contains(&("r,published".to_owned(), 3.0.into())), "{published:?}");
    assert_eq!(points(body, "reply_ingest_mails_deleted", "sum"), [("r".to_owned(), 3.0.into())]);
    assert_eq!(points(body, "reply_ingest_run_last_exit_code", "gauge"), [(String::new(), 0.0.into())]);
    assert_eq!(points(body, "reply_ingest_run_duration_seconds", "histogram"), [(String::new(), "1".into())]);
    let build = points(body, "reply_ingest_build_info", "gauge");
    let (labels, _) = &build[0];
    let (version, ruleset) = labels.split_once(',').expect("two labels");
    assert_eq!((version, ruleset.len()), (env!("CARGO_PKG_VERSION"), 12), "{labels}");
}

#[test]
fn a_collector_that_does_not_answer_fails_no_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(&[TOPIC, RUN_TOPIC]).expect("a broker");
    let server = Server::start(&[mail(1)]);
    config(folder.path(), &server, &broker, "");
    // Connections are made by the system, and nobody speaks on them.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listens");
    let silent = format!("http://127.0.0.1:{}", silent.local_addr().expect("an address").port());
    for url in [silent.as_str(), "http://user:hunter2@127.0.0.1:9", "no-url"] {
        let mut poll = program(folder.path(), "poll", url);
        let polled = poll.env("OTEL_EXPORTER_OTLP_TIMEOUT", "300").output().expect("starts");
        let said = said(&polled.stderr);
        assert!(polled.status.success(), "{url}: {said}");
        assert!(said.contains("metrics are lost") && !said.contains("hunter2"), "{url}: {said}");
    }
    assert_eq!(server.count(), 0, "the mail was taken all the same");
}

#[test]
fn run_sends_again_and_again_and_once_more_at_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(&[TOPIC, RUN_TOPIC]).expect("a broker");
    let server = Server::start(&[mail(1), mail(2)]);
    let collector = Collector::start();
    config(folder.path(), &server, &broker, "run: {schedule: \"@daily\", at_start: true, listen: \"127.0.0.1:0\"}");
    let url = format!("http://127.0.0.1:{}", collector.port);
    let mut run = program(folder.path(), "run", &url);
    run.env("OTEL_METRIC_EXPORT_INTERVAL", "200").stderr(Stdio::null());
    let mut run = run.spawn().expect("starts");
    let published = |request: &Request| {
        points(&request.1, "reply_ingest_mails", "sum").contains(&("r,published".to_owned(), 2.0.into()))
    };
    let began = Instant::now();
    while collector.seen().iter().filter(|request| published(request)).count() < 2 {
        assert!(began.elapsed() < Duration::from_mins(1), "{:?}", collector.seen().len());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(Command::new("kill").args(["-TERM", &run.id().to_string()]).status().expect("kills").success());
    assert_eq!(run.wait().expect("ends").code(), Some(0));
    let last = collector.seen().pop().expect("requests");
    assert!(published(&last));
}
