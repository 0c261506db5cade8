//! The settings, as they stand in YAML. The configuration's schema is derived from these types.

use super::secret::Secret;
use super::units::{Octets, Share, Span};
use crate::classify::BouncePolicy;
use crate::correlate::Correlator;
use crate::event::{AddressMode, Kind, MailboxRole, SubjectMode, TextMode};
use crate::ledger::State;
use crate::schedule::{Expression, Missed, Timing, Zone};
use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
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

/// One mailbox on a POP3 server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mailbox {
    /// A short name: it is part of every event's id, so keep it when the server changes.
    pub name: String,
    /// The server's host name, as its certificate has it.
    pub host: String,
    /// 995 for implicit TLS, 110 otherwise, unless given.
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub tls: Tls,
    /// The oldest TLS version to accept.
    #[serde(default)]
    pub tls_min: TlsVersion,
    /// PEM file with the certificate authorities to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    pub username: String,
    #[serde(default)]
    pub password: Option<Secret>,
    /// File that holds the password; a line end at its end is dropped.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// An OAuth 2 access token instead of a password: where it comes from.
    #[serde(default)]
    pub oauth: Option<TokenSource>,
    /// How to log in; by default the strongest way that the server announces.
    #[serde(default)]
    pub login: LoginMethod,
    #[serde(default)]
    pub role: Option<MailboxRole>,
    /// Where this mailbox's events go, of whatever kind, instead of `kafka.topics` and `kafka.topic`.
    #[serde(default)]
    pub topic: Option<String>,
    #[serde(default)]
    pub retention: Retention,
    /// Whether `retention` holds for mails that became dead letters too. By default they stay: a dead letter has only
    /// a few of a mail's headers.
    #[serde(default)]
    pub delete_dead_letters: bool,
    #[serde(default)]
    pub start: Start,
    #[serde(default)]
    pub trust: Trust,
    /// Instead of the general setting.
    #[serde(default)]
    pub privacy: Option<Privacy>,
    /// `false`: the mails of this mailbox are not archived.
    #[serde(default = "yes")]
    pub archive: bool,
    /// When `run` polls it, instead of `run.schedule`.
    #[serde(default)]
    pub schedule: Option<Expression>,
}

impl Mailbox {
    /// The port, by setting or by kind of connection.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Tls::Implicit => 995,
            Tls::Starttls | Tls::None => 110,
        })
    }

    /// Whether a mail of which this became may be deleted at all.
    #[must_use]
    pub fn may_delete(&self, state: State) -> bool {
        match state {
            State::Published => true,
            State::DeadLetter => self.delete_dead_letters,
            State::BeforeStart => false,
        }
    }
}

/// How the connection is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// TLS from the first octet (RFC 8314), port 995.
    #[default]
    Implicit,
    /// TLS after STLS (RFC 2595), port 110. Nothing is sent in clear but that command.
    Starttls,
    /// Clear text: password and mail can be read on the way. Warned about on every run.
    None,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    #[default]
    #[serde(rename = "1.2")]
    V12,
    #[serde(rename = "1.3")]
    V13,
}

/// A way to log in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoginMethod {
    /// The strongest that the server announces and the connection allows.
    #[default]
    Auto,
    /// USER and PASS (RFC 1939).
    UserPass,
    /// APOP (RFC 1939): the password does not travel, but its digest is MD5.
    Apop,
    /// AUTH PLAIN (RFC 4616).
    Plain,
    /// AUTH LOGIN, for servers that have nothing else.
    Login,
    /// AUTH SCRAM-SHA-256 (RFC 7677): the password does not travel, and the server proves that it knows it.
    #[serde(rename = "scram_sha_256")]
    ScramSha256,
    /// AUTH XOAUTH2, Google's and Microsoft's way to send a token.
    Xoauth2,
    /// AUTH OAUTHBEARER (RFC 7628).
    Oauthbearer,
}

/// Where an OAuth 2 access token comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenSource {
    /// A file that another program keeps up to date; read again for every login.
    File(PathBuf),
    /// A program and its arguments; it prints the token.
    Command(Vec<String>),
    /// A token endpoint (RFC 6749).
    Endpoint(TokenEndpoint),
}

/// An OAuth 2 token endpoint. With a refresh token the grant is `refresh_token` (RFC 6749 section 6),
/// without one it is `client_credentials` (section 4.4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenEndpoint {
    /// `https://login.microsoftonline.com/TENANT/oauth2/v2.0/token`, `https://oauth2.googleapis.com/token`.
    pub url: String,
    pub client_id: String,
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// File that holds the client's secret.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    #[serde(default)]
    pub refresh_token: Option<Secret>,
    /// File that holds the refresh token. A new one that the endpoint gives out is kept for this run only.
    #[serde(default)]
    pub refresh_token_file: Option<PathBuf>,
    /// What the token is to be good for, such as `https://outlook.office365.com/.default`.
    #[serde(default)]
    pub scope: Option<String>,
    /// Authorities to trust for the endpoint instead of the system's (PEM).
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// What happens to a mail after its events were acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Retention {
    /// It stays; the ledger remembers that it was published.
    #[default]
    Keep,
    /// It is deleted.
    Delete,
    /// It is deleted this long after it was published.
    DeleteAfter(Span),
}

/// Where the first pass over a mailbox starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// With everything that lies there.
    #[default]
    All,
    /// With what arrives after the first pass.
    Now,
    /// With what arrived on this day (UTC) or later.
    Since(NaiveDate),
}

/// What the authentication station may believe about a mailbox. Without settings the boundary is
/// unknown, never guessed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Host names that our own servers write behind `by` in their Received lines. `*.example.com` stands for every
    /// host below that domain.
    #[serde(default)]
    pub by: Vec<String>,
    /// Our own networks: hops from there are inside. Loopback always is: where a proxy in front of the mail server
    /// hides the client's address, no setting can be right.
    #[serde(default)]
    pub internal: Vec<Network>,
    /// Servers outside that pass mail on to us, and whose Received lines are believed: the client that counts is theirs.
    #[serde(default)]
    pub forwarders: Vec<Forwarder>,
    /// The ids that our own servers write into Authentication-Results.
    #[serde(default)]
    pub authserv_ids: Vec<String>,
    /// Whether our own servers write Authentication-Results without an id, as Microsoft 365 does.
    #[serde(default)]
    pub authserv_without_id: bool,
    /// Where our own server puts Authentication-Results: above its Received line, or just below it
    /// as some milters do.
    #[serde(default)]
    pub authserv_place: AuthresPlace,
    /// Domains whose ARC seals are believed (d= of ARC-Seal).
    #[serde(default)]
    pub arc_sealers: Vec<String>,
}

/// A server outside that passes mail on to us.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forwarder {
    /// Host names that it writes behind `by`, as in `trust.by`.
    pub by: Vec<String>,
    /// Addresses from which it connects to us.
    pub networks: Vec<Network>,
}

/// Where a server puts its Authentication-Results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthresPlace {
    #[default]
    Above,
    Below,
}

/// An IP network such as `192.0.2.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

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
    #[serde(default = "yes")]
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

/// Limits beyond which a run deletes nothing from a mailbox. Events are published all the same, and `poll
/// --allow-deletes` deletes what was withheld.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guards {
    /// Mails that one run may delete in one mailbox; by default any number.
    #[serde(default)]
    pub max_deletes: Option<u64>,
    /// The share of a mailbox's mails that one run may delete, where it holds 20 or more; by default all of them.
    #[serde(default)]
    pub max_delete_share: Option<Share>,
    /// Of the mails that are to be deleted, where they are 20 or more, the share that may be `unclassified`; by default
    /// all of them.
    #[serde(default)]
    pub max_unclassified_share: Option<Share>,
}

/// What bounds memory and time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// A larger mail is published as `unclassified` (`too_large`) with its headers.
    #[serde(default = "message_size")]
    pub message_size: Octets,
    /// Octets of mail between the sockets and the acknowledgements, all mailboxes together; each mail counts 8 KiB more
    /// for what is made of it. Each connection may hold up to two mails more while it reads them.
    #[serde(default = "in_flight")]
    pub in_flight: Octets,
    /// Mailboxes polled at once.
    #[serde(default = "mailboxes_at_once")]
    pub mailboxes_at_once: usize,
    /// RETR commands sent ahead where the server announces PIPELINING.
    #[serde(default = "pipeline")]
    pub pipeline: usize,
    /// Mails fetched before their deletes are committed with QUIT and a new session begins.
    #[serde(default = "session_mails")]
    pub session_mails: usize,
    /// For the connection and the TLS handshake.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: Span,
    /// How long a server may stay silent.
    #[serde(default = "read_timeout")]
    pub read_timeout: Span,
    /// How long the answer to one command may take; a mail gets the time that 4 kB/s need on top.
    #[serde(default = "command_timeout")]
    pub command_timeout: Span,
    /// After this long, and a time-out more at most, a session's deletes are committed with QUIT and a new one begins.
    #[serde(default = "session_time")]
    pub session_time: Span,
    /// How often a mailbox is tried again in one run after a failure that may pass (a lock, a broken connection).
    #[serde(default = "retries")]
    pub retries: usize,
    /// The pause before the first of them; it doubles each time, and some chance is added.
    #[serde(default = "retry_pause")]
    pub retry_pause: Span,
    /// After this long a run ends: what was fetched is published and deleted as usual, the rest is for the next run. By
    /// default it goes on until everything is done.
    #[serde(default)]
    pub run_time: Option<Span>,
}

fn message_size() -> Octets {
    Octets(30_000_000)
}

fn in_flight() -> Octets {
    Octets(32_000_000)
}

fn mailboxes_at_once() -> usize {
    16
}

fn pipeline() -> usize {
    100
}

fn session_mails() -> usize {
    5_000
}

fn connect_timeout() -> Span {
    Span::seconds(15)
}

fn read_timeout() -> Span {
    Span::seconds(60)
}

fn command_timeout() -> Span {
    Span::seconds(5 * 60)
}

fn session_time() -> Span {
    Span::seconds(10 * 60)
}

fn retries() -> usize {
    3
}

fn retry_pause() -> Span {
    Span::seconds(2)
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size: message_size(),
            in_flight: in_flight(),
            mailboxes_at_once: mailboxes_at_once(),
            pipeline: pipeline(),
            session_mails: session_mails(),
            connect_timeout: connect_timeout(),
            read_timeout: read_timeout(),
            command_timeout: command_timeout(),
            session_time: session_time(),
            retries: retries(),
            retry_pause: retry_pause(),
            run_time: None,
        }
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
