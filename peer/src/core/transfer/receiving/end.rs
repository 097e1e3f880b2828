//! How receiving ends: by success, by a decision, by a failure.

use hobnob_wire::bounded::Text;
use hobnob_wire::letter::{EndReason, LetterBody, OfferEnd};

use super::{Receiving, State};
use crate::core::transfer::backoff::Backoff;
use crate::core::transfer::job::{Failure, TransferFault, TransferJob};
use crate::core::transfer::sending::reason_text;
use crate::core::transfer::{Step, TransferEffect};
use crate::core::view::TransferState;

impl Receiving {
    /// Everything is in place, or could not be put there.
    pub(in crate::core::transfer) fn handle_finished(
        &mut self,
        result: Result<[u8; 32], TransferFault>,
        step: &mut Step<'_>,
    ) {
        let State::Verifying { link } = self.state else { return };
        match result {
            Ok(digest) => {
                let (transfer, bytes) = (self.id(), self.ledger.record.wanted_bytes());
                let record = self.ledger.change();
                record.digest = Some(digest);
                record.untold = true;
                self.ledger.verified(bytes);
                self.ledger.enter(TransferState::Done, step.now);
                let backoff = Backoff::default();
                self.state = State::Telling { digest, backoff, retry_at: step.now.monotonic, tells: 0 };
                // Performed when the end is on disk: then nobody needs what it was made from.
                step.out.push(TransferEffect::Job(TransferJob::Stop { transfer, discard: true }));
                self.proceed(link, true, step);
            }
            Err(fault) => self.handle_fault(fault, step),
        }
    }

    /// The sender knows no such transfer (any more): told, or too late.
    pub(in crate::core::transfer) fn handle_gone(&mut self, step: &mut Step<'_>) {
        match self.state {
            State::Telling { .. } => self.forget(step.out),
            State::Paused | State::Queued { .. } | State::Running { .. } => {
                let text = "the sender no longer has it on offer; ask for it to be sent again".to_owned();
                self.end(TransferState::Failed, Some(text), step);
            }
            State::Offered | State::Verifying { .. } | State::Over => {}
        }
    }

    pub(super) fn forget(&mut self, out: &mut Vec<TransferEffect>) {
        self.ledger.change().untold = false;
        self.state = State::Over;
        // Once more: this process may have begun after the end.
        out.push(TransferEffect::Job(TransferJob::Stop { transfer: self.id(), discard: true }));
    }

    /// The sender's side is over. What is all here already stays.
    pub(in crate::core::transfer) fn handle_end(&mut self, end: &OfferEnd, step: &mut Step<'_>) {
        let state = match end.reason {
            EndReason::Rejected | EndReason::Cancelled | EndReason::Decided | EndReason::Again => {
                TransferState::Cancelled
            }
            EndReason::Failed => TransferState::Failed,
        };
        let concerned = match end.reason {
            EndReason::Decided => matches!(self.state, State::Offered),
            EndReason::Again => false,
            EndReason::Rejected | EndReason::Cancelled | EndReason::Failed => {
                matches!(self.state, State::Offered) || self.is_wanted()
            }
        };
        if concerned {
            self.end(state, Some(reason_text(&self.ledger.record.peer, end)), step);
        }
    }

    /// The user does not want it (any more); `false` when it is too late.
    pub(in crate::core::transfer) fn stop(
        &mut self,
        reason: EndReason,
        text: &str,
        step: &mut Step<'_>,
    ) -> bool {
        if !(matches!(self.state, State::Offered) || self.is_wanted()) {
            return false;
        }
        let state = match reason {
            EndReason::Rejected => TransferState::Rejected,
            EndReason::Cancelled | EndReason::Decided | EndReason::Again => TransferState::Cancelled,
            EndReason::Failed => TransferState::Failed,
        };
        step.out.push(self.end_letter(reason, text));
        self.end(state, (!text.is_empty()).then(|| text.to_owned()), step);
        true
    }

    pub(super) fn fail(&mut self, failure: Failure, step: &mut Step<'_>) {
        step.out.push(self.end_letter(EndReason::Failed, &failure.told));
        self.end(TransferState::Failed, Some(failure.text), step);
    }

    fn end_letter(&self, reason: EndReason, text: &str) -> TransferEffect {
        TransferEffect::Letter {
            to: self.ledger.record.peer.clone(),
            device: self.ledger.record.device,
            body: LetterBody::OfferEnd(OfferEnd { transfer: self.id(), reason, text: Text::truncated(text) }),
        }
    }

    /// Ends it on this side.
    pub(in crate::core::transfer) fn end(
        &mut self,
        state: TransferState,
        text: Option<String>,
        step: &mut Step<'_>,
    ) {
        match self.state {
            State::Over => {}
            State::Telling { .. } => self.forget(step.out),
            State::Offered
            | State::Paused
            | State::Queued { .. }
            | State::Running { .. }
            | State::Verifying { .. } => {
                self.state = State::Over;
                self.ledger.enter(state, step.now);
                self.ledger.change().error = text;
                step.out.push(TransferEffect::Job(TransferJob::Stop { transfer: self.id(), discard: true }));
            }
        }
    }
}
