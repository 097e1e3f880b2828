//! Randomness that repeats.

use crate::core::time::Entropy;

/// Hashes of a seed and a counter: different each time, the same in every run.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    seed: u64,
    next: u64,
}

impl Counted {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, next: 0 }
    }
}

impl Entropy for Counted {
    fn fill(&mut self, bytes: &mut [u8]) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_be_bytes()).update(&self.next.to_be_bytes());
        hasher.finalize_xof().fill(bytes);
        self.next += 1;
    }
}
