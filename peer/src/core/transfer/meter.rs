//! How fast bytes move now.

use std::collections::VecDeque;
use std::time::Duration;

/// The past that counts as "now".
const WINDOW: Duration = Duration::from_secs(2);
/// Movements closer together than this are one sample, so that there are at most 21.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

/// Averages the bytes of the last two seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    /// Moments and the bytes moved since the one before; the first is where counting starts.
    samples: VecDeque<(Duration, u64)>,
}

impl Meter {
    /// Begins counting at `now`; what was counted before is forgotten.
    pub(super) fn start(&mut self, now: Duration) {
        self.samples.clear();
        self.samples.push_back((now, 0));
    }

    /// Counts bytes that have just moved.
    pub(super) fn add(&mut self, bytes: u64, now: Duration) {
        self.forget(now);
        match self.samples.back_mut() {
            Some((at, sum)) if *sum > 0 && now.saturating_sub(*at) < SAMPLE_EVERY => *sum += bytes,
            Some(_) => self.samples.push_back((now, bytes)),
            None => self.samples.extend([(now, 0), (now, bytes)]),
        }
    }

    /// Bytes per second over the last two seconds, or since the start.
    pub(super) fn rate(&mut self, now: Duration) -> u64 {
        self.forget(now);
        let Some((start, _)) = self.samples.front() else { return 0 };
        let elapsed = now.saturating_sub(*start).max(SAMPLE_EVERY);
        let bytes: u64 = self.samples.iter().skip(1).map(|(_, bytes)| bytes).sum();
        u64::try_from(u128::from(bytes) * 1_000 / elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    fn forget(&mut self, now: Duration) {
        while self.samples.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= WINDOW) {
            self.samples.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_two_seconds_and_falls_to_nothing() {
        let ms = Duration::from_millis;
        let mut meter = Meter::default();
        assert_eq!(meter.rate(ms(0)), 0);
        meter.start(ms(0));
        for step in 1..=100 {
            meter.add(if step <= 50 { 900 } else { 100 }, ms(step * 100));
        }
        assert_eq!(meter.rate(ms(10_000)), 1_000);
        assert!(meter.samples.len() <= 22);
        assert_eq!(meter.rate(ms(13_000)), 0);
    }
}
