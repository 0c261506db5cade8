//! The core takes octets and times as arguments: it imports no runtime, no Kafka and no clock.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const CORE: [&str; 13] = [
    "pop3/capability.rs",
    "pop3/certificate.rs",
    "pop3/codec.rs",
    "pop3/command.rs",
    "pop3/listing.rs",
    "pop3/login",
    "pop3/reply.rs",
    "pop3/session.rs",
    "message",
    "classify",
    "correlate",
    "event",
    "schedule",
];

const FORBIDDEN: [&str; 9] =
    ["tokio", "rdkafka", "hickory", "redb", "Utc::now", "Local::now", "SystemTime", "Instant::", "std::net::Tcp"];

#[test]
fn the_core_imports_no_runtime_no_kafka_and_no_clock() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for place in CORE {
        collect(&src.join(place), &mut files);
    }
    assert!(files.len() > 20, "the core's files are found: {files:?}");
    for file in files {
        let text = fs::read_to_string(&file).expect("reads");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in FORBIDDEN {
                assert!(!code.contains(word), "{}:{}: {word} has no place in the core", file.display(), number + 1);
            }
        }
    }
}

/// The fuzz targets compile src/pop3 by itself: nothing else of the program, and no crate that theirs do not have.
#[test]
fn the_pop3_client_needs_nothing_of_the_rest() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let known = dependencies(&root.join("Cargo.toml"));
    let fuzzed = dependencies(&root.join("tests/fuzz/Cargo.toml"));
    assert!(known.len() > 20 && fuzzed.len() > 5, "{known:?} {fuzzed:?}");
    let mut files = Vec::new();
    collect(&root.join("src/pop3"), &mut files);
    assert!(files.len() > 10, "the client's files are found: {files:?}");
    let mut used = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("reads");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            assert!(!code.contains("crate::"), "{}:{}: {line}", file.display(), number + 1);
            used.extend(known.iter().filter(|name| code.contains(&format!("{name}::"))));
        }
    }
    assert!(used.len() > 5, "{used:?}");
    let missing: Vec<_> = used.into_iter().filter(|name| !fuzzed.contains(*name)).collect();
    assert!(missing.is_empty(), "tests/fuzz/Cargo.toml lacks {missing:?}");
}

/// The crates of a manifest, as code names them.
fn dependencies(manifest: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(manifest).expect("a manifest");
    let manifest: toml::Table = toml::from_str(&text).expect("TOML");
    let crates = manifest["dependencies"].as_table().expect("a table");
    crates.keys().map(|name| if name == "md-5" { "md5".to_owned() } else { name.replace('-', "_") }).collect()
}

fn collect(path: &Path, out: &mut Vec<PathBuf>) {
    if path.is_file() {
        out.push(path.to_owned());
    } else {
        for entry in fs::read_dir(path).expect("a folder of the core") {
            let path = entry.expect("reads").path();
            if path.is_dir() || path.extension().is_some_and(|e| e == "rs") {
                collect(&path, out);
            }
        }
    }
}
