//! Our congestion controller as quinn wants it, and the news of path switches that quinn does not have.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics};
use quinn_proto::RttEstimator;

use crate::core::congestion::Congestion;

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

/// Makes the controller of one link, for [`TransportConfig::congestion_controller_factory`](quinn::TransportConfig::congestion_controller_factory).
#[derive(Clone, Debug, Default)]
pub struct LinkCongestion {
    epoch: PathEpoch,
}

impl LinkCongestion {
    /// For the link whose path switches `epoch` counts.
    #[must_use]
    pub const fn new(epoch: PathEpoch) -> Self {
        Self { epoch }
    }
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
