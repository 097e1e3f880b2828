//! How a home comes to hold an account: registration with a new account, login with an existing one. And how the
//! password of an account is changed.
//!
//! A home gets one too when its owner has lost the password and has the recovery code.
//!
//! All run OPAQUE with the rendezvous, which never sees the password, and write the new device into the
//! home's store. The home must not be in use by a [`Client`](crate::Client).

mod opaque;
mod password;
mod recovery;
mod talk;

use std::io;
use std::path::{Path, PathBuf};

use hobnob_nat::core::proxy::Proxy;
use hobnob_wire::account::AccountRequest;
use hobnob_wire::bounded::TooLong;
use hobnob_wire::device::DeviceList;
use hobnob_wire::invite::{Invite, Pin};
use hobnob_wire::opaque::VERSION;
use hobnob_wire::{Address, Name, Refusal};
use thiserror::Error;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use self::opaque::{NewPassword, challenge};
pub use self::password::change_password;
pub(crate) use self::password::signing_key;
pub use self::recovery::{Recovered, recover};
use self::talk::{Talk, welcome};
use crate::core::command::{CommandError, ErrorKind};
use crate::core::contact::refused;
use crate::core::keys::enrol::{
    EnrolError as KeysError, KeepError, NewDevice, new_account, new_device, published,
};
use crate::core::settings::PROXY;
use crate::core::store::{KeyStore, SettingStore};
use crate::driver::{SystemEntropy, unix_ms};
use crate::net::connect::ConnectError;
use crate::store::{Database, StoreError};

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
    /// The recovery code is not the one of this account, or there is no such account. Which of them the rendezvous does
    /// not say.
    #[error("the recovery code does not belong to an account of this name; check both and try again")]
    WrongCode,
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

impl From<EnrolError> for CommandError {
    fn from(error: EnrolError) -> Self {
        let kind = match &error {
            EnrolError::AlreadyRegistered { .. }
            | EnrolError::NameTaken
            | EnrolError::Store(StoreError::InUse(_)) => ErrorKind::Conflict,
            EnrolError::WrongCredentials | EnrolError::WrongCode | EnrolError::WrongPin { .. } => {
                ErrorKind::Denied
            }
            EnrolError::Unreachable(_) => ErrorKind::Offline,
            EnrolError::Lost => ErrorKind::TimedOut,
            EnrolError::Refused(refusal) => refused(*refusal).kind,
            EnrolError::Protocol(_) | EnrolError::Keys(_) | EnrolError::Socket(_) | EnrolError::Store(_) => {
                ErrorKind::Failure
            }
        };
        Self::new(kind, error.to_string())
    }
}

/// Where an account is, and how to get there.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// The rendezvous.
    pub invite: &'a Invite,
    /// What to go through, if the network asks for it. A home keeps it as the setting `net.proxy`.
    pub proxy: Option<&'a Proxy>,
}

/// Makes an account called `name`, with this home as its first device, and its `password`, which a further device will
/// need.
///
/// The home is made when it does not exist. If it fails after the rendezvous has made the account, the name is
/// taken and the password right: [`login`] goes on from there.
///
/// # Errors
/// [`EnrolError`]; the home holds no account then.
pub async fn register(
    home: &Path,
    name: &Name,
    way: Way<'_>,
    password: Zeroizing<String>,
) -> Result<Registered, EnrolError> {
    let mut database = empty_home(home).await?;
    let mut talk = Talk::begin(way).await?;
    let (new, message) = NewPassword::start(password)?;
    let start = AccountRequest::RegisterStart { name: name.clone(), opaque_version: VERSION, message };
    let (upload, export_key) = new.finish(challenge(talk.ask(start).await?)?).await?;
    let account = new_account(&device_name(), &export_key, unix_ms() / 1000, &mut SystemEntropy)?;

    let recovery_code = account.recovery.text();
    let finish = AccountRequest::RegisterFinish {
        message: upload,
        certificate: account.certificate,
        entry: account.device.entry.clone(),
        wrapped: account.wrapped,
    };
    let welcome = welcome(talk.ask(finish).await?)?;
    let address = settle(&mut database, &mut talk, account.device, (welcome, way)).await?;
    talk.end().await;
    Ok(Registered { address, recovery_code })
}

/// Adds this home as a further device to the account called `name`. Returns the account's complete address.
///
/// # Errors
/// [`EnrolError`]; the home holds no account then.
pub async fn login(
    home: &Path,
    name: &Name,
    way: Way<'_>,
    password: Zeroizing<String>,
) -> Result<Address, EnrolError> {
    let mut database = empty_home(home).await?;
    let mut talk = Talk::begin(way).await?;
    let login = opaque::login(&mut talk, name, password).await?;
    let device = new_device(&device_name(), &login.keys(), unix_ms() / 1000, &mut SystemEntropy)?;
    let append = AccountRequest::AppendEntry { entry: device.entry.clone() };
    let welcome = welcome(talk.ask(append).await?)?;
    let address = settle(&mut database, &mut talk, device, (welcome, way)).await?;
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

/// Keeps a device that the rendezvous has welcomed, and publishes its prekeys.
async fn settle(
    database: &mut Database,
    talk: &mut Talk,
    mut device: NewDevice,
    (welcome, way): ((Address, DeviceList), Way<'_>),
) -> Result<Address, EnrolError> {
    let prekeys = device.prekeys()?;
    let address = keep(database, device, welcome, way)?;
    // When that fails it is done with the first session.
    if talk.publish(prekeys).await.is_ok() {
        let mut transaction = database.begin()?;
        published(&mut transaction)?;
        transaction.commit()?;
    }
    Ok(address)
}

fn keep(
    database: &mut Database,
    device: NewDevice,
    (address, list): (Address, DeviceList),
    way: Way<'_>,
) -> Result<Address, EnrolError> {
    let mut transaction = database.begin()?;
    if let Some(proxy) = way.proxy {
        transaction.set_setting(PROXY, &proxy.url())?;
    }
    device.keep(&mut transaction, address.clone(), &list, way.invite.clone())?;
    transaction.commit()?;
    Ok(address)
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
