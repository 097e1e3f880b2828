//! What is kept of letters.

use hobnob_wire::mailbox::Sealed;
use hobnob_wire::{Address, DeviceId, LetterId};

use crate::core::store::Fallible;
use crate::core::view::LetterState;

/// A letter, written here or elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLetter {
    /// The same on all devices.
    pub id: LetterId,
    /// Who wrote it.
    pub author: Address,
    /// To whom.
    pub to: Address,
    /// Whom the chat is with.
    pub chat: Address,
    /// When it was written, by the author's clock, in Unix milliseconds.
    pub at_unix_ms: u64,
    /// When it came to this device, or was written on it, in Unix milliseconds.
    pub received_unix_ms: u64,
    /// Number of its kind.
    pub kind: u16,
    /// Encoded body; empty when its author took it back or its time is over.
    pub body: Vec<u8>,
    /// The first letter of the thread that it belongs to.
    pub thread: Option<LetterId>,
    /// When it disappears.
    pub expires: Option<Expires>,
    /// How far it is; for letters of ours that have copies, the copies say.
    pub state: LetterState,
    /// Why it failed.
    pub error: Option<String>,
}

/// When a letter disappears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expires {
    /// So many seconds after the user has read it.
    AfterReading {
        /// How many.
        seconds: u32,
    },
    /// At a time of this device's clock.
    At {
        /// Unix milliseconds.
        unix_ms: u64,
    },
}

impl Expires {
    /// For a letter that disappears after so many seconds: counted from now, or not before it is read.
    #[must_use]
    pub const fn begin(seconds: u32, counts: bool, now_unix_ms: u64) -> Self {
        if counts {
            Self::At { unix_ms: now_unix_ms.saturating_add(seconds as u64 * 1_000) }
        } else {
            Self::AfterReading { seconds }
        }
    }
}

/// History.
pub trait LetterStore: Fallible {
    /// Keeps a letter at the end of its chat; a letter that is there already is left as it is.
    ///
    /// # Errors
    /// The store's.
    fn add_letter(&mut self, letter: &StoredLetter) -> Result<(), Self::Error>;

    /// The letter of this author.
    ///
    /// # Errors
    /// The store's.
    fn letter(&mut self, author: &Address, id: LetterId) -> Result<Option<StoredLetter>, Self::Error>;

    /// The letter, whoever wrote it: the one that was here first.
    ///
    /// # Errors
    /// The store's.
    fn any_letter(&mut self, id: LetterId) -> Result<Option<StoredLetter>, Self::Error>;

    /// Letters that are shown, that somebody else wrote in a chat and the user has not read, oldest first, at
    /// most `limit`.
    ///
    /// # Errors
    /// The store's.
    fn unread(&mut self, chat: &Address, limit: usize) -> Result<Vec<LetterId>, Self::Error>;

    /// Sets how far a letter is, and why it failed.
    ///
    /// # Errors
    /// The store's.
    fn set_letter_state(
        &mut self,
        author: &Address,
        id: LetterId,
        state: LetterState,
        error: Option<&str>,
    ) -> Result<(), Self::Error>;

    /// Removes a letter and its copies.
    ///
    /// # Errors
    /// The store's.
    fn remove_letter(&mut self, author: &Address, id: LetterId) -> Result<(), Self::Error>;
}

/// One copy of a letter of ours: for one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The letter.
    pub letter: LetterId,
    /// Whose device.
    pub address: Address,
    /// Which device.
    pub device: DeviceId,
    /// How far it is.
    pub state: LetterState,
    /// The Olm session that it was sealed in.
    pub session: Option<String>,
}

/// Copies on their way.
pub trait OutboxStore: Fallible {
    /// Adds copies, which wait to be sealed, after all others.
    ///
    /// # Errors
    /// The store's.
    fn add_copies(
        &mut self,
        letter: LetterId,
        address: &Address,
        devices: &[DeviceId],
    ) -> Result<(), Self::Error>;

    /// Notes that a letter waits for the devices of an account to become known.
    ///
    /// # Errors
    /// The store's.
    fn add_unaddressed(&mut self, letter: LetterId, address: &Address) -> Result<(), Self::Error>;

    /// Takes the letters that wait for an account's devices, oldest first.
    ///
    /// # Errors
    /// The store's.
    fn take_unaddressed(&mut self, address: &Address) -> Result<Vec<LetterId>, Self::Error>;

    /// Accounts whose devices some letter waits for.
    ///
    /// # Errors
    /// The store's.
    fn unaddressed(&mut self) -> Result<Vec<Address>, Self::Error>;

    /// Devices for which copies wait to be sealed, the longest waiting first.
    ///
    /// # Errors
    /// The store's.
    fn unsealed_devices(&mut self) -> Result<Vec<(Address, DeviceId)>, Self::Error>;

    /// Letters whose copies for a device wait to be sealed, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The store's.
    fn unsealed(&mut self, device: DeviceId, limit: usize) -> Result<Vec<LetterId>, Self::Error>;

    /// Copies sealed in an Olm session that are not known to be on the device.
    ///
    /// # Errors
    /// The store's.
    fn unacknowledged(&mut self, device: DeviceId, session: &str) -> Result<usize, Self::Error>;

    /// Keeps the ciphertext of a copy.
    ///
    /// # Errors
    /// The store's.
    fn seal_copy(
        &mut self,
        letter: LetterId,
        device: DeviceId,
        session: &str,
        sealed: &Sealed,
    ) -> Result<(), Self::Error>;

    /// Letters with a copy for a device that is not known to be there.
    ///
    /// # Errors
    /// The store's.
    fn waiting_for(&mut self, device: DeviceId) -> Result<Vec<LetterId>, Self::Error>;

    /// Sealed copies that are neither in a mailbox nor on their device, oldest first.
    ///
    /// # Errors
    /// The store's.
    fn unsent(&mut self) -> Result<Vec<Copy>, Self::Error>;

    /// The ciphertext of a copy, while it may still be needed.
    ///
    /// # Errors
    /// The store's.
    fn sealed(&mut self, letter: LetterId, device: DeviceId) -> Result<Option<Sealed>, Self::Error>;

    /// A copy.
    ///
    /// # Errors
    /// The store's.
    fn copy(&mut self, letter: LetterId, device: DeviceId) -> Result<Option<Copy>, Self::Error>;

    /// All copies of a letter, in the order they were added.
    ///
    /// # Errors
    /// The store's.
    fn copies(&mut self, letter: LetterId) -> Result<Vec<Copy>, Self::Error>;

    /// Sets how far a copy is; its ciphertext is dropped, because it is needed only while queued.
    ///
    /// # Errors
    /// The store's.
    fn set_copy_state(
        &mut self,
        letter: LetterId,
        device: DeviceId,
        state: LetterState,
    ) -> Result<(), Self::Error>;
}

/// Why a sealed letter waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// For its author's device list, or until the list can be trusted.
    ForDevices,
    /// For good: it cannot be opened. Kept, reported once.
    Unopened,
}

/// A sealed letter as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Whose device sent it.
    pub from: Address,
    /// Which device.
    pub device: DeviceId,
    /// The letter.
    pub letter: LetterId,
    /// The copy for this device.
    pub sealed: Sealed,
    /// Whether it came by the mailbox, so that its author waits for a receipt.
    pub by_mailbox: bool,
}

/// Letters that came in.
pub trait InboxStore: Fallible {
    /// Whether a letter of this author is here.
    ///
    /// # Errors
    /// The store's.
    fn seen(&mut self, author: &Address, id: LetterId) -> Result<bool, Self::Error>;

    /// Notes that a letter is here; the oldest notes of the author beyond [`SEEN_LETTERS_MAX`] go.
    ///
    /// # Errors
    /// The store's.
    fn mark_seen(&mut self, author: &Address, id: LetterId) -> Result<(), Self::Error>;

    /// Keeps a sealed letter; the author's oldest beyond [`PARKED_LETTERS_MAX`] go.
    ///
    /// # Errors
    /// The store's.
    fn park(&mut self, incoming: &Incoming, reason: Parked) -> Result<(), Self::Error>;

    /// Takes the letters that wait for an author's device list, in the order they came.
    ///
    /// # Errors
    /// The store's.
    fn take_parked(&mut self, author: &Address) -> Result<Vec<Incoming>, Self::Error>;

    /// Accounts whose device list some letter waits for.
    ///
    /// # Errors
    /// The store's.
    fn parked(&mut self) -> Result<Vec<Address>, Self::Error>;

    /// Notes that an author waits to hear that a letter is here.
    ///
    /// # Errors
    /// The store's.
    fn owe_receipt(&mut self, author: &Address, letter: LetterId) -> Result<(), Self::Error>;

    /// Takes receipts owed to one author, at most `limit`.
    ///
    /// # Errors
    /// The store's.
    fn take_owed(&mut self, limit: usize) -> Result<Option<(Address, Vec<LetterId>)>, Self::Error>;
}

/// Letters of one author that are remembered as seen. A letter comes twice only when both routes carry it
/// within seconds, or when an acknowledgement was lost.
pub const SEEN_LETTERS_MAX: usize = 4_096;
/// Sealed letters of one author that are kept although they cannot be opened, or not yet.
pub const PARKED_LETTERS_MAX: usize = 1_000;
