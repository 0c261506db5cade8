//! Mails in every shape that a POP3 server may stumble over, as octets: not all of them are mails that somebody sends.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use super::mail::{self, Size};

/// A mail as a Maildir keeps it, and as it must come.
#[derive(Debug, Clone)]
pub struct Shaped {
    pub shape: Shape,
    /// What is in the file: most line ends are LF.
    pub stored: Vec<u8>,
}

/// What is odd about a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// Nothing: a reply, bounce, automatic reply or complaint of some size.
    Usual,
    /// Lines of dots, and lines that begin with one.
    Dots,
    /// The last line is a lone dot.
    DotLast,
    /// Lines around the sizes of buffers, up to 100 KB.
    LongLines,
    /// Each octet from 128 to 255 in the text.
    EightBit,
    /// Octets from 128 up in header fields, as UTF-8 or not (RFC 6532, and older habits).
    EightBitHeader,
    /// Control characters but NUL, CR and LF.
    Controls,
    /// NUL in the text.
    Nul,
    /// CR without LF, in the middle of lines.
    BareCr,
    /// The file's line ends are CR LF.
    StoredCrLf,
    /// The last line has no end.
    NoLineEnd,
    /// The last line has no end, and is a lone dot.
    DotNoLineEnd,
    /// Nothing but empty lines in the text.
    EmptyLines,
    /// A header and the empty line behind it.
    HeaderOnly,
    /// A header, and no empty line behind it.
    HeaderUnfinished,
    /// A single line end.
    OneLineEnd,
    /// No octet at all.
    Empty,
    /// An attachment of 2 MB.
    Attachment,
}

/// The shapes but `Usual` and the attachment, which take turns.
const ODD: [Shape; 16] = [
    Shape::Dots,
    Shape::DotLast,
    Shape::LongLines,
    Shape::EightBit,
    Shape::EightBitHeader,
    Shape::Controls,
    Shape::Nul,
    Shape::BareCr,
    Shape::StoredCrLf,
    Shape::NoLineEnd,
    Shape::DotNoLineEnd,
    Shape::EmptyLines,
    Shape::HeaderOnly,
    Shape::HeaderUnfinished,
    Shape::OneLineEnd,
    Shape::Empty,
];

/// `n` mails, every other one odd, the same for the same arguments.
pub fn mails(n: usize, seed: u64) -> Vec<Shaped> {
    (0..n)
        .map(|index| {
            let shape = match index {
                _ if index % 100 == 51 => Shape::Attachment,
                _ if index % 2 == 0 => Shape::Usual,
                _ => ODD.into_iter().cycle().nth(index / 2 % ODD.len()).unwrap_or(Shape::Usual),
            };
            Shaped { shape, stored: stored(shape, index, seed) }
        })
        .collect()
}

/// Puts the mails into the Maildir's `new`, in their order. No server that runs may look at it yet.
pub fn seed(maildir: &Path, mails: &[Shaped]) {
    let owner = fs::metadata(maildir).unwrap_or_else(|error| panic!("{}: {error}", maildir.display()));
    for (index, mail) in mails.iter().enumerate() {
        // Servers order new mails by the time in the name. No size is named: the server must find it out.
        let path = maildir.join("new").join(format!("{}.M{index:06}.test", mail::time(index)));
        File::create_new(&path)
            .and_then(|mut file| {
                file.write_all(&mail.stored)?;
                // Run by root, the mail belongs to another user than the test.
                if file.metadata()?.uid() == owner.uid() {
                    return Ok(());
                }
                chown(&path, Some(owner.uid()), Some(owner.gid()))
            })
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn stored(shape: Shape, index: usize, seed: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let headed = !matches!(shape, Shape::OneLineEnd | Shape::Empty);
    if headed {
        out.extend(
            format!(
                "From: reader{index}@customers.example\nSubject: {shape:?}\nMessage-ID: <{seed}.{index}@x.example>\n"
            )
            .into_bytes(),
        );
    }
    if headed && !matches!(shape, Shape::EightBitHeader | Shape::HeaderUnfinished) {
        out.push(b'\n');
    }
    match shape {
        Shape::Usual => out = lf(&mail::mail(seed, index, Size::Mixed).wire),
        Shape::Attachment => out = lf(&mail::mail(seed, index, Size::About(2_000_000)).wire),
        Shape::Dots => (0..100).for_each(|_| out.extend(b".\n..\n...\n.begins\n. \n.\t.\nmiddle . dot.\n\n.\n")),
        Shape::DotLast => out.extend(b"the last line is a dot:\n.\n"),
        Shape::LongLines => {
            for length in [510, 511, 512, 998, 1000, 4095, 4096, 8191, 8192, 8193, 16384, 65535, 65536, 65537, 100_000]
            {
                // A dot at the front, so that the stuffed line is one longer.
                out.extend([b".", "x".repeat(length).as_bytes(), b"\n"].concat());
                out.extend(["y".repeat(length).as_bytes(), b"\n"].concat());
            }
        }
        Shape::EightBit => (0..50).for_each(|_| {
            out.extend(0x80..=0xff);
            out.push(b'\n');
        }),
        Shape::EightBitHeader => {
            let name = if index % 4 == 1 { "Grüße".as_bytes() } else { b"Gr\xfc\xdfe" };
            out.extend([b"X-Name: ", name, b"\n\nThe name is in the header.\n"].concat());
        }
        Shape::Controls => {
            out.extend((1..0x20).filter(|octet| !matches!(octet, b'\n' | b'\r')));
            out.extend(b"\x7f\nend\n");
        }
        Shape::Nul => out.extend(b"a\0b\n\0\n\0\0\n.\0\nend\n"),
        Shape::BareCr => out.extend(b"a\rb\n\rc\n.\rd\n\r\r.\r.\nend\n"),
        Shape::StoredCrLf => {
            out.extend(b"one\n.two\n.\n\nend\n");
            out = wire(&out);
        }
        Shape::NoLineEnd => out.extend(b"no end"),
        Shape::DotNoLineEnd => out.extend(b"the last line is a dot without an end:\n."),
        Shape::EmptyLines => (0..3 + index).for_each(|_| out.push(b'\n')),
        Shape::HeaderOnly | Shape::HeaderUnfinished | Shape::Empty => {}
        Shape::OneLineEnd => out.push(b'\n'),
    }
    out
}

fn lf(wire: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(wire.len());
    for line in wire.split_inclusive(|&octet| octet == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(text) => out.extend([text, b"\n"].concat()),
            None => out.extend(line),
        }
    }
    out
}

/// The file's octets with each LF as CR LF, whatever stands before it.
pub fn wire(stored: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(stored.len() + stored.len() / 32);
    for line in stored.split_inclusive(|&octet| octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => {
                out.extend(text);
                out.extend(b"\r\n");
            }
            None => out.extend(line),
        }
    }
    out
}
