//! SPF: known answers for the sections of RFC 7208, hostile records, and the public test suite when
//! it is there. The zones and records are our own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use reply_ingest::auth::dns::{self, Cached, Code, Record, RecordType, Resolver, SystemResolver, Zone};
use reply_ingest::auth::spf::{self, Identity, Limits, Query, SpfOutcome};
use reply_ingest::demo::DnsServer;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const TYPES: [RecordType; 5] = [RecordType::A, RecordType::Aaaa, RecordType::Mx, RecordType::Ptr, RecordType::Txt];

/// Lines of name, type, data. The type `-` with data `timeout` or `servfail` goes for every type.
fn zone(text: &str) -> Zone {
    let mut zone = Zone::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.splitn(3, ' ');
        let (name, rtype, data) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        match rtype {
            "A" => zone.add(name, Record::A(data.parse().unwrap())),
            "AAAA" => zone.add(name, Record::Aaaa(data.parse().unwrap())),
            "MX" => {
                let (preference, exchange) = data.split_once(' ').unwrap_or((data, ""));
                let preference = preference.parse().unwrap();
                zone.add(name, Record::Mx { preference, exchange: exchange.to_owned() });
            }
            "PTR" => zone.add(name, Record::Ptr(data.to_owned())),
            "TXT" => zone.add(name, Record::Txt(data.as_bytes().to_vec())),
            _ => {
                let code = if data == "timeout" { Code::TimedOut } else { Code::ServFail };
                for rtype in TYPES {
                    zone.add_code(name, rtype, code);
                }
            }
        }
    }
    zone
}

/// What all cases share. The case's own record stands at case.example.com, whose address is
/// 192.0.2.10 and `2001:db8::10`.
const WORLD: &str = "
    case.example.com A 192.0.2.10
    case.example.com AAAA 2001:db8::10
    case.example.com MX 10 mx.example.com
    mx.example.com A 192.0.2.25
    mx.example.com AAAA 2001:db8::25
    four.example.com A 192.0.2.40
    six.example.com AAAA 2001:db8::60
    sixes.example.com MX 10 six.example.com
    sixes.example.com MX 20 sixer.example.com
    sixer.example.com AAAA 2001:db8::61
    many.example.com A 192.0.2.41
    many.example.com A 198.51.100.41
    nullmx.example.com MX 0
    dotmx.example.com MX 0 .
    slowmx.example.com MX 5 mx.example.com
    slowmx.example.com MX 10 slow.example.com
    text.example.com TXT no policy here
    pass.example.com TXT v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all
    soft.example.com TXT v=spf1 ~all
    neutral.example.com TXT v=spf1 ?all
    fail.example.com TXT v=spf1 -all
    open.example.com TXT v=spf1
    broken.example.com TXT v=spf1 ip4:192.0.2.0/33 +all
    own.example.com TXT v=spf1 a -all
    own.example.com A 192.0.2.77
    mapped.example.com AAAA ::ffff:192.0.2.1
    slow.example.com - timeout
    sick.example.com - servfail
    10.2.0.192.in-addr.arpa PTR gone.example.com
    10.2.0.192.in-addr.arpa PTR forged.example.net
    10.2.0.192.in-addr.arpa PTR slow.example.com
    10.2.0.192.in-addr.arpa PTR CASE.Example.com.
    11.2.0.192.in-addr.arpa PTR forged.example.net
    forged.example.net A 203.0.113.9
    12.2.0.192.in-addr.arpa PTR notcase.example.com
    12.2.0.192.in-addr.arpa PTR out.case.example.com
    out.case.example.com A 192.0.2.12
    notcase.example.com A 192.0.2.12
    notcase.example.com A 192.0.2.13
    13.2.0.192.in-addr.arpa PTR notcase.example.com
    14.2.0.192.in-addr.arpa - timeout
    0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR case.example.com
    192.0.2.1.listed.example.com A 127.0.0.2
    2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.listed.example.com A 127.0.0.2
    1.2.0.192.in-addr.rev.example.com A 127.0.0.2
    user.local.example.com A 127.0.0.2
    user@case.example.com.sender.example.com A 127.0.0.2
    tag.name.local.example.com A 127.0.0.2
    name.last.example.com A 127.0.0.2
    com.example.case.turned.example.com A 127.0.0.2
    helo.example.org.helo.example.com A 127.0.0.2
    case.example.com.named.example.com A 127.0.0.2
    out.case.example.com.named.example.com A 127.0.0.2
    notcase.example.com.other.example.com A 127.0.0.2
    unknown.named.example.com A 127.0.0.2
    a%b_c%20d.example.com A 127.0.0.2
    user%2btag.escaped.example.com A 127.0.0.2
    why.example.com TXT %{i} may not send for %{d}, says %{r} at %{t} (100%%%_sure)
    why2.example.com TXT one
    why2.example.com TXT two
    why3.example.com TXT The %{x} is wrong
    why4.example.com TXT Caf\u{e9}
    why5.example.com TXT See http://example.com/?s=%{S}&h=%{h}&p=%{p}
    why6.example.com TXT %{l}
    explained.example.com TXT v=spf1 exp=why.example.com -all
";

fn run(zone: &dyn Resolver, ip: &str, helo: &str, mail_from: &str) -> SpfOutcome {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(check(zone, ip, helo, mail_from))
}

async fn check(zone: &dyn Resolver, ip: &str, helo: &str, mail_from: &str) -> SpfOutcome {
    let query =
        Query { client_ip: ip.parse().unwrap(), helo, mail_from, receiver: "mx.example.net", now: 1_700_000_000 };
    spf::check_host(zone, &Limits::default(), &query).await
}

/// Record, client, expected word, section. HELO is helo.example.org, the sender user@case.example.com.
fn records(rows: &[(&str, &str, &str, &str)]) {
    let world = zone(WORLD);
    for &(record, ip, want, section) in rows {
        let mut zone = world.clone();
        zone.add("case.example.com", Record::Txt(record.as_bytes().to_vec()));
        let got = run(&zone, ip, "helo.example.org", "user@case.example.com");
        assert_eq!(got.result.as_str(), want, "section {section}: {record:?} for {ip}: {got:?}");
        let without_verdict = matches!(want, "none" | "temperror" | "permerror");
        assert_eq!(got.problem.is_some(), without_verdict, "{record:?}: {got:?}");
    }
}

/// Record at case.example.com, HELO, sender, expected word, section. The client is 192.0.2.1.
fn senders(rows: &[(&str, &str, &str, &str, &str)]) {
    let world = zone(WORLD);
    for &(record, helo, from, want, section) in rows {
        let mut zone = world.clone();
        zone.add("case.example.com", Record::Txt(record.as_bytes().to_vec()));
        let got = run(&zone, "192.0.2.1", helo, from);
        assert_eq!(got.result.as_str(), want, "section {section}: {record:?} for {helo:?} {from:?}: {got:?}");
    }
}

#[test]
fn section_2_identities() {
    let world = zone(
        "case.example.com TXT v=spf1 -all
        helo.example.org TXT v=spf1 exists:%{s}.example.org ?all
        postmaster@helo.example.org.example.org A 127.0.0.2",
    );
    let got = run(&world, "192.0.2.1", "Helo.example.org.", "");
    let seen = (got.result.as_str(), got.identity, got.domain.as_str(), got.mechanism.as_deref());
    assert_eq!(seen, ("pass", Identity::Helo, "helo.example.org", Some("exists:%{s}.example.org")), "2.4");
    let got = run(&world, "192.0.2.1", "helo.example.org", "User@Case.Example.com");
    let seen = (got.result.as_str(), got.identity, got.domain.as_str(), got.mechanism.as_deref());
    assert_eq!(seen, ("fail", Identity::MailFrom, "case.example.com", Some("-all")), "2.2");
    assert_eq!((Identity::MailFrom.as_str(), Identity::Helo.as_str()), ("mailfrom", "helo"));
}

#[test]
fn section_4_3_what_is_no_domain_gets_none() {
    let all = "v=spf1 +all";
    let label = |n: usize| format!("u@{}.example.com", "a".repeat(n));
    let name = format!("u@{}example.com", "abcdefghi.".repeat(25));
    let long_local = format!("{}@case.example.com", "a".repeat(2000));
    senders(&[
        (all, "helo.example.org", "user@case.example.com", "pass", "4.3"),
        (all, "helo.example.org", "user@CASE.Example.Com.", "pass", "4.3"),
        (all, "helo.example.org", "a@b@case.example.com", "pass", "4.3"),
        (all, "helo.example.org", "case.example.com", "pass", "4.3"),
        (all, "case.example.com", "", "pass", "2.4"),
        ("v=spf1 exists:%{l}.local.example.com -all", "h", "@case.example.com", "fail", "4.3"),
        (all, "helo.example.org", "user@localhost", "none", "4.3"),
        (all, "helo.example.org", "user@", "none", "4.3"),
        (all, "helo.example.org", "user@.", "none", "4.3"),
        (all, "helo.example.org", "user@case..example.com", "none", "4.3"),
        (all, "helo.example.org", "user@.case.example.com", "none", "4.3"),
        (all, "helo.example.org", "user@case.example.com..", "none", "4.3"),
        (all, "helo.example.org", "user@[192.0.2.1]", "none", "4.3"),
        (all, "helo.example.org", "user@192.0.2.1", "none", "4.3"),
        (all, "helo.example.org", "user@case example.com", "none", "4.3"),
        (all, "helo.example.org", "user@case.example.com\r\n", "none", "4.3"),
        (all, "helo.example.org", "user@ca\0se.example.com", "none", "4.3"),
        (all, "helo.example.org", "user@c\u{e4}se.example.com", "none", "4.3"),
        (all, "helo.example.org", &label(63), "none", "4.3: no such name"),
        (all, "helo.example.org", &label(64), "none", "4.3"),
        (all, "helo.example.org", &name, "none", "4.3"),
        (all, "helo.example.org", &long_local, "none", "4.3"),
        (all, "HELO-NAME", "", "none", "4.3"),
        (all, "[192.0.2.1]", "", "none", "4.3"),
        (all, "", "", "none", "4.3"),
        (all, "helo.example.org", "user@nowhere.example.com", "none", "4.3"),
    ]);
}

#[test]
fn sections_4_4_to_4_7_records() {
    let here = "192.0.2.1";
    records(&[
        ("v=spf1 -all", here, "fail", "4.5"),
        ("V=SPF1 -all", here, "fail", "4.5"),
        ("v=spf1", here, "neutral", "4.7"),
        ("v=spf1   ", here, "neutral", "4.5"),
        ("v=spf1  -all  ", here, "fail", "4.6.1"),
        ("v=spf10 -all", here, "none", "4.5"),
        ("v=spf1;-all", here, "none", "4.5"),
        ("v=spf2.0/pra -all", here, "none", "4.5"),
        ("\"v=spf1 -all\"", here, "none", "4.5"),
        ("v=spf1 ip4:192.0.2.1 -all moo", here, "permerror", "4.6"),
        ("v=spf1 +all a:192.0.2.300", here, "permerror", "4.6"),
        ("v=spf1 ip4:192.0.2.1\t-all", here, "permerror", "4.6.1"),
        ("v=spf1 ip4:192.0.2.1\n", here, "permerror", "4.6.1"),
        ("v=spf1 +all \0", here, "permerror", "4.6.1"),
        ("v=spf1 +all x=\u{e9}", here, "permerror", "3.1"),
        ("v=spf1 ALL", here, "pass", "4.6.1"),
        ("v=spf1 +aLL", here, "pass", "4.6.2"),
        ("v=spf1 ?all", here, "neutral", "4.6.2"),
        ("v=spf1 ~all", here, "softfail", "4.6.2"),
        ("v=spf1 ~ all", here, "permerror", "4.6.2"),
        ("v=spf1 -ip4:192.0.2.1 +all", here, "fail", "4.6.2"),
        ("v=spf1 redirect=fail.example.com ip4:192.0.2.1", here, "pass", "4.6.3"),
    ]);
    let senders_of = |zone: &Zone, domain: &str| run(zone, here, "helo.example.org", &format!("u@{domain}"));
    let world = zone(WORLD);
    assert_eq!(senders_of(&world, "slow.example.com").result.as_str(), "temperror", "4.4");
    assert_eq!(senders_of(&world, "sick.example.com").result.as_str(), "temperror", "4.4");
    assert_eq!(senders_of(&world, "text.example.com").result.as_str(), "none", "4.5");
    assert_eq!(senders_of(&world, "four.example.com").result.as_str(), "none", "4.5");
    let two = zone(
        "a.example TXT v=spf1 +all
        b.a.example TXT v=spf1 +all
        b.a.example TXT v=spf1 +all
        c.a.example TXT v=spf1 +all
        c.a.example TXT something=else",
    );
    assert_eq!(senders_of(&two, "a.example").result.as_str(), "pass", "4.5");
    assert_eq!(senders_of(&two, "b.a.example").result.as_str(), "permerror", "4.5: even when they agree");
    assert_eq!(senders_of(&two, "c.a.example").result.as_str(), "pass", "4.5");
}

#[test]
fn section_4_6_4_limits() {
    let here = "192.0.2.1";
    let a = |n: usize| format!("v=spf1 {} ip4:192.0.2.1 -all", "a ".repeat(n));
    let with = |n: usize, more: &str| format!("v=spf1 {} {more} -all", "a ".repeat(n));
    records(&[
        (&a(10), here, "pass", "4.6.4"),
        (&a(11), here, "permerror", "4.6.4"),
        (&with(9, "mx"), here, "fail", "4.6.4"),
        (&with(9, "mx ptr"), here, "permerror", "4.6.4"),
        (&with(9, "exists:four.example.com"), here, "pass", "4.6.4"),
        (&with(10, "exists:four.example.com"), here, "permerror", "4.6.4"),
        (&with(9, "include:pass.example.com"), here, "pass", "4.6.4"),
        (&with(10, "include:pass.example.com"), here, "permerror", "4.6.4"),
        (&with(9, "include:own.example.com"), here, "permerror", "4.6.4: the limit is for all records"),
        (&with(8, "include:own.example.com"), here, "fail", "4.6.4"),
        (&with(9, "").replace("-all", "redirect=fail.example.com"), here, "fail", "4.6.4"),
        (&with(10, "").replace("-all", "redirect=fail.example.com"), here, "permerror", "4.6.4"),
        (&format!("v=spf1 {}+all", "ip4:198.51.100.1 ".repeat(100)), here, "pass", "4.6.4"),
        ("v=spf1 a:x.example.com a:y.example.com -all", here, "fail", "4.6.4"),
        ("v=spf1 a:x.example.com a:y.example.com a:z.example.com -all", here, "permerror", "4.6.4"),
        ("v=spf1 a:six.example.com mx:four.example.com exists:six.example.com -all", here, "permerror", "4.6.4"),
        ("v=spf1 a:x.example.com a:x.example.com a:x.example.com -all", here, "permerror", "4.6.4"),
        ("v=spf1 a:x..example.com a:y..example.com a:z..example.com -all", here, "fail", "4.6.4: never asked"),
        ("v=spf1 mx:sixes.example.com a:x.example.com -all", here, "fail", "4.6.4: one void a term"),
        ("v=spf1 mx:sixes.example.com a:x.example.com a:y.example.com -all", here, "permerror", "4.6.4"),
        ("v=spf1 mx:nullmx.example.com mx:dotmx.example.com mx:nullmx.example.com -all", here, "fail", "4.6.4"),
        ("v=spf1 ptr a:x.example.com a:y.example.com -all", here, "permerror", "4.6.4"),
        ("v=spf1 ptr a:x.example.com a:y.example.com -all", "192.0.2.11", "fail", "4.6.4: names that are not valid"),
        ("v=spf1 ptr a:x.example.com a:y.example.com -all", "192.0.2.14", "fail", "5.5: no answer is no void lookup"),
    ]);
    for (hosts, want) in [(10, "fail"), (11, "permerror")] {
        let mut world = zone("case.example.com TXT v=spf1 mx -all\nhost.example.com A 198.51.100.1");
        for preference in 0..hosts {
            world.add("case.example.com", Record::Mx { preference, exchange: "host.example.com".to_owned() });
        }
        let got = run(&world, here, "helo.example.org", "u@case.example.com");
        assert_eq!(got.result.as_str(), want, "4.6.4: {hosts} mail hosts");
    }
    for (before, want) in [(9, "pass"), (10, "fail")] {
        let mut world = zone("case.example.com TXT v=spf1 ptr -all\ncase.example.com A 192.0.2.1");
        for n in 0..before {
            world.add("1.2.0.192.in-addr.arpa", Record::Ptr(format!("n{n}.example.net")));
        }
        world.add("1.2.0.192.in-addr.arpa", Record::Ptr("case.example.com".to_owned()));
        let got = run(&world, here, "helo.example.org", "u@case.example.com");
        assert_eq!(got.result.as_str(), want, "4.6.4: {before} names before the right one");
    }
}

#[test]
fn sections_5_1_to_5_4_mechanisms() {
    let (here, mapped, six) = ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1");
    records(&[
        ("v=spf1 ip4:192.0.2.1 -all", mapped, "pass", "5: a v4-mapped client is v4"),
        ("v=spf1 ip6:::ffff:192.0.2.1 -all", mapped, "fail", "5"),
        ("v=spf1 ip6:::/0 -all", mapped, "fail", "5"),
        ("v=spf1 a:mapped.example.com//0 -all", mapped, "fail", "5"),
        ("v=spf1 ?all -all", here, "neutral", "5.1"),
        ("v=spf1 all: -all", here, "permerror", "5.1"),
        ("v=spf1 include:pass.example.com ~all", here, "pass", "5.2"),
        ("v=spf1 ?include:pass.example.com ~all", here, "neutral", "5.2"),
        ("v=spf1 include:fail.example.com ~all", here, "softfail", "5.2"),
        ("v=spf1 include:soft.example.com -all", here, "fail", "5.2"),
        ("v=spf1 include:neutral.example.com -all", here, "fail", "5.2"),
        ("v=spf1 include:open.example.com -all", here, "fail", "5.2"),
        ("v=spf1 include:broken.example.com -all", here, "permerror", "5.2"),
        ("v=spf1 include:text.example.com -all", here, "permerror", "5.2"),
        ("v=spf1 include:nowhere.example.com -all", here, "permerror", "5.2"),
        ("v=spf1 include:x..example.com -all", here, "permerror", "5.2"),
        ("v=spf1 include:slow.example.com -all", here, "temperror", "5.2"),
        ("v=spf1 include:own.example.com -all", "192.0.2.77", "pass", "5.2: a is the included domain's"),
        ("v=spf1 include:own.example.com -all", "192.0.2.10", "fail", "5.2"),
        ("v=spf1 a -all", "192.0.2.10", "pass", "5.3"),
        ("v=spf1 a -all", "2001:db8::10", "pass", "5.3"),
        ("v=spf1 a -all", "2001:db8::11", "fail", "5.3"),
        ("v=spf1 a/28 -all", "192.0.2.15", "pass", "5.3"),
        ("v=spf1 a/28 -all", "192.0.2.16", "fail", "5.3"),
        ("v=spf1 a/0 -all", "203.0.113.1", "pass", "5.3"),
        ("v=spf1 a/0 -all", six, "fail", "5.3"),
        ("v=spf1 a//127 -all", "2001:db8::11", "pass", "5.3"),
        ("v=spf1 a//0 -all", "192.0.2.11", "fail", "5.3"),
        ("v=spf1 a/24//32 -all", six, "pass", "5.3"),
        ("v=spf1 a:many.example.com -all", "198.51.100.41", "pass", "5.3"),
        ("v=spf1 a:many.example.com. -all", "198.51.100.41", "pass", "5.3"),
        ("v=spf1 a:nowhere.example.com/0 -all", here, "fail", "5.3"),
        ("v=spf1 a:x..example.com +all", here, "pass", "4.8: a name that cannot be"),
        ("v=spf1 a:slow.example.com +all", here, "temperror", "5.3"),
        ("v=spf1 a:sick.example.com +all", here, "temperror", "5.3"),
        ("v=spf1 ip4:192.0.2.1 a:slow.example.com +all", here, "pass", "4.6.2: the first match ends it"),
        ("v=spf1 mx -all", "192.0.2.25", "pass", "5.4"),
        ("v=spf1 mx -all", "2001:db8::25", "pass", "5.4"),
        ("v=spf1 mx -all", "192.0.2.10", "fail", "5.4: its own address is no mail host"),
        ("v=spf1 mx/24 -all", here, "pass", "5.4"),
        ("v=spf1 mx//64 -all", six, "pass", "5.4"),
        ("v=spf1 mx:four.example.com -all", "192.0.2.40", "fail", "5.4"),
        ("v=spf1 mx:nullmx.example.com -all", here, "fail", "5.4"),
        ("v=spf1 mx:slow.example.com -all", here, "temperror", "5.4"),
        ("v=spf1 mx:slowmx.example.com -all", here, "temperror", "5.4"),
        ("v=spf1 mx:slowmx.example.com -all", "192.0.2.25", "pass", "5.4: in the order of preference"),
    ]);
}

#[test]
fn sections_5_5_to_5_7_mechanisms() {
    let (here, six) = ("192.0.2.1", "2001:db8::1");
    records(&[
        ("v=spf1 ptr -all", "192.0.2.10", "pass", "5.5"),
        ("v=spf1 ptr -all", "2001:db8::10", "pass", "5.5"),
        ("v=spf1 ptr -all", "192.0.2.12", "pass", "5.5: a name below the domain"),
        ("v=spf1 ptr -all", "192.0.2.13", "fail", "5.5: not a name that only ends alike"),
        ("v=spf1 ptr -all", "192.0.2.11", "fail", "5.5"),
        ("v=spf1 ptr:example.net -all", "192.0.2.11", "fail", "5.5: the name has another address"),
        ("v=spf1 ptr:EXAMPLE.com -all", "192.0.2.13", "pass", "5.5"),
        ("v=spf1 ptr ~all", "192.0.2.14", "softfail", "5.5: no answer is no match"),
        ("v=spf1 ptr:slow.example.com ~all", "192.0.2.10", "softfail", "5.5"),
        ("v=spf1 ptr:%{p} -all", "192.0.2.13", "pass", "5.5"),
        ("v=spf1 ip4:192.0.2.0/31 -all", here, "pass", "5.6"),
        ("v=spf1 ip4:192.0.2.2/31 -all", here, "fail", "5.6"),
        ("v=spf1 ip4:198.51.100.0/0 -all", here, "pass", "5.6"),
        ("v=spf1 ip4:0.0.0.0/0 -all", six, "fail", "5.6"),
        ("v=spf1 ip6:2001:DB8::/127 -all", six, "pass", "5.6"),
        ("v=spf1 ip6:2001:db8::2/127 -all", six, "fail", "5.6"),
        ("v=spf1 ip6:::/0 -all", six, "pass", "5.6"),
        ("v=spf1 ip6:2001:db8::/128 -all", "2001:db8::", "pass", "5.6"),
        ("v=spf1 ip4:192.0.2.1/032 -all", here, "permerror", "5.6"),
        ("v=spf1 ip6:2001:db8::/129 +all", here, "permerror", "5.6"),
        ("v=spf1 exists:four.example.com -all", here, "pass", "5.7"),
        ("v=spf1 exists:four.example.com -all", six, "pass", "5.7: A for a v6 client too"),
        ("v=spf1 exists:six.example.com -all", six, "fail", "5.7"),
        ("v=spf1 exists:nowhere.example.com -all", here, "fail", "5.7"),
        ("v=spf1 exists:slow.example.com -all", here, "temperror", "5.7"),
        ("v=spf1 exists:four.example.com/24 -all", here, "permerror", "5.7"),
    ]);
}

#[test]
fn section_6_1_redirect() {
    let here = "192.0.2.1";
    records(&[
        ("v=spf1 redirect=pass.example.com", here, "pass", "6.1"),
        ("v=spf1 redirect=soft.example.com", here, "softfail", "6.1"),
        ("v=spf1 redirect=open.example.com", here, "neutral", "6.1"),
        ("v=spf1 redirect=own.example.com", "192.0.2.77", "pass", "6.1"),
        ("v=spf1 redirect=text.example.com", here, "permerror", "6.1"),
        ("v=spf1 redirect=nowhere.example.com", here, "permerror", "6.1"),
        ("v=spf1 redirect=x..example.com", here, "permerror", "6.1"),
        ("v=spf1 redirect=broken.example.com", here, "permerror", "6.1"),
        ("v=spf1 redirect=slow.example.com", here, "temperror", "6.1"),
        ("v=spf1 ?all redirect=fail.example.com", here, "neutral", "6.1"),
        ("v=spf1 redirect=%{d2} ", here, "permerror", "6.1"),
        ("v=spf1 redirect=fail.%{d2}", here, "fail", "6.1"),
        ("v=spf1 redirect=", here, "permerror", "6.1"),
        ("v=spf1 redirect=a.example redirect=b.example", here, "permerror", "6"),
        ("v=spf1 default=pass all=x unknown.thing=%{i}/: -all", here, "fail", "6"),
        ("v=spf1 default=%{z} +all", here, "permerror", "6"),
        ("v=spf1 2nd=x +all", here, "permerror", "6"),
    ]);
}

#[test]
fn section_6_2_explanations() {
    let sure = "192.0.2.1 may not send for case.example.com, says mx.example.net at 1700000000 (100% sure)";
    let link = "See http://example.com/?s=user%2Btag%40case.example.com&h=helo.example.org&p=unknown";
    let (plain, tagged) = ("user@case.example.com", "user+tag@case.example.com");
    for (record, from, want) in [
        ("v=spf1 -all", plain, None),
        ("v=spf1 -all exp=why.example.com", plain, Some(sure)),
        ("v=spf1 exp=why.%{d2} -all", plain, Some(sure)),
        ("v=spf1 ~all exp=why.example.com", plain, None),
        ("v=spf1 +all exp=why.example.com", plain, None),
        ("v=spf1 -all exp=why2.example.com", plain, None),
        ("v=spf1 -all exp=why3.example.com", plain, None),
        ("v=spf1 -all exp=why4.example.com", plain, None),
        ("v=spf1 -all exp=why5.example.com", tagged, Some(link)),
        ("v=spf1 -all exp=why6.example.com", "a\r\nb@case.example.com", None),
        ("v=spf1 -all exp=four.example.com", plain, None),
        ("v=spf1 -all exp=nowhere.example.com", plain, None),
        ("v=spf1 -all exp=x..example.com", plain, None),
        ("v=spf1 -all exp=slow.example.com", plain, None),
        ("v=spf1 a:x.example a:y.example -all exp=nowhere.example.com", plain, None),
        ("v=spf1 include:explained.example.com -all", plain, None),
        ("v=spf1 redirect=fail.example.com exp=why.example.com", plain, None),
        ("v=spf1 redirect=explained.example.com", plain, Some(&*sure.replace("case", "explained"))),
    ] {
        let mut zone = zone(WORLD);
        zone.add("case.example.com", Record::Txt(record.as_bytes().to_vec()));
        let got = run(&zone, "192.0.2.1", "helo.example.org", from);
        assert_eq!(got.explanation.as_deref(), want, "6.2: {record:?}: {got:?}");
    }
    let world = zone(WORLD);
    let watch = Watch::of(&world);
    let query = Query {
        client_ip: "192.0.2.1".parse().unwrap(),
        helo: "helo.example.org",
        mail_from: "u@explained.example.com",
        receiver: "",
        now: 0,
    };
    let limits = Limits { explanation: 0, ..Limits::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let got = runtime.block_on(spf::check_host(&watch, &limits, &query));
    assert_eq!((got.result.as_str(), got.explanation, watch.asked()), ("fail", None, 1));
}

#[test]
fn section_7_macros() {
    let (here, six) = ("192.0.2.1", "2001:db8::10");
    records(&[
        ("v=spf1 exists:%{i}.listed.example.com -all", here, "pass", "7.3"),
        ("v=spf1 exists:%{I}.listed.example.com -all", six, "pass", "7.3"),
        ("v=spf1 exists:%{ir}.%{v}.rev.example.com -all", here, "pass", "7.3"),
        ("v=spf1 exists:%{l}.local.example.com -all", here, "pass", "7.3"),
        ("v=spf1 exists:%{s}.sender.example.com -all", here, "pass", "7.3"),
        ("v=spf1 exists:%{dr}.turned.example.com -all", here, "pass", "7.3"),
        ("v=spf1 exists:%{o3r}.turned.%{o2} -all", here, "pass", "7.3"),
        ("v=spf1 exists:%{h}.helo.example.com -all", here, "pass", "7.3"),
        ("v=spf1 exists:a%%b_c%-d.example.com -all", here, "pass", "7.1"),
        ("v=spf1 a:%{d} -all", "192.0.2.10", "pass", "7.1"),
        ("v=spf1 a:%{d}/24 -all", here, "pass", "7.1"),
        ("v=spf1 exists:%{p}.named.example.com -all", "192.0.2.10", "pass", "7.3: the domain itself"),
        ("v=spf1 exists:%{p}.named.example.com -all", six, "pass", "7.3"),
        ("v=spf1 exists:%{p}.named.example.com -all", "192.0.2.12", "pass", "7.3: a name below it first"),
        ("v=spf1 exists:%{p}.other.example.com -all", "192.0.2.13", "pass", "7.3: then any"),
        ("v=spf1 exists:%{p}.named.example.com -all", "192.0.2.11", "pass", "7.3: unknown"),
        ("v=spf1 exists:%{p}.named.example.com -all", "192.0.2.14", "pass", "7.3: unknown"),
        ("v=spf1 exists:%{c}.example.com -all", here, "permerror", "7.2"),
        ("v=spf1 exists:%{d0}.example.com -all", here, "permerror", "7.1"),
        ("v=spf1 exists:%{d}example -all", here, "permerror", "7.1"),
        ("v=spf1 exists:%(d).example.com -all", here, "permerror", "7.1"),
        ("v=spf1 exists:%{d.example.com -all", here, "permerror", "7.1"),
    ]);
    let last = "v=spf1 exists:%{l1r+}.last.example.com -all";
    senders(&[
        ("v=spf1 exists:%{lr+-}.local.example.com -all", "h", "name+tag@case.example.com", "pass", "7.1"),
        (last, "h", "name+tag@case.example.com", "pass", "7.1"),
        ("v=spf1 exists:%{L}.escaped.example.com -all", "h", "user+tag@case.example.com", "pass", "7.3"),
        ("v=spf1 exists:%{h} +all", "", "user@case.example.com", "pass", "7.3: no HELO name is no match"),
        ("v=spf1 exists:%{l}.example.com ~all", "h", "us\u{e9}r@case.example.com", "softfail", "RFC 8616 4"),
        ("v=spf1 include:%{l}.example.com ~all", "h", "us\u{e9}r@case.example.com", "softfail", "RFC 8616 4"),
        ("v=spf1 include:x..example.com ~all", "h", "us\u{e9}r@case.example.com", "permerror", "5.2"),
        ("v=spf1 exists:%{l}.example.com ~all", "h", "a\0b@case.example.com", "softfail", "7.3"),
        ("v=spf1 exists:%{l}.example.com ~all", "h", "a\\.b@case.example.com", "softfail", "7.3"),
    ]);
}

/// Counts questions, and holds them to what a resolver may be asked.
struct Watch<'z> {
    zone: &'z Zone,
    asked: AtomicUsize,
}

impl<'z> Watch<'z> {
    const fn of(zone: &'z Zone) -> Self {
        Self { zone, asked: AtomicUsize::new(0) }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Resolver for Watch<'_> {
    fn lookup<'a>(&'a self, name: &'a str, rtype: RecordType) -> dns::Lookup<'a> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        assert!(name.len() <= 253 && name.bytes().all(|b| matches!(b, b' '..=b'~')), "{name:?}");
        assert!(name.split('.').all(|label| (1..=63).contains(&label.len())), "{name:?}");
        self.zone.lookup(name, rtype)
    }
}

/// The most that one check may ask: a record and ten terms, an `mx` with ten hosts each at worst,
/// the client's names, the explanation.
const MOST_QUESTIONS: usize = 1 + 10 * 11 + 11 + 1;

/// Checks a hostile record at case.example.com: word and number of questions.
fn attack(zone: &Zone, helo: &str, mail_from: &str) -> (&'static str, usize) {
    let watch = Watch::of(zone);
    let got = run(&watch, "192.0.2.1", helo, mail_from);
    assert!(watch.asked() <= MOST_QUESTIONS, "{} questions", watch.asked());
    for text in [got.mechanism.as_deref(), got.problem.as_deref(), Some(&*got.domain)].into_iter().flatten() {
        assert!(text.len() <= 1024 && text.bytes().all(|b| matches!(b, b' '..=b'~')), "{text:?}");
    }
    assert!(got.explanation.is_none_or(|text| text.len() <= 1000));
    (got.result.as_str(), watch.asked())
}

#[test]
fn hostile_records_cost_little() {
    let bomb = "%{d9}".repeat(12_000);
    let long_name = format!("{}example.com", "abcdefghi.".repeat(6_000));
    let mixed = format!("%{{h}}{}%{{l1-}}", "%{l1-}%{h}%{sr+-}".repeat(3_500));
    for (terms, want, questions) in [
        (format!("{}-all", "ip4:198.51.100.1 ".repeat(10_000)), "fail", 1),
        (format!("{}-all", "a:four.example.com ".repeat(10_000)), "permerror", 11),
        (format!("{}-all", "x=%{d} ".repeat(10_000)), "fail", 1),
        (format!("{}-all", "exp=a.example ".repeat(10_000)), "permerror", 1),
        (format!("{}moo", "+all ".repeat(10_000)), "permerror", 1),
        (" ".repeat(60_000), "neutral", 1),
        ("a".repeat(60_000), "permerror", 1),
        (format!("exists:{bomb} -all"), "fail", 2),
        (format!("exists:{bomb}.example.com -all"), "fail", 2),
        (format!("redirect={bomb}"), "permerror", 2),
        (format!("include:{bomb}"), "permerror", 2),
        (format!("a:{long_name} -all"), "fail", 2),
        (format!("a:{mixed} -all"), "fail", 1),
        (format!("a:{}.%{{d}} -all", "a".repeat(64)), "fail", 1),
        (format!("a:{}.example.com -all", "a".repeat(60_000)), "fail", 2),
        (format!("a:%{{{}}} -all", "d".repeat(60_000)), "permerror", 1),
        (format!("a:%{{d{}}} -all", "9".repeat(60_000)), "fail", 2),
        (format!("ip4:192.0.2.1/{} -all", "0".repeat(60_000)), "permerror", 1),
        ("include:case.example.com -all".to_owned(), "permerror", 11),
        ("redirect=case.example.com".to_owned(), "permerror", 11),
        ("redirect=%{d}".to_owned(), "permerror", 11),
        (format!("{}-all", "include:case.example.com ".repeat(10)), "permerror", 11),
        ("include:left.example.com".to_owned(), "permerror", 11),
        ("exists:%{p}.%{p}.%{p}.example.com ptr:%{p} -all".to_owned(), "fail", 13),
        ("a:x.example.com\0 +all".to_owned(), "permerror", 1),
        ("mx:crowd.example.com +all".to_owned(), "permerror", 2),
    ] {
        let mut zone = zone(WORLD);
        zone.add("case.example.com", Record::Txt(format!("v=spf1 {terms}").into_bytes()));
        zone.add("left.example.com", Record::Txt(b"v=spf1 include:right.example.com".to_vec()));
        zone.add("right.example.com", Record::Txt(b"v=spf1 redirect=left.example.com".to_vec()));
        for n in 0..2_000 {
            zone.add("1.2.0.192.in-addr.arpa", Record::Ptr(format!("n{n}.example.net")));
            let exchange = format!("n{n}.example.net");
            zone.add("crowd.example.com", Record::Mx { preference: 0, exchange });
        }
        let got = attack(&zone, "he\0lo", "a-b-@case.example.com");
        assert_eq!(got, (want, questions), "{terms:.80}");
    }
}

#[test]
fn hostile_senders_cost_little() {
    let mut zone = zone(WORLD);
    let record =
        format!("v=spf1 exists:{} -all exp=bomb.example.com", "%{h}%{S}%{l1r-}.".repeat(3_000) + "example.com");
    zone.add("case.example.com", Record::Txt(record.into_bytes()));
    zone.add("bomb.example.com", Record::Txt("%{S}%{h}%{d}%{p}".repeat(4_000).into_bytes()));
    let long = "a-".repeat(500_000);
    for (helo, from, want) in [
        ("helo", format!("{}@case.example.com", "-".repeat(900)), "fail"),
        ("helo", format!("{}@case.example.com", ".".repeat(900)), "fail"),
        ("helo", format!("{}@case.example.com", "\0".repeat(900)), "fail"),
        (&*long, "u@case.example.com".to_owned(), "fail"),
        (&*long, String::new(), "none"),
        ("helo", format!("{long}@case.example.com"), "none"),
        ("helo", format!("u@{long}"), "none"),
        ("helo", format!("u@{}case.example.com", "a.".repeat(400)), "none"),
        ("helo", "@".repeat(1_000), "none"),
        ("\u{fffd}\u{0}\r\n", String::new(), "none"),
    ] {
        assert_eq!(attack(&zone, helo, &from).0, want, "{from:.60}");
    }
}

/// Records thrown together from pieces of the grammar: whatever comes, a word and few questions.
#[test]
fn random_records_end_in_a_verdict() {
    let terms: Vec<&str> = " ip4:192.0.2.0/24| -ip4:198.51.100.0/24| ?a:four.example.com| ~mx/24| a//8| ptr| -all\
        | include:left.example.com| redirect=left.example.com| exists:%{l1r-}.%{p}.%{d2}| exp=why5.example.com| x=%{i}"
        .split('|')
        .collect();
    let pieces: Vec<&str> = " |a|mx|ptr|all|include|exists|ip4|redirect|exp|:|=|/|//|24|0|%{d}|%{p}|%{l1r-}|%|%{|}|.\
        |case.example.com|192.0.2.0|2001:db8::|.com|-|~|?|\0|\t|\u{e9}"
        .split('|')
        .collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % n as u64).unwrap()
    };
    let mut words: HashMap<&str, usize> = HashMap::new();
    let world = zone(WORLD);
    for _ in 0..4_000 {
        let mut zone = world.clone();
        for name in ["case.example.com", "left.example.com"] {
            let mut record = "v=spf1".to_owned();
            for _ in 0..random(12) {
                let kind = if random(16) == 0 { &pieces } else { &terms };
                record.push_str(kind[random(kind.len())]);
            }
            zone.add(name, Record::Txt(record.into_bytes()));
        }
        let verdict = attack(&zone, "helo.example.org", "a-b@case.example.com").0;
        *words.entry(verdict).or_default() += 1;
    }
    for word in ["pass", "fail", "softfail", "neutral", "permerror"] {
        assert!(words.get(word).is_some_and(|&n| n > 20), "{words:?}");
    }
}

#[tokio::test]
async fn a_check_can_be_spawned() {
    let check = async {
        let zone = zone("case.example.com TXT v=spf1 ip4:192.0.2.1 -all");
        let query = Query {
            client_ip: "192.0.2.1".parse().unwrap(),
            helo: "h",
            mail_from: "u@case.example.com",
            receiver: "",
            now: 0,
        };
        spf::check_host(&zone, &Limits::default(), &query).await
    };
    let got = tokio::spawn(check).await.unwrap();
    assert_eq!((got.result.to_string(), got.mechanism.as_deref()), ("pass".to_owned(), Some("ip4:192.0.2.1")));
}

/// Reports name the term, never the local part that its macros expand to.
#[test]
fn problems_are_told_in_one_line() {
    for (record, want) in [
        ("v=spf1 a:192.0.2.1", "record of case.example.com, a:192.0.2.1: this is an address: use ip4 or ip6"),
        ("v=spf1 exists:%{l}.sick.example.com", ""),
        ("v=spf1 a:slow.example.com", "a:slow.example.com: no answer from DNS"),
        (
            "v=spf1 include:%{l}.text.example.com",
            "include:%{l}.text.example.com > no SPF record at %{l}.text.example.com",
        ),
        (
            "v=spf1 include:broken.example.com",
            "include:broken.example.com > record of broken.example.com, \
          ip4:192.0.2.0/33: not a prefix length of this family",
        ),
        ("v=spf1 redirect=nowhere.example.com", "no SPF record at nowhere.example.com"),
        ("v=spf1 a:x.example a:y.example a:z.example", "more than 2 terms that find nothing"),
        ("v=spf1 +all \0", "record of case.example.com: a character that is not printable ASCII"),
    ] {
        let mut zone = zone(WORLD);
        zone.add("case.example.com", Record::Txt(record.as_bytes().to_vec()));
        let got = run(&zone, "192.0.2.1", "helo.example.org", "user@case.example.com");
        assert_eq!(got.problem.unwrap_or_default(), want, "{record:?}");
    }
}

/// One scenario of the public suite, as its zone means it: SPF entries are TXT records unless there
/// are TXT entries; TIMEOUT goes for every type without entries; CNAMEs are followed for us.
fn suite_zone(data: &serde_json::Map<String, serde_json::Value>) -> Zone {
    let names: HashMap<String, &Vec<serde_json::Value>> =
        data.iter().map(|(name, entries)| (name.to_lowercase(), entries.as_array().unwrap())).collect();
    let mut zone = Zone::new();
    let alias = |name: &String| {
        let target = names.get(name)?.iter().find_map(|entry| entry.get("CNAME"))?.as_str().unwrap();
        Some(target.trim_end_matches('.').to_lowercase())
    };
    for name in names.keys() {
        // An alias of an alias, and so on for nine steps, is taken for a loop.
        let chain: Vec<String> = std::iter::successors(Some(name.clone()), alias).take(10).collect();
        if chain.len() == 10 {
            for rtype in TYPES {
                zone.add_code(name, rtype, Code::ServFail);
            }
            continue;
        }
        let Some(entries) = chain.last().and_then(|target| names.get(target)) else { continue };
        let records = suite_records(entries);
        let timeout = entries.iter().any(|e| e == "TIMEOUT");
        for rtype in TYPES.into_iter().filter(|&t| !records.iter().any(|r| r.rtype() == t)) {
            zone.add_code(name, rtype, if timeout { Code::TimedOut } else { Code::NoError });
        }
        for record in records {
            zone.add(name, record);
        }
    }
    zone
}

fn suite_records(entries: &[serde_json::Value]) -> Vec<Record> {
    let pairs = || entries.iter().filter_map(|e| e.as_object()).flatten();
    let text_type = if pairs().any(|(rtype, _)| rtype == "TXT") { "TXT" } else { "SPF" };
    let record = |(rtype, value): (&String, &serde_json::Value)| {
        let text = value.as_str().unwrap_or_default();
        Some(match rtype.as_str() {
            "A" => Record::A(text.parse().unwrap()),
            "AAAA" => Record::Aaaa(text.parse().unwrap()),
            "PTR" => Record::Ptr(text.to_owned()),
            "MX" => Record::Mx {
                preference: value[0].as_u64().and_then(|p| p.try_into().ok()).unwrap(),
                exchange: value[1].as_str().unwrap().to_owned(),
            },
            rtype if rtype == text_type && text != "NONE" => {
                let strings = value.as_array().into_iter().flatten().filter_map(|v| v.as_str());
                let strings = strings.chain(value.as_str()).collect::<String>();
                Record::Txt(strings.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect())
            }
            _ => return None,
        })
    };
    pairs().filter_map(record).collect()
}

/// The public RFC 7208 suite (of the `OpenSPF` project and pyspf), when it lies beside the project: over a real name
/// server on loopback, and the real resolver.
#[tokio::test(flavor = "multi_thread")]
async fn the_public_suite_agrees() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/suites/spf/rfc7208-tests.json");
    let Ok(json) = std::fs::read(path) else {
        println!("not run: the public RFC 7208 suite is not there");
        return;
    };
    let suite: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let (mut right, mut wrong) = (0, Vec::new());
    for scenario in suite.as_array().unwrap() {
        let zone = suite_zone(scenario["zonedata"].as_object().unwrap());
        let server = DnsServer::start(zone).await.unwrap();
        let address = format!("127.0.0.1:{}", server.port()).parse().unwrap();
        // What never answers is waited for.
        let resolver = Cached::new(SystemResolver::new(&[address], Duration::from_millis(500)).unwrap());
        for (name, case) in scenario["tests"].as_object().unwrap() {
            let text = |key: &str| case[key].as_str().unwrap_or_default();
            let got = check(&resolver, text("host"), text("helo"), text("mailfrom")).await;
            let wanted = match &case["result"] {
                serde_json::Value::Array(words) => words.iter().any(|word| word == got.result.as_str()),
                word => word == got.result.as_str(),
            };
            // "DEFAULT" is the checker's own explanation; we have none.
            let explained = match case["explanation"].as_str() {
                None => true,
                Some("DEFAULT") => got.explanation.is_none(),
                text => got.explanation.as_deref() == text,
            };
            if wanted && explained {
                right += 1;
            } else {
                wrong.push(format!("{name}: {} wanted, {got:?}", case["result"]));
            }
        }
    }
    println!("public RFC 7208 suite: {right} right, {} wrong", wrong.len());
    assert_eq!((right, wrong.len()), (203, 0), "{}", wrong.join("\n"));
}
