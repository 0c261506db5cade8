//! A worker whose mailbox another has taken over stops, also where it would only have remembered and deleted.

use crate::scripted::{PASSWORD, Server};
use chrono::Utc;
use reply_ingest::auth::dns::Zone;
use reply_ingest::classify::Rules;
use reply_ingest::config;
use reply_ingest::ledger::{Done, Ledger, MemoryLedger, State};
use reply_ingest::message::{Digest, to_crlf};
use reply_ingest::pipeline::{FailureClass, Line, LineSettings, Worker, pass};
use reply_ingest::sink::{Outcome, Parcel, Publication, Record, Sink};
use std::sync::Arc;

/// A sink that keeps the ledger, and answers everything alike.
struct Answers(Outcome);

impl Sink for Answers {
    fn publish(&self, batch: Vec<Vec<Record>>) -> Publication<'_> {
        Box::pin(async move { vec![self.0.clone(); batch.len()] })
    }

    fn deliver(&self, _: &str, batch: Vec<Parcel>) -> Publication<'_> {
        Box::pin(async move { vec![self.0.clone(); batch.len()] })
    }

    fn is_ledger(&self) -> bool {
        true
    }
}

const MAIL: &str = "From: ana@example.org\nSubject: Re: Offer\n\nThank you.\n";

/// A pass over one mail that the ledger knows, with `retention: delete`: what failed, and the mails that are left.
async fn pass_over_a_known_mail(outcome: Outcome) -> (Option<FailureClass>, usize) {
    let mail = to_crlf(MAIL.as_bytes()).into_owned();
    let server = Server::start(std::slice::from_ref(&mail));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("c.yaml");
    let text = format!(
        "kafka: {{brokers: [\"127.0.0.1:1\"], topic: t}}\nlimits: {{retries: 0}}\nmailboxes:\n  - {{name: r, host: 127.0.0.1, \
         port: {}, tls: none, username: r, password: {PASSWORD}, retention: delete}}\n",
        server.port()
    );
    std::fs::write(&file, text).expect("writes");
    let config = config::load(&file).expect("a configuration");
    let mailbox = Arc::new(config.mailboxes.first().expect("a mailbox").clone());
    let ledger = MemoryLedger::default();
    let now = Utc::now();
    let digest = Some(Digest::of(&mail));
    let done = Done { uidl: None, digest, listed_size: 0, state: State::Published, at: now, seen: now };
    ledger.record("r", &[done]).expect("remembers");
    let rules = Arc::new(Rules::embedded().expect("rules"));
    let line = Line::new(LineSettings::plain("run".to_owned()), rules, Arc::new(Zone::new())).expect("a line");
    let worker = Worker::new(config, line, Arc::new(Answers(outcome)), Arc::new(ledger), false, Utc::now);
    let (_, failure) = pass(&Arc::new(worker), &mailbox).await;
    (failure.map(|f| f.class), server.count())
}

#[tokio::test]
async fn a_known_mail_is_deleted_only_by_whoever_has_the_mailbox() {
    let table = [
        (Outcome::Published, None, 0),
        (Outcome::Fenced("another epoch".to_owned()), Some(FailureClass::Fenced), 1),
        (Outcome::Lost("no answer to the commit".to_owned()), Some(FailureClass::Kafka), 1),
        (Outcome::Failed("no broker".to_owned()), Some(FailureClass::Kafka), 1),
    ];
    for (outcome, class, left) in table {
        let about = format!("{outcome:?}");
        assert_eq!(pass_over_a_known_mail(outcome).await, (class, left), "{about}");
    }
}
