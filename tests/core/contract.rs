//! What consumers rely on: events of version 1 stay events, and the schema only ever gets wider in the ways that
//! schemas/README.md promises.

use reply_ingest::event::schema::published;
use reply_ingest::event::{Event, Kind};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn frozen(name: &str) -> Value {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/events-v1").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("is JSON")
}

fn current() -> Value {
    published().into_iter().find(|s| s.name == "event").expect("is published").schema
}

/// Whether everything that `old` says stands in `new` too.
fn holds(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => old.iter().all(|(k, v)| new.get(k).is_some_and(|n| holds(v, n))),
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| holds(old, new))
        }
        _ => old == new,
    }
}

#[test]
fn events_of_version_1_are_still_read_and_still_valid() {
    let schemas = [frozen("schema.json"), current()].map(|s| jsonschema::validator_for(&s).expect("compiles"));
    for kind in Kind::ALL {
        let event = frozen(&format!("{}.json", kind.as_str()));
        for schema in &schemas {
            let errors: Vec<String> =
                schema.iter_errors(&event).map(|e| format!("{e} at {}", e.instance_path())).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", kind.as_str());
        }
        let read: Event = serde_json::from_value(event.clone()).expect("is an event");
        assert_eq!(read.data.verdict.kind(), kind);
        let written: Value = serde_json::from_str(&serde_json::to_string(&read).expect("serialises")).expect("is JSON");
        assert!(holds(&event, &written), "{}: something is lost", kind.as_str());
    }
}

/// Keywords that only explain.
const NOTES: [&str; 6] = ["title", "description", "examples", "default", "$comment", "$schema"];
/// Keywords with rules of their own.
const RULED: [&str; 10] =
    ["$ref", "$defs", "enum", "oneOf", "anyOf", "properties", "required", "items", "additionalProperties", "const"];

struct Compare<'s> {
    old: &'s Value,
    new: &'s Value,
}

fn resolve<'s>(root: &'s Value, schema: &'s Value) -> (&'s Value, Option<&'s str>) {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(target) => (target.strip_prefix('#').and_then(|p| root.pointer(p)).expect("resolves"), Some(target)),
        None => (schema, None),
    }
}

fn list<'s>(schema: &'s Value, name: &str) -> Vec<&'s Value> {
    schema.get(name).and_then(Value::as_array).into_iter().flatten().collect()
}

fn branches(schema: &Value) -> Vec<&Value> {
    list(schema, "oneOf").into_iter().chain(list(schema, "anyOf")).collect()
}

/// The words that a schema allows, where it is a list of words.
fn words(root: &Value, schema: &Value) -> Option<BTreeSet<String>> {
    let (schema, _) = resolve(root, schema);
    if let Some(word) = schema.get("const") {
        return Some([word.to_string()].into());
    }
    if schema.get("enum").is_some() {
        return Some(list(schema, "enum").into_iter().map(ToString::to_string).collect());
    }
    if schema.get("type") == Some(&json!("null")) {
        return Some(["null".to_owned()].into());
    }
    let branches = branches(schema);
    if branches.is_empty() || schema.get("properties").is_some() {
        return None;
    }
    branches
        .into_iter()
        .map(|b| words(root, b))
        .collect::<Option<Vec<_>>>()
        .map(|all| all.into_iter().flatten().collect())
}

impl Compare<'_> {
    /// Every way in which the new schema breaks the promise, by place.
    fn run(&self) -> Vec<String> {
        let mut out = Vec::new();
        self.compare(self.old, self.new, "", &mut Vec::new(), &mut out);
        out
    }

    fn compare<'o>(&'o self, old: &'o Value, new: &'o Value, at: &str, open: &mut Vec<&'o str>, out: &mut Vec<String>) {
        if let Some(old_words) = words(self.old, old) {
            match words(self.new, new) {
                Some(new_words) => {
                    out.extend(old_words.difference(&new_words).map(|word| format!("{at}: {word} is no more")));
                }
                None => out.push(format!("{at}: is no list of words any more")),
            }
            return;
        }
        let ((old, target), (new, _)) = (resolve(self.old, old), resolve(self.new, new));
        if target.is_some_and(|t| open.contains(&t)) {
            return;
        }
        open.extend(target);
        let names =
            |schema: &Value| schema.as_object().into_iter().flat_map(Map::keys).cloned().collect::<BTreeSet<_>>();
        for name in names(old).union(&names(new)).filter(|n| ![&NOTES[..], &RULED].concat().contains(&n.as_str())) {
            if old.get(name) != new.get(name) {
                out.push(format!("{at}: {name} changed"));
            }
        }
        let required = |schema| list(schema, "required").into_iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        for name in required(old).symmetric_difference(&required(new)) {
            out.push(format!("{at}: {name} is required in one and not in the other"));
        }
        for (name, property) in old.get("properties").and_then(Value::as_object).into_iter().flatten() {
            match new.get("properties").and_then(|p| p.get(name)) {
                Some(other) => self.compare(property, other, &format!("{at}/{name}"), open, out),
                None => out.push(format!("{at}/{name}: is no more")),
            }
        }
        for name in ["items", "additionalProperties"] {
            match (old.get(name), new.get(name)) {
                (Some(old @ Value::Object(_)), Some(new)) => self.compare(old, new, &format!("{at}/{name}"), open, out),
                (old, new) if old != new => out.push(format!("{at}: {name} changed")),
                _ => {}
            }
        }
        for branch in branches(old) {
            let fits = branches(new).into_iter().any(|other| {
                let mut differences = Vec::new();
                self.compare(branch, other, at, &mut open.clone(), &mut differences);
                differences.is_empty()
            });
            if !fits {
                out.push(format!("{at}: an alternative is no more: {branch}"));
            }
        }
        if branches(old).is_empty() && !branches(new).is_empty() {
            out.push(format!("{at}: there are alternatives now"));
        }
        open.truncate(open.len() - usize::from(target.is_some()));
    }
}

#[test]
fn the_schema_breaks_no_promise() {
    let (old, new) = (frozen("schema.json"), current());
    let broken = Compare { old: &old, new: &new }.run();
    assert!(broken.is_empty(), "this needs a version 2 (schemas/README.md, How it may change): {broken:#?}");
}

#[test]
fn what_breaks_a_promise_is_found_and_what_does_not_is_let_pass() {
    let old = frozen("schema.json");
    let data = "/$defs/EventData";
    let change = |pointer: &str, change: &dyn Fn(&mut Value)| {
        let mut new = old.clone();
        change(new.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there")));
        Compare { old: &old, new: &new }.run()
    };
    let properties = format!("{data}/properties");
    let required = format!("{data}/required");
    let dedupe = format!("{data}/properties/dedupe_key");
    let bad: [(&str, &str, &dyn Fn(&mut Value)); 8] = [
        ("a property less", &properties, &|v| drop(v.as_object_mut().unwrap().remove("supersedes"))),
        ("a word less", "/$defs/Intent/enum", &|v| drop(v.as_array_mut().unwrap().pop())),
        ("one more is required", &required, &|v| v.as_array_mut().unwrap().push(json!("supersedes"))),
        ("one is required no more", &required, &|v| drop(v.as_array_mut().unwrap().pop())),
        ("another type", &dedupe, &|v| v["type"] = json!("integer")),
        ("perhaps null", &dedupe, &|v| v["type"] = json!(["string", "null"])),
        ("another pattern", &dedupe, &|v| v["pattern"] = json!("^[0-9a-f]{32}$")),
        ("a kind less", &format!("{data}/oneOf"), &|v| drop(v.as_array_mut().unwrap().remove(0))),
    ];
    for (name, pointer, how) in bad {
        assert!(!change(pointer, how).is_empty(), "{name} must not pass");
    }
    let good: [(&str, &str, &dyn Fn(&mut Value)); 3] = [
        ("a property more", &properties, &|v| v["new"] = json!({"type": "string"})),
        ("a word more", "/$defs/Intent/enum", &|v| v.as_array_mut().unwrap().push(json!("curious"))),
        ("other words to explain", &dedupe, &|v| v["description"] = json!("something else")),
    ];
    for (name, pointer, how) in good {
        assert_eq!(change(pointer, how), Vec::<String>::new(), "{name}");
    }
}
