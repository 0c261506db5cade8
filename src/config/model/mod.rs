//! The settings, as they stand in YAML. The configuration's schema is derived from these types.

mod bounds;
mod kafka;
mod mailbox;

pub use bounds::*;
pub use kafka::*;
pub use mailbox::*;

use super::secret::Secret;
use super::units::Span;
use crate::classify::BouncePolicy;
use crate::correlate::Correlator;
use crate::event::{AddressMode, SubjectMode, TextMode};
use crate::schedule::{Expression, Missed, Timing, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The ledger of `delivery: exactly_once`, unless another is named.
const LEDGER_TOPIC: &str = "campaign.mail.ledger";

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The mailboxes to poll.
    pub mailboxes: Vec<Mailbox>,
    pub kafka: Kafka,
    #[serde(default)]
    pub delivery: Delivery,
    #[serde(default)]
    pub ledger: Ledger,
    /// Where the raw mails are kept; without it they are not.
    #[serde(default)]
    pub archive: Option<Archive>,
    #[serde(default)]
    pub dns: Dns,
    #[serde(default)]
    pub auth: Auth,
    #[serde(default)]
    pub privacy: Privacy,
    #[serde(default)]
    pub rules: RuleFiles,
    /// How to find the campaign that a mail answers: asked in order, the first that finds one wins.
    #[serde(default)]
    pub correlators: Vec<Correlator>,
    #[serde(default)]
    pub unsubscribe: UnsubscribePolicy,
    /// Which bounces are hard, and which suppress the address.
    #[serde(default)]
    pub bounces: BouncePolicy,
    #[serde(default)]
    pub event: EventSettings,
    #[serde(default)]
    pub limits: Limits,
    /// When mails are not deleted although the retention says so, until a person has looked.
    #[serde(default)]
    pub guards: Guards,
    /// For the command `run`: when, and where its state can be read.
    #[serde(default)]
    pub run: RunSettings,
}

impl Config {
    /// The topic that is the ledger; `None` where it is a file.
    #[must_use]
    pub fn ledger_topic(&self) -> Option<&str> {
        match (self.delivery, &self.ledger.topic) {
            (_, Some(topic)) => Some(topic),
            (Delivery::ExactlyOnce, None) => Some(LEDGER_TOPIC),
            (Delivery::AtLeastOnce, None) => None,
        }
    }

    /// When a mailbox is polled by `run`.
    #[must_use]
    pub fn timing(&self, mailbox: &Mailbox) -> Timing {
        let run = &self.run;
        Timing {
            schedule: mailbox.schedule.as_ref().unwrap_or(&run.schedule).clone(),
            zone: run.time_zone,
            jitter: run.jitter.0,
            missed: run.missed,
        }
    }
}

/// Where it is remembered what was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// An embedded database in this file, made when it is not there.
    #[serde(default = "ledger_file")]
    pub file: PathBuf,
    /// A compacted topic that takes the file's place: always with `delivery: exactly_once`, where it is
    /// `campaign.mail.ledger` by default, and with `at_least_once` where it is named.
    #[serde(default)]
    pub topic: Option<String>,
}

fn ledger_file() -> PathBuf {
    PathBuf::from("/var/lib/reply-ingest/ledger.redb")
}

impl Default for Ledger {
    fn default() -> Self {
        Self { file: ledger_file(), topic: None }
    }
}

/// Where the raw mails are kept, each before its events are published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// A folder; `s3://BUCKET/PREFIX`, `gs://…` or `az://…` where the program was built with the feature `archive-s3`,
    /// `archive-gcs` or `archive-azure`.
    pub location: String,
    /// How long a mail stays there, counted from when it was written; by default for good. A part of the archive is
    /// looked through at the end of each run.
    #[serde(default)]
    pub retention: Option<Span>,
    /// Settings for a cloud, such as `region` or `endpoint`; also taken from its usual environment variables.
    #[serde(default)]
    pub options: BTreeMap<String, Secret>,
}

/// Name resolution for SPF, DKIM and DMARC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// Name servers as `IP:port`; by default the system's.
    #[serde(default)]
    pub servers: Vec<SocketAddr>,
    /// How long one question may take.
    #[serde(default = "dns_timeout")]
    pub timeout: Span,
    /// How long all questions about one mail may take together.
    #[serde(default = "dns_budget")]
    pub mail_budget: Span,
    /// How often a question that ended without an answer is asked again, each time for half as long.
    #[serde(default = "dns_retries")]
    pub retries: u32,
    /// About how long these further tries may take in a whole run, added up: those under way are finished.
    #[serde(default = "dns_retry_budget")]
    pub retry_budget: Span,
    /// A folder in which the answers that each mail got are kept, so that `replay --dns-record` comes to the same
    /// verdicts years later; by default they are not kept.
    #[serde(default)]
    pub record: Option<PathBuf>,
}

fn dns_retries() -> u32 {
    1
}

fn dns_retry_budget() -> Span {
    Span::seconds(60)
}

fn dns_timeout() -> Span {
    Span::seconds(2)
}

fn dns_budget() -> Span {
    Span::seconds(6)
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: dns_timeout(),
            mail_budget: dns_budget(),
            retries: dns_retries(),
            retry_budget: dns_retry_budget(),
            record: None,
        }
    }
}

/// Checking SPF, DKIM and DMARC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// `false` asks no DNS and publishes no verdicts.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Signatures checked in one mail, those of the From domain first.
    #[serde(default = "max_signatures")]
    pub max_signatures: usize,
}

fn yes() -> bool {
    true
}

fn max_signatures() -> usize {
    10
}

impl Default for Auth {
    fn default() -> Self {
        Self { enabled: true, max_signatures: max_signatures() }
    }
}

/// What may be published of addresses and words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    #[serde(default)]
    pub addresses: AddressMode,
    #[serde(default)]
    pub text: TextMode,
    /// By default `keep` where `addresses` is `clear`, and `scrub` otherwise.
    #[serde(default)]
    pub subject: Option<SubjectMode>,
    /// The key for `addresses: hmac`, at least 16 characters.
    #[serde(default)]
    pub hash_key: Option<Secret>,
    /// File that holds the key.
    #[serde(default)]
    pub hash_key_file: Option<PathBuf>,
    /// A name for the key, published in the event.
    #[serde(default = "key_id")]
    pub hash_key_id: String,
    /// How long consumers may keep the event; published as `retain_until`.
    #[serde(default)]
    pub retain: Option<Span>,
}

fn key_id() -> String {
    "k1".to_owned()
}

/// Rules on top of the embedded ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleFiles {
    /// TOML files; a rule whose id is known takes the place of the embedded one.
    #[serde(default)]
    pub files: Vec<PathBuf>,
}

/// By when an unsubscribe is to be honoured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnsubscribePolicy {
    /// Published as `honor_by`; the large mailbox providers ask for two days.
    #[serde(default = "honor_within")]
    pub honor_within: Span,
}

fn honor_within() -> Span {
    Span::seconds(2 * 24 * 3600)
}

impl Default for UnsubscribePolicy {
    fn default() -> Self {
        Self { honor_within: honor_within() }
    }
}

/// How events are named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventSettings {
    /// What the CloudEvents type starts with: PREFIX.bounce.v1.
    #[serde(default = "type_prefix")]
    pub type_prefix: String,
    /// Headers of the original to publish, besides those that correlators name.
    #[serde(default)]
    pub original_headers: Vec<String>,
}

fn type_prefix() -> String {
    "org.reply-ingest".to_owned()
}

impl Default for EventSettings {
    fn default() -> Self {
        Self { type_prefix: type_prefix(), original_headers: Vec::new() }
    }
}

/// What the command `run` needs besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSettings {
    /// When the mailboxes are polled that have no schedule of their own.
    #[serde(default = "schedule")]
    pub schedule: Expression,
    /// The time zone of all schedules.
    #[serde(default)]
    pub time_zone: Zone,
    /// Each run begins up to this much after its tick, by chance, and never later than the next tick.
    #[serde(default = "no_jitter")]
    pub jitter: Span,
    /// What becomes of ticks that pass while their own run is still under way.
    #[serde(default)]
    pub missed: Missed,
    /// Whether every mailbox is polled once when the program begins.
    #[serde(default)]
    pub at_start: bool,
    /// Address and port of /livez, /readyz and /metrics.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
}

fn schedule() -> Expression {
    Expression::default()
}

fn no_jitter() -> Span {
    Span::seconds(0)
}

fn listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 9464))
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            schedule: schedule(),
            time_zone: Zone::default(),
            jitter: no_jitter(),
            missed: Missed::default(),
            at_start: false,
            listen: listen(),
        }
    }
}
