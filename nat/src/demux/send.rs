//! The way out: over a socket, a road, or whichever route is selected to a peer.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use hobnob_wire::datagram::{CHANNEL_HEADER_BYTES, Channel};
use quinn::AsyncUdpSocket;
use quinn::udp::Transmit;
use tokio::time::Instant;

use super::address::{is_virtual, written};
use super::{Demux, PAUSE};
use crate::core::agent::{Selection, SocketId, Way};

thread_local! {
    /// Where channel headers are put before datagrams. Never larger than what one call sends: 64 KiB and the headers.
    static HEADED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Sends over one socket, which may be of another family than the next.
pub(super) fn send_by(socket: &dyn AsyncUdpSocket, is_v6: bool, transmit: &Transmit<'_>) -> io::Result<()> {
    let Some(destination) = written(transmit.destination, is_v6) else {
        tracing::trace!("a datagram is dropped: there is no IPv6");
        return Ok(());
    };
    socket.try_send(&Transmit { destination, ..transmit.clone() })
}

impl Demux {
    /// Sends a datagram beside QUIC, or loses it.
    pub(crate) fn send_beside(&self, way: Way, contents: &[u8]) {
        let transmit =
            Transmit { destination: way.to, ecn: None, contents, segment_size: None, src_ip: None };
        if let Err(error) = self.send_over(way.via, &transmit) {
            tracing::trace!(%error, "a datagram is dropped");
        }
    }

    /// Sends to a real address, or to a traveller.
    pub(super) fn send_over(&self, via: SocketId, transmit: &Transmit<'_>) -> io::Result<()> {
        let to = transmit.destination;
        if is_virtual(to) {
            self.roads.send(to, transmit);
            return Ok(());
        }
        if via == SocketId::MAIN {
            send_by(&*self.main, self.is_v6, transmit)
        } else {
            self.sides.send(via, transmit)
        }
    }

    /// Sends what quinn has for a peer.
    pub(super) fn send_to_peer(&self, peer: SocketAddr, transmit: &Transmit<'_>) -> io::Result<()> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let Some(route) = routes.to(peer) else { return Ok(()) };
        let (selection, conduit) = (route.selection, route.conduit);
        let relay = conduit.and_then(|conduit| routes.forwarder(conduit));
        let channel = conduit.map(|conduit| conduit.channel);
        let (usage, doubted) = (Arc::clone(&route.usage), route.doubted);
        drop(routes);
        if let (Selection::Direct(_), Some(channel), Some(relay)) = (selection, channel, relay)
            && (doubted || usage.is_aside(Instant::now()))
        {
            // What the relay does not take is not worth waiting for.
            let _ = self.send_headed(Way { via: SocketId::MAIN, to: relay }, channel, transmit);
        }
        let sent = match (selection, channel, relay) {
            (Selection::Relay, Some(channel), Some(relay)) => {
                let way = Way { via: SocketId::MAIN, to: relay };
                self.send_headed(way, channel, transmit)
            }
            // The relay may have to take over: what does not pass with a header must not be found to pass without one.
            (Selection::Direct(way), Some(channel), _)
                if transmit.segment_size.is_none() && usage.is_search(transmit.contents.len()) =>
            {
                self.send_headed(way, channel, transmit)
            }
            (Selection::Direct(way), ..) => {
                let transmit = Transmit { destination: way.to, src_ip: None, ..transmit.clone() };
                self.send_over(way.via, &transmit)
            }
            (Selection::Nothing | Selection::Relay, ..) => {
                tracing::trace!("a datagram is dropped: there is no path yet");
                return Ok(());
            }
        };
        if sent.is_ok() && usage.note_sent(Instant::now(), PAUSE) {
            self.stirred.notify_one();
        }
        sent
    }

    /// Sends with a channel header before each datagram.
    fn send_headed(&self, way: Way, channel: Channel, transmit: &Transmit<'_>) -> io::Result<()> {
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        HEADED.with_borrow_mut(|headed| {
            headed.clear();
            for datagram in transmit.contents.chunks(segment) {
                headed.extend_from_slice(&channel.header());
                headed.extend_from_slice(datagram);
            }
            let segment_size = transmit.segment_size.map(|size| size + CHANNEL_HEADER_BYTES);
            let headed = Transmit {
                destination: way.to,
                ecn: transmit.ecn,
                contents: headed,
                segment_size,
                src_ip: None,
            };
            self.send_over(way.via, &headed)
        })
    }
}
