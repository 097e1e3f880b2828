//! What one round trip shows.

use std::time::Duration;

/// The acknowledgements that came in at one moment.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) bytes: f64,
    /// Of the packet that took the shortest time.
    pub(super) rtt: Duration,
    /// When the newest packet was sent.
    pub(super) newest: Duration,
}

impl Default for Batch {
    fn default() -> Self {
        Self { bytes: 0.0, rtt: Duration::MAX, newest: Duration::ZERO }
    }
}

impl Batch {
    #[expect(clippy::cast_precision_loss, reason = "bytes of a packet")]
    pub(super) fn add(&mut self, now: Duration, sent: Duration, bytes: u64) {
        self.bytes += bytes as f64;
        self.rtt = self.rtt.min(now.saturating_sub(sent));
        self.newest = self.newest.max(sent);
    }
}

/// A round trip: from one moment until a packet is acknowledged that was sent after it.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) started: Duration,
    delivered: f64,
    lost: f64,
    marked: bool,
    /// The least RTT.
    pub(super) rtt: Duration,
    /// Whether at some time there was nothing more to send.
    pub(super) app_limited: bool,
}

impl Round {
    pub(super) const fn starting(now: Duration) -> Self {
        Self {
            started: now,
            delivered: 0.0,
            lost: 0.0,
            marked: false,
            rtt: Duration::MAX,
            app_limited: false,
        }
    }

    pub(super) fn add(&mut self, batch: &Batch, app_limited: bool) {
        self.delivered += batch.bytes;
        self.rtt = self.rtt.min(batch.rtt);
        self.app_limited |= app_limited;
    }

    /// So many bytes are lost; none stands for a mark.
    pub(super) fn lose(&mut self, bytes: f64) {
        self.lost += bytes;
        self.marked |= bytes == 0.0;
    }

    pub(super) const fn delivered(&self) -> f64 {
        self.delivered
    }

    /// The part that was lost.
    pub(super) fn loss(&self) -> f64 {
        self.lost / (self.lost + self.delivered).max(1.0)
    }

    /// Whether more than `part` and at least so many bytes were lost, or the network said that there is congestion.
    pub(super) fn loses_more_than(&self, part: f64, bytes: f64) -> bool {
        self.marked || (self.loss() > part && self.lost >= bytes)
    }
}
