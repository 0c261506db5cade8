//! Reading the file: environment, YAML, secrets, then what no type can say.

use super::model::{Config, Kafka, Mailbox, Network, Privacy, Retention};
use super::secret::Secret;
use crate::correlate::Correlators;
use crate::event::AddressMode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_saphyr::{Error as YamlError, Options};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The shortest key that addresses may be hashed with.
const MIN_KEY: usize = 16;

/// Why a configuration was refused: where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {}: check the path and its permissions", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The message names line, column and, for an unknown key, the one that was probably meant.
    #[error("{}: {message}", path.display())]
    Yaml { path: PathBuf, message: String },
    #[error("{setting}: cannot read the file {}", path.display())]
    SecretFile {
        setting: String,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{setting}: {problem}")]
    Setting { setting: String, problem: String },
}

/// Reads and checks the configuration at `path`, with the variables of this process's environment.
///
/// # Errors
/// When the file cannot be read, is no YAML, has an unknown key or a contradiction.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(&text, path, &std::env::vars().collect())
}

/// Reads and checks a configuration that is already in memory; `path` only names it in errors.
///
/// # Errors
/// As [`load`].
#[allow(clippy::implicit_hasher)]
pub fn parse(text: &str, path: &Path, env: &HashMap<String, String>) -> Result<Config, ConfigError> {
    // Snippets would echo neighbouring lines, and with them a password that stands in the file.
    let options: Options = serde_saphyr::options! { with_snippet: false }.with_properties(env.clone());
    let mut config: Config = serde_saphyr::from_str_with_options(text, options)
        .map_err(|e| ConfigError::Yaml { path: path.to_owned(), message: explain(&e) })?;
    read_secrets(&mut config)?;
    check(&config)?;
    Ok(config)
}

/// One line for a YAML error, with the place and, for an unknown key, a suggestion.
fn explain(error: &YamlError) -> String {
    let place = error.location().map(|l| format!("line {}, column {}: ", l.line(), l.column())).unwrap_or_default();
    match error.without_snippet() {
        YamlError::SerdeUnknownField { field, expected, .. } => {
            let hint = nearest(field, expected)
                .map_or_else(|| format!("known keys are {}", expected.join(", ")), |n| format!("did you mean `{n}`?"));
            format!("{place}unknown key `{field}`: {hint}")
        }
        other => {
            let text = other.to_string();
            let first = text.lines().next().unwrap_or("not valid YAML");
            format!("{place}{first}")
        }
    }
}

/// The known name that is close enough to have been meant.
fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(given, name), *name))
        .filter(|(distance, name)| *distance <= name.len().max(given.len()) / 2)
        .min()
        .map(|(_, name)| name)
}

fn read_secrets(config: &mut Config) -> Result<(), ConfigError> {
    for mailbox in &mut config.mailboxes {
        let setting = format!("mailbox {}: password_file", mailbox.name);
        from_file(&setting, &mut mailbox.password, mailbox.password_file.as_deref())?;
        if let Some(privacy) = &mut mailbox.privacy {
            let setting = format!("mailbox {}: privacy.hash_key_file", mailbox.name);
            from_file(&setting, &mut privacy.hash_key, privacy.hash_key_file.as_deref())?;
        }
    }
    let Kafka { sasl_password, sasl_password_file, .. } = &mut config.kafka;
    from_file("kafka.sasl_password_file", sasl_password, sasl_password_file.as_deref())?;
    let Privacy { hash_key, hash_key_file, .. } = &mut config.privacy;
    from_file("privacy.hash_key_file", hash_key, hash_key_file.as_deref())
}

fn from_file(setting: &str, secret: &mut Option<Secret>, file: Option<&Path>) -> Result<(), ConfigError> {
    let Some(path) = file else { return Ok(()) };
    if secret.is_some() {
        return Err(problem(setting, "the same secret is also given directly: keep one of the two"));
    }
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::SecretFile {
        setting: setting.to_owned(),
        path: path.to_owned(),
        source,
    })?;
    *secret = Some(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()));
    Ok(())
}

fn problem(setting: impl Into<String>, problem: impl Into<String>) -> ConfigError {
    ConfigError::Setting { setting: setting.into(), problem: problem.into() }
}

/// What the types cannot say.
fn check(config: &Config) -> Result<(), ConfigError> {
    if config.mailboxes.is_empty() {
        return Err(problem("mailboxes", "the list is empty: name at least one mailbox"));
    }
    let mut names = BTreeSet::new();
    for mailbox in &config.mailboxes {
        check_mailbox(mailbox)?;
        if !names.insert(&mailbox.name) {
            return Err(problem(
                format!("mailbox {}", mailbox.name),
                "two mailboxes have this name: names are part of event ids and must differ",
            ));
        }
        check_privacy(&format!("mailbox {}: privacy", mailbox.name), mailbox.privacy.as_ref())?;
    }
    check_privacy("privacy", Some(&config.privacy))?;
    if config.kafka.brokers.is_empty() {
        return Err(problem("kafka.brokers", "the list is empty: name at least one broker as host:port"));
    }
    if config.kafka.sasl_password.is_some() && config.kafka.properties.contains_key("sasl.password") {
        return Err(problem("kafka", "sasl.password is given twice: keep sasl_password_file"));
    }
    let limits = &config.limits;
    if limits.mailboxes_at_once == 0 || limits.pipeline == 0 || limits.session_mails == 0 {
        return Err(problem("limits", "mailboxes_at_once, pipeline and session_mails must be at least 1"));
    }
    if limits.message_size.0 < 10_000 {
        return Err(problem("limits.message_size", "must be at least 10kB"));
    }
    if limits.in_flight.0 < limits.message_size.0 {
        return Err(problem("limits.in_flight", "must be at least limits.message_size, or no mail of that size fits"));
    }
    Correlators::new(&config.correlators).map_err(|e| problem("correlators", e.to_string()))?;
    Ok(())
}

fn check_mailbox(mailbox: &Mailbox) -> Result<(), ConfigError> {
    let setting = || format!("mailbox {}", mailbox.name);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if mailbox.name.is_empty() || mailbox.name.len() > 64 || !mailbox.name.chars().all(plain) {
        return Err(problem(setting(), "a name has 1 to 64 letters, digits, hyphens, dots and underscores"));
    }
    if mailbox.host.trim().is_empty() {
        return Err(problem(setting(), "host is empty"));
    }
    if mailbox.password.is_none() {
        return Err(problem(setting(), "no password: set password_file, or password: ${NAME}"));
    }
    if let Some(secret) = &mailbox.password
        && (secret.expose().is_empty() || secret.expose().contains(['\r', '\n', '\0']))
    {
        return Err(problem(setting(), "the password is empty or has a line end in it"));
    }
    if mailbox.username.is_empty() || mailbox.username.contains(['\r', '\n', '\0']) {
        return Err(problem(setting(), "the username is empty or has a line end in it"));
    }
    if let Retention::DeleteAfter(span) = mailbox.retention
        && span.0.is_zero()
    {
        return Err(problem(setting(), "delete_after: 0 is what `delete` means"));
    }
    Ok(())
}

fn check_privacy(setting: &str, privacy: Option<&Privacy>) -> Result<(), ConfigError> {
    let Some(privacy) = privacy else { return Ok(()) };
    match &privacy.hash_key {
        None if privacy.addresses == AddressMode::Hmac => {
            Err(problem(setting, "addresses: hmac needs hash_key_file, or hash_key: ${NAME}"))
        }
        Some(key) if key.expose().len() < MIN_KEY => Err(problem(
            setting,
            format!("the hash key has fewer than {MIN_KEY} characters: addresses could be guessed"),
        )),
        _ => Ok(()),
    }
}

impl Network {
    /// Whether `ip` lies in the network; an IPv4-mapped address counts as IPv4.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let bits = |ip: IpAddr| match ip.to_canonical() {
            IpAddr::V4(a) => (u128::from(a.to_bits()) << 96, 32),
            IpAddr::V6(a) => (a.to_bits(), 128),
        };
        let ((net, width), (ip, ip_width)) = (bits(self.address), bits(ip));
        let prefix = u32::from(self.prefix.min(width));
        width == ip_width && (prefix == 0 || (net ^ ip).leading_zeros() >= prefix)
    }
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no network: write 192.0.2.0/24 or 2001:db8::/32");
        let (address, prefix) = text.trim().split_once('/').map_or((text.trim(), None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(width), |p| p.parse::<u8>().map_err(|_| wrong()))?;
        if prefix > width { Err(wrong()) } else { Ok(Self { address, prefix }) }
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}/{}", self.address, self.prefix))
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "description": "An IP network: 192.0.2.0/24, 2001:db8::/32, or one address."})
    }
}
