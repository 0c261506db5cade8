//! The tree read into the settings' types, past mistakes.
//!
//! serde stops at the first value that it cannot use. So what stopped it is written down and left
//! out, and the tree is read once more, until nothing is in the way: what has a default then has
//! it, and a required setting gets an empty stand-in. What was left out is remembered, so that
//! nobody complains about it a second time.

use super::environment::expand;
use super::load::Secrets;
use super::model::Config;
use super::path::Path;
use super::tree::{Entry, Id, Kind, Text, Tree};
use super::value::Value;
use crate::mistake::{Mistake, Mistakes, Place, nearest, one_of, shown_key};
use serde::{Deserialize, de};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// Readings of one file: each one ends at one value that is no good.
const MAX_ROUNDS: usize = 64;
/// Values looked at in all readings together: aliases in a small file can stand for very many.
const MAX_VALUES: usize = 2_000_000;

/// A setting that was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hole {
    /// As if it were not there.
    Skipped,
    /// It is required: something empty stands for it.
    StandIn,
}

/// What the reading found, and what cannot be relied on because of that.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub mistakes: Mistakes,
    pub warnings: Mistakes,
    pub holes: HashMap<Path, Hole>,
    /// Settings that hold a placeholder: a variable or a file has no value.
    pub unsure: HashSet<Path>,
    values: usize,
    stuck: bool,
}

impl Findings {
    /// Whether the value at `path` is what the file says, all of it.
    pub(super) fn is_sure(&self, path: &Path) -> bool {
        !self.unsure.iter().chain(self.holes.keys()).any(|p| p.touches(path))
    }

    /// The places of a list's `count` items: those that could not be read were left out.
    pub(super) fn items(&self, list: &Path, count: usize) -> Vec<Path> {
        (0..).map(|at| list.item(at)).filter(|item| !self.holes.contains_key(item)).take(count).collect()
    }

    /// A secret or a variable without a value: a mistake, or a warning where that is allowed.
    pub(super) fn absent(&mut self, secrets: Secrets<'_>, mistake: Mistake, path: Path) {
        match secrets {
            _ if secrets.are_idle(&path) => {}
            Secrets::Required | Secrets::RequiredFor { .. } => self.mistakes.push(mistake),
            Secrets::MayBeMissing => self.warnings.push(mistake),
        }
        self.unsure.insert(path);
    }
}

/// Why a value was refused.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is written down.
    Recorded,
    /// A required setting is not there.
    Missing(&'static str),
    /// In our words, with the place if it is not the value's own.
    Words(String, Option<Place>),
    /// In the words of a type that reads itself from a text; they may repeat the text.
    Custom(String),
    /// The value in a variant was refused: the setting is called by the whole way to it.
    Inside(Path, Box<Fault>),
}

impl Fault {
    pub(super) fn words(words: impl Into<String>) -> Self {
        Self::Words(words.into(), None)
    }

    pub(super) fn inside(self, path: &Path) -> Self {
        match self {
            Self::Recorded | Self::Inside(..) => self,
            other => Self::Inside(path.clone(), Box::new(other)),
        }
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value cannot be used")
    }
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::words(format!("expected {expected}"))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::words(format!("expected {expected}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

/// The tree that is read, the variables, and what was found so far.
pub(super) struct Reader<'t> {
    pub tree: &'t Tree,
    env: &'t HashMap<String, String>,
    secrets: Secrets<'t>,
    found: RefCell<Findings>,
}

/// Reads the settings out of `tree`, as far as that goes. There is at least one mistake when they are `None`.
pub(super) fn read<'t>(
    tree: &'t Tree,
    env: &'t HashMap<String, String>,
    secrets: Secrets<'t>,
    found: Findings,
) -> (Option<Config>, Findings) {
    let reader = Reader { tree, env, secrets, found: RefCell::new(found) };
    let root = Path::default();
    for _ in 0..MAX_ROUNDS {
        match Config::deserialize(Value::new(&reader, root.clone(), tree.root())) {
            Ok(config) => return (Some(config), reader.found.into_inner()),
            Err(Fault::Recorded) => {}
            Err(fault) => {
                reader.fail(fault, &root);
                break;
            }
        }
        let found = reader.found.borrow();
        if found.stuck || found.mistakes.is_full() {
            break;
        }
    }
    let mut found = reader.found.into_inner();
    if found.mistakes.is_empty() {
        let problem = "the file cannot be read as a configuration";
        found.mistakes.push(Mistake::new(tree.place(&root), None, problem));
    }
    (None, found)
}

impl Reader<'_> {
    fn record(&self, place: Place, path: &Path, problem: impl Into<String>) {
        self.found.borrow_mut().mistakes.push(Mistake::new(place, self.tree.label(path), problem));
    }

    pub(super) fn hole(&self, path: &Path) -> Option<Hole> {
        self.found.borrow().holes.get(path).copied()
    }

    /// Counts a value; `false` when there were too many.
    pub(super) fn count(&self, path: &Path) -> bool {
        let mut found = self.found.borrow_mut();
        found.values += 1;
        if found.values > MAX_VALUES && !found.stuck {
            found.stuck = true;
            let problem = "the aliases in this file stand for too many values: write them out, or use fewer";
            found.mistakes.push(Mistake::new(self.tree.place(path), None, problem));
        }
        !found.stuck
    }

    /// Writes down what is wrong with the setting at `path`, and leaves it out from now on.
    pub(super) fn fail(&self, fault: Fault, path: &Path) -> Fault {
        let (at, fault) = match fault {
            Fault::Inside(at, fault) => (at, *fault),
            other => (path.clone(), other),
        };
        if matches!(fault, Fault::Recorded) {
            return fault;
        }
        let doubtful = {
            let mut found = self.found.borrow_mut();
            found.stuck |= found.holes.insert(path.clone(), Hole::Skipped).is_some();
            found.unsure.iter().any(|p| p.touches(&at))
        };
        // A placeholder that is no number is not the file's mistake.
        if !doubtful {
            let (problem, place) = match fault {
                Fault::Words(words, place) => (words, place),
                Fault::Missing(name) => (format!("`{name}` is missing: it has no default"), None),
                Fault::Custom(message) => (self.reword(message, &at), None),
                Fault::Recorded | Fault::Inside(..) => ("cannot be used".to_owned(), None),
            };
            self.record(place.unwrap_or_else(|| self.tree.place(&at)), &at, problem);
        }
        Fault::Recorded
    }

    /// A required setting is not there: says so once, and puts a stand-in there.
    pub(super) fn missing(&self, name: &'static str, path: &Path) -> Fault {
        let setting = path.key(name);
        let known = {
            let mut found = self.found.borrow_mut();
            let before = found.holes.insert(setting, Hole::StandIn);
            found.stuck |= before == Some(Hole::StandIn);
            // In a stand-in everything is missing, and that is known.
            before.is_some() || found.holes.get(path) == Some(&Hole::StandIn)
        };
        if !known {
            self.record(self.tree.place(path), path, format!("`{name}` is missing: it has no default"));
        }
        Fault::Recorded
    }

    /// A key that no setting has. What was probably meant counts as there.
    pub(super) fn unknown(&self, entry: &Entry, fields: &[&'static str], path: &Path) {
        let meant = nearest(&entry.key, fields);
        let hint =
            meant.map_or_else(|| format!("known keys are {}", fields.join(", ")), |n| format!("did you mean `{n}`?"));
        let name = shown_key(&entry.key).map_or(String::new(), |k| format!(" `{k}`"));
        self.record(entry.place, path, format!("unknown key{name}: {hint}"));
        if let Some(name) = meant {
            let setting = path.key(name);
            if !self.tree.has(&setting) {
                self.found.borrow_mut().holes.entry(setting).or_insert(Hole::Skipped);
            }
        }
    }

    /// Reads on as if there were nothing at `path`, of which all was said.
    pub(super) fn leave_out(&self, path: &Path) -> Fault {
        let mut found = self.found.borrow_mut();
        found.stuck |= found.holes.insert(path.clone(), Hole::Skipped).is_some();
        Fault::Recorded
    }

    /// The text with its variables filled in.
    pub(super) fn expand<'a>(&self, text: &'a Text, path: &Path) -> Result<Cow<'a, str>, Fault> {
        if !text.plain {
            return Ok(Cow::Borrowed(&text.content));
        }
        let expanded = expand(&text.content, self.env).map_err(Fault::words)?;
        for name in expanded.unset {
            // A default in the file would be a secret in the file.
            let or = match path.last_key() {
                Some(key @ ("password" | "sasl_password" | "client_secret" | "refresh_token" | "hash_key" | "key")) => {
                    format!("or use `{key}_file`")
                }
                _ => format!("or write ${{{name}:-default}}"),
            };
            let problem = format!("the environment variable {name} is not set: set it, {or}");
            let mistake = Mistake::new(self.tree.place(path), self.tree.label(path), problem);
            self.found.borrow_mut().absent(self.secrets, mistake, path.clone());
        }
        Ok(expanded.text)
    }

    /// The words of a type for a text that it refused, without the text if that is not to be seen.
    fn reword(&self, message: String, path: &Path) -> String {
        let Some(Kind::Text(text)) = self.tree.find(path).map(|n| &n.kind) else {
            return "cannot be used".to_owned();
        };
        let shown = text.shown().map_or("the value".to_owned(), |t| format!("`{t}`"));
        match path.last_key() {
            Some("since") => format!("{shown} is no date: write 2026-11-01"),
            Some("servers") => format!("{shown} is no IP address with a port: write \"192.0.2.53:53\""),
            _ if text.shown().is_some() => message,
            _ => {
                let value = self.expand(text, path).unwrap_or_default();
                let message = message.replace(&format!("`{value}`"), "the value");
                if value.len() > 2 && message.contains(value.as_ref()) { "cannot be used".to_owned() } else { message }
            }
        }
    }
}

/// Words for a value that is not one of `known`.
pub(super) fn unknown_value(given: Option<&str>, known: &[&str]) -> String {
    let name = given.map_or(String::new(), |g| format!(" `{g}`"));
    let hint = given.and_then(|g| nearest(g, known)).map_or(String::new(), |n| format!(" (did you mean `{n}`?)"));
    format!("unknown value{name}: it is one of {}{hint}", one_of(known))
}

/// A list or mapping's content, as [`Value`] looks at it.
pub(super) enum Seen<'t> {
    StandIn,
    Null,
    Text(&'t Text),
    List(&'t [Id]),
    Map(&'t [Entry]),
}
