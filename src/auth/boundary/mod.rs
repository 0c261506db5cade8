//! The boundary: the Received line at which the mail entered our own network.
//!
//! Takes a mail and the trust settings of its mailbox; gives the address and HELO of the SMTP client,
//! the envelope sender, and the way on which they were found. Received lines are written on top
//! (RFC 5321 section 4.4), so the walk goes top down: the first line must name one of our own hosts
//! behind `by`; as long as it says that it took the mail from inside, the next one was ours too. The
//! first client outside is the SMTP client, and that line gives its address and HELO. What stands below
//! is whatever the client sent. A line that cannot be read with certainty ends the walk: unknown.
//!
//! A forwarder is a stranger whose lines are believed: where the client is one, the next line must be
//! the forwarder's, and the client that it names is the one that counts.

mod envelope;
mod hop;
mod peer;
mod propose;
mod tokens;

pub use envelope::Sender;
pub use hop::{Hop, Link};
pub use propose::{Proposal, Proposed, propose};

use crate::config::{Forwarder, Trust};
use crate::event::BoundaryWord;
use crate::message::Mail;
use std::borrow::Cow;
use std::net::IpAddr;

/// Lines looked at; longer chains of our own are a loop.
pub const MAX_HOPS: usize = 50;

/// Where the mail entered, and what SPF needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// Which Received line, from the top, 0 first.
    pub index: u32,
    /// The line at which the mail came to our own hosts: above `index` when it came through a forwarder.
    pub entry: u32,
    pub client_ip: IpAddr,
    pub helo: String,
    /// The host that took the mail: ours, or a forwarder's.
    pub by: String,
    /// `None` where nothing tells the envelope sender.
    pub sender: Option<Sender>,
}

/// Where the walk ended without a boundary, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown {
    pub why: BoundaryWord,
    /// The line at which it ended, as [`Boundary::index`].
    pub index: Option<u32>,
}

/// The way to the boundary, for a person who wants to know why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    pub steps: Vec<Step>,
    pub end: Result<Boundary, Unknown>,
}

/// One line on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub index: u32,
    pub by: Option<String>,
    pub ip: Option<IpAddr>,
    pub helo: Option<String>,
    pub passage: Passage,
}

/// What a line was to the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// The client is inside our own network.
    Inside,
    /// Handed over inside one system, without a client.
    Local,
    /// The client is a forwarder, or a host inside its network.
    Forwarder,
    /// The client is outside: this is the boundary.
    Boundary,
    /// A line that a forwarder ought to have written tells no client: the boundary is its connection to us.
    NotTheForwarder(BoundaryWord),
    /// The walk ended here without a boundary.
    Ended(BoundaryWord),
}

/// Finds the boundary of a mail.
///
/// # Errors
/// Where the settings or the lines do not tell.
pub fn find(mail: &Mail<'_>, trust: &Trust) -> Result<Boundary, Unknown> {
    walk(mail, trust).end
}

/// Finds the boundary of a mail and says how.
#[must_use]
pub fn walk(mail: &Mail<'_>, trust: &Trust) -> Walk {
    if trust.by.is_empty() {
        return Walk { steps: Vec::new(), end: Err(Unknown { why: BoundaryWord::NoTrustSettings, index: None }) };
    }
    let mut walker = Walker { trust, forwarder: None, entered: None, after: None };
    let mut steps = Vec::new();
    let mut why = BoundaryWord::NoReceived;
    let mut ended_at = None;
    for (index, line) in received(mail).enumerate() {
        if index == MAX_HOPS {
            (why, ended_at) = (BoundaryWord::TooManyHops, Some(number(index)));
            break;
        }
        let hop = Hop::parse(&line);
        let mut passage = walker.pass(index, &hop);
        // A line by another host is not the sender's doing. Anything else that ends the walk may be: a HELO that makes
        // the forwarder's line unreadable must not turn its connection into the sender's.
        if passage == Passage::Ended(BoundaryWord::NotOurHost) && walker.is_at_forwarder() {
            passage = Passage::NotTheForwarder(BoundaryWord::NotOurHost);
        }
        steps.push(Step {
            index: number(index),
            by: hop.by.as_deref().map(short),
            ip: hop.ip,
            helo: hop.helo.as_deref().map(short),
            passage,
        });
        match passage {
            Passage::Inside | Passage::Local | Passage::Forwarder => walker.after = Some(hop),
            Passage::Boundary => {
                let entry = walker.entered.as_ref().map_or(index, |e| e.first);
                let end = boundary(mail, entry, index, &hop)
                    .ok_or(Unknown { why: BoundaryWord::NoClientAddress, index: Some(number(index)) });
                return Walk { steps, end };
            }
            Passage::NotTheForwarder(_) => break,
            Passage::Ended(word) => {
                (why, ended_at) = (word, Some(number(index)));
                break;
            }
        }
    }
    let at_forwarder = ended_at.is_none() && walker.is_at_forwarder();
    let entered = walker.entered.filter(|_| at_forwarder);
    let forwarded = entered.and_then(|e| boundary(mail, e.first.min(e.index), e.index, &e.hop));
    Walk { steps, end: forwarded.ok_or(Unknown { why, index: ended_at }) }
}

/// The state of a walk: whose line comes next.
struct Walker<'t> {
    trust: &'t Trust,
    /// The forwarder that wrote the next line; `None` where it is our own.
    forwarder: Option<&'t Forwarder>,
    entered: Option<Entered>,
    /// The line before.
    after: Option<Hop>,
}

/// The line at which a forwarder handed the mail over: what SPF sees where the forwarder does not tell more.
struct Entered {
    /// The line at which the mail came to our own hosts.
    first: usize,
    index: usize,
    hop: Hop,
}

impl Walker<'_> {
    /// Whether the next line ought to be a forwarder's.
    fn is_at_forwarder(&self) -> bool {
        self.forwarder.is_some() && self.entered.is_some()
    }

    /// Judges one line, and turns to whoever wrote the next one.
    fn pass(&mut self, index: usize, hop: &Hop) -> Passage {
        if !hop.readable {
            return Passage::Ended(BoundaryWord::Unreadable);
        }
        if !self.is_expected(hop) {
            return Passage::Ended(BoundaryWord::NotOurHost);
        }
        match hop.link {
            Link::Local | Link::Qmail | Link::Pull => Passage::Local,
            // A store's own delivery names itself. Anything else was written by a person in the provider's
            // mail program, and no SMTP client ever said who it is from; with MAPI it always was.
            Link::Store if hop.ip.is_some_and(|ip| self.is_inside(ip)) || self.is_own_name(hop.from.as_deref()) => {
                Passage::Inside
            }
            // Google's inner hops: "by 2002:a05:… with SMTP".
            Link::Nameless if hop.by.as_deref().and_then(address).is_some() => Passage::Local,
            Link::Store | Link::Submitted | Link::Nameless => Passage::Ended(BoundaryWord::NoClientAddress),
            Link::Smtp => match hop.ip {
                None => Passage::Ended(BoundaryWord::NoClientAddress),
                Some(ip) => self.client(index, hop, ip),
            },
        }
    }

    fn client(&mut self, index: usize, hop: &Hop, ip: IpAddr) -> Passage {
        let within = |f: &Forwarder| f.networks.iter().any(|n| n.contains(ip));
        if ip.is_unspecified() {
            Passage::Ended(BoundaryWord::NoClientAddress)
        } else if self.forwarder.is_some_and(|f| ip.is_loopback() || within(f)) {
            Passage::Forwarder
        } else if self.is_inside(ip) {
            // From a forwarder back to us: whoever gave it to us is still to come.
            self.forwarder = None;
            Passage::Inside
        } else if let Some(forwarder) = self.trust.forwarders.iter().find(|f| within(f)) {
            self.forwarder = Some(forwarder);
            let first = self.entered.as_ref().map_or(index, |e| e.first);
            self.entered = Some(Entered { first, index, hop: hop.clone() });
            Passage::Forwarder
        } else {
            Passage::Boundary
        }
    }

    /// Whether the line is by whoever must have written it.
    fn is_expected(&self, hop: &Hop) -> bool {
        let Some(by) = hop.by.as_deref() else {
            return hop.link == Link::Qmail;
        };
        if self.is_own_name(Some(by)) {
            return true;
        }
        // A filter on the host that wrote the line above names itself so (amavis: "by localhost (mx1 [192.0.2.1])").
        let nearby = is_localhost(by) && self.after.as_ref().is_some_and(|above| self.came_from_there(above, hop));
        if self.forwarder.is_some() {
            return nearby;
        }
        nearby || address(by).is_some_and(|ip| !ip.is_loopback() && self.is_inside(ip))
    }

    /// Whether the mail came to the line above from the host of a line that calls itself localhost.
    fn came_from_there(&self, above: &Hop, hop: &Hop) -> bool {
        let from_itself = above.ip.is_none_or(|ip| ip.is_loopback()) || above.link == Link::Local;
        from_itself || above.ip == hop.by_ip || self.is_own_name(hop.by_name.as_deref())
    }

    /// Whether a name is one of those whose line is expected: ours, or the forwarder's.
    fn is_own_name(&self, name: Option<&str>) -> bool {
        let names = self.forwarder.map_or(self.trust.by.as_slice(), |f| f.by.as_slice());
        name.is_some_and(|name| names.iter().any(|pattern| matches_host(pattern, name)))
    }

    /// Private addresses are inside only where the settings say so: anyone's network has them.
    fn is_inside(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.trust.internal.iter().any(|n| n.contains(ip))
    }
}

fn boundary(mail: &Mail<'_>, entry: usize, index: usize, hop: &Hop) -> Option<Boundary> {
    Some(Boundary {
        index: number(index),
        entry: number(entry),
        client_ip: hop.ip?,
        helo: hop.helo.clone().unwrap_or_default(),
        by: hop.by.clone()?,
        sender: envelope::envelope_sender(mail, entry, index, hop.envelope_from.as_deref()),
    })
}

/// Whether a host name is the one of the settings, or below the domain of a `*.example.com`.
pub(super) fn matches_host(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.trim_end_matches('.'), name.trim_end_matches('.'));
    match pattern.strip_prefix('*') {
        // The dot stays in front, so the domain itself and names that only end alike do not match.
        Some(domain) if domain.starts_with('.') => name
            .len()
            .checked_sub(domain.len())
            .and_then(|at| name.split_at_checked(at))
            .is_some_and(|(host, end)| !host.is_empty() && end.eq_ignore_ascii_case(domain)),
        _ => !pattern.is_empty() && pattern.eq_ignore_ascii_case(name),
    }
}

fn is_localhost(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.eq_ignore_ascii_case("localhost.localdomain")
        || address(name).is_some_and(|ip| ip.is_loopback())
}

/// A host that is named by its address.
fn address(by: &str) -> Option<IpAddr> {
    peer::literal(by).or_else(|| peer::address(by))
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// No name is longer (RFC 1035 section 2.3.4).
fn short(text: &str) -> String {
    text.chars().take(255).collect()
}

/// The Received lines, top to bottom.
fn received<'a>(mail: &'a Mail<'_>) -> impl Iterator<Item = Cow<'a, str>> {
    mail.fields().filter(|(name, _)| name.eq_ignore_ascii_case("Received")).map(|(_, value)| value)
}
