//! The task behind [`Reach`](super::Reach).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hobnob_wire::datagram;
use hobnob_wire::ids::DeviceId;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::helpers::Helpers;
use super::own::{self, Outside, Own};
use super::peers::{Forwarder, Peers};
use super::place::{Changed, Place};
use super::surroundings::{Moment, Seen, Surroundings};
use super::survey::Surveys;
use super::{Event, Order, Session, Survey};
use crate::core::agent::{Local, SOCKETS_MAX, SocketId};
use crate::core::binding::{Access, Helper};
use crate::core::candidate::Loopback;
use crate::demux::Demux;
use crate::demux::address;
use crate::demux::beside::Heard;
use crate::demux::routes::Conduit;
use crate::network::Network;

/// How long new sockets may take until they can send. A real one can within a millisecond.
const SOCKETS_WITHIN: Duration = Duration::from_millis(100);

/// Datagrams that are taken before it is the turn of something else.
const DATAGRAMS_AT_ONCE: usize = 64;

/// Where the task hears from.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) mappings: watch::Receiver<Vec<SocketAddr>>,
    pub(super) heard: mpsc::Receiver<Heard>,
}

/// Whom the task tells.
#[derive(Debug)]
pub(super) struct Sinks {
    pub(super) own: watch::Sender<Own>,
    pub(super) changes: Arc<watch::Sender<()>>,
    pub(super) events: broadcast::Sender<Event>,
}

struct Task {
    network: Arc<dyn Network>,
    demux: Arc<Demux>,
    peers: Peers,
    surroundings: Surroundings,
    session: Option<Session>,
    loopback: Loopback,
    place: Place,
    helpers: Helpers,
    mapped: Vec<SocketAddr>,
    own: watch::Sender<Own>,
    changes: Arc<watch::Sender<()>>,
    opening: JoinSet<(DeviceId, Vec<SocketId>)>,
    surveys: Surveys,
}

/// Runs until nobody can ask for anything any more.
pub(super) async fn run(network: Arc<dyn Network>, demux: Arc<Demux>, mut sources: Sources, sinks: Sinks) {
    demux.writable(SocketId::MAIN).await;
    let mut task = Task {
        peers: Peers::new(Arc::clone(&demux), sinks.events),
        surroundings: Surroundings::look(&*network, Moment::now()),
        place: Place::new(Arc::clone(&network), Arc::clone(&demux)),
        helpers: Helpers::new(Arc::clone(&network), Arc::clone(&demux)),
        network,
        demux,
        session: None,
        loopback: Loopback::Forbidden,
        mapped: Vec::new(),
        own: sinks.own,
        changes: sinks.changes,
        opening: JoinSet::new(),
        surveys: Surveys::default(),
    };
    task.refresh_own();
    let mut batch = Vec::with_capacity(DATAGRAMS_AT_ONCE);
    loop {
        let deadline = task.deadline();
        tokio::select! {
            order = sources.orders.recv() => match order {
                Some(order) => task.order(order),
                None => return,
            },
            count = sources.heard.recv_many(&mut batch, DATAGRAMS_AT_ONCE) => {
                if count == 0 {
                    // The socket is gone.
                    return;
                }
                batch.drain(..).for_each(|heard| task.heard(&heard));
            }
            () = sleep_until(deadline) => task.tick(),
            () = task.demux.stirred() => task.peers.traffic(),
            Ok(()) = sources.mappings.changed() => {
                task.mapped.clone_from(&sources.mappings.borrow_and_update());
                task.refresh_own();
            }
            Some(Ok((device, sockets))) = task.opening.join_next() => task.peers.sockets(device, sockets),
        }
        task.open_sockets();
    }
}

impl Task {
    fn deadline(&self) -> Instant {
        let look_at = self.surroundings.due(self.peers.are_busy());
        [self.peers.deadline(), self.place.deadline(), self.helpers.deadline(), self.surveys.due()]
            .into_iter()
            .flatten()
            .fold(look_at, Instant::min)
    }

    fn order(&mut self, order: Order) {
        let own = self.own.borrow().local.clone();
        match order {
            Order::Session(session) => self.session(session.map(|session| *session)),
            Order::Exchange(device, exchange) => self.peers.exchange(device, *exchange, &own),
            Order::Remote(device, remote) => self.peers.remote(device, *remote, &own),
            Order::Channel(device, channel) => {
                let conduit = channel.map(|channel| Conduit { channel, helper: None });
                self.demux.route(|routes| routes.set_conduit(address::of_device(device), conduit));
                self.peers.channel(device, channel.map(|_| Forwarder::Rendezvous), &own);
                self.want_relays();
            }
            Order::Helper(device, helper) => self.helper(device, *helper, &own),
            Order::Forget(device) => {
                self.peers.forget(device);
                self.want_relays();
            }
            // Whoever asked may have gone.
            Order::Report(device, answer) => drop(answer.send(self.peers.report(device))),
            Order::Survey(more, answer) => self.survey(&more, answer),
        }
    }

    /// A contact forwards to a device.
    fn helper(&mut self, device: DeviceId, helper: Helper, own: &Local) {
        let Helper { device: by, at, grant, channel } = helper;
        let access = Access { relay: address::canonical(at), v4: None, grant, reflects: false };
        if !self.helpers.take(by, access) {
            return tracing::warn!("there are too many helpers: one is not used");
        }
        let conduit = Conduit { channel, helper: Some(address::canonical(at)) };
        self.demux.route(|routes| routes.set_conduit(address::of_device(device), Some(conduit)));
        self.peers.channel(device, Some(Forwarder::Helper(by)), own);
        self.want_relays();
    }

    /// Relays are to be kept ready while any peer may be reached over them; helpers that nobody needs are left.
    fn want_relays(&mut self) {
        let changed = self.place.want(self.peers.use_forwarder(Forwarder::Rendezvous));
        self.after_place(changed);
        let peers = &self.peers;
        self.helpers.keep(|helper| peers.use_forwarder(Forwarder::Helper(helper)));
        self.after_helpers();
    }

    /// A helper has answered, or answers no more.
    fn after_helpers(&mut self) {
        for (helper, is_bound) in self.helpers.changes() {
            self.peers.bound(Forwarder::Helper(helper), is_bound);
        }
    }

    fn heard(&mut self, heard: &Heard) {
        let Ok(unproved) = datagram::parse(&heard.bytes) else {
            return tracing::trace!("what is no datagram of ours is ignored");
        };
        if unproved.attempt().is_some() {
            self.peers.datagram(heard.way, unproved);
        } else if self.helpers.are_at(heard.way.to) {
            self.helpers.datagram(heard.way, unproved);
            self.after_helpers();
        } else {
            let changed = self.place.datagram(heard.way, unproved);
            self.after_place(changed);
        }
    }

    fn tick(&mut self) {
        if self.surroundings.due(self.peers.are_busy()) <= Instant::now() {
            self.look_around();
        }
        let changed = self.place.tick();
        self.after_place(changed);
        self.helpers.tick();
        self.after_helpers();
        self.peers.tick();
    }

    fn survey(&mut self, more: &[SocketAddr], answer: oneshot::Sender<Survey>) {
        if self.session.is_some() && self.surveys.join(answer) {
            let posts =
                self.surveys.open(&self.surroundings.addresses, self.loopback, &*self.network, &self.demux);
            let changed = self.place.survey(posts, more);
            self.after_place(changed);
        }
    }

    /// What others see of us has changed, perhaps.
    fn after_place(&mut self, Changed(changed): Changed) {
        if self.surveys.tell(self.place.binding().surveyed(), &self.demux) {
            self.place.end_survey();
        }
        if !changed {
            return;
        }
        self.peers.bound(Forwarder::Rendezvous, self.place.binding().is_bound());
        self.refresh_own();
    }

    /// Looks whether the network has changed, if that matters to anybody.
    fn look_around(&mut self) {
        let matters = self.session.is_some() || !self.peers.is_empty() || self.changes.receiver_count() > 0;
        if !matters {
            return self.surroundings.postpone(Moment::now());
        }
        let seen = self.surroundings.look_again(&*self.network, Moment::now());
        if seen == Seen::AsBefore {
            return;
        }
        tracing::debug!(?seen, "the network has changed");
        let changed = self.place.look_again();
        self.after_place(changed);
        self.helpers.look_again();
        self.after_helpers();
        self.refresh_own();
        if seen == Seen::Slept {
            self.peers.woke();
        }
        self.changes.send_replace(());
    }

    fn session(&mut self, session: Option<Session>) {
        let allocation = |session: &Option<Session>| Some(session.as_ref()?.grant.as_ref()?.allocation);
        let moved = allocation(&self.session) != allocation(&session);
        self.demux.route(|routes| {
            routes.set_relay(session.as_ref().map(|session| address::canonical(session.rendezvous)))
        });
        self.session = session;
        let rendezvous = self.session.as_ref().map(|session| session.rendezvous);
        self.peers.tunnelled(rendezvous.is_some_and(address::is_virtual));
        if moved {
            self.peers.drop_channels(Forwarder::Rendezvous);
        }
        let access = self.session.as_ref().and_then(|session| {
            let (relay, v4, grant) = (session.rendezvous, session.v4, session.grant.clone()?);
            Some(Access { relay, v4, grant, reflects: !address::is_virtual(relay) })
        });
        let changed = self.place.grant(access);
        self.after_place(changed);
        self.refresh_own();
    }

    /// Puts the own side together again, and tells everybody when it is another.
    fn refresh_own(&mut self) {
        let Ok(bound) = self.demux.main_addr() else { return };
        // Links outlive the session, those on this machine too: what the last one said holds until there is another.
        if let Some(session) = &self.session {
            self.loopback = session.loopback;
        }
        let loopback = self.loopback;
        let inside: Vec<SocketAddr> =
            self.surroundings.addresses.iter().map(|at| SocketAddr::new(at.ip, bound.port())).collect();
        let binding = self.place.binding();
        let (mapping, reflexive) = (self.place.mapping(&inside), binding.reflexive());
        let outside = Outside { mapped: &self.mapped, reflexive: &reflexive, mapping };
        let local = own::gather(&self.surroundings, bound, loopback, &outside);
        let own = Own { local, complete: binding.is_complete(), relay_rtt: binding.rtt() };
        let mut differs = false;
        self.own.send_if_modified(|former| {
            differs = former.local != own.local;
            let modified = *former != own;
            *former = own;
            modified
        });
        if differs {
            let local = self.own.borrow().local.clone();
            self.peers.own(&local);
        }
    }

    /// Opens the sockets that agents have asked for.
    fn open_sockets(&mut self) {
        for (device, count) in self.peers.wanted_sockets() {
            let listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
            let sockets: Vec<SocketId> = (0..count.min(SOCKETS_MAX))
                .map_while(|_| self.network.bind(listen).ok())
                .map_while(|socket| self.demux.add_socket(socket))
                .collect();
            let demux = Arc::clone(&self.demux);
            self.opening.spawn(async move {
                let ready = async {
                    for id in &sockets {
                        demux.writable(*id).await;
                    }
                };
                // Those that are not ready lose their first datagram, no more.
                let _ = timeout(SOCKETS_WITHIN, ready).await;
                (device, sockets)
            });
        }
    }
}
