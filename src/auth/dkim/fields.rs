//! The header fields as they stand in the mail, for whoever verifies signatures over them.

use crate::message::Mail;
use mail_auth::AuthenticatedMessage;
use mail_parser::HeaderName;
use std::collections::HashMap;

/// One header field: its name as written, and all behind the colon, line end included.
#[derive(Debug, Clone, Copy)]
pub struct Field<'x> {
    pub name: &'x [u8],
    pub value: &'x [u8],
}

impl Field<'_> {
    /// Whether the field has that name.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields from top to bottom, and where the body begins. They are the ones the parser of all
/// stations saw, so that no From can be shown that is not the one that was signed.
pub fn fields<'x>(mail: &'x Mail<'_>) -> (Vec<Field<'x>>, usize) {
    let raw = mail.raw();
    let headers = mail.message().parts.first().map_or(&[][..], |root| root.headers.as_slice());
    let found = headers
        .iter()
        .filter_map(|h| {
            let start = h.offset_start as usize;
            let written = raw.get(h.offset_field as usize..start.checked_sub(1)?)?.trim_ascii_end();
            // mail-parser reads ":Subject" and "Sub ject" as Subject, and so do all stations: no signature may overlook
            // such a field.
            let known = h.name.as_str().as_bytes();
            let is_odd = !matches!(h.name, HeaderName::Other(_)) && !written.eq_ignore_ascii_case(known);
            let name = if is_odd { known } else { written };
            Some(Field { name, value: raw.get(start..h.offset_end as usize)? })
        })
        .collect();
    let mut body = headers.last().map_or(0, |h| h.offset_end as usize);
    // Lines that are no fields may follow; an empty one ends the header (RFC 5322 section 2.1).
    while let Some(rest) = raw.get(body..).filter(|rest| !rest.is_empty()) {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        body += end;
        if rest.get(..end).unwrap_or_default().trim_ascii().is_empty() {
            break;
        }
    }
    (found, body)
}

/// Gives `message` the fields that its signatures can sign, and no others.
///
/// A name in h= stands for the lowest field of that name, a second one for the next above it
/// (RFC 6376 section 5.4.2). mail-auth looks through all fields for each name, which a mail with very
/// many of both would turn into hours; what is never reached is left out here.
pub fn prune<'x>(message: &mut AuthenticatedMessage<'x>, fields: &[Field<'x>]) {
    let lists = message.dkim_headers.iter().map(|h| &h.header.h).chain(message.ams_headers.iter().map(|h| &h.header.h));
    let mut wanted: HashMap<Vec<u8>, usize> = HashMap::new();
    for list in lists {
        let mut counts: HashMap<Vec<u8>, usize> = HashMap::new();
        for name in list {
            *counts.entry(name.to_ascii_lowercase().into_bytes()).or_default() += 1;
        }
        for (name, count) in counts {
            let most = wanted.entry(name).or_default();
            *most = (*most).max(count);
        }
    }
    for field in fields.iter().rev() {
        if let Some(left) = wanted.get_mut(&field.name.to_ascii_lowercase())
            && *left > 0
        {
            *left -= 1;
            message.headers.push((field.name, field.value));
        }
    }
    message.headers.reverse();
}
