//! Rules as data: phrases, patterns and codes in TOML, matched in linear time.
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
//! matter, and a phrase that begins or ends with a letter or digit must begin or end a word, unless an
//! asterisk opens that end (`urlaub*`). `with` asks for one of its phrases in the same sentence, `without` for none.
//! `pattern` holds a regular expression (crate regex: linear time) on the field in lower case.
//! A rule fires on either. In the tables for bounces it may ask for more:
//! `when = { provider = ["gmail"], status = ["5.7."], smtp = [550], command = ["DATA"] }`.

mod candidates;
mod examples;
mod folded;
mod head;
mod literals;
mod matcher;
mod nfa;
mod packed;
mod pattern;
mod reach;
mod reader;
mod recipe;
mod rule;
mod shadow;
mod table;
mod ways;
mod words;

pub use examples::RuleFault;
pub use folded::Folded;
pub use head::{Facts, RuleHead, When};
pub use reader::Reader;
pub use rule::Rule;
pub use shadow::Shadow;
pub use table::{Field, Table};

use super::entries;
use super::policy::BouncePolicy;
use crate::mistake::Mistake;
use matcher::Matcher;
use recipe::Recipe;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::OnceLock;
use table::leader;
use zstd::bulk::Decompressor;

/// The rules that are part of the program, as `build.rs` made them of the files in this folder: see there.
#[allow(clippy::unreadable_literal)]
mod embedded {
    use super::table::{Field, Table};
    include!(concat!(env!("OUT_DIR"), "/rules.rs"));
}

/// Octets of a header that rules look at.
const HEADER: usize = 4 * 1024;

/// Why rules were refused.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    #[error("the rules that are part of the program cannot be read: build it anew")]
    Embedded(#[source] serde_json::Error),
    /// All that is wrong with the files, each with the file's name; never empty.
    #[error("{}", in_files(.0))]
    Mistakes(Vec<(String, Mistake)>),
}

/// One mistake a line, with file, line and column.
fn in_files(mistakes: &[(String, Mistake)]) -> String {
    mistakes.iter().map(|(file, mistake)| mistake.in_file(Path::new(file))).collect::<Vec<_>>().join("\n")
}

/// All rules, ready to match, and the policy that goes with them.
pub struct Rules {
    heads: Vec<RuleHead>,
    /// Those that are the user's, also where they took the place of one of the program's.
    users: BTreeMap<usize, Rule>,
    /// All of them whole, when they were asked for.
    whole: OnceLock<Vec<Rule>>,
    /// For each field that has rules, by the leader of its tables.
    matchers: BTreeMap<(Table, Field), Matchers>,
    policy: BouncePolicy,
    version: String,
}

/// What finds the rules of a field; made when it is asked for the first time: no run asks for all.
#[derive(Default)]
struct Matchers {
    /// The recipe of the program's rules, packed.
    recipe: Option<&'static [u8]>,
    programs: OnceLock<Option<Matcher>>,
    /// The numbers of the user's rules.
    numbers: Vec<usize>,
    users: OnceLock<Matcher>,
}

impl Matchers {
    /// That of the program's rules.
    fn programs(&self) -> Option<&Matcher> {
        // That each is readable is a test's.
        let made = || self.recipe.and_then(|packed| recipe(packed).ok()).map(Matcher::new);
        self.programs.get_or_init(made).as_ref()
    }
}

/// A rule by its number, and where its words stand in the folded text.
#[derive(Debug, Clone, Copy)]
struct Where {
    rule: usize,
    start: usize,
    end: usize,
}

/// Where a rule fired: octets of the text that was given; nowhere (0 to 0) for one without words.
#[derive(Debug, Clone, Copy)]
pub struct Match<'r> {
    pub rule: &'r RuleHead,
    pub start: usize,
    pub end: usize,
    /// The end in the folded text.
    folded_end: usize,
}

impl Match<'_> {
    /// Whether it holds for certain providers only.
    #[must_use]
    pub fn is_of_a_provider(&self) -> bool {
        !self.rule.when.provider.is_empty()
    }

    /// What counts most first: what is of a provider, then by confidence, then the earliest place.
    fn by_weight(&self, other: &Self) -> Ordering {
        (other.is_of_a_provider().cmp(&self.is_of_a_provider()))
            .then(other.rule.confidence.total_cmp(&self.rule.confidence))
            .then(self.start.cmp(&other.start))
    }
}

impl Rules {
    /// The rules that are part of the program.
    ///
    /// # Errors
    /// When an embedded rule is wrong, which a test rules out.
    pub fn embedded() -> Result<Self, RuleError> {
        Self::with_extra(&[], BouncePolicy::default())
    }

    /// The embedded rules and further files, given as (name, content), and a policy. A rule whose id is known takes the
    /// place of the one before it.
    ///
    /// # Errors
    /// With everything that is wrong with the files.
    pub fn with_extra(files: &[(String, String)], policy: BouncePolicy) -> Result<Self, RuleError> {
        let mut heads = head::read(&decompressed(embedded::HEADS)?).ok_or_else(cut_off)?;
        let mut users = BTreeMap::new();
        if !files.is_empty() {
            let mut place: HashMap<String, usize> = heads.iter().map(|r| r.id.clone()).zip(0..).collect();
            let mut mistakes = Vec::new();
            for (name, text) in files {
                let rules = read(text).unwrap_or_else(|wrong| {
                    mistakes.extend(wrong.into_iter().map(|mistake| (name.clone(), mistake)));
                    Vec::new()
                });
                for rule in rules {
                    let head = RuleHead::from(&rule);
                    let at = *place.entry(rule.id.clone()).or_insert(heads.len());
                    match heads.get_mut(at) {
                        Some(old) => *old = head,
                        None => heads.push(head),
                    }
                    users.insert(at, rule);
                }
            }
            if !mistakes.is_empty() {
                return Err(RuleError::Mistakes(mistakes));
            }
        }
        Ok(Self::build(heads, users, policy))
    }

    fn build(heads: Vec<RuleHead>, users: BTreeMap<usize, Rule>, policy: BouncePolicy) -> Self {
        let mut matchers: BTreeMap<(Table, Field), Matchers> = BTreeMap::new();
        for (leader, field, recipe) in embedded::RECIPES {
            matchers.entry((*leader, *field)).or_default().recipe = Some(recipe);
        }
        for (&at, rule) in &users {
            for &field in &rule.fields {
                let numbers = &mut matchers.entry((leader(rule.table, field), field)).or_default().numbers;
                // One rule may name a field twice.
                if numbers.last() != Some(&at) {
                    numbers.push(at);
                }
            }
        }
        let mut digester = crate::message::Digester::default();
        digester.update(embedded::VERSION.as_bytes());
        for rule in users.values() {
            digester.update(serde_json::to_string(rule).unwrap_or_default().as_bytes());
        }
        digester.update(serde_json::to_string(&policy).unwrap_or_default().as_bytes());
        let version = digester.finish().to_string().chars().take(12).collect();
        Self { heads, users, whole: OnceLock::new(), matchers, policy, version }
    }

    /// The matchers of a table and those that are looked for with it, the user's first.
    fn matchers(&self, table: Table, field: Field) -> impl Iterator<Item = (bool, &Matcher)> {
        let both = self.matchers.get(&(leader(table, field), field));
        let users = both.filter(|both| !both.numbers.is_empty()).map(|both| {
            let wanted = || both.numbers.iter().filter_map(|at| Some(self.users.get(at)?.wanted(*at)));
            both.users.get_or_init(|| Matcher::new(Recipe::of(wanted())))
        });
        let programs = both.and_then(Matchers::programs);
        users.map(|matcher| (true, matcher)).into_iter().chain(programs.map(|matcher| (false, matcher)))
    }

    /// Makes all at once that finds the program's rules, which is otherwise made by the first text of each field: some 20 ms
    /// of a processor, which are better spent while mails are waited for. The largest come first: what is asked for
    /// meanwhile is likely another.
    pub fn prepare(&self) {
        let mut all: Vec<&Matchers> = self.matchers.values().collect();
        all.sort_by_key(|matchers| std::cmp::Reverse(matchers.recipe.map_or(0, <[u8]>::len)));
        for matchers in all {
            matchers.programs();
        }
    }

    /// Whether a matcher's rule is no more: the user's stands in its place.
    fn is_replaced(&self, is_users: bool, rule: usize) -> bool {
        !is_users && self.users.contains_key(&rule)
    }

    /// Twelve hex digits that change with any rule, and with the policy.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Which bounces are hard, and which suppress.
    #[must_use]
    pub fn policy(&self) -> &BouncePolicy {
        &self.policy
    }

    /// What follows from every rule, in order.
    #[must_use]
    pub fn heads(&self) -> &[RuleHead] {
        &self.heads
    }

    /// Every rule, in order. Takes some milliseconds when it is asked for the first time.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        self.whole.get_or_init(|| {
            // That they are readable is a test's.
            let mut all = whole().unwrap_or_default();
            for (at, rule) in &self.users {
                match all.get_mut(*at) {
                    Some(old) => *old = rule.clone(),
                    None => all.push(rule.clone()),
                }
            }
            all
        })
    }

    /// Every rule of `table` without conditions that fires on `text` as `field`, in the order of the rules, once each
    /// with its first place.
    #[must_use]
    pub fn matches(&self, table: Table, field: Field, text: &str) -> Vec<Match<'_>> {
        self.matches_folded(table, field, &Folded::new(beginning(field, text)))
    }

    /// The same for a text that was folded before.
    #[must_use]
    pub fn matches_folded(&self, table: Table, field: Field, folded: &Folded) -> Vec<Match<'_>> {
        let is_of_it = |rule: u32| self.heads.get(rule as usize).is_some_and(|head| head.table == table);
        self.firing_of(leader(table, field), field, folded, usize::MAX, &Facts::default(), is_of_it)
    }

    /// The match that counts most: the highest confidence, then the earliest place, then the
    /// order of the rules.
    #[must_use]
    pub fn best(&self, table: Table, field: Field, text: &str) -> Option<Match<'_>> {
        most(self.matches(table, field, text).into_iter())
    }

    /// What fires without conditions in the first `octets` of a folded text, of all tables with this leader.
    fn walk(&self, leader: Table, field: Field, folded: &Folded, octets: usize) -> Vec<Match<'_>> {
        self.firing(leader, field, folded, octets, &Facts::default())
    }

    /// The rules with words that fire, given what is known besides.
    fn firing(&self, leader: Table, field: Field, folded: &Folded, octets: usize, facts: &Facts<'_>) -> Vec<Match<'_>> {
        self.firing_of(leader, field, folded, octets, facts, |_| true)
    }

    /// The same, but of `wanted` rules alone.
    fn firing_of(
        &self,
        leader: Table,
        field: Field,
        folded: &Folded,
        octets: usize,
        facts: &Facts<'_>,
        wanted: impl Fn(u32) -> bool,
    ) -> Vec<Match<'_>> {
        let mut found: Vec<Where> = Vec::new();
        for (is_users, matcher) in self.matchers(leader, field) {
            let hits = matcher.find(folded, octets, &wanted);
            found.extend(hits.into_iter().filter(|hit| !self.is_replaced(is_users, hit.rule)));
        }
        if !self.users.is_empty() {
            found.sort_unstable_by_key(|hit| hit.rule);
        }
        let fires = found.into_iter().filter_map(|hit| {
            let rule = self.heads.get(hit.rule).filter(|r| r.when.holds(facts))?;
            Some(Match { rule, start: folded.place(hit.start), end: folded.place(hit.end), folded_end: hit.end })
        });
        fires.collect()
    }

    /// What fires, given what is known besides, the match that counts most first: a rule for this provider comes before
    /// every rule for all of them.
    #[must_use]
    pub fn all_given(&self, table: Table, field: Field, text: &str, facts: &Facts<'_>) -> Vec<Match<'_>> {
        let mut fires = self.firing(table, field, &Folded::new(text), usize::MAX, facts);
        // The sort is stable: what counts the same stays in the order of the rules.
        fires.sort_by(Match::by_weight);
        if fires.first().is_none_or(|m| !m.is_of_a_provider()) {
            fires.splice(0..0, self.wordless(table, field, facts));
        }
        fires
    }

    /// The first rule without words that fires by what is known; the user's rules come before the program's.
    #[must_use]
    pub fn wordless(&self, table: Table, field: Field, facts: &Facts<'_>) -> Option<Match<'_>> {
        let numbers = self
            .matchers(table, field)
            .flat_map(|(is_users, matcher)| matcher.wordless().filter(move |rule| !self.is_replaced(is_users, *rule)));
        let fires = numbers.filter_map(|at| self.heads.get(at)).find(|rule| rule.when.holds(facts));
        fires.map(|rule| Match { rule, start: 0, end: 0, folded_end: 0 })
    }

    /// The provider of a mail domain, by the longest suffix that a provider rule names.
    #[must_use]
    pub fn provider(&self, domain: &str) -> Option<&str> {
        self.by_suffix(Field::Domain, domain)
    }

    /// The provider whose server has this name.
    #[must_use]
    pub fn provider_of_host(&self, host: &str) -> Option<&str> {
        self.by_suffix(Field::Host, host.trim_end_matches('.'))
    }

    fn by_suffix(&self, field: Field, name: &str) -> Option<&str> {
        let name = name.get(..name.len().min(255))?.to_lowercase();
        let mut rest = name.as_str();
        loop {
            let mut exactly = self.matchers(Table::Provider, field).filter_map(|(is_users, matcher)| {
                matcher.exactly(rest).filter(|rule| !self.is_replaced(is_users, *rule))
            });
            if let Some(rule) = exactly.next().and_then(|at| self.heads.get(at)) {
                return Some(rule.gives.as_str());
            }
            rest = rest.split_once('.')?.1;
        }
    }
}

/// The rules of a file, or all that is wrong with it.
fn read(text: &str) -> Result<Vec<Rule>, Vec<Mistake>> {
    let entries = entries::read::<Rule>(text, "rule", rule::KEYS, |entry| entry.value.problems())?;
    Ok(entries.into_iter().map(|entry| entry.value).collect())
}

/// A table that the build script packed, and the octets behind it.
fn unpacked<T: serde::de::DeserializeOwned>(packed: &[u8]) -> Result<(T, Vec<u8>), RuleError> {
    let mut octets = decompressed(packed)?;
    let mut reader = serde_json::Deserializer::from_slice(&octets);
    let table = T::deserialize(&mut reader).map_err(RuleError::Embedded)?;
    let length = reader.into_iter::<serde::de::IgnoredAny>().byte_offset();
    Ok((table, octets.split_off(length)))
}

/// In one go: what unpacks a stream keeps room for 8 MB that lie behind.
fn decompressed(packed: &[u8]) -> Result<Vec<u8>, RuleError> {
    let length = Decompressor::upper_bound(packed).ok_or_else(cut_off)?;
    zstd::bulk::decompress(packed, length).map_err(unreadable)
}

fn unreadable(error: std::io::Error) -> RuleError {
    RuleError::Embedded(serde_json::Error::io(error))
}

fn recipe(packed: &[u8]) -> Result<Recipe, RuleError> {
    let (recipe, behind): (Recipe, _) = unpacked(packed)?;
    recipe.with(behind).ok_or_else(cut_off)
}

fn cut_off() -> RuleError {
    RuleError::Embedded(serde::de::Error::custom("they are cut off"))
}

/// The rules that are part of the program, as they stand in TOML.
fn whole() -> Result<Vec<Rule>, RuleError> {
    let help = recipe::like_rules(&decompressed(embedded::WHOLE_HELP)?);
    let table = Decompressor::with_dictionary(&help)
        .and_then(|mut with| with.decompress(embedded::WHOLE, embedded::WHOLE_LENGTH))
        .map_err(unreadable)?;
    serde_json::from_slice(&table).map_err(RuleError::Embedded)
}

/// What rules look at of a text: a longer header is an attack.
fn beginning(field: Field, text: &str) -> &str {
    let long = matches!(field, Field::Body | Field::Copy | Field::Diagnostic);
    text.get(..text.floor_char_boundary(if long { text.len() } else { HEADER })).unwrap_or_default()
}

fn most<'r>(matches: impl Iterator<Item = Match<'r>>) -> Option<Match<'r>> {
    matches.reduce(|a, b| if b.by_weight(&a) == Ordering::Less { b } else { a })
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rules({} rules, {})", self.heads.len(), self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, Field, Recipe, RuleHead, Rules, Table, leader, recipe};
    use crate::classify::BouncePolicy;

    #[test]
    fn embedded_ids_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for rule in Rules::embedded().expect("embedded rules are right").all() {
            assert!(seen.insert(&rule.id), "{} stands twice", rule.id);
        }
    }

    #[test]
    fn what_is_embedded_is_readable_and_the_same() {
        let rules = Rules::embedded().expect("embedded rules are right");
        let heads: Vec<RuleHead> = rules.all().iter().map(RuleHead::from).collect();
        assert_eq!(heads, rules.heads());
        for (key, matchers) in &rules.matchers {
            let recipe = matchers.recipe.map(recipe);
            let wanted = rules
                .all()
                .iter()
                .enumerate()
                .filter(|(_, rule)| rule.fields.iter().any(|field| (leader(rule.table, *field), *field) == *key));
            let expected = Recipe::of(wanted.map(|(at, rule)| rule.wanted(at)));
            assert_eq!(recipe.expect("is the program's").expect("is readable"), expected, "{key:?}");
        }
    }

    #[test]
    fn embedded_rules_have_nothing_wrong() {
        let rules = Rules::embedded().expect("embedded rules are right");
        assert!(!rules.all().is_empty());
        for rule in rules.all() {
            assert_eq!(rule.problems(), [], "{}", rule.id);
        }
        let wrong: Vec<String> = rules.faults().iter().map(ToString::to_string).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn providers_are_whole_domain_suffixes() {
        let rules = Rules::embedded().expect("embedded rules are right");
        assert_eq!(rules.provider("gmail.com"), Some("gmail"));
        assert_eq!(rules.provider("notgmail.com"), None);
        assert_eq!(rules.provider("yahoo.com.br"), Some("yahoo"));
        assert_eq!(rules.provider("yahoo.com.example"), None);
        assert_eq!(rules.matches(Table::Provider, Field::Domain, "x.example").len(), 0);
    }

    #[test]
    fn rules_of_a_provider_come_first() {
        let file = r#"
            [[rule]]
            id = "bounce_category.test.words"
            table = "bounce_category"
            gives = "virus"
            in = ["diagnostic"]
            when = { provider = ["odd"] }
            any = ["user unknown"]
            confidence = 0.1
            example = "user unknown"
            source = "test"
            [[rule]]
            id = "bounce_category.test.code"
            table = "bounce_category"
            gives = "policy"
            in = ["diagnostic"]
            when = { provider = ["odd"], smtp = [599] }
            example = "599"
            source = "test"
        "#;
        let files = [("test".to_owned(), file.to_owned())];
        let rules = Rules::with_extra(&files, BouncePolicy::default()).expect("rules are right");
        let best = |text: &str, provider: Option<&str>, smtp: Option<u16>| {
            let facts = Facts { provider, smtp, ..Facts::default() };
            rules
                .all_given(Table::BounceCategory, Field::Diagnostic, text, &facts)
                .first()
                .map(|m| m.rule.gives.clone())
        };
        assert_eq!(best("550 user unknown", None, None).as_deref(), Some("mailbox_unknown"));
        assert_eq!(best("550 user unknown", Some("odd"), None).as_deref(), Some("virus"));
        assert_eq!(best("599 user unknown", Some("odd"), Some(599)).as_deref(), Some("virus"));
        assert_eq!(best("599 no", Some("odd"), Some(599)).as_deref(), Some("policy"));
        assert_eq!(best("599 no", Some("else"), Some(599)), None);
    }

    #[test]
    fn what_no_rule_may_say() {
        let base = |lines: &str| format!("[[rule]]\nid = \"x\"\nsource = \"t\"\nexample = \"some words\"\n{lines}\n");
        let table = [
            (
                "table = \"report\"\ngives = \"bounce\"\nin = [\"body\"]\nany = [\"words\"]\nwhen = { smtp = [550] }",
                "asks for words only",
            ),
            ("table = \"report\"\ngives = \"none\"\nin = [\"body\"]\nany = [\"words\"]", "does not go with"),
            ("table = \"bounce_code\"\ngives = \"policy\"\nin = [\"reply\"]\nany = [\"words\"]", "knows no words"),
            (
                "table = \"bounce_category\"\ngives = \"nonsense\"\nin = [\"diagnostic\"]\nany = [\"words\"]",
                "knows no `nonsense`",
            ),
            (
                "table = \"bounce_category\"\ngives = \"policy\"\nin = [\"subject\"]\nany = [\"words\"]",
                "does not look at",
            ),
            ("table = \"bounce_category\"\ngives = \"policy\"\nin = [\"diagnostic\"]", "give `any`"),
            (
                "table = \"bounce_category\"\ngives = \"policy\"\nin = [\"diagnostic\"]\nwhen = { smtp = [550] }",
                "needs a provider",
            ),
            ("table = \"bounce_category\"\ngives = \"policy\"\nin = [\"diagnostic\"]\nany = [\"w\"]", "two characters"),
            (
                "table = \"bounce_category\"\ngives = \"policy\"\nin = [\"diagnostic\"]\npattern = \"(\"",
                "no regular expression",
            ),
            (
                "table = \"bounce_code\"\ngives = \"policy\"\nin = [\"enhanced\"]\nwhen = { status = [\"7.1\"] }",
                "none of 5.7.1",
            ),
            (
                "table = \"bounce_code\"\ngives = \"policy\"\nin = [\"reply\"]\nwhen = { command = [\"STARTTLS\"] }",
                "unknown word `STARTTLS`",
            ),
        ];
        for (lines, problem) in table {
            let refused = Rules::with_extra(&[("t".to_owned(), base(lines))], BouncePolicy::default());
            let said = refused.expect_err(lines).to_string();
            assert!(said.contains(problem), "{said}");
        }
    }
}
