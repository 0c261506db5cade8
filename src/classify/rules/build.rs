//! Cargo's build script: makes of the rule files one table that a start of the program reads in a few milliseconds.
//!
//! TOML is for people, and 3 MB of it take a tenth of a second to read; so do the literals of a thousand patterns
//! (see `literals`). Both depend on nothing but the files, so both are done once, here. The table is JSON: the list of
//! files with their rules as they stand in TOML, and beside each rule with a pattern what must stand in a text for it
//! to match. A file that is no TOML ends the build; what only a rule's types can tell, a test finds.

mod literals;

use serde_json::{Map, Value, json};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Of zstd's levels: a fifth of the size; higher ones take longer and save little more.
const LEVEL: i32 = 9;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new("src/classify/rules");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut files = rule_files(folder)?;
    files.extend(rule_files(&folder.join("people"))?);
    let mut rules: Vec<Value> = Vec::new();
    for path in &files {
        let wrong = |problem: String| format!("{}: {problem}", path.display());
        let mut file: Map<String, Value> =
            toml::from_str(&fs::read_to_string(path)?).map_err(|e| wrong(e.to_string()))?;
        let Some(Value::Array(list)) = file.remove("rule") else {
            return Err(wrong("holds no `[[rule]]`".to_owned()).into());
        };
        if let Some(key) = file.keys().next() {
            return Err(wrong(format!("`{key}` is no part of a rule file")).into());
        }
        for rule in list {
            let needs = rule.get("pattern").and_then(Value::as_str).map(literals::Needs::of);
            rules.push(json!({ "rule": rule, "needs": needs }));
        }
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?).join("rules.json.zst");
    fs::write(out, zstd::encode_all(&*serde_json::to_vec(&rules)?, LEVEL)?)?;
    Ok(())
}

/// The rule files of a folder, by name.
fn rule_files(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let paths: Result<Vec<PathBuf>, _> = fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect();
    let mut paths: Vec<PathBuf> = paths?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    paths.sort();
    Ok(paths)
}
