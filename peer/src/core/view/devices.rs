//! Own devices, and whom to trust, as users see it.

use hobnob_wire::{Address, DeviceId};
use serde::{Deserialize, Serialize};

use super::as_text;

/// One line of `hobnob device list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    /// The device.
    #[serde(with = "as_text")]
    pub id: DeviceId,
    /// What it is called.
    pub name: String,
    /// Whether it is the one that answers.
    pub this: bool,
    /// When it joined, by its own clock: RFC 3339, UTC, milliseconds.
    pub joined_at: String,
    /// When a session of it last began or ended, by the clock of the rendezvous; not known while the session is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<String>,
    /// Where it is, when it has a session now: an address prefix, as the rendezvous sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// Another device of the account has joined, or was used at a new place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeView {
    /// The device.
    #[serde(with = "as_text")]
    pub device: DeviceId,
    /// What it is called.
    pub name: String,
    /// Whether it is new to the account.
    pub joined: bool,
    /// Where, as the rendezvous sees it: an address prefix. Not known when it joined while this device was away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// When this device learned of it: RFC 3339, UTC, milliseconds.
    pub at: String,
}

/// How far the identity of a contact is known to be the right one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verification {
    /// It is the one that was seen first; nobody has compared numbers.
    #[default]
    Unverified,
    /// The user has compared numbers.
    Verified,
    /// It is another than the one that the user compared, or one waits for the user's decision.
    Changed,
}

impl Verification {
    /// From whether the identity is the one that the user compared, if they did, and whether another one is offered.
    #[must_use]
    pub const fn of(is_compared: Option<bool>, is_offered: bool) -> Self {
        match is_compared {
            _ if is_offered => Self::Changed,
            Some(true) => Self::Verified,
            Some(false) => Self::Changed,
            None => Self::Unverified,
        }
    }
}

/// `hobnob verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationView {
    /// The contact.
    pub address: Address,
    /// How far it is known.
    pub verification: Verification,
    /// The safety number: 60 digits in groups of five.
    pub number: String,
    /// The same for cameras.
    pub link: String,
    /// The number of another identity under the same address, which waits for the user's decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_number: Option<String>,
    /// Why nothing is sent to the contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}
