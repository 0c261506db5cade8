//! SPF: may this client send mail for this domain? (RFC 7208)
//!
//! Our own `check_host`, because the one at hand cannot be relied on: mail-auth 0.13.3 (and 0.15.1)
//! gives a wrong answer to 54 of the 203 cases of the public RFC 7208 test suite, ten of them a
//! wrong `pass`: a bad prefix length, a control character or a v4-mapped client is enough. A wrong
//! pass makes a forged mail a trusted one. It also keeps its resolver to itself, so that answers
//! cannot be recorded and replayed.
//!
//! - `record`: the grammar. A record is read as a whole before any of it counts (section 4.6).
//! - `macros`: `%{i}` and its kin (section 7).
//! - `check`: the evaluation, and the limits that keep a hostile record from costing much.
//!
//! Where RFC 7208 leaves a choice:
//!
//! - A target name that no DNS question can carry (empty or long label, control character) is
//!   a name that does not exist: the mechanism does not match.
//! - A void lookup counts once for a term (section 4.6.4 counts "terms"): an `mx` whose hosts have
//!   no address of the client's family is one, however many hosts there are.
//! - The client's reverse zone is not the domain's doing: a `ptr` term that finds no name is a void
//!   lookup, but names that turn out not to be valid, and `%{p}`, count as nothing.
//! - A local part that is not ASCII makes the terms with `%{s}` or `%{l}` not match (RFC 8616
//!   section 4). A domain that is not ASCII gives `none`: internationalised domains are looked for
//!   as A-labels, and it is for the caller to turn them into such.
//!
//! # Incomplete support
//!
//! The record type SPF (99) is not asked for; RFC 7208 section 3.1 ended it. There is no clock in
//! here: the caller sets the deadline (section 4.6.4 asks for 20 seconds or more) and calls what it
//! cuts off `temperror`.

mod check;
mod macros;
mod record;

pub use check::check_host;

use std::fmt;
use std::net::IpAddr;

/// What is asked: the arguments of `check_host` (section 4.1), and what macros need beside them.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The SMTP client. A v4-mapped address is taken as IPv4 (section 5).
    pub client_ip: IpAddr,
    /// What it said in HELO or EHLO.
    pub helo: &'a str,
    /// The address of MAIL FROM without angle brackets; empty for the null sender, whose identity is postmaster at the HELO
    /// name (section 2.4).
    pub mail_from: &'a str,
    /// The host that checks, for `%{r}`; empty when it is not known.
    pub receiver: &'a str,
    /// Unix seconds, for `%{t}`.
    pub now: i64,
}

impl Query<'_> {
    /// The domain to check: that of MAIL FROM, or the HELO name for the null sender.
    #[must_use]
    pub fn domain(&self) -> &str {
        let text = if self.mail_from.is_empty() { self.helo } else { self.mail_from };
        let domain = text.rsplit_once('@').map_or(text, |(_, domain)| domain);
        domain.strip_suffix('.').unwrap_or(domain)
    }
}

/// The limits of section 4.6.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Terms that need DNS, over all included records.
    pub lookups: usize,
    /// Terms among them that may find nothing.
    pub void_lookups: usize,
    /// Hosts of one `mx`.
    pub mx: usize,
    /// Names of the client's address that are looked at.
    pub ptr: usize,
    /// Octets of the longest explanation that is kept; 0 asks for none and saves its DNS question.
    pub explanation: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { lookups: 10, void_lookups: 2, mx: 10, ptr: 10, explanation: 1000 }
    }
}

/// The verdict (section 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpfResult {
    /// The domain says nothing.
    None,
    /// The domain says that it says nothing.
    Neutral,
    /// The client may send for the domain.
    Pass,
    /// The client may not.
    Fail,
    /// The client probably may not.
    SoftFail,
    /// DNS did not answer: says nothing about the sender.
    TempError,
    /// The domain's record cannot be read or costs too much.
    PermError,
}

impl SpfResult {
    /// The word of RFC 8601 section 2.7.2.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Neutral => "neutral",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

impl fmt::Display for SpfResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose permission was asked for (section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The domain of MAIL FROM.
    MailFrom,
    /// The HELO name, for the null sender.
    Helo,
}

impl Identity {
    /// The property name of RFC 8601 section 2.7.2 (`smtp.mailfrom`, `smtp.helo`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MailFrom => "mailfrom",
            Self::Helo => "helo",
        }
    }
}

/// The verdict and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpfOutcome {
    pub result: SpfResult,
    /// The domain that was checked, in lower case; visible ASCII and at most 253 octets, whatever
    /// the sender wrote.
    pub domain: String,
    pub identity: Identity,
    /// The term that matched, as it stands in the record; of nested includes the outermost.
    pub mechanism: Option<String>,
    /// What the domain says to who is refused (`exp=`). A stranger's words: never shown as ours.
    pub explanation: Option<String>,
    /// Why there is no verdict (`none`, `temperror`, `permerror`), in one line. Terms are quoted
    /// with their macros unexpanded, so that no local part gets into a log.
    pub problem: Option<String>,
}
