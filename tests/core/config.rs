//! The configuration: the files in config/ load, mistakes are named with their place.

use proptest::prelude::*;
use reply_ingest::config::{self, Logins, Retention, Secrets, Start, Tls, TokenSource};
use reply_ingest::event::Kind;
use std::collections::HashMap;
use std::path::Path;

fn env() -> HashMap<String, String> {
    ["REPLIES_PASSWORD", "BOUNCES_PASSWORD", "KAFKA_PASSWORD"]
        .into_iter()
        .map(|name| (name.to_owned(), "hunter2 # \"':".to_owned()))
        .collect()
}

fn parse(text: &str) -> Result<config::Config, config::ConfigError> {
    config::parse(text, Path::new("test.yaml"), &env())
}

const MINIMAL: &str =
    "kafka: {brokers: [\"k:9092\"]}\nmailboxes:\n  - name: a\n    host: h\n    username: u\n    password: p\n";

#[test]
fn the_two_files_of_the_readme_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for file in ["reply-ingest.yaml", "reply-ingest.full.yaml"] {
        let text = std::fs::read_to_string(folder.join(file)).expect("is there");
        let config = parse(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
        let mailbox = config.mailboxes.first().expect("has a mailbox");
        assert_eq!(mailbox.port(), 995);
        assert_eq!(mailbox.password.as_ref().map(config::Secret::expose), Some("hunter2 # \"':"), "taken as it is");
    }
}

/// Every setting stands in the full file: its schema's property names are all there.
#[test]
fn the_full_file_is_full() {
    let text = include_str!("../../config/reply-ingest.full.yaml");
    let schema = reply_ingest::event::schema::published().into_iter().find(|s| s.name == "config").expect("is there");
    let mut names = Vec::new();
    properties(&schema.schema, &mut names);
    assert!(names.len() > 50, "the names are found");
    // Under `bounces.types` any category may stand, under `kafka.topics` any kind, and none must.
    let free = |name: &str| {
        reply_ingest::event::Category::named(name).is_some() || Kind::ALL.iter().any(|kind| kind.as_str() == name)
    };
    for name in names.iter().filter(|name| !free(name)) {
        assert!(text.contains(&format!("{name}:")), "`{name}` is not in config/reply-ingest.full.yaml");
    }
}

/// The property names of every object schema, but not those of the schemas' own language.
fn properties(value: &serde_json::Value, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                match value.as_object().filter(|_| key == "properties") {
                    Some(named) => {
                        for (name, schema) in named {
                            out.push(name.clone());
                            properties(schema, out);
                        }
                    }
                    None => properties(value, out),
                }
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|v| properties(v, out)),
        _ => {}
    }
}

#[test]
fn defaults_are_what_the_full_file_says() {
    let small = parse(MINIMAL).expect("loads");
    let full = parse(include_str!("../../config/reply-ingest.full.yaml")).expect("loads");
    assert_eq!(small.limits, full.limits);
    assert_eq!(small.ledger, full.ledger);
    assert_eq!(small.auth, full.auth);
    assert_eq!(small.unsubscribe, full.unsubscribe);
    assert_eq!((small.dns.timeout, small.dns.mail_budget), (full.dns.timeout, full.dns.mail_budget));
    assert_eq!(small.kafka.topic, full.kafka.topic);
    assert_eq!(small.kafka.ack_timeout, full.kafka.ack_timeout);
    assert_eq!(small.event.type_prefix, full.event.type_prefix);
    let mailbox = small.mailboxes.first().expect("has one");
    assert_eq!((mailbox.tls, mailbox.retention, mailbox.start), (Tls::Implicit, Retention::Keep, Start::All));
}

/// The mistakes of a file as `LINE:COLUMN: SETTING: PROBLEM`.
fn mistakes(text: &str) -> Vec<String> {
    let error = parse(text).expect_err(text);
    assert!(!error.mistakes().is_empty(), "{text}\nhas no mistakes but {error}");
    error.mistakes().iter().map(|m| m.in_file(Path::new(""))).map(|m| m.trim_start_matches(':').to_owned()).collect()
}

/// What is said about a Schema Registry, but for a program that cannot ask one.
#[test]
fn a_schema_registry_needs_what_it_needs() {
    const MISSING: &str = "kafka.schema_registry: this program was built without it: build it with `--features \
                           schema-registry`, or take the setting away";
    let right = "mode: binary, run_topic: runs, ";
    let clear = "kafka.schema_registry.url: would send the password in clear text: write https instead of http";
    let no_url = "kafka.schema_registry.url: is no URL of a web server: write https://HOST:PORT";
    for (kafka, registry, expected) in [
        (right, "{url: 'https://registry.example:8081'}", &[][..]),
        (right, "{url: 'http://registry.example/apis/ccompat/v7', auto_register: false}", &[]),
        (right, "{url: 'http://127.0.0.1:1', username: u, password: p}", &[]),
        (right, "{url: 'http://registry.example', username: u, password: p}", &[clear]),
        (right, "{url: 'ftp://registry.example'}", &[no_url]),
        (right, "{url: 'registry.example:8081'}", &[no_url]),
        (
            right,
            "{url: 'https://u:p@registry.example'}",
            &["kafka.schema_registry.url: holds a user or a password: set username and password_file instead"],
        ),
        (
            right,
            "{url: 'https://r.example', username: u}",
            &["kafka.schema_registry.username: no password: set password_file, or password: ${NAME}"],
        ),
        (
            right,
            "{url: 'https://r.example', password: p}",
            &["kafka.schema_registry: a password without a username: set username"],
        ),
        (
            right,
            "{user: u}",
            &[
                "kafka.schema_registry: `url` is missing: it has no default",
                "kafka.schema_registry: unknown key `user`: did you mean `username`?",
            ],
        ),
        (
            "",
            "{url: 'https://r.example'}",
            &[
                "kafka.schema_registry: needs kafka.mode: binary; in structured mode the value is a whole CloudEvent, which the id in front of it would make unreadable",
                "kafka.schema_registry: needs a kafka.run_topic of its own: a topic has one schema, and summaries have another than events",
            ],
        ),
        (
            "mode: binary, run_topic: b, topics: {bounce: b}, ",
            "{url: 'https://r.example'}",
            &[
                "kafka.schema_registry: needs a kafka.run_topic of its own: a topic has one schema, and summaries have another than events",
            ],
        ),
    ] {
        let text = MINIMAL.replace("kafka: {", &format!("kafka: {{{kafka}schema_registry: {registry}, "));
        let found = match parse(&text) {
            Ok(_) => Vec::new(),
            Err(error) => error.mistakes().iter().map(ToString::to_string).collect::<Vec<_>>(),
        };
        let built = cfg!(feature = "schema-registry");
        assert_eq!(found.iter().any(|m| m == MISSING), !built, "{text}: {found:?}");
        let mut rest: Vec<_> = found.into_iter().filter(|m| m != MISSING).collect();
        rest.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(rest, expected, "{text}");
    }
}

/// Wrong files, and all that is said about each.
#[test]
fn every_mistake_is_named_with_its_place() {
    let m = |more: &str| format!("{MINIMAL}{more}");
    let instead = |from: &str, to: &str| MINIMAL.replace(from, to);
    let oauth = |more: &str| instead("    password: p\n", more);
    let table: &[(String, &[&str])] = &[
        // Keys.
        ("mailboxs: []\nkafka: {brokers: [k]}\n".into(), &["1:1: unknown key `mailboxs`: did you mean `mailboxes`?"]),
        (m("    pasword: x\n    retentoin: x\n"), &[
            "7:5: mailbox a: unknown key `pasword`: did you mean `password`?",
            "8:5: mailbox a: unknown key `retentoin`: did you mean `retention`?",
        ]),
        (m("ledger: {zzzzzzzzzzzz: 1}\n"), &["7:10: ledger: unknown key `zzzzzzzzzzzz`: known keys are file, topic"]),
        (m("kafka: {brokers: [k]}\n"), &["7:1: the key `kafka` stands in line 1 already: keep one of the two"]),
        (m("? [a, b]\n: c\n"), &["7:3: a key must be a word: no list and no mapping can be one"]),
        // What is missing, and nothing that follows from it.
        ("# nothing\n".into(), &[
            "1:1: `mailboxes` is missing: it has no default",
            "1:1: `kafka` is missing: it has no default",
        ]),
        ("kafka:\nmailboxes:\n  - nam: a\n    password: p\n  - retention: keep\n".into(), &[
            "1:1: kafka: `brokers` is missing: it has no default",
            "3:5: mailboxes[0]: unknown key `nam`: did you mean `name`?",
            "3:5: mailboxes[0]: `host` is missing: it has no default",
            "3:5: mailboxes[0]: `username` is missing: it has no default",
            "5:5: mailboxes[1]: `name` is missing: it has no default",
            "5:5: mailboxes[1]: `host` is missing: it has no default",
            "5:5: mailboxes[1]: `username` is missing: it has no default",
            "5:5: mailboxes[1]: no password: set password_file, or password: ${NAME}, or oauth where the server asks for a token",
        ]),
        // Types.
        ("[]\n".into(), &["1:1: expected settings as `key: value`, found a list"]),
        ("kafka: [k]\nmailboxes: {a: b}\n".into(), &[
            "1:8: kafka: expected settings as `key: value`, found a list",
            "2:12: mailboxes: expected a list with `- ` before each item, found settings",
        ]),
        (m("    port: many\n    tls: implict\n    login: token\n    start: {since: 1.11.2026}\n    retention: {delete_after: 2 fortnights}\n    trust: {internal: [192.0.2.0/24, 300.1.2.3, 192.0.2.0/33], by: mx}\n"), &[
            "7:11: mailbox a: port: expected a whole number from 0 to 65535, found `many`",
            "8:10: mailbox a: tls: unknown value `implict`: it is one of implicit, starttls or none (did you mean `implicit`?)",
            "9:12: mailbox a: login: unknown value `token`: it is one of auto, user_pass, apop, plain, login, scram_sha_256, xoauth2 or oauthbearer",
            "10:20: mailbox a: start.since: `1.11.2026` is no date: write 2026-11-01",
            "11:31: mailbox a: retention.delete_after: `2 fortnights` is no duration: write 30s, 5m, 2h or 14d",
            "12:38: mailbox a: trust.internal[1]: `300.1.2.3` is no network: write 192.0.2.0/24 or 2001:db8::/32",
            "12:49: mailbox a: trust.internal[2]: `192.0.2.0/33` is no network: write 192.0.2.0/24 or 2001:db8::/32",
            "12:68: mailbox a: trust.by: expected a list, found `mx`: write [\"mx\"]",
        ]),
        (m("    port: 70000\n    tls:\n    retention: {keep: 3}\n    start: {all: , now: }\nauth: {enabled: maybe, max_signatures: -1}\ndns: {servers: [192.0.2.1]}\nlimits: {message_size: big, pipeline: 1.5}\n"), &[
            "7:11: mailbox a: port: expected a whole number from 0 to 65535, found `70000`",
            "8:5: mailbox a: tls: expected one of implicit, starttls or none, found nothing",
            "9:16: mailbox a: retention: `keep` takes no value: write keep",
            "10:12: mailbox a: start: expected exactly one of all, now or since",
            "11:17: auth.enabled: expected true or false, found `maybe`",
            "11:40: auth.max_signatures: expected a whole number, found `-1`",
            "12:17: dns.servers[0]: `192.0.2.1` is no IP address with a port: write \"192.0.2.53:53\"",
            "13:24: limits.message_size: `big` is no size: write 500kB, 30MB or 64MiB",
            "13:39: limits.pipeline: expected a whole number, found `1.5`",
        ]),
        (m("    retention: delete_after\n"), &[
            "7:16: mailbox a: retention: `delete_after` needs a value: write { delete_after: … }",
        ]),
        (m("    retention: {delete_aftr: 3d}\n"), &[
            "7:17: mailbox a: retention: unknown value `delete_aftr`: it is one of keep, delete or delete_after (did you mean `delete_after`?)",
        ]),
        (instead("username: u", "username: [u]"), &["5:15: mailbox a: username: expected a text, found a list"]),
        (m("    role: !reply reply\n"), &["7:11: a tag (`!…`) has no meaning in this file: take it away"]),
        // Syntax: alone.
        ("kafka: [\nzzz: 1\n".into(), &["1:8: a bracket is opened and not closed"]),
        (m("\tx: 1\nzzz: 1\n"), &["6:15: a tab stands behind this text or below it: write spaces"]),
        (m("   zzz: 1\n"), &["7:4: the indentation does not fit the lines above: expected `- `, or a key in the column of the other keys"]),
        (m("ledger: {file: 'x}\n"), &["7:16: a quote is opened and not closed"]),
        (m("ledger: *somewhere\n"), &["7:9: this alias has no anchor above it: write `&name` where the value stands first"]),
        (m("---\nkafka: {}\n"), &["7:1: a second document starts here: a configuration is one document, without `---` in it"]),
        // The environment and files.
        (instead("password: p", "password: ${NOT_SET}") + "ledger: {file: \"${QUOTED}\"}\nlimits:\n  pipeline: ${ALSO_NOT_SET}\n  retries: ${BAD NAME}\n", &[
            "6:15: mailbox a: password: the environment variable NOT_SET is not set: set it, or use `password_file`",
            "9:13: limits.pipeline: the environment variable ALSO_NOT_SET is not set: set it, or write ${ALSO_NOT_SET:-default}",
            "10:12: limits.retries: `${` is not followed by a variable and `}`: write ${NAME} or ${NAME:-default}, and $${ for the two characters",
        ]),
        (instead("password: p", "password_file: /nowhere/x") + "privacy: {addresses: hmac, hash_key_file: /nowhere/y}\n", &[
            "6:20: mailbox a: password_file: cannot read the file /nowhere/x: No such file or directory (os error 2)",
            "7:43: privacy.hash_key_file: cannot read the file /nowhere/y: No such file or directory (os error 2)",
        ]),
        (m("    password_file: /nowhere/x\n"), &["7:20: mailbox a: password_file: the same secret is also given as `password`: keep one of the two"]),
        // What no type can say.
        ("kafka: {brokers: []}\nmailboxes: []\n".into(), &[
            "1:18: kafka.brokers: the list is empty: name at least one broker as host:port",
            "2:12: mailboxes: the list is empty: name at least one mailbox",
        ]),
        (instead("name: a", "name: a b").replace("host: h", "host: ''").replace("username: u", "username: ''").replace("password: p", "password: ''") + "    retention: {delete_after: 0s}\n", &[
            "3:11: mailboxes[0].name: a name has 1 to 64 letters, digits, hyphens, dots and underscores, and no dot in front",
            "4:11: mailboxes[0].host: the host is empty: write the server's name",
            "5:15: mailboxes[0].username: the username is empty or has a line end in it",
            "6:15: mailboxes[0].password: the password is empty or has a line end in it",
            "7:16: mailboxes[0].retention: delete_after: 0 is what `delete` means",
        ]),
        (m("  - name: a\n    host: h\n    username: u\n    password: p\n"), &[
            "7:11: mailbox a: name: two mailboxes have this name, the other one in line 3: names are part of event ids and must differ",
        ]),
        (m("privacy: {addresses: hmac}\n"), &["7:22: privacy.addresses: hmac needs hash_key_file, or hash_key: ${NAME}"]),
        (m("privacy: {addresses: omit, subject: keep}\n"), &["7:37: privacy.subject: keep publishes the addresses that stand in subjects, and `addresses` withholds them: use scrub or omit"]),
        (m("    privacy: {addresses: omit, subject: keep}\n"), &["7:41: mailbox a: privacy.subject: keep publishes the addresses that stand in subjects, and `addresses` withholds them: use scrub or omit"]),
        (m("privacy: {subject: hide}\n"), &["7:20: privacy.subject: unknown value `hide`: it is one of keep, scrub or omit"]),
        (m("privacy: {addresses: hmac, hash_key: short}\n"), &["7:38: privacy.hash_key: the hash key has fewer than 16 characters: addresses could be guessed"]),
        (m("limits:\n  message_size: 1kB\n  mailboxes_at_once: 0\n  pipeline: 0\n  session_mails: 0\n  command_timeout: 900ms\n  session_time: 0s\n  retries: 21\n"), &[
            "8:17: limits.message_size: must be at least 10kB",
            "9:22: limits.mailboxes_at_once: must be at least 1",
            "10:13: limits.pipeline: must be at least 1",
            "11:18: limits.session_mails: must be at least 1",
            "12:20: limits.command_timeout: must be at least 1s",
            "13:17: limits.session_time: must be at least 1s",
            "14:12: limits.retries: must be at most 20: the pause doubles each time",
        ]),
        (m("dns: {timeout: 50ms, retries: 6}\n"), &[
            "7:16: dns.timeout: must be at least 100ms",
            "7:31: dns.retries: must be at most 5: what fails so often is down",
        ]),
        (m("dns: {timeout: 10s}\n"), &["7:16: dns.timeout: dns.mail_budget must be at least dns.timeout, or no question has the time that it may take"]),
        (instead("    password: p", "    password: p\n    trust: {by: ['mx.a.example', '*.a.example', 'a b', '*.com', '*', ''], forwarders: [{by: [x], networks: []}]}"), &[
            "7:49: mailbox a: trust.by[2]: write a host name, or `*.` and a domain",
            "7:56: mailbox a: trust.by[3]: stands for every host of a top-level domain, strangers' too: name our own",
            "7:65: mailbox a: trust.by[4]: write a host name, or `*.` and a domain",
            "7:70: mailbox a: trust.by[5]: write a host name, or `*.` and a domain",
            "7:108: mailbox a: trust.forwarders[0].networks: the list is empty: a forwarder is known by its names and its addresses",
        ]),
        (instead("    password: p", "    password: p\n    trust: {internal: [192.0.2.0/24], authserv_ids: [mx.a.example]}"), &[
            "7:23: mailbox a: trust.internal: has no effect without trust.by: name the hosts that our own Received lines have behind `by`",
            "7:53: mailbox a: trust.authserv_ids: has no effect without trust.by: name the hosts that our own Received lines have behind `by`",
        ]),
        (m("limits: {message_size: 100MB}\n"), &["7:24: limits.message_size: limits.in_flight must be at least limits.message_size, or no mail of that size fits"]),
        (m("correlators:\n  - {id: x, in: [nowhere, 'header:To', elsewhere], pattern: 'x'}\n  - {id: y, in: [], pattern: '{campaign'}\n"), &[
            "8:18: correlator x: in[0]: `nowhere` is no place: write header:NAME, original:NAME, original:*, dsn:FIELD or thread",
            "8:40: correlator x: in[2]: `elsewhere` is no place: write header:NAME, original:NAME, original:*, dsn:FIELD or thread",
            "8:61: correlator x: pattern: the pattern names nothing to find: put {campaign}, {send} or {recipient} into it",
            "9:17: correlator y: in: the list is empty: write header:NAME, original:NAME, original:*, dsn:FIELD or thread",
            "9:30: correlator y: pattern: the pattern has a brace without its partner",
        ]),
        // A place behind an item that cannot be read is the one in the file.
        (m("correlators:\n  - [x]\n  - {id: y, lookup: {file: /nowhere.csv}}\n  - id: z\n    address: 'r+{campaign}.{sig}@r.example'\n    verify: {keys: [x, {id: k, key_file: /nowhere.key}]}\n"), &[
            "8:5: correlators[0]: expected settings as `key: value`, found a list",
            "9:28: correlator y: lookup.file: cannot read the file /nowhere.csv: No such file or directory (os error 2)",
            "12:21: correlator z: verify.keys[0]: expected settings as `key: value`, found `x`",
            "12:42: correlator z: verify.keys[1].key_file: cannot read the file /nowhere.key: No such file or directory (os error 2)",
        ]),
        (instead("kafka: {", "kafka: {topic: 'a b', topics: {bounce: 'c/d'}, "), &[
            "1:16: kafka.topic: is no name of a topic: 1 to 249 letters, digits, hyphens, dots and underscores",
            "1:40: kafka.topics.bounce: is no name of a topic: 1 to 249 letters, digits, hyphens, dots and underscores",
        ]),
        (instead("kafka: {", "kafka: {topics: {bounced: a, Reply: b, anything: c, delay: d, unsubcribe: 'e/f'}, "), &[
            "1:18: kafka.topics: unknown key `bounced`: did you mean `bounce`?",
            "1:30: kafka.topics: unknown key `Reply`: did you mean `reply`?",
            "1:40: kafka.topics: unknown key `anything`: known keys are bounce, delay, delivered, complaint, auto_reply, unsubscribe, reply, receipt, challenge, other, unclassified",
            "1:63: kafka.topics: unknown key `unsubcribe`: did you mean `unsubscribe`?",
        ]),
        (m("bounces: {types: {mailbox_fulll: hard}}\n"), &["7:19: bounces.types: unknown key `mailbox_fulll`: did you mean `mailbox_full`?"]),
        (m("    topic: ''\n"), &["7:12: mailbox a: topic: is no name of a topic: 1 to 249 letters, digits, hyphens, dots and underscores"]),
        (instead("kafka: {", "kafka: {sasl_password: x, properties: {sasl.password: y}, "), &[
            "1:55: kafka.properties.sasl.password: sasl.password is given twice: keep sasl_password_file",
        ]),
        // Passwords, tokens, TLS.
        (oauth(""), &["3:5: mailbox a: no password: set password_file, or password: ${NAME}, or oauth where the server asks for a token"]),
        (m("    oauth: {file: /run/token}\n"), &["7:12: mailbox a: oauth: a password and oauth are both given: keep the one that the server asks for"]),
        (m("    login: xoauth2\n"), &["7:12: mailbox a: login: this way to log in takes a token, and a password is given: set oauth instead of it, or use auto"]),
        (m("    login: plain\n    tls: none\n    tls_min: 1.3\n"), &[
            "9:14: mailbox a: tls_min: `tls: none` has no TLS version: take tls_min away, or use `tls: implicit` or `tls: starttls`",
        ]),
        (oauth("    oauth: {file: ''}\n    login: plain\n    tls: none\n"), &[
            "6:19: mailbox a: oauth.file: the path is empty: name the file that holds the token",
            "7:12: mailbox a: login: this way to log in takes a password, and oauth is given: use xoauth2, oauthbearer or auto",
            "8:10: mailbox a: tls: a token is never sent in clear: use oauth with `tls: implicit` or `tls: starttls`",
        ]),
        (oauth("    oauth: {command: []}\n"), &["6:22: mailbox a: oauth.command: the command is empty: write [program, argument, …]"]),
        (oauth("    oauth: {comand: [x]}\n"), &[
            "6:13: mailbox a: oauth: unknown value `comand`: it is one of file, command or endpoint (did you mean `command`?)",
        ]),
        (oauth("    oauth:\n      endpoint:\n        url: http://login.example.com/token\n        client_id: ''\n"), &[
            "7:7: mailbox a: oauth.endpoint: no secret: set refresh_token_file for a mailbox owner's consent, or client_secret_file for an application's own access (client_credentials)",
            "8:14: mailbox a: oauth.endpoint.url: must begin with https://: the endpoint is sent secrets",
            "9:20: mailbox a: oauth.endpoint.client_id: the client id is empty: write the application's id",
        ]),
        (oauth("    oauth: {endpoint: {urll: x, client_secret: '', refresh_token_file: /nowhere/r}}\n"), &[
            "6:23: mailbox a: oauth.endpoint: `client_id` is missing: it has no default",
            "6:24: mailbox a: oauth.endpoint: unknown key `urll`: did you mean `url`?",
            "6:48: mailbox a: oauth.endpoint.client_secret: the secret is empty or has a line end in it",
            "6:72: mailbox a: oauth.endpoint.refresh_token_file: cannot read the file /nowhere/r: No such file or directory (os error 2)",
        ]),
        (instead("password: p", "password: '${P}'"), &[
            "6:15: mailbox a: password: a variable in quotes is taken as it stands: remove the quotes, or name a file",
        ]),
        (instead("username: u", "username: recent:u@example.com") + "    retention: delete\n", &[
            "7:16: mailbox a: retention: `recent:` in the username asks Gmail for the last 30 days again, with mails that another program may still have to fetch: use `retention: keep`, or the username without `recent:`",
        ]),
        // All together, in the order of the file.
        ("kafka: {brokers: k, topik: t}\nmailboxes:\n  - name: a\n    host: h\n    username: u\n    tls: none\n    oauth: {endpoint: {url: 'https://x.example/t', client_id: c, client_secret: s}}\n    start: {since: today}\nlimits: {retries: 30, pipeline: x}\n".into(), &[
            "1:18: kafka.brokers: expected a list, found `k`: write [\"k\"]",
            "1:21: kafka: unknown key `topik`: did you mean `topic`?",
            "6:10: mailbox a: tls: a token is never sent in clear: use oauth with `tls: implicit` or `tls: starttls`",
            "8:20: mailbox a: start.since: `today` is no date: write 2026-11-01",
            "9:19: limits.retries: must be at most 20: the pause doubles each time",
            "9:33: limits.pipeline: expected a whole number, found `x`",
        ]),
    ];
    let mut wrong = Vec::new();
    for (text, expected) in table {
        let found = mistakes(text);
        if found != *expected {
            wrong.push(format!("{text}\ngives:\n{}\nand should give:\n{}\n", found.join("\n"), expected.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_mistake_is_a_line_that_editors_jump_to() {
    let one = parse(&format!("{MINIMAL}limits: {{retries: 99}}\n")).expect_err("wrong");
    assert_eq!(one.to_string(), "test.yaml:7:19: limits.retries: must be at most 20: the pause doubles each time");
    let two = parse(&format!("{MINIMAL}ledgr: 1\nlimits: {{retries: 99}}\n")).expect_err("wrong");
    assert_eq!(
        two.to_string(),
        "test.yaml: 2 mistakes\n\
         test.yaml:7:1: unknown key `ledgr`: did you mean `ledger`?\n\
         test.yaml:8:19: limits.retries: must be at most 20: the pause doubles each time"
    );
}

#[test]
fn anchors_and_merge_keys_count() {
    let text = "kafka: {brokers: [k]}\nmailboxes:\n  - &first\n    name: a\n    host: h\n    username: u\n    password: p\n    \
                retention: delete\n  - <<: *first\n    name: b\n    username: v\n";
    let config = parse(text).unwrap_or_else(|e| panic!("{e}"));
    let seen: Vec<_> = config.mailboxes.iter().map(|m| (m.name.as_str(), m.username.as_str(), m.retention)).collect();
    assert_eq!(seen, [("a", "u", Retention::Delete), ("b", "v", Retention::Delete)]);
    // A mistake in what is merged is one mistake, at its own place.
    assert_eq!(mistakes(&text.replace("retention: delete", "port: x")).len(), 2, "one for each mailbox that has it");
    let circle = format!("{MINIMAL}ledger: &l {{file: *l}}\n");
    assert_eq!(mistakes(&circle), ["7:19: this alias stands inside the value that it stands for"]);
}

/// Files that are made to take for ever or to fill memory end with a word about it.
#[test]
fn hostile_files_end() {
    let deep = "[".repeat(100_000);
    let aliases = format!("{MINIMAL}    trust: &t {{by: [{}]}}\n{}", "x, ".repeat(2_000), {
        let mailbox = |n: usize| format!("  - {{name: n{n}, host: h, username: u, password: p, trust: *t}}\n");
        (0..3_000).map(mailbox).collect::<String>()
    });
    let merges = (0..200).fold(String::from("m0: &m0 {a: 1}\n"), |text, n| {
        text + &format!("m{0}: &m{0} {{<<: [{1}], k{0}: 1}}\n", n + 1, format!("*m{n}, ").repeat(50))
    });
    let many = format!("{MINIMAL}{}", (0..5_000).fold(String::new(), |text, n| text + &format!("zz{n}: 1\n")));
    let large = format!("{MINIMAL}# {}\n", "x".repeat(1_000_000));
    for (text, expected) in [
        (deep.as_str(), "nested too deeply"),
        (&aliases, "aliases in this file stand for too many values"),
        (&merges, "merges too much"),
        (&many, "these are the first 100"),
        (&large, "larger than 1000 kB"),
    ] {
        let found = mistakes(text);
        assert!(found.iter().any(|m| m.contains(expected)), "{expected}: {:?}", found.first());
    }
}

/// `check --config-only` runs where the secrets are not: their absence is a warning, the rest is checked.
#[test]
fn absent_secrets_can_be_warnings() {
    let text = MINIMAL.replace("password: p", "password: ${NOT_SET}").replace("host: h", "host: ${NO_HOST}")
        + "    port: ${NO_PORT}\nprivacy: {addresses: hmac, hash_key_file: /nowhere/y}\n";
    let check = |text: &str| config::check_text(text, Path::new("t.yaml"), &HashMap::new(), Secrets::MayBeMissing);
    let (config, warnings) = check(&text).unwrap_or_else(|e| panic!("{e}"));
    let warnings: Vec<_> = warnings.iter().map(|w| w.in_file(Path::new("t.yaml"))).collect();
    assert_eq!(
        warnings,
        [
            "t.yaml:4:11: mailbox a: host: the environment variable NO_HOST is not set: set it, or write ${NO_HOST:-default}",
            "t.yaml:6:15: mailbox a: password: the environment variable NOT_SET is not set: set it, or use `password_file`",
            "t.yaml:7:11: mailbox a: port: the environment variable NO_PORT is not set: set it, or write ${NO_PORT:-default}",
            "t.yaml:8:43: privacy.hash_key_file: cannot read the file /nowhere/y: No such file or directory (os error 2)",
        ]
    );
    assert_eq!(config.mailboxes.len(), 1);
    let error = check(&(text + "limits: {retries: 30}\n")).expect_err("a mistake stays one");
    assert_eq!(error.mistakes().len(), 1, "{error}");
}

#[test]
fn secrets_come_from_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("writes");
        path.display().to_string()
    };
    let text = MINIMAL.replace(
        "    password: p\n",
        &format!(
            "    oauth: {{endpoint: {{url: 'http://[::1]:9/t', client_id: c, client_secret_file: {}, refresh_token_file: {}}}}}\n",
            path("c", "client\r\n"),
            path("r", "refresh"),
        ),
    );
    let config = parse(&text).unwrap_or_else(|e| panic!("{e}"));
    match &config.mailboxes.first().expect("has one").oauth {
        Some(TokenSource::Endpoint(e)) => {
            assert_eq!(e.client_secret.as_ref().map(config::Secret::expose), Some("client"));
            assert_eq!(e.refresh_token.as_ref().map(config::Secret::expose), Some("refresh"));
        }
        other => panic!("{other:?}"),
    }
    let device = MINIMAL.replace("password: p", "password_file: /dev/zero");
    assert!(mistakes(&device).first().is_some_and(|m| m.contains("is no secret")), "is not read for ever");
}

#[test]
fn a_file_that_is_no_utf8_says_where() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("c.yaml");
    std::fs::write(&path, b"kafka: {}\n# \xc3\xa4\xe4\n").expect("writes");
    let error = config::load(&path).expect_err("wrong").to_string();
    assert!(error.ends_with("c.yaml:2:4: this octet is no UTF-8: save the file in that encoding"), "{error}");
}

#[test]
fn secrets_do_not_print() {
    let text = MINIMAL.replace("password: p", "password: ${REPLIES_PASSWORD}")
        + "privacy: {addresses: hmac, hash_key: 0123456789abcdef-topsecret}\n";
    let config = parse(&text).expect("loads");
    let shown = format!("{config:?} {}", serde_json::to_string(&config).expect("serialises"));
    assert!(!shown.contains("hunter2") && !shown.contains("topsecret"), "{shown}");
    // Nor does a mistake elsewhere in the file echo the line beside it.
    let wrong = text.replace("username: u", "username: [u]");
    let error = format!("{:?}", parse(&wrong).expect_err("is wrong"));
    assert!(!error.contains("hunter2") && !error.contains("topsecret"), "{error}");
}

/// What somebody's hand does to a line.
#[derive(Debug, Clone)]
enum Slip {
    Remove,
    Double,
    Indent(usize),
    Outdent(usize),
    /// A character at this place goes, or another one comes.
    Cut(usize),
    Put(usize, char),
    /// All that stands behind the colon.
    Value(&'static str),
    Swap,
}

fn slip() -> impl Strategy<Value = Slip> {
    let characters = prop::sample::select(vec![
        ' ', ':', '-', '#', '[', ']', '{', '}', '\'', '"', '&', '*', '!', '|', '>', '%', '@', '`', '\t', '$', ',', '?',
        'x', '0', 'ä', '\n', '\0',
    ]);
    let values = prop::sample::select(vec![
        "",
        "x",
        "-1",
        "[]",
        "{}",
        "[x]",
        "{x: y}",
        "~",
        "${NOPE}",
        "${",
        "&a",
        "*a",
        "0s",
        "99999999999999999999",
        "'",
        "|",
        "none",
        "1e9",
        "!x y",
    ]);
    prop_oneof![
        Just(Slip::Remove),
        Just(Slip::Double),
        (1_usize..5).prop_map(Slip::Indent),
        (1_usize..5).prop_map(Slip::Outdent),
        (0_usize..40).prop_map(Slip::Cut),
        ((0_usize..40), characters).prop_map(|(at, c)| Slip::Put(at, c)),
        values.prop_map(Slip::Value),
        Just(Slip::Swap),
    ]
}

fn garble(text: &str, slips: &[(usize, Slip)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (at, slip) in slips {
        if lines.is_empty() {
            break;
        }
        let at = at % lines.len();
        let line = lines[at].clone();
        let nth = |n: usize| line.char_indices().nth(n % line.chars().count().max(1)).map_or(0, |(i, _)| i);
        match slip {
            Slip::Remove => drop(lines.remove(at)),
            Slip::Double => lines.insert(at, line),
            Slip::Indent(n) => lines[at] = format!("{}{line}", " ".repeat(*n)),
            Slip::Outdent(n) => lines[at] = line.chars().skip((*n).min(line.len() - line.trim_start().len())).collect(),
            Slip::Cut(n) if !line.is_empty() => drop(lines[at].remove(nth(*n))),
            Slip::Cut(_) => {}
            Slip::Put(n, c) => lines[at].insert(nth(*n), *c),
            Slip::Value(value) => {
                if let Some((key, _)) = line.split_once(": ") {
                    lines[at] = format!("{key}: {value}");
                }
            }
            Slip::Swap => {
                let other = (at + 1) % lines.len();
                lines.swap(at, other);
            }
        }
    }
    lines.join("\n") + "\n"
}

/// The full example without its comments, and with secrets that can be told from everything else.
fn full_with_secrets() -> String {
    let text = include_str!("../../config/reply-ingest.full.yaml");
    let settings: Vec<_> = text.lines().filter(|l| !l.trim_start().starts_with('#') && !l.is_empty()).collect();
    let mut text = settings.join("\n") + "\n";
    for (name, form) in [
        ("${REPLIES_PASSWORD}", "XYZZY-in-the-file-1"),
        ("${BOUNCES_PASSWORD:-secret}", "\"XYZZY in quotes: 2\""),
        ("${NEWSLETTER_CLIENT_SECRET:-secret}", "'XYZZY-in-the-file-3'"),
        ("${KAFKA_PASSWORD:-secret}", "${XYZZY_VARIABLE}"),
        ("${HASH_KEY:-0123456789abcdef}", "${NOT_THERE:-XYZZY-as-a-default}"),
    ] {
        assert!(text.contains(name), "{name}");
        text = text.replace(name, form);
    }
    text
}

/// Who reads files needs no password of a mailbox; but the keys that events are made with.
#[test]
fn what_nobody_connects_to_needs_no_secret() {
    let text = MINIMAL.replace("password: p", "password: ${MAILBOX}").replace("host: h", "host: ${HOST}")
        + "privacy:\n  addresses: hmac\n  hash_key: ${KEY}\n";
    let kafka = "sasl_password_file: /nowhere/kafka";
    let text = text.replacen("kafka: {", &format!("kafka: {{{kafka}, "), 1);
    let [key, host, mailbox] = ["privacy.hash_key", "mailbox a: host", "mailbox a: password"];
    let file = "kafka.sasl_password_file";
    for (mailboxes, kafka, missing) in [
        (Logins::None, false, vec![key]),
        (Logins::All, false, vec![host, mailbox, key]),
        (Logins::Of(&[0]), false, vec![host, mailbox, key]),
        (Logins::Of(&[1]), false, vec![key]),
        (Logins::None, true, vec![file, key]),
        (Logins::All, true, vec![file, host, mailbox, key]),
    ] {
        let secrets = Secrets::RequiredFor { mailboxes, kafka };
        let error = config::check_text(&text, Path::new("t.yaml"), &HashMap::new(), secrets).expect_err("a key");
        let mut named: Vec<_> = error.mistakes().iter().map(|m| m.in_file(Path::new("t.yaml"))).collect();
        assert_eq!(named.len(), missing.len(), "{named:?}");
        named.retain(|said| !missing.iter().any(|setting| said.contains(&format!(": {setting}: "))));
        assert!(named.is_empty(), "{named:?}");
        let env = HashMap::from([("KEY".to_owned(), "sixteen characters".to_owned())]);
        let good = config::check_text(&text, Path::new("t.yaml"), &env, secrets);
        assert_eq!(good.is_ok(), missing.len() == 1, "{good:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever happens to some lines: a configuration, or at least one mistake, each with its
    /// place in the file, and no secret in any message.
    #[test]
    fn a_garbled_file_is_read_or_its_mistakes_are_named(
        slips in prop::collection::vec((any::<usize>(), slip()), 1..8),
        missing in any::<bool>(),
    ) {
        let env = HashMap::from([("XYZZY_VARIABLE".to_owned(), "PLUGH from the environment".to_owned())]);
        let secrets = if missing { Secrets::MayBeMissing } else { Secrets::Required };
        let text = garble(&full_with_secrets(), &slips);
        let lines = u32::try_from(text.lines().count()).expect("is small");
        let said = match config::check_text(&text, Path::new("t.yaml"), &env, secrets) {
            Ok((config, warnings)) => {
                prop_assert!(!config.mailboxes.is_empty());
                prop_assert!(missing || warnings.is_empty());
                // The settings themselves may hold what a slip has put into another one.
                format!("{warnings:?}")
            }
            Err(error) => {
                prop_assert!(!error.mistakes().is_empty());
                for mistake in error.mistakes() {
                    prop_assert!(mistake.line.is_some_and(|l| (1..=lines + 1).contains(&l)), "{mistake:?}\n{text}");
                    prop_assert!(mistake.column.is_some_and(|c| c >= 1), "{mistake:?}\n{text}");
                }
                format!("{error} {error:?}")
            }
        };
        prop_assert!(!said.contains("XYZZY-") && !said.contains("XYZZY in") && !said.contains("PLUGH"), "{said}\n{text}");
    }

    /// Any text at all.
    #[test]
    fn no_text_panics(text in "[a-z:{}\\[\\]\\-#&*!|>'\"%@`$,? \t\n<~0-9é]{0,200}") {
        let error = parse(&text).err();
        prop_assert!(error.is_some_and(|e| !e.mistakes().is_empty()));
    }
}
