//! Signals: what is said to agree on a link, and what follows from what is heard.

use std::net::{IpAddr, SocketAddr};

use hobnob_nat::core::agent::{Policy, Remote};
use hobnob_nat::core::candidate::outside;
use hobnob_wire::bounded::{List, Opaque};
use hobnob_wire::codec::{decode, encode};
use hobnob_wire::datagram::Channel;
use hobnob_wire::keys::AgreementKey;
use hobnob_wire::noise::{open_signal, seal_signal, signal_context};
use hobnob_wire::session::Request;
use hobnob_wire::signal::{Signal, SignalDelivery, SignalKind, SignalRequest, TransportAddress};
use hobnob_wire::{Address, AttemptId, DeviceId};

use super::Links;
use super::attempt::{Attempt, State};
use super::policy::OwnSide;
use crate::core::contact::Contacts;
use crate::core::effect::{Effect, OverlayOrder, ReachOrder};
use crate::core::keys::Keyring;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::turn::{Asked, Turn};

impl Links {
    /// Our addresses, or what is known of the NAT before us, have changed: who has a link or is about to is told soon.
    pub(crate) fn set_own(&mut self, own: OwnSide) {
        self.own = own;
    }

    /// Somebody wants a link to a device. Nothing happens when there is one, or an attempt, or one failed
    /// just now.
    pub(crate) fn want<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
        contacts: &Contacts,
        (address, device): (&Address, DeviceId),
    ) -> Result<(), S::Error> {
        let now = turn.now.monotonic;
        let linked = self.links.values().any(|link| link.device == device);
        if linked
            || device == keys.identity.device
            || !self.attempts.may_try(device, now)
            || !self.exchanges.has_room()
        {
            return Ok(());
        }
        let id = AttemptId::new(turn.entropy.array());
        let policy = self.policy(contacts, address);
        if self.agree(turn, keys, (address, device, policy), (id, SignalKind::Offer))? {
            self.attempts.begin(id, Attempt::new(address.clone(), device, State::Offered, now));
        }
        Ok(())
    }

    /// Begins an exchange and says our part of it; `false` when the device is not known or not trusted.
    fn agree<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
        (address, device, policy): (&Address, DeviceId, Policy),
        (attempt, kind): (AttemptId, SignalKind),
    ) -> Result<bool, S::Error> {
        let Some(noise) = noise_key(turn.store, keys, address, device)? else {
            return Ok(false);
        };
        let linked = self.up(device).is_some();
        self.exchanges.begin(turn, (keys.identity.device, device, linked), (address, attempt, policy));
        Ok(self.say(turn, keys, (device, &noise), kind))
    }

    /// Under which policy an account may reach us.
    pub(crate) fn policy(&self, contacts: &Contacts, address: &Address) -> Policy {
        contacts.paths(address).unwrap_or(self.general)
    }

    /// Sends a signal in the exchange with a device; `false` when there is none.
    fn say<S, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &Keyring,
        (device, noise): (DeviceId, &AgreementKey),
        kind: SignalKind,
    ) -> bool {
        let nearby = self.nearby(device);
        let Some(known) = self.exchanges.of_mut(device) else {
            return false;
        };
        let (candidates, mapping) = known.tell(&self.own, turn.now.monotonic);
        let at = outside(&candidates).map(TransportAddress::from);
        let (attempt, key, to) = (known.attempt, known.key.clone(), known.address.clone());
        let own = &keys.identity;
        let context = signal_context((&own.address, own.device), (&to, device));
        let sealed = List::new(candidates)
            .ok()
            .and_then(|candidates| encode(&Signal { attempt, kind, key, mapping, candidates }).ok())
            .and_then(|signal| seal_signal(&own.noise, noise, &context, &signal).ok())
            .and_then(|sealed| Opaque::new(sealed).ok());
        let Some(sealed) = sealed else {
            return false;
        };
        if nearby {
            // Nobody answers for the other side here: it does so itself, or the attempt expires.
            turn.effect(Effect::Overlay(OverlayOrder::Signal { device, sealed: sealed.into_vec() }));
            return true;
        }
        let asked = match kind {
            SignalKind::Offer | SignalKind::Answer => Asked::Signal(attempt),
            SignalKind::Update => {
                known.updating();
                Asked::Update(device)
            }
        };
        turn.ask(asked, Request::Signal(SignalRequest { to, device, sealed, at }));
        true
    }

    /// Tells who must know that we can be reached elsewhere now.
    pub(super) fn update<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
        session_up: bool,
    ) -> Result<(), S::Error> {
        for device in self.exchanges.due_updates(&self.own, turn.now.monotonic) {
            if !session_up && !self.nearby(device) {
                continue;
            }
            let Some(address) = self.exchanges.of(device).map(|known| known.address.clone()) else {
                continue;
            };
            if let Some(noise) = noise_key(turn.store, keys, &address, device)? {
                self.say(turn, keys, (device, &noise), SignalKind::Update);
            } else if let Some(known) = self.exchanges.of_mut(device) {
                // Its links are being closed; there is nothing more to tell it.
                known.tell(&self.own, turn.now.monotonic);
            }
        }
        Ok(())
    }

    /// The rendezvous passed on an offer or an answer of ours; its relay forwards on this channel.
    pub(crate) fn passed_on<S, E>(
        &self,
        turn: &mut Turn<'_, S, E>,
        attempt: AttemptId,
        channel: Option<Channel>,
    ) {
        // Not of the attempts: a link may be up before this answer is here.
        if let Some(device) = self.exchanges.device_of(attempt) {
            self.channel(turn, device, channel);
        }
    }

    /// The rendezvous passed on an update of ours, or did not.
    pub(crate) fn update_answered<S, E>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        device: DeviceId,
        passed_on: Result<Option<Channel>, Lost>,
    ) {
        let Some(known) = self.exchanges.of_mut(device) else {
            return;
        };
        // Who has no session now tells us when it has one; with ours, it is said again.
        known.updated(passed_on == Err(Lost::Session));
        if let Ok(channel) = passed_on {
            self.channel(turn, device, channel);
        }
    }

    /// Where the relay of the rendezvous forwards to a device. It does not take over from a helper.
    fn channel<S, E>(&self, turn: &mut Turn<'_, S, E>, device: DeviceId, channel: Option<Channel>) {
        if self.exchanges.of(device).is_none_or(|known| known.helper.is_none()) {
            turn.effect(Effect::Reach(ReachOrder::Channel { device, channel }));
        }
    }

    /// A signal came from a device of a contact or of our own.
    pub(crate) fn signalled<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
        contacts: &Contacts,
        delivery: &SignalDelivery,
    ) -> Result<(), S::Error> {
        let from = (&delivery.from, delivery.device);
        let own = (&keys.identity.address, keys.identity.device);
        if from.1 == own.1 || (from.0 != own.0 && !contacts.accepted(from.0)) {
            return Ok(());
        }
        let context = signal_context(from, own);
        let Ok((signal, proved)) = open_signal(&keys.identity.noise, &context, delivery.sealed.as_slice())
        else {
            return Ok(());
        };
        // A replayed or foreign signal changes nothing: it must come from the device it says.
        if noise_key(turn.store, keys, from.0, from.1)? != Some(proved) {
            return Ok(());
        }
        let Ok(signal) = decode::<Signal>(&signal) else {
            return Ok(());
        };
        let now = turn.now.monotonic;
        let taken = match signal.kind {
            SignalKind::Offer => self.offered(turn, keys, contacts, (from, signal.attempt))?,
            SignalKind::Answer if self.attempts.answered(signal.attempt, from) => true,
            // A link over the relay may be up before the answer is here; it is as good as an update then.
            SignalKind::Answer | SignalKind::Update => {
                self.exchanges.of_mut(from.1).is_some_and(|known| known.takes_update(signal.attempt, now))
            }
        };
        if taken {
            let (device, channel) = (from.1, delivery.channel);
            let (attempt, kind) = (signal.attempt, signal.kind);
            let witnessed = delivery.at.map(|at| SocketAddr::from(at).ip());
            let remote = remote(signal, witnessed);
            turn.effect(Effect::Reach(ReachOrder::Remote { device, remote }));
            self.channel(turn, device, channel);
            let is_relayed = channel.is_some() && !self.attempts.has_failed(device);
            if kind != SignalKind::Update && !is_relayed {
                self.helpers.need(device, attempt, now);
            }
        }
        Ok(())
    }

    /// Answers an offer, unless that would be too much. Whether it was answered.
    fn offered<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
        contacts: &Contacts,
        ((address, device), id): ((&Address, DeviceId), AttemptId),
    ) -> Result<bool, S::Error> {
        let now = turn.now.monotonic;
        if !self.attempts.may_answer(address, now) || !self.exchanges.has_room() {
            return Ok(false);
        }
        let policy = self.policy(contacts, address);
        if !self.attempts.give_way(keys.identity.device, device)
            || !self.agree(turn, keys, (address, device, policy), (id, SignalKind::Answer))?
        {
            return Ok(false);
        }
        self.attempts.begin(id, Attempt::new(address.clone(), device, State::Agreed, now));
        Ok(true)
    }
}

/// Why an update was not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The session went down first.
    Session,
    /// The rendezvous refused it.
    Refused,
}

/// What a signal says, for whoever looks for a path.
fn remote(signal: Signal, witnessed: Option<IpAddr>) -> Remote {
    let Signal { attempt, key, mapping, candidates, .. } = signal;
    Remote { attempt, key, mapping, candidates: candidates.into_vec(), witnessed }
}

/// The Noise key of a device, when its account may be trusted.
pub(super) fn noise_key<S: Store>(
    store: &mut S,
    keys: &mut Keyring,
    address: &Address,
    device: DeviceId,
) -> Result<Option<AgreementKey>, S::Error> {
    let list = keys.trust.list(store, address)?;
    Ok(list.and_then(|list| list.device(device)).map(|device| device.noise))
}
