//! A program that prints a token.

use super::{Fetched, MAX_TOKEN, TokenError, plain};
use chrono::TimeDelta;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// A run's token is given out for this long.
const FRESH: TimeDelta = TimeDelta::seconds(10);
/// How long a killed program may take to go.
const KILLED: Duration = Duration::from_secs(1);

/// The program and its arguments. No shell reads them. It has this program's environment and working directory.
pub(super) struct Program {
    name: String,
    arguments: Vec<String>,
    timeout: Duration,
}

enum Output {
    All { text: Vec<u8>, status: ExitStatus },
    TooMuch,
}

impl Program {
    pub(super) fn new(words: &[String], timeout: Duration) -> Result<Self, TokenError> {
        match words {
            [name, arguments @ ..] if !name.trim().is_empty() => {
                Ok(Self { name: name.clone(), arguments: arguments.to_vec(), timeout })
            }
            _ => Err(TokenError::Setting {
                setting: "oauth.command",
                problem: "is empty: write the program and its arguments as a list, such as [/usr/bin/get-token, --quiet]",
            }),
        }
    }

    /// Runs it once.
    pub(super) async fn run(&self) -> Result<Fetched, TokenError> {
        let start = |source| TokenError::Start { program: self.name.clone(), source };
        // What such programs write to stderr may hold tokens, so nobody reads it, neither we nor the log of whoever
        // started us.
        let mut child = Command::new(&self.name)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(start)?;
        let output = tokio::time::timeout(self.timeout, output(&mut child)).await;
        if !matches!(output, Ok(Ok(Output::All { .. }))) {
            // Only the program itself: what it started may go on.
            let _ = tokio::time::timeout(KILLED, child.kill()).await;
        }
        match output {
            Err(_) => Err(TokenError::Slow { origin: format!("oauth.command: {}", self.name), limit: self.timeout }),
            Ok(Err(source)) => Err(start(source)),
            Ok(Ok(Output::TooMuch)) => Err(self.printed("is longer than any token")),
            Ok(Ok(Output::All { status, .. })) if !status.success() => {
                Err(TokenError::Exit { program: self.name.clone(), status })
            }
            Ok(Ok(Output::All { text, .. })) => {
                let token = plain(&text).map_err(|problem| self.printed(problem))?;
                Ok(Fetched { token, fresh: FRESH, life: FRESH })
            }
        }
    }

    fn printed(&self, problem: &'static str) -> TokenError {
        TokenError::Printed { program: self.name.clone(), problem }
    }
}

/// All that it prints until it ends.
async fn output(child: &mut Child) -> std::io::Result<Output> {
    let mut text = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_TOKEN as u64 + 1).read_to_end(&mut text).await?;
    }
    if text.len() > MAX_TOKEN {
        return Ok(Output::TooMuch);
    }
    Ok(Output::All { status: child.wait().await?, text })
}

#[cfg(test)]
mod tests {
    use super::Program;
    use crate::token::TokenError;
    use std::time::{Duration, Instant};

    async fn run(words: &[&str], timeout: Duration) -> Result<String, TokenError> {
        let words: Vec<String> = words.iter().map(|&w| w.to_owned()).collect();
        let fetched = Program::new(&words, timeout)?.run().await?;
        Ok(fetched.token.expose().to_owned())
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn what_it_prints_is_the_token() {
        assert_eq!(run(&["/usr/bin/printf", "tok.%s\\n", "x=="], LONG).await.unwrap(), "tok.x==");
        // Found in PATH; no shell reads the words.
        assert_eq!(run(&["printf", "%s", "$HOME;`id`"], LONG).await.unwrap(), "$HOME;`id`");
        // stdin is empty, stderr does not block.
        assert_eq!(run(&["/bin/sh", "-c", "cat; yes | head -c 300000 >&2; echo tok"], LONG).await.unwrap(), "tok");
    }

    #[tokio::test]
    async fn what_can_go_wrong() {
        let table: [(&[&str], &str, bool); 9] = [
            (&[], "is empty", true),
            (&[" "], "is empty", true),
            (&["/nonexistent/get-token", "s3cret"], "cannot be run", true),
            (&["/etc/passwd", "s3cret"], "cannot be run", true),
            (&["/bin/sh", "-c", "echo s3cret; echo s3cret >&2; exit 3"], "exit status: 3", false),
            (&["/bin/sh", "-c", "kill -9 $$ # s3cret"], "signal: 9", false),
            (&["/bin/sh", "-c", "echo s3cret and more"], "more than one", true),
            (&["/bin/true"], "holds nothing", true),
            (&["/usr/bin/yes", "s3cret"], "longer than any token", true),
        ];
        for (words, says, configuration) in table {
            let error = run(words, LONG).await.unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(says), "{words:?}: {text}");
            assert!(!text.contains("s3cret"), "{words:?}: {text}");
            assert_eq!(error.is_configuration(), configuration, "{words:?}: {text}");
            assert_eq!(error.is_temporary(), !configuration, "{words:?}: {text}");
        }
    }

    #[tokio::test]
    async fn a_slow_program_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid").display().to_string();
        let begun = Instant::now();
        let script = "echo $$ > \"$0\"; exec sleep 60";
        let error = run(&["/bin/sh", "-c", script, &file], Duration::from_millis(500)).await.unwrap_err();
        assert!(error.is_temporary() && matches!(error, TokenError::Slow { .. }), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(5));
        let pid = std::fs::read_to_string(&file).unwrap();
        assert!(!std::path::Path::new(&format!("/proc/{}", pid.trim())).exists(), "it is gone");
    }

    #[tokio::test]
    async fn a_child_that_keeps_the_pipe_open_holds_nobody_up() {
        let begun = Instant::now();
        let error = run(&["/bin/sh", "-c", "sleep 3 & echo tok"], Duration::from_millis(300)).await.unwrap_err();
        assert!(matches!(error, TokenError::Slow { .. }), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}
