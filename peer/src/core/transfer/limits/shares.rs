//! How a limit of what is received is divided among links, so that each can be told its part.

/// One who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core::transfer) struct Share {
    /// Part beside the others; at least 1.
    pub(in crate::core::transfer) weight: u64,
    /// What it cannot or may not use more than; 0 for no such limit.
    pub(in crate::core::transfer) most: u64,
}

/// Divides `total` (0 for no limit) by weight. What one cannot use goes to the others. None gets less than 1, because 0 would be no limit.
pub(in crate::core::transfer) fn shares(total: u64, all: &[Share]) -> Vec<u64> {
    if total == 0 {
        return all.iter().map(|share| share.most).collect();
    }
    let mut given = vec![0; all.len()];
    let (mut left, mut open): (u64, Vec<usize>) = (total, (0..all.len()).collect());
    loop {
        let weights: u64 = open.iter().map(|at| all[*at].weight.max(1)).sum();
        let part = |at: usize| {
            let part = u128::from(left) * u128::from(all[at].weight.max(1)) / u128::from(weights.max(1));
            u64::try_from(part).unwrap_or(u64::MAX)
        };
        let (content, hungry): (Vec<usize>, Vec<usize>) =
            open.iter().partition(|at| all[**at].most > 0 && all[**at].most <= part(**at));
        if content.is_empty() {
            hungry.iter().for_each(|at| given[*at] = part(*at).max(1));
            return given;
        }
        for at in content {
            given[at] = all[at].most;
            left = left.saturating_sub(all[at].most);
        }
        open = hungry;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(weight: u64, most: u64) -> Share {
        Share { weight, most }
    }

    #[test]
    fn what_one_cannot_use_goes_to_the_others_by_weight() {
        assert_eq!(shares(100, &[share(1, 0), share(1, 10), share(2, 0)]), [30, 10, 60]);
        assert_eq!(shares(100, &[share(1, 80), share(1, 10)]), [80, 10]);
        assert_eq!(shares(0, &[share(1, 0), share(1, 10)]), [0, 10]);
        assert_eq!(shares(1, &[share(1, 0), share(1, 0)]), [1, 1]);
        assert_eq!(shares(5, &[]), [0_u64; 0]);
    }

    proptest! {
        #[test]
        fn no_more_is_given_than_there_is_and_nothing_is_left_that_somebody_could_use(
            total in 1_000..u64::MAX,
            all in proptest::collection::vec((1..9_u64, prop_oneof![Just(0), 1..u64::MAX / 64]), 1..20),
        ) {
            let all: Vec<Share> = all.into_iter().map(|(weight, most)| share(weight, most)).collect();
            let given = shares(total, &all);
            let sum: u128 = given.iter().map(|given| u128::from(*given)).sum();
            prop_assert!(sum <= u128::from(total) + all.len() as u128);
            let full = given.iter().zip(&all).all(|(given, share)| share.most > 0 && *given == share.most);
            prop_assert!(full || sum + all.len() as u128 >= u128::from(total));
            prop_assert!(given.iter().zip(&all).all(|(given, share)| share.most == 0 || *given <= share.most));
        }
    }
}
