//! What a server's certificate says, for people.

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Names shown at most.
const MAX_NAMES: usize = 10;

/// The parts of a certificate that an engineer asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub subject: String,
    pub issuer: String,
    /// The host names that it is for, some of them when there are many.
    pub names: Vec<String>,
    /// Seconds since 1970.
    pub not_after: i64,
}

impl Certificate {
    /// Reads a certificate in DER; `None` when it cannot be read.
    #[must_use]
    pub fn parse(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.iter().flat_map(|n| &n.value.general_names).filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(printable(name)),
            GeneralName::IPAddress(octets) => address(octets),
            _ => None,
        });
        Some(Self {
            subject: printable(&certificate.subject().to_string()),
            issuer: printable(&certificate.issuer().to_string()),
            names: names.take(MAX_NAMES).collect(),
            not_after: certificate.validity().not_after.timestamp(),
        })
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn address(octets: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(octets).ok().map(|v6| std::net::Ipv6Addr::from(v6).to_string())
}

#[cfg(test)]
mod tests {
    use super::Certificate;

    #[test]
    fn what_is_no_certificate_is_none() {
        for der in [b"".as_slice(), b"\x30\x82\xff\xff", &[0x30; 200]] {
            assert_eq!(Certificate::parse(der), None);
        }
    }
}
