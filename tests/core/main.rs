//! Tests of the stations without a network: tables, schemas, properties.

mod config;
mod core_is_pure;
mod line;
mod people;
mod pop3_splits;
mod schemas;
mod spf;
