//! Mails that still lie in a mailbox, by their unique ids: they are read, and stay there.

use super::{Found, Out, Source, SourceError};
use crate::config::{Limits, Mailbox};
use crate::message::{Digest, RawMail};
use crate::pipeline::{Access, Broken, Failure, FailureClass};
use crate::pop3::{Body, Listed, Window};
use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use tokio::runtime::Handle;

/// Mails of a live mailbox. They come in the order of the mailbox, and no command that could delete is ever sent.
pub struct LiveMailbox {
    pub mailbox: Mailbox,
    pub limits: Limits,
    /// The ids asked for.
    pub uidls: Vec<String>,
    /// Where the connection is served.
    pub runtime: Handle,
}

impl Source for LiveMailbox {
    fn give(&mut self, out: &mut Out<'_>) -> ControlFlow<()> {
        let origin = format!("mailbox {}", self.mailbox.name);
        let runtime = self.runtime.clone();
        let fetched = runtime.block_on(self.fetch());
        let (mails, missing) = match fetched {
            Ok(fetched) => fetched,
            Err(broken) => return out.error(SourceError::new(origin, io::Error::other(broken.failure.message))),
        };
        for (uidl, raw) in mails {
            let origin = format!("pop3://{}/{uidl}", self.mailbox.name);
            let mailbox = Some(self.mailbox.name.clone());
            out.mail(Found { mailbox, uidl: Some(uidl), ..Found::at(origin, raw) })?;
        }
        for uidl in missing {
            let why = io::Error::other("the mailbox has no mail with this id: events have it as `data.ingest.uidl`");
            out.error(SourceError::new(format!("{origin}: {uidl}"), why))?;
        }
        ControlFlow::Continue(())
    }
}

impl LiveMailbox {
    /// The mails, and the ids that the mailbox does not have.
    async fn fetch(&self) -> Result<(Vec<(String, RawMail)>, Vec<String>), Broken> {
        let access = Access::default();
        let mut client = access.connect(&self.mailbox, &self.limits).await?;
        access.login(&self.mailbox, &self.limits, &mut client).await?;
        let listed = client.list().await?;
        let asked: BTreeSet<&str> = self.uidls.iter().map(String::as_str).collect();
        let wanted: Vec<Listed> =
            listed.into_iter().filter(|m| m.uidl.as_deref().is_some_and(|u| asked.contains(u))).collect();
        let found: BTreeSet<&str> = wanted.iter().filter_map(|m| m.uidl.as_deref()).collect();
        let missing = asked.iter().filter(|u| !found.contains(*u)).map(|u| (*u).to_owned()).collect();
        client.plan(wanted.iter().map(|m| (m.number, m.size)), Window::default());
        let mut mails = Vec::new();
        while let Some(mail) = client.fetch().await? {
            let listed = wanted.iter().find(|m| m.number == mail.number);
            let uidl = listed.and_then(|m| m.uidl.clone()).unwrap_or_default();
            match mail.outcome {
                Ok(Body::Whole(octets)) => mails.push((uidl, RawMail::new(octets))),
                Ok(Body::Cut { head, digest, size }) => mails.push((uidl, RawMail::cut(head, Digest(digest), size))),
                Err(status) => {
                    let message = format!("the server refuses mail {uidl}: {}", status.safe_text());
                    return Err(Failure { class: FailureClass::Temporary, message }.into());
                }
            }
        }
        // Nothing was marked, so that QUIT commits nothing.
        client.quit().await;
        Ok((mails, missing))
    }
}
