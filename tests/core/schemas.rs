//! The published schemas are those of the types, and the types write what the schemas allow.

use reply_ingest::event::schema::published;
use serde_json::Value;
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

/// The properties of a schema's object, and of the objects that stand in it.
fn undescribed(name: &str, schema: &Value, root: &Value, out: &mut Vec<String>) {
    for (property, about) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let target = about.get("$ref").and_then(Value::as_str).and_then(|r| root.pointer(r.trim_start_matches('#')));
        let description = [Some(about), target].into_iter().flatten().find_map(|s| s.get("description")?.as_str());
        // The kind of an alternative is described by the alternative.
        if description.is_none_or(|d| d.trim().is_empty()) && !about.get("const").is_some_and(Value::is_string) {
            out.push(format!("{name}.{property}"));
        }
    }
    for branch in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        undescribed(name, branch, root, out);
    }
}

/// Forms that a type does not tell.
fn needs_an_example(property: &Value) -> bool {
    let is = |name: &str| match &property["type"] {
        Value::String(one) => one == name,
        Value::Array(several) => several.iter().any(|t| t == name),
        _ => false,
    };
    is("string") && ["enum", "const", "pattern", "format"].iter().all(|key| property.get(*key).is_none())
}

#[test]
fn every_property_is_described_and_every_free_text_has_an_example() {
    for schema in published().into_iter().filter(|s| ["event", "run"].contains(&s.name)) {
        let root = &schema.schema;
        let (mut silent, mut without) = (Vec::new(), Vec::new());
        undescribed(schema.name, root, root, &mut silent);
        let defs = root["$defs"].as_object().expect("definitions");
        for (name, def) in defs {
            undescribed(name, def, root, &mut silent);
        }
        for (name, def) in defs.iter().chain([(&schema.name.to_owned(), root)]) {
            for (property, about) in def.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let place = format!("{name}.{property}").replace("run.", "event.");
                if needs_an_example(about) && about.get("examples").is_none() {
                    without.push(place);
                }
            }
        }
        assert!(silent.is_empty(), "without a description: {silent:?}");
        assert!(without.is_empty(), "without an example: {without:?}");
    }
}

/// Examples are right: each fits the property that it stands for.
#[test]
fn examples_fit() {
    fn walk(value: &Value, root: &Value, count: &mut usize) {
        match value {
            Value::Object(map) => {
                for example in map.get("examples").and_then(Value::as_array).into_iter().flatten() {
                    let mut schema = value.clone();
                    schema["$defs"] = root["$defs"].clone();
                    let validator = jsonschema::validator_for(&schema).expect("compiles");
                    assert!(validator.is_valid(example), "{example} is no {value}");
                    *count += 1;
                }
                map.values().for_each(|v| walk(v, root, count));
            }
            Value::Array(list) => list.iter().for_each(|v| walk(v, root, count)),
            _ => {}
        }
    }
    let mut count = 0;
    for schema in published() {
        walk(&schema.schema, &schema.schema, &mut count);
    }
    assert!(count > 80, "{count} examples");
}
