//! The MIME tree of a mail, line by line.

use super::PartLine;
use crate::message::Mail;
use mail_parser::{Message, MessagePart, MimeHeaders, PartType};

/// Lines of an outline.
const MOST_LINES: usize = 200;
/// How deep it goes.
const DEEPEST: u32 = 12;

/// The outline of a mail, file names where they may be `named`.
pub fn of(mail: &Mail<'_>, named: bool) -> Vec<PartLine> {
    let mut out = Vec::new();
    part(mail.message(), 0, 0, named, &mut out);
    out
}

fn part(message: &Message<'_>, at: usize, depth: u32, named: bool, out: &mut Vec<PartLine>) {
    let Some(found) = message.parts.get(at) else { return };
    if out.len() >= MOST_LINES || depth > DEEPEST {
        return;
    }
    out.push(line(found, depth, named));
    match &found.body {
        PartType::Multipart(children) => {
            for child in children {
                part(message, *child as usize, depth + 1, named, out);
            }
        }
        PartType::Message(inner) => part(inner, 0, depth + 1, named, out),
        _ => {}
    }
}

fn line(part: &MessagePart<'_>, depth: u32, named: bool) -> PartLine {
    let octets = match &part.body {
        PartType::Text(text) | PartType::Html(text) => text.len() as u64,
        PartType::Binary(octets) | PartType::InlineBinary(octets) => octets.len() as u64,
        PartType::Message(_) | PartType::Multipart(_) => u64::from(part.offset_end.saturating_sub(part.offset_body)),
    };
    let kind = part.content_type();
    PartLine {
        depth,
        mime_type: kind.map_or_else(
            || "text/plain".to_owned(),
            |t| format!("{}/{}", t.ctype(), t.subtype().unwrap_or("plain")).to_ascii_lowercase(),
        ),
        octets,
        charset: kind.and_then(|t| t.attribute("charset")).map(str::to_ascii_lowercase),
        name: part.attachment_name().filter(|_| named).map(str::to_owned),
    }
}
