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

/// Doubles the window in each round trip.
#[derive(Clone, Debug, Default)]
pub(super) struct Startup {
    rtts: [Duration; SAMPLES],
    next: usize,
    /// What arrived in the round before.
    delivered: f64,
}

impl Startup {
    /// Packets wait: what they show was sent a round trip ago, when the window was half as large.
    pub(super) fn handle_acks(&mut self, path: &mut Path, bytes: f64) -> Option<Polite> {
        path.set_window(path.window + bytes);
        self.rtts[self.next % SAMPLES] = path.latest;
        self.next += 1;
        let least = self.rtts.iter().copied().min().unwrap_or_default();
        if path.queue(least) < path.queue_max() {
            return None;
        }
        path.set_window(path.window / 2.0 * path.filling(path.latest));
        Some(Polite::eager())
    }

    /// Too much is lost: what arrives in a round is about what the path carries.
    pub(super) fn handle_loss(&mut self, path: &mut Path, round: &Round) -> Option<Polite> {
        if !round.loses_more_than(LOSS_MAX, LOST_PACKETS * path.packet) {
            return None;
        }
        path.set_window((path.window / 2.0).min(self.delivered.max(round.delivered())));
        Some(Polite::eager())
    }

    pub(super) const fn handle_round(&mut self, round: &Round) {
        self.delivered = round.delivered();
    }
}
