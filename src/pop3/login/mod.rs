//! Logging in: which method, and its lines, one by one.
//!
//! Takes the credentials, what the server announced and its answers; gives the lines to send. It knows
//! no socket and no source of random numbers. A token is sent inside TLS only, a password as it is inside TLS or where
//! the connection was set to be in clear; the proof that a server owes (SCRAM) is demanded.

mod method;
mod scram;

pub use method::{Method, NoMethod, Offer};
pub use scram::ScramError;

use super::reply::Status;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use scram::Scram;
use secrecy::{ExposeSecret, SecretString};

/// A longer line with an initial response is none (RFC 5034 section 4): the response goes out on its own.
const MAX_LINE: usize = 255 - 2;

/// Who logs in.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub user: String,
    pub proof: Proof,
}

/// What shows that it is them. Never printed.
#[derive(Debug, Clone)]
pub enum Proof {
    Password(SecretString),
    /// An OAuth 2 access token.
    Token(SecretString),
}

/// Why a login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error(transparent)]
    NoMethod(#[from] NoMethod),
    /// The server said no.
    #[error("refused")]
    Refused {
        status: Status,
        /// The server has said before that it is because of the token.
        token: bool,
    },
    #[error("the username is too long for a login by {method}")]
    TooLong { method: Method },
    #[error("username and password may not have line ends or NUL octets in them")]
    Characters,
    #[error("the server's part of the login by {method} makes no sense")]
    Challenge { method: Method },
    #[error(transparent)]
    Scram(#[from] ScramError),
}

/// What to do after an answer.
#[derive(Debug)]
pub enum Next {
    Send(SecretString),
    Done,
}

/// One login under way.
pub struct Login {
    method: Method,
    stage: Stage,
    credentials: Credentials,
    /// What went out and no log may show, even if the server repeats it.
    secrets: Vec<SecretString>,
    /// What the server said about a token (RFC 7628 section 3.2.2).
    token_status: Option<String>,
}

enum Stage {
    /// USER was sent.
    User,
    /// AUTH was sent without a response; this one goes out when the server asks.
    Waiting(SecretString),
    /// AUTH was sent with this response; some servers ask for it all the same.
    Offered(SecretString),
    /// AUTH LOGIN was sent; the server asks for the name first.
    LoginName,
    /// The first message of SCRAM is out.
    ScramFirst(Box<Scram>),
    /// The proof of SCRAM is out.
    ScramFinal(Box<Scram>),
    /// The server has said no to a token and waits for a line before it says so in a status.
    TokenRefused,
    /// Everything is out.
    Sent,
}

impl Login {
    /// Begins: gives the first line. `timestamp` is the greeting's, `nonce` makes this login differ from
    /// every other (at least 18 octets for SCRAM).
    ///
    /// # Errors
    /// When username or password have characters that the method cannot send.
    pub fn begin(
        method: Method,
        credentials: &Credentials,
        timestamp: Option<&str>,
        nonce: &[u8],
    ) -> Result<(Self, SecretString), LoginError> {
        let user = &credentials.user;
        let proof = match &credentials.proof {
            Proof::Password(secret) | Proof::Token(secret) => secret.expose_secret(),
        };
        if user.contains(['\r', '\n', '\0']) || proof.contains(['\r', '\n', '\0']) {
            return Err(LoginError::Characters);
        }
        let mut secrets = vec![secret(proof)];
        let (stage, line) = match method {
            Method::UserPass => (Stage::User, format!("USER {user}")),
            Method::Apop => {
                let digest: String = Md5::new()
                    .chain_update(timestamp.unwrap_or_default())
                    .chain_update(proof)
                    .finalize()
                    .iter()
                    .fold(String::new(), |hex, octet| hex + &format!("{octet:02x}"));
                (Stage::Sent, format!("APOP {user} {digest}"))
            }
            Method::Plain => initial(method, &format!("\0{user}\0{proof}"), &mut secrets),
            Method::Login => (Stage::LoginName, "AUTH LOGIN".to_owned()),
            Method::ScramSha256 => {
                let (scram, first) = Scram::begin(user, proof, nonce)?;
                let first = STANDARD.encode(first);
                let line = format!("AUTH {method} {first}");
                if line.len() > MAX_LINE {
                    return Err(LoginError::TooLong { method });
                }
                (Stage::ScramFirst(Box::new(scram)), line)
            }
            // Exchange Online takes the token only after its `+`.
            Method::Xoauth2 => {
                let response = STANDARD.encode(format!("user={user}\x01auth=Bearer {proof}\x01\x01"));
                secrets.push(secret(&response));
                (Stage::Waiting(response.into()), format!("AUTH {method}"))
            }
            Method::Oauthbearer => {
                // A comma or an equals sign in the name is quoted (RFC 5801 section 4).
                let name = user.replace('=', "=3D").replace(',', "=2C");
                initial(method, &format!("n,a={name},\x01auth=Bearer {proof}\x01\x01"), &mut secrets)
            }
        };
        let login = Self { method, stage, credentials: credentials.clone(), secrets, token_status: None };
        Ok((login, line.into()))
    }

    /// The server has answered the last line.
    ///
    /// # Errors
    /// When it refuses, makes no sense, or does not prove what it must.
    pub fn answer(&mut self, status: Status) -> Result<Next, LoginError> {
        if !status.ok && !status.more {
            let token = matches!(self.stage, Stage::TokenRefused);
            return Err(LoginError::Refused { status: self.without_secrets(status), token });
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Sent);
        let method = self.method;
        if status.ok {
            return match stage {
                Stage::User => Ok(self.send_proof(|proof| format!("PASS {proof}"))),
                Stage::Offered(_) | Stage::Sent => Ok(Next::Done),
                // Said yes before it was shown anything, or before it showed what it must.
                Stage::ScramFirst(_) | Stage::ScramFinal(_) => Err(ScramError::Unproven.into()),
                Stage::Waiting(_) | Stage::LoginName | Stage::TokenRefused => Err(LoginError::Challenge { method }),
            };
        }
        let challenge = || STANDARD.decode(status.text.trim()).map_err(|_| LoginError::Challenge { method });
        match stage {
            Stage::Waiting(response) => Ok(Next::Send(response)),
            Stage::LoginName => {
                let password = match &self.credentials.proof {
                    Proof::Password(proof) | Proof::Token(proof) => STANDARD.encode(proof.expose_secret()),
                };
                self.secrets.push(secret(&password));
                self.stage = Stage::Waiting(password.into());
                Ok(Next::Send(STANDARD.encode(&self.credentials.user).into()))
            }
            Stage::ScramFirst(mut scram) => {
                let response = scram.respond(&challenge()?)?;
                self.stage = Stage::ScramFinal(scram);
                Ok(Next::Send(STANDARD.encode(response).into()))
            }
            Stage::ScramFinal(scram) => {
                scram.verify(&challenge()?)?;
                Ok(Next::Send(String::new().into()))
            }
            Stage::Offered(response) if status.text.trim().is_empty() => Ok(Next::Send(response)),
            // The reason as JSON; the refusal follows when this line is answered (RFC 7628 section 3.2.3).
            Stage::Offered(_) | Stage::Sent if matches!(method, Method::Xoauth2 | Method::Oauthbearer) => {
                self.token_status = token_status(&challenge().unwrap_or_default());
                self.stage = Stage::TokenRefused;
                let line = if method == Method::Oauthbearer { "AQ==" } else { "" };
                Ok(Next::Send(line.to_owned().into()))
            }
            Stage::User | Stage::Offered(_) | Stage::TokenRefused | Stage::Sent => {
                Err(LoginError::Challenge { method })
            }
        }
    }

    fn send_proof(&self, line: impl Fn(&str) -> String) -> Next {
        match &self.credentials.proof {
            Proof::Password(proof) | Proof::Token(proof) => Next::Send(line(proof.expose_secret()).into()),
        }
    }

    /// The status as it may be printed: some servers repeat the line that they refuse.
    fn without_secrets(&self, status: Status) -> Status {
        let mut text = status.text;
        for secret in self.secrets.iter().map(ExposeSecret::expose_secret).filter(|s| !s.is_empty()) {
            text = text.replace(secret, "[redacted]");
        }
        if let Some(said) = &self.token_status {
            text = format!("{text} (token: {said})");
        }
        Status { text, ..status }
    }
}

/// AUTH with its response where the line takes it, else the response when the server asks.
fn initial(method: Method, message: &str, secrets: &mut Vec<SecretString>) -> (Stage, String) {
    let response = STANDARD.encode(message);
    secrets.push(secret(&response));
    let line = format!("AUTH {method} {response}");
    if line.len() <= MAX_LINE {
        (Stage::Offered(response.into()), line)
    } else {
        (Stage::Waiting(response.into()), format!("AUTH {method}"))
    }
}

fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}

/// The `status` of a refused token: `400`, `invalid_token`.
fn token_status(json: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(json).ok()?;
    let status = json.get("status")?;
    let text = status.as_str().map_or_else(|| status.to_string(), str::to_owned);
    Some(text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect())
}
