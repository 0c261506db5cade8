//! Commands, their help, their mistakes and their exit codes.

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

const MAIL: &str = "From: Ana <ana@customer.example>\nTo: replies@campaigns.example\nSubject: Re: Offer\nDate: Mon, 16 Nov 2026 09:12:30 +0000\nMessage-ID: <m1@customer.example>\nIn-Reply-To: <x@campaigns.example>\n\nYes please, send me the details of your offer.\n";

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reply-ingest")).args(args).output().expect("starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn help_names_every_command_and_every_exit_code() {
    let help = stdout(&run(&["--help"]));
    for word in [
        "poll",
        "run",
        "check",
        "replay",
        "demo",
        "rules",
        "schema",
        "Exit codes",
        "78",
        "77",
        "76",
        "75",
        "70",
        "69",
        "64",
    ] {
        assert!(help.contains(word), "{word} in {help}");
    }
    for command in ["poll", "check", "replay", "rules"] {
        assert!(stdout(&run(&[command, "--help"])).contains("Example"), "{command}");
    }
}

/// What comes of a command whose output nobody reads.
fn unread(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    drop(child.stdout.take());
    child.wait_with_output().expect("ends")
}

#[test]
fn whoever_has_read_enough_may_close_the_pipe() {
    for args in [&["rules", "list"][..], &["rules", "check"], &["schema", "event"], &["completions", "bash"], &["man"]]
    {
        let output = unread(Command::new(env!("CARGO_BIN_EXE_reply-ingest")).args(args));
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn output_that_a_full_disk_loses_is_no_success() {
    let commands = [&["rules", "list"][..], &["schema", "event"], &["completions", "bash"], &["man"]];
    for args in commands {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device of Linux");
        let output = Command::new(env!("CARGO_BIN_EXE_reply-ingest")).args(args).stdout(full).output().expect("starts");
        let said = stderr(&output);
        assert_eq!((output.status.code(), said.lines().count()), (Some(75), 1), "{args:?}: {said}");
        assert!(said.starts_with("error: cannot write all of the output: see whether the disk is full"), "{said}");
    }
}

#[test]
fn where_no_mail_could_be_read_coverage_says_only_that() {
    let output = run(&["rules", "coverage", "/nowhere"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(75), ""));
    assert!(stderr(&output).starts_with("error: cannot read /nowhere"), "{}", stderr(&output));
}

#[test]
fn each_problem_of_a_check_is_called_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("r.toml"), "[[rule]]\nid = \"a\"\ntabel = \"intent\"\n[[rule]]\nidd = \"b\"\n").expect("writes");
    let text = format!(
        "kafka: {{brokers: [\"127.0.0.1:1\"]}}\nrules: {{files: [{}]}}\nmailboxes:\n  \
         - {{name: a, host: h, username: u, password: p}}\n",
        path("r.toml")
    );
    fs::write(path("c.yaml"), text).expect("writes");
    let checked = run(&["check", "--config-only", "--config", &path("c.yaml")]);
    let said = stdout(&checked);
    assert_eq!(checked.status.code(), Some(78), "{said}");
    let told: Vec<&str> = said.lines().filter(|line| line.contains("r.toml:")).collect();
    assert!(told.len() > 1 && told.iter().all(|line| line.starts_with("  problem ")), "{said}");
}

#[test]
fn a_replay_of_files_asks_for_no_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("a.eml"), MAIL).expect("writes");
    let text = "kafka: {brokers: [\"127.0.0.1:1\"]}\nauth: {enabled: false}\nmailboxes:\n  - name: a\n    host: h\n\
                \x20   username: u\n    password: ${TEST_NOT_SET}\n";
    fs::write(path("c.yaml"), text).expect("writes");
    let config = path("c.yaml");
    let replayed = run(&["replay", "--config", &config, &path("a.eml")]);
    assert!(replayed.status.success() && stdout(&replayed).contains("/mailboxes/a"), "{}", stderr(&replayed));
    let forgotten = run(&["forget", "ana@customer.example", "--config", &config]);
    assert!(forgotten.status.success(), "{}", stderr(&forgotten));
    for args in [&["replay", "--uidl", "1", "--config", &config][..], &["poll", "--config", &config]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(78), "{args:?}");
        let said = stderr(&output);
        assert!(said.contains("TEST_NOT_SET is not set: set it, or use `password_file`"), "{args:?}: {said}");
    }
}

#[test]
fn who_works_on_some_mailboxes_needs_no_secret_of_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = crate::scripted::Server::start(&[b"Subject: x\r\n\r\ny\r\n".to_vec()]);
    let config = folder.path().join("c.yaml").display().to_string();
    let text = format!(
        "kafka: {{brokers: [\"127.0.0.1:1\"], topic: t}}\nauth: {{enabled: false}}\nmailboxes:\n\
         \x20 - {{name: a, host: 127.0.0.1, port: {}, tls: none, username: r, password: {}}}\n\
         \x20 - name: b\n    host: ${{TEST_NOT_SET}}\n    username: r\n    password_file: /nowhere/b\n",
        server.port(),
        crate::scripted::PASSWORD,
    );
    fs::write(&config, text).expect("writes");
    let polled = run(&["poll", "--dry-run", "--config", &config, "--mailbox", "a"]);
    assert!(polled.status.success() && stdout(&polled).contains("/mailboxes/a"), "{}", stderr(&polled));
    for args in [&["--mailbox", "b"][..], &["--mailbox", "a", "--mailbox", "b"], &[]] {
        let output = run(&[&["poll", "--dry-run", "--config", &config][..], args].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(78), "{args:?}: {said}");
        assert!(said.contains("TEST_NOT_SET is not set") && said.contains("/nowhere/b"), "{args:?}: {said}");
    }
    // Between them two shards have both.
    let codes =
        ["0/2", "1/2"].map(|shard| run(&["poll", "--dry-run", "--config", &config, "--shard", shard]).status.code());
    assert_eq!(codes.iter().filter(|code| **code == Some(78)).count(), 1, "{codes:?}");
}

#[test]
fn whoever_has_seen_enough_of_a_dry_run_may_close_the_pipe() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = crate::scripted::Server::start(&[b"Subject: x\r\n\r\ny\r\n".to_vec()]);
    let path = folder.path().join("c.yaml");
    let text = format!(
        "kafka: {{brokers: [\"127.0.0.1:1\"], topic: t}}\nauth: {{enabled: false}}\nmailboxes:\n\
         \x20 - {{name: r, host: 127.0.0.1, port: {}, tls: none, username: r, password: {}}}\n",
        server.port(),
        crate::scripted::PASSWORD
    );
    fs::write(&path, text).expect("writes");
    let mut poll = Command::new(env!("CARGO_BIN_EXE_reply-ingest"));
    let output = unread(poll.args(["poll", "--dry-run", "--config"]).arg(&path));
    let said = stderr(&output);
    assert!(output.status.success() && !said.contains("Kafka") && !said.contains("error:"), "{said}");
}

#[test]
fn mistakes_have_their_exit_codes_and_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("c.yaml");
    fs::write(&config, "kafka: {brokers: [k]}\nmailboxes:\n  - name: a\n    hots: h\n").expect("writes");
    let config = config.display().to_string();
    let good = folder.path().join("good.yaml");
    fs::write(
        &good,
        "kafka: {brokers: [\"127.0.0.1:1\"]}\nmailboxes:\n  - {name: a, host: h, username: u, password: hunter2}\n",
    )
    .expect("writes");
    let good = good.display().to_string();
    let table: [(&[&str], i32, &str); 18] = [
        (&[], 64, "Usage"),
        (&["pol"], 64, "poll"),
        (&["poll"], 64, "--config"),
        (&["poll", "--config", "/nowhere.yaml"], 78, "cannot read the configuration /nowhere.yaml"),
        (&["poll", "--config", &config], 78, "unknown key `hots`: did you mean `host`?"),
        (&["check", "--config", &config], 78, "c.yaml:4:5: mailbox a: unknown key `hots`"),
        (&["check", "--config", &good, "--mailbox", "b"], 64, "there is no mailbox `b`"),
        (&["poll", "--config", &good, "--mailbox", "b"], 64, "there is no mailbox `b`"),
        (&["replay", "/nowhere.eml"], 75, "(os error 2): check the path and its permissions"),
        (&["replay", "/nowhere.eml", "--rules", "/nowhere.toml"], 78, "cannot read the rules /nowhere.toml: check"),
        (&["schema", "nothing"], 64, "choose event, run, dead-letter, explain, config"),
        (&["schema", "evnt"], 64, "did you mean `event`?"),
        (&["rules", "list", "--table", "bounce_categry"], 64, "did you mean `bounce_category`?"),
        (&["rules", "check", "/nowhere.toml"], 78, "/nowhere.toml: No such file"),
        (&["replay", "/nowhere.eml", "--explain", "json"], 64, "write --explain=json"),
        (&["replay", "/nowhere.eml", "--config", &good, "--mailbox", "b"], 64, "there is no mailbox `b`"),
        (&["run", "--config", &good, "--listen", "9464"], 64, "such as 0.0.0.0:9464"),
        (&["poll", "--config", &good, "--metrics-push", "gateway:9091"], 64, "no URL of a Pushgateway: write http://"),
    ];
    for (args, code, words) in table {
        let output = run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{args:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("hunter2"));
    }
}

#[test]
fn replay_reads_files_folders_mboxes_and_standard_input() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.eml"), MAIL).expect("writes");
    fs::write(folder.path().join("b.mbox"), format!("From x\n{MAIL}\nFrom y\n{MAIL}")).expect("writes");
    let path = folder.path().display().to_string();
    let fixed = ["--no-auth", "--at", "2026-11-22T08:00:00Z", "--run-id", "r1"];
    let output = run(&[&["replay", path.as_str()], fixed.as_slice()].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let events: Vec<Value> = stdout(&output).lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let origins: Vec<&str> = events.iter().filter_map(|e| e["data"]["ingest"]["origin"].as_str()).collect();
    let names: Vec<&str> = origins.iter().filter_map(|o| o.rsplit('/').next()).collect();
    assert_eq!(names, ["a.eml", "b.mbox#1", "b.mbox#2"]);
    let first = events.first().expect("is there");
    assert_eq!(first["data"]["kind"], "reply");
    assert_eq!(first["data"]["mailbox"]["id"], "replay");
    assert_eq!(first["data"]["ingest"]["replay"], true);
    assert_eq!(first["data"]["content"]["text"], "Yes please, send me the details of your offer.");
    let again = run(&[&["replay", path.as_str()], fixed.as_slice()].concat());
    assert_eq!(stdout(&again), stdout(&output), "nothing differs from run to run");

    let mut child = Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
        .args(["replay", "-", "--no-auth", "--explain"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    child.stdin.take().expect("is piped").write_all(MAIL.as_bytes()).expect("writes");
    let output = child.wait_with_output().expect("ends");
    let text = stdout(&output);
    for word in ["reply for ana@customer.example", "rules", "| Yes please", "line 6     In-Reply-To"] {
        assert!(text.contains(word), "{word} in {text}");
    }
}

#[test]
fn replay_keeps_the_privacy_of_a_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.eml"), MAIL).expect("writes");
    let config = folder.path().join("c.yaml");
    fs::write(
        &config,
        "kafka: {brokers: [k]}\nprivacy: {addresses: omit}\nmailboxes:\n  - {name: a, host: h, username: u, password: p}\n",
    )
    .expect("writes");
    let mail = folder.path().join("a.eml").display().to_string();
    let output = run(&["replay", "--config", &config.display().to_string(), &mail, "--no-auth"]);
    let text = stdout(&output);
    assert!(text.contains("\"mailbox\":{\"id\":\"a\""), "{text}");
    assert!(!text.contains("ana@") && !text.contains("Yes please"), "{text}");
}

#[test]
fn schemas_are_printed() {
    for name in ["event", "run", "config"] {
        let schema: Value = serde_json::from_str(&stdout(&run(&["schema", name]))).expect("JSON");
        assert!(schema["$schema"].as_str().is_some_and(|s| s.contains("2020-12")), "{name}");
    }
}

#[test]
fn check_of_a_configuration_alone_needs_no_secret_and_no_network() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("c.yaml");
    let text = "kafka: {brokers: [\"kafka.invalid:9092\"]}\nmailboxes:\n  - name: a\n    host: pop.invalid\n    username: u\n    password: ${NOT_SET_ANYWHERE}\n";
    fs::write(&config, text).expect("writes");
    let output = run(&["check", "--config-only", "--config", &config.display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let out = stdout(&output);
    assert!(out.contains("NOT_SET_ANYWHERE") && out.contains("the configuration is in order"), "{out}");
    // The same with everything in it needs the secret, and says which.
    let output = run(&["check", "--config", &config.display().to_string()]);
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("c.yaml:6:15"), "{}", stderr(&output));
}

#[test]
fn every_mistake_is_on_a_line_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("c.yaml");
    fs::write(
        &config,
        "kafka: {brokers: k}\nmailboxes:\n  - {name: a, host: h, usrname: u, password: hunter2, tls: on}\n",
    )
    .expect("writes");
    let output = run(&["check", "--config-only", "--config", &config.display().to_string()]);
    let lines: Vec<String> = stderr(&output).lines().map(str::to_owned).collect();
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines.iter().all(|l| l.starts_with("error: ") && l.contains("c.yaml:") && !l.contains("hunter2")),
        "{lines:?}"
    );
}

const OUR_RULES: &str = r#"
[[rule]]
id = "bounce_category.our_partner.closed"
table = "bounce_category"
gives = "mailbox_disabled"
in = ["diagnostic"]
when = { provider = ["our_partner"], status = ["5.7."] }
any = ["access denied"]
example = "550 5.7.1 Access denied"
source = "their postmaster"

[[rule]]
id = "provider.our_partner"
table = "provider"
gives = "our_partner"
in = ["host"]
any = ["mx.partner.example"]
example = "mx.partner.example"
source = "our own customers"
"#;

#[test]
fn rules_are_listed_checked_and_tried() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("writes");
        path.display().to_string()
    };
    let ours = file("ours.toml", OUR_RULES);
    let list = run(&["rules", "list", "--search", "our_partner", "--rules", &ours]);
    assert!(stdout(&list).contains("bounce_category.our_partner.closed"), "{}", stdout(&list));
    let json =
        stdout(&run(&["rules", "list", "--table", "provider", "--search", "our_partner", "--rules", &ours, "--json"]));
    let rule: Value = serde_json::from_str(json.trim()).expect("one rule");
    assert_eq!(rule["gives"], "our_partner");
    let checked = run(&["rules", "check", "--rules", &ours]);
    assert!(checked.status.success() && stdout(&checked).contains("no faults"), "{}", stdout(&checked));

    let case =
        "[[case]]\ntext = \"550 5.7.1 Access denied\"\nhost = \"mx.partner.example\"\ngives = \"mailbox_disabled\"\n";
    let cases = file("cases.toml", case);
    let tried = run(&["rules", "test", &cases, "--rules", &ours]);
    assert!(tried.status.success() && stdout(&tried).contains("no differences"), "{}", stdout(&tried));
    // Without the rules the answer is another one.
    let tried = run(&["rules", "test", &cases]);
    assert_eq!(tried.status.code(), Some(78));
    assert!(stdout(&tried).contains("instead of mailbox_disabled"), "{}", stdout(&tried));

    let mail = file("mail.eml", MAIL);
    let shown = run(&["rules", "test", &mail]);
    assert!(shown.status.success() && stdout(&shown).contains("mail.eml: reply"), "{}", stdout(&shown));
}

#[test]
fn wrong_rules_are_told_with_their_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wrong.toml");
    let table = [
        (
            OUR_RULES.replace("mailbox_disabled", "mailbox_disable"),
            "knows no `mailbox_disable`: did you mean `mailbox_disabled`?",
        ),
        (
            OUR_RULES.replace("any = [\"access denied\"]", "pattern = \"(\""),
            "no regular expression that this program takes",
        ),
        (OUR_RULES.replace("example = \"550 5.7.1 Access denied\"", "example = \"no\""), "its example does not hit it"),
        ("[[rule]]\nid = 1\n".to_owned(), "wrong.toml:2:6: rule 1: id: expected a text in quotes"),
    ];
    for (text, words) in table {
        fs::write(&path, &text).expect("writes");
        let output = run(&["rules", "check", "--rules", &path.display().to_string()]);
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// Rules are read beside asking the brokers; what is wrong with them counts all the same, and nothing is fetched.
#[test]
fn wrong_rules_end_a_poll_before_anything_is_fetched() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let server = crate::scripted::Server::start(&[b"Subject: x\r\n\r\ny\r\n".to_vec()]);
    let broker = reply_ingest::demo::Broker::start(&["t"]).expect("a broker");
    fs::write(path("ours.toml"), "[[rule]]\nid = \"x\"\n").expect("writes");
    // A broker that is there, and one that is not, which takes ten seconds to find out.
    for brokers in [broker.bootstrap(), "127.0.0.1:9".to_owned()] {
        let text = format!(
            "kafka: {{brokers: [\"{brokers}\"], topic: t}}\nledger: {{file: l.redb}}\nrules: {{files: [{}]}}\n\
             mailboxes:\n  - {{name: r, host: 127.0.0.1, port: {}, tls: none, username: r, password: {}}}\n",
            path("ours.toml"),
            server.port(),
            crate::scripted::PASSWORD
        );
        fs::write(path("c.yaml"), text).expect("writes");
        let polled = run(&["poll", "--config", &path("c.yaml")]);
        let said = String::from_utf8_lossy(&polled.stderr);
        assert_eq!(polled.status.code(), Some(78), "{brokers}: {said}");
        assert!(said.contains("ours.toml"), "{brokers}: {said}");
    }
    assert_eq!(server.seen().len(), 0, "no command was sent to the mailbox");
}

#[test]
fn a_dry_run_where_metrics_are_pushed_pushes_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("c.yaml");
    let gateway = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
    gateway.set_nonblocking(true).expect("can be asked");
    let text = "kafka: {brokers: [\"127.0.0.1:1\"], topic: t}\nlimits: {retries: 0}\n\
                mailboxes: [{name: m, host: 127.0.0.1, port: 1, username: a, password: b}]\n";
    fs::write(&config, text).expect("writes");
    let output = Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
        .args(["poll", "--dry-run", "--config"])
        .arg(&config)
        .env("REPLY_INGEST_METRICS_PUSH", format!("http://{}", gateway.local_addr().expect("has an address")))
        .output()
        .expect("starts");
    assert!(stderr(&output).contains("mailbox m: "), "{}", stderr(&output));
    assert!(gateway.accept().is_err(), "nobody called");
}
