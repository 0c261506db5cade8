//! Metrics of a run that ends: pushed to a Pushgateway, or left in a file for node exporter's textfile collector.
//!
//! When something last went well must survive a run that failed, so it is pushed by itself, and only by what went well.

use super::Metrics;
use super::metrics::timestamp;
use crate::event::run::MailboxRun;
use chrono::{DateTime, Utc};
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const WAIT: Duration = Duration::from_secs(10);
const OF_MAILBOX: &str = "reply_ingest_mailbox_last_success_timestamp_seconds";
const OF_RUN: &str = "reply_ingest_run_last_success_timestamp_seconds";

/// Why metrics did not arrive. The run itself is not touched by it.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("--metrics-file {}: cannot be written: check the folder and its permissions", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("--metrics-push: this is no URL of a Pushgateway: write http://HOST:9091")]
    Url,
    #[error("--metrics-push: the Pushgateway cannot be reached: check the address and the network")]
    Push(#[source] reqwest::Error),
    #[error("--metrics-push: the Pushgateway answered {0}: check the address and its log")]
    Refused(u16),
}

/// Writes the metrics to `path`, whole or not at all. What an earlier run left there about mailboxes that did not go well
/// this time is kept.
///
/// # Errors
/// When the file cannot be written.
pub fn to_file(metrics: &Metrics, path: &Path) -> Result<(), ExportError> {
    let earlier = std::fs::read_to_string(path).unwrap_or_default();
    let text = metrics.state() + &merged(&metrics.successes(), &earlier);
    // The collector reads `*.prom` only, so a name with something behind it is not seen.
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(name);
    std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path)).map_err(|source| {
        let _ = std::fs::remove_file(&beside);
        ExportError::File { path: path.to_owned(), source }
    })
}

/// The successes of this run, and the earlier ones where there is none.
fn merged(now: &str, earlier: &str) -> String {
    let mut lines: BTreeMap<&str, &str> = BTreeMap::new();
    for text in [earlier, now] {
        for (series, value) in text.lines().filter_map(|line| line.rsplit_once(' ')) {
            let is_one = series == OF_RUN || series.strip_prefix(OF_MAILBOX).is_some_and(|rest| rest.starts_with('{'));
            if is_one && value.parse::<f64>().is_ok_and(|v| v > 0.0) {
                lines.insert(series, value);
            }
        }
    }
    let mut out = String::new();
    for (name, help) in
        [(OF_MAILBOX, "When a pass over the mailbox last went well"), (OF_RUN, "When a run last ended well")]
    {
        let of_name = lines.iter().filter(|(series, _)| series.split('{').next() == Some(name));
        let samples: Vec<String> = of_name.map(|(series, value)| format!("{series} {value}\n")).collect();
        if !samples.is_empty() {
            out.extend([format!("# HELP {name} {help}.\n# TYPE {name} gauge\n")]);
            out.extend(samples);
        }
    }
    out
}

/// What decides which successes are pushed.
#[derive(Debug)]
pub struct Ended<'a> {
    pub mailboxes: &'a [MailboxRun],
    pub all_went_well: bool,
    pub now: DateTime<Utc>,
}

/// Pushes the metrics: the state in place of the earlier one, each success by itself.
///
/// # Errors
/// When the Pushgateway cannot be reached or refuses.
pub async fn push(metrics: &Metrics, url: &str, ended: &Ended<'_>) -> Result<(), ExportError> {
    let base = base(url)?;
    let client = reqwest::Client::builder().timeout(WAIT).build().map_err(broken)?;
    let send = async |path: &str, body: String| {
        let url = format!("{base}{path}");
        let answer = client.post(url).header(CONTENT_TYPE, TEXT).body(body).send().await.map_err(broken)?;
        if answer.status().is_success() { Ok(()) } else { Err(ExportError::Refused(answer.status().as_u16())) }
    };
    send("", metrics.state()).await?;
    let now = timestamp(ended.now);
    if ended.all_went_well {
        send("", format!("# TYPE {OF_RUN} gauge\n{OF_RUN} {now}\n")).await?;
    }
    for run in ended.mailboxes.iter().filter(|run| run.failure.is_none() && run.refused == 0) {
        // The group's label is the series' label too. Names of mailboxes have nothing that a path would have to hide.
        send(&format!("/mailbox/{}", run.id), format!("# TYPE {OF_MAILBOX} gauge\n{OF_MAILBOX} {now}\n")).await?;
    }
    Ok(())
}

/// Whether metrics can be pushed there: what is no URL is better told before a run than after it.
///
/// # Errors
/// When it is no URL of a Pushgateway.
pub fn check_url(url: &str) -> Result<(), ExportError> {
    base(url).map(drop)
}

/// The URL may hold a password.
fn broken(error: reqwest::Error) -> ExportError {
    ExportError::Push(error.without_url())
}

/// The group's URL: with the usual one where the URL names none.
fn base(url: &str) -> Result<String, ExportError> {
    let parsed = Url::parse(url).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    let parsed = parsed.ok_or_else(|| ExportError::Url)?;
    let url = url.trim_end_matches('/');
    Ok(if parsed.path() == "/" { format!("{url}/metrics/job/reply-ingest") } else { url.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::{base, merged};

    #[test]
    fn earlier_successes_stay_where_there_is_no_later_one() {
        let series = |name: &str| format!("reply_ingest_mailbox_last_success_timestamp_seconds{{mailbox=\"{name}\"}}");
        let earlier =
            format!("# TYPE x gauge\n{} 100.5\n{} 7.0\nreply_ingest_events_total 4\n", series("a"), series("b"));
        let now = format!(
            "{} 200.0\n{} 0.0\nreply_ingest_run_last_success_timestamp_seconds 0.0\n",
            series("b"),
            series("a")
        );
        let out = merged(&now, &earlier);
        let samples: Vec<&str> = out.lines().filter(|l| !l.starts_with('#')).collect();
        assert_eq!(samples, [format!("{} 100.5", series("a")), format!("{} 200.0", series("b"))]);
        assert_eq!(out.matches("# TYPE").count(), 1, "{out}");
        assert_eq!(merged("", "{{{ 1\nreply_ingest_mailbox_last_success_timestamp_seconds nonsense"), "");
    }

    #[test]
    fn a_push_goes_to_the_usual_group_unless_the_url_names_one() {
        for (url, group) in [
            ("http://push:9091", Some("http://push:9091/metrics/job/reply-ingest")),
            ("http://push:9091/", Some("http://push:9091/metrics/job/reply-ingest")),
            ("https://push/metrics/job/replies/instance/a", Some("https://push/metrics/job/replies/instance/a")),
            ("push:9091", None),
            ("ftp://push", None),
        ] {
            assert_eq!(base(url).ok().as_deref(), group, "{url}");
        }
    }
}
