//! What other rules would make of the same mails: `replay --diff`.

use crate::event::{Event, Verdict, details};
use crate::explain::text::clean;
use crate::plural::count;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

/// Octets of a line of a saved run.
const MAX_LINE: u64 = 4 << 20;

/// What counts as a verdict: kind, type, category, and whether it suppresses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Label(String);

impl Label {
    /// The label of an event.
    pub fn of(verdict: &Verdict) -> Self {
        let (of_type, category) = details(verdict);
        let mut label = verdict.kind().as_str().to_owned();
        for part in of_type.into_iter().chain(category) {
            let _ = write!(label, " {part}");
        }
        if matches!(verdict, Verdict::Bounce { bounce } if bounce.suppress == Some(true)) {
            label.push_str(" suppress");
        }
        Self(label)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An event as it was, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdicted {
    pub label: Label,
    pub rule: Option<String>,
}

impl Verdicted {
    /// Of an event.
    pub fn of(event: &Event) -> Self {
        let rules = &event.data.classification.rules;
        // The rule of a report's shape is the first; what decides about the reason is the last.
        let rule = if matches!(event.data.verdict, Verdict::Bounce { .. } | Verdict::Delay { .. }) {
            rules.last()
        } else {
            rules.first()
        };
        Self { label: Label::of(&event.data.verdict), rule: rule.map(|r| r.id.clone()) }
    }
}

/// A run that was saved: what `replay` or a consumer wrote, one event a line.
pub struct Saved {
    by_digest: HashMap<String, VecDeque<Verdicted>>,
    pub events: usize,
}

impl Saved {
    /// Reads a run.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is no event.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::new(File::open(path)?);
        let mut saved = Self { by_digest: HashMap::new(), events: 0 };
        let mut line = String::new();
        for number in 1.. {
            line.clear();
            if io::Read::take(&mut file, MAX_LINE).read_line(&mut line)? == 0 {
                break;
            }
            if line.trim().is_empty() {
                continue;
            }
            let event: Event = serde_json::from_str(&line)
                .map_err(|error| io::Error::other(format!("line {number} is no event of this program ({error})")))?;
            let digest = event.data.message.digest_sha256.clone();
            saved.by_digest.entry(digest).or_default().push_back(Verdicted::of(&event));
            saved.events += 1;
        }
        Ok(saved)
    }

    /// What stood there about a mail; nothing for one that the run did not have. Copies of one mail had the same.
    pub fn of(&self, digest: &str) -> Vec<Verdicted> {
        self.by_digest.get(digest).map(|v| v.iter().cloned().collect()).unwrap_or_default()
    }
}

/// One mail that moved.
#[derive(Debug, Clone, Serialize)]
pub struct Moved {
    pub origin: String,
    pub rule_before: Option<String>,
    pub rule_after: Option<String>,
}

/// Everything that moved.
#[derive(Debug, Default)]
pub struct Diff {
    moves: BTreeMap<(Option<Label>, Option<Label>), Vec<Moved>>,
    mails: u64,
    same: u64,
}

impl Diff {
    /// Notes what a mail was and what it is.
    pub fn note(&mut self, origin: &str, before: &[Verdicted], after: &[Verdicted]) {
        self.mails += 1;
        for at in 0..before.len().max(after.len()) {
            let (was, is) = (before.get(at), after.get(at));
            if was.map(|v| &v.label) == is.map(|v| &v.label) {
                self.same += 1;
                continue;
            }
            let key = (was.map(|v| v.label.clone()), is.map(|v| v.label.clone()));
            self.moves.entry(key).or_default().push(Moved {
                origin: origin.to_owned(),
                rule_before: was.and_then(|v| v.rule.clone()),
                rule_after: is.and_then(|v| v.rule.clone()),
            });
        }
    }

    fn moved(&self) -> usize {
        self.moves.values().map(Vec::len).sum()
    }

    /// Writes it for a person, with up to `most` mails for each move.
    pub fn write(&self, out: &mut impl Write, most: usize) -> io::Result<()> {
        let name = |label: &Option<Label>| label.as_ref().map_or("nothing", Label::as_str).to_owned();
        let mut moves: Vec<_> = self.moves.iter().collect();
        moves.sort_by_key(|(_, mails)| std::cmp::Reverse(mails.len()));
        for ((was, is), mails) in moves {
            writeln!(out, "{:>6}  {} → {}", mails.len(), clean(&name(was)), clean(&name(is)))?;
            for moved in mails.iter().take(most) {
                let rule = |rule: &Option<String>| rule.clone().unwrap_or_else(|| "no rule".to_owned());
                let (before, after) = (rule(&moved.rule_before), rule(&moved.rule_after));
                writeln!(out, "        {}  {before} → {after}", clean(&moved.origin))?;
            }
            if mails.len() > most {
                writeln!(out, "        and {} more (--diff-mails {} shows them)", mails.len() - most, mails.len())?;
            }
        }
        let stay = match self.same {
            1 => "1 event stays what it was".to_owned(),
            same => format!("{same} events stay what they were"),
        };
        let differ = match self.moved() {
            1 => "1 differs".to_owned(),
            several => format!("{several} differ"),
        };
        writeln!(out, "{}: {stay}, {differ}", count(self.mails, "mail"))
    }

    /// Writes it for a program.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let moves: Vec<_> = self
            .moves
            .iter()
            .map(|((was, is), mails)| serde_json::json!({"from": was, "to": is, "count": mails.len(), "mails": mails}))
            .collect();
        let all = serde_json::json!({
            "mails": self.mails, "same": self.same, "moved": self.moved(), "moves": moves,
        });
        serde_json::to_writer_pretty(&mut *out, &all)?;
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::{Diff, Label, Verdicted};

    #[test]
    fn moves_are_counted_with_their_mails() {
        let event = |label: &str, rule: &str| Verdicted { label: Label(label.to_owned()), rule: Some(rule.to_owned()) };
        let mut diff = Diff::default();
        diff.note("a.eml", &[event("reply", "r1")], &[event("reply", "r2")]);
        diff.note("b.eml", &[event("reply", "r1")], &[event("auto_reply", "r2"), event("bounce", "r3")]);
        let mut out = Vec::new();
        diff.write(&mut out, 1).expect("writes");
        let text = String::from_utf8_lossy(&out).into_owned();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "1  nothing → bounce",
                "b.eml  no rule → r3",
                "1  reply → auto_reply",
                "b.eml  r1 → r2",
                "2 mails: 1 event stays what it was, 2 differ"
            ]
        );
    }
}
