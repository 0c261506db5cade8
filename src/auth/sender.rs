//! SPF of the envelope sender that the boundary names.

use super::boundary::{Boundary, Sender};
use super::dkim::tags;
use super::dns::Resolver;
use super::spf;
use crate::event::{AuthResult, AuthWord};
use chrono::{DateTime, Utc};

/// An envelope sender in the form that SPF takes.
pub struct Envelope<'a> {
    boundary: &'a Boundary,
    mail_from: String,
}

impl<'a> Envelope<'a> {
    pub fn new(boundary: &'a Boundary, sender: &Sender) -> Self {
        // SPF knows A-labels only (RFC 8616 section 4).
        let ascii = |domain: &str| tags::domain(domain).unwrap_or_else(|| domain.to_owned());
        let mail_from = match sender.address.as_deref().unwrap_or_default() {
            address if address.is_ascii() => address.to_owned(),
            address => address.rsplit_once('@').map_or_else(String::new, |(local, d)| format!("{local}@{}", ascii(d))),
        };
        Self { boundary, mail_from }
    }

    fn query(&self, now: DateTime<Utc>) -> spf::Query<'_> {
        spf::Query {
            client_ip: self.boundary.client_ip,
            helo: &self.boundary.helo,
            mail_from: &self.mail_from,
            receiver: &self.boundary.by,
            now: now.timestamp(),
        }
    }

    /// The domain that will be checked, as DNS has it; the HELO name for the null sender.
    pub fn domain(&self) -> Option<String> {
        tags::domain(self.query(DateTime::UNIX_EPOCH).domain())
    }

    pub async fn check(&self, resolver: &dyn Resolver, now: DateTime<Utc>) -> AuthResult {
        // Nobody reads the domain's explanation: it would cost questions of the sender's choice.
        let limits = spf::Limits { explanation: 0, ..spf::Limits::default() };
        let outcome = spf::check_host(resolver, &limits, &self.query(now)).await;
        AuthResult {
            domain: Some(outcome.domain).filter(|d| !d.is_empty()),
            reason: outcome.problem.or(outcome.mechanism),
            ..AuthResult::new(word(outcome.result))
        }
    }
}

/// The word in mail-auth's language.
pub fn for_mail_auth(word: AuthWord) -> mail_auth::SpfResult {
    match word {
        AuthWord::Pass => mail_auth::SpfResult::Pass,
        AuthWord::Fail => mail_auth::SpfResult::Fail,
        AuthWord::SoftFail => mail_auth::SpfResult::SoftFail,
        AuthWord::Neutral | AuthWord::Policy => mail_auth::SpfResult::Neutral,
        AuthWord::TempError => mail_auth::SpfResult::TempError,
        AuthWord::PermError => mail_auth::SpfResult::PermError,
        AuthWord::None => mail_auth::SpfResult::None,
    }
}

fn word(result: spf::SpfResult) -> AuthWord {
    match result {
        spf::SpfResult::None => AuthWord::None,
        spf::SpfResult::Neutral => AuthWord::Neutral,
        spf::SpfResult::Pass => AuthWord::Pass,
        spf::SpfResult::Fail => AuthWord::Fail,
        spf::SpfResult::SoftFail => AuthWord::SoftFail,
        spf::SpfResult::TempError => AuthWord::TempError,
        spf::SpfResult::PermError => AuthWord::PermError,
    }
}
