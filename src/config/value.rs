//! One value of the tree as serde sees it: what each type takes, and the words when it gets something else.

use super::path::Path;
use super::read::{Fault, Hole, Reader, Seen, unknown_value};
use super::tree::{Entry, Id, Kind};
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::borrow::Cow;

/// A value, or the stand-in for one.
pub(super) struct Value<'r> {
    reader: &'r Reader<'r>,
    path: Path,
    id: Option<Id>,
}

impl<'r> Value<'r> {
    pub(super) fn new(reader: &'r Reader<'r>, path: Path, id: Option<Id>) -> Self {
        Self { reader, path, id }
    }

    fn seen(&self) -> Seen<'r> {
        match self.id.and_then(|id| self.reader.tree.node(id)).map(|n| &n.kind) {
            None => Seen::StandIn,
            Some(Kind::Text(text)) if text.is_null() => Seen::Null,
            Some(Kind::Text(text)) => Seen::Text(text),
            Some(Kind::List { items, .. }) => Seen::List(items),
            Some(Kind::Map { entries, .. }) => Seen::Map(entries),
        }
    }

    fn expected(&self, what: &str) -> Fault {
        let found = match self.seen() {
            Seen::StandIn | Seen::Null => "nothing".to_owned(),
            Seen::Text(text) => text.shown().map_or("a text".to_owned(), |t| format!("`{t}`")),
            Seen::List(_) => "a list".to_owned(),
            Seen::Map(_) => "settings".to_owned(),
        };
        Fault::words(format!("expected {what}, found {found}"))
    }

    /// The text, with its variables.
    fn text(&self, what: &str) -> Result<Cow<'r, str>, Fault> {
        match self.seen() {
            Seen::StandIn => Ok(Cow::Borrowed("")),
            Seen::Text(text) => self.reader.expand(text, &self.path),
            _ => Err(self.expected(what)),
        }
    }

    fn whole_number(&self, min: i128, max: i128) -> Result<i128, Fault> {
        if self.id.is_none() {
            return Ok(0);
        }
        let what = if min == 0 && max > i128::from(u32::MAX) {
            "a whole number".to_owned()
        } else {
            format!("a whole number from {min} to {max}")
        };
        let text = self.text(&what)?;
        let text = text.trim();
        // What begins with 0 is octal to some readers of YAML, decimal to others.
        let clear = text.len() == 1 || !text.starts_with('0');
        let number = text.replace('_', "").parse().ok().filter(|n| clear && (min..=max).contains(n));
        number.ok_or_else(|| self.expected(&what))
    }

    /// The settings in this mapping that are neither left out nor unknown.
    fn settings(&self, fields: Option<&'static [&'static str]>) -> Result<Fields<'r>, Fault> {
        let entries = match self.seen() {
            Seen::StandIn | Seen::Null => &[],
            Seen::Map(entries) => entries,
            Seen::Text(_) | Seen::List(_) => return Err(self.expected("settings as `key: value`")),
        };
        let mut list = Vec::new();
        for entry in entries {
            if let Some(fields) = fields
                && !fields.contains(&entry.key.as_str())
            {
                self.reader.unknown(entry, fields, &self.path);
            } else if self.reader.hole(&self.path.key(&entry.key)).is_none() {
                list.push((Cow::Borrowed(entry.key.as_str()), Some(entry)));
            }
        }
        for name in fields.unwrap_or_default() {
            if self.reader.hole(&self.path.key(*name)) == Some(Hole::StandIn) {
                list.push((Cow::Borrowed(*name), None));
            }
        }
        Ok(Fields { reader: self.reader, path: self.path.clone(), list: list.into_iter(), next: None })
    }

    fn items(&self, items: &'r [Id]) -> Items<'r> {
        Items { reader: self.reader, path: self.path.clone(), list: items, at: 0 }
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty as $wide:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let number = self.whole_number(<$type>::MIN.into(), <$type>::MAX.into())?;
            visitor.$visit(<$wide>::try_from(number).unwrap_or_default())
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.seen() {
            Seen::StandIn | Seen::Null => visitor.visit_unit(),
            Seen::Text(_) => visitor.visit_str(&self.text("a text")?),
            Seen::List(items) => visitor.visit_seq(self.items(items)),
            Seen::Map(_) => visitor.visit_map(self.settings(None)?),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.id.is_none() {
            return visitor.visit_bool(false);
        }
        let text = self.text("true or false")?;
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => visitor.visit_bool(true),
            "false" | "no" | "off" | "n" => visitor.visit_bool(false),
            _ => Err(self.expected("true or false")),
        }
    }

    whole_numbers! {
        deserialize_i8 visit_i64 i8 as i64;
        deserialize_i16 visit_i64 i16 as i64;
        deserialize_i32 visit_i64 i32 as i64;
        deserialize_i64 visit_i64 i64 as i64;
        deserialize_u8 visit_u64 u8 as u64;
        deserialize_u16 visit_u64 u16 as u64;
        deserialize_u32 visit_u64 u32 as u64;
        deserialize_u64 visit_u64 u64 as u64;
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_str(&self.text("a text")?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_string(self.text("a text")?.into_owned())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.seen() {
            Seen::StandIn | Seen::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.seen() {
            Seen::List(items) => visitor.visit_seq(self.items(items)),
            Seen::StandIn | Seen::Null => visitor.visit_seq(self.items(&[])),
            Seen::Text(text) => match text.shown() {
                Some(shown) => Err(Fault::words(format!("expected a list, found `{shown}`: write [\"{shown}\"]"))),
                None => Err(self.expected("a list")),
            },
            Seen::Map(_) => Err(self.expected("a list with `- ` before each item")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_map(self.settings(None)?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let settings = self.settings(Some(fields))?;
        visitor.visit_map(settings).map_err(|fault| match fault {
            Fault::Missing(name) => self.reader.missing(name, &self.path),
            other => other,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let (name, payload) = match self.seen() {
            Seen::Text(text) => {
                let name = self.text("a text")?;
                if !variants.contains(&name.as_ref()) {
                    return Err(Fault::words(unknown_value(text.shown(), variants)));
                }
                (name.into_owned(), None)
            }
            Seen::Map([entry]) => {
                if !variants.contains(&entry.key.as_str()) {
                    let words = unknown_value(crate::mistake::shown_key(&entry.key), variants);
                    return Err(Fault::Words(words, Some(entry.place)));
                }
                let value = Value::new(self.reader, self.path.key(&entry.key), Some(entry.value));
                (entry.key.clone(), Some(value))
            }
            Seen::Map(_) => {
                return Err(Fault::words(format!("expected exactly one of {}", crate::mistake::one_of(variants))));
            }
            _ => return Err(self.expected(&format!("one of {}", crate::mistake::one_of(variants)))),
        };
        visitor.visit_enum(Choice { name, payload })
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

/// The settings of a mapping, one after the other.
struct Fields<'r> {
    reader: &'r Reader<'r>,
    path: Path,
    list: std::vec::IntoIter<(Cow<'r, str>, Option<&'r Entry>)>,
    next: Option<(Path, Option<Id>)>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((name, entry)) = self.list.next() else { return Ok(None) };
        self.next = Some((self.path.key(&*name), entry.map(|e| e.value)));
        seed.deserialize(Key { reader: self.reader, map: &self.path, name, entry }).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let Some((path, id)) = self.next.take() else { return Err(Fault::words("a value without a key")) };
        if !self.reader.count(&path) {
            return Err(Fault::Recorded);
        }
        seed.deserialize(Value::new(self.reader, path.clone(), id)).map_err(|fault| self.reader.fail(fault, &path))
    }
}

/// The key of a setting: a field's name, any text, or one of an enum's words.
struct Key<'k> {
    reader: &'k Reader<'k>,
    map: &'k Path,
    name: Cow<'k, str>,
    entry: Option<&'k Entry>,
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_string(self.name.into_owned())
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if let Some(entry) = self.entry.filter(|entry| !variants.contains(&entry.key.as_str())) {
            self.reader.unknown(entry, variants, self.map);
            return Err(self.reader.leave_out(&self.map.key(&entry.key)));
        }
        visitor.visit_enum(Choice { name: self.name.into_owned(), payload: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The items of a list, one after the other.
struct Items<'r> {
    reader: &'r Reader<'r>,
    path: Path,
    list: &'r [Id],
    at: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        while let Some(id) = self.list.get(self.at) {
            let path = self.path.item(self.at);
            self.at += 1;
            if !self.reader.count(&path) {
                return Err(Fault::Recorded);
            }
            if self.reader.hole(&path).is_none() {
                let value = Value::new(self.reader, path.clone(), Some(*id));
                return seed.deserialize(value).map(Some).map_err(|fault| self.reader.fail(fault, &path));
            }
        }
        Ok(None)
    }
}

/// `keep`, or `{ delete_after: 14d }`.
struct Choice<'r> {
    name: String,
    payload: Option<Value<'r>>,
}

impl<'de, 'r> EnumAccess<'de> for Choice<'r> {
    type Error = Fault;
    type Variant = Choice<'r>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), Fault> {
        let name: StrDeserializer<'_, Fault> = self.name.as_str().into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.payload {
            Some(Value { id: Some(_), .. }) => Err(Fault::words(format!("`{0}` takes no value: write {0}", self.name))),
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        match self.payload {
            Some(value) => {
                let path = value.path.clone();
                seed.deserialize(value).map_err(|fault| fault.inside(&path))
            }
            None => Err(Fault::words(format!("`{0}` needs a value: write {{ {0}: … }}", self.name))),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Fault> {
        Err(Fault::words(format!("`{}` cannot be used here", self.name)))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Fault> {
        Err(Fault::words(format!("`{}` cannot be used here", self.name)))
    }
}
