//! Texts made alike before rules look at them.

/// A text in lower case with single spaces, and the way back to the octets it came from.
#[derive(Debug)]
pub struct Folded {
    pub(super) text: String,
    /// (octet in `text`, octet in the original) wherever the distance between them changes; none where it is 0 all along.
    steps: Vec<(usize, usize)>,
}

/// A letter or digit of an alphabet that writes words with spaces between them: ASCII, Latin, Greek and Cyrillic, not
/// Chinese, Japanese or Thai.
pub(super) fn is_letter(c: char) -> bool {
    c.is_alphanumeric() && c < '\u{0600}'
}

/// ASCII white space as `char::is_whitespace` has it.
const fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t'..=b'\r')
}

/// Whether a line is ASCII and has words and no other white space than single spaces between them. Every octet is looked
/// at, which processors do for many at once.
fn is_single_spaced_ascii(line: &[u8]) -> bool {
    let others = line.iter().fold(0, |found, octet| found | (octet & 0x80) | u8::from((b'\t'..=b'\r').contains(octet)));
    let twice = line.array_windows().fold(0, |found, pair| found | u8::from(*pair == [b' ', b' ']));
    let ends = [line.first(), line.last()];
    (others | twice) == 0 && !ends.contains(&None) && !ends.contains(&Some(&b' '))
}

fn is_east_asian(c: char) -> bool {
    ('\u{2e80}'..'\u{ac00}').contains(&c) || ('\u{ff00}'..'\u{fff0}').contains(&c)
}

/// A text while it is folded.
struct Folding {
    folded: Folded,
    /// The original's octets less the folded ones, at the last step.
    shift: isize,
    /// White space was passed since the last character, and a line end in it.
    gap: bool,
    broken: bool,
}

impl Folding {
    /// Makes way for what stands at octet `at` of the original.
    fn step(&mut self, at: usize, within: bool) {
        let Folded { text, steps } = &mut self.folded;
        if std::mem::take(&mut self.gap) && !text.is_empty() && !within {
            text.push(' ');
        }
        let now = at.cast_signed() - text.len().cast_signed();
        if now != self.shift || steps.is_empty() {
            steps.push((text.len(), at));
            self.shift = now;
        }
    }

    /// ASCII with single spaces.
    fn words(&mut self, words: &str, at: usize) {
        self.broken = false;
        self.step(at, false);
        let text = &mut self.folded.text;
        let from = text.len();
        text.push_str(words);
        text.get_mut(from..).into_iter().for_each(str::make_ascii_lowercase);
    }

    /// Anything else.
    fn chars(&mut self, line: &str, from: usize) {
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let at = from + line.len() - rest.len();
            if c.is_ascii() && !is_space(c as u8) {
                // Its word, as far as it is ASCII.
                let word = rest.bytes().take_while(|octet| octet.is_ascii() && !is_space(*octet)).count();
                let (word, behind) = rest.split_at_checked(word).unwrap_or((rest, ""));
                self.words(word, at);
                rest = behind;
                continue;
            }
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            if c.is_whitespace() || c == '\u{200b}' {
                self.gap = true;
                continue;
            }
            // Chinese and Japanese have no spaces: a line broken in their midst is none either.
            let within = std::mem::take(&mut self.broken)
                && is_east_asian(c)
                && self.folded.text.chars().next_back().is_some_and(is_east_asian);
            self.step(at, within);
            match c {
                '’' | '‘' | 'ʼ' => self.folded.text.push('\''),
                _ => self.folded.text.extend(c.to_lowercase()),
            }
        }
    }
}

impl Folded {
    /// Folds a text.
    #[must_use]
    pub fn new(original: &str) -> Self {
        // Most phrases of rules are folded as they stand.
        let mut before = b' ';
        let as_it_stands = |octet: u8| {
            let fits = if octet == b' ' { before != b' ' } else { (b'!'..=b'~').contains(&octet) };
            before = octet;
            fits && !octet.is_ascii_uppercase()
        };
        if original.bytes().all(as_it_stands) && !original.ends_with(' ') {
            return Self { text: original.to_owned(), steps: Vec::new() };
        }
        let folded = Self { text: String::with_capacity(original.len()), steps: Vec::new() };
        let mut folding = Folding { folded, shift: 0, gap: false, broken: false };
        let mut from = 0;
        for line in original.split('\n') {
            let words = line.strip_suffix('\r').unwrap_or(line);
            if is_single_spaced_ascii(words.as_bytes()) {
                folding.words(words, from);
            } else {
                folding.chars(line, from);
            }
            (folding.gap, folding.broken) = (true, true);
            from += line.len() + 1;
        }
        folding.folded
    }

    /// Whether a hit cuts no word at either end. An open end may stand within a word.
    pub(super) fn is_whole(&self, start: usize, end: usize, (open_start, open_end): (bool, bool)) -> bool {
        // Mostly there are no other neighbours than ASCII's.
        let octets = self.text.as_bytes();
        let part = |at: Option<usize>| match at.map(|at| octets.get(at)) {
            None | Some(None) => Some(false),
            Some(Some(octet)) => octet.is_ascii().then_some(octet.is_ascii_alphanumeric()),
        };
        let around = (part(start.checked_sub(1)), part(Some(start)), part(end.checked_sub(1)), part(Some(end)));
        if let (Some(before), Some(first), Some(last), Some(after)) = around {
            return (open_start || !(before && first)) && (open_end || !(last && after));
        }
        let joins =
            |a: Option<char>, b: Option<char>| matches!((a, b), (Some(a), Some(b)) if is_letter(a) && is_letter(b));
        let (Some(before), Some(hit), Some(after)) =
            (self.text.get(..start), self.text.get(start..end), self.text.get(end..))
        else {
            return false;
        };
        (open_start || !joins(before.chars().next_back(), hit.chars().next()))
            && (open_end || !joins(hit.chars().next_back(), after.chars().next()))
    }

    /// The first octets of the folded text.
    pub(super) fn head(&self, most: usize) -> &str {
        let mut end = self.text.len().min(most);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        self.text.get(..end).unwrap_or_default()
    }

    /// Keeps what stands before octet `at` of the original.
    pub fn truncate(&mut self, at: usize) {
        let whole = [(0, 0)];
        let steps = if self.steps.is_empty() { &whole } else { self.steps.as_slice() };
        let next = steps.partition_point(|(_, original)| *original < at);
        let mut end = steps.get(next).map_or(self.text.len(), |(folded, _)| *folded);
        if let Some((folded, original)) = next.checked_sub(1).and_then(|i| steps.get(i)) {
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
    pub(super) fn place(&self, at: usize) -> usize {
        let step = self.steps.partition_point(|(folded, _)| *folded <= at).saturating_sub(1);
        self.steps.get(step).map_or(at, |(folded, original)| original + at.saturating_sub(*folded))
    }
}

#[cfg(test)]
mod tests {
    use super::Folded;
    use proptest::prelude::*;

    #[test]
    fn folding_keeps_the_way_back() {
        let text = "  Out   of\r\n Öffice’s END";
        let folded = Folded::new(text);
        assert_eq!(folded.text, "out of öffice's end");
        let at = folded.text.find("end").expect("is there");
        assert_eq!(text.get(folded.place(at)..folded.place(at) + 3), Some("END"));
    }

    proptest! {
        #[test]
        fn single_spaces_and_lower_case(text in "[ab A\r\n\t\u{b}.éÉ]{0,40}") {
            let folded = Folded::new(&text);
            let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
            prop_assert_eq!(&folded.text, &words.join(" "));
            for (at, c) in folded.text.char_indices().filter(|(_, c)| *c != ' ') {
                let original = text.get(folded.place(at)..).and_then(|rest| rest.chars().next());
                prop_assert_eq!(original.map(|o| o.to_lowercase().to_string()), Some(c.to_string()));
            }
        }

        #[test]
        fn lines_of_east_asian_text_are_joined(before in "[休み]{1,4}", behind in "[休みa]{1,4}") {
            let expected = if behind.starts_with('a') { format!("{before} {behind}") } else { format!("{before}{behind}") };
            let folded = Folded::new(&format!("{before} \n\n{behind}"));
            prop_assert_eq!(folded.text, expected);
        }
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
    fn what_is_folded_already_is_cut_too() {
        let mut folded = Folded::new("one two");
        folded.truncate(5);
        assert_eq!(folded.text, "one t");
        folded.truncate(0);
        assert_eq!(folded.text, "");
    }

    #[test]
    fn phrases_are_whole_words() {
        let folded = Folded::new("the outage of it");
        assert!(!folded.is_whole(4, 7, (false, false)));
        assert!(folded.is_whole(4, 7, (false, true)));
        assert!(folded.is_whole(4, 10, (false, false)));
    }
}
