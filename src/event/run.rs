//! The summary of one run, published as its own event so that consumers see gaps.

use super::verdict::Kind;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
