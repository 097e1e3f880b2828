//! Signals on their way out, and which of those that come in are new.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hobnob_wire::DeviceId;

/// A signal is of no use after this time: whoever asked for a link has given up.
const SIGNAL_LIFE: Duration = Duration::from_secs(10);

/// Signals that wait for one device; the oldest makes place.
const WAITING_MAX: usize = 8;

/// Wait before a signal that was not taken is sent again.
const RETRY_WAIT: Duration = Duration::from_millis(500);

/// How long a signal that came is remembered, so that it counts once.
const MEMORY: Duration = Duration::from_secs(60);

/// Signals of one device that count within [`MEMORY`].
const INBOUND_MAX: usize = 32;

/// Signals of one device; one at a time is on its way.
#[derive(Debug, Default)]
struct Queue {
    /// Each with the time when it is of no use any more.
    signals: VecDeque<(Vec<u8>, Duration)>,
    /// The first one is on its way.
    busy: bool,
    /// The first one was not taken and waits until then.
    retry: Option<Duration>,
}

/// Signals on their way out.
#[derive(Debug, Default)]
pub(super) struct Outbound(BTreeMap<DeviceId, Queue>);

impl Outbound {
    pub(super) fn push(&mut self, device: DeviceId, sealed: Vec<u8>, now: Duration) {
        let queue = self.0.entry(device).or_default();
        if queue.signals.len() >= WAITING_MAX {
            queue.signals.remove(usize::from(queue.busy));
        }
        queue.signals.push_back((sealed, now + SIGNAL_LIFE));
    }

    /// Forgets the signals of other devices than these.
    pub(super) fn retain(&mut self, keep: impl Fn(DeviceId) -> bool) {
        self.0.retain(|device, _| keep(*device));
    }

    /// What is sent now to devices that are here.
    pub(super) fn due<N>(&mut self, here: &BTreeMap<DeviceId, N>, now: Duration) -> Vec<(DeviceId, Vec<u8>)> {
        let mut due = Vec::new();
        for (device, queue) in &mut self.0 {
            if queue.busy {
                continue;
            }
            queue.signals.retain(|(_, until)| *until > now);
            if queue.retry.is_some_and(|at| at > now) {
                continue;
            }
            queue.retry = None;
            if let Some((sealed, _)) = queue.signals.front()
                && here.contains_key(device)
            {
                queue.busy = true;
                due.push((*device, sealed.clone()));
            }
        }
        self.0.retain(|_, queue| !queue.signals.is_empty());
        due
    }

    /// The signal that was on its way was taken, or not.
    pub(super) fn answered(&mut self, device: DeviceId, taken: bool, now: Duration) {
        let Some(queue) = self.0.get_mut(&device).filter(|queue| queue.busy) else {
            return;
        };
        queue.busy = false;
        if taken {
            queue.signals.pop_front();
        } else {
            queue.retry = Some(now + RETRY_WAIT);
        }
    }

    /// The device is another node now, or gone: nothing is on its way.
    pub(super) fn again(&mut self, device: DeviceId) {
        if let Some(queue) = self.0.get_mut(&device) {
            queue.busy = false;
            queue.retry = None;
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        let due = |queue: &Queue| match (queue.busy, queue.signals.front()) {
            (false, Some((_, until))) => Some(queue.retry.map_or(*until, |at| at.min(*until))),
            (true, _) | (false, None) => None,
        };
        self.0.values().filter_map(due).min()
    }
}

/// What came lately.
#[derive(Debug, Default)]
pub(super) struct Inbound(BTreeMap<DeviceId, VecDeque<(blake3::Hash, Duration)>>);

impl Inbound {
    /// Whether a signal is to be looked at: it has not come before, and not too many have.
    pub(super) fn is_new(&mut self, device: DeviceId, sealed: &[u8], now: Duration) -> bool {
        for seen in self.0.values_mut() {
            while seen.front().is_some_and(|(_, at)| now.saturating_sub(*at) >= MEMORY) {
                seen.pop_front();
            }
        }
        self.0.retain(|_, seen| !seen.is_empty());
        let seen = self.0.entry(device).or_default();
        let hash = blake3::hash(sealed);
        let new = seen.len() < INBOUND_MAX && !seen.iter().any(|(before, _)| *before == hash);
        if new {
            seen.push_back((hash, now));
        }
        new
    }
}
