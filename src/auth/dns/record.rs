//! Answers that were written down when a mail was ingested, and given back at its replay.

use super::{Answer, Code, Lookup, RecordType, Resolver};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Every answer that one mail got, and when. Serialises to the record that `replay` reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// What the clock said: SPF and signatures are judged by it.
    checked_at: DateTime<Utc>,
    answers: BTreeMap<String, BTreeMap<RecordType, Answer>>,
}

impl Recorded {
    /// A record of what was asked at this time.
    #[must_use]
    pub fn at(checked_at: DateTime<Utc>) -> Self {
        Self { checked_at, answers: BTreeMap::new() }
    }

    /// When the mail was checked.
    #[must_use]
    pub fn checked_at(&self) -> DateTime<Utc> {
        self.checked_at
    }

    /// Writes an answer down; the first one counts, and is given back.
    pub fn add(&mut self, name: &str, rtype: RecordType, answer: Answer) -> &Answer {
        self.answers.entry(normal(name)).or_default().entry(rtype).or_insert(answer)
    }

    /// Every question and its answer, by name.
    pub fn answers(&self) -> impl Iterator<Item = (&str, RecordType, &Answer)> {
        self.answers.iter().flat_map(|(name, by_type)| by_type.iter().map(|(rtype, a)| (name.as_str(), *rtype, a)))
    }

    /// How many answers are there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.answers.values().map(BTreeMap::len).sum()
    }

    /// Whether nothing was asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}

impl Resolver for Recorded {
    /// What was not asked at ingest is unknown now: a time-out.
    fn lookup<'a>(&'a self, name: &'a str, rtype: RecordType) -> Lookup<'a> {
        let answer = self.answers.get(&normal(name)).and_then(|a| a.get(&rtype));
        let answer = Arc::new(answer.cloned().unwrap_or_else(|| Answer::empty(Code::TimedOut)));
        Box::pin(std::future::ready(answer))
    }

    fn is_live(&self) -> bool {
        false
    }
}

/// Passes questions on and writes the answers down.
pub struct Recorder<'r> {
    inner: &'r dyn Resolver,
    record: Mutex<Recorded>,
}

impl<'r> Recorder<'r> {
    /// A recorder of what `inner` answers to the questions of a mail that is checked at this time.
    pub fn new(inner: &'r dyn Resolver, checked_at: DateTime<Utc>) -> Self {
        Self { inner, record: Mutex::new(Recorded::at(checked_at)) }
    }

    /// What was asked and answered.
    #[must_use]
    pub fn finish(self) -> Recorded {
        self.record.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolver for Recorder<'_> {
    fn lookup<'a>(&'a self, name: &'a str, rtype: RecordType) -> Lookup<'a> {
        Box::pin(async move {
            let answer = self.inner.lookup(name, rtype).await;
            let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
            let first = record.add(name, rtype, (*answer).clone());
            // Asked twice, a question has one answer: the replay has no other.
            if *first == *answer { answer } else { Arc::new(first.clone()) }
        })
    }

    fn is_live(&self) -> bool {
        self.inner.is_live()
    }
}

fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// TXT octets as text: printable ASCII as it is, everything else as `\DDD` (RFC 1035 section 5.1).
pub(super) mod bytes_as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::fmt::Write;

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = String::with_capacity(bytes.len());
        for &byte in bytes {
            if byte == b'\\' || !(byte.is_ascii_graphic() || byte == b' ') {
                let _ = write!(out, "\\{byte:03}");
            } else {
                out.push(char::from(byte));
            }
        }
        serializer.serialize_str(&out)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut out = Vec::with_capacity(text.len());
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            if byte == b'\\' {
                let digits: String = bytes.by_ref().take(3).map(char::from).collect();
                out.push(digits.parse().map_err(|_| D::Error::custom("a backslash needs three digits up to 255"))?);
            } else {
                out.push(byte);
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::{Recorded, Recorder};
    use crate::auth::dns::{Code, Record, RecordType, Resolver, Zone};

    #[tokio::test]
    async fn a_record_answers_as_the_zone_did() {
        let mut zone = Zone::new();
        zone.add("example.org", Record::Txt(b"v=spf1 \"\\\xff -all".to_vec()));
        let tape = Recorder::new(&zone, chrono::DateTime::UNIX_EPOCH);
        let there = tape.lookup("Example.org.", RecordType::Txt).await;
        let nowhere = tape.lookup("nowhere.example", RecordType::A).await;
        let json = serde_json::to_string(&tape.finish()).expect("serialises");
        let recorded: Recorded = serde_json::from_str(&json).expect("reads back");
        assert_eq!(recorded.len(), 2);
        assert_eq!(recorded.lookup("example.org", RecordType::Txt).await, there);
        assert_eq!(recorded.lookup("nowhere.example", RecordType::A).await, nowhere);
        assert_eq!(recorded.lookup("never.asked.example", RecordType::A).await.code, Code::TimedOut);
    }
}
