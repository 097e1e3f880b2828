//! The link: an authenticated connection between two peers.
//!
//! The side that dialed QUIC opens the control stream and is the Noise initiator. The first two frames
//! each way are the [Noise handshake](crate::noise) with a [`LinkHello`] inside; then come sealed
//! [`LinkFrame`]s ([`seal_frame`], [`open_frame`]), the initiator's first being [`LinkFrame::Ready`].

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::address::Address;
use crate::codec::{self, DecodeError, EncodeError, Frame, LENGTH_BYTES};
use crate::datagram::{AllocationId, Channel, DatagramKey};
use crate::device::DeviceList;
use crate::ids::{AttemptId, DeviceId, LetterId};
use crate::limits::LINK_FRAME_BYTES_MAX;
use crate::mailbox::Sealed;
use crate::seal::{BrokenSeal, SealKey, TAG_BYTES};
use crate::swarm::SwarmFrame;
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
    /// Send no faster than this over this link, all transfers together. Holds until another one says else.
    Pace {
        /// Bytes per second; 0 for no limit.
        bytes_per_s: u64,
    },
    /// About relaying for contacts.
    Relay(RelayFrame),
    /// Between two who got the same offer.
    Swarm(SwarmFrame),
}

/// How a device relays between two of its contacts that have no direct path. Each has a link with it, on which they ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelayFrame {
    /// I relay for my contacts. Said once, when the link is up.
    Offer,
    /// Please relay between me and that device, which asks for the same.
    Ask {
        /// The attempt of the two.
        attempt: AttemptId,
        /// The other one.
        device: DeviceId,
    },
    /// Both have asked. The relay is where the link leads to; what it grants ends with the link.
    Grant {
        /// The attempt.
        attempt: AttemptId,
        /// Where it forwards between the two.
        channel: Channel,
        /// The place of the device that is told.
        allocation: AllocationId,
        /// Authenticates datagrams to and from the relay.
        key: DatagramKey,
    },
}

impl Frame for LinkFrame {
    const NAME: &'static str = "link frame";
    const BYTES_MAX: usize = LINK_FRAME_BYTES_MAX - TAG_BYTES;
}

/// Why a frame was not sealed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SealFrameError {
    /// The frame is too long.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The key is used up; the link must be made anew.
    #[error(transparent)]
    Seal(#[from] BrokenSeal),
}

/// Why bytes were not a sealed frame. The link closes with
/// [`LinkClose::BadFrame`](crate::close::LinkClose::BadFrame).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OpenFrameError {
    /// The bytes were not sealed by the other side in this place.
    #[error(transparent)]
    Seal(#[from] BrokenSeal),
    /// What was sealed is not a frame.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// A frame as it travels on the control stream: the length of what follows, then the encoded frame,
/// sealed. The four bytes of the length are the context, authenticated with the frame.
///
/// # Errors
/// [`SealFrameError`].
pub fn seal_frame(key: &mut SealKey, frame: &LinkFrame) -> Result<Vec<u8>, SealFrameError> {
    let too_long = EncodeError { frame: LinkFrame::NAME, max: LinkFrame::BYTES_MAX };
    let mut body = codec::encode(frame)?;
    let len = u32::try_from(body.len() + TAG_BYTES).map_err(|_| too_long)?;
    let prefix = len.to_be_bytes();
    key.seal(&prefix, &mut body)?;
    Ok([prefix.as_slice(), &body].concat())
}

/// Opens the `sealed` bytes behind `prefix`, whose length the caller has checked against
/// [`LINK_FRAME_BYTES_MAX`] ([`codec::prefixed_len`]).
///
/// # Errors
/// [`OpenFrameError`].
pub fn open_frame(
    key: &mut SealKey,
    prefix: [u8; LENGTH_BYTES],
    sealed: &mut [u8],
) -> Result<LinkFrame, OpenFrameError> {
    Ok(codec::decode(key.open(&prefix, sealed)?)?)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::seal::{Direction, LinkSecret};

    fn key() -> SealKey {
        LinkSecret::new(&Zeroizing::new([1; 64]), b"handshake").control(Direction::FromInitiator)
    }

    fn split(bytes: &mut [u8]) -> ([u8; LENGTH_BYTES], &mut [u8]) {
        let (prefix, sealed) = bytes.split_first_chunk_mut().unwrap();
        (*prefix, sealed)
    }

    #[test]
    fn sealed_frames_come_back_in_order_only() {
        let (mut sender, mut receiver) = (key(), key());
        let mut first = seal_frame(&mut sender, &LinkFrame::Ready).unwrap();
        let mut second = seal_frame(&mut sender, &LinkFrame::Typing { active: true }).unwrap();
        assert_eq!(first.len(), LENGTH_BYTES + 1 + TAG_BYTES);
        let (prefix, sealed) = split(&mut first);
        assert_eq!(u32::from_be_bytes(prefix) as usize, sealed.len());
        assert_eq!(open_frame(&mut receiver, prefix, sealed), Ok(LinkFrame::Ready));
        let (prefix, sealed) = split(&mut second);
        assert_eq!(open_frame(&mut receiver, prefix, sealed), Ok(LinkFrame::Typing { active: true }));
        let mut third = seal_frame(&mut sender, &LinkFrame::Ready).unwrap();
        let (prefix, sealed) = split(&mut third);
        assert_eq!(open_frame(&mut key(), prefix, sealed), Err(OpenFrameError::Seal(BrokenSeal)));
    }

    #[test]
    fn the_length_is_authenticated_with_the_frame() {
        let mut bytes = seal_frame(&mut key(), &LinkFrame::Ready).unwrap();
        let (mut prefix, sealed) = split(&mut bytes);
        prefix[0] = 1;
        assert_eq!(open_frame(&mut key(), prefix, sealed), Err(OpenFrameError::Seal(BrokenSeal)));
    }
}
