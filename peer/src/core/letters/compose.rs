//! From words to letters and copies.

use hobnob_wire::device::VerifiedList;
use hobnob_wire::letter::LetterBody;
use hobnob_wire::{Address, DeviceId, LetterId};

use super::store::{Expires, StoredLetter};
use crate::core::chat::change::Stamp;
use crate::core::chat::{Shown, shown};
use crate::core::keys::Keyring;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::turn::Turn;
use crate::core::view::LetterState;

/// A letter to be written.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// To whom.
    pub(crate) to: Address,
    /// To which of its devices; to all when absent.
    pub(crate) device: Option<DeviceId>,
    /// What it says.
    pub(crate) body: LetterBody,
}

/// Whether the author's other devices get a copy too: what the user wrote, they must know. What the user read, they are
/// told apart.
const fn has_carbons(body: &LetterBody) -> bool {
    match body {
        LetterBody::Text(_)
        | LetterBody::Edit(_)
        | LetterBody::Delete(_)
        | LetterBody::Reaction(_)
        | LetterBody::Nudge(_)
        | LetterBody::ContactCard(_)
        | LetterBody::Location(_)
        | LetterBody::Poll(_)
        | LetterBody::Vote(_) => true,
        LetterBody::Receipt(_)
        | LetterBody::Offer(_)
        | LetterBody::OfferEnd(_)
        | LetterBody::OwnSync(_)
        | LetterBody::Unknown { .. } => false,
    }
}

/// The first letter of the thread that a letter belongs to.
pub(crate) fn thread(body: &LetterBody) -> Option<LetterId> {
    if let LetterBody::Text(text) = body { text.thread.as_ref().map(|thread| thread.id) } else { None }
}

/// Seconds after which a letter disappears.
pub(crate) const fn expires_after_s(body: &LetterBody) -> Option<u32> {
    if let LetterBody::Text(text) = body { text.expires_after_s } else { None }
}

/// Keeps a letter and its copies, to be sealed and sent. `None` when the body cannot be encoded, which is
/// the caller's fault, and when there is nobody to tell.
pub(crate) fn write<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    keys: &mut Keyring,
    draft: &Draft,
) -> Result<Option<StoredLetter>, S::Error> {
    let stamp = Stamp::new(turn.now.unix_ms, LetterId::new(turn.entropy.array()));
    write_as(turn, keys, stamp, draft)
}

/// [`write`] under an identifier and a time of the caller's choice.
pub(crate) fn write_as<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    keys: &mut Keyring,
    stamp: Stamp,
    draft: &Draft,
) -> Result<Option<StoredLetter>, S::Error> {
    let Ok((kind, body)) = draft.body.encode() else {
        return Ok(None);
    };
    let own = keys.identity.address.clone();
    let to_oneself = draft.to == own && draft.device.is_none();
    let carbons = if to_oneself || has_carbons(&draft.body) {
        devices(turn.store, keys, &own)?.unwrap_or_default()
    } else {
        Vec::new()
    };
    if to_oneself && carbons.is_empty() && shown(kind) == Shown::Not {
        return Ok(None);
    }
    let now = turn.now.unix_ms;
    let letter = StoredLetter {
        id: LetterId::new(stamp.id),
        author: own.clone(),
        to: draft.to.clone(),
        chat: draft.to.clone(),
        at_unix_ms: stamp.at_unix_ms,
        received_unix_ms: now,
        kind,
        body,
        thread: thread(&draft.body),
        expires: expires_after_s(&draft.body).map(|seconds| Expires::begin(seconds, true, now)),
        state: if to_oneself { LetterState::Read } else { LetterState::Queued },
        error: None,
    };
    turn.store.add_letter(&letter)?;
    match draft.device {
        Some(device) => turn.store.add_copies(letter.id, &draft.to, &[device])?,
        None if to_oneself => {}
        None => address(turn.store, keys, letter.id, &draft.to)?,
    }
    turn.store.add_copies(letter.id, &own, &carbons)?;
    Ok(Some(letter))
}

/// Adds a letter's copies for all devices of its recipient, or notes that it waits for their list.
pub(crate) fn address<S: Store>(
    store: &mut S,
    keys: &mut Keyring,
    letter: LetterId,
    to: &Address,
) -> Result<(), S::Error> {
    match devices(store, keys, to)? {
        Some(devices) if !devices.is_empty() => store.add_copies(letter, to, &devices),
        _ => store.add_unaddressed(letter, to),
    }
}

/// The account's devices but this one, when they may be trusted.
pub(crate) fn devices<S: Store>(
    store: &mut S,
    keys: &mut Keyring,
    address: &Address,
) -> Result<Option<Vec<DeviceId>>, S::Error> {
    let own = keys.identity.device;
    let list = keys.trust.list(store, address)?;
    let others = |list: &VerifiedList| {
        list.devices().iter().map(|(device, _)| *device).filter(|device| *device != own).collect()
    };
    Ok(list.map(others))
}
