//! The table of values in helm/README.md: made from values.yaml.
//!
//! `REPLY_INGEST_WRITE_TABLE=1 cargo test --test helm table` writes it.

use super::root;
use std::fmt::Write;
use std::fs;

const BEGIN: &str = "<!-- values: made from values.yaml -->\n";
const END: &str = "<!-- end of values -->\n";

/// The rows: each setting under a comment that begins with "# --", with its default where that is one line.
fn table(values: &str) -> String {
    let mut table = "| value | default | what it is |\n|---|---|---|\n".to_owned();
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut comment = None;
    for line in values.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if let Some(text) = trimmed.strip_prefix("# -- ") {
            comment = Some(text);
        } else if let Some((key, default)) = trimmed.split_once(':').filter(|_| !trimmed.starts_with(['#', '-'])) {
            path.retain(|(i, _)| *i < indent);
            path.push((indent, key.to_owned()));
            if let Some(text) = comment.take() {
                let name = path.iter().map(|(_, k)| k.as_str()).collect::<Vec<_>>().join(".");
                let default = default.trim();
                let shown = if default.is_empty() { "see values.yaml".to_owned() } else { format!("`{default}`") };
                writeln!(table, "| `{name}` | {shown} | {} |", text.replace('|', "\\|")).expect("a string");
            }
        }
    }
    table
}

#[test]
fn the_table_in_the_readme_is_that_of_the_values() {
    let values = fs::read_to_string(root().join("helm/values.yaml")).expect("is there");
    let path = root().join("helm/README.md");
    let readme = fs::read_to_string(&path).expect("is there");
    let (before, rest) = readme.split_once(BEGIN).expect("the table begins");
    let (table_there, after) = rest.split_once(END).expect("the table ends");
    let table = table(&values);
    assert!(table.lines().count() > 80, "the values are found");
    if std::env::var_os("REPLY_INGEST_WRITE_TABLE").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("writes");
    } else {
        assert_eq!(table_there, table, "write it: REPLY_INGEST_WRITE_TABLE=1 cargo test --test helm table");
    }
}

#[test]
fn rows_are_the_commented_settings() {
    let values = "# A note\n# -- One\na: 1\nb:\n  # -- Two | three\n  c: []\n  d: 1\n# -- Four\ne:\n  f: 1\n";
    let rows: Vec<String> = table(values).lines().skip(2).map(str::to_owned).collect();
    assert_eq!(rows, ["| `a` | `1` | One |", "| `b.c` | `[]` | Two \\| three |", "| `e` | see values.yaml | Four |"]);
}
