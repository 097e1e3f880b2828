//! Mailboxes: sealed letters that wait at the rendezvous, one mailbox per device.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::bounded::{List, Opaque};
use crate::ids::{DeviceId, LetterId};
use crate::keys::{AgreementKey, Signature};
use crate::limits::{DEPOSIT_DEVICES_MAX, LETTER_BYTES_MAX, PREKEYS_MAX};

/// A letter as one device sealed it for another: an encoded
/// [`SealedLetter`](crate::letter::SealedLetter).
pub type Sealed = Opaque<LETTER_BYTES_MAX>;

/// One sealed copy for one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterCopy {
    /// The device it was sealed for.
    pub device: DeviceId,
    /// The letter.
    pub sealed: Sealed,
}

/// What a peer asks about mailboxes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailboxRequest {
    /// Leaves copies of one letter for devices of one account. Repeating it with the same letter is
    /// harmless. Answer: [`Answer::Done`](crate::session::Answer::Done), after the copies are on disk.
    Deposit {
        /// Whose devices.
        to: Address,
        /// The letter.
        letter: LetterId,
        /// One copy per device.
        copies: List<LetterCopy, DEPOSIT_DEVICES_MAX>,
    },
    /// Replaces the fallback prekey and adds one-time prekeys of this device.
    /// Answer: [`Answer::Done`](crate::session::Answer::Done).
    PublishPrekeys {
        /// Used when no one-time key is left.
        fallback: Prekey,
        /// Each is handed out once.
        one_time: List<Prekey, PREKEYS_MAX>,
    },
    /// Takes a prekey of a device of oneself or of a contact, to begin an Olm session.
    /// Answer: [`Answer::Prekey`](crate::session::Answer::Prekey).
    ClaimPrekey {
        /// Whose device.
        address: Address,
        /// Which device.
        device: DeviceId,
    },
}

/// An Olm prekey that a device vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prekey {
    /// The Curve25519 key.
    pub key: AgreementKey,
    /// By the device's D over the key's bytes.
    pub signature: Signature,
}

/// A letter from the mailbox, pushed in order of `seq`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Place in this device's mailbox; acknowledged cumulatively by
    /// [`ClientFrame::MailboxAck`](crate::session::ClientFrame::MailboxAck).
    pub seq: u64,
    /// Who deposited it, as the rendezvous authenticated them.
    pub from: Address,
    /// From which device.
    pub device: DeviceId,
    /// The letter.
    pub letter: LetterId,
    /// The copy for this device.
    pub sealed: Sealed,
}
