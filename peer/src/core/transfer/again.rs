//! What is offered again: because its user says so, because its receiver asks for it, or because it has changed.

use hobnob_wire::bounded::Text;
use hobnob_wire::letter::{EndReason, LetterBody, OfferEnd};
use hobnob_wire::{Address, DeviceId, TransferId};

use super::commands::{Scan, stands, unknown};
use super::ledger;
use super::record::{TransferRecord, TransferStore};
use super::sending::{Sending, reason_text};
use super::transfers::Transfers;
use super::{Step, TransferEffect};
use crate::core::command::{CommandError, CommandId, ErrorKind, Reply};
use crate::core::event::Event;
use crate::core::time::Entropy;
use crate::core::view::{TransferDirection, TransferState};

impl Transfers {
    /// Offers what has changed while it was sent, as it is now.
    pub(super) fn offer_changed(&mut self, entropy: &mut impl Entropy, step: &mut Step<'_>) {
        let changed: Vec<TransferRecord> =
            self.sending.values_mut().filter_map(Sending::take_changed).collect();
        for record in changed {
            let fresh = TransferId::new(entropy.array());
            if let Err(error) = self.send(Scan::changed(&record), record.paths, fresh, step.out) {
                tracing::debug!(%error, "what has changed cannot be offered again");
            }
        }
    }

    /// Offers again what did not come through, as it is now; answered when it has been looked at. A receiver asks for that.
    pub(super) fn retry<S: TransferStore>(
        &mut self,
        store: &mut S,
        (command, id): (CommandId, TransferId),
        fresh: TransferId,
        step: &mut Step<'_>,
    ) -> Result<Result<(), CommandError>, S::Error> {
        if self.ledger(id).is_some() {
            return Ok(Err(CommandError::new(ErrorKind::Conflict, "it is not over")));
        }
        let Some(record) = store.transfer(id)? else { return Ok(Err(unknown(id))) };
        if record.state == TransferState::Done {
            return Ok(Err(stands(Some(record.state))));
        }
        if record.direction == TransferDirection::Out {
            return Ok(self.send(Scan::new(Some(command), &record), record.paths, fresh, step.out));
        }
        step.out.push(about(&record, record.device, EndReason::Again, ""));
        let result = Ok(Reply::Transfers(vec![ledger::view(&record)]));
        step.out.push(TransferEffect::Reply { id: command, result });
        Ok(Ok(()))
    }

    /// A contact asks for something again that we offered to it and that did not come through. What was cancelled is not offered again
    /// without its user.
    pub(super) fn handle_again<S: TransferStore>(
        &mut self,
        store: &mut S,
        (from, device): (&Address, DeviceId),
        (id, fresh): (TransferId, TransferId),
        step: &mut Step<'_>,
    ) -> Result<(), S::Error> {
        let Some(record) = store.transfer(id)?.filter(|record| record.peer == *from) else { return Ok(()) };
        if record.direction != TransferDirection::Out || self.is_offered(&record) {
            return Ok(());
        }
        let why = match record.state {
            TransferState::Failed | TransferState::Rejected => {
                match self.send(Scan::new(None, &record), record.paths.clone(), fresh, step.out) {
                    Ok(()) => return Ok(()),
                    Err(_) => "too many of my offers wait for you already",
                }
            }
            TransferState::Cancelled => "it was cancelled; ask me to send it again",
            TransferState::Offered
            | TransferState::Queued
            | TransferState::Running
            | TransferState::Paused
            | TransferState::Verifying
            | TransferState::Done
            | TransferState::Waiting => return Ok(()),
        };
        step.out.push(about(&record, Some(device), EndReason::Rejected, why));
        Ok(())
    }

    /// Whether the same is on offer, or about to be: asking again and again makes no more of it.
    fn is_offered(&self, record: &TransferRecord) -> bool {
        let scans = self.scans.values().flat_map(|scan| scan.to.iter().map(|to| (to, scan.paths())));
        let open = self.sending.values().map(|transfer| &transfer.ledger.record);
        let mut all = scans.chain(open.map(|record| (&record.peer, record.paths.as_slice())));
        all.any(|(peer, paths)| *peer == record.peer && paths == record.paths)
    }

    /// Who was asked to offer something again does not.
    pub(super) fn handle_declined<S: TransferStore>(
        store: &mut S,
        (from, device): (&Address, DeviceId),
        end: &OfferEnd,
        step: &mut Step<'_>,
    ) -> Result<(), S::Error> {
        let Some(mut record) = store.transfer(end.transfer)? else { return Ok(()) };
        let is_asked = record.direction == TransferDirection::In
            && record.peer == *from
            && record.device == Some(device)
            && record.state.is_final()
            && record.state != TransferState::Done;
        if is_asked && end.reason == EndReason::Rejected {
            record.error = Some(reason_text(from, end));
            store.save_transfer(&record)?;
            step.out.push(TransferEffect::Event(Event::Transfer(ledger::view(&record))));
        }
        Ok(())
    }
}

/// A word to the other side about a transfer that is over.
fn about(record: &TransferRecord, device: Option<DeviceId>, reason: EndReason, text: &str) -> TransferEffect {
    let end = OfferEnd { transfer: record.id, reason, text: Text::truncated(text) };
    TransferEffect::Letter { to: record.peer.clone(), device, body: LetterBody::OfferEnd(end) }
}
