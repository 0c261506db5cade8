//! Durations and sizes as people write them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;
use std::time::Duration;

/// A duration: `30s`, `5m`, `14d`, `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A size in octets: `30MB`, `64MiB`, or a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Octets(pub u64);

/// A part of a whole: `20%`, `0.5%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// Hundredths of a percent.
    parts: u16,
}

impl Share {
    /// All of it.
    const WHOLE: u16 = 10_000;

    /// Whether `part` of `whole` is more than this share.
    #[must_use]
    pub fn is_exceeded_by(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(Self::WHOLE) > u128::from(whole) * u128::from(self.parts)
    }

    /// Reads what people write.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, hundredths) = match text.trim().strip_suffix('%')?.trim_end().split_once('.') {
            Some((whole, part)) if (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()) => {
                (whole, part.parse::<u16>().ok()? * if part.len() == 1 { 10 } else { 1 })
            }
            Some(_) => return None,
            None => (text.trim().strip_suffix('%')?.trim_end(), 0),
        };
        let whole: u16 = whole.bytes().all(|b| b.is_ascii_digit()).then(|| whole.parse().ok())??;
        let parts = whole.checked_mul(100)?.checked_add(hundredths)?;
        (parts <= Self::WHOLE).then_some(Self { parts })
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.parts / 100, self.parts % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, part) => write!(f, "{whole}.{part:02}%"),
        }
    }
}

impl Span {
    /// Whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl Octets {
    /// As an index type; saturates where memory cannot be addressed anyway.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(text.trim())
            .map(Self)
            .map_err(|_| D::Error::custom(format!("`{text}` is no duration: write 30s, 5m, 2h or 14d")))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.trim()
            .parse::<bytesize::ByteSize>()
            .map(|b| Self(b.as_u64()))
            .map_err(|_| D::Error::custom(format!("`{text}` is no size: write 500kB, 30MB or 64MiB")))
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&bytesize::ByteSize::b(self.0).display().si())
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is no share: write 20%, at most 100%")))
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A part of a whole: 20%, 0.5%.",
            "pattern": r"^[0-9]{1,3}(\.[0-9]{1,2})? ?%$",
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A duration: 30s, 5m, 2h, 14d.",
            "pattern": r"^([0-9]+ ?[a-zA-Z]+ ?)+$",
        })
    }
}

impl JsonSchema for Octets {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "description": "A size in octets: 500kB, 30MB, 64MiB, or a plain number.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn shares_are_read_and_compared() {
        for (text, shown) in
            [("20%", Some("20%")), ("0.5 %", Some("0.50%")), ("100%", Some("100%")), ("33.33%", Some("33.33%"))]
                .into_iter()
                .chain(["100.01%", "20", "0.2", "-1%", "%", "1.234%", "655.36%", "+1%"].map(|text| (text, None)))
        {
            assert_eq!(Share::parse(text).map(|share| share.to_string()).as_deref(), shown, "{text}");
        }
        let fifth = Share::parse("20%").expect("a share");
        assert!(!fifth.is_exceeded_by(20, 100) && fifth.is_exceeded_by(21, 100));
        assert!(!fifth.is_exceeded_by(0, 0) && !Share::parse("100%").expect("a share").is_exceeded_by(7, 7));
    }
}
