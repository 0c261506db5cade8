//! `replay --dead-letters`: the dead letters of a configuration's topic, and what becomes of their mails today.

use super::Exit;
use super::exit::fail;
use super::mails::{Found, Source};
use crate::config::Config;
use crate::event::DeadLetter;
use crate::message::{Digest, RawMail, to_crlf};
use crate::pipeline::{Failure, FailureClass, Line, Place};
use crate::sink::read_to_end;
use chrono::Utc;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::PathBuf;

/// Prints each dead letter once, a line of JSON each, and the events of those mails that lie under `paths`.
pub async fn main(config: &Config, paths: &[PathBuf], line: &Line, place: &Place) -> Exit {
    let Some(topic) = config.kafka.dead_letters.clone() else {
        let message = "kafka.dead_letters is not set: there is no topic to read".to_owned();
        return fail(&Failure { class: FailureClass::Configuration, message });
    };
    let settings = config.kafka.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut letters = Letters::default();
        read_to_end(&settings, &topic, |_, value| letters.take(value)).map(|()| letters)
    });
    let letters = match read.await {
        Ok(Ok(letters)) => letters,
        Ok(Err(error)) => return fail(&error.into()),
        Err(error) => return fail(&Failure::new(FailureClass::Internal, &error)),
    };
    match print(&letters, paths, config.limits.message_size.as_usize(), line, place).await {
        Ok(exit) => exit,
        // Who reads us has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => {
            eprintln!("error: cannot write the dead letters: {error}");
            Exit::Temporary
        }
    }
}

/// What the topic holds: each letter once, the newest of an id, by time.
#[derive(Default)]
struct Letters {
    by_id: HashMap<String, DeadLetter>,
    /// Records that are no dead letters.
    strange: u64,
}

impl Letters {
    fn take(&mut self, value: Option<&[u8]>) {
        match value.and_then(|value| serde_json::from_slice::<DeadLetter>(value).ok()) {
            Some(letter) => drop(self.by_id.insert(letter.id.clone(), letter)),
            None => self.strange += 1,
        }
    }

    fn in_order(&self) -> Vec<&DeadLetter> {
        let mut letters: Vec<&DeadLetter> = self.by_id.values().collect();
        letters.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        letters
    }
}

/// A Maildir's files often have the line ends of the system, and the digest is of what the server sent.
fn is_one_of(wanted: &HashSet<Digest>, raw: &RawMail) -> bool {
    wanted.contains(&raw.digest()) || (!raw.is_cut() && wanted.contains(&Digest::of(&to_crlf(raw.bytes()))))
}

async fn print(letters: &Letters, paths: &[PathBuf], max: usize, line: &Line, place: &Place) -> io::Result<Exit> {
    let mut out = io::stdout();
    let in_order = letters.in_order();
    for letter in &in_order {
        serde_json::to_writer(&mut out, letter)?;
        out.write_all(b"\n")?;
    }
    if letters.strange > 0 {
        eprintln!("note: {} records of the topic are no dead letters", letters.strange);
    }
    let wanted: HashSet<Digest> = in_order.iter().filter_map(|l| Digest::parse(&l.data.digest_sha256)).collect();
    let mut exit = Exit::Success;
    for path in paths {
        let sources = match Source::find(path) {
            Ok(sources) => sources,
            Err(error) => {
                exit = fail(&Failure::new(FailureClass::Temporary, &error));
                continue;
            }
        };
        for source in sources {
            let found = match source.read(max) {
                Ok(found) => found,
                Err(error) => {
                    exit = fail(&Failure::new(FailureClass::Temporary, &error));
                    continue;
                }
            };
            for Found { origin, raw } in found.into_iter().filter(|f| is_one_of(&wanted, &f.raw)) {
                let judged = line.judge(&raw, place, None, Some(&origin), Utc::now()).await;
                for event in &judged.events {
                    serde_json::to_writer(&mut out, event)?;
                    out.write_all(b"\n")?;
                }
            }
        }
    }
    out.flush()?;
    Ok(exit)
}
