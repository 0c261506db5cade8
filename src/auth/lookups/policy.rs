//! DMARC policy records and the tree walk (RFC 9989 sections 4.7 and 4.10).
//!
//! mail-auth gives up on a whole record for one bad tag; RFC 9989 section 4.7 has such tags replaced
//! by their defaults, and section 4.10.1 says what a bad p=, sp= or np= means.

use crate::auth::dkim::tags::is_within;
use crate::auth::dns::{Answer, Code};
use mail_auth::dmarc::{Alignment, Dmarc, Policy, Psd, Report, URI};
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::{DnsError as MailAuthDns, Error, Txt, Version};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A longer text is no policy: the longest seen have about 1,000 octets.
const MAX_RECORD: usize = 16 * 1024;

/// Reads the answer for a policy's name. Several policies at one name are none (RFC 9989
/// section 4.10).
pub fn read(answer: &Answer) -> Txt {
    let error = |e| Txt::Error(Error::Dns(e));
    match answer.code {
        Code::NoError => {}
        Code::NxDomain | Code::BadName => return error(MailAuthDns::RecordNotFound(ResponseCode::NXDomain)),
        Code::ServFail | Code::TimedOut => return error(MailAuthDns::Resolver(String::new())),
    }
    let mut found = answer.txt().filter(|r| r.len() <= MAX_RECORD).filter_map(parse);
    match (found.next(), found.next()) {
        (Some(record), None) => Txt::Dmarc(Arc::new(record)),
        _ => error(MailAuthDns::InvalidRecordType),
    }
}

/// A record; `None` for what is none. Bad and unknown tags are passed over.
fn parse(record: &[u8]) -> Option<Dmarc> {
    let text = String::from_utf8_lossy(record);
    let mut tags = text.split(';').map(|spec| {
        let (name, value) = spec.split_once('=').unwrap_or_default();
        (name.trim().to_ascii_lowercase(), value.trim())
    });
    if tags.next().is_none_or(|(name, value)| name != "v" || value != "DMARC1") {
        return None;
    }
    // The first of a doubled tag counts.
    let tags: Vec<(String, &str)> = tags.collect();
    let get = |name: &str| tags.iter().find(|(n, _)| n == name).map(|(_, value)| value.to_ascii_lowercase());
    let policy = |name: &str| match get(name).as_deref() {
        None => Ok(Policy::Unspecified),
        Some("none") => Ok(Policy::None),
        Some("quarantine") => Ok(Policy::Quarantine),
        Some("reject") => Ok(Policy::Reject),
        Some(_) => Err(()),
    };
    let alignment = |name: &str| if get(name).as_deref() == Some("s") { Alignment::Strict } else { Alignment::Relaxed };
    let rua: Vec<URI> = get("rua")
        .iter()
        .flat_map(|list| list.split(','))
        .map(|uri| uri.trim().split('!').next().unwrap_or_default())
        .filter(|uri| uri.strip_prefix("mailto:").is_some_and(|to| to.contains('@')))
        .map(|uri| URI { uri: uri.to_owned(), max_size: 0 })
        .collect();
    // A bad sp= or np= makes the whole policy as doubtful as a bad p=. mail-auth takes an
    // unspecified p for "none" when there is a reporting address, and else for no record.
    let (p, sp, np) = match (policy("p"), policy("sp"), policy("np")) {
        (Ok(p), Ok(sp), Ok(np)) => (p, sp, np),
        _ => (Policy::Unspecified, Policy::Unspecified, Policy::Unspecified),
    };
    let sp = if sp == Policy::Unspecified { p } else { sp };
    Some(Dmarc {
        v: Version::V1,
        adkim: alignment("adkim"),
        aspf: alignment("aspf"),
        fo: Report::All,
        p,
        sp,
        np: if np == Policy::Unspecified { sp } else { np },
        psd: match get("psd").as_deref() {
            Some("y") => Psd::Yes,
            Some("n") => Psd::No,
            _ => Psd::Default,
        },
        rua,
        ruf: Vec::new(),
        t: get("t").as_deref() == Some("y"),
    })
}

/// The domains of the tree walk, longest first: the domain, then its parents; from eight labels on
/// it jumps to seven (RFC 9989 section 4.10).
pub fn tree_walk(domain: &str) -> Vec<&str> {
    let labels = domain.split('.').count();
    if labels < 2 {
        return Vec::new();
    }
    let mut out = vec![domain];
    let mut rest = domain;
    let mut count = labels;
    while let Some((_, parent)) = rest.split_once('.') {
        rest = parent;
        count -= 1;
        if count <= 7 {
            out.push(rest);
        }
    }
    out
}

/// The organizational domain, from the records that the tree walk found (RFC 9989 section 4.10.2).
pub fn organization(domain: &str, record: impl Fn(&str) -> Option<Psd>) -> &str {
    let mut found = domain;
    for name in tree_walk(domain) {
        match record(name) {
            Some(Psd::No) => return name,
            Some(Psd::Yes) if name != domain => return one_below(name, domain),
            Some(Psd::Yes) => return domain,
            Some(Psd::Default) => found = name,
            None => {}
        }
    }
    found
}

/// The name one label below `parent` on the way to `domain`.
fn one_below<'d>(parent: &str, domain: &'d str) -> &'d str {
    let labels = parent.split('.').count() + 1;
    let mut rest = domain;
    while rest.split('.').count() > labels && is_within(rest, parent) {
        rest = rest.split_once('.').map_or(rest, |(_, r)| r);
    }
    rest
}

/// The names that are asked for.
pub fn names(domain: &str) -> BTreeSet<String> {
    tree_walk(domain).into_iter().map(|name| format!("_dmarc.{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Psd, organization, tree_walk};

    #[test]
    fn the_tree_walk_takes_at_most_eight_steps() {
        let names = tree_walk("a.b.c.d.e.f.g.h.mail.example.com");
        assert_eq!(names.len(), 8);
        assert_eq!(names.get(..2), Some(&["a.b.c.d.e.f.g.h.mail.example.com", "e.f.g.h.mail.example.com"][..]));
        assert_eq!(tree_walk("com").len(), 0);
        assert_eq!(tree_walk("example.com"), ["example.com", "com"]);
    }

    #[test]
    fn organizations() {
        for (domain, records, want) in [
            ("a.b.example.com", &[][..], "a.b.example.com"),
            ("a.b.example.com", &[("example.com", Psd::Default)], "example.com"),
            ("a.b.example.com", &[("example.com", Psd::Default), ("b.example.com", Psd::No)], "b.example.com"),
            ("a.b.example.com", &[("com", Psd::Yes)], "example.com"),
            ("a.b.example.com", &[("com", Psd::Yes), ("a.b.example.com", Psd::Default)], "example.com"),
            ("example.com", &[("example.com", Psd::Yes), ("com", Psd::Default)], "example.com"),
        ] {
            let find = |name: &str| records.iter().find(|(n, _)| *n == name).map(|(_, psd)| psd.clone());
            assert_eq!(organization(domain, find), want, "{domain} {records:?}");
        }
    }
}
