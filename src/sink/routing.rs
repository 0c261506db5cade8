//! Which topic an event goes to: its mailbox's, else its kind's, else the common one.
//!
//! The key does not depend on it, so one person's events keep their order within each topic.

use crate::config::Config;
use crate::event::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The topics of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    common: Arc<str>,
    by_kind: BTreeMap<Kind, Arc<str>>,
    by_mailbox: BTreeMap<String, Arc<str>>,
    run: Arc<str>,
}

impl Topics {
    /// As the settings say.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let kafka = &config.kafka;
        let with_topic = config.mailboxes.iter().filter_map(|m| Some((m.name.clone(), Arc::from(m.topic.as_deref()?))));
        Self {
            common: Arc::from(kafka.topic.as_str()),
            by_kind: kafka.topics.iter().map(|(kind, topic)| (*kind, Arc::from(topic.as_str()))).collect(),
            by_mailbox: with_topic.collect(),
            run: Arc::from(kafka.run_topic.as_deref().unwrap_or(&kafka.topic)),
        }
    }

    /// Where an event of this kind from this mailbox goes.
    #[must_use]
    pub fn of_event(&self, mailbox: &str, kind: Kind) -> Arc<str> {
        let topic = self.by_mailbox.get(mailbox).or_else(|| self.by_kind.get(&kind));
        Arc::clone(topic.unwrap_or(&self.common))
    }

    /// Where the summary of a run goes.
    #[must_use]
    pub fn of_run(&self) -> Arc<str> {
        Arc::clone(&self.run)
    }

    /// The topics that events can go to. The common one is among them also where every kind has its own: a kind that a
    /// later version adds goes there.
    #[must_use]
    pub fn of_events(&self) -> BTreeSet<&str> {
        let own = self.by_kind.values().chain(self.by_mailbox.values());
        own.chain([&self.common]).map(AsRef::as_ref).collect()
    }

    /// Every topic that is written to.
    #[must_use]
    pub fn all(&self) -> BTreeSet<&str> {
        let mut all = self.of_events();
        all.insert(&self.run);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::Topics;
    use crate::config;
    use crate::event::Kind;
    use std::collections::HashMap;
    use std::path::Path;

    #[test]
    fn the_mailbox_before_the_kind_before_the_common_one() {
        let text = "kafka: {brokers: [\"b:9092\"], topic: all, run_topic: runs, topics: {bounce: hard, delay: hard}}\n\
            mailboxes:\n\
            - {name: one, host: h, username: u, password: p}\n\
            - {name: two, host: h, username: u, password: p, topic: second}\n";
        let config = config::parse(text, Path::new("c.yaml"), &HashMap::new()).expect("is right");
        let topics = Topics::of(&config);
        for (mailbox, kind, expected) in [
            ("one", Kind::Bounce, "hard"),
            ("one", Kind::Delay, "hard"),
            ("one", Kind::Reply, "all"),
            ("two", Kind::Bounce, "second"),
            ("two", Kind::Reply, "second"),
            ("replayed", Kind::Reply, "all"),
        ] {
            assert_eq!(&*topics.of_event(mailbox, kind), expected, "{mailbox} {kind:?}");
        }
        assert_eq!(&*topics.of_run(), "runs");
        assert_eq!(topics.all().into_iter().collect::<Vec<_>>(), ["all", "hard", "runs", "second"]);
    }
}
