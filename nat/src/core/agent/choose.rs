//! Selects where QUIC goes, and leaves a way that is silent.

use std::time::Duration;

use super::Agent;
use super::input::{Output, Selection};
use super::pair::Pair;
use super::rank;
use super::report::Note;
use super::silence::{self, Silence};
use super::way::{Policy, Way};

/// What a round trip is taken for before it has been measured.
const RTT_UNKNOWN: Duration = Duration::from_millis(200);

impl Agent {
    /// Selects the best that works.
    pub(super) fn choose(&mut self, now: Duration) {
        let wanted = self.wanted(now);
        if wanted == self.selection && self.announced {
            return;
        }
        self.announced = true;
        self.selection = wanted;
        self.since = now;
        self.silence = Silence::default();
        self.outputs.push_back(Output::Select(wanted));
        self.note(Note::Selected(wanted), now);
        let controlling = self.is_controlling();
        for pair in &mut self.pairs {
            pair.confirmed = false;
            // The controlled side is to know at once.
            if controlling && wanted == Selection::Direct(pair.way) {
                pair.begin(now);
            }
        }
    }

    fn wanted(&self, now: Duration) -> Selection {
        let selected = match self.selection {
            Selection::Direct(way) => self.pair(way).filter(|pair| pair.proof.is_some()),
            Selection::Relay | Selection::Nothing => None,
        };
        let works = |pair: &&Pair| pair.works(now);
        let nominated = self.pairs.iter().filter(works).filter(|pair| pair.nominated.is_some());
        let rested = now.saturating_sub(self.since);
        // A place that the peer has left may not answer any more, though it did a moment ago.
        let stays = |pair: &&Pair| !pair.untold;
        let best = nominated
            .max_by_key(|pair| pair.nominated)
            .or_else(|| {
                let pairs = self.pairs.iter().filter(works).filter(stays);
                rank::best(pairs, selected.filter(stays), &self.local, rested)
            })
            .or_else(|| rank::best(self.pairs.iter().filter(works), selected, &self.local, rested));
        match best {
            Some(pair) if self.generations.policy() != Policy::RelayOnly => Selection::Direct(pair.way),
            Some(_) | None if self.relay => Selection::Relay,
            Some(_) | None => Selection::Nothing,
        }
    }

    /// The pair of a way.
    pub(super) fn pair(&self, way: Way) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.way == way)
    }

    /// The selected way, since when it owes an answer, and its round-trip time.
    fn owing(&self) -> Option<(Way, Duration, Duration)> {
        let Selection::Direct(way) = self.selection else {
            return None;
        };
        let rtt = self.pair(way).and_then(|pair| pair.proof).map_or(RTT_UNKNOWN, |proof| proof.rtt);
        self.silence.since().map(|since| (way, since, rtt))
    }

    /// When a missing answer becomes suspicious, and when the selected way is left.
    pub(super) fn silence_due(&self) -> Option<Duration> {
        let (way, since, rtt) = self.owing()?;
        let is_suspected = self.pair(way).is_some_and(Pair::is_checking) && (self.doubted || !self.relay);
        let wait = if is_suspected { self.patience(since, rtt) } else { silence::suspect_after(rtt) };
        Some(since + wait)
    }

    /// How long the selected way, silent since `since`, may stay so: not long when we have moved meanwhile, or when
    /// another way has been proved, as happens when the peer moves.
    fn patience(&self, since: Duration, rtt: Duration) -> Duration {
        let is_news = |pair: &Pair| pair.proof.is_some_and(|proof| proof.since >= since);
        if self.moved >= Some(since) || self.pairs.iter().any(is_news) {
            silence::suspect_after(rtt) + rtt
        } else {
            silence::leave_after(rtt)
        }
    }

    /// Checks the selected way when it is silent, and leaves it when it stays so.
    pub(super) fn leave_if_silent(&mut self, now: Duration) {
        let Some((way, since, rtt)) = self.owing() else {
            return;
        };
        let silence = now.saturating_sub(since);
        if silence >= self.patience(since, rtt) {
            self.fell = true;
            self.retry.begin(now);
            self.note(Note::Fell { way, silence }, now);
            self.silence = Silence::default();
            for pair in &mut self.pairs {
                if pair.way == way {
                    pair.fall(now);
                } else {
                    pair.begin(now);
                }
            }
        } else if silence >= silence::suspect_after(rtt)
            && let Some(pair) = self.pairs.iter_mut().find(|pair| pair.way == way && !pair.is_checking())
        {
            pair.begin(now);
        }
    }

    /// Has the relay carry QUIC as well while it is not known whether the selected way still does: whoever waits until
    /// that is known has lost the time, and what is carried twice counts once.
    pub(super) fn doubt(&mut self, now: Duration) {
        let is_due = |(_, since, rtt)| now.saturating_sub(since) >= silence::suspect_after(rtt);
        let doubted = self.relay && self.owing().is_some_and(is_due);
        if std::mem::replace(&mut self.doubted, doubted) != doubted {
            self.outputs.push_back(Output::Doubt(doubted));
        }
    }

    /// The peer comes from elsewhere: the selected way may be dead, so it is asked at once.
    pub(super) fn doubt_selected(&mut self, now: Duration) {
        let Selection::Direct(selected) = self.selection else {
            return;
        };
        if let Some(pair) = self.pairs.iter_mut().find(|pair| pair.way == selected && !pair.is_checking()) {
            pair.begin(now);
        }
    }

    /// Notes once per exchange that nothing is left to try.
    pub(super) fn give_up(&mut self, now: Duration) {
        let is_over = self.generations.current().is_some_and(|current| current.told.is_some())
            && self.guess.as_ref().is_none_or(super::guess::Guess::is_over)
            && !self.pairs.iter().any(|pair| pair.is_checking() || pair.proof.is_some());
        if !is_over || self.gave_up {
            return;
        }
        self.gave_up = true;
        if let Some(why) = self.why_not(now) {
            self.note(Note::GaveUp(why), now);
        }
    }
}
