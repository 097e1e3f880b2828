//! What is remembered about a transfer, and where.

use std::path::PathBuf;

use hobnob_wire::choice::Choice;
use hobnob_wire::keys::VerifyKey;
use hobnob_wire::swarm::Swarm;
use hobnob_wire::{Address, DeviceId, TransferId};

use super::queue::Wishes;
use crate::core::store::Fallible;
use crate::core::view::{Chosen, TransferDirection, TransferState};

/// One transfer as it stands on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferRecord {
    /// Which.
    pub id: TransferId,
    /// The contact.
    pub peer: Address,
    /// The contact's device: the one that offers, or the one that accepted.
    pub device: Option<DeviceId>,
    /// Which way.
    pub direction: TransferDirection,
    /// What it is called.
    pub name: String,
    /// Files and folders.
    pub entries: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// Ranges of the layout; 0 at a receiver, who counts them anew from the manifest.
    pub ranges: u64,
    /// Digest of the manifest.
    pub manifest: [u8; 32],
    /// Whether content is sealed with keys of its own inside QUIC.
    pub sealed: bool,
    /// Text of the offer.
    pub text: String,
    /// Own limit in bytes per second; 0 for none.
    pub limit: u64,
    /// Where it goes on this device's disk; absolute.
    pub folder: Option<PathBuf>,
    /// Where it stands.
    pub state: TransferState,
    /// Bytes verified at the receiver when the state last changed.
    pub done: u64,
    /// Digest over all files, once done.
    pub digest: Option<[u8; 32]>,
    /// What went wrong and what to do about it, or why somebody stopped it.
    pub error: Option<String>,
    /// Whether files that are there already are brought up to date.
    pub update: bool,
    /// What is taken of it when not all is.
    pub part: Option<Part>,
    /// Whether a rule has put it apart: nothing of it may be executed.
    pub quarantined: bool,
    /// How often in a row it was offered again because it had changed.
    pub again: u32,
    /// Whether the other side may still wait for word of the end.
    pub untold: bool,
    /// When it was offered here, in Unix milliseconds.
    pub offered_unix_ms: u64,
    /// When it was over here, in Unix milliseconds; 0 while it is not.
    pub ended_unix_ms: u64,
    /// What this device's user wants of it.
    pub wishes: Wishes,
    /// What was offered: absolute paths. Empty at a receiver.
    pub paths: Vec<PathBuf>,
    /// Whether links were offered as links.
    pub links: bool,
    /// Who else got the offer, when several did: at the sender only the receiver's own mark.
    pub swarm: Option<Swarm>,
    /// Bytes of it that left this device: to the receiver, or from there to others.
    pub sent: u64,
    /// At a receiver, who sent how many of its bytes.
    pub sources: Vec<(Address, u64)>,
}

impl TransferRecord {
    /// Bytes that are to come, as far as that is known.
    #[must_use]
    pub fn wanted_bytes(&self) -> u64 {
        self.part.as_ref().and_then(|part| part.sum).map_or(self.bytes, |sum| sum.bytes)
    }

    /// Which files are taken; all when absent.
    #[must_use]
    pub fn choice(&self) -> Option<Choice> {
        self.part.as_ref().map(|part| part.choice.clone())
    }
}

/// What is taken of an offer that is not taken whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which files.
    pub choice: Choice,
    /// How much that is, once the list of files has been read.
    pub sum: Option<Chosen>,
}

/// Where transfers are kept.
pub trait TransferStore: Fallible {
    /// Keeps a new transfer, or what changed of one.
    ///
    /// # Errors
    /// The store's.
    fn save_transfer(&mut self, record: &TransferRecord) -> Result<(), Self::Error>;

    /// One transfer.
    ///
    /// # Errors
    /// The store's.
    fn transfer(&mut self, id: TransferId) -> Result<Option<TransferRecord>, Self::Error>;

    /// Transfers that are not over, or whose end the other side may not know; oldest first.
    ///
    /// # Errors
    /// The store's.
    fn open_transfers(&mut self) -> Result<Vec<TransferRecord>, Self::Error>;

    /// The newest `limit` transfers that are over, oldest first.
    ///
    /// # Errors
    /// The store's.
    fn past_transfers(&mut self, limit: u32) -> Result<Vec<TransferRecord>, Self::Error>;

    /// Forgets all but the newest `keep` of the transfers that are over.
    ///
    /// # Errors
    /// The store's.
    fn forget_past_transfers(&mut self, keep: u32) -> Result<(), Self::Error>;

    /// The root key of an account, if it was ever seen.
    ///
    /// # Errors
    /// The store's.
    fn root(&mut self, address: &Address) -> Result<Option<VerifyKey>, Self::Error>;

    /// Contacts, and their root keys as far as they were ever seen.
    ///
    /// # Errors
    /// The store's.
    fn acquaintances(&mut self) -> Result<Vec<(Address, VerifyKey)>, Self::Error>;
}
