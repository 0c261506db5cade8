//! Authentication-Results: the grammar, and what goes into an event.

use proptest::prelude::*;
use reply_ingest::auth::authres::{Method, Property, Statement, joined, parse, parse_arc};
use reply_ingest::event::AuthWord;

/// `id | method=word "reason" p:policy property=[value] …`, "-" for no id.
fn shown(statement: &Statement) -> String {
    let of = |method: &Method| {
        let reason = method.reason.iter().map(|reason| format!("{reason:?}"));
        let policy = method.comment_policy.iter().map(|policy| format!("p:{policy:?}").to_lowercase());
        let properties = method.properties.iter().map(|p| format!("{}=[{}]", p.name, p.value));
        let word = format!("{}={}", method.name, method.result.as_str());
        [word].into_iter().chain(reason).chain(policy).chain(properties).collect::<Vec<_>>().join(" ")
    };
    let id = statement.authserv_id.clone().unwrap_or_else(|| "-".to_owned());
    [id].into_iter().chain(statement.methods.iter().map(of)).collect::<Vec<_>>().join(" | ")
}

/// Header values and what they say; "" for those that say nothing.
const VALUES: &[(&str, &str)] = &[
    // as servers write them
    ("mx.c.example; none", "mx.c.example"),
    ("mx.c.example 1; none", "mx.c.example"),
    ("mx.c.example; spf=pass smtp.mailfrom=a.example", "mx.c.example | spf=pass smtp.mailfrom=[a.example]"),
    (
        " mx.c.example;\r\n\tspf=pass smtp.mailfrom=x@a.example\r\n",
        "mx.c.example | spf=pass smtp.mailfrom=[x@a.example]",
    ),
    ("MX.C.Example; SPF=PASS SMTP.MailFrom=X@A.example", "mx.c.example | spf=pass smtp.mailfrom=[X@A.example]"),
    (
        "mx.c.example; auth=pass (cram-md5) smtp.auth=ana@a.example; spf=fail smtp.mailfrom=b.example",
        "mx.c.example | auth=pass smtp.auth=[ana@a.example] | spf=fail smtp.mailfrom=[b.example]",
    ),
    (
        "mx.c.example; dkim=pass reason=\"good signature\" header.i=@lists.a.example; dkim=fail \
         reason=\"bad; (body) = x\" header.i=@b.example",
        "mx.c.example | dkim=pass \"good signature\" header.i=[@lists.a.example] | dkim=fail \"bad; (body) = x\" \
         header.i=[@b.example]",
    ),
    (
        "mx.c.example; dkim=pass (2048-bit key) header.d=a.example header.i=@a.example header.b=AbC+d/E1",
        "mx.c.example | dkim=pass header.d=[a.example] header.i=[@a.example] header.b=[AbC+d/E1]",
    ),
    (
        "mx.c.example; dkim=pass header.d=a.example header.s=s1 header.b=\"Ab=/+\"; arc=pass (i=1 spf=pass); \
         x-tls=pass",
        "mx.c.example | dkim=pass header.d=[a.example] header.s=[s1] header.b=[Ab=/+] | arc=pass | x-tls=pass",
    ),
    (
        "mx.c.example; dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=a.example",
        "mx.c.example | dmarc=pass p:reject header.from=[a.example]",
    ),
    (
        "mx.c.example; dmarc=pass(p=QUARANTINE) header.from=a.example",
        "mx.c.example | dmarc=pass p:quarantine header.from=[a.example]",
    ),
    (
        "mx.c.example; dmarc=fail (p=none dis=none) header.from=a.example",
        "mx.c.example | dmarc=fail p:none header.from=[a.example]",
    ),
    (
        "mx.c.example; dmarc=pass (p=none,sp=reject,d=none) header.from=a.example",
        "mx.c.example | dmarc=pass header.from=[a.example]",
    ),
    ("mx.c.example; dmarc=pass (sp=reject) header.from=a.example", "mx.c.example | dmarc=pass header.from=[a.example]"),
    ("mx.c.example; dmarc=pass (map=none) header.from=a.example", "mx.c.example | dmarc=pass header.from=[a.example]"),
    (
        "mx.c.example; dmarc=none header.from=a.example; spf=none (p=reject)",
        "mx.c.example | dmarc=none header.from=[a.example] | spf=none p:reject",
    ),
    (
        "mx.c.example; iprev=pass policy.iprev=192.0.2.7 (mx.a.example); spf=softfail",
        "mx.c.example | iprev=pass policy.iprev=[192.0.2.7] | spf=softfail",
    ),
    ("mx.c.example; iprev=pass policy.iprev=\"2001:db8::7\"", "mx.c.example | iprev=pass policy.iprev=[2001:db8::7]"),
    ("mx.c.example; iprev=pass policy.iprev=2001:db8::7", "mx.c.example | iprev=pass policy.iprev=[2001:db8::7]"),
    ("mx.c.example; spf=hardfail smtp.helo=h.a.example", "mx.c.example | spf=fail smtp.helo=[h.a.example]"),
    (
        "mx.c.example; spf=temperror; spf=permerror; dkim=neutral; dkim=policy",
        "mx.c.example | spf=temperror | spf=permerror | dkim=neutral | dkim=policy",
    ),
    ("mx.c.example; spf=pass smtp.mailfrom=<x@a.example>", "mx.c.example | spf=pass smtp.mailfrom=[<x@a.example>]"),
    (
        "mx.c.example; spf=pass smtp.mailfrom=bounce+1-ana=c.example@a.example smtp.rcptto=ana@c.example",
        "mx.c.example | spf=pass smtp.mailfrom=[bounce+1-ana=c.example@a.example] smtp.rcptto=[ana@c.example]",
    ),
    (
        "mx.c.example; spf=pass smtp.mailfrom=\"ana; dmarc=pass\"@a.example",
        "mx.c.example | spf=pass smtp.mailfrom=[ana; dmarc=pass@a.example]",
    ),
    // the null sender
    ("mx.c.example; spf=none smtp.mailfrom=", "mx.c.example | spf=none smtp.mailfrom=[]"),
    (
        "mx.c.example; spf=pass smtp.mailfrom=\"\" smtp.helo=h.example",
        "mx.c.example | spf=pass smtp.mailfrom=[] smtp.helo=[h.example]",
    ),
    (
        "mx.c.example; spf=pass smtp.mailfrom= smtp.helo=h.example",
        "mx.c.example | spf=pass smtp.mailfrom=[] smtp.helo=[h.example]",
    ),
    ("mx.c.example; spf=none smtp.mailfrom=;dkim=none", "mx.c.example | spf=none smtp.mailfrom=[] | dkim=none"),
    // white space and comments wherever the grammar allows them
    (
        "(a) mx.c.example (b) 1 (c) ; (d) dkim (e) / (f) 1 (g) = (h) pass (i) header (j) . (k) d \
         (l) = (m) a.example (n) ; (o)",
        "mx.c.example | dkim=pass header.d=[a.example]",
    ),
    (
        "mx.c.example\r\n 1\r\n ;\r\n\tspf\r\n =\r\n pass\r\n reason\r\n =\r\n \"x\"\r\n smtp\r\n \
         .\r\n mailfrom\r\n =\r\n a.example\r\n",
        "mx.c.example | spf=pass \"x\" smtp.mailfrom=[a.example]",
    ),
    ("mx.c.example;spf=pass(x)smtp.mailfrom=a.example(y)", "mx.c.example | spf=pass smtp.mailfrom=[a.example]"),
    (
        "mx.c.example (a (b; spf=fail) \\) \" c); spf=pass (d; dkim=pass) smtp.mailfrom=a.example",
        "mx.c.example | spf=pass smtp.mailfrom=[a.example]",
    ),
    ("mx.c.example; spf=pass (in a.example's \"list)\" smtp.mailfrom=a.example", "mx.c.example | spf=pass"),
    ("mx.c.example; dkim=pass reason=\"a \\\"b\\\" \\\\ c\"", "mx.c.example | dkim=pass \"a \\\"b\\\" \\\\ c\""),
    ("mx.c.example; dkim=pass reason=\"folded\r\n text\"", "mx.c.example | dkim=pass \"folded text\""),
    (
        "mx.c.example; dkim=fail reason=expired header.d=a.example",
        "mx.c.example | dkim=fail \"expired\" header.d=[a.example]",
    ),
    (
        "mx.c.example; dkim=fail header.d=a.example reason=late",
        "mx.c.example | dkim=fail \"late\" header.d=[a.example]",
    ),
    ("mx.c.example; dkim=fail reason=a reason=b", "mx.c.example | dkim=fail \"a\""),
    ("mx.c.example;; spf=pass;\r\n ;;", "mx.c.example | spf=pass"),
    ("mx.c.example;", "mx.c.example"),
    // ids
    ("\"mx.c.example\"; spf=pass", "mx.c.example | spf=pass"),
    ("\"mx.c.example; spf=pass\"; spf=fail", "mx.c.example; spf=pass | spf=fail"),
    ("\"spf=pass\"; dkim=pass", "spf=pass | dkim=pass"),
    ("mx.c.example(comment); spf=pass", "mx.c.example | spf=pass"),
    ("mx_1.c.example; spf=pass", "mx_1.c.example | spf=pass"),
    (
        "bücher.example; spf=pass smtp.mailfrom=jürgen@bücher.example",
        "bücher.example | spf=pass smtp.mailfrom=[jürgen@bücher.example]",
    ),
    ("mx.c.example 01; spf=pass", "mx.c.example | spf=pass"),
    ("mx.c.example. ; spf=pass", "mx.c.example. | spf=pass"),
    ("mx.c.example\u{a0}x; spf=pass", "mx.c.example\u{a0}x | spf=pass"),
    ("mx.c.example 2; spf=pass", ""),
    ("mx.c.example 1 1; spf=pass", ""),
    ("mx.c.example 1x; spf=pass", ""),
    ("mx.c.example/1; spf=pass", ""),
    ("mx.c.example evil.example; spf=pass", ""),
    ("mx.c.example spf=pass; dkim=pass", ""),
    ("mx.c.example, evil.example; spf=pass", ""),
    ("\"mx.c.example\"x; spf=pass", ""),
    ("x\"mx.c.example\"; spf=pass", ""),
    ("\"mx.c.example; spf=pass", ""),
    ("(mx.c.example); spf=pass", ""),
    ("(mx.c.example; spf=pass", ""),
    ("ana@mx.c.example; spf=pass", ""),
    ("<mx.c.example>; spf=pass", ""),
    ("[192.0.2.1]; spf=pass", ""),
    ("mx.c.example\u{0}; spf=pass", ""),
    ("mx.c.example", ""),
    ("\"\"; spf=pass", ""),
    ("; spf=pass", ""),
    ("", ""),
    (" \r\n ", ""),
    // no id: Microsoft 365
    (
        "spf=pass (sender IP is 192.0.2.1)\r\n smtp.mailfrom=a.example; dkim=pass (signature was verified)\r\n \
         header.d=a.example;dmarc=pass action=none\r\n header.from=a.example;compauth=pass reason=100",
        "- | spf=pass smtp.mailfrom=[a.example] | dkim=pass header.d=[a.example] | dmarc=pass action=[none] \
         header.from=[a.example] | compauth=pass \"100\"",
    ),
    (
        "dkim=none (message not signed) header.d=none;dmarc=bestguesspass action=none header.from=a.example;",
        "- | dkim=none header.d=[none] | dmarc=none action=[none] header.from=[a.example]",
    ),
    ("mx=c.example; spf=pass", "- | spf=pass"),
    ("i=1; mx.c.example; spf=pass", "- | spf=pass"),
    ("mx=c.example", ""),
    // clauses that are left out alone
    ("mx.c.example; spf=softpass; dkim=pass header.d=a.example", "mx.c.example | dkim=pass header.d=[a.example]"),
    ("mx.c.example; spf=; dkim=pass", "mx.c.example | dkim=pass"),
    ("mx.c.example; spf=pass@a.example; dkim=pass", "mx.c.example | dkim=pass"),
    ("mx.c.example; spf=\"pass\"; dkim=pass", "mx.c.example | dkim=pass"),
    ("mx.c.example; spf/2=pass; dkim/1=pass", "mx.c.example | dkim=pass"),
    ("mx.c.example; spf pass; =pass; dkim=pass", "mx.c.example | dkim=pass"),
    ("mx.c.example; none; dkim=pass", "mx.c.example | dkim=pass"),
    // the sender chose what stands in a property, and the server did not quote it
    ("mx.c.example; spf=pass smtp.mailfrom=b.example x@a.example", "mx.c.example | spf=pass"),
    ("mx.c.example; spf=pass smtp.mailfrom=b.example(x)@a.example", "mx.c.example | spf=pass"),
    ("mx.c.example; spf=pass smtp.mailfrom=b.example\"x; dmarc=pass", "mx.c.example | spf=pass"),
    (
        "mx.c.example; spf=pass smtp.mailfrom=b.example (x; dmarc=pass",
        "mx.c.example | spf=pass smtp.mailfrom=[b.example]",
    ),
    ("mx.c.example; spf=pass designates smtp.mailfrom=a.example", "mx.c.example | spf=pass smtp.mailfrom=[a.example]"),
    (
        "mx.c.example; spf=pass smtp.mailfrom=a.example; dkim=pass header.d=b.example",
        "mx.c.example | spf=pass smtp.mailfrom=[a.example] | dkim=pass header.d=[b.example]",
    ),
];

#[test]
fn values_valid_odd_and_hostile() {
    assert!(VALUES.len() >= 60, "{}", VALUES.len());
    for (value, expected) in VALUES {
        assert_eq!(parse(value).as_ref().map(shown).unwrap_or_default(), *expected, "{value}");
    }
}

#[test]
fn values_of_arc_headers() {
    let table = [
        ("i=1; mx.c.example; spf=pass smtp.mailfrom=a.example", "1 mx.c.example | spf=pass smtp.mailfrom=[a.example]"),
        (" i = 12 ;\r\n mx.c.example 1; arc=none", "12 mx.c.example | arc=none"),
        ("(c) i=50 (c); \"mx.c.example\"; none", "50 mx.c.example"),
        ("I=2; mx.c.example; none", "2 mx.c.example"),
        ("i=1; spf=pass smtp.mailfrom=a.example", "1 - | spf=pass smtp.mailfrom=[a.example]"),
        ("i=0; mx.c.example; spf=pass", ""),
        ("i=51; mx.c.example; spf=pass", ""),
        ("i=99999999999; mx.c.example; spf=pass", ""),
        ("i=1 mx.c.example; spf=pass", ""),
        ("i=1x; mx.c.example; spf=pass", ""),
        ("mx.c.example; i=1; spf=pass", ""),
        ("x=1; i=1; mx.c.example; spf=pass", ""),
        ("i=1; mx.c.example 2; spf=pass", ""),
        ("i=1;", ""),
        ("", ""),
    ];
    for (value, expected) in table {
        let got = parse_arc(value).map(|(i, statement)| format!("{i} {}", shown(&statement)));
        assert_eq!(got.unwrap_or_default(), expected, "{value}");
    }
}

#[test]
fn results_as_an_event_has_them() {
    // one clause, then domain, selector, policy, reason
    let table = [
        ("spf=pass smtp.mailfrom=x@A.example smtp.helo=h.example", "a.example - - -"),
        ("spf=pass smtp.helo=H.example", "h.example - - -"),
        ("spf=pass smtp.mailfrom=<> smtp.helo=h.example", "h.example - - -"),
        ("spf=pass smtp.mailfrom= smtp.helo=h.example", "h.example - - -"),
        ("spf=pass smtp.mailfrom=<x@a.example>", "a.example - - -"),
        ("spf=pass smtp.mailfrom=\"x@b.example; y\"@a.example.", "a.example - - -"),
        ("spf=pass smtp.mailfrom=\"x@b.example y\" smtp.helo=[192.0.2.1]", "[192.0.2.1] - - -"),
        ("spf=pass smtp.mailfrom=a.example smtp.mailfrom=b.example", "- - - -"),
        ("spf=pass smtp.mailfrom=a.example smtp.mailfrom=a.example", "a.example - - -"),
        ("spf=pass smtp.mailfrom=x@bücher.example", "bücher.example - - -"),
        ("spf=pass (p=reject) header.s=s1 header.from=a.example", "- - - -"),
        ("dkim=pass header.i=x@sub.a.example header.d=a.example header.s=s1", "a.example s1 - -"),
        ("dkim=pass header.i=@sub.a.example header.b=abc", "sub.a.example - - -"),
        ("dkim=fail reason=\"no key\" header.d=a.example", "a.example - - no key"),
        ("dkim=none header.d=none", "- - - -"),
        ("dmarc=pass (p=REJECT sp=REJECT) header.from=a.example", "a.example - reject -"),
        ("dmarc=pass (p=none) header.from=a.example policy.dmarc=quarantine", "a.example - quarantine -"),
        ("dmarc=pass header.from=a.example header.policy=none", "a.example - none -"),
        ("dmarc=pass header.from=a.example policy.dmarc=odd", "a.example - - -"),
    ];
    for (clause, expected) in table {
        let statement = parse(&format!("mx.c.example; {clause}")).expect(clause);
        let result = statement.methods[0].to_result(Some(3));
        let dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let policy = result.policy.map(|p| format!("{p:?}").to_lowercase());
        let got = [dash(result.domain), dash(result.selector), dash(policy), dash(result.reason)].join(" ");
        assert_eq!(got, expected, "{clause}");
        assert_eq!(result.header_index, Some(3));
    }
}

#[test]
fn several_headers_are_joined_in_order() {
    let parsed: Vec<Statement> = [
        "mx.c.example; dmarc=pass header.from=a.example; odd=pass",
        "mx2.c.example; spf=fail smtp.mailfrom=a.example; dkim=pass header.d=a.example; arc=none",
        "mx.c.example; dkim=fail header.d=b.example; spf=pass smtp.helo=h.example",
    ]
    .iter()
    .map(|value| parse(value).expect(value))
    .collect();
    let all = joined(&parsed).expect("statements");
    let words = |list: &[reply_ingest::event::AuthResult]| -> String {
        let shown = list.iter().map(|r| format!("{}/{}", r.result.as_str(), r.domain.as_deref().unwrap_or("-")));
        shown.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(all.authserv_id.as_deref(), Some("mx.c.example"));
    assert_eq!(words(&all.dmarc), "pass/a.example");
    assert_eq!(words(&all.spf), "fail/a.example pass/h.example");
    assert_eq!(words(&all.dkim), "pass/a.example fail/b.example");
    assert_eq!(words(&all.arc), "none/-");
    assert_eq!(joined(&[]), None);
}

#[test]
fn long_headers_are_bounded_and_read_in_linear_time() {
    let many = |unit: &str, count: usize| unit.repeat(count);
    let methods = |value: &str| parse(value).map(|s| s.methods.len());
    assert_eq!(methods(&format!("mx.c.example{}", many("; spf=pass", 200))), Some(50));
    assert_eq!(methods(&format!("mx.c.example{}; dkim=pass", many("; odd", 60))), Some(0));
    let wide = parse(&format!("mx.c.example; spf=pass{}; dkim=pass", many(" a.b=c", 200))).expect("a statement");
    assert_eq!((wide.methods.len(), wide.methods[0].properties.len()), (2, 50));
    let named = parse(&format!("mx.c.example; {}=pass {}.x=y", many("n", 300), many("p", 300))).expect("a statement");
    assert_eq!((named.methods[0].name.len(), named.methods[0].properties.len()), (64, 0));
    // Neither an id nor a value is cut into another one.
    assert_eq!(parse(&format!("mx.c.example{}; spf=pass", many("x", 300))), None);
    let long =
        parse(&format!("mx.c.example; spf=pass smtp.mailfrom=b.example{}", many(".a.example", 50))).expect("one");
    assert_eq!(long.methods[0].properties, []);

    for unit in [
        "(",
        ")",
        "((a)",
        "\"",
        "\\",
        ";",
        "; spf=pass",
        " a.b=c",
        " a.b= (c)",
        " a (c)",
        " smtp.a= smtp (c) . (c)",
        "=",
        "é",
    ] {
        for head in ["", "mx.c.example; spf=pass ", "mx.c.example; spf=pass smtp.mailfrom=", "i=1; mx.c.example; "] {
            let value = format!("{head}{}", many(unit, 200_000));
            let _ = (parse(&value), parse_arc(&value));
        }
    }
}

/// White space and comments to stand between tokens.
const GAPS: [&str; 6] = [" ", "\r\n\t", "  ", " (a; b=c) ", "(x (y \\) \" z) w)", "\r\n (x)\r\n "];

struct Gaps(Vec<usize>, usize);

impl Gaps {
    fn one(&mut self) -> &'static str {
        self.1 += 1;
        GAPS[self.0[self.1 % self.0.len()] % GAPS.len()]
    }

    fn none_or_one(&mut self) -> &'static str {
        self.1 += 1;
        if self.0[self.1 % self.0.len()].is_multiple_of(2) { "" } else { self.one() }
    }
}

/// A token where the characters allow it, else a quoted string.
fn written(text: &str, gaps: &mut Gaps) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if plain && !gaps.none_or_one().is_empty() {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn rendered(statement: &Statement, gaps: &mut Gaps) -> String {
    let mut out = String::new();
    if let Some(id) = &statement.authserv_id {
        out += gaps.none_or_one();
        out += &written(id, gaps);
        if !gaps.none_or_one().is_empty() {
            out += &[gaps.one(), "1"].concat();
        }
        out += gaps.none_or_one();
        out.push(';');
    }
    if statement.methods.is_empty() {
        out += "none";
    }
    for method in &statement.methods {
        out += &[gaps.none_or_one(), &method.name, gaps.none_or_one()].concat();
        if !gaps.none_or_one().is_empty() {
            out += &["/", gaps.none_or_one(), "1", gaps.none_or_one()].concat();
        }
        out += &["=", gaps.none_or_one(), method.result.as_str()].concat();
        if let Some(reason) = &method.reason {
            out +=
                &[gaps.one(), "reason", gaps.none_or_one(), "=", gaps.none_or_one(), &written(reason, gaps)].concat();
        }
        for Property { name, value } in &method.properties {
            let (ptype, property) = name.split_once('.').expect("a kind");
            out += &[gaps.one(), ptype, gaps.none_or_one(), ".", gaps.none_or_one(), property].concat();
            out += &[gaps.none_or_one(), "=", gaps.none_or_one(), &written(value, gaps)].concat();
        }
        out += &[gaps.none_or_one(), ";"].concat();
    }
    out
}

fn a_method() -> impl Strategy<Value = Method> {
    let words = prop::sample::select(vec![
        AuthWord::None,
        AuthWord::Pass,
        AuthWord::Fail,
        AuthWord::SoftFail,
        AuthWord::Neutral,
        AuthWord::Policy,
        AuthWord::TempError,
        AuthWord::PermError,
    ]);
    let property = ("[a-z][a-z0-9-]{0,8}\\.[a-z][a-z0-9-]{0,8}", "[ -~äß]{0,30}|[a-z.]{1,10}")
        .prop_map(|(name, value)| Property { name, value });
    let reason = prop::option::of("[ -~äß]{0,30}");
    ("[a-z][a-z0-9-]{0,8}", words, reason, prop::collection::vec(property, 0..4))
        .prop_map(|(name, result, reason, properties)| Method { reason, properties, ..Method::new(&name, result) })
}

fn a_statement() -> impl Strategy<Value = Statement> {
    let id = prop::option::of("[ -@\\[-~ä]{1,20}|[a-z0-9.-]{1,12}");
    (id, prop::collection::vec(a_method(), 0..5)).prop_map(|(id, methods)| Statement {
        authserv_id: id.or_else(|| methods.is_empty().then(|| "mx.c.example".to_owned())),
        header_index: None,
        methods,
    })
}

proptest! {
    #[test]
    fn what_is_rendered_is_read_back(
        statement in a_statement(),
        gaps in prop::collection::vec(0_usize..12, 1..40),
        instance in 1_u32..=50,
    ) {
        let value = rendered(&statement, &mut Gaps(gaps, 0));
        prop_assert_eq!(parse(&value), Some(statement.clone()), "{}", value);
        prop_assert_eq!(parse_arc(&format!("i={instance}; {value}")), Some((instance, statement)), "{}", value);
    }

    #[test]
    fn no_value_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = (parse(&text), parse_arc(&text));
    }

    #[test]
    fn no_near_value_panics_or_grows(text in "(mx\\.c|spf=pass|smtp\\.mailfrom=|[ ;()\"\\\\=./@<>a1é\r\n]){0,40}") {
        for statement in [parse(&text), parse_arc(&text).map(|(_, s)| s)].into_iter().flatten() {
            prop_assert!(statement.methods.len() <= 50);
            if let Some(all) = joined(&[statement]) {
                prop_assert!(all.spf.iter().chain(&all.dkim).all(|r| r.domain.as_ref().is_none_or(|d| d.len() <= 255)));
            }
        }
    }
}
