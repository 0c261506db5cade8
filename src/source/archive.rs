//! Archives: tar and zip, and the bound on what a packed stream may unpack to.

use super::file::member;
use super::{Counted, Out, SourceError};
use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Octets that may always be unpacked.
const FREE: u64 = 256 << 20;
/// Beyond that, how many octets one packed octet may give. Mails give 3 to 20, the same mail over and over 200;
/// what is made to do harm gives a thousand.
const RATIO: u64 = 400;
/// Members of an archive that are looked at.
const MAX_MEMBERS: usize = 20_000_000;

/// What unpacks, until it unpacks to more than anybody's mails do.
pub struct Bounded<R> {
    inner: R,
    packed: Arc<AtomicU64>,
    unpacked: u64,
}

/// What is packed, counted.
pub struct Packed<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let octets = self.inner.read(to)?;
        self.read.fetch_add(octets as u64, Ordering::Relaxed);
        Ok(octets)
    }
}

impl<U: Read> Bounded<U> {
    /// What `unpack` makes of `from`.
    pub fn new<R: Read>(unpack: impl FnOnce(Packed<R>) -> U, from: R) -> Self {
        let packed = Arc::<AtomicU64>::default();
        Self { inner: unpack(Packed { inner: from, read: Arc::clone(&packed) }), packed, unpacked: 0 }
    }

    /// What comes out of `inner`, which unpacks so many octets.
    fn of(inner: U, packed: u64) -> Self {
        Self { inner, packed: Arc::new(AtomicU64::new(packed)), unpacked: 0 }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let octets = self.inner.read(to)?;
        self.unpacked += octets as u64;
        if self.unpacked > FREE && self.unpacked / RATIO > self.packed.load(Ordering::Relaxed) {
            return Err(io::Error::other(format!(
                "it unpacks to more than {RATIO} times its size, as no archive of mails does: \
                 unpack it with other means if it is to be trusted"
            )));
        }
        Ok(octets)
    }
}

/// The files of a tar, in its order.
pub fn tar(origin: &str, from: impl Read, out: &mut Out<'_>, depth: usize) -> ControlFlow<()> {
    let mut archive = ::tar::Archive::new(from);
    let entries = match archive.entries() {
        Ok(entries) => entries,
        Err(error) => return out.error(SourceError::new(origin, error)),
    };
    for entry in entries.take(MAX_MEMBERS) {
        let mut entry = match entry {
            Ok(entry) => entry,
            // Where one begins is not known any more.
            Err(error) => return out.error(SourceError::new(origin, error)),
        };
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type().is_file() && !is_hidden(&name) {
            member(&format!("{origin}!{name}"), &name, &mut entry, out, depth)?;
        }
    }
    ControlFlow::Continue(())
}

/// The files of a zip, in the order of its directory.
pub fn zip(path: &Path, file: Counted<'_>, out: &mut Out<'_>) -> ControlFlow<()> {
    let origin = path.display().to_string();
    let mut archive = match ::zip::ZipArchive::new(BufReader::new(file)) {
        Ok(archive) => archive,
        Err(error) => return out.error(SourceError::new(origin, io::Error::other(error))),
    };
    for at in 0..archive.len() {
        match archive.by_index(at) {
            Ok(entry) => {
                let name = entry.name().map_or_else(|_| format!("file {}", at + 1), std::borrow::Cow::into_owned);
                if entry.is_file() && !is_hidden(&name) {
                    let packed = entry.compressed_size();
                    member(&format!("{origin}!{name}"), &name, &mut Bounded::of(entry, packed), out, 1)?;
                }
            }
            // The others are read all the same.
            Err(error) => out.error(SourceError::new(format!("{origin}, file {}", at + 1), io::Error::other(error)))?,
        }
    }
    ControlFlow::Continue(())
}

/// Hidden files, and what macOS puts into archives besides.
fn is_hidden(name: &str) -> bool {
    name.split('/').any(|part| (part.starts_with('.') && part != "." && part != "..") || part == "__MACOSX")
}
