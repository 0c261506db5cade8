//! What is published: one CloudEvents 1.0 event for each recipient that a mail speaks of.
//!
//! Takes what the stations before it found and gives an [`Event`]; [`privacy`] is the one point at
//! which addresses and words are left out or hashed, before any sink sees the event.

pub mod asyncapi;
mod auth;
mod cloud;
mod data;
pub mod dead_letter;
mod id;
pub mod privacy;
pub mod run;
pub mod schema;
mod verdict;

pub use auth::*;
pub use cloud::{Envelope, Event, RunEvent};
pub use data::*;
pub use dead_letter::{DeadLetter, DeadLetterData, DeadReason};
pub use id::{dedupe_key, partition_key};
pub use verdict::*;
