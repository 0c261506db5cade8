//! Which way to log in.

use super::super::capability::Capabilities;
use super::{Credentials, Proof};
use std::fmt;

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// USER and PASS (RFC 1939 section 7).
    UserPass,
    /// APOP (RFC 1939 section 7).
    Apop,
    /// AUTH PLAIN (RFC 4616).
    Plain,
    /// AUTH LOGIN.
    Login,
    /// AUTH SCRAM-SHA-256 (RFC 7677).
    ScramSha256,
    /// AUTH XOAUTH2.
    Xoauth2,
    /// AUTH OAUTHBEARER (RFC 7628).
    Oauthbearer,
}

/// What is known of the server and the connection when a method is chosen.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    pub capabilities: &'a Capabilities,
    /// The greeting's timestamp, where it has one.
    pub timestamp: Option<&'a str>,
    /// Whether the connection is inside TLS.
    pub encrypted: bool,
}

/// No way to log in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMethod {
    /// Nothing of what is announced fits the credentials.
    #[error(
        "the server announces no login that takes {}: {}",
        if *token { "an access token (XOAUTH2, OAUTHBEARER)" } else { "a password" },
        if *token { "set a password instead of `oauth`, or ask who runs it" } else { "set `oauth`, or ask who runs it" }
    )]
    NotOffered { token: bool },
    /// The method that was set is not announced.
    #[error("the server does not announce the login by {0}: remove `login`, then the strongest one it has is taken")]
    Wanted(Method),
    /// The method that was set cannot use these credentials.
    #[error("{0} does not work with these credentials: remove `login`")]
    Unfit(Method),
    #[error("an access token is not sent without TLS: remove `tls: none`")]
    NeedsTls,
}

impl Method {
    /// The name that AUTH knows it by, and people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UserPass => "USER and PASS",
            Self::Apop => "APOP",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Xoauth2 => "XOAUTH2",
            Self::Oauthbearer => "OAUTHBEARER",
        }
    }

    /// The password or token itself travels.
    #[must_use]
    pub fn reveals(self) -> bool {
        !matches!(self, Self::ScramSha256 | Self::Apop)
    }

    fn takes_token(self) -> bool {
        matches!(self, Self::Xoauth2 | Self::Oauthbearer)
    }

    fn is_offered(self, offer: Offer) -> bool {
        match self {
            // A server that announces nothing at all is asked all the same.
            Self::UserPass => offer.capabilities.user(),
            Self::Apop => offer.timestamp.is_some(),
            Self::Plain | Self::Login | Self::ScramSha256 | Self::Xoauth2 | Self::Oauthbearer => {
                offer.capabilities.sasl(self.name())
            }
        }
    }

    /// The method that was set, or the strongest that the server offers.
    ///
    /// SCRAM is first: the password does not travel and the server must know it too. Inside TLS the others differ
    /// in little, and APOP is last: a server that has timestamps in its greeting for everyone has an APOP secret for
    /// few. Outside TLS it is second, because all others show the password to whoever listens.
    ///
    /// # Errors
    /// When there is none.
    pub fn choose(credentials: &Credentials, offer: Offer, wanted: Option<Self>) -> Result<Self, NoMethod> {
        let token = matches!(credentials.proof, Proof::Token(_));
        if token && !offer.encrypted {
            return Err(NoMethod::NeedsTls);
        }
        if let Some(method) = wanted {
            return if method.takes_token() != token {
                Err(NoMethod::Unfit(method))
            // USER is so old that some servers have it and say nothing.
            } else if method.is_offered(offer) || method == Self::UserPass {
                Ok(method)
            } else {
                Err(NoMethod::Wanted(method))
            };
        }
        let order: &[Self] = match (token, offer.encrypted) {
            (true, _) => &[Self::Oauthbearer, Self::Xoauth2],
            (false, true) => &[Self::ScramSha256, Self::Plain, Self::UserPass, Self::Login, Self::Apop],
            (false, false) => &[Self::ScramSha256, Self::Apop, Self::Plain, Self::UserPass, Self::Login],
        };
        order.iter().copied().find(|m| m.is_offered(offer)).ok_or(NoMethod::NotOffered { token })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{Capabilities, Credentials, Method, NoMethod, Offer, Proof};

    #[test]
    fn the_strongest_that_fits() {
        let stamp = Some("<1.2@pop.example>");
        let refused = |token| Err(NoMethod::NotOffered { token });
        let table: [(&str, Option<&str>, bool, bool, Result<Method, NoMethod>); 12] = [
            ("SASL PLAIN LOGIN SCRAM-SHA-256|USER", stamp, false, true, Ok(Method::ScramSha256)),
            ("SASL PLAIN LOGIN|USER", stamp, false, true, Ok(Method::Plain)),
            ("SASL LOGIN|USER", None, false, true, Ok(Method::UserPass)),
            ("SASL LOGIN", None, false, true, Ok(Method::Login)),
            ("SASL CRAM-MD5", stamp, false, true, Ok(Method::Apop)),
            ("SASL PLAIN|USER", stamp, false, false, Ok(Method::Apop)),
            ("SASL PLAIN|USER", None, false, false, Ok(Method::Plain)),
            ("", None, false, true, Ok(Method::UserPass)),
            ("SASL GSSAPI", None, false, true, refused(false)),
            ("SASL PLAIN XOAUTH2 OAUTHBEARER", None, true, true, Ok(Method::Oauthbearer)),
            ("SASL PLAIN", None, true, true, refused(true)),
            ("SASL XOAUTH2", None, true, false, Err(NoMethod::NeedsTls)),
        ];
        for (capabilities, timestamp, token, encrypted, expected) in table {
            let capabilities = Capabilities::parse(capabilities.split('|').map(str::as_bytes));
            let secret = "s".to_owned().into();
            let proof = if token { Proof::Token(secret) } else { Proof::Password(secret) };
            let credentials = Credentials { user: "ana".to_owned(), proof };
            let offer = Offer { capabilities: &capabilities, timestamp, encrypted };
            assert_eq!(Method::choose(&credentials, offer, None), expected, "{capabilities:?}");
        }
    }

    #[test]
    fn a_method_that_was_set_is_taken_or_refused() {
        let capabilities = Capabilities::parse([b"SASL PLAIN LOGIN".as_slice()].into_iter());
        let offer = Offer { capabilities: &capabilities, timestamp: None, encrypted: true };
        let credentials = Credentials { user: "ana".to_owned(), proof: Proof::Password("s".to_owned().into()) };
        for (wanted, expected) in [
            (Method::Login, Ok(Method::Login)),
            (Method::UserPass, Ok(Method::UserPass)),
            (Method::ScramSha256, Err(NoMethod::Wanted(Method::ScramSha256))),
            (Method::Xoauth2, Err(NoMethod::Unfit(Method::Xoauth2))),
        ] {
            assert_eq!(Method::choose(&credentials, offer, Some(wanted)), expected);
        }
    }
}
