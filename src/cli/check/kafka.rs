//! Kafka: brokers, topics and their settings; on request, topics that are missing are made.

use super::report::Section;
use crate::cli::setup::look;
use crate::config::Config;
use crate::pipeline::Failure;
use crate::plural::count;
use crate::sink::{KafkaError, Purpose, create_topics, judge, settings_of, wanted};
use std::time::Duration;

/// How long the brokers may take to say how topics are set; less than for what is needed.
const SETTINGS_WAIT: Duration = Duration::from_secs(3);
const CREATE_WAIT: Duration = Duration::from_secs(30);
/// How long new topics may take to be there everywhere.
const EVERYWHERE: Duration = Duration::from_secs(5);

/// Asks for everything that the configuration names.
pub async fn check(config: &Config, create: bool) -> Section {
    let mut section = Section::new(&format!("kafka {}", config.kafka.brokers.join(", ")));
    if let Err(failure) = all(&mut section, config, create).await {
        section.failed(&failure);
    }
    section
}

async fn all(section: &mut Section, config: &Config, create: bool) -> Result<(), Failure> {
    let topics = wanted(config);
    let (_, mut facts, mut missing) = look(config, &topics, None, Duration::ZERO).await?;
    section.fact("brokers", &facts.brokers.to_string());
    if create && !missing.is_empty() {
        let there = |name: &str| facts.topics.iter().any(|topic| topic.name == name);
        let wanted: Vec<(String, Purpose)> = topics.iter().filter(|(name, _)| !there(name)).cloned().collect();
        let made = create_topics(&config.kafka, &wanted, facts.brokers, CREATE_WAIT).await?;
        for (name, partitions, copies) in made {
            let (partitions, copies) = (count(partitions, "partition"), count(copies, "replica"));
            section.fact("created", &format!("{name}, {partitions}, {copies}"));
        }
        (_, facts, missing) = look(config, &topics, None, EVERYWHERE).await?;
    }
    for error in missing {
        section.failed(&error.into());
    }
    let names: Vec<&str> = facts.topics.iter().map(|topic| topic.name.as_str()).collect();
    let settings = match settings_of(&config.kafka, &names, SETTINGS_WAIT).await {
        Ok(settings) => Some(settings),
        // For the ledger they must be known: no run begins otherwise.
        Err(error) if config.ledger_topic().is_some() => return Err(error.into()),
        Err(_) => None,
    };
    for topic in &facts.topics {
        let Some((name, purpose)) = topics.iter().find(|(name, _)| *name == topic.name) else { continue };
        let copies = if topic.replicas == topic.in_sync {
            count(topic.replicas, "replica")
        } else {
            format!("{}, {} in sync", count(topic.replicas, "replica"), topic.in_sync)
        };
        section.fact("topic", &format!("{name}, {}, {copies}", count(topic.partitions, "partition")));
        let known = settings.as_ref().and_then(|all| all.get(name)).cloned().unwrap_or_default();
        let judged = judge(*purpose, topic, &known);
        if let Some(problem) = judged.problem {
            section.failed(&KafkaError::Unfit { topic: name.clone(), problem }.into());
        }
        for note in judged.notes {
            section.note(&format!("{name} ({}): {note}", purpose.setting()));
        }
    }
    if settings.is_none() && !names.is_empty() {
        section.note("how the topics are set cannot be read: their retention and min.insync.replicas were not checked");
    }
    Ok(())
}
