//! When bytes may go under a limit.

use std::time::Duration;

/// Nano-bytes in a byte: rates times nanoseconds stay whole numbers.
const NANO: u128 = 1_000_000_000;
/// Allowance that may be saved up, in parts of a second: enough to make up for late timers, too little to be seen as a burst.
const BURST_PER_SECOND: u128 = 10;

/// A token bucket. Time comes as an argument, on one clock that never goes back.
#[derive(Clone, Debug)]
pub struct Bucket {
    bytes_per_s: u64,
    saved: u128,
    updated: Duration,
}

impl Bucket {
    /// An empty bucket; 0 for no limit.
    #[must_use]
    pub const fn new(bytes_per_s: u64, now: Duration) -> Self {
        Self { bytes_per_s, saved: 0, updated: now }
    }

    /// The limit in bytes per second; 0 for none.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.bytes_per_s
    }

    /// Changes the limit from now on; 0 for none.
    pub fn set_limit(&mut self, bytes_per_s: u64, now: Duration) {
        self.refill(now);
        self.bytes_per_s = bytes_per_s;
        self.saved = self.saved.min(self.most());
    }

    /// How many bytes to ask for at most at a time: a twentieth of a second's worth, so that slow transfers flow, too.
    #[must_use]
    pub fn portion(&self) -> usize {
        const LEAST: usize = 1024;
        const MOST: usize = 64 * 1024;
        match self.bytes_per_s {
            0 => usize::MAX,
            rate => usize::try_from(rate / 20).unwrap_or(MOST).clamp(LEAST, MOST),
        }
    }

    /// Takes `bytes` if they may go now.
    ///
    /// # Errors
    /// How long to wait before asking again.
    pub fn take(&mut self, bytes: usize, now: Duration) -> Result<(), Duration> {
        if self.bytes_per_s == 0 {
            self.updated = now;
            return Ok(());
        }
        self.refill(now);
        let wanted = bytes as u128 * NANO;
        // More than the bucket can ever hold goes when it is full, and is owed.
        let needed = wanted.min(self.most());
        if self.saved < needed {
            let wait = (needed - self.saved).div_ceil(u128::from(self.bytes_per_s));
            return Err(Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX)));
        }
        self.saved = self.saved.saturating_sub(wanted);
        Ok(())
    }

    fn refill(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.updated).as_nanos();
        self.updated = self.updated.max(now);
        self.saved =
            self.saved.saturating_add(elapsed.saturating_mul(self.bytes_per_s.into())).min(self.most());
    }

    /// The most that is saved up: never less than a portion, or nothing could ever go.
    fn most(&self) -> u128 {
        (u128::from(self.bytes_per_s) * NANO / BURST_PER_SECOND).max(self.portion() as u128 * NANO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that go until `end` when the sender looks at the clock only every `tick` and loses `late` per wait.
    fn run(bucket: &mut Bucket, mut now: Duration, end: Duration, late: Duration) -> u64 {
        let mut sent = 0;
        while now < end {
            let portion = bucket.portion();
            match bucket.take(portion, now) {
                Ok(()) => sent += portion as u64,
                Err(wait) => now += wait + late,
            }
        }
        sent
    }

    #[test]
    fn ten_seconds_carry_ten_seconds_worth_even_with_late_timers() {
        for rate in [1 << 20, 5 << 20, 50_000, 500_000_000] {
            for late_us in [0, 1_200, 7_000] {
                let mut bucket = Bucket::new(rate, Duration::ZERO);
                let sent =
                    run(&mut bucket, Duration::ZERO, Duration::from_secs(10), Duration::from_micros(late_us));
                let error = sent.abs_diff(rate * 10) as f64 / (rate * 10) as f64;
                assert!(error < 0.02, "{rate} bytes/s, {late_us} µs late: {sent}");
            }
        }
    }

    #[test]
    fn a_change_counts_from_that_moment() {
        let second = Duration::from_secs(1);
        let mut bucket = Bucket::new(1 << 20, Duration::ZERO);
        run(&mut bucket, Duration::ZERO, second, Duration::ZERO);
        bucket.set_limit(10 << 20, second);
        let sent = run(&mut bucket, second, 2 * second, Duration::ZERO);
        assert!(sent.abs_diff(10 << 20) < 200_000, "{sent}");
        bucket.set_limit(0, 2 * second);
        assert_eq!(bucket.take(1 << 30, 2 * second), Ok(()));
    }

    #[test]
    fn idle_time_is_not_saved_up() {
        let mut bucket = Bucket::new(1 << 20, Duration::ZERO);
        let late = Duration::from_secs(100);
        let sent = run(&mut bucket, late, late + Duration::from_millis(10), Duration::ZERO);
        assert!(sent < 200_000, "{sent}");
    }
}
