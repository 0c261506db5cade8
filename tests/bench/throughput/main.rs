//! How many mails a second go from Dovecot over POP3S into a real broker, all stations on, exactly once, with all
//! servers on the same machine: `cargo bench --bench throughput`.
//!
//! 10,000 signed mails of 8 KiB in one mailbox, and 20 in each of 500: `MAILBOXES` and `MAILS` set others, `ROUNDS` how
//! often, `DELIVERY` the other mode, `KEEP_FOLDER` a folder for the worker's log and metrics. Beside what each
//! step of the line takes in the worker stands what it takes where nothing else runs. It needs what `tests/servers`
//! needs. It measures: no time is asserted; that each mail's event is there with its verdicts is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark")]

#[path = "../../servers/harness/mod.rs"]
mod harness;
mod process;
mod signed;
mod stations;

use harness::consumer::committed;
use harness::dovecot::Dovecot;
use harness::kafka::Kafka;
use harness::pop3_server::{self, Pop3Server};
use harness::{available, create_compacted, create_topics, maildir, program};
use process::Used;
use reply_ingest::demo::DnsServer;
use serde_json::Value;
use signed::{RECEIVER, Senders};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The program's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Dovecot as who serves many mailboxes sets it: a process serves one login after the other, instead of one alone. Passwords
/// are asked for as Dovecot does by itself: with SCRAM, either side would spend milliseconds of a login on hashing.
const HIGH_PERFORMANCE: &str = "auth_mechanisms = plain\nservice pop3-login {\n  service_count = 0\n  process_min_avail = 2\n}\n\
                                service pop3 {\n  service_count = 1000\n}";

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

fn main() {
    let rounds = number("ROUNDS").unwrap_or(2);
    let cases = match (number("MAILBOXES"), number("MAILS")) {
        (None, None) => vec![(1, 10_000), (500, 20)],
        (mailboxes, mails) => vec![(mailboxes.unwrap_or(1), mails.unwrap_or(10_000))],
    };
    for (mailboxes, mails) in cases {
        measure(mailboxes, mails, rounds);
    }
}

fn measure(mailboxes: usize, mails: usize, rounds: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let users: Vec<String> = (0..mailboxes).map(|n| format!("m{n}")).collect();
    let names: Vec<&str> = users.iter().map(String::as_str).collect();
    let Some(dovecot) = available(Dovecot::start_with(&folder.path().join("d"), &names, HIGH_PERFORMANCE)) else {
        return;
    };
    let Some(kafka) = available(Kafka::start(&folder.path().join("k"))) else { return };
    create_topics(&kafka, &["t", "t.runs", "t.alone"]);
    create_compacted(&kafka, &["l"]);
    let senders = Senders::new();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let dns = runtime.block_on(DnsServer::start(senders.zone.clone())).expect("a name server");
    let config = folder.path().join("c.yaml");
    fs::write(&config, configuration(&dovecot, &kafka, dns.port(), folder.path(), &users)).expect("writes");
    println!("{mailboxes} mailboxes of {mails} mails:");
    for round in 0..rounds {
        for (number, user) in users.iter().enumerate() {
            let box_ = dovecot.maildir(user);
            let seed = (round * mailboxes + number) as u64;
            for index in 0..mails {
                let name = format!("{}.M{index:06}P{seed}.test", mail_time(index));
                maildir::deliver(&box_, &name, &senders.mail(seed, index));
            }
        }
        let first = users.first().expect("a mailbox");
        let (port, ca_file, password) = (dovecot.pop3s_port(), dovecot.ca_file(), pop3_server::password(first));
        let pop3 = stations::Pop3 { port, ca_file: &ca_file, user: first, password };
        // Before each round: a machine that others share is not as quick at one time as at another. So the broker of the
        // first is not one that has just begun, too, as no broker in service is.
        let of_all = || stations::alone(&senders, &config, &pop3);
        let alone = std::thread::scope(|scope| scope.spawn(of_all).join()).expect("measures");
        let file = folder.path().join("metrics.prom");
        let mut command = Command::new(program());
        // As in the image.
        command.env("MALLOC_ARENA_MAX", "2");
        command.args(["poll", "--metrics-file"]).arg(&file).arg("--config").arg(&config);
        command.stderr(fs::File::create(folder.path().join("log")).expect("a log"));
        let used = Used::by(command);
        if let Some(kept) = std::env::var_os("KEEP_FOLDER") {
            for name in ["log", "metrics.prom"] {
                let _ = fs::copy(folder.path().join(name), Path::new(&kept).join(name));
            }
        }
        assert!(used.status.success(), "{}", fs::read_to_string(folder.path().join("log")).unwrap_or_default());
        let metrics = fs::read_to_string(&file).unwrap_or_default();
        let run = metrics.lines().find_map(|l| l.strip_prefix("reply_ingest_run_duration_seconds_sum ")?.parse().ok());
        print!("{}", used.told(mailboxes * mails, run.unwrap_or_default()));
        let (all, client) = (used.of_a_mail(mailboxes * mails), used.of_threads("rdk:", mailboxes * mails));
        print!("{}", stations::beside(&alone, &metrics, all, client));
        let left: usize = users.iter().map(|user| dovecot.count(user)).sum();
        assert_eq!(left, 0, "mails are left");
    }
    check(&kafka, mailboxes * mails * rounds);
}

/// Seconds since 1970, in the order of delivery.
fn mail_time(index: usize) -> usize {
    harness::mail::time(index)
}

fn configuration(dovecot: &Dovecot, kafka: &Kafka, dns: u16, folder: &Path, users: &[String]) -> String {
    let delivery = std::env::var("DELIVERY").unwrap_or_else(|_| "exactly_once".to_owned());
    let ledger = if delivery == "exactly_once" {
        "topic: l".to_owned()
    } else {
        format!("file: {}", folder.join("ledger.redb").display())
    };
    let mut text = format!(
        "delivery: {delivery}\nkafka: {{brokers: [\"{}\"], topic: t, run_topic: t.runs}}\nledger: {{{ledger}}}\n\
         dns: {{servers: [\"127.0.0.1:{dns}\"]}}\nmailboxes:\n",
        kafka.bootstrap(),
    );
    for user in users {
        let _ = writeln!(
            text,
            "  - {{name: {user}, host: localhost, port: {}, ca_file: {}, username: {user}, password: {}, \
             retention: delete, trust: {{by: [{RECEIVER}, store.campaigns.example]}}}}",
            dovecot.pop3s_port(),
            dovecot.ca_file().display(),
            pop3_server::password(user),
        );
    }
    text
}

/// Every mail's event is there once, its signature and its sender are right.
fn check(kafka: &Kafka, mails: usize) {
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    let mut ids = std::collections::HashSet::new();
    committed(&kafka.bootstrap(), "t", |value| {
        let event: Value = serde_json::from_slice(value).expect("is JSON");
        let word = |at: &str| event.pointer(at).and_then(Value::as_str).unwrap_or("none").to_owned();
        let told = format!(
            "{}: dkim {}, spf {}, dmarc {}",
            word("/data/kind"),
            word("/data/auth/dkim/0/result"),
            word("/data/auth/spf/result"),
            word("/data/auth/dmarc/result")
        );
        *verdicts.entry(told).or_default() += 1;
        ids.insert(word("/id"));
    });
    for (told, count) in &verdicts {
        println!("  {count:>7}  {told}");
    }
    assert_eq!((ids.len(), verdicts.values().sum::<usize>()), (mails, mails), "each mail has one event");
    assert!(verdicts.keys().all(|told| told.contains("dkim pass") && told.contains("dmarc pass")), "{verdicts:?}");
}
