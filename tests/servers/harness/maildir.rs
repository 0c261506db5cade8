//! Maildirs: filled with known mails, or with one's own, and counted.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use super::mail::{self, Kind, Size};

/// A mail that was put into a Maildir. `mail::mail` with the same arguments gives its bytes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeded {
    pub index: usize,
    pub kind: Kind,
    /// Its own Message-ID, in angle brackets, which no other mail of any seed has.
    pub message_id: String,
    /// The Message-ID of the campaign's mail that it answers or reports on.
    pub original_id: String,
    /// The address of the person whose event it makes.
    pub recipient: String,
    /// Its size as the server sends it, with CRLF and without dot-stuffing.
    pub wire_len: usize,
    /// Its name in `new`; a server moves it to `cur` and adds to it.
    pub file_name: String,
}

/// Puts `n` mails into the Maildir, the same for the same arguments. A second lot needs another seed.
pub fn seed(maildir: &Path, n: usize, size: Size, seed: u64) -> Vec<Seeded> {
    (0..n)
        .map(|index| {
            let mail = mail::mail(seed, index, size);
            let base = format!("{}.M{index:06}P{seed}.test", mail::time(index));
            let file_name = deliver(maildir, &base, &mail.wire);
            Seeded {
                index,
                kind: mail.kind,
                message_id: mail.message_id,
                original_id: mail.original_id,
                recipient: mail.recipient,
                wire_len: mail.wire.len(),
                file_name,
            }
        })
        .collect()
}

/// Puts one mail into the Maildir under `name` and its size. Its lines may end with CRLF or LF: they are kept with LF,
/// as Maildir servers do, and sent with CRLF. A server that runs sees the whole mail or nothing.
pub fn deliver(maildir: &Path, name: &str, wire: &[u8]) -> String {
    let mut stored = Vec::with_capacity(wire.len());
    let mut lines = 0;
    for line in wire.split_inclusive(|&byte| byte == b'\n') {
        if let Some(text) = line.strip_suffix(b"\n") {
            stored.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
            stored.push(b'\n');
            lines += 1;
        } else {
            stored.extend_from_slice(line);
        }
    }
    // With its sizes in the name (Maildir++), Dovecot need not read a mail to know them.
    let file_name = format!("{name},S={},W={}", stored.len(), stored.len() + lines);
    let place = maildir.join("new").join(&file_name);
    write(maildir, &maildir.join("tmp").join(&file_name), &place, &stored)
        .unwrap_or_else(|error| panic!("{}: {error}", place.display()));
    file_name
}

fn write(maildir: &Path, part: &Path, place: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(part)?;
    file.write_all(bytes)?;
    // Run by root, the mail belongs to another user than the test.
    let owner = fs::metadata(maildir)?;
    if file.metadata()?.uid() != owner.uid() {
        chown(part, Some(owner.uid()), Some(owner.gid()))?;
    }
    if place.exists() {
        fs::remove_file(part)?;
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is such a mail: use another seed or name"));
    }
    fs::rename(part, place)
}

/// How many mails the Maildir holds, new or seen.
pub fn count(maildir: &Path) -> usize {
    ["new", "cur"]
        .into_iter()
        .filter_map(|folder| fs::read_dir(maildir.join(folder)).ok())
        .map(|files| files.flatten().count())
        .sum()
}

/// Removes every mail.
pub fn clear(maildir: &Path) {
    let files = ["new", "cur"].into_iter().filter_map(|folder| fs::read_dir(maildir.join(folder)).ok());
    for file in files.flatten().flatten() {
        let path = file.path();
        fs::remove_file(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
