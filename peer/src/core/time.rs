//! Time and randomness as the core sees them: arguments.

use std::time::Duration;

/// The moment at which an input is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since an arbitrary start; never goes back. For waits and deadlines.
    pub monotonic: Duration,
    /// Unix milliseconds by this device's clock. For people.
    pub unix_ms: u64,
}

/// Where randomness comes from.
pub trait Entropy {
    /// Fills `bytes` with random bytes fit for keys.
    fn fill(&mut self, bytes: &mut [u8]);

    /// An array of random bytes.
    fn array<const N: usize>(&mut self) -> [u8; N]
    where
        Self: Sized,
    {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}
