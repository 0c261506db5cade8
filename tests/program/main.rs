//! The program as a person or a scheduler runs it, on servers in this process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod archive;
mod commands;
mod demo;
mod dns_record;
mod endings;
mod events;
mod fatal;
mod faults;
#[cfg(feature = "otlp")]
mod otlp;
mod privacy_modes;
#[cfg(feature = "schema-registry")]
mod registry;
mod replay;
mod scripted;
mod taken_over;
mod token;
mod window;
mod workbench;
