//! What several commands set up: which mailboxes of which configuration, the rules, name resolution, Kafka.

use super::Exit;
use super::exit::{configuration, fail, refused};
use super::shard::Shard;
use crate::auth::dns::{Cached, Resolver, Retried, Retries, SystemResolver};
use crate::classify::Rules;
use crate::config::{self, Config, ConfigError, Logins, Mailbox, Secrets};
use crate::mistake::{Mistake, hint};
use crate::pipeline::{Failure, FailureClass};
use crate::sink::{KafkaError, KafkaFacts, KafkaSink, Purpose, Watch, judge, settings_of, wanted};
use crate::telemetry::{Measured, Metrics};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the brokers may take to answer.
const KAFKA_WAIT: Duration = Duration::from_secs(10);
/// How long after it was made a topic may be unknown to a broker.
const JUST_MADE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(200);

/// The configuration, and which of its mailboxes.
#[derive(Debug, clap::Args)]
pub struct Selection {
    /// The configuration.
    #[arg(long, short, value_name = "FILE", env = "REPLY_INGEST_CONFIG")]
    pub config: PathBuf,
    /// Only this mailbox; may be given several times.
    #[arg(long, value_name = "NAME")]
    mailbox: Vec<String>,
    /// Only the mailboxes of this shard, such as 0/4: shard 0 of 4. Shards keep a ledger file each.
    #[arg(long, value_name = "I/N", env = "REPLY_INGEST_SHARD")]
    shard: Option<Shard>,
    /// How many shards there are, where `JOB_COMPLETION_INDEX` says which this is, as in an Indexed Job of Kubernetes.
    #[arg(long, value_name = "N", env = "REPLY_INGEST_SHARDS", conflicts_with = "shard")]
    shards: Option<u32>,
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
        let (config, mailboxes) = self.configured()?;
        let rules = rules(&config).map_err(|failure| fail(&failure))?;
        Ok(Setup { config, mailboxes, rules })
    }

    /// Reads the configuration alone.
    pub fn configured(&self) -> Result<(Config, Vec<Arc<Mailbox>>), Exit> {
        let (mut config, _) = self.read()?;
        self.own_ledger(&mut config)?;
        let mailboxes = self.mailboxes(&config)?;
        Ok((config, mailboxes))
    }

    /// Reads the configuration, and its warnings. Nothing has to be known of the logins to mailboxes that are not meant.
    pub fn read(&self) -> Result<(Config, Vec<Mistake>), Exit> {
        self.read_for(self.shard()?).map_err(|error| configuration(&error))
    }

    /// The same, with the shard that this process is.
    pub fn read_for(&self, shard: Option<Shard>) -> Result<(Config, Vec<Mistake>), ConfigError> {
        let read = |secrets| config::check_file(&self.config, &config::environment(), secrets);
        if self.mailbox.is_empty() && shard.is_none() {
            return read(Secrets::Required);
        }
        let (look, _) = read(Secrets::RequiredFor { mailboxes: Logins::None, kafka: true })?;
        let meant = |(at, mailbox)| self.is_meant(mailbox, shard).then_some(at);
        let places: Vec<usize> = look.mailboxes.iter().enumerate().filter_map(meant).collect();
        read(Secrets::RequiredFor { mailboxes: Logins::Of(&places), kafka: true })
    }

    fn is_meant(&self, mailbox: &Mailbox, shard: Option<Shard>) -> bool {
        (self.mailbox.is_empty() || self.mailbox.contains(&mailbox.name))
            && shard.is_none_or(|shard| shard.has(&mailbox.name))
    }

    /// The mailboxes that were meant.
    ///
    /// # Errors
    /// When one of them is not in the configuration; that was said on stderr.
    pub fn mailboxes(&self, config: &Config) -> Result<Vec<Arc<Mailbox>>, Exit> {
        let names = &self.mailbox;
        if let Some(name) = names.iter().find(|name| config.mailboxes.iter().all(|m| m.name != **name)) {
            return Err(no_mailbox(name, config));
        }
        let shard = self.shard()?;
        let selected: Vec<Arc<Mailbox>> = config
            .mailboxes
            .iter()
            .filter(|mailbox| self.is_meant(mailbox, shard))
            .map(|mailbox| Arc::new(mailbox.clone()))
            .collect();
        if let Some(shard) = shard {
            tracing::info!(%shard, mailboxes = selected.len(), of = config.mailboxes.len(), "the mailboxes of a shard");
        }
        Ok(selected)
    }

    /// The shard that this process is.
    pub fn shard(&self) -> Result<Option<Shard>, Exit> {
        let Some(count) = self.shards else { return Ok(self.shard) };
        let wrong = |problem: String| {
            complain!("error: {problem}");
            Exit::Usage
        };
        let index = std::env::var("JOB_COMPLETION_INDEX").ok();
        let index = index.and_then(|index| index.parse().ok()).ok_or_else(|| {
            wrong(
                "--shards needs a number in JOB_COMPLETION_INDEX: outside of an Indexed Job use --shard I/N".to_owned(),
            )
        })?;
        Shard::new(index, count).map(Some).map_err(wrong)
    }

    /// Gives a shard its own ledger file.
    pub fn own_ledger(&self, config: &mut Config) -> Result<(), Exit> {
        if let Some(shard) = self.shard()? {
            config.ledger.file = shard.ledger_file(&config.ledger.file);
        }
        Ok(())
    }
}

/// Says that a mailbox is not in the configuration, and which one was probably meant.
pub fn no_mailbox(name: &str, config: &Config) -> Exit {
    let known: Vec<&str> = config.mailboxes.iter().map(|m| m.name.as_str()).collect();
    complain!("error: there is no mailbox `{name}` in the configuration: {}", hint(name, &known));
    Exit::Usage
}

/// The embedded rules and those that the configuration names.
pub fn rules(config: &Config) -> Result<Arc<Rules>, Failure> {
    rules_with(Some(config), &[])
}

/// The same on a thread beside: no connection needs them, and a user's own may take as long as one.
pub fn rules_beside(config: &Config) -> impl Future<Output = Result<Arc<Rules>, Failure>> + use<> {
    let config = config.clone();
    let reading = tokio::task::spawn_blocking(move || rules(&config));
    async move { reading.await.unwrap_or_else(|error| Err(Failure::new(FailureClass::Internal, &error))) }
}

/// A file of rules that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the rules {}: check the path and its permissions", path.display())]
struct UnreadRules {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// The embedded rules, those that a configuration names, and further files.
pub fn rules_with(config: Option<&Config>, more: &[PathBuf]) -> Result<Arc<Rules>, Failure> {
    rules_of(config.iter().flat_map(|c| &c.rules.files).chain(more), config)
}

/// The embedded rules and these, with the policy of a configuration.
pub fn rules_of<'p>(
    files: impl IntoIterator<Item = &'p PathBuf>,
    config: Option<&Config>,
) -> Result<Arc<Rules>, Failure> {
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).map_err(|source| UnreadRules { path: path.clone(), source })?;
        Ok((path.display().to_string(), text))
    };
    let files: Result<Vec<_>, UnreadRules> = files.into_iter().map(read).collect();
    let files = files.map_err(|error| Failure::new(FailureClass::Configuration, &error))?;
    let policy = config.map(|c| c.bounces.clone()).unwrap_or_default();
    Rules::with_extra(&files, policy).map(Arc::new).map_err(|error| refused(&error))
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

/// A producer, once the brokers have answered and have the topics, and these fit.
pub async fn kafka(config: &Config, watch: Option<Watch>) -> Result<KafkaSink, Failure> {
    let topics = wanted(config);
    let (sink, facts, missing) = look(config, &topics, watch, JUST_MADE).await?;
    if let Some(error) = missing.into_iter().next() {
        return Err(error.into());
    }
    let judged = judge_all(config.clone(), topics, facts);
    if config.ledger_topic().is_some() {
        judged.await?;
    } else {
        // What is wrong with the others shows when events are not acknowledged; this says why, and costs no time.
        tokio::spawn(async move {
            if let Err(failure) = judged.await {
                tracing::error!(reason = %failure.message, "a topic is not as it should be");
            }
        });
    }
    Ok(sink)
}

/// A producer, and what the brokers say of these topics. While one is missing they are asked again, for `patience`.
pub async fn look(
    config: &Config,
    topics: &[(String, Purpose)],
    watch: Option<Watch>,
    patience: Duration,
) -> Result<(KafkaSink, KafkaFacts, Vec<KafkaError>), Failure> {
    let settings = config.kafka.clone();
    let names: Vec<String> = topics.iter().map(|(name, _)| name.clone()).collect();
    let asked = tokio::task::spawn_blocking(move || {
        let sink = KafkaSink::watched(&settings, watch)?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let until = Instant::now() + patience;
        loop {
            let (facts, missing) = sink.look(&names, KAFKA_WAIT)?;
            if missing.is_empty() || Instant::now() >= until {
                return Ok((sink, facts, missing));
            }
            std::thread::sleep(PAUSE);
        }
    });
    asked.await.unwrap_or_else(|error| Err(Failure::new(FailureClass::Internal, &error)))
}

/// The first topic that does not fit.
async fn judge_all(config: Config, topics: Vec<(String, Purpose)>, facts: KafkaFacts) -> Result<(), Failure> {
    let names: Vec<&str> = topics.iter().map(|(name, _)| name.as_str()).collect();
    let settings = match settings_of(&config.kafka, &names, KAFKA_WAIT).await {
        Ok(settings) => settings,
        Err(error) if config.ledger_topic().is_some() => return Err(error.into()),
        Err(_) => return Ok(()),
    };
    for ((name, purpose), facts) in topics.iter().zip(&facts.topics) {
        let settings = settings.get(name).cloned().unwrap_or_default();
        if let Some(problem) = judge(*purpose, facts, &settings).problem {
            return Err(KafkaError::Unfit { topic: name.clone(), problem }.into());
        }
    }
    Ok(())
}
