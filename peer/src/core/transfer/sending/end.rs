//! How sending ends: by success, by a decision, by a failure.

use hobnob_wire::DeviceId;
use hobnob_wire::bounded::Text;
use hobnob_wire::letter::{EndReason, LetterBody, OfferEnd};
use hobnob_wire::transfer::TransferFrame;

use super::{Sending, State, reason_text};
use crate::core::input::LinkId;
use crate::core::transfer::job::{Failure, TransferFault, TransferJob};
use crate::core::transfer::record::TransferRecord;
use crate::core::transfer::{Step, TransferEffect};
use crate::core::view::TransferState;

/// How often in a row what changes while it is sent is offered again: a file that is written all the time never gets through.
pub(in crate::core::transfer) const OFFERED_AGAIN_MAX: u32 = 3;

impl Sending {
    /// The receiver has everything.
    pub(in crate::core::transfer) fn handle_complete(
        &mut self,
        on: LinkId,
        theirs: [u8; 32],
        step: &mut Step<'_>,
    ) {
        if matches!(self.state, State::Over | State::Offered) {
            return;
        }
        let asked = matches!(self.state, State::Verifying { .. });
        self.state = State::Verifying { link: Some(on), theirs };
        self.ledger.go_on(TransferState::Verifying, step.now);
        if !asked {
            step.out.push(TransferEffect::Job(TransferJob::Digest {
                transfer: self.id(),
                choice: self.ledger.record.choice(),
            }));
        }
    }

    /// Our own digest is known: equal, or what arrived is not what was sent.
    pub(in crate::core::transfer) fn handle_digest(
        &mut self,
        result: Result<[u8; 32], TransferFault>,
        step: &mut Step<'_>,
    ) {
        let State::Verifying { link, theirs } = self.state else { return };
        let transfer = self.id();
        match result {
            Ok(ours) if ours == theirs => {
                let bytes = self.ledger.record.wanted_bytes();
                self.ledger.change().digest = Some(ours);
                self.ledger.verified(bytes);
                self.end(TransferState::Done, None, step);
                if let Some(link) = link {
                    step.out
                        .push(TransferEffect::SendFrame { link, frame: TransferFrame::Gone { transfer } });
                }
            }
            Ok(_) => self.fail_changed(
                Failure::shared(
                    "what arrived differs from what is here now: a file changed while it was sent; send it again"
                        .to_owned(),
                ),
                step,
            ),
            Err(TransferFault::Disk(failure)) => self.hold_up(failure, step),
            Err(TransferFault::Lasting(failure)) => self.fail(failure, step),
            Err(TransferFault::Changed(failure)) => self.fail_changed(failure, step),
            Err(TransferFault::Peer(text)) => self.fail(Failure::shared(text), step),
            Err(
                TransferFault::LinkLost
                | TransferFault::Stopped
                | TransferFault::Stalled
                | TransferFault::Differs,
            ) => {
                self.wait(step.now);
            }
        }
    }

    /// The receiver's side is over.
    pub(in crate::core::transfer) fn handle_end(
        &mut self,
        from: DeviceId,
        end: &OfferEnd,
        step: &mut Step<'_>,
    ) {
        if self.ledger.record.device.is_some_and(|device| device != from) {
            return;
        }
        if matches!(self.state, State::Offered) {
            self.tell_others(from, step.out);
        }
        let state = match end.reason {
            EndReason::Rejected => TransferState::Rejected,
            EndReason::Cancelled | EndReason::Decided | EndReason::Again => TransferState::Cancelled,
            EndReason::Failed => TransferState::Failed,
        };
        self.end(state, Some(reason_text(&self.ledger.record.peer, end)), step);
    }

    /// The user takes the offer back or stops the transfer.
    pub(in crate::core::transfer) fn cancel(&mut self, text: &str, step: &mut Step<'_>) {
        self.tell_end(EndReason::Cancelled, text, step.out);
        self.end(TransferState::Cancelled, (!text.is_empty()).then(|| text.to_owned()), step);
    }

    pub(super) fn fail(&mut self, failure: Failure, step: &mut Step<'_>) {
        self.tell_end(EndReason::Failed, &failure.told, step.out);
        self.end(TransferState::Failed, Some(failure.text), step);
    }

    /// What is here is not what was offered: it is offered again as it is now, unless that has happened too often.
    pub(super) fn fail_changed(&mut self, failure: Failure, step: &mut Step<'_>) {
        self.is_changed = self.ledger.record.again < OFFERED_AGAIN_MAX;
        self.fail(failure, step);
    }

    /// What is to be offered again, once.
    pub(in crate::core::transfer) fn take_changed(&mut self) -> Option<TransferRecord> {
        std::mem::take(&mut self.is_changed).then(|| self.ledger.record.clone())
    }

    fn tell_end(&self, reason: EndReason, text: &str, out: &mut Vec<TransferEffect>) {
        out.push(TransferEffect::Letter {
            to: self.ledger.record.peer.clone(),
            device: self.ledger.record.device,
            body: LetterBody::OfferEnd(OfferEnd { transfer: self.id(), reason, text: Text::truncated(text) }),
        });
    }

    /// Ends it on this side.
    pub(in crate::core::transfer) fn end(
        &mut self,
        state: TransferState,
        text: Option<String>,
        step: &mut Step<'_>,
    ) {
        if matches!(self.state, State::Over) {
            return;
        }
        self.state = State::Over;
        self.calling = None;
        self.ledger.enter(state, step.now);
        self.ledger.change().error = text;
        step.out.push(TransferEffect::Job(TransferJob::Stop { transfer: self.id(), discard: true }));
    }
}
