//! Known answers for rules, and a whole mail for every rule that judges a machine's report.

use reply_ingest::classify::{
    self, Answer, BouncePolicy, Case, Facts, Field, Finding, Rule, Rules, Table, answer, classify,
};
use reply_ingest::event::Kind;
use reply_ingest::message::{Mail, to_crlf};
use std::fs;
use std::path::Path;

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rules");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let read = |path| classify::cases(&fs::read_to_string(path).unwrap()).unwrap();
    paths.into_iter().flat_map(read).map(|(_, case)| case).collect()
}

#[test]
fn known_answers() {
    let rules = Rules::embedded().unwrap();
    let cases = cases();
    assert!(cases.len() > 900);
    let differs = |case: &Case| {
        let told = case.ask(&rules);
        case.difference(&told).map(|d| format!("{d} ({:?}): {}", told.rule, case.text))
    };
    let wrong: Vec<String> = cases.iter().filter_map(differs).collect();
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// A reply, and who gave it to what.
struct Reply<'r> {
    text: &'r str,
    domain: &'r str,
    host: &'r str,
    command: Option<&'r str>,
    status: &'r str,
}

const HEAD: &str = "Return-Path: <>\nFrom: Mail Delivery System <MAILER-DAEMON@mx.sender.example>\n\
    To: bounces@shop.example\nDate: Mon, 16 Nov 2026 10:12:33 +0100\nMIME-Version: 1.0\n";

/// With a delivery status, as RFC 3464 has it.
fn with_a_status(reply: &Reply<'_>) -> String {
    let Reply { domain, host, status, .. } = reply;
    let told = told(reply);
    format!(
        "{HEAD}Subject: Undelivered Mail Returned to Sender\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\nContent-Type: text/plain; charset=utf-8\n\nThis is the mail system at host mx.sender.example.\n\n\
         --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.sender.example\n\n\
         Final-Recipient: rfc822; ana.example@{domain}\nAction: failed\nStatus: {status}\nRemote-MTA: dns; {host}\n\
         Diagnostic-Code: smtp; {told}\n\n--b--\n"
    )
}

/// In words, as Postfix writes them.
fn in_words(reply: &Reply<'_>) -> String {
    let Reply { domain, host, .. } = reply;
    let told = told(reply);
    format!(
        "{HEAD}Subject: Undelivered Mail Returned to Sender\nContent-Type: text/plain; charset=utf-8\n\n\
         This is the mail system at host mx.sender.example.\n\n\
         <ana.example@{domain}>: host {host}[192.0.2.25] said: {told}\n"
    )
}

fn spelled(command: &str) -> &str {
    match command {
        "MAIL" => "MAIL FROM",
        "RCPT" => "RCPT TO",
        "DATA" => "end of DATA",
        other => other,
    }
}

/// A reply and the command it answered, as Postfix writes them.
fn told(reply: &Reply<'_>) -> String {
    match reply.command {
        Some("CONNECT") => format!("host {}[192.0.2.25] refused to talk to me: {}", reply.host, reply.text),
        Some(command) => format!("{} (in reply to {} command)", reply.text, spelled(command)),
        None => reply.text.to_owned(),
    }
}

/// A mail's verdicts, which must not depend on its line ends.
fn judged(mail: &str, rules: &Rules) -> Result<Vec<Finding>, String> {
    let read = |end: &str| {
        let bytes = mail.replace('\n', end);
        classify(&Mail::parse(&to_crlf(bytes.as_bytes())), rules)
    };
    let findings = read("\n");
    for end in ["\r\n", "\r"] {
        if read(end) != findings {
            return Err(format!("{end:?} changes the verdict"));
        }
    }
    Ok(findings)
}

/// The provider that a rule asks for, as a host or a domain.
fn provider<'r>(rules: &'r Rules, rule: &Rule) -> Option<(&'r str, &'r str)> {
    let name = rule.when.provider.first()?;
    let of = |field| {
        let mut all = rules.all().iter().filter(|r| r.table == Table::Provider && r.fields.contains(&field));
        all.find(|r| r.gives == *name).and_then(|r| r.any.first()).map(String::as_str)
    };
    Some((of(Field::Host).unwrap_or("mx.example.net"), of(Field::Domain).unwrap_or("example.org")))
}

/// Each rule of `bounce_category`: a mail with a delivery status and one in words, made of its example.
#[test]
fn every_rule_for_replies_decides_a_mail() {
    let rules = Rules::embedded().unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for rule in rules.all().iter().filter(|r| r.table == Table::BounceCategory) {
        let (host, domain) = provider(&rules, rule).unwrap_or(("mx.example.net", "example.org"));
        let status = rule.when.status.first().map_or("5.0.0".to_owned(), |s| {
            let whole = s.replace('x', "5").replace('?', "0");
            if whole.ends_with('.') { format!("{whole}1") } else { whole }
        });
        let text = rule.example.replace('\n', " ");
        let reply = Reply {
            text: &text,
            domain,
            host,
            command: rule.when.command.first().map(String::as_str),
            status: &status,
        };
        for (shape, mail) in [("status", with_a_status(&reply)), ("words", in_words(&reply))] {
            // In words a status that the example does not hold is not there at all.
            if shape == "words" && !rule.when.status.is_empty() && !text.contains(&status) {
                continue;
            }
            count += 1;
            match judged(&mail, &rules).map(|f| f.iter().map(answer).collect::<Vec<_>>()) {
                Ok(told) => match told.as_slice() {
                    [Answer { gives, .. }] if *gives == rule.gives => {}
                    other => wrong.push(format!("{} ({shape}): {other:?}", rule.id)),
                },
                Err(problem) => wrong.push(format!("{} ({shape}): {problem}", rule.id)),
            }
        }
    }
    assert!(count > 1_000, "{count}");
    assert!(wrong.is_empty(), "{} of {count}\n{}", wrong.len(), wrong.join("\n"));
}

/// Each rule of `bounce_code`: the code without words that say anything.
#[test]
fn every_code_decides_a_mail() {
    let rules = Rules::embedded().unwrap();
    let mut wrong = Vec::new();
    for rule in rules.all().iter().filter(|r| r.table == Table::BounceCode) {
        let by_reply = rule.fields.contains(&Field::Reply);
        let text = if by_reply { rule.example.clone() } else { format!("550 {}", rule.example) };
        let status = if by_reply { "5.0.0" } else { &rule.example };
        let command = rule.when.command.first().map(String::as_str);
        let reply = Reply { text: &text, domain: "example.org", host: "mx.example.net", command, status };
        let told = judged(&with_a_status(&reply), &rules).map(|f| f.iter().map(answer).collect::<Vec<_>>());
        let right = matches!(told.as_deref(), Ok([Answer { gives, .. }]) if *gives == rule.gives);
        if !right {
            wrong.push(format!("{}: {told:?}", rule.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each rule of the tables that say what a mail is: a mail with its example in the field where it looks.
#[test]
fn every_rule_for_kinds_decides_a_mail() {
    let rules = Rules::embedded().unwrap();
    let mut wrong = Vec::new();
    for rule in rules.all() {
        for field in &rule.fields {
            let expected = match (rule.table, rule.gives.as_str()) {
                // A hint says neither; what fails is the rule.
                (Table::Report, "bounce" | "copy" | "hint") => Kind::Bounce,
                (Table::Report, "delay") => Kind::Delay,
                (Table::Report, "delivered" | "relayed") => Kind::Delivered,
                (Table::Challenge, _) => Kind::Challenge,
                (Table::Other, _) => Kind::Other,
                _ => continue,
            };
            let example = &rule.example;
            let machine = rule.table == Table::Report;
            let from = match field {
                Field::From => example.clone(),
                _ if machine => "Mail Delivery System <MAILER-DAEMON@mx.sender.example>".to_owned(),
                _ => "Service <noreply@service.example>".to_owned(),
            };
            let subject = if *field == Field::Subject { example.as_str() } else { "Your mail" };
            let words = match field {
                Field::Body => format!("{example}\n\n<ana@example.org>: no\n"),
                Field::Copy => format!(
                    "failure notice\n\n<ana@example.org>: no\n\n{example}\n\nSubject: Offer\nTo: eve@example.net\n"
                ),
                _ if machine => "<ana@example.org>: no\n".to_owned(),
                _ => "See https://service.example/x\n".to_owned(),
            };
            let mail = format!(
                "Return-Path: <>\nFrom: {from}\nTo: bounces@shop.example\nSubject: {subject}\nAuto-Submitted: auto-replied\n\
                 MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n{words}"
            );
            match judged(&mail, &rules) {
                Ok(found) => {
                    let kinds: Vec<Kind> = found.iter().map(Finding::kind).collect();
                    if kinds != [expected] {
                        wrong.push(format!("{} in {field:?}: {kinds:?}", rule.id));
                    }
                }
                Err(problem) => wrong.push(format!("{}: {problem}", rule.id)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// A rule that asks for more than words does not fire without it.
#[test]
fn conditions_are_asked() {
    let rules = Rules::embedded().unwrap();
    for rule in rules.all().iter().filter(|r| !r.when.provider.is_empty()) {
        let fires = rules.all_given(rule.table, Field::Diagnostic, &rule.example, &Facts::default());
        assert!(fires.iter().all(|m| m.rule.id != rule.id), "{} fires for anybody", rule.id);
    }
}

/// Everything at once, each with its place and what was probably meant.
#[test]
fn all_mistakes_of_a_rule_file() {
    let file = r#"
[[rule]]
id = "auto_reply.ours"
table = "auto_replay"
gives = "out_of_office"
in = ["subject", "bdoy"]
any = "closed"
example = "closed"
source = "us"

[[rule]]
id = "bounce_category.ours"
table = "bounce_category"
gives = "mailbox_unknown"
in = ["diagnostic"]
anny = ["gone away"]
when = { providr = ["x"], smtp = ["550"], command = ["RCTP"] }
exemple = "gone away"
source = "us"

[[rule]]
id = "unsubscribe.ours"
table = "unsubscribe"
gives = "lists"
in = ["diagnostic"]
pattern = "(no more"
confidence = 2
example = "no more"
source = "us"

[[rule]]
id = "bounce_category.more"
table = "bounce_category"
gives = "mailbox_unknwon"
in = ["diagnostic"]
any = ["x"]
example = "x"
source = "us"

[rules]
"#;
    let refused = Rules::with_extra(&[("ours.toml".to_owned(), file.to_owned())], BouncePolicy::default());
    let said = refused.expect_err("is wrong").to_string();
    let expected = [
        "ours.toml:4:9: rule auto_reply.ours: table: unknown word `auto_replay`: did you mean `auto_reply`?",
        "ours.toml:6:18: rule auto_reply.ours: in: unknown word `bdoy`: did you mean `body`?",
        "ours.toml:7:7: rule auto_reply.ours: any: expected a list of texts: write it in brackets",
        "ours.toml:16:1: rule bounce_category.ours: unknown key `anny`: did you mean `any`?",
        "ours.toml:17:10: rule bounce_category.ours: when: unknown key `providr`: did you mean `provider`?",
        "ours.toml:17:35: rule bounce_category.ours: when: smtp: expected a whole number",
        "ours.toml:17:54: rule bounce_category.ours: when: command: unknown word `RCTP`: did you mean `RCPT`?",
        "ours.toml:18:1: rule bounce_category.ours: unknown key `exemple`: did you mean `example`?",
        "ours.toml:24:9: rule unsubscribe.ours: gives: table unsubscribe knows no `lists`: did you mean `list`?",
        "ours.toml:25:6: rule unsubscribe.ours: in: table unsubscribe does not look at diagnostic: it looks at subject, body or to",
        "ours.toml:26:11: rule unsubscribe.ours: pattern: is no regular expression that this program takes: unclosed group",
        "ours.toml:27:14: rule unsubscribe.ours: confidence: is a number from 0 to 1",
        "ours.toml:34:9: rule bounce_category.more: gives: table bounce_category knows no `mailbox_unknwon`: did you mean `mailbox_unknown`?",
        "ours.toml:36:7: rule bounce_category.more: any: a phrase needs at least two characters",
        "ours.toml:40:2: unknown key `rules`: this file is a list of `[[rule]]`",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_file_that_is_no_toml_and_one_bracket_too_few() {
    let table = [
        ("[[rule]]\nid = auto\n", "t:2:6: no valid TOML: "),
        ("[rule]\nid = \"a\"\n", "t:1:2: write it with two brackets: `[[rule]]`"),
        ("\n[[rule]]\nid = \"a\"\ntable = \"other\"\n", "t:2:1: rule a: `gives` is missing"),
    ];
    for (text, problem) in table {
        let refused = Rules::with_extra(&[("t".to_owned(), text.to_owned())], BouncePolicy::default());
        let said = refused.expect_err(text).to_string();
        assert!(said.starts_with(problem), "{said}");
    }
}

/// Cases of whole mails: what they are, and what a user's own rule makes of them.
#[test]
fn cases_of_people() {
    let rules = r#"
        [[rule]]
        id = "auto_reply.out_of_office.harvest"
        table = "auto_reply"
        gives = "out_of_office"
        in = ["subject", "body"]
        any = ["closed for the harvest"]
        confidence = 0.95
        example = "We are closed for the harvest until Monday."
        source = "test"
    "#;
    let rules = Rules::with_extra(&[("t".to_owned(), rules.to_owned())], BouncePolicy::default()).unwrap();
    let file = r#"
[[case]]
kind = "auto_reply"
subject = "Closed for the harvest"
text = "We are closed for the harvest until Monday."
gives = "out_of_office"
rule = "auto_reply.out_of_office.harvest"

[[case]]
kind = "unsubscribe"
subject = "Re: Unser Angebot für Österreich"
text = "Please unsubscribe me from your list."

[[case]]
kind = "reply"
text = "Thank you, when could we talk about the harvest?"

[[case]]
kind = "bounce"
from = "Mail Delivery System <MAILER-DAEMON@mx.example.org>"
headers = { Return-Path = "<>" }
subject = "Undelivered Mail Returned to Sender"
text = """
This is the mail system at host mx.example.org.

<ana@example.net>: host mx.example.net[192.0.2.25] said: 550 5.1.1 User unknown (in reply to RCPT TO command)
"""
gives = "mailbox_unknown"
type = "hard"

[[case]]
kind = "unsubscribe"
text = "We are closed for the harvest until Monday."
"#;
    let cases = classify::cases(file).unwrap();
    let told: Vec<_> = cases.iter().map(|(line, case)| (*line, case.difference(&case.ask(&rules)))).collect();
    let wrong = Some("is auto_reply instead of unsubscribe".to_owned());
    assert_eq!(told, [(2, None), (9, None), (14, None), (18, None), (31, wrong)]);
}

#[test]
fn all_mistakes_of_a_file_of_cases() {
    let file = "[[case]]\nkind = \"autoreply\"\ntext = 5\n\n[[case]]\nkind = \"reply\"\ntext = \"x\"\nhost = \"mx\"\n\n\
                [[case]]\ntext = \"x\"\nsubject = \"y\"\n";
    let said: Vec<String> = classify::cases(file).unwrap_err().iter().map(|m| m.in_file(Path::new("c"))).collect();
    let expected = [
        "c:2:8: case 1: kind: unknown word `autoreply`: did you mean `auto_reply`?",
        "c:3:8: case 1: text: expected a text in quotes",
        "c:8:8: case 2: host: does not go with `kind`, which makes a whole mail of it",
        "c:10:1: case 3: gives: is missing: without it only a case with `kind` asks something",
        "c:12:11: case 3: subject: says something of a mail: say with `kind` what it is",
    ];
    assert_eq!(said, expected);
}
