//! Our congestion controller as quinn wants it, and the news of path switches that quinn does not have.

#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "simulation"))]
pub mod trial;

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quinn::TransportConfig;
use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics};
use quinn_proto::RttEstimator;

use crate::core::congestion::Congestion;

/// So many packets later than the next ones a packet counts as lost. Far beyond what a path reorders (RFC 9002 §6.1.1 has 3), and beyond
/// the difference of 20 ms between a relay and a direct path at 100 Mbit/s; on fast paths still sooner than [`LOST_AFTER_RTTS`].
const LOST_AFTER_PACKETS: u32 = 256;

/// So many round trips after it was sent a packet counts as lost if a later one has arrived (RFC 9002 §6.1.2 has 1.125). What is in
/// flight over a relay is then not repeated when a direct path takes a third of the time.
const LOST_AFTER_RTTS: f32 = 2.0;

/// Counts the switches of the path below one link. quinn sees one address per peer and cannot notice them.
///
/// Clones count together: the one who switches holds one, the link's controller the other.
#[derive(Clone, Debug, Default)]
pub struct PathEpoch(Arc<AtomicU64>);

impl PathEpoch {
    /// The packets of the link take another way from now on.
    pub fn switched(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lets a connection use our controller, and count packets as lost only when reordering cannot explain it. `epoch` counts the
/// switches of its path.
pub fn control(config: &mut TransportConfig, epoch: PathEpoch) {
    config
        .packet_threshold(LOST_AFTER_PACKETS)
        .time_threshold(LOST_AFTER_RTTS)
        .congestion_controller_factory(Arc::new(LinkCongestion { epoch }));
}

/// Makes the controller of one link.
#[derive(Clone, Debug)]
struct LinkCongestion {
    epoch: PathEpoch,
}

impl ControllerFactory for LinkCongestion {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(LinkController {
            congestion: Congestion::new(current_mtu, Duration::ZERO),
            started: now,
            seen: self.epoch.get(),
            epoch: self.epoch.clone(),
            initial_window: Congestion::initial_window(current_mtu),
        })
    }
}

/// Translates quinn's instants, and looks for a switch of the path whenever quinn calls.
#[derive(Clone, Debug)]
struct LinkController {
    congestion: Congestion,
    started: Instant,
    epoch: PathEpoch,
    seen: u64,
    initial_window: u64,
}

impl LinkController {
    fn time(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.started)
    }

    fn notice_switch(&mut self, now: Instant) {
        let epoch = self.epoch.get();
        if epoch != self.seen {
            self.seen = epoch;
            self.congestion.handle_switch(self.time(now));
        }
    }
}

impl Controller for LinkController {
    fn on_sent(&mut self, now: Instant, _bytes: u64, _last_packet_number: u64) {
        self.notice_switch(now);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, _app_limited: bool, _rtt: &RttEstimator) {
        self.notice_switch(now);
        self.congestion.handle_ack(self.time(now), self.time(sent), bytes);
    }

    fn on_end_acks(&mut self, now: Instant, _in_flight: u64, app_limited: bool, _largest: Option<u64>) {
        self.congestion.handle_acks_end(self.time(now), app_limited);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, all_lost: bool, lost_bytes: u64) {
        self.notice_switch(now);
        self.congestion.handle_loss(self.time(now), self.time(sent), lost_bytes, all_lost);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.congestion.handle_mtu(new_mtu);
    }

    fn window(&self) -> u64 {
        self.congestion.window()
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        metrics.congestion_window = self.window();
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.initial_window
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
