//! The agents of all peers, and what they want done.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hobnob_wire::datagram;
use hobnob_wire::ids::{AttemptId, DeviceId};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::{Event, PEERS_MAX};
use crate::core::agent::{
    Agent, Exchange, Input, Local, Output, PathKind, PathReport, Remote, SocketId, Way,
};
use crate::demux::usage::Usage;
use crate::demux::{Demux, PAUSE, address};

/// Attempts whose datagrams are still taken for one peer: the last one, and the one before it while both sides change over.
const ATTEMPTS_MAX: usize = 2;

/// How often an agent is told of traffic while there is some.
const TRAFFIC_EVERY: Duration = Duration::from_millis(50);

/// All peers that paths are looked after for.
#[derive(Debug)]
pub(super) struct Peers {
    demux: Arc<Demux>,
    events: broadcast::Sender<Event>,
    origin: Instant,
    peers: HashMap<DeviceId, Peer>,
    attempts: HashMap<AttemptId, DeviceId>,
    /// Whether the relay of the rendezvous is reached through the tunnel.
    tunnelled: bool,
    /// At whom our place is bound.
    bound: BTreeSet<Forwarder>,
    /// Sockets that agents want: how many for whom.
    wanted: Vec<(DeviceId, u16)>,
    /// When the agents are told of traffic again; `None` while there is none.
    traffic_due: Option<Instant>,
}

/// Who forwards to peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Forwarder {
    /// The relay of the rendezvous.
    Rendezvous,
    /// A device of a contact.
    Helper(DeviceId),
}

#[derive(Debug)]
struct Peer {
    agent: Agent,
    usage: Arc<Usage>,
    /// Who has a channel to it.
    forwarder: Option<Forwarder>,
    attempts: Vec<AttemptId>,
    sockets: Vec<SocketId>,
    /// What the agent was last told about traffic.
    told: Option<Instant>,
}

impl Peer {
    /// The agent does not know about the tunnel.
    fn report(&self, now: Duration, tunnelled: bool) -> PathReport {
        let mut report = self.agent.report(now);
        let by_rendezvous = self.forwarder == Some(Forwarder::Rendezvous);
        if tunnelled && by_rendezvous && report.kind == PathKind::Relayed {
            report.kind = PathKind::Tunnelled;
        }
        report
    }
}

impl Peers {
    pub(super) fn new(demux: Arc<Demux>, events: broadcast::Sender<Event>) -> Self {
        Self {
            demux,
            events,
            origin: Instant::now(),
            peers: HashMap::new(),
            attempts: HashMap::new(),
            tunnelled: false,
            bound: BTreeSet::new(),
            wanted: Vec::new(),
            traffic_due: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Whether anything is being sent to any peer.
    pub(super) fn are_busy(&self) -> bool {
        self.traffic_due.is_some()
    }

    /// Whether any peer may be reached by way of a forwarder.
    pub(super) fn use_forwarder(&self, forwarder: Forwarder) -> bool {
        self.peers.values().any(|peer| peer.forwarder == Some(forwarder))
    }

    /// When [`Self::tick`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let agents = self.peers.values().filter_map(|peer| peer.agent.deadline());
        agents.min().map(|due| self.origin + due).into_iter().chain(self.traffic_due).min()
    }

    /// The sockets that agents have asked for since the last call.
    pub(super) fn wanted_sockets(&mut self) -> Vec<(DeviceId, u16)> {
        std::mem::take(&mut self.wanted)
    }

    pub(super) fn exchange(&mut self, device: DeviceId, exchange: Exchange, own: &Local) {
        if self.meet(device, exchange.attempt, own) {
            self.drive(device, Input::Exchange(exchange));
        }
    }

    pub(super) fn remote(&mut self, device: DeviceId, remote: Remote, own: &Local) {
        if self.meet(device, remote.attempt, own) {
            self.drive(device, Input::Remote(remote));
        }
    }

    /// Somebody has a channel to a peer, or nobody any more.
    pub(super) fn channel(&mut self, device: DeviceId, forwarder: Option<Forwarder>, own: &Local) {
        let Some(peer) = self.find(device, own) else { return };
        peer.forwarder = forwarder;
        self.drive_relay(device);
    }

    /// All channels of a forwarder have ended.
    pub(super) fn drop_channels(&mut self, of: Forwarder) {
        for device in self.devices() {
            let Some(peer) = self.peers.get_mut(&device).filter(|peer| peer.forwarder == Some(of)) else {
                continue;
            };
            peer.forwarder = None;
            self.demux.route(|routes| routes.set_conduit(address::of_device(device), None));
            self.drive_relay(device);
        }
    }

    /// Whether a peer has a channel at a forwarder at whom we are bound.
    fn drive_relay(&mut self, device: DeviceId) {
        let forwarder = self.peers.get(&device).and_then(|peer| peer.forwarder);
        let is_bound = forwarder.is_some_and(|forwarder| self.bound.contains(&forwarder));
        self.drive(device, Input::Relay(is_bound));
    }

    /// Whether the relay is reached through the tunnel from now on.
    pub(super) fn tunnelled(&mut self, tunnelled: bool) {
        self.tunnelled = tunnelled;
    }

    /// Our place at a forwarder is bound, or no longer.
    pub(super) fn bound(&mut self, forwarder: Forwarder, is_bound: bool) {
        let changed = if is_bound { self.bound.insert(forwarder) } else { self.bound.remove(&forwarder) };
        if !changed {
            return;
        }
        for device in self.devices() {
            if self.peers.get(&device).is_some_and(|peer| peer.forwarder == Some(forwarder)) {
                self.drive_relay(device);
            }
        }
    }

    /// The own side has changed.
    pub(super) fn own(&mut self, own: &Local) {
        for device in self.devices() {
            self.drive(device, Input::Local(own.clone()));
        }
    }

    /// The machine has slept.
    pub(super) fn woke(&mut self) {
        for device in self.devices() {
            self.drive(device, Input::Woke);
        }
    }

    pub(super) fn datagram(&mut self, way: Way, unproved: datagram::Unproved<'_>) {
        let device = unproved.attempt().and_then(|attempt| self.attempts.get(&attempt)).copied();
        match device {
            Some(device) => self.drive(device, Input::Datagram { way, unproved }),
            None => tracing::trace!("a datagram of no attempt is ignored"),
        }
    }

    pub(super) fn sockets(&mut self, device: DeviceId, sockets: Vec<SocketId>) {
        match self.peers.get_mut(&device) {
            Some(peer) => {
                peer.sockets.extend(&sockets);
                self.drive(device, Input::Sockets(sockets));
            }
            // Forgotten meanwhile.
            None => sockets.into_iter().for_each(|id| self.demux.close_socket(id)),
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self) {
        let now = Instant::now();
        if self.traffic_due.is_some_and(|due| due <= now) {
            self.traffic();
        }
        let since_origin = now - self.origin;
        let due = |peer: &Peer| peer.agent.deadline().is_some_and(|due| due <= since_origin);
        let devices: Vec<_> =
            self.peers.iter().filter(|(_, peer)| due(peer)).map(|(device, _)| *device).collect();
        for device in devices {
            self.tell_traffic(device);
            self.drive(device, Input::Tick);
        }
    }

    /// Tells the agents of those peers that something was sent to lately, and comes back to it while there is any.
    pub(super) fn traffic(&mut self) {
        let now = Instant::now();
        let lately =
            |peer: &Peer| peer.usage.sent().is_some_and(|sent| now.duration_since(sent) <= 2 * PAUSE);
        let devices: Vec<_> =
            self.peers.iter().filter(|(_, peer)| lately(peer)).map(|(device, _)| *device).collect();
        self.traffic_due = (!devices.is_empty()).then(|| now + TRAFFIC_EVERY);
        for device in devices {
            self.tell_traffic(device);
        }
    }

    pub(super) fn forget(&mut self, device: DeviceId) {
        let Some(peer) = self.peers.remove(&device) else { return };
        self.attempts.retain(|_, of| *of != device);
        peer.sockets.into_iter().for_each(|id| self.demux.close_socket(id));
        self.demux.route(|routes| routes.forget(address::of_device(device)));
    }

    pub(super) fn report(&self, device: DeviceId) -> Option<PathReport> {
        Some(self.peers.get(&device)?.report(self.origin.elapsed(), self.tunnelled))
    }

    fn devices(&self) -> Vec<DeviceId> {
        self.peers.keys().copied().collect()
    }

    fn find(&mut self, device: DeviceId, own: &Local) -> Option<&mut Peer> {
        if !self.peers.contains_key(&device) {
            if self.peers.len() >= PEERS_MAX {
                tracing::warn!("there are too many peers: one is not reached");
                return None;
            }
            let now = self.origin.elapsed();
            let mut agent = Agent::new(now);
            agent.handle(Input::Local(own.clone()), now);
            let usage = self.demux.route(|routes| routes.usage(address::of_device(device)));
            let (attempts, sockets) = (Vec::new(), Vec::new());
            let peer = Peer { agent, usage, forwarder: None, attempts, sockets, told: None };
            self.peers.insert(device, peer);
        }
        self.peers.get_mut(&device)
    }

    /// Makes sure that datagrams of an attempt find their way to a peer's agent.
    fn meet(&mut self, device: DeviceId, attempt: AttemptId, own: &Local) -> bool {
        if self.attempts.get(&attempt).is_some_and(|of| *of != device) {
            // Attempts are random: somebody repeats what another has told.
            tracing::debug!(%device, "an attempt of another peer is ignored");
            return false;
        }
        let Some(peer) = self.find(device, own) else { return false };
        if peer.attempts.contains(&attempt) {
            return true;
        }
        if peer.attempts.len() == ATTEMPTS_MAX {
            let former = peer.attempts.remove(0);
            self.attempts.remove(&former);
        }
        let Some(peer) = self.peers.get_mut(&device) else { return false };
        peer.attempts.push(attempt);
        self.attempts.insert(attempt, device);
        self.drive_relay(device);
        true
    }

    fn tell_traffic(&mut self, device: DeviceId) {
        let Some(peer) = self.peers.get_mut(&device) else { return };
        let (sent, heard) = (peer.usage.sent(), peer.usage.heard());
        let latest = sent.max(heard);
        if latest == peer.told {
            return;
        }
        peer.told = latest;
        let since = |at: Option<Instant>| at.map(|at| at.saturating_duration_since(self.origin));
        let traffic = Input::Traffic { sent: since(sent), heard: since(heard) };
        self.drive(device, traffic);
    }

    /// Tells an agent something and does what it wants.
    fn drive(&mut self, device: DeviceId, input: Input<'_>) {
        let now = self.origin.elapsed();
        let Some(peer) = self.peers.get_mut(&device) else { return };
        peer.agent.handle(input, now);
        let at = address::of_device(device);
        let mut news = false;
        while let Some(output) = peer.agent.poll() {
            match output {
                Output::Send { way, bytes } => self.demux.send_beside(way, &bytes),
                Output::Admit(way) => self.demux.route(|routes| routes.admit(at, way)),
                Output::Dismiss(way) => self.demux.route(|routes| routes.dismiss(at, way)),
                Output::Select(selection) => {
                    self.demux.route(|routes| routes.select(at, selection));
                    news = true;
                }
                Output::Doubt(doubted) => self.demux.route(|routes| routes.doubt(at, doubted)),
                Output::OpenSockets(count) => self.wanted.push((device, count)),
                Output::CloseSocket(id) => {
                    peer.sockets.retain(|open| *open != id);
                    self.demux.close_socket(id);
                }
                Output::Signal => drop(self.events.send(Event::Signal(device))),
                Output::Note(note) => {
                    tracing::debug!(%device, %note, "path");
                    news = true;
                }
            }
        }
        if news && self.events.receiver_count() > 0 {
            let report = Arc::new(peer.report(now, self.tunnelled));
            // Without a reader nobody wants to know.
            let _ = self.events.send(Event::Report(device, report));
        }
    }
}
