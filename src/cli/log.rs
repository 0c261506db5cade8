//! Logs go to standard error: text on a terminal, JSON otherwise.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// What is logged unless asked otherwise.
pub const DEFAULT: &str = "info";

/// These crates repeat what the commands' own errors say better, so they are silent unless the filter names them.
const SILENT: [&str; 3] = ["librdkafka", "rdkafka", "rustls_platform_verifier"];

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

/// A filter, and what of it cannot be read: then the default stands in.
fn filter(asked: &str) -> (EnvFilter, Option<ParseError>) {
    let parts = |filter: &str| -> Vec<String> {
        filter.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let asked = parts(asked);
    let is_named = |target: &str| asked.iter().any(|part| part.split(['=', '[']).next() == Some(target));
    let silent = SILENT.iter().filter(|target| !is_named(target)).map(|target| format!("{target}=off"));
    let with = |mut base: Vec<String>| {
        base.extend(silent.clone());
        base.join(",")
    };
    let (filter, wrong) = match EnvFilter::try_new(with(asked.clone())) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(with(parts(DEFAULT))), Some(error)),
    };
    (DISCREET.iter().filter_map(|d| d.parse().ok()).fold(filter, EnvFilter::add_directive), wrong)
}

/// Starts logging. A filter that cannot be read is replaced by the default one, with a warning.
pub fn start(filter: &str, format: Format) {
    let (filter, wrong) = self::filter(filter);
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

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn talkative_crates_are_silent_unless_named() {
        for (asked, talks) in [
            ("info", false),
            ("debug", false),
            ("", false),
            ("warn,reply_ingest=debug", false),
            ("info,librdkafka=debug", true),
            ("info, librdkafka=warn", true),
        ] {
            let (filter, wrong) = filter(asked);
            let said = filter.to_string();
            assert_eq!(!said.contains("librdkafka=off"), talks, "{asked}: {said}");
            assert!(said.contains("rustls_platform_verifier=off") && wrong.is_none(), "{asked}: {said}");
        }
        let (filter, wrong) = filter("in fo=,=");
        assert!(wrong.is_some() && filter.to_string().contains("info"), "{filter}");
    }
}
