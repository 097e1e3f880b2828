//! The phase in which somebody else fills the queue.

use std::time::Duration;

use super::Path;
use super::cubic::Cubic;
use super::polite::{LOSS_MAX, LOST_PACKETS, Polite};
use super::round::Round;

/// How soon we look whether the queue is ours alone. Each look that finds others doubles the time until the next.
const LOOK_AFTER: Duration = Duration::from_secs(5);

/// The longest time between two looks.
const LOOK_AFTER_MAX: Duration = Duration::from_secs(20);

/// As many round trips are between two looks at least, since each costs one or two.
const LOOK_AFTER_RTTS: u32 = 50;

/// What we leave in flight of what would fill the path while we look.
const LOOK_KEEPS: f64 = 0.5;

/// Round trips that a look takes, at the most.
const LOOK_ROUNDS: u32 = 2;

/// A look at the queue without us.
#[derive(Clone, Debug)]
struct Look {
    rounds: u32,
    /// The window to return to.
    window: f64,
}

/// Does as CUBIC does when the queue is full.
#[derive(Clone, Debug)]
pub(super) struct Contending {
    cubic: Cubic,
    /// What was sent before is part of a congestion that was answered already.
    recovered_at: Duration,
    look_at: Duration,
    look_after: Duration,
    look: Option<Look>,
}

impl Contending {
    pub(super) fn new(path: &mut Path, window: f64, now: Duration) -> Self {
        path.set_window(window);
        Self {
            cubic: Cubic::at(window, now),
            recovered_at: now,
            look_at: now + LOOK_AFTER,
            look_after: LOOK_AFTER,
            look: None,
        }
    }

    pub(super) fn handle_acks(&mut self, path: &mut Path, now: Duration, bytes: f64) {
        if self.look.is_some() {
            return;
        }
        let growth = self.cubic.growth(path.window, path.packet, (now, path.latest), bytes);
        path.set_window(path.window + growth);
    }

    pub(super) fn handle_loss(&mut self, path: &mut Path, now: Duration, sent: Duration) {
        if path.was_full() && sent >= self.recovered_at && self.look.is_none() {
            self.shrink(path, now);
        }
    }

    fn shrink(&mut self, path: &mut Path, now: Duration) {
        let window = self.cubic.shrink(path.window, path.packet, now);
        path.set_window(window);
        self.recovered_at = now;
    }

    pub(super) fn handle_round(&mut self, path: &mut Path, round: &Round, now: Duration) -> Option<Polite> {
        let empty = path.queue(round.rtt) < path.queue_max() / 2;
        if let Some(look) = &mut self.look {
            look.rounds += 1;
            if empty {
                path.set_window(path.window / LOOK_KEEPS);
                return Some(Polite::wary());
            }
            if look.rounds > LOOK_ROUNDS {
                path.set_window(look.window);
                self.look = None;
                self.look_after = (self.look_after * 2).min(LOOK_AFTER_MAX);
                self.look_at = now + self.look_after.max(path.latest * LOOK_AFTER_RTTS);
            }
            return None;
        }
        if self.recovered_at <= round.started && round.loses_more_than(LOSS_MAX, LOST_PACKETS * path.packet) {
            self.shrink(path, now);
        }
        if now >= self.look_at && !round.app_limited {
            self.look = Some(Look { rounds: 0, window: path.window });
            path.set_window(path.window * path.filling(round.rtt) * LOOK_KEEPS);
        }
        None
    }
}
