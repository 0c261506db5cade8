//! Whether name servers answer at all: without this, a run with DNS down would wait out every question of every mail.

use super::dns::{Code, RecordType, Resolver};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Whether name servers answer at all.
#[derive(Default)]
pub struct Network {
    /// Mails in a row for which nobody answered anything. A mail counts once, so one with many
    /// signatures on dead domains cannot take the verdicts of the others away.
    silent: AtomicU32,
    dead_until: Mutex<Option<Instant>>,
}

/// Silent mails in a row after which the network is taken to be down …
const DEAD_AFTER: u32 = 20;
/// … and for how long nothing is asked then.
const DEAD_FOR: Duration = Duration::from_secs(15);
/// A name that every name server has something to say about.
const NEUTRAL: &str = "org";

impl Network {
    pub fn is_dead(&self) -> bool {
        let until = *self.dead_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Notes whether a mail was met with silence. After many such mails in a row one question that no sender has
    /// chosen tells dead name servers from dead senders.
    pub async fn note(&self, silent: Option<bool>, resolver: &dyn Resolver) {
        match silent {
            Some(false) => self.silent.store(0, Ordering::Relaxed),
            Some(true) if self.silent.fetch_add(1, Ordering::Relaxed) + 1 == DEAD_AFTER => {
                self.silent.store(0, Ordering::Relaxed);
                if resolver.lookup(NEUTRAL, RecordType::A).await.code != Code::TimedOut {
                    return;
                }
                *self.dead_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + DEAD_FOR);
                tracing::warn!(
                    seconds = DEAD_FOR.as_secs(),
                    "no name server answers: verdicts are temperror until one does; check dns.servers"
                );
            }
            Some(true) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DEAD_AFTER, Network};
    use crate::auth::dns::{Code, RecordType, Recorded, Zone};

    #[tokio::test]
    async fn dead_senders_are_not_dead_name_servers() {
        // A zone knows that the neutral name does not exist; an empty recording is silent about it.
        for (answers, dead) in [(true, false), (false, true)] {
            let (network, zone, nobody) = (Network::default(), Zone::new(), Recorded::default());
            for _ in 0..DEAD_AFTER {
                assert!(!network.is_dead());
                if answers {
                    network.note(Some(true), &zone).await;
                } else {
                    network.note(Some(true), &nobody).await;
                }
            }
            assert_eq!(network.is_dead(), dead);
        }
        let mut zone = Zone::new();
        zone.add_code("org", RecordType::A, Code::ServFail);
        let network = Network::default();
        for _ in 0..DEAD_AFTER {
            network.note(Some(true), &zone).await;
        }
        assert!(!network.is_dead(), "a name server that fails is there");
    }
}
