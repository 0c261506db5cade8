//! The archive: every mail is there before its events are, comes back with the same verdicts, and what cannot be kept is
//! neither published nor deleted.

use crate::events::{by_id, program};
use crate::scripted::{self, Server};
use futures_util::TryStreamExt;
use reply_ingest::archive::{Archive, Reference};
use reply_ingest::demo::{
    Broker, DnsServer, MAILBOXES, Maildrop, PASSWORD, Pop3Server, RUN_TOPIC, Samples, TOPIC, configuration_file,
    consume,
};
use reply_ingest::message::RawMail;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn consumed(broker: &Broker, topic: &'static str, count: usize, wait: u64) -> Vec<Vec<u8>> {
    let brokers = broker.bootstrap();
    let consumed = tokio::task::spawn_blocking(move || consume(&brokers, topic, count, Duration::from_secs(wait)));
    consumed.await.expect("ends").expect("consumes").into_iter().map(|record| record.value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_archived_gives_the_same_events_without_the_zone() {
    let samples = Samples::make().expect("samples");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let mut drops: HashMap<String, Maildrop> = MAILBOXES
        .iter()
        .map(|&name| (name.to_owned(), Maildrop { password: PASSWORD.to_owned(), mails: Vec::new() }))
        .collect();
    for (number, sample) in samples.list.iter().enumerate() {
        let mails = &mut drops.get_mut(&sample.mailbox).expect("a mailbox").mails;
        mails.push((format!("demo{number:04}"), sample.mail.clone()));
    }
    let server = Pop3Server::start(drops).await.expect("a server");
    let dns = DnsServer::start(samples.zone.clone()).await.expect("a name server");
    let broker = Broker::start(&[TOPIC, RUN_TOPIC]).expect("a broker");
    fs::write(path("ca.pem"), server.certificate()).expect("writes");
    let text = configuration_file(folder.path(), server.port(), dns.port(), &broker.bootstrap());
    let off = MAILBOXES[0];
    let text = text.replace(&format!("  - name: {off}\n"), &format!("  - name: {off}\n    archive: false\n"));
    fs::write(path("c.yaml"), format!("archive: {{location: kept, retention: 90d}}\n{text}")).expect("writes");

    let polled = program(&["poll", "--config", "c.yaml"], folder.path()).await;
    assert!(polled.status.success(), "{}", stderr(&polled));
    drop(dns);

    let replayed = program(&["replay", "--config", "c.yaml", "--archive", "kept"], folder.path()).await;
    assert!(replayed.status.success(), "{}", stderr(&replayed));
    assert!(!stderr(&replayed).contains("is not checked"), "{}", stderr(&replayed));
    let replayed = by_id(replayed.stdout.split(|&b| b == b'\n'));
    let run: Value = serde_json::from_slice(&consumed(&broker, RUN_TOPIC, 1, 20).await[0]).expect("a run");
    let counts = |name: &str| -> BTreeMap<String, u64> {
        let mailboxes = run["data"]["mailboxes"].as_array().expect("mailboxes");
        mailboxes.iter().map(|m| (m["id"].as_str().expect("an id").to_owned(), m[name].as_u64().expect(name))).collect()
    };
    let (archived, published) = (counts("archived"), counts("published"));
    let all: u64 = run["data"]["events"].as_object().expect("kinds").values().filter_map(Value::as_u64).sum();
    let events =
        by_id(consumed(&broker, TOPIC, usize::try_from(all).expect("few"), 20).await.iter().map(Vec::as_slice));
    let mut names = HashSet::new();
    for (id, event) in &events {
        let mailbox = event["data"]["mailbox"]["id"].as_str().expect("a mailbox");
        let name = event["data"]["message"]["archive_ref"].as_str();
        if mailbox == off {
            assert_eq!((name, replayed.get(id)), (None, None), "its setting says so");
            continue;
        }
        let name = name.expect("a reference");
        let reference = Reference::parse(name).expect("is one");
        let digest = event["data"]["message"]["digest_sha256"].as_str().expect("a digest");
        assert_eq!((reference.mailbox.as_str(), reference.digest.to_string().as_str()), (mailbox, digest));
        assert!(path("kept").join(name).is_file(), "{name}");
        assert_eq!(replayed.get(id), Some(event), "{id}");
        names.insert(name.to_owned());
    }
    assert_eq!(archived[off], 0);
    for mailbox in &MAILBOXES[1..] {
        assert_eq!(archived[*mailbox], published[*mailbox], "{mailbox}");
    }
    let checked = replayed.values().filter(|e| e["data"]["auth"]["spf"]["result"] == "pass").count();
    assert!(checked > 3, "the recorded answers were used: {checked}");

    // One mail, by its reference and by its digest.
    let name = names.iter().next().expect("a mail");
    let digest = Reference::parse(name).expect("a reference").digest.to_string();
    let one = async |by: &str| {
        let arguments = ["replay", "--config", "c.yaml", "--archive", "kept", "--digest", by];
        by_id(program(&arguments, folder.path()).await.stdout.split(|&b| b == b'\n'))
    };
    let (by_name, by_digest) = (one(name).await, one(&digest).await);
    assert!(!by_name.is_empty() && by_name == by_digest);
    assert!(by_name.values().all(|event| event["data"]["message"]["digest_sha256"] == *digest));
    let none = ["replay", "--archive", "kept", "--digest", &"0".repeat(64)];
    let none = program(&none, folder.path()).await;
    assert_eq!(none.status.code(), Some(75));
    assert!(stderr(&none).contains("no such mail"), "{}", stderr(&none));

    // All of it compared with a saved run, and one mail published again.
    let saved = program(&["replay", "--config", "c.yaml", "--archive", "kept"], folder.path()).await.stdout;
    fs::write(path("saved.jsonl"), saved).expect("writes");
    let compare = ["replay", "--config", "c.yaml", "--archive", "kept", "--diff", "saved.jsonl"];
    let compared = program(&compare, folder.path()).await;
    let said = String::from_utf8_lossy(&compared.stdout).into_owned() + &stderr(&compared);
    assert!(said.ends_with(&format!("{} events stay what they were, 0 differ\n", replayed.len())), "{said}");
    let publish = ["replay", "--config", "c.yaml", "--archive", "kept", "--digest", name, "--publish"];
    let asked = program(&publish, folder.path()).await;
    assert_eq!(asked.status.code(), Some(64), "{}", stderr(&asked));
    assert!(stderr(&asked).contains("the archive kept, 1 mail\n"), "{}", stderr(&asked));
    let done = program(&[&publish[..], &["--yes"]].concat(), folder.path()).await;
    assert!(done.status.success(), "{}", stderr(&done));
    let expected = usize::try_from(all).expect("few") + by_name.len();
    let events = consumed(&broker, TOPIC, expected, 20).await;
    let events = events.iter().map(|event| serde_json::from_slice::<Value>(event).expect("JSON"));
    let again: Vec<Value> = events.filter(|event| event["data"]["ingest"]["replay"] == true).collect();
    assert_eq!(again.len(), by_name.len());
    for event in again {
        assert_eq!(event["data"]["message"]["archive_ref"], name.as_str());
        assert!(name.starts_with(event["data"]["mailbox"]["id"].as_str().expect("a mailbox")), "{name}");
    }

    // Mails are nobody else's business.
    let mode = fs::metadata(path("kept")).expect("is there").permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_digits_of_a_digest_name_a_mail() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("kept");
    let archive = Archive::open(&kept.display().to_string(), std::iter::empty()).expect("opens");
    let raw = RawMail::new(mail(1, "Yes."));
    let reference = Reference::new("a", raw.digest());
    for (mailbox, raw) in [("a", raw.clone()), ("b", raw.clone()), ("a", RawMail::new(mail(2, "No.")))] {
        archive.keep(mailbox, raw, None).await.expect("is kept");
    }
    let digest = raw.digest().to_string();
    let first = |digits: usize| format!("{digest:.digits$}");
    let replay = async |by: &str| {
        program(&["replay", "--archive", "kept", "--log", "error", "--explain", "--digest", by], folder.path()).await
    };
    for by in [&first(8), &first(12).to_uppercase(), &digest, &reference.to_string()] {
        let said = replay(by).await;
        let explained = String::from_utf8_lossy(&said.stdout).into_owned();
        let shown = explained.matches(&format!("digest {}", first(12))).count();
        assert_eq!((said.status.code(), shown), (Some(0), 2), "{by}, in both mailboxes: {explained}{}", stderr(&said));
        assert_eq!(explained.matches(" octets, 1 event, ").count(), 2, "{explained}");
    }
    let short = replay(&first(7)).await;
    assert_eq!(short.status.code(), Some(64));
    assert!(stderr(&short).contains("the first 8 digits of `digest_sha256` or more"), "{}", stderr(&short));

    // A name that begins alike; nothing is read of either.
    let other = if digest.ends_with('0') { '1' } else { '0' };
    let like = format!("{}{other}", first(63));
    let path = kept.join(reference.to_string());
    fs::copy(&path, path.with_file_name(format!("{like}.eml.zst"))).expect("copies");
    let unclear = replay(&first(12)).await;
    assert_eq!((unclear.status.code(), unclear.stdout.len()), (Some(75), 0));
    let said = stderr(&unclear);
    assert!(said.contains("give more digits") && said.contains(&digest) && said.contains(&like), "{said}");
    assert_eq!(replay(&digest).await.status.code(), Some(0));
}

fn mail(number: usize, text: &str) -> Vec<u8> {
    format!(
        "Received: from a by b; Tue, 3 Nov 2026 09:12:33 +0000\r\nFrom: Ana <ana{number}@customer.example>\r\n\
         To: replies@campaigns.example\r\nSubject: Re: Offer\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

fn config(folder: &Path, server: &Server, broker: &Broker, more: &str) -> String {
    let text = format!(
        "kafka: {{brokers: [\"{}\"], topic: {TOPIC}, run_topic: {RUN_TOPIC}}}\nledger: {{file: l.redb}}\n\
         auth: {{enabled: false}}\n{more}\nmailboxes:\n  - {{name: r, host: 127.0.0.1, port: {}, tls: none, username: r, \
         password: {}, retention: delete}}\n",
        broker.bootstrap(),
        server.port(),
        scripted::PASSWORD
    );
    fs::write(folder.join("c.yaml"), text).expect("writes");
    "c.yaml".to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept_is_neither_published_nor_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(&[TOPIC, RUN_TOPIC]).expect("a broker");
    let server = Server::start(&[mail(1, "Yes."), mail(2, "No.")]);
    let more = "archive: {location: kept}\nlimits: {retries: 1, retry_pause: 10ms}";
    let config = config(folder.path(), &server, &broker, more);
    // A file where the mailbox's folder belongs: as good as a full disk, for root too.
    fs::create_dir(folder.path().join("kept")).expect("makes");
    fs::write(folder.path().join("kept/r"), "").expect("writes");
    let polled = program(&["poll", "--config", &config], folder.path()).await;
    assert_eq!(polled.status.code(), Some(75), "{}", stderr(&polled));
    assert!(stderr(&polled).contains("the archive does not take mails"), "{}", stderr(&polled));
    assert_eq!(server.count(), 2, "nothing is deleted");
    assert!(consumed(&broker, TOPIC, 1, 2).await.is_empty(), "nothing is published");

    fs::remove_file(folder.path().join("kept/r")).expect("makes room");
    let polled = program(&["poll", "--config", &config], folder.path()).await;
    assert!(polled.status.success(), "{}", stderr(&polled));
    assert_eq!(server.count(), 0);
    assert_eq!(consumed(&broker, TOPIC, 2, 20).await.len(), 2);

    // A setting that cannot be used is told at once.
    fs::write(folder.path().join("file"), "").expect("writes");
    for (location, word) in [("file", "it is a file"), ("s3://bucket/mails", "--features archive-s3")] {
        let wrong = more.replace("kept", location);
        let config = self::config(folder.path(), &server, &broker, &wrong);
        let polled = program(&["poll", "--config", &config], folder.path()).await;
        if location.starts_with("s3") && cfg!(feature = "archive-s3") {
            continue;
        }
        assert_eq!(polled.status.code(), Some(78), "{}", stderr(&polled));
        assert!(stderr(&polled).contains(word), "{}", stderr(&polled));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_too_large_to_read_is_not_archived_and_says_so_by_having_no_reference() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(&[TOPIC, RUN_TOPIC]).expect("a broker");
    let server = Server::start(&[mail(1, &"long ".repeat(4_000)), mail(2, "No.")]);
    let more = "archive: {location: kept}\nlimits: {message_size: 10kB}";
    let config = config(folder.path(), &server, &broker, more);
    let polled = program(&["poll", "--config", &config], folder.path()).await;
    assert!(polled.status.success(), "{}", stderr(&polled));
    let events = consumed(&broker, TOPIC, 2, 20).await;
    let with = |event: &&Vec<u8>| {
        let event: Value = serde_json::from_slice(event).expect("an event");
        event["data"]["message"]["archive_ref"].is_string()
    };
    assert_eq!(events.iter().filter(with).count(), 1);
    let archive =
        Archive::existing(&folder.path().join("kept").display().to_string(), std::iter::empty()).expect("opens");
    assert_eq!(archive.mails().try_collect::<Vec<_>>().await.expect("lists").len(), 1);
    assert_eq!(server.left(), [1], "it is the only copy, so it stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn forget_finds_a_person_and_removes_only_with_yes() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(&[TOPIC, RUN_TOPIC]).expect("a broker");
    let quoted = mail(3, "> ANA1@customer.example wrote:");
    let server = Server::start(&[mail(1, "Yes."), mail(2, "No."), quoted, mail(11, "Perhaps.")]);
    let more = "archive: {location: kept}\nprivacy: {addresses: hmac, hash_key: 0123456789abcdef, hash_key_id: k7, retain: 400d}";
    let config = config(folder.path(), &server, &broker, more);
    let polled = program(&["poll", "--config", &config], folder.path()).await;
    assert!(polled.status.success(), "{}", stderr(&polled));
    let key = consumed(&broker, TOPIC, 4, 20).await.iter().find_map(|event| {
        let event: Value = serde_json::from_slice(event).expect("an event");
        assert_eq!(event["data"]["privacy"]["retain_until"], "2027-12-08T09:12:33Z", "400 days after it was received");
        let digest = event["data"]["message"]["digest_sha256"].as_str().expect("a digest").to_owned();
        let its = reply_ingest::message::Digest::of(&mail(1, "Yes.")).to_string() == digest;
        its.then(|| event["partitionkey"].as_str().expect("a key").to_owned())
    });
    let files = || {
        let archive = Archive::existing(&folder.path().join("kept").display().to_string(), std::iter::empty());
        let archive = archive.expect("opens");
        async move { archive.mails().try_collect::<Vec<_>>().await.expect("lists").len() }
    };
    let forget = async |more: &[&str]| {
        let output =
            program(&[&["forget", "Ana1@Customer.example", "--config", "c.yaml"], more].concat(), folder.path()).await;
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).expect("text")
    };
    let listed = forget(&[]).await;
    assert!(listed.contains("4 mails looked through, 2 found, nothing is removed without --yes"), "{listed}");
    assert_eq!(files().await, 4);
    for words in
        ["key k7", &key.expect("the event of the first mail"), "no addresses and no words", "DELETE FROM events"]
    {
        assert!(listed.contains(words), "{words}: {listed}");
    }
    let removed = forget(&["--yes"]).await;
    assert!(removed.contains("2 removed"), "{removed}");
    assert_eq!(files().await, 2);
    assert!(forget(&["--yes"]).await.contains("2 mails looked through, 0 removed"));
    let wrong = program(&["forget", "nobody", "--config", "c.yaml"], folder.path()).await;
    assert_eq!(wrong.status.code(), Some(64));
}
