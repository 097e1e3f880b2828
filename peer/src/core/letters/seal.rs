//! From waiting copies to ciphertext.
//!
//! A copy is sealed once, in the transaction that also keeps the ratchet's step, and the same bytes are
//! sent on every route and every try. A receiver can open letters of an Olm session out of order only
//! within 40 steps, so no more than [`WINDOW`] of one session are out at a time; the rest waits unsealed.

use hobnob_wire::bounded::Opaque;
use hobnob_wire::codec::encode;
use hobnob_wire::device::ListHead;
use hobnob_wire::keys::Purpose;
use hobnob_wire::letter::Letter;
use hobnob_wire::mailbox::{MailboxRequest, Prekey};
use hobnob_wire::session::Request;
use hobnob_wire::{Address, DeviceId, LetterId, Refusal};

use super::progress::fail;
use crate::core::keys::Keyring;
use crate::core::keys::olm::OlmSession;
use crate::core::store::{SavedSession, Store};
use crate::core::time::Entropy;
use crate::core::turn::{Asked, Turn};

/// Copies of one Olm session that may be out without word from the device.
pub(crate) const WINDOW: usize = 32;

/// Seals what can be sealed, and asks for the keys of devices that are missing and `may_claim`.
pub(crate) fn seal_waiting<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    keys: &mut Keyring,
    may_claim: impl Fn(DeviceId) -> bool,
) -> Result<(), S::Error> {
    let own = keys.identity.address.clone();
    let Some(head) = keys.trust.list(turn.store, &own)?.map(|list| list.head()) else {
        return Ok(());
    };
    for (address, id) in turn.store.unsealed_devices()? {
        let Some(list) = keys.trust.list(turn.store, &address)? else {
            continue;
        };
        if list.device(id).is_none() {
            for letter in turn.store.unsealed(id, usize::MAX)? {
                fail(turn, &own, (letter, id), Refusal::UnknownDevice)?;
            }
            continue;
        }
        if !seal_for(turn, keys, id, head)? && may_claim(id) {
            let claim = MailboxRequest::ClaimPrekey { address: address.clone(), device: id };
            turn.ask(Asked::Prekey(address, id), Request::Mailbox(claim));
        }
    }
    Ok(())
}

/// Seals for one device; `false` when there is no Olm session with it yet.
fn seal_for<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    keys: &Keyring,
    device: DeviceId,
    head: ListHead,
) -> Result<bool, S::Error> {
    let saved = turn.store.olm_sessions(device)?.into_iter().next();
    let Some(mut session) = saved.and_then(|saved| OlmSession::from_pickle(&saved.pickle).ok()) else {
        return Ok(false);
    };
    let name = session.id();
    let room = WINDOW.saturating_sub(turn.store.unacknowledged(device, &name)?);
    let letters = turn.store.unsealed(device, room)?;
    if letters.is_empty() {
        return Ok(true);
    }
    for letter in letters {
        seal_one(turn, keys, &mut session, (letter, device, head))?;
    }
    if let Ok(pickle) = session.pickle() {
        turn.store.put_olm_session(device, &SavedSession { id: name, pickle }, false)?;
    }
    Ok(true)
}

fn seal_one<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    keys: &Keyring,
    session: &mut OlmSession,
    (id, device, head): (LetterId, DeviceId, ListHead),
) -> Result<(), S::Error> {
    let own = &keys.identity.address;
    let Some(stored) = turn.store.letter(own, id)? else {
        return fail(turn, own, (id, device), Refusal::UndefinedCondition);
    };
    let inside = Opaque::new(stored.body).ok().and_then(|body| {
        let (to, at_unix_ms) = (stored.to, stored.at_unix_ms);
        encode(&Letter { id, at_unix_ms, to, head, kind: stored.kind, body }).ok()
    });
    let sealed = inside.and_then(|inside| session.seal(keys.olm.key(), &inside).ok());
    match sealed {
        Some(sealed) => turn.store.seal_copy(id, device, &session.id(), &sealed),
        None => fail(turn, own, (id, device), Refusal::NotAcceptable),
    }
}

/// A prekey came: begins a session when the device vouches for the key. `false` when it does not.
pub(crate) fn begin_session<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    keys: &mut Keyring,
    (address, id): (&Address, DeviceId),
    prekey: &Prekey,
) -> Result<bool, S::Error> {
    let Some(device) = keys.trust.list(turn.store, address)?.and_then(|list| list.device(id)) else {
        return Ok(true);
    };
    let vouched = device.signing.verify(Purpose::Prekey, prekey.key.as_bytes(), &prekey.signature);
    if vouched.is_err() {
        return Ok(false);
    }
    let begun = keys.olm.begin(&device.olm, &prekey.key);
    let Ok((session, pickle)) = begun.and_then(|session| Ok((session.id(), session.pickle()?))) else {
        return Ok(false);
    };
    turn.store.put_olm_session(id, &SavedSession { id: session, pickle }, true)?;
    Ok(true)
}
