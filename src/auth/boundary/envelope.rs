//! The envelope sender, MAIL FROM, of a mail whose boundary is known.

use crate::event::SenderSource;
use crate::message::{Address, Mail};

/// The envelope sender and where it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// `None` for the null sender.
    pub address: Option<String>,
    pub source: SenderSource,
    /// The boundary line and Return-Path name different senders.
    pub conflict: bool,
}

/// The envelope sender: what the boundary line says, else the one Return-Path; `None` when neither is there.
pub(super) fn envelope_sender(mail: &Mail<'_>, index: usize, on_line: Option<&str>) -> Option<Sender> {
    let bare = |text: &str| Address::parse(text).map(|a| a.as_str().to_owned());
    // One below the boundary line came with the mail.
    let mut received = 0;
    let above: Vec<&str> = mail
        .message()
        .headers_raw()
        .map_while(|(name, value)| {
            received += usize::from(name.trim_end().eq_ignore_ascii_case("Received"));
            (received <= index).then_some((name, value))
        })
        .filter(|(name, _)| name.trim_end().eq_ignore_ascii_case("Return-Path"))
        .map(|(_, value)| value.trim())
        .collect();
    let mut paths = above.into_iter();
    let path = match (paths.next(), paths.next()) {
        (Some(only), None) => Some(bare(only)),
        _ => None,
    };
    match (on_line.map(bare), path) {
        (Some(line), Some(path)) => {
            let conflict = line.as_deref().map(str::to_lowercase) != path.as_deref().map(str::to_lowercase);
            Some(Sender { address: line, source: SenderSource::Received, conflict })
        }
        (Some(address), None) => Some(Sender { address, source: SenderSource::Received, conflict: false }),
        (None, Some(address)) => Some(Sender { address, source: SenderSource::ReturnPath, conflict: false }),
        (None, None) => None,
    }
}
