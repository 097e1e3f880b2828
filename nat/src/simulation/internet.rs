//! Hosts, routers and lines, and the packets between them.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::behavior::Behavior;
use super::link::{Link, Shape};
use super::nat::Nat;
use super::random::Random;
use super::realm::{Holder, Realm, RealmId, Router, RouterId};

/// A packet crosses at most this many networks.
const HOPS_MAX: u8 = 16;
/// Packets that one record keeps at most; later ones are not kept.
const RECORDED_MAX: usize = 10_000;

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP. NATs treat it like UDP; connections are not followed.
    Tcp,
}

/// A packet. Its addresses change on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What it carries.
    pub protocol: Protocol,
    /// The sender, as the place where the packet is sees it.
    pub source: SocketAddr,
    /// The recipient, likewise.
    pub destination: SocketAddr,
    /// What is carried; not looked at.
    pub content: Vec<u8>,
    /// Bytes on the line, all headers included.
    pub wire_bytes: usize,
}

impl Packet {
    /// A UDP packet.
    #[must_use]
    pub fn udp(source: SocketAddr, destination: SocketAddr, content: Vec<u8>) -> Self {
        let headers = if destination.is_ipv4() { 28 } else { 48 };
        let wire_bytes = content.len() + headers;
        Self { protocol: Protocol::Udp, source, destination, content, wire_bytes }
    }
}

/// A host of an [`Internet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(usize);

/// What a host has sent and received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that it sent, lost ones included.
    pub sent_packets: u64,
    /// Their bytes on the line.
    pub sent_bytes: u64,
    /// Packets that arrived.
    pub received_packets: u64,
    /// Their bytes on the line.
    pub received_bytes: u64,
}

#[derive(Debug)]
struct Host {
    realm: RealmId,
    addresses: Vec<IpAddr>,
    up: Link,
    down: Link,
    counts: Counts,
}

/// Where a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// In a realm, to be routed.
    Realm { realm: RealmId, from_host: bool },
    /// At the outer side of a router.
    Router(RouterId),
    /// At its destination.
    Host(HostId),
}

#[derive(Debug)]
struct Event {
    at: Duration,
    number: u64,
    origin: HostId,
    hops: u8,
    stage: Stage,
    packet: Packet,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// An Internet. Time is given to it and must not go back.
#[derive(Debug)]
pub struct Internet {
    random: Random,
    realms: Vec<Realm>,
    routers: Vec<Router>,
    hosts: Vec<Host>,
    severed: BTreeSet<(HostId, HostId)>,
    events: BinaryHeap<Reverse<Event>>,
    number: u64,
    recorded: Option<(HostId, Vec<Packet>)>,
}

impl Internet {
    /// An Internet without hosts. The same seed and the same calls give the same Internet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            realms: vec![Realm::default()],
            routers: Vec::new(),
            hosts: Vec::new(),
            severed: BTreeSet::new(),
            events: BinaryHeap::new(),
            number: 0,
            recorded: None,
        }
    }

    /// Adds a network behind a NAT that has `address` in `outer`. The line between them is the same in both directions.
    pub fn add_router(
        &mut self,
        outer: RealmId,
        address: IpAddr,
        behavior: Behavior,
        line: &Shape,
    ) -> RealmId {
        let inner = RealmId(self.realms.len());
        self.realms.push(Realm { isolated: behavior.isolates, ..Realm::default() });
        let router = self.router(behavior, Some(address), [outer, inner], line);
        self.realms[inner.0].set_gateway(address, router);
        self.realms[outer.0].holders.insert(address, Holder::Router(router));
        inner
    }

    /// Gives the network `inner` IPv6 through a firewall that changes no addresses. To be called before hosts are added.
    pub fn add_firewall(&mut self, outer: RealmId, inner: RealmId, behavior: Behavior, line: &Shape) {
        let router = self.router(behavior, None, [outer, inner], line);
        self.realms[inner.0].set_gateway(Ipv6Addr::UNSPECIFIED.into(), router);
    }

    /// Adds a network without a way out.
    pub fn add_realm(&mut self) -> RealmId {
        self.realms.push(Realm::default());
        RealmId(self.realms.len() - 1)
    }

    /// Adds a host. Its line is the same in both directions. IPv6 addresses in a network without a firewall lead nowhere.
    pub fn add_host(&mut self, realm: RealmId, addresses: &[IpAddr], line: &Shape) -> HostId {
        let id = HostId(self.hosts.len());
        let (up, down) = (self.link(line), self.link(line));
        self.hosts.push(Host { realm, addresses: Vec::new(), up, down, counts: Counts::default() });
        self.move_host(id, realm, addresses);
        id
    }

    /// The host is in this network now, with these addresses.
    pub fn move_host(&mut self, host: HostId, realm: RealmId, addresses: &[IpAddr]) {
        for known in &mut self.realms {
            known.holders.retain(|ip, holder| match holder {
                Holder::Host(other) => *other != host,
                Holder::Router(_) => !self.hosts[host.0].addresses.contains(ip),
            });
        }
        self.hosts[host.0].realm = realm;
        self.hosts[host.0].addresses = addresses.to_vec();
        for &ip in addresses {
            self.realms[realm.0].holders.insert(ip, Holder::Host(host));
            self.announce(realm, ip);
        }
    }

    /// Changes a host's line, in both directions.
    pub fn reshape(&mut self, host: HostId, up: Shape, down: Shape) {
        self.hosts[host.0].up.reshape(up);
        self.hosts[host.0].down.reshape(down);
    }

    /// Lets no packet of one of two hosts reach the other any more; what goes through a third host is not touched.
    pub fn sever(&mut self, one: HostId, other: HostId) {
        self.severed.extend([(one, other), (other, one)]);
    }

    /// Undoes [`Internet::sever`].
    pub fn mend(&mut self, one: HostId, other: HostId) {
        self.severed.remove(&(one, other));
        self.severed.remove(&(other, one));
    }

    /// Restarts the routers of a network: mappings and permissions are gone.
    pub fn restart_routers(&mut self, inner: RealmId) {
        for router in self.routers.iter_mut().filter(|router| router.inner == inner) {
            router.nat.forget();
        }
    }

    /// Mappings in all routers of a network.
    #[must_use]
    pub fn mappings(&self, inner: RealmId) -> usize {
        self.routers.iter().filter(|router| router.inner == inner).map(|router| router.nat.mappings()).sum()
    }

    /// The network that a host is in.
    #[must_use]
    pub fn realm(&self, host: HostId) -> RealmId {
        self.hosts[host.0].realm
    }

    /// A host's addresses, the preferred ones of each family first.
    #[must_use]
    pub fn addresses(&self, host: HostId) -> &[IpAddr] {
        &self.hosts[host.0].addresses
    }

    /// What a host has sent and received.
    #[must_use]
    pub fn counts(&self, host: HostId) -> Counts {
        self.hosts[host.0].counts
    }

    /// Keeps what this host sends, from now on.
    pub fn record(&mut self, host: HostId) {
        self.recorded = Some((host, Vec::new()));
    }

    /// What has been kept, as it left the host.
    pub fn take_record(&mut self) -> Vec<Packet> {
        self.recorded.take().map(|(_, packets)| packets).unwrap_or_default()
    }

    /// A host sends a packet, from whatever address it likes.
    pub fn send(&mut self, host: HostId, packet: Packet, now: Duration) {
        if let Some((_, packets)) =
            self.recorded.as_mut().filter(|(of, packets)| *of == host && packets.len() < RECORDED_MAX)
        {
            packets.push(packet.clone());
        }
        let sender = &mut self.hosts[host.0];
        sender.counts.sent_packets += 1;
        sender.counts.sent_bytes += packet.wire_bytes as u64;
        let realm = sender.realm;
        let event = Event {
            at: now,
            number: 0,
            origin: host,
            hops: 0,
            stage: Stage::Realm { realm, from_host: true },
            packet,
        };
        if sender.addresses.contains(&event.packet.destination.ip()) {
            self.schedule([Some(now), None], Event { stage: Stage::Host(host), ..event });
            return;
        }
        let carried = sender.up.carry(now, event.packet.wire_bytes);
        self.schedule(carried, event);
    }

    /// The next packet that has arrived by `now`, and where.
    pub fn poll(&mut self, now: Duration) -> Option<(HostId, Packet)> {
        while self.events.peek().is_some_and(|Reverse(event)| event.at <= now) {
            let Reverse(event) = self.events.pop()?;
            match event.stage {
                Stage::Realm { realm, from_host } => self.route(event, realm, from_host),
                Stage::Router(router) => self.enter(event, router),
                Stage::Host(id) => {
                    let host = &mut self.hosts[id.0];
                    if host.addresses.contains(&event.packet.destination.ip()) {
                        host.counts.received_packets += 1;
                        host.counts.received_bytes += event.packet.wire_bytes as u64;
                        return Some((id, event.packet));
                    }
                }
            }
        }
        None
    }

    /// When [`Internet::poll`] has something to do next.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.events.peek().map(|Reverse(event)| event.at)
    }

    /// Moves a packet on within a realm.
    fn route(&mut self, mut event: Event, id: RealmId, from_host: bool) {
        if event.hops == HOPS_MAX {
            return;
        }
        event.hops += 1;
        let realm = &self.realms[id.0];
        let to = event.packet.destination;
        let bytes = event.packet.wire_bytes;
        match realm.holders.get(&to.ip()) {
            Some(Holder::Host(host)) => {
                let kept_apart = from_host && realm.isolated;
                if kept_apart || self.severed.contains(&(event.origin, *host)) {
                    return;
                }
                let host = *host;
                let carried = self.hosts[host.0].down.carry(event.at, bytes);
                self.schedule(carried, Event { stage: Stage::Host(host), ..event });
            }
            Some(Holder::Router(router)) => {
                let router = *router;
                let carried = self.routers[router.0].down.carry(event.at, bytes);
                self.schedule(carried, Event { stage: Stage::Router(router), ..event });
            }
            None => {
                if let Some(router) = realm.gateway(to.ip()) {
                    self.leave(event, router);
                }
            }
        }
    }

    /// A packet from inside is at a router.
    fn leave(&mut self, mut event: Event, id: RouterId) {
        let router = &mut self.routers[id.0];
        let Packet { protocol, source, destination, wire_bytes, .. } = event.packet;
        let is_hairpin = router.nat.address() == Some(destination.ip());
        if is_hairpin && !router.nat.behavior().hairpin {
            return;
        }
        let Some(outside) = router.nat.outbound(event.at, protocol, source, destination) else {
            return;
        };
        event.packet.source = outside;
        let (at, outer) = (event.at, router.outer);
        if is_hairpin {
            self.enter(event, id);
            return;
        }
        let carried = router.up.carry(at, wire_bytes);
        self.schedule(carried, Event { stage: Stage::Realm { realm: outer, from_host: false }, ..event });
    }

    /// A packet from outside is at a router.
    fn enter(&mut self, mut event: Event, id: RouterId) {
        let router = &mut self.routers[id.0];
        let Packet { protocol, source, destination, .. } = event.packet;
        let Some(inside) = router.nat.inbound(event.at, protocol, source, destination) else {
            return;
        };
        event.packet.destination = inside;
        let stage = Stage::Realm { realm: router.inner, from_host: false };
        self.schedule([Some(event.at), None], Event { stage, ..event });
    }

    fn schedule(&mut self, carried: [Option<Duration>; 2], event: Event) {
        let [first, second] = carried;
        if let Some(at) = second {
            let packet = event.packet.clone();
            self.number += 1;
            self.events.push(Reverse(Event { at, number: self.number, packet, ..event }));
        }
        if let Some(at) = first {
            self.number += 1;
            self.events.push(Reverse(Event { at, number: self.number, ..event }));
        }
    }

    /// Makes an address behind a firewall known in the networks before it.
    fn announce(&mut self, mut realm: RealmId, ip: IpAddr) {
        while let Some(id) = self.realms[realm.0].gateway(ip) {
            let router = &self.routers[id.0];
            if router.nat.address().is_some() {
                return;
            }
            realm = router.outer;
            self.realms[realm.0].holders.insert(ip, Holder::Router(id));
        }
    }

    fn router(
        &mut self,
        behavior: Behavior,
        address: Option<IpAddr>,
        [outer, inner]: [RealmId; 2],
        line: &Shape,
    ) -> RouterId {
        let nat = Nat::new(behavior, address, Random::new(self.random.number()));
        let (up, down) = (self.link(line), self.link(line));
        self.routers.push(Router { nat, outer, inner, up, down });
        RouterId(self.routers.len() - 1)
    }

    fn link(&mut self, line: &Shape) -> Link {
        Link::new(line.clone(), Random::new(self.random.number()))
    }
}

/// The first address of a family, the one that packets leave from.
pub(super) fn preferred(addresses: &[IpAddr]) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
    let v4 = addresses.iter().find_map(|ip| if let IpAddr::V4(ip) = ip { Some(*ip) } else { None });
    let v6 = addresses.iter().find_map(|ip| if let IpAddr::V6(ip) = ip { Some(*ip) } else { None });
    (v4, v6)
}
