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
pub mod dns;
mod lookups;
pub mod spf;

use crate::config::Trust;
use crate::event::{
    Auth, AuthBasis, AuthContext, AuthResult, AuthSignal, AuthWord, BoundaryWord, DmarcPolicy, SpfIdentity,
};
use crate::message::{Mail, received_date};
use boundary::{Boundary, Sender, Unknown};
use chrono::{DateTime, Utc};
use dns::{Deadline, Recorded, Resolver};
use lookups::Lookups;
use mail_auth::dmarc::Policy;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::{AuthenticatedMessage, DmarcResult, SpfOutput, SpfResult as MailAuthSpf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

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

/// Whether name servers answer at all. Without this, a run with DNS down would wait out every
/// question of every mail.
#[derive(Default)]
struct Network {
    /// Mails in a row for which nobody answered anything. A mail counts once, so one with many
    /// signatures on dead domains cannot take the verdicts of the others away.
    silent: AtomicU32,
    dead_until: Mutex<Option<Instant>>,
}

/// Silent mails in a row after which the network is taken to be down …
const DEAD_AFTER: u32 = 20;
/// … and for how long nothing is asked then.
const DEAD_FOR: Duration = Duration::from_secs(15);

impl Network {
    fn is_dead(&self) -> bool {
        let until = *self.dead_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn note(&self, silent: Option<bool>) {
        match silent {
            Some(false) => self.silent.store(0, Ordering::Relaxed),
            Some(true) if self.silent.fetch_add(1, Ordering::Relaxed) + 1 == DEAD_AFTER => {
                self.silent.store(0, Ordering::Relaxed);
                *self.dead_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + DEAD_FOR);
                tracing::warn!(
                    seconds = DEAD_FOR.as_secs(),
                    "no name server answers: verdicts are temperror until one does; check dns.servers"
                );
            }
            Some(true) | None => {}
        }
    }
}

impl Authenticator {
    /// An authenticator.
    ///
    /// # Errors
    /// When mail-auth cannot be set up, which does not happen with the features it is built with.
    pub fn new(bounds: Bounds) -> Result<Self, dns::DnsError> {
        Ok(Self { lookups: Lookups::new()?, bounds, network: Network::default() })
    }

    /// Checks one mail, parsed from octets with CRLF line ends. `delivered_at` is when it reached the mailbox, as far as is known, `now` what the clock says. Signatures are
    /// judged at the time at which our own server took the mail, but not later than `now`.
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
        let resolver = Deadline::new(if dead { &nobody } else { resolver }, self.bounds.dns_budget);
        let mut signals = Vec::new();
        let boundary = boundary::find(mail, trust);
        let statements = authres::read(mail, trust, boundary.as_ref().ok());
        if statements.forged {
            signals.push(AuthSignal::ForgedAuthenticationResults);
        }
        match boundary.as_ref().map(|b| &b.sender) {
            Err(_) => signals.push(AuthSignal::BoundaryUnknown),
            Ok(None) => signals.push(AuthSignal::EnvelopeSenderUnknown),
            Ok(Some(sender)) if sender.conflict => signals.push(AuthSignal::ReturnPathConflict),
            Ok(Some(_)) => {}
        }
        if mail.headers_raw("From").nth(1).is_some() {
            signals.push(AuthSignal::MultipleFrom);
        }

        let mut spf = match boundary.as_ref().ok().and_then(|b| Some((b, b.sender.as_ref()?))) {
            Some((boundary, sender)) => Some(check_spf(&resolver, boundary, sender, now).await),
            None => None,
        };
        let judged_at = taken_at(mail, boundary.as_ref().ok()).or(delivered_at).map_or(now, |at| at.min(now));
        let limited = dkim::limit(mail, self.bounds.max_signatures);
        if limited.cut {
            signals.push(AuthSignal::TooManySignatures);
        }
        let mut auth = Auth {
            basis: AuthBasis::NotEvaluable,
            spf: None,
            dkim: Vec::new(),
            dmarc: None,
            arc: None,
            receiver: statements.receiver(),
            context: context(boundary.as_ref()),
            disagreement: None,
            signals,
        };
        if let Some(mut message) = AuthenticatedMessage::parse(&limited.bytes) {
            self.signed(&mut message, trust, &resolver, judged_at, spf.as_mut(), &mut auth).await;
        }
        if live && !dead {
            self.network.note(resolver.was_silent());
        }
        auth.spf = spf.map(|s| s.result);
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

    /// DKIM, ARC and DMARC.
    async fn signed(
        &self,
        message: &mut AuthenticatedMessage<'_>,
        trust: &Trust,
        resolver: &dyn Resolver,
        judged_at: DateTime<Utc>,
        spf: Option<&mut SpfVerdict>,
        auth: &mut Auth,
    ) {
        let refused = dkim::refuse(message, judged_at);
        if refused.iter().any(|r| r.sha1) {
            auth.signals.push(AuthSignal::Sha1Signature);
        }
        auth.arc = arc::refuse_arc(message);
        // Several From fields: which one a mail program shows is anyone's guess.
        let from = author_domain(message).filter(|_| !auth.signals.contains(&AuthSignal::MultipleFrom));
        let answers =
            self.lookups.fetch(resolver, message, from.as_deref(), spf.as_deref().map(|s| s.domain.as_str())).await;
        if answers.weak_key {
            auth.signals.push(AuthSignal::WeakKey);
        }
        let verifier = self.lookups.verifier();
        let dkim = verifier.verify_dkim(answers.parameters(&*message)).await;
        auth.dkim = dkim.iter().map(|o| dkim::verdict(o, &answers)).collect();
        auth.dkim.extend(refused.iter().map(|r| r.result.clone()));
        let passing: Vec<_> = dkim
            .iter()
            .zip(&auth.dkim)
            .filter(|(_, verdict)| matches!(verdict.result, AuthWord::Pass | AuthWord::TempError))
            .map(|(output, _)| output.clone())
            .collect();
        let chain = !message.ams_headers.is_empty() || !message.as_headers.is_empty() || message.has_arc_errors;
        if chain && auth.arc.is_none() {
            let found = verifier.verify_arc(answers.parameters(&*message)).await;
            auth.arc = Some(arc::arc_verdict(&found, &trust.arc_sealers));
        }
        let Some(from) = from else {
            // No author, or several with different domains: DMARC does not apply.
            auth.dmarc = Some(no_author());
            return;
        };
        let known = spf.is_some();
        let (spf_domain, spf_word) = match spf {
            Some(spf) => {
                if spf.result.result == AuthWord::Pass {
                    spf.result.aligned = Some(answers.aligned(&spf.domain, &from));
                }
                (spf.domain.clone(), mail_auth_word(spf.result.result))
            }
            None => (String::new(), MailAuthSpf::None),
        };
        let spf_output = SpfOutput::new(spf_domain.clone()).with_result(spf_word);
        let output = verifier
            .verify_dmarc(answers.parameters(DmarcParameters {
                message,
                dkim_output: &passing,
                dkim2_output: None,
                rfc5321_mail_from_domain: &spf_domain,
                spf_output: &spf_output,
            }))
            .await;
        auth.dmarc = dmarc_verdict(&output, &answers, &from, known);
        for result in &mut auth.dkim {
            if result.result == AuthWord::Pass {
                result.aligned = result.domain.as_deref().map(|d| answers.aligned(d, &from));
            }
        }
    }
}

/// When our own server took the mail: signatures may expire later (RFC 6376 section 3.5, x=).
fn taken_at(mail: &Mail<'_>, boundary: Option<&Boundary>) -> Option<DateTime<Utc>> {
    let index = usize::try_from(boundary?.entry).ok()?;
    received_date(&mail.headers_raw("Received").nth(index)?)
}

/// What SPF found, and the domain it checked.
struct SpfVerdict {
    result: AuthResult,
    domain: String,
}

async fn check_spf(resolver: &dyn Resolver, boundary: &Boundary, sender: &Sender, now: DateTime<Utc>) -> SpfVerdict {
    let query = spf::Query {
        client_ip: boundary.client_ip,
        helo: &boundary.helo,
        mail_from: sender.address.as_deref().unwrap_or_default(),
        receiver: &boundary.by,
        now: now.timestamp(),
    };
    let outcome = spf::check_host(resolver, &spf::Limits::default(), &query).await;
    let result = match outcome.result {
        spf::SpfResult::None => AuthWord::None,
        spf::SpfResult::Neutral => AuthWord::Neutral,
        spf::SpfResult::Pass => AuthWord::Pass,
        spf::SpfResult::Fail => AuthWord::Fail,
        spf::SpfResult::SoftFail => AuthWord::SoftFail,
        spf::SpfResult::TempError => AuthWord::TempError,
        spf::SpfResult::PermError => AuthWord::PermError,
    };
    SpfVerdict {
        result: AuthResult {
            domain: Some(outcome.domain.clone()).filter(|d| !d.is_empty()),
            reason: outcome.problem.or(outcome.mechanism),
            ..AuthResult::new(result)
        },
        domain: outcome.domain,
    }
}

fn mail_auth_word(word: AuthWord) -> MailAuthSpf {
    match word {
        AuthWord::Pass => MailAuthSpf::Pass,
        AuthWord::Fail => MailAuthSpf::Fail,
        AuthWord::SoftFail => MailAuthSpf::SoftFail,
        AuthWord::Neutral | AuthWord::Policy => MailAuthSpf::Neutral,
        AuthWord::TempError => MailAuthSpf::TempError,
        AuthWord::PermError => MailAuthSpf::PermError,
        AuthWord::None => MailAuthSpf::None,
    }
}

/// The one domain of From; `None` where there is none, or several (RFC 9989 exempts those).
fn author_domain(message: &AuthenticatedMessage<'_>) -> Option<String> {
    let mut domains = message.from.iter().filter_map(|f| f.rsplit_once('@')).map(|(_, d)| d.to_ascii_lowercase());
    let first = domains.next().filter(|d| !d.is_empty())?;
    domains.all(|d| d == first).then_some(first)
}

fn dmarc_verdict(
    output: &mail_auth::DmarcOutput,
    answers: &lookups::Answers,
    from: &str,
    spf_known: bool,
) -> Option<AuthResult> {
    let record = output.dmarc_record();
    let any = |f: fn(&DmarcResult) -> bool| f(output.spf_result()) || f(output.dkim_result());
    let word = if answers.policy_failed {
        AuthWord::TempError
    } else if any(|r| matches!(r, DmarcResult::Pass)) {
        AuthWord::Pass
    } else if any(|r| matches!(r, DmarcResult::TempError(_))) {
        AuthWord::TempError
    } else if any(|r| matches!(r, DmarcResult::PermError(_))) {
        AuthWord::PermError
    } else if record.is_none() {
        AuthWord::None
    } else {
        AuthWord::Fail
    };
    // Without a boundary SPF is unknown, and with it any verdict that rests on its absence.
    if word == AuthWord::Fail && !spf_known {
        return None;
    }
    let policy = record.map(|r| answers.effective_policy(r, output.policy(), from));
    Some(AuthResult {
        domain: Some(from.chars().take(255).collect()),
        policy: policy.map(|p| match p {
            Policy::Reject => DmarcPolicy::Reject,
            Policy::Quarantine => DmarcPolicy::Quarantine,
            Policy::None | Policy::Unspecified => DmarcPolicy::None,
        }),
        ..AuthResult::new(word)
    })
}

fn no_author() -> AuthResult {
    AuthResult { reason: Some("From names no domain, or several".to_owned()), ..AuthResult::new(AuthWord::None) }
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
