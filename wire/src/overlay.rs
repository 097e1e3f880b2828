//! The overlay: how devices that know each other meet without a rendezvous, and what strangers cannot learn of it.
//!
//! Two devices share a [`PairSecret`], which needs no exchange: it is the Diffie-Hellman result of their Noise keys N. From
//! it come
//!
//! - a [`Tag`] per day and device, under which that device can be found in the distributed hash table. To everybody else it
//!   is a random number that is gone tomorrow;
//! - a [`Mark`] per pair of nodes, by which a device that meets a node finds out whether it is one that it knows. A mark
//!   means nothing between other nodes, so whoever repeats it elsewhere learns nothing.
//!
//! A **node** is one start of a device in the overlay: an Ed25519 key of its own that is forgotten at its end. What nodes
//! ask each other is an [`OverlayRequest`] and its [`OverlayAnswer`]; a stranger's is answered in the same form, by a mark
//! that means nothing.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::bounded::{List, Opaque};
use crate::codec::Frame;
use crate::ids::DeviceId;
use crate::keys::AgreementKey;
use crate::limits::{MARKS_MAX, SIGNAL_BYTES_MAX};
use crate::noise::{NoiseError, NoiseKeypair};

/// Context of the key derivation (BLAKE3 `derive_key`).
const KEY_CONTEXT: &str = "hobnob 2026-11 overlay pair secret";

/// A node of the overlay: its public key, which is new at each start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node([u8; 32]);

impl Node {
    /// A node by its Ed25519 public key.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The public key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Node({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// Where a device can be found on one day by another one: a key of the distributed hash table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag([u8; Self::LEN]);

impl Tag {
    /// Bytes in a tag.
    pub const LEN: usize = 32;

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Tag({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// By this two nodes know each other, if they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mark([u8; 16]);

impl Mark {
    /// A mark from bytes; whether it means something shows when it is compared.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Are you the other device of this pair?
    Question,
    /// I am.
    Answer,
}

/// What two devices know and nobody else. Wiped when dropped, never shown.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct PairSecret([u8; 32]);

impl fmt::Debug for PairSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairSecret")
    }
}

impl PairSecret {
    /// The secret of this device and one with the Noise key `remote`; the same on both sides.
    ///
    /// # Errors
    /// [`NoiseError`] when `remote` is not a usable key.
    pub fn of(own: &NoiseKeypair, remote: &AgreementKey) -> Result<Self, NoiseError> {
        let shared = own.agree(remote)?;
        let (a, b) = (*own.public().as_bytes(), *remote.as_bytes());
        let (first, second) = if a <= b { (a, b) } else { (b, a) };
        let material = Zeroizing::new([*shared, first, second].concat());
        Ok(Self(blake3::derive_key(KEY_CONTEXT, &material)))
    }

    /// Where the device `provider` of the pair can be found on a day, counted from 1970-01-01 in UTC.
    #[must_use]
    pub fn tag(&self, day: u32, provider: DeviceId) -> Tag {
        Tag(*self.hash(b't', &day.to_be_bytes(), provider.as_bytes()).as_bytes())
    }

    /// What the node `from` says to the node `to` if they are the nodes of this pair.
    #[must_use]
    pub fn mark(&self, means: Means, from: &Node, to: &Node) -> Mark {
        let label = match means {
            Means::Question => b'q',
            Means::Answer => b'a',
        };
        let hash = self.hash(label, from.as_bytes(), to.as_bytes());
        let mut mark = [0; 16];
        mark.copy_from_slice(&hash.as_bytes()[..16]);
        Mark(mark)
    }

    /// Each label is followed by parts of fixed lengths, so no two uses meet.
    fn hash(&self, label: u8, first: &[u8], second: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.0, &[&[label], first, second].concat())
    }
}

/// What a node asks another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OverlayRequest {
    /// Do you know me? One mark for each device that the asker would like to meet. Answered by [`OverlayAnswer::Mark`].
    Marks(List<Mark, MARKS_MAX>),
    /// A sealed [`Signal`](crate::signal::Signal), from and to the devices that the marks told. Answered by
    /// [`OverlayAnswer::Taken`].
    Signal(Opaque<SIGNAL_BYTES_MAX>),
}

impl Frame for OverlayRequest {
    const NAME: &'static str = "overlay request";
    const BYTES_MAX: usize = 4 + MARKS_MAX * 16;
}

/// The answer to an [`OverlayRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OverlayAnswer {
    /// Who the answering node is, to one that knows it; to anybody else a number that means nothing.
    Mark(Mark),
    /// Whether the signal came from a node that is known. If not, the marks should be exchanged again.
    Taken(bool),
}

impl Frame for OverlayAnswer {
    const NAME: &'static str = "overlay answer";
    const BYTES_MAX: usize = 17;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(seed: u8) -> NoiseKeypair {
        NoiseKeypair::from_secret(Zeroizing::new([seed; 32]))
    }

    #[test]
    fn both_devices_of_a_pair_have_the_same_secret_and_no_third_has_it() {
        let [a, b, c] = [1, 2, 3].map(pair);
        let secret = PairSecret::of(&a, &b.public()).unwrap();
        assert_eq!(secret, PairSecret::of(&b, &a.public()).unwrap());
        assert_ne!(secret, PairSecret::of(&a, &c.public()).unwrap());
        assert_ne!(secret, PairSecret::of(&c, &b.public()).unwrap());
        assert_eq!(PairSecret::of(&a, &AgreementKey::new([0; 32])), Err(NoiseError));
        assert_eq!(format!("{secret:?}"), "PairSecret");
    }

    #[test]
    fn a_tag_is_another_each_day_and_for_each_device() {
        let secret = PairSecret::of(&pair(1), &pair(2).public()).unwrap();
        let [a, b] = [1, 2].map(|byte| DeviceId::new([byte; 16]));
        let tags = [secret.tag(1, a), secret.tag(2, a), secret.tag(1, b), secret.tag(2, b)];
        for (i, tag) in tags.iter().enumerate() {
            assert!(!tags[..i].contains(tag));
        }
        assert_eq!(secret.tag(1, a), tags[0]);
    }

    #[test]
    fn a_mark_means_nothing_between_other_nodes_or_the_other_way_round() {
        let secret = PairSecret::of(&pair(1), &pair(2).public()).unwrap();
        let [a, b, mallory] = [1, 2, 3].map(|byte| Node::new([byte; 32]));
        let asked = secret.mark(Means::Question, &a, &b);
        assert_eq!(secret.mark(Means::Question, &a, &b), asked);
        for (means, from, to) in [
            (Means::Question, a, mallory),
            (Means::Question, mallory, b),
            (Means::Question, b, a),
            (Means::Answer, a, b),
            (Means::Answer, b, a),
        ] {
            assert_ne!(secret.mark(means, &from, &to), asked);
        }
    }
}
