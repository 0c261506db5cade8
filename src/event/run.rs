//! The summary of one run, published as its own event so that consumers see gaps.

use super::auth::{Auth, AuthSignal, AuthWord, BoundaryWord};
use super::verdict::Kind;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one pass over the mailboxes did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunData {
    /// Version of this structure: a new minor version only adds fields.
    #[schemars(regex(pattern = r"^1\.[0-9]+$"))]
    #[schemars(extend("examples" = ["1.0"]))]
    pub schema_version: String,
    /// One pass over the mailboxes; events have it in `ingest.run_id`.
    #[schemars(extend("examples" = ["20261127T055438Z-8c2da284"]))]
    pub run_id: String,
    /// Version of the program.
    #[schemars(extend("examples" = ["0.1.0"]))]
    pub worker_version: String,
    /// Digest of the rules that judged the mails.
    #[schemars(extend("examples" = ["4d08dd9f5b77"]))]
    pub ruleset_version: String,
    /// When the run began, UTC.
    #[schemars(extend("examples" = ["2026-11-27T05:54:38Z"]))]
    pub started_at: DateTime<Utc>,
    /// When it ended, UTC.
    #[schemars(extend("examples" = ["2026-11-27T05:54:51Z"]))]
    pub ended_at: DateTime<Utc>,
    /// Why the run ended before everything was done; absent where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_early: Option<EndedEarly>,
    /// The exit code that the process ended with.
    #[schemars(extend("examples" = [0]))]
    pub exit_code: u8,
    /// What was done in each mailbox.
    pub mailboxes: Vec<MailboxRun>,
    /// Events published, by kind, over all mailboxes.
    #[schemars(extend("examples" = [{"bounce": 12, "reply": 3}]))]
    pub events: BTreeMap<Kind, u64>,
    /// What name resolution did.
    #[serde(default)]
    pub dns: DnsRun,
    /// Mails that were removed from the archive because they are older than `archive.retention`.
    #[serde(default)]
    pub archive_removed: u64,
}

/// Why a run ended before everything was done. It was no failure: the next run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndedEarly {
    /// Its time (`limits.run_time`) was up.
    RunTime,
    /// It was asked to stop.
    Stopped,
}

/// What name resolution did in one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DnsRun {
    /// Questions of the mails.
    pub questions: u64,
    /// Questions that the run's cache answered.
    pub cache_hits: u64,
    /// Questions that were asked a second time.
    pub retried: u64,
    /// Questions that ended without an answer: time-outs and failures of name servers.
    pub failed: u64,
    /// How long name servers took; absent when none was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencyRun>,
}

/// How long answers took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyRun {
    /// Questions over the network.
    pub asked: u64,
    /// Half of them took at most this long …
    pub p50_ms: u64,
    /// … and 95 of 100 this long.
    pub p95_ms: u64,
    /// The longest, in milliseconds.
    #[schemars(extend("examples" = [412]))]
    pub max_ms: u64,
}

/// Verdicts on the mails of one pass, each mail counted once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthRun {
    /// Mails by result of SPF.
    #[schemars(extend("examples" = [{"pass": 10, "none": 2}]))]
    pub spf: BTreeMap<AuthWord, u64>,
    /// Signatures, not mails.
    pub dkim: BTreeMap<AuthWord, u64>,
    /// Mails by result of DMARC.
    pub dmarc: BTreeMap<AuthWord, u64>,
    /// Mails by result of their ARC chain.
    pub arc: BTreeMap<AuthWord, u64>,
    /// Mails by whether the hop at which they entered our network was found.
    pub boundary: BTreeMap<BoundaryWord, u64>,
    /// Mails by oddity.
    pub signals: BTreeMap<AuthSignal, u64>,
    /// Mails about which the receiver and this program differ.
    pub disagreements: u64,
}

impl AuthRun {
    /// Counts one mail.
    pub fn note(&mut self, auth: &Auth) {
        let mut count = |of: fn(&mut Self) -> &mut BTreeMap<AuthWord, u64>, word: Option<AuthWord>| {
            if let Some(word) = word {
                *of(self).entry(word).or_default() += 1;
            }
        };
        count(|s| &mut s.spf, auth.spf.as_ref().map(|r| r.result));
        count(|s| &mut s.dmarc, auth.dmarc.as_ref().map(|r| r.result));
        count(|s| &mut s.arc, auth.arc.as_ref().map(|r| r.result));
        for result in &auth.dkim {
            count(|s| &mut s.dkim, Some(result.result));
        }
        *self.boundary.entry(auth.context.boundary).or_default() += 1;
        for signal in &auth.signals {
            *self.signals.entry(*signal).or_default() += 1;
        }
        self.disagreements += u64::from(auth.disagreement == Some(true));
    }
}

/// What one pass did in one mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailboxRun {
    /// The mailbox's name in the configuration.
    #[schemars(extend("examples" = ["replies"]))]
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
    /// Mails deleted from the mailbox.
    pub deleted: u64,
    /// Mails that the run would have deleted if a guard had not withheld it.
    #[serde(default)]
    pub deletes_withheld: u64,
    /// The guard that withheld deletes: `max_deletes`, `max_delete_share` or `max_unclassified_share`.
    #[schemars(extend("examples" = ["max_delete_share"]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<String>,
    /// Whether mails were left for the next run because this one had to end (`ended_early` says why). No failure.
    #[serde(default)]
    pub unfinished: bool,
    /// Mails whose events could not be published, and that the server would not send; they stay in the mailbox.
    pub refused: u64,
    /// Mails whose events could not be published, and about which a dead letter was.
    #[serde(default)]
    pub dead_lettered: u64,
    /// Octets of the mails that were fetched.
    #[schemars(extend("examples" = [1_048_576]))]
    pub octets: u64,
    /// Mails written to the archive.
    #[serde(default)]
    pub archived: u64,
    /// How long the pass took, in milliseconds.
    #[schemars(extend("examples" = [12873]))]
    pub duration_ms: u64,
    /// Events published, by kind.
    pub events: BTreeMap<Kind, u64>,
    /// Verdicts on the mails that were published.
    #[serde(default)]
    pub auth: AuthRun,
    /// Why the pass ended early: one line, without addresses or passwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["the server refused the password"]))]
    pub failure: Option<String>,
}

/// Events by kind on one line: `12 bounce, 3 reply`.
#[must_use]
pub fn kinds<'a>(counts: impl IntoIterator<Item = (&'a Kind, &'a u64)>) -> String {
    let parts: Vec<String> = counts.into_iter().map(|(kind, count)| format!("{count} {}", kind.as_str())).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
