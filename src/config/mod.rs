//! The configuration: one YAML file, checked whole before anything is touched.
//!
//! Every setting that can have a default has one. Unknown keys are refused with line, column and
//! the name that was probably meant. Secrets come from the environment (`${NAME}` in a plain
//! value) or from files (`…_file`), and never print.

mod load;
mod model;
mod secret;
mod units;

pub use load::{ConfigError, load, parse};
pub use model::*;
pub use secret::Secret;
pub use units::{Octets, Span};
