//! What is to go wrong, and with which command.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The "command" that the greeting answers.
pub const GREETING: &str = "(greeting)";
/// Every command, and the greeting.
pub const ANY: &str = "";

type Edit = Arc<dyn Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync>;

/// One fault. Without more it changes nothing.
pub struct Rule {
    on: String,
    /// How often it still applies; a clone counts for itself.
    times: AtomicUsize,
    /// The command is carried out.
    pub(super) effect: bool,
    pub(super) edit: Edit,
    pub(super) then: Then,
    /// This mail is gone for every later session.
    pub(super) vanishes: Option<usize>,
}

/// What follows the answer.
#[derive(Clone)]
pub enum Then {
    GoOn,
    /// The connection ends, in order.
    End,
    /// TCP ends without TLS's `close_notify`.
    EndAbruptly,
    /// Nothing, and the connection stays.
    Hold,
    /// These octets below TLS, and the connection stays.
    Raw(&'static [u8]),
    /// These octets so many times, then the last ones.
    Flood(Vec<u8>, usize, &'static [u8]),
    /// This octet for ever, with a pause before each.
    Drip(u8, Duration),
    /// Commands that came with this one are lost.
    LoseAhead,
}

/// A fault with a command: `RETR 2` for the second mail whatever its number is by then, `RETR` whatever mail, `Yz1*` for whatever begins so.
pub fn on(command: &str) -> Rule {
    Rule {
        on: command.to_owned(),
        times: AtomicUsize::new(usize::MAX),
        effect: true,
        edit: Arc::new(|_, usual| usual),
        then: Then::GoOn,
        vanishes: None,
    }
}

impl Clone for Rule {
    fn clone(&self) -> Self {
        Self {
            on: self.on.clone(),
            times: AtomicUsize::new(self.times.load(Ordering::Relaxed)),
            effect: self.effect,
            edit: Arc::clone(&self.edit),
            then: self.then.clone(),
            vanishes: self.vanishes,
        }
    }
}

impl Rule {
    /// The answer is made from the command and the usual answer.
    pub fn edit(mut self, edit: impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Self {
        self.edit = Arc::new(edit);
        self
    }

    /// These octets instead of the usual answer; the command is carried out all the same.
    pub fn say(self, answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        self.edit(move |_, _| answer.clone())
    }

    /// `-ERR` with this text; the command is not carried out.
    pub fn refuse(self, text: &str) -> Self {
        self.say(format!("-ERR {text}\r\n")).without_effect()
    }

    /// The command is answered and not carried out.
    pub fn without_effect(mut self) -> Self {
        self.effect = false;
        self
    }

    /// The first half of the usual answer.
    pub fn half(self) -> Self {
        self.edit(|_, mut usual| {
            usual.truncate(usual.len() / 2);
            usual
        })
    }

    /// The usual answer without its last octets.
    pub fn short_of(self, octets: usize) -> Self {
        self.edit(move |_, mut usual| {
            usual.truncate(usual.len().saturating_sub(octets));
            usual
        })
    }

    /// These octets in the same packet, behind the usual answer.
    pub fn behind(self, more: &'static [u8]) -> Self {
        self.edit(move |_, usual| [usual.as_slice(), more].concat())
    }

    /// The usual answer twice.
    pub fn twice(self) -> Self {
        self.edit(|_, usual| usual.repeat(2))
    }

    /// Only the first time.
    pub fn once(mut self) -> Self {
        self.times = AtomicUsize::new(1);
        self
    }

    /// The mail with this id is deleted by somebody else.
    pub fn vanish(mut self, id: usize) -> Self {
        self.vanishes = Some(id);
        self
    }

    fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }

    pub fn end(self) -> Self {
        self.then(Then::End)
    }

    pub fn end_abruptly(self) -> Self {
        self.then(Then::EndAbruptly)
    }

    pub fn hold(self) -> Self {
        self.then(Then::Hold)
    }

    pub fn raw(self, octets: &'static [u8]) -> Self {
        self.then(Then::Raw(octets))
    }

    pub fn endless(self, octets: &[u8]) -> Self {
        self.then(Then::Flood(octets.repeat(64 * 1024 / octets.len()), usize::MAX, b""))
    }

    pub fn flood(self, octets: &[u8], times: usize, last: &'static [u8]) -> Self {
        self.then(Then::Flood(octets.to_vec(), times, last))
    }

    pub fn drip(self, octet: u8, pause: Duration) -> Self {
        self.then(Then::Drip(octet, pause))
    }

    pub fn lose_ahead(self) -> Self {
        self.then(Then::LoseAhead)
    }

    /// Whether the rule is for this line, counted where it is.
    pub(super) fn applies(&self, line: &str) -> bool {
        let fits = match (self.on.as_str(), self.on.strip_suffix('*')) {
            (ANY, _) => true,
            (_, Some(beginning)) => line.starts_with(beginning),
            (on, None) => line.strip_prefix(on).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')),
        };
        let take = |left: usize| match left {
            usize::MAX => Some(left),
            _ => left.checked_sub(1),
        };
        fits && self.times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}
