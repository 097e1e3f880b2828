//! Real endpoints on a simulated Internet: a rendezvous that relays and reflects, and two peers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use hobnob_nat::core::agent::{Exchange, Local, PathReport, Policy, Remote, Role};
use hobnob_nat::core::candidate::outside;
use hobnob_nat::core::relay::{Order, Payer, RelayLimits};
use hobnob_nat::reach::{Event, Session};
use hobnob_nat::simulation::{
    HostId, Internet, Machine, Place, RENDEZVOUS_V4, RENDEZVOUS_V6, RealmId, Shape, Simulation,
};
use hobnob_nat::{
    AdmissionLimits, Endpoint, Loopback, Reach, Reflector, RelayServer, RoadEntry, RoadExit, ServerIdentity,
    Strangers, raise_link_limits,
};
use hobnob_wire::bounded::List;
use hobnob_wire::datagram::{AllocationId, Channel, DatagramKey};
use hobnob_wire::ids::{AttemptId, DeviceId};
use hobnob_wire::signal::{Candidate, RelayGrant, TransportAddress};
use quinn::Connection;
use tokio::time::{Instant, sleep, timeout};
use zeroize::Zeroizing;

use crate::duel::RENDEZVOUS_OTHER;

/// Virtual time after which something will not happen any more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// One way between a peer and the Internet: a round trip between peers takes 40 ms, one to the rendezvous 20 ms.
pub(crate) const LINE: Duration = Duration::from_millis(10);
const CHANNEL: Channel = Channel::new([7; 7]);
const PORT: u16 = 7700;
const REFLECTOR_PORT: u16 = 7701;

/// A peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) host: HostId,
    pub(crate) endpoint: Endpoint,
    pub(crate) reach: Reach,
    pub(crate) device: DeviceId,
    allocation: AllocationId,
    place: Place,
}

/// All of it. The first peer controls.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) simulation: Simulation,
    pub(crate) relay: Arc<RelayServer>,
    pub(crate) peers: [Peer; 2],
    attempts: AtomicU8,
    _endpoint: Endpoint,
    _reflectors: Vec<Reflector>,
}

impl World {
    /// Two peers in their places, each with a session.
    pub(crate) async fn new(seed: u64, pair: [Place; 2], line: &Shape) -> Self {
        let mut internet = Internet::new(seed);
        let hosts = Place::settle(pair, &mut internet, line);
        let addresses = [RENDEZVOUS_V4.into(), RENDEZVOUS_OTHER.into(), RENDEZVOUS_V6.into()];
        let host = internet.add_host(RealmId::PUBLIC, &addresses, &Shape::default());
        let simulation = Simulation::start(internet);
        let rendezvous = simulation.machine(host);
        let (endpoint, relay) = serve(&rendezvous);
        let reflectors = [
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, REFLECTOR_PORT)),
            SocketAddr::from((RENDEZVOUS_OTHER, PORT)),
        ];
        let reflectors = reflectors
            .map(|listen| Reflector::open(&rendezvous, listen, Arc::clone(&relay)).unwrap())
            .into_iter()
            .collect();
        let mut number = 0;
        let peers = hosts.map(|host| {
            number += 1;
            Peer::new(&simulation, (host, pair[usize::from(number) - 1]), number)
        });
        let world = Self {
            simulation,
            relay,
            peers,
            attempts: AtomicU8::new(0),
            _endpoint: endpoint,
            _reflectors: reflectors,
        };
        for peer in &world.peers {
            world.open_session(peer).await;
        }
        world
    }

    /// Gives a peer its place at the relay, and waits until it knows what others see of it.
    async fn open_session(&self, peer: &Peer) {
        let place = peer.place;
        let key = key(peer.allocation);
        let payer = Payer(peer.allocation.0);
        self.relay.order(Order::Allocate { allocation: peer.allocation, key: key.clone(), payer });
        let port_of = |ip: IpAddr| TransportAddress::from(SocketAddr::new(ip, REFLECTOR_PORT));
        // An unspecified address stands for the rendezvous' own.
        let by_v4 = SocketAddr::from((RENDEZVOUS_V4, PORT));
        // By names that have both.
        let v4 = (place == Place::DualStack).then_some(by_v4);
        let (rendezvous, reflectors) = if place == Place::UdpBlocked {
            (tunnel(&peer.endpoint, &self._endpoint), vec![])
        } else if matches!(place, Place::V6Only | Place::DualStack) {
            (SocketAddr::from((RENDEZVOUS_V6, PORT)), vec![port_of(Ipv6Addr::UNSPECIFIED.into())])
        } else {
            let other_ip = SocketAddr::from((RENDEZVOUS_OTHER, PORT)).into();
            (by_v4, vec![port_of(Ipv4Addr::UNSPECIFIED.into()), other_ip])
        };
        let reflectors = List::new(reflectors).unwrap();
        let grant = RelayGrant { allocation: peer.allocation, key, reflectors };
        let (grant, loopback) = (Some(grant), Loopback::Forbidden);
        peer.reach.session(Some(Session { rendezvous, v4, grant, loopback }));
        let mut own = peer.reach.own();
        let known = own.wait_for(|own| own.complete && own.relay_rtt.is_some());
        drop(timeout(PATIENCE, known).await.unwrap_or_else(|_| panic!("{place} is not bound")).unwrap());
    }

    /// Passes signals as the rendezvous does: the offer of `from`, the answer of the other.
    pub(crate) async fn signal(&self, from: usize) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let attempt = self.attempt();
        let offer = self.begin(from, attempt);
        sleep(LINE).await;
        self.relay.order(Order::Open {
            channel: CHANNEL,
            between: self.peers.each_ref().map(|peer| peer.allocation),
        });
        sleep(LINE).await;
        self.tell_channel();
        let [one, other] = [&self.peers[from], &self.peers[1 - from]];
        other.reach.remote(one.device, offer);
        let answer = self.begin(1 - from, attempt);
        sleep(2 * LINE).await;
        one.reach.remote(other.device, answer);
    }

    /// Opens a channel at the relay without any signal.
    pub(crate) fn open_channel(&self) {
        let between = self.peers.each_ref().map(|peer| peer.allocation);
        self.relay.order(Order::Open { channel: CHANNEL, between });
        self.tell_channel();
    }

    fn tell_channel(&self) {
        let [one, other] = &self.peers;
        one.reach.channel(other.device, Some(CHANNEL));
        other.reach.channel(one.device, Some(CHANNEL));
    }

    fn attempt(&self) -> AttemptId {
        AttemptId::new([self.attempts.load(Ordering::Relaxed); 16])
    }

    /// What authenticates checks of a side in the present attempt.
    fn check_key(&self, side: usize) -> DatagramKey {
        let number = 2 * u64::from(self.attempts.load(Ordering::Relaxed)) + side as u64;
        key(AllocationId(100 + number))
    }

    /// A peer begins an attempt. Returns what the other is told.
    fn begin(&self, side: usize, attempt: AttemptId) -> Remote {
        let (own, other) = (&self.peers[side], &self.peers[1 - side]);
        let own_key = self.check_key(side);
        let role = Role::of(own.device, other.device);
        let seed = u64::from(self.attempts.load(Ordering::Relaxed));
        let exchange = Exchange { attempt, role, policy: Policy::All, own_key: own_key.clone(), seed };
        own.reach.exchange(other.device, exchange);
        let Local { candidates, mapping, .. } = own.reach.own().borrow().local.clone();
        let witnessed = vouched(own.place, &candidates);
        Remote { attempt, key: own_key, mapping, candidates, witnessed }
    }

    /// Passes on what changes during a link, as long as it is held.
    pub(crate) fn pass_updates(&self) -> tokio::task::JoinSet<()> {
        let mut tasks = tokio::task::JoinSet::new();
        for side in 0..2 {
            let (own, other) = (self.peers[side].reach.clone(), self.peers[1 - side].reach.clone());
            let (device, place) = (self.peers[side].device, self.peers[side].place);
            let (attempt, key) = (self.attempt(), self.check_key(side));
            let mut events = own.events();
            tasks.spawn(async move {
                while let Ok(event) = events.recv().await {
                    if let Event::Signal(_) = event {
                        let Local { candidates, mapping, .. } = own.own().borrow().local.clone();
                        sleep(2 * LINE).await;
                        let (key, witnessed) = (key.clone(), vouched(place, &candidates));
                        other.remote(device, Remote { attempt, key, mapping, candidates, witnessed });
                    }
                }
            });
        }
        tasks
    }

    /// Links the two: the first dials, as soon as it may.
    pub(crate) async fn link(&self) -> [Connection; 2] {
        let [one, other] = &self.peers;
        let accepting = async {
            let arrival = other.endpoint.accept().await.unwrap();
            arrival.establish().await.unwrap().0
        };
        let (dialed, accepted) =
            tokio::join!(one.endpoint.open_link(Reach::address(other.device)), accepting);
        let connections = [dialed.unwrap(), accepted];
        connections.iter().for_each(raise_link_limits);
        connections
    }

    /// The path of a side.
    pub(crate) async fn report(&self, side: usize) -> PathReport {
        let device = self.peers[1 - side].device;
        self.peers[side].reach.report(device).await.expect("somebody has asked for a path")
    }

    /// When a side's path was first direct; `None` if it never is.
    pub(crate) fn watch_direct(&self, side: usize) -> tokio::task::JoinHandle<Option<Instant>> {
        let mut events = self.peers[side].reach.events();
        tokio::spawn(async move {
            let direct = async {
                loop {
                    match events.recv().await {
                        Ok(Event::Report(_, report)) if report.kind.is_direct() => {
                            return Some(Instant::now());
                        }
                        Ok(_) => {}
                        Err(_) => return None,
                    }
                }
            };
            timeout(PATIENCE, direct).await.ok().flatten()
        })
    }
}

impl Peer {
    fn new(simulation: &Simulation, (host, place): (HostId, Place), number: u8) -> Self {
        let machine = simulation.machine(host);
        let listen = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let endpoint = Endpoint::peer_on(Arc::new(machine), listen, Strangers::Ignored).unwrap();
        let reach = endpoint.reach().unwrap();
        let device = DeviceId::new([number; 16]);
        Self { host, endpoint, reach, device, allocation: AllocationId(number.into()), place }
    }
}

/// The address that the rendezvous vouches for: where the session comes from, as far as that is one of IPv4.
fn vouched(place: Place, candidates: &[Candidate]) -> Option<IpAddr> {
    outside(candidates).filter(|_| place != Place::DualStack).map(|at| at.ip())
}

fn serve(machine: &Machine) -> (Endpoint, Arc<RelayServer>) {
    let limits = RelayLimits {
        channel_bytes_per_s: 1 << 30,
        channel_bytes_max: 1 << 40,
        account_bytes_per_s: 1 << 30,
        account_bytes_per_day: 1 << 40,
        idle: Duration::from_secs(60),
    };
    let relay = RelayServer::new(limits, Zeroizing::new([5; 32]));
    let identity = ServerIdentity::generate(&["rendezvous".to_owned()]).unwrap();
    let listen = SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT));
    let beside = Arc::<RelayServer>::clone(&relay);
    let limits = AdmissionLimits::RENDEZVOUS;
    (Endpoint::rendezvous_on(machine, listen, &identity, limits, beside).unwrap(), relay)
}

/// A tunnel from a peer to the rendezvous, with the delay of its line. Returns where the peer finds the rendezvous.
fn tunnel(peer: &Endpoint, rendezvous: &Endpoint) -> SocketAddr {
    let (there, here) = (peer.road().unwrap(), rendezvous.road().unwrap());
    let at = there.address();
    carry(there.exit, here.entry);
    carry(here.exit, there.entry);
    at
}

fn carry(mut exit: RoadExit, entry: RoadEntry) {
    tokio::spawn(async move {
        while let Some(datagram) = exit.next().await {
            let entry = entry.clone();
            tokio::spawn(async move {
                sleep(LINE).await;
                entry.deliver(datagram).await;
            });
        }
    });
}

fn key(of: AllocationId) -> DatagramKey {
    DatagramKey::new(*blake3::hash(&of.0.to_be_bytes()).as_bytes())
}

/// A public address that nobody has yet.
pub(crate) fn fresh_address() -> IpAddr {
    IpAddr::from([203, 0, 113, 200])
}
