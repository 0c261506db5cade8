//! Cargo's build script: makes of the rule files what the program can read at once.
//!
//! TOML is for people, and to read 3 MB of it, to fold every phrase and to see what a thousand patterns need takes longer
//! than a usual run. All of that depends on nothing but the files, so it is done once, here, and packed in three kinds
//! of tables under zstd: what follows from each rule, which every run reads; for each field what finds its rules (see
//! `recipe`), read when a text of that field comes; and the rules whole, for those who list them. They are JSON only where
//! that does not take long to read. A file that is no TOML ends the build; what only a rule's types can tell, a test
//! finds.

// Of each only what makes a recipe is needed here.
#[allow(dead_code)]
mod folded;
#[allow(dead_code)]
mod head;
mod literals;
#[allow(dead_code)]
mod packed;
#[allow(dead_code)]
mod reach;
#[allow(dead_code)]
mod recipe;
#[allow(dead_code)]
mod table;
#[allow(dead_code)]
mod ways;
#[allow(dead_code)]
mod words;

use head::RuleHead;
use md5::{Digest, Md5};
use recipe::{Recipe, Wanted};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};
use table::{Field, Table, leader};
use zstd::bulk::Compressor;

/// Of zstd's levels: the highest that needs no more memory to unpack.
const LEVEL: i32 = 19;

/// What a rule looks for, and where.
#[derive(Deserialize)]
struct Looks {
    table: Table,
    #[serde(rename = "in")]
    fields: Vec<Field>,
    #[serde(default)]
    any: Vec<String>,
    #[serde(default)]
    with: Vec<String>,
    #[serde(default)]
    without: Vec<String>,
    pattern: Option<String>,
}

impl Looks {
    fn wanted(&self, rule: usize) -> Wanted<'_> {
        let Self { any, with, without, pattern, .. } = self;
        Wanted { rule, any, with, without, pattern: pattern.as_deref() }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new("src/classify/rules");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut files = rule_files(folder)?;
    files.extend(rule_files(&folder.join("people"))?);
    let mut rules: Vec<Map<String, Value>> = Vec::new();
    let mut looks: Vec<Looks> = Vec::new();
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
            let Value::Object(rule) = rule else { return Err(wrong("`rule` is no list of tables".to_owned()).into()) };
            looks.push(Deserialize::deserialize(Value::Object(rule.clone())).map_err(|e| wrong(e.to_string()))?);
            rules.push(rule);
        }
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let pack = |name: &str, table: &[u8]| fs::write(out.join(name), zstd::bulk::compress(table, LEVEL)?);
    let whole = serde_json::to_vec(&rules)?;
    let version = hex(&Md5::digest(&whole));
    let heads =
        rules.into_iter().zip(&looks).map(|(rule, looks)| head_of(rule, looks)).collect::<Result<Vec<_>, _>>()?;
    pack("heads.zst", &head::pack(&heads))?;
    let mut keys: BTreeMap<(Table, Field), Vec<Wanted<'_>>> = BTreeMap::new();
    for (rule, looks) in looks.iter().enumerate() {
        for &field in &looks.fields {
            let list = keys.entry((leader(looks.table, field), field)).or_default();
            if list.last().is_none_or(|last| last.rule != rule) {
                list.push(looks.wanted(rule));
            }
        }
    }
    let mut code = String::from("pub(super) const RECIPES: &[(Table, Field, &[u8])] = &[\n");
    let mut longest = (String::new(), Vec::new());
    for ((table, field), list) in keys {
        let name = format!("{table:?}-{field:?}.zst");
        let recipe = Recipe::of(list.into_iter()).packed()?;
        pack(&name, &recipe)?;
        writeln!(code, "    (Table::{table:?}, Field::{field:?}, include_bytes!({name:?})),")?;
        if recipe.len() > longest.1.len() {
            longest = (name, recipe);
        }
    }
    // The longest recipe holds most of the phrases: the rules are packed with its help.
    let (name, recipe) = longest;
    let help = recipe::like_rules(&recipe);
    fs::write(out.join("whole.zst"), Compressor::with_dictionary(LEVEL, &help)?.compress(&whole)?)?;
    let length = whole.len();
    writeln!(
        code,
        "];\n\
         pub(super) const HEADS: &[u8] = include_bytes!(\"heads.zst\");\n\
         pub(super) const WHOLE: &[u8] = include_bytes!(\"whole.zst\");\n\
         pub(super) const WHOLE_HELP: &[u8] = include_bytes!({name:?});\n\
         pub(super) const WHOLE_LENGTH: usize = {length};\n\
         pub(super) const VERSION: &str = {version:?};"
    )?;
    fs::write(out.join("rules.rs"), code)?;
    Ok(())
}

/// What follows from a rule.
fn head_of(mut rule: Map<String, Value>, looks: &Looks) -> serde_json::Result<RuleHead> {
    for key in ["any", "with", "without", "pattern", "example", "source"] {
        rule.remove(key);
    }
    rule.insert("anchored".to_owned(), Value::Bool(looks.wanted(0).is_anchored()));
    serde_json::from_value(Value::Object(rule))
}

/// Tells one set of rules from another; no secret depends on it.
fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut hex, octet| {
        // To write to a text never fails.
        let _ = write!(hex, "{octet:02x}");
        hex
    })
}

/// The rule files of a folder, by name.
fn rule_files(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let paths: Result<Vec<PathBuf>, _> = fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect();
    let mut paths: Vec<PathBuf> = paths?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    paths.sort();
    Ok(paths)
}
