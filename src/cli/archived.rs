//! `replay --archive`: mails from the archive, each with the DNS answers of its day.

use super::Exit;
use super::exit::fail;
use crate::archive::{Archive, ArchiveError, Reference};
use crate::config::{Config, Octets, Trust};
use crate::event::privacy::Policy;
use crate::message::{Digest, RawMail};
use crate::pipeline::{Failure, FailureClass, Judged, Line, Place};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

/// Mails read and judged at once; their events still come in order.
const AT_ONCE: usize = 16;

/// Where mails come from instead of files.
#[derive(Debug, clap::Args)]
pub struct FromArchive {
    /// Take the mails from this archive, a folder or a URL as `archive.location` has it, and their DNS answers too;
    /// what has no answers there is not checked. The mailbox is the one that each mail lay in.
    #[arg(long, value_name = "LOCATION", conflicts_with_all = ["paths", "uidl", "dns_record", "diff", "publish", "format"])]
    pub archive: Option<String>,
    /// With --archive: only the mail with this digest (`digest_sha256`, or an `archive_ref`); may be given several times.
    #[arg(long, value_name = "DIGEST", requires = "archive", value_parser = digest)]
    pub digest: Vec<Digest>,
}

/// A digest, alone or in a reference.
fn digest(text: &str) -> Result<Digest, String> {
    Digest::parse(text)
        .or_else(|| Some(Reference::parse(text)?.digest))
        .ok_or_else(|| "write the 64 digits of `digest_sha256`, or an `archive_ref`".to_owned())
}

/// What is printed of a mail: its line, its place, its name, itself, and what came of it.
pub type Shown = dyn Fn(&Line, &Place, &str, &RawMail, &Judged) -> io::Result<Vec<u8>> + Send + Sync;

/// What is to be judged, and how.
pub struct Replay<'r> {
    pub from: &'r FromArchive,
    pub location: &'r str,
    pub config: Option<&'r Config>,
    /// Only the mails of this mailbox.
    pub mailbox: Option<&'r str>,
    pub line: Arc<Line>,
    pub at: Option<DateTime<Utc>>,
    pub shown: Arc<Shown>,
}

impl Replay<'_> {
    /// Prints what the mails of the archive give.
    ///
    /// # Errors
    /// When the output takes no more.
    pub async fn run(self) -> io::Result<Exit> {
        let archive = match open(self.location, self.config) {
            Ok(archive) => archive,
            Err(error) => return Ok(fail(&error.into())),
        };
        let mut exit = Exit::Success;
        let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        let mailboxes = match archive.mailboxes().await {
            Ok(mailboxes) => mailboxes,
            Err(error) => return Ok(fail(&error.into())),
        };
        let mut found = 0;
        for mailbox in mailboxes.iter().filter(|name| self.mailbox.is_none_or(|only| only == *name)) {
            let Some(place) = self.place(mailbox) else {
                complain!(
                    "warning: mailbox {mailbox} of the archive is not in the configuration: its mails are left out"
                );
                continue;
            };
            let place = Arc::new(place);
            for shard in 0..=u8::MAX {
                let mails = match self.mails(&archive, mailbox, shard).await {
                    Ok(mails) => mails,
                    Err(error) => return Ok(fail(&error.into())),
                };
                found += mails.len();
                let code = self.judge(&archive, mails, &place, &mut out).await?;
                exit = if code == Exit::Success { exit } else { code };
            }
        }
        out.flush()?;
        if found == 0 {
            let message = "the archive has no such mail: check --archive, --mailbox and --digest".to_owned();
            return Ok(fail(&Failure { class: FailureClass::Temporary, message }));
        }
        Ok(exit)
    }

    /// The mails of a part of a mailbox, in the order of their digests.
    async fn mails(&self, archive: &Archive, mailbox: &str, shard: u8) -> Result<Vec<Reference>, ArchiveError> {
        let digests = &self.from.digest;
        if !digests.is_empty() && digests.iter().all(|d| !d.0.starts_with(&[shard])) {
            return Ok(Vec::new());
        }
        let mut mails = archive.part(mailbox, shard).await?;
        mails.retain(|mail| digests.is_empty() || digests.contains(&mail.digest));
        Ok(mails)
    }

    async fn judge(
        &self,
        archive: &Archive,
        mails: Vec<Reference>,
        place: &Arc<Place>,
        out: &mut impl Write,
    ) -> io::Result<Exit> {
        let max = self.config.map_or(Octets(30_000_000), |c| c.limits.message_size).as_usize();
        let at = self.at;
        let tasks = mails.into_iter().map(|reference| {
            let (archive, line, place) = (archive.clone(), Arc::clone(&self.line), Arc::clone(place));
            let shown = Arc::clone(&self.shown);
            tokio::spawn(async move {
                let (mail, answers) = (archive.mail(&reference, max).await?, archive.answers(&reference).await?);
                let origin = reference.to_string();
                if answers.is_none() {
                    tracing::warn!(%origin, "no DNS answers are archived with this mail: it is not checked");
                }
                let now = at.unwrap_or_else(Utc::now);
                let judged = line.judge_recorded(&mail, &place, None, Some(&origin), now, answers).await;
                Ok::<_, ArchiveError>(shown(&line, &place, &origin, &mail, &judged))
            })
        });
        let mut results = futures_util::stream::iter(tasks).buffered(AT_ONCE);
        let mut exit = Exit::Success;
        while let Some(result) = results.next().await {
            match result {
                Ok(Ok(written)) => out.write_all(&written?)?,
                Ok(Err(error)) => exit = fail(&error.into()),
                Err(error) => exit = fail(&Failure::new(FailureClass::Internal, &error)),
            }
        }
        Ok(exit)
    }

    /// What holds for a mailbox of the archive.
    fn place(&self, name: &str) -> Option<Place> {
        let Some(config) = self.config else {
            let (mailbox, privacy) = (name.to_owned(), Policy::open());
            return Some(Place { mailbox, role: None, trust: Trust::default(), privacy });
        };
        config.mailboxes.iter().find(|m| m.name == name).map(|m| Place::of(m, config))
    }
}

/// An archive to read from, with the options of the configuration's own.
pub fn open(location: &str, config: Option<&Config>) -> Result<Archive, ArchiveError> {
    let options: BTreeMap<_, _> =
        config.and_then(|c| c.archive.as_ref()).map(|setting| setting.options.clone()).unwrap_or_default();
    Archive::existing(location, options.into_iter().map(|(name, value)| (name, value.expose().to_owned())))
}
