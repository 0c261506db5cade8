//! Tests of the stations without a network: tables, golden mails, properties.

mod spf;
