//! Patterns such as `reply+{campaign}.{send}@replies.example.com`.

use regex::{Regex, RegexBuilder};

/// An id longer than this is none.
const MAX_ID: usize = 128;

/// A pattern, ready to match a whole value. Letter case does not matter: mail systems change it.
#[derive(Debug)]
pub struct Pattern(Regex);

/// What the names in a pattern stood for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    pub campaign: Option<String>,
    pub send: Option<String>,
    pub recipient: Option<String>,
    pub step: Option<u32>,
    pub variant: Option<String>,
}

/// Why a pattern was refused.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    #[error("`{{{0}}}` is no name: use campaign, send, recipient, step, variant or any")]
    Name(String),
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
}

impl Pattern {
    /// Compiles a pattern.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > 1_000 {
            return Err(PatternError::TooLong);
        }
        let mut regex = String::from("^<?");
        let mut names: Vec<&str> = Vec::new();
        let mut rest = text.trim().trim_start_matches('<').trim_end_matches('>');
        while let Some((literal, tail)) = rest.split_once('{') {
            if literal.contains('}') {
                return Err(PatternError::Brace);
            }
            if literal.is_empty() && !names.is_empty() {
                return Err(PatternError::Adjacent);
            }
            let (name, tail) = tail.split_once('}').ok_or(PatternError::Brace)?;
            regex.push_str(&regex::escape(literal));
            if names.contains(&name) && name != "any" {
                return Err(PatternError::Twice(name.to_owned()));
            }
            regex.push_str(&group(name, tail.chars().next())?);
            names.push(name);
            rest = tail;
        }
        if rest.contains('}') {
            return Err(PatternError::Brace);
        }
        if names.iter().all(|n| *n == "any") {
            return Err(PatternError::Nothing);
        }
        regex.push_str(&regex::escape(rest));
        regex.push_str(">?$");
        RegexBuilder::new(&regex)
            .case_insensitive(true)
            .size_limit(1 << 20)
            .build()
            .map(Self)
            .map_err(|_| PatternError::TooLong)
    }

    /// Reads `value`, which must fit as a whole.
    #[must_use]
    pub fn read(&self, value: &str) -> Option<Captured> {
        if value.len() > 2_000 {
            return None;
        }
        let found = self.0.captures(value.trim())?;
        let get = |name: &str| found.name(name).map(|m| m.as_str().to_owned());
        Some(Captured {
            campaign: get("campaign"),
            send: get("send"),
            recipient: get("recipient"),
            step: get("step").and_then(|s| s.parse().ok()),
            variant: get("variant"),
        })
    }
}

/// The group for a name: everything up to the character that follows it in the pattern.
fn group(name: &str, next: Option<char>) -> Result<String, PatternError> {
    let stop = next.filter(|c| *c != '{').map(|c| regex::escape(&c.to_string())).unwrap_or_default();
    Ok(match name {
        "campaign" | "send" | "recipient" | "variant" => {
            format!(r"(?P<{name}>[^\s<>@{stop}]{{1,{MAX_ID}}})")
        }
        "step" => "(?P<step>[0-9]{1,6})".to_owned(),
        "any" => r"[^\s<>]*?".to_owned(),
        other => return Err(PatternError::Name(other.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::{Captured, Pattern};

    #[test]
    fn patterns_read_whole_values() {
        let captured = |campaign: &str, send: &str| Captured {
            campaign: Some(campaign.to_owned()),
            send: Some(send.to_owned()),
            ..Captured::default()
        };
        let table = [
            ("reply+{campaign}.{send}@r.example", "reply+spring26.s1@r.example", Some(captured("spring26", "s1"))),
            ("reply+{campaign}.{send}@r.example", "REPLY+spring26.s1@R.Example", Some(captured("spring26", "s1"))),
            ("reply+{campaign}.{send}@r.example", "reply+spring26@r.example", None),
            ("reply+{campaign}.{send}@r.example", "xreply+a.b@r.example", None),
            ("reply+{campaign}.{send}@r.example", "reply+a.b@r.example.evil", None),
            ("<{campaign}.{send}@mailer.example>", "spring26.s1@mailer.example", Some(captured("spring26", "s1"))),
            ("{campaign}:{send}:{any}", "c1:s2:promo:camp", Some(captured("c1", "s2"))),
        ];
        for (pattern, value, expected) in table {
            assert_eq!(Pattern::new(pattern).expect("compiles").read(value), expected, "{pattern} {value}");
        }
    }

    #[test]
    fn wrong_patterns_say_why() {
        for (pattern, word) in [
            ("{campain}", "no name"),
            ("{campaign}{send}", "side by side"),
            ("x{campaign", "partner"),
            ("x}{campaign}", "partner"),
            ("{any}@x", "names nothing"),
            ("{campaign}-{campaign}", "twice"),
        ] {
            let error = Pattern::new(pattern).expect_err(pattern).to_string();
            assert!(error.contains(word), "{pattern}: {error}");
        }
    }
}
