//! `--otlp`: metrics to an OpenTelemetry collector, set by OpenTelemetry's own environment variables.

use crate::pipeline::{Failure, FailureClass};
use crate::telemetry::Metrics;
use crate::telemetry::otlp::{Collector, OtlpError};
use chrono::Utc;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long the collector may take, and how often `run` sends, where the environment says nothing.
const WAIT: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_mins(1);
/// At the end of `run` something else waits: whoever sent SIGTERM.
const LAST_WAIT: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub struct Otlp {
    /// Send metrics to this OpenTelemetry collector, by OTLP over HTTP: when the run ends; `run` every minute, or every
    /// `OTEL_METRIC_EXPORT_INTERVAL` milliseconds. See README.md for more variables.
    #[arg(long = "otlp", value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    endpoint: Option<String>,
}

impl Otlp {
    fn collector(&self) -> Option<Result<Collector, OtlpError>> {
        let url = self.endpoint.as_deref().filter(|url| !url.is_empty())?;
        let wait = milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT").unwrap_or(WAIT);
        Some(Collector::new(url, &variable("OTEL_EXPORTER_OTLP_HEADERS"), &attributes(), wait))
    }

    /// Sends the metrics once. That they do not arrive is spoken of and changes nothing.
    pub async fn send(&self, metrics: &Metrics) {
        let sent = match self.collector() {
            None => return,
            Some(Ok(collector)) => collector.send(metrics, Utc::now()).await,
            Some(Err(error)) => Err(error),
        };
        if let Err(error) = sent {
            lost(&error);
        }
    }

    /// Sends the metrics again and again.
    pub fn begin(&self, metrics: &Arc<Metrics>) -> Option<Sending> {
        let collector = match self.collector()? {
            Ok(collector) => Arc::new(collector),
            Err(error) => {
                lost(&error);
                return None;
            }
        };
        let interval = milliseconds("OTEL_METRIC_EXPORT_INTERVAL").unwrap_or(INTERVAL);
        let (to, metrics) = (Arc::clone(&collector), Arc::clone(metrics));
        let counted = Arc::clone(&metrics);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                if let Err(error) = to.send(&counted, Utc::now()).await {
                    lost(&error);
                }
            }
        });
        Some(Sending { collector, metrics, task })
    }
}

/// Metrics that are sent until it ends.
pub struct Sending {
    collector: Arc<Collector>,
    metrics: Arc<Metrics>,
    task: JoinHandle<()>,
}

impl Sending {
    /// Sends them for the last time.
    pub async fn end(self) {
        self.task.abort();
        match tokio::time::timeout(LAST_WAIT, self.collector.send(&self.metrics, Utc::now())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => lost(&error),
            Err(_) => tracing::warn!("--otlp: the collector does not answer: the last metrics are lost"),
        }
    }
}

fn lost(error: &OtlpError) {
    let reason = Failure::new(FailureClass::Temporary, error).message;
    tracing::warn!(%reason, "metrics are lost");
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn milliseconds(name: &str) -> Option<Duration> {
    variable(name).trim().parse().ok().filter(|n| *n > 0).map(Duration::from_millis)
}

/// Which process this is: what the environment says comes last, and of one name the last counts.
fn attributes() -> String {
    let of = |name: &str, variable: String| (!variable.is_empty()).then(|| format!("{name}={variable}"));
    let all = [
        Some(format!("service.name={}", env!("CARGO_PKG_NAME"))),
        Some(format!("service.version={}", env!("CARGO_PKG_VERSION"))),
        of("service.instance.id", variable("HOSTNAME")),
        Some(variable("OTEL_RESOURCE_ATTRIBUTES")),
        of("service.name", variable("OTEL_SERVICE_NAME")),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join(",")
}
