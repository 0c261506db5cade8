//! What a matcher is made of, worked out before it is needed.
//!
//! To fold tens of thousands of phrases, to choose by what each is found and to see what a thousand patterns need takes
//! longer than to read all mails of a usual run, and depends on nothing but the rules. So the build script does it for
//! those that are part of the program, and the program only for those of its user.

use super::folded::Folded;
use super::literals::Needs;
use super::packed::{Packed, Packer, put};
use super::reach::Reach;
use super::ways::Ways;
use super::words::{self, Word};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What stands behind each word: a character that JSON takes as it is, and that no word has.
pub(crate) const END: char = '\u{7f}';

/// Literals of patterns may stand within words.
const WITHIN: (bool, bool) = (true, true);

/// What one rule looks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'r> {
    /// The rule by its number.
    pub rule: usize,
    pub any: &'r [String],
    pub with: &'r [String],
    pub without: &'r [String],
    pub pattern: Option<&'r str>,
}

impl Wanted<'_> {
    /// Whether it speaks of the beginning of a text alone.
    pub(crate) fn is_anchored(&self) -> bool {
        self.any.is_empty() && self.pattern.is_some_and(|pattern| pattern.starts_with('^'))
    }
}

/// What a word is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// A phrase of this rule.
    Rule(u32),
    /// A phrase of this rule, which looks at what stands beside its words.
    Beside(u32),
    /// A literal of this way.
    Way(u32),
    /// One of the words of which this rule wants one beside its own.
    With(u32),
    /// One of the words that this rule does not want beside its own.
    Without(u32),
}

/// One word that is looked for, for everything that it is of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Whether it may begin or end within a longer word: `urlaub*`, `*wurst`.
    pub open: (bool, bool),
    /// By what it is found: see [`words::rarest`].
    pub known_at: usize,
}

/// What a matcher is made of.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recipe {
    /// The words, each once for each way of being open, with [`END`] behind each.
    pub texts: String,
    /// Of each its [`Shape`].
    #[serde(skip)]
    shapes: Vec<u16>,
    /// How many things each is of.
    #[serde(skip)]
    pub counts: Vec<u16>,
    /// What they are of, one after the other, of each as many as its count: see [`Of::decoded`].
    #[serde(skip)]
    pub ofs: Vec<u32>,
    pub patterns: PatternRecipe,
    /// Rules that look at what stands beside their words, and whether they want some of it.
    pub beside: Vec<(u32, bool)>,
    /// Rules without words.
    pub wordless: Vec<u32>,
}

/// Patterns, and what they ask for.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PatternRecipe {
    /// Where patterns stand, with their rules and how far they reach.
    pub list: Vec<(u32, u32, Reach)>,
    /// What they are: see [`packed`](super::packed).
    #[serde(skip)]
    pub packed: Vec<u8>,
    #[serde(skip)]
    pub ways: Ways,
    /// Patterns without a literal that ask for one of a few octets.
    pub hinted: Vec<(u32, String)>,
    /// Patterns that ask for nothing, those of the beginning of a text and the others.
    pub bare: Vec<Bare>,
}

/// Patterns that ask for nothing. Mostly none of them matches, which one that stands for all tells in one go.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bare {
    /// Where that one stands.
    pub any: u32,
    pub patterns: Vec<u32>,
}

/// What a recipe is made with.
#[derive(Default)]
struct Making<'r> {
    /// Words, at which ends they are open, and what they are of.
    all: Vec<(String, (bool, bool), Of)>,
    sets: HashMap<Vec<String>, u32>,
    packer: Packer,
    bare: Vec<(u32, &'r str)>,
}

impl Of {
    const fn code(self) -> u32 {
        match self {
            Self::Rule(number) => number << 3,
            Self::Beside(number) => number << 3 | 1,
            Self::Way(number) => number << 3 | 2,
            Self::With(number) => number << 3 | 3,
            Self::Without(number) => number << 3 | 4,
        }
    }

    /// What a number of a recipe says.
    pub(crate) const fn decoded(code: u32) -> Self {
        let number = code >> 3;
        match code & 7 {
            0 => Self::Rule(number),
            1 => Self::Beside(number),
            2 => Self::Way(number),
            3 => Self::With(number),
            _ => Self::Without(number),
        }
    }
}

impl Recipe {
    /// For these rules, in their order.
    pub(crate) fn of<'r>(rules: impl Iterator<Item = Wanted<'r>>) -> Self {
        let mut recipe = Self::default();
        let mut making = Making::default();
        for wanted in rules {
            let rule = number(wanted.rule);
            if wanted.any.is_empty() && wanted.pattern.is_none() {
                recipe.wordless.push(rule);
            }
            let own = if wanted.with.is_empty() && wanted.without.is_empty() {
                Of::Rule(rule)
            } else {
                recipe.beside.push((rule, !wanted.with.is_empty()));
                Of::Beside(rule)
            };
            let lists = [(wanted.any, own), (wanted.with, Of::With(rule)), (wanted.without, Of::Without(rule))];
            for (phrase, of) in lists.into_iter().flat_map(|(list, of)| list.iter().map(move |phrase| (phrase, of))) {
                let (bare, open) = opened(phrase);
                making.all.push((Folded::new(bare).text, open, of));
            }
            if let Some(pattern) = wanted.pattern {
                recipe.patterns.add(pattern, rule, &mut making);
            }
        }
        let Making { mut all, mut packer, bare, .. } = making;
        recipe.patterns.bare = Bare::of(&bare, &mut packer);
        recipe.patterns.packed = packer.octets;
        // No folded text has a line end, and no rule means the other.
        all.retain(|(text, ..)| !text.contains(['\n', END]));
        // Each word where it is needed first: words of one rule are alike, which packs well.
        let mut places: HashMap<(&str, (bool, bool)), usize> = HashMap::new();
        let mut groups: Vec<(Word<'_>, (bool, bool), Vec<Of>)> = Vec::new();
        for (text, open, of) in &all {
            let at = *places.entry((text, *open)).or_insert(groups.len());
            match groups.get_mut(at) {
                Some((.., ofs)) => ofs.push(*of),
                None => groups.push((Word { text, open: open.0 }, *open, vec![*of])),
            }
        }
        let words: Vec<_> = groups.iter().map(|(word, ..)| *word).collect();
        for ((word, open, ofs), known_at) in groups.iter().zip(words::rarest(&words)) {
            recipe.texts.push_str(word.text);
            recipe.texts.push(END);
            recipe.shapes.push(known_at << 2 | u16::from(open.0) | u16::from(open.1) << 1);
            recipe.counts.push(u16::try_from(ofs.len()).unwrap_or(u16::MAX));
            recipe.ofs.extend(ofs.iter().take(usize::from(u16::MAX)).map(|of| of.code()));
        }
        recipe
    }

    /// In JSON, and behind it what would take long to read from that: the numbers of words, the branches of
    /// patterns and the patterns.
    ///
    /// # Errors
    /// None that is known.
    // The build script's.
    #[allow(dead_code)]
    pub(crate) fn packed(&self) -> serde_json::Result<Vec<u8>> {
        let mut out = serde_json::to_vec(self)?;
        put(&mut out, self.counts.len());
        for (shape, count) in self.shapes.iter().zip(&self.counts) {
            put(&mut out, usize::from(*shape));
            put(&mut out, usize::from(*count));
        }
        for of in &self.ofs {
            put(&mut out, *of as usize);
        }
        self.patterns.ways.pack(&mut out);
        out.extend_from_slice(&self.patterns.packed);
        Ok(out)
    }

    /// With what stands behind its JSON; none where that is cut off.
    pub(crate) fn with(mut self, mut behind: Vec<u8>) -> Option<Self> {
        let mut numbers = Packed { octets: &behind, at: 0 };
        let mut ofs = 0;
        for _ in 0..numbers.number()? {
            self.shapes.push(u16::try_from(numbers.number()?).ok()?);
            let count = u16::try_from(numbers.number()?).ok()?;
            self.counts.push(count);
            ofs += usize::from(count);
        }
        self.ofs.reserve(ofs);
        for _ in 0..ofs {
            self.ofs.push(u32::try_from(numbers.number()?).ok()?);
        }
        self.patterns.ways = Ways::read(&mut numbers)?;
        let at = numbers.at;
        self.patterns.packed = behind.split_off(at);
        Some(self)
    }

    /// Of each word its shape.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = Shape> {
        self.shapes
            .iter()
            .map(|shape| Shape { open: (shape & 1 != 0, shape & 2 != 0), known_at: usize::from(shape >> 2) })
    }
}

impl PatternRecipe {
    fn add<'r>(&mut self, pattern: &'r str, rule: u32, making: &mut Making<'r>) {
        let at = number(self.list.len());
        self.list.push((number(making.packer.add(pattern)), rule, Reach::of(pattern)));
        match Needs::of(pattern) {
            Needs::Ways(ways) => {
                for way in ways {
                    let set =
                        |set: Vec<String>| *making.sets.entry(set).or_insert_with_key(|set| self.ways.add_set(set));
                    let besides: Vec<u32> = way.besides.into_iter().map(set).collect();
                    self.add_way(at, way.one_of, besides, making);
                }
            }
            Needs::Hint(hints) => {
                // The finder knows no single octets.
                let (single, longer): (Vec<_>, Vec<_>) = hints.into_iter().partition(|hint| hint.len() == 1);
                self.add_way(at, longer, Vec::new(), making);
                if !single.is_empty() {
                    self.hinted.push((at, single.concat()));
                }
            }
            Needs::Nothing => making.bare.push((at, pattern)),
        }
    }

    /// A branch of a pattern that has one of these literals, and asks for these sets.
    fn add_way(&mut self, pattern: u32, literals: Vec<String>, besides: Vec<u32>, making: &mut Making<'_>) {
        let way = Of::Way(self.ways.add(pattern, besides));
        making.all.extend(literals.into_iter().map(|literal| (literal, WITHIN, way)));
    }
}

impl Bare {
    fn of(patterns: &[(u32, &str)], packer: &mut Packer) -> Vec<Self> {
        let of = |anchored: bool| {
            let list: Vec<_> = patterns.iter().filter(|(_, text)| text.starts_with('^') == anchored).collect();
            let any: Vec<_> = list.iter().map(|(_, text)| format!("(?:{text})")).collect();
            (!any.is_empty()).then(|| Self {
                any: number(packer.add(&any.join("|"))),
                patterns: list.iter().map(|(at, _)| *at).collect(),
            })
        };
        [true, false].into_iter().filter_map(of).collect()
    }
}

/// A recipe in JSON with its words between quotes and commas, as they stand in the JSON of rules: what two have in common
/// is then in one piece.
pub(crate) fn like_rules(json: &[u8]) -> Vec<u8> {
    const BETWEEN: &[u8] = b"\",\"";
    let mut out = Vec::with_capacity(json.len() * 2);
    for octet in json {
        if char::from(*octet) == END { out.extend_from_slice(BETWEEN) } else { out.push(*octet) }
    }
    out
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A phrase without its asterisks, and at which ends it had one.
pub(crate) fn opened(phrase: &str) -> (&str, (bool, bool)) {
    let phrase = phrase.trim();
    let bare = phrase.trim_matches('*');
    (bare.trim(), (phrase.starts_with('*'), phrase.ends_with('*')))
}

#[cfg(test)]
mod tests {
    use super::{Of, Recipe, Wanted, opened};

    #[test]
    fn phrases_that_are_open() {
        let table = [
            ("urlaub*", ("urlaub", (false, true))),
            (" *wurst ", ("wurst", (true, false))),
            ("out of office", ("out of office", (false, false))),
        ];
        for (phrase, expected) in table {
            assert_eq!(opened(phrase), expected, "{phrase}");
        }
    }

    #[test]
    fn each_word_once_with_all_that_it_is_of() {
        let list = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (one, two) = (list(&["Out of  Office", "away"]), list(&["out of office", "away*"]));
        let wanted = |rule, any| Wanted { rule, any, with: &[], without: &[], pattern: None };
        let recipe = Recipe::of([wanted(3, &one), wanted(7, &two), wanted(9, &[])].into_iter());
        assert_eq!(recipe.texts, "out of office\u{7f}away\u{7f}away\u{7f}");
        let open: Vec<_> = recipe.shapes().map(|shape| shape.open).collect();
        assert_eq!(open, [(false, false), (false, false), (false, true)]);
        assert_eq!(recipe.counts, [2, 1, 1]);
        assert_eq!(
            recipe.ofs.iter().map(|code| Of::decoded(*code)).collect::<Vec<_>>(),
            [Of::Rule(3), Of::Rule(7), Of::Rule(3), Of::Rule(7)]
        );
        assert_eq!(recipe.wordless, [9]);
    }

    #[test]
    fn branches_share_their_sets() {
        let pattern = Some(r"(?:back|return)[^.]*\b(?:monday|2nd of may)");
        let recipe = Recipe::of([Wanted { rule: 0, any: &[], with: &[], without: &[], pattern }].into_iter());
        let ways = &recipe.patterns.ways;
        assert_eq!([ways.get(0), ways.get(1), ways.get(2)], [Some((0, [0].as_slice())), Some((0, &[0])), None]);
        assert_eq!(ways.words(0).collect::<Vec<_>>(), ["back", "return"]);
        assert_eq!(ways.sets(), 1);
        assert_eq!(recipe.texts, "monday\u{7f}2nd of may\u{7f}");
        assert_eq!(recipe.ofs.iter().map(|code| Of::decoded(*code)).collect::<Vec<_>>(), [Of::Way(0), Of::Way(1)]);
    }
}
