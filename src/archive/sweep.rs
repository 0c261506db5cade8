//! Removing what is older than `archive.retention`: a bounded part of the archive at each run.

use super::{Archive, ArchiveError, Reference, reference_of};
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use object_store::ObjectStoreExt;
use std::time::{Duration, SystemTime};

/// Folders that one run looks through: a small archive's all, a large one's in turn.
const FOLDERS: usize = 256;
/// After so many objects no further folder is looked through.
const OBJECTS: u64 = 10_000;
/// A part of a file that is so old belongs to a worker that was killed.
const ABANDONED: Duration = Duration::from_hours(1);

/// What a run removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    pub looked_at: u64,
    pub removed: u64,
}

impl Archive {
    /// Removes mails that were written before `before`, with their DNS answers. `chance` says where it begins: each run
    /// looks at another part of a large archive.
    ///
    /// # Errors
    /// When the archive cannot be listed, or something cannot be removed.
    pub async fn sweep(&self, before: DateTime<Utc>, chance: u64) -> Result<Swept, ArchiveError> {
        let mut swept = Swept::default();
        let mailboxes = self.mailboxes().await?;
        let folders: Vec<String> =
            mailboxes.iter().flat_map(|mailbox| (0..=255_u8).map(move |n| format!("{mailbox}/{n:02x}"))).collect();
        let Some(begin) = chance.checked_rem(folders.len() as u64).and_then(|n| usize::try_from(n).ok()) else {
            return Ok(swept);
        };
        for folder in folders.iter().cycle().skip(begin).take(FOLDERS.min(folders.len())) {
            self.sweep_folder(folder, before, &mut swept).await?;
            if swept.looked_at >= OBJECTS {
                break;
            }
        }
        Ok(swept)
    }

    async fn sweep_folder(&self, folder: &str, before: DateTime<Utc>, swept: &mut Swept) -> Result<(), ArchiveError> {
        let mut found = self.store.list(Some(&self.path(folder)));
        let mut old: Vec<Reference> = Vec::new();
        while let Some(object) = found.try_next().await.map_err(ArchiveError::List)? {
            swept.looked_at += 1;
            if object.last_modified >= before {
                continue;
            }
            match reference_of(&self.prefix, &object.location) {
                Some(reference) => old.push(reference),
                // Answers whose mail is gone, or was never written.
                None if object.location.extension() == Some("json") => {
                    let mail = object.location.as_ref().replace(".json", ".eml.zst");
                    if self.store.head(&mail.into()).await.is_err() {
                        let name = object.location.to_string();
                        let removed = self.store.delete(&object.location).await;
                        removed.map_err(|source| ArchiveError::Remove { name, source })?;
                    }
                }
                None => {}
            }
        }
        for reference in old {
            self.remove(&reference).await?;
            swept.removed += 1;
        }
        self.abandoned(folder, SystemTime::now().checked_sub(ABANDONED)).await;
        Ok(())
    }

    /// Removes parts of files that killed workers left in a part of a mailbox.
    pub async fn remove_abandoned(&self, mailbox: &str, first: u8) {
        self.abandoned(&format!("{mailbox}/{first:02x}"), SystemTime::now().checked_sub(ABANDONED)).await;
    }

    /// Removes the parts of files that killed workers left: they hold mail as well. What cannot be removed now is seen
    /// again.
    async fn abandoned(&self, folder: &str, before: Option<SystemTime>) {
        let (Some(root), Some(before)) = (&self.folder, before) else { return };
        let folder = root.join(folder);
        let _ = tokio::task::spawn_blocking(move || {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                // The local store writes NAME#1 and renames it.
                let is_part = entry.file_name().to_string_lossy().contains('#');
                let age = entry.metadata().and_then(|m| m.modified());
                if is_part && age.is_ok_and(|at| at < before) {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::{Archive, Reference, Swept};
    use crate::auth::dns::Recorded;
    use crate::message::RawMail;
    use chrono::{TimeDelta, Utc};
    use futures_util::TryStreamExt;
    use std::time::{Duration, SystemTime};

    #[tokio::test]
    async fn what_is_old_goes_with_its_answers_and_the_rest_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = Archive::open(&folder.path().display().to_string(), std::iter::empty()).expect("opens");
        let now = Utc::now();
        let long_ago = SystemTime::now() - Duration::from_hours(24 * 100);
        let path = |name: &str| folder.path().join(name);
        let set_old = |name: &str| {
            std::fs::File::options()
                .write(true)
                .open(path(name))
                .expect("opens")
                .set_modified(long_ago)
                .expect("is old");
        };
        for (text, is_old) in [("old", true), ("new", false), ("older", true)] {
            let mail = RawMail::new(text.into());
            let reference = Reference::new("m", mail.digest());
            archive.keep("m", mail, Some(&Recorded::at(now))).await.expect("is kept");
            if is_old {
                set_old(&reference.to_string());
                set_old(&reference.answers());
            }
        }
        let part = "m/00/abandoned.eml.zst#1";
        std::fs::create_dir_all(path("m/00")).expect("a folder");
        std::fs::write(path(part), "half a mail").expect("writes");
        set_old(part);
        let swept = archive.sweep(now - TimeDelta::days(90), 17).await.expect("sweeps");
        assert_eq!(swept, Swept { looked_at: 6, removed: 2 });
        let left: Vec<_> = archive.mails().try_collect().await.expect("lists");
        assert_eq!(left.len(), 1);
        let answers = archive.answers(&left[0].reference).await.expect("reads");
        assert!(answers.is_some() && !path(part).exists());
        let files = walk(folder.path());
        assert_eq!(files, 2, "one mail and its answers");
        assert_eq!(archive.sweep(now - TimeDelta::days(90), 3).await.expect("sweeps").removed, 0);
    }

    #[tokio::test]
    async fn runs_look_at_parts_of_a_large_archive_in_turn() {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = Archive::open(&folder.path().display().to_string(), std::iter::empty()).expect("opens");
        for mailbox in ["a", "b"] {
            for n in 0..40_u8 {
                archive.keep(mailbox, RawMail::new(vec![n]), None).await.expect("is kept");
            }
        }
        let soon = Utc::now() + TimeDelta::days(1);
        let first = archive.sweep(soon, 0).await.expect("sweeps");
        assert_eq!(first, Swept { looked_at: 40, removed: 40 }, "one mailbox has as many folders as a run looks at");
        assert_eq!(archive.sweep(soon, 256).await.expect("sweeps").removed, 40);
    }

    fn walk(path: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(path).expect("a folder").flatten();
        entries.map(|e| if e.path().is_dir() { walk(&e.path()) } else { 1 }).sum()
    }
}
