//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the ports that Linux gives to outgoing connections (32768 and up): one of those could be taken for a
/// connection between the look and the server's start.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;
/// The most ports in a row. Numbers are taken modulo the same for every call: were it smaller for longer rows, a row
/// could begin where another call's port is.
const MOST: u16 = 8;

/// How many ports this process has handed out or found taken.
static USED: AtomicU32 = AtomicU32::new(0);

/// The first of `count` ports in a row that nobody listens on. No two calls in one process get the same; test
/// processes that run side by side begin at different places.
pub fn free(count: u16) -> u16 {
    assert!(count <= MOST, "no more than {MOST} ports in a row");
    let step = u32::from(count);
    let offset = process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let used = USED.fetch_add(step, Ordering::Relaxed);
        let first = FIRST + offset.wrapping_add(used) % (COUNT - u32::from(MOST));
        let Ok(first) = u16::try_from(first) else {
            continue;
        };
        if (first..first + count).all(is_free) {
            return first;
        }
    }
    panic!("no {count} free ports in a row from {FIRST} on")
}

fn is_free(port: u16) -> bool {
    // Dovecot listens at both addresses.
    [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)]
        .into_iter()
        .all(|address| TcpListener::bind((address, port)).is_ok())
}
