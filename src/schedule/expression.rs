//! A schedule as it is written.

use super::field::{DAYS, FIELDS, Values};
use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use cron::Schedule;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::str::FromStr;

/// What the short forms stand for.
const SHORT: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];
/// Days of the months, with the 29th of February.
const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const MAX_LEN: usize = 1_000;

/// Why a schedule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("has {0} fields: write minute, hour, day of the month, month and day of the week, such as `*/5 * * * *`")]
    Fields(usize),
    #[error("`{part}` is no {field}: write numbers from {least} to {most}, ranges (1-5), steps (*/5) or lists (1,3)")]
    Field { field: &'static str, part: String, least: u32, most: u32 },
    #[error("is no short form: write @hourly, @daily, @weekly, @monthly, @yearly or @every 10m")]
    Short,
    #[error("@every takes whole seconds, at least one, and at most 366 days: write @every 30s or @every 10m")]
    Every,
    #[error("has a time zone in it: use the setting time_zone")]
    Zone,
    #[error("never comes: no month that it names has such a day")]
    Never,
    #[error("cannot be used: {0}")]
    Other(String),
}

/// A schedule: five fields with Kubernetes' meaning, a short form such as `@hourly`, or `@every 10s`.
#[derive(Debug, Clone)]
pub struct Expression {
    source: String,
    when: When,
}

#[derive(Debug, Clone)]
enum When {
    /// So many seconds apart, counted from the beginning of 1970: a restart changes nothing.
    Every(i64),
    /// By the clock on the wall; two where the day of the month or that of the week will do.
    Wall(Vec<Schedule>),
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Expression {}

impl Default for Expression {
    /// Every five minutes.
    fn default() -> Self {
        Self { source: "@every 5m".to_owned(), when: When::Every(5 * 60) }
    }
}

impl FromStr for Expression {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let source = text.trim().to_owned();
        if source.len() > MAX_LEN {
            return Err(ScheduleError::Other("it is too long".to_owned()));
        }
        let when = if let Some(span) = source.strip_prefix("@every ") {
            When::Every(every(span)?)
        } else if source.starts_with('@') {
            let known = SHORT.iter().find(|(name, _)| name.eq_ignore_ascii_case(&source));
            When::Wall(wall(known.ok_or(ScheduleError::Short)?.1)?)
        } else if source.starts_with("TZ=") || source.starts_with("CRON_TZ=") {
            return Err(ScheduleError::Zone);
        } else {
            When::Wall(wall(&source)?)
        };
        Ok(Self { source, when })
    }
}

fn every(span: &str) -> Result<i64, ScheduleError> {
    let span = humantime::parse_duration(span.trim()).map_err(|_| ScheduleError::Every)?;
    let seconds = i64::try_from(span.as_secs()).map_err(|_| ScheduleError::Every)?;
    if span.subsec_nanos() == 0 && (1..=366 * 24 * 3600).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(ScheduleError::Every)
    }
}

/// The five fields. Where both day fields say something, either will do, as in cron(8) and in Kubernetes.
fn wall(text: &str) -> Result<Vec<Schedule>, ScheduleError> {
    let parts: Vec<&str> = text.split_ascii_whitespace().collect();
    let [minute, hour, day, month, weekday] = parts[..] else {
        return Err(ScheduleError::Fields(parts.len()));
    };
    let [minutes, hours, days, months, weekdays] = &FIELDS;
    let (minutes, hours, months) = (minutes.read(minute)?, hours.read(hour)?, months.read(month)?);
    let (days, weekdays) = (days.read(day)?, weekdays.read(weekday)?);
    let schedule = |days: &str, weekdays: &str| {
        // Weekdays by name: the crate counts them from 1.
        let text = format!("0 {} {} {days} {} {weekdays}", list(&minutes.set), list(&hours.set), list(&months.set));
        Schedule::from_str(&text).map_err(|error| ScheduleError::Other(error.to_string()))
    };
    let by_day = || {
        let longest = months.set.iter().filter_map(|m| LENGTHS.get(usize::try_from(*m).ok()?.checked_sub(1)?)).max();
        if days.set.first() > longest { Err(ScheduleError::Never) } else { schedule(&list(&days.set), "*") }
    };
    let by_weekday = || schedule("*", &names(&weekdays));
    match (days.open, weekdays.open) {
        (_, true) => Ok(vec![by_day()?]),
        (true, false) => Ok(vec![by_weekday()?]),
        // A day that no month has does no harm here.
        (false, false) => by_day().into_iter().chain([by_weekday()?]).map(Ok).collect(),
    }
}

fn list(values: &BTreeSet<u32>) -> String {
    values.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

fn names(weekdays: &Values) -> String {
    let name = |day: &u32| DAYS.get(usize::try_from(*day).ok()?).copied();
    weekdays.set.iter().filter_map(name).collect::<Vec<_>>().join(",")
}

impl Expression {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The first tick after `after`, on a wall whose clock is always `offset` from UTC.
    pub(super) fn next_on(&self, after: DateTime<Utc>, offset: FixedOffset) -> Option<DateTime<Utc>> {
        match &self.when {
            When::Every(seconds) => {
                let left = seconds - after.timestamp().rem_euclid(*seconds);
                let whole = DateTime::from_timestamp(after.timestamp(), 0)?;
                whole.checked_add_signed(TimeDelta::seconds(left))
            }
            When::Wall(schedules) => {
                let after = after.with_timezone(&offset);
                schedules.iter().filter_map(|s| s.after(&after).next()).min().map(|tick| tick.with_timezone(&Utc))
            }
        }
    }

    /// Whether the wall's clock has no say.
    pub(super) fn is_every(&self) -> bool {
        matches!(self.when, When::Every(_))
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: ScheduleError| D::Error::custom(format!("this schedule {error}")))
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

impl JsonSchema for Expression {
    fn schema_name() -> Cow<'static, str> {
        "Schedule".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Five fields as in a Kubernetes CronJob (minute, hour, day of the month, month, day of the week), @hourly, @daily, @weekly, @monthly, @yearly, or @every and a duration.",
            "examples": ["*/5 * * * *", "0 6-22 * * mon-fri", "@hourly", "@every 30s"],
        })
    }
}
