//! The published schemas are those of the types, and the types write what the schemas allow.

use reply_ingest::event::schema::published;
use std::fs;
use std::path::Path;

/// `REPLY_INGEST_WRITE_SCHEMAS=1 cargo test` writes the files anew.
#[test]
fn the_files_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    for schema in published() {
        let text = serde_json::to_string_pretty(&schema.schema).expect("serialises") + "\n";
        let path = folder.join(schema.file);
        if std::env::var_os("REPLY_INGEST_WRITE_SCHEMAS").is_some() {
            fs::write(&path, &text).expect("writes");
        }
        let file = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            file == text,
            "schemas/{} is not what the types say: look at the difference and run REPLY_INGEST_WRITE_SCHEMAS=1 cargo test",
            schema.file
        );
    }
}

#[test]
fn every_schema_is_a_valid_schema() {
    for schema in published() {
        jsonschema::meta::validate(&schema.schema).unwrap_or_else(|e| panic!("{}: {e}", schema.name));
        assert!(jsonschema::validator_for(&schema.schema).is_ok(), "{}", schema.name);
    }
}

#[test]
fn an_address_where_none_may_be_is_refused() {
    let schema = published().into_iter().find(|s| s.name == "event").expect("is published").schema;
    let validator = jsonschema::validator_for(&schema).expect("compiles");
    let mut event = super::line::an_event();
    assert!(
        validator.is_valid(&event),
        "{:?}",
        validator.iter_errors(&event).map(|e| e.to_string()).collect::<Vec<_>>()
    );
    event["data"]["privacy"]["addresses"] = "hmac".into();
    assert!(!validator.is_valid(&event), "an address beside `hmac` must not pass");
    for party in ["sender", "recipient"] {
        event["data"][party].as_object_mut().map(|p| p.remove("address"));
    }
    assert!(validator.is_valid(&event));
    event["data"]["kind"] = "bounce".into();
    assert!(!validator.is_valid(&event), "a bounce needs its details");
}
