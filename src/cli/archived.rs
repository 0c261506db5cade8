//! `replay --archive`: mails from the archive, each with the DNS answers of its day.

use crate::archive::{Archive, ArchiveError, DigestPrefix, Reference};
use crate::config::Config;
use crate::source::KeptMails;
use std::collections::BTreeMap;

/// Where mails come from instead of files.
#[derive(Debug, clap::Args)]
pub struct FromArchive {
    /// Take the mails from this archive, a folder or a URL as `archive.location` has it, and their DNS answers too;
    /// what has no answers there is not checked. The mailbox is the one that each mail lay in.
    #[arg(long, value_name = "LOCATION", conflicts_with_all = ["paths", "uidl", "dns_record"])]
    pub archive: Option<String>,
    /// With --archive: only the mail with this digest: `digest_sha256` or its first 8 digits or more, as --explain shows
    /// them, or an `archive_ref`. May be given several times.
    #[arg(long, value_name = "DIGEST", requires = "archive", value_parser = digest)]
    pub digest: Vec<DigestPrefix>,
}

/// A digest or how it begins, alone or in a reference.
fn digest(text: &str) -> Result<DigestPrefix, String> {
    DigestPrefix::parse(text)
        .or_else(|| Some(Reference::parse(text)?.digest.into()))
        .ok_or_else(|| "write the first 8 digits of `digest_sha256` or more, or an `archive_ref`".to_owned())
}

impl FromArchive {
    /// The mails, of this mailbox or of all.
    ///
    /// # Errors
    /// When the archive cannot be used.
    pub fn source(
        &self,
        location: &str,
        config: Option<&Config>,
        mailbox: Option<&str>,
    ) -> Result<KeptMails, ArchiveError> {
        Ok(KeptMails {
            archive: open(location, config)?,
            location: location.to_owned(),
            digests: self.digest.clone(),
            mailbox: mailbox.map(str::to_owned),
            known: config.map(|c| c.mailboxes.iter().map(|m| m.name.clone()).collect()),
            runtime: tokio::runtime::Handle::current(),
        })
    }
}

/// An archive to read from, with the options of the configuration's own.
pub fn open(location: &str, config: Option<&Config>) -> Result<Archive, ArchiveError> {
    let options: BTreeMap<_, _> =
        config.and_then(|c| c.archive.as_ref()).map(|setting| setting.options.clone()).unwrap_or_default();
    Archive::existing(location, options.into_iter().map(|(name, value)| (name, value.expose().to_owned())))
}
