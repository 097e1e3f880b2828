//! The relay at work: forwards in the receive path of the socket of whoever relays, and reflects on further sockets.
//!
//! Datagrams of one channel that came in one go (GRO) leave in one go (GSO), byte for byte, with what the network said about
//! congestion. There is no queue and no memory per datagram: what the socket does not take at once is lost, as in any router.
//! What is forwarded and answered is decided by [`core::relay`](crate::core::relay).

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hobnob_wire::datagram::Channel;
use quinn::AsyncUdpSocket;
use quinn::udp::{RecvMeta, Transmit};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use crate::core::relay::{Door, Hop, Load, Order, Relay, RelayLimits, RelayTally};
use crate::demux::address::canonical;
use crate::demux::beside::{Batch, Beside, Outlet, runs};
use crate::network::Network;

/// A relay: give it to [`Endpoint::rendezvous_on`](crate::Endpoint::rendezvous_on), or to
/// [`Endpoint::peer_relaying_on`](crate::Endpoint::peer_relaying_on).
#[derive(Debug)]
pub struct RelayServer {
    /// Held for the time of a look-up; orders come a few times per session.
    relay: Mutex<Relay>,
    started: Instant,
}

impl RelayServer {
    /// A relay with nobody at it. `secret` is random and makes its cookies.
    #[must_use]
    pub fn new(limits: RelayLimits, secret: Zeroizing<[u8; 32]>) -> Arc<Self> {
        Arc::new(Self { relay: Mutex::new(Relay::new(limits, secret)), started: Instant::now() })
    }

    /// Does what the rendezvous wants.
    pub fn order(&self, order: Order) {
        self.relay().order(order, self.now());
    }

    /// What has been done since the start.
    #[must_use]
    pub fn tally(&self) -> RelayTally {
        self.relay().tally()
    }

    fn relay(&self) -> MutexGuard<'_, Relay> {
        self.relay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Forwards datagrams of one channel.
    fn forward(&self, channel: Channel, run: &[u8], batch: &Batch<'_>, outlet: &dyn Outlet) {
        let stride = batch.stride.max(1);
        let load = Load { bytes: run.len() as u64, datagrams: run.len().div_ceil(stride) as u64 };
        let Some(to) = self.relay().forward(batch.from, channel, load, self.now()) else { return };
        for contents in run.chunks(stride.saturating_mul(outlet.segments_max().max(1))) {
            let segment_size = (contents.len() > stride).then_some(stride);
            let transmit = Transmit { ecn: batch.ecn, segment_size, ..transmit(to, contents) };
            if let Err(error) = outlet.send(&transmit) {
                tracing::trace!(%error, "forwarded datagrams are lost");
            }
        }
    }

    fn answer(&self, from: Hop, bytes: &[u8], door: Door) -> Option<Vec<u8>> {
        self.relay().answer(from, bytes, door, self.now())
    }
}

impl Beside for RelayServer {
    fn take(&self, batch: &Batch<'_>, outlet: &dyn Outlet) {
        for run in runs(batch.bytes, batch.stride.max(1)) {
            match Channel::split(run) {
                Some((channel, _)) => self.forward(channel, run, batch, outlet),
                None => {
                    let from = Hop { peer: batch.from, here: batch.to };
                    if let Some(answer) = self.answer(from, run, Door::Relay) {
                        send(&transmit(from, &answer), |transmit| outlet.send(transmit));
                    }
                }
            }
        }
    }
}

/// One datagram, or several, to a peer from the address that it knows.
fn transmit(to: Hop, contents: &[u8]) -> Transmit<'_> {
    Transmit { destination: to.peer, ecn: None, contents, segment_size: None, src_ip: to.here }
}

fn send(transmit: &Transmit<'_>, by: impl FnOnce(&Transmit<'_>) -> io::Result<()>) {
    if let Err(error) = by(transmit) {
        tracing::trace!(%error, "an answer is lost");
    }
}

/// A socket that tells peers where it sees them and does nothing else. It works until it is dropped.
#[derive(Debug)]
pub struct Reflector {
    at: SocketAddr,
    task: JoinHandle<()>,
}

impl Reflector {
    /// Opens a reflector for those who have a place at `relay`. Must be called within a tokio runtime, which drives it.
    ///
    /// # Errors
    /// When the socket cannot be had, typically because the port is in use.
    pub fn open(network: &dyn Network, listen: SocketAddr, relay: Arc<RelayServer>) -> io::Result<Self> {
        let socket = network.bind(listen)?;
        let at = canonical(socket.local_addr()?);
        Ok(Self { at, task: tokio::spawn(reflect(socket, relay)) })
    }

    /// The address that it listens on, with the real port.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.at
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers on a socket for as long as it works.
async fn reflect(socket: Arc<dyn AsyncUdpSocket>, relay: Arc<RelayServer>) {
    /// Requests are short; whatever is longer need not be whole.
    const BUFFER_BYTES: usize = 2048;
    /// Errors of a receive concern what somebody sent or the system's memory, and pass.
    const PAUSE: Duration = Duration::from_millis(100);
    let mut poller = Arc::clone(&socket).create_io_poller();
    let mut buffer = vec![0; BUFFER_BYTES * socket.max_receive_segments()];
    loop {
        // The system says for the first time a moment after the bind that something can be sent.
        let _ = std::future::poll_fn(|cx| poller.as_mut().poll_writable(cx)).await;
        let mut metas = [RecvMeta::default()];
        let received = {
            let mut buffers = [IoSliceMut::new(&mut buffer)];
            std::future::poll_fn(|cx| socket.poll_recv(cx, &mut buffers, &mut metas)).await
        };
        let [meta] = metas;
        match received {
            Ok(0) => {}
            Ok(_) => {
                let from = Hop { peer: canonical(meta.addr), here: meta.dst_ip };
                for bytes in buffer[..meta.len].chunks(meta.stride.max(1)) {
                    if let Some(answer) = relay.answer(from, bytes, Door::Reflector) {
                        let back = Transmit { destination: meta.addr, ..transmit(from, &answer) };
                        send(&back, |transmit| socket.try_send(transmit));
                    }
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a reflector does not receive");
                sleep(PAUSE).await;
            }
        }
    }
}
