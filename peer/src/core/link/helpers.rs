//! Contacts that relay for us: who has offered it, for whom we ask, and what came of it.
//!
//! When two devices have agreed on a link and the relay of the rendezvous is not there, or did not help the last time, both
//! ask those who have offered. Who is asked by both grants both a place and a channel. Of several, the smallest device
//! counts, so that both sides use the same one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hobnob_nat::core::binding::Helper;
use hobnob_wire::bounded::List;
use hobnob_wire::datagram::{AllocationId, Channel, DatagramKey};
use hobnob_wire::link::{LinkFrame, RelayFrame};
use hobnob_wire::signal::RelayGrant;
use hobnob_wire::{Address, AttemptId, DeviceId};

use super::Links;
use super::attempt::{ATTEMPT_WAIT, ATTEMPTS_MAX};
use crate::core::effect::{Effect, ReachOrder};
use crate::core::input::LinkId;
use crate::core::turn::Turn;

/// Devices that are remembered to have offered; as many links as they may need are made.
const HELPERS_MAX: usize = 8;

/// What a contact grants.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) attempt: AttemptId,
    pub(crate) channel: Channel,
    pub(crate) allocation: AllocationId,
    pub(crate) key: DatagramKey,
}

/// An attempt that may need a relay.
#[derive(Debug)]
struct Need {
    attempt: AttemptId,
    until: Duration,
    asked: BTreeSet<LinkId>,
}

#[derive(Debug, Default)]
pub(super) struct Helpers {
    offered: BTreeMap<DeviceId, Address>,
    needs: BTreeMap<DeviceId, Need>,
}

impl Helpers {
    /// A path to the device may need a helper, for as long as an attempt lasts.
    pub(super) fn need(&mut self, device: DeviceId, attempt: AttemptId, now: Duration) {
        if self.needs.len() < ATTEMPTS_MAX {
            self.needs.insert(device, Need { attempt, until: now + ATTEMPT_WAIT, asked: BTreeSet::new() });
        }
    }
}

impl Links {
    /// Whom a link leads to relays for us if we ask.
    pub(crate) fn helper_offers(&mut self, link: LinkId) {
        let Some((address, device)) = self.peer(link).map(|(address, device)| (address.clone(), device))
        else {
            return;
        };
        if self.helpers.offered.len() < HELPERS_MAX {
            self.helpers.offered.insert(device, address);
        }
    }

    /// Asks for relays that are needed. Gives back whom we need a link with to ask.
    pub(crate) fn ask_helpers<S, E>(&mut self, turn: &mut Turn<'_, S, E>) -> Vec<(Address, DeviceId)> {
        let now = turn.now.monotonic;
        self.helpers.needs.retain(|_, need| need.until > now);
        let mut wanted = Vec::new();
        let mut needs = std::mem::take(&mut self.helpers.needs);
        for (device, need) in needs.iter_mut().filter(|(device, _)| self.up(**device).is_none()) {
            for (helper, address) in self.helpers.offered.iter().filter(|(helper, _)| *helper != device) {
                let Some(link) = self.up(*helper) else {
                    wanted.push((address.clone(), *helper));
                    continue;
                };
                // It relays at the address that we have a path to.
                if self.exchanges.direct_to(*helper).is_some() && need.asked.insert(link) {
                    let frame = RelayFrame::Ask { attempt: need.attempt, device: *device };
                    turn.effect(Effect::SendFrame { link, frame: Box::new(LinkFrame::Relay(frame)) });
                }
            }
        }
        self.helpers.needs = needs;
        wanted
    }

    /// Somebody whom we asked relays for us.
    pub(crate) fn helper_grants<S, E>(&mut self, turn: &mut Turn<'_, S, E>, link: LinkId, grant: Grant) {
        let Grant { attempt, channel, allocation, key } = grant;
        let was_asked = |need: &Need| need.attempt == attempt && need.asked.contains(&link);
        let need = self.helpers.needs.iter().find(|(_, need)| was_asked(need));
        let Some(device) = need.map(|(device, _)| *device) else { return };
        let Some((address, by)) = self.peer(link).map(|(address, by)| (address.clone(), by)) else { return };
        let Some(at) = self.exchanges.direct_to(by) else { return };
        let known = self.exchanges.of_mut(device).filter(|known| known.attempt == attempt);
        let Some(known) = known.filter(|known| known.helper.as_ref().is_none_or(|(helper, _)| by < *helper))
        else {
            return;
        };
        known.helper = Some((by, address));
        let grant = RelayGrant { allocation, key, reflectors: List::default() };
        let helper = Helper { device: by, at, grant, channel };
        turn.effect(Effect::Reach(ReachOrder::Helper { device, helper }));
    }

    /// A device to which a link has ended relays no more.
    pub(super) fn helper_gone<S, E>(&mut self, turn: &mut Turn<'_, S, E>, helper: DeviceId) {
        for device in self.exchanges.helper_gone(helper) {
            turn.effect(Effect::Reach(ReachOrder::Channel { device, channel: None }));
        }
    }
}
