//! A file of rules or of cases: one list of tables in TOML.
//!
//! Takes the text and what a table may hold; gives the tables, or every mistake in the file with its line and column.
//! serde stops at the first value that it cannot use, so here each value is looked at before serde is asked.

use crate::mistake::{Mistake, Mistakes, Place, hint, shown_key, shown_value};
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, IntoDeserializer};
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What a key of a table holds.
pub(super) struct Key {
    pub name: &'static str,
    /// Whether there is no entry without it.
    pub needed: bool,
    pub holds: Holds,
}

/// The form of a value.
pub(super) enum Holds {
    Text,
    Texts,
    /// With or without a fraction.
    Number,
    /// Whole ones.
    Numbers,
    /// One of these words.
    Word(fn() -> &'static [&'static str]),
    Words(fn() -> &'static [&'static str]),
    Table(&'static [Key]),
    /// A table of any names.
    TextsByName,
}

/// A table that was read, and where what in it stands.
pub(super) struct Entry<T> {
    pub value: T,
    /// How its mistakes are headed: `rule auto_reply.ours`.
    name: String,
    place: Place,
    /// Of each key its value's place.
    keys: Vec<(String, Place)>,
}

impl<T> Entry<T> {
    /// Where it begins.
    pub(super) const fn line(&self) -> u32 {
        self.place.line
    }

    /// Whether a key is given.
    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|(name, _)| name == key)
    }

    /// A mistake that only the whole table shows, at the value of `key` where it is given.
    fn mistake(&self, key: &str, problem: String) -> Mistake {
        let place = self.keys.iter().find(|(name, _)| name == key).map_or(self.place, |(_, place)| *place);
        Mistake::new(place, Some(format!("{}: {key}", self.name)), problem)
    }
}

/// What is wrong with a table whose values can all be used, each with the key that it is about.
pub(super) type Problems = Vec<(&'static str, String)>;

/// The tables of the list `list`, each of these keys, of which `id` names it where it has one. `problems` looks at a
/// whole table.
pub(super) fn read<T: DeserializeOwned>(
    text: &str,
    list: &'static str,
    keys: &'static [Key],
    problems: impl Fn(&Entry<T>) -> Problems,
) -> Result<Vec<Entry<T>>, Vec<Mistake>> {
    let mut file = File { text, found: Mistakes::default() };
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let place = file.place(error.span().map_or(0, |span| span.start));
        file.found.push(Mistake::new(place, None, format!("no valid TOML: {}", error.message())));
    }
    if !errors.is_empty() {
        return Err(file.found.sorted());
    }
    let mut entries = Vec::new();
    for (key, value) in root.into_inner() {
        let place = file.place(key.span().start);
        match value.into_inner() {
            DeValue::Array(tables) if key.get_ref() == list => {
                for (number, table) in (1..).zip(tables) {
                    let Some(entry) = file.entry(list, number, table, keys) else { continue };
                    for (key, problem) in problems(&entry) {
                        file.found.push(entry.mistake(key, problem));
                    }
                    entries.push(entry);
                }
            }
            DeValue::Table(_) if key.get_ref() == list => {
                file.found.push(Mistake::new(place, None, format!("write it with two brackets: `[[{list}]]`")));
            }
            _ => {
                let name = shown_key(key.get_ref()).map_or(String::new(), |k| format!(" `{k}`"));
                let problem = format!("unknown key{name}: this file is a list of `[[{list}]]`");
                file.found.push(Mistake::new(place, None, problem));
            }
        }
    }
    if file.found.is_empty() { Ok(entries) } else { Err(file.found.sorted()) }
}

struct File<'t> {
    text: &'t str,
    found: Mistakes,
}

impl File<'_> {
    /// Lines and columns of an octet, which are only counted for a mistake.
    fn place(&self, octet: usize) -> Place {
        let before = self.text.get(..octet).unwrap_or_default();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        Place { line: number(before.matches('\n').count()), column: number(column) }
    }

    /// One table; nothing when something is wrong with it.
    fn entry<T: DeserializeOwned>(
        &mut self,
        list: &str,
        number: usize,
        table: Spanned<DeValue<'_>>,
        keys: &'static [Key],
    ) -> Option<Entry<T>> {
        let place = self.place(table.span().start);
        let id = table.get_ref().get("id").and_then(|id| shown_value(id.get_ref().as_str()?));
        let name = id.map_or_else(|| format!("{list} {number}"), |id| format!("{list} {id}"));
        let Some(of) = table.get_ref().as_table() else {
            self.found.push(Mistake::new(place, Some(name), format!("expected a table: write `[[{list}]]`")));
            return None;
        };
        if !self.table(&name, place, of, keys) {
            return None;
        }
        let keys = of.iter().map(|(key, value)| (key.get_ref().to_string(), self.place(value.span().start))).collect();
        match T::deserialize(table.into_deserializer()) {
            Ok(value) => Some(Entry { value, name, place, keys }),
            // What the keys leave open, such as a number that is too large.
            Err(error) => {
                let place = error.span().map_or(place, |span| self.place(span.start));
                self.found.push(Mistake::new(place, Some(name), error.message()));
                None
            }
        }
    }

    /// Whether nothing is wrong with the keys of a table and their values.
    fn table(&mut self, name: &str, place: Place, table: &DeTable<'_>, keys: &'static [Key]) -> bool {
        let mut wrong: Vec<Mistake> = Vec::new();
        let mut is_right = true;
        let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
        let mut meant = Vec::new();
        for (key, value) in table {
            let Some(known) = keys.iter().find(|known| known.name == key.get_ref()) else {
                let shown = shown_key(key.get_ref()).map_or(String::new(), |k| format!(" `{k}`"));
                let problem = format!("unknown key{shown}: {}", hint(key.get_ref(), &names));
                meant.extend(crate::mistake::nearest(key.get_ref(), &names));
                wrong.push(Mistake::new(self.place(key.span().start), Some(name.to_owned()), problem));
                continue;
            };
            let setting = format!("{name}: {}", known.name);
            if let (Holds::Table(keys), DeValue::Table(inner)) = (&known.holds, value.get_ref()) {
                let place = self.place(value.span().start);
                is_right &= self.table(&setting, place, inner, keys);
                continue;
            }
            for (octet, problem) in known.holds.problems(value) {
                wrong.push(Mistake::new(self.place(octet), Some(setting.clone()), problem));
            }
        }
        for key in keys.iter().filter(|key| key.needed && !meant.contains(&key.name)) {
            if !table.contains_key(key.name) {
                wrong.push(Mistake::new(place, Some(name.to_owned()), format!("`{}` is missing", key.name)));
            }
        }
        is_right &= wrong.is_empty();
        for mistake in wrong {
            self.found.push(mistake);
        }
        is_right
    }
}

impl Holds {
    /// What is wrong with a value, and where.
    fn problems(&self, value: &Spanned<DeValue<'_>>) -> Vec<(usize, String)> {
        let at = |value: &Spanned<DeValue<'_>>, problem: String| (value.span().start, problem);
        let text = |value: &Spanned<DeValue<'_>>| {
            (!value.get_ref().is_str()).then(|| at(value, "expected a text in quotes".to_owned()))
        };
        let word = |value: &Spanned<DeValue<'_>>, known: &[&str]| {
            let Some(given) = value.get_ref().as_str() else { return text(value) };
            let shown = shown_value(given).map_or(String::new(), |given| format!(" `{given}`"));
            (!known.contains(&given)).then(|| at(value, format!("unknown word{shown}: {}", hint(given, known))))
        };
        let each = |of: &dyn Fn(&Spanned<DeValue<'_>>) -> Option<(usize, String)>, what: &str| match value.get_ref() {
            DeValue::Array(list) => list.iter().filter_map(of).collect(),
            _ => vec![at(value, format!("expected a list of {what}: write it in brackets"))],
        };
        match self {
            Self::Text => text(value).into_iter().collect(),
            Self::Texts => each(&text, "texts"),
            Self::Number if value.get_ref().is_integer() || value.get_ref().is_float() => Vec::new(),
            Self::Number => vec![at(value, "expected a number".to_owned())],
            Self::Numbers => {
                let number = |value: &Spanned<DeValue<'_>>| {
                    (!value.get_ref().is_integer()).then(|| at(value, "expected a whole number".to_owned()))
                };
                each(&number, "numbers")
            }
            Self::Word(known) => word(value, known()).into_iter().collect(),
            Self::Words(known) => each(&|value| word(value, known()), "words"),
            Self::TextsByName if value.get_ref().is_table() => {
                value.get_ref().as_table().into_iter().flat_map(DeTable::values).filter_map(text).collect()
            }
            Self::Table(_) | Self::TextsByName => vec![at(value, "expected a table: write `{ key = … }`".to_owned())],
        }
    }
}

/// The words that a type of words knows, as it reads them.
pub(super) fn words<T: DeserializeOwned>() -> &'static [&'static str] {
    let asked: Result<T, Known> = T::deserialize(StrDeserializer::new(""));
    asked.err().map_or(&[], |known| known.0)
}

/// An error that remembers what would have been none.
#[derive(Debug)]
struct Known(&'static [&'static str]);

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such word")
    }
}

impl std::error::Error for Known {}

impl de::Error for Known {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected)
    }
}
