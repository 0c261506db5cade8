//! The configuration: one YAML file, checked whole before anything is touched.
//!
//! Takes the file's text and the environment; gives the settings, or every mistake in the file
//! with its line and column, in one go. The way: the text becomes a tree that knows its places
//! (`tree`), the tree is read into the settings' types past what is wrong (`read`, `value`),
//! secrets come from the environment (`environment`: `${NAME}` in a plain value) or from files
//! (`secret_files`: `…_file`), and at last comes what no type can say (`check`). The reader is our
//! own because those built on serde stop at the first mistake, or show lines that may hold secrets.
//!
//! Every setting that can have a default has one. Secrets never print, and no message repeats a
//! text that may be one.

mod check;
mod environment;
mod load;
mod lookup_files;
mod model;
mod network;
mod path;
mod read;
mod secret;
mod secret_files;
mod tree;
mod units;
mod value;

pub use crate::mistake::Mistake;
pub use load::{ConfigError, Logins, Secrets, check_file, check_text, environment, load, load_for, parse};
pub use model::*;
pub use secret::Secret;
pub use units::{Octets, Share, Span};
