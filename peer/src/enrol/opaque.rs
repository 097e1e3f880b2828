//! The client's side of OPAQUE (RFC 9807): the password goes in, messages and keys come out.

use hobnob_wire::Name;
use hobnob_wire::account::{AccountAnswer, AccountRequest, OpaqueMessage, WrappedKey};
use hobnob_wire::device::DeviceList;
use hobnob_wire::opaque::{Suite, VERSION, key_stretching};
use opaque_ke::errors::ProtocolError;
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialResponse, Identifiers, RegistrationResponse,
};
use zeroize::Zeroizing;

use super::talk::Talk;
use super::{EnrolError, off_the_runtime};
use crate::driver::SystemEntropy;

/// What only the password yields: it wraps S.
pub(super) type ExportKey = Zeroizing<Vec<u8>>;

/// A password on its way to the rendezvous, which never sees it.
pub(super) struct NewPassword {
    state: ClientRegistration<Suite>,
    password: Zeroizing<String>,
}

impl NewPassword {
    /// The first message.
    pub(super) fn start(password: Zeroizing<String>) -> Result<(Self, OpaqueMessage), EnrolError> {
        let started =
            ClientRegistration::<Suite>::start(&mut SystemEntropy, password.as_bytes()).map_err(wrong)?;
        let message = OpaqueMessage::new(started.message.serialize().to_vec())?;
        Ok((Self { state: started.state, password }, message))
    }

    /// The second message, and the key that only this password yields. Stretching it takes a core for a tenth of a
    /// second.
    pub(super) async fn finish(
        self,
        answer: OpaqueMessage,
    ) -> Result<(OpaqueMessage, ExportKey), EnrolError> {
        off_the_runtime(move || {
            let response = RegistrationResponse::deserialize(answer.as_slice()).map_err(wrong)?;
            let stretching = key_stretching();
            let parameters =
                ClientRegistrationFinishParameters::new(Identifiers::default(), Some(&stretching));
            let finished = self
                .state
                .finish(&mut SystemEntropy, self.password.as_bytes(), response, parameters)
                .map_err(wrong)?;
            let message = OpaqueMessage::new(finished.message.serialize().to_vec())?;
            Ok((message, Zeroizing::new(finished.export_key.to_vec())))
        })
        .await
    }
}

/// What a right password brings.
pub(super) struct LoggedIn {
    /// S, wrapped.
    pub(super) wrapped: WrappedKey,
    /// The account's devices so far.
    pub(super) list: DeviceList,
    /// What opens S.
    pub(super) export_key: ExportKey,
}

impl LoggedIn {
    /// As the core takes it.
    pub(super) fn keys(&self) -> crate::core::keys::enrol::LoggedIn<'_> {
        let Self { wrapped, list, export_key } = self;
        crate::core::keys::enrol::LoggedIn { wrapped, list, export_key }
    }
}

/// Logs in; the session may then add one device, or change the password.
pub(super) async fn login(
    talk: &mut Talk,
    name: &Name,
    password: Zeroizing<String>,
) -> Result<LoggedIn, EnrolError> {
    let (state, message) = {
        let started = ClientLogin::<Suite>::start(&mut SystemEntropy, password.as_bytes()).map_err(wrong)?;
        (started.state, OpaqueMessage::new(started.message.serialize().to_vec())?)
    };
    let start = AccountRequest::LoginStart { name: name.clone(), opaque_version: VERSION, message };
    let answer = challenge(talk.ask(start).await?)?;
    let (message, export_key) = off_the_runtime(move || {
        let response = CredentialResponse::deserialize(answer.as_slice()).map_err(wrong)?;
        let stretching = key_stretching();
        let parameters = ClientLoginFinishParameters::new(None, Identifiers::default(), Some(&stretching));
        let finished =
            state.finish(&mut SystemEntropy, password.as_bytes(), response, parameters).map_err(wrong)?;
        let message = OpaqueMessage::new(finished.message.serialize().to_vec())?;
        Ok::<_, EnrolError>((message, Zeroizing::new(finished.export_key.to_vec())))
    })
    .await?;
    let AccountAnswer::LoggedIn { wrapped, list } = talk.ask(AccountRequest::LoginFinish { message }).await?
    else {
        return Err(EnrolError::Protocol("no account after a login"));
    };
    Ok(LoggedIn { wrapped, list, export_key })
}

/// OPAQUE's answer to a first message.
pub(super) fn challenge(answer: AccountAnswer) -> Result<OpaqueMessage, EnrolError> {
    let AccountAnswer::Challenge { message } = answer else {
        return Err(EnrolError::Protocol("no challenge"));
    };
    Ok(message)
}

fn wrong(error: ProtocolError) -> EnrolError {
    if matches!(error, ProtocolError::InvalidLoginError) {
        EnrolError::WrongCredentials
    } else {
        EnrolError::Protocol("an OPAQUE message is wrong")
    }
}
