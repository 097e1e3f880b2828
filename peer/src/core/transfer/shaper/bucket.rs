//! How many bytes may go under one limit.

use std::time::Duration;

/// Nano-bytes in a byte: rates times nanoseconds stay whole numbers.
const NANO: i128 = 1_000_000_000;
/// Allowance that may be saved up, in parts of a second: enough to make up for late timers, too little to be seen as a burst.
const BURST_PER_SECOND: i128 = 10;

/// A token bucket that may be owed to: whoever takes from it takes all that is wanted once anything is in it, and the next
/// waits until the debt is paid. So large and small portions wait for the same, and neither starves the other.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    bytes_per_s: u64,
    saved: i128,
    updated: Duration,
}

impl Bucket {
    /// An empty bucket. `bytes_per_s` is at least 1.
    pub(super) const fn new(bytes_per_s: u64, now: Duration) -> Self {
        Self { bytes_per_s, saved: 1, updated: now }
    }

    pub(super) const fn limit(&self) -> u64 {
        self.bytes_per_s
    }

    /// Changes the limit from now on. A debt from a faster time is paid at the new rate, but for at most a burst's time.
    pub(super) fn set_limit(&mut self, bytes_per_s: u64, now: Duration) {
        self.refill(now);
        self.bytes_per_s = bytes_per_s;
        self.saved = self.saved.clamp(-self.burst(), self.burst());
    }

    /// How long until bytes may go; zero when they may now.
    pub(super) fn wait(&mut self, now: Duration) -> Duration {
        self.refill(now);
        if self.saved > 0 {
            return Duration::ZERO;
        }
        let wait = (1 - self.saved).unsigned_abs().div_ceil(u128::from(self.bytes_per_s));
        Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
    }

    /// Bytes go.
    pub(super) const fn take(&mut self, bytes: usize) {
        self.saved -= bytes as i128 * NANO;
    }

    fn refill(&mut self, now: Duration) {
        let elapsed = i128::try_from(now.saturating_sub(self.updated).as_nanos()).unwrap_or(i128::MAX);
        self.updated = self.updated.max(now);
        let earned = elapsed.saturating_mul(self.bytes_per_s.into());
        self.saved = self.saved.saturating_add(earned).min(self.burst());
    }

    const fn burst(&self) -> i128 {
        self.bytes_per_s as i128 * NANO / BURST_PER_SECOND
    }
}
