//! What happens, as users and programs are told: one ordered stream.

use hobnob_wire::{Address, DeviceId, LetterId};
use serde::{Deserialize, Serialize};

use super::chat::view::LetterChange;
use super::view::{
    ChatView, ContactView, LetterState, LetterView, LinkView, NoticeView, PathView, SessionState,
    TransferView, as_text,
};

/// Something happened and is on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The session came up or went down.
    Session {
        /// Which.
        session: SessionState,
        /// Why it is down.
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    /// A contact changed: subscription, request, presence, path, or warning.
    Contact(ContactView),
    /// A contact is gone from the roster.
    ContactRemoved {
        /// Whom.
        address: Address,
        /// The other side's last word.
        text: String,
    },
    /// A letter was received, or written on this or another own device.
    Letter(Box<LetterView>),
    /// Something came of a letter: an edit, a deletion, a reaction, a vote.
    LetterChanged {
        /// What.
        what: LetterChange,
        /// The letter as it is now.
        letter: Box<LetterView>,
    },
    /// A letter is gone: its time was over.
    LetterGone {
        /// The letter.
        #[serde(with = "as_text")]
        id: LetterId,
        /// Its author.
        from: Address,
        /// The chat that it was in.
        chat: Address,
    },
    /// A chat changed: what is unread, its draft, what the user wants of it.
    Chat(ChatView),
    /// A letter of ours has come further on one device.
    LetterState {
        /// The letter.
        #[serde(with = "as_text")]
        id: LetterId,
        /// To whom.
        to: Address,
        /// On which device.
        #[serde(with = "as_text")]
        device: DeviceId,
        /// How far.
        state: LetterState,
    },
    /// A contact is, or is no longer, writing.
    Typing {
        /// Who.
        address: Address,
        /// Which.
        active: bool,
    },
    /// A transfer changed. Progress comes at most four times a second.
    Transfer(TransferView),
    /// A link came up.
    LinkUp(LinkView),
    /// A link that is up runs over another path now.
    Path(PathView),
    /// A link went down.
    LinkDown {
        /// The contact.
        address: Address,
        /// The contact's device.
        #[serde(with = "as_text")]
        device: DeviceId,
        /// Why, in words.
        reason: String,
    },
    /// Another device of the account has joined, or is used at a new place. Whoever does not know it revokes it.
    OtherLocation(NoticeView),
    /// Something the user must know and decide: a device list that cannot be trusted.
    Warning {
        /// About whom.
        address: Address,
        /// What happened, and what to do.
        text: String,
    },
}
