//! Registration, login, and the proof of a device. The password never comes here; OPAQUE (RFC 9807) checks it.
//!
//! A name that nobody has answers a login like one that somebody has: with a challenge of the same form, and the
//! same refusal at the end.

use hobnob_wire::account::{AccountAnswer, OpaqueMessage, WrappedKey};
use hobnob_wire::close::SessionClose;
use hobnob_wire::contact::Pending;
use hobnob_wire::device::{Device, DeviceList, RootCertificate, SignedEntry};
use hobnob_wire::keys::{Purpose, Signature};
use hobnob_wire::opaque::{Suite, VERSION};
use hobnob_wire::{Address, DeviceId, List, Name, Refusal};
use opaque_ke::{
    CredentialFinalization, CredentialRequest, RegistrationRequest, RegistrationUpload, ServerLogin,
    ServerLoginParameters, ServerRegistration,
};

use super::contact::Standing;
use super::effect::Effect;
use super::session::{Login, Proof, Session, SessionId, Stage};
use super::store::{AccountId, Contact, KnownDevice, NewAccount, StoreError};
use super::turn::{Fault, Turn};
use super::{device, presence, relay};

/// OPAQUE's part of a registration, step one.
pub(super) fn register_start(
    turn: &mut Turn<'_>,
    session: &mut Session,
    name: Name,
    opaque_version: u8,
    message: &OpaqueMessage,
) -> Result<AccountAnswer, Fault> {
    expect_place(turn, session)?;
    expect_version(opaque_version)?;
    let request = RegistrationRequest::deserialize(message.as_slice()).map_err(|_| Refusal::NotAcceptable)?;
    turn.house.quota.registration(session.from, turn.now.elapsed)?;
    if turn.store.account(&name)?.is_some() {
        return Err(Refusal::NameTaken.into());
    }
    if turn.store.account_count()? >= turn.house.limits.accounts_max {
        return Err(Refusal::ResourceConstraint.into());
    }
    let started = ServerRegistration::start(&turn.house.setup, request, name.as_str().as_bytes())
        .map_err(|_| Refusal::NotAcceptable)?;
    session.stage = Stage::Registering { name };
    challenge(started.message.serialize().as_slice())
}

/// OPAQUE's part of a registration, step two, together with the account's keys and first device.
pub(super) fn register_finish(
    turn: &mut Turn<'_>,
    (id, session): (SessionId, &mut Session),
    message: &OpaqueMessage,
    keys: (RootCertificate, SignedEntry),
    wrapped: &WrappedKey,
) -> Result<AccountAnswer, Fault> {
    let Stage::Registering { name } = &session.stage else {
        return Err(Refusal::Conflict.into());
    };
    let name = name.clone();
    let upload =
        RegistrationUpload::<Suite>::deserialize(message.as_slice()).map_err(|_| Refusal::NotAcceptable)?;
    let (certificate, entry) = keys;
    let entries = List::new(vec![entry]).map_err(|_| Refusal::NotAcceptable)?;
    let list = DeviceList { certificate, entries };
    let verified = list.verify().map_err(|_| Refusal::NotAcceptable)?;
    let [(device, Device { signing, .. })] = verified.devices() else {
        return Err(Refusal::NotAcceptable.into());
    };
    if turn.store.device(*device)?.is_some() {
        return Err(Refusal::Conflict.into());
    }
    if turn.store.account(&name)?.is_some() {
        return Err(Refusal::NameTaken.into());
    }
    let account = turn.store.create_account(&NewAccount {
        name: &name,
        registration: ServerRegistration::finish(upload).serialize().as_slice(),
        wrapped,
        list: &list,
        head: verified.head(),
        created_at_unix_s: turn.now.unix_s,
    })?;
    turn.store.add_device(*device, KnownDevice { account, signing: *signing })?;
    meet_askers(turn, account, &name)?;
    admit(turn, (id, session), (account, name), *device, list)
}

/// Requests to this name that were made before anybody had it now wait for its owner.
fn meet_askers(turn: &mut Turn<'_>, account: AccountId, name: &Name) -> Result<(), Fault> {
    for (asker, words) in turn.store.askers(name, turn.house.limits.requests_max)? {
        let standing = Standing { pending: Pending::In, ..Standing::NONE };
        let contact = Contact { standing, heard: words, ..Contact::default() };
        turn.store.put_contact(account, &asker, &contact)?;
    }
    Ok(())
}

/// OPAQUE's part of a login, step one. Counts as an attempt, because its answer tells the asker whether the
/// password was right.
pub(super) fn login_start(
    turn: &mut Turn<'_>,
    session: &mut Session,
    name: Name,
    opaque_version: u8,
    message: &OpaqueMessage,
) -> Result<AccountAnswer, Fault> {
    expect_place(turn, session)?;
    expect_version(opaque_version)?;
    let request = CredentialRequest::deserialize(message.as_slice()).map_err(|_| Refusal::NotAcceptable)?;
    turn.house.quota.attempt(&name, session.from, turn.now.elapsed)?;
    let credentials = turn.store.credentials(&name)?;
    let record = credentials
        .as_ref()
        .map(|known| ServerRegistration::<Suite>::deserialize(&known.registration))
        .transpose()
        .map_err(|_| StoreError::Damaged { what: "account.registration" })?;
    let started = ServerLogin::start(
        &mut turn.rng,
        &turn.house.setup,
        record,
        request,
        name.as_str().as_bytes(),
        ServerLoginParameters::default(),
    )
    .map_err(|_| Refusal::NotAcceptable)?;
    let account = credentials.map(|known| (known.account, known.wrapped));
    session.stage = Stage::LoggingIn(Box::new(Login { state: started.state, name, account }));
    challenge(started.message.serialize().as_slice())
}

/// OPAQUE's part of a login, step two.
pub(super) fn login_finish(
    turn: &mut Turn<'_>,
    (id, session): (SessionId, &mut Session),
    message: &OpaqueMessage,
) -> Result<AccountAnswer, Fault> {
    let login = match std::mem::replace(&mut session.stage, Stage::Greeted) {
        Stage::LoggingIn(login) => login,
        stage @ (Stage::Greeted
        | Stage::Registering { .. }
        | Stage::Recovering { .. }
        | Stage::LoggedIn { .. }
        | Stage::Proved(_)) => {
            session.stage = stage;
            return Err(Refusal::Conflict.into());
        }
    };
    let Login { state, name, account } = *login;
    let proved = CredentialFinalization::deserialize(message.as_slice())
        .and_then(|finalization| state.finish(finalization, ServerLoginParameters::default()));
    let (Ok(_), Some((account, wrapped))) = (proved, account) else {
        note_failure(turn, id, session);
        return Err(Refusal::WrongCredentials.into());
    };
    turn.house.quota.forgive(&name, session.from);
    let list = turn.store.device_list(account)?;
    session.stage = Stage::LoggedIn { account, name };
    Ok(AccountAnswer::LoggedIn { wrapped, list })
}

/// A device proves itself by signing the session's exporter value.
pub(super) fn authenticate(
    turn: &mut Turn<'_>,
    (id, session): (SessionId, &mut Session),
    address: &Address,
    device: DeviceId,
    signature: &Signature,
) -> Result<AccountAnswer, Fault> {
    expect_place(turn, session)?;
    let name = turn.local_name(address)?;
    let account = turn.store.account(&name)?;
    let known = turn.store.device(device)?.filter(|known| Some(known.account) == account);
    let Some(known) = known else {
        return fail(turn, id, session, Refusal::UnknownDevice);
    };
    if known.signing.verify(Purpose::Session, &session.exporter, signature).is_err() {
        return fail(turn, id, session, Refusal::WrongCredentials);
    }
    let list = turn.store.device_list(known.account)?;
    admit(turn, (id, session), (known.account, name), device, list)
}

/// The session is a device of an account from now on; the answer tells it so.
pub(super) fn admit(
    turn: &mut Turn<'_>,
    (id, session): (SessionId, &mut Session),
    (account, name): (AccountId, Name),
    device: DeviceId,
    list: DeviceList,
) -> Result<AccountAnswer, Fault> {
    let came_online = !turn.house.online.is_online(account);
    if let Some(replaced) = turn.house.online.enter(account, device, (id, session.from)) {
        turn.close(replaced, SessionClose::Replaced);
    }
    turn.effects.push(Effect::Admit { session: id });
    turn.house.tally.sessions += 1;
    device::arrived(turn, (id, session.from), account, device)?;
    relay::grant(turn, id, account);
    if came_online {
        presence::tell_coming(turn, account, &name)?;
    }
    let (address, domain) = (turn.address(&name), turn.house.domain.clone());
    session.stage = Stage::Proved(Proof { session: id, account, name, address: address.clone(), device });
    Ok(AccountAnswer::Welcome { address, domain, list })
}

fn fail(
    turn: &mut Turn<'_>,
    id: SessionId,
    session: &mut Session,
    refusal: Refusal,
) -> Result<AccountAnswer, Fault> {
    turn.house.quota.failure(session.from, turn.now.elapsed)?;
    note_failure(turn, id, session);
    Err(refusal.into())
}

pub(super) fn note_failure(turn: &mut Turn<'_>, id: SessionId, session: &mut Session) {
    session.failures += 1;
    if session.failures >= turn.house.limits.failures_per_session_max {
        turn.close(id, SessionClose::TooManyFailures);
    }
}

/// A session proves itself once, while there is a place for it.
pub(super) fn expect_place(turn: &Turn<'_>, session: &Session) -> Result<(), Refusal> {
    if matches!(session.stage, Stage::Proved(_)) {
        return Err(Refusal::Conflict);
    }
    if turn.house.online.sessions_count() >= turn.house.limits.sessions_max {
        return Err(Refusal::ServiceUnavailable);
    }
    Ok(())
}

pub(super) fn expect_version(opaque_version: u8) -> Result<(), Refusal> {
    if opaque_version == VERSION { Ok(()) } else { Err(Refusal::UnsupportedVersion) }
}

fn challenge(message: &[u8]) -> Result<AccountAnswer, Fault> {
    let message = OpaqueMessage::new(message).map_err(|_| Refusal::InternalServerError)?;
    Ok(AccountAnswer::Challenge { message })
}
