//! Which language the words are in.

use std::sync::LazyLock;
use whatlang::{Detector, Lang};

/// Words below which no guess is made; characters of Chinese, Japanese, Korean and Thai count by
/// themselves, as these write few spaces.
const FEWEST_WORDS: usize = 8;
const FEWEST_CHARS: usize = 20;
/// The first characters decide; more costs time and changes nothing.
const LOOKED_AT: usize = 400;

/// The languages that are told apart, with their ISO 639-1 codes. Fewer candidates, fewer errors:
/// whatlang knows many that it confuses with these on short texts.
const LANGUAGES: &[(Lang, &str)] = &[
    (Lang::Eng, "en"),
    (Lang::Deu, "de"),
    (Lang::Fra, "fr"),
    (Lang::Spa, "es"),
    (Lang::Ita, "it"),
    (Lang::Por, "pt"),
    (Lang::Nld, "nl"),
    (Lang::Pol, "pl"),
    (Lang::Swe, "sv"),
    (Lang::Dan, "da"),
    (Lang::Nob, "no"),
    (Lang::Fin, "fi"),
    (Lang::Ces, "cs"),
    (Lang::Slk, "sk"),
    (Lang::Hun, "hu"),
    (Lang::Ron, "ro"),
    (Lang::Rus, "ru"),
    (Lang::Ukr, "uk"),
    (Lang::Bul, "bg"),
    (Lang::Ell, "el"),
    (Lang::Tur, "tr"),
    (Lang::Heb, "he"),
    (Lang::Ara, "ar"),
    (Lang::Jpn, "ja"),
    (Lang::Cmn, "zh"),
    (Lang::Kor, "ko"),
    (Lang::Vie, "vi"),
    (Lang::Ind, "id"),
];

static DETECTOR: LazyLock<Detector> =
    LazyLock::new(|| Detector::with_allowlist(LANGUAGES.iter().map(|(lang, _)| *lang).collect()));

/// The language of a text that is long enough to tell, as ISO 639-1 code.
pub fn of(text: &str) -> Option<&'static str> {
    let end = text.char_indices().nth(LOOKED_AT).map_or(text.len(), |(at, _)| at);
    let text = text.get(..end)?;
    let dense = text.chars().filter(|c| is_dense(*c)).take(FEWEST_CHARS).count();
    if dense < FEWEST_CHARS && text.split_whitespace().filter(|w| w.chars().any(char::is_alphabetic)).take(FEWEST_WORDS).count() < FEWEST_WORDS {
        return None;
    }
    let lang = DETECTOR.detect_lang(text)?;
    LANGUAGES.iter().find(|(l, _)| *l == lang).map(|(_, code)| *code)
}

/// Scripts that write words without spaces or in syllable blocks.
fn is_dense(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{0e00}'..='\u{0e7f}')
}
