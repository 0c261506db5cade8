//! Which mails of a batch a topic refuses.
//!
//! A broker looks at a whole batch of the wire: one record that is too large, or many small ones that are too large
//! together, take the others with them. So what was refused is tried again in halves, and in the end each mail alone,
//! one record after the other; only what is refused then is refused for its own sake.

/// Mails that are tried together, by their places in the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lot {
    pub(super) mails: Vec<usize>,
    /// The one mail's records are sent one after the other: no other record can be the reason.
    pub(super) alone: bool,
}

/// What is still to be tried.
#[derive(Debug, Default)]
pub(super) struct Lots(Vec<Lot>);

impl Lots {
    /// A batch of `count` mails, all together.
    pub(super) fn of(count: usize) -> Self {
        Self(vec![Lot { mails: (0..count).collect(), alone: false }])
    }

    pub(super) fn next(&mut self) -> Option<Lot> {
        self.0.pop()
    }

    /// These mails of a lot were refused. Comes back with the mail when it was alone: then it is its own fault.
    pub(super) fn refused(&mut self, lot: &Lot, mut refused: Vec<usize>) -> Option<usize> {
        refused.sort_unstable();
        refused.dedup();
        match refused.as_slice() {
            [] => {}
            [mail] if lot.alone => return Some(*mail),
            [_] => self.0.push(Lot { mails: refused, alone: true }),
            _ => {
                let second = refused.split_off(refused.len() / 2);
                // The last that is pushed is the first to be tried: mails stay in their order.
                for mails in [second, refused] {
                    let alone = mails.len() == 1;
                    self.0.push(Lot { mails, alone });
                }
            }
        }
        None
    }

    /// The others of a lot, which were not committed, are to be tried again without those that were refused.
    pub(super) fn again(&mut self, mails: Vec<usize>) {
        if !mails.is_empty() {
            self.0.push(Lot { mails, alone: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lots;
    use proptest::prelude::*;

    /// A broker that takes at most `most` octets at once; what it refuses, it refuses together.
    fn rejects(sizes: &[usize], most: usize) -> (Vec<usize>, usize) {
        let mut lots = Lots::of(sizes.len());
        let (mut bad, mut tries) = (Vec::new(), 0);
        while let Some(lot) = lots.next() {
            tries += 1;
            let octets: usize = lot.mails.iter().filter_map(|m| sizes.get(*m)).sum();
            if octets > most {
                bad.extend(lots.refused(&lot, lot.mails.clone()));
            }
        }
        bad.sort_unstable();
        (bad, tries)
    }

    proptest! {
        #[test]
        fn only_what_is_too_large_alone_is_refused(sizes in prop::collection::vec(1_usize..200, 0..60), most in 1_usize..250) {
            let (bad, tries) = rejects(&sizes, most);
            let expected: Vec<usize> =
                sizes.iter().enumerate().filter(|(_, size)| **size > most).map(|(at, _)| at).collect();
            prop_assert_eq!(bad, expected);
            prop_assert!(tries <= 3 * sizes.len() + 1);
        }
    }

    #[test]
    fn the_one_that_a_client_names_is_tried_once_more_and_the_rest_together() {
        let mut lots = Lots::of(5);
        let all = lots.next().expect("a lot");
        assert_eq!(lots.refused(&all, vec![3]), None);
        lots.again(vec![0, 1, 2, 4]);
        assert_eq!(lots.next().map(|lot| (lot.mails, lot.alone)), Some((vec![0, 1, 2, 4], false)));
        let alone = lots.next().expect("a lot");
        assert!(alone.alone);
        assert_eq!(lots.refused(&alone, vec![3]), Some(3));
        assert_eq!(lots.next(), None);
    }
}
