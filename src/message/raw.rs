//! The octets of a mail, as the server sent them.

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use std::fmt;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut digester = Digester::default();
        digester.update(bytes);
        digester.finish()
    }
}

impl Digest {
    /// Reads what `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_display(&self.0).fmt(f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// SHA-256 over octets that come in pieces.
#[derive(Clone)]
pub struct Digester(Context);

impl Default for Digester {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Digester {
    /// Adds octets.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything added.
    #[must_use]
    pub fn finish(self) -> Digest {
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(self.0.finish().as_ref()) {
            *to = *from;
        }
        Digest(out)
    }
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digester")
    }
}

/// A mail as it came, with what identifies it.
#[derive(Clone, PartialEq, Eq)]
pub struct RawMail {
    bytes: Vec<u8>,
    digest: Digest,
    size: u64,
    cut: bool,
}

impl RawMail {
    /// A whole mail.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        let digest = Digest::of(&bytes);
        let size = bytes.len() as u64;
        Self { bytes, digest, size, cut: false }
    }

    /// The beginning of a mail that was larger than the limit; digest and size are the whole mail's.
    #[must_use]
    pub fn cut(head: Vec<u8>, digest: Digest, size: u64) -> Self {
        Self { bytes: head, digest, size, cut: true }
    }

    /// The octets that were kept.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the whole mail.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Octets of the whole mail.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether only the beginning was kept.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

impl fmt::Debug for RawMail {
    /// Never the octets: they may reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMail").field("size", &self.size).field("cut", &self.cut).finish_non_exhaustive()
    }
}
