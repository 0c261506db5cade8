//! DKIM through the authenticator: mails signed here, and examples of the RFCs.

mod signer;

pub use signer::{DELIVERED, check, crlf, ed25519_record, sign, told, zone};

use reply_ingest::auth::dns::{Answer, Cached, Code, Lookup, Record, RecordType, Resolver, Retried, Retries, Zone};
use reply_ingest::event::{AuthSignal, AuthWord};
use signer::{HOP, check_at, rsa_record};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

const HEAD: &str = "From: Ana <ana@example.org>\nTo: campaign@example.net\nSubject: Saturday\n\
    Date: Mon, 02 Mar 2026 10:00:00 +0000\nMessage-ID: <sat@example.org>\n";
const BODY: &str = "I will  come.\n\nAna \n\n";

fn mail() -> String {
    format!("{HEAD}\n{BODY}")
}

/// Signed with Ed25519, relaxed/relaxed, by the domain of From; `more` are further tags.
fn ed(more: &str) -> String {
    sign(
        &format!("v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.org; s=ed; h=From:To:Subject:Date{more}"),
        &mail(),
    )
}

/// The same with another selector.
fn by(selector: &str) -> String {
    sign(&format!("v=1; a=ed25519-sha256; d=example.org; s={selector}; h=From:Subject"), &mail())
}

fn formed(algorithm: &str, form: &str) -> String {
    let selector = if algorithm.starts_with("ed") { "ed" } else { "rsa" };
    sign(&format!("v=1; a={algorithm}; c={form}; d=example.org; s={selector}; h=From:To:Subject:Date"), &mail())
}

fn world() -> Zone {
    let key = ed25519_record();
    let p = key.rsplit_once("p=").unwrap().1;
    let mut zone = zone(&format!(
        "_dmarc.example.org TXT v=DMARC1; p=reject
        ed._domainkey.example.org TXT {key}
        rsa._domainkey.example.org TXT {rsa}
        ed._domainkey.lists.example TXT {key}
        ed._domainkey.mail.example.org TXT {key}
        ed._domainkey.xn--bcher-kva.example TXT {key}
        revoked._domainkey.example.org TXT v=DKIM1; k=ed25519; p=
        testing._domainkey.example.org TXT v=DKIM1; k=ed25519; t=y; p={p}
        strict._domainkey.example.org TXT v=DKIM1; k=ed25519; t=s; p={p}
        sha1._domainkey.example.org TXT v=DKIM1; k=ed25519; h=sha1; p={p}
        both._domainkey.example.org TXT v=DKIM1; k=ed25519; h=sha1:sha256; s=*; n=a note; p={p}
        tls._domainkey.example.org TXT v=DKIM1; k=ed25519; s=tlsrpt; p={p}
        dsa._domainkey.example.org TXT v=DKIM1; k=dsa; p={p}
        nokind._domainkey.example.org TXT v=DKIM1; p={p}
        version._domainkey.example.org TXT v=DKIM2; k=ed25519; p={p}
        late._domainkey.example.org TXT k=ed25519; v=DKIM1; p={p}
        bare._domainkey.example.org TXT k=ed25519; p={p}
        gaps._domainkey.example.org TXT v=DKIM1;; k=ed25519; p={p};;
        twice._domainkey.example.org TXT v=DKIM1; k=ed25519; p={p}; p={p}
        nop._domainkey.example.org TXT v=DKIM1; k=ed25519
        text._domainkey.example.org TXT an ordinary text
        base64._domainkey.example.org TXT v=DKIM1; k=ed25519; p=!!!
        short._domainkey.example.org TXT v=DKIM1; k=ed25519; p=AAAA
        long._domainkey.example.org TXT v=DKIM1; k=ed25519; p={p}; n={long}
        two._domainkey.example.org TXT v=spf1 -all
        two._domainkey.example.org TXT {rsa}
        two._domainkey.example.org TXT v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
        two._domainkey.example.org TXT {key}
        rsa1024._domainkey.example.org TXT {RSA1024}
        rsa1023._domainkey.example.org TXT {RSA1023}
        rsa768._domainkey.example.org TXT {RSA768}
        rsa512._domainkey.example.org TXT {RSA512}",
        rsa = rsa_record(),
        long = "x".repeat(60_000),
    ));
    zone.add_code("servfail._domainkey.example.org", RecordType::Txt, Code::ServFail);
    zone.add_code("silent._domainkey.example.org", RecordType::Txt, Code::TimedOut);
    zone
}

const RSA1024: &str = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC7wL8cPk6kVg1ShupUwlryyhH0lxwwXEHz0pQP\
    P/lVI+v5RReQh+NDmxkJnRNSgxNhhamGlwR4dcS3WsDnk/t1lspWFpab6iEbffHUmbn0OnsH2F9Sv1OfuUxY4DIR2kgnb/GYCKU/WBtIkUCfTcnvvT\
    9LMMPlabzQ2sZZ5okn1QIDAQAB";
const RSA1023: &str = "v=DKIM1; k=rsa; p=MIGeMA0GCSqGSIb3DQEBAQUAA4GMADCBiAKBgGrlwHDCzXtWedgB82UqZJkjcDDdOVSw6UOkTQSH\
    1c71Z5JAtlhG5c+8kcH5wB1fKI6H+jUL8jNqoyKgL8xd/wUqhSAbxFr6e4d0oFx3CY6mf8yeJ+frUdW+SNgxO2oh8Rw7EGDmnzoFshWNZDC4+u41ej\
    4l/KoF4fAkOv7IS7wtAgMBAAE=";
const RSA768: &str = "v=DKIM1; k=rsa; p=MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAK7020tbC0hRUVgcSXDwA7BUd9Uk4fnVXRO9Jte0PyR9U/\
    o4J9q30Nq9LS6gHyrXbdzj1S6z/GTcyF5kFPS2c4l1jOJfN8T79lpZ6ZMNA6c3U08JZkZcwdPeJCtPL4ZJ7wIDAQAB";
const RSA512: &str = "v=DKIM1; k=rsa; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANdMMiOWIjxCXuiWKpnyxQRyhyK1Qru/509rFndzZI/jN3J\
    XkwWItVcYZuvUpRox6F3QZfCdM6zGxkRto15D0osCAwEAAQ==";

const FORGED: &str = "0 fail: the signature does not verify";
const CHANGED: &str = "0 fail: the body has changed";

/// What a mail is, the mail, its DKIM results and the DMARC word. A signature that passes is aligned
/// unless the row says otherwise; nothing else makes DMARC pass here.
#[tokio::test]
async fn signatures() {
    let fixture = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let far = DELIVERED + 3_600 + 601;
    let cases: Vec<(&str, String, &str, &str)> = vec![
        // the two algorithms in the four forms
        ("ed25519 relaxed/relaxed", formed("ed25519-sha256", "relaxed/relaxed"), "0 pass", "pass"),
        ("ed25519 relaxed/simple", formed("ed25519-sha256", "relaxed/simple"), "0 pass", "pass"),
        ("ed25519 simple/relaxed", formed("ed25519-sha256", "simple/relaxed"), "0 pass", "pass"),
        ("ed25519 simple/simple", formed("ed25519-sha256", "simple/simple"), "0 pass", "pass"),
        ("rsa relaxed/relaxed", formed("rsa-sha256", "relaxed/relaxed"), "0 pass", "pass"),
        ("rsa relaxed/simple", formed("rsa-sha256", "relaxed/simple"), "0 pass", "pass"),
        ("rsa simple/relaxed", formed("rsa-sha256", "simple/relaxed"), "0 pass", "pass"),
        ("rsa simple/simple", formed("rsa-sha256", "simple/simple"), "0 pass", "pass"),
        ("one form named", formed("rsa-sha256", "relaxed"), "0 pass", "pass"),
        ("no form named", sign("v=1; a=rsa-sha256; d=example.org; s=rsa; h=From", &mail()), "0 pass", "pass"),
        // what a transport may do
        ("folded otherwise", ed("").replace("Subject: Saturday", "Subject:\r\n\t  Saturday  "), "0 pass", "pass"),
        ("names in other case", ed("").replace("\nSubject:", "\nSUBJECT :"), "0 pass", "pass"),
        ("white space at line ends", ed("").replace("come.\r\n", "come. \t\r\n"), "0 pass", "pass"),
        ("white space as last line", ed("") + " \t\r\n\r\n", "0 pass", "pass"),
        ("the same in the simple form", formed("rsa-sha256", "relaxed/simple") + " \r\n", CHANGED, "fail"),
        ("empty lines at the end", formed("rsa-sha256", "simple/simple") + "\r\n\r\n", "0 pass", "pass"),
        ("a header put on top", format!("X-Scanned: yes\r\n{}", ed("")), "0 pass", "pass"),
        ("a footer", ed("") + "-- \r\nlist@lists.example\r\n", CHANGED, "fail"),
        ("a body tampered with", ed("").replace("will", "will not"), CHANGED, "fail"),
        ("a subject tampered with", ed("").replace("Saturday", "Sunday"), FORGED, "fail"),
        ("simple form, folded", formed("ed25519-sha256", "simple/simple").replace("To: c", "To:  c"), FORGED, "fail"),
        ("bh= tampered with", ed("").replacen("bh=", "bh=AAAA", 1), "0 permerror: bh= is no SHA-256 hash", "fail"),
        ("b= tampered with", ed("").replacen("\tb=", "\tb=AAAA", 1), FORGED, "fail"),
        // bodies and headers of all kinds
        (
            "no body, simple",
            sign("v=1; a=rsa-sha256; c=simple; d=example.org; s=rsa; h=From", &format!("{HEAD}\n")),
            "0 pass",
            "pass",
        ),
        (
            "no body, relaxed",
            sign("v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=rsa; h=From", &format!("{HEAD}\n")),
            "0 pass",
            "pass",
        ),
        (
            "only empty lines",
            sign("v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=rsa; h=From", &format!("{HEAD}\n\n\n")),
            "0 pass",
            "pass",
        ),
        (
            "no line end at the end",
            sign("v=1; a=rsa-sha256; c=simple/simple; d=example.org; s=rsa; h=From", &format!("{HEAD}\nno end")),
            "0 pass",
            "pass",
        ),
        (
            "UTF-8 headers",
            sign(
                "v=1; a=ed25519-sha256; d=example.org; s=ed; h=From:Subject",
                &mail().replace("Saturday", "Sa\u{df}lich \u{2603}"),
            ),
            "0 pass",
            "pass",
        ),
        (
            "tags folded",
            sign("v=1;\n\ta=ed25519-sha256;\n\td=example.org; s=ed;\n\th=From:\n\t To", &mail()),
            "0 pass",
            "pass",
        ),
        ("unknown tags", ed("; zz=1; x_1=y"), "0 pass", "pass"),
        // h=
        ("oversigned", ed(":From:Subject:Reply-To"), "0 pass", "pass"),
        (
            "a header added to an oversigned mail",
            ed(":Reply-To").replace("To: c", "Reply-To: x@bulk.example\r\nTo: c"),
            FORGED,
            "fail",
        ),
        (
            "From not signed",
            sign("v=1; a=ed25519-sha256; d=example.org; s=ed; h=To:Subject", &mail()),
            "0 permerror: From is not signed",
            "fail",
        ),
        ("h= empty", ed("").replace("h=From:To:Subject:Date", "h="), "0 permerror: h= is not valid", "fail"),
        ("h= endless", ed(&":x".repeat(300)), "0 permerror: h= is not valid", "fail"),
        // times
        ("t= of today", ed(&format!("; t={DELIVERED}")), "0 pass", "pass"),
        ("t= later than the delivery", ed(&format!("; t={}", DELIVERED + 3_000)), "0 pass", "pass"),
        ("t= a little ahead", ed(&format!("; t={}", far - 1)), "0 pass", "pass"),
        ("t= in the future", ed(&format!("; t={far}")), "0 neutral: t= is in the future", "fail"),
        ("t= no number", ed("; t=now"), "0 permerror: t= is no number", "fail"),
        ("x= after delivery", ed(&format!("; x={}", DELIVERED + 1)), "0 pass", "pass"),
        (
            "x= before delivery",
            ed(&format!("; x={}", DELIVERED - 1)),
            "0 fail: the signature had expired at delivery",
            "fail",
        ),
        ("x= not after t=", ed("; t=20; x=20"), "0 permerror: x= is not later than t=", "fail"),
        // l=
        ("l= of all", ed("; l=21"), "0 pass", "pass"),
        ("l= of a part", ed("; l=5"), "0 pass: only 5 of 21 octets of the body are signed", "fail"),
        ("l=0", ed("; l=0"), "0 pass: only 0 of 21 octets of the body are signed", "fail"),
        ("l= and a footer", ed("; l=21") + "more\r\n", "0 pass: only 21 of 29 octets of the body are signed", "fail"),
        ("l= and a change within", ed("; l=21").replace("will", "wont"), CHANGED, "fail"),
        ("l= beyond the end", ed("; l=22"), "0 permerror: l= is longer than the body", "fail"),
        // d= and i=
        ("i= of the domain", ed("; i=ana@example.org"), "0 pass", "pass"),
        ("i= below", ed("; i=@sub.example.org"), "0 pass", "pass"),
        ("i= elsewhere", ed("; i=ana@bulk.example"), "0 permerror: i= is not within d=", "fail"),
        ("i= only looks alike", ed("; i=@badexample.org"), "0 permerror: i= is not within d=", "fail"),
        ("i= in quoted-printable", ed("; i=a=20b@example=2Eorg"), "0 pass", "pass"),
        ("i= without @", ed("; i=ana"), "0 permerror: i= is not within d=", "fail"),
        ("d= in capitals", sign("v=1; a=ed25519-sha256; d=EXAMPLE.org; s=ED; h=From", &mail()), "0 pass", "pass"),
        ("d= a subdomain", sign("v=1; a=ed25519-sha256; d=mail.example.org; s=ed; h=From", &mail()), "0 pass", "pass"),
        ("d= another domain", sign("v=1; a=ed25519-sha256; d=lists.example; s=ed; h=From", &mail()), "0 pass", "fail"),
        (
            "d= as U-label",
            sign("v=1; a=ed25519-sha256; d=b\u{fc}cher.example; s=ed; i=@b\u{fc}cher.example; h=From", &mail()),
            "0 pass",
            "fail",
        ),
        (
            "d= as A-label",
            sign("v=1; a=ed25519-sha256; d=xn--bcher-kva.example; s=ed; i=@b\u{fc}cher.example; h=From", &mail()),
            "0 pass",
            "fail",
        ),
        ("d= no name", ed("").replace("d=example.org", "d=example..org"), "0 permerror: d= is no domain name", "fail"),
        ("s= no name", ed("").replace("s=ed", "s=***"), "0 permerror: s= is no selector", "fail"),
        // other tags
        ("v=2", ed("").replace("v=1", "v=2"), "0 permerror: v= is not 1", "fail"),
        ("no v=", ed("").replace("v=1; ", ""), "0 permerror: v= is not 1", "fail"),
        ("no a=", ed("").replace("a=ed25519-sha256; ", ""), "0 permerror: a= is missing", "fail"),
        ("no d=", ed("").replace("d=example.org; ", ""), "0 permerror: d= is missing", "fail"),
        ("no s=", ed("").replace("s=ed; ", ""), "0 permerror: s= is missing", "fail"),
        ("no b=", ed("").replace("\tb=", "\tz="), "0 permerror: b= is missing", "fail"),
        ("no bh=", ed("").replace("bh=", "zh="), "0 permerror: bh= is missing", "fail"),
        (
            "a= unknown",
            ed("").replace("ed25519-sha256", "ed448-sha3"),
            "0 permerror: a= names an unknown algorithm",
            "fail",
        ),
        (
            "c= unknown",
            ed("").replace("c=relaxed/relaxed", "c=relaxed/nofws"),
            "0 permerror: c= names an unknown canonicalization",
            "fail",
        ),
        ("q= known", ed("; q=other:dns/txt"), "0 pass", "pass"),
        ("q= unknown", ed("; q=http"), "0 permerror: q= names no known way to the key", "fail"),
        ("a tag twice", ed("; d=example.org"), "0 permerror: a tag stands there twice", "fail"),
        (
            "no tag list",
            "DKIM-Signature: nonsense\r\n".to_owned() + &crlf(&mail()),
            "0 permerror: something stands there that is no tag",
            "fail",
        ),
        (
            "empty",
            "DKIM-Signature:\r\n".to_owned() + &crlf(&mail()),
            "0 permerror: something stands there that is no tag",
            "fail",
        ),
        (
            "very long",
            ed(&format!("; z={}", "x".repeat(70_000))),
            "0 permerror: the signature is longer than 64 KiB",
            "fail",
        ),
        // keys
        ("key missing", by("none"), "0 permerror: no key for the signature", "fail"),
        ("key revoked", by("revoked"), "0 permerror: the key is revoked", "fail"),
        ("server fails", by("servfail"), "0 temperror: the key could not be fetched", "temperror"),
        ("no answer", by("silent"), "0 temperror: the key could not be fetched", "temperror"),
        ("key for sha1 only", by("sha1"), "0 permerror: the key is not for sha256", "fail"),
        ("key for both hashes", by("both"), "0 pass", "pass"),
        ("key not for e-mail", by("tls"), "0 permerror: the key is not for e-mail", "fail"),
        ("key of unknown kind", by("dsa"), "0 permerror: the key is of an unknown kind", "fail"),
        ("key kind not told: RSA", by("nokind"), "0 permerror: the key is no RSA key", "fail"),
        ("key of the other kind", by("rsa"), "0 permerror: the key is of another kind than a=", "fail"),
        ("key of version 2", by("version"), "0 permerror: the key record is of an unknown version", "fail"),
        ("version not first", by("late"), "0 permerror: the key record is of an unknown version", "fail"),
        ("version not told", by("bare"), "0 pass", "pass"),
        ("record with gaps", by("gaps"), "0 pass", "pass"),
        ("record with p= twice", by("twice"), "0 permerror: the key record is not valid", "fail"),
        ("record without p=", by("nop"), "0 permerror: the key record has no p=", "fail"),
        ("record is a text", by("text"), "0 permerror: the key record is not valid", "fail"),
        ("key is not base64", by("base64"), "0 permerror: the key is not base64", "fail"),
        ("key too short", by("short"), "0 permerror: the ed25519 key has not 32 octets", "fail"),
        ("record too long", by("long"), "0 permerror: the key record is longer than 16 KiB", "fail"),
        ("several records", by("two"), "0 pass", "pass"),
        ("several records, none right", by("two").replace("Saturday", "Sunday"), FORGED, "fail"),
        ("testing key", by("testing"), "0 pass", "pass"),
        ("strict key", by("strict"), "0 pass", "pass"),
        (
            "strict key, i= below",
            sign("v=1; a=ed25519-sha256; d=example.org; s=strict; i=@a.example.org; h=From", &mail()),
            "0 permerror: i= does not fit the key's t=s",
            "fail",
        ),
        // made with openssl
        ("rsa 1024", fixture(include_bytes!("dkim/rsa1024.eml")), "0 pass", "pass"),
        ("rsa 1023", fixture(include_bytes!("dkim/rsa1023.eml")), "0 policy: the key has fewer than 1024 bits", "fail"),
        ("rsa 768", fixture(include_bytes!("dkim/rsa768.eml")), "0 policy: the key has fewer than 1024 bits", "fail"),
        ("rsa 512", fixture(include_bytes!("dkim/rsa512.eml")), "0 policy: the key has fewer than 1024 bits", "fail"),
        ("rsa-sha1", fixture(include_bytes!("dkim/sha1.eml")), "0 policy: rsa-sha1 is not accepted", "fail"),
        // several
        ("no signature", crlf(&mail()), "", "fail"),
        ("two, both good", sign("v=1; a=rsa-sha256; d=example.org; s=rsa; h=From", &ed("")), "0 pass | 1 pass", "pass"),
        (
            "two, the second good",
            sign("v=1; a=rsa-sha256; d=example.org; s=none; h=From", &ed("")),
            "0 permerror: no key for the signature | 1 pass",
            "pass",
        ),
        (
            "a refused one between",
            sign(
                "v=1; a=ed25519-sha256; d=lists.example; s=ed; h=From",
                &sign("v=1; a=ed25519-sha256; d=example.org; s=ed; h=To", &ed("")),
            ),
            "0 pass | 1 permerror: From is not signed | 2 pass",
            "pass",
        ),
        ("two From", ed("").replace("From: Ana", "From: Bo <bo@bulk.example>\r\nFrom: Ana"), "0 pass", "none"),
    ];
    let zone = world();
    let (count, mut wrong) = (cases.len(), Vec::new());
    for (name, mail, dkim, dmarc) in cases {
        let auth = check(&zone, (crlf(HOP) + &mail).as_bytes()).await;
        let got = (told(&auth.dkim), auth.dmarc.as_ref().map_or("-", |d| d.result.as_str()));
        if got != (dkim.to_owned(), dmarc) {
            wrong.push(format!("{name}: wanted {dkim:?} {dmarc}, got {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 100);
}

#[tokio::test]
async fn oddities_are_signalled() {
    let zone = world();
    for (name, mail, want) in [
        ("plain", ed(""), &[][..]),
        ("l=", ed("; l=5"), &[AuthSignal::BodyLengthLimited]),
        ("l= of all", ed("; l=21"), &[]),
        ("testing", by("testing"), &[AuthSignal::TestingKey]),
        ("sha1", String::from_utf8_lossy(include_bytes!("dkim/sha1.eml")).into_owned(), &[AuthSignal::Sha1Signature]),
        ("weak", String::from_utf8_lossy(include_bytes!("dkim/rsa512.eml")).into_owned(), &[AuthSignal::WeakKey]),
        ("two From", format!("From: Bo <bo@bulk.example>\r\n{}", ed("")), &[AuthSignal::MultipleFrom]),
    ] {
        let signals = check(&zone, (crlf(HOP) + &mail).as_bytes()).await.signals;
        assert_eq!(signals, want, "{name}");
    }
}

/// The examples of RFC 6376 appendix A.2 and RFC 8463 appendix A.3, with the keys printed there.
#[tokio::test]
async fn the_examples_of_the_rfcs_verify() {
    let zone = zone(
        "brisbane._domainkey.example.com TXT v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB
        brisbane._domainkey.football.example.com TXT v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
        test._domainkey.football.example.com TXT v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
    );
    for (mail, want) in [
        (&include_bytes!("dkim/rfc6376-a2.eml")[..], "0 pass"),
        (include_bytes!("dkim/rfc8463-a3.eml"), "0 pass | 1 pass"),
    ] {
        assert_eq!(told(&check(&zone, mail).await.dkim), want);
    }
}

/// mail-auth's own signer agrees with ours on what is signed.
#[tokio::test]
async fn another_signer() {
    use mail_auth::common::crypto::Ed25519Key;
    use mail_auth::common::headers::HeaderWriter;
    use mail_auth::dkim::{Canonicalization, DkimSigner};
    let zone = world();
    for form in [Canonicalization::Relaxed, Canonicalization::Simple] {
        let mail = crlf(&mail());
        let key = Ed25519Key::from_seed_and_public_key(&[7; 32], &public_key()).unwrap();
        let signer = DkimSigner::from_key(key).domain("example.org").selector("ed").headers(["From", "To", "Subject"]);
        let signature = signer.header_canonicalization(form).body_canonicalization(form).sign(mail.as_bytes()).unwrap();
        // This signer takes the time of day for t=.
        let auth = check_at(&zone, (signature.to_header() + &mail).as_bytes(), chrono::Utc::now()).await;
        assert_eq!(told(&auth.dkim), "0 pass", "{form:?}");
    }
}

fn public_key() -> Vec<u8> {
    use aws_lc_rs::signature::KeyPair;
    signer::ED25519.public_key().as_ref().to_vec()
}

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Name servers that never answer, as the resolver of the network reports them.
struct Dead;

impl Resolver for Dead {
    fn lookup<'a>(&'a self, _: &'a str, _: RecordType) -> Lookup<'a> {
        Box::pin(async {
            tokio::time::sleep(TIMEOUT).await;
            Arc::new(Answer::empty(Code::TimedOut))
        })
    }
}

/// With name servers that never answer, twenty signatures cost less than two questions: they are asked for side by
/// side, the second tries too, and SPF beside them.
#[tokio::test(start_paused = true)]
async fn dead_name_servers_cost_less_than_two_questions() {
    let mut mail = ed("");
    for n in 0..19 {
        mail = sign(&format!("v=1; a=ed25519-sha256; d=dead{n}.example; s=ed; h=From"), &mail);
    }
    let retries = Retries { times: 1, timeout: TIMEOUT / 2, budget: Duration::from_mins(1) };
    let resolver = Cached::new(Retried::new(Dead, retries));
    let started = tokio::time::Instant::now();
    let auth = check(&resolver, (crlf(HOP) + &mail).as_bytes()).await;
    assert!(started.elapsed() < 2 * TIMEOUT, "{:?}", started.elapsed());
    assert_eq!(auth.spf.map(|r| r.result), Some(AuthWord::TempError));
    assert_eq!(auth.dkim.len(), 10);
    assert!(auth.dkim.iter().all(|r| r.result == AuthWord::TempError));
    assert_eq!(auth.dkim.last().and_then(|r| r.header_index), Some(19), "the author's own is tried first");
    assert_eq!(auth.dmarc.map(|d| d.result), Some(AuthWord::TempError));
    assert!(auth.signals.contains(&AuthSignal::TooManySignatures));
}

/// Surplus signatures are left out before any work is done for them; the author's and what can be
/// verified go first, and what only mentions the author's domain does not.
#[tokio::test]
async fn five_thousand_signatures() {
    let mut mail = String::new();
    for n in 0..2_500 {
        write!(mail, "DKIM-Signature: v=1; a=ed25519-sha256; d=example.org.n{n}.example; s=ed; h=From;\r\n bh=")
            .unwrap();
        mail += "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n";
        write!(mail, "DKIM-Signature: v=1; d=example.org; n={n}\r\n").unwrap();
    }
    let good = sign("v=1; a=ed25519-sha256; d=mail.example.org; s=ed; h=From", &ed(""));
    mail += &good;
    let auth = check(&world(), mail.as_bytes()).await;
    let indices: Vec<_> = auth.dkim.iter().filter_map(|r| r.header_index).collect();
    assert_eq!(indices, [0, 2, 4, 6, 8, 10, 12, 14, 5_000, 5_001]);
    assert_eq!(told(&auth.dkim[8..]), "5000 pass | 5001 pass");
    assert_eq!(auth.signals, [AuthSignal::TooManySignatures, AuthSignal::BoundaryUnknown]);
}

/// Long lists over many fields: what is not signed is not looked at for each name again.
#[tokio::test]
async fn many_names_over_many_fields() {
    let names = ":X-Filler".repeat(240);
    let fields = "X-Filler: a\n".repeat(50_000);
    let mut mail = format!("{fields}{HEAD}\n{BODY}");
    for _ in 0..10 {
        mail = sign(&format!("v=1; a=ed25519-sha256; c=relaxed/simple; d=example.org; s=ed; h=From{names}"), &mail);
    }
    let auth = check(&world(), mail.as_bytes()).await;
    assert!(auth.dkim.len() == 10 && auth.dkim.iter().all(|r| r.result == AuthWord::Pass), "{}", told(&auth.dkim));
}

/// Nothing that a header or a record can hold makes the check panic.
#[tokio::test]
async fn noise() {
    let pieces = [
        "v=1",
        ";",
        "a=rsa-sha256",
        "b=",
        "AAAA",
        "=",
        "h=From",
        "d=example.org",
        "s=x",
        "l=9",
        "\u{fc}",
        " ",
        "\r\n\t",
        "i=@",
        "bh=",
        "c=relaxed",
        "i=1",
        "cv=none",
    ];
    let mut seed = 1_u64;
    let mut random = |n: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % n
    };
    for _ in 0..500 {
        let mut noise = |n| (0..random(n)).map(|_| pieces[random(pieces.len())]).collect::<String>();
        let mut zone = Zone::new();
        zone.add("x._domainkey.example.org", Record::Txt(noise(9).into_bytes()));
        zone.add("_dmarc.example.org", Record::Txt(format!("v=DMARC1; {}", noise(6)).into_bytes()));
        let mail = format!(
            "DKIM-Signature: {}\r\nARC-Seal: {}\r\nARC-Message-Signature: {}\r\nARC-Authentication-Results: {}\r\n{}",
            noise(20),
            noise(15),
            noise(20),
            noise(5),
            crlf(&mail())
        );
        check(&zone, mail.as_bytes()).await;
    }
}
