//! Logins in which the server's part makes no sense, or proves nothing.

use super::table::{Case, case, check};
use crate::scripted::{Rule, Server, on};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const NOTHING: (usize, usize, usize) = (0, 3, 0);
const WORKS: (usize, usize, usize) = (3, 0, 1);

fn offers(mechanisms: &str) -> Rule {
    on("CAPA").say(format!("+OK\r\nUSER\r\nUIDL\r\nPIPELINING\r\nSASL {mechanisms}\r\n.\r\n"))
}

fn challenge(message: &str) -> Vec<u8> {
    format!("+ {}\r\n", STANDARD.encode(message)).into_bytes()
}

/// The server's first message, with something of its own behind the client's nonce.
fn scram(iterations: u32) -> Rule {
    on("AUTH SCRAM-SHA-256").edit(move |line, _| {
        let first = line.rsplit(' ').next().and_then(|l| STANDARD.decode(l).ok()).expect("base64");
        let first = String::from_utf8(first).expect("text");
        let nonce = first.rsplit("r=").next().expect("a nonce");
        challenge(&format!("r={nonce}server,s=QUJDREVGR0g=,i={iterations}"))
    })
}

/// `c=biws,` in base64: how the client's proof begins.
const PROOF: &str = "Yz1iaXdz*";

/// The exchange is not tried again, and no weaker login either.
fn ends(fault: &'static str, rules: Vec<Rule>, words: &'static str) -> Case {
    case(fault, [vec![offers("SCRAM-SHA-256")], rules].concat(), 78, words, NOTHING).also(one_scram)
}

fn one_scram(server: &Server) {
    assert_eq!(["AUTH", "USER", "PASS", "APOP"].map(|c| server.times(c)), [1, 0, 0, 0]);
}

#[test]
fn a_server_that_does_not_know_the_password_is_not_believed() {
    let auth = || on("AUTH SCRAM-SHA-256");
    let long = || auth().say(challenge(&"r".repeat(9_000)));
    check([
        ends("a wrong signature", vec![scram(4_096), on(PROOF).say(challenge("v=AAAA"))], "did not prove"),
        ends("an empty signature", vec![scram(4_096), on(PROOF).say(challenge("v="))], "did not prove"),
        ends("no signature", vec![scram(4_096), on(PROOF).say("+OK welcome\r\n")], "did not prove"),
        ends("welcome at once", vec![auth().say("+OK welcome\r\n")], "did not prove"),
        ends("one iteration", vec![scram(1)], "1 SCRAM iterations"),
        ends("2^31 iterations", vec![scram(1 << 31)], "2147483648 SCRAM iterations"),
        ends("no base64", vec![auth().say("+ ***\r\n")], "makes no sense"),
        ends("nothing", vec![auth().say("+\r\n")], "cannot be read"),
        ends("another nonce", vec![auth().say(challenge("r=other,s=QUJD,i=4096"))], "cannot be read"),
        ends("a message of 9,000 octets", vec![long()], "cannot be read"),
        ends("a signature that is no base64", vec![scram(4_096), on(PROOF).say("+ v=\r\n")], "makes no sense"),
        case(
            "a refused proof",
            [offers("SCRAM-SHA-256"), scram(4_096), on(PROOF).refuse("[AUTH] no")],
            77,
            "check username",
            NOTHING,
        )
        .also(one_scram),
        case(
            "a refused proof inside SCRAM",
            [offers("SCRAM-SHA-256"), scram(4_096), on(PROOF).say(challenge("e=invalid-proof"))],
            77,
            "refused the SCRAM proof",
            NOTHING,
        )
        .also(one_scram),
        case(
            "broken off",
            [offers("SCRAM-SHA-256"), scram(4_096), on(PROOF).say("").end()],
            75,
            "closed the connection",
            NOTHING,
        )
        .limit("retries: 1"),
    ]);
}

#[test]
fn an_exchange_that_asks_too_often_ends() {
    let plain = || on("AUTH PLAIN");
    let again = || plain().say("+ \r\n");
    // The response without its command: NUL, `ana`, NUL, the password.
    let response = "AGFuYQ*";
    let name = "YW5h";
    let password = "a29ycmVrd*";
    let no_sense = "makes no sense";
    let echo = |line: &str, _| format!("-ERR [AUTH] no: {line}\r\n").into_bytes();
    check([
        case("PLAIN", [offers("PLAIN"), plain().say("+OK\r\n")], 0, "pass ended", WORKS),
        case("PLAIN that asks again", [offers("PLAIN"), again(), on(response).say("+OK\r\n")], 0, "pass ended", WORKS),
        case("PLAIN that asks for ever", [offers("PLAIN"), again(), on(response).say("+ \r\n")], 78, no_sense, NOTHING),
        case("PLAIN that asks something", [offers("PLAIN"), plain().say("+ d2hvPw==\r\n")], 78, no_sense, NOTHING),
        case("PLAIN that repeats the line", [offers("PLAIN"), plain().edit(echo)], 77, "[redacted]", NOTHING)
            .also(no_second),
        case(
            "LOGIN",
            [
                offers("LOGIN"),
                on("AUTH LOGIN").say("+ VXNlcm5hbWU6\r\n"),
                on(name).say("+ UGFzc3dvcmQ6\r\n"),
                on(password).say("+OK\r\n"),
            ],
            0,
            "pass ended",
            WORKS,
        )
        .with("login: login")
        .lasts(),
        case(
            "LOGIN that asks for ever",
            [offers("LOGIN"), on("AUTH LOGIN").say("+\r\n"), on(name).say("+\r\n"), on(password).say("+\r\n")],
            78,
            no_sense,
            NOTHING,
        )
        .with("login: login")
        .lasts(),
        case(
            "LOGIN that is content with a name",
            [offers("LOGIN"), on("AUTH LOGIN").say("+\r\n"), on(name).say("+OK\r\n")],
            78,
            no_sense,
            NOTHING,
        )
        .with("login: login")
        .lasts(),
        case(
            "LOGIN that repeats the password",
            [offers("LOGIN"), on("AUTH LOGIN").say("+\r\n"), on(name).say("+\r\n"), on(password).edit(echo)],
            77,
            "[redacted]",
            NOTHING,
        )
        .with("login: login")
        .lasts(),
        case("USER that asks", [on("USER").say("+ \r\n")], 78, no_sense, NOTHING),
        case("PASS that asks", [on("PASS").say("+ \r\n")], 78, no_sense, NOTHING),
        case("a login that is not offered", [offers("GSSAPI")], 78, "does not announce", NOTHING)
            .with("login: plain")
            .lasts(),
    ]);
}

/// A refused login is not tried again.
fn no_second(server: &Server) {
    assert_eq!(["AUTH", "USER", "PASS"].map(|c| server.times(c)), [1, 0, 0]);
}
