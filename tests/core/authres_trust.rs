//! Authentication-Results: which headers of a whole mail are believed, and which are forged.

use proptest::prelude::*;
use reply_ingest::auth::authres::read;
use reply_ingest::auth::boundary;
use reply_ingest::config::Trust;
use reply_ingest::message::{Mail, to_crlf};
use serde_json::json;

const INSIDE: &str =
    "Received: from in.c.example (in.c.example [198.51.100.1]) by store.c.example (Postfix) with ESMTP id 2";
const BOUNDARY: &str =
    "Received: from mx.a.example (mx.a.example [192.0.2.10]) by in.c.example (Postfix) with ESMTPS id 1";
const BEFORE: &str = "Received: from pc.a.example (pc.a.example [192.0.2.77]) by mx.a.example with ESMTP id 0";
const OURS: &str =
    "Authentication-Results: in.c.example; spf=fail smtp.mailfrom=a.example; dmarc=fail header.from=a.example";
const OURS_2: &str = "Authentication-Results: store.c.example; dkim=pass header.d=a.example";
const CLAIM: &str =
    "Authentication-Results: in.c.example; spf=pass smtp.mailfrom=a.example; dmarc=pass header.from=a.example";
const CLAIM_DKIM: &str = "Authentication-Results: in.c.example; dkim=pass header.d=a.example";
const OTHER: &str = "Authentication-Results: mx.a.example; spf=pass smtp.mailfrom=a.example";
const NO_ID: &str = "Authentication-Results: spf=pass (sender IP is 192.0.2.10) smtp.mailfrom=a.example";
const FILTER: &str = "DKIM-Filter: OpenDKIM Filter v2.11.0 in.c.example 1";
const SPF_LINE: &str = "Received-SPF: pass (in.c.example: domain of x@a.example designates 192.0.2.10)";
const SPAM_LINE: &str = "X-SES-Spam-Verdict: PASS";
const SUBJECT: &str = "Subject: x";

/// What, the settings (`below`, `no-id`, `no-ids`, `no-by`), the headers, the headers trusted, whether one is forged.
const MAILS: &[(&str, &str, &[&str], &[u32], bool)] = &[
    ("above", "", &[OURS, BOUNDARY, BEFORE], &[0], false),
    ("above, two of ours", "", &[OURS_2, INSIDE, OURS, BOUNDARY], &[0, 1], false),
    ("above, below the inner line", "", &[INSIDE, OURS, BOUNDARY, OTHER, BEFORE], &[0], false),
    ("above, another's id between ours", "", &[OURS, OTHER, OURS_2, BOUNDARY], &[0, 2], false),
    ("above, other headers between", "", &[SUBJECT, OURS, SUBJECT, BOUNDARY], &[0], false),
    ("a claim at once below", "", &[OURS, BOUNDARY, CLAIM], &[0], true),
    ("a claim further below", "", &[BOUNDARY, BEFORE, SUBJECT, OTHER, CLAIM], &[], true),
    ("a claim of the other host", "", &[BOUNDARY, OURS_2], &[], true),
    ("no claim, another's id", "", &[BOUNDARY, OTHER], &[], false),
    ("no headers at all", "", &[BOUNDARY, SUBJECT], &[], false),
    ("no boundary: not one of our lines", "", &[OURS, BEFORE, CLAIM], &[], false),
    ("no boundary: no settings", "no-by", &[OURS, BOUNDARY, CLAIM], &[], false),
    ("no boundary: no line", "", &[OURS, SUBJECT], &[], false),
    ("no ids", "no-ids", &[OURS, BOUNDARY, CLAIM], &[], false),
    (
        "letter case and space of the name",
        "",
        &["AUTHENTICATION-results \t: IN.c.example; spf=pass", BOUNDARY],
        &[0],
        false,
    ),
    ("the same below", "", &[BOUNDARY, "authentication-RESULTS : In.C.example; spf=pass"], &[], true),
    ("a quoted id", "", &["Authentication-Results: \"in.c.example\"; spf=pass", BOUNDARY], &[0], false),
    ("a quoted id below", "", &[BOUNDARY, "Authentication-Results: \"in\\.c.example\" (x) 1; none"], &[], true),
    ("a folded claim", "", &[BOUNDARY, "Authentication-Results:\r\n\t(x)\r\n\tin.c.example;\r\n\tspf=pass"], &[], true),
    ("another version", "", &["Authentication-Results: in.c.example 2; spf=pass", BOUNDARY], &[], false),
    (
        "an id with more behind it",
        "",
        &["Authentication-Results: in.c.example x.example; spf=pass", BOUNDARY],
        &[],
        false,
    ),
    ("an id in a comment", "", &["Authentication-Results: (in.c.example) x.example; spf=pass", BOUNDARY], &[], false),
    ("an id with a slash", "", &["Authentication-Results: in.c.example/1; spf=pass", BOUNDARY], &[], false),
    (
        "an id that only folds to ours",
        "",
        &["Authentication-Results: \u{131}n.c.example; spf=pass", BOUNDARY],
        &[],
        false,
    ),
    ("an id below ours", "", &["Authentication-Results: x.in.c.example; spf=pass", BOUNDARY], &[], false),
    ("another header's name", "", &["X-Authentication-Results: in.c.example; spf=pass", BOUNDARY], &[], false),
    ("ARC's header", "", &[BOUNDARY, "ARC-Authentication-Results: i=1; in.c.example; spf=pass"], &[], false),
    ("no id, not in the settings", "", &[NO_ID, BOUNDARY], &[], false),
    ("no id, in the settings", "no-id", &[NO_ID, BOUNDARY, NO_ID], &[0], false),
    ("no id, and no ids", "no-id no-ids", &[NO_ID, OURS, BOUNDARY, CLAIM], &[0], false),
    ("no id below the inner line", "no-id", &[INSIDE, OTHER, NO_ID, BOUNDARY], &[1], false),
    ("an odd id is not no id", "no-id", &["Authentication-Results: in.c.example x=y; spf=pass", BOUNDARY], &[], false),
    ("below: the slot", "below", &[BOUNDARY, OURS, SUBJECT], &[0], false),
    ("below: above counts as well", "below", &[OURS_2, BOUNDARY, OURS, BEFORE], &[0, 1], false),
    ("below: behind the milter's own line", "below", &[BOUNDARY, FILTER, OURS, SUBJECT], &[0], false),
    ("below, behind Google's Received-SPF", "below", &[BOUNDARY, SPF_LINE, OURS, SUBJECT], &[0], false),
    ("below, behind Amazon's verdicts", "below", &[BOUNDARY, SPAM_LINE, OURS, SUBJECT], &[0], false),
    ("below: only the first counts", "below", &[BOUNDARY, OURS, OURS_2, FILTER, CLAIM_DKIM, SUBJECT], &[0], false),
    ("below: a claim against ours", "below", &[BOUNDARY, OURS, CLAIM, SUBJECT], &[0], true),
    ("below: a claim behind another of ours", "below", &[BOUNDARY, OURS, FILTER, OURS_2, CLAIM], &[0], true),
    ("below: the run ends at another's id", "below", &[BOUNDARY, OURS, OTHER, CLAIM_DKIM], &[0], true),
    ("below: the run ends at any header", "below", &[BOUNDARY, OURS, SUBJECT, CLAIM_DKIM], &[0], true),
    ("below: another header in the slot", "below", &[BOUNDARY, SUBJECT, CLAIM], &[], true),
    ("below: another's id in the slot", "below", &[BOUNDARY, OTHER, CLAIM], &[], true),
    ("below: another's Received in the slot", "below", &[BOUNDARY, BEFORE, CLAIM], &[], true),
    ("below: not below the inner line alone", "below", &[INSIDE, OURS, SUBJECT, BOUNDARY, OURS_2], &[0, 1], false),
    ("below: no id in the slot", "below no-id", &[BOUNDARY, NO_ID, NO_ID], &[0], false),
    (
        "below: an id that cannot be read",
        "below",
        &[BOUNDARY, "Authentication-Results: in.c.example 2; none", CLAIM],
        &[],
        true,
    ),
];

fn trust(settings: &str) -> Trust {
    let has = |word: &str| settings.split(' ').any(|w| w == word);
    let list = |off: &str, items: &[&str]| if has(off) { json!([]) } else { json!(items) };
    serde_json::from_value(json!({
        "by": list("no-by", &["in.c.example", "store.c.example"]),
        "internal": ["198.51.100.0/24"],
        "authserv_ids": list("no-ids", &["in.C.example", "store.c.example"]),
        "authserv_without_id": has("no-id"),
        "authserv_place": if has("below") { "below" } else { "above" },
    }))
    .expect("settings")
}

fn read_mail(bytes: &[u8], settings: &str) -> (Vec<u32>, bool) {
    let trust = trust(settings);
    let bytes = to_crlf(bytes);
    let mail = Mail::parse(&bytes);
    let boundary = boundary::find(&mail, &trust).ok();
    let found = read(&mail, &trust, boundary.as_ref());
    (found.trusted.iter().map(|s| s.header_index.expect("an index")).collect(), found.forged)
}

#[test]
fn whom_to_believe() {
    assert!(MAILS.len() >= 20);
    for (about, settings, headers, trusted, forged) in MAILS {
        let mail = format!("{}\r\n\r\nbody\r\n", headers.join("\r\n"));
        assert_eq!(read_mail(mail.as_bytes(), settings), (trusted.to_vec(), *forged), "{about}");
    }
}

#[test]
fn a_header_that_is_not_utf8_is_read_and_counted() {
    let raw = b"Authentication-Results: mx.a.example; spf=pass (\xff)\r\nAuthentication-Results: in.c.example; \
                spf=pass (\xe9t\xe9) smtp.mailfrom=a.example\r\n";
    let mail =
        [raw, BOUNDARY.as_bytes(), b"\r\n", b"Authentication-Results: in.c.example; x=\xff\r\n\r\nbody"].concat();
    assert_eq!(read_mail(&mail, ""), (vec![1], true));
}

#[test]
fn many_headers_are_bounded_and_none_hides_a_claim() {
    let many = |line: &str| format!("{line}\r\n").repeat(200);
    let mail = format!("{}{BOUNDARY}\r\n{}{CLAIM}\r\n\r\n", many(OURS), many(OTHER));
    let (trusted, forged) = read_mail(mail.as_bytes(), "");
    assert_eq!((trusted.len(), forged), (50, true));
}

proptest! {
    #[test]
    fn no_mail_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for settings in ["", "below no-id"] {
            let ours: &[u8] = b"Authentication-Results: ";
            let mail = [ours, &bytes, b"\r\n", BOUNDARY.as_bytes(), b"\r\n", &bytes].concat();
            let _ = read_mail(&mail, settings);
        }
    }
}
