//! What /livez and /readyz say.

use std::sync::{Mutex, PoisonError};

/// Whether the program can do its work, and why not.
pub(super) struct Health(Mutex<State>);

enum State {
    Ready,
    Not(String),
    Ending,
}

impl Default for Health {
    fn default() -> Self {
        Self(Mutex::new(State::Not("starting".to_owned())))
    }
}

impl Health {
    /// Kafka and the ledger are open.
    pub(super) fn ready(&self) {
        self.set(State::Ready);
    }

    pub(super) fn unready(&self, reason: impl Into<String>) {
        self.set(State::Not(reason.into()));
    }

    /// For good.
    pub(super) fn stopping(&self) {
        self.set(State::Ending);
    }

    /// `None` when ready, else the reason.
    pub(super) fn trouble(&self) -> Option<String> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Ready => None,
            State::Not(reason) => Some(reason.clone()),
            State::Ending => Some("stopping".to_owned()),
        }
    }

    /// Whether the scheduler works; it no longer does only when the process is about to end.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(&*self.0.lock().unwrap_or_else(PoisonError::into_inner), State::Ending)
    }

    fn set(&self, state: State) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*now, State::Ending) {
            *now = state;
        }
    }
}
