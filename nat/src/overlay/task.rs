//! One node: translates between libp2p and [`Meeting`], and begins anew each day.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, SystemTime};

use hobnob_wire::DeviceId;
use hobnob_wire::bounded::Opaque;
use hobnob_wire::overlay::{Mark, Node, OverlayAnswer, OverlayRequest, Tag};
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::futures::StreamExt;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{self, Message, OutboundRequestId, ResponseChannel};
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, PeerId, Swarm, identify, kad, mdns, relay};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::guard::{multiaddr, socket_address};
use super::node::{node, peer};
use super::swarm::{Behaviour, BehaviourEvent, TABLE, build, table_size};
use super::{Config, Event, Role, StartError, Status};
use crate::core::overlay::{Acquaintance, Meeting, Output};

/// How often a node without a neighbor in the hash table tries its first ones.
const JOIN_EVERY: Duration = Duration::from_secs(30);

/// Volunteers through which this node can be reached.
const RELAYS_MAX: usize = 2;

/// Nodes that the local network may name. Whoever names more does no good, and is heard no more.
const DISCOVERED_MAX: usize = 1_024;

/// Addresses that are believed of one node.
const ADDRESSES_MAX: usize = 8;

const DAY_S: u64 = 86_400;
/// Clocks may differ by so much.
const SKEW_S: u64 = 3_600;

/// What connects the task with its owner.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) contacts: watch::Receiver<Vec<Acquaintance>>,
    pub(super) signals: mpsc::Receiver<(DeviceId, Vec<u8>)>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) status: watch::Sender<Status>,
}

/// What a request that is under way asked.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Marks,
    Signal,
}

/// A node and what it waits for.
pub(super) struct Task {
    config: Config,
    ports: Ports,
    swarm: Swarm<Behaviour>,
    meeting: Meeting,
    began: Instant,
    day: u64,
    asked: HashMap<OutboundRequestId, (Node, Asked)>,
    searches: HashMap<kad::QueryId, Tag>,
    provided: BTreeSet<Tag>,
    /// Whether the hash table can be used yet.
    joined: bool,
    join_at: Instant,
    resolved: (mpsc::Sender<Multiaddr>, mpsc::Receiver<Multiaddr>),
    /// Addresses that led to a node.
    dialed: BTreeMap<PeerId, Multiaddr>,
    relays: HashMap<ListenerId, PeerId>,
}

fn unix_s() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

/// The days to look for tags on: today, and the one beside it near midnight.
fn days(now_s: u64) -> Vec<u32> {
    let day = |at_s: u64| u32::try_from(at_s / DAY_S).unwrap_or(u32::MAX);
    let mut days = vec![day(now_s), day(now_s.saturating_sub(SKEW_S)), day(now_s + SKEW_S)];
    days.dedup();
    if days.len() > 1 && days.last() == days.first() {
        days.pop();
    }
    days
}

impl Task {
    pub(super) fn start(config: Config, ports: Ports) -> Result<Self, StartError> {
        let (swarm, meeting) = begin(&config)?;
        let now = Instant::now();
        Ok(Self {
            config,
            ports,
            swarm,
            meeting,
            began: now,
            day: unix_s() / DAY_S,
            asked: HashMap::new(),
            searches: HashMap::new(),
            provided: BTreeSet::new(),
            joined: false,
            join_at: now,
            resolved: mpsc::channel(16),
            dialed: BTreeMap::new(),
            relays: HashMap::new(),
        })
    }

    /// Runs until its owner is gone.
    pub(super) async fn run(mut self) {
        self.ports.contacts.mark_changed();
        loop {
            let tick = self.meeting.deadline().map(|due| self.began + due);
            let wake = tick.unwrap_or(self.join_at).min(self.join_at);
            tokio::select! {
                event = self.swarm.select_next_some() => self.happened(event),
                changed = self.ports.contacts.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let contacts = self.ports.contacts.borrow_and_update().clone();
                    let now = self.now();
                    self.meeting.set_acquaintances(contacts, now);
                }
                Some((device, sealed)) = self.ports.signals.recv() => {
                    let now = self.now();
                    self.meeting.signal(device, sealed, now);
                }
                Some(address) = self.resolved.1.recv() => self.dial(address),
                () = sleep_until(wake) => {
                    if self.day_is_over() {
                        match self.renew() {
                            Ok(()) => {}
                            Err(error) => {
                                tracing::error!(%error, "The overlay has ended.");
                                return;
                            }
                        }
                    }
                    let now = self.now();
                    self.meeting.tick(now);
                    self.join();
                }
            }
            while let Some(output) = self.meeting.poll() {
                self.perform(output);
            }
            self.tell_status();
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn day_is_over(&self) -> bool {
        !matches!(self.config.role, Role::Bootstrap { .. }) && unix_s() / DAY_S != self.day
    }

    /// Begins as another node, so that nobody sees that the tags of two days belong together.
    fn renew(&mut self) -> Result<(), StartError> {
        let (swarm, meeting) = begin(&self.config)?;
        for device in self.meeting.here() {
            self.tell(Event::Lost(device));
        }
        (self.swarm, self.meeting) = (swarm, meeting);
        (self.began, self.join_at, self.joined) = (Instant::now(), Instant::now(), false);
        self.day = unix_s() / DAY_S;
        self.asked.clear();
        self.searches.clear();
        self.provided.clear();
        self.dialed.clear();
        self.relays.clear();
        self.ports.contacts.mark_changed();
        Ok(())
    }

    fn tell(&self, event: Event) {
        if self.ports.events.try_send(event).is_err() {
            tracing::debug!("Nobody takes the events of the overlay; one is dropped.");
        }
    }

    fn tell_status(&mut self) {
        let status = Status {
            listens: self.swarm.listeners().filter_map(socket_address).collect(),
            here: self.meeting.here(),
            table: table_size(&mut self.swarm),
            relays: self.relays.len(),
        };
        self.ports.status.send_if_modified(|told| {
            let changed = *told != status;
            *told = status;
            changed
        });
    }

    /// Dials the first nodes of the hash table while there is no neighbor.
    fn join(&mut self) {
        if self.join_at > Instant::now() {
            return;
        }
        self.join_at = Instant::now() + JOIN_EVERY;
        if self.joined {
            self.meeting.search_on(&days(unix_s()), self.began.elapsed());
        }
        if table_size(&mut self.swarm) > 0 {
            return;
        }
        for host in self.config.bootstrap.clone() {
            let found = self.resolved.0.clone();
            tokio::spawn(async move {
                match tokio::net::lookup_host(&host).await {
                    Ok(addresses) => {
                        for address in addresses.take(ADDRESSES_MAX) {
                            drop(found.try_send(multiaddr(address)));
                        }
                    }
                    Err(error) => {
                        tracing::debug!(%host, %error, "A first node of the overlay has no address.")
                    }
                }
            });
        }
    }

    fn dial(&mut self, address: Multiaddr) {
        let options = DialOpts::unknown_peer_id().address(address).build();
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(%error, "A first node of the overlay cannot be dialed.");
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Ask { node, marks } => self.ask(node, Asked::Marks, OverlayRequest::Marks(marks)),
            Output::Send { node, sealed } => match Opaque::new(sealed) {
                Ok(sealed) => self.ask(node, Asked::Signal, OverlayRequest::Signal(sealed)),
                Err(_) => self.settle(node, Asked::Signal, None),
            },
            Output::Seen(device) => self.tell(Event::Seen(device)),
            Output::Lost(device) => self.tell(Event::Lost(device)),
            Output::Received { device, sealed } => self.tell(Event::Signal { device, sealed }),
            Output::Provide(tags) => self.provide(tags),
            Output::Find(tag) => match self.swarm.behaviour_mut().table.as_mut() {
                Some(table) => {
                    let query = table.get_providers(key(&tag));
                    self.searches.insert(query, tag);
                }
                None => self.meeting.searched(&tag, self.began.elapsed()),
            },
        }
    }

    fn ask(&mut self, node: Node, asked: Asked, request: OverlayRequest) {
        match peer(&node) {
            Some(peer) => {
                let id = self.swarm.behaviour_mut().ask.send_request(&peer, request);
                self.asked.insert(id, (node, asked));
            }
            None => self.settle(node, asked, None),
        }
    }

    /// A request has come to its end.
    fn settle(&mut self, node: Node, asked: Asked, answer: Option<OverlayAnswer>) {
        let now = self.now();
        match asked {
            Asked::Marks => {
                let mark = match answer {
                    Some(OverlayAnswer::Mark(mark)) => Some(mark),
                    Some(OverlayAnswer::Taken(_)) | None => None,
                };
                self.meeting.answered(node, mark, now);
            }
            Asked::Signal => {
                let taken = match answer {
                    Some(OverlayAnswer::Taken(taken)) => Some(taken),
                    Some(OverlayAnswer::Mark(_)) | None => None,
                };
                self.meeting.taken(node, taken, now);
            }
        }
    }

    /// Is found under exactly these tags.
    fn provide(&mut self, tags: Vec<Tag>) {
        let tags: BTreeSet<Tag> = tags.into_iter().collect();
        let Some(table) = self.swarm.behaviour_mut().table.as_mut() else {
            return;
        };
        for tag in self.provided.difference(&tags) {
            table.stop_providing(&key(tag));
        }
        for tag in &tags {
            if let Err(error) = table.start_providing(key(tag)) {
                tracing::debug!(%error, "A contact cannot find us in the hash table.");
            }
        }
        self.provided = tags;
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "most of what a swarm tells is of no interest")]
    fn happened(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Ask(event)) => self.asked(event),
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(event)) => self.discovered(event),
            SwarmEvent::Behaviour(BehaviourEvent::Table(event)) => self.table_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => {
                self.identified(peer_id, &info);
            }
            SwarmEvent::ConnectionEstablished {
                peer_id,
                endpoint: ConnectedPoint::Dialer { address, .. },
                ..
            } => {
                self.dialed.insert(peer_id, address);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                self.dialed.remove(&peer_id);
            }
            SwarmEvent::ExternalAddrConfirmed { .. } => {
                // Who finds us from now on learns this address too.
                let tags = self.provided.iter().copied().collect();
                self.provide(tags);
            }
            SwarmEvent::ListenerClosed { listener_id, .. } => {
                self.relays.remove(&listener_id);
            }
            _ => {}
        }
    }

    fn asked(&mut self, event: request_response::Event<OverlayRequest, OverlayAnswer>) {
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                Message::Request { request, channel, .. } => self.answer(peer, request, channel),
                Message::Response { request_id, response } => {
                    if let Some((node, asked)) = self.asked.remove(&request_id) {
                        self.settle(node, asked, Some(response));
                    }
                }
            },
            request_response::Event::OutboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, %error, "A node of the overlay gave no answer.");
                let Some((node, asked)) = self.asked.remove(&request_id) else {
                    return;
                };
                self.settle(node, asked, None);
                let nearby = self.swarm.behaviour().mdns.as_ref();
                let nearby = nearby.is_some_and(|mdns| mdns.discovered_nodes().any(|known| *known == peer));
                if matches!(asked, Asked::Signal) && !nearby {
                    self.meeting.gone(node);
                }
            }
            request_response::Event::InboundFailure { peer, error, .. } => {
                tracing::debug!(%peer, %error, "A node of the overlay could not be answered.");
            }
            request_response::Event::ResponseSent { .. } => {}
        }
    }

    fn answer(&mut self, peer: PeerId, request: OverlayRequest, channel: ResponseChannel<OverlayAnswer>) {
        let Some(from) = node(&peer) else {
            return;
        };
        let now = self.now();
        let answer = match request {
            OverlayRequest::Marks(marks) => {
                let mark: Mark = self.meeting.asked(from, &marks, now);
                OverlayAnswer::Mark(mark)
            }
            OverlayRequest::Signal(sealed) => {
                OverlayAnswer::Taken(self.meeting.signalled(from, sealed.into_vec(), now))
            }
        };
        // Too late is as good as never: it will be asked again.
        let _ = self.swarm.behaviour_mut().ask.send_response(channel, answer);
    }

    fn discovered(&mut self, event: mdns::Event) {
        let now = self.now();
        match event {
            mdns::Event::Discovered(found) => {
                let peers: BTreeSet<PeerId> = found.into_iter().map(|(peer, _)| peer).collect();
                for node in peers.iter().filter_map(node) {
                    self.meeting.found(node, now);
                }
            }
            mdns::Event::Expired(gone) => {
                let peers: BTreeSet<PeerId> = gone.into_iter().map(|(peer, _)| peer).collect();
                let mdns = self.swarm.behaviour().mdns.as_ref();
                let still: BTreeSet<PeerId> =
                    mdns.into_iter().flat_map(|mdns| mdns.discovered_nodes().copied()).collect();
                for node in peers.difference(&still).filter_map(node) {
                    self.meeting.gone(node);
                }
            }
        }
        let mdns = &mut self.swarm.behaviour_mut().mdns;
        if mdns.as_ref().is_some_and(|mdns| mdns.discovered_nodes().len() > DISCOVERED_MAX) {
            tracing::warn!(
                "Somebody floods the local network with nodes; it is not searched for contacts any more."
            );
            *mdns = Toggle::from(None);
        }
    }

    fn identified(&mut self, peer: PeerId, info: &identify::Info) {
        let addresses = info.listen_addrs.iter().take(ADDRESSES_MAX);
        if info.protocols.contains(&TABLE)
            && let Some(table) = self.swarm.behaviour_mut().table.as_mut()
        {
            for address in addresses.clone().filter(|address| socket_address(address).is_some()) {
                table.add_address(&peer, address.clone());
            }
        }
        let reserved = self.relays.values().any(|relay| *relay == peer);
        if info.protocols.contains(&relay::HOP_PROTOCOL_NAME)
            && !matches!(self.config.role, Role::Bootstrap { .. })
            && self.relays.len() < RELAYS_MAX
            && !reserved
            && let Some(address) = self.dialed.get(&peer).or_else(|| addresses.clone().next())
        {
            let base = address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect::<Multiaddr>();
            let circuit = base.with(Protocol::P2p(peer)).with(Protocol::P2pCircuit);
            match self.swarm.listen_on(circuit) {
                Ok(listener) => {
                    self.relays.insert(listener, peer);
                }
                Err(error) => tracing::debug!(%peer, %error, "A volunteer cannot be used."),
            }
        }
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "most of what a table tells is of no interest")]
    fn table_event(&mut self, event: kad::Event) {
        let kad::Event::OutboundQueryProgressed { id, result, step, .. } = event else {
            return;
        };
        match result {
            kad::QueryResult::GetProviders(Ok(kad::GetProvidersOk::FoundProviders { key, providers })) => {
                self.found(id, &key, &providers);
            }
            kad::QueryResult::Bootstrap(_) if step.last && !self.joined => {
                self.joined = true;
                self.meeting.search_on(&days(unix_s()), self.began.elapsed());
            }
            _ => {}
        }
        if step.last
            && let Some(tag) = self.searches.remove(&id)
        {
            self.meeting.searched(&tag, self.began.elapsed());
        }
    }

    /// A search named providers.
    fn found(&mut self, query: kad::QueryId, key: &kad::RecordKey, providers: &HashSet<PeerId>) {
        let Some(tag) = self.searches.get(&query).copied() else {
            return;
        };
        // Of nodes that this one keeps itself nobody else tells the addresses.
        let kept = self.swarm.behaviour_mut().table.as_mut().map(|table| {
            use libp2p::kad::store::RecordStore;
            table.store_mut().providers(key)
        });
        for record in kept.into_iter().flatten() {
            for address in record.addresses {
                self.swarm.add_peer_address(record.provider, address);
            }
        }
        let (own, now) = (*self.swarm.local_peer_id(), self.now());
        for node in providers.iter().filter(|provider| **provider != own).filter_map(node) {
            self.meeting.provider(&tag, node, now);
        }
    }
}

/// A node with an identity of its own.
fn begin(config: &Config) -> Result<(Swarm<Behaviour>, Meeting), StartError> {
    let keys = Keypair::generate_ed25519();
    let swarm = build(&keys, config)?;
    let own = node(swarm.local_peer_id()).ok_or(StartError::Identity)?;
    let noise = keys.derive_secret(b"hobnob overlay noise").ok_or(StartError::Identity)?;
    Ok((swarm, Meeting::new(own, config.device, noise)))
}

fn key(tag: &Tag) -> kad::RecordKey {
    kad::RecordKey::new(tag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_midnight_the_day_beside_is_looked_at_too() {
        assert_eq!(days(100 * DAY_S + DAY_S / 2), [100]);
        assert_eq!(days(100 * DAY_S + SKEW_S - 1), [100, 99]);
        assert_eq!(days(100 * DAY_S + DAY_S - SKEW_S), [100, 101]);
        assert_eq!(days(0), [0]);
    }
}
