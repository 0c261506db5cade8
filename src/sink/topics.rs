//! What a topic must be like, and how one is made that is missing.
//!
//! Topics are made on request only, by `check --create-topics`: a poll that made a missing ledger would take a mistyped
//! or deleted one for a mailbox from which nothing was published yet, and publish everything again.

use super::kafka::connection;
use super::{KafkaError, Topics};
use crate::config::{Config, Kafka};
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use std::collections::HashMap;
use std::time::Duration;

/// Kafka's own bound for a record, which the largest events stay below.
const USUAL_RECORD: u64 = 1_000_000;
/// How long dead letters are kept in a topic that is made here: long enough for somebody to come back from holiday, and
/// not for ever, because they may hold addresses.
const KEEP_DEAD_LETTERS: &str = "7776000000";
/// Copies, where there are enough brokers.
const REPLICATION: usize = 3;

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Events,
    Runs,
    DeadLetters,
    Ledger,
}

impl Purpose {
    /// The setting that names it.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            Self::Events => "kafka.topic",
            Self::Runs => "kafka.run_topic",
            Self::DeadLetters => "kafka.dead_letters",
            Self::Ledger => "ledger.topic",
        }
    }
}

/// A topic as the brokers describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFacts {
    pub name: String,
    pub partitions: usize,
    /// Copies of the partition that has the fewest, and how many of them follow.
    pub replicas: usize,
    pub in_sync: usize,
}

/// A topic's settings that matter here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicSettings {
    pub cleanup_policy: Option<String>,
    pub min_in_sync: Option<usize>,
    pub max_record: Option<u64>,
}

/// The topics that a configuration names, each once.
#[must_use]
pub fn wanted(config: &Config) -> Vec<(String, Purpose)> {
    let kafka = &config.kafka;
    let events = Topics::of(config);
    let named = [
        (kafka.run_topic.as_deref(), Purpose::Runs),
        (kafka.dead_letters.as_deref(), Purpose::DeadLetters),
        (config.ledger_topic(), Purpose::Ledger),
    ];
    let named = named.into_iter().filter_map(|(name, purpose)| Some((name?, purpose)));
    let mut topics: Vec<(String, Purpose)> = Vec::new();
    for (name, purpose) in events.of_events().into_iter().map(|name| (name, Purpose::Events)).chain(named) {
        if topics.iter().all(|(known, _)| known != name) {
            topics.push((name.to_owned(), purpose));
        }
    }
    topics
}

/// What does not work with a topic, and what should be thought about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    pub problem: Option<String>,
    pub notes: Vec<String>,
}

/// Whether a topic fits its purpose. Settings that are not known are not judged, but for the ledger's.
#[must_use]
pub fn judge(purpose: Purpose, facts: &TopicFacts, settings: &TopicSettings) -> Judgement {
    let mut judged = Judgement::default();
    let policy = settings.cleanup_policy.as_deref();
    match (purpose, policy) {
        // One that forgets by age would have what was published come again.
        (Purpose::Ledger, policy) if policy != Some("compact") => {
            judged.problem = Some(format!(
                "its cleanup.policy is {}, and the ledger needs `compact`",
                policy.unwrap_or("not known")
            ));
        }
        (Purpose::Ledger, _) => {}
        (_, Some(policy)) if policy.contains("compact") => {
            judged.notes.push(
                "it is compacted: of one person only the newest record is kept; set cleanup.policy=delete".to_owned(),
            );
        }
        _ => {}
    }
    let (replicas, in_sync) = (facts.replicas, facts.in_sync);
    if let Some(least) = settings.min_in_sync {
        if least > replicas {
            judged.problem.get_or_insert(format!(
                "its min.insync.replicas is {least} and it has {replicas}: nothing is ever acknowledged; change one of the two"
            ));
        } else if least > in_sync {
            judged.problem.get_or_insert(format!(
                "{in_sync} of its {replicas} replicas are in sync and min.insync.replicas is {least}: nothing is \
                 acknowledged until a broker is back"
            ));
        } else if least < 2 && replicas > 1 {
            judged.notes.push(format!(
                "min.insync.replicas is 1 of {replicas}: what is acknowledged may be lost with one broker; set 2"
            ));
        }
    }
    if replicas == 1 {
        judged.notes.push("it has one replica: what it holds is lost with that broker".to_owned());
    }
    if let Some(most) = settings.max_record.filter(|most| *most < USUAL_RECORD && purpose != Purpose::Ledger) {
        judged.notes.push(format!(
            "max.message.bytes is {most}: records that are larger are refused, and events have up to {USUAL_RECORD} octets"
        ));
    }
    judged
}

fn admin(settings: &Kafka) -> Result<AdminClient<DefaultClientContext>, KafkaError> {
    connection(settings).create().map_err(|e| KafkaError::Setting(Box::new(e)))
}

/// The settings of these topics, as far as this user may read them.
///
/// # Errors
/// When the brokers do not answer such questions within `wait`.
pub async fn settings_of(
    settings: &Kafka,
    topics: &[&str],
    wait: Duration,
) -> Result<HashMap<String, TopicSettings>, KafkaError> {
    let admin = admin(settings)?;
    let options = AdminOptions::new().request_timeout(Some(wait));
    let asked: Vec<ResourceSpecifier<'_>> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    let answers = admin.describe_configs(&asked, &options).await;
    let answers = answers.map_err(|e| KafkaError::Unavailable { seconds: wait.as_secs(), source: Box::new(e) })?;
    let known =
        topics.iter().zip(answers).filter_map(|(topic, answer)| Some(((*topic).to_owned(), read(&answer.ok()?))));
    Ok(known.collect())
}

fn read(resource: &ConfigResource) -> TopicSettings {
    let value = |name: &str| resource.get(name).and_then(|entry| entry.value.clone());
    TopicSettings {
        cleanup_policy: value("cleanup.policy"),
        min_in_sync: value("min.insync.replicas").and_then(|text| text.parse().ok()),
        max_record: value("max.message.bytes").and_then(|text| text.parse().ok()),
    }
}

/// Makes topics that are missing; each comes back with its partitions and copies.
///
/// # Errors
/// When one cannot be made. Those before it were.
pub async fn create_topics(
    settings: &Kafka,
    missing: &[(String, Purpose)],
    brokers: usize,
    wait: Duration,
) -> Result<Vec<(String, i32, usize)>, KafkaError> {
    let refused =
        |topic: &str, code: RDKafkaErrorCode| KafkaError::NotMade { topic: topic.to_owned(), reason: code.to_string() };
    let admin = admin(settings)?;
    let options = AdminOptions::new().request_timeout(Some(wait)).operation_timeout(Some(wait));
    let copies = settings.new_topics.replication.map_or(REPLICATION.min(brokers.max(1)), usize::from);
    let least = if copies >= REPLICATION { "2" } else { "1" };
    let mut made = Vec::new();
    for (name, purpose) in missing {
        let partitions = match purpose {
            Purpose::Events | Purpose::Ledger => i32::from(settings.new_topics.partitions),
            Purpose::Runs | Purpose::DeadLetters => 1,
        };
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(i32::try_from(copies).unwrap_or(1)))
            .set("min.insync.replicas", least);
        let topic = match purpose {
            Purpose::Ledger => topic.set("cleanup.policy", "compact"),
            Purpose::DeadLetters => topic.set("retention.ms", KEEP_DEAD_LETTERS),
            Purpose::Events | Purpose::Runs => topic,
        };
        let answers = admin.create_topics(&[topic], &options).await;
        let answers = answers.map_err(|e| KafkaError::Unavailable { seconds: wait.as_secs(), source: Box::new(e) })?;
        if let Some(Err((topic, code))) = answers.into_iter().next() {
            return Err(refused(&topic, code));
        }
        made.push((name.clone(), partitions, copies));
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::{Purpose, TopicFacts, TopicSettings, judge};

    #[test]
    fn what_is_wrong_with_a_topic() {
        use Purpose::{DeadLetters, Events, Ledger};
        let table = [
            (Ledger, (3, 3), (Some("compact"), Some(2), 1_048_588), None, 0),
            (Ledger, (3, 3), (Some("delete"), Some(2), 1_048_588), Some("cleanup.policy is delete"), 0),
            (Ledger, (3, 3), (Some("compact,delete"), Some(2), 1_048_588), Some("is compact,delete"), 0),
            (Ledger, (3, 3), (None, None, 1_048_588), Some("not known"), 0),
            (Events, (3, 3), (Some("delete"), Some(2), 1_048_588), None, 0),
            (Events, (3, 3), (None, None, 1_048_588), None, 0),
            (Events, (1, 1), (Some("delete"), Some(2), 1_048_588), Some("is 2 and it has 1"), 1),
            (Events, (3, 1), (Some("delete"), Some(2), 1_048_588), Some("1 of its 3 replicas are in sync"), 0),
            (Events, (3, 3), (Some("delete"), Some(1), 1_048_588), None, 1),
            (Events, (1, 1), (Some("delete"), Some(1), 1_048_588), None, 1),
            (Events, (3, 3), (Some("compact"), Some(2), 1_048_588), None, 1),
            (DeadLetters, (3, 3), (Some("delete"), Some(2), 20_000), None, 1),
        ];
        for (purpose, (replicas, in_sync), (policy, least, most), problem, notes) in table {
            let facts = TopicFacts { name: "t".to_owned(), partitions: 1, replicas, in_sync };
            let settings =
                TopicSettings { cleanup_policy: policy.map(str::to_owned), min_in_sync: least, max_record: Some(most) };
            let judged = judge(purpose, &facts, &settings);
            let about = format!("{purpose:?} {facts:?} {settings:?}: {judged:?}");
            assert_eq!(judged.problem.is_some(), problem.is_some(), "{about}");
            assert!(judged.problem.unwrap_or_default().contains(problem.unwrap_or_default()), "{about}");
            assert_eq!(judged.notes.len(), notes, "{about}");
        }
    }
}
