//! How fast the codec takes a server's octets: `cargo bench --bench codec`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use reply_ingest::pop3::codec::{Decoder, Expect};
use std::hint::black_box;

/// The program's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What the transport reads at once.
const PIECE: usize = 64 * 1024;

/// A reply to RETR with a mail of about `size` octets whose lines are `line` long; every `stuffed`th begins with a
/// dot.
fn reply(size: usize, line: usize, stuffed: usize) -> Vec<u8> {
    let mut wire = b"+OK\r\n".to_vec();
    for number in 0..size / line {
        if number % stuffed == 0 {
            wire.extend_from_slice(b"..");
        }
        wire.extend(std::iter::repeat_n(b'x', line - 2));
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

fn decode(wire: &[u8], hint: usize) -> usize {
    let mut decoder = Decoder::default();
    let mut octets = 0;
    for mut piece in wire.chunks(PIECE) {
        while !piece.is_empty() {
            if let Ok(Some(reply)) = decoder.decode(Expect::Body { max: 1 << 30, hint }, &mut piece) {
                octets += reply.body.map_or(0, |b| usize::try_from(b.size()).unwrap_or(0));
            }
        }
    }
    octets
}

fn codec(c: &mut Criterion) {
    let mut group = c.benchmark_group("codec");
    let cases = [
        ("1,000 mails of 8 KiB", reply(8 << 10, 78, 50).repeat(1000), 8 << 10),
        ("10 mails of 5 MiB", reply(5 << 20, 78, 1000).repeat(10), 5 << 20),
        ("5 MiB, every line stuffed", reply(5 << 20, 78, 1), 5 << 20),
        ("5 MiB of empty lines", reply(5 << 20, 2, usize::MAX), 5 << 20),
        ("5 MiB in one line", reply(5 << 20, 5 << 20, usize::MAX), 5 << 20),
    ];
    for (name, wire, hint) in &cases {
        group.throughput(Throughput::Bytes(wire.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), wire, |b, wire| {
            b.iter(|| black_box(decode(black_box(wire), *hint)));
        });
    }
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
