//! Octets in, replies out.
//!
//! The decoder takes octets as they arrive, in pieces of any size, and gives a reply when it is
//! whole. The time is linear in the input: a terminator is looked for once, and what was looked
//! at is not looked at again. Lines may be of any length; memory is bounded by the caps.

use super::reply::Status;
use aws_lc_rs::digest::{Context, SHA256};
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// A status line longer than this is none (RFC 2449 section 4 allows 512 octets).
const MAX_STATUS: usize = 16 * 1024;
/// What is kept of a body that is larger than the cap: enough for any header.
pub const HEAD: usize = 256 * 1024;

/// A line end and the dot behind it: either the end of a body or a stuffed dot.
static DOT_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n."));

/// What kind of reply the next one is; only the command tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// One line.
    Status,
    /// One line, and behind `+OK` lines up to a lone dot, as text.
    Lines { max: usize },
    /// One line, and behind `+OK` a mail up to a lone dot. `hint` is its expected size.
    Body { max: usize, hint: usize },
}

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: Status,
    pub body: Option<Body>,
}

/// What came behind the status line, dots unstuffed, line ends as sent.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    Whole(Vec<u8>),
    /// It was larger than the cap: its beginning, and what identifies the whole.
    Cut {
        head: Vec<u8>,
        /// SHA-256 of the whole.
        digest: [u8; 32],
        size: u64,
    },
}

/// Why octets are no reply. The connection is of no use after that.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CodecError {
    #[error("the server sent something that is no POP3 reply")]
    NotAReply,
    #[error("the server sent a status line without an end")]
    EndlessStatus,
    #[error("the server sent a list longer than {0} octets")]
    ListTooLong(usize),
}

/// The decoder of one connection. Its octets are never printed.
#[derive(Default)]
pub struct Decoder {
    line: Vec<u8>,
    status: Option<Status>,
    body: Scanner,
    /// Whether this server ends its lines with LF alone.
    bare_lf: bool,
}

impl Decoder {
    /// Takes octets from the front of `input` until a reply is whole. `None` means that all of
    /// `input` was taken and more is needed.
    ///
    /// # Errors
    /// When the octets are no reply, or a list is longer than its cap.
    pub fn decode(&mut self, expect: Expect, input: &mut &[u8]) -> Result<Option<Reply>, CodecError> {
        let status = match self.status.take() {
            Some(status) => status,
            None => match self.status_line(input)? {
                Some(status) => {
                    self.body.begin(expect, self.bare_lf);
                    status
                }
                None => return Ok(None),
            },
        };
        if !status.ok || expect == Expect::Status {
            return Ok(Some(Reply { status, body: None }));
        }
        if !self.body.push(input) {
            if let Expect::Lines { max } = expect
                && self.body.total > max as u64
            {
                return Err(CodecError::ListTooLong(max));
            }
            self.status = Some(status);
            return Ok(None);
        }
        let body = self.body.finish();
        if let (Expect::Lines { max }, Body::Cut { .. }) = (expect, &body) {
            return Err(CodecError::ListTooLong(max));
        }
        Ok(Some(Reply { status, body: Some(body) }))
    }

    /// Whether the decoder is between two replies.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.line.is_empty() && self.status.is_none()
    }

    /// Whether a status line was read whose body is not whole yet.
    #[must_use]
    pub fn begun(&self) -> bool {
        self.status.is_some()
    }

    fn status_line(&mut self, input: &mut &[u8]) -> Result<Option<Status>, CodecError> {
        let end = memchr::memchr(b'\n', input);
        let take = end.map_or(input.len(), |at| at + 1);
        if self.line.len() + take > MAX_STATUS {
            return Err(CodecError::EndlessStatus);
        }
        let (head, rest) = input.split_at_checked(take).unwrap_or((input, &[]));
        self.line.extend_from_slice(head);
        *input = rest;
        if end.is_none() {
            return Ok(None);
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        self.bare_lf = !line.ends_with(b"\r");
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let status = Status::parse(line).ok_or(CodecError::NotAReply);
        self.line.clear();
        status.map(Some)
    }
}

/// Where in a body the next octet stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    /// At the beginning of a line.
    #[default]
    LineStart,
    /// Behind a CR in the middle of a line.
    Cr,
    Middle,
    /// Behind a dot at the beginning of a line; the dot is held back.
    Dot,
    /// Behind a dot and a CR at the beginning of a line; both are held back.
    DotCr,
}

/// Finds the end of a body and takes the stuffed dots out (RFC 1939 section 3).
#[derive(Default)]
struct Scanner {
    at: At,
    bare_lf: bool,
    out: Vec<u8>,
    cap: usize,
    total: u64,
    /// Set once the cap was passed: the digest of everything, while only the head is kept.
    over: Option<Context>,
}

impl Scanner {
    fn begin(&mut self, expect: Expect, bare_lf: bool) {
        let (cap, hint) = match expect {
            Expect::Status => (0, 0),
            Expect::Lines { max } => (max, 0),
            Expect::Body { max, hint } => (max, hint),
        };
        *self = Self { bare_lf, cap, out: Vec::with_capacity(hint.min(cap).min(1 << 20)), ..Self::default() };
    }

    /// Takes octets; `true` when the terminator was among them.
    fn push(&mut self, input: &mut &[u8]) -> bool {
        while let Some((&first, rest)) = input.split_first() {
            match self.at {
                At::LineStart => {
                    if first == b'.' {
                        self.at = At::Dot;
                        *input = rest;
                    } else {
                        self.at = At::Middle;
                    }
                }
                At::Dot => match first {
                    b'\n' => {
                        *input = rest;
                        return true;
                    }
                    b'\r' => {
                        self.at = At::DotCr;
                        *input = rest;
                    }
                    _ => self.at = At::Middle,
                },
                At::DotCr => {
                    if first == b'\n' {
                        *input = rest;
                        return true;
                    }
                    self.emit(b"\r");
                    self.at = At::Cr;
                }
                At::Cr | At::Middle => *input = self.middle(input),
            }
        }
        false
    }

    /// Takes everything up to and including the next line end that is followed by a dot; gives
    /// what is left.
    fn middle<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        // A line end that came last in the piece before this one.
        if self.at == At::Cr && input.first() == Some(&b'\n') {
            self.emit(b"\n");
            self.at = At::LineStart;
            return input.get(1..).unwrap_or_default();
        }
        let mut from = 0;
        while let Some(found) = input.get(from..).and_then(|rest| DOT_LINE.find(rest)) {
            let end = from + found;
            let before = if end == 0 { None } else { input.get(end - 1) };
            let is_line_end = self.bare_lf || before == Some(&b'\r') || (before.is_none() && self.at == At::Cr);
            if is_line_end {
                let (head, rest) = input.split_at_checked(end + 1).unwrap_or((input, &[]));
                self.emit(head);
                self.at = At::LineStart;
                return rest;
            }
            // A lone LF in the mail of a server that ends lines with CRLF: content.
            from = end + 1;
        }
        self.emit(input);
        self.at = match (input.last(), input.len().checked_sub(2).and_then(|i| input.get(i))) {
            (Some(b'\r'), _) => At::Cr,
            (Some(b'\n'), Some(b'\r')) => At::LineStart,
            (Some(b'\n'), _) if self.bare_lf => At::LineStart,
            _ => At::Middle,
        };
        &[]
    }

    fn emit(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if let Some(digester) = &mut self.over {
            digester.update(bytes);
        } else if self.out.len() + bytes.len() > self.cap {
            let mut digester = Context::new(&SHA256);
            digester.update(&self.out);
            digester.update(bytes);
            self.over = Some(digester);
            let room = HEAD.min(self.cap).saturating_sub(self.out.len()).min(bytes.len());
            self.out.extend_from_slice(bytes.get(..room).unwrap_or_default());
            self.out.truncate(HEAD.min(self.cap));
            self.out.shrink_to_fit();
        } else {
            self.out.extend_from_slice(bytes);
        }
    }

    fn finish(&mut self) -> Body {
        let head = std::mem::take(&mut self.out);
        match self.over.take() {
            None => Body::Whole(head),
            Some(digester) => {
                let mut digest = [0; 32];
                for (to, from) in digest.iter_mut().zip(digester.finish().as_ref()) {
                    *to = *from;
                }
                Body::Cut { head, digest, size: self.total }
            }
        }
    }
}

impl Body {
    /// The lines of a list, without their line ends.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let bytes: &[u8] = match self {
            Self::Whole(bytes) => bytes,
            Self::Cut { head, .. } => head,
        };
        bytes.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l)).filter(|l| !l.is_empty())
    }

    /// Octets of the whole body.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Cut { size, .. } => *size,
        }
    }
}

impl std::fmt::Debug for Body {
    /// Never the octets: they may reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} octets)", self.size())
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, CodecError, Decoder, Expect, Reply};
    use aws_lc_rs::digest;

    const MAIL: Expect = Expect::Body { max: 1 << 20, hint: 0 };

    /// Decodes `input` in pieces of `step` octets; gives the reply and what was left over.
    fn decode(expect: Expect, input: &[u8], step: usize) -> Result<(Option<Reply>, Vec<u8>), CodecError> {
        let mut decoder = Decoder::default();
        let mut done = 0;
        for piece in input.chunks(step.max(1)) {
            let mut rest = piece;
            if let Some(reply) = decoder.decode(expect, &mut rest)? {
                let left = done + piece.len() - rest.len();
                return Ok((Some(reply), input.get(left..).unwrap_or_default().to_vec()));
            }
            assert!(rest.is_empty(), "everything is taken while more is needed");
            done += piece.len();
        }
        Ok((None, Vec::new()))
    }

    #[test]
    fn known_answers_in_pieces_of_every_size() {
        let table: [(&[u8], Option<&[u8]>, &[u8]); 14] = [
            (b"+OK\r\nA: 1\r\n\r\nx\r\n.\r\n", Some(b"A: 1\r\n\r\nx\r\n"), b""),
            (b"+OK\r\n.\r\n", Some(b""), b""),
            (b"+OK\r\n..\r\n.\r\n", Some(b".\r\n"), b""),
            (b"+OK\r\n...x\r\n..\r\n.\r\n+OK next", Some(b"..x\r\n.\r\n"), b"+OK next"),
            (b"+OK\r\nx\r\n.y\r\n.\r\n", Some(b"x\r\ny\r\n"), b""),
            (b"+OK\r\nx\n.\r\ny\r\n.\r\n", Some(b"x\n.\r\ny\r\n"), b""),
            (b"+OK\r\nx\r.\r\n.\r\n", Some(b"x\r.\r\n"), b""),
            (b"+OK\r\n.\ry\r\n.\r\n", Some(b"\ry\r\n"), b""),
            (b"+OK\r\nx\r\n.\n", Some(b"x\r\n"), b""),
            (b"+OK\nx\n.y\n..z\n.\n", Some(b"x\ny\n.z\n"), b""),
            (b"+OK\r\n\r\n\r\n.\r\n", Some(b"\r\n\r\n"), b""),
            (b"+OK\r\n\0\xff8bit\r\n.\r\n", Some(b"\0\xff8bit\r\n"), b""),
            (b"+OK\r\nno end\r\n", None, b""),
            (b"+OK\r\nhalf\r\n.\r", None, b""),
        ];
        for (input, expected, left) in table {
            for step in 1..=input.len() {
                let (reply, rest) = decode(MAIL, input, step).expect("decodes");
                let got = reply.and_then(|r| r.body).map(|b| match b {
                    Body::Whole(bytes) => bytes,
                    Body::Cut { .. } => panic!("not cut"),
                });
                assert_eq!(got.as_deref(), expected, "{:?} by {step}", String::from_utf8_lossy(input));
                if expected.is_some() {
                    assert_eq!(rest, left, "{:?} by {step}", String::from_utf8_lossy(input));
                }
            }
        }
    }

    #[test]
    fn a_refusal_has_no_body() {
        let (reply, rest) = decode(MAIL, b"-ERR [SYS/TEMP] no\r\n+OK\r\n", 7).expect("decodes");
        let reply = reply.expect("is whole");
        assert!(!reply.status.ok && reply.body.is_none());
        assert_eq!(rest, b"+OK\r\n");
    }

    #[test]
    fn a_body_over_the_cap_is_cut_and_still_digested() {
        let mail = b"Subject: big\r\n\r\n".iter().copied().chain(std::iter::repeat_n(b'x', 5000)).collect::<Vec<_>>();
        let mut wire = b"+OK\r\n".to_vec();
        wire.extend_from_slice(&mail);
        wire.extend_from_slice(b"\r\n.\r\n");
        let mut whole = mail.clone();
        whole.extend_from_slice(b"\r\n");
        for step in [1, 13, 999, wire.len()] {
            let (reply, _) = decode(Expect::Body { max: 1000, hint: 0 }, &wire, step).expect("decodes");
            match reply.and_then(|r| r.body).expect("has a body") {
                Body::Cut { head, digest, size } => {
                    assert_eq!(head, mail.get(..1000).expect("long enough"));
                    assert_eq!(digest.as_slice(), digest::digest(&digest::SHA256, &whole).as_ref());
                    assert_eq!(size, whole.len() as u64);
                }
                Body::Whole(_) => panic!("must be cut"),
            }
        }
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        assert_eq!(decode(MAIL, b"* OK IMAP\r\n", 3), Err(CodecError::NotAReply));
        assert_eq!(decode(MAIL, &vec![b'+'; 20_000], 1000), Err(CodecError::EndlessStatus));
        let mut list = b"+OK\r\n".to_vec();
        list.extend(b"1 x\r\n".repeat(100));
        assert_eq!(decode(Expect::Lines { max: 50 }, &list, 10), Err(CodecError::ListTooLong(50)));
    }
}
