//! Where `replay` finds mails: files, mboxes, Maildirs, folders, standard input.

use crate::message::RawMail;
use mail_parser::mailbox::mbox::MessageIterator;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A mail and where it was found.
pub struct Found {
    pub origin: String,
    pub raw: RawMail,
}

/// Why a path gave no mail.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {origin}")]
pub struct ReadError {
    origin: String,
    #[source]
    source: io::Error,
}

/// A file, or standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    Stdin,
}

impl Source {
    /// The files behind a path, in the order of their names: a folder's own files and those of its
    /// folders, which covers Maildirs (their `tmp` is left out: nothing in it is whole).
    ///
    /// # Errors
    /// When a path does not exist or cannot be read.
    pub fn find(path: &Path) -> Result<Vec<Self>, ReadError> {
        if path == Path::new("-") {
            return Ok(vec![Self::Stdin]);
        }
        let mut out = Vec::new();
        walk(path, &mut out).map_err(|source| ReadError { origin: path.display().to_string(), source })?;
        Ok(out)
    }

    /// The mails in it: one, or those of an mbox.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, max: usize) -> Result<Vec<Found>, ReadError> {
        let (origin, bytes) = match self {
            Self::File(path) => (path.display().to_string(), std::fs::read(path)),
            Self::Stdin => {
                let mut bytes = Vec::new();
                ("-".to_owned(), io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes))
            }
        };
        let bytes = bytes.map_err(|source| ReadError { origin: origin.clone(), source })?;
        if self.is_one_mail() || !is_mbox(&bytes) {
            return Ok(vec![Found { origin, raw: limit(bytes, max) }]);
        }
        let mails = MessageIterator::new(bytes.as_slice())
            .filter_map(Result::ok)
            .enumerate()
            .map(|(n, mail)| Found { origin: format!("{origin}#{}", n + 1), raw: limit(mail.unwrap_contents(), max) })
            .collect();
        Ok(mails)
    }

    /// A file that says by its name that it is one mail, even when it begins with a "From " line.
    fn is_one_mail(&self) -> bool {
        matches!(self, Self::File(path) if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("eml")))
    }
}

fn walk(path: &Path, out: &mut Vec<Source>) -> io::Result<()> {
    if !path.metadata()?.is_dir() {
        out.push(Source::File(path.to_owned()));
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    let maildir = path.join("cur").is_dir() && path.join("new").is_dir();
    for entry in entries {
        let hidden = entry.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.') && !maildir);
        let unfinished = maildir && entry.file_name().is_some_and(|n| n == "tmp");
        let index = maildir && entry.is_file();
        if !hidden && !unfinished && !index {
            walk(&entry, out)?;
        }
    }
    Ok(())
}

/// An mbox begins with a "From " line; a mail whose first header is "From:" does not.
fn is_mbox(bytes: &[u8]) -> bool {
    bytes.starts_with(b"From ")
}

fn limit(bytes: Vec<u8>, max: usize) -> RawMail {
    if bytes.len() <= max {
        return RawMail::new(bytes);
    }
    let digest = crate::message::Digest::of(&bytes);
    let head = bytes.get(..crate::pop3::codec::HEAD.min(max)).unwrap_or_default().to_vec();
    RawMail::cut(head, digest, bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::Source;
    use std::fs;

    #[test]
    fn files_of_every_form_are_found_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for sub in ["box/cur", "box/new", "box/tmp"] {
            fs::create_dir_all(at(sub)).expect("makes folders");
        }
        for (name, text) in [
            ("b.eml", "From x Mon\nSubject: b\n\nb\n\nFrom here on it is still b\n"),
            ("a.eml", "Subject: a\n\na\n"),
            (".hidden", "no"),
            ("two.mbox", "From x Mon\nSubject: 1\n\n1\n\nFrom x Mon\nSubject: 2\n\n>From me\n"),
            ("box/cur/1:2,S", "Subject: c\n\nc\n"),
            ("box/tmp/2", "half"),
            ("box/dovecot-uidlist", "index"),
        ] {
            fs::write(at(name), text).expect("writes");
        }
        let mut got = Vec::new();
        for source in Source::find(folder.path()).expect("finds") {
            for mail in source.read(1 << 20).expect("reads") {
                let name = mail.origin.rsplit('/').next().unwrap_or_default().to_owned();
                got.push((name, String::from_utf8_lossy(mail.raw.bytes()).into_owned()));
            }
        }
        let names: Vec<&str> = got.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(names, ["a.eml", "b.eml", "1:2,S", "two.mbox#1", "two.mbox#2"]);
        assert!(got.last().is_some_and(|(_, text)| text.contains("\nFrom me")), "{got:?}");
        assert!(Source::find(&at("nowhere")).is_err());
    }
}
