//! The CloudEvents 1.0 envelope.

use super::data::{CorrelationStatus, EventData};
use super::run::RunData;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One published event (CloudEvents 1.0): the same in a file, on the terminal, and in Kafka's value in structured mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope<D> {
    /// The version of CloudEvents.
    #[schemars(extend("const" = "1.0"))]
    pub specversion: String,
    /// The event's `dedupe_key`, or another id where a replay changed the verdict; for a run its id.
    #[schemars(extend("examples" = ["8c6f1f0a3b5d7e90112233445566778899aabbccddeeff001122334455667788"]))]
    pub id: String,
    /// `/mailboxes/NAME`; for a run `/runs`.
    #[schemars(extend("examples" = ["/mailboxes/replies"]))]
    pub source: String,
    /// A configurable prefix, the kind and the version: `org.reply-ingest.bounce.v1`.
    #[serde(rename = "type")]
    #[schemars(extend("examples" = ["org.reply-ingest.bounce.v1"]))]
    pub event_type: String,
    /// `campaign/ID` when the campaign is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["campaign/spring26"]))]
    pub subject: Option<String>,
    /// When it happened: the event's `occurred_at`; for a run, when it ended.
    pub time: DateTime<Utc>,
    /// The form of `data`.
    #[schemars(extend("const" = "application/json"))]
    pub datacontenttype: String,
    /// The schema of the event; its last part is the major version.
    #[schemars(extend("examples" = ["urn:reply-ingest:schema:event:1"]))]
    pub dataschema: String,
    /// Kafka's message key: the recipient's, so that one person's events stay in order.
    #[schemars(extend("examples" = ["3fd8bb1301c930f6df27af49c5c674f4fb14a906e173d0bc6e897ba3bb86d5b4"]))]
    pub partitionkey: String,
    /// What the event says.
    pub data: D,
}

/// What became of one recipient's mail.
pub type Event = Envelope<EventData>;
/// What one run did.
pub type RunEvent = Envelope<RunData>;

/// The schema that an event's `dataschema` names.
pub const DATA_SCHEMA: &str = "urn:reply-ingest:schema:event:1";
/// The schema that a run's `dataschema` names.
pub const RUN_SCHEMA: &str = "urn:reply-ingest:schema:run:1";

impl Event {
    /// Puts `data` into its envelope.
    #[must_use]
    pub fn new(type_prefix: &str, partitionkey: String, data: EventData) -> Self {
        let subject = match (data.correlation.status, &data.correlation.campaign_id) {
            (CorrelationStatus::Matched, Some(id)) => Some(format!("campaign/{id}")),
            _ => None,
        };
        Self {
            specversion: "1.0".to_owned(),
            id: data.dedupe_key.clone(),
            source: format!("/mailboxes/{}", data.mailbox.id),
            event_type: format!("{type_prefix}.{}.v1", data.verdict.kind().as_str()),
            subject,
            time: data.occurred_at,
            datacontenttype: "application/json".to_owned(),
            dataschema: DATA_SCHEMA.to_owned(),
            partitionkey,
            data,
        }
    }
}

impl RunEvent {
    /// Puts the summary of a run into its envelope.
    #[must_use]
    pub fn of_run(type_prefix: &str, data: RunData) -> Self {
        Self {
            specversion: "1.0".to_owned(),
            id: data.run_id.clone(),
            source: "/runs".to_owned(),
            event_type: format!("{type_prefix}.run.v1"),
            subject: None,
            time: data.ended_at,
            datacontenttype: "application/json".to_owned(),
            dataschema: RUN_SCHEMA.to_owned(),
            partitionkey: data.run_id.clone(),
            data,
        }
    }
}
