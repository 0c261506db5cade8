//! Files, and the folders and Maildirs they lie in; standard input.

use super::file::stream;
use super::{Out, Source, SourceError, archive};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The sources behind a path, in the order of their names: a folder's own files and those of its folders, which
/// covers Maildirs (their `tmp` is left out: nothing in it is whole). `-` is standard input.
///
/// # Errors
/// When a path does not exist or cannot be read.
pub fn find(path: &Path) -> Result<Vec<Box<dyn Source>>, SourceError> {
    if path == Path::new("-") {
        return Ok(vec![Box::new(StandardInput)]);
    }
    let mut out = Vec::new();
    walk(path, &mut out).map_err(|source| SourceError::new(path.display().to_string(), source))?;
    Ok(out)
}

/// A file: a mail, an mbox, an archive.
struct MailFile {
    path: PathBuf,
    octets: u64,
}

impl Source for MailFile {
    fn octets(&self) -> u64 {
        self.octets
    }

    fn give(&mut self, out: &mut Out<'_>) -> ControlFlow<()> {
        let origin = self.path.display().to_string();
        let mut file = match out.open(&self.path) {
            Ok(file) => file,
            Err(error) => return out.error(SourceError::new(origin, error)),
        };
        let name = self.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.to_ascii_lowercase().ends_with(".zip") {
            return archive::zip(&self.path, file, out);
        }
        super::file::file(&origin, &name, self.octets, &mut file, out)
    }
}

/// What comes in on standard input: a mail, an mbox or a tar, packed or not.
pub struct StandardInput;

impl Source for StandardInput {
    fn give(&mut self, out: &mut Out<'_>) -> ControlFlow<()> {
        let mut input: Box<dyn Read> = Box::new(io::stdin().lock());
        stream("-", "", &mut input, out)
    }
}

fn walk(path: &Path, out: &mut Vec<Box<dyn Source>>) -> io::Result<()> {
    let metadata = path.metadata()?;
    if !metadata.is_dir() {
        out.push(Box::new(MailFile { path: path.to_owned(), octets: metadata.len() }));
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
    // Of one folder: they differ in their last part.
    entries.sort_unstable_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    let maildir = path.join("cur").is_dir() && path.join("new").is_dir();
    for entry in entries {
        let hidden = entry.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.') && !maildir);
        let unfinished = maildir && entry.file_name().is_some_and(|n| n == "tmp");
        let index = maildir && entry.is_file();
        // What the archive keeps beside a mail: the answers of its day, which only `--archive` reads.
        let answers = entry.extension().is_some_and(|e| e == "json") && entry.with_extension("eml.zst").is_file();
        if !hidden && !unfinished && !index && !answers {
            walk(&entry, out)?;
        }
    }
    Ok(())
}
