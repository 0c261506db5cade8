//! Text whose charset nobody declared, or that was declared wrongly.
//!
//! Old mail systems send ISO-2022-JP or Latin octets with no `Content-Type` at all, or with `us-ascii`; new ones write
//! `iso-8859-1` over UTF-8. What the declaration does not read would be lost.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Encoding, Message, MessagePart, MimeHeaders, PartType};
use std::borrow::Cow;

/// Octets of such a text that are decoded again.
const MAX: usize = 256 * 1024;

/// The text of a part; empty for one that holds none.
#[must_use]
pub fn text_of<'a>(message: &'a Message<'_>, part: &'a MessagePart<'_>) -> Cow<'a, str> {
    let (PartType::Text(text) | PartType::Html(text)) = &part.body else { return Cow::Borrowed("") };
    let declared = part.content_type().and_then(|c| c.attribute("charset")).unwrap_or_default();
    let escapes = || memchr::memmem::find(text.as_bytes(), b"\x1b$").is_some();
    let alias = alias(declared);
    if alias.is_none() && text.is_ascii() && !escapes() {
        return Cow::Borrowed(text.as_ref());
    }
    let decoded = if escapes() {
        decode("iso-2022-jp", text.as_bytes())
    } else if let Some(alias) = alias {
        octets(message, part).and_then(|raw| decode(alias, &raw))
    } else if is_right(head(text), declared) {
        None
    } else {
        octets(message, part).and_then(|raw| guess(message, &raw))
    };
    decoded.map_or(Cow::Borrowed(text.as_ref()), Cow::Owned)
}

/// As much of a text as is decoded again, up to a sign of ASCII: no sequence is cut.
fn head(text: &str) -> &str {
    match text.get(..text.floor_char_boundary(MAX)) {
        Some(head) if head.len() < text.len() => head.trim_end_matches(|c: char| !c.is_ascii()),
        _ => text,
    }
}

/// Names that the decoders do not know.
const ALIASES: [(&str, &str); 18] = [
    ("cp932", "shift_jis"),
    ("ms932", "shift_jis"),
    ("x-ms-cp932", "shift_jis"),
    ("windows-31j", "shift_jis"),
    ("cp949", "euc-kr"),
    ("ms949", "euc-kr"),
    ("ks_c_5601", "euc-kr"),
    ("cp936", "gb18030"),
    ("ms936", "gb18030"),
    ("x-gbk", "gb18030"),
    ("cp950", "big5"),
    ("x-big5", "big5"),
    ("cp50220", "iso-2022-jp"),
    ("cp50221", "iso-2022-jp"),
    ("iso-2022-jp-1", "iso-2022-jp"),
    ("iso-2022-jp-2", "iso-2022-jp"),
    ("iso-2022-jp-ms", "iso-2022-jp"),
    ("koi8", "koi8-r"),
];

/// A charset by the name that the decoders know it by.
fn alias(name: &str) -> Option<&'static str> {
    ALIASES.iter().find(|(other, _)| name.eq_ignore_ascii_case(other)).map(|(_, known)| *known)
}

/// Whether a text that is not ASCII was read as its sender meant it. Some names senders write without a look at the
/// text: there the text must speak for itself.
fn is_right(text: &str, declared: &str) -> bool {
    let is = |names: &[&str]| names.iter().any(|n| declared.eq_ignore_ascii_case(n));
    let lossy = || memchr::memmem::find(text.as_bytes(), "\u{fffd}".as_bytes()).is_some();
    if declared.is_empty() || is(&["utf-8", "utf8"]) {
        return !lossy();
    }
    if is(&["us-ascii", "ascii"]) && lossy() {
        return false;
    }
    if is(&["us-ascii", "ascii", "iso-8859-1", "ansi_x3.4-1968", "windows-1252"]) {
        // Octets of UTF-8 read as Latin begin with one of these.
        return !text.contains(['Ã', 'Â', 'â', 'Ð', 'Ñ', 'ã', 'å', 'ä', 'æ', 'ç', 'è', 'é']) || !looks_doubled(text);
    }
    charset_decoder(declared.as_bytes()).is_some()
}

/// Whether every sign beyond ASCII could be an octet of UTF-8 that was read as Latin.
fn looks_doubled(text: &str) -> bool {
    let mut due = 0;
    for c in text.chars().filter(|c| !c.is_ascii()) {
        let octet = match u32::from(c) {
            code @ 0x80..=0xff => code,
            // What windows-1252 puts where Latin-1 has control signs is a following octet.
            _ => 0x80,
        };
        due = match (octet, due) {
            (0xc2..=0xdf, 0) => 1,
            (0xe0..=0xef, 0) => 2,
            (0xf0..=0xf4, 0) => 3,
            (0x80..=0xbf, 1..) => due - 1,
            _ => return false,
        };
    }
    due == 0
}

/// The octets of a part, its transfer encoding undone.
fn octets<'a>(message: &'a Message<'_>, part: &MessagePart<'_>) -> Option<Cow<'a, [u8]>> {
    let raw = message.raw_message.get(part.offset_body as usize..part.offset_end as usize)?;
    let raw = raw.get(..raw.len().min(MAX)).unwrap_or(raw);
    match part.encoding {
        Encoding::None => Some(Cow::Borrowed(raw)),
        Encoding::QuotedPrintable => quoted_printable_decode(raw).map(Cow::Owned),
        Encoding::Base64 => base64_decode(raw).map(Cow::Owned),
    }
}

/// Octets as text: UTF-8, though some of it may be broken or cut off; else Latin, as most senders mean who do not say.
#[must_use]
pub fn text_of_octets(octets: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(octets) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) if is_mostly_utf8(octets) => String::from_utf8_lossy(octets),
        Err(_) => decode("windows-1252", octets).map_or_else(|| String::from_utf8_lossy(octets), Cow::Owned),
    }
}

/// Whether more signs of several octets are whole than broken.
fn is_mostly_utf8(octets: &[u8]) -> bool {
    let (mut whole, mut broken) = (0_usize, 0_usize);
    for chunk in octets.utf8_chunks() {
        whole += chunk.valid().bytes().filter(|b| *b >= 0xc0).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    whole > broken
}

fn decode(charset: &str, octets: &[u8]) -> Option<String> {
    if charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8") {
        return Some(String::from_utf8_lossy(octets).into_owned());
    }
    charset_decoder(charset.as_bytes()).map(|decoder| decoder(octets))
}

/// What octets without a charset to trust most likely are.
fn guess(message: &Message<'_>, octets: &[u8]) -> Option<String> {
    if std::str::from_utf8(octets).is_ok() || is_mostly_utf8(octets) {
        return Some(String::from_utf8_lossy(octets).into_owned());
    }
    subject_charset(message).and_then(|c| decode(&c, octets)).or_else(|| decode("windows-1252", octets))
}

/// The charset of the subject's first encoded word (RFC 2047), as a hint: who declares it there means it here.
fn subject_charset(message: &Message<'_>) -> Option<String> {
    let raw = raw_header(message, "subject")?;
    let at = memchr::memmem::find(raw, b"=?")?;
    let name: Vec<u8> = raw.get(at + 2..)?.iter().take(40).copied().take_while(|b| *b != b'?').collect();
    let name = String::from_utf8(name).ok()?;
    (!name.eq_ignore_ascii_case("utf-8") && charset_decoder(name.as_bytes()).is_some()).then_some(name)
}

fn raw_header<'a>(message: &'a Message<'_>, name: &str) -> Option<&'a [u8]> {
    let header = message.headers().iter().find(|h| h.name.as_str().eq_ignore_ascii_case(name))?;
    message.raw_message.get(header.offset_start as usize..header.offset_end as usize)
}

/// A subject whose plain reading lost signs: raw octets without an encoded word (RFC 2047 section 1), or encoded words
/// that part a sign between them (section 5 forbids it, QQ and Exchange 2003 do it).
#[must_use]
pub fn subject_of(message: &Message<'_>) -> Option<String> {
    let raw = raw_header(message, "subject")?;
    let raw = raw.get(..raw.len().min(4 * 1024)).unwrap_or(raw);
    let told = if memchr::memmem::find(raw, b"=?").is_some() {
        joined_words(raw)?
    } else {
        let declared = message.parts.first().and_then(|p| p.content_type()).and_then(|c| c.attribute("charset"));
        let known = declared.filter(|c| !is_guess(c)).and_then(|c| decode(alias(c).unwrap_or(c), raw));
        known.or_else(|| decode("windows-1252", raw))?
    };
    Some(told.split(['\r', '\n']).map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" "))
}

fn is_guess(name: &str) -> bool {
    ["us-ascii", "ascii", "utf-8", "utf8"].iter().any(|n| name.eq_ignore_ascii_case(n))
}

/// Encoded words of one charset and encoding behind one another, their octets joined before they are read.
fn joined_words(raw: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(raw).ok()?;
    let mut out = String::new();
    let mut pending: Option<(String, Vec<u8>)> = None;
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("=?") {
        let mut pieces = tail.splitn(3, '?');
        let (charset, encoding, tail) = (pieces.next()?, pieces.next()?, pieces.next()?);
        let (word, behind) = tail.split_once("?=")?;
        let octets = match encoding {
            "B" | "b" => STANDARD_NO_PAD.decode(word.trim_end_matches('=')).ok()?,
            "Q" | "q" => quoted_printable_decode(word.replace('_', " ").as_bytes())?,
            _ => return None,
        };
        match &mut pending {
            Some((same, known)) if before.trim().is_empty() && same.eq_ignore_ascii_case(charset) => {
                known.extend(octets);
            }
            _ => {
                flush(&mut pending, &mut out)?;
                out.push_str(before);
                pending = Some((charset.to_owned(), octets));
            }
        }
        rest = behind;
    }
    flush(&mut pending, &mut out)?;
    out.push_str(rest);
    Some(out)
}

fn flush(pending: &mut Option<(String, Vec<u8>)>, out: &mut String) -> Option<()> {
    if let Some((charset, octets)) = pending.take() {
        let charset = alias(&charset).unwrap_or(&charset);
        out.push_str(&decode(charset, &octets)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use crate::message::Mail;

    #[test]
    fn undeclared_text_is_read() {
        let table: [(&[u8], &str); 10] = [
            (b"Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nEmpf\xc3\xa4nger f\xc3\xbcr cut \xc3\r\n", "Empfänger für cut \u{fffd}"),
            (b"Subject: x\r\n\r\nEmpf\xe4nger\r\n", "Empfänger"),
            (b"Subject: x\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nEmpf\xe4nger\r\n", "Empfänger"),
            (b"Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nEmpf\xe4nger\r\n", "Empfänger"),
            ("Subject: x\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nEmpfänger\r\n".as_bytes(), "Empfänger"),
            (b"Subject: x\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nEmpf\xe4nger\r\n", "Empfänger"),
            (b"Subject: x\r\n\r\n\x1b$B%f!<%6!<\x1b(B\r\n", "ユーザー"),
            (
                b"Subject: x\r\nContent-Type: text/plain; charset=cp932\r\n\r\n\x83\x86\x81\x5b\x83U\x81\x5b\r\n",
                "ユーザー",
            ),
            (b"Subject: =?koi8-r?B?8NLJ18XU?=\r\n\r\n\xf0\xd2\xc9\xd7\xc5\xd4\r\n", "Привет"),
            (b"Subject: x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nEmpf=E4nger\r\n", "Empfänger"),
        ];
        for (mail, expected) in table {
            assert_eq!(Mail::parse(mail).text().trim(), expected);
        }
    }

    #[test]
    fn subjects_that_were_cut_or_never_encoded() {
        let table: [(&[u8], &str); 4] = [
            (b"Subject: Unzustellbar f\xfcr\r\n\r\n", "Unzustellbar für"),
            (b"Subject: \xcd\xcb\xd0\xc5\r\nContent-Type: text/plain; charset=gb2312\r\n\r\n", "退信"),
            (b"Subject: =?utf-8?B?57O757uf6Q==?= =?utf-8?B?gIDkv6E=?=\r\n\r\n", "系统退信"),
            (b"Subject: =?utf-8?Q?Empf=C3?=\r\n =?utf-8?Q?=A4nger?= x\r\n\r\n", "Empfänger x"),
        ];
        for (mail, expected) in table {
            assert_eq!(Mail::parse(mail).subject(), Some(expected));
        }
    }
}
