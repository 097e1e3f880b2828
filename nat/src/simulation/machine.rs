//! Drives an [`Internet`] by tokio's clock, and gives each host sockets.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use quinn::AsyncUdpSocket;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::internet::{Counts, HostId, Internet, Packet, preferred};
use super::socket::{Inbox, SimulatedSocket};
use crate::core::candidate::LocalAddress;
use crate::network::{Network, Preferred};

/// Where ports begin that are given to sockets that do not care (RFC 6335 §6).
const EPHEMERAL_PORT_MIN: u16 = 49_152;

/// An [`Internet`] in motion. Cheap to clone; clones are the same Internet, which stops when the last one, the last machine and the last
/// socket are gone.
#[derive(Clone, Debug)]
pub struct Simulation(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    started: Instant,
    state: Mutex<State>,
    changed: Arc<Notify>,
}

/// An address that a socket is bound to, and what arrives there.
type Bound = (IpAddr, Arc<Inbox>);

#[derive(Debug)]
struct State {
    internet: Internet,
    sockets: BTreeMap<(HostId, u16), Vec<Bound>>,
    next_port: u16,
}

impl Simulation {
    /// Sets an Internet in motion. Must be called within a tokio runtime; under paused time no real time passes.
    #[must_use]
    pub fn start(internet: Internet) -> Self {
        let state = State { internet, sockets: BTreeMap::new(), next_port: EPHEMERAL_PORT_MIN };
        let changed = Arc::new(Notify::new());
        let shared = Arc::new(Shared {
            started: Instant::now(),
            state: Mutex::new(state),
            changed: Arc::clone(&changed),
        });
        tokio::spawn(drive(Arc::downgrade(&shared), changed));
        Self(shared)
    }

    /// One of its hosts.
    #[must_use]
    pub fn machine(&self, host: HostId) -> Machine {
        Machine { simulation: self.clone(), host }
    }

    /// Looks at the Internet or changes it.
    pub fn with<T>(&self, act: impl FnOnce(&mut Internet) -> T) -> T {
        act(&mut self.lock().internet)
    }

    /// The time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// A host sends a packet as it is, whoever it says it is from.
    pub fn send(&self, host: HostId, packet: Packet) {
        let now = self.now();
        self.lock().internet.send(host, packet, now);
        self.0.changed.notify_one();
    }

    /// The address that `host` sends from towards `to`; `None` when it has none of that family.
    pub(super) fn source(&self, host: HostId, to: IpAddr) -> Option<IpAddr> {
        let (v4, v6) = preferred(self.lock().internet.addresses(host));
        if to.is_ipv4() { v4.map(IpAddr::V4) } else { v6.map(IpAddr::V6) }
    }

    pub(super) fn unbind(&self, host: HostId, port: u16, inbox: &Arc<Inbox>) {
        if let Some(bound) = self.lock().sockets.get_mut(&(host, port)) {
            bound.retain(|(_, other)| !Arc::ptr_eq(other, inbox));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over what has arrived. Returns when there is more to do.
    fn deliver(&self) -> Option<Instant> {
        let now = self.started.elapsed();
        let mut state = self.lock();
        while let Some((host, packet)) = state.internet.poll(now) {
            if let Some(inbox) = state.inbox(host, packet.destination) {
                inbox.put(packet);
            }
        }
        state.internet.deadline().map(|at| self.started + at)
    }
}

impl State {
    /// The socket that takes packets for this address: one that is bound to it before one that is bound to all.
    fn inbox(&self, host: HostId, to: SocketAddr) -> Option<&Arc<Inbox>> {
        let bound = self.sockets.get(&(host, to.port()))?;
        let exact = bound.iter().find(|(ip, _)| *ip == to.ip());
        let all = || bound.iter().find(|(ip, _)| ip.is_unspecified() && (ip.is_ipv6() || to.is_ipv4()));
        exact.or_else(all).map(|(_, inbox)| inbox)
    }

    /// Takes a port.
    fn bind(&mut self, host: HostId, listen: SocketAddr, inbox: &Arc<Inbox>) -> io::Result<SocketAddr> {
        let ip = listen.ip();
        if !ip.is_unspecified() && !self.internet.addresses(host).contains(&ip) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let is_taken = |sockets: &BTreeMap<_, Vec<Bound>>, port| {
            let bound = sockets.get(&(host, port)).map(Vec::as_slice).unwrap_or_default();
            bound.iter().any(|(other, _)| *other == ip || (other.is_unspecified() && ip.is_unspecified()))
        };
        let mut port = listen.port();
        if port == 0 {
            while is_taken(&self.sockets, self.next_port) {
                self.next_port = self.next_port.checked_add(1).unwrap_or(EPHEMERAL_PORT_MIN);
            }
            port = self.next_port;
            self.next_port = self.next_port.checked_add(1).unwrap_or(EPHEMERAL_PORT_MIN);
        } else if is_taken(&self.sockets, port) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        self.sockets.entry((host, port)).or_default().push((ip, Arc::clone(inbox)));
        Ok(SocketAddr::new(ip, port))
    }
}

async fn drive(shared: Weak<Shared>, changed: Arc<Notify>) {
    loop {
        let next = match shared.upgrade() {
            Some(shared) => shared.deliver(),
            None => return,
        };
        match next {
            None => changed.notified().await,
            Some(at) => tokio::select! {
                biased;
                () = changed.notified() => {}
                () = sleep_until(at) => {}
            },
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}

/// A host of a [`Simulation`]: the network as an endpoint on that host sees it.
#[derive(Clone, Debug)]
pub struct Machine {
    simulation: Simulation,
    host: HostId,
}

impl Machine {
    /// The host.
    #[must_use]
    pub const fn host(&self) -> HostId {
        self.host
    }

    /// What it has sent and received.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.simulation.with(|internet| internet.counts(self.host))
    }

    /// A socket for tests that speak for themselves.
    ///
    /// # Errors
    /// As [`Network::bind`].
    pub fn socket(&self, listen: SocketAddr) -> io::Result<Arc<SimulatedSocket>> {
        let inbox = Arc::new(Inbox::default());
        let bound = self.simulation.lock().bind(self.host, listen, &inbox)?;
        Ok(Arc::new(SimulatedSocket::new(self.simulation.clone(), self.host, bound, inbox)))
    }
}

impl Network for Machine {
    fn bind(&self, listen: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(self.socket(listen)?)
    }

    fn addresses(&self) -> io::Result<Vec<LocalAddress>> {
        let state = self.simulation.lock();
        let addresses = state.internet.addresses(self.host).iter();
        Ok(addresses.map(|&ip| LocalAddress { interface: "eth0".to_owned(), ip }).collect())
    }

    fn preferred(&self) -> Preferred {
        let (v4, v6): (Option<Ipv4Addr>, Option<Ipv6Addr>) =
            preferred(self.simulation.lock().internet.addresses(self.host));
        Preferred { v4, v6 }
    }
}
