//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's part, without channel binding.
//!
//! Our own, because rsasl 2.3.1 indexes into what the server sends (`r=x,` makes it panic), takes any number
//! of iterations, and brings a second SHA-2.

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use std::num::NonZeroU32;

/// Fewer iterations make a recorded login easy to guess the password from (RFC 7677 section 4).
const FEWEST: u32 = 4_096;
/// More would let a server keep this program busy: a million take about half a second.
const MOST: u32 = 1_000_000;
/// Nonce and salt of real servers have 16 to 64 octets.
const MAX_MESSAGE: usize = 4_096;

/// Why an exchange failed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScramError {
    #[error("username or password has characters that SCRAM cannot send (RFC 4013): set `login: plain`")]
    Characters,
    #[error("the server's SCRAM message cannot be read")]
    Message,
    #[error("the server asks for {0} SCRAM iterations: {FEWEST} to {MOST} are taken; set `login: plain` inside TLS")]
    Iterations(u32),
    /// What this is for: whoever answers does not know the password.
    #[error("the server did not prove that it knows the password: it may not be the one it says it is")]
    Unproven,
    #[error("the server refused the SCRAM proof: check username and password")]
    Refused,
}

/// One exchange.
pub(super) struct Scram {
    password: SecretString,
    nonce: String,
    /// The client's first message without its header.
    first: String,
    /// What the server must send at the end.
    server_signature: Vec<u8>,
}

impl Scram {
    /// Gives the client's first message.
    pub(super) fn begin(user: &str, password: &str, nonce: &[u8]) -> Result<(Self, String), ScramError> {
        let prepared = |text: &str| stringprep::saslprep(text).map(String::from).map_err(|_| ScramError::Characters);
        let user = prepared(user)?.replace('=', "=3D").replace(',', "=2C");
        let nonce = STANDARD.encode(nonce);
        let first = format!("n={user},r={nonce}");
        let message = format!("n,,{first}");
        Ok((Self { password: prepared(password)?.into(), nonce, first, server_signature: Vec::new() }, message))
    }

    /// Takes the server's first message, gives the proof.
    pub(super) fn respond(&mut self, challenge: &[u8]) -> Result<String, ScramError> {
        let challenge = text(challenge)?;
        let mut parts = challenge.split(',');
        let mut part = |name: &str| parts.next().and_then(|p| p.strip_prefix(name)).ok_or(ScramError::Message);
        // A mandatory extension (`m=`) would stand first and is none of these.
        let nonce = part("r=")?;
        let salt = STANDARD.decode(part("s=")?).map_err(|_| ScramError::Message)?;
        let iterations: u32 = part("i=")?.parse().map_err(|_| ScramError::Message)?;
        // The server's nonce is ours and something of its own.
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) || salt.is_empty() {
            return Err(ScramError::Message);
        }
        let count = NonZeroU32::new(iterations)
            .filter(|i| (FEWEST..=MOST).contains(&i.get()))
            .ok_or(ScramError::Iterations(iterations))?;
        let mut salted = [0; digest::SHA256_OUTPUT_LEN];
        let password = self.password.expose_secret().as_bytes();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, count, &salt, password, &mut salted);
        let sign = |key: &[u8], message: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let server_key = sign(&salted, b"Server Key");
        // `biws` is the header `n,,` in base64.
        let last = format!("c=biws,r={nonce}");
        let all = format!("{},{challenge},{last}", self.first);
        let signature = sign(stored_key.as_ref(), all.as_bytes());
        let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        self.server_signature = sign(server_key.as_ref(), all.as_bytes()).as_ref().to_vec();
        Ok(format!("{last},p={}", STANDARD.encode(proof)))
    }

    /// Takes the server's last message: whether it knows the password.
    pub(super) fn verify(&self, last: &[u8]) -> Result<(), ScramError> {
        let last = text(last)?;
        if let Some(error) = last.strip_prefix("e=") {
            // RFC 5802 section 7; the others are not the password's fault.
            let refused = ["invalid-proof", "unknown-user"].iter().any(|e| error.starts_with(e));
            return Err(if refused { ScramError::Refused } else { ScramError::Message });
        }
        let signature = last.strip_prefix("v=").and_then(|v| v.split(',').next()).ok_or(ScramError::Message)?;
        let signature = STANDARD.decode(signature).map_err(|_| ScramError::Message)?;
        constant_time::verify_slices_are_equal(&signature, &self.server_signature).map_err(|_| ScramError::Unproven)
    }
}

fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MAX_MESSAGE {
        return Err(ScramError::Message);
    }
    std::str::from_utf8(message).map_err(|_| ScramError::Message)
}

#[cfg(test)]
mod tests {
    use super::{Scram, ScramError};

    /// The example of RFC 7677 section 3; its nonce is given as it stands there.
    fn example() -> Scram {
        let (mut scram, _) = Scram::begin("user", "pencil", b"").expect("begins");
        scram.nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
        scram.first = "n=user,r=rOprNGfwEbeRWgbNEkqO".to_owned();
        scram
    }

    const FIRST: &[u8] = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn the_example_of_rfc_7677() {
        let mut scram = example();
        assert_eq!(
            scram.respond(FIRST).expect("responds"),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(scram.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
        assert_eq!(scram.verify(b"v=AAriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Err(ScramError::Unproven));
        assert_eq!(scram.verify(b"e=invalid-proof"), Err(ScramError::Refused));
        assert_eq!(scram.verify(b""), Err(ScramError::Message));
    }

    #[test]
    fn names_are_quoted_and_prepared() {
        let (_, first) = Scram::begin("a=b,c", "I\u{ad}X", b"123456789012345678").expect("begins");
        assert_eq!(first, "n,,n=a=3Db=2Cc,r=MTIzNDU2Nzg5MDEyMzQ1Njc4");
        assert!(matches!(Scram::begin("a\u{7}", "x", b""), Err(ScramError::Characters)));
    }

    #[test]
    fn what_a_hostile_server_may_send() {
        let table: [(&[u8], ScramError); 11] = [
            (b"", ScramError::Message),
            (b"r=x,", ScramError::Message),
            (b"r=rOprNGfwEbeRWgbNEkqO,s=QUJD,i=4096", ScramError::Message),
            (b"r=other,s=QUJD,i=4096", ScramError::Message),
            (b"m=x,r=rOprNGfwEbeRWgbNEkqOy,s=QUJD,i=4096", ScramError::Message),
            (b"r=rOprNGfwEbeRWgbNEkqOy,s=,i=4096", ScramError::Message),
            (b"r=rOprNGfwEbeRWgbNEkqOy,s=QUJD,i=99999999999", ScramError::Message),
            (b"r=rOprNGfwEbeRWgbNEkqOy,s=QUJD,i=2147483648", ScramError::Iterations(2_147_483_648)),
            (b"r=rOprNGfwEbeRWgbNEkqOy,s=QUJD,i=1", ScramError::Iterations(1)),
            (b"r=rOprNGfwEbeRWgbNEkqOy,s=QUJD,i=0", ScramError::Iterations(0)),
            (&[0xff; 9000], ScramError::Message),
        ];
        for (message, error) in table {
            assert_eq!(example().respond(message), Err(error), "{}", String::from_utf8_lossy(message));
        }
    }
}
