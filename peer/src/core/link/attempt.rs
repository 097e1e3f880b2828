//! Attempts: how far an exchange of signals is, when it has failed, and how long to wait before the next.
//!
//! One side offers, the other answers, and both look for paths. The device with the smaller identifier dials as soon as
//! there is one, if only over the relay; the other waits for it.

use std::collections::BTreeMap;
use std::time::Duration;

use hobnob_nat::core::agent::PathKind;
use hobnob_wire::limits::DEVICES_MAX;
use hobnob_wire::{Address, AttemptId, DeviceId};

use super::signal::noise_key;
use super::{Links, hello};
use crate::core::effect::Effect;
use crate::core::keys::Keyring;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::turn::Turn;

/// An attempt that has not led to a link by then has failed.
pub(super) const ATTEMPT_WAIT: Duration = Duration::from_secs(10);

/// Wait after the first failure; doubles with each further one.
const BACKOFF_FIRST: Duration = Duration::from_secs(5);

/// Longest wait between attempts.
const BACKOFF_LONGEST: Duration = Duration::from_secs(300);

/// Attempts at a time. Each may cost checks of eight addresses.
pub(super) const ATTEMPTS_MAX: usize = 64;

/// Offers of one account that are answered within [`ATTEMPT_WAIT`]: one for each device that it may have. Each costs
/// one of our signals and some checks, of which others need some, too.
const ANSWERS_MAX: usize = DEVICES_MAX;

/// Devices whose failures are remembered.
const BACKOFFS_MAX: usize = 4_096;

#[derive(Clone, Debug)]
pub(super) struct Attempt {
    address: Address,
    device: DeviceId,
    expires: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// We offered; the other side has not answered.
    Offered,
    /// Both know where the other can be reached. Who dials waits for a path, who does not for the dial.
    Agreed,
    /// We dialed.
    Dialing,
}

#[derive(Clone, Copy, Debug)]
struct Backoff {
    failures: u32,
    until: Duration,
}

impl Attempt {
    pub(super) fn new(address: Address, device: DeviceId, state: State, now: Duration) -> Self {
        Self { address, device, expires: now + ATTEMPT_WAIT, state }
    }
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

    /// Devices that attempts lead to.
    pub(super) fn devices(&self) -> impl Iterator<Item = DeviceId> {
        self.open.values().map(|attempt| attempt.device)
    }

    pub(super) fn begin(&mut self, id: AttemptId, attempt: Attempt) {
        self.open.insert(id, attempt);
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
        self.open.values().map(|attempt| attempt.expires).min()
    }

    fn with(&self, device: DeviceId) -> Option<(AttemptId, &Attempt)> {
        self.open.iter().find(|(_, attempt)| attempt.device == device).map(|(id, attempt)| (*id, attempt))
    }

    pub(super) fn may_try(&self, device: DeviceId, now: Duration) -> bool {
        self.open.len() < ATTEMPTS_MAX
            && self.with(device).is_none()
            && self.backoffs.get(&device).is_none_or(|(_, backoff)| backoff.until <= now)
    }

    /// Whether the last attempt to reach a device has failed.
    pub(super) fn has_failed(&self, device: DeviceId) -> bool {
        self.backoffs.contains_key(&device)
    }

    /// Whether one more offer of an account is answered now.
    pub(super) fn may_answer(&mut self, address: &Address, now: Duration) -> bool {
        self.offers.retain(|_, (since, _)| now < *since + ATTEMPT_WAIT);
        let (_, offers) = self.offers.entry(address.clone()).or_insert((now, 0));
        *offers += 1;
        *offers <= ANSWERS_MAX
    }

    /// A device offers: its offer replaces what there is, unless both offered at once and ours counts, which is that of
    /// the smaller device. Whether the offer may be answered.
    pub(super) fn give_way(&mut self, own: DeviceId, device: DeviceId) -> bool {
        if let Some((id, open)) = self.with(device) {
            if open.state == State::Offered && own < device {
                return false;
            }
            self.open.remove(&id);
        }
        self.open.len() < ATTEMPTS_MAX
    }

    /// A device answers an offer. Whether it is the one that we made it.
    pub(super) fn answered(&mut self, id: AttemptId, from: (&Address, DeviceId)) -> bool {
        let open = self.open.get_mut(&id);
        let Some(attempt) = open
            .filter(|attempt| attempt.state == State::Offered && (&attempt.address, attempt.device) == from)
        else {
            return false;
        };
        attempt.state = State::Agreed;
        true
    }

    /// An attempt failed: the next waits longer.
    pub(super) fn failed(&mut self, id: AttemptId, now: Duration) {
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

    /// Gives up what took too long.
    fn expire(&mut self, now: Duration) {
        let expired = self.open.iter().filter(|(_, attempt)| attempt.expires <= now);
        for id in expired.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.failed(id, now);
        }
    }

    /// Attempts that we dial now, because there is a path.
    fn dial(
        &mut self,
        own: DeviceId,
        is_reached: impl Fn(DeviceId) -> bool,
    ) -> Vec<(AttemptId, Address, DeviceId)> {
        let mut due = Vec::new();
        for (id, attempt) in &mut self.open {
            if attempt.state == State::Agreed && own < attempt.device && is_reached(attempt.device) {
                attempt.state = State::Dialing;
                due.push((*id, attempt.address.clone(), attempt.device));
            }
        }
        due
    }
}

/// How long to wait after so many failures before the last.
fn backoff(failures: u32) -> Duration {
    BACKOFF_FIRST.saturating_mul(1 << failures.min(16)).min(BACKOFF_LONGEST)
}

impl Links {
    /// Dials what can be reached, gives up what took too long, tells who must know where we are, and forgets paths that
    /// nothing needs.
    pub(crate) fn tick<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
        session_up: bool,
    ) -> Result<(), S::Error> {
        self.give_up_handshakes(turn);
        self.attempts.expire(turn.now.monotonic);
        let exchanges = &self.exchanges;
        let is_reached = |device| exchanges.kind(device) != PathKind::None;
        for (attempt, address, device) in self.attempts.dial(keys.identity.device, is_reached) {
            let noise = noise_key(turn.store, keys, &address, device)?;
            if let (Some(noise), Some(hello)) = (noise, hello(turn.store, keys)?) {
                turn.effect(Effect::Dial { attempt, device, noise, hello });
            }
        }
        self.update(turn, keys, session_up)?;
        let linked = self.links.values().map(|link| link.device);
        let used = linked.chain(self.attempts.devices()).collect();
        self.exchanges.forget_unused(turn, &used);
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
    fn only_the_smaller_device_dials_and_not_before_there_is_a_path() {
        let (small, large) = (DeviceId::new([1; 16]), DeviceId::new([2; 16]));
        let (id, now) = (AttemptId::new([3; 16]), Duration::from_secs(1));
        let to = |device| {
            let mut attempts = Attempts::default();
            attempts.begin(id, Attempt::new("bob@localhost".parse().unwrap(), device, State::Agreed, now));
            attempts
        };
        assert_eq!(to(small).dial(large, |_| true), []);
        let mut attempts = to(large);
        assert_eq!(attempts.dial(small, |_| false), []);
        assert_eq!(attempts.dial(small, |_| true).len(), 1);
        assert_eq!(attempts.dial(small, |_| true), [], "once");
    }

    #[test]
    fn of_two_offers_at_once_that_of_the_smaller_device_counts() {
        let (small, large) = (DeviceId::new([1; 16]), DeviceId::new([2; 16]));
        let (id, now) = (AttemptId::new([3; 16]), Duration::from_secs(1));
        for (own, other, gives_way) in [(small, large, false), (large, small, true)] {
            let mut attempts = Attempts::default();
            attempts.begin(id, Attempt::new("bob@localhost".parse().unwrap(), other, State::Offered, now));
            assert_eq!(attempts.give_way(own, other), gives_way);
            assert_eq!(attempts.open.is_empty(), gives_way);
        }
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
}
