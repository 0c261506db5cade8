#![no_main]
#![allow(dead_code, unused_imports, reason = "the client is compiled whole")]

#[path = "../../src/pop3/mod.rs"]
mod pop3;
#[path = "targets/codec.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::run(data));
