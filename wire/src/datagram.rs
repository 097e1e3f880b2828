//! Datagrams beside QUIC on the one UDP socket: connectivity checks between peers, and what a peer says to the relay.
//!
//! The two top bits of the first byte are clear, which they never are in a QUIC packet whose fixed bit is set (RFC 9000 §17,
//! RFC 9443), so that one socket carries both. Two forms exist:
//!
//! - a [`Datagram`]: one postcard value, whose first byte is the number of its variant, and a BLAKE3 authenticator of
//!   [`MAC_BYTES`] behind it. [`parse`] reads whom it names; nothing in it holds before [`Unproved::prove`] says so;
//! - a **channel datagram**: a [`Channel`] header of [`CHANNEL_HEADER_BYTES`] and, as it is, what one peer sends to the
//!   other. The relay forwards it byte for byte: both sides use the same number.
//!
//! An answer is never longer than what it answers, so nobody gains by forging a sender's address.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::codec::{self, DecodeError, Frame};
use crate::ids::AttemptId;
use crate::signal::TransportAddress;

/// Bytes of the authenticator at the end of a [`Datagram`].
pub const MAC_BYTES: usize = 16;
/// Longest [`Datagram`], authenticator included.
pub const DATAGRAM_BYTES_MAX: usize = Datagram::BYTES_MAX + MAC_BYTES;
/// Bytes before the content of a channel datagram.
pub const CHANNEL_HEADER_BYTES: usize = 8;
/// First byte of a channel datagram.
const CHANNEL_FIRST: u8 = 0x20;
/// Context of the key derivation (BLAKE3 `derive_key`).
const KEY_CONTEXT: &str = "hobnob 2026-11 datagram authenticator";

/// Whether a datagram with this first byte is one of ours rather than QUIC's.
#[must_use]
pub const fn is_beside_quic(first: u8) -> bool {
    first & 0xc0 == 0
}

/// A secret that authenticates datagrams. Whoever answers checks draws it and tells it in a sealed
/// [`Signal`](crate::signal::Signal); the rendezvous draws that of an [`Allocation`](AllocationId).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct DatagramKey([u8; 32]);

impl DatagramKey {
    /// A key from random bytes.
    #[must_use]
    pub const fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    fn mac(&self, body: &[u8]) -> blake3::Hash {
        let mut key = blake3::derive_key(KEY_CONTEXT, &self.0);
        let hash = blake3::keyed_hash(&key, body);
        key.zeroize();
        hash
    }
}

impl fmt::Debug for DatagramKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatagramKey")
    }
}

/// A peer's place at a relay: from when its session is proved until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AllocationId(#[serde(with = "postcard::fixint::be")] pub u64);

/// A number that counts upwards with each request of one sender, so that a request that is heard twice is done once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Transaction(#[serde(with = "postcard::fixint::be")] pub u64);

/// What travels beside QUIC, except for channel datagrams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Datagram {
    /// Connectivity check (RFC 8445 §7): peer to peer. Authenticated, as its answer, with the key of the side that is
    /// checked.
    Check {
        /// The attempt whose keys count.
        attempt: AttemptId,
        /// Counted by the sender.
        transaction: Transaction,
        /// The controlling side wants to send over this path from now on (RFC 8445 §8).
        nominated: bool,
        /// Makes the check as long as its answer.
        room: [u8; 17],
    },
    /// Answer to a [`Datagram::Check`]: the path works both ways.
    CheckAnswer {
        /// The attempt.
        attempt: AttemptId,
        /// That of the check.
        transaction: Transaction,
        /// Where the check came from, as seen by the side that was checked.
        seen: TransportAddress,
    },
    /// Send no more checks in this attempt. Authenticated with the key of the side that is told.
    Stop {
        /// The attempt.
        attempt: AttemptId,
        /// Counted by the sender.
        transaction: Transaction,
    },
    /// Peer to relay: this is where I am. Authenticated, as all that follow, with the key of the allocation.
    Bind {
        /// Whose place it is.
        allocation: AllocationId,
        /// Counted by the peer.
        transaction: Transaction,
        /// The one of the last [`Datagram::Challenge`]; zeros at first.
        cookie: Cookie,
    },
    /// Relay to peer: prove that you receive at this address, by another [`Datagram::Bind`] with this cookie.
    Challenge {
        /// That of the request.
        transaction: Transaction,
        /// To be repeated.
        cookie: Cookie,
    },
    /// Relay to peer: channel datagrams go to this address from now on.
    Bound {
        /// That of the request.
        transaction: Transaction,
        /// The address, as the relay sees it.
        seen: TransportAddress,
    },
    /// Peer to reflector: where do you see me? Asked on several addresses and ports of a rendezvous, the answers tell the mapping
    /// behaviour of a NAT (RFC 4787 §4.1, RFC 5780 §4.3).
    Reflect {
        /// Whose place it is.
        allocation: AllocationId,
        /// Counted by the peer.
        transaction: Transaction,
        /// Makes the request as long as its answer.
        room: [u8; 16],
    },
    /// Reflector to peer.
    Reflected {
        /// That of the request.
        transaction: Transaction,
        /// The address, as the reflector sees it.
        seen: TransportAddress,
    },
}

/// What proves that somebody receives at an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cookie(pub [u8; 16]);

impl Frame for Datagram {
    const NAME: &'static str = "datagram";
    const BYTES_MAX: usize = 64;
}

impl Datagram {
    /// The datagram as it travels, authenticated with `key`.
    #[must_use]
    pub fn seal(&self, key: &DatagramKey) -> Vec<u8> {
        let mut bytes = codec::encode(self).expect("every variant has a fixed size, under the limit");
        let mac = key.mac(&bytes);
        bytes.extend_from_slice(&mac.as_bytes()[..MAC_BYTES]);
        bytes
    }
}

/// A datagram of which only the form has been checked.
#[derive(Clone, Debug)]
pub struct Unproved<'a> {
    datagram: Datagram,
    body: &'a [u8],
    mac: [u8; MAC_BYTES],
}

/// Reads a datagram, which must be complete.
///
/// # Errors
/// [`DecodeError`]; such datagrams are ignored.
pub fn parse(bytes: &[u8]) -> Result<Unproved<'_>, DecodeError> {
    let Some((body, mac)) = bytes.split_last_chunk::<MAC_BYTES>() else {
        return Err(DecodeError::Malformed { frame: Datagram::NAME });
    };
    Ok(Unproved { datagram: codec::decode(body)?, body, mac: *mac })
}

impl Unproved<'_> {
    /// The attempt that it claims to belong to, if it is from peer to peer.
    #[must_use]
    pub const fn attempt(&self) -> Option<AttemptId> {
        match self.datagram {
            Datagram::Check { attempt, .. }
            | Datagram::CheckAnswer { attempt, .. }
            | Datagram::Stop { attempt, .. } => Some(attempt),
            Datagram::Bind { .. }
            | Datagram::Challenge { .. }
            | Datagram::Bound { .. }
            | Datagram::Reflect { .. }
            | Datagram::Reflected { .. } => None,
        }
    }

    /// The allocation that it claims to come from, if it is a request to a relay.
    #[must_use]
    pub const fn allocation(&self) -> Option<AllocationId> {
        match self.datagram {
            Datagram::Bind { allocation, .. } | Datagram::Reflect { allocation, .. } => Some(allocation),
            Datagram::Check { .. }
            | Datagram::CheckAnswer { .. }
            | Datagram::Stop { .. }
            | Datagram::Challenge { .. }
            | Datagram::Bound { .. }
            | Datagram::Reflected { .. } => None,
        }
    }

    /// What it says, whoever says it. Good for choosing the key, for nothing else.
    #[must_use]
    pub const fn claims(&self) -> &Datagram {
        &self.datagram
    }

    /// What it says, if whoever has `key` says it. Compares in constant time.
    #[must_use]
    pub fn prove(self, key: &DatagramKey) -> Option<Datagram> {
        let expected = key.mac(self.body);
        let difference = expected
            .as_bytes()
            .iter()
            .zip(self.mac)
            .fold(0, |difference, (left, right)| difference | (left ^ right));
        (difference == 0).then_some(self.datagram)
    }
}

/// Two allocations that the relay forwards between: random, so that nobody else hits it by chance. Handed out by the rendezvous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Channel([u8; CHANNEL_HEADER_BYTES - 1]);

impl Channel {
    /// A channel from random bytes.
    #[must_use]
    pub const fn new(random: [u8; CHANNEL_HEADER_BYTES - 1]) -> Self {
        Self(random)
    }

    /// What stands before each of its datagrams.
    #[must_use]
    pub const fn header(self) -> [u8; CHANNEL_HEADER_BYTES] {
        let [a, b, c, d, e, f, g] = self.0;
        [CHANNEL_FIRST, a, b, c, d, e, f, g]
    }

    /// The channel of a datagram and its content; `None` when it is no channel datagram.
    #[must_use]
    pub fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let ([first, channel @ ..], content) = bytes.split_first_chunk::<CHANNEL_HEADER_BYTES>()?;
        (*first == CHANNEL_FIRST).then_some((Self(*channel), content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> TransportAddress {
        "[2001:db8::1]:65535".parse::<std::net::SocketAddr>().unwrap().into()
    }

    fn all() -> Vec<Datagram> {
        let (attempt, transaction) = (AttemptId::new([255; 16]), Transaction(u64::MAX));
        let (allocation, cookie) = (AllocationId(u64::MAX), Cookie([255; 16]));
        vec![
            Datagram::Check { attempt, transaction, nominated: true, room: [0; 17] },
            Datagram::CheckAnswer { attempt, transaction, seen: seen() },
            Datagram::Stop { attempt, transaction },
            Datagram::Bind { allocation, transaction, cookie },
            Datagram::Challenge { transaction, cookie },
            Datagram::Bound { transaction, seen: seen() },
            Datagram::Reflect { allocation, transaction, room: [0; 16] },
            Datagram::Reflected { transaction, seen: seen() },
        ]
    }

    #[test]
    fn every_datagram_comes_back_and_is_told_from_quic_by_its_first_byte() {
        let key = DatagramKey::new([7; 32]);
        for datagram in all() {
            let bytes = datagram.seal(&key);
            assert!(is_beside_quic(bytes[0]), "{datagram:?}");
            assert!(Channel::split(&bytes).is_none(), "{datagram:?}");
            assert_eq!(parse(&bytes).unwrap().prove(&key), Some(datagram));
        }
    }

    #[test]
    fn another_key_or_another_bit_proves_nothing() {
        let key = DatagramKey::new([7; 32]);
        for datagram in all() {
            let bytes = datagram.seal(&key);
            assert_eq!(parse(&bytes).unwrap().prove(&DatagramKey::new([8; 32])), None);
            for bit in 0..bytes.len() * 8 {
                let mut forged = bytes.clone();
                forged[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(parse(&forged).ok().and_then(|unproved| unproved.prove(&key)), None, "bit {bit}");
            }
        }
    }

    #[test]
    fn no_answer_is_longer_than_what_it_answers() {
        let key = DatagramKey::new([7; 32]);
        let len = |number: usize| all()[number].seal(&key).len();
        let [check, check_answer, _, bind, challenge, bound, reflect, reflected] = std::array::from_fn(len);
        assert!(check_answer <= check && challenge <= bind && bound <= bind && reflected <= reflect);
    }

    #[test]
    fn a_channel_datagram_is_its_header_and_the_content_as_it_is() {
        let channel = Channel::new([1, 2, 3, 4, 5, 6, 7]);
        let bytes = [channel.header().as_slice(), b"content"].concat();
        assert!(is_beside_quic(bytes[0]));
        assert_eq!(Channel::split(&bytes), Some((channel, b"content".as_slice())));
        assert!(parse(&bytes).is_err());
        assert_eq!(Channel::split(&bytes[..7]), None);
        assert_eq!(Channel::split(&[0x40; 20]), None);
    }
}
