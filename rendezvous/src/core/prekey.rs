//! Prekeys: what others need to begin an Olm session with a device that is not there.

use hobnob_wire::limits::PREKEYS_MAX;
use hobnob_wire::mailbox::Prekey;
use hobnob_wire::session::Push;
use hobnob_wire::{Address, DeviceId, Refusal};

use super::mailbox::addressee;
use super::session::{Proof, SessionId};
use super::turn::{Fault, Turn};

/// One-time prekeys kept for a device: one upload, and what was left of the one before.
const KEEP: u16 = 2 * PREKEYS_MAX as u16;

/// A device with fewer one-time prekeys is asked for more.
const LOW: u16 = 20;

/// Takes in prekeys of the device itself. Others verify them; a rendezvous is not believed anyway.
pub(super) fn publish(
    turn: &mut Turn<'_>,
    me: &Proof,
    fallback: &Prekey,
    one_time: &[Prekey],
) -> Result<(), Fault> {
    Ok(turn.store.add_prekeys(me.device, fallback, one_time, KEEP)?)
}

/// Hands out a prekey of a device of oneself or of a contact.
pub(super) fn claim(
    turn: &mut Turn<'_>,
    me: &Proof,
    address: &Address,
    device: DeviceId,
) -> Result<Prekey, Fault> {
    let account = addressee(turn, me, address, device)?;
    // Whoever takes them without end makes the device make new ones without end, and forget those it gave to others.
    turn.house.quota.claim(me.account, turn.now.elapsed)?;
    let prekey = turn.store.claim_prekey(device)?.ok_or(Refusal::ItemNotFound)?;
    if let Some(session) = turn.house.online.session(account, device) {
        remind(turn, session, device)?;
    }
    Ok(prekey)
}

/// Asks a device for more prekeys when few are left.
pub(super) fn remind(turn: &mut Turn<'_>, session: SessionId, device: DeviceId) -> Result<(), Fault> {
    let left = turn.store.prekeys_left(device)?;
    if left < LOW {
        turn.push(vec![session], Push::PrekeysLow { left });
    }
    Ok(())
}
