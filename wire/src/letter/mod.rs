//! Letters: what one device says to another, end to end.
//!
//! A letter is sealed with an Olm session for each device it goes to; [`SealedLetter`] is the outside,
//! [`Letter`] the inside. The inside names its kind by number and carries its body as bytes, so that a
//! kind from a newer peer can be kept and shown as such instead of being lost.
//!
//! | module | kinds |
//! | --- | --- |
//! | `text` | words |
//! | `receipt` | how far letters have come |
//! | `offer` | files |
//! | `change` | what changes how an earlier letter is shown: edits, deletions, reactions |
//! | `attachment` | contact cards, places, polls and votes |
//! | `own` | what only the author's own devices are told |

mod attachment;
mod change;
mod language;
mod offer;
mod own;
mod receipt;
mod text;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::bounded::Opaque;
use crate::codec::{DecodeError, EncodeError, Frame, decode, encode};
use crate::device::ListHead;
use crate::ids::LetterId;
use crate::keys::AgreementKey;
use crate::limits::{LETTER_BODY_BYTES_MAX, LETTER_BYTES_MAX};

pub use attachment::{ContactCard, Latitude, Location, Longitude, NotADegree, Poll, Vote};
pub use change::{Delete, Edit, Nudge, Reaction};
pub use language::{Language, NotALanguage};
pub use offer::{EndReason, Offer, OfferEnd};
pub use own::{ChatMarks, OwnSync};
pub use receipt::{Reached, Receipt};
pub use text::{Alternative, TextBody, Words};

/// The outside of a letter: an Olm message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedLetter {
    /// The sender's Olm identity key; must be the one in its device list.
    pub sender: AgreementKey,
    /// Whether it can begin a session.
    pub kind: OlmKind,
    /// The Olm message, as vodozemac encodes it.
    pub message: Opaque<LETTER_BYTES_MAX>,
}

/// The two kinds of Olm message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OlmKind {
    /// Carries the keys that begin a session.
    PreKey,
    /// Belongs to a session that both sides have.
    Normal,
}

impl Frame for SealedLetter {
    const NAME: &'static str = "sealed letter";
    const BYTES_MAX: usize = LETTER_BYTES_MAX;
}

/// The inside of a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The same for all copies; must equal the identifier outside.
    pub id: LetterId,
    /// When it was written, in Unix milliseconds by the author's clock.
    pub at_unix_ms: u64,
    /// The account it was written to. To a device of the author's own account it names the chat that the
    /// letter belongs to.
    pub to: Address,
    /// Head of the author's device list, as the author knows it.
    pub head: ListHead,
    /// What `body` is: see [`LetterBody`].
    pub kind: u16,
    /// An encoded body.
    pub body: Opaque<LETTER_BODY_BYTES_MAX>,
}

impl Frame for Letter {
    const NAME: &'static str = "letter";
    const BYTES_MAX: usize = LETTER_BYTES_MAX;
}

/// Names a letter. Authors choose identifiers, so that one alone may name letters of two people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LetterRef {
    /// Who wrote it.
    pub author: Address,
    /// Which.
    pub id: LetterId,
}

macro_rules! bodies {
    ($($(#[$doc:meta])* $kind:literal $number:ident $variant:ident($type:ty), $name:literal;)*) => {
        /// The numbers of the kinds.
        pub mod kind {
            $(
                #[doc = concat!("The number of: ", $name, ".")]
                pub const $number: u16 = $kind;
            )*
        }

        /// What a letter says.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum LetterBody {
            $($(#[$doc])* $variant($type),)*
            /// A kind this version does not know.
            Unknown {
                /// Its number.
                kind: u16,
            },
        }

        $(impl Frame for $type {
            const NAME: &'static str = $name;
            const BYTES_MAX: usize = LETTER_BODY_BYTES_MAX;
        })*

        impl LetterBody {
            /// The number of the kind and the encoded body.
            ///
            /// # Errors
            /// [`EncodeError`] when the body is over its limit, and for [`LetterBody::Unknown`], which
            /// nobody writes.
            pub fn encode(&self) -> Result<(u16, Vec<u8>), EncodeError> {
                match self {
                    $(Self::$variant(body) => Ok(($kind, encode(body)?)),)*
                    Self::Unknown { .. } => Err(EncodeError { frame: "unknown letter", max: 0 }),
                }
            }

            /// Decodes the body of a kind.
            ///
            /// # Errors
            /// [`DecodeError`] when a kind we know is malformed.
            pub fn decode(kind: u16, body: &[u8]) -> Result<Self, DecodeError> {
                match kind {
                    $($kind => decode(body).map(Self::$variant),)*
                    kind => Ok(Self::Unknown { kind }),
                }
            }
        }
    };
}

bodies! {
    /// Words.
    1 TEXT Text(TextBody), "text letter";
    /// Letters of the recipient's reached this device, or were read.
    2 RECEIPT Receipt(Receipt), "receipt";
    /// Files are offered.
    3 OFFER Offer(Offer), "offer";
    /// An offer, or the transfer that came of it, is over.
    4 OFFER_END OfferEnd(OfferEnd), "offer end";
    /// Other words for an earlier letter.
    5 EDIT Edit(Edit), "edit";
    /// An earlier letter is taken back.
    6 DELETE Delete(Delete), "delete";
    /// What the author feels about a letter.
    7 REACTION Reaction(Reaction), "reaction";
    /// The author wants attention.
    8 NUDGE Nudge(Nudge), "nudge";
    /// Somebody is introduced.
    9 CONTACT_CARD ContactCard(ContactCard), "contact card";
    /// A place.
    10 LOCATION Location(Location), "location";
    /// A question with answers to choose from.
    11 POLL Poll(Poll), "poll";
    /// An answer to a poll.
    12 VOTE Vote(Vote), "vote";
    /// What own devices tell each other.
    13 OWN_SYNC OwnSync(OwnSync), "own sync";
}
