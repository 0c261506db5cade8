//! Patterns such as `reply+{campaign}.{send}.{sig}@replies.example.com`: read, and for tokens also written.

use super::Captured;
use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use data_encoding::BASE32_NOPAD;
use regex::{Regex, RegexBuilder};

/// An id longer than this is none.
pub(super) const MAX_ID: usize = 128;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a place in a pattern stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    Campaign,
    Send,
    Recipient,
    Step,
    Variant,
    List,
    Sig,
    Any,
}

impl Name {
    const ALL: [Self; 8] =
        [Self::Campaign, Self::Send, Self::Recipient, Self::Step, Self::Variant, Self::List, Self::Sig, Self::Any];
    /// The ids that a signature covers, in the order in which it does.
    pub const SIGNED: [Self; 5] = [Self::Campaign, Self::Send, Self::Recipient, Self::Step, Self::Variant];

    /// The name in a pattern.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::Send => "send",
            Self::Recipient => "recipient",
            Self::Step => "step",
            Self::Variant => "variant",
            Self::List => "list",
            Self::Sig => "sig",
            Self::Any => "any",
        }
    }
}

/// How an id is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decoder {
    Plain,
    /// As written, even where letter case may have been changed on the way; then nothing is found.
    Exact,
    /// `user=example.org`.
    Verp,
    Uuid,
    Base32,
    Base64,
}

impl Decoder {
    const ALL: [(&'static str, Self); 5] = [
        ("exact", Self::Exact),
        ("verp", Self::Verp),
        ("uuid", Self::Uuid),
        ("base32", Self::Base32),
        ("base64", Self::Base64),
    ];

    /// Whether upper and lower case mean different things.
    fn is_case_sensitive(self) -> bool {
        matches!(self, Self::Exact | Self::Base64)
    }

    fn decode(self, text: &str) -> Option<String> {
        let decoded = match self {
            Self::Plain | Self::Exact => text.to_owned(),
            Self::Verp => {
                let (user, domain) = text.rsplit_once('=')?;
                if user.is_empty() || !domain.contains('.') {
                    return None;
                }
                format!("{user}@{domain}")
            }
            Self::Uuid => {
                let hex: String = text.chars().filter(|c| *c != '-').collect::<String>().to_ascii_lowercase();
                let part = |from: usize, to: usize| hex.get(from..to);
                format!("{}-{}-{}-{}-{}", part(0, 8)?, part(8, 12)?, part(12, 16)?, part(16, 20)?, part(20, 32)?)
            }
            Self::Base32 => {
                let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()?;
                String::from_utf8(bytes).ok()?
            }
            Self::Base64 => String::from_utf8(BASE64.decode(text).ok()?).ok()?,
        };
        (!decoded.is_empty() && decoded.len() <= MAX_ID && !decoded.contains(char::is_control)).then_some(decoded)
    }

    fn encode(self, text: &str) -> Option<String> {
        Some(match self {
            Self::Plain | Self::Exact => text.to_owned(),
            Self::Verp => {
                let (user, domain) = text.rsplit_once('@')?;
                format!("{user}={domain}")
            }
            Self::Uuid => text.replace('-', ""),
            Self::Base32 => BASE32_NOPAD.encode(text.as_bytes()).to_ascii_lowercase(),
            Self::Base64 => BASE64.encode(text),
        })
    }
}

#[derive(Debug)]
enum Piece {
    Literal(String),
    Hole(Name, Decoder),
}

/// A pattern, ready to match a whole value. Letter case does not matter: mail systems change it.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    pieces: Vec<Piece>,
}

/// What stood in the places of a pattern, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw<'v>(pub Vec<(Name, &'v str)>);

impl<'v> Raw<'v> {
    /// What stood for `name`.
    #[must_use]
    pub fn get(&self, name: Name) -> Option<&'v str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }
}

/// A value that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<'v> {
    pub captured: Captured,
    pub raw: Raw<'v>,
    pub signature: Option<String>,
}

/// Why a pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("`{{{0}}}` is no name: use campaign, send, recipient, step, variant, list, sig or any")]
    Name(String),
    #[error("`:{0}` is no decoder: use verp, uuid, base32, base64 or exact")]
    Decoder(String),
    #[error("`{{{0}}}` stands in the pattern twice")]
    Twice(String),
    #[error("the pattern has a brace without its partner")]
    Brace,
    #[error("the pattern names nothing to find: put {{campaign}}, {{send}} or {{recipient}} into it")]
    Nothing,
    #[error("two names stand side by side: put a character between them")]
    Adjacent,
    #[error("the pattern is too long")]
    TooLong,
    #[error("a signature does not tell upper from lower case: write the ids in base32")]
    SignedCase,
    #[error("{{list}} is covered by no signature: take it out of the pattern")]
    SignedList,
}

impl Pattern {
    /// Compiles a pattern.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > 1_000 {
            return Err(PatternError::TooLong);
        }
        let mut regex = String::from("^<?");
        let mut pieces: Vec<Piece> = Vec::new();
        let mut rest = text.trim().trim_start_matches('<').trim_end_matches('>');
        while let Some((literal, tail)) = rest.split_once('{') {
            if literal.contains('}') {
                return Err(PatternError::Brace);
            }
            if literal.is_empty() && !pieces.is_empty() {
                return Err(PatternError::Adjacent);
            }
            let (hole, tail) = tail.split_once('}').ok_or(PatternError::Brace)?;
            let (name, decoder) = hole_of(hole)?;
            regex.push_str(&regex::escape(literal));
            if name != Name::Any && pieces.iter().any(|p| matches!(p, Piece::Hole(n, _) if *n == name)) {
                return Err(PatternError::Twice(name.as_str().to_owned()));
            }
            regex.push_str(&group(name, decoder, tail.chars().next()));
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.to_owned()));
            }
            pieces.push(Piece::Hole(name, decoder));
            rest = tail;
        }
        if rest.contains('}') {
            return Err(PatternError::Brace);
        }
        if !pieces.iter().any(|p| matches!(p, Piece::Hole(n, _) if !matches!(n, Name::Any | Name::Sig))) {
            return Err(PatternError::Nothing);
        }
        regex.push_str(&regex::escape(rest));
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        regex.push_str(">?$");
        if pieces.iter().any(|p| matches!(p, Piece::Hole(Name::Sig, _))) {
            let any =
                |is: fn(Name, Decoder) -> bool| pieces.iter().any(|p| matches!(p, Piece::Hole(n, d) if is(*n, *d)));
            if any(|_, decoder| decoder.is_case_sensitive()) {
                return Err(PatternError::SignedCase);
            }
            if any(|name, _| name == Name::List) {
                return Err(PatternError::SignedList);
            }
        }
        RegexBuilder::new(&regex)
            .case_insensitive(true)
            .size_limit(8 << 20)
            .build()
            .map(|regex| Self { regex, pieces })
            .map_err(|_| PatternError::TooLong)
    }

    /// Whether `name` stands in it.
    #[must_use]
    pub fn has(&self, name: Name) -> bool {
        self.pieces.iter().any(|p| matches!(p, Piece::Hole(n, _) if *n == name))
    }

    /// Whether it has text that a value must have: what is all names fits everything.
    #[must_use]
    pub fn has_text(&self) -> bool {
        self.pieces.iter().any(|p| matches!(p, Piece::Literal(text) if text.chars().any(char::is_alphanumeric)))
    }

    /// Reads `value`, which must fit as a whole. `in_address`: its letter case may have been changed on the way, so
    /// ids are taken in lower case.
    #[must_use]
    pub fn read<'v>(&self, value: &'v str, in_address: bool) -> Option<Read<'v>> {
        if value.len() > 2_000 {
            return None;
        }
        let found = self.regex.captures(value.trim())?;
        // What is signed in lower case is read in lower case, wherever it stands.
        let in_address = in_address || self.has(Name::Sig);
        let mut read = Read { captured: Captured::default(), raw: Raw(Vec::new()), signature: None };
        let mut changed = None;
        for piece in &self.pieces {
            let Piece::Hole(name, decoder) = piece else { continue };
            if *name == Name::Any {
                continue;
            }
            let raw = found.name(name.as_str())?.as_str();
            if *name == Name::Sig {
                read.signature = Some(raw.to_owned());
                continue;
            }
            read.raw.0.push((*name, raw));
            let lower;
            let text = if !in_address {
                raw
            } else if decoder.is_case_sensitive() {
                if *changed.get_or_insert_with(|| self.case_was_changed(value)) {
                    return None;
                }
                raw
            } else {
                lower = raw.to_lowercase();
                &lower
            };
            read.captured.set(*name, decoder.decode(text)?)?;
        }
        Some(read)
    }

    /// Whether a value of it says what it says in clear: no signature, nothing encoded.
    pub(super) fn is_plain(&self) -> bool {
        let hidden =
            |p: &Piece| matches!(p, Piece::Hole(_, Decoder::Base32 | Decoder::Base64) | Piece::Hole(Name::Sig, _));
        !self.pieces.iter().any(hidden)
    }

    /// Whether an address may have been changed on the way: the fixed text of its local part is not as the pattern has
    /// it, or the local part has letters of one case only.
    fn case_was_changed(&self, value: &str) -> bool {
        let local = value.rsplit_once('@').map_or(value, |(local, _)| local);
        if !(local.bytes().any(|b| b.is_ascii_uppercase()) && local.bytes().any(|b| b.is_ascii_lowercase())) {
            return true;
        }
        let literals = self.pieces.iter().filter_map(|p| match p {
            Piece::Literal(text) => Some(text.split_once('@').map_or(text.as_str(), |(local, _)| local)),
            Piece::Hole(..) => None,
        });
        literals.filter(|text| !text.is_empty()).any(|text| !value.contains(text))
    }

    /// Ids as this pattern writes them.
    pub(super) fn encode(&self, ids: &Captured) -> Option<Vec<(Name, String)>> {
        let holes = self.pieces.iter().filter_map(|p| match p {
            Piece::Hole(name, decoder) if !matches!(name, Name::Any | Name::Sig) => Some((*name, *decoder)),
            _ => None,
        });
        holes.map(|(name, decoder)| Some((name, decoder.encode(&ids.get(name)?)?))).collect()
    }

    /// The pattern with its places filled.
    pub(super) fn write(&self, raw: &Raw<'_>, signature: &str) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Hole(Name::Sig, _) => out.push_str(signature),
                Piece::Hole(name, _) => out.push_str(raw.get(*name).unwrap_or_default()),
            }
        }
        out
    }
}

/// `name`, or `name:decoder`.
fn hole_of(text: &str) -> Result<(Name, Decoder), PatternError> {
    let (name, decoder) = text.split_once(':').map_or((text, None), |(n, d)| (n, Some(d)));
    let known = Name::ALL.into_iter().find(|n| n.as_str() == name);
    let name = known.ok_or_else(|| PatternError::Name(name.to_owned()))?;
    let Some(decoder) = decoder else { return Ok((name, Decoder::Plain)) };
    let known = Decoder::ALL.iter().find(|(d, _)| *d == decoder && !matches!(name, Name::Any | Name::Sig | Name::Step));
    known.map(|(_, d)| (name, *d)).ok_or_else(|| PatternError::Decoder(decoder.to_owned()))
}

/// The group for a name: everything up to the character that follows it in the pattern.
fn group(name: Name, decoder: Decoder, next: Option<char>) -> String {
    let stop = next.filter(|c| *c != '{').map(|c| regex::escape(&c.to_string())).unwrap_or_default();
    let text = match (name, decoder) {
        (Name::Step, _) => "[0-9]{1,6}".to_owned(),
        // A signature that was cut is still one, and a wrong one.
        (Name::Sig, _) => format!(r"[^\s<>@{stop}]{{0,128}}"),
        (Name::Any, _) => return r"[^\s<>]*?".to_owned(),
        (_, Decoder::Uuid) => "[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}".to_owned(),
        (_, Decoder::Base32) => "[a-z2-7]{1,208}".to_owned(),
        (_, Decoder::Base64) => "[a-z0-9_-]{1,176}={0,2}".to_owned(),
        _ => format!(r"[^\s<>@{stop}]{{1,{MAX_ID}}}"),
    };
    format!("(?P<{}>{text})", name.as_str())
}

#[cfg(test)]
mod tests {
    use super::{Captured, Pattern};

    fn captured(campaign: &str, send: &str) -> Captured {
        Captured { campaign: Some(campaign.to_owned()), send: Some(send.to_owned()), ..Captured::default() }
    }

    #[test]
    fn patterns_read_whole_values() {
        let table = [
            ("reply+{campaign}.{send}@r.example", "reply+spring26.s1@r.example", Some(captured("spring26", "s1"))),
            ("reply+{campaign}.{send}@r.example", "REPLY+SPRING26.s1@R.Example", Some(captured("spring26", "s1"))),
            ("reply+{campaign}.{send}@r.example", "reply+spring26@r.example", None),
            ("reply+{campaign}.{send}@r.example", "xreply+a.b@r.example", None),
            ("reply+{campaign}.{send}@r.example", "reply+a.b@r.example.evil", None),
            ("r+{campaign:exact}.{send}@r.example", "r+Spring26.s1@R.Example", Some(captured("Spring26", "s1"))),
            ("r+{campaign:exact}.{send}@r.example", "R+SPRING26.S1@R.EXAMPLE", None),
            ("r+{campaign:base32}.{send}@r.example", "R+KNYHE2LOM4.s1@r.example", Some(captured("Spring", "s1"))),
            ("r+{campaign:base32}.{send}@r.example", "r+knyhe2lom.s1@r.example", None),
            // A mail system that makes local parts lower case: the id is not to be had any more.
            ("r+{campaign:exact}@r.example", "r+spring26@r.example", None),
            ("{campaign:exact}.{send}@r.example", "SPRING26.S1@R.EXAMPLE", None),
        ];
        for (pattern, value, expected) in table {
            let read = Pattern::new(pattern).expect("compiles").read(value, true).map(|r| r.captured);
            assert_eq!(read, expected, "{pattern} {value}");
        }
        let table = [
            ("<{campaign}.{send}@mailer.example>", "Spring26.s1@mailer.example", Some(captured("Spring26", "s1"))),
            ("{campaign}:{send}:{any}", "c1:s2:promo:camp", Some(captured("c1", "s2"))),
            ("{campaign:base64}/{send}", "U3ByaW5n/s1", Some(captured("Spring", "s1"))),
            ("{campaign:base64}/{send}", "U3ByaW5/s1", None),
        ];
        let signed = Pattern::new("{campaign}.{sig}").expect("compiles").read("SPRING26.abc", false);
        assert_eq!(signed.and_then(|r| r.captured.campaign).as_deref(), Some("spring26"), "as it is signed");
        for (pattern, value, expected) in table {
            let read = Pattern::new(pattern).expect("compiles").read(value, false).map(|r| r.captured);
            assert_eq!(read, expected, "{pattern} {value}");
        }
    }

    #[test]
    fn recipients_and_uuids_are_decoded() {
        let read = |pattern: &str, value: &str| {
            Pattern::new(pattern).expect("compiles").read(value, true).and_then(|r| r.captured.recipient)
        };
        let verp = "b+{recipient:verp}@r.example";
        assert_eq!(read(verp, "b+ana=x.example.org@r.example").as_deref(), Some("ana@x.example.org"));
        assert_eq!(read(verp, "b+ana=home=x.org@r.example").as_deref(), Some("ana=home@x.org"));
        assert_eq!(read(verp, "b+ana@r.example"), None);
        let uuid = "b+{recipient:uuid}@r.example";
        let expected = Some("0123abcd-0123-4567-89ab-0123456789ab");
        assert_eq!(read(uuid, "b+0123ABCD0123456789AB0123456789AB@r.example").as_deref(), expected);
        assert_eq!(read(uuid, "b+0123abcd-0123-4567-89ab-0123456789ab@r.example").as_deref(), expected);
        assert_eq!(read(uuid, "b+0123abcd-0123-4567-89ab-0123456789a@r.example"), None);
    }

    #[test]
    fn wrong_patterns_say_why() {
        for (pattern, word) in [
            ("{campain}", "no name"),
            ("{campaign:rot13}", "no decoder"),
            ("{step:uuid}", "no decoder"),
            ("{campaign}{send}", "side by side"),
            ("x{campaign", "partner"),
            ("x}{campaign}", "partner"),
            ("{any}@x", "names nothing"),
            ("{any}.{sig}@x", "names nothing"),
            ("{campaign}-{campaign}", "twice"),
            ("r+{campaign:base64}.{sig}@x", "upper from lower"),
            ("r+{campaign:exact}.{sig}@x", "upper from lower"),
            ("r+{list}.{campaign}.{sig}@x", "covered by no signature"),
        ] {
            let error = Pattern::new(pattern).expect_err(pattern).to_string();
            assert!(error.contains(word), "{pattern}: {error}");
        }
    }
}
