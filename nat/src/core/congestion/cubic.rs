//! The window of CUBIC (RFC 9438), in bytes.

use std::time::Duration;

/// What remains of the window after a congestion event (§4.6).
const KEEP: f64 = 0.7;

/// How steep the growth is, in packets per cubic second (§5.1).
const STEEPNESS: f64 = 0.4;

/// One congestion avoidance after another.
#[derive(Clone, Debug)]
pub(super) struct Cubic {
    /// When this congestion avoidance began.
    since: Duration,
    /// The window at which there was congestion last.
    max: f64,
    /// Seconds until the window is there again.
    until_max: f64,
}

impl Cubic {
    /// As if there had been congestion just now at `window`.
    pub(super) const fn at(window: f64, now: Duration) -> Self {
        Self { since: now, max: window, until_max: 0.0 }
    }

    /// There is congestion: the window from now on. The share of a new flow grows faster if the old one expects less
    /// (fast convergence, §4.7).
    pub(super) fn shrink(&mut self, window: f64, packet: f64, now: Duration) -> f64 {
        self.max = if window < self.max { window * (1.0 + KEEP) / 2.0 } else { window };
        self.since = now;
        let smaller = window * KEEP;
        self.until_max = ((self.max - smaller).max(0.0) / packet / STEEPNESS).cbrt();
        smaller
    }

    /// By how much the window grows when `bytes` arrive.
    pub(super) fn growth(&self, window: f64, packet: f64, at: (Duration, Duration), bytes: f64) -> f64 {
        let (now, rtt) = at;
        let t = now.saturating_sub(self.since).as_secs_f64();
        let rtt = rtt.as_secs_f64();
        let cubic = STEEPNESS * (t + rtt - self.until_max).powi(3) * packet + self.max;
        let reno = self.max * KEEP + 3.0 * (1.0 - KEEP) / (1.0 + KEEP) * t / rtt.max(1e-6) * packet;
        let target = cubic.max(reno).min(1.5 * window);
        ((target - window) / window * bytes).max(0.0)
    }
}
