//! A producer that can be replaced: after an error that librdkafka calls fatal it takes nothing any more.

use super::kafka::{KafkaError, Watch};
use rdkafka::producer::{FutureProducer, Producer};
use rdkafka::{ClientConfig, ClientContext, Statistics};
use std::sync::{PoisonError, RwLock};

/// A producer's context that hands its statistics on.
#[derive(Clone)]
pub(super) struct Watched(pub(super) Option<Watch>);

impl ClientContext for Watched {
    fn stats(&self, statistics: Statistics) {
        if let Some(watch) = &self.0 {
            watch(&statistics);
        }
    }
}

/// The producer in use.
pub(super) struct Renewed {
    config: ClientConfig,
    watched: Watched,
    current: RwLock<FutureProducer<Watched>>,
}

impl Renewed {
    pub(super) fn new(config: ClientConfig, watch: Option<Watch>) -> Result<Self, KafkaError> {
        let watched = Watched(watch);
        let current = RwLock::new(make(&config, &watched)?);
        Ok(Self { config, watched, current })
    }

    pub(super) fn get(&self) -> FutureProducer<Watched> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes another producer where `failed` is done for; says whether there is a new one since.
    pub(super) fn renew(&self, failed: &FutureProducer<Watched>) -> bool {
        let Some((_, reason)) = failed.client().fatal_error() else { return false };
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have replaced it meanwhile.
        if current.client().fatal_error().is_some() {
            match make(&self.config, &self.watched) {
                Ok(producer) => *current = producer,
                Err(_) => return false,
            }
            tracing::warn!(%reason, "the connection to Kafka is made anew: what was not acknowledged is sent again");
        }
        true
    }
}

fn make(config: &ClientConfig, watched: &Watched) -> Result<FutureProducer<Watched>, KafkaError> {
    config.create_with_context(watched.clone()).map_err(|e| KafkaError::Setting(Box::new(e)))
}
