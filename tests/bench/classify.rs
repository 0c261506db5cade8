//! How many mails a core judges in a second: a parsed mail alone, and from its octets. `cargo bench --bench classify`.
//!
//! The mails are the golden reports of the tests, or those of the folder that `MAILS` names.

#![allow(clippy::expect_used, reason = "a benchmark")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use reply_ingest::classify::{Rules, classify};
use reply_ingest::event::Kind;
use reply_ingest::message::{Mail, to_crlf};
use std::hint::black_box;
use std::path::PathBuf;

/// The program's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn mails() -> Vec<Vec<u8>> {
    let folder = std::env::var_os("MAILS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/reports"), PathBuf::from);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder of mails").map(|e| e.expect("is readable").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| to_crlf(&std::fs::read(path).expect("is readable")).into_owned()).collect()
}

/// About 15 MB of one line repeated, behind `head`.
fn large(head: &str, line: &str) -> Vec<u8> {
    let mut out = head.replace('\n', "\r\n").into_bytes();
    while out.len() < 15_000_000 {
        out.extend_from_slice(line.as_bytes());
    }
    out
}

fn judging(c: &mut Criterion) {
    let rules = Rules::embedded().expect("embedded rules are right");
    let all = mails();
    let reports: Vec<&Vec<u8>> = all
        .iter()
        .filter(|m| {
            let found = classify(&Mail::parse(m), &rules);
            found.iter().any(|f| matches!(f.kind(), Kind::Bounce | Kind::Delay | Kind::Delivered | Kind::Complaint))
        })
        .collect();
    let mut group = c.benchmark_group("classify");
    let parsed: Vec<Mail<'_>> = reports.iter().map(|m| Mail::parse(m)).collect();
    group.throughput(Throughput::Elements(parsed.len() as u64));
    group.bench_function("parsed reports", |b| {
        b.iter(|| parsed.iter().map(|m| classify(black_box(m), &rules).len()).sum::<usize>());
    });
    group.bench_function("reports from their octets", |b| {
        b.iter(|| reports.iter().map(|m| classify(&Mail::parse(black_box(m)), &rules).len()).sum::<usize>());
    });
    group.throughput(Throughput::Elements(all.len() as u64));
    group.bench_function("all mails from their octets", |b| {
        b.iter(|| all.iter().map(|m| classify(&Mail::parse(black_box(m)), &rules).len()).sum::<usize>());
    });
    group.finish();
}

fn large_mails(c: &mut Criterion) {
    let rules = Rules::embedded().expect("embedded rules are right");
    let mut group = c.benchmark_group("15 MB");
    group.sample_size(10);
    let daemon = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.com\nSubject: failure notice\nMIME-Version: 1.0\n";
    let person = "Return-Path: <ana@example.org>\nFrom: ana@example.org\nSubject: Re: Offer\nMIME-Version: 1.0\n";
    let cases = [
        ("a report in words", large(&format!("{daemon}\n"), "<ana@example.org>: 550 5.1.1 no such user\r\n")),
        ("one line", large(&format!("{daemon}\n"), "ana@example.org ")),
        (
            "HTML",
            large(&format!("{person}Content-Type: text/html\n\n<html>"), "<div><b>Hello</b> <a href=\"x\">you</a>\r\n"),
        ),
        ("a reply", large(&format!("{person}\n"), "Thank you, I should like to know more about it.\r\n")),
        (
            "base64",
            large(
                &format!("{person}Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n"),
                "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3\r\n",
            ),
        ),
        (
            "a delivery status",
            large(
                &format!(
                    "{daemon}Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.com\n"
                ),
                "\r\nFinal-Recipient: rfc822; ana@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n",
            ),
        ),
        (
            "parts",
            large(
                &format!("{person}Content-Type: multipart/mixed; boundary=b\n"),
                "\r\n--b\r\nContent-Type: text/plain\r\n\r\nx",
            ),
        ),
    ];
    for (name, mail) in &cases {
        group.bench_with_input(BenchmarkId::from_parameter(name), mail, |b, mail| {
            b.iter(|| classify(&Mail::parse(black_box(mail)), &rules).len());
        });
    }
    group.finish();
}

criterion_group!(benches, judging, large_mails);
criterion_main!(benches);
