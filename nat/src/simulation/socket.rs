//! A UDP socket of a simulated host, as a system with offloads would give it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

use super::internet::{HostId, Packet};
use super::machine::Simulation;

/// Bytes that wait in a socket; more are lost.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// Datagrams that go through one call, in either direction.
const SEGMENTS_MAX: usize = 10;

/// What has arrived at a socket.
#[derive(Debug, Default)]
pub(super) struct Inbox(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    packets: VecDeque<Packet>,
    bytes: usize,
    reader: Option<Waker>,
}

impl Inbox {
    /// Adds a packet, unless the socket is full.
    pub(super) fn put(&self, packet: Packet) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes + packet.content.len() > WAITING_BYTES_MAX {
            return;
        }
        waiting.bytes += packet.content.len();
        waiting.packets.push_back(packet);
        if let Some(reader) = waiting.reader.take() {
            reader.wake();
        }
    }

    /// Takes packets with `take` as long as it says so, or waits for the first.
    fn poll_take<T>(&self, cx: &Context<'_>, take: impl FnOnce(&mut Waiting) -> T) -> Poll<T> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.packets.is_empty() {
            waiting.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(take(&mut waiting))
    }
}

impl Waiting {
    fn pop(&mut self) -> Option<Packet> {
        let packet = self.packets.pop_front()?;
        self.bytes -= packet.content.len();
        Some(packet)
    }

    /// Fills one buffer with datagrams of one sender and one length, as the kernel's receive offload does.
    fn fill(
        &mut self,
        buffer: &mut IoSliceMut<'_>,
        shown: impl Fn(SocketAddr) -> SocketAddr,
    ) -> Option<RecvMeta> {
        let first = self.pop()?;
        let stride = first.content.len();
        // As the system does, what is too long for the buffer is cut.
        let mut len = stride.min(buffer.len());
        buffer[..len].copy_from_slice(&first.content[..len]);
        let mut segments = 1;
        while segments < SEGMENTS_MAX && len == segments * stride {
            let Some(next) = self.packets.front() else { break };
            let fits = (1..=stride).contains(&next.content.len()) && len + next.content.len() <= buffer.len();
            if !fits || next.source != first.source || next.destination != first.destination {
                break;
            }
            let Some(next) = self.pop() else { break };
            buffer[len..len + next.content.len()].copy_from_slice(&next.content);
            len += next.content.len();
            segments += 1;
        }
        let dst_ip = Some(first.destination.ip());
        Some(RecvMeta { addr: shown(first.source), len, stride, ecn: None, dst_ip })
    }
}

/// A bound socket. Dropping it frees the port.
#[derive(Debug)]
pub struct SimulatedSocket {
    simulation: Simulation,
    host: HostId,
    bound: SocketAddr,
    inbox: Arc<Inbox>,
}

impl SimulatedSocket {
    pub(super) const fn new(
        simulation: Simulation,
        host: HostId,
        bound: SocketAddr,
        inbox: Arc<Inbox>,
    ) -> Self {
        Self { simulation, host, bound, inbox }
    }

    /// Sends one datagram.
    pub fn send_to(&self, to: SocketAddr, contents: &[u8]) {
        self.send(to, None, contents);
    }

    /// Waits for a datagram and tells who sent it. IPv4 addresses are shown as such.
    pub async fn recv_from(&self) -> (SocketAddr, Vec<u8>) {
        let packet = poll_fn(|cx| {
            let popped = ready!(self.inbox.poll_take(cx, Waiting::pop));
            // There is one: the inbox waits until there is.
            popped.map_or(Poll::Pending, Poll::Ready)
        });
        let packet = packet.await;
        (packet.source, packet.content)
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.bound.port()
    }

    fn send(&self, to: SocketAddr, from: Option<IpAddr>, contents: &[u8]) {
        let to = SocketAddr::new(to.ip().to_canonical(), to.port());
        let bound = Some(self.bound.ip()).filter(|ip| !ip.is_unspecified());
        let from =
            bound.or(from.map(|ip| ip.to_canonical())).or_else(|| self.simulation.source(self.host, to.ip()));
        // A system answers "network unreachable", and quinn's sockets then log and lose the packet.
        let Some(from) = from.filter(|from| from.is_ipv4() == to.is_ipv4()) else { return };
        let packet = Packet::udp(SocketAddr::new(from, self.bound.port()), to, contents.to_vec());
        self.simulation.send(self.host, packet);
    }

    /// An address as this socket's family writes it.
    fn shown(&self, address: SocketAddr) -> SocketAddr {
        match address.ip() {
            IpAddr::V4(ip) if self.bound.is_ipv6() => {
                SocketAddr::new(ip.to_ipv6_mapped().into(), address.port())
            }
            IpAddr::V4(_) | IpAddr::V6(_) => address,
        }
    }
}

impl Drop for SimulatedSocket {
    fn drop(&mut self) {
        self.simulation.unbind(self.host, self.bound.port(), &self.inbox);
    }
}

impl AsyncUdpSocket for SimulatedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if transmit.destination.is_ipv4() != self.bound.is_ipv4() {
            // Some systems refuse it, so nobody may count on it.
            let error = "a socket takes addresses of its own family";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for contents in transmit.contents.chunks(segment) {
            self.send(transmit.destination, transmit.src_ip, contents);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.inbox
            .poll_take(cx, |waiting| {
                let mut count = 0;
                for (buffer, meta) in buffers.iter_mut().zip(metas) {
                    let Some(filled) = waiting.fill(buffer, |address| self.shown(address)) else { break };
                    *meta = filled;
                    count += 1;
                }
                count
            })
            .map(Ok)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.bound)
    }

    fn max_transmit_segments(&self) -> usize {
        SEGMENTS_MAX
    }

    fn max_receive_segments(&self) -> usize {
        SEGMENTS_MAX
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

/// Nobody waits to send: what does not fit on the line is lost there.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
