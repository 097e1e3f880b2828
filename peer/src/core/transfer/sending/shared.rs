//! What a send to several asks of the sender's side of one of them.

use super::{Sending, State};
use crate::core::transfer::SpanSet;

impl Sending {
    /// What the receiver asked for and nobody granted yet.
    pub(in crate::core::transfer) const fn wanted(&self) -> Option<&SpanSet> {
        match &self.state {
            State::Running { wanted, .. } => Some(wanted),
            State::Offered | State::Waiting | State::Verifying { .. } | State::Over => None,
        }
    }

    /// Whether the receiver asked for nothing but hashes.
    pub(in crate::core::transfer) const fn compares(&self) -> bool {
        matches!(self.state, State::Running { compare: true, .. })
    }

    /// Ranges on their way.
    pub(in crate::core::transfer) fn on_their_way(&self) -> SpanSet {
        let mut ranges = SpanSet::default();
        if let State::Running { in_flight, .. } = &self.state {
            in_flight.iter().for_each(|range| ranges.insert(*range));
        }
        ranges
    }

    /// The receiver got these from others.
    pub(in crate::core::transfer) fn has_elsewhere(&mut self, ranges: &SpanSet) {
        if let State::Running { wanted, .. } = &mut self.state {
            wanted.remove_all(ranges);
        }
    }
}
