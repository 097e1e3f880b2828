//! Files.

use serde::{Deserialize, Serialize};

use crate::bounded::Text;
use crate::ids::TransferId;
use crate::limits::{OFFER_TEXT_BYTES_MAX, TRANSFER_NAME_BYTES_MAX};
use crate::swarm::Swarm;

/// Kind 3: files and folders that the author would send.
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
    /// Who else it is offered to, when it goes to several people.
    pub swarm: Option<Swarm>,
}

/// Kind 4: an offer or a transfer is over, by the decision or the misfortune of one side.
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
    /// It is over and did not come through: the receiver asks for another offer of the same.
    Again,
}
