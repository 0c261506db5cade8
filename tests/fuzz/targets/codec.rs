//! Octets of a server, in pieces: the decoder gives the same replies however they are cut, keeps its bounds, and
//! takes all that it is given.
//!
//! The first octet says which form the replies have, the second how the rest is cut.

use super::pop3::codec::{Body, CodecError, Decoder, Expect, Reply};

const MAX: usize = 512;

pub fn run(data: &[u8]) {
    let [form, cut, wire @ ..] = data else { return };
    let expect = match form % 3 {
        0 => Expect::Status,
        1 => Expect::Lines { max: MAX },
        _ => Expect::Body { max: MAX, hint: usize::from(*form) * 8 },
    };
    let whole = replies(expect, wire, wire.len().max(1));
    assert_eq!(whole, replies(expect, wire, usize::from(*cut).max(1)), "cut into pieces of {cut}");
    assert_eq!(whole, replies(expect, wire, 1), "cut into octets");
}

/// The replies, and why they end before the octets do.
fn replies(expect: Expect, wire: &[u8], piece: usize) -> (Vec<Reply>, Option<CodecError>) {
    let mut decoder = Decoder::default();
    let mut replies = Vec::new();
    for mut piece in wire.chunks(piece) {
        loop {
            let before = piece.len();
            match decoder.decode(expect, &mut piece) {
                Ok(Some(reply)) => {
                    assert!(piece.len() < before, "a reply is made of something");
                    check(&reply);
                    replies.push(reply);
                }
                Ok(None) => {
                    assert!(piece.is_empty(), "everything is taken while more is needed");
                    break;
                }
                Err(error) => return (replies, Some(error)),
            }
        }
    }
    (replies, None)
}

fn check(reply: &Reply) {
    assert!(!(reply.status.ok && reply.status.more));
    match &reply.body {
        Some(Body::Whole(bytes)) => assert!(bytes.len() <= MAX),
        Some(Body::Cut { head, size, .. }) => assert!(head.len() <= MAX && *size > MAX as u64),
        None => {}
    }
    let text = reply.status.safe_text();
    assert!(text.chars().count() <= 200 && !text.contains('@'), "{text:?}");
}
