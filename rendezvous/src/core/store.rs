//! What must last, as verbs of the domain. The core calls them inside a transaction that the shell opens
//! and commits.

use std::error::Error;

use hobnob_wire::account::WrappedKey;
use hobnob_wire::contact::ContactText;
use hobnob_wire::device::{DeviceList, ListHead};
use hobnob_wire::keys::VerifyKey;
use hobnob_wire::mailbox::{Delivery, Prekey};
use hobnob_wire::presence::PresenceSet;
use hobnob_wire::{Address, DeviceId, LetterId, Name};
use thiserror::Error;

use super::contact::Standing;

/// An account, as the store numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);

/// The store cannot be relied on any more; the process must end without acknowledging anything further.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database refused, typically because the disk is full or broken.
    #[error("the store failed: {0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// A stored value is not what was written.
    #[error("the store is damaged: `{what}` cannot be read")]
    Damaged {
        /// Which value.
        what: &'static str,
    },
}

/// What a verb of the store gives back.
pub type Stored<T> = Result<T, StoreError>;

/// An account that is about to be.
#[derive(Debug)]
pub struct NewAccount<'a> {
    /// Its name; nobody has it.
    pub name: &'a Name,
    /// The OPAQUE registration record.
    pub registration: &'a [u8],
    /// S, sealed for the owner's later devices.
    pub wrapped: &'a WrappedKey,
    /// The device list with its first device.
    pub list: &'a DeviceList,
    /// The head of that list.
    pub head: ListHead,
    /// Now, in Unix seconds.
    pub created_at_unix_s: u64,
}

/// What a login is checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Whose.
    pub account: AccountId,
    /// The OPAQUE registration record.
    pub registration: Vec<u8>,
    /// S, sealed.
    pub wrapped: WrappedKey,
}

/// A device in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// Whose.
    pub account: AccountId,
    /// D, by which it proves itself.
    pub signing: VerifyKey,
}

/// One side of two accounts' relation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Where they stand, seen from the owner.
    pub standing: Standing,
    /// The last words of the other side.
    pub heard: ContactText,
    /// The owner's words to a name that nobody has yet.
    pub said: ContactText,
}

/// A contact that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedContact {
    /// Who.
    pub peer: Name,
    /// How it stands now.
    pub contact: Contact,
    /// The roster version of that change.
    pub version: u64,
}

/// How many entries a roster has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RosterSize {
    /// Contacts and requests, either way.
    pub contacts: u32,
    /// Requests that wait for the owner.
    pub requests_in: u32,
}

/// Who of an account's contacts is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circle {
    /// Those who see the account.
    Watchers,
    /// Those whom the account sees.
    Watched,
    /// Both.
    Contacts,
}

/// What waits in one mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailboxSize {
    /// Letters.
    pub letters: u64,
    /// Bytes of their sealed content.
    pub bytes: u64,
}

/// A letter on its way into a mailbox.
#[derive(Clone, Copy, Debug)]
pub struct NewLetter<'a> {
    /// Who sends it.
    pub from: &'a Address,
    /// From which device.
    pub from_device: DeviceId,
    /// Its identifier.
    pub letter: LetterId,
    /// The copy.
    pub sealed: &'a [u8],
    /// Now, in Unix seconds.
    pub deposited_at_unix_s: u64,
}

/// How much of a mailbox to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// At most so many letters.
    pub letters: usize,
    /// Stop once so many bytes are read; at least one letter is read if there is one.
    pub bytes: usize,
}

/// Accounts, devices and what they show.
pub trait AccountStore {
    /// The account with this name.
    ///
    /// # Errors
    /// [`StoreError`], as every verb here.
    fn account(&mut self, name: &Name) -> Stored<Option<AccountId>>;
    /// How many accounts there are.
    ///
    /// # Errors
    /// [`StoreError`].
    fn account_count(&mut self) -> Stored<u64>;
    /// Makes an account, without devices in use.
    ///
    /// # Errors
    /// [`StoreError`].
    fn create_account(&mut self, new: &NewAccount<'_>) -> Stored<AccountId>;
    /// What a login under this name is checked against.
    ///
    /// # Errors
    /// [`StoreError`].
    fn credentials(&mut self, name: &Name) -> Stored<Option<Credentials>>;
    /// The device list of an account.
    ///
    /// # Errors
    /// [`StoreError`].
    fn device_list(&mut self, account: AccountId) -> Stored<DeviceList>;
    /// Replaces the device list and its head.
    ///
    /// # Errors
    /// [`StoreError`].
    fn set_device_list(&mut self, account: AccountId, list: &DeviceList, head: ListHead) -> Stored<()>;
    /// A device in use, whoever's.
    ///
    /// # Errors
    /// [`StoreError`].
    fn device(&mut self, device: DeviceId) -> Stored<Option<KnownDevice>>;
    /// Puts a device in use, with an empty mailbox.
    ///
    /// # Errors
    /// [`StoreError`].
    fn add_device(&mut self, device: DeviceId, known: KnownDevice) -> Stored<()>;
    /// Notes that a session of a device began or ended.
    ///
    /// # Errors
    /// [`StoreError`].
    fn note_seen(&mut self, device: DeviceId, at_unix_s: u64) -> Stored<()>;
    /// When a session of each device of an account last began or ended, in Unix seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    fn seen(&mut self, account: AccountId) -> Stored<Vec<(DeviceId, u64)>>;
    /// Replaces what a login is checked against: the OPAQUE registration record, and S sealed for who knows the password.
    ///
    /// # Errors
    /// [`StoreError`].
    fn set_credentials(
        &mut self,
        account: AccountId,
        registration: &[u8],
        wrapped: &WrappedKey,
    ) -> Stored<()>;
    /// Ends the use of a device; its mailbox and prekeys are gone.
    ///
    /// # Errors
    /// [`StoreError`].
    fn remove_device(&mut self, device: DeviceId) -> Stored<()>;
    /// What an account last wished to show.
    ///
    /// # Errors
    /// [`StoreError`].
    fn presence(&mut self, account: AccountId) -> Stored<PresenceSet>;
    /// Remembers what an account wishes to show.
    ///
    /// # Errors
    /// [`StoreError`].
    fn set_presence(&mut self, account: AccountId, set: &PresenceSet) -> Stored<()>;
}

/// Rosters.
pub trait ContactStore {
    /// One side of a relation; `None` when there never was one.
    ///
    /// # Errors
    /// [`StoreError`].
    fn contact(&mut self, owner: AccountId, peer: &Name) -> Stored<Option<Contact>>;
    /// Writes one side of a relation and gives back the new version of the owner's roster. An entry that stands at nothing is a
    /// tombstone; of those the newest thousand are kept.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put_contact(&mut self, owner: AccountId, peer: &Name, contact: &Contact) -> Stored<u64>;
    /// Entries that changed after `version`, tombstones too, oldest change first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn contacts_since(&mut self, owner: AccountId, version: u64) -> Stored<Vec<ChangedContact>>;
    /// The version of a roster.
    ///
    /// # Errors
    /// [`StoreError`].
    fn roster_version(&mut self, owner: AccountId) -> Stored<u64>;
    /// How many entries a roster has, tombstones aside.
    ///
    /// # Errors
    /// [`StoreError`].
    fn roster_size(&mut self, owner: AccountId) -> Stored<RosterSize>;
    /// Accounts around this one.
    ///
    /// # Errors
    /// [`StoreError`].
    fn circle(&mut self, owner: AccountId, circle: Circle) -> Stored<Vec<(AccountId, Name)>>;
    /// Accounts whose request to `peer` waits, with their words; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn askers(&mut self, peer: &Name, limit: u32) -> Stored<Vec<(Name, ContactText)>>;
    /// Notes in the rosters of all contacts of `peer` that its device list changed.
    ///
    /// # Errors
    /// [`StoreError`].
    fn note_devices_changed(&mut self, peer: &Name) -> Stored<()>;
    /// Contacts whose device list changed after `version`, with its head now.
    ///
    /// # Errors
    /// [`StoreError`].
    fn devices_changed_since(&mut self, owner: AccountId, version: u64) -> Stored<Vec<(Name, ListHead)>>;
}

/// Mailboxes and prekeys.
pub trait MailboxStore {
    /// What waits for a device.
    ///
    /// # Errors
    /// [`StoreError`].
    fn mailbox_size(&mut self, device: DeviceId) -> Stored<MailboxSize>;
    /// Whether this letter from this sender waits already.
    ///
    /// # Errors
    /// [`StoreError`].
    fn holds_letter(&mut self, device: DeviceId, letter: LetterId, from_device: DeviceId) -> Stored<bool>;
    /// Appends a letter and gives back its place. Places are never used twice.
    ///
    /// # Errors
    /// [`StoreError`].
    fn append_letter(&mut self, device: DeviceId, new: &NewLetter<'_>) -> Stored<u64>;
    /// Letters after a place, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    fn letters_after(&mut self, device: DeviceId, seq: u64, page: Page) -> Stored<Vec<Delivery>>;
    /// Deletes all letters up to and including a place.
    ///
    /// # Errors
    /// [`StoreError`].
    fn delete_letters(&mut self, device: DeviceId, up_to: u64) -> Stored<()>;
    /// Replaces the fallback prekey and adds one-time ones, of which the newest `keep` remain.
    ///
    /// # Errors
    /// [`StoreError`].
    fn add_prekeys(
        &mut self,
        device: DeviceId,
        fallback: &Prekey,
        one_time: &[Prekey],
        keep: u16,
    ) -> Stored<()>;
    /// Takes the oldest one-time prekey, or copies the fallback.
    ///
    /// # Errors
    /// [`StoreError`].
    fn claim_prekey(&mut self, device: DeviceId) -> Stored<Option<Prekey>>;
    /// One-time prekeys that are left.
    ///
    /// # Errors
    /// [`StoreError`].
    fn prekeys_left(&mut self, device: DeviceId) -> Stored<u16>;
}

/// Everything that must last.
pub trait Store: AccountStore + ContactStore + MailboxStore {}

impl<T: AccountStore + ContactStore + MailboxStore> Store for T {}
