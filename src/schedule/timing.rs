//! A schedule in its time zone: what comes next, when a tick begins, and what was missed.

use super::Expression;
use chrono::{DateTime, FixedOffset, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;
use std::time::Duration;

/// Missed ticks are counted up to here.
const MOST_MISSED: u64 = 1_000;

/// A time zone by its IANA name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(pub Tz);

impl Default for Zone {
    fn default() -> Self {
        Self(Tz::Etc__UTC)
    }
}

/// What becomes of ticks that pass while their own run is still under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// Nothing: the next tick is the next run.
    #[default]
    Skip,
    /// One run for all of them, as soon as the one under way has ended.
    Once,
}

/// A tick that a run belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub tick: DateTime<Utc>,
    /// Ticks that went by without a run.
    pub missed: u64,
}

/// When a group of mailboxes is polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    pub schedule: Expression,
    pub zone: Zone,
    /// A run begins up to this much after its tick.
    pub jitter: Duration,
    pub missed: Missed,
}

impl Timing {
    /// The first tick after `after`.
    ///
    /// Wall time is read as Kubernetes does: an hour that the change to summer time leaves out has no ticks, one that the
    /// change back repeats has them twice, so a schedule by the minute never pauses for an hour. Between two changes the
    /// wall's clock has one distance from UTC, so the search goes from change to change.
    #[must_use]
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut from = after;
        let mut offset = self.offset(after);
        loop {
            let tick = self.schedule.next_on(from, offset)?;
            if self.schedule.is_every() {
                return Some(tick);
            }
            let Some(change) = self.first_change(from, tick, offset) else { return Some(tick) };
            from = change - TimeDelta::seconds(1);
            offset = self.offset(change);
        }
    }

    fn offset(&self, at: DateTime<Utc>) -> FixedOffset {
        self.zone.0.offset_from_utc_datetime(&at.naive_utc()).fix()
    }

    /// The first instant after `from`, `until` included, at which the distance from UTC is no longer `offset`.
    fn first_change(&self, from: DateTime<Utc>, until: DateTime<Utc>, offset: FixedOffset) -> Option<DateTime<Utc>> {
        let mut before = from.timestamp();
        let mut after;
        loop {
            after = before.saturating_add(24 * 3600).min(until.timestamp());
            if self.offset(DateTime::from_timestamp(after, 0)?) != offset {
                break;
            }
            if after >= until.timestamp() {
                return None;
            }
            before = after;
        }
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if self.offset(DateTime::from_timestamp(middle, 0)?) == offset { before = middle } else { after = middle }
        }
        DateTime::from_timestamp(after, 0)
    }

    /// When the run of `tick` begins; `chance` is any number. Never later than the next tick.
    #[must_use]
    pub fn start(&self, tick: DateTime<Utc>, chance: u64) -> DateTime<Utc> {
        let jitter = TimeDelta::from_std(self.jitter).unwrap_or(TimeDelta::MAX);
        let room = self.next_after(tick).map_or(jitter, |next| jitter.min(next - tick));
        match u64::try_from(room.num_milliseconds()) {
            Ok(room) if room > 0 => {
                let delay = TimeDelta::milliseconds(i64::try_from(chance % room).unwrap_or_default());
                tick.checked_add_signed(delay).unwrap_or(tick)
            }
            _ => tick,
        }
    }

    /// What follows on the run of `tick` that ended at `now`.
    #[must_use]
    pub fn follow(&self, tick: DateTime<Utc>, now: DateTime<Utc>) -> Option<Step> {
        let mut last = None;
        let mut count = 0;
        let mut next = self.next_after(tick)?;
        while next < now && count < MOST_MISSED {
            count += 1;
            last = Some(next);
            next = self.next_after(next)?;
        }
        match (self.missed, last) {
            (_, None) => Some(Step { tick: next, missed: 0 }),
            (Missed::Once, Some(last)) => Some(Step { tick: last, missed: count - 1 }),
            // A tick at this very moment is not missed yet.
            (Missed::Skip, Some(_)) => {
                Some(Step { tick: self.next_after(now - TimeDelta::nanoseconds(1))?, missed: count })
            }
        }
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map(Self)
            .map_err(|_| D::Error::custom(format!("`{text}` is no time zone: write Europe/Berlin or UTC")))
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl JsonSchema for Zone {
    fn schema_name() -> Cow<'static, str> {
        "TimeZone".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "An IANA name: Europe/Berlin, America/New_York, Etc/UTC." })
    }
}
