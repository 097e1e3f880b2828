//! What the devices of one account tell each other. From anybody else it means nothing.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::bounded::{List, Text};
use crate::ids::LetterId;
use crate::limits::{LETTER_TEXT_BYTES_MAX, RECEIPT_LETTERS_MAX, SOUND_BYTES_MAX};

/// Kind 13: something that the user did on one device and that holds on all. Of two about the same thing the
/// later counts, as with changes of letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnSync {
    /// What the user has begun to write.
    Draft {
        /// With whom.
        chat: Address,
        /// The words; empty when there are none any more.
        text: Text<LETTER_TEXT_BYTES_MAX>,
    },
    /// The user has read letters.
    Read {
        /// With whom.
        chat: Address,
        /// Letters of the other side.
        letters: List<LetterId, RECEIPT_LETTERS_MAX>,
    },
    /// What the user wants of a chat.
    Marks {
        /// With whom.
        chat: Address,
        /// All of it.
        marks: ChatMarks,
    },
}

/// What a user wants of a chat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMarks {
    /// It is to be looked at again, although everything has been read.
    pub unread: bool,
    /// The other side is not told when the user writes.
    pub hides_typing: bool,
    /// Nudges of the other side are dropped.
    pub mutes_nudges: bool,
    /// What is played when a letter comes; as in general when empty.
    pub sound: Text<SOUND_BYTES_MAX>,
}
