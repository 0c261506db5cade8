//! The summary of one run, published as its own event so that consumers see gaps.

use super::verdict::Kind;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The schema of [`RunEvent`].
pub const RUN_SCHEMA: &str = "urn:reply-ingest:schema:run:1";

/// A run's summary in its CloudEvents 1.0 envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "reply-ingest run summary, version 1")]
pub struct RunEvent {
    #[schemars(extend("const" = "1.0"))]
    pub specversion: String,
    /// The run's id.
    pub id: String,
    /// `/runs`.
    pub source: String,
    #[serde(rename = "type")]
    pub event_type: String,
    /// When the run ended.
    pub time: DateTime<Utc>,
    #[schemars(extend("const" = "application/json"))]
    pub datacontenttype: String,
    pub dataschema: String,
    pub partitionkey: String,
    pub data: RunData,
}

/// What one pass over the mailboxes did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunData {
    #[schemars(regex(pattern = r"^1\.[0-9]+$"))]
    pub schema_version: String,
    pub run_id: String,
    pub worker_version: String,
    pub ruleset_version: String,
    pub started_at: DateTime<Utc>,
    pub ended_at: DateTime<Utc>,
    /// The exit code that the process ended with.
    pub exit_code: u8,
    pub mailboxes: Vec<MailboxRun>,
    /// Events published, by kind, over all mailboxes.
    pub events: BTreeMap<Kind, u64>,
}

/// What one pass did in one mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailboxRun {
    pub id: String,
    /// Mails that lay in the mailbox.
    pub listed: u64,
    /// Mails fetched and judged.
    pub fetched: u64,
    /// Mails whose events were acknowledged.
    pub published: u64,
    /// Mails that an earlier run had published already.
    pub known: u64,
    /// Mails left alone because they are older than the mailbox's start.
    pub before_start: u64,
    pub deleted: u64,
    /// Mails whose events could not be published; they stay in the mailbox.
    pub refused: u64,
    pub octets: u64,
    pub duration_ms: u64,
    /// Events published, by kind.
    pub events: BTreeMap<Kind, u64>,
    /// Why the pass ended early: one line, without addresses or passwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl RunEvent {
    /// Puts `data` into its envelope.
    #[must_use]
    pub fn new(type_prefix: &str, data: RunData) -> Self {
        Self {
            specversion: "1.0".to_owned(),
            id: data.run_id.clone(),
            source: "/runs".to_owned(),
            event_type: format!("{type_prefix}.run.v1"),
            time: data.ended_at,
            datacontenttype: "application/json".to_owned(),
            dataschema: RUN_SCHEMA.to_owned(),
            partitionkey: data.run_id.clone(),
            data,
        }
    }

    /// The CloudEvents attributes as Kafka headers.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        vec![
            ("content-type", "application/cloudevents+json; charset=UTF-8".to_owned()),
            ("ce_specversion", self.specversion.clone()),
            ("ce_id", self.id.clone()),
            ("ce_source", self.source.clone()),
            ("ce_type", self.event_type.clone()),
            ("ce_time", self.time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
        ]
    }
}
