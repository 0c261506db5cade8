//! Tests of the stations without a network: tables, schemas, properties.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod arc;
mod arc_suite;
mod asyncapi;
mod authres;
mod authres_trust;
mod boundary;
mod config;
mod contract;
mod core_is_pure;
mod correlation;
mod correlation_lines;
mod dkim;
mod dmarc;
mod dns;
mod fuzz_corpus;
mod golden_people;
mod line;
mod people;
mod pop3_splits;
mod pop3_traces;
mod privacy;
mod report;
mod reports;
mod rules;
mod schedule;
mod schemas;
mod sources;
mod spf;
