//! Events as lines of JSON, for `poll --dry-run`.

use super::{Outcome, Publication, Record, Sink};
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Writes each record's value as one line.
pub struct LineSink<W: Write + Send>(Mutex<W>);

impl<W: Write + Send> LineSink<W> {
    /// A sink that writes to `out`.
    pub fn new(out: W) -> Self {
        Self(Mutex::new(out))
    }

    fn write(&self, mail: &[Record]) -> std::io::Result<()> {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for record in mail {
            out.write_all(&record.value)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }
}

impl<W: Write + Send> Sink for LineSink<W> {
    fn publish(&self, batch: Vec<Vec<Record>>) -> Publication<'_> {
        let outcomes = batch
            .iter()
            .map(|mail| match self.write(mail) {
                Ok(()) => Outcome::Published,
                Err(e) => Outcome::Failed(format!("cannot write the events: {e}")),
            })
            .collect();
        Box::pin(std::future::ready(outcomes))
    }
}
