//! What the password is needed for later: to sign a change of the device list, and to be changed itself.
//!
//! Devices do not keep S, so that who steals one can neither add devices nor revoke those of its owner.

use hobnob_wire::Name;
use hobnob_wire::account::{AccountAnswer, AccountRequest};
use hobnob_wire::keys::SigningKey;
use hobnob_wire::opaque::VERSION;
use zeroize::Zeroizing;

use super::opaque::{NewPassword, challenge, login};
use super::talk::Talk;
use super::{EnrolError, Way};
use crate::core::keys::wrap::wrap;
use crate::driver::SystemEntropy;

/// S of the account called `name`, which the rendezvous keeps for who knows the password.
pub(crate) async fn signing_key(
    name: &Name,
    way: Way<'_>,
    password: Zeroizing<String>,
) -> Result<SigningKey, EnrolError> {
    let mut talk = Talk::begin(way).await?;
    let login = login(&mut talk, name, password).await?;
    let (_, self_signing) = login.keys().open()?;
    talk.end().await;
    Ok(self_signing)
}

/// Changes the password of the account called `name`. Devices stay logged in; the old password is worth nothing
/// afterwards.
///
/// # Errors
/// [`EnrolError`]; the old password stays then, unless the answer to the very last question was lost.
pub async fn change_password(
    name: &Name,
    way: Way<'_>,
    old: Zeroizing<String>,
    new: Zeroizing<String>,
) -> Result<(), EnrolError> {
    let mut talk = Talk::begin(way).await?;
    let login = login(&mut talk, name, old).await?;
    let (_, self_signing) = login.keys().open()?;
    let (new, message) = NewPassword::start(new)?;
    let start = AccountRequest::PasswordStart { opaque_version: VERSION, message };
    let (message, export_key) = new.finish(challenge(talk.ask(start).await?)?).await?;
    let wrapped = wrap(&self_signing, &export_key, &mut SystemEntropy)
        .map_err(crate::core::keys::enrol::EnrolError::from)?;
    let answer = talk.ask(AccountRequest::PasswordFinish { message, wrapped }).await?;
    talk.end().await;
    if answer == AccountAnswer::Done { Ok(()) } else { Err(EnrolError::Protocol("no end of a new password")) }
}
