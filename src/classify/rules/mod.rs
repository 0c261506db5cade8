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

mod examples;
mod folded;
mod literals;
mod matcher;
mod reader;
mod rule;
mod shadow;
mod words;

pub use examples::RuleFault;
pub use folded::Folded;
pub use reader::Reader;
pub use rule::{Facts, Field, Rule, Table, When};
pub use shadow::Shadow;

use super::policy::BouncePolicy;
use literals::Needs;
use matcher::Matcher;
use rule::{Prepared, RuleFile};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::OnceLock;

/// The rules that are part of the program, as `build.rs` made them of the files in this folder.
const EMBEDDED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rules.json.zst"));

/// Octets of a header that rules look at.
const HEADER: usize = 4 * 1024;

/// Why rules were refused.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    #[error("{file}: not a rule file: mend it at the place named below")]
    Syntax {
        file: String,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("the rules that are part of the program cannot be read: build it anew")]
    Embedded(#[source] serde_json::Error),
    #[error("rule {id}: {problem}")]
    Rule { id: String, problem: String },
    #[error("rule {id}: its pattern is no regular expression that this program takes")]
    Pattern {
        id: String,
        #[source]
        source: Box<regex::Error>,
    },
}

/// All rules, ready to match, and the policy that goes with them.
pub struct Rules {
    list: Vec<Rule>,
    /// What the pattern of each needs.
    needs: Vec<Option<Needs>>,
    /// Those that are the user's, also where they took the place of one of the program's.
    users: BTreeSet<usize>,
    /// The domains and hosts of providers.
    suffixes: BTreeMap<Field, HashMap<String, usize>>,
    /// For each field that has rules, by the leader of its tables; made when it is asked for the first time: no run asks
    /// for all.
    matchers: BTreeMap<(Table, Field), OnceLock<Matcher>>,
    policy: BouncePolicy,
    version: String,
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
    pub rule: &'r Rule,
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
    /// When a file is no rule file, or a rule is wrong.
    pub fn with_extra(files: &[(String, String)], policy: BouncePolicy) -> Result<Self, RuleError> {
        let table = zstd::decode_all(EMBEDDED).map_err(serde_json::Error::io).map_err(RuleError::Embedded)?;
        let embedded: Vec<Prepared> = serde_json::from_slice(&table).map_err(RuleError::Embedded)?;
        let (mut rules, mut needs): (Vec<Rule>, Vec<Option<Needs>>) =
            embedded.into_iter().map(|p| (p.rule, p.needs)).unzip();
        let mut users = BTreeSet::new();
        if !files.is_empty() {
            let mut place: HashMap<String, usize> = rules.iter().map(|r| r.id.clone()).zip(0..).collect();
            for (name, text) in files {
                let file: RuleFile =
                    toml::from_str(text).map_err(|e| RuleError::Syntax { file: name.clone(), source: Box::new(e) })?;
                for rule in file.rule {
                    rule.check()?;
                    let needed = rule.pattern.as_deref().map(Needs::of);
                    let at = *place.entry(rule.id.clone()).or_insert(rules.len());
                    if let (Some(old), Some(old_needs)) = (rules.get_mut(at), needs.get_mut(at)) {
                        (*old, *old_needs) = (rule, needed);
                    } else {
                        rules.push(rule);
                        needs.push(needed);
                    }
                    users.insert(at);
                }
            }
        }
        let rules = Self::build(&table, rules, needs, users, policy);
        // What users write is tried at once; what is embedded, by a test.
        rules.tried(|at| rules.users.contains(&at))?;
        Ok(rules)
    }

    fn build(
        table: &[u8],
        rules: Vec<Rule>,
        needs: Vec<Option<Needs>>,
        users: BTreeSet<usize>,
        policy: BouncePolicy,
    ) -> Self {
        let keys = rules.iter().flat_map(|r| r.fields.iter().map(|f| (leader(r.table, *f), *f)));
        let matchers = keys.map(|key| (key, OnceLock::new())).collect();
        let mut suffixes: BTreeMap<Field, HashMap<String, usize>> = BTreeMap::new();
        for (at, rule) in rules.iter().enumerate().filter(|(_, r)| r.table == Table::Provider) {
            for field in &rule.fields {
                suffixes.entry(*field).or_default().extend(rule.any.iter().map(|name| (name.to_lowercase(), at)));
            }
        }
        let mut digester = crate::message::Digester::default();
        digester.update(table);
        for rule in users.iter().filter_map(|at| rules.get(*at)) {
            digester.update(serde_json::to_string(rule).unwrap_or_default().as_bytes());
        }
        digester.update(serde_json::to_string(&policy).unwrap_or_default().as_bytes());
        let version = digester.finish().to_string().chars().take(12).collect();
        Self { list: rules, needs, users, suffixes, matchers, policy, version }
    }

    /// Makes now what these rules need, which otherwise waits until a text asks for it.
    ///
    /// # Errors
    /// When a pattern is no regular expression.
    fn tried(&self, which: impl Fn(usize) -> bool) -> Result<(), RuleError> {
        for (_, rule) in self.list.iter().enumerate().filter(|(at, _)| which(*at)) {
            if let Some(Err(error)) = rule.pattern.as_deref().map(matcher::compiled) {
                return Err(RuleError::Pattern { id: rule.id.clone(), source: Box::new(error) });
            }
        }
        Ok(())
    }

    fn matcher(&self, table: Table, field: Field) -> Option<&Matcher> {
        let leading = leader(table, field);
        let made = self.matchers.get(&(leading, field))?;
        let is_of_it = |rule: &Rule| rule.fields.contains(&field) && leader(rule.table, field) == leading;
        Some(made.get_or_init(|| Matcher::build(&self.list, &self.needs, is_of_it)))
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

    /// Every rule, in order.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        &self.list
    }

    /// Every rule of `table` without conditions that fires on `text` as `field`, in the order of the rules, once each
    /// with its first place.
    #[must_use]
    pub fn matches(&self, table: Table, field: Field, text: &str) -> Vec<Match<'_>> {
        self.matches_folded(table, field, &Folded::new(head(field, text)))
    }

    /// The same for a text that was folded before.
    #[must_use]
    pub fn matches_folded(&self, table: Table, field: Field, folded: &Folded) -> Vec<Match<'_>> {
        let mut found = self.walk(leader(table, field), field, folded, usize::MAX);
        found.retain(|m| m.rule.table == table);
        found
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
        let found = self.matcher(leader, field).map(|m| m.find(folded, octets)).unwrap_or_default();
        let fires = found.into_iter().filter_map(|hit| {
            let rule = self.list.get(hit.rule).filter(|r| r.when.holds(facts))?;
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
        let matcher = self.matcher(table, field)?;
        let of = |users: bool| matcher.wordless.iter().filter(move |at| self.users.contains(at) == users);
        let mut all = of(true).chain(of(false)).filter_map(|&at| self.list.get(at));
        let fires = all.find(|rule| rule.when.holds(facts));
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
        let suffixes = self.suffixes.get(&field)?;
        let mut rest = name.as_str();
        loop {
            if let Some(rule) = suffixes.get(rest).and_then(|at| self.list.get(*at)) {
                return Some(rule.gives.as_str());
            }
            rest = rest.split_once('.')?.1;
        }
    }
}

/// Tables that look at the same texts are looked for together: all at a subject or a sender; at a text those that ask
/// what a machine says, and those that ask what a person says. This is the first of them.
const fn leader(table: Table, field: Field) -> Table {
    match (field, table) {
        (Field::Subject | Field::From, _) | (Field::Body, Table::AutoReply | Table::Unsubscribe | Table::Intent) => {
            Table::AutoReply
        }
        (Field::Body, _) => Table::Report,
        _ => table,
    }
}

/// What rules look at of a text: a longer header is an attack.
fn head(field: Field, text: &str) -> &str {
    let long = matches!(field, Field::Body | Field::Copy | Field::Diagnostic);
    text.get(..text.floor_char_boundary(if long { text.len() } else { HEADER })).unwrap_or_default()
}

fn most<'r>(matches: impl Iterator<Item = Match<'r>>) -> Option<Match<'r>> {
    matches.reduce(|a, b| if b.by_weight(&a) == Ordering::Less { b } else { a })
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rules({} rules, {})", self.list.len(), self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, Field, Rules, Table};
    use crate::classify::BouncePolicy;

    #[test]
    fn embedded_ids_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for rule in Rules::embedded().expect("embedded rules are right").all() {
            assert!(seen.insert(&rule.id), "{} stands twice", rule.id);
        }
    }

    #[test]
    fn embedded_rules_have_nothing_wrong() {
        let rules = Rules::embedded().expect("embedded rules are right");
        assert!(!rules.all().is_empty());
        rules.tried(|_| true).expect("embedded rules can be matched");
        for rule in rules.all() {
            rule.check().expect("embedded rules are right");
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
                "none of CONNECT",
            ),
        ];
        for (lines, problem) in table {
            let refused = Rules::with_extra(&[("t".to_owned(), base(lines))], BouncePolicy::default());
            let said = refused.expect_err(lines).to_string();
            assert!(said.contains(problem), "{said}");
        }
    }
}
