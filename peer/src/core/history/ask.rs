//! What users and programs ask about history.

use hobnob_wire::Address;

use super::record::Record;
use super::store::{Forgetting, Page, Place};

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Letters of one chat. Answer: [`Reply::Letters`](crate::core::command::Reply::Letters), oldest first.
    Page {
        /// With whom.
        with: Address,
        /// Which.
        page: Page,
        /// At most so many.
        limit: u32,
    },
    /// Looks for letters. Answer: [`Reply::Found`](crate::core::command::Reply::Found), newest first.
    Search {
        /// What was typed; see [`query`](super::query).
        query: String,
        /// Only letters that stand before this place.
        before: Option<Place>,
        /// At most so many.
        limit: u32,
    },
    /// How much each chat holds. Answer: [`Reply::Holdings`](crate::core::command::Reply::Holdings).
    Holdings,
    /// Forgets letters for good, some at a time. Answer: [`Reply::Forgotten`](crate::core::command::Reply::Forgotten).
    Forget {
        /// Which.
        what: Forgetting,
        /// Whether only to count them.
        dry: bool,
    },
    /// Letters to be carried elsewhere. Answer: [`Reply::Records`](crate::core::command::Reply::Records), newest first.
    Records {
        /// Of which chat; of all when absent.
        chat: Option<Address>,
        /// Only letters that stand before this place.
        before: Option<Place>,
        /// At most so many.
        limit: u32,
    },
    /// Takes letters that were brought from elsewhere, newest first. Answer:
    /// [`Reply::Imported`](crate::core::command::Reply::Imported).
    Import {
        /// The letters.
        records: Vec<Record>,
    },
}
