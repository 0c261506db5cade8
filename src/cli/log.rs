//! Logs go to standard error: text on a terminal, JSON otherwise.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// These crates repeat what the commands' own errors say better.
pub const DEFAULT: &str = "info,librdkafka=off,rdkafka=off,rustls_platform_verifier=off";

/// Crates that at `debug` write whole answers of name servers into the log, addresses in them included: those that take
/// reports are named in DMARC records. Whatever the filter, they are not as talkative.
const DISCREET: [&str; 3] = ["hickory_net=info", "hickory_proto=info", "hickory_resolver=info"];

/// How lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    Text,
    Json,
}

/// Starts logging. A filter that cannot be read is replaced by the default one, with a warning.
pub fn start(filter: &str, format: Format) {
    let (filter, wrong) = match EnvFilter::try_new(filter) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(DEFAULT), Some(error)),
    };
    let filter = DISCREET.iter().filter_map(|d| d.parse().ok()).fold(filter, EnvFilter::add_directive);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let text = match format {
        Format::Auto => std::io::stderr().is_terminal(),
        Format::Text => true,
        Format::Json => false,
    };
    let started = if text {
        builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    if let (Ok(()), Some(error)) = (started, wrong) {
        tracing::warn!(%error, "--log cannot be read: the default is used");
    }
}
