//! A file that holds a token.

use super::{MAX_TOKEN, TokenError, plain};
use crate::config::Secret;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) struct TokenFile {
    path: PathBuf,
    timeout: Duration,
}

impl TokenFile {
    pub(super) fn new(path: &Path, timeout: Duration) -> Self {
        Self { path: path.to_owned(), timeout }
    }

    /// The token that is in it now.
    pub(super) async fn read(&self) -> Result<Secret, TokenError> {
        let path = self.path.clone();
        // A file may lie on a network file system that hangs.
        let reading = tokio::time::timeout(self.timeout, tokio::task::spawn_blocking(move || octets(&path)));
        let Ok(result) = reading.await else {
            let origin = format!("oauth.file {}", self.path.display());
            return Err(TokenError::Slow { origin, limit: self.timeout });
        };
        let text = result
            .unwrap_or_else(|lost| Err(io::Error::other(lost)))
            .map_err(|source| TokenError::Unreadable { setting: "oauth.file", path: self.path.clone(), source })?;
        plain(&text).map_err(|problem| TokenError::FileText { path: self.path.clone(), problem })
    }
}

fn octets(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a named pipe would wait for its writer, and the program could not end before.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(MAX_TOKEN as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::TokenFile;
    use std::path::Path;
    use std::time::Duration;

    #[tokio::test]
    async fn files_that_hold_no_token() {
        let dir = tempfile::tempdir().unwrap();
        let large = dir.path().join("large");
        std::fs::write(&large, "x".repeat(1 << 20)).unwrap();
        for (path, says) in
            [(large.as_path(), "longer"), (dir.path(), "cannot read"), (Path::new("/dev/null"), "cannot read")]
        {
            let error = TokenFile::new(path, Duration::from_secs(5)).read().await.unwrap_err();
            assert!(error.is_configuration() && error.to_string().contains(says), "{error}");
        }
    }
}
