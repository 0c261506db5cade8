//! A ledger that forgets everything at the end of the process: for the demo and for tests.

use super::{Done, Entry, Known, Ledger, LedgerError, Seen};
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The ledger in memory.
#[derive(Debug, Default)]
pub struct MemoryLedger(Mutex<HashMap<String, Known>>);

impl Ledger for MemoryLedger {
    fn known(&self, mailbox: &str) -> Result<Known, LedgerError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(mailbox).cloned().unwrap_or_default())
    }

    fn begin(&self, mailbox: &str, _: DateTime<Utc>) -> Result<(), LedgerError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(mailbox.to_owned()).or_default().begun = true;
        Ok(())
    }

    fn record(&self, mailbox: &str, done: &[Done]) -> Result<(), LedgerError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(mailbox.to_owned()).or_default();
        for mail in done {
            if let Some(digest) = mail.digest {
                known.digests.insert(digest, Seen { state: mail.state, at: mail.at });
            }
            if let Some(uidl) = &mail.uidl {
                known.by_uidl.insert(uidl.clone(), Entry::of(mail));
            }
        }
        Ok(())
    }

    fn missing(&self, mailbox: &str, uidls: &[String], since: Option<DateTime<Utc>>) -> Result<(), LedgerError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(mailbox.to_owned()).or_default();
        for uidl in uidls {
            if let Some(entry) = known.by_uidl.get_mut(uidl) {
                entry.missing_since = since;
            }
        }
        Ok(())
    }

    fn forget(&self, mailbox: &str, uidls: &[String]) -> Result<(), LedgerError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get_mut(mailbox) {
            for uidl in uidls {
                known.by_uidl.remove(uidl);
            }
        }
        Ok(())
    }
}
