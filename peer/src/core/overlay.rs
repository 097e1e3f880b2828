//! The second road for signals: when the overlay is used, and whom to meet there.
//!
//! While the session is down, devices of contacts, and our own others, are looked for in the overlay. One that is there
//! gets our signals over it, as it would over the rendezvous; the link that follows is like any other. Nobody is met there
//! who may not learn our addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hobnob_nat::core::agent::Policy;
use hobnob_nat::core::overlay::Acquaintance;
use hobnob_wire::limits::MARKS_MAX;
use hobnob_wire::overlay::PairSecret;
use hobnob_wire::{Address, DeviceId};

use super::contact::Contacts;
use super::effect::{Effect, OverlayOrder};
use super::keys::Keyring;
use super::link::Links;
use super::store::Store;
use super::turn::Turn;

/// How long the session is down before the overlay is used: a session that comes up in the usual way is there by then, and
/// nobody waits much longer.
const DOWN_WAIT: Duration = Duration::from_secs(1);

/// Whether the overlay is used, and who is there.
#[derive(Debug)]
pub(crate) struct Overlay {
    /// `None` while the session is up.
    down_since: Option<Duration>,
    /// Whom we would like to meet, once that has been told; whose device each is.
    met: Option<BTreeMap<DeviceId, Address>>,
    here: BTreeSet<DeviceId>,
}

impl Default for Overlay {
    fn default() -> Self {
        Self { down_since: Some(Duration::ZERO), met: None, here: BTreeSet::new() }
    }
}

impl Overlay {
    /// The session is up: signals go over the rendezvous again.
    pub(crate) fn session_up<S, E>(&mut self, turn: &mut Turn<'_, S, E>) {
        self.down_since = None;
        self.here.clear();
        if self.met.take().is_some() {
            turn.effect(Effect::Overlay(OverlayOrder::Leave));
        }
    }

    /// The session is down.
    pub(crate) fn session_down(&mut self, now: Duration) {
        self.down_since.get_or_insert(now);
    }

    /// Devices of contacts have come or gone, or may learn more or less of us: they are told anew.
    pub(crate) fn contacts_changed(&mut self) {
        self.met = None;
    }

    /// Whose device this is, if we would like to meet it.
    pub(crate) fn account(&self, device: DeviceId) -> Option<&Address> {
        self.met.as_ref()?.get(&device)
    }

    /// A device has come or gone.
    pub(crate) fn seen(&mut self, device: DeviceId, here: bool) {
        if here && self.account(device).is_some() {
            self.here.insert(device);
        } else {
            self.here.remove(&device);
        }
    }

    /// Devices that signals reach this way.
    pub(crate) const fn here(&self) -> &BTreeSet<DeviceId> {
        &self.here
    }

    /// When [`Self::tick`] is due.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.down_since.filter(|_| self.met.is_none()).map(|since| since + DOWN_WAIT)
    }

    /// Says whom to meet, once the session has been down for a while.
    pub(crate) fn tick<S: Store, E>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
        contacts: &Contacts,
        links: &Links,
    ) -> Result<(), S::Error> {
        if self.deadline().is_none_or(|due| due > turn.now.monotonic) {
            return Ok(());
        }
        let mut met = BTreeMap::new();
        let mut acquaintances = Vec::new();
        let may_meet =
            |address: &&Address| contacts.accepted(address) && links.policy(contacts, address) == Policy::All;
        let own = keys.identity.address.clone();
        for address in contacts.addresses().filter(may_meet).chain([&own]) {
            let Some(list) = keys.trust.list(turn.store, address)? else {
                continue;
            };
            for (device, entry) in list.devices() {
                if *device == keys.identity.device || met.len() >= MARKS_MAX {
                    continue;
                }
                if let Ok(secret) = PairSecret::of(&keys.identity.noise, &entry.noise) {
                    acquaintances.push(Acquaintance { device: *device, secret });
                    met.insert(*device, address.clone());
                }
            }
        }
        self.here.retain(|device| met.contains_key(device));
        self.met = Some(met);
        turn.effect(Effect::Overlay(OverlayOrder::Meet(acquaintances)));
        Ok(())
    }
}
