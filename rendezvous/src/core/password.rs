//! Another password: for who knows the present one, and for who has lost it and has the account's root instead.
//!
//! Contacts pin the root A, so neither changes who the account is to them.

use hobnob_wire::account::{AccountAnswer, OpaqueMessage, WrappedKey};
use hobnob_wire::device::{DeviceOperation, SignedEntry};
use hobnob_wire::keys::{Purpose, Signature};
use hobnob_wire::opaque::Suite;
use hobnob_wire::{Name, Refusal};
use opaque_ke::{RegistrationRequest, RegistrationUpload, ServerRegistration};

use super::account::{admit, expect_place, expect_version, note_failure};
use super::device::extend;
use super::session::{Session, SessionId, Stage};
use super::turn::{Fault, Turn};

/// Who has lost the password proves to have the root, by a signature over this very session's exporter value. A name
/// that nobody has is refused like a wrong root.
pub(super) fn recover_start(
    turn: &mut Turn<'_>,
    (id, session): (SessionId, &mut Session),
    name: Name,
    (opaque_version, message): (u8, &OpaqueMessage),
    signature: &Signature,
) -> Result<AccountAnswer, Fault> {
    expect_place(turn, session)?;
    expect_version(opaque_version)?;
    turn.house.quota.attempt(&name, session.from, turn.now.elapsed)?;
    let list = match turn.store.account(&name)? {
        Some(account) => Some((account, turn.store.device_list(account)?)),
        None => None,
    };
    let proved = list.filter(|(_, list)| {
        list.certificate.root.verify(Purpose::Recovery, &session.exporter, signature).is_ok()
    });
    let Some((account, list)) = proved else {
        note_failure(turn, id, session);
        return Err(Refusal::WrongCredentials.into());
    };
    turn.house.quota.forgive(&name, session.from);
    let message = registration(turn, &name, message)?;
    session.stage = Stage::Recovering { account, name };
    Ok(AccountAnswer::Recovering { message, list })
}

/// Sets the new password, the new S and the new device together, so that nothing of them is there without the others.
pub(super) fn recover_finish(
    turn: &mut Turn<'_>,
    (id, session): (SessionId, &mut Session),
    message: &OpaqueMessage,
    entries: [SignedEntry; 2],
    wrapped: &WrappedKey,
) -> Result<AccountAnswer, Fault> {
    let Stage::Recovering { account, name } = &session.stage else {
        return Err(Refusal::Conflict.into());
    };
    let (account, name) = (*account, name.clone());
    let registration = uploaded(message)?;
    let operation = |signed: &SignedEntry| signed.entry().map(|entry| entry.operation);
    let (Ok(DeviceOperation::Renew(_)), Ok(DeviceOperation::Add(device))) =
        (operation(&entries[0]), operation(&entries[1]))
    else {
        return Err(Refusal::NotAcceptable.into());
    };
    let list = turn.store.device_list(account)?;
    let list = extend(turn, (account, &name), list, entries.into())?;
    turn.store.set_credentials(account, &registration, wrapped)?;
    admit(turn, (id, session), (account, name), device.id(), list)
}

/// Who has just logged in begins to set another password.
pub(super) fn change_start(
    turn: &mut Turn<'_>,
    session: &Session,
    opaque_version: u8,
    message: &OpaqueMessage,
) -> Result<AccountAnswer, Fault> {
    expect_version(opaque_version)?;
    let Stage::LoggedIn { name, .. } = &session.stage else {
        return Err(Refusal::SessionRequired.into());
    };
    let message = registration(turn, name, message)?;
    Ok(AccountAnswer::Challenge { message })
}

/// Sets it.
pub(super) fn change_finish(
    turn: &mut Turn<'_>,
    session: &Session,
    message: &OpaqueMessage,
    wrapped: &WrappedKey,
) -> Result<AccountAnswer, Fault> {
    let Stage::LoggedIn { account, .. } = &session.stage else {
        return Err(Refusal::SessionRequired.into());
    };
    let registration = uploaded(message)?;
    turn.store.set_credentials(*account, &registration, wrapped)?;
    Ok(AccountAnswer::Done)
}

/// OPAQUE's part of setting a password, step one.
fn registration(turn: &Turn<'_>, name: &Name, message: &OpaqueMessage) -> Result<OpaqueMessage, Fault> {
    let request = RegistrationRequest::deserialize(message.as_slice()).map_err(|_| Refusal::NotAcceptable)?;
    let started = ServerRegistration::<Suite>::start(&turn.house.setup, request, name.as_str().as_bytes())
        .map_err(|_| Refusal::NotAcceptable)?;
    Ok(OpaqueMessage::new(started.message.serialize().as_slice())
        .map_err(|_| Refusal::InternalServerError)?)
}

/// OPAQUE's part of setting a password, step two: what later logins are checked against.
fn uploaded(message: &OpaqueMessage) -> Result<Vec<u8>, Refusal> {
    let upload =
        RegistrationUpload::<Suite>::deserialize(message.as_slice()).map_err(|_| Refusal::NotAcceptable)?;
    Ok(ServerRegistration::finish(upload).serialize().to_vec())
}
