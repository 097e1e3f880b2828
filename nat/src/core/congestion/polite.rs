//! The usual phase: the bottleneck is busy, its queue short.

use std::time::Duration;

use super::Path;
use super::contending::Contending;
use super::round::Round;

/// A greater part lost than this and half as much again as the path's own noise is a reason to slow down.
pub(super) const LOSS_MAX: f64 = 0.03;

/// Fewer packets lost in a round say nothing.
pub(super) const LOST_PACKETS: f64 = 4.0;

/// More than this is not a path's own noise.
const NOISE_MAX: f64 = 0.1;

/// What remains of the window at least when we slow down.
const KEEP_LEAST: f64 = 0.5;

/// What remains at most: flows on a long path become equal by what they give up.
const KEEP_MOST: f64 = 0.92;

/// What remains at most after losses, which do not tell how much was too much.
const KEEP_AFTER_LOSS: f64 = 0.9;

/// Rounds after slowing down in which its effect is not seen yet.
const EFFECT: u32 = 2;

/// Rounds after slowing down in which what is lost is the path's own noise, since there is room for all that we send.
const QUIET: std::ops::RangeInclusive<u32> = 3..=5;

/// How often in a row we slow down for a queue that does not become shorter by it. Then it is not ours.
const STRIKES: u32 = 3;

/// The same while we are wary.
const WARY_STRIKES: u32 = 1;

/// Rounds after contending in which we are wary: who filled the queue then may just have made room for a moment.
const WARY_ROUNDS: u32 = 200;

/// Growth doubles each time that there was room for so many rounds.
const PATIENCE: f64 = 5.0;

/// After startup we grow as if there had been room for so many rounds.
const EAGER_ROUNDS: u32 = 10;

/// Growth in a round at most, as a part of the window.
const GROWTH_MAX: f64 = 0.25;

/// Grows until packets wait, and makes room again.
#[derive(Clone, Debug, Default)]
pub(super) struct Polite {
    /// Rounds since we slowed down.
    rounds: u32,
    /// Rounds in a row in which there was room.
    roomy: u32,
    /// Part that the path loses by itself.
    noise: f64,
    strikes: u32,
    /// Rounds in which we are still wary.
    wary: u32,
    /// The window before the first strike.
    before: f64,
}

impl Polite {
    /// After startup, which ends where packets begin to wait: bursts do so at half of what a long path carries.
    pub(super) fn eager() -> Self {
        Self { roomy: EAGER_ROUNDS, ..Self::default() }
    }

    /// After contending.
    pub(super) fn wary() -> Self {
        Self { wary: WARY_ROUNDS, ..Self::default() }
    }

    /// Grows by the square root of the window: less than in proportion, so that of two flows the smaller one catches up, and
    /// more than a constant, so that fast paths are filled soon.
    pub(super) fn handle_acks(&self, path: &mut Path, bytes: f64) {
        if self.rounds == 0 {
            return;
        }
        let step = 0.25 * (path.window * path.packet).sqrt();
        let step = step * (f64::from(self.roomy) / PATIENCE).exp2();
        let step = step.min(GROWTH_MAX * path.window);
        path.set_window(path.window + step * bytes / path.window);
    }

    pub(super) fn handle_round(
        &mut self,
        path: &mut Path,
        round: &Round,
        now: Duration,
    ) -> Option<Contending> {
        let queue = path.queue(round.rtt);
        let room = queue < path.queue_max() / 2;
        self.rounds += 1;
        self.wary = self.wary.saturating_sub(1);
        if room {
            self.strikes = 0;
        }
        if room && QUIET.contains(&self.rounds) {
            self.noise += (round.loss().min(NOISE_MAX) - self.noise) / 4.0;
        }
        if round.app_limited {
            return None;
        }
        if self.rounds < EFFECT {
            return None;
        }
        self.roomy = if room { self.roomy + 1 } else { 0 };
        let lossy = round.loses_more_than(LOSS_MAX + 1.5 * self.noise, LOST_PACKETS * path.packet);
        if queue > path.queue_max() {
            if self.strikes == 0 {
                self.before = path.window;
            }
            self.strikes += 1;
            if self.strikes > if self.wary > 0 { WARY_STRIKES } else { STRIKES } {
                return Some(Contending::new(path, self.before.max(path.window), now));
            }
            self.slow_down(path, path.filling(round.rtt).min(KEEP_MOST));
        } else if lossy {
            self.slow_down(path, (1.0 - round.loss()).min(KEEP_AFTER_LOSS));
        }
        None
    }

    fn slow_down(&mut self, path: &mut Path, keep: f64) {
        path.set_window(path.window * keep.max(KEEP_LEAST));
        self.rounds = 0;
        self.roomy = 0;
    }
}
