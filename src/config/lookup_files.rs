//! Files of what was sent, which correlators look things up in.

use super::load::Secrets;
use super::model::Config;
use super::path::Path;
use super::read::Findings;
use super::tree::Tree;
use crate::correlate::{Format, Table};
use crate::mistake::Mistake;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

/// The largest file: it is held in memory while a run lasts.
const MAX_FILE: u64 = 512 * 1024 * 1024;

/// Reads the files that `config` names.
pub(super) fn read(config: &mut Config, tree: &Tree, secrets: Secrets<'_>, found: &mut Findings) {
    let list = Path::default().key("correlators");
    let items = found.items(&list, config.correlators.len());
    for (item, correlator) in items.iter().zip(&mut config.correlators) {
        for (key, lookup) in [("lookup", &mut correlator.lookup), ("from", &mut correlator.from)] {
            let Some(lookup) = lookup else { continue };
            let setting = item.key(key).key("file");
            if !found.is_sure(&setting) {
                continue;
            }
            // Another name is refused by the checks.
            let Some(format) = Format::of(&lookup.file) else { continue };
            let mistake = |problem: String| Mistake::new(tree.place(&setting), tree.label(&setting), problem);
            let shown = lookup.file.display();
            match contents(&lookup.file) {
                Err(error) => {
                    let mistake = mistake(format!("cannot read the file {shown}: {error}"));
                    found.absent(secrets, mistake, setting);
                }
                Ok(text) => match Table::read(&text, format) {
                    Ok(table) => lookup.table = Some(Arc::new(table)),
                    Err(error) => found.mistakes.push(mistake(format!("{shown}: {error}"))),
                },
            }
        }
    }
}

fn contents(path: &std::path::Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it has more than {} MB", MAX_FILE / 1024 / 1024)));
    }
    Ok(text)
}
