//! What a send to several asks of the receiver's side of one of them.

use hobnob_wire::transfer::Hold;

use super::{Receiving, State};
use crate::core::input::LinkId;
use crate::core::transfer::Step;
use crate::core::transfer::swarm::Own;

impl Receiving {
    /// How it stands, with the link to the sender when there is one. One with a limit of its own is fetched from the sender
    /// alone, who is told the limit; one of which only some files are taken, too, and others get nothing of it.
    pub(in crate::core::transfer) fn own(&self, sender: Option<LinkId>) -> Own {
        if self.ledger.record.part.is_some() {
            return Own::default();
        }
        let is_here = matches!(self.state, State::Verifying { .. } | State::Telling { .. });
        let is_wanted = matches!(self.state, State::Queued { .. } | State::Running { .. });
        let mut own = Own {
            active: is_here || is_wanted,
            sender: sender.filter(|_| is_here || is_wanted),
            weight: self.ledger.record.wishes.priority.weight(),
            ..Own::default()
        };
        let may = self.held != Hold::Paused && self.ledger.record.limit == 0;
        own.borrows = is_wanted && may;
        if let Some(ranges) = self.holding.known_ranges() {
            (own.ranges, own.here) = (ranges.total(), ranges.here());
            own.borrows &= !ranges.compares();
            if matches!(self.state, State::Running { .. }) {
                own.wanted = ranges.wanted();
            }
        }
        own
    }

    /// Asks the sender anew for what is not here.
    pub(in crate::core::transfer) fn ask_again(&mut self, step: &mut Step<'_>) {
        if matches!(self.state, State::Running { .. }) {
            self.ask(step.out);
        }
    }
}
