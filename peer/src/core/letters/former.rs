//! Letters on their way to devices that are gone: to those that the person has instead, or not at all.

use hobnob_wire::{Address, DeviceId, LetterId};

use super::progress::{advance, fail_because};
use super::store::Copy;
use crate::core::keys::Keyring;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::turn::Turn;
use crate::core::view::LetterState;

/// The devices of an account have changed. A letter that was only for devices which are revoked now goes to those in use
/// instead: the person has lost a device, not what was written to them.
pub(crate) fn redirect<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    keys: &mut Keyring,
    address: &Address,
) -> Result<(), S::Error> {
    let own = keys.identity.address.clone();
    let Some(list) = keys.trust.list(turn.store, address)? else {
        return Ok(());
    };
    let (revoked, in_use) = (list.revoked().to_vec(), list.devices());
    let in_use: Vec<DeviceId> = in_use.iter().map(|(device, _)| *device).collect();
    for device in revoked {
        for letter in turn.store.waiting_for(device)? {
            // First, because a letter that nobody waits for any more may be removed.
            if *address != own && !is_elsewhere(turn.store, letter, (address, &in_use))? {
                turn.store.add_copies(letter, address, &in_use)?;
            }
            // A copy in the mailbox of the device is gone with it, but it was there: its state stays.
            advance(turn, &own, (letter, device), LetterState::Failed)?;
        }
    }
    Ok(())
}

/// Whether a letter has reached, or is on its way to, a device of the account that is in use, or has reached one that
/// was.
fn is_elsewhere<S: Store>(
    store: &mut S,
    letter: LetterId,
    (address, in_use): (&Address, &[DeviceId]),
) -> Result<bool, S::Error> {
    let counts = |copy: &Copy| {
        copy.address == *address && (in_use.contains(&copy.device) || copy.state >= LetterState::Delivered)
    };
    Ok(store.copies(letter)?.iter().any(counts))
}

/// The devices of an account as they are known, trusted or not.
pub(crate) fn devices<S: Store>(store: &mut S, address: &Address) -> Result<Vec<DeviceId>, S::Error> {
    let verified = store.pin(address)?.and_then(|pinned| pinned.list.verify().ok());
    Ok(verified.map_or_else(Vec::new, |list| list.devices().iter().map(|(device, _)| *device).collect()))
}

/// The account has another identity now: what was written to the devices of the one before does not go to it.
pub(crate) fn give_up<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    (own, address): (&Address, &Address),
    devices: &[DeviceId],
) -> Result<(), S::Error> {
    let why = format!(
        "it was written to the identity that {address} had before; send it again if it is for the new one"
    );
    for device in devices {
        for letter in turn.store.waiting_for(*device)? {
            fail_because(turn, own, (letter, *device), &why)?;
        }
    }
    Ok(())
}
