//! The line from mailbox to Kafka.
//!
//! [`Line`] is the part that `poll` and `replay` share: raw octets in, events out. [`pass`] takes
//! one mailbox through it, with fetching, judging and publishing side by side and what is between
//! them bounded in octets. [`run`] does that for all mailboxes and sums up.

mod assemble;
mod failure;
mod line;
mod pass;
mod run;

pub use failure::{Failure, FailureClass};
pub use line::{Judged, Line, LineSettings, Place, SetupError};
pub use pass::pass;
pub use run::{RunReport, Worker, run};
