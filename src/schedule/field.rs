//! One of the five fields: numbers, names, ranges, steps and lists.

use super::ScheduleError;
use std::collections::BTreeSet;

/// What a field may hold.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) least: u32,
    pub(super) most: u32,
    /// Three letters each; the first stands for `least`.
    pub(super) words: &'static [&'static str],
}

pub(super) const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
/// Sunday's second number.
const SEVENTH: u32 = 7;

pub(super) const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, words: &[] },
    Field { name: "hour", least: 0, most: 23, words: &[] },
    Field { name: "day of the month", least: 1, most: 31, words: &[] },
    Field { name: "month", least: 1, most: 12, words: &MONTHS },
    Field { name: "day of the week", least: 0, most: 6, words: &DAYS },
];

/// The values of a field.
pub(super) struct Values {
    pub(super) set: BTreeSet<u32>,
    /// An asterisk stands there without a step: the field restricts nothing, and of the two day fields the other decides.
    pub(super) open: bool,
}

impl Field {
    pub(super) fn read(&self, text: &str) -> Result<Values, ScheduleError> {
        let mut values = Values { set: BTreeSet::new(), open: false };
        for part in text.split(',') {
            self.part(part, &mut values).ok_or_else(|| ScheduleError::Field {
                field: self.name,
                part: part.chars().take(40).collect(),
                least: self.least,
                most: self.most,
            })?;
        }
        Ok(values)
    }

    fn part(&self, part: &str, values: &mut Values) -> Option<()> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(number(step).filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let is_open = matches!(range, "*" | "?");
        let (first, last) = match range.split_once('-') {
            _ if is_open => (self.least, self.most),
            Some((first, last)) => (self.value(first)?, self.value(last)?),
            None => {
                let first = self.value(range)?;
                // With a step, one number is where the range begins.
                (first, if step.is_some() { self.most.max(first) } else { first })
            }
        };
        if first > last {
            return None;
        }
        let step = step.unwrap_or(1);
        values.open |= is_open && step == 1;
        let every = usize::try_from(step).ok()?;
        values.set.extend((first..=last).step_by(every).map(|v| if v > self.most { self.least } else { v }));
        Some(())
    }

    fn value(&self, text: &str) -> Option<u32> {
        let word = self.words.iter().zip(self.least..).find(|(word, _)| word.eq_ignore_ascii_case(text));
        let most = if self.words == DAYS { SEVENTH } else { self.most };
        word.map(|(_, value)| value).or_else(|| number(text)).filter(|value| (self.least..=most).contains(value))
    }
}

fn number(text: &str) -> Option<u32> {
    // `parse` would take a sign.
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
