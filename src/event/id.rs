//! What identifies an event, and what keeps one person's events in order.

use super::data::{AddressMode, Party};
use crate::message::{Digest, Digester};

/// SHA-256 over the mailbox name, the digest of the raw mail and the event's ordinal in the mail.
///
/// Never from Message-ID or From, Subject and Date: those are the sender's to choose, and two
/// mails may share them. Two byte-identical mails in one mailbox are one mail.
#[must_use]
pub fn dedupe_key(mailbox: &str, digest: &Digest, ordinal: usize) -> String {
    let mut digester = Digester::default();
    // The length keeps "a" + "bc" apart from "ab" + "c".
    digester.update(&(mailbox.len() as u64).to_be_bytes());
    digester.update(mailbox.as_bytes());
    digester.update(&digest.0);
    digester.update(&(ordinal as u64).to_be_bytes());
    digester.finish().to_string()
}

/// Kafka's key: the recipient's hash key, else (in clear mode) the digest of the address, else the
/// event's own key. Never the campaign: one campaign would make one hot partition.
#[must_use]
pub fn partition_key(recipient: Option<&Party>, mode: AddressMode, dedupe_key: &str) -> String {
    match recipient {
        Some(Party { key: Some(key), .. }) => key.clone(),
        Some(Party { address: Some(address), .. }) if mode == AddressMode::Clear => {
            Digest::of(address.to_lowercase().as_bytes()).to_string()
        }
        _ => dedupe_key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{dedupe_key, partition_key};
    use crate::event::{AddressMode, Party};
    use crate::message::Digest;

    #[test]
    fn the_key_depends_on_mailbox_mail_and_ordinal() {
        let mail = Digest::of(b"mail");
        let key = dedupe_key("replies", &mail, 0);
        assert_eq!(key.len(), 64);
        assert_eq!(key, dedupe_key("replies", &mail, 0));
        assert_ne!(key, dedupe_key("replies", &mail, 1));
        assert_ne!(key, dedupe_key("bounces", &mail, 0));
        assert_ne!(key, dedupe_key("replies", &Digest::of(b"other"), 0));
    }

    #[test]
    fn one_person_has_one_partition() {
        let party = |a: &str| Party { address: Some(a.to_owned()), ..Party::default() };
        let one = partition_key(Some(&party("Ana@example.org")), AddressMode::Clear, "x");
        assert_eq!(one, partition_key(Some(&party("ana@example.org")), AddressMode::Clear, "y"));
        assert_eq!(partition_key(None, AddressMode::Omit, "x"), "x");
    }
}
