//! One file, or one stream: a mail, an mbox, either of them packed, or a tar.

use super::archive::{Bounded, tar};
use super::collect::Collector;
use super::mbox::Mbox;
use super::{Found, Out, SourceError};
use crate::message::RawMail;
use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;

/// Where a tar says so (POSIX.1-1988 ustar).
const TAR_MARK: (usize, &[u8]) = (257, b"ustar");
/// With which a zstd frame begins (RFC 8878 section 3.1.1), as the archive's mails do.
const ZSTD_MARK: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Octets that are read at once: most mails are smaller, and a buffer is cleared before each use.
const LOOK: usize = 16 * 1024;
/// A file in a packed file in a packed file is looked into; what is packed more often is no mail.
const MAX_LAYERS: usize = 3;

/// A file of no more octets than these is read at once.
const SMALL: usize = 1 << 20;

/// Octets at the beginning by which a file is known.
const HEAD: usize = TAR_MARK.0 + TAR_MARK.1.len();

/// A stream whose first octets can be looked at, however little one read gives.
fn with_look<'r>(from: impl Read + 'r) -> io::Result<(Vec<u8>, BufReader<Box<dyn Read + 'r>>)> {
    let mut from: BufReader<Box<dyn Read + 'r>> = BufReader::with_capacity(LOOK, Box::new(from));
    // Mostly one read gives enough, and the buffer keeps it. After a signal the slow way reads again.
    match from.fill_buf() {
        Ok(octets) => {
            if let Some(head) = octets.get(..HEAD) {
                return Ok((head.to_vec(), from));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    let mut head = Vec::with_capacity(HEAD);
    from.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    let again = io::Cursor::new(head.clone()).chain(from);
    Ok((head, BufReader::with_capacity(LOOK, Box::new(again))))
}

/// What a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gzip,
    Zstd,
    Tar,
    Zip,
    Mbox,
    Mail,
}

impl Kind {
    /// By its first octets and its name, in lower case, which decides where octets do not: `.eml` is one mail even where
    /// it begins with a "From " line. What is packed too often is a mail, of whatever use.
    fn of(head: &[u8], name: &str, depth: usize) -> Self {
        let is_layer = depth < MAX_LAYERS;
        match head {
            [0x1f, 0x8b, ..] if is_layer => Self::Gzip,
            _ if head.starts_with(&ZSTD_MARK) && is_layer => Self::Zstd,
            _ if is_layer
                && (head.get(TAR_MARK.0..).is_some_and(|h| h.starts_with(TAR_MARK.1)) || has_ending(name, "tar")) =>
            {
                Self::Tar
            }
            _ if head.starts_with(b"PK\x03\x04") => Self::Zip,
            // It begins with a "From " line; a mail whose first header is "From:" does not.
            _ if head.starts_with(b"From ") && !has_ending(name, "eml") => Self::Mbox,
            _ => Self::Mail,
        }
    }
}

/// Gives what is in a file of `octets`, by what it is.
pub fn file(origin: &str, name: &str, octets: u64, from: &mut dyn Read, out: &mut Out<'_>) -> ControlFlow<()> {
    // Most files are one mail and not large: it is read to where it stays.
    let most = usize::try_from(octets).unwrap_or(usize::MAX);
    if most > SMALL.min(out.max) {
        return stream(origin, name, from, out);
    }
    let mut mail = Vec::with_capacity(most + 1);
    if let Err(error) = from.take(octets + 1).read_to_end(&mut mail) {
        return out.error(SourceError::new(origin, error));
    }
    // One that grew meanwhile is read on.
    if mail.len() <= most && Kind::of(&mail, &name.to_ascii_lowercase(), 0) == Kind::Mail {
        return out.mail(Found::at(origin.to_owned(), RawMail::new(mail)));
    }
    stream(origin, name, &mut io::Cursor::new(mail).chain(from), out)
}

/// Gives the mails of a stream, by what it is.
pub fn stream(origin: &str, name: &str, from: &mut dyn Read, out: &mut Out<'_>) -> ControlFlow<()> {
    layer(origin, name, from, out, 0)
}

fn layer(origin: &str, name: &str, from: &mut dyn Read, out: &mut Out<'_>, depth: usize) -> ControlFlow<()> {
    let (head, mut from) = match with_look(from) {
        Ok(looked) => looked,
        Err(error) => return out.error(SourceError::new(origin, error)),
    };
    let name = name.to_ascii_lowercase();
    match Kind::of(&head, &name, depth) {
        Kind::Gzip => {
            let inner = name.strip_suffix(".gz").map_or_else(|| name.replace(".tgz", ".tar"), str::to_owned);
            let mut unpacked = Bounded::new(|read| MultiGzDecoder::new(BufReader::with_capacity(LOOK, read)), from);
            layer(origin, &inner, &mut unpacked, out, depth + 1)
        }
        Kind::Zstd => {
            let mut unpacked = Bounded::new(Zstd::new, from);
            layer(origin, name.trim_end_matches(".zst"), &mut unpacked, out, depth + 1)
        }
        Kind::Tar => tar(origin, from, out, depth + 1),
        Kind::Zip => {
            let error =
                io::Error::other("a zip cannot be read from a stream or within another archive: unpack it first");
            out.error(SourceError::new(origin, error))
        }
        Kind::Mbox => mbox(origin, from, out),
        Kind::Mail => match Collector::new(out.max).read_all(&mut from) {
            Ok(raw) => out.mail(Found::at(origin.to_owned(), raw)),
            Err(error) => out.error(SourceError::new(origin, error)),
        },
    }
}

/// The mails of an mbox.
fn mbox(origin: &str, from: impl BufRead, out: &mut Out<'_>) -> ControlFlow<()> {
    for (number, mail) in Mbox::new(from, out.max).enumerate() {
        match mail {
            Ok(raw) => out.mail(Found::at(format!("{origin}#{}", number + 1), raw))?,
            // What comes behind it cannot be read either.
            Err(error) => return out.error(SourceError::new(origin, error)),
        }
    }
    ControlFlow::Continue(())
}

/// A zstd stream, unpacked; what cannot be is an error when it is read.
struct Zstd<R: Read>(io::Result<zstd::Decoder<'static, BufReader<R>>>);

impl<R: Read> Zstd<R> {
    fn new(from: R) -> Self {
        Self(zstd::Decoder::new(from))
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Ok(decoder) => decoder.read(to),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }
}

fn has_ending(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
}

/// What is in a file of an archive.
pub fn member(origin: &str, name: &str, from: &mut dyn Read, out: &mut Out<'_>, depth: usize) -> ControlFlow<()> {
    layer(origin, name, from, out, depth)
}

#[cfg(test)]
mod tests {
    use super::{HEAD, with_look};
    use std::io::{self, Read};

    /// Gives three octets at a time, and before each is interrupted.
    struct Shy<'t> {
        left: &'t [u8],
        interrupted: bool,
    }

    impl Read for Shy<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            self.interrupted = !self.interrupted;
            if self.interrupted {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let most = to.len().min(3);
            (&mut self.left).read(to.get_mut(..most).unwrap_or_default())
        }
    }

    #[test]
    fn the_head_is_whole_however_little_one_read_gives() {
        let octets: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        for length in [0, 2, HEAD, 1_000] {
            let all = octets.get(..length).unwrap_or_default();
            for shy in [false, true] {
                let from: Box<dyn Read + '_> =
                    if shy { Box::new(Shy { left: all, interrupted: false }) } else { Box::new(all) };
                let (head, mut rest) = with_look(from).expect("reads");
                let mut read = Vec::new();
                rest.read_to_end(&mut read).expect("reads");
                assert_eq!((head.as_slice(), read.as_slice()), (&all[..length.min(HEAD)], all), "{length} {shy}");
            }
        }
    }
}
