//! The line from mailbox to Kafka.
//!
//! [`Line`] is the part that `poll` and `replay` share: raw octets in, events out. [`pass`] takes
//! one mailbox through it in one or more sessions: `access` is the way to the server, `plan` says what to do with its mails, `fetch` reads and judges them,
//! `publish` publishes and records them, side by side and bounded in octets; `cost` measures what
//! their steps take. [`run`] does that for all
//! mailboxes and sums up.

mod access;
mod assemble;
mod bury;
mod cost;
mod failure;
mod fetch;
mod guard;
mod line;
mod pass;
mod plan;
mod publish;
mod run;
mod session;
mod settled;

pub use access::{Access, Broken};
pub use cost::{Meter, Step, Stopwatch};
pub use failure::{Failure, FailureClass};
pub use line::{Judged, Line, LineSettings, Place, Records, SetupError, policy};
pub use pass::pass;
pub use run::{Observer, RunReport, Shared, Station, Worker, run};
