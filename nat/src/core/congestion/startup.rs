//! The first phase: how fast is this path?

use std::time::Duration;

use super::Path;
use super::polite::Polite;
use super::round::Round;

/// Acknowledgements in a row that all must have waited before we believe in a queue: one alone may be late by chance.
const SAMPLES: usize = 8;

/// A greater part lost in a round ends the phase. No path that is any use loses so much by itself.
const LOSS_MAX: f64 = 0.1;

/// Fewer packets lost say nothing.
const LOST_PACKETS: f64 = 8.0;

/// Multiplies the window in each round trip.
#[derive(Clone, Debug)]
pub(super) struct Startup {
    /// What is added for each byte that arrives.
    growth: f64,
    rtts: [Duration; SAMPLES],
    next: usize,
    /// What arrived in the round before.
    delivered: f64,
}

impl Startup {
    /// Doubles the window.
    pub(super) fn new() -> Self {
        Self { growth: 1.0, rtts: Default::default(), next: 0, delivered: 0.0 }
    }

    /// After a switch there is a rate already. We look for more of it in smaller steps, so that a queue as long as a round trip
    /// holds what is too much.
    pub(super) fn on_new_path() -> Self {
        Self { growth: 0.5, ..Self::new() }
    }

    /// Packets wait: what they show was sent a round trip ago, when the window was smaller.
    pub(super) fn handle_acks(&mut self, path: &mut Path, bytes: f64) -> Option<Polite> {
        path.set_window(path.window + self.growth * bytes);
        self.rtts[self.next % SAMPLES] = path.latest;
        self.next += 1;
        let least = self.rtts.iter().copied().min().unwrap_or_default();
        if path.queue(least) < path.queue_max() {
            return None;
        }
        path.set_window(path.window / (1.0 + self.growth) * path.filling(path.latest));
        Some(Polite::eager())
    }

    /// Too much is lost: what arrives in a round is about what the path carries.
    pub(super) fn handle_loss(&mut self, path: &mut Path, round: &Round) -> Option<Polite> {
        if !round.loses_more_than(LOSS_MAX, LOST_PACKETS * path.packet) {
            return None;
        }
        path.set_window((path.window / (1.0 + self.growth)).min(self.delivered.max(round.delivered())));
        Some(Polite::eager())
    }

    pub(super) const fn handle_round(&mut self, round: &Round) {
        self.delivered = round.delivered();
    }
}
