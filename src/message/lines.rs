//! Line ends: mails come with CRLF from a server, with LF or CR out of files.

use memchr::{memchr, memchr2};
use std::borrow::Cow;

/// The mail with CRLF line ends, borrowed where it has them already.
///
/// What the first line ends with decides. A mail whose header lines end with CRLF is left alone,
/// lone CR or LF in its body included: DKIM signed those octets (RFC 6376 section 3.4). Otherwise
/// every lone LF or CR that plays the part of a line end becomes CRLF.
#[must_use]
pub fn to_crlf(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr2(b'\r', b'\n', bytes) else {
        return Cow::Borrowed(bytes);
    };
    match (bytes.get(first), bytes.get(first + 1)) {
        (Some(b'\r'), Some(b'\n')) => Cow::Borrowed(bytes),
        // Gateways in text mode make CR CR LF of CRLF.
        (Some(b'\r'), Some(b'\r')) if bytes.get(first + 2) == Some(&b'\n') => Cow::Owned(widen(bytes, b'\n')),
        (Some(b'\r'), _) => Cow::Owned(widen(bytes, b'\r')),
        _ => Cow::Owned(widen(bytes, b'\n')),
    }
}

/// Puts CRLF for each `end`; a CRLF that is there already stays one.
fn widen(mut rest: &[u8], end: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(rest.len() + rest.len() / 32 + 16);
    while let Some((line, tail)) = memchr(end, rest).and_then(|at| rest.split_at_checked(at)) {
        let line = if end == b'\n' {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            line.strip_suffix(b"\r").unwrap_or(line)
        } else {
            line
        };
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
        rest = tail.get(1..).unwrap_or_default();
        if end == b'\r' {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::to_crlf;

    #[test]
    fn the_three_line_ends_become_one() {
        let table: [(&[u8], &[u8]); 8] = [
            (b"A: 1\r\r\n\r\r\nx\r\r\n", b"A: 1\r\n\r\nx\r\n"),
            (b"A: 1\n\nx\n", b"A: 1\r\n\r\nx\r\n"),
            (b"A: 1\r\rx\r", b"A: 1\r\n\r\nx\r\n"),
            (b"A: 1\r\n\r\nx\ny\r\n", b"A: 1\r\n\r\nx\ny\r\n"),
            (b"A: 1\nB: 2\r\n\r\nx", b"A: 1\r\nB: 2\r\n\r\nx"),
            (b"no line end", b"no line end"),
            (b"", b""),
            (b"\r", b"\r\n"),
        ];
        for (given, expected) in table {
            assert_eq!(to_crlf(given).as_ref(), expected, "{given:?}");
        }
    }
}
