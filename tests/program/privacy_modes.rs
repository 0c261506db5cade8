//! Every sample in every mode of privacy: the event is what the schema says, and in the strict modes without addresses.

use chrono::Utc;
use reply_ingest::classify::Rules;
use reply_ingest::demo::{self, Samples};
use reply_ingest::event::privacy::{Key, Policy};
use reply_ingest::event::{AddressMode, TextMode, schema::published};
use reply_ingest::message::RawMail;
use reply_ingest::pipeline::{Line, LineSettings, Place};
use std::path::Path;
use std::sync::Arc;

#[test]
fn every_sample_is_valid_in_every_mode_and_names_nobody_in_the_strict_ones() {
    let samples = Samples::make().expect("samples");
    let config = demo::configuration(Path::new("/tmp"), 1, 1, "localhost:1").expect("is right");
    let rules = Arc::new(Rules::embedded().expect("rules"));
    let settings = LineSettings::new(&config, "run".to_owned(), false);
    let line = Line::new(settings, rules, Arc::new(samples.zone.clone())).expect("a line");
    let schema = published().into_iter().find(|s| s.name == "event").expect("is published").schema;
    let validator = jsonschema::validator_for(&schema).expect("compiles");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let people: Vec<&String> = samples.list.iter().flat_map(|s| &s.recipients).filter(|r| !r.is_empty()).collect();
    let (mut events, mut named) = (0, 0);
    for addresses in [AddressMode::Clear, AddressMode::Hmac, AddressMode::Omit] {
        for text in [TextMode::Omit, TextMode::Excerpt, TextMode::Full] {
            for sample in &samples.list {
                let mailbox = config.mailboxes.iter().find(|m| m.name == sample.mailbox).expect("is configured");
                let key = Some(Key::new("k1".to_owned(), b"a key of enough octets"));
                let privacy = Policy { addresses, text, key, retain: Some(chrono::TimeDelta::days(30)) };
                let place = Place { privacy, ..Place::of(mailbox, &config) };
                let raw = RawMail::new(sample.mail.clone());
                for event in runtime.block_on(line.judge(&raw, &place, Some("u"), None, Utc::now())).events {
                    let value = serde_json::to_value(&event).expect("serialises");
                    let errors: Vec<String> =
                        validator.iter_errors(&value).map(|e| format!("{e} at {}", e.instance_path())).collect();
                    assert!(errors.is_empty(), "{} {addresses:?} {text:?}: {errors:?}", sample.file);
                    let json = value.to_string().to_lowercase();
                    let found = people.iter().find(|address| json.contains(&address.to_lowercase()));
                    if addresses != AddressMode::Clear {
                        assert_eq!(found, None, "{} {addresses:?} {text:?}", sample.file);
                    }
                    named += usize::from(found.is_some());
                    events += 1;
                }
            }
        }
    }
    // Each sample makes at least one event, and in clear most of them name somebody.
    assert!(events >= 9 * samples.list.len() && named >= samples.list.len(), "{events} {named}");
}
