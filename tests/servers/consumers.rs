//! What others do with the events: consumers in Python and Java on a real broker, and the SQL of schemas/README.md.

use crate::harness::kafka::Kafka;
use crate::harness::{available, consumers, create_compacted, create_topics};
use chrono::DateTime;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use reply_ingest::demo::{self, DnsServer, MAILBOXES, Maildrop, PASSWORD, Pop3Server, Sample, Samples};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(30);

fn schema() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/event-v1.schema.json")
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Polls the demo's mails into this broker, with `kafka` as further settings of Kafka.
fn poll_samples(samples: &Samples, brokers: &str, kafka: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let mut drops: HashMap<String, Maildrop> = MAILBOXES
        .iter()
        .map(|name| ((*name).to_owned(), Maildrop { password: PASSWORD.to_owned(), mails: Vec::new() }))
        .collect();
    for (number, sample) in samples.list.iter().enumerate() {
        let drop = drops.get_mut(&sample.mailbox).expect("a mailbox of the demo");
        drop.mails.push((format!("u{number}"), sample.mail.clone()));
    }
    let (server, dns) = runtime.block_on(async {
        (
            Pop3Server::start(drops).await.expect("a server"),
            DnsServer::start(samples.zone.clone()).await.expect("a zone"),
        )
    });
    fs::write(folder.path().join("ca.pem"), server.certificate()).expect("writes");
    let config = folder.path().join("c.yaml");
    let text = demo::configuration_file(folder.path(), server.port(), dns.port(), brokers);
    fs::write(&config, text.replace("  run_topic: campaign.runs\n", &format!("  run_topic: campaign.runs\n{kafka}")))
        .expect("writes");
    let output = Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
        .args(["poll", "--config"])
        .arg(&config)
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn kinds_of(samples: &Samples) -> BTreeMap<&str, u64> {
    let mut kinds = BTreeMap::new();
    for kind in samples.list.iter().flat_map(|s| &s.kinds) {
        *kinds.entry(kind.as_str()).or_default() += 1;
    }
    kinds
}

/// Puts a record that is no event into the topic, in a transaction that `commit` says to end well or not.
fn put_rubbish(brokers: &str, topic: &str, commit: bool) {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", format!("rubbish-{commit}"))
        .create()
        .expect("a producer");
    producer.init_transactions(WAIT).expect("begins");
    producer.begin_transaction().expect("begins");
    producer.send(BaseRecord::to(topic).key("k").payload("{\"data\": {}}")).map_err(|(e, _)| e).expect("sends");
    producer.flush(WAIT).expect("is sent");
    let ended = if commit { producer.commit_transaction(WAIT) } else { producer.abort_transaction(WAIT) };
    ended.expect("ends");
}

#[test]
fn consumers_in_python_and_java_read_what_the_schema_says() {
    let Some(script) = available(consumers()) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(kafka) = available(Kafka::start(&folder.path().join("k"))) else { return };
    create_topics(&kafka, &["campaign.mail", "campaign.runs"]);
    let samples = Samples::make().expect("samples");
    poll_samples(&samples, &kafka.bootstrap(), "");
    put_rubbish(&kafka.bootstrap(), "campaign.mail", false);
    let read = |language: &str| {
        Command::new(&script)
            .args([language, &kafka.bootstrap(), "campaign.mail"])
            .arg(schema())
            .output()
            .expect("the script starts")
    };
    let kinds = kinds_of(&samples);
    let records: u64 = kinds.values().sum();
    for language in ["python", "java"] {
        let output = read(language);
        let mut counts = answer(&output);
        // Where Java's own partitioner puts each key, is where it lies.
        let elsewhere = counts.as_object_mut().and_then(|c| c.remove("elsewhere"));
        assert_eq!(elsewhere, (language == "java").then_some(json!(0)));
        assert_eq!(counts, json!({"records": records, "invalid": 0, "duplicates": 0, "kinds": kinds}), "{language}");
        assert!(output.status.success(), "{language}");
    }
    // They do look: a record that is no event makes both fail.
    put_rubbish(&kafka.bootstrap(), "campaign.mail", true);
    for language in ["python", "java"] {
        let output = read(language);
        assert_eq!((answer(&output)["invalid"].clone(), output.status.success()), (json!(1), false), "{language}");
    }
}

/// Binary mode, a topic for bounces and one for a mailbox, all in transactions: consumers get the same events.
#[test]
fn consumers_read_the_binary_mode_and_topics_of_their_own() {
    let Some(script) = available(consumers()) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(kafka) = available(Kafka::start(&folder.path().join("k"))) else { return };
    create_topics(&kafka, &["campaign.mail", "campaign.runs", "campaign.bounces"]);
    create_compacted(&kafka, &["campaign.mail.ledger"]);
    let samples = Samples::make().expect("samples");
    let settings = "  mode: binary\n  topics: {bounce: campaign.bounces}\ndelivery: exactly_once\n";
    poll_samples(&samples, &kafka.bootstrap(), settings);
    let kinds = kinds_of(&samples);
    let (bounces, others): (BTreeMap<&str, u64>, BTreeMap<_, _>) = kinds.into_iter().partition(|(k, _)| *k == "bounce");
    for (topic, kinds) in [("campaign.bounces", bounces), ("campaign.mail", others)] {
        let records: u64 = kinds.values().sum();
        assert!(records > 0, "{topic}");
        for language in ["python", "java"] {
            let output = Command::new(&script)
                .args([language, &kafka.bootstrap(), topic])
                .arg(schema())
                .output()
                .expect("starts");
            let mut counts = answer(&output);
            let elsewhere = counts.as_object_mut().and_then(|c| c.remove("elsewhere"));
            assert_eq!(elsewhere, (language == "java").then_some(json!(0)));
            let expected = json!({"records": records, "invalid": 0, "duplicates": 0, "kinds": kinds});
            assert_eq!(counts, expected, "{language} {topic}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    // The values are the data alone, which no consumer takes for a whole event.
    let records = demo::consume(&kafka.bootstrap(), "campaign.bounces", 1, WAIT).expect("reads");
    let value: Value = serde_json::from_slice(&records[0].value).expect("is JSON");
    assert_eq!((value["kind"].clone(), value.get("specversion")), (json!("bounce"), None));
}

/// The document passes the reader that AsyncAPI's own tools are made of.
#[test]
fn the_asyncapi_document_is_one() {
    let Some(script) = available(consumers()) else { return };
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/asyncapi.json");
    let check = |document: &Path| {
        let output = Command::new(&script).arg("asyncapi").arg(document).output().expect("the script starts");
        (answer(&output), output.status.success())
    };
    let (found, good) = check(&document);
    assert!(good, "{found}");
    assert_eq!(found["channels"], json!(["campaign.mail", "campaign.runs"]));
    assert_eq!(found["messages"].as_array().map(Vec::len), Some(24), "eleven kinds and the run, in two modes: {found}");
    // It does look: a channel that is not there is found.
    let folder = tempfile::tempdir().expect("a folder");
    let broken = folder.path().join("broken.json");
    let text = fs::read_to_string(&document).expect("reads");
    let text = text.replace("./event-v1", &format!("{}/event-v1", document.parent().expect("a folder").display()));
    fs::write(&broken, text.replace("#/channels/runs\"", "#/channels/rnus\"")).expect("writes");
    let (found, good) = check(&broken);
    assert!(!good && found["wrong"].to_string().contains("rnus"), "{found}");
}

/// One event that a sample must make.
struct Expected<'s> {
    sample: &'s Sample,
    kind: &'s str,
    address: &'s str,
    category: Option<&'s str>,
    hard: bool,
}

fn expected(samples: &Samples) -> Vec<Expected<'_>> {
    let mut out = Vec::new();
    for sample in &samples.list {
        for (number, (kind, address)) in sample.kinds.iter().zip(&sample.recipients).enumerate() {
            let (category, hard) = match number {
                0 => (sample.category.as_deref(), sample.bounce_type.as_deref() == Some("hard")),
                // The samples tell these of the first recipient only; the second one of this mail is disabled.
                1 if sample.file == "bounce-sendmail-three-recipients.eml" => (Some("mailbox_disabled"), true),
                _ => (None, false),
            };
            out.push(Expected { sample, kind, address, category, hard });
        }
    }
    out
}

impl Expected<'_> {
    fn campaign(&self) -> Option<&str> {
        self.sample.campaign.as_deref()
    }

    /// Seconds since 1970 of the newest Received line, whose date stands behind the last semicolon.
    fn received(&self) -> i64 {
        let text = String::from_utf8_lossy(&self.sample.mail);
        let line = text.split("\r\nReceived:").nth(1).expect("has a Received line");
        let line = line.split("\r\n").take_while(|l| l.starts_with([' ', '\t'])).fold(String::new(), |all, l| all + l);
        let date = line.rsplit_once(';').expect("has a date").1.split('(').next().unwrap_or_default().trim().to_owned();
        DateTime::parse_from_rfc2822(&date).expect("is a date").timestamp()
    }
}

/// When the mails of a campaign were sent, for the test.
fn sent_at(campaign: &str) -> &'static str {
    match campaign {
        "spring26" => "2026-09-01T08:00:00Z",
        "summer26" => "2026-09-02T09:30:00Z",
        _ => "2026-09-03T10:45:00Z",
    }
}

/// As `quantile_cont` and `median` count it: between the two values that are next.
fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few values"
    )]
    let (place, below) = {
        let place = part * (values.len() - 1) as f64;
        (place, place.floor() as usize)
    };
    let above = (below + 1).min(values.len() - 1);
    values[below] + (values[above] - values[below]) * place.fract()
}

fn close(found: &Value, expected: f64) -> bool {
    (found.as_f64().unwrap_or(f64::NAN) - expected).abs() < 0.006
}

#[test]
fn the_sql_of_the_page_counts_what_the_samples_are() {
    let Some(script) = available(consumers()) else { return };
    let samples = Samples::make().expect("samples");
    let events = expected(&samples);
    let folder = tempfile::tempdir().expect("a folder");
    let (events_file, sends_file) = (folder.path().join("e.jsonl"), folder.path().join("s.csv"));
    let output = Command::new(env!("CARGO_BIN_EXE_reply-ingest")).args(["demo", "--json"]).output().expect("starts");
    // Each event twice: a consumer must not mind.
    fs::write(&events_file, [output.stdout.as_slice(), &output.stdout].concat()).expect("writes");
    // Everybody who is named got a mail, and so did two people who never answered.
    let mut sends: BTreeSet<(&str, &str)> =
        events.iter().filter(|e| !e.address.is_empty()).filter_map(|e| Some((e.campaign()?, e.address))).collect();
    sends.extend([("spring26", "quiet@customer.example"), ("webinar-42", "quiet@silent.example")]);
    let mut csv = "campaign,address,sent_at\n".to_owned();
    for (campaign, address) in &sends {
        writeln!(csv, "{campaign},{address},{}", sent_at(campaign)).expect("is a string");
    }
    fs::write(&sends_file, csv).expect("writes");
    let output = Command::new(script)
        .arg("sql")
        .args([&events_file, &sends_file])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/README.md"))
        .output()
        .expect("the script starts");
    let answers = answer(&output);
    let rows = |heading: &str| answers[heading].as_array().unwrap_or_else(|| panic!("no SQL for {heading}")).clone();
    let people = |campaign: &str, test: &dyn Fn(&Expected<'_>) -> bool| -> BTreeSet<&str> {
        events.iter().filter(|e| e.campaign() == Some(campaign) && test(e)).map(|e| e.address).collect()
    };
    let campaigns: BTreeSet<&str> = sends.iter().map(|(campaign, _)| *campaign).collect();
    let sent = |campaign: &str| sends.iter().filter(|(c, _)| *c == campaign).count();
    let by_campaign = |heading: &str| -> BTreeMap<String, Value> {
        let by = |row: Value| (row["campaign"].as_str().unwrap_or_default().to_owned(), row);
        let found: BTreeMap<_, _> = rows(heading).into_iter().map(by).collect();
        assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), campaigns, "{heading}");
        found
    };

    let (replies, complaints, times) =
        (by_campaign("Reply rate"), by_campaign("Complaint rate"), by_campaign("Time to reply"));
    for campaign in &campaigns {
        let row = &replies[*campaign];
        assert_eq!(row["sent"], json!(sent(campaign)), "{row}");
        assert_eq!(row["replied"], json!(people(campaign, &|e| e.kind == "reply").len()), "{row}");
        let proven = people(campaign, &|e| e.kind == "reply" && e.sample.dmarc.as_deref() == Some("pass"));
        assert_eq!(row["proven"], json!(proven.len()), "{row}");

        let row = &complaints[*campaign];
        let bounced = people(campaign, &|e| e.kind == "bounce").len();
        assert_eq!(row["arrived"], json!(sent(campaign) - bounced), "{row}");
        let complaints = events.iter().filter(|e| e.kind == "complaint" && e.campaign() == Some(campaign)).count();
        assert_eq!(row["complaints"], json!(complaints), "{row}");

        let sent_at = DateTime::parse_from_rfc3339(sent_at(campaign)).expect("is a date").timestamp();
        let mut first: BTreeMap<&str, i64> = BTreeMap::new();
        for reply in events.iter().filter(|e| e.kind == "reply" && e.campaign() == Some(campaign)) {
            let at = reply.received();
            first.entry(reply.address).and_modify(|known| *known = at.min(*known)).or_insert(at);
        }
        #[allow(clippy::cast_precision_loss, reason = "some months of seconds")]
        let mut hours: Vec<f64> = first.values().map(|at| (at - sent_at) as f64 / 3600.0).collect();
        let row = &times[*campaign];
        assert_eq!(row["replied"], json!(hours.len()), "{row}");
        assert!(close(&row["median_hours"], quantile(&mut hours, 0.5)), "{row}, {hours:?}");
        assert!(close(&row["p90_hours"], quantile(&mut hours, 0.9)), "{row}, {hours:?}");
    }

    let domain = |address: &str| address.rsplit_once('@').map_or(String::new(), |(_, d)| d.to_owned());
    let mut providers: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    for (_, address) in &sends {
        providers.entry(domain(address)).or_default()[0] += 1;
    }
    for bounce in events.iter().filter(|e| e.kind == "bounce" && e.campaign().is_some()) {
        let counts = providers.entry(domain(bounce.address)).or_default();
        counts[1] += 1;
        counts[2] += u64::from(bounce.hard);
    }
    let found: BTreeMap<String, [u64; 3]> = rows("Bounce rate by provider")
        .iter()
        .map(|row| {
            let count = |name: &str| row[name].as_u64().unwrap_or(u64::MAX);
            (row["provider"].as_str().unwrap_or_default().to_owned(), [count("sent"), count("bounced"), count("hard")])
        })
        .collect();
    assert_eq!(found, providers);

    let mut categories: BTreeMap<&str, u64> = BTreeMap::new();
    for bounce in events.iter().filter(|e| e.kind == "bounce") {
        *categories.entry(bounce.category.expect("is told")).or_default() += 1;
    }
    let why = rows("Why mails bounce");
    let found: BTreeMap<&str, u64> =
        why.iter().map(|r| (r["category"].as_str().unwrap_or_default(), r["bounces"].as_u64().unwrap_or(0))).collect();
    assert_eq!(found, categories);

    let hygiene: BTreeSet<(&str, &str)> = events
        .iter()
        .filter_map(|e| match (e.kind, e.sample.subtype.as_deref()) {
            ("bounce", _) if e.hard => Some((e.address, e.category?)),
            ("auto_reply", Some(why @ ("left_company" | "address_changed" | "mailbox_unmonitored"))) => {
                Some((e.address, why))
            }
            _ => None,
        })
        .collect();
    let list = rows("List hygiene");
    let found =
        list.iter().map(|r| (r["address"].as_str().unwrap_or_default(), r["reason"].as_str().unwrap_or_default()));
    assert_eq!(found.collect::<BTreeSet<_>>(), hygiene);

    let mut suppressed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for event in events.iter().filter(|e| e.campaign().is_some() && !e.address.is_empty()) {
        let why = match event.kind {
            "bounce" if event.hard => "bounce",
            kind @ ("complaint" | "unsubscribe") => kind,
            _ => continue,
        };
        suppressed.entry(event.address).or_default().insert(why);
    }
    let list = rows("Suppression list");
    let found: BTreeMap<&str, BTreeSet<&str>> = list
        .iter()
        .map(|r| {
            let why = r["why"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            (r["address"].as_str().unwrap_or_default(), why)
        })
        .collect();
    assert_eq!(found, suppressed);
}
