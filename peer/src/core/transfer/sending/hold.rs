//! Pauses and places in queues, as a sender sees them.

use std::time::Duration;

use hobnob_wire::transfer::{Hold, TransferFrame};

use super::{Sending, State, held};
use crate::core::input::LinkId;
use crate::core::time::Now;
use crate::core::transfer::backoff::Backoff;
use crate::core::transfer::job::TransferJob;
use crate::core::transfer::{Step, TransferEffect};
use crate::core::view::{HeldBy, TransferState};

impl Sending {
    /// Others are before it, or not any more.
    pub(in crate::core::transfer) fn set_queued(&mut self, queued: bool, step: &mut Step<'_>) {
        let State::Running { link, .. } = self.state else { return };
        if self.queued != queued {
            self.queued = queued;
            let hold = if queued { Hold::Queue } else { Hold::None };
            self.tell_hold(link, hold, step.out);
            self.ledger.hold(queued.then_some(HeldBy::Queue));
            self.ledger.enter(held(hold), step.now);
        }
    }

    /// The user wants nothing to move; `false` when it is too late.
    pub(in crate::core::transfer) fn pause(&mut self, step: &mut Step<'_>) -> bool {
        match self.state {
            State::Offered | State::Waiting => {}
            State::Running { link, .. } => {
                self.tell_hold(link, Hold::Paused, step.out);
                self.halt(step);
            }
            State::Verifying { .. } | State::Over => return false,
        }
        self.calling = None;
        self.ledger.change().wishes.paused = true;
        if matches!(self.state, State::Waiting) {
            self.ledger.enter(TransferState::Paused, step.now);
        }
        true
    }

    /// The user lets it go on.
    pub(in crate::core::transfer) fn resume(&mut self, now: Now) {
        self.ledger.change().wishes.paused = false;
        if matches!(self.state, State::Waiting) {
            self.ledger.enter(TransferState::Queued, now);
            self.calling = Some((Backoff::default(), now.monotonic));
        }
    }

    /// Ends the streams. Ranges on their way are asked for again.
    fn halt(&mut self, step: &mut Step<'_>) {
        self.state = State::Waiting;
        step.out.push(TransferEffect::Job(TransferJob::Halt { transfer: self.id() }));
    }

    /// The receiver holds it. It asks again when it goes on.
    pub(in crate::core::transfer) fn handle_hold(&mut self, on: LinkId, hold: Hold, step: &mut Step<'_>) {
        if hold == Hold::Paused && self.wants_turn() && self.link() == Some(on) {
            self.halt(step);
            self.ledger.enter(TransferState::Paused, step.now);
            self.ledger.hold(Some(HeldBy::Peer));
        }
    }

    /// When to look at it again.
    pub(in crate::core::transfer) fn deadline(&self) -> Option<Duration> {
        self.calling.map(|(_, at)| at)
    }

    /// Tells the receiver that it may go on, when that is due.
    pub(in crate::core::transfer) fn proceed(&mut self, link: Option<LinkId>, step: &mut Step<'_>) {
        let Some((mut backoff, at)) = self.calling.filter(|(_, at)| *at <= step.now.monotonic) else {
            return;
        };
        let record = &self.ledger.record;
        match (link, record.device) {
            (Some(link), _) => self.tell_hold(link, Hold::None, step.out),
            (None, Some(device)) => {
                step.out.push(TransferEffect::NeedLink { address: record.peer.clone(), device });
            }
            (None, None) => {}
        }
        let at = backoff.next(at.max(step.now.monotonic));
        self.calling = record.device.map(|_| (backoff, at));
    }

    pub(super) fn tell_hold(&self, link: LinkId, hold: Hold, out: &mut Vec<TransferEffect>) {
        let frame = TransferFrame::Hold { transfer: self.id(), hold };
        out.push(TransferEffect::SendFrame { link, frame });
    }
}
