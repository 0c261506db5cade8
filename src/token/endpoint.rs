//! A token endpoint: one form, one answer (RFC 6749).
//!
//! No redirect is followed: the form holds secrets. A proxy from the environment (`HTTPS_PROXY`, `ALL_PROXY`,
//! `NO_PROXY`) is used, as clusters without a way out need one; an endpoint on this host is asked directly.

use super::advice::{self, Provider};
use super::answer::{self, Answer};
use super::error::Class;
use super::{Fetched, TokenError};
use crate::config::{Secret, TokenEndpoint};
use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, Url};
use rustls::{CertificateError, Error as TlsError};
use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// The most that is read of an answer.
const MAX_BODY: usize = 1024 * 1024;

pub(super) struct Endpoint {
    client: Client,
    url: Url,
    host: String,
    client_id: String,
    client_secret: Option<Secret>,
    /// The last one that was given out. An endpoint that makes the old one void with each new one (RFC 6749 section
    /// 10.4) fits only while this process runs: nothing is written back.
    refresh_token: Option<Secret>,
    scope: Option<String>,
    timeout: Duration,
}

impl Endpoint {
    pub(super) fn new(settings: &TokenEndpoint, timeout: Duration) -> Result<Self, TokenError> {
        let (url, host) = address(&settings.url)?;
        if settings.client_id.is_empty() {
            return Err(setting("oauth.endpoint.client_id", "is empty"));
        }
        let client_secret = secret(
            "oauth.endpoint.client_secret_file",
            settings.client_secret.as_ref(),
            settings.client_secret_file.as_deref(),
        )?;
        let refresh_token = secret(
            "oauth.endpoint.refresh_token_file",
            settings.refresh_token.as_ref(),
            settings.refresh_token_file.as_deref(),
        )?;
        if client_secret.is_none() && refresh_token.is_none() {
            return Err(setting("oauth.endpoint", "set client_secret_file, or refresh_token_file, or both"));
        }
        let client = client(&url, is_loopback(&host), settings.ca_file.as_deref(), timeout)?;
        Ok(Self {
            client,
            url,
            host,
            client_id: settings.client_id.clone(),
            client_secret,
            refresh_token,
            scope: settings.scope.clone().filter(|scope| !scope.is_empty()),
            timeout,
        })
    }

    pub(super) fn provider(&self) -> Provider {
        Provider::of(&self.host)
    }

    /// Asks for a token.
    pub(super) async fn ask(&mut self, now: DateTime<Utc>) -> Result<Fetched, TokenError> {
        let request = self.client.post(self.url.clone()).header(ACCEPT, "application/json").form(&self.form());
        let response = request.send().await.map_err(|e| self.broken(e))?;
        let status = response.status().as_u16();
        match status {
            200..=299 => {}
            300..=399 => return Err(TokenError::Redirected { host: self.host.clone(), status }),
            // What an overloaded or broken server writes is not worth reading.
            429 | 500.. => return Err(self.status(status, &response, now)),
            _ => {
                let plain = self.status(status, &response, now);
                return Err(match self.body(response).await.map(|body| answer::parse(&body)) {
                    Ok(Ok(Answer::Refused { code, description })) => self.refusal(status, code, &description),
                    _ => plain,
                });
            }
        }
        match answer::parse(&self.body(response).await?).map_err(|problem| self.no_answer(problem))? {
            Answer::Refused { code, description } => Err(self.refusal(status, code, &description)),
            Answer::Granted { token, life, refresh_token } => {
                if self.refresh_token.is_some() && refresh_token.is_some() {
                    self.refresh_token = refresh_token;
                }
                tracing::debug!(host = %self.host, life_seconds = life.num_seconds(), "a new access token");
                Ok(Fetched { token, fresh: answer::fresh(life), life })
            }
        }
    }

    fn form(&self) -> Vec<(&'static str, &str)> {
        let mut form = Vec::with_capacity(5);
        if let Some(token) = &self.refresh_token {
            form.extend([("grant_type", "refresh_token"), ("refresh_token", token.expose())]);
        } else {
            form.push(("grant_type", "client_credentials"));
        }
        form.push(("client_id", self.client_id.as_str()));
        form.extend(self.client_secret.as_ref().map(|secret| ("client_secret", secret.expose())));
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        form
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, TokenError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.broken(e))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(self.no_answer("is longer than 1 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn status(&self, status: u16, response: &Response, now: DateTime<Utc>) -> TokenError {
        let (class, advice) = advice::status(status);
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .filter(|_| class == Class::Temporary)
            .and_then(|value| answer::retry_after(value.to_str().ok()?, now));
        TokenError::Status { host: self.host.clone(), status, advice, class, retry_after }
    }

    fn refusal(&self, status: u16, code: String, description: &str) -> TokenError {
        let secrets = [&self.client_secret, &self.refresh_token].map(|s| s.as_ref().map_or("", Secret::expose));
        let said = answer::said(description, &secrets);
        let (class, advice) = advice::refusal(&code, status, self.provider());
        TokenError::Refused { host: self.host.clone(), code, said, advice, class }
    }

    fn no_answer(&self, problem: &'static str) -> TokenError {
        TokenError::Answer { host: self.host.clone(), problem }
    }

    /// A request that got no whole answer.
    fn broken(&self, error: reqwest::Error) -> TokenError {
        // A path or a query may hold what is not for logs.
        let source = error.without_url();
        let host = self.host.clone();
        if source.is_timeout() {
            let origin = format!("the token endpoint {host}");
            return TokenError::Slow { origin, limit: self.timeout };
        }
        let (class, advice) = if let Some(error) = tls_error(&source) {
            tls_advice(error)
        } else if source.is_dns() {
            let advice = "the name cannot be resolved: check url and DNS, and HTTPS_PROXY where only a proxy leads out";
            (Class::Temporary, advice)
        } else if source.is_connect() {
            let advice = "cannot connect: check url and firewall, and HTTPS_PROXY where only a proxy leads out";
            (Class::Temporary, advice)
        } else {
            (Class::Temporary, "the connection broke")
        };
        TokenError::Network { host, advice, class, source }
    }
}

fn setting(setting: &'static str, problem: &'static str) -> TokenError {
    TokenError::Setting { setting, problem }
}

/// The URL, with its host. Clear text is for endpoints on this very host, such as a side-car.
fn address(text: &str) -> Result<(Url, String), TokenError> {
    let wrong = |problem| setting("oauth.endpoint.url", problem);
    let url = Url::parse(text).map_err(|_| wrong("is no URL: write it as https://HOST/PATH"))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    if host.is_empty() || !matches!(url.scheme(), "https" | "http") {
        return Err(wrong("is no URL of a web server: write it as https://HOST/PATH"));
    }
    if url.scheme() == "http" && !is_loopback(&host) {
        return Err(wrong("would send the client's secret in clear text: write https instead of http"));
    }
    // They would go out as an Authorization header, besides the form.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a user or a password: set client_id and client_secret_file instead"));
    }
    if url.fragment().is_some() {
        return Err(wrong("holds a #: a token endpoint has none (RFC 6749 section 3.2)"));
    }
    Ok((url, host))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// A secret that is set directly, or that a file holds.
fn secret(setting: &'static str, direct: Option<&Secret>, file: Option<&Path>) -> Result<Option<Secret>, TokenError> {
    let secret = match (direct, file) {
        (Some(secret), _) => secret.clone(),
        (None, None) => return Ok(None),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path).map_err(|source| TokenError::Unreadable {
                setting,
                path: path.to_owned(),
                source,
            })?;
            Secret::new(text.trim_end_matches(['\r', '\n']).to_owned())
        }
    };
    if secret.expose().is_empty() {
        return Err(TokenError::Setting { setting, problem: "the secret is empty" });
    }
    Ok(Some(secret))
}

fn client(url: &Url, loopback: bool, ca_file: Option<&Path>, timeout: Duration) -> Result<Client, TokenError> {
    // reqwest panics when there is none; whoever installed one before keeps it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("reply-ingest/", env!("CARGO_PKG_VERSION")))
        .timeout(timeout)
        .redirect(Policy::none())
        // A refresh token may be good for one request.
        .retry(reqwest::retry::never())
        // Requests are an hour apart.
        .pool_max_idle_per_host(0);
    if loopback {
        builder = builder.no_proxy();
    }
    let Some(path) = ca_file else {
        if url.scheme() == "http" {
            builder = builder.tls_certs_only([]);
        }
        return builder.build().map_err(|source| TokenError::Authorities { source: source.without_url() });
    };
    let wrong = |problem| TokenError::CaFile { setting: "oauth.endpoint.ca_file", path: path.to_owned(), problem };
    let pem = std::fs::read(path).map_err(|source| TokenError::Unreadable {
        setting: "oauth.endpoint.ca_file",
        path: path.to_owned(),
        source,
    })?;
    let authorities = Certificate::from_pem_bundle(&pem).map_err(|_| wrong("is no PEM file with certificates"))?;
    if authorities.is_empty() {
        return Err(wrong("holds no certificate: it must be a PEM file"));
    }
    builder.tls_certs_only(authorities).build().map_err(|_| wrong("holds a certificate that cannot be used"))
}

/// The TLS error in a chain of causes.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a TlsError> {
    let mut next = Some(error);
    while let Some(error) = next {
        // An io::Error gives the source of what it wraps, not what it wraps.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|e| e.downcast_ref()).or_else(|| error.downcast_ref()) {
            return Some(found);
        }
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// What a failure of TLS asks for.
fn tls_advice(error: &TlsError) -> (Class, &'static str) {
    match error {
        TlsError::InvalidMessage(_) => {
            (Class::Configuration, "it does not speak TLS on this port: check oauth.endpoint.url")
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            (Class::Configuration, "its certificate is for another name: write one that it has into oauth.endpoint.url")
        }
        TlsError::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => {
            (Class::Temporary, "its certificate has expired or is not valid yet: tell who runs it, or check the clock")
        }
        TlsError::InvalidCertificate(_) => (
            Class::Configuration,
            "its certificate is not trusted: if a private CA or a proxy signed it, set oauth.endpoint.ca_file",
        ),
        _ => (Class::Temporary, "the TLS handshake failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, address};
    use crate::config::{Secret, TokenEndpoint};
    use std::time::Duration;

    fn settings() -> TokenEndpoint {
        TokenEndpoint {
            url: "http://127.0.0.1:1/token".to_owned(),
            client_id: "app".to_owned(),
            client_secret: Some(Secret::new("s3cret".to_owned())),
            client_secret_file: None,
            refresh_token: None,
            refresh_token_file: None,
            scope: None,
            ca_file: None,
        }
    }

    fn problem(settings: &TokenEndpoint) -> String {
        match Endpoint::new(settings, Duration::from_secs(1)) {
            Ok(_) => "none".to_owned(),
            Err(error) => {
                assert!(error.is_configuration(), "{error}");
                let text = format!("{error} {error:?}");
                assert!(!text.contains("s3cret"), "{text}");
                text
            }
        }
    }

    #[test]
    fn urls() {
        for (url, says) in [
            ("https://oauth2.googleapis.com/token", ""),
            ("https://login.microsoftonline.com/s3cret/oauth2/v2.0/token?x=y", ""),
            ("http://localhost:8080/token", ""),
            ("http://127.9.9.9/token", ""),
            ("http://[::1]:80/token", ""),
            ("http://[::ffff:127.0.0.1]/token", ""),
            ("http://token.example/s3cret", "clear text"),
            ("http://localhost.example/s3cret", "clear text"),
            ("http://127.0.0.1.example/", "clear text"),
            ("http://192.0.2.1/", "clear text"),
            ("https://app:s3cret@token.example/", "a user or a password"),
            ("https://s3cret@token.example/", "a user or a password"),
            ("https://token.example/#s3cret", "holds a #"),
            ("ftp://token.example/s3cret", "no URL of a web server"),
            ("file:///etc/passwd", "no URL of a web server"),
            ("data:s3cret", "no URL of a web server"),
            ("token.example/s3cret", "no URL"),
            ("", "no URL"),
            ("https://", "no URL"),
        ] {
            match address(url) {
                Ok(_) => assert_eq!(says, "", "{url} is refused"),
                Err(error) => {
                    let text = format!("{error} {error:?}");
                    assert!(!says.is_empty() && text.contains(says) && !text.contains("s3cret"), "{url}: {text}");
                }
            }
        }
    }

    #[test]
    fn settings_that_contradict() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        assert_eq!(problem(&settings()), "none");
        assert!(problem(&TokenEndpoint { client_id: String::new(), ..settings() }).contains("client_id"));
        let no_secret = TokenEndpoint { client_secret: None, ..settings() };
        assert!(problem(&no_secret).contains("client_secret_file"));
        let refresh_token_file = file("refresh", "s3cret\n");
        assert_eq!(problem(&TokenEndpoint { refresh_token_file, ..no_secret.clone() }), "none");
        let client_secret_file = file("empty", "\r\n");
        assert!(problem(&TokenEndpoint { client_secret_file, ..no_secret.clone() }).contains("is empty"));
        let client_secret_file = Some(dir.path().join("missing"));
        assert!(problem(&TokenEndpoint { client_secret_file, ..no_secret }).contains("cannot read the file"));
    }

    #[test]
    fn authorities_that_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let with = |text: &str| {
            std::fs::write(&path, text).unwrap();
            problem(&TokenEndpoint { ca_file: Some(path.clone()), ..settings() })
        };
        assert!(with("").contains("holds no certificate"));
        assert!(with("s3cret").contains("holds no certificate"));
        let cut = with("-----BEGIN CERTIFICATE-----\nAAAA\n");
        assert!(cut.contains("PEM"), "{cut}");
        let junk = with("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        assert!(junk.contains("cannot be used"), "{junk}");
        let missing = TokenEndpoint { ca_file: Some(dir.path().join("missing")), ..settings() };
        assert!(problem(&missing).contains("cannot read the file"));
    }
}
