//! Single Received lines.

use reply_ingest::auth::boundary::{Hop, Link};

#[test]
fn lines_of_the_servers_in_the_field() {
    // line, HELO, reverse name, client address, by, link, envelope sender
    let table: [(&str, &str, &str, &str, &str, Link, &str); 28] = [
        (
            "from mx.a.example (ptr.a.example [192.0.2.10])\r\n\tby in.c.example (Postfix) with ESMTPS id 4ABC; Mon, 16 Nov 2026 09:12:33 +0000",
            "mx.a.example",
            "ptr.a.example",
            "192.0.2.10",
            "in.c.example",
            Link::Smtp,
            "",
        ),
        (
            "from [198.51.100.9] (unknown [192.0.2.11]) by in.c.example (Postfix) with SMTP",
            "[198.51.100.9]",
            "",
            "192.0.2.11",
            "in.c.example",
            Link::Smtp,
            "",
        ),
        (
            "from mx.a.example ([192.0.2.12] helo=other.a.example) by in.c.example with esmtps (Exim 4.96) (envelope-from <x@a.example>) id 1abc",
            "other.a.example",
            "mx.a.example",
            "192.0.2.12",
            "in.c.example",
            Link::Smtp,
            "<x@a.example>",
        ),
        (
            "from [192.0.2.13] (helo=mx.a.example) by in.c.example with esmtp (Exim 4.96)",
            "mx.a.example",
            "",
            "192.0.2.13",
            "in.c.example",
            Link::Smtp,
            "",
        ),
        (
            "from 192.0.2.13(helo=mx.a.example) by in.c.example with esmtpa (Exim 4.69) (envelope-from ) id N",
            "mx.a.example",
            "",
            "192.0.2.13",
            "in.c.example",
            Link::Smtp,
            "",
        ),
        (
            "from mx.a.example (192.0.2.14) by in.c.example (2001:db8::1) with Microsoft SMTP Server",
            "mx.a.example",
            "",
            "192.0.2.14",
            "in.c.example",
            Link::Smtp,
            "",
        ),
        (
            "from unknown (HELO mx.a.example) (192.0.2.15) by in.c.example with SMTP",
            "mx.a.example",
            "",
            "192.0.2.15",
            "in.c.example",
            Link::Smtp,
            "",
        ),
        (
            "from ptr.a.example (HELO ) (x@2001:db8::15) by in.c.example with SMTP",
            "",
            "ptr.a.example",
            "2001:db8::15",
            "in.c.example",
            Link::Smtp,
            "",
        ),
        (
            "from mx.a.example (mx.a.example [IPv6:2001:db8::25]) by in.c.example with ESMTPS",
            "mx.a.example",
            "mx.a.example",
            "2001:db8::25",
            "in.c.example",
            Link::Smtp,
            "",
        ),
        (
            "from mx.a.example (mx.a.example [::ffff:192.0.2.25]) by in.c.example with ESMTPS",
            "mx.a.example",
            "mx.a.example",
            "192.0.2.25",
            "in.c.example",
            Link::Smtp,
            "",
        ),
        (
            "from in.c.example by store.c.example with LMTP id abc",
            "in.c.example",
            "",
            "",
            "store.c.example",
            Link::Local,
            "",
        ),
        ("by in.c.example (Postfix, from userid 0) id 4ABC; Mon", "", "", "", "in.c.example", Link::Local, ""),
        (
            "from o.bigmail.example (o.bigmail.example. [192.0.2.41]) by mx.google.com with SMTPS id x",
            "o.bigmail.example",
            "o.bigmail.example",
            "192.0.2.41",
            "mx.google.com",
            Link::Smtp,
            "",
        ),
        (
            "by 2002:a05:6102:: with SMTP id x; Mon, 16 Nov 2026 01:12:34 -0800 (PST)",
            "",
            "",
            "",
            "2002:a05:6102::",
            Link::Nameless,
            "",
        ),
        ("by 10.1.1.1 with HTTP; Mon, 16 Nov 2026 01:12:34 -0800 (PST)", "", "", "", "10.1.1.1", Link::Store, ""),
        ("from A ([fe80::1%22]) by B ([fe80::2%22]) with mapi id 14.02", "A", "", "fe80::1", "B", Link::Submitted, ""),
        (
            "from pop.a.example [192.0.2.16] by box.c.example with IMAP (fetchmail-6.4.39) for <x@box>",
            "pop.a.example",
            "",
            "192.0.2.16",
            "box.c.example",
            Link::Pull,
            "",
        ),
        (
            "from mx.a.example [192.0.2.16] by in.c.example with ESMTP (SMTPD-9.23) id A1",
            "mx.a.example",
            "",
            "192.0.2.16",
            "in.c.example",
            Link::Smtp,
            "",
        ),
        (
            "from mx.a.example [192.0.2.16] by in.c.example with ESMTP id A1",
            "mx.a.example",
            "",
            "",
            "in.c.example",
            Link::Smtp,
            "",
        ),
        (
            "from [192.0.2.16] (account ana@c.example HELO laptop) by in.c.example (CommuniGate Pro SMTP 6.2)",
            "laptop",
            "",
            "192.0.2.16",
            "in.c.example",
            Link::Smtp,
            "",
        ),
        ("(qmail 21874 invoked for bounce); 16 Nov 2026 09:12:33 -0000", "", "", "", "", Link::Qmail, ""),
        (
            "(from root@localhost) by in.c.example (8.15.2/8.15.2/Submit) id 4AG",
            "",
            "",
            "",
            "in.c.example",
            Link::Local,
            "",
        ),
        (
            "from localhost by in.c.example with SpamAssassin (version 4.0.1); Mon, 16 Nov 2026 09:12:33 +0000",
            "localhost",
            "",
            "",
            "in.c.example",
            Link::Local,
            "",
        ),
        (
            "FROM x (Y [192.0.2.16]) BY in.c.example. WITH ESMTP ID 1",
            "x",
            "Y",
            "192.0.2.16",
            "in.c.example",
            Link::Smtp,
            "",
        ),
        (
            "from in.c.example (LHLO in.c.example) (192.0.2.97) by in.c.example with LMTP; Mon, 16 Nov 2026 09:12:33 +0000",
            "in.c.example",
            "in.c.example",
            "192.0.2.97",
            "in.c.example",
            Link::Local,
            "",
        ),
        (
            "from ptr ([192.0.2.17]:34795 \"EHLO mx.a.example\") by in.c.example with ESMTP id S9; Mon, 16 Nov 2026 09:12:33 +0000",
            "mx.a.example",
            "ptr",
            "192.0.2.17",
            "in.c.example",
            Link::Smtp,
            "",
        ),
        (
            "from mx.a.example ([192.0.2.17] [192.0.2.17]) by in.c.example with ESMTP id <1@x>",
            "mx.a.example",
            "",
            "192.0.2.17",
            "in.c.example",
            Link::Smtp,
            "",
        ),
        (
            "from ana@a.example by in.c.example by uid 89 with qmail-scanner-1.25 (clamdscan: 1. Clear:RC:0(192.0.2.1):.)",
            "ana@a.example",
            "",
            "",
            "in.c.example",
            Link::Local,
            "",
        ),
    ];
    for (line, helo, ptr, ip, by, link, sender) in table {
        let hop = Hop::parse(line);
        assert!(hop.readable, "{line}");
        assert_eq!(hop.helo.unwrap_or_default(), helo, "{line}");
        assert_eq!(hop.ptr.unwrap_or_default(), ptr, "{line}");
        assert_eq!(hop.ip.map(|i| i.to_string()).unwrap_or_default(), ip, "{line}");
        assert_eq!(hop.by.unwrap_or_default(), by, "{line}");
        assert_eq!(hop.link, link, "{line}");
        assert_eq!(hop.envelope_from.unwrap_or_default(), sender, "{line}");
    }
}

#[test]
fn lines_that_can_be_read_in_two_ways() {
    let table = [
        "",
        "garbage",
        "from x",
        "from x by",
        "by (Postfix) id 1",
        "from x (y [192.0.2.1]) by a by b",
        "from x (y [192.0.2.1]) z by a",
        "from x (y [192.0.2.1] [192.0.2.2]) by a",
        "from x (y [192.0.2.1]) [192.0.2.2] by a",
        "from x (y [192.0.2.1]) (192.0.2.2) by a",
        "from x (y [192.0.2.1] by a",
        "from x y) by a",
        "from x (y [192.0.2.1]) by a; Mon by b",
        "from x (y [192.0.2.1]) by a; Mon; Tue",
        "from x (y [192.0.2.1]) by a; Mon [192.0.2.2]",
        "from x (y [192.0.2.1])\r\nby a",
        "from x\u{0} (y [192.0.2.1]) by a",
        "from <x> (y [192.0.2.1]) by a",
        "from x (envelope-from <a@b.example>) (y [192.0.2.1]) by a",
        "(qmail 1 invoked by uid 0) from x (y [192.0.2.1])",
    ];
    for line in table {
        assert_eq!(Hop::parse(line), Hop::default(), "{line:?}");
    }
}

/// Lines of real mails, where they are at hand: nearly all must be readable, none may bring the reader down.
#[test]
fn lines_of_the_shared_mails() {
    let Ok(folder) = std::fs::read_dir("../shared/corpus/mail") else { return };
    let (mut all, mut readable, mut addressed) = (0_u32, 0_u32, 0_u32);
    for file in folder.flatten() {
        let bytes = std::fs::read(file.path()).expect("reads");
        let bytes = reply_ingest::message::to_crlf(&bytes).into_owned();
        let mail = reply_ingest::message::Mail::parse(&bytes);
        for line in mail.headers_raw("Received") {
            let hop = Hop::parse(&line);
            all += 1;
            readable += u32::from(hop.readable);
            addressed += u32::from(hop.ip.is_some() || hop.link != Link::Smtp);
            if !hop.readable && std::env::var_os("SHOW_UNREADABLE").is_some() {
                println!("unreadable: {line:?}");
            }
        }
    }
    println!("{all} lines, {readable} readable, {addressed} with a client's address or none needed");
    assert!(readable * 100 >= all * 95, "{readable} of {all}");
}
