//! What `check` prints: a title, facts, notes and problems.

use crate::pipeline::{Failure, FailureClass};
use std::fmt::Write;
use std::io::IsTerminal;

/// Columns that labels take.
const LABEL: usize = 14;
/// Columns of a line on a terminal; elsewhere a line is as long as it is, so that it can be searched for.
const WIDTH: usize = 100;

/// One thing that was checked.
pub struct Section {
    text: String,
    worst: Option<FailureClass>,
}

impl Section {
    pub fn new(title: &str) -> Self {
        Self { text: format!("{title}\n"), worst: None }
    }

    pub fn fact(&mut self, label: &str, value: &str) {
        self.line(label, value);
    }

    /// Something that works and should still be changed.
    pub fn note(&mut self, text: &str) {
        self.line("note", text);
    }

    /// Lines as they are, to be copied.
    pub fn block(&mut self, text: &str) {
        for line in text.lines() {
            // Writing into a String cannot fail.
            let _ = writeln!(self.text, "    {line}");
        }
    }

    /// Something that does not work.
    pub fn failed(&mut self, failure: &Failure) {
        self.worst = self.worst.into_iter().chain([failure.class]).min();
        for problem in failure.message.lines() {
            self.line("problem", problem);
        }
    }

    /// What decides the exit code.
    pub fn worst(&self) -> Option<FailureClass> {
        self.worst
    }

    pub fn print(&self) {
        say!("{}", self.text);
    }

    fn line(&mut self, label: &str, value: &str) {
        let width = if std::io::stdout().is_terminal() { WIDTH - LABEL - 3 } else { usize::MAX };
        let mut label = label;
        for line in wrapped(value, width) {
            // Writing into a String cannot fail.
            let _ = writeln!(self.text, "  {label:LABEL$} {line}");
            label = "";
        }
    }
}

/// Lines of at most `width` characters, broken at spaces where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a verylongword b", 5), ["a", "verylongword", "b"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("one two", usize::MAX), ["one two"]);
    }
}
