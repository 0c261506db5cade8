//! The rules that look at one field, of one table or several, matched together in one go.

use super::Where;
use super::candidates::Patterns;
use super::folded::Folded;
use super::recipe::{END, Of, Recipe, Shape};
use super::words::{Hit, Word, WordFinder};
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

/// Hits of one rule that are looked at, where what stands beside them matters.
const MOST_HITS: usize = 64;
/// Words around them that are looked at, of all rules together.
const MOST_AROUND: usize = 4_000;
/// Octets between a hit and what stands beside it in its sentence.
const NEAR: usize = 160;

/// Hits of rules that look at what stands beside them, by rule.
#[derive(Debug, Default)]
struct Beside {
    own: Vec<(usize, usize)>,
    with: Vec<(usize, usize)>,
    without: Vec<(usize, usize)>,
}

/// A word that some rule wants, or does not want, beside its own. There are many of them, mostly for nothing: so small.
struct Around {
    word: u32,
    start: u32,
    end: u32,
}

impl Around {
    fn new(word: usize, start: usize, end: usize) -> Option<Self> {
        Some(Self { word: word.try_into().ok()?, start: start.try_into().ok()?, end: end.try_into().ok()? })
    }
}

pub(super) struct Matcher {
    /// Finds phrases, and the literals of patterns.
    finder: WordFinder,
    shapes: Vec<Shape>,
    /// Where in `ofs` stands what each word is of; one more for the end.
    starts: Vec<u32>,
    ofs: Vec<Of>,
    /// The rules that look at what stands beside their words, and whether they want some of it.
    beside: BTreeMap<u32, bool>,
    patterns: Patterns,
    /// See [`Recipe`].
    wordless: Vec<u32>,
    /// The last rule of each word, where whole texts are asked for.
    names: OnceLock<HashMap<Box<[u8]>, usize>>,
}

impl Matcher {
    pub(super) fn new(recipe: Recipe) -> Self {
        let shapes: Vec<Shape> = recipe.shapes().collect();
        let texts = recipe.texts.split_terminator(END);
        let words = texts.zip(&shapes).map(|(text, shape)| (Word { text, open: shape.open.0 }, shape.known_at));
        let mut starts = Vec::with_capacity(recipe.counts.len() + 1);
        let mut sum = 0;
        for count in std::iter::once(&0).chain(&recipe.counts) {
            sum += u32::from(*count);
            starts.push(sum);
        }
        Self {
            finder: WordFinder::new(words),
            starts,
            ofs: recipe.ofs().collect(),
            shapes,
            beside: recipe.beside.into_iter().collect(),
            patterns: Patterns::new(recipe.patterns),
            wordless: recipe.wordless,
            names: OnceLock::new(),
        }
    }

    /// Rules without words.
    pub(super) fn wordless(&self) -> impl Iterator<Item = usize> {
        self.wordless.iter().map(|rule| *rule as usize)
    }

    /// What a word is of, by its number.
    fn of(&self, word: usize) -> &[Of] {
        let (Some(from), Some(to)) = (self.starts.get(word), self.starts.get(word + 1)) else { return &[] };
        self.ofs.get(*from as usize..*to as usize).unwrap_or_default()
    }

    /// The last rule one of whose phrases is this text, folded.
    pub(super) fn exactly(&self, text: &str) -> Option<usize> {
        let rule = |of: &Of| match of {
            Of::Rule(rule) | Of::Beside(rule) => Some(*rule as usize),
            Of::Way(_) | Of::With(_) | Of::Without(_) => None,
        };
        let last = |word: usize| self.of(word).iter().filter_map(rule).max();
        let names = || (0..self.shapes.len()).filter_map(|word| Some((self.finder.word(word).into(), last(word)?)));
        self.names.get_or_init(|| names().collect()).get(text.as_bytes()).copied()
    }

    /// The rules whose words stand in the first `most` octets of a folded text, in the order of the rules, each with
    /// its first place in the folded text.
    pub(super) fn find(&self, folded: &Folded, most: usize) -> Vec<Where> {
        let text = folded.head(most);
        let mut found: Vec<Where> = Vec::new();
        if text.is_empty() {
            return found;
        }
        let mut beside: BTreeMap<u32, Beside> = BTreeMap::new();
        let mut note = |rule: u32, start: usize, end: usize| {
            let hit = Where { rule: rule as usize, start, end };
            match found.iter_mut().find(|w| w.rule == hit.rule) {
                // Of two hits at one place the longer says more: `yahoo.com.br` rather than `yahoo.com`.
                Some(old) if hit.start < old.start || (hit.start == old.start && hit.end > old.end) => *old = hit,
                Some(_) => {}
                None => found.push(hit),
            }
        };
        let mut candidates = self.patterns.candidates(text);
        // Places of words that some rule wants, or does not want, beside its own.
        let mut around: Vec<Around> = Vec::new();
        self.finder.each(text, |Hit { word, start, end }| {
            let Some(shape) = self.shapes.get(word) else { return };
            if !folded.is_whole(start, end, shape.open) {
                return;
            }
            let mut is_around = false;
            for of in self.of(word) {
                match *of {
                    Of::Way(way) => candidates.add(way),
                    Of::Beside(rule) => push(&mut beside.entry(rule).or_default().own, (start, end)),
                    Of::Rule(rule) => note(rule, start, end),
                    Of::With(_) | Of::Without(_) => is_around = true,
                }
            }
            if is_around && around.len() < MOST_AROUND {
                around.extend(Around::new(word, start, end));
            }
        });
        for (pattern, rule) in candidates.all() {
            let mut hits = pattern.find_iter(text);
            if self.beside.contains_key(&rule) {
                let own = &mut beside.entry(rule).or_default().own;
                own.extend(hits.take(MOST_HITS).map(|hit| (hit.start, hit.end)));
            } else if let Some(hit) = hits.next() {
                note(rule, hit.start, hit.end);
            }
        }
        if !beside.is_empty() {
            for Around { word, start, end } in around {
                let place = (start as usize, end as usize);
                for of in self.of(word as usize) {
                    match of {
                        Of::With(rule) => beside.get_mut(rule).into_iter().for_each(|b| push(&mut b.with, place)),
                        Of::Without(rule) => {
                            beside.get_mut(rule).into_iter().for_each(|b| push(&mut b.without, place));
                        }
                        Of::Rule(_) | Of::Beside(_) | Of::Way(_) => {}
                    }
                }
            }
        }
        for (rule, Beside { own, with, without }) in beside {
            let wants = self.beside.get(&rule).copied().unwrap_or_default();
            let near = |hit: &(usize, usize), list: &[(usize, usize)]| {
                list.iter().any(|word| in_one_sentence(text, *hit, *word))
            };
            let fits = |hit: &&(usize, usize)| (!wants || near(hit, &with)) && !near(hit, &without);
            let longest = |hit: &&(usize, usize)| (hit.0, std::cmp::Reverse(hit.1));
            if let Some(&(start, end)) = own.iter().filter(fits).min_by_key(longest) {
                note(rule, start, end);
            }
        }
        found.sort_unstable_by_key(|w| w.rule);
        found
    }
}

fn push<T>(list: &mut Vec<T>, hit: T) {
    if list.len() < MOST_HITS {
        list.push(hit);
    }
}

/// Whether two places of a folded text are near each other, and no sentence ends between them.
fn in_one_sentence(text: &str, a: (usize, usize), b: (usize, usize)) -> bool {
    let (first, second) = if a.0 <= b.0 { (a, b) } else { (b, a) };
    if first.1 >= second.0 {
        return true;
    }
    let Some(between) = text.get(first.1..second.0).filter(|t| t.len() <= NEAR) else { return false };
    // Letters of the word before a dot; digits count for none.
    let mut letters = 2;
    let mut chars = between.chars().peekable();
    while let Some(c) = chars.next() {
        let last = chars.peek().is_none_or(|next| *next == ' ');
        match c {
            '。' | '！' | '？' => return false,
            '!' | '?' if last => return false,
            // "12. Oktober", "z. B.": behind a digit or a lone letter it ends nothing.
            '.' if last && letters > 1 => return false,
            _ if c.is_alphabetic() => letters += 1,
            _ => letters = 0,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::in_one_sentence;

    #[test]
    fn what_stands_in_one_sentence() {
        let table = [
            ("i am away from you", "away", "you", true),
            ("i am away. write to you", "away", "you", false),
            ("bin bis 12. oktober weg", "bis", "weg", true),
            ("das ist z. b. mein haus", "das", "haus", true),
            ("wirklich weg? nein", "weg", "nein", false),
            ("休みです。連絡", "休み", "連絡", false),
        ];
        for (text, a, b, expected) in table {
            let place = |word: &str| text.find(word).map(|at| (at, at + word.len())).expect("is there");
            assert_eq!(in_one_sentence(text, place(a), place(b)), expected, "{text}");
            assert_eq!(in_one_sentence(text, place(b), place(a)), expected, "{text}");
        }
        let far = format!("away {} you", "x".repeat(400));
        assert!(!in_one_sentence(&far, (0, 4), (far.len() - 3, far.len())));
    }
}
