//! Reading the file: YAML, types, environment, secrets, then what no type can say.

use super::check;
use super::lookup_files;
use super::model::Config;
use super::path::{Path as Setting, Step};
use super::read::{Findings, read};
use super::secret_files;
use super::tree;
use crate::mistake::{Mistake, Place, report};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Why a configuration was refused: where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {}: check the path and its permissions", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// All that is wrong with the file, in its order; never empty.
    #[error("{}", report(path, mistakes))]
    Mistakes { path: PathBuf, mistakes: Vec<Mistake> },
}

impl ConfigError {
    /// What is wrong with the file, in its order. Empty when the file could not be read at all.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        match self {
            Self::Read { .. } => &[],
            Self::Mistakes { mistakes, .. } => mistakes,
        }
    }
}

/// What it means that a file with a secret, or an environment variable, is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets<'a> {
    /// A mistake: the configuration is to be used.
    Required,
    /// The same, except for what mailboxes and Kafka are reached by, where these are not connected to: a placeholder
    /// takes its place. What events are made with is required.
    RequiredFor { mailboxes: Logins<'a>, kafka: bool },
    /// A warning, and a placeholder takes its place: the configuration is only looked at, perhaps
    /// on another machine. Do not connect with it.
    MayBeMissing,
}

/// Which mailboxes are logged in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logins<'a> {
    All,
    None,
    /// Those at these places of the configuration's list.
    Of(&'a [usize]),
}

impl Logins<'_> {
    fn are_to(self, at: usize) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Of(places) => places.contains(&at),
        }
    }
}

impl Secrets<'_> {
    /// Whether nothing asks for the setting at `path`.
    pub(super) fn are_idle(self, path: &Setting) -> bool {
        let Self::RequiredFor { mailboxes, kafka } = self else { return false };
        match path.steps() {
            [Step::Key(list), Step::Item(at), Step::Key(setting), ..] if list == "mailboxes" => {
                !mailboxes.are_to(*at)
                    && matches!(setting.as_str(), "host" | "port" | "username" | "password" | "password_file" | "oauth")
            }
            [Step::Key(section), ..] if section == "kafka" => !kafka,
            _ => false,
        }
    }
}

/// Reads and checks the configuration at `path`, with the variables of this process's environment.
///
/// # Errors
/// When the file cannot be read, and with all its mistakes when it has any.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    check_file(path, &environment(), Secrets::Required).map(|(config, _)| config)
}

/// As [`load`], for work that connects to these only.
///
/// # Errors
/// As [`load`].
pub fn load_for(path: &Path, secrets: Secrets<'_>) -> Result<Config, ConfigError> {
    check_file(path, &environment(), secrets).map(|(config, _)| config)
}

/// The variables of this process's environment. One that is no Unicode cannot be meant.
#[must_use]
pub fn environment() -> HashMap<String, String> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// Reads and checks a configuration that is already in memory; `path` only names it in errors.
///
/// # Errors
/// With all its mistakes when it has any.
#[allow(clippy::implicit_hasher)]
pub fn parse(text: &str, path: &Path, env: &HashMap<String, String>) -> Result<Config, ConfigError> {
    check_text(text, path, env, Secrets::Required).map(|(config, _)| config)
}

/// As [`load`], with the environment given, and a say in what absent secrets mean. Gives the
/// configuration and the warnings.
///
/// # Errors
/// As [`load`].
#[allow(clippy::implicit_hasher)]
pub fn check_file(
    path: &Path,
    env: &HashMap<String, String>,
    secrets: Secrets<'_>,
) -> Result<(Config, Vec<Mistake>), ConfigError> {
    let bytes = std::fs::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => check_text(text, path, env, secrets),
        Err(error) => {
            let good = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
            let last = good.rsplit('\n').next().unwrap_or_default();
            let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
            let place = Place { line: number(good.matches('\n').count()), column: number(last.chars().count()) };
            let mistake = Mistake::new(place, None, "this octet is no UTF-8: save the file in that encoding");
            Err(ConfigError::Mistakes { path: path.to_owned(), mistakes: vec![mistake] })
        }
    }
}

/// As [`check_file`], for a configuration that is already in memory; `path` only names it in errors.
///
/// # Errors
/// As [`parse`].
#[allow(clippy::implicit_hasher)]
pub fn check_text(
    text: &str,
    path: &Path,
    env: &HashMap<String, String>,
    secrets: Secrets<'_>,
) -> Result<(Config, Vec<Mistake>), ConfigError> {
    let refused = |mistakes| ConfigError::Mistakes { path: path.to_owned(), mistakes };
    let mut found = Findings::default();
    let tree = tree::parse(text, &mut found.mistakes).map_err(|syntax| refused(vec![syntax]))?;
    let (mut config, mut found) = read(&tree, env, secrets, found);
    if let Some(config) = &mut config {
        secret_files::read(config, &tree, secrets, &mut found);
        lookup_files::read(config, &tree, secrets, &mut found);
        check::check(config, &tree, &mut found);
    }
    match config {
        Some(config) if found.mistakes.is_empty() => Ok((config, found.warnings.sorted())),
        _ => Err(refused(found.mistakes.sorted())),
    }
}
