//! Which way each sealed copy goes.
//!
//! A copy goes over the link to its device when there is one, else to the mailbox at once. A link that
//! does not acknowledge within [`ACK_WAIT`], or is lost, is followed by the mailbox; without a session, by the link again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hobnob_wire::account::AccountRequest;
use hobnob_wire::bounded::List;
use hobnob_wire::letter::{Reached, Receipt};
use hobnob_wire::link::LinkFrame;
use hobnob_wire::mailbox::{LetterCopy, MailboxRequest};
use hobnob_wire::session::Request;
use hobnob_wire::{Address, DeviceId, LetterId, Refusal};

use super::compose;
use super::progress::{advance, fail, fail_unaddressed};
use super::seal::seal_waiting;
use crate::core::contact::Contacts;
use crate::core::effect::Effect;
use crate::core::input::{LinkId, RequestError};
use crate::core::keys::Keyring;
use crate::core::link::Links;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::turn::{Asked, Turn};
use crate::core::view::LetterState;

/// How long a link may take to acknowledge a letter before the mailbox takes over: longer than a Wi-Fi
/// roam, short enough for an author who waits.
const ACK_WAIT: Duration = Duration::from_secs(7);

/// How long to wait after a refusal that may pass.
const REFUSED_WAIT: Duration = Duration::from_secs(5);

/// How long to wait before a device that has no prekeys yet is asked for again.
const KEYLESS_WAIT: Duration = Duration::from_secs(10);

/// How long to wait before a full mailbox is tried again.
const FULL_WAIT: Duration = Duration::from_secs(60);

/// A copy of a letter: which letter, for which device.
type Key = (LetterId, DeviceId);

/// Where a sealed copy is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flight {
    /// On a link, until then.
    Link { link: LinkId, due: Duration },
    /// On a link that has not answered in time; the mailbox takes it, or the link once more while there is no session.
    Overdue { link: LinkId },
    /// On its way to the mailbox.
    Mailbox,
    /// Held back until then.
    Held { until: Duration },
}

/// The routes there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Routes<'a> {
    pub(crate) session_up: bool,
    pub(crate) links: &'a Links,
    pub(crate) contacts: &'a Contacts,
}

/// Copies on their way. What is lost with this memory is sent again, the same bytes.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    flights: BTreeMap<Key, Flight>,
    /// The rendezvous refused something that may pass: nothing is asked again until then.
    paused_until: Option<Duration>,
    /// Accounts whose devices were asked for in this session, so that a rendezvous that gives no list to
    /// trust is not asked for ever.
    asked: BTreeSet<Address>,
    /// Devices that have published no prekeys yet, and when to ask again: new ones are on the list a moment before.
    keyless: BTreeMap<DeviceId, Duration>,
    /// Copies whose deposit was refused because of one device among several: each goes alone now.
    alone: BTreeSet<Key>,
}

/// Asks for an account's devices.
pub(crate) fn ask_devices<S, E>(turn: &mut Turn<'_, S, E>, address: &Address) {
    let request = AccountRequest::Devices { address: address.clone() };
    turn.ask(Asked::Devices(address.clone()), Request::Account(request));
}

/// Whether trying again later may help.
const fn may_pass(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::InternalServerError
            | Refusal::ServiceUnavailable
            | Refusal::TooManyRequests
            | Refusal::RemoteServerTimeout
    )
}

impl Outbox {
    /// Seals and sends whatever can be sent now. Returns devices of contacts that are there but have no
    /// link, so that the talk goes direct from the next letter on.
    pub(crate) fn pump<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
        routes: Routes<'_>,
    ) -> Result<Vec<(Address, DeviceId)>, S::Error> {
        let may_ask = routes.session_up && self.paused_until.is_none();
        let (now, keyless) = (turn.now.monotonic, &self.keyless);
        let may_claim = |device| may_ask && keyless.get(&device).is_none_or(|until| *until <= now);
        seal_waiting(turn, keys, may_claim)?;
        if may_ask {
            for address in turn.store.unaddressed()? {
                if self.asked.insert(address.clone()) {
                    ask_devices(turn, &address);
                }
            }
        }
        let own = keys.identity.address.clone();
        let mut wanted = Vec::new();
        let mut deposits: Vec<(LetterId, Address, Vec<DeviceId>)> = Vec::new();
        for copy in turn.store.unsent()? {
            let key = (copy.letter, copy.device);
            match keys.trust.list(turn.store, &copy.address)?.map(|list| list.device(copy.device)) {
                None => continue,
                Some(None) => {
                    fail(turn, &own, key, Refusal::UnknownDevice)?;
                    continue;
                }
                Some(Some(_)) => {}
            }
            let link = routes.links.up(copy.device);
            let on_link = match self.flights.get(&key) {
                None => link,
                Some(Flight::Overdue { .. }) => link.filter(|_| !routes.session_up),
                Some(_) => continue,
            };
            if let Some(link) = on_link {
                self.send_on_link(turn, key, link)?;
            } else if routes.session_up {
                self.flights.insert(key, Flight::Mailbox);
                let alone = self.alone.contains(&key);
                let same = |(letter, to, _): &&mut (LetterId, Address, Vec<DeviceId>)| {
                    !alone && *letter == copy.letter && *to == copy.address
                };
                match deposits.iter_mut().find(same) {
                    Some((_, _, devices)) => devices.push(copy.device),
                    None => deposits.push((copy.letter, copy.address, vec![copy.device])),
                }
            } else if routes.links.nearby(copy.device) {
                wanted.push((copy.address, copy.device));
            }
        }
        for (letter, to, devices) in deposits {
            if routes.contacts.online(&to) {
                wanted.extend(devices.iter().map(|device| (to.clone(), *device)));
            }
            self.deposit(turn, letter, to, devices)?;
        }
        Ok(wanted)
    }

    fn send_on_link<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        key: Key,
        link: LinkId,
    ) -> Result<(), S::Error> {
        if let Some(sealed) = turn.store.sealed(key.0, key.1)? {
            let frame = Box::new(LinkFrame::Letter { letter: key.0, sealed });
            turn.effect(Effect::SendFrame { link, frame });
            self.flights.insert(key, Flight::Link { link, due: turn.now.monotonic + ACK_WAIT });
        }
        Ok(())
    }

    fn deposit<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        letter: LetterId,
        to: Address,
        devices: Vec<DeviceId>,
    ) -> Result<(), S::Error> {
        let mut copies = Vec::with_capacity(devices.len());
        for device in &devices {
            if let Some(sealed) = turn.store.sealed(letter, *device)? {
                copies.push(LetterCopy { device: *device, sealed });
            }
        }
        // An account has no more devices than a deposit may address.
        if let Ok(copies) = List::new(copies) {
            let request = MailboxRequest::Deposit { to: to.clone(), letter, copies };
            turn.ask(Asked::Deposit(letter, to, devices), Request::Mailbox(request));
        }
        Ok(())
    }

    /// A deposit was answered.
    pub(crate) fn deposited<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        own: &Address,
        (letter, to, devices): (LetterId, Address, Vec<DeviceId>),
        result: Result<(), RequestError>,
    ) -> Result<(), S::Error> {
        let several = devices.len() > 1;
        for device in devices {
            let key = (letter, device);
            // The device itself may have acknowledged meanwhile.
            self.flights.remove(&key);
            match result {
                Ok(()) => {
                    self.alone.remove(&key);
                    advance(turn, own, key, LetterState::Accepted)?;
                }
                Err(RequestError::SessionLost) => {}
                Err(RequestError::Refused(refusal)) => {
                    self.deposit_refused(turn, own, key, (refusal, several))?;
                    if refusal == Refusal::UnknownDevice {
                        ask_devices(turn, &to);
                    }
                }
            }
        }
        Ok(())
    }

    fn deposit_refused<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        own: &Address,
        key: Key,
        (refusal, several): (Refusal, bool),
    ) -> Result<(), S::Error> {
        let now = turn.now.monotonic;
        let full = refusal == Refusal::ResourceConstraint;
        // The list that is asked for then will say whether the device is gone.
        let gone = refusal == Refusal::UnknownDevice;
        let until = if several && (full || gone) {
            self.alone.insert(key);
            now
        } else if full {
            now + FULL_WAIT
        } else if gone || may_pass(refusal) {
            now + REFUSED_WAIT
        } else {
            return fail(turn, own, key, refusal);
        };
        self.flights.insert(key, Flight::Held { until });
        Ok(())
    }

    /// A prekey was refused: what waits for the device is tried later or has failed.
    pub(crate) fn prekey_refused<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        own: &Address,
        (address, device): (&Address, DeviceId),
        refusal: Refusal,
    ) -> Result<(), S::Error> {
        if may_pass(refusal) {
            self.pause(turn.now.monotonic);
            return Ok(());
        }
        if refusal == Refusal::ItemNotFound {
            self.keyless.insert(device, turn.now.monotonic + KEYLESS_WAIT);
            return Ok(());
        }
        for letter in turn.store.unsealed(device, usize::MAX)? {
            fail(turn, own, (letter, device), refusal)?;
        }
        ask_devices(turn, address);
        Ok(())
    }

    /// An account's devices were refused: what waits for them is asked again later or has failed.
    pub(crate) fn devices_refused<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        own: &Address,
        address: &Address,
        refusal: Refusal,
    ) -> Result<(), S::Error> {
        self.asked.remove(address);
        if may_pass(refusal) {
            self.pause(turn.now.monotonic);
            return Ok(());
        }
        fail_unaddressed(turn, own, address, refusal)
    }

    fn pause(&mut self, now: Duration) {
        self.paused_until = Some(now + REFUSED_WAIT);
    }

    /// A session came up: everything may be asked again.
    pub(crate) fn session_up(&mut self) {
        self.asked.clear();
        self.alone.clear();
        self.keyless.clear();
        self.paused_until = None;
    }

    /// A device acknowledged a letter on its link.
    pub(crate) fn acknowledged<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        own: &Address,
        key: Key,
    ) -> Result<(), S::Error> {
        if !matches!(self.flights.get(&key), Some(Flight::Mailbox)) {
            self.flights.remove(&key);
        }
        advance(turn, own, key, LetterState::Delivered)?;
        Ok(())
    }

    /// A receipt came from a device of `from`.
    pub(crate) fn receipt<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        own: &Address,
        (from, device): (&Address, DeviceId),
        receipt: &Receipt,
    ) -> Result<(), S::Error> {
        let state = match receipt.reached {
            Reached::Delivered => LetterState::Delivered,
            Reached::Read => LetterState::Read,
        };
        for letter in receipt.letters.iter() {
            let key = (*letter, device);
            if turn.store.copy(key.0, key.1)?.is_some_and(|copy| copy.address == *from) {
                advance(turn, own, key, state)?;
            }
        }
        Ok(())
    }

    /// A link is gone: what was on it goes another way.
    pub(crate) fn link_down(&mut self, gone: LinkId) {
        self.flights.retain(|_, flight| match flight {
            Flight::Link { link, .. } | Flight::Overdue { link } => *link != gone,
            Flight::Mailbox | Flight::Held { .. } => true,
        });
    }

    /// Time has passed. Whether something may go on now.
    pub(crate) fn tick(&mut self, now: Duration) -> bool {
        let mut changed = false;
        for flight in self.flights.values_mut() {
            if let Flight::Link { link, due } = *flight
                && due <= now
            {
                *flight = Flight::Overdue { link };
                changed = true;
            }
        }
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
            changed = true;
        }
        let keyless = self.keyless.len();
        self.keyless.retain(|_, until| *until > now);
        changed |= self.keyless.len() != keyless;
        let before = self.flights.len();
        self.flights.retain(|_, flight| !matches!(flight, Flight::Held { until } if *until <= now));
        changed || self.flights.len() != before
    }

    /// When [`Self::tick`] is due.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let due = |flight: &Flight| match flight {
            Flight::Link { due, .. } => Some(*due),
            Flight::Held { until } => Some(*until),
            Flight::Overdue { .. } | Flight::Mailbox => None,
        };
        let keyless = self.keyless.values().copied();
        self.flights.values().filter_map(due).chain(self.paused_until).chain(keyless).min()
    }
}

/// An account's devices are known, or trusted again: letters that waited for them are addressed.
pub(crate) fn readdress<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    keys: &mut Keyring,
    address: &Address,
) -> Result<(), S::Error> {
    for letter in turn.store.take_unaddressed(address)? {
        compose::address(turn.store, keys, letter, address)?;
    }
    Ok(())
}
