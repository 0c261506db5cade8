//! The POP3 client (RFC 1939, 2449, 3206, 5034, 8314).
//!
//! The core is sans-IO: [`codec`] turns octets into replies, [`session`] pairs replies with the
//! commands that were sent, neither knows a socket or a clock. [`client`] is the thin transport
//! around them: TCP, TLS, time-outs.
//!
//! What it holds to: a body is given out only after its terminator was seen, so a connection cut
//! in mid-RETR is an error and never a short mail; octets that no command asked for end the
//! connection without QUIT, so that no DELE commits; DELE counts only after QUIT was answered, and
//! an unanswered QUIT is *unknown*, which the next UIDL settles.

pub mod capability;
pub mod client;
pub mod codec;
mod error;
pub mod reply;
pub mod session;
pub mod tls;

pub use capability::Capabilities;
pub use client::{Client, Endpoint, Fetched, Listed, QuitOutcome, Timeouts, Window};
pub use codec::Body;
pub use error::Pop3Error;
pub use reply::{ResponseCode, Status};
