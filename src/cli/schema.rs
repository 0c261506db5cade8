//! `schema`: the published JSON Schemas.

use super::Exit;
use crate::event::asyncapi;
use crate::event::schema::{Published, of_data, published};
use crate::mistake::hint;

/// Print a published JSON Schema, or the `AsyncAPI` document.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  reply-ingest schema event > event-v1.schema.json")]
pub struct Args {
    /// event, run, dead-letter, explain, config or asyncapi; event-data or run-data, which are what a Schema Registry
    /// holds; without a name, their list.
    name: Option<String>,
}

pub fn main(args: &Args) -> Exit {
    let mut schemas = published();
    let document = schemas.iter().find(|s| s.name == "event").map(|s| asyncapi::document(&s.schema));
    schemas.extend(document.map(|schema| Published { name: "asyncapi", file: asyncapi::FILE, schema }));
    schemas.extend(of_data());
    let Some(name) = &args.name else {
        for schema in &schemas {
            say!("{:12} {}", schema.name, schema.file);
        }
        return Exit::Success;
    };
    let Some(schema) = schemas.iter().find(|s| s.name == name) else {
        let names: Vec<&str> = schemas.iter().map(|s| s.name).collect();
        complain!("error: there is no schema `{name}`: {}", hint(name, &names));
        return Exit::Usage;
    };
    match serde_json::to_string_pretty(&schema.schema) {
        Ok(text) => {
            say!("{text}");
            Exit::Success
        }
        Err(error) => {
            complain!("error: the schema cannot be written: {error}");
            Exit::Internal
        }
    }
}
