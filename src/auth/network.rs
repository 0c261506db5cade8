//! Whether name servers answer at all: without this, a run with DNS down would wait out every question of every mail.

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

impl Network {
    pub fn is_dead(&self) -> bool {
        let until = *self.dead_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    pub fn note(&self, silent: Option<bool>) {
        match silent {
            Some(false) => self.silent.store(0, Ordering::Relaxed),
            Some(true) if self.silent.fetch_add(1, Ordering::Relaxed) + 1 == DEAD_AFTER => {
                self.silent.store(0, Ordering::Relaxed);
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
