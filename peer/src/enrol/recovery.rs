//! Who has lost the password, or every device, has the recovery code: the root of the account, which contacts pin. It
//! sets a new password and a new S and adds this home as a device, and to contacts the account stays the same.

use std::path::Path;

use hobnob_wire::account::{AccountAnswer, AccountRequest};
use hobnob_wire::device::{DeviceList, DeviceOperation};
use hobnob_wire::keys::{Purpose, SigningKey};
use hobnob_wire::opaque::VERSION;
use hobnob_wire::{Address, DeviceId, Name};
use zeroize::Zeroizing;

use super::opaque::NewPassword;
use super::talk::{Talk, welcome};
use super::{EnrolError, Way, device_name, empty_home, settle};
use crate::core::devices::extended;
use crate::core::keys::RecoveryCode;
use crate::core::keys::enrol::{EnrolError as KeysError, change, recovered_account};
use crate::driver::{SystemEntropy, unix_ms};

/// An account that has a password again.
#[derive(Debug)]
pub struct Recovered {
    /// Its complete address.
    pub address: Address,
    /// Devices that were revoked.
    pub revoked: usize,
}

/// Sets a new `password` for the account called `name` whose recovery code is `code`, and adds this home as a device.
/// With `revoke_others` all other devices are revoked: right when one was stolen.
///
/// # Errors
/// [`EnrolError`]; the home holds no account then, and the account is as it was. If it fails after the rendezvous has
/// taken the new password, the password is right: [`login`](super::login) goes on from there.
pub async fn recover(
    home: &Path,
    name: &Name,
    way: Way<'_>,
    (code, password): (&RecoveryCode, Zeroizing<String>),
    revoke_others: bool,
) -> Result<Recovered, EnrolError> {
    let mut database = empty_home(home).await?;
    let mut talk = Talk::begin(way).await?;
    let root = code.root();
    let (new, message) = NewPassword::start(password)?;
    let signature = root.sign(Purpose::Recovery, &talk.exporter()?);
    let start =
        AccountRequest::RecoverStart { name: name.clone(), opaque_version: VERSION, message, signature };
    let AccountAnswer::Recovering { message, list } = talk.ask(start).await.map_err(not_the_root)? else {
        return Err(EnrolError::Protocol("no answer to a recovery"));
    };
    let (message, export_key) = new.finish(message).await?;
    let keys =
        recovered_account(&device_name(), (&root, &list), &export_key, unix_ms() / 1000, &mut SystemEntropy)?;
    let finish = AccountRequest::RecoverFinish {
        message,
        renewal: Box::new(keys.renewal),
        entry: keys.device.entry.clone(),
        wrapped: keys.wrapped,
    };
    let (address, list) = welcome(talk.ask(finish).await?)?;
    let this = DeviceId::of(&keys.device.signing.verify_key());
    let (list, revoked) =
        if revoke_others { revoke(&mut talk, list, (&keys.self_signing, this)).await? } else { (list, 0) };
    let address = settle(&mut database, &mut talk, keys.device, ((address, list), way)).await?;
    talk.end().await;
    Ok(Recovered { address, revoked })
}

/// The same refusal as for a wrong password, which there is none of here.
fn not_the_root(error: EnrolError) -> EnrolError {
    if matches!(error, EnrolError::WrongCredentials) { EnrolError::WrongCode } else { error }
}

/// Revokes all devices but this one. The list afterwards, and how many there were.
async fn revoke(
    talk: &mut Talk,
    mut list: DeviceList,
    (self_signing, this): (&SigningKey, DeviceId),
) -> Result<(DeviceList, usize), EnrolError> {
    let verified = list.verify().map_err(KeysError::from)?;
    let others: Vec<DeviceId> =
        verified.devices().iter().map(|(device, _)| *device).filter(|device| *device != this).collect();
    for device in &others {
        let verified = list.verify().map_err(KeysError::from)?;
        let entry = change(&verified, self_signing, DeviceOperation::Revoke(*device), unix_ms() / 1000)?;
        talk.ask(AccountRequest::AppendEntry { entry: entry.clone() }).await?;
        list = extended(&list, entry).ok_or(EnrolError::Protocol("a device list that is too long"))?;
    }
    Ok((list, others.len()))
}
