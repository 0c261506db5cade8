//! What is attached to a mail, apart from its text.

use super::mail::{Mail, mime_type};
use super::raw::Digest;
use mail_parser::{MessagePart, MimeHeaders, PartType};

/// Attachments that are looked at; a mail with more of them is an attack.
const MOST: usize = 100;
/// Characters of a file's name.
const NAME: usize = 255;

/// One attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The file's name as the sender gave it, without any folders.
    pub name: Option<String>,
    /// `type/subtype` in lower case.
    pub mime_type: String,
    /// Octets, decoded.
    pub size: u64,
    /// SHA-256 of these octets.
    pub digest: Digest,
    /// Shown within the text, as a signature's logo is: by its disposition (RFC 2183) or a Content-ID (RFC 2392).
    pub inline: bool,
}

impl Mail<'_> {
    /// What is attached, in order. An embedded mail is one attachment, whatever is in it.
    pub fn attachments(&self) -> impl Iterator<Item = Attachment> {
        let message = self.message();
        let shown = |p: &&MessagePart<'_>| {
            !matches!(p.body, PartType::Text(_) | PartType::Html(_)) || p.attachment_name().is_some()
        };
        message.attachments().filter(shown).take(MOST).map(|part| {
            let raw = || message.raw_message.get(part.offset_body as usize..part.offset_end as usize);
            let octets = match &part.body {
                PartType::Text(text) | PartType::Html(text) => text.as_bytes(),
                PartType::Binary(octets) | PartType::InlineBinary(octets) => octets,
                PartType::Message(_) | PartType::Multipart(_) => raw().unwrap_or_default(),
            };
            let inline = match part.content_disposition() {
                Some(disposition) => disposition.is_inline(),
                None => part.content_id().is_some(),
            };
            Attachment {
                name: part.attachment_name().and_then(name),
                mime_type: mime_type(part),
                size: octets.len() as u64,
                digest: Digest::of(octets),
                inline,
            }
        })
    }
}

/// A name without the folders of the sender's machine, and without what a screen would act upon.
fn name(given: &str) -> Option<String> {
    let file = given.rsplit(['/', '\\']).next().unwrap_or(given);
    let name: String = file.chars().filter(|c| !c.is_control()).take(NAME).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Attachment, name};
    use crate::message::{Digest, Mail, to_crlf};

    const MAIL: &str = "From: ana@example.org\nSubject: Re: Offer\nMIME-Version: 1.0\n\
        Content-Type: multipart/mixed; boundary=b\n\n\
        --b\nContent-Type: text/plain\n\nSee the file.\n\
        --b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=\"C:\\\\temp\\\\order.pdf\"\n\
        Content-Transfer-Encoding: base64\n\nQUJD\n\
        --b\nContent-Type: image/png\nContent-ID: <logo>\nContent-Transfer-Encoding: base64\n\nQUJDRA==\n\
        --b\nContent-Type: message/rfc822\n\nSubject: inner\n\nwords\n\
        --b--\n";

    #[test]
    fn what_is_attached() {
        let octets = to_crlf(MAIL.as_bytes());
        let found: Vec<Attachment> = Mail::parse(&octets).attachments().collect();
        let told: Vec<_> = found.iter().map(|a| (a.name.as_deref(), a.mime_type.as_str(), a.size, a.inline)).collect();
        assert_eq!(
            told,
            [
                (Some("order.pdf"), "application/pdf", 3, false),
                (None, "image/png", 4, true),
                (None, "message/rfc822", 23, false),
            ]
        );
        assert_eq!(found.first().map(|a| a.digest), Some(Digest::of(b"ABC")));
    }

    #[test]
    fn names_of_files() {
        for (given, expected) in [
            ("order.pdf", Some("order.pdf")),
            ("../../etc/passwd", Some("passwd")),
            ("a\u{1b}[2Jb", Some("a[2Jb")),
            ("folder/", None),
            ("  ", None),
        ] {
            assert_eq!(name(given).as_deref(), expected, "{given}");
        }
    }
}
