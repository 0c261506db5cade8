//! Chance that can be repeated: the seed is printed, and taken from `REPLY_INGEST_TEST_SEED`.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// Steele's splitmix64.
pub struct Random(u64);

impl Random {
    /// Says the seed, so that a failure can be repeated as far as the machine's own chance allows.
    pub fn new(name: &str) -> Self {
        let given = std::env::var("REPLY_INGEST_TEST_SEED").ok().and_then(|n| n.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish() % 1_000_000);
        eprintln!("{name}: REPLY_INGEST_TEST_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }

    pub fn up_to(&mut self, longest: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(longest.as_micros()).unwrap_or(u64::MAX)))
    }

    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or_default();
            all.swap(last, other);
        }
    }
}
