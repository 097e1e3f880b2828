//! Swarms: one send to several people, who get ranges from each other, too.
//!
//! Each recipient has a transfer of its own. What they share is a [`SwarmId`], which only the offers name, and a list of
//! [`MemberMark`]s. Whoever knows somebody's root key, as contacts do, sees whether that one is among them; to everybody
//! else a mark is a random number. Recipients who are contacts say [`SwarmFrame`]s to each other on their ordinary link.

use serde::{Deserialize, Serialize};

use crate::bounded::List;
use crate::ids::{SwarmId, TransferId};
use crate::keys::VerifyKey;
use crate::limits::{SWARM_MEMBERS_MAX, SWARM_RANGES_MAX, WANT_SPANS_MAX};
use crate::transfer::Span;

/// Context of the hash (BLAKE3 `derive_key`).
const MARK_CONTEXT: &str = "hobnob 2026-11 swarm member";

/// Who somebody is in one swarm, for those who know that account's root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberMark([u8; Self::LEN]);

impl MemberMark {
    /// Bytes in a mark.
    pub const LEN: usize = 16;

    /// A mark from bytes; whether it means somebody shows when it is compared.
    #[must_use]
    pub const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The mark of the account with this root key.
    #[must_use]
    pub fn of(swarm: SwarmId, root: &VerifyKey) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(MARK_CONTEXT);
        hasher.update(swarm.as_bytes()).update(root.as_bytes());
        let mut mark = [0; Self::LEN];
        hasher.finalize_xof().fill(&mut mark);
        Self(mark)
    }
}

/// What an offer to several people tells each of them of the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swarm {
    /// Names it from now on.
    pub id: SwarmId,
    /// Who got the offer, in ascending order of the marks. Some mean nobody, so that their number does not tell how many
    /// people there are.
    pub members: List<MemberMark, SWARM_MEMBERS_MAX>,
}

/// What two recipients say to each other. Whoever is asked about a swarm that it does not take part in, or by somebody who is
/// not a member, does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SwarmFrame {
    /// I take part, and these ranges are verified here, besides those that I named before.
    Have {
        /// Which swarm.
        swarm: SwarmId,
        /// Whether to forget what I named before, and to tell me what you have.
        hello: bool,
        /// Whether you get them from me; else none is named.
        lends: bool,
        /// The ranges, ascending and apart.
        ranges: List<Span, WANT_SPANS_MAX>,
    },
    /// Send me these ranges, besides those that I asked for before. Each comes on a
    /// [stream](crate::transfer::StreamHeader::Range) of my transfer.
    Want {
        /// Which swarm.
        swarm: SwarmId,
        /// My transfer, which the sender gave me and nobody else.
        transfer: TransferId,
        /// The ranges, ascending and apart.
        ranges: List<Span, SWARM_RANGES_MAX>,
    },
    /// I take no part any more: I have nothing for you and want nothing.
    Leave {
        /// Which swarm.
        swarm: SwarmId,
    },
}

impl SwarmFrame {
    /// Which swarm it is about.
    #[must_use]
    pub const fn swarm(&self) -> SwarmId {
        match self {
            Self::Have { swarm, .. } | Self::Want { swarm, .. } | Self::Leave { swarm } => *swarm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_another_one_in_each_swarm_and_for_each_account() {
        let mark = |swarm, root| MemberMark::of(SwarmId::new([swarm; 16]), &VerifyKey::new([root; 32]));
        assert_eq!(mark(1, 1), mark(1, 1));
        assert_ne!(mark(1, 1), mark(2, 1));
        assert_ne!(mark(1, 1), mark(1, 2));
    }
}
