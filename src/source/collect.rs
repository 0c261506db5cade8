//! A mail that comes in pieces, of which no more than the limit is kept.

use crate::message::{Digester, RawMail};
use crate::pop3::codec::HEAD;
use std::io::{self, BufRead};

/// Puts a mail together.
pub struct Collector {
    kept: Vec<u8>,
    max: usize,
    size: u64,
    /// Of a mail that is too large: its digest so far.
    beyond: Option<Digester>,
}

impl Collector {
    /// A collector that keeps mails of up to `max` octets whole.
    pub fn new(max: usize) -> Self {
        Self { kept: Vec::new(), max, size: 0, beyond: None }
    }

    /// Adds octets.
    pub fn push(&mut self, octets: &[u8]) {
        self.size += octets.len() as u64;
        match &mut self.beyond {
            Some(digester) => digester.update(octets),
            None if self.kept.len() + octets.len() <= self.max => self.kept.extend_from_slice(octets),
            None => {
                let mut digester = Digester::default();
                digester.update(&self.kept);
                digester.update(octets);
                self.beyond = Some(digester);
                let head = HEAD.min(self.max);
                let missing = head.saturating_sub(self.kept.len());
                self.kept.extend(octets.iter().take(missing));
                self.kept.truncate(head);
                self.kept.shrink_to_fit();
            }
        }
    }

    /// Everything that `from` still has.
    pub fn read_all(mut self, from: &mut dyn BufRead) -> io::Result<RawMail> {
        loop {
            let octets = match from.fill_buf() {
                Ok([]) => return Ok(self.finish()),
                Ok(octets) => octets,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let read = octets.len();
            self.push(octets);
            from.consume(read);
        }
    }

    /// The mail.
    pub fn finish(self) -> RawMail {
        match self.beyond {
            None => RawMail::new(self.kept),
            Some(digester) => RawMail::cut(self.kept, digester.finish(), self.size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Collector;
    use crate::message::{Digest, RawMail};

    #[test]
    fn pieces_make_the_same_mail_as_the_whole() {
        let octets: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        for max in [0, 1, 4_999, 9_999, 10_000, 20_000] {
            let mut collector = Collector::new(max);
            octets.chunks(777).for_each(|piece| collector.push(piece));
            let mail = collector.finish();
            let head = octets.iter().copied().take(if max < 10_000 { max } else { 10_000 }).collect();
            let expected =
                if max < 10_000 { RawMail::cut(head, Digest::of(&octets), 10_000) } else { RawMail::new(head) };
            assert!(mail == expected, "{max}");
        }
    }
}
