//! TLS and STLS: who is not who it should be, who speaks something else, and who is on the line.

use super::table::{Case, case, check};
use crate::scripted::{ANY, Authority, GREETING, Identity, Rule, Server, Speaks, on};

const IMPLICIT: &str = "ca_file: @CA@";
const STARTTLS: &str = "tls: starttls\n    ca_file: @CA@";
const WORKS: (usize, usize, usize) = (3, 0, 1);
const NOTHING: (usize, usize, usize) = (0, 3, 0);

/// A server with a certificate, and a mailbox that trusts who signed it.
struct Field {
    authority: Authority,
}

impl Field {
    fn new() -> Self {
        Self { authority: Authority::new("ours") }
    }

    fn tls(&self, identity: Identity, case: Case) -> Case {
        case.server(Speaks::Tls(self.authority.server(identity))).trusts(IMPLICIT, &self.authority.pem)
    }

    fn stls(&self, case: Case) -> Case {
        case.server(Speaks::Stls(self.authority.server(Identity::default()))).trusts(STARTTLS, &self.authority.pem)
    }

    /// The server speaks in clear where the mailbox has TLS.
    fn clear(&self, case: Case) -> Case {
        case.trusts(IMPLICIT, &self.authority.pem)
    }
}

#[test]
fn certificates_and_versions() {
    let field = Field::new();
    let (other, twin) = (Authority::new("other"), Authority::new("ours"));
    let good = Identity::default();
    let old = Identity { only_tls12: true, ..good };
    let works = |fault| case(fault, [], 0, "pass ended", WORKS);
    let wrong = |fault, words| case(fault, [], 78, words, NOTHING).lasts().also(nothing_was_said);
    check([
        field.tls(good, works("a good one")),
        field.tls(old, works("TLS 1.2")),
        field.tls(old, wrong("TLS 1.2 where 1.3 is the least", "no TLS version in common").with("tls_min: \"1.3\"")),
        field.tls(Identity { name: "other.example", ..good }, wrong("another name", "is for another name")),
        field.tls(good, wrong("an authority that nobody knows", "not trusted")).trusts(IMPLICIT, &other.pem),
        field.tls(good, wrong("an authority of the same name", "its certificate")).trusts(IMPLICIT, &twin.pem),
        field.tls(good, wrong("no authority", "ca_file")).trusts(IMPLICIT, ""),
        field
            .tls(Identity { expired: true, ..good }, case("expired", [], 75, "has expired", NOTHING))
            .lasts()
            .also(nothing_was_said),
        field.stls(works("STLS")),
        field
            .stls(wrong("STLS, an authority that nobody knows", "not trusted"))
            .trusts(STARTTLS, &other.pem)
            .also(only_stls_in_clear),
    ]);
}

#[test]
fn handshakes_that_are_none() {
    let field = Field::new();
    let said = |answer: &'static [u8]| [on(GREETING).say(answer).hold()];
    let not_tls = "does not speak TLS";
    check([
        field.clear(case("clear text on a TLS port", [], 78, not_tls, NOTHING)).lasts(),
        field.clear(case("garbage", said(b"\0\x01\x02\xff\xfe garbage \r\n\r\n"), 78, not_tls, NOTHING)).lasts(),
        field.clear(case("silence", said(b""), 75, "no answer within 1 s", NOTHING)).limit("retries: 1").lasts(),
        field
            .clear(case("half a record", said(b"\x16\x03\x03\x02"), 75, "no answer within 1 s", NOTHING))
            .limit("retries: 1")
            .lasts(),
        field
            .clear(case("an end", [on(GREETING).say("").end()], 75, "whether that is the POP3S port", NOTHING))
            .lasts(),
        field
            .clear(case(
                "an alert",
                [on(GREETING).say(b"\x15\x03\x03\x00\x02\x02\x50".as_slice()).end()],
                75,
                "handshake failed",
                NOTHING,
            ))
            .lasts(),
        field
            .tls(Identity::default(), case("TLS on a clear port", [], 78, "sends no greeting", NOTHING))
            .trusts("tls: none", "")
            .lasts(),
        case(
            "an alert on a clear port",
            [on(GREETING).say(b"\x15\x03\x01\x00\x02\x02\x46".as_slice()).end()],
            78,
            "speaks TLS from the first octet",
            NOTHING,
        )
        .lasts(),
    ]);
}

#[test]
fn connections_that_break_below_pop3() {
    let field = Field::new();
    let breaks =
        |fault, rule: Rule| field.tls(Identity::default(), case(fault, [rule], 75, "the others go on", (2, 1, 1)));
    let retr = || on("RETR 2").half();
    let once = |fault, rule: Rule| field.tls(Identity::default(), case(fault, [rule.once()], 0, "trying again", WORKS));
    check([
        breaks("an end in mid-mail", retr().end()),
        breaks("TCP ends in mid-mail", retr().end_abruptly()),
        breaks("an alert in mid-mail", retr().raw(b"\x15\x03\x03\x00\x02\x02\x50")),
        breaks("garbage in mid-mail", retr().raw(b"garbage, garbage, garbage, garbage")),
        breaks("a record that does not decrypt", retr().raw(b"\x17\x03\x03\x00\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")),
        breaks("half a record", retr().raw(b"\x17\x03\x03\x40\x00half")),
        once("TCP ends in mid-mail, once", retr().end_abruptly()),
        once("an end at the login, once", on("PASS").say("").end_abruptly()),
    ]);
}

/// The client gave nothing away.
fn nothing_was_said(server: &Server) {
    assert_eq!(server.seen(), []);
}

/// In clear came STLS and nothing else.
fn only_stls_in_clear(server: &Server) {
    let clear: Vec<String> = server.seen().into_iter().filter(|s| !s.encrypted).map(|s| s.line).collect();
    assert!(!clear.is_empty() && clear.iter().all(|line| line == "STLS"), "{clear:?}");
}

fn never_logged_in(server: &Server) {
    only_stls_in_clear(server);
    assert_eq!(["USER", "PASS", "AUTH", "APOP"].map(|c| server.times(c)), [0; 4]);
}

#[test]
fn stls_or_nothing() {
    let field = Field::new();
    let never = |fault, rules: Vec<Rule>, code, words| {
        field.stls(case(fault, rules, code, words, NOTHING)).lasts().also(never_logged_in)
    };
    let stamp = on(GREETING).say("+OK ready <1896.697170952@pop.example>\r\n");
    let capa = on("CAPA").say("+OK\r\nUIDL\r\nPIPELINING\r\n.\r\n");
    check([
        field.stls(case("works", [], 0, "pass ended", WORKS)).also(only_stls_in_clear),
        never("refused", vec![on("STLS").refuse("no")], 78, "does not change to TLS"),
        never(
            "refused, and all else taken",
            vec![on("STLS").refuse("no"), on(ANY).say("+OK\r\n")],
            78,
            "does not change to TLS",
        ),
        never("octets behind the answer", vec![on("STLS").behind(b"+OK injected\r\n")], 75, "nobody asked for"),
        never("a list behind the answer", vec![on("STLS").behind(b"+OK\r\nUSER\r\n.\r\n")], 75, "nobody asked for"),
        never(
            "then clear text",
            vec![on("STLS").say("+OK\r\n").without_effect().drip(b'+', std::time::Duration::from_millis(100))],
            78,
            "does not change to TLS",
        ),
        never("then silence", vec![on("STLS").say("+OK\r\n").hold()], 75, "no answer within"),
        // Whether the end is seen before the handshake or in it is a matter of chance.
        never("then an end", vec![on("STLS").say("+OK\r\n").end()], 75, "error: mailbox box"),
        never("no answer", vec![on("STLS").say("").hold()], 75, "was silent"),
        never("a half answer", vec![on("STLS").say("+OK").end()], 75, "closed the connection"),
        // A timestamp that came in clear is not believed: whoever is on the line could have put it there.
        never("APOP from the greeting", vec![stamp.clone()], 78, "does not announce the login by APOP")
            .with("login: apop"),
        never("APOP where there is nothing else", vec![stamp, capa], 78, "announces no login"),
    ]);
}
