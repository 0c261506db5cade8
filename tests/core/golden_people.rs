//! Golden mails of people and of the machines that answer for them: `tests/golden/people`, a table and a folder for
//! each language. Each mail is read with LF, CRLF and CR line ends.
//!
//! A row may name under `misses` what the classifier is known to get wrong of it; anything else must be right, and what
//! is right must not be named. So the rates below are what they are, and a change for the worse or the better shows.

use reply_ingest::classify::{Finding, Rules, classify};
use reply_ingest::event::{Kind, Verdict};
use reply_ingest::message::{Mail, to_crlf};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    mail: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Without `.eml`.
    file: String,
    kind: String,
    /// A human mail that speaks of what machines write.
    #[serde(default)]
    trap: bool,
    /// Written when the rules were there, by somebody who did not know them.
    #[serde(default)]
    blind: bool,
    /// Which automatic answer.
    #[serde(rename = "type")]
    reply_type: Option<String>,
    /// Whether a header says that it is one.
    #[serde(default)]
    helped: bool,
    returns_on: Option<String>,
    contacts: Option<Vec<String>>,
    scope: Option<String>,
    /// The person's own words.
    text: Option<String>,
    signature: Option<String>,
    layout: Option<String>,
    intent: Option<String>,
    subtype: Option<String>,
    /// What is known to be wrong: `kind`, `type`, `returns_on`, `contacts`, `scope`, `text`, `layout`, `intent`,
    /// `subtype`.
    #[serde(default)]
    misses: BTreeSet<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/people")
}

fn name(value: impl serde::Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the own words are the expected ones. Whether "Best regards, Ana" is text or signature is a matter of taste.
fn same_words(finding: &Finding, expected: &str) -> bool {
    let Some(words) = &finding.words else { return false };
    let (text, expected) = (collapsed(&words.text), collapsed(expected));
    let signed = collapsed(&format!("{} {}", words.text, words.signature.as_deref().unwrap_or_default()));
    text == expected || (expected.starts_with(&text) && signed.starts_with(&expected))
}

/// What is wrong of a finding.
fn wrong(row: &Row, finding: &Finding) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let mut check = |what: &str, right: bool| {
        if !right {
            out.insert(what.to_owned());
        }
    };
    check("kind", finding.kind().as_str() == row.kind);
    match &finding.verdict {
        _ if finding.kind().as_str() != row.kind => {}
        Verdict::AutoReply { auto_reply } => {
            check("type", row.reply_type == name(auto_reply.reply_type));
            check("returns_on", row.returns_on == auto_reply.returns_on.map(|d| d.to_string()));
            if let Some(expected) = &row.contacts {
                let found = auto_reply.alternate_contacts.iter().filter_map(|p| p.address.as_deref());
                let same = found.map(str::to_lowercase).eq(expected.iter().map(|a| a.to_lowercase()));
                check("contacts", same);
            }
        }
        // A bare "unsubscribe" speaks of the list that the mail came by, if of anything.
        Verdict::Unsubscribe { unsubscribe } => match (row.scope.as_deref(), name(unsubscribe.scope).as_deref()) {
            (Some("unknown"), Some("list")) => {}
            (expected, found) => check("scope", expected == found),
        },
        Verdict::Reply { reply } => {
            if let Some(text) = &row.text {
                check("text", same_words(finding, text));
            }
            if let Some(layout) = &row.layout {
                check("layout", finding.words.as_ref().and_then(|w| w.layout).and_then(name).as_ref() == Some(layout));
            }
            if let Some(intent) = &row.intent {
                check("intent", name(reply.intent).as_ref() == Some(intent));
            }
        }
        Verdict::Other { other } => {
            check("subtype", row.subtype.as_ref().is_none_or(|s| *s == other.subtype));
        }
        _ => {}
    }
    out
}

fn read(octets: &[u8], rules: &Rules) -> Finding {
    let octets = to_crlf(octets);
    classify(&Mail::parse(&octets), rules).into_iter().next().expect("a mail has a finding")
}

/// Each folder's rows, with their mails.
fn tables() -> Vec<(String, Row, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder()).expect("the golden mails are there") {
        let path = entry.expect("is readable").path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        let table: Table = toml::from_str(&fs::read_to_string(&path).expect("is text")).expect("is a table");
        let language = path.file_stem().and_then(|s| s.to_str()).expect("has a name").to_owned();
        let mut files: BTreeSet<String> = fs::read_dir(folder().join(&language))
            .expect("each table has its folder")
            .map(|e| e.expect("is readable").file_name().into_string().expect("is ASCII"))
            .collect();
        for row in table.mail {
            let file = format!("{}.eml", row.file);
            assert!(files.remove(&file), "{language}/{file} is not there, or stands twice");
            let octets = fs::read(folder().join(&language).join(&file)).expect("is readable");
            out.push((format!("{language}/{}", row.file), row, octets));
        }
        assert!(files.is_empty(), "in no row of {language}: {files:?}");
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out
}

#[test]
fn golden_people() {
    let rules = Rules::embedded().expect("embedded rules are right");
    let mut differs = Vec::new();
    // (what it is, what it was taken for) → how many
    let mut taken: BTreeMap<(String, &'static str), usize> = BTreeMap::new();
    let (mut unhelped, mut blind, mut languages) = (0, 0, BTreeSet::new());
    for (name, row, octets) in tables() {
        let finding = read(&octets, &rules);
        let found = wrong(&row, &finding);
        if found != row.misses {
            let rules: Vec<&str> = finding.hits.iter().map(|h| h.rule.as_str()).collect();
            differs.push(format!(
                "{name}: wrong are {found:?}, not {:?} ({:?} by {rules:?})",
                row.misses, finding.verdict
            ));
        }
        for end in ["\r\n", "\r"] {
            let other: Vec<u8> = octets.split(|b| *b == b'\n').collect::<Vec<_>>().join(end.as_bytes());
            if read(&other, &rules) != finding {
                differs.push(format!("{name}: {end:?} line ends change it"));
            }
        }
        blind += usize::from(row.blind);
        if row.kind == "auto_reply" {
            unhelped += usize::from(!row.helped);
            languages.insert(name.split('/').next().unwrap_or_default().to_owned());
        }
        assert!(row.signature.is_none() || row.text.is_some(), "{name} has a signature and no text");
        let class = if row.trap { "trap".to_owned() } else { row.kind };
        *taken.entry((class, finding.kind().as_str())).or_default() += 1;
    }
    assert!(differs.is_empty(), "{} differ:\n{}", differs.len(), differs.join("\n"));

    let of = |class: &str| taken.iter().filter(|((c, _), _)| c == class).map(|(_, n)| n).sum::<usize>();
    let as_kind = |kind: Kind| taken.iter().filter(|((_, k), _)| *k == kind.as_str()).map(|(_, n)| n).sum::<usize>();
    let right = |kind: Kind| taken.get(&(kind.as_str().to_owned(), kind.as_str())).copied().unwrap_or_default();
    // At least this share, in thousandths.
    let at_least = |share: usize, part: usize, whole: usize| part * 1_000 >= whole * share;
    for (class, least) in
        [("auto_reply", 150), ("unsubscribe", 60), ("receipt", 20), ("challenge", 10), ("reply", 150), ("trap", 60)]
    {
        assert!(of(class) >= least, "only {} of {class}", of(class));
    }
    assert!(blind >= 100, "only {blind} were written blind");
    assert!(languages.len() >= 12 && unhelped * 2 >= of("auto_reply"), "{unhelped} without a header, {languages:?}");
    let (auto, unsubscribe) = (right(Kind::AutoReply), right(Kind::Unsubscribe));
    assert!(at_least(970, auto, of("auto_reply")), "automatic answers found: {auto} of {}", of("auto_reply"));
    assert!(at_least(990, auto, as_kind(Kind::AutoReply)), "automatic answers that are some: {auto}");
    assert!(at_least(970, unsubscribe, of("unsubscribe")), "wishes found: {unsubscribe} of {}", of("unsubscribe"));
    assert_eq!(unsubscribe, as_kind(Kind::Unsubscribe), "wishes that are some");
    let people = of("reply") + of("trap");
    let kept = ["reply", "trap"].map(|c| taken.get(&(c.to_owned(), "reply")).copied().unwrap_or_default());
    assert!(at_least(990, kept.iter().sum(), people), "{kept:?} of {people} human mails are replies");
}
