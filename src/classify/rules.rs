//! Rules as data: phrases and patterns in TOML, matched in linear time.
//!
//! A rule file has one array, `rule`. Each rule says which table it belongs to, where it looks,
//! what it looks for, what follows, and carries an example that must hit it and nothing of another
//! verdict in its table:
//!
//! ```toml
//! [[rule]]
//! id = "auto_reply.out_of_office.de.abwesenheit"
//! table = "auto_reply"
//! gives = "out_of_office"
//! in = ["subject"]
//! any = ["abwesenheitsnotiz", "abwesenheitsassistent"]
//! language = "de"
//! confidence = 0.97
//! example = "Abwesenheitsnotiz: Ihr Angebot"
//! source = "Outlook's German subject prefix"
//! ```
//!
//! `any` holds phrases: found anywhere in the field, letter case and runs of white space do not
//! matter, and a phrase that begins or ends with a letter or digit must begin or end a word.
//! `pattern` holds a regular expression (crate regex: linear time) on the field in lower case.
//! A rule fires on either.

use aho_corasick::{AhoCorasick, MatchKind};
use regex::{RegexBuilder, RegexSet, RegexSetBuilder};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The rule files that are part of the program.
const EMBEDDED: &[(&str, &str)] = &[
    ("auto_reply.toml", include_str!("rules/auto_reply.toml")),
    ("bounce_category.toml", include_str!("rules/bounce_category.toml")),
    ("challenge.toml", include_str!("rules/challenge.toml")),
    ("other.toml", include_str!("rules/other.toml")),
    ("provider.toml", include_str!("rules/provider.toml")),
    ("report.toml", include_str!("rules/report.toml")),
    ("unsubscribe.toml", include_str!("rules/unsubscribe.toml")),
];

/// What a rule decides about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// Which automatic answer; gives an `AutoReplyType`.
    AutoReply,
    /// Why a delivery failed; gives a `Category`.
    BounceCategory,
    /// A request to prove that a person sent the mail; gives `challenge`.
    Challenge,
    /// What is known and no answer; gives a subtype of `other`.
    Other,
    /// Who runs the mailboxes of a domain; gives a provider's name. Looks `in = ["domain"]`.
    Provider,
    /// A delivery report without a structure; gives `bounce` or `delay`.
    Report,
    /// A wish to get no more mail; gives a scope.
    Unsubscribe,
}

/// One rule, as it stands in TOML.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Unique; dots from the general to the special.
    pub id: String,
    pub table: Table,
    /// What follows when it fires.
    pub gives: String,
    /// Where it looks: `subject`, `body`, `diagnostic`, `domain`, `from`, `header:NAME`.
    #[serde(rename = "in")]
    pub fields: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// ISO 639-1, where the words belong to one language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(default = "certain")]
    pub confidence: f32,
    /// A text of the field that hits this rule.
    pub example: String,
    /// Where the knowledge is from.
    pub source: String,
}

fn certain() -> f32 {
    1.0
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    #[serde(default)]
    rule: Vec<Rule>,
}

/// Why rules were refused.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    #[error("{file}: not a rule file: mend it at the place named below")]
    Syntax {
        file: String,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("rule {id}: {problem}")]
    Rule { id: String, problem: String },
    #[error("rule {id}: its pattern is no regular expression that this program takes")]
    Pattern {
        id: String,
        #[source]
        source: Box<regex::Error>,
    },
    #[error("the rules of table {table:?} and field {field} cannot be matched together: make them smaller")]
    TooBig { table: Table, field: String },
}

/// All rules, ready to match.
pub struct Rules {
    list: Vec<Rule>,
    /// The fields of each table that have rules.
    matchers: BTreeMap<Table, Vec<(String, Matcher)>>,
    version: String,
}

struct Matcher {
    phrases: AhoCorasick,
    /// Phrase number → rule.
    phrase_rules: Vec<usize>,
    patterns: RegexSet,
    single: Vec<regex::Regex>,
    /// Pattern number → rule.
    pattern_rules: Vec<usize>,
}

/// Where a rule fired: octets of the text that was given.
#[derive(Debug, Clone, Copy)]
pub struct Match<'r> {
    pub rule: &'r Rule,
    pub start: usize,
    pub end: usize,
}

impl Rules {
    /// The rules that are part of the program.
    ///
    /// # Errors
    /// When an embedded rule is wrong, which a test rules out.
    pub fn embedded() -> Result<Self, RuleError> {
        Self::with_extra(&[])
    }

    /// The embedded rules and further files, given as (name, content). A rule whose id is known
    /// takes the place of the one before it.
    ///
    /// # Errors
    /// When a file is no rule file, or a rule is wrong.
    pub fn with_extra(files: &[(String, String)]) -> Result<Self, RuleError> {
        let embedded = EMBEDDED.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned()));
        let mut rules: Vec<Rule> = Vec::new();
        let mut place: BTreeMap<String, usize> = BTreeMap::new();
        for (name, text) in embedded.chain(files.iter().cloned()) {
            let file: RuleFile =
                toml::from_str(&text).map_err(|e| RuleError::Syntax { file: name, source: Box::new(e) })?;
            for rule in file.rule {
                check(&rule)?;
                if let Some(old) = place.get(&rule.id).and_then(|&at| rules.get_mut(at)) {
                    *old = rule;
                } else {
                    place.insert(rule.id.clone(), rules.len());
                    rules.push(rule);
                }
            }
        }
        Self::build(rules)
    }

    fn build(rules: Vec<Rule>) -> Result<Self, RuleError> {
        let keys: BTreeSet<(Table, String)> =
            rules.iter().flat_map(|r| r.fields.iter().map(|f| (r.table, f.to_ascii_lowercase()))).collect();
        let mut matchers: BTreeMap<Table, Vec<(String, Matcher)>> = BTreeMap::new();
        for key in keys {
            let matcher = Matcher::build(&rules, &key)?;
            matchers.entry(key.0).or_default().push((key.1, matcher));
        }
        let mut digester = crate::message::Digester::default();
        for rule in &rules {
            digester.update(serde_json::to_string(rule).unwrap_or_default().as_bytes());
        }
        let version = digester.finish().to_string().chars().take(12).collect();
        Ok(Self { list: rules, matchers, version })
    }

    /// Twelve hex digits that change with any rule.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Every rule, in order.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        &self.list
    }

    /// Every rule of `table` that fires on `text` as `field`, in the order of the rules, once each
    /// with its first place.
    #[must_use]
    pub fn matches(&self, table: Table, field: &str, text: &str) -> Vec<Match<'_>> {
        if text.is_empty() || self.matcher(table, field).is_none() {
            return Vec::new();
        }
        self.matches_folded(table, field, &Folded::new(text), usize::MAX)
    }

    /// The same for a text that was folded before, so that several tables can share the work: its
    /// first `most` folded octets are looked at.
    #[must_use]
    pub fn matches_folded(&self, table: Table, field: &str, folded: &Folded, most: usize) -> Vec<Match<'_>> {
        let Some(matcher) = self.matcher(table, field) else { return Vec::new() };
        let text = folded.head(most);
        if text.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<(usize, usize, usize)> = Vec::new();
        let mut note = |rule: usize, start: usize, end: usize| {
            match found.iter_mut().find(|(r, _, _)| *r == rule) {
                // Of two hits at one place the longer says more: `yahoo.com.br` rather than `yahoo.com`.
                Some(entry) if start < entry.1 || (start == entry.1 && end > entry.2) => *entry = (rule, start, end),
                Some(_) => {}
                None => found.push((rule, start, end)),
            }
        };
        for hit in matcher.phrases.find_overlapping_iter(text) {
            if let Some(&rule) = matcher.phrase_rules.get(hit.pattern().as_usize())
                && folded.is_whole(hit.start(), hit.end())
            {
                note(rule, hit.start(), hit.end());
            }
        }
        if !matcher.single.is_empty() {
            for pattern in matcher.patterns.matches(text) {
                if let (Some(&rule), Some(hit)) =
                    (matcher.pattern_rules.get(pattern), matcher.single.get(pattern).and_then(|p| p.find(text)))
                {
                    note(rule, hit.start(), hit.end());
                }
            }
        }
        found.sort_unstable();
        found
            .into_iter()
            .filter_map(|(rule, start, end)| {
                let rule = self.list.get(rule)?;
                Some(Match { rule, start: folded.place(start), end: folded.place(end) })
            })
            .collect()
    }

    fn matcher(&self, table: Table, field: &str) -> Option<&Matcher> {
        let fields = self.matchers.get(&table)?;
        fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(field)).map(|(_, matcher)| matcher)
    }

    /// The match that counts most: the highest confidence, then the earliest place, then the
    /// order of the rules.
    #[must_use]
    pub fn best(&self, table: Table, field: &str, text: &str) -> Option<Match<'_>> {
        most(self.matches(table, field, text))
    }

    /// The same for a text that was folded before.
    #[must_use]
    pub fn best_folded(&self, table: Table, field: &str, folded: &Folded, octets: usize) -> Option<Match<'_>> {
        most(self.matches_folded(table, field, folded, octets))
    }

    /// The provider of a mail domain, by the longest suffix that a provider rule names.
    #[must_use]
    pub fn provider(&self, domain: &str) -> Option<&str> {
        self.matches(Table::Provider, "domain", domain)
            .into_iter()
            .filter(|m| m.end == domain.len() && (m.start == 0 || domain.as_bytes().get(m.start - 1) == Some(&b'.')))
            .min_by_key(|m| m.start)
            .map(|m| m.rule.gives.as_str())
    }
}

fn most(matches: Vec<Match<'_>>) -> Option<Match<'_>> {
    matches.into_iter().reduce(|a, b| {
        let better =
            b.rule.confidence > a.rule.confidence || (b.rule.confidence >= a.rule.confidence && b.start < a.start);
        if better { b } else { a }
    })
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rules({} rules, {})", self.list.len(), self.version)
    }
}

fn check(rule: &Rule) -> Result<(), RuleError> {
    let wrong = |problem: &str| Err(RuleError::Rule { id: rule.id.clone(), problem: problem.to_owned() });
    if rule.id.is_empty() || !rule.id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
        return wrong("an id has letters, digits, dots, hyphens and underscores only");
    }
    if rule.fields.is_empty() {
        return wrong("`in` names no field");
    }
    if rule.any.is_empty() && rule.pattern.is_none() {
        return wrong("give `any` or `pattern`");
    }
    if rule.any.iter().any(|p| p.trim().chars().count() < 2) {
        return wrong("a phrase needs at least two characters");
    }
    if !(0.0..=1.0).contains(&rule.confidence) {
        return wrong("`confidence` is a number from 0 to 1");
    }
    Ok(())
}

impl Matcher {
    fn build(rules: &[Rule], key: &(Table, String)) -> Result<Self, RuleError> {
        let mut phrases = Vec::new();
        let mut phrase_rules = Vec::new();
        let mut patterns = Vec::new();
        let mut single = Vec::new();
        let mut pattern_rules = Vec::new();
        let too_big = || RuleError::TooBig { table: key.0, field: key.1.clone() };
        for (at, rule) in rules.iter().enumerate() {
            if rule.table != key.0 || !rule.fields.iter().any(|f| f.eq_ignore_ascii_case(&key.1)) {
                continue;
            }
            for phrase in &rule.any {
                phrases.push(Folded::new(phrase.trim()).text);
                phrase_rules.push(at);
            }
            if let Some(pattern) = &rule.pattern {
                let compiled = RegexBuilder::new(pattern)
                    .size_limit(1 << 20)
                    .build()
                    .map_err(|e| RuleError::Pattern { id: rule.id.clone(), source: Box::new(e) })?;
                single.push(compiled);
                patterns.push(pattern.as_str());
                pattern_rules.push(at);
            }
        }
        Ok(Self {
            phrases: AhoCorasick::builder().match_kind(MatchKind::Standard).build(&phrases).map_err(|_| too_big())?,
            phrase_rules,
            patterns: RegexSetBuilder::new(patterns).size_limit(16 << 20).build().map_err(|_| too_big())?,
            single,
            pattern_rules,
        })
    }
}

/// A text in lower case with single spaces, and the way back to the octets it came from.
#[derive(Debug)]
pub struct Folded {
    text: String,
    /// (octet in `text`, octet in the original) wherever the distance between them changes.
    steps: Vec<(usize, usize)>,
}

/// ASCII white space as `char::is_whitespace` has it.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

impl Folded {
    /// Folds a text.
    #[must_use]
    pub fn new(original: &str) -> Self {
        if original.is_ascii() {
            return Self::of_ascii(original);
        }
        let mut text = String::with_capacity(original.len());
        let mut steps: Vec<(usize, usize)> = Vec::new();
        let mut shift: isize = 0;
        let mut gap = false;
        for (at, c) in original.char_indices() {
            if c.is_whitespace() || c == '\u{200b}' {
                gap = true;
                continue;
            }
            if std::mem::take(&mut gap) && !text.is_empty() {
                text.push(' ');
            }
            let now = at.cast_signed() - text.len().cast_signed();
            if now != shift || steps.is_empty() {
                steps.push((text.len(), at));
                shift = now;
            }
            match c {
                '’' | '‘' | 'ʼ' => text.push('\''),
                _ if c.is_ascii() => text.push(c.to_ascii_lowercase()),
                _ => text.extend(c.to_lowercase()),
            }
        }
        Self { text, steps }
    }

    /// The same for ASCII, octet by octet.
    fn of_ascii(original: &str) -> Self {
        let mut text = String::with_capacity(original.len());
        let mut steps: Vec<(usize, usize)> = Vec::new();
        let mut rest = original;
        while let Some(start) = rest.find(|c: char| !is_space(c)) {
            let word = rest.get(start..).unwrap_or_default();
            let end = word.find(is_space).unwrap_or(word.len());
            let at = original.len() - word.len();
            if !text.is_empty() {
                text.push(' ');
            }
            // Single spaces keep the distance to the original.
            if steps.last().is_none_or(|(folded, from)| at - from != text.len() - folded) {
                steps.push((text.len(), at));
            }
            text.push_str(word.get(..end).unwrap_or_default());
            rest = word.get(end..).unwrap_or_default();
        }
        text.make_ascii_lowercase();
        Self { text, steps }
    }

    /// Whether a hit cuts no word at either end. Scripts without spaces between words (Chinese,
    /// Japanese, Thai) have no such ends, so only alphabetic neighbours of ASCII, Latin, Greek
    /// and Cyrillic count.
    fn is_whole(&self, start: usize, end: usize) -> bool {
        let joins = |a: Option<char>, b: Option<char>| {
            let letter = |c: char| c.is_alphanumeric() && c < '\u{0600}';
            matches!((a, b), (Some(a), Some(b)) if letter(a) && letter(b))
        };
        let (Some(before), Some(hit), Some(after)) =
            (self.text.get(..start), self.text.get(start..end), self.text.get(end..))
        else {
            return false;
        };
        !joins(before.chars().next_back(), hit.chars().next()) && !joins(hit.chars().next_back(), after.chars().next())
    }

    /// The first octets of the folded text.
    fn head(&self, most: usize) -> &str {
        let mut end = self.text.len().min(most);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        self.text.get(..end).unwrap_or_default()
    }

    /// Keeps what stands before octet `at` of the original.
    pub fn truncate(&mut self, at: usize) {
        let next = self.steps.partition_point(|(_, original)| *original < at);
        let mut end = self.steps.get(next).map_or(self.text.len(), |(folded, _)| *folded);
        if let Some((folded, original)) = next.checked_sub(1).and_then(|i| self.steps.get(i)) {
            end = end.min(folded + at.saturating_sub(*original));
        } else {
            end = 0;
        }
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        self.text.truncate(end);
    }

    /// The original's octet for an octet of the folded text.
    fn place(&self, at: usize) -> usize {
        let step = self.steps.partition_point(|(folded, _)| *folded <= at).saturating_sub(1);
        self.steps.get(step).map_or(at, |(folded, original)| original + at.saturating_sub(*folded))
    }
}

#[cfg(test)]
mod tests {
    use super::{Folded, Rules, Table};

    #[test]
    fn folding_keeps_the_way_back() {
        let text = "  Out   of\r\n Öffice’s END";
        let folded = Folded::new(text);
        assert_eq!(folded.text, "out of öffice's end");
        let at = folded.text.find("end").expect("is there");
        assert_eq!(text.get(folded.place(at)..folded.place(at) + 3), Some("END"));
    }

    #[test]
    fn truncation_is_by_the_original() {
        let text = "  One  two\n\n  THREE";
        for (at, expected) in
            [(0, ""), (5, "one"), (7, "one "), (10, "one two"), (14, "one two "), (19, "one two three")]
        {
            let mut folded = Folded::new(text);
            folded.truncate(at);
            assert_eq!(folded.text, expected, "{at}");
        }
    }

    #[test]
    fn phrases_are_whole_words() {
        let folded = Folded::new("the outage of it");
        assert!(!folded.is_whole(4, 7));
        assert!(folded.is_whole(4, 10));
    }

    #[test]
    fn every_example_hits_its_own_rule() {
        let rules = Rules::embedded().expect("embedded rules are right");
        assert!(!rules.all().is_empty());
        for rule in rules.all() {
            for field in &rule.fields {
                let hits = rules.matches(rule.table, field, &rule.example);
                assert!(hits.iter().any(|m| m.rule.id == rule.id), "{} does not hit its example in {field}", rule.id);
                assert!(!rule.source.is_empty(), "{} names no source", rule.id);
            }
        }
    }

    #[test]
    fn embedded_ids_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for line in super::EMBEDDED.iter().flat_map(|(_, text)| text.lines()).filter(|l| l.starts_with("id = ")) {
            assert!(seen.insert(line), "{line} stands twice: the later one hides the other");
        }
    }

    #[test]
    fn providers_are_whole_domain_suffixes() {
        let rules = Rules::embedded().expect("embedded rules are right");
        assert_eq!(rules.provider("gmail.com"), Some("gmail"));
        assert_eq!(rules.provider("notgmail.com"), None);
        assert_eq!(rules.provider("yahoo.com.br"), Some("yahoo"));
        assert_eq!(rules.provider("yahoo.com.example"), None);
        assert_eq!(rules.matches(Table::Provider, "domain", "x.example").len(), 0);
    }
}
