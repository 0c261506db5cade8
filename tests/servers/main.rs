//! The whole program against real servers: Dovecot over POP3S and Apache Kafka.
//!
//! Without them the tests say what is missing and pass; with REPLY_INGEST_REQUIRE_SERVERS=1, as
//! in CI, a missing server is a failure.

mod harness;
mod line;
