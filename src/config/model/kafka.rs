//! Kafka: where it is, which topics, how records are written and delivered.

use crate::config::secret::Secret;
use crate::config::units::Span;
use crate::event::Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The Kafka cluster and the topics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// `host:port` of some brokers.
    pub brokers: Vec<String>,
    /// Where the events go.
    #[serde(default = "default_topic")]
    pub topic: String,
    /// Topics of kinds that do not go to `topic`: `{ bounce: campaign.bounces }`. A mailbox's own `topic` comes first.
    #[serde(default)]
    pub topics: BTreeMap<Kind, String>,
    /// How an event lies in a record.
    #[serde(default)]
    pub mode: Mode,
    /// Where the summary of each run goes; by default the events' topic.
    #[serde(default)]
    pub run_topic: Option<String>,
    /// Where a record goes about each mail whose events cannot be published, because they are too large for their topic
    /// or refused by it. Without it such a mail stays in the mailbox, and each run tries it again and ends with 75.
    #[serde(default)]
    pub dead_letters: Option<String>,
    /// A Schema Registry: each event and summary is then its schema's id and the JSON, in the wire format of
    /// Confluent's serialisers. With `mode: binary` and a `run_topic` of its own, and in a program that was built with
    /// the feature `schema-registry`.
    #[serde(default)]
    pub schema_registry: Option<SchemaRegistry>,
    /// How long to wait for an acknowledgement before a mail stays for the next run.
    #[serde(default = "ack_timeout")]
    pub ack_timeout: Span,
    /// What `transactional.id` starts with, and the keys of a ledger topic; the mailbox's name follows.
    #[serde(default = "transactional_id")]
    pub transactional_id: String,
    /// For `check --create-topics`.
    #[serde(default)]
    pub new_topics: NewTopics,
    /// Any setting of librdkafka, such as `security.protocol` or `sasl.mechanism`.
    #[serde(default)]
    pub properties: BTreeMap<String, Secret>,
    #[serde(default)]
    pub sasl_password: Option<Secret>,
    /// File that holds `sasl.password`.
    #[serde(default)]
    pub sasl_password_file: Option<PathBuf>,
}

/// Where the schemas' ids come from. The subject of a topic's values is `TOPIC-value` (`TopicNameStrategy`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemaRegistry {
    /// `https://registry.example.com:8081`; a path is kept, as Apicurio's `/apis/ccompat/v7`.
    pub url: String,
    /// For basic authentication, with a password.
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password: Option<Secret>,
    /// File that holds the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file with the certificate authorities to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether a run registers a schema that is missing. `false`: it must have been registered before, as
    /// `reply-ingest schema event-data` and `run-data` print it.
    #[serde(default = "super::yes")]
    pub auto_register: bool,
}

/// How topics are made that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTopics {
    /// Partitions of the events' topic and of the ledger; the others have one.
    #[serde(default = "partitions")]
    pub partitions: u16,
    /// Copies of each partition; by default three, or as many as there are brokers.
    #[serde(default)]
    pub replication: Option<u16>,
}

fn partitions() -> u16 {
    6
}

impl Default for NewTopics {
    fn default() -> Self {
        Self { partitions: partitions(), replication: None }
    }
}

fn default_topic() -> String {
    "campaign.mail".to_owned()
}

fn transactional_id() -> String {
    "reply-ingest".to_owned()
}

fn ack_timeout() -> Span {
    Span::seconds(60)
}

/// The content mode of `CloudEvents`' Kafka binding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The value is the whole event, attributes and data.
    #[default]
    Structured,
    /// The value is the data alone; the attributes stand in headers that begin with `ce_`.
    Binary,
}

/// What Kafka's consumers can rely on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// After a crash an event may come again, with the same id. The ledger is a file, or a topic.
    #[default]
    AtLeastOnce,
    /// Events and ledger in one transaction: consumers that read committed records only see each event once. The
    /// ledger is a compacted topic.
    ExactlyOnce,
}
