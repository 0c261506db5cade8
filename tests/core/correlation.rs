//! Campaign correlation: known answers, and that nothing ever finds a wrong campaign.

use proptest::prelude::*;
use reply_ingest::classify::{Finding, OriginalMail};
use reply_ingest::correlate::token::{Signer, make};
use reply_ingest::correlate::{Captured, Correlator, Correlators, Pattern, Sight};
use reply_ingest::event::{Correlation, CorrelationStatus, UnclassifiedReason};
use reply_ingest::message::{Mail, to_crlf};
use serde::Deserialize;
use std::path::Path;
use std::sync::LazyLock;

#[derive(Deserialize)]
struct File {
    correlators: String,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    #[serde(default)]
    headers: String,
    #[serde(default)]
    original: String,
    status: CorrelationStatus,
    campaign: Option<String>,
    send: Option<String>,
    recipient: Option<String>,
}

fn correlators(json: &str) -> Correlators {
    let settings: Vec<Correlator> = serde_json::from_str(json).expect("settings");
    Correlators::new(&settings).expect("are right")
}

fn correlate(correlators: &Correlators, headers: &str, original: &str) -> Correlation {
    let head = if headers.is_empty() { String::new() } else { format!("{headers}\n") };
    let bytes = to_crlf(format!("{head}Subject: x\n\nThank you.\n").as_bytes()).into_owned();
    let mail = Mail::parse(&bytes);
    let mut finding = Finding::unclassified(UnclassifiedReason::NoRule);
    let inner = to_crlf(format!("{original}\n\n").as_bytes()).into_owned();
    if !original.is_empty() {
        let inner = Mail::parse(&inner);
        let headers: Vec<(String, String)> = inner
            .message()
            .headers()
            .iter()
            .map(|h| {
                let value = reply_ingest::message::value_of(inner.message(), h).unwrap_or_default();
                (h.name.as_str().to_lowercase(), value.into_owned())
            })
            .collect();
        let message_id = inner.message_id().map(str::to_owned);
        finding.original = Some(OriginalMail { message_id, headers, ..OriginalMail::default() });
    }
    correlators.correlate(&Sight::new(&mail), &finding)
}

#[test]
fn known_answers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/correlation");
    let (mut count, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).expect("is there") {
        let path = entry.expect("reads").path();
        let file: File = toml::from_str(&std::fs::read_to_string(&path).expect("reads")).expect("cases");
        let correlators = correlators(&file.correlators);
        for case in file.case {
            count += 1;
            let found = correlate(&correlators, &case.headers, &case.original);
            let got = (found.status, &found.campaign_id, &found.send_id, &found.recipient_id);
            // A recipient or send that a case does not speak of may be anything only where it is not found.
            if got != (case.status, &case.campaign, &case.send, &case.recipient) {
                wrong.push(format!("{}: {}: {got:?}", path.display(), case.about));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 200, "{count} cases");
}

#[derive(Deserialize)]
struct Vector {
    key: String,
    context: String,
    truncate: usize,
    pattern: String,
    ids: Ids,
    token: String,
}

#[derive(Deserialize)]
struct Ids {
    campaign: Option<String>,
    send: Option<String>,
    recipient: Option<String>,
    step: Option<u32>,
    variant: Option<String>,
}

/// The vectors were computed by another implementation.
#[test]
fn the_published_vectors() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../../schemas/token-vectors.json")).expect("reads");
    assert!(vectors.len() > 5);
    for v in vectors {
        let pattern = Pattern::new(&v.pattern).expect("compiles");
        let signer = Signer::new([("k", v.key.as_bytes())], v.truncate, &v.context);
        let Ids { campaign, send, recipient, step, variant } = v.ids;
        let ids = Captured { campaign, send, recipient, step, variant, list: None };
        assert_eq!(make(&pattern, &signer, &ids).as_ref(), Ok(&v.token));
    }
}

const KEY: &[u8] = b"0123456789abcdef";
const SIGNED: &str = r#"[{"id":"t","address":"reply+{campaign}.{send}.{sig}@r.example",
    "verify":{"keys":[{"id":"k","key":"0123456789abcdef"}]}}]"#;

static READY: LazyLock<Correlators> = LazyLock::new(|| correlators(SIGNED));
static PATTERN: LazyLock<Pattern> =
    LazyLock::new(|| Pattern::new("reply+{campaign}.{send}.{sig}@r.example").expect("compiles"));

fn token(campaign: &str, send: &str) -> String {
    let ids = Captured { campaign: Some(campaign.to_owned()), send: Some(send.to_owned()), ..Captured::default() };
    make(&PATTERN, &Signer::new([("k", KEY)], 10, ""), &ids).expect("fits")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Ten thousand plus-address forms: without the key nobody gets a campaign.
    #[test]
    fn no_unsigned_address_finds_a_campaign(local in "[a-z0-9.+=_-]{1,40}", head in prop::sample::select(vec![
        "", "reply+", "REPLY+", "reply+c1.", "reply+c1.s1.", "prvs=0123456789=reply+", "SRS0=a=b=r.example=reply+c1.s1.",
    ])) {
        let found = correlate(&READY, &format!("To: {head}{local}@r.example"), "");
        prop_assert_eq!(found.campaign_id, None);
        prop_assert!(matches!(found.status, CorrelationStatus::Unmatched | CorrelationStatus::Forged));
    }

    /// Whatever a mail client does to a token, it finds its own campaign or none.
    #[test]
    fn a_changed_token_finds_its_own_campaign_or_none(
        campaign in "[a-z0-9]{1,10}", send in "[a-z0-9]{1,10}", at in 0_usize..60, change in 0_u8..5, put in "[ -~]",
    ) {
        let whole = token(&campaign, &send);
        let (head, tail) = whole.split_at(at.min(whole.len() - 1));
        let shorter: String = tail.chars().skip(1).collect();
        let changed = match change {
            0 => whole.clone(),
            1 => whole.to_uppercase(),
            2 => format!("{head}{shorter}"),
            3 => format!("{head}{put}{shorter}"),
            _ => format!("{head}\n {tail}"),
        };
        let found = correlate(&READY, &format!("To: {changed}"), "");
        if change < 2 {
            prop_assert_eq!(found.status, CorrelationStatus::Matched);
            prop_assert_eq!(found.send_id.as_ref(), Some(&send));
        }
        prop_assert!(found.campaign_id.is_none_or(|c| c == campaign));
    }
}
