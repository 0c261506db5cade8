//! Which mailboxes are a shard's: rendezvous hashing (Thaler and Ravishankar, 1998).
//!
//! Each shard has a score for a mailbox, and the highest has it. With one shard more, a mailbox either stays or goes to
//! the new one, so about 1 of N+1 moves. The score is the first eight octets, as a big-endian number, of SHA-256 over
//! the mailbox's name, a zero octet and the shard's number in decimal: any language can compute it.

use crate::message::Digest;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// One shard of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// Shard `index` of `count`, counted from 0.
    ///
    /// # Errors
    /// When there is no such shard.
    pub fn new(index: u32, count: u32) -> Result<Self, String> {
        if index < count {
            Ok(Self { index, count })
        } else {
            Err(format!("there is no shard {index} of {count}: they are counted from 0"))
        }
    }

    /// Whether a mailbox is this shard's.
    #[must_use]
    pub fn has(self, mailbox: &str) -> bool {
        owner(mailbox, self.count) == self.index
    }

    /// This shard's own ledger file: one process uses a ledger at a time.
    #[must_use]
    pub fn ledger_file(self, file: &Path) -> PathBuf {
        let extension = file.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        file.with_file_name(format!("{stem}-{}{extension}", self.index))
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        let parts = text.split_once('/').and_then(|(index, count)| Some((number(index)?, number(count)?)));
        let (index, count) = parts.ok_or("write I/N, such as 0/4: shard 0 of 4")?;
        Self::new(index, count)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// The shard that has a mailbox.
fn owner(mailbox: &str, count: u32) -> u32 {
    // Of equal scores, which no two shards have in practice, the lower number counts.
    (0..count).min_by_key(|index| std::cmp::Reverse(score(mailbox, *index))).unwrap_or_default()
}

fn score(mailbox: &str, index: u32) -> u64 {
    let digest = Digest::of(format!("{mailbox}\0{index}").as_bytes());
    digest.0.first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Shard, owner, score};
    use proptest::prelude::*;
    use std::path::Path;

    const VECTORS: [(&str, u32, u64); 4] = [
        ("replies", 0, 0x5b47_eef4_91d8_72e8),
        ("replies", 1, 0x3d30_f4f1_3b87_6a22),
        ("bounces", 10, 0xd33b_8f55_86be_ac93),
        ("", 4_294_967_295, 0x1674_aa95_8309_8f5a),
    ];
    const OWNERS: [u32; 4] = [2, 1, 1, 2];

    /// Computed with `printf 'replies\0000' | sha256sum` and its like.
    #[test]
    fn scores_are_those_of_any_other_implementation() {
        for (mailbox, index, expected) in VECTORS {
            assert_eq!(score(mailbox, index), expected, "{mailbox} {index}");
        }
        let owners = ["replies", "bounces", "fbl", "unsubscribe"].map(|mailbox| owner(mailbox, 3));
        assert_eq!(owners, OWNERS);
    }

    #[test]
    fn shards_are_written_as_i_of_n() {
        let shard: Shard = "1/4".parse().expect("a shard");
        assert_eq!(shard.to_string(), "1/4");
        for wrong in ["4/4", "1", "a/b", "-1/4", "+1/4", "0/0", "1/", "/4", ""] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
        assert_eq!(shard.ledger_file(Path::new("/var/l/ledger.redb")), Path::new("/var/l/ledger-1.redb"));
        assert_eq!(shard.ledger_file(Path::new("ledger")), Path::new("ledger-1"));
    }

    proptest! {
        #[test]
        fn every_mailbox_has_one_shard(name in "[a-z0-9._-]{1,64}", count in 1..40_u32) {
            let having = (0..count).filter(|i| Shard::new(*i, count).expect("a shard").has(&name)).count();
            prop_assert_eq!(having, 1);
        }

        #[test]
        fn with_one_shard_more_a_mailbox_stays_or_goes_to_the_new_one(name in "[a-z0-9._-]{1,64}", count in 1..40_u32) {
            let after = owner(&name, count + 1);
            prop_assert!(after == owner(&name, count) || after == count);
        }

    }

    proptest! {
        // Each case is thousands of mailboxes.
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn and_about_one_of_n_plus_one_moves(seed in any::<u64>(), count in 1..16_u32) {
            const MAILBOXES: u32 = 2_000;
            let names: Vec<String> = (0..MAILBOXES).map(|n| format!("m{seed}-{n}")).collect();
            let moved = names.iter().filter(|n| owner(n, count) != owner(n, count + 1)).count();
            let expected = f64::from(MAILBOXES) / f64::from(count + 1);
            // Six standard deviations of a binomial distribution.
            let apart = 6.0 * (expected * (1.0 - 1.0 / f64::from(count + 1))).sqrt();
            let moved = f64::from(u32::try_from(moved).expect("few"));
            prop_assert!((moved - expected).abs() < apart, "{} of {} moved, expected {}", moved, MAILBOXES, expected);
            // And each shard has its share.
            for index in 0..count {
                let its = names.iter().filter(|n| owner(n, count) == index).count();
                prop_assert!(its > MAILBOXES as usize / count as usize / 2, "shard {} of {} has {}", index, count, its);
            }
        }
    }
}
