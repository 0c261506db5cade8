//! DNS answers for mail-auth.
//!
//! mail-auth asks for a name's typed record and looks into a cache first. Every name it will ask
//! for is known from the mail: the keys of its signatures, and the tree walk of its domains. So
//! the answers are fetched here, concurrently, through our own [`Resolver`], and handed over as
//! that cache. Its own resolver has no name server and is never reached.

use super::dns::{Answer, Code, DnsError, RecordType, Resolver};
use futures_util::future::join_all;
use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::dmarc::{Dmarc, Policy, Psd};
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

/// Signatures with RSA keys below this size are never valid (RFC 8301 section 3.2).
const MIN_RSA_BITS: usize = 1024;
/// Parsed keys kept for the run.
const MAX_KEYS: usize = 10_000;

/// Fetches and parses what mail-auth needs; one for a whole run.
pub struct Lookups {
    verifier: MessageAuthenticator,
    parsed: Mutex<HashMap<Box<str>, Parsed>>,
}

/// An answer and what it says.
type Parsed = (Arc<Answer>, Txt);

/// The answers for one mail, in the form that mail-auth's cache has.
pub struct Answers {
    txt: TxtAnswers,
    /// Whether the author domain does not exist; asked only where a policy depends on it.
    missing: bool,
    /// A lookup of the policy's tree walk failed for a reason that may pass.
    pub policy_failed: bool,
    /// An RSA key below 1024 bits was offered.
    pub weak_key: bool,
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
        for header in &message.ams_headers {
            keys.insert(key_name(&header.header.s, &header.header.d));
        }
        for header in &message.as_headers {
            keys.insert(key_name(&header.header.s, &header.header.d));
        }
        let author: BTreeSet<String> = from.map(tree_walk).unwrap_or_default();
        if from.is_some() {
            policies.extend(author.iter().cloned());
            policies.extend(spf_domain.map(tree_walk).unwrap_or_default());
            for header in &message.dkim_headers {
                policies.extend(tree_walk(&header.header.d.to_ascii_lowercase()));
            }
        }
        let names: Vec<(String, bool)> =
            keys.into_iter().map(|n| (n, true)).chain(policies.into_iter().map(|n| (n, false))).collect();
        let found = join_all(names.iter().map(|(name, _)| resolver.lookup(name, RecordType::Txt))).await;

        let mut out = Answers { txt: TxtAnswers::default(), missing: false, policy_failed: false, weak_key: false };
        for ((name, is_key), answer) in names.iter().zip(found) {
            if !is_key && answer.is_temporary() && author.contains(name) {
                out.policy_failed = true;
            }
            let txt = self.parse(name, &answer, *is_key);
            if matches!(&txt, Txt::Error(Error::Crypto(_))) {
                out.weak_key = true;
            }
            out.txt.0.insert(format!("{name}.").into_boxed_str(), txt);
        }
        if let Some(from) = from
            && out.np_matters(from)
        {
            out.missing = resolver.lookup(from, RecordType::A).await.code == Code::NxDomain;
        }
        out
    }

    /// Parses an answer once for as long as it is the same answer.
    fn parse(&self, name: &str, answer: &Arc<Answer>, is_key: bool) -> Txt {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((old, txt)) = parsed.get(name)
            && Arc::ptr_eq(old, answer)
        {
            return txt.clone();
        }
        let txt = if is_key { key(answer) } else { policy(answer) };
        if parsed.len() >= MAX_KEYS {
            parsed.clear();
        }
        parsed.insert(name.into(), (Arc::clone(answer), txt.clone()));
        txt
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

    fn record(&self, name: &str) -> Option<&Dmarc> {
        match self.txt.0.get(format!("{name}.").as_str()) {
            Some(Txt::Dmarc(record)) => Some(record),
            _ => None,
        }
    }

    /// Whether it matters that the author domain exists: only where it has no record of its own
    /// and the one above it has different policies for subdomains that do and do not exist.
    fn np_matters(&self, from: &str) -> bool {
        self.record(&format!("_dmarc.{from}")).is_none()
            && tree_walk(from).iter().filter_map(|n| self.record(n)).any(|r| r.np != r.sp)
    }

    /// mail-auth cannot know here that the author domain does not exist, so it takes `sp` where
    /// `np` applies (RFC 9989 section 4.10.1).
    pub fn effective_policy(&self, record: &Dmarc, found: Policy, from: &str) -> Policy {
        if !self.missing || self.record(&format!("_dmarc.{from}")).is_some() {
            return found;
        }
        match (record.t, record.np) {
            (true, Policy::Reject) => Policy::Quarantine,
            (true, Policy::Quarantine) => Policy::None,
            (_, np) => np,
        }
    }

    /// Relaxed alignment by the organizational domains of the tree walk (RFC 9989 section 4.10.2).
    pub fn aligned(&self, domain: &str, from: &str) -> bool {
        let domain = domain.to_ascii_lowercase();
        domain == from || self.organization(&domain) == self.organization(from)
    }

    fn organization<'a>(&self, domain: &'a str) -> &'a str {
        let mut best = domain;
        let mut rest = domain;
        loop {
            if let Some(record) = self.record(&format!("_dmarc.{rest}")) {
                match record.psd {
                    Psd::No => return rest,
                    Psd::Yes => return best,
                    Psd::Default => best = rest,
                }
            }
            match rest.split_once('.') {
                Some((_, parent)) => rest = parent,
                None => return best,
            }
        }
    }
}

fn key_name(selector: &str, domain: &str) -> String {
    format!("{selector}._domainkey.{domain}").to_ascii_lowercase()
}

/// The names of the tree walk: the domain, then its parents; from eight labels on it jumps to
/// seven (RFC 9989 section 4.10).
fn tree_walk(domain: &str) -> BTreeSet<String> {
    let labels: Vec<&str> = domain.split('.').filter(|l| !l.is_empty()).collect();
    if labels.len() < 2 {
        return BTreeSet::new();
    }
    let mut out = BTreeSet::new();
    let mut count = labels.len();
    while count > 0 {
        let name = labels.get(labels.len() - count..).unwrap_or_default().join(".");
        out.insert(format!("_dmarc.{name}"));
        count = if count >= 8 { 7 } else { count - 1 };
    }
    out
}

fn failed(answer: &Answer) -> Option<Txt> {
    let error = match answer.code {
        Code::NoError if !answer.records.is_empty() => return None,
        Code::NoError => MailAuthDns::RecordNotFound(ResponseCode::NoError),
        Code::NxDomain | Code::BadName => MailAuthDns::RecordNotFound(ResponseCode::NXDomain),
        Code::ServFail => MailAuthDns::Resolver("the name server reports a failure".to_owned()),
        Code::TimedOut => MailAuthDns::Resolver("no name server answered in time".to_owned()),
    };
    Some(Txt::Error(Error::Dns(error)))
}

/// A DKIM key; one below 1024 bits is no key.
fn key(answer: &Answer) -> Txt {
    if let Some(error) = failed(answer) {
        return error;
    }
    let mut result = Err(Error::Dns(MailAuthDns::InvalidRecordType));
    for record in answer.txt() {
        result = DomainKey::parse(record);
        if result.is_ok() {
            break;
        }
    }
    match result {
        Ok(key) if is_weak(&key) => {
            Txt::Error(Error::Crypto(mail_auth::common::crypto::CryptoError::IncompatibleAlgorithms))
        }
        Ok(key) => Txt::DomainKey(Arc::new(key)),
        Err(error) => Txt::Error(error),
    }
}

fn is_weak(key: &DomainKey) -> bool {
    // Ed25519 keys have 256 bits and are strong.
    let bits = key.p.public_key_bits();
    bits < MIN_RSA_BITS && bits != 256
}

/// A DMARC record; several are none (RFC 9989 section 4.10).
fn policy(answer: &Answer) -> Txt {
    if let Some(error) = failed(answer) {
        return error;
    }
    let mut records = answer.txt().filter(|r| r.starts_with(b"v=DMARC1"));
    let none = || Txt::Error(Error::Dns(MailAuthDns::InvalidRecordType));
    match (records.next(), records.next()) {
        (Some(record), None) => Dmarc::parse(record).map_or_else(|_| none(), |d| Txt::Dmarc(Arc::new(d))),
        _ => none(),
    }
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

#[cfg(test)]
mod tests {
    use super::tree_walk;

    #[test]
    fn the_tree_walk_takes_at_most_eight_steps() {
        let names = tree_walk("a.b.c.d.e.f.g.h.mail.example.com");
        assert_eq!(names.len(), 8);
        assert!(names.contains("_dmarc.a.b.c.d.e.f.g.h.mail.example.com"));
        assert!(names.contains("_dmarc.f.g.h.mail.example.com") || names.contains("_dmarc.e.f.g.h.mail.example.com"));
        assert!(names.contains("_dmarc.example.com"));
        assert_eq!(tree_walk("com").len(), 0);
        assert_eq!(tree_walk("example.com").len(), 2);
    }
}
