//! Waits between attempts.

use std::time::Duration;

/// After the first attempt: a peer that restarts is back by then.
const FIRST: Duration = Duration::from_secs(1);
/// Longest wait: a peer that is reachable again without the rendezvous saying so is found within it.
const LONGEST: Duration = Duration::from_secs(60);

/// Doubling waits from 1 s to 60 s, or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backoff {
    wait: Duration,
    longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::up_to(LONGEST)
    }
}

impl Backoff {
    /// Waits that grow no longer than this.
    pub(super) const fn up_to(longest: Duration) -> Self {
        Self { wait: FIRST, longest }
    }

    /// When to try again after an attempt at `now`.
    pub(super) fn next(&mut self, now: Duration) -> Duration {
        let at = now + self.wait;
        self.wait = (self.wait * 2).min(self.longest);
        at
    }

    /// Begins with the shortest wait again.
    pub(super) const fn reset(&mut self) {
        self.wait = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_one_second_to_a_minute() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..8).map(|_| backoff.next(Duration::ZERO).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
