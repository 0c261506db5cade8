//! A mistake in a file that a person wrote: where it stands and what to do. And the words for what is found there.

use std::fmt;
use std::path::Path;

/// The most mistakes that one report holds.
pub(crate) const MAX_MISTAKES: usize = 100;

/// The longest text that a message repeats.
const MAX_SHOWN: usize = 40;

/// One mistake, in the configuration or a file of rules. It never holds a secret: texts that come from the
/// environment, run over several lines or may be a key and its value run together are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Counted from 1. `None` only where the file as a whole is meant.
    pub line: Option<u32>,
    /// Counted from 1, in characters.
    pub column: Option<u32>,
    /// Which setting: `mailbox replies: retention`, `limits.pipeline`, `rule auto_reply.ours: gives`.
    pub setting: Option<String>,
    /// What is wrong, and what to write instead.
    pub problem: String,
}

/// A place in the text, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub line: u32,
    pub column: u32,
}

impl Mistake {
    pub(crate) fn new(place: Place, setting: Option<String>, problem: impl Into<String>) -> Self {
        Self { line: Some(place.line), column: Some(place.column), setting, problem: problem.into() }
    }

    /// The mistake as `FILE:LINE:COLUMN: SETTING: PROBLEM`, which editors can jump to.
    #[must_use]
    pub fn in_file(&self, file: &Path) -> String {
        let mut text = file.display().to_string();
        for number in [self.line, self.column].into_iter().flatten() {
            text.push(':');
            text.push_str(&number.to_string());
        }
        format!("{text}: {self}")
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(setting) = &self.setting {
            write!(f, "{setting}: ")?;
        }
        f.write_str(&self.problem)
    }
}

/// All mistakes, one a line; with more than one, a line before them says how many.
pub(crate) fn report(file: &Path, mistakes: &[Mistake]) -> String {
    let mut text = String::new();
    if mistakes.len() > 1 {
        text = format!("{}: {} mistakes\n", file.display(), mistakes.len());
    }
    text + &mistakes.iter().map(|m| m.in_file(file)).collect::<Vec<_>>().join("\n")
}

/// Mistakes without repetitions, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub(crate) fn push(&mut self, mistake: Mistake) {
        if !self.is_full() && !self.0.contains(&mistake) {
            self.0.push(mistake);
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MAX_MISTAKES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn sorted(mut self) -> Vec<Mistake> {
        let full = self.is_full();
        self.0.sort_by_key(|m| (m.line, m.column));
        if full {
            let problem = format!("these are the first {MAX_MISTAKES}: there may be more");
            self.0.push(Mistake { line: None, column: None, setting: None, problem });
        }
        self.0
    }
}

/// The known name that is close enough to have been meant.
pub(crate) fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    if given.len() > MAX_SHOWN {
        return None;
    }
    let given = given.to_ascii_lowercase();
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&given, &name.to_ascii_lowercase()), *name))
        .filter(|(distance, name)| *distance <= name.len().max(given.len()) / 2)
        .min()
        .map(|(_, name)| name)
}

/// `known` as a phrase: `a, b or c`.
pub(crate) fn one_of(known: &[&str]) -> String {
    match known {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// A key that can be repeated. A colon that is missing makes one text of a key and its secret
/// value, so only what looks like a key is shown.
pub(crate) fn shown_key(key: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!key.is_empty() && key.len() <= MAX_SHOWN && key.chars().all(plain)).then_some(key)
}

/// A value that is short enough to be repeated.
pub(crate) fn shown_value(text: &str) -> Option<&str> {
    (text.len() <= MAX_SHOWN && !text.contains(char::is_control)).then_some(text)
}

/// Words for a name that is none of `known`: the one that was probably meant, or all.
pub(crate) fn hint(given: &str, known: &[&str]) -> String {
    nearest(given, known).map_or_else(|| format!("choose {}", one_of(known)), |name| format!("did you mean `{name}`?"))
}
