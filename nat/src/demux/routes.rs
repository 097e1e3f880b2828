//! Which real addresses stand behind each virtual one, and whose QUIC is taken at all.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use hobnob_wire::datagram::{CHANNEL_HEADER_BYTES, Channel, is_beside_quic};
use tokio::time::Instant;

use super::split::Goes;
use super::usage::Usage;
use crate::core::agent::{Selection, Way};

/// Whose QUIC an endpoint takes besides that of its peers and of addresses that it has dialed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strangers {
    /// Anybody's: a rendezvous, and tools.
    Admitted,
    /// Nobody's. Whoever knows only the address learns not even that somebody is there.
    Ignored,
}

/// Real addresses that were dialed and may answer. Older ones are forgotten: a peer has one session, and a few attempts at
/// one behind it.
const DIALED_MAX: usize = 16;

/// The routes of one endpoint.
#[derive(Debug)]
pub(crate) struct Routes {
    strangers: Strangers,
    peers: HashMap<SocketAddr, Route>,
    ways: HashMap<Way, Taken>,
    channels: HashMap<Channel, Taken>,
    relay: Option<SocketAddr>,
    dialed: VecDeque<SocketAddr>,
}

/// The route to one peer.
#[derive(Debug, Default)]
pub(crate) struct Route {
    pub(crate) selection: Selection,
    pub(crate) conduit: Option<Conduit>,
    /// The selection may be dead: the relay carries everything as well.
    pub(crate) doubted: bool,
    pub(crate) usage: Arc<Usage>,
}

/// A channel to a peer, and who forwards in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conduit {
    pub(crate) channel: Channel,
    /// The address of a contact that does; `None` for the relay of the rendezvous, wherever that is.
    pub(crate) helper: Option<SocketAddr>,
}

/// Whose QUIC comes from somewhere.
#[derive(Clone, Debug)]
struct Taken {
    peer: SocketAddr,
    usage: Arc<Usage>,
}

impl Routes {
    pub(crate) fn new(strangers: Strangers) -> Self {
        Self {
            strangers,
            peers: HashMap::new(),
            ways: HashMap::new(),
            channels: HashMap::new(),
            relay: None,
            dialed: VecDeque::new(),
        }
    }

    /// The route to the peer with this virtual address.
    pub(crate) fn to(&self, peer: SocketAddr) -> Option<&Route> {
        self.peers.get(&peer)
    }

    /// The address of whoever forwards in a channel.
    pub(crate) fn forwarder(&self, conduit: Conduit) -> Option<SocketAddr> {
        conduit.helper.or(self.relay)
    }

    /// The relay of the rendezvous is at this address from now on.
    pub(crate) fn set_relay(&mut self, relay: Option<SocketAddr>) {
        self.relay = relay;
    }

    /// What is heard from `address` is an answer from now on.
    pub(crate) fn dial(&mut self, address: SocketAddr) {
        if !self.dialed.contains(&address) {
            if self.dialed.len() == DIALED_MAX {
                self.dialed.pop_front();
            }
            self.dialed.push_back(address);
        }
    }

    /// What is known about the traffic with a peer, whose route exists from now on.
    pub(crate) fn usage(&mut self, peer: SocketAddr) -> Arc<Usage> {
        Arc::clone(&self.peers.entry(peer).or_default().usage)
    }

    /// Chooses where datagrams for a peer go from now on.
    pub(crate) fn select(&mut self, peer: SocketAddr, selection: Selection) {
        let route = self.peers.entry(peer).or_default();
        if route.selection != selection {
            route.selection = selection;
            route.usage.start_over();
        }
    }

    /// Whether the relay carries everything for a peer as well.
    pub(crate) fn doubt(&mut self, peer: SocketAddr, doubted: bool) {
        self.peers.entry(peer).or_default().doubted = doubted;
    }

    /// In which channel a peer is forwarded to. Numbers are random: one that is another peer's already is not taken from it.
    pub(crate) fn set_conduit(&mut self, peer: SocketAddr, conduit: Option<Conduit>) {
        let is_others =
            |conduit: &Conduit| self.channels.get(&conduit.channel).is_some_and(|taken| taken.peer != peer);
        let conduit = conduit.filter(|conduit| !is_others(conduit));
        let route = self.peers.entry(peer).or_default();
        let former = std::mem::replace(&mut route.conduit, conduit);
        if former != conduit && route.selection == Selection::Relay {
            route.usage.start_over();
        }
        if let Some(former) = former {
            self.channels.remove(&former.channel);
        }
        if let Some(Conduit { channel, .. }) = conduit {
            let taken = Taken { peer, usage: Arc::clone(&route.usage) };
            self.channels.insert(channel, taken);
        }
    }

    /// QUIC from this way is the peer's from now on.
    pub(crate) fn admit(&mut self, peer: SocketAddr, way: Way) {
        let usage = self.usage(peer);
        self.ways.insert(way, Taken { peer, usage });
    }

    /// QUIC from this way is nobody's from now on, unless it is another peer's by now.
    pub(crate) fn dismiss(&mut self, peer: SocketAddr, way: Way) {
        if self.ways.get(&way).is_some_and(|taken| taken.peer == peer) {
            self.ways.remove(&way);
        }
    }

    /// Forgets a peer and all that leads to it.
    pub(crate) fn forget(&mut self, peer: SocketAddr) {
        self.peers.remove(&peer);
        self.ways.retain(|_, taken| taken.peer != peer);
        self.channels.retain(|_, taken| taken.peer != peer);
    }

    /// What happens to the datagrams of one source, heard now. `as_is` is its address with all that the system says.
    pub(super) fn source(&self, from: Way, as_is: SocketAddr, now: Instant) -> Source<'_> {
        let taken = self.ways.get(&from);
        let selected = |taken: &&Taken| {
            self.to(taken.peer).is_some_and(|route| route.selection == Selection::Direct(from))
        };
        if let Some(taken) = taken.filter(selected) {
            taken.usage.note_heard(now);
        }
        let admitted = self.strangers == Strangers::Admitted || self.dialed.contains(&from.to);
        let quic = match taken {
            Some(taken) => Goes::ToQuinn(taken.peer, 0),
            None if admitted => Goes::ToQuinn(as_is, 0),
            None => Goes::Nowhere,
        };
        Source { routes: self, from, peer: taken.map(|taken| taken.peer), quic, now, last: Cell::new(None) }
    }
}

/// One source of datagrams, looked up once for all that came in one buffer.
#[derive(Debug)]
pub(super) struct Source<'a> {
    routes: &'a Routes,
    from: Way,
    /// Whose way it is.
    peer: Option<SocketAddr>,
    /// Where QUIC from here goes.
    quic: Goes,
    now: Instant,
    /// The last channel that was looked up.
    last: Cell<Option<(Channel, Goes)>>,
}

impl Source<'_> {
    /// Where a datagram from here goes.
    pub(super) fn place(&self, datagram: &[u8]) -> Goes {
        let Some(first) = datagram.first() else { return Goes::Nowhere };
        if !is_beside_quic(*first) {
            return self.quic;
        }
        let Some((channel, content)) = Channel::split(datagram) else { return Goes::Beside };
        let goes = match self.last.get() {
            Some((last, goes)) if last == channel => goes,
            _ => self.place_channel(channel),
        };
        self.last.set(Some((channel, goes)));
        let is_for_quinn = matches!(goes, Goes::ToQuinn(..));
        let is_quic = content.first().is_some_and(|first| !is_beside_quic(*first));
        if is_for_quinn && !is_quic { Goes::Nowhere } else { goes }
    }

    /// Where the content of a channel goes: to its peer, if it comes from whoever forwards or from the peer itself. An unknown
    /// channel is the business of whoever runs a relay here.
    fn place_channel(&self, channel: Channel) -> Goes {
        let Some(taken) = self.routes.channels.get(&channel) else { return Goes::Beside };
        let route = self.routes.to(taken.peer);
        let forwarder = route.and_then(|route| self.routes.forwarder(route.conduit?));
        let by_relay = forwarder == Some(self.from.to);
        if !by_relay && self.peer != Some(taken.peer) {
            return Goes::Nowhere;
        }
        match route.map(|route| route.selection) {
            Some(Selection::Relay) if by_relay => taken.usage.note_heard(self.now),
            Some(Selection::Direct(_)) if by_relay => taken.usage.note_heard_aside(self.now),
            Some(Selection::Nothing | Selection::Relay | Selection::Direct(_)) | None => {}
        }
        Goes::ToQuinn(taken.peer, CHANNEL_HEADER_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hobnob_wire::ids::DeviceId;

    use super::*;
    use crate::demux::address::of_device;

    const QUIC: &[u8] = &[0x40, 1, 2];

    fn way(last: u8) -> Way {
        Way::main(SocketAddr::from(([192, 0, 2, last], 7700)))
    }

    fn alice() -> SocketAddr {
        of_device(DeviceId::new([1; 16]))
    }

    fn bob() -> SocketAddr {
        of_device(DeviceId::new([2; 16]))
    }

    fn place(routes: &Routes, from: Way, datagram: &[u8]) -> Goes {
        routes.source(from, from.to, Instant::now()).place(datagram)
    }

    fn in_channel(channel: Channel, content: &[u8]) -> Vec<u8> {
        [channel.header().as_slice(), content].concat()
    }

    #[tokio::test]
    async fn quic_is_taken_from_peers_from_whom_was_dialed_and_where_strangers_are_admitted_from_all() {
        let mut routes = Routes::new(Strangers::Ignored);
        assert_eq!(place(&routes, way(1), QUIC), Goes::Nowhere);
        routes.dial(way(1).to);
        assert_eq!(place(&routes, way(1), QUIC), Goes::ToQuinn(way(1).to, 0));
        routes.admit(alice(), way(2));
        assert_eq!(place(&routes, way(2), QUIC), Goes::ToQuinn(alice(), 0));
        routes.dismiss(bob(), way(2));
        assert_eq!(place(&routes, way(2), QUIC), Goes::ToQuinn(alice(), 0), "it is not Bob's");
        routes.dismiss(alice(), way(2));
        assert_eq!(place(&routes, way(2), QUIC), Goes::Nowhere);
        let open = Routes::new(Strangers::Admitted);
        assert_eq!(place(&open, way(3), QUIC), Goes::ToQuinn(way(3).to, 0));
    }

    #[tokio::test]
    async fn a_way_over_another_socket_is_another_way() {
        let mut routes = Routes::new(Strangers::Ignored);
        let elsewhere = Way { via: crate::core::agent::SocketId(3), ..way(1) };
        routes.admit(alice(), elsewhere);
        assert_eq!(place(&routes, way(1), QUIC), Goes::Nowhere);
        assert_eq!(place(&routes, elsewhere, QUIC), Goes::ToQuinn(alice(), 0));
    }

    #[tokio::test]
    async fn a_channel_is_heard_from_the_relay_and_from_the_peer_and_from_nobody_else() {
        let mut routes = Routes::new(Strangers::Ignored);
        let (channel, other) = (Channel::new([1; 7]), Channel::new([2; 7]));
        let datagram = in_channel(channel, QUIC);
        routes.set_relay(Some(way(9).to));
        assert_eq!(place(&routes, way(9), &datagram), Goes::Beside, "unknown");
        routes.set_conduit(alice(), Some(Conduit { channel, helper: None }));
        assert_eq!(place(&routes, way(9), &datagram), Goes::ToQuinn(alice(), 8));
        assert_eq!(place(&routes, way(1), &datagram), Goes::Nowhere);
        routes.admit(bob(), way(1));
        assert_eq!(place(&routes, way(1), &datagram), Goes::Nowhere, "Bob has no part in it");
        routes.admit(alice(), way(1));
        assert_eq!(place(&routes, way(1), &datagram), Goes::ToQuinn(alice(), 8));
        for inside in [b"".as_slice(), &datagram, &[0]] {
            assert_eq!(place(&routes, way(9), &in_channel(channel, inside)), Goes::Nowhere, "{inside:?}");
        }
        routes.set_conduit(alice(), Some(Conduit { channel: other, helper: None }));
        assert_eq!(place(&routes, way(9), &datagram), Goes::Beside);
        routes.forget(alice());
        assert_eq!(place(&routes, way(9), &in_channel(other, QUIC)), Goes::Beside);
        assert_eq!(place(&routes, way(1), QUIC), Goes::Nowhere);
    }

    #[tokio::test]
    async fn a_channel_of_a_helper_is_heard_from_that_helper_and_no_channel_is_taken_from_another_peer() {
        let mut routes = Routes::new(Strangers::Ignored);
        let channel = Channel::new([1; 7]);
        let datagram = in_channel(channel, QUIC);
        let helped = Conduit { channel, helper: Some(way(5).to) };
        routes.set_relay(Some(way(9).to));
        routes.set_conduit(alice(), Some(helped));
        assert_eq!(routes.forwarder(helped), Some(way(5).to));
        assert_eq!(place(&routes, way(5), &datagram), Goes::ToQuinn(alice(), 8));
        assert_eq!(place(&routes, way(9), &datagram), Goes::Nowhere, "the rendezvous has no part in it");
        routes.set_conduit(bob(), Some(Conduit { channel, helper: Some(way(6).to) }));
        assert_eq!(place(&routes, way(5), &datagram), Goes::ToQuinn(alice(), 8));
        assert_eq!(place(&routes, way(6), &datagram), Goes::Nowhere);
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_is_heard_from_the_selection_counts() {
        let mut routes = Routes::new(Strangers::Ignored);
        let channel = Channel::new([1; 7]);
        routes.set_relay(Some(way(9).to));
        routes.set_conduit(alice(), Some(Conduit { channel, helper: None }));
        routes.admit(alice(), way(1));
        routes.admit(alice(), way(2));
        let usage = routes.usage(alice());
        let heard_from = |routes: &Routes, last: u8, datagram: &[u8]| {
            place(routes, way(last), datagram);
            routes.to(alice()).unwrap().usage.heard()
        };
        routes.select(alice(), Selection::Direct(way(1)));
        assert_eq!(heard_from(&routes, 2, QUIC), None);
        assert_eq!(heard_from(&routes, 9, &in_channel(channel, QUIC)), None);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(heard_from(&routes, 1, QUIC), Some(Instant::now()));
        routes.select(alice(), Selection::Relay);
        assert_eq!(usage.heard(), None, "it starts over");
        assert_eq!(heard_from(&routes, 1, QUIC), None);
        assert_eq!(heard_from(&routes, 9, &in_channel(channel, QUIC)), Some(Instant::now()));
    }
}
