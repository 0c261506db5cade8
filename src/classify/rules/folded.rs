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

fn is_east_asian(c: char) -> bool {
    ('\u{2e80}'..'\u{ac00}').contains(&c) || ('\u{ff00}'..'\u{fff0}').contains(&c)
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
        let mut broken = false;
        let mut rest = original;
        while let Some(c) = rest.chars().next() {
            let at = original.len() - rest.len();
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            if c.is_whitespace() || c == '\u{200b}' {
                gap = true;
                broken |= c == '\n';
                continue;
            }
            // Chinese and Japanese have no spaces: a line broken in their midst is none either.
            let within =
                std::mem::take(&mut broken) && is_east_asian(c) && text.chars().next_back().is_some_and(is_east_asian);
            if std::mem::take(&mut gap) && !text.is_empty() && !within {
                text.push(' ');
            }
            let now = at.cast_signed() - text.len().cast_signed();
            if now != shift || steps.is_empty() {
                steps.push((text.len(), at));
                shift = now;
            }
            match c {
                '’' | '‘' | 'ʼ' => text.push('\''),
                _ if c.is_ascii() => {
                    // The rest of its word, as far as it is ASCII.
                    let more = rest.bytes().take_while(|octet| octet.is_ascii() && !is_space(*octet)).count();
                    let (word, behind) = rest.split_at_checked(more).unwrap_or_default();
                    let from = text.len();
                    text.push(c);
                    text.push_str(word);
                    text.get_mut(from..).into_iter().for_each(str::make_ascii_lowercase);
                    rest = behind;
                }
                _ => text.extend(c.to_lowercase()),
            }
        }
        Self { text, steps }
    }

    /// The same for ASCII, octet by octet.
    fn of_ascii(original: &str) -> Self {
        // Most phrases of rules are folded as they stand.
        let mut before = b' ';
        let folded = |octet: u8| {
            let fits = if octet == b' ' { before != b' ' } else { octet > b' ' && !octet.is_ascii_uppercase() };
            before = octet;
            fits
        };
        if original.bytes().all(folded) && !original.ends_with(' ') {
            return Self { text: original.to_owned(), steps: Vec::new() };
        }
        let mut text = String::with_capacity(original.len());
        let mut steps: Vec<(usize, usize)> = Vec::new();
        let octets = original.as_bytes();
        let mut at = 0;
        while let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty()) {
            let gap = rest.iter().take_while(|octet| is_space(**octet)).count();
            let word = rest.iter().skip(gap).take_while(|octet| !is_space(**octet)).count();
            let (from, end) = (at + gap, at + gap + word);
            at = end;
            let Some(word) = original.get(from..end).filter(|word| !word.is_empty()) else { break };
            if !text.is_empty() {
                text.push(' ');
            }
            // Single spaces keep the distance to the original.
            if steps.last().is_none_or(|(folded, original)| from - original != text.len() - folded) {
                steps.push((text.len(), from));
            }
            text.push_str(word);
        }
        text.make_ascii_lowercase();
        Self { text, steps }
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
