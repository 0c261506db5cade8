//! Which campaign a mail answers, and whom that campaign wrote to.
//!
//! Takes the mail, what the classifier found in it, and the ordered correlators of the configuration; gives a
//! [`Correlation`] with every piece of evidence. What is signed counts before what is not, else the first that finds a
//! campaign decides. Two campaigns make it a conflict and a wrong signature a forgery: never a guess.

mod header;
mod lookup;
mod pattern;
mod place;
mod setting;
mod sight;
pub mod token;
mod verdict;
mod wrapped;

pub use header::HeaderError;
pub use lookup::{Format, LookupError, Table};
pub use pattern::{Name, Pattern, PatternError, Raw, Read};
pub use setting::{Correlator, Decode, HeaderForm, Lookup, Preset, Verify, VerifyKey};
pub use sight::Sight;

use crate::classify::Finding;
use crate::event::Correlation;
use chrono::{DateTime, Utc};
use header::HeaderReader;
use place::{Kind, PLACES, Place, Value};
use std::sync::Arc;
use token::{MAX_TRUNCATE, MIN_KEY, MIN_TRUNCATE, Signer};

/// Readings kept of one mail.
const MAX_READINGS: usize = 50;

/// The ids that a place gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    pub campaign: Option<String>,
    pub send: Option<String>,
    pub recipient: Option<String>,
    pub step: Option<u32>,
    pub variant: Option<String>,
    pub list: Option<String>,
}

impl Captured {
    /// The id called `name`, as text.
    #[must_use]
    pub fn get(&self, name: Name) -> Option<String> {
        match name {
            Name::Campaign => self.campaign.clone(),
            Name::Send => self.send.clone(),
            Name::Recipient => self.recipient.clone(),
            Name::Step => self.step.map(|s| s.to_string()),
            Name::Variant => self.variant.clone(),
            Name::List => self.list.clone(),
            Name::Sig | Name::Any => None,
        }
    }

    fn has(&self, name: Name) -> bool {
        self.get(name).is_some()
    }

    /// Sets an id; `None` where the text cannot be one.
    fn set(&mut self, name: Name, text: String) -> Option<()> {
        match name {
            Name::Campaign => self.campaign = Some(text),
            Name::Send => self.send = Some(text),
            Name::Recipient => self.recipient = Some(text),
            Name::Step => self.step = Some(text.parse().ok()?),
            Name::Variant => self.variant = Some(text),
            Name::List => self.list = Some(text),
            Name::Sig | Name::Any => {}
        }
        Some(())
    }
}

/// What a correlator's setting is wrong in: the way to the part that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    Key(&'static str),
    Item(usize),
}

/// Why a correlator was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{id}: {problem}")]
pub struct CorrelatorError {
    pub id: String,
    /// From the correlator to the part that is meant; empty for the whole.
    pub at: Vec<At>,
    pub problem: Problem,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("is no place: {PLACES}")]
    Place,
    #[error("the list is empty: {PLACES}")]
    NoPlace,
    #[error("{0}")]
    Pattern(PatternError),
    #[error("an address has an @: write the whole of it")]
    NoAddress,
    #[error("the pattern is all names, so with original:* every header fits it: name the header")]
    AnyHeader,
    #[error("it says how to find nothing: give exactly one of pattern, address, headers, preset, lookup and from")]
    NoWay,
    #[error(
        "it has two ways to find something: give exactly one of pattern, address, headers, preset, lookup and from"
    )]
    Ways,
    #[error("has no effect here: From is the only place")]
    FixedPlaces,
    #[error("has an effect with `pattern` and `address` only")]
    NothingToVerify,
    #[error("the pattern has no {{sig}}: put it where the signature stands")]
    NoSignature,
    #[error("{{sig}} is verified by nothing: add `verify` with a key")]
    NoVerify,
    #[error("the list is empty: name at least one key, with `id` and `key_file`")]
    NoKeys,
    #[error("no key: set key_file, or key: ${{NAME}}")]
    NoKey,
    #[error("the key has fewer than {MIN_KEY} characters: signatures could be guessed")]
    ShortKey,
    #[error("two keys have this id")]
    SameKey,
    #[error("must be {MIN_TRUNCATE} to {MAX_TRUNCATE} octets")]
    Truncate,
    #[error("must be one line")]
    Context,
    #[error("{0}")]
    Header(HeaderError),
    #[error("the file's name must end in .csv or .jsonl")]
    Format,
}

/// The correlators, ready to ask.
#[derive(Debug, Default)]
pub struct Correlators {
    list: Vec<Ready>,
}

#[derive(Debug)]
struct Ready {
    id: String,
    places: Vec<Place>,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Pattern { pattern: Pattern, signer: Option<Signer>, address: bool },
    Headers { readers: Vec<HeaderReader>, preset: Option<Preset> },
    Lookup(Arc<Table>),
    From(Arc<Table>),
}

/// What one place gave.
#[derive(Debug, Clone, PartialEq)]
struct Reading {
    correlator: usize,
    place: String,
    ids: Captured,
    sent_at: Option<DateTime<Utc>>,
    proof: Proof,
}

/// How far a reading can be relied on, the least first.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Proof {
    /// A signature is wrong.
    Forged,
    /// The From address, which anyone can write.
    From,
    /// Not signed.
    Plain,
    /// It stands in a file of ours.
    Known,
    /// Signed by this key.
    Signed(String),
}

impl Correlators {
    /// Prepares the correlators of a configuration.
    ///
    /// # Errors
    /// With the first thing that is wrong in them; [`mistakes`] names all.
    pub fn new(settings: &[Correlator]) -> Result<Self, CorrelatorError> {
        let mut list = Vec::new();
        for setting in settings {
            let mut found = Vec::new();
            match ready(setting, &mut found) {
                Some(ready) if found.is_empty() => list.push(ready),
                _ => {
                    let (at, problem) = found.into_iter().next().unwrap_or((Vec::new(), Problem::NoWay));
                    return Err(CorrelatorError { id: setting.id.clone(), at, problem });
                }
            }
        }
        Ok(Self { list })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The ids of all, in the order in which they are asked.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|r| r.id.as_str())
    }

    /// The headers of the original that correlators name: they are published with the event. What is encoded is not,
    /// because it may hold anything.
    pub fn original_headers(&self) -> impl Iterator<Item = &str> {
        let plain = |r: &&Ready| !matches!(&r.way, Way::Pattern { pattern, .. } if !pattern.is_plain());
        let places = self.list.iter().filter(plain).flat_map(|r| &r.places).filter_map(|p| match p {
            Place::Original(name) => Some(name.as_str()),
            _ => None,
        });
        let named = self.list.iter().filter_map(|r| match &r.way {
            Way::Headers { readers, preset: None } => Some(readers),
            _ => None,
        });
        places.chain(named.flatten().filter(|r| r.is_plain()).map(|r| r.name.as_str()))
    }

    /// Whether a Message-ID is one of a campaign that names a person, or holds a signature that is good elsewhere.
    #[must_use]
    pub fn names_somebody(&self, id: &str) -> bool {
        let names = |ready: &Ready| match &ready.way {
            Way::Pattern { pattern, signer, .. } => {
                (signer.is_some() || pattern.has(Name::Recipient)) && pattern.read(id, false).is_some()
            }
            _ => false,
        };
        self.list.iter().any(names)
    }

    /// Finds the campaign that `finding` in a mail belongs to.
    #[must_use]
    pub fn correlate(&self, sight: &Sight<'_, '_>, finding: &Finding) -> Correlation {
        let mut readings: Vec<Reading> = Vec::new();
        for (at, ready) in self.list.iter().enumerate() {
            for mut reading in ready.read(sight, finding, &readings) {
                reading.correlator = at;
                let same = |r: &Reading| {
                    r.correlator == at && r.place == reading.place && r.ids == reading.ids && r.proof == reading.proof
                };
                if readings.len() < MAX_READINGS && !readings.iter().any(same) {
                    readings.push(reading);
                }
            }
        }
        let mut result = verdict::decide(&readings, |at| self.list.get(at).map(|r| r.id.clone()).unwrap_or_default());
        if result.status == crate::event::CorrelationStatus::Matched && result.sent_at.is_none() {
            result.sent_at = finding.original.as_ref().and_then(|o| o.date);
        }
        result
    }
}

impl Ready {
    fn read(&self, sight: &Sight<'_, '_>, finding: &Finding, before: &[Reading]) -> Vec<Reading> {
        match &self.way {
            Way::Pattern { pattern, signer, address } => self.each(sight, finding, |value| {
                let in_address = *address || value.kind == Kind::Address;
                let read = pattern.read(&value.text, in_address)?;
                let proof = match signer {
                    None => Proof::Plain,
                    Some(signer) => match signer.verify(&read.raw, read.signature.as_deref().unwrap_or_default()) {
                        Some(key) => Proof::Signed(key.to_owned()),
                        // What a forger wrote is not repeated.
                        None => return Some((Captured::default(), None, Proof::Forged)),
                    },
                };
                Some((read.captured, None, proof))
            }),
            Way::Headers { readers, preset } => {
                let original = finding.original.as_ref();
                let mut out = Vec::new();
                for reader in readers {
                    let values = original.into_iter().flat_map(|o| &o.headers).filter(|(n, _)| *n == reader.name);
                    for (name, value) in values.take(MAX_READINGS) {
                        let value = preset.map_or(value.as_str(), |p| p.tidy(value));
                        if let Some(ids) = reader.read(value) {
                            out.push(reading(format!("original:{name}"), ids, None, Proof::Plain));
                        }
                    }
                }
                out
            }
            Way::Lookup(table) => {
                let mut out = self.each(sight, finding, |value| {
                    let row = table.message(&value.text)?;
                    Some((row.ids.clone(), row.sent_at, Proof::Known))
                });
                // A send that another correlator read, without its campaign.
                let sends = before.iter().filter(|r| r.proof != Proof::Forged && r.ids.campaign.is_none());
                for (send, place) in sends.filter_map(|r| Some((r.ids.send.as_ref()?, &r.place))) {
                    if let Some(row) = table.send(send) {
                        out.push(reading(place.clone(), row.ids, row.sent_at, Proof::Known));
                    }
                }
                out
            }
            Way::From(table) => {
                let row = sight.mail.from().and_then(|from| table.address(&from).cloned());
                row.map(|row| reading("from".to_owned(), row.ids, None, Proof::From)).into_iter().collect()
            }
        }
    }

    /// Every value of every place that fits.
    fn each(
        &self,
        sight: &Sight<'_, '_>,
        finding: &Finding,
        fits: impl Fn(&Value) -> Option<(Captured, Option<DateTime<Utc>>, Proof)>,
    ) -> Vec<Reading> {
        let mut out = Vec::new();
        for place in &self.places {
            let mut direct = false;
            for value in place.values(sight, finding) {
                if value.kind == Kind::Ancestor && direct {
                    break;
                }
                if let Some((ids, sent_at, proof)) = fits(&value) {
                    direct = true;
                    out.push(reading(place.to_string(), ids, sent_at, proof));
                }
            }
        }
        out
    }
}

fn reading(place: String, ids: Captured, sent_at: Option<DateTime<Utc>>, proof: Proof) -> Reading {
    Reading { correlator: 0, place, ids, sent_at, proof }
}

/// All that is wrong with a correlator, each with the way to it.
#[must_use]
pub fn mistakes(setting: &Correlator) -> Vec<(Vec<At>, Problem)> {
    let mut found = Vec::new();
    ready(setting, &mut found);
    found
}

fn ready(setting: &Correlator, found: &mut Vec<(Vec<At>, Problem)>) -> Option<Ready> {
    let ways = [
        setting.pattern.is_some(),
        setting.address.is_some(),
        !setting.headers.is_empty(),
        setting.preset.is_some(),
        setting.lookup.is_some(),
        setting.from.is_some(),
    ];
    match ways.iter().filter(|w| **w).count() {
        0 => found.push((Vec::new(), Problem::NoWay)),
        1 => {}
        _ => found.push((Vec::new(), Problem::Ways)),
    }
    let mut places = Vec::new();
    for (at, text) in setting.places.iter().enumerate() {
        match Place::read(text) {
            Some(place) => places.push(place),
            None => found.push((vec![At::Key("in"), At::Item(at)], Problem::Place)),
        }
    }
    let fixed = setting.from.is_some() || !setting.headers.is_empty() || setting.preset.is_some();
    if fixed && !setting.places.is_empty() {
        found.push((vec![At::Key("in")], Problem::FixedPlaces));
    }
    let signer = setting.verify.as_ref().map(|verify| signer(verify, found));
    let patterned = setting.pattern.is_some() || setting.address.is_some();
    if setting.verify.is_some() && !patterned {
        found.push((vec![At::Key("verify")], Problem::NothingToVerify));
    }
    let way = if let Some((key, text)) =
        setting.pattern.as_ref().map(|p| ("pattern", p)).or(setting.address.as_ref().map(|a| ("address", a)))
    {
        pattern_way(setting, key, text, signer, &mut places, found)
    } else if !setting.headers.is_empty() {
        let mut readers = Vec::new();
        for (at, form) in setting.headers.iter().enumerate() {
            match HeaderReader::new(form) {
                Ok(reader) => readers.push(reader),
                Err(error) => {
                    let mut way = vec![At::Key("headers"), At::Item(at)];
                    match &error {
                        HeaderError::Name => way.push(At::Key("name")),
                        HeaderError::Pattern(_) => way.push(At::Key("pattern")),
                        _ => {}
                    }
                    found.push((way, Problem::Header(error)));
                }
            }
        }
        Some(Way::Headers { readers, preset: None })
    } else if let Some(preset) = setting.preset {
        Some(Way::Headers { readers: preset.readers(), preset: Some(preset) })
    } else if let Some(lookup) = &setting.lookup {
        if places.is_empty() && setting.places.is_empty() {
            places.push(Place::Thread);
        }
        Some(Way::Lookup(table("lookup", lookup, found)))
    } else {
        setting.from.as_ref().map(|lookup| Way::From(table("from", lookup, found)))
    };
    Some(Ready { id: setting.id.clone(), places, way: way? })
}

fn pattern_way(
    setting: &Correlator,
    key: &'static str,
    text: &str,
    signer: Option<Signer>,
    places: &mut Vec<Place>,
    found: &mut Vec<(Vec<At>, Problem)>,
) -> Option<Way> {
    let address = key == "address";
    if setting.places.is_empty() {
        if address {
            let usual = [
                "header:Delivered-To",
                "header:X-Original-To",
                "header:Envelope-To",
                "header:To",
                "original:Return-Path",
                "dsn:Original-Mail-From",
            ];
            places.extend(usual.iter().filter_map(|text| Place::read(text)));
        } else {
            found.push((vec![At::Key("in")], Problem::NoPlace));
        }
    }
    let here = || vec![At::Key(key)];
    let pattern = match Pattern::new(text) {
        Ok(pattern) => pattern,
        Err(error) => {
            found.push((here(), Problem::Pattern(error)));
            return None;
        }
    };
    if address && !text.contains('@') {
        found.push((here(), Problem::NoAddress));
    }
    if places.contains(&Place::OriginalAny) && !pattern.has_text() {
        found.push((here(), Problem::AnyHeader));
    }
    match (pattern.has(Name::Sig), &setting.verify) {
        (true, None) => found.push((here(), Problem::NoVerify)),
        (false, Some(_)) => found.push((here(), Problem::NoSignature)),
        _ => {}
    }
    Some(Way::Pattern { pattern, signer, address })
}

fn signer(verify: &Verify, found: &mut Vec<(Vec<At>, Problem)>) -> Signer {
    let inside = |rest: &[At]| [&[At::Key("verify")], rest].concat();
    if verify.keys.is_empty() {
        found.push((inside(&[At::Key("keys")]), Problem::NoKeys));
    }
    for (at, key) in verify.keys.iter().enumerate() {
        let item = |more: &[At]| [inside(&[At::Key("keys"), At::Item(at)]), more.to_vec()].concat();
        match &key.key {
            None => found.push((item(&[]), Problem::NoKey)),
            Some(secret) if secret.expose().len() < MIN_KEY => {
                let name = if key.key_file.is_some() { "key_file" } else { "key" };
                found.push((item(&[At::Key(name)]), Problem::ShortKey));
            }
            Some(_) => {}
        }
        if verify.keys.iter().take(at).any(|other| other.id == key.id) {
            found.push((item(&[At::Key("id")]), Problem::SameKey));
        }
    }
    if !(MIN_TRUNCATE..=MAX_TRUNCATE).contains(&verify.truncate) {
        found.push((inside(&[At::Key("truncate")]), Problem::Truncate));
    }
    if verify.context.contains(char::is_control) {
        found.push((inside(&[At::Key("context")]), Problem::Context));
    }
    let keys = verify.keys.iter().filter_map(|k| Some((k.id.as_str(), k.key.as_ref()?.expose().as_bytes())));
    Signer::new(keys, verify.truncate, &verify.context)
}

fn table(key: &'static str, lookup: &Lookup, found: &mut Vec<(Vec<At>, Problem)>) -> Arc<Table> {
    if Format::of(&lookup.file).is_none() {
        found.push((vec![At::Key(key), At::Key("file")], Problem::Format));
    }
    // A file that could not be read was reported where it was tried.
    lookup.table.clone().unwrap_or_default()
}
