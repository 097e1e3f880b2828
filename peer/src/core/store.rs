//! What the core keeps: traits of domain verbs, called inside the transaction of the present input.

use hobnob_wire::keys::SigningKey;
use hobnob_wire::{Address, DeviceId};

use super::chat::store::ChatStore;
use super::contact::Contact;
pub use super::devices::DeviceStore;
pub use super::history::store::HistoryStore;
use super::keys::Identity;
use super::keys::olm::Pickle;
use super::keys::trust::Pinned;
pub use super::letters::store::{InboxStore, LetterStore, OutboxStore};
use super::transfer::TransferStore;
use super::view::Verification;

/// A store that can fail. Any failure ends the process: memory and disk must not part.
pub trait Fallible {
    /// How it fails.
    type Error: std::error::Error + Send + Sync + 'static;
}

/// A saved Olm session with another device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedSession {
    /// Its name.
    pub id: String,
    /// Its state.
    pub pickle: Pickle,
}

/// Keys and trust.
pub trait KeyStore: Fallible {
    /// Who this device is; `None` before it is enrolled.
    ///
    /// # Errors
    /// The store's.
    fn identity(&mut self) -> Result<Option<Identity>, Self::Error>;

    /// Keeps who this device is, and A when it is the first.
    ///
    /// # Errors
    /// The store's.
    fn set_identity(&mut self, identity: &Identity, root: Option<&SigningKey>) -> Result<(), Self::Error>;

    /// The Olm account; `None` before the device is enrolled.
    ///
    /// # Errors
    /// The store's.
    fn olm_account(&mut self) -> Result<Option<Pickle>, Self::Error>;

    /// Keeps the Olm account.
    ///
    /// # Errors
    /// The store's.
    fn set_olm_account(&mut self, account: &Pickle) -> Result<(), Self::Error>;

    /// Olm sessions with a device, the one to send with first.
    ///
    /// # Errors
    /// The store's.
    fn olm_sessions(&mut self, device: DeviceId) -> Result<Vec<SavedSession>, Self::Error>;

    /// Keeps a session. With `prefer` it becomes the one to send with; the oldest beyond
    /// [`OLM_SESSIONS_MAX`] are forgotten.
    ///
    /// # Errors
    /// The store's.
    fn put_olm_session(
        &mut self,
        device: DeviceId,
        session: &SavedSession,
        prefer: bool,
    ) -> Result<(), Self::Error>;

    /// What is remembered of an account's device list.
    ///
    /// # Errors
    /// The store's.
    fn pin(&mut self, address: &Address) -> Result<Option<Pinned>, Self::Error>;

    /// Why an account is not trusted, if it is not, and how far its identity is known to be the right one.
    ///
    /// # Errors
    /// The store's.
    fn standing(&mut self, address: &Address) -> Result<(Option<String>, Verification), Self::Error>;

    /// Remembers an account's device list. Outlives the contact, so that a changed root is noticed when
    /// it is added again.
    ///
    /// # Errors
    /// The store's.
    fn put_pin(&mut self, address: &Address, pin: &Pinned) -> Result<(), Self::Error>;
}

/// Olm sessions kept per device. Two devices that begin at once have two; more come from losses.
pub const OLM_SESSIONS_MAX: usize = 8;

/// The roster.
pub trait ContactStore: Fallible {
    /// All contacts and pending requests.
    ///
    /// # Errors
    /// The store's.
    fn contacts(&mut self) -> Result<Vec<(Address, Contact)>, Self::Error>;

    /// Adds or changes one.
    ///
    /// # Errors
    /// The store's.
    fn put_contact(&mut self, address: &Address, contact: &Contact) -> Result<(), Self::Error>;

    /// Removes one.
    ///
    /// # Errors
    /// The store's.
    fn remove_contact(&mut self, address: &Address) -> Result<(), Self::Error>;
}

/// Small values by name: settings of the user, and what the engine must remember.
pub trait SettingStore: Fallible {
    /// A value.
    ///
    /// # Errors
    /// The store's.
    fn setting(&mut self, key: &str) -> Result<Option<String>, Self::Error>;

    /// Keeps a value.
    ///
    /// # Errors
    /// The store's.
    fn set_setting(&mut self, key: &str, value: &str) -> Result<(), Self::Error>;
}

/// All that the engine keeps.
pub trait Store:
    KeyStore
    + DeviceStore
    + ContactStore
    + SettingStore
    + LetterStore
    + HistoryStore
    + OutboxStore
    + InboxStore
    + ChatStore
    + TransferStore
{
}

impl<T> Store for T where
    T: KeyStore
        + DeviceStore
        + ContactStore
        + SettingStore
        + LetterStore
        + HistoryStore
        + OutboxStore
        + InboxStore
        + ChatStore
        + TransferStore
{
}
