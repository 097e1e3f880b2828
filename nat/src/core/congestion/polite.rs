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

/// Rounds after contending in which we are wary.
const WARY_ROUNDS: u32 = 200;

/// When the queue is full again after at most so many rounds, nobody has made room, and we take back what we had.
const FEINT_ROUNDS: u32 = 8;

/// Growth doubles each time that there was room for so many rounds.
const PATIENCE: f64 = 5.0;

/// After startup we grow as if there had been room for so many rounds.
const EAGER_ROUNDS: u32 = 10;

/// Growth in a round at most, as a part of the window.
const GROWTH_MAX: f64 = 0.25;

/// What we keep of contending for some time: who filled the queue then may just have made room for a moment.
#[derive(Clone, Debug)]
struct Wary {
    /// Rounds since.
    rounds: u32,
    /// The window to return to.
    window: f64,
    /// What is known of the line.
    rate: Option<f64>,
}

impl Wary {
    fn after_round(self) -> Option<Self> {
        (self.rounds < WARY_ROUNDS).then(|| Self { rounds: self.rounds + 1, ..self })
    }
}

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
    wary: Option<Wary>,
    /// The window before the first strike.
    before: f64,
}

impl Polite {
    /// After startup, which ends where packets begin to wait: bursts do so at half of what a long path carries.
    pub(super) fn eager() -> Self {
        Self { roomy: EAGER_ROUNDS, ..Self::default() }
    }

    /// After contending with this window on a line that carries so many bytes in a second, as far as is known.
    pub(super) fn wary(window: f64, rate: Option<f64>) -> Self {
        Self { wary: Some(Wary { rounds: 0, window, rate }), ..Self::default() }
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
        self.wary = self.wary.take().and_then(Wary::after_round);
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
            if self.strikes > if self.wary.is_some() { WARY_STRIKES } else { STRIKES } {
                return Some(self.contend(path, now));
            }
            self.slow_down(path, path.filling(round.rtt).min(KEEP_MOST));
        } else if lossy {
            self.slow_down(path, (1.0 - round.loss()).min(KEEP_AFTER_LOSS));
        }
        None
    }

    fn contend(&self, path: &mut Path, now: Duration) -> Contending {
        let window = self.before.max(path.window);
        match &self.wary {
            Some(wary) if wary.rounds <= FEINT_ROUNDS => {
                Contending::new(path, window.max(wary.window), wary.rate, now)
            }
            Some(wary) => Contending::new(path, window, wary.rate, now),
            None => Contending::new(path, window, None, now),
        }
    }

    fn slow_down(&mut self, path: &mut Path, keep: f64) {
        path.set_window(path.window * keep.max(KEEP_LEAST));
        self.rounds = 0;
        self.roomy = 0;
    }
}
