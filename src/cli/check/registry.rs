//! The Schema Registry: whether it answers and has, or would take, the schemas of all topics. Nothing is registered.

use super::report::Section;
use crate::config::Config;
use crate::sink::{Registry, wanted_schemas};

/// Asks it, where there is one.
pub async fn check(config: &Config) -> Option<Section> {
    let settings = config.kafka.schema_registry.as_ref()?;
    let mut section = Section::new(&format!("schema registry {}", settings.url));
    let registry = match Registry::new(settings) {
        Ok(registry) => registry,
        Err(error) => {
            section.failed(&error.into());
            return Some(section);
        }
    };
    for wanted in wanted_schemas(config) {
        match registry.look(&wanted).await {
            Ok(Some(id)) => section.fact("subject", &format!("{}, schema {id}", wanted.subject)),
            Ok(None) => section.fact("subject", &format!("{} is registered by the first run", wanted.subject)),
            Err(error) => section.failed(&error.into()),
        }
    }
    Some(section)
}
