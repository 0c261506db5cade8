//! Numbers of things, in texts for people.

use std::fmt::Display;

/// `1 mail`, `2 mails`: `noun` is one that an s makes several of.
pub(crate) fn count<N: Copy + Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    format!("{number} {noun}{}", if number == N::from(1) { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn one_and_many() {
        for (number, expected) in [(0, "0 mails"), (1, "1 mail"), (2, "2 mails")] {
            assert_eq!(count(number, "mail"), expected);
        }
    }
}
