//! How far letters have come.

use serde::{Deserialize, Serialize};

use crate::bounded::List;
use crate::ids::LetterId;
use crate::limits::RECEIPT_LETTERS_MAX;

/// Kind 2: how far letters have come.
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
