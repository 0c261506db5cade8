//! DNS answers for mail-auth.
//!
//! mail-auth asks for a name's typed record and looks into a cache first. Every name it will ask
//! for is known from the mail: the keys of its signatures, and the tree walk of its domains. So
//! the answers are fetched here, concurrently, through our own [`Resolver`], and handed over as
//! that cache. Its own resolver has no name server and is never reached.

mod key;
mod policy;

use super::dns::{Answer, Code, DnsError, RecordType, Resolver};
use crate::event::AuthWord;
use futures_util::future::join_all;
use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use key::{Key, Problem};
use mail_auth::dmarc::{Dmarc, Policy};
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::{
    AuthenticatedMessage, DnsError as MailAuthDns, Error, MX, MessageAuthenticator, Parameters, RecordSet,
    ResolverCache, Txt,
};
use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Parsed keys kept for the run.
const MAX_KEYS: usize = 10_000;
/// A larger answer is read again each time: an RSA key of 4096 bits has 750 octets.
const MAX_KEPT: usize = 4_096;

/// Fetches and parses what mail-auth needs; one for a whole run.
pub struct Lookups {
    verifier: MessageAuthenticator,
    parsed: Mutex<HashMap<Box<str>, (Arc<Answer>, Key)>>,
}

/// The answers for one mail, in the form that mail-auth's cache has.
#[derive(Default)]
pub struct Answers {
    txt: TxtAnswers,
    keys: HashMap<String, Key>,
    /// Whether the author domain does not exist; asked only where a policy depends on it.
    missing: bool,
}

/// A cache of TXT answers that is complete: what is not there was never asked.
#[derive(Default)]
pub struct TxtAnswers(HashMap<Box<str>, Txt>);

/// A cache for the types that are never asked through mail-auth.
pub struct Nothing;

type MailAuthParameters<'x, P> = Parameters<'x, P, TxtAnswers, Nothing, Nothing, Nothing, Nothing>;

impl Lookups {
    pub fn new() -> Result<Self, DnsError> {
        let mut options = ResolverOpts::default();
        options.cache_size = 0;
        let verifier = MessageAuthenticator::new(ResolverConfig::from_parts(None, Vec::new(), Vec::new()), options)
            .map_err(|e| DnsError::Servers(Box::new(e)))?;
        Ok(Self { verifier, parsed: Mutex::default() })
    }

    pub fn verifier(&self) -> &MessageAuthenticator {
        &self.verifier
    }

    /// Fetches the keys of every signature of `message`, and the DMARC records of the tree walks
    /// of its author domain, of SPF's domain and of the signing domains.
    pub async fn fetch(
        &self,
        resolver: &dyn Resolver,
        message: &AuthenticatedMessage<'_>,
        from: Option<&str>,
        spf_domain: Option<&str>,
    ) -> Answers {
        let mut keys: BTreeSet<String> = BTreeSet::new();
        let mut policies: BTreeSet<String> = BTreeSet::new();
        for header in &message.dkim_headers {
            keys.insert(key_name(&header.header.s, &header.header.d));
        }
        // Of the message signatures of a chain only the newest is verified (RFC 8617 section 5.2).
        if let Some(header) = message.ams_headers.iter().max_by_key(|h| h.header.i) {
            keys.insert(key_name(&header.header.s, &header.header.d));
        }
        for header in &message.as_headers {
            keys.insert(key_name(&header.header.s, &header.header.d));
        }
        if let Some(from) = from {
            policies.extend(policy::names(from));
            policies.extend(spf_domain.map(policy::names).unwrap_or_default());
            for header in &message.dkim_headers {
                policies.extend(policy::names(&header.header.d));
            }
        }
        let names: Vec<(String, bool)> =
            keys.into_iter().map(|n| (n, true)).chain(policies.into_iter().map(|n| (n, false))).collect();
        let found = join_all(names.iter().map(|(name, _)| resolver.lookup(name, RecordType::Txt))).await;

        let mut out = Answers::default();
        for ((name, is_key), answer) in names.into_iter().zip(found) {
            let txt = if is_key {
                let key = self.key(&name, &answer);
                let txt = key.txt.clone();
                out.keys.insert(name.clone(), key);
                txt
            } else {
                policy::read(&answer)
            };
            out.txt.0.insert(format!("{name}.").into_boxed_str(), txt);
        }
        if let Some(from) = from
            && out.np_matters(from)
        {
            out.missing = resolver.lookup(from, RecordType::A).await.code == Code::NxDomain;
        }
        out
    }

    /// Reads a key once for as long as it is the same answer.
    fn key(&self, name: &str, answer: &Arc<Answer>) -> Key {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((old, key)) = parsed.get(name)
            && Arc::ptr_eq(old, answer)
        {
            return key.clone();
        }
        let key = key::read(answer);
        if answer.octets() > MAX_KEPT {
            return key;
        }
        if parsed.len() >= MAX_KEYS {
            parsed.clear();
        }
        parsed.insert(name.into(), (Arc::clone(answer), key.clone()));
        key
    }
}

impl Answers {
    /// `params` with these answers as mail-auth's cache.
    pub fn parameters<P>(&self, params: P) -> MailAuthParameters<'_, P> {
        Parameters {
            params,
            cache_txt: Some(&self.txt),
            cache_mx: Some(&Nothing),
            cache_ptr: Some(&Nothing),
            cache_ipv4: Some(&Nothing),
            cache_ipv6: Some(&Nothing),
        }
    }

    /// Why there is no key of that name (see [`key_name`]), as a result word and a reason.
    pub fn key_problem(&self, name: &str) -> Option<(AuthWord, &'static str)> {
        self.keys.get(name)?.problem.map(Problem::explain)
    }

    /// Whether the key of that name is marked as a test.
    pub fn is_testing(&self, name: &str) -> bool {
        self.keys.get(name).is_some_and(|k| k.testing)
    }

    /// Whether an RSA key below 1024 bits was offered.
    pub fn has_weak_key(&self) -> bool {
        self.keys.values().any(|k| k.problem == Some(Problem::Weak))
    }

    /// What there is at the place of a domain's DMARC record.
    fn policy(&self, domain: &str) -> Option<&Txt> {
        self.txt.0.get(format!("_dmarc.{domain}.").as_str())
    }

    /// The DMARC record of a domain.
    fn record(&self, domain: &str) -> Option<&Dmarc> {
        match self.policy(domain) {
            Some(Txt::Dmarc(record)) => Some(record),
            _ => None,
        }
    }

    /// Whether it matters that the author domain exists: only where it has no record of its own
    /// and one above it has different policies for subdomains that do and do not exist.
    fn np_matters(&self, from: &str) -> bool {
        self.record(from).is_none()
            && policy::tree_walk(from).into_iter().filter_map(|n| self.record(n)).any(|r| r.np != r.sp)
    }

    /// mail-auth cannot know here that the author domain does not exist, so it takes `sp` where
    /// `np` applies (RFC 9989 section 4.10.1).
    pub fn effective_policy(&self, record: &Dmarc, found: Policy, from: &str) -> Policy {
        if !self.missing || self.record(from).is_some() || record.p == Policy::Unspecified {
            return found;
        }
        match (record.t, record.np) {
            (true, Policy::Reject) => Policy::Quarantine,
            (true, Policy::Quarantine) => Policy::None,
            (_, np) => np,
        }
    }

    /// Alignment (RFC 9989 section 4.10.2): strict, or by the organizational domains of the tree walk; `None` where a
    /// lookup of that walk failed. Both domains as DNS has them.
    pub fn aligned(&self, domain: &str, from: &str, strict: bool) -> Option<bool> {
        if domain == from {
            return Some(true);
        }
        let unanswered = |of: &str| {
            let mut names = policy::tree_walk(of).into_iter();
            names.any(|name| matches!(self.policy(name), Some(Txt::Error(Error::Dns(MailAuthDns::Resolver(_))))))
        };
        if unanswered(from) || (!strict && unanswered(domain)) {
            return None;
        }
        let psd = |name: &str| self.record(name).map(|r| r.psd.clone());
        Some(!strict && policy::organization(domain, psd) == policy::organization(from, psd))
    }
}

/// Where a key is found (RFC 6376 section 3.6.2.1).
pub fn key_name(selector: &str, domain: &str) -> String {
    format!("{selector}._domainkey.{domain}").to_ascii_lowercase()
}

impl ResolverCache<Box<str>, Txt> for TxtAnswers {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // Never `None`: that would send mail-auth to its own resolver.
        Some(
            self.0
                .get(name)
                .cloned()
                .unwrap_or_else(|| Txt::Error(Error::Dns(MailAuthDns::RecordNotFound(ResponseCode::NXDomain)))),
        )
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

macro_rules! empty_cache {
    ($key:ty, $value:ty, $found:expr) => {
        impl ResolverCache<$key, $value> for Nothing {
            fn get<Q>(&self, _: &Q) -> Option<$value>
            where
                $key: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                $found
            }

            fn remove<Q>(&self, _: &Q) -> Option<$value>
            where
                $key: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                None
            }

            fn insert(&self, _: $key, _: $value, _: Instant) {}
        }
    };
}

empty_cache!(Box<str>, RecordSet<MX>, None);
empty_cache!(Box<str>, RecordSet<Ipv6Addr>, None);
empty_cache!(IpAddr, RecordSet<Box<str>>, None);
// "The domain exists": mail-auth asks for addresses only to tell `sp` from `np`.
empty_cache!(
    Box<str>,
    RecordSet<Ipv4Addr>,
    Some(RecordSet {
        rrset: Arc::from([Ipv4Addr::UNSPECIFIED]),
        dnssec_status: mail_auth::DnssecStatus::Indeterminate,
    })
);
