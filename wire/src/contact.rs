//! Contacts as the rendezvous keeps them: who may see whom.
//!
//! Subscription states are those of XMPP (RFC 6121 §3): `to` means I see them, `from` means they see me.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::bounded::Text;
use crate::limits::CONTACT_TEXT_BYTES_MAX;

/// Personal text that goes with a request or a removal. The rendezvous can read it.
pub type ContactText = Text<CONTACT_TEXT_BYTES_MAX>;

/// Who sees whose presence, and may send letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Subscription {
    /// Neither.
    #[default]
    None,
    /// I see them.
    To,
    /// They see me.
    From,
    /// Both.
    Both,
}

/// A request that has not been answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Pending {
    /// There is none.
    #[default]
    None,
    /// Mine waits for their answer.
    Out,
    /// Theirs waits for mine.
    In,
}

/// What a peer asks about contacts. Answer: [`Answer::Done`](crate::session::Answer::Done).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContactRequest {
    /// Asks to become contacts. Answered alike whether the account exists or not.
    Ask {
        /// Whom.
        address: Address,
        /// Why.
        text: ContactText,
    },
    /// Accepts a request.
    Accept {
        /// Whose.
        address: Address,
        /// Whether to see them too.
        mutual: bool,
    },
    /// Rejects a request; the asker is not told.
    Reject {
        /// Whose.
        address: Address,
    },
    /// Removes a contact on both sides, or takes back a request.
    Remove {
        /// Whom.
        address: Address,
        /// A last word.
        text: ContactText,
    },
}

/// One contact as it stands now, pushed when it changes and, for all that changed meanwhile, after
/// authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactChange {
    /// Version of the roster that this change makes; the peer repeats it in
    /// [`ClientFrame::Resume`](crate::session::ClientFrame::Resume).
    pub version: u64,
    /// The contact.
    pub address: Address,
    /// Who sees whom now.
    pub subscription: Subscription,
    /// What waits for an answer.
    pub pending: Pending,
    /// The text that came with the request or the removal, from the other side.
    pub text: ContactText,
}
