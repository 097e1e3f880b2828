//! Signals: one device asks another to link. Passed on or refused, never kept.

use hobnob_wire::Refusal;
use hobnob_wire::session::Push;
use hobnob_wire::signal::{SignalDelivery, SignalRequest};

use super::session::Proof;
use super::turn::{Fault, Turn};

/// Passes a signal on to a device of oneself or of a contact.
pub(super) fn relay(turn: &mut Turn<'_>, me: &Proof, request: SignalRequest) -> Result<(), Fault> {
    turn.house.quota.signal(me.account, turn.now.elapsed)?;
    let account = turn.correspondent(me, &request.to)?;
    let session = turn.house.online.session(account, request.device).ok_or(Refusal::RecipientUnavailable)?;
    let delivery =
        SignalDelivery { from: me.address.clone(), device: me.device, sealed: request.sealed, channel: None };
    turn.push(vec![session], Push::Signal(delivery));
    Ok(())
}
