//! What the types cannot say: settings that contradict each other, and values that nothing works with.
//!
//! Every check runs, and one that looks at a setting which could not be read says nothing.

use super::model::{
    Archive, Config, Dns, Limits, LoginMethod, Mailbox, Mode, Privacy, Retention, SchemaRegistry, Tls, TokenEndpoint,
    TokenSource, Trust,
};
use super::path::Path;
use super::read::Findings;
use super::secret::Secret;
use super::tree::{Kind, Tree};
use super::units::Span;
use crate::classify::{BouncePolicy, speaks_of_the_address};
use crate::correlate::{self, At, Correlator, Problem};
use crate::event::{AddressMode, SubjectMode};
use crate::mistake::{Mistake, Place};
use crate::sink::Topics;
use reqwest::Url;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The shortest key that addresses may be hashed with.
const MIN_KEY: usize = 16;
/// The most retries in one run: the pause doubles each time.
const MAX_RETRIES: usize = 20;
/// The most further tries of one question.
const MAX_DNS_RETRIES: u32 = 5;

/// Runs all checks.
pub(super) fn check(config: &Config, tree: &Tree, found: &mut Findings) {
    let mut checks = Checks { tree, found };
    let root = Path::default();
    checks.mailboxes(&root.key("mailboxes"), &config.mailboxes);
    checks.privacy(&root.key("privacy"), &config.privacy);
    let kafka = root.key("kafka");
    let brokers = kafka.key("brokers");
    if config.kafka.brokers.is_empty() {
        checks.report(&brokers, &[&brokers], "the list is empty: name at least one broker as host:port");
    }
    checks.topic(&kafka.key("topic"), &config.kafka.topic);
    for (kind, topic) in &config.kafka.topics {
        checks.topic(&kafka.key("topics").key(kind.as_str()), topic);
    }
    if let Some(topic) = &config.kafka.run_topic {
        checks.topic(&kafka.key("run_topic"), topic);
    }
    let property = kafka.key("properties").key("sasl.password");
    if checks.given(&property) == Given::Yes
        && [kafka.key("sasl_password"), kafka.key("sasl_password_file")].iter().any(|p| checks.given(p) == Given::Yes)
    {
        checks.report(&property, &[], "sasl.password is given twice: keep sasl_password_file");
    }
    if let Some(registry) = &config.kafka.schema_registry {
        checks.schema_registry(&kafka, registry, config);
    }
    if let Some(archive) = &config.archive {
        checks.archive(&root.key("archive"), archive);
    }
    checks.dead_letters(&kafka.key("dead_letters"), config);
    checks.topics(&root, &kafka, config);
    checks.bounces(&root.key("bounces"), &config.bounces);
    checks.dns(&root.key("dns"), &config.dns);
    checks.limits(&root.key("limits"), &config.limits);
    let items = checks.items(&root.key("correlators"), config.correlators.len());
    for (setting, correlator) in items.iter().zip(&config.correlators) {
        checks.correlator(setting, correlator);
    }
}

/// Whether something stands in the file for a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Yes,
    No,
    /// A key that is misspelt was probably meant.
    Perhaps,
}

struct Checks<'c> {
    tree: &'c Tree,
    found: &'c mut Findings,
}

/// The topics of events and summaries.
fn written_to(config: &Config) -> BTreeSet<&str> {
    let kafka = &config.kafka;
    let named =
        kafka.topics.values().map(String::as_str).chain(config.mailboxes.iter().filter_map(|m| m.topic.as_deref()));
    named.chain(kafka.run_topic.as_deref()).chain([kafka.topic.as_str()]).collect()
}

impl Checks<'_> {
    /// Reports `problem` at `at`, unless one of the settings that it is `about` is not what the file says.
    fn report(&mut self, at: &Path, about: &[&Path], problem: impl Into<String>) {
        if about.iter().all(|path| self.found.is_sure(path)) {
            let (place, label) = (self.tree.place(at), self.tree.label(at));
            self.found.mistakes.push(Mistake::new(place, label, problem));
        }
    }

    fn given(&self, path: &Path) -> Given {
        if self.tree.has(path) {
            Given::Yes
        } else if self.found.holes.contains_key(path) {
            Given::Perhaps
        } else {
            Given::No
        }
    }

    /// The places of a list's `count` items: those that could not be read were left out.
    fn items(&self, list: &Path, count: usize) -> Vec<Path> {
        self.found.items(list, count)
    }

    fn topics(&mut self, root: &Path, kafka: &Path, config: &Config) {
        let ledger = root.key("ledger").key("topic");
        let events = written_to(config);
        if config.ledger.topic.as_deref().is_some_and(|topic| topic.trim().is_empty()) {
            self.report(&ledger, &[&ledger], "the name is empty: name a topic, or take the line away");
        } else if config.ledger.topic.as_deref().is_some_and(|topic| events.contains(topic)) {
            self.report(
                &ledger,
                &[&ledger],
                "the events' topic cannot be the ledger: it needs a compacted one of its own",
            );
        }
        let new = kafka.key("new_topics");
        for (name, none) in [
            ("partitions", config.kafka.new_topics.partitions == 0),
            ("replication", config.kafka.new_topics.replication == Some(0)),
        ] {
            if none {
                self.report(&new.key(name), &[&new.key(name)], "must be at least 1");
            }
        }
    }

    /// A topic of their own: whoever reads the others would have to tell them apart.
    fn dead_letters(&mut self, setting: &Path, config: &Config) {
        let kafka = &config.kafka;
        if let Some(topic) = &kafka.dead_letters {
            let mut others = written_to(config);
            others.extend(config.ledger_topic());
            if topic.trim().is_empty() {
                self.report(setting, &[setting], "the name is empty: name a topic, or take the line away");
            } else if others.contains(topic.as_str()) {
                self.report(setting, &[setting], "another setting names this topic too: dead letters need their own");
            }
        } else if self.given(setting) == Given::No {
            let list = Path::default().key("mailboxes");
            let items = self.items(&list, config.mailboxes.len());
            for (item, _) in items.iter().zip(&config.mailboxes).filter(|(_, m)| m.delete_dead_letters) {
                let at = item.key("delete_dead_letters");
                self.report(&at, &[&at], "has no effect without kafka.dead_letters: name the topic there");
            }
        }
    }

    fn mailboxes(&mut self, list: &Path, mailboxes: &[Mailbox]) {
        if mailboxes.is_empty() {
            self.report(list, &[list], "the list is empty: name at least one mailbox");
        }
        let items = self.items(list, mailboxes.len());
        let mut names: BTreeMap<&str, Place> = BTreeMap::new();
        for (setting, mailbox) in items.iter().zip(mailboxes) {
            self.mailbox(setting, mailbox);
            let name = setting.key("name");
            if !self.found.is_sure(&name) {
                continue;
            }
            let place = self.tree.place(&name);
            match names.get(mailbox.name.as_str()) {
                Some(first) => {
                    let problem = format!(
                        "two mailboxes have this name, the other one in line {}: names are part of event ids and must differ",
                        first.line
                    );
                    self.report(&name, &[], problem);
                }
                None => {
                    names.insert(&mailbox.name, place);
                }
            }
        }
    }

    fn mailbox(&mut self, setting: &Path, mailbox: &Mailbox) {
        let key = |name: &str| setting.key(name);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let (name, host, username) = (key("name"), key("host"), key("username"));
        // Names of folders are made of it.
        let dotted = mailbox.name.starts_with('.');
        if dotted || mailbox.name.is_empty() || mailbox.name.len() > 64 || !mailbox.name.chars().all(plain) {
            self.report(
                &name,
                &[&name],
                "a name has 1 to 64 letters, digits, hyphens, dots and underscores, and no dot in front",
            );
        }
        if mailbox.host.trim().is_empty() {
            self.report(&host, &[&host], "the host is empty: write the server's name");
        }
        if mailbox.username.is_empty() || has_line_end(&mailbox.username) {
            self.report(&username, &[&username], "the username is empty or has a line end in it");
        }
        let retention = key("retention");
        match mailbox.retention {
            Retention::DeleteAfter(span) if span.0.is_zero() => {
                self.report(&retention, &[&retention], "delete_after: 0 is what `delete` means");
            }
            _ => {}
        }
        if mailbox.username.starts_with("recent:") && mailbox.retention != Retention::Keep {
            let problem = "`recent:` in the username asks Gmail for the last 30 days again, with mails that another \
                           program may still have to fetch: use `retention: keep`, or the username without `recent:`";
            self.report(&retention, &[&retention, &username], problem);
        }
        if mailbox.tls == Tls::None && self.given(&key("tls_min")) == Given::Yes {
            let problem =
                "`tls: none` has no TLS version: take tls_min away, or use `tls: implicit` or `tls: starttls`";
            self.report(&key("tls_min"), &[&key("tls")], problem);
        }
        if let Some(topic) = &mailbox.topic {
            self.topic(&key("topic"), topic);
        }
        self.login(setting, mailbox);
        self.trust(&key("trust"), &mailbox.trust);
        if let Some(privacy) = &mailbox.privacy {
            self.privacy(&key("privacy"), privacy);
        }
    }

    /// A name that Kafka takes for a topic.
    fn topic(&mut self, setting: &Path, topic: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !(1..=249).contains(&topic.len()) || !topic.chars().all(plain) || matches!(topic, "." | "..") {
            let problem = "is no name of a topic: 1 to 249 letters, digits, hyphens, dots and underscores";
            self.report(setting, &[setting], problem);
        }
    }

    /// A password or a token, and a way to log in that takes it.
    fn login(&mut self, setting: &Path, mailbox: &Mailbox) {
        let key = |name: &str| setting.key(name);
        let (password, file, oauth, login) = (key("password"), key("password_file"), key("oauth"), key("login"));
        let [by_password, by_file, by_token] = [&password, &file, &oauth].map(|path| self.given(path));
        let has_password = by_password == Given::Yes || by_file == Given::Yes;
        if by_token == Given::Yes && has_password {
            self.report(&oauth, &[], "a password and oauth are both given: keep the one that the server asks for");
        } else if [by_password, by_file, by_token] == [Given::No; 3] {
            let problem =
                "no password: set password_file, or password: ${NAME}, or oauth where the server asks for a token";
            self.report(setting, &[], problem);
        }
        let shown = if by_password == Given::Yes { &password } else { &file };
        if let Some(secret) = &mailbox.password
            && is_unusable(secret)
        {
            self.report(shown, &[&password, &file], "the password is empty or has a line end in it");
        }
        if by_password == Given::Yes && mailbox.password.as_ref().is_some_and(is_variable) {
            self.report(&password, &[&password], QUOTED);
        }
        let for_token = matches!(mailbox.login, LoginMethod::Xoauth2 | LoginMethod::Oauthbearer);
        if by_token == Given::Yes && !has_password && !for_token && mailbox.login != LoginMethod::Auto {
            let problem = "this way to log in takes a password, and oauth is given: use xoauth2, oauthbearer or auto";
            self.report(&login, &[&login], problem);
        } else if has_password && by_token == Given::No && for_token {
            let problem = "this way to log in takes a token, and a password is given: set oauth instead of it, or \
                           use auto";
            self.report(&login, &[&login], problem);
        }
        if mailbox.tls == Tls::None && by_token == Given::Yes {
            let problem = "a token is never sent in clear: use oauth with `tls: implicit` or `tls: starttls`";
            self.report(&key("tls"), &[&key("tls")], problem);
        }
        match &mailbox.oauth {
            None => {}
            Some(TokenSource::File(path)) => {
                let at = oauth.key("file");
                if path.as_os_str().is_empty() {
                    self.report(&at, &[&at], "the path is empty: name the file that holds the token");
                }
            }
            Some(TokenSource::Command(words)) => {
                let at = oauth.key("command");
                if words.first().is_none_or(|program| program.trim().is_empty()) {
                    self.report(&at, &[&at], "the command is empty: write [program, argument, …]");
                }
            }
            Some(TokenSource::Endpoint(endpoint)) => self.endpoint(&oauth.key("endpoint"), endpoint),
        }
    }

    fn endpoint(&mut self, setting: &Path, endpoint: &TokenEndpoint) {
        let key = |name: &str| setting.key(name);
        if let Err(problem) = token_url(&endpoint.url) {
            self.report(&key("url"), &[&key("url")], problem);
        }
        if endpoint.client_id.trim().is_empty() {
            self.report(&key("client_id"), &[&key("client_id")], "the client id is empty: write the application's id");
        }
        let names = ["client_secret", "client_secret_file", "refresh_token", "refresh_token_file"];
        if names.iter().all(|name| self.given(&key(name)) == Given::No) {
            let problem = "no secret: set refresh_token_file for a mailbox owner's consent, or client_secret_file for \
                           an application's own access (client_credentials)";
            self.report(setting, &[], problem);
        }
        for (name, secret) in [("client_secret", &endpoint.client_secret), ("refresh_token", &endpoint.refresh_token)] {
            let (direct, file) = (key(name), key(&format!("{name}_file")));
            if secret.as_ref().is_some_and(is_unusable) {
                let at = if self.given(&direct) == Given::Yes { &direct } else { &file };
                self.report(at, &[&direct, &file], "the secret is empty or has a line end in it");
            }
        }
    }

    fn privacy(&mut self, setting: &Path, privacy: &Privacy) {
        let (key, file, addresses) = (setting.key("hash_key"), setting.key("hash_key_file"), setting.key("addresses"));
        let [direct, in_file] = [&key, &file].map(|path| self.given(path));
        if privacy.addresses == AddressMode::Hmac && [direct, in_file] == [Given::No; 2] {
            self.report(&addresses, &[&addresses], "hmac needs hash_key_file, or hash_key: ${NAME}");
        }
        if privacy.addresses != AddressMode::Clear && privacy.subject == Some(SubjectMode::Keep) {
            let subject = setting.key("subject");
            let problem = "keep publishes the addresses that stand in subjects, and `addresses` withholds them: use scrub or omit";
            self.report(&subject, &[&subject, &addresses], problem);
        }
        if privacy.hash_key.as_ref().is_some_and(|k| k.expose().len() < MIN_KEY) {
            let problem = format!("the hash key has fewer than {MIN_KEY} characters: addresses could be guessed");
            self.report(if direct == Given::Yes { &key } else { &file }, &[&key, &file], problem);
        }
    }

    /// A registry that this program can ask, and records whose value is what it names.
    fn schema_registry(&mut self, kafka: &Path, registry: &SchemaRegistry, config: &Config) {
        let setting = kafka.key("schema_registry");
        let key = |name: &str| setting.key(name);
        if !cfg!(feature = "schema-registry") {
            let problem = "this program was built without it: build it with `--features schema-registry`, or take the \
                           setting away";
            self.report(&setting, &[], problem);
        }
        let (url, username, mode, run_topic) = (key("url"), key("username"), kafka.key("mode"), kafka.key("run_topic"));
        match Url::parse(&registry.url) {
            Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() => {
                self.report(&url, &[&url], "is no URL of a web server: write https://HOST:PORT");
            }
            Ok(parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
                let problem = "holds a user or a password: set username and password_file instead";
                self.report(&url, &[&url], problem);
            }
            Ok(_) if registry.username.is_some() && token_url(&registry.url).is_err() => {
                self.report(
                    &url,
                    &[&url, &username],
                    "would send the password in clear text: write https instead of http",
                );
            }
            Ok(_) => {}
            Err(_) => self.report(&url, &[&url], "is no URL: write https://HOST:PORT"),
        }
        let [user, direct, in_file] = [&username, &key("password"), &key("password_file")].map(|p| self.given(p));
        let has_password = direct == Given::Yes || in_file == Given::Yes;
        if user == Given::Yes && [direct, in_file] == [Given::No; 2] {
            self.report(&username, &[&username], "no password: set password_file, or password: ${NAME}");
        } else if has_password && user == Given::No {
            self.report(&setting, &[], "a password without a username: set username");
        }
        if config.kafka.mode == Mode::Structured {
            let problem = "needs kafka.mode: binary; in structured mode the value is a whole CloudEvent, which the id in \
                           front of it would make unreadable";
            self.report(&setting, &[&mode], problem);
        }
        let events = Topics::of(config);
        if events.of_events().contains(&*events.of_run()) {
            let problem =
                "needs a kafka.run_topic of its own: a topic has one schema, and summaries have another than events";
            self.report(&setting, &[&run_topic, &kafka.key("topic"), &kafka.key("topics")], problem);
        }
    }

    fn archive(&mut self, setting: &Path, archive: &Archive) {
        let (location, retention) = (setting.key("location"), setting.key("retention"));
        if archive.location.trim().is_empty() {
            self.report(&location, &[&location], "is empty: name a folder");
        }
        if archive.retention.is_some_and(|span| span.0 < Duration::from_hours(1)) {
            let problem = "must be at least 1h: mails would be removed before anybody could read them";
            self.report(&retention, &[&retention], problem);
        }
    }

    /// Nothing suppresses an address that says nothing about the address.
    fn bounces(&mut self, setting: &Path, policy: &BouncePolicy) {
        let suppress = setting.key("suppress");
        let items = self.items(&suppress, policy.suppress.len());
        for (one, category) in items.iter().zip(&policy.suppress).filter(|(_, c)| !speaks_of_the_address(**c)) {
            let name = category.as_str();
            self.report(
                one,
                &[one],
                format!("`{name}` is about the mail or its sender, so it suppresses no address: take it out"),
            );
        }
    }

    /// Names that mean something, and nothing that has no effect.
    fn trust(&mut self, setting: &Path, trust: &Trust) {
        let key = |name: &str| setting.key(name);
        let by = key("by");
        self.hosts(&by, &trust.by);
        let items = self.items(&key("forwarders"), trust.forwarders.len());
        for (one, forwarder) in items.iter().zip(&trust.forwarders) {
            self.hosts(&one.key("by"), &forwarder.by);
            for (name, empty) in [("by", forwarder.by.is_empty()), ("networks", forwarder.networks.is_empty())] {
                if empty {
                    let list = one.key(name);
                    self.report(
                        &list,
                        &[&list],
                        "the list is empty: a forwarder is known by its names and its addresses",
                    );
                }
            }
        }
        for (name, set) in [
            ("internal", !trust.internal.is_empty()),
            ("forwarders", !trust.forwarders.is_empty()),
            ("authserv_ids", !trust.authserv_ids.is_empty()),
            ("authserv_without_id", trust.authserv_without_id),
        ] {
            if set && trust.by.is_empty() {
                let problem =
                    "has no effect without trust.by: name the hosts that our own Received lines have behind `by`";
                self.report(&key(name), &[&by], problem);
            }
        }
    }

    fn hosts(&mut self, list: &Path, hosts: &[String]) {
        for (item, host) in self.items(list, hosts.len()).iter().zip(hosts) {
            let name = host.strip_prefix("*.");
            let plain = name.unwrap_or(host);
            let whole = plain.split('.').all(|l| !l.is_empty() && !l.contains(|c: char| c == '*' || c.is_whitespace()));
            if !whole {
                self.report(item, &[item], "write a host name, or `*.` and a domain");
            } else if name.is_some_and(|name| !name.contains('.')) {
                self.report(item, &[item], "stands for every host of a top-level domain, strangers' too: name our own");
            }
        }
    }

    fn dns(&mut self, setting: &Path, dns: &Dns) {
        let key = |name: &str| setting.key(name);
        let least = Duration::from_millis(100);
        if dns.timeout.0 < least {
            self.report(&key("timeout"), &[&key("timeout")], "must be at least 100ms");
        }
        if dns.mail_budget.0 < dns.timeout.0 {
            let (budget, timeout) = (key("mail_budget"), key("timeout"));
            let at = if self.given(&budget) == Given::Yes { &budget } else { &timeout };
            let problem = "dns.mail_budget must be at least dns.timeout, or no question has the time that it may take";
            self.report(at, &[&budget, &timeout], problem);
        }
        if dns.retries > MAX_DNS_RETRIES {
            let problem = format!("must be at most {MAX_DNS_RETRIES}: what fails so often is down");
            self.report(&key("retries"), &[&key("retries")], problem);
        }
    }

    fn limits(&mut self, setting: &Path, limits: &Limits) {
        let key = |name: &str| setting.key(name);
        for (name, value) in [
            ("mailboxes_at_once", limits.mailboxes_at_once),
            ("pipeline", limits.pipeline),
            ("session_mails", limits.session_mails),
        ] {
            if value == 0 {
                self.report(&key(name), &[&key(name)], "must be at least 1");
            }
        }
        for (name, Span(value), (least, text)) in [
            ("connect_timeout", limits.connect_timeout, (Duration::from_millis(100), "100ms")),
            ("read_timeout", limits.read_timeout, (Duration::from_millis(100), "100ms")),
            ("command_timeout", limits.command_timeout, (Duration::from_secs(1), "1s")),
            ("session_time", limits.session_time, (Duration::from_secs(1), "1s")),
            ("run_time", limits.run_time.unwrap_or(Span::seconds(1)), (Duration::from_secs(1), "1s")),
        ] {
            if value < least {
                self.report(&key(name), &[&key(name)], format!("must be at least {text}"));
            }
        }
        if limits.retries > MAX_RETRIES {
            let problem = format!("must be at most {MAX_RETRIES}: the pause doubles each time");
            self.report(&key("retries"), &[&key("retries")], problem);
        }
        let (size, flight) = (key("message_size"), key("in_flight"));
        if limits.message_size.0 < 10_000 {
            self.report(&size, &[&size], "must be at least 10kB");
        }
        if limits.in_flight.0 < limits.message_size.0 {
            // The one of the two that is set is the one to change.
            let at = if self.given(&flight) == Given::Yes { &flight } else { &size };
            let problem = "limits.in_flight must be at least limits.message_size, or no mail of that size fits";
            self.report(at, &[&size, &flight], problem);
        }
    }

    /// All that is wrong with a correlator.
    fn correlator(&mut self, setting: &Path, correlator: &Correlator) {
        for (way, problem) in correlate::mistakes(correlator) {
            let at = way.iter().fold(setting.clone(), |path, step| match step {
                At::Key(name) => path.key(*name),
                At::Item(number) => {
                    let items = (0..).map(|n| path.item(n)).filter(|item| !self.found.holes.contains_key(item));
                    items.clone().nth(*number).unwrap_or(path.clone())
                }
            });
            let text = match problem {
                Problem::Place => self.shown(&at).map_or_else(|| problem.to_string(), |t| format!("`{t}` {problem}")),
                // The text may come from the environment.
                Problem::Pattern(_) if !self.is_written_here(&at) => "the pattern cannot be used".to_owned(),
                _ => problem.to_string(),
            };
            match problem {
                // A key that is given and has no value was reported already.
                Problem::NoKey | Problem::ShortKey => {
                    let item = if problem == Problem::NoKey { at.clone() } else { at.parent() };
                    let (key, file) = (item.key("key"), item.key("key_file"));
                    self.report(&at, &[&key, &file], text);
                }
                Problem::NoWay => {
                    let ways = ["pattern", "address", "headers", "preset", "lookup", "from"].map(|w| setting.key(w));
                    self.report(&at, &ways.iter().collect::<Vec<_>>(), text);
                }
                Problem::Ways => self.report(&at, &[], text),
                _ => self.report(&at, &[&at], text),
            }
        }
    }

    fn is_written_here(&self, path: &Path) -> bool {
        match self.tree.find(path).map(|n| &n.kind) {
            Some(Kind::Text(text)) => text.is_written_here(),
            _ => false,
        }
    }

    /// The text at `path`, if a message may repeat it.
    fn shown(&self, path: &Path) -> Option<&str> {
        match &self.tree.find(path)?.kind {
            Kind::Text(text) => text.shown(),
            _ => None,
        }
    }
}

fn has_line_end(text: &str) -> bool {
    text.contains(['\r', '\n', '\0'])
}

/// What people mean who write `"${NAME}"`.
const QUOTED: &str = "a variable in quotes is taken as it stands: remove the quotes, or name a file";

/// Whether a secret looks like a variable that was not replaced.
fn is_variable(secret: &Secret) -> bool {
    let name = secret.expose().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

fn is_unusable(secret: &Secret) -> bool {
    secret.expose().is_empty() || has_line_end(secret.expose())
}

/// A token endpoint gets secrets: TLS, but for a server on this machine (RFC 6749 section 3.2).
fn token_url(url: &str) -> Result<(), &'static str> {
    let url = Url::parse(url).map_err(|_| "is no URL: write https://HOST/PATH")?;
    match (url.scheme(), url.host_str()) {
        ("https", Some(host)) if !host.is_empty() => Ok(()),
        ("http", Some("127.0.0.1" | "localhost" | "[::1]")) => Ok(()),
        _ => Err("must begin with https://: the endpoint is sent secrets"),
    }
}
