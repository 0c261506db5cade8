//! ARC chains through the authenticator: the public validation suite, and chains that have a wrong form.

use super::dkim::{check, crlf, zone};
use reply_ingest::auth::dns::{Record, Zone};
use reply_ingest::event::ArcAuth;

fn told(arc: Option<&ArcAuth>) -> (&'static str, String) {
    arc.map_or(("none", String::new()), |a| (a.result.as_str(), a.reason.clone().unwrap_or_default()))
}

/// The public ARC suite, when it lies beside the project. Cases without an expectation may end as they
/// like, and every failure names its reason.
#[tokio::test]
async fn the_public_suite_agrees() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/suites/arc/arc-validation-tests.json");
    let Ok(json) = std::fs::read(path) else {
        println!("not run: the public ARC suite is not there");
        return;
    };
    let suite: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let (mut right, mut wrong, mut reasons) = (0, Vec::new(), Vec::new());
    for scenario in suite.as_array().unwrap() {
        let mut zone = Zone::new();
        for (name, text) in scenario["txt-records"].as_object().unwrap() {
            zone.add(name, Record::Txt(text.as_str().unwrap().as_bytes().to_vec()));
        }
        for (name, case) in scenario["tests"].as_object().unwrap() {
            let mail = crlf(case["message"].as_str().unwrap());
            let auth = check(&zone, mail.as_bytes()).await;
            let (word, reason) = told(auth.arc.as_ref());
            let wanted = case["cv"].as_str().unwrap().to_lowercase();
            if (wanted.is_empty() || word == wanted) && (word != "fail" || !reason.is_empty()) {
                right += 1;
            } else {
                wrong.push(format!("{name}: {wanted} wanted, got {word}: {reason}"));
            }
            reasons.push(format!("{name}: {word} {reason}"));
        }
    }
    println!("{}\npublic ARC suite: {right} right, {} wrong", reasons.join("\n"), wrong.len());
    assert_eq!((right, wrong.len()), (171, 0), "{}", wrong.join("\n"));
}

const MAIL: &str = "From: Ana <ana@example.org>\nSubject: Saturday\n\nI will come.\n";
const HASH: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// One set; `{…}` in `set` is what a row replaces.
fn set(i: u32, cv: &str) -> String {
    format!(
        "ARC-Seal: i={i}; a=rsa-sha256; cv={cv}; d=lists.example; s=a; b=AAAA\n\
         ARC-Message-Signature: i={i}; a=rsa-sha256; c=relaxed/relaxed; d=lists.example; s=a; h=From; bh={HASH}; b=AAAA\n\
         ARC-Authentication-Results: i={i}; lists.example; spf=pass\n"
    )
}

fn chain(length: u32) -> String {
    (1..=length).rev().map(|i| set(i, if i == 1 { "none" } else { "pass" })).collect()
}

/// What is wrong with the form of a chain is told, and no key is asked for.
#[tokio::test]
async fn forms() {
    let one = || set(1, "none");
    let sealed = "the ARC-Seals are not one for each instance";
    let table: Vec<(String, u32, &str)> = vec![
        (one().replace("ARC-Seal: i=1;", "ARC-Seal:"), 1, "ARC-Seal: i= is not valid"),
        (one().replace("ARC-Seal: i=1;", "ARC-Seal: i=51;"), 1, "ARC-Seal: i= is not valid"),
        (one().replace("ARC-Seal: i=1;", "ARC-Seal: i=001;"), 1, "ARC-Seal: i= is not valid"),
        (one().replace("cv=none", "cv=maybe"), 1, "ARC-Seal: cv= is not valid"),
        (one().replace("cv=none", "cv=pass"), 1, "the first seal's cv= is not none"),
        (one().replace("cv=none", "cv=fail"), 1, "the newest sealer says that the chain had failed"),
        (one().replace("cv=none", "cv=none; h=From"), 1, "ARC-Seal: h= is not allowed"),
        (one().replace("cv=none", "cv=none; cv=none"), 1, "ARC-Seal: the tags are not valid"),
        (one().replace("cv=none", "cv=none; t="), 1, "ARC-Seal: t= is not valid"),
        (one().replacen("rsa-sha256", "rsa-sha1", 1), 1, "ARC-Seal: a= is not valid"),
        (one().replacen("d=lists.example", "d=-", 1).replacen("d=-", "d=a..b", 1), 1, "ARC-Seal: d= is not valid"),
        (one().replace("h=From;", "h=From:arc-seal;"), 1, "ARC-Message-Signature: h= has ARC-Seal"),
        (one().replace("h=From;", ""), 1, "ARC-Message-Signature: h= is not valid"),
        (one().replace("h=From;", "h=From; l=5;"), 1, "ARC-Message-Signature: l= is not accepted"),
        (one().replace("h=From;", "h=From; t=20; x=20;"), 1, "ARC-Message-Signature: x= is not later than t="),
        (one().replace("h=From;", "h=From; x=1600000000;"), 1, "ARC-Message-Signature: it had expired at delivery"),
        (one().replace("c=relaxed/relaxed", "c="), 1, "ARC-Message-Signature: c= is not valid"),
        (one().replace(HASH, "AAAA"), 1, "ARC-Message-Signature: bh= is not valid"),
        (
            one().replace("Results: i=1;", "Results: lists.example; i=1;"),
            1,
            "ARC-Authentication-Results: i= is not valid",
        ),
        (
            one().replace("Results: i=1;", "Results: i=2;"),
            1,
            "the ARC-Authentication-Results are not one for each instance",
        ),
        (one() + &one(), 2, sealed),
        (set(2, "pass"), 1, sealed),
        (set(3, "pass") + &one(), 2, sealed),
        (set(2, "none") + &one(), 2, "a later seal's cv= is not pass"),
        (one().lines().skip(1).collect::<Vec<_>>().join("\n") + "\n", 1, sealed),
        ("ARC-Authentication-Results: i=1; lists.example; spf=pass\n".to_owned(), 1, sealed),
        (chain(51), 51, "the chain is longer than 50 sets"),
        (format!("ARC-Seal: {}\n", "x".repeat(70_000)), 1, "an ARC header is longer than 64 KiB"),
        // nothing is wrong with the form, so the rest is looked at
        (one(), 1, "the body has changed since the newest set"),
        (chain(50), 50, "the body has changed since the newest set"),
    ];
    let zone = zone("a._domainkey.lists.example TXT v=DKIM1; p=");
    for (headers, sets, want) in table {
        let auth = check(&zone, crlf(&(headers.clone() + MAIL)).as_bytes()).await;
        let arc = auth.arc.unwrap();
        assert_eq!(
            (arc.result.as_str(), arc.sets, arc.reason.as_deref()),
            ("fail", sets, Some(want)),
            "{headers:.300}"
        );
    }
    assert_eq!(check(&zone, crlf(MAIL).as_bytes()).await.arc, None);
}
