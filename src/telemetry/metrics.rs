//! The metrics, their names and their labels.

use super::happenings::word;
use crate::event::DeadReason;
use crate::pipeline::{FailureClass, Step};
use chrono::{DateTime, Utc};
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};
use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many providers have a counter of their own.
const MOST_PROVIDERS: usize = 200;
/// Every name begins so.
const PREFIX: &str = "reply_ingest";
/// Bounds in seconds: a run or a pass, a mail's age, a question or a batch.
const LONG: [f64; 11] = [0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0];
const AGES: [f64; 10] = [10.0, 60.0, 300.0, 900.0, 3_600.0, 10_800.0, 43_200.0, 86_400.0, 259_200.0, 604_800.0];
/// What a step takes for one mail.
const STEPS: [f64; 8] = [0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.01, 0.1, 1.0];
const SHORT: [f64; 12] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// How runs and passes end.
pub(super) const OUTCOMES: [(Option<FailureClass>, &str); 8] = [
    (None, "success"),
    (Some(FailureClass::Internal), "internal"),
    (Some(FailureClass::Configuration), "configuration"),
    (Some(FailureClass::Fenced), "fenced"),
    (Some(FailureClass::Kafka), "kafka"),
    (Some(FailureClass::Credentials), "credentials"),
    (Some(FailureClass::Withheld), "withheld"),
    (Some(FailureClass::Temporary), "temporary"),
];
/// What becomes of mails.
const OF_MAILS: [&str; 5] = ["published", "known", "before_start", "refused", "dead_letter"];
/// Why mails become dead letters.
const OF_DEAD_LETTERS: [DeadReason; 3] = [DeadReason::TooLarge, DeadReason::Refused, DeadReason::InvalidEvent];

pub(super) type Seconds = Gauge<f64, AtomicU64>;
pub(super) type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($field:ident),+ })+) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub(super) struct $name {
            $(pub(super) $field: String),+
        })+
    };
}

labels! {
    Mailbox { mailbox }
    OfStep { step }
    Outcome { outcome }
    MailboxOutcome { mailbox, outcome }
    MailboxKind { mailbox, kind }
    MailboxReason { mailbox, reason }
    MailboxStatus { mailbox, status }
    ProviderType { provider, r#type }
    CategoryType { category, r#type }
    MailboxResult { mailbox, method, result }
    MailboxBoundary { mailbox, boundary }
    TypeOutcome { r#type, outcome }
    Broker { broker }
    BrokerQuantile { broker, quantile }
    BrokerError { broker, error }
    Build { version, ruleset }
}

/// What runs. Which rules is known only once they are read, and another configuration may bring others.
#[derive(Debug, Clone)]
struct Running(Arc<Mutex<Build>>);

impl Running {
    fn get(&self) -> MutexGuard<'_, Build> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EncodeMetric for Running {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.encode_info(&*self.get())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Info
    }
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    running: Running,
    registry: Registry,
    /// When something last went well: what a run that failed must not overwrite where it was pushed before.
    successes: Registry,

    pub(super) runs: Family<Outcome, Counter>,
    pub(super) run_duration: Histogram,
    pub(super) run_end: Seconds,
    pub(super) run_success: Seconds,
    pub(super) run_exit: Gauge,
    pub(super) runs_active: Gauge,
    pub(super) runs_missed: Counter,
    pub(super) run_next: Seconds,
    pub(super) reload_ok: Gauge,
    pub(super) reload_at: Seconds,

    pub(super) mailbox_up: Family<Mailbox, Gauge>,
    pub(super) mailbox_pass: Family<Mailbox, Seconds>,
    pub(super) mailbox_success: Family<Mailbox, Seconds>,
    pub(super) mailbox_mails: Family<Mailbox, Gauge>,
    pub(super) mailbox_size: Family<Mailbox, Gauge>,
    pub(super) passes: Family<MailboxOutcome, Counter>,
    pub(super) pass_duration: Durations<Mailbox>,
    pub(super) mails: Family<MailboxOutcome, Counter>,
    pub(super) fetched: Family<Mailbox, Counter>,
    pub(super) deleted: Family<Mailbox, Counter>,
    pub(super) withheld: Family<Mailbox, Gauge>,
    pub(super) octets: Family<Mailbox, Counter>,
    pub(super) dead_letters: Family<MailboxReason, Counter>,
    pub(super) mail_age: Durations<Mailbox>,

    pub(super) events: Family<MailboxKind, Counter>,
    pub(super) correlations: Family<MailboxStatus, Counter>,
    pub(super) bounces: Family<ProviderType, Counter>,
    /// Those that have a counter of their own.
    providers: Mutex<BTreeSet<String>>,
    pub(super) categories: Family<CategoryType, Counter>,

    pub(super) auth_results: Family<MailboxResult, Counter>,
    pub(super) boundaries: Family<MailboxBoundary, Counter>,
    pub(super) disagreements: Family<Mailbox, Counter>,

    pub(super) steps: Durations<OfStep>,

    pub(super) dns_queries: Family<TypeOutcome, Counter>,
    pub(super) dns_duration: Histogram,
    pub(super) dns_questions: Counter,
    pub(super) dns_hits: Counter,
    pub(super) dns_retries: Counter,
    pub(super) dns_failures: Counter,

    pub(super) publish_duration: Histogram,
    pub(super) kafka_mails: Family<Outcome, Counter>,
    pub(super) queue_messages: Gauge,
    pub(super) queue_bytes: Gauge,
    pub(super) sent_messages: Counter,
    pub(super) sent_bytes: Counter,
    pub(super) broker_up: Family<Broker, Gauge>,
    pub(super) broker_rtt: Family<BrokerQuantile, Seconds>,
    pub(super) broker_errors: Family<BrokerError, Counter>,
}

fn long() -> Histogram {
    Histogram::new(LONG)
}

fn steps() -> Histogram {
    Histogram::new(STEPS)
}

fn ages() -> Histogram {
    Histogram::new(AGES)
}

/// Registers metrics and gives them back.
struct Book(Registry);

impl Book {
    fn new() -> Self {
        Self(Registry::with_prefix(PREFIX))
    }

    fn note<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }

    fn count<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.note(name, help, M::default())
    }

    fn seconds<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register_with_unit(name, help, Unit::Seconds, metric.clone());
        metric
    }

    fn bytes<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register_with_unit(name, help, Unit::Bytes, metric.clone());
        metric
    }
}

impl Metrics {
    /// Nothing counted yet, in a process that began at `started` and judges by this set of rules, as far as it is known.
    #[must_use]
    pub fn new(ruleset: &str, started: DateTime<Utc>) -> Self {
        let mut book = Book::new();
        let mut successes = Book::new();
        let build = Build { version: env!("CARGO_PKG_VERSION").to_owned(), ruleset: ruleset.to_owned() };
        let running = Running(Arc::new(Mutex::new(build)));
        book.0.register("build", "What runs", running.clone());
        let start = ConstGauge::new(timestamp(started));
        book.0.register_with_unit("start_timestamp", "When the process began", Unit::Seconds, start);
        Self {
            running,
            runs: book.count("runs", "Runs that ended"),
            run_duration: book.seconds("run_duration", "How long runs took", long()),
            run_end: book.seconds("run_last_end_timestamp", "When a run ended last", Seconds::default()),
            run_success: successes.seconds(
                "run_last_success_timestamp",
                "When a run last ended well; 0: not yet in this process",
                Seconds::default(),
            ),
            run_exit: book.count("run_last_exit_code", "The exit code that the last run stands for"),
            runs_active: book.count("runs_active", "Runs under way"),
            runs_missed: book.count("runs_missed", "Ticks that passed while their own run was under way"),
            run_next: book.seconds("run_next_timestamp", "The next tick of any schedule", Seconds::default()),
            reload_ok: book.count("config_last_reload_successful", "Whether the last configuration was taken"),
            reload_at: book.seconds(
                "config_last_reload_success_timestamp",
                "When a configuration was last taken",
                Seconds::default(),
            ),
            mailbox_up: book.count("mailbox_up", "Whether the mailbox's last pass went well"),
            mailbox_pass: book.seconds(
                "mailbox_last_pass_timestamp",
                "When the mailbox's last pass ended",
                Family::default(),
            ),
            mailbox_success: successes.seconds(
                "mailbox_last_success_timestamp",
                "When a pass over the mailbox last went well; 0: not yet in this process",
                Family::default(),
            ),
            mailbox_mails: book.count("mailbox_mails", "Mails that lay there when the last pass began"),
            mailbox_size: book.bytes("mailbox_size", "Octets that lay there when the last pass began"),
            passes: book.count("mailbox_passes", "Passes that ended"),
            pass_duration: book.seconds(
                "mailbox_pass_duration",
                "How long passes took",
                Family::new_with_constructor(long as fn() -> Histogram),
            ),
            mails: book.count("mails", "Mails, by what became of them"),
            fetched: book.count("mails_fetched", "Mails fetched"),
            deleted: book.count("mails_deleted", "Mails whose deletion was committed"),
            withheld: book.count("mailbox_deletes_withheld", "Mails that a guard kept the last run from deleting"),
            octets: book.bytes("fetched", "Octets fetched"),
            dead_letters: book.count("dead_letters", "Dead letters that took the place of a mail's events"),
            mail_age: book.seconds(
                "mail_age",
                "From a mail's arrival to the acknowledgement of its events",
                Family::new_with_constructor(ages as fn() -> Histogram),
            ),
            events: book.count("events", "Events acknowledged"),
            correlations: book.count("correlations", "Events acknowledged, by how their campaign was found"),
            bounces: book.count("bounces", "Bounces, by who refused"),
            providers: Mutex::default(),
            categories: book.count("bounce_categories", "Bounces, by the reason"),
            auth_results: book.count("auth_results", "Results of SPF, DKIM (signatures), DMARC and ARC"),
            boundaries: book.count("auth_boundaries", "Mails, by whether their SMTP client was found"),
            disagreements: book.count("auth_disagreements", "Mails about which the receiver and this program differ"),
            steps: book.seconds(
                "step_cpu",
                "What steps took of a processor, for one mail in seventeen",
                Family::new_with_constructor(steps as fn() -> Histogram),
            ),
            dns_queries: book.count("dns_queries", "Questions over the network"),
            dns_duration: book.seconds("dns_query_duration", "How long name servers took", Histogram::new(SHORT)),
            dns_questions: book.count("dns_questions", "Questions of the mails"),
            dns_hits: book.count("dns_cache_hits", "Questions that the cache answered"),
            dns_retries: book.count("dns_retries", "Questions that were asked again"),
            dns_failures: book.count("dns_failures", "Questions that ended without an answer"),
            publish_duration: book.seconds(
                "kafka_publish_duration",
                "From handing a batch over to its last acknowledgement",
                Histogram::new(SHORT),
            ),
            kafka_mails: book.count("kafka_mails", "Mails whose events were published, refused or failed"),
            queue_messages: book.count("kafka_queue_messages", "Records in librdkafka's queues"),
            queue_bytes: book.bytes("kafka_queue", "Octets in librdkafka's queues"),
            sent_messages: book.count("kafka_sent_messages", "Records that librdkafka sent"),
            sent_bytes: book.bytes("kafka_sent", "Octets that librdkafka sent"),
            broker_up: book.count("kafka_broker_up", "Whether the connection to the broker is up"),
            broker_rtt: book.seconds("kafka_broker_rtt", "Round trip to the broker", Family::default()),
            broker_errors: book.count("kafka_broker_errors", "Errors on the connection to the broker"),
            registry: book.0,
            successes: successes.0,
        }
    }

    /// These mailboxes are in the configuration: one without a good pass yet says so. What an alert waits for begins
    /// at 0: the first failure of a counter that began with it would be no increase.
    pub fn mailboxes(&self, known: &[&str]) {
        let outcomes = || OUTCOMES.into_iter().map(|(_, name)| name.to_owned());
        for outcome in outcomes() {
            drop(self.runs.get_or_create(&Outcome { outcome }));
        }
        for name in known {
            let mailbox = || (*name).to_owned();
            drop(self.mailbox_success.get_or_create(&Mailbox { mailbox: mailbox() }));
            for outcome in outcomes() {
                drop(self.passes.get_or_create(&MailboxOutcome { mailbox: mailbox(), outcome }));
            }
            for reason in OF_DEAD_LETTERS.iter().map(word) {
                drop(self.dead_letters.get_or_create(&MailboxReason { mailbox: mailbox(), reason }));
            }
            for outcome in OF_MAILS {
                drop(self.mails.get_or_create(&MailboxOutcome { mailbox: mailbox(), outcome: outcome.to_owned() }));
            }
        }
    }

    /// A mailbox is no longer in the configuration: its present state is forgotten, its counters stay.
    pub fn forget(&self, mailbox: &str) {
        let label = Mailbox { mailbox: mailbox.to_owned() };
        self.mailbox_up.remove(&label);
        self.mailbox_pass.remove(&label);
        self.mailbox_success.remove(&label);
        self.mailbox_mails.remove(&label);
        self.mailbox_size.remove(&label);
        self.withheld.remove(&label);
    }

    /// The label of a provider: rules of the configuration can name any number.
    pub(super) fn provider(&self, name: Option<&str>) -> String {
        let Some(name) = name else { return "none".to_owned() };
        let mut known = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(name) || known.len() < MOST_PROVIDERS {
            known.insert(name.to_owned());
            name.to_owned()
        } else {
            "other".to_owned()
        }
    }

    /// This set of rules judges from now on.
    pub fn judging_by(&self, ruleset: &str) {
        ruleset.clone_into(&mut self.running.get().ruleset);
    }

    /// The set of rules that judges.
    #[must_use]
    pub fn ruleset(&self) -> String {
        self.running.get().ruleset.clone()
    }

    /// A step took so long of a processor.
    pub fn step_took(&self, step: Step, time: Duration) {
        let label = OfStep { step: step.as_str().to_owned() };
        self.steps.get_or_create(&label).observe(time.as_secs_f64());
    }

    /// A run begins.
    pub fn run_begins(&self) {
        self.runs_active.inc();
    }

    /// … and is over, however it went.
    pub fn run_is_over(&self) {
        self.runs_active.dec();
    }

    /// The next tick of any schedule.
    pub fn next_tick(&self, at: Option<DateTime<Utc>>) {
        self.run_next.set(at.map_or(0.0, timestamp));
    }

    /// All of it, as `OpenMetrics` 1.0.
    #[must_use]
    pub fn open_metrics(&self) -> String {
        let mut out = String::new();
        // Writing into a string does not fail.
        let _ = text::encode_registry(&mut out, &self.registry);
        let _ = text::encode_registry(&mut out, &self.successes);
        let _ = text::encode_eof(&mut out);
        out
    }

    /// All but when something last went well, in Prometheus' text.
    pub(super) fn state(&self) -> String {
        let mut out = String::new();
        let _ = prometheus_text::encode(&mut out, &self.registry);
        out
    }

    /// When something last went well, in Prometheus' text.
    pub(super) fn successes(&self) -> String {
        let mut out = String::new();
        let _ = prometheus_text::encode(&mut out, &self.successes);
        out
    }
}

/// Seconds since 1970.
#[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit")]
pub(super) fn timestamp(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1_000.0
}
