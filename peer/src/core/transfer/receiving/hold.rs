//! Pauses and places in queues, as a receiver sees them.

use hobnob_wire::transfer::{Hold, TransferFrame};

use super::{Receiving, State};
use crate::core::input::LinkId;
use crate::core::time::Now;
use crate::core::transfer::backoff::Backoff;
use crate::core::transfer::holding::Holding;
use crate::core::transfer::sending::held;
use crate::core::transfer::{Step, TransferEffect};
use crate::core::view::{HeldBy, TransferState};

impl Receiving {
    /// Whether ranges are asked for and may come.
    pub(in crate::core::transfer) const fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. }) && matches!(self.held, Hold::None)
    }

    /// Whether it is asked for, or could be now.
    pub(in crate::core::transfer) fn wants_turn(&self, has_link: bool, now: Now) -> bool {
        match &self.state {
            State::Queued { retry_at, .. } => has_link && *retry_at <= now.monotonic,
            State::Offered
            | State::Paused
            | State::Running { .. }
            | State::Verifying { .. }
            | State::Telling { .. }
            | State::Over => self.is_running(),
        }
    }

    /// Whether the link must stay for it.
    pub(in crate::core::transfer) fn uses(&self, link: LinkId) -> bool {
        self.link() == Some(link) && self.held != Hold::Paused
    }

    /// The user wants nothing to move; `false` when it is too late, or too early.
    pub(in crate::core::transfer) fn pause(&mut self, step: &mut Step<'_>) -> bool {
        match self.state {
            State::Paused | State::Queued { .. } => {}
            State::Running { link, .. } => {
                let frame = TransferFrame::Hold { transfer: self.id(), hold: Hold::Paused };
                step.out.push(TransferEffect::SendFrame { link, frame });
            }
            State::Offered | State::Verifying { .. } | State::Telling { .. } | State::Over => return false,
        }
        self.state = State::Paused;
        if matches!(self.holding, Holding::Asked) {
            // The answer counts for nobody.
            self.holding = Holding::Unknown;
        }
        self.ledger.change().wishes.paused = true;
        self.ledger.enter(TransferState::Paused, step.now);
        true
    }

    /// The user lets it go on.
    pub(in crate::core::transfer) fn resume(&mut self, step: &mut Step<'_>) {
        self.ledger.change().wishes.paused = false;
        if matches!(self.state, State::Paused) {
            self.go_after_link(step.now);
            self.finish_if_complete(step);
        }
    }

    pub(super) fn go_after_link(&mut self, now: Now) {
        self.held = Hold::None;
        self.ledger.hold(None);
        self.state = State::Queued { backoff: Backoff::default(), retry_at: now.monotonic };
        self.ledger.enter(TransferState::Queued, now);
    }

    /// Whether it was accepted and is not all here.
    pub(super) const fn is_wanted(&self) -> bool {
        matches!(self.state, State::Paused | State::Queued { .. } | State::Running { .. })
    }

    /// The sender holds it, or goes on.
    pub(in crate::core::transfer) fn handle_hold(&mut self, on: LinkId, hold: Hold, step: &mut Step<'_>) {
        match &mut self.state {
            State::Running { link, heard_at, .. } if *link == on => {
                *heard_at = step.now.monotonic;
                let was_paused = self.held == Hold::Paused;
                self.held = hold;
                self.ledger.hold(match hold {
                    Hold::None => None,
                    Hold::Queue => Some(HeldBy::Queue),
                    Hold::Paused => Some(HeldBy::Peer),
                });
                self.ledger.enter(held(hold), step.now);
                // Who paused has forgotten what was asked for.
                if was_paused && hold == Hold::None {
                    self.ask(step.out);
                }
            }
            State::Queued { .. } if hold == Hold::None => self.hurry(step.now),
            State::Offered
            | State::Paused
            | State::Queued { .. }
            | State::Running { .. }
            | State::Verifying { .. }
            | State::Telling { .. }
            | State::Over => {}
        }
    }
}
