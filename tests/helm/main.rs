//! The Helm chart: what it renders from the value sets in helm/ci, and what it refuses.
//!
//! Without its tools (tests/helm/tools.sh fetch) the tests say what is missing and pass; with
//! `REPLY_INGEST_REQUIRE_SERVERS=1`, as in CI, a missing tool is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod schema;
mod table;

use reply_ingest::cli::Exit;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A correlator that has its key in clear.
const CORRELATOR_WITH_A_KEY: &str = "config.correlators[0].id=token;config.correlators[0].address=reply+{campaign}.{sig}@x;\
    config.correlators[0].verify.keys[0].id=k1;config.correlators[0].verify.keys[0].key=hunter2";
/// Of Kubernetes: from the oldest that the chart says it runs on to the newest that is known.
const VERSIONS: &str = "1.29,1.30,1.31,1.32,1.33,1.34,1.35,1.36,1.37";
/// As long as Helm lets a release's name be.
const LONG: &str = "a-release-with-a-name-as-long-as-helm-lets-it-be-53ch";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the tools, or `None` after a line that says what is missing.
fn tools() -> Option<PathBuf> {
    let script = root().join("tests/helm/tools.sh");
    let check = Command::new(&script).arg("check").output().expect("starts");
    if check.status.success() {
        let path = Command::new(&script).arg("path").output().expect("starts");
        return Some(text(&path.stdout).trim().into());
    }
    let missing = text(&check.stdout);
    assert!(std::env::var_os("REPLY_INGEST_REQUIRE_SERVERS").is_none_or(|v| v != "1"), "{missing}");
    // Past the test runner's capture, so that a person sees it.
    let _ = write!(std::io::stderr(), "skipped: {missing}");
    None
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(command: &mut Command) -> Output {
    command.current_dir(root()).output().expect("starts")
}

fn good(output: &Output, what: &str) -> String {
    assert!(output.status.success(), "{what}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The value sets: name and file.
fn value_sets() -> Vec<(String, PathBuf)> {
    let mut sets: Vec<_> = fs::read_dir(root().join("helm/ci"))
        .expect("is there")
        .map(|entry| entry.expect("is read").path())
        .filter_map(|path| Some((path.file_name()?.to_str()?.strip_suffix("-values.yaml")?.to_owned(), path)))
        .collect();
    sets.sort();
    assert!(sets.len() >= 12, "{sets:?}");
    sets
}

fn template(tools: &Path, release: &str, values: &Path, more: &[&str]) -> Output {
    run(Command::new(tools.join("helm"))
        .args(["template", release, "helm", "--namespace", "mail", "--values"])
        .arg(values)
        .args(more))
}

/// What a value set renders to, as JSON.
fn objects(tools: &Path, release: &str, values: &Path) -> Vec<Value> {
    let rendered = good(&template(tools, release, values, &[]), &values.display().to_string());
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), rendered).expect("writes");
    let json = run(Command::new(tools.join("python")).args(["tests/helm/objects.py", "json"]).arg(file.path()));
    serde_json::from_str(&good(&json, "YAML")).expect("JSON")
}

fn set(name: &str) -> PathBuf {
    root().join(format!("helm/ci/{name}-values.yaml"))
}

fn of_kind<'o>(objects: &'o [Value], kind: &str) -> Vec<&'o Value> {
    objects.iter().filter(|o| o["kind"] == kind).collect()
}

/// The specifications of all pods that these objects start.
fn pods(objects: &[Value]) -> Vec<&Value> {
    objects
        .iter()
        .filter_map(|o| match o["kind"].as_str()? {
            "Pod" => Some(&o["spec"]),
            "Deployment" => Some(&o["spec"]["template"]["spec"]),
            "CronJob" => Some(&o["spec"]["jobTemplate"]["spec"]["template"]["spec"]),
            _ => None,
        })
        .collect()
}

#[test]
fn every_value_set_is_valid_for_every_kubernetes() {
    let Some(tools) = tools() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = Vec::new();
    for (name, values) in value_sets() {
        good(&run(Command::new(tools.join("helm")).args(["lint", "--strict", "helm", "--values"]).arg(&values)), &name);
        for release in ["r", "reply-ingest", LONG] {
            let file = folder.path().join(format!("{name}-{release}.yaml"));
            fs::write(&file, good(&template(&tools, release, &values, &[]), &name)).expect("writes");
            files.push(file);
        }
    }
    let validate =
        run(Command::new(tools.join("python")).args(["tests/helm/objects.py", "validate", VERSIONS]).args(&files));
    good(&validate, "kubernetes-validate");
}

/// What Kubernetes' schemas do not say of names.
#[test]
fn names_are_short_enough_and_told_apart() {
    let Some(tools) = tools() else { return };
    for (set, values) in value_sets() {
        for release in ["r", LONG] {
            let objects = objects(&tools, release, &values);
            let mut names = Vec::new();
            for object in &objects {
                let kind = object["kind"].as_str().expect("a kind");
                let name = object["metadata"]["name"].as_str().expect("a name");
                let limit = if kind == "CronJob" { 52 } else { 63 };
                assert!(name.len() <= limit && !name.ends_with('-'), "{set}: {kind} {name}");
                for (label, value) in object["metadata"]["labels"].as_object().into_iter().flatten() {
                    assert!(value.as_str().is_some_and(|v| v.len() <= 63), "{set}: {kind} {name}: {label}");
                }
                names.push((kind, name));
            }
            names.sort_unstable();
            let all = names.len();
            names.dedup();
            assert_eq!(names.len(), all, "{set}: two objects have one name");
        }
    }
}

/// Pod Security's profile "restricted", and some more.
#[test]
fn pods_may_do_nothing_but_their_work() {
    let Some(tools) = tools() else { return };
    for (set, values) in value_sets() {
        let objects = objects(&tools, "r", &values);
        let pods = pods(&objects);
        assert!(pods.len() >= 2, "{set}: a worker and a test");
        for pod in pods {
            assert_eq!(pod["automountServiceAccountToken"], false, "{set}");
            assert_eq!(pod["enableServiceLinks"], false, "{set}");
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{set}");
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{set}");
            let container = &pod["containers"][0];
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{set}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{set}");
            assert_eq!(context["capabilities"]["drop"], json!(["ALL"]), "{set}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{set}");
            for mount in container["volumeMounts"].as_array().expect("mounts") {
                let volumes = pod["volumes"].as_array().expect("volumes");
                assert!(volumes.iter().any(|v| v["name"] == mount["name"]), "{set}: {mount}");
            }
        }
        for account in of_kind(&objects, "ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false, "{set}");
        }
    }
}

/// The first rule that names a code decides; each code of the program is named by exactly one.
#[test]
fn exit_codes_agree_with_the_pod_failure_policy() {
    let Some(tools) = tools() else { return };
    let of = |sharded: bool, exit: Exit| match exit {
        Exit::Success => None,
        Exit::Kafka | Exit::Temporary => Some("Count"),
        Exit::Usage => Some("FailJob"),
        Exit::Internal | Exit::Fenced | Exit::Credentials | Exit::Configuration | Exit::Withheld => {
            Some(if sharded { "FailIndex" } else { "FailJob" })
        }
    };
    for (name, sharded) in [("default", false), ("shards", true)] {
        let objects = objects(&tools, "r", &set(name));
        let job = &of_kind(&objects, "CronJob")[0]["spec"]["jobTemplate"]["spec"];
        let rules = job["podFailurePolicy"]["rules"].as_array().expect("rules");
        assert_eq!(rules[0]["action"], "Ignore");
        assert_eq!(rules[0]["onPodConditions"][0]["type"], "DisruptionTarget");
        let mut named = 0;
        for rule in &rules[1..] {
            let codes: Vec<u64> = serde_json::from_value(rule["onExitCodes"]["values"].clone()).expect("codes");
            assert!(codes.is_sorted(), "Kubernetes wants them sorted: {codes:?}");
            assert_eq!(rule["onExitCodes"]["operator"], "In");
            assert_eq!(rule["onExitCodes"]["containerName"], "reply-ingest");
            named += codes.len();
        }
        for exit in Exit::ALL {
            let found: Vec<&str> = rules
                .iter()
                .filter(|r| {
                    let codes = r["onExitCodes"]["values"].as_array();
                    codes.is_some_and(|c| c.contains(&exit.code().into()))
                })
                .filter_map(|r| r["action"].as_str())
                .collect();
            assert_eq!(found, of(sharded, exit).into_iter().collect::<Vec<_>>(), "{name}: {exit:?}");
        }
        assert_eq!(named, Exit::ALL.len() - 1, "{name}: no other code is named");
        // FailIndex needs the one, a podFailurePolicy the other.
        assert_eq!(job["backoffLimitPerIndex"].is_u64(), sharded);
        assert_eq!(job["backoffLimit"].is_u64(), !sharded);
        assert_eq!(job["template"]["spec"]["restartPolicy"], "Never");
        assert_eq!(job["podReplacementPolicy"], "Failed");
    }
}

/// What the program says of each rendered configuration.
#[test]
fn rendered_configurations_are_in_order() {
    let Some(tools) = tools() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let schema = include_str!("../../schemas/config.schema.json");
    let schema: Value = serde_json::from_str(schema).expect("JSON");
    let knows_run = schema["properties"]["run"].is_object();
    let mut checked = 0;
    for (set, values) in value_sets() {
        let objects = objects(&tools, "r", &values);
        for (file, config) in of_kind(&objects, "ConfigMap").iter().filter_map(|o| o["data"].as_object()).flatten() {
            if Path::new(file).extension().is_none_or(|e| e != "yaml") {
                continue;
            }
            let path = folder.path().join(file);
            fs::write(&path, config.as_str().expect("a text")).expect("writes");
            let check = run(Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
                .args(["check", "--config-only", "--config"])
                .arg(&path));
            let said = text(&check.stderr);
            // A build without the command `run` knows no settings for it; they are all that it may object to.
            if set.starts_with("run") && !knows_run {
                assert!(said.lines().count() == 1 && said.contains("unknown key `run`"), "{set} {file}: {said}");
            } else {
                good(&check, &format!("{set} {file}"));
            }
            checked += 1;
        }
    }
    assert!(checked > value_sets().len(), "those of shards too");
}

/// Each mailbox is in exactly one shard, and where it was assigned to.
#[test]
fn shards_divide_the_mailboxes() {
    let Some(tools) = tools() else { return };
    for name in ["shards", "run-shards"] {
        let objects = objects(&tools, "r", &set(name));
        let maps = of_kind(&objects, "ConfigMap");
        let data = maps[0]["data"].as_object().expect("files");
        let of = |shard: usize| -> Vec<&str> {
            let text = data[&format!("shard-{shard}.yaml")].as_str().expect("a text");
            assert!(text.contains(&format!("file: /var/lib/reply-ingest/ledger-{shard}.redb")), "{text}");
            text.lines().filter_map(|l| l.trim_start_matches([' ', '-']).strip_prefix("name: ")).collect()
        };
        let mut all: Vec<&str> = (0..3).flat_map(of).collect();
        all.sort_unstable();
        assert_eq!(all, ["a", "b", "c", "d", "e", "f"]);
        assert!(of(2).contains(&"c") && of(2).contains(&"f"));
        // What is not assigned is where the program's own `--shard` would have it.
        for shard in 0..3 {
            let its = shard_of_the_program(&tools, &set(name), shard);
            for mailbox in ["a", "b", "d", "e"] {
                assert_eq!(its.contains(&mailbox.to_owned()), of(shard).contains(&mailbox), "{mailbox} in {shard}");
            }
        }
    }
}

/// The mailboxes of `--shard`, where the chart does not divide them.
fn shard_of_the_program(tools: &Path, values: &Path, shard: usize) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let one = folder.path().join("one.yaml");
    fs::write(&one, "shards: { count: 1 }").expect("writes");
    let output = template(tools, "r", values, &["--values", one.to_str().expect("a path")]);
    let rendered = folder.path().join("rendered.yaml");
    fs::write(&rendered, good(&output, "one shard")).expect("writes");
    let json = run(Command::new(tools.join("python")).args(["tests/helm/objects.py", "json"]).arg(&rendered));
    let objects: Vec<Value> = serde_json::from_str(&good(&json, "YAML")).expect("JSON");
    let config = folder.path().join("config.yaml");
    fs::write(&config, of_kind(&objects, "ConfigMap")[0]["data"]["reply-ingest.yaml"].as_str().expect("a text"))
        .expect("writes");
    let check = run(Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
        .args(["check", "--config-only", "--shard", &format!("{shard}/3"), "--config"])
        .arg(&config));
    let said = good(&check, "check");
    let names = said.lines().find_map(|l| l.trim().strip_prefix("mailboxes")).expect("the mailboxes");
    names.split(',').map(|name| name.trim().to_owned()).collect()
}

/// The network policy lets through what the configuration needs, and nothing else.
#[test]
fn the_network_policy_follows_the_configuration() {
    let Some(tools) = tools() else { return };
    let table: [(&str, &[u64], usize); 6] = [
        ("default", &[53, 53, 995, 9092], 0),
        ("oauth", &[53, 53, 443, 995, 9092], 0),
        ("own-ca", &[53, 53, 110, 995, 9093], 0),
        ("clear-text", &[53, 53, 110, 1110, 3128, 9092], 0),
        ("push", &[53, 53, 995, 9091, 9092], 0),
        ("run", &[53, 53, 995, 9092], 1),
    ];
    for (name, expected, ingress) in table {
        let objects = objects(&tools, "r", &set(name));
        let spec = &of_kind(&objects, "NetworkPolicy")[0]["spec"];
        let mut ports: Vec<u64> = spec["egress"]
            .as_array()
            .expect("rules")
            .iter()
            .flat_map(|rule| rule["ports"].as_array().expect("ports"))
            .map(|port| port["port"].as_u64().expect("a number"))
            .collect();
        ports.sort_unstable();
        assert_eq!(ports, expected, "{name}");
        assert_eq!(spec["ingress"].as_array().expect("a list").len(), ingress, "{name}");
    }
    assert!(of_kind(&objects(&tools, "r", &set("no-network-policy")), "NetworkPolicy").is_empty());
}

#[test]
fn a_zero_and_a_null_are_values() {
    let Some(tools) = tools() else { return };
    let objects = objects(&tools, "r", &set("push"));
    let spec = &of_kind(&objects, "CronJob")[0]["spec"];
    assert_eq!(spec["successfulJobsHistoryLimit"], 0);
    assert_eq!(spec["jobTemplate"]["spec"]["backoffLimit"], 1);
    assert!(spec["jobTemplate"]["spec"].get("ttlSecondsAfterFinished").is_none());

    let folder = tempfile::tempdir().expect("a folder");
    let nulls = folder.path().join("nulls.yaml");
    let text = "config:\n  kafka: { schema_registry: null }\n  archive: null\n  correlators:\n    \
                - { id: x, preset: kumomta, verify: null, lookup: null }\n  mailboxes:\n    \
                - { name: a, host: h, username: u, password_file: /p, privacy: null, oauth: null, schedule: null }\n";
    fs::write(&nulls, text).expect("writes");
    let output = template(&tools, "r", &set("default"), &["--values", nulls.to_str().expect("a path")]);
    good(&output, "settings that are null");
}

/// Wrong values end with words that say what to do.
#[test]
fn what_cannot_work_is_refused() {
    let Some(tools) = tools() else { return };
    let table = [
        ("default", "mode=deployment", "mode"),
        ("default", "scheduel=@daily", "scheduel"),
        ("default", "image.tga=1", "tga"),
        ("default", "image.digest=sha256:1", "digest"),
        ("default", "schedule=often", "schedule"),
        ("default", "cronjob.backoffLimit=6", "backoffLimit"),
        ("default", "networkPolicy.egress=1", "egress"),
        ("default", "persistence.accessModes[0]=ReadOnlyMany", "accessModes"),
        ("default", "config.mailboxes[0].port=70000", "port"),
        ("default", "config.mailboxes=null", "mailboxes"),
        ("default", "config.kafka.brokers=null", "brokers"),
        ("default", "config.kafka.topc=x", "'/config/kafka': additional properties 'topc' not allowed"),
        ("default", "config.kafka.mode=bianry", "bianry"),
        ("default", "config.archive.locatio=/x", "additional properties 'locatio' not allowed"),
        ("default", "config.archive=/x", "'/config/archive': got string, want object"),
        ("default", "config.mailboxes[0].retension=keep", "additional properties 'retension' not allowed"),
        ("default", "config.limts.pipeline=1", "'/config': additional properties 'limts' not allowed"),
        ("oauth", "config.mailboxes[0].oauth.endpoint.client_idd=x", "additional properties 'client_idd' not allowed"),
        ("run", "config.run.schedule=@hourly", "config.run: set `schedule`, `timeZone` and `run.…` of the chart"),
        ("default", "config.mailboxes[0].password=hunter2", "no place for a secret"),
        ("oauth", "config.mailboxes[0].oauth.endpoint.client_secret=hunter2", "no place for a secret"),
        ("default", "config.kafka.sasl_password=hunter2", "no place for a secret"),
        ("default", "config.kafka.properties.sasl\\.password=hunter2", "no place for a secret"),
        (
            "default",
            "config.kafka.schema_registry.password=hunter2;config.kafka.schema_registry.url=https://r",
            "no place",
        ),
        ("default", "config.mailboxes[0].privacy.hash_key=hunter2", "config.mailboxes: privacy.hash_key of replies"),
        ("default", CORRELATOR_WITH_A_KEY, "config.correlators: key k1 of token"),
        ("default", "config.kafka.ack_timeout=2m", "must be longer than config.kafka.ack_timeout"),
        ("default", "schedule=*/5 * * * *", "below the schedule's interval of 300 s"),
        ("shards", "persistence.accessModes[0]=ReadWriteOnce", "shards on several nodes need ReadWriteMany"),
        ("shards", "shards.assign.a=3", "there is no shard 3"),
        ("shards", "extraEnv[0].name=REPLY_INGEST_SHARDS", "a second time"),
        ("shards", "shards.count=50", "has no mailbox"),
        ("shards", "existingConfigMap=x", "shards need `config`"),
        ("inline-ca", "ca.existingSecret=x", "one of pem"),
    ];
    for (name, value, words) in table {
        // Commas and brackets of a cron expression mean something to --set, too; here several values are told apart by
        // a semicolon.
        let values = value.split(';').map(|value| value.replace(',', "\\,"));
        let values = values.collect::<Vec<_>>().join(",");
        let output = template(&tools, "r", &set(name), &["--set", &values]);
        assert!(!output.status.success(), "{name} with {value} is taken");
        let said = text(&output.stderr);
        assert!(said.contains(words), "{name} with {value}: {said}");
        assert!(!said.contains("hunter2") && !said.contains("want null"), "{value}: {said}");
    }
    // Only a file can say that a list is empty.
    let folder = tempfile::tempdir().expect("a folder");
    let none = folder.path().join("none.yaml");
    fs::write(&none, "config: { kafka: { brokers: [] } }").expect("writes");
    let output = template(&tools, "r", &set("default"), &["--values", none.to_str().expect("a path")]);
    assert!(text(&output.stderr).contains("config.kafka.brokers: give at least one"), "{}", text(&output.stderr));
}

/// Every setting that the documentation knows can be a value, and is passed on as it is.
#[test]
fn every_setting_can_be_given() {
    let Some(tools) = tools() else { return };
    let full = fs::read_to_string(root().join("config/reply-ingest.full.yaml")).expect("is there");
    let (full, of_run) = full.split_once("\nrun:\n").expect("the last part is that of `run`, which the chart writes");
    assert!(of_run.lines().all(|line| line.is_empty() || line.starts_with("  ")), "{of_run}");
    let folder = tempfile::tempdir().expect("a folder");
    let values = folder.path().join("values.yaml");
    let indented: Vec<String> = full.lines().map(|line| format!("  {line}")).collect();
    fs::write(&values, format!("config:\n{}\n", indented.join("\n"))).expect("writes");
    let objects = objects(&tools, "r", &values);
    let config = folder.path().join("config.yaml");
    fs::write(&config, of_kind(&objects, "ConfigMap")[0]["data"]["reply-ingest.yaml"].as_str().expect("a text"))
        .expect("writes");
    let check = Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
        .args(["check", "--config-only", "--config"])
        .arg(&config)
        .output()
        .expect("starts");
    good(&check, "what the chart made of config/reply-ingest.full.yaml");
}

#[test]
fn alerts_fire_when_they_should() {
    let Some(tools) = tools() else { return };
    for name in ["run", "push"] {
        let objects = objects(&tools, "rel", &set(name));
        let rules = &of_kind(&objects, "PrometheusRule")[0]["spec"];
        let folder = tempfile::tempdir().expect("a folder");
        // JSON is YAML.
        let file = folder.path().join("rules.yaml");
        fs::write(&file, rules.to_string()).expect("writes");
        let tests = folder.path().join("tests.yaml");
        fs::copy(root().join(format!("tests/helm/alerts-{name}.yaml")), &tests).expect("copies");
        good(&run(Command::new(tools.join("promtool")).args(["check", "rules"]).arg(&file)), name);
        good(&run(Command::new(tools.join("promtool")).args(["test", "rules"]).arg(&tests)), name);
        let readme = fs::read_to_string(root().join("helm/README.md")).expect("is there");
        let tested = fs::read_to_string(&tests).expect("is there");
        let other = fs::read_to_string(root().join("tests/helm/alerts-run.yaml")).expect("is there");
        for rule in rules["groups"][0]["rules"].as_array().expect("rules") {
            let alert = rule["alert"].as_str().expect("a name");
            assert!(readme.contains(&format!("#### {alert}\n")), "{alert} has no part in helm/README.md");
            assert!(tested.contains(alert) || other.contains(alert), "{alert} has no test");
        }
    }
}

/// Dashboard and alerts ask for metrics that there are, and Prometheus can read what the dashboard asks.
#[test]
fn what_is_asked_of_prometheus_is_there() {
    let Some(tools) = tools() else { return };
    let dashboard = fs::read_to_string(root().join("helm/dashboards/reply-ingest.json")).expect("is there");
    let asked: Value = serde_json::from_str(&dashboard).expect("JSON");
    let panels = asked["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let mut rules = Vec::new();
    let mut asked = fs::read_to_string(root().join("helm/templates/prometheusrule.yaml")).expect("is there");
    for (number, target) in targets.enumerate() {
        let expr = target["expr"].as_str().expect("a question");
        asked += expr;
        // What Grafana puts there.
        let expr = expr.replace("$__interval", "5m").replace("$__rate_interval", "5m").replace("$__range", "1h");
        rules.push(json!({ "record": format!("asked_{number}"), "expr": expr }));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("dashboard.yaml");
    // JSON is YAML.
    let rules = json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    fs::write(&file, rules.to_string()).expect("writes");
    good(&run(Command::new(tools.join("promtool")).args(["check", "rules"]).arg(&file)), "promtool");

    let readme = fs::read_to_string(root().join("README.md")).expect("is there");
    let mut names = 0;
    for name in asked.split("reply_ingest_").skip(1) {
        let name: String = name.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        assert!(readme.contains(&format!("`{name}`")), "{name} is no metric of README.md");
        names += 1;
    }
    assert!(names > 60, "{names}");
}

#[test]
fn the_container_file_is_clean() {
    let Some(tools) = tools() else { return };
    good(&run(Command::new(tools.join("hadolint")).arg("config/Dockerfile")), "hadolint");
}
