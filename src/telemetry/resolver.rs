//! A resolver that is measured: how long each question took on the network, and how it ended.

use super::Metrics;
use super::metrics::TypeOutcome;
use crate::auth::dns::{Code, Lookup, RecordType, Resolver};
use crate::event::run::DnsRun;
use std::sync::Arc;
use std::time::Instant;

/// Asks `R` and counts.
pub struct Measured<R> {
    inner: R,
    metrics: Arc<Metrics>,
}

impl<R: Resolver> Measured<R> {
    pub fn new(inner: R, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }
}

impl<R: Resolver> Resolver for Measured<R> {
    fn lookup<'a>(&'a self, name: &'a str, rtype: RecordType) -> Lookup<'a> {
        Box::pin(async move {
            let begun = Instant::now();
            let answer = self.inner.lookup(name, rtype).await;
            self.metrics.dns_duration.observe(begun.elapsed().as_secs_f64());
            let label = TypeOutcome { r#type: of_type(rtype).to_owned(), outcome: outcome(answer.code).to_owned() };
            self.metrics.dns_queries.get_or_create(&label).inc();
            answer
        })
    }

    fn is_live(&self) -> bool {
        self.inner.is_live()
    }

    fn counts(&self) -> DnsRun {
        self.inner.counts()
    }
}

fn of_type(rtype: RecordType) -> &'static str {
    match rtype {
        RecordType::A => "A",
        RecordType::Aaaa => "AAAA",
        RecordType::Mx => "MX",
        RecordType::Ptr => "PTR",
        RecordType::Txt => "TXT",
    }
}

fn outcome(code: Code) -> &'static str {
    match code {
        Code::NoError => "noerror",
        Code::NxDomain => "nxdomain",
        Code::ServFail => "servfail",
        Code::TimedOut => "timeout",
        Code::BadName => "badname",
    }
}
