//! What the steps of the line take of a processor.

use super::Metrics;
use crate::pipeline::Meter;
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::time::Duration;

impl Metrics {
    /// Counts what is measured.
    #[must_use]
    pub fn meter(self: &Arc<Self>) -> Meter {
        let metrics = Arc::clone(self);
        Meter::new(thread_time, Box::new(move |step, time| metrics.step_took(step, time)))
    }
}

/// How long the calling thread ran so far.
fn thread_time() -> Duration {
    // The clock is never negative.
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
