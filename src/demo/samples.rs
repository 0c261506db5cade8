//! The sample mails, and what the program must say of each.

use super::dns::{ZoneError, read_zone};
use crate::auth::dns::Zone;
use crate::message::to_crlf;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use include_dir::{Dir, include_dir};
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256, SigningKey};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::Deserialize;

static MAILS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/demo/mails");

/// The headers that are signed.
const SIGNED: [&str; 5] = ["From", "To", "Subject", "Date", "Message-ID"];

/// One sample: a mail, where it lies, and what is expected of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    pub file: String,
    pub mailbox: String,
    pub about: String,
    pub kinds: Vec<String>,
    pub recipients: Vec<String>,
    #[serde(default)]
    pub category: Option<String>,
    #[serde(default, rename = "type")]
    pub bounce_type: Option<String>,
    #[serde(default)]
    pub subtype: Option<String>,
    #[serde(default)]
    pub language: Option<String>,
    #[serde(default)]
    pub campaign: Option<String>,
    #[serde(default)]
    pub spf: Option<String>,
    #[serde(default)]
    pub dmarc: Option<String>,
    pub dkim: Vec<String>,
    #[serde(default)]
    sign: Vec<Sign>,
    #[serde(default)]
    tamper: Option<Tamper>,
    /// The mail as it lies in the mailbox: CRLF, signed, tampered with.
    #[serde(skip)]
    pub mail: Vec<u8>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sign {
    domain: String,
    selector: String,
    key: KeyKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeyKind {
    Rsa,
    Ed25519,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tamper {
    Body,
    Subject,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    sample: Vec<Sample>,
}

/// Why the samples cannot be made. None of this happens with what is embedded; a test holds that.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    #[error("samples.toml cannot be read")]
    List(#[from] toml::de::Error),
    #[error("the zone cannot be read")]
    Zone(#[from] ZoneError),
    #[error("the sample {0} is missing")]
    Missing(String),
    #[error("a key or a signature cannot be made: {0}")]
    Key(String),
}

/// All samples, and the zone that their verdicts rest on.
pub struct Samples {
    pub list: Vec<Sample>,
    pub zone: Zone,
}

struct Keys {
    rsa: RsaKey<Sha256>,
    ed25519: Ed25519Key,
}

impl Samples {
    /// Makes the keys, signs the mails, reads the zone.
    ///
    /// # Errors
    /// When something embedded is wrong.
    pub fn make() -> Result<Self, SampleError> {
        let keys = Keys::make()?;
        let mut list = toml::from_str::<List>(include_str!("samples.toml"))?.sample;
        for sample in &mut list {
            let file = MAILS.get_file(&sample.file).ok_or_else(|| SampleError::Missing(sample.file.clone()))?;
            let mut mail = to_crlf(file.contents()).into_owned();
            // Signatures go on top, so the last one in the list is made first.
            for sign in sample.sign.iter().rev() {
                mail = keys.sign(&mail, sign)?;
            }
            sample.mail = match sample.tamper {
                None => mail,
                Some(Tamper::Body) => [mail.as_slice(), b"This line was added on the way.\r\n"].concat(),
                Some(Tamper::Subject) => change_subject(&mail),
            };
        }
        let zone = read_zone(include_str!("zone.txt"), &keys.records())?;
        Ok(Self { list, zone })
    }
}

impl Keys {
    fn make() -> Result<Self, SampleError> {
        let wrong = |e: &dyn std::fmt::Display| SampleError::Key(e.to_string());
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|e| wrong(&e))?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|e| wrong(&e))?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.as_ref().to_vec()));
        let rsa = RsaKey::from_key_der(der).map_err(|e| wrong(&e))?;
        let pkcs8 = Ed25519Key::generate_pkcs8().map_err(|e| wrong(&e))?;
        let ed25519 = Ed25519Key::from_pkcs8_der(&pkcs8).map_err(|e| wrong(&e))?;
        Ok(Self { rsa, ed25519 })
    }

    fn records(&self) -> Vec<(&'static str, String)> {
        vec![
            ("rsa", format!("v=DKIM1; k=rsa; p={}", STANDARD.encode(self.rsa.public_key()))),
            ("ed25519", format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(self.ed25519.public_key()))),
        ]
    }

    fn sign(&self, mail: &[u8], sign: &Sign) -> Result<Vec<u8>, SampleError> {
        let header = match sign.key {
            KeyKind::Rsa => signature(&self.rsa, sign, mail),
            KeyKind::Ed25519 => signature(&self.ed25519, sign, mail),
        }?;
        Ok([header.as_bytes(), mail].concat())
    }
}

fn signature<K: SigningKey>(key: &K, sign: &Sign, mail: &[u8]) -> Result<String, SampleError> {
    DkimSigner::from_key(Borrowed(key))
        .domain(&sign.domain)
        .selector(&sign.selector)
        .headers(SIGNED)
        .sign(mail)
        .map(|s| s.to_header())
        .map_err(|e| SampleError::Key(e.to_string()))
}

/// A signer owns its key; ours sign many mails.
struct Borrowed<'k, K>(&'k K);

impl<K: SigningKey> SigningKey for Borrowed<'_, K> {
    type Hasher = K::Hasher;

    fn sign(&self, input: impl mail_auth::common::headers::Writable) -> mail_auth::Result<Vec<u8>> {
        self.0.sign(input)
    }

    fn hash(&self, data: impl mail_auth::common::headers::Writable) -> mail_auth::common::crypto::HashOutput {
        self.0.hash(data)
    }

    fn algorithm(&self) -> mail_auth::common::crypto::Algorithm {
        self.0.algorithm()
    }
}

fn change_subject(mail: &[u8]) -> Vec<u8> {
    let needle = b"\r\nSubject: ";
    match memchr::memmem::find(mail, needle).and_then(|at| mail.split_at_checked(at + needle.len())) {
        Some((head, tail)) => [head, b"[changed] ", tail].concat(),
        None => mail.to_vec(),
    }
}
