//! Numbers that look random and follow from a seed: for jitter and for the choice of ports, never for secrets.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Moves `count` of `items`, chosen at random, to the front in random order, and drops the others.
    pub(super) fn choose<T>(&mut self, items: &mut Vec<T>, count: usize) {
        let len = items.len();
        for index in 0..count.min(len) {
            let left = u64::try_from(len - index).unwrap_or(u64::MAX);
            let offset = usize::try_from(self.below(left)).unwrap_or(0);
            items.swap(index, index + offset);
        }
        items.truncate(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_follows_from_the_seed_and_repeats_nothing() {
        let chosen = |seed| {
            let mut items: Vec<u16> = (0..1000).collect();
            Random::new(seed).choose(&mut items, 300);
            items
        };
        assert_eq!(chosen(7), chosen(7));
        assert_ne!(chosen(7), chosen(8));
        let mut sorted = chosen(7);
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 300);
    }
}
