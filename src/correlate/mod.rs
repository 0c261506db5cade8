//! Which campaign a mail answers, and whom that campaign wrote to.
//!
//! Takes the mail, what the classifier found in it, and the ordered correlators of the
//! configuration; gives a [`Correlation`] with every piece of evidence. The first correlator that
//! finds a campaign decides; one that finds another campaign makes it a conflict, never a guess.

mod pattern;

use crate::classify::{Finding, OriginalMail};
use crate::event::{Correlation, CorrelationStatus, Evidence};
use crate::message::Mail;
use pattern::{Captured, Pattern};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use pattern::PatternError;

/// Headers that hold addresses: each address is tried by itself.
const ADDRESS_HEADERS: [&str; 8] =
    ["to", "cc", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "return-path", "resent-to"];
/// Values tried for one place of one correlator.
const MAX_VALUES: usize = 200;

/// One way to find the campaign that a mail answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Correlator {
    /// A short name, published as the event's `correlation.method`.
    pub id: String,
    /// Where to look: `header:NAME` of the mail, `original:NAME` of the returned or quoted mail.
    #[serde(rename = "in")]
    pub places: Vec<String>,
    /// What to look for: text with `{campaign}`, `{send}`, `{recipient}`, `{step}`, `{variant}`
    /// and `{any}`.
    pub pattern: String,
}

/// Why a correlator was refused.
#[derive(Debug, thiserror::Error)]
pub enum CorrelatorError {
    #[error("{id}: `{place}` is no place: write header:NAME or original:NAME")]
    Place { id: String, place: String },
    #[error("{id}: {source}")]
    Pattern { id: String, source: PatternError },
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
    pattern: Pattern,
}

#[derive(Debug)]
enum Place {
    Header(String),
    Original(String),
}

impl Correlators {
    /// Prepares the correlators of a configuration.
    ///
    /// # Errors
    /// When a place or a pattern cannot be understood.
    pub fn new(settings: &[Correlator]) -> Result<Self, CorrelatorError> {
        let list = settings
            .iter()
            .map(|c| {
                let places = c.places.iter().map(|p| place(&c.id, p)).collect::<Result<Vec<_>, _>>()?;
                if places.is_empty() {
                    return Err(CorrelatorError::Place { id: c.id.clone(), place: String::new() });
                }
                let pattern =
                    Pattern::new(&c.pattern).map_err(|source| CorrelatorError::Pattern { id: c.id.clone(), source })?;
                Ok(Ready { id: c.id.clone(), places, pattern })
            })
            .collect::<Result<Vec<_>, CorrelatorError>>()?;
        Ok(Self { list })
    }

    /// The headers of the original that correlators read: they are published with the event.
    pub fn original_headers(&self) -> impl Iterator<Item = &str> {
        self.list.iter().flat_map(|r| &r.places).filter_map(|p| match p {
            Place::Original(name) => Some(name.as_str()),
            Place::Header(_) => None,
        })
    }

    /// Finds the campaign that `finding` in `mail` belongs to.
    #[must_use]
    pub fn correlate(&self, mail: &Mail<'_>, finding: &Finding) -> Correlation {
        let mut result = Correlation::default();
        let mut partial = false;
        for ready in &self.list {
            for place in &ready.places {
                let Some(found) = values(place, mail, finding.original.as_ref())
                    .iter()
                    .take(MAX_VALUES)
                    .find_map(|v| ready.pattern.read(v))
                else {
                    continue;
                };
                result.evidence.push(Evidence {
                    correlator: ready.id.clone(),
                    place: place.to_string(),
                    campaign_id: found.campaign.clone(),
                });
                match (&result.campaign_id, &found.campaign) {
                    (Some(first), Some(other)) if first != other => {
                        result.status = CorrelationStatus::Conflict;
                    }
                    (None, Some(_)) => {
                        result.status = CorrelationStatus::Matched;
                        result.method = Some(ready.id.clone());
                    }
                    _ => partial = true,
                }
                take(&mut result, found);
            }
        }
        if result.status == CorrelationStatus::Conflict {
            result.campaign_id = None;
            result.send_id = None;
            result.recipient_id = None;
            result.step = None;
            result.variant = None;
            result.method = None;
        } else if result.status == CorrelationStatus::Unmatched && partial {
            result.status = CorrelationStatus::Partial;
            result.method = result.evidence.first().map(|e| e.correlator.clone());
        }
        if result.status == CorrelationStatus::Matched {
            result.sent_at = finding.original.as_ref().and_then(|o| o.date);
        }
        result
    }
}

/// Fills what is not known yet.
fn take(result: &mut Correlation, found: Captured) {
    result.campaign_id = result.campaign_id.take().or(found.campaign);
    result.send_id = result.send_id.take().or(found.send);
    result.recipient_id = result.recipient_id.take().or(found.recipient);
    result.step = result.step.or(found.step);
    result.variant = result.variant.take().or(found.variant);
}

fn place(id: &str, text: &str) -> Result<Place, CorrelatorError> {
    let wrong = || CorrelatorError::Place { id: id.to_owned(), place: text.to_owned() };
    match text.split_once(':') {
        Some((_, "")) => Err(wrong()),
        Some(("header", name)) => Ok(Place::Header(name.to_ascii_lowercase())),
        Some(("original", name)) => Ok(Place::Original(name.to_ascii_lowercase())),
        _ => Err(wrong()),
    }
}

/// What stands in a place: each address, each id, or each header's whole value.
fn values(place: &Place, mail: &Mail<'_>, original: Option<&OriginalMail>) -> Vec<String> {
    match place {
        Place::Header(name) if ADDRESS_HEADERS.contains(&name.as_str()) => {
            mail.addresses(name).iter().map(|a| a.as_str().to_owned()).collect()
        }
        Place::Header(name) if is_id_header(name) => mail.headers_raw(name).flat_map(|value| ids(&value)).collect(),
        Place::Header(name) => mail.headers(name).map(|v| v.trim().to_owned()).collect(),
        Place::Original(name) => {
            let Some(original) = original else { return Vec::new() };
            let mut out: Vec<String> = original
                .headers
                .iter()
                .filter(|(n, _)| n == name)
                .flat_map(|(_, v)| {
                    if is_id_header(name) || ADDRESS_HEADERS.contains(&name.as_str()) {
                        ids(v)
                    } else {
                        vec![v.trim().to_owned()]
                    }
                })
                .collect();
            if name == "message-id" && out.is_empty() {
                out.extend(original.message_id.clone());
            }
            out
        }
    }
}

fn is_id_header(name: &str) -> bool {
    matches!(name, "message-id" | "in-reply-to" | "references")
}

/// The parts of a list of ids or addresses, without angle brackets.
fn ids(value: &str) -> Vec<String> {
    value
        .split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | '"'))
        .filter(|v| v.contains('@'))
        .take(MAX_VALUES)
        .map(str::to_owned)
        .collect()
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Original(name) => write!(f, "original:{name}"),
        }
    }
}
