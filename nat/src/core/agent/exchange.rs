//! Keeps the two sides' words of the current exchange of signals and of the one before, whose keys still count until the
//! new ones are known to both.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hobnob_wire::datagram::DatagramKey;
use hobnob_wire::ids::AttemptId;
use hobnob_wire::signal::{CandidateKind, Mapping};

use super::input::{Exchange, Local, Remote};
use super::way::Policy;
use super::window::Window;
use crate::core::candidate;

/// Authentic checks in [`FLOOD_WINDOW`] after which the peer is asked to stop. No honest schedule comes near.
const FLOOD_CHECKS: u32 = 600;
const FLOOD_WINDOW: Duration = Duration::from_secs(10);

/// Addresses that nobody told and that are taken up at once: a peer has few. Two hard NATs without filters show each check
/// from another port, so checking each back would never end.
const DISCOVERIES_MAX: u32 = 16;
/// How long until another may be.
const DISCOVERY_EVERY: Duration = Duration::from_secs(30);

/// What the peer told, as far as it may be used.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) key: DatagramKey,
    pub(super) mapping: Mapping,
    pub(super) candidates: Vec<(CandidateKind, SocketAddr)>,
    /// Where the rendezvous hears the peer.
    pub(super) witnessed: Option<IpAddr>,
    pub(super) at: Duration,
}

/// One exchange of signals.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) own: Exchange,
    pub(super) told: Option<Told>,
    pub(super) began: Duration,
    /// The peer did something that only somebody who is there now can do.
    pub(super) vouched: bool,
    /// The peer wants no more checks.
    pub(super) stopped: bool,
    window: Window,
    flood: (Duration, u32),
    /// Unknown addresses that may still be taken up, and when the last was.
    discoveries: (u32, Duration),
}

/// What an authentic check is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is to be answered.
    Fresh,
    /// It was heard before, or it is one of too many.
    Ignored,
    /// It is the first of too many.
    Flood,
}

impl Generation {
    fn new(own: Exchange, now: Duration) -> Self {
        Self {
            own,
            told: None,
            began: now,
            vouched: false,
            stopped: false,
            window: Window::default(),
            flood: (now, 0),
            discoveries: (DISCOVERIES_MAX, now),
        }
    }

    fn tell(&mut self, remote: Remote, local: &Local, now: Duration) {
        let candidates = match self.own.policy {
            Policy::RelayOnly => Vec::new(),
            policy @ (Policy::All | Policy::NoLan) => {
                candidate::usable(&remote.candidates, local.loopback, policy)
            }
        };
        let Remote { key, mapping, witnessed, .. } = remote;
        self.told = Some(Told { key, mapping, candidates, witnessed, at: now });
    }

    /// An authentic check came from an address that nobody told. Whether it is to be checked back.
    pub(super) fn discover(&mut self, now: Duration) -> bool {
        let (left, last) = self.discoveries;
        let more = now.saturating_sub(last).as_secs() / DISCOVERY_EVERY.as_secs();
        let left = left.saturating_add(u32::try_from(more).unwrap_or(u32::MAX)).min(DISCOVERIES_MAX);
        if left == 0 {
            return false;
        }
        self.discoveries = (left - 1, now);
        true
    }

    /// An authentic request came.
    pub(super) fn hear(&mut self, transaction: u64, now: Duration) -> Heard {
        if !self.window.admit(transaction) {
            return Heard::Ignored;
        }
        self.vouched = true;
        if now.saturating_sub(self.flood.0) >= FLOOD_WINDOW {
            self.flood = (now, 0);
        }
        self.flood.1 = self.flood.1.saturating_add(1);
        match self.flood.1 {
            ..FLOOD_CHECKS => Heard::Fresh,
            FLOOD_CHECKS => Heard::Flood,
            _ => Heard::Ignored,
        }
    }
}

/// The current exchange and the one before.
#[derive(Debug, Default)]
pub(super) struct Generations {
    current: Option<Generation>,
    previous: Option<Generation>,
    early: Option<Remote>,
}

impl Generations {
    /// We signalled. Whether both sides' words are there now.
    pub(super) fn begin(&mut self, own: Exchange, local: &Local, now: Duration) -> bool {
        if let Some(current) = self.current.as_mut().filter(|current| current.own.attempt == own.attempt) {
            current.own = own;
        } else {
            let before = self.current.replace(Generation::new(own, now));
            if before.as_ref().is_some_and(|before| before.told.is_some()) {
                self.previous = before;
            }
        }
        match self.early.take() {
            Some(remote) => self.tell(remote, local, now),
            None => self.current().is_some_and(|current| current.told.is_some()),
        }
    }

    /// The peer signalled. Whether both sides' words are there now.
    pub(super) fn tell(&mut self, remote: Remote, local: &Local, now: Duration) -> bool {
        match self.current.as_mut().filter(|current| current.own.attempt == remote.attempt) {
            Some(current) => {
                // When our signal was first, this one answers it, so the peer is there now.
                current.vouched |= now > current.began && current.told.is_none();
                current.tell(remote, local, now);
                true
            }
            None => {
                self.early = Some(remote);
                false
            }
        }
    }

    /// The newest exchange.
    pub(super) const fn current(&self) -> Option<&Generation> {
        self.current.as_ref()
    }

    /// The newest exchange.
    pub(super) const fn current_mut(&mut self) -> Option<&mut Generation> {
        self.current.as_mut()
    }

    /// The newest exchange in which the peer can be checked, with what it told.
    pub(super) fn complete(&self) -> Option<(&Generation, &Told)> {
        let all = self.current.iter().chain(&self.previous);
        all.filter_map(|one| one.told.as_ref().map(|told| (one, told))).next()
    }

    /// The exchange of `attempt`.
    pub(super) fn find(&mut self, attempt: AttemptId) -> Option<&mut Generation> {
        let mut all = self.current.iter_mut().chain(&mut self.previous);
        all.find(|one| one.own.attempt == attempt)
    }

    /// What the user allows.
    pub(super) fn policy(&self) -> Policy {
        self.current().map_or(Policy::All, |current| current.own.policy)
    }
}
