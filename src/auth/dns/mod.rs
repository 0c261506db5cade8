//! DNS as the authentication station sees it: one question, one raw answer.
//!
//! Everything that needs DNS asks a [`Resolver`]: SPF, the keys of DKIM and ARC, the tree walk of
//! DMARC. Because the answers are kept raw (code, TTL, data), they can be recorded when a mail is
//! ingested and given back when it is replayed years later, after keys have rotated.
//!
//! The way of a question: the recorder and the deadline of its mail, the run's cache, one more try
//! where the first failed, the network. A replay puts a mail's record in the place of all that.
//!
//! A time-out is an answer too ([`Code::TimedOut`]): the stations turn it into `temperror`, which
//! says something about the network and nothing about the sender.

mod cache;
mod latency;
mod record;
mod retried;
mod store;
mod system;
mod zone;

pub use cache::{Cached, Deadline};
pub use record::{Recorded, Recorder};
pub use retried::{Retried, Retries};
pub use store::{RecordStore, StoreError};
pub use system::{DnsError, SystemResolver};
pub use zone::Zone;

use crate::event::run::DnsRun;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;

/// The record types that SPF, DKIM, DMARC and ARC need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    A,
    Aaaa,
    Mx,
    Ptr,
    Txt,
}

/// How a lookup ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// RCODE 0, with or without records of the type asked for.
    NoError,
    /// RCODE 3: the name does not exist.
    NxDomain,
    /// RCODE 2, or any other RCODE that says "not now".
    ServFail,
    /// Nobody answered in time, or no name server could be reached.
    TimedOut,
    /// The question cannot be put into a DNS message (empty or over-long label or name).
    BadName,
}

/// One record's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Mx {
        preference: u16,
        exchange: String,
    },
    Ptr(String),
    /// The character strings of one TXT record, joined without spaces (RFC 7208 section 3.3).
    #[serde(with = "record::bytes_as_text")]
    Txt(Vec<u8>),
}

/// The raw answer to one question. CNAMEs were followed by the name server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub code: Code,
    /// Seconds for which the answer may be kept.
    pub ttl: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Record>,
}

impl Answer {
    /// An answer without records.
    #[must_use]
    pub fn empty(code: Code) -> Self {
        Self { code, ttl: 0, records: Vec::new() }
    }

    /// Whether the lookup failed for a reason that may pass: `temperror` for who asked.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self.code, Code::ServFail | Code::TimedOut)
    }

    /// Whether the name exists but has no such record, or does not exist: a "void lookup".
    #[must_use]
    pub fn is_void(&self) -> bool {
        !self.is_temporary() && self.records.is_empty()
    }

    /// About how much memory it takes.
    #[must_use]
    pub fn octets(&self) -> usize {
        let texts = self.records.iter().map(|r| match r {
            Record::Txt(text) => text.len(),
            Record::Mx { exchange: name, .. } | Record::Ptr(name) => name.len(),
            Record::A(_) | Record::Aaaa(_) => 0,
        });
        texts.sum::<usize>() + self.records.len() * size_of::<Record>()
    }

    /// The TXT records, in the order of the answer.
    pub fn txt(&self) -> impl Iterator<Item = &[u8]> {
        self.records.iter().filter_map(|r| match r {
            Record::Txt(t) => Some(t.as_slice()),
            _ => None,
        })
    }
}

/// A lookup under way.
pub type Lookup<'a> = Pin<Box<dyn Future<Output = Arc<Answer>> + Send + 'a>>;

/// Whoever answers questions about DNS: the network, a cache, a recording, a zone in memory.
pub trait Resolver: Send + Sync {
    /// Asks for the records of `rtype` at `name`.
    ///
    /// `name` is an absolute domain name in presentation form without its last dot; letter case
    /// does not matter. A name that is no valid DNS name gives [`Code::BadName`], never an error.
    fn lookup<'a>(&'a self, name: &'a str, rtype: RecordType) -> Lookup<'a>;

    /// Whether answers come from a network that may be down.
    fn is_live(&self) -> bool {
        true
    }

    /// What was asked so far; nothing where nobody counts.
    fn counts(&self) -> DnsRun {
        DnsRun::default()
    }
}
