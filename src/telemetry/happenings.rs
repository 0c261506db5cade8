//! What happens: each struct is a log line and what is counted of it.

use super::metrics::{
    CategoryType, Mailbox, MailboxBoundary, MailboxKind, MailboxOutcome, MailboxReason, MailboxResult, MailboxStatus,
    Metrics, OUTCOMES, Outcome, ProviderType, timestamp,
};
use crate::event::run::{DnsRun, MailboxRun, kinds};
use crate::event::{AuthWord, DeadReason, Event, Verdict};
use crate::pipeline::{Failure, FailureClass};
use crate::sink;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// A mailbox was listed at the beginning of a pass.
#[derive(Debug)]
pub struct Listed<'a> {
    pub mailbox: &'a str,
    pub mails: u64,
    pub octets: u64,
}

impl Listed<'_> {
    pub fn tell(&self, metrics: &Metrics) {
        tracing::debug!(mailbox = %self.mailbox, mails = self.mails, octets = self.octets, "mailbox listed");
        let label = label(self.mailbox);
        metrics.mailbox_mails.get_or_create(&label).set(whole(self.mails));
        metrics.mailbox_size.get_or_create(&label).set(whole(self.octets));
    }
}

/// A batch came back from the sink.
#[derive(Debug)]
pub struct BatchPublished<'a> {
    pub took: Duration,
    pub outcomes: &'a [sink::Outcome],
}

impl BatchPublished<'_> {
    pub fn tell(&self, metrics: &Metrics) {
        if self.outcomes.is_empty() {
            return;
        }
        let count = |of: fn(&sink::Outcome) -> bool| self.outcomes.iter().filter(|o| of(o)).count() as u64;
        let published = count(|o| matches!(o, sink::Outcome::Published));
        let refused = count(|o| matches!(o, sink::Outcome::Refused(_)));
        let failed =
            count(|o| matches!(o, sink::Outcome::Failed(_) | sink::Outcome::Lost(_) | sink::Outcome::Fenced(_)));
        let took_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(published, refused, failed, took_ms, "batch published");
        metrics.publish_duration.observe(self.took.as_secs_f64());
        for (outcome, mails) in [("published", published), ("refused", refused), ("failed", failed)] {
            if mails > 0 {
                metrics.kafka_mails.get_or_create(&Outcome { outcome: outcome.to_owned() }).inc_by(mails);
            }
        }
    }
}

/// The events of one mail were acknowledged.
#[derive(Debug)]
pub struct Published<'a> {
    pub mailbox: &'a str,
    pub events: &'a [Event],
    /// When the mail reached the mailbox.
    pub delivered_at: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
}

impl Published<'_> {
    pub fn tell(&self, metrics: &Metrics) {
        let mailbox = self.mailbox.to_owned();
        let age = self.delivered_at.and_then(|at| (self.now - at).to_std().ok());
        tracing::debug!(
            mailbox = %mailbox, events = self.events.len(), age_s = age.map(|a| a.as_secs()),
            "mail published"
        );
        if let Some(age) = age {
            metrics.mail_age.get_or_create(&label(&mailbox)).observe(age.as_secs_f64());
        }
        for event in self.events {
            let kind = event.data.verdict.kind().as_str().to_owned();
            metrics.events.get_or_create(&MailboxKind { mailbox: mailbox.clone(), kind }).inc();
            let status = word(&event.data.correlation.status);
            metrics.correlations.get_or_create(&MailboxStatus { mailbox: mailbox.clone(), status }).inc();
            if let Verdict::Bounce { bounce } = &event.data.verdict {
                let r#type = bounce.bounce_type.map_or("undetermined", |t| t.as_str()).to_owned();
                let category = bounce.category.as_str().to_owned();
                metrics.categories.get_or_create(&CategoryType { category, r#type: r#type.clone() }).inc();
                let provider = metrics.provider(bounce.provider.as_deref());
                metrics.bounces.get_or_create(&ProviderType { provider, r#type }).inc();
            }
        }
        // Every event of a mail carries the same verdicts.
        let Some(auth) = self.events.first().and_then(|e| e.data.auth.as_ref()) else { return };
        let results = (auth.spf.iter().map(|r| ("spf", r.result)))
            .chain(auth.dkim.iter().map(|r| ("dkim", r.result)))
            .chain(auth.dmarc.iter().map(|r| ("dmarc", r.result)))
            .chain(auth.arc.iter().map(|r| ("arc", r.result)));
        for (method, result) in results {
            let (method, result) = (method.to_owned(), result.as_str().to_owned());
            metrics.auth_results.get_or_create(&MailboxResult { mailbox: mailbox.clone(), method, result }).inc();
        }
        let boundary = word(&auth.context.boundary);
        metrics.boundaries.get_or_create(&MailboxBoundary { mailbox: mailbox.clone(), boundary }).inc();
        if auth.disagreement == Some(true) {
            metrics.disagreements.get_or_create(&label(&mailbox)).inc();
        }
    }
}

/// A dead letter took the place of a mail's events.
#[derive(Debug)]
pub struct DeadLettered<'a> {
    pub mailbox: &'a str,
    pub digest: &'a str,
    pub octets: u64,
    pub reason: DeadReason,
    /// What the broker said.
    pub detail: &'a str,
}

impl DeadLettered<'_> {
    pub fn tell(&self, metrics: &Metrics) {
        let reason = word(&self.reason);
        tracing::warn!(
            mailbox = %self.mailbox, digest = %self.digest, octets = self.octets, %reason, detail = %self.detail,
            "the events of a mail cannot be published: a dead letter was published instead"
        );
        metrics.dead_letters.get_or_create(&MailboxReason { mailbox: self.mailbox.to_owned(), reason }).inc();
    }
}

/// A pass over a mailbox ended.
#[derive(Debug)]
pub struct PassEnded<'a> {
    pub run: &'a MailboxRun,
    pub failure: Option<&'a Failure>,
    /// Nothing was published: what is said to be would have been.
    pub dry_run: bool,
    pub now: DateTime<Utc>,
}

impl PassEnded<'_> {
    pub fn tell(&self, metrics: &Metrics) {
        let Self { run, .. } = self;
        tracing::info!(
            mailbox = %run.id,
            dry_run = self.dry_run.then_some(true),
            listed = run.listed,
            fetched = run.fetched,
            published = run.published,
            known = run.known,
            before_start = run.before_start,
            refused = run.refused,
            archived = run.archived,
            dead_lettered = run.dead_lettered,
            deleted = run.deleted,
            deletes_withheld = run.deletes_withheld,
            unfinished = run.unfinished,
            reason = run.failure.as_deref(),
            octets = run.octets,
            duration_ms = run.duration_ms,
            events = %kinds(&run.events),
            spf = %words(&run.auth.spf),
            dkim = %words(&run.auth.dkim),
            dmarc = %words(&run.auth.dmarc),
            "pass ended"
        );
        let label = label(&run.id);
        let of = |outcome: &str| MailboxOutcome { mailbox: run.id.clone(), outcome: outcome.to_owned() };
        for (outcome, mails) in [
            ("published", run.published),
            ("known", run.known),
            ("before_start", run.before_start),
            ("refused", run.refused),
            ("dead_letter", run.dead_lettered),
        ] {
            metrics.mails.get_or_create(&of(outcome)).inc_by(mails);
        }
        metrics.fetched.get_or_create(&label).inc_by(run.fetched);
        metrics.deleted.get_or_create(&label).inc_by(run.deleted);
        metrics.octets.get_or_create(&label).inc_by(run.octets);
        let class = self.failure.map(|f| f.class).or((run.refused > 0).then_some(FailureClass::Temporary));
        metrics.passes.get_or_create(&of(outcome(class))).inc();
        metrics.pass_duration.get_or_create(&label).observe(Duration::from_millis(run.duration_ms).as_secs_f64());
        metrics.withheld.get_or_create(&label).set(whole(run.deletes_withheld));
        // A mailbox whose deletes wait for a person gave its events all the same.
        let went_well = matches!(class, None | Some(FailureClass::Withheld));
        metrics.mailbox_up.get_or_create(&label).set(i64::from(went_well));
        metrics.mailbox_pass.get_or_create(&label).set(timestamp(self.now));
        if went_well {
            metrics.mailbox_success.get_or_create(&label).set(timestamp(self.now));
        }
    }
}

/// A run ended.
#[derive(Debug)]
pub struct RunEnded<'a> {
    /// What decides the exit code; `None` when all went well.
    pub class: Option<FailureClass>,
    pub exit_code: u8,
    pub mailboxes: usize,
    pub took: Duration,
    /// `None` when it ended before it began: no Kafka, no ledger.
    pub dns: Option<&'a DnsRun>,
    pub now: DateTime<Utc>,
}

impl RunEnded<'_> {
    /// A run that could not begin.
    #[must_use]
    pub fn before_it_began(failure: &Failure, exit_code: u8, now: DateTime<Utc>) -> Self {
        Self { class: Some(failure.class), exit_code, mailboxes: 0, took: Duration::ZERO, dns: None, now }
    }

    pub fn tell(&self, metrics: &Metrics) {
        if let Some(dns) = self.dns {
            resolution(dns, metrics);
        }
        let took_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            outcome = outcome(self.class),
            exit_code = self.exit_code,
            mailboxes = self.mailboxes,
            duration_ms = took_ms,
            "run ended"
        );
        metrics.runs.get_or_create(&Outcome { outcome: outcome(self.class).to_owned() }).inc();
        metrics.run_duration.observe(self.took.as_secs_f64());
        metrics.run_end.set(timestamp(self.now));
        metrics.run_exit.set(i64::from(self.exit_code));
        if self.class.is_none() {
            metrics.run_success.set(timestamp(self.now));
        }
    }
}

/// What name resolution did in a run.
fn resolution(dns: &DnsRun, metrics: &Metrics) {
    tracing::info!(
        questions = dns.questions,
        cache_hits = dns.cache_hits,
        retried = dns.retried,
        failed = dns.failed,
        asked = dns.latency.map(|l| l.asked),
        p95_ms = dns.latency.map(|l| l.p95_ms),
        max_ms = dns.latency.map(|l| l.max_ms),
        "name resolution"
    );
    metrics.dns_questions.inc_by(dns.questions);
    metrics.dns_hits.inc_by(dns.cache_hits);
    metrics.dns_retries.inc_by(dns.retried);
    metrics.dns_failures.inc_by(dns.failed);
}

/// Ticks passed while their own run was under way.
#[derive(Debug)]
pub struct TicksMissed<'a> {
    pub schedule: &'a str,
    pub ticks: u64,
}

impl TicksMissed<'_> {
    pub fn tell(&self, metrics: &Metrics) {
        tracing::warn!(
            schedule = self.schedule,
            ticks = self.ticks,
            "ticks passed while their run was under way: it takes longer than its schedule allows"
        );
        metrics.runs_missed.inc_by(self.ticks);
    }
}

/// A configuration was read: at the start, or again.
#[derive(Debug)]
pub struct Reloaded<'a> {
    pub mailboxes: usize,
    /// Why it was not taken.
    pub refused: Option<&'a str>,
    pub now: DateTime<Utc>,
}

impl Reloaded<'_> {
    pub fn tell(&self, metrics: &Metrics) {
        metrics.reload_ok.set(i64::from(self.refused.is_none()));
        if let Some(reason) = self.refused {
            tracing::error!(%reason, "the configuration is wrong: the one before stays in force");
        } else {
            tracing::info!(mailboxes = self.mailboxes, "configuration taken");
            metrics.reload_at.set(timestamp(self.now));
        }
    }
}

fn label(mailbox: &str) -> Mailbox {
    Mailbox { mailbox: mailbox.to_owned() }
}

/// The outcome's name.
fn outcome(class: Option<FailureClass>) -> &'static str {
    OUTCOMES.into_iter().find(|(of, _)| *of == class).map_or("internal", |(_, name)| name)
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A word of the event's schema, as events carry it.
pub(super) fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Verdicts on one line: `12 pass, 3 fail`.
fn words(counts: &BTreeMap<AuthWord, u64>) -> String {
    let parts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {}", word.as_str())).collect();
    if parts.is_empty() { "none checked".to_owned() } else { parts.join(", ") }
}
