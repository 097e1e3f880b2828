//! The phase in which somebody else fills the queue.

use std::time::Duration;

use super::cubic::Cubic;
use super::polite::{LOSS_MAX, LOST_PACKETS, Polite};
use super::round::Round;
use super::{LOSS_ROUNDS, Path};

/// How soon we look whether the queue is ours alone, and how much is in flight beside ours.
const LOOK_AFTER: Duration = Duration::from_secs(4);

/// As many round trips are between two looks at least, since each costs one or two.
const LOOK_AFTER_RTTS: u32 = 50;

/// What we leave in flight of what would fill the path while we look.
const LOOK_KEEPS: f64 = 0.5;

/// Round trips that a look takes, at the most.
const LOOK_ROUNDS: u32 = 3;

/// What remains of the window when the queue was empty but is not any more: two of ours would else keep it filled for each other.
const FEINT_KEEPS: f64 = 0.85;

/// Of what is in flight we count so much as ours at least: the others may have grown while we looked.
const SHARE_LEAST: f64 = 0.05;

/// The part of the line that we aim at. Of others we know how much they have, not how many they are.
const FAIR_SHARE: f64 = 0.5;

/// A look at the queue without us.
#[derive(Clone, Debug)]
struct Look {
    rounds: u32,
    /// The window to return to.
    window: f64,
    /// RTT before.
    rtt: Duration,
}

impl Look {
    /// Bytes in a second that the line carries for all, if a smaller window makes the round trip so short: of all that is in
    /// flight the same part has gone as of the time. An upper bound if the queue is empty.
    fn rate(&self, window: f64, rtt: Duration) -> f64 {
        let before = self.rtt.as_secs_f64().max(1e-6);
        let shorter = 1.0 - rtt.as_secs_f64() / before;
        let smaller = (1.0 - window / self.window).max(f64::EPSILON);
        self.window / (shorter / smaller).clamp(SHARE_LEAST, 1.0) / before
    }
}

/// Does as CUBIC does when the queue is full.
#[derive(Clone, Debug)]
pub(super) struct Contending {
    cubic: Cubic,
    /// What was sent before is part of a congestion that was answered already.
    recovered_at: Duration,
    look_at: Duration,
    look: Option<Look>,
    /// Bytes in a second that the line carries for all, as the looks have shown.
    rate: Option<f64>,
}

impl Contending {
    /// With this window from now on. `rate`: bytes in a second that the line carries for all, if known.
    pub(super) fn new(path: &mut Path, window: f64, rate: Option<f64>, now: Duration) -> Self {
        path.set_window(window);
        Self { cubic: Cubic::at(window, now), recovered_at: now, look_at: now + LOOK_AFTER, look: None, rate }
    }

    pub(super) fn handle_acks(&mut self, path: &mut Path, now: Duration, bytes: f64) {
        if self.look.is_some() {
            return;
        }
        let growth = self.cubic.growth(path.window, path.packet, (now, path.latest), bytes);
        path.set_window(path.window + growth);
    }

    /// `full`: there was no place in the queue, as far as can be known.
    pub(super) fn handle_loss(&mut self, path: &mut Path, now: Duration, sent: Duration, full: bool) {
        if full && sent >= self.recovered_at && self.look.is_none() {
            self.shrink(path, now);
        }
    }

    fn shrink(&mut self, path: &mut Path, now: Duration) {
        let window = self.cubic.shrink(path.window, path.packet, now);
        if let Some(rate) = self.rate {
            self.cubic.aim(FAIR_SHARE * rate * path.latest.as_secs_f64(), path.packet);
        }
        path.set_window(window);
        self.recovered_at = now;
    }

    pub(super) fn handle_round(&mut self, path: &mut Path, round: &Round, now: Duration) -> Option<Polite> {
        if let Some(look) = self.look.take() {
            return self.handle_look(look, path, round.rtt, now);
        }
        // Losses count late: those of the last congestion are answered already.
        let answered = self.recovered_at + path.latest * u32::from(LOSS_ROUNDS);
        if now >= answered && round.loses_more_than(LOSS_MAX, LOST_PACKETS * path.packet) {
            self.shrink(path, now);
        }
        if now >= self.look_at && !round.app_limited {
            self.look = Some(Look { rounds: 0, window: path.window, rtt: round.rtt });
            path.set_window(path.window * path.filling(round.rtt) * LOOK_KEEPS);
        }
        None
    }

    /// A round of a look has ended. If the queue is empty, it may be ours alone.
    fn handle_look(
        &mut self,
        mut look: Look,
        path: &mut Path,
        rtt: Duration,
        now: Duration,
    ) -> Option<Polite> {
        let rate = look.rate(path.window, rtt);
        if path.queue(rtt) < path.queue_max() / 2 {
            path.set_window(path.window / LOOK_KEEPS);
            let fair = FAIR_SHARE * rate * look.rtt.as_secs_f64();
            return Some(Polite::wary(FEINT_KEEPS * look.window.min(fair), self.rate));
        }
        look.rounds += 1;
        if look.rounds < LOOK_ROUNDS {
            self.look = Some(look);
            return None;
        }
        self.rate = Some(self.rate.map_or(rate, |before| (before + rate) / 2.0));
        path.set_window(look.window);
        self.look_at = now + LOOK_AFTER.max(path.latest * LOOK_AFTER_RTTS);
        None
    }
}
