//! What users ask of transfers that are under way.

use hobnob_wire::TransferId;

use super::commands::{Answer, stands, unknown};
use super::ledger::Ledger;
use super::queue::{Move, moved};
use super::transfers::Transfers;
use super::{Step, TransferEffect};
use crate::core::command::{CommandError, ErrorKind, Reply};
use crate::core::view::{Priority, TransferDirection, TransferState};

impl Transfers {
    pub(super) fn pause(
        &mut self,
        id: TransferId,
        state: Option<TransferState>,
        step: &mut Step<'_>,
    ) -> Answer {
        let paused = if let Some(transfer) = self.sending.get_mut(&id) {
            transfer.pause(step)
        } else if let Some(transfer) = self.receiving.get_mut(&id) {
            transfer.pause(step)
        } else {
            return Err(over(id, state));
        };
        if paused { Ok(Reply::Done) } else { Err(stands(state)) }
    }

    pub(super) fn resume(
        &mut self,
        id: TransferId,
        state: Option<TransferState>,
        step: &mut Step<'_>,
    ) -> Answer {
        let Some(ledger) = self.ledger(id) else { return Err(over(id, state)) };
        if !ledger.record.wishes.paused {
            let text = "it is not paused on this side";
            return Err(CommandError::new(ErrorKind::Conflict, text));
        }
        if let Some(transfer) = self.sending.get_mut(&id) {
            transfer.resume(step.now);
        } else if let Some(transfer) = self.receiving.get_mut(&id) {
            transfer.resume(step);
        }
        Ok(Reply::Done)
    }

    /// Puts a transfer elsewhere among those of its direction. Places are counted anew.
    pub(super) fn move_to(&mut self, id: TransferId, state: Option<TransferState>, to: Move) -> Answer {
        let Some(direction) = self.ledger(id).map(|ledger| ledger.record.direction) else {
            return Err(over(id, state));
        };
        let mut ledgers: Vec<&mut Ledger> = match direction {
            TransferDirection::Out => self.sending.values_mut().map(|it| &mut it.ledger).collect(),
            TransferDirection::In => self.receiving.values_mut().map(|it| &mut it.ledger).collect(),
        };
        ledgers.sort_by_key(|ledger| (ledger.record.wishes.place, ledger.record.id));
        let order: Vec<TransferId> = ledgers.iter().map(|ledger| ledger.record.id).collect();
        let Some(order) = moved(&order, id, to) else {
            let text = "there is no such transfer of this direction to put it before";
            return Err(CommandError::new(ErrorKind::NotFound, text));
        };
        for ledger in ledgers {
            let place = order.iter().position(|id| *id == ledger.record.id).unwrap_or_default() as u64;
            if ledger.record.wishes.place != place {
                ledger.change().wishes.place = place;
            }
        }
        Ok(Reply::Done)
    }

    pub(super) fn set_priority(
        &mut self,
        id: TransferId,
        state: Option<TransferState>,
        priority: Priority,
        out: &mut Vec<TransferEffect>,
    ) -> Answer {
        if let Some(transfer) = self.sending.get_mut(&id) {
            transfer.set_priority(priority, out);
        } else if let Some(transfer) = self.receiving.get_mut(&id) {
            transfer.ledger.change().wishes.priority = priority;
        } else {
            return Err(over(id, state));
        }
        Ok(Reply::Done)
    }

    pub(super) fn ledger(&self, id: TransferId) -> Option<&Ledger> {
        let sending = self.sending.get(&id).map(|transfer| &transfer.ledger);
        sending.or_else(|| self.receiving.get(&id).map(|transfer| &transfer.ledger))
    }
}

/// Why a transfer that is not open cannot be changed.
fn over(id: TransferId, state: Option<TransferState>) -> CommandError {
    if state.is_some() { stands(state) } else { unknown(id) }
}
