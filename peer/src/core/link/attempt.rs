//! How a link comes to be: an offer and an answer through the rendezvous, then both sides dial, the
//! device with the smaller identifier first.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hobnob_wire::bounded::{List, Opaque};
use hobnob_wire::codec::{decode, encode};
use hobnob_wire::datagram::DatagramKey;
use hobnob_wire::keys::AgreementKey;
use hobnob_wire::limits::DEVICES_MAX;
use hobnob_wire::noise::{open_signal, seal_signal, signal_context};
use hobnob_wire::session::Request;
use hobnob_wire::signal::{
    Candidate, CandidateKind, Mapping, Signal, SignalDelivery, SignalKind, SignalRequest,
};
use hobnob_wire::{Address, AttemptId, DeviceId};

use super::{Links, hello};
use crate::core::contact::Contacts;
use crate::core::effect::Effect;
use crate::core::keys::Keyring;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::turn::{Asked, Turn};

/// An attempt that has not led to a link by then has failed.
const ATTEMPT_WAIT: Duration = Duration::from_secs(10);

/// The device with the larger identifier leaves the other so much time to dial first, so that two links
/// are the exception.
const SECOND_DIAL_WAIT: Duration = Duration::from_millis(300);

/// Wait after the first failure; doubles with each further one.
const BACKOFF_FIRST: Duration = Duration::from_secs(5);

/// Longest wait between attempts.
const BACKOFF_LONGEST: Duration = Duration::from_secs(300);

/// Attempts at a time. Each may cost a dial to eight addresses.
const ATTEMPTS_MAX: usize = 64;

/// Offers of one account that are answered within [`ATTEMPT_WAIT`]: one for each device that it may have. Each costs
/// one of our signals and a dial, of which others need some, too.
const ANSWERS_MAX: usize = DEVICES_MAX;

/// Devices whose failures are remembered.
const BACKOFFS_MAX: usize = 4_096;

#[derive(Clone, Debug)]
struct Attempt {
    address: Address,
    device: DeviceId,
    expires: Duration,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// We offered; the other side has not answered.
    Offered,
    /// Both know each other's candidates; dialed then, unless there is a link.
    Due { at: Duration, candidates: Vec<SocketAddr> },
    /// We dialed.
    Dialing,
}

#[derive(Clone, Copy, Debug)]
struct Backoff {
    failures: u32,
    until: Duration,
}

/// Attempts under way, and those that failed.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    open: BTreeMap<AttemptId, Attempt>,
    backoffs: BTreeMap<DeviceId, (Address, Backoff)>,
    /// Accounts that offered lately: since when, and how often.
    offers: BTreeMap<Address, (Duration, usize)>,
}

impl Attempts {
    /// Whom an attempt leads to.
    pub(super) fn target(&self, id: AttemptId) -> Option<(&Address, DeviceId)> {
        self.open.get(&id).map(|attempt| (&attempt.address, attempt.device))
    }

    /// There is a link to the device.
    pub(super) fn succeeded(&mut self, device: DeviceId) {
        self.open.retain(|_, attempt| attempt.device != device);
        self.backoffs.remove(&device);
    }

    /// Nothing about an account matters any more.
    pub(super) fn forget(&mut self, address: &Address) {
        self.open.retain(|_, attempt| attempt.address != *address);
        self.backoffs.retain(|_, (known, _)| known != address);
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        let due = |attempt: &Attempt| match &attempt.state {
            State::Due { at, .. } => (*at).min(attempt.expires),
            State::Offered | State::Dialing => attempt.expires,
        };
        self.open.values().map(due).min()
    }

    fn with(&self, device: DeviceId) -> Option<(AttemptId, &Attempt)> {
        self.open.iter().find(|(_, attempt)| attempt.device == device).map(|(id, attempt)| (*id, attempt))
    }

    fn may_try(&self, device: DeviceId, now: Duration) -> bool {
        self.open.len() < ATTEMPTS_MAX
            && self.with(device).is_none()
            && self.backoffs.get(&device).is_none_or(|(_, backoff)| backoff.until <= now)
    }

    /// Whether one more offer of an account is answered now.
    fn may_answer(&mut self, address: &Address, now: Duration) -> bool {
        self.offers.retain(|_, (since, _)| now < *since + ATTEMPT_WAIT);
        let (_, offers) = self.offers.entry(address.clone()).or_insert((now, 0));
        *offers += 1;
        *offers <= ANSWERS_MAX
    }

    /// An attempt failed: the next waits longer.
    fn failed(&mut self, id: AttemptId, now: Duration) {
        let Some(attempt) = self.open.remove(&id) else {
            return;
        };
        if self.backoffs.len() >= BACKOFFS_MAX {
            self.backoffs.retain(|_, (_, backoff)| backoff.until > now);
        }
        if self.backoffs.len() < BACKOFFS_MAX {
            let failures = self.backoffs.get(&attempt.device).map_or(0, |(_, backoff)| backoff.failures);
            let until = now + backoff(failures);
            let next = Backoff { failures: failures.saturating_add(1), until };
            self.backoffs.insert(attempt.device, (attempt.address, next));
        }
    }
}

/// How long to wait after so many failures before the last.
fn backoff(failures: u32) -> Duration {
    BACKOFF_FIRST.saturating_mul(1 << failures.min(16)).min(BACKOFF_LONGEST)
}

/// When to dial: at once, or after the other device had its chance.
fn dial_at(own: DeviceId, other: DeviceId, now: Duration) -> Duration {
    if own < other { now } else { now + SECOND_DIAL_WAIT }
}

impl Links {
    /// Somebody wants a link to a device. Nothing happens when there is one, or an attempt, or one failed
    /// just now.
    pub(crate) fn want<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
        address: &Address,
        device: DeviceId,
    ) -> Result<(), S::Error> {
        let now = turn.now.monotonic;
        let linked = self.links.values().any(|link| link.device == device);
        if linked || device == keys.identity.device || !self.attempts.may_try(device, now) {
            return Ok(());
        }
        let id = AttemptId::new(turn.entropy.array());
        if self.signal(turn, keys, (address, device), (id, SignalKind::Offer))? {
            let attempt = Attempt {
                address: address.clone(),
                device,
                expires: now + ATTEMPT_WAIT,
                state: State::Offered,
            };
            self.attempts.open.insert(id, attempt);
        }
        Ok(())
    }

    /// Sends a signal; `false` when the device is not known or not trusted.
    fn signal<S: Store, E: Entropy>(
        &self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
        (address, device): (&Address, DeviceId),
        (attempt, kind): (AttemptId, SignalKind),
    ) -> Result<bool, S::Error> {
        let Some(noise) = noise_key(turn.store, keys, address, device)? else {
            return Ok(false);
        };
        let host = |at: &SocketAddr| Candidate { kind: CandidateKind::Host, at: (*at).into() };
        let candidates = self.candidates.iter().map(host).collect();
        let (key, mapping) = (DatagramKey::new(turn.entropy.array()), Mapping::Unknown);
        let own = &keys.identity;
        let context = signal_context((&own.address, own.device), (address, device));
        let sealed = List::new(candidates)
            .ok()
            .and_then(|candidates| encode(&Signal { attempt, kind, key, mapping, candidates }).ok())
            .and_then(|signal| seal_signal(&own.noise, &noise, &context, &signal).ok())
            .and_then(|sealed| Opaque::new(sealed).ok());
        let Some(sealed) = sealed else {
            return Ok(false);
        };
        let request = SignalRequest { to: address.clone(), device, sealed };
        turn.ask(Asked::Signal(attempt), Request::Signal(request));
        Ok(true)
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
        match signal.kind {
            SignalKind::Offer => self.offered(turn, keys, from, &signal),
            // Paths do not move yet.
            SignalKind::Update => Ok(()),
            SignalKind::Answer => {
                self.answered(turn, keys.identity.device, from, &signal);
                Ok(())
            }
        }
    }

    fn offered<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
        (address, device): (&Address, DeviceId),
        signal: &Signal,
    ) -> Result<(), S::Error> {
        let (own, now) = (keys.identity.device, turn.now.monotonic);
        if !self.attempts.may_answer(address, now) {
            return Ok(());
        }
        if let Some((id, open)) = self.attempts.with(device) {
            // Both offered at once: the offer of the smaller device counts.
            if matches!(open.state, State::Offered) && own < device {
                return Ok(());
            }
            self.attempts.open.remove(&id);
        }
        if self.attempts.open.len() >= ATTEMPTS_MAX
            || !self.signal(turn, keys, (address, device), (signal.attempt, SignalKind::Answer))?
        {
            return Ok(());
        }
        let at = dial_at(own, device, now);
        let attempt = Attempt {
            address: address.clone(),
            device,
            expires: now + ATTEMPT_WAIT,
            state: State::Due { at, candidates: candidates(signal) },
        };
        self.attempts.open.insert(signal.attempt, attempt);
        Ok(())
    }

    fn answered<S, E>(
        &mut self,
        turn: &Turn<'_, S, E>,
        own: DeviceId,
        (address, device): (&Address, DeviceId),
        signal: &Signal,
    ) {
        if let Some(attempt) = self.attempts.open.get_mut(&signal.attempt)
            && matches!(attempt.state, State::Offered)
            && (&attempt.address, attempt.device) == (address, device)
        {
            let at = dial_at(own, device, turn.now.monotonic);
            attempt.state = State::Due { at, candidates: candidates(signal) };
        }
    }

    /// Dials what is due and gives up what took too long.
    pub(crate) fn tick<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
    ) -> Result<(), S::Error> {
        let now = turn.now.monotonic;
        self.give_up_handshakes(turn);
        let expired = self.attempts.open.iter().filter(|(_, attempt)| attempt.expires <= now);
        for id in expired.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.attempts.failed(id, now);
        }
        for (id, attempt) in &mut self.attempts.open {
            let State::Due { at, candidates } = &mut attempt.state else {
                continue;
            };
            if *at > now {
                continue;
            }
            // A link that is on its way is not dialed against; it may fail yet.
            if self.links.values().any(|link| link.device == attempt.device) {
                *at = now + SECOND_DIAL_WAIT;
                continue;
            }
            let candidates = std::mem::take(candidates);
            attempt.state = State::Dialing;
            let noise = noise_key(turn.store, keys, &attempt.address, attempt.device)?;
            if let (Some(noise), Some(hello)) = (noise, hello(turn.store, keys)?)
                && !candidates.is_empty()
            {
                turn.effect(Effect::Dial { attempt: *id, candidates, noise, hello });
            }
        }
        Ok(())
    }

    /// A dial failed, or a signal could not be passed on.
    pub(crate) fn attempt_failed(&mut self, id: AttemptId, now: Duration) {
        self.attempts.failed(id, now);
    }

    /// A contact has just come: there is a new chance.
    pub(crate) fn came_online(&mut self, address: &Address) {
        self.attempts.backoffs.retain(|_, (known, _)| known != address);
    }
}

fn candidates(signal: &Signal) -> Vec<SocketAddr> {
    signal.candidates.iter().map(|candidate| candidate.at.into()).filter(usable).collect()
}

/// Whether an address may be dialed: a signal must not make us send to privileged ports, groups or
/// nowhere.
fn usable(candidate: &SocketAddr) -> bool {
    let ip = candidate.ip();
    candidate.port() >= 1_024 && !ip.is_multicast() && !ip.is_unspecified()
}

/// The Noise key of a device, when its account may be trusted.
fn noise_key<S: Store>(
    store: &mut S,
    keys: &mut Keyring,
    address: &Address,
    device: DeviceId,
) -> Result<Option<AgreementKey>, S::Error> {
    let list = keys.trust.list(store, address)?;
    Ok(list.and_then(|list| list.device(device)).map(|device| device.noise))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_between_attempts_double_up_to_five_minutes() {
        let waits: Vec<u64> = (0..8).map(|failures| backoff(failures).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(backoff(u32::MAX), BACKOFF_LONGEST);
    }

    #[test]
    fn the_smaller_device_dials_at_once_and_the_larger_a_little_later() {
        let (small, large) = (DeviceId::new([1; 16]), DeviceId::new([2; 16]));
        let now = Duration::from_secs(1);
        assert_eq!(dial_at(small, large, now), now);
        assert_eq!(dial_at(large, small, now), now + Duration::from_millis(300));
    }

    #[test]
    fn an_account_that_offers_without_end_is_answered_only_so_often() {
        let mut attempts = Attempts::default();
        let [mallory, bob] = ["mallory@localhost", "bob@localhost"].map(|text| text.parse().unwrap());
        let now = Duration::from_secs(1);
        let answered =
            |attempts: &mut Attempts, now| (0..1_000).filter(|_| attempts.may_answer(&mallory, now)).count();
        assert_eq!(answered(&mut attempts, now), ANSWERS_MAX);
        assert!(attempts.may_answer(&bob, now));
        assert_eq!(answered(&mut attempts, now + ATTEMPT_WAIT / 2), 0);
        assert_eq!(answered(&mut attempts, now + ATTEMPT_WAIT), ANSWERS_MAX);
    }

    #[test]
    fn privileged_ports_and_groups_are_not_dialed() {
        for (address, good) in [
            ("192.0.2.1:7000", true),
            ("[2001:db8::1]:1024", true),
            ("127.0.0.1:40000", true),
            ("192.0.2.1:53", false),
            ("224.0.0.251:5353", false),
            ("0.0.0.0:7000", false),
        ] {
            assert_eq!(usable(&address.parse().unwrap()), good, "{address}");
        }
    }
}
