//! Headers in which a sender writes its ids, plain or encoded, and the presets of well-known senders.

use super::Captured;
use super::pattern::{MAX_ID, Name, Pattern, PatternError};
use super::setting::{Decode, HeaderForm, Preset};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Octets of a header's value: the classifier keeps 2,048 of a returned one.
const MAX_VALUE: usize = 2_000;

/// A header, ready to be read.
#[derive(Debug)]
pub(super) struct HeaderReader {
    /// In lower case.
    pub name: String,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Pattern(Pattern),
    Keys(Decode, Vec<(Name, Vec<String>)>),
}

/// Why a header's form was refused: which setting of it, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("a header's name has letters, digits and hyphens, and no colon")]
    Name,
    #[error("{0}")]
    Pattern(PatternError),
    #[error("write either `pattern`, or `decode` with the keys of the ids")]
    Form,
    #[error("`decode` needs the key of at least one id: campaign, send, recipient, step or variant")]
    NoKeys,
}

impl HeaderReader {
    pub(super) fn new(form: &HeaderForm) -> Result<Self, HeaderError> {
        if form.name.is_empty() || !form.name.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            return Err(HeaderError::Name);
        }
        let keys: Vec<_> = [
            (Name::Campaign, &form.campaign),
            (Name::Send, &form.send),
            (Name::Recipient, &form.recipient),
            (Name::Step, &form.step),
            (Name::Variant, &form.variant),
        ]
        .into_iter()
        .filter_map(|(name, key)| Some((name, vec![key.clone()?])))
        .collect();
        let read = match (&form.pattern, form.decode) {
            (Some(pattern), None) if keys.is_empty() => {
                Form::Pattern(Pattern::new(pattern).map_err(HeaderError::Pattern)?)
            }
            (None, Some(_)) if keys.is_empty() => return Err(HeaderError::NoKeys),
            (None, Some(decode)) => Form::Keys(decode, keys),
            _ => return Err(HeaderError::Form),
        };
        Ok(Self { name: form.name.to_ascii_lowercase(), form: read })
    }

    /// Whether the value may be published as it is: what is encoded may hold anything.
    pub(super) fn is_plain(&self) -> bool {
        matches!(&self.form, Form::Pattern(pattern) if pattern.is_plain())
    }

    pub(super) fn read(&self, value: &str) -> Option<Captured> {
        // A returned header may have been cut, and half an id is another one.
        if value.len() > MAX_VALUE {
            return None;
        }
        let value = value.trim();
        match &self.form {
            Form::Pattern(pattern) => pattern.read(value, false).map(|r| r.captured),
            Form::Keys(decode, keys) => {
                let object = decoded(*decode, value)?;
                let mut out = Captured::default();
                for (name, ways) in keys {
                    if let Some(id) = ways.iter().find_map(|way| id_at(&object, way)) {
                        // A step that is no number is no step; the other ids are good all the same.
                        let _ = out.set(*name, id);
                    }
                }
                (out != Captured::default()).then_some(out)
            }
        }
    }
}

fn decoded(decode: Decode, value: &str) -> Option<Value> {
    let json = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    match decode {
        Decode::Json => json(value),
        Decode::Base64Json => {
            // Folding leaves white space inside; both alphabets are in use.
            let text: String = value
                .chars()
                .filter(|c| !c.is_whitespace())
                .map(|c| match c {
                    '-' => '+',
                    '_' => '/',
                    c => c,
                })
                .collect();
            json(std::str::from_utf8(&BASE64.decode(text).ok()?).ok()?)
        }
        Decode::PercentJson => {
            // Read as a form's only key, so that a plus sign is a space, as senders write it.
            let text: String = value.chars().filter(|c| !c.is_whitespace()).collect();
            let escaped = text.replace('=', "%3D").replace('&', "%26");
            let (whole, _) = form_urlencoded::parse(escaped.as_bytes()).next()?;
            json(&whole)
        }
        Decode::Form => {
            let text: String = value.chars().filter(|c| !c.is_whitespace()).collect();
            object(form_urlencoded::parse(text.as_bytes()).take(100).map(|(k, v)| (k.into_owned(), v.into_owned())))
        }
        Decode::Pairs => object(
            value
                .split([',', ';'])
                .take(100)
                .filter_map(|pair| pair.split_once('='))
                .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())),
        ),
    }
}

/// A key that stands there twice with different values says nothing.
fn object(pairs: impl Iterator<Item = (String, String)>) -> Option<Value> {
    let mut map = serde_json::Map::new();
    for (key, value) in pairs {
        let value = Value::String(value);
        match map.get_mut(&key) {
            Some(known) if *known != value => *known = Value::Null,
            Some(_) => {}
            None => {
                map.insert(key, value);
            }
        }
    }
    (!map.is_empty()).then_some(Value::Object(map))
}

/// The id under a key; a dot goes into an object, unless a key has the dot itself.
fn id_at(object: &Value, way: &str) -> Option<String> {
    let value = object.get(way).or_else(|| way.split('.').try_fold(object, |at, key| at.get(key)))?;
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty() && text.len() <= MAX_ID && !text.contains(char::is_control)).then_some(text)
}

impl Preset {
    /// Its headers, the surest first.
    pub(super) fn readers(self) -> Vec<HeaderReader> {
        let plain = |name: &str, pattern: &str| {
            let form = Pattern::new(pattern).ok().map(Form::Pattern)?;
            Some(HeaderReader { name: name.to_owned(), form })
        };
        let keys = |name: &str, decode: Decode, under: &[&str]| {
            let ways = |words: &[&str]| {
                let under = under.iter().flat_map(|u| words.iter().map(move |w| format!("{u}{w}")));
                under.collect::<Vec<_>>()
            };
            let keys = vec![
                (Name::Campaign, ways(&["campaign_id", "campaign", "campaign-id", "campaignId"])),
                (Name::Send, ways(&["send_id", "send", "send-id", "sendId"])),
                (Name::Recipient, ways(&["recipient_id", "subscriber_id", "contact_id", "user_id", "recipient"])),
                (Name::Step, ways(&["step"])),
                (Name::Variant, ways(&["variant"])),
            ];
            Some(HeaderReader { name: name.to_owned(), form: Form::Keys(decode, keys) })
        };
        let all = match self {
            Self::Listmonk => {
                vec![
                    plain("x-listmonk-campaign", "{campaign:uuid}"),
                    plain("x-listmonk-subscriber", "{recipient:uuid}"),
                ]
            }
            Self::Mautic => vec![plain("x-email-id", "{campaign}")],
            Self::Mailgun => {
                vec![keys("x-mailgun-variables", Decode::Json, &[""]), plain("x-mailgun-campaign-id", "{campaign}")]
            }
            Self::Sendgrid => vec![keys("x-smtpapi", Decode::Json, &["unique_args."])],
            Self::Ses => vec![keys("x-ses-message-tags", Decode::Pairs, &[""])],
            Self::Sparkpost => vec![keys("x-msys-api", Decode::Json, &["", "metadata."])],
            Self::Mandrill => vec![keys("x-mc-metadata", Decode::Json, &[""])],
            Self::Postal => vec![plain("x-postal-tag", "{campaign}"), plain("x-postal-msgid", "{send}")],
            Self::Kumomta => vec![keys("x-kumoref", Decode::Base64Json, &[""])],
            // Google's format has four parts; some senders write fewer.
            Self::FeedbackId => vec![plain("feedback-id", "{campaign}:{any}")],
            Self::ListId => vec![plain("list-id", "{list}")],
        };
        all.into_iter().flatten().collect()
    }

    /// The value as the preset's pattern wants it: List-ID has a description before its brackets (RFC 2919 section 3).
    pub(super) fn tidy(self, value: &str) -> &str {
        match self {
            Self::ListId => match value.rsplit_once('<') {
                Some((_, inner)) => inner.split_once('>').map_or(inner, |(id, _)| id),
                None => value,
            },
            _ => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Captured, Decode, HeaderForm, HeaderReader};

    #[test]
    fn encoded_headers() {
        let c1 =
            Some(Captured { campaign: Some("c1".to_owned()), recipient: Some("7".to_owned()), ..Captured::default() });
        let table = [
            (Decode::Json, r#"{"cid":"c1","user":{"id":7}}"#, c1.clone()),
            (Decode::Json, r#"{"cid":"c1","user":{"id":7}"#, None),
            (Decode::Json, r#"["cid"]"#, None),
            (Decode::Json, r#"{"cid":{"x":1}}"#, None),
            (Decode::Base64Json, "eyJjaWQiOiJjMSIsInVzZXIi\r\n OnsiaWQiOjd9fQ==", c1.clone()),
            (Decode::Base64Json, "eyJjaWQiOiJjMSIsInVzZXIiOnsiaWQiOjd9fQ", c1.clone()),
            (Decode::Base64Json, "eyJjaWQiOiJjMSIsInVzZXIiOns", None),
            (Decode::PercentJson, "%7B%22cid%22%3A%22c1%22%2C%22user%22%3A%7B%22id%22%3A7%7D%7D", c1.clone()),
            (Decode::Form, "cid=c1&user.id=7", c1.clone()),
            (Decode::Form, "cid=c1&cid=c2", None),
            (Decode::Pairs, "cid=c1, user.id=7", c1.clone()),
            (Decode::Pairs, "nothing", None),
        ];
        for (decode, value, expected) in table {
            let reader = HeaderReader::new(&HeaderForm {
                name: "X-Meta".to_owned(),
                decode: Some(decode),
                campaign: Some("cid".to_owned()),
                recipient: Some("user.id".to_owned()),
                ..HeaderForm::default()
            })
            .expect("is right");
            assert_eq!(reader.read(value), expected, "{decode:?} {value}");
        }
    }
}
