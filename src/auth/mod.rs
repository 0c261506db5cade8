//! Whether a mail is what it says it is.
//!
//! Takes the mail, the trust settings of its mailbox and a [`dns::Resolver`]; gives the verdicts
//! of SPF, DKIM, DMARC and ARC with their evidence. The reader of a mailbox is not the SMTP
//! receiver: client address, HELO and envelope sender must be recovered from the Received lines
//! that our own servers wrote ([`boundary`]), and everything below those is a stranger's text.
//! Where the settings do not say what is ours, the answer is "unknown", never a guess.
//!
//! SPF is our own [`spf::check_host`]; DKIM, DMARC and ARC are mail-auth's, which gets its DNS
//! answers from us: every name it will ask for is known beforehand, so it never opens a socket,
//! and what it was told can be recorded.

mod arc;
pub mod authres;
pub mod boundary;
mod disagreement;
mod dkim;
mod dmarc;
pub mod dns;
mod lookups;
mod network;
mod sender;
pub mod spf;

use crate::config::Trust;
use crate::event::{Auth, AuthBasis, AuthContext, AuthSignal, AuthWord, BoundaryWord, SpfIdentity};
use crate::message::{Mail, received_date};
use boundary::{Boundary, Unknown};
use chrono::{DateTime, Utc};
use dns::{Deadline, Recorded, Resolver};
use futures_util::future::OptionFuture;
use lookups::{Answers, Lookups};
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::{AuthenticatedMessage, DkimResult, SpfOutput, SpfResult as MailAuthSpf};
use network::Network;
use sender::Envelope;
use std::time::Duration;

/// What bounds the checks of one mail.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Signatures checked, those of the From domain first.
    pub max_signatures: usize,
    /// Time for all DNS questions of one mail together.
    pub dns_budget: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { max_signatures: 10, dns_budget: Duration::from_secs(6) }
    }
}

/// Checks mails; one for a whole run.
pub struct Authenticator {
    lookups: Lookups,
    bounds: Bounds,
    network: Network,
}

impl Authenticator {
    /// An authenticator.
    ///
    /// # Errors
    /// When mail-auth cannot be set up, which does not happen with the features it is built with.
    pub fn new(bounds: Bounds) -> Result<Self, dns::DnsError> {
        Ok(Self { lookups: Lookups::new()?, bounds, network: Network::default() })
    }

    /// Checks one mail, parsed from octets with CRLF line ends. `delivered_at` is when it reached the mailbox, as far
    /// as is known, `now` what the clock says. Signatures are judged at the time at which our own server took the
    /// mail, but not later than `now`.
    pub async fn check(
        &self,
        mail: &Mail<'_>,
        trust: &Trust,
        resolver: &dyn Resolver,
        delivered_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Auth {
        // A recording of nothing answers every question with a time-out, at once.
        let nobody = Recorded::default();
        let live = resolver.is_live();
        let dead = live && self.network.is_dead();
        let resolver_of_all = resolver;
        let resolver = Deadline::new(if dead { &nobody } else { resolver }, self.bounds.dns_budget);
        let boundary = boundary::find(mail, trust);
        let statements = authres::read(mail, trust, boundary.as_ref().ok());
        let mut auth = Auth {
            basis: AuthBasis::NotEvaluable,
            spf: None,
            dkim: Vec::new(),
            dmarc: None,
            arc: None,
            receiver: statements.receiver(),
            context: context(boundary.as_ref()),
            disagreement: None,
            signals: signals(mail, boundary.as_ref(), statements.forged),
        };
        let envelope = boundary.as_ref().ok().and_then(|b| Some(Envelope::new(b, b.sender.as_ref()?)));
        let judged_at = taken_at(mail, boundary.as_ref().ok()).or(delivered_at).map_or(now, |at| at.min(now));
        self.evaluate(mail, trust, &resolver, envelope.as_ref(), judged_at, now, &mut auth).await;
        if live && !dead {
            self.network.note(resolver.was_silent(), resolver_of_all).await;
        }
        auth.basis = match (auth.spf.is_some() || auth.dmarc.is_some() || !auth.dkim.is_empty(), &auth.receiver) {
            (true, Some(_)) => AuthBasis::Both,
            (true, None) => AuthBasis::Evaluated,
            (false, Some(_)) => AuthBasis::TrustedHeader,
            (false, None) => AuthBasis::NotEvaluable,
        };
        auth.disagreement = auth
            .receiver
            .as_ref()
            .and_then(|theirs| disagreement::disagreement(theirs, auth.spf.as_ref(), auth.dmarc.as_ref()));
        auth.signals.sort_unstable();
        auth.signals.dedup();
        auth
    }

    /// SPF, DKIM, ARC and DMARC. The message that mail-auth gets is made here, out of what passed the guards.
    #[allow(clippy::too_many_arguments, reason = "what one mail is judged by")]
    async fn evaluate(
        &self,
        mail: &Mail<'_>,
        trust: &Trust,
        resolver: &dyn Resolver,
        envelope: Option<&Envelope<'_>>,
        judged_at: DateTime<Utc>,
        now: DateTime<Utc>,
        auth: &mut Auth,
    ) {
        let seconds = |time: DateTime<Utc>| u64::try_from(time.timestamp()).unwrap_or(0);
        let clock = dkim::Clock { delivered: seconds(judged_at), now: seconds(now) };
        let author = dmarc::author(mail);
        let from = author.as_deref().ok();
        let (fields, body) = dkim::fields(mail);
        let mut message = AuthenticatedMessage {
            raw_message: mail.raw(),
            body_offset: u32::try_from(body).unwrap_or(u32::MAX),
            // mail-auth looks at the domain only.
            from: from.map(|domain| format!("@{domain}")).into_iter().collect(),
            ..AuthenticatedMessage::default()
        };
        let mut hashes = dkim::Hashes::new();
        let mut signatures = dkim::prepare(&fields, &mut message, &mut hashes, self.bounds.max_signatures, from, clock);
        auth.arc = arc::structure::prepare(&fields, &mut message, &mut hashes, clock.delivered);
        dkim::prune(&mut message, &fields);
        let message = &message;

        // Side by side: a domain whose name servers are dead costs its time once.
        let spf_domain = envelope.and_then(Envelope::domain);
        let (spf, answers) = futures_util::join!(
            OptionFuture::from(envelope.map(|e| e.check(resolver, now))),
            self.lookups.fetch(resolver, message, from, spf_domain.as_deref())
        );
        if answers.has_weak_key() {
            auth.signals.push(AuthSignal::WeakKey);
        }
        let verifier = self.lookups.verifier();
        let dkim = verifier.verify_dkim(answers.parameters(message)).await;
        auth.spf = spf;
        auth.dkim = signatures.verdicts(&dkim, &answers);
        auth.signals.append(&mut signatures.signals);
        if !message.as_headers.is_empty() {
            let mut found = verifier.verify_arc(answers.parameters(message)).await;
            let second = arc::structure::relaxed(message, &mut hashes, &found);
            if let Some(second) = &second {
                let again = verifier.verify_arc(answers.parameters(second)).await;
                if *again.result() == DkimResult::Pass {
                    found = again;
                }
            }
            let mut arc = arc::arc_verdict(&found, &trust.arc_sealers);
            arc.reason = arc::structure::reason(&found).map(str::to_owned).or(arc.reason);
            auth.arc = Some(arc);
        }
        match &author {
            Ok(from) => {
                let countable = signatures.countable(&dkim);
                self.dmarc(message, &countable, &answers, from, spf_domain.as_deref(), auth).await;
            }
            Err(reason) => auth.dmarc = Some(dmarc::no_author(reason)),
        }
    }

    /// DMARC, and what is aligned with From.
    #[allow(clippy::too_many_arguments, reason = "DMARC joins all the others")]
    async fn dmarc(
        &self,
        message: &AuthenticatedMessage<'_>,
        countable: &[mail_auth::DkimOutput<'_>],
        answers: &Answers,
        from: &str,
        spf_domain: Option<&str>,
        auth: &mut Auth,
    ) {
        let spf_word = auth.spf.as_ref().map_or(MailAuthSpf::None, |spf| sender::for_mail_auth(spf.result));
        let spf_output = SpfOutput::new(spf_domain.unwrap_or_default().to_owned()).with_result(spf_word);
        let output = self
            .lookups
            .verifier()
            .verify_dmarc(answers.parameters(DmarcParameters {
                message,
                dkim_output: countable,
                dkim2_output: None,
                rfc5321_mail_from_domain: spf_domain.unwrap_or_default(),
                spf_output: &spf_output,
            }))
            .await;
        auth.dmarc = dmarc::verdict(&output, answers, from, auth.spf.is_some());
        let (strict_dkim, strict_spf) = dmarc::strictness(&output);
        if let Some(spf) = auth.spf.as_mut().filter(|r| r.result == AuthWord::Pass) {
            spf.aligned = spf_domain.and_then(|d| answers.aligned(d, from, strict_spf));
        }
        for result in auth.dkim.iter_mut().filter(|r| r.result == AuthWord::Pass) {
            result.aligned = result.domain.as_deref().and_then(|d| answers.aligned(d, from, strict_dkim));
        }
    }
}

fn signals(mail: &Mail<'_>, boundary: Result<&Boundary, &Unknown>, forged: bool) -> Vec<AuthSignal> {
    let mut out = Vec::new();
    if forged {
        out.push(AuthSignal::ForgedAuthenticationResults);
    }
    match boundary.map(|b| &b.sender) {
        Err(_) => out.push(AuthSignal::BoundaryUnknown),
        Ok(None) => out.push(AuthSignal::EnvelopeSenderUnknown),
        Ok(Some(sender)) if sender.conflict => out.push(AuthSignal::ReturnPathConflict),
        Ok(Some(_)) => {}
    }
    if mail.headers_raw("From").nth(1).is_some() {
        out.push(AuthSignal::MultipleFrom);
    }
    out
}

/// When our own server took the mail: signatures may expire later (RFC 6376 section 3.5, x=).
fn taken_at(mail: &Mail<'_>, boundary: Option<&Boundary>) -> Option<DateTime<Utc>> {
    let index = usize::try_from(boundary?.entry).ok()?;
    received_date(&mail.headers_raw("Received").nth(index)?)
}

fn context(boundary: Result<&Boundary, &Unknown>) -> AuthContext {
    match boundary {
        Ok(found) => AuthContext {
            boundary: BoundaryWord::Found,
            header_index: Some(found.index),
            by: Some(found.by.chars().take(255).collect()),
            client_ip: Some(found.client_ip.to_string()),
            helo: Some(found.helo.chars().take(255).collect()),
            mail_from: found.sender.as_ref().map(|s| s.address.clone().unwrap_or_default()),
            mail_from_source: found.sender.as_ref().map(|s| s.source),
            identity: found
                .sender
                .as_ref()
                .map(|s| if s.address.is_some() { SpfIdentity::MailFrom } else { SpfIdentity::Helo }),
        },
        Err(unknown) => AuthContext { header_index: unknown.index, ..AuthContext::unknown(unknown.why) },
    }
}
