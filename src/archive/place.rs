//! Where the archive is: a folder, or a bucket of a cloud.

use super::{Archive, ArchiveError};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

/// Opens what a setting names.
pub(super) fn open(
    location: &str,
    options: impl Iterator<Item = (String, String)>,
    make: bool,
) -> Result<Archive, ArchiveError> {
    let wrong = |reason: String| ArchiveError::Location { location: location.to_owned(), reason };
    if location.trim().is_empty() {
        return Err(wrong("it is empty: name a folder".to_owned()));
    }
    match location.split_once("://") {
        None => folder(PathBuf::from(location), make).map_err(wrong),
        Some(("file", path)) => folder(PathBuf::from(path), make).map_err(wrong),
        Some(_) => cloud(location, options).map_err(wrong),
    }
}

fn folder(folder: PathBuf, make: bool) -> Result<Archive, String> {
    if make && !folder.exists() {
        make_private(&folder).map_err(|error| format!("the folder cannot be made: {error}"))?;
    }
    match folder.metadata() {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err("it is a file: name a folder".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err("there is no such folder".to_owned()),
        Err(error) => return Err(error.to_string()),
    }
    // Without fsync a crash of the machine could lose what is about to be deleted from the mailbox.
    let store = LocalFileSystem::new_with_prefix(&folder).map_err(|error| error.to_string())?.with_fsync(true);
    Ok(Archive { store: Arc::new(store), prefix: Path::default(), folder: Some(folder) })
}

/// Mails are nobody else's business.
fn make_private(folder: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The schemes, and the feature of this program that each needs.
const CLOUDS: [(&str, &str, bool); 7] = [
    ("s3", "archive-s3", cfg!(feature = "archive-s3")),
    ("s3a", "archive-s3", cfg!(feature = "archive-s3")),
    ("gs", "archive-gcs", cfg!(feature = "archive-gcs")),
    ("az", "archive-azure", cfg!(feature = "archive-azure")),
    ("azure", "archive-azure", cfg!(feature = "archive-azure")),
    ("abfs", "archive-azure", cfg!(feature = "archive-azure")),
    ("abfss", "archive-azure", cfg!(feature = "archive-azure")),
];

/// Whether this program can open such a place, as far as that can be told without opening it.
pub(super) fn is_possible(location: &str) -> Result<(), ArchiveError> {
    match location.split_once("://") {
        None | Some(("file", _)) => Ok(()),
        Some(_) => cloud_url(location)
            .map(drop)
            .map_err(|reason| ArchiveError::Location { location: location.to_owned(), reason }),
    }
}

fn cloud_url(location: &str) -> Result<reqwest::Url, String> {
    let url = reqwest::Url::parse(location).map_err(|error| format!("it is no URL: {error}"))?;
    let scheme = url.scheme();
    let Some((_, feature, built)) = CLOUDS.iter().find(|(known, ..)| *known == scheme) else {
        return Err(format!("`{scheme}` is no kind of archive: name a folder, or a URL with s3, gs or az"));
    };
    if !built {
        return Err(format!("this program was built without it: build it with `--features {feature}`"));
    }
    Ok(url)
}

fn cloud(location: &str, options: impl Iterator<Item = (String, String)>) -> Result<Archive, String> {
    let url = cloud_url(location)?;
    // What the cloud's own tools take from the environment holds here too; settings count more.
    let environment = std::env::vars()
        .filter(|(name, _)| ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|prefix| name.starts_with(prefix)));
    let all = environment.chain(options);
    let (store, prefix) = object_store::parse_url_opts(&url, all).map_err(|error| error.to_string())?;
    Ok(Archive { store: Arc::from(store), prefix, folder: None })
}
