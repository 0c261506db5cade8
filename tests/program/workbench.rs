//! The workbench for rules, completions and manual pages.

use std::fs;
use std::process::{Command, Output};

const MAIL: &str = "From: MAILER-DAEMON@mx.example\nTo: c@campaigns.example\nSubject: Undelivered Mail\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nIt failed.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; no.such@customer.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 user unknown\n\n--b--\n";

fn run(args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_reply-ingest")).args(args).output().expect("starts");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

fn rule(id: &str, gives: &str, any: &str, confidence: f32) -> String {
    format!(
        "[[rule]]\nid = \"{id}\"\ntable = \"bounce_category\"\ngives = \"{gives}\"\nin = [\"diagnostic\"]\nany = [\"{any}\"]\nconfidence = {confidence}\nexample = \"550 {any}\"\nsource = \"a test\"\n"
    )
}

#[test]
fn a_rule_that_can_never_decide_is_a_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ours.toml");
    let path = file.display().to_string();
    fs::write(&file, rule("ours.wide", "policy", "zebra stripes", 0.9)).expect("writes");
    let (code, said) = run(&["rules", "check", "--rules", &path]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("no faults, 0 dead, 0 shadowed"), "{said}");
    let both =
        rule("ours.wide", "policy", "zebra stripes", 0.9) + &rule("ours.dead", "virus", "zebra stripes hurt", 0.5);
    fs::write(&file, both).expect("writes");
    let (code, said) = run(&["rules", "check", "--rules", &path]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("ours.dead: dead: wherever its words stand, ours.wide decides"), "{said}");
}

#[test]
fn coverage_counts_what_decided() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["a.eml", "b.eml"] {
        fs::write(folder.path().join(name), MAIL).expect("writes");
    }
    let path = folder.path().display().to_string();
    let (code, said) = run(&["rules", "coverage", &path, "--table", "bounce_category"]);
    assert_eq!(code, Some(0), "{said}");
    let row = said.lines().find(|l| l.contains("bounce_category.mailbox_unknown.user_unknown")).expect("a row");
    assert!(row.trim_end().ends_with('2'), "{row}");
    assert!(said.ends_with("2 mails\n"), "{said}");
    let (_, said) = run(&["rules", "coverage", &path, "--table", "bounce_category", "--unused"]);
    assert!(!said.contains("bounce_category.mailbox_unknown.user_unknown ") && said.contains("mailbox_full"), "{said}");
}

#[test]
fn shells_and_manuals_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, script) = run(&["completions", shell]);
        assert_eq!(code, Some(0));
        assert!(script.contains("replay") && script.contains("dns-record"), "{shell}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (code, said) = run(&["man", "--out", &folder.path().display().to_string()]);
    assert_eq!(code, Some(0), "{said}");
    for page in ["reply-ingest.1", "reply-ingest-replay.1", "reply-ingest-rules-check.1"] {
        let text = fs::read_to_string(folder.path().join(page)).expect(page);
        assert!(text.contains(".TH") && text.contains(".SH"), "{page}");
    }
    assert_eq!(run(&["man", "--out", "/nowhere/at/all"]).0, Some(64));
}

#[test]
fn every_command_has_examples() {
    for command in ["poll", "run", "check", "replay", "demo", "rules", "token", "schema", "completions", "man"] {
        let (code, help) = run(&[command, "--help"]);
        assert_eq!(code, Some(0), "{command}");
        assert!(help.contains("Example"), "{command}: {help}");
    }
}
