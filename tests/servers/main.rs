//! The whole program against real servers, Dovecot over POP3S and Apache Kafka, and its POP3 client against two.
//!
//! Without them the tests say what is missing and pass; with `REPLY_INGEST_REQUIRE_SERVERS=1`, as
//! in CI, a missing server is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod check;
mod consumers;
mod faults;
mod harness;
mod line;
mod logins;
mod metrics;
mod once;
mod pop3;
mod run;
mod run_proof;
