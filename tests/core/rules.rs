//! Known answers for rules, and a whole mail for every rule that judges a machine's report.

use reply_ingest::classify::{Answer, Case, Cases, Facts, Field, Finding, Rule, Rules, Table, answer, classify};
use reply_ingest::event::Kind;
use reply_ingest::message::{Mail, to_crlf};
use std::fs;
use std::path::Path;

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rules");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let read = |path| toml::from_str::<Cases>(&fs::read_to_string(path).unwrap()).unwrap().case;
    paths.into_iter().flat_map(read).collect()
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
