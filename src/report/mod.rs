//! What one run did, for people: counts, rates by provider, samples worth a look, failures with advice, where the time
//! went, and when things happened.
//!
//! A [`Collector`] watches a run and keeps little: counts, and some samples. It sees events as they were published, so
//! the mailbox's privacy holds here too, and it keeps no address at all: a report is passed on more easily than a
//! topic is read. [`Report`] is the data (`--report json=`), [`html`] the page (`--report html=`).

pub mod html;

use crate::event::privacy::hide;
use crate::event::run::{DnsRun, MailboxRun};
use crate::event::{BounceType, CorrelationStatus, Event, Kind, TextMode, Verdict};
use crate::pipeline::{FailureClass, Observer, RunReport, Station};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Samples kept of each sort.
const SAMPLES: usize = 15;
/// Characters of a subject that are shown.
const MOST_SUBJECT: usize = 120;
/// Below this a verdict is worth a look.
const DOUBTFUL: f32 = 0.7;
/// Hours that are counted; a mailbox with more has years in it, and gets days of the last ones.
const MOST_HOURS: usize = 24 * 400;
/// Steps of a timeline.
const STEPS: usize = 60;
/// Providers named.
const PROVIDERS: usize = 12;
/// Who counts as nobody in particular.
const OTHERS: &str = "others";

/// Events of one provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProviderCounts {
    pub provider: String,
    pub events: u64,
    pub bounces_hard: u64,
    pub bounces_soft: u64,
    pub bounces_undetermined: u64,
    pub delays: u64,
    pub complaints: u64,
    pub unsubscribes: u64,
    pub auto_replies: u64,
    pub replies: u64,
}

/// An event worth a look.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    pub mailbox: String,
    pub kind: Kind,
    /// Category, type or subtype.
    pub detail: String,
    pub confidence: f32,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The domain of the recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Only where neither `privacy.text` nor `privacy.subject` is `omit`, and without addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// To find the mail again: `replay --uidl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uidl: Option<String>,
    pub digest_sha256: String,
}

/// What went wrong with a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureLine {
    pub mailbox: String,
    pub message: String,
    pub advice: &'static str,
}

/// Where the time went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StationTimes {
    pub station: &'static str,
    pub count: u64,
    /// Over all, side by side.
    pub total_ms: u64,
    pub slowest_ms: u64,
}

/// A step of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimelineStep {
    pub from: DateTime<Utc>,
    pub events: BTreeMap<Kind, u64>,
}

/// A run, ready to be shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub report_version: &'static str,
    pub run_id: String,
    pub worker_version: &'static str,
    pub ruleset_version: String,
    pub started_at: DateTime<Utc>,
    pub ended_at: DateTime<Utc>,
    pub exit_code: u8,
    pub dry_run: bool,
    pub mailboxes: Vec<MailboxRun>,
    pub events: BTreeMap<Kind, u64>,
    /// Bounces by category, hard and soft apart.
    pub bounces: Vec<BounceCount>,
    pub correlation: BTreeMap<String, u64>,
    pub providers: Vec<ProviderCounts>,
    /// Bounces, complaints and replies of which no campaign is known.
    pub unmatched: Vec<Sample>,
    pub low_confidence: Vec<Sample>,
    pub unclassified: Vec<Sample>,
    pub failures: Vec<FailureLine>,
    /// The slowest first.
    pub stations: Vec<StationTimes>,
    /// `hour` or `day`.
    pub timeline_step: &'static str,
    /// When what came back happened.
    pub timeline: Vec<TimelineStep>,
    pub dns: DnsRun,
}

/// Bounces of one category and type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BounceCount {
    pub category: String,
    #[serde(rename = "type")]
    pub bounce_type: Option<BounceType>,
    pub count: u64,
}

#[derive(Default)]
struct Seen {
    providers: BTreeMap<String, ProviderCounts>,
    bounces: BTreeMap<(String, &'static str), (Option<BounceType>, u64)>,
    correlation: BTreeMap<String, u64>,
    unmatched: Vec<Sample>,
    low_confidence: Vec<Sample>,
    unclassified: Vec<Sample>,
    hours: BTreeMap<DateTime<Utc>, BTreeMap<Kind, u64>>,
    stations: BTreeMap<Station, (u64, Duration, Duration)>,
    events: BTreeMap<Kind, u64>,
}

/// Watches a run.
#[derive(Default)]
pub struct Collector(Mutex<Seen>);

impl Collector {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Collector {
    fn published(&self, events: &[Event]) {
        let mut seen = self.seen();
        for event in events {
            seen.note(event);
        }
    }

    fn took(&self, station: Station, time: Duration) {
        let mut seen = self.seen();
        let (count, total, slowest) = seen.stations.entry(station).or_default();
        *count += 1;
        *total += time;
        *slowest = (*slowest).max(time);
    }
}

impl Seen {
    fn note(&mut self, event: &Event) {
        let data = &event.data;
        let kind = data.verdict.kind();
        *self.events.entry(kind).or_default() += 1;
        self.provider(event);
        if let Verdict::Bounce { bounce } = &data.verdict {
            let name = bounce.bounce_type.map_or("", BounceType::as_str);
            let key = (bounce.category.as_str().to_owned(), name);
            self.bounces.entry(key).or_insert((bounce.bounce_type, 0)).1 += 1;
        }
        let status = data.correlation.status;
        *self.correlation.entry(word(&status)).or_default() += 1;
        // A notice that answers no campaign needs none.
        let wants_campaign = !matches!(kind, Kind::Other | Kind::Unclassified);
        if kind == Kind::Unclassified {
            keep(&mut self.unclassified, event);
        } else if data.classification.confidence < DOUBTFUL {
            keep(&mut self.low_confidence, event);
        }
        if wants_campaign && status != CorrelationStatus::Matched {
            keep(&mut self.unmatched, event);
        }
        if let Ok(hour) = data.occurred_at.duration_trunc(TimeDelta::hours(1)) {
            *self.hours.entry(hour).or_default().entry(kind).or_default() += 1;
            if self.hours.len() > MOST_HOURS {
                self.hours.pop_first();
            }
        }
    }

    fn provider(&mut self, event: &Event) {
        let data = &event.data;
        let failure = match &data.verdict {
            Verdict::Bounce { bounce: f } | Verdict::Delay { delay: f } => Some(f),
            _ => None,
        };
        let name = failure
            .and_then(|f| f.provider.clone())
            .or_else(|| data.recipient.as_ref().and_then(|r| r.provider.clone()))
            .unwrap_or_else(|| OTHERS.to_owned());
        let counts = self.providers.entry(name).or_default();
        counts.events += 1;
        match &data.verdict {
            Verdict::Bounce { bounce } => match bounce.bounce_type {
                Some(BounceType::Hard) => counts.bounces_hard += 1,
                Some(BounceType::Soft) => counts.bounces_soft += 1,
                Some(BounceType::Undetermined) | None => counts.bounces_undetermined += 1,
            },
            Verdict::Delay { .. } => counts.delays += 1,
            Verdict::Complaint { .. } => counts.complaints += 1,
            Verdict::Unsubscribe { .. } => counts.unsubscribes += 1,
            Verdict::AutoReply { .. } => counts.auto_replies += 1,
            Verdict::Reply { .. } => counts.replies += 1,
            _ => {}
        }
    }
}

fn keep(samples: &mut Vec<Sample>, event: &Event) {
    if samples.len() >= SAMPLES {
        return;
    }
    let data = &event.data;
    let (of_type, category) = crate::event::details(&data.verdict);
    let shown = data.privacy.text != TextMode::Omit;
    samples.push(Sample {
        mailbox: data.mailbox.id.clone(),
        kind: data.verdict.kind(),
        detail: of_type.into_iter().chain(category).collect::<Vec<_>>().join(" "),
        confidence: data.classification.confidence,
        rule: data.classification.rules.first().map(|r| r.id.clone()),
        domain: data.recipient.as_ref().and_then(|r| r.domain.clone()),
        subject: data.message.subject.clone().filter(|_| shown).map(|mut s| {
            hide(&mut s);
            s.chars().take(MOST_SUBJECT).collect()
        }),
        uidl: data.ingest.uidl.clone(),
        digest_sha256: data.message.digest_sha256.clone(),
    });
}

fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What identifies a run.
#[derive(Debug, Clone, Copy)]
pub struct Run<'r> {
    pub run_id: &'r str,
    pub ruleset_version: &'r str,
    pub exit_code: u8,
    pub dry_run: bool,
}

impl Report {
    /// The report of a run that `collector` watched.
    #[must_use]
    pub fn new(collector: &Collector, run: Run<'_>, done: &RunReport) -> Self {
        let seen = collector.seen();
        let mut providers: Vec<ProviderCounts> =
            seen.providers.iter().map(|(name, c)| ProviderCounts { provider: name.clone(), ..c.clone() }).collect();
        providers.sort_by_key(|p| (p.provider == OTHERS, std::cmp::Reverse(p.events)));
        providers.truncate(PROVIDERS);
        let mut bounces: Vec<BounceCount> = seen
            .bounces
            .iter()
            .map(|((category, _), (bounce_type, count))| BounceCount {
                category: category.clone(),
                bounce_type: *bounce_type,
                count: *count,
            })
            .collect();
        bounces.sort_by_key(|b| std::cmp::Reverse(b.count));
        let ms = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut stations: Vec<StationTimes> = seen
            .stations
            .iter()
            .map(|(station, (count, total, slowest))| StationTimes {
                station: station.as_str(),
                count: *count,
                total_ms: ms(total),
                slowest_ms: ms(slowest),
            })
            .collect();
        stations.sort_by_key(|s| std::cmp::Reverse(s.total_ms));
        let (timeline_step, timeline) = timeline(&seen.hours);
        Self {
            report_version: "1.0",
            run_id: run.run_id.to_owned(),
            worker_version: env!("CARGO_PKG_VERSION"),
            ruleset_version: run.ruleset_version.to_owned(),
            started_at: done.started_at,
            ended_at: done.ended_at,
            exit_code: run.exit_code,
            dry_run: run.dry_run,
            mailboxes: done.mailboxes.clone(),
            events: seen.events.clone(),
            bounces,
            correlation: seen.correlation.clone(),
            providers,
            unmatched: seen.unmatched.clone(),
            low_confidence: seen.low_confidence.clone(),
            unclassified: seen.unclassified.clone(),
            failures: done
                .failures
                .iter()
                .map(|(mailbox, failure)| FailureLine {
                    mailbox: mailbox.clone(),
                    message: failure.message.clone(),
                    advice: advice(failure.class),
                })
                .collect(),
            stations,
            timeline_step,
            timeline,
            dns: done.dns,
        }
    }
}

/// Who can do something about a failure.
fn advice(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Internal => "A fault of the program: report it with the log of this run.",
        FailureClass::Configuration => "For whoever deploys: mend the setting named here, then run `check`.",
        FailureClass::Fenced => "Another worker has taken over: nothing is to be done if that was meant.",
        FailureClass::Kafka => {
            "For whoever runs Kafka: nothing was lost, what was not acknowledged stays in the mailbox."
        }
        FailureClass::Credentials => {
            "For whoever owns the mailbox: renew the password or the consent, then run `check`."
        }
        FailureClass::Withheld => {
            "For whoever owns the mailbox: look at its mails, then raise the limit or run `poll --allow-deletes`."
        }
        FailureClass::Temporary => "It may work at the next run; look again if it stays.",
    }
}

/// The last steps: hours, or days where hours would be too many.
fn timeline(hours: &BTreeMap<DateTime<Utc>, BTreeMap<Kind, u64>>) -> (&'static str, Vec<TimelineStep>) {
    let (Some((first, _)), Some((last, _))) = (hours.first_key_value(), hours.last_key_value()) else {
        return ("hour", Vec::new());
    };
    let fits = usize::try_from((*last - *first).num_hours()).is_ok_and(|h| h < STEPS);
    let (name, step) = if fits { ("hour", TimeDelta::hours(1)) } else { ("day", TimeDelta::days(1)) };
    let mut steps: BTreeMap<DateTime<Utc>, BTreeMap<Kind, u64>> = BTreeMap::new();
    for (hour, kinds) in hours {
        let Ok(from) = hour.duration_trunc(step) else { continue };
        for (kind, count) in kinds {
            *steps.entry(from).or_default().entry(*kind).or_default() += count;
        }
    }
    // Steps in which nothing happened are shown as well, up to the last.
    let Some((&newest, _)) = steps.last_key_value() else { return (name, Vec::new()) };
    let oldest = steps.first_key_value().map_or(newest, |(from, _)| *from);
    let mut out = Vec::new();
    let mut from = newest;
    while out.len() < STEPS && from >= oldest {
        out.push(TimelineStep { from, events: steps.remove(&from).unwrap_or_default() });
        from -= step;
    }
    out.reverse();
    (name, out)
}

#[cfg(test)]
mod tests {
    use super::timeline;
    use crate::event::Kind;
    use chrono::{DateTime, TimeDelta, Utc};
    use std::collections::BTreeMap;

    fn hours(at: &[i64]) -> BTreeMap<DateTime<Utc>, BTreeMap<Kind, u64>> {
        let start: DateTime<Utc> = "2026-11-16T00:00:00Z".parse().expect("a time");
        at.iter().map(|h| (start + TimeDelta::hours(*h), BTreeMap::from([(Kind::Reply, 1)]))).collect()
    }

    #[test]
    fn a_timeline_has_few_steps_and_no_gaps() {
        for (at, name, steps) in [
            (vec![], "hour", 0),
            (vec![0], "hour", 1),
            (vec![0, 5], "hour", 6),
            (vec![0, 100], "day", 5),
            (vec![0, 9_000], "day", 60),
        ] {
            let (step, line) = timeline(&hours(&at));
            assert_eq!((step, line.len()), (name, steps), "{at:?}");
            assert!(line.last().is_none_or(|s| !s.events.is_empty()), "{at:?}");
        }
    }
}
