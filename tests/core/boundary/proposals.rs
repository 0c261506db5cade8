//! Trust settings proposed from the mails of a mailbox.

use reply_ingest::auth::boundary::{Proposal, propose};
use reply_ingest::config::AuthresPlace;
use reply_ingest::message::{Mail, to_crlf};

fn proposal(mails: &[String]) -> Proposal {
    let bytes: Vec<Vec<u8>> = mails.iter().map(|m| to_crlf(m.as_bytes()).into_owned()).collect();
    let mails: Vec<Mail<'_>> = bytes.iter().map(|b| Mail::parse(b)).collect();
    // The iterator's items borrow for as long as the mails do.
    propose_all(&mails)
}

fn propose_all<'a>(mails: &'a [Mail<'a>]) -> Proposal {
    propose(mails.iter())
}

/// Mails of `count` senders, each with a domain and a network of its own.
fn mails(count: usize, ours: impl Fn(usize, &str) -> String) -> Vec<String> {
    (0..count)
        .map(|n| {
            let client = format!("mail.sender{n}.example (mail.sender{n}.example [IPv6:2001:db8:{n}::7])");
            format!(
                "{}Received: from pc (pc [IPv6:2001:db8:a{n}::1]) by mail.sender{n}.example with ESMTP id 1; Mon, 16 Nov \
                 2026 09:00:00 +0000\nFrom: a@sender{n}.example\nSubject: x\n\nx\n",
                ours(n, &client)
            )
        })
        .collect()
}

fn names(proposal: &Proposal) -> Vec<&str> {
    proposal.by.iter().map(|p| p.value.as_str()).collect()
}

fn networks(proposal: &Proposal) -> Vec<String> {
    proposal.internal.iter().map(|p| format!("{}/{}", p.value.address, p.value.prefix)).collect()
}

#[test]
fn a_store_behind_two_gateways() {
    let all = mails(8, |n, client| {
        let mx = 1 + n % 2;
        format!(
            "Received: from mx{mx}.ours.example (mx{mx}.ours.example [10.1.0.{mx}]) by store.ours.example with ESMTP id \
             2;\n Mon, 16 Nov 2026 09:00:01 +0000\nAuthentication-Results: mx.ours.example; spf=pass\nReceived: from \
             {client}\n by mx{mx}.ours.example (Postfix) with ESMTPS id 1; Mon, 16 Nov 2026 09:00:00 +0000\n"
        )
    });
    let found = proposal(&all);
    assert_eq!(names(&found), ["mx1.ours.example", "mx2.ours.example", "store.ours.example"]);
    assert_eq!(networks(&found), ["10.1.0.1/32", "10.1.0.2/32"]);
    assert_eq!((found.mails, found.senders, found.found), (8, 8, 8));
    assert_eq!(found.by[2].mails, 8);
    assert_eq!((found.by[0].mails, found.by[0].senders), (4, 4));
    assert_eq!(found.authserv_ids[0].value, "mx.ours.example");
    assert_eq!(found.authserv_place, AuthresPlace::Above);
    assert_eq!(
        found.to_yaml(),
        "# From 8 mails of 8 unrelated senders. Whoever is listed here is believed: check each line.\n\
         trust:\n  by:\n    - \"mx1.ours.example\"  # 4 of 8 mails, 4 senders\n    - \"mx2.ours.example\"  # 4 of 8 \
         mails, 4 senders\n    - \"store.ours.example\"  # 8 of 8 mails, 8 senders\n  internal:\n    - \"10.1.0.1/32\"  \
         # 4 of 8 mails, 4 senders\n    - \"10.1.0.2/32\"  # 4 of 8 mails, 4 senders\n  authserv_ids:\n    - \
         \"mx.ours.example\"  # 8 of 8 mails, 8 senders\n"
    );
}

#[test]
fn many_gateways_become_a_star_and_a_network() {
    let all = mails(12, |n, client| {
        let mx = n % 4;
        format!(
            "Received: from mx{mx}.in.ours.example (mx [10.1.{mx}.9]) by store.ours.example (Postfix) with ESMTP id 2;\n Mon, \
             16 Nov 2026 09:00:01 +0000\nReceived: from {client} by mx{mx}.in.ours.example (Postfix) with ESMTPS id 1; \
             Mon, 16 Nov 2026 09:00:00 +0000\nAuthentication-Results: in.ours.example; spf=pass\n"
        )
    });
    let found = proposal(&all);
    assert_eq!(names(&found), ["*.in.ours.example", "store.ours.example"]);
    assert_eq!(networks(&found), ["10.1.0.0/16"]);
    assert_eq!(found.found, 12);
    assert_eq!(found.authserv_place, AuthresPlace::Below);
    assert!(found.to_yaml().contains("authserv_place: below"));
}

#[test]
fn google() {
    let found = proposal(&mails(6, |n, client| {
        format!(
            "Received: by 2002:a05:6102:{n}::{n} with SMTP id m1csp1; Mon, 16 Nov 2026 01:00:01 -0800 (PST)\nReceived: from \
             {client}\n by mx.google.com with ESMTPS id a1; Mon, 16 Nov 2026 01:00:00 -0800 (PST)\n"
        )
    }));
    assert_eq!(names(&found), ["mx.google.com"]);
    assert_eq!(networks(&found), ["2002:a00::/24"]);
    assert_eq!(found.found, 6);
}

/// Microsoft's own range stands in here, because the proposal knows it.
#[test]
fn microsoft() {
    let found = proposal(&mails(6, |n, client| {
        let (a, b) = (format!("DB8PR0{n}MB1.eurprd0{n}.prod.outlook.com"), format!("AM6PEPF0{n}"));
        let client = client.replace(['[', ']'], "").replace(&format!("(mail.sender{n}.example "), "(");
        format!(
            "Received: from {a} (2603:10a6:20::{n}) by AM6PR.eurprd02.prod.outlook.com with HTTPS; Mon, 16 Nov 2026 09:00:02 \
             +0000\nReceived: from {b}.eurprd04.prod.outlook.com (2603:10a6:30::{n}) by {a} (2603:10a6:20::{n}) with \
             Microsoft SMTP Server id 15.20; Mon, 16 Nov 2026 09:00:01 +0000\nReceived: from {client} by \
             {b}.mail.protection.outlook.com (10.1.1.{n}) with Microsoft SMTP Server id 15.20 via Frontend Transport; \
             Mon, 16 Nov 2026 09:00:00 +0000\nAuthentication-Results: spf=pass (sender IP is 192.0.2.1)\n \
             smtp.mailfrom=sender{n}.example; dkim=none\n"
        )
    }));
    assert_eq!(names(&found), ["*.mail.protection.outlook.com", "*.prod.outlook.com"]);
    assert_eq!(networks(&found), ["2603:10a6::/32"]);
    assert_eq!(found.found, 6);
    assert!(found.authserv_without_id.is_some());
    assert_eq!(found.authserv_place, AuthresPlace::Below);
}

#[test]
fn a_single_sender_proposes_nothing() {
    let line = "Received: from mail.evil.example (mail.evil.example [192.0.2.66]) by mx.evil.example with ESMTP id 1; Mon, 16 \
                Nov 2026 09:00:00 +0000\nFrom: a@b{n}.example\n\nx\n";
    // Any number of From domains, one network.
    let found = proposal(&(0..40).map(|n| line.replace("{n}", &n.to_string())).collect::<Vec<_>>());
    assert!(found.by.is_empty() && found.internal.is_empty() && found.authserv_ids.is_empty(), "{found:?}");
    assert!(found.to_yaml().ends_with("trust: {}\n"));
}

/// Everybody comes in from one translated address: what the senders write below must not become ours.
#[test]
fn a_translated_address_is_not_proposed_as_inside() {
    let all = mails(12, |_, client| {
        let forged = "Received: from good.example (good.example [203.0.113.9]) by mx.ours.example (Postfix) with ESMTPS id 0; Mon, 16 \
                      Nov 2026 08:00:00 +0000\n";
        let forged = if client.contains("sender3") { forged } else { "" };
        format!(
            "Received: from x (x [10.1.0.1]) by mx.ours.example (Postfix) with ESMTPS id 1; Mon, 16 Nov 2026 09:00:00 \
             +0000\n{forged}"
        )
    });
    let found = proposal(&all);
    assert!(found.internal.is_empty(), "{found:?}");
    assert_eq!(names(&found), ["mx.ours.example"]);
}

#[test]
fn a_forged_statement_in_the_slot_below_is_not_proposed() {
    let all = mails(8, |n, client| {
        let forged = if n < 3 { "Authentication-Results: mx.ours.example; spf=pass\n" } else { "" };
        format!(
            "Received: from {client} by mx.ours.example (Postfix) with ESMTPS id 1; Mon, 16 Nov 2026 09:00:00 +0000\n{forged}"
        )
    });
    let found = proposal(&all);
    assert_eq!(names(&found), ["mx.ours.example"]);
    assert!(found.authserv_ids.is_empty(), "{found:?}");
}
