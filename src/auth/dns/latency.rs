//! How long answers took, in a few numbers.

use crate::event::run::LatencyRun;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets in milliseconds; what is slower falls into one more.
const BOUNDS: [u64; 12] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

/// Counts by duration.
#[derive(Default)]
pub(super) struct Latency {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    /// Microseconds.
    longest: AtomicU64,
}

impl Latency {
    pub(super) fn note(&self, took: Duration) {
        let bucket = BOUNDS.iter().position(|&bound| took <= Duration::from_millis(bound)).unwrap_or(BOUNDS.len());
        if let Some(count) = self.buckets.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.longest.fetch_max(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// `None` when nothing was counted.
    pub(super) fn summary(&self) -> Option<LatencyRun> {
        let counts: Vec<u64> = self.buckets.iter().map(|b| b.load(Ordering::Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        let longest = self.longest.load(Ordering::Relaxed).div_ceil(1_000);
        // The smallest bound that so many thousandths do not exceed; never above what was seen.
        let share = |thousandths: u64| {
            let wanted = (all * thousandths).div_ceil(1_000);
            let mut seen = 0;
            let bound = counts.iter().zip(BOUNDS).find_map(|(count, bound)| {
                seen += count;
                (seen >= wanted).then_some(bound)
            });
            bound.unwrap_or(longest).min(longest)
        };
        (all > 0).then(|| LatencyRun { asked: all, p50_ms: share(500), p95_ms: share(950), max_ms: longest })
    }
}

#[cfg(test)]
mod tests {
    use super::Latency;
    use crate::event::run::LatencyRun;
    use std::time::Duration;

    #[test]
    fn shares_are_bounds_that_hold() {
        let latency = Latency::default();
        assert_eq!(latency.summary(), None);
        (0..90).for_each(|_| latency.note(Duration::from_micros(700)));
        (0..9).for_each(|_| latency.note(Duration::from_millis(40)));
        latency.note(Duration::from_secs(7));
        assert_eq!(latency.summary(), Some(LatencyRun { asked: 100, p50_ms: 1, p95_ms: 50, max_ms: 7_000 }));
        let one = Latency::default();
        one.note(Duration::from_millis(3));
        assert_eq!(one.summary(), Some(LatencyRun { asked: 1, p50_ms: 3, p95_ms: 3, max_ms: 3 }));
    }
}
