//! How often the binding is repeated: as rarely as the NAT allows while the relay is needed, and hardly otherwise.

use std::time::Duration;

/// Shortest interval. Few NATs forget earlier (RFC 4787 §4.3 wants 2 minutes and more).
pub const INTERVAL_MIN: Duration = Duration::from_secs(10);

/// Longest interval while the relay is needed.
pub const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// Interval while nothing needs the relay: just under what a binding lasts there.
pub const INTERVAL_UNUSED: Duration = Duration::from_secs(240);

/// First interval.
const INTERVAL_START: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct KeepAlive {
    interval: Duration,
    is_wanted: bool,
    /// When something was last asked or answered.
    last: Duration,
}

impl KeepAlive {
    pub(super) fn new(is_wanted: bool, now: Duration) -> Self {
        Self { interval: INTERVAL_START, is_wanted, last: now }
    }

    pub(super) fn want(&mut self, is_wanted: bool) {
        self.is_wanted = is_wanted;
    }

    /// When to bind again.
    pub(super) fn due(&self) -> Duration {
        self.last + if self.is_wanted { self.interval } else { INTERVAL_UNUSED }
    }

    pub(super) fn asked(&mut self, now: Duration) {
        self.last = now;
    }

    /// The relay has answered; `moved` when it sees another address than before: then the NAT forgot us in between.
    pub(super) fn answered(&mut self, moved: bool, now: Duration) {
        self.interval = if moved { self.interval / 2 } else { self.interval + self.interval / 2 };
        self.interval = self.interval.clamp(INTERVAL_MIN, INTERVAL_MAX);
        self.last = now;
    }
}
