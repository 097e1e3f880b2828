//! Letters: what one device says to another, end to end.
//!
//! A letter is sealed with an Olm session for each device it goes to; [`SealedLetter`] is the outside,
//! [`Letter`] the inside. The inside names its kind by number and carries its body as bytes, so that a
//! kind from a newer peer can be kept and shown as such instead of being lost.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::bounded::{List, Opaque, Text};
use crate::codec::{DecodeError, EncodeError, Frame, decode, encode};
use crate::device::ListHead;
use crate::ids::{LetterId, TransferId};
use crate::keys::AgreementKey;
use crate::limits::{
    LETTER_BODY_BYTES_MAX, LETTER_BYTES_MAX, LETTER_TEXT_BYTES_MAX, OFFER_TEXT_BYTES_MAX,
    RECEIPT_LETTERS_MAX, TRANSFER_NAME_BYTES_MAX,
};

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

/// What a letter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LetterBody {
    /// Kind 1: words.
    Text(TextBody),
    /// Kind 2: letters of the recipient's reached this device, or were read.
    Receipt(Receipt),
    /// Kind 3: files are offered.
    Offer(Offer),
    /// Kind 4: an offer, or the transfer that came of it, is over.
    OfferEnd(OfferEnd),
    /// A kind this version does not know.
    Unknown {
        /// Its number.
        kind: u16,
    },
}

/// Words, in Unicode normalization form C.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextBody {
    /// The words.
    pub text: Text<LETTER_TEXT_BYTES_MAX>,
}

/// How far letters have come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// How far.
    pub reached: Reached,
    /// Which letters.
    pub letters: List<LetterId, RECEIPT_LETTERS_MAX>,
}

/// What a receipt certifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reached {
    /// On the disk of the device that sent the receipt.
    Delivered,
    /// Seen by its user.
    Read,
}

/// Files and folders that the author would send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Names the transfer from now on.
    pub transfer: TransferId,
    /// What to call it: the file's or folder's name, or the first of several.
    pub name: Text<TRANSFER_NAME_BYTES_MAX>,
    /// Entries in the manifest.
    pub entries: u64,
    /// Sum of the files' sizes.
    pub bytes: u64,
    /// [`Manifest digest`](crate::transfer::ManifestHasher) that the manifest must have.
    pub manifest: [u8; 32],
    /// Whether content is sealed with keys of its own inside QUIC.
    pub sealed: bool,
    /// A word about it.
    pub text: Text<OFFER_TEXT_BYTES_MAX>,
}

/// An offer or a transfer is over, by the decision or the misfortune of one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferEnd {
    /// Which.
    pub transfer: TransferId,
    /// Why.
    pub reason: EndReason,
    /// In words, for people; may name a file.
    pub text: Text<OFFER_TEXT_BYTES_MAX>,
}

/// Why an offer or a transfer is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndReason {
    /// The receiver does not want it.
    Rejected,
    /// One side stopped it.
    Cancelled,
    /// One side could not go on.
    Failed,
    /// Another device of the receiver has decided. It ends what is still undecided, and nothing else.
    Decided,
}

macro_rules! bodies {
    ($($kind:literal $variant:ident($type:ty), $name:literal;)*) => {
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
    1 Text(TextBody), "text letter";
    2 Receipt(Receipt), "receipt";
    3 Offer(Offer), "offer";
    4 OfferEnd(OfferEnd), "offer end";
}
