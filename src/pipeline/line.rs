//! Raw octets in, events out: what `poll` and `replay` share.

use super::assemble::{self, Around};
use super::cost::{Meter, Step};
use super::failure::{Failure, FailureClass};
use crate::archive::Reference;
use crate::auth::dns::{DnsError, RecordStore, Recorded, Recorder, Resolver};
use crate::auth::{Authenticator, Bounds};
use crate::classify::{Finding, Rules, classify};
use crate::config::{Config, Trust};
use crate::correlate::{Correlator, CorrelatorError, Correlators, Sight};
use crate::event::privacy::{Key, Policy};
use crate::event::run::DnsRun;
use crate::event::{AddressMode, Auth, Event, EventData, MailboxRole, UnclassifiedReason};
use crate::message::{Digest, Mail, RawMail, received_date, to_crlf};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the line needs beside the rules and the resolver.
#[derive(Debug, Clone)]
pub struct LineSettings {
    /// `None`: no authentication.
    pub auth: Option<Bounds>,
    pub correlators: Vec<Correlator>,
    /// Headers of the original that are published besides those that correlators read.
    pub original_headers: Vec<String>,
    pub honor_within: TimeDelta,
    pub type_prefix: String,
    /// What becomes of DNS answers.
    pub records: Records,
    /// Mailboxes whose mails lie in the archive.
    pub archived: BTreeSet<String>,
    /// The DNS answers that a mail got stay in [`Judged`], for who explains.
    pub keep_answers: bool,
    /// Who measures what the steps take.
    pub meter: Meter,
    /// The run's id; differs from run to run.
    pub run_id: String,
    pub replay: bool,
}

/// What becomes of the DNS answers of a mail.
#[derive(Debug, Clone, Default)]
pub enum Records {
    /// They are forgotten.
    #[default]
    Off,
    /// They are given back with the events.
    Collect,
    /// They are given back, and written down.
    Write(Arc<RecordStore>),
    /// What was written down answers, and nobody else; a mail without a record is not checked.
    Read(Arc<RecordStore>),
    /// The same, with records that come with the mails.
    Handed,
}

impl LineSettings {
    /// The settings of a configuration.
    #[must_use]
    pub fn new(config: &Config, run_id: String, replay: bool) -> Self {
        Self {
            auth: config
                .auth
                .enabled
                .then_some(Bounds { max_signatures: config.auth.max_signatures, dns_budget: config.dns.mail_budget.0 }),
            correlators: config.correlators.clone(),
            original_headers: config.event.original_headers.clone(),
            honor_within: TimeDelta::from_std(config.unsubscribe.honor_within.0).unwrap_or(TimeDelta::days(2)),
            type_prefix: config.event.type_prefix.clone(),
            records: if config.archive.is_some() { Records::Collect } else { Records::Off },
            archived: match &config.archive {
                Some(_) => config.mailboxes.iter().filter(|m| m.archive).map(|m| m.name.clone()).collect(),
                None => BTreeSet::new(),
            },
            keep_answers: false,
            meter: Meter::default(),
            run_id,
            replay,
        }
    }

    /// What `replay` uses without a configuration.
    #[must_use]
    pub fn plain(run_id: String) -> Self {
        Self {
            auth: Some(Bounds::default()),
            correlators: Vec::new(),
            original_headers: Vec::new(),
            honor_within: TimeDelta::days(2),
            type_prefix: "org.reply-ingest".to_owned(),
            records: Records::default(),
            archived: BTreeSet::new(),
            keep_answers: false,
            meter: Meter::default(),
            run_id,
            replay: true,
        }
    }
}

/// Where a mail lay, and what holds there.
#[derive(Debug, Clone)]
pub struct Place {
    pub mailbox: String,
    pub role: Option<MailboxRole>,
    pub trust: Trust,
    pub privacy: Policy,
}

impl Place {
    /// The place of a configured mailbox.
    #[must_use]
    pub fn of(mailbox: &crate::config::Mailbox, config: &Config) -> Self {
        Self {
            mailbox: mailbox.name.clone(),
            role: mailbox.role,
            trust: mailbox.trust.clone(),
            privacy: policy(mailbox.privacy.as_ref().unwrap_or(&config.privacy)),
        }
    }
}

/// The privacy policy of a setting.
#[must_use]
pub fn policy(setting: &crate::config::Privacy) -> Policy {
    Policy {
        addresses: setting.addresses,
        text: setting.text,
        subject: setting.subject,
        key: setting.hash_key.as_ref().map(|k| Key::new(setting.hash_key_id.clone(), k.expose().as_bytes())),
        retain: setting.retain.and_then(|s| TimeDelta::from_std(s.0).ok()),
    }
}

/// Why the line cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Dns(#[from] DnsError),
    #[error("correlators: {0}")]
    Correlator(#[from] CorrelatorError),
}

/// A judged mail.
#[derive(Debug)]
pub struct Judged {
    /// At least one, with the mailbox's privacy applied.
    pub events: Vec<Event>,
    /// What the events were made from, for `--explain`.
    pub findings: Vec<Finding>,
    /// When the mail reached the mailbox, by its newest Received line.
    pub delivered_at: Option<DateTime<Utc>>,
    /// The DNS answers that it got, where they are to be written down once its events are published.
    pub answers: Option<Recorded>,
}

/// The line; one for a whole run.
pub struct Line {
    rules: Arc<Rules>,
    resolver: Arc<dyn Resolver>,
    authenticator: Option<Authenticator>,
    correlators: Correlators,
    published_headers: BTreeSet<String>,
    settings: LineSettings,
    /// It was said that answers cannot be written down.
    record_failed: AtomicBool,
    prepared: AtomicBool,
}

impl Line {
    /// Sets the line up.
    ///
    /// # Errors
    /// When a correlator cannot be understood.
    pub fn new(settings: LineSettings, rules: Arc<Rules>, resolver: Arc<dyn Resolver>) -> Result<Self, SetupError> {
        let correlators = Correlators::new(&settings.correlators)?;
        let published_headers = correlators
            .original_headers()
            .map(str::to_owned)
            .chain(settings.original_headers.iter().map(|h| h.to_ascii_lowercase()))
            // These have fields of their own.
            .filter(|h| !matches!(h.as_str(), "message-id" | "subject" | "date" | "from"))
            .collect();
        let authenticator = settings.auth.map(Authenticator::new).transpose()?;
        Ok(Self {
            rules,
            resolver,
            authenticator,
            correlators,
            published_headers,
            settings,
            record_failed: AtomicBool::new(false),
            prepared: AtomicBool::new(false),
        })
    }

    /// Has a thread beside make what finds the rules, before the first mail needs it. Nobody waits for it, and only the
    /// first call does anything.
    pub fn prepare(&self) {
        if !self.prepared.swap(true, Ordering::Relaxed) {
            let rules = Arc::clone(&self.rules);
            // Without a thread the first mail makes it.
            drop(std::thread::Builder::new().name("rules".to_owned()).spawn(move || rules.prepare()));
        }
    }

    /// The rules that judge.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Who measures what the steps take.
    #[must_use]
    pub const fn meter(&self) -> &Meter {
        &self.settings.meter
    }

    /// The run's id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.settings.run_id
    }

    /// The ids of the correlators, in the order in which they are asked.
    pub fn correlator_ids(&self) -> impl Iterator<Item = &str> {
        self.correlators.ids()
    }

    /// Whether mails are checked at all.
    #[must_use]
    pub fn authenticates(&self) -> bool {
        self.authenticator.is_some()
    }

    /// What the event types start with.
    #[must_use]
    pub fn type_prefix(&self) -> &str {
        &self.settings.type_prefix
    }

    /// Judges one mail at the time `now`. `uidl` is the server's id of it, `origin` the file that
    /// a replay read. A parser that gives up on one mail must not take the others with it: that
    /// mail is published as unclassified.
    pub async fn judge(
        &self,
        raw: &RawMail,
        place: &Place,
        uidl: Option<&str>,
        origin: Option<&str>,
        now: DateTime<Utc>,
    ) -> Judged {
        self.judge_recorded(raw, place, uidl, origin, now, self.record_of(raw, place)).await
    }

    /// The same for a mail that comes with the DNS answers of its day.
    pub async fn judge_recorded(
        &self,
        raw: &RawMail,
        place: &Place,
        uidl: Option<&str>,
        origin: Option<&str>,
        now: DateTime<Utc>,
        record: Option<Recorded>,
    ) -> Judged {
        let ingested_at = record.as_ref().map_or(now, Recorded::checked_at);
        let (delivered_at, auth, ambiguous) = (None, None, BTreeSet::new());
        let around = Around { raw, place, uidl, origin, now, ingested_at, delivered_at, auth, ambiguous };
        if let Ok(judged) = AssertUnwindSafe(self.stations(around.clone(), record)).catch_unwind().await {
            judged
        } else {
            tracing::error!(
                mailbox = %place.mailbox, digest = %raw.digest(),
                "a mail could not be read by a fault of this program: published as unclassified"
            );
            let finding = Finding::unclassified(UnclassifiedReason::ParseError);
            let data =
                assemble::data(self, &Mail::parse(b""), &finding, crate::event::Correlation::default(), 0, &around);
            Judged {
                events: vec![self.event(data, &place.privacy)],
                findings: vec![finding],
                delivered_at: None,
                answers: None,
            }
        }
    }

    async fn stations(&self, mut around: Around<'_>, record: Option<Recorded>) -> Judged {
        let Around { raw, place, .. } = around;
        let stopwatch = self.settings.meter.next();
        let bytes = to_crlf(raw.bytes());
        let mail = stopwatch.measure(Step::Parse, || Mail::parse(&bytes));
        let findings = stopwatch.measure(Step::Classify, || self.classify(&mail, raw));
        around.delivered_at = delivered_at(&mail);
        let check = self.authenticate(&mail, &around, record.as_ref());
        let (auth, answers) = stopwatch.measure_future(Step::Authenticate, check).await;
        around.auth = auth;
        let events = stopwatch.measure(Step::Event, || {
            let sight = Sight::new(&mail);
            let correlations: Vec<_> = findings.iter().map(|f| self.correlators.correlate(&sight, f)).collect();
            around.ambiguous = assemble::ambiguous(&findings, &correlations);
            let event = |(ordinal, (finding, correlation))| {
                self.event(assemble::data(self, &mail, finding, correlation, ordinal, &around), &place.privacy)
            };
            (0..).zip(findings.iter().zip(correlations)).map(event).collect()
        });
        Judged { events, findings, delivered_at: around.delivered_at, answers }
    }

    fn classify(&self, mail: &Mail<'_>, raw: &RawMail) -> Vec<Finding> {
        if raw.is_cut() {
            vec![Finding::unclassified(UnclassifiedReason::TooLarge)]
        } else if raw.bytes().iter().all(u8::is_ascii_whitespace) {
            vec![Finding::unclassified(UnclassifiedReason::Empty)]
        } else {
            classify(mail, &self.rules)
        }
    }

    /// The verdicts, and the answers that are to be written down.
    async fn authenticate(
        &self,
        mail: &Mail<'_>,
        around: &Around<'_>,
        record: Option<&Recorded>,
    ) -> (Option<Auth>, Option<Recorded>) {
        let Around { raw, place, ingested_at, delivered_at, .. } = *around;
        // Signatures over a body that was cut off say nothing.
        let authenticator = self.authenticator.as_ref().filter(|_| !raw.is_cut() && !mail.is_headless());
        let check = async |resolver: &dyn Resolver| match authenticator {
            // In a place of its own: it is large, and the line's future, which is moved with each mail, would hold it.
            Some(a) => Some(Box::pin(a.check(mail, &place.trust, resolver, delivered_at, ingested_at)).await),
            None => None,
        };
        match (&self.settings.records, record) {
            (Records::Read(_) | Records::Handed, None) => (None, None),
            (Records::Off | Records::Read(_) | Records::Handed, _) if self.settings.keep_answers => {
                let resolver: &dyn Resolver = record.map_or(&*self.resolver, |r| r);
                let recorder = Recorder::new(resolver, ingested_at);
                let auth = check(&recorder).await;
                (auth, Some(recorder.finish()))
            }
            (Records::Off, _) => (check(&*self.resolver).await, None),
            (Records::Write(_) | Records::Collect, _) => {
                let recorder = Recorder::new(&*self.resolver, ingested_at);
                let auth = check(&recorder).await;
                // Without questions too: the record says when the mail came.
                (auth, Some(recorder.finish()))
            }
            (Records::Read(_) | Records::Handed, Some(record)) => (check(record).await, None),
        }
    }

    /// What was written down when the mail was ingested.
    fn record_of(&self, raw: &RawMail, place: &Place) -> Option<Recorded> {
        let Records::Read(store) = &self.settings.records else { return None };
        match store.read(&place.mailbox, &raw.digest()) {
            Ok(Some(record)) => return Some(record),
            Ok(None) => {
                // Copies with other line ends have another digest, and so are another mail, with events of another id.
                let other = with_other_line_ends(raw).map(|octets| Digest::of(&octets));
                let recorded = other.filter(|other| matches!(store.read(&place.mailbox, other), Ok(Some(_))));
                let digest = raw.digest();
                if let Some(recorded) = recorded {
                    tracing::warn!(
                        %digest, %recorded,
                        "DNS answers were recorded for this mail with other line ends only: it is not checked; give it \
                         with the line ends that it came with (on the way they are CR LF)"
                    );
                } else {
                    tracing::warn!(%digest, "no DNS answers were recorded for this mail: it is not checked");
                }
            }
            Err(error) => {
                let reason = Failure::new(FailureClass::Temporary, &error).message;
                tracing::warn!(digest = %raw.digest(), %reason, "this mail is not checked");
            }
        }
        None
    }

    /// Writes down the answers of mails that are about to be published; one that is only fetched again keeps its old
    /// ones. The event matters more than its evidence: a full disk is spoken of, once, and stops nothing.
    pub async fn write_down(&self, mailbox: &str, answers: Vec<(Digest, Recorded)>) {
        let Records::Write(store) = &self.settings.records else { return };
        let (store, mailbox) = (Arc::clone(store), mailbox.to_owned());
        let written = tokio::task::spawn_blocking(move || {
            answers.iter().try_for_each(|(digest, record)| store.write(&mailbox, digest, record))
        })
        .await;
        if let Ok(Err(error)) = written
            && !self.record_failed.swap(true, Ordering::Relaxed)
        {
            let reason = Failure::new(FailureClass::Temporary, &error).message;
            tracing::error!(%reason, "the DNS answers of some mails are not recorded");
        }
    }

    /// What name resolution did so far.
    #[must_use]
    pub fn dns_counts(&self) -> DnsRun {
        self.resolver.counts()
    }

    /// The event of `data`, which has everything in clear: the one place at which privacy is applied.
    #[must_use]
    pub fn event(&self, mut data: EventData, privacy: &Policy) -> Event {
        if privacy.addresses != AddressMode::Clear {
            let original = data.original.as_mut().map(|o| &mut o.message_id);
            for id in [&mut data.message.message_id, &mut data.message.in_reply_to].into_iter().chain(original) {
                if id.as_deref().is_some_and(|id| self.correlators.names_somebody(id)) {
                    *id = None;
                }
            }
        }
        privacy.apply(&mut data);
        let key = crate::event::partition_key(data.recipient.as_ref(), data.privacy.addresses, &data.dedupe_key);
        Event::new(&self.settings.type_prefix, key, data)
    }

    /// The name of a mail in the archive, where it is kept there: of one that is too large only the beginning is known.
    pub(super) fn archive_ref(&self, mailbox: &str, raw: &RawMail) -> Option<Reference> {
        (self.archives(mailbox) && !raw.is_cut()).then(|| Reference::new(mailbox, raw.digest()))
    }

    /// Whether the mails of a mailbox are archived.
    pub(super) fn archives(&self, mailbox: &str) -> bool {
        self.settings.archived.contains(mailbox)
    }

    pub(super) fn settings(&self) -> &LineSettings {
        &self.settings
    }

    pub(super) fn publishes_header(&self, name: &str) -> bool {
        self.published_headers.contains(name)
    }
}

/// The date of the newest Received line: what the server that stored the mail wrote.
fn delivered_at(mail: &Mail<'_>) -> Option<DateTime<Utc>> {
    mail.headers_raw("Received").next().and_then(|line| received_date(&line))
}
/// The same mail as a program on another system writes it; nothing of one that was cut off.
fn with_other_line_ends(raw: &RawMail) -> Option<Vec<u8>> {
    let octets = raw.bytes();
    let crlf = to_crlf(octets);
    if raw.is_cut() {
        return None;
    }
    if *crlf != *octets {
        return Some(crlf.into_owned());
    }
    let lines = octets.split_inclusive(|octet| *octet == b'\n');
    Some(
        lines
            .flat_map(|line| line.strip_suffix(b"\r\n").map_or([line, b""], |text| [text, b"\n"]))
            .flatten()
            .copied()
            .collect(),
    )
}
