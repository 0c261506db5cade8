//! Where the network cuts a reply into pieces never changes what it says.

use proptest::prelude::*;
use reply_ingest::pop3::codec::{Body, Decoder, Expect};

/// Mails made of the octets that matter: dots, CR, LF, and others.
fn mail() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'a'), any::<u8>()], 0..400)
}

/// As a strict server sends it: every line that begins with a dot gets another one.
fn stuffed(mail: &[u8]) -> Vec<u8> {
    let mut wire = b"+OK\r\n".to_vec();
    let mut line_start = true;
    let mut last = 0;
    for &byte in mail {
        if line_start && byte == b'.' {
            wire.push(b'.');
        }
        wire.push(byte);
        line_start = last == b'\r' && byte == b'\n';
        last = byte;
    }
    if !line_start {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// Decodes octets in pieces: the mail, and how many octets were taken. `None` when no reply is whole.
fn decode(wire: &[u8], cuts: &[usize]) -> Option<(Option<Vec<u8>>, usize)> {
    let mut decoder = Decoder::default();
    let mut from = 0;
    let mut ends: Vec<usize> = cuts.iter().map(|c| c % (wire.len() + 1)).collect();
    ends.push(wire.len());
    ends.sort_unstable();
    for end in ends {
        let mut piece = wire.get(from..end)?;
        from = end;
        if let Ok(Some(reply)) = decoder.decode(Expect::Body { max: 1 << 20, hint: 0 }, &mut piece) {
            let body = reply.body.and_then(|b| match b {
                Body::Whole(bytes) => Some(bytes),
                Body::Cut { .. } => None,
            });
            return Some((body, end - piece.len()));
        }
    }
    None
}

proptest! {
    #[test]
    fn a_mail_comes_back_whole_however_it_is_cut(mail in mail(), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        let wire = stuffed(&mail);
        let mut expected = mail.clone();
        if !(expected.is_empty() || expected.ends_with(b"\r\n")) {
            expected.extend_from_slice(b"\r\n");
        }
        // All of it is taken: the end is found at the end, not before.
        prop_assert_eq!(decode(&wire, &cuts), Some((Some(expected), wire.len())));
    }

    #[test]
    fn no_octets_make_the_decoder_panic(wire in prop::collection::vec(any::<u8>(), 0..600), cuts in prop::collection::vec(any::<usize>(), 0..6)) {
        let mut with_status = b"+OK\r\n".to_vec();
        with_status.extend_from_slice(&wire);
        let one = decode(&with_status, &[]);
        prop_assert_eq!(decode(&with_status, &cuts), one);
    }
}
