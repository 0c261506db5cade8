//! What several commands set up: which mailboxes of which configuration, the rules, name resolution, Kafka.

use super::Exit;
use super::exit::{configuration, fail};
use crate::auth::dns::{Cached, Resolver, Retried, Retries, SystemResolver};
use crate::classify::Rules;
use crate::config::{self, Config, Mailbox};
use crate::pipeline::{Failure, FailureClass};
use crate::sink::{KafkaFacts, KafkaSink, Topics, Watch};
use crate::telemetry::{Measured, Metrics};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long the brokers may take to answer.
const KAFKA_WAIT: Duration = Duration::from_secs(10);

/// The configuration, and which of its mailboxes.
#[derive(Debug, clap::Args)]
pub struct Selection {
    /// The configuration.
    #[arg(long, short, value_name = "FILE", env = "REPLY_INGEST_CONFIG")]
    pub config: PathBuf,
    /// Only this mailbox; may be given several times.
    #[arg(long, value_name = "NAME")]
    mailbox: Vec<String>,
}

/// A configuration that can be put into force.
pub struct Setup {
    pub config: Config,
    pub mailboxes: Vec<Arc<Mailbox>>,
    pub rules: Arc<Rules>,
}

impl Selection {
    /// Reads the configuration and its rules; what is wrong is said on standard error.
    pub fn setup(&self) -> Result<Setup, Exit> {
        let config = config::load(&self.config).map_err(|error| configuration(&error))?;
        let mailboxes = self.mailboxes(&config)?;
        let rules = rules(&config).map_err(|failure| fail(&failure))?;
        Ok(Setup { config, mailboxes, rules })
    }

    /// The mailboxes that were meant.
    ///
    /// # Errors
    /// When one of them is not in the configuration; that was said on stderr.
    pub fn mailboxes(&self, config: &Config) -> Result<Vec<Arc<Mailbox>>, Exit> {
        let names = &self.mailbox;
        let known: Vec<&str> = config.mailboxes.iter().map(|m| m.name.as_str()).collect();
        if let Some(name) = names.iter().find(|n| !known.contains(&n.as_str())) {
            eprintln!("error: there is no mailbox `{name}` in the configuration: it has {}", known.join(", "));
            return Err(Exit::Usage);
        }
        Ok(config
            .mailboxes
            .iter()
            .filter(|m| names.is_empty() || names.contains(&m.name))
            .map(|m| Arc::new(m.clone()))
            .collect())
    }
}

/// The embedded rules and those that the configuration names.
pub fn rules(config: &Config) -> Result<Arc<Rules>, Failure> {
    rules_with(Some(config), &[])
}

/// The embedded rules, those that a configuration names, and further files.
pub fn rules_with(config: Option<&Config>, more: &[PathBuf]) -> Result<Arc<Rules>, Failure> {
    let wrong = |e: &dyn std::error::Error| Failure::new(FailureClass::Configuration, e);
    let mut files = Vec::new();
    for path in config.iter().flat_map(|c| &c.rules.files).chain(more) {
        let text = std::fs::read_to_string(path)
            .map_err(|source| wrong(&config::ConfigError::Read { path: path.clone(), source }))?;
        files.push((path.display().to_string(), text));
    }
    let policy = config.map(|c| c.bounces.clone()).unwrap_or_default();
    Rules::with_extra(&files, policy).map(Arc::new).map_err(|e| wrong(&e))
}

/// The resolver that a configuration asks for, with its cache and its further tries.
pub fn resolver(config: &config::Dns) -> Result<Arc<dyn Resolver>, Failure> {
    Ok(Arc::new(Cached::new(Retried::new(system(config)?, retries(config)))))
}

/// The same, measured.
pub fn measured_resolver(config: &config::Dns, metrics: &Arc<Metrics>) -> Result<Arc<dyn Resolver>, Failure> {
    let measured = Measured::new(system(config)?, Arc::clone(metrics));
    Ok(Arc::new(Cached::new(Retried::new(measured, retries(config)))))
}

fn system(config: &config::Dns) -> Result<SystemResolver, Failure> {
    SystemResolver::new(&config.servers, config.timeout.0).map_err(|e| Failure::new(FailureClass::Configuration, &e))
}

fn retries(config: &config::Dns) -> Retries {
    Retries { times: config.retries, timeout: config.timeout.0 / 2, budget: config.retry_budget.0 }
}

/// A producer, once the brokers have answered and have the topics.
pub async fn kafka(config: &Config, watch: Option<Watch>) -> Result<(KafkaSink, KafkaFacts), Failure> {
    let settings = config.kafka.clone();
    let exactly_once = config.delivery == config::Delivery::ExactlyOnce;
    let ledger_topic = exactly_once.then(|| config.ledger.topic.clone());
    let topics = Topics::of(config);
    let asked = tokio::task::spawn_blocking(move || {
        let sink = KafkaSink::watched(&settings, watch)?;
        let topics: Vec<&str> = topics.all().into_iter().chain(ledger_topic.as_deref()).collect();
        let facts = sink.check(&topics, KAFKA_WAIT)?;
        Ok((sink, facts))
    });
    let (sink, facts) = asked.await.unwrap_or_else(|error| Err(Failure::new(FailureClass::Internal, &error)))?;
    if exactly_once {
        sink.check_compacted(&config.kafka, &config.ledger.topic, KAFKA_WAIT).await?;
    }
    Ok((sink, facts))
}
