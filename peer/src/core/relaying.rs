//! Relaying for contacts, when the user offers it.
//!
//! Two devices that both have a link with us, and so are contacts or our own, ask for each other in the same attempt. Each gets
//! a place for as long as its link lasts, and the two a channel. What the relay may cost is bounded where it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use hobnob_nat::core::relay::{Order, Payer};
use hobnob_wire::datagram::{AllocationId, Channel, DatagramKey};
use hobnob_wire::link::{LinkFrame, RelayFrame};
use hobnob_wire::{AttemptId, DeviceId};

use super::effect::Effect;
use super::input::LinkId;
use super::link::Links;
use super::time::Entropy;
use super::turn::Turn;

/// How long somebody waits for the other to ask, too: as long as an attempt lasts.
const ASK_WAIT: Duration = Duration::from_secs(10);

/// Devices that one device may ask for at a time.
const ASKS_MAX: usize = 16;

/// One budget pays for all: what the user is ready to spend.
const PAYER: Payer = Payer(0);

#[derive(Debug)]
struct Ask {
    link: LinkId,
    from: DeviceId,
    with: DeviceId,
    attempt: AttemptId,
    until: Duration,
}

#[derive(Clone, Debug)]
struct Place {
    allocation: AllocationId,
    key: DatagramKey,
}

/// Whom we relay for.
#[derive(Debug)]
pub(crate) struct Relaying {
    is_offered: bool,
    asks: Vec<Ask>,
    places: BTreeMap<LinkId, Place>,
}

impl Relaying {
    /// For nobody yet; for nobody ever unless it `is_offered`.
    pub(crate) const fn new(is_offered: bool) -> Self {
        Self { is_offered, asks: Vec::new(), places: BTreeMap::new() }
    }

    /// A link is up: the other side is told what is offered.
    pub(crate) fn link_up<S, E>(&self, turn: &mut Turn<'_, S, E>, link: LinkId) {
        if self.is_offered {
            say(turn, link, RelayFrame::Offer);
        }
    }

    /// A link is gone, and with it what was granted on it.
    pub(crate) fn link_down<S, E>(&mut self, turn: &mut Turn<'_, S, E>, link: LinkId) {
        self.asks.retain(|ask| ask.link != link);
        if let Some(Place { allocation, .. }) = self.places.remove(&link) {
            turn.effect(Effect::Relay(Order::Release { allocation }));
        }
    }

    /// Whether a link has a place here, which ends with it.
    pub(crate) fn uses_link(&self, link: LinkId) -> bool {
        self.places.contains_key(&link)
    }

    /// Whom a link leads to asks for a relay to a device. It gets it when that device asks for the same.
    pub(crate) fn asked<S, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        links: &Links,
        (link, attempt, with): (LinkId, AttemptId, DeviceId),
    ) {
        let now = turn.now.monotonic;
        self.asks.retain(|ask| ask.until > now);
        let Some((_, from)) = links.peer(link).filter(|(_, from)| self.is_offered && *from != with) else {
            return;
        };
        let other = |ask: &Ask| ask.from == with && ask.with == from && ask.attempt == attempt;
        if let Some(index) = self.asks.iter().position(other) {
            let other = self.asks.swap_remove(index);
            self.grant(turn, [link, other.link], attempt);
        } else if self.asks.iter().filter(|ask| ask.link == link).count() < ASKS_MAX {
            self.asks.push(Ask { link, from, with, attempt, until: now + ASK_WAIT });
        }
    }

    fn grant<S, E: Entropy>(&mut self, turn: &mut Turn<'_, S, E>, between: [LinkId; 2], attempt: AttemptId) {
        let places = between.map(|link| self.place(turn, link));
        let channel = Channel::new(turn.entropy.array());
        let allocations = places.each_ref().map(|place| place.allocation);
        turn.effect(Effect::Relay(Order::Open { channel, between: allocations }));
        for (link, Place { allocation, key }) in between.into_iter().zip(places) {
            say(turn, link, RelayFrame::Grant { attempt, channel, allocation, key });
        }
    }

    /// The place of whom a link leads to.
    fn place<S, E: Entropy>(&mut self, turn: &mut Turn<'_, S, E>, link: LinkId) -> Place {
        let new = || {
            let allocation = AllocationId(u64::from_be_bytes(turn.entropy.array()));
            let key = DatagramKey::new(turn.entropy.array());
            let order = Order::Allocate { allocation, key: key.clone(), payer: PAYER };
            turn.effects.push(Effect::Relay(order));
            Place { allocation, key }
        };
        self.places.entry(link).or_insert_with(new).clone()
    }
}

fn say<S, E>(turn: &mut Turn<'_, S, E>, link: LinkId, frame: RelayFrame) {
    turn.effect(Effect::SendFrame { link, frame: Box::new(LinkFrame::Relay(frame)) });
}
