//! The mails of an mbox (RFC 4155), one after another, however large the mbox is.

use super::collect::Collector;
use crate::message::RawMail;
use std::io::{self, BufRead, Read};

/// Octets of a line that are looked at as one piece.
const LINE: u64 = 64 * 1024;

/// Reads mails from an mbox. A "From " line behind an empty one begins a mail; `>From ` within one loses its mark.
pub struct Mbox<R> {
    from: R,
    max: usize,
    mail: Option<Collector>,
}

impl<R: BufRead> Mbox<R> {
    /// The mails in `from`, of which up to `max` octets are kept.
    pub fn new(from: R, max: usize) -> Self {
        Self { from, max, mail: None }
    }
}

impl<R: BufRead> Iterator for Mbox<R> {
    type Item = io::Result<RawMail>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = Vec::with_capacity(256);
        // Where this mail's first line begins, its "From " line has been read.
        let mut begins_line = true;
        let mut after_empty = self.mail.is_none();
        loop {
            piece.clear();
            match self.from.by_ref().take(LINE).read_until(b'\n', &mut piece) {
                Ok(0) => return self.mail.take().map(|m| Ok(m.finish())),
                Ok(_) => {}
                Err(error) => {
                    self.mail = None;
                    return Some(Err(error));
                }
            }
            if begins_line && after_empty && piece.starts_with(b"From ") {
                let done = self.mail.replace(Collector::new(self.max));
                if !piece.ends_with(b"\n")
                    && let Err(error) = self.from.skip_until(b'\n')
                {
                    return Some(Err(error));
                }
                if let Some(done) = done {
                    return Some(Ok(done.finish()));
                }
                after_empty = false;
                continue;
            }
            if let Some(mail) = &mut self.mail {
                let quoted = begins_line
                    && piece.first() == Some(&b'>')
                    && piece.iter().position(|c| *c != b'>').and_then(|at| piece.get(at..)).is_some_and(is_from);
                mail.push(if quoted { piece.get(1..).unwrap_or_default() } else { &piece });
            }
            after_empty = begins_line && matches!(piece.as_slice(), b"\n" | b"\r\n");
            begins_line = piece.ends_with(b"\n");
        }
    }
}

fn is_from(line: &[u8]) -> bool {
    line.starts_with(b"From ")
}

#[cfg(test)]
mod tests {
    use super::Mbox;

    #[test]
    fn mails_of_an_mbox() {
        let table: [(&str, &[&str]); 5] = [
            ("From a\nX: 1\n\n1\n\nFrom b\nX: 2\n\n2\n", &["X: 1\n\n1\n\n", "X: 2\n\n2\n"]),
            // Not behind an empty line: somebody wrote it.
            ("From a\nX: 1\n\nhello\nFrom here on\n", &["X: 1\n\nhello\nFrom here on\n"]),
            (
                "From a\r\nX: 1\r\n\r\n>From me\r\n>>From you\r\n> other\r\n",
                &["X: 1\r\n\r\nFrom me\r\n>From you\r\n> other\r\n"],
            ),
            ("no mbox at all\n", &[]),
            ("", &[]),
        ];
        for (text, expected) in table {
            let mails: Vec<String> = Mbox::new(text.as_bytes(), 1 << 20)
                .map(|m| String::from_utf8_lossy(m.expect("reads").bytes()).into_owned())
                .collect();
            assert_eq!(mails, expected, "{text}");
        }
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let long = "From ".repeat(100_000);
        for (text, expected) in
            [(format!("From a\nX: 1\n\nx{long}\n\nFrom b\nX: 2\n"), 2), (format!("{long}\nX: 1\n\n{long}\nX: 2\n"), 2)]
        {
            let mails: Vec<_> = Mbox::new(text.as_bytes(), 1_000).map(|m| m.expect("reads")).collect();
            assert_eq!(mails.len(), expected);
            assert!(mails.iter().all(|m| m.bytes().len() <= 1_000));
        }
    }
}
