//! The device list: who may extend it, who may read it, and who is told.

use hobnob_wire::account::AccountAnswer;
use hobnob_wire::close::SessionClose;
use hobnob_wire::device::{DeviceEntry, DeviceList, DeviceOperation, ListError, SignedEntry, VerifiedList};
use hobnob_wire::session::Push;
use hobnob_wire::{Address, List, Name, Refusal};

use super::account::admit;
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
        Stage::Greeted | Stage::Registering { .. } | Stage::LoggingIn(_) => {
            return Err(Refusal::SessionRequired.into());
        }
    };
    let entry = signed.entry().map_err(|_| Refusal::NotAcceptable)?;
    let joining = match &entry.operation {
        DeviceOperation::Add(device) => Some(device.id()),
        DeviceOperation::Revoke(_) => None,
    };
    if is_new && joining.is_none() {
        return Err(Refusal::NotAllowed.into());
    }
    let list = turn.store.device_list(account)?;
    let list = if list.entries.last() == Some(&signed) {
        // The answer to the first try was lost.
        list
    } else {
        extend(turn, (account, &name), list, signed, &entry)?
    };
    match joining {
        Some(device) if is_new => admit(turn, (id, session), (account, name), device, list),
        Some(_) | None => Ok(AccountAnswer::Done),
    }
}

fn extend(
    turn: &mut Turn<'_>,
    (account, name): (AccountId, &Name),
    list: DeviceList,
    signed: SignedEntry,
    entry: &DeviceEntry,
) -> Result<DeviceList, Fault> {
    let (list, verified) = continued(list, signed)?;
    if let DeviceOperation::Add(device) = &entry.operation {
        if turn.store.device(device.id())?.is_some() {
            return Err(Refusal::Conflict.into());
        }
        turn.store.add_device(device.id(), KnownDevice { account, signing: device.signing })?;
    }
    turn.store.set_device_list(account, &list, verified.head())?;
    turn.store.note_devices_changed(name)?;
    tell(turn, account, name, &verified)?;
    if let DeviceOperation::Revoke(device) = entry.operation {
        let session = turn.house.online.session(account, device);
        turn.store.remove_device(device)?;
        if let Some(session) = session {
            turn.close(session, SessionClose::Revoked);
        }
    }
    Ok(list)
}

/// The list with one more entry, if that continues it.
fn continued(list: DeviceList, signed: SignedEntry) -> Result<(DeviceList, VerifiedList), Refusal> {
    let mut entries = list.entries.into_vec();
    entries.push(signed);
    let entries = List::new(entries).map_err(|_| Refusal::QuotaRequired)?;
    let list = DeviceList { certificate: list.certificate, entries };
    match list.verify() {
        Ok(verified) => Ok((list, verified)),
        Err(ListError::Chain { .. }) => Err(Refusal::StaleDeviceList),
        Err(ListError::Size) => Err(Refusal::QuotaRequired),
        Err(_) => Err(Refusal::NotAcceptable),
    }
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
