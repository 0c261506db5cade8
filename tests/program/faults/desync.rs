//! Servers that lose their way: answers that are missing, that come twice, and octets that nobody asked for.

use super::mails;
use super::table::{Case, case, check};
use crate::scripted::{ANY, GREETING, Rule, on};
use std::sync::{Arc, Mutex};

/// A fault that comes once, with five mails: with `delete` what was taken for another mail must not be deleted, with
/// `keep` it must not be taken for known.
fn once(fault: &'static str, rule: &Rule) -> [Case; 2] {
    [deletes(fault, rule), keeps(fault, rule)]
}

fn deletes(fault: &'static str, rule: &Rule) -> Case {
    case(fault, [rule.clone().once()], 0, "trying again", (5, 0, 1)).mails(mails(5))
}

fn keeps(fault: &'static str, rule: &Rule) -> Case {
    case(fault, [rule.clone().once()], 0, "trying again", (5, 5, 1)).mails(mails(5)).keep()
}

fn a_refusal_too_many() -> Rule {
    on("RETR 2").edit(|_, usual| [b"-ERR no\r\n", usual.as_slice()].concat())
}

#[test]
fn an_answer_too_few_or_too_many_is_found_out() {
    let table = [
        once("LIST without an answer", &on("LIST").say("")),
        once("UIDL without an answer", &on("UIDL").say("")),
        once("the last RETR without an answer", &on("RETR 5").say("")),
        once("the last RETR answered twice", &on("RETR 5").twice()),
    ];
    let refused = case("a refusal too many", [a_refusal_too_many().once()], 75, "refused a mail", (5, 1, 1));
    check(table.into_iter().flatten().chain([
        deletes("a RETR without an answer", &on("RETR 2").say("")),
        deletes("a RETR answered twice", &on("RETR 2").twice()),
        deletes("a DELE without an answer", &on("DELE 2").say("")),
        refused.mails(mails(5)),
    ]));
}

#[test]
fn an_answer_too_few_or_too_many_loses_no_mail_that_is_kept() {
    let refused = case("a refusal too many", [a_refusal_too_many().once()], 75, "refused a mail", (5, 5, 1));
    check([
        keeps("a RETR without an answer", &on("RETR 2").say("")),
        keeps("a RETR answered twice", &on("RETR 2").twice()),
        refused.mails(mails(5)).keep(),
    ]);
}

/// The answer that is left over comes only when the session is about to end.
#[test]
fn a_last_answer_that_comes_late_is_found_out() {
    let late: Arc<Mutex<Vec<u8>>> = Arc::default();
    let kept = Arc::clone(&late);
    let last = on("RETR 5").edit(move |_, usual| {
        *kept.lock().expect("a lock") = usual;
        Vec::new()
    });
    let told = move |_: &str, usual: Vec<u8>| [std::mem::take(&mut *late.lock().expect("a lock")), usual].concat();
    let told = Arc::new(told);
    let then = ["NOOP", "QUIT"].map(|command| {
        let told = Arc::clone(&told);
        on(command).edit(move |command, usual| told(command, usual))
    });
    let rules = [a_refusal_too_many().once(), last.once()].into_iter().chain(then);
    check([case("a refusal too many", rules, 75, "refused a mail", (5, 5, 1)).mails(mails(5)).keep()]);
}

#[test]
fn what_stands_behind_the_lists_is_no_mail() {
    let more = on("UIDL").behind(b"+OK injected\r\n");
    let table = [
        once("LIST answered twice", &on("LIST").twice()),
        once("UIDL answered twice", &on("UIDL").twice()),
        once("UIDL with more behind it", &more),
    ];
    check(table.into_iter().flatten());
}

#[test]
fn retr_commands_that_are_lost_when_they_are_sent_ahead() {
    check([case("RETR", [on("RETR").lose_ahead()], 0, "trying again", (5, 0, 1)).mails(mails(5))]);
}

#[test]
fn other_commands_that_are_lost_when_they_are_sent_ahead() {
    let loses = |fault, command| case(fault, [on(command).lose_ahead()], 0, "trying again", (5, 0, 1)).mails(mails(5));
    // CAPA behind the login is what LIST and UIDL are sent with.
    check([loses("LIST", "LIST"), loses("DELE", "DELE"), loses("every command", ANY)]);
}

fn more(fault: &'static str, command: &str, outcome: (usize, usize, usize)) -> Case {
    case(fault, [on(command).behind(b"+OK injected\r\n")], 75, "nobody asked for", outcome)
}

#[test]
fn octets_behind_the_last_mail_end_the_session_without_quit() {
    let other = on("RETR 3").behind(b"+OK\r\nSubject: nobody asked\r\n\r\nx\r\n.\r\n");
    check([
        more("a line", "RETR 3", (2, 1, 1)),
        case("a mail", [other], 75, "nobody asked for", (2, 1, 1)),
        case("a line behind QUIT", [on("QUIT").behind(b"+OK injected\r\n")], 0, "pass ended", (3, 0, 1)),
    ]);
}

#[test]
fn octets_behind_a_delete_end_the_session_without_quit() {
    // In the middle of a batch they take the place of an answer that is still under way, and whether that one comes
    // before QUIT goes out is a matter of chance; all answers are the same then, and nothing is deleted wrongly.
    let one_by_one = on("CAPA").say("+OK\r\nUSER\r\nUIDL\r\n.\r\n");
    let in_the_middle = [one_by_one, on("DELE 2").behind(b"+OK injected\r\n")];
    check([
        case("in the middle", in_the_middle, 75, "nobody asked for", (3, 3, 0)),
        more("the last", "DELE 3", (3, 3, 0)),
    ]);
}

#[test]
fn octets_behind_an_answer_at_the_login_end_the_session() {
    let nothing = (0, 3, 0);
    check([
        more("the greeting", GREETING, nothing),
        more("CAPA", "CAPA", nothing),
        more("USER", "USER", nothing),
        more("PASS", "PASS", nothing),
    ]);
}
