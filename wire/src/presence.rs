//! Presence: what a contact may see of an account's state.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::bounded::Text;
use crate::limits::STATUS_TEXT_BYTES_MAX;

/// Status text.
pub type StatusText = Text<STATUS_TEXT_BYTES_MAX>;

/// What others see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Availability {
    /// No device has a session, or the account hides.
    #[default]
    Offline,
    /// Here.
    Online,
    /// Not at the device.
    Away,
    /// Not to be disturbed.
    Busy,
}

/// What an account shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// State.
    pub availability: Availability,
    /// Status text.
    pub text: StatusText,
}

/// What a peer wants shown. Answer: [`Answer::Done`](crate::session::Answer::Done).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceSet {
    /// What to show.
    pub presence: Presence,
    /// Show [`Availability::Offline`] and no text to everybody, whatever `presence` says.
    pub hidden: bool,
}

/// A contact's presence changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceChange {
    /// Whose.
    pub address: Address,
    /// What it is now.
    pub presence: Presence,
}
