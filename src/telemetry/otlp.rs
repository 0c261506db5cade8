//! Metrics to an OpenTelemetry collector: OTLP over HTTP in its JSON encoding (`POST /v1/metrics`).
//!
//! Everything is counted in one registry already, whose `OpenMetrics` text has names, kinds and units. It is read here and
//! said in OTLP's words, and goes out by the HTTP client that is there: no second library counts beside the first.

use super::Metrics;
use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const PATH: &str = "/v1/metrics";
/// Counted since the process began: `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u8 = 2;
/// 0 stands for "not yet in this process"; it must not hide what an earlier process sent.
const LAST_SUCCESS: &str = "_last_success_timestamp_seconds";

/// Why metrics did not arrive. The run itself is not touched by it.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    #[error("--otlp: this is no URL of a collector: write http://HOST:4318")]
    Url,
    #[error("OTEL_EXPORTER_OTLP_HEADERS: write NAME=VALUE,NAME=VALUE with values as in URLs")]
    Headers,
    #[error("--otlp: the collector cannot be reached: check the address and the network; OTLP over HTTP is port 4318")]
    Unreachable(#[source] reqwest::Error),
    #[error("--otlp: the collector answered {0}: check the address, the login and its log")]
    Refused(u16),
}

/// A collector, and what it is told of the process.
pub struct Collector {
    client: reqwest::Client,
    url: Url,
    attributes: Vec<(String, String)>,
}

impl Collector {
    /// The collector at `url` (`/v1/metrics` is added where it is missing), that wants these headers. `attributes` say of
    /// which process the metrics are. Both are lists as in OpenTelemetry's environment variables: `name=value,name=value`.
    ///
    /// # Errors
    /// When the URL or the headers cannot be.
    pub fn new(url: &str, headers: &str, attributes: &str, wait: Duration) -> Result<Self, OtlpError> {
        let url = url.trim_end_matches('/');
        let url = if url.ends_with(PATH) { url.to_owned() } else { format!("{url}{PATH}") };
        let url = Url::parse(&url).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
        let mut sent = HeaderMap::new();
        for (name, value) in pairs(headers).ok_or(OtlpError::Headers)? {
            let name = HeaderName::try_from(name).map_err(|_| OtlpError::Headers)?;
            let mut value = HeaderValue::try_from(value).map_err(|_| OtlpError::Headers)?;
            value.set_sensitive(true);
            sent.insert(name, value);
        }
        let client = reqwest::Client::builder().timeout(wait).default_headers(sent).build();
        Ok(Self {
            client: client.map_err(OtlpError::Unreachable)?,
            url: url.ok_or(OtlpError::Url)?,
            attributes: distinct(pairs(attributes).unwrap_or_default()),
        })
    }

    /// Sends everything that is counted, as it is at `now`.
    ///
    /// # Errors
    /// When the collector cannot be reached in time, or refuses.
    pub async fn send(&self, metrics: &Metrics, now: DateTime<Utc>) -> Result<(), OtlpError> {
        let body = request(&metrics.open_metrics(), &self.attributes, now).to_string();
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json").body(body);
        // The URL may hold a password.
        let answer = request.send().await.map_err(|error| OtlpError::Unreachable(error.without_url()))?;
        if answer.status().is_success() { Ok(()) } else { Err(OtlpError::Refused(answer.status().as_u16())) }
    }
}

/// `name=value,name=value`, values percent-encoded.
fn pairs(list: &str) -> Option<Vec<(String, String)>> {
    let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let pair = |entry: &str| {
        let (name, value) = entry.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((name.trim().to_owned(), value.into_owned()))
    };
    entries.map(pair).collect()
}

/// Of one name the last counts.
fn distinct(pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect()
}

/// One line of the text.
struct Sample<'t> {
    name: &'t str,
    labels: Vec<(&'t str, String)>,
    value: f64,
}

/// A metric with its samples.
#[derive(Default)]
struct Family<'t> {
    name: &'t str,
    help: &'t str,
    kind: &'t str,
    unit: &'t str,
    samples: Vec<Sample<'t>>,
}

/// A request to export what stands in an `OpenMetrics` text of this program.
fn request(text: &str, attributes: &[(String, String)], now: DateTime<Utc>) -> Value {
    let families = families(text);
    let start = families.iter().find(|f| f.name == "reply_ingest_start_timestamp_seconds");
    let start = start.and_then(|f| f.samples.first()).map_or(0.0, |s| s.value);
    let times = Times {
        start: format!("{:.0}000000", start * 1_000.0),
        now: now.timestamp_nanos_opt().unwrap_or_default().to_string(),
    };
    let metrics: Vec<Value> = families.iter().filter_map(|family| metric(family, &times)).collect();
    let attributes: Vec<Value> = attributes.iter().map(|(name, value)| attribute(name, value)).collect();
    json!({ "resourceMetrics": [{
        "resource": { "attributes": attributes },
        "scopeMetrics": [{
            "scope": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
            "metrics": metrics,
        }],
    }] })
}

/// Nanoseconds since 1970. 64-bit numbers are strings in Protobuf's JSON.
struct Times {
    start: String,
    now: String,
}

fn metric(family: &Family<'_>, times: &Times) -> Option<Value> {
    let (kind, data) = match family.kind {
        "counter" => (
            "sum",
            json!({
                "aggregationTemporality": CUMULATIVE,
                "isMonotonic": true,
                "dataPoints": numbers(family, times)?,
            }),
        ),
        "histogram" => {
            let points = histograms(family, times)?;
            ("histogram", json!({ "aggregationTemporality": CUMULATIVE, "dataPoints": points }))
        }
        _ => ("gauge", json!({ "dataPoints": numbers(family, times)? })),
    };
    // What only informs is a number in OTLP, 1, under the name of its sample.
    let name = if family.kind == "info" { format!("{}_info", family.name) } else { family.name.to_owned() };
    let unit = match family.unit {
        "seconds" => "s",
        "bytes" => "By",
        other => other,
    };
    Some(json!({ "name": name, "description": family.help, "unit": unit, kind: data }))
}

fn numbers(family: &Family<'_>, times: &Times) -> Option<Vec<Value>> {
    let said =
        |sample: &&Sample| sample.value.is_finite() && (sample.value > 0.0 || !sample.name.ends_with(LAST_SUCCESS));
    let points = family.samples.iter().filter(said).map(|sample| {
        json!({
            "attributes": attributes(&sample.labels),
            "startTimeUnixNano": times.start,
            "timeUnixNano": times.now,
            "asDouble": sample.value,
        })
    });
    Some(points.collect::<Vec<_>>()).filter(|points| !points.is_empty())
}

/// Of one series with its buckets, which count what is up to their bound.
#[derive(Default)]
struct Buckets<'s> {
    labels: Vec<&'s (&'s str, String)>,
    sum: f64,
    count: f64,
    bounds: Vec<f64>,
    up_to: Vec<f64>,
}

fn histograms(family: &Family<'_>, times: &Times) -> Option<Vec<Value>> {
    let mut all: Vec<Buckets<'_>> = Vec::new();
    for sample in &family.samples {
        let labels: Vec<_> = sample.labels.iter().filter(|(name, _)| *name != "le").collect();
        if all.last().is_none_or(|last| last.labels != labels) {
            all.push(Buckets { labels, ..Buckets::default() });
        }
        let Some(series) = all.last_mut() else { continue };
        match sample.name.strip_prefix(family.name) {
            Some("_sum") => series.sum = sample.value,
            Some("_count") => series.count = sample.value,
            Some("_bucket") => {
                let bound = sample.labels.iter().find(|(name, _)| *name == "le").and_then(|(_, le)| le.parse().ok());
                series.bounds.extend(bound.filter(|b: &f64| b.is_finite()));
                series.up_to.push(sample.value);
            }
            _ => {}
        }
    }
    let points = all.iter().map(|series| {
        let before = std::iter::once(&0.0).chain(&series.up_to);
        let counts: Vec<String> = series.up_to.iter().zip(before).map(|(up_to, less)| whole(up_to - less)).collect();
        json!({
            "attributes": series.labels.iter().map(|(name, value)| attribute(name, value)).collect::<Vec<_>>(),
            "startTimeUnixNano": times.start,
            "timeUnixNano": times.now,
            "count": whole(series.count),
            "sum": series.sum,
            "bucketCounts": counts,
            "explicitBounds": series.bounds,
        })
    });
    Some(points.collect::<Vec<_>>()).filter(|points| !points.is_empty())
}

fn whole(number: f64) -> String {
    format!("{number:.0}")
}

fn attributes(labels: &[(&str, String)]) -> Vec<Value> {
    labels.iter().map(|(name, value)| attribute(name, value)).collect()
}

fn attribute(name: &str, value: &str) -> Value {
    json!({ "key": name, "value": { "stringValue": value } })
}

/// What stands in the text. It is this program's own: what cannot be read is left out.
fn families(text: &str) -> Vec<Family<'_>> {
    let mut all: Vec<Family<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (Some(what), Some(name)) = (words.next(), words.next()) else { continue };
            if all.last().is_none_or(|family| family.name != name) {
                all.push(Family { name, ..Family::default() });
            }
            if let (Some(family), Some(said)) = (all.last_mut(), words.next()) {
                match what {
                    "HELP" => family.help = said,
                    "TYPE" => family.kind = said,
                    "UNIT" => family.unit = said,
                    _ => {}
                }
            }
        } else if let (Some(family), Some(sample)) = (all.last_mut(), sample(line)) {
            family.samples.push(sample);
        }
    }
    all
}

/// `name{label="value",…} number`.
fn sample(line: &str) -> Option<Sample<'_>> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, mut rest)) = series.split_once('{') else {
        return Some(Sample { name: series, labels: Vec::new(), value });
    };
    let mut labels = Vec::new();
    while let Some((label, quoted)) = rest.split_once("=\"") {
        let mut text = String::new();
        let mut letters = quoted.chars();
        loop {
            match letters.next()? {
                '"' => break,
                '\\' => text.push(match letters.next()? {
                    'n' => '\n',
                    other => other,
                }),
                other => text.push(other),
            }
        }
        labels.push((label, text));
        rest = letters.as_str().trim_start_matches(',');
    }
    Some(Sample { name, labels, value })
}

#[cfg(test)]
mod tests {
    use super::{Collector, OtlpError, pairs, request};
    use chrono::DateTime;
    use serde_json::{Value, json};
    use std::time::Duration;

    const TEXT: &str = "\
# HELP reply_ingest_build What runs.
# TYPE reply_ingest_build info
reply_ingest_build_info{version=\"1\",ruleset=\"a\\\"b\\\\c\"} 1
# HELP reply_ingest_start_timestamp_seconds When.
# TYPE reply_ingest_start_timestamp_seconds gauge
# UNIT reply_ingest_start_timestamp_seconds seconds
reply_ingest_start_timestamp_seconds 1000.5
# HELP reply_ingest_mails Mails.
# TYPE reply_ingest_mails counter
reply_ingest_mails_total{mailbox=\"a\",outcome=\"published\"} 12
reply_ingest_mails_total{mailbox=\"b\",outcome=\"published\"} 0
# HELP reply_ingest_fetched_bytes Octets.
# TYPE reply_ingest_fetched_bytes counter
# UNIT reply_ingest_fetched_bytes bytes
# HELP reply_ingest_age_seconds Age.
# TYPE reply_ingest_age_seconds histogram
# UNIT reply_ingest_age_seconds seconds
reply_ingest_age_seconds_sum{mailbox=\"a\"} 7.5
reply_ingest_age_seconds_count{mailbox=\"a\"} 4
reply_ingest_age_seconds_bucket{le=\"1.0\",mailbox=\"a\"} 1
reply_ingest_age_seconds_bucket{le=\"5.0\",mailbox=\"a\"} 3
reply_ingest_age_seconds_bucket{le=\"+Inf\",mailbox=\"a\"} 4
reply_ingest_age_seconds_sum{mailbox=\"b\"} 0.0
reply_ingest_age_seconds_count{mailbox=\"b\"} 0
reply_ingest_age_seconds_bucket{le=\"1.0\",mailbox=\"b\"} 0
reply_ingest_age_seconds_bucket{le=\"5.0\",mailbox=\"b\"} 0
reply_ingest_age_seconds_bucket{le=\"+Inf\",mailbox=\"b\"} 0
# HELP reply_ingest_mailbox_last_success_timestamp_seconds When.
# TYPE reply_ingest_mailbox_last_success_timestamp_seconds gauge
# UNIT reply_ingest_mailbox_last_success_timestamp_seconds seconds
reply_ingest_mailbox_last_success_timestamp_seconds{mailbox=\"a\"} 2000.0
reply_ingest_mailbox_last_success_timestamp_seconds{mailbox=\"b\"} 0.0
# EOF
";

    fn named<'v>(request: &'v Value, name: &str) -> Option<&'v Value> {
        let metrics = request["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().expect("metrics");
        metrics.iter().find(|metric| metric["name"] == name)
    }

    #[test]
    fn each_kind_is_said_as_otlp_says_it() {
        let of = [("service.name".to_owned(), "x".to_owned())];
        let said = request(TEXT, &of, DateTime::from_timestamp(3_000, 0).expect("a time"));
        let service = json!([{ "key": "service.name", "value": { "stringValue": "x" } }]);
        assert_eq!(said["resourceMetrics"][0]["resource"]["attributes"], service);
        let label = |name: &str, value: &str| json!({ "key": name, "value": { "stringValue": value } });
        let (start, now) = ("1000500000000", "3000000000000");
        let point = |labels: Value, value: f64| json!({ "attributes": labels, "startTimeUnixNano": start, "timeUnixNano": now, "asDouble": value });
        for (name, expected) in [
            (
                "reply_ingest_build_info",
                json!({ "name": "reply_ingest_build_info", "description": "What runs.", "unit": "", "gauge": {
                    "dataPoints": [point(json!([label("version", "1"), label("ruleset", "a\"b\\c")]), 1.0)] } }),
            ),
            (
                "reply_ingest_mails",
                json!({ "name": "reply_ingest_mails", "description": "Mails.", "unit": "", "sum": {
                    "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
                        point(json!([label("mailbox", "a"), label("outcome", "published")]), 12.0),
                        point(json!([label("mailbox", "b"), label("outcome", "published")]), 0.0)] } }),
            ),
            (
                "reply_ingest_age_seconds",
                json!({ "name": "reply_ingest_age_seconds", "description": "Age.", "unit": "s", "histogram": {
                    "aggregationTemporality": 2, "dataPoints": [
                        { "attributes": [label("mailbox", "a")], "startTimeUnixNano": start, "timeUnixNano": now,
                          "count": "4", "sum": 7.5, "bucketCounts": ["1", "2", "1"], "explicitBounds": [1.0, 5.0] },
                        { "attributes": [label("mailbox", "b")], "startTimeUnixNano": start, "timeUnixNano": now,
                          "count": "0", "sum": 0.0, "bucketCounts": ["0", "0", "0"], "explicitBounds": [1.0, 5.0] }] } }),
            ),
        ] {
            assert_eq!(named(&said, name), Some(&expected), "{name}");
        }
        let success = named(&said, "reply_ingest_mailbox_last_success_timestamp_seconds").expect("is there");
        assert_eq!(success["gauge"]["dataPoints"], json!([point(json!([label("mailbox", "a")]), 2_000.0)]));
        assert_eq!(named(&said, "reply_ingest_fetched_bytes"), None, "nothing was counted");
    }

    #[test]
    fn a_collectors_address_and_headers() {
        let new = |url: &str, headers: &str| Collector::new(url, headers, "", Duration::from_secs(1));
        for (url, goes_to) in [
            ("http://otel:4318", Some("http://otel:4318/v1/metrics")),
            ("http://otel:4318/", Some("http://otel:4318/v1/metrics")),
            ("https://otel/otlp", Some("https://otel/otlp/v1/metrics")),
            ("https://otel/otlp/v1/metrics", Some("https://otel/otlp/v1/metrics")),
            ("otel:4318", None),
            ("", None),
        ] {
            // Only the HTTP client's TLS needs the provider.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            assert_eq!(new(url, "").ok().map(|c| c.url.to_string()).as_deref(), goes_to, "{url}");
        }
        assert!(matches!(new("http://otel", "no value"), Err(OtlpError::Headers)));
        assert!(matches!(new("http://otel", "a b=c"), Err(OtlpError::Headers)));
        let both = [("authorization".to_owned(), "Basic a=b".to_owned()), ("x".to_owned(), String::new())];
        assert_eq!(pairs("authorization=Basic%20a=b, x=,").as_deref(), Some(&both[..]));
    }
}
