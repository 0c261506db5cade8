//! What values.schema.json says of `config`: made from the schema of the program's own configuration, so that a setting
//! which the program does not know is refused before anything is installed.
//!
//! `REPLY_INGEST_WRITE_SCHEMAS=1 cargo test --test helm schema` writes it.

use super::root;
use reply_ingest::event::schema::published;
use serde_json::{Map, Value, json};
use std::fs;

/// Where the part that is made begins; it goes to the end of the file.
const BEGIN: &str = "\n  \"definitions\": ";
/// What a scalar may be besides: the program puts an environment variable's value there.
const VARIABLE: &str = r"\$\{";

/// The definitions that `config` refers to, in draft 7: that is all that older releases of Helm know.
fn definitions() -> Value {
    let schema = published().into_iter().find(|s| s.name == "config").expect("is published").schema;
    let mut definitions: Map<String, Value> = schema["$defs"]
        .as_object()
        .expect("definitions")
        .iter()
        .map(|(name, of)| (name.clone(), setting(of)))
        .collect();
    let mut config = setting(&schema);
    for key in ["$defs", "$id", "$schema", "title"] {
        config.as_object_mut().and_then(|all| all.remove(key));
    }
    // The chart writes it from values of its own, and says so.
    config["properties"]["run"] = json!({ "type": "object" });
    for name in ["RunSettings", "Missed", "TimeZone"] {
        definitions.remove(name).expect("only `run` has it");
    }
    definitions.insert("Config".to_owned(), config);
    Value::Object(definitions)
}

/// A setting as it may stand in values, where any scalar may be `${NAME}`.
fn setting(schema: &Value) -> Value {
    let mut out = Map::new();
    for (key, of) in schema.as_object().expect("a schema") {
        let kept = match key.as_str() {
            // Helm has no use for them.
            "default" | "examples" | "format" => continue,
            "$ref" => json!(of.as_str().expect("a name").replace("#/$defs/", "#/definitions/")),
            "items" => not_empty(setting(of)),
            "anyOf" => of.as_array().expect("a list").iter().map(setting).collect(),
            "properties" => {
                let settings = of.as_object().expect("settings").iter();
                let is_required =
                    |name: &str| schema["required"].as_array().is_some_and(|r| r.iter().any(|r| r == name));
                let each = |of, name: &str| if is_required(name) { not_empty(setting(of)) } else { setting(of) };
                Value::Object(settings.map(|(name, of)| (name.clone(), each(of, name))).collect())
            }
            // Of librdkafka or a cloud: the program takes what stands there as a text.
            "additionalProperties" if of.is_object() => json!({ "type": ["string", "number", "boolean"] }),
            _ => of.clone(),
        };
        out.insert(key.clone(), kept);
    }
    // Helm's message on a setting that may be null should not end with "got object, want null".
    if let Some([of, null]) = out.get("anyOf").and_then(Value::as_array).map(Vec::as_slice)
        && *null == json!({ "type": "null" })
    {
        let (of, null) = (of.clone(), null.clone());
        out.remove("anyOf");
        out.extend([("if".to_owned(), null), ("else".to_owned(), of)]);
    }
    if let Some(Value::Array(choices)) = out.remove("oneOf") {
        let known: Vec<String> = choices.iter().flat_map(words).collect();
        let mut others: Vec<Value> = choices.iter().filter(|c| words(c).is_empty()).map(setting).collect();
        if others.is_empty() {
            out.extend(one_of(&known));
        } else {
            if !known.is_empty() {
                others.insert(0, Value::Object(one_of(&known)));
            }
            out.insert("oneOf".to_owned(), others.into());
        }
    }
    let known = words(&Value::Object(out.clone()));
    if !known.is_empty() {
        out.retain(|key, _| key == "description");
        out.extend(one_of(&known));
    } else if let Some(Value::String(pattern)) = out.get_mut("pattern")
        && !pattern.ends_with(VARIABLE)
    {
        *pattern = format!("{pattern}|{VARIABLE}");
    }
    let mut kinds =
        out.get("type").into_iter().flat_map(|t| t.as_array().map_or_else(|| vec![t], |t| t.iter().collect()));
    if kinds.clone().any(|t| t == "integer" || t == "boolean") && !kinds.any(|t| t == "string") {
        let about = out.remove("description").map(|text| ("description".to_owned(), text));
        let number = std::mem::take(&mut out);
        out.extend(about);
        out.insert("anyOf".to_owned(), json!([number, { "type": "string", "pattern": VARIABLE }]));
    }
    Value::Object(out)
}

/// A text that must be given is not an empty one.
fn not_empty(mut schema: Value) -> Value {
    if schema["type"] == "string" && schema.get("pattern").is_none() {
        schema["minLength"] = 1.into();
    }
    schema
}

/// The words that a choice consists of.
fn words(schema: &Value) -> Vec<String> {
    let several = schema["enum"].as_array().into_iter().flatten().chain(schema.get("const"));
    several.map(|word| word.as_str().expect("a word").to_owned()).collect()
}

/// As a pattern: Helm's message then names all of them in one line.
fn one_of(words: &[String]) -> Map<String, Value> {
    let pattern = format!("^({})$|{VARIABLE}", words.join("|").replace('.', "[.]"));
    let text = json!({ "type": "string", "pattern": pattern });
    // 1.3 without quotes.
    let numbers: Vec<f64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let all = if numbers.is_empty() { text } else { json!({ "anyOf": [text, { "enum": numbers }] }) };
    serde_json::from_value(all).expect("an object")
}

#[test]
fn the_schema_of_config_is_that_of_the_program() {
    let path = root().join("helm/values.schema.json");
    let file = fs::read_to_string(&path).expect("is there");
    let (written, _) = file.split_once(BEGIN).expect("the definitions begin");
    let mut all = json!({ "definitions": definitions() });
    let made = serde_json::to_string_pretty(&all).expect("serialises");
    let made = format!("{written}{}\n", made.strip_prefix('{').expect("an object"));
    if std::env::var_os("REPLY_INGEST_WRITE_SCHEMAS").is_some() {
        fs::write(&path, made).expect("writes");
    } else {
        assert!(file == made, "write it: REPLY_INGEST_WRITE_SCHEMAS=1 cargo test --test helm schema");
    }
    all["$ref"] = json!("#/definitions/Config");
    all["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    jsonschema::meta::validate(&all).expect("a schema");
}

/// Each of these is a `config` that the program takes or refuses as well.
#[test]
fn what_may_stand_below_config() {
    let mut schema = json!({ "definitions": definitions(), "$ref": "#/definitions/Config" });
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    let validator = jsonschema::validator_for(&schema).expect("compiles");
    let table = [
        ("/kafka/ack_timeout", json!("90s"), true),
        ("/kafka/ack_timeout", json!("${ACK}"), true),
        ("/kafka/ack_timeout", json!("soon"), false),
        ("/kafka/topc", json!("x"), false),
        ("/kafka/properties", json!({ "linger.ms": 20, "enable.idempotence": true, "acks": "all" }), true),
        ("/limits", json!({ "pipeline": 5 }), true),
        ("/limits", json!({ "pipeline": "${PIPELINE:-5}" }), true),
        ("/limits", json!({ "pipeline": "five" }), false),
        ("/limts", json!({}), false),
        ("/auth", json!({ "enabled": "${AUTH}" }), true),
        ("/auth", json!({ "enabled": "perhaps" }), false),
        ("/archive", json!({ "location": "/x", "retention": null }), true),
        ("/archive", json!({ "location": "/x", "retention": "soon" }), false),
        ("/archive", json!({ "locatio": "/x" }), false),
        ("/archive", json!(null), true),
        ("/mailboxes/0/privacy", json!(null), true),
        ("/mailboxes/0/privacy", json!({ "text": "ful" }), false),
        ("/delivery", json!("exactly_once"), true),
        ("/delivery", json!("exactly_onec"), false),
        ("/mailboxes/0/tls_min", json!(1.3), true),
        ("/mailboxes/0/tls_min", json!("1.3"), true),
        ("/mailboxes/0/tls_min", json!(1.1), false),
        ("/mailboxes/0/retention", json!("delete"), true),
        ("/mailboxes/0/retention", json!("${RETENTION}"), true),
        ("/mailboxes/0/retention", json!({ "delete_after": "14d" }), true),
        ("/mailboxes/0/retention", json!({ "delet_after": "14d" }), false),
        ("/mailboxes/0/port", json!(70_000), false),
        ("/mailboxes/0/host", json!(""), false),
        ("/kafka/brokers", json!([""]), false),
        ("/mailboxes/0/oauth", json!({ "endpoint": { "url": "https://x", "client_idd": "x" } }), false),
    ];
    for (at, value, expected) in table {
        let mut config = json!({
            "kafka": { "brokers": ["kafka:9092"], "topic": "campaign.mail" },
            "mailboxes": [{ "name": "replies", "host": "pop.example.com", "username": "replies" }],
        });
        let (parent, key) = at.rsplit_once('/').expect("a path");
        config.pointer_mut(parent).expect("is there")[key] = value.clone();
        let said: Vec<String> = validator.iter_errors(&config).map(|e| e.to_string()).collect();
        assert_eq!(said.is_empty(), expected, "{at}: {value}: {said:?}");
    }
}
