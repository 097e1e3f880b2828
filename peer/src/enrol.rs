//! How a home comes to hold an account: registration with a new account, login with an existing one.
//!
//! Both run OPAQUE with the rendezvous, which never sees the password, and write the new device into the
//! home's store. The home must not be in use by a [`Client`](crate::Client).

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hobnob_nat::Endpoint;
use hobnob_nat::core::proxy::Proxy;
use hobnob_wire::account::{AccountAnswer, AccountRequest, OpaqueMessage};
use hobnob_wire::bounded::TooLong;
use hobnob_wire::close::SessionClose;
use hobnob_wire::device::DeviceList;
use hobnob_wire::invite::{Invite, Pin};
use hobnob_wire::opaque::{Suite, VERSION, key_stretching};
use hobnob_wire::session::{Answer, ClientFrame, Request, ServerFrame};
use hobnob_wire::{Address, Name, Refusal, RequestId, codec};
use opaque_ke::errors::ProtocolError;
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialResponse, Identifiers, RegistrationResponse,
};
use quinn::{RecvStream, SendStream, VarInt};
use thiserror::Error;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::core::keys::enrol::{
    EnrolError as KeysError, KeepError, LoggedIn, NewDevice, new_account, new_device,
};
use crate::core::settings::PROXY;
use crate::core::store::{KeyStore, SettingStore};
use crate::driver::{SystemEntropy, unix_ms};
use crate::net::connect::{ConnectError, Connector, Line};
use crate::net::read_frame;
use crate::store::{Database, StoreError};

/// How long the rendezvous may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long the rendezvous may take to hear that we are done.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

/// A new account.
#[derive(Debug)]
pub struct Registered {
    /// Its complete address.
    pub address: Address,
    /// To be shown to the user once: who has it owns the account.
    pub recovery_code: Zeroizing<String>,
}

/// Why a home did not get its account.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EnrolError {
    /// The home has an account.
    #[error(
        "{} already holds the account {address}; choose another home (--home) for another account", home.display()
    )]
    AlreadyRegistered {
        /// The home.
        home: PathBuf,
        /// Its account.
        address: Address,
    },
    /// Somebody has the name.
    #[error("the name is taken; choose another one, or log in if it is yours")]
    NameTaken,
    /// The name or the password is wrong. Which of them the rendezvous does not say.
    #[error("the name or the password is wrong; check both and try again")]
    WrongCredentials,
    /// The rendezvous shows another certificate than the invite says.
    #[error(
        "the rendezvous shows another identity (pin {presented}) than the invite says (pin {expected}). The invite is old or wrong, or somebody is in between: ask the operator for a new invite"
    )]
    WrongPin {
        /// The pin of the invite.
        expected: Pin,
        /// The pin of the certificate shown.
        presented: Pin,
    },
    /// There is no way to the rendezvous.
    #[error(transparent)]
    Unreachable(Box<ConnectError>),
    /// The rendezvous was reached and then lost, or did not answer in time.
    #[error(
        "the rendezvous stopped answering; try again. If the name is taken then, log in: the account was made"
    )]
    Lost,
    /// The rendezvous refused.
    #[error("the rendezvous refused: {0}")]
    Refused(Refusal),
    /// The rendezvous does not follow the protocol; its fault.
    #[error("the rendezvous does not follow the protocol ({0}); update it or this app")]
    Protocol(&'static str),
    /// The account's keys do not hang together; the fault of the rendezvous.
    #[error("the account cannot be used: {0}")]
    Keys(#[from] KeysError),
    /// No socket could be had.
    #[error("no UDP socket can be opened: {0}")]
    Socket(io::Error),
    /// The home's store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ConnectError> for EnrolError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::PinChanged { expected, presented, .. } => Self::WrongPin { expected, presented },
            ConnectError::Resolve { .. }
            | ConnectError::Incompatible { .. }
            | ConnectError::Unreachable { .. }
            | ConnectError::Tunnel(_) => Self::Unreachable(Box::new(error)),
        }
    }
}

impl From<KeepError<StoreError>> for EnrolError {
    fn from(error: KeepError<StoreError>) -> Self {
        match error {
            KeepError::Enrol(error) => Self::Keys(error),
            KeepError::Store(error) => Self::Store(error),
        }
    }
}

impl From<TooLong> for EnrolError {
    fn from(_: TooLong) -> Self {
        Self::Protocol("an OPAQUE message is too long")
    }
}

/// Makes an account called `name` at the rendezvous of `invite`, with this home as its first device, and its
/// `password`, which a further device will need. Goes through `proxy`, which the home then keeps as the setting `net.proxy`.
///
/// The home is made when it does not exist. If it fails after the rendezvous has made the account, the name is
/// taken and the password right: [`login`] goes on from there.
///
/// # Errors
/// [`EnrolError`]; the home holds no account then.
pub async fn register(
    home: &Path,
    name: &Name,
    invite: &Invite,
    password: Zeroizing<String>,
    proxy: Option<&Proxy>,
) -> Result<Registered, EnrolError> {
    let mut database = empty_home(home).await?;
    let mut talk = Talk::begin(invite, proxy).await?;
    let (state, message) = {
        let started =
            ClientRegistration::<Suite>::start(&mut SystemEntropy, password.as_bytes()).map_err(opaque)?;
        (started.state, OpaqueMessage::new(started.message.serialize().to_vec())?)
    };
    let start = AccountRequest::RegisterStart { name: name.clone(), opaque_version: VERSION, message };
    let challenge = challenge(talk.ask(start).await?)?;

    // Stretching the password takes a core for a tenth of a second.
    let (upload, account) = off_the_runtime(move || {
        let response = RegistrationResponse::deserialize(challenge.as_slice()).map_err(opaque)?;
        let stretching = key_stretching();
        let parameters = ClientRegistrationFinishParameters::new(Identifiers::default(), Some(&stretching));
        let finished =
            state.finish(&mut SystemEntropy, password.as_bytes(), response, parameters).map_err(opaque)?;
        let export_key = Zeroizing::new(finished.export_key);
        let account = new_account(&device_name(), &export_key, unix_ms() / 1000, &mut SystemEntropy)?;
        Ok::<_, EnrolError>((OpaqueMessage::new(finished.message.serialize().to_vec())?, account))
    })
    .await?;

    let recovery_code = account.recovery.text();
    let finish = AccountRequest::RegisterFinish {
        message: upload,
        certificate: account.certificate,
        entry: account.device.entry.clone(),
        wrapped: account.wrapped,
    };
    let (address, list) = welcome(talk.ask(finish).await?)?;
    keep(&mut database, account.device, (&address, &list), (invite, proxy))?;
    talk.end().await;
    Ok(Registered { address, recovery_code })
}

/// Adds this home as a further device to the account called `name` at the rendezvous of `invite`. Returns the account's
/// complete address. Goes through `proxy`, which the home then keeps as the setting `net.proxy`.
///
/// # Errors
/// [`EnrolError`]; the home holds no account then.
pub async fn login(
    home: &Path,
    name: &Name,
    invite: &Invite,
    password: Zeroizing<String>,
    proxy: Option<&Proxy>,
) -> Result<Address, EnrolError> {
    let mut database = empty_home(home).await?;
    let mut talk = Talk::begin(invite, proxy).await?;
    let (state, message) = {
        let started = ClientLogin::<Suite>::start(&mut SystemEntropy, password.as_bytes()).map_err(opaque)?;
        (started.state, OpaqueMessage::new(started.message.serialize().to_vec())?)
    };
    let start = AccountRequest::LoginStart { name: name.clone(), opaque_version: VERSION, message };
    let challenge = challenge(talk.ask(start).await?)?;

    let (proof, export_key) = off_the_runtime(move || {
        let response = CredentialResponse::deserialize(challenge.as_slice()).map_err(opaque)?;
        let stretching = key_stretching();
        let parameters = ClientLoginFinishParameters::new(None, Identifiers::default(), Some(&stretching));
        let finished =
            state.finish(&mut SystemEntropy, password.as_bytes(), response, parameters).map_err(opaque)?;
        let proof = OpaqueMessage::new(finished.message.serialize().to_vec())?;
        Ok::<_, EnrolError>((proof, Zeroizing::new(finished.export_key)))
    })
    .await?;

    let AccountAnswer::LoggedIn { wrapped, list } =
        talk.ask(AccountRequest::LoginFinish { message: proof }).await?
    else {
        return Err(EnrolError::Protocol("no account after a login"));
    };
    let login = LoggedIn { wrapped: &wrapped, list: &list, export_key: &export_key };
    let device = new_device(&device_name(), &login, unix_ms() / 1000, &mut SystemEntropy)?;
    let (address, list) =
        welcome(talk.ask(AccountRequest::AppendEntry { entry: device.entry.clone() }).await?)?;
    keep(&mut database, device, (&address, &list), (invite, proxy))?;
    talk.end().await;
    Ok(address)
}

/// Opens a home that has no account yet.
async fn empty_home(home: &Path) -> Result<Database, EnrolError> {
    let home = home.to_owned();
    off_the_runtime(move || {
        let mut database = Database::open(&home)?;
        let identity = database.begin()?.identity()?;
        match identity {
            None => Ok(database),
            Some(identity) => Err(EnrolError::AlreadyRegistered { home, address: identity.address }),
        }
    })
    .await
}

fn keep(
    database: &mut Database,
    device: NewDevice,
    (address, list): (&Address, &DeviceList),
    (invite, proxy): (&Invite, Option<&Proxy>),
) -> Result<(), EnrolError> {
    let mut transaction = database.begin()?;
    if let Some(proxy) = proxy {
        transaction.set_setting(PROXY, &proxy.url())?;
    }
    device.keep(&mut transaction, address.clone(), list, invite.clone())?;
    Ok(transaction.commit()?)
}

/// Runs what takes long without `await` on a thread of its own.
async fn off_the_runtime<T, F>(work: F) -> Result<T, EnrolError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, EnrolError> + Send + 'static,
{
    // It fails only by a panic, which goes on here.
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// What people call this machine; it names the device in the account's list.
fn device_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn opaque(error: ProtocolError) -> EnrolError {
    if matches!(error, ProtocolError::InvalidLoginError) {
        EnrolError::WrongCredentials
    } else {
        EnrolError::Protocol("an OPAQUE message is wrong")
    }
}

fn challenge(answer: AccountAnswer) -> Result<OpaqueMessage, EnrolError> {
    let AccountAnswer::Challenge { message } = answer else {
        return Err(EnrolError::Protocol("no challenge"));
    };
    Ok(message)
}

fn welcome(answer: AccountAnswer) -> Result<(Address, DeviceList), EnrolError> {
    let AccountAnswer::Welcome { address, list, .. } = answer else {
        return Err(EnrolError::Protocol("no welcome"));
    };
    Ok((address, list))
}

/// A session that is not authenticated yet: questions about accounts, one after the other.
struct Talk {
    endpoint: Endpoint,
    line: Line,
    send: SendStream,
    receive: RecvStream,
    next: u32,
}

impl Talk {
    async fn begin(invite: &Invite, proxy: Option<&Proxy>) -> Result<Self, EnrolError> {
        let listen = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let endpoint = Endpoint::peer(listen).map_err(EnrolError::Socket)?;
        let line = Connector::new(endpoint.clone(), invite.clone(), proxy.cloned()).connect().await?;
        let (send, receive) = line.connection.open_bi().await.map_err(|_| EnrolError::Lost)?;
        Ok(Self { endpoint, line, send, receive, next: 0 })
    }

    async fn ask(&mut self, request: AccountRequest) -> Result<AccountAnswer, EnrolError> {
        timeout(ANSWER_WITHIN, self.try_ask(request)).await.map_err(|_| EnrolError::Lost)?
    }

    async fn try_ask(&mut self, request: AccountRequest) -> Result<AccountAnswer, EnrolError> {
        let asked = RequestId(self.next);
        self.next += 1;
        let frame = ClientFrame::Request { id: asked, request: Request::Account(request) };
        let frame =
            codec::encode_prefixed(&frame).map_err(|_| EnrolError::Protocol("a request is too long"))?;
        self.send.write_all(&frame).await.map_err(|_| EnrolError::Lost)?;
        loop {
            match read_frame(&mut self.receive).await.map_err(|_| EnrolError::Lost)? {
                ServerFrame::Answer { id, answer: Answer::Account(answer) } if id == asked => {
                    return Ok(answer);
                }
                ServerFrame::Refused { id, refusal } if id == asked => return Err(refused(refusal)),
                // What waits for the new device is pushed to the session that will be kept.
                ServerFrame::Push(_) => {}
                ServerFrame::Answer { .. } | ServerFrame::Refused { .. } => {
                    return Err(EnrolError::Protocol("an answer to another question"));
                }
            }
        }
    }

    /// Lets the rendezvous know that this is over.
    async fn end(self) {
        let code = SessionClose::Done;
        self.line.connection.close(VarInt::from_u32(code.code()), code.to_string().as_bytes());
        // Without the goodbye the rendezvous notices a little later.
        let _ = timeout(GOODBYE_WITHIN, self.endpoint.wait_idle()).await;
    }
}

fn refused(refusal: Refusal) -> EnrolError {
    if refusal == Refusal::NameTaken {
        EnrolError::NameTaken
    } else if refusal == Refusal::WrongCredentials {
        EnrolError::WrongCredentials
    } else {
        EnrolError::Refused(refusal)
    }
}
