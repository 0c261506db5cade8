//! The four questions to a Schema Registry, in the REST interface that Confluent's, Karapace and Apicurio share.
//!
//! No redirect is followed, because a password goes with each question. A proxy from the environment is used.

use super::Wanted;
use crate::config::{SchemaRegistry, Secret};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// How long one answer may take.
const WAIT: Duration = Duration::from_secs(10);
/// The media type of the interface.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// The most that is read of an answer: it may repeat the schema.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// Characters of what a registry says that are repeated.
const MAX_SAID: usize = 300;
/// Codes of "there is no such subject, version, schema".
const NOT_FOUND: [u32; 3] = [40_401, 40_402, 40_403];

/// Why a registry cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("kafka.schema_registry.ca_file: {} {problem}", path.display())]
    CaFile { path: PathBuf, problem: String },
    #[error("kafka.schema_registry: no client can be made for it")]
    Client(#[source] reqwest::Error),
    #[error(
        "the Schema Registry at {host} cannot be reached: check kafka.schema_registry.url and the network, and set \
         ca_file where a CA of your own signed its certificate"
    )]
    Unreachable {
        host: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the Schema Registry at {host} does not answer within {seconds} s: nothing is published until it does")]
    Slow { host: String, seconds: u64 },
    #[error("the Schema Registry at {host} is not at work (HTTP {status}{said}): nothing is published until it is")]
    Down { host: String, status: u16, said: String },
    #[error(
        "the Schema Registry at {host} refuses this user (HTTP {status}{said}): check username and password_file of \
         kafka.schema_registry, and that this user may read and write the subject {subject}"
    )]
    Login { host: String, status: u16, subject: String, said: String },
    #[error(
        "the Schema Registry at {host} holds a schema for {subject} that this program's does not fit{said}: fields and \
         words are only ever added, so set the compatibility of this subject to NONE, or use another topic"
    )]
    Incompatible { host: String, subject: String, said: String },
    #[error(
        "the Schema Registry at {host} does not know the schema of {subject}: register what `reply-ingest schema \
         {name}` prints, as a JSON schema, or set kafka.schema_registry.auto_register: true"
    )]
    Unregistered { host: String, subject: String, name: &'static str },
    #[error(
        "what answers at {host} (HTTP {status}{said}) is no Schema Registry, or none that knows JSON schemas: check \
         kafka.schema_registry.url and its path"
    )]
    Strange { host: String, status: u16, said: String },
}

impl RegistryError {
    /// Whether a setting is to be changed, or something in the registry; otherwise it may work at the next run.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Slow { .. } | Self::Down { .. } => false,
            Self::CaFile { .. }
            | Self::Client(_)
            | Self::Login { .. }
            | Self::Incompatible { .. }
            | Self::Unregistered { .. }
            | Self::Strange { .. } => true,
        }
    }
}

/// A Schema Registry.
#[derive(Debug)]
pub struct Registry {
    client: Client,
    base: Url,
    host: String,
    login: Option<(String, Secret)>,
    register: bool,
}

/// An answer that is no failure of the registry.
enum Answer {
    Body(Vec<u8>),
    /// There is no such subject or schema.
    Nothing,
    Incompatible(String),
}

#[derive(Deserialize)]
struct Registered {
    id: u32,
}

#[derive(Deserialize)]
struct Compatibility {
    is_compatible: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Complaint {
    error_code: u32,
    message: String,
}

impl Registry {
    /// A client for a registry; it is not asked yet.
    ///
    /// # Errors
    /// When a setting is of no use.
    pub fn new(settings: &SchemaRegistry) -> Result<Self, RegistryError> {
        Self::waiting(settings, WAIT)
    }

    fn waiting(settings: &SchemaRegistry, wait: Duration) -> Result<Self, RegistryError> {
        let strange = |said: &str| RegistryError::Strange { host: String::new(), status: 0, said: said.to_owned() };
        let base = Url::parse(&settings.url).map_err(|_| strange("the URL cannot be read"))?;
        let host = base.host_str().unwrap_or_default().to_owned();
        let login = settings.username.clone().zip(settings.password.clone());
        let client = client(settings, wait)?;
        Ok(Self { client, base, host, login, register: settings.auto_register })
    }

    /// The registry's host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The id of a schema; it is registered where it is not yet and may be.
    ///
    /// # Errors
    /// When there is no id.
    pub async fn id(&self, wanted: &Wanted) -> Result<u32, RegistryError> {
        if !self.register {
            return self.known(wanted).await?.ok_or_else(|| self.unregistered(wanted));
        }
        match self.ask(wanted, &["subjects", &wanted.subject, "versions"]).await? {
            Answer::Body(body) => Ok(self.read::<Registered>(&body)?.id),
            Answer::Incompatible(said) => Err(self.incompatible(wanted, said)),
            Answer::Nothing => Err(self.strange(404, String::new())),
        }
    }

    /// The id of a schema, and `None` where the first run will register it. Changes nothing.
    ///
    /// # Errors
    /// When a run would fail.
    pub async fn look(&self, wanted: &Wanted) -> Result<Option<u32>, RegistryError> {
        let known = self.known(wanted).await?;
        if known.is_some() {
            return Ok(known);
        }
        if !self.register {
            return Err(self.unregistered(wanted));
        }
        let way = ["compatibility", "subjects", &wanted.subject, "versions", "latest"];
        match self.ask(wanted, &way).await? {
            Answer::Body(body) if !self.read::<Compatibility>(&body)?.is_compatible => {
                Err(self.incompatible(wanted, String::new()))
            }
            Answer::Incompatible(said) => Err(self.incompatible(wanted, said)),
            // Nothing that it would have to be compatible with.
            Answer::Body(_) | Answer::Nothing => Ok(None),
        }
    }

    async fn known(&self, wanted: &Wanted) -> Result<Option<u32>, RegistryError> {
        match self.ask(wanted, &["subjects", &wanted.subject]).await? {
            Answer::Body(body) => Ok(Some(self.read::<Registered>(&body)?.id)),
            Answer::Nothing => Ok(None),
            Answer::Incompatible(said) => Err(self.incompatible(wanted, said)),
        }
    }

    /// Every question has the schema in it, and is a POST.
    async fn ask(&self, wanted: &Wanted, way: &[&str]) -> Result<Answer, RegistryError> {
        let mut url = self.base.clone();
        url.query_pairs_mut().clear().append_pair("normalize", "true");
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(way);
        }
        let body = json!({"schemaType": "JSON", "schema": &*wanted.schema}).to_string();
        let request = self.client.post(url).header(CONTENT_TYPE, MEDIA_TYPE).header(ACCEPT, MEDIA_TYPE).body(body);
        let request = match &self.login {
            Some((user, password)) => request.basic_auth(user, Some(password.expose())),
            None => request,
        };
        let response = request.send().await.map_err(|error| self.broken(error))?;
        let status = response.status();
        let body = self.body(response).await?;
        if status.is_success() {
            return Ok(Answer::Body(body));
        }
        let complaint: Complaint = serde_json::from_slice(&body).unwrap_or_default();
        let said = said(&complaint.message);
        let (host, code) = (self.host.clone(), status.as_u16());
        match status {
            StatusCode::NOT_FOUND if NOT_FOUND.contains(&complaint.error_code) => Ok(Answer::Nothing),
            StatusCode::CONFLICT => Ok(Answer::Incompatible(said)),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(RegistryError::Login { host, status: code, subject: wanted.subject.clone(), said })
            }
            StatusCode::TOO_MANY_REQUESTS => Err(RegistryError::Down { host, status: code, said }),
            _ if status.is_server_error() => Err(RegistryError::Down { host, status: code, said }),
            _ => Err(self.strange(code, said)),
        }
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, RegistryError> {
        let mut body = Vec::new();
        let status = response.status().as_u16();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(self.strange(status, ": a very long answer".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn read<'b, T: Deserialize<'b>>(&self, body: &'b [u8]) -> Result<T, RegistryError> {
        serde_json::from_slice(body).map_err(|_| self.strange(200, String::new()))
    }

    fn broken(&self, error: reqwest::Error) -> RegistryError {
        let (source, host) = (error.without_url(), self.host.clone());
        if source.is_timeout() {
            return RegistryError::Slow { host, seconds: WAIT.as_secs() };
        }
        RegistryError::Unreachable { host, source }
    }

    fn strange(&self, status: u16, said: String) -> RegistryError {
        RegistryError::Strange { host: self.host.clone(), status, said }
    }

    fn incompatible(&self, wanted: &Wanted, said: String) -> RegistryError {
        RegistryError::Incompatible { host: self.host.clone(), subject: wanted.subject.clone(), said }
    }

    fn unregistered(&self, wanted: &Wanted) -> RegistryError {
        RegistryError::Unregistered { host: self.host.clone(), subject: wanted.subject.clone(), name: wanted.name }
    }
}

/// What a registry said, on one line and bounded, behind a colon.
fn said(message: &str) -> String {
    let line: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SAID).collect();
    if line.trim().is_empty() { String::new() } else { format!(": {}", line.trim()) }
}

fn client(settings: &SchemaRegistry, wait: Duration) -> Result<Client, RegistryError> {
    // reqwest panics when there is none; whoever installed one before keeps it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(concat!("reply-ingest/", env!("CARGO_PKG_VERSION")))
        .timeout(wait)
        .redirect(Policy::none());
    let Some(path) = &settings.ca_file else { return builder.build().map_err(RegistryError::Client) };
    let wrong = |problem: String| RegistryError::CaFile { path: path.clone(), problem };
    let pem = std::fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let authorities =
        Certificate::from_pem_bundle(&pem).map_err(|_| wrong("is no PEM file with certificates".to_owned()))?;
    if authorities.is_empty() {
        return Err(wrong("holds no certificate: it must be a PEM file".to_owned()));
    }
    builder.tls_certs_only(authorities).build().map_err(RegistryError::Client)
}

#[cfg(test)]
mod tests {
    use super::{Registry, RegistryError};
    use crate::config::SchemaRegistry;
    use crate::sink::Wanted;
    use std::net::TcpListener;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::Duration;

    fn settings(port: u16) -> SchemaRegistry {
        SchemaRegistry {
            url: format!("http://127.0.0.1:{port}"),
            username: None,
            password: None,
            password_file: None,
            ca_file: None,
            auto_register: true,
        }
    }

    #[tokio::test]
    async fn one_that_says_nothing_is_not_waited_for_for_ever() {
        // It takes connections, and nobody reads them.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = silent.local_addr().expect("an address").port();
        let registry = Registry::waiting(&settings(port), Duration::from_millis(50)).expect("a client");
        let wanted =
            Wanted { topic: "t".into(), subject: "t-value".into(), schema: Arc::from("{}"), name: "event-data" };
        let error = registry.id(&wanted).await.expect_err("no answer");
        assert!(matches!(error, RegistryError::Slow { .. }) && !error.is_configuration(), "{error}");
    }

    #[test]
    fn authorities_that_are_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |text: &str| -> PathBuf {
            let path = folder.path().join("ca.pem");
            std::fs::write(&path, text).expect("writes");
            path
        };
        for (path, says) in [(file(""), "holds no certificate"), (folder.path().join("missing"), "cannot be read")] {
            let error = Registry::new(&SchemaRegistry { ca_file: Some(path), ..settings(1) }).expect_err("is refused");
            assert!(error.to_string().contains(says) && error.is_configuration(), "{error}");
        }
    }
}
