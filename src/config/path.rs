//! The way from the top of the file to a setting: `mailboxes[0].privacy.hash_key`.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Key(String),
    Item(usize),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Path(Vec<Step>);

impl Path {
    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The setting `key` in this one.
    pub(super) fn key(&self, key: impl Into<String>) -> Self {
        self.with(Step::Key(key.into()))
    }

    /// An item of this list.
    pub(super) fn item(&self, at: usize) -> Self {
        self.with(Step::Item(at))
    }

    /// What this setting stands in.
    pub(super) fn parent(&self) -> Self {
        Self(self.0.split_last().map(|(_, rest)| rest.to_vec()).unwrap_or_default())
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The last key on the way.
    pub(super) fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Item(_) => None,
        })
    }

    /// Whether one of the two is the other, or stands inside it.
    pub(super) fn touches(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a == b)
    }
}

impl<const N: usize> From<[Step; N]> for Path {
    fn from(steps: [Step; N]) -> Self {
        Self(steps.into())
    }
}

impl From<&[Step]> for Path {
    fn from(steps: &[Step]) -> Self {
        Self(steps.into())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) => {
                    // Keys of `kafka.properties` are free, so one may hold what was no key.
                    let shown = crate::mistake::shown_key(key).unwrap_or("…");
                    write!(f, "{}{shown}", if at > 0 { "." } else { "" })?;
                }
                Step::Item(item) => write!(f, "[{item}]")?,
            }
        }
        Ok(())
    }
}
