//! The boundary: the Received line at which the mail entered our own network.
//!
//! Received lines are written on top (RFC 5321 section 4.4), so the walk goes top down: the first
//! line must name one of our own hosts behind `by`; as long as it says that it took the mail from
//! inside, the next one was ours too. The first client outside is the SMTP client, and that line
//! gives its address and HELO. What stands below is whatever the client sent.

mod envelope;
mod hop;

pub use envelope::Sender;
pub use hop::Hop;

use crate::config::Trust;
use crate::event::BoundaryWord;
use crate::message::Mail;
use std::net::IpAddr;

/// Lines looked at; longer chains of our own are a loop.
const MAX_HOPS: usize = 50;

/// Where the mail entered, and what SPF needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// Which Received line, from the top, 0 first.
    pub index: u32,
    pub client_ip: IpAddr,
    pub helo: String,
    /// Our host that took the mail.
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

/// Finds the boundary of a mail.
///
/// # Errors
/// Where the settings or the lines do not tell.
pub fn find(mail: &Mail<'_>, trust: &Trust) -> Result<Boundary, Unknown> {
    let ended = |why, index: Option<usize>| Unknown { why, index: index.and_then(|i| u32::try_from(i).ok()) };
    if trust.by.is_empty() {
        return Err(ended(BoundaryWord::NoTrustSettings, None));
    }
    for (index, line) in mail.headers_raw("Received").take(MAX_HOPS).enumerate() {
        let hop = Hop::parse(line);
        let by = hop.by.filter(|by| trust.by.iter().any(|ours| ours.eq_ignore_ascii_case(by)));
        let by = by.ok_or_else(|| ended(BoundaryWord::NotOurHost, Some(index)))?;
        match hop.ip {
            Some(ip) if !is_inside(ip, trust) => {
                return Ok(Boundary {
                    index: u32::try_from(index).unwrap_or(u32::MAX),
                    client_ip: ip.to_canonical(),
                    helo: hop.helo.unwrap_or_default(),
                    by,
                    sender: envelope::envelope_sender(mail, index, hop.envelope_from.as_deref()),
                });
            }
            Some(_) => {}
            None if hop.local => {}
            None => return Err(ended(BoundaryWord::NoClientAddress, Some(index))),
        }
    }
    Err(ended(BoundaryWord::NoReceived, None))
}

fn is_inside(ip: IpAddr, trust: &Trust) -> bool {
    ip.to_canonical().is_loopback() || trust.internal.iter().any(|n| n.contains(ip))
}
