//! Questions over the network, through hickory-resolver.

use super::{Answer, Code, Lookup, Record, RecordType, Resolver};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as NetDnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType as WireType};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// For answers that carry no TTL of their own.
const NEGATIVE_TTL: u32 = 60;
/// A longer text is no policy and no key, and is left out: a key of 16,384 bits has 2,800 octets.
const MAX_TEXT: usize = 16 * 1024;

/// Why no resolver could be set up.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    #[error("cannot read the system's name servers: set dns.servers in the configuration")]
    System(#[source] Box<NetError>),
    #[error("cannot set up name resolution with the configured dns.servers")]
    Servers(#[source] Box<NetError>),
}

/// The network: the system's name servers, or configured ones.
///
/// Keeps no cache: see [`super::Cached`].
pub struct SystemResolver {
    resolver: TokioResolver,
}

impl SystemResolver {
    /// A resolver that asks `servers`, or the system's when there are none, once each question,
    /// for at most `timeout`.
    ///
    /// # Errors
    /// When the system names no servers.
    pub fn new(servers: &[SocketAddr], timeout: Duration) -> Result<Self, DnsError> {
        let (config, mut options) = if servers.is_empty() {
            hickory_resolver::system_conf::read_system_conf().map_err(|e| DnsError::System(Box::new(e)))?
        } else {
            let servers = servers.iter().map(name_server).collect();
            (ResolverConfig::from_parts(None, Vec::new(), servers), ResolverOpts::default())
        };
        options.timeout = timeout;
        options.attempts = 1;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.try_tcp_on_error = false;
        let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .map_err(|e| DnsError::Servers(Box::new(e)))?;
        Ok(Self { resolver })
    }

    async fn ask(&self, name: &str, rtype: RecordType) -> Answer {
        let Some(name) = wire_name(name) else { return Answer::empty(Code::BadName) };
        match self.resolver.lookup(name, wire_type(rtype)).await {
            Ok(lookup) => {
                let records = lookup.answers();
                Answer {
                    code: Code::NoError,
                    ttl: records.iter().map(|r| r.ttl).min().unwrap_or(NEGATIVE_TTL),
                    records: records.iter().filter_map(|r| data(&r.data, rtype)).collect(),
                }
            }
            Err(error) => failure(&error),
        }
    }
}

impl Resolver for SystemResolver {
    fn lookup<'a>(&'a self, name: &'a str, rtype: RecordType) -> Lookup<'a> {
        Box::pin(async move { Arc::new(self.ask(name, rtype).await) })
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let at = |mut c: ConnectionConfig| {
        c.port = address.port();
        c
    };
    NameServerConfig::new(address.ip(), true, vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())])
}

/// The name in wire form, absolute, so that no search list applies.
fn wire_name(name: &str) -> Option<Name> {
    let name = name.trim_end_matches('.');
    if name.is_empty() || name.len() > 253 {
        return None;
    }
    let labels: Vec<&[u8]> = name.split('.').map(str::as_bytes).collect();
    if labels.iter().any(|l| l.is_empty() || l.len() > 63) {
        return None;
    }
    let mut name = Name::from_labels(labels).ok()?;
    name.set_fqdn(true);
    Some(name)
}

const fn wire_type(rtype: RecordType) -> WireType {
    match rtype {
        RecordType::A => WireType::A,
        RecordType::Aaaa => WireType::AAAA,
        RecordType::Mx => WireType::MX,
        RecordType::Ptr => WireType::PTR,
        RecordType::Txt => WireType::TXT,
    }
}

fn data(data: &RData, rtype: RecordType) -> Option<Record> {
    // Not in presentation form, which escapes what a label may hold: the name may have to be asked for.
    let host = |name: &Name| {
        let labels: Vec<_> = name.iter().map(String::from_utf8_lossy).collect();
        labels.join(".").to_ascii_lowercase()
    };
    match (data, rtype) {
        (RData::A(a), RecordType::A) => Some(Record::A(a.0)),
        (RData::AAAA(a), RecordType::Aaaa) => Some(Record::Aaaa(a.0)),
        (RData::MX(mx), RecordType::Mx) => Some(Record::Mx { preference: mx.preference, exchange: host(&mx.exchange) }),
        (RData::PTR(ptr), RecordType::Ptr) => Some(Record::Ptr(host(&ptr.0))),
        (RData::TXT(found), RecordType::Txt) => {
            let text: Vec<u8> = found.txt_data.iter().flatten().copied().collect();
            (text.len() <= MAX_TEXT).then_some(Record::Txt(text))
        }
        _ => None,
    }
}

fn failure(error: &NetError) -> Answer {
    match error {
        NetError::Dns(NetDnsError::NoRecordsFound(none)) => {
            let ttl = none.negative_ttl.unwrap_or(NEGATIVE_TTL);
            let code = match none.response_code {
                ResponseCode::NXDomain => Code::NxDomain,
                ResponseCode::NoError => Code::NoError,
                _ => Code::ServFail,
            };
            Answer { code, ttl, records: Vec::new() }
        }
        NetError::Dns(_) => Answer::empty(Code::ServFail),
        _ => Answer::empty(Code::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::wire_name;

    #[test]
    fn only_names_that_fit_a_dns_message_are_asked() {
        for good in ["example.org", "_dmarc.example.org.", "s1._domainkey.example.org", "a b.example.org"] {
            assert!(wire_name(good).is_some(), "{good}");
        }
        let long_label = format!("{}.example.org", "a".repeat(64));
        let long_name = vec!["abcdefgh"; 40].join(".");
        for bad in ["", ".", "a..b", &long_label, &long_name] {
            assert!(wire_name(bad).is_none(), "{bad}");
        }
    }
}
