//! What the steps of the line take of a processor, for some of the mails.
//!
//! Steps work side by side on few processors, so the time from a step's beginning to its end says little of what it
//! takes; what the thread's own clock counted does. A step that waits in between is measured each time it goes on, on
//! whatever thread. To read that clock is a system call, so not every mail is measured.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One in so many is measured: a prime, so that what comes in turns (two mails in each TLS record) is met in all of them.
const ONE_IN: u64 = 17;

/// A step of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// TLS, POP3 and undoing the dot-stuffing.
    Fetch,
    /// SHA-256.
    Digest,
    /// MIME.
    Parse,
    Classify,
    /// SPF, DKIM, DMARC, ARC, with the DNS answers that the cache has.
    Authenticate,
    /// Correlation, the event, its privacy.
    Event,
    /// The events as records.
    Encode,
    /// Records and what the ledger remembers with them, handed to Kafka's client in one transaction.
    Publish,
}

impl Step {
    /// All of them, in the order in which a mail flows.
    pub const ALL: [Self; 8] = [
        Self::Fetch,
        Self::Digest,
        Self::Parse,
        Self::Classify,
        Self::Authenticate,
        Self::Event,
        Self::Encode,
        Self::Publish,
    ];

    /// The name, as a label has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Digest => "digest",
            Self::Parse => "parse",
            Self::Classify => "classify",
            Self::Authenticate => "authenticate",
            Self::Event => "event",
            Self::Encode => "encode",
            Self::Publish => "publish",
        }
    }
}

/// Who is told what a step took.
type Tell = dyn Fn(Step, Duration) + Send + Sync;

/// Chooses what is measured; one for a whole run. The default measures nothing.
#[derive(Clone, Default)]
pub struct Meter(Option<Arc<Inner>>);

struct Inner {
    clock: fn() -> Duration,
    tell: Box<Tell>,
    asked: AtomicU64,
}

impl Meter {
    /// With a clock that says how long the calling thread ran.
    #[must_use]
    pub fn new(clock: fn() -> Duration, tell: Box<Tell>) -> Self {
        Self(Some(Arc::new(Inner { clock, tell, asked: AtomicU64::new(0) })))
    }

    /// For one mail: measures it or does not.
    #[must_use]
    pub fn next(&self) -> Stopwatch<'_> {
        let inner = self.0.as_deref();
        Stopwatch(inner.filter(|inner| inner.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(ONE_IN)))
    }

    /// Does what many mails have done together. Each has its share of what it takes, and as many are counted as of the
    /// other steps.
    pub fn share(&self, step: Step, mails: usize, work: impl FnOnce()) {
        let (Some(inner), Ok(mails @ 1..)) = (self.0.as_deref(), u32::try_from(mails)) else { return work() };
        let begun = (inner.clock)();
        work();
        let each = (inner.clock)().saturating_sub(begun) / mails;
        (0..u64::from(mails).div_ceil(ONE_IN)).for_each(|_| (inner.tell)(step, each));
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Meter" } else { "Meter that measures nothing" })
    }
}

/// Measures the steps of one mail, or none.
#[derive(Clone, Copy)]
pub struct Stopwatch<'m>(Option<&'m Inner>);

impl Stopwatch<'_> {
    /// Does `work`.
    pub fn measure<T>(&self, step: Step, work: impl FnOnce() -> T) -> T {
        let Some(inner) = self.0 else { return work() };
        let begun = (inner.clock)();
        let out = work();
        (inner.tell)(step, (inner.clock)().saturating_sub(begun));
        out
    }

    /// Waits for `work`. What is dropped before its end is told to nobody.
    pub async fn measure_future<F: Future>(&self, step: Step, work: F) -> F::Output {
        let Some(inner) = self.0 else { return work.await };
        let mut work = pin!(work);
        let mut spent = Duration::ZERO;
        let out = poll_fn(|context| {
            let begun = (inner.clock)();
            let polled = work.as_mut().poll(context);
            spent += (inner.clock)().saturating_sub(begun);
            polled
        })
        .await;
        (inner.tell)(step, spent);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::{Meter, ONE_IN, Step};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    thread_local! {
        static RAN: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }

    fn run(ms: u64) {
        RAN.set(RAN.get() + ms);
    }

    fn meter() -> (Meter, Arc<Mutex<Vec<(Step, u128)>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&told);
        let tell = move |step, time: Duration| list.lock().expect("no panic").push((step, time.as_millis()));
        (Meter::new(|| Duration::from_millis(RAN.get()), Box::new(tell)), told)
    }

    #[test]
    fn one_in_seventeen_is_measured() {
        let (meter, told) = meter();
        for mail in 0..2 * ONE_IN {
            assert_eq!(meter.next().measure(Step::Parse, || mail), mail);
        }
        meter.next().measure(Step::Encode, || run(3));
        assert_eq!(*told.lock().expect("no panic"), [(Step::Parse, 0), (Step::Parse, 0), (Step::Encode, 3)]);
        assert_eq!(Meter::default().next().measure(Step::Parse, || 7), 7);
    }

    #[test]
    fn what_mails_have_done_together_is_shared_out() {
        let (meter, told) = meter();
        meter.share(Step::Publish, 20, || run(40));
        meter.share(Step::Publish, 0, || run(40));
        assert_eq!(*told.lock().expect("no panic"), [(Step::Publish, 2), (Step::Publish, 2)]);
        let mut done = false;
        Meter::default().share(Step::Publish, 1, || done = true);
        assert!(done);
    }

    #[test]
    fn what_waits_counts_only_while_it_runs() {
        let (meter, told) = meter();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let work = async {
            run(2);
            tokio::task::yield_now().await;
            run(3);
            "done"
        };
        let others = async { run(100) };
        let stopwatch = meter.next();
        let both = async { tokio::join!(stopwatch.measure_future(Step::Authenticate, work), others) };
        assert_eq!(runtime.block_on(both).0, "done");
        assert_eq!(*told.lock().expect("no panic"), [(Step::Authenticate, 5)]);
    }
}
