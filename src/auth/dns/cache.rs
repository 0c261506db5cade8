//! A cache for the whole run, and the deadline of one mail.

use super::{Answer, Code, Lookup, RecordType, Resolver};
use crate::event::run::DnsRun;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// Entries kept; beyond that the cache starts afresh rather than keep a queue of what is oldest.
const MAX_ENTRIES: usize = 50_000;
/// Octets of answers kept: a stranger's TXT record may have 60 kB, and a mail may ask for many.
const MAX_OCTETS: usize = 64 << 20;
/// A positive answer is kept at least and at most this long, whatever its TTL says.
const KEEP: (Duration, Duration) = (Duration::from_secs(5), Duration::from_hours(1));
/// Time-outs are kept briefly: long enough for the other mails of a batch, short enough to recover.
const KEEP_FAILURE: Duration = Duration::from_secs(10);

type Entry = Arc<OnceCell<(Arc<Answer>, Instant)>>;

/// Remembers answers, failures included; asks each question once however many mails wait for it.
pub struct Cached<R> {
    inner: R,
    entries: Mutex<HashMap<(Box<str>, RecordType), Entry>>,
    /// Octets of the answers since the cache was last cleared.
    octets: AtomicUsize,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl<R: Resolver> Cached<R> {
    /// A cache in front of `inner`.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            entries: Mutex::default(),
            octets: AtomicUsize::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    fn entry(&self, name: &str, rtype: RecordType) -> Entry {
        let key = (name.trim_end_matches('.').to_ascii_lowercase().into_boxed_str(), rtype);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() > MAX_ENTRIES || self.octets.load(Ordering::Relaxed) > MAX_OCTETS {
            entries.clear();
            self.octets.store(0, Ordering::Relaxed);
        }
        let entry = entries.entry(key).or_default();
        if entry.get().is_some_and(|(_, until)| *until < Instant::now()) {
            *entry = Entry::default();
        }
        Arc::clone(entry)
    }
}

impl<R: Resolver> Resolver for Cached<R> {
    fn lookup<'a>(&'a self, name: &'a str, rtype: RecordType) -> Lookup<'a> {
        Box::pin(async move {
            let entry = self.entry(name, rtype);
            if let Some((answer, _)) = entry.get() {
                self.hits.fetch_add(1, Ordering::Relaxed);
                return Arc::clone(answer);
            }
            self.misses.fetch_add(1, Ordering::Relaxed);
            let (answer, _) = entry
                .get_or_init(|| async {
                    let answer = self.inner.lookup(name, rtype).await;
                    self.octets.fetch_add(answer.octets(), Ordering::Relaxed);
                    let until = Instant::now() + keep(&answer);
                    (answer, until)
                })
                .await;
            Arc::clone(answer)
        })
    }

    fn counts(&self) -> DnsRun {
        let (hits, misses) = (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed));
        DnsRun { questions: hits + misses, cache_hits: hits, ..self.inner.counts() }
    }
}

fn keep(answer: &Answer) -> Duration {
    if answer.is_temporary() {
        return KEEP_FAILURE;
    }
    Duration::from_secs(u64::from(answer.ttl)).clamp(KEEP.0, KEEP.1)
}

/// A resolver that gives up at one moment for all questions of one mail.
///
/// It also tells afterwards whether anybody answered at all.
pub struct Deadline<'r> {
    inner: &'r dyn Resolver,
    until: tokio::time::Instant,
    answered: AtomicU64,
    silent: AtomicU64,
}

impl<'r> Deadline<'r> {
    /// `inner`, for at most `budget` from now on.
    pub fn new(inner: &'r dyn Resolver, budget: Duration) -> Self {
        Self {
            inner,
            until: tokio::time::Instant::now() + budget,
            answered: AtomicU64::new(0),
            silent: AtomicU64::new(0),
        }
    }

    /// `Some(true)` when something was asked and nobody answered anything; `None` when nothing was
    /// asked.
    #[must_use]
    pub fn was_silent(&self) -> Option<bool> {
        match (self.answered.load(Ordering::Relaxed), self.silent.load(Ordering::Relaxed)) {
            (0, 0) => None,
            (answered, _) => Some(answered == 0),
        }
    }
}

impl Resolver for Deadline<'_> {
    fn lookup<'a>(&'a self, name: &'a str, rtype: RecordType) -> Lookup<'a> {
        Box::pin(async move {
            let answer = tokio::time::timeout_at(self.until, self.inner.lookup(name, rtype))
                .await
                .unwrap_or_else(|_| Arc::new(Answer::empty(Code::TimedOut)));
            let count = if answer.code == Code::TimedOut { &self.silent } else { &self.answered };
            count.fetch_add(1, Ordering::Relaxed);
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Cached, Deadline};
    use crate::auth::dns::{Answer, Code, Lookup, Record, RecordType, Resolver, Zone};
    use std::sync::Arc;
    use std::time::Duration;

    #[tokio::test]
    async fn a_question_is_asked_once() {
        let mut zone = Zone::new();
        zone.add("example.org", Record::Txt(b"v=spf1 -all".to_vec()));
        let cached = Cached::new(zone);
        for name in ["example.org", "EXAMPLE.org.", "nothing.example"] {
            cached.lookup(name, RecordType::Txt).await;
            cached.lookup(name, RecordType::Txt).await;
        }
        let counts = cached.counts();
        assert_eq!((counts.questions, counts.cache_hits), (6, 4));
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let mut zone = Zone::new();
        for number in 0..4 {
            zone.add(&format!("{number}.example"), Record::Txt(vec![b'x'; 30 << 20]));
        }
        let cached = Cached::new(zone);
        for number in 0..4 {
            cached.lookup(&format!("{number}.example"), RecordType::Txt).await;
        }
        // After three of them the cache started afresh, with the fourth.
        for (number, hits) in [(3, 1), (0, 1), (3, 2)] {
            cached.lookup(&format!("{number}.example"), RecordType::Txt).await;
            assert_eq!(cached.counts().cache_hits, hits, "{number}");
        }
    }

    struct Never;

    impl Resolver for Never {
        fn lookup<'a>(&'a self, _: &'a str, _: RecordType) -> Lookup<'a> {
            Box::pin(async {
                std::future::pending::<()>().await;
                Arc::new(Answer::empty(Code::NoError))
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_zone_that_never_answers_costs_one_deadline() {
        let deadline = Deadline::new(&Never, Duration::from_secs(6));
        let started = tokio::time::Instant::now();
        for _ in 0..20 {
            assert_eq!(deadline.lookup("dead.example", RecordType::Txt).await.code, Code::TimedOut);
        }
        assert!(started.elapsed() < Duration::from_secs(7));
    }
}
