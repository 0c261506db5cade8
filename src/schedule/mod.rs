//! When mailboxes are polled: five fields as Kubernetes reads them, in a time zone, with chance added.
//!
//! Takes times and gives times: what is due after this instant, when a tick begins, which ticks were missed. No clock and
//! no runtime: `run` brings both.

mod expression;
mod field;
mod timing;

pub use expression::{Expression, ScheduleError};
pub use timing::{Missed, Step, Timing, Zone};
