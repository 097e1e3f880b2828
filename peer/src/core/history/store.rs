//! What is asked of the store about history.

use hobnob_wire::{Address, LetterId};

use super::query::Query;
use crate::core::letters::store::StoredLetter;
use crate::core::store::Fallible;

/// Where a letter stands among all that are here, in the order in which they came. Letters that were brought
/// from elsewhere stand before all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub i64);

/// Which letters of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The newest.
    Newest,
    /// Those right before a letter.
    Before(LetterId),
    /// Those right after a letter.
    After(LetterId),
    /// A letter, with as many on each side.
    Around(LetterId),
    /// The first that is as young as this, in Unix milliseconds by its author's clock, and those after it.
    Since(u64),
}

/// What is to be forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgetting {
    /// Of which chat; of all when absent.
    pub chat: Option<Address>,
    /// Only what was written before this, in Unix milliseconds by its author's clock.
    pub before: Option<u64>,
}

/// History beyond what letters need while they are on their way.
pub trait HistoryStore: Fallible {
    /// Letters that a query finds, newest first, at most `limit`, only those that stand before `before`.
    ///
    /// # Errors
    /// The store's.
    fn search(
        &mut self,
        query: &Query,
        before: Option<Place>,
        limit: u32,
    ) -> Result<Vec<(Place, StoredLetter)>, Self::Error>;

    /// Shown letters of a chat, oldest first; `None` when the letter that the page names is not there.
    ///
    /// # Errors
    /// The store's.
    fn page(
        &mut self,
        chat: &Address,
        page: Page,
        limit: u32,
    ) -> Result<Option<Vec<StoredLetter>>, Self::Error>;

    /// Chats that hold letters that are shown, and how many.
    ///
    /// # Errors
    /// The store's.
    fn holdings(&mut self) -> Result<Vec<(Address, u64)>, Self::Error>;

    /// Forgets letters, the oldest first, at most `limit`; returns how many. Letters of ours that have not
    /// left this device stay.
    ///
    /// # Errors
    /// The store's.
    fn forget(&mut self, what: &Forgetting, limit: u32) -> Result<u32, Self::Error>;

    /// How many letters [`HistoryStore::forget`] would forget.
    ///
    /// # Errors
    /// The store's.
    fn forgettable(&mut self, what: &Forgetting) -> Result<u64, Self::Error>;

    /// Letters that are to be carried elsewhere, of one chat or all, newest first, at most `limit`, only those
    /// that stand before `before`: all that are shown, but for those that were taken back or disappear.
    ///
    /// # Errors
    /// The store's.
    fn records(
        &mut self,
        chat: Option<&Address>,
        before: Option<Place>,
        limit: u32,
    ) -> Result<Vec<(Place, StoredLetter)>, Self::Error>;

    /// Puts a letter before all others, unless it is here already; says whether it was put there.
    ///
    /// # Errors
    /// The store's.
    fn put_first(&mut self, letter: &StoredLetter) -> Result<bool, Self::Error>;
}
