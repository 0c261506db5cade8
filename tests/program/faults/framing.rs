//! Answers without an end, with the wrong end, too long, too slow, and octets of every kind.

use super::table::{Case, case, check};
use super::{mail, mails};
use crate::scripted::{ANY, GREETING, Rule, on};
use reply_ingest::message::Digester;
use std::time::Duration;

/// What the mails of this table are allowed.
const SMALL: &str = "connect_timeout: 1s, read_timeout: 1s, command_timeout: 1500ms, retry_pause: 20ms, \
     message_size: 20kB, in_flight: 1MB";

/// An answer to RETR that is never whole: that mail is left, whatever it is.
fn never_whole(fault: &'static str, rule: Rule, words: &'static str) -> Case {
    case(fault, [rule], 75, words, (2, 1, 1))
}

#[test]
fn an_answer_without_an_end_is_never_a_mail() {
    let slowly = Duration::from_millis(300);
    check([
        never_whole("no dot", on("RETR 2").short_of(3).hold(), "while it"),
        never_whole("a dot without its line end", on("RETR 2").short_of(2).hold(), "while it"),
        never_whole("a dot with CR alone", on("RETR 2").short_of(1).hold(), "while it"),
        never_whole("silence", on("RETR 2").say("").hold(), "while it"),
        never_whole("an octet now and then", on("RETR 2").half().drip(b'x', slowly), "while it").limits(SMALL),
        never_whole("a status without end", on("RETR 2").say("+OK ").endless(b"x"), "status line without an end"),
        never_whole("no reply at all", on("RETR 2").say("250 OK\r\n"), "no POP3 reply"),
    ]);
}

#[test]
fn a_mail_that_never_ends_is_left() {
    let more = |octets| on("RETR 2").half().endless(octets);
    let late = "while it";
    check([
        never_whole("lines for ever", more(b"more and more\r\n"), late).limits(SMALL),
        never_whole("a line for ever", more(b"x"), late).limits(SMALL),
    ]);
}

/// A mail has time for its size; the size is what the server says.
#[test]
fn a_size_of_4_gb_gives_no_more_time_than_a_mail_may_have() {
    let size = on("LIST").say("+OK\r\n1 4294967296\r\n2 4294967296\r\n3 4294967296\r\n.\r\n");
    let slowly = on("RETR 2").half().drip(b'x', Duration::from_millis(300));
    check([case("an octet now and then", [size, slowly], 75, "while it", (2, 1, 1)).limits(SMALL)]);
}

#[test]
fn lists_and_greetings_without_an_end_are_left_early() {
    let nothing = (0, 3, 0);
    let slowly = Duration::from_millis(300);
    let list = |command| on(command).say("+OK\r\n").endless(b"1 1\r\n");
    check([
        case("CAPA", [list("CAPA")], 75, "a list longer than", nothing).limit("retries: 1"),
        case("LIST", [list("LIST")], 75, "a list longer than", nothing).limit("retries: 1"),
        case("UIDL", [list("UIDL")], 75, "a list longer than", nothing).limit("retries: 1"),
        case("LIST, no line ends", [on("LIST").say("+OK\r\n").endless(b"1")], 75, "a list longer than", nothing)
            .limit("retries: 1"),
        case("LIST, slowly", [on("LIST").half().drip(b'1', slowly)], 75, "while it", nothing)
            .limits(&format!("{SMALL}, retries: 1")),
        case("LIST, then silence", [on("LIST").short_of(3).hold()], 75, "while it", nothing).limit("retries: 1"),
        case("UIDL, then silence", [on("UIDL").short_of(3).hold()], 75, "while it", nothing).limit("retries: 1"),
        case("PASS, then silence", [on("PASS").say("").hold()], 75, "while it", nothing).limit("retries: 1"),
        case("the login's status", [on("PASS").say("+OK ").endless(b"x")], 75, "status line without an end", nothing)
            .limit("retries: 1"),
        case("the greeting", [on(GREETING).say("+OK ").endless(b"x")], 78, "does not greet as a POP3", nothing),
        case("the greeting, slowly", [on(GREETING).say("+OK ").drip(b'x', slowly)], 78, "no greeting", nothing),
        case("the greeting, nothing", [on(GREETING).say("").hold()], 78, "no greeting", nothing),
        case(
            "a greeting of another protocol",
            [on(GREETING).say("* OK IMAP4rev1\r\n").hold()],
            78,
            "does not greet",
            nothing,
        ),
        case("an empty greeting", [on(GREETING).say("\r\n").hold()], 78, "does not greet", nothing),
    ]);
}

/// A mail with this body.
fn with_body(number: usize, body: &[u8]) -> Vec<u8> {
    [mail(number).as_slice(), body].concat()
}

#[test]
fn every_octet_that_a_mail_may_have_arrives() {
    let works = (3, 0, 1);
    let every: Vec<u8> = (0..=255u8).filter(|b| !matches!(b, b'\r' | b'\n')).chain(*b"\r\n").collect();
    let long = [b"x".repeat(1_000_000).as_slice(), b"\r\n"].concat();
    let header = [b"X-Octets: \0\x80\xff ".as_slice(), &every, &mail(2)].concat();
    let of_three = |second: Vec<u8>| vec![mail(1), second, mail(3)];
    let crlf = |wire: &[u8]| String::from_utf8_lossy(wire).replace("\r\n", "\n").into_bytes();
    check([
        case("NUL and 8-bit in the body", [], 0, "pass ended", works).mails(of_three(with_body(2, &every))),
        case("NUL and 8-bit in a header", [], 0, "pass ended", works).mails(of_three(header)),
        case("a line of a megabyte", [], 0, "pass ended", works).mails(of_three(with_body(2, &long))),
        case("a header of a megabyte", [], 0, "pass ended", works)
            .mails(of_three([b"X-Long: ", long.as_slice(), &mail(2)].concat())),
        case("lines of one dot and of two", [], 0, "pass ended", works)
            .mails(of_three(with_body(2, b"\r\n.\r\n..\r\n.x\r\n.\r\n"))),
        case("lone CR and lone LF", [], 0, "pass ended", works).mails(of_three(with_body(2, b"a\rb\nc\r\rd\n\n.\r\n"))),
        case("a mail of nothing but line ends", [], 0, "pass ended", works).mails(of_three(b"\r\n".repeat(1_000))),
        case("a server that ends lines with LF", [on(ANY).edit(move |_, usual| crlf(&usual))], 0, "pass ended", works)
            .sent_as(|mail| String::from_utf8_lossy(mail).replace("\r\n", "\n").into_bytes()),
    ]);
}

/// A mail of 300 megabytes: one that no mailbox should have, and some do.
#[test]
fn a_mail_beyond_the_limit_is_read_through_in_bounded_memory() {
    let line = [b"y".repeat(1_022).as_slice(), b"\r\n"].concat();
    let (piece, times) = (line.repeat(64), 4_578);
    let mut digester = Digester::default();
    digester.update(&mail(2));
    (0..times).for_each(|_| digester.update(&piece));
    let size = mail(2).len() + times * piece.len();
    let huge = on("RETR 2").short_of(3).flood(&piece, times, b".\r\n").once();
    check([case("300 MB", [huge], 0, "pass ended", (3, 0, 1))
        .limit("message_size: 1MB, in_flight: 4MB")
        .mails(mails(3))
        .instead(2, digester.finish().to_string(), size as u64)]);
}
