//! `forget`: what this program itself has stored about a person, and what its consumers have.

use super::Exit;
use super::exit::{configuration, fail};
use crate::archive::{Archive, ArchiveError, Reference};
use crate::auth::dns::RecordStore;
use crate::config::{self, Config, Logins, Secrets};
use crate::event::{AddressMode, Party, partition_key};
use crate::message::{Address, Mail, Mentions, to_crlf};
use crate::pipeline::{Failure, FailureClass, policy};
use crate::plural::count;
use futures_util::StreamExt;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Mails looked through at once.
const AT_ONCE: usize = 8;

/// `limits.message_size` may have been larger when a mail was archived.
const LARGEST: usize = 256 * 1024 * 1024;

/// Find, and remove, what this program has stored about a person.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --yes nothing is removed. Mails that lie in a mailbox and events in Kafka are not
touched: what is to be done there is printed.

Example:
  reply-ingest forget ana@example.org --config /etc/reply-ingest.yaml")]
pub struct Args {
    /// The person's address.
    #[arg(value_name = "ADDRESS", value_parser = address)]
    address: Address,
    /// The configuration.
    #[arg(long, short, value_name = "FILE", env = "REPLY_INGEST_CONFIG")]
    config: PathBuf,
    /// Remove it, instead of only listing it.
    #[arg(long)]
    yes: bool,
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).ok_or_else(|| "write an address, such as ana@example.org".to_owned())
}

pub async fn main(args: Args) -> Exit {
    let secrets = Secrets::RequiredFor { mailboxes: Logins::None, kafka: false };
    let config = match config::load_for(&args.config, secrets) {
        Ok(config) => config,
        Err(error) => return configuration(&error),
    };
    let mut exit = match archived(&config, &args).await {
        Ok(exit) => exit,
        Err(failure) => fail(&failure),
    };
    ledger(&config);
    dead_letters(&config);
    if let Err(failure) = answers(&config) {
        exit = fail(&failure);
    }
    consumers(&config, &args.address);
    exit
}

/// The archive: mails that have the address anywhere, decoded or not.
async fn archived(config: &Config, args: &Args) -> Result<Exit, Failure> {
    say!("archive");
    let Some(setting) = &config.archive else {
        say!("  none is configured");
        return Ok(Exit::Success);
    };
    let archive = super::archived::open(&setting.location, Some(config))?;
    let wrong = |error: &dyn std::error::Error| Failure::new(FailureClass::Internal, error);
    let mentions = Arc::new(Mentions::of(&args.address).map_err(|e| wrong(&e))?);
    let records = config.dns.record.as_deref().and_then(|folder| RecordStore::open(folder).ok());
    let (mut looked_at, mut found, mut unread) = (0_u64, 0_u64, 0_u64);
    for mailbox in archive.mailboxes().await? {
        for shard in 0..=u8::MAX {
            let looks = archive.part(&mailbox, shard).await?.into_iter().map(|reference| {
                let (archive, mentions) = (archive.clone(), Arc::clone(&mentions));
                tokio::spawn(async move {
                    let has = has(&archive, &reference, &mentions).await;
                    (reference, has)
                })
            });
            let mut looks = futures_util::stream::iter(looks).buffered(AT_ONCE);
            while let Some(look) = looks.next().await {
                let (reference, has) = look.map_err(|e| wrong(&e))?;
                looked_at += 1;
                match has {
                    Ok(false) => {}
                    Ok(true) => {
                        found += 1;
                        say!("  {}{reference}", if args.yes { "removed " } else { "" });
                        if args.yes {
                            archive.remove(&reference).await?;
                            if let Some(records) = &records {
                                records.remove(&reference.mailbox, &reference.digest).map_err(|e| wrong(&e))?;
                            }
                        }
                    }
                    Err(error) => {
                        unread += 1;
                        fail(&error.into());
                    }
                }
            }
            // Parts of files that killed workers left may hold anything.
            if args.yes {
                archive.remove_abandoned(&mailbox, shard).await;
            }
        }
    }
    let done = if args.yes { "removed" } else { "found, nothing is removed without --yes" };
    say!("  {} looked through, {found} {done}", count(looked_at, "mail"));
    Ok(if unread == 0 { Exit::Success } else { Exit::Temporary })
}

async fn has(archive: &Archive, reference: &Reference, mentions: &Mentions) -> Result<bool, ArchiveError> {
    let mail = archive.mail(reference, LARGEST).await?;
    let bytes = to_crlf(mail.bytes());
    Ok(mentions.are_in(&Mail::parse(&bytes)))
}

fn ledger(config: &Config) {
    let place = match config.ledger_topic() {
        None => config.ledger.file.display().to_string(),
        Some(topic) => format!("topic {topic}"),
    };
    say!(
        "\nledger ({place})\n  holds mailbox names, the server's ids, digests and times: no addresses and no words. Nothing \
         is removed, so that a mail that is still in its mailbox is not published again"
    );
}

/// Kafka takes nothing out of the middle of a topic: dead letters go by its retention.
fn dead_letters(config: &Config) {
    let Some(topic) = &config.kafka.dead_letters else { return };
    say!(
        "\ndead letters (topic {topic})\n  with `privacy.addresses: clear` they have up to 30 headers of the mails whose events \
         could not be published, addresses among them, until the topic's retention removes them (90 days where \
         `check --create-topics` made it). `replay --dead-letters` prints them"
    );
}

fn answers(config: &Config) -> Result<(), Failure> {
    say!("\nDNS answers");
    match &config.dns.record {
        None => say!("  none are kept in a folder of their own; those of archived mails go with the mails"),
        Some(folder) => {
            RecordStore::open(folder).map_err(|e| Failure::new(FailureClass::Temporary, &e))?;
            say!(
                "  {}: those of the mails above go with them. The others are named by digests; a sender's local part is \
                 in them only where a domain's SPF record asks for it. Their age decides: find … -mtime +N -delete",
                folder.display()
            );
        }
    }
    Ok(())
}

/// What whoever reads the topic has to do, for each way in which addresses are published.
fn consumers(config: &Config, address: &Address) {
    let topic = &config.kafka.topic;
    say!("\nmailboxes\n  this program deletes only what its retention says: remove mails by hand where they stay");
    say!(
        "\nconsumers, and Kafka's topic {topic}\n  the topic's retention removes events; where it is compacted, a record \
         without a value under the key removes those with that key. In a warehouse (DuckDB's SQL, one event a row):"
    );
    let clear = address.as_str().to_lowercase();
    let mut said = BTreeSet::new();
    let general = std::iter::once(&config.privacy);
    for privacy in general.chain(config.mailboxes.iter().filter_map(|m| m.privacy.as_ref())) {
        let policy = policy(privacy);
        let party = Party {
            key: policy.key.as_ref().filter(|_| policy.addresses != AddressMode::Omit).map(|key| key.hash(&clear)),
            address: Some(clear.clone()),
            ..Party::default()
        };
        let mode = policy.addresses;
        let text = match (mode, &party.key) {
            (AddressMode::Omit, _) => "  addresses: omit\n    no event names the person".to_owned(),
            (_, hash) => {
                let key = partition_key(Some(&party), mode, "");
                let quoted = clear.replace('\'', "''");
                let mut by: Vec<String> = Vec::new();
                for party in ["recipient", "sender", "original.from"] {
                    if mode == AddressMode::Clear {
                        by.push(format!("lower(data->>'$.{party}.address') = '{quoted}'"));
                    }
                    by.extend(hash.iter().map(|hash| format!("data->>'$.{party}.key' = '{hash}'")));
                }
                let name = match (mode, &policy.key) {
                    (AddressMode::Clear, _) => "addresses: clear".to_owned(),
                    (_, Some(key)) => format!("addresses: hmac, key {}", key.id),
                    (_, None) => "addresses: hmac".to_owned(),
                };
                let free = if mode == AddressMode::Clear {
                    "\n    texts, subjects and headers of other people's mails may name the person too"
                } else {
                    "\n    or destroy the key: then nobody can tell whose events they are"
                };
                format!(
                    "  {name}\n    key of the records (partitionkey): {key}\n    DELETE FROM events WHERE {};{free}",
                    by.join("\n      OR ")
                )
            }
        };
        if said.insert(text.clone()) {
            say!("{text}");
        }
    }
    say!("  events in which the person is not the recipient have other keys: go by the SQL, not by the key alone");
}
