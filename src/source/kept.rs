//! Mails of the archive, each with the DNS answers of its day and the mailbox that it lay in.

use super::{Found, Out, Source, SourceError};
use crate::archive::{Archive, ArchiveError, DigestPrefix, Reference};
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
    pub digests: Vec<DigestPrefix>,
    /// Only the mails of this mailbox.
    pub mailbox: Option<String>,
    /// The mailboxes of the configuration, where there is one: what holds for others is not known.
    pub known: Option<BTreeSet<String>>,
    /// Where the archive is read.
    pub runtime: Handle,
}

impl Source for KeptMails {
    fn give(&mut self, out: &mut Out<'_>) -> ControlFlow<()> {
        let wanted = self.runtime.block_on(self.mailboxes());
        let wanted = wanted.and_then(|mailboxes| Ok((self.runtime.block_on(self.wanted(&mailboxes))?, mailboxes)));
        let (wanted, mailboxes) = match wanted {
            Ok((Ok(wanted), mailboxes)) => (wanted, mailboxes),
            Ok((Err(unclear), _)) => {
                return out.error(SourceError::new(self.location.clone(), io::Error::other(unclear)));
            }
            Err(error) => return out.error(failed(&self.location, error)),
        };
        let mut found = 0;
        for mailbox in &mailboxes {
            for shard in 0..=u8::MAX {
                match self.runtime.block_on(self.part(mailbox, shard, wanted.as_ref())) {
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
    /// The mailboxes whose mails are asked for.
    async fn mailboxes(&self) -> Result<Vec<String>, ArchiveError> {
        let mut mailboxes = self.archive.mailboxes().await?;
        mailboxes.retain(|name| self.mailbox.as_ref().is_none_or(|only| only == name));
        if let Some(known) = &self.known {
            mailboxes.retain(|mailbox| {
                let is_known = known.contains(mailbox);
                if !is_known {
                    tracing::warn!(%mailbox, "this mailbox of the archive is not in the configuration: its mails are left out");
                }
                is_known
            });
        }
        Ok(mailboxes)
    }

    /// The digests that the prefixes stand for, where not all mails are asked for; or what is unclear about one.
    async fn wanted(&self, mailboxes: &[String]) -> Result<Result<Option<BTreeSet<Digest>>, String>, ArchiveError> {
        let mut wanted = BTreeSet::new();
        for prefix in &self.digests {
            let mut of_prefix = BTreeSet::new();
            for mailbox in mailboxes {
                let mails = self.archive.part(mailbox, prefix.first()).await?;
                of_prefix.extend(mails.into_iter().map(|mail| mail.digest).filter(|digest| prefix.begins(digest)));
            }
            if of_prefix.len() > 1 {
                let digests: Vec<String> = of_prefix.iter().map(ToString::to_string).collect();
                let digests = digests.join(", ");
                return Ok(Err(format!("more than one digest begins with {prefix}: give more digits of {digests}")));
            }
            wanted.append(&mut of_prefix);
        }
        Ok(Ok((!self.digests.is_empty()).then_some(wanted)))
    }

    /// The wanted mails of a part of a mailbox, in the order of their digests.
    async fn part(
        &self,
        mailbox: &str,
        shard: u8,
        wanted: Option<&BTreeSet<Digest>>,
    ) -> Result<Vec<Reference>, ArchiveError> {
        if wanted.is_some_and(|wanted| wanted.iter().all(|digest| !digest.0.starts_with(&[shard]))) {
            return Ok(Vec::new());
        }
        let mut mails = self.archive.part(mailbox, shard).await?;
        mails.retain(|mail| wanted.is_none_or(|wanted| wanted.contains(&mail.digest)));
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
