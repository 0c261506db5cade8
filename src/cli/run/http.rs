//! /livez, /readyz and /metrics. Few connections, short requests, nothing read but the first line and the headers.

use super::health::Health;
use crate::telemetry::Metrics;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at once; others wait in the system's queue.
const CONNECTIONS: usize = 32;
/// How long a request's head may take, and a whole connection.
const HEAD: Duration = Duration::from_secs(5);
const CONNECTION: Duration = Duration::from_mins(2);
const BUFFER: usize = 16 * 1024;
/// After a failure to accept: out of file descriptors, most likely.
const PAUSE: Duration = Duration::from_millis(100);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, metrics: Arc<Metrics>, health: Arc<Health>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (metrics, health) = (Arc::clone(&metrics), Arc::clone(&health));
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let response = answer(request.method(), request.uri().path(), &metrics, &health);
                std::future::ready(Ok::<_, Infallible>(response))
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_buf_size(BUFFER)
                .serve_connection(TokioIo::new(stream), service);
            // How a client's connection ends is the client's affair.
            let _ = tokio::time::timeout(CONNECTION, connection).await;
            drop(place);
        });
    }
}

fn answer(method: &Method, path: &str, metrics: &Metrics, health: &Health) -> Response<Full<Bytes>> {
    let (status, kind, body) = match path {
        _ if !matches!(*method, Method::GET | Method::HEAD) => {
            (StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".to_owned())
        }
        "/metrics" => (StatusCode::OK, OPEN_METRICS, metrics.open_metrics()),
        "/livez" if health.is_alive() => (StatusCode::OK, TEXT, "ok\n".to_owned()),
        "/livez" => (StatusCode::SERVICE_UNAVAILABLE, TEXT, "stopping\n".to_owned()),
        "/readyz" => match health.trouble() {
            None => (StatusCode::OK, TEXT, "ok\n".to_owned()),
            Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{reason}\n")),
        },
        _ => (StatusCode::NOT_FOUND, TEXT, "there are /livez, /readyz and /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::{Health, Method, Metrics, answer};
    use chrono::DateTime;

    #[test]
    fn what_each_path_says() {
        let metrics = Metrics::new("r1", DateTime::UNIX_EPOCH);
        let health = Health::default();
        let status = |method: Method, path: &str| answer(&method, path, &metrics, &health).status().as_u16();
        let all = || ["/livez", "/readyz", "/metrics", "/"].map(|path| status(Method::GET, path));
        assert_eq!(all(), [200, 503, 200, 404], "starting");
        health.ready();
        assert_eq!(all(), [200, 200, 200, 404], "ready");
        health.unready("Kafka is down");
        assert_eq!(all(), [200, 503, 200, 404], "unready");
        assert_eq!(health.trouble().as_deref(), Some("Kafka is down"));
        assert_eq!(status(Method::POST, "/metrics"), 405);
        assert_eq!(status(Method::HEAD, "/metrics"), 200);
        health.stopping();
        health.ready();
        assert_eq!(all(), [503, 503, 200, 404], "stopping is for good");
    }
}
