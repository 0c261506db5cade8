//! The events of one run beside those of another.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

/// The program, started in a folder.
pub async fn program(arguments: &[&str], folder: &Path) -> Output {
    let mut command = tokio::process::Command::from(Command::new(env!("CARGO_BIN_EXE_reply-ingest")));
    command.args(arguments).current_dir(folder).output().await.expect("starts")
}

/// Events by their ids, without what differs from run to run.
pub fn by_id<'a>(lines: impl Iterator<Item = &'a [u8]>) -> BTreeMap<String, Value> {
    let event = |line: &[u8]| {
        let mut event: Value = serde_json::from_slice(line).expect("an event");
        let data = event["data"].as_object_mut().expect("data");
        data.remove("ingest").expect("is there");
        data.remove("observed_at").expect("is there");
        (event["id"].as_str().expect("an id").to_owned(), event)
    };
    lines.filter(|line| !line.is_empty()).map(event).collect()
}
