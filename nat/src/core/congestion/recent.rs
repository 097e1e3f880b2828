//! The extreme of recent measurements.

use std::time::Duration;

/// The least or greatest of the measurements of a time, forgotten in two halves.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    better: fn(Duration, Duration) -> Duration,
    holds: Duration,
    since: Duration,
    before: Option<Duration>,
    current: Option<Duration>,
}

impl Recent {
    /// The least one; each is held for `holds` at least and twice as long at most.
    pub(super) fn least(holds: Duration) -> Self {
        Self { better: Ord::min, holds, since: Duration::ZERO, before: None, current: None }
    }

    /// The greatest one.
    pub(super) fn greatest(holds: Duration) -> Self {
        Self { better: Ord::max, ..Self::least(holds) }
    }

    pub(super) fn add(&mut self, now: Duration, value: Duration) {
        if now.saturating_sub(self.since) >= self.holds {
            self.before = self.current.take();
            self.since = now;
        }
        self.current = Some(self.current.map_or(value, |current| (self.better)(current, value)));
    }

    pub(super) fn get(&self) -> Option<Duration> {
        match (self.before, self.current) {
            (Some(before), Some(current)) => Some((self.better)(before, current)),
            (before, current) => before.or(current),
        }
    }
}
