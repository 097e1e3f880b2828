//! The own places at contacts that relay.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use hobnob_wire::datagram::Unproved;
use hobnob_wire::ids::DeviceId;
use tokio::time::Instant;

use super::place::{Changed, Place};
use crate::core::agent::Way;
use crate::core::binding::Access;
use crate::demux::Demux;
use crate::network::Network;

/// Contacts that relay for us at a time.
const HELPERS_MAX: usize = 16;

#[derive(Debug)]
pub(super) struct Helpers {
    network: Arc<dyn Network>,
    demux: Arc<Demux>,
    places: BTreeMap<DeviceId, Place>,
    /// What has become of bindings and has not been told.
    changes: Vec<(DeviceId, bool)>,
}

impl Helpers {
    pub(super) fn new(network: Arc<dyn Network>, demux: Arc<Demux>) -> Self {
        Self { network, demux, places: BTreeMap::new(), changes: Vec::new() }
    }

    /// A contact gives us a place, unless it is the one that we have; `false` when there are too many.
    pub(super) fn take(&mut self, helper: DeviceId, access: Access) -> bool {
        let at = Some((access.relay, access.grant.allocation));
        if self.places.get(&helper).is_some_and(|place| place.at() == at) {
            return true;
        }
        if self.places.len() >= HELPERS_MAX && !self.places.contains_key(&helper) {
            return false;
        }
        let new = || Place::new(Arc::clone(&self.network), Arc::clone(&self.demux));
        let place = self.places.entry(helper).or_insert_with(new);
        // It is asked for as long as it is kept.
        let (Changed(granted), Changed(wanted)) = (place.grant(Some(access)), place.want(true));
        self.note(helper, granted || wanted);
        true
    }

    /// Leaves those who are not needed.
    pub(super) fn keep(&mut self, is_needed: impl Fn(DeviceId) -> bool) {
        let Self { places, changes, .. } = self;
        places.retain(|helper, _| {
            let is_needed = is_needed(*helper);
            if !is_needed {
                changes.push((*helper, false));
            }
            is_needed
        });
    }

    /// Whether a helper is at this address.
    pub(super) fn are_at(&self, address: SocketAddr) -> bool {
        self.places.values().any(|place| place.at().is_some_and(|(at, _)| at == address))
    }

    pub(super) fn datagram(&mut self, way: Way, unproved: Unproved<'_>) {
        let is_at = |place: &Place| place.at().is_some_and(|(at, _)| at == way.to);
        let Some((helper, place)) = self.places.iter_mut().find(|(_, place)| is_at(place)) else { return };
        let (helper, Changed(changed)) = (*helper, place.datagram(way, unproved));
        self.note(helper, changed);
    }

    /// Time has passed.
    pub(super) fn tick(&mut self) {
        self.each(Place::tick);
    }

    /// The network has changed.
    pub(super) fn look_again(&mut self) {
        self.each(Place::look_again);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.places.values().filter_map(Place::deadline).min()
    }

    /// At whom we are bound, or no longer, since the last call.
    pub(super) fn changes(&mut self) -> Vec<(DeviceId, bool)> {
        std::mem::take(&mut self.changes)
    }

    fn each(&mut self, act: impl Fn(&mut Place) -> Changed) {
        let helpers: Vec<DeviceId> = self.places.keys().copied().collect();
        for helper in helpers {
            let changed = self.places.get_mut(&helper).is_some_and(|place| act(place).0);
            self.note(helper, changed);
        }
    }

    fn note(&mut self, helper: DeviceId, changed: bool) {
        if let Some(place) = self.places.get(&helper).filter(|_| changed) {
            self.changes.push((helper, place.binding().is_bound()));
        }
    }
}
