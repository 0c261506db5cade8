//! Where the OAuth 2 access tokens for POP3 logins (XOAUTH2, OAUTHBEARER) come from: a file, a program or a token
//! endpoint (RFC 6749), each with what is remembered of it.
//!
//! - A *file* is read for every login: another program keeps it up to date.
//! - A *program* is run for every login, but not again within ten seconds. How long its token lives is not known here,
//!   and such programs keep their tokens themselves; the ten seconds spare a row of quick sessions the runs.
//! - An *endpoint* is asked when the last token has less left than five minutes or a tenth of its life, whichever is
//!   shorter. A login takes seconds, so the rest is for clocks that differ; the tenth keeps a token that lives for a
//!   minute from being too old when it arrives. Two grants: `client_credentials` (section 4.4) and `refresh_token`
//!   (section 6). The client's secret goes into the form, never into an Authorization header: Microsoft and Google
//!   both take it there. A client assertion (a signed JWT) is not made here: `command` is for programs that make one.
//!
//! The crate `oauth2` would bring twelve crates more for the one form that is posted here.
//!
//! Nothing here writes a token, a secret or an address into a log, an error or a `Debug` text.

mod advice;
mod answer;
mod command;
mod endpoint;
mod error;
mod file;

pub use error::{Class, TokenError};

use crate::config::{Secret, TokenSource};
use advice::Provider;
use chrono::{DateTime, TimeDelta, Utc};
use command::Program;
use endpoint::Endpoint;
use file::TokenFile;
use std::fmt;
use std::time::Duration;
use tokio::sync::Mutex;

/// A token that came in the place of a refused one is given out for this long, refused or not: one more would fare
/// no better, and the endpoint would be asked at every login.
const REPLACE_AGAIN: TimeDelta = TimeDelta::minutes(1);
/// More than any real token has (those of Microsoft have 2 to 4 kB).
const MAX_TOKEN: usize = 64 * 1024;

/// The tokens of one mailbox.
pub struct Tokens {
    provider: Option<Provider>,
    /// Held while a token is fetched, so that all who wait get the same one.
    state: Mutex<State>,
}

struct State {
    source: Source,
    kept: Option<Kept>,
    /// The endpoint asked not to be asked before.
    wait_until: Option<DateTime<Utc>>,
    /// When a refused token was last replaced.
    replaced: Option<DateTime<Utc>>,
}

enum Source {
    File(TokenFile),
    Command(Program),
    Endpoint(Box<Endpoint>),
}

/// A token as it came from its source.
struct Fetched {
    token: Secret,
    /// How long it is given out without asking again.
    fresh: TimeDelta,
    /// How long it is good.
    life: TimeDelta,
}

struct Kept {
    token: Secret,
    renew: DateTime<Utc>,
    end: DateTime<Utc>,
    /// More than one login had it.
    shared: bool,
    /// It came before its time, in the place of a refused one.
    replaces: bool,
    refused: bool,
}

impl Tokens {
    /// A mailbox's tokens. `timeout` is for one request to the endpoint from its first to its last octet, for one run
    /// of the program, and for one read of the file. Reads the files with secrets and certificates, and asks nothing
    /// else yet.
    ///
    /// # Errors
    /// When a setting is wrong or one of those files cannot be read.
    pub fn new(source: &TokenSource, timeout: Duration) -> Result<Self, TokenError> {
        let source = match source {
            TokenSource::File(path) => Source::File(TokenFile::new(path, timeout)),
            TokenSource::Command(words) => Source::Command(Program::new(words, timeout)?),
            TokenSource::Endpoint(settings) => Source::Endpoint(Box::new(Endpoint::new(settings, timeout)?)),
        };
        let provider = match &source {
            Source::Endpoint(endpoint) => Some(endpoint.provider()),
            _ => None,
        };
        Ok(Self { provider, state: Mutex::new(State { source, kept: None, wait_until: None, replaced: None }) })
    }

    /// A token to log in with now. While the endpoint cannot be asked, the last token serves until its end.
    ///
    /// A clock that is set back makes a token look good for too long: the server then refuses it, and
    /// [`refused`](Self::refused) is the way out.
    ///
    /// # Errors
    /// When there is none to be had: what to do is in the message, what kind of failure in the predicates.
    pub async fn token(&self, now: DateTime<Utc>) -> Result<Secret, TokenError> {
        let mut state = self.state.lock().await;
        if let Some(token) = state.cached(now) {
            return Ok(token);
        }
        let replaces = state.kept.as_ref().is_some_and(|kept| kept.refused && now < kept.renew);
        match state.fetch(now).await {
            Ok(fetched) => {
                if replaces {
                    state.replaced = Some(now);
                }
                let token = fetched.token.clone();
                state.kept = Some(Kept {
                    token: fetched.token,
                    renew: after(now, fetched.fresh),
                    end: after(now, fetched.life),
                    shared: false,
                    replaces,
                    refused: false,
                });
                Ok(token)
            }
            Err(error) => match &mut state.kept {
                Some(kept) if error.is_temporary() && !kept.refused && now < kept.end => {
                    tracing::warn!(reason = %error, "no new access token: the last one is still good and is used");
                    kept.shared = true;
                    Ok(kept.token.clone())
                }
                _ => Err(error),
            },
        }
    }

    /// The POP3 server refused this token: the next call of [`token`](Self::token) gets a fresh one, at most once a
    /// minute. Says whether another login at once may do better: not when the token was fetched for that very login or in the
    /// place of a refused one.
    pub async fn refused(&self, token: &Secret) -> bool {
        let mut state = self.state.lock().await;
        if let Source::File(file) = &state.source {
            return file.read().await.is_ok_and(|new| new != *token);
        }
        match &mut state.kept {
            Some(kept) if kept.token == *token => {
                kept.refused = true;
                kept.shared && !kept.replaces
            }
            // Another login has had it replaced in the meantime.
            Some(_) => true,
            None => false,
        }
    }

    /// What to look at when the POP3 server refuses fresh tokens: the endpoint gives them out to applications that
    /// may not read the mailbox, too.
    #[must_use]
    pub fn login_advice(&self) -> &'static str {
        advice::login(self.provider)
    }
}

impl State {
    /// The token that need not be fetched.
    fn cached(&mut self, now: DateTime<Utc>) -> Option<Secret> {
        let just_replaced = self.replaced.is_some_and(|at| now < after(at, REPLACE_AGAIN));
        let kept = self.kept.as_mut().filter(|kept| now < kept.renew && (!kept.refused || just_replaced))?;
        kept.shared = true;
        Some(kept.token.clone())
    }

    async fn fetch(&mut self, now: DateTime<Utc>) -> Result<Fetched, TokenError> {
        if let Some(wait) = self.wait_until.and_then(|until| (until - now).to_std().ok()).filter(|w| !w.is_zero()) {
            return Err(TokenError::AskedToWait { wait });
        }
        self.wait_until = None;
        let result = match &mut self.source {
            Source::File(file) => file.read().await.map(Fetched::unknown),
            Source::Command(program) => program.run().await,
            Source::Endpoint(endpoint) => endpoint.ask(now).await,
        };
        if let Err(error) = &result
            && let Some(wait) = error.retry_after().and_then(|wait| TimeDelta::from_std(wait).ok())
        {
            self.wait_until = Some(after(now, wait));
        }
        result
    }
}

impl Fetched {
    /// A token of which nothing more is known: it is for one login.
    fn unknown(token: Secret) -> Self {
        Self { token, fresh: TimeDelta::zero(), life: TimeDelta::zero() }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

fn after(time: DateTime<Utc>, span: TimeDelta) -> DateTime<Utc> {
    time.checked_add_signed(span).unwrap_or(time)
}

/// The token in a text that should hold nothing else, or what is wrong with the text.
fn plain(text: &[u8]) -> Result<Secret, &'static str> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Err("holds nothing");
    }
    if text.len() > MAX_TOKEN {
        return Err("is longer than any token");
    }
    // RFC 6750 section 2.1 allows less, RFC 6749 appendix A.12 only the space more. What is no such character would
    // end the field of XOAUTH2 and OAUTHBEARER that the token stands in.
    match str::from_utf8(text) {
        Ok(token) if token.bytes().all(|b| b.is_ascii_graphic()) => Ok(Secret::new(token.to_owned())),
        _ => Err("holds more than one line or word, or characters that no token has"),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_TOKEN, Tokens, plain};
    use crate::config::{Secret, TokenSource};
    use chrono::{DateTime, Utc};
    use std::time::Duration;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    /// Every run gives another token.
    fn counter(dir: &std::path::Path) -> Tokens {
        let script = "echo x >> \"$0\"; printf 'run-%s\\n' $(wc -l < \"$0\")".to_owned();
        let words = vec!["/bin/sh".to_owned(), "-c".to_owned(), script, dir.join("runs").display().to_string()];
        Tokens::new(&TokenSource::Command(words), Duration::from_secs(10)).unwrap()
    }

    #[test]
    fn a_token_stands_alone() {
        for (text, token) in [("ya29.a0-_~+/=\r\n", "ya29.a0-_~+/="), (" \t tok\n\n", "tok"), ("tok", "tok")] {
            assert_eq!(plain(text.as_bytes()).unwrap().expose(), token);
        }
        let long = "x".repeat(MAX_TOKEN + 1);
        for text in
            ["", " \r\n", "Bearer tok", "tok\ntok", "a\u{1}b", "a\0b", "tök", "{\"access_token\": \"tok\"}", &long]
        {
            assert!(plain(text.as_bytes()).is_err(), "{text:.20}");
        }
        assert!(plain(b"tok\xff").is_err());
    }

    #[tokio::test]
    async fn a_program_runs_again_after_ten_seconds() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = counter(dir.path());
        for (second, token) in [(0, "run-1"), (1, "run-1"), (9, "run-1"), (10, "run-2"), (11, "run-2"), (40, "run-3")] {
            assert_eq!(tokens.token(at(second)).await.unwrap().expose(), token, "after {second} s");
        }
        // A caller whose clock reading is older than the token's.
        assert_eq!(tokens.token(at(39)).await.unwrap().expose(), "run-3");
    }

    #[tokio::test]
    async fn concurrent_callers_share_a_run() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = counter(dir.path());
        let all = futures_util::future::join_all((0..8).map(|_| tokens.token(at(0)))).await;
        assert!(all.into_iter().all(|token| token.unwrap().expose() == "run-1"));
    }

    #[tokio::test]
    async fn a_refused_token_is_replaced_once_a_minute() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = counter(dir.path());
        assert!(!tokens.refused(&Secret::new("never-given".to_owned())).await);
        let first = tokens.token(at(0)).await.unwrap();
        assert!(!tokens.refused(&first).await, "it was fetched for this login: another one would not do better");
        let second = tokens.token(at(1)).await.unwrap();
        assert_eq!(second.expose(), "run-2");
        // Its replacement is refused, too: it stays.
        assert!(!tokens.refused(&second).await);
        assert_eq!(tokens.token(at(2)).await.unwrap().expose(), "run-2");
        assert!(tokens.refused(&first).await, "there is another one by now");
        assert_eq!(tokens.token(at(3)).await.unwrap().expose(), "run-2");
        // Later sessions.
        assert_eq!(tokens.token(at(70)).await.unwrap().expose(), "run-3");
        let third = tokens.token(at(71)).await.unwrap();
        assert!(tokens.refused(&third).await, "an earlier login had it: it may have been revoked since");
        assert_eq!(tokens.token(at(72)).await.unwrap().expose(), "run-4");
    }

    #[tokio::test]
    async fn a_file_is_read_every_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let tokens = Tokens::new(&TokenSource::File(path.clone()), Duration::from_secs(10)).unwrap();
        let missing = tokens.token(at(0)).await.unwrap_err();
        assert!(missing.is_configuration(), "{missing}");
        std::fs::write(&path, "first\n").unwrap();
        let first = tokens.token(at(0)).await.unwrap();
        assert_eq!(first.expose(), "first");
        assert!(!tokens.refused(&first).await);
        std::fs::write(&path, "second").unwrap();
        assert!(tokens.refused(&first).await);
        assert_eq!(tokens.token(at(0)).await.unwrap().expose(), "second");
        std::fs::write(&path, "two words").unwrap();
        let wrong = tokens.token(at(0)).await.unwrap_err();
        assert!(wrong.is_configuration() && !wrong.to_string().contains("two"), "{wrong}");
    }

    fn moves_between_threads<T: Send>(_: T) {}

    #[test]
    fn debug_says_nothing_and_futures_are_send() {
        let source = TokenSource::Command(vec!["/bin/cat".to_owned(), "s3cret".to_owned()]);
        let tokens = Tokens::new(&source, Duration::from_secs(1)).unwrap();
        assert_eq!(format!("{tokens:?}"), "Tokens { .. }");
        // What a mailbox's task needs.
        moves_between_threads(tokens.token(at(0)));
        moves_between_threads(tokens.refused(&Secret::new(String::new())));
    }
}
