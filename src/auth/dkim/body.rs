//! Body hashes (RFC 6376 sections 3.4 and 3.7).
//!
//! Ours, because mail-auth cuts the body for l= before it canonicalizes, and counts a last line of
//! white space as one that stays. Each form of the body is hashed once for all its signatures.

use aws_lc_rs::digest::{Context, SHA256};
use mail_auth::dkim::Canonicalization;
use memchr::{memchr2_iter, memmem};

/// The hash of a body in one canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyHash {
    pub digest: Vec<u8>,
    /// Octets of the whole body in that form.
    pub total: u64,
}

/// Hashes the first `length` octets of the canonical body, all of it without a length.
pub fn hash(body: &[u8], form: Canonicalization, length: Option<u64>) -> BodyHash {
    let mut out = Hasher {
        context: Context::new(&SHA256),
        waiting: Vec::with_capacity(CHUNK),
        left: length.unwrap_or(u64::MAX),
        total: 0,
    };
    let line_end = memmem::Finder::new(b"\r\n");
    // Lines that turned out empty; they count only when another line follows.
    let mut empty = 0_u64;
    let mut rest = body;
    while !rest.is_empty() {
        let end = line_end.find(rest);
        let (line, tail) = rest.split_at(end.unwrap_or(rest.len()));
        rest = tail.get(2..).unwrap_or_default();
        let line = match form {
            Canonicalization::Simple => line,
            Canonicalization::Relaxed => trim_end(line),
        };
        if line.is_empty() {
            empty += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut empty) {
            out.write(b"\r\n");
        }
        match form {
            Canonicalization::Simple => out.write(line),
            Canonicalization::Relaxed => out.write_relaxed(line),
        }
        out.write(b"\r\n");
    }
    // An empty body is one line end in the simple form, and nothing in the relaxed one.
    if out.total == 0 && form == Canonicalization::Simple {
        out.write(b"\r\n");
    }
    out.context.update(&out.waiting);
    BodyHash { digest: out.context.finish().as_ref().to_vec(), total: out.total }
}

/// Octets that are hashed at once: a call for each word costs more than its hash.
const CHUNK: usize = 4 * 1024;

struct Hasher {
    context: Context,
    waiting: Vec<u8>,
    left: u64,
    total: u64,
}

impl Hasher {
    fn write(&mut self, bytes: &[u8]) {
        let length = bytes.len() as u64;
        self.total += length;
        let take = usize::try_from(self.left.min(length)).unwrap_or(bytes.len());
        self.left -= self.left.min(length);
        let bytes = bytes.get(..take).unwrap_or(bytes);
        if self.waiting.len() + bytes.len() > CHUNK {
            self.context.update(&self.waiting);
            self.waiting.clear();
        }
        if bytes.len() > CHUNK {
            self.context.update(bytes);
        } else {
            self.waiting.extend_from_slice(bytes);
        }
    }

    /// A line without white space at its end: each run of it becomes one space.
    fn write_relaxed(&mut self, line: &[u8]) {
        let is_blank = |at: usize| matches!(line.get(at), Some(b' ' | b'\t'));
        // What stands before this is written.
        let mut from = 0;
        for at in memchr2_iter(b' ', b'\t', line) {
            // Within a run that is written, or a space that stays as it is.
            if at < from || (line.get(at) == Some(&b' ') && !is_blank(at + 1)) {
                continue;
            }
            self.write(line.get(from..at).unwrap_or_default());
            self.write(b" ");
            from = at;
            while is_blank(from) {
                from += 1;
            }
        }
        self.write(line.get(from..).unwrap_or_default());
    }
}

/// A line without the white space at its end; only space and tab are that (RFC 6376 section 2.8).
fn trim_end(mut line: &[u8]) -> &[u8] {
    while let [head @ .., b' ' | b'\t'] = line {
        line = head;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::hash;
    use aws_lc_rs::digest::{SHA256, digest};
    use mail_auth::dkim::Canonicalization::{self, Relaxed, Simple};

    #[test]
    fn forms() {
        let table: &[(&str, Canonicalization, Option<u64>, &str)] = &[
            ("", Simple, None, "\r\n"),
            ("", Relaxed, None, ""),
            ("\r\n\r\n", Simple, None, "\r\n"),
            ("\r\n \r\n", Relaxed, None, ""),
            (" C \r\nD \t E\r\n\r\n\r\n", Simple, None, " C \r\nD \t E\r\n"),
            (" C \r\nD \t E\r\n\r\n\r\n", Relaxed, None, " C\r\nD E\r\n"),
            ("a\r\n\r\nb", Simple, None, "a\r\n\r\nb\r\n"),
            ("a\r\n\t\r\nb ", Relaxed, None, "a\r\n\r\nb\r\n"),
            ("a\r\n \r\n\r\n", Relaxed, None, "a\r\n"),
            ("a\rb\nc\r\n", Simple, None, "a\rb\nc\r\n"),
            ("hello\r\n", Simple, Some(5), "hello"),
            ("hello\r\n", Simple, Some(0), ""),
            ("he  llo\r\nx", Relaxed, Some(8), "he llo\r\n"),
            ("a b\tc \td\t\te  f g\r\n", Relaxed, None, "a b c d e f g\r\n"),
            ("  a  b c \r\n", Relaxed, Some(4), " a b"),
        ];
        for (body, form, length, want) in table {
            let got = hash(body.as_bytes(), *form, *length);
            assert_eq!(got.digest, digest(&SHA256, want.as_bytes()).as_ref(), "{body:?} {form:?} {length:?}");
        }
        assert_eq!(hash(b"he  llo\r\nx", Relaxed, Some(8)).total, 11);
    }
}
