//! How a mailbox is reached: where, with which TLS, with which credentials.

use super::failure::{Failure, FailureClass};
use crate::archive::ArchiveError;
use crate::config::{Limits, LoginMethod, Mailbox, Tls, TlsVersion, TokenSource};
use crate::pop3::{Client, Credentials, Endpoint, Method, Pop3Error, Proof, Retry, Security, Settings, tls};
use crate::token::{TokenError, Tokens};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::TlsConnector;

/// What mailboxes share on the way to their servers: TLS sessions to resume, access tokens that are still good.
#[derive(Default)]
pub struct Access {
    connectors: Mutex<HashMap<(Option<PathBuf>, tls::Minimum), TlsConnector>>,
    tokens: Mutex<HashMap<String, Arc<Tokens>>>,
}

/// Why a session could not be had or ended early, and whether another may do better.
#[derive(Debug)]
pub struct Broken {
    pub failure: Failure,
    pub retry: Retry,
}

impl From<Pop3Error> for Broken {
    fn from(error: Pop3Error) -> Self {
        Self { retry: error.retry(), failure: error.into() }
    }
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self { failure, retry: Retry::No }
    }
}

impl From<ArchiveError> for Broken {
    fn from(error: ArchiveError) -> Self {
        Self { failure: error.into(), retry: Retry::Later }
    }
}

impl From<TokenError> for Broken {
    fn from(error: TokenError) -> Self {
        let retry = if error.is_temporary() { Retry::Later } else { Retry::No };
        Self { failure: error.into(), retry }
    }
}

impl Access {
    /// Connects to a mailbox.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect(&self, mailbox: &Mailbox, limits: &Limits) -> Result<Client, Pop3Error> {
        let endpoint = Endpoint { host: mailbox.host.clone(), port: mailbox.port(), security: self.security(mailbox)? };
        let settings = Settings {
            connect_timeout: limits.connect_timeout.0,
            read_timeout: limits.read_timeout.0,
            command_timeout: limits.command_timeout.0,
            max_mail: limits.message_size.as_usize(),
        };
        Client::connect(&endpoint, settings).await
    }

    /// Logs in. A token that the server refuses is thrown away: the next try gets a new one.
    ///
    /// # Errors
    /// When there are no credentials, or as [`Client::login`].
    pub async fn login(&self, mailbox: &Mailbox, limits: &Limits, client: &mut Client) -> Result<Method, Broken> {
        let user = mailbox.username.clone();
        let Some(source) = &mailbox.oauth else {
            let Some(password) = &mailbox.password else {
                let message = "no password is set".to_owned();
                return Err(Failure { class: FailureClass::Configuration, message }.into());
            };
            let proof = Proof::Password(password.expose().to_owned().into());
            return Ok(client.login(&Credentials { user, proof }, method(mailbox.login)).await?);
        };
        let tokens = self.tokens(&mailbox.name, source, limits)?;
        let token = tokens.token(chrono::Utc::now()).await?;
        let proof = Proof::Token(token.expose().to_owned().into());
        match client.login(&Credentials { user, proof }, method(mailbox.login)).await {
            Err(error) if error.is_credentials() => {
                let another_may_do = tokens.refused(&token).await;
                let mut broken = Broken::from(error);
                broken.failure.message = format!("{}; {}", broken.failure.message, tokens.login_advice());
                if another_may_do {
                    broken.retry = Retry::Later;
                }
                Err(broken)
            }
            result => Ok(result?),
        }
    }

    fn security(&self, mailbox: &Mailbox) -> Result<Security, Pop3Error> {
        let minimum = match mailbox.tls_min {
            TlsVersion::V12 => tls::Minimum::Tls12,
            TlsVersion::V13 => tls::Minimum::Tls13,
        };
        let connector = || -> Result<TlsConnector, Pop3Error> {
            let key = (mailbox.ca_file.clone(), minimum);
            let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = connectors.get(&key) {
                return Ok(known.clone());
            }
            let connector = tls::connector(mailbox.ca_file.as_deref(), minimum)?;
            connectors.insert(key, connector.clone());
            Ok(connector)
        };
        Ok(match mailbox.tls {
            Tls::Implicit => Security::Tls(connector()?),
            Tls::Starttls => Security::Starttls(connector()?),
            Tls::None => Security::Clear,
        })
    }

    fn tokens(&self, mailbox: &str, source: &TokenSource, limits: &Limits) -> Result<Arc<Tokens>, TokenError> {
        let mut all = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(mailbox) {
            return Ok(Arc::clone(known));
        }
        let tokens = Arc::new(Tokens::new(source, limits.connect_timeout.0)?);
        all.insert(mailbox.to_owned(), Arc::clone(&tokens));
        Ok(tokens)
    }
}

/// The method that a setting names; `None` for the strongest.
fn method(setting: LoginMethod) -> Option<Method> {
    match setting {
        LoginMethod::Auto => None,
        LoginMethod::UserPass => Some(Method::UserPass),
        LoginMethod::Apop => Some(Method::Apop),
        LoginMethod::Plain => Some(Method::Plain),
        LoginMethod::Login => Some(Method::Login),
        LoginMethod::ScramSha256 => Some(Method::ScramSha256),
        LoginMethod::Xoauth2 => Some(Method::Xoauth2),
        LoginMethod::Oauthbearer => Some(Method::Oauthbearer),
    }
}
