//! Numbers without a pattern, the same for the same seed.

use std::time::Duration;

use hobnob_peer::core::time::Entropy;

/// A source of such numbers (SplitMix64: every seed is as good as any other).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The source that grows from a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another source, whose numbers say nothing about those that follow here.
    #[must_use]
    pub fn branch(&mut self) -> Self {
        Self(self.draw())
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    /// A place in something that has `len` of them.
    ///
    /// # Panics
    /// On a machine whose addresses have fewer bits than the number.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("a place below a length")
    }

    /// True once in so many times; never for 0.
    pub fn one_in(&mut self, times: u64) -> bool {
        times > 0 && self.below(times) == 0
    }

    /// One of those there are.
    pub fn pick<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        let index = self.index(of.len());
        of.get(index)
    }

    /// A time from `least` to `most`, each as likely as any other.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from(most.saturating_sub(least).as_micros()).unwrap_or(u64::MAX);
        least + Duration::from_micros(self.below(span.saturating_add(1)))
    }

    /// A time from `least` to `most`, each order of magnitude as likely as any other.
    pub fn spread(&mut self, least: Duration, most: Duration) -> Duration {
        let doublings = most.as_micros().checked_div(least.as_micros()).unwrap_or(1).max(1).ilog2();
        let floor = least * (1 << self.below(u64::from(doublings) + 1));
        self.between(floor.min(most), (floor * 2).min(most))
    }
}

impl Entropy for Chance {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.draw().to_be_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again_and_another_seed_others() {
        let numbers = |seed| {
            let mut chance = Chance::new(seed);
            [chance.draw(), chance.below(1_000), chance.branch().draw(), chance.draw()]
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
    }

    #[test]
    fn times_stay_within_their_bounds() {
        let (least, most) = (Duration::from_millis(3), Duration::from_secs(100));
        let mut chance = Chance::new(1);
        for _ in 0..10_000 {
            assert!((least..=most).contains(&chance.between(least, most)));
            assert!((least..=most).contains(&chance.spread(least, most)));
        }
        assert_eq!(chance.between(most, most), most);
    }
}
