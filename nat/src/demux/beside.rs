//! Where datagrams beside QUIC go, and how one is sent.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hobnob_wire::datagram::{self, CHANNEL_HEADER_BYTES, Channel, DATAGRAM_BYTES_MAX};
use quinn::udp::{EcnCodepoint, Transmit};
use tokio::sync::mpsc;

use crate::core::agent::{SocketId, Way};
use crate::relay::RelayServer;

/// Takes the datagrams that share the socket with QUIC ([`hobnob_wire::datagram`]). Called while receiving: it must not wait.
pub trait Beside: fmt::Debug + Send + Sync + 'static {
    /// Takes datagrams that came in one go. What `outlet` refuses is lost.
    fn take(&self, batch: &Batch<'_>, outlet: &dyn Outlet);
}

/// Sends datagrams.
pub trait Outlet: fmt::Debug + Send + Sync {
    /// Sends at once or not at all. The destination is a real address or that of a traveller; the datagrams of one call go
    /// out together where the system can do it (GSO), at most [`Outlet::segments_max`].
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when the socket's buffer is full.
    fn send(&self, transmit: &Transmit<'_>) -> io::Result<()>;

    /// How many datagrams one call may carry.
    fn segments_max(&self) -> usize;
}

/// Datagrams of one source, none of them QUIC.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The socket that they arrived at.
    pub via: SocketId,
    /// Who sent them: a real address, IPv4 as IPv4, or that of a traveller.
    pub from: SocketAddr,
    /// One after the other.
    pub bytes: &'a [u8],
    /// How long each is; the last may be shorter.
    pub stride: usize,
    /// The own address that they were sent to, where the system tells: answers had better come from there.
    pub to: Option<IpAddr>,
    /// What the network says about congestion.
    pub ecn: Option<EcnCodepoint>,
}

impl<'a> Batch<'a> {
    /// Each datagram.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.bytes.chunks(self.stride.max(1))
    }
}

/// A datagram for the tasks of a peer.
#[derive(Debug)]
pub(crate) struct Heard {
    /// Where it came from.
    pub(crate) way: Way,
    /// What it says.
    pub(crate) bytes: Vec<u8>,
}

/// Hands datagrams to a task; when that is behind, they are lost like any other.
#[derive(Debug)]
pub(crate) struct Inbox(pub(crate) mpsc::Sender<Heard>);

impl Beside for Inbox {
    fn take(&self, batch: &Batch<'_>, _: &dyn Outlet) {
        let way = Way { via: batch.via, to: batch.from };
        for datagram in batch.datagrams().filter(|datagram| datagram.len() <= DATAGRAM_BYTES_MAX) {
            if self.0.try_send(Heard { way, bytes: datagram.to_vec() }).is_err() {
                tracing::trace!("a datagram is dropped: there are too many");
            }
        }
    }
}

/// On a peer that relays for its contacts: what is said to a relay goes to that, all else to the task.
#[derive(Debug)]
pub(crate) struct Helping {
    pub(crate) relay: Arc<RelayServer>,
    pub(crate) inbox: Inbox,
}

impl Beside for Helping {
    fn take(&self, batch: &Batch<'_>, outlet: &dyn Outlet) {
        let is_for_relay = |datagram: &[u8]| {
            Channel::split(datagram).is_some()
                || datagram::parse(datagram).is_ok_and(|unproved| unproved.allocation().is_some())
        };
        let stride = batch.stride.max(1);
        for run in runs(batch.bytes, stride) {
            let batch = Batch { bytes: run, ..*batch };
            if is_for_relay(&run[..run.len().min(stride)]) {
                self.relay.take(&batch, outlet);
            } else {
                self.inbox.take(&batch, outlet);
            }
        }
    }
}

/// The datagrams of one batch, those of one channel that follow each other together, all others one by one.
pub(crate) fn runs(bytes: &[u8], stride: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (run, after) = rest.split_at(run_len(rest, stride));
        rest = after;
        (!run.is_empty()).then_some(run)
    })
}

/// Bytes of the first datagram and, if it is one of a channel, of those of the same channel right behind it.
fn run_len(bytes: &[u8], stride: usize) -> usize {
    let mut datagrams = bytes.chunks(stride);
    let Some(first) = datagrams.next() else { return 0 };
    if Channel::split(first).is_none() {
        return first.len();
    }
    let header = &first[..CHANNEL_HEADER_BYTES];
    let alike = datagrams.take_while(|datagram| datagram.starts_with(header));
    first.len() + alike.map(<[u8]>::len).sum::<usize>()
}

/// Drops everything.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Beside for Nobody {
    fn take(&self, _: &Batch<'_>, _: &dyn Outlet) {}
}
