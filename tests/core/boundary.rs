//! The boundary: whole chains of Received lines as servers write them and as clients forge them, single
//! lines, properties, and what is proposed from the mails of a mailbox.

mod hops;
mod proposals;

use proptest::prelude::*;
use reply_ingest::auth::boundary::{self, Hop, Link, MAX_HOPS, Passage};
use reply_ingest::config::{Forwarder, Network, Trust};
use reply_ingest::event::{BoundaryWord, SenderSource};
use reply_ingest::message::{Mail, to_crlf};
use serde::Deserialize;
use std::fmt::Write as _;
use std::sync::LazyLock;

const TABLES: [(&str, &str); 3] = [
    ("chains", include_str!("boundary/chains.toml")),
    ("senders", include_str!("boundary/senders.toml")),
    ("hostile", include_str!("boundary/hostile.toml")),
];

#[derive(Deserialize)]
struct Table {
    chain: Vec<Chain>,
}

/// One case; see the head of chains.toml.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chain {
    name: String,
    #[serde(default = "our_hosts")]
    by: Vec<String>,
    #[serde(default = "our_networks")]
    internal: Vec<Network>,
    #[serde(default)]
    forwarders: Vec<Forwarder>,
    headers: String,
    end: BoundaryWord,
    index: Option<u32>,
    entry: Option<u32>,
    ip: Option<String>,
    helo: Option<String>,
    by_: Option<String>,
    from: Option<String>,
    source: Option<SenderSource>,
    #[serde(default)]
    conflict: bool,
}

fn our_hosts() -> Vec<String> {
    vec!["mx.ours.example".to_owned(), "store.ours.example".to_owned()]
}

fn our_networks() -> Vec<Network> {
    vec!["10.1.0.0/16".parse().expect("a network")]
}

/// The mail of a case: TOML's plain strings know no octets, so `\r`, `\0`, `\\` and `\xff` are written out.
fn mail_of(headers: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = headers;
    while let Some((before, behind)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (octet, length) = match behind.get(..1) {
            Some("r") => (b'\r', 1),
            Some("0") => (0, 1),
            Some("x") => (u8::from_str_radix(behind.get(1..3).expect("two digits"), 16).expect("hex"), 3),
            _ => (b'\\', 1),
        };
        bytes.push(octet);
        rest = behind.get(length..).expect("whole characters");
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes.extend_from_slice(b"From: ana@customer.example\nSubject: x\n\nx\n");
    to_crlf(&bytes).into_owned()
}

static CHAINS: LazyLock<Vec<(&str, Chain, Trust)>> = LazyLock::new(|| read_chains().collect());

fn read_chains() -> impl Iterator<Item = (&'static str, Chain, Trust)> {
    TABLES.into_iter().flat_map(|(table, text)| {
        // `by` is both a setting and an expectation: as a text it is the latter.
        let text: String = text
            .lines()
            .map(|l| l.strip_prefix("by = \"").map_or_else(|| format!("{l}\n"), |v| format!("by_ = \"{v}\n")))
            .collect();
        let cases: Table = toml::from_str(&text).unwrap_or_else(|e| panic!("{table}.toml: {e}"));
        cases.chain.into_iter().map(move |chain| {
            let trust = Trust {
                by: chain.by.clone(),
                internal: chain.internal.clone(),
                forwarders: chain.forwarders.clone(),
                ..Trust::default()
            };
            (table, chain, trust)
        })
    })
}

/// What the walk ends with, in words that compare and print well.
fn outcome(bytes: &[u8], trust: &Trust) -> String {
    let mail = Mail::parse(bytes);
    let walk = boundary::walk(&mail, trust);
    assert_eq!(walk.end, boundary::find(&mail, trust), "find is the end of walk");
    match walk.end {
        Err(unknown) => format!("{:?} at {:?}", unknown.why, unknown.index),
        Ok(found) => {
            let sender = found.sender.map_or("?".to_owned(), |s| {
                let address = s.address.unwrap_or_else(|| "<>".to_owned());
                format!("{address} of {:?}, conflict {}", s.source, s.conflict)
            });
            format!(
                "Found at {} entry {}: {} helo {} by {} from {sender}",
                found.index, found.entry, found.client_ip, found.helo, found.by
            )
        }
    }
}

#[test]
fn whole_chains() {
    let mut wrong = String::new();
    let mut counts = (0, 0);
    for (table, chain, trust) in CHAINS.iter() {
        counts.0 += 1;
        counts.1 += usize::from(*table == "hostile");
        let expected = if chain.end == BoundaryWord::Found {
            let by = chain.by_.clone().unwrap_or_else(|| "mx.ours.example".to_owned());
            let from = chain.from.as_deref().expect("from");
            let sender = match chain.source {
                Some(source) => format!("{from} of {source:?}, conflict {}", chain.conflict),
                None => from.to_owned(),
            };
            format!(
                "Found at {} entry {}: {} helo {} by {by} from {sender}",
                chain.index.expect("index"),
                chain.entry.or(chain.index).expect("entry"),
                chain.ip.as_deref().expect("ip"),
                chain.helo.as_deref().expect("helo"),
            )
        } else {
            format!("{:?} at {:?}", chain.end, chain.index)
        };
        let got = outcome(&mail_of(&chain.headers), trust);
        if got != expected {
            let _ = writeln!(wrong, "{table}: {}\n  expected {expected}\n  got      {got}", chain.name);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(counts.0 >= 70 && counts.1 >= 20, "{counts:?} cases");
}

#[test]
fn what_stands_below_the_boundary_changes_nothing() {
    let below = "Return-Path: <other@forged.example>\nReceived: from good.example (good.example [203.0.113.9])\n\tby \
                 mx.ours.example (Postfix) with ESMTPS id 1; Mon, 16 Nov 2026 09:00:00 +0000\nReceived: from \
                 localhost (localhost [127.0.0.1]) by mx.ours.example (Postfix) with LMTP id 2; Mon, 16 Nov 2026 \
                 09:00:00 +0000\n";
    for (table, chain, trust) in CHAINS.iter().filter(|(_, c, _)| c.end == BoundaryWord::Found) {
        let (plain, forged) = (mail_of(&chain.headers), mail_of(&format!("{}{below}", chain.headers)));
        assert_eq!(outcome(&plain, trust), outcome(&forged, trust), "{table}: {}", chain.name);
    }
}

#[test]
fn the_trace_names_every_line_on_the_way() {
    let (_, chain, trust) = CHAINS.iter().find(|(_, c, _)| c.name.contains("LMTP store")).expect("the case");
    let bytes = mail_of(&chain.headers);
    let walk = boundary::walk(&Mail::parse(&bytes), trust);
    let steps: Vec<_> = walk.steps.iter().map(|s| (s.index, s.by.as_deref().unwrap_or("-"), s.passage)).collect();
    assert_eq!(
        steps,
        [
            (0, "store.ours.example", Passage::Local),
            (1, "mx.ours.example", Passage::Inside),
            (2, "localhost", Passage::Inside),
            (3, "mx.ours.example", Passage::Boundary),
        ]
    );
    let (_, chain, trust) = CHAINS.iter().find(|(_, c, _)| c.name.contains("somebody else's line")).expect("the case");
    let bytes = mail_of(&chain.headers);
    let walk = boundary::walk(&Mail::parse(&bytes), trust);
    let steps: Vec<_> = walk.steps.iter().map(|s| s.passage).collect();
    assert_eq!(steps, [Passage::Forwarder, Passage::NotTheForwarder(BoundaryWord::NotOurHost)]);
}

#[test]
fn a_loop_of_our_own_lines_ends() {
    let line = "Received: from a (a [10.1.0.1]) by mx.ours.example (Postfix) with ESMTP id 1; Mon, 16 Nov 2026 09:00:00 +0000\n";
    let trust = Trust { by: our_hosts(), internal: our_networks(), ..Trust::default() };
    let got = outcome(&mail_of(&line.repeat(MAX_HOPS)), &trust);
    assert_eq!(got, "NoReceived at None");
    let got = outcome(&mail_of(&line.repeat(MAX_HOPS + 1)), &trust);
    assert_eq!(got, format!("TooManyHops at Some({MAX_HOPS})"));
}

#[test]
fn long_lines_and_many_lines_end() {
    let trust = Trust { by: our_hosts(), internal: our_networks(), ..Trust::default() };
    for piece in ["(", ")", "a ", "((a) ", "<", "\"", "by ", "from ", "[1.2.3.4] ", ";", "=", "\r\n "] {
        let line = format!("from a {}", piece.repeat(1_000_000 / piece.len()));
        assert!(!Hop::parse(&line).readable, "{piece:?}");
        let short = format!("from a {} by mx.ours.example", piece.repeat(16_000 / piece.len()));
        let _ = Hop::parse(&short);
    }
    let line = "Received: from a ([10.1.0.1]) by mx.ours.example with SMTP id 1; Mon, 16 Nov 2026 09:00:00 +0000\n";
    let bytes = mail_of(&line.repeat(10_000));
    assert!(outcome(&bytes, &trust).starts_with("TooManyHops"));
}

/// Pieces of lines, put together at random: more of them come near to a line than free text does.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "from",
        "by",
        "with",
        "for",
        "id",
        "via",
        "(",
        ")",
        "[",
        "]",
        "<",
        ">",
        ";",
        "\"",
        "\\",
        " ",
        "\r\n\t",
        "HELO ",
        "helo=",
        "envelope-from ",
        "mx.ours.example",
        "x",
        "[203.0.113.9]",
        "192.0.2.66",
        "(x [192.0.2.66])",
        "LMTP",
        "ESMTP",
        "encrypted",
        "local",
        "http",
        "mapi",
        "pop3",
        "mail pickup service",
        "(qmail 1 invoked by uid 0)",
        "localhost",
        "Mon, 16 Nov 2026 09:00:00 +0000",
        "é",
        "\u{fffd}",
        "IPv6:::1",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|p| p.join(" "))
}

/// What a client may say: no line ends, which no server lets pass, but everything else.
fn said() -> impl Strategy<Value = String> {
    prop_oneof![pieces().prop_map(|p| p.replace(['\r', '\n'], "")), "[ -~]{0,60}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_octets_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..400), line in pieces()) {
        let trust = Trust { by: our_hosts(), internal: our_networks(), ..Trust::default() };
        let _ = boundary::walk(&Mail::parse(&bytes), &trust);
        let mut mail = b"Received: ".to_vec();
        mail.extend_from_slice(&bytes);
        mail.extend_from_slice(b"\r\nReceived: ");
        mail.extend_from_slice(line.as_bytes());
        mail.extend_from_slice(b"\r\n\r\n");
        let _ = boundary::walk(&Mail::parse(&mail), &trust);
        let _ = Hop::parse(&line);
    }

    /// A server that writes what the client says as it is: the address is the client's or none.
    #[test]
    fn no_helo_changes_the_address(helo in said(), ptr in "[a-z.\\[\\]()]{0,12}", sender in said()) {
        let formats = [
            format!("from {helo} (ptr.example [192.0.2.66]) by mx.real.example (Postfix) with ESMTP id 1; Mon, 16 Nov 2026 09:00:00 +0000"),
            format!("from {helo} ({ptr} [192.0.2.66]) by mx.real.example with ESMTP id 1 for <a@b.example>; Mon, 16 Nov 2026 09:00:00 +0000"),
            format!("from {helo} (192.0.2.66) by mx.real.example (10.0.0.1) with Microsoft SMTP Server id 15.1; Mon, 16 Nov 2026 09:00:00 +0000"),
            format!("from [192.0.2.66] (helo={helo}) by mx.real.example with esmtp (Exim 4.98) (envelope-from <{sender}>) id 1; Mon, 16 Nov 2026 09:00:00 +0000"),
            format!("from ptr.example ([192.0.2.66] helo={helo}) by mx.real.example with esmtp (Exim 4.98) (envelope-from <{sender}>) id 1; Mon, 16 Nov 2026 09:00:00 +0000"),
            format!("from unknown (HELO {helo}) (192.0.2.66) by mx.real.example with SMTP; 16 Nov 2026 09:00:00 -0000"),
        ];
        for line in formats {
            let hop = Hop::parse(&line);
            if hop.readable {
                prop_assert_eq!(hop.ip.map(|i| i.to_string()), Some("192.0.2.66".to_owned()), "{}", line);
                prop_assert_eq!(hop.by.as_deref(), Some("mx.real.example"), "{}", line);
                prop_assert_eq!(hop.link, Link::Smtp, "{}", line);
            }
        }
    }

    #[test]
    fn no_line_below_changes_the_result(below in prop::collection::vec(pieces(), 0..4), at in 0_usize..40) {
        let all: Vec<_> = CHAINS.iter().filter(|(_, c, _)| c.end == BoundaryWord::Found && c.forwarders.is_empty()).collect();
        let (_, chain, trust) = all[at % all.len()];
        let mut forged = chain.headers.clone();
        for line in &below {
            let _ = writeln!(forged, "Received: {}", line.replace(['\r', '\n', '\\'], ""));
        }
        prop_assert_eq!(outcome(&mail_of(&chain.headers), trust), outcome(&mail_of(&forged), trust), "{}", chain.name);
    }
}
