//! The window of CUBIC (RFC 9438), in bytes.

use std::time::Duration;

/// What remains of the window after a congestion event (§4.6).
const KEEP: f64 = 0.7;

/// How steep the growth is, in packets per cubic second (§5.1).
const STEEPNESS: f64 = 0.4;

/// The window may be told to aim at so many times what remains of it.
const AIM_MOST: f64 = 3.0;

/// One congestion avoidance after another.
#[derive(Clone, Debug)]
pub(super) struct Cubic {
    /// When this congestion avoidance began.
    since: Duration,
    /// The window then.
    from: f64,
    /// The window at which there was congestion last, or what it aims at.
    max: f64,
    /// Seconds until the window is there again.
    until_max: f64,
}

impl Cubic {
    /// As if there had been congestion just now at `window`.
    pub(super) const fn at(window: f64, now: Duration) -> Self {
        Self { since: now, from: window, max: window, until_max: 0.0 }
    }

    /// There is congestion: the window from now on. The share of a new flow grows faster if the old one expects less
    /// (fast convergence, §4.7).
    pub(super) fn shrink(&mut self, window: f64, packet: f64, now: Duration) -> f64 {
        self.max = if window < self.max { window * (1.0 + KEEP) / 2.0 } else { window };
        self.since = now;
        self.from = window * KEEP;
        self.grow_to(self.max, packet);
        self.from
    }

    /// The window is to come to rest at `aim` first, as if there had been congestion there: that makes flows equal sooner.
    pub(super) fn aim(&mut self, aim: f64, packet: f64) {
        self.grow_to(aim.clamp(self.from, AIM_MOST * self.from), packet);
    }

    fn grow_to(&mut self, max: f64, packet: f64) {
        self.max = max;
        self.until_max = ((max - self.from).max(0.0) / packet / STEEPNESS).cbrt();
    }

    /// By how much the window grows when `bytes` arrive.
    pub(super) fn growth(&self, window: f64, packet: f64, at: (Duration, Duration), bytes: f64) -> f64 {
        let (now, rtt) = at;
        let t = now.saturating_sub(self.since).as_secs_f64();
        let rtt = rtt.as_secs_f64();
        let cubic = STEEPNESS * (t + rtt - self.until_max).powi(3) * packet + self.max;
        let reno = self.from + 3.0 * (1.0 - KEEP) / (1.0 + KEEP) * t / rtt.max(1e-6) * packet;
        let target = cubic.max(reno).min(1.5 * window);
        ((target - window) / window * bytes).max(0.0)
    }
}
