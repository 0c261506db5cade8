//! `replay --dead-letters`: the dead letters of a configuration's topic, and which mails they are about.

use super::Exit;
use super::exit::fail;
use crate::config::Config;
use crate::event::DeadLetter;
use crate::message::{Digest, RawMail, to_crlf};
use crate::pipeline::{Failure, FailureClass};
use crate::plural::count;
use crate::sink::read_to_end;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::sync::Arc;

/// The mails that dead letters are about.
pub struct Digests(HashSet<Digest>);

impl Digests {
    /// Whether this is one of them. A Maildir's files often have the line ends of the system, and the digest is of what
    /// the server sent.
    pub fn has(&self, raw: &RawMail) -> bool {
        self.0.contains(&raw.digest()) || (!raw.is_cut() && self.0.contains(&Digest::of(&to_crlf(raw.bytes()))))
    }
}

/// Prints each dead letter once, a line of JSON each, and says which mails they are about.
pub async fn print(config: &Config) -> Result<Arc<Digests>, Exit> {
    let Some(topic) = config.kafka.dead_letters.clone() else {
        let message = "kafka.dead_letters is not set: there is no topic to read".to_owned();
        return Err(fail(&Failure { class: FailureClass::Configuration, message }));
    };
    let settings = config.kafka.clone();
    let name = topic.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut letters = Letters::default();
        read_to_end(&settings, &topic, |_, value| letters.take(value)).map(|()| letters)
    });
    let letters = match read.await {
        Ok(Ok(letters)) => letters,
        Ok(Err(error)) => return Err(fail(&error.into())),
        Err(error) => return Err(fail(&Failure::new(FailureClass::Internal, &error))),
    };
    if letters.by_id.is_empty() {
        complain!("topic {name} holds no dead letter");
    }
    match letters.write(&mut io::stdout().lock()) {
        Ok(digests) => Ok(Arc::new(Digests(digests))),
        // Who reads us has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Exit::Success),
        Err(error) => {
            complain!("error: cannot write the dead letters: {error}");
            Err(Exit::Temporary)
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

    fn write(&self, out: &mut impl Write) -> io::Result<HashSet<Digest>> {
        let in_order = self.in_order();
        for letter in &in_order {
            serde_json::to_writer(&mut *out, letter)?;
            out.write_all(b"\n")?;
        }
        if self.strange > 0 {
            complain!("note: no dead letter is in {} of the topic", count(self.strange, "record"));
        }
        out.flush()?;
        Ok(in_order.iter().filter_map(|letter| Digest::parse(&letter.data.digest_sha256)).collect())
    }
}
