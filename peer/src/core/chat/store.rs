//! What is kept of chats beside their letters.

use hobnob_wire::letter::{ChatMarks, LetterRef};
use hobnob_wire::{Address, LetterId};

use super::change::{Change, Slot, Stamp};
use crate::core::letters::store::StoredLetter;
use crate::core::store::Fallible;

/// Changes of one chat that are kept although their letters are not here: those that came first. The oldest go.
pub const EARLY_CHANGES_MAX: usize = 1_000;
/// Letters of one chat whose kinds this version does not know. The oldest go.
pub const UNKNOWN_LETTERS_MAX: usize = 1_000;
/// Letters that wait to be sent later.
pub const SCHEDULED_MAX: usize = 1_000;

/// What the user has begun to write in a chat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The words; none when empty.
    pub text: String,
    /// When they were written; the latest of all devices counts.
    pub stamp: Stamp,
    /// Whether the other own devices have not been told.
    pub untold: bool,
}

/// What is kept of a chat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatRecord {
    /// What the user has begun to write.
    pub draft: Draft,
    /// What the user wants of it.
    pub marks: ChatMarks,
    /// When that was said; the latest of all devices counts.
    pub marked: Stamp,
}

/// A letter that is sent later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The letter that it will be.
    pub id: LetterId,
    /// To whom.
    pub to: Address,
    /// When, in Unix milliseconds by this device's clock.
    pub due_unix_ms: u64,
    /// Number of its kind.
    pub kind: u16,
    /// Encoded body.
    pub body: Vec<u8>,
}

/// Chats.
pub trait ChatStore: Fallible {
    /// What is held at a place.
    ///
    /// # Errors
    /// The store's.
    fn change(&mut self, slot: &Slot) -> Result<Option<Change>, Self::Error>;

    /// Holds a change at its place. With `early` its letter is not here; of those the chat's oldest beyond
    /// [`EARLY_CHANGES_MAX`] go.
    ///
    /// # Errors
    /// The store's.
    fn put_change(&mut self, change: &Change, early: bool) -> Result<(), Self::Error>;

    /// All that is held about a letter.
    ///
    /// # Errors
    /// The store's.
    fn changes(&mut self, chat: &Address, letter: &LetterRef) -> Result<Vec<Change>, Self::Error>;

    /// A letter is here now: what was held about it is no longer early.
    ///
    /// # Errors
    /// The store's.
    fn settle_changes(&mut self, chat: &Address, letter: &LetterRef) -> Result<(), Self::Error>;

    /// Forgets what is held about a letter, but for a change of kind `but`.
    ///
    /// # Errors
    /// The store's.
    fn forget_changes(&mut self, chat: &Address, letter: &LetterRef, but: u16) -> Result<(), Self::Error>;

    /// Overwrites what a letter says, so that no file of the store holds a word of it after the commit, and takes back
    /// its copies that have not been sealed. With `shown` its place stays visible.
    ///
    /// # Errors
    /// The store's.
    fn erase(&mut self, letter: &LetterRef, shown: bool) -> Result<(), Self::Error>;

    /// Letters of `kind` to a chat that are on their way and not shown.
    ///
    /// # Errors
    /// The store's.
    fn on_their_way(&mut self, chat: &Address, kind: u16) -> Result<Vec<StoredLetter>, Self::Error>;

    /// Letters of a chat whose kinds are unknown: the oldest beyond [`UNKNOWN_LETTERS_MAX`] go.
    ///
    /// # Errors
    /// The store's.
    fn prune_unknown(&mut self, chat: &Address) -> Result<(), Self::Error>;

    /// Marks a letter of somebody else as read, and begins to count when it disappears. Whether it was unread.
    ///
    /// # Errors
    /// The store's.
    fn read(&mut self, letter: &LetterRef, now_unix_ms: u64) -> Result<bool, Self::Error>;

    /// Letters of a chat that nobody has read, at most `limit`.
    ///
    /// # Errors
    /// The store's.
    fn unread_count(&mut self, chat: &Address, limit: u32) -> Result<u32, Self::Error>;

    /// The newest letter of a chat that is shown.
    ///
    /// # Errors
    /// The store's.
    fn last_letter(&mut self, chat: &Address) -> Result<Option<StoredLetter>, Self::Error>;

    /// The first letter of a thread and those that belong to it, oldest first, at most `limit`, the newest.
    ///
    /// # Errors
    /// The store's.
    fn thread(
        &mut self,
        chat: &Address,
        first: LetterId,
        limit: u32,
    ) -> Result<Vec<StoredLetter>, Self::Error>;

    /// Chats in which something was written or begun.
    ///
    /// # Errors
    /// The store's.
    fn chats(&mut self) -> Result<Vec<Address>, Self::Error>;

    /// What is kept of a chat.
    ///
    /// # Errors
    /// The store's.
    fn chat(&mut self, chat: &Address) -> Result<ChatRecord, Self::Error>;

    /// Keeps what is kept of a chat.
    ///
    /// # Errors
    /// The store's.
    fn put_chat(&mut self, chat: &Address, record: &ChatRecord) -> Result<(), Self::Error>;

    /// Chats with drafts that the other own devices do not know.
    ///
    /// # Errors
    /// The store's.
    fn untold_drafts(&mut self) -> Result<Vec<Address>, Self::Error>;

    /// Keeps a letter for later, or changes it.
    ///
    /// # Errors
    /// The store's.
    fn put_scheduled(&mut self, letter: &Scheduled) -> Result<(), Self::Error>;

    /// Letters that wait for their time, the next first.
    ///
    /// # Errors
    /// The store's.
    fn scheduled(&mut self) -> Result<Vec<Scheduled>, Self::Error>;

    /// Forgets a letter that waits. Whether there was one.
    ///
    /// # Errors
    /// The store's.
    fn remove_scheduled(&mut self, id: LetterId) -> Result<bool, Self::Error>;

    /// Letters whose time is over, at most `limit`.
    ///
    /// # Errors
    /// The store's.
    fn expired(&mut self, now_unix_ms: u64, limit: usize) -> Result<Vec<StoredLetter>, Self::Error>;

    /// When the next letter is to be sent or disappears, in Unix milliseconds.
    ///
    /// # Errors
    /// The store's.
    fn next_due(&mut self) -> Result<Option<u64>, Self::Error>;
}
