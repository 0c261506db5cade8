//! One more try for questions that failed, and what the network did in a run.
//!
//! A recursive name server that starts with an empty cache often needs longer than one question may take, and has the
//! answer a moment later. So a question that ended without an answer is asked again, in half the time. What second
//! tries may cost a whole run is bounded: with DNS down, the mails go on with `temperror`.

use super::latency::Latency;
use super::{Answer, Code, Lookup, RecordType, Resolver};
use crate::event::run::DnsRun;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A name server that reports a failure is left alone for so long: the next one of its kind would only say the same.
const PAUSE: Duration = Duration::from_millis(100);

/// How often, and how long, a failed question is asked again.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// Further tries of one question.
    pub times: u32,
    /// How long each of them may take.
    pub timeout: Duration,
    /// What all of them together may take in a run.
    pub budget: Duration,
}

/// Asks again what failed, and counts.
pub struct Retried<R> {
    inner: R,
    retries: Retries,
    /// Microseconds of the budget that are left.
    left: AtomicU64,
    failed: AtomicU64,
    again: AtomicU64,
    latency: Latency,
}

impl<R: Resolver> Retried<R> {
    pub fn new(inner: R, retries: Retries) -> Self {
        let left = AtomicU64::new(micros(retries.budget));
        Self { inner, retries, left, failed: AtomicU64::new(0), again: AtomicU64::new(0), latency: Latency::default() }
    }

    async fn ask(&self, name: &str, rtype: RecordType) -> Arc<Answer> {
        let begun = Instant::now();
        let answer = self.inner.lookup(name, rtype).await;
        self.latency.note(begun.elapsed());
        answer
    }

    /// One more try, paid from the budget.
    async fn once_more(&self, name: &str, rtype: RecordType, failure: &Answer) -> Arc<Answer> {
        let begun = Instant::now();
        if failure.code == Code::ServFail {
            tokio::time::sleep(PAUSE).await;
        }
        let answer = tokio::time::timeout(self.retries.timeout, self.ask(name, rtype)).await;
        let cost = micros(begun.elapsed());
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(cost)));
        answer.unwrap_or_else(|_| Arc::new(Answer::empty(Code::TimedOut)))
    }
}

impl<R: Resolver> Resolver for Retried<R> {
    fn lookup<'a>(&'a self, name: &'a str, rtype: RecordType) -> Lookup<'a> {
        Box::pin(async move {
            let mut answer = self.ask(name, rtype).await;
            for _ in 0..self.retries.times {
                if !answer.is_temporary() || self.left.load(Ordering::Relaxed) == 0 {
                    break;
                }
                self.again.fetch_add(1, Ordering::Relaxed);
                answer = self.once_more(name, rtype, &answer).await;
            }
            self.failed.fetch_add(u64::from(answer.is_temporary()), Ordering::Relaxed);
            answer
        })
    }

    fn counts(&self) -> DnsRun {
        DnsRun {
            failed: self.failed.load(Ordering::Relaxed),
            retried: self.again.load(Ordering::Relaxed),
            latency: self.latency.summary(),
            ..DnsRun::default()
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Retried, Retries};
    use crate::auth::dns::{Answer, Code, Lookup, Record, RecordType, Resolver};
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    /// Fails so often, then answers.
    struct Slow {
        failures: AtomicU32,
        code: Code,
    }

    impl Resolver for Slow {
        fn lookup<'a>(&'a self, _: &'a str, _: RecordType) -> Lookup<'a> {
            Box::pin(async {
                let failed = self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
                if failed.is_err() {
                    let records = vec![Record::A(Ipv4Addr::LOCALHOST)];
                    return Arc::new(Answer { code: Code::NoError, ttl: 60, records });
                }
                if self.code == Code::TimedOut {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
                Arc::new(Answer::empty(self.code))
            })
        }
    }

    fn retried(failures: u32, code: Code, times: u32, budget: u64) -> Retried<Slow> {
        let retries = Retries { times, timeout: Duration::from_secs(1), budget: Duration::from_secs(budget) };
        Retried::new(Slow { failures: AtomicU32::new(failures), code }, retries)
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_asked_again_and_no_more_often_than_set() {
        // failures, their code, further tries, the answer, tries made
        for (failures, code, times, answer, tries) in [
            (0, Code::TimedOut, 1, Code::NoError, 0),
            (1, Code::TimedOut, 1, Code::NoError, 1),
            (1, Code::ServFail, 1, Code::NoError, 1),
            (2, Code::ServFail, 1, Code::ServFail, 1),
            (2, Code::TimedOut, 2, Code::NoError, 2),
            (1, Code::TimedOut, 0, Code::TimedOut, 0),
            (1, Code::NxDomain, 3, Code::NxDomain, 0),
        ] {
            let resolver = retried(failures, code, times, 60);
            let begun = tokio::time::Instant::now();
            let found = resolver.lookup("a.example", RecordType::A).await;
            let counts = resolver.counts();
            assert_eq!((found.code, counts.retried), (answer, tries), "{failures} {code:?} {times}");
            assert_eq!(counts.failed, u64::from(answer == Code::TimedOut || answer == Code::ServFail));
            assert!(begun.elapsed() <= Duration::from_secs(4), "{:?}", begun.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_without_name_servers_pays_its_budget_and_no_more() {
        let resolver = retried(u32::MAX, Code::TimedOut, 1, 10);
        let begun = tokio::time::Instant::now();
        for _ in 0..100 {
            assert_eq!(resolver.lookup("a.example", RecordType::A).await.code, Code::TimedOut);
        }
        assert_eq!(resolver.counts().retried, 10);
        assert_eq!(begun.elapsed().as_secs(), 100 * 2 + 10);
    }
}
