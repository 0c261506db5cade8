//! Every input that fuzzing kept, once more: what was found never comes back.

use reply_ingest::pop3;
use std::fs;
use std::path::Path;

#[path = "../fuzz/targets/codec.rs"]
mod codec;
#[path = "../fuzz/targets/mail.rs"]
mod mail;
#[path = "../fuzz/targets/session.rs"]
mod session;

fn corpus(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("a corpus") {
        run(&fs::read(entry.expect("an entry").path()).expect("reads"));
        count += 1;
    }
    assert!(count >= 5, "{}: {count} inputs", folder.display());
}

#[test]
fn codec_inputs() {
    corpus("codec", codec::run);
}

#[test]
fn session_inputs() {
    corpus("session", session::run);
}

#[test]
fn mail_inputs() {
    corpus("mail", mail::run);
}
