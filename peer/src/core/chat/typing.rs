//! Who is writing: told seldom, believed for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use hobnob_wire::Address;

use crate::core::event::Event;
use crate::core::turn::Turn;

/// Whoever is not heard to write for so long writes no more. Longer than the longest interval in which it is told.
const TYPING_LASTS: Duration = Duration::from_secs(75);

/// What was told and heard about writing. One entry for each contact at most.
#[derive(Debug, Default)]
pub(super) struct Typing {
    /// When a contact was last told that the user writes.
    told: BTreeMap<Address, Duration>,
    /// Until when a contact is believed to write.
    heard: BTreeMap<Address, Duration>,
}

impl Typing {
    /// The user writes, or does so no longer. Whether the contact is to be told: that somebody writes once in `every`,
    /// that somebody stopped only when it was told before.
    pub(super) fn tell(&mut self, to: &Address, active: bool, (now, every): (Duration, Duration)) -> bool {
        if !active {
            return self.told.remove(to).is_some();
        }
        let due = self.told.get(to).is_none_or(|last| now.saturating_sub(*last) >= every);
        if due {
            self.told.insert(to.clone(), now);
        }
        due
    }

    /// A contact says that it writes, or does so no longer. Whether that is news.
    pub(super) fn heard(&mut self, from: &Address, active: bool, now: Duration) -> bool {
        if active {
            self.heard.insert(from.clone(), now + TYPING_LASTS).is_none()
        } else {
            self.heard.remove(from).is_some()
        }
    }

    /// Whoever has not been heard for long writes no more.
    pub(super) fn tick<S, E>(&mut self, turn: &mut Turn<'_, S, E>, now: Duration) {
        self.heard.retain(|address, until| {
            let still = *until > now;
            if !still {
                turn.event(Event::Typing { address: address.clone(), active: false });
            }
            still
        });
    }

    /// When [`Self::tick`] is due.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.heard.values().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn writing_is_told_once_in_an_interval_and_its_end_once() {
        let bob = "bob@localhost".parse().unwrap();
        let mut typing = Typing::default();
        let every = 5 * SECOND;
        let told = [(1, true), (2, true), (6, true), (7, false), (8, false), (9, true)]
            .map(|(at, active)| typing.tell(&bob, active, (at * SECOND, every)));
        assert_eq!(told, [true, false, true, true, false, true]);
    }

    #[test]
    fn what_is_heard_again_is_no_news() {
        let bob = "bob@localhost".parse().unwrap();
        let mut typing = Typing::default();
        let news = [true, true, false, false, true].map(|active| typing.heard(&bob, active, SECOND));
        assert_eq!(news, [true, false, true, false, true]);
        assert_eq!(typing.deadline(), Some(SECOND + TYPING_LASTS));
    }
}
