//! The device list: who may extend it, who may read it, and who is told.

use hobnob_wire::account::{AccountAnswer, Arrival, Sighting};
use hobnob_wire::close::SessionClose;
use hobnob_wire::device::{DeviceList, DeviceOperation, ListError, SignedEntry, VerifiedList};
use hobnob_wire::limits::{DEVICE_ENTRIES_KEPT, DEVICE_ENTRIES_MAX};
use hobnob_wire::session::Push;
use hobnob_wire::{Address, DeviceId, List, Name, Refusal};

use super::account::admit;
use super::quota::Block;
use super::session::{Proof, Session, SessionId, Stage};
use super::store::{AccountId, Circle, KnownDevice};
use super::turn::{Fault, Turn};

/// Appends an entry to the own list. After a login it must add the device that sends it, which is then admitted.
pub(super) fn append(
    turn: &mut Turn<'_>,
    (id, session): (SessionId, &mut Session),
    signed: SignedEntry,
) -> Result<AccountAnswer, Fault> {
    let (account, name, is_new) = match &session.stage {
        Stage::LoggedIn { account, name } => (*account, name.clone(), true),
        Stage::Proved(proof) => (proof.account, proof.name.clone(), false),
        Stage::Greeted | Stage::Registering { .. } | Stage::Recovering { .. } | Stage::LoggingIn(_) => {
            return Err(Refusal::SessionRequired.into());
        }
    };
    let entry = signed.entry().map_err(|_| Refusal::NotAcceptable)?;
    let joining = match &entry.operation {
        DeviceOperation::Add(device) => Some(device.id()),
        DeviceOperation::Revoke(_) | DeviceOperation::Rename { .. } => None,
        // S is renewed together with what a login yields.
        DeviceOperation::Renew(_) => return Err(Refusal::NotAllowed.into()),
    };
    if is_new && joining.is_none() {
        return Err(Refusal::NotAllowed.into());
    }
    let list = turn.store.device_list(account)?;
    let list = if list.entries.last() == Some(&signed) {
        // The answer to the first try was lost.
        list
    } else {
        extend(turn, (account, &name), list, vec![signed])?
    };
    match joining {
        Some(device) if is_new => admit(turn, (id, session), (account, name), device, list),
        Some(_) | None => Ok(AccountAnswer::Done),
    }
}

/// Appends entries, puts in use and out of use what they say, and tells whom it concerns.
pub(super) fn extend(
    turn: &mut Turn<'_>,
    (account, name): (AccountId, &Name),
    list: DeviceList,
    signed: Vec<SignedEntry>,
) -> Result<DeviceList, Fault> {
    let operations = signed.iter().map(|signed| signed.entry().map(|entry| entry.operation));
    let operations: Vec<_> = operations.collect::<Result<_, _>>().map_err(|_| Refusal::NotAcceptable)?;
    let (list, verified) = continued(list, signed)?;
    expect_room(&list, &verified, &operations)?;
    for operation in &operations {
        if let DeviceOperation::Add(device) = operation {
            if turn.store.device(device.id())?.is_some() {
                return Err(Refusal::Conflict.into());
            }
            turn.store.add_device(device.id(), KnownDevice { account, signing: device.signing })?;
        }
    }
    turn.store.set_device_list(account, &list, verified.head())?;
    turn.store.note_devices_changed(name)?;
    tell(turn, account, name, &verified)?;
    for operation in operations {
        if let DeviceOperation::Revoke(device) = operation {
            let session = turn.house.online.session(account, device);
            turn.store.remove_device(device)?;
            if let Some(session) = session {
                turn.close(session, SessionClose::Revoked);
            }
        }
    }
    Ok(list)
}

/// Whether enough entries are left: to revoke every device after one was added, and more after one was renamed.
fn expect_room(
    list: &DeviceList,
    verified: &VerifiedList,
    operations: &[DeviceOperation],
) -> Result<(), Refusal> {
    let left = DEVICE_ENTRIES_MAX - list.entries.len();
    let enough = |operation: &DeviceOperation| match operation {
        DeviceOperation::Add(_) => left >= verified.devices().len(),
        DeviceOperation::Rename { .. } => left >= DEVICE_ENTRIES_KEPT,
        DeviceOperation::Revoke(_) | DeviceOperation::Renew(_) => true,
    };
    if operations.iter().all(enough) { Ok(()) } else { Err(Refusal::QuotaRequired) }
}

/// The list with more entries, if they continue it.
fn continued(list: DeviceList, signed: Vec<SignedEntry>) -> Result<(DeviceList, VerifiedList), Refusal> {
    let mut entries = list.entries.into_vec();
    entries.extend(signed);
    let entries = List::new(entries).map_err(|_| Refusal::QuotaRequired)?;
    let list = DeviceList { certificate: list.certificate, entries };
    match list.verify() {
        Ok(verified) => Ok((list, verified)),
        Err(ListError::Chain { .. }) => Err(Refusal::StaleDeviceList),
        Err(ListError::Size) => Err(Refusal::QuotaRequired),
        Err(_) => Err(Refusal::NotAcceptable),
    }
}

/// A device has a session now: the other own ones are told where from.
pub(super) fn arrived(
    turn: &mut Turn<'_>,
    (session, from): (SessionId, Block),
    account: AccountId,
    device: DeviceId,
) -> Result<(), Fault> {
    let at_unix_s = turn.now.unix_s;
    turn.store.note_seen(device, at_unix_s)?;
    let others = turn.house.online.sessions(account).filter(|other| *other != session).collect();
    turn.push(others, Push::Arrived(Arrival { device, place: from.place(), at_unix_s }));
    Ok(())
}

/// When one's own devices were there, and where those are that have a session.
pub(super) fn sightings(turn: &mut Turn<'_>, me: &Proof) -> Result<AccountAnswer, Fault> {
    let seen = turn.store.seen(me.account)?;
    let online = &mut turn.house.online;
    let sighting = |(device, seen_at_unix_s)| Sighting {
        device,
        seen_at_unix_s,
        here: online.seat(me.account, device).map(|seat| seat.from.place()),
    };
    let sightings = List::new(seen.into_iter().map(sighting).collect::<Vec<_>>());
    let sightings = sightings.map_err(|_| Refusal::InternalServerError)?;
    Ok(AccountAnswer::Sightings { sightings })
}

/// Tells the own devices and those of all contacts that the list grew.
fn tell(turn: &mut Turn<'_>, account: AccountId, name: &Name, list: &VerifiedList) -> Result<(), Fault> {
    let contacts = turn.store.circle(account, Circle::Contacts)?;
    let online = &turn.house.online;
    let accounts = contacts.iter().map(|(contact, _)| *contact).chain([account]);
    let to = accounts.flat_map(|account| online.sessions(account)).collect();
    let address = turn.address(name);
    turn.push(to, Push::DevicesChanged { address, head: list.head() });
    Ok(())
}

/// The device list of oneself or of a contact.
pub(super) fn devices(turn: &mut Turn<'_>, me: &Proof, address: Address) -> Result<AccountAnswer, Fault> {
    let account = turn.correspondent(me, &address)?;
    let list = turn.store.device_list(account)?;
    Ok(AccountAnswer::Devices { address, list })
}
