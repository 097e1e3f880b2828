//! Tries again while the relay is all there is: the peer's NAT may have changed, or a moment was bad.

use std::time::Duration;

use super::Agent;
use super::guess::{self, Prospect};
use super::input::Selection;
use super::random::Random;

/// When all ways that do not work are tried again, after both sides' addresses were told: the same moments on both sides,
/// because NATs are punched together.
const AFTER: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(20), Duration::from_secs(80), Duration::from_secs(380)];
/// How often from then on. Three checks of eight ways are 300 kB a day.
const EVERY: Duration = Duration::from_secs(600);
/// The try at which ports are guessed once more: it costs too much to be repeated all day.
const GUESS_AT: usize = 3;

/// The next try.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Retry {
    from: Duration,
    /// When it was tried last.
    last: Duration,
    tries: usize,
    /// When QUIC last came over the relay: without a link there is nothing to better.
    heard: Option<Duration>,
}

impl Retry {
    /// Everything is being tried at `now`.
    pub(super) fn begin(&mut self, now: Duration) {
        *self = Self { from: now, last: now, tries: 0, heard: self.heard };
    }

    /// QUIC came over the relay.
    pub(super) fn hear(&mut self, at: Option<Duration>) {
        self.heard = self.heard.max(at);
    }

    fn due(&self) -> Duration {
        AFTER.get(self.tries).map_or(self.last + EVERY, |after| self.from + *after)
    }

    /// The try that is due, if the peer was there since the one before.
    fn take(&mut self, now: Duration) -> Option<usize> {
        let is_there = self.heard.is_some_and(|at| at > self.last);
        let number = self.tries;
        (self.last, self.tries) = (now, number.saturating_add(1));
        is_there.then_some(number)
    }
}

impl Agent {
    /// When ways are tried again.
    pub(super) fn retry_due(&self) -> Option<Duration> {
        (self.selection == Selection::Relay && !self.pairs.is_empty()).then(|| self.retry.due())
    }

    /// Tries again what does not work, when it is time.
    pub(super) fn retry(&mut self, now: Duration) {
        if self.retry_due().is_none_or(|due| due > now) {
            return;
        }
        let Some(number) = self.retry.take(now) else {
            return;
        };
        for pair in &mut self.pairs {
            pair.retry(now);
        }
        let Some((generation, told)) = self.generations.complete() else {
            return;
        };
        let is_over = self.guess.as_ref().is_none_or(guess::Guess::is_over);
        if number == GUESS_AT && is_over {
            // Other ports than the first time.
            let mut random = Random::new(generation.own.seed.rotate_left(32));
            if let Prospect::Guess(guess) = guess::prospect(&self.local, told, &mut random, now) {
                self.guess = Some(*guess);
            }
        }
    }
}
