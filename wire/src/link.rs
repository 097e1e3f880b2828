//! The link: an authenticated connection between two peers.
//!
//! The side that dialed QUIC opens the control stream and is the Noise initiator. The first two frames
//! each way are the [Noise handshake](crate::noise) with a [`LinkHello`] inside; then come sealed
//! [`LinkFrame`]s, the initiator's first being [`LinkFrame::Ready`].

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::codec::Frame;
use crate::device::DeviceList;
use crate::ids::{DeviceId, LetterId};
use crate::limits::LINK_FRAME_BYTES_MAX;
use crate::mailbox::Sealed;
use crate::seal::TAG_BYTES;
use crate::transfer::TransferFrame;

/// Protocol name in TLS (ALPN, RFC 7301).
pub const ALPN: &[u8] = b"hobnob-link/1";
/// Label of the TLS exporter (RFC 8446 §7.5) that becomes the Noise pre-shared key.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-hobnob-link/1";

/// Who somebody is, inside a Noise handshake message. The list certifies the Noise key just proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkHello {
    /// The account.
    pub address: Address,
    /// The device.
    pub device: DeviceId,
    /// The account's devices.
    pub list: DeviceList,
}

impl Frame for LinkHello {
    const NAME: &'static str = "link hello";
    const BYTES_MAX: usize = crate::noise::HELLO_BYTES_MAX;
}

/// What peers say on the control stream of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkFrame {
    /// The initiator's first frame: it has the keys. The responder says nothing of substance before it.
    Ready,
    /// A letter for this device.
    Letter {
        /// The letter.
        letter: LetterId,
        /// The copy for this device.
        sealed: Sealed,
    },
    /// The letter is on this device's disk.
    LetterAck {
        /// The letter.
        letter: LetterId,
    },
    /// The user is, or is no longer, writing.
    Typing {
        /// Which.
        active: bool,
    },
    /// About a transfer.
    Transfer(TransferFrame),
}

impl Frame for LinkFrame {
    const NAME: &'static str = "link frame";
    const BYTES_MAX: usize = LINK_FRAME_BYTES_MAX - TAG_BYTES;
}
