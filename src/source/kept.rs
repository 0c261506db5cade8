//! Mails of the archive, each with the DNS answers of its day and the mailbox that it lay in.

use super::{Found, Out, Source, SourceError};
use crate::archive::{Archive, ArchiveError, Reference};
use crate::message::Digest;
use futures_util::StreamExt;
use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use tokio::runtime::Handle;

/// Mails read at once; they still come in order.
const AT_ONCE: usize = 16;

/// Mails of an archive, by mailbox and digest.
pub struct KeptMails {
    pub archive: Archive,
    /// As the user calls it.
    pub location: String,
    /// Only these; by default all.
    pub digests: Vec<Digest>,
    /// Only the mails of this mailbox.
    pub mailbox: Option<String>,
    /// The mailboxes of the configuration, where there is one: what holds for others is not known.
    pub known: Option<BTreeSet<String>>,
    /// Where the archive is read.
    pub runtime: Handle,
}

impl Source for KeptMails {
    fn give(&mut self, out: &mut Out<'_>) -> ControlFlow<()> {
        let mailboxes = match self.runtime.block_on(self.archive.mailboxes()) {
            Ok(mailboxes) => mailboxes,
            Err(error) => return out.error(failed(&self.location, error)),
        };
        let mut found = 0;
        for mailbox in mailboxes.iter().filter(|name| self.mailbox.as_ref().is_none_or(|only| only == *name)) {
            if self.known.as_ref().is_some_and(|known| !known.contains(mailbox)) {
                tracing::warn!(%mailbox, "this mailbox of the archive is not in the configuration: its mails are left out");
                continue;
            }
            for shard in 0..=u8::MAX {
                match self.runtime.block_on(self.part(mailbox, shard)) {
                    Ok(mails) => {
                        found += mails.len();
                        self.read(mails, out)?;
                    }
                    Err(error) => return out.error(failed(&self.location, error)),
                }
            }
        }
        if found == 0 {
            let why = io::Error::other("the archive has no such mail: check --archive, --mailbox and --digest");
            return out.error(SourceError::new(self.location.clone(), why));
        }
        ControlFlow::Continue(())
    }
}

impl KeptMails {
    /// The mails of a part of a mailbox, in the order of their digests.
    async fn part(&self, mailbox: &str, shard: u8) -> Result<Vec<Reference>, ArchiveError> {
        let digests = &self.digests;
        if !digests.is_empty() && digests.iter().all(|d| !d.0.starts_with(&[shard])) {
            return Ok(Vec::new());
        }
        let mut mails = self.archive.part(mailbox, shard).await?;
        mails.retain(|mail| digests.is_empty() || digests.contains(&mail.digest));
        Ok(mails)
    }

    fn read(&self, mails: Vec<Reference>, out: &mut Out<'_>) -> ControlFlow<()> {
        let max = out.max;
        let read = mails.into_iter().map(|reference| {
            let archive = self.archive.clone();
            async move {
                let both = async { Ok((archive.mail(&reference, max).await?, archive.answers(&reference).await?)) };
                let both: Result<_, ArchiveError> = both.await;
                (reference, both)
            }
        });
        let mut read = futures_util::stream::iter(read).buffered(AT_ONCE);
        while let Some((reference, both)) = self.runtime.block_on(read.next()) {
            let origin = reference.to_string();
            let (raw, answers) = match both {
                Ok(both) => both,
                // The others are read all the same.
                Err(error) => {
                    out.error(failed(&origin, error))?;
                    continue;
                }
            };
            if answers.is_none() {
                tracing::warn!(%origin, "no DNS answers are archived with this mail: it is not checked");
            }
            out.read.fetch_add(raw.size(), Ordering::Relaxed);
            out.mail(Found { mailbox: Some(reference.mailbox), answers, ..Found::at(origin, raw) })?;
        }
        ControlFlow::Continue(())
    }
}

fn failed(origin: &str, error: ArchiveError) -> SourceError {
    SourceError::new(origin, io::Error::other(error))
}
