//! Secrets that stand in files of their own: every key that ends in `_file`.

use super::environment::PLACEHOLDER;
use super::load::Secrets;
use super::model::{Config, Kafka, Mailbox, Privacy, TokenEndpoint, TokenSource};
use super::path::Path;
use super::read::Findings;
use super::secret::Secret;
use super::tree::Tree;
use crate::correlate::VerifyKey;
use crate::mistake::Mistake;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// The longest secret. A path that names a device or a log would otherwise be read for a long time.
const MAX_SECRET: u64 = 64 * 1024;

/// Reads the files that `config` names into its secrets.
pub(super) fn read<'f>(config: &mut Config, tree: &'f Tree, secrets: Secrets<'f>, found: &'f mut Findings) {
    let mut files = Files { tree, secrets, found };
    let root = Path::default();
    let list = root.key("mailboxes");
    let items = files.found.items(&list, config.mailboxes.len());
    for (setting, mailbox) in items.iter().zip(&mut config.mailboxes) {
        let Mailbox { password, password_file, privacy, oauth, .. } = mailbox;
        files.take(setting, "password", password, password_file.as_ref());
        if let Some(privacy) = privacy {
            files.privacy(&setting.key("privacy"), privacy);
        }
        if let Some(TokenSource::Endpoint(endpoint)) = oauth {
            let TokenEndpoint { client_secret, client_secret_file, refresh_token, refresh_token_file, .. } = endpoint;
            let setting = setting.key("oauth").key("endpoint");
            files.take(&setting, "client_secret", client_secret, client_secret_file.as_ref());
            files.take(&setting, "refresh_token", refresh_token, refresh_token_file.as_ref());
        }
    }
    let Kafka { sasl_password, sasl_password_file, schema_registry, .. } = &mut config.kafka;
    files.take(&root.key("kafka"), "sasl_password", sasl_password, sasl_password_file.as_ref());
    if let Some(registry) = schema_registry {
        let setting = root.key("kafka").key("schema_registry");
        files.take(&setting, "password", &mut registry.password, registry.password_file.as_ref());
    }
    files.privacy(&root.key("privacy"), &mut config.privacy);
    let list = root.key("correlators");
    let items = files.found.items(&list, config.correlators.len());
    for (item, correlator) in items.iter().zip(&mut config.correlators) {
        let Some(verify) = &mut correlator.verify else { continue };
        let keys = files.found.items(&item.key("verify").key("keys"), verify.keys.len());
        for (setting, key) in keys.iter().zip(&mut verify.keys) {
            let VerifyKey { key, key_file, .. } = key;
            files.take(setting, "key", key, key_file.as_ref());
        }
    }
}

struct Files<'f> {
    tree: &'f Tree,
    secrets: Secrets<'f>,
    found: &'f mut Findings,
}

impl Files<'_> {
    fn privacy(&mut self, setting: &Path, privacy: &mut Privacy) {
        self.take(setting, "hash_key", &mut privacy.hash_key, privacy.hash_key_file.as_ref());
    }

    /// The secret `name` in `setting`, from the file that `NAME_file` says.
    fn take(&mut self, setting: &Path, name: &str, secret: &mut Option<Secret>, file: Option<&PathBuf>) {
        let (direct, in_file) = (setting.key(name), setting.key(format!("{name}_file")));
        let mistake = |problem: String| Mistake::new(self.tree.place(&in_file), self.tree.label(&in_file), problem);
        if self.tree.has(&direct) && self.tree.has(&in_file) {
            let problem = format!("the same secret is also given as `{name}`: keep one of the two");
            self.found.mistakes.push(mistake(problem));
            return;
        }
        let Some(path) = file else { return };
        let text = if self.found.is_sure(&in_file) {
            contents(path)
                .map_err(|e| mistake(format!("cannot read the file {}: {e}", path.display())))
                .map_err(|mistake| self.found.absent(self.secrets, mistake, direct))
        } else {
            // The path itself is not known, and that is reported.
            self.found.unsure.insert(direct);
            Err(())
        };
        *secret = Some(Secret::new(text.unwrap_or_else(|()| PLACEHOLDER.to_owned())));
    }
}

/// The text without the line end at its end, which editors and `echo` put there.
fn contents(path: &std::path::Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_SECRET + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SECRET {
        return Err(io::Error::other(format!("it has more than {} kB and is no secret", MAX_SECRET / 1024)));
    }
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}
