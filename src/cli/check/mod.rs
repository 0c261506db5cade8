//! `check`: is everything in place? Nothing is changed anywhere.
//!
//! First the configuration, every mistake with its place; then the mailboxes, several at once; then Kafka, DNS and the
//! ledger's folder. A mailbox is logged in to and listed; no mail is fetched, marked or deleted, no topic made, no
//! ledger opened. (A token endpoint may count a refresh token as used.)

mod kafka;
mod mailbox;
#[cfg(feature = "schema-registry")]
mod registry;
mod report;
mod trust;

use super::Exit;
use super::exit::configuration;
use super::setup::{Selection, resolver, rules};
use crate::archive::Archive;
use crate::auth::dns::{Code, RecordType};
use crate::config::{self, Config, Mailbox, Retention, Secrets};
use crate::event::TextMode;
use crate::pipeline::{Access, Failure, FailureClass};
use futures_util::StreamExt;
use report::Section;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Is everything in place? Checks the configuration, then mailboxes, Kafka and DNS; changes nothing unless asked to.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reply-ingest check --config /etc/reply-ingest.yaml
  reply-ingest check --config reply-ingest.yaml --mailbox replies
  reply-ingest check --config reply-ingest.yaml --create-topics   # at the installation
  reply-ingest check --config reply-ingest.yaml --config-only      # in CI: no network, no secrets")]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Only the configuration: no connection is made, and secrets may be missing.
    #[arg(long)]
    config_only: bool,
    /// Make the topics that are missing, as `kafka.new_topics` says and each with the settings that it needs; the one
    /// thing that this command ever changes. No run makes topics: a mistyped ledger would have everything published
    /// again.
    #[arg(long, conflicts_with = "config_only")]
    create_topics: bool,
}

pub async fn main(args: Args) -> Exit {
    let checked = if args.config_only {
        let checked = config::check_file(&args.selection.config, &config::environment(), Secrets::MayBeMissing);
        checked.map_err(|error| configuration(&error))
    } else {
        args.selection.read()
    };
    let (mut config, warnings) = match checked {
        Ok(checked) => checked,
        Err(exit) => return exit,
    };
    let mut section = Section::new(&format!("configuration {}", args.selection.config.display()));
    for warning in &warnings {
        section.note(&warning.to_string());
    }
    match rules(&config) {
        Ok(rules) => section.fact("rules", &format!("version {}", rules.version())),
        Err(failure) => section.failed(&failure),
    }
    let mailboxes = match args.selection.mailboxes(&config) {
        Ok(mailboxes) => mailboxes,
        Err(exit) => return exit,
    };
    if let Err(exit) = args.selection.own_ledger(&mut config) {
        return exit;
    }
    let names = mailboxes.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ");
    section.fact("mailboxes", if names.is_empty() { "none in this shard" } else { &names });
    if let Some(Err(error)) = config.archive.as_ref().map(|archive| Archive::is_possible(&archive.location)) {
        section.failed(&error.into());
    }
    let lost: Vec<&str> = mailboxes.iter().filter(|m| loses_words(&config, m)).map(|m| m.name.as_str()).collect();
    if !lost.is_empty() {
        section.note(&format!(
            "{}: mails are deleted, `privacy.text: omit` leaves the words out of the events, and there is no archive: \
             set `privacy.text: full`, or `archive`, if anybody is to read what people answered",
            lost.join(", ")
        ));
    }
    let mut worst = section.worst();
    section.print();
    if !args.config_only {
        let access = Arc::new(Access::default());
        let limits = config.limits.clone();
        let mut sections = futures_util::stream::iter(mailboxes)
            .map(|mailbox| {
                let (access, limits) = (Arc::clone(&access), limits.clone());
                async move { mailbox::check(&access, &mailbox, &limits).await }
            })
            .buffered(config.limits.mailboxes_at_once);
        while let Some(section) = sections.next().await {
            worst = section.worst().into_iter().chain(worst).min();
            section.print();
        }
        let (kafka, dns) = tokio::join!(kafka::check(&config, args.create_topics), dns(&config));
        #[cfg(feature = "schema-registry")]
        let registry = registry::check(&config).await;
        #[cfg(not(feature = "schema-registry"))]
        let registry: Option<Section> = None;
        let sections = [kafka].into_iter().chain(registry).chain([dns, ledger(&config)]);
        for section in sections.chain(archive(&config).await) {
            worst = section.worst().into_iter().chain(worst).min();
            section.print();
        }
    }
    match worst {
        None => {
            say!("{}", if args.config_only { "the configuration is in order" } else { "everything is in place" });
            Exit::Success
        }
        Some(class) => {
            say!("not everything is in place: see the lines that begin with `problem`");
            class.into()
        }
    }
}

/// Whether the words of a mailbox's mails are nowhere once they are published.
fn loses_words(config: &Config, mailbox: &Mailbox) -> bool {
    let privacy = mailbox.privacy.as_ref().unwrap_or(&config.privacy);
    let archived = config.archive.is_some() && mailbox.archive;
    mailbox.retention != Retention::Keep && privacy.text == TextMode::Omit && !archived
}

/// Whether the archive can be listed, and a folder written to; it is made by the first run.
async fn archive(config: &Config) -> Option<Section> {
    let setting = config.archive.as_ref()?;
    let mut section = Section::new(&format!("archive {}", setting.location));
    if !setting.location.contains("://") {
        let folder = Path::new(&setting.location);
        if let Some(message) = in_the_way(folder, Path::is_dir, "`archive.location`") {
            section.failed(&Failure { class: FailureClass::Configuration, message });
            return Some(section);
        }
        if !folder.exists() {
            section.fact("folder", "is not there yet: the first run makes it");
            return Some(section);
        }
    }
    match async { super::archived::open(&setting.location, Some(config))?.mailboxes().await }.await {
        Ok(mailboxes) => section.fact("mailboxes", &mailboxes.len().to_string()),
        Err(error) => section.failed(&error.into()),
    }
    Some(section)
}

/// Whether name servers answer at all: the answer itself, even that there is no such name, does not matter.
async fn dns(config: &Config) -> Section {
    let servers = &config.dns.servers;
    let of = if servers.is_empty() {
        "of the system".to_owned()
    } else {
        servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let mut section = Section::new(&format!("dns {of}"));
    if !config.auth.enabled {
        section.fact("answers", "not asked: `auth.enabled` is false");
        return section;
    }
    let resolver = match resolver(&config.dns) {
        Ok(resolver) => resolver,
        Err(failure) => {
            section.failed(&failure);
            return section;
        }
    };
    let began = Instant::now();
    let answer = resolver.lookup(&format!("_dmarc.{}", a_domain(config)), RecordType::Txt).await;
    match answer.code {
        Code::NoError | Code::NxDomain => section.fact("answers", &format!("in {} ms", began.elapsed().as_millis())),
        Code::ServFail | Code::TimedOut | Code::BadName => section.failed(&Failure {
            class: FailureClass::Temporary,
            message: format!(
                "no usable answer within {} s: without DNS every verdict on SPF, DKIM and DMARC is `temperror`; \
                 check `dns.servers` and the network policy (UDP and TCP port 53)",
                config.dns.timeout.0.as_secs_f32()
            ),
        }),
    }
    section
}

/// A domain to ask for that the name servers should know: that of a mailbox.
fn a_domain(config: &Config) -> &str {
    let of_name = config.mailboxes.iter().filter_map(|m| m.username.rsplit_once('@').map(|(_, domain)| domain));
    let of_host = config.mailboxes.iter().filter(|m| m.host.parse::<std::net::IpAddr>().is_err());
    let of_host = of_host.filter_map(|m| m.host.split_once('.').map(|(_, domain)| domain));
    of_name.chain(of_host).find(|d| d.contains('.')).unwrap_or("example.com")
}

/// Whether a file begins as redb's do, which is all that can be told while a worker holds its lock; an empty one becomes
/// a ledger. One that cannot be read is another problem.
fn begins_as_ledger(file: &Path) -> bool {
    const MARK: &[u8] = b"redb";
    let mut head = Vec::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(MARK.len() as u64).read_to_end(&mut head));
    read.is_err() || head.is_empty() || head == MARK
}

/// Why a run cannot write what `setting` names: it makes the file or folder, and the folders above it that are missing.
fn in_the_way(path: &Path, fits: fn(&Path) -> bool, setting: &str) -> Option<String> {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let is_good = if there == path { fits(there) } else { there.is_dir() };
    if !is_good {
        return Some(format!("{} cannot be used: something else is in its way; set {setting}", there.display()));
    }
    rustix::fs::access(there, rustix::fs::Access::WRITE_OK).err().map(|error| {
        let error = std::io::Error::from(error);
        format!(
            "this user cannot write to {} ({error}): let it, or set {setting} to a place of its own",
            there.display()
        )
    })
}

/// The ledger's folder. The file is not opened as a ledger: that would make it, or take its lock.
fn ledger(config: &Config) -> Section {
    if let Some(topic) = config.ledger_topic() {
        let mut section = Section::new(&format!("ledger in the topic {topic}"));
        section.fact("file", "none is needed");
        return section;
    }
    let file = &config.ledger.file;
    let mut section = Section::new(&format!("ledger {}", file.display()));
    let problem = in_the_way(file, Path::is_file, "`ledger.file`");
    let problem = problem.or_else(|| {
        (file.is_file() && !begins_as_ledger(file)).then(|| {
            format!("{} is no ledger: move it away, or set `ledger.file` to a place of its own", file.display())
        })
    });
    match problem {
        Some(message) => section.failed(&Failure { class: FailureClass::Configuration, message }),
        None if file.is_file() => section.fact("file", "there"),
        None => section.fact("file", "not yet there: the first run makes it"),
    }
    section
}

#[cfg(test)]
mod tests {
    use super::{begins_as_ledger, in_the_way};
    use std::path::Path;

    #[test]
    fn what_stands_in_the_way_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "x").expect("writes");
        for (path, fits, good) in [
            (at("file"), Path::is_file as fn(&Path) -> bool, true),
            (at("new"), Path::is_file, true),
            (at("new/deep/file"), Path::is_file, true),
            (folder.path().to_owned(), Path::is_file, false),
            (folder.path().to_owned(), Path::is_dir, true),
            (at("file"), Path::is_dir, false),
            (at("file/below"), Path::is_dir, false),
            (at("file/below"), Path::is_file, false),
        ] {
            let said = in_the_way(&path, fits, "`archive.location`");
            assert_eq!(said.is_none(), good, "{path:?}: {said:?}");
            assert!(said.is_none_or(|s| s.contains("something else is in its way; set `archive.location`")));
        }
    }

    #[test]
    fn what_is_no_ledger_is_told_from_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        drop(redb::Database::create(at("ledger.redb")).expect("makes one"));
        std::fs::write(at("empty"), b"").expect("writes");
        std::fs::write(at("short"), b"re").expect("writes");
        std::fs::write(at("other"), b"Subject: a mail\n").expect("writes");
        for (name, expected) in
            [("ledger.redb", true), ("empty", true), ("nowhere", true), ("short", false), ("other", false)]
        {
            assert_eq!(begins_as_ledger(&at(name)), expected, "{name}");
        }
    }
}
