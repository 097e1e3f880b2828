//! Two agents, the NATs before them, and a network that delays, loses, doubles and reorders, all in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hobnob_wire::datagram::{self, DatagramKey, is_beside_quic};
use hobnob_wire::ids::AttemptId;
use hobnob_wire::signal::{Candidate, CandidateKind};

use super::super::random::Random;
use super::super::{
    Agent, Exchange, Input, Local, Output, PathKind, PathReport, Policy, Remote, Role, Selection, SocketId,
    Way,
};
use super::nat::{Kind, Nat};
use crate::core::candidate::{self, Loopback};
use crate::core::mapping::{self, Observation};

pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What the network between the sides does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// From A to B and from B to A.
    pub(super) delay_ms: [u64; 2],
    pub(super) jitter_ms: u64,
    pub(super) loss_percent: u64,
    pub(super) double_percent: u64,
}

pub(super) const FAST: Link = Link { delay_ms: [20, 20], jitter_ms: 0, loss_percent: 0, double_percent: 0 };

#[derive(Clone, Debug)]
enum Event {
    Packet { from: SocketAddr, to: SocketAddr, bytes: Vec<u8>, at: usize },
    Signal { to: usize, remote: Remote },
    RelayHeard { side: usize },
    Sockets { side: usize, count: u16 },
    Talk { side: usize, until: Duration, every: Duration },
}

#[derive(Debug)]
pub(super) struct Side {
    pub(super) agent: Agent,
    pub(super) ips: Vec<IpAddr>,
    /// The NATs before it, from the inner to the outer, by index.
    pub(super) nats: Vec<usize>,
    pub(super) sockets: BTreeMap<SocketId, u16>,
    pub(super) admitted: BTreeSet<Way>,
    pub(super) selection: Selection,
    pub(super) selected: Vec<(Duration, Selection)>,
    pub(super) outputs: Vec<Output>,
    pub(super) policy: Policy,
    pub(super) key: DatagramKey,
    /// Its clock minus the world's.
    pub(super) skew: Duration,
    pub(super) sent: BTreeMap<IpAddr, (u32, u32)>,
    pub(super) bytes: u64,
    pub(super) heard: Option<Duration>,
    pub(super) quic_sent: Option<Duration>,
    next_socket: u16,
    pub(super) relay: bool,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Duration,
    pub(super) sides: [Side; 2],
    pub(super) nats: Vec<Nat>,
    pub(super) link: Link,
    /// Packets from this side are lost.
    pub(super) cut: [bool; 2],
    queue: BTreeMap<(Duration, u64), Event>,
    random: Random,
    counted: u64,
    attempts: u8,
    /// Packets of either side, for replaying.
    pub(super) captured: Vec<(usize, Way, Vec<u8>)>,
}

/// Where reflectors listen.
const REFLECTORS: [&str; 3] = ["203.0.113.1:7700", "203.0.113.1:7701", "203.0.113.2:7700"];

impl World {
    /// Both sides in networks of their own, behind these NATs or none.
    pub(super) fn new(kinds: [Option<Kind>; 2], seed: u64) -> Self {
        let public: [IpAddr; 2] = ["198.51.100.1".parse().unwrap(), "192.0.2.1".parse().unwrap()];
        let private: [IpAddr; 2] = ["192.168.1.5".parse().unwrap(), "10.7.8.9".parse().unwrap()];
        let mut nats = Vec::new();
        let mut side = |index: usize| {
            let behind = kinds[index].map(|kind| {
                nats.push(Nat::new(kind, public[index], seed.wrapping_mul(31) + index as u64));
                nats.len() - 1
            });
            let ip = if behind.is_some() { private[index] } else { public[index] };
            Side::new(vec![ip], behind.into_iter().collect(), index)
        };
        let sides = [side(A), side(B)];
        Self {
            now: Duration::from_secs(1),
            sides,
            nats,
            link: FAST,
            cut: [false; 2],
            queue: BTreeMap::new(),
            random: Random::new(seed),
            counted: 0,
            attempts: 0,
            captured: Vec::new(),
        }
    }

    /// What reflectors and interfaces tell a side about itself.
    pub(super) fn look(&mut self, side: usize) -> Local {
        let port = self.sides[side].sockets[&SocketId::MAIN];
        let hosts: Vec<SocketAddr> =
            self.sides[side].ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        let own = hosts.iter().find(|at| at.is_ipv4()).copied();
        let mut observations = Vec::new();
        for (fresh_socket, reflector) in [(false, 0), (false, 1), (false, 2), (true, 0)] {
            let reflector: SocketAddr = REFLECTORS[reflector].parse().unwrap();
            let Some(own) = own else {
                break;
            };
            let from = if fresh_socket { SocketAddr::new(own.ip(), port + 1000) } else { own };
            let chain = self.sides[side].nats.clone();
            let seen = chain.iter().fold(from, |from, nat| self.nats[*nat].outbound(from, reflector));
            observations.push(Observation { fresh_socket, reflector, seen });
        }
        let kind = |kind, at: SocketAddr| Candidate { kind, at: at.into() };
        let mut candidates: Vec<Candidate> = hosts.iter().map(|at| kind(CandidateKind::Host, *at)).collect();
        for one in observations.iter().filter(|one| !one.fresh_socket).rev() {
            if candidates.iter().all(|known| SocketAddr::from(known.at) != one.seen) {
                candidates.push(kind(CandidateKind::Reflexive, one.seen));
            }
        }
        Local { candidates, mapping: mapping::classify(&observations, &hosts), loopback: Loopback::Forbidden }
    }

    /// A offers now, B answers; the signals take the way over the rendezvous, as long as the links.
    pub(super) fn exchange(&mut self) {
        self.attempts += 1;
        for side in [A, B] {
            let local = self.look(side);
            self.give(side, Input::Local(local));
        }
        self.begin(A);
        self.offer(A);
    }

    pub(super) fn attempt(&self) -> AttemptId {
        AttemptId::new([self.attempts; 16])
    }

    fn begin(&mut self, side: usize) {
        let key = DatagramKey::new([self.attempts * 2 + u8::try_from(side).unwrap(); 32]);
        self.sides[side].key = key.clone();
        let role = if side == A { Role::Controlling } else { Role::Controlled };
        let (attempt, policy) = (self.attempt(), self.sides[side].policy);
        let seed = self.random.below(u64::MAX);
        self.give(side, Input::Exchange(Exchange { attempt, role, policy, own_key: key, seed }));
        let relay = self.sides[side].relay;
        self.give(side, Input::Relay(relay));
    }

    /// Tells the other side where `side` is.
    pub(super) fn offer(&mut self, side: usize) {
        let local = self.look(side);
        let candidates = candidate::offered(&local.candidates, self.sides[side].policy);
        let remote = Remote {
            attempt: self.attempt(),
            key: self.sides[side].key.clone(),
            mapping: local.mapping,
            witnessed: candidate::outside(&candidates).map(|at| at.ip()),
            candidates,
        };
        self.later(self.link.delay_ms[side], Event::Signal { to: 1 - side, remote });
    }

    fn later(&mut self, delay_ms: u64, event: Event) {
        self.counted += 1;
        self.queue.insert((self.now + ms(delay_ms), self.counted), event);
    }

    fn local_now(&self, side: usize) -> Duration {
        self.now + self.sides[side].skew
    }

    /// Gives a side an input and performs what it wants.
    pub(super) fn give(&mut self, side: usize, input: Input<'_>) {
        let now = self.local_now(side);
        self.sides[side].agent.handle(input, now);
        while let Some(output) = self.sides[side].agent.poll() {
            self.perform(side, &output);
            if !matches!(output, Output::Send { .. }) {
                self.sides[side].outputs.push(output);
            }
        }
    }

    fn perform(&mut self, side: usize, output: &Output) {
        let now = self.now;
        let this = &mut self.sides[side];
        match output {
            Output::Send { way, bytes } => {
                let count = this.sent.entry(way.to.ip()).or_default();
                count.0 += 1;
                count.1 += u32::try_from(bytes.len()).unwrap() + way.header_bytes();
                self.captured.push((side, *way, bytes.clone()));
                self.send(side, *way, bytes);
            }
            Output::Admit(way) => assert!(this.admitted.insert(*way), "admitted twice: {way}"),
            Output::Dismiss(way) => assert!(this.admitted.remove(way), "never admitted: {way}"),
            Output::Select(selection) => {
                this.selection = *selection;
                this.selected.push((now, *selection));
                (this.heard, this.quic_sent) = (None, None);
            }
            Output::OpenSockets(count) => self.later(1, Event::Sockets { side, count: *count }),
            Output::CloseSocket(id) => assert!(this.sockets.remove(id).is_some()),
            Output::Signal => self.offer(side),
            Output::Doubt(_) | Output::Note(_) => {}
        }
    }

    /// Puts a datagram into the network.
    pub(super) fn send(&mut self, side: usize, way: Way, bytes: &[u8]) {
        let this = &mut self.sides[side];
        let port = *this.sockets.get(&way.via).unwrap_or_else(|| {
            panic!("{way} is closed: {:#?}", this.agent.report(self.now + this.skew).notes)
        });
        this.bytes += bytes.len() as u64 + u64::from(way.header_bytes());
        let Some(ip) = this.ips.iter().find(|ip| ip.is_ipv4() == way.to.is_ipv4()) else {
            return;
        };
        let mut from = SocketAddr::new(*ip, port);
        let chain = if way.to.is_ipv4() { this.nats.clone() } else { Vec::new() };
        let other = &self.sides[1 - side];
        let is_neighbor =
            !chain.is_empty() && other.nats.first() == chain.first() && other.ips.contains(&way.to.ip());
        if !is_neighbor {
            for nat in chain {
                from = self.nats[nat].outbound(from, way.to);
                if way.to.ip() == self.nats[nat].outside {
                    if !self.nats[nat].kind.hairpin {
                        return;
                    }
                    break;
                }
            }
            if candidate::is_local(way.to.ip()) && !self.nats.iter().any(|nat| nat.outside == way.to.ip()) {
                return;
            }
        }
        if self.cut[side] || self.random.below(100) < self.link.loss_percent {
            return;
        }
        let copies = if self.random.below(100) < self.link.double_percent { 2 } else { 1 };
        for _ in 0..copies {
            let delay = if is_neighbor { 1 } else { self.link.delay_ms[side] };
            let delay = delay + self.random.below(self.link.jitter_ms + 1);
            self.later(delay, Event::Packet { from, to: way.to, bytes: bytes.to_vec(), at: 1 - side });
        }
    }

    fn arrive(&mut self, at: usize, from: SocketAddr, mut to: SocketAddr, bytes: &[u8]) {
        for nat in self.sides[at].nats.iter().rev() {
            if self.nats[*nat].outside == to.ip() {
                match self.nats[*nat].inbound(from, to) {
                    Some(inside) => to = inside,
                    None => return,
                }
            }
        }
        let this = &self.sides[at];
        let socket = this.sockets.iter().find(|(_, port)| **port == to.port()).map(|(id, _)| *id);
        let Some(via) = socket.filter(|_| this.ips.contains(&to.ip())) else {
            return;
        };
        self.receive(at, Way::new(via, from), bytes);
    }

    /// A side receives a datagram.
    pub(super) fn receive(&mut self, side: usize, way: Way, bytes: &[u8]) {
        self.sides[side].bytes += bytes.len() as u64 + u64::from(way.header_bytes());
        if is_beside_quic(bytes[0]) {
            if let Ok(unproved) = datagram::parse(bytes) {
                self.give(side, Input::Datagram { way, unproved });
            }
        } else if self.sides[side].admitted.contains(&way) {
            let now = self.local_now(side);
            if self.sides[side].selection == Selection::Direct(way) {
                self.sides[side].heard = Some(now);
            }
            if bytes[0] == 0x41 {
                self.quic(side, 0x40);
            }
        }
    }

    /// Sends QUIC over the selection: 0x41 asks for an answer, 0x40 does not.
    fn quic(&mut self, side: usize, first: u8) {
        let now = self.local_now(side);
        if let Selection::Direct(way) = self.sides[side].selection {
            self.sides[side].quic_sent = Some(now);
            self.send(side, way, &[first; 40]);
        }
    }

    /// Both sides send all the time from now on.
    pub(super) fn talk(&mut self, lasts: Duration, every: Duration) {
        for side in [A, B] {
            let until = self.now + lasts;
            self.later(0, Event::Talk { side, until, every });
        }
    }

    /// Runs for a while.
    pub(super) fn run(&mut self, lasts: Duration) {
        let end = self.now + lasts;
        let mut idle = 0_u32;
        loop {
            let deadline = |side: usize| {
                let due = self.sides[side].agent.deadline()?;
                Some((due.saturating_sub(self.sides[side].skew).max(self.now), side))
            };
            let due = [A, B].into_iter().filter_map(deadline).min();
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let next = event.into_iter().chain(due.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            idle = if next > self.now { 0 } else { idle + 1 };
            assert!(idle < 1_000, "time stands still at {next:?}");
            self.now = next;
            if event == Some(next) {
                let (_, event) = self.queue.pop_first().unwrap();
                self.happen(event);
            } else if let Some((_, side)) = due {
                self.traffic(side);
                self.give(side, Input::Tick);
            }
        }
    }

    fn traffic(&mut self, side: usize) {
        let this = &self.sides[side];
        let (sent, heard) = (this.quic_sent, this.heard);
        if sent.is_some() || heard.is_some() {
            self.give(side, Input::Traffic { sent, heard });
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Packet { from, to, bytes, at } => self.arrive(at, from, to, &bytes),
            Event::Signal { to, remote } => {
                let is_offer = remote.attempt == self.attempt()
                    && self.sides[to].outputs.iter().all(|output| !matches!(output, Output::Note(_)));
                let answers = to == B && (is_offer || !self.answered(to));
                self.give(to, Input::Remote(remote));
                if answers {
                    self.begin(to);
                    self.offer(to);
                    if self.sides[to].relay {
                        for side in [A, B] {
                            let wait = 40 + self.link.delay_ms[A] + self.link.delay_ms[B];
                            self.later(wait, Event::RelayHeard { side });
                        }
                    }
                }
            }
            Event::RelayHeard { side } => {
                if self.sides[side].selection == Selection::Relay {
                    let now = Some(self.local_now(side));
                    self.give(side, Input::Traffic { sent: now, heard: now });
                }
            }
            Event::Sockets { side, count } => {
                let this = &mut self.sides[side];
                let mut ids = Vec::new();
                for _ in 0..count {
                    this.next_socket += 1;
                    let id = SocketId(this.next_socket);
                    this.sockets.insert(id, 40_000 + this.next_socket);
                    ids.push(id);
                }
                self.give(side, Input::Sockets(ids));
            }
            Event::Talk { side, until, every } => {
                self.quic(side, 0x41);
                self.traffic(side);
                if self.now < until {
                    self.later(u64::try_from(every.as_millis()).unwrap(), Event::Talk { side, until, every });
                }
            }
        }
    }

    /// Whether B has begun the current attempt.
    fn answered(&self, side: usize) -> bool {
        self.sides[side].key == DatagramKey::new([self.attempts * 2 + u8::try_from(side).unwrap(); 32])
    }

    pub(super) fn report(&self, side: usize) -> PathReport {
        self.sides[side].agent.report(self.local_now(side))
    }

    pub(super) fn kinds(&self) -> [PathKind; 2] {
        [A, B].map(|side| self.report(side).kind)
    }

    pub(super) fn are_direct(&self) -> bool {
        self.kinds().iter().all(|kind| kind.is_direct())
    }

    /// Runs until both sides are direct; how long it took.
    pub(super) fn until_direct(&mut self, at_most: Duration) -> Option<Duration> {
        let start = self.now;
        while self.now - start < at_most {
            if self.are_direct() {
                return Some(self.now - start);
            }
            self.run(ms(1));
        }
        None
    }
}

impl Side {
    fn new(ips: Vec<IpAddr>, nats: Vec<usize>, index: usize) -> Self {
        // One clock is far ahead of the other.
        let skew = Duration::from_secs(1_000_000 * index as u64);
        Self {
            agent: Agent::new(skew),
            ips,
            nats,
            sockets: BTreeMap::from([(SocketId::MAIN, 7701)]),
            admitted: BTreeSet::new(),
            selection: Selection::Nothing,
            selected: Vec::new(),
            outputs: Vec::new(),
            policy: Policy::All,
            key: DatagramKey::new([0; 32]),
            skew,
            sent: BTreeMap::new(),
            bytes: 0,
            heard: None,
            quic_sent: None,
            next_socket: 0,
            relay: true,
        }
    }
}
