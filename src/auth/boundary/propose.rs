//! Trust settings, proposed from the mails of a mailbox for a person to confirm.
//!
//! The top lines of every mail are our own, so what stands at the same place in mails of several
//! unrelated senders is ours, and what differs from sender to sender is theirs. Each mail is read from
//! the top down to the first client with a public address; what lies above is counted by place. A host
//! is proposed only where it is the same for at least [`MIN_SENDERS`] senders who share neither their
//! domain nor their network, and where such hosts make up nearly all lines of that place: a single
//! sender can write any line it likes, but not those of the others.

use super::hop::{Hop, Link};
use super::{Passage, address, is_localhost, matches_host, walk};
use crate::auth::authres::{self, is_receivers_line};
use crate::config::{AuthresPlace, Network, Trust};
use crate::message::Mail;
use crate::plural::count;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Unrelated senders that a line needs.
const MIN_SENDERS: usize = 3;
/// Of the lines at one place, how many must be by hosts that several senders share, in percent.
const MIN_SHARE: usize = 90;
/// Of the mails with a boundary, how many must have a header where a sender could write it too, in percent.
const MIN_BELOW: usize = 80;
/// Lines looked at in a mail; nobody's own chain is longer by far.
const MAX_PLACES: usize = 12;
/// Mails looked at, the newest.
const MAX_MAILS: usize = 2_000;
/// Authentication-Results headers looked at in a mail.
const MAX_STATEMENTS: usize = 20;

/// Providers with a new host name in every mail: what stands for all of them.
const PROVIDERS: [&str; 4] =
    [".prod.outlook.com", ".mail.protection.outlook.com", ".outlook.office365.com", ".prod.exchangelabs.com"];
/// Names under which Microsoft's hosts talk to each other, over public addresses of their own.
const MICROSOFT: [&str; 5] =
    [".prod.outlook.com", ".protection.outlook.com", ".office365.com", ".outlook.com", ".prod.exchangelabs.com"];
const MICROSOFT_NETWORK: (IpAddr, u8) = (IpAddr::V6(Ipv6Addr::new(0x2603, 0x1000, 0, 0, 0, 0, 0, 0)), 24);

/// Such a part of it is proposed.
const MICROSOFT_PREFIX: u8 = 32;

/// Blocks that nobody outside can have. Google's hosts name themselves by 6to4 addresses of 10.0.0.0/8.
const PRIVATE: [(IpAddr, u8); 8] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    GOOGLE_NETWORK,
];
const GOOGLE_NETWORK: (IpAddr, u8) = (IpAddr::V6(Ipv6Addr::new(0x2002, 0x0a00, 0, 0, 0, 0, 0, 0)), 24);

/// One line of a proposal, and what speaks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed<T> {
    pub value: T,
    /// Mails in which it stands.
    pub mails: usize,
    /// Unrelated senders of those.
    pub senders: usize,
}

/// Trust settings for a person to confirm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proposal {
    /// Mails looked at.
    pub mails: usize,
    /// Unrelated senders of those.
    pub senders: usize,
    /// Mails whose boundary the proposed settings find.
    pub found: usize,
    pub by: Vec<Proposed<String>>,
    pub internal: Vec<Proposed<Network>>,
    pub authserv_ids: Vec<Proposed<String>>,
    /// Set where Authentication-Results without an id stand in the place of the receiver's.
    pub authserv_without_id: Option<Proposed<()>>,
    pub authserv_place: AuthresPlace,
    /// What a person should know before confirming.
    pub notes: Vec<String>,
}

/// Proposes trust settings from the newest mails of a mailbox.
#[must_use]
pub fn propose<'a>(mails: impl Iterator<Item = &'a Mail<'a>>) -> Proposal {
    let mails: Vec<(&Mail<'_>, Chain)> = mails.take(MAX_MAILS).map(|m| (m, Chain::of(m))).collect();
    let chains: Vec<&Chain> = mails.iter().map(|(_, chain)| chain).collect();
    let mut out =
        Proposal { mails: mails.len(), senders: Senders::of(chains.iter().copied()).count(), ..Proposal::default() };
    let (ours, places) = hosts(&chains);
    out.by = ours.iter().map(|(name, senders)| senders.proposed(name.clone())).collect();
    out.internal = networks(&chains, &ours, places);
    let trust = out.trust();
    let mut statements = Statements::default();
    for (mail, chain) in &mails {
        let way = walk(mail, &trust);
        if let Ok(boundary) = &way.end {
            out.found += 1;
            statements.add(mail, chain, boundary.index);
        }
    }
    statements.propose(&mut out);
    out.notes = notes(&out, &mails, &trust);
    out
}

/// The lines of one mail down to the first client with a public address.
struct Chain {
    hops: Vec<Hop>,
    sender: Sender,
}

/// What tells one sender from another: From anyone can write, the client's network not.
#[derive(Clone)]
struct Sender {
    domain: Option<String>,
    network: Option<Network>,
}

impl Chain {
    fn of(mail: &Mail<'_>) -> Self {
        let mut hops: Vec<Hop> = Vec::new();
        let mut network = None;
        let mut lines = super::received(mail).take(MAX_PLACES).map(|line| Hop::parse(&line)).peekable();
        while let Some(hop) = lines.next().filter(|h| h.readable) {
            let within = is_passed(&hop, lines.peek());
            if !within {
                network = hop.ip.map(neighbourhood);
            }
            hops.push(hop);
            if !within {
                break;
            }
        }
        let domain = mail.from().map(|a| organisation(a.domain()));
        Self { hops, sender: Sender { domain, network } }
    }
}

/// Whether a line cannot be the boundary: no client, or none that could be a stranger.
fn is_passed(hop: &Hop, below: Option<&Hop>) -> bool {
    match (hop.link, hop.ip) {
        (Link::Local | Link::Qmail | Link::Pull, _) => true,
        (Link::Nameless, _) => hop.by.as_deref().and_then(address).is_some(),
        (Link::Store, None) => hop.from.is_some(),
        (Link::Submitted, _) | (Link::Smtp, None) => false,
        (_, Some(ip)) => is_private(ip) || ip.is_loopback() || is_microsofts_own(hop, ip, below),
    }
}

/// Microsoft's hosts reach each other over public addresses: the client is one of them when its address
/// is Microsoft's and the line below is by the very host that the client said it was.
fn is_microsofts_own(hop: &Hop, ip: IpAddr, below: Option<&Hop>) -> bool {
    let microsofts = |name: &Option<String>| {
        name.as_deref().is_some_and(|n| MICROSOFT.iter().any(|m| n.to_ascii_lowercase().ends_with(m)))
    };
    network(MICROSOFT_NETWORK).contains(ip)
        && microsofts(&hop.by)
        && microsofts(&hop.from)
        && below.is_some_and(|b| microsofts(&b.by))
}

/// Senders of a set of mails: two are unrelated when they share neither domain nor network.
#[derive(Default)]
struct Senders {
    mails: usize,
    domains: BTreeSet<Option<String>>,
    networks: BTreeSet<Option<(IpAddr, u8)>>,
}

impl Senders {
    fn of<'c>(chains: impl Iterator<Item = &'c Chain>) -> Self {
        let mut out = Self::default();
        chains.for_each(|chain| out.add(&chain.sender));
        out
    }

    fn add(&mut self, sender: &Sender) {
        self.mails += 1;
        self.domains.insert(sender.domain.clone());
        self.networks.insert(sender.network.map(|n| (n.address, n.prefix)));
    }

    fn count(&self) -> usize {
        self.domains.len().min(self.networks.len())
    }

    fn proposed<T>(&self, value: T) -> Proposed<T> {
        Proposed { value, mails: self.mails, senders: self.count() }
    }
}

/// The hosts that are ours, as the settings name them, and how many places they have.
fn hosts(chains: &[&Chain]) -> (BTreeMap<String, Senders>, usize) {
    let mut out: BTreeMap<String, Senders> = BTreeMap::new();
    let mut places = 0;
    for place in 0..MAX_PLACES {
        // A mail whose line above is not ours says nothing about this place.
        let here: Vec<(&Chain, &Hop)> = chains
            .iter()
            .filter(|c| c.hops.iter().take(place).all(|h| is_known(h, &out)))
            .filter_map(|c| Some((*c, c.hops.get(place)?)))
            .collect();
        if here.is_empty() {
            break;
        }
        let names: BTreeSet<String> = here.iter().filter_map(|(_, hop)| host(hop)).collect();
        let mut shared: BTreeMap<String, Senders> = BTreeMap::new();
        for (chain, hop) in &here {
            if let Some(name) = host(hop) {
                shared.entry(pattern(&name, &names)).or_default().add(&chain.sender);
            }
        }
        shared.retain(|_, senders| senders.count() >= MIN_SENDERS);
        let ours = here.iter().filter(|(_, hop)| is_known(hop, &shared) || is_known(hop, &out)).count();
        if ours * 100 < here.len() * MIN_SHARE {
            break;
        }
        places = place + 1;
        for (name, senders) in shared {
            // The same host at a second place: the mails of one place are all that is claimed.
            let seen = out.entry(name).or_default();
            if senders.mails > seen.mails {
                *seen = senders;
            }
        }
    }
    (out, places)
}

/// The host of a line that can be named in the settings.
fn host(hop: &Hop) -> Option<String> {
    let name = hop.by.as_deref()?.to_ascii_lowercase();
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    (plain && name.len() <= 253 && address(&name).is_none() && !is_localhost(&name)).then_some(name)
}

/// Lines without a host of their own count as known: addresses are judged with the networks.
fn is_known(hop: &Hop, names: &BTreeMap<String, Senders>) -> bool {
    host(hop).is_none_or(|name| names.keys().any(|p| matches_host(p, &name)))
}

/// A host's name, or `*.domain` where more than two hosts share the domain.
fn pattern(name: &str, names: &BTreeSet<String>) -> String {
    if let Some(provider) = PROVIDERS.iter().find(|p| name.ends_with(*p)) {
        return format!("*{provider}");
    }
    let Some((_, domain)) = name.split_once('.').filter(|(_, d)| d.contains('.')) else {
        return name.to_owned();
    };
    let siblings = names.iter().filter(|n| n.split_once('.').is_some_and(|(_, d)| d == domain)).count();
    if siblings > 2 { format!("*.{domain}") } else { name.to_owned() }
}

/// The private networks from which our own hosts took mails of our own hosts: a client is inside only
/// where the line below is ours as well. A translated address in front of the outermost host is not.
fn networks(chains: &[&Chain], ours: &BTreeMap<String, Senders>, places: usize) -> Vec<Proposed<Network>> {
    let mut blocks: BTreeMap<(IpAddr, u8), BTreeMap<IpAddr, Senders>> = BTreeMap::new();
    let mut seen: BTreeMap<(IpAddr, u8), Senders> = BTreeMap::new();
    for chain in chains {
        let mut in_mail = BTreeSet::new();
        let mut hops = chain.hops.iter().take(places).take_while(|h| is_known(h, ours)).peekable();
        while let Some(hop) = hops.next() {
            let by = hop.by.as_deref().and_then(address).filter(|_| hop.link == Link::Nameless);
            let client = hop.ip.filter(|_| hop.link == Link::Smtp && hops.peek().is_some());
            for ip in by.into_iter().chain(client) {
                let all = PRIVATE.iter().chain([&MICROSOFT_NETWORK]);
                let Some(mut block) = all.copied().find(|b| network(*b).contains(ip)) else { continue };
                if block == MICROSOFT_NETWORK {
                    // Customers' machines lie in the same block: only what was seen.
                    block = (network((ip, MICROSOFT_PREFIX)).address, MICROSOFT_PREFIX);
                }
                blocks.entry(block).or_default().entry(ip).or_default().add(&chain.sender);
                in_mail.insert(block);
            }
        }
        for block in in_mail {
            seen.entry(block).or_default().add(&chain.sender);
        }
    }
    let mut out = Vec::new();
    for (block, addresses) in blocks {
        let Some(all) = seen.get(&block).filter(|s| s.count() >= MIN_SENDERS) else { continue };
        if block == GOOGLE_NETWORK || block.1 == MICROSOFT_PREFIX {
            out.push(all.proposed(network(block)));
        } else if addresses.len() <= 2 {
            let alone = addresses.iter().filter(|(_, s)| s.count() >= MIN_SENDERS);
            out.extend(alone.map(|(ip, s)| s.proposed(network((*ip, if ip.is_ipv4() { 32 } else { 128 })))));
        } else if let Some(common) = common(addresses.keys().copied(), block) {
            out.push(all.proposed(common));
        }
    }
    out
}

/// The smallest network at an octet's border, inside the block, that holds all addresses.
fn common(mut addresses: impl Iterator<Item = IpAddr>, block: (IpAddr, u8)) -> Option<Network> {
    let first = addresses.next()?;
    let rest: Vec<IpAddr> = addresses.collect();
    let (mut prefix, step) = if first.is_ipv4() { (24, 8) } else { (64, 16) };
    while prefix > block.1 {
        let network = network((first, prefix));
        if rest.iter().all(|ip| network.contains(*ip)) {
            return Some(network);
        }
        prefix = prefix.saturating_sub(step);
    }
    Some(network(block))
}

/// A network with the host's bits taken away.
fn network((address, prefix): (IpAddr, u8)) -> Network {
    let address = match address {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
        }
    };
    Network { address, prefix }
}

fn is_private(ip: IpAddr) -> bool {
    PRIVATE.iter().any(|block| network(*block).contains(ip))
}

/// What one sender is likely to have for itself.
fn neighbourhood(ip: IpAddr) -> Network {
    network((ip, if ip.is_ipv4() { 24 } else { 48 }))
}

/// The last two labels of a domain: enough to tell senders apart, and too coarse rather than too fine.
fn organisation(domain: &str) -> String {
    let mut labels = domain.rsplit('.');
    let (top, second) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    format!("{second}.{top}")
}

/// Authentication-Results by id (`None` for those without one) and place.
#[derive(Default)]
struct Statements {
    mails: usize,
    above: BTreeMap<Option<String>, Senders>,
    below: BTreeMap<Option<String>, Senders>,
}

impl Statements {
    fn add(&mut self, mail: &Mail<'_>, chain: &Chain, boundary: u32) {
        self.mails += 1;
        let mut received = 0_u32;
        let (mut above, mut below) = (BTreeSet::new(), BTreeSet::new());
        let mut behind = false;
        for (name, value) in mail.fields() {
            let slot = behind;
            behind &= is_receivers_line(name);
            if name.eq_ignore_ascii_case("Received") {
                behind = received == boundary;
                received += 1;
                if received > boundary + 1 {
                    break;
                }
            } else if name.eq_ignore_ascii_case("Authentication-Results") && above.len() < MAX_STATEMENTS {
                if received <= boundary {
                    above.extend(authserv_id(&value));
                } else if slot {
                    below.extend(authserv_id(&value));
                }
            }
        }
        for (ids, all) in [(above, &mut self.above), (below, &mut self.below)] {
            for id in ids {
                all.entry(id).or_default().add(&chain.sender);
            }
        }
    }

    /// Above the boundary only our own side writes; in the slot below it a sender may as well.
    fn propose(mut self, out: &mut Proposal) {
        let mails = self.mails;
        self.above.retain(|_, s| s.count() >= MIN_SENDERS);
        self.below.retain(|_, s| s.count() >= MIN_SENDERS && s.mails * 100 >= mails * MIN_BELOW);
        let (place, found) =
            if self.above.is_empty() { (AuthresPlace::Below, self.below) } else { (AuthresPlace::Above, self.above) };
        if found.is_empty() {
            return;
        }
        out.authserv_place = place;
        for (id, senders) in found {
            match id {
                Some(id) => out.authserv_ids.push(senders.proposed(id)),
                None => out.authserv_without_id = Some(senders.proposed(())),
            }
        }
    }
}

/// The id of a header (RFC 8601 section 2.2), `None` where it begins with a result, as Microsoft's do; an
/// error where it is nothing that could be proposed.
fn authserv_id(value: &str) -> Result<Option<String>, ()> {
    let Some(word) = authres::parse(value).ok_or(())?.authserv_id else { return Ok(None) };
    let plain = word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if plain && !word.is_empty() && word.len() <= 253 { Ok(Some(word.to_ascii_lowercase())) } else { Err(()) }
}

fn notes(out: &Proposal, mails: &[(&Mail<'_>, Chain)], trust: &Trust) -> Vec<String> {
    let mut notes = Vec::new();
    if out.by.is_empty() {
        notes.push(format!(
            "No host stands at the same place in mails of {MIN_SENDERS} unrelated senders: take more mails, or name the hosts yourself."
        ));
        return notes;
    }
    if out.found < out.mails {
        notes.push(format!("With these lines the client is found in {} of {}.", out.found, count(out.mails, "mail")));
    }
    // One client for everyone is no sender: it stands between us and them.
    let mut clients: BTreeMap<IpAddr, BTreeSet<&str>> = BTreeMap::new();
    for (mail, chain) in mails {
        let way = walk(mail, trust);
        let client = way.steps.iter().find(|s| s.passage == Passage::Boundary).and_then(|s| s.ip);
        if let (Some(ip), Some(domain)) = (client, chain.sender.domain.as_deref()) {
            clients.entry(ip).or_default().insert(domain);
        }
    }
    if let [(ip, domains)] = clients.iter().collect::<Vec<_>>().as_slice()
        && domains.len() >= MIN_SENDERS
    {
        notes.push(format!(
            "Every mail comes from {ip}, whoever sent it: if that host is yours, add it to internal and its name to by; \
             if it is a forwarder's, add it to forwarders."
        ));
    }
    notes
}

impl Proposal {
    /// The proposal as settings.
    #[must_use]
    pub fn trust(&self) -> Trust {
        Trust {
            by: self.by.iter().map(|p| p.value.clone()).collect(),
            internal: self.internal.iter().map(|p| p.value).collect(),
            authserv_ids: self.authserv_ids.iter().map(|p| p.value.clone()).collect(),
            authserv_without_id: self.authserv_without_id.is_some(),
            authserv_place: self.authserv_place,
            ..Trust::default()
        }
    }

    /// A commented `trust:` block, ready to paste into a mailbox's settings.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            "# From {} of {}. Whoever is listed here is believed: check each line.",
            count(self.mails, "mail"),
            count(self.senders, "unrelated sender")
        );
        for note in &self.notes {
            let _ = writeln!(out, "# {note}");
        }
        if self.by.is_empty() {
            out.push_str("trust: {}\n");
            return out;
        }
        out.push_str("trust:\n");
        list(&mut out, "by", &self.by, self.mails, String::as_str);
        list(&mut out, "internal", &self.internal, self.mails, |n| format!("{}/{}", n.address, n.prefix));
        list(&mut out, "authserv_ids", &self.authserv_ids, self.found, String::as_str);
        if let Some(without) = &self.authserv_without_id {
            let _ = writeln!(out, "  authserv_without_id: true  # {}", without.support(self.found));
        }
        if self.authserv_place == AuthresPlace::Below {
            out.push_str("  authserv_place: below\n");
        }
        out
    }
}

impl<T> Proposed<T> {
    fn support(&self, of: usize) -> String {
        format!("{} of {}, {}", self.mails, count(of, "mail"), count(self.senders, "sender"))
    }
}

/// A list; values hold letters, digits, `*.-_:/` only, so quotes are all that YAML needs.
fn list<'p, T, S: AsRef<str>>(
    out: &mut String,
    name: &str,
    lines: &'p [Proposed<T>],
    of: usize,
    text: impl Fn(&'p T) -> S,
) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "  {name}:");
    for line in lines {
        let _ = writeln!(out, "    - \"{}\"  # {}", text(&line.value).as_ref(), line.support(of));
    }
}
