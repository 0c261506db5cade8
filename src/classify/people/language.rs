//! Which language the words are in.

use std::collections::HashMap;
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

/// Function words that belong to one of these languages more than to the others. Where they give
/// a clear answer the trigrams of whatlang, which cost ten times as much, are not asked; on texts
/// of one or two sentences they are right more often.
#[rustfmt::skip]
const FUNCTION_WORDS: &[(&str, &[&str])] = &[
    (
        "en",
        &[
            "the", "and", "you", "is", "of", "for", "we", "that", "this", "have", "your", "are", "it", "be", "with",
            "would", "will", "please", "from", "our", "can", "my", "not", "at", "was", "do", "but",
        ],
    ),
    (
        "de",
        &[
            "und", "der", "die", "das", "ich", "nicht", "wir", "ist", "sie", "mit", "für", "auf", "ein", "eine", "von",
            "zu", "bitte", "uns", "mir", "auch", "dem", "den", "haben", "werden", "bin", "ihr", "ihre",
        ],
    ),
    (
        "fr",
        &[
            "le", "les", "et", "je", "nous", "vous", "pour", "une", "est", "pas", "votre", "dans", "sur", "avec",
            "merci", "des", "du", "que", "au", "qui", "ce", "mais", "suis",
        ],
    ),
    (
        "es",
        &[
            "el", "los", "y", "que", "en", "por", "una", "con", "para", "su", "gracias", "es", "las", "nos", "pero",
            "como", "más", "lo", "estoy", "muy", "del", "usted",
        ],
    ),
    (
        "it",
        &[
            "il", "di", "che", "per", "non", "una", "sono", "grazie", "con", "della", "gli", "ma", "la", "mi", "del",
            "è", "vostra", "nel", "ci", "anche", "questo", "ho",
        ],
    ),
    (
        "pt",
        &[
            "o", "os", "e", "que", "não", "para", "uma", "com", "por", "obrigado", "obrigada", "seu", "do", "da", "em",
            "um", "mas", "você", "mais", "meu", "isso", "estou",
        ],
    ),
    (
        "nl",
        &[
            "de", "het", "een", "en", "ik", "niet", "van", "voor", "wij", "is", "dat", "met", "bedankt", "uw", "ons",
            "graag", "op", "te", "zijn", "wel", "maar", "kunt", "bij", "naar",
        ],
    ),
];

static WORDS: LazyLock<HashMap<&'static str, u32>> = LazyLock::new(|| {
    let mut map = HashMap::new();
    for (bit, (_, words)) in FUNCTION_WORDS.iter().enumerate() {
        for word in *words {
            *map.entry(*word).or_insert(0) |= 1 << bit;
        }
    }
    map
});

static DETECTOR: LazyLock<Detector> =
    LazyLock::new(|| Detector::with_allowlist(LANGUAGES.iter().map(|(lang, _)| *lang).collect()));

/// The language of a text that is long enough to tell, as ISO 639-1 code.
pub fn of(text: &str) -> Option<&'static str> {
    let end = text.char_indices().nth(LOOKED_AT).map_or(text.len(), |(at, _)| at);
    let text = text.get(..end)?;
    let dense = text.chars().filter(|c| is_dense(*c)).take(FEWEST_CHARS).count();
    if dense < FEWEST_CHARS
        && text.split_whitespace().filter(|w| w.chars().any(char::is_alphabetic)).take(FEWEST_WORDS).count()
            < FEWEST_WORDS
    {
        return None;
    }
    if let Some(code) = by_function_words(text) {
        return Some(code);
    }
    let lang = DETECTOR.detect_lang(text)?;
    LANGUAGES.iter().find(|(l, _)| *l == lang).map(|(_, code)| *code)
}

/// The language whose function words are there three times and twice as often as any other's, or twice and no other's.
fn by_function_words(text: &str) -> Option<&'static str> {
    let mut counts = [0_u32; FUNCTION_WORDS.len()];
    let (mut words, mut plain) = (0_u32, 0_u32);
    let mut lower = String::new();
    for word in text.split(|c: char| !c.is_alphabetic() && c != '\'').filter(|w| !w.is_empty()) {
        words += 1;
        plain += u32::from(word.chars().all(|c| c < '\u{0250}'));
        if word.len() > 12 {
            continue;
        }
        lower.clear();
        lower.extend(word.chars().flat_map(char::to_lowercase));
        let bits = WORDS.get(lower.as_str()).copied().unwrap_or(0);
        for (bit, count) in counts.iter_mut().enumerate() {
            *count += u32::from(bits & (1 << bit) != 0);
        }
    }
    let (at, best) = counts.iter().enumerate().max_by_key(|(_, c)| **c)?;
    let second = counts.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, c)| *c).max().unwrap_or(0);
    // At least one word in six, in a text of Latin letters.
    let fewest = if second == 0 { 2 } else { 3 };
    let clear = *best >= fewest && *best >= second * 2 && *best * 6 >= words && plain * 10 >= words * 9;
    clear.then(|| FUNCTION_WORDS.get(at).map(|(code, _)| *code))?
}

/// Scripts that write words without spaces or in syllable blocks.
fn is_dense(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{0e00}'..='\u{0e7f}')
}
