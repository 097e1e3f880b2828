//! What is counted about the traffic with one peer.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::congestion::PathEpoch;

/// How long nothing has come by the selected route when what comes by the relay is taken for a sign that the peer has left
/// it, and for how long it is.
const ASIDE_AFTER: Duration = Duration::from_millis(60);
const ASIDE_LASTS: Duration = Duration::from_millis(200);

/// The traffic with one peer over the selected route.
#[derive(Debug)]
pub(crate) struct Usage {
    origin: Instant,
    sent: AtomicU64,
    heard: AtomicU64,
    /// When the peer was heard over the relay although another route is selected.
    aside: AtomicU64,
    /// When the route was selected.
    since: AtomicU64,
    largest: AtomicUsize,
    switches: PathEpoch,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            sent: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            aside: AtomicU64::new(0),
            since: AtomicU64::new(0),
            largest: AtomicUsize::new(0),
            switches: PathEpoch::default(),
        }
    }
}

impl Usage {
    /// Something was sent. Whether it was the first for `pause`.
    pub(super) fn note_sent(&self, now: Instant, pause: Duration) -> bool {
        let former = self.sent.swap(self.stamp(now), Ordering::Relaxed);
        former == 0 || now.duration_since(self.origin).saturating_sub(Duration::from_micros(former)) > pause
    }

    pub(super) fn note_heard(&self, now: Instant) {
        self.heard.store(self.stamp(now), Ordering::Relaxed);
    }

    pub(super) fn note_heard_aside(&self, now: Instant) {
        self.aside.store(self.stamp(now), Ordering::Relaxed);
    }

    /// Whether the peer has given up the selected route and is heard over the relay alone, as far as we can tell.
    pub(super) fn is_aside(&self, now: Instant) -> bool {
        let at = |stamp: &AtomicU64| stamp.load(Ordering::Relaxed);
        let aside = at(&self.aside);
        let silence = aside.saturating_sub(at(&self.heard).max(at(&self.since)));
        silence > micros(ASIDE_AFTER) && self.stamp(now).saturating_sub(aside) < micros(ASIDE_LASTS)
    }

    /// Whether a single datagram of this length is longer than any before it on this route: a search for the largest that
    /// passes.
    pub(super) fn is_search(&self, len: usize) -> bool {
        self.largest.fetch_max(len, Ordering::Relaxed) < len
    }

    /// When QUIC was last sent to the selected route.
    pub(crate) fn sent(&self) -> Option<Instant> {
        self.at(&self.sent)
    }

    /// When QUIC was last heard from the selected route.
    pub(crate) fn heard(&self) -> Option<Instant> {
        self.at(&self.heard)
    }

    /// Counts the changes of the route.
    pub(crate) fn switches(&self) -> &PathEpoch {
        &self.switches
    }

    pub(super) fn start_over(&self) {
        self.sent.store(0, Ordering::Relaxed);
        self.heard.store(0, Ordering::Relaxed);
        self.aside.store(0, Ordering::Relaxed);
        self.since.store(self.stamp(Instant::now()), Ordering::Relaxed);
        self.largest.store(0, Ordering::Relaxed);
        self.switches.switched();
    }

    /// Microseconds since the origin, never 0.
    fn stamp(&self, now: Instant) -> u64 {
        micros(now.duration_since(self.origin)).max(1)
    }

    fn at(&self, stamp: &AtomicU64) -> Option<Instant> {
        match stamp.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(self.origin + Duration::from_micros(micros)),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_heard_over_the_relay_alone_has_given_up_the_route() {
        let (usage, ms) = (Usage::default(), Duration::from_millis);
        let is_aside = || usage.is_aside(Instant::now());
        usage.start_over();
        tokio::time::advance(ms(60)).await;
        usage.note_heard_aside(Instant::now());
        assert!(!is_aside(), "what the relay still had on its way");
        tokio::time::advance(ms(1)).await;
        usage.note_heard_aside(Instant::now());
        assert!(is_aside());
        usage.note_heard(Instant::now());
        assert!(!is_aside(), "both routes work");
        tokio::time::advance(ms(61)).await;
        usage.note_heard_aside(Instant::now());
        assert!(is_aside());
        tokio::time::advance(ASIDE_LASTS).await;
        assert!(!is_aside(), "nothing comes any more");
    }

    #[test]
    fn a_search_is_a_datagram_longer_than_any_before_on_the_route() {
        let usage = Usage::default();
        let searches =
            |lengths: &[usize]| lengths.iter().map(|len| usage.is_search(*len)).collect::<Vec<_>>();
        assert_eq!(searches(&[1200, 40, 1200, 1400, 1300, 1401]), [true, false, false, true, false, true]);
        usage.start_over();
        assert_eq!(searches(&[1200, 1200]), [true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_datagram_after_a_pause_is_told() {
        let (usage, pause) = (Usage::default(), Duration::from_millis(100));
        let mut told = Vec::new();
        for wait_ms in [0, 1, 100, 101] {
            tokio::time::advance(Duration::from_millis(wait_ms)).await;
            told.push(usage.note_sent(Instant::now(), pause));
        }
        assert_eq!(told, [true, false, false, true]);
        assert_eq!(usage.sent(), Some(Instant::now()));
    }
}
