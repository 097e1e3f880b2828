//! Two agents on a simulated Internet, without QUIC: fast enough for thousands of runs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hobnob_nat::Loopback;
use hobnob_nat::core::agent::{
    Agent, Exchange, Input, Local, Output, Policy, Remote, Role, Selection, SocketId, Way,
};
use hobnob_nat::core::mapping::{Observation, classify};
use hobnob_nat::simulation::{
    HostId, Internet, Packet, Place, RENDEZVOUS_V4, RENDEZVOUS_V6, Random, RealmId, Shape,
};
use hobnob_wire::datagram::{self, DatagramKey};
use hobnob_wire::ids::{AttemptId, DeviceId};
use hobnob_wire::signal::{Candidate, CandidateKind};

/// Another address of the rendezvous.
pub(crate) const RENDEZVOUS_OTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// Its ports: the first one relays too.
const REFLECTOR_PORTS: [u16; 2] = [7700, 7701];
/// How often each side sends something to the other, as a link does.
const TRAFFIC_EVERY: Duration = Duration::from_millis(50);
/// First bytes of what is not an agent's.
const REFLECT: u8 = b'r';
const TRAFFIC: u8 = b'q';

/// One of the two.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) host: HostId,
    pub(crate) agent: Agent,
    pub(crate) local: Local,
    pub(crate) selection: Selection,
    /// When the first direct way was selected, since the start.
    pub(crate) direct_at: Option<Duration>,
    /// When traffic came last, over any path.
    pub(crate) heard_at: Option<Duration>,
    /// The longest time without traffic since [`Duel::forget_pauses`].
    pub(crate) pause: Duration,
    device: DeviceId,
    attempt: Option<(AttemptId, DatagramKey)>,
    main_port: u16,
    next_port: u16,
    sockets: BTreeMap<u16, SocketId>,
    admitted: BTreeSet<Way>,
    sent: Option<Duration>,
    heard: Option<Duration>,
    observations: BTreeMap<usize, Observation>,
}

/// What the rendezvous passes on.
#[derive(Clone, Debug)]
enum Signal {
    Offer(Remote),
    Answer(Remote),
}

/// Two sides, the rendezvous between them, and the time.
#[derive(Debug)]
pub(crate) struct Duel {
    pub(crate) internet: Internet,
    pub(crate) now: Duration,
    pub(crate) sides: [Side; 2],
    pub(crate) random: Random,
    /// How long a signal takes from side to side.
    pub(crate) signal_takes: Duration,
    pair: [Place; 2],
    rendezvous: HostId,
    /// Where the relay finds the sides.
    bound: [Option<SocketAddr>; 2],
    signals: Vec<(Duration, usize, Signal)>,
    traffic_at: Duration,
    /// What else is put into the signals of a side.
    pub(crate) injected: [Vec<Candidate>; 2],
    /// Where the rendezvous says that it sees the first side.
    lie: Option<IpAddr>,
}

impl Duel {
    /// Two sides in their places, who know what their NATs do.
    pub(crate) fn new(seed: u64, pair: [Place; 2], line: &Shape) -> Self {
        let mut internet = Internet::new(seed);
        let hosts = Place::settle(pair, &mut internet, line);
        let addresses = [RENDEZVOUS_V4.into(), RENDEZVOUS_OTHER.into(), RENDEZVOUS_V6.into()];
        let rendezvous = internet.add_host(RealmId::PUBLIC, &addresses, &Shape::default());
        let mut random = Random::new(seed ^ 0x5eed);
        let mut number = 0;
        let sides = hosts.map(|host| {
            number += 1;
            Side::new(host, number, &mut random)
        });
        let mut duel = Self {
            internet,
            now: Duration::ZERO,
            sides,
            random,
            signal_takes: line.delay * 2,
            pair,
            rendezvous,
            bound: [None; 2],
            signals: Vec::new(),
            traffic_at: Duration::MAX,
            injected: [Vec::new(), Vec::new()],
            lie: None,
        };
        for side in 0..2 {
            duel.gather(side);
        }
        duel
    }

    /// Asks the reflectors until all have answered, or in vain.
    pub(crate) fn gather(&mut self, side: usize) {
        const TRIES: usize = 20;
        for _ in 0..TRIES {
            let wanted: Vec<usize> =
                (0..4).filter(|index| !self.sides[side].observations.contains_key(index)).collect();
            for index in wanted {
                let (from, to) = self.sides[side].reflection(&self.internet, index);
                if let Some(from) = from {
                    let content = vec![REFLECT, u8::try_from(index).unwrap(), u8::try_from(side).unwrap()];
                    self.internet.send(self.sides[side].host, Packet::udp(from, to, content), self.now);
                }
            }
            self.run_for(Duration::from_millis(100).max(self.signal_takes * 3));
            if self.sides[side].observations.len() == 4 {
                break;
            }
        }
        self.look_around(side);
    }

    /// The rendezvous tells the first side, and all others, that it sees it at `ip`.
    pub(crate) fn deceive(&mut self, ip: IpAddr) {
        self.lie = Some(ip);
        self.sides[0].observations.clear();
        self.gather(0);
    }

    /// Tells the agent of the addresses that its side has.
    pub(crate) fn look_around(&mut self, side: usize) {
        let one = &mut self.sides[side];
        let hosts: Vec<SocketAddr> =
            self.internet.addresses(one.host).iter().map(|ip| SocketAddr::new(*ip, one.main_port)).collect();
        let observations: Vec<Observation> = one.observations.values().copied().collect();
        let candidate = |kind, at: SocketAddr| Candidate { kind, at: at.into() };
        let mut candidates: Vec<Candidate> =
            hosts.iter().map(|at| candidate(CandidateKind::Host, *at)).collect();
        // The last mapping of the main socket is the one that a counter continues from.
        let seen = observations.iter().filter(|one| !one.fresh_socket).map(|one| one.seen).next_back();
        if let Some(seen) = seen.filter(|seen| !hosts.contains(seen)) {
            candidates.push(candidate(CandidateKind::Reflexive, seen));
        }
        one.local =
            Local { candidates, mapping: classify(&observations, &hosts), loopback: Loopback::Forbidden };
        one.agent.handle(Input::Local(one.local.clone()), self.now);
        self.perform(side);
    }

    /// A side offers; the other answers at once when it hears of it.
    pub(crate) fn offer(&mut self, side: usize) {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.random.number().to_be_bytes());
        let remote = self.begin(side, AttemptId::new(id));
        self.signals.push((self.now + self.signal_takes, 1 - side, Signal::Offer(remote)));
        self.traffic_at = self.traffic_at.min(self.now);
    }

    /// The side's agent begins an attempt. Returns what the other is told.
    fn begin(&mut self, side: usize, attempt: AttemptId) -> Remote {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.random.number().to_be_bytes());
        let own_key = DatagramKey::new(key);
        let seed = self.random.number();
        let role = Role::of(self.sides[side].device, self.sides[1 - side].device);
        let one = &mut self.sides[side];
        one.attempt = Some((attempt, own_key.clone()));
        let exchange = Exchange { attempt, role, policy: Policy::All, own_key, seed };
        one.agent.handle(Input::Exchange(exchange), self.now);
        let remote = self.told(side);
        self.perform(side);
        remote
    }

    /// What a side tells the other.
    fn told(&self, side: usize) -> Remote {
        let one = &self.sides[side];
        let (attempt, key) = one.attempt.clone().expect("the side has begun");
        let injected = self.injected[side].iter().copied();
        let candidates: Vec<Candidate> = injected.chain(one.local.candidates.iter().copied()).collect();
        let seen = one.observations.values().map(|one| one.seen.ip()).next_back();
        let named =
            |ip: &IpAddr| candidates.iter().any(|one: &Candidate| SocketAddr::from(one.at).ip() == *ip);
        // The rendezvous vouches for where the session comes from.
        let witnessed = seen.filter(named).filter(|_| self.pair[side] != Place::DualStack);
        Remote { attempt, key, mapping: one.local.mapping, candidates, witnessed }
    }

    /// The attempt that a side is in.
    pub(crate) fn attempt(&self, side: usize) -> AttemptId {
        self.sides[side].attempt.as_ref().expect("the side has begun").0
    }

    /// Ends a side and starts it anew: it knows nothing, its sockets are new, and it offers again.
    pub(crate) fn crash(&mut self, side: usize) {
        let (host, device) = (self.sides[side].host, self.sides[side].device);
        let mut fresh = Side::new(host, 0, &mut self.random);
        fresh.device = device;
        fresh.next_port = self.sides[side].next_port + 1;
        fresh.main_port = fresh.next_port;
        fresh.next_port += 1;
        fresh.sockets = BTreeMap::from([(fresh.main_port, SocketId::MAIN)]);
        fresh.agent = Agent::new(self.now);
        self.sides[side] = fresh;
        self.signals.retain(|(_, to, _)| *to != side);
        self.gather(side);
        self.offer(side);
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let signals = self.signals.iter().map(|(at, ..)| *at);
            let agents = self.sides.iter().filter_map(|side| side.agent.deadline());
            let next = signals.chain(agents).chain(self.internet.deadline()).chain([self.traffic_at]).min();
            match next.filter(|next| *next <= end) {
                Some(next) => self.now = self.now.max(next),
                None => break,
            }
            self.step();
        }
        self.now = end;
    }

    fn step(&mut self) {
        while let Some((host, packet)) = self.internet.poll(self.now) {
            self.arrive(host, &packet);
        }
        while let Some(place) = self.signals.iter().position(|(at, ..)| *at <= self.now) {
            let (_, to, signal) = self.signals.remove(place);
            self.hear_signal(to, signal);
        }
        if self.traffic_at <= self.now {
            self.traffic_at = self.now + TRAFFIC_EVERY;
            for side in 0..2 {
                self.send_traffic(side);
            }
        }
        for side in 0..2 {
            let one = &mut self.sides[side];
            if one.agent.deadline().is_some_and(|due| due <= self.now) {
                one.agent.handle(Input::Traffic { sent: one.sent, heard: one.heard }, self.now);
                one.agent.handle(Input::Tick, self.now);
                self.perform(side);
            }
        }
    }

    fn hear_signal(&mut self, side: usize, signal: Signal) {
        self.sides[side].agent.handle(Input::Relay(true), self.now);
        self.sides[1 - side].agent.handle(Input::Relay(true), self.now);
        match signal {
            Signal::Offer(remote) => {
                let attempt = remote.attempt;
                self.sides[side].agent.handle(Input::Remote(remote), self.now);
                let answer = self.begin(side, attempt);
                self.signals.push((self.now + self.signal_takes, 1 - side, Signal::Answer(answer)));
            }
            Signal::Answer(remote) => self.sides[side].agent.handle(Input::Remote(remote), self.now),
        }
        self.perform(0);
        self.perform(1);
    }

    fn arrive(&mut self, host: HostId, packet: &Packet) {
        if host == self.rendezvous {
            self.serve(packet);
            return;
        }
        let Some(side) = self.sides.iter().position(|side| side.host == host) else { return };
        let now = self.now;
        let one = &mut self.sides[side];
        let Some(via) = one.sockets.get(&packet.destination.port()).copied() else {
            one.reflected(packet);
            return;
        };
        let way = Way::new(via, packet.source);
        match packet.content.first() {
            Some(&REFLECT) => one.reflected(packet),
            Some(&TRAFFIC) => {
                let relayed =
                    way.to.ip() == IpAddr::V4(RENDEZVOUS_V4) || way.to.ip() == IpAddr::V6(RENDEZVOUS_V6);
                if relayed || one.admitted.contains(&way) {
                    one.pause = one.pause.max(now.saturating_sub(one.heard_at.unwrap_or(now)));
                    one.heard_at = Some(now);
                    let selected = match one.selection {
                        Selection::Nothing => false,
                        Selection::Relay => relayed,
                        Selection::Direct(selected) => selected == way,
                    };
                    if selected {
                        one.heard = Some(now);
                    }
                }
            }
            Some(_) | None => {
                if let Ok(unproved) = datagram::parse(&packet.content) {
                    one.agent.handle(Input::Datagram { way, unproved }, now);
                    self.perform(side);
                }
            }
        }
    }

    /// The rendezvous reflects, and relays traffic.
    fn serve(&mut self, packet: &Packet) {
        let answer = match packet.content.as_slice() {
            [REFLECT, index, side] => {
                if *index == 2 {
                    self.bound[usize::from(*side)] = Some(packet.source);
                }
                let lie = self.lie.filter(|_| *side == 0);
                let text =
                    SocketAddr::new(lie.unwrap_or(packet.source.ip()), packet.source.port()).to_string();
                let content = [&[REFLECT, *index], text.as_bytes()].concat();
                Packet::udp(packet.destination, packet.source, content)
            }
            [TRAFFIC, side] => {
                self.bound[usize::from(*side)] = Some(packet.source);
                let Some(to) = self.bound[1 - usize::from(*side)] else { return };
                let from = if to.is_ipv4() { RENDEZVOUS_V4.into() } else { RENDEZVOUS_V6.into() };
                Packet::udp(SocketAddr::new(from, REFLECTOR_PORTS[0]), to, packet.content.clone())
            }
            _ => return,
        };
        self.internet.send(self.rendezvous, answer, self.now);
    }

    fn send_traffic(&mut self, side: usize) {
        let content = vec![TRAFFIC, u8::try_from(side).unwrap()];
        let one = &mut self.sides[side];
        let way = match one.selection {
            Selection::Nothing => return,
            Selection::Relay => one.relay(&self.internet),
            Selection::Direct(way) => way,
        };
        one.sent = Some(self.now);
        one.agent.handle(Input::Traffic { sent: one.sent, heard: one.heard }, self.now);
        self.send(side, way, content);
        self.perform(side);
    }

    fn send(&mut self, side: usize, way: Way, content: Vec<u8>) {
        let one = &self.sides[side];
        let port = one.sockets.iter().find(|(_, id)| **id == way.via).map(|(port, _)| *port);
        if let Some(from) = port.and_then(|port| one.address(&self.internet, way.to.ip(), port)) {
            self.internet.send(one.host, Packet::udp(from, way.to, content), self.now);
        }
    }

    fn perform(&mut self, side: usize) {
        while let Some(output) = self.sides[side].agent.poll() {
            let one = &mut self.sides[side];
            match output {
                Output::Send { way, bytes } => self.send(side, way, bytes),
                Output::Admit(way) => drop(one.admitted.insert(way)),
                Output::Dismiss(way) => drop(one.admitted.remove(&way)),
                Output::Select(selection) => {
                    one.selection = selection;
                    if let Selection::Direct(_) = selection {
                        one.direct_at.get_or_insert(self.now);
                    }
                }
                Output::OpenSockets(count) => {
                    let opened = one.open(count);
                    one.agent.handle(Input::Sockets(opened), self.now);
                }
                Output::CloseSocket(id) => one.sockets.retain(|_, other| *other != id),
                Output::Signal => {
                    let update = Signal::Answer(self.told(side));
                    self.signals.push((self.now + self.signal_takes, 1 - side, update));
                }
                Output::Doubt(_) | Output::Note(_) => {}
            }
        }
    }
}

impl Side {
    fn new(host: HostId, number: u8, random: &mut Random) -> Self {
        let mut device = [number; 16];
        device[0] = u8::try_from(random.number() % 256).unwrap();
        let main_port = random.port(20_000, 60_000);
        Self {
            host,
            agent: Agent::new(Duration::ZERO),
            local: Local::default(),
            selection: Selection::Nothing,
            direct_at: None,
            heard_at: None,
            pause: Duration::ZERO,
            device: DeviceId::new(device),
            attempt: None,
            main_port,
            next_port: main_port + 1,
            sockets: BTreeMap::from([(main_port, SocketId::MAIN)]),
            admitted: BTreeSet::new(),
            sent: None,
            heard: None,
            observations: BTreeMap::new(),
        }
    }

    /// The port of the main socket.
    pub(crate) fn main_port(&self) -> u16 {
        self.main_port
    }

    fn has_v4(&self, internet: &Internet) -> bool {
        internet.addresses(self.host).iter().any(IpAddr::is_ipv4)
    }

    fn relay(&self, internet: &Internet) -> Way {
        let ip = if self.has_v4(internet) { RENDEZVOUS_V4.into() } else { RENDEZVOUS_V6.into() };
        Way::main(SocketAddr::new(ip, REFLECTOR_PORTS[0]))
    }

    fn address(&self, internet: &Internet, towards: IpAddr, port: u16) -> Option<SocketAddr> {
        let own = internet.addresses(self.host).iter().find(|ip| ip.is_ipv4() == towards.is_ipv4());
        own.map(|ip| SocketAddr::new(*ip, port))
    }

    /// The question with this index: the first from a fresh socket, the others from the main one.
    fn reflection(&self, internet: &Internet, index: usize) -> (Option<SocketAddr>, SocketAddr) {
        let to = if self.has_v4(internet) {
            let all = [(RENDEZVOUS_V4, 0), (RENDEZVOUS_V4, 1), (RENDEZVOUS_V4, 0), (RENDEZVOUS_OTHER, 0)];
            let (ip, port) = all[index];
            SocketAddr::new(ip.into(), REFLECTOR_PORTS[port])
        } else {
            SocketAddr::new(RENDEZVOUS_V6.into(), REFLECTOR_PORTS[index % 2])
        };
        let port = if index == 0 { self.main_port - 1 } else { self.main_port };
        (self.address(internet, to.ip(), port), to)
    }

    fn reflected(&mut self, packet: &Packet) {
        let [REFLECT, index, text @ ..] = packet.content.as_slice() else { return };
        let seen = std::str::from_utf8(text).unwrap().parse().unwrap();
        let fresh_socket = *index == 0;
        let observation = Observation { fresh_socket, reflector: packet.source, seen };
        self.observations.insert(usize::from(*index), observation);
    }

    fn open(&mut self, count: u16) -> Vec<SocketId> {
        let opened = (0..count).map(|_| {
            let id = SocketId(self.next_port - self.main_port);
            self.sockets.insert(self.next_port, id);
            self.next_port += 1;
            id
        });
        opened.collect()
    }
}
