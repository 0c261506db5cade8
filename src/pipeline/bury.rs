//! Mails whose events cannot be published: a dead letter instead, so that they neither come again for ever nor are lost.
//!
//! Without a topic for dead letters such a mail stays in the mailbox as if it were new, each run says so and ends with
//! its own code. With one, the ledger remembers it, and it stays all the same unless the mailbox says otherwise: nothing
//! else holds its text. Where everything is refused, the topic is wrong and not the mails.

use super::access::Broken;
use super::failure::{Failure, FailureClass};
use super::line::policy;
use super::publish::{Dead, Publisher, broken_by, finished};
use super::session::Finished;
use crate::event::dead_letter::{self, DeadLetter, DeadLetterData, MissingEvent};
use crate::event::{Event, Kind, MailboxRef, SCHEMA_VERSION, dedupe_key};
use crate::ledger::{Done, Seen, State};
use crate::message::Digest;
use crate::pop3::{Listed, Retry};
use crate::sink::{Outcome, Parcel, Record};
use crate::telemetry::DeadLettered;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::sync::Arc;

/// When so many mails of a pass were refused, and none between them was published, it is the topic.
const IN_A_ROW: usize = 20;

/// What became of mails that were refused.
#[derive(Default)]
pub(super) struct Buried {
    /// Those about which a dead letter was published, with what the ledger is to remember.
    pub(super) done: Vec<(Finished, Done)>,
    pub(super) broken: Option<Broken>,
}

impl Publisher {
    /// Publishes dead letters for these, of `tried` mails that were tried together. Byte-identical mails share one.
    pub(super) async fn bury(
        &mut self,
        dead: Vec<Dead>,
        tried: usize,
        twins: &mut HashMap<Digest, Vec<Listed>>,
    ) -> Buried {
        if dead.len() == tried {
            self.pass.refused_in_a_row += tried;
        }
        if self.pass.refused_in_a_row >= IN_A_ROW {
            let reason = dead.first().map(|d| d.refusal.detail.clone()).unwrap_or_default();
            return Buried { broken: Some(self.topic_is_wrong(&reason)), ..Buried::default() };
        }
        let now = self.worker.now();
        let seen = Seen { state: State::DeadLetter, at: now };
        let graves: Vec<(Dead, Vec<(Listed, Done)>)> = dead
            .into_iter()
            .map(|dead| {
                let digest = dead.ready.digest;
                let mails = twins.remove(&digest).unwrap_or_default().into_iter().chain([dead.ready.listed.clone()]);
                let done = mails.map(|listed| {
                    let record = finished(&listed, digest, seen, now);
                    (listed, record)
                });
                let done = done.collect();
                (dead, done)
            })
            .collect();
        let Some(topic) = self.worker.config.kafka.dead_letters.as_deref().map(Arc::<str>::from) else {
            for (dead, mails) in &graves {
                self.leave(dead, mails, "set kafka.dead_letters to have a record of it instead");
            }
            return Buried::default();
        };
        let parcels = graves.iter().map(|(dead, mails)| Parcel {
            records: vec![self.dead_letter(&topic, dead, now)],
            done: mails.iter().map(|(_, done)| done.clone()).collect(),
        });
        let outcomes = self.worker.sink.deliver(&self.mailbox.name, parcels.collect()).await;
        let mut buried = Buried::default();
        for ((dead, mails), outcome) in graves.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Published => {
                    self.pass.run.dead_lettered += 1;
                    self.pass.run.known += mails.len().saturating_sub(1) as u64;
                    self.pass.settled.add(dead.ready.digest, seen);
                    // Also where dead letters are tried again: once in a pass.
                    for (mail, _) in &mails {
                        self.pass.settled.leave(mail);
                    }
                    DeadLettered {
                        mailbox: &self.mailbox.name,
                        digest: &dead.ready.digest.to_string(),
                        octets: dead.ready.size,
                        reason: dead.refusal.reason,
                        detail: &dead_letter::detail(&dead.refusal.detail),
                    }
                    .tell(&self.worker.metrics);
                    let through = |(listed, done)| (dead.ready.finished(listed, seen), done);
                    buried.done.extend(mails.into_iter().map(through));
                }
                Outcome::Refused(refusal) => {
                    let why = format!("the topic kafka.dead_letters refuses its dead letter too ({refusal})");
                    self.leave(&dead, &mails, &why);
                }
                other => buried.broken = broken_by(other),
            }
        }
        buried
    }

    /// The mail stays as if it were new.
    fn leave(&mut self, dead: &Dead, mails: &[(Listed, Done)], advice: &str) {
        self.pass.run.refused += mails.len() as u64;
        for (mail, _) in mails {
            self.pass.settled.leave(mail);
        }
        tracing::error!(
            mailbox = %self.mailbox.name, digest = %dead.ready.digest, octets = dead.ready.size,
            reason = %dead.refusal, advice,
            "the events of a mail cannot be published: it stays in the mailbox, and every run tries it again"
        );
    }

    fn topic_is_wrong(&self, reason: &str) -> Broken {
        let message = format!(
            "{} mails in a row are refused ({reason}): it is the settings of the topics ({}), max.message.bytes first; once \
             they are right, `poll --retry-dead-letters` takes up those that became dead letters",
            self.pass.refused_in_a_row,
            self.worker.topics.of_events().into_iter().collect::<Vec<_>>().join(", ")
        );
        Broken { failure: Failure { class: FailureClass::Kafka, message }, retry: Retry::No }
    }

    fn dead_letter(&self, topic: &Arc<str>, dead: &Dead, now: DateTime<Utc>) -> Record {
        let Dead { ready, octets, refusal } = dead;
        let line = &self.worker.line;
        let first = ready.events.first().map(|event: &Event| &event.data);
        let octets = octets.iter().copied().chain(std::iter::repeat(0));
        let missing = ready.events.iter().zip(octets).map(|(event, octets)| MissingEvent {
            id: event.id.clone(),
            kind: event.data.verdict.kind(),
            octets,
        });
        let of_mailbox = self.mailbox.privacy.as_ref().unwrap_or(&self.worker.config.privacy);
        let privacy = policy(of_mailbox).stamp(now);
        // Where several kinds were to go to several topics, the first refused them all.
        let kind = first.map_or(Kind::Unclassified, |data| data.verdict.kind());
        let data = DeadLetterData {
            schema_version: SCHEMA_VERSION.to_owned(),
            reason: refusal.reason,
            detail: dead_letter::detail(&refusal.detail),
            topic: self.worker.topics.of_event(&self.mailbox.name, kind).to_string(),
            mailbox: MailboxRef { id: self.mailbox.name.clone(), role: self.mailbox.role },
            uidl: ready.listed.uidl.clone(),
            digest_sha256: ready.digest.to_string(),
            size_bytes: ready.size,
            archive_ref: first.and_then(|data| data.message.archive_ref.clone()),
            observed_at: now,
            delivered_at: ready.delivered_at,
            run_id: line.run_id().to_owned(),
            worker_version: env!("CARGO_PKG_VERSION").to_owned(),
            ruleset_version: line.rules().version().to_owned(),
            event_count: ready.events.len() as u64,
            events: dead_letter::named(missing),
            message_id: first.and_then(|data| data.message.message_id.clone()),
            subject: first.and_then(|data| data.message.subject.clone()),
            headers: dead_letter::headers(&ready.head, privacy.addresses),
            privacy,
        };
        // No event has this ordinal.
        let id = dedupe_key(&self.mailbox.name, &ready.digest, usize::MAX);
        let letter = DeadLetter::of_mail(line.type_prefix(), id, data);
        self.worker.encoder.dead_letter(Arc::clone(topic), &letter)
    }
}
