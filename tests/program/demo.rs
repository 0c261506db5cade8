//! The demo is the program's promise: every sample judged as its description says.

use reply_ingest::event::Kind;
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

#[test]
fn every_sample_is_judged_as_described() {
    let output = Command::new(env!("CARGO_BIN_EXE_reply-ingest")).arg("demo").output().expect("starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let differences: Vec<&str> =
        stdout.lines().filter(|l| l.starts_with("differs") || l.starts_with("kinds without")).collect();
    assert!(output.status.success(), "{differences:#?}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("0 mails left in the mailboxes"), "{stdout}");
    assert!(stdout.contains("is as expected"), "{stdout}");
}

#[test]
fn every_event_of_the_demo_fits_the_published_schema() {
    let folder = tempfile::tempdir().expect("a folder");
    let (page, data) = (folder.path().join("run.html"), folder.path().join("run.json"));
    let output = Command::new(env!("CARGO_BIN_EXE_reply-ingest"))
        .args(["demo", "--json", "--report", &format!("html={}", page.display())])
        .args(["--report", &format!("json={}", data.display())])
        .output()
        .expect("starts");
    let report: Value = serde_json::from_slice(&std::fs::read(data).expect("a report")).expect("JSON");
    assert_eq!(report["events"]["bounce"], 18);
    assert_eq!(report["mailboxes"].as_array().map(Vec::len), Some(3));
    assert!(report["unclassified"].as_array().is_some_and(|s| !s.is_empty()), "{report}");
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.contains("<h1>What came back</h1>") && page.ends_with("</html>\n"));
    let schema = reply_ingest::event::schema::published().into_iter().find(|s| s.name == "event").expect("is there");
    let validator = jsonschema::validator_for(&schema.schema).expect("compiles");
    let mut kinds = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let event: Value = serde_json::from_str(line).expect("one event a line");
        let errors: Vec<String> =
            validator.iter_errors(&event).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:?} in {event}");
        kinds.insert(event["data"]["kind"].as_str().unwrap_or_default().to_owned());
    }
    let all: BTreeSet<String> = Kind::ALL.iter().map(|k| k.as_str().to_owned()).collect();
    assert_eq!(kinds, all);
}
