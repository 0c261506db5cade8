//! What the trust settings make of the newest mails, and settings to start from where they say little.
//!
//! Only headers are read, by TOP: RETR is a download to some servers (Gmail), which then leave the mail out of later
//! sessions.

use super::report::Section;
use crate::auth::boundary::{find, propose};
use crate::config::Mailbox;
use crate::event::BoundaryWord;
use crate::message::Mail;
use crate::plural;
use crate::pop3::{Client, Listed, Pop3Error};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Mails whose headers are read, the newest.
const MAILS: usize = 60;
/// Settings that find the boundary of fewer mails, in percent, need a look.
const ENOUGH: usize = 90;

/// Says for how many of the newest mails the SMTP client is known, and proposes settings where they are too few.
pub async fn check(
    section: &mut Section,
    mailbox: &Mailbox,
    client: &mut Client,
    mails: &[Listed],
) -> Result<(), Pop3Error> {
    let set = !mailbox.trust.by.is_empty();
    if !client.capabilities().top() {
        if !set {
            section.note(
                "without `trust` SPF is not checked; the server gives no headers alone (TOP), so none is proposed here",
            );
        }
        return Ok(());
    }
    let mut heads = Vec::new();
    for mail in mails.iter().rev().take(MAILS) {
        heads.extend(client.head(mail.number).await?);
    }
    if heads.is_empty() {
        return Ok(());
    }
    let heads: Vec<Mail<'_>> = heads.iter().map(|head| Mail::parse(head)).collect();
    let mut unknown: BTreeMap<BoundaryWord, usize> = BTreeMap::new();
    for error in heads.iter().filter_map(|mail| find(mail, &mailbox.trust).err()) {
        *unknown.entry(error.why).or_default() += 1;
    }
    let found = heads.len() - unknown.values().sum::<usize>();
    if set {
        let mut text =
            format!("the SMTP client of {found} of the newest {} is known", plural::count(heads.len(), "mail"));
        for (why, count) in &unknown {
            // Writing into a String cannot fail.
            let _ = write!(text, "; {count}: {}", said(*why));
        }
        section.fact("trust", &text);
    } else {
        section
            .note("without `trust` SPF is not checked, and no Authentication-Results of your own server is believed");
    }
    if found * 100 >= heads.len() * ENOUGH {
        return Ok(());
    }
    let proposal = propose(heads.iter());
    if proposal.found <= found {
        section.note("the newest mails tell no better `trust` settings: add the hosts behind `by` in the topmost Received lines that your own servers write");
        return Ok(());
    }
    section.note(
        "settings that fit these mails, for this mailbox; compare each line with your servers before you use it:",
    );
    section.block(&proposal.to_yaml());
    Ok(())
}

fn said(why: BoundaryWord) -> &'static str {
    match why {
        BoundaryWord::Found => "known",
        BoundaryWord::NoTrustSettings => "no trust settings",
        BoundaryWord::NoReceived => "no line of ours names a client outside",
        BoundaryWord::NotOurHost => "a line that ought to be ours is by a host that trust.by does not name",
        BoundaryWord::Unreadable => "a line of ours cannot be read",
        BoundaryWord::NoClientAddress => "a line of ours names no client",
        BoundaryWord::TooManyHops => "too many lines of ours",
    }
}
