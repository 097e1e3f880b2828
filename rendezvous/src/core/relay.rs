//! Places at the relay: which session has which, and which channel two of them have.
//!
//! Everything follows from a secret and the numbers of the sessions, which are never used twice; so nothing is kept.

use std::fmt;

use hobnob_nat::core::relay::{Order, Payer};
use hobnob_wire::List;
use hobnob_wire::datagram::{AllocationId, Channel, DatagramKey};
use hobnob_wire::limits::REFLECTORS_MAX;
use hobnob_wire::session::Push;
use hobnob_wire::signal::{RelayGrant, TransportAddress};
use zeroize::Zeroizing;

use super::effect::Effect;
use super::session::SessionId;
use super::store::AccountId;
use super::turn::Turn;

/// A relay that sessions have places at.
pub struct RelayOffer {
    secret: Zeroizing<[u8; 32]>,
    reflectors: List<TransportAddress, REFLECTORS_MAX>,
}

impl fmt::Debug for RelayOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayOffer").field("reflectors", &self.reflectors).finish_non_exhaustive()
    }
}

impl RelayOffer {
    /// A relay with these reflectors. `secret` is random, and another one at each start.
    #[must_use]
    pub fn new(secret: Zeroizing<[u8; 32]>, reflectors: List<TransportAddress, REFLECTORS_MAX>) -> Self {
        Self { secret, reflectors }
    }

    /// `N` bytes that nobody can guess and that are others for each purpose and each of `sessions`.
    fn derive<const N: usize>(&self, purpose: u8, sessions: &[SessionId]) -> [u8; N] {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(&[purpose]);
        for session in sessions {
            hasher.update(&session.0.to_be_bytes());
        }
        let mut bytes = [0; N];
        hasher.finalize_xof().fill(&mut bytes);
        bytes
    }

    pub(super) fn allocation(&self, session: SessionId) -> AllocationId {
        AllocationId(u64::from_be_bytes(self.derive(1, &[session])))
    }

    fn key(&self, session: SessionId) -> DatagramKey {
        DatagramKey::new(self.derive(2, &[session]))
    }

    /// The channel of two sessions, in whichever order they are named.
    fn channel(&self, one: SessionId, other: SessionId) -> Channel {
        Channel::new(self.derive(3, &[one.min(other), one.max(other)]))
    }
}

/// A session has been proved: it gets its place.
pub(super) fn grant(turn: &mut Turn<'_>, session: SessionId, account: AccountId) {
    let Some(offer) = &turn.house.relay else { return };
    let (allocation, key) = (offer.allocation(session), offer.key(session));
    let reflectors = offer.reflectors.clone();
    let payer = Payer(account.0.cast_unsigned());
    turn.effects.push(Effect::Relay(Order::Allocate { allocation, key: key.clone(), payer }));
    turn.push(vec![session], Push::Relay(RelayGrant { allocation, key, reflectors }));
}

/// Two sessions are introduced: the relay forwards between them, if there is one.
pub(super) fn open(turn: &mut Turn<'_>, one: SessionId, other: SessionId) -> Option<Channel> {
    let offer = turn.house.relay.as_ref()?;
    let channel = offer.channel(one, other);
    let between = [offer.allocation(one), offer.allocation(other)];
    turn.effects.push(Effect::Relay(Order::Open { channel, between }));
    Some(channel)
}

/// A session has ended: it has no place any more.
pub(super) fn release(turn: &mut Turn<'_>, session: SessionId) {
    if let Some(offer) = &turn.house.relay {
        let allocation = offer.allocation(session);
        turn.effects.push(Effect::Relay(Order::Release { allocation }));
    }
}
