//! `replay`: every source, form and filter, reasons, other rules, and publishing with a guard.

use crate::scripted::{PASSWORD, Server};
use flate2::Compression;
use flate2::write::GzEncoder;
use reply_ingest::demo::{Broker, consume};
use reply_ingest::event::schema::published;
use reply_ingest::message::to_crlf;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const FIXED: [&str; 5] = ["--no-auth", "--at", "2026-11-22T08:00:00Z", "--run-id", "r1"];

const REPLY: &str = "Received: from mx.customer.example (mx.customer.example [192.0.2.7])\n\tby mx1.campaigns.example with ESMTP id 1;\n\tMon, 16 Nov 2026 09:12:33 +0000\nReceived: from evil.example by anything.example; Mon, 16 Nov 2026 09:12:31 +0000\nFrom: Ana <ana@customer.example>\nTo: replies@campaigns.example\nSubject: Re: Offer\nDate: Mon, 16 Nov 2026 09:12:30 +0000\nMessage-ID: <m1@customer.example>\nIn-Reply-To: <x@campaigns.example>\n\nYes please, send me the details.\n\nOn Mon, 16 Nov 2026 at 08:00, Campaign <c@campaigns.example> wrote:\n> Our offer.\n> Click here to unsubscribe from this list.\n";
const BOUNCE: &str = "From: MAILER-DAEMON@mx.example\nTo: c@campaigns.example\nSubject: Undelivered Mail\nDate: Mon, 16 Nov 2026 10:00:00 +0000\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nIt failed.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; no.such@customer.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 user unknown\n\n--b--\n";
const HOSTILE: &str = "From: \"\u{1b}[31mred\u{1b}]0;owned\u{7}\" <ana@customer.example>\nSubject: \u{1b}[2Jgone \u{202e}evil <script>alert(1)</script>\nIn-Reply-To: <x@campaigns.example>\n\nHello \u{1b}[2J you\n";

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reply-ingest")).args(args).output().expect("starts")
}

/// `replay` with fixed times, which must succeed.
fn replay(args: &[&str]) -> String {
    let output = run(&[&["replay"], args, &FIXED].concat());
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("is UTF-8")
}

fn folder(mails: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in mails {
        fs::write(folder.path().join(name), text).expect("writes");
    }
    folder
}

fn path(folder: &tempfile::TempDir) -> String {
    folder.path().display().to_string()
}

fn origins(jsonl: &str) -> Vec<String> {
    let events = jsonl.lines().map(|l| serde_json::from_str::<Value>(l).expect("JSON"));
    events
        .map(|e| {
            e["data"]["ingest"]["origin"].as_str().expect("an origin").rsplit('/').next().unwrap_or_default().to_owned()
        })
        .collect()
}

#[test]
fn the_output_is_the_same_for_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..120 {
        let mail = if number % 3 == 0 { BOUNCE } else { REPLY };
        fs::write(folder.path().join(format!("{number:03}.eml")), format!("X-Number: {number}\n{mail}"))
            .expect("writes");
    }
    let path = path(&folder);
    let once = replay(&[&path, "--jobs", "1"]);
    assert_eq!(once.lines().count(), 120);
    assert!(origins(&once).is_sorted(), "in the order of the names");
    for jobs in ["2", "7"] {
        assert!(replay(&[&path, "--jobs", jobs]) == once, "{jobs} threads print something else than one");
    }
}

#[test]
fn archives_are_read_from_files_and_from_standard_input() {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, mail) in [("z.eml", REPLY), ("a/b.eml", BOUNCE)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(mail.len() as u64);
        tar.append_data(&mut header, name, mail.as_bytes()).expect("packs");
    }
    let packed = tar.into_inner().expect("packs").finish().expect("packs");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mails.tar.gz");
    fs::write(&file, &packed).expect("writes");
    let from_file = replay(&[&file.display().to_string()]);
    assert_eq!(origins(&from_file), ["mails.tar.gz!z.eml", "b.eml"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
        .args([&["replay", "-"], FIXED.as_slice()].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    child.stdin.take().expect("is piped").write_all(&packed).expect("writes");
    let output = child.wait_with_output().expect("ends");
    assert_eq!(origins(&String::from_utf8_lossy(&output.stdout)), ["-!z.eml", "b.eml"]);
}

#[test]
fn filters_choose_events_and_forms_print_them() {
    let folder = folder(&[("1.eml", REPLY), ("2.eml", BOUNCE), ("3.eml", HOSTILE)]);
    let path = path(&folder);
    let table: [(&[&str], &[&str]); 8] = [
        (&["--kind", "bounce"], &["2.eml"]),
        (&["--kind", "bounce", "--kind", "reply"], &["1.eml", "2.eml", "3.eml"]),
        (&["--since", "2026-11-16T09:30:00Z"], &["2.eml", "3.eml"]),
        (&["--until", "2026-11-16T09:30:00Z"], &["1.eml"]),
        (&["--rule", "bounce_category.mailbox_unknown"], &["2.eml"]),
        (&["--campaign", "spring"], &[]),
        (&["--campaign", "-"], &["1.eml", "2.eml", "3.eml"]),
        (&["--from-mailbox", "other"], &[]),
    ];
    for (filter, expected) in table {
        assert_eq!(origins(&replay(&[&[path.as_str()], filter].concat())), expected, "{filter:?}");
    }
    let json: Value = serde_json::from_str(&replay(&[&path, "--format", "json"])).expect("one array");
    assert_eq!(json.as_array().map(Vec::len), Some(3));
    let none: Value = serde_json::from_str(&replay(&[&path, "--format", "json", "--kind", "delay"])).expect("JSON");
    assert_eq!(none, serde_json::json!([]));
    let csv = replay(&[&path, "--format", "csv"]);
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let kind = rows.headers().expect("a header").iter().position(|h| h == "kind").expect("a column");
    let kinds: Vec<String> = rows.records().map(|r| r.expect("a row")[kind].to_owned()).collect();
    assert_eq!(kinds, ["reply", "bounce", "reply"]);
    let table = replay(&[&path, "--format", "table"]);
    assert!(
        table.contains("hard mailbox_unknown") && table.ends_with("3 mails, events: 1 bounce, 2 reply\n"),
        "{table}"
    );
    let wrong = run(&["replay", &path, "--kind", "bounces"]);
    assert_eq!(wrong.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean `bounce`?"));
}

#[test]
fn a_person_is_told_why() {
    let folder = folder(&[("1.eml", REPLY), ("2.eml", BOUNCE)]);
    let config = folder.path().join("c.yaml");
    let text = "kafka: {brokers: [\"127.0.0.1:1\"], topic: t}\ndns: {servers: [\"127.0.0.1:1\"], timeout: 100ms}\nprivacy: {text: full}\ncorrelators:\n  - {id: thread, in: [thread], pattern: \"<{campaign}.{send}@mailer.example>\"}\nmailboxes:\n  - {name: r, host: h, username: u, password: p, trust: {by: [mx1.campaigns.example]}}\n";
    fs::write(&config, text).expect("writes");
    let config = config.display().to_string();
    let mail = |name: &str| folder.path().join(name).display().to_string();
    let output = run(&["replay", &mail("1.eml"), "--explain", "--config", &config]);
    let reply = String::from_utf8_lossy(&output.stdout).into_owned();
    for words in [
        "reply for ana@customer.example",
        "A person answered.",
        "reply.thread in header:In-Reply-To, line 10",
        "stands in the quoted mail, not in the person's own words",
        "| Yes please, send me the details.",
        "Received 0, by mx1.campaigns.example, client 192.0.2.7",
        "the client is outside: this is the boundary",
        "1 Received line below: whatever the sender wrote",
        "_dmarc.customer.example TXT: nobody answered in time",
        "unmatched: asked thread, and none found anything",
    ] {
        assert!(reply.contains(words), "{words} in\n{reply}");
    }
    let bounce = replay(&[&mail("2.eml"), "--explain", "--config", &config]);
    for words in [
        "bounce for no.such@customer.example: hard, mailbox_unknown, SMTP 550, status 5.1.1",
        "suppress is false: no campaign fits, and anyone can write a report.",
        "gives mailbox_unknown at 0.90, in report:Diagnostic-Code, line 19: \"user unknown\"",
        "multipart/report",
        "no Received line is left that one of your hosts wrote: SPF is not checked",
    ] {
        assert!(bounce.contains(words), "{words} in\n{bounce}");
    }
    assert!(!bounce.contains('\u{1b}'), "no colours where there is no terminal");
    assert!(replay(&[&mail("2.eml"), "--explain", "--color", "always"]).contains("\u{1b}[32m"));
}

#[test]
fn a_mail_writes_nothing_to_the_terminal_of_who_looks_at_it() {
    let folder = folder(&[("3.eml", HOSTILE)]);
    for form in [["--explain", "--color=never"], ["--format", "table"]] {
        let text = replay(&[&[path(&folder).as_str()], form.as_slice()].concat());
        let odd = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.chars().any(odd), "{form:?}: {text:?}");
        assert!(text.contains("ana@customer.example"), "{text}");
    }
}

#[test]
fn explanations_for_programs_are_what_their_schema_says() {
    let schema = published().into_iter().find(|s| s.name == "explain").expect("is published").schema;
    let validator = jsonschema::validator_for(&schema).expect("compiles");
    let folder = folder(&[("1.eml", REPLY), ("2.eml", BOUNCE), ("3.eml", HOSTILE), ("4.eml", "nothing")]);
    let text = replay(&[&path(&folder), "--explain=json"]);
    assert_eq!(text.lines().count(), 4);
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).expect("JSON");
        let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}: {line}");
    }
    let bounce: Value = serde_json::from_str(text.lines().nth(1).expect("two")).expect("JSON");
    let verdict = &bounce["verdicts"][0];
    assert_eq!(verdict["kind"], "bounce");
    assert_eq!(verdict["evidence"][1]["line"], 19);
    assert!(verdict["runners_up"].as_array().expect("a list").iter().any(|r| r["why_not"] == "says_the_same"));

    let config = folder.path().join("c.yaml");
    let text = "kafka: {brokers: [\"127.0.0.1:1\"], topic: t}\nprivacy: {addresses: omit, text: omit}\nmailboxes:\n  - {name: r, host: h, username: u, password: p}\n";
    fs::write(&config, text).expect("writes");
    let mails = ["1.eml", "2.eml"].map(|n| folder.path().join(n).display().to_string());
    let closed = replay(&[&mails[0], &mails[1], "--explain=json", "--config", &config.display().to_string()]);
    for word in ["ana@", "customer.example>", "no.such@", "Yes please", "Offer", "Click here"] {
        assert!(!closed.contains(word), "{word} in {closed}");
    }
}

#[test]
fn what_other_rules_would_change_is_shown_with_the_mails() {
    let folder = folder(&[("1.eml", REPLY), ("2.eml", BOUNCE)]);
    let file = folder.path().join("ours.toml");
    let rule = "[[rule]]\nid = \"bounce_category.ours\"\ntable = \"bounce_category\"\ngives = \"mailbox_full\"\nin = [\"diagnostic\"]\nany = [\"user unknown\"]\nconfidence = 0.99\nexample = \"user unknown\"\nsource = \"a test\"\n";
    fs::write(&file, rule).expect("writes");
    let mails = ["1.eml", "2.eml"].map(|n| folder.path().join(n).display().to_string());
    let ours = file.display().to_string();
    let text = replay(&[&mails[0], &mails[1], "--rules", &ours, "--diff", "built-in"]);
    for words in [
        "1  bounce hard mailbox_unknown → bounce soft mailbox_full",
        "2.eml  bounce_category.mailbox_unknown.user_unknown → bounce_category.ours",
        "2 mails: 1 event stays what it was, 1 differs",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
    // The other way round: these rules were the old ones.
    let back = replay(&[&mails[0], &mails[1], "--diff", &ours]);
    assert!(back.contains("bounce soft mailbox_full → bounce hard mailbox_unknown"), "{back}");
    // Against a saved run.
    let saved = folder.path().join("saved.jsonl");
    fs::write(&saved, replay(&[&mails[0], &mails[1]])).expect("writes");
    let saved = saved.display().to_string();
    let same = replay(&[&mails[0], &mails[1], "--diff", &saved]);
    assert_eq!(same, "2 mails: 2 events stay what they were, 0 differ\n");
    let json = replay(&[&mails[0], &mails[1], "--rules", &ours, "--diff", &saved, "--format", "json"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["moves"][0]["to"], "bounce soft mailbox_full");
    assert_eq!(json["moved"], 1);
}

#[test]
fn a_mail_in_a_live_mailbox_is_read_and_stays() {
    let mails = [REPLY, BOUNCE].map(|m| to_crlf(m.as_bytes()).into_owned());
    let server = Server::start(&mails);
    let folder = tempfile::tempdir().expect("a folder");
    let config = configuration(folder.path(), server.port(), "127.0.0.1:1");
    let config = config.display().to_string();
    let text = replay(&["--config", &config, "--mailbox", "r", "--uidl", "id-2"]);
    let event: Value = serde_json::from_str(&text).expect("one event");
    assert_eq!(event["data"]["kind"], "bounce");
    assert_eq!(event["data"]["ingest"]["uidl"], "id-2");
    assert_eq!((server.count(), server.times("DELE"), server.times("RETR")), (2, 0, 1));
    let missing = run(&["replay", "--no-auth", "--config", &config, "--mailbox", "r", "--uidl", "id-9"]);
    assert_eq!(missing.status.code(), Some(75));
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(said.contains("id-9: the mailbox has no mail with this id"), "{said}");
}

fn configuration(folder: &Path, port: u16, brokers: &str) -> PathBuf {
    let path = folder.join("c.yaml");
    let text = format!(
        "kafka: {{brokers: [\"{brokers}\"], topic: t, ack_timeout: 20s}}\nledger: {{file: {}/l.redb}}\nmailboxes:\n  - {{name: r, host: 127.0.0.1, \
         port: {port}, tls: none, username: r, password: {PASSWORD}}}\n",
        folder.display()
    );
    fs::write(&path, text).expect("writes");
    path
}

#[test]
fn publishing_asks_first_and_gives_new_ids_only_to_what_changed() {
    let broker = Broker::start(&["t"]).expect("a broker");
    let folder = folder(&[("1.eml", REPLY), ("2.eml", BOUNCE)]);
    let config = configuration(folder.path(), 1, &broker.bootstrap()).display().to_string();
    let mails = ["1.eml", "2.eml"].map(|n| folder.path().join(n).display().to_string());
    let before: Vec<Value> = replay(&[&mails[0], &mails[1], "--config", &config])
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    // What was published said something else of the bounce.
    let mut old = before.clone();
    old[1]["data"]["bounce"]["category"] = "policy".into();
    let saved = folder.path().join("old.jsonl");
    let lines: Vec<String> = old.iter().map(Value::to_string).collect();
    fs::write(&saved, lines.join("\n")).expect("writes");
    let (saved, mark) = (saved.display().to_string(), folder.path().join("mark.json").display().to_string());
    let args = [&["replay", &mails[0], &mails[1], "--config", &config, "--diff", &saved], FIXED.as_slice()].concat();

    let asked = run(&[args.as_slice(), &["--publish"]].concat());
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert_eq!(asked.status.code(), Some(64), "{said}");
    for words in [
        "topic t at",
        "2 files",
        "an id of their own and `supersedes`",
        "error: nothing was published, because --yes is missing",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }

    let published = run(&[args.as_slice(), &["--publish", "--yes", "--resume", &mark]].concat());
    let said = String::from_utf8_lossy(&published.stderr).into_owned();
    assert!(published.status.success() && said.contains("published 2 events of 2 mails to t"), "{said}");
    let again = run(&[args.as_slice(), &["--publish", "--yes", "--resume", &mark]].concat());
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.success() && said.contains("published 0 events of 0 mails"), "{said}");

    let wait = Duration::from_secs(30);
    let mut events: Vec<Value> = consume(&broker.bootstrap(), "t", 2, wait)
        .expect("consumes")
        .iter()
        .map(|c| serde_json::from_slice(&c.value).expect("JSON"))
        .collect();
    events.sort_by_key(|e| e["data"]["kind"].as_str().map(str::to_owned));
    let [bounce, reply] = events.as_slice() else { panic!("two events: {events:?}") };
    assert_eq!((&reply["id"], &reply["data"]["supersedes"]), (&before[0]["id"], &Value::Null));
    assert_ne!(bounce["id"], before[1]["id"]);
    assert_eq!(bounce["data"]["supersedes"], before[1]["id"]);
    assert_eq!(bounce["data"]["dedupe_key"], before[1]["id"]);
    assert_eq!(bounce["data"]["ingest"]["replay"], true);

    let other = run(&["replay", &mails[1], &mails[0], "--config", &config, "--publish", "--yes", "--resume", &mark]);
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(other.status.code() == Some(64) && said.contains("not those of which the file"), "{said}");
}
