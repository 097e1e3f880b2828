//! Reaching peers: one task that owns an [`Agent`](crate::core::agent::Agent) per peer and performs what the agents want. Everything
//! else asks it through [`Reach`].
//!
//! What the agents are told comes from four sides: whoever exchanges signals with the peers, datagrams beside QUIC, the traffic that the
//! socket counts, and the network around. What they want is done to the socket: sending, routes, and more sockets for a
//! while.

mod helpers;
mod own;
mod peers;
mod place;
mod surroundings;
mod survey;
mod task;

use std::net::SocketAddr;
use std::sync::Arc;

use hobnob_wire::datagram::Channel;
use hobnob_wire::ids::DeviceId;
use hobnob_wire::signal::RelayGrant;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

pub use self::own::Own;
use crate::core::agent::{Exchange, PathReport, Remote};
use crate::core::binding::Helper;
pub use crate::core::binding::Survey;
use crate::core::candidate::Loopback;
use crate::demux::Demux;
use crate::demux::address;
use crate::demux::beside::Heard;
use crate::network::Network;

/// Peers that paths are looked after for at the same time. Further ones are not reached.
pub const PEERS_MAX: usize = 4096;

/// Orders that wait for the task, which takes microseconds for each.
const ORDERS_MAX: usize = 4096;

/// Events that a slow reader may be behind; it misses older ones.
const EVENTS_MAX: usize = 1024;

/// The session with the rendezvous, as far as paths to peers depend on it.
#[derive(Clone, Debug)]
pub struct Session {
    /// The address that the session was dialed at: that of the rendezvous, or of the road to it.
    pub rendezvous: SocketAddr,
    /// An address of IPv4 that the name of the rendezvous leads to, where the session was dialed at one of IPv6.
    pub v4: Option<SocketAddr>,
    /// The place at the relay, if the rendezvous has one and has told.
    pub grant: Option<RelayGrant>,
    /// Whether the session runs over loopback, so that peers may be on this machine.
    pub loopback: Loopback,
}

/// Something that happened to a path.
#[derive(Clone, Debug)]
pub enum Event {
    /// The path to a peer has changed.
    Report(DeviceId, Arc<PathReport>),
    /// The own addresses have changed: the peer wants a signal of kind `Update`, with the same attempt and key.
    Signal(DeviceId),
}

/// Asks for paths to peers. Cheap to clone; nothing here waits.
#[derive(Clone, Debug)]
pub struct Reach {
    orders: mpsc::Sender<Order>,
    mapped: Arc<watch::Sender<Vec<SocketAddr>>>,
    own: watch::Receiver<Own>,
    changes: Arc<watch::Sender<()>>,
    events: broadcast::Sender<Event>,
}

/// What the task is asked for.
#[derive(Debug)]
enum Order {
    Session(Option<Box<Session>>),
    Exchange(DeviceId, Box<Exchange>),
    Remote(DeviceId, Box<Remote>),
    Channel(DeviceId, Option<Channel>),
    Helper(DeviceId, Box<Helper>),
    Forget(DeviceId),
    Report(DeviceId, oneshot::Sender<Option<PathReport>>),
    Survey(Vec<SocketAddr>, oneshot::Sender<Survey>),
}

impl Reach {
    /// Starts the task, which ends when all clones of this are gone. `heard` are the datagrams beside QUIC.
    pub(crate) fn start(network: Arc<dyn Network>, demux: Arc<Demux>, heard: mpsc::Receiver<Heard>) -> Self {
        let (orders, taken) = mpsc::channel(ORDERS_MAX);
        let (mapped, mappings) = watch::channel(Vec::new());
        let (own, owned) = watch::channel(Own::default());
        let changes = Arc::new(watch::Sender::new(()));
        let (events, _) = broadcast::channel(EVENTS_MAX);
        let sources = task::Sources { orders: taken, mappings, heard };
        let sinks = task::Sinks { own, changes: Arc::clone(&changes), events: events.clone() };
        tokio::spawn(task::run(network, demux, sources, sinks));
        Self { orders, mapped: Arc::new(mapped), own: owned, changes, events }
    }

    /// The address to dial for a link with a device. It stands for whichever path is selected.
    #[must_use]
    pub fn address(device: DeviceId) -> SocketAddr {
        address::of_device(device)
    }

    /// The first bytes of the id of the device that a link with this remote address is with; `None` for real addresses.
    #[must_use]
    pub fn device_at(remote: SocketAddr) -> Option<[u8; 8]> {
        address::device_at(remote)
    }

    /// Our offer or answer goes out to a device.
    pub fn exchange(&self, device: DeviceId, exchange: Exchange) {
        self.order(Order::Exchange(device, Box::new(exchange)));
    }

    /// An offer, answer or update of a device has come.
    pub fn remote(&self, device: DeviceId, remote: Remote) {
        self.order(Order::Remote(device, Box::new(remote)));
    }

    /// The channel in which the relay of the rendezvous forwards to a device. It replaces a helper.
    pub fn channel(&self, device: DeviceId, channel: Option<Channel>) {
        self.order(Order::Channel(device, channel));
    }

    /// A contact forwards to a device, in place of the relay of the rendezvous.
    pub fn helper(&self, device: DeviceId, helper: Helper) {
        self.order(Order::Helper(device, Box::new(helper)));
    }

    /// No path to a device is needed any more.
    pub fn forget(&self, device: DeviceId) {
        self.order(Order::Forget(device));
    }

    /// The session has begun, moved or ended. With another place at the relay all channels end.
    pub fn session(&self, session: Option<Session>) {
        self.order(Order::Session(session.map(Box::new)));
    }

    /// The addresses at which NATs forward to us because they were asked to.
    pub fn mapped(&self, addresses: Vec<SocketAddr>) {
        self.mapped.send_replace(addresses);
    }

    /// What to tell in signals.
    #[must_use]
    pub fn own(&self) -> watch::Receiver<Own> {
        self.own.clone()
    }

    /// Changes with the network around: interfaces, routes, and when the machine wakes up.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// What happens to paths from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// The path to a device as it is now; `None` when nobody has asked for one.
    pub async fn report(&self, device: DeviceId) -> Option<PathReport> {
        let (answer, report) = oneshot::channel();
        self.orders.send(Order::Report(device, answer)).await.ok()?;
        report.await.ok()?
    }

    /// Looks closer at the network, which takes up to 3 s: what the NAT does with each address of this machine, whether it loops back, and
    /// how far the relay is. `more` are further addresses of the rendezvous, such as those of another family. `None` without
    /// a session.
    pub async fn survey(&self, more: Vec<SocketAddr>) -> Option<Survey> {
        let (answer, survey) = oneshot::channel();
        self.orders.send(Order::Survey(more, answer)).await.ok()?;
        survey.await.ok()
    }

    fn order(&self, order: Order) {
        if let Err(error) = self.orders.try_send(order) {
            tracing::warn!(%error, "a path is not looked after");
        }
    }
}
