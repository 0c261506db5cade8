//! What follows from a rule, and what must hold for it besides. Of the build script too, which packs those of the program:
//! there are thousands, and every start reads them.

use super::packed::{Packed, put};
use super::table::{Field, Table};
use serde::{Deserialize, Serialize};

/// What must hold besides for a rule to fire. Of each list any one; an empty list asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Who received: by the name of the server that answered, else by the recipient's domain. A rule that asks for it
    /// counts more than any that does not: providers use common words in ways of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provider: Vec<String>,
    /// Enhanced status codes: `5.7.1`, `x.7.1` (of any class), `5.7.` (all that begin so), `5.7.6??` (any digits).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<String>,
    /// Reply codes: `550`, or `5` for all of that class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub smtp: Vec<u16>,
    /// The command that was answered: CONNECT, EHLO, HELO, MAIL, RCPT, DATA.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
}

/// What is known besides the text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'f> {
    pub provider: Option<&'f str>,
    pub status: Option<&'f str>,
    pub smtp: Option<u16>,
    pub command: Option<&'f str>,
}

impl When {
    pub(super) fn is_empty(&self) -> bool {
        self.provider.is_empty() && self.status.is_empty() && self.smtp.is_empty() && self.command.is_empty()
    }

    /// Whether all that is asked for is so.
    pub(super) fn holds(&self, facts: &Facts<'_>) -> bool {
        let one_of = |list: &[String], value: Option<&str>| {
            list.is_empty() || value.is_some_and(|v| list.iter().any(|l| l.eq_ignore_ascii_case(v)))
        };
        one_of(&self.provider, facts.provider)
            && (self.smtp.is_empty() || facts.smtp.is_some_and(|c| self.smtp.iter().any(|s| *s == c || *s == c / 100)))
            && one_of(&self.command, facts.command)
            && (self.status.is_empty() || facts.status.is_some_and(|s| self.status.iter().any(|p| is_code(p, s))))
    }
}

/// Whether a status is one that a pattern of [`When::status`] means.
pub(super) fn is_code(pattern: &str, status: &str) -> bool {
    let (pattern, status) = match pattern.strip_prefix("x.") {
        Some(rest) => (rest, status.get(2..).unwrap_or_default()),
        None => (pattern, status),
    };
    let same = |(p, s): (u8, u8)| p == s || (p == b'?' && s.is_ascii_digit());
    let fits = pattern.bytes().zip(status.bytes()).all(same);
    fits && if pattern.ends_with('.') { status.len() > pattern.len() } else { status.len() == pattern.len() }
}

pub(super) fn certain() -> f32 {
    1.0
}

/// What follows from a rule, without what it looks for: all that is needed of most of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleHead {
    /// See [`Rule`](super::Rule).
    pub id: String,
    pub table: Table,
    pub gives: String,
    #[serde(rename = "in")]
    pub fields: Vec<Field>,
    #[serde(default)]
    pub when: When,
    #[serde(default)]
    pub language: Option<String>,
    #[serde(default = "certain")]
    pub confidence: f32,
    /// It speaks of the beginning of a text alone.
    pub anchored: bool,
}

/// Packs what is known of the program's rules: see [`read`].
// The build script's.
#[allow(dead_code)]
pub(crate) fn pack(heads: &[RuleHead]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, heads.len());
    for head in heads {
        let RuleHead { id, table, gives, fields, when, language, confidence, anchored } = head;
        put_text(&mut out, id);
        put(&mut out, place(&Table::ALL, table) << 1 | usize::from(*anchored));
        put_text(&mut out, gives);
        put_text(&mut out, language.as_deref().unwrap_or_default());
        put(&mut out, confidence.to_bits() as usize);
        put(&mut out, fields.len());
        for field in fields {
            put(&mut out, place(&Field::ALL, field));
        }
        for list in [&when.provider, &when.status, &when.command] {
            put(&mut out, list.len());
            for text in list {
                put_text(&mut out, text);
            }
        }
        put(&mut out, when.smtp.len());
        for code in &when.smtp {
            put(&mut out, usize::from(*code));
        }
    }
    out
}

/// What was packed; none where that is cut off.
pub(crate) fn read(octets: &[u8]) -> Option<Vec<RuleHead>> {
    let mut from = Packed { octets, at: 0 };
    let from = &mut from;
    many(from, |from| {
        let id = text(from)?;
        let table_and_anchored = from.number()?;
        let gives = text(from)?;
        let language = Some(text(from)?).filter(|language| !language.is_empty());
        let confidence = f32::from_bits(u32::try_from(from.number()?).ok()?);
        let fields = many(from, |from| Field::ALL.get(from.number()?).copied())?;
        let [provider, status, command] = [many(from, text)?, many(from, text)?, many(from, text)?];
        let smtp = many(from, |from| u16::try_from(from.number()?).ok())?;
        Some(RuleHead {
            id,
            table: *Table::ALL.get(table_and_anchored >> 1)?,
            gives,
            fields,
            when: When { provider, status, smtp, command },
            language,
            confidence,
            anchored: table_and_anchored & 1 != 0,
        })
    })
}

fn place<T: PartialEq>(all: &[T], one: &T) -> usize {
    all.iter().position(|other| other == one).unwrap_or(all.len())
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn text(from: &mut Packed<'_>) -> Option<String> {
    let length = from.number()?;
    Some(str::from_utf8(from.take(length)?).ok()?.to_owned())
}

fn many<T>(from: &mut Packed<'_>, one: impl Fn(&mut Packed<'_>) -> Option<T>) -> Option<Vec<T>> {
    (0..from.number()?).map(|_| one(from)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Facts, Field, RuleHead, Table, When, pack, read};

    #[test]
    fn what_is_packed_is_read() {
        let list = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let plain = RuleHead {
            id: "a.plain".to_owned(),
            table: Table::ALL[0],
            gives: "bounce".to_owned(),
            fields: vec![Field::ALL[0]],
            when: When::default(),
            language: None,
            confidence: 1.0,
            anchored: false,
        };
        let full = RuleHead {
            table: Table::ALL[Table::ALL.len() - 1],
            fields: Field::ALL.to_vec(),
            when: When {
                provider: list(&["gmail", "yahoo"]),
                status: list(&["5.7."]),
                smtp: vec![550, 5],
                command: list(&["RCPT"]),
            },
            language: Some("de".to_owned()),
            confidence: 0.97,
            anchored: true,
            ..plain.clone()
        };
        let heads = [plain, full];
        let octets = pack(&heads);
        assert_eq!(read(&octets).as_deref(), Some(heads.as_slice()));
        for cut in 0..octets.len() {
            assert_eq!(read(&octets[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn all_that_is_asked_for_must_hold() {
        let when = When {
            provider: vec!["gmail".to_owned()],
            smtp: vec![550, 552],
            command: vec!["RCPT".to_owned()],
            ..When::default()
        };
        let facts = Facts { provider: Some("gmail"), smtp: Some(550), command: Some("RCPT"), status: None };
        assert!(when.holds(&facts));
        assert!(!when.holds(&Facts { smtp: Some(421), ..facts }));
        assert!(!when.holds(&Facts { provider: None, ..facts }));
        assert!(When::default().holds(&Facts::default()));
    }
}
