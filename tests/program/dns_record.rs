//! What was recorded when a mail was ingested gives the same verdicts when its zone is gone.

use crate::events::{by_id, program};
use reply_ingest::demo::{
    Broker, DnsServer, MAILBOXES, Maildrop, PASSWORD, Pop3Server, RUN_TOPIC, Samples, TOPIC, configuration_file,
    consume,
};
use std::fs;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn the_same_events_without_the_zone() {
    let samples = Samples::make().expect("samples");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let mut drops: std::collections::HashMap<String, Maildrop> = MAILBOXES
        .iter()
        .map(|&name| (name.to_owned(), Maildrop { password: PASSWORD.to_owned(), mails: Vec::new() }))
        .collect();
    for (number, sample) in samples.list.iter().enumerate() {
        let mails = &mut drops.get_mut(&sample.mailbox).expect("a mailbox").mails;
        mails.push((format!("demo{number:04}"), sample.mail.clone()));
        // As a server sends it: the last line has an end.
        let mut wire = sample.mail.clone();
        if !wire.ends_with(b"\r\n") {
            wire.extend_from_slice(b"\r\n");
        }
        fs::create_dir_all(path(&sample.mailbox)).expect("a folder");
        fs::write(path(&sample.mailbox).join(format!("{number:04}.eml")), wire).expect("writes");
    }
    let server = Pop3Server::start(drops).await.expect("a server");
    let dns = DnsServer::start(samples.zone.clone()).await.expect("a name server");
    let broker = Broker::start(&[TOPIC, RUN_TOPIC]).expect("a broker");
    fs::write(path("ca.pem"), server.certificate()).expect("writes");
    let text = configuration_file(folder.path(), server.port(), dns.port(), &broker.bootstrap());
    assert!(text.contains("\ndns:\n"), "{text}");
    fs::write(path("c.yaml"), text.replace("\ndns:\n", "\ndns:\n  record: answers\n")).expect("writes");

    let polled = program(&["poll", "--config", "c.yaml"], folder.path()).await;
    let log = String::from_utf8_lossy(&polled.stderr);
    assert!(polled.status.success(), "{log}");
    assert!(log.contains("name resolution"), "{log}");
    drop(dns);

    let (mut lines, mut without) = (Vec::new(), Vec::new());
    for mailbox in MAILBOXES {
        let replay = ["replay", "--config", "c.yaml", "--mailbox", mailbox, "--dns-record"];
        let output = program(&[&replay[..], &["answers", mailbox]].concat(), folder.path()).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!String::from_utf8_lossy(&output.stderr).contains("is not checked"));
        lines.extend_from_slice(&output.stdout);
        // And with a record of nothing, nothing is checked.
        fs::create_dir_all(path("empty")).expect("a folder");
        let output = program(&[&replay[..], &["empty", mailbox]].concat(), folder.path()).await;
        without.extend_from_slice(&output.stdout);
        assert!(String::from_utf8_lossy(&output.stderr).contains("is not checked"));
    }
    // A copy with the line ends of Unix is another mail, and what was recorded for the first one is named.
    let mail = fs::read(path(MAILBOXES[0]).join("0000.eml")).or_else(|_| {
        let first = fs::read_dir(path(MAILBOXES[0])).expect("is there").next().expect("a mail").expect("is read");
        fs::read(first.path())
    });
    let mail = String::from_utf8_lossy(&mail.expect("is read")).replace("\r\n", "\n");
    fs::write(path("lf.eml"), mail).expect("writes");
    let replay = ["replay", "--config", "c.yaml", "--mailbox", MAILBOXES[0], "--dns-record", "answers", "lf.eml"];
    let output = program(&replay, folder.path()).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("recorded for this mail with other line ends"), "{said}");
    let replayed = by_id(lines.split(|&b| b == b'\n').filter(|l| !l.is_empty()));
    let brokers = broker.bootstrap();
    let count = replayed.len();
    let consumed = tokio::task::spawn_blocking(move || consume(&brokers, TOPIC, count, Duration::from_secs(20)));
    let consumed = consumed.await.expect("ends").expect("consumes");
    let published = by_id(consumed.iter().map(|c| c.value.as_slice()));
    assert!(count > samples.list.len(), "{count} events of {} mails", samples.list.len());
    for (id, event) in &published {
        assert_eq!(replayed.get(id), Some(event), "{id}");
    }
    assert_eq!(published.len(), count);
    let words = |of: &str| published.values().filter(|e| e["data"]["auth"][of]["result"] == "pass").count();
    assert!(words("spf") > 3 && words("dmarc") > 3, "the zone was asked: {} {}", words("spf"), words("dmarc"));
    let unchecked = by_id(without.split(|&b| b == b'\n').filter(|l| !l.is_empty()));
    assert!(unchecked.values().all(|e| e["data"].get("auth").is_none()));
}
