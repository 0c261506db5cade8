//! The whole line at work without a configuration and without a network.
//!
//! Real parts in one process: a POP3S server with a certificate made at start, a DNS server with
//! a small zone, librdkafka's mock broker, and sample mails that are DKIM-signed at start. `poll`
//! runs against them over real TLS, real DNS and the real Kafka protocol; the events are consumed
//! back from the broker and compared with what `samples.toml` expects.

mod broker;
mod dns;
mod pop3_server;
mod samples;
mod verdicts;

pub use broker::{Broker, Consumed, consume};
pub use dns::{DnsServer, ZoneError, read_zone};
pub use pop3_server::{Maildrop, Pop3Server};
pub use samples::{Sample, SampleError, Samples};
pub use verdicts::{Difference, category_of, compare, dkim_words, dmarc_word, spf_word, subtype_of};

use crate::config::{self, Config};
use std::collections::HashMap;
use std::path::Path;

/// The topic that the events go to.
pub const TOPIC: &str = "campaign.mail";
/// The topic of the run's summary.
pub const RUN_TOPIC: &str = "campaign.runs";
/// Every maildrop has this password.
pub const PASSWORD: &str = "demo";
/// The maildrops, by the campaign's uses of them.
pub const MAILBOXES: [&str; 3] = ["replies", "bounces", "feedback"];

/// The configuration of the demo.
///
/// # Errors
/// When it is wrong, which a test rules out.
pub fn configuration(folder: &Path, pop3s: u16, dns: u16, brokers: &str) -> Result<Config, config::ConfigError> {
    config::parse(&configuration_file(folder, pop3s, dns, brokers), Path::new("demo.yaml"), &HashMap::new())
}

/// The same as a person would write it.
#[must_use]
pub fn configuration_file(folder: &Path, pop3s: u16, dns: u16, brokers: &str) -> String {
    let mut text = include_str!("demo.yaml").to_owned();
    for (name, value) in [
        ("@POP3S@", pop3s.to_string()),
        ("@DNS@", dns.to_string()),
        ("@BROKERS@", brokers.to_owned()),
        ("@FOLDER@", folder.display().to_string()),
    ] {
        text = text.replace(name, &value);
    }
    text
}
