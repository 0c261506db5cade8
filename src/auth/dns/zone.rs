//! A zone in memory, for tests and for the demo.

use super::{Answer, Code, Lookup, Record, RecordType, Resolver};
use std::collections::HashMap;
use std::sync::Arc;

/// TTL of everything in a zone.
const TTL: u32 = 300;

/// Names and what is known of them. Follows no CNAME; what is not there does not exist.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    names: HashMap<String, Vec<Record>>,
    codes: HashMap<(String, RecordType), Code>,
}

impl Zone {
    /// An empty zone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record.
    pub fn add(&mut self, name: &str, record: Record) {
        self.names.entry(normal(name)).or_default().push(record);
    }

    /// Makes every question for `rtype` at `name` end with `code`.
    pub fn add_code(&mut self, name: &str, rtype: RecordType, code: Code) {
        self.names.entry(normal(name)).or_default();
        self.codes.insert((normal(name), rtype), code);
    }

    fn answer(&self, name: &str, rtype: RecordType) -> Answer {
        let name = normal(name);
        if name.is_empty() || name.len() > 253 || name.split('.').any(|l| l.is_empty() || l.len() > 63) {
            return Answer::empty(Code::BadName);
        }
        if let Some(&code) = self.codes.get(&(name.clone(), rtype)) {
            return Answer::empty(code);
        }
        match self.names.get(&name) {
            Some(records) => Answer {
                code: Code::NoError,
                ttl: TTL,
                records: records.iter().filter(|r| r.rtype() == rtype).cloned().collect(),
            },
            None => Answer { code: Code::NxDomain, ttl: TTL, records: Vec::new() },
        }
    }
}

impl Resolver for Zone {
    fn lookup<'a>(&'a self, name: &'a str, rtype: RecordType) -> Lookup<'a> {
        Box::pin(std::future::ready(Arc::new(self.answer(name, rtype))))
    }
}

impl Record {
    /// The record's type.
    #[must_use]
    pub const fn rtype(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::Aaaa,
            Self::Mx { .. } => RecordType::Mx,
            Self::Ptr(_) => RecordType::Ptr,
            Self::Txt(_) => RecordType::Txt,
        }
    }
}

fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}
