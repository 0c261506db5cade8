//! Where a replay finds mails: every form, in an order that stays the same, and bounded.

use flate2::Compression;
use flate2::write::GzEncoder;
use reply_ingest::message::Digest;
use reply_ingest::source::{Found, Out, SourceError, find};
use std::fs;
use std::io::{Cursor, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::AtomicU64;

/// What a path gives: (the place behind the path, the mail), or what was said.
fn read(path: &Path, max: usize) -> Vec<Result<Found, SourceError>> {
    let mut all = Vec::new();
    let mut take = |found| {
        all.push(found);
        ControlFlow::Continue(())
    };
    let read = AtomicU64::new(0);
    for mut source in find(path).expect("the path is there") {
        let _ = source.give(&mut Out::new(max, &read, &mut take));
    }
    all
}

fn names(path: &Path) -> Vec<(String, String)> {
    let prefix = path.display().to_string();
    let found = read(path, 1 << 20).into_iter().map(|f| f.expect("reads"));
    found
        .map(|f| {
            let place = f.origin.strip_prefix(&prefix).expect("begins with the path").to_owned();
            (place, String::from_utf8_lossy(f.raw.bytes()).into_owned())
        })
        .collect()
}

fn gz(octets: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(octets).expect("packs");
    out.finish().expect("packs")
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, octets) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(octets.len() as u64);
        header.set_mode(0o644);
        out.append_data(&mut header, name, *octets).expect("packs");
    }
    out.into_inner().expect("packs")
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, octets) in files {
        out.start_file(*name, zip::write::SimpleFileOptions::default()).expect("packs");
        out.write_all(octets).expect("packs");
    }
    out.finish().expect("packs").into_inner()
}

#[test]
fn files_of_every_form_are_found_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for sub in ["box/cur", "box/new", "box/tmp"] {
        fs::create_dir_all(at(sub)).expect("makes folders");
    }
    let mbox = "From x Mon\nSubject: 1\n\n1\n\nFrom x Mon\nSubject: 2\n\n>From me\n";
    let members: [(&str, &[u8]); 4] = [
        ("z/1.eml", b"Subject: t1\n\n1\n"),
        ("z/.hidden", b"no"),
        ("a.mbox", mbox.as_bytes()),
        ("b.eml.gz", &gz(b"Subject: t2\n\n2\n")),
    ];
    let files: [(&str, Vec<u8>); 11] = [
        ("b.eml", b"From x Mon\nSubject: b\n\nb\n\nFrom here on it is still b\n".to_vec()),
        ("a.eml", b"Subject: a\n\na\n".to_vec()),
        (".hidden", b"no".to_vec()),
        ("box.mbox", mbox.as_bytes().to_vec()),
        ("box.mbox.gz", gz(mbox.as_bytes())),
        ("box/cur/1:2,S", b"Subject: c\n\nc\n".to_vec()),
        ("box/tmp/2", b"half".to_vec()),
        ("box/dovecot-uidlist", b"index".to_vec()),
        ("c.tar", tar(&members)),
        ("d.tar.gz", gz(&tar(&members))),
        ("e.zip", zip(&members)),
    ];
    for (name, octets) in &files {
        fs::write(at(name), octets).expect("writes");
    }
    let got = names(folder.path());
    let places: Vec<&str> = got.iter().map(|(place, _)| place.as_str()).collect();
    let archived = |name: &str| ["z/1.eml", "a.mbox#1", "a.mbox#2", "b.eml.gz"].map(|m| format!("/{name}!{m}"));
    let expected: Vec<String> =
        ["/a.eml", "/b.eml", "/box/cur/1:2,S", "/box.mbox#1", "/box.mbox#2", "/box.mbox.gz#1", "/box.mbox.gz#2"]
            .map(str::to_owned)
            .into_iter()
            .chain(["c.tar", "d.tar.gz", "e.zip"].into_iter().flat_map(archived))
            .collect();
    assert_eq!(places, expected);
    let text = |place: &str| got.iter().find(|(p, _)| p == place).map(|(_, text)| text.as_str());
    assert_eq!(text("/b.eml").map(|t| t.contains("still b")), Some(true));
    assert_eq!(text("/box.mbox#2"), Some("Subject: 2\n\nFrom me\n"));
    assert_eq!(text("/d.tar.gz!b.eml.gz"), Some("Subject: t2\n\n2\n"));
    assert_eq!(names(folder.path()), got, "the order is the same again");
    assert!(find(&at("nowhere")).is_err());
}

#[test]
fn an_archive_of_this_program_is_a_folder_of_mails() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("replies/ab")).expect("makes folders");
    let mail = b"Subject: kept\n\nkept\n";
    let packed = zstd::bulk::compress(mail, 3).expect("packs");
    fs::write(at("replies/ab/abc.eml.zst"), &packed).expect("writes");
    fs::write(at("replies/ab/abc.json"), b"{}").expect("writes");
    fs::write(at("replies/ab/cut.eml.zst"), packed.get(..packed.len() - 3).unwrap_or_default()).expect("writes");
    fs::write(at("replies/other.json"), b"Subject: j\n\nj\n").expect("writes");
    let found = read(folder.path(), 1_000);
    let said: Vec<_> =
        found.iter().map(|f| f.as_ref().map(|f| f.raw.bytes().to_vec()).map_err(ToString::to_string)).collect();
    let [kept, cut, other] = said.as_slice() else { panic!("three: {said:?}") };
    assert_eq!(kept.as_deref(), Ok(&mail[..]));
    assert!(cut.is_err(), "{cut:?}");
    assert_eq!(other.as_deref(), Ok(&b"Subject: j\n\nj\n"[..]));
}

#[test]
fn what_is_too_large_keeps_its_head_and_its_digest() {
    let folder = tempfile::tempdir().expect("a folder");
    let mail = format!("Subject: long\n\n{}", "x".repeat(500_000));
    let packed = gz(&tar(&[("a.eml", mail.as_bytes()), ("b.eml", b"Subject: b\n\nb\n")]));
    let path = folder.path().join("a.tgz");
    fs::write(&path, packed).expect("writes");
    let mails: Vec<Found> = read(&path, 1_000).into_iter().map(|f| f.expect("reads")).collect();
    let [long, short] = mails.as_slice() else { panic!("two mails: {mails:?}") };
    assert!(long.raw.is_cut() && long.raw.bytes().len() <= 1_000);
    assert_eq!((long.raw.size(), long.raw.digest()), (mail.len() as u64, Digest::of(mail.as_bytes())));
    assert_eq!(short.raw.bytes(), b"Subject: b\n\nb\n");
}

#[test]
fn what_unpacks_without_end_is_refused_and_the_others_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..400 {
        bomb.write_all(&piece).expect("packs");
    }
    fs::write(folder.path().join("a.eml.gz"), bomb.finish().expect("packs")).expect("writes");
    fs::write(folder.path().join("b.eml"), "Subject: b\n\nb\n").expect("writes");
    fs::write(folder.path().join("c.zip"), "no zip").expect("writes");
    fs::write(folder.path().join("d.tar.gz"), &gz(&tar(&[("1.eml", &[b'y'; 5_000])]))[..60]).expect("writes");
    let results = read(folder.path(), 1 << 20);
    let said: Vec<String> = results
        .iter()
        .map(|r| match r {
            Ok(found) => format!("read {}", found.origin),
            Err(error) => format!("{error}: {}", std::error::Error::source(error).expect("a reason")),
        })
        .collect();
    let path = folder.path().display();
    assert_eq!(said.len(), 4, "{said:?}");
    for (line, words) in said.iter().zip([
        format!("cannot read {path}/a.eml.gz: it unpacks to more than 400 times its size"),
        format!("read {path}/b.eml"),
        format!("cannot read {path}/c.zip: "),
        format!("cannot read {path}/d.tar.gz"),
    ]) {
        assert!(line.starts_with(&words), "{words} in {line}");
    }
}
