//! Servers that say what is not so: about numbers, sizes and ids.

use super::mails;
use super::table::{Case, case, check};
use crate::scripted::{Rule, on};

const WORKS: (usize, usize, usize) = (3, 0, 1);

/// LIST or UIDL with these lines.
fn says(command: &str, lines: &[&str]) -> Rule {
    on(command).say(format!("+OK\r\n{}\r\n", [lines, &["."]].concat().join("\r\n")))
}

fn lie(fault: &'static str, rules: impl IntoIterator<Item = Rule>) -> Case {
    case(fault, rules, 0, "pass ended", WORKS)
}

#[test]
fn a_wrong_list_hides_no_mail() {
    let four = "4294967296";
    let sizes = |size: &str| on("LIST").say(format!("+OK\r\n1 {size}\r\n2 {size}\r\n3 {size}\r\n.\r\n"));
    check([
        lie("LIST has fewer mails than UIDL", [says("LIST", &["2 10"])]),
        lie("LIST has none", [says("LIST", &[])]),
        lie("UIDL has fewer mails than LIST", [says("UIDL", &["2 id-2"])]),
        lie("UIDL has none", [says("UIDL", &[])]),
        lie("sizes of zero", [sizes("0")]),
        lie("negative sizes", [sizes("-5")]),
        lie("sizes of 4 GB", [sizes(four)]),
        lie("sizes beyond 64 bits", [sizes("99999999999999999999999")]),
        lie("sizes that are words", [sizes("large")]),
        lie("one octet more than there is", [sizes("230")]),
        lie(
            "lists in another order",
            [says("LIST", &["3 9", "1 9", "2 9"]), says("UIDL", &["2 id-2", "3 id-3", "1 id-1"])],
        ),
        lie("lines that are none", [says("LIST", &["", "x", "0 5", "1 9", "2", "-1 3", "4294967297 9", "3 9", "2 9"])]),
    ]);
}

#[test]
fn mails_that_are_not_there_are_refused_and_the_others_done() {
    let extra = |command, line: &'static str| {
        on(command).edit(move |_, usual| {
            let end = usual.len() - 3;
            [&usual[..end], line.as_bytes(), b"\r\n.\r\n"].concat()
        })
    };
    check([
        case("in both lists", [extra("LIST", "4 100"), extra("UIDL", "4 id-4")], 75, "refused a mail", WORKS),
        case("in LIST", [extra("LIST", "4 100")], 75, "refused a mail", WORKS),
        case("in UIDL", [extra("UIDL", "9 id-9")], 75, "refused a mail", WORKS),
    ]);
}

#[test]
fn ids_of_every_kind_are_ids() {
    let long = "i".repeat(200);
    let bits = "\u{e4}\u{fc}\u{1f4e7}";
    let eight = on("UIDL").say(b"+OK\r\n1 \xff\xfe\r\n2 \xff\xfd\r\n3 \x80\r\n.\r\n".as_slice());
    let ids = [
        ("a number twice", says("UIDL", &["1 id-1", "1 id-9", "2 id-2", "3 id-3"])),
        ("an id for two mails", says("UIDL", &["1 id-1", "2 id-1", "3 id-3"])),
        ("ids of 200 characters", says("UIDL", &[&format!("1 {long}a"), &format!("2 {long}b"), &format!("3 {long}c")])),
        ("ids that are no ASCII", says("UIDL", &[&format!("1 {bits}"), &format!("2 {bits}{bits}"), "3 \u{e4}"])),
        ("ids that are no UTF-8", eight),
        ("ids with spaces", says("UIDL", &["1 a b", "2 a  b", "3 a c"])),
        ("no id for one mail", says("UIDL", &["1 id-1", "3 id-3"])),
        (
            "ids that are others each time",
            on("UIDL").edit(|_, _| {
                let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a time").as_nanos();
                format!("+OK\r\n1 {now}-1\r\n2 {now}-2\r\n3 {now}-3\r\n.\r\n").into_bytes()
            }),
        ),
    ];
    check(ids.clone().map(|(fault, rule)| lie(fault, [rule])));
    check(ids.map(|(fault, rule)| case(fault, [rule], 0, "pass ended", (3, 3, 1)).keep().twice()));
}

/// The numbers of a session are worth nothing in the next: only ids say which mail is which.
#[test]
fn mails_that_change_their_numbers_between_two_sessions() {
    let five = || mails(5);
    let refused = |number: u32| on(&format!("RETR {number}")).refuse("cannot read it").once();
    let cut = on("RETR 4").half().end().once();
    check([
        // Mail 2 is refused and stays; mail 1 goes away while the connection is replaced.
        case("a mail vanishes", [refused(2), cut.clone().vanish(1)], 75, "refused a mail", (4, 1, 1))
            .mails(five())
            .also(|server| assert_eq!(server.left(), [2])),
        case("the mail that broke vanishes", [cut.clone().vanish(4)], 0, "trying again", (3, 0, 1))
            .mails(mails(4))
            .lasts(),
        case("a mail that was not read vanishes", [cut.vanish(5)], 0, "trying again", (4, 0, 1)).mails(five()).lasts(),
    ]);
}
