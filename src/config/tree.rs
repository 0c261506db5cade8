//! The file as a tree in which every key and value knows its place.
//!
//! Takes YAML 1.2 with anchors, aliases and merge keys (`<<`). A syntax error ends the reading,
//! and is reported alone, because what follows it can no longer be told apart. Duplicate keys and
//! tags are reported, and the tree goes on without them.

use super::path::{Path, Step};
use crate::mistake::{Mistake, Mistakes, Place, shown_key, shown_value};
use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, StructureStyle, Tag};
use std::collections::{HashMap, HashSet};

/// The largest file that is read as a configuration.
pub(super) const MAX_FILE: usize = 1_000_000;
/// Entries that merge keys may copy: a few anchors can otherwise make any number of them.
const MAX_MERGED: usize = 20_000;

/// A node in a [`Tree`].
pub(super) type Id = usize;

/// A parsed file. Nodes are stored children first, so no alias can make a circle.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub place: Place,
    pub kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Text(Text),
    List { items: Vec<Id>, block: bool },
    Map { entries: Vec<Entry>, block: bool },
}

#[derive(Debug, Clone)]
pub(super) struct Text {
    pub content: String,
    /// Without quotes: the only kind in which variables count and which can be null.
    pub plain: bool,
    /// Written on one line.
    pub one_line: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: String,
    pub place: Place,
    pub value: Id,
}

impl Text {
    /// What a key without a value has.
    pub(super) fn is_null(&self) -> bool {
        self.plain && matches!(self.content.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// Neither from the environment nor over several lines, into which a line with a secret can slip.
    pub(super) fn is_written_here(&self) -> bool {
        self.one_line && !self.content.contains("${")
    }

    /// The text, where a message may repeat it.
    pub(super) fn shown(&self) -> Option<&str> {
        shown_value(&self.content).filter(|_| self.is_written_here())
    }
}

impl Tree {
    pub(super) fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(id)
    }

    pub(super) fn root(&self) -> Option<Id> {
        self.nodes.len().checked_sub(1)
    }

    /// The node at `path`.
    pub(super) fn find(&self, path: &Path) -> Option<&Node> {
        path.steps().iter().try_fold(self.node(self.root()?)?, |node, step| self.step(node, step).map(|(_, n)| n))
    }

    /// Whether something other than null stands at `path`.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.find(path).is_some_and(|node| !matches!(&node.kind, Kind::Text(text) if text.is_null()))
    }

    /// Where the setting at `path` stands, or the nearest one around it.
    pub(super) fn place(&self, path: &Path) -> Place {
        let Some(mut node) = self.root().and_then(|id| self.node(id)) else {
            return Place { line: 1, column: 1 };
        };
        let mut place = node.place;
        for step in path.steps() {
            let Some((key, next)) = self.step(node, step) else { break };
            place = match (&next.kind, key) {
                // A value on lines of its own is found by its key; so is one that is not there.
                (Kind::List { block: true, .. } | Kind::Map { block: true, .. }, Some(key)) => key,
                (Kind::Text(text), Some(key)) if text.is_null() => key,
                _ => next.place,
            };
            node = next;
        }
        place
    }

    /// The child of `node`, and where its key stands.
    fn step<'t>(&'t self, node: &'t Node, step: &Step) -> Option<(Option<Place>, &'t Node)> {
        match (&node.kind, step) {
            (Kind::List { items, .. }, Step::Item(at)) => Some((None, self.node(*items.get(*at)?)?)),
            (Kind::Map { entries, .. }, Step::Key(key)) => {
                let entry = entries.iter().find(|e| e.key == *key)?;
                Some((Some(entry.place), self.node(entry.value)?))
            }
            _ => None,
        }
    }

    /// How people call the setting at `path`: a mailbox by its name, if it has a proper one.
    pub(super) fn label(&self, path: &Path) -> Option<String> {
        let name = |list: &str, what: &str, key: &str| match path.steps() {
            [Step::Key(first), item @ Step::Item(_), rest @ ..] if first == list => {
                let at = Path::from([Step::Key(list.to_owned()), item.clone(), Step::Key(key.to_owned())]);
                match &self.find(&at)?.kind {
                    Kind::Text(text) if !text.is_null() => {
                        let name = format!("{what} {}", shown_key(&text.content)?);
                        Some(if rest.is_empty() { name } else { format!("{name}: {}", Path::from(rest)) })
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        name("mailboxes", "mailbox", "name")
            .or_else(|| name("correlators", "correlator", "id"))
            .or_else(|| (!path.steps().is_empty()).then(|| path.to_string()))
    }
}

/// A collection that is still open.
struct Open {
    place: Place,
    anchor: usize,
    block: bool,
    content: Content,
}

enum Content {
    List(Vec<Id>),
    Map { entries: Vec<Entry>, seen: HashMap<String, Place>, key: Option<Key>, merges: Vec<Id> },
}

enum Key {
    Named(String, Place),
    Merge,
    /// The value goes nowhere.
    Dropped,
}

/// Reads `text`. Mistakes that leave the tree usable go into `mistakes`.
pub(super) fn parse(text: &str, mistakes: &mut Mistakes) -> Result<Tree, Mistake> {
    if text.len() > MAX_FILE {
        let problem = format!("the file is larger than {} kB: this is no configuration", MAX_FILE / 1000);
        return Err(Mistake { line: None, column: None, setting: None, problem });
    }
    let mut builder = Builder { tree: Tree::default(), open: Vec::new(), anchors: HashMap::new(), merged: 0, mistakes };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| syntax(&e))?;
        if matches!(event, Event::DocumentStart(..)) {
            documents += 1;
            if documents > 1 {
                let problem = "a second document starts here: a configuration is one document, without `---` in it";
                return Err(Mistake::new(place(span.start), None, problem));
            }
        }
        builder.take(event, span)?;
    }
    let Builder { mut tree, .. } = builder;
    if tree.nodes.is_empty() {
        // Nothing but comments: as if every key were missing.
        let kind = Kind::Map { entries: Vec::new(), block: true };
        tree.nodes.push(Node { place: Place { line: 1, column: 1 }, kind });
    }
    Ok(tree)
}

struct Builder<'m> {
    tree: Tree,
    open: Vec<Open>,
    anchors: HashMap<usize, Id>,
    merged: usize,
    mistakes: &'m mut Mistakes,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Mistake> {
        let at = place(span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let forced = self.check_tag(tag.as_deref(), &span);
                let plain = style == ScalarStyle::Plain && !forced;
                let one_line = span.start.line() == span.end.line();
                let kind = Kind::Text(Text { content: text.into_owned(), plain, one_line });
                self.close(Node { place: at, kind }, anchor);
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), &span);
                let content = Content::List(Vec::new());
                self.open.push(Open { place: at, anchor, block: style == StructureStyle::Block, content });
            }
            Event::MappingStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), &span);
                let content = Content::Map { entries: Vec::new(), seen: HashMap::new(), key: None, merges: Vec::new() };
                self.open.push(Open { place: at, anchor, block: style == StructureStyle::Block, content });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { place, anchor, block, content }) = self.open.pop() else { return Ok(()) };
                let kind = match content {
                    Content::List(items) => Kind::List { items, block },
                    Content::Map { entries, merges, .. } => {
                        Kind::Map { entries: self.merge(entries, &merges, place)?, block }
                    }
                };
                self.close(Node { place, kind }, anchor);
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(id) => self.attach(*id, at),
                None => {
                    return Err(Mistake::new(at, None, "this alias stands inside the value that it stands for"));
                }
            },
            _ => {}
        }
        Ok(())
    }

    /// Whether the tag makes a text of what would otherwise be something else.
    fn check_tag(&mut self, tag: Option<&Tag>, span: &Span) -> bool {
        let Some(tag) = tag else { return false };
        let at = place(span.tag_start().unwrap_or(span.start));
        match tag.core_suffix() {
            Some("str") => true,
            Some("int" | "bool" | "float" | "null" | "map" | "seq") => false,
            _ if tag.handle().is_empty() && tag.suffix() == "!" => true,
            _ => {
                self.mistakes.push(Mistake::new(at, None, "a tag (`!…`) has no meaning in this file: take it away"));
                false
            }
        }
    }

    fn close(&mut self, node: Node, anchor: usize) {
        let (id, at) = (self.tree.nodes.len(), node.place);
        self.tree.nodes.push(node);
        if anchor > 0 {
            self.anchors.insert(anchor, id);
        }
        self.attach(id, at);
    }

    /// Puts a node into the collection that is open: as an item, a key, or the value of the last key.
    fn attach(&mut self, id: Id, at: Place) {
        let Some(Open { content, .. }) = self.open.last_mut() else { return };
        match content {
            Content::List(items) => items.push(id),
            Content::Map { entries, seen, key, merges } => match key.take() {
                Some(Key::Named(key, place)) => entries.push(Entry { key, place, value: id }),
                Some(Key::Merge) => merges.push(id),
                Some(Key::Dropped) => {}
                None => *key = Some(read_key(self.tree.nodes.get(id), at, seen, self.mistakes)),
            },
        }
    }

    /// Adds what `<<` brings: keys that are not given themselves, from the first mapping that has them.
    fn merge(&mut self, mut entries: Vec<Entry>, merges: &[Id], at: Place) -> Result<Vec<Entry>, Mistake> {
        let mut sources = Vec::new();
        for id in merges {
            match self.tree.nodes.get(*id).map(|n| &n.kind) {
                Some(Kind::List { items, .. }) => sources.extend(items),
                _ => sources.push(*id),
            }
        }
        let mut given: HashSet<String> = HashSet::new();
        if !sources.is_empty() {
            given.extend(entries.iter().map(|e| e.key.clone()));
        }
        for id in sources {
            match self.tree.nodes.get(id) {
                Some(Node { kind: Kind::Map { entries: more, .. }, .. }) => {
                    self.merged += more.len() + 1;
                    if self.merged > MAX_MERGED {
                        return Err(Mistake::new(at, None, "`<<` merges too much: write fewer settings with it"));
                    }
                    for entry in more {
                        if given.insert(entry.key.clone()) {
                            entries.push(entry.clone());
                        }
                    }
                }
                Some(node) => {
                    let problem = "`<<` takes a mapping, or a list of them: write `<<: *name`";
                    self.mistakes.push(Mistake::new(node.place, None, problem));
                }
                None => {}
            }
        }
        Ok(entries)
    }
}

/// What kind of key `node` is; `seen` are those before it in its mapping.
fn read_key(node: Option<&Node>, at: Place, seen: &mut HashMap<String, Place>, mistakes: &mut Mistakes) -> Key {
    let Some(Node { kind: Kind::Text(text), .. }) = node else {
        mistakes.push(Mistake::new(at, None, "a key must be a word: no list and no mapping can be one"));
        return Key::Dropped;
    };
    if text.plain && text.content == "<<" {
        return Key::Merge;
    }
    if let Some(first) = seen.get(&text.content) {
        let name = shown_key(&text.content).map_or(String::new(), |k| format!(" `{k}`"));
        let problem = format!("the key{name} stands in line {} already: keep one of the two", first.line);
        mistakes.push(Mistake::new(at, None, problem));
        return Key::Dropped;
    }
    seen.insert(text.content.clone(), at);
    Key::Named(text.content.clone(), at)
}

fn place(mark: Marker) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Place { line: number(mark.line()).max(1), column: number(mark.col()).saturating_add(1) }
}

/// A syntax error: the parser's words, and what most often helps.
fn syntax(error: &ScanError) -> Mistake {
    let advice = match error.kind() {
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
            "a tab stands in the indentation: indent with spaces"
        }
        ErrorKind::TabInPlainScalar => "a tab stands behind this text or below it: write spaces",
        ErrorKind::UnclosedQuotedScalar => "a quote is opened and not closed",
        ErrorKind::UnclosedFlowCollection { .. } => "a bracket is opened and not closed",
        ErrorKind::MisplacedFlowCollectionEnd | ErrorKind::MismatchedFlowCollectionEnd { .. } => {
            "a bracket is closed that does not fit the one that is open"
        }
        ErrorKind::ExpectedFlowMappingSeparator => "expected `,` or `}` here",
        ErrorKind::ExpectedFlowSequenceSeparator => "expected `,` or `]` here",
        ErrorKind::MappingValueNotAllowed => {
            "no `key: value` can stand here: put a text that has `: ` in it into quotes, or give the key its own line"
        }
        ErrorKind::SimpleKeyExpected => "expected `key: value`: a colon and a space are missing after the key",
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => {
            "the indentation does not fit the lines above: keys of one setting start in the same column"
        }
        ErrorKind::ExpectedBlockSequenceEntry => {
            "the indentation does not fit the lines above: expected `- `, or a key in the column of the other keys"
        }
        ErrorKind::UnknownAnchor => "this alias has no anchor above it: write `&name` where the value stands first",
        ErrorKind::RecursionLimitExceeded => "brackets or lists are nested too deeply",
        ErrorKind::UnexpectedCharacter { .. } => "a text cannot begin with this character: put it into quotes",
        ErrorKind::UnknownQuotedScalarEscape => {
            "an escape in double quotes is unknown: write `\\\\` for a backslash, or use single quotes"
        }
        _ => "",
    };
    let problem = match advice {
        // The parser's own words are fixed texts; only a custom one could repeat the file.
        "" if matches!(error.kind(), ErrorKind::Custom(_)) => "not valid YAML".to_owned(),
        "" => format!("not valid YAML: {}", error.kind()),
        advice => advice.to_owned(),
    };
    Mistake::new(place(*error.marker()), None, problem)
}
