//! Connections that break, and logins and commands that are refused.

use super::table::{Case, case, check};
use crate::scripted::{GREETING, Rule, Server, on};

/// Every place where a connection can end, with what the server still says there.
fn cuts() -> [(&'static str, Rule); 11] {
    [
        ("the greeting", on(GREETING).say("").end()),
        ("the middle of the greeting", on(GREETING).half().end()),
        ("the middle of CAPA", on("CAPA").half().end()),
        ("USER", on("USER").say("").end()),
        ("PASS", on("PASS").say("").end()),
        ("the middle of LIST", on("LIST").half().end()),
        ("the middle of UIDL", on("UIDL").half().end()),
        ("the status line of RETR", on("RETR 2").say("+O").end()),
        ("the middle of a mail", on("RETR 2").half().end()),
        ("between two mails", on("RETR 2").say("").end()),
        ("DELE", on("DELE 2").say("").end()),
    ]
}

#[test]
fn a_connection_that_breaks_once_is_resumed_in_the_same_run() {
    check(cuts().map(|(at, rule)| case(at, [rule.once()], 0, "trying again", (3, 0, 1))));
}

#[test]
fn a_connection_that_breaks_every_time_is_left_to_the_next_run() {
    check(cuts().map(|(at, rule)| match at {
        // One mail keeps no others from coming.
        "the status line of RETR" | "the middle of a mail" | "between two mails" => {
            case(at, [rule], 75, "the others go on", (2, 1, 1))
        }
        "DELE" => case(at, [rule], 75, "closed the connection", (3, 3, 0)),
        _ => case(at, [rule], 75, "closed the connection", (0, 3, 0)),
    }));
}

#[test]
fn a_mail_that_breaks_every_connection_is_left_wherever_it_lies() {
    let poison = |at: &str| on(at).half().end();
    let left = |id: usize| move |server: &Server| assert_eq!(server.left(), [id]);
    check([
        case("the first", [poison("RETR 1")], 75, "the others go on", (2, 1, 1)).also(left(1)),
        case("one in the middle", [poison("RETR 2")], 75, "the others go on", (2, 1, 1)).also(left(2)),
        case("the last", [poison("RETR 3")], 75, "the others go on", (2, 1, 1)).also(left(3)),
    ]);
}

#[test]
fn a_mail_that_breaks_every_connection_is_left_without_uidl_too() {
    let rules = ["CAPA", "UIDL"].map(|command| on(command).refuse("unknown command"));
    let poison = on("RETR 2").half().end();
    check([case("without UIDL", rules.into_iter().chain([poison]), 75, "the others go on", (2, 1, 1))]);
}

#[test]
fn what_the_server_says_at_quit_is_believed_and_no_more() {
    check([
        case("QUIT cut, deletes done", [on("QUIT").say("").end()], 0, "the next run", (3, 0, 1)),
        case("QUIT cut, no deletes", [on("QUIT").say("").without_effect().end()], 0, "the next run", (3, 3, 1)),
        case("QUIT cut in mid-answer", [on("QUIT").say("+O").end()], 0, "the next run", (3, 0, 1)),
        case("QUIT without an answer", [on("QUIT").say("").hold()], 0, "the next run", (3, 0, 1)),
        case("QUIT refused", [on("QUIT").refuse("busy")], 0, "the next run", (3, 3, 1)),
        case("QUIT lied about", [on("QUIT").without_effect()], 0, "pass ended", (3, 3, 1)),
    ]);
}

#[test]
fn a_delete_that_is_refused_or_lied_about_costs_no_other() {
    check([
        case("DELE refused", [on("DELE 2").refuse("locked")], 0, "pass ended", (3, 1, 1)),
        case("DELE lied about", [on("DELE 2").without_effect()], 0, "pass ended", (3, 1, 1)),
        case("every DELE refused", [on("DELE").refuse("read-only")], 0, "pass ended", (3, 3, 1)),
    ]);
}

/// A refusal before anything is read: nothing is published, everything is left, and the server saw this many logins.
fn refused(
    fault: &'static str,
    rules: impl IntoIterator<Item = Rule>,
    code: i32,
    words: &'static str,
    logins: usize,
) -> Case {
    let outcome = if code == 0 { (3, 0, 1) } else { (0, 3, 0) };
    case(fault, rules, code, words, outcome).also(move |server| assert_eq!(server.times("PASS"), logins, "{fault}"))
}

#[test]
fn what_a_refusal_means_and_whether_it_is_tried_again() {
    let pass = |text: &str| on("PASS").refuse(text);
    let codes = on("CAPA").say("+OK\r\nUSER\r\nUIDL\r\nAUTH-RESP-CODE\r\n.\r\n");
    check([
        refused("the greeting, once", [on(GREETING).refuse("too many connections").once()], 0, "trying again", 1),
        refused("the greeting", [on(GREETING).refuse("too many connections")], 75, "refused the connection", 0),
        refused("the greeting, for good", [on(GREETING).refuse("[SYS/PERM] closed")], 75, "ask who runs", 0),
        refused("a lock, once", [pass("[IN-USE] locked").once()], 0, "trying again", 2),
        refused("a lock", [pass("[IN-USE] locked")], 75, "refused the login (locked)", 4),
        refused("a lock, no retries", [pass("[IN-USE] locked")], 75, "refused the login", 1).limit("retries: 0"),
        refused("trouble", [pass("[SYS/TEMP] later")], 75, "refused the login (later)", 4),
        refused("too soon", [pass("[LOGIN-DELAY] wait")], 75, "refused the login (wait)", 4),
        refused("trouble that lasts", [pass("[SYS/PERM] no mailbox")], 77, "ask who runs the server", 1),
        refused("credentials", [pass("[AUTH] no")], 77, "check username and password", 1),
        refused("no code", [pass("no")], 77, "check username and password", 1),
        refused("no code where [AUTH] would be said", [codes.clone(), pass("down")], 75, "refused the login (down)", 4),
        refused("[AUTH] where it would be said", [codes, pass("[AUTH] no")], 77, "check username", 1),
        refused("the name", [on("USER").refuse("[AUTH] never heard of")], 77, "check username and password", 0),
        refused("the name, +ERR", [on("USER").say("+ERR no\r\n")], 77, "check username and password", 0),
        refused("LIST", [on("LIST").refuse("index broken")], 75, "refused LIST", 4),
        refused("UIDL, announced", [on("UIDL").refuse("index broken")], 75, "refused UIDL", 4),
    ]);
}
