//! Runs that do not do everything, on purpose: guards that withhold deletes, a time that is up, a signal, a shard.

use crate::scripted::{self, Rule, Server, on};
use reply_ingest::demo::{Broker, RUN_TOPIC, TOPIC, consume};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

struct Setup {
    folder: tempfile::TempDir,
    broker: Broker,
    server: Server,
}

impl Setup {
    fn new(mails: &[Vec<u8>], more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let broker = Broker::start(&[TOPIC, RUN_TOPIC]).expect("a broker");
        let setup = Self { folder, broker, server: Server::start(mails) };
        setup.configure(&["r"], more);
        setup
    }

    fn configure(&self, names: &[&str], more: &str) {
        let port = self.server.port();
        let mailbox = |name: &&str| {
            format!(
                "  - {{name: {name}, host: 127.0.0.1, port: {port}, tls: none, username: {name}, password: {}, \
                 retention: delete}}\n",
                scripted::PASSWORD
            )
        };
        let text = format!(
            "kafka: {{brokers: [\"{}\"], topic: {TOPIC}, run_topic: {RUN_TOPIC}}}\nledger: {{file: l.redb}}\n\
             auth: {{enabled: false}}\n{more}\nmailboxes:\n{}",
            self.broker.bootstrap(),
            names.iter().map(mailbox).collect::<String>()
        );
        fs::write(self.folder.path().join("c.yaml"), text).expect("writes");
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reply-ingest"));
        command.args(["poll", "--config", "c.yaml"]).args(more).current_dir(self.folder.path());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn poll(&self, more: &[&str], code: i32) -> String {
        ended(&self.command(more).output().expect("starts"), code)
    }

    fn records(&self, topic: &str, count: usize, wait: u64) -> Vec<Value> {
        let records = consume(&self.broker.bootstrap(), topic, count, Duration::from_secs(wait)).expect("consumes");
        records.iter().map(|record| serde_json::from_slice(&record.value).expect("JSON")).collect()
    }

    /// Of the run with this number, counted from 1, what it says of itself and of its first mailbox.
    fn run(&self, number: usize) -> (Value, Value) {
        let mut runs = self.records(RUN_TOPIC, number, 20);
        runs.sort_by_key(|run| run["data"]["started_at"].as_str().expect("a time").to_owned());
        let run = runs[number - 1]["data"].clone();
        let mailbox = run["mailboxes"][0].clone();
        (run, mailbox)
    }

    /// Ids of all events so far, where no more than `most` are expected.
    fn ids(&self, most: usize) -> Vec<String> {
        self.records(TOPIC, most + 1, 3).iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
    }
}

fn ended(output: &Output, code: i32) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    stderr
}

fn replies(count: usize) -> Vec<Vec<u8>> {
    let reply = |number| {
        format!(
            "From: Ana <ana{number}@customer.example>\r\nTo: replies@campaigns.example\r\nSubject: Re: Offer\r\n\
             In-Reply-To: <x@campaigns.example>\r\n\r\nYes please, number {number}.\r\n"
        )
        .into_bytes()
    };
    (1..=count).map(reply).collect()
}

/// Mails that nobody understands.
fn blanks(count: usize) -> Vec<Vec<u8>> {
    (1..=count).map(|lines| b"\r\n".repeat(lines)).collect()
}

#[test]
fn more_deletes_than_the_limit_wait_for_a_person() {
    let setup = Setup::new(&replies(30), "guards: {max_deletes: 10}");
    let stderr = setup.poll(&[], 79);
    for words in ["guards.max_deletes", "would delete 30 of 30 mails", "poll --mailbox r --allow-deletes"] {
        assert!(stderr.contains(words), "{words}: {stderr}");
    }
    assert_eq!(setup.server.count(), 30, "nothing is deleted");
    assert_eq!(setup.ids(30).len(), 30, "everything is published");
    let (run, mailbox) = setup.run(1);
    assert_eq!((&run["exit_code"], &mailbox["guard"]), (&Value::from(79), &Value::from("max_deletes")));
    assert_eq!((&mailbox["deletes_withheld"], &mailbox["deleted"]), (&Value::from(30), &Value::from(0)));
    assert!(mailbox.get("failure").is_none(), "{mailbox}");

    let fetched = setup.server.times("RETR");
    setup.poll(&[], 79);
    assert_eq!(setup.server.times("RETR"), fetched, "what is withheld is not fetched again in vain");
    setup.poll(&["--allow-deletes"], 0);
    assert_eq!(setup.server.count(), 0);
    assert_eq!(setup.ids(30).len(), 30, "and nothing is published twice");
    let (_, mailbox) = setup.run(3);
    assert_eq!((&mailbox["deleted"], mailbox.get("guard")), (&Value::from(30), None));
}

#[test]
fn a_share_of_the_mailbox_is_a_limit_too() {
    let setup = Setup::new(&replies(25), "guards: {max_delete_share: 90%}");
    assert!(setup.poll(&[], 79).contains("more than 90%"));
    assert_eq!(setup.server.count(), 25);
    setup.configure(&["r"], "guards: {max_delete_share: 100%}");
    setup.poll(&[], 0);
    assert_eq!(setup.server.count(), 0);
}

#[test]
fn a_flood_of_mail_that_nobody_understands_is_kept_until_somebody_does() {
    let guards = "guards: {max_unclassified_share: 50%}";
    let setup = Setup::new(&[replies(10), blanks(15)].concat(), guards);
    let stderr = setup.poll(&[], 79);
    assert!(stderr.contains("of 25 mails to delete 15 are unclassified, more than 50%"), "{stderr}");
    assert_eq!((setup.server.count(), setup.ids(25).len()), (25, 25));
    setup.poll(&[], 79);
    assert_eq!(setup.server.count(), 25, "a second run does not forget what the first one saw");
    // With enough that is understood, it is no flood.
    for mail in replies(20).split_off(10) {
        setup.server.deliver(mail);
    }
    setup.poll(&[], 0);
    assert_eq!((setup.server.count(), setup.ids(35).len()), (0, 35));
}

/// Every mail takes a while.
fn slow() -> Rule {
    on("RETR").edit(|_, answer| {
        sleep(Duration::from_millis(150));
        answer
    })
}

const ONE_AT_A_TIME: &str = "limits: {pipeline: 1";

#[test]
fn a_run_whose_time_is_up_ends_cleanly_and_the_next_goes_on() {
    let setup = Setup::new(&replies(20), &format!("{ONE_AT_A_TIME}, run_time: 1s}}"));
    setup.server.set([slow()]);
    setup.poll(&[], 0);
    let left = setup.server.count();
    assert!((1..20).contains(&left), "{left}");
    assert_eq!(setup.server.quits(), 1, "what was published is deleted");
    let (run, mailbox) = setup.run(1);
    assert_eq!((&run["ended_early"], &run["exit_code"]), (&Value::from("run_time"), &Value::from(0)));
    assert_eq!((&mailbox["unfinished"], mailbox.get("failure")), (&Value::from(true), None));
    assert_eq!(setup.ids(20).len(), 20 - left);

    setup.server.set([]);
    setup.configure(&["r"], "");
    setup.poll(&[], 0);
    assert_eq!(setup.server.count(), 0);
    let (run, mailbox) = setup.run(2);
    assert_eq!((run.get("ended_early"), &mailbox["unfinished"]), (None, &Value::from(false)));
    let ids = setup.ids(20);
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (20, 20), "each mail once");
}

#[test]
fn sigterm_finishes_what_was_fetched() {
    let setup = Setup::new(&replies(40), &format!("{ONE_AT_A_TIME}}}"));
    setup.server.set([slow()]);
    let worker = setup.command(&[]).spawn().expect("starts");
    while setup.server.times("RETR") < 3 {
        sleep(Duration::from_millis(10));
    }
    terminate(worker.id());
    ended(&worker.wait_with_output().expect("ends"), 0);
    let left = setup.server.count();
    assert!((1..40).contains(&left) && setup.server.quits() == 1, "{left}");
    assert_eq!(setup.ids(40).len(), 40 - left);
    assert_eq!(setup.run(1).0["ended_early"], "stopped");
}

#[test]
fn sigterm_waits_for_no_login() {
    let setup = Setup::new(&replies(1), "limits: {read_timeout: 1h, command_timeout: 1h}");
    setup.server.set([on("PASS").hold()]);
    let worker = setup.command(&[]).spawn().expect("starts");
    while setup.server.times("PASS") < 1 {
        sleep(Duration::from_millis(10));
    }
    terminate(worker.id());
    // It would sit there for an hour.
    ended(&worker.wait_with_output().expect("ends"), 0);
    assert_eq!(setup.server.count(), 1);
    assert_eq!(setup.run(1).1["unfinished"], true);
}

fn terminate(worker: u32) {
    assert!(Command::new("kill").args(["-TERM", &worker.to_string()]).status().expect("kills").success());
}

#[test]
fn shards_divide_the_mailboxes() {
    let names = ["replies", "bounces", "fbl", "unsubscribe", "alpha", "beta"];
    let setup = Setup::new(&[], "");
    setup.configure(&names, "");
    let polled = |setup: &Setup, number| -> BTreeSet<String> {
        let mailboxes = setup.run(number).0["mailboxes"].clone();
        mailboxes.as_array().expect("a list").iter().map(|m| m["id"].as_str().expect("an id").to_owned()).collect()
    };
    setup.poll(&["--shard", "0/2"], 0);
    let first = polled(&setup, 1);
    let in_a_job = setup
        .command(&[])
        .envs([("REPLY_INGEST_SHARDS", "2"), ("JOB_COMPLETION_INDEX", "1")])
        .output()
        .expect("starts");
    ended(&in_a_job, 0);
    let second = polled(&setup, 2);
    assert!(!first.is_empty() && !second.is_empty() && first.is_disjoint(&second), "{first:?} {second:?}");
    let both: BTreeSet<&str> = first.union(&second).map(String::as_str).collect();
    assert_eq!(both, BTreeSet::from(names));
    let file = |name: &str| Path::exists(&setup.folder.path().join(name));
    assert!(file("l-0.redb") && file("l-1.redb") && !file("l.redb"), "each shard has a ledger");
    for (wrong, words) in
        [(&["--shard", "2/2"][..], "there is no shard 2 of 2"), (&["--shards", "2"], "JOB_COMPLETION_INDEX")]
    {
        let stderr = setup.poll(wrong, 64);
        assert!(stderr.contains(words), "{stderr}");
    }
}
