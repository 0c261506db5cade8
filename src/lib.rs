//! reply-ingest: campaign reply mailboxes over POP3S to Kafka.
//!
//! A mail flows in one straight line, and the modules stand in that order:
//! [`pop3`] → [`message`] → [`auth`] → [`classify`] → [`correlate`] → [`event`] → [`sink`] →
//! [`ledger`], with [`archive`] beside them; [`pipeline`] joins them. [`config`], [`schedule`], [`telemetry`] and [`cli`]
//! stand around them, [`source`] is where a replay finds mails, and [`explain`] says why a mail was judged as it was,
//! [`report`] what a run did.
//!
//! The core (the POP3 codec and session, `message`, `classify`, `correlate`, `event`) takes octets
//! and times as arguments: no runtime, no Kafka, no clock. A test holds that rule.

#![forbid(unsafe_code)]

pub mod archive;
pub mod auth;
pub mod classify;
pub mod cli;
pub mod config;
pub mod correlate;
#[cfg(feature = "demo")]
pub mod demo;
pub mod event;
pub mod explain;
pub mod ledger;
pub mod message;
mod mistake;
pub mod pipeline;
mod plural;
pub mod pop3;
pub mod report;
pub mod schedule;
pub mod sink;
pub mod source;
pub mod telemetry;
pub mod token;
